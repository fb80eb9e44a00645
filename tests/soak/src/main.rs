//! Leaves in the middle of replies, over and over, and looks for what stays behind. `tests/soak/README.md` says what is
//! played, in which words it is told, and what is made of it.
//!
//! ```text
//! tertulia-soak URL OUT CANCELS CALLS STREAMS
//! ```

mod flat;
mod leaving;
mod witness;

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;
use tertulia::{Budget, ProviderSpec, Tertulia};

use leaving::Way;
use witness::Witness;

pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What is to be played, and where.
struct Asked {
    url: String,
    out: PathBuf,
    cancels: usize,
    calls: usize,
    streams: usize,
}

impl Asked {
    fn read() -> Outcome<Self> {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let [url, out, cancels, calls, streams] = &args[..] else {
            return Err("usage: tertulia-soak URL OUT CANCELS CALLS STREAMS; or run `make soak`".into());
        };
        Ok(Self {
            url: url.clone(),
            out: out.into(),
            cancels: cancels.parse()?,
            calls: calls.parse()?,
            streams: streams.parse()?,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rust: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Outcome<()> {
    let asked = Asked::read()?;
    let mut out = File::create(&asked.out)?;
    let mut tell = |line: Value| writeln!(out, "{line}");
    let engine = Tertulia::builder()
        .store(asked.out.with_extension("db").to_string_lossy())
        .provider(ProviderSpec::openai_chat("lab", format!("{}/v1", asked.url)))
        .model("lab/sim")
        .open()
        .await?;
    engine.set_budget(Budget::tokens(i64::MAX / 2)).await?;
    let mut witness = Witness::new(&asked.url)?;
    for way in [Way::Cancelled, Way::Dropped, Way::Aborted] {
        tell(leaving::play(&engine, &mut witness, way, asked.cancels).await?)?;
    }
    tell(flat::calls(&engine, asked.calls).await?)?;
    tell(flat::streams(&engine, asked.streams).await?)?;
    engine.close().await?;
    Ok(())
}
