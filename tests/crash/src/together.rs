//! Many processes at once on one database: nobody ever hears of a lock, and what was acknowledged is there once.
//!
//! ```text
//! parent: makes one shared conversation, starts the processes, waits for all of them
//! each:   opens the store; its threads append, ask, page, list, search and rename, and say what was acknowledged
//! parent: opens the store, finds it sound, and reads all of it: every acknowledged message once, and no other
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Stdio;
use std::time::Duration;

use futures::TryStreamExt as _;
use futures::future::{join_all, try_join_all};
use tertulia::base::{Clock as _, SystemClock};
use tertulia::{ConversationChange, ConversationId, NewMessage, ProviderSpec, Tertulia, UserScope};
use tertulia_simulator::Simulator;

use crate::{Counts, Outcome};

const SHARED: &str = "shared by all";

async fn open(store: &str, url: &str) -> Outcome<Tertulia> {
    let lab = ProviderSpec::openai_chat("lab", format!("{url}/v1"));
    Ok(Tertulia::builder().store(store).provider(lab).model("lab/sim:text=yes").open().await?)
}

/// One of the processes: so many threads for so many milliseconds. What was acknowledged comes out at the end.
pub async fn one(store: &str, url: &str, seed: u64, threads: u64, millis: u64) -> Outcome<()> {
    let tertulia = open(store, url).await?;
    let clock = SystemClock::default();
    let until = clock.monotonic() + Duration::from_millis(millis);
    let threads = (0..threads).map(|number| {
        let me = tertulia.user("ana");
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            runtime.block_on(talk(&me, seed + number, &clock, until)).map_err(|e| e.to_string())
        })
    });
    for said in join_all(threads).await {
        print!("{}", said??);
    }
    tertulia.close().await?;
    Ok(())
}

/// Does one thing after the other until the time is up. Gives a line for each message that was acknowledged.
async fn talk(me: &UserScope, seed: u64, clock: &SystemClock, until: Duration) -> Outcome<String> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut said = String::new();
    let (shared, mut own) = (me.conversation_for(SHARED), me.new_conversation());
    for number in 0_u64.. {
        if clock.monotonic() >= until {
            break;
        }
        let words = format!("message {seed} {number}");
        let chat = if dice.bool() { &shared } else { &own };
        match dice.u8(..10) {
            0..4 => {
                let messages = (0..dice.usize(1..4)).map(|part| NewMessage::user(format!("{words} {part}")));
                for id in chat.append(messages.collect::<Vec<_>>()).await? {
                    writeln!(said, "{} {id}", chat.id())?;
                }
            }
            // Turns of one conversation take their turn within a process only.
            4 => {
                let reply = own.send(words.as_str()).await?;
                let turn = own.turn(reply.turn_id.ok_or("a durable reply has a turn")?).await?;
                for id in [Some(turn.message_id), reply.message_id].into_iter().flatten() {
                    writeln!(said, "{} {id}", own.id())?;
                }
            }
            5 | 6 => drop(shared.history().limit(20).await?),
            7 => drop(me.list_conversations().limit(20).await?),
            8 => drop(me.search(format!("\"message {seed}\"")).await?),
            _ if number > 0 && dice.bool() => own = me.new_conversation(),
            _ => {
                let title = ConversationChange { title: Some(Some(words)), ..ConversationChange::default() };
                shared.update(title).await?;
            }
        }
    }
    Ok(said)
}

/// Starts the processes, and reads what they left.
pub async fn all(processes: u64, threads: u64, seconds: u64, seed: u64) -> Outcome<Counts> {
    println!("{processes} processes of {threads} threads on one database for {seconds} s, seed {seed}");
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("together.db").to_string_lossy().into_owned();
    let simulator = Simulator::start().await?;
    let tertulia = open(&store, &simulator.url()).await?;
    let first = tertulia.user("ana").conversation_for(SHARED).append([NewMessage::user("here we are")]).await?;
    let shared = tertulia.user("ana").conversation_for(SHARED).id();
    tertulia.close().await?;

    let children = (0..processes).map(|process| {
        let seed = (seed + process * threads).to_string();
        let (threads, millis) = (threads.to_string(), (1_000 * seconds).to_string());
        let args = ["together-one", &store, &simulator.url(), &seed, &threads, &millis].map(str::to_owned);
        async move {
            let mut child = tokio::process::Command::new(std::env::current_exe()?);
            let done = child.args(args).stdout(Stdio::piped()).kill_on_drop(true).output().await?;
            let said = String::from_utf8(done.stdout)?;
            if done.status.success() {
                Ok(said)
            } else {
                Err(format!("process {process} ended with {}", done.status).into())
            }
        }
    });
    let said: Vec<String> =
        try_join_all(children.collect::<Vec<_>>()).await.map_err(|e: Box<dyn std::error::Error>| e)?;

    let mut promised: BTreeMap<ConversationId, Vec<String>> = BTreeMap::new();
    promised.entry(shared).or_default().extend(first.iter().map(ToString::to_string));
    for line in said.iter().flat_map(|said| said.lines()) {
        let (conversation, message) = line.split_once(' ').ok_or("a line names a conversation and a message")?;
        promised.entry(conversation.parse()?).or_default().push(message.to_owned());
    }
    let tertulia = open(&store, &simulator.url()).await?;
    let verified = tertulia.store().verify().await?;
    if !verified.is_sound() {
        return Err(format!("the store is not sound: {:?}", verified.problems).into());
    }
    let mut passed = 0;
    for (conversation, mut promised) in promised {
        let chat = tertulia.user("ana").conversation(conversation);
        let mut stored: Vec<String> =
            chat.messages().into_stream().map_ok(|message| message.id.to_string()).try_collect().await?;
        passed += promised.len() as u64;
        promised.sort_unstable();
        stored.sort_unstable();
        if promised != stored {
            let (promised, stored) = (promised.len(), stored.len());
            return Err(format!(
                "seed {seed}: {promised} messages of {conversation} were promised, {stored} are there"
            )
            .into());
        }
    }
    tertulia.close().await?;
    simulator.shutdown().await;
    if passed < processes * threads {
        return Err(format!("only {passed} messages were said").into());
    }
    println!("{passed} acknowledged messages, each there once");
    Ok(Counts { passed, failed: 0 })
}
