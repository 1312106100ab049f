//! Fourier transforms of real cubes, on all threads.

use std::f64::consts::TAU;
use std::sync::Arc;

use rayon::prelude::*;
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

/// Columns that are transformed together: a cache line of numbers from each row.
const COLUMNS: usize = 16;

/// The modes of a real field, `(n, n, n / 2 + 1)`: sums over all cells, without a factor.
pub(super) type Modes = Vec<Complex<f32>>;

/// The transforms of fields of n³ cells.
pub(super) struct Fourier {
    cells: usize,
    /// The wave number of the longest wave along an axis, in h/Mpc.
    fundamental: f64,
    /// k⁰, k¹ and k² along an axis in h/Mpc, `(n)` each. The wave that changes its sign from cell to cell has no first derivative.
    powers: [Vec<f32>; 3],
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
    rows_forward: Arc<dyn RealToComplex<f32>>,
    rows_inverse: Arc<dyn ComplexToReal<f32>>,
}

impl Fourier {
    pub(super) fn new(cells: usize, box_size_mpc_h: f64) -> Self {
        let fundamental = TAU / box_size_mpc_h;
        let wave = |power: i32| {
            let numbers = (0..cells).map(|i| {
                let k = if power % 2 == 1 && 2 * i == cells {
                    0.0
                } else {
                    frequency(i, cells)
                };
                (k * fundamental).powi(power) as f32
            });
            numbers.collect()
        };
        let (mut lines, mut rows) = (FftPlanner::new(), RealFftPlanner::new());
        Self {
            cells,
            fundamental,
            powers: [wave(0), wave(1), wave(2)],
            forward: lines.plan_fft_forward(cells),
            inverse: lines.plan_fft_inverse(cells),
            rows_forward: rows.plan_fft_forward(cells),
            rows_inverse: rows.plan_fft_inverse(cells),
        }
    }

    /// Length of a row of modes.
    fn width(&self) -> usize {
        self.cells / 2 + 1
    }

    /// The modes of the field whose planes `fill` writes, `(n, n)` each.
    ///
    /// O(n³ log n), 4 (n + 2) n² bytes.
    pub(super) fn forward(&self, fill: impl Fn(usize, &mut [f32]) + Sync) -> Modes {
        let (n, width) = (self.cells, self.width());
        let mut modes = vec![Complex::default(); n * n * width];
        let scratch = || {
            let rows = self.rows_forward.make_scratch_vec();
            (vec![0.0; n * n], rows, Columns::new(&self.forward, n))
        };
        modes
            .par_chunks_mut(n * width)
            .enumerate()
            .for_each_init(scratch, |(plane, rows, columns), (x, to)| {
                fill(x, plane);
                for (from, to) in plane.chunks_mut(n).zip(to.chunks_mut(width)) {
                    let done = self.rows_forward.process_with_scratch(from, to, rows);
                    debug_assert!(done.is_ok(), "the lengths fit");
                }
                columns.transform(&mut to.chunks_mut(width).collect::<Vec<_>>());
            });
        self.along_x(&mut modes, &self.forward);
        modes
    }

    /// Multiplies each mode by a number that depends on k, in h/Mpc; k = 0 by 0.
    pub(super) fn multiply(&self, modes: &mut [Complex<f32>], kernel: impl Fn(f64) -> Complex<f64> + Sync) {
        let table = (0..=self.most()).into_par_iter().map(|square| {
            if square == 0 {
                return Complex::default();
            }
            let factor = kernel(self.wave_number(square));
            Complex::new(factor.re as f32, factor.im as f32)
        });
        let table: Vec<Complex<f32>> = table.collect();
        let (n, width) = (self.cells, self.width());
        modes.par_chunks_mut(width).enumerate().for_each(|(row, modes)| {
            let xy = square(row / n, n) + square(row % n, n);
            for (z, mode) in modes.iter_mut().enumerate() {
                *mode *= table[xy + z * z];
            }
        });
    }

