//! How many tokens a text is, about: a figure for reserving, trimming and for replies that say nothing of it, in less
//! than a microsecond for a kilobyte.
//!
//! A token is a common run of letters. How long such runs are depends on the script, so every byte costs what a byte of
//! its class costs behind one of the class before it: the first letter of a word most of a token, the next ones little;
//! a sign of Chinese nearly one by itself. One table, one sum, no branch. Models differ in how they cut, by up to half;
//! [`Calibration`] learns that from what they report.

mod calibration;
#[cfg(feature = "tiktoken")]
mod exact;
#[cfg(test)]
mod tests;

pub use calibration::Calibration;
#[cfg(feature = "tiktoken")]
pub use exact::exact_tokens;

use crate::model::{ChatRequest, Media, MediaSource, NewMessage, Part};

/// What a message costs besides its words: who speaks, and where it ends.
const MESSAGE: u64 = 4;

/// What a request costs besides its messages.
const REQUEST: u64 = 3;

/// A picture, a sound or a page, whatever its bytes; about a long paragraph.
const MEDIA: u64 = 1_300;

/// About how many tokens this text is.
#[must_use]
pub fn tokens(text: &str) -> u64 {
    let mut before = Class::Line;
    let mut sum = 0_u64;
    for byte in text.bytes() {
        let class = CLASSES[usize::from(byte)];
        sum += u64::from(COSTS[before as usize][class as usize]);
        before = class;
    }
    sum.div_ceil(UNIT)
}

/// About how many tokens these parts are.
#[must_use]
pub fn tokens_of_parts(parts: &[Part]) -> u64 {
    parts.iter().fold(0, |sum: u64, part| sum.saturating_add(tokens_of_part(part)))
}

/// About how many tokens a message is, with what stands around it.
#[must_use]
pub fn tokens_of_message(message: &NewMessage) -> u64 {
    tokens_of_parts(&message.parts).saturating_add(MESSAGE)
}

/// About how many tokens a request is: instructions, messages, tools and the shape of the answer.
#[must_use]
pub fn tokens_of_request(request: &ChatRequest) -> u64 {
    let system = request.system.as_ref().map_or(0, |system| tokens(system) + MESSAGE);
    let messages = request.written.tokens(&request.messages, tokens_of_message);
    let tools = request
        .tools
        .iter()
        .map(|tool| tokens(&tool.name) + tokens(&tool.description) + tokens(&tool.parameters.to_string()) + MESSAGE);
    let shape = request.output_schema.as_ref().map_or(0, |shape| tokens(&shape.schema.to_string()));
    tools.fold((REQUEST + system + shape).saturating_add(messages), u64::saturating_add)
}

fn tokens_of_part(part: &Part) -> u64 {
    match part {
        Part::Text { text, .. } | Part::Reasoning { text } | Part::Refusal { text } => tokens(text),
        Part::Image { media } | Part::Audio { media } | Part::File { media } => tokens_of_media(media),
        Part::ToolCall { call } => tokens(&call.name) + tokens(&call.arguments.to_string()),
        Part::ToolResult { result } => {
            result.media.iter().map(tokens_of_media).fold(tokens(&result.output.to_string()), u64::saturating_add)
        }
        Part::Opaque { .. } => 0,
    }
}

/// A text counts as one; everything else is a picture or some pages.
fn tokens_of_media(media: &Media) -> u64 {
    let is_text = media.mime_type.as_ref().is_some_and(|mime| mime.starts_with("text/"));
    match &media.source {
        MediaSource::Data { data } if is_text => std::str::from_utf8(data).map_or(MEDIA, tokens),
        _ if is_text => media.size_bytes.and_then(|bytes| u64::try_from(bytes).ok()).map_or(MEDIA, |bytes| bytes / 3),
        _ => MEDIA,
    }
}

