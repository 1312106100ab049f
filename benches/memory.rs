//! The peak of this process's memory, between two moments (`man 5 proc`).

use std::fs;

/// From here on the peak is a new one; what is allocated already counts along.
pub(crate) fn reset_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// The peak, MB.
pub(crate) fn peak_mb() -> u64 {
    status_mb("VmHWM:")
}

/// What belongs to this process alone now, MB: no file that is mapped, no shared memory.
#[allow(dead_code, reason = "not every bench shares memory")]
pub(crate) fn own_mb() -> u64 {
    status_mb("RssAnon:")
}

fn status_mb(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    peak.unwrap_or_default() / 1024
}
