//! The scenarios of `tests/scenarios`, which all languages play: its README says what is in them.
#![cfg(all(feature = "engine", feature = "sqlite", feature = "echo"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tertulia::{
    CallOptions, Conversation, ConversationOptions, Error, Message, ProviderSpec, Reply, ReplyStream, Secret, Settings,
    StreamEventKind, Tertulia, UserScope,
};
use tertulia_simulator::{EventKind, Simulator};

type Object = Map<String, Value>;
/// What did not hold, or what the verb failed with.
type Played<T = Value> = Result<T, Problem>;

enum Problem {
    /// The scenario does not hold, or is not understood.
    Wrong(String),
    /// The engine refused.
    Failed(Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn wrong<T>(why: impl Into<String>) -> Played<T> {
    Err(Problem::Wrong(why.into()))
}

enum Handle {
    Engine(Tertulia),
    User(UserScope),
    Chat(Conversation),
}

/// The words of each verb that it needs, and those it may have.
const VERBS: [(&str, &[&str], &[&str]); 12] = [
    ("open", &[], &["options"]),
    ("close", &["in"], &[]),
    ("user", &["in", "id"], &[]),
    ("new_conversation", &["in"], &["options"]),
    ("conversation", &["in", "id"], &[]),
    ("conversation_for", &["in", "key"], &[]),
    ("ask", &["in", "say"], &["options"]),
    ("send", &["in", "say"], &["options"]),
    ("stream", &["in", "say"], &["options", "cancel_after"]),
    ("retry", &["in", "turn"], &["options", "cancel_after"]),
    ("history", &["in"], &["limit", "before", "after"]),
    ("simulator", &[], &["wait"]),
];

/// One scenario on its way.
struct Play {
    simulator: Simulator,
    store: PathBuf,
    engine: Value,
    results: HashMap<String, Value>,
    handles: HashMap<String, Handle>,
}

impl Play {
    /// Plays a scenario; gives the number of the step that did not hold, 0 before the first, and why.
    async fn scenario(file: &Path, words: &[&str]) -> Result<(), (usize, String)> {
        let before = |why: String| (0, why);
        let scenario: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let top = scenario.as_object().ok_or_else(|| before("a scenario is an object".to_owned()))?;
        known(top, words, &[]).map_err(|problem| before(problem.say()))?;
        let steps = top["steps"].as_array().filter(|steps| !steps.is_empty());
        let steps = steps.ok_or_else(|| before("steps must be a list of at least one".to_owned()))?;
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start().await.unwrap();
        let results = HashMap::from([("simulator".to_owned(), json!(simulator.url()))]);
        let (store, engine) = (folder.path().join("scenario.db"), top["engine"].clone());
        let mut play = Self { simulator, store, engine, results, handles: HashMap::new() };
        let mut outcome = Ok(());
        for (index, step) in steps.iter().enumerate() {
            let played = tokio::time::timeout(Duration::from_secs(60), play.step(step)).await;
            let played = played.unwrap_or_else(|_| wrong("nothing came within 60 s"));
            if let Err(problem) = played {
                outcome = Err((index + 1, problem.say()));
                break;
            }
        }
        for handle in play.handles.into_values() {
            if let Handle::Engine(engine) = handle {
                engine.close().await.map_err(|error| (steps.len() + 1, error.to_string()))?;
            }
        }
        play.simulator.shutdown().await;
        outcome
    }

    async fn step(&mut self, step: &Value) -> Played<()> {
        let Some(step) = step.as_object() else { return wrong("a step is an object") };
        let verb = step.get("do").and_then(Value::as_str).unwrap_or_default();
        let Some((_, needed, more)) = VERBS.iter().find(|(name, ..)| *name == verb) else {
            return wrong(format!("the verb `{verb}` is unknown"));
        };
        known(step, &[&["do"], *needed].concat(), &[*more, &["as", "expect", "fails"]].concat())?;
        if step.contains_key("expect") && step.contains_key("fails") {
            return wrong("a step has `expect` or `fails`, not both");
        }
        let step = self.filled(&Value::Object(step.clone()))?;
        let step = step.as_object().unwrap();
        let name = step.get("as").and_then(Value::as_str);
        let (result, wanted) = match (self.verb(verb, step, name.unwrap_or_default()).await, step.get("fails")) {
            (Ok(_), Some(_)) => return wrong(format!("`{verb}` succeeded, which it must not")),
            (Err(Problem::Failed(error)), Some(wanted)) => (error_json(&error), Some(wanted)),
            (outcome, _) => (outcome?, step.get("expect")),
        };
        if let Some(wanted) = wanted {
            check(wanted, &result, "").or_else(wrong)?;
        }
        if let Some(name) = name {
            self.results.insert(name.to_owned(), result);
        }
        Ok(())
    }

    async fn verb(&mut self, verb: &str, step: &Object, name: &str) -> Played {
        let nothing = Object::new();
        let options = step.get("options").map_or(Some(&nothing), Value::as_object);
        let Some(options) = options else { return wrong("options must be an object") };
        let call = || call_options(options);
        let content = || text(step, "say");
        match verb {
            "open" => {
                let opened = self.open(options).await?;
                return Ok(self.keep(name, json!({}), Handle::Engine(opened)));
            }
            "simulator" => return self.sent(step.get("wait")).await,
            _ => {}
        }
        let subject = text(step, "in")?;
        let Some(handle) = self.handles.get(subject) else { return wrong(format!("`{subject}` is no handle")) };
        let (made, handle) = match (verb, handle) {
            ("close", Handle::Engine(engine)) => return Ok(engine.close().await.map(|()| json!({}))?),
            ("ask", Handle::Engine(engine)) => return Ok(reply_json(&engine.ask(content()?).with(call()?).await?)),
            ("ask", Handle::User(user)) => return Ok(reply_json(&user.ask(content()?).with(call()?).await?)),
            ("send", Handle::Chat(chat)) => return Ok(reply_json(&chat.send(content()?).with(call()?).await?)),
            ("stream", Handle::Chat(chat)) => {
                return streamed(chat.stream(content()?).with(call()?).await?, step).await;
            }
            ("retry", Handle::Chat(chat)) => {
                let turn = id(step, "turn")?;
                return streamed(chat.retry(turn).with(call()?).await?, step).await;
            }
            ("history", Handle::Chat(chat)) => return history(chat, step).await,
            ("user", Handle::Engine(engine)) => {
                let user = engine.user(text(step, "id")?);
                (json!({"id": user.id()}), Handle::User(user))
            }
            ("new_conversation", Handle::User(user)) => {
                let chat = user.new_conversation_with(conversation_options(options)?);
                (json!({"id": chat.id()}), Handle::Chat(chat))
            }
            ("conversation", Handle::User(user)) => {
                let chat = user.conversation(id(step, "id")?);
                (json!({"id": chat.id()}), Handle::Chat(chat))
            }
            ("conversation_for", Handle::User(user)) => {
                let chat = user.conversation_for(text(step, "key")?);
                (json!({"id": chat.id()}), Handle::Chat(chat))
            }
            _ => return wrong(format!("`{verb}` is no verb of `{subject}`")),
        };
        Ok(self.keep(name, made, handle))
    }

    fn keep(&mut self, name: &str, result: Value, handle: Handle) -> Value {
        // A nameless engine is kept, too, so that it is closed.
        let name = if name.is_empty() { format!(" {}", self.handles.len()) } else { name.to_owned() };
        self.handles.insert(name, handle);
        result
    }

    async fn open(&self, changes: &Object) -> Played<Tertulia> {
        let engine = self.filled(&self.engine)?;
        let Some(mut words) = engine.as_object().cloned() else { return wrong("engine must be an object") };
        words.extend(changes.clone());
        known(&words, &[], &["model", "providers", "keys", "settings"])?;
        let mut builder = Tertulia::builder().store(self.store.to_str().unwrap());
        if words.contains_key("model") {
            builder = builder.model(text(&words, "model")?);
        }
        for spec in words.get("providers").and_then(Value::as_array).into_iter().flatten() {
            let spec = serde_json::from_value::<ProviderSpec>(spec.clone());
            builder = builder.provider(spec.or_else(|error| wrong(format!("providers: {error}")))?);
        }
        for (provider, key) in words.get("keys").and_then(Value::as_object).into_iter().flatten() {
            builder = builder.key(provider, key.as_str().unwrap_or_default());
        }
        if let Some(settings) = words.get("settings") {
            builder = builder.settings(Settings::from_json(settings)?);
        }
        Ok(builder.open().await?)
    }

    /// What the simulator was sent.
    async fn sent(&self, wait: Option<&Value>) -> Played {
        match wait.map(|wait| wait.as_str().unwrap_or_default()) {
            None => {}
            Some("hung_up") => {
                let hung_up = |event: &tertulia_simulator::Event| {
                    event.kind == EventKind::ClosedByPeer && event.request.is_some()
                };
                let waiting = tokio::time::timeout(Duration::from_secs(10), self.simulator.wait_for(hung_up)).await;
                waiting.or_else(|_| wrong("nobody hung up within 10 s"))?;
            }
            Some(other) => return wrong(format!("the way to wait `{other}` is unknown")),
        }
        let requests = self.simulator.requests();
        let last = requests.last().map(|last| {
            let headers: HashMap<_, _> = last.headers.iter().cloned().collect();
            json!({"method": last.method, "path": last.path, "headers": headers, "body": last.json()})
        });
        Ok(json!({"requests": requests.len(), "last": last}))
    }

    /// The value with every `${…}` in its texts filled in.
    fn filled(&self, value: &Value) -> Played {
        Ok(match value {
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect::<Played<Vec<_>>>()?.into(),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| Ok((name.clone(), self.filled(value)?)));
                Value::Object(fields.collect::<Played<Object>>()?)
            }
            Value::String(text) => self.filled_text(text)?,
            plain => plain.clone(),
        })
    }

