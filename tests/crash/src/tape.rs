//! What SQLite did to its files, in order, and what a power cut at any moment may leave of it.
//!
//! What was synced is there. Of each write since then a disk may have kept all, nothing, or some sectors, and the later
//! without the earlier. A sector that was being written may hold anything.

use std::ffi::c_int;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;
use rusqlite::ffi;

use crate::verdict::Promise;
use crate::vfs::locked;

const SECTOR: usize = 512;

/// A file of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Database,
    Wal,
    Journal,
    /// Of another database in the same folder: it fails like the others, and nothing of it is kept.
    Other,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Database, Self::Wal, Self::Journal];

    /// Which file of this database has this path.
    pub fn of(path: &Path, database: &Path) -> Self {
        let is = |kind: &Self| path.as_os_str() == format!("{}{}", database.display(), kind.ending()).as_str();
        Self::ALL.into_iter().find(is).unwrap_or(Self::Other)
    }

    pub fn ending(self) -> &'static str {
        match self {
            Self::Database | Self::Other => "",
            Self::Wal => "-wal",
            Self::Journal => "-journal",
        }
    }
}

/// What is asked of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Open,
    Read,
    Write,
    Truncate,
    Sync,
    Size,
    Delete,
    Shared,
}

/// One thing that happened.
#[derive(Debug)]
pub enum Event {
    Write {
        file: Kind,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: Kind,
        size: usize,
    },
    Sync(Kind),
    /// The disk could not keep what was written since the last sync, and will not try again.
    NotSynced(Kind),
    Delete {
        file: Kind,
        for_good: bool,
    },
    /// Somebody was told that something is kept.
    Told(Promise),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The disk is full.
    Full,
    /// Half of a write goes through.
    Short,
    /// The disk cannot be read or written.
    Io,
    /// What was written cannot be synced.
    Sync,
}

impl Trouble {
    pub const ALL: [Self; 4] = [Self::Sync, Self::Full, Self::Short, Self::Io];

    /// The error that this call gives in such trouble, if it concerns it.
    fn code(self, call: Call) -> Option<c_int> {
        match (self, call) {
            (Self::Full, Call::Write) => Some(ffi::SQLITE_FULL),
            (Self::Short | Self::Io, Call::Write) => Some(ffi::SQLITE_IOERR_WRITE),
            (Self::Sync, Call::Sync) => Some(ffi::SQLITE_IOERR_FSYNC),
            (Self::Io, Call::Open) => Some(ffi::SQLITE_CANTOPEN),
            (Self::Io, Call::Read) => Some(ffi::SQLITE_IOERR_READ),
            (Self::Io, Call::Truncate) => Some(ffi::SQLITE_IOERR_TRUNCATE),
            (Self::Io, Call::Size) => Some(ffi::SQLITE_IOERR_FSTAT),
            (Self::Io, Call::Delete) => Some(ffi::SQLITE_IOERR_DELETE),
            (Self::Io, Call::Shared) => Some(ffi::SQLITE_IOERR_SHMMAP),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Fault {
    trouble: Trouble,
    /// How many calls go well before.
    left: u64,
    /// True when it stays, once it has come.
    lasts: bool,
    hits: u64,
}

/// What happened to the files of one database.
#[derive(Debug, Default)]
pub struct Tape {
    events: Mutex<Vec<Event>>,
    fault: Mutex<Option<Fault>>,
    never_full: AtomicBool,
}

impl Tape {
    /// A tape of a database that is never set to sync each commit: what `synchronous=NORMAL` would be.
    pub fn of_normal() -> Self {
        Self { never_full: AtomicBool::new(true), ..Self::default() }
    }

    pub fn never_full(&self) -> bool {
        self.never_full.load(Ordering::Relaxed)
    }

    pub fn note(&self, event: Event) {
        locked(&self.events).push(event);
    }

    pub fn tell(&self, promise: Promise) {
        self.note(Event::Told(promise));
    }

    /// Takes the events off the tape.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *locked(&self.events))
    }

    /// From now on so many calls go well, and the next one does not; nor any further one, when the trouble lasts.
    pub fn arm(&self, trouble: Trouble, left: u64, lasts: bool) {
        *locked(&self.fault) = Some(Fault { trouble, left, lasts, hits: 0 });
    }

    /// Ends the trouble. Gives how often it came.
    pub fn disarm(&self) -> u64 {
        locked(&self.fault).take().map_or(0, |fault| fault.hits)
    }

    /// The error that this call is to give.
    pub fn trips(&self, call: Call, file: Kind) -> Option<c_int> {
        let mut fault = locked(&self.fault);
        let fault = fault.as_mut()?;
        let code = fault.trouble.code(call)?;
        if fault.left > 0 {
            fault.left -= 1;
            return None;
        }
        if fault.hits > 0 && !fault.lasts {
            return None;
        }
        fault.hits += 1;
        if call == Call::Sync {
            self.note(Event::NotSynced(file));
        }
        Some(code)
    }

    /// How much of a write goes through that gives an error.
    pub fn half(&self, amount: c_int) -> c_int {
        let is_short = locked(&self.fault).as_ref().is_some_and(|fault| fault.trouble == Trouble::Short);
        if is_short { amount / 2 } else { 0 }
    }
}

/// What of the writes that were not synced a power cut leaves.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// The first ones, the last of them torn.
    First,
    /// Some, whole.
    Some,
    /// Some sectors.
    Torn,
    /// Some sectors, and others hold anything.
    Trashed,
}

impl Cut {
    pub const ALL: [Self; 6] = [Self::Nothing, Self::Everything, Self::First, Self::Some, Self::Torn, Self::Trashed];
}

/// A file as its process sees it and as the disk holds it.
#[derive(Debug, Default)]
struct File<'e> {
    /// What is on the disk for certain; nothing = no such file.
    kept: Option<Vec<u8>>,
    /// What was done since the last sync.
    since: Vec<&'e Event>,
    /// Was deleted, and may be there again after a power cut.
    ghost: Option<Vec<u8>>,
}

