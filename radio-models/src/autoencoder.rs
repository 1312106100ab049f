//! What all autoencoders have in common.

use burn::tensor::Tensor;
use ndarray::{Array2, Array3, ArrayViewMut, ArrayViewMut2, ArrayViewMut3, Axis, Dimension};
use rayon::prelude::*;

use crate::error::{Error, Result, check_shape};
use crate::model::{Model, is_flex, read};
use crate::tokens::Tokens;

/// A model that reconstructs spectra: [`ConvAutoencoder`](crate::ConvAutoencoder) or
/// [`MaskedAutoencoder`](crate::MaskedAutoencoder).
///
/// [`AnomalyScorer`](crate::AnomalyScorer) takes either. The trait is sealed: its methods beyond what users call may change.
pub trait Autoencoder: for<'a> Model<Batch<'a> = Tokens<'a>> {
    /// Tokens of a spectrum and pixels of a token, `[t, p]`.
    fn shape(&self) -> [usize; 2];

    /// Numbers that a spectrum is reduced to.
    fn latent(&self) -> usize;

    /// What the model makes of each spectrum, also where the input is bad.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] and [`Error::Tokenizer`] where the tokens are not of the model's kind; [`Error::Execution`] where
    /// the device fails.
    fn reconstruct(&self, tokens: &Tokens<'_>) -> Result<Reconstruction> {
        self.fits(tokens)?;
        let [token_count, patch] = self.shape();
        let mut made = Reconstruction {
            values: Array3::zeros((tokens.rows(), token_count, patch)),
            latent: Array2::zeros((tokens.rows(), self.latent())),
        };
        let rows = self.part_rows(tokens);
        let values = made.values.axis_chunks_iter_mut(Axis(0), rows);
        let latent = made.latent.axis_chunks_iter_mut(Axis(0), rows);
        let work: Vec<_> = parts(self, tokens).into_iter().zip(values.zip(latent)).collect();
        work.into_par_iter()
            .try_for_each(|(tokens, (values, latent))| self.reconstruct_part(&tokens, values, latent))?;
        Ok(made)
    }

    /// Σ (y − ŷ)² / max(σ, `sigma_floor`)² over the pixels that a model of this kind learns from, shape `(1)`, and the
    /// number of these pixels; `None` where there are none. What is drawn at random depends on `draw` and the ids.
    ///
    /// # Errors
    ///
    /// As [`reconstruct`](Self::reconstruct).
    fn loss(&self, tokens: &Tokens<'_>, sigma_floor: f32, draw: u64) -> Result<Option<(Tensor<1>, usize)>>;

    #[doc(hidden)]
    const PART_ROWS: usize;

    #[doc(hidden)]
    fn part_rows(&self, tokens: &Tokens<'_>) -> usize {
        if is_flex(&self.device()) {
            return Self::PART_ROWS;
        }
        tokens.rows().max(1)
    }

    #[doc(hidden)]
    fn reconstruct_part(
        &self,
        tokens: &Tokens<'_>,
        values: ArrayViewMut3<'_, f32>,
        latent: ArrayViewMut2<'_, f32>,
    ) -> Result<()>;
}

/// What is hidden in validation: no training has as many steps.
pub(crate) const VALIDATION: u64 = u64::MAX - 1;

/// Are these tokens of the kind that the model was made for?
pub(crate) fn fits<M: Autoencoder>(model: &M, tokens: &Tokens<'_>) -> Result<()> {
    let [token_count, patch] = model.shape();
    let found = [tokens.rows(), tokens.tokens(), tokens.patch()];
    let expected = [tokens.rows(), token_count, patch];
    let help = "tokenize with the patch and the number of tokens of the model, or make a model for these";
    check_shape("values", &found, &expected, help)?;
    match model.origin().tokenizer.as_deref() {
        Some(expected) if tokens.tokenizer() != Some(expected) => Err(Error::Tokenizer {
            found: tokens.tokenizer().map(ToOwned::to_owned),
            expected: expected.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Rows that are computed by themselves, side by side: most operations of `flex` take one thread, and what they read is
/// still in its cache when there are few rows.
pub(crate) fn parts<'b, M: Autoencoder>(model: &M, tokens: &'b Tokens<'_>) -> Vec<Tokens<'b>> {
    let rows = model.part_rows(tokens);
    let starts = (0..tokens.rows()).step_by(rows);
    starts
        .map(|start| tokens.part(start..tokens.rows().min(start + rows)))
        .collect()
}

/// What a model makes of a batch of `n` spectra.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconstruction {
    /// Normalised flux as the model expects it, `(n, t, p)`.
    pub values: Array3<f32>,
    /// The place of each spectrum in the latent space, `(n, latent)`.
    pub latent: Array2<f32>,
}

/// Σ w r², shape `(1)`, of residuals and weights of shape `(n, t, p)`.
pub(crate) fn squares(residual: Tensor<3>, weights: Tensor<3>) -> Tensor<1> {
    let [rows, tokens, patch] = residual.dims();
    // Rows first: the sum of one long vector is not the same for every number of threads.
    let per_row = (residual.square() * weights).reshape([rows, tokens * patch]).sum_dim(1); // (n, 1)
    per_row.sum() // (1)
}

/// Reads the numbers of a tensor, row-major, into an array of as many.
pub(crate) fn read_into<const D: usize, I: Dimension>(
    tensor: Tensor<D>,
    mut array: ArrayViewMut<'_, f32, I>,
    action: &'static str,
) -> Result<()> {
    let numbers = read(tensor, action)?;
    if numbers.len() != array.len() {
        let reason = format!("{} numbers for {}", numbers.len(), array.len());
        return Err(Error::execution(action, reason));
    }
    array.iter_mut().zip(numbers).for_each(|(into, number)| *into = number);
    Ok(())
}
