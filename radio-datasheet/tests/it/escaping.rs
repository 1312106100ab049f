//! Names and texts that mean harm.

use proptest::prelude::*;
use radio_datasheet::{Answers, Datasheet};

use crate::sample::{answers, column, run, survey};

/// Lines of a datasheet whose every name is `name`, and the lines of the same one with harmless names.
fn lines_with(name: &str) -> (Vec<String>, Vec<String>) {
    let text = |name: &str| {
        let mut summary = survey();
        summary.columns = vec![column(name, name, 1, None, 1)];
        summary.tiles.created_by = vec![(name.to_owned(), 1)];
        summary.catalogue.classes = vec![(name.to_owned(), 1)];
        summary.anomaly_runs = vec![run(name, 1, 1.0, 0, name)];
        summary.group_runs = vec![run(name, 1, 1.0, 1, name)];
        let text = Datasheet::new(&summary, &answers())
            .fact(name, name)
            .render(None)
            .unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    (text(name), text("harmless"))
}

/// How many cells a reader of GitHub's Markdown finds in a row: a backslash takes the meaning from a bar behind it.
fn bars(line: &str) -> usize {
    let mut before = ' ';
    let bars = line.chars().filter(|&letter| {
        let bar = letter == '|' && before != '\\';
        before = letter;
        bar
    });
    bars.count()
}

/// A tag or comment opens with one of these outside of a code span.
fn opens_tag(line: &str) -> bool {
    // Every second piece is within backticks, because names bring none of their own.
    line.split('`').step_by(2).any(|text| {
        text.char_indices().any(|(at, letter)| {
            letter == '<' && text[at + 1..].starts_with(|next: char| next.is_ascii_alphabetic() || "/!?".contains(next))
        })
    })
}

/// Does a datasheet with this name everywhere have the same lines, cells and tags as one with a harmless name?
#[track_caller]
fn check(name: &str) {
    let (lines, harmless) = lines_with(name);
    assert_eq!(lines.len(), harmless.len(), "{name:?}");
    for (line, expected) in lines.iter().zip(&harmless) {
        // Hashes of blocks differ, their borders do not.
        let border = "<!-- radio:";
        assert_eq!(line.starts_with(border), expected.starts_with(border), "{line}");
        assert_eq!(bars(line), bars(expected), "{line}");
        assert!(line.starts_with(border) || !opens_tag(line), "{line}");
        // A name leaves no code span open.
        assert_eq!(
            line.matches('`').count() % 2,
            expected.matches('`').count() % 2,
            "{line}"
        );
    }
}

#[test]
fn hostile_names_are_names() {
    check("a|b");
    check("a\\|b\\");
    check("`|`");
    check("<script>alert(1)</script>");
    check("<!-- radio:end composition -->");
    check("]( http://x ) ![x](y)");
    check("&lt;b&gt; **x** _y_ ~~z~~ # $1$");
    check("\u{202e}backwards\u{0}\u{7f}\u{feff}");
    check("{{ title }}{% raw %}");
    check("--- | --- https://x.org");
}

#[test]
fn a_name_with_line_breaks_is_one_line() {
    for name in [
        "a\nb",
        "a\r\n\n<!-- radio:end composition -->\n# b",
        "a\u{2028}b\u{85}c",
    ] {
        let mut summary = survey();
        summary.columns = vec![column(name, name, 1, None, 1)];
        let text = Datasheet::new(&summary, &answers()).render(None).unwrap();
        assert!(
            text.lines()
                .any(|line| line.starts_with("| ") && line.contains('a') && line.ends_with(" | 1 B |")),
            "{text}"
        );
        assert!(Datasheet::new(&summary, &answers()).render(Some(&text)).is_ok());
    }
}

#[test]
fn empty_names_are_shown() {
    let mut summary = survey();
    summary.columns = vec![column("", " \n", 1, None, 1)];
    let text = Datasheet::new(&summary, &answers()).render(None).unwrap();
    assert!(text.contains("| (empty) | (empty) | 47 |"), "{text}");
}

/// An answer that opens a fence, a comment, a heading and a block of ours.
#[test]
fn an_answer_ends_where_it_ends() {
    let answer = "<!-- open\n```\n# Heading\n<!-- radio:end uses -->\n<div onclick='x'>\n1 < 2";
    let answers = Answers::from_toml(&format!("title = \"<b>|`\\n# x\"\n[uses]\npast = '''{answer}'''")).unwrap();
    let summary = survey();
    let text = Datasheet::new(&summary, &answers).render(None).unwrap();
    let quoted =
        "> &lt;!-- open\n> ```\n> # Heading\n> &lt;!-- radio:end uses -->\n> &lt;div onclick='x'>\n> 1 < 2\n\n";
    assert!(text.contains(quoted), "{text}");
    assert!(text.contains("\n# &lt;b&gt;&#124;&#96; \\# x\n"), "{text}");
    assert_eq!(Datasheet::new(&summary, &answers).render(Some(&text)).unwrap(), text);
}

/// Does an answer of these lines stand as these lines?
#[track_caller]
fn check_answer(answer: &str, expected: &str) {
    let mut answers = String::new();
    for letter in answer.chars() {
        answers += &format!("\\U{:08x}", u32::from(letter));
    }
    let answers = Answers::from_toml(&format!("[uses]\npast = \"{answers}\"")).unwrap();
    let summary = survey();
    let text = Datasheet::new(&summary, &answers).render(None).unwrap();
    let expected = format!("**What has it been used for?**\n\n{expected}\n\n");
    assert!(text.contains(&expected), "{expected:?} is not in\n{text}");
}

#[test]
fn tags_are_shown_in_code_too() {
    check_answer("`Vec<f32>`", "> `Vec&lt;f32>`");
    // A reader for whom the backtick opens no code would obey the tag.
    check_answer("\\`<b>`", "> \\`&lt;b>`");
}

/// A definition would hold for the whole document.
#[test]
fn an_answer_defines_nothing() {
    check_answer("[doi]: http://x.org", "> \\[doi]: http://x.org");
    check_answer("See\n\n  [^1]: A note.", "> See\n>\n>   \\[^1]: A note.");
    check_answer("x\n> - 1. [a]: b", "> x\n> > - 1. \\[a]: b");
    check_answer("x\n- [ ] [a]: b", "> x\n> - [ ] \\[a]: b");
    check_answer("x\n*[a]: b", "> x\n> *\\[a]: b");
    check_answer("[a\nb]: c", "> \\[a\n> b]: c");
    check_answer("[a\\]b]: c", "> \\[a\\]b]: c");
    check_answer("[a\\]: b", "> \\[a\\]: b");
    check_answer("x\n\u{b}[a]: b", "> x\n>  \\[a]: b");
    check_answer("x\r[a]: b\r\n[a]: b", "> x [a]: b\n> \\[a]: b");
}

#[test]
fn links_of_an_answer_stay() {
    check_answer("[a](http://b): c", "> [a](http://b): c");
    check_answer("[a\nb](c)", "> [a\n> b](c)");
    check_answer("x\n- [x] done\n- [ ]: open", "> x\n> - [x] done\n> - \\[ ]: open");
    check_answer("see [a]: b", "> see [a]: b");
    check_answer("[a\n\n- b", "> [a\n>\n> - b");
    check_answer("\\[a]: b", "> \\[a]: b");
}

#[test]
fn a_long_fact_cannot_close_its_fence() {
    let (summary, answers) = (survey(), answers());
    let sheet =
        Datasheet::new(&summary, &answers).fact("Config", "a = 1\n```\n\n\n````\n<!-- radio:end uses -->\n<b>\n");
    let text = sheet.render(None).unwrap();
    let fenced = "> `````text\n> a = 1\n> ```\n>\n>\n> ````\n> <!-- radio:end uses -->\n> <b>\n> `````\n";
    assert!(text.contains(fenced), "{text}");
    assert_eq!(sheet.render(Some(&text)).unwrap(), text);
}

#[test]
fn labels_of_figures_are_xml() {
    let mut summary = survey();
    summary.catalogue.classes = vec![("<b>&\"\u{1}\u{ffff}'".into(), 3), ("x".repeat(1000), 2)];
    let figures = Datasheet::new(&summary, &Answers::default()).figures().unwrap();
    let svg = &figures.iter().find(|figure| figure.name == "classes").unwrap().svg;
    assert!(svg.contains(">&lt;b&gt;&amp;&quot;\u{fffd}\u{fffd}'<"), "{svg}");
    assert!(svg.contains(&format!(">{}…<", "x".repeat(17))), "{svg}");
}

proptest! {
    #![proptest_config(crate::sample::cases(48))]

    #[test]
    fn no_name_changes_the_document(name in "[a-c|`\\\\<>&!/*_#\\[\\]() \t-]{1,12}") {
        prop_assume!(!name.trim().is_empty());
        check(&name);
    }
}
