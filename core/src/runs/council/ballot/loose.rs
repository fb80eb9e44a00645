//! JSON as models write it: fenced or not, with text around it, commas too many or too few, keys without quotes, cut off.
//! Fields stay in the order written.

/// A value that was found in a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Loose {
    /// Words, quoted or not.
    Text(String),
    /// A number.
    Number(f64),
    /// `[…]`
    List(Vec<Loose>),
    /// `{…}`
    Object(Vec<(String, Loose)>),
}

/// Where a value stands.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) value: Loose,
    pub(super) from: usize,
    pub(super) to: usize,
    /// False when the text ends within it.
    pub(super) is_whole: bool,
}

/// Deeper than this is nothing that was asked for.
const MAX_DEPTH: usize = 16;

/// The objects and lists of a text, those within others not counted.
pub(super) fn found(text: &str) -> Vec<Found> {
    let mut all = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find(['{', '[']).map(|at| from + at) {
        let mut reader = Reader { text, at, is_whole: true };
        match reader.value(0) {
            Some(value) => {
                from = reader.at;
                all.push(Found { value, from: at, to: reader.at, is_whole: reader.is_whole });
            }
            None => from = at + 1,
        }
    }
    all
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    is_whole: bool,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
        if self.rest().starts_with("//")
            && let Some(line) = self.rest().find('\n')
        {
            self.at += line;
            self.skip_blanks();
        }
    }

    fn take(&mut self, sign: char) -> bool {
        let is_next = self.peek() == Some(sign);
        if is_next {
            self.at += sign.len_utf8();
        }
        is_next
    }

    fn value(&mut self, depth: usize) -> Option<Loose> {
        self.skip_blanks();
        match self.peek()? {
            '{' | '[' if depth == MAX_DEPTH => None,
            '{' => self.object(depth),
            '[' => self.list(depth),
            '"' | '\'' => self.quoted().map(Loose::Text),
            _ => self
                .bare(&[',', ']', '}', '\n', '[', '{', '"'])
                .map(|word| word.parse().ok().filter(|n: &f64| n.is_finite()).map_or(Loose::Text(word), Loose::Number)),
        }
    }

    fn list(&mut self, depth: usize) -> Option<Loose> {
        self.take('[');
        let mut values = Vec::new();
        loop {
            self.skip_blanks();
            if self.take(']') {
                return Some(Loose::List(values));
            }
            if self.take(',') {
                continue;
            }
            if self.rest().is_empty() {
                self.is_whole = false;
                return Some(Loose::List(values));
            }
            values.push(self.value(depth + 1)?);
        }
    }

    fn object(&mut self, depth: usize) -> Option<Loose> {
        self.take('{');
        let mut fields = Vec::new();
        loop {
            self.skip_blanks();
            if self.take('}') {
                return Some(Loose::Object(fields));
            }
            if self.take(',') || self.take(';') {
                continue;
            }
            let key = match self.peek() {
                Some('"' | '\'') => self.quoted()?,
                Some(_) => self.bare(&[':', ',', '{', '}', '[', ']', '\n'])?,
                None => String::new(),
            };
            self.skip_blanks();
            let is_named = self.take(':');
            self.skip_blanks();
            if self.rest().is_empty() {
                self.is_whole = false;
                return (!fields.is_empty()).then_some(Loose::Object(fields));
            }
            if !is_named {
                return None;
            }
            fields.push((key, self.value(depth + 1)?));
        }
    }

    /// A text in quotes of the sign that is next.
    fn quoted(&mut self) -> Option<String> {
        let quote = self.peek()?;
        self.take(quote);
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                _ if c == quote => return Some(text),
                '\\' => match self.peek() {
                    Some('u') => {
                        let code = self.rest().get(1..5).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                        text.extend(code.and_then(char::from_u32));
                        self.at += if code.is_some() { 5 } else { 1 };
                    }
                    Some(escaped) => {
                        self.at += escaped.len_utf8();
                        text.push(if escaped == 'n' { '\n' } else { escaped });
                    }
                    None => {}
                },
                _ => text.push(c),
            }
        }
        self.is_whole = false;
        Some(text)
    }

    /// Words without quotes, up to one of these signs.
    fn bare(&mut self, ends: &[char]) -> Option<String> {
        let rest = self.rest();
        let end = rest.find(ends).unwrap_or(rest.len());
        let word = rest[..end].trim().to_owned();
        self.at += end;
        (!word.is_empty()).then_some(word)
    }
}
