//! The engine over real sockets: the simulator plays the provider, SQLite or memory keeps.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::{Lab, cause_of, within};
use tertulia::{
    CallOptions, ConversationChange, ConversationOptions, ErrorKind, FinishReason, Media, MessageStatus, NewMessage,
    Part, ReplyStatus, Role, StreamEventKind, Tertulia, ToolSpec, TurnState,
};

#[tokio::test]
async fn a_message_is_answered_and_both_are_in_the_history() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let reply = chat.send("Hello").model(lab.text("Hi there, friend")).await.unwrap();
    assert_eq!((reply.text().as_str(), reply.status), ("Hi there, friend", ReplyStatus::Done));
    assert_eq!(reply.finish_reason, Some(FinishReason::Stop));
    assert_eq!((reply.attempts.len(), reply.usage.requests), (1, 1));
    assert!(reply.first_token_ms.is_some());
    let page = chat.history().await.unwrap();
    let said: Vec<_> = page.items.iter().map(|m| (m.role, m.text(), m.status, m.depth)).collect();
    assert_eq!(
        said,
        [
            (Role::User, "Hello".to_owned(), MessageStatus::Complete, 1),
            (Role::Assistant, "Hi there, friend".to_owned(), MessageStatus::Complete, 2)
        ]
    );
    assert_eq!(page.items[1].id, reply.message_id.unwrap());
    assert!(page.reached_start && page.reached_end);
    let summary = chat.summary().await.unwrap();
    assert_eq!((summary.message_count, summary.last_preview.as_deref()), (2, Some("Hi there, friend")));
    assert_eq!(summary.output_tokens, reply.usage.output_tokens);
    lab.close().await;
}

#[tokio::test]
async fn a_conversation_outlives_the_engine_and_the_model_is_shown_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let lab = Lab::on(&path).await;
    let chat = lab.me().new_conversation_with(ConversationOptions {
        system: Some("Be brief.".to_owned()),
        title: Some("Trip".to_owned()),
        ..ConversationOptions::default()
    });
    chat.send("first").model(lab.text("one")).await.unwrap();
    let id = chat.id();
    lab.close().await;

    let lab = Lab::on(&path).await;
    let listed = lab.me().list_conversations().await.unwrap();
    assert_eq!((listed.items.len(), listed.items[0].id, listed.items[0].title.as_deref()), (1, id, Some("Trip")));
    lab.me().conversation(id).send("second").model(lab.text("two")).await.unwrap();
    let body = lab.last_request();
    let said: Vec<_> = body["messages"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert_eq!(said, ["Be brief.", "first", "one", "second"]);
    assert_eq!(body["stream"], true);
    lab.close().await;
}

