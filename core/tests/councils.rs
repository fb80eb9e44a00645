//! Councils over real sockets: members that hang, fail and write what nobody can read, chairmen that are down, and what is
//! left of a run when its process dies.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use support::mortal::Mortal;
use support::over::Over;
use support::{Lab, cause_of, within};
use tertulia::base::{Clock as _, ManualClock, Random as _, SeededRandom};
use tertulia::store::{MemoryStore, Store};
use tertulia::{
    Council, CouncilResult, CouncilStage, ErrorKind, ModelInfo, Price, ProviderSpec, Role, Run, RunEventKind, RunId,
};
use tertulia_simulator::Script;

/// What a reviewer writes who likes the first one it is shown best.
const IN_ORDER: &str = "text={\"ranking\": [\"A\", \"B\"]}";

/// The model of this name, which plays these scripts, one for each call.
fn plays(lab: &Lab, name: &str, scripts: &[&str]) -> String {
    lab.simulator.set_scripts(name, scripts.iter().map(|script| Script::parse(script).unwrap()));
    format!("lab/{name}")
}

/// Three members that answer and judge, and a chairman.
fn council(lab: &Lab) -> Council {
    let members = ["m1", "m2", "m3"].map(|name| plays(lab, name, &[&format!("text=I am {name}.;chunks=2"), IN_ORDER]));
    Council::new(members).chairman(plays(lab, "chair", &["text=We think so.;chunks=2"])).seed(7)
}

/// Whom a request asks.
fn model_of(request: &tertulia_simulator::RecordedRequest) -> String {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    body["model"].as_str().unwrap().to_owned()
}

/// What a request says, as one text.
fn words_of(request: &tertulia_simulator::RecordedRequest) -> String {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let words = |message: &serde_json::Value| message["content"].as_str().unwrap_or_default().to_owned();
    body["messages"].as_array().unwrap().iter().map(words).collect::<Vec<_>>().join("\n")
}

/// How often each was asked.
fn asked(lab: &Lab) -> Vec<(String, usize)> {
    let mut asked: Vec<String> = lab.simulator.requests().iter().map(model_of).collect();
    asked.sort_unstable();
    asked.chunk_by(|a, b| a == b).map(|same| (same[0].clone(), same.len())).collect()
}

fn name(kind: &RunEventKind) -> String {
    serde_json::to_value(kind).unwrap()["type"].as_str().unwrap().to_owned()
}

/// All events of a run that has ended.
async fn events<T>(run: &mut Run<T>) -> Vec<RunEventKind> {
    let mut all = Vec::new();
    while let Some(event) = within(run.next_event()).await.unwrap() {
        all.push(event.kind);
    }
    all
}

fn missing(result: &CouncilResult) -> Vec<(&str, CouncilStage, &str)> {
    result.degraded.iter().map(|missing| (&*missing.who, missing.stage, &*missing.why)).collect()
}

#[tokio::test]
async fn members_answer_and_judge_each_other_and_the_chairman_answers_in_the_conversation() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let mut run = chat.run(&council(&lab), "Rewrite it in Rust?").start().await.unwrap();
    let heard = events(&mut run).await;
    let words = |of: fn(&RunEventKind) -> Option<&str>| heard.iter().filter_map(of).collect::<String>();
    assert_eq!(
        words(|e| if let RunEventKind::MemberText { who, delta } = e {
            (who == "lab/m2").then_some(delta)
        } else {
            None
        }),
        "I am m2."
    );
    assert_eq!(
        words(|e| if let RunEventKind::SynthesisText { delta } = e { Some(delta) } else { None }),
        "We think so."
    );
    let kept: Vec<String> = heard.iter().filter(|kind| !kind.is_passing()).map(name).collect();
    let count = |wanted: &str| kept.iter().filter(|name| *name == wanted).count();
    assert_eq!((count("member_started"), count("member_done"), count("review_done")), (3, 3, 3));
    assert_eq!(kept[kept.len() - 4..], ["ranking_ready", "asking", "replied", "done"]);

    let result: CouncilResult = within(lab.me().attach(run.id(), 0).unwrap().result()).await.unwrap();
    assert_eq!((&*result.text(), result.run_id), ("We think so.", run.id()));
    assert!(result.is_whole(), "{:?}", result.degraded);
    let answers: Vec<_> = result.answers.iter().map(|answer| (&*answer.who, &*answer.text)).collect();
    assert_eq!(answers, [("lab/m1", "I am m1."), ("lab/m2", "I am m2."), ("lab/m3", "I am m3.")]);
    assert_eq!(result.ranking.len(), 3);
    assert!(result.ranking.iter().all(|standing| standing.judges == 2), "{:?}", result.ranking);
    let page = chat.history().await.unwrap();
    assert_eq!(page.items.iter().map(|message| message.role).collect::<Vec<_>>(), [Role::User, Role::Assistant]);
    assert_eq!(Some(page.items[1].id), result.reply.message_id, "the result is a message of the conversation");

    for request in lab.simulator.requests() {
        let (who, words) = (model_of(&request), words_of(&request));
        assert!(words.contains("Rewrite it in Rust?"), "{words}");
        if words.contains("labels A, B stand once") {
            assert!(!words.contains(&format!("I am {who}.")), "a member is not shown its own answer: {words}");
            assert_eq!(words.matches("I am m").count(), 2);
            assert!(!words.contains("lab/"), "nobody is named: {words}");
        }
        if who == "chair" {
            assert_eq!(words.matches("I am m").count(), 3);
            assert!(words.contains("1. ") && !words.contains("lab/"), "{words}");
        }
    }
    assert_eq!(asked(&lab).iter().map(|(_, times)| *times).collect::<Vec<_>>(), [1, 2, 2, 2]);
    lab.close().await;
}

