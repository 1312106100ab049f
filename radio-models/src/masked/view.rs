//! What the encoder sees of a batch.

use super::MaskedAutoencoderConfig;
use crate::model::scramble;
use crate::tokens::{LARGEST, Tokens, is_good};

/// The visible tokens of each of `n` rows, in `k` places, and which tokens are hidden and to be predicted.
///
/// What is visible of a spectrum depends on its id, the seed, the draw and which of its tokens are valid: not on the batch
/// that it is in.
pub(super) struct View {
    pub(super) rows: usize,
    /// Places of a row, `k`.
    pub(super) visible: usize,
    /// Which token is in a place, `(n, k)`; in a place that is left over, token 0.
    pub(super) tokens: Vec<usize>,
    /// Places of each row that are taken.
    taken: Vec<usize>,
    /// Valid tokens that are not visible, `(n, t)`.
    pub(super) hidden: Vec<bool>,
    /// The flux of the visible tokens, `(n, k, p)`, with 0 in bad pixels and in places that are left over.
    pub(super) patches: Vec<f32>,
}

impl View {
    /// For training: most valid tokens are hidden, each set of tokens being as likely as any other.
    pub(super) fn at_random(config: &MaskedAutoencoderConfig, tokens: &Tokens<'_>, draw: u64) -> Self {
        Self::new(config, tokens, draw, |valid| {
            let visible = ((1.0 - config.hidden) * valid.len() as f64).round() as usize;
            valid[..visible.max(1).min(valid.len())].to_vec()
        })
    }

    /// For scoring: of the valid tokens, parted at random into `sets`, one set is visible.
    pub(super) fn of_set(config: &MaskedAutoencoderConfig, tokens: &Tokens<'_>, set: usize, sets: usize) -> Self {
        Self::new(config, tokens, u64::MAX, |valid| {
            valid.iter().skip(set).step_by(sets).copied().collect()
        })
    }

    /// `choose` takes visible tokens out of the valid ones, which come in a random order.
    fn new(
        config: &MaskedAutoencoderConfig,
        tokens: &Tokens<'_>,
        draw: u64,
        choose: impl Fn(&[usize]) -> Vec<usize>,
    ) -> Self {
        let places = config.visible();
        let (values, errors) = (tokens.values(), tokens.errors());
        let mut hidden = tokens.valid();
        let mut view = Self {
            rows: tokens.rows(),
            visible: places,
            tokens: Vec::with_capacity(tokens.rows() * places),
            taken: Vec::with_capacity(tokens.rows()),
            hidden: Vec::new(),
            patches: Vec::with_capacity(tokens.rows() * places * config.patch),
        };
        for (row, (hidden, &id)) in hidden.chunks_exact_mut(config.tokens).zip(tokens.ids()).enumerate() {
            let stream = scramble(scramble(scramble(config.seed) ^ draw) ^ id as u64);
            let mut valid: Vec<usize> = (0..config.tokens).filter(|&token| hidden[token]).collect();
            valid.sort_by_cached_key(|&token| scramble(stream ^ token as u64));
            let mut visible = choose(&valid);
            visible.truncate(places);
            visible.sort_unstable();
            for &token in &visible {
                hidden[token] = false;
                let pixels = values.slice(ndarray::s![row, token, ..]);
                let errors = errors.slice(ndarray::s![row, token, ..]);
                view.patches.extend(
                    pixels.iter().zip(&errors).map(
                        |(&y, &s)| {
                            if is_good(y, s) { y.clamp(-LARGEST, LARGEST) } else { 0.0 }
                        },
                    ),
                );
            }
            view.taken.push(visible.len());
            view.tokens.extend_from_slice(&visible);
            view.tokens.resize((row + 1) * places, 0);
            view.patches.resize((row + 1) * places * config.patch, 0.0);
        }
        view.hidden = hidden;
        view
    }

    /// What is added to a score of attention, `(n, k)`: 0, or far below it for places that are left over, if there are such.
    pub(super) fn bias(&self) -> Option<Vec<f32>> {
        let left_over = self.taken.iter().any(|&count| count < self.visible);
        left_over.then(|| self.of_places(|_| 0.0, -1e9))
    }

    /// What each place counts in the mean over the visible tokens of its row, `(n, k)`.
    pub(super) fn shares(&self) -> Vec<f32> {
        self.of_places(|taken| 1.0 / taken as f32, 0.0)
    }

    fn of_places(&self, taken: impl Fn(usize) -> f32, left_over: f32) -> Vec<f32> {
        let rows = self.taken.iter().flat_map(|&count| {
            let number = taken(count);
            (0..self.visible).map(move |place| if place < count { number } else { left_over })
        });
        rows.collect()
    }

    /// What this pass counts in the mean over all passes of as many sets, `(n, t)`. Tokens that are not valid were hidden in
    /// all of them.
    pub(super) fn hidden_shares(&self, sets: usize, valid: &[bool]) -> Vec<f32> {
        let share = |(&hidden, &valid): (&bool, &bool)| match (valid, hidden) {
            (true, true) => 1.0 / (sets - 1) as f32,
            (true, false) => 0.0,
            (false, _) => 1.0 / sets as f32,
        };
        self.hidden.iter().zip(valid).map(share).collect()
    }
}