    /// Derivatives of a field, plane by plane, but for the factors of i.
    ///
    /// Of each term, `[a, b, c]`, the modes are multiplied by kx^a ky^b kz^c, with powers of up to 2. `write` gets the planes of all
    /// terms at one x, `(n, n)` each, and what belongs to this x.
    ///
    /// All but the transforms along x is done within a plane, so that no more than one cube is needed for each power along x, and one
    /// plane for each term and thread.
    ///
    /// O(n³ log n) for each term.
    pub(super) fn derivatives<const T: usize, O: Send>(
        &self,
        modes: Modes,
        terms: [[usize; 3]; T],
        outputs: Vec<O>,
        write: impl Fn(&[Vec<f32>; T], O) + Sync,
    ) {
        let (n, width) = (self.cells, self.width());
        let most = terms.iter().map(|term| term[0]).max().unwrap_or(0);
        let mut cubes = vec![modes];
        for powers in &self.powers[1..=most] {
            let planes = cubes[0].par_chunks(n * width).zip(powers);
            let cube = planes.flat_map_iter(|(plane, &k)| plane.iter().map(move |mode| mode * k));
            cubes.push(cube.collect());
        }
        for cube in &mut cubes {
            self.along_x(cube, &self.inverse);
        }
        let scratch = || {
            let planes = [(); T].map(|()| vec![0.0; n * n]);
            let rows = self.rows_inverse.make_scratch_vec();
            (
                vec![Complex::default(); n * width],
                planes,
                rows,
                Columns::new(&self.inverse, n),
            )
        };
        let norm = 1.0 / (n * n * n) as f32;
        outputs
            .into_par_iter()
            .enumerate()
            .for_each_init(scratch, |(work, planes, rows, columns), (x, output)| {
                for ([a, b, c], plane) in terms.iter().zip(planes.iter_mut()) {
                    let from = cubes[*a][x * n * width..].chunks(width);
                    for ((from, to), &ky) in from.zip(work.chunks_mut(width)).zip(&self.powers[*b]) {
                        for ((from, to), &kz) in from.iter().zip(to).zip(&self.powers[*c]) {
                            *to = from * (norm * ky * kz);
                        }
                    }
                    columns.transform(&mut work.chunks_mut(width).collect::<Vec<_>>());
                    for (from, to) in work.chunks_mut(width).zip(plane.chunks_mut(n)) {
                        // They are real but for rounding.
                        from[0].im = 0.0;
                        from[n / 2].im = 0.0;
                        let done = self.rows_inverse.process_with_scratch(from, to, rows);
                        debug_assert!(done.is_ok(), "the lengths fit");
                    }
                }
                write(planes, output);
            });
    }

    /// Of all modes with the same k: k in h/Mpc, how many they are, and the sum of their |δ|². Ascending, without k = 0.
    pub(super) fn shells(&self, modes: &[Complex<f32>]) -> impl Iterator<Item = (f64, u64, f64)> {
        let (n, width) = (self.cells, self.width());
        let mut shells = vec![(0, 0.0); self.most() + 1];
        for (row, modes) in modes.chunks(width).enumerate() {
            let xy = square(row / n, n) + square(row % n, n);
            for (z, mode) in modes.iter().enumerate() {
                // The other half of the modes are conjugates of these.
                let times = if z == 0 || 2 * z == n { 1 } else { 2 };
                let (count, sum) = &mut shells[xy + z * z];
                *count += times;
                *sum += times as f64 * f64::from(mode.norm_sqr());
            }
        }
        let shells = shells.into_iter().enumerate().skip(1);
        shells
            .filter(|(_, (count, _))| *count > 0)
            .map(|(square, (count, sum))| (self.wave_number(square), count, sum))
    }

    /// The largest square of a frequency.
    fn most(&self) -> usize {
        3 * (self.cells / 2).pow(2)
    }

    fn wave_number(&self, square: usize) -> f64 {
        self.fundamental * (square as f64).sqrt()
    }

    fn along_x(&self, modes: &mut [Complex<f32>], plan: &Arc<dyn Fft<f32>>) {
        let (n, width) = (self.cells, self.width());
        let mut planes: Vec<Vec<&mut [Complex<f32>]>> = (0..n).map(|_| Vec::with_capacity(n)).collect();
        for (row, modes) in modes.chunks_mut(width).enumerate() {
            planes[row % n].push(modes);
        }
        planes.into_par_iter().for_each_init(
            || Columns::new(plan, n),
            |columns, mut rows| columns.transform(&mut rows),
        );
    }
}

/// Waves along an axis, the later half of which go the other way.
fn frequency(i: usize, cells: usize) -> f64 {
    if 2 * i <= cells {
        i as f64
    } else {
        i as f64 - cells as f64
    }
}

fn square(i: usize, cells: usize) -> usize {
    i.min(cells - i).pow(2)
}

/// Transforms across rows.
struct Columns<'a> {
    plan: &'a Arc<dyn Fft<f32>>,
    block: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

impl<'a> Columns<'a> {
    fn new(plan: &'a Arc<dyn Fft<f32>>, cells: usize) -> Self {
        Self {
            plan,
            block: vec![Complex::default(); COLUMNS * cells],
            scratch: vec![Complex::default(); plan.get_inplace_scratch_len()],
        }
    }