#[tokio::test]
async fn with_one_hung_one_failing_one_unreadable_and_no_chairman_there_is_an_answer_within_the_deadline() {
    let lab = Lab::memory().await;
    let clock = ManualClock::default();
    let tertulia = lab.builder().with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let fine = "Let me think: A is better than B.\n\n{\"ranking\": [\"A\", \"B\"]}";
    let members = [
        plays(&lab, "fine1", &["text=I am fine1.", &format!("text={fine}")]),
        plays(&lab, "hung", &["text=one two;stall=1"]),
        plays(&lab, "fine2", &["text=I am fine2.", &format!("text={fine}")]),
        plays(&lab, "failing", &["error=auth"]),
        plays(&lab, "odd", &["text=I am odd.", "text=They are all very nice.", "text=I would rather not."]),
    ];
    let council = Council::new(members).chairman(plays(&lab, "chair", &["stall"])).quorum(3);
    let began = clock.monotonic();
    let chat = tertulia.user("ana").new_conversation();
    let mut run = chat.run(&council, "Rewrite it in Rust?").start().await.unwrap();
    let (mut settled, mut last) = (0, None);
    while let Some(event) = within(run.next_event()).await.unwrap() {
        match event.kind {
            RunEventKind::MemberDone { .. } | RunEventKind::MemberFailed { stage: CouncilStage::Answers, .. } => {
                settled += 1;
                // Four are done with; the fifth hangs.
                if settled == 4 {
                    lab.requested(5).await;
                    clock.advance(Duration::from_millis(50_400));
                }
            }
            RunEventKind::Asking { .. } => {
                // Five answers, three reviews, one of them twice, and the chairman.
                lab.requested(10).await;
                clock.advance(Duration::from_millis(69_600));
            }
            RunEventKind::Done { output } => last = Some(output),
            _ => {}
        }
    }
    assert!(clock.monotonic() - began <= Duration::from_secs(120));
    let result: CouncilResult = serde_json::from_value(last.unwrap()).unwrap();
    let best = &result.ranking[0];
    let answer = result.answers.iter().find(|answer| answer.who == best.who).unwrap();
    assert_eq!(result.text(), answer.text, "the best ranked answer is the answer");
    let missing = missing(&result);
    assert_eq!(
        missing.iter().map(|(who, stage, _)| (*who, *stage)).collect::<Vec<_>>(),
        [
            ("lab/hung", CouncilStage::Answers),
            ("lab/failing", CouncilStage::Answers),
            ("lab/odd", CouncilStage::Reviews),
            ("lab/chair", CouncilStage::Synthesis),
        ]
    );
    assert_eq!(missing[2].2, "unread_ballot");
    assert_eq!(result.ranking.len(), 3);
    let page = chat.history().await.unwrap();
    let last = page.items.last().unwrap();
    assert_eq!((last.role, Some(last.id)), (Role::Assistant, result.reply.message_id));
    assert_eq!(last.metadata["council_member"], best.who, "who wrote it stands beside it");
    assert_eq!(page.items.iter().filter(|message| message.role == Role::User).count(), 1, "the question is there once");
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_ballot_that_cannot_be_read_is_asked_for_once_more() {
    let lab = Lab::memory().await;
    let council = council(&lab);
    plays(&lab, "m2", &["text=I am m2.", "text=Both are nice.", "text=B > A"]);
    let result = within(lab.me().new_conversation().run(&council, "?").into_future()).await.unwrap();
    assert!(result.is_whole(), "{:?}", result.degraded);
    assert_eq!(asked(&lab)[2], ("m2".to_owned(), 3));
    let told = lab.simulator.requests().iter().map(words_of).find(|words| words.contains("No ranking could be read"));
    assert!(told.unwrap().contains("Both are nice."), "it sees what it wrote");
    lab.close().await;
}

#[tokio::test]
async fn another_chairman_takes_the_place_of_one_that_fails_and_the_result_says_so() {
    let lab = Lab::memory().await;
    let council = council(&lab).chairman(plays(&lab, "down", &["error=auth"])).fallback_chairman("lab/chair");
    let chat = lab.me().new_conversation();
    let result = within(chat.run(&council, "Rewrite it in Rust?").into_future()).await.unwrap();
    assert_eq!(result.text(), "We think so.");
    let missing = missing(&result);
    assert_eq!(missing.len(), 1);
    assert_eq!((missing[0].0, missing[0].1), ("lab/down", CouncilStage::Synthesis));
    let page = chat.history().await.unwrap();
    assert_eq!(page.items.iter().map(|message| message.role).collect::<Vec<_>>(), [Role::User, Role::Assistant]);
    assert_eq!(Some(page.items[1].id), result.reply.message_id);
    lab.close().await;
}

#[tokio::test]
async fn a_chairman_that_hangs_leaves_the_next_one_its_part_of_the_time() {
    let lab = Lab::memory().await;
    let clock = ManualClock::default();
    let tertulia = lab.builder().with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let council = council(&lab).chairman(plays(&lab, "slow", &["text=one two;stall=1"])).fallback_chairman("lab/chair");
    let chat = tertulia.user("ana").new_conversation();
    let mut run = chat.run(&council, "?").start().await.unwrap();
    let mut result = None;
    while let Some(event) = within(run.next_event()).await.unwrap() {
        match event.kind {
            // It has begun to speak, and all of the time is left: six tenths of it are its own.
            RunEventKind::SynthesisText { delta } if delta.contains("one") => clock.advance(Duration::from_secs(72)),
            RunEventKind::Done { output } => result = Some(serde_json::from_value::<CouncilResult>(output).unwrap()),
            _ => {}
        }
    }
    let result = result.unwrap();
    assert_eq!(result.text(), "We think so.");
    assert_eq!(missing(&result).len(), 1, "{:?}", result.degraded);
    assert_eq!(missing(&result)[0].0, "lab/slow");
    let page = chat.history().await.unwrap();
    let shown: Vec<_> = page.items.iter().map(|message| (message.role, message.text())).collect();
    assert_eq!(shown, [(Role::User, "?".to_owned()), (Role::Assistant, "We think so.".to_owned())]);
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn what_a_chairman_began_to_say_is_not_shown_before_the_answer_that_takes_its_place() {
    let lab = Lab::memory().await;
    let council = council(&lab).chairman(plays(&lab, "broken", &["text=one two three;cut=1"]));
    let chat = lab.me().new_conversation();
    let result = within(chat.run(&council, "?").into_future()).await.unwrap();
    assert_eq!(missing(&result).iter().map(|(who, ..)| *who).collect::<Vec<_>>(), ["lab/broken"]);
    let page = chat.history().await.unwrap();
    let shown: Vec<_> = page.items.iter().map(|message| (message.role, message.text())).collect();
    assert_eq!(shown, [(Role::User, "?".to_owned()), (Role::Assistant, result.text())]);
    assert_eq!(Some(page.items[1].id), result.reply.message_id);
    lab.close().await;
}

#[tokio::test]
async fn too_few_answers_are_an_error_that_names_who_is_missing_and_can_be_mended() {
    let lab = Lab::memory().await;
    let down = |name| plays(&lab, name, &["error=invalid"]);
    let council = Council::new([down("m1"), down("m2"), plays(&lab, "m3", &["text=I am m3."])]).quorum(2);
    let chat = lab.me().new_conversation();
    let run = chat.run(&council, "?").start().await.unwrap();
    let id = run.id();
    let error = within(run.result()).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "quorum_missed"));
    for part in ["1 of 3 members", "quorum is 2", "lab/m1", "lab/m2"] {
        assert!(error.detail().contains(part), "{error}");
    }
    // Those that failed are asked again by whoever picks it up; who answered is not.
    plays(&lab, "m1", &["text=I am m1.", "text=We think so."]);
    let run = within(chat.pick_up(&council, id).into_future()).await.unwrap();
    let result = within(run.result()).await.unwrap();
    assert_eq!(result.text(), "We think so.");
    assert_eq!(missing(&result).len(), 1);
    assert_eq!(asked(&lab)[2], ("m3".to_owned(), 1));

    let nobody = Council::new([down("m1"), down("m2")]);
    let outcome = within(lab.me().new_conversation().run(&nobody, "?").into_future()).await;
    assert_eq!(cause_of(outcome), (ErrorKind::Unavailable, "quorum_missed".to_owned()));
    lab.close().await;
}

