//! Steps drawn by dice, and who does each of them alone, in the plainest way.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tertulia::base::{Random, SeededRandom};
use tertulia::store::{Content, Durability, NewRow, Op, Parent, Store, WriteBatch};
use tertulia::{
    Batch, Conversation, ConversationChange, ConversationId, ConversationOptions, MessageId, MessageStatus, NewMessage,
    Role, Tertulia, Timestamp, UserScope,
};

use super::hooked::{Hooked, NOW, hooked, over, stored};
use super::said;
use super::support::over::Over;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Delete(ConversationId),
    Update(ConversationId, ConversationChange),
    Tag(ConversationId, Vec<String>),
    Untag(ConversationId, Vec<String>),
    Retag(ConversationId, String, String),
    Append(ConversationId, bool, Vec<String>),
    Edit(ConversationId, MessageId, String),
    Export(PathBuf, Vec<ConversationId>),
}

pub(crate) fn chat_of(me: &UserScope, id: ConversationId, is_new: bool) -> Conversation {
    if is_new {
        let options = ConversationOptions { tags: vec!["new".to_owned()], ..Default::default() };
        me.new_conversation_at(id, options)
    } else {
        me.conversation(id)
    }
}

pub(crate) fn with_step(batch: Batch, me: &UserScope, step: &Step) -> Batch {
    match step.clone() {
        Step::Delete(id) => batch.delete([id]),
        Step::Update(id, change) => batch.update([id], change),
        Step::Tag(id, tags) => batch.tag([id], tags),
        Step::Untag(id, tags) => batch.untag([id], tags),
        Step::Retag(id, from, to) => batch.retag([id], from, to),
        Step::Append(id, is_new, words) => {
            batch.append(&chat_of(me, id, is_new), words.into_iter().map(NewMessage::user))
        }
        Step::Edit(id, message, words) => batch.edit(&me.conversation(id), message, words),
        Step::Export(path, ids) => batch.export(path, ids),
    }
}

/// Who does each step alone, in the plainest way.
pub(crate) struct Alone<'a> {
    pub(crate) me: &'a UserScope,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) folder: &'a Path,
    pub(crate) changed: HashSet<ConversationId>,
    pub(crate) paths: HashSet<PathBuf>,
    pub(crate) not_written: HashSet<ConversationId>,
}

impl Alone<'_> {
    pub(crate) async fn does(&mut self, step: &Step) -> bool {
        let done = self.step(step).await;
        if done {
            match step {
                Step::Delete(id) | Step::Update(id, _) | Step::Append(id, ..) | Step::Edit(id, ..) => {
                    self.changed.insert(*id);
                }
                Step::Tag(..) | Step::Untag(..) | Step::Retag(..) | Step::Export(..) => {}
            }
        } else if let Step::Export(_, ids) = step {
            self.not_written.extend(ids);
        }
        done
    }

    pub(crate) async fn retag(&mut self, id: ConversationId, tags: impl FnOnce(&mut Vec<String>) -> bool) -> bool {
        let chat = self.me.conversation(id);
        let Ok(summary) = chat.summary().await else { return false };
        let mut now = summary.tags.clone();
        if !tags(&mut now) {
            return false;
        }
        let mut seen = HashSet::new();
        now.retain(|tag| seen.insert(tag.clone()));
        if now == summary.tags {
            return true;
        }
        self.changed.insert(id);
        chat.update(ConversationChange { tags: Some(now), ..Default::default() }).await.is_ok()
    }

    pub(crate) async fn step(&mut self, step: &Step) -> bool {
        let me = self.me;
        match step {
            Step::Delete(id) if self.not_written.contains(id) => false,
            Step::Delete(id) => me.conversation(*id).delete().await.is_ok(),
            Step::Update(id, change) => me.conversation(*id).update(change.clone()).await.is_ok(),
            Step::Tag(id, tags) => {
                let add = |had: &mut Vec<String>| {
                    had.extend(tags.iter().cloned());
                    true
                };
                self.retag(*id, add).await
            }
            Step::Untag(id, tags) => {
                let take = |had: &mut Vec<String>| {
                    had.retain(|tag| !tags.contains(tag));
                    true
                };
                self.retag(*id, take).await
            }
            Step::Retag(id, from, to) => {
                let swap = |had: &mut Vec<String>| match had.iter_mut().find(|tag| *tag == from) {
                    Some(tag) => {
                        tag.clone_from(to);
                        true
                    }
                    None => false,
                };
                self.retag(*id, swap).await
            }
            Step::Append(id, is_new, words) => {
                chat_of(me, *id, *is_new).append(words.iter().map(NewMessage::user)).await.is_ok()
            }
            Step::Edit(id, message, words) => {
                let found = self.store.message(me.id(), *message).await.unwrap();
                if found.is_none_or(|found| found.conversation_id != *id || found.role == Role::Assistant) {
                    return false;
                }
                let row = NewRow {
                    id: MessageId::from_bytes(*uuid_of(words).as_bytes()),
                    conversation: *id,
                    parent: Parent::Beside(*message),
                    turn: None,
                    role: Role::User,
                    status: MessageStatus::Complete,
                    content: Content::encode(&NewMessage::user(words.as_str()).parts).unwrap(),
                    model: None,
                    metadata: HashMap::new(),
                    finish_reason: None,
                    usage: None,
                    cost: None,
                    created_at: None,
                };
                let batch = WriteBatch::new(me.id(), Timestamp::from_millis(NOW)).op(Op::AppendMessage(row));
                self.store.apply(batch, Durability::PowerSafe).await.is_ok()
            }
            Step::Export(path, ids) => {
                if ids.iter().any(|id| self.changed.contains(id)) || self.paths.contains(path) {
                    return false;
                }
                let path = self.folder.join(path.file_name().unwrap());
                let written = me.export_conversations(&path).conversations(ids.iter().copied()).await.is_ok();
                if written {
                    self.paths.insert(path);
                }
                written
            }
        }
    }
}

