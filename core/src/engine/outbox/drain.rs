//! What the outbox knows in memory, and the task that drains it.
//!
//! ```text
//! a message waits ─▶ has_work ──┐            ┌─▶ one task for each conversation; eight messages are sent at once
//! its moment comes ─────────────┼─▶ a round ─┤      the first in its queue: claim, send, rest; then the next
//! its model answers ─▶ reached ─┘            └─▶ models that have just failed are left out until their rest is over
//! ```
//!
//! Everything that counts is in the store: a round asks it what is due, a claim is a compare-and-set there. So several
//! processes drain one outbox, and one that dies loses nothing.

use std::collections::{HashMap, HashSet};
use std::mem::take;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, broadcast};
use tokio_util::sync::CancellationToken;

use super::send::{Sent, is_suspect, send};
use crate::base::{ConversationId, Random, Timestamp, TurnId};
use crate::engine::conversation::Conversation;
use crate::engine::expiry;
use crate::engine::queue::InTurn;
use crate::engine::tertulia::{Inner, LEASE_MS};
use crate::engine::user::UserScope;
use crate::engine::watch::About;
use crate::model::{EngineEventKind, Error, Result, TurnState};
use crate::policy::{Failure, OutboxPolicy, OutboxSettings, Pause};
use crate::store::{Due, QueueQuery, TurnRecord};

/// How many messages are sent at once.
const MAX_SENDS: usize = 8;

/// How many conversations are drained at once: those that send, and those where somebody else speaks just now.
const MAX_CONVERSATIONS: usize = 64;

/// How much of what is due is read at once; more than can be taken up.
const PAGE: usize = 2 * MAX_CONVERSATIONS;

/// Over how long the sends are spread when a network is back.
const SPREAD: Duration = Duration::from_secs(1);

/// So many models may rest at once; with more, all are tried again.
const MAX_RESTING: usize = 1_024;

/// How many changes a slow watcher may be behind before it is told everything anew.
const CHANGES: usize = 256;

/// So many changes wait to be told to who watches the engine; while the store cannot say how many messages wait, further
/// ones are not told.
const MAX_UNTOLD: usize = 1_024;

/// How often what dead processes left is looked for.
const LEASE: Duration = Duration::from_millis(LEASE_MS.unsigned_abs());

/// How long the moments of messages may pass while the device saves power and nothing else happens.
const LOW_POWER: Duration = Duration::from_secs(5 * 60);

/// How late such a look may come, in milliseconds. Later, the machine has slept or its clock has jumped, and those who
/// live have yet to say so.
const LATE: i64 = 5_000;

/// A turn in the outbox has changed.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Change {
    pub(in crate::engine) owner: Arc<str>,
    pub(in crate::engine) turn: TurnId,
}

/// What the outbox knows in memory.
pub(in crate::engine) struct Drain {
    policy: OutboxPolicy,
    settings: OutboxSettings,
    random: Arc<dyn Random>,
    wake: Notify,
    /// Leave to send; whoever has one sends one message.
    sends: Semaphore,
    /// Leave to send a message under which a process has ended: one at a time, so that the others are not blamed for it.
    pub(super) suspects: Arc<Semaphore>,
    /// No further message is taken up.
    pub(in crate::engine) closing: CancellationToken,
    state: Mutex<State>,
    pub(super) changes: broadcast::Sender<Change>,
}

