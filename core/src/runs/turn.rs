//! The turn of a step that an earlier life of the run began.

use super::journal::LOOK;
use super::program::work::Work;
use crate::engine::{CallOptions, Conversation, ReplyStream};
use crate::model::{Result, TurnState};

/// A turn that was begun before.
pub(super) struct Begun {
    pub(super) stream: ReplyStream,
    /// The answer was there already, and paid for: it counts in what the run may cost, and nobody has counted it here.
    pub(super) was_paid: bool,
}

/// The turn that was begun under this id, if one was: its answer, or the same question once more. While somebody else is at
/// work on it, or its lease has not ended, this waits.
pub(super) async fn begun(
    work: &Work,
    chat: &Conversation,
    client_id: &str,
    options: &CallOptions,
) -> Result<Option<Begun>> {
    let ground = &work.journal.ground;
    loop {
        let Some(record) = ground.store.turn_of_client(&ground.owner, chat.id(), client_id).await? else {
            return Ok(None);
        };
        let turn = chat.turn(record.id()).await?;
        let (stream, was_paid) = match turn.state {
            TurnState::Done => (chat.attach(turn.id, 0).await?, true),
            state if state.is_open() => {
                ground.clock.sleep(LOOK).await;
                continue;
            }
            _ => {
                let again = CallOptions { client_id: None, ..options.clone() };
                (chat.retry(turn.id).with(again).await?, false)
            }
        };
        return Ok(Some(Begun { stream, was_paid }));
    }
}
