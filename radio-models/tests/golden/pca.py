"""Makes pca.json: the components and chi-squares that NumPy finds for small spectra with bad pixels.

python -m venv venv && venv/bin/pip install numpy==2.4.6
venv/bin/python pca.py > pca.json                              (made with Python 3.11)
"""

import json

import numpy as np

N, PIXELS, RANK, FLOOR = 40, 30, 3, 0.05

rng = np.random.default_rng(1999)
shapes = rng.normal(size=(RANK, PIXELS)).cumsum(axis=1)
errors = np.round(np.exp(rng.normal(size=(N, PIXELS)) / 2 + rng.normal(size=(N, 1)) - 2), 4)
values = np.round(1 + rng.normal(size=(N, RANK)) * [2, 1, 0.5] @ shapes + errors * rng.normal(size=(N, PIXELS)), 4)
errors[rng.random((N, PIXELS)) < 0.1] = 0
errors[7] = 0
result = {"values": values.tolist(), "errors": errors.tolist()}
# The tests read them as 32-bit numbers.
values, errors = (x.astype(np.float32).astype(np.float64) for x in (values, errors))

good = errors > 0
# Of an even number of errors the upper one of the two in the middle is the median.
median = [np.sort(error[ok])[ok.sum() // 2] if ok.any() else np.inf for error, ok in zip(errors, good)]
weight = 1 / (np.square(median) + FLOOR**2)
weight = (weight / weight.mean())[:, None]
mean = (weight * np.where(good, values, 0)).sum(axis=0) / (weight * good).sum(axis=0)
filled = np.where(good, values - mean, 0)
_, singular, components = np.linalg.svd(np.sqrt(weight) * filled, full_matrices=False)
components = components[:RANK]
largest = components[np.arange(RANK), np.abs(components).argmax(axis=1)]
components = components * np.sign(largest)[:, None]

chi2 = []
for value, error, ok in zip(values, errors, good):
    if ok.sum() <= RANK:
        chi2.append(None)
        continue
    design, target = (components[:, ok] / error[ok]).T, (value - mean)[ok] / error[ok]
    residual = target - design @ np.linalg.lstsq(design, target)[0]
    chi2.append(residual @ residual / (ok.sum() - RANK))

result |= {
    "mean": mean.tolist(),
    "components": components.tolist(),
    "variances": (singular[:RANK] ** 2 / N).tolist(),
    "chi2": chi2,
}
print(json.dumps(result))
