//! Power cuts at any moment: images of what a disk may hold then, each opened by the real store.
//!
//! ```text
//! record   an engine talks on a taped database: replies, drafts, messages that wait, batches, closing, opening again
//! cut      at many places of the tape: what was synced is there, what was not is kept, dropped, torn or trashed
//! check    open, put to rest, read: nothing that anybody was told of is lost, nothing doubled, nothing stuck
//! ```
//!
//! A control does the same with a database that never syncs a commit (`synchronous=NORMAL`), and must lose something:
//! that shows that the images see what is synced. A seed repeats the dice; when exactly what is written depends on the
//! machine, so the files of an image that fails are kept.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use futures::future::{join, join_all};
use tertulia::{Conversation, Error, NewMessage, ProviderSpec, ReplyStatus, Settings, Tertulia};
use tertulia_simulator::{Script, Simulator};

use crate::tape::{Cut, Disk, Event, Tape};
use crate::verdict::{self, OWNER, Promise};
use crate::vfs::{self, locked};
use crate::{Counts, Outcome, child};

/// How many images are made of one tape.
const EACH: u64 = 125;

/// After so many that fail the rest is left out.
const ENOUGH: usize = 5;

/// How many tapes the control may take to lose something. Measured: of 32 seeds, 30 lost it on the first tape and two on the
/// second.
const CONTROLS: u64 = 8;

const DOWN: &str = "lab/down";

/// Where databases are faster than on a disk: nothing of them is to stay.
pub fn scratch() -> Outcome<tempfile::TempDir> {
    let shared = Path::new("/dev/shm");
    Ok(if shared.is_dir() { tempfile::tempdir_in(shared)? } else { tempfile::tempdir()? })
}

/// Makes so many images and checks each, and then the control.
pub async fn images(images: u64, seed: u64) -> Outcome<Counts> {
    println!("{images} images of power cuts, seed {seed}");
    let mut counts = Counts::default();
    let simulator = Simulator::start().await?;
    simulator.set_script("down", Script::parse("status=503")?);
    vfs::install();
    let (mut bytes, mut told) = (0, 0);
    for tape in 0..images.div_ceil(EACH) {
        let seed = seed.wrapping_add(tape);
        let events = record(&simulator.url(), seed, Arc::default()).await?;
        told += events.iter().filter(|event| matches!(event, Event::Told(_))).count();
        bytes += events
            .iter()
            .map(|event| if let Event::Write { bytes, .. } = event { bytes.len() } else { 0 })
            .sum::<usize>();
        let failed = cut(&events, EACH.min(images - tape * EACH), seed, true)?;
        counts.passed += EACH.min(images - tape * EACH) - failed.len() as u64;
        counts.failed += failed.len() as u64;
        for failure in failed {
            println!("{failure}");
        }
        if counts.failed >= ENOUGH as u64 {
            break;
        }
    }
    println!("{told} promises and {} MB were on the tapes", bytes >> 20);
    match control(&simulator.url(), seed).await? {
        Some(tape) => {
            println!("the control with synchronous=NORMAL loses what was promised on its tape {tape}, as it must");
            counts.passed += 1;
        }
        None => {
            println!("the control with synchronous=NORMAL lost nothing on {CONTROLS} tapes: the images prove nothing");
            counts.failed += 1;
        }
    }
    simulator.shutdown().await;
    Ok(counts)
}

/// The number of the first tape without synced commits whose images have lost something.
async fn control(url: &str, seed: u64) -> Outcome<Option<u64>> {
    for tape in 1..=CONTROLS {
        let seed = seed.wrapping_add(tape);
        let events = record(url, seed, Arc::new(Tape::of_normal())).await?;
        if cut(&events, EACH, seed, false)?.iter().any(|failure| failure.contains("lost:")) {
            return Ok(Some(tape));
        }
    }
    Ok(None)
}

/// Lets an engine work and gives what it did to its files.
async fn record(url: &str, seed: u64, tape: Arc<Tape>) -> Outcome<Vec<Event>> {
    let mut dice = Rng::with_seed(seed);
    let folder = scratch()?;
    let path = folder.path().join("power.db");
    let running = vfs::tape(&path, &tape);
    // One in eight says so much that the log is moved into the database while it works.
    let is_large = dice.u8(0..8) == 0;
    for life in 0..dice.u8(1..=3) {
        let tertulia = open(&path, url).await?;
        let batches = batches(&tertulia, dice.u8(0..=2), life, &tape);
        let chats = (0..dice.u8(1..=3)).map(|chat| {
            let chat = tertulia.user(OWNER).conversation_for(format!("chat {chat}"));
            talk(chat, Rng::with_seed(dice.u64(..)), life, if is_large { 400_000 } else { 20 }, &tape)
        });
        let (talked, batched) = join(join_all(chats), batches).await;
        talked.into_iter().chain([batched]).collect::<Outcome<()>>()?;
        if dice.bool() {
            tertulia.close().await?;
        } else {
            drop(tertulia);
        }
    }
    drop(running);
    Ok(tape.take())
}

