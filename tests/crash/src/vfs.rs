//! SQLite's way to its files, with a tape running beside it and faults on demand.
//!
//! Every file is the one of SQLite's own VFS, with a table of functions in front of it. What is written, truncated,
//! synced and deleted below a taped folder goes onto the tape, in its order. Nothing is synced in truth: a tape knows what
//! would have been, and images of it are read by this process alone.
#![expect(unsafe_code, reason = "a VFS is a table of C functions; nowhere else can be seen what SQLite syncs")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, RwLock};

use rusqlite::ffi;
use rusqlite::ffi::{sqlite3_file, sqlite3_io_methods, sqlite3_vfs};

use crate::tape::{Call, Event, Kind, Tape};

/// The tapes that run, each with its database.
static TAPES: RwLock<Vec<(PathBuf, Arc<Tape>)>> = RwLock::new(Vec::new());

/// Puts this VFS in front of SQLite's own for every database that this process opens from now on.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: SQLite's default VFS lives as long as the process, and so does ours: it is leaked.
        unsafe {
            let real = ffi::sqlite3_vfs_find(std::ptr::null());
            let mut ours = *real;
            ours.zName = CString::new("taped").map_or(std::ptr::null(), |name| name.into_raw().cast_const());
            ours.pAppData = real.cast();
            ours.szOsFile = (*real).szOsFile + PREFIX as c_int;
            ours.xOpen = Some(open);
            ours.xDelete = Some(delete);
            ffi::sqlite3_vfs_register(Box::into_raw(Box::new(ours)), 1);
        }
    });
}

/// Runs a tape for a database, and whatever else is opened in its folder, until the guard is dropped. Files that are open
/// then go on with it.
pub fn tape(database: &Path, tape: &Arc<Tape>) -> Running {
    let mut tapes = TAPES.write().unwrap_or_else(PoisonError::into_inner);
    tapes.push((database.to_owned(), Arc::clone(tape)));
    Running(database.to_owned())
}

/// A tape that runs.
pub struct Running(PathBuf);

impl Drop for Running {
    fn drop(&mut self) {
        TAPES.write().unwrap_or_else(PoisonError::into_inner).retain(|(database, _)| *database != self.0);
    }
}

/// What stands in front of the file of SQLite's own VFS, in memory that SQLite gives.
#[repr(C)]
struct File {
    base: sqlite3_file,
    /// Leaked when the file was opened and taken back when it is closed; null = nobody watches.
    watched: *const Watched,
}

struct Watched {
    tape: Arc<Tape>,
    kind: Kind,
}

const PREFIX: usize = size_of::<File>();

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// The tape for a file of this name, and which file of a database it is.
fn watched(name: *const c_char) -> Option<Watched> {
    if name.is_null() {
        return None;
    }
    // SAFETY: SQLite gives a string that ends with a zero.
    let path = PathBuf::from(unsafe { CStr::from_ptr(name) }.to_str().ok()?);
    let tapes = TAPES.read().unwrap_or_else(PoisonError::into_inner);
    let (database, tape) =
        tapes.iter().find(|(database, _)| database.parent().is_some_and(|folder| path.starts_with(folder)))?;
    Some(Watched { tape: Arc::clone(tape), kind: Kind::of(&path, database) })
}

/// The file behind ours.
///
/// # Safety
/// `file` is one that `open` has made.
unsafe fn behind(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: SQLite was told to give as much memory as both need.
    unsafe { file.cast::<u8>().add(PREFIX).cast() }
}

/// Who watches a file.
///
/// # Safety
/// `file` is one that `open` has made and `close` has not seen.
unsafe fn who<'a>(file: *mut sqlite3_file) -> Option<&'a Watched> {
    // SAFETY: it was leaked by `open`, and `close` takes it back when nobody uses the file any more.
    unsafe { (*file.cast::<File>()).watched.as_ref() }
}

/// Asks the file behind ours.
macro_rules! ask {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let file = unsafe { behind($file) };
        // SAFETY: SQLite's own VFS has opened it and filled its table.
        match unsafe { (*(*file).pMethods).$method } {
            Some(method) => unsafe { method(file $(, $argument)*) },
            None => ffi::SQLITE_IOERR,
        }
    }};
}

/// Gives the error of this call, when one is meant to come now.
macro_rules! trip {
    ($file:expr, $call:expr) => {
        if let Some(error) = unsafe { who($file) }.and_then(|watched| watched.tape.trips($call, watched.kind)) {
            return error;
        }
    };
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let watched = watched(name);
    // SAFETY: the memory is as large as `szOsFile` says; the VFS behind ours stands in its data.
    unsafe {
        file.cast::<File>()
            .write(File { base: sqlite3_file { pMethods: std::ptr::null() }, watched: std::ptr::null() });
        let inner = behind(file);
        (*inner).pMethods = std::ptr::null();
        if let Some(error) = watched.as_ref().and_then(|watched| watched.tape.trips(Call::Open, watched.kind)) {
            return error;
        }
        let real: *mut sqlite3_vfs = (*vfs).pAppData.cast();
        let Some(method) = (*real).xOpen else { return ffi::SQLITE_CANTOPEN };
        let code = method(real, name, inner, flags, out);
        if code == ffi::SQLITE_OK {
            (*file.cast::<File>()).watched =
                watched.map_or(std::ptr::null(), |watched| Box::into_raw(Box::new(watched)));
            (*file).pMethods = &raw const METHODS;
        }
        code
    }
}

