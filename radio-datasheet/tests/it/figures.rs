//! Figures.

use radio_datasheet::{Answers, Datasheet, Error, Figure};
use radio_index::Summary;

use crate::sample::{patch, survey};

#[track_caller]
fn sky(order: u8, pixels: Vec<(u64, u64)>) -> Figure {
    let mut summary = Summary::default();
    summary.sky.order = order;
    summary.sky.pixels = pixels;
    let mut figures = Datasheet::new(&summary, &Answers::default()).figures().unwrap();
    assert_eq!(figures.len(), 1);
    figures.remove(0)
}

/// Is this footprint drawn as a patch around a position?
#[track_caller]
fn check_patch(order: u8, pixels: Vec<(u64, u64)>, centre: &str) {
    let figure = sky(order, pixels);
    assert!(figure.alt.contains(centre), "{}", figure.alt);
    assert!(!figure.svg.contains("Hammer"));
    assert_well_formed(&figure);
}

/// All tags are closed in order, and no number is lost.
#[track_caller]
fn assert_well_formed(figure: &Figure) {
    let mut open = Vec::new();
    for tag in figure.svg.split('<').skip(1) {
        let tag = &tag[..tag.find('>').unwrap()];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap());
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(
        !figure.svg.contains("NaN") && !figure.svg.contains("inf"),
        "{}",
        figure.svg
    );
}

#[test]
fn a_small_footprint_is_a_patch() {
    check_patch(
        6,
        patch(6, 0.0, 0.0, 3.5),
        "around right ascension 0.0° and declination 0.0°",
    );
    check_patch(6, patch(6, 359.6, 20.0, 3.0), "° and declination 20.");
    check_patch(6, patch(6, 12.0, 90.0, 3.0), "declination 90.0°");
    check_patch(6, patch(6, 12.0, -90.0, 3.0), "declination -90.0°");
    check_patch(
        6,
        vec![(1234, 1)],
        "1 HEALPix pixel of order 6 holds rows, 0.8393 square degrees, around",
    );
    check_patch(29, vec![(0, 1)], "around right ascension 45.0° and declination 0.0°");
    check_patch(6, vec![(1234, u64::MAX), (1234, u64::MAX)], "1");
}

#[test]
fn a_large_footprint_is_on_the_whole_sky() {
    for pixels in [
        patch(4, 190.0, 30.0, 20.0),
        vec![(0, 3), (3071, 1)],
        patch(4, 0.0, 0.0, 180.0),
    ] {
        let figure = sky(4, pixels);
        assert!(figure.svg.contains("Hammer projection"));
        assert_well_formed(&figure);
    }
    // Each of the largest pixels crosses half of the map.
    assert_well_formed(&sky(0, (0..12).map(|pixel| (pixel, pixel + 1)).collect()));
}

/// A fine map of everything is drawn in coarser pixels, and says the area of the fine ones.
#[test]
fn a_map_stays_small() {
    let figure = sky(6, patch(6, 0.0, 0.0, 180.0));
    assert!(figure.svg.len() < 300_000, "{}", figure.svg.len());
    assert!(
        figure
            .alt
            .starts_with("Map of the sky: 49,152 HEALPix pixels of order 6"),
        "{}",
        figure.alt
    );
    assert!(figure.alt.contains(" 41253 square degrees"), "{}", figure.alt);
}

#[test]
fn pixels_that_do_not_exist_are_errors() {
    let fails = |order: u8, pixel: u64| {
        let mut summary = survey();
        summary.sky.order = order;
        summary.sky.pixels = vec![(pixel, 1)];
        match Datasheet::new(&summary, &Answers::default()).render(None) {
            Err(Error::Summary { reason }) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fails(0, 12), "sky pixel 12 does not exist at order 0, which has 12");
    assert_eq!(fails(30, 0), "sky order 30 does not exist; the highest is 29");
    assert!(fails(255, u64::MAX).contains("255"));
}

#[test]
fn pixels_without_rows_are_no_map() {
    let mut summary = Summary::default();
    summary.sky.order = 3;
    summary.sky.pixels = vec![(5, 0)];
    assert!(
        Datasheet::new(&summary, &Answers::default())
            .figures()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn many_bins_are_joined() {
    let mut summary = Summary::default();
    summary.redshifts.width = 0.001;
    summary.redshifts.counts = vec![1; 5000];
    let figures = Datasheet::new(&summary, &Answers::default()).figures().unwrap();
    assert!(
        figures[0].svg.contains("rows per bin of Δz = 0.009"),
        "{}",
        figures[0].svg
    );
    assert!(
        figures[0].alt.starts_with("Histogram of 5,000 redshifts from 0 to 5"),
        "{}",
        figures[0].alt
    );
    assert_well_formed(&figures[0]);
}

#[test]
fn every_figure_of_a_survey_is_well_formed() {
    let summary = survey();
    let figures = Datasheet::new(&summary, &Answers::default()).figures().unwrap();
    assert_eq!(
        figures.iter().map(|figure| figure.name).collect::<Vec<_>>(),
        ["redshifts", "classes", "sky"]
    );
    figures.iter().for_each(assert_well_formed);
}
