//! One scenario on its way.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tertulia::{Conversation, ProviderSpec, Settings, Tertulia};
use tertulia_simulator::{EventKind, Simulator};

use crate::check::check;
use crate::format::Format;
use crate::handles::Handle;
use crate::words::{Object, Played, Problem, Words, known, wrong};
use crate::{conversation, engine, others, results, user};

/// How long a step may take.
const STEP_LIMIT: Duration = Duration::from_secs(60);
/// How long a step waits for something that happens by itself.
pub(crate) const WAIT: Duration = Duration::from_secs(10);

/// Between two looks at something that is asked for again and again.
const PAUSE: Duration = Duration::from_millis(5);

/// What a verb gave: its result, and the handle that it made.
pub(crate) type Made = (Value, Option<Handle>);

pub(crate) struct Play<'a> {
    format: &'a Format,
    simulator: Simulator,
    folder: TempDir,
    engine: Value,
    results: HashMap<String, Value>,
    handles: HashMap<String, Handle>,
    opened: Vec<Tertulia>,
    /// The result of every step, in order.
    told: Vec<Value>,
}

/// The step that did not hold, 0 before the first, and why.
pub(crate) type Fault = (usize, String);

impl Play<'_> {
    /// Plays a scenario and gives what its steps gave, as JSON.
    pub(crate) async fn scenario(file: &Path, format: &Format, words: &[&str]) -> Result<String, Fault> {
        let before = |why: String| (0, why);
        let text = std::fs::read_to_string(file).map_err(|error| before(error.to_string()))?;
        let scenario: Value = serde_json::from_str(&text).map_err(|error| before(error.to_string()))?;
        let top = scenario.as_object().ok_or_else(|| before("a scenario is an object".to_owned()))?;
        known(top, words, &[]).map_err(|problem| before(problem.say()))?;
        let steps = top["steps"].as_array().filter(|steps| !steps.is_empty());
        let steps = steps.ok_or_else(|| before("steps must be a list of at least one".to_owned()))?;
        let folder = tempfile::tempdir().map_err(|error| before(error.to_string()))?;
        let simulator = Simulator::start().await.map_err(|error| before(error.to_string()))?;
        let results = HashMap::from([
            ("simulator".to_owned(), json!(simulator.url())),
            ("folder".to_owned(), json!(folder.path())),
        ]);
        let mut play = Play {
            format,
            simulator,
            folder,
            engine: top["engine"].clone(),
            results,
            handles: HashMap::new(),
            opened: Vec::new(),
            told: Vec::new(),
        };
        let mut outcome = Ok(());
        for (index, step) in steps.iter().enumerate() {
            let played = tokio::time::timeout(STEP_LIMIT, play.step(step)).await;
            let played = played.unwrap_or_else(|_| wrong("nothing came within 60 s"));
            if let Err(problem) = played {
                outcome = Err((index + 1, problem.say()));
                break;
            }
        }
        let told = play.told();
        drop(play.handles);
        for engine in play.opened {
            let closed = engine.close().await;
            outcome = outcome.and(closed.map_err(|error| (steps.len() + 1, error.to_string())));
        }
        play.simulator.shutdown().await;
        outcome.map(|()| told)
    }

    /// What the steps gave. Where the simulator and the folder are is said by their names.
    fn told(&self) -> String {
        let text = format!("{:#}", Value::from(self.told.clone()));
        let folder = self.folder.path().to_string_lossy();
        text.replace(&self.simulator.url(), "${simulator}").replace(&*folder, "${folder}")
    }

    async fn step(&mut self, step: &Value) -> Played<()> {
        let Some(step) = step.as_object() else { return wrong("a step is an object") };
        if step.contains_key("expect") && step.contains_key("fails") {
            return wrong("a step has `expect` or `fails`, not both");
        }
        let verb = step.get("do").and_then(Value::as_str).unwrap_or_default();
        let subject = step.get("in").map_or(Some(""), Value::as_str);
        let Some(subject) = subject else { return wrong("`in` must be a text") };
        let kind = self.handles.get(subject).map(Handle::kind);
        if kind.is_none() && !subject.is_empty() {
            return wrong(format!("`{subject}` is no handle"));
        }
        self.format.check(step, kind, subject)?;
        let Value::Object(filled) = self.filled(&Value::Object(step.clone()))? else { return wrong("no step") };
        let given = Words(&filled);
        let (result, wanted) = match (self.waited(verb, subject, &given).await, given.value("fails")) {
            (Ok(_), Some(_)) => return wrong(format!("`{verb}` succeeded, which it must not")),
            (Err(Problem::Failed(error)), Some(wanted)) => (results::error(&error)?, Some(wanted)),
            (outcome, _) => {
                let (result, handle) = outcome?;
                if let (Some(handle), Some(name)) = (handle, given.get::<String>("as")?) {
                    self.handles.insert(name, handle);
                }
                (result, given.value("expect"))
            }
        };
        if let Some(wanted) = wanted {
            check(wanted, &result, "").or_else(wrong)?;
        }
        self.told.push(result.clone());
        if let Some(name) = given.get("as")? {
            self.results.insert(name, result);
        }
        Ok(())
    }

    /// Plays a verb; one that says until when, again and again until then.
    async fn waited(&mut self, verb: &str, subject: &str, step: &Words<'_>) -> Played<Made> {
        let Some(wanted) = step.value("until").filter(|_| verb != "next") else {
            return self.verb(verb, subject, step).await;
        };
        let mut last = String::new();
        let waiting = async {
            loop {
                let made = self.verb(verb, subject, step).await?;
                match check(wanted, &made.0, "") {
                    Ok(()) => return Ok(made),
                    Err(why) => last = why,
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let made = tokio::time::timeout(WAIT, waiting).await;
        made.unwrap_or_else(|_| wrong(last))
    }

    async fn verb(&mut self, verb: &str, subject: &str, step: &Words<'_>) -> Played<Made> {
        match verb {
            "open" if subject.is_empty() => {
                let engine = self.open(&step.or_default("options")?).await?;
                self.opened.push(engine.clone());
                return Ok((json!({}), Some(Handle::Engine(engine))));
            }
            "simulator" => return Ok((self.sent(step.get("wait")?).await?, None)),
            "write" => {
                let text = match step.value("value") {
                    Some(Value::String(text)) => text.clone(),
                    value => value.map(Value::to_string).unwrap_or_default(),
                };
                return match std::fs::write(step.text("path")?, text) {
                    Ok(()) => Ok((Value::Null, None)),
                    Err(error) => wrong(format!("nothing could be written: {error}")),
                };
            }
            _ => {}
        }
        // A batch may hold another conversation than the one that it was begun with.
        let chat = match step.get::<String>("chat")? {
            Some(name) => Some(self.chat(&name)?),
            None => None,
        };
        let Some(handle) = self.handles.get_mut(subject) else { return wrong(format!("`{subject}` is no handle")) };
        match handle {
            Handle::Engine(engine) => engine::verb(engine, verb, step).await,
            Handle::User(user) => user::verb(user, verb, step).await,
            Handle::Conversation(chat) => conversation::verb(chat, verb, step).await,
            handle => others::verb(handle, verb, step, chat).await,
        }
    }

    fn chat(&self, name: &str) -> Played<Conversation> {
        match self.handles.get(name) {
            Some(Handle::Conversation(chat)) => Ok(chat.clone()),
            _ => wrong(format!("`{name}` is no conversation")),
        }
    }

    async fn open(&self, changes: &Object) -> Played<Tertulia> {
        let Value::Object(mut words) = self.filled(&self.engine)? else { return wrong("engine must be an object") };
        words.extend(changes.clone());
        self.format.check_engine(&words)?;
        let words = Words(&words);
        let store = self.folder.path().join("scenario.db");
        let mut builder = Tertulia::builder().store(store.to_string_lossy());
        if let Some(model) = words.get::<String>("model")? {
            builder = builder.model(model);
        }
        if let Some(models) = words.get::<Vec<String>>("fallback")? {
            builder = builder.fallback(models);
        }
        for spec in words.or_default::<Vec<ProviderSpec>>("providers")? {
            builder = builder.provider(spec);
        }
        for (provider, key) in words.or_default::<HashMap<String, String>>("keys")? {
            builder = builder.key(provider, key);
        }
        if let Some(settings) = words.value("settings") {
            builder = builder.settings(Settings::from_json(settings)?);
        }
        Ok(builder.open().await?)
    }

    /// What the simulator was sent.
    async fn sent(&self, wait: Option<String>) -> Played {
        match wait.as_deref() {
            None => {}
            Some("hung_up") => {
                let hung_up = |event: &tertulia_simulator::Event| {
                    event.kind == EventKind::ClosedByPeer && event.request.is_some()
                };
                let waiting = tokio::time::timeout(WAIT, self.simulator.wait_for(hung_up)).await;
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
