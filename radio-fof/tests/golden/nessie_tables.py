"""Makes nessie_tables.csv: what Nessie says of the groups in nessie_small.csv, given made-up magnitudes, errors and truth.

python -m venv venv && venv/bin/pip install nessie-py==1.1.1 numpy networkx statsmodels
venv/bin/python nessie_tables.py > nessie_tables.csv        (made with Python 3.11 and numpy 2)

Errors are 0 or 1 km/s, where the mean of the errors (Nessie's error term) is also the mean of their squares (ours).
"""

import csv
import pathlib

import numpy as np
from nessie import FlatCosmology, RedshiftCatalog
from nessie.helper_funcs import create_density_function

B0, R0, DENSITY, H, OMEGA_M = 0.06, 10.0, 3e-5, 0.7, 0.3
SKY, CLUMP = 0.3, 8

with open(pathlib.Path(__file__).with_name("nessie_small.csv")) as file:
    rows = list(csv.reader(file))[2:]
ra, dec, z, completeness = (np.array([float(row[k]) for row in rows]) for k in range(4))
rng = np.random.default_rng(42)
magnitude = np.round(rng.normal(-20.5, 1.0, len(ra)), 4)
error = rng.integers(0, 2, len(ra)).astype(float)
# Truth: the clumps, of which some galaxies are lonely and some clumps are one.
truth = np.arange(len(ra)) // CLUMP
truth = np.where(truth % 10 == 3, truth - 1, truth) * 1000 + 7
truth[rng.random(len(ra)) < 0.15] = -1
# Targets: every galaxy, and for every third one another at its side.
target_ra, target_dec = np.append(ra, ra[::3]), np.append(dec, dec[::3] * 0.9999)

cosmology = FlatCosmology(h=H, omega_matter=OMEGA_M)
catalog = RedshiftCatalog(ra, dec, z, lambda z: np.full(len(z), DENSITY), cosmology)
catalog.calculate_completeness(target_ra, target_dec, np.full(len(ra), 0.5))
counted = catalog.completeness
catalog.set_completeness(completeness)
catalog.run_fof(b0=B0, r0=R0)
catalog.mock_group_ids = truth
groups = catalog.calculate_group_table(magnitude, error)
pairs = catalog.calculate_pair_table(magnitude)
density = create_density_function(z, len(z), SKY, cosmology)

print("# made by nessie_tables.py with nessie-py 1.1.1 from nessie_small.csv")
for size in (2, 5):
    print("s_total", size, catalog.compare_to_mock(min_group_size=size), sep=",")
for row in zip(magnitude, error, truth, counted, density(z)):
    print("galaxy", *row, sep=",")
columns = ("iter_idx multiplicity median_redshift co_dist r50 rsigma r100 velocity_dispersion_gap velocity_dispersion_gap_err "
           "mass_proxy estimated_mass bcg_idxs center_of_light_ras center_of_light_decs total_absolute_mag flux_proxies")
print("# group", *columns.split(), sep=",")
for row in zip(*(groups[name] for name in columns.split())):
    print("group", *row, sep=",")
columns = "idx_1 idx_2 projected_separation velocity_separation ra_bar dec_bar redshift_bar total_absolute_mag"
print("# pair", *columns.split(), sep=",")
for row in zip(*(pairs[name] for name in columns.split())):
    print("pair", *row, sep=",")
