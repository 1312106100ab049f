"""What a script does with pyarrow and sqlite3 that radio-index does: the peer of benches/index.rs, on the same data.

    cargo bench -p radio-benches --bench index        # makes the data
    python benches/peers/index.py target/tmp/index    # pyarrow from requirements.txt

Prints seconds on the clock and of CPU (of all threads). The data are the bench's: 12,000 tiles of 12 columns and 3 row groups,
and 6.4 million galaxies in 12,000 tiles.
"""

import os
import pathlib
import sqlite3
import sys
import tempfile
import time

import pyarrow
import pyarrow.parquet as pq

KEYS = ["targetid", "target_ra", "target_dec", "z", "zerr", "zwarn", "spectype", "objtype", "desi_target", "deltachi2"]


def row(what, items, work):
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"| {what} | {items} | {wall:.2f} | {cpu:.2f} | {items / wall:.0f} | {items / cpu:.0f} |", flush=True)
    return result


def footers(files):
    return sum(pq.read_metadata(file).num_rows for file in files)


def chunks(files, database):
    """Files and column chunks with their bounds, as in the tables of the index."""
    database.execute("CREATE TABLE files (tile INTEGER PRIMARY KEY, uri TEXT, size INT, mtime INT, row_count INT, created_by TEXT)")
    database.execute(
        "CREATE TABLE chunks (tile INT, row_group INT, column INT, codec TEXT, value_count INT, null_count INT, bytes INT,"
        " min_value TEXT, max_value TEXT, PRIMARY KEY (tile, row_group, column)) WITHOUT ROWID"
    )
    for tile, file in enumerate(files):
        stat, meta = os.stat(file), pq.read_metadata(file)
        database.execute(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)",
            (tile, str(file), stat.st_size, stat.st_mtime_ns, meta.num_rows, meta.created_by),
        )
        rows = []
        for group in range(meta.num_row_groups):
            of_group = meta.row_group(group)
            for number in range(of_group.num_columns):
                column = of_group.column(number)
                s = column.statistics
                low, high, nulls = (str(s.min), str(s.max), s.null_count) if s else (None, None, None)
                rows.append((tile, group, number, column.compression, column.num_values, nulls, column.total_compressed_size, low, high))
        database.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    database.commit()


def galaxies(files, database):
    database.execute(f"CREATE TABLE galaxies (tile INT, row_in_tile INT, {', '.join(KEYS)}, PRIMARY KEY (tile, row_in_tile))")
    insert = f"INSERT INTO galaxies VALUES ({', '.join('?' * (len(KEYS) + 2))})"
    for tile, file in enumerate(files):
        columns = [column.to_pylist() for column in pq.read_table(file, columns=KEYS).columns]
        database.executemany(insert, zip([tile] * len(columns[0]), range(len(columns[0])), *columns))
    for column in ["targetid", "z"]:
        database.execute(f"CREATE INDEX by_{column} ON galaxies ({column})")
    database.commit()


def main():
    root = pathlib.Path(sys.argv[1])
    tiles, catalogue = (sorted((root / part).glob("*.parquet")) for part in ("tiles", "catalogue"))
    print(f"pyarrow {pyarrow.__version__}, sqlite {sqlite3.sqlite_version}, python {sys.version.split()[0]}")
    print("| what | items | wall s | CPU s | per s | per CPU s |\n|---|---|---|---|---|---|")
    footers(tiles)
    row("footers", len(tiles), lambda: footers(tiles))
    with tempfile.TemporaryDirectory(dir=root) as folder:
        database = sqlite3.connect(pathlib.Path(folder) / "tiles.db")
        row("footers and column chunks into SQLite", len(tiles), lambda: chunks(tiles, database))
        # A tenth of the galaxies: what is measured is the rate.
        some = catalogue[:1200]
        count = footers(some)
        database = sqlite3.connect(pathlib.Path(folder) / "galaxies.db")
        row("galaxies into SQLite, two indexes", count, lambda: galaxies(some, database))


if __name__ == "__main__":
    main()
