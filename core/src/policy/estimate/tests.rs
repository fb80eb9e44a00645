use serde_json::json;

use super::*;
use crate::base::{Random as _, SeededRandom};
use crate::model::{OutputSchema, Role, ToolSpec};

/// Texts in many scripts, with what OpenAI's o200k vocabulary makes of them.
const TEXTS: [(&str, &str, u64); 9] = [
    ("English", "The tertulia met every Thursday in the back room of the café, and nobody was ever late twice.", 21),
    (
        "Spanish",
        "La tertulia se reunía todos los jueves en el cuarto de atrás del café, y nadie llegaba tarde dos veces.",
        25,
    ),
    (
        "German",
        "Der Kreis traf sich jeden Donnerstag im Hinterzimmer des Kaffeehauses, und niemand kam zweimal zu spät.",
        21,
    ),
    ("Russian", "Кружок собирался каждый четверг в задней комнате кафе, и никто не опаздывал дважды.", 24),
    ("Chinese", "每个星期四，他们都在咖啡馆的里屋聚会，从来没有人迟到两次。", 25),
    ("Japanese", "毎週木曜日、彼らは喫茶店の奥の部屋に集まり、二度遅刻した者は誰もいなかった。", 35),
    ("Korean", "그들은 매주 목요일 카페 뒷방에 모였고 두 번 늦은 사람은 아무도 없었다.", 28),
    ("Arabic", "كانت الحلقة تجتمع كل خميس في الغرفة الخلفية للمقهى ولم يتأخر أحد مرتين", 22),
    ("code", "fn main() {\n    let total: u64 = (1..=10).map(|n| n * n).sum();\n    println!(\"{total}\");\n}\n", 33),
];

#[test]
fn an_estimate_is_near_what_a_tokenizer_counts_in_every_script() {
    for (script, text, exact) in TEXTS {
        let estimated = tokens(text);
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let ratio = estimated as f64 / exact as f64;
        assert!((0.7..=1.45).contains(&ratio), "{script}: {estimated} estimated, {exact} counted");
    }
}

#[cfg(feature = "tiktoken")]
#[test]
fn exact_counts_are_those_of_the_public_vocabularies() {
    for (script, text, exact) in TEXTS {
        assert_eq!(exact_tokens("gpt-4o", text), Some(exact), "{script}");
    }
    assert_eq!(exact_tokens("gpt-4", "hello world, this is a test"), Some(7));
    assert_eq!(exact_tokens("gpt-5", ""), Some(0));
    assert_eq!(exact_tokens("gpt-4o", "<|endoftext|>").map(|tokens| tokens > 1), Some(true), "no sign of its own");
    assert_eq!(exact_tokens("somebody-elses-model", "hello"), None);
}

#[test]
fn nothing_is_no_token_and_anything_is_at_least_one_and_never_more_than_its_bytes() {
    assert_eq!(tokens(""), 0);
    for seed in 0..200 {
        let random = SeededRandom::new(seed);
        let mut bytes = [0; 64];
        random.fill(&mut bytes);
        let text: String = String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_whitespace()).collect();
        let estimated = tokens(&text);
        assert!((1..=text.len() as u64).contains(&estimated), "seed {seed}: {estimated} for {text:?}");
    }
    for sign in ["a", "1", ".", "\n", "é", "ж", "ع", "ก", "—", "の", "中", "한", "🙂", "\u{10FFFF}"] {
        assert!((1..=4).contains(&tokens(sign)), "{sign:?}");
    }
}

#[test]
fn a_longer_text_is_never_fewer_tokens() {
    for (script, text, _) in TEXTS {
        let mut before = 0;
        for (end, _) in text.char_indices() {
            let now = tokens(&text[..end]);
            assert!(now >= before, "{script} at {end}");
            before = now;
        }
    }
}

