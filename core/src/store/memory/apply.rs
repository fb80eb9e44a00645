//! Writing: the ops of a batch, one after the other.

use bytes::Bytes;

use super::state::{AttachmentRow, ConversationRow, MessageRow, QueuedRow, State, TurnRow};
use crate::base::{ConversationId, MessageId, Timestamp, TurnId};
use crate::model::{ConversationSummary, Cost, MessageStatus, Result, Role, Usage};
use crate::store::books;
use crate::store::events::ends;
use crate::store::refusal;
use crate::store::tree::jumps_on;
use crate::store::{
    Content, ConversationChange, DraftChunk, Erased, LibraryKey, MessageEnd, NewAttachment, NewConversation, NewRow,
    NewStep, NewTurn, Op, Parent, Placed, Precondition, QueueEntry, Receipt, TurnChange, WriteBatch,
};

impl State {
    /// Applies all of the batch, or nothing of it.
    pub(super) fn apply(&mut self, batch: &WriteBatch) -> Result<Receipt> {
        let (change, deletion) = (self.change, self.deletion);
        self.now = batch.at;
        let result = self.apply_ops(batch);
        if result.is_err() {
            (self.change, self.deletion) = (change, deletion);
        }
        self.end_batch(result)
    }

    /// Keeps what was done when it went well, and takes it back when not.
    pub(super) fn end_batch<T>(&mut self, result: Result<T>) -> Result<T> {
        for table in self.tables() {
            if result.is_ok() { table.commit() } else { table.roll_back() }
        }
        result
    }

