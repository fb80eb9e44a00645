//! `kill -9` at random moments, again and again.
//!
//! ```text
//! parent: simulator, seed, dice        child: opens the store, sends one message after the other, says so on stdout
//!   loop N times: start a child, kill it after a random number of lines and microseconds
//!                 open the store as a user would, and check:
//!                   every message the child said was saved is there, once, with its words, and is found by them
//!                   every reply the child said was done is there, once, whole
//!                   no turn is open; what was interrupted shows its text, and can be asked for again
//! ```

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::check::Ledger;
use crate::{Counts, Outcome};

/// So many kills a store lives through; all that it holds is looked over again and again, which takes longer the more
/// that is.
const OF_A_STORE: u64 = 200;

/// So many stores at once: each of them mostly waits for the disk.
const AT_ONCE: usize = 2;

/// Kills so many children.
pub async fn kills(runs: u64, seed: u64) -> Outcome<Counts> {
    println!("{runs} kills, seed {seed}");
    let simulator = tertulia_simulator::Simulator::start().await?;
    let url = simulator.url();
    let stores = (0..runs.div_ceil(OF_A_STORE)).map(|store| {
        let left = runs - store * OF_A_STORE;
        kills_of_one(&url, left.min(OF_A_STORE), seed.wrapping_add(store))
    });
    stream::iter(stores).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    simulator.shutdown().await;
    Ok(Counts { passed: runs, failed: 0 })
}

async fn kills_of_one(url: &str, runs: u64, seed: u64) -> Outcome<()> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("crash.db").to_string_lossy().into_owned();
    let mut ledger = Ledger::default();
    for run in 0..runs {
        let said = kill_one(&store, url, dice.u64(..), &mut dice).await?;
        ledger.add(&said)?;
        if let Err(error) = ledger.check(&store, url, run % 10 == 9).await {
            return Err(format!("run {run} of the store with seed {seed}: {error}").into());
        }
        print!(".");
        std::io::stdout().flush()?;
    }
    println!("\n{}", ledger.summary());
    ledger.must_have_seen_everything(runs)
}

/// Starts a child and kills it somewhere in its work. Gives what it had said by then.
async fn kill_one(store: &str, url: &str, seed: u64, dice: &mut fastrand::Rng) -> Outcome<Vec<String>> {
    let mut child = tokio::process::Command::new(std::env::current_exe()?)
        .args(["child", store, url, &seed.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("the child has no output")?).lines();
    let mut said = Vec::new();
    let (enough, pause) = (dice.usize(0..8), Duration::from_micros(dice.u64(0..15_000)));
    while said.len() < enough {
        match lines.next_line().await? {
            Some(line) => said.push(line),
            None => return Err("the child ended by itself".into()),
        }
    }
    tokio::time::sleep(pause).await;
    child.kill().await?;
    while let Some(line) = lines.next_line().await? {
        said.push(line);
    }
    Ok(said)
}
