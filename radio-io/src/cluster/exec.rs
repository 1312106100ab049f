//! The one node that all plans of a cluster are made of: rows that a worker reads of its tiles.

use std::fmt;
use std::io::Cursor;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use url::Url;

use super::ask::{Ask, described};
use super::fault::Fault;
use super::tiles::WorkerTiles;

/// Reads what is asked for, on a worker. Anywhere else it fails: that is how a plan that the engine did not send away is noticed.
#[derive(Clone)]
pub(super) struct TilesExec {
    pub(super) ask: Arc<Ask>,
    /// Where it is read; only the one who asks knows.
    pub(super) url: Option<Url>,
    /// None asks how the batches look.
    schema: Option<SchemaRef>,
    properties: Arc<PlanProperties>,
}

impl TilesExec {
    pub(super) fn new(ask: Ask, schema: Option<SchemaRef>, url: Option<Url>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone().unwrap_or_else(described)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            ask: Arc::new(ask),
            url,
            schema,
            properties: Arc::new(properties),
        }
    }
}

impl fmt::Debug for TilesExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TilesExec")
            .field("rows", &self.ask.rows())
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for TilesExec {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TilesExec: rows={}, tiles={}", self.ask.rows(), self.ask.tiles.len())
    }
}

impl ExecutionPlan for TilesExec {
    fn name(&self) -> &'static str {
        "TilesExec"
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

    fn execute(&self, _partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(tiles) = context.session_config().get_extension::<WorkerTiles>() else {
            let reason = "a plan of tiles came to where there are none: it was not sent to a worker".to_owned();
            return Err(Fault::Refused(reason).into_error());
        };
        match &self.schema {
            Some(schema) => tiles.read(&self.ask, schema),
            None => {
                let (tiles, ask) = (tiles.clone(), self.ask.clone());
                let answer = futures_util::stream::once(async move { answer(tiles.describe(&ask).await?.as_ref()) });
                Ok(Box::pin(RecordBatchStreamAdapter::new(described(), answer)))
            }
        }
    }
}

fn answer(schema: &Schema) -> Result<RecordBatch> {
    let schema: ArrayRef = Arc::new(BinaryArray::from(vec![schema_bytes(schema)?.as_slice()]));
    Ok(RecordBatch::try_new(described(), vec![schema])?)
}

fn schema_bytes(schema: &Schema) -> Result<Vec<u8>, ArrowError> {
    StreamWriter::try_new(Vec::new(), schema)?.into_inner()
}

/// The schema of a stream of Arrow's IPC.
pub(super) fn schema_of(bytes: &[u8]) -> Result<SchemaRef, ArrowError> {
    Ok(StreamReader::try_new(Cursor::new(bytes), None)?.schema())
}

/// Over the network: the length of the ask, the ask as JSON, and the schema, if there is one.
#[derive(Debug)]
pub(super) struct TilesCodec;

impl PhysicalExtensionCodec for TilesCodec {
    fn try_decode(
        &self,
        buffer: &[u8],
        _inputs: &[Arc<dyn ExecutionPlan>],
        _context: &TaskContext,
        _converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wrong = |reason: &str| Fault::Refused(format!("an ask that cannot be read: {reason}")).into_error();
        let (length, rest) = buffer.split_first_chunk().ok_or_else(|| wrong("too short"))?;
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (ask, schema) = rest.split_at_checked(length).ok_or_else(|| wrong("too short"))?;
        let ask: Ask = serde_json::from_slice(ask).map_err(|error| wrong(&error.to_string()))?;
        ask.check().map_err(wrong)?;
        let schema = match schema {
            [] => None,
            bytes => Some(schema_of(bytes).map_err(|error| wrong(&error.to_string()))?),
        };
        Ok(Arc::new(TilesExec::new(ask, schema, None)))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buffer: &mut Vec<u8>,
        _converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let tiles = node
            .downcast_ref::<TilesExec>()
            .ok_or_else(|| DataFusionError::Internal(format!("{} is no plan of tiles", node.name())))?;
        let ask = serde_json::to_vec(tiles.ask.as_ref()).map_err(|error| DataFusionError::External(error.into()))?;
        buffer.extend((ask.len() as u64).to_le_bytes());
        buffer.extend(ask);
        if let Some(schema) = &tiles.schema {
            buffer.extend(schema_bytes(schema)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use datafusion::physical_plan::empty::EmptyExec;
    use proptest::prelude::*;

    use super::*;
    use crate::SpectrumColumns;

    fn ask() -> Ask {
        Ask {
            tiles: Vec::new(),
            pieces: Vec::new(),
            order: Vec::new(),
            ends: vec![0],
            batch_rows: NonZeroUsize::MIN,
            columns: Vec::new(),
            spectrum: SpectrumColumns::default(),
            outputs: Vec::new(),
        }
    }

    fn encoded(schema: Option<SchemaRef>) -> Vec<u8> {
        let converter = datafusion_proto::physical_plan::DefaultPhysicalProtoConverter {};
        let mut buffer = Vec::new();
        let plan = Arc::new(TilesExec::new(ask(), schema, None));
        TilesCodec.try_encode(plan, &mut buffer, &converter).unwrap();
        buffer
    }

    fn decoded(buffer: &[u8]) -> Result<Arc<dyn ExecutionPlan>> {
        let converter = datafusion_proto::physical_plan::DefaultPhysicalProtoConverter {};
        TilesCodec.try_decode(buffer, &[], &TaskContext::default(), &converter)
    }

    #[test]
    fn asks_come_back() {
        for schema in [None, Some(described())] {
            let plan = decoded(&encoded(schema.clone())).unwrap();
            let tiles = plan.downcast_ref::<TilesExec>().unwrap();
            assert_eq!((tiles.ask.as_ref(), &tiles.schema), (&ask(), &schema));
        }
    }

    #[test]
    fn other_plans_are_not_sent() {
        let converter = datafusion_proto::physical_plan::DefaultPhysicalProtoConverter {};
        let plan = Arc::new(EmptyExec::new(described()));
        assert!(TilesCodec.try_encode(plan, &mut Vec::new(), &converter).is_err());
    }

    /// As the engine does where it finds one task only: nothing is read, and it is told.
    #[test]
    fn a_plan_that_was_not_sent_away_fails() {
        let plan = TilesExec::new(ask(), Some(described()), None);
        let error = plan.execute(0, Arc::new(TaskContext::default())).err().unwrap();
        assert!(error.to_string().contains("was not sent to a worker"), "{error}");
    }

    proptest! {
        /// Whatever comes in, the answer is an ask or an error.
        #[test]
        fn damaged_asks_are_refused(at: prop::sample::Index, byte: u8, length: prop::sample::Index, random in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = encoded(Some(described()));
            let at = at.index(buffer.len());
            buffer[at] = byte;
            buffer.truncate(length.index(buffer.len() + 1));
            let _ = decoded(&buffer);
            let _ = decoded(&random);
        }
    }
}
