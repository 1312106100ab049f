//! Arms of a spectrograph, which see parts of a spectrum that overlap, and how they are joined.

use parquet::basic::Type as PhysicalType;

use crate::decode::{self, Part};
use crate::fast::{FixedLists, Slot};
use crate::grid::Grid;
use crate::tile::Source;
use crate::{Error, Result};

/// An arm, or what takes the place of one: lists of one length that cover a part of the grid.
#[derive(Debug)]
pub(crate) struct Arm {
    /// The pixels of the grid that it covers: the first, and how many.
    pub(crate) first: usize,
    pub(crate) pixels: usize,
    /// Flux, ivar and mask, by their dotted paths.
    pub(crate) columns: [Option<String>; 3],
    /// Wavelengths, where every row has its own, which have to be those of the grid.
    wavelength: Option<String>,
    /// The columns of the parts, where they can be read fast.
    fixed: [Option<FixedLists>; 3],
}

impl Arm {
    pub(crate) fn new(source: &Source, first: usize, pixels: usize, columns: [Option<String>; 3]) -> Self {
        let fixed = Part::ALL.map(|part| {
            let physical = match part {
                Part::Mask => PhysicalType::INT32,
                Part::Flux | Part::Ivar => PhysicalType::FLOAT,
            };
            let column = columns[part as usize].as_deref()?;
            FixedLists::find(source.metadata.metadata(), column, physical, pixels)
        });
        Self {
            first,
            pixels,
            columns,
            wavelength: None,
            fixed,
        }
    }

    /// Makes sure that rows have the wavelengths of the grid.
    pub(crate) fn check(&self, source: &Source, rows: &[u64], grid: &Grid) -> Result<()> {
        let Some(column) = &self.wavelength else {
            return Ok(());
        };
        let expected = &grid.wavelength[self.first..self.first + self.pixels];
        let off = OFF_GRID * (expected.last().unwrap_or(&0.0) - expected.first().unwrap_or(&0.0)).abs()
            / self.pixels.saturating_sub(1).max(1) as f64;
        let wavelengths = decode::read_wavelengths(source, rows, column)?;
        for (&row, found) in rows.iter().zip(&wavelengths) {
            let differs = |(found, expected): (&f64, &f64)| (found - expected).abs() > off || found.is_nan();
            let reason = if found.len() != expected.len() {
                format!("{} wavelengths, in row 0 there are {}", found.len(), expected.len())
            } else if let Some(pixel) = found.iter().zip(expected).position(differs) {
                format!(
                    "pixel {pixel} is at {} Å, in row 0 at {} Å",
                    found[pixel], expected[pixel]
                )
            } else {
                continue;
            };
            return Err(Error::Value {
                path: source.path().to_owned(),
                row,
                column: column.clone(),
                reason: format!("{reason}: arms are joined where all rows of a tile have one grid"),
            });
        }
        Ok(())
    }

