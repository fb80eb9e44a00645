//! Putting to rest what nobody works on any more.

use super::state::State;
use crate::base::{Timestamp, TurnId};
use crate::model::{MessageStatus, Result, TurnState};
use crate::store::{MessageEnd, TurnChange, TurnRecord, draft, refusal};

impl State {
    /// Ends every open turn whose lease has passed, and settles what was reserved under such a lease.
    pub(super) fn recover(&mut self, now: Timestamp) -> Result<Vec<TurnRecord>> {
        self.now = now;
        let result = self.recover_reservations(now);
        self.end_batch(result)?;
        self.follow_clock_back(now);
        let lost: Vec<(TurnId, String)> = self
            .turns
            .iter()
            .filter(|(_, row)| row.state.is_open() && row.lease.as_ref().is_none_or(|(_, until)| *until <= now))
            .filter_map(|(id, row)| Some((*id, self.conversations.get(&row.conversation)?.owner.clone())))
            .filter(|(id, owner)| self.turn(owner, *id).is_ok())
            .collect();
        let mut records = Vec::with_capacity(lost.len());
        for (id, owner) in lost {
            let result = self.interrupt(&owner, id, now);
            records.push(self.end_batch(result)?);
        }
        Ok(records)
    }

    /// What waits since a moment that is still to come waits as long from now on.
    fn follow_clock_back(&mut self, now: Timestamp) {
        let ahead: Vec<TurnId> = self.queue.iter().filter(|(_, row)| row.set_at > now).map(|(turn, _)| *turn).collect();
        for turn in ahead {
            let moved = self.queue.edit(&turn, |row| {
                let by = row.set_at.as_millis() - now.as_millis();
                let back = |time: &mut Option<Timestamp>| {
                    *time = time.map(|time| Timestamp::from_millis(time.as_millis() - by));
                };
                back(&mut row.entry.not_before);
                back(&mut row.entry.floor);
                back(&mut row.entry.expires_at);
                row.set_at = now;
                (row.entry.not_before, row.entry.expires_at)
            });
            if let Some((not_before, expires_at)) = moved {
                self.turns.edit(&turn, |row| (row.not_before, row.expires_at) = (not_before, expires_at));
            }
        }
        for table in self.tables() {
            table.commit();
        }
    }

    fn interrupt(&mut self, owner: &str, id: TurnId, now: Timestamp) -> Result<TurnRecord> {
        let turn = self.turn(owner, id)?;
        let (reply, last_seq) = (turn.reply, Some(turn.last_seq + draft::UNHEARD_OF));
        let queued = self.queue.get(&id).map(|row| row.entry.clone());
        if let Some(entry) = queued.filter(|_| self.messages.get(&reply).is_none()) {
            let change = TurnChange {
                state: Some(TurnState::Waiting),
                last_seq,
                not_before: Some(Some(now)),
                error: Some(Some(refusal::process_ended(id))),
                lease: Some(None),
                ..TurnChange::default()
            };
            self.advance_turn(owner, id, &change)?;
            self.enqueue(owner, &entry.after_crash(now), now)?;
            return Ok(self.record(owner, id, self.turn(owner, id)?));
        }
        self.queue.remove(&id);
        if self.message(owner, reply).is_ok_and(|row| row.status == MessageStatus::Streaming) {
            let content = draft::fold(self.draft(reply).map(|(_, data)| data.as_ref()))?;
            let status = MessageStatus::Interrupted;
            let end = MessageEnd { id: reply, status, content, finish_reason: None, usage: None, cost: None };
            self.end_message(owner, &end, now)?;
        }
        let change = TurnChange {
            state: Some(TurnState::Interrupted),
            last_seq,
            error: Some(Some(refusal::process_ended(id))),
            lease: Some(None),
            ..TurnChange::default()
        };
        self.advance_turn(owner, id, &change)?;
        Ok(self.record(owner, id, self.turn(owner, id)?))
    }
}
