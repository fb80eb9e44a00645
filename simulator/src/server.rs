//! Connections: reads requests, finds what their script wants, carries it out.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::answer::{Answer, Talk};
use crate::dialect::{
    Anthropic, Dialect, Failure, Gemini, Ollama, OpenAiChat, OpenAiResponses, embeddings, gemini_models, models,
    ollama_models,
};
use crate::plan::{self, Layout, Plan, Step};
use crate::record::{EventKind, Record};
use crate::request::{self, Incoming, Request};
use crate::script::{ErrorClass, Fault, Script};
use crate::told::Question;

/// Replies kept ready. Past that many, all are forgotten: simpler than knowing which is old.
const MAX_PLANS: usize = 1_024;
/// What a client may send ahead while its reply is under way.
const MAX_AHEAD: usize = 1 << 20;

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) record: Record,
    scripts: Mutex<HashMap<String, Vec<Script>>>,
    /// How often a script was used.
    uses: Mutex<HashMap<String, u64>>,
    plans: Mutex<HashMap<String, Arc<Plan>>>,
    connections: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            record: Record::new(),
            scripts: Mutex::default(),
            uses: Mutex::default(),
            plans: Mutex::default(),
            connections: AtomicU64::new(0),
        }
    }

    pub(crate) fn set_scripts(&self, model: &str, scripts: Vec<Script>) {
        lock(&self.scripts).insert(model.to_owned(), scripts);
        lock(&self.uses).remove(&sequence_key(model));
        lock(&self.plans).clear();
    }

    /// Counts a use and gives how many there were before.
    fn count(&self, key: String) -> u64 {
        let mut uses = lock(&self.uses);
        let count = uses.entry(key).or_default();
        *count += 1;
        *count - 1
    }

    fn answer(&self, request: &Request, number: u64) -> Arc<Plan> {
        let path = request.path();
        let gemini = Gemini::at(&request.target);
        let dialect: &dyn Dialect = if request.method != "POST" {
            return Arc::new(self.read_only(request));
        } else if path.ends_with("/chat/completions") {
            &OpenAiChat
        } else if path.ends_with("/responses") {
            &OpenAiResponses
        } else if path.ends_with("/messages") {
            &Anthropic
        } else if let Some(gemini) = &gemini {
            gemini
        } else if path.ends_with("/api/chat") {
            &Ollama::Chat
        } else if path.ends_with("/api/generate") {
            &Ollama::Generate
        } else if path.ends_with("/embeddings") {
            return Arc::new(self.embeddings(request, number));
        } else {
            return Arc::new(no_such_path(request));
        };
        let ask = match dialect.ask(&request.body) {
            Ok(ask) => ask,
            Err(failure) => return Arc::new(plan::misunderstanding(dialect, &failure)),
        };
        let header = request.script.as_deref().unwrap_or_default();
        let mut key = String::with_capacity(64 + ask.model.len() + header.len());
        // With the query: it says in which of two ways Gemini streams.
        let end = request.target.rsplit('/').next().unwrap_or_default();
        let _ = write!(key, "{end} {} {} {} ", ask.stream, ask.include_usage, ask.prompt_bytes.div_ceil(4));
        key.push_str(&ask.model);
        key.push('\0');
        key.push_str(header);
        if let Some(plan) = lock(&self.plans).get(&key) {
            return Arc::clone(plan);
        }

        let (script, mut fixed) = match self.script(&ask.model, request) {
            Ok(found) => found,
            Err(why) => {
                let failure = dialect.failure(ErrorClass::Invalid, Some(&why), &ask.model, None);
                return Arc::new(plan::misunderstanding(dialect, &failure));
            }
        };
        fixed &= !script.echoes() && script.tools.is_empty();
        let layout = Layout { dialect, model: &ask.model, script: &script, number };
        let plan = if let Some(Fault::Status(status)) = script.fault {
            layout.refusal(status)
        } else {
            let talk = if fixed { Talk::default() } else { dialect.talk(&request.body) };
            let answer = Answer::new(&script, &ask, &talk);
            if ask.stream {
                layout.stream(dialect.frames(&answer, &ask))
            } else {
                let pieces = answer.text.len() + answer.reasoning.len() + answer.refusal.len();
                layout.whole(dialect.whole(&answer), pieces)
            }
        };
        fixed &= layout.serves_all();
        let plan = Arc::new(plan);
        if fixed {
            let mut plans = lock(&self.plans);
            if plans.len() >= MAX_PLANS {
                plans.clear();
            }
            plans.insert(key, Arc::clone(&plan));
        }
        plan
    }

    /// The script of a call, and whether every call like it has the same.
    fn script(&self, model: &str, request: &Request) -> Result<(Script, bool), String> {
        let (script, fixed) = if let Some(header) = &request.script {
            (Script::parse(header).map_err(|error| error.to_string())?, true)
        } else if let Some(scripts) = lock(&self.scripts).get(model).filter(|scripts| !scripts.is_empty()) {
            let fixed = scripts.len() == 1;
            let use_number = if fixed { 0 } else { self.count(sequence_key(model)) };
            let place = usize::try_from(use_number).unwrap_or(usize::MAX).min(scripts.len() - 1);
            (scripts[place].clone(), fixed)
        } else {
            let text = model.strip_prefix("sim:").or_else(|| model.strip_prefix("echo:")).unwrap_or_default();
            (Script::parse(text).map_err(|error| error.to_string())?, true)
        };
        if script.fail_first.is_none() && script.fail_percent.is_none() {
            return Ok((script, fixed));
        }
        let key = script.key.as_deref().unwrap_or(&script.source);
        let before = self.count(format!("fail {key}"));
        let fails = match script.fail_percent {
            Some(percent) => {
                let mixed = before.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ script.seed;
                fastrand::Rng::with_seed(mixed).u64(0..100) < percent
            }
            None => true,
        } && script.fail_first.is_none_or(|first| before < first);
        Ok((if fails { script } else { script.healed() }, false))
    }

    fn embeddings(&self, request: &Request, number: u64) -> Plan {
        let model = serde_json::from_slice::<serde_json::Value>(&request.body)
            .ok()
            .and_then(|body| body["model"].as_str().map(str::to_owned))
            .unwrap_or_default();
        let script = match self.script(&model, request) {
            Ok((script, _)) => script,
            Err(why) => {
                let failure = OpenAiChat.failure(ErrorClass::Invalid, Some(&why), &model, None);
                return plan::misunderstanding(&OpenAiChat, &failure);
            }
        };
        let layout = Layout { dialect: &OpenAiChat, model: &model, script: &script, number };
        if let Some(Fault::Status(status)) = script.fault {
            return layout.refusal(status);
        }
        match embeddings(&request.body) {
            Ok(body) => layout.whole(body, 1),
            Err(failure) => plan::misunderstanding(&OpenAiChat, &failure),
        }
    }

    fn read_only(&self, request: &Request) -> Plan {
        match (request.method.as_str(), request.path()) {
            ("GET", path) if path.ends_with("/models") || path.ends_with("/api/tags") => {
                let mut names = vec!["echo".to_owned(), "sim".to_owned()];
                let mut scripted: Vec<String> = lock(&self.scripts).keys().cloned().collect();
                scripted.sort_unstable();
                names.extend(scripted);
                let list = match request.target.split_once('?') {
                    _ if path.ends_with("/api/tags") => ollama_models(&names),
                    query if path.ends_with("/v1beta/models") => gemini_models(&names, query.map_or("", |(_, q)| q)),
                    _ => models(&names, request.anthropic),
                };
                plan::plain(200, "application/json", &list)
            }
            ("GET", "/") => plan::plain(200, "text/plain; charset=utf-8", b"tertulia-simulator\n"),
            // The head of any path, so that a client can warm up: no body, whatever it says.
            ("HEAD", _) => plan::plain(200, "text/plain; charset=utf-8", b""),
            _ => no_such_path(request),
        }
    }
}