#[tokio::test]
async fn bad_input_gets_its_own_error_and_changes_nothing() {
    let lab = Lab::memory().await;
    let me = lab.me();
    let ok = lab.text("ok");
    let chat = || me.new_conversation();
    let huge = "x".repeat(17 << 20);
    let no_key =
        tertulia::ProviderSpec::openai_chat("nokey", "https://example.invalid/v1").key_variable("TERTULIA_NO_SUCH_KEY");
    let strict = lab.builder().provider(no_key).open().await.unwrap();
    let cases = [
        ("empty", chat().send("").model(&*ok).await, ErrorKind::Invalid, "empty_message"),
        ("blank", chat().send(" \n ").model(&*ok).await, ErrorKind::Invalid, "empty_message"),
        ("no parts", chat().send(Vec::<Part>::new()).model(&*ok).await, ErrorKind::Invalid, "empty_message"),
        ("NUL", chat().send("a\0b").model(&*ok).await, ErrorKind::Invalid, "nul_character"),
        ("too long", chat().send(huge.as_str()).model(&*ok).await, ErrorKind::Invalid, "too_large"),
        ("no slash", chat().send("hi").model("gpt").await, ErrorKind::Invalid, "unknown_model"),
        ("unknown provider", chat().send("hi").model("opneai/gpt-5").await, ErrorKind::Invalid, "unknown_provider"),
        (
            "no key",
            strict.user("ana").new_conversation().send("hi").model("nokey/m").await,
            ErrorKind::Unauthorized,
            "key_missing",
        ),
        ("no model", chat().send("hi").await, ErrorKind::Invalid, "model_missing"),
        (
            "key in a header",
            chat().send("hi").model(&*ok).extra_header("Authorization", "x").await,
            ErrorKind::Invalid,
            "bad_header",
        ),
        (
            "no such file",
            chat().send(Part::image(Media::path("/no/such/file.png"))).model(&*ok).await,
            ErrorKind::Invalid,
            "unreadable_file",
        ),
        (
            "no user",
            lab.tertulia.user("").new_conversation().send("hi").model(&*ok).await,
            ErrorKind::Invalid,
            "bad_user",
        ),
        (
            "long metadata",
            chat().send("hi").model(&*ok).metadata("k", "v".repeat(9_000)).await,
            ErrorKind::Invalid,
            "too_large",
        ),
    ];
    for (what, outcome, kind, reason) in cases {
        let error = outcome.expect_err(what);
        assert_eq!((error.kind(), error.reason()), (kind, reason), "{what}: {error}");
        assert!(!error.saved(), "{what}");
        assert_eq!(error.operation(), "conversation.send", "{what}");
    }
    assert!(me.list_conversations().await.unwrap().items.is_empty(), "something was stored");
    assert!(lab.simulator.requests().is_empty(), "something was sent");
    strict.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_suggestion_comes_with_an_unknown_provider_and_a_bad_url_says_what_is_wrong() {
    let lab = Lab::memory().await;
    let error = lab.me().new_conversation().send("hi").model("opneai/gpt-5").await.unwrap_err();
    assert!(error.detail().contains("openai"), "{error}");
    for url in ["http://example.com/v1", "not a url", "https://user@example.com/v1", "ftp://x/v1"] {
        let spec = tertulia::ProviderSpec::openai_chat("bad", url);
        let error = lab.builder().provider(spec).open().await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_url"), "{url}");
    }
    lab.close().await;
}

#[tokio::test]
async fn another_users_conversation_turn_and_cursor_cannot_be_reached() {
    let lab = Lab::memory().await;
    let ok = lab.text("ok");
    let hers = lab.me().new_conversation();
    for _ in 0..3 {
        hers.send("secret").model(&*ok).await.unwrap();
    }
    let turn = hers.send("more").model(&*ok).await.unwrap().turn_id.unwrap();
    let cursor = hers.history().limit(2).await.unwrap().before.unwrap();
    let bob = lab.tertulia.user("bob");
    let stolen = bob.conversation(hers.id());
    let kinds = [
        stolen.send("hi").model(&*ok).await.unwrap_err(),
        stolen.history().await.unwrap_err(),
        stolen.summary().await.unwrap_err(),
        stolen.turn(turn).await.unwrap_err(),
        stolen.attach(turn, 0).await.unwrap_err(),
        stolen.stop(turn).await.unwrap_err(),
        stolen.delete().await.unwrap_err(),
        stolen.update(ConversationChange { title: Some(None), ..ConversationChange::default() }).await.unwrap_err(),
        stolen.retry(turn).model(&*ok).await.unwrap_err(),
    ];
    for error in kinds {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
    let mine = bob.new_conversation();
    mine.send("hi").model(&*ok).await.unwrap();
    assert_eq!(mine.history().before(cursor).await.unwrap_err().reason(), "bad_cursor");
    let other = lab.me().new_conversation();
    other.send("hi").model(&*ok).await.unwrap();
    assert_eq!(other.history().before(cursor).await.unwrap_err().reason(), "bad_cursor");
    assert_eq!(hers.history().limit(0).await.unwrap_err().reason(), "bad_limit");
    assert_eq!(hers.history().limit(201).await.unwrap_err().reason(), "bad_limit");
    assert_eq!(hers.history().await.unwrap().items.len(), 8);
    lab.close().await;
}

#[tokio::test]
async fn pages_lead_back_to_the_beginning_and_forward_to_the_end() {
    let lab = Lab::memory().await;
    let ok = lab.text("ok");
    let chat = lab.me().new_conversation();
    for n in 0..7 {
        chat.send(format!("m{n}")).model(&*ok).await.unwrap();
    }
    let (mut back, mut before) = (Vec::new(), None);
    loop {
        let page = chat.history().limit(4).before(before).await.unwrap();
        back.splice(0..0, page.items.iter().map(|m| m.id));
        before = page.before;
        if before.is_none() {
            assert!(page.reached_start);
            break;
        }
        assert_eq!(page.items.len(), 4);
    }
    assert_eq!(back.len(), 14);
    let first = chat.history().limit(1).before(None).await.unwrap();
    assert_eq!(first.items[0].id, back[13]);
    let polled = chat.history().after(first.after).await.unwrap();
    assert!(polled.items.is_empty() && polled.reached_end);
    chat.send("new").model(&*ok).await.unwrap();
    assert_eq!(chat.history().after(first.after).await.unwrap().items.len(), 2);
    lab.close().await;
}

#[tokio::test]
async fn polling_goes_on_from_an_empty_page() {
    let lab = Lab::memory().await;
    let (me, ok) = (lab.me(), lab.text("ok"));
    let chat = me.new_conversation();
    chat.send("hi").model(&*ok).await.unwrap();
    let newest = chat.history().await.unwrap().after;
    let empty = chat.history().after(newest).await.unwrap();
    assert_eq!((empty.items.len(), empty.after), (0, newest));
    let again = chat.history().after(empty.after).await.unwrap();
    assert_eq!((again.items.len(), again.after), (0, newest), "an empty page led back to the whole history");
    chat.send("more").model(&*ok).await.unwrap();
    assert_eq!(chat.history().after(again.after).await.unwrap().items.len(), 2);

    let listed = me.list_conversations().await.unwrap();
    let empty = me.list_conversations().after(listed.after).await.unwrap();
    assert_eq!((empty.items.len(), empty.after, empty.version), (0, listed.after, listed.version));
    assert!(me.list_conversations().after(empty.after).await.unwrap().items.is_empty());
    let other = me.new_conversation();
    other.send("hi").model(&*ok).await.unwrap();
    assert_eq!(me.list_conversations().after(empty.after).await.unwrap().items[0].id, other.id());
    lab.close().await;
}

#[tokio::test]
async fn a_page_before_the_first_item_is_empty_and_leads_no_further_back() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    chat.append([NewMessage::user("one"), NewMessage::user("two")]).await.unwrap();
    let page = chat.history().limit(1).await.unwrap();
    let first = chat.history().limit(1).before(page.before).await.unwrap();
    assert_eq!((first.items[0].text().as_str(), first.before), ("one", None));
    let empty = chat.history().before(first.after).await.unwrap();
    assert_eq!((empty.items.len(), empty.before, empty.reached_start), (0, None, true));
    lab.close().await;
}

#[tokio::test]
async fn the_same_client_id_is_the_same_message_and_another_body_is_a_conflict() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let first = chat.send("hi").client_id("c1").model(lab.text("one")).await.unwrap();
    let again = chat.send("hi").client_id("c1").model(lab.text("two")).await.unwrap();
    assert_eq!((again.text(), again.turn_id, again.message_id), (first.text(), first.turn_id, first.message_id));
    let other = chat.send("ho").client_id("c1").model(lab.text("two")).await.unwrap_err();
    assert_eq!((other.kind(), other.reason()), (ErrorKind::Conflict, "client_id"));
    assert_eq!(chat.history().await.unwrap().items.len(), 2);
    assert_eq!(lab.simulator.requests().len(), 1);
    lab.close().await;
}

