//! The events of one running turn, for any number of readers.
//!
//! The producer appends and never waits for a reader; a reader has a place of its own. Text is kept once, in one buffer
//! for each part, and an event is a range of it: a reader that falls behind gets adjacent deltas joined, and one that
//! comes back with the number of its last event gets exactly the rest. Memory is that of the reply plus some bytes an
//! event; events are bounded by the bounds of the reply.

mod frames;

use std::sync::{Mutex, MutexGuard, PoisonError};

use frames::Frames;
pub(super) use frames::{Bite, Framed};
use tokio::sync::Notify;

use crate::base::TurnId;
use crate::model::{Error, Part, Reply, ReplyDraft, Result, StreamEvent, StreamEventKind};

/// A reader that is more than this behind gets adjacent deltas joined.
const RING: usize = 256;

pub(crate) struct TurnLog {
    turn: Option<TurnId>,
    state: Mutex<State>,
    changed: Notify,
    /// Told when something else than words was appended, or it has ended.
    turned: Notify,
    /// What readers outside of the program were told last: `View::Plain`, `View::Detailed`.
    frames: [Mutex<Frames>; 2],
}

#[derive(Default)]
struct State {
    events: Vec<Entry>,
    lanes: Vec<Lane>,
    last_seq: i64,
    outcome: Option<Result<Box<Reply>>>,
}

enum Entry {
    Delta { seq: i64, lane: u32, start: u32, end: u32 },
    Whole(Box<StreamEvent>),
}

impl Entry {
    fn seq(&self) -> i64 {
        match self {
            Self::Delta { seq, .. } => *seq,
            Self::Whole(event) => event.seq,
        }
    }
}

struct Lane {
    part_index: i32,
    voice: Voice,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Voice {
    Text,
    Reasoning,
    Refusal,
}

impl Lane {
    fn event(&self, start: usize, end: usize) -> StreamEventKind {
        let delta = self.text[start..end].to_owned();
        match self.voice {
            Voice::Text => StreamEventKind::Text { delta },
            Voice::Reasoning => StreamEventKind::Reasoning { delta },
            Voice::Refusal => StreamEventKind::Refusal { delta },
        }
    }
}

/// What a reader finds.
pub(crate) enum Found {
    Event(StreamEvent),
    Ended(Result<Box<Reply>>),
    NothingYet,
}

impl TurnLog {
    pub(crate) fn new(turn: Option<TurnId>) -> Self {
        Self::beginning(turn, State::default())
    }

    /// The log of a further try of a turn, whose events go on behind this number.
    pub(crate) fn following(turn: TurnId, last_seq: i64) -> Self {
        Self::beginning(Some(turn), State { last_seq, ..State::default() })
    }

