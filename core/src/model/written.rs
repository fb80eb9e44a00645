//! What of a request was written for the wire before, so that a long conversation is not written anew for each turn.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

use super::error::Result;
use super::message::{NewMessage, Role};
use super::part::Part;

/// Room for what the next turns add.
const SLACK: usize = 8 << 10;

/// The messages of a request as its dialect wrote them, taken along from turn to turn. Says nothing of its own: requests
/// are the same whatever was written of them, and a copy, whose messages may be changed, begins with nothing.
#[derive(Default)]
pub struct Written(Option<Arc<Mutex<Sheet>>>);

/// The last body: what stands before the messages, the messages, what stands behind them. The next one is made of it in
/// place, once nobody sends it any more.
#[derive(Default)]
struct Sheet {
    /// What the writing of a message depends on, besides the message.
    key: String,
    /// How many messages are written.
    messages: usize,
    body: Bytes,
    /// How long that is which stands before the messages.
    head: usize,
    /// Where the first message begins, and where the last one ends.
    start: usize,
    end: usize,
    /// How much memory the body takes.
    room: usize,
    sums: Sums,
}

/// What was added up of the messages: a long conversation is gone through once, not once for each turn.
#[derive(Clone, Copy, Default)]
struct Sums {
    words: Sum,
    tokens: Sum,
    weight: Sum,
}

/// The sum of the first messages.
#[derive(Clone, Copy, Default)]
struct Sum {
    messages: usize,
    sum: u64,
}

impl Sum {
    /// With those that came since; anew where there are fewer now. Nothing, and as it was, where one of them has no such
    /// number.
    fn add(&mut self, messages: &[NewMessage], each: impl Fn(&NewMessage) -> Option<u64>) -> Option<u64> {
        let known = if self.messages <= messages.len() { *self } else { Self::default() };
        let sum = messages[known.messages..]
            .iter()
            .try_fold(known.sum, |sum, message| Some(sum.saturating_add(each(message)?)))?;
        *self = Self { messages: messages.len(), sum };
        Some(sum)
    }
}

impl Written {
    /// Nothing yet, and a place for it.
    #[cfg_attr(not(any(test, feature = "engine")), expect(dead_code, reason = "the engine keeps what is written"))]
    pub(crate) fn begin() -> Self {
        Self(Some(Arc::default()))
    }

    /// Nothing yet, of so many messages that were counted already: so many tokens.
    #[cfg_attr(not(any(test, feature = "engine")), expect(dead_code, reason = "the engine keeps what is written"))]
    pub(crate) fn counted(messages: usize, tokens: u64) -> Self {
        let sums = Sums { tokens: Sum { messages, sum: tokens }, ..Sums::default() };
        Self(Some(Arc::new(Mutex::new(Sheet { sums, ..Sheet::default() }))))
    }

    /// The same sheet, for a request with the same messages.
    #[cfg_attr(not(any(test, feature = "engine")), expect(dead_code, reason = "the engine keeps what is written"))]
    pub(crate) fn share(&self) -> Self {
        Self(self.0.clone())
    }

    /// How much memory it takes, in bytes.
    #[cfg_attr(not(any(test, feature = "engine")), expect(dead_code, reason = "the engine keeps what is written"))]
    pub(crate) fn room(&self) -> usize {
        self.sheet().map_or(0, |sheet| sheet.room + sheet.key.len() + size_of::<Sheet>())
    }

