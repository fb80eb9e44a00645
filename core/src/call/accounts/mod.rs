//! The money of a call: held back before each try, settled after it, written down whatever happens.
//!
//! ```text
//! hold ── budgets that hold? ── no ─▶ nothing is written before the call
//!            └─ yes ─▶ worst case ─▶ Reserve in the store ─▶ the try ─▶ Settle (whole: what it cost; broken off: the most
//!                                                                     it can have cost), Release when nobody bills it
//! ```
//!
//! What a whole reply has cost, and nothing was reserved for, is written down with the reply where that is stored (`bill.rs`).
//! Other ends are written in tasks of their own, because a dropped stream cannot wait; the engine waits for them when it
//! closes. What a dead process had reserved is settled at its worst case by whoever opens the store next.

mod bill;
mod held;
mod limit;
mod plan;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::target::Call;
use crate::base::{Clock, ErrorKind, Ids, Timestamp};
use crate::model::{
    Budget, BudgetAlert, BudgetLimit, BudgetStatus, Cost, CostSource, Price, Result, Usage, UsageSource,
};
use crate::policy::{Bound, Room};
use crate::store::{Durability, LedgerEntry, NewReservation, Op, Spender, Store, WriteBatch};

pub use bill::{Bill, BillSlot};
pub use held::Held;
pub use limit::CostLimit;
pub use plan::Plan;

/// Starts a task that the engine waits for when it closes.
pub type Spawn = Arc<dyn Fn(&'static str, BoxFuture<'static, ()>) + Send + Sync>;

/// Hears of shares of budgets that are spent.
pub type AlertSink = Arc<dyn Fn(BudgetAlert) + Send + Sync>;

/// How long a reservation outlives its process.
const LEASE: Duration = Duration::from_secs(30);

/// So often a shorter answer is asked for when somebody else was faster with what was left.
const TRIES: usize = 4;

/// Pauses between the tries to write an end down.
const PAUSES_MS: [u64; 6] = [20, 100, 500, 1_000, 2_000, 5_000];

/// Where calls hold money back and settle it. Cheap to clone.
#[derive(Clone)]
pub struct Accounts(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Ids,
    /// Names this process in the store.
    holder: String,
    spawn: Spawn,
    alert: AlertSink,
    /// How many reservations are held here.
    held: Mutex<usize>,
    /// Told when the last of them is gone.
    idle: Notify,
    closing: CancellationToken,
}

