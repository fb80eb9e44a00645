//! The pure part against a naive one: whatever happens, and however seldom the reader asks, its rows are the right ones.

use std::collections::HashMap;

use super::list::{LiveList, Row};
use super::screen::{Place, RowKey, Screen, Shown, Writing};
use crate::base::{ConversationId, MessageId, Timestamp, TurnId};
use crate::model::{
    Citation, Delivery, Message, MessageStatus, Part, Role, StreamEvent, StreamEventKind, TimelineDiff, TimelineItem,
    TimelineItemKind,
};

const MAX: usize = 12;
const PAGE: usize = 5;
const DAY_MS: i64 = 86_400_000;

fn id(number: u128) -> MessageId {
    MessageId::from_bytes(number.to_be_bytes())
}

fn turn(number: u128) -> TurnId {
    TurnId::from_bytes(number.to_be_bytes())
}

fn message(id: MessageId, role: Role, text: &str) -> Message {
    Message {
        id,
        conversation_id: ConversationId::from_bytes([7; 16]),
        turn_id: None,
        parent_id: None,
        role,
        parts: vec![Part::text(text)],
        status: MessageStatus::Complete,
        created_at: Timestamp::from_millis(0),
        model: None,
        finish_reason: None,
        usage: None,
        cost: None,
        depth: 0,
        sibling_index: 0,
        sibling_count: 1,
        metadata: HashMap::new(),
        version: 0,
    }
}

fn shown(message: &Message) -> Shown {
    let delivery = (message.role == Role::User).then_some(Delivery::Sent);
    Shown { message: message.clone(), delivery, error: None }
}

/// An answer on its way.
struct Live {
    answer: Message,
    turn: TurnId,
    place: Place,
}

