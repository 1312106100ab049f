//! A small SVG writer: shapes, text and axes in one style.

use std::fmt::Write;

/// Main colour of bars.
pub(crate) const BLUE: &str = "#2f7db0";

/// Styles of all figures. Presentation only: without it the figures still say the same.
const STYLE: &str = "text{font:13px system-ui,-apple-system,'Segoe UI','DejaVu Sans',Arial,sans-serif;fill:#1f2933}\
.t{font-size:12px;fill:#52606d}.l{stroke:#e4e7eb;stroke-width:1;fill:none}.a{stroke:#7b8794;stroke-width:1;fill:none}\
.h{paint-order:stroke;stroke:#fff;stroke-width:3px}";

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A document that is being drawn; y points down.
#[derive(Debug)]
pub(crate) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

impl Svg {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            body: String::new(),
        }
    }

    /// Adds an element, or any other markup. What comes from outside must be [`escaped`].
    pub(crate) fn add(&mut self, markup: &str) {
        self.body.push_str(markup);
        self.body.push('\n');
    }

    /// A text in a class of the style (`""`, `"t"` for ticks).
    pub(crate) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let class = if class.is_empty() {
            String::new()
        } else {
            format!(" class=\"{class}\"")
        };
        let (x, y, text) = (short(x), short(y), escaped(text));
        self.add(&format!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\"{class}>{text}</text>"
        ));
    }

    /// A text that is read from below, around its middle.
    pub(crate) fn text_upwards(&mut self, (x, y): (f64, f64), text: &str) {
        let (x, y, text) = (short(x), short(y), escaped(text));
        self.add(&format!(
            "<text transform=\"translate({x} {y}) rotate(-90)\" text-anchor=\"middle\">{text}</text>"
        ));
    }

    pub(crate) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let path = format!("M{} {}L{} {}", short(x1), short(y1), short(x2), short(y2));
        self.add(&format!("<path class=\"{class}\" d=\"{path}\"/>"));
    }

    pub(crate) fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), attributes: &str) {
        let (x, y, width, height) = (short(x), short(y), short(width), short(height));
        self.add(&format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {attributes}/>"
        ));
    }

    /// The document, on a light panel of its own so that a dark page does not shine through.
    pub(crate) fn finish(self, title: &str) -> String {
        let (width, height, title) = (short(self.width), short(self.height), escaped(title));
        let (inner_width, inner_height) = (short(self.width - 1.0), short(self.height - 1.0));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
             <rect x=\"0.5\" y=\"0.5\" width=\"{inner_width}\" height=\"{inner_height}\" rx=\"6\" fill=\"#fff\" \
             stroke=\"#d5dbe1\"/>\n{}</svg>\n",
            self.body
        )
    }
}

/// Points as the data of a path.
pub(crate) fn polyline(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (x, y) in points {
        let letter = if path.is_empty() { 'M' } else { 'L' };
        // Writing to a text cannot fail.
        let _ = write!(path, "{letter}{} {}", short(x), short(y));
    }
    path
}

/// A coordinate to a tenth of a pixel, as short as it gets.
pub(crate) fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0").unwrap_or(&text) {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// A text from outside as XML; characters that XML forbids become U+FFFD.
pub(crate) fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            letter if letter.is_control() || ('\u{fffe}'..='\u{ffff}').contains(&letter) => xml.push('\u{fffd}'),
            letter => xml.push(letter),
        }
    }
    xml
}

/// Round numbers from `low` to `high`, about `wanted` of them, and the decimals they need.
pub(crate) fn ticks(low: f64, high: f64, wanted: usize) -> (Vec<f64>, usize) {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 {
        return (Vec::new(), 0);
    }
    let rough = span / wanted as f64;
    let power = rough.log10().floor();
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * 10_f64.powf(power))
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(rough);
    let decimals = (-(step * 1.001).log10().floor()).max(0.0) as usize;
    // The slack keeps a tick at the very end that rounding has pushed out.
    let first = (low / step - 1e-6).ceil();
    let last = (high / step + 1e-6).floor();
    let count = (last - first).max(-1.0) as usize + usize::from(last >= first);
    ((0..count).map(|at| (first + at as f64) * step).collect(), decimals)
}
