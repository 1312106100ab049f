//! The slow, obvious version, and what the other tests share.

use std::fmt::Debug;

use proptest::test_runner::{Config, RngSeed};
use radio_fof::{Error, Result};

/// Groups by flooding: everything that can be reached from a point through friends, tested pair by pair.
pub(crate) fn groups(n: usize, min_members: usize, are_friends: impl Fn(usize, usize) -> bool) -> Vec<i64> {
    let mut labels = vec![-1; n];
    let mut seen = vec![false; n];
    let mut next = 0;
    for start in 0..n {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        let mut members = vec![start];
        let mut done = 0;
        while done < members.len() {
            let i = members[done];
            done += 1;
            for (j, seen) in seen.iter_mut().enumerate() {
                if !*seen && are_friends(i, j) {
                    *seen = true;
                    members.push(j);
                }
            }
        }
        if members.len() >= min_members {
            members.iter().for_each(|&i| labels[i] = next);
            next += 1;
        }
    }
    labels
}

/// Renumbers labels in the order of their first point: two labellings are the same partition if this makes them equal.
pub(crate) fn canonical(labels: &[i64]) -> Vec<i64> {
    let mut names = std::collections::HashMap::new();
    let mut rename = |&label: &i64| {
        let next = names.len() as i64;
        if label < 0 {
            -1
        } else {
            *names.entry(label).or_insert(next)
        }
    };
    labels.iter().map(&mut rename).collect()
}

/// Runs `work` in a pool of its own.
pub(crate) fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
        .install(work)
}

/// Is this option refused?
#[track_caller]
pub(crate) fn assert_option_refused<T: Debug>(result: Result<T>, option: &str) {
    match result {
        Err(Error::Option { name, .. }) => assert_eq!(name, option),
        other => panic!("{other:?}"),
    }
}

/// Is the value at this row of this column refused?
#[track_caller]
pub(crate) fn assert_value_refused<T: Debug>(result: Result<T>, column: &str, row: usize) {
    match result {
        Err(Error::Value { column: c, row: r, .. }) => assert_eq!((c, r), (column, row)),
        other => panic!("{other:?}"),
    }
}

/// The same cases on every run.
pub(crate) fn fixed_cases(cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(1985),
        failure_persistence: None,
        ..Config::default()
    }
}

/// Uniform numbers in [0, 1), the same on every run (Steele, Lea & Flood 2014, SplitMix64).
pub(crate) fn uniform(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = state;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
