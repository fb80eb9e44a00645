//! A disk that fails at every call, one after the other: full, half a write, no read or write at all, no sync.
//!
//! ```text
//! for each trouble, once and for good:  for each n:
//!   an engine does one thing after the other; the n-th call that the trouble concerns fails
//!   each verb has done what it says, and that survives a power cut; or it gives `Storage`, and nothing was sent
//!   when the trouble is over, the same engine does everything again; what cannot be opened opens then
//! ```
//!
//! A disk that could not sync drops what it was given and says nothing of it at the next sync (`tape.rs`): an engine that
//! went on with the same log would promise what a power cut takes away.

use std::cell::Cell;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use fastrand::Rng;
use futures::StreamExt as _;
use tertulia::{Budget, Conversation, Error, ErrorKind, NewMessage, Tertulia, Window};
use tertulia_simulator::Simulator;

use crate::power::{both, keep, open, scratch};
use crate::tape::{Cut, Disk, Event, Tape, Trouble};
use crate::verdict::{self, OWNER, Promise};
use crate::{Counts, Outcome, vfs};

/// Slow enough for drafts to be written on the way.
const MODEL: &str = "lab/sim:words=40;delay_ms=1";

/// What an engine does, in this order.
const VERBS: [&str; 18] = [
    "talk",
    "append",
    "fork",
    "delete_message",
    "duplicate",
    "history",
    "delete",
    "list_conversations",
    "set_budget",
    "batch",
    "put",
    "erase",
    "checkpoint",
    "vacuum",
    "backup",
    "verify",
    "rest",
    "talk again",
];

/// After so many that fail the rest is left out.
const ENOUGH: u64 = 5;

/// So many are tried at once, each with a provider of its own: what stays broken takes seconds to be given up.
const AT_ONCE: usize = 12;

/// A database as an earlier engine has left it.
struct Before {
    bytes: Vec<u8>,
    promises: Vec<Promise>,
}

/// One run: which trouble, for good or once, after how many calls, and whether the opening is part of it.
#[derive(Clone, Copy, Debug)]
struct Plan {
    trouble: Trouble,
    lasts: bool,
    after: u64,
    opens: bool,
}

/// Lets every `stride`-th call fail, beginning anywhere.
pub async fn sweep(stride: u64, seed: u64) -> Outcome<Counts> {
    println!("a disk that fails at every {stride}. call, seed {seed}");
    vfs::install();
    let stride = stride.max(1);
    let mut dice = Rng::with_seed(seed);
    let before = &before().await?;
    let (mut counts, mut refused) = (Counts::default(), 0);
    'all: for trouble in Trouble::ALL {
        for (lasts, opens) in [(false, false), (true, false), (false, true), (true, true)] {
            // Opening syncs a few times only, and what fails there is behind everything that comes later: each is tried.
            let stride = if opens && trouble == Trouble::Sync { 1 } else { stride };
            let mut next = dice.u64(..stride);
            let is_over = Cell::new(false);
            let plans = std::iter::from_fn(|| {
                let after = next;
                next += stride * if lasts { 4 } else { 1 };
                (!is_over.get()).then_some(Plan { trouble, lasts, after, opens })
            });
            let runs = futures::stream::iter(plans).map(async |plan| (plan, fail(before, plan).await));
            let mut runs = pin!(runs.buffered(AT_ONCE));
            while let Some((plan, outcome)) = runs.next().await {
                match outcome {
                    // The trouble never came: all calls are through.
                    Ok(None) => is_over.set(true),
                    Ok(Some(errors)) => {
                        refused += errors;
                        counts.passed += 1;
                    }
                    Err(error) => {
                        println!("{plan:?}: {error}");
                        counts.failed += 1;
                        is_over.set(is_over.get() || counts.failed >= ENOUGH);
                    }
                }
            }
            if counts.failed >= ENOUGH {
                break 'all;
            }
        }
    }
    println!("{} faults, {refused} verbs refused", counts.passed + counts.failed);
    Ok(counts)
}

async fn before() -> Outcome<Before> {
    let simulator = Simulator::start().await?;
    let folder = scratch()?;
    let path = folder.path().join("before.db");
    let tape = Tape::default();
    let tertulia = open(&path, &simulator.url()).await?;
    talk(&simulator, &tertulia.user(OWNER).conversation_for("old"), "before", &tape).await??;
    tertulia.close().await?;
    simulator.shutdown().await;
    let promises =
        tape.take().into_iter().filter_map(|event| if let Event::Told(promise) = event { Some(promise) } else { None });
    Ok(Before { bytes: std::fs::read(&path)?, promises: promises.collect() })
}

/// One run, with a provider of its own.
async fn fail(before: &Before, plan: Plan) -> Outcome<Option<u64>> {
    let simulator = Simulator::start().await?;
    let refused = run(&simulator, before, plan).await;
    simulator.shutdown().await;
    refused
}

