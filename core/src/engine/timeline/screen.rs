//! What a timeline shows, as a pure machine: messages of one branch without a hole, what stands between them, and what
//! stands behind them that is not stored yet. It asks nobody; who drives it says what was read and heard.

use std::collections::VecDeque;

use super::blocks::Blocks;
use super::list::{Growth as Grown, LiveList, Row};
use crate::base::{MessageId, Timestamp, TurnId};
use crate::model::{
    Delivery, ErrorInfo, Growth, Message, MessageStatus, Part, ReplyDraft, Role, StreamEvent, TimelineDiff,
    TimelineItem, TimelineItemKind,
};

/// What a row is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum RowKey {
    /// A message, or an answer that is awaited.
    Message(MessageId),
    /// The day that begins before this message.
    Day(MessageId),
    Unread,
    Gap,
}

impl Row for TimelineItem {
    fn words(&self, part: usize) -> &str {
        match &self.kind {
            TimelineItemKind::Message { message, .. } => {
                message.parts.get(part).and_then(Part::words).unwrap_or_default()
            }
            _ => "",
        }
    }
}

/// A message with how far it got.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    pub(super) message: Message,
    pub(super) delivery: Option<Delivery>,
    pub(super) error: Option<Box<ErrorInfo>>,
}

impl From<Shown> for TimelineItem {
    fn from(Shown { message, delivery, error }: Shown) -> Self {
        let id = message.id.to_string();
        Self { id, kind: TimelineItemKind::Message { message: Box::new(message), delivery, error } }
    }
}

/// What is known of a message that stands in its place on the branch.
#[derive(Clone, Copy)]
struct Line {
    id: MessageId,
    parent: Option<MessageId>,
    depth: i32,
    day: i64,
    turn: Option<TurnId>,
    role: Role,
}

/// Where an answer goes that is not stored yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Place {
    /// Behind what it answers, in the place of other answers of its turn; at the end where the conversation has gone on.
    Answer(MessageId),
    /// Behind this message, in the place of what follows it.
    Below(MessageId),
}

/// An answer on its way.
pub(super) struct Writing {
    /// The answer as it will be, without a word.
    message: Message,
    turn: TurnId,
    place: Place,
    draft: ReplyDraft,
    /// What is settled of its parts.
    words: Vec<Blocks>,
    has_words: bool,
    /// It is shown in the place of what follows this message.
    hides: Option<MessageId>,
}

impl Writing {
    pub(super) fn new(message: Message, turn: TurnId, place: Place) -> Self {
        let draft = ReplyDraft::new();
        Self { message, turn, place, draft, words: Vec::new(), has_words: false, hides: None }
    }
}

/// What is kept when the window is too long.
enum View {
    Start,
    End,
    /// The messages at these places of the branch.
    Visible(i32, i32),
}

pub(super) struct Screen {
    pub(super) list: LiveList<RowKey, TimelineItem>,
    lines: VecDeque<Line>,
    /// The rows behind the messages.
    tail: Vec<RowKey>,
    echoes: Vec<Shown>,
    writing: Option<Writing>,
    pub(super) reached_start: bool,
    pub(super) reached_end: bool,
    /// True when what is said from now on belongs here.
    follows: bool,
    utc_offset_minutes: i32,
    read_upto: Option<MessageId>,
    view: View,
    /// At most so many messages.
    max: usize,
    /// True when the reader should hear of it at once.
    pub(super) is_urgent: bool,
}

impl Screen {
    pub(super) fn new(max: usize, follows: bool, utc_offset_minutes: i32, read_upto: Option<MessageId>) -> Self {
        Self {
            list: LiveList::new(),
            lines: VecDeque::new(),
            tail: Vec::new(),
            echoes: Vec::new(),
            writing: None,
            reached_start: false,
            reached_end: false,
            follows,
            utc_offset_minutes,
            read_upto,
            view: View::End,
            max,
            is_urgent: false,
        }
    }

    /// What is told to the reader next.
    pub(super) fn poll(&mut self) -> Vec<TimelineDiff> {
        self.is_urgent = false;
        self.list.poll()
    }

    /// The first message: its id and its place on the branch.
    pub(super) fn first(&self) -> Option<(MessageId, i32)> {
        self.lines.front().map(|line| (line.id, line.depth))
    }

