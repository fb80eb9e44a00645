//! The engine and a server that speaks Ollama's own language, over real sockets.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

use std::sync::Arc;

use serde_json::{Value, json};
use tertulia::{ErrorKind, FinishReason, Part, ProviderSpec, Tertulia, ToolSpec, UsageSource};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Answers one request with these lines and gives its first line and its body.
async fn answer(server: &TcpListener, lines: &[Value]) -> (String, Value) {
    let (mut socket, _) = server.accept().await.unwrap();
    let mut request = Vec::new();
    let (head, body) = loop {
        assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0, "the request broke off");
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let head_of_reply = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all(head_of_reply.as_bytes()).await.unwrap();
    for line in lines {
        let line = format!("{line}\n");
        socket.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).await.unwrap();
    }
    socket.write_all(b"0\r\n\r\n").await.unwrap();
    socket.shutdown().await.unwrap();
    let first = head.lines().next().unwrap_or_default().to_owned();
    (first, serde_json::from_str(&body).unwrap_or_default())
}

async fn lab() -> (Tertulia, TcpListener) {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let tertulia = Tertulia::builder()
        .provider(ProviderSpec::ollama("lab", url))
        .with_environment(Arc::new(|_: &str| None))
        .store("memory:")
        .open()
        .await
        .unwrap();
    (tertulia, server)
}

#[tokio::test]
async fn a_call_without_an_id_gets_one_and_its_answer_goes_back_under_it() {
    let (tertulia, server) = lab().await;
    let chat = tertulia.user("ana").new_conversation();
    let tool = ToolSpec::new("look", "Looks.", json!({"type": "object"}));
    let lines = [
        json!({"model": "m", "message": {"role": "assistant", "content": "", "thinking": "Hm."}, "done": false}),
        json!({"model": "m", "message": {"tool_calls": [{"function": {"name": "look", "arguments": {"a": 1}}}]}, "done": false}),
        json!({"model": "m", "message": {"content": ""}, "done": true, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3}),
    ];
    let send = async { chat.send("Hello").model("lab/lemur:2b").tools([tool]).await };
    let ((first, body), reply) = tokio::join!(answer(&server, &lines), send);
    let reply = reply.unwrap();
    assert_eq!(first, "POST /api/chat HTTP/1.1");
    assert_eq!((&body["model"], &body["stream"]), (&json!("lemur:2b"), &json!(true)));
    assert_eq!((&body["truncate"], &body["shift"]), (&json!(false), &json!(false)));
    assert_eq!(reply.finish_reason, Some(FinishReason::ToolCalls));
    assert_eq!(
        (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.source),
        (7, 3, UsageSource::Reported)
    );
    let [Part::Reasoning { .. }, Part::ToolCall { call }] = &reply.parts[..] else { panic!("{:?}", reply.parts) };
    assert!(!call.id.is_empty());

    let lines = [json!({"model": "m", "message": {"content": "Done."}, "done": true, "done_reason": "stop"})];
    let send = async { chat.send([Part::tool_result(call.result("seen"))]).model("lab/lemur:2b").await };
    let ((_, body), reply) = tokio::join!(answer(&server, &lines), send);
    assert_eq!(reply.unwrap().text(), "Done.");
    let sent = &body["messages"][2];
    assert_eq!((&sent["role"], &sent["tool_name"], &sent["content"]), (&json!("tool"), &json!("look"), &json!("seen")));
    assert_eq!(sent["tool_call_id"], json!(call.id));
    assert_eq!(body["messages"][1]["tool_calls"][0]["id"], json!(call.id));
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn an_error_line_behind_words_breaks_the_reply_off_and_keeps_the_words() {
    let (tertulia, server) = lab().await;
    let chat = tertulia.user("ana").new_conversation();
    let lines = [
        json!({"model": "m", "message": {"content": "Half of"}, "done": false}),
        json!({"error": "llama runner process no longer running"}),
    ];
    let send = async { chat.send("Hello").model("lab/lemur:2b").await };
    let (_, reply) = tokio::join!(answer(&server, &lines), send);
    let error = reply.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "provider_error"));
    assert_eq!(error.partial(), [Part::text("Half of")]);
    assert!(error.saved());
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn its_list_of_models_in_openais_words_is_one_raw_request_away() {
    let (tertulia, server) = lab().await;
    let provider = tertulia.provider("lab");
    let ask = async { provider.request("GET", "/v1/models", None).await };
    let lines = [json!({"data": [{"id": "lemur:2b"}]})];
    let ((first, _), response) = tokio::join!(answer(&server, &lines), ask);
    assert_eq!(first, "GET /v1/models HTTP/1.1");
    assert_eq!(response.unwrap().json().unwrap()["data"][0]["id"], "lemur:2b");
    tertulia.close().await.unwrap();
}
