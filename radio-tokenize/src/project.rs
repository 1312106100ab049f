//! Tokens as embeddings, for export.

use ndarray::{Array3, ArrayView2};

use crate::spectra::check_shape;
use crate::{Error, Result, TokenBatch};

impl TokenBatch {
    /// The values times a matrix of shape (p, d): embeddings of shape (n, t, d).
    ///
    /// It is for the export of a trained projection. In a training the matrix is learned and belongs to the model, and its
    /// output is d / p times larger than the tokens (8 times for 256 dimensions of patches of 32). Values are
    /// taken as they are: bad pixels are 0 in tokens as they are made, and tokens that are not [`valid`](Self::valid) are
    /// projected like others.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] unless the matrix has as many rows as a patch has pixels, [`Error::TooLarge`] if the result fits no
    /// array.
    ///
    /// # Complexity
    ///
    /// O(n t p d), on one thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::array;
    /// use radio_tokenize::{Spectra, Tokenizer};
    ///
    /// let flux = array![[1.0, 1.0, 1.0, 3.0]];
    /// let spectra = Spectra::on_grid(flux.view(), flux.view(), &[1.0, 2.0, 3.0, 4.0])?;
    /// let batch = Tokenizer::new(2).tokenize(&spectra)?;
    /// let sum_and_difference = array![[1.0, -1.0], [1.0, 1.0]];
    /// let embeddings = batch.project(sum_and_difference.view())?;
    /// assert_eq!(embeddings, array![[[2.0, 0.0], [4.0, 2.0]]]);
    /// # Ok::<(), radio_tokenize::Error>(())
    /// ```
    #[expect(
        clippy::needless_pass_by_value,
        reason = "views are passed by value, as everywhere in ndarray"
    )]
    pub fn project(&self, matrix: ArrayView2<'_, f32>) -> Result<Array3<f32>> {
        let (rows, tokens, patch) = self.values.dim();
        let dim = matrix.ncols();
        check_shape("matrix", matrix.shape(), &[patch, dim])?;
        let too_large = Error::TooLarge {
            rows,
            tokens,
            patch: dim,
        };
        if (rows * tokens)
            .checked_mul(dim)
            .is_none_or(|n| n > isize::MAX as usize / 8)
        {
            return Err(too_large);
        }
        let flat = self
            .values
            .to_shape((rows * tokens, patch))
            .map_err(|_| too_large.clone())?;
        let projected = flat.dot(&matrix);
        projected
            .into_shape_with_order((rows, tokens, dim))
            .map_err(|_| too_large)
    }
}
