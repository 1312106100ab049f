//! Laws that hold for all spectra.

use ndarray::{Array2, Axis, s};
use proptest::prelude::*;
use radio_tokenize::{Normalize, Spectra, TokenBatch, Tokenizer, WavelengthEncoding, flag};

use crate::support::{Sample, check_invariants, tame, tokenizers, wild};

fn tokenize(tokenizer: &Tokenizer, sample: &Sample) -> TokenBatch {
    tokenizer.tokenize(&sample.spectra()).unwrap()
}

/// Is row `i` of `batch` the only row of `alone`, padding aside?
#[track_caller]
fn check_row(batch: &TokenBatch, i: usize, alone: &TokenBatch) {
    let tokens = alone.valid.ncols();
    assert_eq!(
        batch.values.slice(s![i, ..tokens, ..]),
        alone.values.index_axis(Axis(0), 0)
    );
    assert_eq!(
        batch.errors.slice(s![i, ..tokens, ..]),
        alone.errors.index_axis(Axis(0), 0)
    );
    assert_eq!(
        batch.pixels.slice(s![i, ..tokens, ..]),
        alone.pixels.index_axis(Axis(0), 0)
    );
    assert_eq!(batch.valid.slice(s![i, ..tokens]), alone.valid.row(0));
    assert_eq!(batch.snr.slice(s![i, ..tokens]), alone.snr.row(0));
    assert_eq!(batch.wavelength.slice(s![i, ..tokens]), alone.wavelength.row(0));
    assert!(batch.pixels.slice(s![i, tokens.., ..]).iter().all(|&good| !good));
    let scales = alone.scale.ncols();
    assert_eq!(batch.scale.slice(s![i, ..scales]), alone.scale.row(0));
    assert_eq!(batch.offset.slice(s![i, ..scales]), alone.offset.row(0));
    assert_eq!(batch.flags[i], alone.flags[0]);
    assert_eq!(batch.spectrum_snr().unwrap()[i], alone.spectrum_snr().unwrap()[0]);
    assert_eq!(batch.lengths[i], alone.lengths[0]);
}