    /// Fills slots, which are sorted by their rows, with one part, and returns how many were left to parquet's reader.
    pub(crate) fn fill(&self, source: &Source, part: Part, slots: &mut [Slot<'_>]) -> Result<usize> {
        let left = match &self.fixed[part as usize] {
            Some(lists) => lists.fill(&source.file.get()?, source.path(), source.metadata.metadata(), slots)?,
            None => (0..slots.len()).collect(),
        };
        if left.is_empty() {
            return Ok(0);
        }
        let rows: Vec<u64> = left.iter().map(|&number| slots[number].row).collect();
        let decoded = decode::read_part(source, &rows, self, part)?;
        for (&number, values) in left.iter().zip(decoded.chunks_exact(self.pixels * size_of::<u32>())) {
            slots[number].values.copy_from_slice(values);
        }
        Ok(left.len())
    }
}

/// Name of a column of an arm, `B_FLUX` for instance.
pub(crate) fn column(arm: &str, what: &str) -> String {
    format!("{arm}_{what}")
}

/// A wavelength may be that far from its grid, in pixels.
const OFF_GRID: f64 = 0.01;
/// A grid of more pixels is a mistake.
const MOST_PIXELS: f64 = 1e7;

/// Finds the arms of a tile, and the grid that they are joined on: that of the first arm, as far as the last one goes. It is
/// read in the first row; [`Arm::check`] compares the others with it.
pub(crate) fn find(source: &Source, names: &[String]) -> Result<(Grid, Vec<Arm>)> {
    let wrong = |column: &str, reason: String| Error::Column {
        path: source.path().to_owned(),
        column: column.into(),
        reason,
    };
    let mut arms = Vec::new();
    let mut layout = Layout::default();
    for name in names {
        let [wavelength, flux, ivar, mask] = ["WAVELENGTH", "FLUX", "IVAR", "MASK"].map(|what| column(name, what));
        let has = |column: &str| source.metadata.schema().field_with_name(column).is_ok();
        if let Some(column) = [&wavelength, &flux, &ivar].into_iter().find(|column| !has(column)) {
            let reason = format!(
                "not found, but the tile has other columns of the arms {}",
                names.join(", ")
            );
            return Err(wrong(column, reason));
        }
        if source.rows() == 0 {
            return Err(wrong(
                &wavelength,
                "the tile has no row, whose wavelengths would be the grid".into(),
            ));
        }
        let found = decode::read_wavelengths(source, &[0], &wavelength)?
            .pop()
            .unwrap_or_default();
        let first = layout
            .place(&found)
            .map_err(|reason| wrong(&wavelength, format!("row 0: {reason}")))?;
        let columns = [Some(flux), Some(ivar), Some(mask).filter(|mask| has(mask))];
        arms.push(Arm {
            wavelength: Some(wavelength),
            ..Arm::new(source, first, found.len(), columns)
        });
    }
    Ok((layout.grid(), arms))
}

/// Arms, side by side on one grid: that of the first arm, as far as the last one goes.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) start: f64,
    pub(crate) step: f64,
    /// The pixels of the grid, so far.
    pub(crate) pixels: usize,
}

impl Layout {
    /// Puts an arm with these wavelengths on the grid, and returns its first pixel; the error is a reason for people.
    pub(crate) fn place(&mut self, wavelength: &[f64]) -> Result<usize, String> {
        let (Some(&here), Some(&last)) = (wavelength.first(), wavelength.last()) else {
            return Err("there is no wavelength".into());
        };
        if self.pixels == 0 {
            let step = (last - here) / wavelength.len().saturating_sub(1).max(1) as f64;
            // Ten digits are left of what the subtraction rounded.
            (self.start, self.step) = (here, (step * 1e9).round() / 1e9);
        }
        let (start, step) = (self.start, self.step);
        let first = ((here - start) / step).round();
        let is_on_grid =
            |(pixel, here): (usize, &f64)| (here - start - step * (first + pixel as f64)).abs() <= OFF_GRID * step;
        let is_sane = start > 0.0 && step > 0.0 && (0.0..MOST_PIXELS).contains(&first);
        if !is_sane || !wavelength.iter().enumerate().all(is_on_grid) {
            return Err(format!(
                "the wavelengths are not on the grid of the first arm, {start} Å + i · {step} Å"
            ));
        }
        let first = first as usize;
        self.pixels = self.pixels.max(first + wavelength.len());
        Ok(first)
    }

    pub(crate) fn grid(&self) -> Grid {
        Grid::new(self.start, self.step, self.pixels)
    }
}

/// What one arm says of one spectrum.
pub(crate) struct ArmRow<'a> {
    pub(crate) first: usize,
    pub(crate) flux: &'a [f32],
    pub(crate) ivar: &'a [f32],
    /// Empty where there is none.
    pub(crate) mask: &'a [i32],
}

