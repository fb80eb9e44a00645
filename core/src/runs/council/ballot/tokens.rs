//! A text as labels, numbers, words and signs.

use super::signs::MARK;
use super::words;

/// How surely a label is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// A small letter that may be a word of many languages.
    Small,
    /// A capital letter.
    Capital,
    /// Called an answer, or set apart in its text.
    Sure,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// An answer, by its place in the slate.
    Label(usize, Form),
    /// A number.
    Number(f64),
    /// A place: "second", "2nd", "rank 2".
    Place(f64),
    /// A word in lower case.
    Word(String),
    /// Any other sign that is no blank.
    Sign(char),
    /// The end of a line.
    Break,
}

/// The place of the label of this name, among so many; a label is of capital letters.
fn label(word: &str, labels: usize) -> Option<usize> {
    // No council has labels of more than two letters.
    if word.is_empty() || word.len() > 2 || !word.bytes().all(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let at = word.bytes().fold(0, |at, b| at * 26 + usize::from(b - b'A') + 1) - 1;
    (at < labels).then_some(at)
}

/// The letter of Latin script that looks like this one.
fn latin(c: char) -> char {
    const ALIKE: [(&str, &str); 2] = [("АВСЕНКМОРТХ", "ABCEHKMOPTX"), ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX")];
    let twin = |(from, to): &(&str, &str)| from.chars().position(|known| known == c).and_then(|at| to.chars().nth(at));
    ALIKE.iter().find_map(twin).unwrap_or(c)
}

/// Scripts that put no blanks between words.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}')
}

/// The pieces of a text in plain signs, of which so many labels are answers.
pub(super) fn tokens(text: &str, labels: usize) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    // The sign before.
    let mut before = '\n';
    while let Some(c) = rest.chars().next() {
        let end = if c.is_ascii_digit() {
            number_end(rest)
        } else if is_unspaced(c) {
            rest.find(|c| !is_unspaced(c)).unwrap_or(rest.len())
        } else if c.is_alphanumeric() {
            word_end(rest)
        } else {
            c.len_utf8()
        };
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        match c {
            '\n' => tokens.push(Token::Break),
            MARK | '*' | '`' | '_' | '"' | '[' | ']' | '{' | '}' => {}
            c if c.is_whitespace() => {}
            c if c.is_alphanumeric() => {
                let is_closed = rest.starts_with(['*', '`', '"', ']', ')', ':', '.']);
                let is_apart = before == MARK || (matches!(before, '*' | '`' | '"' | '[' | '(') && is_closed);
                word(&mut tokens, piece, labels, is_apart);
            }
            c => tokens.push(Token::Sign(c)),
        }
        before = piece.chars().next_back().unwrap_or(c);
    }
    settle(&mut tokens);
    tokens
}

/// Digits with a fraction, or with the ending of an ordinal.
fn number_end(text: &str) -> usize {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let whole = digits(text);
    let fraction = text[whole..].strip_prefix('.').map_or(0, digits);
    if fraction > 0 {
        return whole + 1 + fraction;
    }
    let ending = text[whole..].find(|c: char| !c.is_alphabetic() || is_unspaced(c)).unwrap_or(text.len() - whole);
    whole + if words::ordinal(&text[..whole + ending]).is_some() { ending } else { 0 }
}

fn word_end(text: &str) -> usize {
    let in_word = |c: char| c.is_alphanumeric() && !is_unspaced(c);
    let end = text.find(|c| !in_word(c)).unwrap_or(text.len());
    // "don't" and "A's" are words.
    match text[end..].strip_prefix('\'') {
        Some(more) if more.starts_with(in_word) => end + 1 + word_end(more),
        _ => end,
    }
}

fn word(tokens: &mut Vec<Token>, piece: &str, labels: usize, is_marked: bool) {
    let latin: String = if piece.chars().count() == 1 { piece.chars().map(latin).collect() } else { piece.to_owned() };
    let lower = piece.to_lowercase();
    if let Ok(number) = piece.parse::<f64>() {
        let is_place = |before: &str| words::is_place(before) || before.ends_with('第');
        let is_named = matches!(tokens.last(), Some(Token::Word(before)) if is_place(before));
        if is_named {
            tokens.pop();
        }
        return tokens.push(if is_named { Token::Place(number) } else { Token::Number(number) });
    }
    if lower.starts_with(['位', '名'])
        && let Some(Token::Number(number)) = tokens.last()
    {
        let place = Token::Place(*number);
        tokens.pop();
        return tokens.push(place);
    }
    if let Some(at) = label(&latin, labels) {
        return tokens.push(Token::Label(at, if is_marked { Form::Sure } else { Form::Capital }));
    }
    if let Some(at) = Some(latin.to_ascii_uppercase()).filter(|l| l.len() == 1).and_then(|l| label(&l, labels)) {
        return tokens.push(Token::Label(at, if is_marked { Form::Sure } else { Form::Small }));
    }
    if let Some(place) = words::ordinal(&lower) {
        return tokens.push(Token::Place(place));
    }
    // "ResponseA"
    let joined = if piece.is_ascii() { (1..piece.len()).find(|&at| words::is_noun(&lower[..at])) } else { None };
    if let Some(at) = joined.and_then(|at| label(&piece[at..], labels)) {
        return tokens.push(Token::Label(at, Form::Sure));
    }
    tokens.push(Token::Word(lower));
}

/// Letters that are words of their own somewhere, as capitals, too.
fn is_word_too(at: usize) -> bool {
    matches!(at, 0 | 4 | 8 | 14 | 24)
}

/// Joins "response" and "A", and takes an article for one.
fn settle(tokens: &mut Vec<Token>) {
    let mut settled: Vec<Token> = Vec::with_capacity(tokens.len());
    for at in 0..tokens.len() {
        let Token::Label(label, form) = tokens[at] else {
            settled.push(tokens[at].clone());
            continue;
        };
        let follows_word = matches!(tokens.get(at + 1), Some(Token::Word(word)) if !words::is_verb(word));
        // "Response C", "Response-C", "Response #C"
        let called = match settled.as_slice() {
            [.., Token::Word(word)] if words::is_noun(word) => 1,
            [.., Token::Word(word), Token::Sign('-' | '#')] if words::is_noun(word) => 2,
            _ => 0,
        };
        let is_called = called > 0;
        let is_article = follows_word && is_word_too(label);
        let form = match form {
            Form::Capital if is_called => Form::Sure,
            Form::Small if is_called && !is_article => Form::Sure,
            Form::Capital | Form::Small if is_article => {
                settled.push(Token::Word(super::super::labels::label(label).to_lowercase()));
                continue;
            }
            form => form,
        };
        if is_called && form == Form::Sure {
            settled.truncate(settled.len() - called);
        }
        settled.push(Token::Label(label, form));
    }
    *tokens = settled;
}
