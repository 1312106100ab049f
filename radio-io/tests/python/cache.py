"""Maps the files of a cache with pyarrow, and shows that numpy and torch use that very memory.

    python cache.py FOLDER

Prints a line of JSON for each row: its tile's row number, id, flux, ivar and mask. Called by tests/it/python.rs.
"""

import json
import pathlib
import sys

import numpy as np
import pyarrow as pa

try:
    import torch
except ImportError:
    torch = None
    print("SKIPPED torch is not installed", file=sys.stderr)


def mapping_of(address):
    """The file that is mapped at an address."""
    for line in open("/proc/self/maps"):
        fields = line.split(maxsplit=5)
        start, end = (int(part, 16) for part in fields[0].split("-"))
        if start <= address < end:
            return fields[5].strip() if len(fields) > 5 else ""
    raise AssertionError(f"{address:#x} is not mapped")


def matrix(batch, name, path):
    """A column of fixed-size lists, as numpy and torch see it: no copy."""
    column = batch.column(name)
    values = column.values
    _, buffer = values.buffers()
    array = values.to_numpy(zero_copy_only=True).reshape(len(batch), column.type.list_size)
    address = array.__array_interface__["data"][0]
    assert address == buffer.address, "numpy has a copy"
    assert mapping_of(address) == str(path), "pyarrow has a copy"
    assert address % 64 == 0, "not aligned"
    if torch is not None:
        tensor = torch.from_numpy(array)
        assert tensor.data_ptr() == address, "torch has a copy"
        assert tensor.shape == array.shape and bool((tensor.numpy() == array).all())
    return array


def main():
    for path in sorted(pathlib.Path(sys.argv[1]).resolve().glob("*.arrow")):
        with pa.memory_map(str(path)) as file:
            batch = pa.ipc.open_file(file).get_batch(0)
        grid = json.loads(batch.schema.metadata[b"wavelength"])
        flux, ivar, mask = (matrix(batch, name, path) for name in ("flux", "ivar", "mask"))
        assert flux.dtype == ivar.dtype == np.float32 and mask.dtype == np.int32
        assert flux.shape == ivar.shape == mask.shape == (len(batch), grid["n"])
        rows = zip(batch.column("row_in_tile").to_pylist(), batch.column("targetid").to_pylist(), flux, ivar, mask)
        for row, targetid, *parts in rows:
            print(json.dumps([row, targetid, *(part.tolist() for part in parts)]))


main()
