//! What the engine leaves in the log: every record with what is known, as loud as it should be, and nothing that was
//! said. Drives every error kind.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tertulia::call::{CallContext, failure};
use tertulia::{ConversationId, Error, ErrorKind, Part, ProviderError, Tertulia, TurnId};
use tracing::field::{Field, Visit};
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

const PROMPT: &str = "canary-prompt-7f3a";
const KEY: &str = "sk-canary-key-91c2";

#[derive(Clone, Debug)]
struct Record {
    level: Level,
    target: String,
    fields: BTreeMap<String, String>,
}

#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<Record>>>);

impl Records {
    fn all(&self) -> Vec<Record> {
        self.0.lock().unwrap().clone()
    }
}

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: Subscriber> Layer<S> for Records {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if !event.metadata().target().starts_with("tertulia") {
            return;
        }
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields));
        let (level, target) = (*event.metadata().level(), event.metadata().target().to_owned());
        self.0.lock().unwrap().push(Record { level, target, fields });
    }
}

/// How loud each kind is: error = somebody must act, warn = unexpected and handled, debug = the caller's own affair.
fn expected(kind: ErrorKind) -> Level {
    match kind {
        ErrorKind::Unauthorized | ErrorKind::QuotaExhausted | ErrorKind::Storage | ErrorKind::Internal => Level::ERROR,
        ErrorKind::Invalid | ErrorKind::Cancelled | ErrorKind::Closed => Level::DEBUG,
        _ => Level::WARN,
    }
}

#[test]
fn every_kind_of_error_is_logged_with_all_that_is_known_and_nothing_that_was_said() {
    let records = Records::default();
    let subscriber = tracing_subscriber::registry().with(records.clone());
    let conversation = ConversationId::from_bytes([1; 16]);
    let turn = TurnId::from_bytes([2; 16]);
    tracing::subscriber::with_default(subscriber, || {
        for kind in ErrorKind::ALL {
            let mut context = CallContext::new("conversation.send");
            context.owner = Some("ana".into());
            context.conversation = Some(conversation);
            context.turn = Some(turn);
            let error = Error::new(kind, "some_reason", "what to do")
                .with_target("openai", "gpt-5")
                .with_status(500)
                .with_request_id("req_1")
                .with_provider_error(ProviderError::new(PROMPT))
                .with_partial(vec![Part::text(PROMPT)])
                .with_source(std::io::Error::other(PROMPT));
            failure(&context, &error, Duration::from_millis(12));
        }
    });
    let all = records.all();
    assert_eq!(all.len(), ErrorKind::ALL.len());
    for (kind, record) in ErrorKind::ALL.into_iter().zip(&all) {
        assert_eq!(record.level, expected(kind), "{kind}");
        let known = [
            ("operation", "conversation.send".to_owned()),
            ("owner", "ana".to_owned()),
            ("conversation", conversation.to_string()),
            ("turn", turn.to_string()),
            ("provider", "openai".to_owned()),
            ("model", "gpt-5".to_owned()),
            ("request_id", "req_1".to_owned()),
            ("status", "500".to_owned()),
            ("attempt", "0".to_owned()),
            ("error_kind", kind.as_str().to_owned()),
            ("reason", "some_reason".to_owned()),
            ("duration_ms", "12".to_owned()),
        ];
        for (field, value) in known {
            assert_eq!(record.fields.get(field), Some(&value), "{kind} lacks {field}: {record:?}");
        }
        assert_silent(record);
    }
}

fn assert_silent(record: &Record) {
    let shown = format!("{record:?}");
    assert!(!shown.contains(PROMPT), "a record holds what was said: {shown}");
    assert!(!shown.contains(KEY), "a record holds a key: {shown}");
}

