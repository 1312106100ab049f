"""The same pass over a survey by Ray Data, with a trainer and three nodes of one CPU each: the peer of benches/cluster.rs, on its tiles.

    pip install -r benches/peers/requirements.txt    # or only numpy, psutil, pyarrow and ray[data] of it
    python benches/peers/cluster.py                  # the bench, if there is a cargo, then the peer
    python benches/peers/cluster.py --peers-only target/tmp/cluster/all

The tiles are those of the bench: 6,000 mock spectra of 7,781 pixels, of which targetid, flux, ivar and mask are read. Ray's cluster
runs on this machine: a head without CPUs, where the batches are taken, and three nodes of one CPU, which read the tiles. Batches are
Arrow tables of 256 rows, of files in random order, shuffled in a window of 2,048 rows. There are two jobs, as in the bench: spectra as
they are, and tokens of 32 pixels that the nodes make.

Ray does less in two ways. It takes shared storage for granted: any node reads any tile, where radio's workers have tiles of their own.
And its tokens, made by numpy as fast as tokenizer.py knows, are values, errors, good pixels and their fraction, and the scale;
radio-tokenize also makes wavelengths, signal to noise and flags.

Counted: the middle one, by CPU, of some passes after one to warm up, in which workers start. "Here" are all threads of this process,
"other processes" all below it: workers, Ray's daemons and its actors; nothing is subtracted. GB are those of the four columns. The
first batch is timed from the call that starts the pass.
Not counted: imports, the start of the cluster, and `read_parquet`, which lists the files and looks at some: a data set is made once,
and every pass shuffles it anew.

Tried on two busy cores, spectra as they are, here + other processes: the older of Ray's two Parquet readers in 6 read tasks 1.5 + 4.4,
in 3 1.5 + 5.3, in 12 1.8 + 5.9, in 22 1.8 + 5.2, in as many as Ray chooses 3.8 + 8.0 (tokens 9 + 25); the newer, Ray's default,
2.1 + 8.5 and, told 6 tasks, 1.5 + 6.5, its first batch twice as late or more. No better, each tried with one or the other: blocks of
32 or 512 MiB, tensors in place of lists for spectra, NumPy batches, four batches ahead, order preserved. Tokens as tensors cost what
lists do. A pool of three actors takes all CPUs and leaves none to read with.
"""

import argparse
import importlib.metadata
import logging
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import numpy as np  # noqa: E402
import psutil  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = ["targetid", "flux", "ivar", "mask"]
ROWS, PIXELS, PATCH, BATCH, WINDOW = 6000, 7781, 32, 256, 2048
TOKENS = -(-PIXELS // PATCH)
SEED, NODES = 1, 3
READS = 6  # tasks of a pass that read
STORE = 2 << 30  # bytes of each node's object store: nothing is spilled to a disk
BLOCK = 64  # rows tokenised at a time, which stay in the cache; tokenizer.py's
SIGMA_PER_MAD, MEDIAN_ERROR = 1.482602218505602, 1.2533141373155003


def matrix(column):
    """A column of lists as rows."""
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return array.flatten().to_numpy().reshape(len(array), -1)


def lists(rows):
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])


