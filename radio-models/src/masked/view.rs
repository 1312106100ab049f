//! What the encoder sees of a batch, and what the decoder is asked for.

use rayon::prelude::*;

use super::MaskedAutoencoderConfig;
use crate::hash::scramble;
use crate::tokens::Tokens;

/// The tokens of each of `n` rows that are visible, and those that are to be predicted.
///
/// What is visible of a spectrum depends on its id, the seed, the draw and which of its tokens are valid: not on the batch
/// that it is in.
pub(super) struct View {
    pub(super) visible: Places,
    pub(super) asked: Places,
}

impl View {
    /// For training: most valid tokens are hidden, each set of tokens being as likely as any other. They are asked for.
    pub(super) fn at_random(config: &MaskedAutoencoderConfig, tokens: &Tokens<'_>, draw: u64) -> Self {
        let choose = |valid: &[usize]| {
            let visible = ((1.0 - config.hidden) * valid.len() as f64).round() as usize;
            valid[..visible.max(1).min(valid.len())].to_vec()
        };
        Self::new(config, tokens, draw, choose, |valid| valid)
    }

    /// For scoring: of the valid tokens, parted at random into `sets`, one set is visible. All others are asked for.
    pub(super) fn of_set(config: &MaskedAutoencoderConfig, tokens: &Tokens<'_>, set: usize, sets: usize) -> Self {
        let choose = |valid: &[usize]| valid.iter().skip(set).step_by(sets).copied().collect();
        Self::new(config, tokens, u64::MAX, choose, |_| true)
    }

    /// `choose` takes visible tokens out of the valid ones, which come in a random order; `asked` says whether those that are
    /// valid, or not, are asked for where they are not visible.
    fn new(
        config: &MaskedAutoencoderConfig,
        tokens: &Tokens<'_>,
        draw: u64,
        choose: impl Fn(&[usize]) -> Vec<usize>,
        asked: impl Fn(bool) -> bool,
    ) -> Self {
        let rows = tokens.valid();
        let rows = rows.chunks_exact(config.tokens).zip(tokens.ids()).map(|(valid, &id)| {
            let stream = scramble(scramble(scramble(config.seed) ^ draw) ^ id as u64);
            let mut random: Vec<usize> = (0..config.tokens).filter(|&token| valid[token]).collect();
            random.sort_by_cached_key(|&token| scramble(stream ^ token as u64));
            let mut visible = choose(&random);
            visible.truncate(config.visible());
            visible.sort_unstable();
            let mut ask: Vec<bool> = valid.iter().map(|&valid| asked(valid)).collect();
            visible.iter().for_each(|&token| ask[token] = false);
            (visible, (0..config.tokens).filter(|&token| ask[token]).collect())
        });
        let (visible, asked): (Vec<_>, Vec<Vec<usize>>) = rows.unzip();
        // Few different numbers: a graphics card prepares for each.
        let most = asked.iter().map(Vec::len).max().unwrap_or(0);
        let places = most.next_multiple_of(8).clamp(1, config.tokens);
        Self {
            visible: Places::new(&visible, config.visible()),
            asked: Places::new(&asked, places),
        }
    }
}

/// Rows that one thread takes at a time.
const ROWS_AT_ONCE: usize = 8;

/// Some tokens of each of `n` rows, in `k` places.
pub(super) struct Places {
    /// Places of a row, `k`.
    pub(super) per_row: usize,
    /// Which token is in a place, `(n, k)`; in a place that is left over, token 0.
    pub(super) tokens: Vec<usize>,
    /// Places of each row that are taken.
    taken: Vec<usize>,
}

impl Places {
    fn new(rows: &[Vec<usize>], per_row: usize) -> Self {
        let mut tokens = Vec::with_capacity(rows.len() * per_row);
        for (row, taken) in rows.iter().enumerate() {
            tokens.extend_from_slice(taken);
            tokens.resize((row + 1) * per_row, 0);
        }
        Self {
            per_row,
            tokens,
            taken: rows.iter().map(Vec::len).collect(),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.taken.len()
    }

    /// The tokens of a row, without places that are left over.
    pub(super) fn of_row(&self, row: usize) -> &[usize] {
        &self.tokens[row * self.per_row..][..self.taken[row]]
    }

    /// A number for each pixel, from its value and error, `(n, k, p)`; 0 in places that are left over.
    pub(super) fn pixels(&self, tokens: &Tokens<'_>, number: impl Fn(f32, f32) -> f32 + Sync) -> Vec<f32> {
        let (values, errors, patch) = (tokens.values(), tokens.errors(), tokens.patch());
        let mut pixels = vec![0.0; self.tokens.len() * patch];
        let rows = pixels.par_chunks_exact_mut((self.per_row * patch).max(1)).enumerate();
        rows.with_min_len(ROWS_AT_ONCE).for_each(|(row, pixels)| {
            for (&token, pixels) in self.of_row(row).iter().zip(pixels.chunks_exact_mut(patch)) {
                let at = ndarray::s![row, token, ..];
                let token = values.slice(at).into_iter().zip(errors.slice(at));
                pixels.iter_mut().zip(token).for_each(|(n, (&y, &s))| *n = number(y, s));
            }
        });
        pixels
    }

    /// What is added to a score of attention, `(n, k)`: 0, or far below it for places that are left over, if there are such.
    pub(super) fn bias(&self) -> Option<Vec<f32>> {
        let left_over = self.taken.iter().any(|&count| count < self.per_row);
        left_over.then(|| self.numbers(|_| 0.0, -1e9))
    }

    /// What each place counts in the mean over its row, `(n, k)`.
    pub(super) fn shares(&self) -> Vec<f32> {
        self.numbers(|taken| 1.0 / taken as f32, 0.0)
    }

    fn numbers(&self, taken: impl Fn(usize) -> f32, left_over: f32) -> Vec<f32> {
        let rows = self.taken.iter().flat_map(|&count| {
            let number = taken(count);
            (0..self.per_row).map(move |place| if place < count { number } else { left_over })
        });
        rows.collect()
    }
}
