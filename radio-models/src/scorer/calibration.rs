//! What scores are usual at which S/N.

use ndarray::{Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Score;
use super::density::{Density, PLACES};
use super::fit::Fit;
use crate::error::{Error, Result};
use crate::hash::scramble;
use crate::tokens::Tokens;

/// What the column `score` of a spectrum is: see [`AnomalyScorer`](crate::AnomalyScorer).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ScoreKind {
    /// The whole spectrum with the worst token and the place in the latent space. Without a calibration, the whole spectrum.
    #[default]
    Combined,
    /// The whole spectrum, in units of its noise.
    Chi2,
    /// The worst token.
    WorstPatch,
    /// The place in the latent space; only with a calibration.
    Latent,
    /// The mean square residual, never calibrated.
    Mse,
}

impl ScoreKind {
    /// This score without calibration.
    pub(super) fn raw(self, score: &Score) -> Option<f64> {
        match self {
            Self::Combined | Self::Chi2 => score.chi2,
            Self::WorstPatch => score.worst_patch,
            Self::Latent => score.latent,
            Self::Mse => score.score_raw,
        }
    }
}

/// What scores are usual at which S/N, learned from normal spectra: medians and spreads in bins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Spectra that it was learned from.
    rows: usize,
    /// Least sigma of their pixels.
    sigma_floor: f32,
    chi2: Usual,
    worst_patch: Usual,
    latent: Usual,
    combined: Usual,
    density: Density,
}

impl Calibration {
    /// Spectra that it was learned from.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn sigma_floor(&self) -> f32 {
        self.sigma_floor
    }

    /// Can spectra with so many latent numbers be scored with it? A file may be damaged.
    pub(crate) fn check(&self, latent: usize) -> Result<(), &'static str> {
        let all = [&self.chi2, &self.worst_patch, &self.latent, &self.combined];
        if !all.iter().all(|usual| usual.is_whole()) {
            return Err("the numbers of its bins of S/N do not fit together");
        }
        self.density.check(latent)
    }

    /// Replaces raw scores by calibrated ones. The row must have scores.
    pub(super) fn apply(&self, kind: ScoreKind, latent: &ArrayView1<'_, f32>, score: &mut Score) {
        let snr = score.snr.unwrap_or_default();
        let deviation = |usual: &Usual, number: f64| Some(usual.deviation(snr, number)).filter(|x| x.is_finite());
        score.latent = deviation(&self.latent, self.density.log_distance(latent, None));
        score.worst_patch = score
            .worst_patch
            .and_then(|raw| deviation(&self.worst_patch, raw.asinh()));
        // The column chi2 itself stays as it is: 1 is a good fit.
        score.chi2_calibrated = score.chi2.and_then(|raw| deviation(&self.chi2, log(raw)));
        score.score = match kind {
            ScoreKind::Combined => match (score.chi2_calibrated, score.worst_patch, score.latent) {
                (Some(chi2), Some(worst), Some(latent)) => deviation(&self.combined, combined(chi2, worst, latent)),
                _ => None,
            },
            ScoreKind::Chi2 => score.chi2_calibrated,
            _ => kind.raw(score),
        };
        if score.score.is_none() {
            score.flags |= Score::NOT_FINITE;
        }
    }
}

/// The weighted sum of three deviations (Stouffer's method; Liptak 1958). What has many pixels or is far from all else is in the first one;
/// the others add what is narrow and what is reconstructed too well.
fn combined(chi2: f64, worst_patch: f64, latent: f64) -> f64 {
    chi2 + 0.5 * (worst_patch + latent)
}

/// Most rows that are kept.
const MOST_ROWS: usize = 65_536;
/// Fewest rows.
const FEWEST_ROWS: usize = 100;
/// Rows of a bin of S/N, where there are enough, and where there are few.
const ROWS_OF_BIN: usize = 250;
const FEWEST_ROWS_OF_BIN: usize = 25;
/// Bins of few rows.
const FEWEST_BINS: usize = 8;
/// Most bins of S/N.
const MOST_BINS: usize = 32;

/// Scores of normal spectra. Of very many, those whose ids hash to the smallest numbers: a sample that does not depend on order.
pub(super) struct Collected {
    rows: Vec<Row>,
    width: usize,
}

struct Row {
    order: u64,
    snr: f64,
    chi2: f64,
    worst_patch: f64,
    latent: Vec<f32>,
}

impl Collected {
    pub(super) fn new(width: usize) -> Self {
        Self {
            rows: Vec::new(),
            width,
        }
    }

    pub(super) fn add(&mut self, tokens: &Tokens<'_>, fits: &[Fit], latent: &Array2<f32>) {
        let rows = fits.iter().zip(tokens.ids()).zip(tokens.snr()).zip(latent.outer_iter());
        self.rows.extend(rows.filter_map(|(((fit, &id), &snr), latent)| {
            Some(Row {
                order: scramble(id as u64),
                snr: if snr.is_finite() { f64::from(snr) } else { 0.0 },
                chi2: log(fit.chi2?),
                worst_patch: fit.worst_patch?.asinh(),
                latent: latent.to_vec(),
            })
        }));
        if self.rows.len() > 2 * MOST_ROWS {
            self.trim();
        }
    }

