"""Reads a tile with pyarrow, which compares the checksums of pages, and says what is in it.

    python tile.py FILE

Prints JSON: rows, codec of the flux, sums of flux, ivar and mask, and the id of the rows of one class. Called by tests/it/python.rs.
"""

import json
import sys

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

table = pq.read_table(sys.argv[1], page_checksum_verification=True)
metadata = pq.read_metadata(sys.argv[1])
group = metadata.row_group(0)
columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
total = lambda name: float(np.sum(table[name].combine_chunks().values.to_numpy(), dtype=np.float64))
galaxies = table.filter(pc.equal(table["spectype"], "GALAXY"))["targetid"].to_pylist()
flux = columns["flux.list.element"]
assert columns["targetid"].statistics.has_min_max and flux.statistics is None
assert columns["targetid"].has_offset_index and flux.has_offset_index
print(
    json.dumps(
        {
            "rows": table.num_rows,
            "codec": flux.compression,
            "sums": [total(name) for name in ("flux", "ivar", "mask")],
            "galaxies": galaxies,
            "wavelength": table.schema.metadata[b"wavelength"].decode(),
            "sorted": [column.column_index for column in group.sorting_columns],
        }
    )
)