#[tokio::test]
async fn two_answers_are_not_judged_and_a_council_that_cannot_be_held_asks_nobody() {
    let lab = Lab::memory().await;
    let two = Council::new([plays(&lab, "m1", &["text=One."]), plays(&lab, "m2", &["text=Two."])]).chairman(plays(
        &lab,
        "chair",
        &["text=We think so."],
    ));
    let result = within(lab.me().new_conversation().run(&two, "?").into_future()).await.unwrap();
    assert!(result.is_whole());
    assert!(result.ranking.iter().all(|standing| standing.by_lot && standing.judges == 0));
    assert_eq!(lab.simulator.requests().len(), 3);
    let outcome = lab.me().new_conversation().run(&two.quorum(3), "?").await;
    assert_eq!(cause_of(outcome), (ErrorKind::Invalid, "bad_council".to_owned()));
    assert_eq!(lab.simulator.requests().len(), 3);
    lab.close().await;
}

#[tokio::test]
async fn members_are_shown_the_conversation_and_its_instructions() {
    let lab = Lab::memory().await;
    let options = tertulia::ConversationOptions { system: Some("Be brief.".to_owned()), ..Default::default() };
    let chat = lab.me().new_conversation_with(options);
    within(chat.run(&council(&lab), "Is Rust fast?").into_future()).await.unwrap();
    lab.simulator.clear();
    within(chat.run(&council(&lab), "And is it safe?").into_future()).await.unwrap();
    for request in lab.simulator.requests() {
        let (who, words) = (model_of(&request), words_of(&request));
        let first = words.find("Is Rust fast?").unwrap();
        let answer = words.find("We think so.").unwrap();
        assert!(first < answer && answer < words.rfind("And is it safe?").unwrap(), "{who}: {words}");
        let is_review = words.contains("labels A, B stand once");
        assert_eq!(words.contains("Be brief."), !is_review, "{who}: {words}");
    }
    lab.close().await;
}

