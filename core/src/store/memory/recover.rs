//! Putting to rest what nobody works on any more.

use super::state::State;
use crate::base::{Timestamp, TurnId};
use crate::model::{MessageStatus, Result, TurnState};
use crate::store::{MessageEnd, TurnChange, TurnRecord, draft, refusal};

impl State {
    /// Ends every open turn whose lease has passed, and settles what was reserved under such a lease.
    pub(super) fn recover(&mut self, now: Timestamp) -> Result<Vec<TurnRecord>> {
        let result = self.recover_reservations(now);
        self.end_batch(result)?;
        let lost: Vec<(TurnId, String)> = self
            .turns
            .iter()
            .filter(|(_, row)| row.state.is_open() && row.lease.as_ref().is_none_or(|(_, until)| *until <= now))
            .filter_map(|(id, row)| Some((*id, self.conversations.get(&row.conversation)?.owner.clone())))
            .collect();
        let mut records = Vec::with_capacity(lost.len());
        for (id, owner) in lost {
            let result = self.interrupt(&owner, id, now);
            records.push(self.end_batch(result)?);
        }
        Ok(records)
    }

    fn interrupt(&mut self, owner: &str, id: TurnId, now: Timestamp) -> Result<TurnRecord> {
        let reply = self.turn(owner, id)?.reply;
        if self.message(owner, reply).is_ok_and(|row| row.status == MessageStatus::Streaming) {
            let content = draft::fold(self.draft(reply).map(|(_, data)| data.as_ref()))?;
            let status = MessageStatus::Interrupted;
            let end = MessageEnd { id: reply, status, content, finish_reason: None, usage: None, cost: None };
            self.end_message(owner, &end, now)?;
        }
        let change = TurnChange {
            state: Some(TurnState::Interrupted),
            error: Some(Some(refusal::process_ended(id))),
            lease: Some(None),
            ..TurnChange::default()
        };
        self.advance_turn(owner, id, &change)?;
        Ok(self.record(owner, id, self.turn(owner, id)?))
    }
}
