//! What an end user reads when something went wrong: one sentence for each kind of error, and what became of the message.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{Error, ErrorInfo, Result};
use crate::base::ErrorKind;

/// What is said behind the sentence when the message is kept.
const SAVED: &str = "saved";
/// What is said behind that when the message will be sent by itself.
const AUTOMATIC: &str = "automatic";
/// What is said in the place of the sentence for `storage` when it is the answer that could not be kept.
const ANSWER_NOT_SAVED: &str = "answer_not_saved";

/// The longest sentence of your own, in bytes.
const MAX_BYTES: usize = 1_024;

/// The sentences that errors and degraded replies carry for end users.
///
/// English ones are there for every kind. Sentences of your own take their places: in your own words, or in the
/// language of your users. `{seconds}` stands for the seconds, `{when}` for the time until it is worth trying again:
/// `in 3 hours` in English, `3 h` in every other language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SentenceSettings {
    /// The language that your sentences are written in, as `en` or `pt-BR`. `en`.
    pub locale: String,
    /// Your sentences: by the kind of the error (`rate_limited`), and `saved`, `automatic`, `answer_not_saved`. For what
    /// is missing, the English one is taken. None.
    pub own: BTreeMap<String, String>,
}

impl Default for SentenceSettings {
    fn default() -> Self {
        Self { locale: "en".to_owned(), own: BTreeMap::new() }
    }
}

impl SentenceSettings {
    /// Refuses sentences for what is no kind of error, and such as nobody could show.
    ///
    /// # Errors
    /// `Invalid` (bad_settings).
    pub fn check(&self) -> Result<()> {
        let bad = |detail: String| Err(Error::invalid("bad_settings", detail));
        let is_locale = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.locale.is_empty() || self.locale.len() > 35 || !self.locale.chars().all(is_locale) {
            return bad("settings.sentences.locale must be a language tag, as `en` or `pt-BR`".to_owned());
        }
        let kinds = ErrorKind::ALL.map(ErrorKind::as_str);
        for (name, sentence) in &self.own {
            if !kinds.contains(&name.as_str()) && ![SAVED, AUTOMATIC, ANSWER_NOT_SAVED].contains(&name.as_str()) {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                let known = kinds.iter().copied().chain([SAVED, AUTOMATIC, ANSWER_NOT_SAVED]);
                let hint = crate::base::nearest(name, known)
                    .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                return bad(format!(
                    "settings.sentences.own has a sentence for `{shown}`, which is no kind of error{hint}"
                ));
            }
            if sentence.trim().is_empty() || sentence.len() > MAX_BYTES {
                return bad(format!("settings.sentences.own.{name} must be text of 1 to {MAX_BYTES} bytes"));
            }
        }
        Ok(())
    }

    /// The sentence for this failure. `waits` is true when the message will be sent by itself.
    #[must_use]
    pub fn say(&self, info: &ErrorInfo, waits: bool) -> String {
        let word = if info.kind == ErrorKind::Storage && info.saved { ANSWER_NOT_SAVED } else { info.kind.as_str() };
        let mut said = self.filled(word, info.retry_after_ms);
        for (word, holds) in [(SAVED, info.saved), (AUTOMATIC, info.saved && waits)] {
            if holds {
                said.push(' ');
                said.push_str(&self.filled(word, None));
            }
        }
        said
    }

    /// The sentence under this word, its blanks filled.
    fn filled(&self, word: &str, after_ms: Option<i64>) -> String {
        let own = self.own.get(word);
        let sentence = own.map_or_else(|| english(word), String::as_str);
        if !sentence.contains('{') {
            return sentence.to_owned();
        }
        let in_english = own.is_none() || self.locale.split(['-', '_']).next() == Some("en");
        let seconds = after_ms.map(|ms| ms.max(0).saturating_add(999) / 1_000);
        let when = seconds.map_or_else(|| if in_english { "later" } else { "…" }.to_owned(), |s| when(s, in_english));
        sentence.replace("{seconds}", &seconds.unwrap_or(60).to_string()).replace("{when}", &when)
    }
}

/// So many seconds in the largest unit that does not make them shorter than they are.
fn when(seconds: i64, in_english: bool) -> String {
    let up = |unit: i64| seconds.saturating_add(unit - 1) / unit;
    let (count, word, sign) = match seconds {
        ..=99 => (seconds, "second", "s"),
        100..=5_999 => (up(60), "minute", "min"),
        6_000..=172_799 => (up(3_600), "hour", "h"),
        _ => (up(86_400), "day", "d"),
    };
    if !in_english {
        return format!("{count} {sign}");
    }
    format!("in {count} {word}{}", if count == 1 { "" } else { "s" })
}

