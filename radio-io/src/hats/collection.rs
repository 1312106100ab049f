//! What makes leaves a catalogue.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::leaf::Leaf;
use super::leaves::leaf_files;
use super::map::Counts;
use super::margin::Ring;
use super::properties::Properties;
use super::{HEALPIX_29, Partition, catalogue, cover, create_folder, footer, io, put, scan, sorted};
use crate::{Error, Partitioning, RepartitionOptions, Repartitioned, Result, TileWriter, WriteOptions, repartition};

/// Orders of the map of rows on the sky: at least the first, as deep as the partitions, at most the last.
const MAP_ORDERS: [u8; 2] = [8, 10];
/// Rows of the thumbnail.
const THUMBNAIL_ROWS: usize = 100;
/// Keys that are written here, and cannot be given.
const OWN_KEYS: [&str; 24] = [
    "obs_collection",
    "dataproduct_type",
    "hats_nrows",
    "hats_col_ra",
    "hats_col_dec",
    "hats_col_healpix",
    "hats_col_healpix_order",
    "hats_npix_suffix",
    "hats_primary_table_url",
    "hats_margin_threshold",
    "hats_cols_default",
    "hats_skymap_order",
    "hats_skymap_alt_orders",
    "hats_max_rows",
    "hats_order",
    "moc_sky_fraction",
    "hats_estsize",
    "hats_builder",
    "hats_release_date",
    "hats_version",
    "all_margins",
    "default_margin",
    "all_indexes",
    "default_index",
];

/// Makes leaves that are there a HATS collection, with margins: writes all of it but the leaves.
#[derive(Clone, Debug)]
#[must_use]
pub struct Collection {
    name: String,
    ra: String,
    dec: String,
    margins_arcsec: Vec<f64>,
    default_columns: Vec<String>,
    provenance: Vec<(String, String)>,
    max_rows: Option<u64>,
    options: WriteOptions,
}

/// What [`Collection::finish`] wrote.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Rows of the main catalogue.
    pub rows: u64,
    /// Its partitions.
    pub partitions: usize,
    /// The margins, in the order in which they were asked for.
    pub margins: Vec<Margin>,
}

/// A margin catalogue that was written.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Margin {
    /// Its folder in the collection: `NAME_10arcs`.
    pub name: String,
    /// No row that is nearer to a partition is missing in that partition's margin.
    pub threshold_arcsec: f64,
    /// Rows. Those near several partitions count several times.
    pub rows: u64,
    /// Partitions that have a margin, and pixels beside the survey.
    pub partitions: usize,
}