    fn filled_text(&self, text: &str) -> Played {
        let (mut done, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let Some((path, behind)) = after.split_once('}') else { return wrong(format!("`{text}` lacks a }}")) };
            let mut steps = path.split('.');
            let start = self.results.get(steps.next().unwrap_or_default());
            let found = steps.fold(start, |value, step| match value? {
                Value::Array(items) => items.get(step.parse::<usize>().ok()?),
                other => other.get(step),
            });
            let Some(found) = found else { return wrong(format!("nothing is called `{path}`")) };
            if before.is_empty() && behind.is_empty() && done.is_empty() {
                return Ok(found.clone());
            }
            done.push_str(before);
            done.push_str(&found.as_str().map_or_else(|| found.to_string(), str::to_owned));
            rest = behind;
        }
        Ok(Value::String(done + rest))
    }
}

impl Problem {
    fn say(self) -> String {
        match self {
            Self::Wrong(why) => why,
            Self::Failed(error) => format!("it failed: {error}"),
        }
    }
}

/// Refuses words that are not known, and the lack of those that are needed.
fn known(object: &Object, needed: &[&str], more: &[&str]) -> Played<()> {
    if let Some(unknown) = object.keys().find(|word| ![needed, more].concat().contains(&word.as_str())) {
        return wrong(format!("the word `{unknown}` is unknown"));
    }
    match needed.iter().find(|word| !object.contains_key(**word)) {
        Some(missing) => wrong(format!("the word `{missing}` is missing")),
        None => Ok(()),
    }
}