    fn apply_ops(&mut self, batch: &WriteBatch) -> Result<Receipt> {
        let owner = batch.owner.as_str();
        for precondition in &batch.preconditions {
            self.check(owner, precondition)?;
        }
        let (mut placed, mut alerts) = (Vec::new(), Vec::new());
        let (mut head, mut goes_on) = (None, None);
        let mut versions: Option<(i64, i64)> = None;
        let (mut stream_version, mut entry_version) = (None, None);
        let mut erased = Erased::default();
        for op in &batch.ops {
            let talk = match op {
                Op::AppendMessage(new) => Some(new.conversation),
                Op::EndMessage(end) => self.messages.get(&end.id).map(|row| row.conversation),
                _ => None,
            };
            let version = |state: &Self| Some(state.conversations.get(&talk?)?.shown.version);
            let before = version(self);
            match op {
                Op::PutConversation(new) => self.put_conversation(owner, new, batch.at)?,
                Op::UpdateConversation { id, change } => self.update_conversation(owner, *id, change, batch.at)?,
                Op::DateConversation { id, created_at, updated_at } => {
                    self.date_conversation(owner, *id, *created_at, *updated_at)?;
                }
                Op::DeleteConversation { id } => self.delete_conversation(owner, *id)?,
                Op::UpdatePreferences(change) => {
                    self.may_begin(owner)?;
                    let old = self.preferences.get(&batch.owner).cloned().unwrap_or_default();
                    self.preferences.put(batch.owner.clone(), old.changed(change)?);
                    self.note_library(LibraryKey::preferences(owner));
                }
                Op::SweepConversation { id } => self.sweep_conversation(owner, *id)?,
                Op::AppendMessage(new) => placed.push(self.append_message(batch, new)?),
                Op::SwitchTo { conversation, message } => {
                    head = self.switch_to(owner, *conversation, *message, batch.at)?;
                }
                Op::ForkAt { conversation, message } => {
                    head = self.fork_at(owner, *conversation, *message, batch.at)?;
                }
                Op::WipeMessage { id } => self.wipe_message(owner, *id, batch.at)?,
                Op::RemoveMessages { conversation, top, from, steps } => {
                    goes_on = self.remove_messages(owner, *conversation, (*top, *from), *steps, batch.at)?;
                }
                Op::EndMessage(end) => self.end_message(owner, end, batch.at)?,
                Op::WithdrawMessage { id } => self.withdraw_message(owner, *id)?,
                Op::PutAttachment(new) => self.put_attachment(owner, new)?,
                Op::PutTurn(new) => self.put_turn(owner, new, batch.at)?,
                Op::AdvanceTurn { id, change } => self.advance_turn(owner, *id, change)?,
                Op::PutStep(step) => self.put_step(owner, step)?,
                Op::AppendDraft(chunk) => self.append_draft(owner, chunk)?,
                Op::Enqueue(entry) => self.enqueue(owner, entry, batch.at)?,
                Op::Dequeue { turn } => {
                    self.turn(owner, *turn)?;
                    self.queue.remove(turn);
                }
                Op::PutBudget(budget) => self.put_budget(budget)?,
                Op::DeleteBudget { id } => self.delete_budget(*id),
                Op::Reserve(new) => alerts.extend(books::reserve(&mut self.books(owner), owner, new, batch.at)?),
                Op::Settle { id, entry } => {
                    alerts.extend(books::settle(&mut self.books(owner), *id, entry, batch.at)?);
                }
                Op::Release { id } => books::release(&mut self.books(owner), *id, batch.at)?,
                Op::Charge(entry) => alerts.extend(books::charge(&mut self.books(owner), owner, entry, batch.at)?),
                Op::RenewReservations { holder, until } => self.renew_reservations(holder, *until),
                Op::AppendEvents(new) => stream_version = Some(self.append_events(owner, new, batch.at)?),
                Op::PutSnapshot { id, version, data } => self.put_snapshot(owner, *id, *version, data)?,
                Op::ExpireStream { id, expires_in } => self.expire_stream(owner, *id, ends(batch.at, *expires_in))?,
                Op::DeleteStream { id } => self.delete_stream(owner, *id)?,
                Op::SweepStream { id } => self.sweep_stream(owner, *id)?,
                Op::BeginErasure => self.begin_erasure(owner),
                Op::EraseSome { rows } => erased = self.erase_some(owner, *rows)?,
                Op::EndErasure => self.end_erasure(owner)?,
                Op::PutEntry(new) => entry_version = Some(self.put_entry(owner, new, batch.at)?),
                Op::DeleteEntry { kind, name, expected } => {
                    self.delete_entry(LibraryKey::new(owner, &**kind, &**name), *expected, batch.at)?;
                }
                Op::PutSummary(new) => self.put_summary(owner, new, batch.at)?,
            }
            if let (Some(before), Some(after)) = (before, version(self)) {
                versions = Some((versions.map_or(before, |(first, _)| first), after));
            }
        }
        let (change_seq, has_budgets) = (self.change, self.has_budgets());
        Ok(Receipt {
            change_seq,
            placed,
            alerts,
            head,
            goes_on,
            has_budgets,
            versions,
            stream_version,
            entry_version,
            erased,
        })
    }

    fn check(&self, owner: &str, precondition: &Precondition) -> Result<()> {
        match precondition {
            Precondition::Owns { conversation } => self.conversation(owner, *conversation).map(drop),
            Precondition::Head { conversation, expected } => {
                let row = self.conversation(owner, *conversation)?;
                if row.shown.head_id == *expected { Ok(()) } else { Err(refusal::head_moved(row.shown.head_id)) }
            }
            Precondition::Version { conversation, expected } => {
                let row = self.conversation(owner, *conversation)?;
                if row.shown.version == *expected { Ok(()) } else { Err(refusal::version_moved()) }
            }
            Precondition::Epoch { turn, expected } => {
                let row = self.turn(owner, *turn)?;
                if row.epoch == *expected { Ok(()) } else { Err(refusal::epoch_moved()) }
            }
        }
    }

