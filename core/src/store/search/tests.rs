//! What a word is, what a query asks for, where it is said.

use proptest::prelude::*;

use super::*;
use crate::base::ErrorKind;

fn words(text: &str) -> String {
    cut(text).words.folded().to_owned()
}

fn parts(text: &str) -> String {
    cut(text).parts.folded().to_owned()
}

fn query(text: &str) -> Query {
    Query::parse(text).unwrap().expect("it wants something")
}

fn finds(asked: &str, text: &str) -> bool {
    query(asked).matches(&cut(text))
}

/// A snippet with its hits in brackets.
fn shown(asked: &str, text: &str) -> String {
    let spans = snippet(text, &query(asked));
    spans.iter().map(|span| if span.hit { format!("[{}]", span.text) } else { span.text.clone() }).collect()
}

#[test]
fn case_accents_and_compatible_forms_do_not_count() {
    for (text, folded) in [
        ("Gazpacho, ANDALUZ!", "gazpacho andaluz"),
        ("Cádiz CAFÉ cafe\u{301} naïve", "cadiz cafe cafe naive"),
        ("ＡＢＣ１２ ﬁne ①", "abc12 fine 1"),
        ("STRASSE Straße", "strasse strasse"),
        ("İstanbul IŞIK ışık", "istanbul isik isik"),
        ("Łódź, Ærø, Đorđe, œuvre", "lodz aero dorde oeuvre"),
        ("ΣΟΦΟΣ σοφός", "σοφοσ σοφοσ"),
        ("ёж Ёж еж", "еж еж еж"),
        ("שָׁלוֹם", "שלום"),
        ("مُحَمَّد", "محمد"),
        ("don't l'été", "don t l ete"),
        ("3.14, full-text a@b.example", "3 14 full text a b example"),
        ("", ""),
        ("— … 🎉 !?", ""),
    ] {
        assert_eq!(words(text), folded, "{text}");
    }
}

#[test]
fn a_mark_without_which_another_word_is_read_counts() {
    assert_eq!(words("हिन्दी की कि"), "हिन्दी की कि");
    assert_ne!(words("か"), words("が"));
    // Half-width kana with a mark of its own.
    assert_eq!(words("ｶﾞｷﾞ"), words("ガギ"));
    assert_eq!(words("می\u{200c}خواهم"), words("میخواهم"));
    assert_eq!(words("Schiff\u{ad}fahrt"), "schifffahrt");
}

#[test]
fn scripts_without_blanks_are_cut_into_pairs() {
    assert_eq!(words("日本語"), "日本 本語 語");
    assert_eq!(words("東"), "東");
    assert_eq!(words("iPhone手机 ok"), "iphone 手机 机 ok");
    assert_eq!(words("東京タワー"), "東京 京タ タワ ワー ー");
    assert_eq!(words("서울에서"), "서울 울에 에서 서");
    assert_eq!(words("กขค"), "กข ขค ค");
    assert_eq!(words("ที่นี่").split(' ').count(), 4);
}

#[test]
fn names_in_code_are_one_word_and_their_parts() {
    assert_eq!(words("call parseHttpRequest now"), "call parsehttprequest now");
    assert_eq!(parts("call parseHttpRequest now"), "parse http request");
    assert_eq!(parts("HTTPServer2 __init__ max_retries"), "http server2 ¦ max retries");
    assert_eq!(words("__init__"), "init");
    assert_eq!(parts("ÉtatInitial"), "etat initial");
    assert_eq!(parts("plain words"), "");
}

