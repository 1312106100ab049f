//! Headers: blocks of 36 cards of 80 characters, up to the card `END` (FITS standard 4.0, section 4).

use std::collections::HashMap;

use super::source::Source;
use crate::Result;

/// Everything in a FITS file begins at a multiple of it.
pub(super) const BLOCK: u64 = 2880;
const CARD: usize = 80;

/// The cards of one header, of which the first is kept where a keyword is there twice.
#[derive(Debug, Default)]
pub(super) struct Header {
    cards: HashMap<String, Value>,
}

#[derive(Debug)]
struct Value {
    text: String,
    is_string: bool,
}

impl Header {
    /// Reads the header that begins at `at`, and returns where it ends; `None` where the file ends before it does.
    pub(super) fn read(source: &Source, at: u64) -> Result<Option<(Self, u64)>> {
        let mut header = Self::default();
        let mut end = at;
        let mut block = [0; BLOCK as usize];
        // Keyword of the string that goes on in the next card.
        let mut open = None;
        while end + BLOCK <= source.length() {
            source.read(end, &mut block)?;
            end += BLOCK;
            for card in block.chunks_exact(CARD) {
                if card.starts_with(b"END     ") {
                    return Ok(Some((header, end)));
                }
                header.add(&String::from_utf8_lossy(card), &mut open);
            }
        }
        Ok(None)
    }

    fn add(&mut self, card: &str, open: &mut Option<String>) {
        // What is no ASCII stands in comments, or is damage.
        let (Some(keyword), Some(rest)) = (card.get(..8), card.get(8..)) else {
            return;
        };
        let keyword = keyword.trim_end();
        let is_continued = keyword == "CONTINUE";
        let rest = match rest.strip_prefix("= ") {
            Some(rest) => rest,
            None if is_continued => rest,
            None => return,
        };
        let Some(mut value) = Value::parse(rest) else { return };
        let goes_on = value.is_string && value.text.ends_with('&');
        if goes_on {
            value.text.pop();
        }
        let keyword = if is_continued {
            let Some(keyword) = open.take() else { return };
            if let Some(before) = self.cards.get_mut(&keyword) {
                before.text += &value.text;
            }
            keyword
        } else {
            if self.cards.contains_key(keyword) {
                *open = None;
                return;
            }
            self.cards.insert(keyword.to_owned(), value);
            keyword.to_owned()
        };
        *open = goes_on.then_some(keyword);
    }

    /// The value as it is written, strings without their quotes.
    pub(super) fn text(&self, keyword: &str) -> Option<&str> {
        self.cards.get(keyword).map(|value| value.text.as_str())
    }

    pub(super) fn string(&self, keyword: &str) -> Option<&str> {
        let value = self.cards.get(keyword).filter(|value| value.is_string)?;
        Some(&value.text)
    }

    pub(super) fn is_true(&self, keyword: &str) -> bool {
        self.text(keyword) == Some("T")
    }

    /// A whole number; `None` where there is no such card. The error is a reason for people.
    pub(super) fn integer(&self, keyword: &str) -> Result<Option<i64>, String> {
        let Some(text) = self.text(keyword) else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|_| wrong(keyword, text, "a whole number"))
    }

    /// A size or a count.
    pub(super) fn size(&self, keyword: &str) -> Result<usize, String> {
        let found = self.integer(keyword)?.ok_or_else(|| format!("no card {keyword}"))?;
        usize::try_from(found).map_err(|_| wrong(keyword, &found.to_string(), "a size"))
    }

    /// The number of axes, by this card.
    pub(super) fn axes(&self, keyword: &str) -> Result<usize, String> {
        match self.size(keyword)? {
            axes @ 0..=999 => Ok(axes),
            axes => Err(wrong(keyword, &axes.to_string(), "at most 999")),
        }
    }

    /// A finite number, which may be written as in Fortran (`1.5D3`).
    pub(super) fn number(&self, keyword: &str) -> Result<Option<f64>, String> {
        let Some(text) = self.text(keyword) else {
            return Ok(None);
        };
        let number: Option<f64> = text.replace(['D', 'd'], "E").parse().ok();
        match number.filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(wrong(keyword, text, "a number")),
        }
    }
}

impl Value {
    fn parse(rest: &str) -> Option<Self> {
        let rest = rest.trim_start();
        let Some(string) = rest.strip_prefix('\'') else {
            let text = rest.split('/').next()?.trim();
            return (!text.is_empty()).then(|| Self {
                text: text.to_owned(),
                is_string: false,
            });
        };
        let mut text = String::new();
        let mut characters = string.chars().peekable();
        // A quote is written twice within a string.
        while let Some(character) = characters.next() {
            if character == '\'' && characters.next_if_eq(&'\'').is_none() {
                break;
            }
            text.push(character);
        }
        text.truncate(text.trim_end().len());
        Some(Self { text, is_string: true })
    }
}

fn wrong(keyword: &str, text: &str, expected: &str) -> String {
    format!("card {keyword} is {text}, expected {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(cards: &[&str]) -> Header {
        let mut header = Header::default();
        let mut open = None;
        for card in cards {
            header.add(&format!("{card:80}"), &mut open);
        }
        header
    }

    #[test]
    fn values() {
        let header = header(&[
            "BITPIX  =                  -32 / bits",
            "BITPIX  =                   16",
            "EXTNAME = 'B_FLUX  '           / name",
            "OWNER   = 'O''Hara / Sons'",
            "BZERO   = 2.147D9",
            "EMPTY   = ''",
            "BLANKED =                      / no value",
            "SIMPLE  =                    T",
            "COMMENT = 'nothing'",
            "LONG    = 'one &' / goes on",
            "CONTINUE  'two &'",
            "CONTINUE  'three'",
            "CONTINUE  'of nothing'",
            "HIERARCH ESO DET = 4",
            "é       = 4",
        ]);
        assert_eq!(header.integer("BITPIX"), Ok(Some(-32)));
        assert_eq!(header.string("EXTNAME"), Some("B_FLUX"));
        assert_eq!(header.string("OWNER"), Some("O'Hara / Sons"));
        assert_eq!(header.number("BZERO"), Ok(Some(2.147e9)));
        assert_eq!(header.string("EMPTY"), Some(""));
        assert_eq!(header.text("BLANKED"), None);
        assert!(header.is_true("SIMPLE") && !header.is_true("BITPIX"));
        assert_eq!(header.string("LONG"), Some("one two three"));
        assert_eq!(header.string("BITPIX"), None);
        assert!(header.integer("EXTNAME").is_err());
        assert_eq!(header.size("BITPIX"), Err("card BITPIX is -32, expected a size".into()));
        assert_eq!(header.size("NAXIS"), Err("no card NAXIS".into()));
    }
}
