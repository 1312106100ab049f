"""Friends of friends in hfof, SciPy, scikit-learn and Nessie, beside radio-fof, on the same data.

    pip install -r benches/peers/requirements.txt
    python benches/peers/fof.py                                  # 100,000 and 1,000,000 points in a box; a survey
    python benches/peers/fof.py 6400000 --skip scikit-learn      # other sizes
    python benches/peers/fof.py --survey FILE                    # galaxies of a FITS table with ra, dec and z (SDSS DR7: see radio-fof)

Points: a periodic box, half of them uniform, half in clumps of 50 within 0.3, at a mean separation of 1, in no order; linking length 0.2.
Survey: b0 = 0.06, r0 = 18, a constant density, complete; radio-fof in its mode that is compatible with Nessie.

Every program runs in a process of its own, with one thread, and then radio-fof with two. Counted: the middle one of some runs of the search
alone (for SciPy the tree, the pairs and their connected components), and how far the peak of memory rises above the data. "same" says that the
groups are those of radio-fof, point by point. hfof is on no package index for some platforms: it is built from its sources then.
"""

import argparse
import importlib.metadata
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEED, LENGTH = 1, 0.2
B0, R0, H, OMEGA_M = 0.06, 18.0, 0.7, 0.3
PACKAGES = {"hfof": "hfof", "SciPy": "scipy", "scikit-learn": "scikit-learn", "Nessie": "nessie-py"}
RUNS = 3