    /// The last message that has its place.
    pub(super) fn last(&self) -> Option<MessageId> {
        self.lines.back().map(|line| line.id)
    }

    pub(super) fn count(&self) -> usize {
        self.lines.len()
    }

    /// True when the message has its place here.
    pub(super) fn holds(&self, id: MessageId) -> bool {
        let key = RowKey::Message(id);
        self.list.contains(key) && !self.tail.contains(&key)
    }

    /// The message at this place of the branch.
    pub(super) fn at_depth(&self, depth: i32) -> Option<MessageId> {
        let first = self.lines.front()?.depth;
        self.lines.get(usize::try_from(depth - first).ok()?).map(|line| line.id)
    }

    /// The message that this turn answers, and whether an answer stands behind it.
    pub(super) fn said_in(&self, turn: TurnId) -> Option<(MessageId, bool)> {
        let is_it = |line: &Line| line.turn == Some(turn) && line.role != Role::Assistant;
        let at = self.lines.iter().rposition(is_it)?;
        let next = self.lines.get(at + 1);
        let is_answered = next.is_some_and(|next| next.turn == Some(turn) && next.role == Role::Assistant);
        Some((self.lines[at].id, is_answered))
    }

    /// How many of these messages, which begin where the window does, stand in their places already.
    pub(super) fn common(&self, messages: &[Message]) -> usize {
        self.lines.iter().zip(messages).take_while(|(line, message)| line.id == message.id).count()
    }

    fn line(&self, message: &Message) -> Line {
        let Message { id, parent_id: parent, depth, turn_id: turn, role, .. } = *message;
        Line { id, parent, depth, day: day_of(message.created_at, self.utc_offset_minutes), turn, role }
    }

    /// What is shown of a message, with the words that are here before they are stored.
    fn item(&self, mut shown: Shown) -> TimelineItem {
        if let Some(writing) = &self.writing
            && writing.message.id == shown.message.id
            && shown.message.status == MessageStatus::Streaming
        {
            shown.message.parts = writing.draft.parts();
        }
        shown.into()
    }

    /// Puts older messages before the first one.
    pub(super) fn older(&mut self, messages: Vec<Shown>, reached_start: bool) {
        let joint = messages.len();
        for shown in messages.into_iter().rev() {
            let (line, key) = (self.line(&shown.message), RowKey::Message(shown.message.id));
            let item = self.item(shown);
            self.list.insert(0, key, item);
            self.lines.push_front(line);
        }
        for at in (0..=joint).rev() {
            self.decorate(at);
        }
        self.reached_start = reached_start;
    }

    /// Puts newer messages behind the last one. False when they stand where another answer is shown already.
    pub(super) fn newer(&mut self, messages: Vec<Shown>, reached_end: bool) -> bool {
        if self.is_held_back(&messages) {
            // That answer is the end.
            self.reached_end = true;
            return false;
        }
        for shown in messages {
            let key = RowKey::Message(shown.message.id);
            let line = self.line(&shown.message);
            self.hear_end(&shown.message);
            let item = self.item(shown);
            let end = self.list.len() - self.tail.len();
            match self.tail.iter().position(|row| *row == key) {
                Some(0) => {
                    self.tail.remove(0);
                    self.list.set(key, item);
                }
                Some(at) => {
                    self.tail.remove(at);
                    self.list.remove(key);
                    self.list.insert(end, key, item);
                }
                None => self.list.insert(end, key, item),
            }
            self.lines.push_back(line);
            self.decorate(self.lines.len() - 1);
        }
        self.reached_end = reached_end;
        true
    }

    /// True when these stand where an answer is shown already that will take their place once it is stored.
    fn is_held_back(&self, messages: &[Shown]) -> bool {
        let Some(Writing { message, hides: Some(below), .. }) = &self.writing else { return false };
        let first = messages.first().map(|shown| shown.message.id);
        self.last() == Some(*below) && first.is_some_and(|first| first != message.id)
    }

    /// Takes all messages away but so many from the first on.
    pub(super) fn cut(&mut self, keep: usize) {
        while self.lines.len() > keep {
            if let Some(line) = self.lines.pop_back() {
                self.erase(line);
            }
        }
    }

    fn erase(&mut self, line: Line) {
        self.list.remove(RowKey::Message(line.id));
        self.list.remove(RowKey::Day(line.id));
        if self.read_upto.is_some() && line.parent == self.read_upto {
            self.list.remove(RowKey::Unread);
        }
    }

