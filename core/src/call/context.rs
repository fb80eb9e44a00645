//! What a call carries with it through every layer.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::accounts::{BillSlot, CostLimit, Plan};
use super::alternatives::Alternatives;
use super::catalog::ModelRef;
use super::credentials::{CallKey, KeyPrint};
use super::crowd::Crowd;
use super::meter::Meter;
use super::witness::Witness;
use crate::base::{Attempt, ConversationId, ErrorKind, TurnId};
use crate::model::{Cost, EngineEventKind, Priority, Progress, Quota, Usage};
use crate::policy::{CacheMode, Measure};

/// Where a call tells what happens before its first content.
pub type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;

/// What one target may take of a call that has others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// How many tries.
    pub attempts: u32,
    /// The moment of the clock by which its first content must be there.
    pub begin_by: Duration,
    /// True when another target is asked if this one cannot be asked now: it is not waited for.
    pub others: bool,
    /// False when it goes at once or not at all: it takes no place in a queue.
    pub queues: bool,
}

/// Where a call tells what its provider says of its limits.
pub type QuotaSink = Arc<dyn Fn(&Quota) + Send + Sync>;

/// What a call carries with it, as [`Carried`] names it: whose it is, how long it may take, who may stop it, who listens.
///
/// Every layer has a copy, so copies are cheap: they share what they carry until one of them is changed, which changes
/// no other. What happens to the call on its way is noted in all of them. What every try has of its own stands here.
#[derive(Clone)]
pub struct CallContext {
    carried: Arc<Carried>,
    /// What the target that is asked now may take of it; nothing = all.
    pub share: Option<Share>,
    /// Which key its try takes, where that is known.
    pub(super) key_print: Option<KeyPrint>,
    /// What is known of the try that runs.
    pub meter: Option<Meter>,
    /// Hears what the provider says of its limits.
    pub quota: Option<QuotaSink>,
}

impl Deref for CallContext {
    type Target = Carried;

    fn deref(&self) -> &Carried {
        &self.carried
    }
}

impl DerefMut for CallContext {
    /// The other copies keep what they have.
    fn deref_mut(&mut self) -> &mut Carried {
        Arc::make_mut(&mut self.carried)
    }
}

/// What a [`CallContext`] carries.
#[derive(Clone)]
pub struct Carried {
    /// What is being done, as `conversation.send`.
    pub operation: &'static str,
    /// Whom it is for.
    pub owner: Option<Arc<str>>,
    /// The conversation.
    pub conversation: Option<ConversationId>,
    /// The turn.
    pub turn: Option<TurnId>,
    /// The moment of the clock (`Clock::monotonic`) at which it is given up.
    pub deadline: Option<Duration>,
    /// The longest it waits inside of itself, for a breaker or before a further try; nothing = as the layers say.
    pub max_wait: Option<Duration>,
    /// Stops it.
    pub cancel: CancellationToken,
    /// Hears of retries, queues, heartbeats.
    pub progress: Option<ProgressSink>,
    /// Hears what happens to it, for figures and for who watches the engine.
    pub witness: Option<Arc<dyn Witness>>,
    /// A key for this call alone.
    pub key: Option<CallKey>,
    /// How urgent it is.
    pub priority: Priority,
    /// All who wait for it, where it is made for several.
    pub(super) crowd: Option<Arc<Crowd>>,
    /// What it does with the cache of replies; nothing = what the settings say.
    pub cache: Option<CacheMode>,
    /// Whether a second request may be raced against a slow one, where the settings allow that.
    pub hedges: bool,
    /// Whom else it may ask.
    pub alternatives: Option<Arc<Alternatives>>,
    /// The run that it belongs to.
    pub run: Option<Arc<str>>,
    /// What it may cost in all of its tries.
    pub cost_limit: Option<CostLimit>,
    /// What its user may do by the tier he belongs to.
    pub plan: Option<Plan>,
    /// Where it leaves what its whole reply has cost, for whoever stores that.
    pub bill: Option<BillSlot>,
    noted: Arc<Noted>,
}

/// What is noted of a call, in all copies.
#[derive(Default)]
struct Noted {
    so_far: Mutex<SoFar>,
    /// True while nobody has used what the store has just said: that no budget is set.
    no_budgets: AtomicBool,
}

/// What is known of a call while it is under way.
#[derive(Default)]
struct SoFar {
    attempts: Vec<Attempt>,
    /// Since when it waits to be sent, whatever came between.
    waits_since: Option<Duration>,
    /// Who answers, when it is not the call's own target.
    answering: Option<ModelRef>,
    /// What replies took that nobody waits for any more.
    lost: Vec<(Usage, Cost)>,
}

/// So many lost replies are remembered.
const MAX_LOST: usize = 64;

impl CallContext {
    /// A context for this operation: no deadline, nobody listens, nobody stops it.
    #[must_use]
    pub fn new(operation: &'static str) -> Self {
        let carried = Arc::new(Carried {
            operation,
            owner: None,
            conversation: None,
            turn: None,
            deadline: None,
            max_wait: None,
            cancel: CancellationToken::new(),
            progress: None,
            witness: None,
            key: None,
            priority: Priority::default(),
            crowd: None,
            cache: None,
            hedges: true,
            alternatives: None,
            run: None,
            cost_limit: None,
            plan: None,
            bill: None,
            noted: Arc::default(),
        });
        Self { carried, share: None, key_print: None, meter: None, quota: None }
    }

    /// Notes that the store has just been asked, and that no budget is set. Good for one try: a later one asks again.
    pub fn note_no_budgets(&self) {
        self.noted.no_budgets.store(true, Ordering::Relaxed);
    }

