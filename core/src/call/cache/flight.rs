//! A reply on its way that several callers read. Nobody owns it: whoever wants the next event and has seen all others
//! asks the provider's stream for it and leaves it for the rest. So a slow reader stalls nobody, and one that goes away
//! takes nothing along: the call lives until its last reader is gone.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio_util::sync::CancellationToken;

use super::super::context::{CallContext, ProgressSink};
use super::super::crowd::Crowd;
use super::super::target::{Call, ReplyEvents};
use super::Shelf;
use super::kept::weight_of;
use crate::model::{Error, Part, Progress, ReplyDraft, Result, StreamEvent, StreamEventKind};
use crate::policy::Fingerprint;

/// One call of a model, and what came of it so far.
pub(super) struct Flight {
    /// What is asked.
    pub(super) key: Fingerprint,
    /// What is asked, and on what terms: whoever asks the same on the same terms may read along.
    pub(super) terms: Fingerprint,
    /// Its number among all flights.
    pub(super) asked: u64,
    pub(super) shelf: Arc<Shelf>,
    /// The call as its first reader made it.
    call: Call,
    /// Stops the call: when its last reader wants that.
    cancel: CancellationToken,
    listeners: Arc<Listeners>,
    /// What its readers want of the call.
    crowd: Arc<Crowd>,
    state: Mutex<State>,
}

struct State {
    /// The provider's stream; nothing once it is over.
    source: Option<ReplyEvents>,
    phase: Phase,
    /// What came so far, without what is not needed any more.
    events: VecDeque<StreamEvent>,
    /// How many events are gone from the front.
    gone: usize,
    /// What the events here take in memory.
    bytes: u64,
    /// Set when there is no room to keep the whole: then nobody joins, and what all have read is let go.
    sealed: bool,
    /// The number of the next event of each reader.
    readers: HashMap<u64, usize>,
    next_reader: u64,
    /// Whose reply says what it took; nothing once that is said.
    payer: Option<u64>,
}

impl State {
    /// A reader is given this event.
    fn said(&mut self, event: &StreamEvent, pays: bool) {
        if pays && matches!(event.kind, StreamEventKind::Done { .. }) {
            self.payer = None;
        }
    }
}

enum Phase {
    Open,
    /// Its last reader wants it to stop: nobody joins any more.
    Stopping,
    Whole,
    Failed(Error),
}

/// What a reader is given.
pub(super) struct Given {
    pub(super) event: Result<StreamEvent>,
    /// True when this reader is the one whose reply says what it took.
    pub(super) pays: bool,
}

impl Flight {
    /// A call that `ask` makes once somebody reads. What happens before its first content is heard by all readers.
    pub(super) fn new(
        shelf: Arc<Shelf>,
        (key, terms): (Fingerprint, Fingerprint),
        asked: u64,
        call: Call,
        ask: impl FnOnce(Call) -> ReplyEvents,
    ) -> Self {
        let (cancel, listeners) = (CancellationToken::new(), Arc::<Listeners>::default());
        let all = listeners.clone();
        let progress: ProgressSink = Arc::new(move |progress| all.report(&progress));
        let mut shared = call.clone();
        shared.context.cancel = cancel.clone();
        shared.context.progress = Some(progress);
        let crowd = Arc::new(Crowd::of(&call.context));
        shared.context.crowd = Some(crowd.clone());
        let source = ask(shared);
        let state = State {
            source: Some(source),
            phase: Phase::Open,
            events: VecDeque::new(),
            gone: 0,
            bytes: 0,
            sealed: false,
            readers: HashMap::new(),
            next_reader: 0,
            payer: Some(0),
        };
        Self { key, terms, asked, shelf, call, cancel, listeners, crowd, state: Mutex::new(state) }
    }

