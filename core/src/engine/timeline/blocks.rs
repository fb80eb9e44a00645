//! How much of a text is whole blocks of Markdown, told while it grows. Pure.

/// Reads a text once, as it comes. Counts characters.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    chars: usize,
    stable: usize,
    /// How the line begins that is being read, as far as that matters.
    line: String,
    line_start: usize,
    /// True while what is known of the line's beginning does not say yet what it begins.
    is_open: bool,
    /// True when the line before was blank, or there was none.
    after_blank: bool,
    /// The mark and length of the fence that is open.
    fence: Option<(char, usize)>,
    /// Nothing is told any more: a block has begun whose end is not looked for.
    is_lost: bool,
    begun: bool,
}

/// So much of a line says what it is: a fence may be indented by three.
const HEAD: usize = 64;

impl Blocks {
    /// How long the text is.
    pub(super) const fn chars(&self) -> usize {
        self.chars
    }

    /// So much of it nothing will change that follows.
    pub(super) const fn stable(&self) -> usize {
        self.stable
    }

    /// Takes in what comes next.
    pub(super) fn push(&mut self, text: &str) {
        if !self.begun {
            (self.begun, self.is_open, self.after_blank) = (true, true, true);
        }
        for sign in text.chars() {
            self.chars += 1;
            if sign == '\n' {
                self.end_line();
                continue;
            }
            if self.line.len() < HEAD {
                self.line.push(sign);
            }
            if self.is_open && !sign.is_whitespace() {
                self.is_open = false;
                self.begin(sign);
            }
        }
    }

    /// The first sign of a line is there.
    fn begin(&mut self, sign: char) {
        let is_outside = self.fence.is_none() && !self.is_lost;
        // What is indented, or may be an item, may belong to what stands before the blank line.
        let may_go_on = self.line.len() > sign.len_utf8() || sign.is_ascii_digit() || "-+*".contains(sign);
        if is_outside && self.after_blank && !may_go_on {
            self.stable = self.line_start;
        }
        if is_outside && sign == '<' {
            // Such a block may hold blank lines.
            self.is_lost = true;
        }
    }

    fn end_line(&mut self) {
        let line = self.line.trim_end();
        let indent = line.len() - line.trim_start_matches(' ').len();
        let rest = &line[indent..];
        let mark = rest.chars().next().filter(|mark| "`~".contains(*mark));
        let run = mark.map_or(0, |mark| rest.chars().take_while(|sign| *sign == mark).count());
        match (self.fence, mark) {
            (None, Some(mark)) if run >= 3 && !(mark == '`' && rest[run..].contains('`')) => {
                self.fence = Some((mark, run));
            }
            (Some((open, least)), Some(mark)) if open == mark && run >= least && rest.len() == run => {
                self.fence = None;
            }
            _ => {}
        }
        self.after_blank = line.is_empty();
        (self.is_open, self.line_start) = (true, self.chars);
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is settled after each character.
    fn settled(text: &str) -> Vec<usize> {
        let mut blocks = Blocks::default();
        let one_by_one = text.chars().map(|sign| {
            blocks.push(sign.encode_utf8(&mut [0; 4]));
            blocks.stable()
        });
        let one_by_one: Vec<usize> = one_by_one.collect();
        let mut whole = Blocks::default();
        whole.push(text);
        assert_eq!(Some(&whole.stable()), one_by_one.last(), "the same however it is cut: {text:?}");
        assert_eq!(whole.chars(), text.chars().count());
        one_by_one
    }

    fn stable(text: &str) -> &str {
        let chars = *settled(text).last().unwrap();
        let end = text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at);
        &text[..end]
    }

    #[test]
    fn a_paragraph_is_settled_when_the_next_one_has_begun() {
        assert_eq!(stable("Hä\n\nB"), "Hä\n\n");
        assert_eq!(stable("Hä\n\n"), "", "a list could go on");
        assert_eq!(stable("Hä\nB"), "");
        assert_eq!(stable("# A\n\nB\n\n\nC\nD"), "# A\n\nB\n\n\n");
    }

    #[test]
    fn a_list_is_settled_only_by_what_cannot_belong_to_it() {
        assert_eq!(stable("- a\n\n- b\n\n  more\n\n1. c"), "");
        assert_eq!(stable("- a\n\n- b\n\nText"), "- a\n\n- b\n\n");
    }

    #[test]
    fn a_blank_line_in_a_fence_settles_nothing_and_the_end_of_the_fence_does() {
        assert_eq!(stable("A\n\n```rust\nfn a() {}\n\nfn b() {}\n"), "A\n\n");
        assert_eq!(stable("````\n```\n\nx\n````\n\nB"), "````\n```\n\nx\n````\n\n");
        assert_eq!(stable("~~~\n```\n\nx"), "");
        assert_eq!(stable("`a` ```b``` c\n\nD"), "`a` ```b``` c\n\n");
    }

    #[test]
    fn nothing_is_settled_behind_a_block_of_html() {
        assert_eq!(stable("A\n\n<pre>\n\nB\n\nC"), "A\n\n");
    }

    #[test]
    fn what_is_settled_never_shrinks() {
        let text = "# A\n\n- b\n\n1. c\n\n```\n\n\n```\n\nD é\n\nE\n\n<b>\n\nF";
        let all = settled(text);
        assert!(all.is_sorted(), "{all:?}");
    }
}
