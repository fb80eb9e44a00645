//! Who may send, and when: one queue for each target, which owns its permits and the count of its limits.
//!
//! ```text
//!  join ─▶ waiting: class less aging → owners in turn → oldest first ─▶ next ─▶ release ─▶ (the call) ─▶ settle
//!            │ full, or too late: refused                   ▲ a permit, every bucket, the server's floor, the pace
//! ```
//!
//! Strictly one after the other: a large request at the head is not overtaken by small ones, or it would never go.
//! Nothing here knows the breaker: who releases asks it between [`next`](AdmissionQueue::next) and
//! [`release`](AdmissionQueue::release).

mod quotas;
mod settings;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quotas::{Cost, Draw, Quotas};
pub use settings::{LimitOverride, LimitSettings, Limits, QueueSettings};

use super::adaptive::Adaptive;
use crate::base::ConversationId;
use crate::model::{Priority, Quota};

/// What a reply is taken to be long where nobody says how long it may be, before there were any.
const USUAL_OUTPUT: f64 = 1_024.0;

/// One call that wants to be sent.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// How urgent it is.
    pub priority: Priority,
    /// Whom it is for; owners take turns.
    pub owner: Option<Arc<str>>,
    /// Within a conversation nobody overtakes.
    pub conversation: Option<ConversationId>,
    /// Since when it waits: a retry keeps its age.
    pub since: Duration,
    /// When it is given up.
    pub deadline: Option<Duration>,
    /// How much memory it holds while it waits.
    pub bytes: usize,
    /// How much it sends, in tokens, by estimate.
    pub input_tokens: u64,
    /// How long the reply may be, in tokens; nothing where nobody says so.
    pub max_output_tokens: Option<u64>,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// Where somebody stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// How many are before it.
    pub position: usize,
    /// The likely wait.
    pub wait: Duration,
}

/// Why a call may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many wait, or too much; the likely wait of whoever comes last.
    Full(Duration),
    /// It would wait beyond its deadline, for about this long.
    TooLate(Duration),
}

/// Leave to send one request. Every lease is given back with [`AdmissionQueue::settle`].
#[derive(Debug, PartialEq)]
#[must_use = "a lease that is never given back holds its permit for ever"]
pub struct Lease {
    draw: Draw,
    cost: Cost,
    sent_at: Duration,
}

/// How a request went, as far as the limits are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It was never sent.
    Unsent,
    /// The reply took so many tokens.
    Tokens {
        /// Sent in.
        input: u64,
        /// Written.
        output: u64,
    },
    /// It was sent, and there was no reply.
    Failed,
    /// "Too fast". `informed` is true when the provider said what its limits are.
    Throttled {
        /// The provider said what its limits are.
        informed: bool,
    },
    /// Nobody knows what it took: what was reserved counts.
    Unknown,
}

/// What is known of a target's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learnt {
    /// Requests a minute, where that is known.
    pub requests_per_minute: Option<i64>,
    /// Tokens a minute, where that is known.
    pub tokens_per_minute: Option<i64>,
}

impl Learnt {
    /// True when one of the two differs by more than a tenth: what is found out by trying moves with every answer.
    fn differs(self, other: Self) -> bool {
        let moved = |a: Option<i64>, b: Option<i64>| match (a, b) {
            (Some(a), Some(b)) => a.abs_diff(b).saturating_mul(10) > a.unsigned_abs().max(b.unsigned_abs()),
            (a, b) => a != b,
        };
        moved(self.requests_per_minute, other.requests_per_minute)
            || moved(self.tokens_per_minute, other.tokens_per_minute)
    }
}

#[derive(Clone, Debug)]
struct Waiting {
    ask: Ask,
    cost: Cost,
    /// Its own class, or that of somebody behind it in its conversation.
    class: Priority,
    /// Its owner's turn: who was served more often since it came has the higher number.
    turn: Arc<AtomicU64>,
}

/// The order of those who wait; the least goes first.
type Key = (u64, u64, Duration, Ticket);

/// The queue of one target.
#[derive(Debug)]
pub struct AdmissionQueue {
    settings: QueueSettings,
    limits: Limits,
    quotas: Quotas,
    pace: Adaptive,
    /// Before this moment the server wants nothing of us.
    floor: Duration,
    in_flight: u32,
    waiting: BTreeMap<Ticket, Waiting>,
    waiting_bytes: usize,
    /// Turns of the owners who wait.
    turns: HashMap<Option<Arc<str>>, Arc<AtomicU64>>,
    /// The number of whoever was served last.
    turn: u64,
    next_ticket: u64,
    /// How long a permit is held, in seconds.
    held: Mean,
    /// How long replies are, in tokens.
    output: Mean,
    /// How much of what is reserved is taken in the end.
    share: Mean,
    /// What was told last of the limits.
    told: Learnt,
}