    fn put_conversation(&mut self, owner: &str, new: &NewConversation, at: Timestamp) -> Result<()> {
        if self.conversations.get(&new.id).is_some() {
            let is_there = self.conversation(owner, new.id).map(drop);
            // One of this owner whose time is up makes room.
            if is_there.is_ok() || self.kept(owner, new.id).is_none() {
                return is_there;
            }
            self.delete_conversation(owner, new.id)?;
        }
        self.may_begin(owner)?;
        let change = self.next_change();
        let shown = ConversationSummary {
            id: new.id,
            title: new.title.clone(),
            system: new.system.clone(),
            model: new.model.clone(),
            metadata: new.metadata.clone(),
            message_count: 0,
            last_preview: None,
            last_role: None,
            head_id: None,
            depth: 0,
            input_tokens: 0,
            output_tokens: 0,
            cost_nano_usd: 0,
            created_at: at,
            updated_at: at,
            version: change,
            pinned: false,
            archived: false,
            expires_at: new.expires_in.map(|time| at.plus(time)),
            tags: new.tags.clone(),
        };
        let row = ConversationRow {
            owner: owner.to_owned(),
            shown,
            activity: change,
            beginnings: 0,
            selected: None,
            deletion: change,
        };
        self.by_activity.put(row.list_key(), new.id);
        self.conversations.put(new.id, row);
        Ok(())
    }

    fn update_conversation(
        &mut self,
        owner: &str,
        id: ConversationId,
        change: &ConversationChange,
        at: Timestamp,
    ) -> Result<()> {
        self.conversation(owner, id)?;
        let version = self.next_change();
        self.edit_listed(id, |row| {
            let shown = &mut row.shown;
            let set = |field: &mut Option<String>, value: &Option<Option<String>>| {
                if let Some(value) = value {
                    field.clone_from(value);
                }
            };
            set(&mut shown.title, &change.title);
            set(&mut shown.system, &change.system);
            set(&mut shown.model, &change.model);
            if let Some(metadata) = &change.metadata {
                shown.metadata.clone_from(metadata);
            }
            if let Some(tags) = &change.tags {
                shown.tags.clone_from(tags);
            }
            if let Some(time) = change.expires_in {
                shown.expires_at = time.map(|time| at.plus(time));
            }
            shown.pinned = change.pinned.unwrap_or(shown.pinned);
            shown.archived = change.archived.unwrap_or(shown.archived);
            shown.updated_at = at;
            shown.version = version;
        });
        Ok(())
    }

    fn date_conversation(
        &mut self,
        owner: &str,
        id: ConversationId,
        created_at: Timestamp,
        updated_at: Timestamp,
    ) -> Result<()> {
        self.conversation(owner, id)?;
        let version = self.next_change();
        self.edit_listed(id, |row| {
            row.shown.created_at = created_at;
            row.shown.updated_at = updated_at;
            row.shown.version = version;
            row.activity = version;
        });
        Ok(())
    }

    fn sweep_conversation(&mut self, owner: &str, id: ConversationId) -> Result<()> {
        let is_gone = self.kept(owner, id).is_some() && self.conversation(owner, id).is_err();
        if is_gone { self.delete_conversation(owner, id) } else { Ok(()) }
    }

    /// Also one whose time is up.
    pub(super) fn delete_conversation(&mut self, owner: &str, id: ConversationId) -> Result<()> {
        let key = self.kept(owner, id).ok_or_else(refusal::no_conversation)?.list_key();
        self.deletion = self.next_change();
        self.forget_summaries(id, 0);
        let span = (id, TurnId::from_bytes([0; 16]))..=(id, TurnId::from_bytes([0xff; 16]));
        let turns: Vec<TurnId> = self.turns_of.range(span).map(|((_, turn), ())| *turn).collect();
        for turn in turns {
            self.remove_turn(id, turn);
        }
        let span = (id, MessageId::from_bytes([0; 16]))..=(id, MessageId::from_bytes([0xff; 16]));
        let messages: Vec<MessageId> = self.messages_of.range(span).map(|((_, message), ())| *message).collect();
        for message in messages {
            self.delete_draft(message);
            self.release_attachments(message);
            self.messages_of.remove(&(id, message));
            if let Some(row) = self.messages.remove(&message) {
                self.siblings.remove(&(id, row.parent, row.sibling_index));
                self.leaves.remove(&(id, row.made));
                self.release_content(&row.body);
            }
        }
        self.by_activity.remove(&key);
        self.conversations.remove(&id);
        Ok(())
    }