/// All messages of a conversation, the naive way, and a screen that is told what happens to them.
struct World {
    chance: fastrand::Rng,
    next: u128,
    now: i64,
    all: HashMap<MessageId, Message>,
    head: Option<MessageId>,
    echoes: Vec<Message>,
    live: Option<Live>,
    read_upto: Option<MessageId>,
    screen: Screen,
    reader: Vec<TimelineItem>,
    has_begun: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        let screen = Screen::new(MAX, true, 0, None);
        let now = i64::from(chance.u32(..));
        let mut world = Self {
            chance,
            next: 0,
            now,
            all: HashMap::new(),
            head: None,
            echoes: Vec::new(),
            live: None,
            read_upto: None,
            screen,
            reader: Vec::new(),
            has_begun: false,
        };
        for _ in 0..world.chance.usize(0..30) {
            let fresh = world.fresh(Role::User);
            world.store(fresh, world.head);
        }
        world.show_end();
        world
    }

    fn fresh(&mut self, role: Role) -> Message {
        self.next += 1;
        if self.chance.u8(..4) == 0 {
            self.now += DAY_MS / 2;
        }
        let mut message = message(id(self.next), role, &format!("message {}", self.next));
        message.created_at = Timestamp::from_millis(self.now);
        message
    }

    /// Puts a message below another one and shows it.
    fn store(&mut self, mut message: Message, parent: Option<MessageId>) {
        message.parent_id = parent;
        message.depth = parent.map_or(0, |parent| self.all[&parent].depth) + 1;
        self.head = Some(message.id);
        self.all.insert(message.id, message);
    }

    fn branch(&self) -> Vec<Message> {
        let mut branch = Vec::new();
        let mut at = self.head;
        while let Some(id) = at {
            branch.push(self.all[&id].clone());
            at = self.all[&id].parent_id;
        }
        branch.reverse();
        branch
    }

    fn show_end(&mut self) {
        let branch = self.branch();
        let from = branch.len().saturating_sub(PAGE);
        self.screen.cut(0);
        self.screen.newer(branch[from..].iter().map(shown).collect(), true);
        self.screen.reached_start = from == 0;
        self.screen.trim();
    }

    /// As the window does it when messages came.
    fn advance(&mut self) {
        let branch = self.branch();
        let Some(last) = self.screen.last() else { return self.show_end() };
        let Some(at) = branch.iter().position(|message| message.id == last) else { return self.reread() };
        let behind: Vec<Shown> = branch[at + 1..].iter().map(shown).collect();
        if self.screen.reached_end {
            self.screen.newer(behind, true);
            self.screen.trim();
        } else if behind.is_empty() {
            self.screen.newer(Vec::new(), true);
            self.screen.arrange();
        }
    }

    /// As the window does it when anything may have changed.
    fn reread(&mut self) {
        let branch = self.branch();
        let Some((_, depth)) = self.screen.first() else { return self.show_end() };
        let from = usize::try_from(depth - 1).unwrap();
        let to = branch.len().min(from + self.screen.count() + PAGE);
        let items = branch.get(from..to).unwrap_or_default();
        let common = self.screen.common(items);
        if common == 0 {
            return self.show_end();
        }
        let goes_on = self.screen.reached_end || common < self.screen.count();
        self.screen.cut(common);
        for same in &items[..common] {
            self.screen.renew(shown(same));
        }
        let behind: Vec<Shown> = items[common..].iter().map(shown).collect();
        let is_whole = to == branch.len();
        if goes_on {
            self.screen.newer(behind, is_whole);
        } else {
            self.screen.newer(Vec::new(), is_whole && behind.is_empty());
        }
        self.screen.trim();
    }

    fn tell_unsaved(&mut self) {
        let echo =
            |message: &Message| Shown { message: message.clone(), delivery: Some(Delivery::Pending), error: None };
        self.screen.say(self.echoes.iter().map(echo).collect());
        self.screen.arrange();
    }

    fn step(&mut self) {
        match self.chance.u8(..14) {
            0 => {
                let said = self.fresh(Role::User);
                self.echoes.push(Message { status: MessageStatus::Pending, ..said });
                self.tell_unsaved();
            }
            1 if !self.echoes.is_empty() => {
                let saved = self.echoes.remove(0);
                self.store(Message { status: MessageStatus::Complete, ..saved }, self.head);
                self.advance();
                self.tell_unsaved();
            }
            2 if self.live.is_none() => self.begin(),
            3..=6 => self.write(),
            7 => self.write_draft(),
            8 => self.end(),
            9 => {
                let branch = self.branch();
                if let Some(one) = self.chance.choice(&branch)
                    && one.status != MessageStatus::Streaming
                {
                    let gone = Message { status: MessageStatus::Deleted, parts: Vec::new(), ..one.clone() };
                    self.all.insert(gone.id, gone.clone());
                    if self.screen.holds(gone.id) {
                        self.screen.update(gone);
                    }
                }
            }
            10 if self.live.is_none() => {
                let mut all: Vec<MessageId> = self.all.keys().copied().collect();
                all.sort();
                self.head = self.chance.choice(all);
                self.advance();
                if self.chance.bool() {
                    self.reread();
                }
            }
            11 => {
                let count = self.chance.usize(1..8);
                let branch = self.branch();
                if let Some((_, depth)) = self.screen.first().filter(|_| !self.screen.reached_start) {
                    let to = usize::try_from(depth - 1).unwrap();
                    let from = to.saturating_sub(count);
                    self.screen.lean(true);
                    self.screen.older(branch[from..to].iter().map(shown).collect(), from == 0);
                    self.screen.trim();
                }
            }
            12 => {
                let count = self.chance.usize(1..8);
                let branch = self.branch();
                if let Some(last) = self.screen.last().filter(|_| !self.screen.reached_end) {
                    let from = branch.iter().position(|message| message.id == last).unwrap() + 1;
                    let to = branch.len().min(from + count);
                    self.screen.lean(false);
                    self.screen.newer(branch[from..to].iter().map(shown).collect(), to == branch.len());
                    self.screen.trim();
                }
            }
            13 if !self.reader.is_empty() => {
                let first = self.chance.usize(..self.reader.len());
                let last = self.chance.usize(first..self.reader.len());
                self.screen.look_at(first, last);
                if self.chance.u8(..3) == 0 {
                    let mut all: Vec<MessageId> = self.all.keys().copied().collect();
                    all.sort();
                    self.read_upto = self.chance.choice(all);
                    self.screen.read_upto(self.read_upto);
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self) {
        let branch = self.branch();
        let Some(last) = branch.last() else { return };
        let place = if self.chance.bool() {
            Place::Answer(last.id)
        } else {
            Place::Below(self.chance.choice(&branch).unwrap().id)
        };
        let answer = self.fresh(Role::Assistant);
        let answer = Message { parts: Vec::new(), status: MessageStatus::Streaming, ..answer };
        let turn = turn(self.next);
        self.screen.follow(Some(Writing::new(answer.clone(), turn, place)));
        self.screen.arrange();
        self.live = Some(Live { answer, turn, place });
    }

    fn write(&mut self) {
        let Some(live) = &mut self.live else { return };
        let parts = &mut live.answer.parts;
        let mut events = Vec::new();
        for _ in 0..self.chance.usize(1..4) {
            let words = ["wörd ", "\n\n", "more. ", "```\n", "a"][self.chance.usize(..5)].to_owned();
            // The last part goes on, or another one begins.
            let index = i32::try_from(parts.len()).unwrap();
            let kind = match (self.chance.u8(..8), parts.last_mut()) {
                (0, _) => {
                    parts.push(Part::Reasoning { text: words.clone() });
                    events.push((index, StreamEventKind::Reasoning { delta: words }));
                    continue;
                }
                (1, Some(Part::Text { citations, .. })) => {
                    citations.push(Citation::default());
                    StreamEventKind::Citation { citation: Citation::default() }
                }
                (_, Some(Part::Text { text, .. })) => {
                    text.push_str(&words);
                    StreamEventKind::Text { delta: words }
                }
                (_, Some(Part::Reasoning { text })) if self.chance.bool() => {
                    text.push_str(&words);
                    StreamEventKind::Reasoning { delta: words }
                }
                _ => {
                    parts.push(Part::text(words.as_str()));
                    events.push((index, StreamEventKind::Text { delta: words }));
                    continue;
                }
            };
            events.push((index - 1, kind));
        }
        let events: Vec<_> = events.into_iter().map(|(at, kind)| StreamEvent::unnumbered(at, kind)).collect();
        self.screen.write(&events);
    }

    /// The message below which the answer is stored.
    fn parent(&self) -> MessageId {
        let live = self.live.as_ref().unwrap();
        match live.place {
            Place::Below(below) => below,
            Place::Answer(_) => self.head.unwrap(),
        }
    }

    fn write_draft(&mut self) {
        let Some(live) = &self.live else { return };
        if live.answer.parts.is_empty() || self.all.contains_key(&live.answer.id) {
            return;
        }
        // What is stored of it is behind what is shown.
        let row = Message { parts: Vec::new(), ..live.answer.clone() };
        self.store(row, Some(self.parent()));
        self.advance();
    }

    fn end(&mut self) {
        let Some(live) = &self.live else { return };
        let status = if self.chance.bool() { MessageStatus::Complete } else { MessageStatus::Interrupted };
        let answer = Message { status, ..live.answer.clone() };
        if let Some(stored) = self.all.get(&answer.id) {
            let whole = Message { parent_id: stored.parent_id, depth: stored.depth, ..answer };
            self.all.insert(whole.id, whole.clone());
            self.screen.update(whole);
        } else if !answer.parts.is_empty() {
            self.store(answer, Some(self.parent()));
            self.advance();
        }
        self.live = None;
        self.screen.follow(None);
        self.screen.arrange();
        self.advance();
    }

    /// What the screen must show, made anew from all that there is.
    fn expected(&self) -> Vec<TimelineItem> {
        let mut branch = self.branch();
        let mut tail: Vec<TimelineItem> = Vec::new();
        if let Some(live) = &self.live {
            if let Some(stored) = branch.iter_mut().find(|message| message.id == live.answer.id) {
                stored.parts.clone_from(&live.answer.parts);
            } else {
                let (Place::Answer(below) | Place::Below(below)) = live.place;
                let at = branch.iter().position(|message| message.id == below).unwrap();
                let is_last = at + 1 == branch.len();
                let is_held = self.screen.holds(below);
                let takes_place = matches!(live.place, Place::Below(_));
                if !live.answer.parts.is_empty() && is_held {
                    if takes_place && self.screen.reached_end {
                        branch.truncate(at + 1);
                    }
                    let last = branch.last().unwrap();
                    let answer = Message { parent_id: Some(last.id), depth: last.depth + 1, ..live.answer.clone() };
                    tail.push(Shown { message: answer, delivery: None, error: None }.into());
                } else if is_held && (is_last || !takes_place) {
                    let kind = TimelineItemKind::Typing { turn_id: live.turn };
                    tail.push(TimelineItem { id: live.answer.id.to_string(), kind });
                }
            }
        }
        let echo = |message: &Message| {
            Shown { message: message.clone(), delivery: Some(Delivery::Pending), error: None }.into()
        };
        tail.extend(self.echoes.iter().map(echo));
        let mut rows: Vec<TimelineItem> = Vec::new();
        let mut upto = 0;
        if let Some((_, depth)) = self.screen.first() {
            let from = usize::try_from(depth - 1).unwrap();
            upto = from + self.screen.count();
            let mut day = None;
            for message in &branch[from..upto] {
                let of = message.created_at.as_millis().div_euclid(DAY_MS);
                if day.replace(of) != Some(of) {
                    let text = Timestamp::from_millis(of * DAY_MS).to_string()[..10].to_owned();
                    let kind = TimelineItemKind::DayDivider { day: text };
                    rows.push(TimelineItem { id: format!("day:{}", message.id), kind });
                }
                if self.read_upto.is_some() && message.parent_id == self.read_upto {
                    rows.push(TimelineItem { id: "unread".to_owned(), kind: TimelineItemKind::UnreadMarker });
                }
                rows.push(shown(message).into());
            }
        }
        if self.screen.reached_end {
            assert_eq!(upto, branch.len(), "the end is not where it is said to be");
            rows.extend(tail);
        } else {
            rows.push(TimelineItem { id: "gap".to_owned(), kind: TimelineItemKind::Gap });
        }
        assert!(self.screen.count() <= MAX, "the window is too long");
        rows
    }

    fn poll(&mut self) -> Vec<TimelineDiff> {
        let diffs = self.screen.poll();
        for diff in &diffs {
            assert!(!self.has_begun || !matches!(diff, TimelineDiff::Reset { .. }), "a reset");
            if let TimelineDiff::AppendText { index, part_index, from, stable_prefix, text } = diff {
                let had = self.reader[*index].words(*part_index).chars().count();
                assert_eq!(*from, had, "where the words come");
                assert!(*stable_prefix <= had + text.chars().count(), "more is settled than there is");
            }
            diff.clone().apply(&mut self.reader);
        }
        self.has_begun = true;
        diffs
    }
}

/// Fails with the first row that differs.
fn same(are: &[TimelineItem], should: &[TimelineItem], context: &str) {
    for (at, (is, wanted)) in are.iter().zip(should).enumerate() {
        assert_eq!(is, wanted, "{context}, row {at}");
    }
    assert_eq!(are.len(), should.len(), "{context}: the number of rows");
}

#[test]
fn whatever_happens_and_however_seldom_it_asks_a_reader_has_what_is_there() {
    for seed in 0..200 {
        let context = format!("seed {seed}");
        let mut world = World::new(seed);
        for step in 0..150 {
            world.step();
            same(&world.screen.list.rows(), &world.expected(), &format!("{context}, step {step}: the screen"));
            if world.chance.u8(..4) == 0 {
                world.poll();
                same(&world.reader, &world.screen.list.rows(), &format!("{context}, step {step}: the reader"));
                assert!(!world.screen.list.has_news(), "{context}, step {step}: something is left");
            }
        }
    }
}

impl Row for u32 {}

fn apply(rows: &mut Vec<u32>, diffs: Vec<TimelineDiff<u32>>) {
    for diff in diffs {
        match diff {
            TimelineDiff::Append { items } => rows.extend(items),
            TimelineDiff::Clear => rows.clear(),
            TimelineDiff::PushFront { item } => rows.insert(0, item),
            TimelineDiff::PushBack { item } => rows.push(item),
            TimelineDiff::PopFront => drop(rows.remove(0)),
            TimelineDiff::PopBack => drop(rows.pop().unwrap()),
            TimelineDiff::Insert { index, item } => rows.insert(index, item),
            TimelineDiff::Set { index, item } => rows[index] = item,
            TimelineDiff::Remove { index } => drop(rows.remove(index)),
            TimelineDiff::Truncate { length } => rows.truncate(length),
            TimelineDiff::Reset { items } => *rows = items,
            TimelineDiff::AppendText { .. } => panic!("numbers have no words"),
        }
    }
}

#[test]
fn a_list_is_brought_from_any_order_to_any_other() {
    for seed in 0..2_000 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let mut list: LiveList<u8, u32> = LiveList::new();
        let mut reader = Vec::new();
        apply(&mut reader, list.poll());
        for _ in 0..12 {
            for _ in 0..chance.usize(1..6) {
                let key = chance.u8(..12);
                match chance.u8(..5) {
                    0 => drop(list.remove(key)),
                    1 => list.set(key, chance.u32(..)),
                    2 => {
                        let mut keys: Vec<u8> = (0..12).collect();
                        chance.shuffle(&mut keys);
                        keys.truncate(chance.usize(..12));
                        list.replace(keys.into_iter().map(|key| (key, chance.u32(..3))).collect());
                    }
                    _ if !list.contains(key) => list.insert(chance.usize(..=list.len()), key, chance.u32(..)),
                    _ => {}
                }
                for (at, row) in list.rows().into_iter().enumerate() {
                    let key = list.key_at(at).unwrap();
                    assert_eq!((list.index_of(key), list.get(key)), (Some(at), Some(&row)), "seed {seed}");
                }
            }
            apply(&mut reader, list.poll());
            assert_eq!(reader, list.rows(), "seed {seed}");
            assert!(list.poll().is_empty(), "seed {seed}: nothing is told twice");
        }
    }
}

/// A screen whose window is full, and what a reader was told of it.
fn full() -> (Screen, Vec<Message>) {
    let mut messages: Vec<Message> = Vec::new();
    for number in 1..=150 {
        let mut next = message(id(number), if number % 2 == 1 { Role::User } else { Role::Assistant }, "words");
        next.depth = i32::try_from(number).unwrap();
        next.parent_id = messages.last().map(|last| last.id);
        messages.push(next);
    }
    let mut screen = Screen::new(150, true, 0, None);
    screen.newer(messages.iter().map(shown).collect(), true);
    screen.reached_start = true;
    screen.poll();
    screen.list.looked = 0;
    (screen, messages)
}

#[test]
fn one_changed_row_of_a_full_window_is_all_that_is_looked_at() {
    let (mut screen, messages) = full();
    screen.update(Message { status: MessageStatus::Deleted, parts: Vec::new(), ..messages[70].clone() });
    let diffs = screen.poll();
    assert!(matches!(&diffs[..], [TimelineDiff::Set { index: 71, .. }]), "{diffs:?}");
    assert!(screen.list.looked <= 2, "{} rows were looked at", screen.list.looked);
}

#[test]
fn a_delta_costs_one_row_however_long_the_conversation_is_and_carries_nothing_but_itself() {
    let (mut screen, messages) = full();
    let mut answer = message(id(1_000), Role::Assistant, "");
    (answer.parts, answer.status) = (Vec::new(), MessageStatus::Streaming);
    screen.follow(Some(Writing::new(answer, turn(1), Place::Answer(messages[149].id))));
    screen.arrange();
    let text = |delta: &str| StreamEvent::unnumbered(0, StreamEventKind::text(delta));
    assert!(matches!(&screen.poll()[..], [TimelineDiff::PushBack { .. }]));
    screen.write(&[text("First paragraph.")]);
    assert!(screen.is_urgent, "the first words come at once");
    let first = screen.poll();
    assert!(matches!(&first[..], [TimelineDiff::Set { index: 151, .. }]), "{first:?}");
    screen.list.looked = 0;
    for delta in ["\n\n", "Sé", "cond"] {
        screen.write(&[text(delta)]);
    }
    assert!(!screen.is_urgent);
    let diffs = screen.poll();
    let wanted = TimelineDiff::AppendText {
        index: 151,
        part_index: 0,
        from: 16,
        text: "\n\nSécond".to_owned(),
        stable_prefix: 18,
    };
    assert_eq!(diffs, [wanted]);
    assert!(screen.list.looked <= 4, "{} rows were looked at", screen.list.looked);
}

#[test]
fn a_message_that_comes_to_a_full_window_moves_no_row_of_it() {
    let (mut screen, messages) = full();
    let mut next = message(id(151), Role::User, "next");
    (next.depth, next.parent_id) = (151, Some(messages[149].id));
    screen.newer(vec![shown(&next)], true);
    screen.trim();
    let diffs = screen.poll();
    // The first message and the day above it go; the day stands above the second from now on.
    let kinds: Vec<&str> = diffs
        .iter()
        .map(|diff| match diff {
            TimelineDiff::PopFront => "pop",
            TimelineDiff::PushFront { .. } => "day",
            TimelineDiff::PushBack { .. } => "next",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["pop", "pop", "day", "next"]);
    assert!(!screen.reached_start);
    assert!(screen.list.looked <= 16, "{} rows were looked at", screen.list.looked);
}

#[test]
fn what_is_kept_for_a_reader_that_never_asks_stays_within_the_window() {
    let (mut screen, messages) = full();
    for round in 0..10_000_u32 {
        let mut changed = messages[(round % 150) as usize].clone();
        changed.parts = vec![Part::text(format!("{round}"))];
        screen.update(changed);
    }
    let diffs = screen.poll();
    assert_eq!(diffs.len(), 150, "each changed row once");
    assert!(diffs.iter().all(|diff| matches!(diff, TimelineDiff::Set { .. })));
}

#[test]
fn rows_and_changes_read_back_from_their_json() {
    let (mut screen, messages) = full();
    screen.update(Message { parts: vec![Part::text("other")], ..messages[3].clone() });
    let mut diffs = screen.poll();
    diffs.push(TimelineDiff::Reset { items: screen.list.rows()[..3].to_vec() });
    diffs.push(TimelineDiff::Truncate { length: 4 });
    for diff in diffs {
        let json = serde_json::to_value(&diff).unwrap();
        assert!(json["type"].is_string(), "{json}");
        assert_eq!(serde_json::from_value::<TimelineDiff>(json).unwrap(), diff);
    }
    let key = RowKey::Gap;
    assert!(!screen.list.contains(key));
}
