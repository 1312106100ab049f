//! What goes wrong on a worker, and how the one who asked gets to know it.

use std::error::Error as StdError;

use datafusion::common::DataFusionError;
use serde::{Deserialize, Serialize};

/// In front of a fault in the text of an error, which is all that comes over the network of it.
const MARK: &str = "radio-io fault ";

/// Why a worker did not give what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fault {
    /// A piece of a tile cannot be read there; all others can.
    Piece {
        uri: String,
        /// First row of the piece.
        row: u64,
        reason: String,
    },
    /// The worker does not do such things, whoever asks and however often.
    Refused(String),
    /// The worker, or the way to it, is not there.
    Away(String),
    /// The worker is there, and answers as many as it may.
    Busy(String),
}

impl Fault {
    /// For the way back to the one who asked.
    pub(super) fn into_error(self) -> DataFusionError {
        let text = serde_json::to_string(&self).unwrap_or_else(|error| error.to_string());
        DataFusionError::Execution(format!("{MARK}{text}"))
    }

    /// What an error tells that came back.
    pub(super) fn of(error: &DataFusionError) -> Self {
        let text = chain(error);
        let fault = text.split_once(MARK).and_then(|(_, rest)| {
            let mut faults = serde_json::Deserializer::from_str(rest).into_iter();
            faults.next()?.ok()
        });
        fault.unwrap_or(Self::Away(text))
    }
}

/// An error with all that led to it, once each.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_back() {
        let fault = Fault::Piece {
            uri: "tiles/\"1\".parquet".into(),
            row: 7,
            reason: "page 3: wrong checksum".into(),
        };
        let error = fault.clone().into_error();
        assert_eq!(Fault::of(&error), fault);
        let wrapped = DataFusionError::Context("on the way".into(), Box::new(error));
        assert_eq!(Fault::of(&wrapped), fault);
        let other = DataFusionError::Execution("connection refused".into());
        assert!(matches!(Fault::of(&other), Fault::Away(text) if text.contains("connection refused")));
    }
}
