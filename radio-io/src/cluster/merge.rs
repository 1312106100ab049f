//! From what nodes answer to the batches of a pass.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave_record_batch;
use datafusion::execution::SendableRecordBatchStream;
use futures_util::StreamExt as _;
use radio_index::ReadPlan;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::addresses::Addresses;
use super::ask::{Ask, Group};
use super::client::Client;
use super::counters::{NodeCounters, Time};
use super::exec::schema_of;
use super::fault::Fault;
use super::homes::Homes;
use super::output::Output;
use crate::reader::SkippedTile;
use crate::{BadTiles, Error, ReadOptions};

/// The unit in which memory is counted.
const KIB: usize = 1 << 10;

/// What the merging task has to say.
#[derive(Debug)]
pub(super) enum Event {
    /// A batch, its number in the pass, and the memory that it takes until it is taken.
    Batch(u64, RecordBatch, OwnedSemaphorePermit),
    Skipped(SkippedTile),
    Failed(Error),
    End,
}

/// Why the merging task stops early.
pub(super) enum Stop {
    Failed(Error),
    /// Nobody listens any more.
    Gone,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The nodes that have tiles of a plan, and what they gave so far.
pub(super) struct Nodes {
    pub(super) names: Vec<String>,
    pub(super) addresses: Addresses,
    pub(super) client: Client,
    pub(super) threads: Handle,
    pub(super) patience: Duration,
    pub(super) counters: Vec<NodeCounters>,
    /// Time that batches waited for their consumer.
    pub(super) held_back: Time,
}

/// Asks nodes for the rows of a pass, and puts their answers together.
pub(super) struct Merger {
    pub(super) nodes: Arc<Nodes>,
    pub(super) plan: Arc<ReadPlan>,
    pub(super) options: ReadOptions,
    pub(super) outputs: Vec<Output>,
    pub(super) homes: Homes,
    pub(super) events: mpsc::Sender<Event>,
    /// KiB that batches may take that wait for the consumer.
    pub(super) memory: Arc<Semaphore>,
    pub(super) memory_kib: u32,
    /// Rows before this one were given by another reader.
    pub(super) start: u64,
}

/// A group whose rows are under way.
struct Going {
    group: Group,
    parts: Vec<Part>,
    /// For each place of the order, the part that gives it; none where its piece is bad.
    source: Vec<Option<usize>>,
    /// For each piece, the nodes that could not read it.
    tried: HashMap<usize, Vec<usize>>,
}

/// What one node gives of a group, in order.
struct Part {
    node: usize,
    places: Vec<usize>,
    taken: usize,
    answers: mpsc::Receiver<Result<RecordBatch, Fault>>,
    batch: Option<RecordBatch>,
    /// Next row of `batch`.
    row: usize,
    /// Number of `batch` among the sources of the batch that is put together.
    source: Option<usize>,
}

/// A batch that is being put together.
#[derive(Default)]
struct Building {
    sources: Vec<RecordBatch>,
    rows: Vec<(usize, usize)>,
}

impl Merger {
    /// Gives all batches, and says how it ended, if somebody listens.
    pub(super) async fn run(mut self, groups: Box<dyn Iterator<Item = Group> + Send>) {
        let last = match self.merge(groups).await {
            Ok(()) => Event::End,
            Err(Stop::Failed(error)) => Event::Failed(error),
            Err(Stop::Gone) => return,
        };
        // The consumer may leave at any time.
        let _ = self.events.send(last).await;
    }

