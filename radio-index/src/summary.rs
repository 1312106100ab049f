//! What a data set is, in numbers. This file uses only `std` (and serde, with that feature), so that a document writer can depend on
//! it alone.

/// The aggregates that describe a data set, as `Index::summary` counts them or as a caller fills them in.
///
/// Every number has one of two sources: *footer* (Parquet footers in the registry) or *catalogue* (the key columns in
/// `galaxies`). No spectrum is read for any of them; `pixels` are counted by who reads spectra.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Summary {
    /// The files. Source: footer.
    pub tiles: TileSummary,
    /// Each file, in the order of their names; those that cannot be read, too. Source: registry.
    pub files: Vec<FileSummary>,
    /// Syncs that changed something, the last one first. Source: registry.
    pub syncs: Vec<SyncSummary>,
    /// The columns of the files, in the order of their names. Source: footer.
    pub columns: Vec<ColumnSummary>,
    /// The galaxies. Source: catalogue.
    pub catalogue: CatalogueSummary,
    /// How many redshifts fall where. Source: catalogue.
    pub redshifts: Histogram,
    /// Where on the sky the galaxies are. Source: catalogue.
    pub sky: SkyCoverage,
    /// Runs of anomaly scores that were recorded, in the order of their names. Source: `anomalies`.
    pub anomaly_runs: Vec<RunSummary>,
    /// Runs of group finding that were recorded, in the order of their names. Source: `galaxy_groups`.
    pub group_runs: Vec<RunSummary>,
    /// The pixels of the spectra, where they were counted while spectra were read: none from an index. Source: spectra.
    pub pixels: Option<PixelSummary>,
}

/// The files of a data set, from their footers.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct TileSummary {
    /// Readable files.
    pub count: u64,
    /// Files that are registered but could not be read.
    pub unreadable: u64,
    /// Rows of all readable files.
    pub rows: u64,
    /// Row groups of all readable files.
    pub row_groups: u64,
    /// Size of all readable files on disk, bytes.
    pub bytes: u64,
    /// How the rows are spread over the readable files.
    pub rows_per_tile: RowsPerTile,
    /// Programs that wrote the files (`created_by`) and the number of files of each, most frequent first.
    pub created_by: Vec<(String, u64)>,
}

/// One file, as it was registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct FileSummary {
    /// The node whose disk it is on.
    pub node: String,
    /// Where it is.
    pub uri: String,
    /// Rows; 0 where it cannot be read.
    pub rows: u64,
    /// Size on disk, bytes.
    pub bytes: u64,
    /// Hash of its footer: the rows, types, statistics and places of all that is in it.
    pub footer_hash: String,
    /// Hash of its key columns, value by value; empty where an older version registered it.
    pub keys_hash: String,
    /// Why it cannot be read.
    pub error: Option<String>,
}

/// A sync that changed something: what became of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct SyncSummary {
    /// The node that it ran on.
    pub node: String,
    /// Files that were new.
    pub added: u64,
    /// Files that had changed.
    pub updated: u64,
    /// Files that had not.
    pub unchanged: u64,
    /// Files that had gone.
    pub removed: u64,
    /// Files that could not be read.
    pub failed: u64,
}

/// Percentiles of the number of rows in a file (nearest rank).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct RowsPerTile {
    /// Fewest rows.
    pub min: u64,
    /// 5th percentile.
    pub p5: u64,
    /// Median.
    pub p50: u64,
    /// 95th percentile.
    pub p95: u64,
    /// Most rows.
    pub max: u64,
}

/// One column of the files, from their footers.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct ColumnSummary {
    /// Dotted path in the Parquet schema.
    pub name: String,
    /// Parquet type, with its logical type where it has one.
    pub data_type: String,
    /// Files that have the column.
    pub tiles: u64,
    /// Values, nulls included: rows for a plain column, list elements for a list (an empty list counts as one).
    pub values: u64,
    /// Nulls among the values; `None` where a file keeps no count.
    pub nulls: Option<u64>,
    /// Size in the files, bytes, compressed.
    pub bytes: u64,
}

/// The galaxies of a data set, from their key columns.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct CatalogueSummary {
    /// Rows.
    pub rows: u64,
    /// Different ids.
    pub ids: u64,
    /// Rows of fibres with no object on them: a negative id or an empty object type.
    pub dead: u64,
    /// Rows without a redshift, a fill value counted as none.
    pub without_redshift: u64,
    /// Rows without a position.
    pub without_position: u64,
    /// Rows of each class, most frequent first; rows without a class under the empty name.
    pub classes: Vec<(String, u64)>,
    /// Rows of each value of the redshift warning, most frequent first; `None` is no value.
    pub warnings: Vec<(Option<i64>, u64)>,
    /// Rows of each survey and observing program, most frequent first; rows that say neither are left out.
    pub programs: Vec<((String, String), u64)>,
    /// Rows of each kind of target (LRG, ELG, QSO, BGS) by its bit in DESI_TARGET; a row may be of several kinds.
    pub targets: Vec<(String, u64)>,
    /// Rows without a value, of each key column that lacks some.
    pub nulls: Vec<(String, u64)>,
    /// Rows with a fill value (999999 or 1e20, of either sign), of each key column that has some.
    pub fills: Vec<(String, u64)>,
    /// How the errors of redshifts and the differences in chi-square to the next best fit are spread: the columns `zerr` and `deltachi2`,
    /// where any row has them.
    pub spreads: Vec<Spread>,
    /// Redshift.
    pub z: Option<Bounds>,
    /// Right ascension, degrees, ICRS.
    pub ra: Option<Bounds>,
    /// Declination, degrees, ICRS.
    pub dec: Option<Bounds>,
}