#[tokio::test]
async fn dropping_the_owner_closes_the_connection_and_keeps_what_had_arrived() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let mut stream = chat.stream("hi").model(lab.model("words=5;stall=3")).await.unwrap();
    let turn = stream.turn_id().unwrap();
    let first = within(stream.next_text()).await.unwrap().unwrap();
    drop(stream);
    lab.peer_closed().await;
    lab.at_rest(&chat, turn).await;
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Cancelled);
    let kept = chat.history().await.unwrap().items.pop().unwrap();
    assert_eq!((kept.role, kept.status), (Role::Assistant, MessageStatus::Cancelled));
    assert!(kept.text().starts_with(&first), "{:?}", kept.text());
    lab.close().await;
}

#[tokio::test]
async fn cancelling_gives_the_partial_reply_and_dropping_a_send_cancels_too() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let mut stream = chat.stream("hi").model(lab.model("words=5;stall=3")).await.unwrap();
    within(stream.next_text()).await.unwrap();
    stream.cancel();
    let reply = within(stream.reply()).await.unwrap();
    assert_eq!(reply.status, ReplyStatus::Cancelled);
    assert!(!reply.text().is_empty());
    lab.peer_closed().await;

    let other = lab.me().new_conversation();
    {
        let send = std::future::IntoFuture::into_future(other.send("hi").model(lab.model("stall")));
        tokio::pin!(send);
        tokio::select! {
            _ = &mut send => panic!("a stalled reply ended"),
            () = lab.requested(2) => {}
        }
    }
    lab.peer_closed().await;
    let page = within(async {
        loop {
            let page = other.history().await.unwrap();
            let turn = page.items[0].turn_id.unwrap();
            if !other.turn(turn).await.unwrap().state.is_open() {
                return (page, other.turn(turn).await.unwrap().state);
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((page.0.items.len(), page.1), (1, TurnState::Cancelled));
    lab.close().await;
}

#[tokio::test]
async fn a_detached_reply_goes_on_and_is_read_from_any_place() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let mut stream = chat.stream("hi").model(lab.model("words=30;delay_ms=2")).detached().await.unwrap();
    let turn = stream.turn_id().unwrap();
    let mut seen = String::new();
    let mut seq = 0;
    while seq < 5 {
        let event = stream.next_event().await.unwrap().unwrap();
        seq = event.seq;
        if let StreamEventKind::Text { delta } = event.kind {
            seen.push_str(&delta);
        }
    }
    drop(stream);
    let mut rest = chat.attach(turn, seq).await.unwrap();
    while let Some(text) = within(rest.next_text()).await.unwrap() {
        seen.push_str(&text);
    }
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Done);
    let kept = chat.history().await.unwrap().items.pop().unwrap().text();
    assert_eq!(seen, kept);
    let late = chat.attach(turn, 0).await.unwrap().reply().await.unwrap();
    assert_eq!((late.text(), late.status), (kept, ReplyStatus::Done));
    lab.close().await;
}

#[tokio::test]
async fn who_waits_for_a_turn_that_is_stopped_hears_cancelled() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let mut stream = chat.stream("hi").model(lab.model("words=5;stall=3")).await.unwrap();
    let turn = stream.turn_id().unwrap();
    within(stream.next_text()).await.unwrap();
    chat.stop(turn).await.unwrap();
    let error = within(stream.reply()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(!error.partial().is_empty());
    chat.stop(turn).await.unwrap();
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Cancelled);
    lab.close().await;
}