    async fn merge(&mut self, groups: Box<dyn Iterator<Item = Group> + Send>) -> Result<(), Stop> {
        let Some(schema) = self.describe().await? else {
            return Ok(());
        };
        let mut groups = groups.fuse();
        let mut ahead = None;
        let mut building = Building::default();
        let batch_rows = self.options.batch_rows.get() as u64;
        let mut next = self.start;
        // Nodes are not asked for more before the first batch is there.
        let mut has_begun = false;
        loop {
            let group = match ahead.take() {
                Some(group) => Some(group),
                None => self.begin(groups.next(), &schema).await?,
            };
            let Some(mut going) = group else { break };
            for place in 0..going.group.order.len() {
                if has_begun && ahead.is_none() {
                    ahead = self.begin(groups.next(), &schema).await?;
                }
                let number = going.group.first + place as u64;
                let row = self.take(&mut going, place, &mut building, &schema).await?;
                if number < self.start {
                    continue;
                }
                building.rows.extend(row);
                next = number + 1;
                if next.is_multiple_of(batch_rows) {
                    going.parts.iter_mut().for_each(|part| part.source = None);
                    self.send(number / batch_rows, std::mem::take(&mut building), &schema)
                        .await?;
                    has_begun = true;
                }
            }
            has_begun = true;
            going.parts.clear();
        }
        if !next.is_multiple_of(batch_rows) {
            self.send(next / batch_rows, building, &schema).await?;
        }
        Ok(())
    }

    /// Asks how the batches look: one row of the first tile that can be read. `None` where there is no row.
    async fn describe(&mut self) -> Result<Option<SchemaRef>, Stop> {
        let slices: Vec<_> = self.plan.slices().to_vec();
        let mut last = None;
        for slices in slices.chunk_by(|a, b| a.uri() == b.uri()) {
            let Some(slice) = slices.first() else { continue };
            let piece = crate::order::Piece {
                uri: slice.uri().into(),
                rows: std::iter::once(slice.rows().start..slice.rows().start + 1).collect(),
            };
            let group = Group {
                pieces: vec![piece],
                order: vec![(0, 0)],
                ends: vec![1],
                first: 0,
            };
            match self.described(group).await {
                Ok(schema) => return Ok(Some(schema)),
                Err(Stop::Failed(error))
                    if self.options.bad_tiles == BadTiles::Skip && !matches!(error, Error::Batch { .. }) =>
                {
                    last = Some(error);
                }
                Err(stop) => return Err(stop),
            }
        }
        match last {
            // Of no row at all there is nothing to give.
            None => Ok(None),
            Some(error) => Err(error.into()),
        }
    }

    async fn described(&mut self, group: Group) -> Result<SchemaRef, Stop> {
        let uri = group.pieces[0].uri.clone();
        let mut tried = Vec::new();
        loop {
            let node = self.homes.best(&uri, &tried).ok_or_else(|| self.homeless(&uri))?;
            let ask = Ask::new(&group, &[0], &self.plan, &self.options, &self.outputs);
            let fault = match self.one(node, ask).await {
                Ok(schema) => {
                    self.homes.answered(node);
                    return Ok(schema);
                }
                Err(fault) => fault,
            };
            match fault {
                Fault::Refused(reason) => return Err(self.refused(node, reason).into()),
                Fault::Piece { reason, .. } => {
                    tried.push(node);
                    if self.homes.best(&uri, &tried).is_none() {
                        return Err(self.refused(node, reason).into());
                    }
                }
                Fault::Away(reason) => self.back_off(node, &uri, &tried, &reason, true).await?,
                Fault::Busy(reason) => self.back_off(node, &uri, &tried, &reason, false).await?,
            }
        }
    }

    async fn one(&self, node: usize, ask: Ask) -> Result<SchemaRef, Fault> {
        let mut answer = self.nodes.ask(node, ask, None)?;
        let batch = answer.next().await.ok_or_else(|| Fault::Away("no answer".into()))?;
        let batch = batch.map_err(|error| Fault::of(&error))?;
        let bytes = batch.columns().first().filter(|_| batch.num_rows() == 1);
        let bytes = bytes.and_then(|column| column.as_binary_opt::<i32>());
        let bytes = bytes.ok_or_else(|| Fault::Refused("an answer of another form".into()))?;
        schema_of(bytes.value(0)).map_err(|error| Fault::Refused(error.to_string()))
    }

