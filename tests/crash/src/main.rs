//! `kill -9` at random moments, again and again, on one store.
//!
//! ```text
//! parent: simulator, seed, dice        child: opens the store, sends one message after the other, says so on stdout
//!   loop N times: start a child, kill it after a random number of lines and microseconds
//!                 open the store as a user would, and check:
//!                   every message the child said was saved is there, once, with its words, and is found by them
//!                   every reply the child said was done is there, once, whole
//!                   no turn is open; what was interrupted shows its text, and can be asked for again
//! ```
//!
//! `tertulia-crash outbox` does the same to messages that wait to be sent (`outbox.rs`), `tertulia-crash together` lets
//! many processes work on one database (`together.rs`), `tertulia-crash images` cuts the power (`power.rs`),
//! `tertulia-crash faults` lets the disk fail (`faults.rs`). `tertulia-crash all KILLS IMAGES` does everything.
//!
//! `tertulia-crash [RUNS] [SEED]`: 200 runs and a random seed unless told. The seed is printed; the moment of a kill
//! also depends on the machine, so a seed repeats the dice, not the crash.

mod check;
mod child;
mod faults;
mod outbox;
mod power;
mod tape;
mod together;
mod verdict;
mod vfs;

use std::io::Write as _;
use std::num::ParseIntError;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};

pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What went well and what did not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["child", store, url, seed] => child::run(store, url, seed.parse().unwrap_or(0)).await,
        ["outbox-fill", store, url, from, messages, conversations] => {
            let [from, messages, conversations] = [from, messages, conversations].map(|n| n.parse().unwrap_or(1));
            outbox::fill(store, url, from, messages, conversations).await
        }
        ["outbox-drain", store, url] => outbox::drain(store, url).await,
        ["all", kills, images] => all(kills.parse(), images.parse()).await,
        ["images", ..] => {
            let number = |at: usize, standard: u64| args.get(at).map_or(Ok(standard), |text| text.parse());
            match (number(1, 1_000), number(2, u64::from(std::process::id()))) {
                (Ok(images), Ok(seed)) => last(power::images(images, seed).await),
                _ => Err("tertulia-crash images [IMAGES] [SEED]".into()),
            }
        }
        ["faults", ..] => {
            let number = |at: usize, standard: u64| args.get(at).map_or(Ok(standard), |text| text.parse());
            match (number(1, 1), number(2, u64::from(std::process::id()))) {
                (Ok(stride), Ok(seed)) => last(faults::sweep(stride, seed).await),
                _ => Err("tertulia-crash faults [STRIDE] [SEED]".into()),
            }
        }
        ["together-one", store, url, seed, threads, millis] => {
            let [seed, threads, millis] = [seed, threads, millis].map(|n| n.parse().unwrap_or(1));
            together::one(store, url, seed, threads, millis).await
        }
        ["together", ..] => {
            let number = |at: usize, standard: u64| args.get(at).map_or(Ok(standard), |text| text.parse());
            match (number(1, 60), number(2, u64::from(std::process::id()))) {
                (Ok(seconds), Ok(seed)) => last(together::all(8, 4, seconds, seed).await),
                _ => Err("tertulia-crash together [SECONDS] [SEED]".into()),
            }
        }
        ["outbox", ..] => last(outbox::parent(&args[1..]).await),
        _ => last(parent(&args).await),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Says the end of a part.
fn last(counts: Outcome<Counts>) -> Outcome<()> {
    let Counts { passed, failed } = counts?;
    println!("{passed} passed, {failed} failed");
    if failed > 0 { Err("not everything went well".into()) } else { Ok(()) }
}

/// Every part, one after the other.
async fn all(kills: Result<u64, ParseIntError>, images: Result<u64, ParseIntError>) -> Outcome<()> {
    let (kills, images) = (kills?, images?);
    let mut all = Counts::default();
    let mut add = |part: &str, counts: Outcome<Counts>| match counts {
        Ok(counts) => all = Counts { passed: all.passed + counts.passed, failed: all.failed + counts.failed },
        Err(error) => {
            println!("{part}: {error}");
            all.failed += 1;
        }
    };
    add("kills", parent(&[kills.to_string()]).await);
    add("outbox", outbox::parent(&[]).await);
    add("together", together::all(8, 4, 60, u64::from(std::process::id())).await);
    add("images", power::images(images, u64::from(std::process::id())).await);
    add("faults", faults::sweep(1, u64::from(std::process::id())).await);
    last(Ok(all))
}

async fn parent(args: &[String]) -> Outcome<Counts> {
    let runs: u64 = args.first().map_or(Ok(200), |text| text.parse())?;
    let seed: u64 = args.get(1).map_or_else(|| Ok(u64::from(std::process::id())), |text| text.parse())?;
    println!("{runs} kills, seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("crash.db").to_string_lossy().into_owned();
    let simulator = tertulia_simulator::Simulator::start().await?;
    let mut ledger = check::Ledger::default();
    for run in 0..runs {
        let said = kill_one(&store, &simulator.url(), dice.u64(..), &mut dice).await?;
        ledger.add(&said)?;
        if let Err(error) = ledger.check(&store, &simulator.url(), run % 10 == 9).await {
            return Err(format!("run {run}, seed {seed}: {error}").into());
        }
        print!("{}", if run % 50 == 49 { ".\n" } else { "." });
        std::io::stdout().flush()?;
    }
    simulator.shutdown().await;
    println!("{}", ledger.summary());
    ledger.must_have_seen_everything(runs)?;
    Ok(Counts { passed: runs, failed: 0 })
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
