use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{
    Media, OutputSchema, Part, PromptCache, ReasoningEffort, Role, TextFormat, ToolCall, ToolChoice, ToolSpec, Written,
};

fn of(request: &ChatRequest) -> Fingerprint {
    Fingerprint::of(&question(request)).unwrap()
}

fn question(request: &ChatRequest) -> Question<'_> {
    let base_url = "https://lab.example/v1";
    Question { request, provider: "lab", model: "m", base_url, spoken: "openai_chat", tenant: Some("ana"), key: None }
}

fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A request in which every field holds something.
fn full() -> ChatRequest {
    let call = ToolCall {
        id: "c1".to_owned(),
        name: "look_up".to_owned(),
        arguments: json!({"city": "Cádiz", "days": [1, 2]}),
        provider_executed: true,
        free_text: true,
    };
    let mut result = call.result(json!({"sun": true}));
    (result.is_error, result.media) = (true, vec![Media::url("https://lab.example/a.png")]);
    let mut said = NewMessage::new(
        Role::User,
        [
            Part::text("What is this?"),
            Part::image(Media {
                name: Some("a".to_owned()),
                size_bytes: Some(3),
                ..Media::data(vec![1, 2], "image/png")
            }),
        ],
    );
    said.metadata = map(&[("screen", "home")]);
    let opaque = Part::Opaque {
        provider: "lab".to_owned(),
        name: "signature".to_owned(),
        attached: true,
        data: json!({"blob": "x"}),
    };
    let tool = ToolSpec {
        strict: true,
        text_format: Some(TextFormat::Text),
        provider: Some("lab".to_owned()),
        ..ToolSpec::new("look_up", "Looks it up.", json!({"type": "object", "properties": {"a": {}, "b": {}}}))
    };
    ChatRequest {
        model: "m".to_owned(),
        system: Some("Be brief.".to_owned()),
        messages: vec![
            said,
            NewMessage::new(
                Role::Assistant,
                [Part::Reasoning { text: "hm".to_owned() }, opaque, Part::ToolCall { call }],
            ),
            NewMessage::new(Role::Tool, [Part::ToolResult { result }]),
        ],
        sampling: Sampling {
            temperature: Some(0.5),
            top_p: Some(0.25),
            seed: Some(7),
            stop_sequences: vec!["END".to_owned()],
            max_tokens: Some(100),
            frequency_penalty: Some(0.125),
            presence_penalty: Some(-0.5),
        },
        reasoning_effort: Some(ReasoningEffort::Low),
        reasoning_tokens: Some(64),
        tools: vec![tool],
        tool_choice: Some(ToolChoice::Tool { name: "look_up".to_owned() }),
        parallel_tools: Some(true),
        output_schema: Some(OutputSchema { name: "o".to_owned(), schema: json!({"type": "object"}), strict: true }),
        prompt_cache: Some(PromptCache { system: true, messages: vec![1], one_hour: true, key: Some("k".to_owned()) }),
        end_user: Some("u".to_owned()),
        provider_metadata: map(&[("team", "a")]),
        extra_body: Some(json!({"service_tier": "flex"})),
        extra_headers: map(&[("x-lab", "1")]),
        written: Written::default(),
    }
}

/// What may stand in the place of a value: other values of the same form, words that other fields know, and nothing.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(is) => vec![json!(!is)],
        Value::Number(n) if n.is_i64() => vec![json!(n.as_i64().unwrap() + 1)],
        Value::Number(n) => vec![json!(n.as_f64().unwrap() + 0.25)],
        Value::String(text) => {
            let mut all = vec![json!(format!("{text}x")), json!("bXVjaA==")];
            all.extend(["high", "system", "refusal", "required"].map(|word| json!(word)));
            all
        }
        Value::Null => vec![json!("x"), json!(1)],
        Value::Array(items) => vec![Value::Array(items[..items.len().saturating_sub(1)].to_vec())],
        Value::Object(_) => vec![Value::Null],
    }
}

/// Every place in a value, as a JSON pointer.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| places(value, &format!("{at}/{name}"), all)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| places(item, &format!("{at}/{i}"), all)),
        _ => {}
    }
}

#[test]
fn changing_any_one_field_of_a_request_changes_its_fingerprint_but_for_those_that_are_left_out_with_a_reason() {
    let request = full();
    let written = serde_json::to_value(&request).unwrap();
    let empty = written.as_object().unwrap().iter().find(|(_, value)| value.is_null() || *value == &json!([]));
    assert_eq!(empty, None, "the sample fills every field");
    let (mut all, mut changed, mut left_out) = (Vec::new(), 0, 0);
    places(&written, "", &mut all);
    for place in all.iter().filter(|place| !place.is_empty()) {
        let found = others(written.pointer(place).unwrap()).into_iter().find_map(|other| {
            let mut json = written.clone();
            *json.pointer_mut(place).unwrap() = other;
            let read: ChatRequest = serde_json::from_value(json).ok()?;
            (read != request).then_some(read)
        });
        // A part of an object that only makes sense whole, as the tag of an enum with other fields.
        let Some(other) = found else { continue };
        let is_left_out = place.contains("/metadata") && place.starts_with("/messages/");
        assert_eq!(of(&other) == of(&request), is_left_out, "{place}");
        changed += 1;
        left_out += u32::from(is_left_out);
    }
    assert!(changed >= 60 && left_out == 1, "{changed} of {} places were changed, {left_out} left out", all.len());
    assert_eq!(LEFT_OUT.len(), 1);
}

