//! What a model is shown of a long conversation: what has room in its window, and always what it needs to answer.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use serde_json::{Value, json};
use support::Lab;
use tertulia::base::{ConversationId, ErrorKind};
use tertulia::policy::tokens_of_message;
use tertulia::{
    ContextOptions, Conversation, ModelInfo, NewMessage, Part, ProviderSpec, Role, Tertulia, ToolCall, ToolSpec,
};

/// An engine whose model has a window of so many tokens.
async fn with_window(lab: &Lab, tokens: i64) -> Tertulia {
    let model = ModelInfo { context_window: Some(tokens), max_output_tokens: Some(1), ..ModelInfo::default() };
    let spec = ProviderSpec::openai_chat("small", format!("{}/v1", lab.simulator.url())).model("*", model);
    lab.builder().provider(spec).open().await.unwrap()
}

/// Says nothing of what it was sent that anything could be learnt from.
const SMALL: &str = "small/sim:text=ok;usage=1/1";

async fn fill(chat: &Conversation, messages: usize, bytes: usize) {
    let message = |n: usize| NewMessage::user(format!("{n:04} {}", "x ".repeat((bytes - 5) / 2)));
    chat.append((0..messages).map(message).collect::<Vec<_>>()).await.unwrap();
}

/// The messages that the model was shown, without the instructions.
fn shown(lab: &Lab) -> Vec<Value> {
    let all = lab.last_request()["messages"].as_array().unwrap().clone();
    all.into_iter().filter(|m| m["role"] != "system").collect()
}

/// How many tokens they are, by estimate.
fn counted(messages: &[Value]) -> u64 {
    messages.iter().filter_map(|m| m["content"].as_str()).map(|words| tokens_of_message(&NewMessage::user(words))).sum()
}

fn call(id: &str, bytes: usize) -> Part {
    let arguments = json!({ "q": "x".repeat(bytes) });
    Part::ToolCall {
        call: ToolCall {
            id: id.to_owned(),
            name: "f".to_owned(),
            arguments,
            provider_executed: false,
            free_text: false,
        },
    }
}

fn answer(id: &str, words: &str) -> Part {
    let Part::ToolCall { call } = call(id, 0) else { unreachable!() };
    Part::tool_result(call.result(words))
}

#[tokio::test]
async fn a_model_of_an_unknown_window_is_shown_what_128_000_tokens_hold() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    fill(&chat, 500, 1_000).await;
    chat.send("and now?").model(lab.text("ok")).await.unwrap();
    let messages = shown(&lab);
    let room = 128_000 * 9 / 10;
    assert!((room * 9 / 10..=room).contains(&counted(&messages)), "{}", counted(&messages));
    assert_eq!(messages.last().unwrap()["content"], "and now?");
    assert!(messages[messages.len() - 2]["content"].as_str().unwrap().starts_with("0499 "), "the oldest goes first");
    lab.close().await;
}

#[tokio::test]
async fn what_has_room_goes_by_tokens_whatever_their_letters() {
    let lab = Lab::memory().await;
    for letters in ["words as they come ", "!?", "0123456789", "Привет, как дела? ", "你好吗", "😀"] {
        // What one call reports is known of the next of its engine.
        let small = with_window(&lab, 4_000).await;
        let chat = small.user("ana").new_conversation();
        let message = NewMessage::user(letters.repeat(200 / letters.len()));
        chat.append(vec![message; 150]).await.unwrap();
        chat.send("and now?").model(SMALL).await.unwrap();
        let (messages, room) = (shown(&lab), 4_000 * 9 / 10);
        assert!(messages.len() < 151, "{letters}: all of them are shown");
        assert!((room * 9 / 10..=room).contains(&counted(&messages)), "{letters}: {}", counted(&messages));
        small.close().await.unwrap();
    }
    lab.close().await;
}

