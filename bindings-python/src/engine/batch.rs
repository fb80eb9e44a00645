//! Many changes of one user at once.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use tertulia::{
    BatchProgress, BatchReport, ConversationChange, ConversationId, Error, ErrorKind, MessageId, NewMessage, Part,
    Result,
};

use super::chat::Open;
use super::conversation::{AsyncConversation, Conversation, change};
use super::twins::during;
use super::user::{Scope, User};
use crate::bridge::{Awaitable, Feed, Source, done, generation, step, wait};
use crate::content::parts;
use crate::convert::{FromPython, Place, ToPython};

/// One verb of a batch, as it was called.
#[derive(Clone)]
enum Step {
    Delete(Vec<ConversationId>),
    Update(Vec<ConversationId>, ConversationChange),
    Tag(Vec<ConversationId>, Vec<String>),
    Untag(Vec<ConversationId>, Vec<String>),
    Retag(Vec<ConversationId>, String, String),
    Append(Arc<Open>, Vec<NewMessage>),
    Edit(Arc<Open>, MessageId, Vec<Part>),
    Export(PathBuf, Vec<ConversationId>),
}

/// What both handles of a batch hold: the verbs so far.
pub(super) struct Steps {
    scope: Scope,
    steps: Mutex<Vec<Step>>,
}

/// A batch on the way to the engine.
struct Opening {
    user: User,
    steps: Vec<Step>,
    best_effort: bool,
    dry_run: bool,
}

impl Opening {
    async fn batch(self) -> Result<tertulia::Batch> {
        let mut batch = self.user.open().await?.batch().dry_run(self.dry_run);
        if self.best_effort {
            batch = batch.best_effort();
        }
        for step in self.steps {
            batch = match step {
                Step::Delete(ids) => batch.delete(ids),
                Step::Update(ids, change) => batch.update(ids, change),
                Step::Tag(ids, tags) => batch.tag(ids, tags),
                Step::Untag(ids, tags) => batch.untag(ids, tags),
                Step::Retag(ids, from, to) => batch.retag(ids, from, to),
                Step::Append(open, messages) => batch.append(&open.chat().await?, messages),
                Step::Edit(open, message, parts) => batch.edit(&open.chat().await?, message, parts),
                Step::Export(path, ids) => batch.export(path, ids),
            };
        }
        Ok(batch)
    }
}

impl Steps {
    pub(super) fn new(scope: Scope) -> Self {
        Self { scope, steps: Mutex::default() }
    }

    fn steps(&self) -> MutexGuard<'_, Vec<Step>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opening(&self, py: Python<'_>, best_effort: bool, dry_run: bool) -> PyResult<Opening> {
        Ok(Opening { user: self.scope.user(py)?, steps: self.steps().clone(), best_effort, dry_run })
    }

    /// A conversation by its handle or its id.
    fn chat(&self, chat: &Bound<'_, PyAny>) -> PyResult<Arc<Open>> {
        let py = chat.py();
        let chat = if let Ok(chat) = chat.cast::<Conversation>() {
            chat.get().0.clone()
        } else if let Ok(chat) = chat.cast::<AsyncConversation>() {
            chat.get().0.clone()
        } else {
            self.scope.existing(chat)?
        };
        chat.open(py).map(Arc::new)
    }
}

fn id_of(chat: &Bound<'_, PyAny>) -> PyResult<ConversationId> {
    if let Ok(chat) = chat.cast::<Conversation>() {
        return Ok(chat.get().0.id);
    }
    if let Ok(chat) = chat.cast::<AsyncConversation>() {
        return Ok(chat.get().0.id);
    }
    ConversationId::from_python(chat, &Place::named("chats"))
}

/// Conversations by their handles or ids: one, or several.
fn ids(chats: &Bound<'_, PyAny>) -> PyResult<Vec<ConversationId>> {
    let is_one = chats.is_instance_of::<PyString>()
        || chats.is_instance_of::<Conversation>()
        || chats.is_instance_of::<AsyncConversation>();
    if is_one {
        return Ok(vec![id_of(chats)?]);
    }
    chats.try_iter()?.map(|chat| id_of(&chat?)).collect()
}

/// Tags: one, or several.
fn tags(given: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let at = Place::named("tags");
    if given.is_instance_of::<PyString>() {
        return Ok(vec![String::from_python(given, &at)?]);
    }
    Vec::<String>::from_python(given, &at)
}

/// A batch that is under way.
#[derive(Clone)]
pub(super) struct Started {
    run: tertulia::BatchRun,
    generation: u64,
}

impl Started {
    fn new(run: tertulia::BatchRun) -> Self {
        Self { run, generation: generation() }
    }

    fn run(&self) -> Result<tertulia::BatchRun> {
        if self.generation == generation() {
            return Ok(self.run.clone());
        }
        Err(Error::new(ErrorKind::Closed, "forked", "this batch was begun by the parent process"))
    }

