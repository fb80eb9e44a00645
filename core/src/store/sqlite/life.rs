//! The life of the writing thread: open, write, rest, open again, close.
//!
//! ```text
//! open ─▶ write ──suspend──▶ at rest: no file, no lock ──resume──▶ write
//!           │ ▲
//!           └─┘ the disk has failed: everything is closed and opened again before anything more is promised
//! ```
//!
//! When a disk cannot sync what was written, the system may drop it and say nothing of it at the next sync. A commit
//! behind such a hole would be promised and lost. So after an error of the disk every connection is closed, and what
//! stands in the log behind the last commit is cut off: it was refused, and must not come back. Opening again reads the
//! log anew, as far as its checksums hold, moves it into the database and empties it. Until that has gone well everything
//! is refused.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::backup::Backups;
use super::connect::{self, Opening, beside, keep_log_on_close};
use super::failure::{self, file_failed, storage};
use super::fork;
use super::gauges::Gauges;
use super::glance::Glance;
use super::liveness::{Liveness, private_file};
use super::readers::{self, Readers};
use super::settings::SqliteSettings;
use super::writer::{Counting, End, Job, Writer, empty_log};
use crate::base::Clock;
use crate::model::Result;
use crate::store::events::Bells;
use crate::store::refusal;

/// So much of a log, in pages of 8 KiB, is moved into the database before a store rests; more is left for later, because
/// a system that suspends a program gives it no time.
const QUICK_LOG_PAGES: i64 = (8 << 20) / 8_192;

/// Whether a store may be asked something.
#[derive(Debug, Default)]
pub(super) struct Door(AtomicU8);

impl Door {
    const OPEN: u8 = 0;
    const SUSPENDED: u8 = 1;
    const BROKEN: u8 = 2;
    const CLOSED: u8 = 3;

    pub(super) fn suspend(&self) {
        self.turn(|now| now != Self::CLOSED, Self::SUSPENDED);
    }

    fn resumed(&self) {
        self.turn(|now| now != Self::CLOSED, Self::OPEN);
    }

    pub(super) fn breaks(&self) {
        self.turn(|now| now == Self::OPEN, Self::BROKEN);
    }

    fn mended(&self) {
        self.turn(|now| now == Self::BROKEN, Self::OPEN);
    }

    pub(super) fn close(&self) {
        self.turn(|_| true, Self::CLOSED);
    }

    fn turn(&self, may: impl Fn(u8) -> bool, to: u8) {
        // Refused where somebody has turned it further.
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| may(now).then_some(to));
    }

    pub(super) fn is_broken(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::BROKEN
    }

    /// # Errors
    /// `Closed` when it is closed or suspended.
    pub(super) fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Acquire) {
            Self::SUSPENDED => Err(refusal::suspended()),
            Self::CLOSED => Err(refusal::closed()),
            _ => Ok(()),
        }
    }
}

/// What the writing thread needs to open the database, and to open it again.
pub(super) struct Life {
    pub(super) path: PathBuf,
    pub(super) settings: SqliteSettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) counting: Arc<Counting>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) bells: Arc<Bells>,
    pub(super) door: Arc<Door>,
    pub(super) backups: Arc<Backups>,
    pub(super) glance: Arc<Glance>,
    pub(super) reads: readers::Waiting,
}

/// Everything that is open.
struct Room {
    writer: Arc<Mutex<Writer>>,
    readers: Readers,
    orphans: usize,
}

impl Room {
    /// How many pages of the log are not in the database yet.
    fn unmoved(&self) -> i64 {
        let _inside = fork::enter();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.unmoved().unwrap_or(0)
    }

    /// Where the last commit ends in the log, in bytes; nothing when nobody can say.
    fn log_end(&self) -> Option<u64> {
        let _inside = fork::enter();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let page: u32 = writer.connection.pragma_query_value(None, "page_size", |row| row.get(0)).ok()?;
        // A head of 32 bytes, and 24 in front of each page.
        Some(32 + writer.log_pages()? * (24 + u64::from(page)))
    }
}

impl Life {
    /// From the first opening to the end.
    pub(super) fn run(self, mut jobs: mpsc::Receiver<Job>, opened: oneshot::Sender<Result<()>>) {
        let started = self.clock.monotonic();
        let room = match self.open(Opening::First) {
            Ok(room) => room,
            Err(error) => return drop(opened.send(Err(error))),
        };
        let (millis, orphans) = ((self.clock.monotonic() - started).as_millis(), room.orphans);
        tracing::info!(target: "tertulia::store", operation = "open", %millis, orphans, readers = self.settings.readers, "store opened");
        if opened.send(Ok(())).is_err() {
            return self.shut(room, true);
        }
        let mut room = Some(room);
        let mut waiting = VecDeque::new();
        while let Some(open) = room.take() {
            room = match Writer::work(&open.writer, &mut jobs, &mut waiting) {
                End::Closed => {
                    self.shut(open, true);
                    None
                }
                End::Suspended(reply) => {
                    let left = open.unmoved();
                    self.shut(open, left <= QUICK_LOG_PAGES);
                    tracing::info!(target: "tertulia::store", operation = "suspend", left, "store suspended");
                    drop(reply.send(Ok(())));
                    self.rest(&mut jobs, &mut waiting)
                }
                End::Resumed(reply) => {
                    self.door.resumed();
                    self.bells.ring_all();
                    drop(reply.send(Ok(())));
                    Some(open)
                }
                End::Doubted => {
                    tracing::error!(target: "tertulia::store", operation = "apply", "the disk failed; the database is opened again");
                    let end = open.log_end();
                    // As it is: what the failing disk gives back is not written into the database unread.
                    self.shut(open, false);
                    self.mend(end, &mut jobs, &mut waiting)
                }
            };
        }
        let counters = self.counting.read();
        tracing::info!(
            target: "tertulia::store", operation = "close",
            batches = counters.batches,
            commits = counters.commits,
            checkpoints = counters.checkpoints,
            "store closed"
        );
    }

