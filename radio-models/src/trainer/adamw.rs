//! AdamW in few passes over memory.

use burn::optim::{AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor};

/// How much of the moments stays at a step.
const BETA: [f64; 2] = [0.9, 0.999];
/// Added to the root of the second moment.
const EPSILON: f64 = 1e-8;

/// The optimizer of Loshchilov & Hutter 2019, algorithm 2, with the decay times the learning rate, as PyTorch has it.
///
/// The same steps as burn's, up to rounding. What is the same for all weights, the factors of the moments and their bias corrections, is put
/// into two numbers: of weights that do not fit a cache, a step takes as long as memory is gone through.
#[derive(Clone)]
pub(super) struct AdamW {
    pub(super) weight_decay: f64,
}

impl AdamW {
    pub(super) fn init(self) -> ModuleOptimizer {
        self.into()
    }
}

impl Optimizer for AdamW {
    /// The moments of Kingma & Ba 2015, algorithm 1, without their factors: m / (1 − β₁) and v / (1 − β₂).
    type State<const D: usize> = AdaptiveMomentumState<D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        moments: Option<AdaptiveMomentumState<D>>,
    ) -> (Tensor<D>, Option<AdaptiveMomentumState<D>>) {
        let time = moments.as_ref().map_or(0, |moments| moments.time) + 1;
        let [first, second] = BETA.map(|beta| (1.0 - beta) / (1.0 - beta.powf(time as f64)));
        let kept = 1.0 - learning_rate * self.weight_decay;
        let length = -learning_rate * first / second.sqrt();
        let epsilon = EPSILON / second.sqrt();
        let moments = moments.map(|before| [before.moment_1, before.moment_2]);
        #[cfg(feature = "tch")]
        let moments = match crate::tch::adamw(&weights, &gradient, moments, [BETA[0], BETA[1], kept, length, epsilon]) {
            Ok([weights, first, second]) => return (weights, Some(AdaptiveMomentumState::new(time, first, second))),
            Err(moments) => moments,
        };
        let moments = match moments {
            Some([first, second]) => AdaptiveMomentumState::new(
                time,
                first * BETA[0] + gradient.clone(),
                second * BETA[1] + gradient.square(),
            ),
            None => AdaptiveMomentumState::new(time, gradient.clone(), gradient.square()),
        };
        let divisor = moments.moment_2.clone().sqrt() + epsilon;
        let step = divisor.recip() * moments.moment_1.clone();
        let weights = if kept > 0.0 {
            // In the memory of the divisor: the old weights are still the model's.
            (step * (length / kept) + weights) * kept
        } else {
            weights * kept + step * length
        };
        (weights, Some(moments))
    }

    fn to_device<const D: usize>(moments: AdaptiveMomentumState<D>, device: &Device) -> AdaptiveMomentumState<D> {
        moments.to_device(device)
    }
}

#[cfg(all(test, any(feature = "flex", feature = "tch")))]
mod tests {
    use burn::optim::AdamWConfig;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::model::read;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(5), ..ProptestConfig::default() })]

        #[test]
        fn steps_are_those_of_burn(
            gradients in prop::collection::vec([-3.0f32..3.0, -1e-3f32..1e-3, 0.0f32..1e-30, -1e6f32..1e6], 1..40),
            weights in [-2.0f32..2.0, -2.0f32..2.0, -2.0f32..2.0, -2.0f32..2.0],
            learning_rate in 1e-5..0.1,
            weight_decay in prop_oneof![Just(0.0f32), 0.0f32..0.1, 10.0f32..100.0],
        ) {
            let device = crate::device(if cfg!(feature = "tch") { "tch" } else { "cpu" }).unwrap();
            let burns = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(weight_decay).build();
            let ours = AdamW { weight_decay: f64::from(weight_decay) };
            let start = Tensor::<1>::from_floats(weights, &device);
            let (mut expected, mut found) = ((start.clone(), None), (start, None));
            for gradient in gradients {
                let gradient = Tensor::<1>::from_floats(gradient, &device);
                expected = burns.step(learning_rate, expected.0, gradient.clone(), expected.1);
                found = ours.step(learning_rate, found.0, gradient, found.1);
                let [expected, found] = [&expected.0, &found.0].map(|weights| read(weights.clone(), "reading").unwrap());
                // A decay that turns the weights around at each step multiplies what was rounded, too.
                let rounded = if weight_decay < 1.0 { 1e-5 } else { 1e-3 };
                for (expected, found) in expected.iter().zip(&found) {
                    let error = (expected - found).abs();
                    prop_assert!(error < 10.0 * rounded * learning_rate as f32 + rounded * expected.abs(), "{expected} {found}");
                }
            }
        }
    }
}
