//! Words and numbers as a reader sees them, safe to stand in a page.

use std::fmt::{self, Display, Formatter, Write as _};

/// What stands for a value that is not there.
pub(super) const NOTHING: &str = "–";

/// Text that cannot end the tag or the quoted attribute that it stands in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(character)?,
                // No document may hold these, not even escaped.
                '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                _ if character.is_control() => f.write_char('\u{fffd}')?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// Four significant digits or so; a dash where it is not finite.
pub(super) fn number(x: f64) -> String {
    if !x.is_finite() {
        return NOTHING.to_owned();
    }
    let text = match x.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e6).contains(&size) => format!("{x:.2e}"),
        size => format!("{x:.*}", (3 - size.log10().floor() as i32).clamp(0, 6) as usize),
    };
    minus(&text)
}

/// A number of so many digits after the point.
pub(super) fn decimal(x: f64, digits: usize) -> String {
    // Nobody reads 300 digits.
    if !x.is_finite() || x.abs() >= 1e9 {
        return number(x);
    }
    let text = format!("{x:.digits$}");
    // Rounded to 0, nothing is negative.
    let is_zero = text.bytes().all(|byte| b"-0.".contains(&byte));
    minus(if is_zero { text.trim_start_matches('-') } else { &text })
}

/// For scripts: a number that survives the way there and back, nothing where it is not finite.
pub(super) fn data(x: Option<f64>) -> String {
    x.filter(|x| x.is_finite())
        .map(|x| format!("{x:e}"))
        .unwrap_or_default()
}

/// Hours, minutes and seconds, degrees, minutes and seconds of a place in the sky, given in degrees.
pub(super) fn sexagesimal(ra: f64, dec: f64) -> Option<String> {
    if !(0.0..=360.0).contains(&ra) || !(-90.0..=90.0).contains(&dec) {
        return None;
    }
    // Whole steps of the last digit, so that no 60 is ever written.
    let time = (ra / 15.0 * 360_000.0).round() as u64 % 8_640_000;
    let angle = (dec.abs() * 36_000.0).round() as u64;
    let sign = if dec < 0.0 { '−' } else { '+' };
    Some(format!(
        "{:02} {:02} {:02}.{:02} {sign}{:02} {:02} {:02}.{}",
        time / 360_000,
        time / 6000 % 60,
        time / 100 % 60,
        time % 100,
        angle / 36_000,
        angle / 600 % 60,
        angle / 10 % 60,
        angle % 10,
    ))
}

/// A hyphen is too short for a minus.
pub(super) fn minus(text: &str) -> String {
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out() {
        let hostile = "<script>\"'&]]>\0\u{1b}\u{85}\u{ffff}é";
        let safe = Escaped(hostile).to_string();
        assert_eq!(
            safe,
            "&lt;script&gt;&quot;&#39;&amp;]]&gt;\u{fffd}\u{fffd}\u{fffd}\u{fffd}é"
        );
    }

    #[test]
    fn numbers_are_short() {
        let check = |x, expected: &str| assert_eq!(number(x), expected, "{x}");
        check(0.0, "0");
        check(-0.36874, "−0.3687");
        check(12.3456, "12.35");
        check(123_456.7, "123457");
        check(1e300, "1.00e300");
        check(-2e-17, "−2.00e−17");
        check(f64::NAN, "–");
        check(f64::INFINITY, "–");
        assert_eq!(decimal(1e300, 4), "1.00e300");
        assert_eq!(decimal(f64::NAN, 4), "–");
        assert_eq!(decimal(-0.000_04, 4), "0.0000");
        assert_eq!(decimal(-0.000_06, 4), "−0.0001");
        assert_eq!(data(Some(f64::NAN)), "");
    }

    #[test]
    fn places_in_the_sky() {
        let check = |ra, dec, expected: Option<&str>| assert_eq!(sexagesimal(ra, dec).as_deref(), expected);
        check(187.277_915_417, 2.052_388_333, Some("12 29 06.70 +02 03 08.6")); // 3C 273
        check(359.999_999_999, -89.999_999_99, Some("00 00 00.00 −90 00 00.0"));
        check(14.999_999_9, -0.000_014, Some("01 00 00.00 −00 00 00.1"));
        check(f64::NAN, 0.0, None);
        check(0.0, 91.0, None);
    }
}
