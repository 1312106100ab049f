//! From files as they are to one tile for each pixel of the sky.

mod keys;
mod partition;
mod spill;

pub use partition::Partitioning;

use std::fs::{self, File};
use std::hash::Hasher;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::interleave::interleave_record_batch;
use arrow_select::take::take_record_batch;
use rayon::prelude::*;
use twox_hash::XxHash64;

use self::keys::{Input, Key, KeyColumns, Keys};
use self::partition::{Arrivals, Place};
use self::spill::Spill;
use crate::error::{io, not_written};
use crate::hats::{HEALPIX_29, Partition, votable};
use crate::{Error, Result, TileWriter, WriteOptions};

/// Says which inputs and options the tiles of a folder are of.
const ABOUT: &str = ".radio-repartition";
/// Where rows wait that do not fit the memory.
const SPILL: &str = ".spill";
/// Bytes that are put in order at once.
const CHUNK: u64 = 4 << 20;

/// How files are divided into tiles. The defaults suit spectra of DESI.
#[derive(Clone, Debug)]
#[must_use]
pub struct RepartitionOptions {
    pub(crate) write: WriteOptions,
    pub(crate) partitioning: Partitioning,
    memory: u64,
    ra: Option<String>,
    dec: Option<String>,
    id: Option<String>,
    healpix_29: bool,
}

impl Default for RepartitionOptions {
    fn default() -> Self {
        Self {
            write: WriteOptions::default(),
            partitioning: Partitioning::default(),
            memory: 1 << 30,
            ra: None,
            dec: None,
            id: None,
            healpix_29: false,
        }
    }
}

impl RepartitionOptions {
    /// How tiles are written; the order of their rows is that of the repartition. Default: [`WriteOptions::default`].
    pub fn with_write(mut self, write: WriteOptions) -> Self {
        self.write = write;
        self
    }

    /// Which pixels become tiles. Default: those of order 6.
    pub fn with_partitioning(mut self, partitioning: Partitioning) -> Self {
        self.partitioning = partitioning;
        self
    }

    /// Memory for rows on their way, bytes; more than that goes through the disk. Besides, 60 bytes for each row, and in any case two
    /// copies of the largest tile. Default: 1 GiB.
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Columns of the position, degrees, ICRS. Default: `target_ra` and `target_dec`, or `ra` and `dec`, also in capitals.
    pub fn with_position(mut self, ra: impl Into<String>, dec: impl Into<String>) -> Self {
        (self.ra, self.dec) = (Some(ra.into()), Some(dec.into()));
        self
    }

    /// The column of whole numbers (or text of digits) that rows are sorted by within a tile. Default: the id, where there is one.
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Adds the column `_healpix_29` of HATS, the pixel of order 29, sorts by it before the id, and says units and UCDs of columns as VOParquet does.
    pub fn with_healpix_29(mut self) -> Self {
        self.healpix_29 = true;
        self
    }

    fn check(&self) -> Result<()> {
        let option = |name, value: String, expected: &str| Err(Error::option(name, value, expected));
        if self.partitioning.deepest() > 15 {
            return option(
                "partitioning",
                format!("{:?}", self.partitioning),
                "an order of 0 to 15",
            );
        }
        if matches!(self.partitioning, Partitioning::Rows { most: 0, .. }) {
            return option(
                "partitioning",
                format!("{:?}", self.partitioning),
                "at least one row in a tile",
            );
        }
        if self.memory < 1 << 20 {
            return option("memory", self.memory.to_string(), "at least 1 MiB");
        }
        Ok(())
    }
}

/// What became of all rows: `read` is the rows of all `tiles` and of all `rejected`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repartitioned {
    /// The tiles, in the order of the sky's nested curve.
    pub tiles: Vec<Partition>,
    /// Rows of all inputs.
    pub read: u64,
    /// Rows that are in tiles.
    pub written: u64,
    /// Rows that are in none, by input and reason.
    pub rejected: Vec<(PathBuf, String, u64)>,
    /// Tiles that an earlier run had finished.
    pub kept: usize,
}

