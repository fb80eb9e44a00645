//! What the behaviours have in common: an owner, a conversation, and the batches that an engine writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;

use crate::base::{ConversationId, ErrorKind, Ids, ManualClock, MessageId, SeededRandom, Timestamp, TurnId};
use crate::model::{ConversationSummary, MessageStatus, Part, Result, Role, StreamEventKind, TurnState};
use crate::store::{
    Anchor, Content, DraftChunk, DraftEvent, Durability, MessageEnd, MessageRows, NewConversation, NewRow, NewTurn, Op,
    Parent, Precondition, Receipt, Store, TurnChange, WriteBatch,
};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
pub(crate) const OWNER: &str = "ana";
pub(crate) const STRANGER: &str = "bo";

pub(crate) const fn later(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + millis)
}

/// A store with one user in front of it.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ids: Ids,
    pub(crate) owner: &'static str,
    moment: Arc<AtomicI64>,
}

/// A turn whose message is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) conversation: ConversationId,
    pub(crate) turn: TurnId,
    pub(crate) message: MessageId,
    pub(crate) reply: MessageId,
}

impl Scene {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        // A seed of its own for each scene over the same store would be enough; ids only have to differ.
        Self::seeded(store, 1)
    }

    pub(crate) fn seeded(store: Arc<dyn Store>, seed: u64) -> Self {
        let ids = Ids::new(Arc::new(ManualClock::at(NOW)), Arc::new(SeededRandom::new(seed)));
        Self { store, ids, owner: OWNER, moment: Arc::default() }
    }

    pub(crate) fn of(&self, owner: &'static str) -> Self {
        Self { owner, ..self.clone() }
    }

    /// An empty batch; each is a millisecond later than the one before.
    pub(crate) fn batch(&self) -> WriteBatch {
        WriteBatch::new(self.owner, later(self.moment.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) async fn apply(&self, batch: WriteBatch) -> Result<Receipt> {
        self.store.apply(batch, Durability::PowerSafe).await
    }

    pub(crate) async fn apply_op(&self, op: Op) -> Result<Receipt> {
        self.apply(self.batch().op(op)).await
    }

    pub(crate) async fn new_conversation(&self) -> ConversationId {
        let id = self.ids.conversation();
        self.apply_op(put_conversation(id)).await.unwrap();
        id
    }

    pub(crate) async fn append(&self, conversation: ConversationId, parent: Parent, text: &str) -> MessageId {
        let row = user_row(self.ids.message(), conversation, parent, text);
        let id = row.id;
        self.apply_op(Op::AppendMessage(row)).await.unwrap();
        id
    }

    /// So many messages, one below the other; `0`, `1`, … are their words.
    pub(crate) async fn fill(&self, conversation: ConversationId, count: usize) -> Vec<MessageId> {
        let mut batch = self.batch();
        let mut ids = Vec::new();
        for number in 0..count {
            let row = user_row(self.ids.message(), conversation, Parent::Head, &number.to_string());
            ids.push(row.id);
            batch = batch.op(Op::AppendMessage(row));
        }
        self.apply(batch).await.unwrap();
        ids
    }

    pub(crate) fn planned(&self, conversation: ConversationId) -> Sent {
        Sent { conversation, turn: self.ids.turn(), message: self.ids.message(), reply: self.ids.message() }
    }

    /// What `send` writes.
    pub(crate) fn sending(&self, sent: Sent, text: &str) -> WriteBatch {
        let row = NewRow { turn: Some(sent.turn), ..user_row(sent.message, sent.conversation, Parent::Head, text) };
        self.batch().op(put_conversation(sent.conversation)).op(Op::AppendMessage(row)).op(Op::PutTurn(new_turn(sent)))
    }

    pub(crate) async fn send(&self, conversation: ConversationId, text: &str) -> Sent {
        let sent = self.planned(conversation);
        self.apply(self.sending(sent, text)).await.unwrap();
        sent
    }

    /// What the first words of a reply write.
    pub(crate) fn first_words(&self, sent: Sent, text: &str) -> WriteBatch {
        let row = NewRow {
            status: MessageStatus::Streaming,
            role: Role::Assistant,
            turn: Some(sent.turn),
            content: Content::encode(&[]).unwrap(),
            ..user_row(sent.reply, sent.conversation, Parent::Message(sent.message), "")
        };
        self.batch()
            .op(Op::AppendMessage(row))
            .op(advance(sent.turn, TurnState::Streaming))
            .op(Op::AppendDraft(chunk(sent.reply, 1, text)))
    }

    pub(crate) async fn stream(&self, conversation: ConversationId, question: &str, words: &str) -> Sent {
        let sent = self.send(conversation, question).await;
        self.apply(self.first_words(sent, words)).await.unwrap();
        sent
    }

    /// What the end of a streamed reply writes.
    pub(crate) fn ending(&self, sent: Sent, epoch: i64, text: &str) -> WriteBatch {
        self.batch()
            .require(Precondition::Epoch { turn: sent.turn, expected: epoch })
            .op(Op::EndMessage(whole(sent.reply, text)))
            .op(advance(sent.turn, TurnState::Done))
    }

    pub(crate) async fn shown(&self, conversation: ConversationId) -> ConversationSummary {
        self.store.conversation(self.owner, conversation).await.unwrap().expect("the conversation is there")
    }

    pub(crate) async fn page(&self, conversation: ConversationId, anchor: Anchor, limit: usize) -> MessageRows {
        let page = self.store.messages(self.owner, conversation, anchor, limit).await.unwrap();
        page.expect("the conversation is there")
    }

    pub(crate) async fn ids_on_page(
        &self,
        conversation: ConversationId,
        anchor: Anchor,
        limit: usize,
    ) -> Vec<MessageId> {
        self.page(conversation, anchor, limit).await.items.iter().map(|message| message.id).collect()
    }

    pub(crate) async fn texts(&self, conversation: ConversationId) -> Vec<String> {
        self.page(conversation, Anchor::Start, 1_000).await.items.iter().map(|message| message.text()).collect()
    }
}

pub(crate) fn put_conversation(id: ConversationId) -> Op {
    Op::PutConversation(new_conversation(id))
}

pub(crate) fn new_conversation(id: ConversationId) -> NewConversation {
    let (metadata, tags) = (HashMap::new(), Vec::new());
    NewConversation { id, title: None, system: None, model: None, metadata, tags, expires_in: None }
}

pub(crate) fn text(words: &str) -> Content {
    Content::encode(&[Part::text(words)]).unwrap()
}

pub(crate) fn user_row(id: MessageId, conversation: ConversationId, parent: Parent, words: &str) -> NewRow {
    NewRow {
        id,
        conversation,
        parent,
        turn: None,
        role: Role::User,
        status: MessageStatus::Complete,
        content: text(words),
        model: None,
        metadata: HashMap::new(),
        finish_reason: None,
        usage: None,
        cost: None,
        created_at: None,
    }
}

pub(crate) fn new_turn(sent: Sent) -> NewTurn {
    NewTurn {
        attempt: 0,
        id: sent.turn,
        conversation: sent.conversation,
        state: TurnState::Saved,
        client_id: None,
        body_hash: [7; 32],
        message: sent.message,
        reply: sent.reply,
        model: "test/any".to_owned(),
        options: None,
        holder: "this process".to_owned(),
        lease_until: later(60_000),
    }
}

pub(crate) fn advance(id: TurnId, state: TurnState) -> Op {
    Op::AdvanceTurn { id, change: TurnChange { state: Some(state), ..TurnChange::default() } }
}

pub(crate) fn whole(id: MessageId, words: &str) -> MessageEnd {
    let status = MessageStatus::Complete;
    MessageEnd { id, status, content: text(words), finish_reason: None, usage: None, cost: None }
}

pub(crate) fn chunk(message: MessageId, seq: i64, words: &str) -> DraftChunk {
    let event = DraftEvent { part_index: 0, kind: StreamEventKind::Text { delta: words.to_owned() } };
    let data = DraftEvent::encode(&[event]).unwrap();
    DraftChunk { message, seq, part_index: 0, data, lease_until: later(60_000) }
}

pub(crate) fn raw_chunk(message: MessageId, seq: i64, data: &'static [u8]) -> DraftChunk {
    DraftChunk { data: Bytes::from_static(data), ..chunk(message, seq, "") }
}

/// Asserts the kind and the reason of a refusal.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, reason: &str) {
    let error = result.expect_err("it is refused");
    assert_eq!((error.kind(), error.reason()), (kind, reason), "{error}");
}
