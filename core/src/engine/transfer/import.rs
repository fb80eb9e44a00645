//! What a file brings, into the store: in batches as large as the store takes well, each true whole or not at all.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Seek as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::MAX_MESSAGES;
use super::items::unreadable;
use super::pending::{Chat, Ids, after, tidied};
use super::source;
use super::steps::{Attached, Begun, Named, Said, Step};
use crate::base::{ConversationId, ErrorKind, Timestamp};
use crate::engine::conversation::{check_fields, check_tags};
use crate::engine::user::UserScope;
use crate::model::{Error, ImportProblem, ImportReport, Preferences, PreferencesChange, Result};
use crate::store::{Anchor, Durability, Op, PageQuery, Precondition, WriteBatch};

/// So many messages go into one batch, and so many bytes; a longer one makes everybody else wait.
const BATCH_MESSAGES: usize = 512;
const BATCH_BYTES: usize = 4 << 20;

/// So many steps, and so many bytes, are handed from the thread that reads to the one that writes at once.
const HANDED_STEPS: usize = 256;
const HANDED_BYTES: usize = 1 << 20;

/// So many problems are told one by one.
const MAX_PROBLEMS: usize = 100;

/// An import, before it is awaited.
#[must_use = "nothing is read until it is awaited"]
#[derive(Clone, Debug)]
pub struct ImportCall {
    user: UserScope,
    path: PathBuf,
    dry_run: bool,
}

impl ImportCall {
    pub(super) fn new(user: UserScope, path: PathBuf) -> Self {
        Self { user, path, dry_run: false }
    }

    /// With true nothing is written: the report says what would be.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }
}

impl IntoFuture for ImportCall {
    type Output = Result<ImportReport>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Dropping the future ends it; what was added stays, and doing it again adds the rest.
    ///
    /// Awaiting it fails with `Invalid`: unreadable_file, unknown_format, newer_format, malformed, truncated, too_deep,
    /// too_large, each with the line and the item; with `Storage` and `Closed`.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let engine = self.user.engine.clone();
            let work = engine.tasks.on_runtime(run(&self)).await;
            work.map_err(|e| engine.failed(e, "user.import_conversations"))
        })
    }
}

async fn run(call: &ImportCall) -> Result<ImportReport> {
    call.user.check()?;
    let stop = CancellationToken::new();
    let _ends = stop.clone().drop_guard();
    let (path, owner) = (call.path.clone(), call.user.owner.clone());
    // All of it once before anything is written.
    let look = move || {
        let mut file = opened(&path)?;
        let mut each = |_| if stop.is_cancelled() { Err(gone()) } else { Ok(()) };
        let format = source::read(BufReader::with_capacity(HANDED_BYTES, &file), &owner, &mut each)?;
        file.rewind().map_err(unreadable)?;
        Ok((file, format))
    };
    let (file, format) = blocking(look).await?;
    let report = ImportReport { format, dry_run: call.dry_run, ..ImportReport::default() };
    let mut writer = Writer {
        user: &call.user,
        report,
        chats: Vec::new(),
        messages: 0,
        bytes: 0,
        seen: HashSet::new(),
        new: Vec::new(),
    };
    let (sender, mut handed) = mpsc::channel(2);
    let owner = call.user.owner.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let (mut steps, mut bytes) = (Vec::new(), 0);
        let mut each = |step| {
            bytes += size(&step);
            steps.push(step);
            if steps.len() < HANDED_STEPS && bytes < HANDED_BYTES {
                return Ok(());
            }
            bytes = 0;
            sender.blocking_send(std::mem::take(&mut steps)).map_err(|_| gone())
        };
        source::read(BufReader::with_capacity(HANDED_BYTES, &file), &owner, &mut each)?;
        sender.blocking_send(steps).map_err(|_| gone())
    });
    while let Some(steps) = handed.recv().await {
        for step in steps {
            writer.take(step).await?;
        }
    }
    reading.await.map_err(|e| Error::internal("reading a file failed").with_source(e))??;
    writer.end().await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Error::internal("reading a file failed").with_source(e))?
}