impl AdmissionQueue {
    /// An empty queue at this moment of the clock.
    #[must_use]
    pub fn new(limits: Limits, settings: QueueSettings, now: Duration) -> Self {
        Self {
            settings,
            quotas: Quotas::new(&limits, now),
            limits,
            pace: Adaptive::default(),
            floor: Duration::ZERO,
            in_flight: 0,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            turns: HashMap::new(),
            turn: 0,
            next_ticket: 0,
            held: Mean::default(),
            output: Mean::default(),
            share: Mean::default(),
            told: Learnt::default(),
        }
    }

    /// True when tokens are counted, so that it is worth estimating those of an [`Ask`].
    #[must_use]
    pub fn counts_tokens(&self) -> bool {
        self.quotas.counts_tokens()
    }

    /// True when nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How many are under way.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// True when nothing is known that a new one would not know.
    #[must_use]
    pub fn is_fresh(&self, now: Duration) -> bool {
        self.in_flight == 0
            && self.is_empty()
            && self.floor <= now
            && !self.quotas.is_known()
            && self.pace.rate().is_none()
    }

    /// Takes a place in the queue. Gives with it whoever had to go for it.
    ///
    /// # Errors
    /// When the queue is full, or the likely wait passes the deadline.
    pub fn join(&mut self, ask: Ask, now: Duration) -> Result<(Ticket, Option<Ticket>), Refusal> {
        let ticket = Ticket(self.next_ticket);
        let cost = self.cost(&ask);
        let turn = self.turns.get(&ask.owner).map_or(self.turn + 1, |turn| turn.load(Ordering::Relaxed));
        let key = (self.class(ask.priority, ask.since, now), turn, ask.since, ticket);
        let wait = self.wait_behind(&key, &cost, now).wait;
        if ask.deadline.is_some_and(|deadline| now.saturating_add(wait) >= deadline) {
            return Err(Refusal::TooLate(wait));
        }
        let pushed_out = if self.has_room(ask.bytes, None) { None } else { Some(self.make_room(&ask, now)?) };
        self.next_ticket += 1;
        self.waiting_bytes += ask.bytes;
        let turn = self.turns.entry(ask.owner.clone()).or_insert_with(|| Arc::new(AtomicU64::new(turn))).clone();
        let mut class = ask.priority;
        if ask.conversation.is_some() {
            // Within a conversation the oldest goes first, and is as urgent as the most urgent that it holds up.
            let same = |waiting: &&mut Waiting| waiting.ask.conversation == ask.conversation;
            for other in self.waiting.values_mut().filter(same) {
                class = class.min(other.class);
                other.class = class;
            }
        }
        self.waiting.insert(ticket, Waiting { class, ask, cost, turn });
        Ok((ticket, pushed_out))
    }

    /// Somebody more urgent waits for the call that holds this place. True when that changes the order.
    pub fn hurry(&mut self, ticket: Ticket, priority: Priority) -> bool {
        let Some(waiting) = self.waiting.get_mut(&ticket).filter(|waiting| priority < waiting.class) else {
            return false;
        };
        waiting.class = priority;
        let (conversation, since) = (waiting.ask.conversation, waiting.ask.since);
        if conversation.is_some() {
            // So are those whom it goes after.
            let before = |other: &&mut Waiting| other.ask.conversation == conversation && other.ask.since <= since;
            self.waiting.values_mut().filter(before).for_each(|other| other.class = other.class.min(priority));
        }
        true
    }

    /// Gives up a place.
    pub fn leave(&mut self, ticket: Ticket) {
        let Some(gone) = self.waiting.remove(&ticket) else { return };
        self.waiting_bytes -= gone.ask.bytes;
        // The map and this one: nobody else of its owner waits.
        if Arc::strong_count(&gone.turn) == 2 {
            self.turns.remove(&gone.ask.owner);
        }
    }

    /// Whoever goes next, if it may go now.
    ///
    /// # Errors
    /// How long until it may; nothing when nobody waits, or when a permit has to come back first.
    pub fn next(&mut self, now: Duration) -> Result<Ticket, Option<Duration>> {
        let ticket = self.head(now).ok_or(None)?;
        let Some(cost) = self.waiting.get(&ticket).map(|waiting| waiting.cost) else { return Err(None) };
        self.may_send(&cost, now).map(|()| ticket)
    }

