//! A reply as bytes and pauses, laid out once and then only written.
//!
//! The ids of a reply are marks in those bytes; each sending writes the number of its request over them. So a
//! script's reply is serialised once, and still every reply has ids of its own.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::dialect::{Dialect, Failure, Frame, FrameKind};
use crate::script::{ErrorClass, Fault, Garbage, Script};

/// Stands for the twelve digits of an id until they are known.
pub(crate) const MARK: &str = "~%id^mark^%~";

/// What is done to the connection, in order.
pub(crate) struct Plan {
    pub(crate) status: u16,
    pub(crate) steps: Vec<Step>,
    /// Whether the connection may carry another request afterwards.
    pub(crate) keep: bool,
}

pub(crate) enum Step {
    Send(Marked),
    Wait(Duration),
    /// Says nothing more until the client goes.
    Stall,
    Reset,
    Cut,
}

/// Bytes with places for the id.
pub(crate) struct Marked {
    bytes: Bytes,
    marks: Vec<usize>,
}

impl Marked {
    fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let mark = MARK.as_bytes();
        let marks = if bytes.len() < mark.len() {
            Vec::new()
        } else {
            // The mark's first byte is rare, so this looks at most bytes once.
            (0..=bytes.len() - mark.len())
                .filter(|&at| bytes[at] == mark[0] && &bytes[at..at + mark.len()] == mark)
                .collect()
        };
        Self { bytes, marks }
    }

    /// Appends the bytes with this id in its places.
    pub(crate) fn write(&self, id: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        for &mark in &self.marks {
            for (place, digit) in out[start + mark..start + mark + MARK.len()].iter_mut().rev().enumerate() {
                *digit = b"0123456789abcdef"[(id >> (4 * place.min(15))) as usize & 15];
            }
        }
    }
}

/// Lays steps out, joining what is sent without a pause.
struct Steps {
    steps: Vec<Step>,
    joined: BytesMut,
}

impl Steps {
    fn new() -> Self {
        Self { steps: Vec::new(), joined: BytesMut::new() }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.joined.put_slice(bytes);
    }

    /// Makes what was sent so far a write of its own.
    fn flush(&mut self) {
        if !self.joined.is_empty() {
            self.steps.push(Step::Send(Marked::new(self.joined.split())));
        }
    }

    fn wait(&mut self, duration: Duration) {
        if !duration.is_zero() {
            self.step(Step::Wait(duration));
        }
    }

    fn step(&mut self, step: Step) {
        self.flush();
        self.steps.push(step);
    }

    fn plan(mut self, status: u16, keep: bool) -> Plan {
        self.flush();
        Plan { status, steps: self.steps, keep }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Payload Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        529 => "Overloaded",
        _ => "Status",
    }
}

/// A reply that is there at once, whatever a script says.
pub(crate) fn plain(status: u16, content_type: &str, body: &[u8]) -> Plan {
    let mut steps = Steps::new();
    steps.send(
        format!(
            "HTTP/1.1 {status} {}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
            reason(status),
            body.len()
        )
        .as_bytes(),
    );
    steps.send(body);
    steps.plan(status, true)
}

/// The reply to a request that makes no sense.
pub(crate) fn misunderstanding(dialect: &dyn Dialect, failure: &Failure) -> Plan {
    plain(failure.status, dialect.body_type(), &failure.body).with_id(dialect)
}

impl Plan {
    /// Adds the header that every reply of this dialect carries.
    fn with_id(mut self, dialect: &dyn Dialect) -> Self {
        if let (Some(Step::Send(first)), Some(name)) = (self.steps.first_mut(), dialect.request_id_header()) {
            let line_end = first.bytes.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            let header = format!("{name}: req_{MARK}\r\n");
            *first = Marked::new([&first.bytes[..line_end], header.as_bytes(), &first.bytes[line_end..]].concat());
        }
        self
    }
}

/// Lays a script's reply out.
pub(crate) struct Layout<'a> {
    pub(crate) dialect: &'a dyn Dialect,
    pub(crate) model: &'a str,
    pub(crate) script: &'a Script,
    /// The request's number, for what is split so finely that a mark would be torn.
    pub(crate) number: u64,
}