fn text<'a>(object: &'a Object, word: &str) -> Played<&'a str> {
    object.get(word).and_then(Value::as_str).map_or_else(|| wrong(format!("`{word}` must be a text")), Ok)
}

fn number<N: serde::de::DeserializeOwned>(object: &Object, word: &str) -> Played<Option<N>> {
    let number = object.get(word).map(|value| serde_json::from_value(value.clone())).transpose();
    number.or_else(|_| wrong(format!("`{word}` must be a number that fits")))
}

fn id<I: std::str::FromStr>(object: &Object, word: &str) -> Played<I> {
    text(object, word)?.parse().or_else(|_| wrong(format!("`{word}` is no id")))
}

fn optional(object: &Object, word: &str) -> Played<Option<String>> {
    object.contains_key(word).then(|| text(object, word).map(str::to_owned)).transpose()
}

fn call_options(words: &Object) -> Played<CallOptions> {
    known(words, &[], &["model", "system", "temperature", "max_tokens", "timeout_ms", "client_id", "key"])?;
    let mut options = CallOptions {
        model: optional(words, "model")?,
        system: optional(words, "system")?,
        timeout_ms: number(words, "timeout_ms")?,
        client_id: optional(words, "client_id")?,
        key: optional(words, "key")?.map(Secret::from),
        ..CallOptions::default()
    };
    options.sampling.temperature = number(words, "temperature")?;
    options.sampling.max_tokens = number(words, "max_tokens")?;
    Ok(options)
}

fn conversation_options(words: &Object) -> Played<ConversationOptions> {
    known(words, &[], &["title", "system", "model"])?;
    Ok(ConversationOptions {
        title: optional(words, "title")?,
        system: optional(words, "system")?,
        model: optional(words, "model")?,
        ..ConversationOptions::default()
    })
}

async fn streamed(mut stream: ReplyStream, step: &Object) -> Played {
    let limit: Option<usize> = number(step, "cancel_after")?;
    let (mut events, mut words) = (Vec::<Value>::new(), String::new());
    while let Some(event) = stream.next_event().await? {
        let event_json = serde_json::to_value(&event).unwrap();
        let beat = event_json["progress"]["step"] == "heartbeat";
        if !beat && events.last() != Some(&event_json["type"]) {
            events.push(event_json["type"].clone());
        }
        if let StreamEventKind::Text { delta } = event.kind {
            words.push_str(&delta);
            if limit.is_some_and(|limit| words.chars().count() >= limit) {
                stream.cancel();
                break;
            }
        }
    }
    let mut result = reply_json(&stream.reply().await?);
    result["events"] = events.into();
    result["streamed"] = words.into();
    Ok(result)
}

