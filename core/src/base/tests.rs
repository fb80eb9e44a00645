use std::sync::Arc;
use std::time::Duration;

use super::*;

fn ids(seed: u64) -> (ManualClock, Ids) {
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let ids = Ids::new(Arc::new(clock.clone()), Arc::new(SeededRandom::new(seed)));
    (clock, ids)
}

#[test]
fn ids_of_one_maker_only_grow_even_when_more_than_4096_fall_into_a_millisecond() {
    let (clock, ids) = ids(7);
    let mut last = ids.message();
    for n in 0..10_000 {
        let next = ids.message();
        assert!(next > last, "id {n} did not grow");
        last = next;
        if n == 5_000 {
            clock.advance(Duration::from_millis(1));
        }
    }
}

#[test]
fn an_id_is_a_uuid_of_version_7_and_reads_back() {
    let id = ids(1).1.turn();
    let text = id.to_string();
    assert_eq!(text.as_bytes()[14], b'7');
    assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    assert_eq!(text.parse(), Ok(id));
    assert!("not an id".parse::<TurnId>().is_err());
}

#[test]
fn the_same_user_and_key_give_the_same_conversation_and_no_other() {
    let id = ConversationId::derived("ana", "whatsapp:+34600");
    assert_eq!(id, ConversationId::derived("ana", "whatsapp:+34600"));
    assert_ne!(id, ConversationId::derived("bob", "whatsapp:+34600"));
    assert_ne!(id, ConversationId::derived("ana", "whatsapp:+34601"));
    assert_ne!(ConversationId::derived("ab", "c"), ConversationId::derived("a", "bc"));
}

#[test]
fn a_cursor_reads_back_and_is_refused_to_others() {
    let cursor = Cursor::new(CursorKind::Messages, "ana", [7; 16], i64::MAX, -3);
    let back: Cursor = cursor.to_string().parse().unwrap();
    assert_eq!(back.open(CursorKind::Messages, "ana"), Ok(([7; 16], i64::MAX, -3)));
    assert!(back.open(CursorKind::Messages, "bob").is_err());
    assert!(back.open(CursorKind::Conversations, "ana").is_err());
}

#[test]
fn a_cursor_that_is_cut_foreign_or_of_another_version_is_refused() {
    let text = Cursor::new(CursorKind::Conversations, "ana", [0; 16], 1, 2).to_string();
    for wrong in ["", "abc", &text[1..], &format!("{text}A"), &format!("B{}", &text[1..]), "💥"] {
        assert!(wrong.parse::<Cursor>().is_err(), "{wrong:?} was taken for a cursor");
    }
}

#[test]
fn a_timestamp_is_shown_as_rfc_3339() {
    assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
    assert_eq!(Timestamp::from_millis(1_795_253_400_123).to_string(), "2026-11-21T09:30:00.123Z");
    assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    assert_eq!(Timestamp::from_millis(951_782_400_000).to_string(), "2000-02-29T00:00:00.000Z");
}

#[test]
fn a_secret_never_shows_itself() {
    let secret = Secret::new(" sk-canary\n");
    assert_eq!(secret.expose(), "sk-canary");
    assert_eq!(format!("{secret} {secret:?}"), "[secret] [secret]");
}

#[test]
fn seeded_randomness_repeats_itself_and_stays_in_the_unit() {
    let (a, b) = (SeededRandom::new(3), SeededRandom::new(3));
    for _ in 0..1_000 {
        let unit = a.unit();
        assert!((0.0..1.0).contains(&unit));
        assert!((unit - b.unit()).abs() < f64::EPSILON);
    }
}

#[test]
fn error_kinds_are_seventeen_distinct_words_as_serde_writes_them() {
    let words: std::collections::BTreeSet<_> = ErrorKind::ALL.iter().map(|k| k.as_str()).collect();
    assert_eq!(words.len(), 17);
    for kind in ErrorKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}

#[test]
fn the_nearest_word_is_found_and_far_ones_are_not() {
    let words = ["openai", "openrouter", "ollama", "xai"];
    assert_eq!(nearest("opneai", words), Some("openai"));
    assert_eq!(nearest("open-ai", words), Some("openai"));
    assert_eq!(nearest("olama", words), Some("ollama"));
    assert_eq!(nearest("xia", words), Some("xai"));
    assert_eq!(nearest("bedrock", words), None);
    assert_eq!(nearest("", words), None);
    assert_eq!(nearest("öpenai", words), Some("openai"));
}