    async fn report(self) -> Result<BatchReport> {
        self.run()?.report().await
    }
}

/// A batch that is under way, on its way to somebody who awaits it.
struct AsyncStarted(Started);

impl ToPython for AsyncStarted {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(Bound::new(py, AsyncBatchRun::new(self.0.clone()))?.into_any())
    }
}

/// The verbs that gather, which are the same in both manners.
macro_rules! gathering {
    ($batch:ident, $run:item $start:item) => {
        #[pymethods]
        impl $batch {
            /// Deletes conversations with everything in them.
            fn delete<'py>(slf: Bound<'py, Self>, chats: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
                slf.get().0.steps().push(Step::Delete(ids(chats)?));
                Ok(slf)
            }

            /// Changes the same fields of all of these conversations.
            #[pyo3(signature = (chats, **changes))]
            fn update<'py>(
                slf: Bound<'py, Self>,
                chats: &Bound<'py, PyAny>,
                changes: Option<&Bound<'py, PyDict>>,
            ) -> PyResult<Bound<'py, Self>> {
                slf.get().0.steps().push(Step::Update(ids(chats)?, change(slf.py(), changes)?));
                Ok(slf)
            }

            /// Leaves conversations out of lists that do not ask for them.
            fn archive<'py>(slf: Bound<'py, Self>, chats: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
                let change = ConversationChange { archived: Some(true), ..ConversationChange::default() };
                slf.get().0.steps().push(Step::Update(ids(chats)?, change));
                Ok(slf)
            }

            /// Takes conversations back out of the archive.
            fn unarchive<'py>(slf: Bound<'py, Self>, chats: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
                let change = ConversationChange { archived: Some(false), ..ConversationChange::default() };
                slf.get().0.steps().push(Step::Update(ids(chats)?, change));
                Ok(slf)
            }

            /// Puts conversations before all others in lists.
            fn pin<'py>(slf: Bound<'py, Self>, chats: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
                let change = ConversationChange { pinned: Some(true), ..ConversationChange::default() };
                slf.get().0.steps().push(Step::Update(ids(chats)?, change));
                Ok(slf)
            }

            /// Puts conversations among the others again.
            fn unpin<'py>(slf: Bound<'py, Self>, chats: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
                let change = ConversationChange { pinned: Some(false), ..ConversationChange::default() };
                slf.get().0.steps().push(Step::Update(ids(chats)?, change));
                Ok(slf)
            }

            /// Adds tags to the ones that the conversations have.
            #[pyo3(signature = (chats, tags))]
            fn tag<'py>(
                slf: Bound<'py, Self>,
                chats: &Bound<'py, PyAny>,
                tags: &Bound<'py, PyAny>,
            ) -> PyResult<Bound<'py, Self>> {
                slf.get().0.steps().push(Step::Tag(ids(chats)?, self::tags(tags)?));
                Ok(slf)
            }

            /// Takes tags off the conversations.
            #[pyo3(signature = (chats, tags))]
            fn untag<'py>(
                slf: Bound<'py, Self>,
                chats: &Bound<'py, PyAny>,
                tags: &Bound<'py, PyAny>,
            ) -> PyResult<Bound<'py, Self>> {
                slf.get().0.steps().push(Step::Untag(ids(chats)?, self::tags(tags)?));
                Ok(slf)
            }

            /// Moves the conversations from one tag to another.
            #[pyo3(signature = (chats, old, new))]
            fn retag<'py>(
                slf: Bound<'py, Self>,
                chats: &Bound<'py, PyAny>,
                old: String,
                new: String,
            ) -> PyResult<Bound<'py, Self>> {
                slf.get().0.steps().push(Step::Retag(ids(chats)?, old, new));
                Ok(slf)
            }

            /// Stores messages without asking a model.
            fn append<'py>(
                slf: Bound<'py, Self>,
                chat: &Bound<'py, PyAny>,
                messages: &Bound<'py, PyAny>,
            ) -> PyResult<Bound<'py, Self>> {
                let messages = Vec::<NewMessage>::from_python(messages, &Place::named("messages"))?;
                let chat = slf.get().0.chat(chat)?;
                slf.get().0.steps().push(Step::Append(chat, messages));
                Ok(slf)
            }

            /// Says a message anew without asking a model.
            fn edit<'py>(
                slf: Bound<'py, Self>,
                chat: &Bound<'py, PyAny>,
                message_id: &Bound<'py, PyAny>,
                content: &Bound<'py, PyAny>,
            ) -> PyResult<Bound<'py, Self>> {
                let message = MessageId::from_python(message_id, &Place::named("message_id"))?;
                let said = parts(content, &Place::named("content"))?;
                let chat = slf.get().0.chat(chat)?;
                slf.get().0.steps().push(Step::Edit(chat, message, said));
                Ok(slf)
            }

            /// Writes conversations into a file.
            fn export<'py>(
                slf: Bound<'py, Self>,
                path: PathBuf,
                chats: &Bound<'py, PyAny>,
            ) -> PyResult<Bound<'py, Self>> {
                slf.get().0.steps().push(Step::Export(path, ids(chats)?));
                Ok(slf)
            }

            $run

            $start

            fn __len__(&self) -> usize {
                let count = |step: &Step| match step {
                    Step::Delete(ids)
                    | Step::Update(ids, _)
                    | Step::Tag(ids, _)
                    | Step::Untag(ids, _)
                    | Step::Retag(ids, ..) => ids.len(),
                    Step::Append(..) | Step::Edit(..) | Step::Export(..) => 1,
                };
                self.0.steps().iter().map(count).sum()
            }

            fn __repr__(&self) -> String {
                format!("{}({} items)", stringify!($batch), self.__len__())
            }
        }
    };
}