    fn append_message(&mut self, batch: &WriteBatch, new: &NewRow) -> Result<Placed> {
        let conversation = self.conversation(&batch.owner, new.conversation)?;
        if new.status == MessageStatus::Streaming && new.turn.is_none() {
            return Err(refusal::streaming_without_turn());
        }
        if let Some(turn) = new.turn {
            let known = self.turns.get(&turn).is_some_and(|row| row.conversation == new.conversation);
            if !known && !batch.puts_turn(turn, new.conversation) {
                return Err(refusal::no_turn());
            }
        }
        if self.messages.get(&new.id).is_some() {
            return Err(refusal::id_taken());
        }
        let head = conversation.shown.head_id;
        let (parent, is_shown) = match new.parent {
            Parent::Start => (None, true),
            Parent::Head => (head, true),
            Parent::Message(id) => (Some(id), true),
            Parent::Beside(id) => {
                let row = self.messages.get(&id).filter(|row| row.conversation == new.conversation);
                (row.ok_or_else(refusal::no_message)?.parent, true)
            }
            Parent::Below(id) => (Some(id), self.is_shown(id, head)),
            Parent::Restored { below, .. } => (below, false),
            Parent::Answer(id) => (Some(self.place_of_answer(id, new.turn, head)?), self.is_shown(id, head)),
        };
        let beginnings = conversation.beginnings;
        let (depth, jump, jump_depth, sibling_index) = match parent {
            None => (1, None, 0, beginnings),
            Some(id) => {
                let row = self
                    .messages
                    .get(&id)
                    .filter(|row| row.conversation == new.conversation)
                    .ok_or_else(refusal::no_message)?;
                let (far, far_depth) = row
                    .jump
                    .and_then(|far| self.messages.get(&far))
                    .map_or((None, 0), |far| (far.jump, far.jump_depth));
                let (jump, jump_depth) = if jumps_on(row.depth, row.jump_depth, far_depth) {
                    (far, far_depth)
                } else {
                    (Some(id), row.depth)
                };
                (row.depth + 1, jump, jump_depth, row.children)
            }
        };
        let deletion = conversation.deletion;
        if is_shown {
            self.stop_at(new.conversation, head, parent)?;
        }
        let version = self.next_change();
        let made = new.created_at.filter(|_| matches!(new.parent, Parent::Restored { .. })).unwrap_or(batch.at);
        let row = MessageRow {
            conversation: new.conversation,
            parent,
            depth,
            jump,
            jump_depth,
            sibling_index,
            children: 0,
            selected: None,
            left: None,
            made: (made.as_millis(), version),
            turn: new.turn,
            role: new.role,
            status: new.status,
            body: self.keep_content(&new.content),
            created_at: new.created_at.unwrap_or(batch.at),
            model: new.model.clone(),
            finish_reason: new.finish_reason,
            usage: new.usage.clone(),
            cost: new.cost.clone(),
            metadata: new.metadata.clone(),
            version,
        };
        self.leaves.put((new.conversation, row.made), new.id);
        self.siblings.put((new.conversation, parent, sibling_index), new.id);
        self.messages.put(new.id, row);
        self.messages_of.put((new.conversation, new.id), ());
        if let Some(parent) = parent {
            let made = self.messages.edit(&parent, |row| {
                row.children += 1;
                row.made
            });
            if let Some(made) = made {
                self.leaves.remove(&(new.conversation, made));
            }
        }
        match new.parent {
            Parent::Restored { selected: false, .. } => {}
            Parent::Restored { selected: true, .. } => self.select(new.conversation, parent, Some(new.id)),
            _ if is_shown => self.select(new.conversation, parent, Some(new.id)),
            _ => self.select_first(new.conversation, parent, new.id),
        }
        self.conversations.edit(&new.conversation, |row| {
            if parent.is_none() {
                row.beginnings += 1;
            }
            row.shown.message_count += 1;
            if is_shown {
                row.shown.depth = depth;
                row.shown.head_id = Some(new.id);
                if new.status != MessageStatus::Streaming {
                    show_last(&mut row.shown, new.role, &new.content);
                }
            }
            add_up(&mut row.shown, new.usage.as_ref(), new.cost.as_ref());
        });
        self.note_activity(new.conversation, version, batch.at);
        Ok(Placed { id: new.id, parent, depth, sibling_index, deletion })
    }