#[tokio::test]
async fn a_cut_reply_is_truncated_kept_and_can_be_asked_for_again() {
    let lab = Lab::memory().await;
    for script in ["words=9;cut=4", "words=9;reset=4"] {
        let chat = lab.me().new_conversation();
        let error = chat.send("hi").model(lab.model(script)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{script}: {error:?}");
        assert!(error.saved() && !error.partial().is_empty());
        let turn = error.turn_id().unwrap();
        let rested = chat.turn(turn).await.unwrap();
        assert_eq!((rested.state, rested.error.unwrap().kind), (TurnState::Interrupted, ErrorKind::Truncated));
        let kept = chat.history().await.unwrap().items.pop().unwrap();
        assert_eq!(kept.status, MessageStatus::Interrupted);
        let reply = chat.retry(turn).model(lab.text("whole")).await.unwrap().reply().await.unwrap();
        assert_eq!(reply.text(), "whole");
        let page = chat.history().await.unwrap();
        let shown: Vec<_> = page.items.iter().map(|m| (m.text(), m.sibling_index, m.sibling_count)).collect();
        assert_eq!(shown, [("hi".to_owned(), 0, 1), ("whole".to_owned(), 1, 2)]);
        let messages = lab.last_request()["messages"].as_array().unwrap().len();
        assert_eq!(messages, 1, "the broken answer is not shown to the model when it is asked again");
        assert_eq!(
            cause_of(chat.retry(turn).model(lab.text("x")).await),
            (ErrorKind::Conflict, "already_answered".to_owned())
        );
    }
    lab.close().await;
}

#[tokio::test]
async fn a_call_that_fails_before_its_first_word_is_parked_with_its_message() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let error = chat.send("hi").model(lab.model("status=500")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Unavailable, 6));
    assert!(error.user_message().contains("Your message was saved."));
    let turn = error.turn_id().unwrap();
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Parked);
    assert_eq!(chat.history().await.unwrap().items.len(), 1);
    let reply = chat.retry(turn).model(lab.text("now")).await.unwrap().reply().await.unwrap();
    assert_eq!(reply.text(), "now");
    assert_eq!(chat.turn(turn).await.unwrap().attempt, 2);
    lab.close().await;
}

