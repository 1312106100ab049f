//! Spectral lines, and where their names find room.

use super::axis::Axis;

/// How a line is mostly seen in a spectrum of a galaxy or a quasar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Emission,
    Absorption,
}
use Seen::{Absorption, Emission};

/// A line, or a multiplet that shares a name.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) seen: Seen,
    /// In vacuum, in Å.
    pub(super) wavelengths: &'static [f64],
}

const fn line(name: &'static str, seen: Seen, wavelengths: &'static [f64]) -> Line {
    Line {
        name,
        seen,
        wavelengths,
    }
}

/// What has a name in the picture: the earlier in this list, the surer of its room.
///
/// Vacuum wavelengths: NIST's Atomic Spectra Database (Ritz wavelengths, converted with eq. (1) of Ciddor1996 where it
/// lists air); blends that a survey spectrograph does not resolve are as in the table of spectral lines of SDSS
/// (<http://classic.sdss.org/dr6/algorithms/linestable.html>), Si IV + O IV] and C II] as in table 2 of VandenBerk2001.
pub(super) const LINES: [Line; 37] = [
    line("Lyα", Emission, &[1215.67]),
    line("C IV", Emission, &[1549.48]),
    line("C III]", Emission, &[1908.73]),
    line("Mg II", Emission, &[2799.12]),
    line("Hα", Emission, &[6564.61]),
    line("[O III]", Emission, &[4960.30, 5008.24]),
    line("[O II]", Emission, &[3727.09, 3729.88]),
    line("Hβ", Emission, &[4862.69]),
    line("Ca K, H", Absorption, &[3934.78, 3969.59]),
    line("Mg b", Absorption, &[5168.76, 5174.13, 5185.05]),
    line("Na D", Absorption, &[5891.58, 5897.56]),
    line("[N II]", Emission, &[6549.86, 6585.27]),
    line("[S II]", Emission, &[6718.29, 6732.67]),
    line("Hγ", Emission, &[4341.69]),
    line("Hδ", Emission, &[4102.90]),
    line("N V", Emission, &[1238.82, 1242.80]),
    line("Si IV+O IV]", Emission, &[1399.8]),
    line("Lyβ", Emission, &[1025.72]),
    line("Ca II", Absorption, &[8500.36, 8544.44, 8664.52]),
    line("G band", Absorption, &[4305.61]),
    line("He II", Emission, &[1640.42]),
    line("He II", Emission, &[4687.02]),
    line("[Ne V]", Emission, &[3426.85]),
    line("[Ne III]", Emission, &[3869.86]),
    line("He I", Emission, &[5877.25]),
    line("[O I]", Emission, &[6302.05]),
    line("[S III]", Emission, &[9071.1, 9533.2]),
    line("[Ar III]", Emission, &[7137.76]),
    line("Al III", Emission, &[1854.72, 1862.79]),
    line("C II]", Emission, &[2326.44]),
    line("O VI", Emission, &[1031.91, 1037.61]),
    line("Mg I", Absorption, &[2852.96]),
    line("Fe II", Absorption, &[2586.65, 2600.17]),
    line("Fe II", Absorption, &[2344.21, 2374.46, 2382.77]),
    line("Si II", Absorption, &[1260.42]),
    line("Si II", Absorption, &[1526.71]),
    line("Al II", Absorption, &[1670.79]),
];

/// A line in the picture.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) line: &'static Line,
    /// Its components that are in range, across the page.
    pub(super) at: Vec<f64>,
    /// The middle of its name, and the row of names, from 0. Nothing where there is no room: no two names overlap.
    pub(super) label: Option<(f64, usize)>,
}

/// Rows that names may take.
const EMISSION_ROWS: usize = 3;
const ABSORPTION_ROWS: usize = 2;