/// The files of a database on a disk, moved along a tape.
#[derive(Debug, Default)]
pub struct Disk<'e> {
    files: [File<'e>; 3],
    /// What somebody was told by now.
    pub told: Vec<&'e Promise>,
}

impl<'e> Disk<'e> {
    /// A disk with a database.
    pub fn of(database: &[u8]) -> Self {
        let mut disk = Self::default();
        disk.files[Kind::Database as usize].kept = Some(database.to_vec());
        disk
    }

    /// Moves on by one event.
    pub fn go_on(&mut self, event: &'e Event) {
        match event {
            Event::Write { file: Kind::Other, .. }
            | Event::Truncate { file: Kind::Other, .. }
            | Event::Delete { file: Kind::Other, .. }
            | Event::Sync(Kind::Other)
            | Event::NotSynced(Kind::Other) => {}
            Event::Write { file, .. } | Event::Truncate { file, .. } => self.files[*file as usize].since.push(event),
            Event::NotSynced(file) => {
                // The kernel takes it to be written, and the next sync says nothing of it.
                self.files[*file as usize].since.clear();
            }
            Event::Sync(kind) => {
                let file = &mut self.files[*kind as usize];
                let is_new = *kind != Kind::Database && file.kept.is_none();
                let kept = file.kept.get_or_insert_default();
                file.since.drain(..).for_each(|event| write(kept, event, |_| Sector::New));
                if is_new {
                    // SQLite syncs the folder with a log that it has made, and all deletions with it.
                    self.files.iter_mut().for_each(|file| file.ghost = None);
                }
            }
            Event::Delete { file, for_good } => {
                let file = &mut self.files[*file as usize];
                let gone = std::mem::take(file);
                file.ghost = gone.kept.or(gone.ghost).filter(|_| !for_good);
            }
            Event::Told(promise) => self.told.push(promise),
        }
    }

    /// Writes the files as a power cut at this moment may leave them.
    pub fn write(&self, database: &Path, cut: Cut, dice: &mut Rng) -> std::io::Result<()> {
        for (kind, file) in Kind::ALL.into_iter().zip(&self.files) {
            let path = database.with_file_name(format!("{}{}", name(database), kind.ending()));
            match file.left(cut, dice) {
                Some(bytes) => std::fs::write(path, bytes)?,
                None if path.exists() => std::fs::remove_file(path)?,
                None => {}
            }
        }
        for ending in ["-shm", ".lock"] {
            let path = database.with_file_name(format!("{}{ending}", name(database)));
            if path.exists() {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sector {
    Old,
    New,
    Trash(u8),
}

impl File<'_> {
    fn left(&self, cut: Cut, dice: &mut Rng) -> Option<Vec<u8>> {
        let is_kept = |dice: &mut Rng| match cut {
            Cut::Nothing => false,
            Cut::Everything => true,
            _ => dice.bool(),
        };
        if let Some(ghost) = self.ghost.as_ref().filter(|_| !is_kept(dice)) {
            return Some(ghost.clone());
        }
        if self.kept.is_none() && (self.since.is_empty() || !is_kept(dice)) {
            return None;
        }
        let mut bytes = self.kept.clone().unwrap_or_default();
        let first = dice.usize(0..=self.since.len());
        for (number, event) in self.since.iter().enumerate() {
            let whole = |is_kept| if is_kept { Sector::New } else { Sector::Old };
            match cut {
                Cut::Nothing => {}
                Cut::Everything => write(&mut bytes, event, |_| Sector::New),
                Cut::First if number < first => write(&mut bytes, event, |_| Sector::New),
                Cut::First if number == first => write(&mut bytes, event, |_| whole(dice.bool())),
                Cut::First => {}
                Cut::Some => {
                    let kept = whole(dice.bool());
                    write(&mut bytes, event, |_| kept);
                }
                Cut::Torn => write(&mut bytes, event, |_| whole(dice.bool())),
                Cut::Trashed => write(&mut bytes, event, |_| match dice.u8(0..8) {
                    0..4 => Sector::New,
                    4..7 => Sector::Old,
                    _ => Sector::Trash(dice.u8(..)),
                }),
            }
        }
        Some(bytes)
    }
}

/// Does what an event did, as far as its sectors are kept.
fn write(to: &mut Vec<u8>, event: &Event, mut kept: impl FnMut(usize) -> Sector) {
    match event {
        Event::Write { at, bytes, .. } => {
            let (mut from, end) = (*at, at + bytes.len());
            while from < end {
                let next = (from / SECTOR * SECTOR + SECTOR).min(end);
                let sector = kept(from / SECTOR);
                if sector != Sector::Old {
                    let new = &bytes[from - at..next - at];
                    to.resize(to.len().max(from), 0);
                    let inside = to.len().min(next) - from;
                    to[from..from + inside].copy_from_slice(&new[..inside]);
                    to.extend_from_slice(&new[inside..]);
                    if let Sector::Trash(byte) = sector {
                        to[from..next].fill(byte);
                    }
                }
                from = next;
            }
        }
        Event::Truncate { size, .. } if kept(0) != Sector::Old => to.resize(*size, 0),
        _ => {}
    }
}