/// Gives how many verbs were refused; nothing when the trouble did not come.
async fn run(simulator: &Simulator, before: &Before, plan: Plan) -> Outcome<Option<u64>> {
    let url = &simulator.url();
    let folder = scratch()?;
    let path = folder.path().join("failing.db");
    std::fs::write(&path, &before.bytes)?;
    let tape = Arc::new(Tape::default());
    let running = vfs::tape(&path, &tape);
    let mut refused = 0;
    if plan.opens {
        tape.arm(plan.trouble, plan.after, plan.lasts);
    }
    let opened = open(&path, url).await;
    let mut hits = 0;
    let tertulia = match opened {
        Ok(tertulia) => tertulia,
        Err(error) => {
            refusal(error.downcast_ref::<Error>(), "open")?;
            refused += 1;
            hits = tape.disarm();
            open(&path, url).await.map_err(|e| format!("it does not open when the disk is well: {e:?}"))?
        }
    };
    if plan.opens {
        hits += tape.disarm();
    } else {
        tape.arm(plan.trouble, plan.after, plan.lasts);
        refused += everything(simulator, &tertulia, folder.path(), &tape, "ill", plan.lasts).await?.len() as u64;
        hits += tape.disarm();
    }
    if hits == 0 {
        tertulia.close().await?;
        return Ok(None);
    }
    // It may not have woken on the failing disk.
    tertulia.resume().await?;
    let again = everything(simulator, &tertulia, folder.path(), &tape, "well", false).await?;
    if let Some(error) = again.first() {
        return Err(format!("when the disk is well again: {error}").into());
    }
    // As if the power went: right behind each promise, and now.
    let events = tape.take();
    drop(running);
    let image = folder.path().join("image");
    std::fs::create_dir(&image)?;
    let mut disk = Disk::of(&before.bytes);
    disk.told.extend(&before.promises);
    let mut is_doubtful = false;
    for (at, event) in events.iter().enumerate() {
        disk.go_on(event);
        is_doubtful |= matches!(event, Event::NotSynced(_));
        // Only where the disk has dropped something a promise may stand behind a hole; else the end says it all.
        if !(is_doubtful && matches!(event, Event::Told(_))) && at + 1 < events.len() {
            continue;
        }
        let write = |path: &Path| disk.write(path, Cut::Nothing, &mut Rng::with_seed(0));
        write(&image.join("image.db"))?;
        if let Err(error) = verdict::check(&image.join("image.db"), &disk.told).await {
            let kept = keep(write)?;
            return Err(format!("after a power cut at {at}: {error} ({})", kept.display()).into());
        }
    }
    tertulia.close().await?;
    verdict::check(&path, &disk.told).await.map_err(|error| format!("after closing: {error}"))?;
    Ok(Some(refused))
}

/// Does one thing after the other. Gives what was refused; with `once` it stops at the first one.
async fn everything(
    simulator: &Simulator,
    tertulia: &Tertulia,
    folder: &Path,
    tape: &Tape,
    name: &str,
    once: bool,
) -> Outcome<Vec<String>> {
    let me = tertulia.user(OWNER);
    let (spoken, written) = (me.conversation_for(format!("spoken {name}")), me.new_conversation());
    let (mut refused, mut first) = (Vec::new(), None);
    for verb in VERBS {
        let done = match (verb, first) {
            ("talk" | "talk again", _) => talk(simulator, &spoken, name, tape).await?,
            ("append", _) => {
                let ids = written.append([NewMessage::user("one"), NewMessage::assistant("two")]).await;
                ids.map(|ids| first = ids.first().copied())
            }
            ("fork", Some(first)) => written.fork(first).await,
            ("delete_message", Some(first)) => written.delete_message(first).await,
            ("duplicate", Some(first)) => written.duplicate(first).await.map(drop),
            ("history", Some(_)) => written.history().await.map(drop),
            ("delete", Some(_)) => written.delete().await,
            ("list_conversations", _) => me.list_conversations().await.map(drop),
            ("set_budget", _) => tertulia.set_budget(Budget::requests(1_000).per(Window::Day)).await,
            ("batch", _) => both(tertulia, name, tape).await,
            ("put", _) => me.prompts().put("greeting", name).await.map(drop),
            ("erase", _) => {
                let eve = tertulia.user("eve");
                match eve.new_conversation().append([NewMessage::user("not for long")]).await {
                    Err(error) if error.reason() != "erasing" => Err(error),
                    // One that the disk cut off is ended.
                    Ok(_) | Err(_) => eve.erase().await.map(drop),
                }
            }
            ("checkpoint", _) => tertulia.store().checkpoint().await.map(drop),
            ("vacuum", _) => tertulia.store().vacuum().await.map(drop),
            ("backup", _) => tertulia.store().backup(folder.join(format!("{name}.backup"))).await.map(drop),
            ("verify", _) => tertulia.store().verify().await.map(drop),
            ("rest", _) => match tertulia.suspend().await {
                Ok(()) => tertulia.resume().await,
                Err(error) => Err(error),
            },
            // It was not appended.
            _ => Ok(()),
        };
        if let Err(error) = done {
            refusal(Some(&error), verb)?;
            refused.push(format!("{verb} gives {error:?}"));
            // What fails to wake is woken later.
            if once || verb == "rest" {
                break;
            }
        }
    }
    Ok(refused)
}

/// Says something and waits for the answer. What cannot be saved may not be sent.
async fn talk(simulator: &Simulator, chat: &Conversation, words: &str, tape: &Tape) -> Outcome<Result<(), Error>> {
    let asked = simulator.request_count();
    let stream = match chat.stream(words).model(MODEL).await {
        Ok(stream) => stream,
        Err(error) if simulator.request_count() == asked => return Ok(Err(error)),
        Err(error) => return Err(format!("it was sent and not saved: {error:?}").into()),
    };
    let (conversation, words) = (chat.id(), words.to_owned());
    let turn = stream.turn_id().ok_or("a durable stream has a turn")?;
    tape.tell(Promise::Saved { conversation, turn, words });
    let reply = match stream.reply().await {
        Ok(reply) => reply,
        Err(error) => return Ok(Err(error)),
    };
    tape.tell(Promise::Done { turn, bytes: reply.text().len() });
    Ok(Ok(()))
}

fn refusal(error: Option<&Error>, verb: &str) -> Outcome<()> {
    match error {
        Some(error) if error.kind() == ErrorKind::Storage => Ok(()),
        error => Err(format!("{verb} gives {error:?}").into()),
    }
}
