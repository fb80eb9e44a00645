//! The queue of one target and those who wait in it. Nobody runs it: whoever comes, goes or wakes lets go whoever may
//! go next, and the one at the head watches the clock for all.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::OptionFuture;
use tokio::sync::Notify;

use super::super::super::context::CallContext;
use super::super::super::target::{Call, CallTarget};
use super::super::breaker::{self, BreakerLayer, LONG, millis};
use super::leave::Leave;
use super::{FULL, TOO_LATE};
use crate::base::{Clock, ErrorKind, Retry};
use crate::model::{ChatRequest, Error, MediaSource, Part, Progress, Result, RetryAfterSource};
use crate::policy::{
    Admission, AdmissionQueue, Ask, Lease, Limits, Measure, Permit, Place, QueueSettings, Refusal, Ticket,
    tokens_of_request,
};

/// Who waits hears of its place at most this often.
const BEAT: Duration = Duration::from_secs(1);

/// One target's queue.
pub(super) struct Lane {
    /// The model, as `provider/model`.
    pub(super) model: Arc<str>,
    state: Mutex<State>,
    layer: Arc<BreakerLayer>,
    breaker: Option<Arc<breaker::Shared>>,
    pub(super) clock: Arc<dyn Clock>,
    /// When it was last used: a number that grows.
    pub(super) used: AtomicU64,
}

pub(super) struct State {
    pub(super) queue: AdmissionQueue,
    seats: HashMap<Ticket, Seat>,
    /// Who watches the clock.
    watch: Option<Ticket>,
}

/// Somebody who waits.
struct Seat {
    bell: Arc<Notify>,
    called: Option<Called>,
}

enum Called {
    Go(Lease, Option<Permit>),
    PushedOut,
}

/// What somebody who waits finds when it looks.
enum Look {
    Called(Called),
    /// The breaker is open, for so long if that is known; its pause otherwise.
    Blocked {
        wait: Option<Duration>,
        pause: Duration,
        next: Option<Duration>,
    },
    Queued {
        place: Place,
        held_for: Duration,
        next: Option<Duration>,
    },
}

impl State {
    /// Wakes who watches the clock: there is a wait that it does not know.
    pub(super) fn ring_watch(&self) {
        if let Some(seat) = self.watch.and_then(|watch| self.seats.get(&watch)) {
            seat.bell.notify_one();
        }
    }

    /// Wakes all, because something has changed that concerns each of them.
    pub(super) fn ring_all(&self) {
        self.seats.values().for_each(|seat| seat.bell.notify_one());
    }
}

