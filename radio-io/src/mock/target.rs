//! What the fibres look at: classes of objects, their redshifts, brightnesses and identifiers.

use std::collections::HashMap;

use super::dice::{Dice, Purpose};
use super::sky::{Cluster, Patch, Position};
use super::{DEAD_FRACTION, SKY_FRACTION, TILE_ORDER};

/// Part of the galaxies that live in clusters.
const CLUSTERED_FRACTION: f64 = 0.7;
/// Parts of the objects that are galaxies, quasars and stars.
const OBJECTS: [f64; 3] = [0.85, 0.10, 0.05];
/// Parts of the galaxies that are BGS, LRG and ELG.
const GALAXIES: [f64; 3] = [0.34, 0.24, 0.42];
/// Order of the HEALPix pixels that stand in for the survey's bricks (0.21 square degrees; DESI's have 0.06).
const BRICK_ORDER: u8 = 7;
/// Data release of the imaging that DESI targets were chosen from.
const IMAGING_RELEASE: u64 = 9010;
/// Bit of a TARGETID that says "blank sky".
const SKY_ID_BIT: u64 = 59;

/// A DESI target class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Bright galaxy survey.
    Bgs,
    /// Luminous red galaxy.
    Lrg,
    /// Emission line galaxy.
    Elg,
    /// Quasar.
    Qso,
    /// Star of the Milky Way survey.
    Star,
}

impl Class {
    const GALAXY_CLASSES: [Self; 3] = [Self::Bgs, Self::Lrg, Self::Elg];

    /// A class of galaxies, as often as the survey has it.
    pub(super) fn draw_galaxy(dice: &mut Dice) -> Self {
        Self::GALAXY_CLASSES[dice.pick(&GALAXIES)]
    }

    /// A class of galaxies, as often as the survey has it at this redshift.
    fn draw_galaxy_at(z: f64, dice: &mut Dice) -> Self {
        let density = |class: Self| {
            let (mean, sigma, low, high) = class.redshifts();
            if (low..=high).contains(&z) {
                (-0.5 * ((z - mean) / sigma).powi(2)).exp() / sigma
            } else {
                0.0
            }
        };
        let weights = [0, 1, 2].map(|i| GALAXIES[i] * density(Self::GALAXY_CLASSES[i]));
        Self::GALAXY_CLASSES[dice.pick(&weights)]
    }

    /// Mean, standard deviation, least and greatest redshift: roughly n(z) of DESI Collaboration 2016.
    fn redshifts(self) -> (f64, f64, f64, f64) {
        match self {
            Self::Bgs => (0.20, 0.09, 0.05, 0.4),
            Self::Lrg => (0.72, 0.16, 0.4, 1.0),
            Self::Elg => (1.05, 0.22, 0.6, 1.5),
            Self::Qso => (1.75, 0.60, 0.8, 3.5),
            Self::Star => (0.0, 3e-4, -1e-3, 1e-3),
        }
    }

    /// A redshift (for a star, the velocity over that of light).
    pub(super) fn draw_redshift(self, dice: &mut Dice) -> f64 {
        let (mean, sigma, low, high) = self.redshifts();
        dice.normal_within(mean, sigma, low, high)
    }

    /// A wavelength in Å (observed, the middle of the g, r or z band) and an AB magnitude there.
    ///
    /// Between the limits of the class, counts grow as 10^(slope · magnitude).
    pub(super) fn draw_magnitude(self, dice: &mut Dice) -> (f64, f64) {
        let (wavelength, bright, faint, slope) = match self {
            Self::Bgs => (6400.0, 15.5, 20.2, 0.5),
            Self::Lrg => (9100.0, 18.5, 20.9, 0.5),
            Self::Elg => (4800.0, 21.5, 23.8, 0.6),
            Self::Qso => (6400.0, 17.0, 22.9, 0.3),
            Self::Star => (6400.0, 15.5, 19.0, 0.2),
        };
        let fewest = 10f64.powf(slope * (bright - faint));
        (wavelength, faint + dice.uniform(fewest, 1.0).log10() / slope)
    }

    /// Redrock's name for the type of spectrum.
    fn spectype(self) -> &'static str {
        match self {
            Self::Bgs | Self::Lrg | Self::Elg => "GALAXY",
            Self::Qso => "QSO",
            Self::Star => "STAR",
        }
    }

    /// DESI_TARGET with the bit of the class (MWS_ANY for a star).
    fn desi_target(self) -> i64 {
        match self {
            Self::Lrg => 1 << 0,
            Self::Elg => 1 << 1,
            Self::Qso => 1 << 2,
            Self::Bgs => 1 << 60,
            Self::Star => 1 << 61,
        }
    }
}

/// What a fibre gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Light {
    /// An object of this class.
    Object(Class),
    /// Blank sky, on purpose.
    Sky,
    /// Nothing: the positioner is stuck.
    Dead,
}

