"""Wavelength encodings with 50 digits: makes encoding.csv, and the table in the docs of `WavelengthEncoding`.

    pip install mpmath==1.3.0 numpy==2.2.6
    python radio-tokenize/tests/golden/encoding.py > radio-tokenize/tests/golden/encoding.csv

Every row is: shortest period, longest period, logarithmic, wavelength (Å), and the eight numbers of a code of length 8. The
table, on stderr, is the largest error over DESI's 7781 wavelengths (every 31st) and 64 frequencies.
"""

import sys

import numpy as np
from mpmath import cos, exp, log, mp, mpf, pi, sin

mp.dps = 50
DESI = [3600 + mpf(8) * i / 10 for i in range(0, 7781, 31)]


def frequencies(half, shortest, longest):
    step = log(mpf(longest) / mpf(shortest)) / (half - 1)
    return [2 * pi / mpf(longest) * exp(k * step) for k in range(half)]


def code(half, shortest, longest, logarithmic, wavelength):
    x = log(mpf(wavelength)) if logarithmic else mpf(wavelength)
    return [f(w * x) for w in frequencies(half, shortest, longest) for f in (sin, cos)]


def rows():
    for shortest, longest, logarithmic in [(0.1, 1e6, 0), (1.6, 24896.0, 0), (4.605e-4, 4.0, 1)]:
        for wavelength in [3600.0, 5007.0, 6564.61, 9824.0]:
            exact = code(4, shortest, longest, logarithmic, wavelength)
            print(shortest, longest, logarithmic, wavelength, *(mp.nstr(x, 17) for x in exact), sep=",")


def error(shortest, longest, logarithmic, dtype):
    """The largest error of a sine or cosine, where phase and period are computed in `dtype`."""
    worst, exact = 0, frequencies(32, shortest, longest)
    one = dtype(1)
    steps = (np.arange(32) / 31).astype(dtype)
    rounded = (dtype(2 * np.pi) / dtype(longest) * (dtype(longest) / dtype(shortest)) ** steps).astype(dtype)
    for wavelength in DESI:
        x = log(wavelength) if logarithmic else wavelength
        x_rounded = np.log(dtype(float(wavelength))) if logarithmic else dtype(float(wavelength))
        for w, w_rounded in zip(exact, rounded):
            phase = one * w_rounded * x_rounded
            for f, g in ((sin, np.sin), (cos, np.cos)):
                worst = max(worst, abs(float(f(w * x) - mpf(float(np.float32(g(phase)))))))
    return worst


if __name__ == "__main__":
    rows()
    for name, setting in [
        ("`universal`: 0.1 Å", (0.1, 1e6, False)),
        ("1 Å", (1.0, 1e6, False)),
        ("`for_grid` of DESI: 1.6 Å", (1.6, 24896.0, False)),
        ("`for_log_grid` of DESI: 2.4e-4 in ln λ", (2.3838e-4, 4.0155, True)),
    ]:
        print(name, *(f"{error(*setting, dtype):.1e}" for dtype in (np.float32, np.float64)), sep=" | ", file=sys.stderr)
