//! The verbs of all other handles.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tertulia::{
    Batch, Conversation, ConversationId, Library, LibraryKey, MessageId, StoreUpkeep, Timeline, TimelineSse,
};

use crate::check::check;
use crate::conversation::focus;
use crate::handles::Handle;
use crate::play::{Made, WAIT};
use crate::results::{plain, response};
use crate::words::{Played, Problem, Words, wrong};

/// How many rows a screen loads unless told otherwise.
const ROWS: usize = 50;

pub(crate) async fn verb(
    handle: &mut Handle,
    verb: &str,
    step: &Words<'_>,
    chat: Option<Conversation>,
) -> Played<Made> {
    let result = match (&mut *handle, verb) {
        (Handle::Timeline(timeline, rows), "next") => {
            until(step, rows, async |rows| {
                let Some(diffs) = timeline.next().await? else { return Ok(false) };
                diffs.into_iter().for_each(|diff| diff.apply(rows));
                Ok(true)
            })
            .await?
        }
        (Handle::Timeline(timeline, _), _) => self::timeline(timeline, verb, step).await?,
        (Handle::ConversationsWatch(watch, rows), "next") => {
            until(step, rows, async |rows| {
                let Some(diffs) = watch.next().await? else { return Ok(false) };
                diffs.into_iter().for_each(|diff| diff.apply(rows));
                Ok(true)
            })
            .await?
        }
        (Handle::ConversationsWatch(watch, _), "load_older") => plain(watch.load_older(count(step)?).await?)?,
        (Handle::OutboxWatch(watch), "next") => one(step, async || Ok(watch.next().await?)).await?,
        (Handle::Events(events), "next") => one(step, async || Ok(events.next().await)).await?,
        (Handle::BatchRun(run), "next") => one(step, async || Ok(run.next().await)).await?,
        (Handle::BatchRun(run), "progress") => plain(run.progress())?,
        (Handle::BatchRun(run), "cancel") => {
            run.cancel();
            Value::Null
        }
        (Handle::BatchRun(run), "report") => plain(run.report().await?)?,
        (Handle::Library(library), _) => self::library(library, verb, step).await?,
        (Handle::LibraryCache(cache), "health") => plain(cache.health())?,
        (Handle::LibraryCache(cache), "clear") => {
            cache.clear();
            Value::Null
        }
        (Handle::LibraryCache(cache), "invalidate") => {
            let (user, name) = (step.or_default::<String>("user")?, step.or_default::<String>("name")?);
            cache.invalidate(&LibraryKey::new(user, step.text("kind")?, name));
            Value::Null
        }
        (Handle::Outbox(outbox), "list") => plain(outbox.list().await?)?,
        (Handle::Outbox(outbox), "retry") => plain(outbox.retry(step.id("turn")?).await?)?,
        (Handle::Outbox(outbox), "discard") => plain(outbox.discard(step.id("turn")?).await?)?,
        (Handle::Outbox(outbox), "watch") => {
            return Ok((json!({}), Some(Handle::OutboxWatch(outbox.watch()))));
        }
        (Handle::Batch(batch), "run" | "start") => {
            let mut work = batch.clone();
            if step.or_default("best_effort")? {
                work = work.best_effort();
            }
            if verb == "start" {
                return Ok((json!({}), Some(Handle::BatchRun(work.start()))));
            }
            plain(work.dry_run(step.or_default("dry_run")?).run().await?)?
        }
        (Handle::Batch(batch), _) => {
            *batch = item(batch.clone(), verb, step, chat)?;
            Value::Null
        }
        (Handle::Store(store), _) => self::store(store, verb, step).await?,
        (Handle::Provider(provider), _) => {
            let mut provider = provider.clone();
            if let Some(key) = step.get::<String>("key")? {
                provider = provider.key(key);
            }
            match verb {
                "models" => plain(provider.models().await?)?,
                _ => response(&provider.request(step.text("method")?, step.text("path")?, step.value("body")).await?),
            }
        }
        (handle, _) => return wrong(format!("this runner cannot play `{}.{verb}`", handle.kind())),
    };
    Ok((result, None))
}

fn count(step: &Words<'_>) -> Played<usize> {
    Ok(step.get("count")?.unwrap_or(ROWS))
}

/// Reads changes until the rows are as the step says.
async fn until<T: Serialize>(
    step: &Words<'_>,
    rows: &mut Vec<T>,
    mut next: impl AsyncFnMut(&mut Vec<T>) -> Played<bool>,
) -> Played {
    let wanted = step.need::<Value>("until")?;
    let waiting = async {
        loop {
            let shown = plain(&*rows)?;
            if check(&wanted, &shown, "").is_ok() {
                return Ok(shown);
            }
            if !next(rows).await? {
                return wrong("it ended before");
            }
        }
    };
    match tokio::time::timeout(WAIT, waiting).await {
        Ok(outcome) => outcome,
        Err(_) => wrong(check(&wanted, &plain(&*rows)?, "").err().unwrap_or_default()),
    }
}

