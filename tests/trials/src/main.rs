//! Runs under kills: what is finished is never done again, and what is begun comes to its end.
//!
//! `tertulia-trials [KILLS] [SEED]` kills whoever works on agents, and as often whoever works on councils (`kills.rs`): 100
//! kills of each and a random seed unless told. The seed is printed; the moment of a kill also depends on the machine, so a
//! seed repeats the dice, not the kill.

mod child;
mod kills;
mod told;

use std::process::ExitCode;

pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What went well and what did not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
}

impl Counts {
    /// Counts one thing that must hold.
    pub fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if holds {
            self.passed += 1;
        } else {
            self.failed += 1;
            eprintln!("{}", what());
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, standard: u64| args.get(at).map_or(Ok(standard), |text| text.parse::<u64>());
    let outcome = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["child", store, url, notes, program, word] => child::work(store, url, notes, program, word == "finish").await,
        _ => match (number(0, 100), number(1, u64::from(std::process::id()))) {
            (Ok(kills), Ok(seed)) => last(all(kills, seed).await),
            _ => Err("tertulia-trials [KILLS] [SEED]".into()),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn all(kills: u64, seed: u64) -> Outcome<Counts> {
    let mut counts = Counts::default();
    for program in ["agent", "council"] {
        let Counts { passed, failed } = kills::kills(program, kills, seed).await?;
        counts.passed += passed;
        counts.failed += failed;
    }
    Ok(counts)
}

/// Says how it went, on the last line.
fn last(counts: Outcome<Counts>) -> Outcome<()> {
    let Counts { passed, failed } = counts?;
    println!("{passed} passed, {failed} failed");
    if failed > 0 || passed == 0 { Err("something does not hold".into()) } else { Ok(()) }
}
