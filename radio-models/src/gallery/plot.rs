//! The picture of a card: flux and reconstruction, and below it what remains between them.

use std::fmt::Write as _;

use super::axis::{Axis, Pen};
use super::candidate::Candidate;
use super::columns::{area, even, pieces, ragged, strokes};
use super::lines::{Mark, Seen, marks};
use super::spectrum::{Pixel, SMOOTHING_PIXELS, Spectrum, quantile, sorted};
use super::svg::{frame, inside, path, text, upright, y_ticks};
use super::text::{Escaped, data, decimal};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 432.0;
/// Where the panels begin and end, from the left and from the top.
pub(super) const SIDES: [f64; 2] = [70.0, 930.0];
const FLUX: [f64; 2] = [40.0, 296.0];
const RESIDUAL: [f64; 2] = [308.0, 388.0];
/// Of a row of names, and of the strip of bad pixels with the air above it.
const ROW: f64 = 13.0;
const STRIP: f64 = 10.0;
const THUMBNAIL: [f64; 2] = [200.0, 30.0];
/// What a legend may explain, in its order.
const LEGEND: [&str; 10] = [
    "raw",
    "flux",
    "smooth",
    "model",
    "band",
    "worst",
    "bad",
    "off",
    "emission",
    "absorption",
];

/// One picture, and what its legend has to explain.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) svg: String,
    /// CSS class of a sample, and what it means.
    pub(super) legend: Vec<(&'static str, String)>,
}

/// Draws the picture of the candidate with this rank.
pub(super) fn draw(candidate: &Candidate, spectrum: &Spectrum, rank: usize, unit: &str) -> Plot {
    let range = spectrum.wavelength_range().unwrap_or([4000.0, 9000.0]);
    let x = Axis::new(range, SIDES);
    let redshift = candidate.usable_redshift().filter(|_| !spectrum.pixels.is_empty());
    let mut figure = Figure {
        spectrum,
        x,
        worst: candidate
            .worst_range()
            .filter(|[from, to]| *to >= x.data[0] && *from <= x.data[1]),
        marks: redshift.map(|redshift| marks(x, redshift, SIDES)).unwrap_or_default(),
        legend: Vec::new(),
    };
    let mut svg = String::new();
    let [from, to] = x.data;
    // Without an axis above there is no room for one.
    let top = if redshift.is_some() { 0.0 } else { FLUX[0] - 12.0 };
    let _ = write!(
        svg,
        r#"<svg class="plot" viewBox="0 {top} {WIDTH} {}" role="img"
aria-label="Spectrum of target {}" aria-describedby="d{rank}"
data-axis="{} {} {from:.3} {to:.3} {} {}" data-z="{}">
<desc id="d{rank}">{}</desc>"#,
        HEIGHT - top,
        candidate.targetid,
        SIDES[0],
        SIDES[1],
        FLUX[0],
        RESIDUAL[1],
        data(redshift),
        Escaped(&description(spectrum, &figure, unit)),
    );
    figure.flux_panel(&mut svg, unit);
    figure.residual_panel(&mut svg);
    figure.wavelength_axes(&mut svg, redshift);
    if spectrum.good_pixels() == 0 {
        let y = (FLUX[0] + FLUX[1]) / 2.0;
        text(&mut svg, (SIDES[0] + SIDES[1]) / 2.0, y, "none middle", "no good pixel");
    }
    svg.push_str("</svg>");
    let place = |class: &str| LEGEND.iter().position(|known| *known == class);
    figure.legend.sort_by_key(|(class, _)| place(class));
    Plot {
        svg,
        legend: figure.legend,
    }
}

