//! Models beside each other.

use std::fmt;

use super::{CLASSES, Confusion, Probabilities};

/// How well some models tell classes apart, on the same galaxies and features. [`Baselines`](super::Baselines) make it.
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
    /// Mean of −ln p of the true class, in nats.
    pub log_loss: f64,
    /// By how much the probability of the given class and how often it is right differ, on the mean over ten bins (expected calibration error, Guo et al. 2017,
    /// eq. 3).
    pub calibration_error: f64,
}

impl Judged {
    pub(super) fn new(name: &'static str, probabilities: &Probabilities, classes: &[u8]) -> Self {
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
