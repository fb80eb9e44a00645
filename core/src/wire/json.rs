//! JSON as models write it: half a surrogate pair is no reason to lose a reply. And strings as they are written, long
//! ones at the speed of copying.

use crate::base::Json;

/// The text with every escaped half of a surrogate pair (`\ud83d` alone) replaced by U+FFFD, or nothing when
/// there is none. For a second try, after the parser has refused the text.
pub(crate) fn mended(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut at, mut copied) = (0, 0);
    while let Some(backslash) = memchr::memchr(b'\\', &bytes[at..]) {
        let escape = at + backslash;
        let Some(unit) = unit(bytes, escape) else {
            at = escape + 2;
            if at > bytes.len() {
                break;
            }
            continue;
        };
        let low = (0xdc00..0xe000).contains(&unit);
        let high = (0xd800..0xdc00).contains(&unit);
        let paired = high && self::unit(bytes, escape + 6).is_some_and(|next| (0xdc00..0xe000).contains(&next));
        at = escape + if paired { 12 } else { 6 };
        if low || (high && !paired) {
            out.push_str(&text[copied..escape]);
            out.push_str("\\ufffd");
            copied = at;
        }
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&text[copied..]);
    Some(out)
}

/// The arguments of a call read: nothing is no arguments, what is no JSON stays text.
pub(crate) fn arguments(text: String) -> Json {
    if text.trim().is_empty() {
        return Json::Object(serde_json::Map::new());
    }
    let read = serde_json::from_str(&text).ok();
    match read.or_else(|| serde_json::from_str(&mended(&text)?).ok()) {
        Some(Json::Null) => Json::Object(serde_json::Map::new()),
        Some(arguments) => arguments,
        None => Json::String(text),
    }
}

/// Bytes looked at in one step.
const BLOCK: usize = 16;

/// Writes the text as a JSON string, the same bytes as serde_json. A long history is mostly this: what needs no escape
/// is found many bytes at a time and copied in one piece, where serde_json looks at one byte after the other.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (as_it_is, behind) = rest.split_at(plain(rest));
        out.extend_from_slice(as_it_is);
        let Some((&byte, behind)) = behind.split_first() else { break };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
        rest = behind;
    }
    out.push(b'"');
}

/// How many bytes at the beginning stand in a JSON string as they are.
fn plain(bytes: &[u8]) -> usize {
    let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    // No early exit inside of a block: the compiler makes a few instructions of it.
    let is_plain = |block: &&[u8]| !block.iter().fold(false, |found, byte| found | is_special(*byte));
    let clean = BLOCK * bytes.chunks_exact(BLOCK).take_while(is_plain).count();
    let found = bytes[clean..].iter().position(|byte| is_special(*byte));
    found.map_or(bytes.len(), |at| clean + at)
}

/// The UTF-16 unit of the escape `\uXXXX` that stands here.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{mended, write_string};

    fn read(text: &str) -> serde_json::Result<String> {
        serde_json::from_str(&mended(text).unwrap_or_else(|| text.to_owned()))
    }

    #[test]
    fn half_a_pair_becomes_the_replacement_character_and_all_else_stays() {
        for (text, read_as) in [
            (r#""a\ud83d b""#, "a\u{fffd} b"),
            (r#""a\ude00""#, "a\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
        ] {
            assert!(serde_json::from_str::<String>(text).is_err());
            assert_eq!(read(text).unwrap(), read_as);
        }
        for fine in [r#""\ud83d\ude00""#, r#""\\ud83d""#, r#""é\u00e9""#, "", "\\", "\\u", "\\ud83"] {
            assert_eq!(mended(fine), None, "{fine}");
        }
    }

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_single_character_is_written_as_serde_json_writes_it() {
        for character in (0..0x300).chain([0x2028, 0x2029, 0xfeff, 0x1_f600]).filter_map(char::from_u32) {
            for text in [character.to_string(), format!("{character:x>17}"), format!("{character:x<33}")] {
                assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn every_text_is_written_as_serde_json_writes_it(
            text in prop_oneof![".{0,80}", "[ -~\\n\"\\\\\\x00-\\x1f]{0,80}", "[a-z]{0,40}[\"\\\\\\n][a-z]{0,40}"],
        ) {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn every_mix_of_escapes_can_be_read_after_mending(
            pieces in prop::collection::vec(prop::sample::select(vec!["\\ud83d", "\\ude00", "\\\\", "\\\"", "u", "d83d", "é", "\\u0041"]), 0..20),
        ) {
            let text = format!("\"{}\"", pieces.concat());
            prop_assert!(read(&text).is_ok(), "{}", text);
        }
    }
}
