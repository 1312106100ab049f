//! Scores of a whole survey, batch after batch into a file.

use std::time::{Duration, Instant};

use super::{AnomalyScorer, Scores};
use crate::autoencoder::Autoencoder;
use crate::error::{Error, Result, Source};
use crate::score_file::ScoreFile;
use crate::tokens::Tokens;
use crate::trainer::Position;

/// What [`AnomalyScorer::score_into`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Streamed {
    /// Rows that were scored.
    pub rows: u64,
    /// Rows that an earlier process had scored.
    pub rows_before: u64,
    /// From the first batch that was asked for to the last that was written.
    pub elapsed: Duration,
    /// Of it, time in the model and in what follows from its reconstructions; the rest is waiting for batches, and writing.
    pub computing: Duration,
}

impl Streamed {
    /// Fraction of the time in which the model was at work, 0 to 1.
    #[must_use]
    pub fn busy(&self) -> f64 {
        self.computing.as_secs_f64() / self.elapsed.as_secs_f64().max(1e-9)
    }
}

impl<M: Autoencoder> AnomalyScorer<M> {
    /// Scores all batches from where `file` is on, and finishes the file.
    ///
    /// After a kill or an error the same call, with a file from [`ScoreFile::resume`], goes on: no row is lost, and none is
    /// there twice, if `batches` gives the same batches for the same position. With radio-io, make a reader and go on from its
    /// state at that batch. One batch is in memory at a time, beside what `batches` reads ahead and what the file has not
    /// sealed.
    ///
    /// - `batches` gives the batches of one pass from a position on.
    /// - `watch` is called after each batch with the rows in the file.
    ///
    /// # Errors
    ///
    /// [`Error::Batch`] with what `batches` failed with, and as [`score`](Self::score), [`ScoreFile::write`] and
    /// [`ScoreFile::finish`]. What the file has sealed stays.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use ndarray::{Array2, Array3};
    /// use radio_models::{AnomalyScorer, Autoencoder, ConvAutoencoderConfig, Error, Model, ScoreFile, Tokens, device};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("scores.parquet");
    /// // In real life: a reader of radio-io, each batch tokenized.
    /// let batch = |number: u64| {
    ///     let ids = vec![number as i64; 4];
    ///     Tokens::new(ids, Array3::ones((4, 5, 8)), Array3::ones((4, 5, 8)), Array2::zeros((4, 5)), vec![10.0; 4])
    /// };
    /// let scorer = AnomalyScorer::new(ConvAutoencoderConfig::new(5, 8).init(&device("cpu")?)?);
    /// let file = ScoreFile::resume(&path, "first run", &scorer.model().fingerprint()?)?;
    /// let done = scorer.score_into(file, |position| Ok::<_, Error>((position.batch..6).map(batch)), |_| {})?;
    /// assert_eq!(done.rows, 24);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn score_into<'a, B, E>(
        &self,
        mut file: ScoreFile,
        batches: impl FnOnce(Position) -> Result<B, E>,
        mut watch: impl FnMut(u64),
    ) -> Result<Streamed>
    where
        B: IntoIterator<Item = Result<Tokens<'a>, E>>,
        E: Into<Source>,
    {
        // What was written by hand comes before the first batch.
        file.seal()?;
        let mut done = Streamed {
            rows_before: file.rows(),
            ..Streamed::default()
        };
        let start = Instant::now();
        for tokens in batches(Position::default().with_batch(file.batches())).map_err(Error::batch)? {
            let tokens = tokens.map_err(Error::batch)?;
            let computing = Instant::now();
            let scores: Scores = self.score(&tokens)?;
            done.computing += computing.elapsed();
            file.write(&scores)?;
            done.rows += scores.rows.len() as u64;
            done.elapsed = start.elapsed();
            watch(done.rows_before + done.rows);
        }
        file.finish()?;
        Ok(done)
    }
}