impl Lane {
    pub(super) fn new(
        model: Arc<str>,
        limits: Limits,
        settings: QueueSettings,
        layer: Arc<BreakerLayer>,
        breaker: Option<Arc<breaker::Shared>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let queue = AdmissionQueue::new(limits, settings, clock.monotonic());
        let state = Mutex::new(State { queue, seats: HashMap::new(), watch: None });
        Self { model, state, layer, breaker, clock, used: AtomicU64::new(0) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_fresh(&self) -> bool {
        let now = self.clock.monotonic();
        self.lock().queue.is_fresh(now)
    }

    /// Waits until the call may be sent.
    pub(super) async fn enter(self: &Arc<Self>, call: &Call) -> Result<Leave> {
        let now = self.clock.monotonic();
        let mut ask = ask_of(&call.context, now);
        if self.counts_tokens() {
            ask.input_tokens = tokens_of_request(&call.request);
            ask.max_output_tokens = call.request.sampling.max_tokens.and_then(|tokens| u64::try_from(tokens).ok());
        }
        if let Some((lease, permit)) = self.go_at_once(&ask, now) {
            return Ok(self.leave(call, lease, permit));
        }
        if let Some((wait, pause)) = self.blocked(now) {
            self.layer.check(call, wait, pause, now)?;
        }
        if call.context.share.is_some_and(|share| !share.queues) {
            return Err(too_late(&call.target, Duration::ZERO, RetryAfterSource::Bucket));
        }
        ask.bytes = weight(&call.request);
        let (ticket, bell) = self.sit(call, ask, now)?;
        // Apart, so that calls which need not wait carry nothing of it with them.
        Box::pin(Seated::new(self, ticket, call, now).wait(&bell)).await
    }

    fn counts_tokens(&self) -> bool {
        self.lock().queue.counts_tokens()
    }

    /// Lets a call go that has nobody before it.
    fn go_at_once(&self, ask: &Ask, now: Duration) -> Option<(Lease, Option<Permit>)> {
        let mut state = self.lock();
        if !state.queue.is_free(ask, now) {
            return None;
        }
        let permit = self.admit(now).ok()?;
        Some((state.queue.take(ask, now), permit))
    }

    /// Gives a call a place.
    fn sit(&self, call: &Call, ask: Ask, now: Duration) -> Result<(Ticket, Arc<Notify>)> {
        let bell = Arc::new(Notify::new());
        let mut state = self.lock();
        self.check(call, state.queue.held_for(now), now)?;
        let joined = state.queue.join(ask, now);
        let (ticket, pushed_out) = joined.map_err(|refusal| refused(&call.target, refusal))?;
        if let Some(seat) = pushed_out.and_then(|ticket| state.seats.get_mut(&ticket)) {
            seat.called = Some(Called::PushedOut);
            seat.bell.notify_one();
        }
        state.seats.insert(ticket, Seat { bell: bell.clone(), called: None });
        self.pump(&mut state, now);
        Ok((ticket, bell))
    }

    /// The server may want nothing of us for longer than the call may wait.
    fn check(&self, call: &Call, held_for: Duration, now: Duration) -> Result<()> {
        let too_long = |context: &CallContext| {
            context.has_others() || held_for >= context.patience(now) || held_for > self.layer.max_wait()
        };
        if !held_for.is_zero() && too_long(&call.context) {
            return Err(too_late(&call.target, held_for, RetryAfterSource::Server));
        }
        Ok(())
    }

    fn leave(self: &Arc<Self>, call: &Call, lease: Lease, permit: Option<Permit>) -> Leave {
        let shared = self.breaker.clone().zip(permit);
        let guard = shared.map(|(shared, permit)| self.layer.guard(shared, permit, call));
        Leave::new(self.clone(), lease, guard, call.context.witness.clone())
    }

    /// Asks the breaker for leave.
    fn admit(&self, now: Duration) -> Result<Option<Permit>, Option<Duration>> {
        let Some(breaker) = &self.breaker else { return Ok(None) };
        match breaker.lock().admit(now) {
            Admission::Pass(permit) => Ok(Some(permit)),
            Admission::Wait(wait) => Err(wait),
        }
    }

    /// How long the breaker is open, if it is and that is known, and for how long it would be anew.
    fn blocked(&self, now: Duration) -> Option<(Option<Duration>, Duration)> {
        let breaker = self.breaker.as_ref()?.lock();
        breaker.blocks(now).map(|wait| (wait, breaker.pause()))
    }

    /// Lets go whoever may go. Gives how long until the next may, if that is known.
    pub(super) fn pump(&self, state: &mut State, now: Duration) -> Option<Duration> {
        let next = loop {
            let ticket = match state.queue.next(now) {
                Ok(ticket) => ticket,
                Err(wait) => break wait,
            };
            let permit = match self.admit(now) {
                Ok(permit) => permit,
                Err(wait) => break wait,
            };
            let (lease, seat) = (state.queue.release(ticket, now), state.seats.get_mut(&ticket));
            if let (Some(lease), Some(seat)) = (lease, seat) {
                seat.called = Some(Called::Go(lease, permit));
                seat.bell.notify_one();
            }
        };
        let head = state.queue.head(now);
        if state.watch != head {
            state.watch = head;
            if let Some(seat) = head.and_then(|head| state.seats.get(&head)) {
                seat.bell.notify_one();
            }
        }
        next
    }

    /// What somebody who waits finds now. Of all who wait, one watches the clock; all look when the breaker has changed.
    fn look(&self, ticket: Ticket, is_news: bool, now: Duration) -> Look {
        let mut state = self.lock();
        let next = if is_news || state.watch == Some(ticket) { self.pump(&mut state, now) } else { None };
        if let Some(called) = state.seats.get_mut(&ticket).and_then(|seat| seat.called.take()) {
            return Look::Called(called);
        }
        let next = next.filter(|_| state.watch == Some(ticket));
        if let Some((wait, pause)) = self.blocked(now) {
            return Look::Blocked { wait, pause, next };
        }
        let nowhere = Place { position: 0, wait: Duration::ZERO };
        let place = state.queue.place(ticket, now).unwrap_or(nowhere);
        Look::Queued { place, held_for: state.queue.held_for(now), next }
    }
}

/// A place in the queue, given up when it is dropped.
struct Seated<'a> {
    lane: &'a Arc<Lane>,
    ticket: Ticket,
    call: &'a Call,
    since: Duration,
}

impl<'a> Seated<'a> {
    fn new(lane: &'a Arc<Lane>, ticket: Ticket, call: &'a Call, since: Duration) -> Self {
        let seated = Self { lane, ticket, call, since };
        seated.count(&Measure::QueueEntered);
        seated
    }

    fn count(&self, what: &Measure) {
        self.call.context.count(self.call.target.name(), what);
    }

