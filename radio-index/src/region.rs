//! Regions of the sky: which HEALPix pixels they may touch, and which positions they hold.

use std::ops::Range;

use cdshealpix::nested;

use crate::keys::PIXEL_ORDER;

/// A part of the sky. Angles in degrees, ICRS.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Region {
    /// Everything at most `radius` from a position.
    Cone { ra: f64, dec: f64, radius: f64 },
    /// `ra.start <= ra < ra.end` (through 0 where the start is the larger one), `dec.start <= dec <= dec.end`.
    Rectangle { ra: Range<f64>, dec: Range<f64> },
}

impl Region {
    pub(crate) fn cone(ra: f64, dec: f64, radius: f64) -> Result<Self, String> {
        if !(ra.is_finite() && (-90.0..=90.0).contains(&dec) && (0.0..=180.0).contains(&radius)) {
            return Err(format!(
                "a cone of {radius}° around ({ra}°, {dec}°): dec lies within ±90°, the radius between 0° and 180°"
            ));
        }
        Ok(Self::Cone {
            ra: ra.rem_euclid(360.0),
            dec,
            radius,
        })
    }

    pub(crate) fn rectangle(ra: Range<f64>, dec: Range<f64>) -> Result<Self, String> {
        let is_ra = |x: f64| (-360.0..=360.0).contains(&x);
        if !(is_ra(ra.start) && is_ra(ra.end) && dec.start <= dec.end && dec.start >= -90.0 && dec.end <= 90.0) {
            return Err(format!(
                "a box from ({}°, {}°) to ({}°, {}°): ra lies within ±360°, dec goes upwards within ±90°",
                ra.start, dec.start, ra.end, dec.end
            ));
        }
        Ok(Self::Rectangle { ra, dec })
    }

    /// Is a position in it? It may have a right ascension below 0°.
    pub(crate) fn contains(&self, ra: f64, dec: f64) -> bool {
        match self {
            // The chord, since the cosine of a small angle says little about it.
            Self::Cone {
                ra: centre_ra,
                dec: centre_dec,
                radius,
            } => {
                let (a, b) = (unit_vector(ra, dec), unit_vector(*centre_ra, *centre_dec));
                let chord_squared: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
                let half = (radius / 2.0).to_radians().sin();
                chord_squared <= 4.0 * half * half
            }
            Self::Rectangle {
                ra: ra_range,
                dec: dec_range,
            } => {
                let is_round = (ra_range.end - ra_range.start).abs() >= 360.0;
                let (start, end) = (ra_range.start.rem_euclid(360.0), ra_range.end.rem_euclid(360.0));
                let ra = ra.rem_euclid(360.0);
                let in_ra = if start < end || (start == end && !is_round) {
                    start <= ra && ra < end
                } else {
                    start <= ra || ra < end
                };
                in_ra && dec_range.start <= dec && dec <= dec_range.end
            }
        }
    }

    /// The pixels (order 6, NESTED) that it may touch, in their order: all that it does touch, and few others.
    pub(crate) fn pixels(&self) -> Vec<i64> {
        let mut pixels = Vec::new();
        (0..12).for_each(|base| self.descend(0, base, &mut pixels));
        pixels
    }

    /// Goes down the tree of pixels wherever the circle around a pixel touches the region.
    fn descend(&self, order: u8, pixel: u64, into: &mut Vec<i64>) {
        let (lon_rad, lat_rad) = nested::get(order).center(pixel);
        // No corner is farther from the centre: 48.2° at nside 1, and at most 1.17 rad / nside at others. Where pixels are
        // taken or left, the corners themselves are asked.
        let radius_rad = match order {
            0 => 0.842,
            PIXEL_ORDER => farthest_corner(pixel, lon_rad, lat_rad),
            _ => 1.18 / f64::from(1 << order),
        };
        if !self.may_touch(lon_rad, lat_rad, radius_rad) {
            return;
        }
        if order == PIXEL_ORDER {
            into.extend(i64::try_from(pixel));
            return;
        }
        (0..4).for_each(|child| self.descend(order + 1, 4 * pixel + child, into));
    }

    fn may_touch(&self, lon_rad: f64, lat_rad: f64, radius_rad: f64) -> bool {
        let (lon, lat, around) = (lon_rad.to_degrees(), lat_rad.to_degrees(), radius_rad.to_degrees());
        match self {
            Self::Cone { ra, dec, radius } => {
                let reach = (radius + around).min(180.0);
                Self::Cone {
                    ra: *ra,
                    dec: *dec,
                    radius: reach,
                }
                .contains(lon, lat)
            }
            Self::Rectangle { ra, dec } => {
                if lat + around < dec.start || lat - around > dec.end {
                    return false;
                }
                // A circle of radius r at latitude δ spans ±asin(sin r / cos δ) in longitude, or has the pole in it.
                let ratio = radius_rad.sin() / lat_rad.cos();
                if lat_rad.abs() + radius_rad >= std::f64::consts::FRAC_PI_2 || ratio >= 1.0 {
                    return true;
                }
                let span = ratio.asin().to_degrees();
                let width = if ra.end - ra.start >= 360.0 {
                    360.0
                } else {
                    (ra.end - ra.start).rem_euclid(360.0)
                };
                let from_start = (lon + span - ra.start).rem_euclid(360.0);
                from_start <= width + 2.0 * span
            }
        }
    }
}

