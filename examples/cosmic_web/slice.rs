//! A slice of the universe, in colours.

use std::fmt::Write as _;

use ndarray::ArrayView2;
use radio_models::web::CLASSES;
use svg::Document;
use svg::node::element::{Circle, Line, Path, Rectangle, Style, Text, Title};

/// From voids to knots: told apart by lightness, too.
const COLOURS: [&str; 4] = ["#b6c2d2", "#5aa9e6", "#f6ae2d", "#c1121f"];
const PANEL: f64 = 560.0;
const TOP: f64 = 84.0;
const LEFT: f64 = 32.0;
const GAP: f64 = 36.0;
const WIDTH: f64 = 2.0 * PANEL + GAP + 2.0 * LEFT;
const HEIGHT: f64 = TOP + PANEL + 60.0;
const STYLE: &str = "text { font: 14px sans-serif; fill: #222 } .title { font-size: 18px; font-weight: 600 } .small { font-size: 12px; fill: #666 }";

/// Galaxies in the middle of the third axis, seen along it, once for each panel.
pub(crate) struct Slice<'a> {
    /// `(n, 3)`, Mpc/h.
    pub(crate) positions: ArrayView2<'a, f64>,
    pub(crate) panels: [(&'a str, &'a [u8]); 2],
    /// Mpc/h.
    pub(crate) thickness: f64,
}

impl Slice<'_> {
    pub(crate) fn draw(&self) -> Document {
        let middle = self.range(2).iter().sum::<f64>() / 2.0;
        let inside = |&row: &usize| (self.positions[[row, 2]] - middle).abs() <= self.thickness / 2.0;
        let rows: Vec<usize> = (0..self.positions.nrows()).filter(inside).collect();
        let agree = rows
            .iter()
            .filter(|&&row| self.panels[0].1[row] == self.panels[1].1[row]);
        let share = 100.0 * agree.count() as f64 / rows.len().max(1) as f64;
        let title = format!(
            "{} galaxies in a slice of {:.0} Mpc/h; {share:.0} % have the same colour on both sides",
            rows.len(),
            self.thickness
        );
        let mut document = Document::new()
            .set("viewBox", (0, 0, WIDTH, HEIGHT))
            .set("width", WIDTH)
            .set("height", HEIGHT)
            .set("role", "img")
            .add(Title::new("A slice of the cosmic web"))
            .add(Style::new(STYLE))
            .add(
                Rectangle::new()
                    .set("width", WIDTH)
                    .set("height", HEIGHT)
                    .set("fill", "#fff"),
            )
            .add(text(LEFT, 32.0, "title", &title));
        for (panel, (name, classes)) in self.panels.iter().enumerate() {
            let left = LEFT + panel as f64 * (PANEL + GAP);
            document = document.add(text(left, TOP - 14.0, "", name)).add(
                Rectangle::new()
                    .set("x", left)
                    .set("y", TOP)
                    .set("width", PANEL)
                    .set("height", PANEL)
                    .set("fill", "#f8f9fb"),
            );
            for (class, colour) in COLOURS.iter().enumerate() {
                let of_class = rows.iter().filter(|&&row| usize::from(classes[row]) == class);
                document = document.add(self.points(of_class, left, colour));
            }
        }
        for (class, (name, colour)) in CLASSES.iter().zip(COLOURS).enumerate() {
            let x = LEFT + 8.0 + 110.0 * class as f64;
            let y = TOP + PANEL + 30.0;
            document = document
                .add(
                    Circle::new()
                        .set("cx", x)
                        .set("cy", y - 5.0)
                        .set("r", 6)
                        .set("fill", colour),
                )
                .add(text(x + 14.0, y, "", name));
        }
        self.scale(document)
    }

    /// One path of dots: a fraction of the size of as many circles.
    fn points<'a>(&self, rows: impl Iterator<Item = &'a usize>, left: f64, colour: &str) -> Path {
        let mut d = String::new();
        for &row in rows {
            let [x, y] = self.place(row);
            // Writing to a string cannot fail.
            let _ = write!(d, "M{:.1} {:.1}h0", left + x, TOP + PANEL - y);
        }
        Path::new()
            .set("d", d)
            .set("stroke", colour)
            .set("stroke-width", 3.2)
            .set("stroke-linecap", "round")
            .set("fill", "none")
    }

    fn place(&self, row: usize) -> [f64; 2] {
        let size = self.size();
        [0, 1].map(|axis| (self.positions[[row, axis]] - self.range(axis)[0]) / size * PANEL)
    }

    fn size(&self) -> f64 {
        let lengths = [0, 1].map(|axis| self.range(axis)[1] - self.range(axis)[0]);
        lengths[0].max(lengths[1]).max(f64::MIN_POSITIVE)
    }

    fn range(&self, axis: usize) -> [f64; 2] {
        let column = self.positions.column(axis);
        let begin = [f64::INFINITY, f64::NEG_INFINITY];
        column
            .iter()
            .fold(begin, |[least, most], &x| [least.min(x), most.max(x)])
    }

    fn scale(&self, document: Document) -> Document {
        let power = 10f64.powf((self.size() / 4.0).log10().floor());
        let length = [5.0, 2.0, 1.0]
            .map(|m| m * power)
            .into_iter()
            .find(|&x| x <= self.size() / 4.0);
        let length = length.unwrap_or(power);
        let (right, y) = (WIDTH - LEFT, TOP + PANEL + 24.0);
        let left = right - length / self.size() * PANEL;
        document
            .add(
                Line::new()
                    .set("x1", left)
                    .set("x2", right)
                    .set("y1", y)
                    .set("y2", y)
                    .set("stroke", "#222")
                    .set("stroke-width", 2),
            )
            .add(text(right, y + 18.0, "small", &format!("{length} Mpc/h")).set("text-anchor", "end"))
    }
}

fn text(x: f64, y: f64, class: &str, words: &str) -> Text {
    Text::new(words).set("x", x).set("y", y).set("class", class)
}