    async fn wait(self, bell: &Notify) -> Result<Leave> {
        let (lane, Call { target, context, .. }) = (self.lane, self.call);
        let mut told: Option<(usize, Duration)> = None;
        let (mut is_news, mut is_told) = (true, false);
        loop {
            // Listens before it looks, so that no change is missed.
            let changed = lane.breaker.as_ref().map(|breaker| breaker.changed.notified());
            let hurried = context.crowd.as_ref().map(|crowd| crowd.hurried.notified());
            let now = lane.clock.monotonic();
            if hurried.is_some() {
                is_news |= lane.lock().queue.hurry(self.ticket, context.urgency());
            }
            let left = context.left(now);
            let pause = match lane.look(self.ticket, is_news, now) {
                Look::Called(Called::Go(lease, permit)) => return Ok(lane.leave(self.call, lease, permit)),
                Look::Called(Called::PushedOut) => return Err(full(target, Duration::ZERO)),
                Look::Blocked { wait, pause, next } => {
                    lane.layer.check(self.call, wait, pause, now)?;
                    if is_news || !is_told {
                        is_told = true;
                        context.report(breaker::waiting(wait));
                    }
                    next
                }
                Look::Queued { place, held_for, next } => {
                    lane.check(self.call, held_for, now)?;
                    if left.is_zero() {
                        return Err(too_late(target, place.wait, RetryAfterSource::Bucket));
                    }
                    let due =
                        told.is_none_or(|(position, at)| position != place.position && now.saturating_sub(at) >= BEAT);
                    if due {
                        told = Some((place.position, now));
                        let position = i32::try_from(place.position).unwrap_or(i32::MAX);
                        context.report(Progress::Queued { position, wait_ms: millis(place.wait) });
                    }
                    // Who is told of its place looks now and then whether it has changed.
                    let beat = context.progress.is_some().then_some(BEAT);
                    [next, beat].into_iter().flatten().min()
                }
            };
            is_news = false;
            let (changed, hurried) = (OptionFuture::from(changed), OptionFuture::from(hurried));
            tokio::select! {
                biased;
                () = context.cancel.cancelled() => {
                    return Err(Error::new(ErrorKind::Cancelled, "stopped", "the call was stopped"));
                }
                () = bell.notified() => {}
                Some(()) = changed => is_news = true,
                Some(()) = hurried => {}
                () = lane.clock.sleep(pause.unwrap_or(left).min(left).min(LONG)) => {}
            }
        }
    }
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        let now = self.lane.clock.monotonic();
        self.count(&Measure::QueueLeft(now.saturating_sub(self.since)));
        let mut state = self.lane.lock();
        let called = state.seats.remove(&self.ticket).and_then(|seat| seat.called);
        state.queue.leave(self.ticket);
        // Somebody else has to watch the clock now.
        if state.watch == Some(self.ticket) {
            self.lane.pump(&mut state, now);
        }
        drop(state);
        // It was let go at the very moment it went away: what it holds goes back unused.
        if let Some(Called::Go(lease, permit)) = called {
            self.lane.leave(self.call, lease, permit).unused();
        }
    }
}

fn ask_of(context: &CallContext, now: Duration) -> Ask {
    Ask {
        priority: context.urgency(),
        owner: context.owner.clone(),
        conversation: context.conversation,
        since: context.waits_since(now),
        deadline: context.begin_by(),
        ..Ask::default()
    }
}

/// About how much memory a request holds, in bytes.
fn weight(request: &ChatRequest) -> usize {
    let media = |source: &MediaSource| if let MediaSource::Data { data } = source { data.len() } else { 64 };
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let sum = parts.fold(request.system.as_ref().map_or(0, String::len), |sum: usize, part| {
        sum.saturating_add(match part {
            Part::Text { text, .. } | Part::Reasoning { text } | Part::Refusal { text } => text.len(),
            Part::Image { media: of } | Part::Audio { media: of } | Part::File { media: of } => media(&of.source),
            Part::ToolCall { call } => call.arguments.to_string().len(),
            Part::ToolResult { result } => result
                .media
                .iter()
                .map(|of| media(&of.source))
                .fold(result.output.to_string().len(), usize::saturating_add),
            Part::Opaque { data, .. } => data.to_string().len(),
        })
    });
    sum.saturating_add(256)
}

fn refused(target: &CallTarget, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Full(wait) => full(target, wait),
        Refusal::TooLate(wait) => too_late(target, wait, RetryAfterSource::Bucket),
    }
}

fn full(target: &CallTarget, wait: Duration) -> Error {
    let detail = "so many calls wait for this model that there is no room for another; nothing was sent. \
                  Come back later, or raise `queue.max_waiting` and `queue.max_waiting_bytes`";
    let after_ms = millis(wait.max(BEAT));
    Error::new(ErrorKind::Unavailable, FULL, detail)
        .with_target(&target.model.provider, &target.model.model)
        .with_retry(Retry::After { after_ms })
        .with_retry_after(after_ms, RetryAfterSource::Assumed)
        .unsent()
}

fn too_late(target: &CallTarget, wait: Duration, source: RetryAfterSource) -> Error {
    let detail = "the call would wait longer for its turn than it may take; nothing was sent. \
                  Give it a longer timeout, or come back after `retry_after`";
    let after_ms = millis(wait.max(Duration::from_millis(1)));
    Error::new(ErrorKind::RateLimited, TOO_LATE, detail)
        .with_target(&target.model.provider, &target.model.model)
        .with_retry(Retry::After { after_ms })
        .with_retry_after(after_ms, source)
        .unsent()
}
