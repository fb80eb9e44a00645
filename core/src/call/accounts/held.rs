//! What is held back for one try, and what becomes of it.

use super::super::meter::Meter;
use super::super::target::Call;
use super::limit::CostLimit;
use super::plan::Plan;
use super::{Accounts, Bill, bound_of, entry, worst};
use crate::base::{ErrorKind, ReservationId, Timestamp};
use crate::model::{Cost, Error, Part, Reply, Result, StreamEvent, StreamEventKind, Usage, UsageSource};
use crate::policy::{Bound, Taken};
use crate::store::{LedgerEntry, Op};

/// What is held back for one try. Let go without a word, it is settled by what was heard of the try; when nothing was,
/// at the worst case.
pub struct Held {
    accounts: Accounts,
    call: Call,
    at: Timestamp,
    meter: Meter,
    /// The most that it can take; nothing = not asked, because nothing bounds the call.
    bound: Option<Bound>,
    reserved: Option<ReservationId>,
    /// What it takes of the call's own limit.
    taken: Option<(CostLimit, i64)>,
    /// What it takes of its user's minute.
    minute: Option<(Plan, Taken)>,
    /// True once content has come.
    has_begun: bool,
    /// True once something has come of which nobody here can say how many tokens it is.
    has_uncounted: bool,
    /// True once the reply is whole.
    is_whole: bool,
    has_ended: bool,
}

impl Held {
    /// Nothing is held back yet. The call gets a meter of its own for this try.
    pub(super) fn new(accounts: Accounts, call: &mut Call, at: Timestamp) -> Self {
        let meter = Meter::default();
        call.context.meter = Some(meter.clone());
        Self {
            accounts,
            call: call.clone(),
            at,
            meter,
            bound: None,
            reserved: None,
            taken: None,
            minute: None,
            has_begun: false,
            has_uncounted: false,
            is_whole: false,
            has_ended: false,
        }
    }

    pub(super) fn take(&mut self, limit: CostLimit, nano_usd: i64) {
        self.taken = Some((limit, nano_usd));
    }

    pub(super) fn take_minute(&mut self, plan: Plan, taken: Taken) {
        self.minute = Some((plan, taken));
    }

    pub(super) fn reserve(&mut self, id: ReservationId) {
        self.reserved = Some(id);
    }

    /// Nothing was reserved after all.
    pub(super) fn refused(&mut self) {
        self.reserved = None;
    }

    /// When the try began.
    pub(super) const fn at(&self) -> Timestamp {
        self.at
    }

    pub(super) fn bind(&mut self, bound: Bound) {
        self.bound = Some(bound);
    }

    /// Sees what comes of the try, and settles at its end.
    pub fn look_at(&mut self, event: &Result<StreamEvent>) {
        match event {
            Err(error) => self.failed(error),
            Ok(event) => match &event.kind {
                StreamEventKind::Done { reply } => self.done(reply),
                kind => {
                    self.has_begun |= kind.is_content();
                    let is_media = |part: &Part| !matches!(part, Part::Text { .. } | Part::Opaque { .. });
                    self.has_uncounted |= matches!(kind, StreamEventKind::Part { part } if is_media(part));
                }
            },
        }
    }

    /// The try has failed.
    pub fn failed(&mut self, error: &Error) {
        self.broke_off(Some(error));
    }

    #[inline(never)]
    fn done(&mut self, reply: &Reply) {
        if self.is_bounded() && reply.usage.source != UsageSource::Reported {
            // Nobody said what it took.
            return self.settle_at(self.bound());
        }
        self.is_whole = true;
        self.settle(reply.usage.counts(), reply.cost.clone());
    }

    #[cold]
    fn broke_off(&mut self, error: Option<&Error>) {
        if !self.meter.is_sent() || (!self.has_begun && error.is_some_and(is_not_billed)) {
            return self.release();
        }
        let heard = self.meter.heard();
        // Before the first content nobody knows how much was written unseen, whatever was said of what was sent in.
        let is_known = self.has_begun && !self.has_uncounted;
        if self.is_bounded() {
            let bound = self.bound();
            return self.settle_at(if is_known { bound.heard(heard.usage.as_ref(), heard.bytes) } else { bound });
        }
        // Nothing has to be on the safe side then: it is noted what is likely, or that nobody knows.
        match error.and_then(Error::spent) {
            Some((usage, cost)) => self.settle(usage.clone(), cost.clone()),
            None if is_known => self.settle_at(self.bound().heard(heard.usage.as_ref(), heard.bytes)),
            None => self.settle(Usage { requests: 1, ..Usage::default() }, Cost::default()),
        }
    }

    /// True when a budget, the call's own limit or its user's minute holds.
    const fn is_bounded(&self) -> bool {
        self.reserved.is_some() || self.taken.is_some() || self.minute.is_some()
    }

    fn bound(&self) -> Bound {
        self.bound.unwrap_or_else(|| bound_of(&self.call))
    }

    fn settle_at(&mut self, bound: Bound) {
        let LedgerEntry { usage, cost, .. } = worst(&self.call, &bound, self.at);
        self.settle(usage, cost);
    }

    fn settle(&mut self, usage: Usage, cost: Cost) {
        self.has_ended = true;
        if let Some((limit, taken)) = self.taken.take() {
            limit.put_back(taken.saturating_sub(cost.nano_usd.unwrap_or(taken)));
        }
        if let Some((plan, taken)) = self.minute.take() {
            plan.settle(taken, entry(&self.call, usage.counts(), cost.clone()).spend().tokens);
        }
        let entry = move |call: &Call| entry(call, usage.counts(), cost.clone());
        match self.reserved.take() {
            Some(id) => self.accounts.write(&self.call, move |call| Op::Settle { id, entry: entry(call) }, true),
            None => match self.call.context.bill.clone().filter(|_| self.is_whole) {
                Some(slot) => {
                    slot.put(Bill::new(self.accounts.clone(), self.call.clone(), Op::Charge(entry(&self.call))));
                }
                None => self.accounts.write(&self.call, move |call| Op::Charge(entry(call)), false),
            },
        }
    }

    /// Nobody bills it.
    fn release(&mut self) {
        self.has_ended = true;
        if let Some((limit, taken)) = self.taken.take() {
            limit.put_back(taken);
        }
        if let Some((plan, taken)) = self.minute.take() {
            plan.give_back(taken);
        }
        if let Some(id) = self.reserved.take() {
            self.accounts.write(&self.call, move |_| Op::Release { id }, true);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.has_ended {
            self.broke_off(None);
        }
    }
}

/// True when a try that failed this way before its first content was surely not billed: the provider saw nothing of it,
/// or says itself that it failed. A time limit, a broken connection and a gateway that gave up say nothing of the kind.
fn is_not_billed(error: &Error) -> bool {
    const NOT_SEEN: [&str; 6] = ["dns", "connect", "connection_refused", "proxy", "tls", "unprocessed"];
    if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut) && NOT_SEEN.contains(&error.reason()) {
        return true;
    }
    match error.status() {
        Some(408 | 499 | 502 | 504 | 520..=599) => error.status() == Some(529),
        Some(status) => status >= 400,
        // An error in the place of a reply, in the provider's own words.
        None => error.provider_error().is_some() && error.kind() != ErrorKind::TimedOut,
    }
}
