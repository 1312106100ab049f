//! Which columns hold what.

/// Where the parts of a spectrum are in a record batch, as dotted paths (`spectrum.flux` is the field `flux` of the
/// struct column `spectrum`).
///
/// Each field lists the accepted names in the order of preference; the first that a batch has is taken. With the
/// defaults all three of these are read:
/// - *flat* batches: `flux`, `ivar` and `mask` as lists of one length, and one wavelength grid in the schema's metadata,
///   as JSON under the key `wavelength`: `{"start": 3600.0, "step": 0.8, "n": 7781}`, in Å;
/// - batches with a grid for every row: `flux`, `ivar`, `mask` and `wavelength` as lists of any length, at the top level
///   or in a struct `spectrum` (Multimodal Universe, HATS);
/// - batches of *arms*: `B_WAVELENGTH`, `B_FLUX`, `B_IVAR` and `B_MASK`, and so on for `R` and `Z`. They are joined: in
///   the overlaps flux is the mean weighted by inverse variance, masks are OR'd and cleared where the joined inverse
///   variance is above 0 (for DESI 7781 pixels from 3600 Å, as its coaddition over cameras makes them). The grid is
///   that of the first row; a row with another one is an error.
///
/// # Examples
///
/// ```
/// use radio_tokenize::ArrowColumns;
///
/// let columns = ArrowColumns::default().with_flux(["coadd.flux"]).with_ivar(["coadd.ivar"]);
/// assert_eq!(columns.redshift, ["z", "Z", "Z_BEST"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArrowColumns {
    /// Flux, in any unit. Default: `flux`, `FLUX`, `spectrum.flux`.
    pub flux: Vec<String>,
    /// Inverse variance of the flux. Default: `ivar`, `IVAR`, `spectrum.ivar`.
    pub ivar: Vec<String>,
    /// The spectra have no inverse variance, and none is looked for: every finite pixel that is not masked is good, as
    /// [`Spectra::flux_on_grid`](crate::Spectra::flux_on_grid) has it. Without this, a batch that has no inverse variance
    /// is an error. Default: `false`.
    pub flux_only: bool,
    /// Mask: bits, or a boolean; anything but 0 is bad. Optional. Default: `mask`, `MASK`, `spectrum.mask`.
    pub mask: Vec<String>,
    /// Wavelength in Å, where every row has its own grid. Default: `wavelength`, `WAVELENGTH`, `lambda`,
    /// `spectrum.wavelength`, `spectrum.lambda`.
    pub wavelength: Vec<String>,
    /// Arms, blue to red, where a batch has none of the columns of a flux. Default: `B`, `R`, `Z`.
    pub arms: Vec<String>,
    /// Redshift, which is looked for only where the normalisation needs it. Default: `z`, `Z`, `Z_BEST`.
    pub redshift: Vec<String>,
}

impl Default for ArrowColumns {
    fn default() -> Self {
        Self {
            flux: names(["flux", "FLUX", "spectrum.flux"]),
            ivar: names(["ivar", "IVAR", "spectrum.ivar"]),
            flux_only: false,
            mask: names(["mask", "MASK", "spectrum.mask"]),
            wavelength: names([
                "wavelength",
                "WAVELENGTH",
                "lambda",
                "spectrum.wavelength",
                "spectrum.lambda",
            ]),
            arms: names(["B", "R", "Z"]),
            redshift: names(["z", "Z", "Z_BEST"]),
        }
    }
}

impl ArrowColumns {
    /// Sets where the flux is.
    #[must_use]
    pub fn with_flux<S: Into<String>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        self.flux = names(paths);
        self
    }

    /// Sets where the inverse variance is.
    #[must_use]
    pub fn with_ivar<S: Into<String>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        self.ivar = names(paths);
        self
    }

    /// Says that the spectra have no inverse variance.
    #[must_use]
    pub fn with_flux_only(mut self) -> Self {
        self.flux_only = true;
        self
    }

    /// Sets where the mask is; no path at all for spectra to be read without one.
    #[must_use]
    pub fn with_mask<S: Into<String>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        self.mask = names(paths);
        self
    }

    /// Sets where the wavelengths of a row are.
    #[must_use]
    pub fn with_wavelength<S: Into<String>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        self.wavelength = names(paths);
        self
    }

    /// Sets the arms, blue to red.
    #[must_use]
    pub fn with_arms<S: Into<String>>(mut self, arms: impl IntoIterator<Item = S>) -> Self {
        self.arms = names(arms);
        self
    }

    /// Sets where the redshift is.
    #[must_use]
    pub fn with_redshift<S: Into<String>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        self.redshift = names(paths);
        self
    }
}

fn names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Vec<String> {
    names.into_iter().map(Into::into).collect()
}
