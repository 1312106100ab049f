//! A patch of the sky, with the grid of coordinates over it.

use super::projection::Local;
use super::scale::Scale;
use super::sky::{BOTTOM, Cell, LEFT, TOP};
use super::svg::{Anchor, Svg, polyline, short, ticks};
use crate::format;

/// Cells around the centre of a projection.
pub(super) fn draw(cells: &[Cell], local: Local, title: &str) -> String {
    let outlines: Vec<Vec<(f64, f64)>> = cells
        .iter()
        .map(|cell| cell.edge.iter().map(|&(ra, dec)| local.project(ra, dec)).collect())
        .collect();
    let frame = Frame::around(outlines.iter().flatten().copied());
    let (width, height) = frame.size();

    let mut svg = Svg::new(LEFT + width + 44.0, TOP + height + BOTTOM);
    let (x, y, w, h) = (short(LEFT), short(TOP), short(width), short(height));
    svg.add(&format!(
        "<clipPath id=\"c\"><rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/></clipPath>"
    ));
    let scale = Scale::of(cells);
    let outlines = outlines
        .into_iter()
        .map(|outline| outline.into_iter().map(|point| frame.pixel(point)).collect());
    scale.draw_cells(&mut svg, cells.iter().zip(outlines));
    frame.draw_grid(&mut svg, local);
    svg.rect((LEFT, TOP), (width, height), "class=\"a\"");
    let middle = LEFT + width / 2.0;
    svg.text(
        (middle, TOP + height + 42.0),
        Anchor::Middle,
        "",
        "right ascension (degrees, ICRS)",
    );
    svg.text_upwards((20.0, TOP + height / 2.0), "declination (degrees)");
    scale.draw_bar(&mut svg, (middle, TOP + height + 62.0));
    svg.finish(title)
}

/// The rectangle of the plane that a patch is drawn in.
struct Frame {
    /// Smallest x and largest y of the plane.
    corner: (f64, f64),
    /// Sides in the plane.
    sides: (f64, f64),
    /// Pixels per unit of the plane.
    scale: f64,
}

