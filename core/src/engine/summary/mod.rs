//! What a window leaves out, in a model's words: written in the background, shown in front of the window.
//!
//! No turn waits for a summary. A turn that left something out is followed by a task, at most one for each conversation,
//! that reads on from the newest summary of the same branch to where the window begins, has a model write the next one,
//! and keeps it with its last message. What no summary holds yet and the window leaves out is left out until then.

mod words;

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::ask::{self, AskOf};
use super::context::{begins_turn, shown};
use super::conversation::Conversation;
use super::options::CallOptions;
use super::tertulia::Inner;
use super::window::{ContextOptions, Window};
use crate::base::{ConversationId, ErrorKind, MessageId};
use crate::call::CallTarget;
use crate::model::{Error, MessageStatus, Priority, Result};
use crate::policy::{CacheMode, tokens};
use crate::store::{Anchor, Durability, MAX_SUMMARY_BYTES, NewSummary, Op, StoredSummary, WriteBatch};

pub(super) use words::in_front;

/// Messages are read in pages of this many.
const PAGE: usize = 200;

/// How far back of the window the first summary of a branch begins, in messages.
const MAX_MESSAGES: i32 = 10_000;

/// So many tokens of messages go into one summary at most; what is longer takes several, one after the other.
const MAX_TOKENS: u64 = 32_000;

/// What summaries of long conversations go by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SummarySettings {
    /// Whether what a window leaves out is summed up. False.
    pub enabled: bool,
    /// The model that writes summaries, as `provider/model`. The one that the turn asked unless set.
    pub model: Option<String>,
    /// A summary is written when so many turns are in none: those that the window leaves out, and the one that it leaves
    /// out next. 8.
    pub after_turns: u32,
    /// Or when they are so many tokens, by estimate. 4,000.
    pub after_tokens: u32,
    /// So many tokens a summary has at most. 1,000; at least 16.
    pub max_tokens: u32,
    /// What is to be kept, in words of your own; at most 16 KiB. Facts, decisions, open questions and names unless set.
    pub instructions: Option<String>,
}

impl Default for SummarySettings {
    fn default() -> Self {
        Self { enabled: false, model: None, after_turns: 8, after_tokens: 4_000, max_tokens: 1_000, instructions: None }
    }
}

impl SummarySettings {
    /// # Errors
    /// `Invalid` (bad_settings).
    pub(super) fn check(&self) -> Result<()> {
        let bad = |detail: &str| Err(Error::invalid("bad_settings", format!("settings.context.summary.{detail}")));
        if self.after_turns == 0 || self.after_tokens == 0 {
            return bad("after_turns and after_tokens must be at least 1");
        }
        // More would not fit where summaries are kept.
        if !(16..=8_192).contains(&self.max_tokens) {
            return bad("max_tokens must be a number from 16 to 8192");
        }
        if self.instructions.as_ref().is_some_and(|words| words.trim().is_empty() || words.len() > 16 * 1_024) {
            return bad("instructions must be a text of 1 to 16384 bytes");
        }
        Ok(())
    }
}

/// The conversations of which a summary is being written.
#[derive(Default)]
pub(super) struct Writing(Mutex<HashSet<ConversationId>>);

