//! The way from the one who asks to the workers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use arrow_schema::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{
    ChannelResolver, DistributedExec, DistributedExt, GetWorkerInfoRequest, NetworkBoundary, NetworkCoalesceExec,
    RouteTasksEvent, RouteTasksEventResponse, Stage, WorkerChannel,
};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::transport::{Channel, Endpoint};
use url::Url;
use uuid::Uuid;

use super::access::Access;
use super::ask::Ask;
use super::exec::{TilesCodec, TilesExec};
use super::fault::Fault;

/// What may wait of an answer here, beyond the message that is coming in.
const BUFFER_BYTES: usize = 8 << 20;
/// What may be under way of one answer.
const WINDOW_BYTES: u32 = 4 << 20;
/// A batch comes in few frames.
const FRAME_BYTES: u32 = 1 << 20;
/// A node that is there takes a connection at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// So a node is noticed that vanished without a word: a sign of life is asked for after this time, and waited for as long again.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Sends asks to workers.
#[derive(Clone)]
pub(super) struct Client {
    context: Arc<TaskContext>,
    channels: Channels,
}

impl Client {
    pub(super) fn new(access: &Access, host: Option<&str>) -> Result<Self, DataFusionError> {
        let channels = Channels {
            open: Arc::default(),
            token: access.token().map(|token| format!("Bearer {token}").into()),
            access: access.clone(),
            host: host.map(Arc::from),
        };
        let config = SessionConfig::new()
            .with_distributed_channel_resolver(channels.clone())
            .with_distributed_user_codec(TilesCodec)
            .with_distributed_route_tasks_handler(route)
            // Noise does not compress, and a fast network is faster than any compressor.
            .with_distributed_compression(None)?
            .with_distributed_metrics_collection(false)?
            .with_distributed_worker_connection_buffer_budget_bytes(BUFFER_BYTES)?;
        let context = SessionContext::new_with_config(config).task_ctx();
        Ok(Self { context, channels })
    }

    /// The batches of an answer, which all have the schema; without one, how they will look.
    ///
    /// The plan is made of the engine's own nodes, but put together by hand: its planner leaves out a network between one task and one.
    pub(super) fn ask(
        &self,
        url: &Url,
        ask: Ask,
        schema: Option<SchemaRef>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let tiles = Arc::new(TilesExec::new(ask, schema, Some(url.clone())));
        let boundary = NetworkCoalesceExec::try_new(tiles, 1, 1)?;
        let mut stage = boundary.input_stage().clone();
        if let Stage::Local(stage) = &mut stage {
            stage.query_id = Uuid::new_v4();
            stage.num = 1;
        }
        let plan = DistributedExec::new(boundary.with_input_stage(stage)?);
        plan.execute(0, self.context.clone())
    }

    /// What the worker there says that it is.
    pub(super) async fn version(&self, url: &Url) -> Result<String, Fault> {
        let away = |error: DataFusionError| Fault::of(&error);
        let mut worker = self.channels.get_worker_client_for_url(url).await.map_err(away)?;
        let info = worker.get_worker_info(GetWorkerInfoRequest {}).await.map_err(away)?;
        Ok(info.version)
    }
}

/// Where a plan of tiles is read.
#[expect(clippy::needless_pass_by_value, reason = "a handler of the engine")]
fn route(event: RouteTasksEvent<'_>) -> Option<Result<RouteTasksEventResponse, DataFusionError>> {
    let url = event.plan.downcast_ref::<TilesExec>()?.url.clone()?;
    Some(Ok(RouteTasksEventResponse::new(vec![url; event.task_count])))
}

/// One connection to each worker, which comes back by itself when it was lost.
#[derive(Clone)]
struct Channels {
    open: Arc<Mutex<HashMap<Url, Channel>>>,
    token: Option<Arc<str>>,
    access: Access,
    /// What certificates have to name; none for the host in each address.
    host: Option<Arc<str>>,
}

impl Channels {
    fn channel(&self, url: &Url) -> Result<Channel, DataFusionError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = open.get(url) {
            return Ok(channel.clone());
        }
        let endpoint = Endpoint::from_shared(url.to_string());
        let endpoint = endpoint.and_then(|endpoint| self.access.endpoint(endpoint, self.host.as_deref()));
        let endpoint = endpoint.map_err(|error| DataFusionError::External(error.into()))?;
        let channel = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .max_frame_size(FRAME_BYTES)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(4 * WINDOW_BYTES)
            .connect_lazy();
        Ok(open.entry(url.clone()).or_insert(channel).clone())
    }
}

#[async_trait::async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>, DataFusionError> {
        let channel = self.channel(url)?;
        let token = self.token.clone();
        Ok(create_worker_client(BoxCloneSyncChannel::new(WithToken {
            channel,
            token,
        })))
    }
}

/// Shows a token with every request.
#[derive(Clone)]
struct WithToken {
    channel: Channel,
    token: Option<Arc<str>>,
}

impl Service<http::Request<Body>> for WithToken {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = <Channel as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let token = self.token.as_deref().map(http::HeaderValue::from_str);
        if let Some(Ok(token)) = token {
            request.headers_mut().insert(http::header::AUTHORIZATION, token);
        }
        self.channel.call(request)
    }
}