impl Frame {
    /// A frame with a margin around points, neither a needle nor a sliver.
    fn around(points: impl Iterator<Item = (f64, f64)> + Clone) -> Self {
        let range = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            })
        };
        let (left, right) = range(&mut points.clone().map(|(x, _)| x));
        let (low, high) = range(&mut points.map(|(_, y)| y));
        let margin = 1.12;
        let (width, height) = ((right - left) * margin, (high - low) * margin);
        let sides = (width.max(0.8 * height), height.max(0.45 * width));
        let corner = ((left + right - sides.0) / 2.0, (low + high + sides.1) / 2.0);
        Self {
            corner,
            sides,
            scale: (560.0 / sides.0).min(420.0 / sides.1),
        }
    }

    fn size(&self) -> (f64, f64) {
        (self.sides.0 * self.scale, self.sides.1 * self.scale)
    }

    fn pixel(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (
            LEFT + (x - self.corner.0) * self.scale,
            TOP + (self.corner.1 - y) * self.scale,
        )
    }

    fn holds(&self, (x, y): (f64, f64)) -> bool {
        let (width, height) = self.size();
        (LEFT..=LEFT + width).contains(&x) && (TOP..=TOP + height).contains(&y)
    }

    /// Circles of equal right ascension and declination, labelled where they cross a side: the lower and the left one
    /// where they can be, others near a pole.
    fn draw_grid(&self, svg: &mut Svg, local: Local) {
        let steps = 24;
        let part = |at: usize| at as f64 / steps as f64;
        let grid = (0..=steps).flat_map(|column| (0..=steps).map(move |row| (column, row)));
        let seen: Vec<_> = grid
            .map(|(column, row)| {
                local.unproject((
                    self.corner.0 + part(column) * self.sides.0,
                    self.corner.1 - part(row) * self.sides.1,
                ))
            })
            .collect();
        let range = |value: fn(&(f64, f64)) -> f64| {
            let values = seen.iter().map(value);
            (
                values.clone().fold(f64::INFINITY, f64::min),
                values.fold(f64::NEG_INFINITY, f64::max),
            )
        };
        let (mut east, mut west) = range(|position| position.0);
        let (low, high) = range(|position| position.1);
        // With a pole in the frame every right ascension is in it.
        let pole = west - east > 180.0;
        if pole {
            (east, west) = (-180.0, 179.0);
        }

        let samples = 96;
        let (meridians, decimals) = angles(local.ra + east, local.ra + west);
        for ra in meridians {
            let at = |k: usize| local.project(ra, (low + (high - low) * k as f64 / samples as f64).clamp(-90.0, 90.0));
            let line: Vec<_> = (0..=samples).map(|k| self.pixel(at(k))).collect();
            svg.add(&format!(
                "<path class=\"l\" clip-path=\"url(#c)\" d=\"{}\"/>",
                polyline(line.iter().copied())
            ));
            let label = format!("{}°", format::decimal(ra.rem_euclid(360.0), decimals));
            let (right, bottom) = (LEFT + self.size().0, TOP + self.size().1);
            let across = |side: f64| crossing(&line, |point| point.1 - side).filter(|&(x, _)| self.holds((x, TOP)));
            let along = |side: f64| crossing(&line, |point| point.0 - side).filter(|&(_, y)| self.holds((LEFT, y)));
            if let Some((x, _)) = across(bottom) {
                svg.line("a", (x, bottom), (x, bottom + 5.0));
                svg.text((x, bottom + 20.0), Anchor::Middle, "t", &label);
            } else if let Some((x, _)) = across(TOP) {
                svg.text((x, TOP - 5.0), Anchor::Middle, "t", &label);
            } else if let Some((_, y)) = along(right) {
                svg.text((right + 4.0, y + 4.0), Anchor::Start, "t", &label);
            } else if let Some((_, y)) = along(LEFT).filter(|_| pole) {
                svg.text((LEFT - 4.0, y + 4.0), Anchor::End, "t", &label);
            }
        }
        let (parallels, decimals) = angles(low, high);
        for dec in parallels {
            let at = |k: usize| local.project(local.ra + west + (east - west) * k as f64 / samples as f64, dec);
            let line: Vec<_> = (0..=samples).map(|k| self.pixel(at(k))).collect();
            svg.add(&format!(
                "<path class=\"l\" clip-path=\"url(#c)\" d=\"{}\"/>",
                polyline(line.iter().copied())
            ));
            let label = format!("{}°", format::decimal(dec, decimals));
            let middle = self.pixel(local.project(local.ra, dec));
            let left = crossing(&line, |point| point.0 - LEFT).filter(|&(_, y)| self.holds((LEFT, y)));
            if let Some((_, y)) = left.filter(|_| !pole) {
                svg.line("a", (LEFT - 5.0, y), (LEFT, y));
                svg.text((LEFT - 9.0, y + 4.0), Anchor::End, "t", &label);
            } else if self.holds(middle) {
                // A circle around a pole, closed within the frame.
                svg.text((middle.0 + 3.0, middle.1 - 3.0), Anchor::Start, "t h", &label);
            }
        }
    }
}

/// Where a line first crosses from one side to the other.
fn crossing(line: &[(f64, f64)], side: impl Fn(&(f64, f64)) -> f64) -> Option<(f64, f64)> {
    line.windows(2).find_map(|pair| {
        let (from, to) = (side(&pair[0]), side(&pair[1]));
        let part = from / (from - to);
        (from * to <= 0.0 && part.is_finite()).then(|| {
            (
                pair[0].0 + part * (pair[1].0 - pair[0].0),
                pair[0].1 + part * (pair[1].1 - pair[0].1),
            )
        })
    })
}

/// Round angles from `low` to `high` degrees, and the decimals they need.
fn angles(low: f64, high: f64) -> (Vec<f64>, usize) {
    let rough = (high - low) / 7.0;
    if rough <= 5.0 {
        return ticks(low, high, 7);
    }
    // Large steps divide a quarter of a circle.
    let step = [10.0, 15.0, 30.0]
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(45.0);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    ((first..=last).map(|at| at as f64 * step).collect(), 0)
}
