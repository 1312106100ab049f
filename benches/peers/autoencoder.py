"""Training steps and reconstructions of the two autoencoders in PyTorch: the peer of benches/autoencoder.rs, on data drawn alike.

    pip install -r radio-models/tests/reference/requirements.txt
    python benches/peers/autoencoder.py               # the peer and, if there is a cargo, the bench, in turns
    python benches/peers/autoencoder.py --peers-only
    python benches/peers/autoencoder.py --devices cpu tch --features tch

The models are the twins in radio-models/tests/reference, which give the same numbers as ours on the same weights; here they have
weights of their own. A step of training is forward and backward on 64 spectra, clipping and PyTorch's fused AdamW; of inference,
the reconstruction of 256, in the parts that are fastest. Both start with tokens and errors in memory and, as ours, look for bad
pixels, choose what is hidden, and predict no token that is visible.

Counted: the middle one of nine steps after two to warm up, with two threads; of several rounds in turns, the middle one again.
Not counted: imports and the first weights.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "radio-models/tests/reference"))

TOKENS, PATCH = 244, 32
TRAINING, INFERENCE = 64, 256
SEED, STEPS, THREADS = 1, 9, 2
PARTS = {"conv": 256, "masked": 128}  # rows at a time: the fastest of 8, 16, 32 to 256; all 256 took masked half as long again
CASES = ["conv, training", "conv, inference", "masked, training", "masked, inference"]


def spectra(rows, part):
    """Makes the batch, in parts, from arrays in memory."""
    from autoencoders import Tokens

    random = np.random.default_rng(SEED)
    values = random.uniform(0.5, 1.5, (rows, TOKENS, PATCH)).astype(np.float32)
    errors = np.where(random.random(values.shape) < 0.02, np.float32(0), np.float32(0.1))
    wavelength = np.tile(3600 + 0.8 * (np.arange(TOKENS) + 0.5) * PATCH, (rows, 1))
    arrays = np.arange(rows), values, errors, wavelength
    return lambda: (Tokens(*(array[start : start + part] for array in arrays)) for start in range(0, rows, part))


def training(model):
    import torch

    tokens = spectra(TRAINING, TRAINING)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    draws = iter(range(10**9))

    def step():
        optimizer.zero_grad()
        loss, count = model.loss(next(tokens()), 0.05, next(draws))
        (loss / count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return TRAINING, step


def inference(model, part):
    import torch

    tokens = spectra(INFERENCE, part)

    @torch.inference_mode()
    def step():
        made = [model.reconstruct(part) for part in tokens()]
        return [torch.cat(parts).numpy() for parts in zip(*made)]

    return INFERENCE, step


def peer():
    import torch
    from autoencoders import ConvAutoencoder, MaskedAutoencoder

    torch.set_num_threads(THREADS)
    torch.manual_seed(SEED)
    print(f"| PyTorch {torch.__version__} | ms per step | CPU ms per step | spectra per second |\n|---|---|---|---|")
    for case in CASES:
        model = ConvAutoencoder(TOKENS, PATCH) if "conv" in case else MaskedAutoencoder(TOKENS, PATCH)
        rows, step = training(model) if "training" in case else inference(model, PARTS[case.split(",")[0]])
        times = []
        for _ in range(2 + STEPS):
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            times.append((time.perf_counter() - wall, time.process_time() - cpu))
        wall, cpu = (1e3 * statistics.median(part) for part in zip(*times[2:]))
        print(f"| {case} | {wall:.1f} | {cpu:.1f} | {1e3 * rows / wall:.0f} |", flush=True)


def run(command, device):
    """Wall and CPU milliseconds of each case."""
    threads = dict.fromkeys(["RAYON_NUM_THREADS", "OMP_NUM_THREADS"], str(THREADS))
    environment = os.environ | threads | {"RADIO_DEVICE": device}
    out = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = [[part.strip() for part in line.strip("|\n ").split("|")] for line in out.splitlines()]
    return {row[0]: (float(row[1]), float(row[2])) for row in rows if row[0] in CASES}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-only", action="store_true", help="not the bench")
    parser.add_argument("--devices", nargs="+", default=["cpu"], help="of the bench")
    parser.add_argument("--features", default="", help="of the bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_process:
        return peer()
    bench = ["cargo", "bench", "-q", "-p", "radio-benches", "--bench", "autoencoder", "--features", options.features, "--", "table"]
    ours = [] if options.peers_only or not shutil.which("cargo") else options.devices
    rounds = []
    for _ in range(options.rounds):
        times = {"PyTorch": run([sys.executable, __file__, "--in-process"], "")}
        rounds.append(times | {device: run(bench, device) for device in ours})
    print("| ms per step, wall / CPU | PyTorch |", *(f"{device} | PyTorch / {device} |" for device in ours))
    print("|---|---|" + "---|---|" * len(ours))
    for case in CASES:
        middle = {who: [statistics.median(times[who][case][i] for times in rounds) for i in (0, 1)] for who in rounds[0]}
        cells = ["{:.0f} / {:.0f}".format(*middle["PyTorch"])]
        for device in ours:
            ratios = [theirs / own for theirs, own in zip(middle["PyTorch"], middle[device])]
            cells += ["{:.0f} / {:.0f}".format(*middle[device]), "{:.2f} / {:.2f}".format(*ratios)]
        print("|", " | ".join([case, *cells]), "|")


if __name__ == "__main__":
    main()
