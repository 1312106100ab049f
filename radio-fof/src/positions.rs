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
    use crate::error::Result;

    #[doc(hidden)]
    pub trait Positions: Sync {
        /// How many points there are; an error if there is no such thing.
        fn count(&self) -> Result<usize>;
        /// x, y and z of a point.
        fn at(&self, row: usize) -> [f64; 3];
    }
}

impl<T: Copy + Into<f64> + Sync> sealed::Positions for ArrayView2<'_, T> {
    fn count(&self) -> Result<usize> {
        match self.dim() {
            (rows, 3) => Ok(rows),
            (rows, columns) => Err(Error::Shape { rows, columns }),
        }
    }

    #[inline]
    fn at(&self, row: usize) -> [f64; 3] {
        let point = self.row(row);
        [point[0].into(), point[1].into(), point[2].into()]
    }
}

impl<T: Copy + Into<f64> + Sync> sealed::Positions for [&[T]; 3] {
    fn count(&self) -> Result<usize> {
        let expected = self[0].len();
        check_length("y", self[1].len(), "x", expected)?;
        check_length("z", self[2].len(), "x", expected)?;
        Ok(expected)
    }

    #[inline]
    fn at(&self, row: usize) -> [f64; 3] {
        [self[0][row].into(), self[1][row].into(), self[2][row].into()]
    }
}