    pub(super) fn end_message(&mut self, owner: &str, end: &MessageEnd, at: Timestamp) -> Result<()> {
        let row = self.message(owner, end.id)?;
        if row.status != MessageStatus::Streaming {
            return Err(refusal::not_streaming());
        }
        let (conversation, role, old) = (row.conversation, row.role, row.body.clone());
        let version = self.next_change();
        let body = self.keep_content(&end.content);
        self.release_content(&old);
        self.delete_draft(end.id);
        self.messages.edit(&end.id, |row| {
            row.status = end.status;
            row.body = body;
            row.finish_reason = end.finish_reason;
            row.usage.clone_from(&end.usage);
            row.cost.clone_from(&end.cost);
            row.version = version;
        });
        self.conversations.edit(&conversation, |row| {
            if row.shown.head_id == Some(end.id) {
                show_last(&mut row.shown, role, &end.content);
            }
            add_up(&mut row.shown, end.usage.as_ref(), end.cost.as_ref());
        });
        self.note_activity(conversation, version, at);
        Ok(())
    }

    fn withdraw_message(&mut self, owner: &str, id: MessageId) -> Result<()> {
        let row = self.message(owner, id)?;
        if row.status == MessageStatus::Streaming {
            return Err(refusal::still_streaming());
        }
        let (conversation, depth) = (row.conversation, row.depth);
        self.forget_summaries(conversation, depth);
        let version = self.next_change();
        self.messages.edit(&id, |row| (row.status, row.version) = (MessageStatus::Cancelled, version));
        self.conversations.edit(&conversation, |row| row.shown.version = version);
        Ok(())
    }

    fn note_activity(&mut self, id: ConversationId, change: i64, at: Timestamp) {
        self.edit_listed(id, |row| {
            row.shown.version = change;
            row.shown.updated_at = at;
            row.activity = change;
        });
    }

    fn put_attachment(&mut self, owner: &str, new: &NewAttachment) -> Result<()> {
        self.message(owner, new.message)?;
        if self.attachments.get(&new.id).is_some() {
            return Err(refusal::id_taken());
        }
        let row = AttachmentRow {
            message: new.message,
            mime_type: new.mime_type.clone(),
            name: new.name.clone(),
            hash: self.keep_bytes(&new.data),
        };
        self.attachments_of.put((row.message, new.id), ());
        self.attachments.put(new.id, row);
        Ok(())
    }

    fn put_turn(&mut self, owner: &str, new: &NewTurn, at: Timestamp) -> Result<()> {
        self.conversation(owner, new.conversation)?;
        let message = self.message(owner, new.message)?;
        if message.conversation != new.conversation {
            return Err(refusal::no_message());
        }
        let is_free = message.turn.is_none();
        let client = new.client_id.clone().map(|client_id| (new.conversation, client_id));
        if client.as_ref().is_some_and(|client| self.clients.get(client).is_some()) {
            return Err(refusal::client_id_taken());
        }
        if self.turns.get(&new.id).is_some() {
            return Err(refusal::id_taken());
        }
        self.next_change();
        let row = TurnRow {
            conversation: new.conversation,
            state: new.state,
            epoch: 1,
            attempt: new.attempt,
            last_seq: 0,
            client_id: new.client_id.clone(),
            body_hash: new.body_hash,
            message: new.message,
            reply: new.reply,
            model: new.model.clone(),
            options: new.options.clone(),
            not_before: None,
            expires_at: None,
            error: None,
            lease: Some((new.holder.clone(), new.lease_until)),
            created_at: at,
        };
        self.turns.put(new.id, row);
        if is_free {
            self.messages.edit(&new.message, |row| row.turn = Some(new.id));
        }
        self.turns_of.put((new.conversation, new.id), ());
        if let Some(client) = client {
            self.clients.put(client, new.id);
        }
        Ok(())
    }

