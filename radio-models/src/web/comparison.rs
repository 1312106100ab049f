//! Models beside each other.

use std::fmt;
use std::path::Path;

use burn::tensor::Device;

use super::{CLASSES, Confusion, CosmicWeb, Labelled, Probabilities, baselines};
use crate::error::{Error, Result};
use crate::split::Part;

/// How well some models tell classes apart, on the same galaxies and features.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The graph network; the same network without neighbours (MLP); a random forest; the frequency of classes.
    pub models: Vec<Judged>,
}

/// One model of a [`Comparison`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Judged {
    /// What it is.
    pub name: &'static str,
    /// Which classes it takes for which: the most likely one is given.
    pub confusion: Confusion,
    /// Mean of −ln p of the true class, in nats; infinite where a true class was said to be impossible.
    pub log_loss: f64,
    /// By how much the probability of the given class and how often it is right differ, on the mean over ten bins (expected calibration error, Guo et al. 2017,
    /// eq. 3).
    pub calibration_error: f64,
}

impl Judged {
    fn new(name: &'static str, probabilities: &Probabilities, classes: &[u8]) -> Self {
        const BINS: usize = 10;
        let given = probabilities.classes();
        let (mut loss, mut bins, mut count) = (0.0, [[0.0; 2]; BINS], 0.0);
        for ((row, &given), &class) in probabilities.rows().iter().zip(&given).zip(classes) {
            loss -= row[usize::from(class)].ln();
            let p = row[usize::from(given)];
            let bin = ((p * BINS as f64) as usize).min(BINS - 1);
            bins[bin][0] += p;
            bins[bin][1] += f64::from(u8::from(given == class));
            count += 1.0;
        }
        let difference: f64 = bins.iter().map(|[said, right]| (said - right).abs()).sum();
        Self {
            name,
            confusion: Confusion::of(classes.iter().copied().zip(given)),
            log_loss: loss / count,
            calibration_error: difference / count,
        }
    }
}

impl Comparison {
    /// Judges a trained model and its baselines by the galaxies for tests among `tests`, which may be those of another survey.
    ///
    /// The baselines learn from the same galaxies as the model: those for training among `galaxies`. The MLP is the same network on a graph
    /// without edges, trained and calibrated alike, with `folder` for its checkpoints; the forest has 100 trees.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where there is no galaxy for tests; as [`CosmicWeb::train`] and [`CosmicWeb::classify`].
    ///
    /// # Complexity
    ///
    /// As a training; and O(100 n log² n) for the forest.
    pub fn new(
        model: &CosmicWeb,
        galaxies: &Labelled<'_>,
        tests: &Labelled<'_>,
        device: &Device,
        folder: impl AsRef<Path>,
    ) -> Result<Self> {
        let (training, rows) = (galaxies.of(Part::Training), tests.of(Part::Test));
        if rows.is_empty() {
            return Err(Error::option(
                "parts",
                "without tests",
                "some galaxies with a class for tests",
            ));
        }
        let truth = tests.classes_of(&rows);
        let of_rows =
            |all: &Probabilities| Probabilities::new(rows.iter().map(|&row| all.rows()[row as usize]).collect());

        let graph = of_rows(&model.classify(tests.web())?);
        let alone = galaxies.web().without_edges()?;
        let mlp = CosmicWeb::train(model.options(), &galaxies.with_web(&alone), device, folder, |_| {})?;
        let mlp = of_rows(&mlp.classify(&tests.web().without_edges()?)?);
        let learned = galaxies.classes_of(&training);
        let forest = baselines::forest(
            &galaxies.features_of(&training),
            &learned,
            &tests.features_of(&rows),
            model.options().seed,
        )?;
        let majority = baselines::majority(&learned, rows.len());
        let models = [
            ("GraphSAGE", graph),
            ("MLP", mlp),
            ("random forest", forest),
            ("majority", majority),
        ];
        let models = models
            .iter()
            .map(|(name, probabilities)| Judged::new(name, probabilities, &truth));
        Ok(Self {
            models: models.collect(),
        })
    }
}

/// A table in Markdown.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| model | macro-F1 | accuracy |")?;
        CLASSES.iter().try_for_each(|class| write!(f, " F1 {class} |"))?;
        writeln!(f, " log loss | calibration error |")?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for model in &self.models {
            let confusion = &model.confusion;
            write!(
                f,
                "| {} | {:.3} | {:.3} |",
                model.name,
                confusion.macro_f1(),
                confusion.accuracy()
            )?;
            (0..CLASSES.len()).try_for_each(|class| write!(f, " {:.3} |", confusion.f1(class)))?;
            writeln!(f, " {:.3} | {:.3} |", model.log_loss, model.calibration_error)?;
        }
        Ok(())
    }
}
