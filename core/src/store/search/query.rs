//! What a query asks for: words, "phrases", -exclusions, beginnings*.
//!
//! The text of a query is never handed on: it is read here, and what a backend gets to see is made of folded words.

use std::ops::Range;

use super::rank::PART;
use super::words::{Cut, Words, cut};
use crate::model::{Error, Result};

/// The longest query.
const MAX_BYTES: usize = 1_024;

/// So many words and phrases a query may have.
const MAX_TERMS: usize = 32;

/// Shorter beginnings are words: there would be no end of what begins like this.
const MIN_BEGINNING_CHARS: usize = 3;

/// All of what is wanted and nothing of what is unwanted.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) struct Query {
    pub(in crate::store) wanted: Vec<Term>,
    pub(in crate::store) unwanted: Vec<Term>,
}

/// One of several ways to say the same.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) struct Term(pub(in crate::store) Vec<Phrase>);

/// Words that stand behind each other.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) struct Phrase {
    pub(in crate::store) words: Vec<String>,
    /// The last one may go on.
    pub(in crate::store) begins: bool,
}

impl Query {
    /// Reads a query; nothing when it wants no word at all, so that nothing can be found.
    ///
    /// # Errors
    /// `Invalid` (bad_query) when it is too long.
    pub(in crate::store) fn parse(text: &str) -> Result<Option<Self>> {
        let too_long = || {
            let detail = format!("a search is at most {MAX_BYTES} bytes of text and {MAX_TERMS} words and phrases");
            Error::invalid("bad_query", detail)
        };
        if text.len() > MAX_BYTES {
            return Err(too_long());
        }
        let mut query = Self { wanted: Vec::new(), unwanted: Vec::new() };
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let after = rest.strip_prefix('-');
            let said = after.unwrap_or(rest);
            let (term, left) = match said.chars().next() {
                Some(mark) if is_quote(mark) => {
                    let inner = &said[mark.len_utf8()..];
                    let end = inner.find(is_quote).unwrap_or(inner.len());
                    (Term::quoted(&inner[..end]), inner[end..].strip_prefix(is_quote).unwrap_or_default())
                }
                Some(_) => {
                    let end = said.find(|c: char| c.is_whitespace() || is_quote(c)).unwrap_or(said.len());
                    (Term::plain(&said[..end]), &said[end..])
                }
                None => (None, &rest[first.len_utf8()..]),
            };
            if let Some(term) = term {
                if after.is_some() { &mut query.unwanted } else { &mut query.wanted }.push(term);
            }
            rest = left.trim_start();
        }
        if query.wanted.len() + query.unwanted.len() > MAX_TERMS {
            return Err(too_long());
        }
        Ok((!query.wanted.is_empty()).then_some(query))
    }

    /// Every phrase that is wanted.
    pub(in crate::store) fn phrases(&self) -> impl Iterator<Item = &Phrase> {
        self.wanted.iter().flat_map(|term| &term.0)
    }

    /// True when a text says it.
    pub(in crate::store) fn matches(&self, text: &Cut) -> bool {
        let says = |term: &Term| term.0.iter().any(|phrase| phrase.hits(text).next().is_some());
        self.wanted.iter().all(says) && !self.unwanted.iter().any(says)
    }
}

impl Term {
    /// A word as it was typed, perhaps with a `*` behind it.
    fn plain(said: &str) -> Option<Self> {
        let begins = said.ends_with('*');
        let text = cut(said);
        let whole = Phrase::of(&text.words, begins)?;
        // A name in code is also found inside of longer ones.
        let is_one_name = text.words.len() == 1;
        let parts = if is_one_name { Phrase::of(&text.parts, begins) } else { None };
        Some(Self([Some(whole), parts].into_iter().flatten().collect()))
    }

    fn quoted(said: &str) -> Option<Self> {
        Some(Self(vec![Phrase::of(&cut(said).words, false)?]))
    }
}

impl Phrase {
    fn of(words: &Words, begins: bool) -> Option<Self> {
        let count = words.len();
        let last = count.checked_sub(1)?;
        // What goes on behind the last sign is of no account; alone it is the beginning of a pair.
        let is_pairs = words.goes_on_from_pair(last);
        let is_sign = words.is_last_sign(last) && !is_pairs;
        let is_long = words.word(last).chars().count() >= MIN_BEGINNING_CHARS;
        let kept = if is_pairs { last } else { count };
        Some(Self {
            words: (0..kept).map(|at| words.word(at).to_owned()).collect(),
            begins: is_sign || (begins && is_long && !is_pairs),
        })
    }

    /// Where a text says it.
    pub(in crate::store) fn hits<'a>(&'a self, text: &'a Cut) -> impl Iterator<Item = Range<usize>> + 'a {
        [&text.words, &text.parts].into_iter().flat_map(|words| self.hits_in(words))
    }

    /// How often a text says it; in parts of names less.
    pub(super) fn weight(&self, text: &Cut) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a message has less than 2^52 words")]
        let count = |words| self.hits_in(words).count() as f64;
        count(&text.words) + PART * count(&text.parts)
    }

    fn hits_in<'a>(&'a self, words: &'a Words) -> impl Iterator<Item = Range<usize>> + 'a {
        let (length, last) = (self.words.len(), self.words.len() - 1);
        let is_said = move |from: usize| {
            self.words.iter().enumerate().all(|(at, wanted)| {
                let word = words.word(from + at);
                if self.begins && at == last { word.starts_with(wanted.as_str()) } else { word == wanted }
            })
        };
        (0..(words.len() + 1).saturating_sub(length))
            .filter(move |from| is_said(*from))
            .map(move |from| words.source(from).start..words.source(from + last).end)
    }
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '«' | '»')
}
