//! Where on the sky the rows are: the whole sky, or the patch that holds them.

use std::collections::BTreeMap;

use cdshealpix::compass_point::Cardinal;
use cdshealpix::nested;
use radio_index::SkyCoverage;

use super::projection::{Local, hammer, offset};
use super::scale::Scale;
use super::svg::{Anchor, Svg, polyline, short};
use super::{Figure, patch};
use crate::{Error, Result, format};

/// More pixels than this are joined to pixels of a lower order, so that a map of the whole sky stays a small file.
const MOST_CELLS: usize = 6000;

/// A footprint that lies within this angle of its centre, in degrees, is drawn as a patch.
const LARGEST_PATCH: f64 = 15.0;

/// Right ascension in the middle of a map of the whole sky: both galactic caps that DESI observes are in one piece.
const MIDDLE: f64 = 120.0;

pub(super) const LEFT: f64 = 76.0;
pub(super) const TOP: f64 = 20.0;
/// Below the map: labels, axis title, colour bar.
pub(super) const BOTTOM: f64 = 112.0;

/// The figure `sky`; none where no pixel holds a row.
///
/// # Errors
///
/// [`Error::Summary`] for an order or a pixel that does not exist.
pub(crate) fn map(sky: &SkyCoverage) -> Result<Option<Figure>> {
    let cells = Cell::all(sky)?;
    if cells.is_empty() {
        return Ok(None);
    }
    let (pixels, hold, together) = match sky.pixels.len() {
        1 => ("1 HEALPix pixel".to_owned(), "holds", ""),
        many => (
            format!("{} HEALPix pixels", format::count(many as u64)),
            "hold",
            " together",
        ),
    };
    let mut alt = format!(
        "Map of the sky: {pixels} of order {} {hold} rows, {} square degrees{together}",
        sky.order,
        format::significant(sky.area_square_degrees(), 4)
    );
    let svg = match patch_of(&cells) {
        Some(local) => {
            alt += &format!(
                ", around right ascension {}° and declination {}°",
                // Rounded first: 359.98° is shown as 0.0°.
                format::decimal((local.ra * 10.0).round().rem_euclid(3600.0) / 10.0, 1),
                format::decimal(local.dec, 1)
            );
            patch::draw(&cells, local, &alt)
        }
        None => whole_sky(&cells, &alt),
    };
    Ok(Some(Figure { name: "sky", alt, svg }))
}

/// A pixel that is drawn; positions in degrees.
pub(super) struct Cell {
    centre: (f64, f64),
    pub(super) edge: Vec<(f64, f64)>,
    /// Rows per square degree.
    pub(super) density: f64,
}

impl Cell {
    fn all(sky: &SkyCoverage) -> Result<Vec<Self>> {
        let mut order = sky.order;
        if order > 29 {
            return Err(Error::Summary {
                reason: format!("sky order {order} does not exist; the highest is 29"),
            });
        }
        let pixels = 12_u64 << (2 * order);
        if let Some((pixel, _)) = sky.pixels.iter().find(|(pixel, _)| *pixel >= pixels) {
            return Err(Error::Summary {
                reason: format!("sky pixel {pixel} does not exist at order {order}, which has {pixels}"),
            });
        }
        let mut rows: BTreeMap<u64, u64> = BTreeMap::new();
        for &(pixel, count) in sky.pixels.iter().filter(|(_, count)| *count > 0) {
            let sum = rows.entry(pixel).or_default();
            *sum = sum.saturating_add(count);
        }
        while rows.len() > MOST_CELLS && order > 0 {
            order -= 1;
            let mut joined: BTreeMap<u64, u64> = BTreeMap::new();
            for (pixel, count) in rows {
                let sum = joined.entry(pixel >> 2).or_default();
                *sum = sum.saturating_add(count);
            }
            rows = joined;
        }

        let mut one = SkyCoverage::default();
        one.order = order;
        one.pixels = vec![(0, 1)];
        let square_degrees = one.area_square_degrees();
        let degrees = |(lon_rad, lat_rad): (f64, f64)| (lon_rad.to_degrees(), lat_rad.to_degrees());
        // The sides of large pixels are curves.
        let segments = (16_u32 >> order.min(4)).max(1);
        let cell = |(pixel, count): (u64, u64)| Self {
            centre: degrees(nested::center(order, pixel)),
            edge: nested::path_along_cell_edge(order, pixel, &Cardinal::S, false, segments)
                .iter()
                .copied()
                .map(degrees)
                .collect(),
            density: count as f64 / square_degrees,
        };
        Ok(rows.into_iter().map(cell).collect())
    }
}