#[tokio::test]
async fn a_busy_provider_is_asked_once_more_and_the_reader_hears_of_it() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let mut stream = chat.stream("hi").model(lab.model("fail=1;status=429;retry_after=0.01;text=ok")).await.unwrap();
    let (mut retried, mut text) = (false, String::new());
    while let Some(event) = within(stream.next_event()).await.unwrap() {
        match event.kind {
            StreamEventKind::Progress { progress: tertulia::Progress::Retrying { attempt: 2, kind, .. } } => {
                retried = kind == ErrorKind::RateLimited;
            }
            StreamEventKind::Text { delta } => text.push_str(&delta),
            _ => {}
        }
    }
    assert_eq!((retried, text.as_str()), (true, "ok"));
    lab.close().await;
}

#[tokio::test]
async fn turns_of_one_conversation_run_one_after_the_other_in_their_order() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let slow = lab.model("text=slow;first_ms=20");
    let second = async {
        lab.requested(1).await;
        chat.send("two").model(lab.text("quick")).await
    };
    let (first, second) = tokio::join!(std::future::IntoFuture::into_future(chat.send("one").model(&*slow)), second);
    assert_eq!((first.unwrap().text().as_str(), second.unwrap().text().as_str()), ("slow", "quick"));
    let said: Vec<_> = chat.history().await.unwrap().items.iter().map(|m| m.text()).collect();
    assert_eq!(said, ["one", "slow", "two", "quick"]);
    lab.close().await;
}

#[tokio::test]
async fn a_stateless_call_stores_nothing_and_takes_text_parts_or_messages() {
    let lab = Lab::memory().await;
    let ok = lab.text("Lima");
    assert_eq!(lab.tertulia.ask("Capital of Peru?").model(&*ok).await.unwrap().text(), "Lima");
    let list = vec![NewMessage::system("Be brief."), NewMessage::user("Capital of Peru?")];
    let reply = lab.me().ask(list).model(&*ok).await.unwrap();
    assert_eq!((reply.turn_id, reply.message_id, reply.conversation_id), (None, None, None));
    let mut stream = lab.tertulia.ask("again").model(&*ok).stream().await.unwrap();
    let (mut text, mut last) = (String::new(), 0);
    while let Some(event) = stream.next_event().await.unwrap() {
        assert_eq!(event.seq, last + 1);
        last = event.seq;
        if let StreamEventKind::Text { delta } = event.kind {
            text.push_str(&delta);
        }
    }
    assert_eq!(text, "Lima");
    assert!(lab.me().list_conversations().await.unwrap().items.is_empty());
    let cut = lab.tertulia.ask("x").model(lab.model("words=5;cut=2")).await.unwrap_err();
    assert_eq!((cut.kind(), cut.saved(), cut.partial().is_empty()), (ErrorKind::Truncated, false, false));
    lab.close().await;
}

#[tokio::test]
async fn a_picture_is_kept_once_and_shown_to_the_model_again() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::on(&folder.path().join("chat.db")).await;
    let chat = lab.me().new_conversation();
    let ok = lab.text("a dot");
    let png = b"\x89PNG\r\n\x1a\n-not-a-real-picture".to_vec();
    let file = folder.path().join("dot.png");
    std::fs::write(&file, &png).unwrap();
    let parts = [Part::text("what is it?"), Part::image(Media::path(file.to_string_lossy()))];
    chat.send(parts).model(&*ok).await.unwrap();
    let first = lab.last_request()["messages"][0]["content"][1]["image_url"]["url"].as_str().unwrap().to_owned();
    assert!(first.starts_with("data:image/png;base64,"), "{first}");
    chat.send("and now?").model(&*ok).await.unwrap();
    assert_eq!(lab.last_request()["messages"][0]["content"][1]["image_url"]["url"], first);
    let stored = chat.history().await.unwrap().items.remove(0);
    let Part::Image { media } = &stored.parts[1] else { panic!("{stored:?}") };
    assert!(matches!(media.source, tertulia::MediaSource::Attachment { .. }));
    assert_eq!((media.name.as_deref(), media.size_bytes), (Some("dot.png"), i64::try_from(png.len()).ok()));
    lab.close().await;
}

