//! One conversation, as a handle.

use pyo3::IntoPyObjectExt as _;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tertulia::engine::HistoryCall;
use tertulia::{ConversationChange, ConversationSummary, Message, NewMessage, Page};

use super::agent::{agent, running_loop};
use super::chat::{Chat, detail, message_id, turn_id};
use super::incoming::Incoming;
use super::messages::{AsyncMessages, Messages};
use super::options::options;
use super::run::{AsyncRun, Run};
use super::stream::{AsyncReplyStream, ReplyStream};
use super::timeline::{AsyncTimeline, Timeline, timeline};
use super::user::{Asked, cursor, expires_in};
use crate::bridge::{Awaitable, done, wait};
use crate::content::parts;
use crate::convert::{Fields, FromPython, Place, ToPython};

/// A copied conversation on its way to somebody who awaits it.
struct AsyncCopy(Chat);

impl ToPython for AsyncCopy {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(Bound::new(py, AsyncConversation(self.0.clone()))?.into_any())
    }
}

/// A conversation's row and a page of its messages, on the way to a tuple.
struct Opened(ConversationSummary, Page<Message>);

impl ToPython for Opened {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        (self.0.to_python(py)?, self.1.to_python(py)?).into_bound_py_any(py)
    }

    fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        (self.0.into_python(py)?, self.1.into_python(py)?).into_bound_py_any(py)
    }
}

/// A page of so many turns, or else of so many messages.
fn sized(call: HistoryCall, limit: usize, turns: Option<usize>) -> HistoryCall {
    match turns {
        Some(turns) => call.turns(turns),
        None => call.limit(limit),
    }
}

/// A field of a change: left out, cleared, or set.
pub(super) fn changed<T: FromPython>(fields: &Fields<'_, '_>, name: &str) -> PyResult<Option<T>> {
    if fields.raw(name)?.is_some() { fields.take(name).map(Some) } else { Ok(None) }
}

/// What changes of a conversation, in the keywords of a call.
pub(super) fn change(py: Python<'_>, changes: Option<&Bound<'_, PyDict>>) -> PyResult<ConversationChange> {
    let fields = Fields::of_keywords("update", py, changes);
    fields.only(&["title", "system", "model", "metadata", "tags", "pinned", "archived", "expires_in"])?;
    Ok(ConversationChange {
        title: changed(&fields, "title")?,
        system: changed(&fields, "system")?,
        model: changed(&fields, "model")?,
        metadata: changed(&fields, "metadata")?,
        tags: changed(&fields, "tags")?,
        pinned: changed(&fields, "pinned")?,
        archived: changed(&fields, "archived")?,
        expires_in: expires_in(&fields)?,
    })
}