#[tokio::test]
async fn no_more_members_are_asked_at_once_than_may_be() {
    let lab = Lab::memory().await;
    let mut run = lab.me().new_conversation().run(&council(&lab).max_parallel(1), "?").start().await.unwrap();
    let heard = events(&mut run).await;
    let kept: Vec<String> = heard.iter().filter(|kind| !kind.is_passing()).map(name).collect();
    let pair = ["member_started", "member_done"];
    assert_eq!(kept[1..7], [pair, pair, pair].concat());
    lab.close().await;
}

#[tokio::test]
async fn what_a_council_costs_is_said_for_each_member_and_limited_for_all() {
    let lab = Lab::memory().await;
    let price = Price { input_nano_usd: 1_000_000_000, output_nano_usd: 2_000_000_000, ..Price::default() };
    let info = || ModelInfo { price: Some(price.clone()), max_output_tokens: Some(1_000), ..ModelInfo::default() };
    let mut spec = ProviderSpec::openai_chat("priced", format!("{}/v1", lab.simulator.url()));
    for name in ["m1", "m2", "m3", "chair"] {
        spec = spec.model(name, info());
    }
    let tertulia = lab.builder().provider(spec).open().await.unwrap();
    for name in ["m1", "m2", "m3"] {
        plays(&lab, name, &["text=Yes.;usage=300/450", &format!("{IN_ORDER};usage=100/50")]);
    }
    plays(&lab, "chair", &["text=We think so.;usage=400/45"]);
    let council = Council::new(["priced/m1", "priced/m2", "priced/m3"]).chairman("priced/chair");
    let chat = tertulia.user("ana").new_conversation();
    let preview = council.preview(&chat, "?").await.unwrap();
    assert_eq!(lab.simulator.requests().len(), 0, "a preview asks nobody");
    let result = within(chat.run(&council, "?").into_future()).await.unwrap();
    let spent: i64 = 3 * 1_400_000 + 490_000;
    assert!((preview.low_nano_usd..preview.high_nano_usd).contains(&spent), "{preview:?}");
    assert!(preview.unpriced.is_empty());
    let later = council.preview(&chat, "?").await.unwrap();
    assert!(later.likely_nano_usd > preview.likely_nano_usd, "the conversation is longer now");
    // 300 + 2 × 450 for the answer, 100 + 2 × 50 for the review, in millionths.
    assert!(
        result.cost_by_member.values().all(|cost| *cost == Some(1_200_000 + 200_000)),
        "{:?}",
        result.cost_by_member
    );
    assert_eq!(result.reply.cost.nano_usd, Some(490_000));

    lab.simulator.clear();
    let outcome = within(tertulia.user("ana").new_conversation().run(&council, "?").max_cost_nano_usd(1).into_future());
    assert_eq!(cause_of(outcome.await).1, "quorum_missed");
    assert_eq!(lab.simulator.requests().len(), 0, "what would cost more than may be spent is not asked");
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn whatever_goes_wrong_a_council_ends_and_never_costs_more_than_it_may() {
    /// What each answered call costs: 100 tokens in, 50 out.
    const CALL: i64 = 200_000;
    let lab = Lab::memory().await;
    let price = Price { input_nano_usd: 1_000_000_000, output_nano_usd: 2_000_000_000, ..Price::default() };
    let info = ModelInfo { price: Some(price), max_output_tokens: Some(500), ..ModelInfo::default() };
    let mut spec = ProviderSpec::openai_chat("priced", format!("{}/v1", lab.simulator.url()));
    let (free, paid) = (["error=invalid", "error=context"], ["one", "two", "three", "odd"]);
    for name in paid.iter().copied().chain(["bad0", "bad1"]) {
        spec = spec.model(name, info.clone());
    }
    for (at, script) in free.into_iter().enumerate() {
        plays(&lab, &format!("bad{at}"), &[script]);
    }
    for name in paid {
        let says = if name == "odd" { "text=Who knows?" } else { "text={\"ranking\": [\"B\", \"A\"]}" };
        plays(&lab, name, &[&format!("{says};usage=100/50")]);
    }
    let tertulia = lab.builder().provider(spec).open().await.unwrap();
    let (mut whole, mut degraded, mut refused) = (0, 0, 0);
    for seed in 0..1_000 {
        let random = SeededRandom::new(seed);
        let below = |most: usize| (random.unit() * most as f64) as usize;
        let any = || format!("priced/{}", [paid[below(4)], paid[below(4)], ["bad0", "bad1"][below(2)]][below(3)]);
        let members: Vec<String> = (0..=below(5)).map(|_| any()).collect();
        let quorum = 1 + below(members.len());
        let council = Council::new(members).chairman(any()).fallback_chairman(any()).quorum(quorum).seed(seed);
        let most = i64::try_from(below(8_000_000)).unwrap();
        lab.simulator.clear();
        let chat = tertulia.user("ana").new_conversation();
        let outcome = within(chat.run(&council, "?").max_cost_nano_usd(most).into_future()).await;
        let answered = lab.simulator.requests().iter().filter(|request| !model_of(request).starts_with("bad")).count();
        let cost = CALL * i64::try_from(answered).unwrap();
        assert!(cost <= most, "seed {seed}: {answered} calls cost {cost}, and {most} was the most");
        match outcome {
            Ok(result) if result.is_whole() => whole += 1,
            Ok(result) => {
                assert!(!result.text().is_empty(), "seed {seed}");
                degraded += 1;
            }
            Err(error) => {
                assert_eq!(error.reason(), "quorum_missed", "seed {seed}: {error}");
                refused += 1;
            }
        }
    }
    assert!(whole > 5 && degraded > 20 && refused > 20, "{whole} whole, {degraded} degraded, {refused} refused");
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_council_that_is_stopped_ends_all_of_its_calls() {
    let lab = Lab::memory().await;
    let members = ["m1", "m2"].map(|name| plays(&lab, name, &["text=one two;stall=1"]));
    let chat = lab.me().new_conversation();
    let run = chat.run(&Council::new(members), "?").start().await.unwrap();
    lab.requested(2).await;
    run.cancel().await.unwrap();
    assert_eq!(cause_of(within(run.result()).await).0, ErrorKind::Cancelled);
    within(async {
        while lab.simulator.open_connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    lab.close().await;
}

#[tokio::test]
async fn after_whichever_write_a_council_dies_it_is_picked_up_and_asks_nobody_twice_who_was_heard() {
    // With a chairman that answers, and with one that is down, so that the best answer is put in its place.
    for (chair, asked_whole) in [("text=We think so.", 7), ("error=auth", 7)] {
        let lab = Lab::memory().await;
        let (mut deaths, mut asked_again) = (0, 0);
        for writes in 0.. {
            assert!(writes < 80, "the run writes without an end");
            lab.simulator.clear();
            let council = council(&lab).max_parallel(1).chairman(plays(&lab, "chair", &[chair]));
            let clock = ManualClock::default();
            let memory: Arc<dyn Store> = Arc::new(MemoryStore::with_clock(Arc::new(clock.clone())));
            let mortal = Over::new(memory.clone(), Mortal::after(writes));
            let open = async |store: Arc<dyn Store>| {
                lab.builder().with_store(store).with_clock(Arc::new(clock.clone())).open().await.unwrap()
            };
            let first = open(mortal.clone()).await;
            let chat = first.user("ana").new_conversation();
            let (id, conversation) = (Arc::new(std::sync::Mutex::new(None::<RunId>)), chat.id());
            let (told, mine) = (id.clone(), council.clone());
            let life = async move {
                let run = chat.run(&mine, "?").start().await.unwrap();
                *told.lock().unwrap() = Some(run.id());
                run.result().await.unwrap()
            };
            let has_died = within(async {
                tokio::select! {
                    _ = life => false,
                    () = mortal.died.notified() => true,
                }
            })
            .await;
            let Some(id) = *id.lock().unwrap() else { continue };
            deaths += u32::from(has_died);
            let heard_before = heard_before(&memory, &lab, &clock, id).await;
            // Its leases end; then another process finds the run.
            clock.advance(Duration::from_secs(60));
            let second = open(memory).await;
            let chat = second.user("ana").conversation(conversation);
            if has_died {
                lab.simulator.clear();
                let run = within(chat.pick_up(&council, id).into_future()).await.unwrap();
                let result = within(run.result()).await.unwrap();
                assert_eq!(result.answers.len(), 3, "after {writes} writes");
                let now = lab.simulator.requests().len();
                assert!(
                    now + heard_before <= asked_whole,
                    "after {writes} writes {now} were asked, {heard_before} heard"
                );
                asked_again += now;
            }
            let run: Run<CouncilResult> = second.user("ana").attach(id, 0).unwrap();
            let result = within(run.result()).await.unwrap();
            let said = chat.history().await.unwrap().items;
            let visible: Vec<Role> = said.iter().map(|message| message.role).collect();
            assert_eq!(visible, [Role::User, Role::Assistant], "after {writes} writes");
            assert_eq!(Some(said[1].id), result.reply.message_id, "after {writes} writes");
            second.close().await.unwrap();
            if !has_died {
                assert!(deaths > 12, "{deaths} deaths");
                assert!(asked_again > 0);
                break;
            }
        }
        lab.close().await;
    }
}

/// How many calls of a run had come to their end when its process died, as its events say.
async fn heard_before(store: &Arc<dyn Store>, lab: &Lab, clock: &ManualClock, id: RunId) -> usize {
    let reader = lab.builder().with_store(store.clone()).with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let mut run: Run = reader.user("ana").attach(id, 0).unwrap();
    let last = run.summary().await.unwrap().last_seq;
    let mut heard = 0;
    loop {
        let event = within(run.next_event()).await.unwrap().unwrap();
        heard += usize::from(matches!(
            event.kind,
            RunEventKind::MemberDone { .. } | RunEventKind::ReviewDone { .. } | RunEventKind::Replied { .. }
        ));
        if event.seq == last {
            return heard;
        }
    }
}
