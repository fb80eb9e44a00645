//! Replies that end before their time: what of them is paid for is counted and kept.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::sync::Arc;

use support::within;
use tertulia::{
    Conversation, CostSource, Error, ErrorKind, Message, MessageStatus, ModelInfo, Price, ProviderSpec, ReplyStatus,
    Tertulia, Usage, UsageSource,
};
use tertulia_simulator::{Script, Simulator};

/// An engine whose models cost a thousand nano-USD a token sent in and two thousand a token written, by dialect: chat
/// completions report what they took at their end, Anthropic what was sent in at the beginning, Gemini that in every piece.
async fn lab(script: &str) -> (Tertulia, Simulator) {
    let simulator = Simulator::start().await.unwrap();
    simulator.set_script("m", Script::parse(script).unwrap());
    let url = simulator.url();
    let price = Price { input_nano_usd: 1_000_000_000, output_nano_usd: 2_000_000_000, ..Price::default() };
    let mut settings = tertulia::Settings::default();
    settings.retry.max_attempts = 1;
    let mut builder =
        Tertulia::builder().with_environment(Arc::new(|_: &str| None)).settings(settings).store("memory:");
    for spec in [
        ProviderSpec::openai_chat("chat", format!("{url}/v1")),
        ProviderSpec::anthropic("anthropic", format!("{url}/v1")),
        ProviderSpec::gemini("gemini", format!("{url}/v1beta")),
    ] {
        let info = ModelInfo { price: Some(price.clone()), ..ModelInfo::default() };
        builder = builder.provider(spec.model("m", info));
    }
    (builder.open().await.unwrap(), simulator)
}

/// The answer that stands last.
async fn last(chat: &Conversation) -> Message {
    chat.history().await.unwrap().items.pop().unwrap()
}

/// What the message counts, which must be an estimate and priced as one: sent in and written.
fn estimated(message: &Message) -> (i64, i64) {
    let usage = message.usage.as_ref().expect("no usage");
    let cost = message.cost.as_ref().expect("no cost");
    assert_eq!((usage.source, cost.source, usage.requests), (UsageSource::Estimated, CostSource::Estimated, 1));
    assert_eq!(cost.nano_usd, Some(1_000 * usage.input_tokens + 2_000 * usage.output_tokens));
    (usage.input_tokens, usage.output_tokens)
}

/// Streams until eight bytes have come, and stops there.
async fn stopped(chat: &Conversation, model: &str) -> tertulia::Reply {
    let mut stream = chat.stream("How many are there?").model(model).await.unwrap();
    let mut seen = String::new();
    while seen.len() < 8 {
        seen += &within(stream.next_text()).await.unwrap().expect("the stream ended");
    }
    stream.cancel();
    within(stream.reply()).await.unwrap()
}

/// "How many are there?" is 5 tokens, and 7 stand around it; "one two " is 2. Who reports what was sent in is believed.
const SENT_IN: [(&str, i64); 3] = [("chat/m", 12), ("anthropic/m", 1_000), ("gemini/m", 1_000)];

