//! What a batch has done, once it is written.

use crate::base::MessageId;
use crate::model::BudgetAlert;

/// What a batch did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receipt {
    /// The number of its last change in the change feed.
    pub change_seq: i64,
    /// Where its messages were put, in the order of the ops.
    pub placed: Vec<Placed>,
    /// Shares of budgets that are now spent and were not before, told to this batch alone.
    pub alerts: Vec<BudgetAlert>,
    /// The head after its last switch or fork.
    pub head: Option<MessageId>,
    /// Where to go on with the removal of messages; nothing when all are gone, or none was to go.
    pub goes_on: Option<MessageId>,
    /// Whether any budget is set, whoever's.
    pub has_budgets: bool,
    /// The version of the conversation that messages of the batch were added to or ended in, before the first of them and
    /// after the last; nothing without one.
    pub versions: Option<(i64, i64)>,
    /// The version of the stream that events were appended to last, behind them; nothing without one.
    pub stream_version: Option<i64>,
    /// The version of the library's value that was put last; nothing without one.
    pub entry_version: Option<i64>,
    /// What was taken out of an owner's things.
    pub erased: Erased,
}

/// What was taken out of an owner's things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// How many conversations are gone.
    pub conversations: i64,
    /// How many messages.
    pub messages: i64,
    /// How many streams of events.
    pub streams: i64,
    /// How many values of the owner's library, those among them that were deleted.
    pub entries: i64,
    /// True when something is left.
    pub more: bool,
}

/// Where a message was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The message.
    pub id: MessageId,
    /// The message before it; nothing for the first.
    pub parent: Option<MessageId>,
    /// Its place on the branch, from 1.
    pub depth: i32,
    /// Its place among its siblings, from 0.
    pub sibling_index: i32,
    /// The number of the last deletion in its conversation: what was read before another one is not to be used.
    pub deletion: i64,
}