/// What a byte is, as far as its first bits say: in UTF-8 the first byte of a sign tells its script.
#[derive(Clone, Copy)]
#[repr(usize)]
enum Class {
    Space,
    /// Ends of lines, tabs, and what is before the first byte.
    Line,
    Lower,
    Upper,
    Digit,
    /// Punctuation and other signs of ASCII.
    Mark,
    /// A byte that goes on with a sign.
    Rest,
    /// Latin letters with accents.
    Latin,
    /// Greek, Cyrillic.
    Cyrillic,
    /// Armenian, Hebrew, Arabic.
    Arabic,
    /// The scripts of India and South-East Asia.
    Indic,
    /// Dashes, quotes, arrows, boxes.
    Sign,
    Kana,
    Han,
    Hangul,
    /// Four bytes: mostly pictures.
    Emoji,
}

const COUNT: usize = Class::Emoji as usize + 1;

/// Costs are in thousandths of a token.
const UNIT: u64 = 1_000;

static CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut all = [Class::Mark; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "less than 256")]
        let class = match byte as u8 {
            b' ' => Class::Space,
            0..=31 | 127 => Class::Line,
            b'a'..=b'z' => Class::Lower,
            b'A'..=b'Z' => Class::Upper,
            b'0'..=b'9' => Class::Digit,
            0x80..=0xBF => Class::Rest,
            0xC0..=0xCB => Class::Latin,
            0xCC..=0xD3 => Class::Cyrillic,
            0xD4..=0xDF => Class::Arabic,
            0xE0 | 0xE1 => Class::Indic,
            0xE2 | 0xEF => Class::Sign,
            0xE3 => Class::Kana,
            0xE4..=0xE9 => Class::Han,
            0xEA..=0xEE => Class::Hangul,
            0xF0..=0xFF => Class::Emoji,
            _ => Class::Mark,
        };
        all[byte] = class;
        byte += 1;
    }
    all
}

/// What a byte of one class costs behind one of another.
static COSTS: [[u16; COUNT]; COUNT] = costs();

const fn costs() -> [[u16; COUNT]; COUNT] {
    let mut all = [[0; COUNT]; COUNT];
    let mut before = 0;
    while before < COUNT {
        let row = &mut all[before];
        // What begins something.
        row[Class::Line as usize] = 550;
        row[Class::Lower as usize] = 640;
        row[Class::Upper as usize] = 640;
        row[Class::Digit as usize] = 950;
        row[Class::Mark as usize] = 850;
        row[Class::Latin as usize] = 900;
        row[Class::Cyrillic as usize] = 800;
        row[Class::Arabic as usize] = 850;
        row[Class::Indic as usize] = 750;
        row[Class::Sign as usize] = 900;
        row[Class::Kana as usize] = 820;
        row[Class::Han as usize] = 900;
        row[Class::Hangul as usize] = 900;
        row[Class::Emoji as usize] = 2_200;
        before += 1;
    }
    // What goes on with something. A space before a word is part of its token; more of them are one token.
    all[Class::Space as usize][Class::Space as usize] = 80;
    all[Class::Line as usize][Class::Space as usize] = 250;
    all[Class::Line as usize][Class::Line as usize] = 150;
    all[Class::Lower as usize][Class::Lower as usize] = 120;
    all[Class::Upper as usize][Class::Lower as usize] = 120;
    all[Class::Upper as usize][Class::Upper as usize] = 380;
    all[Class::Digit as usize][Class::Digit as usize] = 300;
    all[Class::Mark as usize][Class::Mark as usize] = 450;
    all[Class::Mark as usize][Class::Lower as usize] = 500;
    all[Class::Lower as usize][Class::Latin as usize] = 450;
    all[Class::Upper as usize][Class::Latin as usize] = 450;
    all[Class::Rest as usize][Class::Lower as usize] = 220;
    all[Class::Rest as usize][Class::Latin as usize] = 500;
    all[Class::Rest as usize][Class::Cyrillic as usize] = 240;
    all[Class::Rest as usize][Class::Arabic as usize] = 270;
    all[Class::Rest as usize][Class::Indic as usize] = 420;
    all[Class::Rest as usize][Class::Hangul as usize] = 750;
    all[Class::Rest as usize][Class::Han as usize] = 850;
    all
}
