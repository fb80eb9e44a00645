//! Measures the engine beside bare reqwest + serde, in one process, one run, one thread.
//!
//! The provider is the simulator in a process of its own, so that the figures are the client's alone. Figures are CPU
//! time of this process (user + system) divided by the work done; rounds alternate between the candidates, and the
//! median round counts. Ratios are to the bare client of the same run: absolute times differ between machines.

mod bare;
mod cpu;
mod engine;
mod figures;
mod report;

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};

/// Rounds of each candidate; odd, so that there is a median.
const ROUNDS: usize = 5;
/// Calls of a round, and how many are under way at once.
const CALLS: usize = 3_000;
const AT_ONCE: usize = 64;
/// Streamed replies of a round, each of this many events.
const STREAMS: usize = 300;
const EVENTS: usize = 200;
/// Kilobytes of a round whose tokens are estimated.
const KILOBYTES: usize = 100_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("simulator") {
        return serve().await;
    }
    let mut simulator = tokio::process::Command::new(std::env::current_exe()?)
        .arg("simulator")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = simulator.stdout.take().ok_or("the simulator has no output")?;
    let url = BufReader::new(stdout).lines().next_line().await?.ok_or("the simulator did not start")?;

    let bare = bare::Client::new(&url)?;
    let engine = engine::Engine::open(&url).await?;
    let mut report = report::Report::default();
    bare.calls(CALLS, AT_ONCE).await?;
    engine.calls(CALLS, AT_ONCE).await?;
    for _ in 0..ROUNDS {
        report.round("call_bare", CALLS, bare.calls(CALLS, AT_ONCE)).await?;
        report.round("call", CALLS, engine.calls(CALLS, AT_ONCE)).await?;
        report.round("event_bare", STREAMS * EVENTS, bare.streams(STREAMS, EVENTS)).await?;
        report.round("event", STREAMS * EVENTS, engine.streams(STREAMS, EVENTS)).await?;
        report.round("turn_memory", CALLS / 4, engine.turns(CALLS / 4, AT_ONCE)).await?;
        report.round("token_estimate_kb", KILOBYTES, async { estimates(KILOBYTES) }).await?;
        report.round("figures_of_a_call", CALLS, figures::record(CALLS)).await?;
        report.round("page_of_50", 2_000, engine.pages(2_000)).await?;
    }
    engine.close().await?;
    report.ratio("call", "call_bare");
    report.ratio("event", "event_bare");
    report.write()?;
    Ok(())
}

/// Estimates the tokens of so many kilobytes of words, signs and code.
fn estimates(kilobytes: usize) -> Result<(), Box<dyn std::error::Error>> {
    let text = "Nobody was late twice. Кружок собирался, 每个星期四。 let total = (1..=10).sum();\n".repeat(100);
    let times = kilobytes * 1_000 / text.len();
    let tokens: u64 = (0..times).map(|_| tertulia::policy::tokens(std::hint::black_box(&text))).sum();
    if tokens == 0 { Err("nothing was estimated".into()) } else { Ok(()) }
}

/// The simulator, until its input closes.
async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let simulator = tertulia_simulator::Simulator::start().await?;
    simulator.set_recording(false);
    println!("{}", simulator.url());
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    while input.next_line().await?.is_some() {}
    simulator.shutdown().await;
    Ok(())
}
