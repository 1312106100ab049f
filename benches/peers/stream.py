"""An epoch of shuffled batches as other tools give them: the peers of benches/stream.rs, on the same data.

    cargo bench -p radio-benches --bench stream               # makes the data
    python benches/peers/stream.py target/tmp/stream/Snappy   # packages from requirements.txt
    python benches/peers/stream.py target/tmp/stream/Snappy --only pyarrow ray

The data are the bench's: 64 tiles of 500 rows, flux and ivar of 4096 float32 pixels. Every peer hands out batches of 256 rows,
as arrays or tensors of shape (256, 4096), shuffled in a window of about 2048 rows, or over all rows ("global") where that is
what the tool offers. Each peer runs in a process of its own, some epochs one after the other, as in a training; the one with
the middle CPU time is told. All of them are listed below the table, as the first one may start workers or fault pages in.

Not counted: imports, `ray.init`, and one-time copies of the data (told below the table).
CPU: all threads and all processes below the peer's, Ray's daemons among them; nothing is subtracted.
Peak: of memory in RAM since the first epoch began, with the pages of mapped files. What is allocated by then (the imported
packages) counts along. For peers of several processes it is the sum, each shared page counted once, looked at every 0.1 s.
"""

import argparse
import functools
import importlib.metadata
import importlib.util
import itertools
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
import psutil

SEED = 20_260_401
TILES, ROWS, PIXELS, BATCH, WINDOW = 64, 500, 4096, 256, 2048
GB = TILES * ROWS * PIXELS * 8 / 1e9
CPUS = 2


def matrix(column):
    """A column of lists as rows of pixels, without a copy."""
    if hasattr(column, "combine_chunks"):
        column = column.combine_chunks()
    return column.flatten().to_numpy().reshape(-1, PIXELS)


def read(files, random):
    """Tiles in random order, read by pyarrow."""
    import pyarrow.parquet as pq

    return (pq.read_table(files[tile]) for tile in random.permutation(len(files)))


def samples(tables, random):
    """Rows in random order within a window of whole tiles."""
    window, rows = [], []

    def shuffled():
        random.shuffle(rows)
        for tile, row in rows:
            ids, flux, ivar = window[tile]
            yield int(ids[row]), flux[row], ivar[row]
        window.clear()
        rows.clear()

    for table in tables:
        rows.extend((len(window), row) for row in range(table.num_rows))
        window.append((table["targetid"].to_numpy(), matrix(table["flux"]), matrix(table["ivar"])))
        if len(rows) >= WINDOW:
            yield from shuffled()
    yield from shuffled()


def batches(samples):
    while batch := list(itertools.islice(samples, BATCH)):
        ids, flux, ivar = zip(*batch)
        yield np.array(ids), np.stack(flux), np.stack(ivar)


def columns(batch):
    return batch["targetid"], batch["flux"], batch["ivar"]


# Every function below prepares a peer and returns what makes an epoch from a seed.


def with_pyarrow(files, scratch, notes):
    import pyarrow.parquet  # noqa: F401

    def epoch(seed):
        random = np.random.default_rng(seed)
        return batches(samples(read(files, random), random))

    return epoch


def with_torch(files, scratch, notes, workers=0):
    import pyarrow.parquet  # noqa: F401
    import torch.utils.data

    class Spectra(torch.utils.data.IterableDataset):
        def __init__(self, seed):
            self.seed = seed

        def __iter__(self):
            worker = torch.utils.data.get_worker_info()
            number, count = (worker.id, worker.num_workers) if worker else (0, 1)
            random = np.random.default_rng([self.seed, number])
            return samples(read(files[number::count], random), random)

    return lambda seed: torch.utils.data.DataLoader(Spectra(seed), batch_size=BATCH, num_workers=workers)


def with_torch_workers(files, scratch, notes):
    return with_torch(files, scratch, notes, workers=2)


def import_datasets(files, scratch):
    """What loads the tiles."""
    os.environ.update(HF_HOME=str(scratch), HF_HUB_OFFLINE="1")
    import datasets

    datasets.disable_progress_bars()
    return functools.partial(datasets.load_dataset, "parquet", data_files=[str(file) for file in files], split="train")


def with_datasets(files, scratch, notes):
    # An epoch's clock has five seconds asleep in it: datasets waits so long for Arrow's threads to end.
    data = import_datasets(files, scratch)(streaming=True).with_format("numpy")
    return lambda seed: map(columns, data.shuffle(seed=seed, buffer_size=WINDOW).iter(BATCH))


