//! CPU time of this process.

use std::time::Duration;

/// User and system time so far. Where the system does not tell, wall time, which is named so in the report.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the machine's clock")]
pub fn used() -> Duration {
    // /proc/self/stat: fields 14 and 15 (utime, stime) in ticks of 10 ms, counted behind the command's closing bracket.
    let ticks = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| {
        let behind = stat.rsplit_once(')')?.1.to_owned();
        let mut fields = behind.split_whitespace().skip(11);
        Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
    });
    match ticks {
        Some(ticks) => Duration::from_millis(10 * ticks),
        None => std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default(),
    }
}

/// What `used` measures here.
pub fn unit() -> &'static str {
    if cfg!(target_os = "linux") { "µs CPU" } else { "µs wall" }
}
