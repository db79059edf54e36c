//! Processor seconds of this thread, which other work on the machine does not lengthen; the clock's where the kernel does not tell.

/// Seconds since some time.
pub fn seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    let clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
    nanoseconds.map_or_else(clock, |n| n / 1e9)
}