    /// Whoever goes next, whether it may go now or not.
    #[must_use]
    pub fn head(&self, now: Duration) -> Option<Ticket> {
        self.waiting
            .iter()
            .min_by_key(|(ticket, waiting)| self.key_of(**ticket, waiting, now))
            .map(|(ticket, _)| *ticket)
    }

    /// Lets go whoever holds this place; nothing when it is held no longer.
    pub fn release(&mut self, ticket: Ticket, now: Duration) -> Option<Lease> {
        let Waiting { cost, turn, .. } = self.waiting.get(&ticket)?;
        let cost = *cost;
        self.turn = self.turn.max(turn.fetch_add(1, Ordering::Relaxed));
        self.leave(ticket);
        Some(self.lease(cost, now))
    }

    /// True when a call may go at once, because nobody waits and there is enough of everything.
    pub fn is_free(&mut self, ask: &Ask, now: Duration) -> bool {
        let cost = self.cost(ask);
        self.waiting.is_empty() && self.may_send(&cost, now).is_ok()
    }

    /// Lets a call go at once.
    pub fn take(&mut self, ask: &Ask, now: Duration) -> Lease {
        let cost = self.cost(ask);
        self.lease(cost, now)
    }

    /// Gives a lease back. What was reserved becomes what was taken.
    pub fn settle(&mut self, lease: Lease, spent: Spent, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let took = match spent {
            Spent::Unsent => {
                self.quotas.settle(&lease.draw, &Cost::default(), now);
                self.pace.unsent();
                return;
            }
            Spent::Tokens { input, output } => {
                let (input, output) = (count(input), count(output));
                self.output.add(output);
                self.pace.succeeded(now);
                let took = Cost::of(input, output);
                self.share.add(took.tokens() / lease.cost.tokens().max(1.0));
                took
            }
            Spent::Failed => Cost::of(0.0, 0.0),
            Spent::Throttled { informed } => {
                if self.limits.adaptive && !informed {
                    self.pace.throttled(lease.sent_at, now);
                }
                Cost::of(0.0, 0.0)
            }
            Spent::Unknown => lease.cost,
        };
        self.held.add(now.saturating_sub(lease.sent_at).as_secs_f64());
        self.quotas.settle(&lease.draw, &took, now);
    }

    /// Takes in what the provider says of its limits in the answer to this request.
    pub fn observe(&mut self, quota: &Quota, lease: &Lease, now: Duration) {
        self.quotas.observe(quota, &lease.draw, now);
        if let Some(shut) = quota.shut_for {
            self.hold(shut, now);
        }
    }

    /// What is known of the limits by now, if it differs from what this gave last.
    pub fn learnt(&mut self) -> Option<Learnt> {
        let found = self.pace.rate().map(|rate| rate * 60.0);
        let [requests, tokens] = self.quotas.per_minute();
        let requests = [requests, found].into_iter().flatten().reduce(f64::min);
        #[expect(clippy::cast_possible_truncation, reason = "limits are far below 2^53")]
        let whole = |rate: f64| rate.round().max(1.0) as i64;
        let known = Learnt { requests_per_minute: requests.map(whole), tokens_per_minute: tokens.map(whole) };
        let is_news = known.differs(self.told);
        if is_news {
            self.told = known;
        }
        is_news.then_some(known)
    }

    /// The server wants nothing of us for this long: nobody goes before.
    pub fn hold(&mut self, wait: Duration, now: Duration) {
        self.floor = self.floor.max(now.saturating_add(wait));
    }

    /// How long the server still wants nothing of us.
    #[must_use]
    pub fn held_for(&self, now: Duration) -> Duration {
        self.floor.saturating_sub(now)
    }

    /// How long until a request like this lease's could be sent again, as far as that is known.
    #[must_use]
    pub fn returns_in(&mut self, lease: &Lease, now: Duration) -> Option<Duration> {
        let wait = self.quotas.wait_for(&lease.cost, now).max(self.pace.wait_for(1.0, now));
        (self.quotas.is_known() || self.pace.rate().is_some()).then_some(wait).filter(|wait| !wait.is_zero())
    }

    /// Where somebody stands; nothing when it waits no longer.
    pub fn place(&mut self, ticket: Ticket, now: Duration) -> Option<Place> {
        let waiting = self.waiting.get(&ticket)?;
        let (key, cost) = (self.key_of(ticket, waiting, now), waiting.cost);
        Some(self.wait_behind(&key, &cost, now))
    }

    /// What is reserved for a call.
    fn cost(&self, ask: &Ask) -> Cost {
        let output = ask.max_output_tokens.map_or_else(|| self.output.value().unwrap_or(USUAL_OUTPUT), count);
        Cost::of(count(ask.input_tokens), output)
    }