#[tokio::test]
async fn a_tool_call_comes_back_as_data_and_its_answer_goes_on() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let spec =
        ToolSpec::new("weather", "The weather", json!({"type": "object", "properties": {"city": {"type": "string"}}}));
    let script = lab.model("tool=weather:%7B%22city%22%3A%22Lima%22%7D");
    let reply = chat.send("weather?").model(&*script).tools([spec.clone()]).await.unwrap();
    assert_eq!(reply.finish_reason, Some(FinishReason::ToolCalls));
    let calls = reply.tool_calls();
    assert_eq!((calls.len(), calls[0].name.as_str(), &calls[0].arguments), (1, "weather", &json!({"city": "Lima"})));
    let answer = Part::tool_result(calls[0].result("24 °C"));
    let reply = chat.send([answer]).model(lab.text("It is 24 °C")).tools([spec]).await.unwrap();
    assert_eq!(reply.text(), "It is 24 °C");
    let body = lab.last_request();
    let roles: Vec<_> =
        body["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap().to_owned()).collect();
    assert_eq!(roles, ["user", "assistant", "tool"]);
    lab.close().await;
}

/// Gives an old key first, and then a new one.
struct Vault(std::sync::atomic::AtomicU32);

impl tertulia::KeySource for Vault {
    fn key<'a>(&'a self, _: Option<&'a str>, provider: &'a str) -> tertulia::KeyFuture<'a> {
        let key = match self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => "sk-old",
            _ => "sk-new",
        };
        Box::pin(async move { Ok((provider == "lab").then(|| key.into())) })
    }
}

#[tokio::test]
async fn a_key_that_a_raw_request_finds_rejected_is_not_used_again() {
    let lab = Lab::memory().await;
    let tertulia = lab.builder().with_key_source(Vault(0.into())).open().await.unwrap();
    let body = json!({"model": "sim:status=401;fail=1;text=ok", "messages": [{"role": "user", "content": "hi"}]});
    for status in [401, 200] {
        let answer = tertulia.provider("lab").request("POST", "/v1/chat/completions", Some(&body)).await.unwrap();
        assert_eq!(answer.status, status);
    }
    let keys: Vec<_> = lab.simulator.requests().iter().map(|r| support::header(r, "authorization")).collect();
    assert_eq!(keys, [Some("Bearer sk-old".to_owned()), Some("Bearer sk-new".to_owned())]);
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_rejected_key_is_asked_for_once_more_at_its_source() {
    let lab = Lab::memory().await;
    let tertulia = lab.builder().with_key_source(Vault(0.into())).open().await.unwrap();
    let reply =
        tertulia.user("ana").new_conversation().send("hi").model(lab.model("status=401;fail=1;text=ok")).await.unwrap();
    assert_eq!(reply.text(), "ok");
    let keys: Vec<_> = lab.simulator.requests().iter().map(|r| support::header(r, "authorization")).collect();
    assert_eq!(keys, [Some("Bearer sk-old".to_owned()), Some("Bearer sk-new".to_owned())]);
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_raw_request_carries_the_key_and_gives_whatever_comes_back() {
    let lab = Lab::memory().await;
    let models = lab.tertulia.provider("lab").request("GET", "/v1/models", None).await.unwrap();
    assert_eq!(models.status, 200);
    assert!(models.json().unwrap()["data"].is_array());
    let missing = lab.tertulia.provider("lab").request("POST", "/v1/nothing", Some(&json!({}))).await.unwrap();
    assert_eq!(missing.status, 404);
    for (method, path) in [("GET", "v1/models"), ("GET", "//evil.example/x"), ("B AD", "/v1"), ("GET", "/a b")] {
        let error = lab.tertulia.provider("lab").request(method, path, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{method} {path}");
    }
    assert_eq!(
        lab.tertulia.provider("nobody").request("GET", "/", None).await.unwrap_err().reason(),
        "unknown_provider"
    );
    lab.close().await;
}

#[tokio::test]
async fn a_call_has_limits_of_time() {
    let lab = Lab::memory().await;
    let error = lab.tertulia.ask("hi").model(lab.model("stall")).timeout(Duration::from_millis(30)).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::TimedOut, "total"));
    let chat = lab.me().new_conversation();
    let error =
        chat.send("hi").model(lab.model("words=9;stall=3")).timeout(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "stalled"));
    lab.close().await;
}

