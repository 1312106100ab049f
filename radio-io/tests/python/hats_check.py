#!/usr/bin/env python3
"""Check a HATS collection the way its readers will use it: hats_check.py COLLECTION [--rows N] [--cone RA DEC]

Opens COLLECTION with hats and lsdb (needs lsdb==0.11.1) and prints a JSON report; at the first violation
it prints one sentence on stderr and exits 1. It holds the whole catalogue in memory, and uses two threads.
"""
import argparse
import io
import json
import logging
import sys

import cdshealpix
import dask
import hats
import lsdb
import numpy as np
import pyarrow.parquet as pq
from astropy.io import votable
from hats.io import file_io, paths, validation
from hats.pixel_math import compute_spatial_index, healpix_shim
from scipy.spatial import KDTree


def require(condition, sentence):
    if not condition:
        raise AssertionError(sentence)


def chord(arcsec):
    return 2 * np.sin(np.radians(arcsec / 3600) / 2)


def xyz(ra, dec):
    """Unit vectors in the columns' own precision, as lsdb's cross-match computes them."""
    lon, lat = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def strict(validate, path, name):
    """hats' strict validation. Its warnings fail too: it only warns when _metadata is missing."""
    said, root = [], logging.getLogger()
    root.handlers = [logging.Handler(logging.WARNING)]
    root.handlers[0].emit = lambda record: said.append(" ".join(record.getMessage().split()))
    valid = validate(path, strict=True)
    require(valid and not said, f"{name} is not strictly valid: {' '.join(said) or 'hats says no more'}")


def leaves(catalog, name):
    """_healpix_29 of each leaf file, after what hats does not verify: schema, rows and their order."""
    info, found = catalog.catalog_info, {}
    require((info.healpix_column, info.healpix_order) == ("_healpix_29", 29), f"{name} does not declare _healpix_29.")
    for pixel in catalog.get_healpix_pixels():
        leaf = paths.pixel_catalog_file(catalog.catalog_base_dir, pixel, npix_suffix=info.npix_suffix)
        table, what = pq.read_table(leaf.path, partitioning=None), f"{name}, {pixel.order}/{pixel.pixel}"
        require(table.schema.equals(catalog.schema), f"{what}: its schema is not that of _common_metadata.")
        index = found[pixel] = table["_healpix_29"].to_numpy()
        own = compute_spatial_index(table[info.ra_column].to_numpy(), table[info.dec_column].to_numpy())
        require(index.dtype == np.int64 and (own == index).all(), f"{what}: _healpix_29 is not what hats computes.")
        inside = (index >> 2 * (29 - pixel.order)) == pixel.pixel
        margin = info.catalog_type == "margin"  # its rows lie outside the pixel, in any order
        require((inside != margin).all(), f"{what}: rows on the wrong side of its border.")
        require(margin or (np.diff(index) >= 0).all(), f"{what}: the rows are not sorted by _healpix_29.")
    total = sum(map(len, found.values()))
    require(total == info.total_rows, f"{name}: hats_nrows={info.total_rows}, but the files hold {total} rows.")
    return found


def check_margin(margin, held, main, rows, tree, name):
    """Every row closer than the threshold to a pixel, covered or not, is in that pixel's margin."""
    radius = margin.catalog_info.margin_threshold
    pixels = main.get_healpix_pixels() + main.generate_negative_tree_pixels()
    require(set(held) <= set(pixels), f"{name}: a partition is neither one of the catalogue nor of the empty sky.")
    for pixel in pixels:
        step = int(np.clip(2 * healpix_shim.order2resol(pixel.order, arcmin=True) * 60 / radius, 1, 2000))
        lon, lat = cdshealpix.vertices(np.uint64([pixel.pixel]), np.uint8(pixel.order), step=step)
        near = rows[[*set().union(*tree.query_ball_point(xyz(lon.deg[0], lat.deg[0]), chord(radius - 0.01)))]]
        lost = np.setdiff1d(near[(near >> 2 * (29 - pixel.order)) != pixel.pixel], held.get(pixel, []))
        require(len(lost) == 0, f"{name}: {len(lost)} rows within {radius} arcsec of {pixel} are missing.")
        require(np.isin(held.get(pixel, []), rows).all(), f"{name}: a row of {pixel} is not in the catalogue.")
    return {"threshold_arcsec": radius, "rows": sum(map(len, held.values())), "partitions": len(held)}