#[test]
fn every_field_of_a_request_takes_part_when_it_is_there_at_all() {
    let (request, empty) = (full(), ChatRequest::default());
    let (full, blank) = (serde_json::to_value(&request).unwrap(), serde_json::to_value(&empty).unwrap());
    for name in blank.as_object().unwrap().keys() {
        let mut one = blank.clone();
        one[name] = full[name].clone();
        let one: ChatRequest = serde_json::from_value(one).unwrap();
        assert_ne!(of(&one), of(&empty), "{name}");
    }
}

#[test]
fn whom_it_is_asked_of_and_for_whom_and_with_which_key_takes_part() {
    let (request, salt) = (full(), [7; 32]);
    let asked = question(&request);
    let key = |key: &str| Some(KeyId::of(&salt, &Secret::new(key)));
    let all = [
        asked,
        Question { provider: "labb", ..asked },
        Question { model: "mm", ..asked },
        Question { base_url: "https://other.example/v1", ..asked },
        Question { spoken: "anthropic", ..asked },
        Question { tenant: Some("bea"), ..asked },
        Question { tenant: Some(""), ..asked },
        Question { tenant: None, ..asked },
        Question { key: key("sk-1"), ..asked },
        Question { key: key("sk-2"), ..asked },
        // Words that move from one field to the next.
        Question { provider: "labm", model: "", ..asked },
    ];
    let prints: std::collections::HashSet<_> = all.iter().map(|asked| Fingerprint::of(asked).unwrap()).collect();
    assert_eq!(prints.len(), all.len());
    assert_ne!(KeyId::of(&[8; 32], &Secret::new("sk-1")), key("sk-1").unwrap(), "worthless without the salt");
    assert!(!format!("{:?} {:?}", key("sk-1"), of(&request)).contains("sk-1"));
}

#[test]
fn what_means_the_same_has_the_same_fingerprint() {
    let request = full();
    let mut same = request.clone();
    same.messages[0].metadata = map(&[("screen", "settings"), ("other", "x")]);
    same.extra_headers = map(&[("X-Lab", "1")]);
    assert_eq!(of(&same), of(&request));
    let zero = |zero| ChatRequest { sampling: Sampling { temperature: Some(zero), ..Sampling::default() }, ..full() };
    assert_eq!(of(&zero(0.0)), of(&zero(-0.0)));
}

#[test]
fn models_answer_in_the_order_of_a_schema_so_the_order_takes_part() {
    let schema =
        |schema: &str| OutputSchema { schema: serde_json::from_str(schema).unwrap(), ..full().output_schema.unwrap() };
    let first = ChatRequest { output_schema: Some(schema(r#"{"reason": {}, "answer": {}}"#)), ..full() };
    let second = ChatRequest { output_schema: Some(schema(r#"{"answer": {}, "reason": {}}"#)), ..full() };
    assert_ne!(of(&first), of(&second));
}

#[test]
fn a_number_that_is_none_is_not_taken_for_one_that_is_left_out() {
    let of_temperature = |temperature| {
        of(&ChatRequest { sampling: Sampling { temperature, ..Sampling::default() }, ..ChatRequest::default() })
    };
    assert_ne!(of_temperature(Some(f64::NAN)), of_temperature(None));
    assert_eq!(of_temperature(Some(f64::NAN)), of_temperature(Some(f64::NAN)));
}

proptest! {
    #[test]
    fn the_order_in_which_maps_were_filled_says_nothing(
        pairs in proptest::collection::hash_map("[a-z]{1,6}", "[ -~]{0,6}", 0..8),
        turn in 0_usize..8,
    ) {
        let mut turned: Vec<_> = pairs.clone().into_iter().collect();
        let by = turn % turned.len().max(1);
        turned.rotate_left(by);
        let first = ChatRequest { provider_metadata: pairs.clone(), extra_headers: pairs, ..full() };
        let mut second = full();
        second.provider_metadata = turned.iter().cloned().collect();
        second.extra_headers = turned.into_iter().map(|(name, value)| (name.to_uppercase(), value)).collect();
        prop_assert_eq!(of(&first), of(&second));
    }

    #[test]
    fn two_questions_have_one_fingerprint_only_when_they_are_one(
        first in proptest::collection::vec("[a-c=\n\"]{0,4}", 1..4),
        second in proptest::collection::vec("[a-c=\n\"]{0,4}", 1..4),
    ) {
        let ask = |said: &[String]| ChatRequest {
            messages: said.iter().map(NewMessage::user).collect(),
            ..ChatRequest::default()
        };
        prop_assert_eq!(of(&ask(&first)) == of(&ask(&second)), first == second);
    }
}
