//! Generated blocks between comment lines, and the hand-written text around them.
//!
//! ```text
//! <!-- radio:begin composition 9f2e51c07d64ab38 -->
//! (generated)
//! <!-- radio:end composition -->
//! ```
//!
//! The number is a hash of what is between the lines, so that an edit by hand is seen.

use crate::{Error, Result};

/// Every line that starts like this is a border of a block.
pub(crate) const MARKER: &str = "<!-- radio:";

/// One generated block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) name: &'static str,
    /// Its text, without line breaks at its ends.
    pub(crate) body: String,
}

/// Puts `blocks` where the previous text has them, and keeps the text around them.
///
/// A block that the previous text lacks goes behind the block before it, the first one before all others; where there
/// is no block yet, they go to the end.
pub(crate) fn merge(previous: &str, blocks: &[Block]) -> Result<String> {
    let mut parts = parse(previous, blocks)?;
    let edited = parts.iter().filter_map(|part| {
        if let Part::Block {
            index, edited: true, ..
        } = part
        {
            Some(*index)
        } else {
            None
        }
    });
    let edited: Vec<_> = edited.map(|index| blocks[index].name.to_owned()).collect();
    if !edited.is_empty() {
        return Err(Error::Edited { blocks: edited });
    }

    let new = |index| Part::Block {
        index,
        edited: false,
        body: "",
        line: 0,
    };
    for index in 0..blocks.len() {
        if position(&parts, |known| known == index).is_some() {
            continue;
        }
        let (at, parts_of_it) = match index
            .checked_sub(1)
            .and_then(|before| position(&parts, |known| known == before))
        {
            Some(before) => (before + 1, [Part::Gap("\n"), new(index)]),
            None => match position(&parts, |_| true) {
                Some(first) => (first, [new(index), Part::Gap("\n")]),
                None => (parts.len(), [Part::Gap(gap_after(previous)), new(index)]),
            },
        };
        parts.splice(at..at, parts_of_it);
    }

    let line_break = if previous
        .split_inclusive('\n')
        .next()
        .is_some_and(|line| line.ends_with("\r\n"))
    {
        "\r\n"
    } else {
        "\n"
    };
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Gap(gap) => text.push_str(&gap.replace('\n', line_break)),
            Part::Text(kept) => text.push_str(kept),
            Part::Block { index, .. } => text.push_str(&delimited(&blocks[index]).replace('\n', line_break)),
        }
    }
    Ok(text)
}

/// A generated block as it stands in a text, edited or not.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) name: &'static str,
    /// Its text, without line breaks at its ends.
    pub(crate) body: String,
    /// The line of the text, from 1, that the body begins with.
    pub(crate) line: usize,
}

/// The generated blocks of a text.
pub(crate) fn found(text: &str) -> Result<Vec<Found>> {
    let blocks = crate::template::BLOCKS.map(|(name, _)| Block {
        name,
        body: String::new(),
    });
    let mut found = Vec::new();
    for part in parse(text, &blocks)? {
        if let Part::Block { index, body, line, .. } = part {
            let inner = body.trim_start_matches(['\r', '\n']);
            let above = body[..body.len() - inner.len()].matches('\n').count();
            let lines: Vec<&str> = inner.trim_end_matches(['\r', '\n']).lines().collect();
            found.push(Found {
                name: blocks[index].name,
                body: lines.join("\n"),
                line: line + above,
            });
        }
    }
    Ok(found)
}

/// A piece of a datasheet.
enum Part<'a> {
    /// Written by hand, kept to the byte.
    Text(&'a str),
    /// Between a new block and what is beside it.
    Gap(&'static str),
    Block {
        index: usize,
        edited: bool,
        body: &'a str,
        /// Of the text, from 1: where the body starts.
        line: usize,
    },
}

fn position(parts: &[Part<'_>], wanted: impl Fn(usize) -> bool) -> Option<usize> {
    parts
        .iter()
        .position(|part| matches!(part, Part::Block { index, .. } if wanted(*index)))
}

/// What has to follow `text` so that a block starts after an empty line.
fn gap_after(text: &str) -> &'static str {
    if text.is_empty() || text.ends_with("\n\n") || text.ends_with("\n\r\n") {
        ""
    } else if text.ends_with('\n') {
        "\n"
    } else {
        "\n\n"
    }
}

fn delimited(block: &Block) -> String {
    let Block { name, body } = block;
    format!(
        "{MARKER}begin {name} {} -->\n\n{body}\n\n{MARKER}end {name} -->\n",
        hash(body)
    )
}

/// Cuts a text at its blocks.
fn parse<'a>(text: &'a str, blocks: &[Block]) -> Result<Vec<Part<'a>>> {
    let mut parts = Vec::new();
    let mut text_start = 0;
    // Index and stated hash of the block that is open, and where its body starts.
    let mut open: Option<(usize, &str, usize)> = None;
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let start = at;
        at += line.len();
        let Some(marker) = line.strip_prefix(MARKER) else {
            continue;
        };
        let wrong = |reason: String| Error::Markers {
            line: number + 1,
            reason,
        };
        let words = marker.trim_end().strip_suffix("-->").unwrap_or_default();
        let words: Vec<_> = words.split_whitespace().collect();
        let (&["begin", name, _] | &["end", name]) = words.as_slice() else {
            return Err(wrong(format!(
                "this is neither `{MARKER}begin NAME HASH -->` nor `{MARKER}end NAME -->`"
            )));
        };
        let Some(index) = blocks.iter().position(|block| block.name == name) else {
            return Err(wrong(format!(
                "no block is called {name:?}; delete it or use the version that wrote it"
            )));
        };
        match (open, words.as_slice()) {
            (None, &["begin", _, stated]) => {
                if position(&parts, |known| known == index).is_some() {
                    return Err(wrong(format!("block {name:?} is there twice; delete one of the two")));
                }
                parts.push(Part::Text(&text[text_start..start]));
                open = Some((index, stated, at));
            }
            (Some((opened, stated, body)), &["end", _]) if opened == index => {
                let body = &text[body..start];
                let edited = hash(body) != stated;
                let line = 1 + text[..start - body.len()].matches('\n').count();
                parts.push(Part::Block {
                    index,
                    edited,
                    body,
                    line,
                });
                (open, text_start) = (None, at);
            }
            (None, _) => return Err(wrong(format!("block {name:?} ends here, but does not begin"))),
            (Some((opened, ..)), _) => {
                return Err(wrong(format!(
                    "block {:?} has to end before this line",
                    blocks[opened].name
                )));
            }
        }
    }
    if let Some((opened, ..)) = open {
        let line = text.lines().count();
        return Err(Error::Markers {
            line,
            reason: format!("block {:?} does not end", blocks[opened].name),
        });
    }
    parts.push(Part::Text(&text[text_start..]));
    parts.retain(|part| !matches!(part, Part::Text("")));
    Ok(parts)
}

/// FNV-1a, 64 bits, of a body without the line breaks at its ends; the kind of line break does not matter.
///
/// It is there to see edits, not to withstand forgery.
pub(crate) fn hash(body: &str) -> String {
    let body = body.trim_matches(['\r', '\n']).bytes().filter(|&byte| byte != b'\r');
    let hash = body.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}
