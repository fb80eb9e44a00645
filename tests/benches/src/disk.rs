//! What this disk takes to keep something: the figure beside which all that is saved is read.

use std::fs::File;
use std::io::Write as _;

use tertulia::base::{Clock as _, SystemClock};

use crate::Outcome;
use crate::report::Report;

/// Writes pages behind one another, as a log does, and syncs after each.
pub fn measure(report: &mut Report) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let mut file = File::create(folder.path().join("log"))?;
    let (clock, mut took) = (SystemClock::default(), Vec::new());
    for _ in 0..200 {
        file.write_all(&[7; 8_192])?;
        let began = clock.monotonic();
        file.sync_all()?;
        took.push(clock.monotonic() - began);
    }
    report.spread("disk.fsync", &mut took);
    Ok(())
}
