//! What was written and said in this engine, told to who shows it. Nobody who writes waits for who reads: a feed keeps
//! what is to be looked at again, which is no more however long nobody looks.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use super::screen::{Place, Shown};
use crate::base::{ConversationId, MessageId, TurnId};
use crate::engine::log::TurnLog;
use crate::model::{Delivery, ErrorInfo, Message, MessageStatus, TurnState};
use crate::store::{Op, Receipt, WriteBatch};

/// More single things than this are not noted one by one: all of it is looked at then.
const MAX_MARKS: usize = 256;

/// Of so many refused messages a conversation remembers what they said.
const MAX_REFUSED: usize = 16;

/// What is to be looked at again.
#[derive(Default)]
pub(super) struct Marks {
    /// Messages came to the branch that is shown, or another branch is.
    pub(super) moved: bool,
    /// Anything may be otherwise.
    pub(super) reread: bool,
    /// What a list of conversations shows is otherwise.
    pub(super) listed: bool,
    /// What is said and not saved, or which answer is on its way.
    pub(super) arranged: bool,
    pub(super) messages: HashSet<MessageId>,
    /// These messages came beside those at these depths.
    pub(super) depths: HashSet<(i32, MessageId)>,
    pub(super) turns: HashMap<TurnId, TurnState>,
    /// The conversation went from the one version to the other by what is noted here.
    pub(super) versions: Vec<(i64, i64)>,
}

impl Marks {
    /// Takes in what came later.
    pub(super) fn merge(&mut self, later: Self) {
        self.moved |= later.moved;
        self.reread |= later.reread;
        self.listed |= later.listed;
        self.arranged |= later.arranged;
        self.messages.extend(later.messages);
        self.depths.extend(later.depths);
        self.turns.extend(later.turns);
        self.versions.extend(later.versions);
        if self.messages.len() + self.depths.len() + self.turns.len() + self.versions.len() > MAX_MARKS {
            self.reread = true;
            self.messages.clear();
            self.depths.clear();
            self.turns.clear();
            self.versions.clear();
        }
    }
}

/// What one reader is told.
pub(super) struct Feed {
    feeds: Weak<Feeds>,
    owner: Arc<str>,
    /// Nothing = all of the owner's, for a list of them.
    conversation: Option<ConversationId>,
    marks: Mutex<Marks>,
    pub(super) changed: Notify,
}

impl Feed {
    fn add(&self, marks: Marks) {
        lock(&self.marks).merge(marks);
        self.changed.notify_waiters();
    }

    /// What was noted since the last time.
    pub(super) fn take(&self) -> Marks {
        std::mem::take(&mut *lock(&self.marks))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if let Some(feeds) = self.feeds.upgrade() {
            feeds.leave(&self.owner, self.conversation);
        }
    }
}

/// An answer that is on its way in this engine.
#[derive(Clone)]
pub(in crate::engine) struct LiveTurn {
    pub(in crate::engine) turn: TurnId,
    pub(in crate::engine) log: Arc<TurnLog>,
    /// The answer as it will be, without a word.
    pub(in crate::engine) answer: Message,
    pub(in crate::engine) place: Place,
}

/// By owner as well: an id can be guessed.
type Rooms = HashMap<(Arc<str>, ConversationId), Room>;

/// What is not stored of a conversation.
#[derive(Default)]
struct Room {
    echoes: Vec<Shown>,
    live: Option<LiveTurn>,
}

/// All feeds of an engine.
#[derive(Default)]
pub(in crate::engine) struct Feeds {
    readers: Mutex<HashMap<Arc<str>, Vec<Weak<Feed>>>>,
    /// How many readers there are, for those who write and find none.
    count: AtomicUsize,
    rooms: Mutex<Rooms>,
}

/// What a batch will have changed once it is written.
#[derive(Default)]
pub(in crate::engine) struct Noted {
    conversations: HashSet<ConversationId>,
    /// Those in which more may have changed than what came.
    shaken: HashSet<ConversationId>,
    messages: Vec<MessageId>,
    turns: Vec<(TurnId, TurnState)>,
    listed: bool,
}

impl Feeds {
    /// Begins to note what changes in a conversation of this owner, or for all of them.
    pub(super) fn subscribe(self: &Arc<Self>, owner: &Arc<str>, conversation: Option<ConversationId>) -> Arc<Feed> {
        let feed = Arc::new(Feed {
            feeds: Arc::downgrade(self),
            owner: owner.clone(),
            conversation,
            marks: Mutex::default(),
            changed: Notify::new(),
        });
        lock(&self.readers).entry(owner.clone()).or_default().push(Arc::downgrade(&feed));
        self.count.fetch_add(1, Ordering::AcqRel);
        feed
    }

