//! Conversations out of the store, line by line.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::lines::{ConversationLine, EndLine, FORMAT, FileLine, First, Line, MessageLine, VERSION};
use crate::base::{ConversationId, ErrorKind, MessageId};
use crate::engine::content::media_of;
use crate::engine::conversation::not_found;
use crate::engine::user::UserScope;
use crate::model::{Error, ExportReport, MediaSource, Message, MessageStatus, Result};
use crate::store::{ListQuery, TreeRow};

/// So many messages, and so many conversations, are read at once.
const PAGE: usize = 100;

/// So many bytes are gathered before they go into the file.
const GATHERED: usize = 256 * 1024;

/// An export, before it is awaited.
#[must_use = "nothing is written until it is awaited"]
#[derive(Clone, Debug)]
pub struct ExportCall {
    user: UserScope,
    path: PathBuf,
    ids: Option<Vec<ConversationId>>,
    archived: Option<bool>,
    pinned: Option<bool>,
    tag: Option<String>,
    preferences: bool,
}

impl ExportCall {
    pub(super) fn new(user: UserScope, path: PathBuf) -> Self {
        Self { user, path, ids: None, archived: None, pinned: None, tag: None, preferences: false }
    }

    /// Only these, in this order, whatever else is said of which. One that is not there is `NotFound`.
    pub fn conversations(mut self, ids: impl IntoIterator<Item = ConversationId>) -> Self {
        self.ids = Some(ids.into_iter().collect());
        self
    }

    /// Only those that are archived, or only those that are not; nothing = both.
    pub fn archived(mut self, archived: impl Into<Option<bool>>) -> Self {
        self.archived = archived.into();
        self
    }

    /// Only those that are pinned, or only those that are not; nothing = both.
    pub fn pinned(mut self, pinned: impl Into<Option<bool>>) -> Self {
        self.pinned = pinned.into();
        self
    }

    /// Only those with this tag; nothing = whatever their tags are.
    pub fn tag(mut self, tag: impl Into<Option<String>>) -> Self {
        self.tag = tag.into();
        self
    }

    /// With what the user prefers, too. An import gives it to a user who prefers nothing yet.
    pub fn with_preferences(mut self, preferences: bool) -> Self {
        self.preferences = preferences;
        self
    }
}

impl IntoFuture for ExportCall {
    type Output = Result<ExportReport>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// When it fails, or the future is dropped, nothing is left of the file, and one that was there before is as it was.
    ///
    /// Awaiting it fails with `NotFound`; `Invalid` (bad_path) for a folder and for a file that is no export; `Conflict` (changed_meanwhile) when messages
    /// are removed from a conversation while it is written; `Storage` (io) when the file cannot be written; `Closed`.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let engine = self.user.engine.clone();
            let work = async { written(&self).await?.take_name().await };
            let work = engine.tasks.on_runtime(work).await;
            work.map_err(|e| engine.failed(e, "user.export_conversations"))
        })
    }
}

/// Refuses a path at which no export may be put.
pub(in crate::engine) async fn check_path(path: &Path) -> Result<()> {
    let is_folder = tokio::fs::metadata(path).await.is_ok_and(|about| about.is_dir());
    if path.file_name().is_none() || is_folder {
        return Err(Error::invalid("bad_path", "an export is a file: give a path that ends with its name"));
    }
    // A typing error must not cost a database, the store's own least of all.
    if !may_be_replaced(path).await.map_err(io)? {
        let detail = "another file than an export stands at the path of the export: move it away, or give another path";
        return Err(Error::invalid("bad_path", detail));
    }
    Ok(())
}

/// Writes the whole export beside its place.
pub(in crate::engine) async fn written(call: &ExportCall) -> Result<Whole> {
    let user = &call.user;
    user.check()?;
    let (store, owner) = (&user.engine.store, &*user.owner);
    for id in call.ids.iter().flatten() {
        store.conversation(owner, *id).await?.ok_or_else(|| not_found("conversation"))?;
    }
    let mut out = Out::beside(&call.path).await?;
    out.put(&First { format: FORMAT.to_owned(), version: VERSION }).await?;
    if call.preferences {
        out.put(&Line::Preferences(store.preferences(owner).await?)).await?;
    }
    // What has activity meanwhile moves: it is met again, or it was not met yet.
    let mut seen = HashSet::new();
    match &call.ids {
        Some(ids) => {
            for id in ids.iter().filter(|id| seen.insert(**id)) {
                out.conversation(user, *id).await?;
            }
        }
        None => while sweep(call, &mut out, &mut seen).await? {},
    }
    let (conversations, messages) = (out.report.conversations, out.report.messages);
    out.put(&Line::End(EndLine { conversations, messages })).await?;
    out.whole(&call.path).await
}