/// The projection of a patch that holds all cells; none where they are too far apart.
fn patch_of(cells: &[Cell]) -> Option<Local> {
    let unit = |(ra, dec): (f64, f64)| {
        let (sin_dec, cos_dec) = dec.to_radians().sin_cos();
        let (sin_ra, cos_ra) = ra.to_radians().sin_cos();
        [cos_dec * cos_ra, cos_dec * sin_ra, sin_dec]
    };
    let mut mean = [0.0; 3];
    for cell in cells {
        for (sum, value) in mean.iter_mut().zip(unit(cell.centre)) {
            *sum += value / cells.len() as f64;
        }
    }
    let length = mean.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length < LARGEST_PATCH.to_radians().cos() {
        return None;
    }
    let nearest = LARGEST_PATCH.to_radians().cos();
    let inside = cells.iter().flat_map(|cell| &cell.edge).all(|position| {
        let cosine: f64 = mean.iter().zip(unit(*position)).map(|(a, b)| a / length * b).sum();
        cosine >= nearest
    });
    let dec = (mean[2] / length).clamp(-1.0, 1.0).asin().to_degrees();
    inside.then(|| Local {
        ra: mean[1].atan2(mean[0]).to_degrees().rem_euclid(360.0),
        dec,
    })
}

fn whole_sky(cells: &[Cell], title: &str) -> String {
    // Pixels per unit of the plane, whose ellipse has half axes 2√2 and √2.
    let scale = 112.0;
    let half = (scale * 8_f64.sqrt(), scale * 2_f64.sqrt());
    let middle = (LEFT + half.0, TOP + half.1);
    let pixel = |offset: f64, dec: f64| {
        let (x, y) = hammer(offset.clamp(-180.0, 180.0), dec);
        (middle.0 + x * scale, middle.1 - y * scale)
    };
    let mut svg = Svg::new(LEFT + 2.0 * half.0 + 40.0, TOP + 2.0 * half.1 + BOTTOM - 20.0);
    let (cx, cy, rx, ry) = (short(middle.0), short(middle.1), short(half.0), short(half.1));
    svg.add(&format!(
        "<ellipse cx=\"{cx}\" cy=\"{cy}\" rx=\"{rx}\" ry=\"{ry}\" fill=\"#f5f7fa\"/>"
    ));

    let colours = Scale::of(cells);
    let mut drawn: Vec<(&Cell, Vec<(f64, f64)>)> = Vec::with_capacity(cells.len());
    for cell in cells {
        // Relative to the centre of the cell first: a cell that crosses the rim is drawn at both ends of the map.
        let centre = offset(cell.centre.0, MIDDLE);
        let edge: Vec<_> = cell
            .edge
            .iter()
            .map(|&(ra, dec)| (centre + offset(ra, cell.centre.0), dec))
            .collect();
        let crossed = edge
            .iter()
            .map(|(offset, _)| offset)
            .fold(0.0, |turn, offset| match *offset {
                offset if offset > 180.0 => -360.0,
                offset if offset < -180.0 => 360.0,
                _ => turn,
            });
        drawn.push((cell, edge.iter().map(|&(offset, dec)| pixel(offset, dec)).collect()));
        if crossed != 0.0 {
            drawn.push((
                cell,
                edge.iter().map(|&(offset, dec)| pixel(offset + crossed, dec)).collect(),
            ));
        }
    }
    colours.draw_cells(&mut svg, drawn.into_iter());

    let samples = |low: f64, high: f64| (0..=60).map(move |k| low + (high - low) * f64::from(k) / 60.0);
    for lon in [-120.0, -60.0, 0.0, 60.0, 120.0] {
        let line = polyline(samples(-90.0, 90.0).map(|dec| pixel(lon, dec)));
        svg.add(&format!(
            "<path class=\"l\" style=\"stroke:#9aa5b1;stroke-width:.5\" d=\"{line}\"/>"
        ));
    }
    for dec in [-60.0, -30.0, 0.0, 30.0, 60.0] {
        let line = polyline(samples(-180.0, 180.0).map(|lon| pixel(lon, dec)));
        svg.add(&format!(
            "<path class=\"l\" style=\"stroke:#9aa5b1;stroke-width:.5\" d=\"{line}\"/>"
        ));
        let (x, y) = pixel(180.0, dec);
        svg.text((x - 8.0, y + 4.0), Anchor::End, "t", &format!("{dec:.0}°"));
    }
    svg.add(&format!(
        "<ellipse class=\"a\" cx=\"{cx}\" cy=\"{cy}\" rx=\"{rx}\" ry=\"{ry}\"/>"
    ));
    for lon in [-120.0, -60.0, 0.0, 60.0, 120.0] {
        let (x, y) = pixel(lon, 0.0);
        let label = format!("{:.0}°", (MIDDLE + lon).rem_euclid(360.0));
        svg.text((x, y + 16.0), Anchor::Middle, "t h", &label);
    }
    let below = TOP + 2.0 * half.1;
    let axes = "right ascension (to the left) and declination, degrees, ICRS; Hammer projection, equal areas";
    svg.text((middle.0, below + 24.0), Anchor::Middle, "t", axes);
    colours.draw_bar(&mut svg, (middle.0, below + 42.0));
    svg.finish(title)
}