    /// True when there is a place for what is written.
    pub(crate) const fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    fn sheet(&self) -> Option<MutexGuard<'_, Sheet>> {
        self.0.as_ref().map(|sheet| sheet.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The body `head`, messages with commas between them, `tail`. Only messages that were not written under this key
    /// before are handed to `each`, which adds them as JSON, or nothing for one that the dialect leaves out. Nothing is
    /// given, and all has to be written anew, where there is no sheet or not only words are said.
    ///
    /// # Errors
    /// What `each` says.
    pub(crate) fn body(
        &self,
        key: &str,
        head: &[u8],
        tail: &[u8],
        messages: &[NewMessage],
        mut each: impl FnMut(&NewMessage, &mut Vec<u8>) -> Result<()>,
    ) -> Result<Option<Bytes>> {
        let Some(mut sheet) = self.sheet() else { return Ok(None) };
        let mut before = std::mem::take(&mut *sheet);
        let words_before = before.sums.words.sum;
        let words = before.sums.words.add(messages, words_of);
        sheet.sums = before.sums;
        let Some(words) = words else { return Ok(None) };
        debug_assert_eq!(Sum::default().add(messages, words_of), Some(words), "what was said never changes");
        let is_known = before.key == key && before.messages <= messages.len();
        let (old, written) = if is_known { (before.body, before.messages) } else { (Bytes::new(), 0) };
        let (start, end) = if is_known { (before.start, before.end) } else { (0, 0) };
        let (mut out, mut start) = match old.try_into_mut() {
            Ok(mut out) if is_known && out[..before.head] == *head => {
                out.truncate(end);
                (out, start)
            }
            old => {
                // Somebody sends it still, or what stands before the messages is another.
                let old = old.map_or_else(|old| old, BytesMut::freeze);
                let new = words - if is_known { words_before } else { 0 };
                let new = usize::try_from(new + new / 16).unwrap_or(0);
                let room = head.len() + (end - start) + new + 64 * (messages.len() - written) + tail.len();
                let mut out = BytesMut::with_capacity(room + SLACK);
                out.extend_from_slice(head);
                if start < end {
                    part(&mut out);
                }
                let begin = out.len();
                out.extend_from_slice(&old[start..end]);
                (out, begin)
            }
        };
        let mut one = Vec::new();
        for message in &messages[written..] {
            each(message, &mut one)?;
            if one.is_empty() {
                continue;
            }
            let is_first = out.len() == head.len();
            part(&mut out);
            if is_first {
                start = out.len();
            }
            out.extend_from_slice(&one);
            one.clear();
        }
        let end = out.len();
        out.extend_from_slice(tail);
        let room = out.capacity();
        let body = out.freeze();
        let (key, head, sums) = (key.to_owned(), head.len(), sheet.sums);
        *sheet = Sheet { key, messages: messages.len(), body: body.clone(), head, start, end, room, sums };
        Ok(Some(body))
    }

    /// The sum of the tokens of the messages, each of which is counted once.
    pub(crate) fn tokens(&self, messages: &[NewMessage], each: impl Fn(&NewMessage) -> u64) -> u64 {
        let each = |message: &NewMessage| Some(each(message));
        let sum = match self.sheet() {
            Some(mut sheet) => sheet.sums.tokens.add(messages, each),
            None => Sum::default().add(messages, each),
        };
        sum.unwrap_or(u64::MAX)
    }

    /// The sum of what the messages weigh, each of which is weighed once; nothing where one of them has no weight.
    #[cfg_attr(not(any(test, feature = "engine")), expect(dead_code, reason = "the engine keeps what is written"))]
    pub(crate) fn weight(&self, messages: &[NewMessage], each: impl Fn(&NewMessage) -> Option<u64>) -> Option<u64> {
        match self.sheet() {
            Some(mut sheet) => sheet.sums.weight.add(messages, each),
            None => Sum::default().add(messages, each),
        }
    }
}

/// Parts a message from the one before it, if there is one in the list.
fn part(out: &mut BytesMut) {
    if out.last() != Some(&b'[') {
        out.extend_from_slice(b",");
    }
}

/// How long the words of a message are; nothing where there is more than words, whose writing may depend on what stands
/// around it.
fn words_of(message: &NewMessage) -> Option<u64> {
    // Where instructions stand is up to the dialect.
    if !matches!(message.role, Role::User | Role::Assistant) {
        return None;
    }
    message.parts.iter().try_fold(0_u64, |sum, part| match part {
        Part::Text { text, .. } | Part::Reasoning { text } | Part::Refusal { text } => {
            Some(sum.saturating_add(text.len() as u64))
        }
        _ => None,
    })
}

impl Clone for Written {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Written {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Error, Media};

    fn said(texts: &[&str]) -> Vec<NewMessage> {
        let message = |(number, text): (usize, &&str)| match number % 2 {
            0 => NewMessage::user(*text),
            _ => NewMessage::assistant(*text),
        };
        texts.iter().enumerate().map(message).collect()
    }

    /// The body, and how many messages were written for it.
    fn body(written: &Written, key: &str, head: &str, texts: &[&str]) -> (Option<String>, usize) {
        let mut new = 0;
        let each = |message: &NewMessage, out: &mut Vec<u8>| {
            new += 1;
            out.extend_from_slice(message.text().as_bytes());
            Ok(())
        };
        let body = written.body(key, head.as_bytes(), b"]!", &said(texts), each).unwrap();
        (body.map(|body| String::from_utf8(body.to_vec()).unwrap()), new)
    }

    fn whole(text: &str, new: usize) -> (Option<String>, usize) {
        (Some(text.to_owned()), new)
    }

    #[test]
    fn a_message_is_written_once_while_the_conversation_goes_on() {
        let written = Written::begin();
        assert_eq!(body(&written, "k", "[", &["a", "b"]), whole("[a,b]!", 2));
        assert_eq!(body(&written, "k", "[", &["a", "b", "c"]), whole("[a,b,c]!", 1));
        assert_eq!(body(&written, "k", "[", &["a", "b", "c"]), whole("[a,b,c]!", 0), "tried again");
        assert_eq!(body(&written, "k", "<[s", &["a", "b", "c", "", "e"]), whole("<[s,a,b,c,e]!", 2));
        assert_eq!(body(&written, "k", "[", &["a", "b", "c", "", "e"]), whole("[a,b,c,e]!", 0));
    }

    #[test]
    fn messages_that_are_left_out_leave_no_comma_behind() {
        let written = Written::begin();
        assert_eq!(body(&written, "k", "[s", &[""]), whole("[s]!", 1));
        assert_eq!(body(&written, "k", "[", &["", ""]), whole("[]!", 1));
        assert_eq!(body(&written, "k", "[s", &["", "", "a"]), whole("[s,a]!", 1));
        assert_eq!(body(&written, "k", "[", &["", "", "a", "", "b"]), whole("[a,b]!", 2));
    }