    /// Waits a little for a node that is away, if there is nobody else to ask and patience is left.
    async fn back_off(
        &mut self,
        node: usize,
        uri: &str,
        tried: &[usize],
        reason: &str,
        is_away: bool,
    ) -> Result<(), Stop> {
        let (since, wait) = self.homes.failed(node, is_away);
        if self.homes.other(uri, node, tried).is_some() {
            return Ok(());
        }
        if since.elapsed() > self.nodes.patience {
            return Err(self.stays_away(node, reason).into());
        }
        tokio::time::sleep(wait).await;
        Ok(self.nodes.addresses.look(&self.nodes.client).await?)
    }

    /// Asks the nodes that have them for the rows of a group, if there is one.
    async fn begin(&mut self, group: Option<Group>, schema: &SchemaRef) -> Result<Option<Going>, Stop> {
        let Some(group) = group else { return Ok(None) };
        let mut going = Going {
            source: vec![None; group.order.len()],
            parts: Vec::new(),
            tried: HashMap::new(),
            group,
        };
        let places: Vec<usize> = (0..going.group.order.len()).collect();
        self.assign(&mut going, places, schema).await?;
        Ok(Some(going))
    }

    /// Asks for the rows of a group at these places: each at the best node that could not yet say that it cannot.
    async fn assign(&mut self, going: &mut Going, places: Vec<usize>, schema: &SchemaRef) -> Result<(), Stop> {
        let mut of_node: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut homes: HashMap<usize, Option<usize>> = HashMap::new();
        let mut nowhere: BTreeMap<usize, u64> = BTreeMap::new();
        for place in places {
            let (piece, _) = going.group.order[place];
            let home = *homes.entry(piece).or_insert_with(|| {
                let tried = going.tried.get(&piece).map_or(&[][..], Vec::as_slice);
                self.homes.best(&going.group.pieces[piece].uri, tried)
            });
            match home {
                Some(node) => of_node.entry(node).or_default().push(place),
                None => {
                    going.source[place] = None;
                    *nowhere.entry(piece).or_default() += 1;
                }
            }
        }
        for (piece, rows) in nowhere {
            let error = self.homeless(&going.group.pieces[piece].uri);
            self.skip(&going.group, piece, rows, error).await?;
        }
        for (node, places) in of_node {
            places
                .iter()
                .for_each(|&place| going.source[place] = Some(going.parts.len()));
            let ask = Ask::new(&going.group, &places, &self.plan, &self.options, &self.outputs);
            going.parts.push(Part {
                node,
                places,
                taken: 0,
                answers: self.nodes.clone().fetch(node, ask, schema.clone()),
                batch: None,
                row: 0,
                source: None,
            });
        }
        Ok(())
    }

    /// The next row of a group, as one of the sources of the batch; `None` where it is bad.
    async fn take(
        &mut self,
        going: &mut Going,
        place: usize,
        building: &mut Building,
        schema: &SchemaRef,
    ) -> Result<Option<(usize, usize)>, Stop> {
        loop {
            let Some(number) = going.source[place] else {
                return Ok(None);
            };
            let part = &mut going.parts[number];
            if let Some(batch) = &part.batch
                && part.row < batch.num_rows()
            {
                let source = *part.source.get_or_insert_with(|| {
                    building.sources.push(batch.clone());
                    building.sources.len() - 1
                });
                part.row += 1;
                part.taken += 1;
                return Ok(Some((source, part.row - 1)));
            }
            let before = Instant::now();
            let answer = part.answers.recv().await;
            let node = part.node;
            self.nodes.counters[node].waited_for(before.elapsed());
            match answer {
                Some(Ok(batch)) => {
                    // The same schema, and one in memory for all.
                    let batch = RecordBatch::try_new(schema.clone(), batch.columns().to_vec());
                    let batch =
                        batch.map_err(|error| self.refused(node, format!("an answer of another form: {error}")))?;
                    self.homes.answered(node);
                    (part.batch, part.row, part.source) = (Some(batch), 0, None);
                }
                Some(Err(fault)) => self.recover(going, number, fault, schema).await?,
                None => {
                    let fault = Fault::Away("the answer ended before its last row".into());
                    self.recover(going, number, fault, schema).await?;
                }
            }
        }
    }

