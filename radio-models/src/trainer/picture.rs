//! The losses of a training as a picture.

use std::fmt::Write as _;

use super::Record;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 420.0;
/// The plot, from the left and from the top.
const X: [f64; 2] = [70.0, 880.0];
const Y: [f64; 2] = [40.0, 370.0];
/// Most points of a curve: steps beyond are drawn as means of several.
const POINTS: usize = 600;

const STYLE: &str = "text{font:13px sans-serif;fill:#444}.grid{stroke:#ddd}.training{stroke:#0072b2}.validation{stroke:#d55e00}\
                     .curve{fill:none;stroke-width:1.8}.training.name{fill:#0072b2;stroke:none}.validation.name{fill:#d55e00;stroke:none}.title{font-size:16px;fill:#111}";

/// Loss against step, the loss on a logarithmic scale.
pub(super) fn losses(records: &[Record]) -> String {
    let training = means(
        records
            .iter()
            .map(|record| (record.step as f64, f64::from(record.loss)))
            .collect(),
    );
    let looks = records
        .iter()
        .filter_map(|record| Some((record.step as f64, f64::from(record.validation?))));
    let validation: Vec<(f64, f64)> = looks.filter(|(_, loss)| loss.is_finite()).collect();
    let positive = training
        .iter()
        .chain(&validation)
        .map(|&(_, loss)| loss)
        .filter(|&loss| loss > 0.0);
    let (low, high) = positive.fold((f64::INFINITY, 0.0f64), |(low, high), loss| {
        (low.min(loss), high.max(loss))
    });
    let (low, high) = if low.is_finite() {
        (low / 1.1, high * 1.1)
    } else {
        (0.1, 10.0)
    };
    let steps = records.last().map_or(1.0, |record| record.step as f64);
    let x = |step: f64| X[0] + (X[1] - X[0]) * step / steps;
    let y = |loss: f64| Y[1] - (Y[1] - Y[0]) * (loss.max(low) / low).ln() / (high / low).ln();

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>Losses of a training</title>\
         <style>{STYLE}</style><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\
         <text class=\"title\" x=\"{}\" y=\"24\">loss per good pixel (χ², 1 is the noise)</text>\n",
        X[0]
    );
    for (tick, label) in ticks(low, high) {
        let at = y(tick);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{}\" y=\"{:.1}\" \
             text-anchor=\"end\">{label}</text>",
            X[0],
            X[1],
            X[0] - 8.0,
            at + 4.0
        );
    }
    for quarter in 0..=4u32 {
        let step = (steps * f64::from(quarter) / 4.0).round();
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{step}</text>",
            x(step),
            Y[1] + 20.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">step</text>",
        X[1],
        Y[1] + 38.0
    );
    for (name, curve) in [("training", &training), ("validation", &validation)] {
        let Some(&(_, last)) = curve.last() else {
            continue;
        };
        svg.push_str("<path class=\"curve ");
        let _ = write!(svg, "{name}\" d=\"");
        for (i, &(step, loss)) in curve.iter().enumerate() {
            let _ = write!(svg, "{}{:.1} {:.1}", if i == 0 { 'M' } else { 'L' }, x(step), y(loss));
        }
        svg.push_str("\"/>\n");
        let place = if name == "training" { X[1] - 140.0 } else { X[1] };
        let _ = writeln!(
            svg,
            "<text class=\"{name} name\" x=\"{place}\" y=\"24\" text-anchor=\"end\">{name} {last:.3}</text>"
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// At most [`POINTS`] points, each the mean of as many.
fn means(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let points: Vec<_> = points.into_iter().filter(|(_, loss)| loss.is_finite()).collect();
    let mean = |chunk: &[(f64, f64)]| {
        let n = chunk.len() as f64;
        let sum = chunk
            .iter()
            .fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / n, sum.1 / n)
    };
    points.chunks(points.len().div_ceil(POINTS).max(1)).map(mean).collect()
}

/// 1, 2 and 5 times the powers of ten between two numbers.
fn ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(decade)));
    all.filter(|tick| (low..=high).contains(tick))
        .map(|tick| (tick, format!("{tick}")))
        .collect()
}
