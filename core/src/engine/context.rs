//! What a model is shown of a conversation: the newest messages that fit its window, valid for every dialect.

use std::collections::HashSet;

use super::content::media_of;
use super::media::{MediaKind, MediaPlan, in_hand};
use super::recent::is_words;
use super::summary;
use super::tertulia::Inner;
use super::window::Window;
use crate::base::{ConversationId, Json, MessageId, TurnId};
use crate::model::{Error, Media, MediaSource, Message, MessageStatus, NewMessage, Part, Result, Role, Written};
use crate::policy::tokens_of_message;
use crate::store::{Anchor, Store, StoredSummary};

/// Messages are read in pages of this many.
const PAGE: usize = 200;

/// How far back is looked, in messages.
pub(super) const MAX_MESSAGES: usize = 10_000;

/// The messages up to and including this one (nothing = up to the head), with the answers to earlier ones that came after
/// it (`late` says that there may be some), oldest first, as many as the window has room for by estimate. What does not
/// fit is left out from the oldest on, never in the middle of a tool call and its answer. The newest message is always
/// among them, and so is what it needs: tool results bring their calls and the words that led to them.
pub(super) async fn load(
    engine: &Inner,
    owner: &str,
    conversation: ConversationId,
    upto: Option<MessageId>,
    late: bool,
    window: Window,
    plan: &MediaPlan,
) -> Result<History> {
    let late = match upto.filter(|_| late) {
        Some(message) => late_answers(&*engine.store, owner, conversation, message).await?,
        None => Vec::new(),
    };
    let in_order = late.is_empty();
    let summary = summary_for(engine, owner, conversation, upto, window).await?;
    let beside = summary.as_ref().map(|(_, _, tokens)| window.less(*tokens));
    let store = &*engine.store;
    let (chosen, is_beside) = choose_of(store, owner, conversation, upto, late, window, beside).await?;
    let summary = summary.filter(|_| is_beside);
    let is_as_stored = summary.is_none() && in_order && chosen.is_settled && chosen.newest_first.iter().all(is_words);
    let (is_whole, counted) = (chosen.is_whole, (chosen.newest_first.len(), chosen.tokens));
    let next_out = chosen.next_out.filter(|_| !is_whole && window.sums_up());
    let mut messages = with_files(&*engine.store, owner, chosen.newest_first, plan).await?;
    let summary = summary.map(|(stored, message, tokens)| {
        messages.insert(0, message);
        (stored, tokens)
    });
    let written = match counted {
        _ if !is_as_stored => Written::default(),
        (count, tokens) if count == messages.len() => Written::counted(count, tokens),
        _ => Written::begin(),
    };
    Ok(History { messages, written, is_as_stored, is_whole, summary, next_out })
}

/// The newest summary of what stands before this message, as it stands in front of a window, and its tokens. One that
/// takes more than half of the room is none.
async fn summary_for(
    engine: &Inner,
    owner: &str,
    conversation: ConversationId,
    upto: Option<MessageId>,
    window: Window,
) -> Result<Option<(StoredSummary, NewMessage, u64)>> {
    if !window.sums_up() {
        return Ok(None);
    }
    let place = engine.store.summary(owner, conversation, upto).await?;
    Ok(place.and_then(|place| place.newest).and_then(|stored| {
        let message = summary::in_front(&stored.text);
        let tokens = tokens_of_message(&message);
        (tokens <= window.tokens() / 2).then_some((stored, message, tokens))
    }))
}

/// What a model is shown of a conversation.
pub(super) struct History {
    /// Oldest first.
    pub(super) messages: Vec<NewMessage>,
    /// A place for what is written of them, where they are as they are stored.
    pub(super) written: Written,
    /// True when they are words alone, in the order in which they stand, and stay there, so that every other model is shown
    /// the same, and every later turn.
    pub(super) is_as_stored: bool,
    /// True when nothing was left out.
    pub(super) is_whole: bool,
    /// The summary that stands in front of them, for what was left out, and its tokens.
    pub(super) summary: Option<(StoredSummary, u64)>,
    /// Where something was left out that is to be summed up: the message up to which it is, that one itself left aside. The
    /// oldest turn that is shown is summed up, too: it is left out next.
    pub(super) next_out: Option<MessageId>,
}

