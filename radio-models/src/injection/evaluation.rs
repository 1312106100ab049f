//! How well a score finds the anomalies.

use std::collections::BTreeMap;

use serde::Serialize;

use super::anomaly::Anomaly;
use super::bootstrap::resample;
use super::estimate::Estimate;
use super::half_recall::AmplitudeBins;
use super::metrics::{Ones, Pairs, Ranking, Weights};
use crate::error::{Error, Result, check_shape};

/// What was injected into a spectrum, its kind and amplitude in σ; `None` for a spectrum that was left as it was.
pub type Label = Option<(Anomaly, f64)>;

/// Measures scores against labels.
///
/// A score is higher where a spectrum is stranger. `None` says that a spectrum has no score: if it has an anomaly, that
/// one counts as missed (it ranks below all others), and if not, the row is left out. So it is no gain to leave
/// difficult rows without a score, unless they are normal; both numbers are reported.
///
/// # Examples
///
/// ```
/// use radio_models::injection::{Anomaly, Evaluator};
///
/// let labels = [None, None, Some((Anomaly::Spikes, 8.0)), None];
/// let snr = [Some(3.0), Some(1.0), Some(2.0), Some(9.0)];
/// let evaluation = Evaluator::new(&labels, &snr)?
///     .with_bootstraps(200)
///     .evaluate(&[Some(1.0), Some(2.0), Some(7.5), None])?;
/// assert_eq!(evaluation.overall.auroc.value, 1.0);
/// assert_eq!((evaluation.normals, evaluation.unscored_normals), (2, 1));
/// # Ok::<(), radio_models::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is measured before `evaluate`"]
pub struct Evaluator<'a> {
    labels: &'a [Label],
    snr: &'a [Option<f64>],
    pub(super) bootstraps: usize,
    seed: u64,
    pub(super) false_positive_rate: f64,
    precision_at: Vec<usize>,
}

impl<'a> Evaluator<'a> {
    /// An evaluator for these rows: their labels, and their signal-to-noise ratios in any definition. Rows whose ratio
    /// is `None` or not finite do not count in its correlation with the score.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the slices differ in length, [`Error::Option`] where an amplitude is not finite, nothing
    /// was injected, or something was injected into every row.
    pub fn new(labels: &'a [Label], snr: &'a [Option<f64>]) -> Result<Self> {
        check_shape("snr", &[snr.len()], &[labels.len()], "one entry for each label")?;
        if let Some((_, amplitude)) = labels.iter().flatten().find(|(_, amplitude)| !amplitude.is_finite()) {
            return Err(Error::option("labels", amplitude.to_string(), "finite amplitudes"));
        }
        let injected = labels.iter().flatten().count();
        if injected == 0 || injected == labels.len() {
            let value = format!("{injected} injected of {}", labels.len());
            return Err(Error::option("labels", value, "rows with an anomaly, and rows without"));
        }
        Ok(Self {
            labels,
            snr,
            bootstraps: 1000,
            seed: 0,
            false_positive_rate: 0.01,
            precision_at: vec![100],
        })
    }

    /// Number of bootstrap samples for the intervals; 0 gives none. Default: 1000.
    pub fn with_bootstraps(mut self, samples: usize) -> Self {
        self.bootstraps = samples;
        self
    }

    /// Seed of the bootstrap samples. Default: 0.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Part of the normals that may be alarms when the recall is measured. Default: 0.01.
    pub fn with_false_positive_rate(mut self, rate: f64) -> Self {
        self.false_positive_rate = rate;
        self
    }

    /// Numbers of top rows whose precision is measured, besides the number of anomalies. Default: 100.
    pub fn with_precision_at(mut self, rows: impl IntoIterator<Item = usize>) -> Self {
        self.precision_at = rows.into_iter().collect();
        self
    }

    /// Measures one score, one entry for each row.
    ///
    /// Intervals hold 95 % of the bootstrap samples (percentiles; Efron & Tibshirani 1993, chapter 13). A sample draws
    /// normals from the normals and each kind from that kind, with replacement, so that their numbers stay. It is the
    /// uncertainty from the choice of the spectra, not from that of the anomalies' places.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where there is not one entry per row, [`Error::Option`] where a score is NaN, no normal has a
    /// score, a number of top rows is 0, or the false positive rate is not between 0 and 1.
    ///
    /// # Complexity
    ///
    /// O(n log n + n · bootstraps), on rayon's current pool; the result is the same for any number of threads. About
    /// 0.5 s of one core for 8192 rows, 7 kinds and 1000 samples.
    pub fn evaluate(&self, scores: &[Option<f64>]) -> Result<Evaluation> {
        let mut evaluations = self.evaluate_all(&[scores])?.0;
        // One goes in, so one comes out.
        evaluations
            .pop()
            .ok_or_else(|| Error::option("scores", "none".to_owned(), "one score"))
    }