    /// Takes in a reader, which is given everything from the first event on; nothing when it is too late for one.
    pub(super) fn join(&self, context: &CallContext) -> Option<u64> {
        let mut state = self.lock();
        if state.sealed || matches!(state.phase, Phase::Stopping | Phase::Failed(_)) {
            return None;
        }
        let id = state.next_reader;
        state.next_reader += 1;
        state.readers.insert(id, 0);
        self.listeners.add(id, context.progress.clone());
        drop(state);
        self.crowd.join(context);
        Some(id)
    }

    /// The next event of this reader.
    pub(super) fn poll(&self, id: u64, cx: &Context<'_>) -> Poll<Option<Given>> {
        // Before anything is looked at, so that no change is missed.
        self.listeners.listen(id, cx.waker());
        let mut state = self.lock();
        let pays = state.payer == Some(id);
        let Some(at) = state.readers.get(&id).copied() else { return Poll::Ready(None) };
        if let Some(event) = at.checked_sub(state.gone).and_then(|at| state.events.get(at)).cloned() {
            state.readers.insert(id, at + 1);
            state.said(&event, pays);
            if state.sealed {
                self.let_go(&mut state);
                drop(state);
                self.listeners.wake_others(id);
            }
            return Poll::Ready(Some(Given { event: Ok(event), pays }));
        }
        match &state.phase {
            Phase::Whole => return Poll::Ready(None),
            Phase::Failed(error) => {
                let event = Err(error.clone());
                state.readers.remove(&id);
                state.payer = state.payer.filter(|_| !pays);
                return Poll::Ready(Some(Given { event, pays }));
            }
            Phase::Open | Phase::Stopping => {}
        }
        // Who is ahead waits for the others only when there is no room for what they have not read.
        if state.sealed && !state.events.is_empty() && self.is_full() {
            return Poll::Pending;
        }
        // Put back when it has answered: a stream that panics is not asked again.
        let came = match state.source.take() {
            None => Err(Error::internal("a call that others waited for panicked")),
            Some(mut source) => {
                let waker = Waker::from(self.listeners.clone());
                match source.as_mut().poll_next(&mut Context::from_waker(&waker)) {
                    Poll::Pending => {
                        state.source = Some(source);
                        return Poll::Pending;
                    }
                    Poll::Ready(Some(came)) => {
                        state.source = Some(source);
                        came
                    }
                    Poll::Ready(None) => Err(Error::internal("a call ended without a reply")),
                }
            }
        };
        self.take_in(state, id, came.clone());
        Poll::Ready(Some(Given { event: came, pays }))
    }

    /// Notes what came, and tells the others.
    fn take_in(&self, mut state: MutexGuard<'_, State>, id: u64, came: Result<StreamEvent>) {
        let (mut over, mut whole) = (None, None);
        let pays = state.payer == Some(id);
        match came {
            Ok(event) => {
                if let StreamEventKind::Done { reply } = &event.kind {
                    state.phase = Phase::Whole;
                    over = state.source.take();
                    whole = Some(reply.clone());
                }
                let weight = weight_of(&event);
                state.bytes += weight;
                self.shelf.under_way.fetch_add(weight, Ordering::Relaxed);
                state.said(&event, pays);
                state.events.push_back(event);
                if let Some(at) = state.readers.get_mut(&id) {
                    *at += 1;
                }
                state.sealed |= self.is_full();
                if state.sealed {
                    self.let_go(&mut state);
                }
            }
            Err(error) => {
                over = state.source.take();
                state.readers.remove(&id);
                state.payer = state.payer.filter(|_| !pays);
                state.phase = Phase::Failed(error);
            }
        }
        let is_over = matches!(state.phase, Phase::Whole | Phase::Failed(_));
        let keepable = !state.sealed && self.is_answered_as_asked();
        drop(state);
        // Ends what the call holds, which may wake somebody.
        drop(over);
        if is_over {
            self.shelf.landed(self, whole.as_deref().filter(|_| keepable));
        }
        self.listeners.wake_others(id);
    }

