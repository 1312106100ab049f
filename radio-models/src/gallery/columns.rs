//! Thousands of pixels as lines no finer than the page.

use super::axis::{Axis, Pen};
use super::spectrum::{quantile, sorted};

/// What lies in one column of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Its place across the page.
    pub(super) x: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) mean: f64,
}

/// Pieces of a line: columns of this width with what lies in them, apart where there is nothing for more than a column.
///
/// `points` are places across the page, ascending, with their values or nothing.
pub(super) fn pieces(points: &[(f64, Option<f64>)], width: f64) -> Vec<Vec<Column>> {
    let steps = sorted(points.windows(2).map(|pair| pair[1].0 - pair[0].0));
    let far = 1.5 * width.max(5.0 * quantile(&steps, 0.5).unwrap_or_default());
    let mut pieces: Vec<Vec<Column>> = Vec::new();
    let (mut last, mut is_missing) = (f64::MIN, false);
    let column = |x: f64| (x / width).floor();
    for run in points.chunk_by(|a, b| a.1.is_some() == b.1.is_some() && column(a.0) == column(b.0)) {
        let values = || run.iter().filter_map(|(_, value)| *value);
        let count = values().count();
        if count == 0 {
            is_missing = true;
            continue;
        }
        // A pixel that is alone in its column is drawn where it is.
        let x = if count == 1 {
            run[0].0
        } else {
            (column(run[0].0) + 0.5) * width
        };
        let next = Column {
            x,
            low: values().fold(f64::INFINITY, f64::min),
            high: values().fold(f64::NEG_INFINITY, f64::max),
            mean: values().sum::<f64>() / count as f64,
        };
        let is_apart = x - last > if is_missing { 1.5 * width } else { far };
        match pieces.last_mut() {
            Some(piece) if !is_apart => piece.push(next),
            _ => pieces.push(vec![next]),
        }
        (last, is_missing) = (x, false);
    }
    pieces
}

/// A line that touches the lowest and the highest value of each column.
pub(super) fn ragged(pieces: &[Vec<Column>], y: Axis, mut pen: Pen) -> String {
    for piece in pieces {
        pen.lift();
        if let [lonely] = piece.as_slice() {
            dash(&mut pen, lonely, y);
            pen.lift();
        }
        let mut last = f64::INFINITY;
        for &Column { x, low, high, .. } in piece {
            let (low, high) = (y.at(low), y.at(high));
            // First to the end that is nearer.
            let (first, second) = if (last - low).abs() < (last - high).abs() {
                (low, high)
            } else {
                (high, low)
            };
            pen.to(x, first);
            pen.to(x, second);
            last = second;
        }
    }
    pen.finish()
}

/// A line through the mean of each column.
pub(super) fn even(pieces: &[Vec<Column>], y: Axis) -> String {
    let mut pen = Pen::fine();
    for piece in pieces {
        pen.lift();
        if let [lonely] = piece.as_slice() {
            dash(&mut pen, lonely, y);
            continue;
        }
        for column in piece {
            pen.to(column.x, y.at(column.mean));
        }
    }
    pen.finish()
}

/// What has no neighbours is a dash, large enough to be seen.
fn dash(pen: &mut Pen, column: &Column, y: Axis) {
    for side in [-1.5, 1.5] {
        pen.to(column.x + side, y.at(column.mean));
    }
}

/// An area from the mean of each column of `lower` to that of the same column of `upper`.
pub(super) fn area(lower: &[Vec<Column>], upper: &[Vec<Column>], y: Axis) -> String {
    let mut pen = Pen::fine();
    for (lower, upper) in lower.iter().zip(upper) {
        pen.lift();
        for column in lower.iter().chain(upper.iter().rev()) {
            pen.to(column.x, y.at(column.mean));
        }
        pen.close();
    }
    pen.finish()
}

/// Level strokes over the runs of these places, each as wide as the distance to its neighbours.
pub(super) fn strokes(places: &[(f64, bool)], y: f64) -> String {
    let mut pen = Pen::fine();
    let middle = |i: usize, j: usize| (places[i].0 + places[j].0) / 2.0;
    let last = places.len().saturating_sub(1);
    let mut drawn = f64::NEG_INFINITY;
    let mut i = 0_usize;
    for run in places.chunk_by(|a, b| a.1 == b.1) {
        let (from, to) = (
            middle(i.saturating_sub(1), i),
            middle(i + run.len() - 1, last.min(i + run.len())),
        );
        i += run.len();
        // What is narrower than a stroke that can be seen, or hidden by the one before, would only take bytes.
        let to = to.max(from + 0.6);
        if run[0].1 && to > drawn + 0.3 {
            if from > drawn + 0.3 {
                pen.lift();
                pen.to(from, y);
            }
            pen.to(to, y);
            drawn = to;
        }
    }
    pen.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_what_is_missing() {
        let check = |points: &[(f64, Option<f64>)], expected: &[usize]| {
            let lengths: Vec<usize> = pieces(points, 1.0).iter().map(Vec::len).collect();
            assert_eq!(lengths, expected, "{points:?}");
        };
        check(&[], &[]);
        check(&[(0.0, None)], &[]);
        check(&[(0.0, Some(1.0))], &[1]);
        check(&[(0.1, Some(1.0)), (0.2, Some(3.0)), (1.2, Some(2.0))], &[2]);
        // Hidden in a column, or seen.
        check(&[(0.1, Some(1.0)), (0.2, None), (0.3, Some(1.0))], &[2]);
        check(&[(0.5, Some(1.0)), (1.5, None), (2.5, None), (3.5, Some(1.0))], &[1, 1]);
        // Far apart is not broken, unless nothing else is so far apart.
        check(&[(0.0, Some(1.0)), (50.0, Some(1.0)), (100.0, Some(1.0))], &[3]);
        check(
            &[(0.0, Some(1.0)), (1.0, Some(1.0)), (2.0, Some(1.0)), (50.0, Some(1.0))],
            &[3, 1],
        );
    }

    #[test]
    fn a_column_keeps_its_extremes() {
        let points: Vec<_> = (0..700).map(|k| (f64::from(k) / 7.0, Some(f64::from(k % 7)))).collect();
        let pieces = pieces(&points, 1.0);
        assert_eq!((pieces.len(), pieces[0].len()), (1, 100));
        assert!(
            pieces[0]
                .iter()
                .all(|column| (column.low, column.high, column.mean) == (0.0, 6.0, 3.0))
        );
    }

    #[test]
    fn strokes_cover_runs() {
        let places = [(0.0, false), (10.0, true), (20.0, true), (30.0, false), (40.0, true)];
        assert_eq!(strokes(&places, 5.0), "M5 5h20M35 5h5");
        assert_eq!(strokes(&[(3.0, true)], 5.0), "M3 5h.6");
        assert_eq!(strokes(&[], 5.0), "");
    }
}
