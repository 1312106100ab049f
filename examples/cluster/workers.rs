//! Which workers a program asks, as its options, and what they did.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use radio_io::cluster::{Access, Cluster, ClusterReader, NodeMetrics};

use crate::common::{self, Result};

#[derive(Debug, Args)]
pub(crate) struct Workers {
    /// A node and the address of its worker (https with TLS); once for each node
    #[arg(long, value_name = "NAME=http://HOST:7420", value_parser = worker, required_unless_present = "workers")]
    worker: Vec<(String, String)>,
    /// Or a name in the DNS that stands for all workers, as a headless Service does
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "worker")]
    workers: Option<String>,
    /// File with the token of the workers
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with the certificates that those of the workers are signed by, PEM: the way is encrypted
    #[arg(long, value_name = "FILE")]
    tls_authority: Option<PathBuf>,
}

impl Workers {
    pub(crate) fn cluster(&self) -> Result<Cluster> {
        let mut access = Access::default();
        if let Some(file) = &self.token_file {
            access = access.with_token(common::token(file)?);
        }
        if let Some(file) = &self.tls_authority {
            access = access.with_authority(common::text(file)?);
        }
        Ok(match &self.workers {
            Some(name) => Cluster::discover(name, &access)?,
            None => Cluster::connect(self.worker.iter().cloned(), &access)?,
        })
    }
}

fn worker(text: &str) -> std::result::Result<(String, String), String> {
    let parts = text
        .split_once('=')
        .map(|(node, url)| (node.to_owned(), url.to_owned()));
    parts.ok_or_else(|| "expected a node and an address, node-a=http://node-a:7420".to_owned())
}

/// Says what each node gave, and who was waited for.
pub(crate) fn report(batches: &ClusterReader, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    for NodeMetrics {
        node,
        asks,
        failures,
        rows,
        bytes,
        waited,
        ..
    } in batches.nodes()
    {
        println!(
            "{node}: {rows} spectra, {:.0} a second, {:.1} MB/s; {asks} asks, {failures} failed; waited for it {:.1} s",
            rows as f64 / seconds,
            bytes as f64 / 1e6 / seconds,
            waited.as_secs_f64()
        );
    }
    let held_back = batches.held_back().as_secs_f64();
    println!("batches waited {held_back:.1} of {seconds:.1} s to be taken");
}