def with_datasets_torch(files, scratch, notes):
    import torch.utils.data

    data = import_datasets(files, scratch)(streaming=True).with_format("torch")
    return lambda seed: map(
        columns, torch.utils.data.DataLoader(data.shuffle(seed=seed, buffer_size=WINDOW), batch_size=BATCH)
    )


def with_datasets_mapped(files, scratch, notes):
    load = import_datasets(files, scratch)
    start = time.perf_counter(), cpu()
    data = load().with_format("numpy")
    notes.append(told_copy(*start))
    return lambda seed: map(columns, data.shuffle(seed=seed).iter(BATCH))


def import_daft():
    os.environ.update(DAFT_PROGRESS_BAR="0", DO_NOT_TRACK="true")
    import daft

    return daft


def with_daft(files, scratch, notes):
    daft = import_daft()
    # Lists would come out as lists of Python's floats; embeddings are arrays.
    spectrum = daft.DataType.embedding(daft.DataType.float32(), PIXELS)
    data = daft.read_parquet([str(file) for file in files])
    data = data.with_columns({name: daft.col(name).cast(spectrum) for name in ("flux", "ivar")})
    return lambda seed: map(columns, data.shuffle(seed).to_torch_dataloader(BATCH))


def with_daft_window(files, scratch, notes):
    daft = import_daft()

    def epoch(seed):
        random = np.random.default_rng(seed)
        order = [str(files[tile]) for tile in random.permutation(len(files))]
        return batches(samples(daft.read_parquet(order).to_arrow_iter(), random))

    return epoch


def with_ray(files, scratch, notes):
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    import ray.data

    ray.init(num_cpus=CPUS, include_dashboard=False)
    ray.data.DataContext.get_current().enable_progress_bars = False

    def epoch(seed):
        data = ray.data.read_parquet([str(file) for file in files], shuffle=ray.data.FileShuffleConfig(seed=seed))
        # In its own format, NumPy, lists would come out as arrays of objects.
        shuffled = data.iter_batches(
            batch_size=BATCH, batch_format="pyarrow", local_shuffle_buffer_size=WINDOW, local_shuffle_seed=seed
        )
        for batch in shuffled:
            yield batch["targetid"].to_numpy(), matrix(batch["flux"]), matrix(batch["ivar"])

    return epoch


