//! Answers files.

use radio_datasheet::{Answers, Error};

#[test]
fn texts_are_found_by_section_and_question() {
    let answers = crate::sample::answers();
    assert_eq!(answers.title(), Some("A patch of galaxies"));
    assert_eq!(answers.get("distribution", "licence"), Some("CC BY 4.0"));
    assert_eq!(answers.get("distribution", "release"), None);
    assert_eq!(answers.get("no such section", "licence"), None);
}

#[test]
fn an_empty_text_is_no_answer() {
    let answers = Answers::from_toml("title = '  '\n[uses]\npast = ''\n").unwrap();
    assert_eq!(answers, Answers::default());
}

#[test]
fn the_starter_asks_every_question_once() {
    let starter = Answers::starter();
    assert_eq!(Answers::from_toml(starter).unwrap(), Answers::default());
    let keys = starter.lines().filter(|line| line.ends_with(" = \"\"")).count();
    let questions = starter
        .lines()
        .filter(|line| line.starts_with("# ") && line.contains('?'))
        .count();
    assert_eq!(keys, questions);
    assert!(
        starter.contains("# How much is there? (counted)\nsize = \"\"\n"),
        "{starter}"
    );
    // Filled in, every one of them is known.
    let filled = starter.replace("\"\"", "\"something\"");
    assert_eq!(
        Answers::from_toml(&filled).unwrap().get("maintenance", "contributions"),
        Some("something")
    );
}

/// Does this file fail at `line`, for a reason with all of `words`?
#[track_caller]
fn fails(file: &str, line: usize, words: &[&str]) {
    match Answers::from_toml(file) {
        Err(Error::Answers { line: found, reason }) => {
            assert_eq!(found, line, "{reason}");
            assert!(words.iter().all(|word| reason.contains(word)), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    fails("titel = 'x'", 1, &["`titel`", "title", "[motivation]"]);
    fails("\n[motivations]\n", 2, &["`motivations`", "[motivation]"]);
    fails(
        "[motivation]\npurpose = 'x'\nporpoise = 'y'",
        3,
        &["`motivation.porpoise`", "purpose, creators"],
    );
    fails("[uses]\npast = 3", 2, &["`uses.past`", "integer", "in quotes"]);
    fails("title = ['x']", 1, &["`title`", "array"]);
    fails("motivation = 'x'", 1, &["`motivation` is a section"]);
    fails("title = 'x'\ntitle = 'y'", 2, &["duplicate key"]);
    fails("title = ", 1, &[]);
    fails("'new\\nline' = 'x'", 1, &["`new\\\\nline`"]);
}
