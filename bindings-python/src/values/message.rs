//! Messages, conversations and turns.

use tertulia::model::{
    Branch as BranchRecord, ConversationSummary as ConversationRecord, Message as MessageRecord,
    OutboxItem as OutboxRecord, Preferences as PreferencesRecord, Turn as TurnRecord,
};

use crate::convert::OutItem;

values! {
    /// A stored message.
    Message(record MessageRecord) {
        id, conversation_id, turn_id, parent_id, role, parts, status, created_at, model, finish_reason, usage, cost,
        depth, sibling_index, sibling_count, metadata, version,
    }
    matches(role, parts) shows(role, text, status, id) hashes(id, version)
    + {
        /// All words of the message.
        #[getter]
        fn text(&self) -> String {
            self.0.get().text()
        }
    }

    /// A conversation as a list shows it.
    ConversationInfo(record ConversationRecord) {
        id, title, system, model, metadata, message_count, last_preview, last_role, head_id, depth, input_tokens,
        output_tokens, cost_nano_usd, created_at, updated_at, version, pinned, archived, expires_at, tags,
    }
    matches(id, title) shows(id, title, message_count) hashes(id, version)

    /// A branch of a conversation, by its last message.
    Branch(record BranchRecord) {
        head_id, depth, last_role, last_preview, created_at, is_current,
    }
    matches(head_id, depth) shows(head_id, depth, last_preview, is_current) hashes(head_id, depth)

    /// A user's message and the way to its answer.
    Turn(record TurnRecord) {
        id, state, attempt, message_id, reply_id, last_seq, not_before, expires_at, error,
    }
    matches(id, state) shows(id, state) hashes(id, attempt)
    + {
        /// The tick in a bubble.
        #[getter]
        fn delivery<'py>(&self, py: pyo3::Python<'py>) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
            crate::convert::word(py, &tertulia::model::Delivery::from(self.0.get().state))
        }
    }

    /// A message in the outbox.
    OutboxItem(record OutboxRecord) {
        turn_id, conversation_id, delivery, reason, attempt, not_before, expires_at, preview,
    }
    matches(turn_id, delivery) shows(turn_id, delivery, reason, preview) hashes(turn_id, attempt)

    /// What a user prefers.
    Preferences(record PreferencesRecord) {
        name, language, time_zone, values,
    }
    matches(name, language) shows(name, language, time_zone) hashes(name, language)
}

records!(
    Message = MessageRecord,
    ConversationInfo = ConversationRecord,
    Branch = BranchRecord,
    Turn = TurnRecord,
    OutboxItem = OutboxRecord,
    Preferences = PreferencesRecord,
);

impl OutItem for OutboxRecord {}
