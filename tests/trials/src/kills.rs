//! `kill -9` in the middle of agents and councils, again and again.
//!
//! ```text
//! parent: simulator, seed, dice        child: picks up runs that are not over, begins others, says so on stdout
//!   loop N times: start a child, kill it after a random number of lines and microseconds
//!   at last:      let a child finish what is left, open the store as a user would, and check of every run:
//!                   it was begun if a child said so, and is done
//!                   its events are numbered without a gap, and nothing finished stands there twice
//!                   no model was asked again for an answer that was there
//!                   what must not be done twice was done once, or the model was told that nobody knows
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use tertulia::{Json, RunId, RunStatus, Tertulia};
use tertulia_simulator::Simulator;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::child::{OWNER, engine};
use crate::told::Told;
use crate::{Counts, Outcome};

/// So many kills a store lives through.
const OF_A_STORE: u64 = 50;

/// Kills so many children that work on this program.
pub async fn kills(program: &str, kills: u64, seed: u64) -> Outcome<Counts> {
    println!("{program}: {kills} kills, seed {seed}");
    let mut counts = Counts::default();
    let mut seen = Seen::default();
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut left = kills;
    while left > 0 {
        let of_this = left.min(OF_A_STORE);
        one_store(program, of_this, &mut dice, &mut counts, &mut seen).await?;
        left -= of_this;
    }
    println!("{seen:?}");
    // Kills that never met a run prove nothing.
    counts.check(kills < 100 || seen.picked_up * 4 > kills, || {
        format!("only {} runs of {kills} kills were picked up", seen.picked_up)
    });
    let tools = program == "agent";
    counts.check(kills < 100 || !tools || seen.unknown > 0, || "no kill came into the middle of a tool".to_owned());
    counts.check(kills < 100 || seen.asked_again > 0, || "no kill came into the middle of an answer".to_owned());
    Ok(counts)
}

/// How often the kills met what.
#[derive(Debug, Default)]
struct Seen {
    runs: u64,
    picked_up: u64,
    /// Answers that were asked for once more, because the first never came whole.
    asked_again: u64,
    /// Calls of which nobody knows whether they were made.
    unknown: u64,
}

async fn one_store(
    program: &str,
    kills: u64,
    dice: &mut fastrand::Rng,
    counts: &mut Counts,
    seen: &mut Seen,
) -> Outcome<()> {
    let simulator = Simulator::start().await?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (store, notes, url) = (path("trials.db"), path("notes.txt"), simulator.url());
    let mut begun = BTreeSet::new();
    for _ in 0..kills {
        begun.extend(kill_one([&store, &url, &notes, program], dice).await?);
        counts.passed += 1;
    }
    let finish = tokio::process::Command::new(std::env::current_exe()?)
        .args(["child", &store, &url, &notes, program, "finish"])
        .stdout(Stdio::null())
        .status();
    counts.check(finish.await?.success(), || "what was left could not be finished".to_owned());
    let tertulia = engine(&store, &url).await?;
    let noted = noted(&std::fs::read_to_string(&notes).unwrap_or_default());
    check(&tertulia, &simulator, &begun, &noted, counts, seen).await?;
    tertulia.close().await?;
    simulator.shutdown().await;
    Ok(())
}

/// Starts a child and kills it somewhere in its work. Gives the runs that it said were begun.
async fn kill_one(work: [&str; 4], dice: &mut fastrand::Rng) -> Outcome<Vec<RunId>> {
    let mut child = tokio::process::Command::new(std::env::current_exe()?)
        .arg("child")
        .args(work)
        .arg("go_on")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("the child has no output")?).lines();
    let mut said = Vec::new();
    let (enough, pause) = (dice.usize(1..4), Duration::from_micros(dice.u64(0..12_000)));
    while said.len() < enough {
        match lines.next_line().await? {
            Some(line) => said.push(line),
            None => return Err("a child ended by itself".into()),
        }
    }
    tokio::time::sleep(pause).await;
    child.kill().await?;
    while let Some(line) = lines.next_line().await? {
        said.push(line);
    }
    Ok(said.iter().filter_map(|line| line.strip_prefix("begun ")?.parse().ok()).collect())
}

/// How often each call of each run was noted.
fn noted(lines: &str) -> BTreeMap<(String, String), u64> {
    let mut noted = BTreeMap::new();
    for line in lines.lines() {
        let mut words = line.split(' ');
        if let (Some(run), Some(call)) = (words.next(), words.next()) {
            *noted.entry((run.to_owned(), call.to_owned())).or_default() += 1;
        }
    }
    noted
}

async fn check(
    tertulia: &Tertulia,
    simulator: &Simulator,
    begun: &BTreeSet<RunId>,
    noted: &BTreeMap<(String, String), u64>,
    counts: &mut Counts,
    seen: &mut Seen,
) -> Outcome<()> {
    let me = tertulia.user(OWNER);
    let (mut known, mut asked, mut allowed) = (BTreeSet::new(), 0, 0);
    let mut page = me.list_runs().limit(200).await?;
    while let Some(last) = page.last().map(|run| run.id) {
        for run in page {
            known.insert(run.id);
            counts.check(run.status == RunStatus::Done, || format!("{} is {:?}", run.id, run.status));
            let mut told = Told::default();
            let mut events = me.attach::<Json>(run.id, 0)?;
            let mut next = 1;
            while let Some(event) = events.next_event().await? {
                counts
                    .check(event.seq == next, || format!("{}: event {} stands where {next} should", run.id, event.seq));
                next += 1;
                told.take(&event.kind);
            }
            seen.runs += 1;
            seen.picked_up += told.picked_up;
            seen.unknown += told.unknown;
            asked += told.answers();
            allowed += told.may_be_asked_again;
            counts.check(!told.twice, || format!("{}: something finished stands there twice", run.id));
            for call in &told.done {
                let times = noted.get(&(run.id.to_string(), call.clone())).copied().unwrap_or(0);
                counts.check(times == 1, || format!("{}: {call} was done {times} times", run.id));
            }
            for call in &told.lost {
                let times = noted.get(&(run.id.to_string(), call.clone())).copied().unwrap_or(0);
                counts.check(times <= 1, || format!("{}: {call} was done {times} times", run.id));
            }
            let said = me.conversation(run.conversation_id).history().limit(50).await?.items;
            let last = said.last().map(tertulia::Message::text);
            let is_said = last.as_deref().is_some_and(|text| text.contains("A"));
            counts.check(is_said, || format!("{}: the conversation ends with {last:?}", run.id));
        }
        page = me.list_runs().limit(200).before(last).await?;
    }
    counts.check(begun.is_subset(&known), || "a run that was begun is not there".to_owned());
    let requests = u64::try_from(simulator.requests().len())?;
    seen.asked_again += requests - asked;
    counts.check((asked..=asked + allowed).contains(&requests), || {
        format!("{requests} requests for {asked} answers, of which {allowed} may be asked for again")
    });
    Ok(())
}
