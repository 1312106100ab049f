use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use datafusion::common::DataFusionError;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::ScalarUDF;
use datafusion_distributed::{
    DistributedExt, WorkerPlanRewriteEvent, WorkerPlanRewriteEventResponse, WorkerQueryContext,
};
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Status};

use super::ask::PROTOCOL;
use super::client::KEEP_ALIVE;
use super::exec::{TilesCodec, TilesExec};
use super::fault::{Fault, chain};
use super::tiles::WorkerTiles;
use crate::error::io;
use crate::{Error, Resources, Result, Runtime};

/// What anybody may send to a worker at once: an ask of some thousand rows takes a few hundred kB.
const MOST_REQUEST_BYTES: usize = 64 << 20;
/// What may be under way to somebody who does not take it.
const WINDOW_BYTES: u32 = 4 << 20;

/// What somebody is told who has another token.
pub(super) const WRONG_TOKEN: &str = "the token is not the one of this worker";

/// A node's share of the work: it reads the tiles below a folder, for whoever asks in the right way.
///
/// # Safety of a cluster
///
/// A worker reads rows of Parquet tiles below its folder (links that lead out of it are not followed) and calls functions that were
/// registered with it. Whatever else the engine could do is refused before it runs, and so are messages of more than 64 MiB.
///
/// Without a [`token`](WorkerBuilder::token) it answers everybody who can reach its port. A token keeps out who does not have it. Without
/// TLS (`tls`, feature `cluster-tls`) token and data are readable on the way, and who sits there can change them: that is meant for a
/// closed network, or for one that is encrypted below, by WireGuard for instance. With it the way is encrypted and the worker is the one that
/// its certificate names; who asks is still known by the token alone.
///
/// # Examples
///
/// The body of a program for the nodes:
///
/// ```no_run
/// use radio_io::cluster::Worker;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let worker = Worker::builder("node-a").tiles("/data/tiles").build()?;
/// worker.run("0.0.0.0:7420".parse()?, |address| println!("serving on {address}"))?;
/// # Ok(())
/// # }
/// ```
pub struct Worker {
    tiles: Arc<WorkerTiles>,
    token: Option<String>,
    server: Server,
}

/// Options of a [`Worker`].
#[derive(Clone)]
pub struct WorkerBuilder {
    node: String,
    tiles: PathBuf,
    functions: Vec<Arc<ScalarUDF>>,
    resources: Resources,
    asks: NonZeroUsize,
    token: Option<String>,
    #[cfg(feature = "cluster-tls")]
    identity: Option<tonic::transport::Identity>,
}

impl Worker {
    /// For the node of this name, as the index has it.
    pub fn builder(node: impl Into<String>) -> WorkerBuilder {
        WorkerBuilder {
            node: node.into(),
            tiles: PathBuf::from("."),
            functions: Vec::new(),
            resources: Resources::default(),
            asks: const { NonZeroUsize::new(32).unwrap() },
            token: None,
            #[cfg(feature = "cluster-tls")]
            identity: None,
        }
    }

    /// Serves until the program ends. `listening` is told the address, whose port is chosen where 0 was asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the address cannot be had, or the network fails.
    pub fn run(self, address: SocketAddr, listening: impl FnOnce(SocketAddr)) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(io("the threads of a worker".as_ref()))?;
        runtime.block_on(self.serve(address, listening, std::future::pending()))
    }

    /// The same in an async program, until `end`: what was begun is brought to an end.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn serve(
        self,
        address: SocketAddr,
        listening: impl FnOnce(SocketAddr),
        end: impl Future<Output = ()>,
    ) -> Result<()> {
        let failed = |source| io(address.to_string().as_ref())(source);
        let listener = tokio::net::TcpListener::bind(address).await.map_err(failed)?;
        listening(listener.local_addr().map_err(failed)?);
        let version = version(&self.tiles.node);
        let tiles = self.tiles;
        let session = move |context| std::future::ready(session(context, &tiles));
        let service = datafusion_distributed::Worker::from_session_builder(session)
            .with_version(version)
            .into_worker_server()
            .max_decoding_message_size(MOST_REQUEST_BYTES);
        let token = self.token;
        let service = InterceptedService::new(service, move |request| admit(request, token.as_deref()));
        let served = self
            .server
            .tcp_nodelay(true)
            // Who vanished without a word does not keep its place.
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .http2_keepalive_timeout(Some(KEEP_ALIVE))
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(4 * WINDOW_BYTES)
            .add_service(service)
            .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), end)
            .await;
        served.map_err(|error| failed(std::io::Error::other(chain(&error))))
    }
}

impl WorkerBuilder {
    /// The folder that the tiles are in, or in folders below it. Default: the working directory.
    #[must_use]
    pub fn tiles(mut self, root: impl Into<PathBuf>) -> Self {
        self.tiles = root.into();
        self
    }