    /// Sees to the rows that a part did not give.
    async fn recover(
        &mut self,
        going: &mut Going,
        number: usize,
        fault: Fault,
        schema: &SchemaRef,
    ) -> Result<(), Stop> {
        let part = &going.parts[number];
        let node = part.node;
        let rest = part.places[part.taken..].to_vec();
        self.nodes.counters[node].failed();
        match fault {
            Fault::Refused(reason) => return Err(self.refused(node, reason).into()),
            Fault::Piece { uri, row, reason } => {
                let group = &going.group;
                let is_it = |piece: usize| {
                    let piece = &group.pieces[piece];
                    *piece.uri == *uri && piece.rows.first().is_some_and(|rows| rows.start == row)
                };
                let of_piece = rest.iter().filter(|&&place| is_it(group.order[place].0));
                let of_piece: Vec<usize> = of_piece.copied().collect();
                let Some(&first) = of_piece.first() else {
                    let reason = format!("rows from {row} of {uri}, which were not asked for: {reason}");
                    return Err(self.refused(node, reason).into());
                };
                let (piece, _) = group.order[first];
                let tried = going.tried.entry(piece).or_default();
                tried.push(node);
                if self.homes.best(&uri, tried).is_none() {
                    of_piece.iter().for_each(|&place| going.source[place] = None);
                    let error = self.refused(node, reason);
                    self.skip(&going.group, piece, of_piece.len() as u64, error).await?;
                }
            }
            Fault::Away(reason) => self.wait_for(going, node, &rest, &reason, true).await?,
            Fault::Busy(reason) => self.wait_for(going, node, &rest, &reason, false).await?,
        }
        let rest: Vec<usize> = rest
            .into_iter()
            .filter(|&place| going.source[place].is_some())
            .collect();
        self.assign(going, rest, schema).await
    }

    /// Waits for a node that does not answer, where it alone has tiles; gives those of one that is away up when there is no patience left.
    async fn wait_for(
        &mut self,
        going: &mut Going,
        node: usize,
        rest: &[usize],
        reason: &str,
        is_away: bool,
    ) -> Result<(), Stop> {
        let (since, wait) = self.homes.failed(node, is_away);
        let mut alone: BTreeMap<usize, u64> = BTreeMap::new();
        for &place in rest {
            let (piece, _) = going.group.order[place];
            let tried = going.tried.get(&piece).map_or(&[][..], Vec::as_slice);
            if self.homes.other(&going.group.pieces[piece].uri, node, tried).is_none() {
                *alone.entry(piece).or_default() += 1;
            }
        }
        if alone.is_empty() {
            return Ok(());
        }
        if since.elapsed() <= self.nodes.patience {
            tracing::warn!(node = self.nodes.names[node], reason, "asking again");
            tokio::time::sleep(wait).await;
            return Ok(self.nodes.addresses.look(&self.nodes.client).await?);
        }
        for &place in rest {
            let (piece, _) = going.group.order[place];
            if alone.contains_key(&piece) {
                going.source[place] = None;
            }
        }
        for (piece, rows) in alone {
            let error = self.stays_away(node, reason);
            self.skip(&going.group, piece, rows, error).await?;
        }
        Ok(())
    }

