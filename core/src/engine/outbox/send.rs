//! Sending one message of the outbox: what forbids it, the claim, the call, and where it comes to rest.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::sync::CancellationToken;

use super::drain::{first, is_due};
use crate::base::{ErrorKind, Retry};
use crate::engine::ask::total;
use crate::engine::conversation::Conversation;
use crate::engine::fallback;
use crate::engine::journal::{Begins, Journal};
use crate::engine::kept::Asked;
use crate::engine::log::{EndOnDrop, TurnLog};
use crate::engine::options::CallOptions;
use crate::engine::tree::{Aim, Placing};
use crate::engine::turn::Task;
use crate::engine::user::UserScope;
use crate::model::{Error, Priority, ReplyStatus, Result, TurnState};
use crate::store::{Durability, Op, Precondition, QueueEntry, TurnChange, TurnRecord, WriteBatch};

/// The reason word of a message that waits for an earlier one of its conversation.
pub(in crate::engine) const EARLIER_WAITS: &str = "earlier_waits";

/// True for a message under which a process has ended.
pub(super) fn is_suspect(record: &TurnRecord) -> bool {
    record.queued.as_ref().is_some_and(|entry| entry.crashes > 0)
}

/// What became of the first message of a queue.
pub(super) enum Sent {
    /// It is answered, parked, or out of the queue in another way: the next one may go.
    Gone,
    /// It is where it was.
    Waits,
}

/// Sends the message of a turn that waits. Whoever calls has the conversation's place.
pub(super) async fn send(chat: &Conversation, record: TurnRecord) -> Result<Sent> {
    let engine = &chat.user.engine;
    let Some(entry) = &record.queued else { return Ok(Sent::Gone) };
    if entry.expires_at.is_some_and(|expiry| expiry <= engine.clock.now()) {
        let detail = "the message could not be sent in time (settings.outbox.expires_after_ms); retry sends it";
        return park(chat, &record, Error::new(ErrorKind::TimedOut, "expired", detail)).await;
    }
    if engine.outbox.is_poison(entry.crashes) {
        let detail = "the process ended each time this message was being sent (settings.outbox.crash_attempts); it is \
                      left alone until retry sends it";
        return park(chat, &record, Error::new(ErrorKind::Internal, "crashes", detail)).await;
    }
    let prepared = async {
        let options = CallOptions::default().over(record.options.as_ref())?;
        // What waits was put in by `degrade`, whatever the settings say by now.
        let options = CallOptions { degrade: Some(true), ..options };
        let target = engine.targets.resolve(options.model.as_deref(), Some(&record.model)).await?;
        let summary = engine.store.conversation(&chat.user.owner, chat.id()).await?;
        let system = options.system.clone().or_else(|| summary.and_then(|summary| summary.system));
        let limit = total(engine, &options)?;
        let plan = engine.tiers.plan(&chat.user.owner);
        let others = fallback::others(engine, &options, &target, plan.as_ref()).await?;
        let kept = options.kept()?;
        // Behind who waits for an answer, before what runs by itself.
        let priority = if options.priority == Priority::Interactive { Priority::Normal } else { options.priority };
        Ok::<_, Error>((kept, CallOptions { system, priority, ..options }, target, others, limit))
    };
    let (kept, options, target, others, limit) = match prepared.await {
        Ok(prepared) => prepared,
        Err(error) if matches!(error.kind(), ErrorKind::Storage | ErrorKind::Closed) && error.reason() != "corrupt" => {
            return Err(error);
        }
        Err(error) => return park(chat, &record, error).await,
    };
    let (turn, last_seq) = (record.id(), record.turn.last_seq);
    let begins =
        Begins { turn, said_as: None, body_hash: [0; 32], target: &target, placing: Placing::of(chat, &options) };
    let journal = match Journal::reopen(chat, record, Asked { options: &options, kept }, begins).await {
        Ok(journal) => journal,
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(Sent::Waits),
        Err(error) => return Err(error),
    };
    engine.outbox.changed(&chat.user.owner, turn);
    let stopper: CancellationToken = engine.tasks.stop_token().child_token();
    let task = Task {
        chat: chat.clone(),
        again: true,
        aim: Aim::Retry,
        echo: None,
        options,
        operation: "outbox.send",
        turn,
        body_hash: [0; 32],
        // The wait between two tries is the outbox's, and nobody holds a conversation for it.
        max_wait: Some(Duration::ZERO),
        deadline: engine.clock.monotonic() + limit,
        log: Arc::new(TurnLog::following(turn, last_seq)),
        cancel: stopper.child_token(),
        stopper,
    };
    let _end = EndOnDrop(task.log.clone());
    let outcome = task.carry(journal, target, others, || {}).await;
    let waits = outcome.as_ref().is_ok_and(|reply| reply.status == ReplyStatus::Waiting);
    let sent = if waits || outcome.is_err() { Sent::Waits } else { Sent::Gone };
    task.log.end(outcome);
    Ok(sent)
}