    /// Lets those who ask call this function, by its name.
    #[must_use]
    pub fn udf(mut self, function: impl Into<Arc<ScalarUDF>>) -> Self {
        self.functions.push(function.into());
        self
    }

    /// What the worker may use of the node. The memory is for each ask that is answered; a trainer has a few at once.
    #[must_use]
    pub fn resources(mut self, resources: Resources) -> Self {
        self.resources = resources;
        self
    }

    /// Asks that are answered at once; who comes with more waits, however long. Default: 32.
    #[must_use]
    pub fn asks(mut self, most: NonZeroUsize) -> Self {
        self.asks = most;
        self
    }

    /// Answers only those who have this token.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Encrypts the way (TLS), with this certificate and its private key, both PEM. The certificate names the host that clients have as the
    /// address of this worker; behind it may be those that lead to one that they [know](super::Access::with_authority).
    #[cfg(feature = "cluster-tls")]
    #[must_use]
    pub fn tls(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.identity = Some(tonic::transport::Identity::from_pem(certificate, key));
        self
    }

    /// Starts the threads that decode.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the folder cannot be used, [`Error::Option`] for resources that cannot be had, and for a certificate or a key that
    /// cannot be read.
    pub fn build(self) -> Result<Worker> {
        let root = self.tiles.canonicalize().map_err(io(&self.tiles))?;
        if !root.is_dir() {
            return Err(Error::option("tiles", root.display(), "a folder"));
        }
        let server = self.server()?;
        let tiles = WorkerTiles {
            node: self.node,
            root,
            runtime: Runtime::new(&self.resources)?,
            functions: self.functions,
            most: self.asks.get(),
            answering: AtomicUsize::new(0),
        };
        Ok(Worker {
            tiles: Arc::new(tiles),
            token: self.token,
            server,
        })
    }

    #[cfg(feature = "cluster-tls")]
    fn server(&self) -> Result<Server> {
        let Some(identity) = &self.identity else {
            return Ok(Server::builder());
        };
        let tls = tonic::transport::ServerTlsConfig::new().identity(identity.clone());
        let server = Server::builder().tls_config(tls);
        server.map_err(|error| Error::option("tls", chain(&error), "a certificate and its private key, PEM"))
    }

    #[cfg(not(feature = "cluster-tls"))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the same signature as with the feature"
    )]
    fn server(&self) -> Result<Server> {
        Ok(Server::builder())
    }
}

/// Without what is secret, as below.
impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("tiles", &self.tiles)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("node", &self.node)
            .field("tiles", &self.tiles)
            .finish_non_exhaustive()
    }
}

/// What a worker says that it is.
pub(super) fn version(node: &str) -> String {
    format!("radio-io {PROTOCOL} {node}")
}

/// The node of a worker that speaks as this crate does.
pub(super) fn node_of(version: &str) -> Option<&str> {
    version.strip_prefix(&self::version(""))
}

/// A session that knows tiles and the registered functions, and nothing that the engine has besides.
fn session(mut context: WorkerQueryContext, tiles: &Arc<WorkerTiles>) -> Result<SessionState, DataFusionError> {
    let config = context.builder.config().take().unwrap_or_default();
    let environment = context.builder.runtime_env().clone().unwrap_or_default();
    let state = SessionStateBuilder::new()
        .with_config(config.with_extension(tiles.clone()))
        .with_runtime_env(environment)
        .with_distributed_user_codec(TilesCodec)
        .with_distributed_worker_plan_rewrite_handler(only_tiles)
        .build();
    Ok(state)
}

/// Refuses every plan but one of tiles, before it runs.
fn only_tiles(event: WorkerPlanRewriteEvent<'_>) -> Result<WorkerPlanRewriteEventResponse, DataFusionError> {
    if event.plan.downcast_ref::<TilesExec>().is_some() {
        return Ok(WorkerPlanRewriteEventResponse::new(event.plan));
    }
    let reason = format!("a worker reads tiles, and does not run {}", event.plan.name());
    Err(Fault::Refused(reason).into_error())
}

fn admit(request: Request<()>, token: Option<&str>) -> Result<Request<()>, Status> {
    let Some(token) = token else { return Ok(request) };
    let given = request.metadata().get("authorization").map(MetadataValue::as_bytes);
    let expected = format!("Bearer {token}");
    // As long for a wrong one as for one that is nearly right.
    let is_right = given.is_some_and(|given| {
        given.len() == expected.len() && given.iter().zip(expected.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    });
    if is_right {
        return Ok(request);
    }
    Err(Status::unauthenticated(WRONG_TOKEN))
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion::prelude::SessionConfig;

    use super::*;

    #[test]
    fn other_plans_are_refused() {
        let event = WorkerPlanRewriteEvent {
            plan: Arc::new(EmptyExec::new(super::super::ask::described())),
            session_config: &SessionConfig::new(),
        };
        let error = only_tiles(event).err().unwrap();
        assert!(error.to_string().contains("does not run EmptyExec"), "{error}");
    }
}