async fn history(chat: &Conversation, step: &Object) -> Played {
    let mut call = chat.history();
    if let Some(limit) = number(step, "limit")? {
        call = call.limit(limit);
    }
    let cursor = |word| optional(step, word)?.map(|text| text.parse()).transpose().map_err(cursor_error);
    let page = call.before(cursor("before")?).after(cursor("after")?).await?;
    let mut result = serde_json::to_value(&page).unwrap();
    result["items"] = page.items.iter().map(message_json).collect();
    Ok(result)
}

/// What every binding makes of a text that is no cursor.
fn cursor_error(malformed: tertulia::base::Malformed) -> Problem {
    Problem::Failed(malformed.into_error("bad_cursor"))
}

fn with_text(record: &impl serde::Serialize, text: &str) -> Value {
    let mut json = serde_json::to_value(record).unwrap();
    json["text"] = text.into();
    json
}

fn reply_json(reply: &Reply) -> Value {
    with_text(reply, &reply.text())
}

fn message_json(message: &Message) -> Value {
    with_text(message, &message.text())
}

fn error_json(error: &Error) -> Value {
    let words: String = error
        .partial()
        .iter()
        .filter_map(|part| match part {
            tertulia::Part::Text { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    with_text(&error.info(), &words)
}

/// Whether the value is what was wanted; else where it is not, and how.
fn check(wanted: &Value, value: &Value, place: &str) -> Result<(), String> {
    let at = |step: &str| if place.is_empty() { step.to_owned() } else { format!("{place}.{step}") };
    let holds = |holds: bool| if holds { Ok(()) } else { Err(format!("{place}: {value} is not {wanted}")) };
    match (wanted, value) {
        (Value::Object(fields), _) if fields.len() == 1 => {
            let (test, wanted) = fields.iter().next().unwrap();
            match (test.as_str(), wanted, value) {
                ("any", Value::Bool(true), _) => return holds(!value.is_null()),
                ("contains", Value::String(part), Value::String(text)) => return holds(text.contains(part.as_str())),
                ("contains", part, Value::Array(items)) => {
                    return holds(items.iter().any(|item| check(part, item, "").is_ok()));
                }
                ("count", count, Value::Array(items)) => return holds(count.as_u64() == Some(items.len() as u64)),
                ("more_than", bound, _) => {
                    return holds(value.as_f64().zip(bound.as_f64()).is_some_and(|(value, bound)| value > bound));
                }
                ("not", wanted, _) => return holds(check(wanted, value, "").is_err()),
                ("any" | "contains" | "count", ..) => return holds(false),
                _ => {}
            }
        }
        _ => {}
    }
    match (wanted, value) {
        (Value::Object(fields), Value::Object(found)) => fields.iter().try_for_each(|(name, wanted)| {
            let value = found.get(name).ok_or_else(|| format!("{}: there is no such field", at(name)))?;
            check(wanted, value, &at(name))
        }),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            let pairs = wanted.iter().zip(found).enumerate();
            pairs.into_iter().try_for_each(|(index, (wanted, value))| check(wanted, value, &at(&index.to_string())))
        }
        (Value::Number(wanted), Value::Number(found)) => holds(wanted.as_f64() == found.as_f64()),
        _ => holds(wanted == value),
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios").join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    files.sort();
    files
}

#[tokio::test]
async fn every_scenario_holds() {
    let files = files(".");
    assert!(files.len() >= 5, "only {} scenarios were found", files.len());
    let mut failures = Vec::new();
    for file in &files {
        if let Err((step, why)) = Play::scenario(file, &["about", "engine", "steps"]).await {
            failures.push(format!("{}, step {step}: {why}", file.file_name().unwrap().display()));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} scenarios do not hold:\n{}",
        failures.len(),
        files.len(),
        failures.join("\n")
    );
}

#[tokio::test]
async fn a_wrong_scenario_fails_where_it_is_wrong_and_says_so() {
    let files = files("wrong");
    assert!(files.len() >= 30, "only {} wrong scenarios were found", files.len());
    for file in &files {
        let wrong = &serde_json::from_str::<Value>(&std::fs::read_to_string(file).unwrap()).unwrap()["wrong"];
        let outcome = Play::scenario(file, &["about", "engine", "steps", "wrong"]).await;
        let (step, why) = outcome.expect_err(&format!("{} passed", file.display()));
        assert_eq!(json!(step), wrong["step"], "{}: {why}", file.display());
        assert!(why.contains(wrong["says"].as_str().unwrap()), "{}: {why}", file.display());
    }
}