/// Divides the rows of Parquet files, in any order, into one tile for each pixel of the sky, below `folder`:
/// `Norder=6/Dir=10000/Npix=10012.parquet`.
///
/// Columns stay as they are, so files of any dialect of spectra will do, and of none; all must have the same columns (and, where the metadata has one, the same wavelength grid). In a tile rows are sorted by id. Rows without a
/// position on the sky or without an id are in no tile, and counted. `progress` is told how much is done of how much: each row counts twice, when it is read and when it is written.
///
/// A run that was killed goes on when it is started again with the same inputs and options: tiles that are there are complete, and kept.
///
/// # Errors
///
/// All inputs are opened before anything is written: [`Error::Io`] and [`Error::Tile`] where one cannot be read, [`Error::Mixed`] where one has other
/// columns or wavelengths, [`Error::Column`] where none is a position. [`Error::Option`] for an option outside its range and for a folder with
/// other tiles. [`Error::Write`] and [`Error::Io`] where the disk is full.
///
/// # Complexity
///
/// O(n log n) in rows; their bytes are read once and written once, and where they do not fit the memory once more each. In parallel on rayon's pool.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
/// use radio_io::{RepartitionOptions, TileWriter, WriteOptions, repartition};
///
/// let batch = RecordBatch::try_from_iter([
///     ("targetid", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef),
///     ("ra", Arc::new(Float64Array::from(vec![10.0, 200.0, 10.0]))),
///     ("dec", Arc::new(Float64Array::from(vec![-5.0, 40.0, f64::NAN]))),
/// ])?;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("survey.parquet");
/// let mut writer = TileWriter::create(&path, batch.schema(), WriteOptions::default())?;
/// writer.write(&batch)?;
/// writer.finish()?;
///
/// let tiles = folder.path().join("tiles");
/// let done = repartition(&[path], &tiles, &RepartitionOptions::default(), |_done, _of| {})?;
/// assert_eq!((done.read, done.written, done.tiles.len()), (3, 2, 2));
/// assert_eq!(done.rejected[0].1, "no position");
/// assert!(tiles.join(done.tiles[0].file()).exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn repartition(
    inputs: &[PathBuf],
    folder: impl AsRef<Path>,
    options: &RepartitionOptions,
    progress: impl Fn(u64, u64) + Sync,
) -> Result<Repartitioned> {
    let folder = folder.as_ref();
    options.check()?;
    let inputs: Vec<Input> = inputs.par_iter().map(|path| Input::open(path)).collect::<Result<_>>()?;
    keys::check_schemas(&inputs)?;
    let Some(first) = inputs.first() else {
        return Ok(Repartitioned::default());
    };
    let columns = KeyColumns::find(first, options)?;
    let keys: Vec<Keys> = inputs
        .par_iter()
        .map(|input| input.keys(&columns))
        .collect::<Result<_>>()?;

    let mut done = Repartitioned {
        read: keys.iter().map(|keys| keys.rows.len() as u64).sum(),
        ..Repartitioned::default()
    };
    for (input, keys) in inputs.iter().zip(&keys) {
        let rejected = keys.rejected();
        done.rejected
            .extend(rejected.map(|(reason, rows)| (input.path.clone(), reason.to_owned(), rows)));
    }
    let mut all = Vec::with_capacity(usize::try_from(done.read).unwrap_or_default());
    keys.into_iter().for_each(|keys| all.extend(keys.rows));
    let keys: Vec<Key> = all;
    if u32::try_from(keys.len()).is_err() {
        return Err(Error::option(
            "inputs",
            format!("{} rows", keys.len()),
            "fewer than 4,294,967,296 at a time",
        ));
    }
    let mut pixels: Vec<i64> = keys.iter().filter_map(|key| key.pixel).collect();
    pixels.par_sort_unstable();
    done.tiles = partition::partition(&pixels, options.partitioning);
    drop(pixels);
    let places = partition::places(&keys, &done.tiles, options.healpix_29);

    // Held until the end: two runs at once would take each other's parts away.
    let _lock = begin(folder, &fingerprint(&inputs, options))?;
    let is_there: Vec<bool> = done
        .tiles
        .iter()
        .map(|tile| folder.join(tile.file()).exists())
        .collect();
    done.kept = is_there.iter().filter(|&&there| there).count();
    done.written = done.tiles.iter().map(|tile| tile.rows).sum();
    if done.kept < done.tiles.len() {
        let job = Job {
            inputs: &inputs,
            keys: &keys,
            arrivals: Arrivals::new(&places, &done.tiles),
            places: &places,
            tiles: &done.tiles,
            is_there: &is_there,
            folder,
            options,
            id: columns.id.as_deref(),
            schema: schema(&first.schema, options),
            row_bytes: row_bytes(&inputs)?,
        };
        job.run(&progress)?;
    }
    progress(2 * done.read, 2 * done.read);
    Ok(done)
}

