//! The sphere on paper, seen from inside: right ascension increases to the left. Both projections keep areas.
//!
//! Positions are right ascension and declination in degrees; points of the plane are in units of the sphere's radius,
//! x to the right and y up.

/// Hammer's projection of the whole sky, an ellipse of half axes 2√2 and √2. `offset` is the right ascension relative to
/// that of the centre, in [-180, 180] degrees.
///
/// Snyder 1987 (USGS Professional Paper 1395), section 24: Lambert's azimuthal projection of half the offset, twice as wide.
pub(crate) fn hammer(offset: f64, dec: f64) -> (f64, f64) {
    let (lon_rad, lat_rad) = (offset.to_radians(), dec.to_radians());
    let root = (1.0 + lat_rad.cos() * (lon_rad / 2.0).cos()).sqrt();
    (
        -2.0 * std::f64::consts::SQRT_2 * lat_rad.cos() * (lon_rad / 2.0).sin() / root,
        std::f64::consts::SQRT_2 * lat_rad.sin() / root,
    )
}

/// A right ascension relative to another, in [-180, 180) degrees.
pub(crate) fn offset(ra: f64, centre: f64) -> f64 {
    (ra - centre + 180.0).rem_euclid(360.0) - 180.0
}

/// Lambert's azimuthal equal-area projection around a centre, for a patch of the sky.
///
/// Snyder 1987, eqs. (24-2) to (24-4) and (20-14), (20-15), (24-16) for the inverse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    pub(crate) ra: f64,
    pub(crate) dec: f64,
}

impl Local {
    pub(crate) fn project(&self, ra: f64, dec: f64) -> (f64, f64) {
        let (sin_0, cos_0) = self.dec.to_radians().sin_cos();
        let (sin_lat, cos_lat) = dec.to_radians().sin_cos();
        let (sin_lon, cos_lon) = (ra - self.ra).to_radians().sin_cos();
        // The antipode has no image; a patch never holds it.
        let k = (2.0 / (1.0 + sin_0 * sin_lat + cos_0 * cos_lat * cos_lon).max(1e-12)).sqrt();
        (
            -k * cos_lat * sin_lon,
            k * (cos_0 * sin_lat - sin_0 * cos_lat * cos_lon),
        )
    }

    /// Right ascension relative to the centre, in [-180, 180], and declination.
    pub(crate) fn unproject(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let rho = x.hypot(y);
        if rho == 0.0 {
            return (0.0, self.dec);
        }
        let (sin_c, cos_c) = (2.0 * (rho / 2.0).min(1.0).asin()).sin_cos();
        let (sin_0, cos_0) = self.dec.to_radians().sin_cos();
        let sin_lat = cos_c * sin_0 + y * sin_c * cos_0 / rho;
        let lon_rad = (-x * sin_c).atan2(rho * cos_0 * cos_c - y * sin_0 * sin_c);
        (lon_rad.to_degrees(), sin_lat.clamp(-1.0, 1.0).asin().to_degrees())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(found: (f64, f64), expected: (f64, f64)) {
        assert!(
            (found.0 - expected.0).abs() < 1e-12 && (found.1 - expected.1).abs() < 1e-12,
            "{found:?} {expected:?}"
        );
    }

    #[test]
    fn right_ascension_increases_to_the_left() {
        assert!(hammer(10.0, 0.0).0 < 0.0);
        assert!(Local { ra: 359.0, dec: 40.0 }.project(1.0, 40.0).0 < 0.0);
    }

    #[test]
    fn hammer_has_the_axes_of_its_ellipse() {
        near(hammer(-180.0, 0.0), (8_f64.sqrt(), 0.0));
        near(hammer(0.0, 90.0), (0.0, 2_f64.sqrt()));
        near(hammer(0.0, 0.0), (0.0, 0.0));
    }

    #[test]
    fn offsets_cross_zero() {
        assert_eq!(offset(1.0, 359.0), 2.0);
        assert_eq!(offset(359.0, 1.0), -2.0);
        assert_eq!(offset(300.0, 120.0), -180.0);
    }

    #[test]
    fn a_patch_comes_back() {
        for centre in [
            Local { ra: 0.0, dec: 0.0 },
            Local { ra: 359.5, dec: 62.0 },
            Local { ra: 10.0, dec: -90.0 },
        ] {
            for (offset, dec) in [(0.3, 0.1), (-5.0, 3.0), (12.0, -9.0), (100.0, -85.0)] {
                let found = centre.unproject(centre.project(centre.ra + offset, dec));
                assert!(
                    (found.0 - offset).abs() < 1e-9 && (found.1 - dec).abs() < 1e-9,
                    "{centre:?} {found:?}"
                );
            }
        }
    }

    /// A small square has the same area anywhere: the determinant of the projection is that of the sphere.
    #[test]
    fn areas_are_kept() {
        let step = 1e-4;
        let local = Local { ra: 30.0, dec: 50.0 };
        for (lon, lat) in [(0.0, 0.0), (40.0, 20.0), (100.0, -60.0), (-150.0, 75.0)] {
            for project in [&hammer as &dyn Fn(f64, f64) -> (f64, f64), &|lon, lat| {
                local.project(30.0 + lon, lat)
            }] {
                let (origin, east, north) = (project(lon, lat), project(lon + step, lat), project(lon, lat + step));
                let area =
                    ((east.0 - origin.0) * (north.1 - origin.1) - (east.1 - origin.1) * (north.0 - origin.0)).abs();
                let true_area = step.to_radians().powi(2) * lat.to_radians().cos();
                assert!((area / true_area - 1.0).abs() < 1e-3, "{lon} {lat}: {area} {true_area}");
            }
        }
    }
}
