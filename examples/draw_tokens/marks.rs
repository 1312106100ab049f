//! What a picture is made of: axes, words, frames and colours.

use svg::node::element::{ClipPath, Definitions, Group, LinearGradient, Path, Pattern, Rectangle, Stop, Text};

/// Where the panels begin and end, from the left.
pub(crate) const SIDES: [f64; 2] = [76.0, 1068.0];
/// Blue, grey and vermilion: everyone can tell them apart.
pub(crate) const STYLE: &str = "
text{font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',Arial,sans-serif;fill:#3e4c59}
.title{font-size:18px;font-weight:600;fill:#1f2933}.head{font-weight:600;fill:#1f2933}
.end{text-anchor:end}.middle{text-anchor:middle}.foot{font-size:11px;fill:#7b8794}.scale{fill:#c1440e}
.frame,.tick{fill:none;stroke:#7b8794}.stripe{fill:#edf1f4}.zero{fill:none;stroke:#9aa5b1;stroke-width:.8}
.errors{fill:none;stroke:#a9cfe8;stroke-width:.6}.beyond{fill:#1b4965}
.flux{fill:none;stroke:#1b4965;stroke-width:.8;stroke-linejoin:round}
.level{fill:none;stroke:#c1440e;stroke-width:1.4;stroke-dasharray:7 4}.bad{fill:#7b8794}.no{fill:#c1440e}
.part{fill:#dfe8ef}.snr{fill:none;stroke:#1b4965;stroke-width:1.3}.half{fill:none;stroke:#7b8794;stroke-dasharray:2 4}
";
/// Viridis: as bright as the value is high, and readable without colours.
const COLOURS: [[u8; 3]; 9] = [
    [0x44, 0x01, 0x54],
    [0x47, 0x2d, 0x7b],
    [0x3b, 0x52, 0x8b],
    [0x2c, 0x72, 0x8e],
    [0x21, 0x91, 0x8c],
    [0x28, 0xae, 0x80],
    [0x5e, 0xc9, 0x62],
    [0xad, 0xdc, 0x30],
    [0xfd, 0xe7, 0x25],
];

/// A linear axis: from where to where in the data, and on the page.
#[derive(Clone, Copy)]
pub(crate) struct Axis {
    data: [f64; 2],
    page: [f64; 2],
}

impl Axis {
    pub(crate) fn new([from, to]: [f64; 2], page: [f64; 2]) -> Self {
        // An axis without length has no middle.
        let to = if to > from { to } else { from + from.abs().max(1.0) };
        Self { data: [from, to], page }
    }

    /// From the bottom of a panel to its top.
    pub(crate) fn up(data: [f64; 2], [top, bottom]: [f64; 2]) -> Self {
        Self::new(data, [bottom, top])
    }

    /// Leaves a little room above, and below what is negative.
    pub(crate) fn padded(self) -> Self {
        let ([from, to], room) = (self.data, 0.1 * (self.data[1] - self.data[0]));
        let from = if from < 0.0 { from - room } else { from };
        Self {
            data: [from, to + room],
            ..self
        }
    }

    /// From 0 to 1 along the axis.
    pub(crate) fn part(self, value: f64) -> f64 {
        (value - self.data[0]) / (self.data[1] - self.data[0])
    }

    /// The place on the page; what is far away stays at a distance that a renderer can add.
    pub(crate) fn at(self, value: f64) -> f64 {
        page((self.page[0] + self.part(value) * (self.page[1] - self.page[0])).clamp(-1e4, 1e4))
    }

    /// At most so many round numbers, and how they are written.
    pub(crate) fn ticks(self, most: f64) -> Vec<(f64, String)> {
        let least = (self.data[1] - self.data[0]) / most;
        let power = 10f64.powf(least.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
        let step = steps.into_iter().find(|step| *step >= least).unwrap_or(power);
        let [first, last] = self.data.map(|end| end / step);
        let digits = (-step.log10().floor()).max(0.0) as usize;
        let label = |tick: f64| match step {
            1e-4..1e6 => format!("{tick:.digits$}").replace('-', "−"),
            _ => number(tick),
        };
        let ticks = (first.ceil() as i64..=last.floor() as i64).map(|k| k as f64 * step);
        ticks.map(|tick| (tick, label(tick))).collect()
    }

    /// Ticks below a panel.
    pub(crate) fn along(self, y: f64, has_labels: bool) -> Group {
        let written = |label| if has_labels { label } else { String::new() };
        let ticks = self.ticks(14.0).into_iter();
        ticks_along(ticks.map(|(tick, label)| (self.at(tick), written(label))), y)
    }

    /// Ticks at the left (−1) or at the right (1) of a panel.
    pub(crate) fn beside(self, x: f64, side: f64, most: f64) -> Group {
        let class = if side < 0.0 { "end" } else { "" };
        self.ticks(most).into_iter().fold(Group::new(), |group, (tick, label)| {
            let y = self.at(tick);
            let label = text(x + 9.0 * side, y + 4.0, class, &label);
            group.add(path("tick", format!("M{x} {y}h{}", 5.0 * side))).add(label)
        })
    }
}

pub(crate) fn ticks_along(ticks: impl Iterator<Item = (f64, String)>, y: f64) -> Group {
    ticks.fold(Group::new(), |group, (x, label)| {
        let group = group.add(path("tick", format!("M{x} {y}v5")));
        if label.is_empty() {
            group
        } else {
            group.add(text(x, y + 18.0, "middle", &label))
        }
    })
}

/// Rounded to a tenth of a pixel: no eye sees more, and the file stays small.
pub(crate) fn page(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

/// Four digits or so.
pub(crate) fn number(x: impl Into<f64>) -> String {
    let x = x.into();
    let digits = match x.abs() {
        0.0 => 0,
        size if !(1e-3..1e6).contains(&size) => return format!("{x:.2e}").replace('-', "−"),
        size => (3 - size.log10().floor() as i32).max(0) as usize,
    };
    let text = format!("{x:.digits$}").replace('-', "−");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').into()
    } else {
        text
    }
}

/// The colour of a value that lies so far up the colour bar, from 0 to 1.
pub(crate) fn colour(part: f64) -> String {
    let at = part * (COLOURS.len() - 1) as f64;
    let low = (at as usize).min(COLOURS.len() - 2);
    let [red, green, blue] = [0, 1, 2].map(|k| {
        let [from, to] = [low, low + 1].map(|colour| f64::from(COLOURS[colour][k]));
        (from + (at - low as f64) * (to - from)).round() as u8
    });
    format!("#{red:02x}{green:02x}{blue:02x}")
}

pub(crate) fn path(class: &str, d: String) -> Path {
    Path::new().set("class", class).set("d", d)
}

pub(crate) fn text(x: f64, y: f64, class: &str, words: &str) -> Text {
    Text::new(words).set("x", page(x)).set("y", page(y)).set("class", class)
}

/// The name of a vertical axis.
pub(crate) fn upright(x: f64, panel: [f64; 2], words: &str) -> Text {
    let y = middle(panel);
    text(x, y, "middle", words).set("transform", format!("rotate(-90 {x} {y})"))
}

/// From where to where, and in which colour.
pub(crate) fn rectangle([left, right]: [f64; 2], [top, bottom]: [f64; 2], fill: &str) -> Rectangle {
    let corner = Rectangle::new().set("x", page(left)).set("y", page(top));
    corner
        .set("width", right - left)
        .set("height", bottom - top)
        .set("fill", fill)
}

pub(crate) fn middle([from, to]: [f64; 2]) -> f64 {
    (from + to) / 2.0
}

/// The border of a panel, with its name and what the colours in it mean.
pub(crate) fn frame(panel: [f64; 2], name: &str, legend: &[(&str, &str)]) -> Group {
    let (mut x, y) = (SIDES[1] + 16.0, panel[0] - 7.0);
    let frame = Group::new()
        .add(rectangle(SIDES, panel, "none").set("class", "frame"))
        .add(text(SIDES[0], y, "head", name));
    legend.iter().rev().fold(frame, |frame, (colour, meaning)| {
        // A letter is some 6.6 wide in any of the fonts.
        x -= 32.0 + 6.6 * meaning.chars().count() as f64;
        let sign = rectangle([x, x + 10.0], [y - 9.0, y + 1.0], colour);
        frame.add(sign).add(text(x + 15.0, y, "", meaning))
    })
}

/// What is drawn with: the colour bar, the hatching, and the panel that keeps its lines inside.
pub(crate) fn definitions(clip: [f64; 2]) -> Definitions {
    let stops = (0..COLOURS.len()).map(|k| k as f64 / (COLOURS.len() - 1) as f64);
    let stop = |at: f64| Stop::new().set("offset", at).set("stop-color", colour(at));
    let upwards = LinearGradient::new()
        .set("id", "colours")
        .set("x1", 0)
        .set("x2", 0)
        .set("y1", 1)
        .set("y2", 0);
    let hatched = Pattern::new().set("id", "hatched").set("width", 6).set("height", 6);
    let hatched = hatched.set("patternUnits", "userSpaceOnUse");
    let hatched = hatched.add(rectangle([0.0, 6.0], [0.0, 6.0], "#eceff2"));
    let lines = Path::new()
        .set("d", "M-1 1L1-1M0 6L6 0M5 7L7 5")
        .set("stroke", "#9aa5b1");
    Definitions::new()
        .add(stops.fold(upwards, |gradient, at| gradient.add(stop(at))))
        .add(hatched.add(lines))
        .add(ClipPath::new().set("id", "panel").add(rectangle(SIDES, clip, "none")))
}
