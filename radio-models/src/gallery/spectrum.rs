//! A spectrum made ready for drawing: bad pixels told apart, smoothed, and with a range that one spike cannot spoil.

use super::candidate::Candidate;

/// Standard deviation of the Gaussian that smooths noisy spectra, in pixels.
pub(super) const SMOOTHING_PIXELS: f64 = 4.0;
/// So many pixels can be seen one by one.
const FEW: usize = 200;
/// From 1 Å to 1 m: more than any spectrograph.
const WAVELENGTHS: std::ops::RangeInclusive<f64> = 1.0..=1e10;

/// One pixel with a usable wavelength.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pixel {
    pub(super) wavelength: f64,
    /// Flux and its error; nothing where the pixel is bad.
    pub(super) good: Option<(f64, f64)>,
    /// The flux, smoothed; nothing where the pixel is bad.
    pub(super) smooth: Option<f64>,
    /// The reconstruction, where it is a number.
    pub(super) model: Option<f64>,
}

impl Pixel {
    /// Flux minus reconstruction, in errors.
    pub(super) fn residual(&self) -> Option<f64> {
        let (flux, sigma) = self.good?;
        Some(((flux - self.model?) / sigma).clamp(-1e6, 1e6))
    }
}

#[derive(Debug)]
pub(super) struct Spectrum {
    /// In the order of their wavelengths.
    pub(super) pixels: Vec<Pixel>,
    /// Would a reader see the noise before the signal?
    pub(super) is_noisy: bool,
    /// What of the flux shall be seen.
    pub(super) flux_range: [f64; 2],
    /// What of the flux shall be seen in a picture as small as a word.
    pub(super) thumbnail_range: [f64; 2],
}

impl Spectrum {
    pub(super) fn new(candidate: &Candidate) -> Self {
        let arrays = candidate.flux.iter().zip(&candidate.sigma).zip(&candidate.model);
        let all = candidate
            .wavelength
            .iter()
            .zip(arrays)
            .map(|(&wavelength, ((&flux, &sigma), &model))| Pixel {
                wavelength,
                good: (flux.is_finite() && sigma.is_finite() && sigma > 0.0).then(|| (flux.into(), sigma.into())),
                smooth: None,
                model: model.is_finite().then(|| model.into()),
            });
        let mut pixels: Vec<Pixel> = all.filter(|pixel| WAVELENGTHS.contains(&pixel.wavelength)).collect();
        pixels.sort_by(|a, b| a.wavelength.total_cmp(&b.wavelength));
        let smooth = smooth(&pixels.iter().map(|pixel| pixel.good).collect::<Vec<_>>());
        for (pixel, smooth) in pixels.iter_mut().zip(smooth) {
            pixel.smooth = smooth;
        }
        let Ranges { noise, most, all } = Ranges::new(&pixels);
        Self {
            is_noisy: pixels.len() > FEW && noise > 0.01 * (all[1] - all[0]),
            flux_range: padded(all),
            // So small, the highest lines may be cut off for what is below them.
            thumbnail_range: [most[0], all[1].min(2.0 * most[1] - most[0])],
            pixels,
        }
    }

    pub(super) fn good_pixels(&self) -> usize {
        self.pixels.iter().filter(|pixel| pixel.good.is_some()).count()
    }

    /// From the first to the last pixel, in Å, or around the only one; nothing where there is none.
    pub(super) fn wavelength_range(&self) -> Option<[f64; 2]> {
        let [from, to] = [self.pixels.first()?.wavelength, self.pixels.last()?.wavelength];
        let room = if from < to { 0.0 } else { 1e-3 * from };
        Some([from - room, to + room])
    }
}

/// The means of the flux under a Gaussian, weighted by what is known of each pixel.
fn smooth(pixels: &[Option<(f64, f64)>]) -> Vec<Option<f64>> {
    let reach = (3.0 * SMOOTHING_PIXELS) as usize;
    let kernel = |distance: usize| (-0.5 * (distance as f64 / SMOOTHING_PIXELS).powi(2)).exp();
    let kernel: Vec<f64> = (0..=reach).map(kernel).collect();
    let mean = |i: usize| {
        pixels[i]?;
        let near = i.saturating_sub(reach)..pixels.len().min(i + reach + 1);
        let (sum, weights) = near.fold((0.0, 0.0), |(sum, weights), k| match pixels[k] {
            Some((flux, sigma)) => {
                let weight = kernel[k.abs_diff(i)] / (sigma * sigma);
                (sum + weight * flux, weights + weight)
            }
            None => (sum, weights),
        });
        Some(sum / weights)
    };
    (0..pixels.len()).map(mean).collect()
}

/// What of the flux is worth seeing.
struct Ranges {
    /// Between neighbours, in the unit of flux.
    noise: f64,
    /// Holds the flux without noise but for its extremes, and the reconstruction.
    most: [f64; 2],
    /// Holds lines that rise clearly above as well: up to 3 times as high, so that the rest does not become flat.
    all: [f64; 2],
}

