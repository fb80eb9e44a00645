//! What the engine logs, on its way to a host.
//!
//! ```text
//! tracing event ─ loud enough? ─ record ─ bounded queue ─ one thread ─ LogListener
//! ```
//! A level that nobody wants costs one comparison. No call ever waits for the host: a thread of its own does, and when the host
//! is slower than the log is long, records are dropped and counted rather than kept.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use super::error::TertuliaError;
use crate::base::ErrorKind;
use crate::model::Error;

/// Records that may wait for the host.
const QUEUE: usize = 1_024;

/// The loudest level that is wanted, as `number` says; 0 = none.
static WANTED: AtomicU8 = AtomicU8::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);
static RECORDS: OnceLock<SyncSender<LogRecord>> = OnceLock::new();
static LISTENER: Mutex<Option<Arc<dyn LogListener>>> = Mutex::new(None);

/// How loud a record of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum LogLevel {
    /// Somebody must act.
    Error,
    /// Unexpected, and handled.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    const fn of(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            tracing::Level::DEBUG => Self::Debug,
            tracing::Level::TRACE => Self::Trace,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Error => 1,
            Self::Warn => 2,
            Self::Info => 3,
            Self::Debug => 4,
            Self::Trace => 5,
        }
    }
}

/// One record of the log. It holds no key and nothing of what was said.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct LogRecord {
    /// How loud it is.
    pub level: LogLevel,
    /// Who says it, as `tertulia.call`.
    pub target: String,
    /// What.
    pub message: String,
    /// What is known besides, as text.
    pub fields: HashMap<String, String>,
}

impl fmt::Display for LogRecord {
    /// The message, and what is known besides.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut fields: Vec<_> = self.fields.iter().collect();
        fields.sort();
        for (place, (name, value)) in fields.into_iter().enumerate() {
            let space = if place == 0 && self.message.is_empty() { "" } else { " " };
            write!(f, "{space}{name}={value}")?;
        }
        Ok(())
    }
}

/// Hears what the engine logs.
#[uniffi::export(with_foreign)]
pub trait LogListener: Send + Sync {
    /// Hears of one record. Called on a thread of its own, one record after the other; no call waits for it. Records that
    /// come while a thousand wait are dropped, and a record tells how many.
    ///
    /// # Errors
    /// What is thrown is told to nobody.
    #[expect(clippy::result_large_err, reason = "a border has no boxes; the error is written to bytes at once")]
    fn log(&self, record: LogRecord) -> Result<(), TertuliaError>;
}

/// Tells everything that is logged at this level or a louder one, by all engines of the program, from now on. The listener
/// that was told before hears nothing more; without one, nobody does.
///
/// # Errors
/// `Conflict` (logs_taken) when the program already sends what is logged elsewhere.
#[uniffi::export]
#[expect(clippy::result_large_err, reason = "a border has no boxes; the error is written to bytes at once")]
pub fn forward_logs(level: LogLevel, listener: Option<Arc<dyn LogListener>>) -> Result<(), TertuliaError> {
    let before = {
        let mut current = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = if listener.is_some() { level.number() } else { 0 };
        if wanted > 0 && RECORDS.get().is_none() {
            begin()?;
        }
        WANTED.store(wanted, Ordering::Relaxed);
        std::mem::replace(&mut *current, listener)
    };
    // Whoever frees it may log.
    drop(before);
    Ok(())
}

/// Starts the thread, and listens. Once.
fn begin() -> Result<(), Error> {
    let (sender, records) = sync_channel(QUEUE);
    std::thread::Builder::new().name("tertulia-log".to_owned()).spawn(move || run(&records)).map_err(|e| {
        Error::new(ErrorKind::Internal, "no_thread", "the system refused a thread for the log").with_source(e)
    })?;
    tracing::subscriber::set_global_default(Forward).map_err(|_| {
        let detail = "this program sends what is logged elsewhere already; listen there";
        Error::new(ErrorKind::Conflict, "logs_taken", detail)
    })?;
    // Nobody else has: the listener is held.
    drop(RECORDS.set(sender));
    Ok(())
}

/// Hands records to the host, as long as the program runs.
fn run(records: &Receiver<LogRecord>) {
    while let Ok(record) = records.recv() {
        hand(record);
        let dropped = DROPPED.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            hand(LogRecord {
                level: LogLevel::Warn,
                target: "tertulia".to_owned(),
                message: format!("{dropped} log records were dropped: their listener is too slow"),
                fields: HashMap::new(),
            });
        }
    }
}

fn hand(record: LogRecord) {
    let listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(listener) = listener else { return };
    // What a listener throws is its own affair, and the next record is the next.
    drop(catch_unwind(AssertUnwindSafe(|| drop(listener.log(record)))));
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
        LogLevel::of(*about.level()).number() <= WANTED.load(Ordering::Relaxed)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let Some(records) = RECORDS.get() else { return };
        let about = event.metadata();
        let mut words = Words::default();
        event.record(&mut words);
        let Words { message, fields } = words;
        let target = about.target().replace("::", ".");
        let record = LogRecord { level: LogLevel::of(*about.level()), target, message, fields };
        if let Err(TrySendError::Full(_)) = records.try_send(record) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Words {
    message: String,
    fields: HashMap<String, String>,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.fields.insert(field.name().to_owned(), value.to_owned());
        }
    }
}