/// All that a run knows.
struct Job<'a> {
    inputs: &'a [Input],
    keys: &'a [Key],
    places: &'a [Place],
    arrivals: Arrivals,
    tiles: &'a [Partition],
    /// Which tiles an earlier run finished.
    is_there: &'a [bool],
    folder: &'a Path,
    options: &'a RepartitionOptions,
    id: Option<&'a str>,
    schema: SchemaRef,
    row_bytes: u64,
}

impl Job<'_> {
    fn run(&self, progress: &(impl Fn(u64, u64) + Sync)) -> Result<()> {
        let total = 2 * self.keys.len() as u64;
        let spill = self.read(&|rows| progress(rows, total))?;
        let largest = self.tiles.iter().map(|tile| tile.rows).max().unwrap_or_default() * self.row_bytes;
        // A tile is in memory as it was read, and in order.
        let at_once = (self.options.memory / 2) / (2 * largest.max(1));
        let threads = usize::try_from(at_once)
            .unwrap_or(usize::MAX)
            .clamp(1, rayon::current_num_threads());
        let next = AtomicU64::new(0);
        let written = AtomicU64::new(self.keys.len() as u64);
        let write = |_| -> Result<()> {
            loop {
                let tile = next.fetch_add(1, Ordering::Relaxed) as usize;
                if tile >= self.tiles.len() {
                    return Ok(());
                }
                if !self.is_there[tile] {
                    self.write(tile, &spill)?;
                }
                let rows = self.tiles[tile].rows;
                progress(written.fetch_add(rows, Ordering::Relaxed) + rows, total);
            }
        };
        (0..threads).into_par_iter().map(write).collect::<Result<()>>()
    }

    fn rows_of_chunk(&self) -> usize {
        (CHUNK / self.row_bytes).clamp(1, 65_536) as usize
    }

    /// Takes all rows apart by tile, in the order of the inputs.
    fn read(&self, progress: &impl Fn(u64)) -> Result<Spill> {
        let rows = (self.options.memory / 16 / self.row_bytes).clamp(1, 8192) as usize;
        let budget = self.options.memory / 2;
        let mut spill = Spill::new(
            self.folder.join(SPILL),
            self.schema.clone(),
            self.tiles.len(),
            budget,
            self.rows_of_chunk(),
        );
        let mut row = 0;
        for input in self.inputs {
            for batch in input.batches(rows)? {
                let batch = batch?;
                let batch = self.with_pixels(&batch, row).map_err(not_written(&input.path))?;
                let places = &self.places[row..row + batch.num_rows()];
                let mut order: Vec<u32> = (0..batch.num_rows() as u32).collect();
                order.sort_by_key(|&at| places[at as usize].tile);
                for rows in order.chunk_by(|&a, &b| places[a as usize].tile == places[b as usize].tile) {
                    let tile = places[rows[0] as usize].tile as usize;
                    if self.is_there.get(tile) != Some(&false) {
                        continue;
                    }
                    let piece = if rows.len() == batch.num_rows() {
                        batch.clone()
                    } else {
                        take_record_batch(&batch, &UInt32Array::from(rows.to_vec()))
                            .map_err(not_written(&input.path))?
                    };
                    spill.add(tile, piece, rows.len() as u64 * self.row_bytes)?;
                }
                row += batch.num_rows();
                progress(row as u64);
            }
        }
        spill.finish()?;
        Ok(spill)
    }

    /// The batch whose first row has this number, with the column of HATS if it is asked for.
    fn with_pixels(&self, batch: &RecordBatch, first: usize) -> Result<RecordBatch, arrow_schema::ArrowError> {
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        if self.options.healpix_29 {
            let keys = &self.keys[first..first + batch.num_rows()];
            // Rows without a position go nowhere.
            let pixels = Int64Array::from_iter_values(keys.iter().map(|key| key.pixel.unwrap_or(-1)));
            if let Ok(old) = batch.schema().index_of(HEALPIX_29) {
                columns.remove(old);
            }
            columns.insert(0, Arc::new(pixels));
        }
        RecordBatch::try_new(self.schema.clone(), columns)
    }

    fn write(&self, tile: usize, spill: &Spill) -> Result<()> {
        let path = self.folder.join(self.tiles[tile].file());
        let pieces = spill.pieces(tile)?;
        // Where each row of the tile is among the pieces: they came in the order of the inputs.
        let mut at = vec![(0, 0); pieces.iter().map(RecordBatch::num_rows).sum()];
        let rows = pieces
            .iter()
            .enumerate()
            .flat_map(|(piece, batch)| (0..batch.num_rows()).map(move |row| (piece, row)));
        for (&row, from) in self.arrivals.of(tile).iter().zip(rows) {
            at[row as usize] = from;
        }

        let parent = path.parent().unwrap_or(self.folder);
        fs::create_dir_all(parent).map_err(io(parent))?;
        let mut options = self.options.write.clone();
        options.row_group_bytes = options.row_group_bytes.min(self.options.memory / 6).max(1);
        let options = match (self.options.healpix_29, self.id) {
            (true, _) => options.with_sorted_by(HEALPIX_29),
            (false, Some(id)) => options.with_sorted_by(id),
            (false, None) => options.without_order(),
        };
        remove_parts(&path)?;
        let mut writer = TileWriter::create(&path, self.schema.clone(), options)?;
        let pieces: Vec<&RecordBatch> = pieces.iter().collect();
        for rows in at.chunks(self.rows_of_chunk()) {
            writer.write(&interleave_record_batch(&pieces, rows).map_err(not_written(&path))?)?;
        }
        writer.finish()?;
        spill.remove(tile)
    }
}