impl Accounts {
    /// Accounts in this store. `holder` names the process, `spawn` starts tasks that are waited for, `alert` hears of
    /// budgets that run low. Once `closing` is told nothing is renewed any more: what is under way ends within its lease.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ids: Ids,
        holder: String,
        spawn: Spawn,
        alert: AlertSink,
        closing: CancellationToken,
    ) -> Self {
        let (held, idle) = (Mutex::default(), Notify::new());
        Self(Arc::new(Shared { store, clock, ids, holder, spawn, alert, held, idle, closing }))
    }

    /// Holds back what a try of this call can cost, and makes its answer as short as it must be for that. Without a
    /// budget that holds and a limit of its own nothing is written.
    ///
    /// # Errors
    /// `BudgetExceeded` (budget, max_cost, unknown_price): nothing may be sent. `Storage`.
    pub async fn hold(&self, call: &mut Call) -> Result<Held> {
        let at = self.0.clock.now();
        let standing = self.standing(call, at).await?;
        let mut held = Held::new(self.clone(), call, at);
        let (limit, plan) = (call.context.cost_limit.clone(), call.context.plan.clone());
        let plan = plan.filter(Plan::limits_minutes);
        if standing.is_empty() && limit.is_none() && plan.is_none() {
            return Ok(held);
        }
        let mut bound = bound_of(call);
        let mut bounds_length =
            standing.iter().any(|status| !matches!(status.budget.limit, BudgetLimit::Requests(_))) || limit.is_some();
        if let Some(plan) = plan {
            let tokens = plan.tokens_left(at);
            bounds_length |= tokens.is_some();
            bound = bound.within(Room { nano_usd: None, tokens }, None, at).unwrap_or(bound);
            let taken = plan.take(owner(call), bound.tokens(), at)?;
            held.take_minute(plan, taken);
        }
        if let Some(limit) = limit {
            bound = limit.take(bound, price(call), at).map(|(bound, nano_usd)| {
                held.take(limit, nano_usd);
                bound
            })?;
        }
        if !standing.is_empty() {
            bound = Box::pin(self.reserve(call, &mut held, bound, &standing)).await?;
        }
        if let Some(max_tokens) = bound.max_tokens
            && bounds_length
        {
            let mut request = (*call.request).clone();
            request.sampling.max_tokens = Some(max_tokens);
            // The messages are the same.
            request.written = call.request.written.share();
            call.request = Arc::new(request);
        }
        held.bind(bound);
        Ok(held)
    }

    /// The budgets that hold for this call, and where they stand.
    async fn standing(&self, call: &Call, at: Timestamp) -> Result<Vec<BudgetStatus>> {
        let (store, also) = (&self.0.store, also(call));
        if also.is_empty() && (call.context.has_no_budgets() || !store.has_budgets().await?) {
            return Ok(Vec::new());
        }
        let run = call.context.run.as_deref().map(str::to_owned);
        let (owner, conversation) = (owner(call).to_owned(), call.context.conversation);
        store.budget_status(Spender { owner, conversation, run, also }, at).await
    }

    /// Reserves the bound, or the longest answer that there is room for.
    async fn reserve(
        &self,
        call: &Call,
        held: &mut Held,
        mut bound: Bound,
        standing: &[BudgetStatus],
    ) -> Result<Bound> {
        let at = held.at();
        // With no room for any answer the store itself says which budget refuses.
        bound = bound.within(room(standing), price(call), at).unwrap_or(bound);
        let id = self.0.ids.reservation();
        // A write that nobody waits for any more is done all the same: whoever lets go here lets go of it, too.
        held.reserve(id);
        self.keep();
        let mut tries_left = TRIES;
        loop {
            let holder = self.0.holder.clone();
            let lease_until = later(at, LEASE);
            let op = Op::Reserve(NewReservation {
                id,
                worst: worst(call, &bound, at),
                holder,
                lease_until,
                also: also(call),
            });
            let refused = match self.apply(owner(call), op).await {
                Ok(()) => return Ok(bound),
                Err(error) => error,
            };
            tries_left -= 1;
            let status = refused.budget().map(std::slice::from_ref).unwrap_or_default();
            let shorter = bound.within(room(status), price(call), at);
            match shorter {
                Some(shorter) if shorter != bound && tries_left > 0 => bound = shorter,
                _ => {
                    if refused.kind() == ErrorKind::BudgetExceeded {
                        held.refused();
                        self.let_go();
                    }
                    let refused = match &call.context.plan {
                        Some(plan) => plan.explain(refused),
                        None => refused,
                    };
                    return Err(refused.with_target(&call.target.model.provider, &call.target.model.model));
                }
            }
        }
    }

    /// Writes one op of this owner, and tells whoever listens what the store has to say about budgets.
    fn apply(&self, owner: &str, op: Op) -> impl Future<Output = Result<()>> + use<'_> {
        let batch = WriteBatch { ops: vec![op], ..WriteBatch::new(owner, self.0.clock.now()) };
        // Handed over before anything waits: an op is large, and who waits for it carries it no longer.
        let written = self.0.store.apply(batch, Durability::ProcessSafe);
        async move {
            self.alert(written.await?.alerts);
            Ok(())
        }
    }

    fn alert(&self, alerts: Vec<BudgetAlert>) {
        alerts.into_iter().for_each(|alert| (self.0.alert)(alert));
    }

    /// Counts one more reservation. While there is any, a task keeps them alive.
    fn keep(&self) {
        let mut held = self.count();
        *held += 1;
        if *held == 1 {
            let accounts = self.clone();
            (self.0.spawn)("budget.renew", Box::pin(async move { accounts.renew().await }));
        }
    }

    fn let_go(&self) {
        let mut held = self.count();
        *held = held.saturating_sub(1);
        if *held == 0 {
            self.0.idle.notify_waiters();
        }
    }

    fn count(&self) -> MutexGuard<'_, usize> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews the reservations of this process until there are none.
    async fn renew(&self) {
        let Shared { clock, holder, idle, closing, .. } = &*self.0;
        loop {
            // Listens before it looks, so that the end is not missed.
            let mut ended = std::pin::pin!(idle.notified());
            ended.as_mut().enable();
            if *self.count() == 0 {
                return;
            }
            tokio::select! {
                biased;
                // Where others have begun meanwhile, they have a task of their own.
                () = ended => return,
                () = closing.cancelled() => return,
                () = clock.sleep(LEASE / 3) => {}
            }
            let op = Op::RenewReservations { holder: holder.clone(), until: later(clock.now(), LEASE) };
            if let Err(error) = self.apply("", op).await {
                tracing::warn!(
                    target: "tertulia::budget", operation = "renew", error_kind = error.kind().as_str(),
                    reason = error.reason(), "reservations could not be renewed; it is tried again",
                );
            }
        }
    }

    /// Writes an end down, in a task of its own, and tries again while the store struggles.
    fn write(&self, call: &Call, make: impl Fn(&Call) -> Op + Send + 'static, is_held: bool) {
        let (accounts, call) = (self.clone(), call.clone());
        let work = async move {
            let owner = owner(&call);
            let mut written = accounts.apply(owner, make(&call)).await;
            for pause_ms in PAUSES_MS {
                match &written {
                    Err(error) if error.kind() == ErrorKind::Storage => {
                        accounts.0.clock.sleep(Duration::from_millis(pause_ms)).await;
                        written = accounts.apply(owner, make(&call)).await;
                    }
                    _ => break,
                }
            }
            if let Err(error) = written {
                tracing::error!(
                    target: "tertulia::budget", operation = "settle", owner, model = &**call.target.name(), error_kind = error.kind().as_str(),
                    reason = error.reason(), "what a call cost could not be written down",
                );
            }
            if is_held {
                accounts.let_go();
            }
        };
        let mut work = Box::pin(work);
        // Begun here, so that it is handed to the store before whatever comes after the try: whoever has his reply, and the
        // turn behind it is written down, finds it written down as well.
        if work.as_mut().now_or_never().is_none() {
            (self.0.spawn)("budget.settle", work);
        }
    }
}

