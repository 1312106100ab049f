-- A line that begins with --sqlite or --postgres is for that database only.

-- The column names of a file are kept once for all files that have them, its numbers once per row group and column.
DROP TABLE tile_columns;

CREATE TABLE schema_columns (
    schema_hash TEXT NOT NULL,
    column_number INTEGER NOT NULL,
    column_path TEXT NOT NULL,
    data_type TEXT NOT NULL,
    PRIMARY KEY (schema_hash, column_number)
);

CREATE TABLE column_chunks (
    tile INTEGER NOT NULL,
    row_group INTEGER NOT NULL,
    column_number INTEGER NOT NULL,
    codec TEXT NOT NULL,
    value_count BIGINT NOT NULL,
    null_count BIGINT,
    first_byte BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    -- As text, so that integers of 64 bits stay what they are.
    min_value TEXT,
    max_value TEXT,
    PRIMARY KEY (tile, row_group, column_number)
)
--sqlite WITHOUT ROWID
;

-- Hash of the key columns of a file as they were read, for a comparison later.
ALTER TABLE file_registry ADD COLUMN keys_hash TEXT NOT NULL DEFAULT '';
-- What this version keeps of a file is more than what the last one read: every file is read again.
UPDATE file_registry SET key_columns = '';

-- More key columns, and one number for tile and row: it keeps rows in the order of the files, and every index leads to it.
CREATE TABLE new_galaxies (
    --sqlite galaxy INTEGER PRIMARY KEY,
    --postgres galaxy BIGINT CONSTRAINT galaxies_by_row PRIMARY KEY,
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
    coadd_fiberstatus BIGINT,
    is_primary BIGINT,
    survey TEXT,
    program TEXT,
    healpix BIGINT,
    --sqlite tile INTEGER GENERATED ALWAYS AS (galaxy >> 32) VIRTUAL,
    --sqlite row_in_tile INTEGER GENERATED ALWAYS AS (galaxy & 4294967295) VIRTUAL
    --postgres tile INTEGER GENERATED ALWAYS AS (CAST(galaxy >> 32 AS INTEGER)) STORED,
    --postgres row_in_tile INTEGER GENERATED ALWAYS AS (CAST(galaxy & 4294967295 AS INTEGER)) STORED
);
INSERT INTO new_galaxies (galaxy, targetid, target_ra, target_dec, z, zerr, zwarn, spectype, objtype, desi_target, deltachi2, healpix)
    SELECT tile * 4294967296 + row_in_tile, targetid, target_ra, target_dec, z, zerr, zwarn, spectype, objtype, desi_target, deltachi2, healpix FROM galaxies;
DROP TABLE galaxies;
ALTER TABLE new_galaxies RENAME TO galaxies;
CREATE INDEX galaxies_by_targetid ON galaxies (targetid);
--sqlite CREATE INDEX galaxies_by_z ON galaxies (z);
--postgres CREATE INDEX galaxies_by_z ON galaxies (z) INCLUDE (galaxy);
CREATE INDEX galaxies_by_healpix ON galaxies (healpix);

-- A catalogue that was joined by id: what it said, so that it can be said again of a tile that changes.
CREATE TABLE catalogue (
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
    coadd_fiberstatus BIGINT,
    is_primary BIGINT,
    survey TEXT,
    program TEXT,
    healpix BIGINT
);
CREATE INDEX catalogue_by_targetid ON catalogue (targetid);

-- The cosmic web: the probability of each class.
CREATE TABLE web_classes (
    targetid BIGINT NOT NULL,
    web_class TEXT NOT NULL,
    p_void DOUBLE PRECISION NOT NULL,
    p_sheet DOUBLE PRECISION NOT NULL,
    p_filament DOUBLE PRECISION NOT NULL,
    p_knot DOUBLE PRECISION NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (run, targetid)
);

-- Results are found by run and score, and joined by id.
DROP INDEX anomalies_by_score;
CREATE INDEX anomalies_by_score ON anomalies (run, score);