    /// Gives a message before which something may have changed the rows that it needs there.
    fn decorate(&mut self, at: usize) {
        let Some(line) = self.lines.get(at).copied() else { return };
        let before = at.checked_sub(1).and_then(|at| self.lines.get(at));
        let is_new_day = before.is_none_or(|before| before.day != line.day);
        let is_unread = self.read_upto.is_some() && line.parent == self.read_upto;
        let Some(mut place) = self.list.index_of(RowKey::Message(line.id)) else { return };
        let has_unread = place.checked_sub(1).and_then(|at| self.list.key_at(at)) == Some(RowKey::Unread);
        if has_unread && !is_unread {
            self.list.remove(RowKey::Unread);
            place -= 1;
        } else if is_unread && !has_unread {
            self.list.remove(RowKey::Unread);
            let item = TimelineItem { id: "unread".to_owned(), kind: TimelineItemKind::UnreadMarker };
            self.list.insert(place, RowKey::Unread, item);
        } else if has_unread {
            place -= 1;
        }
        let key = RowKey::Day(line.id);
        match (is_new_day, self.list.contains(key)) {
            (true, false) => {
                let kind = TimelineItemKind::DayDivider { day: day_text(line.day) };
                self.list.insert(place, key, TimelineItem { id: format!("day:{}", line.id), kind });
            }
            (false, true) => drop(self.list.remove(key)),
            _ => {}
        }
    }

    /// A message is otherwise now.
    pub(super) fn update(&mut self, message: Message) {
        let key = RowKey::Message(message.id);
        let Some(TimelineItemKind::Message { delivery, error, .. }) = self.list.get(key).map(|row| &row.kind) else {
            return;
        };
        let (delivery, error) = (*delivery, error.clone());
        self.hear_end(&message);
        let item = self.item(Shown { message, delivery, error });
        self.list.set(key, item);
    }

    /// A message is otherwise, and so may be how far it got.
    pub(super) fn renew(&mut self, shown: Shown) {
        self.hear_end(&shown.message);
        let (key, item) = (RowKey::Message(shown.message.id), self.item(shown));
        self.list.set(key, item);
    }

    /// How far the message got that this turn answers.
    pub(super) fn deliver(&mut self, id: MessageId, delivery: Delivery, error: Option<Box<ErrorInfo>>) {
        let key = RowKey::Message(id);
        let Some(mut row) = self.list.get(key).cloned() else { return };
        if let TimelineItemKind::Message { delivery: shown, error: why, .. } = &mut row.kind {
            // What has reached a model once is asked anew, not sent anew.
            let is_anew = *shown == Some(Delivery::Sent) && matches!(delivery, Delivery::Pending | Delivery::Sending);
            (*shown, *why) = (if is_anew { *shown } else { Some(delivery) }, error);
            self.list.set(key, row);
        }
    }

    /// An answer that was being written is whole, or broke off: the reader hears that at once.
    fn hear_end(&mut self, message: &Message) {
        let row = self.list.get(RowKey::Message(message.id)).map(|row| &row.kind);
        let was_open = match row {
            Some(TimelineItemKind::Typing { .. }) => true,
            Some(TimelineItemKind::Message { message, .. }) => message.status == MessageStatus::Streaming,
            _ => false,
        };
        self.is_urgent |= was_open && message.status != MessageStatus::Streaming;
    }

    /// The last message that is read.
    pub(super) const fn read_marker(&self) -> Option<MessageId> {
        self.read_upto
    }

    /// Everything up to this message is read.
    pub(super) fn read_upto(&mut self, id: Option<MessageId>) {
        let before = self.read_upto.take();
        self.list.remove(RowKey::Unread);
        self.read_upto = id;
        for parent in [before, id].into_iter().flatten() {
            if let Some(at) = self.lines.iter().position(|line| line.parent == Some(parent)) {
                self.decorate(at);
            }
        }
    }

    /// What is said and not saved yet, in its order.
    pub(super) fn say(&mut self, echoes: Vec<Shown>) {
        let is_told = |echo: &Shown| self.echoes.iter().any(|old| old == echo);
        self.is_urgent |= self.follows && !echoes.iter().all(is_told);
        self.echoes = echoes;
    }

