//! A map of the whole sky that shows areas as they are.

use std::collections::HashSet;
use std::fmt::Write as _;

use radio_fof::{Group, Groups};
use svg::Document;
use svg::node::element::{Circle, Path, Rectangle, Style, Text, Title};

use super::Galaxies;

const WIDTH: f64 = 1040.0;
const HEIGHT: f64 = 620.0;
/// Half the width of the map.
const RADIUS: f64 = 490.0;
const CENTRE: [f64; 2] = [WIDTH / 2.0, 340.0];
/// Told apart by lightness, too.
pub(crate) const COLOURS: [&str; 10] = [
    "#c1121f", "#1d4e89", "#2a9d8f", "#e07a1f", "#7b2cbf", "#118ab2", "#d81159", "#52796f", "#9c6644", "#3a0ca3",
];
pub(crate) const STYLE: &str = "text { font: 13px sans-serif; fill: #222 } .title { font-size: 18px; font-weight: 600 } .small { font-size: 11px; fill: #667 }";

/// All galaxies, and the richest groups as numbered circles.
pub(crate) fn draw(galaxies: &Galaxies, members: &Groups, richest: &[Group]) -> Document {
    let title = format!(
        "{} galaxies, {} groups, and the {} richest",
        galaxies.z.len(),
        members.len(),
        richest.len()
    );
    let mut document = frame(WIDTH, HEIGHT, &title).add(
        Path::new()
            .set("d", grid())
            .set("fill", "none")
            .set("stroke", "#d5d9e2"),
    );
    let places = galaxies.ra.iter().zip(&galaxies.dec).map(|(&ra, &dec)| place(ra, dec));
    document = document.add(dots(places, "#8d99ae", 1.2));
    for ra in (0..360).step_by(60) {
        let [x, y] = place(f64::from(ra), 0.0);
        document = document.add(text(x + 3.0, y - 4.0, "small", &format!("{ra}°")));
    }
    for dec in [-60, -30, 30, 60] {
        let [x, y] = place(180.0, f64::from(dec));
        document = document.add(text(x + 3.0, y - 4.0, "small", &format!("{dec:+}°")));
    }
    for (rank, group) in richest.iter().enumerate() {
        let [x, y] = place(group.ra, group.dec);
        let colour = COLOURS[rank % COLOURS.len()];
        let name = format!("{} members at z = {:.4}", group.size, group.z);
        document = document
            .add(
                Circle::new()
                    .set("cx", x)
                    .set("cy", y)
                    .set("r", 7)
                    .set("fill", "none")
                    .set("stroke", colour)
                    .set("stroke-width", 2.5)
                    .add(Title::new(name)),
            )
            .add(text(x + 9.0, y - 7.0, "", &(rank + 1).to_string()).set("fill", colour));
    }
    document.add(text(
        24.0,
        HEIGHT - 16.0,
        "small",
        "Hammer's equal-area projection; right ascension grows to the left, 180° in the middle",
    ))
}

/// A page with a title.
pub(crate) fn frame(width: f64, height: f64, title: &str) -> Document {
    Document::new()
        .set("viewBox", (0, 0, width, height))
        .set("width", width)
        .set("height", height)
        .set("role", "img")
        .add(Title::new(title))
        .add(Style::new(STYLE))
        .add(
            Rectangle::new()
                .set("width", width)
                .set("height", height)
                .set("fill", "#fff"),
        )
        .add(text(24.0, 32.0, "title", title))
}

pub(crate) fn text(x: f64, y: f64, class: &str, content: &str) -> Text {
    Text::new(content)
        .set("x", format!("{x:.1}"))
        .set("y", format!("{y:.1}"))
        .set("class", class)
}

/// One path of dots, a fraction of the size of as many circles. Of dots at the same place one is enough.
pub(crate) fn dots(places: impl Iterator<Item = [f64; 2]>, colour: &str, width: f64) -> Path {
    let mut drawn = HashSet::new();
    let mut d = String::new();
    for [x, y] in places {
        if drawn.insert([x as i64, y as i64]) {
            // Writing to a string cannot fail.
            let _ = write!(d, "M{x:.1} {y:.1}h0");
        }
    }
    Path::new()
        .set("d", d)
        .set("stroke", colour)
        .set("stroke-width", width)
        .set("stroke-linecap", "round")
        .set("fill", "none")
}

/// Where a place on the sky is on the map. (Hammer 1892; Snyder 1987, USGS Professional Paper 1395.)
fn place(ra: f64, dec: f64) -> [f64; 2] {
    let half_lon = 0.5 * (180.0 - ra).to_radians();
    let dec = dec.to_radians();
    let scale = RADIUS / (1.0 + dec.cos() * half_lon.cos()).sqrt();
    [
        CENTRE[0] + scale * dec.cos() * half_lon.sin(),
        CENTRE[1] - 0.5 * scale * dec.sin(),
    ]
}

/// Meridians every 30 degrees and parallels every 30 degrees.
fn grid() -> String {
    let mut d = String::new();
    let mut line = |points: &mut dyn Iterator<Item = [f64; 2]>| {
        for (k, [x, y]) in points.enumerate() {
            let _ = write!(d, "{}{x:.1} {y:.1}", if k == 0 { 'M' } else { 'L' });
        }
    };
    // The two edges of the map are the same meridian.
    for ra in (0..=360).step_by(30) {
        let ra = f64::from(ra).clamp(1e-9, 360.0 - 1e-9);
        line(&mut (-90..=90).step_by(3).map(|dec| place(ra, f64::from(dec))));
    }
    for dec in (-60..=60).step_by(30) {
        line(&mut (0..=360).step_by(3).map(|ra| place(f64::from(ra), f64::from(dec))));
    }
    d
}