/// Removes what killed runs have left of a tile.
fn remove_parts(path: &Path) -> Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    for entry in fs::read_dir(folder).map_err(io(folder))? {
        let part = entry.map_err(io(folder))?.path();
        let of_tile = part.file_name().and_then(|part| part.to_str()?.strip_prefix(name));
        if of_tile.is_some_and(|rest| rest.starts_with('.') && rest.ends_with(".part")) {
            fs::remove_file(&part).map_err(io(&part))?;
        }
    }
    Ok(())
}

/// With the column of HATS before all others, if it is asked for.
fn schema(schema: &Schema, options: &RepartitionOptions) -> SchemaRef {
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    if options.healpix_29 {
        fields.retain(|field| field.name() != HEALPIX_29);
        fields.insert(0, Arc::new(Field::new(HEALPIX_29, DataType::Int64, false)));
    }
    let mut schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    if options.healpix_29 {
        // Of pandas' own, which would make an index of a column.
        schema.metadata.remove("pandas");
        let votable = votable(&schema);
        schema.metadata.extend(votable);
    }
    Arc::new(schema)
}

/// Bytes of a row in memory, about: of the first rows.
fn row_bytes(inputs: &[Input]) -> Result<u64> {
    for input in inputs {
        if let Some(batch) = input.batches(64)?.next() {
            let batch = batch?;
            let bytes: usize = batch
                .columns()
                .iter()
                .map(|column| column.to_data().get_slice_memory_size().unwrap_or_default())
                .sum();
            return Ok((bytes as u64 / batch.num_rows().max(1) as u64).max(1));
        }
    }
    Ok(1)
}

/// A hash of the inputs and of the options that tiles depend on.
fn fingerprint(inputs: &[Input], options: &RepartitionOptions) -> String {
    let mut hash = XxHash64::with_seed(0);
    for input in inputs {
        let stamp = fs::metadata(&input.path)
            .and_then(|file| Ok((file.len(), file.modified()?)))
            .ok();
        hash.write(format!("{:?} {} {stamp:?}", input.path, input.rows).as_bytes());
    }
    let RepartitionOptions {
        write,
        partitioning,
        memory: _,
        ra,
        dec,
        id,
        healpix_29,
    } = options;
    hash.write(format!("{write:?} {partitioning:?} {ra:?} {dec:?} {id:?} {healpix_29}").as_bytes());
    format!("{:016x}", hash.finish())
}

/// Makes the folder ready, empty or of the same run, without what a killed run left on its way, and locks it.
fn begin(folder: &Path, fingerprint: &str) -> Result<File> {
    let refuse = |expected: &str| Error::option("folder", folder.display(), expected);
    fs::create_dir_all(folder).map_err(io(folder))?;
    let about = folder.join(ABOUT);
    let is_empty = fs::read_dir(folder).map_err(io(folder))?.next().is_none();
    // Empty where a run was killed as it began.
    let is_ours = fs::read_to_string(&about).is_ok_and(|found| found == fingerprint || found.is_empty());
    if !(is_empty || is_ours) {
        return Err(refuse(
            "a folder that is empty or was made from the same files with the same options: remove it, or name another",
        ));
    }
    let mut lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&about)
        .map_err(io(&about))?;
    if lock.try_lock().is_err() {
        return Err(refuse("one that no other run is writing to"));
    }
    let spill = folder.join(SPILL);
    if spill.exists() {
        fs::remove_dir_all(&spill).map_err(io(&spill))?;
    }
    lock.write_all(fingerprint.as_bytes()).map_err(io(&about))?;
    Ok(lock)
}