def points(n):
    random = np.random.default_rng(SEED)
    side = n ** (1 / 3)
    centres = random.uniform(0, side, (n // 100 + 1, 3))
    clumped = centres[random.integers(len(centres), size=n)] + random.uniform(-0.3, 0.3, (n, 3))
    positions = np.where(random.random((n, 1)) < 0.5, clumped, random.uniform(0, side, (n, 3))) % side
    return np.where(positions < side, positions, 0.0), side


def survey(file):
    """Right ascension, declination, redshift and a density for those of a file, or of a made-up survey of 100,000."""
    if file:
        from astropy.io import fits

        table = fits.open(file)[1].data
        ra, dec, z = (np.asarray(table[name], dtype=np.float64) for name in ("ra", "dec", "z"))
        near = z > 0.005
        return np.stack([ra[near], dec[near], z[near]]), 0.00179113
    random = np.random.default_rng(SEED)
    n = 100_000
    centre = np.stack([random.uniform(120, 240, n // 20), random.uniform(0, 60, n // 20), 0.1 * random.random(n // 20) ** (1 / 3) + 0.005])
    ra, dec, z = centre[:, random.integers(n // 20, size=n)]
    lonely = random.random(n) < 0.6
    spread = 0.01 / z
    ra = np.where(lonely, random.uniform(120, 240, n), ra + random.normal(0, 1, n) * spread / np.cos(np.radians(dec)))
    dec = np.where(lonely, random.uniform(0, 60, n), dec + random.normal(0, 1, n) * spread)
    z = np.where(lonely, 0.1 * random.random(n) ** (1 / 3) + 0.005, z + random.normal(0, 0.0012, n))
    return np.stack([ra, np.clip(dec, -90, 90), np.maximum(z, 0.004)]), 0.0018


def hfof(xyz, side):
    import hfof

    return hfof.fof(xyz, LENGTH, boxsize=side)


def scipy(xyz, side):
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    i, j = cKDTree(xyz, boxsize=side).query_pairs(LENGTH, output_type="ndarray").T
    links = coo_array((np.ones(len(i), dtype=bool), (i, j)), shape=(len(xyz), len(xyz)))
    return connected_components(links, directed=False)[1]


def sklearn(xyz, side):
    """It knows no periodic boxes: points near a face are given again beyond the other one, and groups put together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from sklearn.cluster import DBSCAN

    rows, at = np.arange(len(xyz)), xyz
    for axis in range(3):
        low = at[:, axis] < LENGTH
        rows, at = np.append(rows, rows[low]), np.append(at, at[low] + side * np.eye(3)[axis], axis=0)
    labels = DBSCAN(eps=LENGTH, min_samples=1).fit(at).labels_
    n = labels.max() + 1
    same = coo_array((np.ones(len(at), dtype=bool), (labels, labels[rows])), shape=(n, n))
    return connected_components(same, directed=False)[1][labels[: len(xyz)]]


def nessie(columns, density):
    from nessie import FlatCosmology, RedshiftCatalog

    catalog = RedshiftCatalog(*columns, lambda z: np.full(len(z), density), FlatCosmology(h=H, omega_matter=OMEGA_M))
    catalog.set_completeness()
    catalog.run_fof(b0=B0, r0=R0)
    return catalog.group_ids


PEERS = {"hfof": hfof, "SciPy": scipy, "scikit-learn": sklearn, "Nessie": nessie}


def canonical(labels):
    """Groups of two or more, numbered in the order of their first point; -1 outside."""
    labels = np.asarray(labels).astype(np.int64)
    names, first, inverse, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    is_group = (counts > 1) & (names != -1) if (labels == -1).any() else counts > 1
    number = np.full(len(names), -1)
    order = np.argsort(first)
    order = order[is_group[order]]
    number[order] = np.arange(len(order))
    return number[inverse]


def in_process(name, file, extra):
    """Runs a peer; prints CPU seconds, wall seconds and the rise of memory, MB."""
    data = np.fromfile(file)
    data = data.reshape(-1, 3) if name != "Nessie" else data.reshape(3, -1)
    work = PEERS[name]
    small = (np.ascontiguousarray(data[:1000]) if name != "Nessie" else np.ascontiguousarray(data[:, :1000]))
    work(small, extra)  # imports
    peak, done = [], threading.Event()
    page = os.sysconf("SC_PAGE_SIZE") / 2**20
    memory = lambda: int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * page

    def watch():
        while not done.wait(0.005):
            peak.append(memory())

    before = memory()
    watcher = threading.Thread(target=watch)
    watcher.start()
    labels = work(data, extra)
    done.set()
    watcher.join()
    times, budget = [], time.perf_counter() + 120
    for _ in range(RUNS):
        cpu, wall = time.process_time(), time.perf_counter()
        work(data, extra)
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
        if time.perf_counter() > budget:
            break
    cpu, wall = (statistics.median(part) for part in zip(*times))
    print(cpu, wall, max([*peak, before]) - before)
    np.asarray(canonical(labels)).tofile(f"{file}.peer")


def figures(command, threads=1):
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"]
    environment = os.environ | dict.fromkeys(names, str(threads))
    result = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        return None
    return [float(part) for part in result.stdout.splitlines()[-1].split()]


def version(name):
    try:
        return importlib.metadata.version(PACKAGES[name])
    except importlib.metadata.PackageNotFoundError:
        return None


def compare(title, n, file, mode, arguments, peers, extra):
    bench = ["cargo", "bench", "-q", "-p", "radio-benches", "--bench", "fof", "--", mode, file, *map(str, arguments)]
    ours = figures([*bench, "1"])
    print(f"| {title} | radio-fof | {n} | {ours[0]:.3f} | 1 | {ours[2] * 2**20 / n:.0f} | |", flush=True)
    two = figures([*bench, "2"], 2)
    speed_up = ours[1] / two[1]
    print(f"| {title} | radio-fof, two threads | {n} | {two[0]:.3f} | wall time 1 / {speed_up:.2f} | {two[2] * 2**20 / n:.0f} | |", flush=True)
    labels = np.fromfile(f"{file}.labels", dtype=np.int64)
    for peer in peers:
        if not version(peer):
            print(f"| {title} | {peer} | {n} | not installed | | | |", flush=True)
            continue
        theirs = figures([sys.executable, __file__, "--in-process", peer, file, str(extra)])
        if not theirs:
            print(f"| {title} | {peer} {version(peer)} | {n} | failed | | | |", flush=True)
            continue
        differing = int((np.fromfile(f"{file}.peer", dtype=np.int64) != labels).sum())
        same = "same" if not differing else f"{differing} points differ"
        ratio = theirs[0] / ours[0]
        print(f"| {title} | {peer} {version(peer)} | {n} | {theirs[0]:.3f} | {ratio:.1f} | {theirs[2] * 2**20 / n:.0f} | {same} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--survey", help="a FITS table of galaxies, in place of made-up ones")
    parser.add_argument("--no-survey", action="store_true")
    parser.add_argument("--skip", nargs="*", default=[], help="peers")
    parser.add_argument("--in-process", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_process:
        name, file, extra = options.in_process
        return in_process(name, file, float(extra))
    if not shutil.which("cargo"):
        sys.exit("error: no cargo: radio-fof is what the peers are compared with")
    peers = [peer for peer in PEERS if peer not in options.skip]
    print("| job | program | rows | CPU s | times radio-fof | bytes per row | groups |\n|---|---|--:|--:|--:|--:|---|")
    with tempfile.TemporaryDirectory() as folder:
        for n in options.sizes:
            positions, side = points(n)
            file = f"{folder}/box"
            positions.tofile(file)
            compare("box", n, file, "box", [LENGTH, side], [peer for peer in peers if peer != "Nessie"], side)
        if not options.no_survey and "Nessie" in peers:
            columns, density = survey(options.survey)
            file = f"{folder}/survey"
            columns.tofile(file)
            compare("survey", columns.shape[1], file, "survey", [B0, R0, density], ["Nessie"], density)


if __name__ == "__main__":
    main()
