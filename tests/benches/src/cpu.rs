//! CPU time of this process.

use std::time::Duration;

/// User and system time of all threads so far, to the nanosecond. Where the system does not tell, wall time, which is
/// named so in the report.
#[cfg(unix)]
pub fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What `used` measures here.
#[cfg(unix)]
pub fn unit() -> &'static str {
    "µs CPU"
}

#[cfg(not(unix))]
#[expect(clippy::disallowed_methods, reason = "a measurement reads the machine's clock")]
pub fn used() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(not(unix))]
pub fn unit() -> &'static str {
    "µs wall"
}
