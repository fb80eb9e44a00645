//! The place in a message where it says what was looked for.

use std::ops::Range;

use super::query::Query;
use super::words::cut;
use crate::model::Span;

/// The longest snippet, in characters.
const MAX_CHARS: usize = 160;

/// So many characters stand before the first hit.
const LEAD_CHARS: usize = 40;

const CUT: &str = "…";

/// The place of a text that says the most of what was looked for, on one line.
pub(in crate::store) fn snippet(text: &str, query: &Query) -> Vec<Span> {
    let hits = hits(text, query);
    let (from, to) = window(text, &hits);
    let mut line = Line::default();
    if from > 0 {
        line.put(CUT, false);
    }
    let mut at = from;
    for hit in hits.iter().filter(|hit| hit.end > from && hit.start < to) {
        line.put(&text[at..hit.start.max(at)], false);
        line.put(&text[hit.start.max(at)..hit.end.min(to)], true);
        at = hit.end.min(to);
    }
    line.put(&text[at..to], false);
    if to < text.len() {
        line.put(CUT, false);
    }
    line.spans
}

/// Every place, in their order; those that overlap are one.
fn hits(text: &str, query: &Query) -> Vec<Range<usize>> {
    let text = cut(text);
    let mut found: Vec<Range<usize>> = query.phrases().flat_map(|phrase| phrase.hits(&text)).collect();
    found.sort_by_key(|hit| (hit.start, hit.end));
    let mut hits: Vec<Range<usize>> = Vec::with_capacity(found.len());
    for hit in found {
        match hits.last_mut() {
            Some(last) if hit.start < last.end => last.end = last.end.max(hit.end),
            _ => hits.push(hit),
        }
    }
    hits
}

/// What of the text is shown: from a few words before the first of the most hits that stand together.
fn window(text: &str, hits: &[Range<usize>]) -> (usize, usize) {
    let (mut most, mut first, mut until) = (0, 0..0, 0);
    for (at, hit) in hits.iter().enumerate() {
        while hits.get(until).is_some_and(|last| last.end <= hit.start + MAX_CHARS) {
            until += 1;
        }
        if until.saturating_sub(at) > most {
            (most, first) = (until - at, hit.clone());
        }
    }
    if most == 0 {
        // The only hit is longer than a snippet.
        first = hits.first().cloned().unwrap_or_default();
    }
    let lead = text[..first.start].char_indices().rev().take(LEAD_CHARS).last().map_or(0, |(at, _)| at);
    let from = match text[lead..first.start].find(char::is_whitespace) {
        Some(blank) if lead > 0 => lead + blank,
        _ => lead,
    };
    let Some((to, _)) = text[from..].char_indices().nth(MAX_CHARS).map(|(at, c)| (from + at, c)) else {
        return (from, text.len());
    };
    let shown_until = first.end.clamp(from, to);
    (from, text[shown_until..to].rfind(char::is_whitespace).map_or(to, |blank| shown_until + blank))
}

/// Spans with no blanks at the ends, one between words, and no line breaks.
#[derive(Default)]
struct Line {
    spans: Vec<Span>,
    owes_blank: bool,
    /// True behind the first character of a hit, until its end.
    in_hit: bool,
}

impl Line {
    fn put(&mut self, text: &str, hit: bool) {
        self.in_hit = false;
        for c in text.chars() {
            if c.is_whitespace() || c.is_control() {
                self.owes_blank = !self.spans.is_empty();
                continue;
            }
            if std::mem::take(&mut self.owes_blank) {
                // Inside of a phrase it is of the hit; between two hits of neither.
                let is_inside = hit && self.in_hit;
                self.push(' ', is_inside);
            }
            self.push(c, hit);
            self.in_hit = hit;
        }
    }

    fn push(&mut self, c: char, hit: bool) {
        match self.spans.last_mut() {
            Some(last) if last.hit == hit => last.text.push(c),
            _ => self.spans.push(Span { text: c.into(), hit }),
        }
    }
}
