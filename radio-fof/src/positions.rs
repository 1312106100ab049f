//! Where points are.

use ndarray::ArrayView2;

use crate::error::{Error, Result, check_length};

/// Points in three dimensions: a view of shape `(n, 3)`, or a slice for each of x, y and z; of `f32` or `f64` (or of
/// integers that fit in an `f64`). Nothing is copied, whatever the memory layout.
///
/// This trait is sealed.
///
/// # Examples
///
/// ```
/// use ndarray::array;
/// use radio_fof::Fof;
///
/// let fof = Fof::new(0.2);
/// let rows = array![[0.0_f32, 0.0, 0.0], [0.1, 0.0, 0.0]];
/// let (x, y, z) = ([0.0, 0.1], [0.0, 0.0], [0.0, 0.0]);
/// assert_eq!(fof.link(rows.view())?, fof.link([&x[..], &y, &z])?);
/// # Ok::<(), radio_fof::Error>(())
/// ```
pub trait Positions: sealed::Positions {}

impl<P: sealed::Positions> Positions for P {}

pub(crate) mod sealed {
    use super::Points;
    use crate::error::Result;

    #[doc(hidden)]
    pub trait Positions {
        type Coordinate: super::Coordinate;

        /// The points; an error if that is not what they are.
        fn points(&self) -> Result<Points<'_, Self::Coordinate>>;
    }
}

/// A number that is exact as an `f64`.
#[doc(hidden)]
pub trait Coordinate: Copy + Into<f64> + Sync {}

impl<T: Copy + Into<f64> + Sync> Coordinate for T {}

/// Points, however they lie in memory.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Points<'a, T> {
    /// x, y and z together, and no gaps.
    Rows(&'a [[T; 3]]),
    /// Anything else with three columns.
    Matrix(ArrayView2<'a, T>),
    /// Of one length.
    Columns([&'a [T]; 3]),
}

impl<T: Coordinate> Points<'_, T> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Matrix(matrix) => matrix.nrows(),
            Self::Columns([x, ..]) => x.len(),
        }
    }

    /// x, y and z of a point.
    #[inline]
    pub(crate) fn at(&self, row: usize) -> [f64; 3] {
        let [x, y, z] = match self {
            Self::Rows(rows) => rows[row],
            Self::Matrix(matrix) => [matrix[[row, 0]], matrix[[row, 1]], matrix[[row, 2]]],
            Self::Columns([x, y, z]) => [x[row], y[row], z[row]],
        };
        [x.into(), y.into(), z.into()]
    }
}

impl<T: Coordinate> sealed::Positions for ArrayView2<'_, T> {
    type Coordinate = T;

    fn points(&self) -> Result<Points<'_, T>> {
        let (rows, columns) = self.dim();
        if columns != 3 {
            return Err(Error::Shape { rows, columns });
        }
        Ok(match self.as_slice() {
            Some(numbers) => Points::Rows(numbers.as_chunks().0),
            None => Points::Matrix(self.view()),
        })
    }
}

impl<T: Coordinate> sealed::Positions for [&[T]; 3] {
    type Coordinate = T;

    fn points(&self) -> Result<Points<'_, T>> {
        let [x, y, z] = *self;
        check_length("y", y.len(), "x", x.len())?;
        check_length("z", z.len(), "x", x.len())?;
        Ok(Points::Columns([x, y, z]))
    }
}
