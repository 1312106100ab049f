-- Files, one row each; a file that cannot be read has an error and no rows.
CREATE TABLE file_registry (
    tile INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    uri TEXT NOT NULL,
    size BIGINT NOT NULL,
    mtime_ns BIGINT NOT NULL,
    footer_bytes BIGINT NOT NULL,
    footer_hash TEXT NOT NULL,
    schema_hash TEXT NOT NULL,
    row_count BIGINT NOT NULL,
    row_group_count BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    -- Hash of the column names that the key columns were looked for under.
    key_columns TEXT NOT NULL,
    error TEXT,
    UNIQUE (node, uri)
);

-- Row groups, with the bytes that hold them.
CREATE TABLE row_groups (
    tile INTEGER NOT NULL,
    row_group INTEGER NOT NULL,
    first_row BIGINT NOT NULL,
    row_count BIGINT NOT NULL,
    first_byte BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (tile, row_group)
);

-- Columns of a file, all its row groups taken together.
CREATE TABLE tile_columns (
    tile INTEGER NOT NULL,
    column_path TEXT NOT NULL,
    data_type TEXT NOT NULL,
    codec TEXT NOT NULL,
    value_count BIGINT NOT NULL,
    null_count BIGINT,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (tile, column_path)
);

-- Key columns of every row of every readable file.
CREATE TABLE galaxies (
    targetid BIGINT NOT NULL,
    target_ra DOUBLE PRECISION,
    target_dec DOUBLE PRECISION,
    z DOUBLE PRECISION,
    zerr DOUBLE PRECISION,
    zwarn BIGINT,
    spectype TEXT,
    objtype TEXT,
    desi_target BIGINT,
    deltachi2 DOUBLE PRECISION,
    healpix BIGINT,
    tile INTEGER NOT NULL,
    row_in_tile BIGINT NOT NULL,
    PRIMARY KEY (tile, row_in_tile)
);
CREATE INDEX galaxies_by_targetid ON galaxies (targetid);
CREATE INDEX galaxies_by_z ON galaxies (z);
CREATE INDEX galaxies_by_healpix ON galaxies (healpix);

-- Who made which results, and how.
CREATE TABLE result_runs (
    run TEXT NOT NULL,
    kind TEXT NOT NULL,
    model_hash TEXT NOT NULL,
    options TEXT NOT NULL,
    PRIMARY KEY (kind, run)
);

CREATE TABLE anomalies (
    targetid BIGINT NOT NULL,
    score DOUBLE PRECISION NOT NULL,
    score_raw DOUBLE PRECISION,
    snr DOUBLE PRECISION,
    worst_wavelength DOUBLE PRECISION,
    flags BIGINT NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (run, targetid)
);
CREATE INDEX anomalies_by_score ON anomalies (score);

CREATE TABLE galaxy_groups (
    targetid BIGINT NOT NULL,
    group_id BIGINT NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (run, targetid)
);
CREATE INDEX galaxy_groups_by_group ON galaxy_groups (run, group_id);

-- Every sync that ended.
CREATE TABLE sync_runs (
    sync_run INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    root TEXT NOT NULL,
    added BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    removed BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    -- Tile numbers are never used again: ids may have been made of them.
    next_tile INTEGER NOT NULL
);