/// Writes all that was not seen yet, the latest activity last. True when there was something.
async fn sweep(call: &ExportCall, out: &mut Out, seen: &mut HashSet<ConversationId>) -> Result<bool> {
    let mut shelves: Vec<Shelf> = [false, true]
        .into_iter()
        .filter(|archived| call.archived.is_none_or(|only| only == *archived))
        .map(|archived| Shelf { archived, after: i64::MIN, has_ended: false, rows: VecDeque::new() })
        .collect();
    let mut found = false;
    loop {
        for shelf in &mut shelves {
            shelf.fill(call).await?;
        }
        let next = shelves.iter_mut().filter(|shelf| !shelf.rows.is_empty());
        let next = next.min_by_key(|shelf| shelf.rows.front().map(|(activity, _)| *activity));
        let Some((_, id)) = next.and_then(|shelf| shelf.rows.pop_front()) else { return Ok(found) };
        if seen.insert(id) {
            found = true;
            out.conversation(&call.user, id).await?;
        }
    }
}

/// The conversations that are archived, or those that are not, from the oldest activity on.
struct Shelf {
    archived: bool,
    after: i64,
    has_ended: bool,
    rows: VecDeque<(i64, ConversationId)>,
}

impl Shelf {
    async fn fill(&mut self, call: &ExportCall) -> Result<()> {
        if !self.rows.is_empty() || self.has_ended {
            return Ok(());
        }
        let query = ListQuery {
            limit: PAGE,
            after: Some(self.after),
            archived: self.archived,
            pinned: call.pinned,
            tag: call.tag.clone(),
            ..ListQuery::default()
        };
        let page = call.user.engine.store.conversations(&call.user.owner, query).await?;
        self.has_ended = page.reached_start;
        self.after = page.items.first().map_or(self.after, |(activity, _)| *activity);
        self.rows.extend(page.items.into_iter().rev().map(|(activity, row)| (activity, row.id)));
        Ok(())
    }
}

/// The file on its way. Until it has its name it stands beside it, and goes when this does.
struct Out {
    file: File,
    part: Part,
    bytes: Vec<u8>,
    report: ExportReport,
}

/// The path of a file that is not whole.
struct Part(Option<PathBuf>);

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // It is of no use to anybody; who finds it may delete it.
            drop(std::fs::remove_file(path));
        }
    }
}

impl Out {
    async fn beside(path: &Path) -> Result<Self> {
        check_path(path).await?;
        let part = beside(path, "part");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // At once: a file that is made behind the back of who has gone would stay.
        let file = File::from_std(options.open(&part).map_err(io)?);
        let (bytes, report) = (Vec::with_capacity(GATHERED), ExportReport::default());
        Ok(Self { file, part: Part(Some(part)), bytes, report })
    }

    async fn put(&mut self, line: &(impl Serialize + Sync)) -> Result<()> {
        serde_json::to_writer(&mut self.bytes, line)
            .map_err(|_| Error::internal("a line of an export could not be written as JSON"))?;
        self.bytes.push(b'\n');
        if self.bytes.len() >= GATHERED { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<()> {
        self.file.write_all(&self.bytes).await.map_err(io)?;
        self.report.bytes += i64::try_from(self.bytes.len()).unwrap_or(i64::MAX);
        self.bytes.clear();
        // What one long line took is not kept for all others.
        self.bytes.shrink_to(4 * GATHERED);
        Ok(())
    }

    async fn whole(mut self, path: &Path) -> Result<Whole> {
        self.flush().await?;
        self.file.flush().await.map_err(io)?;
        self.file.sync_all().await.map_err(io)?;
        let Self { file, part, report, .. } = self;
        // Some systems rename no file that is open.
        drop(file.into_std().await);
        Ok(Whole { part, path: path.to_owned(), report })
    }

    /// Writes a conversation, unless it is gone.
    async fn conversation(&mut self, user: &UserScope, id: ConversationId) -> Result<()> {
        let (store, owner) = (&user.engine.store, &*user.owner);
        let Some(row) = store.conversation(owner, id).await? else { return Ok(()) };
        self.put(&Line::Conversation(Box::new(ConversationLine {
            id,
            title: row.title,
            system: row.system,
            model: row.model,
            metadata: row.metadata.into_iter().collect(),
            tags: row.tags,
            pinned: row.pinned,
            archived: row.archived,
            created_at: row.created_at,
            updated_at: row.updated_at,
            expires_at: row.expires_at,
        })))
        .await?;
        self.report.conversations += 1;
        // The last message of each branch that was shown, how far down the branch begins, and which one it is.
        let mut shown: HashMap<MessageId, (i32, usize)> = HashMap::new();
        let mut branches = 0;
        let mut after = None;
        loop {
            let page = store.tree(owner, id, after, PAGE).await.map_err(|error| match error.kind() {
                ErrorKind::NotFound => changed_meanwhile(),
                _ => error,
            })?;
            // It was deleted; what is written is what it was.
            let Some(page) = page else { break };
            for TreeRow { message, selected, left } in page.items {
                after = Some(message.id);
                // An answer that came when a branch had been left is where it leads.
                let goes_on = message.parent_id.filter(|above| selected && row.head_id != Some(*above));
                if let Some(branch) = goes_on.and_then(|above| shown.remove(&above)) {
                    shown.insert(message.id, branch);
                }
                if let Some(left) = left {
                    shown.entry(left).or_insert((message.depth, branches));
                    branches += 1;
                }
                self.message(user, message, selected).await?;
            }
            if page.reached_end {
                break;
            }
        }
        if let Some(head) = row.head_id {
            shown.remove(&head);
            let mut shown: Vec<_> = shown.into_iter().collect();
            shown.sort_by_key(|(_, (depth, branch))| (-depth, *branch));
            for last in shown.into_iter().map(|(last, _)| last).chain([head]) {
                self.put(&Line::Shown(last)).await?;
            }
        }
        Ok(())
    }

    async fn message(&mut self, user: &UserScope, message: Message, selected: bool) -> Result<()> {
        let mut parts = message.parts;
        let mut files = Vec::new();
        for (index, part) in parts.iter_mut().enumerate() {
            for media in media_of(part) {
                if let MediaSource::Attachment { id } = media.source {
                    files.push((i32::try_from(index).unwrap_or(i32::MAX), id));
                }
            }
        }
        self.put(&Line::Message(Box::new(MessageLine {
            id: message.id,
            parent: message.parent_id,
            selected,
            role: message.role,
            // What nobody has ended yet has broken off in the file.
            status: match message.status {
                MessageStatus::Streaming => MessageStatus::Interrupted,
                status => status,
            },
            parts,
            created_at: message.created_at,
            model: message.model,
            finish_reason: message.finish_reason,
            usage: message.usage,
            cost: message.cost,
            metadata: message.metadata.into_iter().collect(),
        })))
        .await?;
        self.report.messages += 1;
        for (part, id) in files {
            // One that is gone stays a name without bytes.
            let Some(stored) = user.engine.store.attachment(&user.owner, id).await? else { continue };
            let data = STANDARD.encode(&stored.data).into();
            let (mime_type, name) = (stored.mime_type, stored.name);
            self.put(&Line::File(FileLine { id, message: message.id, part, mime_type, name, data })).await?;
            self.report.files += 1;
        }
        Ok(())
    }
}

/// A name for something beside this file that nobody else takes.
fn beside(path: &Path, what: &str) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{}.{what}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

/// What is done to names in a folder is on the disk.
async fn sync_folder(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|_| cfg!(unix)) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder).await?.sync_all().await?;
    }
    Ok(())
}

