//! Text from outside, made harmless in Markdown: it can neither end a table cell nor smuggle a tag in.

use std::io::{self, Write};

/// Writes `input` as plain text of one line: what Markdown or HTML would read as more than a letter is escaped.
///
/// Characters that a table row or a tag is made of become entities, because table cells are cut before backslashes are
/// read; the rest get a backslash, which is easier on those who read the source.
pub(crate) fn escape(input: &str, output: &mut dyn Write) -> io::Result<()> {
    let line = one_line(input);
    for (at, letter) in line.char_indices() {
        match letter {
            '&' => output.write_all(b"&amp;")?,
            '<' => output.write_all(b"&lt;")?,
            '>' => output.write_all(b"&gt;")?,
            '|' => output.write_all(b"&#124;")?,
            '\\' => output.write_all(b"&#92;")?,
            '`' => output.write_all(b"&#96;")?,
            // A bare address would become a link.
            ':' if line[at..].starts_with("://") => output.write_all(b"&#58;")?,
            '_' | '*' | '[' | ']' | '#' | '~' | '$' => write!(output, "\\{letter}")?,
            _ => write!(output, "{letter}")?,
        }
    }
    Ok(())
}

/// [`escape`], as a text.
pub(crate) fn escaped(input: &str) -> String {
    let mut bytes = Vec::with_capacity(input.len());
    // Writing to memory cannot fail, and what was written is UTF-8.
    let _ = escape(input, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A name as a code span, which reads best in the source and on the page.
///
/// A name with a character that could end the span or the table cell is escaped as plain text instead.
pub(crate) fn code(input: &str) -> String {
    let line = one_line(input);
    if line.is_empty() {
        "(empty)".to_owned()
    } else if line.contains(['`', '|', '\\', '<', '>', '&']) {
        escaped(&line)
    } else {
        format!("`{line}`")
    }
}

/// Markdown from a person as a quote: whatever it opens ends with it, and tags in it are shown, not obeyed.
pub(crate) fn quote(input: &str) -> String {
    let mut text = String::with_capacity(input.len() + 16);
    let mut letters = input.trim().chars().peekable();
    while let Some(letter) = letters.next() {
        let opens_tag = letters
            .peek()
            .is_some_and(|next| next.is_ascii_alphabetic() || "/!?".contains(*next));
        if letter == '<' && opens_tag {
            text.push_str("&lt;");
        } else {
            text.push(letter);
        }
    }
    prefixed(&text)
}

/// A text as it is, for instance a configuration file, in a fence that it cannot close.
pub(crate) fn verbatim(input: &str) -> String {
    let longest = input.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    prefixed(&format!("{fence}text\n{}\n{fence}", input.trim_matches(['\n', '\r'])))
}

/// Every line behind a quote mark. No line of the text starts a line of the document any more.
fn prefixed(text: &str) -> String {
    let lines: Vec<_> = text
        .lines()
        .map(|line| format!("> {}", visible(line, true)).trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// Control characters and line breaks as single spaces.
fn one_line(input: &str) -> String {
    visible(input, false).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A line without characters that cannot be seen: controls become spaces, marks that turn or hide text become U+FFFD.
fn visible(line: &str, keep_tabs: bool) -> String {
    line.chars()
        .map(|letter| match letter {
            '\t' if keep_tabs => '\t',
            letter if letter.is_control() || letter == '\u{2028}' || letter == '\u{2029}' => ' ',
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
            letter => letter,
        })
        .collect()
}
