//! What a graph network has to be better than.

use std::path::Path;

use biosphere::{MaxFeatures, RandomForest, RandomForestParameters};
use burn::tensor::Device;
use ndarray::{Array1, Array2};

use super::{CLASSES, Comparison, CosmicWeb, CosmicWebOptions, Judged, Labelled, Probabilities};
use crate::error::{Error, Result, check_shape};
use crate::split::Part;

const K: usize = CLASSES.len();
/// Added to the share of 100 trees that vote for a class: nothing is impossible because nobody voted for it.
const HALF_A_VOTE: f64 = 0.005;

/// Models that see the same features of a galaxy as a [`CosmicWeb`] does, but no neighbours.
///
/// - **MLP**: the same network on a graph without edges, trained and calibrated alike.
/// - **random forest** (Breiman 2001): for each class 100 trees, fully grown, each split by the best of √f features; shares of votes, with half a vote more, are scaled to the sum 1. It is that of the
///   crate biosphere.
/// - **majority**: the frequency of each class, for everyone.
pub struct Baselines {
    mlp: CosmicWeb,
    forest: Forest,
    frequencies: [f64; K],
}

impl Baselines {
    /// Trains them on what a model with these options is trained on; `folder` gets the checkpoints of the MLP.
    ///
    /// # Errors
    ///
    /// As [`CosmicWeb::train`].
    ///
    /// # Complexity
    ///
    /// As a training; and O(400 n log² n) for the forest.
    pub fn train(
        options: &CosmicWebOptions,
        galaxies: &Labelled<'_>,
        device: &Device,
        folder: impl AsRef<Path>,
    ) -> Result<Self> {
        let alone = galaxies.web().without_edges()?;
        let mlp = CosmicWeb::train(options, &galaxies.with_web(&alone), device, folder, |_| {})?;
        let training = galaxies.of(Part::Training);
        let classes = galaxies.classes_of(&training);
        let mut frequencies = [0.0; K];
        for &class in &classes {
            frequencies[usize::from(class)] += 1.0 / classes.len() as f64;
        }
        Ok(Self {
            mlp,
            forest: Forest::grown(&galaxies.features_of(&training), &classes, options.seed),
            frequencies,
        })
    }

    /// Judges a model and these by the galaxies for tests, which may be those of another survey.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where there is no galaxy for tests; as [`CosmicWeb::classify`].
    pub fn compare(&self, model: &CosmicWeb, tests: &Labelled<'_>) -> Result<Comparison> {
        let rows = tests.of(Part::Test);
        if rows.is_empty() {
            let expected = "some galaxies with a class for tests";
            return Err(Error::option("parts", "without tests", expected));
        }
        let truth = tests.classes_of(&rows);
        let of_rows =
            |all: &Probabilities| Probabilities::new(rows.iter().map(|&row| all.rows()[row as usize]).collect());
        let graph = model.classify(tests.web())?;
        let mlp = self.mlp.classify(&tests.web().without_edges()?)?;
        let forest = self.forest.classify(&tests.features_of(&rows))?;
        let models = [
            ("GraphSAGE", of_rows(&graph)),
            ("MLP", of_rows(&mlp)),
            ("random forest", forest),
            ("majority", Probabilities::new(vec![self.frequencies; rows.len()])),
        ];
        let judged = models.iter().map(|(name, said)| Judged::new(name, said, &truth));
        Ok(Comparison {
            models: judged.collect(),
        })
    }
}

impl std::fmt::Debug for Baselines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Trees cannot be shown.
        f.debug_struct("Baselines")
            .field("mlp", &self.mlp)
            .field("frequencies", &self.frequencies)
            .finish_non_exhaustive()
    }
}

/// A forest for each class, which says how likely it is: an error of squares is Gini's impurity, where there are two classes.
struct Forest {
    of_class: Vec<RandomForest>,
    features: usize,
}

impl Forest {
    fn grown(features: &Array2<f32>, classes: &[u8], seed: u64) -> Self {
        let x = features.mapv(f64::from);
        let threads = i32::try_from(rayon::current_num_threads()).unwrap_or(1);
        let of_class = (0..K).map(|class| {
            let y: Array1<f64> = classes
                .iter()
                .map(|&other| f64::from(u8::from(usize::from(other) == class)))
                .collect();
            let parameters = RandomForestParameters::default()
                .with_max_features(MaxFeatures::Sqrt)
                .with_seed(seed.wrapping_add(class as u64))
                .with_n_jobs(Some(threads));
            let mut forest = RandomForest::new(parameters);
            forest.fit(&x.view(), &y.view());
            forest
        });
        Self {
            of_class: of_class.collect(),
            features: features.ncols(),
        }
    }

    fn classify(&self, features: &Array2<f32>) -> Result<Probabilities> {
        let expected = [features.nrows(), self.features];
        check_shape("features", features.shape(), &expected, "the features of the training")?;
        let x = features.mapv(f64::from);
        let shares: Vec<Array1<f64>> = self.of_class.iter().map(|forest| forest.predict(&x.view())).collect();
        let rows = (0..features.nrows()).map(|row| {
            let votes = [0, 1, 2, 3].map(|class: usize| shares[class][row] + HALF_A_VOTE);
            let sum: f64 = votes.iter().sum();
            votes.map(|share| share / sum)
        });
        Ok(Probabilities::new(rows.collect()))
    }
}
