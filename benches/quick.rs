//! `cargo bench -p radio-benches -- quick`: every bench in seconds, at a smaller size and with fewer rounds, and without criterion. It shows
//! that they run, and about where they are; numbers to keep are those of the whole ones.

/// Is this a quick run?
pub(crate) fn is_quick() -> bool {
    std::env::args().any(|argument| argument == "quick")
}

/// A size or a number of rounds, and what it is in a quick run.
#[allow(dead_code, reason = "not every bench has sizes")]
pub(crate) fn or(whole: usize, quick: usize) -> usize {
    if is_quick() { quick } else { whole }
}

/// A folder of data, which are others in a quick run.
#[allow(dead_code, reason = "not every bench keeps data")]
pub(crate) fn folder(name: &str) -> std::path::PathBuf {
    let name = if is_quick() {
        format!("{name}-quick")
    } else {
        name.to_owned()
    };
    std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