    fn may_send(&mut self, cost: &Cost, now: Duration) -> Result<(), Option<Duration>> {
        if self.in_flight >= self.limits.max_concurrent {
            return Err(None);
        }
        let wait = self.held_for(now).max(self.quotas.wait_for(cost, now)).max(self.pace.wait_for(1.0, now));
        if wait.is_zero() { Ok(()) } else { Err(Some(wait)) }
    }

    fn lease(&mut self, cost: Cost, now: Duration) -> Lease {
        self.in_flight += 1;
        self.pace.sent(now);
        Lease { draw: self.quotas.reserve(&cost, now), cost, sent_at: now }
    }

    /// True when so many bytes fit in, with this call of the waiting out of the way.
    fn has_room(&self, bytes: usize, without: Option<usize>) -> bool {
        let others = self.len() - usize::from(without.is_some());
        let all_bytes = (self.waiting_bytes - without.unwrap_or(0)).saturating_add(bytes);
        others < self.settings.max_waiting && all_bytes <= self.settings.max_waiting_bytes
    }

    /// Sends the least urgent away, if it is less urgent than who comes.
    fn make_room(&mut self, ask: &Ask, now: Duration) -> Result<Ticket, Refusal> {
        let class = self.class(ask.priority, ask.since, now);
        let last = self.waiting.iter().max_by_key(|(ticket, waiting)| self.key_of(**ticket, waiting, now));
        let last = last
            .map(|(ticket, waiting)| (*ticket, self.class(waiting.class, waiting.ask.since, now), waiting.ask.bytes));
        match last {
            Some((ticket, its, bytes)) if its > class && self.has_room(ask.bytes, Some(bytes)) => {
                self.leave(ticket);
                Ok(ticket)
            }
            last => Err(Refusal::Full(
                last.and_then(|(ticket, ..)| self.place(ticket, now)).map_or(Duration::ZERO, |place| place.wait),
            )),
        }
    }

    /// The class of a call, 0 the most urgent: its own, less one for each while that it has waited.
    fn class(&self, priority: Priority, since: Duration, now: Duration) -> u64 {
        let waited = now.saturating_sub(since);
        let step = Duration::from_millis(self.settings.aging_ms.max(1));
        // Two steps lead from the last class to the first.
        let steps = u64::from(waited >= step) + u64::from(waited >= step.saturating_mul(2));
        (priority as u64).saturating_sub(steps)
    }

    fn key_of(&self, ticket: Ticket, waiting: &Waiting, now: Duration) -> Key {
        let Waiting { ask, class, turn, .. } = waiting;
        (self.class(*class, ask.since, now), turn.load(Ordering::Relaxed), ask.since, ticket)
    }

    /// How many are before this key, and how long it is likely to wait: for the slowest of the server's floor, the
    /// limits, the pace and the permits.
    fn wait_behind(&mut self, key: &Key, cost: &Cost, now: Duration) -> Place {
        let (mut position, mut before) = (0, Cost::default());
        for (ticket, waiting) in &self.waiting {
            if self.key_of(*ticket, waiting, now) < *key {
                position += 1;
                before.add(&waiting.cost);
            }
        }
        // Those before it will take less than is reserved for them.
        let before = before.less(self.share.value().unwrap_or(1.0).min(1.0));
        let mut all = before;
        all.add(cost);
        let ahead = u32::try_from(position).unwrap_or(u32::MAX);
        let busy = self.in_flight.saturating_add(ahead).saturating_add(1).saturating_sub(self.limits.max_concurrent);
        let permits = self.held.value().unwrap_or(0.0) * f64::from(busy) / f64::from(self.limits.max_concurrent.max(1));
        let limits = if position == 0 { self.quotas.wait_for(cost, now) } else { self.quotas.time_until(&all, now) };
        let wait = self
            .held_for(now)
            .max(limits)
            .max(self.pace.wait_for(f64::from(ahead) + 1.0, now))
            .max(Duration::try_from_secs_f64(permits).unwrap_or(Duration::MAX));
        Place { position, wait }
    }
}

#[expect(clippy::cast_precision_loss, reason = "no request has 2^53 tokens")]
const fn count(tokens: u64) -> f64 {
    tokens as f64
}

/// A mean in which the last few count most.
#[derive(Clone, Copy, Debug, Default)]
struct Mean(Option<f64>);

impl Mean {
    fn add(&mut self, value: f64) {
        self.0 = Some(self.0.map_or(value, |mean| mean + (value - mean) / 8.0));
    }

    const fn value(self) -> Option<f64> {
        self.0
    }
}
