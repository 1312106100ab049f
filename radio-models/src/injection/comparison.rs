//! Several scores on the same rows, side by side.

use std::fmt;

use serde::Serialize;

use super::anomaly::Anomaly;
use super::estimate::Estimate;
use super::evaluation::{Detection, Evaluation, Evaluator};
use crate::error::{Error, Result};

impl Evaluator<'_> {
    /// Measures several named scores on the same rows, with the same bootstrap samples.
    ///
    /// `baseline` is the name of the one whose AUPRC is the unit of all others. The interval of that ratio comes from
    /// the ratios in the samples, so it is narrower than what the intervals of the two would suggest.
    ///
    /// # Errors
    ///
    /// Those of [`evaluate`](Self::evaluate), and [`Error::Option`] where no score has the name of the baseline.
    ///
    /// # Complexity
    ///
    /// That of [`evaluate`](Self::evaluate) for each score.
    ///
    /// # Examples
    ///
    /// ```
    /// use radio_models::injection::{Anomaly, Evaluator};
    ///
    /// let labels = [None, None, None, Some((Anomaly::Blend, 8.0))];
    /// let good = [Some(1.0), Some(2.0), Some(3.0), Some(7.5)];
    /// let bad = [Some(1.0), Some(7.0), Some(3.0), Some(2.0)];
    /// let table = Evaluator::new(&labels, &[Some(5.0); 4])?
    ///     .with_bootstraps(100)
    ///     .compare("mse", &[("mse", &bad), ("chi2", &good)])?;
    /// assert!(table.scores[1].auprc_ratio.value > 1.0);
    /// assert!(table.to_string().contains("| chi2 | 1.000"));
    /// # Ok::<(), radio_models::Error>(())
    /// ```
    pub fn compare(&self, baseline: &str, scores: &[(&str, &[Option<f64>])]) -> Result<Comparison> {
        let Some(base) = scores.iter().position(|(name, _)| *name == baseline) else {
            return Err(Error::option(
                "baseline",
                baseline.to_owned(),
                "the name of one of the scores",
            ));
        };
        let columns: Vec<_> = scores.iter().map(|&(_, scores)| scores).collect();
        let (evaluations, samples) = self.evaluate_all(&columns)?;
        let unit = evaluations[base].overall.auprc.value;
        let rows = evaluations.into_iter().enumerate().map(|(i, evaluation)| {
            let ratios = samples[i].iter().zip(&samples[base]).map(|(auprc, unit)| auprc / unit);
            Compared {
                name: scores[i].0.to_owned(),
                auprc_ratio: Estimate::new(evaluation.overall.auprc.value / unit, ratios),
                evaluation,
            }
        });
        Ok(Comparison {
            baseline: baseline.to_owned(),
            bootstraps: self.bootstraps,
            false_positive_rate: self.false_positive_rate,
            scores: rows.collect(),
        })
    }
}

/// Several scores on the same rows. It prints as two tables in Markdown and serializes with serde.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The name of the score that the others are compared with.
    pub baseline: String,
    /// Number of bootstrap samples.
    pub bootstraps: usize,
    /// Part of the normals that are alarms where the recall is measured.
    pub false_positive_rate: f64,
    /// The scores, in the order in which they were given.
    pub scores: Vec<Compared>,
}

/// One score of a [`Comparison`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// Its overall AUPRC over that of the baseline.
    pub auprc_ratio: Estimate,
    /// All the rest.
    pub evaluation: Evaluation,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.scores.first() else {
            return Ok(());
        };
        self.overall(f, &first.evaluation)?;
        writeln!(f)?;
        self.by_kind(f, &first.evaluation)?;
        writeln!(f)?;
        let (rate, samples) = (percent(self.false_positive_rate), self.bootstraps);
        writeln!(
            f,
            "a50: amplitude in σ where half are recalled at a false positive rate of {rate}."
        )?;
        if samples > 0 {
            writeln!(f, "In brackets: 95 % intervals of {samples} bootstrap samples.")?;
        }
        for score in &self.scores {
            let (injected, normals) = (score.evaluation.overall.unscored, score.evaluation.unscored_normals);
            if injected + normals > 0 {
                let name = escaped(&score.name);
                writeln!(
                    f,
                    "{name}: no score for {injected} anomalies (missed) and {normals} normals (left out)."
                )?;
            }
        }
        Ok(())
    }
}

impl Comparison {
    fn overall(&self, f: &mut fmt::Formatter<'_>, first: &Evaluation) -> fmt::Result {
        write!(
            f,
            "| score | AUROC | AUPRC (base rate) | AUPRC / {} |",
            escaped(&self.baseline)
        )?;
        for (k, _) in &first.overall.precision_at {
            write!(f, " P@{k} |")?;
        }
        writeln!(f, " recall at {} | ρ(score, S/N) |", percent(self.false_positive_rate))?;
        rule(f, 1, 5 + first.overall.precision_at.len())?;
        for score in &self.scores {
            let all = &score.evaluation.overall;
            write!(
                f,
                "| {} | {:.3} | {:.3} ({:.3}) |",
                escaped(&score.name),
                all.auroc,
                all.auprc,
                all.base_rate
            )?;
            write!(f, " {:.2} |", score.auprc_ratio)?;
            for (_, precision) in &all.precision_at {
                write!(f, " {precision:.3} |")?;
            }
            writeln!(
                f,
                " {:.3} | {} |",
                all.recall,
                or_dash(score.evaluation.snr_correlation, 2)
            )?;
        }
        Ok(())
    }

    fn by_kind(&self, f: &mut fmt::Formatter<'_>, first: &Evaluation) -> fmt::Result {
        write!(f, "| kind | injected |")?;
        for score in &self.scores {
            let name = escaped(&score.name);
            write!(f, " {name}: AUROC | {name}: a50 |")?;
        }
        writeln!(f)?;
        rule(f, 1, 1 + 2 * self.scores.len())?;
        for (&kind, detection) in &first.kinds {
            write!(f, "| {kind} | {} |", detection.injected)?;
            for score in &self.scores {
                let detection: Option<&Detection> = score.evaluation.kinds.get::<Anomaly>(&kind);
                let half = detection.and_then(|detection| detection.half_recall_amplitude);
                let auroc = or_dash(detection.map(|detection| detection.auroc), 3);
                write!(f, " {auroc} | {} |", or_dash(half, 1))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The line under the head: so many columns of text, then so many of numbers.
fn rule(f: &mut fmt::Formatter<'_>, text: usize, numbers: usize) -> fmt::Result {
    writeln!(f, "|{}{}", "---|".repeat(text), "---:|".repeat(numbers))
}

fn or_dash(estimate: Option<Estimate>, decimals: usize) -> String {
    estimate.map_or_else(|| "–".to_owned(), |estimate| format!("{estimate:.decimals$}"))
}

fn percent(rate: f64) -> String {
    // Rounded, because 0.07 · 100 is 7.000000000000001.
    format!("{} %", (rate * 1e6).round() / 1e4)
}

fn escaped(name: &str) -> String {
    name.replace('|', "\\|").replace('\n', " ")
}