    /// A feed has gone.
    fn leave(&self, owner: &Arc<str>, conversation: Option<ConversationId>) {
        self.count.fetch_sub(1, Ordering::AcqRel);
        let mut readers = lock(&self.readers);
        if let Some(feeds) = readers.get_mut(&**owner) {
            feeds.retain(|feed| feed.strong_count() > 0);
            if feeds.is_empty() {
                readers.remove(&**owner);
            }
        }
        drop(readers);
        // What was refused is shown to nobody any more.
        if let Some(conversation) = conversation.filter(|id| !self.is_shown(owner, *id)) {
            let (mut rooms, key) = (lock(&self.rooms), (owner.clone(), conversation));
            if let Some(room) = rooms.get_mut(&key) {
                room.echoes.retain(|echo| echo.delivery != Some(Delivery::Failed));
            }
            tidy(&mut rooms, &key);
        }
    }

    fn of(&self, owner: &str) -> Vec<Arc<Feed>> {
        lock(&self.readers).get(owner).map(|feeds| feeds.iter().filter_map(Weak::upgrade).collect()).unwrap_or_default()
    }

    fn is_shown(&self, owner: &str, conversation: ConversationId) -> bool {
        self.of(owner).iter().any(|feed| feed.conversation == Some(conversation))
    }

    /// What there is to tell of a batch; nothing when nobody would hear it.
    pub(in crate::engine) fn noted(&self, batch: &WriteBatch) -> Option<Noted> {
        if self.count.load(Ordering::Acquire) == 0 || !lock(&self.readers).contains_key(&*batch.owner) {
            return None;
        }
        let mut noted = Noted::default();
        for op in &batch.ops {
            noted.read(op);
        }
        Some(noted)
    }

    /// Tells of a batch that is written.
    pub(in crate::engine) fn tell(&self, owner: &str, noted: &Noted, receipt: &Receipt) {
        // Of a batch that said something in several conversations they are the one's before and another's after.
        let versions = receipt.versions.filter(|_| noted.conversations.len() <= 1);
        for feed in self.of(owner) {
            let Some(conversation) = feed.conversation else {
                if noted.listed {
                    feed.add(Marks { listed: true, ..Marks::default() });
                }
                continue;
            };
            let moved = noted.conversations.contains(&conversation);
            let placed = receipt.placed.iter().filter(|_| moved);
            let marks = Marks {
                moved,
                reread: noted.shaken.contains(&conversation),
                messages: noted.messages.iter().copied().collect(),
                depths: placed.map(|placed| (placed.depth, placed.id)).collect(),
                turns: noted.turns.iter().copied().collect(),
                versions: versions.into_iter().collect(),
                ..Marks::default()
            };
            if moved || marks.reread || !marks.messages.is_empty() || !marks.turns.is_empty() {
                feed.add(marks);
            }
        }
    }

    /// Anything may have changed.
    pub(in crate::engine) fn tell_all(&self) {
        let all: Vec<Arc<Feed>> = lock(&self.readers).values().flatten().filter_map(Weak::upgrade).collect();
        for feed in all {
            feed.add(Marks { reread: true, listed: true, ..Marks::default() });
        }
    }

    fn rearrange(&self, owner: &str, conversation: ConversationId) {
        for feed in self.of(owner).iter().filter(|feed| feed.conversation == Some(conversation)) {
            feed.add(Marks { arranged: true, moved: true, ..Marks::default() });
        }
    }

    /// What is said and not saved, and the answer on its way.
    pub(super) fn unsaved(&self, owner: &Arc<str>, conversation: ConversationId) -> (Vec<Shown>, Option<LiveTurn>) {
        let rooms = lock(&self.rooms);
        rooms
            .get(&(owner.clone(), conversation))
            .map(|room| (room.echoes.clone(), room.live.clone()))
            .unwrap_or_default()
    }

    /// Shows a message that is not saved yet, until what this gives goes; nothing when nobody looks.
    pub(in crate::engine) fn say(
        self: &Arc<Self>,
        owner: &Arc<str>,
        message: impl FnOnce() -> Message,
        conversation: ConversationId,
    ) -> Option<Echo> {
        if self.count.load(Ordering::Acquire) == 0 || !self.is_shown(owner, conversation) {
            return None;
        }
        let message = Message { status: MessageStatus::Pending, ..message() };
        let id = message.id;
        let echo = Shown { message, delivery: Some(Delivery::Pending), error: None };
        lock(&self.rooms).entry((owner.clone(), conversation)).or_default().echoes.push(echo);
        self.rearrange(owner, conversation);
        Some(Echo { feeds: self.clone(), owner: owner.clone(), conversation, message: id })
    }

    /// True while an answer is on its way here.
    pub(super) fn is_answering(&self, owner: &Arc<str>, conversation: ConversationId) -> bool {
        lock(&self.rooms).get(&(owner.clone(), conversation)).is_some_and(|room| room.live.is_some())
    }

