//! Hand-written text around generated blocks.

use proptest::prelude::*;
use radio_datasheet::{Datasheet, Error, Result};
use radio_index::Summary;

use crate::sample::{answers, survey};

fn render(summary: &Summary, previous: Option<&str>) -> Result<String> {
    Datasheet::new(summary, &answers()).render(previous)
}

#[test]
fn rendering_again_changes_nothing() {
    let summary = survey();
    let once = render(&summary, None).unwrap();
    assert_eq!(render(&summary, Some(&once)).unwrap(), once);
    assert_eq!(render(&summary, Some("")).unwrap(), once);
}

#[test]
fn new_figures_replace_old_ones_and_text_stays() {
    let old = render(&Summary::default(), None).unwrap();
    let old = old.replace("<!-- radio:begin uses", "Ask us first.\n\n<!-- radio:begin uses") + "\nThanks.";
    let new = render(&survey(), Some(&old)).unwrap();
    assert!(new.contains("| tiles | 47 | footer |"));
    assert!(!new.contains("| tiles | 0 | footer |"));
    assert!(new.contains("-->\n\nAsk us first.\n\n<!-- radio:begin uses"), "{new}");
    assert!(new.ends_with("<!-- radio:end provenance -->\n\nThanks."));
}

#[test]
fn an_edited_block_is_named() {
    let text = render(&survey(), None).unwrap();
    let edited = text
        .replace("| tiles | 47 |", "| tiles | 48 |")
        .replace("CC BY 4.0", "MIT");
    match render(&survey(), Some(&edited)) {
        Err(Error::Edited { blocks }) => assert_eq!(blocks, ["composition", "distribution"]),
        other => panic!("{other:?}"),
    }
    let message = render(&survey(), Some(&edited)).unwrap_err().to_string();
    assert!(
        message.contains("edited by hand: composition, distribution; move"),
        "{message}"
    );
}

#[test]
fn a_deleted_block_comes_back_in_its_place() {
    let text = render(&survey(), None).unwrap();
    for name in ["header", "uses", "provenance"] {
        let start = text.find(&format!("<!-- radio:begin {name}")).unwrap();
        let end = format!("<!-- radio:end {name} -->\n");
        let end = text.find(&end).unwrap() + end.len();
        let cut = text[..start].to_owned() + text[end..].trim_start_matches('\n');
        let again = render(&survey(), Some(&cut)).unwrap();
        assert_eq!(again.trim_end(), text.trim_end(), "{name}");
    }
}

#[test]
fn a_page_without_blocks_gets_them_at_its_end() {
    for (page, start) in [
        ("# Mine", "# Mine\n\n<!--"),
        ("# Mine\n", "# Mine\n\n<!--"),
        ("# Mine\n\n", "# Mine\n\n<!--"),
    ] {
        let text = render(&survey(), Some(page)).unwrap();
        assert!(text.starts_with(start), "{text}");
        assert_eq!(render(&survey(), Some(&text)).unwrap(), text);
    }
}

#[test]
fn blocks_may_be_moved() {
    let text = render(&survey(), None).unwrap();
    let at = text.find("<!-- radio:begin provenance").unwrap();
    let moved = text[at..].to_owned() + "\n" + &text[..at];
    assert_eq!(render(&survey(), Some(&moved)).unwrap(), moved);
}

#[test]
fn line_breaks_of_windows_are_kept() {
    let text = render(&survey(), None).unwrap().replace('\n', "\r\n");
    assert_eq!(render(&survey(), Some(&text)).unwrap(), text);
    let grown = render(&survey(), Some("# Mine\r\n")).unwrap();
    assert!(!grown.replace("\r\n", "").contains('\n'));
}

/// Do these lines, as a previous datasheet, fail at `line` with all of `words`?
#[track_caller]
fn fails(previous: &str, line: usize, words: &[&str]) {
    match render(&survey(), Some(previous)) {
        Err(Error::Markers { line: found, reason }) => {
            assert_eq!(found, line, "{reason}");
            assert!(words.iter().all(|word| reason.contains(word)), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn borders_that_do_not_match_are_named() {
    fails("\n<!-- radio:begin uses 0 -->\ntext", 3, &["\"uses\" does not end"]);
    fails("<!-- radio:end uses -->", 1, &["\"uses\" ends here"]);
    fails(
        "<!-- radio:begin uses 0 -->\n<!-- radio:begin header 0 -->",
        2,
        &["\"uses\" has to end"],
    );
    fails(
        "<!-- radio:begin uses 0 -->\n<!-- radio:end header -->",
        2,
        &["\"uses\" has to end"],
    );
    fails("<!-- radio:begin sues 0 -->", 1, &["no block is called \"sues\""]);
    fails("<!-- radio:begin uses -->", 1, &["neither"]);
    fails("<!-- radio:start uses 0 -->", 1, &["neither"]);
    fails("<!-- radio:", 1, &["neither"]);
    let text = render(&survey(), None).unwrap();
    let lines = text.lines().count();
    fails(&(text.clone() + &text), lines + 1, &["\"header\" is there twice"]);
}

/// The blocks of a datasheet with their borders.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        if line.starts_with("<!-- radio:begin ") || blocks.is_empty() {
            blocks.push(String::new());
        }
        if let Some(block) = blocks.last_mut() {
            block.push_str(line);
        }
    }
    // The empty line between two blocks is no part of them.
    blocks.iter().map(|block| block.trim_end().to_owned() + "\n").collect()
}

proptest! {
    #![proptest_config(crate::sample::cases(64))]

    /// Whatever is written around blocks is there afterwards, and the second time nothing changes.
    #[test]
    fn text_outside_of_blocks_is_kept(
        gaps in prop::collection::vec("[ -~é\n\r]{0,30}", 10),
        rows in 0_u64..1_000_000,
    ) {
        let interleave = |summary: &Summary| {
            let blocks = blocks(&render(summary, None).unwrap());
            assert_eq!(blocks.len() + 1, gaps.len());
            let with_gaps = blocks.iter().map(String::as_str).chain([""]);
            // A gap has to end its line, or a border would not start one.
            gaps.iter().zip(with_gaps).map(|(gap, block)| format!("{gap}\n{block}")).collect::<String>()
        };
        let mut summary = Summary::default();
        let old = interleave(&summary);
        summary.tiles.rows = rows;
        let new = render(&summary, Some(&old)).unwrap();
        // One gap with such a line break at the start makes blocks have it too.
        prop_assert_eq!(new.replace('\r', ""), interleave(&summary).replace('\r', ""));
        prop_assert_eq!(render(&summary, Some(&new)).unwrap(), new);
    }

    /// No previous text makes it panic.
    #[test]
    fn any_previous_text_is_read(lines in prop::collection::vec(
        prop_oneof![
            Just("<!-- radio:begin uses 1 -->".to_owned()),
            Just("<!-- radio:end uses -->".to_owned()),
            Just("<!-- radio:end -->".to_owned()),
            "[ -~\r]{0,20}",
        ], 0..8)) {
        let _ = render(&Summary::default(), Some(&lines.join("\n")));
    }
}
