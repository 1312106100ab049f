//! Constants of nature.

pub(crate) const SPEED_OF_LIGHT_KM_S: f64 = 299_792.458;

/// G in Mpc (km/s)² per solar mass: GM☉ = 1.327 124 4e20 m³/s² (IAU 2015 resolution B3), 1 Mpc = 3.085 677 581 49e22 m.
pub(crate) const GRAVITY: f64 = 1.327_124_4e20 / 3.085_677_581_491_367e22 * 1e-6;