#[tokio::test]
async fn a_timeout_of_no_time_is_refused_before_anything_is_stored_or_sent() {
    let lab = Lab::memory().await;
    let ok = lab.text("ok");
    for timeout_ms in [0, -1, i64::MIN] {
        let options = || CallOptions { timeout_ms: Some(timeout_ms), ..CallOptions::default() };
        let asked = lab.tertulia.ask("hi").with(options()).model(&*ok).await;
        let sent = lab.me().new_conversation().send("hi").with(options()).model(&*ok).await;
        for outcome in [asked, sent] {
            assert_eq!(cause_of(outcome), (ErrorKind::Invalid, "bad_timeout".to_owned()), "{timeout_ms}");
        }
    }
    assert!(lab.simulator.requests().is_empty() && lab.me().list_conversations().await.unwrap().items.is_empty());
    let longest = Duration::from_millis(u64::MAX);
    assert_eq!(lab.tertulia.ask("hi").model(&*ok).timeout(longest).await.unwrap().text(), "ok");
    lab.close().await;
}

#[tokio::test]
async fn after_close_every_handle_answers_closed_and_nothing_of_the_engine_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let lab = Lab::on(&path).await;
    let chat = lab.me().new_conversation();
    chat.send("hi").model(lab.text("ok")).await.unwrap();
    lab.tertulia.close().await.unwrap();
    lab.tertulia.close().await.unwrap();
    let kinds = [
        cause_of(chat.send("hi").model(lab.text("ok")).await),
        cause_of(chat.history().await),
        cause_of(lab.tertulia.ask("hi").model(lab.text("ok")).await),
        cause_of(lab.me().list_conversations().await),
    ];
    for (kind, _) in kinds {
        assert_eq!(kind, ErrorKind::Closed);
    }
    lab.close().await;
}

#[tokio::test]
async fn closing_ends_a_running_turn_as_interrupted_with_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let lab = Lab::on_with(&path, |settings| settings.store.draft_flush_ms = 5).await;
    let chat = lab.me().new_conversation();
    let mut stream = chat.stream("hi").model(lab.model("words=9;stall=3")).detached().await.unwrap();
    let turn = stream.turn_id().unwrap();
    within(stream.next_text()).await.unwrap();
    let id = chat.id();
    lab.close().await;
    assert_eq!(cause_of(stream.reply().await).0, ErrorKind::Closed);
    let lab = Lab::on(&path).await;
    let chat = lab.me().conversation(id);
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Interrupted);
    assert!(!chat.history().await.unwrap().items.pop().unwrap().text().is_empty());
    lab.close().await;
}

#[tokio::test]
async fn two_engines_share_nothing() {
    let lab = Lab::memory().await;
    let other = lab.builder().open().await.unwrap();
    let chat = lab.me().new_conversation();
    chat.send("hi").model(lab.text("ok")).await.unwrap();
    assert_eq!(cause_of(other.user("ana").conversation(chat.id()).history().await).0, ErrorKind::NotFound);
    other.close().await.unwrap();
    assert_eq!(chat.send("still here").model(lab.text("ok")).await.unwrap().text(), "ok");
    lab.close().await;
}

#[tokio::test]
async fn an_engine_can_be_opened_outside_of_a_runtime() {
    let text = std::thread::spawn(|| {
        futures::executor::block_on(async {
            let tertulia = Tertulia::builder().store("memory:").model("echo/any").open().await.unwrap();
            let reply = tertulia.user("ana").new_conversation().send("Cádiz").await.unwrap();
            tertulia.close().await.unwrap();
            reply.text()
        })
    })
    .join()
    .unwrap();
    assert!(text.contains("Cádiz"), "{text}");
}

