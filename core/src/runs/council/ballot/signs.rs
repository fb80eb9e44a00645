//! A text in plain signs: without a model's thoughts, with one sign for each meaning.

use super::words;

/// Stands before a label that was set apart in its text, so that it cannot be a word: bold, quoted, in brackets.
pub(super) const MARK: char = '\u{E000}';

/// What models put around their thoughts.
const THOUGHTS: [&str; 5] = ["think", "thinking", "thought", "reasoning", "scratchpad"];

/// The text without thoughts. Those that are not closed go to the end, those that are not opened begin with the text.
pub(super) fn without_thoughts(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    let mut thinks = false;
    for (at, _) in text.match_indices('<') {
        let Some((is_end, length)) = tag(&text[at..]) else { continue };
        if !thinks {
            kept.push_str(&text[from..at]);
        }
        if is_end && !thinks {
            kept.clear();
        }
        kept.push('\n');
        thinks = !is_end;
        from = at + length;
    }
    if !thinks {
        kept.push_str(&text[from..]);
    }
    kept
}

/// Whether a text begins with the begin or the end of thoughts, and how long that is.
fn tag(text: &str) -> Option<(bool, usize)> {
    let is_end = text.starts_with("</");
    let from = if is_end { 2 } else { 1 };
    let name = THOUGHTS.iter().find(|name| {
        text.get(from..from + name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name))
            && text[from + name.len()..].starts_with('>')
    })?;
    Some((is_end, from + name.len() + 1))
}

/// The text without the tags of XML and HTML, each of which ends a line; one that announces a ranking is a heading.
fn without_tags(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in text.match_indices('<') {
        let inside = text[at + 1..].bytes().take(32).position(|b| b == b'>').map(|end| &text[at + 1..at + 1 + end]);
        let Some(inside) = inside.filter(|_| at >= from) else { continue };
        let name = inside.strip_prefix('/').unwrap_or(inside);
        // A single letter may be a label between two signs.
        if name.len() < 2 || !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            continue;
        }
        kept.push_str(&text[from..at]);
        if name == inside && words::is_ranking_key(name) {
            kept.push_str(&format!("\n{name}:"));
        }
        kept.push('\n');
        from = at + inside.len() + 2;
    }
    kept.push_str(&text[from..]);
    kept
}

/// The text with one sign for each meaning.
pub(super) fn plain(text: &str) -> String {
    let text =
        without_tags(text).replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&").replace("\\succ", ">");
    // JSON that was written as a text of JSON.
    let is_escaped = ["{\\\"", "[\\\""].iter().any(|start| text.contains(start));
    let text = if is_escaped { text.replace("\\\"", "\"") } else { text };
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{FE0F}' | '\u{AD}' | '\r' => {}
            '\u{3000}' | '\u{A0}' | '\u{202F}' | '\t' => plain.push(' '),
            '、' | '،' => plain.push(','),
            '。' => plain.push_str(". "),
            '→' | '⇒' | '➜' | '➔' | '➡' | '⟶' | '≻' | '›' | '»' | '≥' | '⩾' | '▶' => {
                plain.push('>')
            }
            '←' | '⇐' | '≺' | '‹' | '«' | '≤' => plain.push('<'),
            '≈' | '∼' | '≡' | '~' | '～' => plain.push('='),
            '–' | '—' | '−' | '‐' | '‑' => plain.push('-'),
            '•' | '·' | '●' | '▪' | '◦' => plain.push('-'),
            '“' | '”' | '„' | '「' | '」' | '『' | '』' => plain.push('"'),
            '‘' | '’' => plain.push('\''),
            '【' | '〔' => plain.push('['),
            '】' | '〕' => plain.push(']'),
            '🥇' => plain.push_str("1. "),
            '🥈' => plain.push_str("2. "),
            '🥉' => plain.push_str("3. "),
            '\u{20E3}' => plain.push_str(". "),
            '①'..='⑳' => plain.push_str(&format!("{}. ", c as u32 - '①' as u32 + 1)),
            'Ⓐ'..='Ⓩ' => set_apart(&mut plain, c as u32 - 'Ⓐ' as u32),
            'ⓐ'..='ⓩ' => set_apart(&mut plain, c as u32 - 'ⓐ' as u32),
            '\u{1F130}'..='\u{1F149}' => set_apart(&mut plain, c as u32 - 0x1F130),
            '\u{1F170}'..='\u{1F189}' => set_apart(&mut plain, c as u32 - 0x1F170),
            '！'..='｝' => plain.extend(char::from_u32(c as u32 - 0xFEE0)),
            _ => plain.push(c),
        }
    }
    // "->" and "=>" are arrows, ">=" and ">>" are no more than ">".
    for (written, meant) in [("-->", ">"), ("->", ">"), ("=>", ">"), (">=", ">"), ("<-", "<"), ("<=", "<"), ("==", "=")]
    {
        plain = plain.replace(written, meant);
    }
    plain
}

fn set_apart(plain: &mut String, letter: u32) {
    plain.push(MARK);
    plain.extend(char::from_u32('A' as u32 + letter));
}
