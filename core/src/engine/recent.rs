//! The histories that models were shown last, so that the next turn of a conversation need not read and decode its own
//! anew.
//!
//! A message that has ended never changes, and neither does what stands above it: the history that ends with a message
//! is the same for ever, whichever process wrote it, and is known by that message's id alone. A turn takes the history
//! out, lends it to its request, and puts it back with its own two messages behind it, so that nothing is copied. What is
//! deleted is the exception: every history is known with the number of the last deletion that it has heard of.
//!
//! With it goes what the dialect has written of it for the wire, so that the next turn writes its own messages alone.
//!
//! Only words are kept. Calls of tools, files and what belongs to one provider are made fit for each request anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::context::{MAX_MESSAGES, weight_of_words};
use super::tertulia::Inner;
use super::window::Window;
use crate::base::{ConversationId, MessageId};
use crate::model::{ChatRequest, NewMessage, Part, Role, Written};
use crate::store::Placed;

/// All histories together, about, each as it is and as it was written.
const MAX_BYTES: usize = 32 << 20;

/// So many conversations; those that were not used for longest go first.
const MAX_HISTORIES: usize = 1_024;

/// Histories by their conversation.
#[derive(Default)]
pub(super) struct Recent(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    histories: HashMap<ConversationId, History>,
    bytes: usize,
    /// Grows with every use.
    uses: u64,
}

struct History {
    /// The message that it ends with.
    last: MessageId,
    /// The number of the last deletion in its conversation.
    deletion: i64,
    /// Oldest first, from the beginning of the conversation on.
    messages: Vec<NewMessage>,
    /// The same as it was written for the wire.
    written: Written,
    bytes: usize,
    used: u64,
}

/// The message of a turn, and where it was put.
pub(super) struct Said {
    pub(super) message: NewMessage,
    pub(super) placed: Placed,
}

impl Said {
    /// Nothing for a message that has to be made fit for each provider.
    pub(super) fn new(message: Option<NewMessage>, placed: &[Placed]) -> Option<Self> {
        Some(Self { message: message?, placed: *placed.first()? })
    }
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out the history that ends with this message. Another one of the conversation is forgotten: it has gone on
    /// elsewhere.
    pub(super) fn take(
        &self,
        conversation: ConversationId,
        last: MessageId,
        deletion: i64,
    ) -> Option<(Vec<NewMessage>, Written)> {
        let history = self.lock().remove(conversation)?;
        (history.last == last && history.deletion == deletion).then_some((history.messages, history.written))
    }

    /// Keeps the whole history that ends with this message, if it is made of words alone.
    pub(super) fn keep(
        &self,
        conversation: ConversationId,
        last: MessageId,
        deletion: i64,
        messages: Vec<NewMessage>,
        written: Written,
    ) {
        let Some(words) = written.weight(&messages, weight_of_words) else { return };
        let around = messages.len() * (size_of::<NewMessage>() + size_of::<Part>());
        let bytes = usize::try_from(words).unwrap_or(usize::MAX).saturating_add(around + written.room());
        if bytes > MAX_BYTES {
            return;
        }
        let mut kept = self.lock();
        kept.remove(conversation);
        while kept.histories.len() >= MAX_HISTORIES || kept.bytes + bytes > MAX_BYTES {
            let oldest = kept.histories.iter().min_by_key(|(_, history)| history.used).map(|(id, _)| *id);
            let Some(oldest) = oldest else { break };
            kept.remove(oldest);
        }
        kept.uses += 1;
        kept.bytes += bytes;
        let history = History { last, deletion, messages, written, bytes, used: kept.uses };
        kept.histories.insert(conversation, history);
    }

    /// Nothing of any conversation stays in memory.
    pub(super) fn forget_all(&self) {
        let mut kept = self.lock();
        (kept.histories, kept.bytes) = (HashMap::new(), 0);
    }

    /// The conversation is deleted: nothing of it stays in memory.
    pub(super) fn forget(&self, conversation: ConversationId) {
        self.lock().remove(conversation);
    }
}

impl Kept {
    fn remove(&mut self, conversation: ConversationId) -> Option<History> {
        let history = self.histories.remove(&conversation)?;
        self.bytes -= history.bytes;
        Some(history)
    }
}

/// What a model is shown, without a look at the store, when this is the next message of a history that was shown last.
pub(super) fn recall(
    engine: &Inner,
    conversation: ConversationId,
    said: &Said,
    window: Window,
) -> Option<(Vec<NewMessage>, Written)> {
    let (mut messages, written) = match said.placed.parent {
        Some(parent) => engine.recent.take(conversation, parent, said.placed.deletion)?,
        None => (Vec::with_capacity(2), Written::begin()),
    };
    messages.push(said.message.clone());
    let fits = messages.len() < MAX_MESSAGES && window.holds(&messages, &written);
    fits.then_some((messages, written))
}

