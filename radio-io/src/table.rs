//! A plan as a table of DataFusion.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics};
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, StatisticsArgs};
use futures_core::Stream;
use radio_index::{ReadPlan, TileSlice};

use crate::stream::BatchStream;
use crate::{ReadOptions, Reader, Shuffle, fetch};

/// The rows of a [`ReadPlan`] as a table, with the columns of [`SpectrumBatch`](crate::SpectrumBatch): any program on DataFusion can query them.
///
/// A query has as many partitions as it wants, each a run of rows of the plan, in its order. What it does not ask for is left out of
/// batches, but read, which of flux and ivar is most of the work: read other columns with DataFusion's own Parquet tables.
///
/// # Examples
///
#[cfg_attr(feature = "mock", doc = "```")]
#[cfg_attr(not(feature = "mock"), doc = "```ignore")]
/// use std::sync::Arc;
///
/// use radio_io::datafusion::functions_aggregate::expr_fn::{avg, count};
/// use radio_io::datafusion::prelude::{SessionContext, col, lit};
/// use radio_io::{PlanTable, ReadOptions, mock::Mock};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_multi_thread().build()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// let plan = Mock::new(300).write(folder.path(), |_rows_done| {})?.plan;
/// let spectra = PlanTable::new(&plan, ReadOptions::default().with_columns(["z"]))?;
/// let session = SessionContext::new();
/// let near = session.read_table(Arc::new(spectra))?.filter(col("z").lt(lit(1.0)))?;
/// let table = near.aggregate(vec![], vec![count(col("z")), avg(col("z"))])?.collect().await?;
/// assert_eq!(table[0].num_rows(), 1);
/// # Ok(())
/// # })
/// # }
/// ```
pub struct PlanTable {
    plan: Arc<ReadPlan>,
    options: ReadOptions,
    schema: SchemaRef,
}

impl PlanTable {
    /// Looks at the first row, which says how all look. Of the options, those of order, ranks and batches do not count for a table: it has
    /// the order of the plan.
    ///
    /// # Errors
    ///
    /// Those of [`Reader`], and [`Error::Option`](crate::Error::Option) for a plan without a row.
    pub fn new(plan: &ReadPlan, options: ReadOptions) -> crate::Result<Self> {
        let first = plan.slices().first().map(|slice| {
            let row = slice.rows().start;
            TileSlice::new(slice.uri(), row..row + 1)
        });
        let known = first
            .iter()
            .filter_map(|slice| Some((slice.uri().into(), plan.tile(slice.uri())?.clone())));
        let known: Vec<_> = known.collect();
        let first = ReadPlan::from_iter(first).with_tiles(known);
        let Some(row) = fetch(&first, options.clone())? else {
            return Err(crate::Error::option("plan", "empty", "a plan of at least one row"));
        };
        Ok(Self {
            plan: Arc::new(plan.clone()),
            options: ReadOptions {
                shuffle: Shuffle::None,
                drop_last: false,
                rank: 0,
                world: std::num::NonZeroU64::MIN,
                ..options
            },
            schema: row.record_batch().schema(),
        })
    }
}

impl fmt::Debug for PlanTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tiles = self.plan.tiles();
        write!(f, "PlanTable({} rows of {tiles} tiles)", self.plan.rows())
    }
}

#[async_trait::async_trait]
impl TableProvider for PlanTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = projection.cloned();
        let schema = match &projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema.clone(),
        };
        // Not fewer rows than a batch each.
        let most = self.plan.rows().div_ceil(self.options.batch_rows.get() as u64);
        let partitions = (state.config().target_partitions() as u64).min(most).max(1);
        Ok(Arc::new(PlanExec {
            parts: parts(&self.plan, partitions).collect(),
            options: self.options.clone(),
            projection,
            properties: Arc::new(PlanProperties::new(
                EquivalenceProperties::new(schema),
                Partitioning::UnknownPartitioning(partitions as usize),
                EmissionType::Incremental,
                Boundedness::Bounded,
            )),
        }))
    }
}

