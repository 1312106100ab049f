//! The optimizer's passes over the memory of the weights.
//!
//! LibTorch goes through memory for each operation, and AdamW has ten. Weights that fit no cache want all of it done in one pass, as
//! PyTorch's fused optimizer does, which is not among what the crate `tch` offers.

use burn::backend::libtorch::TchTensor;
use burn::backend::{DType, LibTorch};
use burn::tensor::Tensor;
use pulp::Arch;
use rayon::prelude::*;

use crate::device::is_tch_cpu;

/// Numbers that a thread takes at once: a few arrays of as many stay in the nearest caches.
const CHUNK: usize = 16 << 10;
/// Sums next to each other, so that the processor need not wait for one.
const LANES: usize = 16;

/// The numbers of a tensor in a row in memory; gives it back where it is not LibTorch's on the CPU, or of other numbers than `f32`.
fn in_a_row<const D: usize>(tensor: Tensor<D>) -> Result<TchTensor, Tensor<D>> {
    // Of no numbers at all LibTorch has no address.
    if !is_tch_cpu(&tensor.device()) || tensor.dtype() != DType::F32 || tensor.shape().num_elements() == 0 {
        return Err(tensor);
    }
    let same = tensor.clone();
    let tensor = tensor.try_into_primitive::<LibTorch>().map_err(|_| same)?;
    if tensor.tensor.is_contiguous() {
        return Ok(tensor);
    }
    Ok(TchTensor::new(tensor.tensor.contiguous()))
}

/// The same tensor, in memory that nobody else looks at.
fn owned(tensor: TchTensor) -> TchTensor {
    if tensor.can_mut() {
        return tensor;
    }
    TchTensor::new(tensor.tensor.copy())
}

#[expect(unsafe_code, reason = "the crate tch gives numbers out as copies only")]
fn floats(tensor: &TchTensor) -> &[f32] {
    // SAFETY: `in_a_row` saw to it that these are so many f32 in the memory of the processor, one after the other. They live as long as
    // the tensor, and nobody changes them: LibTorch changes tensors in place only where burn finds that there is one reference.
    unsafe { std::slice::from_raw_parts(tensor.tensor.data_ptr().cast(), tensor.tensor.numel()) }
}

#[expect(unsafe_code, reason = "the crate tch has no access to numbers in place")]
fn floats_mut(tensor: &mut TchTensor) -> &mut [f32] {
    // SAFETY: as above, and `owned` saw to it that nobody else has them.
    unsafe { std::slice::from_raw_parts_mut(tensor.tensor.data_ptr().cast(), tensor.tensor.numel()) }
}

/// The sum of the squares of all numbers, the same for any number of threads; `None` on another device.
pub(crate) fn sum_of_squares<const D: usize>(tensor: &Tensor<D>) -> Option<f64> {
    let tensor = in_a_row(tensor.clone()).ok()?;
    let processor = Arch::new();
    let sums = floats(&tensor).par_chunks(CHUNK);
    let sums: Vec<f64> = sums.map(|chunk| processor.dispatch(|| squares(chunk))).collect();
    Some(sums.into_iter().sum())
}

#[inline(always)]
fn squares(chunk: &[f32]) -> f64 {
    let mut sums = [0.0f32; LANES];
    let (whole, rest) = chunk.as_chunks::<LANES>();
    for numbers in whole {
        sums.iter_mut().zip(numbers).for_each(|(sum, x)| *sum += x * x);
    }
    rest.iter().zip(&mut sums).for_each(|(x, sum)| *sum += x * x);
    sums.into_iter().map(f64::from).sum()
}

/// A step of AdamW, w ← kept · w + length · m / (√v + ε) after m ← β₁ m + g and v ← β₂ v + g², with the factors in the order
/// β₁, β₂, kept, length, ε. Gives the weights and the moments, or on another device the moments as they were.
#[expect(clippy::result_large_err, reason = "the moments, given back")]
pub(crate) fn adamw<const D: usize>(
    weights: &Tensor<D>,
    gradient: &Tensor<D>,
    moments: Option<[Tensor<D>; 2]>,
    factors: [f64; 5],
) -> Result<[Tensor<D>; 3], Option<[Tensor<D>; 2]>> {
    let (Ok(weights), Ok(gradient)) = (in_a_row(weights.clone()), in_a_row(gradient.clone())) else {
        return Err(moments);
    };
    let moments = moments.map(|moments| moments.map(in_a_row));
    let [mut first, mut second] = match moments {
        Some([Ok(first), Ok(second)]) => [first, second].map(owned),
        Some(other) => {
            let back = |moment: Result<_, _>| moment.map_or_else(|moment| moment, Tensor::from_primitive::<LibTorch>);
            return Err(Some(other.map(back)));
        }
        None => [(), ()].map(|()| TchTensor::new(gradient.tensor.zeros_like())),
    };
    let mut stepped = TchTensor::new(weights.tensor.empty_like());
    let moments = floats_mut(&mut first).par_chunks_mut(CHUNK);
    let moments = moments.zip(floats_mut(&mut second).par_chunks_mut(CHUNK));
    let known = floats(&weights).par_chunks(CHUNK);
    let known = known.zip(floats(&gradient).par_chunks(CHUNK));
    let chunks = floats_mut(&mut stepped).par_chunks_mut(CHUNK).zip(moments).zip(known);
    let factors = factors.map(|factor| factor as f32);
    let processor = Arch::new();
    chunks.for_each(|((stepped, moments), known)| processor.dispatch(|| step(stepped, moments, known, factors)));
    Ok([stepped, first, second].map(Tensor::from_primitive::<LibTorch>))
}