/// The answers to earlier messages that came after this message was said, newest first: it waited meanwhile.
async fn late_answers(
    store: &dyn Store,
    owner: &str,
    conversation: ConversationId,
    message: MessageId,
) -> Result<Vec<Message>> {
    let mut behind = Vec::new();
    let mut anchor = Anchor::After(message);
    while behind.len() < MAX_MESSAGES {
        let rows = match store.messages(owner, conversation, anchor, PAGE).await {
            Ok(Some(rows)) => rows,
            Ok(None) => break,
            // It is not on the branch that is shown: nothing stands behind it there.
            Err(error) if error.reason() == "bad_cursor" => break,
            Err(error) => return Err(error),
        };
        let last = rows.items.last().map(|last| last.id);
        behind.extend(rows.items);
        match last {
            Some(last) if !rows.reached_end => anchor = Anchor::After(last),
            _ => break,
        }
    }
    // What was said since, and what was answered to that, the message was said without.
    let since: HashSet<TurnId> =
        behind.iter().filter(|m| m.role != Role::Assistant).filter_map(|m| m.turn_id).collect();
    behind.retain(|m| m.role == Role::Assistant && m.turn_id.is_some_and(|turn| !since.contains(&turn)));
    behind.reverse();
    Ok(behind)
}

/// The messages that the window has room for, newest first. Answers that came late (the first of them are `late`) are
/// put where they belong: behind what they answer.
#[cfg(test)]
pub(super) async fn choose(
    store: &dyn Store,
    owner: &str,
    conversation: ConversationId,
    upto: Option<MessageId>,
    late: Vec<Message>,
    window: Window,
) -> Result<Chosen> {
    choose_of(store, owner, conversation, upto, late, window, None).await.map(|(chosen, _)| chosen)
}

/// The same, or what has room in a smaller window where not everything has room in the large one; and whether it is that.
/// Everything is gone through once.
async fn choose_of(
    store: &dyn Store,
    owner: &str,
    conversation: ConversationId,
    upto: Option<MessageId>,
    late: Vec<Message>,
    window: Window,
    smaller: Option<Window>,
) -> Result<(Chosen, bool)> {
    let mut choice = Choice { chosen: Chosen::new(window), smaller: smaller.map(Chosen::new) };
    choice.go_through(store, owner, conversation, upto, late, window).await?;
    Ok(match choice.smaller.filter(|_| !choice.chosen.is_whole) {
        Some(smaller) => (smaller, true),
        None => (choice.chosen, false),
    })
}

/// What two windows have room for.
struct Choice {
    chosen: Chosen,
    smaller: Option<Chosen>,
}

impl Choice {
    async fn go_through(
        &mut self,
        store: &dyn Store,
        owner: &str,
        conversation: ConversationId,
        upto: Option<MessageId>,
        late: Vec<Message>,
        window: Window,
    ) -> Result<()> {
        let mut anchor = Anchor::End;
        let mut answers: Vec<Message> = Vec::new();
        if let Some(id) = upto {
            let last = store.message(owner, id).await?;
            let last = last.ok_or_else(|| Error::internal("the message of a turn is gone"))?;
            // An answer of this very turn is what is asked for again.
            answers.extend(late.into_iter().filter(|answer| answer.turn_id != last.turn_id));
            self.begin(last);
            anchor = Anchor::Before(id);
        }
        // A few turns are seldom more than a few messages each.
        let limit = window.turns().map_or(PAGE, |turns| turns.saturating_mul(4).min(PAGE));
        while let Some(rows) = store.messages(owner, conversation, anchor, limit).await? {
            let first = rows.items.first().map(|m| m.id);
            for message in rows.items.into_iter().rev() {
                let is_first = rows.reached_start && Some(message.id) == first;
                if message.role == Role::Assistant && message.turn_id.is_some() {
                    answers.push(message);
                    continue;
                }
                let of_it = answers.extract_if(.., |answer| answer.turn_id == message.turn_id);
                for message in of_it.collect::<Vec<_>>().into_iter().chain([message]) {
                    if !self.take(message, is_first) {
                        return Ok(());
                    }
                }
            }
            match first {
                Some(id) if !rows.reached_start => anchor = Anchor::Before(id),
                _ => break,
            }
        }
        for answer in answers {
            if !self.take(answer, false) {
                break;
            }
        }
        Ok(())
    }

    /// Takes the newest message.
    fn begin(&mut self, newest: Message) {
        if let Some(smaller) = &mut self.smaller {
            smaller.take(newest.clone());
        }
        self.chosen.take(newest);
    }