    /// The answer that is on its way now, if any.
    pub(super) fn follow(&mut self, writing: Option<Writing>) {
        self.writing = writing;
    }

    /// Takes in what came of the answer on its way.
    pub(super) fn write(&mut self, events: &[StreamEvent]) {
        let Some(writing) = &mut self.writing else { return };
        let key = RowKey::Message(writing.message.id);
        let (mut is_new, has_had) = (false, writing.has_words);
        for event in events {
            match writing.draft.grow(event) {
                Growth::None => {}
                Growth::Parts => is_new = true,
                Growth::Words(_) if is_new => {}
                Growth::Words(part) => {
                    let (Some(delta), Some(blocks)) = (words_of(event), writing.words.get_mut(part)) else { continue };
                    let chars = blocks.chars();
                    blocks.push(delta);
                    let stable = blocks.stable();
                    if !is_being_written(self.list.get(key)) {
                        continue;
                    }
                    self.list.grow(key, part, |row| {
                        let text = words_mut(row, part);
                        let bytes = text.as_ref().map_or(0, |text| text.len());
                        if let Some(text) = text {
                            text.push_str(delta);
                        }
                        Grown { bytes, chars, stable }
                    });
                }
            }
        }
        if !is_new {
            return;
        }
        writing.has_words = true;
        let parts = writing.draft.parts();
        writing.words = parts.iter().map(settled).collect();
        if let Some(TimelineItemKind::Message { message, delivery, error }) = self.list.get(key).map(|row| &row.kind)
            && message.status == MessageStatus::Streaming
        {
            let message = Message { parts, ..(**message).clone() };
            let (delivery, error) = (*delivery, error.clone());
            self.list.set(key, Shown { message, delivery, error }.into());
        }
        if !has_had {
            self.is_urgent = true;
            self.arrange();
        }
    }

    /// Puts behind the messages what belongs there: the answer on its way, what is not saved, the gap.
    pub(super) fn arrange(&mut self) {
        let mut rows: Vec<(RowKey, Option<TimelineItem>)> = Vec::new();
        if !self.reached_end {
            let gap = TimelineItem { id: "gap".to_owned(), kind: TimelineItemKind::Gap };
            rows.push((RowKey::Gap, Some(gap)));
        } else if self.follows {
            rows.extend(self.awaited());
            for echo in self.echoes.iter().filter(|echo| !self.holds(echo.message.id)) {
                rows.push((RowKey::Message(echo.message.id), Some(echo.clone().into())));
            }
        }
        self.set_tail(rows);
    }

    /// The row of the answer on its way, unless that stands in its place already. What it takes the place of goes.
    fn awaited(&mut self) -> Option<(RowKey, Option<TimelineItem>)> {
        let (place, id, turn, has_words) = match &self.writing {
            Some(writing) => (writing.place, writing.message.id, writing.turn, writing.has_words),
            None => return None,
        };
        let key = RowKey::Message(id);
        let (Place::Answer(below) | Place::Below(below)) = place;
        if self.holds(id) || !self.holds(below) {
            return None;
        }
        let at = self.lines.iter().rposition(|line| line.id == below)?;
        let next = self.lines.get(at + 1);
        let takes_place = match place {
            Place::Below(_) => next.is_some(),
            Place::Answer(_) => next.is_some_and(|next| next.turn == Some(turn) && next.role == Role::Assistant),
        };
        if !has_words {
            let typing = TimelineItem { id: id.to_string(), kind: TimelineItemKind::Typing { turn_id: turn } };
            return (!takes_place).then_some((key, Some(typing)));
        }
        if takes_place {
            self.cut(at + 1);
        }
        let (parent, depth) = self.lines.back().map_or((below, 0), |line| (line.id, line.depth));
        // One that is shown here already stays as it is: its words are told as they come.
        let is_shown = is_being_written(self.list.get(key))
            && matches!(self.list.get(key).map(|row| &row.kind),
                Some(TimelineItemKind::Message { message, .. }) if message.parent_id == Some(parent));
        let writing = self.writing.as_mut()?;
        if takes_place {
            writing.hides = Some(below);
        }
        let message = Message {
            parts: writing.draft.parts(),
            parent_id: Some(parent),
            depth: depth + 1,
            ..writing.message.clone()
        };
        let row = (!is_shown).then(|| Shown { message, delivery: None, error: None }.into());
        Some((key, row))
    }