/// Many changes to one user's conversations, done together.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct Batch(pub(super) Steps);

gathering! {
    Batch,
    /// Does it and waits for its end.
    #[pyo3(signature = (*, best_effort = false, dry_run = false))]
    fn run<'py>(&self, py: Python<'py>, best_effort: bool, dry_run: bool) -> PyResult<Bound<'py, PyAny>> {
        let opening = self.0.opening(py, best_effort, dry_run)?;
        wait(py, during("user.batch", async move { opening.batch().await?.run().await }))?.into_python(py)
    }
    /// Begins it.
    #[pyo3(signature = (*, best_effort = false))]
    fn start(&self, py: Python<'_>, best_effort: bool) -> PyResult<BatchRun> {
        let opening = self.0.opening(py, best_effort, false)?;
        let started = async move { opening.batch().await.map(|batch| Started::new(batch.start())) };
        wait(py, during("user.batch", started)).map(BatchRun::new)
    }
}

/// Many changes to one user's conversations, done together.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct AsyncBatch(pub(super) Steps);

gathering! {
    AsyncBatch,
    /// Does it and waits for its end.
    #[pyo3(signature = (*, best_effort = false, dry_run = false))]
    fn run(&self, py: Python<'_>, best_effort: bool, dry_run: bool) -> PyResult<Awaitable> {
        let opening = self.0.opening(py, best_effort, dry_run)?;
        let call = during("user.batch", async move { opening.batch().await?.run().await });
        Ok(Awaitable::spawned(async move { call.await.map(done) }))
    }
    /// Begins it.
    #[pyo3(signature = (*, best_effort = false))]
    fn start(&self, py: Python<'_>, best_effort: bool) -> PyResult<Awaitable> {
        let opening = self.0.opening(py, best_effort, false)?;
        let started = async move { opening.batch().await.map(|batch| Started::new(batch.start())) };
        let call = during("user.batch", started);
        Ok(Awaitable::spawned(async move { call.await.map(|started| done(AsyncStarted(started))) }))
    }
}

impl Source for Started {
    type Item = BatchProgress;

    fn next_batch(&mut self, _max: usize) -> BoxFuture<'_, Result<Vec<BatchProgress>>> {
        async move { Ok(self.run.next().await.into_iter().collect()) }.boxed()
    }
}

/// A batch that is under way, and how far it was each time that somebody asked.
struct Steady {
    started: Started,
    progress: Feed<Started>,
}

impl Steady {
    fn new(started: Started) -> Self {
        Self { progress: Feed::new(started.clone()), started }
    }
}

/// A batch that is under way: an iterator over how far it is.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct BatchRun(Steady);

impl BatchRun {
    fn new(started: Started) -> Self {
        Self(Steady::new(started))
    }
}

#[pymethods]
impl BatchRun {
    /// What it has done, once it is over.
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        wait(py, self.0.started.clone().report())?.into_python(py)
    }

    /// How far it is now.
    #[getter]
    fn progress<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.started.run.progress().into_python(py)
    }

    /// Ends it.
    fn cancel(&self) {
        self.0.started.run.cancel();
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.progress.wait(py)?.map(|progress| progress.into_python(py)).transpose()
    }
}

/// A batch that is under way: an asynchronous iterator over how far it is.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct AsyncBatchRun(Steady);

impl AsyncBatchRun {
    fn new(started: Started) -> Self {
        Self(Steady::new(started))
    }
}

#[pymethods]
impl AsyncBatchRun {
    /// What it has done, once it is over.
    fn report(&self) -> Awaitable {
        let call = self.0.started.clone().report();
        Awaitable::spawned(async move { call.await.map(done) })
    }

    /// How far it is now.
    #[getter]
    fn progress<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.started.run.progress().into_python(py)
    }

    /// Ends it.
    fn cancel(&self) {
        self.0.started.run.cancel();
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(&self) -> Awaitable {
        let progress = self.0.progress.clone();
        Awaitable::spawned(async move { progress.next().await.map(step) })
    }
}
