//! Which classes are taken for which.

use std::fmt;

use super::CLASSES;

const K: usize = CLASSES.len();

/// How many galaxies of each class were given each class.
///
/// # Examples
///
/// ```
/// use radio_models::web::Confusion;
///
/// let confusion = Confusion::of([(0, 0), (0, 1), (1, 1), (2, 2)]); // (true, given)
/// assert_eq!(confusion.accuracy(), 0.75);
/// assert_eq!(confusion.f1(1), 2.0 / 3.0);
/// assert_eq!(confusion.macro_f1(), (2.0 / 3.0 + 2.0 / 3.0 + 1.0 + 0.0) / 4.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    counts: [[u64; K]; K],
}

impl Confusion {
    /// Counts pairs of true and given classes. Pairs with a class that is none are left out.
    pub fn of(pairs: impl IntoIterator<Item = (u8, u8)>) -> Self {
        let mut confusion = Self::default();
        for (truth, given) in pairs {
            let row = confusion.counts.get_mut(usize::from(truth));
            if let Some(count) = row.and_then(|row| row.get_mut(usize::from(given))) {
                *count += 1;
            }
        }
        confusion
    }

    /// Galaxies by their true class, then by the given one.
    #[must_use]
    pub fn counts(&self) -> &[[u64; K]; K] {
        &self.counts
    }

    /// The part that was given its class; 0 of none.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..K).map(|class| self.counts[class][class]).sum();
        ratio(right, self.counts.iter().flatten().sum())
    }

    /// The harmonic mean of precision and recall of a class, 2 TP / (2 TP + FP + FN); 0 where it neither is there nor is given.
    #[must_use]
    pub fn f1(&self, class: usize) -> f64 {
        let Some(row) = self.counts.get(class) else { return 0.0 };
        let given: u64 = self.counts.iter().map(|row| row[class]).sum();
        ratio(2 * row[class], row.iter().sum::<u64>() + given)
    }

    /// The mean of [`f1`](Self::f1) over the four classes, each counting the same.
    #[must_use]
    pub fn macro_f1(&self) -> f64 {
        (0..K).map(|class| self.f1(class)).sum::<f64>() / K as f64
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A table in Markdown, rows by true class, in per cent of it.
impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| true, then given | galaxies | {} |", CLASSES.join(" | "))?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|")?;
        for (name, row) in CLASSES.iter().zip(&self.counts) {
            let all = row.iter().sum();
            let shares = row.map(|count| format!("{:.1} %", 100.0 * ratio(count, all)));
            writeln!(f, "| {name} | {all} | {} |", shares.join(" | "))?;
        }
        Ok(())
    }
}