fn opened(path: &Path) -> Result<File> {
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        return Err(Error::invalid("unreadable_file", "the path is no regular file"));
    }
    File::open(path).map_err(unreadable)
}

/// Nobody waits for what is read any more, so nobody sees it.
fn gone() -> Error {
    Error::new(ErrorKind::Cancelled, "cancelled", "the import was ended")
}

fn size(step: &Step) -> usize {
    match step {
        Step::Message(said) => said.size,
        Step::File(file) => file.data.len(),
        _ => 256,
    }
}

/// Writes, or in a dry run only counts, what the steps say.
struct Writer<'a> {
    user: &'a UserScope,
    report: ImportReport,
    /// Those of which something is not written yet; the last one has not ended.
    chats: Vec<Chat>,
    messages: usize,
    bytes: usize,
    /// The conversations of the file so far, as it calls them.
    seen: HashSet<ConversationId>,
    /// Those that are new here: when each changed last, when it began, and its name.
    new: Vec<(Timestamp, Timestamp, ConversationId)>,
}

impl Writer<'_> {
    async fn take(&mut self, step: Step) -> Result<()> {
        self.bytes += size(&step);
        match step {
            Step::Preferences(preferences) => self.prefer(*preferences).await?,
            Step::Conversation(begun) => self.begin(*begun).await?,
            Step::Message(said) => self.say(*said)?,
            Step::File(file) => self.attach(*file),
            Step::Shown(message) => {
                if let Some(chat) = self.chats.last_mut().filter(|chat| chat.seen.contains(&message)) {
                    chat.shown.push(message);
                }
            }
            Step::Problem(problem) => self.tell(problem),
        }
        if self.messages >= BATCH_MESSAGES || self.bytes >= BATCH_BYTES { self.write().await } else { Ok(()) }
    }

    async fn end(mut self) -> Result<ImportReport> {
        if let Some(last) = self.chats.last_mut() {
            last.has_ended = true;
        }
        self.write().await?;
        self.order().await?;
        Ok(self.report)
    }

    /// Puts what is new into the list in the order in which it changed last: other programs write the latest first.
    async fn order(&mut self) -> Result<()> {
        if self.report.dry_run || self.new.is_sorted_by_key(|(updated, ..)| *updated) {
            return Ok(());
        }
        self.new.sort_by_key(|(updated, ..)| *updated);
        for some in self.new.chunks(BATCH_MESSAGES) {
            let now = self.user.engine.clock.now();
            let dated = some.iter().map(|(updated_at, created_at, id)| Op::DateConversation {
                id: *id,
                created_at: *created_at,
                updated_at: *updated_at,
            });
            let batch = dated.fold(WriteBatch::new(&*self.user.owner, now), WriteBatch::op);
            match self.user.engine.store.apply(batch, Durability::PowerSafe).await {
                // Somebody has deleted one meanwhile: the order is worth no failure.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                applied => drop(applied?),
            }
        }
        Ok(())
    }

    fn tell(&mut self, problem: ImportProblem) {
        self.report.problem_count += 1;
        if self.report.problems.len() < MAX_PROBLEMS {
            self.report.problems.push(problem);
        }
    }

    /// What a user prefers already stays.
    async fn prefer(&mut self, preferences: Preferences) -> Result<()> {
        let (store, owner) = (&self.user.engine.store, &*self.user.owner);
        if store.preferences(owner).await? != Preferences::default() {
            return Ok(());
        }
        let change = PreferencesChange {
            name: Some(preferences.name),
            language: Some(preferences.language),
            time_zone: Some(preferences.time_zone),
            values: preferences.values.into_iter().map(|(name, value)| (name, Some(value))).collect(),
        };
        if let Err(error) = Preferences::default().changed(&change) {
            let at = super::items::At::default();
            self.tell(at.problem(error.reason(), "the preferences of the user cannot be kept; they were left out"));
        } else if !self.report.dry_run {
            let batch = WriteBatch::new(owner, self.user.engine.clock.now()).op(Op::UpdatePreferences(change));
            store.apply(batch, Durability::PowerSafe).await?;
        }
        Ok(())
    }

    async fn begin(&mut self, begun: Begun) -> Result<()> {
        if let Some(last) = self.chats.last_mut() {
            last.has_ended = true;
        }
        let (Named::There(id) | Named::Here(id)) = begun.id;
        let (at, now) = (begun.at, self.user.engine.clock.now());
        let fields = (begun.title.as_deref(), begun.system.as_deref());
        let cannot_be = check_fields(self.user, fields.0, fields.1, None, Some(&begun.metadata));
        let refused = if !self.seen.insert(id) {
            Some(("duplicate_id", "the conversation stands in the file twice; the first one was taken"))
        } else if cannot_be.and_then(|()| check_tags(&begun.tags)).is_err() {
            Some(("bad_conversation", "title, instructions, metadata or tags are too long; it was left out"))
        } else if begun.expires_at.is_some_and(|until| until <= now) {
            Some(("expired", "the time of the conversation is up; it was left out"))
        } else {
            None
        };
        let mut chat = Chat::new(begun, Ids::Same(id), None);
        if let Some((reason, detail)) = refused {
            self.tell(at.problem(reason, detail));
            chat.is_refused = true;
        } else {
            self.find(&mut chat, id).await?;
        }
        self.chats.push(chat);
        Ok(())
    }

    /// Whether it is here already, and under which name.
    async fn find(&self, chat: &mut Chat, id: ConversationId) -> Result<()> {
        let (store, owner) = (&self.user.engine.store, &*self.user.owner);
        if matches!(chat.begun.id, Named::There(_)) {
            let other = after(owner, id);
            if let Some(here) = store.conversation(owner, other).await? {
                (chat.ids, chat.was_there) = (Ids::After(other), Some(here.head_id));
                return Ok(());
            }
        }
        chat.was_there = store.conversation(owner, id).await?.map(|here| here.head_id);
        Ok(())
    }

    fn say(&mut self, mut said: Said) -> Result<()> {
        let Some(chat) = self.chats.last_mut() else { return Ok(()) };
        if chat.is_refused {
            self.report.skipped += 1;
            return Ok(());
        }
        if chat.seen.len() >= MAX_MESSAGES {
            let what = format!("a conversation of more than {MAX_MESSAGES} messages is not imported");
            return Err(said.at.refused("too_large", &what));
        }
        let at = said.at;
        let mut told = Vec::new();
        if said.parent.is_some_and(|parent| !chat.seen.contains(&parent)) {
            told.push(("orphan", "the message above one does not stand before it; it was put at the beginning"));
            said.parent = None;
        }
        if chat.seen.insert(said.id) {
            told.extend(tidied(&mut said.words));
            chat.messages.push(said);
            self.messages += 1;
        } else {
            told = vec![("duplicate_id", "two messages have the same id; the first one was taken")];
            self.report.skipped += 1;
        }
        for (reason, detail) in told {
            self.tell(at.problem(reason, detail));
        }
        Ok(())
    }

    fn attach(&mut self, file: Attached) {
        let Some(chat) = self.chats.last_mut().filter(|chat| !chat.is_refused) else { return };
        if !chat.seen.contains(&file.message) {
            let detail = "the message of a file does not stand before it; it was left out";
            self.tell(file.at.problem("orphan", detail));
        } else if chat.files_seen.insert(file.id) {
            chat.files.push(file);
        }
    }

    /// Writes what is held back.
    async fn write(&mut self) -> Result<()> {
        (self.messages, self.bytes) = (0, 0);
        let mut chats = std::mem::take(&mut self.chats);
        for chat in chats.iter_mut().filter(|chat| chat.was_there.is_some()) {
            self.leave_out(chat).await?;
        }
        if !self.report.dry_run && !self.apply(&chats).await? {
            // One of them cannot be as it is; which, each shows alone.
            for chat in &mut chats {
                self.apply_alone(chat).await?;
            }
        }
        for chat in &mut chats {
            self.note(chat).await?;
        }
        chats.retain(|chat| !chat.has_ended);
        self.chats = chats;
        Ok(())
    }

    /// Takes out what is in the store already.
    async fn leave_out(&mut self, chat: &mut Chat) -> Result<()> {
        let ids = chat.messages.iter().map(|said| chat.ids.message(said.id)).collect();
        let known = self.user.engine.store.known(&self.user.owner, chat.ids.conversation(), ids).await?;
        let known: HashSet<_> = known.into_iter().collect();
        let (ids, present) = (chat.ids, &mut chat.present);
        chat.messages.retain(|said| {
            let is_new = !known.contains(&ids.message(said.id));
            if !is_new {
                present.insert(said.id);
            }
            is_new
        });
        chat.files.retain(|file| !present.contains(&file.message));
        self.report.skipped += i64::try_from(known.len()).unwrap_or(i64::MAX);
        Ok(())
    }

    /// True when it is written; false when the store refuses something of it, and then nothing is.
    async fn apply(&mut self, chats: &[Chat]) -> Result<bool> {
        let now = self.user.engine.clock.now();
        let mut batch = WriteBatch::new(&*self.user.owner, now);
        let mut problems = Vec::new();
        for chat in chats.iter().filter(|chat| !chat.is_refused) {
            let ops = chat.ops(now, &mut problems)?;
            if !ops.is_empty() && (chat.is_written || chat.was_there.is_some()) {
                batch = batch.require(Precondition::Owns { conversation: chat.ids.conversation() });
            }
            batch.ops.extend(ops);
        }
        if !batch.ops.is_empty() {
            match self.user.engine.store.apply(batch, Durability::PowerSafe).await {
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        problems.into_iter().for_each(|problem| self.tell(problem));
        Ok(true)
    }

    /// Writes one conversation, under other ids when somebody has its own; or gives it up.
    async fn apply_alone(&mut self, chat: &mut Chat) -> Result<()> {
        if self.apply(std::slice::from_ref(chat)).await? {
            return Ok(());
        }
        if let Some(other) = chat.other_ids(&self.user.owner) {
            chat.ids = other;
            if self.apply(std::slice::from_ref(chat)).await? {
                return Ok(());
            }
        }
        let detail = "the store has other things under ids of this conversation; what is missing of it was left out";
        self.tell(chat.begun.at.problem("id_taken", detail));
        self.report.skipped += i64::try_from(chat.messages.len()).unwrap_or(i64::MAX);
        chat.is_refused = true;
        Ok(())
    }

    /// Counts what was written, and shows what was said since in a conversation that was here.
    async fn note(&mut self, chat: &mut Chat) -> Result<()> {
        if chat.is_refused {
            return Ok(());
        }
        if !chat.is_written && chat.was_there.is_none() {
            self.report.conversations += 1;
            // An export of this engine stands in the order of the list already.
            if let (Named::Here(_), Some(created)) = (chat.begun.id, chat.begun.created_at) {
                self.new.push((chat.begun.updated_at.unwrap_or(created), created, chat.ids.conversation()));
            }
        }
        self.report.messages += i64::try_from(chat.messages.len()).unwrap_or(i64::MAX);
        chat.is_written = true;
        chat.added += chat.messages.len();
        chat.messages.clear();
        chat.files.clear();
        if let Some(head) = chat.was_there.filter(|_| chat.has_ended && chat.added > 0 && !self.report.dry_run)
            && let Some(message) = chat.shown.last()
        {
            let (store, owner) = (&self.user.engine.store, &*self.user.owner);
            let (conversation, message) = (chat.ids.conversation(), chat.ids.message(*message));
            let goes_on = match head {
                None => true,
                Some(head) => {
                    let query = PageQuery { upto: Some(message), ..PageQuery::new(Anchor::After(head), 1) };
                    // Where another branch is shown, that one stays shown.
                    store.page(owner, conversation, query).await.is_ok_and(|page| page.is_some())
                }
            };
            if goes_on {
                let batch = WriteBatch::new(owner, self.user.engine.clock.now());
                let batch = batch.op(Op::SwitchTo { conversation, message });
                store.apply(batch, Durability::PowerSafe).await?;
            }
        }
        Ok(())
    }
}
