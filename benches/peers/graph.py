"""Nearest neighbours of clustered points in SciPy: the peer of benches/graph.rs, on points drawn alike.

    pip install -r benches/peers/requirements.txt
    python benches/peers/graph.py                 # 100,000 and 1,000,000 points
    python benches/peers/graph.py 6400000

Counted: CPU time of a k-d tree, of each point's 16 nearest others with two workers, and of the array of neighbours without the point
itself; the middle one of three runs.
"""

import statistics
import sys
import time

import numpy as np
from scipy.spatial import cKDTree

SEED, NEIGHBOURS, RUNS, WORKERS = 1, 16, 3, 2


def points(n):
    """Half of them uniform, half in clumps of 50 within 0.3, at a mean separation of 1; in no order."""
    random = np.random.default_rng(SEED)
    side = n ** (1 / 3)
    centres = random.uniform(0, side, (n // 100 + 1, 3))
    clumped = centres[random.integers(len(centres), size=n)] + random.uniform(-0.3, 0.3, (n, 3))
    return np.where(random.random((n, 1)) < 0.5, clumped, random.uniform(0, side, (n, 3)))


def nearest(positions):
    tree = cKDTree(positions)
    _, near = tree.query(positions, NEIGHBOURS + 1, workers=WORKERS)
    return near[:, 1:].astype(np.uint32)


def main(sizes):
    print("| points | CPU ms | wall ms |\n|---|---|---|")
    for n in sizes:
        positions, times = points(n), []
        for _ in range(RUNS):
            cpu, wall = time.process_time(), time.perf_counter()
            nearest(positions)
            times.append((time.process_time() - cpu, time.perf_counter() - wall))
        cpu, wall = (1e3 * statistics.median(part) for part in zip(*times))
        print(f"| {n} | {cpu:.0f} | {wall:.0f} |", flush=True)


if __name__ == "__main__":
    main([int(n) for n in sys.argv[1:]] or [100_000, 1_000_000])
