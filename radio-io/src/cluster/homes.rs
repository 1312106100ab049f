//! Which nodes have a tile, and which of them are there.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use radio_index::ReadPlan;

use crate::{Result, Topology};

/// A node that failed is asked again after this time, even if others have its tiles.
const FORGIVEN: Duration = Duration::from_secs(10);
/// A failure so long ago has nothing to do with the next one: while others have its tiles, or nobody takes batches, a node is not asked.
const FORGOTTEN: Duration = Duration::from_mins(1);
/// How long to wait before a node is asked again that alone has a tile: at first, and at most.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// The holders of all tiles of a plan, and which nodes did not answer lately.
#[derive(Debug)]
pub(super) struct Homes {
    /// Numbers of nodes, the one that bytes were balanced for first.
    holders: HashMap<Arc<str>, Vec<usize>>,
    failing: Vec<Option<Failing>>,
}

/// Since when, and how often, a node did not answer.
#[derive(Clone, Copy, Debug)]
struct Failing {
    since: Instant,
    last: Instant,
    times: u32,
}

impl Homes {
    pub(super) fn new(plan: &ReadPlan, topology: &Topology, nodes: &[String]) -> Result<Self> {
        let mut holders: HashMap<Arc<str>, Vec<usize>> = HashMap::new();
        for slices in plan.slices().chunk_by(|a, b| a.uri() == b.uri()) {
            let uri = slices.first().map_or("", |slice| slice.uri());
            let found = topology
                .holders(uri)
                .filter_map(|name| nodes.iter().position(|node| node == name));
            holders.insert(uri.into(), found.collect());
        }
        let has_tiles = |name: &&String| holders.values().flatten().any(|&holder| nodes[holder] == **name);
        let alive: Vec<&String> = nodes.iter().filter(has_tiles).collect();
        if !alive.is_empty() {
            let assignment = topology.assign(plan, alive.iter().map(|name| name.as_str()))?;
            for name in alive {
                let Some(node) = nodes.iter().position(|node| node == name) else {
                    continue;
                };
                for slice in assignment.plan(name)?.slices() {
                    let holders = holders.get_mut(slice.uri());
                    holders
                        .into_iter()
                        .for_each(|holders| holders.sort_by_key(|&holder| (holder != node, holder)));
                }
            }
        }
        Ok(Self {
            holders,
            failing: vec![None; nodes.len()],
        })
    }

    /// All nodes that have a tile.
    pub(super) fn of(&self, uri: &str) -> &[usize] {
        self.holders.get(uri).map_or(&[], Vec::as_slice)
    }

    /// The node to ask for a tile, none of `not`: one that answers, if there is one.
    pub(super) fn best(&self, uri: &str, not: &[usize]) -> Option<usize> {
        let able = || self.of(uri).iter().copied().filter(|node| !not.contains(node));
        able().find(|&node| self.is_answering(node)).or_else(|| able().next())
    }

    /// Another node that answers.
    pub(super) fn other(&self, uri: &str, node: usize, not: &[usize]) -> Option<usize> {
        let mut able = self
            .of(uri)
            .iter()
            .copied()
            .filter(|&other| other != node && !not.contains(&other));
        able.find(|&other| self.is_answering(other))
    }

    fn is_answering(&self, node: usize) -> bool {
        self.failing[node].is_none_or(|failing| failing.last.elapsed() > FORGIVEN)
    }

    pub(super) fn answered(&mut self, node: usize) {
        self.failing[node] = None;
    }

    /// Notes that a node did not answer, be it away or too busy; since when it is away, and how long to wait before it is asked again.
    pub(super) fn failed(&mut self, node: usize, is_away: bool) -> (Instant, Duration) {
        let now = Instant::now();
        let before = self.failing[node].filter(|failing| failing.last.elapsed() < FORGOTTEN);
        let times = before.map_or(0, |before| before.times);
        let since = before.filter(|_| is_away).map_or(now, |before| before.since);
        let wait = BACK_OFF[0].saturating_mul(1 << times.min(10)).min(BACK_OFF[1]);
        self.failing[node] = Some(Failing {
            since,
            last: now,
            times: times + 1,
        });
        (since, wait)
    }

    /// The tiles that no node has that answers.
    pub(super) fn lost_with(&self, node: usize) -> Vec<PathBuf> {
        let is_lost = |holders: &[usize]| {
            holders.contains(&node) && !holders.iter().any(|&other| other != node && self.is_answering(other))
        };
        let lost = self.holders.iter().filter(|(_, holders)| is_lost(holders));
        let mut lost: Vec<PathBuf> = lost.map(|(uri, _)| PathBuf::from(&**uri)).collect();
        lost.sort_unstable();
        lost
    }
}