#[tokio::test]
async fn a_model_that_counts_more_tokens_is_shown_less() {
    let lab = Lab::memory().await;
    let small = with_window(&lab, 4_000).await;
    let mut seen = Vec::new();
    for usage in ["1", "20000"] {
        let chat = small.user("ana").new_conversation();
        fill(&chat, 60, 500).await;
        // What the provider reports of the first is known of the second.
        for _ in 0..2 {
            chat.send("and?").model(format!("small/sim:text=ok;usage={usage}/1")).await.unwrap();
        }
        seen.push(shown(&lab).len());
    }
    assert!(2 * seen[0] > 3 * seen[1] && seen[1] > 1, "{seen:?}");
    small.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn the_new_message_the_instructions_and_the_tools_take_room_too() {
    let lab = Lab::memory().await;
    let long = "y ".repeat(6_000);
    let tool = || ToolSpec::new("f", long.clone(), json!({"type": "object"}));
    let mut left = Vec::new();
    for with in ["nothing", "a long message", "instructions", "a tool"] {
        // What one call reports is known of the next of its engine.
        let small = with_window(&lab, 10_000).await;
        let chat = small.user("ana").new_conversation();
        fill(&chat, 60, 500).await;
        let said = if with == "a long message" { &*long } else { "hi" };
        let mut send = chat.send(said).model(SMALL);
        if with == "instructions" {
            send = send.system(&*long);
        }
        if with == "a tool" {
            send = send.tools([tool()]);
        }
        send.await.unwrap();
        left.push((with, shown(&lab).len() - 1));
        small.close().await.unwrap();
    }
    let (_, most) = left[0];
    assert!((50..=54).contains(&most), "{left:?}");
    for (with, messages) in &left[1..] {
        let given_up = most - messages;
        assert!((22..=25).contains(&given_up), "{with} of 12,000 bytes took the room of {given_up} messages: {left:?}");
    }
    lab.close().await;
}

#[tokio::test]
async fn a_new_message_that_is_longer_than_the_window_is_sent_alone() {
    let lab = Lab::memory().await;
    let small = with_window(&lab, 1_000).await;
    let chat = small.user("ana").new_conversation();
    fill(&chat, 3, 100).await;
    let long = "y".repeat(9_000);
    chat.send(&*long).model(SMALL).await.unwrap();
    let messages = shown(&lab);
    assert_eq!((messages.len(), messages[0]["content"].as_str().unwrap().len()), (1, 9_000));
    small.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn answers_of_tools_bring_their_calls_and_the_words_that_led_to_them_whatever_the_room() {
    let lab = Lab::memory().await;
    let small = with_window(&lab, 1_000).await;
    let chat = small.user("ana").new_conversation();
    fill(&chat, 3, 100).await;
    let assistant = |part| NewMessage::new(Role::Assistant, [part]);
    chat.append([
        NewMessage::user(format!("question {}", "q".repeat(4_000))),
        assistant(call("first", 5_000)),
        NewMessage::new(Role::Tool, [answer("first", "41")]),
        NewMessage::new(Role::Assistant, [call("second", 5_000), call("third", 10)]),
        NewMessage::new(Role::Tool, [answer("second", "42")]),
    ])
    .await
    .unwrap();
    chat.send(answer("third", "43")).model(SMALL).await.unwrap();
    let messages = shown(&lab);
    let roles: Vec<_> = messages.iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool"], "{messages:?}");
    assert!(messages[0]["content"].as_str().unwrap().starts_with("question"));
    assert_eq!(messages[1]["tool_calls"].as_array().unwrap().len(), 2);
    assert_eq!((messages[2]["content"].as_str(), messages[3]["content"].as_str()), (Some("42"), Some("43")));
    small.close().await.unwrap();
    lab.close().await;
}

/// Questions and answers, `turns` of them, every third through a tool.
async fn talk(chat: &Conversation, turns: usize) {
    let mut messages = Vec::new();
    for turn in 0..turns {
        messages.push(NewMessage::user(format!("question {turn}")));
        if turn % 3 == 0 {
            let id = format!("call_{turn}");
            messages.push(NewMessage::new(Role::Assistant, [call(&id, 10)]));
            messages.push(NewMessage::new(Role::Tool, [answer(&id, "42")]));
        }
        messages.push(NewMessage::assistant(format!("answer {turn}")));
    }
    chat.append(messages).await.unwrap();
}

/// What stands in each message that was shown: its words, or who speaks.
fn outline(messages: &[Value]) -> Vec<String> {
    let word =
        |m: &Value| m["content"].as_str().filter(|words| !words.is_empty()).or(m["role"].as_str()).map(str::to_owned);
    messages.iter().filter_map(word).collect()
}

#[tokio::test]
async fn the_newest_turns_are_shown_whole() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    talk(&chat, 10).await;
    let ask = || chat.send("and now?").model(lab.text("ok"));
    ask().context(ContextOptions::turns(2)).await.unwrap();
    assert_eq!(outline(&shown(&lab)), ["question 9", "assistant", "42", "answer 9", "and now?"]);
    ask().context(ContextOptions::turns(1)).await.unwrap();
    assert_eq!(outline(&shown(&lab)), ["and now?"]);
    ask().context(ContextOptions::turns(5)).await.unwrap();
    assert_eq!(
        outline(&shown(&lab)),
        [
            "question 8",
            "answer 8",
            "question 9",
            "assistant",
            "42",
            "answer 9",
            "and now?",
            "ok",
            "and now?",
            "ok",
            "and now?"
        ]
    );
    ask().context(ContextOptions::turns(1_000)).await.unwrap();
    assert_eq!(shown(&lab).len(), 2 * 10 + 2 * 4 + 2 * 3 + 1, "what is left out of one call is there for the next");
    lab.close().await;
}

#[tokio::test]
async fn words_beside_the_answer_of_a_tool_belong_to_the_turn_of_its_call() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    talk(&chat, 1).await;
    chat.append([
        NewMessage::user("question"),
        NewMessage::new(Role::Assistant, [call("mixed", 10)]),
        NewMessage::new(Role::User, [answer("mixed", "42"), Part::text("and quickly")]),
        NewMessage::assistant("answer"),
    ])
    .await
    .unwrap();
    chat.send("and now?").model(lab.text("ok")).context(ContextOptions::turns(2)).await.unwrap();
    assert_eq!(outline(&shown(&lab)), ["question", "assistant", "42", "and quickly", "answer", "and now?"]);
    lab.close().await;
}

