"""Makes metrics.json: what scikit-learn and SciPy measure on small random rankings, most of them with ties.

python -m venv venv && venv/bin/pip install scikit-learn==1.9.1 scipy==1.17.1
venv/bin/python metrics.py > metrics.json                      (made with Python 3.11 and numpy 2.4)
"""

import json

import numpy as np
from scipy.stats import spearmanr
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import average_precision_score, roc_auc_score

rng = np.random.default_rng(1947)


def ranking(n, decimals):
    positive = rng.random(n) < 0.3
    positive[:2] = [True, False]
    scores = np.round(rng.normal(size=n) + positive, decimals)
    other = np.round(rng.normal(size=n) + 0.5 * scores, decimals)
    return {
        "scores": scores.tolist(),
        "positive": positive.tolist(),
        "other": other.tolist(),
        "auroc": roc_auc_score(positive, scores),
        "average_precision": average_precision_score(positive, scores),
        "spearman": spearmanr(scores, other).statistic,
    }


def half_recall(bins, per_bin):
    """Recall in bins of equally many anomalies, made monotonic, and the amplitude where it is one half."""
    n = bins * per_bin
    amplitude = np.round(np.sort(np.exp(rng.uniform(np.log(2), np.log(20), n))), 6)
    recalled = rng.random(n) < 1 / (1 + (8 / amplitude) ** 3)
    x = np.log(amplitude).reshape(bins, per_bin).mean(axis=1)
    y = IsotonicRegression().fit_transform(x, recalled.reshape(bins, per_bin).mean(axis=1))
    # Bins that the regression pooled are one, at the mean of their places.
    values = np.unique(y)
    centers = np.array([x[y == value].mean() for value in values])
    return {
        "amplitude": amplitude.tolist(),
        "recalled": recalled.tolist(),
        "half": float(np.exp(np.interp(0.5, values, centers))),
    }


cases = {
    "rankings": [ranking(n, decimals) for n, decimals in [(5, 0), (20, 0), (60, 1), (60, 2), (200, 0), (200, 6)]],
    "half_recall": [half_recall(bins, 30) for bins in [10, 10, 10]],
}
print(json.dumps(cases))
