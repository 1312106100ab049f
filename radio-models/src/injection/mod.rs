//! Known anomalies in real spectra, and how well a score finds them.
//!
//! Nobody knows which spectra of a survey are strange, so a score cannot be tested on the survey alone. This module
//! puts anomalies of seven [kinds](Anomaly) into a small part of the spectra ([`Injector`]), and then measures how far
//! up the ranking of a score brings them ([`Evaluator`]).
//!
//! ```
//! use radio_models::injection::{Evaluator, Injector, InjectorOptions, Spectrum};
//!
//! let injector = Injector::new(InjectorOptions::default().with_seed(7).with_fraction(0.1))?;
//! let wavelength: Vec<f64> = (0..7781).map(|i| 3600.0 + 0.8 * f64::from(i)).collect();
//! let ivar = vec![4.0; 7781];
//!
//! let (mut labels, mut scores) = (Vec::new(), Vec::new());
//! for id in 0..200 {
//!     let mut flux = vec![1.0; 7781];
//!     let mut spectrum = Spectrum::new(&wavelength, &mut flux, &ivar)?;
//!     let injected = match injector.draw(id) {
//!         Some(injection) => injector.inject(&injection, &mut spectrum)?,
//!         None => None,
//!     };
//!     labels.push(injected.map(|injected| (injected.kind, injected.amplitude)));
//!     // A score that is easy to beat: the largest flux.
//!     scores.push(flux.iter().copied().reduce(f32::max).map(f64::from));
//! }
//!
//! let snr = vec![Some(2.0); 200];
//! let evaluation = Evaluator::new(&labels, &snr)?.evaluate(&scores)?;
//! assert!(evaluation.overall.auroc.value > 0.7);
//! assert!(evaluation.overall.auroc.value < 1.0, "it does not see troughs");
//! # Ok::<(), radio_models::Error>(())
//! ```
//!
//! # What the numbers mean
//!
//! They say how well *these* anomalies are found *at these amplitudes* among *these* spectra, some of which are strange
//! without our doing: a true oddity counts as a false alarm here. Use them to compare scores on the same rows, which
//! [`Evaluator::compare`] does, and not as the purity of a search.

mod anomaly;
mod bootstrap;
mod comparison;
mod draw;
mod estimate;
mod evaluation;
mod half_recall;
mod injector;
mod lines;
mod metrics;
mod random;
mod smooth;
mod spectrum;
mod wide;

pub use anomaly::Anomaly;
pub use comparison::{Compared, Comparison};
pub use draw::Injection;
pub use estimate::Estimate;
pub use evaluation::{Detection, Evaluation, Evaluator, Label};
pub use injector::{Injected, Injector, InjectorOptions};
pub use metrics::{auroc, average_precision, precision_at, spearman};
pub use spectrum::{Donor, Spectrum};
