//! What stands for messages that a window leaves out: who writes it, when, of which branch, and when it is gone.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests may panic and need no docs"
)]

mod support;

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Lab, cause_of, within};
use tertulia::base::{ErrorKind, MessageId, Random as _, SeededRandom};
use tertulia::{
    Budget, BudgetScope, ContextOptions, Conversation, EngineEventKind, Message, NewMessage, Part, Role, Settings,
    Tertulia, ToolCall, UsageBy,
};
use tertulia_simulator::{EventKind, Script};

/// Who answers, and who sums up.
const CHAT: &str = "lab/sim:text=ok";
const NOTES: &str = "lab/notes";

/// Two turns are shown; a summary is written when two are in none.
fn on(settings: &mut Settings) {
    settings.context.max_turns = Some(2);
    let summary = &mut settings.context.summary;
    (summary.enabled, summary.model, summary.after_turns) = (true, Some(NOTES.to_owned()), 2);
}

fn says(lab: &Lab, summary: &str) {
    lab.simulator.set_script("notes", Script::say(summary));
}

/// Ends when nobody writes a summary.
async fn at_rest(tertulia: &Tertulia) {
    within(async {
        while tertulia.health().tasks.iter().any(|task| task.name == "summary") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn ask(tertulia: &Tertulia, chat: &Conversation, words: &str) {
    chat.send(words).model(CHAT).await.unwrap();
    at_rest(tertulia).await;
}

/// Everything on the branch that is shown.
async fn branch(chat: &Conversation) -> Vec<Message> {
    let mut all = Vec::new();
    let mut messages = chat.messages();
    while let Some(message) = messages.next().await.unwrap() {
        all.push(message);
    }
    all
}

fn bodies(lab: &Lab, is_summary: bool) -> Vec<Value> {
    let all =
        lab.simulator.requests().into_iter().map(|request| serde_json::from_slice::<Value>(&request.body).unwrap());
    all.filter(|body| (body["model"] == "notes") == is_summary).collect()
}

/// What each request for a summary was given, line by line.
fn materials(lab: &Lab) -> Vec<Vec<Value>> {
    let lines = |body: &Value| {
        let said = body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned();
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    bodies(lab, true).iter().map(lines).collect()
}

/// The summary that stood in front of the last turn's messages, and these.
fn shown(lab: &Lab) -> (Option<String>, Vec<String>) {
    let body = bodies(lab, false).pop().unwrap();
    let messages = body["messages"].as_array().unwrap();
    let mut words: Vec<String> = messages
        .iter()
        .map(|m| {
            m["content"].as_str().filter(|words| !words.is_empty()).unwrap_or(m["role"].as_str().unwrap()).to_owned()
        })
        .collect();
    let in_front = words.first().and_then(|first| {
        let json: Value = serde_json::from_str(first.lines().last()?).ok()?;
        Some(json["summary"].as_str()?.to_owned())
    });
    if in_front.is_some() {
        assert_eq!(messages[0]["role"], "user");
        words.remove(0);
    }
    (in_front, words)
}

fn line(role: &str, says: &str) -> Value {
    json!({ "role": role, "says": says })
}

#[tokio::test]
async fn nothing_is_summed_up_unless_it_is_asked_for() {
    let lab = Lab::memory_with(|settings| settings.context.max_turns = Some(1)).await;
    let chat = lab.me().new_conversation();
    for turn in 0..12 {
        ask(&lab.tertulia, &chat, &format!("question {turn}")).await;
    }
    assert_eq!(lab.simulator.request_count(), 12);
    assert_eq!(shown(&lab), (None, vec!["question 11".to_owned()]));
    assert_eq!(chat.context().model(CHAT).await.unwrap().summary, None);
    lab.close().await;
}

#[tokio::test]
async fn what_a_window_leaves_out_is_summed_up_and_stands_in_front_from_then_on() {
    let lab = Lab::memory_with(on).await;
    says(&lab, "They spoke of \"one\"\nand two.");
    let chat = lab.me().new_conversation();
    for words in ["one", "two"] {
        ask(&lab.tertulia, &chat, words).await;
    }
    assert!(bodies(&lab, true).is_empty(), "everything was shown");
    ask(&lab.tertulia, &chat, "three").await;
    assert_eq!(shown(&lab), (None, ["two", "ok", "three"].map(str::to_owned).to_vec()), "no turn waits for a summary");
    let said = [line("user", "one"), line("assistant", "ok"), line("user", "two"), line("assistant", "ok")];
    assert_eq!(materials(&lab), [said]);
    let body = bodies(&lab, true).pop().unwrap();
    assert_eq!((&body["max_tokens"], body["messages"].as_array().unwrap().len()), (&json!(1_000), 2));

    let report = chat.context().model(CHAT).await.unwrap();
    let summary = report.summary.clone().unwrap();
    let messages: Vec<Message> = branch(&chat).await;
    assert_eq!((summary.upto, &*summary.model), (messages[3].id, NOTES));
    assert!(summary.tokens > 8 && report.tokens > summary.tokens, "{report:?}");
    assert_eq!((report.messages, report.turns, report.is_whole), (4, 2, false));
    let without = ContextOptions { summary: Some(false), ..ContextOptions::default() };
    let report = chat.context().model(CHAT).context(without).await.unwrap();
    assert_eq!((report.summary, report.messages), (None, 4));

    ask(&lab.tertulia, &chat, "four").await;
    let expected =
        (Some("They spoke of \"one\"\nand two.".to_owned()), vec!["three".into(), "ok".into(), "four".into()]);
    assert_eq!(shown(&lab), expected);
    assert_eq!(materials(&lab).len(), 1, "one turn is too little for another one");
    assert_eq!((messages.len(), chat.summary().await.unwrap().message_count), (6, 8), "it is no message");

    // It rolls on from the last one.
    says(&lab, "And of three and four.");
    ask(&lab.tertulia, &chat, "five").await;
    let since = [line("user", "three"), line("assistant", "ok"), line("user", "four"), line("assistant", "ok")];
    let last = json!({ "summary": "They spoke of \"one\"\nand two." });
    assert_eq!(materials(&lab)[1], [vec![last], since.to_vec()].concat());
    ask(&lab.tertulia, &chat, "six").await;
    assert_eq!(shown(&lab).0.as_deref(), Some("And of three and four."));
    lab.close().await;
}

#[tokio::test]
async fn nothing_is_summed_up_while_the_device_saves_power() {
    let lab = Lab::memory_with(on).await;
    says(&lab, "They spoke of it all.");
    let chat = lab.me().new_conversation();
    lab.tertulia.set_low_power(true);
    for words in ["one", "two", "three", "four"] {
        ask(&lab.tertulia, &chat, words).await;
    }
    assert_eq!(materials(&lab).len(), 0);
    lab.tertulia.set_low_power(false);
    ask(&lab.tertulia, &chat, "five").await;
    assert_eq!(materials(&lab)[0].len(), 8, "what was left out meanwhile is in it");
    lab.close().await;
}

#[tokio::test]
async fn a_call_says_otherwise_than_the_settings() {
    let lab = Lab::memory_with(|settings| {
        on(settings);
        settings.context.summary.enabled = false;
        // Who answers sums up, unless somebody is named.
        settings.context.summary.model = None;
    })
    .await;
    let chat = lab.me().new_conversation();
    let answers = lab.text("said by who answers");
    let send = async |words: &str, summary| {
        let context = ContextOptions { summary, ..ContextOptions::default() };
        chat.send(words).model(&*answers).context(context).await.unwrap();
        at_rest(&lab.tertulia).await;
        lab.simulator.request_count()
    };
    for turn in 1..=5 {
        assert_eq!(send("hi", None).await, turn);
    }
    assert_eq!(send("on", Some(true)).await, 7);
    let wanted = ContextOptions { summary: Some(true), ..ContextOptions::default() };
    let summary = chat.context().model(&*answers).context(wanted).await.unwrap().summary.unwrap();
    assert_eq!(summary.model, answers);
    assert_eq!(chat.context().model(&*answers).await.unwrap().summary, None);
    lab.close().await;
}

#[tokio::test]
async fn a_summary_belongs_to_its_branch_and_goes_with_what_is_deleted() {
    let lab = Lab::memory_with(on).await;
    says(&lab, "about cats");
    let chat = lab.me().new_conversation();
    for turn in 0..4 {
        ask(&lab.tertulia, &chat, &format!("cat {turn}")).await;
    }
    let messages: Vec<Message> = branch(&chat).await;
    assert_eq!(shown(&lab).0.as_deref(), Some("about cats"));
    // The second question is asked anew: what was summed up is of another branch.
    says(&lab, "about dogs");
    chat.edit(messages[2].id, "dog 1").model(CHAT).await.unwrap().reply().await.unwrap();
    for turn in 2..5 {
        ask(&lab.tertulia, &chat, &format!("dog {turn}")).await;
        assert_ne!(shown(&lab).0.as_deref(), Some("about cats"), "turn {turn}");
    }
    assert_eq!(shown(&lab).0.as_deref(), Some("about dogs"));
    chat.switch_to(messages[3].id).await.unwrap();
    ask(&lab.tertulia, &chat, "cat 4").await;
    assert_eq!(shown(&lab).0.as_deref(), Some("about cats"));

    // What is deleted lives on in nothing, and nothing made of it is given to anybody.
    says(&lab, "anew");
    let before = materials(&lab).len();
    chat.delete_message(messages[0].id).await.unwrap();
    ask(&lab.tertulia, &chat, "cat 5").await;
    assert_eq!(shown(&lab).0, None);
    let anew = materials(&lab).split_off(before);
    assert_eq!(anew.len(), 1);
    let told = serde_json::to_string(&anew).unwrap();
    assert!(!told.contains("about cats") && !told.contains("cat 0") && told.contains("cat 1"), "{told}");
    ask(&lab.tertulia, &chat, "cat 6").await;
    assert_eq!(shown(&lab).0.as_deref(), Some("anew"));
    lab.close().await;
}

#[tokio::test]
async fn words_deleted_while_they_are_summed_up_live_on_in_nothing() {
    let lab = Lab::memory_with(on).await;
    lab.simulator.set_script("notes", Script::parse("text=of%20secrets;first_ms=300").unwrap());
    let chat = lab.me().new_conversation();
    let secret = chat.append([NewMessage::user("a secret"), NewMessage::assistant("hm")]).await.unwrap()[0];
    for words in ["one", "two"] {
        chat.send(words).model(CHAT).await.unwrap();
    }
    lab.requested(3).await;
    chat.delete_message(secret).await.unwrap();
    at_rest(&lab.tertulia).await;
    assert_eq!(materials(&lab).len(), 1);
    assert_eq!(chat.context().model(CHAT).await.unwrap().summary, None);
    lab.close().await;
}

#[tokio::test]
async fn a_summary_that_fails_is_told_and_hurts_no_turn() {
    for (script, reason) in
        [("status=500", "provider_error"), ("status=400", "bad_request"), ("text=%20", "empty_summary")]
    {
        let lab = Lab::memory_with(|settings| {
            on(settings);
            settings.retry.max_attempts = 2;
        })
        .await;
        lab.simulator.set_script("notes", Script::parse(script).unwrap());
        let mut events = lab.tertulia.events();
        let chat = lab.me().new_conversation();
        for words in ["one", "two", "three"] {
            assert_eq!(chat.send(words).model(CHAT).await.unwrap().text(), "ok");
        }
        let told = within(async {
            loop {
                if let EngineEventKind::TaskFailed { task, reason } = events.next().await.unwrap().kind {
                    return (task, reason);
                }
            }
        })
        .await;
        assert_eq!(told, ("summary".to_owned(), reason.to_owned()));
        at_rest(&lab.tertulia).await;
        let tried = if reason == "provider_error" { 2 } else { 1 };
        assert_eq!(bodies(&lab, true).len(), tried, "{script}: it is tried again as every call is");
        // The next turn has it written.
        says(&lab, "at last");
        ask(&lab.tertulia, &chat, "four").await;
        ask(&lab.tertulia, &chat, "five").await;
        assert_eq!(shown(&lab).0.as_deref(), Some("at last"), "{script}");
        lab.close().await;
    }
}

#[tokio::test]
async fn a_summary_is_counted_where_its_conversation_is_and_refused_by_its_budgets() {
    let lab = Lab::memory_with(on).await;
    says(&lab, "counted");
    let chat = lab.me().new_conversation();
    // Three turns, and no request more.
    lab.tertulia.set_budget(Budget::requests(3).each(BudgetScope::Conversation)).await.unwrap();
    let mut events = lab.tertulia.events();
    for words in ["one", "two", "three"] {
        ask(&lab.tertulia, &chat, words).await;
    }
    let refused = EngineEventKind::TaskFailed { task: "summary".to_owned(), reason: "budget".to_owned() };
    within(async { while events.next().await.unwrap().kind != refused {} }).await;
    assert!(bodies(&lab, true).is_empty());
    assert_eq!(cause_of(chat.send("four").model(CHAT).await).0, ErrorKind::BudgetExceeded);
    lab.tertulia.set_budget(Budget::requests(100).each(BudgetScope::Conversation)).await.unwrap();
    ask(&lab.tertulia, &chat, "five").await;
    assert_eq!(bodies(&lab, true).len(), 1);
    let rows = lab.me().usage().by(UsageBy::Model).await.unwrap().rows;
    let of = |model: &str| rows.iter().filter(|row| row.key == model).map(|row| row.usage.requests).sum::<i64>();
    assert_eq!((of(NOTES), of(CHAT)), (1, 4), "{rows:?}");
    let rows = lab.me().usage().by(UsageBy::Conversation).await.unwrap().rows;
    assert_eq!(rows.iter().map(|row| row.usage.requests).collect::<Vec<_>>(), [5]);
    lab.close().await;
}

#[tokio::test]
async fn one_summary_at_a_time_is_written_and_closing_waits_for_none() {
    let lab = Lab::memory_with(on).await;
    lab.simulator.set_script("notes", Script::parse("stall").unwrap());
    let chat = lab.me().new_conversation();
    for words in ["one", "two", "three"] {
        chat.send(words).model(CHAT).await.unwrap();
    }
    lab.requested(4).await;
    for words in ["four", "five", "six"] {
        assert_eq!(chat.send(words).model(CHAT).await.unwrap().text(), "ok");
    }
    let tasks = lab.tertulia.health().tasks;
    let writing: Vec<_> = tasks.iter().filter(|task| task.name == "summary").collect();
    assert_eq!(writing.iter().map(|task| task.owner.as_deref()).collect::<Vec<_>>(), [Some("ana")]);
    assert_eq!(bodies(&lab, true).len(), 1);
    within(lab.tertulia.close()).await.unwrap();
    assert_eq!(lab.tertulia.health().tasks, []);
    lab.simulator.shutdown().await;
}

#[tokio::test]
async fn a_long_past_is_summed_up_piece_by_piece_and_files_and_calls_are_named() {
    let lab = Lab::memory_with(on).await;
    says(&lab, "so far");
    let chat = lab.me().new_conversation();
    let call = |id: &str| ToolCall {
        id: id.to_owned(),
        name: "look".to_owned(),
        arguments: json!({ "q": 1 }),
        provider_executed: false,
        free_text: false,
    };
    let mut messages = vec![
        NewMessage::user("first"),
        NewMessage::new(Role::Assistant, [Part::ToolCall { call: call("c") }]),
        NewMessage::new(Role::Tool, [Part::tool_result(call("c").result("found"))]),
    ];
    // 200 messages of 1,000 tokens and more are several pieces of 32,000.
    messages.extend((0..200).map(|n| NewMessage::user(format!("{n:04} {}", "word ".repeat(1_000)))));
    chat.append(messages).await.unwrap();
    ask(&lab.tertulia, &chat, "and now?").await;
    let materials = materials(&lab);
    assert!((6..=10).contains(&materials.len()), "{}", materials.len());
    assert_eq!(
        materials[0][..3],
        [line("user", "first"), line("assistant", "[calls look: {\"q\":1}]"), line("tool", "found")]
    );
    let mut numbers = Vec::new();
    for (at, material) in materials.iter().enumerate() {
        let begins = if at == 0 { 3 } else { 1 };
        assert_eq!(material[0] == json!({ "summary": "so far" }), at > 0, "piece {at}");
        numbers.extend(
            material[begins..].iter().map(|line| line["says"].as_str().unwrap()[..4].parse::<usize>().unwrap()),
        );
    }
    assert_eq!(numbers, (0..200).collect::<Vec<_>>(), "each once, in order, the oldest that was shown among them");
    lab.close().await;
}

/// Not a test by itself: the process that is killed.
#[tokio::test]
async fn child_that_is_killed_while_a_summary_is_written() {
    let (Ok(path), Ok(url)) = (std::env::var("TERTULIA_TEST_STORE"), std::env::var("TERTULIA_TEST_URL")) else {
        return;
    };
    let tertulia = engine(Path::new(&path), &url).await;
    let chat = tertulia.user("ana").conversation_for("the chat");
    for words in ["one", "two", "three"] {
        chat.send(words).model(CHAT).await.unwrap();
    }
    std::future::pending::<()>().await;
}

async fn engine(path: &Path, url: &str) -> Tertulia {
    let mut settings = Settings::default();
    on(&mut settings);
    Tertulia::builder()
        .provider(tertulia::ProviderSpec::openai_chat("lab", format!("{url}/v1")))
        .with_environment(std::sync::Arc::new(|_: &str| None))
        .settings(settings)
        .store(path.to_str().unwrap())
        .open()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_summary_whose_process_was_killed_is_written_later_once() {
    let lab = Lab::memory().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    lab.simulator.set_script("notes", Script::parse("stall").unwrap());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_is_killed_while_a_summary_is_written", "--nocapture"])
        .env("TERTULIA_TEST_STORE", &path)
        .env("TERTULIA_TEST_URL", lab.simulator.url())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut requests = 0;
    let asked = lab.simulator.wait_for(|event| {
        requests += usize::from(event.kind == EventKind::RequestReceived);
        requests == 4
    });
    tokio::time::timeout(Duration::from_secs(60), asked).await.expect("the child asked for a summary");
    child.kill().unwrap();
    child.wait().unwrap();

    says(&lab, "written later");
    let tertulia = engine(&path, &lab.simulator.url()).await;
    let chat = tertulia.user("ana").conversation_for("the chat");
    assert_eq!(chat.context().model(CHAT).await.unwrap().summary, None);
    ask(&tertulia, &chat, "four").await;
    assert_eq!(shown(&lab), (None, ["three", "ok", "four"].map(str::to_owned).to_vec()));
    ask(&tertulia, &chat, "five").await;
    assert_eq!(shown(&lab).0.as_deref(), Some("written later"));
    assert_eq!(bodies(&lab, true).len(), 2, "the one that was killed, and one");
    tertulia.close().await.unwrap();
    let kept = rusqlite::Connection::open(&path).unwrap();
    let count: i64 = kept.query_row("SELECT count(*) FROM summary", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
    lab.close().await;
}

/// What was summed up, as a model of a few lines knows it.
struct Written {
    text: String,
    /// From the beginning of its branch on.
    of: Vec<MessageId>,
}

#[tokio::test]
async fn what_is_sent_is_what_a_naive_model_says_on_both_stores() {
    for seed in [11, 12, 13] {
        let lab = Lab::memory_with(on).await;
        random_talk(&lab, seed).await;
        lab.close().await;
        let folder = tempfile::tempdir().unwrap();
        let lab = Lab::on_with(&folder.path().join("chat.db"), on).await;
        random_talk(&lab, seed).await;
        lab.close().await;
    }
}

async fn random_talk(lab: &Lab, seed: u64) {
    let random = SeededRandom::new(seed);
    let pick = |most: usize| {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % most as u64).unwrap()
    };
    let chat = lab.me().new_conversation();
    let mut written: Vec<Written> = Vec::new();
    let mut known: Vec<MessageId> = Vec::new();
    let mut wiped: HashSet<MessageId> = HashSet::new();
    for step in 0..90 {
        let told = format!("seed {seed}, step {step}");
        if step == 0 {
            ask(&lab.tertulia, &chat, "the first").await;
        }
        known.extend(branch(&chat).await.iter().map(|message| message.id));
        let all = branch(&chat).await;
        match pick(14) {
            0 => {
                // Also one whose branch was never shown since.
                chat.switch_to(known[pick(known.len())]).await.unwrap();
            }
            1 => {
                let at = pick(all.len());
                let gone = all[at].id;
                chat.delete_message(gone).await.unwrap();
                if wiped.insert(gone) {
                    written.retain(|written| written.of.len() < at + 1);
                }
            }
            2 | 3 => {
                let id = format!("call {step}");
                let call = ToolCall {
                    id: id.clone(),
                    name: "f".to_owned(),
                    arguments: json!({}),
                    provider_executed: false,
                    free_text: false,
                };
                chat.append([
                    NewMessage::user(format!("tool {step}")),
                    NewMessage::new(Role::Assistant, [Part::ToolCall { call: call.clone() }]),
                    NewMessage::new(Role::Tool, [Part::tool_result(call.result("42"))]),
                    NewMessage::assistant(format!("answer {step}")),
                ])
                .await
                .unwrap();
            }
            _ => {}
        }
        let text = format!("summary {step}");
        says(lab, &text);
        let (asked, summaries) = (format!("question {step}"), bodies(lab, true).len());
        let before = branch(&chat).await;
        let users: Vec<&Message> = before.iter().filter(|m| m.role == Role::User && !wiped.contains(&m.id)).collect();
        let above: Vec<Message> = if pick(9) == 0 && !users.is_empty() {
            let instead = users[pick(users.len())].id;
            chat.edit(instead, &*asked).model(CHAT).await.unwrap().reply().await.unwrap();
            before.iter().take_while(|message| message.id != instead).cloned().collect()
        } else {
            chat.send(&*asked).model(CHAT).await.unwrap();
            before
        };
        at_rest(&lab.tertulia).await;

        // The newest summary whose messages all stand above the question.
        let ids: Vec<MessageId> = above.iter().map(|message| message.id).collect();
        let newest =
            written.iter().filter(|written| ids.starts_with(&written.of)).max_by_key(|written| written.of.len());
        let visible: Vec<&Message> = above.iter().filter(|message| !wiped.contains(&message.id)).collect();
        let starts: Vec<usize> =
            visible.iter().enumerate().filter(|(_, m)| m.role == Role::User).map(|(at, _)| at).collect();
        // What stands before the first question cannot begin a conversation, and is no turn.
        // The turn before the one that is asked is the last that has room.
        let from = starts.last().copied().unwrap_or(0);
        let is_whole = starts.is_empty() || visible[from].id == ids[0];
        let kept = valid(visible.get(from..).unwrap_or_default());
        // A conversation begins with the user.
        let kept = if starts.is_empty() { Vec::new() } else { kept };
        let expected: Vec<String> = kept.into_iter().chain([asked.clone()]).collect();
        let summary = newest.filter(|_| !is_whole).map(|written| written.text.clone());
        assert_eq!(shown(lab), (summary, expected), "{told}");

        // Written when two turns are in none, up to the question that was asked.
        let covered = newest.map_or(0, |written| written.of.len());
        let upto = ids.len();
        let turns = above[covered..upto].iter().filter(|m| m.role == Role::User && !wiped.contains(&m.id)).count();
        let is_due = !is_whole && turns >= 2;
        let now = materials(lab);
        assert_eq!(now.len() - summaries, usize::from(is_due), "{told}: {turns} turns in no summary");
        if is_due {
            assert_eq!(now[summaries][0]["summary"].as_str(), newest.map(|written| &*written.text), "{told}");
            let words = serde_json::to_string(&now[summaries]).unwrap();
            let others = all_words(&above[..covered]).into_iter().filter(|word| word.starts_with("question "));
            for word in others {
                assert!(!words.contains(&format!("\"{word}\"")), "{told}: {word} is in the last one already");
            }
            if written.len() == 32 {
                // The oldest makes room.
                written.remove(0);
            }
            written.push(Written { text, of: ids });
        }
    }
    assert!(written.len() > 3, "seed {seed}: {} were written", written.len());
}

/// The words of messages as they are sent: calls of tools with their answers right behind them, or not at all.
fn valid(messages: &[&Message]) -> Vec<String> {
    let has = |role: Role, at: Option<usize>| at.and_then(|at| messages.get(at)).is_some_and(|m| m.role == role);
    let calls = |m: &Message| m.parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    let mut words = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        match message.role {
            Role::Assistant if calls(message) && !has(Role::Tool, Some(at + 1)) => {}
            Role::Assistant if calls(message) => words.push("assistant".to_owned()),
            Role::Tool if !at.checked_sub(1).is_some_and(|before| calls(messages[before])) => {}
            Role::Tool => words.push("42".to_owned()),
            _ => words.push(message.text()),
        }
    }
    words
}

fn all_words(messages: &[Message]) -> Vec<String> {
    messages.iter().map(Message::text).collect()
}
