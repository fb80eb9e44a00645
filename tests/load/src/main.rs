//! Many chats at once, through the real engine with its default settings, a real database in a temporary folder and
//! the real simulator over loopback. Ends badly unless every message was answered, in time.
//!
//! *N concurrent chats* are N conversations that are open at the same time, each of its own user: send, wait for the
//! whole reply, think, send again. People think much longer than they wait; here they think just long enough that 60%
//! of the pool's connections are busy on average, so that it works hard and can still serve everybody at once. More
//! than that no client can do: 1,000 messages in one moment, at 200 ms and 40 connections, take 25 rounds of 200 ms.
//! That case is played as well (`burst`): nothing may be lost, and its times are shown beside that sum.
//!
//! ```text
//! tertulia-load [N] [--only-success]      100 chats unless told; without the limits of time, for slow machines
//! ```

mod chats;
mod report;
mod scenario;
mod simulator;

use std::process::ExitCode;

use tertulia::{NetworkSettings, ProviderSpec, Tertulia};

pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Seeds every wait and every fault.
const SEED: u64 = 0x7e47;

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Plays all scenarios; gives how many checks failed.
async fn run(args: &[String]) -> Outcome<usize> {
    let usage = "usage: tertulia-load [N] [--only-success]";
    let only_success = args.iter().any(|arg| arg == "--only-success");
    let number: Vec<&String> = args.iter().filter(|arg| *arg != "--only-success").collect();
    let chats: usize = match number[..] {
        [] => 100,
        [number] => number.parse().ok().filter(|chats| (1..=100_000).contains(chats)).ok_or(usage)?,
        _ => return Err(usage.into()),
    };
    let connections = NetworkSettings::default().max_connections;
    println!(
        "{chats} chats at once, seed {SEED}: each sends, waits for the whole reply, thinks, and sends again; they think \
         long enough that on average {:.0} of the pool's {connections} connections are busy\n",
        scenario::BUSY * connections as f64,
    );
    let simulator = simulator::Process::start().await?;
    let folder = tempfile::tempdir()?;
    let mut report = report::Report::new(only_success);
    for scenario in scenario::ALL {
        // An engine of its own for each, so that its figures are those of the scenario.
        let engine = Tertulia::builder()
            .store(folder.path().join(scenario.name).to_string_lossy())
            .provider(ProviderSpec::openai_chat("lab", format!("{}/v1", simulator.url)))
            .model("lab/sim")
            .open()
            .await?;
        let run = chats::play(&engine, scenario, chats, connections, only_success).await?;
        report.add(scenario, &run, chats, connections);
        engine.close().await?;
    }
    Ok(report.end())
}