/// The smallest and the largest value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct Bounds {
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

/// How many rows have which values of a column; those with none or a fill value are left out.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Spread {
    /// The key column.
    pub column: String,
    /// Ascending, and the same for each data set.
    pub edges: Vec<f64>,
    /// Rows below the first edge, from each edge until below the next, and from the last on: `(edges + 1)`.
    pub counts: Vec<u64>,
}

/// Pixels of spectra: how many are good, and why the others are not.
///
/// # Examples
///
/// ```
/// use radio_index::PixelSummary;
///
/// let mut pixels = PixelSummary::default();
/// pixels.add(&[1.0, f32::NAN, 1.2, 0.9], &[4.0, 4.0, 0.0, 4.0], &[0, 0, 0, 2]);
/// assert_eq!((pixels.spectra, pixels.pixels, pixels.good), (1, 4, 1));
/// assert_eq!((pixels.flux_not_finite, pixels.ivar_not_positive, pixels.masked), (1, 1, 1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct PixelSummary {
    /// Spectra.
    pub spectra: u64,
    /// Spectra without a good pixel.
    pub dead: u64,
    /// Pixels of all spectra.
    pub pixels: u64,
    /// Pixels with a finite flux, a finite inverse variance above 0, and no bit of the mask.
    pub good: u64,
    /// Pixels whose flux is NaN or infinite.
    pub flux_not_finite: u64,
    /// Pixels whose inverse variance is NaN or infinite.
    pub ivar_not_finite: u64,
    /// Pixels whose inverse variance is 0 or below: nothing is known of their flux.
    pub ivar_not_positive: u64,
    /// Pixels with a bit of the mask.
    pub masked: u64,
}

impl PixelSummary {
    /// Counts one spectrum: flux, inverse variance and mask of each pixel. Where the slices differ in length, the pixels that all have.
    pub fn add(&mut self, flux: &[f32], ivar: &[f32], mask: &[i32]) {
        let (mut pixels, mut good, mut bad) = (0_u64, 0_u64, [0_u64; 4]);
        for ((&flux, &ivar), &mask) in flux.iter().zip(ivar).zip(mask) {
            let reasons = [!flux.is_finite(), !ivar.is_finite(), ivar <= 0.0, mask != 0];
            good += u64::from(!reasons[0] & !reasons[1] & !reasons[2] & !reasons[3]);
            bad.iter_mut()
                .zip(reasons)
                .for_each(|(count, is)| *count += u64::from(is));
            pixels += 1;
        }
        self.spectra += 1;
        self.dead += u64::from(good == 0);
        self.pixels += pixels;
        self.good += good;
        self.flux_not_finite += bad[0];
        self.ivar_not_finite += bad[1];
        self.ivar_not_positive += bad[2];
        self.masked += bad[3];
    }
}

/// Counts in bins of equal width.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Histogram {
    /// Lower edge of the first bin.
    pub start: f64,
    /// Width of a bin; 0 where there is no bin.
    pub width: f64,
    /// Values in each bin: bin `i` holds `start + i * width <= x < start + (i + 1) * width`.
    pub counts: Vec<u64>,
}

/// Galaxies in each pixel of the sky, HEALPix NESTED.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct SkyCoverage {
    /// HEALPix order; nside is `2^order`.
    pub order: u8,
    /// Pixels that hold a galaxy, and how many they hold, in the order of the pixels.
    pub pixels: Vec<(u64, u64)>,
}

impl SkyCoverage {
    /// Area of the pixels that hold a galaxy, in square degrees.
    ///
    /// An upper bound of the survey's footprint: a pixel counts whole as soon as one galaxy is in it.
    #[must_use]
    pub fn area_square_degrees(&self) -> f64 {
        let sky = 4.0 * 180.0 * 180.0 / std::f64::consts::PI;
        let pixels_of_the_sky = 12.0 * 4_f64.powi(i32::from(self.order));
        self.pixels.len() as f64 * sky / pixels_of_the_sky
    }
}

/// One run whose results were recorded.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct RunSummary {
    /// Name of the run.
    pub run: String,
    /// Rows of the run.
    pub rows: u64,
    /// What was measured: the largest score of an anomaly run, the members of the largest group of a group run.
    pub largest: f64,
    /// Different groups of a group run; 0 for an anomaly run.
    pub groups: u64,
    /// The options that the run was recorded with, as its program wrote them.
    pub options: String,
}