/// Reads one thing after the other until one is as the step says.
async fn one<T: Serialize>(step: &Words<'_>, mut next: impl AsyncFnMut() -> Played<Option<T>>) -> Played {
    let wanted = step.need::<Value>("until")?;
    let mut last = Value::Null;
    let waiting = async {
        while let Some(came) = next().await? {
            last = plain(came)?;
            if check(&wanted, &last, "").is_ok() {
                return Ok(true);
            }
        }
        Ok::<bool, Problem>(false)
    };
    match tokio::time::timeout(WAIT, waiting).await {
        Ok(Ok(true)) => Ok(last),
        Ok(Err(problem)) => Err(problem),
        Ok(Ok(false)) => wrong(format!("it ended with {last}, which is not {wanted}")),
        Err(_) => wrong(format!("the last was {last}, which is not {wanted}")),
    }
}

/// What a page is told first of a timeline: all rows.
async fn first_told(mut sse: TimelineSse) -> Played {
    while let Some(piece) = sse.next().await {
        let told = String::from_utf8_lossy(&piece);
        if let Some(json) = told.lines().find_map(|line| line.strip_prefix("data: ")) {
            return serde_json::from_str(json).or_else(|error| wrong(format!("`{told}`: {error}")));
        }
    }
    Ok(Value::Null)
}

async fn timeline(timeline: &Timeline, verb: &str, step: &Words<'_>) -> Played {
    match verb {
        "load_older" => plain(timeline.load_older(count(step)?).await?),
        "load_newer" => plain(timeline.load_newer(count(step)?).await?),
        "focus" => plain(timeline.focus(focus(step)?).await?),
        "set_read" => plain(timeline.set_read(step.id_if::<MessageId>("upto")?).await?),
        "set_visible" => {
            timeline.set_visible(step.need("first")?, step.need("last")?);
            Ok(Value::Null)
        }
        "dismiss" => plain(timeline.dismiss(step.id("message")?)),
        "sse" => {
            let mut sse = timeline.clone().sse();
            if step.get("detail")?.unwrap_or(false) {
                sse = sse.detailed();
            }
            if let Some(seconds) = step.get("heartbeat_s")? {
                sse = sse.heartbeat(Duration::from_secs(seconds));
            }
            first_told(sse).await
        }
        _ => wrong(format!("this runner cannot play `timeline.{verb}`")),
    }
}

async fn library(library: &Library, verb: &str, step: &Words<'_>) -> Played {
    let name = || step.text("name");
    match verb {
        "get" => plain(library.get(name()?).await?),
        "version" => plain(library.version(name()?, step.need("version")?).await?),
        "put" => {
            let call = library.put(name()?, step.need::<Value>("value")?);
            plain(call.expected_version(step.get::<i64>("expected_version")?).await?)
        }
        "delete" => plain(library.delete(name()?).expected_version(step.get::<i64>("expected_version")?).await?),
        "list" => {
            let mut call =
                library.list().prefix(step.or_default::<String>("prefix")?).after(step.get::<String>("after")?);
            if let Some(limit) = step.get("limit")? {
                call = call.limit(limit);
            }
            plain(call.await?)
        }
        "versions" => {
            let mut call = library.versions(name()?).before(step.get::<i64>("before")?);
            if let Some(limit) = step.get("limit")? {
                call = call.limit(limit);
            }
            plain(call.await?)
        }
        _ => wrong(format!("this runner cannot play `library.{verb}`")),
    }
}

async fn store(store: &StoreUpkeep, verb: &str, step: &Words<'_>) -> Played {
    match verb {
        "verify" => plain(store.verify().await?),
        "repair" => plain(store.repair().await?),
        "storage_report" => plain(store.storage_report().await?),
        "checkpoint" => plain(store.checkpoint().await?),
        "vacuum" => plain(store.vacuum().await?),
        "backup" => plain(store.backup(step.text("path")?).await?),
        _ => wrong(format!("this runner cannot play `store.{verb}`")),
    }
}

/// The batch with one item more.
fn item(batch: Batch, verb: &str, step: &Words<'_>, chat: Option<Conversation>) -> Played<Batch> {
    if let Some(chat) = chat {
        return match verb {
            "append" => Ok(batch.append(&chat, step.messages()?)),
            "edit" => Ok(batch.edit(&chat, step.id("message")?, step.said()?)),
            _ => wrong(format!("this runner cannot play `batch.{verb}`")),
        };
    }
    let chats: Vec<ConversationId> = step.ids("chats")?;
    Ok(match verb {
        "delete" => batch.delete(chats),
        "update" => batch.update(chats, step.change()?),
        "archive" => batch.archive(chats),
        "unarchive" => batch.unarchive(chats),
        "pin" => batch.pin(chats),
        "unpin" => batch.unpin(chats),
        "tag" => batch.tag(chats, step.need::<Vec<String>>("tags")?),
        "untag" => batch.untag(chats, step.need::<Vec<String>>("tags")?),
        "retag" => batch.retag(chats, step.text("old")?, step.text("new")?),
        "export" => batch.export(step.text("path")?, chats),
        _ => return wrong(format!("this runner cannot play `batch.{verb}`")),
    })
}
