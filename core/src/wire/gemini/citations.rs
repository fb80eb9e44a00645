//! Where the words come from: what a search found (`groundingMetadata`), and what was quoted (`citationMetadata`).
//!
//! Places are counted in bytes, sometimes of the answer and sometimes of one of its parts. The words that belong to a
//! place are told with it, so the reading that finds them there is the right one.

use serde_json::value::RawValue;

use crate::base::Json;
use crate::model::{Citation, Result};
use crate::wire::failure;

/// Most bytes of sources that are kept.
const MAX_BYTES: usize = 4 << 20;

#[derive(Debug, Default)]
pub(super) struct Citations {
    /// What the last chunk that found something said; it says all of it.
    grounding: Option<Json>,
    quoted: Vec<Json>,
    bytes: usize,
}

/// Words of the answer: the part's number, and all that was written in it.
pub(super) struct Words<'a> {
    pub(super) part_index: i32,
    pub(super) text: &'a str,
}

impl Citations {
    pub(super) fn take_grounding(&mut self, raw: &RawValue) -> Result<()> {
        self.count(raw)?;
        let Ok(metadata) = serde_json::from_str::<Json>(raw.get()) else { return Ok(()) };
        if metadata.as_object().is_some_and(|fields| !fields.is_empty()) {
            self.grounding = Some(metadata);
        }
        Ok(())
    }

    pub(super) fn take_quoted(&mut self, raw: &RawValue) -> Result<()> {
        self.count(raw)?;
        let Ok(metadata) = serde_json::from_str::<Json>(raw.get()) else { return Ok(()) };
        // The Gemini API and Vertex AI have a name each.
        for source in ["citationSources", "citations"].iter().filter_map(|name| metadata[name].as_array()).flatten() {
            // Said again in the next chunks; looking at the last few is enough and keeps time linear.
            if !self.quoted.iter().rev().take(16).any(|known| known == source) {
                self.quoted.push(source.clone());
            }
        }
        Ok(())
    }

    /// The citations with the parts they belong to, and what the search said as a whole.
    pub(super) fn finish(&mut self, words: &[Words<'_>]) -> (Vec<(i32, Citation)>, Option<Json>) {
        let mut found = Vec::new();
        for source in std::mem::take(&mut self.quoted) {
            let place = |name: &str| source[name].as_u64().and_then(|place| usize::try_from(place).ok());
            let (start, end) = (place("startIndex").unwrap_or(0), place("endIndex"));
            let (part, start, end) = locate(words, start, end, None);
            let citation =
                Citation { start, end, url: word(&source["uri"]), title: word(&source["title"]), quote: None };
            found.push((part, citation));
        }
        let grounding = self.grounding.take();
        if let Some(metadata) = &grounding {
            ground(metadata, words, &mut found);
        }
        (found, grounding)
    }

    fn count(&mut self, raw: &RawValue) -> Result<()> {
        self.bytes += raw.get().len();
        if self.bytes > MAX_BYTES { Err(failure::too_large("sources", MAX_BYTES)) } else { Ok(()) }
    }
}

fn ground(metadata: &Json, words: &[Words<'_>], found: &mut Vec<(i32, Citation)>) {
    let list = |name: &str| metadata[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let (chunks, supports) = (list("groundingChunks"), list("groundingSupports"));
    for support in supports {
        let segment = &support["segment"];
        let place = |name: &str| segment[name].as_u64().and_then(|place| usize::try_from(place).ok());
        let quote = word(&segment["text"]);
        let (part, start, end) = locate(words, place("startIndex").unwrap_or(0), place("endIndex"), quote.as_deref());
        let named = support["groundingChunkIndices"].as_array().into_iter().flatten().filter_map(Json::as_u64);
        for chunk in named.filter_map(|index| chunks.get(usize::try_from(index).ok()?)) {
            let (url, title) = page(chunk);
            found.push((part, Citation { start, end, url, title, quote: quote.clone() }));
        }
    }
    if supports.is_empty() {
        // Pages without places belong to the answer as a whole.
        let part = words.last().map_or(0, |words| words.part_index);
        found
            .extend(chunks.iter().map(page).map(|(url, title)| (part, Citation { url, title, ..Citation::default() })));
    }
}

fn page(chunk: &Json) -> (Option<String>, Option<String>) {
    let source = ["web", "retrievedContext", "maps", "image"].iter().find_map(|kind| chunk.get(*kind));
    let field = |name: &str| source.and_then(|source| word(source.get(name)?));
    (field("uri").or_else(|| field("sourceUri")), field("title"))
}

fn word(value: &Json) -> Option<String> {
    value.as_str().filter(|word| !word.is_empty()).map(str::to_owned)
}

/// From bytes of the answer to characters of one part.
fn locate(words: &[Words<'_>], start: usize, end: Option<usize>, told: Option<&str>) -> (i32, i32, i32) {
    let Some(last) = words.last() else { return (0, 0, 0) };
    let fits = |words: &&Words<'_>, offset: usize| {
        let within = start.checked_sub(offset).zip(end.map_or(Some(words.text.len()), |end| end.checked_sub(offset)));
        let (from, to) = within?;
        let to = to.min(words.text.len());
        let cited = words.text.get(from..to)?;
        let is_it = !cited.is_empty() && told.is_none_or(|told| told == cited);
        is_it.then(|| {
            let before = words.text[..from].chars().count();
            (words.part_index, as_place(before), as_place(before + cited.chars().count()))
        })
    };
    let mut offset = 0;
    let in_answer = words.iter().find_map(|words| {
        let here = fits(&words, offset);
        offset += words.text.len();
        here
    });
    // Places of one part; and where nothing fits, the answer as a whole.
    in_answer
        .or_else(|| words.iter().find_map(|words| fits(&words, 0)))
        .unwrap_or_else(|| (last.part_index, 0, as_place(last.text.chars().count())))
}

fn as_place(chars: usize) -> i32 {
    i32::try_from(chars).unwrap_or(i32::MAX)
}
