//! What is left of a store when everything around it breaks.
//!
//! `tertulia-crash [RUNS] [SEED]` kills whoever writes (`kills.rs`): 200 runs and a random seed unless told. The seed is
//! printed; the moment of a kill also depends on the machine, so a seed repeats the dice, not the crash.
//! `tertulia-crash outbox` does the same to messages that wait to be sent (`outbox.rs`), `tertulia-crash together` lets
//! many processes work on one database (`together.rs`), `tertulia-crash images` cuts the power (`power.rs`),
//! `tertulia-crash faults` lets the disk fail (`faults.rs`). `tertulia-crash all KILLS IMAGES` does everything.

mod check;
mod child;
mod faults;
mod kills;
mod outbox;
mod power;
mod tape;
mod together;
mod verdict;
mod vfs;

use std::num::ParseIntError;
use std::process::ExitCode;

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
        _ => {
            let number = |at: usize, standard: u64| args.get(at).map_or(Ok(standard), |text| text.parse());
            match (number(0, 200), number(1, u64::from(std::process::id()))) {
                (Ok(runs), Ok(seed)) => last(kills::kills(runs, seed).await),
                _ => Err("tertulia-crash [RUNS] [SEED]".into()),
            }
        }
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
    add("kills", kills::kills(kills, u64::from(std::process::id())).await);
    add("outbox", outbox::parent(&[]).await);
    add("together", together::all(8, 4, 60, u64::from(std::process::id())).await);
    add("images", power::images(images, u64::from(std::process::id())).await);
    add("faults", faults::sweep(1, u64::from(std::process::id())).await);
    last(Ok(all))
}