impl Layout<'_> {
    /// True when the reply holds no number of its own, so that it serves all requests alike.
    pub(crate) fn serves_all(&self) -> bool {
        self.script.split.is_none() && self.script.drip.is_none()
    }

    /// The reply of a script that refuses the call. Status 0 stands for the dialect's own.
    pub(crate) fn refusal(&self, status: u16) -> Plan {
        let class = self.script.class.unwrap_or_else(|| ErrorClass::of_status(status));
        let failure = self.failure(class);
        let status = if status == 0 { failure.status } else { status };
        let mut steps = Steps::new();
        steps.wait(self.script.first);
        self.body(steps, status, self.dialect.body_type(), &failure.body, None)
    }

    fn failure(&self, class: ErrorClass) -> Failure {
        let script = self.script;
        self.dialect.failure(class, script.message.as_deref(), self.model, script.retry_after.as_deref())
    }

    /// A reply in one piece.
    pub(crate) fn whole(&self, mut content: Vec<u8>, pieces: usize) -> Plan {
        let script = self.script;
        if let Some(Fault::Reset(None) | Fault::Stall(None)) = script.fault {
            return self.before_head();
        }
        let mut steps = Steps::new();
        let pauses = u32::try_from(pieces.saturating_sub(1)).unwrap_or(u32::MAX);
        steps.wait(script.first + script.delay.saturating_mul(pauses));
        let mut content_type = self.dialect.body_type();
        match script.fault {
            Some(Fault::Garbage(Garbage::Json) | Fault::Truncate(_)) => content.truncate(content.len() / 2),
            Some(Fault::Garbage(Garbage::Utf8)) => spoil(&mut content),
            Some(Fault::Garbage(Garbage::Html)) => {
                content = LOGIN_PAGE.as_bytes().to_vec();
                content_type = "text/html; charset=utf-8";
            }
            Some(Fault::Garbage(Garbage::Empty)) => content.clear(),
            _ => {}
        }
        if script.bom {
            content.splice(0..0, *b"\xef\xbb\xbf");
        }
        let broken = match script.fault {
            Some(Fault::Reset(Some(_))) => Some(Step::Reset),
            Some(Fault::Stall(Some(_))) => Some(Step::Stall),
            Some(Fault::Cut(_)) => Some(Step::Cut),
            _ => None,
        };
        self.body(steps, 200, content_type, &content, broken)
    }

    /// Head and body with a length; a break comes after half of the body.
    fn body(&self, mut steps: Steps, status: u16, content_type: &str, content: &[u8], broken: Option<Step>) -> Plan {
        steps.send(self.head(status, content_type, Some(content.len())).as_bytes());
        let sent = if broken.is_some() { &content[..content.len() / 2] } else { content };
        self.trickle(&mut steps, sent, <[u8]>::to_vec);
        let keep = broken.is_none() && !self.script.close;
        if let Some(broken) = broken {
            steps.step(broken);
        }
        steps.plan(status, keep)
    }

    fn head(&self, status: u16, content_type: &str, length: Option<usize>) -> String {
        let mut head = format!("HTTP/1.1 {status} {}\r\ncontent-type: {content_type}\r\n", reason(status));
        if let Some(name) = self.dialect.request_id_header() {
            head.push_str(&format!("{name}: req_{MARK}\r\n"));
        }
        match length {
            Some(length) => head.push_str(&format!("content-length: {length}\r\n")),
            None => head.push_str("cache-control: no-cache\r\ntransfer-encoding: chunked\r\n"),
        }
        if self.script.close {
            head.push_str("connection: close\r\n");
        }
        if let Some(after) = self.script.retry_after.as_ref().filter(|_| status != 200) {
            head.push_str(&format!("retry-after: {after}\r\n"));
        }
        for (name, value) in &self.script.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head
    }

    /// Sends bytes as the script wants them split.
    fn trickle(&self, steps: &mut Steps, bytes: &[u8], frame: impl Fn(&[u8]) -> Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        if self.serves_all() {
            return steps.send(&frame(bytes));
        }
        let mut settled = Vec::with_capacity(bytes.len());
        Marked::new(bytes.to_vec()).write(self.number, &mut settled);
        let size = if self.script.drip.is_some() { 1 } else { self.script.split.unwrap_or(1) };
        for piece in settled.chunks(size) {
            steps.flush();
            steps.wait(self.script.drip.unwrap_or_default());
            steps.send(&frame(piece));
        }
        steps.flush();
    }

    fn before_head(&self) -> Plan {
        let mut steps = Steps::new();
        steps.wait(self.script.first);
        steps.step(if matches!(self.script.fault, Some(Fault::Stall(_))) { Step::Stall } else { Step::Reset });
        steps.plan(0, false)
    }

    /// A reply as a stream of events.
    pub(crate) fn stream(&self, frames: Vec<Frame>) -> Plan {
        let script = self.script;
        match script.fault {
            Some(Fault::Reset(None) | Fault::Stall(None)) => return self.before_head(),
            Some(Fault::Garbage(Garbage::Html | Garbage::Empty)) => return self.whole(Vec::new(), 1),
            _ => {}
        }
        let middle = frames.iter().filter(|frame| frame.kind == FrameKind::Piece).count() / 2;
        let (last, ending) = match script.fault {
            Some(Fault::Reset(Some(after))) => (after, Ending::Break(Step::Reset)),
            Some(Fault::Stall(Some(after))) => (after, Ending::Break(Step::Stall)),
            Some(Fault::Cut(after)) => (after.unwrap_or(middle), Ending::Break(Step::Cut)),
            Some(Fault::Truncate(after)) => (after.unwrap_or(middle), Ending::Clean),
            Some(Fault::ErrorAfter(after)) => (after, Ending::Error),
            _ => (usize::MAX, Ending::Whole),
        };
        let mut steps = Steps::new();
        steps.wait(script.first);
        steps.send(self.head(200, self.dialect.stream_type(), None).as_bytes());
        if script.bom {
            steps.send(&chunk(b"\xef\xbb\xbf"));
        }
        for _ in 0..script.heartbeats {
            steps.wait(script.delay);
            steps.send(&chunk(&self.line_ends(self.dialect.heartbeat())));
        }
        let mut seen = 0;
        for mut frame in frames {
            match frame.kind {
                FrameKind::Piece if seen == last => break,
                FrameKind::Piece => {
                    if seen > 0 {
                        steps.wait(script.delay);
                    }
                    match script.fault {
                        Some(Fault::Garbage(Garbage::Json)) if seen == middle => {
                            frame.bytes.truncate(frame.bytes.len() / 2);
                            frame.bytes.extend_from_slice(b"\n\n");
                        }
                        Some(Fault::Garbage(Garbage::Utf8)) if seen == middle => spoil(&mut frame.bytes),
                        _ => {}
                    }
                    seen += 1;
                }
                FrameKind::Closing if !matches!(ending, Ending::Whole) => break,
                FrameKind::Done if !script.done => continue,
                FrameKind::Opening | FrameKind::Closing | FrameKind::Done => {}
            }
            self.trickle(&mut steps, &self.line_ends(frame.bytes), chunk);
        }
        match ending {
            Ending::Break(step) => {
                steps.step(step);
                return steps.plan(200, false);
            }
            Ending::Error => {
                let failure = self.failure(script.class.unwrap_or(ErrorClass::Overloaded));
                steps.wait(script.delay);
                steps.send(&chunk(&self.line_ends(self.dialect.error_event(&failure))));
            }
            Ending::Whole | Ending::Clean => {}
        }
        steps.send(b"0\r\n\r\n");
        steps.plan(200, !script.close)
    }

    fn line_ends(&self, bytes: Vec<u8>) -> Vec<u8> {
        if !self.script.crlf && !self.dialect.ends_lines_with_crlf() {
            return bytes;
        }
        // JSON holds no line end of its own, so every one belongs to the framing.
        bytes.split(|&byte| byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..])
    }
}

enum Ending {
    Whole,
    Clean,
    Error,
    Break(Step),
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// Puts two bytes that no UTF-8 has into the last JSON string.
fn spoil(bytes: &mut Vec<u8>) {
    let at = bytes.iter().rposition(|&byte| byte == b'"').unwrap_or(bytes.len());
    bytes.splice(at..at, *b"\xff\xfe");
}

const LOGIN_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Welcome to the \
                          guest network</h1><form action=\"/login\"><input name=\"room\"></form></body></html>\n";
