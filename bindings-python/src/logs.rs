//! What the engine logs, on its way to Python's `logging`.
//!
//! ```text
//! tracing event ─ level wanted? ─ text ─ bounded queue ─ one thread ─ logging.getLogger("tertulia.…")
//! ```
//! A level that nobody wants costs one comparison. No thread of the runtime ever waits for the
//! interpreter: a thread of its own does, and when Python is busier than the log is long, records
//! are dropped and counted rather than kept.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::bridge::generation;

/// Records that may wait for Python.
const QUEUE: usize = 1_024;
/// Forks in one line of processes that keep their logs; in those after them the log is silent.
const GENERATIONS: usize = 16;
/// Where the engine logs to. A logger below the root may want more than the root.
const LOGGERS: [&str; 8] = [
    "tertulia",
    "tertulia.call",
    "tertulia.engine",
    "tertulia.net",
    "tertulia.store",
    "tertulia.tasks",
    "tertulia.turn",
    "tertulia.wire",
];

/// The loudest level that is wanted, as `number` says; 0 = none.
static WANTED: AtomicU8 = AtomicU8::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);
/// One queue for each process of a line of forks: in a child the parent's has no reader, and may be locked.
static QUEUES: [OnceLock<SyncSender<Said>>; GENERATIONS] = [const { OnceLock::new() }; GENERATIONS];
static THREAD: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);

enum Said {
    Record { level: Level, target: &'static str, text: String, fields: Vec<(&'static str, String)> },
    End,
}

const fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

const fn python_level(level: Level) -> i32 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

fn queue() -> Option<&'static SyncSender<Said>> {
    QUEUES.get(usize::try_from(generation()).ok()?)?.get()
}

struct Forward;

impl Subscriber for Forward {
    fn register_callsite(&self, about: &'static Metadata<'static>) -> Interest {
        // "Sometimes": the level that is wanted changes while the program runs.
        if about.is_event() && about.target().starts_with("tertulia") {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, about: &Metadata<'_>) -> bool {
        number(*about.level()) <= WANTED.load(Ordering::Relaxed)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let Some(queue) = queue() else { return };
        let mut words = Words::default();
        event.record(&mut words);
        let about = event.metadata();
        let mut text = words.message;
        for (name, value) in &words.fields {
            let space = if text.is_empty() { "" } else { " " };
            // Writing to a String cannot fail.
            let _ = write!(text, "{space}{name}={value}");
        }
        let said = Said::Record { level: *about.level(), target: about.target(), text, fields: words.fields };
        if let Err(TrySendError::Full(_)) = queue.try_send(said) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Words {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.push((field.name(), format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.fields.push((field.name(), value.to_owned()));
        }
    }
}

/// Hands records to Python until the end is said.
fn run(records: &Receiver<Said>) {
    while let Ok(first) = records.recv() {
        let mut batch = vec![first];
        batch.extend(records.try_iter().take(QUEUE));
        let ends = batch.iter().any(|said| matches!(said, Said::End));
        // It fails when the interpreter is gone, and then nobody reads.
        let handed = Python::try_attach(|py| {
            for said in &batch {
                if let Err(error) = hand(py, said) {
                    error.write_unraisable(py, None);
                }
            }
            let dropped = DROPPED.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                let text = format!("{dropped} log records were dropped: Python was too busy to take them");
                let said = Said::Record { level: Level::WARN, target: "tertulia", text, fields: Vec::new() };
                drop(hand(py, &said));
            }
        });
        if ends || handed.is_none() {
            return;
        }
    }
}

fn hand(py: Python<'_>, said: &Said) -> PyResult<()> {
    let Said::Record { level, target, text, fields } = said else { return Ok(()) };
    let name = target.replace("::", ".");
    let logger = py.import("logging")?.call_method1("getLogger", (&name,))?;
    let level = python_level(*level);
    if !logger.call_method1("isEnabledFor", (level,))?.is_truthy()? {
        return Ok(());
    }
    let details = PyDict::new(py);
    for (name, value) in fields {
        details.set_item(name, value)?;
    }
    let extra = PyDict::new(py);
    extra.set_item("tertulia", details)?;
    let record = logger.call_method1(
        "makeRecord",
        (&name, level, "(tertulia)", 0, text, PyTuple::empty(py), py.None(), py.None(), extra),
    )?;
    logger.call_method1("handle", (record,)).map(drop)
}

/// Reads which levels Python wants, and begins to forward when it wants any. Where nobody has imported
/// `logging`, nobody listens.
pub(crate) fn refresh(py: Python<'_>) -> PyResult<()> {
    let logging = py.import("sys")?.getattr("modules")?.call_method1("get", ("logging",))?;
    if logging.is_none() {
        return Ok(());
    }
    let mut wanted = 0;
    for name in LOGGERS {
        let logger = logging.call_method1("getLogger", (name,))?;
        let level: i32 = logger.call_method0("getEffectiveLevel")?.extract()?;
        let loudest = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR]
            .into_iter()
            .find(|loud| python_level(*loud) >= level)
            .map_or(0, number);
        wanted = wanted.max(loudest);
    }
    if wanted > 0 {
        begin(py, &logging)?;
    }
    WANTED.store(wanted, Ordering::Relaxed);
    Ok(())
}

fn begin(py: Python<'_>, logging: &Bound<'_, PyAny>) -> PyResult<()> {
    let Some(place) = usize::try_from(generation()).ok().and_then(|g| QUEUES.get(g)) else { return Ok(()) };
    if place.get().is_some() {
        return Ok(());
    }
    // Without a handler of its own a library's warnings would land on standard error.
    let root = logging.call_method1("getLogger", ("tertulia",))?;
    root.call_method1("addHandler", (logging.getattr("NullHandler")?.call0()?,))?;
    let (sender, receiver) = sync_channel(QUEUE);
    if place.set(sender).is_err() {
        return Ok(());
    }
    // A second process of a line of forks has it set already.
    drop(tracing::subscriber::set_global_default(Forward));
    let thread = std::thread::Builder::new().name("tertulia-log".to_owned()).spawn(move || run(&receiver))?;
    let before = THREAD.lock().unwrap_or_else(PoisonError::into_inner).replace(thread);
    // The parent's thread, which does not exist here and cannot be waited for.
    std::mem::forget(before);
    crate::bridge::handle(py).map(drop).map_err(|e| crate::error::raise(py, &e)) // it ends the thread at exit
}

/// Hands over what waits and ends the thread.
pub(crate) fn end(py: Python<'_>) {
    WANTED.store(0, Ordering::Relaxed);
    let thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let (Some(thread), Some(queue)) = (thread, queue()) {
        py.detach(|| {
            // An error means that the thread has ended already.
            let _ = queue.send(Said::End);
            let _ = thread.join();
        });
    }
}

/// Sends the engine's log to Python's `logging`, logger "tertulia" and those below it.
///
/// An engine does this when it opens. Call it after changing levels while an engine is open.
#[pyfunction]
pub(crate) fn forward_logs(py: Python<'_>) -> PyResult<()> {
    py.import("logging")?;
    refresh(py)
}
