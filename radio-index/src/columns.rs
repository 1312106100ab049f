/// Which columns of a tile hold the key columns of the index.
///
/// Each field lists the accepted names in the order of preference; the first that a tile has is taken. The defaults
/// know DESI's spellings and those of SDSS, HATS and the Multimodal Universe. Only the id must be there; a tile without
/// it is reported as failed.
///
/// ```
/// use radio_index::KeyColumns;
///
/// let mut columns = KeyColumns::default();
/// columns.id = vec!["specobjid".into()];
/// assert!(columns.z.contains(&"Z_BEST".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyColumns {
    /// Linkage key: an integer, or a string of digits. Default: `targetid`, `TARGETID`, `object_id`.
    pub id: Vec<String>,
    /// Right ascension, degrees, ICRS. Default: `target_ra`, `TARGET_RA`, `ra`, `RA`.
    pub ra: Vec<String>,
    /// Declination, degrees, ICRS. Default: `target_dec`, `TARGET_DEC`, `dec`, `DEC`.
    pub dec: Vec<String>,
    /// Redshift. Default: `z`, `Z`, `Z_BEST`.
    pub z: Vec<String>,
    /// Error of the redshift. Default: `zerr`, `ZERR`, `ZERR_BEST`, `Z_ERR`.
    pub zerr: Vec<String>,
    /// Redshift warning: an integer, 0 where there is none. Default: `zwarn`, `ZWARN`, `ZWARN_BEST`, `ZWARNING`.
    pub zwarn: Vec<String>,
    /// Spectral class (GALAXY, QSO, STAR). Default: `spectype`, `SPECTYPE`, `SPECTYPE_BEST`, `CLASS`.
    pub spectype: Vec<String>,
    /// Type of the object on the fibre (TGT, SKY, or empty). Default: `objtype`, `OBJTYPE`.
    pub objtype: Vec<String>,
    /// DESI targeting bits. Default: `desi_target`, `DESI_TARGET`, `SV1_DESI_TARGET`, `SV2_DESI_TARGET`,
    /// `SV3_DESI_TARGET`.
    pub desi_target: Vec<String>,
    /// χ² gap to the second best redshift. Default: `deltachi2`, `DELTACHI2`, `DELTACHI2_BEST`.
    pub deltachi2: Vec<String>,
    /// Status of the fibre in the coadded spectrum, 0 where it is good. Default: `coadd_fiberstatus`,
    /// `COADD_FIBERSTATUS`.
    pub fiberstatus: Vec<String>,
    /// Is this the best spectrum of its target? Default: `zcat_primary`, `ZCAT_PRIMARY`, `main_primary`, `MAIN_PRIMARY`,
    /// `sv_primary`, `SV_PRIMARY`, `SPECPRIMARY`.
    pub primary: Vec<String>,
    /// Survey that the spectrum is of (main, sv3, …). Default: `survey`, `SURVEY`.
    pub survey: Vec<String>,
    /// Observing program (dark, bright, …). Default: `program`, `PROGRAM`.
    pub program: Vec<String>,
    /// HEALPix pixel, nside 64, NESTED, of rows without a position; where there is one, the pixel is computed from it.
    /// Default: `healpix`, `HEALPIX`.
    pub healpix: Vec<String>,
    /// The value of a *boolean* redshift warning that means "good". Publishers disagree, so there is no default, and a
    /// tile with a boolean warning fails until this is set. Default: `None`.
    pub good_warning: Option<bool>,
    /// Numbers the rows where a tile has no id column: tile number × 2³² + row. Such an id is stable as long as the
    /// file stays registered. Default: `false`.
    pub number_rows: bool,
}

impl Default for KeyColumns {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            id: names(&["targetid", "TARGETID", "object_id"]),
            ra: names(&["target_ra", "TARGET_RA", "ra", "RA"]),
            dec: names(&["target_dec", "TARGET_DEC", "dec", "DEC"]),
            z: names(&["z", "Z", "Z_BEST"]),
            zerr: names(&["zerr", "ZERR", "ZERR_BEST", "Z_ERR"]),
            zwarn: names(&["zwarn", "ZWARN", "ZWARN_BEST", "ZWARNING"]),
            spectype: names(&["spectype", "SPECTYPE", "SPECTYPE_BEST", "CLASS"]),
            objtype: names(&["objtype", "OBJTYPE"]),
            desi_target: names(&[
                "desi_target",
                "DESI_TARGET",
                "SV1_DESI_TARGET",
                "SV2_DESI_TARGET",
                "SV3_DESI_TARGET",
            ]),
            deltachi2: names(&["deltachi2", "DELTACHI2", "DELTACHI2_BEST"]),
            fiberstatus: names(&["coadd_fiberstatus", "COADD_FIBERSTATUS"]),
            primary: names(&[
                "zcat_primary",
                "ZCAT_PRIMARY",
                "main_primary",
                "MAIN_PRIMARY",
                "sv_primary",
                "SV_PRIMARY",
                "SPECPRIMARY",
            ]),
            survey: names(&["survey", "SURVEY"]),
            program: names(&["program", "PROGRAM"]),
            healpix: names(&["healpix", "HEALPIX"]),
            good_warning: None,
            number_rows: false,
        }
    }
}

impl KeyColumns {
    /// Numbers the rows of tiles without an id column: see [`number_rows`](Self::number_rows).
    #[must_use]
    pub fn with_numbered_rows(mut self) -> Self {
        self.number_rows = true;
        self
    }

    /// Says which value of a boolean redshift warning is good: see [`good_warning`](Self::good_warning).
    #[must_use]
    pub fn with_good_warning(mut self, good: bool) -> Self {
        self.good_warning = Some(good);
        self
    }
}