    /// Leaves out the rows of a piece, if that is wanted.
    async fn skip(&self, group: &Group, piece: usize, rows: u64, error: Error) -> Result<(), Stop> {
        if self.options.bad_tiles == BadTiles::Fail {
            return Err(error.into());
        }
        let piece = &group.pieces[piece];
        let skipped = SkippedTile {
            path: PathBuf::from(&*piece.uri),
            rows,
            first_row: piece.rows.first().map_or(0, |rows| rows.start),
            error,
        };
        self.events.send(Event::Skipped(skipped)).await.map_err(|_| Stop::Gone)
    }

    /// Sends a batch when there is memory for it.
    async fn send(&self, number: u64, building: Building, schema: &SchemaRef) -> Result<(), Stop> {
        let batch = building.finish(schema)?;
        let kib = u32::try_from(batch.get_array_memory_size().div_ceil(KIB)).unwrap_or(u32::MAX);
        let before = Instant::now();
        // One batch is always allowed.
        let memory = self.memory.clone().acquire_many_owned(kib.clamp(1, self.memory_kib));
        let memory = memory.await.map_err(|_| Stop::Gone)?;
        let sent = self.events.send(Event::Batch(number, batch, memory)).await;
        self.nodes.held_back.add(before.elapsed());
        sent.map_err(|_| Stop::Gone)
    }

    fn refused(&self, node: usize, reason: String) -> Error {
        Error::Node {
            node: self.nodes.names[node].clone(),
            reason,
        }
    }

    fn stays_away(&self, node: usize, reason: &str) -> Error {
        Error::Away {
            node: self.nodes.names[node].clone(),
            tiles: self.homes.lost_with(node),
            reason: reason.to_owned(),
        }
    }

    fn homeless(&self, uri: &str) -> Error {
        let holder = self.plan.tile(uri).map_or("", |tile| &tile.node);
        let reason = format!("{uri} is on none of the nodes of this cluster; the index names {holder:?}");
        Error::Node {
            node: holder.to_owned(),
            reason,
        }
    }
}

impl Building {
    fn finish(self, schema: &SchemaRef) -> Result<RecordBatch, Error> {
        let Some(&(source, first)) = self.rows.first() else {
            return Ok(RecordBatch::new_empty(schema.clone()));
        };
        // What one node gave in one piece is passed on as it is.
        if self.rows.iter().enumerate().all(|(i, &row)| row == (source, first + i)) {
            return Ok(self.sources[source].slice(first, self.rows.len()));
        }
        let sources: Vec<&RecordBatch> = self.sources.iter().collect();
        interleave_record_batch(&sources, &self.rows).map_err(|error| Error::Batch { source: error.into() })
    }
}

impl Nodes {
    fn ask(&self, node: usize, ask: Ask, schema: Option<SchemaRef>) -> Result<SendableRecordBatchStream, Fault> {
        let url = self.addresses.of(&self.names[node])?;
        self.client.ask(&url, ask, schema).map_err(|error| Fault::of(&error))
    }

    /// Asks a node, and lets its answer come in as far as there is room.
    fn fetch(self: Arc<Self>, node: usize, ask: Ask, schema: SchemaRef) -> mpsc::Receiver<Result<RecordBatch, Fault>> {
        let (sender, receiver) = mpsc::channel(1);
        let threads = self.threads.clone();
        threads.spawn(async move {
            self.counters[node].asked();
            let mut answer = match self.ask(node, ask, Some(schema)) {
                Ok(answer) => answer,
                Err(fault) => {
                    // Who asked may be gone.
                    let _ = sender.send(Err(fault)).await;
                    return;
                }
            };
            loop {
                let next = tokio::select! {
                    next = answer.next() => next,
                    () = sender.closed() => return,
                };
                let Some(next) = next else { return };
                if let Ok(batch) = &next {
                    self.counters[node].answered(batch.num_rows(), batch.get_array_memory_size());
                }
                if sender.send(next.map_err(|error| Fault::of(&error))).await.is_err() {
                    return;
                }
            }
        });
        receiver
    }
}
