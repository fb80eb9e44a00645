//! What happened, in order, so that tests wait for it and never sleep.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::request::Request;

/// Events kept; the oldest go first.
const MAX_EVENTS: usize = 100_000;
/// Requests kept, and the bytes of all their bodies.
const MAX_REQUESTS: usize = 10_000;
const MAX_REQUEST_BYTES: usize = 64 << 20;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// The number of the event [`EventKind::RequestReceived`]: its place among all events.
    pub at_seq: u64,
    /// The request's number, from 1.
    pub request: u64,
    /// The connection it came on.
    pub connection: u64,
    /// `POST`.
    pub method: String,
    /// Path and query, as `/v1/models?limit=5`.
    pub path: String,
    /// Names in lower case, values as they came (what is not UTF-8 is replaced), in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl RecordedRequest {
    /// The first header of this name (any case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `null` when it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place among all events, from 1, without gaps.
    pub seq: u64,
    /// The connection's number, from 1.
    pub connection: u64,
    /// The number of the request it belongs to.
    pub request: Option<u64>,
    /// What happened.
    pub kind: EventKind,
}

/// What can happen to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A client connected.
    ConnectionOpened,
    /// A request came in whole.
    RequestReceived,
    /// The first byte of a reply is about to go out.
    ResponseStarted {
        /// Its status.
        status: u16,
    },
    /// The last byte of a reply was handed to the system.
    ResponseEnded,
    /// The script broke the reply off: a reset or a cut.
    ResponseBroken,
    /// The client closed or reset the connection; with a request, in the middle of its reply.
    ClosedByPeer,
    /// The simulator closed the connection.
    Closed,
}

pub(crate) struct Record {
    on: AtomicBool,
    open: AtomicUsize,
    received: AtomicU64,
    log: Mutex<Log>,
    changed: Notify,
}

#[derive(Default)]
struct Log {
    seq: u64,
    events: VecDeque<Event>,
    requests: VecDeque<Kept>,
    bytes: usize,
}

struct Kept {
    at_seq: u64,
    request: u64,
    connection: u64,
    method: String,
    target: String,
    head: Bytes,
    body: Bytes,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self {
            on: AtomicBool::new(true),
            open: AtomicUsize::new(0),
            received: AtomicU64::new(0),
            log: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn turn(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    pub(crate) fn clear(&self) {
        let mut log = self.lock();
        log.events.clear();
        log.requests.clear();
        log.bytes = 0;
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    pub(crate) fn connected(&self, connection: u64) {
        self.open.fetch_add(1, Ordering::AcqRel);
        self.note(connection, None, EventKind::ConnectionOpened);
    }

    pub(crate) fn disconnected(&self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn note(&self, connection: u64, request: Option<u64>, kind: EventKind) {
        if self.on.load(Ordering::Relaxed) {
            self.lock().push(connection, request, kind);
            self.changed.notify_waiters();
        }
    }

    /// Counts a request, keeps it when recording is on, and gives its number.
    pub(crate) fn receive(&self, connection: u64, request: &Request) -> u64 {
        let number = self.received.fetch_add(1, Ordering::AcqRel) + 1;
        if self.on.load(Ordering::Relaxed) {
            let mut log = self.lock();
            let at_seq = log.push(connection, Some(number), EventKind::RequestReceived);
            log.bytes += request.head.len() + request.body.len();
            log.requests.push_back(Kept {
                at_seq,
                request: number,
                connection,
                method: request.method.clone(),
                target: request.target.clone(),
                head: request.head.clone(),
                body: request.body.clone(),
            });
            while log.requests.len() > MAX_REQUESTS || log.bytes > MAX_REQUEST_BYTES {
                let Some(oldest) = log.requests.pop_front() else { break };
                log.bytes -= oldest.head.len() + oldest.body.len();
            }
            drop(log);
            self.changed.notify_waiters();
        }
        number
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.lock().requests.iter().map(Kept::open).collect()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.lock().events.iter().copied().collect()
    }

    pub(crate) async fn wait_for(&self, mut wanted: impl FnMut(&Event) -> bool) -> Event {
        let mut seen = 0;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            {
                let log = self.lock();
                let found = log.events.iter().filter(|event| event.seq > seen).find(|event| wanted(event));
                if let Some(event) = found {
                    return *event;
                }
                seen = log.seq;
            }
            changed.await;
        }
    }
}

impl Log {
    fn push(&mut self, connection: u64, request: Option<u64>, kind: EventKind) -> u64 {
        self.seq += 1;
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(Event { seq: self.seq, connection, request, kind });
        self.seq
    }
}

impl Kept {
    fn open(&self) -> RecordedRequest {
        let mut headers = [httparse::EMPTY_HEADER; 128];
        let mut parsed = httparse::Request::new(&mut headers);
        // It was read once before.
        let _ = parsed.parse(&self.head);
        RecordedRequest {
            at_seq: self.at_seq,
            request: self.request,
            connection: self.connection,
            method: self.method.clone(),
            path: self.target.clone(),
            headers: parsed
                .headers
                .iter()
                .map(|header| {
                    (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).trim().to_owned())
                })
                .collect(),
            body: self.body.clone(),
        }
    }
}
