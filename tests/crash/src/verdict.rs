//! What must be true of a database after a power cut or a failing disk, looked at through the real store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use tertulia::base::{Clock, SystemClock};
use tertulia::store::{Anchor, SqliteSettings, SqliteStore, Store};
use tertulia::{ConversationId, Message, MessageStatus, Role, TurnId, TurnState};

use crate::Outcome;

/// Whose the conversations are.
pub const OWNER: &str = "ana";

/// What somebody was told.
#[derive(Clone, Debug)]
pub enum Promise {
    /// The message is saved.
    Saved { conversation: ConversationId, turn: TurnId, words: String },
    /// The reply is saved, this long.
    Done { turn: TurnId, bytes: usize },
    /// The message waits and will be sent.
    Waits { turn: TurnId },
    /// The same was said in both, in one batch.
    Both { sides: [ConversationId; 2], words: String },
}

impl Promise {
    /// The conversations that must hold what was promised.
    fn conversations(&self) -> &[ConversationId] {
        match self {
            Self::Saved { conversation, .. } => std::slice::from_ref(conversation),
            Self::Both { sides, .. } => sides,
            Self::Done { .. } | Self::Waits { .. } => &[],
        }
    }
}

/// Opens the database as an engine does after a crash and looks for anything lost, doubled, stuck or broken.
pub async fn check(path: &Path, told: &[&Promise]) -> Outcome<()> {
    let clock = Arc::new(SystemClock::default());
    let settings = SqliteSettings { readers: 1, ..SqliteSettings::default() };
    let store =
        SqliteStore::open(path, settings, clock.clone()).await.map_err(|e| format!("it does not open: {e:?}"))?;
    store.recover(clock.now()).await.map_err(|e| format!("it cannot be put to rest: {e:?}"))?;
    let found = promises(&store, told).await;
    let sound = sound(path);
    store.close().await?;
    found.and(sound)
}

async fn promises(store: &SqliteStore, told: &[&Promise]) -> Outcome<()> {
    let mut conversations = BTreeMap::new();
    for conversation in told.iter().flat_map(|promise| promise.conversations()) {
        if !conversations.contains_key(conversation) {
            conversations.insert(*conversation, everything(store, *conversation).await?);
        }
    }
    let of = |turn: TurnId, role: Role| {
        conversations.values().flatten().filter(move |m| m.turn_id == Some(turn) && m.role == role).collect::<Vec<_>>()
    };
    for promise in told {
        match promise {
            Promise::Saved { turn, words, .. } => {
                let asked = of(*turn, Role::User);
                if asked.len() != 1 || asked[0].text() != *words {
                    return Err(format!("lost: turn {turn} was saved and has {} messages", asked.len()).into());
                }
            }
            Promise::Done { turn, bytes } => {
                let answers = of(*turn, Role::Assistant);
                let is_whole = |m: &&Message| m.status == MessageStatus::Complete && m.text().len() == *bytes;
                if answers.len() != 1 || !answers.iter().all(is_whole) || state(store, *turn).await? != TurnState::Done
                {
                    return Err(format!("lost: turn {turn} was answered and has {} answers", answers.len()).into());
                }
            }
            Promise::Waits { turn } => match state(store, *turn).await? {
                TurnState::Waiting => {}
                state => return Err(format!("lost: turn {turn} was to wait and is {state:?}").into()),
            },
            Promise::Both { sides, words } => {
                // One that nobody was told of yet stands on both sides, or on none.
                let [left, right] =
                    sides.map(|side| conversations[&side].iter().map(Message::text).collect::<Vec<_>>());
                if left != right {
                    return Err(format!("divided: {:?} and {:?}", left.last(), right.last()).into());
                }
                if left.iter().filter(|said| *said == words).count() != 1 {
                    return Err(format!("lost: the batch {words} was done and is not there once").into());
                }
            }
        }
    }
    // What nobody was told of yet may be there, or not; but then once, and at rest.
    let turns: BTreeSet<TurnId> = conversations.values().flatten().filter_map(|message| message.turn_id).collect();
    for turn in turns {
        let (asked, answers, state) =
            (of(turn, Role::User).len(), of(turn, Role::Assistant).len(), state(store, turn).await?);
        if asked != 1 || answers > 1 {
            return Err(format!("doubled: turn {turn} has {asked} messages and {answers} answers").into());
        }
        if matches!(state, TurnState::Saved | TurnState::Sending | TurnState::Streaming) {
            return Err(format!("stuck: turn {turn} is {state:?}").into());
        }
    }
    Ok(())
}

async fn state(store: &SqliteStore, turn: TurnId) -> Outcome<TurnState> {
    let record = store.turn(OWNER, turn).await?.ok_or_else(|| format!("lost: turn {turn} is not there"))?;
    Ok(record.turn.state)
}

/// Every message of a conversation on its branch.
async fn everything(store: &SqliteStore, conversation: ConversationId) -> Outcome<Vec<Message>> {
    let mut all = Vec::new();
    let mut anchor = Anchor::Start;
    loop {
        let Some(page) = store.messages(OWNER, conversation, anchor, 200).await? else { return Ok(all) };
        all.extend(page.items);
        match all.last() {
            Some(last) if !page.reached_end => anchor = Anchor::After(last.id),
            _ => return Ok(all),
        }
    }
}

/// What only the file itself can say.
fn sound(path: &Path) -> Outcome<()> {
    let connection = rusqlite::Connection::open(path)?;
    let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0));
    let answer = ask("PRAGMA integrity_check")?;
    if answer != "ok" {
        return Err(format!("broken: {answer}").into());
    }
    for (name, sql) in [
        ("stuck: turns are open", "SELECT CAST(count(*) AS TEXT) FROM turn WHERE state IN (1, 2, 3)"),
        ("stuck: drafts are left", "SELECT CAST(count(*) AS TEXT) FROM draft_chunk"),
        ("broken: foreign keys", "SELECT CAST(count(*) AS TEXT) FROM pragma_foreign_key_check"),
    ] {
        let found = ask(sql)?;
        if found != "0" {
            return Err(format!("{name}: {found}").into());
        }
    }
    Ok(())
}
