//! Disjoint sets that many threads can unite at once.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rayon::prelude::*;

/// A union-find forest over `0..len`. The root of a set is its smallest member, whatever the order of the unions was,
/// so the result does not depend on threads.
///
/// A parent is never larger than its child and is only ever replaced by another ancestor, so the forest stays a forest
/// under any interleaving. Relaxed ordering is enough: the parents are all the shared data there is, and threads are
/// joined before the result is read.
#[derive(Debug)]
pub(crate) struct DisjointSets {
    parent: Vec<AtomicU32>,
}

impl DisjointSets {
    /// Every element alone. `len` must have passed `check_rows`.
    pub(crate) fn new(len: usize) -> Self {
        Self {
            parent: (0..len as u32).into_par_iter().map(AtomicU32::new).collect(),
        }
    }

    /// The smallest member of every element's set.
    pub(crate) fn into_roots(self) -> Vec<u32> {
        (0..self.parent.len() as u32)
            .into_par_iter()
            .map(|i| self.find(i))
            .collect()
    }

    /// The smallest member of the set of `element`.
    pub(crate) fn find(&self, mut element: u32) -> u32 {
        loop {
            let parent = self.parent[element as usize].load(Relaxed);
            if parent == element {
                return element;
            }
            let grandparent = self.parent[parent as usize].load(Relaxed);
            if grandparent == parent {
                return parent;
            }
            // Path halving: the next search from here takes half the steps.
            self.parent[element as usize].store(grandparent, Relaxed);
            element = grandparent;
        }
    }

    /// Are they in one set?
    pub(crate) fn are_joined(&self, a: u32, b: u32) -> bool {
        self.find(a) == self.find(b)
    }

    /// Puts the sets of `a` and `b` together.
    pub(crate) fn unite(&self, mut a: u32, mut b: u32) {
        loop {
            (a, b) = (self.find(a), self.find(b));
            if a == b {
                return;
            }
            let (low, high) = (a.min(b), a.max(b));
            // Fails only where another thread has moved this root in the meantime: then look again.
            if self.parent[high as usize]
                .compare_exchange(high, low, Relaxed, Relaxed)
                .is_ok()
            {
                return;
            }
        }
    }
}
