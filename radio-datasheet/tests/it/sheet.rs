//! What a datasheet says.

use radio_datasheet::{Answers, Datasheet};
use radio_index::{Histogram, Summary};

use crate::sample::{answers, survey};

/// The whole text of a small datasheet, kept as a file to be read by people.
#[test]
fn whole_datasheet() {
    let (summary, answers) = (survey(), answers());
    let text = Datasheet::new(&summary, &answers)
        .fact("Tokenizer", "patch = 32\nnormalize = \"median\"\n")
        .fact("Tokenizer hash", "9f2e51c07d64ab38")
        .render(None)
        .unwrap();
    // A release changes the version, and with it the hash of the block that states it.
    let (text, provenance) = text.split_once("<!-- radio:begin provenance ").unwrap();
    let stated = format!("`radio-datasheet` {}.", env!("CARGO_PKG_VERSION"));
    assert!(provenance.contains(&stated), "{provenance}");
    insta::assert_snapshot!(text);
}

#[test]
fn without_figures_and_answers_it_still_stands() {
    let (summary, answers) = (Summary::default(), Answers::default());
    let text = Datasheet::new(&summary, &answers).render(None).unwrap();
    insta::assert_snapshot!(text.split_once("<!-- radio:begin provenance ").unwrap().0);
    assert!(Datasheet::new(&summary, &answers).figures().unwrap().is_empty());
}

/// Does a datasheet of this summary hold this line?
#[track_caller]
fn check(change: impl Fn(&mut Summary), line: &str) {
    let mut summary = survey();
    change(&mut summary);
    let answers = answers();
    let text = Datasheet::new(&summary, &answers).render(None).unwrap();
    assert!(text.lines().any(|found| found == line), "{line:?} is not in\n{text}");
}

#[test]
fn figures_name_their_source() {
    check(|s| s.tiles.count = 12_034, "| tiles | 12,034 | footer |");
    check(|s| s.tiles.bytes = 999, "| size on disk | 999 B (999 bytes) | footer |");
    check(
        |s| s.tiles.bytes = 999_500,
        "| size on disk | 1 MB (999,500 bytes) | footer |",
    );
    check(
        |s| s.tiles.bytes = u64::MAX,
        "| size on disk | 18.4 EB (18,446,744,073,709,551,615 bytes) | footer |",
    );
    check(
        |s| s.catalogue.dead = 61_249,
        "| dead fibres | 61,249 | > 99.9 % | catalogue |",
    );
    check(|s| s.catalogue.dead = 1, "| dead fibres | 1 | < 0.1 % | catalogue |");
    check(|s| s.catalogue.dead = 0, "| dead fibres | 0 | 0.0 % | catalogue |");
    check(|s| s.catalogue.rows = 0, "| dead fibres | 2,140 | – | catalogue |");
    check(
        |s| s.catalogue.z = Some(bounds(-0.000_01, f64::NAN)),
        "| redshift | 0.0000 | – |  | catalogue |",
    );
    check(
        |s| s.group_runs[0].largest = 1e22,
        "| `fof` | 48,112 | 3,907 | 1.00000e22 | `b0=0.06 r0=18` | `galaxy_groups` |",
    );
}

#[test]
fn one_is_not_many() {
    check(|s| s.tiles.bytes = 1, "| size on disk | 1 B (1 byte) | footer |");
    let one_redshift = |s: &mut Summary| {
        s.redshifts.counts = vec![1];
        s.redshifts.width = 0.5;
    };
    check(
        one_redshift,
        "1 redshift in 1 bin of 0.5 from 0 to 0.5. Source: catalogue.",
    );
    check(
        one_redshift,
        "![Histogram of 1 redshift from 0 to 0.5, in bins of 0.5](DATA_README.files/redshifts.svg)",
    );
    let one_pixel = |s: &mut Summary| s.sky.pixels.truncate(1);
    check(
        one_pixel,
        "1 HEALPix pixel of order 6 (nested) holds at least one row; it covers",
    );
    check(
        |s| s.catalogue.classes = vec![("STAR".into(), 1)],
        "![Bars of the rows of 1 class, 1 row in all](DATA_README.files/classes.svg)",
    );
}

#[test]
fn long_lists_are_cut_and_the_rest_is_counted() {
    let many = |s: &mut Summary| s.catalogue.warnings = (0..30).map(|value| (Some(value), 10)).collect();
    check(many, "| 19 | 10 | < 0.1 % | catalogue |");
    check(many, "| *10 more* | 100 | 0.2 % | catalogue |");
}

#[test]
fn what_figures_answer_is_not_open() {
    let open = "- `relations`: How are rows related to each other?";
    check(|s| s.group_runs.clear(), open);
    let (summary, answers) = (survey(), answers());
    assert!(!Datasheet::new(&summary, &answers).render(None).unwrap().contains(open));
}

#[test]
fn broken_histograms_have_no_figure() {
    let mut summary = survey();
    for (start, width, counts) in [
        (0.0, 0.0, vec![3]),
        (f64::NAN, 0.1, vec![3]),
        (0.0, 0.1, vec![0, 0]),
        (0.0, 0.1, vec![]),
    ] {
        summary.redshifts = Histogram::default();
        (
            summary.redshifts.start,
            summary.redshifts.width,
            summary.redshifts.counts,
        ) = (start, width, counts);
        let figures = Datasheet::new(&summary, &Answers::default()).figures().unwrap();
        assert!(
            figures.iter().all(|figure| figure.name != "redshifts"),
            "{:?}",
            summary.redshifts
        );
    }
}

fn bounds(min: f64, max: f64) -> radio_index::Bounds {
    radio_index::Bounds { min, max }
}