    /// Takes the next older message. False when no older one is wanted.
    fn take(&mut self, message: Message, is_first: bool) -> bool {
        if let Some(smaller) = self.smaller.as_mut().filter(|smaller| !smaller.is_done) {
            smaller.is_done = !smaller.take(message.clone());
            smaller.is_whole &= !smaller.is_done || is_first;
        }
        // What has no room in the large window has none in the smaller one.
        let goes_on = self.chosen.take(message);
        self.chosen.is_whole &= goes_on || is_first;
        goes_on
    }
}

/// The messages that were chosen.
pub(super) struct Chosen {
    pub(super) newest_first: Vec<NewMessage>,
    /// False when one of them may still be taken back: it waits, or waited, for an answer that is not there.
    is_settled: bool,
    /// False when an older one was left out.
    is_whole: bool,
    /// The turn that was answered by the message that was taken last.
    answered: Option<TurnId>,
    /// Tokens of those that were taken.
    tokens: u64,
    /// Tokens that are left.
    room: u64,
    /// Turns that are left, where they are limited.
    turns: Option<usize>,
    full: bool,
    seen: usize,
    owed: Owed,
    /// Where the second turn of those that were taken begins, from the oldest on; where there is one turn alone, where that
    /// begins.
    next_out: Option<MessageId>,
    /// Where the oldest one begins.
    oldest: Option<MessageId>,
    /// True when no older message is wanted.
    is_done: bool,
}

/// What must still come, room or not.
enum Owed {
    Nothing,
    /// The message with one of these calls: its answers are chosen.
    Calls(HashSet<String>),
    /// Words of the user: providers refuse a conversation that begins with the model.
    Words,
}

impl Chosen {
    fn new(window: Window) -> Self {
        Self {
            newest_first: Vec::new(),
            is_settled: true,
            answered: None,
            is_whole: true,
            tokens: 0,
            room: window.tokens(),
            turns: window.turns(),
            full: false,
            seen: 0,
            owed: Owed::Nothing,
            next_out: None,
            oldest: None,
            is_done: false,
        }
    }

    /// Takes the next older message, if it fits or is owed. False when no older one is wanted.
    fn take(&mut self, message: Message) -> bool {
        self.seen += 1;
        // The newest is what is asked now.
        let is_asked_before = message.role != Role::Assistant && self.seen > 1;
        self.is_settled &= !(is_asked_before && message.turn_id.is_some() && message.turn_id != self.answered);
        self.answered = message.turn_id.filter(|_| message.role == Role::Assistant);
        let id = message.id;
        if let Some(message) = shown(message) {
            let needed = self.newest_first.is_empty() || self.pays(&message);
            if self.newest_first.is_empty() {
                let answered: HashSet<String> = answers(&message).collect();
                self.owed = if answered.is_empty() { Owed::Nothing } else { Owed::Calls(answered) };
            }
            let tokens = tokens_of_message(&message);
            self.full |= tokens > self.room;
            if needed || !self.full {
                self.tokens = self.tokens.saturating_add(tokens);
                self.room = self.room.saturating_sub(tokens);
                if begins_turn(&message) {
                    self.next_out = self.oldest.or(Some(id));
                    self.oldest = Some(id);
                    self.turns = self.turns.map(|left| left.saturating_sub(1));
                }
                self.full |= self.turns == Some(0);
                self.newest_first.push(message);
            } else {
                self.is_whole = false;
            }
        }
        self.seen < MAX_MESSAGES && !(self.full && matches!(self.owed, Owed::Nothing))
    }

    /// True when this is owed.
    fn pays(&mut self, message: &NewMessage) -> bool {
        match &self.owed {
            Owed::Nothing => false,
            Owed::Calls(_) if answers_only(message) => true,
            Owed::Calls(answered) => {
                let found = calls(message).any(|id| answered.contains(&id));
                self.owed = if found { Owed::Words } else { Owed::Nothing };
                found
            }
            Owed::Words => {
                let found = begins(message) && !answers_only(message);
                if found {
                    self.owed = Owed::Nothing;
                }
                found
            }
        }
    }
}