/// A spectrum as small as a word.
pub(super) fn thumbnail(spectrum: &Spectrum) -> String {
    let [width, height] = THUMBNAIL;
    let x = Axis::new(spectrum.wavelength_range().unwrap_or([0.0, 1.0]), [0.5, width - 0.5]);
    let y = Axis::new(spectrum.thumbnail_range, [height - 1.0, 1.0]);
    let line = |value: fn(&Pixel) -> Option<f64>, width: f64| {
        let pixels = spectrum.pixels.iter();
        let points: Vec<_> = pixels.map(|pixel| (x.at(pixel.wavelength), value(pixel))).collect();
        even(&pieces(&points, width), y)
    };
    let (flux, model) = (line(|pixel| pixel.smooth, 1.0), line(|pixel| pixel.model, 2.0));
    format!(
        r#"<svg class="thumb" viewBox="0 0 {width} {height}" aria-hidden="true">
<path class="smooth" d="{flux}"/><path class="model" d="{model}"/></svg>"#
    )
}

/// For those who do not see the picture.
fn description(spectrum: &Spectrum, figure: &Figure<'_>, unit: &str) -> String {
    let Some([from, to]) = spectrum.wavelength_range() else {
        return "There is no pixel.".to_owned();
    };
    let (pixels, good) = (spectrum.pixels.len(), spectrum.good_pixels());
    let unit = if unit.is_empty() {
        String::new()
    } else {
        format!(" in {unit}")
    };
    let mut words = format!("Flux{unit} from {from:.0} to {to:.0} Å: {pixels} pixels, {good} of them good.");
    if let Some([from, to]) = figure.worst {
        let _ = write!(
            words,
            " The worst patch is from {} to {} Å.",
            decimal(from, 0),
            decimal(to, 0)
        );
    }
    if !figure.marks.is_empty() {
        let names: Vec<&str> = figure.marks.iter().map(|mark| mark.line.name).collect();
        let _ = write!(words, " Lines in range: {}.", names.join(", "));
    }
    words
}

struct Figure<'a> {
    spectrum: &'a Spectrum,
    x: Axis,
    worst: Option<[f64; 2]>,
    marks: Vec<Mark>,
    legend: Vec<(&'static str, String)>,
}