/// How far the corners of a pixel of order 6 are from its centre, in radians, and a little more.
fn farthest_corner(pixel: u64, lon_rad: f64, lat_rad: f64) -> f64 {
    let centre = unit_vector(lon_rad.to_degrees(), lat_rad.to_degrees());
    let chord_squared = nested::get(PIXEL_ORDER).vertices(pixel).map(|(lon_rad, lat_rad)| {
        let corner = unit_vector(lon_rad.to_degrees(), lat_rad.to_degrees());
        corner.iter().zip(centre).map(|(a, b)| (a - b) * (a - b)).sum()
    });
    let farthest = chord_squared.into_iter().fold(0.0, f64::max).sqrt();
    2.0 * (farthest / 2.0).asin() * 1.001
}

fn unit_vector(ra: f64, dec: f64) -> [f64; 3] {
    let (ra_rad, dec_rad) = (ra.to_radians(), dec.to_radians());
    [
        dec_rad.cos() * ra_rad.cos(),
        dec_rad.cos() * ra_rad.sin(),
        dec_rad.sin(),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::pixel_of_order;

    /// Great-circle distance in degrees by the haversine formula (Sinnott 1984).
    fn separation(a: (f64, f64), b: (f64, f64)) -> f64 {
        let [ra, dec] = [a.0 - b.0, a.1 - b.1].map(|x| (x.to_radians() / 2.0).sin().powi(2));
        let h = dec + a.1.to_radians().cos() * b.1.to_radians().cos() * ra;
        2.0 * h.min(1.0).sqrt().asin().to_degrees()
    }

    fn position() -> impl Strategy<Value = (f64, f64)> {
        let dec = prop_oneof![
            -90.0..=90.0,
            Just(90.0),
            Just(-90.0),
            Just(0.0),
            89.0..=90.0,
            -90.0..=-89.0
        ];
        let ra = prop_oneof![0.0..360.0_f64, Just(0.0), 359.0..360.0, 0.0..1.0, -360.0..0.0];
        (ra, dec)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// A cone holds what the haversine formula says, and its pixels hold all of it.
        #[test]
        fn cones((ra, dec) in position(), radius in prop_oneof![0.0..2.0_f64, 0.0..180.0], (to_ra, to_dec) in position(), near in -1.5..1.5_f64) {
            let cone = Region::cone(ra, dec, radius).unwrap();
            let beside = (ra, (dec + near * radius).clamp(-90.0, 90.0));
            let pixels = cone.pixels();
            for (to_ra, to_dec) in [(to_ra, to_dec), beside, (ra, dec)] {
                let distance = separation((ra, dec), (to_ra, to_dec));
                let contains = cone.contains(to_ra, to_dec);
                prop_assert!((distance - radius).abs() < 1e-6 || contains == (distance < radius), "{distance}");
                let pixel = pixel_of_order(PIXEL_ORDER, to_ra, to_dec).unwrap() as i64;
                prop_assert!(!contains || pixels.binary_search(&pixel).is_ok(), "pixel {pixel} of ({to_ra}, {to_dec})");
            }
        }

        /// The pixels of a rectangle hold everything in it.
        #[test]
        fn rectangles(start in -360.0..360.0_f64, width in prop_oneof![0.0..2.0_f64, 0.0..360.0], (to_ra, to_dec) in position(), (_, a) in position(), (_, b) in position(), at in 0.0..1.0_f64) {
            let end = if start + width > 360.0 { start + width - 720.0 } else { start + width };
            prop_assume!(end >= -360.0);
            let (low, high) = (a.min(b), a.max(b));
            let rectangle = Region::rectangle(start..end, low..high).unwrap();
            let pixels = rectangle.pixels();
            for (to_ra, to_dec) in [(to_ra, to_dec), ((start + at * width).rem_euclid(360.0), low + at * (high - low)), (start, high)] {
                let pixel = pixel_of_order(PIXEL_ORDER, to_ra, to_dec).unwrap() as i64;
                let contains = rectangle.contains(to_ra, to_dec);
                prop_assert!(!contains || pixels.binary_search(&pixel).is_ok(), "pixel {pixel} of ({to_ra}, {to_dec})");
                let offset = (to_ra - start).rem_euclid(360.0);
                let is_edge = offset < 1e-9 || (offset - width).abs() < 1e-9 || offset > 360.0 - 1e-9;
                prop_assert!(is_edge || contains == (offset < width && (low..=high).contains(&to_dec)), "offset {offset} of {width}");
            }
        }
    }

    #[test]
    fn covers_are_tight() {
        // A cone of 1° touches at most some ten pixels of 0.92°; the circles around them make it a few more.
        assert!(Region::cone(150.0, 2.0, 1.0).unwrap().pixels().len() <= 16);
        assert_eq!(Region::cone(150.0, 2.0, 180.0).unwrap().pixels().len(), 12 << 12);
        let whole = Region::rectangle(0.0..360.0, -90.0..90.0).unwrap();
        assert_eq!(whole.pixels().len(), 12 << 12);
        assert!(whole.contains(0.0, 90.0) && whole.contains(359.9, -90.0) && whole.contains(-0.1, 0.0));
        assert!(!Region::rectangle(10.0..10.0, -90.0..90.0).unwrap().contains(10.0, 0.0));
    }

    #[test]
    fn impossible_regions_are_refused() {
        assert!(Region::cone(f64::NAN, 0.0, 1.0).is_err());
        assert!(Region::cone(0.0, 91.0, 1.0).is_err());
        assert!(Region::cone(0.0, 0.0, -1.0).is_err());
        assert!(Region::rectangle(0.0..1.0, 5.0..4.0).is_err());
        assert!(Region::rectangle(0.0..400.0, 4.0..5.0).is_err());
    }
}
