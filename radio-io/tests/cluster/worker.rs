//! Workers, which are processes of this program.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use arrow_array::Int64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use radio_io::Resources;
use radio_io::cluster::Worker;
use radio_io::datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use serde::{Deserialize, Serialize};

use crate::tile::GRID;

/// Tells a process of this program that it is a worker, and which.
const WORKER: &str = "RADIO_TEST_WORKER";

/// Which worker a process is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) node: String,
    pub(crate) tiles: PathBuf,
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<String>,
    /// Asks that it answers at once.
    pub(crate) asks: NonZeroUsize,
    /// With the certificate beside these tests.
    pub(crate) tls: bool,
    /// A command that runs it.
    pub(crate) within: Vec<String>,
}

impl Orders {
    pub(crate) fn new(node: &str, tiles: &Path) -> Self {
        Self {
            node: node.to_owned(),
            tiles: tiles.to_owned(),
            address: ([127, 0, 0, 1], 0).into(),
            token: None,
            asks: NonZeroUsize::new(32).unwrap(),
            tls: false,
            within: Vec::new(),
        }
    }

    pub(crate) fn start(self) -> WorkerProcess {
        WorkerProcess::spawn(self)
    }
}

/// What a worker process does; as a test by itself, nothing.
#[test]
fn process() {
    let Ok(orders) = std::env::var(WORKER) else { return };
    let orders: Orders = serde_json::from_str(&orders).unwrap();
    let resources: Resources = serde_json::from_str(r#"{"threads": 1, "memory": 50000000}"#).unwrap();
    let mut worker = Worker::builder(orders.node)
        .tiles(orders.tiles)
        .resources(resources)
        .asks(orders.asks)
        .udf(ScalarUDF::from(Last::new()));
    if let Some(token) = orders.token {
        worker = worker.token(token);
    }
    #[cfg(feature = "cluster-tls")]
    if orders.tls {
        worker = worker.tls(include_str!("tls/worker.pem"), include_str!("tls/worker.key"));
    }
    let says = |address| {
        use std::io::Write as _;
        writeln!(std::io::stderr(), "serving on {address}").unwrap();
    };
    worker.build().unwrap().run(orders.address, says).unwrap();
}

/// The last digit of an id.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Last(Signature);

impl Last {
    fn new() -> Self {
        Self(Signature::any(1, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for Last {
    fn name(&self) -> &'static str {
        "last_digit"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> radio_io::datafusion::error::Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> radio_io::datafusion::error::Result<ColumnarValue> {
        // The wavelength grid comes with every argument.
        assert_eq!(args.arg_fields[0].metadata()["wavelength"], GRID);
        let ids = ColumnarValue::values_to_arrays(&args.args)?.remove(0);
        let digits: Int64Array = ids
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .map(|id| id % 10)
            .collect();
        Ok(ColumnarValue::Array(Arc::new(digits)))
    }
}

pub(crate) struct WorkerProcess {
    child: Child,
    pub(crate) address: SocketAddr,
    orders: Orders,
}

impl WorkerProcess {
    fn spawn(orders: Orders) -> Self {
        let this = std::env::current_exe().unwrap();
        let mut command = orders.within.clone();
        command.extend([this.to_str().unwrap(), "--exact", "worker::process", "--nocapture"].map(Into::into));
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .env(WORKER, serde_json::to_string(&orders).unwrap())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        let address = lines.find_map(|line| line.strip_prefix("serving on ").map(|address| address.parse().unwrap()));
        // What it says later must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            address: address.expect("a worker that serves"),
            child,
            orders,
        }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.orders.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Where it was, as after a crash.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let mut orders = self.orders.clone();
        orders.address = self.address;
        *self = Self::spawn(orders);
    }

    /// The most memory that it ever had, MB.
    pub(crate) fn peak_mb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
