//! The example draw_tokens, run as its users run it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::Path;

use clap::Parser as _;
use radio_io::mock::Mock;
use radio_io::{ReadOptions, Reader};
use svg::node::element::tag::Type;
use svg::parser::Event;

#[path = "main.rs"]
mod draw_tokens;

/// Runs it with `--out OUT` and these arguments, and returns the picture.
fn run(out: &Path, arguments: &[&str]) -> draw_tokens::Result<String> {
    let all = [&["draw_tokens", "--out", out.to_str().unwrap()], arguments].concat();
    draw_tokens::run(&draw_tokens::Options::try_parse_from(all)?)?;
    Ok(fs::read_to_string(out)?)
}

/// Is it one whole `svg`, in which every number is one?
#[track_caller]
fn check(picture: &str) {
    let (mut open, mut paths) = (Vec::new(), 0);
    for event in svg::read(picture).unwrap() {
        assert!(!matches!(event, Event::Error(_)), "{event:?}");
        let Event::Tag(name, kind, attributes) = event else {
            continue;
        };
        assert!(kind == Type::End || !open.is_empty() || name == "svg", "{name} outside");
        match kind {
            Type::Start => open.push(name),
            Type::End => assert_eq!(open.pop(), Some(name)),
            Type::Empty => {}
        }
        paths += usize::from(name == "path");
        for value in attributes.values() {
            assert!(!value.contains("NaN") && !value.contains("inf"), "{name}: {value}");
        }
    }
    assert!(open.is_empty() && paths > 20, "{open:?}, {paths} paths");
}

#[test]
fn the_best_spectrum_of_a_mock_survey() {
    let folder = tempfile::tempdir().unwrap();
    let picture = run(&folder.path().join("tokens.svg"), &[]).unwrap();
    check(&picture);
    assert!(picture.len() < 300_000, "{} bytes", picture.len());
    for words in ["pixels become 244 tokens", "scale", "(median)", "no telescope saw this"] {
        assert!(picture.contains(words), "{words}");
    }
}

#[test]
fn any_spectrum_with_any_options() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Mock::new(100).write(folder.path(), |_| {}).unwrap().plan;
    let batches = Reader::new(&plan, ReadOptions::default()).unwrap();
    let ids: Vec<i64> = batches.flat_map(|batch| batch.unwrap().ids().to_vec()).collect();
    let [dead, alive] = [true, false].map(|is_dead| ids.iter().find(|id| (**id < 0) == is_dead).unwrap().to_string());

    let (tiles, out) = (folder.path().to_str().unwrap(), folder.path().join("tokens.svg"));
    let draw = |arguments: &[&str]| run(&out, &[&["--tiles", tiles], arguments].concat());
    let picture = draw(&["--id", &dead]).unwrap();
    check(&picture);
    assert!(picture.contains("no good pixel"));
    for how in ["mean", "mean-std", "weighted-mean", "patch-median", "none"] {
        let picture = draw(&["--id", &alive, "--normalize", how, "--patch", "50", "--stride", "20"]).unwrap();
        check(&picture);
        assert!(picture.contains(&format!("normalize={how}")), "{how}");
    }
    // One token, which is longer than the spectrum; and a credit that would be a tag.
    let picture = draw(&["--id", &alive, "--patch", "9000", "--credit", "<b> & co"]).unwrap();
    check(&picture);
    assert!(picture.contains("&lt;b&gt; &amp; co"));

    let error = |arguments: &[&str]| draw(arguments).unwrap_err().to_string();
    let unknown = error(&["--id", "7"]);
    assert!(
        unknown.contains("no spectrum 7") && unknown.contains(&ids[0].to_string()),
        "{unknown}"
    );
    assert!(error(&["--normalize", "loud"]).contains("patch-median"));
    assert!(error(&["--stride", "33"]).contains("stride"));
}
