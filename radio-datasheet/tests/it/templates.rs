//! Templates of the user.

use radio_datasheet::{Datasheet, Error};

use crate::sample::{answers, survey};

/// The datasheet with one template replaced.
fn with(name: &str, text: &str) -> Result<String, Error> {
    let (summary, answers) = (survey(), answers());
    Datasheet::new(&summary, &answers).template(name, text).render(None)
}

/// Does this template fail at `line`, for a reason with all of `words`?
#[track_caller]
fn fails(text: &str, line: usize, words: &[&str]) {
    match with("uses", text) {
        Err(Error::Template {
            name,
            line: found,
            reason,
        }) => {
            assert_eq!((name.as_str(), found), ("uses", line), "{reason}");
            assert!(words.iter().all(|word| reason.contains(word)), "{reason}");
            assert!(!reason.ends_with('.') && !reason.contains('\n'), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_template_is_replaced() {
    let text = with("header", "# {{ title }}: {{ catalogue.rows | count }} rows").unwrap();
    assert!(text.contains("\n# A patch of galaxies: 61,250 rows\n"), "{text}");
    let text = with("answers", "{{ section.id }} has {{ section.open | length }} open").unwrap();
    assert!(text.contains("\nuses has 5 open\n"), "{text}");
}

#[test]
fn errors_name_the_template_the_line_and_the_variable() {
    fails("one\ntwo {{ nothing }}", 2, &["`nothing`", "not defined"]);
    fails("{{ tiles.cuont }}", 1, &["`cuont`", "not defined", "count"]);
    fails("\n\n{{ tiles.count | cuont }}", 3, &["unknown filter `cuont`"]);
    fails("\n{% include \"base\" %}", 2, &["unknown template `base`"]);
    fails("{% if tiles %}", 1, &[]);
    fails("\n{{ columns | count }}", 2, &[]);
    fails("<!-- radio:end uses -->", 0, &["border of a block"]);
}

#[test]
fn a_template_for_no_block_is_an_error() {
    match with("sues", "") {
        Err(Error::UnknownTemplate { name, known }) => {
            assert_eq!(name, "sues");
            assert!(known.contains("uses, distribution"), "{known}");
        }
        other => panic!("{other:?}"),
    }
}
