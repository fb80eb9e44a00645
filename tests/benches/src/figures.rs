//! What the figures of a call cost: everything that is counted and measured of it, without the call.

use std::time::Duration;

use tertulia::policy::{Buckets, Figures, Measure};

/// Records this many calls of one model, some each second, as a busy engine does.
#[expect(clippy::unused_async, reason = "the report awaits its rounds")]
pub async fn record(calls: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut figures = Figures::default();
    for n in 0..calls as u64 {
        let now = Duration::from_millis(n);
        let (duration, first_delta) = (Duration::from_micros(900 + n % 700), Some(Duration::from_micros(300 + n % 90)));
        let added = Duration::from_micros(20 + n % 15);
        let mut gaps = Buckets::default();
        gaps.record(40 + n % 9);
        for what in [
            Measure::Attempt { failed: None, is_retry: false },
            Measure::StreamOpened,
            Measure::Streamed { gaps, output_tokens: 7, over: duration },
            Measure::StreamClosed,
            Measure::Call { outcome: Ok(()), duration, first_delta, added },
        ] {
            figures.record("lab/model", &what, now);
        }
    }
    assert!(figures.stats(Duration::from_secs(3_600), Duration::from_millis(calls as u64)).total.calls > 0);
    Ok(())
}