fn english(word: &str) -> &'static str {
    match word {
        "invalid" => "That could not be sent. Please change it and try again.",
        "not_found" => "This conversation or message no longer exists.",
        "conflict" => "This conversation was changed elsewhere. Please look again.",
        "unauthorized" => "The assistant is not set up correctly.",
        "quota_exhausted" => "The assistant is not available at the moment.",
        "budget_exceeded" => "You have reached your limit. It renews {when}.",
        "rate_limited" => "The assistant is very busy. Try again in {seconds} s.",
        "unavailable" => "The assistant is temporarily unavailable.",
        "timed_out" => "The answer took too long.",
        "context_too_long" => "This conversation has become too long for the assistant.",
        "content_filtered" => "The assistant cannot answer that.",
        "truncated" => "The answer broke off. You can ask for the rest.",
        "output_invalid" => "The assistant gave no usable answer.",
        "cancelled" => "Stopped.",
        "storage" => "Your message could not be saved, so it was not sent.",
        "closed" => "One moment, please. Then try again.",
        SAVED => "Your message was saved.",
        AUTOMATIC => "It will be sent automatically.",
        ANSWER_NOT_SAVED => "The answer could not be saved.",
        _ => "Something went wrong on our side.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Retry, TurnId};

    fn own(locale: &str, sentences: &[(&str, &str)]) -> SentenceSettings {
        let own = sentences.iter().map(|(name, sentence)| ((*name).to_owned(), (*sentence).to_owned())).collect();
        SentenceSettings { locale: locale.to_owned(), own }
    }

    fn failed(kind: ErrorKind, after_ms: Option<i64>) -> ErrorInfo {
        let error = Error::new(kind, "any", "…");
        after_ms.map_or(error.clone(), |after_ms| error.with_retry(Retry::After { after_ms })).info()
    }

    #[test]
    fn every_kind_has_an_english_sentence_of_its_own() {
        let standard = SentenceSettings::default();
        let said: std::collections::BTreeSet<_> =
            ErrorKind::ALL.iter().map(|kind| standard.say(&failed(*kind, None), false)).collect();
        assert_eq!(said.len(), ErrorKind::ALL.len(), "{said:?}");
        assert!(said.iter().all(|sentence| !sentence.contains('{') && sentence.ends_with('.')), "{said:?}");
    }

    #[test]
    fn it_goes_on_with_what_became_of_the_message() {
        let standard = SentenceSettings::default();
        let down = ErrorInfo { saved: true, ..failed(ErrorKind::Unavailable, None) };
        assert_eq!(standard.say(&down, false), "The assistant is temporarily unavailable. Your message was saved.");
        assert_eq!(
            standard.say(&down, true),
            "The assistant is temporarily unavailable. Your message was saved. It will be sent automatically."
        );
        let lost = failed(ErrorKind::Storage, None);
        assert_eq!(standard.say(&lost, true), "Your message could not be saved, so it was not sent.");
        let kept = ErrorInfo { saved: true, ..lost };
        assert_eq!(standard.say(&kept, false), "The answer could not be saved. Your message was saved.");
    }

    #[test]
    fn the_blanks_are_filled_and_no_time_is_told_too_short() {
        let english = own("en-GB", &[("unavailable", "Back {when} ({seconds}).")]);
        let spanish = own("es", &[("unavailable", "Vuelve en {when} ({seconds}).")]);
        for (ms, en, es) in [
            (0, "in 0 seconds (0)", "0 s (0)"),
            (1, "in 1 second (1)", "1 s (1)"),
            (99_000, "in 99 seconds (99)", "99 s (99)"),
            (99_001, "in 2 minutes (100)", "2 min (100)"),
            (5_999_000, "in 100 minutes (5999)", "100 min (5999)"),
            (10_800_000, "in 3 hours (10800)", "3 h (10800)"),
            (10_800_001, "in 4 hours (10801)", "4 h (10801)"),
            (172_800_000, "in 2 days (172800)", "2 d (172800)"),
            (-7, "in 0 seconds (0)", "0 s (0)"),
        ] {
            let down = failed(ErrorKind::Unavailable, Some(ms));
            assert_eq!(english.say(&down, false), format!("Back {en}."));
            assert_eq!(spanish.say(&down, false), format!("Vuelve en {es}."));
        }
        let endless = english.say(&failed(ErrorKind::Unavailable, Some(i64::MAX)), false);
        assert!(endless.contains("days"), "{endless}");
        let limit = SentenceSettings::default().say(&failed(ErrorKind::BudgetExceeded, Some(7_200_000)), false);
        assert_eq!(limit, "You have reached your limit. It renews in 2 hours.");
        assert_eq!(
            SentenceSettings::default().say(&failed(ErrorKind::BudgetExceeded, None), false),
            "You have reached your limit. It renews later."
        );
    }

    #[test]
    fn own_sentences_take_the_places_of_the_english_ones_and_the_rest_stays() {
        let spanish = own(
            "es",
            &[("unavailable", "No disponible."), ("saved", "Mensaje guardado."), ("automatic", "Se enviará solo.")],
        );
        let down = ErrorInfo { saved: true, ..failed(ErrorKind::Unavailable, None) };
        assert_eq!(spanish.say(&down, true), "No disponible. Mensaje guardado. Se enviará solo.");
        assert_eq!(spanish.say(&failed(ErrorKind::Internal, None), false), "Something went wrong on our side.");
        spanish.check().unwrap();
        let down = Error::new(ErrorKind::Unavailable, "down", "…").with_turn(TurnId::from_bytes([1; 16]));
        let error = down.worded(&std::sync::Arc::new(spanish)).waiting();
        assert_eq!(error.user_message(), "No disponible. Mensaje guardado. Se enviará solo.");
        assert_eq!(error.info().user_message, error.user_message());
        // Read back, it says what it said.
        assert_eq!(Error::from(error.info()).user_message(), error.user_message());
    }

    #[test]
    fn a_sentence_for_nothing_and_a_language_that_is_none_are_refused() {
        let refused = |settings: SentenceSettings| settings.check().unwrap_err().detail().to_owned();
        assert!(refused(own("en", &[("rate_limit", "x")])).contains("did you mean `rate_limited`?"));
        assert!(refused(own("en", &[("saved", " ")])).contains("settings.sentences.own.saved must be text"));
        assert!(refused(own("en", &[("saved", &"x".repeat(1_025))])).contains("1 to 1024 bytes"));
        for locale in ["", "e n", "en\n", &"x".repeat(36)] {
            assert!(refused(own(locale, &[])).contains("settings.sentences.locale"), "{locale}");
        }
        SentenceSettings::default().check().unwrap();
    }
}