    /// Makes these the rows behind the messages; one without content stays as it is.
    fn set_tail(&mut self, rows: Vec<(RowKey, Option<TimelineItem>)>) {
        for key in std::mem::take(&mut self.tail) {
            if !rows.iter().any(|(row, _)| *row == key) {
                self.list.remove(key);
            }
        }
        let kept = rows.iter().filter(|(key, _)| self.list.contains(*key)).count();
        let begin = self.list.len() - kept;
        for (at, (key, item)) in rows.into_iter().enumerate() {
            self.tail.push(key);
            match (self.list.index_of(key), item) {
                (Some(is), item) if is == begin + at => {
                    if let Some(item) = item {
                        self.list.set(key, item);
                    }
                }
                (Some(_), item) => {
                    let before = self.list.remove(key);
                    if let Some(item) = item.or(before) {
                        self.list.insert(begin + at, key, item);
                    }
                }
                (None, Some(item)) => self.list.insert(begin + at, key, item),
                (None, None) => {}
            }
        }
    }

    /// The reader sees these rows, counted in the list as it has it.
    pub(super) fn look_at(&mut self, first: usize, last: usize) {
        let depth = |index: usize, missing: i32| {
            let id = match self.list.seen_at(index) {
                Some(RowKey::Message(id) | RowKey::Day(id)) => Some(id),
                // What stands behind it is a message.
                Some(RowKey::Unread) => match self.list.seen_at(index + 1) {
                    Some(RowKey::Message(id)) => Some(id),
                    _ => None,
                },
                _ => None,
            };
            match id.and_then(|id| self.list.get(RowKey::Message(id))).map(|row| &row.kind) {
                Some(TimelineItemKind::Message { message, .. }) if self.holds(message.id) => message.depth,
                _ => missing,
            }
        };
        self.view = View::Visible(depth(first, i32::MIN), depth(last, i32::MAX));
        self.trim();
    }

    /// The reader asks for what stands here: that is kept.
    pub(super) fn lean(&mut self, to_start: bool) {
        self.view = if to_start { View::Start } else { View::End };
    }

    /// Drops the messages that are too many, on the side that is farther away from what is seen.
    pub(super) fn trim(&mut self) {
        while self.lines.len() > self.max {
            let (Some(first), Some(last)) = (self.lines.front(), self.lines.back()) else { return };
            let drops_front = match self.view {
                View::Start => false,
                View::End => true,
                View::Visible(from, to) => from.max(first.depth) - first.depth >= last.depth - to.min(last.depth),
            };
            let dropped = if drops_front { self.lines.pop_front() } else { self.lines.pop_back() };
            if let Some(line) = dropped {
                self.erase(line);
            }
            if drops_front {
                self.reached_start = false;
                self.decorate(0);
            } else {
                self.reached_end = false;
            }
        }
        self.arrange();
    }
}

fn is_being_written(row: Option<&TimelineItem>) -> bool {
    let status = |message: &Message| message.status == MessageStatus::Streaming;
    row.is_some_and(|row| matches!(&row.kind, TimelineItemKind::Message { message, .. } if status(message)))
}

fn words_of(event: &StreamEvent) -> Option<&str> {
    use crate::model::StreamEventKind as Kind;
    match &event.kind {
        Kind::Text { delta } | Kind::Reasoning { delta } | Kind::Refusal { delta } => Some(delta),
        _ => None,
    }
}

fn words_mut(row: &mut TimelineItem, part: usize) -> Option<&mut String> {
    match &mut row.kind {
        TimelineItemKind::Message { message, .. } => message.parts.get_mut(part)?.words_mut(),
        _ => None,
    }
}

fn settled(part: &Part) -> Blocks {
    let mut blocks = Blocks::default();
    blocks.push(part.words().unwrap_or_default());
    blocks
}

/// The number of the day of a moment, where clocks are so far ahead of UTC.
fn day_of(at: Timestamp, utc_offset_minutes: i32) -> i64 {
    at.as_millis().saturating_add(i64::from(utc_offset_minutes) * 60_000).div_euclid(86_400_000)
}

/// As `2026-11-22`.
fn day_text(day: i64) -> String {
    let whole = Timestamp::from_millis(day.saturating_mul(86_400_000)).to_string();
    whole.split('T').next().unwrap_or_default().to_owned()
}
