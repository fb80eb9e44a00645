//! What is logged, as a host hears it. One test, for a program has one log.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// Says what it hears, and before that waits for leave when it is told to.
struct Heard {
    records: Mutex<Sender<LogRecord>>,
    leave: Option<Mutex<Receiver<()>>>,
}

impl LogListener for Heard {
    fn log(&self, record: LogRecord) -> Result<(), TertuliaError> {
        if let Some(leave) = &self.leave {
            // An error says that everything may pass now.
            let _ = leave.lock().unwrap().recv();
        }
        let panics = record.message == "panics";
        let _ = self.records.lock().unwrap().send(record);
        assert!(!panics, "a listener that panics");
        Err(uniffi::UnexpectedUniFFICallbackError::new("thrown").into())
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "bounded by what the test logs")]
async fn a_host_hears_what_is_logged_and_holds_up_nobody() {
    let (said, heard) = channel();
    let listen = |leave| Some(Arc::new(Heard { records: Mutex::new(said.clone()), leave }) as Arc<dyn LogListener>);
    forward_logs(LogLevel::Info, listen(None)).unwrap();
    // What other tests log at the same time is not ours.
    let next = || heard.iter().find(|record| record.target == "tertulia.tests.host").unwrap();

    tracing::debug!(target: "tertulia::tests::host", "too quiet");
    tracing::warn!(target: "elsewhere::tests::host", "not ours");
    tracing::error!(target: "tertulia::tests::host", "panics");
    tracing::info!(target: "tertulia::tests::host", operation = "close", turns = 3, "closed");
    let first = next();
    assert_eq!((first.level, first.message.as_str()), (LogLevel::Error, "panics"));
    let second = next();
    assert_eq!((second.level, second.to_string().as_str()), (LogLevel::Info, "closed operation=close turns=3"));

    // What the engine itself says of a key that is rejected holds neither key nor prompt.
    let (_simulator, tertulia, chat) = open("status=401").await;
    let call = CallOptions { key: Some("sk-canary".to_owned()), ..CallOptions::default() };
    assert_eq!(reason(chat.send(say("canary-prompt"), call, None).await), "unauthorized key_rejected");
    tracing::warn!(target: "tertulia::tests::host", "after the call");
    for record in heard.iter() {
        assert!(!format!("{record:?}").contains("canary"), "{record:?}");
        if record.message == "after the call" {
            break;
        }
    }

    // A listener that does not come back holds up no call; what is too much is counted.
    let (leave, gate) = channel();
    forward_logs(LogLevel::Warn, listen(Some(Mutex::new(gate)))).unwrap();
    for _ in 0..3_000 {
        tracing::warn!(target: "tertulia::tests::host", "much");
    }
    let quick = CallOptions { model: Some("lab/sim:text=ok".to_owned()), ..CallOptions::default() };
    assert_eq!(words(&chat.send(say("Hi"), quick, None).await.unwrap().parts), "ok");
    drop(leave);
    let dropped = heard.iter().find(|record| record.message.contains("were dropped")).unwrap();
    assert_eq!((dropped.level, dropped.target.as_str()), (LogLevel::Warn, "tertulia"));
    // There is room for another one.
    assert_eq!(next().message, "much");

    forward_logs(LogLevel::Trace, None).unwrap();
    tracing::error!(target: "tertulia::tests::host", "to nobody");
    let (told, quiet) = channel();
    let other = Heard { records: Mutex::new(told), leave: None };
    forward_logs(LogLevel::Info, Some(Arc::new(other))).unwrap();
    tracing::info!(target: "tertulia::tests::host", "to the next");
    for record in quiet.iter() {
        assert_ne!(record.message, "to nobody");
        if record.message == "to the next" {
            break;
        }
    }
    forward_logs(LogLevel::Trace, None).unwrap();
    tertulia.shutdown().await.unwrap();
}