def check(path, expected, cone):
    collection, report = hats.read_hats(path), {"collection": path}
    require(hasattr(collection, "main_catalog"), f"{path} is not a collection.")
    props, main = collection.collection_properties, collection.main_catalog
    margins = {name: collection.resolve_inner_path(path, name) for name in props.all_margins or []}
    for place in (collection.main_catalog_dir, *margins.values()):
        strict(validation.is_valid_catalog, place, place.name)
    strict(validation.is_valid_collection, path, "The collection")
    rows = np.concatenate(list(leaves(main, main.catalog_name).values()))  # along the sky's nested curve
    report |= {"strictly_valid": True, "rows": len(rows), "healpix_29_equal": True, "margins": {}}
    require(expected in (None, len(rows)), f"{expected} rows expected, but {len(rows)} found.")
    for pointer in (paths.get_point_map_file_pointer, paths.get_skymap_file_pointer):
        if main.moc is not None or main.catalog_info.skymap_order is not None:  # both maps or none
            counts = file_io.read_fits_image(pointer(main.catalog_base_dir))  # lsdb drops what it does not cover
            own = np.bincount(rows >> 2 * (29 - healpix_shim.npix2order(len(counts))), minlength=len(counts))
            require(np.array_equal(own, counts), f"{pointer(path).name} does not count the rows per pixel.")
    ra_name, dec_name = main.catalog_info.ra_column, main.catalog_info.dec_column
    catalog = lsdb.open_catalog(path, columns="all")
    table = catalog.compute(progress_bar=False)
    require(np.array_equal(table.index.to_numpy(), rows), "lsdb does not read the rows that the files hold.")
    ra, dec = table[ra_name].to_numpy(), table[dec_name].to_numpy()
    points, exact = xyz(ra, dec), xyz(ra.astype(float), dec.astype(float))
    for name, margin in ((name, hats.read_hats(place)) for name, place in margins.items()):
        report["margins"][name] = check_margin(margin, leaves(margin, name), main, rows, KDTree(exact), name)
    slack = 0.1 if points.dtype == np.float32 else 1e-5  # arcsec: lsdb's rounding at a circle's edge
    ra0, dec0 = cone or (float(ra[0]), float(dec[0]))
    away = np.linalg.norm(exact - xyz(np.array([ra0]), np.array([dec0])), axis=1)
    least, most = (rows[away <= chord(3600 + extra)] for extra in (-slack, slack))
    search = lsdb.ConeSearch(ra0, dec0, 3600)
    for way, found in ("search", catalog.search(search)), ("open", lsdb.open_catalog(path, search_filter=search)):
        got = found.compute(progress_bar=False).index.to_numpy()
        require(np.isin(least, got).all() and np.isin(got, most).all() and len(least) <= len(got) <= len(most),
                f"The 1 degree cone by lsdb's {way} has {len(got)} rows, by brute force {len(least)} to {len(most)}.")
    report["cone"] = {"ra": ra0, "dec": dec0, "rows": len(got)}
    def match(radius, n):
        how = {"radius_arcsec": radius, "n_neighbors": n, "suffixes": ("_l", "_r"), "suffix_method": "all_columns"}
        return catalog.crossmatch(catalog, **how).compute(progress_bar=False)
    own = match(1, 1)
    require(np.array_equal(np.sort(own.index), rows), f"{len(own)} self-matches for {len(rows)} rows.")
    require(all((own[c + "_l"] == own[c + "_r"]).all() for c in (ra_name, dec_name)), "A self-match of two positions.")
    report["self_match"] = {"rows": len(own), "shared_positions": int(table.duplicated([ra_name, dec_name]).sum())}
    if props.default_margin:  # then lsdb has loaded it: neighbours across the borders of partitions
        radius = catalog.margin.hc_structure.catalog_info.margin_threshold
        second, pairs = KDTree(points).query(points, k=2)[0][:, 1], len(match(radius, 2))
        least, most = (len(rows) + int((second < chord(radius + extra)).sum()) for extra in (-slack, slack))
        require(least <= pairs <= most, f"{pairs} pairs within {radius} arcsec, by brute force {least} to {most}.")
        report["pairs_within_threshold"] = pairs
    xml = (main.schema.metadata or {}).get(b"IVOA.VOTable-Parquet.content")
    fields = {f.name: f for f in votable.parse(io.BytesIO(xml)).get_first_table().fields} if xml else {}
    require(not xml or list(fields) == main.schema.names, "The VOTable header's fields are not the file's columns.")
    vo = {name: [str(field.unit or ""), field.ucd or ""] for name, field in fields.items()}
    report["columns"] = {column.name: [str(column.type), *vo.get(column.name, [])] for column in main.schema}
    return report | {"lsdb": lsdb.__version__, "hats": hats.__version__}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collection")
    parser.add_argument("--rows", type=int, help="how many rows the catalogue must have")
    parser.add_argument("--cone", type=float, nargs=2, metavar=("RA", "DEC"), help="degrees; default: the first row")
    args = parser.parse_args()
    dask.config.set(scheduler="threads", num_workers=2)
    try:
        print(json.dumps(check(args.collection, args.rows, args.cone), indent=1))
    except Exception as error:  # an error of a reader is a violation too
        sys.exit(f"hats_check.py: {'' if isinstance(error, AssertionError) else type(error).__name__ + ': '}{error}")