fn sequence_key(model: &str) -> String {
    format!("sequence {model}")
}

fn no_such_path(request: &Request) -> Plan {
    let message = format!("Invalid URL ({} {})", request.method, request.path());
    let failure: Failure = OpenAiChat.failure(ErrorClass::Invalid, Some(&message), "", None);
    plan::plain(404, "application/json", &failure.body)
}

/// Takes connections until told to stop, then closes all of them.
pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stop: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
                    connections.spawn(Connection::new(socket, Arc::clone(&shared), number).serve());
                }
                // Too many open files, most likely: some will close.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

struct Connection {
    socket: TcpStream,
    shared: Arc<Shared>,
    number: u64,
    read: BytesMut,
    out: Vec<u8>,
}

/// How a reply went.
enum Outcome {
    Ended,
    Broken,
    Gone,
}

impl Connection {
    fn new(socket: TcpStream, shared: Arc<Shared>, number: u64) -> Self {
        shared.record.connected(number);
        Self { socket, shared, number, read: BytesMut::with_capacity(4 << 10), out: Vec::new() }
    }

    async fn serve(mut self) {
        // Replies go out piece by piece; waiting to join them would falsify every delay.
        let _ = self.socket.set_nodelay(true);
        loop {
            let request = match request::next(&mut self.socket, &mut self.read).await {
                Incoming::Request(request) => request,
                Incoming::Gone => return self.note(None, EventKind::ClosedByPeer),
                Incoming::Refuse(status) => {
                    let refusal = plan::plain(status, "text/plain", b"");
                    self.carry_out(&refusal, 0).await;
                    let _ = self.socket.shutdown().await;
                    // Closing over unread bytes would reset the connection and take the refusal with it.
                    tokio::select! {
                        () = discard(&mut self.socket) => {}
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    }
                    return self.note(None, EventKind::Closed);
                }
            };
            if let Some(question) = Question::of(&request.method, &request.target) {
                if !self.tell(question).await {
                    return self.note(None, EventKind::ClosedByPeer);
                }
                if request.close {
                    return self.note(None, EventKind::Closed);
                }
                continue;
            }
            let number = self.shared.record.receive(self.number, &request);
            let plan = self.shared.answer(&request, number);
            let outcome = self.carry_out(&plan, number).await;
            let kind = match outcome {
                Outcome::Ended => EventKind::ResponseEnded,
                Outcome::Broken => EventKind::ResponseBroken,
                Outcome::Gone => return self.note(Some(number), EventKind::ClosedByPeer),
            };
            self.note(Some(number), kind);
            if !plan.keep || request.close {
                return self.note(None, EventKind::Closed);
            }
        }
    }