/// An id that nothing else has: the words are said once.
pub(crate) fn uuid_of(words: &str) -> ConversationId {
    ConversationId::derived("words", words)
}

pub(crate) struct Dice(pub(crate) SeededRandom);

impl Dice {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small index")]
    pub(crate) fn below(&self, n: usize) -> usize {
        (self.0.unit() * n as f64) as usize
    }

    pub(crate) fn one<T: Copy>(&self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub(crate) fn tags(&self) -> Vec<String> {
        (0..=self.below(2)).map(|_| format!("tag {}", self.below(4))).collect()
    }

    pub(crate) fn step(&self, number: usize, world: &World, folder: &Path) -> Step {
        // Sometimes one that is another's, or nobody's.
        let id = match self.below(12) {
            0 => world.foreign,
            1 => uuid_of("nobody's"),
            2 => world.new,
            _ => self.one(&world.chats),
        };
        let flag = || [None, Some(true), Some(false)][self.below(3)];
        match self.below(10) {
            0 => Step::Delete(id),
            1 | 2 => {
                let title = (self.below(2) == 0).then(|| Some(format!("title {number}")));
                let tags = (self.below(3) == 0).then(|| self.tags());
                let change = ConversationChange { title, tags, pinned: flag(), archived: flag(), ..Default::default() };
                Step::Update(id, change)
            }
            3 => Step::Tag(id, self.tags()),
            4 => Step::Untag(id, self.tags()),
            5 => Step::Retag(id, format!("tag {}", self.below(4)), format!("tag {}", self.below(4))),
            6 => Step::Append(world.new, true, vec![format!("new {number}")]),
            7 => {
                let words = (0..=self.below(3)).map(|word| format!("words {number} {word}")).collect();
                Step::Append(id, id == world.new && self.below(2) == 0, words)
            }
            8 => {
                let (chat, message) = self.one(&world.messages);
                let chat = if self.below(8) == 0 { id } else { chat };
                Step::Edit(chat, message, format!("edited {number}"))
            }
            _ => {
                let ids = (0..=self.below(2)).map(|_| self.one(&world.chats)).collect();
                Step::Export(folder.join(format!("{}.jsonl", self.below(5))), ids)
            }
        }
    }
}

pub(crate) struct World {
    pub(crate) chats: Vec<ConversationId>,
    pub(crate) messages: Vec<(ConversationId, MessageId)>,
    pub(crate) foreign: ConversationId,
    pub(crate) new: ConversationId,
    pub(crate) file: PathBuf,
}

/// Conversations in a file, so that several stores can hold the very same.
pub(crate) async fn world(folder: &Path) -> World {
    let t = over(stored(None).await).await;
    let me = t.user("ana");
    let mut chats = Vec::new();
    for number in 0..6 {
        let chat = said(&me, &format!("chat {number}"), &["one", "two", "three"]).await;
        let tags = (0..number % 3).map(|tag| format!("tag {tag}")).collect();
        chat.update(ConversationChange { tags: Some(tags), ..Default::default() }).await.unwrap();
        chats.push(chat);
    }
    let mut messages = Vec::new();
    for chat in &chats {
        for message in chat.history().await.unwrap().items {
            messages.push((chat.id(), message.id));
        }
    }
    let file = folder.join("world.import");
    me.export_conversations(&file).await.unwrap();
    let chats = chats.iter().map(Conversation::id).collect();
    World { chats, messages, foreign: uuid_of("bob's"), new: uuid_of("new"), file }
}

/// A store with all of the world, and an engine over it.
pub(crate) async fn peopled(world: &World, folder: Option<&Path>) -> (Tertulia, Arc<Over<Hooked>>) {
    let (t, store) = hooked(folder).await;
    t.user("ana").import_conversations(&world.file).await.unwrap();
    t.user("bob")
        .new_conversation_at(world.foreign, ConversationOptions::default())
        .append([NewMessage::user("bob's own")])
        .await
        .unwrap();
    (t, store)
}
