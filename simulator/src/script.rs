//! What a reply says and how it goes wrong, written as one line: `text=Hello%20world;delay_ms=5;chunks=20`.

use std::fmt;
use std::time::Duration;

/// A reply by script: what it says, how fast, and how it goes wrong.
///
/// A script is a list of words and `key=value` pairs, parted by `;`. Values are percent-encoded where they hold `;`,
/// `%` or characters that the place they are written in does not allow. What a script leaves out is echoed: with no
/// words of its own the reply quotes the user.
///
/// | key | meaning |
/// |---|---|
/// | `text=…` | the answer |
/// | `words=N` | an answer of N words, always the same |
/// | `json=…` | the answer, a JSON document (checked) |
/// | `reasoning=…` | thinking before the answer |
/// | `refusal=…` | a refusal instead of an answer |
/// | `tool=name` or `tool=name:{…}` | a tool call with these arguments; may stand several times. Once the request brings tool results, the reply is text |
/// | `loop` | calls the tools even then, for ever |
/// | `finish=…` | the finish word as it goes on the wire, so in the words of the dialect |
/// | `usage=none`, `usage=IN/OUT`, `cached=N` | token counts; left out: a count of the bytes by four |
/// | `chunks=N` | the text in N pieces; left out: word by word |
/// | `fragments=N` | the arguments of a tool call in N pieces. 3 |
/// | `first_ms=N` | wait before the first byte |
/// | `delay_ms=N` | wait between pieces; a whole reply waits for all of them at once |
/// | `heartbeats=N` | comments or pings before the first piece, `delay_ms` apart |
/// | `status=N` | an error reply with this status |
/// | `error=…` | an error reply of this class, with the status and the words that the dialect's provider has for it: `invalid`, `auth`, `billing`, `permission`, `not_found`, `conflict`, `too_large`, `context`, `filtered`, `rate_limit`, `quota`, `server`, `overloaded`, `timeout` |
/// | `error_after=N` | breaks a stream off after N pieces with an error event (of class `error`, else `overloaded`) |
/// | `message=…`, `retry_after=…` | the words of the error; the header, written as it is |
/// | `reset`, `reset=N` | a TCP reset before the head, or after N pieces |
/// | `stall`, `stall=N` | silence until the client goes: before the head, or after N pieces |
/// | `cut`, `cut=N` | closes the connection after half of the pieces, or N, without an end of HTTP |
/// | `truncate`, `truncate=N` | ends HTTP cleanly there, without the dialect's own end |
/// | `garbage=json`, `utf8`, `html`, `empty` | broken JSON, broken UTF-8, a login page, nothing; all with status 200 |
/// | `fail=N` | the fault happens to the first N calls, then all is well. Without a fault: status 500 |
/// | `fail_percent=N`, `seed=N` | the fault happens to about N calls of 100, the same ones for the same seed |
/// | `key=…` | whose calls are counted by `fail` and `fail_percent`; left out: this script's own |
/// | `no_done` | leaves out the final `data: [DONE]` |
/// | `crlf`, `bom` | CRLF line ends, a byte order mark first |
/// | `split=N` | every N bytes of the stream are sent alone |
/// | `drip_ms=N` | every byte of the body is sent alone, this long after the one before |
/// | `header=name:value` | a further header; may stand several times |
/// | `close` | closes the connection after the reply |
///
/// In a whole (not streamed) reply *after N pieces* means: after half of the body.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// As it was written: what caches and counters know it by.
    pub(crate) source: String,
    pub(crate) text: Option<String>,
    pub(crate) reasoning: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) tools: Vec<(String, String)>,
    pub(crate) repeat_tools: bool,
    pub(crate) finish: Option<String>,
    pub(crate) usage: Usage,
    pub(crate) cached: u64,
    pub(crate) chunks: Option<usize>,
    pub(crate) fragments: usize,
    pub(crate) first: Duration,
    pub(crate) delay: Duration,
    pub(crate) heartbeats: usize,
    pub(crate) fault: Option<Fault>,
    pub(crate) class: Option<ErrorClass>,
    pub(crate) message: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) fail_first: Option<u64>,
    pub(crate) fail_percent: Option<u64>,
    pub(crate) seed: u64,
    pub(crate) key: Option<String>,
    pub(crate) done: bool,
    pub(crate) crlf: bool,
    pub(crate) bom: bool,
    pub(crate) split: Option<usize>,
    pub(crate) drip: Option<Duration>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) close: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Usage {
    Counted,
    Fixed { input: u64, output: u64 },
    None,
}