impl Writing {
    fn change<T>(&self, change: impl FnOnce(&mut HashSet<ConversationId>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The one task of a conversation, as long as it is at it.
struct Alone {
    engine: Arc<Inner>,
    conversation: ConversationId,
}

impl Alone {
    fn begin(engine: &Arc<Inner>, conversation: ConversationId) -> Option<Self> {
        let is_new = engine.summaries.change(|writing| writing.insert(conversation));
        is_new.then(|| Self { engine: engine.clone(), conversation })
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.engine.summaries.change(|writing| writing.remove(&self.conversation));
    }
}

/// Has what stands before this message summed up in the background, when enough of it is in no summary. The turn that
/// left something out asked this target with these options.
pub(super) fn follow(chat: &Conversation, options: &CallOptions, target: &CallTarget, before: MessageId) {
    let engine = &chat.user.engine;
    // The next turn that leaves something out has it written.
    if engine.saves_power.load(Ordering::Relaxed) {
        return;
    }
    let Some(alone) = Alone::begin(engine, chat.id) else { return };
    let settings = engine.current().settings.context.summary.clone();
    let model = settings.model.clone().unwrap_or_else(|| target.model.to_string());
    let (key, provider) = (options.key.clone(), target.entry.name.clone());
    let chat = chat.clone();
    let closing = engine.tasks.closing_token().clone();
    engine.tasks.spawn("summary", Some(chat.user.owner.clone()), async move {
        let engine = alone.engine.clone();
        let asked = CallOptions {
            // A key of the call is for the provider that the call asked.
            key: key.filter(|_| model.split_once('/').is_some_and(|(name, _)| *name == *provider)),
            model: Some(model),
            system: Some(words::instructions(&settings)),
            priority: Priority::Background,
            cache: Some(CacheMode::Bypass),
            ..CallOptions::default()
        };
        let work = write(&engine, &chat, &settings, asked, before);
        let written = tokio::select! {
            biased;
            // The next turn that leaves something out has it written again.
            () = closing.cancelled() => Ok(()),
            written = work => written,
        };
        match written {
            // Somebody deleted or changed what was to be summed up, or the engine rests.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Closed)
                    || error.reason() == "bad_cursor" =>
            {
                tracing::debug!(target: "tertulia::engine", operation = "summary", reason = error.reason(), "no summary");
                Ok(())
            }
            written => written,
        }
    });
}

/// Writes one summary after the other until too little is in none.
async fn write(
    engine: &Arc<Inner>,
    chat: &Conversation,
    settings: &SummarySettings,
    mut options: CallOptions,
    before: MessageId,
) -> Result<()> {
    let owner = &chat.user.owner;
    let target = engine.targets.resolve(options.model.as_deref(), None).await?;
    options.sampling.max_tokens = Some(i64::from(settings.max_tokens));
    let whole = ContextOptions { tokens: Some(i64::MAX), ..ContextOptions::default() };
    let window = Window::of(engine, &target, &options.request(&target.model.model), whole);
    loop {
        let Some(place) = engine.store.summary(owner, chat.id, Some(before)).await? else { return Ok(()) };
        let last = place.newest.as_ref();
        let room = window.tokens().saturating_sub(last.map_or(0, |last| tokens(&last.text))).clamp(1, MAX_TOKENS);
        let stretch = read(chat, last, place.depth, before, room).await?;
        let Some(upto) = stretch.upto.filter(|_| stretch.is_due(settings)) else { return Ok(()) };
        let ask = AskOf {
            engine: engine.clone(),
            owner: Some(chat.user.clone()),
            conversation: Some(chat.id),
            content: words::material(last.map(|last| &*last.text), &stretch.lines).into(),
        };
        let reply = ask::open(ask, options.clone(), "conversation.summary").await?.reply().await?;
        let text = words::cut(reply.text().trim(), MAX_SUMMARY_BYTES).to_owned();
        if text.is_empty() {
            return Err(Error::new(
                ErrorKind::OutputInvalid,
                "empty_summary",
                "the model wrote a summary without words",
            ));
        }
        let model = format!("{}/{}", reply.provider, reply.model);
        let new = NewSummary { conversation: chat.id, upto, as_of: place.version, model, text };
        let batch = WriteBatch::new(&**owner, engine.clock.now()).op(Op::PutSummary(new));
        engine.store.apply(batch, Durability::PowerSafe).await?;
        if !stretch.is_cut {
            return Ok(());
        }
    }
}

/// Messages that are in no summary, oldest first.
#[derive(Default)]
struct Stretch {
    /// What each of them says, as a line of JSON.
    lines: Vec<String>,
    turns: u32,
    tokens: u64,
    /// The last one of them.
    upto: Option<MessageId>,
    /// True when more of them stand behind it.
    is_cut: bool,
}

impl Stretch {
    fn is_due(&self, settings: &SummarySettings) -> bool {
        let is_enough = self.turns >= settings.after_turns || self.tokens >= u64::from(settings.after_tokens);
        !self.lines.is_empty() && (self.is_cut || is_enough)
    }
}

/// Reads from behind the last summary up to this message, which stands at this depth, as much as has room.
async fn read(
    chat: &Conversation,
    last: Option<&StoredSummary>,
    depth: i32,
    before: MessageId,
    room: u64,
) -> Result<Stretch> {
    let (store, owner) = (&chat.user.engine.store, &chat.user.owner);
    let mut stretch = Stretch::default();
    let first = depth.saturating_sub(MAX_MESSAGES).max(1);
    let mut anchor = last.map_or(Anchor::At(first), |last| Anchor::After(last.upto));
    while let Some(rows) = store.messages_upto(owner, chat.id, before, anchor, PAGE).await? {
        for message in rows.items {
            // What is still being written is summed up when it has ended.
            if message.id == before || message.status == MessageStatus::Streaming {
                return Ok(stretch);
            }
            let id = message.id;
            if let Some(message) = shown(message) {
                // No text has more tokens than bytes: the longest line has room by itself.
                let line = words::line(&message, usize::try_from(room).unwrap_or(usize::MAX));
                let more = tokens(&line);
                if stretch.tokens.saturating_add(more) > room && !stretch.lines.is_empty() {
                    stretch.is_cut = true;
                    return Ok(stretch);
                }
                stretch.tokens = stretch.tokens.saturating_add(more);
                stretch.turns += u32::from(begins_turn(&message));
                stretch.lines.push(line);
            }
            stretch.upto = Some(id);
            anchor = Anchor::After(id);
        }
        if rows.reached_end {
            break;
        }
    }
    Ok(stretch)
}
