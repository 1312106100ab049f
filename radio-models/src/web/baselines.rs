//! What a graph network has to be better than.

use ndarray::Array2;
use rayon::prelude::*;
use smartcore::ensemble::random_forest_classifier::{RandomForestClassifier, RandomForestClassifierParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::{CLASSES, Probabilities};
use crate::error::{Error, Result};

const K: usize = CLASSES.len();

/// The frequency of each class, for everyone.
pub(super) fn majority(classes: &[u8], tests: usize) -> Probabilities {
    let mut shares = [0.0; K];
    for &class in classes {
        shares[usize::from(class)] += 1.0 / classes.len() as f64;
    }
    Probabilities::new(vec![shares; tests])
}

/// The part of the trees of a random forest (Breiman 2001) that vote for each class: 100 trees, fully grown, each split by one of √f features.
///
/// Trees are grown side by side: each is a forest of one, with a seed of its own.
pub(super) fn forest(features: &Array2<f32>, classes: &[u8], tests: &Array2<f32>, seed: u64) -> Result<Probabilities> {
    const TREES: u64 = 100;
    let failed = |e: smartcore::error::Failed| Error::execution("growing a random forest", e.to_string());
    let matrix = |x: &Array2<f32>| {
        let numbers = x.iter().copied().collect();
        DenseMatrix::new(x.nrows(), x.ncols(), numbers, false).map_err(failed)
    };
    let (x, tests, y): (_, _, Vec<u32>) = (
        matrix(features)?,
        matrix(tests)?,
        classes.iter().map(|&class| u32::from(class)).collect(),
    );
    let votes = (0..TREES).into_par_iter().map(|tree| {
        let parameters = RandomForestClassifierParameters::default()
            .with_n_trees(1)
            .with_seed(seed.wrapping_mul(TREES).wrapping_add(tree));
        let tree = RandomForestClassifier::fit(&x, &y, parameters).map_err(failed)?;
        tree.predict(&tests).map_err(failed)
    });
    let votes: Vec<Vec<u32>> = votes.collect::<Result<_>>()?;
    let mut shares = vec![[0.0; K]; votes.first().map_or(0, Vec::len)];
    for tree in &votes {
        for (shares, &class) in shares.iter_mut().zip(tree) {
            shares[class as usize] += 1.0 / TREES as f64;
        }
    }
    Ok(Probabilities::new(shares))
}