impl Ranges {
    fn new(pixels: &[Pixel]) -> Self {
        let good: Vec<(f64, f64)> = pixels.iter().filter_map(|pixel| pixel.good).collect();
        let model = sorted(pixels.iter().filter_map(|pixel| pixel.model));
        if good.is_empty() {
            let ends = [0.0, 1.0].map(|part| quantile(&model, part).unwrap_or(part));
            return Self {
                noise: 0.0,
                most: ends,
                all: ends,
            };
        }
        // Of 5 neighbours the middle one: spikes of one or two pixels have no say.
        let medians: Vec<(f64, f64)> = (0..good.len())
            .map(|i| {
                let near = &good[i.saturating_sub(2)..good.len().min(i + 3)];
                let fluxes = sorted(near.iter().map(|(flux, _)| *flux));
                (quantile(&fluxes, 0.5).unwrap_or(good[i].0), good[i].1)
            })
            .collect();
        let calm: Vec<f64> = if good.len() > FEW {
            let medians: Vec<_> = medians.iter().copied().map(Some).collect();
            smooth(&medians).into_iter().flatten().collect()
        } else {
            medians.iter().map(|(flux, _)| *flux).collect()
        };
        let calm = sorted(calm.into_iter());
        let [low, high] = [0.01, 0.99].map(|part| quantile(&calm, part).unwrap_or_default());

        // A bad model may be anywhere: it is seen where it is not absurdly far away.
        let sigma = quantile(&sorted(good.iter().map(|(_, sigma)| *sigma)), 0.5).unwrap_or_default();
        let reach = (3.0 * (high - low)).max(5.0 * sigma);
        let low = quantile(&model, 0.005).map_or(low, |model| low.min(model.max(low - reach)));
        let high = quantile(&model, 0.995).map_or(high, |model| high.max(model.min(high + reach)));

        // How far a pixel is from the middle of its neighbours, and from the median to a standard deviation.
        let bends = sorted(
            good.windows(3)
                .map(|near| (near[0].0 / 2.0 - near[1].0 + near[2].0 / 2.0).abs()),
        );
        let noise = quantile(&bends, 0.5).unwrap_or_default() / (0.6745 * 1.5f64.sqrt());
        let most = [low - noise, high + noise];
        let (mut all, span) = (most, most[1] - most[0]);
        for (flux, sigma) in medians {
            if flux - 4.0 * sigma > most[1] {
                all[1] = all[1].max(flux.min(most[1] + 3.0 * span));
            }
            if flux + 4.0 * sigma < most[0] {
                all[0] = all[0].min(flux.max(most[0] - span));
            }
        }
        Self { noise, most, all }
    }
}

/// Leaves a little room at both ends, and shows 0 where that takes little.
fn padded([low, high]: [f64; 2]) -> [f64; 2] {
    let low = if low > 0.0 && low < 0.5 * high { 0.0 } else { low };
    let room = match 0.05 * (high - low) {
        0.0 if low == 0.0 => 1.0,
        0.0 => 0.1 * low.abs(),
        room => room,
    };
    [low - room, high + room]
}

pub(super) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value at such a part of the way through sorted ones; nothing where there is none.
pub(super) fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = (part * sorted.len().saturating_sub(1) as f64).round();
    sorted.get(place as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spectrum(flux: Vec<f32>) -> Spectrum {
        let n = flux.len();
        let wavelength = (0..n).map(|k| 4000.0 + k as f64).collect();
        Spectrum::new(&Candidate::new(1, 1.0, wavelength, flux, vec![0.02; n], vec![1.0; n]).unwrap())
    }

    #[test]
    fn a_spike_does_not_spoil_the_range_and_a_line_is_seen() {
        let mut flux: Vec<f32> = (0..1000).map(|k| 1.0 + 0.05 * (k as f32).sin()).collect();
        let [_, calm] = spectrum(flux.clone()).flux_range;
        flux[300] = 1e6;
        flux[301] = 1e6;
        flux[700] = -1e30;
        // The smoothed flux is disturbed beside a spike, but only there.
        assert!(spectrum(flux.clone()).flux_range[1] < 3.0 * calm);
        flux[500..504].fill(1.2);
        assert!(spectrum(flux).flux_range[1] > 1.2);
    }

    #[test]
    fn spectra_without_pixels_have_a_range() {
        assert_eq!(spectrum(vec![]).flux_range, [-0.05, 1.05]);
        assert!(spectrum(vec![f32::NAN; 3]).flux_range[0] < 1.0);
        assert!(spectrum(vec![5.0]).flux_range[1] > 5.0);
        assert_eq!(spectrum(vec![f32::NAN; 3]).good_pixels(), 0);
    }
}
