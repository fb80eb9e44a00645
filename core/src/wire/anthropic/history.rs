//! What was said so far, as turns of blocks.
//!
//! The API knows two speakers; tools answer on the user's side and instructions stand apart. Messages of one
//! speaker in a row become one turn, and in a turn of the user the answers of tools come first, which is where
//! the API looks for them. What only another provider could read (its signatures, its own items, thoughts it
//! did not sign) stays behind.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::json;

use super::request::{Block, BlockKind, CacheControl, ResultBlock, Speaker, Turn};
use super::{media, names, unsupported};
use crate::base::Json;
use crate::model::{Error, NewMessage, Part, PromptCache, Result, Role, ToolCall, ToolResult};
use crate::wire::tools;

/// Most marks the API takes in one request.
const MAX_CACHE_MARKS: usize = 4;

/// The conversation as the API wants it.
pub(super) struct History<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
    /// Files are named that were handed to the provider before.
    pub(super) uses_files: bool,
}

impl<'a> History<'a> {
    pub(super) fn of(
        system: Option<&'a str>,
        messages: &'a [NewMessage],
        cache: Option<&PromptCache>,
        provider: &'a str,
    ) -> Result<Self> {
        let mut history = Self { system: Vec::new(), turns: Vec::new(), uses_files: false };
        history.system.extend(system.and_then(text_block));
        let ran_elsewhere: HashSet<&str> = messages.iter().flat_map(|m| &m.parts).filter_map(executed_call).collect();
        let marks = marks(cache, messages.len())?;
        for (index, message) in messages.iter().enumerate() {
            // Instructions in the middle keep their authority at the top; as words of the user they would lose it.
            if message.role == Role::System {
                history.system.extend(instructions(message)?);
                continue;
            }
            let speaker = if message.role == Role::Assistant { Speaker::Assistant } else { Speaker::User };
            let mut blocks = Blocks { out: Vec::new(), uses_files: false, provider, ran_elsewhere: &ran_elsewhere };
            for part in 0..message.parts.len() {
                blocks.push(speaker, &message.parts, part)?;
            }
            history.uses_files |= blocks.uses_files;
            let mut blocks = blocks.out;
            if marks.contains(&index) {
                mark_last(&mut blocks, cache.is_some_and(|c| c.one_hour));
            }
            history.say(speaker, blocks);
        }
        if history.turns.is_empty() {
            return Err(Error::invalid("empty_message", "there is nothing to answer: every message is empty"));
        }
        history.tidy();
        Ok(history)
    }

    fn say(&mut self, speaker: Speaker, blocks: Vec<Block<'a>>) {
        if blocks.is_empty() {
            return;
        }
        match self.turns.last_mut() {
            Some(turn) if turn.role == speaker => turn.content.extend(blocks),
            _ => self.turns.push(Turn { role: speaker, content: blocks }),
        }
    }

    /// True when tools answer calls that the model made without a thought of this provider before them: another
    /// model made them, or this one before it was told to think.
    pub(super) fn answers_calls_without_thoughts(&self) -> bool {
        let is_result = |block: &Block<'_>| matches!(block.kind, BlockKind::ToolResult { .. });
        let mut answered = false;
        for turn in self.turns.iter().rev() {
            match turn.role {
                Speaker::User if turn.content.iter().all(is_result) => answered = true,
                Speaker::User if !answered && turn.content.iter().any(is_result) => answered = true,
                Speaker::User => return answered,
                Speaker::Assistant if turn.content.first().is_some_and(Block::is_thought) => return false,
                Speaker::Assistant => {}
            }
        }
        answered
    }

    fn tidy(&mut self) {
        for turn in &mut self.turns {
            if turn.role == Speaker::User {
                turn.content.sort_by_key(|block| !matches!(block.kind, BlockKind::ToolResult { .. }));
            }
        }
        // An answer that shall be gone on with may not end in blanks.
        if let Some(Turn { role: Speaker::Assistant, content }) = self.turns.last_mut()
            && let Some(Block { kind: BlockKind::Text { text, .. }, .. }) = content.last_mut()
        {
            *text = text.trim_end();
        }
    }
}

/// Collects the blocks of one message.
struct Blocks<'a, 's> {
    out: Vec<Block<'a>>,
    uses_files: bool,
    provider: &'a str,
    ran_elsewhere: &'s HashSet<&'a str>,
}