/// An export that is whole and on the disk, and has no name yet. Without one it goes when this does.
pub(in crate::engine) struct Whole {
    part: Part,
    path: PathBuf,
    pub(in crate::engine) report: ExportReport,
}

impl Whole {
    async fn take_name(self) -> Result<ExportReport> {
        let Self { mut part, path, report } = self;
        rename(&mut part, &path).await?;
        Ok(report)
    }

    /// Takes its name in such a way that it can be given back.
    pub(in crate::engine) async fn try_name(self) -> Result<Named> {
        let Self { mut part, path, .. } = self;
        let (aside, mut before) = (beside(&path, "before"), Part(None));
        match tokio::fs::hard_link(&path, &aside).await {
            Ok(()) => before.0 = Some(aside),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // Not every file system has two names for one file.
            Err(_) => {
                before.0 = Some(aside.clone());
                tokio::fs::copy(&path, &aside).await.map_err(io)?;
            }
        }
        let mut named = Named { path, before };
        match rename(&mut part, &named.path).await {
            Ok(()) => Ok(named),
            Err(error) if part.0.is_some() => Err(error),
            Err(error) => {
                named.give_back().await;
                Err(error)
            }
        }
    }
}

async fn rename(part: &mut Part, path: &Path) -> Result<()> {
    if let Some(made) = &part.0 {
        tokio::fs::rename(made, path).await.map_err(io)?;
        part.0 = None;
    }
    sync_folder(path).await.map_err(io)
}

/// An export that has its name, and what had that name before, which goes when this does.
pub(in crate::engine) struct Named {
    path: PathBuf,
    before: Part,
}

impl Named {
    /// Everything stands as it was.
    pub(in crate::engine) async fn give_back(&mut self) {
        let path = &self.path;
        let done = match self.before.0.take() {
            Some(before) => tokio::fs::rename(before, path).await,
            None => tokio::fs::remove_file(path).await,
        };
        if let Err(error) = done.and(sync_folder(path).await) {
            tracing::warn!(target: "tertulia::engine", operation = "user.batch", %error, "an export that is not wanted could not be taken away");
        }
    }
}

/// True when nothing stands there, or an export, or a file without a byte.
async fn may_be_replaced(path: &Path) -> std::io::Result<bool> {
    let file = match File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let mark = format!("{{\"format\":\"{FORMAT}\"");
    let mut beginning = Vec::new();
    file.take(mark.len() as u64).read_to_end(&mut beginning).await?;
    Ok(beginning.is_empty() || beginning == mark.as_bytes())
}

fn changed_meanwhile() -> Error {
    let detail = "messages of a conversation were removed while it was written; export again";
    Error::new(ErrorKind::Conflict, "changed_meanwhile", detail)
}

fn io(error: std::io::Error) -> Error {
    let detail = "the file of the export could not be written; see the source for why";
    Error::new(ErrorKind::Storage, "io", detail).with_source(error)
}
