//! The length of a gradient over all weights of a module.
//!
//! burn clips each weight matrix by itself, which turns the gradient; here it keeps its direction.

use burn::Tensor;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;

/// The Euclidean length of all gradients together, shape `(1)`; `None` where there are none.
pub(crate) fn norm<M: Module>(module: &M, gradients: &GradientsParams) -> Option<Tensor<1>> {
    let mut visitor = Squares { gradients, sum: None };
    module.visit(&mut visitor);
    visitor.sum.map(Tensor::sqrt)
}

/// The same gradients, `factor` times as long.
pub(crate) fn scaled<M: Module>(module: &M, gradients: GradientsParams, factor: f32) -> GradientsParams {
    let mut visitor = Scale { gradients, factor };
    module.visit(&mut visitor);
    visitor.gradients
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let squares = sum_of_squares(gradient);
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + squares,
                None => squares,
            });
        }
    }
}

fn sum_of_squares<const D: usize>(gradient: Tensor<D>) -> Tensor<1> {
    #[cfg(feature = "tch")]
    if let Some(sum) = crate::tch::sum_of_squares(&gradient) {
        return Tensor::from_floats([sum as f32], &gradient.device());
    }
    // Rows first, as for the loss: the result must not depend on the number of threads.
    gradient.square().sum_dim(D - 1).sum()
}

struct Scale {
    gradients: GradientsParams,
    factor: f32,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.factor);
        }
    }
}

#[cfg(all(test, any(feature = "flex", feature = "tch")))]
mod tests {
    use burn::module::Module;

    use super::*;
    use crate::{ConvAutoencoder, ConvAutoencoderConfig, Model};

    fn gradients(model: &ConvAutoencoder) -> GradientsParams {
        let flux = Tensor::<3>::ones([3, 5, 4], &model.device());
        GradientsParams::from_grads(model.forward(flux).square().sum().backward(), model)
    }

    struct Collected<'a> {
        gradients: &'a GradientsParams,
        sum: f64,
    }

    impl ModuleVisitor for Collected<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.gradients.get::<D>(param.id);
            let numbers = gradient
                .and_then(|gradient| crate::model::read(gradient, "reading").ok())
                .unwrap_or_default();
            assert!(!numbers.is_empty());
            self.sum += numbers.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>();
        }
    }

    #[test]
    fn is_the_length_over_all_weights() -> crate::Result<()> {
        let model = ConvAutoencoderConfig::new(5, 4)
            .init(&crate::device(if cfg!(feature = "tch") { "tch" } else { "cpu" })?)?
            .train();
        let mut squares = Collected {
            gradients: &gradients(&model),
            sum: 0.0,
        };
        model.visit(&mut squares);
        let by_hand = squares.sum;
        for factor in [1.0, 0.25] {
            let gradients = scaled(&model, gradients(&model), factor);
            let length: f32 = norm(&model, &gradients).map_or(0.0, Tensor::into_scalar);
            let expected = by_hand.sqrt() * f64::from(factor);
            assert!(
                (f64::from(length) - expected).abs() < 1e-5 * expected,
                "{length} {expected}"
            );
        }
        Ok(())
    }
}
