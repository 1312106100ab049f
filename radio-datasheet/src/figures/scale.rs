//! How many rows a pixel holds, as a colour.

use super::sky::Cell;
use super::svg::{Anchor, Svg, polyline};
use crate::format;

/// Few to many.
const COLOURS: [&str; 6] = ["#c9e2f0", "#8fc3de", "#56a0c8", "#2f7db0", "#1c5a90", "#123b66"];

/// Which density gets which colour: steps of equal ratio.
pub(super) struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    pub(super) fn of(cells: &[Cell]) -> Self {
        let densities = cells.iter().map(|cell| cell.density);
        Self {
            low: densities.clone().fold(f64::INFINITY, f64::min),
            high: densities.fold(0.0, f64::max),
        }
    }

    fn colour(&self, density: f64) -> usize {
        let part = (density / self.low).ln() / (self.high / self.low).ln();
        // All densities the same: 0 / 0, and a NaN casts to 0.
        ((part * COLOURS.len() as f64) as usize).min(COLOURS.len() - 1)
    }

    /// Cells in the order of their colours, one path each colour.
    pub(super) fn draw_cells<'a>(&self, svg: &mut Svg, cells: impl Iterator<Item = (&'a Cell, Vec<(f64, f64)>)>) {
        let mut paths = [const { String::new() }; COLOURS.len()];
        for (cell, outline) in cells {
            paths[self.colour(cell.density)] += &(polyline(outline) + "Z");
        }
        for (path, colour) in paths.iter().zip(COLOURS).filter(|(path, _)| !path.is_empty()) {
            // The thin stroke closes the hairlines between neighbours.
            svg.add(&format!(
                "<path d=\"{path}\" fill=\"{colour}\" stroke=\"{colour}\" stroke-width=\"0.4\"/>"
            ));
        }
    }

    pub(super) fn draw_bar(&self, svg: &mut Svg, (x, y): (f64, f64)) {
        const BOX: (f64, f64) = (48.0, 11.0);
        let number = |value: f64| {
            if value < 1000.0 {
                format::significant(value, 3)
            } else {
                format::count(value.round() as u64)
            }
        };
        let boxes = if self.low < self.high { COLOURS.len() } else { 1 };
        let left = x - boxes as f64 * BOX.0 / 2.0;
        for (at, colour) in COLOURS.iter().take(boxes).enumerate() {
            svg.rect((left + at as f64 * BOX.0, y), BOX, &format!("fill=\"{colour}\""));
        }
        if boxes == 1 {
            let density = number(self.low);
            let rows = if density == "1" { "row" } else { "rows" };
            let label = format!("{density} {rows} per square degree");
            svg.text((x, y + 25.0), Anchor::Middle, "t", &label);
            return;
        }
        for at in (0..=boxes).step_by(2) {
            let value = self.low * (self.high / self.low).powf(at as f64 / boxes as f64);
            svg.text(
                (left + at as f64 * BOX.0, y + 25.0),
                Anchor::Middle,
                "t",
                &number(value),
            );
        }
        svg.text((x, y + 42.0), Anchor::Middle, "t", "rows per square degree");
    }
}
