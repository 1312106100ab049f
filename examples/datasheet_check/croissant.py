"""Validates a croissant.json and a datasheet.json, and loads a row of every tile: `python croissant.py FOLDER COLUMN...`.

Prints the number of rows, and the sum of each of the columns.
"""

import json
import pathlib
import sys

import jsonschema
import mlcroissant

folder, columns = pathlib.Path(sys.argv[1]), sys.argv[2:]
datasheet = json.loads((folder / "datasheet.json").read_text())
jsonschema.Draft202012Validator(json.loads((folder / datasheet["$schema"]).read_text())).validate(datasheet)

dataset = mlcroissant.Dataset(str(folder / "croissant.json"))
assert not dataset.metadata.ctx.issues.errors, dataset.metadata.ctx.issues.report()
rows, sums = 0, [0.0] * len(columns)
for record in dataset.records("rows"):
    rows += 1
    for k, column in enumerate(columns):
        sums[k] += float(record[f"rows/{column}"])
print(rows, *sums)
