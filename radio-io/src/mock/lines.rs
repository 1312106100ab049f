//! Spectral lines and their strengths. All wavelengths are at rest, in vacuum, in Å.
//!
//! Wavelengths of narrow lines are those of the SDSS line table (classic.sdss.org, "spectral lines used in SDSS") and,
//! for what it lacks, of the NIST Atomic Spectra Database, turned from air into vacuum where NIST gives air. Broad
//! quasar lines are near Table 2 of Vanden Berk et al. 2001. Depths of absorption lines are round numbers, chosen so
//! that the mock looks like the galaxies of Kennicutt 1992.

/// Lyman α.
pub(super) const LYMAN_ALPHA: f64 = 1215.67;
/// The Lyman limit.
pub(super) const LYMAN_LIMIT: f64 = 911.76;
/// Hβ.
pub(super) const H_BETA: f64 = 4862.683;

/// The strengths of nebular lines, as fluxes over that of Hβ.
#[derive(Clone, Copy, Debug)]
pub(super) struct NebularRatios {
    /// Both lines of [O II] together.
    pub(super) oxygen2: f64,
    /// [Ne III] 3870.
    pub(super) neon3: f64,
    /// [O III] 5008.
    pub(super) oxygen3: f64,
    /// [O I] 6302.
    pub(super) oxygen1: f64,
    /// [N II] 6585.
    pub(super) nitrogen2: f64,
    /// Both lines of [S II] together.
    pub(super) sulphur2: f64,
}

impl NebularRatios {
    /// A star-forming region with this log₁₀ [N II] 6585 / Hα, which follows its metallicity: about −1.4 (poor) to
    /// −0.4 (rich).
    ///
    /// [O III] is the star-forming sequence of Kewley et al. 2013; the other ratios are rough fits by eye.
    pub(super) fn star_forming(log_n2: f64) -> Self {
        let oxygen3 = 10f64.powf(0.61 / (log_n2 + 0.08) + 1.1);
        Self {
            oxygen2: 3.2 * (-((log_n2 + 0.9) / 0.55).powi(2)).exp(),
            neon3: 0.08 * oxygen3,
            oxygen3,
            oxygen1: 0.10,
            nitrogen2: H_ALPHA_SHARE * 10f64.powf(log_n2),
            sulphur2: 0.30 * H_ALPHA_SHARE,
        }
    }

    /// Wavelength and flux over that of Hβ of every line.
    ///
    /// Hydrogen is case B at 10⁴ K (Osterbrock & Ferland 2006, chapter 4). [O III] 5008/4960 = 2.98 is Storey &
    /// Zeippen 2000, and [N II] has nearly the same ratio. [O II] and [S II] are near the limit of low density.
    pub(super) fn lines(&self) -> [(f64, f64); 17] {
        [
            (3727.092, self.oxygen2 / 2.4),
            (3729.875, self.oxygen2 * 1.4 / 2.4),
            (3869.86, self.neon3),
            (3890.16, 0.105),
            (3971.20, 0.159),
            (4102.892, 0.259),
            (4341.684, 0.468),
            (H_BETA, 1.0),
            (4960.295, self.oxygen3 / 2.98),
            (5008.240, self.oxygen3),
            (5877.249, 0.12),
            (6302.046, self.oxygen1),
            (6549.86, self.nitrogen2 / 3.05),
            (6564.614, H_ALPHA_SHARE),
            (6585.27, self.nitrogen2),
            (6718.29, self.sulphur2 * 1.4 / 2.4),
            (6732.67, self.sulphur2 / 2.4),
        ]
    }
}

/// Hα over Hβ, case B at 10⁴ K.
const H_ALPHA_SHARE: f64 = 2.86;

/// An absorption line, or a blend of several.
#[derive(Clone, Copy, Debug)]
pub(super) struct Absorption {
    pub(super) wavelength: f64,
    /// Optical depth in the middle.
    pub(super) depth: f64,
    /// Width (σ) in Å, without motion.
    pub(super) sigma: f64,
}

const fn absorption(wavelength: f64, depth: f64, sigma: f64) -> Absorption {
    Absorption {
        wavelength,
        depth,
        sigma,
    }
}

