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

/// Markdown from a person as a quote: whatever it opens or defines ends with it, and tags in it are shown, not obeyed.
///
/// Code gets the same treatment, although the escapes show there: what is code in Markdown is for the reader's parser to
/// say, and where ours would differ from it, a tag would get through.
pub(crate) fn quote(input: &str) -> String {
    // First, because a character that cannot be seen may become the space at the start of a line.
    let lines: Vec<_> = input.trim().lines().map(|line| visible(line, true)).collect();
    prefixed(&without_definitions(&without_tags(&lines.join("\n"))))
}

/// `<` where it could open a tag, a comment or an address, as an entity.
fn without_tags(input: &str) -> String {
    let mut text = String::with_capacity(input.len() + 16);
    let mut letters = input.chars().peekable();
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
    text
}

/// The bracket of `[name]: address` and `[^1]: note` escaped: such definitions hold for the whole document, even from
/// within a quote.
fn without_definitions(input: &str) -> String {
    let mut text = String::with_capacity(input.len() + 16);
    let mut at = 0;
    for line in input.split_inclusive('\n') {
        let bracket = definition(&input[at..]);
        let (marks, rest) = line.split_at(bracket.unwrap_or(0));
        text.push_str(marks);
        if bracket.is_some() {
            text.push('\\');
        }
        text.push_str(rest);
        at += line.len();
    }
    text
}

/// Where the bracket of a definition is, if the first line of a text starts one, perhaps behind marks of quotes, lists
/// and tasks. The name in the brackets may go on over lines.
fn definition(text: &str) -> Option<usize> {
    /// Longer names are none (CommonMark 0.31, section 4.7).
    const LONGEST_NAME: usize = 1000;
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| " \t>-+*.)".contains(c) || c.is_ascii_digit());
        let task = ["[ ]", "[x]", "[X]"].iter().find_map(|mark| rest.strip_prefix(mark));
        match task.filter(|task| task.starts_with([' ', '\t'])) {
            Some(task) => rest = task,
            None => break,
        }
    }
    let mut name = rest.strip_prefix('[')?.chars().take(LONGEST_NAME).peekable();
    let mut escaped = false;
    while let Some(letter) = name.next() {
        if letter == ']' {
            // Some readers do not know that a backslash keeps a name open.
            if name.peek() == Some(&':') {
                return Some(text.len() - rest.len());
            } else if !escaped {
                return None;
            }
        }
        escaped = letter == '\\' && !escaped;
    }
    None
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
