//! What a picture is made of: lines, words, frames and ticks.

use std::fmt::Write as _;

use super::axis::Axis;
use super::plot::SIDES;
use super::text::Escaped;

pub(super) fn path(svg: &mut String, class: &str, d: &str) {
    if !d.is_empty() {
        let _ = write!(svg, r#"<path class="{class}" d="{d}"/>"#);
    }
}

pub(super) fn text(svg: &mut String, x: f64, y: f64, class: &str, words: &str) {
    let _ = write!(
        svg,
        r#"<text x="{x:.1}" y="{y:.1}" class="{class}">{}</text>"#,
        Escaped(words)
    );
}

pub(super) fn frame(svg: &mut String, [top, bottom]: [f64; 2]) {
    let (width, height) = (SIDES[1] - SIDES[0], bottom - top);
    let _ = write!(
        svg,
        r#"<rect class="frame" x="{}" y="{top}" width="{width}" height="{height}"/>"#,
        SIDES[0]
    );
}

pub(super) fn y_ticks(svg: &mut String, y: Axis, most: usize) {
    let mut ticks = String::new();
    for (place, label) in y.ticks(most) {
        let _ = write!(ticks, "M{} {place:.1}h-5", SIDES[0]);
        text(svg, SIDES[0] - 9.0, place + 4.0, "end", &label);
    }
    path(svg, "tick", &ticks);
}

/// The name of a vertical axis, with its unit.
pub(super) fn upright(svg: &mut String, [top, bottom]: [f64; 2], name: &str, unit: &str) {
    let y = (top + bottom) / 2.0;
    let words = if unit.is_empty() {
        name.to_owned()
    } else {
        format!("{name}, {unit}")
    };
    let _ = write!(
        svg,
        r#"<text class="middle title" transform="translate(13 {y}) rotate(-90)">{}</text>"#,
        Escaped(&words)
    );
}

/// A picture in the picture, in the same coordinates, that keeps lines inside a panel.
pub(super) fn inside(svg: &mut String, [top, bottom]: [f64; 2], draw: impl FnOnce(&mut String)) {
    let (left, width, height) = (SIDES[0], SIDES[1] - SIDES[0], bottom - top);
    let _ = write!(
        svg,
        r#"<svg x="{left}" y="{top}" width="{width}" height="{height}" viewBox="{left} {top} {width} {height}">"#
    );
    draw(svg);
    svg.push_str("</svg>");
}
