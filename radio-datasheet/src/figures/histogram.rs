//! n(z): how many redshifts fall where.

use radio_index::Histogram;

use super::Figure;
use super::svg::{Anchor, BLUE, Svg, polyline, ticks};
use crate::format;

/// More bins than this are joined, or they would be thinner than a pixel.
const MOST_BINS: usize = 600;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 58.0;

/// The figure `redshifts`; none where nothing was counted.
pub(crate) fn redshifts(histogram: &Histogram) -> Option<Figure> {
    let Bins { start, width, counts } = Bins::of(histogram)?;
    let end = start + counts.len() as f64 * width;
    let most = counts.iter().copied().max()?;
    let total = histogram
        .counts
        .iter()
        .fold(0_u64, |sum, count| sum.saturating_add(*count));

    let top = most as f64 * 1.05;
    let x = |z: f64| LEFT + (z - start) / (end - start) * (WIDTH - LEFT - RIGHT);
    let y = |count: f64| HEIGHT - BOTTOM - count / top * (HEIGHT - TOP - BOTTOM);

    let mut svg = Svg::new(WIDTH, HEIGHT);
    for tick in ticks(0.0, top, 5).0 {
        // Between whole counts there is nothing.
        if tick.fract() == 0.0 {
            svg.line("l", (LEFT, y(tick)), (WIDTH - RIGHT, y(tick)));
            svg.text(
                (LEFT - 8.0, y(tick) + 4.0),
                Anchor::End,
                "t",
                &format::count(tick as u64),
            );
        }
    }
    let mut outline = vec![(x(start), y(0.0))];
    for (bin, &count) in counts.iter().enumerate() {
        let left = start + bin as f64 * width;
        outline.extend([(x(left), y(count as f64)), (x(left + width), y(count as f64))]);
    }
    outline.push((x(end), y(0.0)));
    svg.add(&format!(
        "<path d=\"{}Z\" fill=\"{BLUE}\" fill-opacity=\"0.85\" stroke=\"{BLUE}\" stroke-width=\"0.6\"/>",
        polyline(outline)
    ));
    svg.line("a", (LEFT, y(0.0)), (WIDTH - RIGHT, y(0.0)));
    let (marks, decimals) = ticks(start, end, 8);
    for tick in marks {
        svg.line("a", (x(tick), y(0.0)), (x(tick), y(0.0) + 5.0));
        svg.text(
            (x(tick), y(0.0) + 20.0),
            Anchor::Middle,
            "t",
            &format::decimal(tick, decimals),
        );
    }
    svg.text(
        (LEFT + (WIDTH - LEFT - RIGHT) / 2.0, HEIGHT - 14.0),
        Anchor::Middle,
        "",
        "redshift z",
    );
    let unit = format!("rows per bin of Δz = {}", format::significant(width, 3));
    svg.text_upwards((20.0, TOP + (HEIGHT - TOP - BOTTOM) / 2.0), &unit);

    let alt = format!(
        "Histogram of {} {} from {} to {}, in bins of {}",
        format::count(total),
        if total == 1 { "redshift" } else { "redshifts" },
        format::significant(start, 4),
        format::significant(end, 4),
        format::significant(width, 3)
    );
    let svg = svg.finish(&alt);
    Some(Figure {
        name: "redshifts",
        alt,
        svg,
    })
}

/// The bins that are drawn.
struct Bins {
    start: f64,
    width: f64,
    counts: Vec<u64>,
}

impl Bins {
    /// Without the empty bins at both ends, joined where there are too many; none where no bin has a count.
    fn of(histogram: &Histogram) -> Option<Self> {
        let (start, width, counts) = (histogram.start, histogram.width, &histogram.counts);
        let first = counts.iter().position(|count| *count > 0)?;
        let last = counts.iter().rposition(|count| *count > 0)?;
        let joined = (last + 1 - first).div_ceil(MOST_BINS);
        let bins = Self {
            start: start + first as f64 * width,
            width: width * joined as f64,
            counts: counts[first..=last]
                .chunks(joined)
                .map(|chunk| chunk.iter().fold(0_u64, |sum, count| sum.saturating_add(*count)))
                .collect(),
        };
        (bins.start.is_finite() && bins.width.is_finite() && bins.width > 0.0).then_some(bins)
    }
}