pub async fn open(path: &Path, url: &str) -> Outcome<Tertulia> {
    let mut settings = Settings::default();
    settings.store.draft_flush_ms = 2;
    settings.store.draft_flush_bytes = 64;
    settings.store.readers = 1;
    settings.retry.max_attempts = 1;
    settings.retry.max_inline_wait_ms = 0;
    settings.outbox.first_delay_ms = 5;
    let lab = ProviderSpec::openai_chat("lab", format!("{url}/v1"));
    Ok(Tertulia::builder().store(path.to_string_lossy()).provider(lab).settings(settings).open().await?)
}

/// Says some things, and writes down what it is told.
async fn talk(chat: Conversation, mut dice: Rng, life: u8, size: usize, tape: &Tape) -> Outcome<()> {
    for number in 0..dice.u8(2..=4) {
        let words = format!("{life} {number} {}", "x".repeat(dice.usize(1..=size)));
        let conversation = chat.id();
        if dice.u8(0..5) == 0 {
            let reply = chat.send(words.as_str()).model(DOWN).degrade().await?;
            let turn = reply.turn_id.ok_or("a durable reply has a turn")?;
            tape.tell(Promise::Saved { conversation, turn, words });
            if reply.status != ReplyStatus::Waiting {
                return Err(format!("a message to nobody is {:?}", reply.status).into());
            }
            tape.tell(Promise::Waits { turn });
            // What is said here from now on waits behind it.
            return Ok(());
        }
        let model = child::MODELS[dice.usize(..child::MODELS.len())];
        let stream = chat.stream(words.as_str()).model(model).await?;
        let turn = stream.turn_id().ok_or("a durable stream has a turn")?;
        tape.tell(Promise::Saved { conversation, turn, words });
        let reply = match stream.reply().await {
            // It is kept, parked, behind what waits here since an earlier life.
            Err(error) if error.reason() == "earlier_waits" => return Ok(()),
            reply => reply?,
        };
        tape.tell(Promise::Done { turn, bytes: reply.text().len() });
    }
    Ok(())
}

/// Says the same on two sides, in one batch each time.
async fn batches(tertulia: &Tertulia, count: u8, life: u8, tape: &Tape) -> Outcome<()> {
    for number in 0..count {
        both(tertulia, &format!("batch {life} {number}"), tape).await?;
    }
    Ok(())
}

/// Says this on two sides, in one batch.
pub async fn both(tertulia: &Tertulia, words: &str, tape: &Tape) -> Result<(), Error> {
    let me = tertulia.user(OWNER);
    let sides = child::SIDES.map(|side| me.conversation_for(side));
    let said = |batch: tertulia::Batch, side| batch.append(side, [NewMessage::user(words)]);
    sides.iter().fold(me.batch(), said).run().await?;
    tape.tell(Promise::Both { sides: sides.map(|side| side.id()), words: words.to_owned() });
    Ok(())
}

/// Cuts a tape at so many places, on all processors. Gives what is wrong with the images that fail, and keeps them when
/// that is asked for.
fn cut(events: &[Event], images: u64, seed: u64, keeps: bool) -> Outcome<Vec<String>> {
    let mut dice = Rng::with_seed(seed);
    let told: Vec<usize> = (0..events.len()).filter(|at| matches!(events[*at], Event::Told(_))).collect();
    let mut cuts: Vec<(usize, Cut, u64)> = (0..images)
        .map(|_| {
            // A third right behind a promise, where a commit that was not synced shows.
            let at = match dice.choice(&told).filter(|_| dice.u8(0..3) == 0) {
                Some(told) => told + 1,
                None => dice.usize(0..=events.len()),
            };
            (at, Cut::ALL[dice.usize(..Cut::ALL.len())], dice.u64(..))
        })
        .collect();
    cuts.sort_by_key(|(at, ..)| *at);
    let lanes = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let (failures, done) = (Mutex::new(Vec::new()), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..lanes)
            .map(|lane| {
                let (cuts, failures, done) = (&cuts, &failures, &done);
                scope.spawn(move || {
                    let check = || -> Outcome<()> {
                        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                        let folder = scratch()?;
                        let path = folder.path().join("image.db");
                        let mut disk = Disk::default();
                        let mut moved = 0;
                        for (at, cut, seed) in cuts.iter().skip(lane).step_by(lanes) {
                            events[moved..*at].iter().for_each(|event| disk.go_on(event));
                            moved = *at;
                            disk.write(&path, *cut, &mut Rng::with_seed(*seed))?;
                            if let Err(error) = runtime.block_on(verdict::check(&path, &disk.told)) {
                                let mut what = format!("event {at} of {}, {cut:?}, dice {seed}: {error}", events.len());
                                if keeps {
                                    // Written anew: looking at it has changed it.
                                    let kept = keep(|path| disk.write(path, *cut, &mut Rng::with_seed(*seed)))?;
                                    what = format!("{what} ({})", kept.display());
                                }
                                locked(failures).push(what);
                            }
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(())
                    };
                    check().map_err(|error| error.to_string())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a check panicked".to_owned())?)
    })?;
    if done.load(Ordering::Relaxed) != images {
        return Err("not every image was looked at".into());
    }
    Ok(failures.into_inner().unwrap_or_default())
}

/// Keeps the files of an image where they can be looked at later.
pub fn keep(write: impl FnOnce(&Path) -> std::io::Result<()>) -> Outcome<PathBuf> {
    let path = tempfile::Builder::new().prefix("tertulia-image-").tempdir()?.keep().join("image.db");
    write(&path)?;
    Ok(path)
}
