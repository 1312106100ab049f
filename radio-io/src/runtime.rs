//! What a program may use of a machine, and the threads that use it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::cache::{Cache, CacheReport};
use crate::ring::Ring;
use crate::{Error, Result};

/// A program's static share of a machine: write it down once, in any format of serde's, and it is kept.
///
/// ```
/// use radio_io::{ReadOptions, ReadPlan, Reader, Resources, Runtime};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let resources: Resources = serde_json::from_str(r#"{"threads": 2, "memory": 500000000}"#)?;
/// let runtime = Runtime::new(&resources)?;
/// for epoch in 0..3 {
///     let options = ReadOptions::default().with_runtime(&runtime).with_epoch(epoch);
///     assert_eq!(Reader::new(&ReadPlan::default(), options)?.count(), 0);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Resources {
    /// Threads that decode; each reader has one more, which mostly waits. Default: one for each of `cpus`, or of all CPUs that
    /// the program may use.
    pub threads: Option<NonZeroUsize>,
    /// CPUs, by their numbers, that all of these threads are pinned to; Linux only. Default: none, threads are not pinned.
    pub cpus: Vec<usize>,
    /// Bytes that the batches of each reader may take: those that are being filled, those that wait, and the one that the
    /// consumer has. Default: 128 MiB, or one and a half windows where that is more.
    pub memory: Option<u64>,
    /// Bytes of rows that are kept in `cache_folder`, by all processes that use it together. A file that was replaced takes memory
    /// until no process has it mapped any more. While it fills the cache, each thread has up to 256 rows beyond `memory`. Default: 0,
    /// nothing is kept.
    pub cache: u64,
    /// Where rows are kept: in shared memory, which counts as memory of the machine, or on a fast disk. Default:
    /// `/dev/shm/radio-io-` and the number of the user.
    pub cache_folder: Option<PathBuf>,
}

/// The threads that decode, and the memory of batches, which the readers of one epoch after the other use again: it is already
/// mapped, which saves a tenth of the time of an epoch. Clones are the same runtime.
///
/// Without one, all readers of a program share a pool of as many threads as there are CPUs, and each has memory of its own.
#[derive(Clone, Debug)]
pub struct Runtime(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    resources: Resources,
    pool: ThreadPool,
    /// None where each reader has one of its own.
    ring: Option<Arc<Ring>>,
    cache: Option<Cache>,
}

impl Runtime {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a CPU that the program may not use, [`Error::Io`] where no thread can be started, or the folder of
    /// the cache cannot be used.
    pub fn new(resources: &Resources) -> Result<Self> {
        Self::start(resources, Some(Arc::default()))
    }

    fn start(resources: &Resources, ring: Option<Arc<Ring>>) -> Result<Self> {
        check(&resources.cpus)?;
        let folder = || resources.cache_folder.clone().unwrap_or_else(default_folder);
        let cache = (resources.cache > 0)
            .then(|| Cache::open(&folder(), resources.cache))
            .transpose()?;
        let threads = resources.threads.map_or(resources.cpus.len(), NonZeroUsize::get);
        let cpus = resources.cpus.clone();
        // They never wait for a consumer, who may be a worker of rayon's global pool.
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("radio-io-{i}"))
            .start_handler(move |_| pin(&cpus))
            .build();
        let pool = pool.map_err(|e| Error::Io {
            path: "a decoding thread".into(),
            source: std::io::Error::other(e),
        })?;
        Ok(Self(Arc::new(Inner {
            resources: resources.clone(),
            pool,
            ring,
            cache,
        })))
    }

    /// What it was made of.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.0.resources
    }

    /// What the cache has; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where its folder cannot be read any more.
    pub fn cache_report(&self) -> Result<Option<CacheReport>> {
        self.0.cache.as_ref().map(Cache::report).transpose()
    }

    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.0.cache.as_ref()
    }

    /// The one that all readers share that are not given another.
    pub(crate) fn shared() -> Result<Self> {
        static SHARED: OnceLock<Runtime> = OnceLock::new();
        if let Some(shared) = SHARED.get() {
            return Ok(shared.clone());
        }
        let new = Self::start(&Resources::default(), None)?;
        Ok(SHARED.get_or_init(|| new).clone())
    }

    pub(crate) fn ring(&self) -> Arc<Ring> {
        self.0.ring.clone().unwrap_or_default()
    }

    pub(crate) fn threads(&self) -> usize {
        self.0.pool.current_num_threads()
    }

    pub(crate) fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.0.pool.install(work)
    }

    /// Pins the calling thread as those of the pool are.
    pub(crate) fn pin(&self) {
        pin(&self.0.resources.cpus);
    }
}

/// The same one, not one that is like it.
impl PartialEq for Runtime {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Runtime {}

fn default_folder() -> PathBuf {
    format!("/dev/shm/radio-io-{}", rustix::process::getuid().as_raw()).into()
}

#[cfg(target_os = "linux")]
fn check(cpus: &[usize]) -> Result<()> {
    let allowed = rustix::thread::sched_getaffinity(None).map_err(|e| Error::Io {
        path: "the CPUs of this program".into(),
        source: e.into(),
    })?;
    let is_allowed = |cpu: usize| cpu < rustix::thread::CpuSet::MAX_CPU && allowed.is_set(cpu);
    match cpus.iter().find(|cpu| !is_allowed(**cpu)) {
        None => Ok(()),
        Some(cpu) => {
            let all = (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| is_allowed(*cpu));
            let all: Vec<String> = all.map(|cpu| cpu.to_string()).collect();
            Err(Error::option(
                "cpus",
                cpu,
                format!("CPUs that this program may use: {}", all.join(", ")),
            ))
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn check(cpus: &[usize]) -> Result<()> {
    match cpus.first() {
        None => Ok(()),
        Some(cpu) => Err(Error::option("cpus", cpu, "none: threads are pinned on Linux only")),
    }
}

/// That the CPUs may be used was checked, so a refusal means that this changed; threads then stay where they are.
#[cfg(target_os = "linux")]
fn pin(cpus: &[usize]) {
    if cpus.is_empty() {
        return;
    }
    let mut set = rustix::thread::CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(*cpu));
    if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
        tracing::warn!(?cpus, %error, "a thread could not be pinned");
    }
}

#[cfg(not(target_os = "linux"))]
fn pin(_cpus: &[usize]) {}
