//! A mock of the large-scale structure of the universe that knows what is a void and what is a knot.
//!
//! No survey says of its galaxies in what part of the cosmic web they are, so what a model learns of it has to be tested on a
//! universe that was made. [`WebMock`] makes one: a Gaussian random field with the spectrum of matter, moved by the approximation of
//! Zel'dovich, and galaxies that follow its density. The tidal tensor says of each place whether it is in a void, a sheet, a filament
//! or a knot.
//!
//! ```
//! use radio_models::mock::{Survey, WebMock};
//! use radio_models::web::CLASSES;
//!
//! let mock = WebMock::default().with_cells(32).with_box_size_mpc_h(64.0).with_galaxies(2000).with_seed(7);
//! let web = mock.make()?;
//! assert_eq!(web.positions.dim(), (2000, 3));
//! let knots = web.classes.iter().filter(|&&class| CLASSES[class as usize] == "knot").count();
//! // Matter is where little of the volume is.
//! assert!(knots as f64 / 2000.0 > 2.0 * web.volume_fractions[3]);
//!
//! // The same galaxies in the sky of an observer, who sees no further than 40 Mpc/h.
//! let survey = Survey::default().with_distances_mpc_h(0.0, 40.0);
//! let seen = mock.with_survey(survey).make()?;
//! assert!(seen.classes.len() < 2000);
//! # Ok::<(), radio_models::Error>(())
//! ```
//!
//! # What it is not
//!
//! It is no N-body simulation. Without gravity after the first step, matter flies through what it should have fallen into: walls and
//! knots are wider than real ones, there are no haloes, and clustering is too weak on scales of a few Mpc/h. All of the box is at
//! redshift 0.
//!
//! # References
//!
//! - Doroshkevich1970: Astrofizika 6, 581. Doroshkevich, the eigenvalues of the tidal tensor of a Gaussian field.
//! - Zeldovich1970: A&A 5, 84. Zel'dovich, the approximation.
//! - EisensteinHu1998: ApJ 496, 605 (arXiv:astro-ph/9709112). Eisenstein & Hu, the transfer function.
//! - Hockney1988: Computer Simulation Using Particles. Hockney & Eastwood, clouds in cells.
//! - Hahn2007: MNRAS 375, 489 (arXiv:astro-ph/0610280). Hahn et al., classes by the eigenvalues of the tidal tensor.
//! - ForeroRomero2009: MNRAS 396, 1815 (arXiv:0809.4135). Forero-Romero et al., a threshold other than 0.
//! - Linder2005: Phys. Rev. D 72, 043529 (arXiv:astro-ph/0507263). Linder, the rate of growth.
//! - Kaiser1987: MNRAS 227, 1. Kaiser, redshift space.
//! - Kitaura2015: MNRAS 450, 1836 (arXiv:1407.1236). Kitaura et al., galaxies that follow a power of the density.

mod field;
mod fourier;
mod galaxies;
mod options;
mod random;
mod spectrum;
mod survey;
mod tidal;
mod web;
mod zeldovich;

pub use field::{Field, PowerBin};
pub use options::{RedshiftSpace, WebMock};
pub use spectrum::LinearSpectrum;
pub use survey::Survey;
pub use tidal::TidalWeb;
pub use web::Web;