unsafe extern "C" fn delete(vfs: *mut sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    let watched = watched(name);
    if let Some(error) = watched.as_ref().and_then(|watched| watched.tape.trips(Call::Delete, watched.kind)) {
        return error;
    }
    // SAFETY: as in `open`.
    let code = unsafe {
        let real: *mut sqlite3_vfs = (*vfs).pAppData.cast();
        (*real).xDelete.map_or(ffi::SQLITE_IOERR, |method| method(real, name, 0))
    };
    if let Some(Watched { tape, kind }) = watched.filter(|_| code == ffi::SQLITE_OK) {
        tape.note(Event::Delete { file: kind, for_good: sync_folder != 0 });
    }
    code
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let code = ask!(file, xClose);
    // SAFETY: leaked by `open`, and nobody uses it after this.
    unsafe {
        let watched = std::mem::replace(&mut (*file.cast::<File>()).watched, std::ptr::null());
        if !watched.is_null() {
            drop(Box::from_raw(watched.cast_mut()));
        }
    }
    code
}

unsafe extern "C" fn read(file: *mut sqlite3_file, to: *mut c_void, amount: c_int, at: i64) -> c_int {
    trip!(file, Call::Read);
    ask!(file, xRead, to, amount, at)
}

unsafe extern "C" fn write(file: *mut sqlite3_file, from: *const c_void, amount: c_int, at: i64) -> c_int {
    // SAFETY: SQLite says how many bytes stand there.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), usize::try_from(amount).unwrap_or(0)) };
    let watched = unsafe { who(file) };
    let note = |bytes: &[u8]| {
        if let Some(watched) = watched {
            watched.tape.note(Event::Write {
                file: watched.kind,
                at: usize::try_from(at).unwrap_or(0),
                bytes: bytes.to_vec(),
            });
        }
    };
    if let Some(error) = watched.and_then(|watched| watched.tape.trips(Call::Write, watched.kind)) {
        let half = watched.map_or(0, |watched| watched.tape.half(amount));
        if half > 0 && ask!(file, xWrite, from, half, at) == ffi::SQLITE_OK {
            note(&bytes[..usize::try_from(half).unwrap_or(0)]);
        }
        return error;
    }
    let code = ask!(file, xWrite, from, amount, at);
    if code == ffi::SQLITE_OK {
        note(bytes);
    }
    code
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: i64) -> c_int {
    trip!(file, Call::Truncate);
    let code = ask!(file, xTruncate, size);
    if let Some(watched) = unsafe { who(file) }.filter(|_| code == ffi::SQLITE_OK) {
        watched.tape.note(Event::Truncate { file: watched.kind, size: usize::try_from(size).unwrap_or(0) });
    }
    code
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _flags: c_int) -> c_int {
    trip!(file, Call::Sync);
    if let Some(watched) = unsafe { who(file) } {
        watched.tape.note(Event::Sync(watched.kind));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut i64) -> c_int {
    trip!(file, Call::Size);
    ask!(file, xFileSize, size)
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    ask!(file, xLock, level)
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    ask!(file, xUnlock, level)
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    ask!(file, xCheckReservedLock, out)
}

unsafe extern "C" fn file_control(file: *mut sqlite3_file, op: c_int, argument: *mut c_void) -> c_int {
    if op == ffi::SQLITE_FCNTL_PRAGMA && unsafe { who(file) }.is_some_and(|watched| watched.tape.never_full()) {
        // SAFETY: for this question it is an array of the answer, the name and the value.
        let is_full = unsafe {
            let words = argument.cast::<*mut c_char>();
            let word = |at| {
                let word = *words.add(at);
                if word.is_null() { String::new() } else { CStr::from_ptr(word).to_string_lossy().to_lowercase() }
            };
            word(1) == "synchronous" && word(2) == "full"
        };
        if is_full {
            // Answered here, so that SQLite does nothing.
            return ffi::SQLITE_OK;
        }
    }
    ask!(file, xFileControl, op, argument)
}

unsafe extern "C" fn sector_size(file: *mut sqlite3_file) -> c_int {
    ask!(file, xSectorSize)
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    ask!(file, xDeviceCharacteristics)
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    if let Some(error) = unsafe { who(file) }.and_then(|watched| watched.tape.trips(Call::Shared, watched.kind)) {
        unsafe { *out = null_mut() };
        return error;
    }
    ask!(file, xShmMap, page, size, extend, out)
}

unsafe extern "C" fn shm_lock(file: *mut sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    ask!(file, xShmLock, offset, count, flags)
}

unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    let file = unsafe { behind(file) };
    // SAFETY: as in `ask`.
    if let Some(method) = unsafe { (*(*file).pMethods).xShmBarrier } {
        unsafe { method(file) };
    }
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, delete: c_int) -> c_int {
    ask!(file, xShmUnmap, delete)
}

/// Locks what a panic elsewhere leaves usable.
pub fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