    /// Evaluations of several scores, and for each the AUPRC in every sample. All see the same samples.
    pub(super) fn evaluate_all(&self, scores: &[&[Option<f64>]]) -> Result<(Vec<Evaluation>, Vec<Vec<f64>>)> {
        self.check()?;
        let rankings: Vec<Rankings> = scores
            .iter()
            .map(|scores| self.rankings(scores))
            .collect::<Result<_>>()?;
        let strata: Vec<Vec<usize>> = std::iter::once(None)
            .chain(Anomaly::ALL.map(Some))
            .map(|kind| self.rows(|label| label.map(|(kind, _)| kind) == kind))
            .collect();
        let samples = resample(self.labels.len(), &strata, self.bootstraps, self.seed, |weights| {
            let measure = |rankings: &Rankings| rankings.measure(self.false_positive_rate, weights);
            rankings.iter().map(measure).collect::<Vec<_>>()
        });
        let evaluations = rankings.iter().enumerate().map(|(i, rankings)| {
            let samples: Vec<&Measures> = samples.iter().map(|sample| &sample[i]).collect();
            rankings.evaluation(&rankings.measure(self.false_positive_rate, &Ones), &samples)
        });
        let auprc = |i: usize| samples.iter().map(|sample| sample[i].subsets[0].auprc).collect();
        Ok((evaluations.collect(), (0..scores.len()).map(auprc).collect()))
    }

    fn check(&self) -> Result<()> {
        if !(self.false_positive_rate > 0.0 && self.false_positive_rate < 1.0) {
            let value = self.false_positive_rate.to_string();
            return Err(Error::option("false_positive_rate", value, "between 0 and 1"));
        }
        if self.precision_at.contains(&0) {
            return Err(Error::option("precision_at", "0".to_owned(), "at least 1"));
        }
        Ok(())
    }

    fn rows(&self, choose: impl Fn(&Label) -> bool) -> Vec<usize> {
        (0..self.labels.len())
            .filter(|&row| choose(&self.labels[row]))
            .collect()
    }

    fn rankings(&self, scores: &[Option<f64>]) -> Result<Rankings> {
        check_shape(
            "scores",
            &[scores.len()],
            &[self.labels.len()],
            "one entry for each label",
        )?;
        if let Some(row) = scores.iter().position(|score| score.is_some_and(f64::is_nan)) {
            return Err(Error::option(
                "scores",
                format!("NaN in row {row}"),
                "numbers, or `None` for no score",
            ));
        }
        let normals: Vec<usize> = self.rows(Option::is_none);
        let scored: Vec<usize> = normals.iter().copied().filter(|&row| scores[row].is_some()).collect();
        if scored.is_empty() {
            return Err(Error::option(
                "scores",
                "none in a normal row".to_owned(),
                "at least one normal with a score",
            ));
        }
        let score = |row: usize| scores[row].unwrap_or(f64::NEG_INFINITY);
        let subset = |kind: Option<Anomaly>| {
            let wanted = |label: &Label| label.is_some_and(|(other, _)| kind.is_none_or(|kind| kind == other));
            let injected = self.rows(wanted);
            let mut amplitudes = vec![None; self.labels.len()];
            injected
                .iter()
                .for_each(|&row| amplitudes[row] = self.labels[row].map(|(_, amplitude)| amplitude));
            let positives = injected.iter().map(|&row| (row, score(row), true));
            let mut top = vec![injected.len()];
            top.extend(self.precision_at.iter().filter(|&&k| k != injected.len()));
            Subset {
                kind,
                injected: injected.len(),
                unscored: injected.iter().filter(|&&row| scores[row].is_none()).count(),
                normals: scored.len(),
                top,
                bins: AmplitudeBins::new(&amplitudes),
                ranking: Ranking::new(
                    positives
                        .chain(scored.iter().map(|&row| (row, score(row), false)))
                        .collect(),
                ),
            }
        };
        let subsets = std::iter::once(None).chain(Anomaly::ALL.map(Some)).map(subset);
        let snr = |row: usize| self.snr[row].unwrap_or(f64::NAN);
        let with_snr = scored.iter().copied().filter(|&row| snr(row).is_finite()).collect();
        Ok(Rankings {
            subsets: subsets.filter(|subset| subset.injected > 0).collect(),
            normals: scored.len(),
            unscored_normals: normals.len() - scored.len(),
            pairs: Pairs::new(with_snr, score, snr),
        })
    }
}

/// How well one score finds the anomalies.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// All anomalies against all normals.
    pub overall: Detection,
    /// Each kind that was injected against all normals.
    pub kinds: BTreeMap<Anomaly, Detection>,
    /// Spearman's ρ of score and signal-to-noise ratio among the normals; near 0 for a score that does not only measure
    /// noise. `None` where one of them is constant.
    pub snr_correlation: Option<Estimate>,
    /// Normals that have a score.
    pub normals: usize,
    /// Normals without a score, which are left out.
    pub unscored_normals: usize,
}