/// The plan in so many parts of about as many rows each, in its order.
fn parts(plan: &ReadPlan, parts: u64) -> impl Iterator<Item = ReadPlan> + '_ {
    let rows = plan.rows();
    (0..parts).map(move |part| {
        let wanted = [part, part + 1].map(|end| (u128::from(rows) * u128::from(end) / u128::from(parts)) as u64);
        let mut at = 0;
        let slices = plan.slices().iter().map(|slice| {
            let place = |end: u64| slice.rows().start + end.saturating_sub(at).min(slice.len());
            let rows = place(wanted[0])..place(wanted[1]);
            at += slice.len();
            TileSlice::new(slice.uri(), rows)
        });
        let slices: Vec<_> = slices.filter(|slice| !slice.is_empty()).collect();
        let known: Vec<_> = slices
            .iter()
            .filter_map(|slice| Some((slice.uri().into(), plan.tile(slice.uri())?.clone())))
            .collect();
        ReadPlan::from_iter(slices).with_tiles(known)
    })
}

/// Reads a plan in parts.
struct PlanExec {
    parts: Vec<ReadPlan>,
    options: ReadOptions,
    projection: Option<Vec<usize>>,
    properties: Arc<PlanProperties>,
}

impl fmt::Debug for PlanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanExec")
            .field("parts", &self.parts.len())
            .finish_non_exhaustive()
    }
}

impl DisplayAs for PlanExec {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: u64 = self.parts.iter().map(ReadPlan::rows).sum();
        write!(f, "PlanExec: rows={rows}, parts={}", self.parts.len())
    }
}

impl ExecutionPlan for PlanExec {
    fn name(&self) -> &'static str {
        "PlanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let part = self.parts.get(partition);
        let part = part.ok_or_else(|| DataFusionError::Internal(format!("no part {partition}")))?;
        let reader =
            Reader::new(part, self.options.clone()).map_err(|error| DataFusionError::External(error.into()))?;
        let schema = self.schema();
        let batches = Projected {
            batches: reader.into_stream(),
            projection: self.projection.clone(),
            schema: schema.clone(),
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let rows = match args.partition() {
            Some(part) => self.parts.get(part).map_or(0, ReadPlan::rows),
            None => self.parts.iter().map(ReadPlan::rows).sum(),
        };
        let mut statistics = Statistics::new_unknown(&self.schema());
        // Fewer, where bad tiles are skipped.
        statistics.num_rows = Precision::Inexact(usize::try_from(rows).unwrap_or(usize::MAX));
        Ok(Arc::new(statistics))
    }
}

/// The columns that are asked for.
struct Projected {
    batches: BatchStream,
    projection: Option<Vec<usize>>,
    schema: SchemaRef,
}

impl Projected {
    fn of(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let batch = match &self.projection {
            Some(columns) => batch.project(columns)?,
            None => batch.clone(),
        };
        // Tiles of another kind are told by their columns.
        batch.with_schema(self.schema.clone())
    }
}

impl Stream for Projected {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.batches).poll_next(context));
        Poll::Ready(next.map(|batch| {
            let batch = batch.map_err(|error| DataFusionError::External(error.into()))?;
            Ok(self.of(batch.record_batch())?)
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_the_plan(slices in prop::collection::vec((0..4_u8, 0..500_u64, 0..300_u64), 0..9), count in 1..9_u64) {
            let plan: ReadPlan = slices.iter().map(|&(tile, first, rows)| TileSlice::new(format!("t{tile}"), first..first + rows)).collect();
            let found: Vec<ReadPlan> = parts(&plan, count).collect();
            prop_assert_eq!(found.len() as u64, count);
            let sizes: Vec<u64> = found.iter().map(ReadPlan::rows).collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
            let rows = |plan: &ReadPlan| -> Vec<(String, u64)> {
                plan.slices().iter().flat_map(|slice| slice.rows().map(|row| (slice.uri().to_owned(), row))).collect()
            };
            prop_assert_eq!(found.iter().flat_map(rows).collect::<Vec<_>>(), rows(&plan));
        }
    }
}