    /// True when the store has just said so, the first time that somebody asks.
    pub(super) fn has_no_budgets(&self) -> bool {
        self.noted.no_budgets.swap(false, Ordering::Relaxed)
    }

    /// Tells who listens.
    pub fn report(&self, progress: Progress) {
        if let Some(sink) = &self.progress {
            sink(progress);
        }
    }

    fn so_far(&self) -> MutexGuard<'_, SoFar> {
        self.noted.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells who watches the engine.
    pub fn tell(&self, what: EngineEventKind) {
        if let Some(witness) = &self.witness {
            witness.tell(self, what);
        }
    }

    /// Counts or measures something of a model.
    pub fn count(&self, model: &str, what: &Measure) {
        if let Some(witness) = &self.witness {
            witness.count(model, what);
        }
    }

    /// Tells what the provider says of its limits.
    pub fn learn(&self, quota: impl FnOnce() -> Quota) {
        if let Some(sink) = &self.quota {
            let quota = quota();
            if !quota.is_empty() {
                sink(&quota);
            }
        }
    }

    /// Since when it waits to be sent: from the first time that it was asked, so that a retry keeps its age.
    pub(super) fn waits_since(&self, now: Duration) -> Duration {
        *self.so_far().waits_since.get_or_insert(now)
    }

    /// Notes a try.
    pub fn note(&self, attempt: Attempt) {
        let attempts = &mut self.so_far().attempts;
        let is_retry = attempts.iter().any(|before| before.model == attempt.model);
        self.count(&attempt.model, &Measure::Attempt { failed: attempt.kind, is_retry });
        attempts.push(attempt);
    }

    /// Notes a try that ran beside the last one and was given up for it.
    pub(super) fn note_beside(&self, attempt: Attempt) {
        let attempts = &mut self.so_far().attempts;
        attempts.insert(attempts.len().saturating_sub(1), attempt);
    }

    /// Every try so far, of every target.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.so_far().attempts.clone()
    }

    /// Every try of a call that is over: nobody asks for them again.
    pub(crate) fn take_attempts(&self) -> Vec<Attempt> {
        std::mem::take(&mut self.so_far().attempts)
    }

    /// Counts or measures something of the model that was asked last, or of this one when none was.
    pub(crate) fn count_last(&self, model: &str, what: &Measure) {
        let so_far = self.so_far();
        self.count(so_far.attempts.last().map_or(model, |last| &last.model), what);
    }

    /// How many tries there were so far.
    #[must_use]
    pub fn attempt_count(&self) -> u32 {
        u32::try_from(self.so_far().attempts.len()).unwrap_or(u32::MAX)
    }

    /// Notes that the reply broke off which the last try had begun.
    pub(super) fn note_broken(&self) {
        if let Some(last) = self.so_far().attempts.last_mut() {
            last.kind = Some(ErrorKind::Truncated);
        }
    }

    /// Notes who answers.
    pub(super) fn note_answering(&self, model: &ModelRef) {
        self.so_far().answering = Some(model.clone());
    }

    /// Who answers, when it is another than the call's own target.
    #[must_use]
    pub fn answering(&self) -> Option<ModelRef> {
        self.so_far().answering.clone()
    }

    /// Notes what a request took, by estimate, whose answer nobody waits for any more.
    pub(super) fn note_lost(&self, usage: Usage, cost: Cost) {
        let lost = &mut self.so_far().lost;
        if lost.len() < MAX_LOST {
            lost.push((usage, cost));
        }
    }

    /// What requests took whose answers were given up, as far as nobody has asked for it yet.
    #[must_use]
    pub fn take_lost(&self) -> Vec<(Usage, Cost)> {
        std::mem::take(&mut self.so_far().lost)
    }

    /// The request of this try leaves now.
    pub(super) fn sent(&self) {
        if let Some(meter) = &self.meter {
            meter.sent();
        }
    }

    /// How long is left at this moment, until the first content of the target that is asked now; very long without a
    /// deadline.
    #[must_use]
    pub fn left(&self, now: Duration) -> Duration {
        self.begin_by().map_or(Duration::MAX, |until| until.saturating_sub(now))
    }

    /// The moment of the clock at which it is given up, by all who wait for it.
    pub(super) fn until(&self) -> Option<Duration> {
        self.crowd.as_ref().map_or(self.deadline, |crowd| crowd.deadline())
    }

    /// The moment of the clock by which the first content of the target that is asked now must be there.
    pub(super) fn begin_by(&self) -> Option<Duration> {
        [self.until(), self.share.map(|share| share.begin_by)].into_iter().flatten().min()
    }

    /// How urgent it is to the most urgent of those who wait for it, as far as the tier lets it be.
    pub(super) fn urgency(&self) -> Priority {
        let said = self.crowd.as_ref().map_or(self.priority, |crowd| crowd.priority());
        self.plan.as_ref().map_or(said, |plan| plan.urgency(said))
    }

    /// Which key its try at this provider takes, as far as that is known.
    pub(super) fn key_print(&self, provider: &str) -> Option<KeyPrint> {
        self.key_print.or_else(|| CallKey::print_for(self.key.as_ref(), provider))
    }

    /// True when another target is asked if the one that is asked now is left alone.
    #[must_use]
    pub fn has_others(&self) -> bool {
        self.share.is_some_and(|share| share.others)
    }

    /// How long it may wait inside of itself at this moment.
    #[must_use]
    pub fn patience(&self, now: Duration) -> Duration {
        self.left(now).min(self.max_wait.unwrap_or(Duration::MAX))
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext")
            .field("operation", &self.operation)
            .field("turn", &self.turn)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