    fn note(&self, request: Option<u64>, kind: EventKind) {
        self.shared.record.note(self.number, request, kind);
    }

    /// Answers a question about what was recorded. False when the client has gone.
    async fn tell(&mut self, question: Question) -> bool {
        let shared = Arc::clone(&self.shared);
        let plan = tokio::select! {
            biased;
            plan = question.answer(&shared.record) => plan,
            () = gone(&mut self.socket, &mut self.read) => return false,
        };
        self.out.clear();
        for step in &plan.steps {
            if let Step::Send(marked) = step {
                marked.write(0, &mut self.out);
            }
        }
        self.socket.write_all(&self.out).await.is_ok()
    }

    async fn carry_out(&mut self, plan: &Plan, number: u64) -> Outcome {
        let mut started = false;
        for step in &plan.steps {
            match step {
                Step::Send(marked) => {
                    if !started {
                        started = true;
                        self.note(Some(number), EventKind::ResponseStarted { status: plan.status });
                    }
                    self.out.clear();
                    marked.write(number, &mut self.out);
                    if self.socket.write_all(&self.out).await.is_err() {
                        return Outcome::Gone;
                    }
                }
                Step::Wait(duration) => {
                    tokio::select! {
                        biased;
                        () = gone(&mut self.socket, &mut self.read) => return Outcome::Gone,
                        () = tokio::time::sleep(*duration) => {}
                    }
                }
                Step::Stall => {
                    gone(&mut self.socket, &mut self.read).await;
                    return Outcome::Gone;
                }
                Step::Reset => {
                    let _ = self.socket.set_zero_linger();
                    return Outcome::Broken;
                }
                Step::Cut => {
                    let _ = self.socket.shutdown().await;
                    return Outcome::Broken;
                }
            }
        }
        Outcome::Ended
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.record.disconnected();
    }
}

/// Waits until the client closes, keeping what it sends ahead.
async fn gone(socket: &mut TcpStream, read: &mut BytesMut) {
    while read.len() < MAX_AHEAD {
        if !matches!(socket.read_buf(read).await, Ok(1..)) {
            return;
        }
    }
    std::future::pending().await
}

async fn discard(socket: &mut TcpStream) {
    let mut ignored = [0; 4 << 10];
    while let Ok(1..) = socket.read(&mut ignored).await {}
}
