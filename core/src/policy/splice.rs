//! Joins the rest of an answer to its beginning without saying anything twice.
//!
//! Whoever is asked to go on behind a text may begin with the last words of it once more, or with all of it. So the
//! beginning of what comes is held back for as long as it reads like what was said before; then what was repeated is cut
//! off. A repetition begins where a word begins, or is long: "let" and "ter" are a letter.

/// What may be repeated is looked for among the last bytes of a text; all of it is recognised at any length.
const WINDOW: usize = 16 * 1024;

/// A repetition of so many characters is one wherever it begins.
const LONG: usize = 8;

/// Joins a text to the one that it goes on behind.
#[derive(Clone, Debug)]
pub struct Splice {
    /// What was said, without the blanks at its end.
    said: String,
    /// The blanks at its end that have not come again.
    blanks: String,
    held: String,
    /// True while what came is the beginning of what was said.
    begins_anew: bool,
    is_joined: bool,
    cut: usize,
}

impl Splice {
    /// Goes on behind this text.
    #[must_use]
    pub fn new(said: &str) -> Self {
        let kept = said.trim_end();
        Self {
            blanks: said[kept.len()..].to_owned(),
            said: kept.to_owned(),
            held: String::new(),
            begins_anew: true,
            is_joined: false,
            cut: 0,
        }
    }

    /// What to show the model as the beginning of its answer: several providers refuse one that ends in blanks.
    #[must_use]
    pub fn beginning(&self) -> &str {
        &self.said
    }

    /// Takes in what came and gives what is new of it.
    pub fn push(&mut self, delta: &str) -> String {
        if self.is_joined {
            return self.without_blanks(delta);
        }
        let said = self.said.as_bytes();
        self.begins_anew &= said.get(self.held.len()..).is_some_and(|rest| rest.starts_with(delta.as_bytes()));
        self.held.push_str(delta);
        let may_be_more = self.begins_anew || self.tail().contains(&self.held);
        if may_be_more { String::new() } else { self.join() }
    }

    /// Gives what is held back and new: nothing more comes.
    pub fn finish(&mut self) -> String {
        if self.is_joined { String::new() } else { self.join() }
    }

    /// How many characters were cut off so far.
    #[must_use]
    pub const fn cut(&self) -> usize {
        self.cut
    }

    fn tail(&self) -> &str {
        let mut from = self.said.len().saturating_sub(WINDOW);
        while !self.said.is_char_boundary(from) {
            from += 1;
        }
        &self.said[from..]
    }

    fn join(&mut self) -> String {
        self.is_joined = true;
        let held = std::mem::take(&mut self.held);
        let repeated = if held.starts_with(&self.said) { self.said.len() } else { self.repeated(&held) };
        self.cut += held[..repeated].chars().count();
        self.without_blanks(&held[repeated..])
    }

    /// How many bytes at the beginning of this stand at the end of what was said.
    fn repeated(&self, held: &str) -> usize {
        let tail = self.tail();
        let longest = held.len().min(tail.len());
        (1..=longest)
            .rev()
            .find(|&bytes| held.is_char_boundary(bytes) && is_repetition(tail, &held[..bytes]))
            .unwrap_or(0)
    }

    /// The blanks at the end of what was said were not shown to the model, so it may write them again.
    fn without_blanks(&mut self, text: &str) -> String {
        let same = self.blanks.chars().zip(text.chars()).take_while(|(a, b)| a == b);
        let (count, bytes) = same.fold((0, 0), |(count, bytes), (c, _)| (count + 1, bytes + c.len_utf8()));
        self.cut += count;
        if bytes == text.len() {
            self.blanks.drain(..bytes);
        } else {
            self.blanks.clear();
        }
        text[bytes..].to_owned()
    }
}

fn is_repetition(said: &str, again: &str) -> bool {
    let Some(before) = said.strip_suffix(again) else { return false };
    let in_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let begins_a_word = !in_word(before.chars().next_back()) || !in_word(again.chars().next());
    again.chars().count() >= LONG || (begins_a_word && again.chars().any(char::is_alphanumeric))
}
