"""Makes nessie_small.csv: the groups that Nessie finds in a small made-up survey where both caps are active.

python -m venv venv && venv/bin/pip install nessie-py==1.1.1 numpy networkx statsmodels
venv/bin/python nessie_small.py > nessie_small.csv        (made with Python 3.11 and numpy 2)
"""

import numpy as np
from nessie import FlatCosmology, RedshiftCatalog

B0, R0, DENSITY, H, OMEGA_M = 0.06, 10.0, 3e-5, 0.7, 0.3

rng = np.random.default_rng(20110902)
clumps, members = 100, 8
ra0, dec0 = rng.uniform(0, 360, clumps), np.degrees(np.arcsin(rng.uniform(-1, 1, clumps)))
ra0[:10], dec0[10:15], dec0[15:20] = 0.0, 89.9, -89.9
z0 = rng.uniform(0.02, 0.5, clumps)
spread = np.degrees(2.5 / (4283 * z0))
dec = np.clip(np.repeat(dec0, members) + rng.normal(size=clumps * members) * np.repeat(spread, members), -90, 90)
ra = np.repeat(ra0, members) + rng.normal(size=clumps * members) * np.repeat(spread, members) / np.cos(np.radians(dec))
z = np.repeat(z0, members) + rng.normal(size=clumps * members) * 0.008
ra, dec, z = np.round(ra % 360, 6), np.round(dec, 6), np.round(np.abs(z), 7)
completeness = np.round(rng.uniform(0.4, 1.0, clumps * members), 3)

cosmology = FlatCosmology(h=H, omega_matter=OMEGA_M)
catalog = RedshiftCatalog(ra, dec, z, lambda z: np.full(len(z), DENSITY), cosmology)
catalog.set_completeness(completeness)
catalog.run_fof(b0=B0, r0=R0)

print("# made by nessie_small.py with nessie-py 1.1.1: b0 = 0.06, r0 = 10, density = 3e-5, H0 = 70, omega_m = 0.3")
print("ra_deg,dec_deg,z,completeness,group")
for row in zip(ra, dec, z, completeness, catalog.group_ids):
    print("{:.6f},{:.6f},{:.7f},{:.3f},{}".format(*row))