/// The chosen messages in reading order and as providers take them, their files in hand: as many of them as the plan
/// has room for, the newest first, and a line in the place of each that is left out.
pub(super) async fn with_files(
    store: &dyn Store,
    owner: &str,
    mut newest_first: Vec<NewMessage>,
    plan: &MediaPlan,
) -> Result<Vec<NewMessage>> {
    let mut room = plan.room();
    for (age, message) in newest_first.iter_mut().enumerate() {
        for part in &mut message.parts {
            fetch(store, owner, part, plan, &mut room, age == 0).await?;
        }
    }
    newest_first.reverse();
    let mut messages = repair(newest_first);
    // Several providers refuse a conversation that does not begin with the user.
    let first = messages.iter().position(begins).unwrap_or(0);
    messages.drain(..first);
    Ok(messages)
}

/// True for what a user says, unless it also answers a call: then it belongs to the turn of that call.
pub(super) fn begins_turn(message: &NewMessage) -> bool {
    message.role == Role::User && answers(message).next().is_none()
}

fn begins(message: &NewMessage) -> bool {
    matches!(message.role, Role::User | Role::System)
}

/// A stored message as a model is shown it; nothing for one that says nothing.
pub(super) fn shown(mut message: Message) -> Option<NewMessage> {
    let withdrawn = message.status == MessageStatus::Cancelled && message.role != Role::Assistant;
    message.parts.retain(|part| !part.is_of_application());
    let visible = message.status != MessageStatus::Deleted && !withdrawn && !message.parts.is_empty();
    visible.then(|| NewMessage { role: message.role, parts: message.parts, metadata: std::collections::HashMap::new() })
}

/// The same for a message that need not be made fit for each request anew; nothing for any other.
pub(super) fn weight_of_words(message: &NewMessage) -> Option<u64> {
    is_words(message).then(|| u64::try_from(weight(message)).unwrap_or(u64::MAX))
}

/// About how many bytes a message takes in memory.
pub(super) fn weight(message: &NewMessage) -> usize {
    message.parts.iter().fold(16, |sum: usize, part| {
        // A size that somebody named may be any.
        sum.saturating_add(match part {
            Part::Text { text, .. } | Part::Reasoning { text } | Part::Refusal { text } => text.len(),
            Part::ToolCall { call } => call.arguments.to_string().len() + call.name.len(),
            Part::ToolResult { result } => {
                result.media.iter().map(weight_of_file).fold(result.output.to_string().len(), usize::saturating_add)
            }
            Part::Image { media } | Part::Audio { media } | Part::File { media } => weight_of_file(media),
            Part::Opaque { .. } => 0,
        })
    })
}

/// A picture or a page costs about as much as a long paragraph, whatever its bytes; a text costs what it is long.
fn weight_of_file(media: &Media) -> usize {
    let is_text = media.mime_type.as_ref().is_some_and(|mime| mime.starts_with("text/"));
    media.size_bytes.filter(|_| is_text).and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(4_000)
}

/// Makes the list one that every provider takes: every call of a tool has its answer right behind it, and every answer
/// its call. Calls that were stored one by one become one message. A call whose answer never came is left out, an
/// answer without its call too: a provider would refuse the conversation for ever.
pub(super) fn repair(mut messages: Vec<NewMessage>) -> Vec<NewMessage> {
    let mut kept: Vec<NewMessage> = Vec::with_capacity(messages.len());
    let mut at = 0;
    while at < messages.len() {
        let mut message = std::mem::replace(&mut messages[at], NewMessage::new(Role::User, Vec::<Part>::new()));
        at += 1;
        while calls(&message).next().is_some() && messages.get(at).is_some_and(only_calls) {
            message.parts.append(&mut messages[at].parts);
            at += 1;
        }
        let called: HashSet<String> = calls(&message).collect();
        if called.is_empty() {
            message.parts.retain(|part| !matches!(part, Part::ToolResult { .. }));
            push(&mut kept, message);
            continue;
        }
        // The answers stand in the messages right behind the call, until somebody else speaks.
        let mut answers = Vec::new();
        while at < messages.len() && answers_only(&messages[at]) {
            answers.append(&mut messages[at].parts);
            at += 1;
        }
        // The user's next words may hold answers beside text.
        let mut rest = Vec::new();
        if let Some(next) = messages.get_mut(at).filter(|m| m.role == Role::User) {
            for part in std::mem::take(&mut next.parts) {
                if matches!(part, Part::ToolResult { .. }) { answers.push(part) } else { rest.push(part) }
            }
            next.parts = rest;
        }
        let mut answered = HashSet::new();
        answers.retain(|part| match part {
            Part::ToolResult { result } => called.contains(&result.call_id) && answered.insert(result.call_id.clone()),
            _ => false,
        });
        message.parts.retain(|part| match part {
            Part::ToolCall { call } => call.provider_executed || answered.contains(&call.id),
            _ => true,
        });
        push(&mut kept, message);
        push(&mut kept, NewMessage::new(Role::Tool, answers));
    }
    kept
}