impl Light {
    /// OBJTYPE.
    pub(super) fn objtype(self) -> &'static str {
        match self {
            Self::Object(_) => "TGT",
            Self::Sky => "SKY",
            Self::Dead => "",
        }
    }

    /// SPECTYPE, where there is an object.
    pub(super) fn spectype(self) -> Option<&'static str> {
        match self {
            Self::Object(class) => Some(class.spectype()),
            Self::Sky | Self::Dead => None,
        }
    }

    /// DESI_TARGET.
    pub(super) fn desi_target(self) -> i64 {
        match self {
            Self::Object(class) => class.desi_target(),
            Self::Sky => 1 << 32,
            Self::Dead => 0,
        }
    }

    /// COADD_FIBERSTATUS: unassigned and stuck, or all well.
    pub(super) fn fiberstatus(self) -> i32 {
        if self == Self::Dead { 0b11 } else { 0 }
    }
}

/// One fibre of the survey.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Number in the order of drawing: the one thing that its random numbers depend on, beside the seed.
    pub(super) row: u64,
    pub(super) id: i64,
    /// HEALPix pixel of the tile it is stored in.
    pub(super) pixel: u64,
    pub(super) position: Position,
    pub(super) light: Light,
    /// True redshift, 0 where there is no object.
    pub(super) z: f64,
    /// Whether it is a member of a cluster.
    pub(super) clustered: bool,
}

/// All targets of a survey, by pixel and then by identifier.
pub(super) fn draw_targets(spectra: usize, seed: u64) -> Vec<Target> {
    let patch = Patch::new(spectra);
    let objects = spectra as f64 * (1.0 - DEAD_FRACTION - SKY_FRACTION);
    let clusters = Cluster::draw_all(objects * OBJECTS[0] * CLUSTERED_FRACTION, &patch, seed);
    let reach: Vec<f64> = clusters
        .iter()
        .scan(0.0, |sum, cluster| Some(sum_up(sum, cluster.richness)))
        .collect();

    let mut in_brick: HashMap<u64, u64> = HashMap::new();
    let mut targets: Vec<Target> = (0..spectra as u64)
        .map(|row| {
            let mut dice = Dice::new(seed, Purpose::Target, row);
            let mut target = draw_target(row, &patch, &clusters, &reach, &mut dice);
            let brick = target.position.pixel(BRICK_ORDER);
            target.id = match target.light {
                // The survey gives such fibres a negative number that is not an object's.
                Light::Dead => -(1_000_000 + row.cast_signed()),
                light => {
                    let count = in_brick.entry(brick).or_default();
                    *count += 1;
                    let sky = u64::from(light == Light::Sky) << SKY_ID_BIT;
                    // The layout of TARGETID: object (22 bits), brick (20), release (16), flags.
                    (sky | IMAGING_RELEASE << 42 | brick << 22 | *count).cast_signed()
                }
            };
            target
        })
        .collect();
    targets.sort_unstable_by_key(|target| (target.pixel, target.id));
    targets
}

fn sum_up(sum: &mut f64, term: f64) -> f64 {
    *sum += term;
    *sum
}

/// A target without its identifier. `reach` holds the running sum of the clusters' richness.
fn draw_target(row: u64, patch: &Patch, clusters: &[Cluster], reach: &[f64], dice: &mut Dice) -> Target {
    let pixel = |position: Position| position.pixel(TILE_ORDER);
    let field = |light: Light, z: f64, dice: &mut Dice| {
        let position = patch.uniform(dice);
        Target {
            row,
            id: 0,
            pixel: pixel(position),
            position,
            light,
            z,
            clustered: false,
        }
    };
    let class = match dice.pick(&[DEAD_FRACTION, SKY_FRACTION, 1.0 - DEAD_FRACTION - SKY_FRACTION]) {
        0 => return field(Light::Dead, 0.0, dice),
        1 => return field(Light::Sky, 0.0, dice),
        _ => [None, Some(Class::Qso), Some(Class::Star)][dice.pick(&OBJECTS)],
    };
    let is_galaxy = class.is_none();
    if is_galaxy && !clusters.is_empty() && dice.chance(CLUSTERED_FRACTION) {
        let place = dice.uniform(0.0, reach[reach.len() - 1]);
        let cluster = &clusters[reach.partition_point(|&sum| sum <= place).min(clusters.len() - 1)];
        let class = Class::draw_galaxy_at(cluster.z, dice);
        let (position, z) = cluster.draw_member(patch, dice);
        return Target {
            row,
            id: 0,
            pixel: pixel(position),
            position,
            light: Light::Object(class),
            z,
            clustered: true,
        };
    }
    let class = class.unwrap_or_else(|| Class::draw_galaxy(dice));
    let z = class.draw_redshift(dice);
    field(Light::Object(class), z, dice)
}