#[tokio::test]
async fn a_reply_that_was_cancelled_counts_what_was_sent_and_what_had_come() {
    let (tertulia, simulator) = lab("text=one two three;chunks=3;stall=2;usage=1000/200").await;
    for (model, sent) in SENT_IN {
        let chat = tertulia.user("ana").new_conversation();
        let reply = stopped(&chat, model).await;
        assert_eq!((reply.text(), reply.status), ("one two ".to_owned(), ReplyStatus::Cancelled), "{model}");
        let kept = last(&chat).await;
        assert_eq!((kept.status, estimated(&kept)), (MessageStatus::Cancelled, (sent, 2)), "{model}");
        assert_eq!((Some(&reply.usage), Some(&reply.cost)), (kept.usage.as_ref(), kept.cost.as_ref()), "{model}");
        let summary = chat.summary().await.unwrap();
        assert_eq!((summary.input_tokens, summary.output_tokens), (sent, 2), "{model}");
        let again = chat.attach(reply.turn_id.unwrap(), 0).await.unwrap().reply().await.unwrap();
        assert_eq!((again.usage, again.cost), (reply.usage, reply.cost), "{model}");
    }
    tertulia.close().await.unwrap();
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_reply_that_was_cut_counts_what_was_sent_and_what_had_come() {
    for end in ["cut=2", "reset=2", "truncate=2", "error_after=2"] {
        let (tertulia, simulator) = lab(&format!("text=one two three;chunks=3;usage=1000/200;delay_ms=1;{end}")).await;
        for (model, sent) in SENT_IN {
            let chat = tertulia.user("ana").new_conversation();
            let error: Error = chat.send("How many are there?").model(model).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Truncated, "{model} {end}");
            let kept = last(&chat).await;
            // A reset may overtake the words before it.
            let wrote = i64::try_from(kept.text().len().div_ceil(4)).unwrap();
            assert!((1..=2).contains(&wrote), "{model} {end}: {:?}", kept.text());
            assert_eq!((kept.status, estimated(&kept)), (MessageStatus::Interrupted, (sent, wrote)), "{model} {end}");
        }
        tertulia.close().await.unwrap();
        simulator.shutdown().await;
    }
}

#[tokio::test]
async fn what_the_provider_says_at_the_end_of_a_whole_reply_stays_its_word() {
    let (tertulia, simulator) = lab("text=one two three;usage=1000/200").await;
    for (model, _) in SENT_IN {
        let chat = tertulia.user("ana").new_conversation();
        chat.send("How many are there?").model(model).await.unwrap();
        let Message { usage: Some(usage), cost: Some(cost), .. } = last(&chat).await else { panic!("{model}") };
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.source), (1_000, 200, UsageSource::Reported));
        assert_eq!((cost.nano_usd, cost.source), (Some(1_400_000), CostSource::Catalogue), "{model}");
    }
    tertulia.close().await.unwrap();
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_stopped_call_that_stores_nothing_counts_too() {
    let (tertulia, simulator) = lab("text=one two three;chunks=3;stall=2").await;
    let mut stream = tertulia.ask("How many are there?").model("chat/m").stream().await.unwrap();
    let mut seen = String::new();
    while seen.len() < 8 {
        seen += &within(stream.next_text()).await.unwrap().expect("the stream ended");
    }
    stream.cancel();
    let reply = within(stream.reply()).await.unwrap();
    let Usage { input_tokens, output_tokens, source, .. } = reply.usage;
    assert_eq!((input_tokens, output_tokens, source), (12, 2, UsageSource::Estimated));
    assert_eq!((reply.cost.nano_usd, reply.cost.source), (Some(16_000), CostSource::Estimated));
    tertulia.close().await.unwrap();
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_reply_that_the_closing_engine_broke_off_counts_what_had_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let (_, simulator) = lab("words=9;stall=3").await;
    let open = || {
        let spec = ProviderSpec::openai_chat("chat", format!("{}/v1", simulator.url()));
        let builder = Tertulia::builder().with_environment(Arc::new(|_: &str| None)).provider(spec);
        builder.store(path.to_str().unwrap()).open()
    };
    let tertulia = open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    let mut stream = chat.stream("How many are there?").model("chat/m").detached().await.unwrap();
    within(stream.next_text()).await.unwrap();
    tertulia.close().await.unwrap();
    let tertulia = open().await.unwrap();
    let kept = last(&tertulia.user("ana").conversation(chat.id())).await;
    let usage = kept.usage.as_ref().expect("no usage");
    let wrote = i64::try_from(kept.text().len().div_ceil(4)).unwrap();
    assert_eq!((kept.status, usage.source), (MessageStatus::Interrupted, UsageSource::Estimated));
    assert_eq!((usage.input_tokens, usage.output_tokens), (12, wrote));
    assert_eq!(kept.cost.and_then(|cost| cost.nano_usd), None, "a model without a price");
    tertulia.close().await.unwrap();
    simulator.shutdown().await;
}
