//! Functions of one tensor that LibTorch goes back through by their result alone, in one pass.
//!
//! burn puts a softmax together of a maximum with its place, a difference, an exponential that it computes again on the way back, and a sum;
//! and it goes back through a ReLU by filling a mask.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::libtorch::TchTensor;
use burn::backend::{Autodiff, LibTorch};
use burn::tensor::Tensor;

use crate::device::is_tch_cpu;

/// The softmax along the last axis; gives the tensor back on another device, or where results are to be computed again.
pub(crate) fn softmax<const D: usize>(x: Tensor<D>) -> Result<Tensor<D>, Tensor<D>> {
    let forward = |x: &tch::Tensor| x.softmax(-1, x.kind());
    apply(x, forward, |gradient, output| {
        tch::Tensor::internal_softmax_backward_data(gradient, output, -1, output.kind())
    })
}

/// max(x, 0), likewise.
pub(crate) fn relu<const D: usize>(x: Tensor<D>) -> Result<Tensor<D>, Tensor<D>> {
    apply(x, tch::Tensor::relu, |gradient, output| {
        output.threshold_backward(gradient, 0)
    })
}

/// The gradient of the input, of that of the output and the output.
type Back = fn(&tch::Tensor, &tch::Tensor) -> tch::Tensor;

#[derive(Clone, Copy, Debug)]
struct ByOutput(Back);

impl Backward<LibTorch, 1> for ByOutput {
    type State = TchTensor;

    fn backward(self, ops: Ops<TchTensor, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        unary::<LibTorch, _>(ops.parents, ops.node, gradients, |gradient| {
            TchTensor::new((self.0)(&gradient.tensor, &ops.state.tensor))
        });
    }
}

fn apply<const D: usize>(
    x: Tensor<D>,
    forward: impl Fn(&tch::Tensor) -> tch::Tensor,
    back: Back,
) -> Result<Tensor<D>, Tensor<D>> {
    if !is_tch_cpu(&x.device()) {
        return Err(x);
    }
    let same = x.clone();
    if !x.is_autodiff() {
        let x = x.try_into_primitive::<LibTorch>().map_err(|_| same)?;
        return Ok(Tensor::from_primitive::<LibTorch>(TchTensor::new(forward(&x.tensor))));
    }
    let x = x.try_into_primitive::<Autodiff<LibTorch>>().map_err(|_| same)?;
    let (x, node) = x.into_parts();
    let output = TchTensor::new(forward(&x.tensor));
    let output = match ByOutput(back)
        .prepare::<NoCheckpointing>([node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(preparation) => preparation.finish(output.clone(), output),
        OpsKind::UnTracked(preparation) => preparation.finish(output),
    };
    Ok(Tensor::from_primitive::<Autodiff<LibTorch>>(output))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, activation};

    use super::*;
    use crate::{device, model::read};

    /// Values and gradients are those of burn's own functions.
    #[test]
    fn functions_are_those_of_burn() -> crate::Result<()> {
        let device = device("tch")?.autodiff();
        device.seed(3);
        let random = |scale: f64| Tensor::<3>::random([7, 5, 33], Distribution::Uniform(-scale, scale), &device);
        let weights = random(1.0);
        type Function = fn(Tensor<3>) -> Tensor<3>;
        let pairs: [(Function, Function); 2] = [
            (|x| softmax(x).unwrap(), |x| activation::softmax(x, 2)),
            (|x| relu(x).unwrap(), activation::relu),
        ];
        // With large numbers, too, of which no exponential may be infinite.
        for scale in [1.0, 200.0] {
            let x = random(scale);
            for (ours, burns) in pairs {
                let [ours, burns] = [ours, burns].map(|function| {
                    let x = x.clone().require_grad();
                    let y = function(x.clone());
                    let gradients = (y.clone() * weights.clone()).sum().backward();
                    (y.inner(), x.grad(&gradients).unwrap())
                });
                for (ours, burns) in [(ours.0, burns.0), (ours.1, burns.1)] {
                    for (ours, burns) in read(ours, "")?.into_iter().zip(read(burns, "")?) {
                        assert!((ours - burns).abs() < 1e-5, "{ours} {burns}");
                    }
                }
            }
        }
        Ok(())
    }

    #[test]
    fn what_is_to_be_computed_again_is_left_alone() -> crate::Result<()> {
        let x = Tensor::<2>::ones([2, 3], &device("tch")?.autodiff().gradient_checkpointing());
        assert!(softmax(x.clone()).is_err() && relu(x).is_err());
        Ok(())
    }
}
