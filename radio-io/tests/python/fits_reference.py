"""What astropy reads of a FITS file of DESI spectra, for tests/it/fits_python.rs to compare.

    python fits_reference.py FITS FOLDER

Writes spectra.parquet (its rows, arms joined here once more, in doubles), and its images compressed tile by tile, as astropy writes them:
METHOD.fits, and METHOD_is.fits with what astropy reads of that. Needs astropy and pyarrow.
"""

import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits

METHODS = {
    "rice": {"compression_type": "RICE_1", "quantize_level": 16, "quantize_method": 1, "dither_seed": 5},
    "rice_zeros": {"compression_type": "RICE_1", "quantize_level": 4, "quantize_method": 2, "dither_seed": 77},
    "gzip1": {"compression_type": "GZIP_1", "quantize_level": 0},
    "gzip2": {"compression_type": "GZIP_2", "quantize_level": 0},
    "gzip2_quantized": {"compression_type": "GZIP_2", "quantize_level": 16, "quantize_method": -1},
}


def joined(hdus):
    """Flux, ivar and mask on the grid of all arms: inverse-variance means, masks together, cleared where there is ivar."""
    arms = [hdu.name.removesuffix("WAVELENGTH") for hdu in hdus if hdu.name.endswith("_WAVELENGTH")]
    grids = [hdus[arm + "WAVELENGTH"].data for arm in arms]
    start, end = min(grid[0] for grid in grids), max(grid[-1] for grid in grids)
    rows, pixels = len(hdus["FIBERMAP"].data), round((end - start) / 0.8) + 1
    flux, ivar, mask = np.zeros((rows, pixels)), np.zeros((rows, pixels)), np.zeros((rows, pixels), "u4")
    for arm, grid in zip(arms, grids):
        first = round((grid[0] - start) / 0.8)
        own = slice(first, first + len(grid))
        weight = hdus[arm + "IVAR"].data.astype("f8")
        flux[:, own] += weight * hdus[arm + "FLUX"].data
        ivar[:, own] += weight
        mask[:, own] |= hdus[arm + "MASK"].data.astype("u4")
    good = ivar > 0
    flux[good] /= ivar[good]
    mask[good] = 0
    return flux, ivar, mask.astype("i4")


source, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
with fits.open(source) as hdus:
    fibres = hdus["FIBERMAP"].data
    columns = {"targetid": np.asarray(fibres["TARGETID"], "i8"), "target_ra": np.asarray(fibres["TARGET_RA"], "f8")}
    if "EXPID" in fibres.names:
        columns["EXPID"] = np.asarray(fibres["EXPID"], "i4")
    columns = {name: pa.array(values) for name, values in columns.items()}
    for name, values in zip(("flux", "ivar", "mask"), joined(hdus)):
        flat = pa.array(values.ravel())
        kind = pa.list_(pa.field("element", flat.type, nullable=False), values.shape[1])
        columns[name] = pa.FixedSizeListArray.from_arrays(flat, type=kind)
    pq.write_table(pa.table(columns), folder / "spectra.parquet")
    for method, options in METHODS.items():
        packed = fits.HDUList([hdus[0].copy(), hdus["FIBERMAP"].copy()])
        for hdu in hdus[1:]:
            if not isinstance(hdu, fits.ImageHDU):
                continue
            # Wavelengths stay to the bit.
            own = METHODS["gzip1"] if hdu.name.endswith("_WAVELENGTH") else options
            packed.append(fits.CompImageHDU(hdu.data, name=hdu.name, **own))
        packed.writeto(folder / f"{method}.fits")
        with fits.open(folder / f"{method}.fits") as read:
            plain = [fits.ImageHDU(hdu.data, name=hdu.name) for hdu in read[1:] if isinstance(hdu, fits.CompImageHDU)]
            fits.HDUList([fits.PrimaryHDU(), *plain]).writeto(folder / f"{method}_is.fits")