impl Collection {
    /// A collection of this name, which is also that of the main catalogue and its folder: letters, digits, `_`, `-` and `.`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ra: "ra".into(),
            dec: "dec".into(),
            margins_arcsec: Vec::new(),
            default_columns: Vec::new(),
            provenance: Vec::new(),
            max_rows: None,
            options: WriteOptions::default(),
        }
    }

    /// The columns of right ascension and declination: float32 or float64, degrees, ICRS. Default: `ra` and `dec`.
    pub fn with_position(mut self, ra: impl Into<String>, dec: impl Into<String>) -> Self {
        (self.ra, self.dec) = (ra.into(), dec.into());
        self
    }

    /// Adds a margin catalogue for searches up to this distance, arcsec; LSDB takes the first one unless it is told another. Default: none.
    ///
    /// A row may be in it that is up to a few times as far away: margins are made of whole pixels.
    pub fn with_margin_arcsec(mut self, threshold: f64) -> Self {
        self.margins_arcsec.push(threshold);
        self
    }

    /// The columns that LSDB loads unless it is told others. Default: all of them.
    pub fn with_default_columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.default_columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a line to the properties files: `obs_title`, `obs_description`, `bib_reference`, `hats_creation_date`, …
    pub fn with_provenance(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.provenance.push((key.into(), value.into()));
        self
    }

    /// States the most rows that a partition was allowed. Default: it is not stated.
    pub fn with_max_rows(mut self, rows: u64) -> Self {
        self.max_rows = Some(rows);
        self
    }

    /// How leaves of margins are written; they are always in the order of `_healpix_29`. Default: that of [`WriteOptions`].
    pub fn with_options(mut self, options: WriteOptions) -> Self {
        self.options = options;
        self
    }

    /// Writes what is missing beside the leaves of `partitions`, which are in `folder/NAME` at [`Partition::leaf`]: properties, lists, footers, maps
    /// of the rows on the sky, a thumbnail and the margins.
    ///
    /// The leaves have the same columns: `_healpix_29` (int64, the order of rows), positions, and whatever else. Nothing is written unless they are
    /// as they should be: each row's pixel is computed from its position and compared. The collection's own file is written last, so that a collection
    /// that can be opened is complete. Margins of the same names are replaced. The same leaves give the same bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for partitions that overlap or have no rows, a margin that is wider than the partitions allow, and names that cannot stand in a
    /// properties file; [`Error::Catalogue`] for a leaf that is missing or has another number of rows, and for a file that readers would take for
    /// one, or for a catalogue; [`Error::Column`] for a leaf without a column, [`Error::Mixed`] for one with others than the first; [`Error::Value`], with the row, for a pixel
    /// that is wrong or out of order and for a position that is not on the sky; [`Error::Tile`], [`Error::Io`] and [`Error::Write`].
    ///
    /// # Complexity
    ///
    /// O(rows · log(partitions)): key columns of all rows are read once, whole rows of the margins once each. In memory are the footers, 48 bytes for
    /// each run of neighbouring rows in a margin, and a row group of one margin.
    pub fn finish(&self, folder: impl AsRef<Path>, partitions: &[Partition]) -> Result<Report> {
        let folder = folder.as_ref();
        self.check()?;
        let partitions = cover::check(partitions)?;
        let sky = cover::whole_sky(&partitions);
        let mut rings = self.rings(&sky)?;
        let main = folder.join(&self.name);
        let leaves = self.open(folder, &partitions)?;

        let deepest = partitions.iter().map(|partition| partition.order).max().unwrap_or(0);
        let mut counts = Counts::new(deepest.clamp(MAP_ORDERS[0], MAP_ORDERS[1]));
        for (number, leaf) in leaves.iter().enumerate() {
            scan::scan(leaf, number, [&self.ra, &self.dec], &mut counts, &mut rings)?;
        }

        let path = folder.join("collection.properties");
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(&path)(e)),
            _ => {}
        }
        let mut properties = self.properties(&self.name, "object", &leaves);
        properties.set("hats_skymap_order", &counts.order);
        self.describe(&main, &leaves, &leaves[0], &properties)?;
        let map = counts.fits();
        put(&main.join("point_map.fits"), &map)?;
        put(&main.join("skymap.fits"), &map)?;
        self.thumbnail(&main, &leaves)?;

        let (mut margins, mut size) = (Vec::new(), kilobytes(&leaves));
        for ring in rings {
            let threshold_arcsec = ring.threshold_arcsec;
            let name = self.margin_name(threshold_arcsec);
            let margin = folder.join(&name);
            let dataset = margin.join("dataset");
            match fs::remove_dir_all(&dataset) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(&dataset)(e)),
                _ => create_folder(&dataset)?,
            }
            let near = ring.write(&margin, &leaves, &self.options)?;
            let mut properties = self.properties(&name, "margin", &near);
            properties.set("hats_primary_table_url", &self.name);
            properties.set("hats_margin_threshold", &format!("{threshold_arcsec:?}"));
            self.describe(&margin, &near, &leaves[0], &properties)?;
            size += kilobytes(&near);
            margins.push(Margin {
                name,
                threshold_arcsec,
                rows: near.iter().map(|leaf| leaf.partition.rows).sum(),
                partitions: near.len(),
            });
        }

        let mut properties = Properties::default();
        properties.set("obs_collection", &self.name);
        properties.set("hats_primary_table_url", &self.name);
        let names: Vec<&str> = margins.iter().map(|margin| margin.name.as_str()).collect();
        properties.set("all_margins", &names.join(" "));
        properties.set("default_margin", names.first().unwrap_or(&""));
        properties.set("hats_estsize", &size);
        self.finish_properties(&mut properties);
        put(&path, properties.to_text("HATS Collection").as_bytes())?;
        Ok(Report {
            rows: partitions.iter().map(|partition| partition.rows).sum(),
            partitions: partitions.len(),
            margins,
        })
    }

    /// Makes a collection of Parquet files, in any order: divides their rows among the leaves of `folder/NAME` with [`repartition`], and
    /// [finishes](Self::finish) it.
    ///
    /// Leaves have what `options` says, and `_healpix_29`; positions are the collection's.
    ///
    /// # Errors
    ///
    /// Those of [`repartition`] and of [`finish`](Self::finish). A run that was stopped goes on when it is started again.
    ///
    /// # Complexity
    ///
    /// That of both.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use arrow_array::{ArrayRef, Float64Array, RecordBatch};
    /// use radio_io::hats::Collection;
    /// use radio_io::{RepartitionOptions, TileWriter, WriteOptions};
    ///
    /// let batch = RecordBatch::try_from_iter([
    ///     ("ra", Arc::new(Float64Array::from(vec![200.0, 10.0])) as ArrayRef),
    ///     ("dec", Arc::new(Float64Array::from(vec![-5.0, 40.0]))),
    /// ])?;
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("galaxies.parquet");
    /// let mut writer = TileWriter::create(&path, batch.schema(), WriteOptions::default())?;
    /// writer.write(&batch)?;
    /// writer.finish()?;
    ///
    /// let collection = Collection::new("galaxies").with_margin_arcsec(10.0);
    /// let out = folder.path().join("hats");
    /// let (rows, report) = collection.write(&[path], &out, &RepartitionOptions::default(), |_, _| {})?;
    /// assert_eq!((rows.written, report.partitions, report.margins[0].rows), (2, 2, 0));
    /// assert!(out.join("collection.properties").exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(
        &self,
        inputs: &[PathBuf],
        folder: impl AsRef<Path>,
        options: &RepartitionOptions,
        progress: impl Fn(u64, u64) + Sync,
    ) -> Result<(Repartitioned, Report)> {
        let folder = folder.as_ref();
        self.check()?;
        let options = options.clone().with_healpix_29().with_position(&self.ra, &self.dec);
        let dataset = folder.join(&self.name).join("dataset");
        let rows = repartition(inputs, dataset, &options, progress)?;
        let mut collection = self.clone().with_options(options.write);
        if let Partitioning::Rows { most, .. } = options.partitioning {
            collection.max_rows = Some(most);
        }
        let report = collection.finish(folder, &rows.tiles)?;
        Ok((rows, report))
    }

    fn margin_name(&self, threshold_arcsec: f64) -> String {
        format!("{}_{threshold_arcsec}arcs", self.name)
    }

    /// Can all of it stand in a properties file?
    fn check(&self) -> Result<()> {
        let error = |name, value: &str, expected: &str| Err(Error::option(name, format!("{value:?}"), expected));
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if !self.name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !self.name.chars().all(is_name) {
            let expected = "letters, digits, '_', '-' and '.', a letter or digit first";
            return error("name", &self.name, expected);
        }
        let is_line = |value: &str| !value.contains(char::is_control) && value.trim() == value;
        for column in [&self.ra, &self.dec] {
            if !is_line(column) {
                return error("position", column, "a name in one line");
            }
        }
        for column in &self.default_columns {
            if column.contains(char::is_whitespace) || !is_line(column) {
                return error("default_columns", column, "names without blanks");
            }
        }
        for (key, value) in &self.provenance {
            if OWN_KEYS.contains(&key.as_str()) {
                return error("provenance", key, "a key that is not written anyway");
            }
            if key.is_empty() || !key.chars().all(is_name) {
                return error("provenance", key, "a key of letters, digits, '_', '-' and '.'");
            }
            if !is_line(value) {
                return error("provenance", value, "a value in one line");
            }
        }
        Ok(())
    }

    fn rings<'a>(&self, sky: &'a [Partition]) -> Result<Vec<Ring<'a>>> {
        let mut names = BTreeSet::new();
        let mut rings = Vec::new();
        for &threshold in &self.margins_arcsec {
            if !names.insert(self.margin_name(threshold)) {
                return Err(Error::option(
                    "margin_arcsec",
                    format!("{threshold}, twice"),
                    "different margins",
                ));
            }
            rings.push(Ring::new(threshold, sky)?);
        }
        Ok(rings)
    }

    /// Opens the leaves, and looks whether they go together, are all there and nothing else is.
    fn open(&self, folder: &Path, partitions: &[Partition]) -> Result<Vec<Leaf>> {
        let main = &folder.join(&self.name);
        let kinds = ["properties", "hats.properties"].map(|name| folder.join(name));
        for path in kinds.into_iter().chain([main.join("collection.properties")]) {
            if fs::exists(&path).map_err(io(&path))? {
                let reason = "readers would take catalogue and collection for each other: remove it";
                return Err(catalogue(&path, reason));
            }
        }
        let mut leaves = Vec::with_capacity(partitions.len());
        for &partition in partitions {
            let leaf = Leaf::open(main, partition)?;
            leaf.check(&self.ra, &self.dec)?;
            leaf.check_like(leaves.first().unwrap_or(&leaf))?;
            leaves.push(leaf);
        }
        let columns = leaves[0].schema();
        if let Some(name) = self.default_columns.iter().find(|name| columns.index_of(name).is_err()) {
            return Err(leaves[0].column(name, "not found, but it is to be a default column".into()));
        }
        let expected: BTreeSet<PathBuf> = partitions.iter().map(|partition| partition.leaf().into()).collect();
        match leaf_files(main)?.difference(&expected).next() {
            Some(place) => Err(catalogue(
                &main.join(place),
                "readers would take this for a leaf, but there is no partition for it: remove it",
            )),
            None => Ok(leaves),
        }
    }

    fn properties(&self, name: &str, kind: &str, leaves: &[Leaf]) -> Properties {
        let partitions = || leaves.iter().map(|leaf| leaf.partition);
        let sky: f64 = partitions()
            .map(|pixel| 1.0 / 12.0 / 4f64.powi(i32::from(pixel.order)))
            .sum();
        let mut properties = Properties::default();
        properties.set("obs_collection", &name);
        properties.set("dataproduct_type", &kind);
        properties.set("hats_nrows", &partitions().map(|partition| partition.rows).sum::<u64>());
        properties.set("hats_col_ra", &self.ra);
        properties.set("hats_col_dec", &self.dec);
        properties.set("hats_col_healpix", &HEALPIX_29);
        properties.set("hats_col_healpix_order", &super::DEEPEST);
        properties.set("hats_npix_suffix", &".parquet");
        properties.set("hats_cols_default", &self.default_columns.join(" "));
        if let Some(rows) = self.max_rows {
            properties.set("hats_max_rows", &rows);
        }
        if let Some(order) = partitions().map(|partition| partition.order).max() {
            properties.set("hats_order", &order);
        }
        properties.set("moc_sky_fraction", &format!("{sky:.5}"));
        properties.set("hats_estsize", &kilobytes(leaves));
        self.finish_properties(&mut properties);
        properties
    }

    fn finish_properties(&self, properties: &mut Properties) {
        properties.set("hats_builder", &concat!("radio-io ", env!("CARGO_PKG_VERSION")));
        properties.set("hats_release_date", &"2025-08-22");
        properties.set("hats_version", &"v1.0");
        properties.extend(&self.provenance);
    }

    /// Writes all of a catalogue but leaves and maps.
    fn describe(&self, folder: &Path, leaves: &[Leaf], like: &Leaf, properties: &Properties) -> Result<()> {
        footer::write(&folder.join("dataset"), leaves, leaves.first().unwrap_or(like))?;
        let mut info = String::from("Norder,Npix\n");
        for leaf in leaves {
            info.push_str(&format!("{},{}\n", leaf.partition.order, leaf.partition.pixel));
        }
        put(&folder.join("partition_info.csv"), info.as_bytes())?;
        let properties = properties.to_text("HATS catalog");
        put(&folder.join("properties"), properties.as_bytes())?;
        put(&folder.join("hats.properties"), properties.as_bytes())
    }

    /// Writes the first row of each leaf, or of some in equal steps.
    fn thumbnail(&self, main: &Path, leaves: &[Leaf]) -> Result<()> {
        let mut writer = TileWriter::create(
            main.join("data_thumbnail.parquet"),
            leaves[0].schema(),
            sorted(&self.options),
        )?;
        for leaf in leaves.iter().step_by(leaves.len().div_ceil(THUMBNAIL_ROWS)) {
            leaf.copy(std::iter::once(0..1), &mut writer)?;
        }
        writer.finish()?;
        Ok(())
    }
}

/// Size on disk in units of 1024 bytes.
fn kilobytes(leaves: &[Leaf]) -> u64 {
    leaves.iter().map(|leaf| leaf.bytes).sum::<u64>().div_ceil(1024)
}
