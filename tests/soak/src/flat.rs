//! Calls that nobody waits for, and streams that are read to their end: the memory of the process beside them.

use std::time::Duration;

use serde_json::{Value, json};
use tertulia::base::{Clock as _, SystemClock};
use tertulia::{ContextOptions, StreamEventKind, Tertulia};
use tokio::task::JoinSet;

use crate::Outcome;

const AT_ONCE: usize = 64;
/// By then everything has its size: caches, pools, what the system's allocator keeps.
const WARM: f64 = 0.25;
const SEED: u64 = 0x50a4;

/// Asks, and goes before there is an answer.
pub async fn calls(engine: &Tertulia, runs: usize) -> Outcome<Value> {
    let (clock, mut dice) = (SystemClock::default(), fastrand::Rng::with_seed(SEED));
    let mut memory = Memory::new("cancelled calls", runs);
    while memory.done < runs {
        let mut calls = JoinSet::new();
        for _ in 0..AT_ONCE {
            let engine = engine.clone();
            calls.spawn(async move { engine.ask("Hi").model("lab/sim:stall").await });
        }
        // Some have not begun by then, some wait for their answer.
        clock.sleep(Duration::from_micros(dice.u64(0..6_000))).await;
        calls.abort_all();
        while let Some(call) = calls.join_next().await {
            if !call.as_ref().is_err_and(tokio::task::JoinError::is_cancelled) {
                return Err(format!("a call that must wait for ever ended: {call:?}").into());
            }
        }
        memory.count(AT_ONCE)?;
    }
    Ok(memory.told())
}

/// Reads streams from the first event to the last.
pub async fn streams(engine: &Tertulia, runs: usize) -> Outcome<Value> {
    let mut memory = Memory::new("streams", runs);
    let chats: Vec<_> = (0..AT_ONCE).map(|_| engine.user("bob").new_conversation()).collect();
    while memory.done < runs {
        let mut streams = JoinSet::new();
        for chat in &chats {
            let call = chat.stream("Hi").model("lab/sim:text=a%20b%20c;chunks=3").context(ContextOptions::turns(1));
            streams.spawn(async move {
                let mut stream = call.await?;
                let mut words = String::new();
                while let Some(event) = stream.next_event().await? {
                    if let StreamEventKind::Text { delta } = event.kind {
                        words.push_str(&delta);
                    }
                }
                Ok::<_, tertulia::Error>(words)
            });
        }
        while let Some(words) = streams.join_next().await {
            let words = words??;
            if words != "a b c" {
                return Err(format!("a stream said {words:?}").into());
            }
        }
        memory.count(AT_ONCE)?;
    }
    Ok(memory.told())
}

/// What the process holds, when all is warm and at the end.
struct Memory {
    what: &'static str,
    runs: usize,
    done: usize,
    warm: Option<f64>,
    end: f64,
}

impl Memory {
    const fn new(what: &'static str, runs: usize) -> Self {
        Self { what, runs, done: 0, warm: None, end: 0.0 }
    }

    fn count(&mut self, more: usize) -> Outcome<()> {
        self.done += more;
        self.end = resident_mb()?;
        if self.warm.is_none() && self.done as f64 >= self.runs as f64 * WARM {
            self.warm = Some(self.end);
        }
        Ok(())
    }

    fn told(&self) -> Value {
        json!({"flat": self.what, "runs": self.done, "warm_mb": self.warm, "end_mb": self.end})
    }
}

fn resident_mb() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kb: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kb / 1_024.0)
}