/// How well anomalies are told from normals.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Detection {
    /// Anomalies.
    pub injected: usize,
    /// Anomalies without a score, which count as missed.
    pub unscored: usize,
    /// Part of anomalies in all rows: the AUPRC of a score that knows nothing.
    pub base_rate: f64,
    /// Area under the receiver operating characteristic ([`auroc`](super::auroc)).
    pub auroc: Estimate,
    /// Area under the precision-recall curve ([`average_precision`](super::average_precision)).
    pub auprc: Estimate,
    /// Number of top rows, and the part of anomalies among them ([`precision_at`](super::precision_at)). The first is
    /// for as many rows as there are anomalies.
    pub precision_at: Vec<(usize, Estimate)>,
    /// Part of the anomalies that score higher than all but 1 % of the normals, or what the false positive rate is.
    pub recall: Estimate,
    /// Amplitude in σ from which on more than half are recalled at that false positive rate; `None` where that is not
    /// reached. An interval without an upper end has an infinite one, which is `null` in JSON.
    ///
    /// Anomalies are put into up to 10 bins of amplitude with equally many, at least 5, in each; the recall of the bins
    /// is made monotonic by isotonic regression, and the place of 0.5 is interpolated in the logarithm of the
    /// amplitude. If the weakest bin is beyond already, it is the mean amplitude there: read "at most". So it says
    /// little with fewer than some 50 anomalies. Over several kinds, whose amplitudes have different meanings, it
    /// depends on the mixture.
    pub half_recall_amplitude: Option<Estimate>,
}

/// One score, sorted in all the ways that its evaluation needs. The first subset is that of all kinds.
struct Rankings {
    subsets: Vec<Subset>,
    normals: usize,
    unscored_normals: usize,
    pairs: Pairs,
}

struct Subset {
    kind: Option<Anomaly>,
    injected: usize,
    unscored: usize,
    normals: usize,
    top: Vec<usize>,
    bins: AmplitudeBins,
    ranking: Ranking,
}

/// What is measured in one sample. NaN is what cannot be.
struct Measures {
    subsets: Vec<SubsetMeasures>,
    snr_correlation: f64,
}

struct SubsetMeasures {
    auroc: f64,
    auprc: f64,
    precision_at: Vec<f64>,
    recall: f64,
    half_recall_amplitude: f64,
}

impl Rankings {
    fn measure(&self, false_positive_rate: f64, weights: &(impl Weights + ?Sized)) -> Measures {
        let measure = |subset: &Subset| subset.measure(false_positive_rate, weights);
        Measures {
            subsets: self.subsets.iter().map(measure).collect(),
            snr_correlation: self.pairs.spearman(weights).unwrap_or(f64::NAN),
        }
    }

    fn evaluation(&self, measures: &Measures, samples: &[&Measures]) -> Evaluation {
        let detection = |i: usize| {
            let subset = &self.subsets[i];
            let estimate = |get: &dyn Fn(&SubsetMeasures) -> f64| {
                Estimate::new(
                    get(&measures.subsets[i]),
                    samples.iter().map(|sample| get(&sample.subsets[i])),
                )
            };
            let half = estimate(&|measures| measures.half_recall_amplitude);
            let precision = |(j, &k): (usize, &usize)| (k, estimate(&|measures| measures.precision_at[j]));
            Detection {
                injected: subset.injected,
                unscored: subset.unscored,
                base_rate: subset.injected as f64 / (subset.injected + subset.normals) as f64,
                auroc: estimate(&|measures| measures.auroc),
                auprc: estimate(&|measures| measures.auprc),
                precision_at: subset.top.iter().enumerate().map(precision).collect(),
                recall: estimate(&|measures| measures.recall),
                half_recall_amplitude: half.value.is_finite().then_some(half),
            }
        };
        let correlations = samples.iter().map(|sample| sample.snr_correlation);
        let correlation = Estimate::new(measures.snr_correlation, correlations);
        let kinds = self.subsets.iter().enumerate();
        Evaluation {
            overall: detection(0),
            kinds: kinds
                .filter_map(|(i, subset)| Some((subset.kind?, detection(i))))
                .collect(),
            snr_correlation: correlation.value.is_finite().then_some(correlation),
            normals: self.normals,
            unscored_normals: self.unscored_normals,
        }
    }
}

impl Subset {
    fn measure(&self, false_positive_rate: f64, weights: &(impl Weights + ?Sized)) -> SubsetMeasures {
        let ranking = &self.ranking;
        let (mut recalled, mut all) = (0.0, 0.0);
        let mut by_amplitude = self.bins.count();
        ranking.recalled(false_positive_rate, weights, |row, hit| {
            let weight = weights.of(row);
            all += weight;
            recalled += if hit { weight } else { 0.0 };
            by_amplitude.add(row, hit, weight);
        });
        let precision = |&k: &usize| ranking.precision_at(k, weights).unwrap_or(f64::NAN);
        SubsetMeasures {
            auroc: ranking.auroc(weights).unwrap_or(f64::NAN),
            auprc: ranking.average_precision(weights).unwrap_or(f64::NAN),
            precision_at: self.top.iter().map(precision).collect(),
            recall: recalled / all,
            half_recall_amplitude: by_amplitude.half(),
        }
    }
}
