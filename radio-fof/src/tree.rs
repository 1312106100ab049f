//! Friends of friends with one linking length, on a k-d tree: for points spread over so much space that a grid of cells as
//! small as the linking length cannot be numbered.

use kiddo::{ImmutableKdTree, SquaredEuclidean};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::sets::DisjointSets;

/// The tree is asked for a little more than the linking length; the metric decides.
const MARGIN: f64 = 1e-6;

/// Links the points: the result has a number for each, which is the same for all of a group and below their number.
pub(crate) fn link(points: &[[f64; 3]], metric: Metric) -> Result<Vec<u32>> {
    let sets = DisjointSets::new(points.len());

    // Outliers are often one fill value many times over. Equal points are friends, and the tree sees one of them.
    let mut order: Vec<u32> = (0..points.len() as u32).collect();
    let bits = |&i: &u32| points[i as usize].map(f64::to_bits);
    order.par_sort_unstable_by_key(|i| (bits(i), *i));
    let mut distinct: Vec<u32> = Vec::new();
    for i in order {
        match distinct.last() {
            Some(&last) if bits(&last) == bits(&i) => sets.unite(last, i),
            _ => distinct.push(i),
        }
    }

    let positions: Vec<[f64; 3]> = distinct.iter().map(|&i| points[i as usize]).collect();
    let tree: ImmutableKdTree<f64, 3> =
        ImmutableKdTree::new_from_slice(&positions).map_err(|_| Error::TooManyRows { rows: points.len() })?;
    let reach = metric.length() * (1.0 + MARGIN);
    positions.par_iter().zip(&distinct).for_each(|(position, &i)| {
        for image in images(*position, reach, metric.box_size()) {
            for found in tree
                .query(&image)
                .within::<SquaredEuclidean<f64>>(reach * reach)
                .unsorted()
                .execute()
            {
                let j = found.item as usize;
                if metric.are_friends(position, &positions[j]) {
                    sets.unite(i, distinct[j]);
                }
            }
        }
    });

    Ok(sets.into_roots())
}

/// The point and, in a periodic box, its copies beyond the faces that it is close to.
fn images(point: [f64; 3], reach: f64, box_size: Option<f64>) -> Vec<[f64; 3]> {
    let mut images = vec![point];
    let Some(box_size) = box_size else { return images };
    for axis in 0..3 {
        for i in 0..images.len() {
            let mut copy = images[i];
            if point[axis] < reach {
                copy[axis] += box_size;
                images.push(copy);
            } else if point[axis] > box_size - reach {
                copy[axis] -= box_size;
                images.push(copy);
            }
        }
    }
    images
}
