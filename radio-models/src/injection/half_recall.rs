//! How strong an anomaly must be to be found in half of the cases.

/// Bins have equally many anomalies, at least so many, and there are at most so many bins.
const LEAST_IN_BIN: usize = 5;
const MOST_BINS: usize = 10;

/// Anomalies in bins of amplitude, weakest first.
#[derive(Debug)]
pub(super) struct AmplitudeBins {
    /// The bin of each row that is in one.
    bin_of: Vec<(usize, f64)>,
    bins: usize,
}

impl AmplitudeBins {
    /// The bins of these amplitudes, one for each row; rows with `None` or an amplitude of 0 are in no bin.
    pub(super) fn new(amplitudes: &[Option<f64>]) -> Self {
        let amplitude = |row: usize| amplitudes[row].filter(|&amplitude| amplitude > 0.0);
        let mut rows: Vec<(usize, f64)> = (0..amplitudes.len())
            .filter_map(|row| Some((row, amplitude(row)?)))
            .collect();
        rows.sort_by(|a, b| a.1.total_cmp(&b.1));
        let bins = (rows.len() / LEAST_IN_BIN).clamp(1, MOST_BINS);
        let mut bin_of = vec![(usize::MAX, 0.0); amplitudes.len()];
        for (i, &(row, amplitude)) in rows.iter().enumerate() {
            bin_of[row] = (i * bins / rows.len(), amplitude.ln());
        }
        Self { bin_of, bins }
    }

    /// An empty count of what is recalled.
    pub(super) fn count(&self) -> RecallByAmplitude<'_> {
        RecallByAmplitude {
            bins: self,
            sums: vec![Sums::default(); self.bins],
        }
    }
}

/// Recall in each bin of amplitude.
#[derive(Debug)]
pub(super) struct RecallByAmplitude<'a> {
    bins: &'a AmplitudeBins,
    sums: Vec<Sums>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    weight: f64,
    recalled: f64,
    log_amplitude: f64,
}

impl RecallByAmplitude<'_> {
    pub(super) fn add(&mut self, row: usize, recalled: bool, weight: f64) {
        let (bin, log_amplitude) = self.bins.bin_of[row];
        if let Some(sums) = self.sums.get_mut(bin) {
            sums.weight += weight;
            sums.recalled += if recalled { weight } else { 0.0 };
            sums.log_amplitude += weight * log_amplitude;
        }
    }

    /// The amplitude where the recall reaches one half, infinite where it never does.
    pub(super) fn half(&self) -> f64 {
        let blocks = rising(&self.sums);
        let recall = |sums: &Sums| sums.recalled / sums.weight;
        let center = |sums: &Sums| sums.log_amplitude / sums.weight;
        let Some(above) = blocks.iter().position(|block| recall(block) >= 0.5) else {
            return f64::INFINITY;
        };
        let (x1, y1) = (center(&blocks[above]), recall(&blocks[above]));
        let Some(below) = above.checked_sub(1) else {
            return x1.exp();
        };
        let (x0, y0) = (center(&blocks[below]), recall(&blocks[below]));
        (x0 + (x1 - x0) * (0.5 - y0) / (y1 - y0)).exp()
    }
}

/// Joins neighbours until the recall rises from each block to the next: the isotonic regression, by pooling adjacent
/// violators (Ayer et al. 1955, Ann. Math. Statist. 26, 641).
fn rising(bins: &[Sums]) -> Vec<Sums> {
    let mut blocks: Vec<Sums> = Vec::with_capacity(bins.len());
    for &bin in bins.iter().filter(|bin| bin.weight > 0.0) {
        let mut block = bin;
        while let Some(before) = blocks.last()
            && before.recalled * block.weight >= block.recalled * before.weight
        {
            block.weight += before.weight;
            block.recalled += before.recalled;
            block.log_amplitude += before.log_amplitude;
            blocks.pop();
        }
        blocks.push(block);
    }
    blocks
}