    #[test]
    fn a_body_that_is_still_sent_is_left_alone() {
        let written = Written::begin();
        let each = |message: &NewMessage, out: &mut Vec<u8>| {
            out.extend_from_slice(message.text().as_bytes());
            Ok(())
        };
        let first = written.body("k", b"[", b"]", &said(&["a"]), each).unwrap().unwrap();
        let second = written.body("k", b"[", b"]", &said(&["a", "b"]), each).unwrap().unwrap();
        assert_eq!((&first[..], &second[..]), (&b"[a]"[..], &b"[a,b]"[..]));
        drop((first, second));
        let third = written.body("k", b"[", b"]", &said(&["a", "b", "c"]), each).unwrap().unwrap();
        let place = third.as_ptr();
        drop(third);
        let fourth = written.body("k", b"[", b"]", &said(&["a", "b", "c", "d"]), each).unwrap().unwrap();
        assert_eq!(&fourth[..], b"[a,b,c,d]");
        assert_eq!(fourth.as_ptr(), place, "made in place, nothing is copied");
    }

    #[test]
    fn all_is_written_anew_for_another_key_and_for_another_history() {
        let written = Written::begin();
        assert_eq!(body(&written, "k", "[", &["a", "b"]), whole("[a,b]!", 2));
        assert_eq!(body(&written, "other", "[", &["a", "b"]), whole("[a,b]!", 2));
        assert_eq!(body(&written, "other", "[", &["aa"]), whole("[aa]!", 1), "there are fewer");
        assert_eq!(body(&Written::default(), "k", "[", &["a"]), (None, 0), "nowhere to keep it");
        assert_eq!(body(&written.clone(), "other", "[", &["aa"]), (None, 0), "a copy may be changed");
        assert_eq!(body(&written.share(), "other", "[", &["aa", "b"]), whole("[aa,b]!", 1));
    }

    #[test]
    fn more_than_words_is_never_kept() {
        let picture = NewMessage::new(Role::User, [Part::image(Media::url("https://a.example/b.png"))]);
        for message in [picture, NewMessage::system("be brief"), NewMessage::new(Role::Tool, [Part::text("4")])] {
            let written = Written::begin();
            assert_eq!(body(&written, "k", "[", &["a"]), whole("[a]!", 1));
            let messages = [NewMessage::user("a"), message];
            assert_eq!(written.body("k", b"[", b"]", &messages, |_, _| Ok(())).unwrap(), None);
            assert_eq!(body(&written, "k", "[", &["a"]), whole("[a]!", 1), "and nothing is left of what was");
        }
    }

    #[test]
    fn a_message_that_cannot_be_written_leaves_nothing_behind() {
        let written = Written::begin();
        assert_eq!(body(&written, "k", "[", &["a"]), whole("[a]!", 1));
        let refused = written.body("k", b"[", b"]", &said(&["a", "b"]), |_, _| Err(Error::internal("no")));
        refused.unwrap_err();
        assert_eq!(body(&written, "k", "[", &["a", "b"]), whole("[a,b]!", 2));
    }

    #[test]
    fn messages_are_weighed_once_and_one_without_weight_leaves_the_sum_as_it_was() {
        let written = Written::begin();
        let weigh = |texts: &[&str]| {
            let asked = std::cell::Cell::new(0);
            let weight = written.weight(&said(texts), |message| {
                asked.set(asked.get() + 1);
                Some(message.text().len() as u64).filter(|length| *length > 0)
            });
            (weight, asked.get())
        };
        assert_eq!(weigh(&["a", "bb"]), (Some(3), 2));
        assert_eq!(weigh(&["a", "bb", "c", ""]), (None, 2));
        assert_eq!(weigh(&["a", "bb", "c"]), (Some(4), 1));
        assert_eq!(weigh(&["a"]), (Some(1), 1));
        assert_eq!(Written::default().weight(&said(&["a", "bb"]), |_| Some(1)), Some(2));
    }

    #[test]
    fn tokens_are_counted_once_for_each_message() {
        let written = Written::begin();
        let count = |written: &Written, texts: &[&str]| {
            let asked = std::cell::Cell::new(0);
            let tokens = written.tokens(&said(texts), |message| {
                asked.set(asked.get() + 1);
                message.text().len() as u64
            });
            (tokens, asked.get())
        };
        assert_eq!(count(&written, &["a", "bb"]), (3, 2));
        assert_eq!(count(&written, &["a", "bb", "ccc"]), (6, 1));
        assert_eq!(count(&written, &["a", "bb", "ccc"]), (6, 0));
        assert_eq!(count(&written, &["a"]), (1, 1));
        assert_eq!(count(&Written::default(), &["a", "bb"]), (3, 2));
        let counted = Written::counted(2, 30);
        assert_eq!(count(&counted, &["a", "bb"]), (30, 0), "as they were counted before");
        assert_eq!(body(&counted, "k", "[", &["a", "bb"]), whole("[a,bb]!", 2));
        assert_eq!(count(&counted, &["a", "bb", "ccc"]), (33, 1));
    }
}
