use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::base::{Random, SeededRandom};
use crate::model::{Capabilities, Media, PriceTier, ToolResult, UsageSource};

const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn said(text: &str) -> ChatRequest {
    ChatRequest { model: "m".to_owned(), messages: vec![NewMessage::user(text)], ..ChatRequest::default() }
}

fn with_max_tokens(text: &str, max_tokens: i64) -> ChatRequest {
    let mut request = said(text);
    request.sampling.max_tokens = Some(max_tokens);
    request
}

fn known(window: i64, limit: i64) -> ModelInfo {
    ModelInfo { context_window: Some(window), max_output_tokens: Some(limit), ..ModelInfo::default() }
}

fn input(request: &ChatRequest) -> i64 {
    Bound::of(request, "lab", None).input_tokens
}

/// Three dollars in, fifteen out, for a million tokens.
fn price() -> Price {
    Price { input_nano_usd: 3_000_000_000, output_nano_usd: 15_000_000_000, ..Price::default() }
}

#[test]
fn every_byte_of_words_counts_as_a_token() {
    let none = input(&said(""));
    for text in ["a", "日本語", "👩‍👩‍👧‍👦", &"x".repeat(100_000)] {
        assert_eq!(input(&said(text)) - none, i64::try_from(text.len()).unwrap(), "{text:.20}");
    }
}

#[test]
fn everything_that_is_sent_counts() {
    let long = "x".repeat(10_000);
    let base = input(&said("hi"));
    let mut cases = Vec::new();
    let mut with = |what: &'static str, change: &dyn Fn(&mut ChatRequest)| {
        let mut request = said("hi");
        change(&mut request);
        cases.push((what, request));
    };
    with("system", &|r| r.system = Some(long.clone()));
    with("tool", &|r| r.tools = vec![ToolSpec::new("t", long.clone(), json!({}))]);
    with("schema of a tool", &|r| r.tools = vec![ToolSpec::new("t", "", json!({"description": long}))]);
    with("schema", &|r| {
        r.output_schema = Some(OutputSchema { name: "s".to_owned(), schema: json!({"a": long}), strict: true });
    });
    with("extra body", &|r| r.extra_body = Some(json!({"suffix": long})));
    let part = |part: Part| move |r: &mut ChatRequest| r.messages[0].parts.push(part.clone());
    with("reasoning", &part(Part::Reasoning { text: long.clone() }));
    let result = ToolResult { call_id: "c".to_owned(), output: json!(long), is_error: false, media: Vec::new() };
    with("result of a tool", &part(Part::tool_result(result)));
    let data = json!({"encrypted_content": long});
    with("opaque", &part(Part::Opaque { provider: "lab".into(), name: "x".into(), attached: false, data }));
    for (what, request) in cases {
        assert!(input(&request) >= base + 10_000, "{what}: {} after {base}", input(&request));
    }
}

#[test]
fn pictures_count_by_the_table_of_their_model() {
    for (model, least) in
        [("gpt-4o-mini", 48_169), ("claude-opus-4-5", 4_784), ("gemini-3-pro", 4_128), ("any", 16_384)]
    {
        let mut request = said("what is this?");
        request.model = model.to_owned();
        let before = Bound::of(&request, "lab", Some(&known(1_000_000, 1_000))).input_tokens;
        request.messages[0].parts.push(Part::image(Media::data(vec![0; 10], "image/png")));
        let after = Bound::of(&request, "lab", Some(&known(1_000_000, 1_000))).input_tokens;
        assert!(after - before >= least, "{model}: {}", after - before);
    }
}

#[test]
fn the_pages_of_a_document_are_counted_where_they_can_be_seen() {
    let of = |pdf: Vec<u8>| {
        let mut request = said("sum it up");
        request.messages[0].parts.push(Part::file(Media::data(pdf, "application/pdf")));
        Bound::of(&request, "lab", Some(&known(10_000_000, 1_000))).input_tokens
    };
    let pages = |count: usize| [b"%PDF-1.4 /Type /Pages ".to_vec(), b"<</Type/Page >> ".repeat(count)].concat();
    let (one, ten) = (of(pages(1)), of(pages(10)));
    assert_eq!(ten - one, 9 * 23_000);
    // Packed away: by the size of the file.
    let packed = of([b"%PDF-1.7 /Type /ObjStm ".to_vec(), vec![b' '; 20_480]].concat());
    assert!(packed >= 10 * 23_000, "{packed}");
}

