//! The peak of this process's memory, between two moments (`man 5 proc`).

use std::fs;

/// From here on the peak is a new one; what is allocated already counts along.
pub(crate) fn reset_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// The peak, MB.
pub(crate) fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?
            .trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
    });
    peak.unwrap_or_default() / 1024
}