/// How a reply goes wrong. A place of `None` is before the head for a reset or stall, the middle for the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// 0 is the dialect's own status for the error's class.
    Status(u16),
    ErrorAfter(usize),
    Reset(Option<usize>),
    Stall(Option<usize>),
    Cut(Option<usize>),
    Truncate(Option<usize>),
    Garbage(Garbage),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Garbage {
    Json,
    Utf8,
    Html,
    Empty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    Invalid,
    Auth,
    Billing,
    Permission,
    NotFound,
    Conflict,
    TooLarge,
    Context,
    Filtered,
    RateLimit,
    Quota,
    Server,
    Overloaded,
    Timeout,
}

impl ErrorClass {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "invalid" => Self::Invalid,
            "auth" => Self::Auth,
            "billing" => Self::Billing,
            "permission" => Self::Permission,
            "not_found" => Self::NotFound,
            "conflict" => Self::Conflict,
            "too_large" => Self::TooLarge,
            "context" => Self::Context,
            "filtered" => Self::Filtered,
            "rate_limit" => Self::RateLimit,
            "quota" => Self::Quota,
            "server" => Self::Server,
            "overloaded" => Self::Overloaded,
            "timeout" => Self::Timeout,
            _ => return None,
        })
    }

    /// The class that providers mean by this status.
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Auth,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            409 => Self::Conflict,
            413 => Self::TooLarge,
            429 => Self::RateLimit,
            503 | 529 => Self::Overloaded,
            500.. => Self::Server,
            _ => Self::Invalid,
        }
    }
}

/// A script that cannot be read. Says where and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError(String);

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScriptError {}

/// More words than any test of sizes needs.
const MAX_WORDS: usize = 10_000_000;

impl Script {
    /// Reads a script. An empty one echoes.
    ///
    /// # Errors
    /// An unknown key, a value that does not fit its key, or two faults at once.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut script = Self::empty(text);
        for item in text.split(';').map(str::trim).filter(|item| !item.is_empty()) {
            let (key, value) = item.split_once('=').unwrap_or((item, ""));
            script.set(key, decode(value).ok_or_else(|| bad(key, "is not percent-encoded UTF-8"))?)?;
        }
        if script.fault.is_none() {
            script.fault = match script.class {
                // Each dialect has a status of its own for it.
                Some(_) => Some(Fault::Status(0)),
                None if script.fail_first.is_some() || script.fail_percent.is_some() => Some(Fault::Status(500)),
                None => None,
            };
        }
        Ok(script)
    }

    /// A reply with this text, word by word.
    #[must_use]
    pub fn say(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { text: Some(text.clone()), ..Self::empty(&format!("text={}", encode(&text))) }
    }

    fn empty(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            text: None,
            reasoning: None,
            refusal: None,
            tools: Vec::new(),
            repeat_tools: false,
            finish: None,
            usage: Usage::Counted,
            cached: 0,
            chunks: None,
            fragments: 3,
            first: Duration::ZERO,
            delay: Duration::ZERO,
            heartbeats: 0,
            fault: None,
            class: None,
            message: None,
            retry_after: None,
            fail_first: None,
            fail_percent: None,
            seed: 0,
            key: None,
            done: true,
            crlf: false,
            bom: false,
            split: None,
            drip: None,
            headers: Vec::new(),
            close: false,
        }
    }

    /// The same reply without its fault.
    pub(crate) fn healed(&self) -> Self {
        Self { fault: None, source: format!("{};healed", self.source), ..self.clone() }
    }

    /// True when its reply depends on the user's words.
    pub(crate) fn echoes(&self) -> bool {
        self.text.is_none() && self.refusal.is_none()
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), ScriptError> {
        match key {
            "text" => self.text = Some(value),
            "words" => {
                let count = number(key, &value)?;
                if count > MAX_WORDS {
                    return Err(bad(key, "is more than 10,000,000"));
                }
                self.text = Some(words(count));
            }
            "json" => {
                serde_json::from_str::<serde::de::IgnoredAny>(&value).map_err(|_| bad(key, "is not JSON"))?;
                self.text = Some(value);
            }
            "reasoning" => self.reasoning = Some(value),
            "refusal" => self.refusal = Some(value),
            "tool" => {
                let (name, arguments) = value.split_once(':').unwrap_or((&value, "{}"));
                self.tools.push((name.to_owned(), arguments.to_owned()));
            }
            "loop" => self.repeat_tools = flag(key, &value)?,
            "finish" => self.finish = Some(value),
            "usage" if value == "none" => self.usage = Usage::None,
            "usage" => {
                let (input, output) = value.split_once('/').ok_or_else(|| bad(key, "is not `none` or `IN/OUT`"))?;
                self.usage = Usage::Fixed { input: number(key, input)?, output: number(key, output)? };
            }
            "cached" => self.cached = number(key, &value)?,
            "chunks" => self.chunks = Some(positive(key, &value)?),
            "fragments" => self.fragments = positive(key, &value)?,
            "first_ms" => self.first = millis(key, &value)?,
            "delay_ms" => self.delay = millis(key, &value)?,
            "heartbeats" => self.heartbeats = number(key, &value)?,
            "status" => match number(key, &value)? {
                status @ 100..=999 => self.fail(key, Fault::Status(status))?,
                _ => return Err(bad(key, "is not an HTTP status")),
            },
            "error" => self.class = Some(ErrorClass::parse(&value).ok_or_else(|| bad(key, "is no known class"))?),
            "error_after" => self.fail(key, Fault::ErrorAfter(number(key, &value)?))?,
            "message" => self.message = Some(value),
            "retry_after" => self.retry_after = Some(header_value(key, value)?),
            "reset" => self.fail(key, Fault::Reset(place(key, &value)?))?,
            "stall" => self.fail(key, Fault::Stall(place(key, &value)?))?,
            "cut" => self.fail(key, Fault::Cut(place(key, &value)?))?,
            "truncate" => self.fail(key, Fault::Truncate(place(key, &value)?))?,
            "garbage" => {
                let garbage = match value.as_str() {
                    "" | "json" => Garbage::Json,
                    "utf8" => Garbage::Utf8,
                    "html" => Garbage::Html,
                    "empty" => Garbage::Empty,
                    _ => return Err(bad(key, "is none of json, utf8, html, empty")),
                };
                self.fail(key, Fault::Garbage(garbage))?;
            }
            "fail" => self.fail_first = Some(number(key, &value)?),
            "fail_percent" => match number(key, &value)? {
                percent @ 0..=100 => self.fail_percent = Some(percent),
                _ => return Err(bad(key, "is more than 100")),
            },
            "seed" => self.seed = number(key, &value)?,
            "key" => self.key = Some(value),
            "no_done" => self.done = !flag(key, &value)?,
            "crlf" => self.crlf = flag(key, &value)?,
            "bom" => self.bom = flag(key, &value)?,
            "split" => self.split = Some(positive(key, &value)?),
            "drip_ms" => self.drip = Some(millis(key, &value)?),
            "header" => {
                let (name, content) = value.split_once(':').ok_or_else(|| bad(key, "is not `name:value`"))?;
                let name = header_value(key, name.to_owned())?;
                self.headers.push((name, header_value(key, content.trim_matches(' ').to_owned())?));
            }
            "close" => self.close = flag(key, &value)?,
            _ => return Err(ScriptError(format!("the script has the unknown key `{key}`"))),
        }
        Ok(())
    }

    fn fail(&mut self, key: &str, fault: Fault) -> Result<(), ScriptError> {
        match self.fault.replace(fault) {
            None => Ok(()),
            Some(_) => Err(bad(key, "is a second fault: a reply has one")),
        }
    }
}

