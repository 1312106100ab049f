//! The picture: three panels over one wavelength axis.

use std::fmt::Write as _;

use radio_io::Spectrum;
use radio_tokenize::TokenBatch;
use svg::Document;
use svg::node::element::{Group, Style, Title};

use super::marks::{
    Axis, SIDES, STYLE, colour, definitions, frame, middle, number, page, path, rectangle, text, ticks_along, upright,
};

const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 760.0;
/// Where the panels begin and end, from the top.
const FLUX: [f64; 2] = [96.0, 322.0];
const IMAGE: [f64; 2] = [352.0, 504.0];
const QUALITY: [f64; 2] = [552.0, 670.0];
/// Colours of the image: all its cells of one colour are one path, which keeps the file small.
const STEPS: usize = 64;

/// What is drawn: one spectrum and its tokens.
pub(crate) struct Figure<'a> {
    /// What was observed.
    pub(crate) title: &'a str,
    /// Of the flux.
    pub(crate) unit: &'a str,
    /// Whose data it is; may be empty.
    pub(crate) credit: &'a str,
    pub(crate) spectrum: Spectrum<'a>,
    /// Is the pixel good?
    pub(crate) good: &'a [bool],
    pub(crate) tokens: &'a TokenBatch,
}

impl Figure<'_> {
    pub(crate) fn draw(&self) -> Document {
        let edges = self.edges();
        let x = Axis::new([edges[0], edges[edges.len() - 1]], SIDES);
        let (pixels, tokens) = (self.good.len(), self.tokens.valid.len());
        let tokenizer = &self.tokens.tokenizer;
        let about = format!(
            "{pixels} pixels become {tokens} tokens  ·  {tokenizer}  ·  {}",
            tokenizer.fingerprint()
        );
        Document::new()
            .set("viewBox", (0, 0, WIDTH, HEIGHT))
            .set("width", WIDTH)
            .set("height", HEIGHT)
            .set("role", "img")
            .add(Title::new(format!("{}, as {tokens} tokens", self.title)))
            .add(Style::new(STYLE))
            .add(definitions(FLUX))
            .add(rectangle([0.0, WIDTH], [0.0, HEIGHT], "#fff"))
            .add(text(SIDES[0], 34.0, "title", self.title))
            .add(text(SIDES[0], 55.0, "", &about))
            .add(self.flux(x, &edges))
            .add(self.image(x, &edges))
            .add(self.quality(x, &edges))
            .add(text(SIDES[0], HEIGHT - 14.0, "foot", self.credit))
            .add(text(
                SIDES[1],
                HEIGHT - 14.0,
                "foot end",
                "drawn by radio's draw_tokens",
            ))
    }

    /// How flux was brought to order one: the last word of the tokenizer's text.
    fn normalize(&self) -> String {
        let tokenizer = self.tokens.tokenizer.to_string();
        tokenizer.rsplit('=').next().unwrap_or_default().to_owned()
    }

    /// The scale, in words: "scale (median) = 3.21".
    pub(crate) fn scale(&self) -> String {
        let name = self.normalize();
        match (self.tokens.scale.as_slice(), self.tokens.offset.as_slice()) {
            (Some(&[scale]), Some(&[0.0])) => format!("scale ({name}) = {}", number(scale)),
            (Some(&[scale]), Some(&[offset])) => {
                format!("offset + scale ({name}) = {} + {}", number(offset), number(scale))
            }
            _ => format!("scale ({name}) one per token"),
        }
    }

    /// Where tokens begin, in wavelength, and where the last one ends. Each is drawn up to the start of the next, also
    /// where they overlap.
    fn edges(&self) -> Vec<f64> {
        let end = self.tokens.wavelength_max.last();
        self.tokens.wavelength_min.iter().chain(end).copied().collect()
    }

    /// Top panel: the pixels, their errors, the tokens' borders and the scale.
    fn flux(&self, x: Axis, edges: &[f64]) -> Group {
        let TokenBatch { scale, offset, .. } = self.tokens;
        let levels: Vec<f64> = scale.iter().zip(offset).map(|(s, o)| f64::from(s + o)).collect();
        let is_dead = !self.good.contains(&true);
        let has_level = !is_dead && self.normalize() != "none";
        let y = self.flux_axis(if has_level && levels.len() == 1 { levels[0] } else { 0.0 });
        let strokes = self.strokes(x, y);
        let mut inside = Group::new()
            .set("clip-path", "url(#panel)")
            .add(path("zero", format!("M{} {}H{}", SIDES[0], y.at(0.0), SIDES[1])))
            .add(path("errors", strokes.errors))
            .add(path("flux", strokes.flux))
            .add(path("beyond", strokes.beyond));
        let mut panel = Group::new().add(path("stripe", stripes(x, edges)));
        if has_level {
            let level = |token: usize| y.at(levels[token.min(levels.len() - 1)]);
            let mut line = format!("M{} {}", SIDES[0], level(0));
            for (token, end) in edges.iter().skip(1).enumerate() {
                let _ = write!(line, "V{}H{}", level(token), x.at(*end));
            }
            inside = inside.add(path("level", line));
            let at = y.at(levels[levels.len() - 1]).clamp(FLUX[0] + 20.0, FLUX[1] - 20.0);
            let words = self.scale().replace(" (", "\n(").replace(") ", ")\n");
            for (number, line) in words.lines().enumerate() {
                let y = at - 10.0 + 14.0 * number as f64;
                panel = panel.add(text(SIDES[1] + 8.0, y, "scale", line));
            }
        }
        if is_dead {
            inside = inside.add(text(middle(SIDES), middle(FLUX), "head middle", "no good pixel"));
        }
        let legend = [
            ("#1b4965", "flux"),
            ("#a9cfe8", "± 1 σ"),
            ("#7b8794", "bad pixel"),
            ("#dde4ea", "every second token"),
        ];
        panel
            .add(inside)
            .add(path("bad", strokes.bad))
            .add(frame(FLUX, "Spectrum", &legend))
            .add(x.along(FLUX[1], false))
            .add(y.beside(SIDES[0], -1.0, 5.0))
            .add(upright(22.0, FLUX, &format!("flux in {}", self.unit)))
    }

    /// From 0, or less, to what the good pixels and this level need.
    fn flux_axis(&self, level: f64) -> Axis {
        let sorted = |errors: f64| {
            let pixels = (0..self.good.len()).filter(|&i| self.good[i]).map(|i| self.pixel(i));
            let mut values: Vec<f64> = pixels.map(|(flux, sigma)| flux + errors * sigma).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        // All but the noisiest pixels have room, and what is significantly higher or lower, unless it would press the rest flat.
        let (flux, least, most) = (sorted(0.0), sorted(2.0), sorted(-2.0));
        let low = quantile(&least, 0.0).min(quantile(&flux, 0.02));
        let high = quantile(&most, 1.0)
            .min(4.0 * quantile(&most, 0.98))
            .max(quantile(&flux, 0.98));
        Axis::up([low.min(0.0), high.max(level).max(0.0)], FLUX).padded()
    }

    /// Flux and error of a good pixel.
    fn pixel(&self, i: usize) -> (f64, f64) {
        let Spectrum { flux, ivar, .. } = self.spectrum;
        (flux[i].into(), f64::from(ivar[i]).sqrt().recip())
    }

    /// Pixels that share half a pixel of the page are one stroke, from the lowest to the highest.
    fn strokes(&self, x: Axis, y: Axis) -> Strokes {
        let mut strokes = Strokes::default();
        let at = |i: usize| x.at(self.spectrum.wavelength[i]);
        let place = |i: usize| (self.good[i], (2.0 * at(i)).floor());
        let all: Vec<usize> = (0..self.good.len()).collect();
        let mut follows = false;
        for run in all.chunk_by(|&a, &b| place(a) == place(b)) {
            let (first, last) = (at(run[0]), at(run[run.len() - 1]));
            if !self.good[run[0]] {
                let width = page((last - first).max(0.8));
                let _ = write!(strokes.bad, "M{first} {}h{width}v-7h-{width}z", FLUX[1]);
                follows = false;
                continue;
            }
            let pixels = || run.iter().map(|&i| self.pixel(i));
            let low = |errors: f64| {
                pixels()
                    .map(|(flux, sigma)| flux - errors * sigma)
                    .fold(f64::MAX, f64::min)
            };
            let high = |errors: f64| {
                pixels()
                    .map(|(flux, sigma)| flux + errors * sigma)
                    .fold(f64::MIN, f64::max)
            };
            if y.at(high(-2.0)) < FLUX[0] {
                let _ = write!(strokes.beyond, "M{first} {}l-3 6h6z", FLUX[0] + 1.0);
            }
            let [lower, low, high, higher] = [low(1.0), low(0.0), high(0.0), high(1.0)].map(|flux| y.at(flux));
            let pen = if follows { 'L' } else { 'M' };
            let _ = write!(strokes.flux, "{pen}{first} {low}L{first} {high}");
            let _ = write!(strokes.errors, "M{first} {lower}V{higher}");
            follows = true;
        }
        strokes
    }

    /// Middle panel: the values, token by token.
    fn image(&self, x: Axis, edges: &[f64]) -> Group {
        let (_, tokens, patch) = self.tokens.values.dim();
        let cells = self.tokens.values.indexed_iter().zip(&self.tokens.pixels);
        let cells = cells
            .filter(|(_, good)| **good)
            .map(|((at, value), _)| (at, f64::from(*value)));
        let mut sorted: Vec<f64> = cells.clone().map(|(_, value)| value).collect();
        sorted.sort_by(f64::total_cmp);
        // Noise at the ends of the range shares a colour.
        let bar = Axis::up([quantile(&sorted, 0.01), quantile(&sorted, 0.99)], IMAGE);
        let y = Axis::up([0.0, patch as f64], IMAGE);

        let mut paths = vec![String::new(); STEPS];
        for ((_, token, pixel), value) in cells {
            let step = (bar.part(value).clamp(0.0, 1.0) * (STEPS - 1) as f64).round() as usize;
            let (from, to) = (x.at(edges[token]), x.at(edges[token + 1]));
            let _ = write!(paths[step], "M{from} {}h{}", y.at(pixel as f64 + 0.5), page(to - from));
        }
        let mut image = Group::new()
            .set("fill", "none")
            .set("shape-rendering", "crispEdges")
            .set("stroke-width", 0.1 + (IMAGE[1] - IMAGE[0]) / patch as f64);
        for (step, cells) in paths.into_iter().enumerate().filter(|(_, cells)| !cells.is_empty()) {
            image = image.add(path("", cells).set("stroke", colour(step as f64 / (STEPS - 1) as f64)));
        }
        let legend = [("url(#hatched)", "bad or beyond the end")];
        let ticks = Axis::new([0.0, tokens as f64], SIDES).ticks(20.0).into_iter();
        let numbers = ticks.filter(|(number, _)| number.fract() == 0.0 && *number < tokens as f64);
        let numbers = numbers.map(|(number, _)| (x.at(edges[number as usize]), number.to_string()));
        Group::new()
            .add(rectangle(SIDES, IMAGE, "url(#hatched)"))
            .add(image)
            .add(rectangle([SIDES[1] + 12.0, SIDES[1] + 26.0], IMAGE, "url(#colours)"))
            .add(bar.beside(SIDES[1] + 26.0, 1.0, 6.0))
            .add(frame(IMAGE, "What a model sees: (flux − offset) / scale", &legend))
            .add(ticks_along(numbers, IMAGE[1]))
            .add(text(SIDES[0] - 9.0, IMAGE[1] + 18.0, "end", "token"))
            .add(text(SIDES[1] + 12.0, IMAGE[0] - 7.0, "foot", "1 to 99 %"))
            .add(y.beside(SIDES[0], -1.0, 5.0))
            .add(upright(22.0, IMAGE, "pixel in the token"))
    }

    /// Bottom panel: what is known of each token.
    fn quality(&self, x: Axis, edges: &[f64]) -> Group {
        let (
            TokenBatch {
                snr,
                valid,
                valid_fraction,
                ..
            },
            [top, bottom],
        ) = (self.tokens, QUALITY);
        let most = snr.iter().fold(0.0, |most: f32, &snr| most.max(snr));
        let least = snr.iter().fold(0.0, |least: f32, &snr| least.min(snr));
        let y = Axis::up([least.into(), most.into()], QUALITY).padded();
        let parts = Axis::up([0.0, 1.0], [top + 10.0, bottom]);
        let (mut bars, mut steps, mut not_valid) = (String::new(), String::new(), String::new());
        let tokens = edges.windows(2).zip(snr).zip(valid.iter().zip(valid_fraction));
        for (number, ((ends, snr), (is_valid, fraction))) in tokens.enumerate() {
            let (from, to) = (x.at(ends[0]), x.at(ends[1]));
            let (pen, width) = (if number == 0 { 'M' } else { 'L' }, page(to - from));
            let (part, snr) = (parts.at((*fraction).into()), y.at((*snr).into()));
            let _ = write!(bars, "M{from} {bottom}V{part}h{width}V{bottom}z");
            let _ = write!(steps, "{pen}{from} {snr}H{to}");
            if !is_valid {
                let _ = write!(not_valid, "M{from} {top}h{width}v6h-{width}z");
            }
        }
        let legend = [
            ("#1b4965", "S/N of a pixel"),
            ("#dfe8ef", "valid fraction"),
            ("#c1440e", "not valid: more than half is bad"),
        ];
        Group::new()
            .add(path("part", bars))
            .add(path("half", format!("M{} {}H{}", SIDES[0], parts.at(0.5), SIDES[1])))
            .add(path("snr", steps))
            .add(path("no", not_valid))
            .add(frame(QUALITY, "What is known of each token", &legend))
            .add(x.along(QUALITY[1], true))
            .add(text(middle(SIDES), bottom + 38.0, "middle", "wavelength, Å"))
            .add(y.beside(SIDES[0], -1.0, 5.0))
            .add(parts.beside(SIDES[1], 1.0, 2.0))
            .add(upright(22.0, QUALITY, "mean S/N"))
            .add(upright(SIDES[1] + 52.0, QUALITY, "valid fraction"))
    }
}

/// Paths of the top panel.
#[derive(Default)]
struct Strokes {
    flux: String,
    errors: String,
    bad: String,
    /// Where the flux is higher than the panel, and significantly so.
    beyond: String,
}

/// The value at such a part of the way through sorted ones; 0 where there is none.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * sorted.len().saturating_sub(1) as f64;
    sorted.get(place as usize).copied().unwrap_or_default()
}

/// The tokens with odd numbers.
fn stripes(x: Axis, edges: &[f64]) -> String {
    let (odd, [top, bottom]) = (edges.windows(2).skip(1).step_by(2), FLUX);
    odd.map(|ends| format!("M{} {bottom}V{top}H{}V{bottom}z", x.at(ends[0]), x.at(ends[1])))
        .collect()
}