twins! {
    /// One conversation. Making the handle touches no disk.
    Conversation / AsyncConversation (Chat), "conversation.";
    verbs {
        /// Saves the message, sends it, and waits for the whole reply.
        #[pyo3(signature = (content, **options))]
        fn send(&self, py, content: &Bound<'_, PyAny>, options: Option<&Bound<'_, PyDict>>) {
            let (said, options) = (parts(content, &Place::named("content"))?, self::options("send", py, options)?);
            let open = self.0.open(py)?;
            async move { open.chat().await?.send(said).with(options).await }
        }

        /// What a model would be shown, and about how many tokens that is. Nothing is sent.
        #[pyo3(signature = (**options))]
        fn context(&self, py, options: Option<&Bound<'_, PyDict>>) {
            let options = self::options("context", py, options)?;
            let open = self.0.open(py)?;
            async move { open.chat().await?.context().with(options).await }
        }

        /// Stores messages without asking a model, and gives their ids.
        fn append(&self, py, messages: &Bound<'_, PyAny>) {
            let messages = Vec::<NewMessage>::from_python(messages, &Place::named("messages"))?;
            let open = self.0.open(py)?;
            async move { open.chat().await?.append(messages).await }
        }

        /// Stops a turn that runs in this process.
        fn stop(&self, py, turn_id: &Bound<'_, PyAny>) {
            let turn = self::turn_id(turn_id)?;
            let open = self.0.open(py)?;
            async move { open.chat().await?.stop(turn).await }
        }

        /// Where a turn stands.
        fn turn(&self, py, turn_id: &Bound<'_, PyAny>) {
            let turn = self::turn_id(turn_id)?;
            let open = self.0.open(py)?;
            async move { open.chat().await?.turn(turn).await }
        }

        /// A page of its messages, in reading order; nothing when the conversation has still the version at hand.
        #[pyo3(signature = (
            *, limit = 50, before = None, after = None, around = None, position = None, turns = None, detail = None,
            unchanged_since = None,
        ))]
        #[expect(clippy::too_many_arguments, reason = "these are Python's keywords")]
        fn history(
            &self,
            py,
            limit: usize,
            before: Option<&Bound<'_, PyAny>>,
            after: Option<&Bound<'_, PyAny>>,
            around: Option<&Bound<'_, PyAny>>,
            position: Option<usize>,
            turns: Option<usize>,
            detail: Option<&Bound<'_, PyAny>>,
            unchanged_since: Option<i64>,
        ) {
            let (before, after) = (cursor(before, "before")?, cursor(after, "after")?);
            let around = around.map(|id| FromPython::from_python(id, &Place::named("around"))).transpose()?;
            let (detail, open) = (self::detail(detail)?, self.0.open(py)?);
            async move {
                let mut call = sized(open.chat().await?.history(), limit, turns).detail(detail).before(before).after(after);
                call = around.iter().fold(call, HistoryCall::around);
                call = position.into_iter().fold(call, HistoryCall::position);
                match unchanged_since {
                    Some(version) => call.unchanged_since(version).await,
                    None => call.await.map(Some),
                }
            }
        }

        /// What a list shows of it, and its latest messages, both of the same moment.
        #[pyo3(signature = (*, limit = 50, turns = None, detail = None))]
        fn open(&self, py, limit: usize, turns: Option<usize>, detail: Option<&Bound<'_, PyAny>>) {
            let (detail, open) = (self::detail(detail)?, self.0.open(py)?);
            async move {
                let call = sized(open.chat().await?.history(), limit, turns).detail(detail);
                call.with_summary().await.map(|(summary, page)| Opened(summary, page))
            }
        }

        /// Searches what was said in it.
        #[pyo3(signature = (words, *, sort = None, limit = 50, before = None))]
        fn search(
            &self,
            py,
            words: &Bound<'_, PyAny>,
            sort: Option<&Bound<'_, PyAny>>,
            limit: usize,
            before: Option<&Bound<'_, PyAny>>,
        ) {
            let asked = Asked::read(words, sort, limit, before)?;
            let open = self.0.open(py)?;
            async move { asked.put(open.chat().await?.search(asked.words())).await }
        }

        /// The messages that stand in the same place, this one among them.
        #[pyo3(signature = (message_id, *, limit = 50, before = None, after = None))]
        fn siblings(
            &self,
            py,
            message_id: &Bound<'_, PyAny>,
            limit: usize,
            before: Option<&Bound<'_, PyAny>>,
            after: Option<&Bound<'_, PyAny>>,
        ) {
            let message = self::message_id(message_id)?;
            let (before, after) = (cursor(before, "before")?, cursor(after, "after")?);
            let open = self.0.open(py)?;
            async move { open.chat().await?.siblings(message).limit(limit).before(before).after(after).await }
        }

        /// Its branches, each by its last message, the newest first.
        #[pyo3(signature = (*, limit = 50, before = None, after = None))]
        fn branches(
            &self,
            py,
            limit: usize,
            before: Option<&Bound<'_, PyAny>>,
            after: Option<&Bound<'_, PyAny>>,
        ) {
            let (before, after) = (cursor(before, "before")?, cursor(after, "after")?);
            let open = self.0.open(py)?;
            async move { open.chat().await?.branches().limit(limit).before(before).after(after).await }
        }

        /// Shows the branch on which this message stands, and gives the id of its last message.
        fn switch_to(&self, py, message_id: &Bound<'_, PyAny>) {
            let message = self::message_id(message_id)?;
            let open = self.0.open(py)?;
            async move { open.chat().await?.switch_to(message).await }
        }

        /// Begins a new branch behind this message.
        fn fork(&self, py, message_id: &Bound<'_, PyAny>) {
            let message = self::message_id(message_id)?;
            let open = self.0.open(py)?;
            async move { open.chat().await?.fork(message).await }
        }

        /// Deletes a message; with `subtree` everything below it, too.
        #[pyo3(signature = (message_id, *, subtree = false))]
        fn delete_message(&self, py, message_id: &Bound<'_, PyAny>, subtree: bool) {
            let message = self::message_id(message_id)?;
            let open = self.0.open(py)?;
            async move {
                let call = open.chat().await?.delete_message(message);
                if subtree { call.subtree().await } else { call.await }
            }
        }

        /// Where every budget stands that holds for a call here.
        fn budgets(&self, py) {
            let open = self.0.open(py)?;
            async move { open.chat().await?.budgets().await }
        }

        /// What a list shows of it.
        fn summary(&self, py) {
            let open = self.0.open(py)?;
            async move { open.chat().await?.summary().await }
        }

        /// Changes its title, instructions, model, metadata or tags, pins or archives it, or says how long it stays.
        #[pyo3(signature = (**changes))]
        fn update(&self, py, changes: Option<&Bound<'_, PyDict>>) {
            let change = self::change(py, changes)?;
            let open = self.0.open(py)?;
            async move { open.chat().await?.update(change).await }
        }

        /// Deletes it with everything in it.
        fn delete(&self, py) {
            let open = self.0.open(py)?;
            async move { open.chat().await?.delete().await }
        }
    }
    both {
        /// Names it.
        #[getter]
        fn id(&self) -> String {
            self.0.id.to_string()
        }
    }
    sync {
        /// Runs an agent and waits for what it comes to.
        #[pyo3(signature = (agent, content, **options))]
        fn run<'py>(
            &self,
            py: Python<'py>,
            agent: &Bound<'py, PyAny>,
            content: &Bound<'py, PyAny>,
            options: Option<&Bound<'py, PyDict>>,
        ) -> PyResult<Bound<'py, PyAny>> {
            wait(py, self.0.running(py, self::agent(agent, None)?, content, options)?)?.into_python(py)
        }

        /// Begins a run of an agent and gives the handle.
        #[pyo3(signature = (agent, content, **options))]
        fn start(
            &self,
            py: Python<'_>,
            agent: &Bound<'_, PyAny>,
            content: &Bound<'_, PyAny>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<Run> {
            wait(py, self.0.starting(py, self::agent(agent, None)?, content, options)?).map(Run)
        }

        /// Goes on with a run that stopped.
        #[pyo3(signature = (agent, run_id, **options))]
        fn pick_up(
            &self,
            py: Python<'_>,
            agent: &Bound<'_, PyAny>,
            run_id: &Bound<'_, PyAny>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<Run> {
            wait(py, self.0.picking_up(py, self::agent(agent, None)?, run_id, options)?).map(Run)
        }

        /// The conversation as it is seen from this message.
        fn at(&self, message_id: &Bound<'_, PyAny>) -> PyResult<Self> {
            self.0.at(message_id).map(Self)
        }

        /// A conversation of its own, with a copy of what was said up to this message.
        fn duplicate(&self, py: Python<'_>, message_id: &Bound<'_, PyAny>) -> PyResult<Self> {
            wait(py, self.0.duplicating(py, message_id)?).map(Self)
        }

        /// Says a message anew, beside the old one.
        #[pyo3(signature = (message_id, content, **options))]
        fn edit(
            &self,
            py: Python<'_>,
            message_id: &Bound<'_, PyAny>,
            content: &Bound<'_, PyAny>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<ReplyStream> {
            ReplyStream::begin(py, Incoming::new(self.0.editing(py, message_id, content, options)?))
        }

        /// Asks for another answer, beside the first.
        #[pyo3(signature = (message_id, **options))]
        fn regenerate(
            &self,
            py: Python<'_>,
            message_id: &Bound<'_, PyAny>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<ReplyStream> {
            ReplyStream::begin(py, Incoming::new(self.0.regenerating(py, message_id, options)?))
        }

        /// Saves the message, sends it, and gives the reply as it comes.
        #[pyo3(signature = (content, **options))]
        fn stream(
            &self,
            py: Python<'_>,
            content: &Bound<'_, PyAny>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<ReplyStream> {
            ReplyStream::begin(py, Incoming::new(self.0.streaming(py, content, options)?))
        }

        /// Asks again for a turn that was interrupted, parked or cancelled.
        #[pyo3(signature = (turn_id, **options))]
        fn retry(
            &self,
            py: Python<'_>,
            turn_id: &Bound<'_, PyAny>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<ReplyStream> {
            ReplyStream::begin(py, Incoming::new(self.0.retrying(py, turn_id, options)?))
        }

        /// The reply of a turn from behind this event on.
        #[pyo3(signature = (turn_id, *, after_seq = 0))]
        fn attach(&self, py: Python<'_>, turn_id: &Bound<'_, PyAny>, after_seq: i64) -> PyResult<ReplyStream> {
            ReplyStream::begin(py, Incoming::new(self.0.attaching(py, turn_id, after_seq)?))
        }

        /// Its messages one after the other, however many there are.
        #[pyo3(signature = (*, newest_first = false, detail = None))]
        fn messages(
            &self,
            py: Python<'_>,
            newest_first: bool,
            detail: Option<&Bound<'_, PyAny>>,
        ) -> PyResult<Messages> {
            self.0.reading(py, newest_first, detail).map(Messages)
        }

        /// What a screen shows of it, and from then on what changes.
        #[pyo3(signature = (*, message = None, branch = None, utc_offset_minutes = 0, read_upto = None))]
        fn timeline(
            &self,
            py: Python<'_>,
            message: Option<&Bound<'_, PyAny>>,
            branch: Option<&Bound<'_, PyAny>>,
            utc_offset_minutes: i32,
            read_upto: Option<&Bound<'_, PyAny>>,
        ) -> PyResult<Timeline> {
            let open = self.0.open(py)?;
            timeline(py, open, message, branch, utc_offset_minutes, read_upto).map(Timeline)
        }

        fn __repr__(&self) -> String {
            format!("Conversation({})", self.0.id)
        }
    }
    async {
        /// Runs an agent and waits for what it comes to.
        #[pyo3(signature = (agent, content, **options))]
        fn run(
            &self,
            py: Python<'_>,
            agent: &Bound<'_, PyAny>,
            content: &Bound<'_, PyAny>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<Awaitable> {
            let call = self.0.running(py, self::agent(agent, running_loop(py)?)?, content, options)?;
            Ok(Awaitable::spawned(async move { call.await.map(done) }))
        }

        /// Begins a run of an agent and gives the handle.
        #[pyo3(signature = (agent, content, **options))]
        fn start(
            &self,
            py: Python<'_>,
            agent: &Bound<'_, PyAny>,
            content: &Bound<'_, PyAny>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<Awaitable> {
            let call = self.0.starting(py, self::agent(agent, running_loop(py)?)?, content, options)?;
            Ok(Awaitable::spawned(async move { call.await.map(AsyncRun::done) }))
        }

        /// Goes on with a run that stopped.
        #[pyo3(signature = (agent, run_id, **options))]
        fn pick_up(
            &self,
            py: Python<'_>,
            agent: &Bound<'_, PyAny>,
            run_id: &Bound<'_, PyAny>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<Awaitable> {
            let call = self.0.picking_up(py, self::agent(agent, running_loop(py)?)?, run_id, options)?;
            Ok(Awaitable::spawned(async move { call.await.map(AsyncRun::done) }))
        }

        /// The conversation as it is seen from this message.
        fn at(&self, message_id: &Bound<'_, PyAny>) -> PyResult<Self> {
            self.0.at(message_id).map(Self)
        }

        /// A conversation of its own, with a copy of what was said up to this message.
        fn duplicate(&self, py: Python<'_>, message_id: &Bound<'_, PyAny>) -> PyResult<Awaitable> {
            let call = self.0.duplicating(py, message_id)?;
            Ok(Awaitable::spawned(async move { call.await.map(|copy| done(AsyncCopy(copy))) }))
        }

        /// Says a message anew, beside the old one.
        #[pyo3(signature = (message_id, content, **options))]
        fn edit(
            &self,
            py: Python<'_>,
            message_id: &Bound<'_, PyAny>,
            content: &Bound<'_, PyAny>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<AsyncReplyStream> {
            Ok(AsyncReplyStream::new(Incoming::new(self.0.editing(py, message_id, content, options)?)))
        }

        /// Asks for another answer, beside the first.
        #[pyo3(signature = (message_id, **options))]
        fn regenerate(
            &self,
            py: Python<'_>,
            message_id: &Bound<'_, PyAny>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<AsyncReplyStream> {
            Ok(AsyncReplyStream::new(Incoming::new(self.0.regenerating(py, message_id, options)?)))
        }

        /// Saves the message, sends it, and gives the reply as it comes.
        #[pyo3(signature = (content, **options))]
        fn stream(
            &self,
            py: Python<'_>,
            content: &Bound<'_, PyAny>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<AsyncReplyStream> {
            Ok(AsyncReplyStream::new(Incoming::new(self.0.streaming(py, content, options)?)))
        }

        /// Asks again for a turn that was interrupted, parked or cancelled.
        #[pyo3(signature = (turn_id, **options))]
        fn retry(
            &self,
            py: Python<'_>,
            turn_id: &Bound<'_, PyAny>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<AsyncReplyStream> {
            Ok(AsyncReplyStream::new(Incoming::new(self.0.retrying(py, turn_id, options)?)))
        }

        /// The reply of a turn from behind this event on.
        #[pyo3(signature = (turn_id, *, after_seq = 0))]
        fn attach(&self, py: Python<'_>, turn_id: &Bound<'_, PyAny>, after_seq: i64) -> PyResult<AsyncReplyStream> {
            Ok(AsyncReplyStream::new(Incoming::new(self.0.attaching(py, turn_id, after_seq)?)))
        }

        /// Its messages one after the other, however many there are.
        #[pyo3(signature = (*, newest_first = false, detail = None))]
        fn messages(
            &self,
            py: Python<'_>,
            newest_first: bool,
            detail: Option<&Bound<'_, PyAny>>,
        ) -> PyResult<AsyncMessages> {
            self.0.reading(py, newest_first, detail).map(AsyncMessages)
        }

        /// What a screen shows of it, and from then on what changes.
        #[pyo3(signature = (*, message = None, branch = None, utc_offset_minutes = 0, read_upto = None))]
        fn timeline(
            &self,
            py: Python<'_>,
            message: Option<&Bound<'_, PyAny>>,
            branch: Option<&Bound<'_, PyAny>>,
            utc_offset_minutes: i32,
            read_upto: Option<&Bound<'_, PyAny>>,
        ) -> PyResult<AsyncTimeline> {
            let open = self.0.open(py)?;
            timeline(py, open, message, branch, utc_offset_minutes, read_upto).map(AsyncTimeline)
        }

        fn __repr__(&self) -> String {
            format!("AsyncConversation({})", self.0.id)
        }
    }
}