#[inline(always)]
fn step(
    stepped: &mut [f32],
    (first, second): (&mut [f32], &mut [f32]),
    (weights, gradient): (&[f32], &[f32]),
    [beta_1, beta_2, kept, length, epsilon]: [f32; 5],
) {
    let moments = first.iter_mut().zip(second);
    let known = weights.iter().zip(gradient);
    for ((stepped, (m, v)), (w, g)) in stepped.iter_mut().zip(moments).zip(known) {
        *m = beta_1 * *m + g;
        *v = beta_2 * *v + g * g;
        *stepped = kept * w + length * *m / (v.sqrt() + epsilon);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::{device, model::read};

    const FACTORS: [f64; 5] = [0.9, 0.999, 0.99, -1e-2, 1e-6];

    /// More than two chunks, and no whole number of them.
    fn random(transposed: bool) -> crate::Result<Tensor<2>> {
        let device = device("tch")?;
        device.seed(3);
        let tensor = Tensor::random([201, 199], Distribution::Uniform(-2.0, 2.0), &device);
        Ok(if transposed {
            Tensor::random([199, 201], Distribution::Uniform(-2.0, 2.0), &device).transpose()
        } else {
            tensor
        })
    }

    #[test]
    fn squares_are_added_up() -> crate::Result<()> {
        for transposed in [false, true] {
            let tensor = random(transposed)?;
            let expected: f64 = read(tensor.clone(), "reading")?
                .iter()
                .map(|&x| f64::from(x).powi(2))
                .sum();
            let found = sum_of_squares(&tensor).unwrap();
            assert!((found - expected).abs() < 1e-6 * expected, "{found} {expected}");
        }
        Ok(())
    }

    #[test]
    fn steps_are_those_of_one_number_after_the_other() -> crate::Result<()> {
        for transposed in [false, true] {
            let weights = random(false)?;
            let gradients = [random(transposed)?, random(!transposed)? * 0.1];
            let mut expected: Vec<[f64; 3]> = read(weights.clone(), "")?
                .iter()
                .map(|&w| [f64::from(w), 0.0, 0.0])
                .collect();
            let (mut found, mut moments) = (weights.clone(), None);
            let [beta_1, beta_2, kept, length, epsilon] = FACTORS;
            for gradient in gradients {
                let before = moments.clone();
                let kept_numbers = before
                    .as_ref()
                    .map(|[first, _]: &[Tensor<2>; 2]| read(first.clone(), ""))
                    .transpose()?;
                let [stepped, first, second] = adamw(&found, &gradient, moments, FACTORS).unwrap();
                (found, moments) = (stepped, Some([first, second]));
                for ([w, m, v], g) in expected
                    .iter_mut()
                    .zip(read(gradient, "")?)
                    .map(|(e, g)| (e, f64::from(g)))
                {
                    *m = beta_1 * *m + g;
                    *v = beta_2 * *v + g * g;
                    *w = kept * *w + length * *m / (v.sqrt() + epsilon);
                }
                // What somebody else holds stays as it is.
                assert_eq!(before.map(|[first, _]| read(first, "")).transpose()?, kept_numbers);
            }
            let [first, second] = moments.unwrap();
            for (number, tensor) in [found, first, second].into_iter().enumerate() {
                for (found, expected) in read(tensor, "")?.into_iter().zip(&expected) {
                    let expected = expected[number];
                    assert!(
                        (f64::from(found) - expected).abs() < 1e-5 * expected.abs().max(0.1),
                        "{found} {expected}"
                    );
                }
            }
            assert_eq!(read(weights, "")?, read(random(false)?, "")?);
        }
        Ok(())
    }

    #[test]
    #[cfg(feature = "flex")]
    fn other_devices_are_left_alone() -> crate::Result<()> {
        let tensor = Tensor::<2>::ones([3, 4], &device("cpu")?);
        assert!(sum_of_squares(&tensor).is_none());
        let moments = Some([tensor.clone(), tensor.clone()]);
        assert!(adamw(&tensor, &tensor, moments, FACTORS).is_err_and(|moments| moments.is_some()));
        Ok(())
    }
}
