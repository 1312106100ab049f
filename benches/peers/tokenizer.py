"""Spectra into normalised patches as other tools make them: the peers of benches/tokenize.rs, on data drawn alike.

    pip install -r benches/peers/requirements.txt   # or only numpy, bottleneck and torch of it
    python benches/peers/tokenizer.py               # the peers and, if there is a cargo, the bench
    python benches/peers/tokenizer.py --peers-only --only numpy torch

(Not tokenize.py: that would hide Python's own module of this name from every script in this folder.)

The data: 1024 spectra of 4096 float32 pixels, of which one in fifty has no inverse variance and counts as bad; for "flux only"
every finite pixel is good. A pass makes normalised flux and errors of shape (1024, 128, 32), 0 where the pixel is bad, the mask
of good pixels and their fraction in each patch; for "patch median" of shape (1024, 64, 64). The medians are numpy's, but torch
gives the lower of two in the middle. Each peer's results are compared with those of plain numpy before it is timed.

Counted: CPU time of one thread, the middle one of some passes after one to warm up. Each peer runs in a process of its own; the
last column compares with the copies of the flux that this process made between the cases, in the order of the cases. Copies
depend on what else the machine does.
Not counted: imports, the inputs, and memory for the results, which every pass writes to again.
The peers do less than radio-tokenize, which also makes wavelengths, flags and the signal to noise of patches, looks whether every
number is finite, and has rules for spectra without light or without good pixels.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

os.environ.update(dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1"))
import numpy as np  # noqa: E402

SEED = 1
ROWS, PIXELS = 1024, 4096
BLOCK = 64  # rows at a time, which stay in the cache: all at once took up to a fifth longer
# Normalised by, pixels of a patch, with inverse variance, with errors.
CASES = {
    "median, flux + errors": ("median", 32, True, True),
    "median, flux only": ("median", 32, False, False),
    "median without error channel": ("median", 32, True, False),
    "patch median, 64 pixels": ("patch median", 64, True, True),
    "mean and std": ("mean and std", 32, True, True),
}


def data():
    random = np.random.default_rng(SEED)
    flux = random.uniform(0.5, 2, (ROWS, PIXELS)).astype(np.float32)
    return flux, np.where(random.random(flux.shape) < 0.02, np.float32(0), np.float32(4))


def plainly(flux, ivar, by, patch, errors, lower=False):
    """What a pass has to give; the `lower` median of an even number of values is the lower one in the middle."""
    good = (np.isfinite(flux) if ivar is None else ivar > 0).reshape(ROWS, -1, patch if by == "patch median" else PIXELS)
    flux = np.where(good, flux.reshape(good.shape), np.nan).astype(float)
    middle = (good.sum(axis=-1, keepdims=True) - 1) // 2
    if by == "mean and std":
        offset, scale = np.nanmean(flux, axis=-1, keepdims=True), np.nanstd(flux, axis=-1, keepdims=True)
    elif lower:
        offset, scale = 0, np.take_along_axis(np.sort(flux, axis=-1), middle, axis=-1)
    else:
        offset, scale = 0, np.nanmedian(flux, axis=-1, keepdims=True)
    made = {"values": np.where(good, (flux - offset) / scale, 0), "pixels": good}
    if errors:
        with np.errstate(divide="ignore"):
            made["errors"] = np.where(good, 1 / (np.sqrt(ivar.reshape(good.shape)) * scale), 0)
    made = {name: array.reshape(ROWS, -1, patch) for name, array in made.items()}
    return made | {"fraction": made["pixels"].mean(axis=-1)}


def blocks():
    return (slice(start, start + BLOCK) for start in range(0, ROWS, BLOCK))


# Tried, in µs per row without AVX-512 (with): nanmedian 66 (68); the median of row[good], row by row, 63 (64); a partition of
# row[good] at both middles 50 (50), at one, and the largest below, 10.7 (31); that in a copy filled up with inf instead 8.4 (29);
# such copies sorted as a whole 17 (47), partitioned at all middles that occur 49 (50), or at the lowest and then the highest of
# these 9.3 (38); only the pixels between two quantiles of every 16th (25). Of 64 pixels: nanmedian 82 (72), sort 11 (8),
# partition 62 (63).
def numpy_median(work, bad, counts):
    work[bad] = np.inf
    if work.ndim == 3:
        work.sort(axis=-1)
        low, high = (np.take_along_axis(work, place, axis=-1) for place in ((counts - 1) // 2, counts // 2))
        return (low + high) * np.float32(0.5)
    scale = np.empty((BLOCK, 1), np.float32)
    for number, (row, count) in enumerate(zip(work, counts[:, 0].tolist())):
        half = count // 2
        row.partition(half)
        scale[number] = row[half] if count % 2 else (np.maximum.reduce(row[:half]) + row[half]) * np.float32(0.5)
    return scale


def numpy_moments(work, bad, counts):
    """Subtracts the mean and gives the standard deviation. (The sum with where=good alone takes 3.7 µs per row, without 0.7.)"""
    counts = counts.astype(np.float32)
    work[bad] = 0
    np.subtract(work, work.sum(axis=1, keepdims=True) / counts, out=work)
    work[bad] = 0
    return np.sqrt(np.vecdot(work, work)[:, None] / counts)


# Every function below prepares a peer and returns what makes its arrays, and a pass.


def with_numpy(median=numpy_median, moments=numpy_moments):
    work, bad = np.empty((BLOCK, PIXELS), np.float32), np.empty((BLOCK, PIXELS), bool)
    np.seterr(divide="ignore")

    def tokenize(flux, ivar, made, by, patch, errors):
        shape = (BLOCK, -1, patch) if by == "patch median" else (BLOCK, PIXELS)
        for block in blocks():
            pixels, values, good = flux[block].reshape(shape), made["values"][block].reshape(shape), made["pixels"][block]
            np.isfinite(flux[block], out=good) if ivar is None else np.greater(ivar[block], 0, out=good)
            np.logical_not(good, out=bad)
            # 0.2 µs per row; count_nonzero 3.2, mean 3.8.
            counts = np.bitwise_count(np.packbits(good, axis=1).view(f"u{patch // 8}"))
            np.multiply(counts, np.float32(1 / patch), out=made["fraction"][block])
            counts = counts.astype(int)[..., None] if by == "patch median" else counts.sum(axis=1, dtype=int, keepdims=True)
            some, none = work.reshape(shape), bad.reshape(shape)
            np.copyto(some, pixels)
            scale = (moments if by == "mean and std" else median)(some, none, counts)
            np.divide(some if by == "mean and std" else pixels, scale, out=values)
            if not good.all():
                np.copyto(values, 0, where=none)
            if errors:
                sigma = made["errors"][block].reshape(shape)
                np.sqrt(ivar[block].reshape(shape), out=sigma)
                np.divide(1 / scale, sigma, out=sigma)
                np.copyto(sigma, 0, where=none)

    return np.asarray, tokenize


def with_bottleneck():
    import bottleneck as bn

    def median(work, bad, counts):  # 43 µs per row; row by row the median of row[good] 46
        work[bad] = np.nan
        return bn.nanmedian(work, axis=-1)[..., None]

    def moments(work, bad, counts):
        work[bad] = np.nan
        scale = bn.nanstd(work, axis=1)[:, None]
        np.subtract(work, bn.nanmean(work, axis=1)[:, None], out=work)
        return scale

    return with_numpy(median, moments)


def with_torch():
    import torch

    torch.set_num_threads(1)
    work, ones = torch.empty(BLOCK, PIXELS), torch.empty(BLOCK, PIXELS)
    bad = torch.empty(BLOCK, PIXELS, dtype=torch.bool)

    # Tried, in µs per row: nanmedian 54, with the upper one of the middle, too, 78; topk of the lower half, then its last two, 67;
    # nanquantile 78, sort 240. Of 64 pixels: nanmedian 63, with the upper one 89; topk 93, sort 119. All the rest of
    # "median, flux + errors" takes about 20, by torch.compile 30.
    def tokenize(flux, ivar, made, by, patch, errors):
        shape = (BLOCK, -1, patch) if by == "patch median" else (BLOCK, PIXELS)
        for block in blocks():
            pixels, values, good = flux[block], made["values"][block], made["pixels"][block]
            if ivar is None:
                torch.lt(torch.abs(pixels, out=work), torch.inf, out=good)  # 3 µs per row, isfinite 7
            else:
                torch.gt(ivar[block], 0, out=good)
            whole = bool(good.all())
            torch.logical_not(good, out=bad)
            torch.mean(ones.copy_(good).view(BLOCK, -1, patch), -1, out=made["fraction"][block])
            if by == "mean and std":
                count = ones.sum(1, keepdim=True)
                mean = torch.mul(pixels, ones, out=work).sum(1, keepdim=True) / count
                torch.sub(pixels, mean, out=values).masked_fill_(bad, 0)
                scale = torch.linalg.vector_norm(values, dim=1, keepdim=True) / count.sqrt()
                values.div_(scale)
            else:
                some = pixels if whole else work.copy_(pixels).masked_fill_(bad, torch.nan)
                scale = torch.nanmedian(some.view(shape), -1, keepdim=True).values
                torch.div(pixels.view(shape), scale, out=values.view(shape))
                if not whole:
                    values.masked_fill_(bad, 0)
            if errors:
                sigma = torch.rsqrt(ivar[block], out=made["errors"][block])
                sigma.view(shape).div_(scale)
                sigma.masked_fill_(bad, 0)

    return torch.from_numpy, tokenize


def with_memcpy():
    return np.asarray, None


NO_AVX512 = {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}
PEERS = {
    "memcpy": ("memcpy of the flux, numpy's", ["numpy"], with_memcpy, {}),
    "numpy": ("numpy", ["numpy"], with_numpy, {}),
    # On AMD's Zen 4 its partition takes four times as long with AVX-512 as without, its sort three times.
    "numpy-avx2": ("numpy without AVX-512", ["numpy"], with_numpy, NO_AVX512),
    "bottleneck": ("bottleneck and numpy", ["bottleneck", "numpy"], with_bottleneck, {}),
    "torch": ("torch, the lower of two in the middle", ["torch"], with_torch, {}),
}


def rate(work, passes):
    """Rows per CPU second."""
    work()
    times = []
    for _ in range(passes):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return ROWS / statistics.median(times)


def measure(name, passes):
    arrays, tokenize = PEERS[name][2]()
    flux, ivar = data()
    copy, copies, rates = np.empty_like(flux), [], {}
    for case, (by, patch, with_ivar, errors) in CASES.items():
        copies.append(rate(lambda: np.copyto(copy, flux), passes))
        if tokenize is None:
            continue
        made = {name: np.empty_like(flux) for name in ("values", "errors")}
        made |= {"pixels": np.empty(flux.shape, bool), "fraction": np.empty((ROWS, PIXELS // patch), np.float32)}
        into = {what: arrays(array) for what, array in made.items()}
        # With pixels that are not finite, where that is what makes them bad, and as they are.
        for pixels in [flux] if with_ivar else [np.where(ivar > 0, flux, np.float32(np.nan)), flux]:
            inputs = arrays(pixels), arrays(ivar) if with_ivar else None
            tokenize(*inputs, into, by, patch, errors)
            for what, right in plainly(pixels, ivar if with_ivar else None, by, patch, errors, lower=name == "torch").items():
                array = made[what].reshape(right.shape)
                np.testing.assert_allclose(array, right, rtol=1e-5, atol=1e-5, err_msg=f"{case}: {what}")
        rates[case] = rate(lambda: tokenize(*inputs, into, by, patch, errors), passes)
    print(json.dumps({"memcpy": statistics.median(copies)} | rates))


def run(name, passes):
    """Rates of a peer in a process of its own, or why there are none."""
    missing = [package for package in PEERS[name][1] if importlib.util.find_spec(package) is None]
    if missing:
        return f"{' and '.join(missing)} cannot be imported"
    command = [sys.executable, __file__, "--passes", str(passes), "--in-process", "--only", name]
    done = subprocess.run(command, env=os.environ | PEERS[name][3], stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else f"FAILED with status {done.returncode}"


def ours():
    """Rates that the bench prints as `case | rows per CPU second`."""
    command = ["cargo", "bench", "-q", "-p", "radio-benches", "--bench", "tokenize", "--", "table"]
    done = subprocess.run(command, cwd=pathlib.Path(__file__).resolve().parents[2], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        return f"FAILED with status {done.returncode}"
    rates = {}
    for line in done.stdout.splitlines():
        case, bar, number = (part.strip() for part in line.partition("|"))
        if bar and case in ("memcpy", *CASES):
            rates[case] = float(number)
    return rates if len(rates) > 1 and "memcpy" in rates else "FAILED: the bench printed no rates"


def row(what, rates):
    """Prints a row and gives the rates back, which may be the words why there are none."""
    cells, of_memcpy = [rates, *"—" * (len(CASES) - 1)], "—"
    if not isinstance(rates, str):
        of_case = [rates["memcpy"] if len(rates) == 1 else rates.get(case) for case in CASES]
        cells = [f"{number:,.0f}" if number else "—" for number in of_case]
        of_memcpy = " / ".join(f"{100 * number / rates['memcpy']:.1f}" if number else "—" for number in of_case)
    print("|", " | ".join([what, *cells, of_memcpy]), "|", flush=True)
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS), metavar="NAME", help=", ".join(PEERS))
    parser.add_argument("--peers-only", action="store_true", help="not the bench")
    parser.add_argument("--passes", type=int, default=15)
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_process:
        return measure(options.only[0], options.passes)
    print("|", " | ".join(["spectra per CPU s", *CASES, "% of memcpy"]), "|\n" + "|---" * (len(CASES) + 2) + "|", flush=True)
    results = [row(PEERS[name][0], run(name, options.passes)) for name in options.only]
    if not options.peers_only:
        results.append(row("radio-tokenize", ours() if shutil.which("cargo") else "there is no cargo"))
        if "memcpy" in results[-1]:
            row("memcpy of the flux, the bench's", {"memcpy": results[-1]["memcpy"]})
    packages = sorted({package for name in options.only for package in PEERS[name][1] if importlib.util.find_spec(package)})
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
    print(f"\n{versions}, python {sys.version.split()[0]}")
    if any(isinstance(result, str) and result.startswith("FAILED") for result in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