#[test]
fn media_never_count_more_than_the_models_window() {
    let mut request = said("hi");
    let before = Bound::of(&request, "lab", Some(&known(8_000, 1_000))).input_tokens;
    request.messages[0].parts.push(Part::file(Media::url("https://x.example/a.pdf")));
    let after = Bound::of(&request, "lab", Some(&known(8_000, 1_000))).input_tokens;
    assert!(after - before <= 8_000 + 64, "{}", after - before);
}

#[test]
fn a_providers_own_tool_may_fill_the_window_and_search() {
    let info = known(200_000, 1_000);
    let mut request = said("news?");
    let plain = Bound::of(&request, "lab", Some(&info));
    request.tools = vec![ToolSpec::of_provider("lab", json!({"type": "web_search", "max_uses": 40}))];
    let searching = Bound::of(&request, "lab", Some(&info));
    assert!(searching.input_tokens - plain.input_tokens >= 200_000);
    let price = Price { web_search_nano_usd: Some(10_000_000), ..Price::default() };
    assert_eq!(searching.nano_usd(&price, AT), 40 * 10_000_000);
    // Another provider never hears of it.
    assert!(Bound::of(&request, "other", Some(&info)).input_tokens < 200_000);
}

#[test]
fn what_the_body_says_of_the_answer_is_believed_before_all_else() {
    let mut request = with_max_tokens("hi", 100);
    request.extra_body = Some(json!({"generationConfig": {"maxOutputTokens": 7_000, "candidateCount": 3}}));
    let bound = Bound::of(&request, "lab", Some(&known(100_000, 1_000)));
    assert_eq!((bound.output_tokens, bound.max_tokens), (21_000, None));
    assert_eq!(bound.within(Room { tokens: Some(20_000), nano_usd: None }, None, AT), None, "it cannot be shortened");
}

#[test]
fn an_unknown_limit_becomes_a_usual_one_that_is_sent() {
    let bound = Bound::of(&said("hi"), "lab", None);
    assert_eq!((bound.output_tokens, bound.max_tokens), (4_096, Some(4_096)));
    let capabilities = Capabilities { reasoning: Some(true), ..Capabilities::default() };
    let bound = Bound::of(&said("hi"), "lab", Some(&ModelInfo { capabilities, ..ModelInfo::default() }));
    assert_eq!((bound.output_tokens, bound.max_tokens), (32_768, Some(32_768)));
    let bound = Bound::of(&said("hi"), "lab", Some(&known(100_000, 9_000)));
    assert_eq!((bound.output_tokens, bound.max_tokens), (9_000, None));
}

#[test]
fn no_room_for_an_answer_worth_asking_for_is_no_room() {
    let info = known(100_000, 9_000);
    let bound = Bound::of(&said("hi"), "lab", Some(&info));
    let room = |tokens| Room { tokens: Some(tokens), nano_usd: None };
    let least = bound.input_tokens + 256;
    assert_eq!(bound.within(room(least - 1), None, AT), None);
    assert_eq!(bound.within(room(least), None, AT).unwrap().max_tokens, Some(256));
    assert_eq!(bound.within(room(1_000_000), None, AT), Some(bound));
    // A request that says for itself how long its answer may be is taken as it is, or not.
    let fixed = Bound::of(&with_max_tokens("hi", 1_000), "lab", Some(&info));
    assert_eq!(fixed.within(room(fixed.tokens() - 1), None, AT), None);
    assert_eq!(fixed.within(room(fixed.tokens()), None, AT), Some(fixed));
}

#[test]
fn thoughts_need_room_too() {
    let mut request = said("hi");
    request.reasoning_tokens = Some(8_000);
    let bound = Bound::of(&request, "lab", Some(&known(100_000, 64_000)));
    let room = Room { tokens: Some(bound.input_tokens + 9_000), nano_usd: None };
    assert_eq!(bound.within(room, None, AT), None);
    let room = Room { tokens: Some(bound.input_tokens + 12_000), nano_usd: None };
    assert_eq!(bound.within(room, None, AT).unwrap().max_tokens, Some(12_000));
}

