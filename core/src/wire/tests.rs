//! What holds for every dialect.

use http::Uri;
use proptest::prelude::*;

use super::*;
use crate::model::{NewMessage, OutputSchema, Part, Role, Written};

/// What is said, and what of the request or of its target is another from then on.
#[derive(Clone, Debug)]
struct Step {
    said: Vec<NewMessage>,
    system: Option<String>,
    model: &'static str,
    has_schema: bool,
    quirks: Quirks,
    stream: bool,
    /// The body of the request before is still on its way.
    is_sent: bool,
    /// Something is put before the last message, in a request of its own.
    is_changed: bool,
}

fn part() -> impl Strategy<Value = Part> {
    let text = prop_oneof![
        "[ -~é\"\\\\\n]{1,40}",
        Just(String::new()),
        Just("  \n".to_owned()),
        Just("words with an end \n".to_owned())
    ];
    prop_oneof![
        8 => text.clone().prop_map(Part::text),
        1 => text.clone().prop_map(|text| Part::Reasoning { text }),
        1 => text.prop_map(|text| Part::Refusal { text }),
    ]
}

fn message() -> impl Strategy<Value = NewMessage> {
    let role = prop_oneof![6 => Just(Role::User), 6 => Just(Role::Assistant), 1 => Just(Role::System)];
    (role, prop::collection::vec(part(), 0..3)).prop_map(|(role, parts)| NewMessage::new(role, parts))
}

/// A question behind an answer, as conversations go on.
fn turn() -> impl Strategy<Value = Vec<NewMessage>> {
    let words = "[a-z \"\n]{1,30}";
    prop_oneof![
        3 => (words, words).prop_map(|(answer, next)| vec![NewMessage::assistant(answer), NewMessage::user(next)]),
        1 => prop::collection::vec(message(), 0..3),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let quirks =
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(developer_role, replays, json_object_only)| {
            let replay_reasoning_field = replays.then(|| "reasoning_content".to_owned());
            Quirks { developer_role, replay_reasoning_field, json_object_only, ..Quirks::default() }
        });
    let quirks = prop_oneof![3 => Just(Quirks::default()), 1 => quirks];
    let system = prop_oneof![3 => Just(None), 1 => Just(Some("Be brief.".to_owned())), 1 => Just(Some(String::new()))];
    let model =
        prop_oneof![4 => Just("one"), 1 => Just("gpt-oss"), 1 => Just("gemini-3-pro"), 1 => Just("claude-3-opus")];
    let rarely = || prop::bool::weighted(0.2);
    (turn(), system, model, rarely(), quirks, any::<bool>(), rarely(), rarely()).prop_map(
        |(said, system, model, has_schema, quirks, stream, is_sent, is_changed)| Step {
            said,
            system,
            model,
            has_schema,
            quirks,
            stream,
            is_sent,
            is_changed,
        },
    )
}

/// What the dialect makes of the request: its body, or why there is none.
fn body(dialect: &dyn Dialect, request: &ChatRequest, step: &Step) -> std::result::Result<Bytes, String> {
    let base_url = Uri::from_static("https://api.example.com/v1");
    let target = Target {
        provider: "lab",
        base_url: &base_url,
        quirks: &step.quirks,
        stream: step.stream,
        max_output_tokens: Some(4_096),
        max_event_bytes: 1 << 20,
    };
    dialect.encode(request, &target).map(http::Request::into_body).map_err(|error| error.to_string())
}

fn dialects() -> [Box<dyn Dialect>; 5] {
    [Box::new(OpenAiChat), Box::new(OpenAiResponses), Box::new(Anthropic), Box::new(Gemini), Box::new(Ollama)]
}

proptest! {
    #[test]
    fn what_was_written_before_makes_the_same_body_as_writing_it_anew(
        first in prop::collection::vec(message(), 0..6),
        steps in prop::collection::vec(step(), 1..8),
    ) {
        for dialect in dialects() {
            let mut messages = first.clone();
            let written = Written::begin();
            let mut on_its_way = Vec::new();
            for step in &steps {
                messages.extend(step.said.iter().cloned());
                let shape = OutputSchema { name: "s".into(), schema: serde_json::json!({"type": "object"}), strict: true };
                let request = ChatRequest {
                    model: step.model.to_owned(),
                    system: step.system.clone(),
                    messages: messages.clone(),
                    output_schema: step.has_schema.then_some(shape),
                    written: written.share(),
                    ..ChatRequest::default()
                };
                // A copy has no sheet: it is written anew.
                let mut anew = request.clone();
                let found = body(&*dialect, &request, step);
                prop_assert_eq!(&found, &body(&*dialect, &anew, step), "{}", dialect.name());
                if step.is_changed {
                    anew.messages.insert(anew.messages.len().saturating_sub(1), NewMessage::user("changed"));
                    drop(body(&*dialect, &anew, step));
                }
                if let Ok(found) = found {
                    on_its_way.push(found);
                }
                if !step.is_sent {
                    on_its_way.clear();
                }
            }
        }
    }
}

#[test]
fn a_long_history_is_not_written_again_by_any_dialect() {
    let quirks = Quirks::default();
    let step = Step {
        said: Vec::new(),
        system: None,
        model: "one",
        has_schema: false,
        quirks,
        stream: true,
        is_sent: false,
        is_changed: false,
    };
    let kept_by = |dialect: &dyn Dialect| {
        let written = Written::begin();
        let mut request = ChatRequest { model: "one".into(), written: written.share(), ..ChatRequest::default() };
        request.messages.extend([NewMessage::user("a".repeat(500)), NewMessage::assistant("b"), NewMessage::user("c")]);
        body(dialect, &request, &step).unwrap();
        written.room() > 500
    };
    let keeping: Vec<&str> =
        dialects().iter().filter(|dialect| kept_by(&***dialect)).map(|dialect| dialect.name()).collect();
    assert_eq!(keeping, ["openai_chat"]);
}
