//! How many batches are in memory at once.

use crate::order::PIECE_ROWS;
use crate::{Error, ReadOptions, Result, Runtime, Shuffle};

/// What is used where the resources do not say: enough for 16 batches of 256 rows with flux and ivar of 4096 pixels.
const DEFAULT_BYTES: u64 = 128 << 20;

/// The memory of a reader, in batches.
pub(crate) struct Budget {
    batch_rows: usize,
    /// Bytes, if the user said so.
    memory: Option<u64>,
    /// Batches that may have to be filled together, one of which was begun by the window before.
    together: usize,
    prefetch: usize,
    /// Batches that the consumer has meanwhile: one, unless the pass has no other.
    with_consumer: usize,
}

impl Budget {
    /// For a pass of so many batches.
    pub(crate) fn new(options: &ReadOptions, runtime: &Runtime, batches: u64) -> Self {
        let batch_rows = options.batch_rows.get();
        let rows = match options.shuffle {
            // A batch is a window, and never begun before.
            Shuffle::Global => 1,
            Shuffle::None => rows_at_once(options, runtime).saturating_add(PIECE_ROWS as usize - 1),
            Shuffle::Window { rows } => rows.get().saturating_add(PIECE_ROWS as usize - 1),
        };
        let together = rows.saturating_add(batch_rows - 1).div_ceil(batch_rows);
        Self {
            batch_rows,
            memory: runtime.resources().memory,
            together: together.min(usize::try_from(batches).unwrap_or(usize::MAX)),
            prefetch: options.prefetch.get(),
            with_consumer: usize::from(batches > 1),
        }
    }

    /// Batches that may be filled or wait at once, where each row takes so many bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where the user's memory does not even hold those that are filled together.
    pub(crate) fn batches(&self, row_bytes: usize) -> Result<usize> {
        let batch_bytes = (row_bytes as u64).saturating_mul(self.batch_rows as u64).max(1);
        let fit = |bytes: u64| {
            usize::try_from(bytes / batch_bytes)
                .unwrap_or(usize::MAX)
                .saturating_sub(self.with_consumer)
        };
        let most = self.together.saturating_add(self.prefetch);
        match self.memory {
            None => Ok(fit(DEFAULT_BYTES)
                .max(self.together.saturating_add(self.together / 2))
                .min(most)),
            Some(bytes) if fit(bytes) >= self.together => Ok(fit(bytes).min(most)),
            Some(bytes) => Err(Error::Option {
                name: "memory",
                value: bytes.to_string(),
                expected: format!(
                    "at least {} bytes: {} batches of {batch_bytes} bytes, which are filled together or are the consumer's; or \
                     ask for smaller batches or a smaller window",
                    batch_bytes.saturating_mul((self.together + self.with_consumer) as u64),
                    self.together + self.with_consumer
                ),
            }),
        }
    }
}

/// Rows in the order of the plan that are read together: more where there are many threads, which changes nothing in their order.
pub(crate) fn rows_at_once(options: &ReadOptions, runtime: &Runtime) -> usize {
    // A budget that was written down has to do everywhere.
    let pieces = match runtime.resources().memory {
        None => (runtime.threads() / 2).clamp(1, 4),
        Some(_) => 1,
    };
    options.batch_rows.get().max(PIECE_ROWS as usize * pieces)
}
