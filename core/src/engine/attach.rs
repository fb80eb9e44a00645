//! Reading a turn that somebody else began: while it runs here, as it comes; when it has come to rest, from the store.

use std::sync::Arc;

use super::conversation::{Conversation, not_found};
use super::log::TurnLog;
use super::stream::ReplyStream;
use super::tertulia::{Inner, Live};
use crate::base::{ErrorKind, TurnId};
use crate::model::{Error, Part, Reply, ReplyStatus, Result, StreamEventKind, TurnState};
use crate::policy::Measure;
use crate::store::TurnRecord;

/// Reads a turn from behind this event on.
pub(super) async fn attach(chat: &Conversation, turn: TurnId, after_seq: i64) -> Result<ReplyStream> {
    chat.user.check()?;
    let record = chat.user.engine.store.turn(&chat.user.owner, turn).await?;
    let record = record.filter(|r| r.conversation_id == chat.id).ok_or_else(|| not_found("turn"))?;
    attach_record(chat, record, after_seq, Some(false)).await
}

/// The turn; one whose process is gone is put to rest first.
pub(super) async fn rested(engine: &Inner, owner: &str, turn: TurnId) -> Result<Option<TurnRecord>> {
    match engine.store.turn(owner, turn).await? {
        Some(found) => Ok(standing(engine, found).await?.map(|(record, _)| record)),
        None => Ok(None),
    }
}

/// The turn as it stands, and what of it is at work here; nothing when it is gone. It may have ended since it was read;
/// one whose process is gone is put to rest first.
pub(super) async fn standing(engine: &Inner, read: TurnRecord) -> Result<Option<(TurnRecord, Option<Live>)>> {
    let turn = read.id();
    let live = || engine.live().get(&turn).cloned();
    let here = live();
    if here.is_some() || !read.turn.state.is_open() {
        return Ok(Some((read, here)));
    }
    let recovered = engine.store.recover(engine.clock.now()).await?;
    super::outbox::settle_recovered(engine, recovered).await;
    let again = engine.store.turn(&read.owner, turn).await?;
    Ok(again.map(|record| (record, live())))
}

/// The reply of this turn. One that did not end well is an error, unless who asks wants a reply (`degrade`).
pub(super) async fn attach_record(
    chat: &Conversation,
    record: TurnRecord,
    after_seq: i64,
    degrade: Option<bool>,
) -> Result<ReplyStream> {
    let engine = &chat.user.engine;
    let degrades = degrade.unwrap_or(engine.current().settings.outbox.degrade);
    let turn = record.id();
    let (record, live) = standing(engine, record).await?.ok_or_else(|| not_found("turn"))?;
    if let Some(live) = live {
        engine.watch.count(&record.model, &Measure::Reattached);
        return Ok(ReplyStream::watching(live.log, turn, live.stopper, after_seq, engine.clock.clone()));
    }
    if record.turn.state.is_open() {
        return Err(Error::new(
            ErrorKind::Conflict,
            "held_elsewhere",
            "another process works on this turn; attach there",
        ));
    }
    let reply = resting_reply(chat, &record).await?;
    // The store keeps parts, not events. The end has the number that it had on the way.
    let log = Arc::new(TurnLog::new(Some(turn)));
    log.push(0, StreamEventKind::Started { turn_id: Some(turn), message_id: reply.message_id, model: record.model });
    for (index, part) in reply.parts.iter().enumerate() {
        log.push(i32::try_from(index).unwrap_or(i32::MAX), whole_part(part.clone()));
    }
    log.go_on_behind(record.turn.last_seq - 1);
    let rested_at = log.last_seq() + 1;
    log.end(match (record.turn.state, &record.turn.error) {
        (TurnState::Done | TurnState::Cancelled | TurnState::Waiting, _) | (_, None) => Ok(reply),
        _ if degrades => Ok(reply),
        (_, Some(info)) => Err(Error::from(info.clone()).with_partial(reply.parts).with_turn(turn)),
    });
    Ok(ReplyStream::resting(log, turn, after_seq, rested_at, engine.clock.clone()))
}

/// A stored part as the event that brings it.
fn whole_part(part: Part) -> StreamEventKind {
    match part {
        Part::Text { text, citations } if citations.is_empty() => StreamEventKind::Text { delta: text },
        Part::Reasoning { text } => StreamEventKind::Reasoning { delta: text },
        Part::Refusal { text } => StreamEventKind::Refusal { delta: text },
        Part::ToolCall { call } => StreamEventKind::ToolCall { call },
        Part::ToolResult { result } => StreamEventKind::ToolResult { result },
        part => StreamEventKind::Part { part },
    }
}

/// The reply of a turn that has come to rest.
async fn resting_reply(chat: &Conversation, record: &TurnRecord) -> Result<Reply> {
    let engine = &chat.user.engine;
    let (provider, model) = record.model.split_once('/').unwrap_or(("", &record.model));
    let mut reply = Reply::empty(provider, model);
    reply.conversation_id = Some(record.conversation_id);
    reply.turn_id = Some(record.id());
    reply.error.clone_from(&record.turn.error);
    reply.status = match record.turn.state {
        TurnState::Waiting => ReplyStatus::Waiting,
        TurnState::Parked => ReplyStatus::Parked,
        TurnState::Interrupted => ReplyStatus::Interrupted,
        TurnState::Cancelled => ReplyStatus::Cancelled,
        _ => ReplyStatus::Done,
    };
    if let Some(message) = engine.store.message(&chat.user.owner, record.reply).await? {
        // The turn knows who was asked, the message who answered.
        if let Some((provider, model)) = message.model.as_deref().and_then(|model| model.split_once('/')) {
            (reply.provider, reply.model) = (provider.to_owned(), model.to_owned());
        }
        reply.message_id = Some(message.id);
        reply.parts = message.parts;
        reply.finish_reason = message.finish_reason;
        reply.usage = message.usage.unwrap_or_default();
        reply.cost = message.cost.unwrap_or_default();
    }
    Ok(reply)
}
