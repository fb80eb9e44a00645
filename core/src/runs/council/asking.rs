//! How a council asks: a call that stores nothing, counts on the run, and ends with the stage it belongs to.

use std::time::Duration;

use crate::base::{ErrorKind, TurnId};
use crate::engine::{CallOptions, Conversation, ReplyStream};
use crate::model::{
    Error, MessageStatus, NewMessage, Part, Reply, ReplyStatus, Result, Role, StreamEventKind, text_of,
};
use crate::policy::tokens_of_message;
use crate::runs::program::work::Work;

/// So much of the conversation members and reviewers are shown, in tokens by estimate: the newest of it. Every member has
/// room for that, whichever model it is.
const MAX_TOKENS: u64 = 16_000;

/// No more messages than this are looked at.
const MAX_MESSAGES: usize = 1_000;

/// The conversation before the question, in words; without what was said in this turn.
pub(super) async fn heard(chat: &Conversation, own: Option<TurnId>) -> Result<Vec<NewMessage>> {
    let mut messages = chat.messages().newest_first();
    let (mut heard, mut tokens) = (Vec::new(), 0);
    for _ in 0..MAX_MESSAGES {
        let message = match messages.next().await {
            Ok(Some(message)) => message,
            // A conversation begins with its first message.
            Err(error) if error.kind() == ErrorKind::NotFound => break,
            Ok(None) => break,
            Err(error) => return Err(error),
        };
        let is_speech =
            matches!(message.role, Role::User | Role::Assistant) && message.status == MessageStatus::Complete;
        let text = text_of(&message.parts);
        if !is_speech || (own.is_some() && message.turn_id == own) || text.trim().is_empty() {
            continue;
        }
        let message = NewMessage::new(message.role, [Part::text(text)]);
        tokens += tokens_of_message(&message);
        if tokens > MAX_TOKENS {
            break;
        }
        heard.push(message);
    }
    heard.reverse();
    Ok(heard)
}

/// What the conversation tells its models, unless the call does.
pub(super) async fn instructions(chat: &Conversation, own: Option<String>) -> Result<Option<String>> {
    if own.is_some() {
        return Ok(own);
    }
    match chat.summary().await {
        Ok(summary) => Ok(summary.system),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let beginning = chat.beginning();
            Ok(beginning.and_then(|json| Some(json.get("system")?.as_str()?.to_owned())))
        }
        Err(error) => Err(error),
    }
}

/// The knobs of a call of the council to this model that may take so long.
pub(super) fn options(work: &Work, model: &str, system: Option<String>, left: Duration) -> CallOptions {
    let left = i64::try_from(left.as_millis()).unwrap_or(i64::MAX).max(1);
    let timeout_ms = Some(work.options.timeout_ms.map_or(left, |own| own.min(left)));
    let model = Some(model.to_owned());
    CallOptions { model, system, timeout_ms, tools: Vec::new(), tool_choice: None, ..work.options.clone() }
}

/// Asks and waits for the whole answer, no longer than this. Its words are heard on the way.
///
/// # Errors
/// Whatever ends the call; `TimedOut` (stage_over).
pub(super) async fn ask(
    work: &Work,
    options: CallOptions,
    messages: Vec<NewMessage>,
    left: Duration,
    hear: impl Fn(String),
) -> Result<Reply> {
    let asked = async {
        let stream = work.chat.user().ask(messages).with(options).stream().await?;
        listen(stream, hear).await
    };
    if left.is_zero() {
        return Err(stage_over());
    }
    tokio::select! {
        biased;
        reply = asked => reply,
        () = work.journal.ground.clock.sleep(left) => Err(stage_over()),
    }
}

/// Reads a reply to its end. One without words is none.
pub(super) async fn listen(mut stream: ReplyStream, hear: impl Fn(String)) -> Result<Reply> {
    while let Some(event) = stream.next_event().await? {
        match event.kind {
            StreamEventKind::Text { delta } => hear(delta),
            StreamEventKind::Done { reply } => return whole(*reply),
            _ => {}
        }
    }
    Err(Error::internal("a reply ended without its end"))
}

fn whole(reply: Reply) -> Result<Reply> {
    if reply.status != ReplyStatus::Done {
        let stopped = || Error::new(ErrorKind::Cancelled, "cancelled", "a call of the council was stopped");
        return Err(reply.error.map_or_else(stopped, Error::from));
    }
    if reply.text().trim().is_empty() {
        let detail = "the model answered without any words";
        return Err(Error::new(ErrorKind::OutputInvalid, "empty_answer", detail).with_spent(reply.usage, reply.cost));
    }
    Ok(reply)
}

/// The time of a stage is over.
pub(super) fn stage_over() -> Error {
    let detail = "it was not there when its part of the council's time was over; a longer `timeout` gives it more";
    Error::new(ErrorKind::TimedOut, "stage_over", detail)
}