/// The lines of an object at this redshift that are in range of an axis of observed wavelengths.
pub(super) fn marks(x: Axis, redshift: f64, sides: [f64; 2]) -> Vec<Mark> {
    let mut taken: Vec<(Seen, usize, [f64; 2])> = Vec::new();
    let mut marks = Vec::new();
    for line in &LINES {
        let observed = line.wavelengths.iter().map(|rest| rest * (1.0 + redshift));
        let at: Vec<f64> = observed
            .filter(|wavelength| x.contains(*wavelength))
            .map(|w| x.at(w))
            .collect();
        let (Some(first), Some(last)) = (at.first(), at.last()) else {
            continue;
        };
        // A letter is some 6.2 wide in any of the fonts; names want a little air around them.
        let half = 3.1 * line.name.chars().count() as f64 + 3.0;
        let middle = (first + last) / 2.0;
        let rows = match line.seen {
            Emission => EMISSION_ROWS,
            Absorption => ABSORPTION_ROWS,
        };
        // Above the line if possible, else beside it.
        let places = [0.0, half, -half]
            .into_iter()
            .flat_map(|shift| (0..rows).map(move |row| (middle + shift, row)));
        let label = places
            .map(|(x, row)| (x.clamp(sides[0] + half, sides[1] - half), row))
            .find(|(x, row)| {
                let mut others = taken
                    .iter()
                    .filter(|(seen, other, _)| *seen == line.seen && other == row);
                others.all(|(_, _, [left, right])| x + half <= *left || *right <= x - half)
            });
        if let Some((x, row)) = label {
            taken.push((line.seen, row, [x - half, x + half]));
        }
        marks.push(Mark { line, at, label });
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vacuum wavelength for one in standard air, Å: the inverse of Ciddor1996 by iteration.
    fn vacuum(air: f64) -> f64 {
        (0..4).fold(air, |vacuum, _| {
            let sigma2 = (1e4 / vacuum).powi(2);
            air * (1.0 + 0.057_921_05 / (238.0185 - sigma2) + 0.001_679_17 / (57.362 - sigma2))
        })
    }

    #[test]
    fn wavelengths_are_those_of_vacuum() {
        let air = [
            ("Hα", 0, 6562.80),
            ("Hβ", 0, 4861.35),
            ("Hγ", 0, 4340.47),
            ("Hδ", 0, 4101.74),
            ("[O III]", 0, 4958.91),
            ("[O III]", 1, 5006.84),
            ("[O II]", 0, 3726.03),
            ("[O II]", 1, 3728.82),
            ("[N II]", 1, 6583.45),
            ("[S II]", 0, 6716.44),
            ("[S II]", 1, 6730.82),
            ("Ca K, H", 0, 3933.66),
            ("Ca K, H", 1, 3968.47),
            ("Mg b", 2, 5183.60),
            ("Na D", 0, 5889.95),
            ("Na D", 1, 5895.92),
            ("Ca II", 1, 8542.09),
            ("[O I]", 0, 6300.30),
            ("[S III]", 0, 9068.6),
            ("[S III]", 1, 9530.6),
            ("[Ar III]", 0, 7135.79),
            ("[Ne III]", 0, 3868.76),
            ("He I", 0, 5875.62),
        ];
        for (name, component, air) in air {
            let line = LINES.iter().find(|line| line.name == name).unwrap();
            let found = line.wavelengths[component];
            assert!(
                (found - vacuum(air)).abs() < 0.06,
                "{name}: {found}, not {}",
                vacuum(air)
            );
        }
    }

    #[test]
    fn names_do_not_overlap() {
        let sides = [0.0, 860.0];
        for redshift in [-0.001, 0.0, 0.1, 0.37, 0.8, 1.5, 2.1, 3.0, 5.5] {
            let marks = marks(Axis::new([3600.0, 9824.0], sides), redshift, sides);
            assert!(marks.len() > 3, "{redshift}");
            let label = |mark: &Mark| mark.label.map(|(x, row)| (mark.line.seen, row, x, mark.line.name));
            let labels: Vec<_> = marks.iter().filter_map(label).collect();
            for (k, (seen, row, x, name)) in labels.iter().enumerate() {
                for other in labels[..k].iter().filter(|other| (other.0, other.1) == (*seen, *row)) {
                    let letters = name.chars().count() + other.3.chars().count();
                    assert!(
                        (x - other.2).abs() > 3.1 * letters as f64,
                        "{name} and {} at {redshift}",
                        other.3
                    );
                }
            }
        }
    }
}