    pub(super) fn advance_turn(&mut self, owner: &str, id: TurnId, change: &TurnChange) -> Result<()> {
        self.turn(owner, id)?;
        self.next_change();
        self.turns.edit(&id, |row| {
            row.epoch += 1;
            row.state = change.state.unwrap_or(row.state);
            row.attempt = change.attempt.unwrap_or(row.attempt);
            row.last_seq = change.last_seq.unwrap_or(row.last_seq);
            row.reply = change.reply.unwrap_or(row.reply);
            row.not_before = change.not_before.unwrap_or(row.not_before);
            row.expires_at = change.expires_at.unwrap_or(row.expires_at);
            if let Some(model) = &change.model {
                row.model.clone_from(model);
            }
            if let Some(options) = &change.options {
                row.options.clone_from(options);
            }
            if let Some(error) = &change.error {
                row.error.clone_from(error);
            }
            if let Some(lease) = &change.lease {
                row.lease.clone_from(lease);
            }
        });
        Ok(())
    }

    fn put_step(&mut self, owner: &str, step: &NewStep) -> Result<()> {
        self.turn(owner, step.turn)?;
        self.steps.put((step.turn, step.index), step.clone());
        Ok(())
    }

    fn append_draft(&mut self, owner: &str, chunk: &DraftChunk) -> Result<()> {
        let row = self.message(owner, chunk.message)?;
        let turn = row.turn.filter(|_| row.status == MessageStatus::Streaming).ok_or_else(refusal::not_streaming)?;
        if self.draft(chunk.message).next_back().is_some_and(|(last, _)| last >= chunk.seq) {
            return Err(refusal::draft_out_of_order());
        }
        self.drafts.put((chunk.message, chunk.seq), Bytes::clone(&chunk.data));
        self.turns.edit(&turn, |row| {
            row.last_seq = row.last_seq.max(chunk.seq);
            if let Some((_, until)) = &mut row.lease {
                *until = chunk.lease_until;
            }
        });
        Ok(())
    }

    pub(super) fn enqueue(&mut self, owner: &str, entry: &QueueEntry, at: Timestamp) -> Result<()> {
        let conversation = self.turn(owner, entry.turn)?.conversation;
        let seq = self.queue.get(&entry.turn).map_or(self.change, |row| row.seq);
        self.queue.put(entry.turn, QueuedRow { entry: entry.clone(), conversation, seq, set_at: at });
        Ok(())
    }

    /// True when this message is on the branch that is shown.
    fn is_shown(&self, message: MessageId, head: Option<MessageId>) -> bool {
        self.messages.get(&message).is_some_and(|row| self.ancestor(head, row.depth) == Some(message))
    }

    /// Below which message an answer to this one stands.
    fn place_of_answer(&self, message: MessageId, turn: Option<TurnId>, head: Option<MessageId>) -> Result<MessageId> {
        let depth = self.messages.get(&message).ok_or_else(refusal::no_message)?.depth;
        let gone_on = head
            .filter(|head| *head != message && self.ancestor(Some(*head), depth) == Some(message))
            .filter(|head| self.messages.get(head).is_some_and(|row| row.turn.is_none() || row.turn != turn));
        Ok(gone_on.unwrap_or(message))
    }
}

fn show_last(shown: &mut ConversationSummary, role: Role, content: &Content) {
    shown.last_role = Some(role);
    shown.last_preview = (!content.preview.is_empty()).then(|| content.preview.clone());
}

fn add_up(shown: &mut ConversationSummary, usage: Option<&Usage>, cost: Option<&Cost>) {
    let add = |total: &mut i64, more: i64| *total = total.saturating_add(more.max(0));
    if let Some(usage) = usage {
        add(&mut shown.input_tokens, usage.input_tokens);
        add(&mut shown.output_tokens, usage.output_tokens);
    }
    add(&mut shown.cost_nano_usd, cost.and_then(|cost| cost.nano_usd).unwrap_or(0));
}