/// Joins the arms of a spectrum as DESI's coaddition over cameras does: the flux is the mean weighted by inverse variance, which
/// are added; masks are OR'd, and cleared where the joined inverse variance is above 0. A pixel without one has flux 0.
/// (desispec, `coaddition.coadd_cameras`.)
pub(crate) fn join(arms: &[ArmRow<'_>], sums: &mut Sums, flux: &mut [f32], ivar: &mut [f32], mask: Option<&mut [i32]>) {
    sums.clear(flux.len());
    for arm in arms {
        let pixels = arm.first..arm.first + arm.flux.len();
        let weighted = sums.weighted[pixels.clone()].iter_mut().zip(&mut sums.weight[pixels]);
        for ((weighted, weight), (&flux, &ivar)) in weighted.zip(arm.flux.iter().zip(arm.ivar)) {
            if ivar > 0.0 {
                *weighted += f64::from(ivar) * f64::from(flux);
                *weight += f64::from(ivar);
            }
        }
    }
    for (pixel, (weighted, weight)) in sums.weighted.iter().zip(&sums.weight).enumerate() {
        flux[pixel] = if *weight > 0.0 { (weighted / weight) as f32 } else { 0.0 };
        ivar[pixel] = *weight as f32;
    }
    let Some(mask) = mask else { return };
    mask.fill(0);
    for arm in arms {
        for (joined, bits) in mask[arm.first..].iter_mut().zip(arm.mask) {
            *joined |= bits;
        }
    }
    for (mask, weight) in mask.iter_mut().zip(&sums.weight) {
        if *weight > 0.0 {
            *mask = 0;
        }
    }
}

/// Memory for [`join`], used again.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    weighted: Vec<f64>,
    weight: Vec<f64>,
}

impl Sums {
    fn clear(&mut self, pixels: usize) {
        for sums in [&mut self.weighted, &mut self.weight] {
            sums.clear();
            sums.resize(pixels, 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Pixel = (f32, f32, i32);

    /// Pixel by pixel, all arms each.
    fn slow(arms: &[(usize, Vec<Pixel>)], pixel: usize) -> Pixel {
        let of_arm = |(first, row): &(usize, Vec<Pixel>)| row.get(pixel.checked_sub(*first)?).copied();
        let seen: Vec<Pixel> = arms.iter().filter_map(of_arm).collect();
        let good = || seen.iter().filter(|(_, ivar, _)| *ivar > 0.0);
        let weight: f64 = good().map(|(_, ivar, _)| f64::from(*ivar)).sum();
        let weighted: f64 = good().map(|(flux, ivar, _)| f64::from(*flux) * f64::from(*ivar)).sum();
        if weight > 0.0 {
            ((weighted / weight) as f32, weight as f32, 0)
        } else {
            (0.0, 0.0, seen.iter().fold(0, |bits, (_, _, mask)| bits | mask))
        }
    }

    proptest! {
        #[test]
        fn joined_arms_are_the_weighted_mean(
            arms in proptest::collection::vec(
                (0..9_usize, proptest::collection::vec((-9.0..9.0_f32, prop_oneof![Just(0.0_f32), Just(-1.0), Just(f32::NAN), 0.1..9.0_f32], 0..8_i32), 1..9)),
                1..4,
            ),
        ) {
            let pixels = arms.iter().map(|(first, row)| first + row.len()).max().unwrap_or_default();
            let parts: Vec<(Vec<f32>, Vec<f32>, Vec<i32>)> = arms
                .iter()
                .map(|(_, row)| (row.iter().map(|p| p.0).collect(), row.iter().map(|p| p.1).collect(), row.iter().map(|p| p.2).collect()))
                .collect();
            let rows: Vec<ArmRow<'_>> = arms
                .iter()
                .zip(&parts)
                .map(|((first, _), (flux, ivar, mask))| ArmRow { first: *first, flux, ivar, mask })
                .collect();
            let (mut flux, mut ivar, mut mask) = (vec![7.0; pixels], vec![7.0; pixels], vec![7; pixels]);
            join(&rows, &mut Sums::default(), &mut flux, &mut ivar, Some(&mut mask));
            for pixel in 0..pixels {
                prop_assert_eq!((flux[pixel], ivar[pixel], mask[pixel]), slow(&arms, pixel));
            }
        }
    }
}
