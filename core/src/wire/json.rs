//! JSON as models write it: half a surrogate pair is no reason to lose a reply.

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

/// The UTF-16 unit of the escape `\uXXXX` that stands here.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::mended;

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

    proptest! {
        #[test]
        fn every_mix_of_escapes_can_be_read_after_mending(
            pieces in prop::collection::vec(prop::sample::select(vec!["\\ud83d", "\\ude00", "\\\\", "\\\"", "u", "d83d", "é", "\\u0041"]), 0..20),
        ) {
            let text = format!("\"{}\"", pieces.concat());
            prop_assert!(read(&text).is_ok(), "{}", text);
        }
    }
}