/// Metal lines and molecular bands of cool stars.
pub(super) const METALS: [Absorption; 38] = [
    absorption(2796.35, 1.2, 3.0), // Mg II
    absorption(2803.53, 1.1, 3.0),
    absorption(2852.96, 0.9, 4.0), // Mg I
    absorption(3581.0, 0.45, 7.0), // Fe I
    absorption(3735.0, 0.55, 9.0),
    absorption(3820.0, 0.35, 7.0),
    absorption(3834.0, 0.40, 6.0),  // Mg I
    absorption(3865.0, 0.40, 16.0), // CN
    absorption(3934.777, 2.2, 5.0), // Ca II K
    absorption(3969.588, 2.0, 4.6), // Ca II H
    absorption(4046.9, 0.30, 2.5),  // Fe I
    absorption(4073.0, 0.20, 4.0),
    absorption(4195.0, 0.15, 12.0), // CN
    absorption(4227.92, 0.60, 2.5), // Ca I
    absorption(4272.9, 0.25, 3.5),  // Fe I
    absorption(4305.61, 0.48, 8.5), // G band
    absorption(4326.9, 0.25, 3.0),  // Fe I
    absorption(4384.8, 0.30, 3.5),
    absorption(4405.9, 0.18, 3.0),
    absorption(4456.5, 0.15, 4.0),  // Ca I
    absorption(4532.0, 0.15, 8.0),  // Fe I, Ti I
    absorption(4669.0, 0.14, 14.0), // C₂
    absorption(5100.0, 0.10, 45.0), // MgH
    absorption(5168.74, 0.38, 2.6), // Mg b
    absorption(5174.13, 0.42, 2.6),
    absorption(5185.05, 0.45, 2.6),
    absorption(5209.0, 0.16, 3.5), // Cr I
    absorption(5271.0, 0.28, 3.5), // Fe I
    absorption(5330.0, 0.22, 3.5),
    absorption(5408.0, 0.14, 4.0),
    absorption(5891.583, 0.50, 2.2), // Na D
    absorption(5897.558, 0.44, 2.2),
    absorption(6191.0, 0.035, 30.0), // TiO
    absorption(7120.0, 0.05, 45.0),
    absorption(8196.0, 0.10, 5.0),  // Na I
    absorption(8500.36, 0.28, 3.5), // Ca II triplet
    absorption(8544.44, 0.60, 3.8),
    absorption(8664.52, 0.50, 3.8),
];

/// Interstellar lines that gas in front of hot stars makes, which star-forming galaxies show in the ultraviolet.
pub(super) const INTERSTELLAR: [Absorption; 9] = [
    absorption(1526.71, 0.9, 1.5), // Si II
    absorption(1548.20, 1.0, 2.0), // C IV
    absorption(1670.79, 0.9, 1.5), // Al II
    absorption(2344.21, 0.8, 1.5), // Fe II
    absorption(2374.46, 0.6, 1.5),
    absorption(2382.77, 1.0, 1.5),
    absorption(2600.17, 0.9, 1.6),
    absorption(2796.35, 1.2, 1.7), // Mg II
    absorption(2803.53, 1.0, 1.7),
];

/// Balmer lines in absorption: Hα (3) up to the series limit.
pub(super) const BALMER_LEVELS: std::ops::RangeInclusive<u32> = 3..=18;

/// Wavelength of the Balmer line from this upper level: the Rydberg formula for hydrogen, 3647.05 n²/(n² − 4).
pub(super) fn balmer(level: u32) -> f64 {
    let n2 = f64::from(level * level);
    3647.05 * n2 / (n2 - 4.0)
}

/// A broad emission line.
#[derive(Clone, Copy, Debug)]
pub(super) struct BroadLine {
    pub(super) wavelength: f64,
    /// Equivalent width in Å.
    pub(super) width: f64,
    /// Width (σ) in Å.
    pub(super) sigma: f64,
}

const fn broad(wavelength: f64, width: f64, sigma: f64) -> BroadLine {
    BroadLine {
        wavelength,
        width,
        sigma,
    }
}

/// Lines of a quasar, after the composite of Vanden Berk et al. 2001 (Table 2), where iron is a few broad bumps.
pub(super) const QUASAR: [BroadLine; 24] = [
    broad(1033.82, 9.0, 8.0),   // O VI
    broad(1215.67, 92.9, 19.5), // Lyman α
    broad(1240.14, 18.0, 9.0),  // N V
    broad(1305.5, 1.7, 5.4),    // O I
    broad(1396.8, 8.1, 14.0),   // Si IV, O IV]
    broad(1549.06, 23.8, 14.3), // C IV
    broad(1640.42, 2.5, 8.0),   // He II
    broad(1663.5, 2.0, 8.0),    // O III]
    broad(1857.4, 2.0, 8.0),    // Al III
    broad(1908.73, 21.2, 23.6), // C III]
    broad(2080.0, 12.0, 55.0),  // Fe III
    broad(2480.0, 45.0, 100.0), // Fe II
    broad(2798.75, 32.3, 34.9), // Mg II
    broad(2960.0, 16.0, 60.0),  // Fe II
    broad(3200.0, 45.0, 150.0), // Fe II, Balmer continuum
    broad(3550.0, 40.0, 140.0), // Balmer continuum
    broad(4102.9, 5.1, 18.6),   // Hδ
    broad(4341.7, 12.6, 20.3),  // Hγ
    broad(4570.0, 18.0, 60.0),  // Fe II
    broad(4862.7, 46.2, 40.4),  // Hβ
    broad(5270.0, 18.0, 70.0),  // Fe II
    broad(5877.2, 4.9, 23.5),   // He I
    broad(6564.6, 195.0, 47.4), // Hα
    broad(8500.0, 20.0, 80.0),  // O I, Ca II
];

/// Narrow lines of a quasar: [O II] and [O III].
pub(super) const QUASAR_NARROW: [BroadLine; 4] = [
    broad(3728.5, 1.6, 3.3),
    broad(3869.86, 1.4, 5.3),
    broad(4960.295, 3.5, 3.9),
    broad(5008.240, 13.2, 6.0),
];
