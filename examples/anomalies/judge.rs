//! Every score beside what was put in.

use ndarray::{Array2, Axis, concatenate};
use radio_index::ReadPlan;
use radio_models::injection::{Comparison, Evaluator, Label};
use radio_models::{Pca, PcaOptions, Position, Scores, Tokens};

use super::Result;
use super::survey::{Piece, Survey};

/// Spectra that the principal components are of: 250 MB of values.
const PCA_ROWS: usize = 8192;

/// Scores and labels of all spectra that were scored.
pub(crate) struct Judge<'a> {
    pca: &'a Pca,
    labels: Vec<Label>,
    scores: Scores,
    pca_chi2: Vec<Option<f64>>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(pca: &'a Pca) -> Self {
        Self {
            pca,
            labels: Vec::new(),
            scores: Scores::default(),
            pca_chi2: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, piece: &Piece, scores: &Scores) -> Result<()> {
        let [values, errors] = matrices(&piece.tokens)?;
        self.pca_chi2.extend(self.pca.chi2(values.view(), errors.view())?);
        self.labels.extend(&piece.labels);
        self.scores.extend(scores.rows.iter().copied());
        Ok(())
    }

    /// The scores of the model beside the residual of principal components, which know about errors, too.
    pub(crate) fn compare(&self) -> Result<Comparison> {
        let rows = || self.scores.rows.iter();
        let snr: Vec<_> = rows().map(|row| row.snr).collect();
        let scores: [(&str, Vec<Option<f64>>); 6] = [
            ("combined (default)", rows().map(|row| row.score).collect()),
            ("χ², calibrated", rows().map(|row| row.chi2_calibrated).collect()),
            ("worst patch, calibrated", rows().map(|row| row.worst_patch).collect()),
            ("latent, calibrated", rows().map(|row| row.latent).collect()),
            ("PCA χ² (rank 25)", self.pca_chi2.clone()),
            ("plain MSE", rows().map(|row| row.score_raw).collect()),
        ];
        let scores: Vec<_> = scores.iter().map(|(name, scores)| (*name, scores.as_slice())).collect();
        Ok(Evaluator::new(&self.labels, &snr)?.compare("plain MSE", &scores)?)
    }
}

/// Of as many spectra of the training tiles as fit.
pub(crate) fn principal_components(survey: &Survey, training: &ReadPlan) -> Result<Pca> {
    let (mut values, mut errors, mut rows) = (Vec::new(), Vec::new(), 0);
    for tokens in survey.tokens(training, &survey.read, Position::default())? {
        let [more_values, more_errors] = matrices(&tokens?)?;
        rows += more_values.nrows();
        values.push(more_values);
        errors.push(more_errors);
        if rows >= PCA_ROWS {
            break;
        }
    }
    let join = |parts: &[Array2<f32>]| concatenate(Axis(0), &parts.iter().map(|part| part.view()).collect::<Vec<_>>());
    Ok(Pca::fit(
        join(&values)?.view(),
        join(&errors)?.view(),
        &PcaOptions::default(),
    )?)
}

/// Values and errors, a spectrum a row.
fn matrices(tokens: &Tokens<'_>) -> Result<[Array2<f32>; 2]> {
    let shape = (tokens.rows(), tokens.tokens() * tokens.patch());
    let matrix = |array: ndarray::ArrayView3<'_, f32>| array.to_owned().into_shape_with_order(shape);
    Ok([matrix(tokens.values())?, matrix(tokens.errors())?])
}