proptest! {
    #![proptest_config(crate::support::fixed())]

    #[test]
    fn any_bits_give_finite_tokens(sample in wild(), tokenizer in tokenizers()) {
        let batch = tokenize(&tokenizer, &sample);
        check_invariants(&batch);
        for i in 0..sample.rows() {
            let good = (sample.offsets[i]..sample.offsets[i + 1]).any(|k| sample.good(k));
            prop_assert_eq!(batch.flags[i] & flag::DEAD == 0, good);
        }
    }

    #[test]
    fn any_wavelengths_and_redshifts_are_refused_or_give_finite_tokens(
        bits in proptest::collection::vec(any::<u64>(), 0..40),
        is_sorted in any::<bool>(),
        redshift in any::<u64>(),
        window in any::<[u64; 2]>(),
        tokenizer in tokenizers(),
    ) {
        let mut wavelength: Vec<f64> = bits.into_iter().map(f64::from_bits).collect();
        if is_sorted {
            wavelength.retain(|x| x.is_finite() && *x > 0.0);
            wavelength.sort_unstable_by(f64::total_cmp);
            wavelength.dedup();
        }
        let flux: Vec<f32> = (0..wavelength.len()).map(|i| 1.0 + i as f32).collect();
        let offsets = [0, flux.len()];
        let Ok(spectra) = Spectra::ragged(&offsets, &flux, &flux, &wavelength) else {
            prop_assert!(!is_sorted);
            return Ok(());
        };
        let redshift = [f64::from_bits(redshift)];
        let [from, to] = window.map(f64::from_bits);
        let window = Normalize::RestFrameMedian { from, to };
        let spectra = spectra.redshift(&redshift).unwrap();
        for tokenizer in [tokenizer.clone(), tokenizer.normalize(window)] {
            if let Ok(batch) = tokenizer.tokenize(&spectra) {
                check_invariants(&batch);
            }
        }
    }

    #[test]
    fn memory_of_another_batch_leaves_no_trace(
        (before, sample) in (wild(), wild()),
        (first, tokenizer) in (tokenizers(), tokenizers()),
        without_ivar in any::<bool>(),
    ) {
        let mut batch = tokenize(&first, &before);
        if without_ivar {
            let spectra = Spectra::flux_ragged(&before.offsets, &before.flux, &before.wavelength).unwrap();
            let tokenizer = first.normalize(Normalize::Median);
            batch = tokenizer.tokenize(&spectra).unwrap();
            check_invariants(&batch);
        }
        tokenizer.tokenize_into(&sample.spectra(), &mut batch).unwrap();
        prop_assert_eq!(&batch, &tokenize(&tokenizer, &sample));
        // Nor does the scratch of the thread, which has just seen variances.
        let flux_only = Spectra::flux_ragged(&sample.offsets, &sample.flux, &sample.wavelength).unwrap();
        let tokenizer = tokenizer.normalize(Normalize::PatchMedian);
        tokenizer.tokenize_into(&flux_only, &mut batch).unwrap();
        check_invariants(&batch);
    }

    #[test]
    fn what_a_bad_pixel_holds_does_not_matter(sample in wild(), junk in any::<u32>(), tokenizer in tokenizers()) {
        let mut other = sample.clone();
        for k in 0..sample.flux.len() {
            if !sample.good(k) {
                other.flux[k] = f32::from_bits(junk.wrapping_mul(k as u32 | 1));
                other.ivar[k] = -other.ivar[k].abs();
            }
        }
        prop_assert_eq!(tokenize(&tokenizer, &sample), tokenize(&tokenizer, &other));
    }

    #[test]
    fn a_row_does_not_depend_on_its_batch(sample in wild(), tokenizer in tokenizers()) {
        let batch = tokenize(&tokenizer, &sample);
        for i in 0..sample.rows() {
            check_row(&batch, i, &tokenize(&tokenizer, &sample.only(i)));
        }
    }

    #[test]
    fn a_grid_is_a_ragged_batch_of_equal_rows(sample in tame(37..=37), tokenizer in tokenizers()) {
        let (rows, pixels) = (sample.rows(), 37);
        let grid: Vec<f64> = (0..pixels).map(|k| 4000.0 + k as f64).collect();
        let flux = Array2::from_shape_vec((rows, pixels), sample.flux.clone()).unwrap();
        let ivar = Array2::from_shape_vec((rows, pixels), sample.ivar.clone()).unwrap();
        let on_grid = Spectra::on_grid(flux.view(), ivar.view(), &grid).unwrap().mask(&sample.mask).unwrap();
        let on_grid = on_grid.redshift(&sample.redshift).unwrap();
        let ragged = Sample { wavelength: grid.repeat(rows), ..sample.clone() };
        let batch = tokenizer.tokenize(&on_grid).unwrap();
        if rows > 0 {
            prop_assert_eq!(&batch, &tokenize(&tokenizer, &ragged));
        }

        // The same numbers in other memory layouts: column by column, and backwards.
        let columns = flux.t().as_standard_layout().to_owned();
        let backwards = ivar.slice(s![.., ..;-1]).as_standard_layout().to_owned();
        let views = Spectra::on_grid(columns.t(), backwards.slice(s![.., ..;-1]), &grid).unwrap();
        let mask = Array2::from_shape_vec((rows, pixels), sample.mask.clone()).unwrap();
        let mask_by_columns = mask.t().as_standard_layout().to_owned();
        let views = views.mask_matrix(mask_by_columns.t()).unwrap().redshift(&sample.redshift).unwrap();
        prop_assert_eq!(&batch, &tokenizer.tokenize(&views).unwrap());

        // A grid for each row.
        let grids = Array2::from_shape_fn((pixels, rows), |(k, _)| grid[k]);
        let on_grids = Spectra::on_grids(flux.view(), ivar.view(), grids.t()).unwrap();
        let on_grids = on_grids.mask(&sample.mask).unwrap().redshift(&sample.redshift).unwrap();
        prop_assert_eq!(&batch, &tokenizer.tokenize(&on_grids).unwrap());
    }

    #[test]
    fn a_change_of_unit_changes_only_the_scale(sample in tame(1..=70), power in -20_i32..20) {
        // A power of two, so that nothing is rounded. The median is the only rule without rounding of its own.
        let unit = 2_f32.powi(power);
        let mut other = sample.clone();
        other.flux.iter_mut().for_each(|flux| *flux *= unit);
        other.ivar.iter_mut().for_each(|ivar| *ivar /= unit * unit);
        let (one, two) = (tokenize(&Tokenizer::new(8), &sample), tokenize(&Tokenizer::new(8), &other));
        let same_scale = flag::DEAD | flag::SCALE_IS_ONE;
        for i in (0..sample.rows()).filter(|&i| one.flags[i] & same_scale == 0) {
            prop_assert_eq!(one.scale[[i, 0]] * unit, two.scale[[i, 0]]);
            prop_assert_eq!(one.values.index_axis(Axis(0), i), two.values.index_axis(Axis(0), i));
            prop_assert_eq!(one.errors.index_axis(Axis(0), i), two.errors.index_axis(Axis(0), i));
            prop_assert_eq!(one.snr.row(i), two.snr.row(i));
        }
    }
}

#[test]
fn one_thread_and_many_agree() {
    let rows: Vec<Vec<(f32, f32, i32)>> = (0..200_u32)
        .map(|i| {
            let noise = |k: u32| (i * 977 + k).wrapping_mul(2_654_435_761) as f32 / u32::MAX as f32;
            (0..i * 7 % 300)
                .map(|k| (2.0 * noise(k), noise(k + 1) - 0.1, i32::from(k % 17 == 0)))
                .collect()
        })
        .collect();
    let sample = Sample::new(&rows);
    let tokenizer = Tokenizer::new(32).stride(20);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let batch = tokenize(&tokenizer, &sample);
            let pixels = tokenizer.detokenize(&batch).unwrap();
            let codes = WavelengthEncoding::universal(8)
                .encode(batch.wavelength.view())
                .unwrap();
            (batch, pixels, codes)
        })
    };
    let one = run(1);
    check_invariants(&one.0);
    assert_eq!(one, run(2));
    assert_eq!(one, run(7));
}
