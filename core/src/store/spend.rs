//! What is spent, as data for writing and reading.

use crate::base::{ConversationId, ReservationId, Timestamp};
use crate::model::{Budget, Cost, CostSource, Spend, Usage, UsageBy, UsageSource, UsageTotal};

/// What one request took and cost. What is negative counts as nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerEntry {
    /// The model that was asked, as `provider/model`.
    pub model: String,
    /// The conversation it belongs to. It need not be stored, and its sums survive its deletion.
    pub conversation: Option<ConversationId>,
    /// The run it belongs to.
    pub run: Option<String>,
    /// What it took. No requests count as one.
    pub usage: Usage,
    /// What it cost.
    pub cost: Cost,
}

impl LedgerEntry {
    /// What counts against budgets.
    #[must_use]
    pub fn spend(&self) -> Spend {
        let Usage { input_tokens, output_tokens, requests, .. } = &self.usage;
        Spend {
            nano_usd: self.cost.nano_usd.map(|nano_usd| nano_usd.max(0)),
            tokens: (*input_tokens).max(0).saturating_add((*output_tokens).max(0)),
            requests: i64::from(*requests).max(1),
        }
    }

    /// What counts in reports.
    pub(super) fn total(&self) -> UsageTotal {
        let Usage { input_tokens, output_tokens, reasoning_output_tokens, .. } = &self.usage;
        let Usage { cache_read_input_tokens, cache_creation_input_tokens, .. } = &self.usage;
        let requests = self.spend().requests;
        let counted = |yes: bool| if yes { requests } else { 0 };
        let estimated = self.usage.source != UsageSource::Reported || self.cost.source == CostSource::Estimated;
        UsageTotal {
            requests,
            input_tokens: (*input_tokens).max(0),
            output_tokens: (*output_tokens).max(0),
            cache_read_input_tokens: (*cache_read_input_tokens).max(0),
            cache_creation_input_tokens: (*cache_creation_input_tokens).max(0),
            reasoning_output_tokens: (*reasoning_output_tokens).max(0),
            nano_usd: self.cost.nano_usd.unwrap_or(0).max(0),
            unknown_cost_requests: counted(self.cost.nano_usd.is_none()),
            estimated_requests: counted(estimated),
        }
    }
}

/// What a request may cost at most, held back before it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct NewReservation {
    /// Its id.
    pub id: ReservationId,
    /// The worst that can come of it, in every unit. Written to the ledger as an estimate when nobody settles it.
    pub worst: LedgerEntry,
    /// The process that holds it.
    pub holder: String,
    /// Until when, unless renewed.
    pub lease_until: Timestamp,
    /// Budgets that hold besides those that are set, as those of a tier. They are counted from the ledger.
    pub also: Vec<Budget>,
}

/// Who spends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spender {
    /// The user.
    pub owner: String,
    /// The conversation.
    pub conversation: Option<ConversationId>,
    /// The run.
    pub run: Option<String>,
    /// Budgets that hold besides those that are set, as those of a tier.
    pub also: Vec<Budget>,
}

/// Which sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageQuery {
    /// Whose; nothing = everybody's.
    pub owner: Option<String>,
    /// By what.
    pub by: UsageBy,
    /// From this moment on, rounded down to its hour; nothing = from the beginning.
    pub since: Option<Timestamp>,
    /// Before this moment, rounded up to its hour; nothing = until now.
    pub until: Option<Timestamp>,
    /// Behind this key; nothing = from the first.
    pub after: Option<String>,
    /// At most this many rows.
    pub limit: usize,
}