impl<'a> Blocks<'a, '_> {
    fn push(&mut self, speaker: Speaker, parts: &'a [Part], at: usize) -> Result<()> {
        let attached = |name| attached(parts, at, self.provider, name);
        let kind = match (&parts[at], speaker) {
            (Part::Text { text, .. }, _) => match text_block(text) {
                Some(Block { kind: BlockKind::Text { text, .. }, .. }) => {
                    BlockKind::Text { text, citations: attached(names::CITATIONS) }
                }
                _ => return Ok(()),
            },
            (Part::Refusal { text }, Speaker::Assistant) => match text_block(text) {
                Some(block) => block.kind,
                None => return Ok(()),
            },
            (Part::Reasoning { text }, Speaker::Assistant) => match attached(names::SIGNATURE) {
                Some(signature) => BlockKind::Thinking { thinking: text, signature },
                None => return Ok(()),
            },
            (Part::Image { media } | Part::File { media }, Speaker::User) => {
                let block = media::block(media, matches!(parts[at], Part::Image { .. }), self.provider)?;
                self.uses_files |= block.is_provider_file();
                block.into_kind()
            }
            (Part::ToolCall { call }, Speaker::Assistant) => {
                if call.provider_executed {
                    return Ok(());
                }
                tool_use(call, attached(names::TOOL_USE))?
            }
            (Part::ToolResult { result }, Speaker::User) => {
                if self.ran_elsewhere.contains(result.call_id.as_str()) {
                    return Ok(());
                }
                self.tool_result(result)?
            }
            (Part::Opaque { provider, attached, data, .. }, Speaker::Assistant) => {
                if *attached || provider != self.provider || !data.is_object() {
                    return Ok(());
                }
                BlockKind::Opaque(data)
            }
            (Part::Opaque { .. }, Speaker::User) => return Ok(()),
            (Part::Audio { .. }, _) => return Err(unsupported("this provider hears no sounds: send a transcript")),
            (Part::Image { .. } | Part::File { .. }, Speaker::Assistant) => {
                return Err(unsupported("this provider takes pictures and documents from the user only"));
            }
            _ => {
                return Err(unsupported(
                    "a part stands in a message of the wrong role, or is not known to this dialect",
                ));
            }
        };
        self.out.push(kind.into());
        Ok(())
    }

    fn tool_result(&mut self, result: &'a ToolResult) -> Result<BlockKind<'a>> {
        let mut content = Vec::new();
        let text: Cow<'a, str> = match &result.output {
            Json::Null => Cow::Borrowed(""),
            Json::String(text) => Cow::Borrowed(text),
            other => Cow::Owned(other.to_string()),
        };
        if !text.trim().is_empty() {
            content.push(ResultBlock::Text { text });
        }
        for media in &result.media {
            let block = media::block(media, false, self.provider)?;
            self.uses_files |= block.is_provider_file();
            content.push(block.into_result());
        }
        Ok(BlockKind::ToolResult { tool_use_id: call_id(&result.call_id), content, is_error: result.is_error })
    }
}

fn tool_use<'a>(call: &'a ToolCall, further: Option<&'a Json>) -> Result<BlockKind<'a>> {
    if call.name.is_empty() {
        return Err(unsupported("a tool call without a name cannot be sent"));
    }
    let input = match (tools::text_arguments(call), &call.arguments) {
        (Some(wrapped), _) => Cow::Owned(wrapped),
        (None, Json::Object(_)) => Cow::Borrowed(&call.arguments),
        (None, Json::Null) => Cow::Owned(json!({})),
        // Cut-off arguments: the API takes objects only, and the model should see what it wrote.
        (None, other) => Cow::Owned(json!({ "malformed_arguments": other })),
    };
    Ok(BlockKind::ToolUse {
        id: call_id(&call.id),
        name: &call.name,
        input,
        further: further.and_then(Json::as_object),
    })
}

/// Ids made by other providers may hold characters that this API refuses.
fn call_id(id: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if id.chars().all(fits) { Cow::Borrowed(id) } else { Cow::Owned(id.replace(|c| !fits(c), "_")) }
}

fn executed_call(part: &Part) -> Option<&str> {
    match part {
        Part::ToolCall { call } if call.provider_executed => Some(&call.id),
        _ => None,
    }
}

/// The data of this name that belongs to the part at this place.
fn attached<'a>(parts: &'a [Part], at: usize, provider: &str, name: &str) -> Option<&'a Json> {
    parts[at + 1..]
        .iter()
        .map_while(|part| match part {
            Part::Opaque { attached: true, provider, name, data } => Some((provider, name, data)),
            _ => None,
        })
        .find(|(p, n, _)| *p == provider && *n == name)
        .map(|(_, _, data)| data)
}

/// Words as a block; blanks alone are none, because the API refuses them.
fn text_block(text: &str) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then(|| BlockKind::Text { text, citations: None }.into())
}

fn instructions(message: &NewMessage) -> Result<Vec<Block<'_>>> {
    let mut blocks = Vec::new();
    for part in &message.parts {
        match part {
            Part::Text { text, .. } => blocks.extend(text_block(text)),
            Part::Opaque { .. } => {}
            _ => return Err(unsupported("instructions are text: put pictures, documents and tools in other messages")),
        }
    }
    Ok(blocks)
}

/// The messages up to which the provider shall keep everything.
fn marks(cache: Option<&PromptCache>, messages: usize) -> Result<HashSet<usize>> {
    let Some(cache) = cache else { return Ok(HashSet::new()) };
    let marks: HashSet<usize> = cache
        .messages
        .iter()
        .map(|index| usize::try_from(*index).ok().filter(|index| *index < messages))
        .collect::<Option<_>>()
        .ok_or_else(|| unsupported("`prompt_cache.messages` names a message that is not there; they count from 0"))?;
    if marks.len() + usize::from(cache.system) > MAX_CACHE_MARKS {
        return Err(unsupported("this provider keeps at most 4 beginnings of a prompt: name fewer in `prompt_cache`"));
    }
    Ok(marks)
}

/// Marks the last block that may carry a mark: thoughts and the provider's own blocks go back untouched.
pub(super) fn mark_last(blocks: &mut [Block<'_>], one_hour: bool) {
    let may = |block: &&mut Block<'_>| !matches!(block.kind, BlockKind::Thinking { .. } | BlockKind::Opaque(_));
    if let Some(block) = blocks.iter_mut().rev().find(may) {
        block.cache_control = Some(CacheControl::new(one_hour));
    }
}