    /// False when another model answered than was asked: its reply is no reply to this question.
    fn is_answered_as_asked(&self) -> bool {
        let asked = self.call.target.model.to_string();
        self.call.context.attempts().last().is_none_or(|attempt| attempt.model == asked)
    }

    fn is_full(&self) -> bool {
        self.shelf.under_way.load(Ordering::Relaxed) > self.shelf.settings.max_bytes
    }

    /// Lets go what every reader has read.
    fn let_go(&self, state: &mut State) {
        let read = state.readers.values().copied().min().unwrap_or(usize::MAX);
        while state.gone < read
            && let Some(event) = state.events.pop_front()
        {
            let weight = weight_of(&event);
            state.gone += 1;
            state.bytes -= weight;
            self.shelf.under_way.fetch_sub(weight, Ordering::Relaxed);
        }
    }

    /// This reader wants the call to stop. True when it is the last one: then the call is told, and says itself how it
    /// ended; else the reader must go and leave the call to the others.
    pub(super) fn stop(&self, id: u64) -> bool {
        let mut state = self.lock();
        let last = state.readers.len() == 1 && state.readers.contains_key(&id);
        if last {
            if matches!(state.phase, Phase::Open) {
                state.phase = Phase::Stopping;
            }
            drop(state);
            self.cancel.cancel();
        }
        last
    }

    /// What this reader has been given so far, as parts; as far as it is still there.
    pub(super) fn given(&self, id: u64) -> Vec<Part> {
        let state = self.lock();
        let read = state.readers.get(&id).map_or(0, |at| at.saturating_sub(state.gone));
        let mut draft = ReplyDraft::new();
        state.events.iter().take(read).for_each(|event| draft.push(event));
        draft.into_parts()
    }

    /// A reader goes. The last one takes the call along.
    pub(super) fn leave(&self, id: u64) {
        self.listeners.remove(id);
        let mut state = self.lock();
        state.readers.remove(&id);
        if state.payer == Some(id) {
            state.payer = state.readers.keys().copied().min();
        }
        if state.sealed {
            self.let_go(&mut state);
        }
        let mut over = None;
        if state.readers.is_empty() && matches!(state.phase, Phase::Open | Phase::Stopping) {
            over = state.source.take();
            state.phase = Phase::Failed(Error::internal("nobody waits for this call any more"));
        }
        drop(state);
        if over.is_some() {
            drop(over);
            self.shelf.landed(self, None);
        } else {
            // Somebody may have waited for what this one had not read.
            self.listeners.wake_others(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let bytes = self.lock().bytes;
        self.shelf.under_way.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Who waits for the next event, and who hears what happens before the first.
#[derive(Default)]
struct Listeners(Mutex<HashMap<u64, Listener>>);

#[derive(Default)]
struct Listener {
    waker: Option<Waker>,
    sink: Option<ProgressSink>,
}

impl Listeners {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Listener>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, id: u64, sink: Option<ProgressSink>) {
        self.lock().insert(id, Listener { waker: None, sink });
    }

    fn remove(&self, id: u64) {
        self.lock().remove(&id);
    }

    fn listen(&self, id: u64, waker: &Waker) {
        if let Some(listener) = self.lock().get_mut(&id) {
            match &mut listener.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
    }

    fn wake_others(&self, id: u64) {
        let mut all = self.lock();
        let others = all.iter_mut().filter(|(other, _)| **other != id);
        let wakers: Vec<Waker> = others.filter_map(|(_, listener)| listener.waker.take()).collect();
        drop(all);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn report(&self, progress: &Progress) {
        let sinks: Vec<ProgressSink> = self.lock().values().filter_map(|listener| listener.sink.clone()).collect();
        sinks.into_iter().for_each(|sink| sink(progress.clone()));
    }
}

impl Wake for Listeners {
    /// The provider's stream has something: whoever comes first takes it in.
    fn wake(self: Arc<Self>) {
        self.wake_others(u64::MAX);
    }
}