    fn trim(&mut self) {
        self.rows.sort_by_key(|row| row.order);
        self.rows.truncate(MOST_ROWS);
    }

    pub(super) fn calibration(mut self, sigma_floor: f32) -> Result<Calibration> {
        self.trim();
        let rows = self.rows.len();
        if rows < FEWEST_ROWS {
            return Err(Error::Calibration {
                found: rows,
                needed: FEWEST_ROWS,
            });
        }
        let latent: Vec<f32> = self.rows.iter().flat_map(|row| row.latent.iter().copied()).collect();
        let latent = ArrayView2::from_shape((rows, self.width), &latent)
            .map_err(|e| Error::execution("calibrating scores", e))?;
        let density = Density::new(&latent);
        let places: Vec<_> = latent.outer_iter().enumerate().collect();
        // Not to itself.
        let distances = places
            .into_par_iter()
            .map(|(i, latent)| density.log_distance(&latent, (i < PLACES).then_some(i)));
        let distances: Vec<f64> = distances.collect();
        let of = |number: fn(&Row) -> f64| Usual::new(self.rows.iter().map(|row| (row.snr, number(row))).collect());
        let (chi2, worst_patch) = (of(|row| row.chi2), of(|row| row.worst_patch));
        let placed = self.rows.iter().zip(&distances);
        let latent = Usual::new(placed.clone().map(|(row, &distance)| (row.snr, distance)).collect());
        let sums = placed.map(|(row, &distance)| {
            let chi2 = chi2.deviation(row.snr, row.chi2);
            let worst_patch = worst_patch.deviation(row.snr, row.worst_patch);
            (
                row.snr,
                combined(chi2, worst_patch, latent.deviation(row.snr, distance)),
            )
        });
        Ok(Calibration {
            rows,
            sigma_floor,
            combined: Usual::new(sums.collect()),
            chi2,
            worst_patch,
            latent,
            density,
        })
    }
}

/// Least spread, of numbers that are all the same.
const LEAST_SPREAD: f64 = 1e-6;

/// The median of a number and its spreads about it, as functions of the S/N.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Usual {
    /// Middles of bins in asinh(S/N), ascending.
    at: Vec<f64>,
    median: Vec<f64>,
    /// From the 16th percentile to the median, and from there to the 84th: a standard deviation each, were the numbers normal.
    below: Vec<f64>,
    above: Vec<f64>,
}

impl Usual {
    /// From pairs of S/N and number, at least one.
    fn new(mut pairs: Vec<(f64, f64)>) -> Self {
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let few = (pairs.len() / FEWEST_ROWS_OF_BIN).min(FEWEST_BINS);
        let bins = (pairs.len() / ROWS_OF_BIN).max(few).clamp(1, MOST_BINS);
        let (mut at, mut median, mut below, mut above) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for bin in pairs.chunks(pairs.len().div_ceil(bins)) {
            let mut numbers: Vec<f64> = bin.iter().map(|&(_, number)| number).collect();
            numbers.sort_by(f64::total_cmp);
            let quantile = |q: f64| numbers[((numbers.len() - 1) as f64 * q).round() as usize];
            let middle = bin[bin.len() / 2].0.asinh();
            at.push(middle);
            median.push(quantile(0.5));
            below.push((quantile(0.5) - quantile(0.16)).max(LEAST_SPREAD));
            above.push((quantile(0.84) - quantile(0.5)).max(LEAST_SPREAD));
        }
        Self {
            at,
            median,
            below,
            above,
        }
    }

    /// Are there as many numbers of each kind, and some?
    fn is_whole(&self) -> bool {
        let bins = self.at.len();
        bins > 0
            && [&self.median, &self.below, &self.above]
                .iter()
                .all(|numbers| numbers.len() == bins)
    }

    /// How many spreads a number lies above the median at this S/N; straight lines between the bins, level beyond them.
    fn deviation(&self, snr: f64, number: f64) -> f64 {
        let x = snr.asinh();
        let right = self.at.partition_point(|&at| at < x);
        let between = |values: &[f64]| match (right.checked_sub(1), values.get(right)) {
            (Some(left), Some(b)) => {
                let width = self.at[right] - self.at[left];
                let part = if width > 0.0 { (x - self.at[left]) / width } else { 0.0 };
                values[left] + (b - values[left]) * part
            }
            (None, Some(first)) => *first,
            (Some(last), None) => values[last],
            (None, None) => f64::NAN,
        };
        let difference = number - between(&self.median);
        // Each side has its own: what is skewed in bright spectra and not in faint ones would make scores follow the S/N.
        difference / between(if difference < 0.0 { &self.below } else { &self.above })
    }
}

fn log(x: f64) -> f64 {
    x.max(f64::MIN_POSITIVE).ln()
}
