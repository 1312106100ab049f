//! Numbers as people read them. The same number gives the same text everywhere.

/// Thousands in groups: `1,234,567`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in decimal units, three digits: `1.23 GB`.
pub(crate) fn bytes(value: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if value < 1000 {
        return format!("{value} B");
    }
    let mut scaled = value as f64 / 1e3;
    let mut unit = 0;
    // 999.5 and more would be rounded to four digits.
    while scaled >= 999.5 && unit + 1 < UNITS.len() {
        scaled /= 1e3;
        unit += 1;
    }
    format!("{} {}", significant(scaled, 3), UNITS[unit])
}

/// A part of a whole in percent: `12.3 %`; a dash where the whole is nothing. Small parts are never shown as nothing.
pub(crate) fn share(part: f64, whole: f64) -> String {
    let percent = 100.0 * part / whole;
    if !percent.is_finite() {
        "–".to_owned()
    } else if part > 0.0 && percent < 0.05 {
        "< 0.1 %".to_owned()
    } else if part < whole && percent >= 99.95 {
        "> 99.9 %".to_owned()
    } else {
        format!("{percent:.1} %")
    }
}

/// A number with a fixed count of decimals; a dash where it is not a number.
pub(crate) fn decimal(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{value:.digits$}");
    // No minus in front of zeros.
    match text.strip_prefix('-') {
        Some(zeros) if zeros.bytes().all(|byte| byte == b'0' || byte == b'.') => zeros.to_owned(),
        _ => text,
    }
}

/// A number of any size, up to `digits` significant digits, whole numbers in full.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        "–".to_owned()
    } else if value == 0.0 {
        "0".to_owned()
    } else if value.fract() == 0.0 && value.abs() < 1e15 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", count(value.abs() as u64))
    } else if value.abs() >= 1e9 || value.abs() < 1e-4 {
        format!("{value:.*e}", digits.saturating_sub(1))
    } else {
        let whole_digits = value.abs().log10().floor() as i64 + 1;
        let decimals = (digits as i64 - whole_digits).max(0) as usize;
        let text = decimal(value, decimals);
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    }
}