def with_mapped(files, scratch, notes):
    """A memory-mapped Arrow file: every batch takes rows from anywhere."""
    import pyarrow
    import pyarrow.parquet as pq

    start = time.perf_counter(), cpu()
    path = scratch / "spectra.arrow"
    with pyarrow.ipc.new_file(path, pq.read_schema(files[0])) as writer:
        for file in files:
            writer.write(pq.read_table(file))
    notes.append(told_copy(*start))
    reader = pyarrow.ipc.open_file(pyarrow.memory_map(str(path)))
    tiles = [reader.get_batch(number) for number in range(reader.num_record_batches)]
    tiles = [(tile["targetid"].to_numpy(), matrix(tile["flux"]), matrix(tile["ivar"])) for tile in tiles]

    def epoch(seed):
        order = ((row // ROWS, row % ROWS) for row in np.random.default_rng(seed).permutation(TILES * ROWS))
        return batches((int(tiles[t][0][row]), tiles[t][1][row], tiles[t][2][row]) for t, row in order)

    return epoch


PEERS = {
    "pyarrow": ("pyarrow and numpy, window", ["pyarrow"], with_pyarrow),
    "torch": ("PyTorch DataLoader over pyarrow, in process, window", ["pyarrow", "torch"], with_torch),
    "torch-workers": ("PyTorch DataLoader over pyarrow, 2 workers, window", ["pyarrow", "torch"], with_torch_workers),
    "datasets": ("Hugging Face datasets, streaming, window, numpy", ["datasets"], with_datasets),
    "datasets-torch": (
        "Hugging Face datasets, streaming, window, DataLoader",
        ["datasets", "torch"],
        with_datasets_torch,
    ),
    "datasets-mapped": ("Hugging Face datasets, memory-mapped copy, global, numpy", ["datasets"], with_datasets_mapped),
    "daft": ("Daft, global, its torch loader", ["daft", "pyarrow", "torch"], with_daft),
    "daft-window": ("Daft's Arrow batches and numpy, window", ["daft", "pyarrow"], with_daft_window),
    "ray": ("Ray Data, 2 CPUs, window", ["ray", "pyarrow"], with_ray),
    "mapped": ("numpy over a memory-mapped Arrow copy, global", ["pyarrow"], with_mapped),
}


def cpu():
    """CPU seconds of this process's threads, of its children that have ended, and of all processes below it."""
    ended = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    total = sum(usage.ru_utime + usage.ru_stime for usage in ended)
    for process in psutil.Process().children(recursive=True):
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            pass
    return total


def told_copy(wall, used):
    return f"its copy of the data took {cpu() - used:.1f} CPU s, {time.perf_counter() - wall:.1f} s on the clock"


def measure(name, files, scratch, epochs):
    notes, runs = [], []
    epoch = PEERS[name][2](files, scratch, notes)
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # a new peak, as in the bench
    for number in range(epochs):
        rows = total = 0
        first = None
        wall, used = time.perf_counter(), cpu()
        for batch in epoch(SEED + number):
            ids, flux, ivar = batch
            assert flux.shape == ivar.shape == (len(ids), PIXELS) and len(ids) <= BATCH, (flux.shape, ivar.shape)
            assert {str(flux.dtype), str(ivar.dtype)} <= {"float32", "torch.float32"}, (flux.dtype, ivar.dtype)
            rows += len(ids)
            total += int(ids.sum())
            first = first or batch
        runs.append((cpu() - used, time.perf_counter() - wall))
        assert (rows, total) == (TILES * ROWS, TILES * ROWS * (TILES * ROWS - 1) // 2), (rows, total)
    status = pathlib.Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    check(first, files)
    (scratch / "result").write_text(json.dumps({"rows": rows, "runs": runs, "peak": peak, "notes": notes}))


def check(batch, files):
    """The batch is shuffled, and its rows are what the tiles hold."""
    import pyarrow.parquet as pq

    ids, flux, ivar = (np.asarray(part) for part in batch)
    assert len(ids) == BATCH and not (np.diff(ids) > 0).all()
    for place in range(0, BATCH, 64):
        tile, row = divmod(int(ids[place]), ROWS)
        table = pq.read_table(files[tile])
        assert (flux[place] == matrix(table["flux"])[row]).all()
        assert (ivar[place] == matrix(table["ivar"])[row]).all()


def memory(process):
    """MB of a process and all below it, each shared page once; nothing for a process alone, which knows its peak better."""
    total = 0
    try:
        below = process.children(recursive=True)
        for part in [process, *below] if below else []:
            try:
                total += part.memory_full_info().pss
            except psutil.Error:
                pass
    except psutil.NoSuchProcess:
        pass
    return total / 2**20


def run(name, root, epochs):
    """Measures a peer in a process of its own."""
    with tempfile.TemporaryDirectory(dir=root) as scratch:
        scratch = pathlib.Path(scratch)
        command = [sys.executable, __file__, str(root), "--epochs", str(epochs), "--in", str(scratch), "--only", name]
        with open(scratch / "log", "w") as log:
            process = psutil.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            peak = max(peak, memory(process))
            time.sleep(0.1)
        if process.returncode != 0:
            print(f"FAILED: {name}\n" + (scratch / "log").read_text()[-4000:], file=sys.stderr, flush=True)
            return None
        result = json.loads((scratch / "result").read_text())
    used, wall = sorted(result["runs"])[epochs // 2]
    peak = max(peak, result["peak"])
    print(
        f"| {PEERS[name][0]} | {result['rows']} | {wall:.2f} | {used:.2f} | {used / GB:.2f} | {peak:.0f} |", flush=True
    )
    return "; ".join([f"{name}: CPU s of each epoch {', '.join(f'{used:.2f}' for used, _ in result['runs'])}", *result["notes"]])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS), metavar="NAME", help=", ".join(PEERS))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--in", dest="scratch", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    files = sorted(options.folder.resolve().glob("*.parquet"))
    if len(files) != TILES:
        sys.exit(f"{options.folder} has {len(files)} tiles, not {TILES}: the bench makes them")
    if options.scratch:
        return measure(options.only[0], files, options.scratch, options.epochs)
    names, versions = [], {"numpy", "psutil"}
    for name in options.only:
        missing = [package for package in PEERS[name][1] if importlib.util.find_spec(package) is None]
        if missing:
            print(f"SKIPPED: {name}, as {' and '.join(missing)} cannot be imported")
        else:
            names.append(name)
            versions.update(PEERS[name][1])
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in sorted(versions))
    print(f"{versions}, python {sys.version.split()[0]}")
    print("| what | rows | wall s | CPU s | CPU s per GB | peak RSS MB |\n|---|---|---|---|---|---|", flush=True)
    notes = [run(name, options.folder, options.epochs) for name in names]
    print("\n" + "\n".join(note for note in notes if note))
    if None in notes:
        sys.exit(1)


if __name__ == "__main__":
    main()
