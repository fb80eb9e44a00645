//! A council as a value.

use std::time::Duration;

use super::super::{Council, CouncilPrompts, CouncilRule};
use crate::base::ErrorKind;

fn council() -> Council {
    Council::new(["openai/gpt-5", "google/gemini-3-pro", "ollama/llama3.3"])
}

#[test]
fn a_council_of_names_alone_can_be_held() {
    let council = council();
    council.check().unwrap();
    assert_eq!((council.quorum, council.timeout_ms, council.chairman_share), (1, 120_000, 0.3));
    assert_eq!((council.rule, council.seed), (CouncilRule::Borda, None));
    assert_eq!(council.chairmen(), ["openai/gpt-5"]);
}

#[test]
fn what_cannot_be_held_is_refused_by_the_name_of_the_field() {
    let prompt = |change: fn(&mut CouncilPrompts)| {
        let mut prompts = CouncilPrompts::default();
        change(&mut prompts);
        council().prompts(prompts)
    };
    let wrong = [
        (Council::new(Vec::<String>::new()), "at least one member"),
        (Council::new((0..27).map(|n| format!("a/{n}"))), "at most 26 members, not 27"),
        (council().quorum(0), "council.quorum is from 1 to the number of members, 3, not 0"),
        (council().quorum(4), "council.quorum is from 1 to the number of members, 3, not 4"),
        (council().timeout(Duration::ZERO), "council.timeout_ms"),
        (council().timeout(Duration::MAX), "council.timeout_ms"),
        (council().chairman_share(0.09), "council.chairman_share"),
        (council().chairman_share(0.81), "council.chairman_share"),
        (council().chairman_share(f64::NAN), "council.chairman_share"),
        (prompt(|p| p.review = "Rank them.".to_owned()), "`review` needs the place `{answers}`"),
        (prompt(|p| p.repair = "Again.".to_owned()), "`repair` needs the place `{labels}`"),
        (prompt(|p| p.synthesis = "Sum up.".to_owned()), "`synthesis` needs the place `{answers}`"),
        (prompt(|p| p.synthesis = "{answers}".repeat(8_000)), "`synthesis` is longer than"),
    ];
    for (council, says) in wrong {
        let error = council.check().unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_council"));
        assert!(error.detail().contains(says), "{error}");
    }
}

#[test]
fn every_name_has_to_be_that_of_a_model() {
    for council in [Council::new(["gpt-5"]), council().chairman("boss"), council().fallback_chairman("")] {
        assert_eq!(council.check().unwrap_err().reason(), "unknown_model");
    }
}

#[test]
fn the_bounds_themselves_are_allowed() {
    for share in [0.1, 0.8] {
        council().chairman_share(share).quorum(3).timeout(Duration::from_millis(1)).check().unwrap();
    }
    Council::new(["a/b"]).timeout(Duration::from_secs(86_400)).check().unwrap();
}

#[test]
fn a_model_may_be_a_member_twice_and_has_a_name_for_each_time() {
    let council = Council::new(["a/b", "a/b", "a/b#2", "a/c", "a/b"]);
    council.check().unwrap();
    assert_eq!(council.names(), ["a/b", "a/b#3", "a/b#2", "a/c", "a/b#4"]);
}

#[test]
fn the_chairman_is_the_first_member_unless_named_and_nobody_is_asked_twice() {
    assert_eq!(council().chairman("a/b").fallback_chairman("c/d").chairmen(), ["a/b", "c/d"]);
    assert_eq!(council().fallback_chairman("openai/gpt-5").chairmen(), ["openai/gpt-5"]);
}

#[test]
fn a_council_is_json_and_back_and_what_is_left_out_is_the_default() {
    let council =
        council().chairman("a/b").rule(CouncilRule::Schulze).seed(7).max_parallel(2).member_instructions("Be short.");
    let json = serde_json::to_string(&council).unwrap();
    assert_eq!(serde_json::from_str::<Council>(&json).unwrap(), council);
    let few: Council = serde_json::from_str(r#"{"members": ["a/b"], "rule": "copeland"}"#).unwrap();
    assert_eq!(few, Council::new(["a/b"]).rule(CouncilRule::Copeland));
    assert!(serde_json::from_str::<Council>(r#"{"membres": []}"#).is_err());
}