/// Calls of every outcome that the simulator can play, over real sockets.
#[tokio::test]
async fn real_calls_leave_records_that_say_what_happened_and_nothing_that_was_said() {
    let records = Records::default();
    let _logged = tracing::subscriber::set_default(tracing_subscriber::registry().with(records.clone()));
    let simulator = tertulia_simulator::Simulator::start().await.unwrap();
    let tertulia = Tertulia::builder()
        .store("memory:")
        .provider(tertulia::ProviderSpec::openai_chat("lab", format!("{}/v1", simulator.url())))
        .key("lab", KEY)
        .settings(
            serde_json::from_value(
                serde_json::json!({"retry": {"max_attempts": 2, "base_delay_ms": 1, "throttle_base_delay_ms": 1}}),
            )
            .unwrap(),
        )
        .open()
        .await
        .unwrap();
    let me = tertulia.user("ana");
    let scripts = [
        ("status=401", ErrorKind::Unauthorized),
        ("status=402", ErrorKind::QuotaExhausted),
        ("status=400", ErrorKind::Invalid),
        ("status=429;retry_after=0.001", ErrorKind::RateLimited),
        ("status=500", ErrorKind::Unavailable),
        ("status=503", ErrorKind::Unavailable),
        ("text=one%20two%20three;chunks=3;cut=1", ErrorKind::Truncated),
        ("text=one%20two%20three;chunks=3;reset=1", ErrorKind::Truncated),
    ];
    for (script, kind) in scripts {
        let error = me.new_conversation().send(PROMPT).model(format!("lab/sim:{script}")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{script}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
    let stranger = tertulia.user("bob").conversation(me.new_conversation().id());
    assert_eq!(stranger.send(PROMPT).model("lab/any").await.unwrap_err().kind(), ErrorKind::NotFound);
    tertulia.close().await.unwrap();
    simulator.shutdown().await;

    let all = records.all();
    for (script, kind) in scripts {
        let found = all
            .iter()
            .any(|r| r.level == expected(kind) && r.fields.get("error_kind").is_some_and(|k| k == kind.as_str()));
        assert!(found, "{script} left no record of {kind} at its level: {all:#?}");
    }
    assert!(all.iter().any(|r| r.level == Level::INFO && r.fields.get("operation").is_some_and(|o| o == "close")));
    for record in &all {
        assert!(record.fields.contains_key("operation"), "a record does not say what was being done: {record:?}");
        assert_silent(record);
        if record.target == "tertulia::call" {
            for field in ["owner", "conversation", "error_kind", "reason"] {
                assert!(record.fields.contains_key(field), "a call's record lacks {field}: {record:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_ask_that_fails_after_its_first_word_leaves_one_record_and_one_that_is_stopped_none() {
    let records = Records::default();
    let _logged = tracing::subscriber::set_default(tracing_subscriber::registry().with(records.clone()));
    let simulator = tertulia_simulator::Simulator::start().await.unwrap();
    let spec = tertulia::ProviderSpec::openai_chat("lab", format!("{}/v1", simulator.url()));
    let tertulia = Tertulia::builder().store("memory:").provider(spec).key("lab", KEY).open().await.unwrap();
    let failed = || {
        let of_ask = |r: &&Record| r.target == "tertulia::call" && r.fields["operation"] == "ask";
        records.all().iter().filter(of_ask).map(|r| r.fields["error_kind"].clone()).collect::<Vec<_>>()
    };
    let error = tertulia.ask(PROMPT).model("lab/sim:words=5;cut=2").await.unwrap_err();
    assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Truncated, 1));
    assert_eq!(failed(), ["truncated"]);
    tertulia.ask(PROMPT).model("lab/sim:status=401").await.unwrap_err();
    assert_eq!(failed(), ["truncated", "unauthorized"]);
    let mut stream = tertulia.ask(PROMPT).model("lab/sim:words=5;stall=2").stream().await.unwrap();
    stream.next_text().await.unwrap();
    stream.cancel();
    stream.reply().await.unwrap();
    assert_eq!(failed(), ["truncated", "unauthorized"]);
    records.all().iter().for_each(assert_silent);
    tertulia.close().await.unwrap();
    simulator.shutdown().await;
}

/// Records that no test provokes are read in the source: each says what was being done, and to whom it belongs.
#[test]
fn every_record_in_the_source_names_its_operation_and_its_target() {
    fn sources(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            if entry.is_dir() && name != "tests" {
                sources(&entry, found);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                found.push(entry);
            }
        }
    }
    let mut files = Vec::new();
    sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut records = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for macro_name in
            ["tracing::error!(", "tracing::warn!(", "tracing::info!(", "tracing::debug!(", "tracing::event!("]
        {
            for (at, _) in text.match_indices(macro_name) {
                let record = text[at..].split(");").next().unwrap();
                assert!(
                    record.contains("operation ="),
                    "{} has a record without its operation: {record}",
                    file.display()
                );
                assert!(
                    record.contains("target: \"tertulia::"),
                    "{} has a record without its target: {record}",
                    file.display()
                );
                records += 1;
            }
        }
    }
    assert!(records > 15, "only {records} records were found: the test reads the wrong files");
}