def scales(flux, good):
    """The median of each row's good pixels; their spread where it is within its own error of 0, or 1: radio-tokenize's rule."""
    from tokenizer import numpy_median

    bad, counts = ~good, good.sum(axis=1, keepdims=True)
    work = flux.copy()
    scale = numpy_median(work, bad, np.maximum(counts, 1))[: len(work)]  # it gives those of a whole block
    # Just if more than half of the deviations are below this limit, the median is above its error. Bad pixels are infinite here.
    limit = scale * np.sqrt(counts, dtype=np.float32) / np.float32(MEDIAN_ERROR * SIGMA_PER_MAD)
    near = np.count_nonzero(np.abs(np.subtract(work, scale, out=work), out=work) < limit, axis=1, keepdims=True)
    weak = (near <= counts // 2)[:, 0]
    if weak.any():
        deviations = np.abs(flux[weak] - scale[weak])
        spread = numpy_median(deviations, bad[weak], np.maximum(counts[weak], 1))[: len(deviations)]
        scale[weak] = np.where(spread < limit[weak], scale[weak], spread * np.float32(SIGMA_PER_MAD))
    scale[~(np.isfinite(scale) & (scale > 0))] = 1
    return scale


def tokenize(table):
    """Spectra into tokens."""
    flux, ivar, mask = (matrix(table[name]) for name in COLUMNS[1:])
    values, errors = np.zeros((2, len(flux), TOKENS * PATCH), np.float32)
    pixels, scale = np.zeros(values.shape, bool), np.empty((len(flux), 1), np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        for start in range(0, len(flux), BLOCK):
            rows = slice(start, start + BLOCK)
            value, error, good = (array[rows, :PIXELS] for array in (values, errors, pixels))
            np.logical_and(ivar[rows] > 0, mask[rows] == 0, out=good)
            good &= np.isfinite(flux[rows])
            scale[rows] = scales(flux[rows], good)
            np.divide(flux[rows], scale[rows], out=value)
            np.sqrt(ivar[rows], out=error)
            np.divide(1 / scale[rows], error, out=error)
            for array in (value, error):
                np.copyto(array, 0, where=~good)
    pixels = np.packbits(pixels, axis=1)
    fraction = np.bitwise_count(pixels.view(f"u{PATCH // 8}")) * np.float32(1 / PATCH)
    made = {"values": values, "errors": errors, "pixels": pixels, "fraction": fraction, "scale": scale}
    return pa.table({"targetid": table["targetid"]} | {name: lists(rows) for name, rows in made.items()})


def plainly(table):
    """The tokens of one spectrum."""
    flux, ivar, mask = (matrix(table[name])[0].astype(float) for name in COLUMNS[1:])
    good = np.isfinite(flux) & (ivar > 0) & (mask == 0)
    scale = 1
    if good.any():
        scale = np.median(flux[good])
        spread = SIGMA_PER_MAD * np.median(np.abs(flux[good] - scale))
        scale = scale if scale > MEDIAN_ERROR * spread / np.sqrt(good.sum()) else spread
    values, errors, pixels = np.zeros((3, TOKENS * PATCH))
    values[:PIXELS][good], errors[:PIXELS][good], pixels[:PIXELS] = flux[good] / scale, 1 / (np.sqrt(ivar[good]) * scale), good
    fraction = pixels.reshape(-1, PATCH).mean(axis=1)
    return {"values": values, "errors": errors, "pixels": np.packbits(pixels > 0), "fraction": fraction, "scale": [scale]}


def as_they_are(table):
    return {name: matrix(table[name])[0] for name in COLUMNS[1:]}


# Every job: what is called on a node, and what has to come of a spectrum.
JOBS = {"Ray Data": (None, as_they_are), "Ray Data, tokenized by the nodes": (tokenize, plainly)}


def cpu():
    """CPU seconds of this process's threads, and of all processes below it and those of theirs that have ended."""
    usage, others = resource.getrusage(resource.RUSAGE_SELF), 0
    for process in psutil.Process().children(recursive=True):
        try:
            others += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            pass
    return np.array([usage.ru_utime + usage.ru_stime, others])


def one_pass(data, number, take):
    """CPU seconds here and of other processes, and seconds on the clock to the first batch."""
    used, start, first, rows = cpu(), time.perf_counter(), None, 0
    for batch in data.iter_batches(
        batch_size=BATCH, batch_format="pyarrow", local_shuffle_buffer_size=WINDOW, local_shuffle_seed=SEED + number
    ):
        first = first or time.perf_counter() - start
        rows += batch.num_rows
        take(batch)
    assert rows == ROWS, rows
    return *(cpu() - used), first


def check(batches, tiles, made):
    """All rows are there once and shuffled, and some hold what is `made` of their spectra."""
    assert [batch.num_rows for batch in batches[:-1]] == [BATCH] * (ROWS // BATCH)
    places = {row: place for place, row in enumerate(tiles["targetid"].to_pylist())}
    found = np.array([places[row] for batch in batches for row in batch["targetid"].to_pylist()])
    assert (np.sort(found) == np.arange(ROWS)).all()
    assert (np.abs(np.diff(found)) > 1).mean() > 0.9
    for number in range(0, ROWS, 50):
        batch, row = batches[number // BATCH], number % BATCH
        for name, expected in made(tiles.slice(found[number], 1)).items():
            np.testing.assert_allclose(matrix(batch[name].slice(row, 1))[0], expected, rtol=1e-5, err_msg=name)


def peer(folder, passes):
    import ray
    import ray.data
    from ray.cluster_utils import Cluster

    tiles = pa.concat_tables(pq.read_table(file, columns=COLUMNS) for file in sorted(folder.glob("*.parquet")))
    if tiles.num_rows != ROWS:
        sys.exit(f"{folder} has {tiles.num_rows} spectra, not {ROWS}: the bench makes them")
    gigabytes = tiles.nbytes / 1e9

    cluster = Cluster(True, head_node_args={"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False})
    for _ in range(NODES):
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
    ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.use_datasource_v2 = False  # see above
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in ["numpy", "psutil", "pyarrow", "ray"])
    print(f"{versions}, python {sys.version.split()[0]}; {gigabytes:.3f} GB")
    print("| what | CPU s per GB, here | other processes | ms to the first batch | rows |\n|---|---:|---:|---:|---:|", flush=True)
    notes = []
    for what, (function, made) in JOBS.items():
        # Of a folder: lists of files are resolved by several threads, which may fail where aiohttp is not installed.
        shuffle = ray.data.FileShuffleConfig(seed=SEED)
        data = ray.data.read_parquet(str(folder), shuffle=shuffle, override_num_blocks=READS).select_columns(COLUMNS)
        if function:
            data = data.map_batches(function, batch_size=None, batch_format="pyarrow", zero_copy_batch=True)
        one_pass(data, 0, (batches := []).append)
        check(batches, tiles, made)
        batches.clear()
        runs = [one_pass(data, number, lambda batch: None) for number in range(1, passes + 1)]
        here, others, first = sorted(runs, key=lambda run: run[0] + run[1])[passes // 2]
        print(f"| {what} | {here / gigabytes:.2f} | {others / gigabytes:.2f} | {1e3 * first:.0f} | {ROWS} |", flush=True)
        notes.append(f"{what}, CPU s of each pass: " + ", ".join(f"{here:.2f} + {others:.2f}" for here, others, _ in runs))
    print("\n" + "\n".join(notes))
    ray.shutdown()
    cluster.shutdown()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("folder", type=pathlib.Path, nargs="?", default=target / "tmp/cluster/all", help="with the bench's tiles")
    parser.add_argument("--peers-only", action="store_true", help="not the bench")
    parser.add_argument("--passes", type=int, default=3)
    options = parser.parse_args()
    if not options.peers_only and shutil.which("cargo"):
        bench = ["cargo", "bench", "-q", "-p", "radio-benches", "--features", "cluster", "--bench", "cluster"]
        subprocess.run(bench, cwd=ROOT, check=True)
        print()
    peer(options.folder.resolve(), options.passes)


if __name__ == "__main__":
    main()
