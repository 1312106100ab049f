//! The tiles of a worker, and what is read of them.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::ScalarUDF;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures_core::Stream;
use radio_index::ReadPlan;

use super::ask::{Ask, AskedTile};
use super::fault::{Fault, chain};
use super::output::project;
use crate::order::Window;
use crate::stream::BatchStream;
use crate::{Reader, Runtime};

/// What a worker reads from and with.
#[derive(Debug)]
pub(super) struct WorkerTiles {
    pub(super) node: String,
    /// Without links in it.
    pub(super) root: PathBuf,
    pub(super) runtime: Runtime,
    pub(super) functions: Vec<Arc<ScalarUDF>>,
    /// Asks that may be answered at once.
    pub(super) most: usize,
    pub(super) answering: AtomicUsize,
}

impl WorkerTiles {
    /// The batches of an ask, which all have a schema.
    pub(super) fn read(
        self: &Arc<Self>,
        ask: &Ask,
        schema: &SchemaRef,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let turn = self.turn()?;
        let (plan, windows) = self.windows(ask)?;
        let options = ask.options().with_runtime(&self.runtime);
        let reader = Reader::of_windows(&plan, options, windows).map_err(|error| self.away(&chain(&error)))?;
        let batches = Batches {
            batches: reader.into_stream(),
            tiles: self.clone(),
            ask: ask.clone(),
            schema: schema.clone(),
            _turn: turn,
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema.clone(), batches)))
    }

    /// The schema of the batches of an ask.
    pub(super) async fn describe(self: &Arc<Self>, ask: &Ask) -> Result<SchemaRef, DataFusionError> {
        let turn = self.turn()?;
        let (plan, windows) = self.windows(ask)?;
        let options = ask.options().with_runtime(&self.runtime);
        let reader = Reader::of_windows(&plan, options, windows).map_err(|error| self.away(&chain(&error)))?;
        let mut batches = reader.into_stream();
        let first = std::future::poll_fn(|context| Pin::new(&mut batches).poll_next(context)).await;
        drop(turn);
        if let Some(fault) = self.fault_of(batches.reader(), ask) {
            return Err(fault.into_error());
        }
        match first {
            Some(Ok(batch)) => Ok(self.project(batch.record_batch(), ask)?.schema()),
            Some(Err(error)) => Err(Fault::Refused(format!("{}: {}", self.node, chain(&error))).into_error()),
            None => Err(Fault::Refused("no row to look at".into()).into_error()),
        }
    }

    fn project(&self, batch: &RecordBatch, ask: &Ask) -> Result<RecordBatch, DataFusionError> {
        let made = project(batch, &ask.outputs, &self.functions);
        made.map_err(|error| Fault::Refused(format!("{}: {}", self.node, chain(&error))).into_error())
    }

    /// The plan of an ask, all of whose tiles are below the root, and whose functions are known.
    fn windows(&self, ask: &Ask) -> Result<(ReadPlan, Vec<Window>), DataFusionError> {
        let names = ask.outputs.iter().filter_map(|output| output.function());
        let is_known = |name: &str| self.functions.iter().any(|known| known.name() == name);
        if let Some(name) = names.into_iter().find(|name| !is_known(name)) {
            let known: Vec<&str> = self.functions.iter().map(|known| known.name()).collect();
            let reason = format!(
                "{}: no function {name:?} is registered here; there are {known:?}",
                self.node
            );
            return Err(Fault::Refused(reason).into_error());
        }
        if let Some(tile) = ask.tiles.iter().find(|tile| !self.is_below_root(tile)) {
            let reason = format!(
                "{}: {} is not below {}, where the tiles of this worker are",
                self.node,
                tile.uri,
                self.root.display()
            );
            return Err(Fault::Refused(reason).into_error());
        }
        Ok(ask.windows(|tile| self.path(tile).to_string_lossy().into()))
    }

    fn path(&self, tile: &AskedTile) -> PathBuf {
        self.root.join(&*tile.uri)
    }

    /// Of a tile that is not there only the words count.
    fn is_below_root(&self, tile: &AskedTile) -> bool {
        let path = self.path(tile);
        let has_steps_up = path.components().any(|part| part == std::path::Component::ParentDir);
        let path = path.canonicalize().unwrap_or(path);
        !has_steps_up && path.starts_with(&self.root)
    }

    /// The first tile that a reader could not read.
    fn fault_of(&self, reader: &Reader, ask: &Ask) -> Option<Fault> {
        let bad = reader.skipped().first()?;
        let tile = ask.tiles.iter().find(|tile| self.path(tile) == bad.path);
        Some(Fault::Piece {
            uri: tile.map_or_else(|| bad.path.to_string_lossy().into_owned(), |tile| tile.uri.to_string()),
            row: bad.first_row,
            reason: chain(&bad.error),
        })
    }

    fn away(&self, reason: &str) -> DataFusionError {
        Fault::Away(format!("{}: {reason}", self.node)).into_error()
    }

    /// Takes the place of an ask that is answered.
    fn turn(self: &Arc<Self>) -> Result<Turn, DataFusionError> {
        let turn = Turn(self.clone());
        if self.answering.fetch_add(1, Ordering::Relaxed) < self.most {
            return Ok(turn);
        }
        let reason = format!("{} asks are answered already; allow for more with `asks`", self.most);
        Err(Fault::Busy(format!("{}: {reason}", self.node)).into_error())
    }
}

struct Turn(Arc<WorkerTiles>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Batches of an ask, until one of its pieces turns out to be bad.
struct Batches {
    batches: BatchStream,
    tiles: Arc<WorkerTiles>,
    ask: Ask,
    schema: SchemaRef,
    _turn: Turn,
}

impl Batches {
    fn next(&self, batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
        let batch = self.tiles.project(batch, &self.ask)?;
        if batch.schema_ref() == &self.schema {
            return Ok(batch);
        }
        let reason = format!(
            "{}: tiles of another kind than the first of the plan: {} in place of {}; read tiles of each kind with a reader of their own",
            self.tiles.node,
            batch.schema_ref(),
            self.schema
        );
        Err(Fault::Refused(reason).into_error())
    }
}

impl Stream for Batches {
    type Item = Result<RecordBatch, DataFusionError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.batches).poll_next(context));
        if let Some(fault) = self.tiles.fault_of(self.batches.reader(), &self.ask) {
            return Poll::Ready(Some(Err(fault.into_error())));
        }
        Poll::Ready(match next {
            Some(Ok(batch)) => Some(self.next(batch.record_batch())),
            Some(Err(error)) => {
                let reason = format!("{}: {}", self.tiles.node, chain(&error));
                Some(Err(Fault::Refused(reason).into_error()))
            }
            None => None,
        })
    }
}
