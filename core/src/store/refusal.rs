//! What every backend answers when it refuses: the same kind, reason and words, whichever stands below.

use crate::base::{ErrorKind, MessageId, Retry, TurnId};
use crate::model::{BudgetStatus, Error, ErrorInfo};

pub(super) fn no_conversation() -> Error {
    Error::new(ErrorKind::NotFound, "no_conversation", "this user has no such conversation")
}

pub(super) fn no_message() -> Error {
    Error::new(ErrorKind::NotFound, "no_message", "this user has no such message in this conversation")
}

pub(super) fn no_turn() -> Error {
    Error::new(ErrorKind::NotFound, "no_turn", "this user has no such turn in this conversation")
}

fn conflict(reason: &'static str, detail: &'static str) -> Error {
    Error::new(ErrorKind::Conflict, reason, detail)
}

pub(super) fn no_stream() -> Error {
    Error::new(ErrorKind::NotFound, "no_stream", "this user has no such stream of events")
}

/// Says how far it is, so that whoever is refused need not ask for it.
pub(super) fn stream_moved(version: i64) -> Error {
    let detail =
        format!("somebody else has appended events; the stream is at version {version} now; read on and decide again");
    Error::new(ErrorKind::Conflict, "stream_moved", detail)
}

pub(super) fn bad_snapshot(version: i64) -> Error {
    let detail =
        format!("a snapshot holds the events from 1 up to some that is there; the stream is at version {version}");
    Error::invalid("bad_snapshot", detail)
}

pub(super) fn no_entry() -> Error {
    Error::new(ErrorKind::NotFound, "no_entry", "the library has nothing under this name")
}

/// Says which one is there, so that whoever is refused need not ask for it.
pub(super) fn entry_moved(version: Option<i64>) -> Error {
    let now =
        version.map_or_else(|| "nothing is there now".to_owned(), |version| format!("version {version} is there now"));
    let detail = format!("somebody else has changed what stands under this name; {now}; read it anew and decide again");
    Error::new(ErrorKind::Conflict, "entry_moved", detail)
}

pub(super) fn keeps_no_library() -> Error {
    Error::invalid("unsupported", "this store keeps no library")
}

pub(super) fn keeps_no_events() -> Error {
    Error::invalid("unsupported", "this store keeps no streams of events")
}

/// Says the head, so that whoever is refused need not ask for it.
pub(super) fn head_moved(head: Option<MessageId>) -> Error {
    let now = head.map_or_else(|| "it is empty now".to_owned(), |head| format!("it ends with message {head} now"));
    let detail = format!("the conversation went on since it was read; {now}; read it anew and decide again");
    Error::new(ErrorKind::Conflict, "head_moved", detail)
}

pub(super) fn version_moved() -> Error {
    conflict("version_moved", "the conversation has changed since it was read; read it anew and decide again")
}

pub(super) fn history_moved() -> Error {
    conflict("history_moved", "the messages of this summary have changed since they were read; read them anew")
}

pub(super) fn epoch_moved() -> Error {
    conflict("epoch_moved", "somebody else moved this turn on; read it anew")
}

pub(super) fn client_id_taken() -> Error {
    conflict("client_id", "a message with this client id is in the conversation already")
}

pub(super) fn id_taken() -> Error {
    conflict("id_taken", "something with this id is stored already; ids are made new for each thing")
}

pub(super) fn erasing() -> Error {
    conflict("erasing", "everything of this user is being erased; once that is over, the user may begin anew")
}

pub(super) fn not_erased() -> Error {
    conflict("not_erased", "something of this user is left; go on erasing")
}

pub(super) fn not_streaming() -> Error {
    conflict("not_streaming", "the message has ended; a late writer may not change it")
}

pub(super) fn still_streaming() -> Error {
    conflict("still_streaming", "the message is being written; stop its turn first")
}

pub(super) fn turn_open() -> Error {
    conflict("turn_open", "a turn of this message is under way; stop it first")
}

pub(super) fn draft_out_of_order() -> Error {
    conflict("draft_seq", "the numbers of a draft's pieces must grow")
}

pub(super) fn streaming_without_turn() -> Error {
    Error::internal("a streaming message needs a turn, so that its draft can be recovered")
}

pub(super) fn bad_cursor() -> Error {
    Error::invalid("bad_cursor", "the page begins at a message that is not on the current branch; load the page anew")
}

/// A request may cost more than a budget has left.
pub(super) fn over_budget(status: BudgetStatus, amount: i64) -> Error {
    let (unit, limit) = (status.budget.limit.unit(), status.budget.limit.amount());
    let (scope, window, left) = (status.budget.scope.as_str(), status.budget.window.as_str(), status.remaining);
    let detail = format!(
        "the request may take {amount} {unit}, and of the {scope} budget of {limit} per {window} {left} are left; \
         wait until it renews, raise it, or ask for less"
    );
    Error::new(ErrorKind::BudgetExceeded, "budget", detail).with_budget(status)
}

/// A budget in money cannot hold what nobody can count.
pub(super) fn unknown_price(status: BudgetStatus) -> Error {
    let detail =
        "a budget in US dollars holds, and nobody knows the price of this model; give its price, or limit tokens";
    Error::new(ErrorKind::BudgetExceeded, "unknown_price", detail).with_budget(status)
}

pub(super) fn bad_usage_query() -> Error {
    Error::invalid("bad_usage_query", "sums by user are for everybody, and sums by conversation for one user")
}

pub(super) fn cannot_search() -> Error {
    Error::invalid("unsupported", "this store cannot be searched")
}

pub(super) fn cannot_move() -> Error {
    Error::invalid("unsupported", "of this store conversations cannot be exported or imported")
}

pub(crate) fn search_off() -> Error {
    Error::invalid("search_off", "search is switched off; set `store.search` and open again")
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "store_closed", "the store is closed; open it again")
}

pub(super) fn suspended() -> Error {
    Error::new(ErrorKind::Closed, "suspended", "the store is suspended; `resume` it first")
}

/// What stands in a turn whose process ended before the turn did.
pub(super) fn process_ended(turn: TurnId) -> ErrorInfo {
    Error::new(
        ErrorKind::Truncated,
        "process_ended",
        "the process that worked on this turn ended; what had arrived is kept, retry the turn",
    )
    .with_retry(Retry::Safe)
    .with_turn(turn)
    .info()
}
