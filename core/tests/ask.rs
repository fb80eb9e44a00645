//! The call that stores nothing, as it comes and as it ends.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use support::{Lab, within};
use tertulia::{Capabilities, ModelInfo, ProviderSpec, ReplyStatus, Settings, StreamEventKind};

#[tokio::test]
async fn the_first_event_says_that_it_began_and_with_which_model() {
    let lab = Lab::memory().await;
    let model = lab.text("Lima");
    let mut stream = lab.tertulia.ask("Capital of Peru?").model(&*model).stream().await.unwrap();
    let first = stream.next_event().await.unwrap().unwrap();
    assert_eq!((first.seq, first.turn_id), (1, None));
    assert_eq!(first.kind, StreamEventKind::Started { turn_id: None, message_id: None, model });
    let second = stream.next_event().await.unwrap().unwrap();
    assert_eq!((second.seq, second.kind), (2, StreamEventKind::Text { delta: "Lima".to_owned() }));
    lab.close().await;
}

#[tokio::test]
async fn stopping_it_closes_the_connection_and_gives_what_had_arrived() {
    let lab = Lab::memory().await;
    for read_on in [false, true] {
        let stalls = lab.model("text=one%20two%20three;chunks=3;stall=2");
        let mut stream = lab.tertulia.ask("hi").model(&*stalls).stream().await.unwrap();
        let mut said = stream.next_text().await.unwrap().unwrap();
        said += &within(stream.next_text()).await.unwrap().unwrap();
        stream.cancel();
        if read_on {
            let last = within(stream.next_event()).await.unwrap().unwrap();
            assert!(matches!(last.kind, StreamEventKind::Done { .. }), "{last:?}");
            assert!(stream.next_event().await.unwrap().is_none());
        }
        let reply = within(stream.reply()).await.unwrap();
        assert_eq!((reply.status, reply.text()), (ReplyStatus::Cancelled, said));
        assert_eq!((reply.model.as_str(), reply.attempts.len()), (stalls.strip_prefix("lab/").unwrap(), 1));
    }
    lab.peer_closed().await;
    lab.close().await;
}

#[tokio::test]
async fn the_providers_own_object_is_there_only_when_it_is_asked_for() {
    let lab = Lab::memory().await;
    for keep_raw in [false, true] {
        let whole = Capabilities { streaming: Some(false), ..Capabilities::default() };
        let info = ModelInfo { capabilities: whole, ..ModelInfo::default() };
        let spec = ProviderSpec::openai_chat("whole", format!("{}/v1", lab.simulator.url())).model("*", info);
        let mut settings = Settings::default();
        settings.store.keep_raw = keep_raw;
        let tertulia = lab.builder().settings(settings).provider(spec).open().await.unwrap();
        let reply = tertulia.ask("hi").model("whole/sim:text=ok").await.unwrap();
        assert_eq!((reply.text().as_str(), reply.raw.is_some()), ("ok", keep_raw));
        tertulia.close().await.unwrap();
    }
    lab.close().await;
}
