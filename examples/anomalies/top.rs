//! The most unusual spectra, for the gallery.

use arrow_cast::display::array_value_to_string;
use ndarray::{Array2, Array3, Axis};
use radio_models::gallery::Candidate;
use radio_models::injection::Label;
use radio_models::{AnomalyScorer, Autoencoder, Score, Scores, Tokens};

use super::Result;
use super::survey::Piece;

/// The spectra with the highest scores so far.
pub(crate) struct Top {
    most: usize,
    /// By score, descending.
    kept: Vec<Kept>,
}

/// One of them, with all that is to be shown.
struct Kept {
    score: Score,
    label: Label,
    class: Option<String>,
    redshift: Option<f64>,
    position: Option<(f64, f64)>,
    wavelength: Vec<f64>,
    flux: Vec<f32>,
    sigma: Vec<f32>,
    scale: [f32; 2],
    values: Array2<f32>,
    errors: Array2<f32>,
    token_wavelength: Vec<f64>,
    tokenizer: Option<String>,
}

impl Top {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, kept: Vec::new() }
    }

    pub(crate) fn add(&mut self, piece: &Piece, scores: &Scores) {
        for (row, &score) in scores.rows.iter().enumerate() {
            let place = self.kept.partition_point(|kept| kept.score.score >= score.score);
            if score.score.is_some() && place < self.most {
                self.kept.insert(place, Kept::new(piece, row, score));
                self.kept.truncate(self.most);
            }
        }
    }

    /// With what the model makes of them.
    pub(crate) fn candidates<M: Autoencoder>(&self, scorer: &AnomalyScorer<M>) -> Result<Vec<Candidate>> {
        self.kept.iter().map(|kept| kept.candidate(scorer.model())).collect()
    }
}

impl Kept {
    fn new(piece: &Piece, row: usize, score: Score) -> Self {
        let pixels = piece.batch.offsets()[row]..piece.batch.offsets()[row + 1];
        let text = |name: &str| {
            let column = piece.batch.record_batch().column_by_name(name)?;
            array_value_to_string(column, row).ok().filter(|text| !text.is_empty())
        };
        let number = |name: &str| text(name)?.parse().ok().filter(|x: &f64| x.is_finite());
        let sigma = |pixel: usize| {
            let (ivar, mask) = (piece.batch.ivar()[pixel], piece.batch.mask()[pixel]);
            if ivar > 0.0 && mask == 0 {
                ivar.sqrt().recip()
            } else {
                0.0
            }
        };
        let spectrum = piece.batch.spectra().nth(row);
        Self {
            score,
            label: piece.labels[row],
            class: text("spectype").or_else(|| text("CLASS")),
            redshift: number("z").or_else(|| number("Z")),
            position: number("target_ra").zip(number("target_dec")),
            wavelength: spectrum
                .map(|spectrum| spectrum.wavelength)
                .unwrap_or_default()
                .to_vec(),
            flux: piece.flux[pixels.clone()].to_vec(),
            sigma: pixels.map(sigma).collect(),
            scale: piece.scale[row],
            values: piece.tokens.values().index_axis(Axis(0), row).to_owned(),
            errors: piece.tokens.errors().index_axis(Axis(0), row).to_owned(),
            token_wavelength: piece.tokens.wavelength().row(row).to_vec(),
            tokenizer: piece.tokens.tokenizer().map(ToOwned::to_owned),
        }
    }

    fn candidate<M: Autoencoder>(&self, model: &M) -> Result<Candidate> {
        let one = |array: &Array2<f32>| -> Array3<f32> { array.clone().insert_axis(Axis(0)) };
        let wavelength = Array2::from_shape_vec((1, self.token_wavelength.len()), self.token_wavelength.clone())?;
        let snr = self.score.snr.unwrap_or_default() as f32;
        let mut tokens = Tokens::new(
            vec![self.score.targetid],
            one(&self.values),
            one(&self.errors),
            wavelength,
            vec![snr],
        )?;
        if let Some(tokenizer) = &self.tokenizer {
            tokens = tokens.made_by(tokenizer.clone());
        }
        let [scale, offset] = self.scale;
        let model = model.reconstruct(&tokens)?.values;
        let model = model.iter().take(self.flux.len()).map(|y| y * scale + offset).collect();
        let (wavelength, flux, sigma) = (self.wavelength.clone(), self.flux.clone(), self.sigma.clone());
        let score = self.score.score.unwrap_or_default();
        let mut candidate = Candidate::new(self.score.targetid, score, wavelength, flux, sigma, model)?;
        if let Some(snr) = self.score.snr {
            candidate = candidate.with_snr(snr);
        }
        if let Some(z) = self.redshift {
            candidate = candidate.with_redshift(z);
        }
        if let Some(class) = &self.class {
            candidate = candidate.with_class(class.clone());
        }
        if let Some((ra, dec)) = self.position {
            candidate = candidate.with_ra_dec(ra, dec);
        }
        if let Some(middle) = self.score.worst_wavelength {
            let patch = self.values.ncols() as f64;
            let pixels = self.wavelength.len().max(2) as f64 - 1.0;
            let half = 0.5 * patch * (self.wavelength.last().unwrap_or(&0.0) - self.wavelength.first().unwrap_or(&0.0))
                / pixels;
            candidate = candidate.with_worst(middle - half, middle + half);
        }
        if let Some(chi2) = self.score.chi2 {
            candidate = candidate.with_fact("χ²/ν", format!("{chi2:.2}"));
        }
        if let Some((anomaly, amplitude)) = self.label {
            candidate = candidate.with_fact("injected", format!("{anomaly}, {amplitude:.1} σ"));
        }
        Ok(candidate)
    }
}
