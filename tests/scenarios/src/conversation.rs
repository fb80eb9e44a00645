//! The verbs of a conversation.

use serde_json::{Value, json};
use tertulia::engine::SearchCall;
use tertulia::{Conversation, Detail, MessageId, TimelineFocus};

use crate::handles::Handle;
use crate::play::Made;
use crate::results::{message, messages, plain, reply, streamed};
use crate::words::{Played, Words, named, wrong};

pub(crate) async fn verb(chat: &Conversation, verb: &str, step: &Words<'_>) -> Played<Made> {
    let made = |chat| Ok((named(&chat), Some(Handle::Conversation(chat))));
    let about = || step.id::<MessageId>("message");
    let result = match verb {
        "send" => reply(&chat.send(step.said()?).with(step.call()?).await?)?,
        "stream" => streamed(chat.stream(step.said()?).with(step.call()?).await?, step).await?,
        "retry" => streamed(chat.retry(step.id("turn")?).with(step.call()?).await?, step).await?,
        "edit" => streamed(chat.edit(about()?, step.said()?).with(step.call()?).await?, step).await?,
        "regenerate" => streamed(chat.regenerate(about()?).with(step.call()?).await?, step).await?,
        "attach" => streamed(chat.attach(step.id("turn")?, step.or_default("after_seq")?).await?, step).await?,
        "append" => plain(chat.append(step.messages()?).await?)?,
        "stop" => plain(chat.stop(step.id("turn")?).await?)?,
        "turn" => plain(chat.turn(step.id("turn")?).await?)?,
        "context" => plain(chat.context().with(step.call()?).await?)?,
        "history" => history(chat, step).await?,
        "open" => open(chat, step).await?,
        "messages" => all(chat, step).await?,
        "search" => plain(search(chat.search(step.text("words")?), step)?.await?)?,
        "siblings" => {
            let mut call = chat.siblings(about()?).before(step.cursor("before")?).after(step.cursor("after")?);
            if let Some(limit) = step.get("limit")? {
                call = call.limit(limit);
            }
            messages(&call.await?)?
        }
        "branches" => {
            let mut call = chat.branches().before(step.cursor("before")?).after(step.cursor("after")?);
            if let Some(limit) = step.get("limit")? {
                call = call.limit(limit);
            }
            plain(call.await?)?
        }
        "switch_to" => plain(chat.switch_to(about()?).await?)?,
        "fork" => plain(chat.fork(about()?).await?)?,
        "at" => return made(chat.at(about()?)),
        "duplicate" => return made(chat.duplicate(about()?).await?),
        "delete_message" => {
            let call = chat.delete_message(about()?);
            plain(if step.or_default("subtree")? { call.subtree().await? } else { call.await? })?
        }
        "timeline" => {
            let mut call = chat.timeline().focus(focus(step)?).read_upto(step.id_if::<MessageId>("read_upto")?);
            if let Some(minutes) = step.get("utc_offset_minutes")? {
                call = call.utc_offset_minutes(minutes);
            }
            return Ok((json!({}), Some(Handle::Timeline(call.await?, Vec::new()))));
        }
        "budgets" => plain(chat.budgets().await?)?,
        "summary" => plain(chat.summary().await?)?,
        "update" => plain(chat.update(step.change()?).await?)?,
        "delete" => plain(chat.delete().await?)?,
        _ => return wrong(format!("this runner cannot play `conversation.{verb}`")),
    };
    Ok((result, None))
}

/// The part of a conversation that the step wants to see.
pub(crate) fn focus(step: &Words<'_>) -> Played<TimelineFocus> {
    Ok(match (step.id_if("message")?, step.id_if("branch")?) {
        (None, None) => TimelineFocus::Live,
        (Some(id), None) => TimelineFocus::Message { id },
        (None, Some(head)) => TimelineFocus::Branch { head },
        _ => return wrong("a timeline shows what is about a message, or a branch, not both"),
    })
}

pub(crate) fn search(mut call: SearchCall, step: &Words<'_>) -> Played<SearchCall> {
    if let Some(sort) = step.get("sort")? {
        call = call.sort(sort);
    }
    if let Some(limit) = step.get("limit")? {
        call = call.limit(limit);
    }
    Ok(call.before(step.cursor("before")?))
}

async fn history(chat: &Conversation, step: &Words<'_>) -> Played {
    let mut call = chat.history().before(step.cursor("before")?).after(step.cursor("after")?);
    if let Some(limit) = step.get("limit")? {
        call = call.limit(limit);
    }
    if let Some(message) = step.id_if::<MessageId>("around")? {
        call = call.around(&message);
    }
    if let Some(position) = step.get("position")? {
        call = call.position(position);
    }
    if let Some(turns) = step.get("turns")? {
        call = call.turns(turns);
    }
    call = call.detail(step.get("detail")?.unwrap_or(Detail::Full));
    match step.get("unchanged_since")? {
        None => messages(&call.await?),
        Some(version) => match call.unchanged_since(version).await? {
            None => Ok(Value::Null),
            Some(page) => messages(&page),
        },
    }
}

async fn open(chat: &Conversation, step: &Words<'_>) -> Played {
    let mut call = chat.history();
    if let Some(limit) = step.get("limit")? {
        call = call.limit(limit);
    }
    if let Some(turns) = step.get("turns")? {
        call = call.turns(turns);
    }
    let detail = step.get("detail")?;
    let plainly = detail.is_none() && step.value("limit").is_none() && step.value("turns").is_none();
    let opened = if plainly { chat.open() } else { call.detail(detail.unwrap_or(Detail::Full)).with_summary() };
    let (summary, page) = opened.await?;
    Ok(json!({"summary": plain(summary)?, "page": messages(&page)?}))
}

async fn all(chat: &Conversation, step: &Words<'_>) -> Played {
    let mut reading = chat.messages().detail(step.get("detail")?.unwrap_or(Detail::Full));
    if step.or_default("newest_first")? {
        reading = reading.newest_first();
    }
    let mut items = Vec::new();
    while let Some(next) = reading.next().await? {
        items.push(message(&next)?);
    }
    Ok(items.into())
}
