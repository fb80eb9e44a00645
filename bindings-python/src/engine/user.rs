//! One user: the boundary that everything stored is reached through.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tertulia::engine::SearchCall;
use tertulia::{ConversationId, ConversationOptions, Cursor, PreferencesChange, Result, SearchSort, Secret, Window};

use super::batch::{AsyncBatch, Batch, Steps};
use super::chat::{Chat, Origin};
use super::conversation::{AsyncConversation, Conversation, changed};
use super::library::{AsyncLibrary, Library, Shelf};
use super::options::options;
use super::outbox::{AsyncOutbox, Outbox};
use super::root::{Root, Way};
use super::run::{AsyncRun, Going, Run};
use super::spending::Query;
use super::tertulia::said;
use super::timeline::{AsyncConversationsWatch, ConversationsWatch, conversations};
use super::twins::during;
use crate::convert::{Fields, FromPython, Place, duration_ms};

/// What both handles of a user hold.
#[derive(Clone)]
pub(super) struct Scope {
    pub(super) root: Arc<Root>,
    pub(super) id: Arc<str>,
    pub(super) keys: Arc<[(String, Secret)]>,
}

/// A user on the way to the engine.
pub(super) struct User {
    way: Way,
    id: Arc<str>,
    keys: Arc<[(String, Secret)]>,
}

impl User {
    /// The engine's own handle of the user.
    pub(super) async fn open(&self) -> Result<tertulia::UserScope> {
        let mut user = self.way.open().await?.user(&self.id);
        for (provider, key) in &*self.keys {
            user = user.key(provider, key.clone());
        }
        Ok(user)
    }
}

impl Scope {
    pub(super) fn user(&self, py: Python<'_>) -> PyResult<User> {
        Ok(User { way: self.root.way(py)?, id: Arc::clone(&self.id), keys: Arc::clone(&self.keys) })
    }

    fn fresh(&self, py: Python<'_>, given: Option<&Bound<'_, PyDict>>) -> PyResult<Chat> {
        let fields = Fields::of_keywords("new_conversation", py, given);
        fields.only(&["model", "system", "title", "metadata", "tags", "expires_in"])?;
        let options = ConversationOptions {
            model: fields.take("model")?,
            system: fields.take("system")?,
            title: fields.take("title")?,
            metadata: fields.take("metadata")?,
            tags: fields.take("tags")?,
            expires_in: expires_in(&fields)?.flatten(),
        };
        Ok(Chat {
            scope: self.clone(),
            id: self.root.ids().conversation(),
            origin: Origin::New(options.into()),
            from: None,
        })
    }

    pub(super) fn existing(&self, id: &Bound<'_, PyAny>) -> PyResult<Chat> {
        let id = ConversationId::from_python(id, &Place::named("id"))?;
        Ok(Chat { scope: self.clone(), id, origin: Origin::Existing, from: None })
    }

    fn keyed(&self, key: &Bound<'_, PyAny>) -> PyResult<Chat> {
        let key = String::from_python(key, &Place::named("key"))?;
        let id = ConversationId::derived(&self.id, &key);
        Ok(Chat { scope: self.clone(), id, origin: Origin::New(Arc::default()), from: None })
    }
}

/// How long a conversation stays, in the fields of a call: left out, for ever, or so long.
pub(super) fn expires_in(fields: &Fields<'_, '_>) -> PyResult<Option<Option<Duration>>> {
    let Some(given) = fields.raw("expires_in")? else { return Ok(None) };
    if given.is_none() {
        return Ok(Some(None));
    }
    let millis = duration_ms(&given, &Place::named("expires_in"))?;
    Ok(Some(Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))))
}

/// Ids of conversations.
fn named(ids: &Bound<'_, PyAny>) -> PyResult<Vec<ConversationId>> {
    let at = Place::named("ids");
    ids.try_iter()?.map(|id| ConversationId::from_python(&id?, &at)).collect()
}