/// Takes back the messages that were lent to a request, for the next turn, with the answer behind them. Only the whole
/// history is of use: what was left out of it for this model may have room with another.
pub(super) fn remember(
    engine: &Inner,
    conversation: ConversationId,
    said: &Said,
    request: Arc<ChatRequest>,
    reply: MessageId,
    parts: &[Part],
) {
    // Somebody still holds the request, or it is not as it was lent: the next turn reads the history anew.
    let Some(ChatRequest { mut messages, written, .. }) = Arc::into_inner(request) else { return };
    if usize::try_from(said.placed.depth) == Ok(messages.len()) {
        messages.push(NewMessage::new(Role::Assistant, parts.to_vec()));
        engine.recent.keep(conversation, reply, said.placed.deletion, messages, written);
    }
}

/// True when nothing about the message has to be made fit for a provider.
pub(super) fn is_words(message: &NewMessage) -> bool {
    let is_words = |part: &Part| matches!(part, Part::Text { .. } | Part::Reasoning { .. } | Part::Refusal { .. });
    !message.parts.is_empty() && message.parts.iter().all(is_words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Json;

    fn chat(number: u8) -> ConversationId {
        ConversationId::from_bytes([number; 16])
    }

    fn message(number: u8) -> MessageId {
        MessageId::from_bytes([number; 16])
    }

    /// The number of the last deletion that all of these have heard of.
    const DELETION: i64 = 7;

    fn keep(recent: &Recent, conversation: ConversationId, last: MessageId, messages: Vec<NewMessage>) {
        recent.keep(conversation, last, DELETION, messages, Written::default());
    }

    fn take(recent: &Recent, conversation: ConversationId, last: MessageId) -> Option<Vec<NewMessage>> {
        recent.take(conversation, last, DELETION).map(|(messages, _)| messages)
    }

    fn said(text: &str) -> Vec<NewMessage> {
        vec![NewMessage::user(text), NewMessage::assistant("yes")]
    }

    #[test]
    fn a_history_is_given_once_and_only_for_the_message_it_ends_with() {
        let recent = Recent::default();
        keep(&recent, chat(1), message(1), said("one"));
        assert_eq!(take(&recent, chat(2), message(1)), None);
        assert_eq!(take(&recent, chat(1), message(1)), Some(said("one")));
        assert_eq!(take(&recent, chat(1), message(1)), None);
        keep(&recent, chat(1), message(2), said("two"));
        assert_eq!(take(&recent, chat(1), message(1)), None, "the conversation has gone on elsewhere");
        assert_eq!(take(&recent, chat(1), message(2)), None, "and what was known of it is of no use");
    }

    #[test]
    fn a_history_from_before_a_deletion_is_of_no_use() {
        let recent = Recent::default();
        keep(&recent, chat(1), message(1), said("one"));
        assert_eq!(recent.take(chat(1), message(1), DELETION + 1).map(|_| ()), None);
        assert_eq!(recent.lock().bytes, 0);
    }

    #[test]
    fn a_deleted_conversation_leaves_nothing_behind() {
        let recent = Recent::default();
        keep(&recent, chat(1), message(1), said("one"));
        recent.forget(chat(1));
        assert_eq!(take(&recent, chat(1), message(1)), None);
        assert_eq!(recent.lock().bytes, 0);
    }

    #[test]
    fn what_was_not_used_for_longest_makes_room() {
        let recent = Recent::default();
        let long = "x".repeat(MAX_BYTES / 4);
        for number in 1..=3 {
            keep(&recent, chat(number), message(number), said(&long));
        }
        let first = take(&recent, chat(1), message(1)).unwrap();
        keep(&recent, chat(1), message(1), first);
        keep(&recent, chat(4), message(4), said(&long));
        assert!(recent.lock().bytes <= MAX_BYTES);
        assert_eq!(take(&recent, chat(2), message(2)), None);
        for number in [1, 3, 4] {
            assert!(take(&recent, chat(number), message(number)).is_some(), "{number}");
        }
        assert_eq!(recent.lock().bytes, 0);
        keep(&recent, chat(1), message(1), said(&"x".repeat(MAX_BYTES)));
        assert_eq!(take(&recent, chat(1), message(1)), None, "one alone may be too long");
    }

    #[test]
    fn what_was_written_of_a_history_is_counted_with_it() {
        let recent = Recent::default();
        let written = Written::begin();
        let messages = said("one");
        let each = |_: &NewMessage, out: &mut Vec<u8>| {
            out.extend_from_slice(&[b'x'; 100_000]);
            Ok(())
        };
        written.body("k", b"[", b"]", &messages, each).unwrap();
        recent.keep(chat(1), message(1), DELETION, messages, written);
        assert!(recent.lock().bytes > 200_000);
        let (messages, written) = recent.take(chat(1), message(1), DELETION).unwrap();
        let again = written.body("k", b"[", b"]", &messages, |_, _| panic!("it is written")).unwrap();
        assert_eq!(again.unwrap().len(), 200_003);
        assert_eq!(recent.lock().bytes, 0);
    }

    #[test]
    fn what_is_not_words_alone_is_not_kept() {
        let recent = Recent::default();
        let opaque = Part::Opaque { provider: "p".into(), name: "n".into(), attached: true, data: Json::Null };
        for parts in [vec![opaque], vec![Part::image(crate::model::Media::url("https://a.example"))], Vec::new()] {
            keep(&recent, chat(1), message(1), vec![NewMessage::new(Role::Assistant, parts)]);
            assert_eq!(take(&recent, chat(1), message(1)), None);
        }
    }
}
