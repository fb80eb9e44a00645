//! `kill -9` while an outbox is filled and drained.
//!
//! ```text
//! the provider is down:  a child sends messages over many conversations, which all wait; it is killed now and then
//! the provider is back:  a child drains; it is killed after a random number of requests, again and again
//! then:                  every message that was said to be saved is there once and answered once, in its order
//! ```

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;

use futures::future::join_all;
use tertulia::{ConversationId, MessageStatus, ProviderSpec, ReplyStatus, Role, Settings, Tertulia, TurnId, TurnState};
use tertulia_simulator::{EventKind, Script, Simulator};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use crate::{Counts, Outcome};

const MODEL: &str = "queue";

async fn open(store: &str, url: &str) -> Outcome<Tertulia> {
    let mut settings = Settings::default();
    settings.retry.max_attempts = 1;
    settings.retry.max_inline_wait_ms = 0;
    settings.breaker.open_ms = 20;
    settings.breaker.max_open_ms = 100;
    settings.outbox.first_delay_ms = 20;
    settings.outbox.max_delay_ms = 200;
    let lab = ProviderSpec::openai_chat("lab", format!("{url}/v1"));
    let builder = Tertulia::builder().store(store).provider(lab).model(format!("lab/{MODEL}"));
    Ok(builder.settings(settings).open().await?)
}

/// The process that fills the outbox: one message after the other in each conversation, many conversations at once.
pub async fn fill(store: &str, url: &str, from: usize, messages: usize, conversations: usize) -> Outcome<()> {
    let tertulia = open(store, url).await?;
    let me = tertulia.user("ana");
    let lanes = (0..conversations).map(|lane| {
        let chat = me.conversation_for(format!("chat {lane}"));
        async move {
            for number in (from..messages).filter(|number| number % conversations == lane) {
                let words = format!("message {number}");
                let reply = chat.send(words.as_str()).degrade().await?;
                let turn = reply.turn_id.ok_or("a durable reply has a turn")?;
                if reply.status != ReplyStatus::Waiting {
                    return Err(format!("message {number} is {:?}", reply.status).into());
                }
                say(&format!("{number} {} {turn}", chat.id()))?;
            }
            Outcome::Ok(())
        }
    });
    for lane in join_all(lanes).await {
        lane?;
    }
    say("filled")?;
    std::future::pending().await
}

/// The process that drains it. It is there, and that is all.
pub async fn drain(store: &str, url: &str) -> Outcome<()> {
    let _tertulia = open(store, url).await?;
    say("open")?;
    std::future::pending().await
}

fn say(line: &str) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

fn child(args: &[&str]) -> Outcome<Child> {
    let program = std::env::current_exe()?;
    Ok(tokio::process::Command::new(program).args(args).stdout(Stdio::piped()).kill_on_drop(true).spawn()?)
}