    fn transform(&mut self, rows: &mut [&mut [Complex<f32>]]) {
        let (n, width) = (rows.len(), rows.first().map_or(0, |row| row.len()));
        for start in (0..width).step_by(COLUMNS) {
            let columns = start..width.min(start + COLUMNS);
            let block = &mut self.block[..columns.len() * n];
            for (y, row) in rows.iter().enumerate() {
                for (column, mode) in row[columns.clone()].iter().enumerate() {
                    block[column * n + y] = *mode;
                }
            }
            self.plan.process_with_scratch(block, &mut self.scratch);
            for (y, row) in rows.iter_mut().enumerate() {
                for (column, mode) in row[columns.clone()].iter_mut().enumerate() {
                    *mode = block[column * n + y];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELLS: usize = 6;
    const BOX: f64 = 3.0;

    /// Any numbers, with all waves in them.
    fn value(x: usize, y: usize, z: usize) -> f64 {
        ((x * 7 + y * 11 + z * 5 + x * y * z) % 13) as f64 - 6.0
    }

    fn modes(fourier: &Fourier) -> Modes {
        fourier.forward(|x, plane| {
            for (i, to) in plane.iter_mut().enumerate() {
                *to = value(x, i / CELLS, i % CELLS) as f32;
            }
        })
    }

    fn cells() -> impl Iterator<Item = [usize; 3]> {
        (0..CELLS.pow(3)).map(|i| [i / CELLS / CELLS, i / CELLS % CELLS, i % CELLS])
    }

    #[test]
    fn modes_are_the_sums_they_are_defined_by() {
        let modes = modes(&Fourier::new(CELLS, BOX));
        let width = CELLS / 2 + 1;
        for (i, mode) in modes.iter().enumerate() {
            let wave = [i / width / CELLS, i / width % CELLS, i % width];
            let sum: Complex<f64> = cells()
                .map(|[x, y, z]| {
                    let turns = (wave[0] * x + wave[1] * y + wave[2] * z) as f64 / CELLS as f64;
                    Complex::from_polar(value(x, y, z), -TAU * turns)
                })
                .sum();
            let mode = Complex::new(f64::from(mode.re), f64::from(mode.im));
            assert!((mode - sum).norm() < 1e-3, "{wave:?}: {mode} {sum}");
        }
    }

    #[test]
    fn fields_come_back() {
        let fourier = Fourier::new(CELLS, BOX);
        let mut planes = vec![Vec::new(); CELLS];
        let outputs = planes.iter_mut().collect();
        fourier.derivatives(modes(&fourier), [[0; 3]], outputs, |[plane], to| to.clone_from(plane));
        for [x, y, z] in cells() {
            assert!((f64::from(planes[x][y * CELLS + z]) - value(x, y, z)).abs() < 1e-5);
        }
    }

    /// A field that changes its sign from cell to cell, along x and along z.
    #[test]
    fn the_shortest_wave_has_no_first_derivative() {
        let fourier = Fourier::new(CELLS, BOX);
        let sign = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        let modes = fourier.forward(|x, plane| {
            for (i, to) in plane.iter_mut().enumerate() {
                *to = sign(x + i % CELLS);
            }
        });
        let terms = [[1, 0, 0], [0, 0, 1], [1, 0, 1], [2, 0, 0], [0, 0, 2]];
        let square = (TAU / BOX * 3.0).powi(2) as f32;
        fourier.derivatives(modes, terms, (0..CELLS).collect(), |planes, x| {
            for i in 0..CELLS * CELLS {
                let found = planes.each_ref().map(|plane| plane[i]);
                let second = square * sign(x + i % CELLS);
                for (found, expected) in found.into_iter().zip([0.0, 0.0, 0.0, second, second]) {
                    assert!((found - expected).abs() < 1e-4 * square);
                }
            }
        });
    }

    #[test]
    fn each_mode_is_in_one_shell() {
        let fourier = Fourier::new(CELLS, BOX);
        let (mut count, mut power) = (0, 0.0);
        for (k, modes, square) in fourier.shells(&modes(&fourier)) {
            assert!(k > 2.0 && k < 12.0);
            count += modes;
            power += square;
        }
        assert_eq!(count, (CELLS as u64).pow(3) - 1);
        // Parseval.
        let number = CELLS.pow(3) as f64;
        let mean = cells().map(|[x, y, z]| value(x, y, z)).sum::<f64>() / number;
        let expected: f64 = cells().map(|[x, y, z]| (value(x, y, z) - mean).powi(2)).sum();
        assert!((power / number / expected - 1.0).abs() < 1e-5);
    }
}
