//! The runner over cases that it must find fault with.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tertulia_conformance::{Summary, run};

fn own_cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

fn run_over(folder: &Path, prefix: &str) -> (Summary, String) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut out = Vec::new();
    let summary = runtime.block_on(run(folder, prefix, &mut out)).unwrap();
    (summary, String::from_utf8(out).unwrap())
}

/// A folder that holds a copy of this case of ours, under the name `copy`.
fn copy_of(case: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("copy")).unwrap();
    for file in ["request.json", "response.meta.json", "response.body", "expected.json"] {
        fs::copy(own_cases().join(case).join(file), folder.path().join("copy").join(file)).unwrap();
    }
    folder
}

fn edit(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join("copy").join(file);
    let mut value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(&path, value.to_string()).unwrap();
}

/// Sets the field at this place, as `/usage/input`, whether or not it is there.
fn set(expected: &mut Value, place: &str, value: Value) {
    let (parent, name) = place.rsplit_once('/').unwrap();
    match expected.pointer_mut(parent).unwrap() {
        Value::Array(all) => all[name.parse::<usize>().unwrap()] = value,
        parent => parent[name] = value,
    }
}

/// That each of them comes out as expected is a step of its own among all tests, and so are the recorded replies.
#[test]
fn every_dialect_has_cases_of_its_own() {
    let names = fs::read_dir(own_cases()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.collect();
    for dialect in ["chat-", "messages-", "responses-", "gemini-", "ollama-", "embed-"] {
        assert!(names.iter().filter(|name| name.starts_with(dialect)).count() >= 6, "{dialect}");
    }
}

#[test]
fn a_wrong_expectation_of_any_field_is_found() {
    let tools = "messages-full-tools-thinking";
    let stream = "messages-stream-server-tool-citations";
    let error = "messages-error-429-retry-after";
    let chat = "chat-stream-parallel-tools";
    let vectors = "embed-ollama-two";
    for (case, place, wrong, field) in [
        (vectors, "/embeddings/count", json!(3), "error"),
        (vectors, "/embeddings/dims/0", json!(4), "error"),
        (vectors, "/embeddings/dims/1", json!(4), "embeddings.dims"),
        (vectors, "/embeddings/head/1/3", json!(0.000_002), "embeddings.head"),
        (vectors, "/embeddings/head/0", json!([0.25, -0.5, 1.0]), "embeddings.head"),
        (vectors, "/embeddings/model", json!("vec-3"), "embeddings.model"),
        (vectors, "/embeddings/usage/input", json!(12), "embeddings.usage.input"),
        (tools, "/text", json!("I look!"), "text"),
        (tools, "/text", json!(""), "text"),
        (tools, "/reasoning", json!("Bot"), "reasoning"),
        (tools, "/refusal", json!("No."), "refusal"),
        (tools, "/id", json!("msg_other"), "id"),
        (tools, "/id", json!(null), "id"),
        (tools, "/model", json!("m"), "model"),
        (tools, "/finish_reason", json!("stop"), "finish_reason"),
        (tools, "/finish_reason_raw", json!("end_turn"), "finish_reason_raw"),
        (tools, "/usage", json!(null), "usage"),
        (tools, "/usage/input", json!(8), "usage.input"),
        (tools, "/usage/output", json!(0), "usage.output"),
        (tools, "/usage/cached_input", json!(null), "usage.cached_input"),
        (tools, "/usage/cache_write", json!(1), "usage.cache_write"),
        (tools, "/usage/reasoning", json!(1), "usage.reasoning"),
        (tools, "/usage_wire/input_tokens", json!(9), "usage_wire"),
        (tools, "/tool_calls", json!([]), "tool_calls.name"),
        (tools, "/tool_calls/0/id", json!("toolu_x"), "tool_calls[0].id"),
        (tools, "/tool_calls/1/name", json!("later"), "tool_calls.name"),
        (tools, "/tool_calls/0/arguments/deep/a/1", json!(2), "tool_calls[0].arguments"),
        (tools, "/tool_calls/1/arguments", json!(null), "tool_calls[1].arguments"),
        (tools, "/has_signature", json!(false), "has_signature"),
        (tools, "/redacted_thinking_blocks", json!(1), "redacted_thinking_blocks"),
        (tools, "/server_items", json!(["server_tool_use"]), "server_items"),
        (tools, "/error", json!({"status": 500}), "error"),
        ("messages-full-stop-sequence", "/stop_sequence", json!("tres"), "stop_sequence"),
        (stream, "/text_parts/0", json!("Let me"), "text_parts"),
        (stream, "/server_items", json!(["server_tool_use"]), "server_items"),
        (stream, "/n_events", json!(16), "n_events"),
        (stream, "/n_json_events", json!(16), "n_json_events"),
        (stream, "/pings", json!(1), "pings"),
        (stream, "/done_sentinel", json!(true), "done_sentinel"),
        (stream, "/sse/comments", json!(1), "sse.comments"),
        (stream, "/sse/stray_lines", json!(1), "sse.stray_lines"),
        (stream, "/sse/unterminated_last_event", json!(true), "sse.unterminated_last_event"),
        (chat, "/tool_calls/0/arguments_raw", json!("{\"city\": \"Cádiz\"}"), "tool_calls[0].arguments_raw"),
        ("messages-stream-error-after-text", "/n_events", json!(3), "n_events"),
        (error, "/error", json!(null), "error"),
        (error, "/error/status", json!(500), "error.status"),
        (error, "/error/type", json!(null), "error.type"),
        (error, "/error/code", json!("x"), "error.code"),
        (error, "/error/message", json!("other words"), "error.message"),
        (error, "/error/param", json!("x"), "error.param"),
        (error, "/error/retry_after", json!("18"), "error.retry_after"),
        (error, "/error/request_id", json!("req_x"), "error.request_id"),
        (error, "/error/request_id", json!(null), "error.request_id"),
        (error, "/error/kind", json!("unavailable"), "error.kind"),
        (error, "/error/reason", json!("x"), "error.reason"),
        (error, "/error/retries", json!(false), "error.retries"),
        (error, "/finish_reason", json!("stop"), "finish_reason"),
    ] {
        let folder = copy_of(case);
        edit(folder.path(), "expected.json", |expected| set(expected, place, wrong.clone()));
        let (summary, out) = run_over(folder.path(), "");
        assert_eq!(summary, Summary { passed: 0, failed: 1, skipped: 0 }, "{case} {place} = {wrong}: {out}");
        assert!(out.starts_with(&format!("not ok copy: {field} (whole) expected ")), "{case} {place}: {out}");
        assert!(out.ends_with("0 passed, 1 failed\n"), "{out}");
    }
}

#[test]
fn bytes_that_say_something_else_are_found() {
    for (from, to) in [("Cádiz is", "Cádiz was"), ("message_stop", "message_stub"), ("msg_own", "msg_new"), ("}", "")]
    {
        let folder = copy_of("messages-stream-text-crlf-padding");
        let path = folder.path().join("copy/response.body");
        let body = fs::read_to_string(&path).unwrap();
        assert!(body.contains(from));
        fs::write(&path, body.replace(from, to)).unwrap();
        let (summary, out) = run_over(folder.path(), "");
        assert_eq!(summary.failed, 1, "{from} for {to}: {out}");
    }
}

#[test]
fn a_status_that_says_something_else_is_found() {
    let folder = copy_of("messages-error-529");
    edit(folder.path(), "response.meta.json", |meta| meta["status"] = json!(500));
    let (_, out) = run_over(folder.path(), "");
    assert!(out.starts_with("not ok copy: error.status (whole) expected 529 got 500"), "{out}");
}

#[test]
fn what_a_recording_leaves_out_or_adds_is_borne() {
    let folder = copy_of("messages-stream-text-crlf-padding");
    fs::remove_file(folder.path().join("copy/request.json")).unwrap();
    fs::remove_file(folder.path().join("copy/response.meta.json")).unwrap();
    edit(folder.path(), "expected.json", |expected| {
        *expected = json!({"api": "messages", "stream": true, "text": expected["text"], "mood": {"a": [1]}});
    });
    let (summary, out) = run_over(folder.path(), "");
    assert_eq!(summary.passed, 1, "{out}");

    let folder = copy_of("chat-stream-no-done-crlf");
    edit(folder.path(), "response.meta.json", |meta| {
        meta["headers"]["Content-Encoding"] = json!("gzip");
        meta["headers"]["Transfer-Encoding"] = json!("chunked");
        meta["headers"]["content-length"] = json!(3);
        meta["headers"]["x-twice"] = json!(["a", "b\r\nc"]);
        meta["mood"] = json!(1);
    });
    fs::write(folder.path().join("copy/request.json"), "null").unwrap();
    fs::write(folder.path().join("README"), "no case").unwrap();
    fs::create_dir(folder.path().join("LICENSES")).unwrap();
    let (summary, out) = run_over(folder.path(), "");
    assert_eq!((summary.passed, summary.failed), (1, 0), "{out}");
    let (alone, _) = run_over(&folder.path().join("copy"), "");
    assert_eq!(alone.passed, 1, "a folder that is itself a case");
}

#[test]
fn a_case_that_cannot_be_read_is_no_silent_pass() {
    let folder = copy_of("chat-full-text");
    fs::write(folder.path().join("copy/expected.json"), "{").unwrap();
    let (summary, out) = run_over(folder.path(), "");
    assert_eq!(summary.failed, 1);
    assert!(out.starts_with("not ok copy: expected.json: "), "{out}");
    fs::remove_file(folder.path().join("copy/expected.json")).unwrap();
    assert_eq!(run_over(folder.path(), "").0.failed, 1);
}

#[test]
fn dialects_to_come_are_named_and_counted_apart() {
    let folder = copy_of("chat-full-text");
    edit(folder.path(), "expected.json", |expected| expected["api"] = json!("telegraph"));
    let (summary, out) = run_over(folder.path(), "");
    assert_eq!(summary, Summary { passed: 0, failed: 0, skipped: 1 });
    assert_eq!(out, "skip copy: dialect \"telegraph\" is not built yet\n0 passed, 0 failed, 1 skipped\n");
}

#[test]
fn only_cases_that_begin_with_the_prefix_run() {
    let (summary, out) = run_over(&own_cases(), "chat-full-t");
    assert_eq!(summary.passed, 2);
    assert!(out.starts_with("ok chat-full-text\nok chat-full-tools\n"), "{out}");
}

#[test]
fn the_program_ends_badly_when_a_case_fails_or_none_is_found() {
    let program = |arguments: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_tertulia-conformance")).args(arguments).output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap())
    };
    let own = own_cases();
    let own = own.to_str().unwrap();
    let (code, out, _) = program(&[own, "messages-error-5"]);
    assert_eq!((code, out.as_str()), (Some(0), "ok messages-error-529\n1 passed, 0 failed\n"));
    let (code, out, error) = program(&[own, "no-such-case"]);
    assert_eq!((code, out.as_str()), (Some(1), "0 passed, 0 failed\n"));
    assert!(error.contains("no case was found"));
    let (code, _, error) = program(&["/no/such/folder"]);
    assert_eq!(code, Some(1));
    assert!(error.starts_with("/no/such/folder: "), "{error}");
    let (code, _, error) = program(&[]);
    assert_eq!(code, Some(1));
    assert!(error.starts_with("usage: "));
    let folder = copy_of("messages-error-529");
    edit(folder.path(), "expected.json", |expected| expected["error"]["status"] = json!(500));
    assert_eq!(program(&[folder.path().to_str().unwrap()]).0, Some(1));
}