/// `tertulia-crash outbox [KILLS] [MESSAGES] [SEED]`: 20 kills and 1,000 messages unless told.
pub async fn parent(args: &[String]) -> Outcome<Counts> {
    let number = |at: usize, standard: u64| args.get(at).map_or(Ok(standard), |text| text.parse::<u64>());
    let (kills, messages) = (number(0, 20)?, usize::try_from(number(1, 1_000)?)?);
    let seed = number(2, u64::from(std::process::id()))?;
    println!("{messages} messages, {kills} kills, seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("outbox.db").to_string_lossy().into_owned();
    let simulator = Simulator::start().await?;
    let url = simulator.url();
    let conversations = (messages / 10).clamp(1, 100);

    // The provider is down. A quarter of the kills falls here.
    simulator.set_script(MODEL, Script::parse("status=503")?);
    let mut saved: BTreeMap<usize, (ConversationId, TurnId)> = BTreeMap::new();
    let mut from = 0;
    for left in (0..=kills / 4).rev() {
        // What was not said to be saved is sent anew under a number of its own.
        let (at, most) = (from.to_string(), (from + messages - saved.len()).to_string());
        let mut child = child(&["outbox-fill", &store, &url, &at, &most, &conversations.to_string()])?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("the child has no output")?).lines();
        let enough = if left == 0 { usize::MAX } else { dice.usize(1..=messages / 6 + 1) };
        let mut said = 0;
        while said < enough {
            let line = lines.next_line().await?.ok_or("the child ended by itself")?;
            said += 1;
            if line == "filled" {
                break;
            }
            note(&line, &mut saved)?;
        }
        child.kill().await?;
        while let Some(line) = lines.next_line().await? {
            if line.split(' ').count() == 3 && line != "filled" {
                note(&line, &mut saved)?;
            }
        }
        from = saved.keys().next_back().map_or(0, |last| last + 1).next_multiple_of(conversations);
    }

    // The provider is back. The others fall here.
    simulator.set_script(MODEL, Script::parse("text=answer")?);
    for _ in 0..kills - kills / 4 {
        let mut child = child(&["outbox-drain", &store, &url])?;
        let mut wanted = dice.usize(1..=messages / 16 + 1);
        let enough = simulator.wait_for(|event| {
            wanted = wanted.saturating_sub(usize::from(event.kind == EventKind::RequestReceived));
            wanted == 0
        });
        // Where less than that was left, it is killed all the same.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), enough).await;
        child.kill().await?;
    }
    let asked = simulator.request_count();
    check(&store, &url, &saved).await?;
    simulator.shutdown().await;
    println!("{} messages were saved, {asked} requests before the last process", saved.len());
    Ok(Counts { passed: kills, failed: 0 })
}

fn note(line: &str, saved: &mut BTreeMap<usize, (ConversationId, TurnId)>) -> Outcome<()> {
    let words: Vec<&str> = line.split(' ').collect();
    let [number, conversation, turn] = words[..] else { return Err(format!("the child said `{line}`").into()) };
    saved.insert(number.parse()?, (conversation.parse()?, turn.parse()?));
    Ok(())
}

/// Lets the last process drain what is left, and looks at everything.
async fn check(store: &str, url: &str, saved: &BTreeMap<usize, (ConversationId, TurnId)>) -> Outcome<()> {
    let tertulia = open(store, url).await?;
    let me = tertulia.user("ana");
    let mut watch = me.outbox().watch();
    loop {
        let left = me.outbox().list().await?;
        if let Some(parked) = left.iter().find(|item| item.delivery == tertulia::Delivery::Failed) {
            return Err(format!("{parked:?} is parked").into());
        }
        if left.is_empty() {
            break;
        }
        let next = tokio::time::timeout(std::time::Duration::from_secs(30), watch.next());
        next.await.map_err(|_| format!("{} messages are stuck", left.len()))??;
    }
    let mut histories = BTreeMap::new();
    for (number, (conversation, turn)) in saved {
        let chat = me.conversation(*conversation);
        if !histories.contains_key(conversation) {
            let mut all = chat.history().limit(200).await?;
            while let Some(before) = all.before.take() {
                let mut older = chat.history().limit(200).before(Some(before)).await?;
                older.items.append(&mut all.items);
                all = older;
            }
            histories.insert(*conversation, all.items);
        }
        let messages = &histories[conversation];
        let of = |role| messages.iter().filter(move |m| m.turn_id == Some(*turn) && m.role == role);
        let (asked, answers): (Vec<_>, Vec<_>) = (of(Role::User).collect(), of(Role::Assistant).collect());
        if asked.len() != 1 || asked[0].text() != format!("message {number}") {
            return Err(format!("message {number} is there {} times", asked.len()).into());
        }
        let whole = answers.len() == 1 && answers[0].status == MessageStatus::Complete && answers[0].text() == "answer";
        if !whole || chat.turn(*turn).await?.state != TurnState::Done {
            return Err(format!("message {number} has {} answers", answers.len()).into());
        }
    }
    // Questions and answers each stand in the order in which the messages were sent.
    for messages in histories.values() {
        let turns = |role| messages.iter().filter(|m| m.role == role).map(|m| m.turn_id).collect::<Vec<_>>();
        if turns(Role::User) != turns(Role::Assistant) {
            return Err("the answers of a conversation do not stand in the order of its questions".into());
        }
    }
    tertulia.close().await?;
    Ok(())
}