impl Figure<'_> {
    fn flux_panel(&mut self, svg: &mut String, unit: &str) {
        // Names have their own rows, above and below the data.
        let rows = |seen| {
            let labels = self
                .marks
                .iter()
                .filter(|mark| mark.line.seen == seen)
                .filter_map(|mark| mark.label);
            ROW * labels.map(|(_, row)| row as f64 + 1.0).fold(0.0, f64::max)
        };
        let (above, below) = (rows(Seen::Emission), rows(Seen::Absorption));
        let data = [FLUX[0] + above + 4.0, FLUX[1] - STRIP - below - 2.0];
        let y = Axis::new(self.spectrum.flux_range, [data[1], data[0]]);

        frame(svg, FLUX);
        self.worst_band(svg, FLUX);
        let bad = strokes(&self.points(|pixel| pixel.good.is_none()), 0.0);
        if !bad.is_empty() {
            let (middle, height) = ((FLUX[0] + FLUX[1]) / 2.0, FLUX[1] - FLUX[0]);
            let strip = FLUX[1] - 4.0;
            let _ = write!(
                svg,
                r#"<g transform="translate(0 {middle})"><path class="shade" stroke-width="{height}" d="{bad}"/></g>
<g transform="translate(0 {strip})"><path class="bad" d="{bad}"/></g>"#
            );
            self.explain("bad", "bad pixels");
        }
        self.mark_lines(svg, data);

        if y.contains(0.0) {
            path(svg, "zero", &format!("M{} {:.1}H{}", SIDES[0], y.at(0.0), SIDES[1]));
        }
        inside(svg, data, |svg| self.data(svg, y));
        let off = self.off_scale(data, y, |pixel| {
            let (flux, sigma) = pixel.good?;
            Some([flux - 3.0 * sigma, flux + 3.0 * sigma])
        });
        self.arrows(svg, &off);
        y_ticks(svg, y, 6);
        upright(svg, FLUX, "flux", unit);
    }

    /// Flux, reconstruction and its errors.
    fn data(&mut self, svg: &mut String, y: Axis) {
        let model = pieces(&self.points(|pixel| pixel.model), 1.0);
        let flux = pieces(&self.points(|pixel| pixel.good.map(|(flux, _)| flux)), 1.0);
        let edge = |side: f64| {
            let edge = |pixel: &Pixel| Some(pixel.model? + side * pixel.good?.1);
            pieces(&self.points(edge), 2.0)
        };
        let band = area(&edge(-1.0), &edge(1.0), y);
        if self.spectrum.is_noisy {
            path(svg, "raw", &ragged(&flux, y, Pen::coarse()));
            path(svg, "band", &band);
            path(
                svg,
                "smooth",
                &even(&pieces(&self.points(|pixel| pixel.smooth), 1.0), y),
            );
            self.explain("raw", "flux");
            self.explain("smooth", format!("smoothed (σ = {SMOOTHING_PIXELS} pixels)"));
        } else if !flux.is_empty() {
            path(svg, "band", &band);
            path(svg, "flux", &ragged(&flux, y, Pen::fine()));
            self.explain("flux", "flux");
        }
        if !band.is_empty() {
            self.explain("band", "± 1 σ");
        }
        if !model.is_empty() {
            path(svg, "model", &ragged(&model, y, Pen::fine()));
            self.explain("model", "reconstruction");
        }
    }

    fn residual_panel(&mut self, svg: &mut String) {
        let residuals = || self.spectrum.pixels.iter().filter_map(Pixel::residual);
        let most = quantile(&sorted(residuals().map(f64::abs)), 0.998).unwrap_or(0.0);
        let most = (1.1 * most).clamp(5.0, 30.0);
        let y = Axis::new([-most, most], [RESIDUAL[1], RESIDUAL[0]]);
        frame(svg, RESIDUAL);
        self.worst_band(svg, RESIDUAL);
        let line = ragged(&pieces(&self.points(Pixel::residual), 1.0), y, Pen::coarse());
        inside(svg, RESIDUAL, |svg| path(svg, "rest", &line));
        let (left, right) = (SIDES[0], SIDES[1]);
        let [low, zero, high] = [-3.0, 0.0, 3.0].map(|sigmas| y.at(sigmas));
        let _ = write!(
            svg,
            r#"<path class="zero" d="M{left} {zero:.1}H{right}"/>
<path class="three" d="M{left} {low:.1}H{right}M{left} {high:.1}H{right}"/>"#
        );
        // Both have room, or none has.
        if low - high > 12.0 {
            text(svg, right + 4.0, high + 4.0, "small", "+3σ");
            text(svg, right + 4.0, low + 4.0, "small", "−3σ");
        } else {
            text(svg, right + 4.0, zero + 4.0, "small", "±3σ");
        }
        let off = self.off_scale(RESIDUAL, y, |pixel| {
            pixel.residual().map(|residual| [residual, residual])
        });
        self.arrows(svg, &off);
        y_ticks(svg, y, 4);
        upright(svg, RESIDUAL, "residual", "σ");
        if self.worst.is_some() {
            self.explain("worst", "worst patch");
        }
    }

    /// Wavelengths as observed below, and at rest above.
    fn wavelength_axes(&self, svg: &mut String, redshift: Option<f64>) {
        let middle = (SIDES[0] + SIDES[1]) / 2.0;
        let mut ticks = String::new();
        for (x, label) in self.x.ticks(9) {
            let _ = write!(ticks, "M{x:.1} {}v5M{x:.1} {}v-4", RESIDUAL[1], FLUX[1]);
            text(svg, x, RESIDUAL[1] + 19.0, "middle", &label);
        }
        text(svg, middle, HEIGHT - 6.0, "middle title", "observed wavelength, Å");
        if let Some(redshift) = redshift {
            let rest = Axis::new(self.x.data.map(|wavelength| wavelength / (1.0 + redshift)), SIDES);
            for (x, label) in rest.ticks(9) {
                let _ = write!(ticks, "M{x:.1} {}v-5", FLUX[0]);
                text(svg, x, FLUX[0] - 9.0, "middle", &label);
            }
            text(svg, middle, 12.0, "middle title", "rest-frame wavelength, Å");
        }
        path(svg, "tick", &ticks);
    }

    fn worst_band(&self, svg: &mut String, [top, bottom]: [f64; 2]) {
        let Some(worst) = self.worst else { return };
        let [from, to] = worst.map(|wavelength| self.x.at(wavelength).clamp(SIDES[0], SIDES[1]));
        // A patch of one pixel is still to be seen.
        let from = from.min(SIDES[1] - 3.0);
        let (width, height) = ((to - from).max(3.0), bottom - top);
        let _ = write!(
            svg,
            r#"<rect class="worst" x="{from:.1}" y="{top}" width="{width:.1}" height="{height}"/>
<path class="edge" d="M{from:.1} {top}h{width:.1}"/>"#
        );
    }

    /// Lines first, so that none strikes out a name.
    fn mark_lines(&mut self, svg: &mut String, data: [f64; 2]) {
        let mut names = String::new();
        for Mark { line, at, label } in &self.marks {
            let [top, bottom] = [FLUX[0] + 2.0, FLUX[1] - STRIP];
            // The base line of a name, and a line from beside its name to the other end of the data.
            let row = label.map_or(-1.0, |(_, row)| row as f64);
            let (class, name, start, end) = match line.seen {
                Seen::Emission => (
                    "emission",
                    top + ROW * (row + 1.0) - 3.0,
                    top + ROW * (row + 1.0),
                    data[1],
                ),
                Seen::Absorption => (
                    "absorption",
                    bottom - ROW * row - 3.0,
                    bottom - ROW * (row + 1.0),
                    data[0],
                ),
            };
            let d: String = at.iter().map(|x| format!("M{x:.1} {start}V{end}")).collect();
            let wavelengths: Vec<String> = line.wavelengths.iter().map(|rest| decimal(*rest, 2)).collect();
            let title = format!("<title>{} {} Å</title>", line.name, wavelengths.join(", "));
            let _ = write!(svg, r#"<g class="{class}">{title}<path d="{d}"/></g>"#);
            if let Some((x, _)) = label {
                let _ = write!(
                    names,
                    r#"<text x="{x:.1}" y="{name}" class="name {class}">{title}{}</text>"#,
                    line.name
                );
            }
        }
        svg.push_str(&names);
        for (seen, class, meaning) in [
            (Seen::Emission, "emission", "emission lines"),
            (Seen::Absorption, "absorption", "absorption lines"),
        ] {
            if self.marks.iter().any(|mark| mark.line.seen == seen) {
                self.explain(class, meaning);
            }
        }
    }

    /// Arrows at the ends of a panel, where what a pixel may be begins beyond.
    fn off_scale(&self, [top, bottom]: [f64; 2], y: Axis, interval: impl Fn(&Pixel) -> Option<[f64; 2]>) -> String {
        let mut arrows = String::new();
        let mut last = [f64::NEG_INFINITY; 2];
        for pixel in &self.spectrum.pixels {
            let (x, Some([low, high])) = (self.x.at(pixel.wavelength), interval(pixel)) else {
                continue;
            };
            // Arrows that touch say no more than one.
            if low > y.data[1] && x > last[0] + 7.0 {
                let _ = write!(arrows, "M{x:.1} {:.1}l-3.5 6h7z", top + 0.5);
                last[0] = x;
            } else if high < y.data[0] && x > last[1] + 7.0 {
                let _ = write!(arrows, "M{x:.1} {:.1}l-3.5-6h7z", bottom - 0.5);
                last[1] = x;
            }
        }
        arrows
    }

    fn arrows(&mut self, svg: &mut String, arrows: &str) {
        if !arrows.is_empty() {
            path(svg, "off", arrows);
            self.explain("off", "off the scale");
        }
    }

    /// Puts a word into the legend, once.
    fn explain(&mut self, class: &'static str, meaning: impl Into<String>) {
        if self.legend.iter().all(|(known, _)| *known != class) {
            self.legend.push((class, meaning.into()));
        }
    }

    /// The places of all pixels across the page, and something of each.
    fn points<T>(&self, value: impl Fn(&Pixel) -> T) -> Vec<(f64, T)> {
        let pixels = self.spectrum.pixels.iter();
        pixels
            .map(|pixel| (self.x.at(pixel.wavelength), value(pixel)))
            .collect()
    }
}
