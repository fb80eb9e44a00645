//! How text is cut into words: the same for what is kept and for what is looked for.
//!
//! A word is a run of letters, digits and their marks. It is folded: compatible forms are one (NFKC), case and accents
//! do not count. Scripts that are written without blanks between words (Chinese, Japanese, Thai and their like), and
//! Korean, whose particles hang on the word, are cut into overlapping pairs: whatever one looks for is found, without a
//! dictionary. The last sign of such a run stands alone besides, so that every sign begins something.
//!
//! A name in code (`parseHttpRequest`, `parse_http_request`) is one word, `parsehttprequest`; what it is made of is kept
//! apart, in the same order, so that phrases of ordinary words stay as they were said.

use std::ops::Range;

use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

const NFKD: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();
const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfc();
const MARKS: CanonicalCombiningClassMapBorrowed<'static> = CanonicalCombiningClassMapBorrowed::new();

/// Longer words are the same when they begin with the same so many characters.
const MAX_WORD_CHARS: usize = 64;

/// Stands between the names whose parts are kept, so that no phrase goes from one into the next. No word has this sign.
pub(in crate::store) const GAP: &str = "¦";

/// A text, cut.
#[derive(Debug, Default)]
pub(in crate::store) struct Cut {
    /// Its words.
    pub(in crate::store) words: Words,
    /// What those are made of that are made of several.
    pub(in crate::store) parts: Words,
}

/// Words in their order.
#[derive(Debug, Default)]
pub(in crate::store) struct Words {
    folded: String,
    places: Vec<Place>,
}

#[derive(Clone, Debug)]
struct Place {
    folded: Range<usize>,
    /// Where it stands in the text.
    source: Range<usize>,
    is_last_sign: bool,
}

impl Words {
    /// The words with a blank between any two.
    #[cfg(any(test, feature = "sqlite"))]
    pub(in crate::store) fn folded(&self) -> &str {
        &self.folded
    }

    pub(in crate::store) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn word(&self, at: usize) -> &str {
        &self.folded[self.places[at].folded.clone()]
    }

    /// Where this word stands in the text.
    pub(super) fn source(&self, at: usize) -> Range<usize> {
        self.places[at].source.clone()
    }

    /// True when this is the last sign of a run that is cut into pairs.
    pub(super) fn is_last_sign(&self, at: usize) -> bool {
        self.places[at].is_last_sign
    }

    /// True when this word and the one before it are of one run that is cut into pairs.
    pub(super) fn goes_on_from_pair(&self, at: usize) -> bool {
        at > 0 && self.places[at].is_last_sign && self.places[at - 1].source.end == self.places[at].source.end
    }

    /// Adds the word that this writes, unless it writes nothing.
    fn push(&mut self, source: Range<usize>, is_last_sign: bool, write: impl FnOnce(&mut String)) {
        let before = self.folded.len();
        if before > 0 {
            self.folded.push(' ');
        }
        let from = self.folded.len();
        write(&mut self.folded);
        if self.folded.len() == from {
            return self.folded.truncate(before);
        }
        if self.folded.len() - from > MAX_WORD_CHARS
            && let Some((end, _)) = self.folded[from..].char_indices().nth(MAX_WORD_CHARS)
        {
            self.folded.truncate(from + end);
        }
        self.places.push(Place { folded: from..self.folded.len(), source, is_last_sign });
    }
}

/// Cuts a text into words.
pub(in crate::store) fn cut(text: &str) -> Cut {
    let mut cut = Cut::default();
    cut.words.folded.reserve(text.len());
    let mut chars = text.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        let kind = Kind::of(first);
        if kind == Kind::Between {
            continue;
        }
        let mut end = start + first.len_utf8();
        while let Some((at, next)) = chars.next_if(|(_, next)| kind.goes_on(*next)) {
            end = at + next.len_utf8();
        }
        match kind {
            Kind::Signs => add_signs(&mut cut.words, text, start..end),
            _ => add_word(&mut cut, text, start..start + text[start..end].trim_end_matches('_').len()),
        }
    }
    cut
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Between,
    Word,
    /// Of a script that is cut into pairs.
    Signs,
}

impl Kind {
    fn of(c: char) -> Self {
        match c {
            _ if c.is_ascii() => {
                if c.is_ascii_alphanumeric() {
                    Self::Word
                } else {
                    Self::Between
                }
            }
            // Thai, Lao; Myanmar; Hangul jamo; Khmer; kana, bopomofo and what stands between them; ideographs; Hangul;
            // compatible forms of them.
            '\u{e01}'..='\u{e3a}'
            | '\u{e40}'..='\u{e4e}'
            | '\u{e80}'..='\u{eff}'
            | '\u{1000}'..='\u{103f}'
            | '\u{1050}'..='\u{109f}'
            | '\u{1100}'..='\u{11ff}'
            | '\u{1780}'..='\u{17d3}'
            | '\u{3005}'..='\u{3007}'
            | '\u{3031}'..='\u{3035}'
            | '\u{3041}'..='\u{309f}'
            | '\u{30a1}'..='\u{30fa}'
            | '\u{30fc}'..='\u{318e}'
            | '\u{31a0}'..='\u{31bf}'
            | '\u{31f0}'..='\u{31ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}'
            | '\u{ff66}'..='\u{ffdc}'
            | '\u{1b000}'..='\u{1b16f}'
            | '\u{20000}'..='\u{3ffff}' => Self::Signs,
            _ if c.is_alphanumeric() => Self::Word,
            _ => Self::Between,
        }
    }

