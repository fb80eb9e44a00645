//! How well a message fits a query: Okapi BM25, as SQLite's FTS5 counts it.

use super::query::Query;
use super::words::Cut;

/// How much a word counts that is only a part of a name.
pub(in crate::store) const PART: f64 = 0.5;

/// Where more of the same word says no more.
const SATURATION: f64 = 1.2;

/// How much longer messages are held to have it by chance.
const LENGTH: f64 = 0.75;

/// What was seen of the messages among which one searches.
#[derive(Debug)]
pub(in crate::store) struct Rank<'a> {
    query: &'a Query,
    messages: f64,
    words: f64,
    /// How many messages have each phrase.
    having: Vec<f64>,
}

/// What a message has of a query.
#[derive(Debug)]
pub(in crate::store) struct Has {
    phrases: Vec<f64>,
    words: f64,
}

impl<'a> Rank<'a> {
    pub(in crate::store) fn new(query: &'a Query) -> Self {
        Self { query, messages: 0.0, words: 0.0, having: vec![0.0; query.phrases().count()] }
    }

    /// Takes a message into account.
    pub(in crate::store) fn see(&mut self, text: &Cut) -> Has {
        let phrases: Vec<f64> = self.query.phrases().map(|phrase| phrase.weight(text)).collect();
        #[expect(clippy::cast_precision_loss, reason = "a message has less than 2^52 words")]
        let words = (text.words.len() + text.parts.len()) as f64;
        self.messages += 1.0;
        self.words += words;
        for (having, weight) in self.having.iter_mut().zip(&phrases) {
            *having += f64::from(u8::from(*weight > 0.0));
        }
        Has { phrases, words }
    }

    /// How well a message fits, once all were seen.
    pub(in crate::store) fn score(&self, has: &Has) -> f64 {
        let average = (self.words / self.messages).max(1.0);
        let longer = SATURATION * (1.0 - LENGTH + LENGTH * has.words / average);
        let scores = has.phrases.iter().zip(&self.having).map(|(weight, having)| {
            let rare = ((self.messages - having + 0.5) / (having + 0.5)).ln();
            // What more than half of them have says little, and never less than nothing.
            let rare = if rare > 0.0 { rare } else { 1e-6 };
            rare * weight * (SATURATION + 1.0) / (weight + longer)
        });
        scores.sum()
    }
}