#[tokio::test]
async fn an_engine_that_is_dropped_without_close_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let open = || Tertulia::builder().store(path.to_str().unwrap()).model("echo/echo").open();
    let id = {
        let tertulia = open().await.unwrap();
        let chat = tertulia.user("ana").new_conversation();
        chat.send("keep this").await.unwrap();
        chat.id()
    };
    let tertulia = open().await.unwrap();
    let kept = tertulia.user("ana").conversation(id).history().await.unwrap();
    assert_eq!(kept.items[0].text(), "keep this");
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn an_engine_with_a_thread_of_its_own_is_dropped_inside_of_async_code_and_loses_nothing() {
    let lab = Lab::memory().await;
    for under_way in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let builder = lab.builder().store(path.to_str().unwrap());
        // Made where there is no runtime, so that it has one of its own.
        let opening = std::thread::spawn(|| futures::executor::block_on(builder.open()));
        let tertulia = opening.join().unwrap().unwrap();
        let chat = tertulia.user("ana").new_conversation();
        chat.send("keep this").model(lab.text("kept")).await.unwrap();
        let id = chat.id();
        let mut streams = Vec::new();
        if under_way {
            let mut stream = chat.stream("and this").model(lab.model("words=5;stall=3")).await.unwrap();
            within(stream.next_text()).await.unwrap().unwrap();
            streams.push(stream);
        }
        // Whoever drops it is a task of another runtime, which must not be made to wait.
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move { drop((streams, chat, tertulia)) });
        task.join_next().await.unwrap().unwrap();
        let again = lab.builder().store(path.to_str().unwrap()).open().await.unwrap();
        let kept = again.user("ana").conversation(id).history().await.unwrap();
        let words: Vec<_> = kept.items.iter().map(|message| message.text()).collect();
        assert_eq!(words[..2], ["keep this", "kept"], "under way: {under_way}");
        assert_eq!(words.get(2).map(String::as_str), under_way.then_some("and this"), "under way: {under_way}");
        again.close().await.unwrap();
    }
    lab.close().await;
}

#[tokio::test]
async fn messages_are_stored_without_a_model_all_or_none_and_shown_to_it_later() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let ids = chat.append([NewMessage::user("first"), NewMessage::assistant("noted")]).await.unwrap();
    assert_eq!(chat.history().await.unwrap().items.iter().map(|m| m.id).collect::<Vec<_>>(), ids);
    let error = chat.append([NewMessage::user("kept?"), NewMessage::user("")]).await.unwrap_err();
    assert_eq!((error.reason(), error.operation()), ("empty_message", "conversation.append"));
    chat.send("second").model(lab.text("ok")).await.unwrap();
    assert_eq!(lab.last_request()["messages"].as_array().unwrap().len(), 3);
    assert_eq!(
        cause_of(lab.tertulia.user("bob").conversation(chat.id()).append([NewMessage::user("x")]).await).0,
        ErrorKind::NotFound
    );
    lab.close().await;
}

#[tokio::test]
async fn warming_up_opens_a_connection_that_the_first_call_uses() {
    let lab = Lab::memory().await;
    assert_eq!(lab.simulator.open_connections(), 0, "an engine opens nothing by itself");
    lab.tertulia.warm_up(["lab/any"]).await.unwrap();
    assert_eq!(lab.simulator.open_connections(), 1);
    lab.me().new_conversation().send("hi").model(lab.text("ok")).await.unwrap();
    let opened =
        lab.simulator.events().iter().filter(|e| e.kind == tertulia_simulator::EventKind::ConnectionOpened).count();
    assert_eq!(opened, 1);
    assert_eq!(cause_of(lab.tertulia.warm_up(["opneai/x"]).await).1, "unknown_provider");
    lab.close().await;
}

#[tokio::test]
async fn an_event_longer_than_the_settings_allow_ends_the_reply() {
    let lab = Lab::memory().await;
    let mut settings = tertulia::Settings::default();
    settings.network.max_event_bytes = 4_096;
    settings.retry.max_attempts = 1;
    let tertulia = lab.builder().settings(settings).open().await.unwrap();
    let long = lab.model("words=4000;chunks=1");
    assert_eq!(cause_of(tertulia.ask("hi").model(&*long).await).1, "event_too_large");
    assert!(lab.tertulia.ask("hi").model(&*long).await.unwrap().text().len() > 4_096);
    tertulia.close().await.unwrap();
    lab.close().await;
}