impl std::str::FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        Self::parse(text)
    }
}

fn bad(key: &str, why: &str) -> ScriptError {
    ScriptError(format!("the script's `{key}` {why}"))
}

fn number<N: std::str::FromStr>(key: &str, value: &str) -> Result<N, ScriptError> {
    value.parse().map_err(|_| bad(key, "is not a number that fits"))
}

fn positive(key: &str, value: &str) -> Result<usize, ScriptError> {
    match number(key, value)? {
        0 => Err(bad(key, "must be at least 1")),
        count => Ok(count),
    }
}

fn millis(key: &str, value: &str) -> Result<Duration, ScriptError> {
    number(key, value).map(Duration::from_millis)
}

fn place(key: &str, value: &str) -> Result<Option<usize>, ScriptError> {
    if value.is_empty() { Ok(None) } else { number(key, value).map(Some) }
}

fn flag(key: &str, value: &str) -> Result<bool, ScriptError> {
    if value.is_empty() { Ok(true) } else { Err(bad(key, "takes no value")) }
}

/// Nothing that could end the header.
fn header_value(key: &str, value: String) -> Result<String, ScriptError> {
    if value.bytes().all(|byte| byte == b'\t' || (b' '..0x7f).contains(&byte)) {
        Ok(value)
    } else {
        Err(bad(key, "holds a character that no header may hold"))
    }
}

/// The text behind its percent signs.
pub(crate) fn decode(value: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            digit(bytes.next()?)? << 4 | digit(bytes.next()?)?
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok()
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~ ,:!?".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

/// The first words of a text without end.
fn words(count: usize) -> String {
    const TEXT: &str = "the circle meets each evening and talks of books and bread and the news of the town until the \
                        lamps burn low and the last guest finds a coat and a reason to come back tomorrow";
    let mut text = String::with_capacity(count * 5);
    for word in TEXT.split(' ').cycle().take(count) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}