    fn beginning(turn: Option<TurnId>, state: State) -> Self {
        let (changed, turned) = (Notify::new(), Notify::new());
        Self { turn, state: Mutex::new(state), changed, turned, frames: <[Mutex<Frames>; 2]>::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends an event and gives it its number. After the end nothing is appended.
    pub(crate) fn push(&self, part_index: i32, kind: StreamEventKind) -> i64 {
        let mut state = self.lock();
        if state.outcome.is_some() {
            return state.last_seq;
        }
        state.last_seq += 1;
        let seq = state.last_seq;
        let entry = match kind {
            StreamEventKind::Text { delta } => state.say(seq, part_index, Voice::Text, &delta),
            StreamEventKind::Reasoning { delta } => state.say(seq, part_index, Voice::Reasoning, &delta),
            StreamEventKind::Refusal { delta } => state.say(seq, part_index, Voice::Refusal, &delta),
            kind => Entry::Whole(Box::new(StreamEvent { seq, turn_id: self.turn, part_index, kind })),
        };
        let is_words = matches!(entry, Entry::Delta { .. });
        state.events.push(entry);
        drop(state);
        self.changed.notify_waiters();
        if !is_words {
            self.turned.notify_waiters();
        }
        seq
    }

    /// Ends the log. The first outcome stands.
    pub(crate) fn end(&self, outcome: Result<Reply>) {
        let mut state = self.lock();
        if state.outcome.is_some() {
            return;
        }
        let outcome = outcome.map(Box::new);
        if let Ok(reply) = &outcome {
            state.last_seq += 1;
            let kind = StreamEventKind::Done { reply: reply.clone() };
            let event = StreamEvent { seq: state.last_seq, turn_id: self.turn, part_index: 0, kind };
            state.events.push(Entry::Whole(Box::new(event)));
        }
        state.outcome = Some(outcome);
        drop(state);
        self.changed.notify_waiters();
        self.turned.notify_waiters();
    }

    /// The next event gets a number behind this one.
    pub(crate) fn go_on_behind(&self, seq: i64) {
        let mut state = self.lock();
        state.last_seq = state.last_seq.max(seq);
    }

    /// The number of the last event.
    pub(crate) fn last_seq(&self) -> i64 {
        self.lock().last_seq
    }

    /// The place behind the event with this number.
    pub(crate) fn place_after(&self, seq: i64) -> usize {
        self.lock().events.partition_point(|entry| entry.seq() <= seq)
    }

    /// The event at this place; moves the place on.
    pub(crate) fn read(&self, place: &mut usize) -> Found {
        let state = self.lock();
        match state.events.get(*place) {
            None => state.outcome.as_ref().map_or(Found::NothingYet, |outcome| Found::Ended(outcome.clone())),
            Some(Entry::Whole(event)) => {
                *place += 1;
                Found::Event((**event).clone())
            }
            Some(Entry::Delta { .. }) => {
                let bite = if state.events.len() - *place > RING { Bite::ALL } else { Bite::ONE };
                Found::Event(state.delta(place, bite, self.turn))
            }
        }
    }

    /// Up to `max` events that are there, adjacent deltas joined; moves the place on.
    pub(crate) fn read_batch(&self, place: &mut usize, max: usize, into: &mut Vec<StreamEvent>) {
        let state = self.lock();
        while into.len() < max {
            match state.events.get(*place) {
                None => break,
                Some(Entry::Whole(event)) => {
                    *place += 1;
                    into.push((**event).clone());
                }
                Some(Entry::Delta { .. }) => into.push(state.delta(place, Bite::ALL, self.turn)),
            }
        }
    }

    /// What has arrived so far.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let state = self.lock();
        let mut draft = ReplyDraft::new();
        for entry in &state.events {
            match entry {
                Entry::Whole(event) => draft.push(event),
                Entry::Delta { lane, start, end, .. } => {
                    let lane = &state.lanes[*lane as usize];
                    draft.push_kind(lane.part_index, &lane.event(*start as usize, *end as usize));
                }
            }
        }
        draft.into_parts()
    }

    /// How it ended, or nothing while it runs.
    pub(crate) fn outcome(&self) -> Option<Result<Box<Reply>>> {
        self.lock().outcome.clone()
    }

    /// Ends when something is there behind this place, or the log has ended.
    pub(crate) async fn wait(&self, place: usize) {
        self.wait_until(&self.changed, |state| state.events.len() > place).await;
    }

    /// Ends when something else than words is there behind this place, or the log has ended. No word wakes who waits.
    #[cfg(feature = "uniffi")]
    pub(crate) async fn wait_for_more_than_words(&self, place: usize) {
        let is_no_words = |entry: &Entry| matches!(entry, Entry::Whole(_));
        self.wait_until(&self.turned, |state| state.events.iter().skip(place).any(is_no_words)).await;
    }

    async fn wait_until(&self, told: &Notify, is_there: impl Fn(&State) -> bool) {
        loop {
            let told = told.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            {
                let state = self.lock();
                if is_there(&state) || state.outcome.is_some() {
                    return;
                }
            }
            told.await;
        }
    }
}

impl State {
    fn say(&mut self, seq: i64, part_index: i32, voice: Voice, delta: &str) -> Entry {
        let found = self.lanes.iter().rposition(|lane| lane.part_index == part_index && lane.voice == voice);
        let at = found.unwrap_or_else(|| {
            self.lanes.push(Lane { part_index, voice, text: String::new() });
            self.lanes.len() - 1
        });
        let text = &mut self.lanes[at].text;
        let start = text.len();
        text.push_str(delta);
        // A reply is bounded far below 4 GiB and 4 G parts (`network.max_text_bytes`).
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Entry::Delta { seq, lane: narrow(at), start: narrow(start), end: narrow(text.len()) }
    }

    /// The delta at this place, with those that follow it in the same voice and fit the bite; moves the place on.
    fn delta(&self, place: &mut usize, bite: Bite, turn_id: Option<TurnId>) -> StreamEvent {
        let Some(&Entry::Delta { mut seq, lane, start, mut end }) = self.events.get(*place) else {
            return StreamEvent {
                seq: 0,
                turn_id,
                part_index: 0,
                kind: StreamEventKind::Text { delta: String::new() },
            };
        };
        *place += 1;
        while *place < bite.before
            && let Some(&Entry::Delta { seq: next, lane: same, end: further, .. }) = self.events.get(*place)
            && same == lane
            && (further - start) as usize <= bite.bytes
        {
            (seq, end) = (next, further);
            *place += 1;
        }
        let lane = &self.lanes[lane as usize];
        StreamEvent { seq, turn_id, part_index: lane.part_index, kind: lane.event(start as usize, end as usize) }
    }
}

/// Ends the log with this error if nothing else ended it: nobody waits for ever for a task that is gone.
pub(crate) struct EndOnDrop(pub(crate) std::sync::Arc<TurnLog>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end(Err(Error::new(
            crate::base::ErrorKind::Closed,
            "stopped",
            "the engine stopped while the reply was on its way; retry the turn",
        )));
    }
}