#[test]
fn a_reply_that_broke_off_took_at_most_what_was_heard_of_it() {
    let bound = Bound::of(&with_max_tokens("hi", 1_000), "lab", None);
    assert_eq!(bound.heard(None, 40).output_tokens, 40);
    assert_eq!(bound.heard(None, 40).input_tokens, bound.input_tokens);
    assert_eq!(bound.heard(None, 1_000_000).output_tokens, 1_000);
    let usage = Usage { input_tokens: 7, output_tokens: 50, ..Usage::default() };
    let heard = bound.heard(Some(&usage), 40);
    assert_eq!((heard.input_tokens, heard.output_tokens), (7, 50));
}

#[test]
fn a_model_that_thinks_unheard_is_taken_at_its_worst() {
    let capabilities = Capabilities { reasoning: Some(true), ..Capabilities::default() };
    let info = ModelInfo { capabilities, ..known(100_000, 9_000) };
    let bound = Bound::of(&with_max_tokens("hi", 1_000), "lab", Some(&info));
    assert_eq!(bound.heard(None, 40), bound);
    let mut calm = with_max_tokens("hi", 1_000);
    calm.reasoning_effort = Some(ReasoningEffort::Off);
    assert_eq!(Bound::of(&calm, "lab", Some(&info)).heard(None, 40).output_tokens, 40);
}

#[test]
fn the_worst_price_is_never_below_the_real_one() {
    for seed in 0..2_000 {
        let random = SeededRandom::new(seed);
        let number = |below: i64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers of a test")]
            let number = (random.unit() * below as f64) as i64;
            number
        };
        let maybe = || (random.unit() < 0.5).then(|| number(20_000_000_000));
        let tier = |above_input_tokens| PriceTier {
            above_input_tokens,
            input_nano_usd: maybe(),
            output_nano_usd: maybe(),
            cache_read_nano_usd: maybe(),
            cache_creation_nano_usd: maybe(),
            cache_creation_1h_nano_usd: maybe(),
        };
        let price = Price {
            input_nano_usd: number(20_000_000_000),
            output_nano_usd: number(20_000_000_000),
            cache_read_nano_usd: maybe(),
            cache_creation_nano_usd: maybe(),
            cache_creation_1h_nano_usd: maybe(),
            input_audio_nano_usd: maybe(),
            cache_read_audio_nano_usd: maybe(),
            output_audio_nano_usd: maybe(),
            output_image_nano_usd: maybe(),
            output_reasoning_nano_usd: maybe(),
            request_nano_usd: maybe(),
            tiers: vec![tier(1_000), tier(5_000)],
            ..Price::default()
        };
        let (input, output) = (number(10_000) + 1, number(10_000) + 1);
        let cached = number(input);
        let written = number(input - cached);
        let usage = Usage {
            input_tokens: input,
            output_tokens: output,
            cache_read_input_tokens: cached,
            cache_creation_input_tokens: written,
            reasoning_output_tokens: number(output),
            requests: 1,
            details: [("ephemeral_1h_input_tokens".to_owned(), number(written + 1))].into(),
            source: UsageSource::Reported,
            raw: None,
        };
        let real = price.cost(&usage, AT).nano_usd.unwrap();
        let (more_in, more_out) = (input + number(5_000), output + number(5_000));
        let most = price.most(more_in, more_out, 0, AT);
        assert!(most >= real, "seed {seed}: at most {most}, and it cost {real}: {usage:?} {price:?}");
    }
}

proptest! {
    #[test]
    fn what_there_is_room_for_fits_and_is_the_longest(
        words in ".{0,200}",
        limit in 300_i64..200_000, money in 0_i64..4_000_000_000, tokens in 0_i64..250_000,
    ) {
        let (price, info) = (price(), known(1_000_000, limit));
        let bound = Bound::of(&said(&words), "lab", Some(&info));
        let room = Room { nano_usd: Some(money), tokens: Some(tokens) };
        let fits = |bound: &Bound| bound.nano_usd(&price, AT) <= money && bound.tokens() <= tokens;
        if let Some(fitting) = bound.within(room, Some(&price), AT) {
            prop_assert!(fits(&fitting));
            prop_assert!(fitting.output_tokens >= 256.min(limit) && fitting.output_tokens <= limit);
            let longer = Bound { output_tokens: fitting.output_tokens + 1, ..fitting };
            prop_assert!(fitting.output_tokens == limit || !fits(&longer));
        } else {
            let least = Bound { output_tokens: 256, ..bound };
            prop_assert!(!fits(&least));
        }
    }
}