    fn open(&self, opening: Opening) -> Result<Room> {
        let inside = fork::enter();
        let mut database = connect::open_writer(&self.path, &self.settings, opening)?;
        let logged = connect::count_log(&mut database.connection)?;
        self.glance.open(&self.path, &self.settings)?;
        let writer = Arc::new(Mutex::new(Writer {
            connection: database.connection,
            settings: self.settings.clone(),
            clock: Arc::clone(&self.clock),
            counting: Arc::clone(&self.counting),
            gauges: Arc::clone(&self.gauges),
            bells: Arc::clone(&self.bells),
            door: Arc::clone(&self.door),
            syncs_fully: true,
            logged,
            careful: 0,
            unindexed: 0,
            doubted: false,
            liveness: Some(database.liveness),
        }));
        fork::register(&writer);
        drop(inside);
        match Readers::start(&self.path, &self.settings, (&self.clock, &self.gauges), &self.reads) {
            Ok(readers) => Ok(Room { writer, readers, orphans: database.orphans }),
            Err(error) => {
                let _inside = fork::enter();
                self.glance.close();
                drop(writer);
                Err(error)
            }
        }
    }

    /// Closes everything. The last connection to close moves the log into the database and removes it, if it may.
    fn shut(&self, room: Room, moves_log: bool) {
        self.backups.end();
        room.readers.close();
        let _inside = fork::enter();
        self.glance.close();
        if !moves_log {
            let writer = room.writer.lock().unwrap_or_else(PoisonError::into_inner);
            // Where it cannot be said it is moved: slow, but right.
            drop(keep_log_on_close(&writer.connection, true));
        }
        drop(room.writer);
        // What came through the door just before it was closed.
        self.reads.clear();
    }

    /// Waits without a file or a lock until somebody wakes it. Gives nothing when it is closed instead.
    fn rest(&self, jobs: &mut mpsc::Receiver<Job>, waiting: &mut VecDeque<Job>) -> Option<Room> {
        loop {
            match waiting.pop_front().or_else(|| jobs.blocking_recv())? {
                Job::Close => return None,
                Job::Resume(reply) => match self.open(Opening::Again) {
                    Ok(room) => {
                        self.door.resumed();
                        self.bells.ring_all();
                        tracing::info!(target: "tertulia::store", operation = "resume", "store resumed");
                        drop(reply.send(Ok(())));
                        return Some(room);
                    }
                    Err(error) => drop(reply.send(Err(error))),
                },
                Job::Suspend(reply) => drop(reply.send(Ok(()))),
                Job::Apply(job) => drop(job.reply.send(Err(refusal::suspended()))),
                // Who asked hears of it by the end of its channel.
                Job::Run(_) => {}
            }
        }
    }

    /// Opens everything again after the disk has failed. While that fails, each who asks something is reason to try it
    /// once more, and is told when it was in vain.
    fn mend(&self, log_end: Option<u64>, jobs: &mut mpsc::Receiver<Job>, waiting: &mut VecDeque<Job>) -> Option<Room> {
        let mut log_end = log_end;
        loop {
            let error = match self.cut_log(&mut log_end).and_then(|()| self.open_sound()) {
                Ok(room) => {
                    self.door.mended();
                    tracing::warn!(target: "tertulia::store", operation = "open", "the database was opened again");
                    return Some(room);
                }
                Err(error) => failure::broken().with_source(error),
            };
            match waiting.pop_front() {
                Some(Job::Close) => return None,
                Some(Job::Suspend(reply)) => {
                    drop(reply.send(Ok(())));
                    return self.rest(jobs, waiting);
                }
                Some(Job::Resume(reply)) => drop(reply.send(Err(error))),
                Some(Job::Apply(job)) => drop(job.reply.send(Err(error))),
                // Who asked hears of it by the end of its channel.
                Some(Job::Run(_)) | None => {}
            }
            if waiting.is_empty() {
                waiting.push_back(jobs.blocking_recv()?);
            }
        }
    }

    /// Cuts off what stands in the log behind the last commit. With others alive the end of the log is known to all of
    /// them, and nothing need be cut.
    fn cut_log(&self, end: &mut Option<u64>) -> Result<()> {
        let Some(bytes) = *end else { return Ok(()) };
        let _inside = fork::enter();
        let patience = std::time::Duration::from_millis(self.settings.busy_timeout_ms);
        if Liveness::acquire(&beside(&self.path, ".lock"), patience)?.alone {
            let log = beside(&self.path, "-wal");
            let cut = || {
                let file = private_file().open(&log)?;
                if file.metadata()?.len() > bytes { file.set_len(bytes) } else { Ok(()) }
            };
            match cut() {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(file_failed(&log, error)),
                _ => {}
            }
        }
        // Once: what comes behind it now is committed.
        *end = None;
        Ok(())
    }

    /// Opens everything, with all that the log holds in the database and the log empty.
    fn open_sound(&self) -> Result<Room> {
        let room = self.open(Opening::Again)?;
        let emptied = {
            let _inside = fork::enter();
            let writer = room.writer.lock().unwrap_or_else(PoisonError::into_inner);
            empty_log(&writer.connection)
        };
        match emptied {
            Ok(true) => Ok(room),
            Ok(false) => {
                self.shut(room, false);
                Err(storage("busy", "another process reads from the log of the database"))
            }
            Err(error) => {
                self.shut(room, false);
                Err(error)
            }
        }
    }
}
