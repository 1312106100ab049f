use std::num::NonZeroUsize;
use std::path::PathBuf;

/// How FITS files are read.
///
/// # Examples
///
/// ```
/// use radio_io::fits::{FitsOptions, Redshifts};
///
/// let options = FitsOptions::default().with_redshifts("redrock-sv3-dark-26065.fits").with_columns(["EBV"]);
/// assert_eq!(options.batch_rows.get(), 256);
/// assert_eq!(options.redshifts, Redshifts::File("redrock-sv3-dark-26065.fits".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FitsOptions {
    /// Most rows in one batch. Default: 256.
    pub batch_rows: NonZeroUsize,
    /// Where the redshifts of DESI spectra are. Default: beside them.
    pub redshifts: Redshifts,
    /// More columns, as they are: of `FIBERMAP` for DESI spectra, of `SPECOBJ` or `SPALL` for SDSS, of the catalogue's own table
    /// for catalogues. Default: none.
    pub columns: Vec<String>,
}

/// Where the redshifts of DESI spectra are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Redshifts {
    /// In `redrock-….fits` beside `coadd-….fits` or `spectra-….fits`; they are null if there is no such file.
    #[default]
    Beside,
    /// In this Redrock file.
    File(PathBuf),
    /// Nowhere: they are null.
    None,
}

impl Default for FitsOptions {
    fn default() -> Self {
        Self {
            batch_rows: const { NonZeroUsize::new(256).unwrap() },
            redshifts: Redshifts::default(),
            columns: Vec::new(),
        }
    }
}

impl FitsOptions {
    /// Sets [`FitsOptions::batch_rows`].
    #[must_use]
    pub fn with_batch_rows(mut self, rows: NonZeroUsize) -> Self {
        self.batch_rows = rows;
        self
    }

    /// Takes redshifts from this Redrock file.
    #[must_use]
    pub fn with_redshifts(mut self, path: impl Into<PathBuf>) -> Self {
        self.redshifts = Redshifts::File(path.into());
        self
    }

    /// Sets [`FitsOptions::columns`].
    #[must_use]
    pub fn with_columns(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.columns = columns.into_iter().map(Into::into).collect();
        self
    }
}