#[test]
fn a_query_wants_words_phrases_beginnings_and_not_what_is_excluded() {
    let text = "The gazpacho of Córdoba is called salmorejo; call parseHttpRequest for 東京タワー.";
    for asked in [
        "gazpacho",
        "GAZPACHO cordoba",
        "\"called salmorejo\"",
        "“called salmorejo”",
        "salmo*",
        "gazpacho -tortilla",
        "\"of Córdoba is\"",
        "parseHttpRequest",
        "parse_http_request",
        "parsehttprequest",
        "http",
        "HttpRequest",
        "\"http request\"",
        "parseHttp*",
        "京タ",
        "東",
        "ー",
        "東京タワー",
        "\"for 東京\"",
        "タワー",
        "-\"salmorejo called\" gazpacho",
        "gazpacho -",
        "- gazpacho",
        "gazpacho AND",
        "salmorejo;",
    ] {
        assert_eq!(finds(asked, text), !asked.contains("AND"), "{asked}");
    }
    for asked in [
        "gazpach",
        "tortilla",
        "\"gazpacho Córdoba\"",
        "gazpacho -salmorejo",
        "gazpacho -salm*",
        "\"request http\"",
        "京東",
        "東タ",
        "\"東京 for\"",
        "requestHttp",
        "gazpacho tortilla",
        "-東 gazpacho",
        "s*",
        "sa*",
        "gazpacho OR tortilla",
    ] {
        assert!(!finds(asked, text), "{asked}");
    }
    // No phrase goes from one name into the next.
    assert!(!finds("\"http max\"", "parseHttp maxRetries"));
}

#[test]
fn a_query_that_wants_nothing_finds_nothing_and_one_too_long_is_refused() {
    for asked in ["", "  ", "-gazpacho", "\"\"", "!?", "*", "-", "\"", "\"\"\"", "-\"a", "🎉"] {
        assert_eq!(Query::parse(asked).unwrap(), None, "{asked}");
    }
    for asked in ["a ".repeat(33), "a".repeat(1_025)] {
        let error = Query::parse(&asked).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_query"));
    }
    assert!(Query::parse(&"a ".repeat(32)).unwrap().is_some());
}

#[test]
fn words_without_end_are_the_same_by_their_beginning() {
    let long = "x".repeat(100_000);
    assert_eq!(words(&long).len(), 64);
    assert!(finds(&"x".repeat(1_000), &long));
}

#[test]
fn a_snippet_shows_the_place_and_what_was_looked_for() {
    assert_eq!(shown("salmorejo", "One says\n\n  salmorejo, not gazpacho."), "One says [salmorejo], not gazpacho.");
    assert_eq!(shown("\"cold soup\"", "A cold \n soup."), "A [cold soup].");
    assert_eq!(shown("cold soup", "A cold soup."), "A [cold] [soup].");
    assert_eq!(shown("京都", "東京都庁"), "東[京都]庁");
    assert_eq!(shown("京都庁", "東京都庁"), "東[京都庁]");
    assert_eq!(shown("request", "call parseHttpRequest now"), "call parseHttp[Request] now");
    let long = format!("{} needle {}", "hay ".repeat(200), "hay ".repeat(200));
    let place = shown("needle", &long);
    assert!(place.starts_with("…") && place.ends_with('…') && place.contains(" [needle] "), "{place}");
    assert!((100..=164).contains(&place.chars().count()), "{place}");
    // Where the most of it stands, not the first.
    let text = format!("red {} red green blue", "hay ".repeat(100));
    assert!(shown("red green blue", &text).ends_with("[red] [green] [blue]"));
    let endless = "x".repeat(5_000);
    assert_eq!(shown(&"x".repeat(64), &endless), format!("[{}]…", "x".repeat(160)));
}

proptest! {
    /// Whatever is written: nothing panics, the text is cut at characters, a text says its own words, and a snippet is a
    /// piece of it.
    #[test]
    fn any_text_is_cut_found_and_shown(text in "\\PC{0,200}", asked in "[\\PC\"*\\-\\x00 ]{0,40}") {
        let found = cut(&text);
        for at in 0..found.words.len() {
            prop_assert!(text.get(found.words.source(at)).is_some());
            let word = found.words.word(at);
            prop_assert!(!word.is_empty() && !word.chars().any(|c| c.is_ascii() && !c.is_ascii_alphanumeric()), "{word:?}");
            prop_assert!(!word.contains('¦'));
        }
        if let Some(query) = Query::parse(&asked).unwrap() {
            let spans = snippet(&text, &query);
            prop_assert_eq!(spans.iter().any(|span| span.hit), query.phrases().any(|phrase| phrase.hits(&found).next().is_some()));
            prop_assert!(spans.iter().map(|span| span.text.chars().count()).sum::<usize>() <= 162);
        }
        if let Some(query) = Query::parse(&format!("\"{}\"", text.replace(['"', '“', '”', '„', '«', '»'], " "))).unwrap() {
            prop_assert!(query.matches(&found), "{text:?} {query:?}");
        }
    }
}
