//! Arms of a spectrograph, which see parts of a spectrum that overlap, and how they are joined.

use arrow_array::RecordBatch;
use arrow_buffer::ScalarBuffer;
use rayon::prelude::*;

use super::column::Column;
use super::element::Element;
use super::grid::Grid;
use super::lists::{Layout, Lists};
use crate::{ArrowColumns, Error, Result};

/// A wavelength may be that far from its grid, in pixels.
const OFF_GRID: f64 = 0.01;
/// A grid of more pixels is a mistake.
const MOST_PIXELS: f64 = 1e7;

/// All arms, blue to red.
#[derive(Debug)]
pub(super) struct Arms(Vec<Arm>);

#[derive(Debug)]
struct Arm {
    tops: Vec<usize>,
    wavelength: Lists,
    flux: Lists,
    ivar: Lists,
    mask: Option<Lists>,
}

/// Spectra on one grid, row after row.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// `None` where no row has wavelengths, and so no pixels.
    pub(super) grid: Option<Grid>,
    pub(super) flux: Vec<f32>,
    pub(super) ivar: Vec<f32>,
    pub(super) mask: Option<Vec<i32>>,
}

/// Has the batch a flux of one of the arms?
pub(super) fn has_any(batch: &RecordBatch, columns: &ArrowColumns) -> bool {
    let mut arms = columns.arms.iter();
    arms.any(|arm| Column::at(batch, &format!("{arm}_FLUX")).is_some())
}

pub(super) fn find(batch: &RecordBatch, columns: &ArrowColumns) -> Result<Arms> {
    let wrong = |column: String, reason| Err(Error::Column { column, reason });
    let all = columns.arms.join(", ");
    let mut arms = Vec::new();
    for arm in &columns.arms {
        let [wavelength, flux, ivar, mask] = ["WAVELENGTH", "FLUX", "IVAR", "MASK"].map(|what| format!("{arm}_{what}"));
        if columns.flux_only {
            let reason = "arms are joined by their inverse variance, so ArrowColumns::flux_only cannot be set";
            return wrong(ivar, reason.into());
        }
        let mut tops = Vec::new();
        let mut lists = |column: &str, accepted| -> Result<Option<Lists>> {
            let Some(column) = Column::at(batch, column) else {
                return Ok(None);
            };
            tops.push(column.top);
            Lists::new(&column, accepted).map(Some)
        };
        let found = [
            (&wavelength, lists(&wavelength, f64::ACCEPTED)?),
            (&flux, lists(&flux, f32::ACCEPTED)?),
            (&ivar, lists(&ivar, f32::ACCEPTED)?),
        ];
        let mask = lists(&mask, i32::ACCEPTED)?;
        let [(_, Some(wavelength)), (_, Some(flux)), (_, Some(ivar))] = found else {
            let missing = found.into_iter().find(|(_, lists)| lists.is_none());
            let reason =
                format!("not found, but there are other columns of the arms {all}; name them in ArrowColumns::arms");
            return wrong(
                missing.map_or_else(|| arm.clone(), |(column, _)| column.clone()),
                reason,
            );
        };
        arms.push(Arm {
            tops,
            wavelength,
            flux,
            ivar,
            mask,
        });
    }
    Ok(Arms(arms))
}

impl Arms {
    pub(super) fn tops(&self) -> Vec<usize> {
        self.0.iter().flat_map(|arm| &arm.tops).copied().collect()
    }

    /// Joins the arms of each row as DESI's coaddition over cameras does: the flux is the mean weighted by inverse variance,
    /// which are added; masks are OR'd, and cleared where the joined inverse variance is above 0. A pixel without one has
    /// flux 0. (desispec, `coaddition.coadd_cameras`.)
    pub(super) fn join(&self, rows: usize) -> Result<Joined> {
        let mut grid: Option<Grid> = None;
        let mut arms = Vec::new();
        for arm in &self.0 {
            arms.extend(arm.read(rows, &mut grid)?);
        }
        let Some(mut grid) = grid else {
            return Ok(Joined::default());
        };
        grid.pixels = arms.iter().map(|arm| arm.first + arm.pixels).max().unwrap_or(0);
        let size = rows.checked_mul(grid.pixels).filter(|n| *n < isize::MAX as usize / 8);
        let size = size.ok_or(Error::TooLarge {
            rows,
            tokens: 1,
            patch: grid.pixels,
        })?;
        let has_mask = arms.iter().any(|arm| arm.mask.is_some());
        let (mut flux, mut ivar) = (vec![0.0; size], vec![0.0; size]);
        let mut mask = vec![0; if has_mask { size } else { 0 }];
        let mut masks: Vec<&mut [i32]> = mask.chunks_mut(grid.pixels).collect();
        masks.resize_with(rows, Default::default);
        let out = flux.par_chunks_mut(grid.pixels).zip(ivar.par_chunks_mut(grid.pixels));
        out.zip(masks).enumerate().for_each_init(
            || vec![Sum::default(); grid.pixels],
            |sums, (row, ((flux, ivar), mask))| {
                sums.fill(Sum::default());
                for arm in &arms {
                    arm.add(row, sums);
                }
                for ((flux, ivar), sum) in flux.iter_mut().zip(ivar).zip(&*sums) {
                    if sum.weight > 0.0 {
                        *flux = (sum.weighted / sum.weight) as f32;
                        *ivar = sum.weight as f32;
                    }
                }
                for (mask, sum) in mask.iter_mut().zip(&*sums) {
                    *mask = if sum.weight > 0.0 { 0 } else { sum.bits };
                }
            },
        );
        Ok(Joined {
            grid: Some(grid),
            flux,
            ivar,
            mask: has_mask.then_some(mask),
        })
    }
}