/// Whose money it is. Calls of the application itself have no owner.
fn owner(call: &Call) -> &str {
    call.context.owner.as_deref().unwrap_or_default()
}

/// The budgets of the user's tier.
fn also(call: &Call) -> Vec<Budget> {
    call.context.plan.as_ref().map(|plan| plan.budgets().to_vec()).unwrap_or_default()
}

fn price(call: &Call) -> Option<&Price> {
    call.target.info.as_ref().and_then(|info| info.price.as_ref())
}

/// The most that a try of this call takes.
fn bound_of(call: &Call) -> Bound {
    Bound::of(&call.request, &call.target.model.provider, call.target.info.as_ref())
}

/// What stands in the ledger for a try of which nothing but its bound is known.
fn worst(call: &Call, bound: &Bound, at: Timestamp) -> LedgerEntry {
    let usage = Usage {
        input_tokens: bound.input_tokens,
        output_tokens: bound.output_tokens,
        requests: 1,
        source: UsageSource::Estimated,
        ..Usage::default()
    };
    let cost = price(call).map_or_else(Cost::default, |price| Cost {
        nano_usd: Some(bound.nano_usd(price, at)),
        source: CostSource::Estimated,
        price_date: price.date.clone(),
    });
    entry(call, usage, cost)
}

fn entry(call: &Call, usage: Usage, cost: Cost) -> LedgerEntry {
    let run = call.context.run.as_deref().map(str::to_owned);
    LedgerEntry { model: call.target.name().to_string(), conversation: call.context.conversation, run, usage, cost }
}

/// What all of these leave.
fn room(standing: &[BudgetStatus]) -> Room {
    let mut room = Room::default();
    for status in standing {
        let left = match status.budget.limit {
            BudgetLimit::NanoUsd(_) => &mut room.nano_usd,
            BudgetLimit::Tokens(_) => &mut room.tokens,
            BudgetLimit::Requests(_) => continue,
        };
        *left = Some(left.map_or(status.remaining, |left| left.min(status.remaining)));
    }
    room
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}