fn push(kept: &mut Vec<NewMessage>, message: NewMessage) {
    // A signature alone says nothing: what it belonged to is gone.
    if message.parts.iter().any(|part| !matches!(part, Part::Opaque { attached: true, .. })) {
        kept.push(message);
    }
}

fn calls(message: &NewMessage) -> impl Iterator<Item = String> + '_ {
    message.parts.iter().filter_map(|part| match part {
        Part::ToolCall { call } if !call.provider_executed => Some(call.id.clone()),
        _ => None,
    })
}

/// True when the model calls, or thinks, and says nothing to the user.
fn only_calls(message: &NewMessage) -> bool {
    let says_nothing = |p: &Part| matches!(p, Part::ToolCall { .. } | Part::Reasoning { .. } | Part::Opaque { .. });
    message.role == Role::Assistant && message.parts.iter().all(says_nothing)
}

/// The calls that a message answers.
fn answers(message: &NewMessage) -> impl Iterator<Item = String> + '_ {
    message.parts.iter().filter_map(|part| match part {
        Part::ToolResult { result } => Some(result.call_id.clone()),
        _ => None,
    })
}

fn answers_only(message: &NewMessage) -> bool {
    !message.parts.is_empty() && message.parts.iter().all(|part| matches!(part, Part::ToolResult { .. }))
}

/// Puts stored bytes in the place of their ids, as long as there is room for them. Bytes that are gone or left out, and
/// media that the model does not take, become a line that says so.
async fn fetch(
    store: &dyn Store,
    owner: &str,
    part: &mut Part,
    plan: &MediaPlan,
    room: &mut usize,
    always: bool,
) -> Result<()> {
    let stands_in = MediaKind::of_part(part);
    let mut lines = Vec::new();
    for media in media_of(part) {
        let kind = MediaKind::of(media, stands_in);
        lines.push(bring(store, owner, media, kind, plan, room, always).await?);
    }
    let Some(line) = lines.iter().rev().flatten().next().copied() else { return Ok(()) };
    if let Part::ToolResult { result } = part {
        let mut left_out = lines.iter().map(Option::is_some);
        result.media.retain(|_| !left_out.next().unwrap_or(false));
        match &mut result.output {
            Json::String(output) => *output = format!("{output}\n{line}"),
            Json::Null => result.output = line.into(),
            _ => {}
        }
    } else {
        *part = Part::text(line);
    }
    Ok(())
}

/// Has the bytes of one medium in hand, and gives the line that stands in its place where it does not go along.
async fn bring(
    store: &dyn Store,
    owner: &str,
    media: &mut Media,
    kind: MediaKind,
    plan: &MediaPlan,
    room: &mut usize,
    always: bool,
) -> Result<Option<&'static str>> {
    const TOO_MANY: Option<&str> = Some("[a file was left out here: the conversation holds too many of them]");
    if !always && let Some(line) = plan.leaves_out(kind, media) {
        return Ok(Some(line));
    }
    let fits = |bytes: usize, room: usize| always || (room > 0 && bytes <= room);
    let bytes = if let MediaSource::Attachment { id } = media.source {
        let known = media.size_bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
        if !fits(known, *room) {
            // What is older still is left out with it.
            *room = 0;
            return Ok(TOO_MANY);
        }
        let Some(stored) = store.attachment(owner, id).await? else {
            return Ok(Some("[a file that is no longer there]"));
        };
        let bytes = stored.data.len();
        media.mime_type.get_or_insert(stored.mime_type);
        // Whoever named the attachment may have named another size.
        media.size_bytes = i64::try_from(bytes).ok();
        if !always && let Some(line) = plan.leaves_out(MediaKind::of(media, kind), media) {
            return Ok(Some(line));
        }
        if fits(bytes, *room) {
            media.source = MediaSource::Data { data: stored.data.to_vec() };
        }
        bytes
    } else if let Some(bytes) = in_hand(media) {
        bytes
    } else {
        return Ok(None);
    };
    if !fits(bytes, *room) {
        *room = 0;
        return Ok(TOO_MANY);
    }
    *room = room.saturating_sub(bytes);
    Ok(None)
}
