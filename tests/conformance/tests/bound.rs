//! The bound of a request against what providers billed for it: over our own cases, and over recorded ones where they
//! lie beside the project.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tertulia::policy::Bound;
use tertulia::{ChatRequest, Media, NewMessage, Part};

fn read(folder: &Path, file: &str) -> Option<Value> {
    serde_json::from_slice(&fs::read(folder.join(file)).ok()?).ok()
}

/// Takes what is no text out of a body. A recording that was shortened says so.
fn without_media(value: &mut Value, media: &mut usize) {
    match value {
        Value::String(text) if text.starts_with("data:") || (text.len() > 400 && !text[..400].contains(' ')) => {
            text.clear();
            *media += 1;
        }
        Value::Array(items) => items.iter_mut().for_each(|item| without_media(item, media)),
        Value::Object(fields) => fields.values_mut().for_each(|field| without_media(field, media)),
        _ => {}
    }
}

/// The same request in our words, as far as its bound goes: the body's own bytes, its media, and whether its provider
/// reads more by itself.
fn request(mut body: Value) -> ChatRequest {
    let mut media = 0;
    without_media(&mut body, &mut media);
    let is_own = |tool: &Value| {
        let kind = tool["type"].as_str().unwrap_or("function");
        !matches!(kind, "function" | "custom") && tool.get("functionDeclarations").is_none()
    };
    let has_own_tools = body["tools"].as_array().is_some_and(|tools| tools.iter().any(is_own));
    let parts: Vec<Part> = (0..media).map(|_| Part::image(Media::url("https://x.example/a"))).collect();
    ChatRequest {
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        extra_body: has_own_tools.then(|| json!({"tools": []})),
        messages: vec![NewMessage::user(body.to_string()), NewMessage::new(tertulia::Role::User, parts)],
        ..ChatRequest::default()
    }
}

/// Checks every case of the folder; says how many had anything to check.
fn check(folder: &Path) -> usize {
    let mut checked = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let case = entry.unwrap().path();
        let (Some(request_file), Some(expected)) = (read(&case, "request.json"), read(&case, "expected.json")) else {
            continue;
        };
        let (body, billed) = (&request_file["body"], expected["usage"]["input"].as_i64().unwrap_or(0));
        if !body.is_object() || body.to_string().contains("<elided") || billed == 0 {
            continue;
        }
        let tools = usize::from(body.get("tools").is_some());
        let bound = Bound::of(&request(body.clone()), "any", None).input_tokens
            // Tools stand in the text here, so what goes in front of them is not counted by itself.
            + i64::try_from(tools).unwrap() * 2_048;
        assert!(bound >= billed, "{}: bound {bound}, billed {billed}", case.display());
        checked += 1;
    }
    checked
}

#[test]
fn no_case_of_ours_was_billed_more_than_its_bound() {
    // Made by hand, with figures that fit their words where the case is about usage.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    assert!(check(&folder) > 0);
}

#[test]
fn no_recorded_request_was_billed_more_than_its_bound() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/wire");
    let folder = match std::env::var_os("TERTULIA_WIRE_CASES") {
        Some(folder) => PathBuf::from(folder),
        None if beside.is_dir() => beside,
        None => return eprintln!("no recorded replies here; TERTULIA_WIRE_CASES names their folder"),
    };
    assert!(check(&folder) >= 20);
}
