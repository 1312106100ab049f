//! HEALPix pixels of positions.

/// The order of the pixels that rows are known by; those of any coarser one are some bits fewer.
#[cfg(feature = "hats")]
pub(crate) const DEEPEST: u8 = 29;

/// The pixel (NESTED) of a position in degrees, ICRS. `None` where one of them is not finite, or `dec` is beyond a pole; `ra` may be any.
pub(crate) fn pixel(order: u8, ra: f64, dec: f64) -> Option<u64> {
    if !ra.is_finite() || !(-90.0..=90.0).contains(&dec) {
        return None;
    }
    let ra = ra.rem_euclid(360.0);
    // A tiny negative angle is rounded to 360 itself.
    let ra = if ra < 360.0 { ra } else { 0.0 };
    Some(cdshealpix::nested::hash(order, ra.to_radians(), dec.to_radians()))
}

/// The same of a row of a catalogue, where 999999 and the like stand for no position.
pub(crate) fn pixel_of_row(order: u8, ra: f64, dec: f64) -> Option<u64> {
    (ra.abs() <= 360.0).then(|| pixel(order, ra, dec))?
}
