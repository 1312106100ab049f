//! Axes with round numbers, and lines that take few bytes.

use std::fmt::Write as _;

use super::text::minus;

/// A linear axis: from where to where in the data, and on the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) data: [f64; 2],
    page: [f64; 2],
}

impl Axis {
    pub(super) fn new([from, to]: [f64; 2], page: [f64; 2]) -> Self {
        // Shorter than what numbers of this size can tell apart, an axis has no inside.
        let least = 1e-9 * from.abs().max(to.abs());
        let to = if to - from > least {
            to
        } else {
            from + from.abs().max(1.0)
        };
        Self { data: [from, to], page }
    }

    /// The place on the page; what is far away stays at a distance that a renderer can add.
    pub(super) fn at(self, value: f64) -> f64 {
        let part = (value - self.data[0]) / (self.data[1] - self.data[0]);
        (self.page[0] + part * (self.page[1] - self.page[0])).clamp(-3e3, 3e3)
    }

    /// Is it on the axis?
    pub(super) fn contains(self, value: f64) -> bool {
        (self.data[0]..=self.data[1]).contains(&value)
    }

    /// At most so many round numbers, with their places on the page and how they are written.
    pub(super) fn ticks(self, most: usize) -> Vec<(f64, String)> {
        let [from, to] = self.data;
        let least = (to - from) / most.max(1) as f64;
        let power = 10f64.powf(least.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
        let step = steps.into_iter().find(|step| *step >= least).unwrap_or(10.0 * power);
        let first = (from / step).ceil();
        let size = from.abs().max(to.abs());
        let ticks = (0..=most).map(|k| (first + k as f64) * step);
        let ticks = ticks.take_while(|tick| *tick <= to + 1e-9 * step);
        ticks.map(|tick| (self.at(tick), label(tick, step, size))).collect()
    }
}

/// As many digits as the step needs; powers of ten where the largest number would be long without.
fn label(tick: f64, step: f64, size: f64) -> String {
    let digits = |size: f64| (size.log10().floor() - step.log10().floor()).clamp(0.0, 6.0) as usize;
    // Rounding leaves something near 1e-17 where 0 is meant.
    let tick = if tick.abs() < 0.01 * step { 0.0 } else { tick };
    let text = match size {
        1e-3..1e6 => format!("{tick:.*}", (-step.log10().floor()).clamp(0.0, 9.0) as usize),
        _ if tick == 0.0 => "0".to_owned(),
        _ => format!("{tick:.*e}", digits(tick.abs())),
    };
    minus(&text)
}

/// Writes the data of a path: in whole steps of a tenth of a unit or more, each relative to the one before.
#[derive(Debug)]
pub(super) struct Pen {
    path: String,
    /// Tenths of a unit that places are rounded to, across and up the page.
    steps: [i64; 2],
    /// Where it is, in tenths; nothing at the start of a line.
    at: Option<[i64; 2]>,
    command: char,
}

impl Pen {
    /// A pen for a finished drawing: no eye sees more than a tenth.
    pub(super) fn fine() -> Self {
        Self::with_steps([1, 1])
    }

    /// A pen for what is noise anyway.
    pub(super) fn coarse() -> Self {
        Self::with_steps([1, 5])
    }

    fn with_steps(steps: [i64; 2]) -> Self {
        Self {
            path: String::new(),
            steps,
            at: None,
            command: ' ',
        }
    }

    /// The next place begins a new line.
    pub(super) fn lift(&mut self) {
        self.at = None;
    }

    /// Draws to a place.
    pub(super) fn to(&mut self, x: f64, y: f64) {
        let tenths = |x: f64, step: i64| (x * 10.0 / step as f64).round() as i64 * step;
        let next = [tenths(x, self.steps[0]), tenths(y, self.steps[1])];
        match self.at {
            None => {
                self.path.push('M');
                self.pair(next);
                self.command = 'M';
            }
            Some([x, y]) => self.by([next[0] - x, next[1] - y]),
        }
        self.at = Some(next);
    }

    fn by(&mut self, [x, y]: [i64; 2]) {
        match (x, y) {
            // A line of length 0 still is a dot, which a lonely pixel needs.
            (0, 0) if self.command == 'M' => {
                self.path.push_str("h0");
                self.command = 'h';
            }
            (0, 0) => {}
            (0, _) => self.single('v', y),
            (_, 0) => self.single('h', x),
            _ => {
                if self.command == 'l' && x >= 0 {
                    self.path.push(' ');
                } else if self.command != 'l' {
                    self.path.push('l');
                    self.command = 'l';
                }
                self.pair([x, y]);
            }
        }
    }

    fn single(&mut self, command: char, length: i64) {
        if self.command != command {
            self.path.push(command);
            self.command = command;
        } else if length >= 0 {
            self.path.push(' ');
        }
        push_tenths(&mut self.path, length);
    }

    fn pair(&mut self, [x, y]: [i64; 2]) {
        push_tenths(&mut self.path, x);
        if y >= 0 {
            self.path.push(' ');
        }
        push_tenths(&mut self.path, y);
    }

    /// Ends a polygon.
    pub(super) fn close(&mut self) {
        self.path.push('z');
        self.lift();
    }

    pub(super) fn finish(self) -> String {
        self.path
    }
}

/// Writes tenths as a number, without the zeros that it can do without.
fn push_tenths(path: &mut String, tenths: i64) {
    let sign = if tenths < 0 { "-" } else { "" };
    let (whole, part) = (tenths.abs() / 10, tenths.abs() % 10);
    let _ = match (whole, part) {
        (_, 0) => write!(path, "{sign}{whole}"),
        (0, _) => write!(path, "{sign}.{part}"),
        _ => write!(path, "{sign}{whole}.{part}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_ticks(data: [f64; 2], most: usize, expected: &[&str]) {
        let ticks = Axis::new(data, [0.0, 100.0]).ticks(most);
        let labels: Vec<&str> = ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, expected);
        assert!(
            ticks.iter().all(|(x, _)| (-1e-6..=100.0 + 1e-6).contains(x)),
            "{ticks:?}"
        );
    }

    #[test]
    fn ticks_are_round_and_few() {
        check_ticks([3600.0, 9824.0], 7, &["4000", "5000", "6000", "7000", "8000", "9000"]);
        check_ticks([-0.31, 0.3], 6, &["−0.2", "0.0", "0.2"]);
        check_ticks([0.0, 3e-17], 3, &["0", "1e−17", "2e−17", "3e−17"]);
        check_ticks([9.5e7, 1.05e8], 2, &["9.5e7", "1.00e8", "1.05e8"]);
        check_ticks([5.0, 5.0], 2, &["5", "10"]);
        assert!(Axis::new([1e30, 1e30 + 1.0], [0.0, 1.0]).ticks(9).len() < 11);
    }

    #[test]
    fn lines_are_short() {
        let mut pen = Pen::fine();
        for (x, y) in [(1.0, 2.04), (2.0, 2.0), (3.0, 2.0), (3.5, 1.5), (4.5, 3.0), (4.5, 2.0)] {
            pen.to(x, y);
        }
        pen.lift();
        pen.to(-7.0, -0.26);
        pen.to(-7.0, -0.26);
        assert_eq!(pen.finish(), "M1 2h1 1l.5-.5 1 1.5v-1M-7-.3h0");
    }
}