/// Parks a turn that waits, for this reason.
async fn park(chat: &Conversation, record: &TurnRecord, error: Error) -> Result<Sent> {
    let engine = &chat.user.engine;
    let Some(entry) = record.queued.clone() else { return Ok(Sent::Gone) };
    let error = error.with_turn(record.id()).during("outbox.send").worded(&engine.sentences);
    let change = TurnChange {
        state: Some(TurnState::Parked),
        not_before: Some(None),
        error: Some(Some(error.info())),
        ..TurnChange::default()
    };
    let batch = WriteBatch::new(&*chat.user.owner, engine.clock.now())
        .require(Precondition::Epoch { turn: record.id(), expected: record.epoch })
        .op(Op::AdvanceTurn { id: record.id(), change })
        .op(Op::Enqueue(QueueEntry { not_before: None, floor: None, ..entry }));
    match engine.store.apply(batch, Durability::PowerSafe).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(Sent::Waits),
        Err(error) => return Err(error),
    }
    tracing::warn!(
        target: "tertulia::outbox", operation = "park", owner = record.owner, conversation = %record.conversation_id,
        turn = %record.id(), model = record.model, error_kind = error.kind().as_str(), reason = error.reason(),
        "a message is parked",
    );
    engine.watch.tell_turn(record, TurnState::Parked);
    engine.outbox.changed(&chat.user.owner, record.id());
    engine.outbox.moved(&chat.user.owner, record.id(), if error.reason() == "expired" { "expired" } else { "parked" });
    Ok(Sent::Gone)
}

/// Sends what waits in this conversation before this turn, so that its order is kept. True when there was something. Who
/// is stopped or has no time left waits no longer; what is being sent goes on.
///
/// # Errors
/// `Unavailable` (earlier_waits) when something of it still waits, `TimedOut` (earlier_waits), `Cancelled`.
pub(in crate::engine) fn earlier(task: &Task) -> BoxFuture<'_, Result<bool>> {
    // Boxed, because what it sends comes here again.
    Box::pin(async move {
        let engine = &task.chat.user.engine;
        // What the outbox itself sends is the first of its queue.
        if !engine.current().settings.outbox.enabled || !engine.outbox.may_have_work() || task.max_wait.is_some() {
            return Ok(false);
        }
        // Sent on the account that they were written for, with the keys that the engine knows.
        let user = UserScope::new(engine.clone(), task.chat.user.owner.clone());
        let chat = Conversation::new(user, task.chat.id(), None);
        let mut any = false;
        loop {
            let Some(first) = first(&chat).await?.filter(|first| first.id() != task.turn) else { return Ok(any) };
            let alone = is_suspect(&first).then(|| engine.outbox.suspects.clone().try_acquire_owned().ok());
            let may_go = first.turn.state == TurnState::Waiting
                && is_due(&first, engine.clock.now(), true)
                && !matches!(alone, Some(None));
            if !may_go || matches!(sent_apart(task, &chat, first, alone.flatten()).await?, Sent::Waits) {
                let detail = "an earlier message of this conversation waits to be sent; this one goes after it";
                return Err(Error::new(ErrorKind::Unavailable, EARLIER_WAITS, detail).with_retry(Retry::Safe));
            }
            any = true;
        }
    })
}

/// Sends an earlier message in a task of its own, which whoever waits for it may leave alone.
async fn sent_apart(
    task: &Task,
    chat: &Conversation,
    first: TurnRecord,
    alone: Option<OwnedSemaphorePermit>,
) -> Result<Sent> {
    let engine = &chat.user.engine;
    let (told, sent) = oneshot::channel();
    let earlier = chat.clone();
    engine.tasks.spawn("outbox", Some(chat.user.owner.clone()), async move {
        let outcome = send(&earlier, first).await;
        drop(alone);
        // Whoever waited may have gone.
        drop(told.send(outcome));
        Ok(())
    });
    let left = task.deadline.saturating_sub(engine.clock.monotonic());
    tokio::select! {
        biased;
        () = task.cancel.cancelled() => {
            Err(Error::new(ErrorKind::Cancelled, "stopped", "the call was stopped while an earlier message was sent"))
        }
        sent = sent => sent.map_err(|_| Error::internal("an earlier message was not sent to its end"))?,
        () = engine.clock.sleep(left) => {
            let detail = "the time for the call was up while an earlier message of its conversation was sent";
            Err(Error::new(ErrorKind::TimedOut, EARLIER_WAITS, detail).with_retry(Retry::Safe))
        }
    }
}
