//! Which part of the galaxies around a place has a redshift.

use kiddo::{ImmutableKdTree, SquaredEuclidean};
use rayon::prelude::*;

use crate::error::{Error, Result, check_column, check_length};
use crate::survey::{check_sky, direction};

/// The completeness around each observed galaxy: the number of observed galaxies within an angle of it, over the number
/// of targets there.
///
/// `observed` and `targets` are right ascensions and declinations in degrees; the targets are all galaxies that should
/// have been observed, those that were among them. `radius_deg` has one angle per observed galaxy, of the size of a group
/// there, for example 1 Mpc. The result goes into [`Survey::completeness`](crate::Survey::completeness).
///
/// # Errors
///
/// [`Error::Length`]; [`Error::Value`] for a place that is not on the sky, a radius outside [0, 180], and for a galaxy
/// that has fewer targets around it than observed galaxies, itself included: it is not among the targets;
/// [`Error::TooManyRows`] where the k-d tree refuses the points.
///
/// # Complexity
///
/// O(n log n) and the number of targets within the radii, by a k-d tree.
///
/// # Examples
///
/// ```
/// // Three of the four targets around (150, 2) have a redshift, and the one at (10, 0).
/// let observed = ([150.0, 150.01, 150.02, 10.0], [2.0, 2.0, 2.0, 0.0]);
/// let targets = ([150.0, 150.01, 150.02, 150.0, 10.0], [2.0, 2.0, 2.0, 2.02, 0.0]);
/// let completeness = radio_fof::completeness(
///     (&observed.0, &observed.1),
///     (&targets.0, &targets.1),
///     &[0.1; 4],
/// )?;
/// assert_eq!(completeness, [0.75, 0.75, 0.75, 1.0]);
/// # Ok::<(), radio_fof::Error>(())
/// ```
pub fn completeness(observed: (&[f64], &[f64]), targets: (&[f64], &[f64]), radius_deg: &[f64]) -> Result<Vec<f64>> {
    check_sky("ra", observed.0, "dec", observed.1)?;
    check_sky("target ra", targets.0, "target dec", targets.1)?;
    check_length("radius_deg", radius_deg.len(), "ra", observed.0.len())?;
    check_column("radius_deg", radius_deg, "within [0, 180]", |radius| {
        (0.0..=180.0).contains(&radius)
    })?;
    let directions = |(ra, dec): (&[f64], &[f64])| -> Vec<[f64; 3]> {
        ra.par_iter().zip(dec).map(|(&ra, &dec)| direction(ra, dec)).collect()
    };
    let places = directions(observed);
    let observed_near = count_near(&places, &places, radius_deg)?;
    let targets_near = count_near(&directions(targets), &places, radius_deg)?;
    if let Some(row) = (0..places.len()).find(|&row| targets_near[row] < observed_near[row]) {
        return Err(Error::Value {
            column: "completeness",
            row,
            value: observed_near[row] as f64 / targets_near[row] as f64,
            expected: "at most 1; every observed galaxy has to be among the targets",
        });
    }
    let fraction = |(&observed, &targets): (&usize, &usize)| observed as f64 / targets as f64;
    Ok(observed_near.iter().zip(&targets_near).map(fraction).collect())
}

/// How many `points` on the unit sphere are within an angle of each place.
fn count_near(points: &[[f64; 3]], places: &[[f64; 3]], radius_deg: &[f64]) -> Result<Vec<usize>> {
    let tree: ImmutableKdTree<f64, 3> =
        ImmutableKdTree::new_from_slice(points).map_err(|_| Error::TooManyRows { rows: points.len() })?;
    let count = |(place, &radius): (&[f64; 3], &f64)| {
        // A little more than the chord, so that a galaxy finds itself at radius 0.
        let chord = 2.0 * (0.5 * radius.to_radians()).sin() + 1e-12;
        tree.query(place)
            .within::<SquaredEuclidean<f64>>(chord * chord)
            .unsorted()
            .execute()
            .len()
    };
    Ok(places.par_iter().zip(radius_deg).map(count).collect())
}