/// A cursor that may be left out.
pub(super) fn cursor(value: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<Cursor>> {
    value.map_or(Ok(None), |value| FromPython::from_python(value, &Place::named(name)))
}

/// What is searched for, and how.
pub(super) struct Asked {
    words: String,
    sort: SearchSort,
    limit: usize,
    before: Option<Cursor>,
}

impl Asked {
    pub(super) fn read(
        words: &Bound<'_, PyAny>,
        sort: Option<&Bound<'_, PyAny>>,
        limit: usize,
        before: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let words = String::from_python(words, &Place::named("words"))?;
        let sort = sort.map(|sort| SearchSort::from_python(sort, &Place::named("sort"))).transpose()?;
        Ok(Self { words, sort: sort.unwrap_or_default(), limit, before: cursor(before, "before")? })
    }

    pub(super) fn words(&self) -> String {
        self.words.clone()
    }

    pub(super) fn put(&self, call: SearchCall) -> SearchCall {
        call.sort(self.sort).limit(self.limit).before(self.before)
    }
}

twins! {
    /// The conversations of one user. Another user's cannot be reached through it.
    UserScope / AsyncUserScope (Scope), "user.";
    verbs {
        /// Asks once on this user's account and stores nothing.
        #[pyo3(signature = (content = None, *, messages = None, **options))]
        fn ask(
            &self,
            py,
            content: Option<&Bound<'_, PyAny>>,
            messages: Option<&Bound<'_, PyAny>>,
            options: Option<&Bound<'_, PyDict>>,
        ) {
            let (said, options) = (said(py, content, messages)?, self::options("ask", py, options)?);
            let user = self.0.user(py)?;
            during("ask", async move { user.open().await?.ask(said).with(options).await })
        }

        /// This user's conversations: the pinned ones first, and then the latest activity; nothing when none has changed.
        #[pyo3(signature = (
            *, limit = 50, before = None, after = None, archived = false, pinned = None, tag = None, unchanged_since = None,
        ))]
        #[expect(clippy::too_many_arguments, reason = "these are Python's keywords")]
        fn list_conversations(
            &self,
            py,
            limit: usize,
            before: Option<&Bound<'_, PyAny>>,
            after: Option<&Bound<'_, PyAny>>,
            archived: bool,
            pinned: Option<bool>,
            tag: Option<String>,
            unchanged_since: Option<i64>,
        ) {
            let (before, after) = (cursor(before, "before")?, cursor(after, "after")?);
            let user = self.0.user(py)?;
            async move {
                let call = user.open().await?.list_conversations().limit(limit).before(before).after(after);
                let call = call.archived(archived).pinned(pinned).tag(tag);
                match unchanged_since {
                    Some(version) => call.unchanged_since(version).await,
                    None => call.await.map(Some),
                }
            }
        }

        /// Writes this user's conversations into a file.
        #[pyo3(signature = (path, *, ids = None, archived = None, pinned = None, tag = None, preferences = false))]
        #[expect(clippy::too_many_arguments, reason = "these are Python's keywords")]
        fn export_conversations(
            &self,
            py,
            path: PathBuf,
            ids: Option<&Bound<'_, PyAny>>,
            archived: Option<bool>,
            pinned: Option<bool>,
            tag: Option<String>,
            preferences: bool,
        ) {
            let ids = ids.map(named).transpose()?;
            let user = self.0.user(py)?;
            async move {
                let call = user.open().await?.export_conversations(path).with_preferences(preferences);
                let call = call.archived(archived).pinned(pinned).tag(tag);
                match ids {
                    Some(ids) => call.conversations(ids).await,
                    None => call.await,
                }
            }
        }

        /// Adds the conversations of a file to this user's.
        #[pyo3(signature = (path, *, dry_run = false))]
        fn import_conversations(&self, py, path: PathBuf, dry_run: bool) {
            let user = self.0.user(py)?;
            async move { user.open().await?.import_conversations(path).dry_run(dry_run).await }
        }

        /// Takes out everything of this user.
        fn erase(&self, py) {
            let user = self.0.user(py)?;
            async move { user.open().await?.erase().await }
        }

        /// What this user prefers.
        fn preferences(&self, py) {
            let user = self.0.user(py)?;
            async move { user.open().await?.preferences().await }
        }

        /// Changes what this user prefers.
        #[pyo3(signature = (**changes))]
        fn update_preferences(&self, py, changes: Option<&Bound<'_, PyDict>>) {
            let fields = Fields::of_keywords("update_preferences", py, changes);
            fields.only(&["name", "language", "time_zone", "values"])?;
            let change = PreferencesChange {
                name: changed(&fields, "name")?,
                language: changed(&fields, "language")?,
                time_zone: changed(&fields, "time_zone")?,
                values: fields.take("values")?,
            };
            let user = self.0.user(py)?;
            async move { user.open().await?.update_preferences(change).await }
        }

        /// Searches what was said in this user's conversations.
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
            let user = self.0.user(py)?;
            async move { asked.put(user.open().await?.search(asked.words())).await }
        }

        /// The tier that this user belongs to.
        fn tier(&self, py) {
            let user = self.0.user(py)?;
            async move { user.open().await.map(|user| user.tier()) }
        }

        /// Where every budget stands that holds for this user.
        fn budgets(&self, py) {
            let user = self.0.user(py)?;
            during("budgets", async move { user.open().await?.budgets().await })
        }

        /// What this user has spent, summed up.
        #[pyo3(signature = (*, by = None, since = None, until = None, after = None, limit = 50))]
        fn usage(
            &self,
            py,
            by: Option<&Bound<'_, PyAny>>,
            since: Option<&Bound<'_, PyAny>>,
            until: Option<&Bound<'_, PyAny>>,
            after: Option<String>,
            limit: usize,
        ) {
            let query = Query::read(by, since, until, after, limit)?;
            let user = self.0.user(py)?;
            during("usage", async move { query.ask(user.open().await?.usage()).await })
        }

        /// What this user will have spent in this window at its end.
        fn forecast(&self, py, window: &Bound<'_, PyAny>) {
            let window = Window::from_python(window, &Place::named("window"))?;
            let user = self.0.user(py)?;
            during("forecast", async move { user.open().await?.forecast(window).await })
        }
    }
    both {
        /// Who it is.
        #[getter]
        fn id(&self) -> &str {
            &self.0.id
        }
    }
    sync {
        /// A new conversation. Nothing is written before its first message.
        #[pyo3(signature = (**options))]
        fn new_conversation(&self, py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Conversation> {
            self.0.fresh(py, options).map(Conversation)
        }

        /// A conversation by its id.
        fn conversation(&self, id: &Bound<'_, PyAny>) -> PyResult<Conversation> {
            self.0.existing(id).map(Conversation)
        }

        /// The conversation that belongs to a key of your own.
        fn conversation_for(&self, key: &Bound<'_, PyAny>) -> PyResult<Conversation> {
            self.0.keyed(key).map(Conversation)
        }

        /// A run of this user, from any process, from behind this event on.
        #[pyo3(signature = (run_id, *, after_seq = 0))]
        fn attach_run(&self, run_id: &Bound<'_, PyAny>, after_seq: i64) -> PyResult<Run> {
            Going::attached(&self.0, run_id, after_seq).map(Run)
        }

        /// This user's prompts, and the application's.
        fn prompts(&self) -> Library {
            Library(Shelf::of_user(&self.0, "prompt"))
        }

        /// This user's personas, and the application's.
        fn personas(&self) -> Library {
            Library(Shelf::of_user(&self.0, "persona"))
        }

        /// This user's councils, and the application's.
        fn councils(&self) -> Library {
            Library(Shelf::of_user(&self.0, "council"))
        }

        /// This user's values of a kind, and the application's.
        fn library(&self, kind: &str) -> Library {
            Library(Shelf::of_user(&self.0, kind))
        }

        /// What of this user's messages waits to be sent by itself, is being sent, or was given up.
        fn outbox(&self) -> Outbox {
            Outbox(self.0.clone())
        }

        /// Many changes at once.
        fn batch(&self) -> Batch {
            Batch(Steps::new(self.0.clone()))
        }

        /// This user's conversations as a list that changes by itself.
        fn watch_conversations(&self, py: Python<'_>) -> PyResult<ConversationsWatch> {
            Ok(ConversationsWatch(conversations(self.0.user(py)?)))
        }

        fn __repr__(&self) -> String {
            format!("UserScope({:?})", self.0.id)
        }
    }
    async {
        /// A new conversation. Nothing is written before its first message.
        #[pyo3(signature = (**options))]
        fn new_conversation(&self, py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<AsyncConversation> {
            self.0.fresh(py, options).map(AsyncConversation)
        }

        /// A conversation by its id.
        fn conversation(&self, id: &Bound<'_, PyAny>) -> PyResult<AsyncConversation> {
            self.0.existing(id).map(AsyncConversation)
        }

        /// The conversation that belongs to a key of your own.
        fn conversation_for(&self, key: &Bound<'_, PyAny>) -> PyResult<AsyncConversation> {
            self.0.keyed(key).map(AsyncConversation)
        }

        /// A run of this user, from any process, from behind this event on.
        #[pyo3(signature = (run_id, *, after_seq = 0))]
        fn attach_run(&self, run_id: &Bound<'_, PyAny>, after_seq: i64) -> PyResult<AsyncRun> {
            Going::attached(&self.0, run_id, after_seq).map(AsyncRun)
        }

        /// This user's prompts, and the application's.
        fn prompts(&self) -> AsyncLibrary {
            AsyncLibrary(Shelf::of_user(&self.0, "prompt"))
        }

        /// This user's personas, and the application's.
        fn personas(&self) -> AsyncLibrary {
            AsyncLibrary(Shelf::of_user(&self.0, "persona"))
        }

        /// This user's councils, and the application's.
        fn councils(&self) -> AsyncLibrary {
            AsyncLibrary(Shelf::of_user(&self.0, "council"))
        }

        /// This user's values of a kind, and the application's.
        fn library(&self, kind: &str) -> AsyncLibrary {
            AsyncLibrary(Shelf::of_user(&self.0, kind))
        }

        /// What of this user's messages waits to be sent by itself, is being sent, or was given up.
        fn outbox(&self) -> AsyncOutbox {
            AsyncOutbox(self.0.clone())
        }

        /// Many changes at once.
        fn batch(&self) -> AsyncBatch {
            AsyncBatch(Steps::new(self.0.clone()))
        }

        /// This user's conversations as a list that changes by itself.
        fn watch_conversations(&self, py: Python<'_>) -> PyResult<AsyncConversationsWatch> {
            Ok(AsyncConversationsWatch(conversations(self.0.user(py)?)))
        }

        fn __repr__(&self) -> String {
            format!("AsyncUserScope({:?})", self.0.id)
        }
    }
}
