//! The verbs of a user.

use serde_json::json;
use tertulia::{ConversationId, UserScope};

use crate::engine::usage;
use crate::handles::Handle;
use crate::play::Made;
use crate::results::{plain, reply};
use crate::words::{Played, Words, named, wrong};

pub(crate) async fn verb(user: &UserScope, verb: &str, step: &Words<'_>) -> Played<Made> {
    let library = |library| Ok((json!({}), Some(Handle::Library(library))));
    let chat = |chat| Ok((named(&chat), Some(Handle::Conversation(chat))));
    let result = match verb {
        "ask" => match step.value("messages") {
            None => reply(&user.ask(step.said()?).with(step.call()?).await?)?,
            Some(_) => reply(&user.ask(step.messages()?).with(step.call()?).await?)?,
        },
        "new_conversation" => {
            let options = step.conversation()?;
            return chat(match step.value("options") {
                None => user.new_conversation(),
                Some(_) => user.new_conversation_with(options),
            });
        }
        "conversation" => return chat(user.conversation(step.id("id")?)),
        "conversation_for" => return chat(user.conversation_for(step.text("key")?)),
        "list_conversations" => {
            let mut call = user.list_conversations().before(step.cursor("before")?).after(step.cursor("after")?);
            if let Some(limit) = step.get("limit")? {
                call = call.limit(limit);
            }
            call = call.archived(step.or_default("archived")?);
            call = call.pinned(step.get::<bool>("pinned")?).tag(step.get::<String>("tag")?);
            match step.get("unchanged_since")? {
                None => plain(call.await?)?,
                Some(version) => plain(call.unchanged_since(version).await?)?,
            }
        }
        "search" => {
            let mut call = user.search(step.text("words")?).before(step.cursor("before")?);
            if let Some(sort) = step.get("sort")? {
                call = call.sort(sort);
            }
            if let Some(limit) = step.get("limit")? {
                call = call.limit(limit);
            }
            plain(call.await?)?
        }
        "tier" => plain(user.tier())?,
        "budgets" => plain(user.budgets().await?)?,
        "usage" => plain(usage(user.usage(), step)?.await?)?,
        "forecast" => plain(user.forecast(step.need("window")?).await?)?,
        "preferences" => plain(user.preferences().await?)?,
        "update_preferences" => plain(user.update_preferences(step.preferences()?).await?)?,
        "prompts" => return library(user.prompts()),
        "personas" => return library(user.personas()),
        "councils" => return library(user.councils()),
        "library" => return library(user.library(step.text("kind")?)),
        "outbox" => return Ok((json!({}), Some(Handle::Outbox(user.outbox())))),
        "batch" => return Ok((json!({}), Some(Handle::Batch(user.batch())))),
        "export_conversations" => {
            let mut call = user.export_conversations(step.text("path")?);
            if step.value("ids").is_some() {
                call = call.conversations(step.ids::<ConversationId>("ids")?);
            }
            call = call.archived(step.get::<bool>("archived")?).pinned(step.get::<bool>("pinned")?);
            call = call.tag(step.get::<String>("tag")?).with_preferences(step.or_default("preferences")?);
            plain(call.await?)?
        }
        "import_conversations" => {
            plain(user.import_conversations(step.text("path")?).dry_run(step.or_default("dry_run")?).await?)?
        }
        "erase" => plain(user.erase().await?)?,
        "watch_conversations" => {
            let watch = user.watch_conversations()?;
            return Ok((json!({}), Some(Handle::ConversationsWatch(watch, Vec::new()))));
        }
        _ => return wrong(format!("this runner cannot play `user.{verb}`")),
    };
    Ok((result, None))
}