/// What the arms say of a pixel.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    /// Of flux times inverse variance.
    weighted: f64,
    weight: f64,
    bits: i32,
}

/// An arm's values, row after row.
struct Values {
    /// The pixels of the grid that it covers: the first, and how many.
    first: usize,
    pixels: usize,
    /// Which rows are there.
    rows: Vec<bool>,
    flux: ScalarBuffer<f32>,
    ivar: ScalarBuffer<f32>,
    mask: Option<ScalarBuffer<i32>>,
}

impl Values {
    /// Adds a row's pixels to the sums.
    fn add(&self, row: usize, sums: &mut [Sum]) {
        if !self.rows[row] {
            return;
        }
        let range = row * self.pixels..(row + 1) * self.pixels;
        let sums = &mut sums[self.first..];
        let values = self.flux[range.clone()].iter().zip(&self.ivar[range.clone()]);
        for (sum, (&flux, &ivar)) in sums.iter_mut().zip(values) {
            if ivar > 0.0 {
                sum.weighted += f64::from(ivar) * f64::from(flux);
                sum.weight += f64::from(ivar);
            }
        }
        if let Some(mask) = &self.mask {
            for (sum, bits) in sums.iter_mut().zip(&mask[range]) {
                sum.bits |= bits;
            }
        }
    }
}

impl Arm {
    /// The values, checked to be on the grid, which the first arm starts. `None` where no row is there.
    fn read(&self, rows: usize, grid: &mut Option<Grid>) -> Result<Option<Values>> {
        let is_there = |row| self.all().all(|lists| lists.pixels(row).is_some());
        let there: Vec<bool> = (0..rows).map(is_there).collect();
        let Some(example) = there.iter().position(|is_there| *is_there) else {
            return Ok(None);
        };
        let pixels = self.wavelength.pixels(example).unwrap_or(0);
        if pixels == 0 {
            return Err(self.wavelength.wrong_row(example, "the arm has no wavelength".into()));
        }
        let of = format!("column {:?} in row {example}", self.wavelength.path);
        for lists in self.all() {
            lists.check_pixels(|_| Some(pixels), &of)?;
        }
        let layout = Layout::Even { pixels };
        let wavelength = self.wavelength.read::<f64>(&layout)?;
        let here = &wavelength[example * pixels..(example + 1) * pixels];
        let grid = grid.get_or_insert_with(|| starting_with(here));
        let first = ((here[0] - grid.start) / grid.step).round();
        let is_sane = grid.start > 0.0 && grid.step > 0.0 && (0.0..MOST_PIXELS).contains(&first);
        let first = if is_sane { first as usize } else { usize::MAX / 2 };
        let off = OFF_GRID * grid.step;
        let rows_there = there.iter().enumerate().filter(|(_, is_there)| **is_there);
        for (row, _) in rows_there {
            let here = &wavelength[row * pixels..(row + 1) * pixels];
            // A NaN is off, too.
            let is_on = |(pixel, x): (usize, &f64)| (x - grid.at(first + pixel)).abs() <= off;
            if let Some(pixel) = here.iter().enumerate().position(|at| !is_on(at)) {
                let (found, start, step) = (here[pixel], grid.start, grid.step);
                let reason = format!(
                    "pixel {pixel} is at {found} Å, which is not on the grid of the first row that there is, \
                     {start} Å + i · {step} Å; arms are joined where all rows have one grid"
                );
                return Err(self.wavelength.wrong_row(row, reason));
            }
        }
        Ok(Some(Values {
            first,
            pixels,
            rows: there,
            flux: self.flux.read(&layout)?,
            ivar: self.ivar.read(&layout)?,
            mask: self.mask.as_ref().map(|mask| mask.read(&layout)).transpose()?,
        }))
    }

    fn all(&self) -> impl Iterator<Item = &Lists> {
        let needed = [&self.wavelength, &self.flux, &self.ivar];
        needed.into_iter().chain(&self.mask)
    }
}

/// The grid of an arm with these wavelengths.
fn starting_with(wavelength: &[f64]) -> Grid {
    let (start, last) = (wavelength[0], wavelength[wavelength.len() - 1]);
    let step = (last - start) / wavelength.len().saturating_sub(1).max(1) as f64;
    Grid {
        start,
        // Ten digits are left of what the subtraction rounded.
        step: (step * 1e9).round() / 1e9,
        pixels: 0,
    }
}