#[test]
fn everything_that_is_sent_counts() {
    let empty = ChatRequest::default();
    let words = "Twelve words are more than enough to be seen in any estimate.";
    let message = |part| ChatRequest { messages: vec![NewMessage::new(Role::User, [part])], ..empty.clone() };
    let call = crate::model::ToolCall {
        id: "c".to_owned(),
        name: "f".to_owned(),
        arguments: json!({ "words": words }),
        provider_executed: false,
        free_text: false,
    };
    let result = call.result(words);
    let schema = json!({ "description": words });
    let all = [
        ("instructions", ChatRequest { system: Some(words.to_owned()), ..empty.clone() }),
        ("a message", message(Part::text(words))),
        ("a call", message(Part::ToolCall { call })),
        ("a result", message(Part::ToolResult { result })),
        ("a text file", message(Part::File { media: Media::data(words, "text/plain") })),
        ("a picture", message(Part::image(Media::url("https://lab.example/a.png")))),
        ("a tool", ChatRequest { tools: vec![ToolSpec::new("f", words, json!({}))], ..empty.clone() }),
        ("a schema of a tool", ChatRequest { tools: vec![ToolSpec::new("f", "", schema.clone())], ..empty.clone() }),
        (
            "a shape",
            ChatRequest {
                output_schema: Some(OutputSchema { name: "o".to_owned(), schema, strict: true }),
                ..empty.clone()
            },
        ),
    ];
    for (what, request) in all {
        assert!(tokens_of_request(&request) >= tokens_of_request(&empty) + tokens(words), "{what}");
    }
    let huge = Media { size_bytes: Some(i64::MAX), mime_type: Some("text/plain".to_owned()), ..Media::url("x") };
    let twice = vec![NewMessage::new(Role::User, [Part::File { media: huge.clone() }, Part::File { media: huge }]); 9];
    assert!(tokens_of_request(&ChatRequest { messages: twice, ..empty }) > 1 << 60);
}

#[test]
fn a_model_that_cuts_differently_is_learnt_and_no_other_is_touched() {
    let mut known = Calibration::new();
    assert_eq!(known.tokens("lab/m", 100), 100);
    known.learn("lab/m", 100, 150);
    assert!((100..=105).contains(&known.tokens("lab/m", 100)), "one short reply proves little");
    for _ in 0..20 {
        known.learn("lab/m", 1_000, 1_500);
    }
    assert!((145..=150).contains(&known.tokens("lab/m", 100)), "{}", known.tokens("lab/m", 100));
    assert_eq!(known.tokens("lab/other", 100), 100);
}

#[test]
fn one_odd_report_moves_little_and_none_moves_out_of_bounds() {
    let mut known = Calibration::new();
    for _ in 0..20 {
        known.learn("lab/m", 100, 100);
    }
    known.learn("lab/m", 100, i64::MAX);
    assert!(known.factor("lab/m") < 1.2, "{}", known.factor("lab/m"));
    for _ in 0..1_000 {
        known.learn("lab/m", 100, i64::MAX);
    }
    assert!(known.factor("lab/m") <= 4.0);
    for _ in 0..1_000 {
        known.learn("lab/m", u64::MAX, 100);
    }
    assert!((0.25..0.3).contains(&known.factor("lab/m")), "{}", known.factor("lab/m"));
    for (estimated, reported) in [(0, 0), (0, 100), (100, 0), (100, -1), (100, i64::MIN)] {
        let before = known.factor("lab/m");
        known.learn("lab/m", estimated, reported);
        assert_eq!(known.factor("lab/m"), before, "{estimated} {reported} says nothing");
    }
    for (estimated, reported) in [(1, 100), (100, 1), (9, 12)] {
        let mut known = Calibration::new();
        known.learn("lab/m", estimated, reported);
        assert!((0.9..1.1).contains(&known.factor("lab/m")), "{estimated} {reported}: {}", known.factor("lab/m"));
    }
}

#[test]
fn the_models_that_are_remembered_are_bounded_and_the_one_heard_of_longest_ago_is_forgotten() {
    let mut known = Calibration::new();
    for n in 0..2_000 {
        known.learn(&format!("lab/{n}"), 100, 200);
        known.learn("lab/0", 100, 200);
        assert!(known.len() <= 512);
    }
    assert!(known.factor("lab/0") > 1.5 && known.factor("lab/1999") > 1.05, "what is used stays");
    assert_eq!(known.factor("lab/1"), 1.0);
}

#[test]
fn the_first_reports_are_all_heard_and_later_ones_now_and_then() {
    let mut known = Calibration::new();
    let mut heard = 0;
    for _ in 0..1_000 {
        if known.is_due("lab/m") {
            known.learn("lab/m", 100, 120);
            heard += 1;
        }
    }
    assert_eq!(heard, 8 + 62, "eight, then every sixteenth");
}

#[test]
fn a_model_of_short_calls_alone_is_not_estimated_at_each_of_them() {
    let mut known = Calibration::new();
    let mut heard = 0;
    for _ in 0..1_000 {
        if known.is_due("lab/m") {
            known.learn("lab/m", 5, 4);
            heard += 1;
        }
    }
    assert_eq!(heard, 8 + 62, "eight, then every sixteenth");
}