#[derive(Default)]
struct State {
    /// True when something may be waiting in the store.
    works: bool,
    /// How often it was told that something waits.
    told: u64,
    /// Good news since the last round.
    news: Vec<News>,
    resting: HashMap<String, Resting>,
    busy: HashSet<ConversationId>,
    /// What came into the outbox or left it since the last round.
    untold: Vec<(Change, &'static str)>,
}

/// A reason to try before the moment has come.
#[derive(Clone, Debug, PartialEq, Eq)]
enum News {
    /// This model has answered.
    Answered(String),
    /// The network has changed: every way may be open.
    Network,
}

/// A model that has failed, so that not every message of an outage finds that out for itself.
#[derive(Clone, Copy)]
struct Resting {
    until: Duration,
    failures: u32,
}

impl Drain {
    pub(in crate::engine) fn new(settings: OutboxSettings, random: Arc<dyn Random>) -> Self {
        Self {
            policy: OutboxPolicy::new(settings),
            settings,
            random,
            wake: Notify::new(),
            sends: Semaphore::new(MAX_SENDS),
            suspects: Arc::new(Semaphore::new(1)),
            closing: CancellationToken::new(),
            state: Mutex::new(State { works: true, ..State::default() }),
            changes: broadcast::Sender::new(CHANGES),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The moment so long after this one.
    pub(in crate::engine) fn after(now: Timestamp, wait: Duration) -> Timestamp {
        let millis = i64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
        Timestamp::from_millis(now.as_millis().saturating_add(millis))
    }

    /// When a message is given up that is put into the queue now.
    pub(in crate::engine) fn expiry(&self, now: Timestamp) -> Timestamp {
        Self::after(now, self.policy.lasts())
    }

    /// True once a message was tried so often that it may be what ends the process.
    pub(super) fn is_poison(&self, crashes: i32) -> bool {
        self.policy.after_crash(u32::try_from(crashes).unwrap_or(0), 0.0).is_none()
    }

    /// How long a message waits whose process ended while it was sent.
    pub(in crate::engine) fn pause_after_crash(&self, crashes: i32) -> Duration {
        let crashes = u32::try_from(crashes).unwrap_or(0);
        self.policy.after_crash(crashes, self.random.unit()).unwrap_or_default()
    }

    /// How long a message waits after this failure, or nothing when sending it again cannot help. Where the target is to
    /// blame its model rests meanwhile.
    pub(in crate::engine) fn pause(&self, model: &str, failure: Failure, attempt: i32, now: Duration) -> Option<Pause> {
        use crate::base::ErrorKind::{TimedOut, Truncated, Unavailable};
        let chance = self.random.unit();
        let pause = self.policy.after_failure(u32::try_from(attempt).unwrap_or(1).max(1), failure, chance)?;
        if matches!(failure.kind, Unavailable | TimedOut | Truncated) {
            let mut state = self.lock();
            if state.resting.len() >= MAX_RESTING {
                state.resting.clear();
            }
            let resting = state.resting.entry(model.to_owned()).or_insert(Resting { until: now, failures: 0 });
            resting.failures = resting.failures.saturating_add(1);
            // What a provider asks for may be for one user alone; others do not rest longer than we would by ourselves.
            let own = self.policy.after_failure(resting.failures, failure, chance).map_or(pause.wait, |own| own.wait);
            resting.until = resting.until.max(now + own.min(self.longest()));
        }
        Some(pause)
    }

    /// True while a model is left alone because it has just failed.
    fn rests(&self, model: &str, engine: &Inner) -> bool {
        let now = engine.clock.monotonic();
        self.lock().resting.get(model).is_some_and(|rest| rest.until > now)
    }

    fn longest(&self) -> Duration {
        Duration::from_millis(self.settings.max_delay_ms)
    }

    /// Something waits.
    pub(in crate::engine) fn has_work(&self) {
        {
            let mut state = self.lock();
            state.works = true;
            state.told += 1;
        }
        self.wake.notify_one();
    }

    /// False while nothing waits, as far as this process knows.
    pub(in crate::engine) fn may_have_work(&self) -> bool {
        self.lock().works
    }

    /// A conversation is free again.
    pub(in crate::engine) fn may_go_on(&self) {
        if self.may_have_work() {
            self.wake.notify_one();
        }
    }

    /// A model has answered: what waits for it need not wait longer.
    pub(in crate::engine) fn reached(&self, model: &str) {
        if !self.may_have_work() {
            return;
        }
        let mut state = self.lock();
        // Told once for each row of failures, not for each answer.
        if state.resting.remove(model).is_some() {
            state.news.push(News::Answered(model.to_owned()));
            drop(state);
            self.wake.notify_one();
        }
    }

    /// The user wants it now.
    pub(super) fn hurry(&self, model: &str) {
        self.lock().resting.remove(model);
        self.has_work();
    }

    /// The network has changed: whatever waits is tried, as soon as the providers let it.
    pub(in crate::engine) fn network_changed(&self) {
        let mut state = self.lock();
        state.resting.clear();
        if !state.news.contains(&News::Network) {
            state.news.push(News::Network);
        }
        drop(state);
        self.has_work();
    }

    /// A message came into the outbox or left it: with the next round who watches the engine is told why (`queued`,
    /// `sent`, `parked`, `discarded`, `expired`), and how many wait.
    pub(in crate::engine) fn moved(&self, owner: &Arc<str>, turn: TurnId, reason: &'static str) {
        let mut state = self.lock();
        if state.untold.len() < MAX_UNTOLD {
            state.untold.push((Change { owner: owner.clone(), turn }, reason));
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Tells those who watch.
    pub(in crate::engine) fn changed(&self, owner: &Arc<str>, turn: TurnId) {
        // Nobody may be watching.
        let _ = self.changes.send(Change { owner: owner.clone(), turn });
    }
}

/// Starts the task that drains the outbox, puts to rest what dead processes leave and sweeps away what has expired. It ends when the engine closes or
/// is dropped.
pub(in crate::engine) fn start(engine: &Arc<Inner>) {
    let work = run(Arc::downgrade(engine), engine.outbox.clone(), engine.clock.clone());
    engine.tasks.spawn("outbox", None, work.map(Ok));
}

/// When what dead processes left was looked for last.
struct Looked {
    at: Timestamp,
    monotonic: Duration,
}

impl Looked {
    /// True when it is time to look, and leases tell who is dead.
    fn is_over(&mut self, at: Timestamp, monotonic: Duration) -> bool {
        if self.wait(monotonic) > Duration::ZERO {
            return false;
        }
        let passed = at.as_millis().saturating_sub(self.at.as_millis());
        *self = Self { at, monotonic };
        (0..=LEASE_MS + LATE).contains(&passed)
    }

    /// How long it is until the next look.
    fn wait(&self, monotonic: Duration) -> Duration {
        (self.monotonic + LEASE).saturating_sub(monotonic)
    }
}

async fn run(engine: Weak<Inner>, drain: Arc<Drain>, clock: Arc<dyn crate::base::Clock>) {
    let mut before = (clock.now(), clock.monotonic());
    let mut looked = Looked { at: before.0, monotonic: before.1 };
    let (mut is_woken, mut tried) = (true, before.1);
    loop {
        // Held for a round alone, so that an engine that nobody holds any more goes.
        let Some(engine) = engine.upgrade() else { return };
        let now = (clock.now(), clock.monotonic());
        let passed = i64::try_from(now.1.saturating_sub(before.1).as_millis()).unwrap_or(i64::MAX);
        let went_back = now.0.as_millis() < before.0.as_millis().saturating_add(passed).saturating_sub(1_000);
        before = now;
        let is_time = looked.is_over(now.0, now.1);
        let saves_power = engine.saves_power.load(Ordering::Relaxed);
        if is_time && !saves_power && engine.current().settings.store.search {
            let (store, closing) = (engine.watched_store.clone(), engine.tasks.closing_token().clone());
            engine.tasks.spawn("search", None, async move { store.index_while_quiet(closing).await });
        }
        let work = async {
            if went_back || is_time {
                settle_recovered(&engine, engine.store.recover(now.0).await?).await;
                expiry::sweep(&engine).await?;
            }
            let rests = saves_power && !is_woken && now.1.saturating_sub(tried) < LOW_POWER;
            if rests || !engine.current().settings.outbox.enabled {
                return Ok(LEASE);
            }
            tried = now.1;
            round(&engine).await
        };
        let wait = work.await.unwrap_or_else(|error| {
            tracing::warn!(
                target: "tertulia::outbox", operation = "drain", error_kind = error.kind().as_str(),
                reason = error.reason(), "the outbox could not be read; it is tried again",
            );
            drain.longest()
        });
        let wait = wait.min(looked.wait(clock.monotonic()));
        drop(engine);
        tokio::select! {
            biased;
            () = drain.closing.cancelled() => return,
            () = drain.wake.notified() => is_woken = true,
            () = clock.sleep(wait) => is_woken = false,
        }
    }
}

/// Takes up what is due, and tells what came and went. Gives how long it is until the next round, at most.
async fn round(engine: &Arc<Inner>) -> Result<Duration> {
    let (news, untold) = {
        let mut state = engine.outbox.lock();
        (take(&mut state.news), take(&mut state.untold))
    };
    let wait = take_up(engine, news.clone(), &untold).await;
    if wait.is_err() {
        // What the store could not be asked for is asked for again.
        let mut state = engine.outbox.lock();
        for news in news {
            if !state.news.contains(&news) {
                state.news.push(news);
            }
        }
        let since = std::mem::replace(&mut state.untold, untold);
        state.untold.extend(since);
        state.untold.truncate(MAX_UNTOLD);
    }
    wait
}

async fn take_up(engine: &Arc<Inner>, news: Vec<News>, untold: &[(Change, &'static str)]) -> Result<Duration> {
    let drain = &engine.outbox;
    let now = engine.clock.now();
    let (except, rest_over, told) = {
        let monotonic = engine.clock.monotonic();
        let state = drain.lock();
        let except: Vec<_> =
            state.resting.iter().filter(|(_, rest)| rest.until > monotonic).map(|(model, _)| model.clone()).collect();
        let over =
            state.resting.values().filter(|rest| rest.until > monotonic).map(|rest| rest.until - monotonic).min();
        (except, over, state.told)
    };
    let mut wait = drain.longest().min(rest_over.unwrap_or(Duration::MAX));
    let news = news.into_iter().map(|news| match news {
        News::Answered(model) => Due::Eager { model: Some(model) },
        News::Network => Due::Eager { model: None },
    });
    let is_resting = !except.is_empty();
    for due in news.chain([Due::Timed { except }]) {
        let is_eager = matches!(due, Due::Eager { .. });
        let is_network = due == Due::Eager { model: None };
        let rows = engine.store.queue_due(now, due.clone(), PAGE).await?;
        if !is_eager {
            let waits = !rows.items.is_empty() || rows.next.is_some() || is_resting;
            {
                let mut state = drain.lock();
                // What was put in meanwhile may not have been read.
                state.works = waits || state.told != told;
            }
            if let Some(next) = rows.next {
                let millis = u64::try_from(next.as_millis().saturating_sub(now.as_millis())).unwrap_or(0);
                wait = wait.min(Duration::from_millis(millis.max(1)));
            }
            tell(engine, rows.waiting, untold);
        }
        for record in rows.items {
            let conversation = record.conversation_id;
            {
                let mut state = drain.lock();
                if state.busy.len() >= MAX_CONVERSATIONS {
                    // Good news are kept until somebody is free to act on them; each who ends begins a round.
                    match due {
                        Due::Eager { model: Some(ref model) } => state.news.push(News::Answered(model.clone())),
                        Due::Eager { model: None } => state.news.push(News::Network),
                        _ => {}
                    }
                    break;
                }
                if !state.busy.insert(conversation) {
                    continue;
                }
            }
            let busy = Busy { engine: engine.clone(), conversation, goes_on: true };
            engine.tasks.spawn("outbox", Some(record.owner.as_str().into()), async move {
                let mut busy = busy;
                let engine = busy.engine.clone();
                if is_network {
                    // All of the world's devices come back at once.
                    let first = Duration::from_millis(engine.current().settings.outbox.first_delay_ms);
                    let pause = engine.clock.sleep(first.min(SPREAD).mul_f64(engine.outbox.random.unit()));
                    tokio::select! {
                        biased;
                        () = engine.outbox.closing.cancelled() => return Ok(()),
                        () = pause => {}
                    }
                }
                if let Err(error) = conversation_of(&engine, &record, is_eager).await {
                    tracing::warn!(
                        target: "tertulia::outbox", operation = "drain", owner = record.owner, conversation = %conversation,
                        turn = %record.id(), model = record.model, error_kind = error.kind().as_str(),
                        reason = error.reason(), "a message of the outbox could not be taken up; it is tried again",
                    );
                    busy.goes_on = false;
                }
                Ok(())
            });
        }
    }
    Ok(wait)
}

/// Tells who watches the engine what came and went, and how many wait now.
fn tell(engine: &Inner, pending: i64, untold: &[(Change, &'static str)]) {
    engine.watch.note_outbox(pending);
    for (Change { owner, turn }, reason) in untold {
        let about = About { owner: Some(owner), turn: Some(*turn), ..About::default() };
        engine.watch.tell(about, EngineEventKind::OutboxChanged { pending, reason: (*reason).to_owned() });
    }
}

/// A conversation that is being drained. When that has ended the next round follows, unless the store does not play
/// along: then it follows in its time.
struct Busy {
    engine: Arc<Inner>,
    conversation: ConversationId,
    goes_on: bool,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.engine.outbox.lock().busy.remove(&self.conversation);
        if self.goes_on {
            self.engine.outbox.wake.notify_one();
        }
    }
}

/// Sends what waits in one conversation, first in first, as far as it goes.
async fn conversation_of(engine: &Arc<Inner>, record: &TurnRecord, eager: bool) -> Result<()> {
    let user = UserScope::new(engine.clone(), record.owner.as_str().into());
    let chat = Conversation::new(user, record.conversation_id, None);
    let drain = &engine.outbox;
    // Before it takes a place, so that nobody waits for it who is under no suspicion.
    let mut alone = None;
    if is_suspect(record) {
        alone = tokio::select! {
            biased;
            () = drain.closing.cancelled() => return Ok(()),
            leave = drain.suspects.acquire() => leave.ok(),
        };
    }
    let (_in_turn, _leave) = tokio::select! {
        biased;
        () = drain.closing.cancelled() => return Ok(()),
        places = places(engine, &chat) => match places {
            Ok(places) => places,
            // The conversation is gone, and what waited in it.
            Err(_) => return Ok(()),
        },
    };
    while !drain.closing.is_cancelled() {
        let Some(first) = first(&chat).await? else { return Ok(()) };
        let waits = first.turn.state == TurnState::Waiting;
        if !waits || !is_due(&first, engine.clock.now(), eager) || (!eager && drain.rests(&first.model, engine)) {
            return Ok(());
        }
        if is_suspect(&first) && alone.is_none() {
            match drain.suspects.try_acquire() {
                Ok(leave) => alone = Some(leave),
                // The next round waits for it.
                Err(_) => return Ok(()),
            }
        }
        match send(&chat, first).await? {
            Sent::Gone => {}
            Sent::Waits => return Ok(()),
        }
    }
    Ok(())
}

/// The place in the conversation and the leave to send. Nobody holds the one while he waits for the other: whoever speaks
/// in the conversation would wait with him.
async fn places<'a>(engine: &'a Inner, chat: &Conversation) -> Result<(InTurn, SemaphorePermit<'a>)> {
    let gone = |_| Error::internal("the outbox gives no leave any more");
    loop {
        let in_turn = engine.queue(chat.id()).enter().await.await?;
        if let Ok(leave) = engine.outbox.sends.try_acquire() {
            return Ok((in_turn, leave));
        }
        drop(in_turn);
        let leave = engine.outbox.sends.acquire().await.map_err(gone)?;
        if let Some(in_turn) = engine.queue(chat.id()).enter().await.now_or_never() {
            return Ok((in_turn?, leave));
        }
    }
}

/// The first turn of a conversation's queue that is not parked.
pub(super) async fn first(chat: &Conversation) -> Result<Option<TurnRecord>> {
    let query = QueueQuery { conversation: Some(chat.id()), moving: true, limit: 1 };
    let mut rows = chat.user.engine.store.queue(&chat.user.owner, query).await?;
    Ok(rows.pop().map(|row| row.record))
}

/// True when a waiting turn may be sent now.
pub(super) fn is_due(record: &TurnRecord, now: Timestamp, eager: bool) -> bool {
    let Some(entry) = &record.queued else { return false };
    let moment = if eager { entry.floor } else { entry.not_before };
    let expired = entry.expires_at.is_some_and(|expiry| expiry <= now);
    expired || moment.is_none_or(|moment| moment <= now)
}

/// Tells what was put to rest for a dead process, and lets what of it is in the queue wait a little: what ends every
/// process shall not end the next one at once.
pub(in crate::engine) async fn settle_recovered(engine: &Inner, recovered: Vec<TurnRecord>) {
    use crate::store::{Durability, Op, Precondition, QueueEntry, WriteBatch};
    for record in recovered {
        engine.watch.tell_turn(&record, record.turn.state);
        let Some(entry) = record.queued.clone().filter(|_| record.turn.state == TurnState::Waiting) else { continue };
        let now = engine.clock.now();
        let not_before = Drain::after(now, engine.outbox.pause_after_crash(entry.crashes));
        let batch = WriteBatch::new(&*record.owner, now)
            .require(Precondition::Epoch { turn: record.id(), expected: record.epoch })
            .op(Op::Enqueue(QueueEntry { not_before: Some(not_before), ..entry }));
        let put_off: Result<_, Error> = engine.store.apply(batch, Durability::ProcessSafe).await;
        // Another process may have it by now; and unwritten it is due at once, which loses nothing.
        drop(put_off);
        engine.outbox.has_work();
    }
}