    /// Takes the words of a refused message off the screens. False when there is no such message.
    pub(super) fn dismiss(&self, owner: &Arc<str>, conversation: ConversationId, id: MessageId) -> bool {
        let (mut rooms, key) = (lock(&self.rooms), (owner.clone(), conversation));
        let Some(room) = rooms.get_mut(&key) else { return false };
        let before = room.echoes.len();
        room.echoes.retain(|echo| echo.message.id != id || echo.delivery != Some(Delivery::Failed));
        let is_gone = room.echoes.len() < before;
        tidy(&mut rooms, &key);
        drop(rooms);
        if is_gone {
            self.rearrange(owner, conversation);
        }
        is_gone
    }

    /// Shows an answer as it comes, until what this gives goes.
    pub(in crate::engine) fn follow(
        self: &Arc<Self>,
        owner: &Arc<str>,
        conversation: ConversationId,
        live: LiveTurn,
    ) -> Followed {
        let log = live.log.clone();
        lock(&self.rooms).entry((owner.clone(), conversation)).or_default().live = Some(live);
        self.rearrange(owner, conversation);
        Followed { feeds: self.clone(), owner: owner.clone(), conversation, log }
    }
}

/// Forgets a conversation of which nothing is to be known.
fn tidy(rooms: &mut Rooms, key: &(Arc<str>, ConversationId)) {
    if rooms.get(key).is_some_and(|room| room.echoes.is_empty() && room.live.is_none()) {
        rooms.remove(key);
    }
}

impl Noted {
    fn read(&mut self, op: &Op) {
        match op {
            Op::AppendMessage(row) => {
                self.conversations.insert(row.conversation);
                // A list shows an answer when it has ended.
                self.listed |= row.status != MessageStatus::Streaming;
            }
            Op::SwitchTo { conversation, .. } | Op::ForkAt { conversation, .. } => {
                self.conversations.insert(*conversation);
                self.listed = true;
            }
            Op::RemoveMessages { conversation, .. } => {
                self.shaken.insert(*conversation);
                self.listed = true;
            }
            Op::DeleteConversation { id } | Op::SweepConversation { id } => {
                self.shaken.insert(*id);
                self.listed = true;
            }
            Op::EndMessage(end) => {
                self.messages.push(end.id);
                self.listed = true;
            }
            Op::WipeMessage { id } | Op::WithdrawMessage { id } => {
                self.messages.push(*id);
                self.listed = true;
            }
            Op::PutConversation(_) | Op::UpdateConversation { .. } => self.listed = true,
            Op::PutTurn(turn) => self.turns.push((turn.id, turn.state)),
            Op::AdvanceTurn { id, change } => self.turns.extend(change.state.map(|state| (*id, state))),
            _ => {}
        }
    }
}

/// A message that is shown before it is saved.
pub(in crate::engine) struct Echo {
    feeds: Arc<Feeds>,
    owner: Arc<str>,
    conversation: ConversationId,
    message: MessageId,
}

impl Echo {
    /// The id of the message.
    pub(in crate::engine) const fn id(&self) -> MessageId {
        self.message
    }

    /// It will not be saved: it stays on the screens with the reason.
    pub(in crate::engine) fn refuse(self, error: ErrorInfo) {
        let mut rooms = lock(&self.feeds.rooms);
        let Some(room) = rooms.get_mut(&(self.owner.clone(), self.conversation)) else { return };
        if let Some(echo) = room.echoes.iter_mut().find(|echo| echo.message.id == self.message) {
            (echo.delivery, echo.error) = (Some(Delivery::Failed), Some(Box::new(error)));
        }
        let refused = |echo: &Shown| echo.delivery == Some(Delivery::Failed);
        if room.echoes.iter().filter(|echo| refused(echo)).count() > MAX_REFUSED
            && let Some(oldest) = room.echoes.iter().position(refused)
        {
            room.echoes.remove(oldest);
        }
        // `rearrange` follows when this goes.
        drop(rooms);
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let (mut rooms, key) = (lock(&self.feeds.rooms), (self.owner.clone(), self.conversation));
        if let Some(room) = rooms.get_mut(&key) {
            room.echoes.retain(|echo| echo.message.id != self.message || echo.delivery == Some(Delivery::Failed));
        }
        tidy(&mut rooms, &key);
        drop(rooms);
        self.feeds.rearrange(&self.owner, self.conversation);
    }
}

/// An answer that is shown as it comes.
pub(in crate::engine) struct Followed {
    feeds: Arc<Feeds>,
    owner: Arc<str>,
    conversation: ConversationId,
    log: Arc<TurnLog>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        let (mut rooms, key) = (lock(&self.feeds.rooms), (self.owner.clone(), self.conversation));
        if let Some(room) = rooms.get_mut(&key) {
            room.live.take_if(|live| Arc::ptr_eq(&live.log, &self.log));
        }
        tidy(&mut rooms, &key);
        drop(rooms);
        self.feeds.rearrange(&self.owner, self.conversation);
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