#[tokio::test]
async fn a_conversation_that_goes_on_in_this_process_is_held_to_its_turns_too() {
    let lab = Lab::memory_with(|settings| settings.context.max_turns = Some(3)).await;
    let chat = lab.me().new_conversation();
    for n in 0..6 {
        chat.send(format!("question {n}")).model(lab.text("ok")).await.unwrap();
    }
    assert_eq!(outline(&shown(&lab)), ["question 3", "ok", "question 4", "ok", "question 5"]);
    chat.send("all").model(lab.text("ok")).context(ContextOptions::turns(100)).await.unwrap();
    assert_eq!(shown(&lab).len(), 13, "a call may be shown more than the settings say");
    lab.close().await;
}

#[tokio::test]
async fn a_call_can_be_held_to_fewer_tokens_than_the_model_has_room_for_and_never_to_more() {
    let lab = Lab::memory().await;
    for (tokens, most) in [(1_000, 1_000), (100_000, 4_000)] {
        // What one call reports is known of the next of its engine.
        let small = with_window(&lab, 4_000).await;
        let chat = small.user("ana").new_conversation();
        fill(&chat, 60, 500).await;
        chat.send("and?").model(SMALL).context(ContextOptions::tokens(tokens)).await.unwrap();
        let counted = counted(&shown(&lab));
        assert!((most * 7 / 10..=most * 9 / 10).contains(&counted), "{tokens}: {counted}");
        small.close().await.unwrap();
    }
    lab.close().await;
}

#[tokio::test]
async fn what_would_be_shown_is_what_is_shown_and_nothing_is_sent_for_it() {
    let lab = Lab::memory().await;
    let small = with_window(&lab, 4_000).await;
    let chat = small.user("ana").new_conversation();
    let nothing = chat.context().model(SMALL).await.unwrap();
    assert_eq!((nothing.messages, nothing.turns, nothing.is_whole), (0, 0, true));
    talk(&chat, 9).await;
    let asked = lab.simulator.requests().len();
    let whole = chat.context().model(SMALL).await.unwrap();
    assert_eq!((whole.messages, whole.turns, whole.is_whole), (2 * 9 + 2 * 3, 9, true));
    assert_eq!(whole.limit_tokens, 3_999, "the window less what is kept for the answer");
    let exactly = chat.context().model(SMALL).context(ContextOptions::turns(9)).await.unwrap();
    assert!(exactly.is_whole, "nothing older is left out");
    let cut = chat.context().model(SMALL).context(ContextOptions::turns(2)).await.unwrap();
    assert_eq!((cut.messages, cut.turns, cut.is_whole), (4, 2, false));
    assert!(0 < cut.tokens && cut.tokens < whole.tokens);
    let instructed = chat.context().model(SMALL).system("be brief ".repeat(100)).await.unwrap();
    assert!(instructed.tokens > whole.tokens + 100);
    assert_eq!(lab.simulator.requests().len(), asked);
    chat.send("and?").model(SMALL).await.unwrap();
    assert_eq!(shown(&lab).len() as i64, whole.messages + 1);
    fill(&chat, 100, 500).await;
    let full = chat.context().model(SMALL).await.unwrap();
    assert!(!full.is_whole && (2_800..=3_600).contains(&full.tokens), "{full:?}");
    small.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_window_of_nothing_is_refused_before_anything_is_saved() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    for bad in [ContextOptions::turns(0), ContextOptions::turns(-1), ContextOptions::tokens(0)] {
        let refused = chat.send("hi").model(lab.text("ok")).context(bad).await.unwrap_err();
        assert_eq!(refused.reason(), "bad_context");
        assert_eq!(chat.context().model(lab.text("ok")).context(bad).await.unwrap_err().reason(), "bad_context");
    }
    assert_eq!(chat.summary().await.unwrap_err().kind(), ErrorKind::NotFound);
    let lost = lab.me().conversation(ConversationId::from_bytes([7; 16])).context().model(lab.text("ok")).await;
    assert_eq!(lost.unwrap_err().kind(), ErrorKind::NotFound);
    lab.close().await;
}

#[tokio::test]
async fn another_try_is_shown_as_much_as_the_first_one() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    talk(&chat, 5).await;
    let failed = chat.send("and?").model(lab.model("status=400")).context(ContextOptions::turns(2)).await.unwrap_err();
    chat.retry(failed.turn_id().unwrap()).model(lab.text("ok")).await.unwrap().reply().await.unwrap();
    assert_eq!(outline(&shown(&lab)), ["question 4", "answer 4", "and?"]);
    lab.close().await;
}