    /// True when a run of this kind goes on with this character.
    fn goes_on(self, c: char) -> bool {
        match Self::of(c) {
            // Joiners and soft hyphens are inside of words, and no part of them.
            Self::Between => {
                (c == '_' && self == Self::Word)
                    || matches!(c, '\u{ad}' | '\u{200c}' | '\u{200d}')
                    || (!c.is_ascii() && MARKS.get_u8(c) != 0)
            }
            kind => kind == self,
        }
    }
}

fn add_word(cut: &mut Cut, text: &str, run: Range<usize>) {
    if text[run.clone()].bytes().skip(1).all(|byte| byte.is_ascii_lowercase()) {
        // Most words are one piece, which is seen at once.
        return cut.words.push(run.clone(), false, |out| fold(&text[run], out));
    }
    let pieces = pieces(&text[run.clone()]);
    cut.words.push(run.clone(), false, |out| {
        for piece in &pieces {
            fold(&text[run.start + piece.start..run.start + piece.end], out);
        }
    });
    if pieces.len() > 1 {
        if cut.parts.len() > 0 {
            cut.parts.push(run.start..run.start, false, |out| out.push_str(GAP));
        }
        for piece in pieces {
            let source = run.start + piece.start..run.start + piece.end;
            cut.parts.push(source.clone(), false, |out| fold(&text[source], out));
        }
    }
}

/// What a name is made of: `_` divides, and so does a capital after a small letter or before one.
fn pieces(run: &str) -> Vec<Range<usize>> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    let mut close = |from: usize, to: usize| {
        if from < to {
            pieces.push(from..to);
        }
    };
    let mut before: Option<char> = None;
    let mut chars = run.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '_' {
            close(start, at);
            start = at + 1;
        } else if c.is_uppercase()
            && let Some(last) = before
        {
            let next_is_small = chars.peek().is_some_and(|(_, next)| next.is_lowercase());
            if !last.is_uppercase() || next_is_small {
                close(start, at);
                start = at;
            }
        }
        before = (c != '_').then_some(c);
    }
    close(start, run.len());
    pieces
}

/// Adds a run as overlapping pairs of signs, and its last sign.
fn add_signs(words: &mut Words, text: &str, run: Range<usize>) {
    // A sign with its marks; half-width kana have theirs as characters of their own.
    let begins = |(_, c): &(usize, char)| {
        !matches!(c, '\u{ff9e}' | '\u{ff9f}' | '\u{ad}' | '\u{200c}' | '\u{200d}') && MARKS.get_u8(*c) == 0
    };
    let starts: Vec<usize> =
        text[run.clone()].char_indices().filter(begins).map(|(at, _)| run.start + at).chain([run.end]).collect();
    for at in 0..starts.len() - 1 {
        let sign = |at: usize, out: &mut String| fold(&text[starts[at]..starts[at + 1]], out);
        match starts.get(at + 2) {
            Some(end) => words.push(starts[at]..*end, false, |out| {
                sign(at, out);
                sign(at + 1, out);
            }),
            None => words.push(starts[at]..run.end, true, |out| sign(at, out)),
        }
    }
}

/// Writes a word as it is compared.
fn fold(word: &str, out: &mut String) {
    let from = out.len();
    if word.is_ascii() {
        out.push_str(word);
        return out[from..].make_ascii_lowercase();
    }
    let letters = NFKD.normalize_iter(word.chars()).filter(|c| counts(*c)).flat_map(char::to_lowercase);
    out.extend(NFC.normalize_iter(letters.flat_map(plain)));
    if !out[from..].chars().all(is_of_word) {
        // Some forms are made of words themselves (`½`, `ﷺ`); those stay what they are.
        out.truncate(from);
        out.extend(word.chars().filter(|c| is_of_word(*c)).flat_map(char::to_lowercase));
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || (!c.is_ascii() && MARKS.get_u8(c) != 0)
}

/// False for accents, points and joiners. Marks without which another letter is read (of Indic scripts, kana, Thai) count.
fn counts(c: char) -> bool {
    !matches!(c, '\u{ad}' | '\u{200c}' | '\u{200d}')
        && !matches!(if c.is_ascii() { 0 } else { MARKS.get_u8(c) }, 1 | 10..=36 | 200..=240)
}

/// Letters that are written otherwise where one's keyboard has none of them.
fn plain(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        'ß' => ('s', Some('s')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'ø' => ('o', None),
        'đ' => ('d', None),
        'ł' => ('l', None),
        'ı' => ('i', None),
        'ς' => ('σ', None),
        c => (c, None),
    };
    [Some(first), second].into_iter().flatten()
}
