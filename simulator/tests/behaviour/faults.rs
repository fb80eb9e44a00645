use tertulia_simulator::EventKind;

use super::*;

#[tokio::test]
async fn each_class_of_error_has_its_genuine_status_and_body_in_each_dialect() {
    let simulator = Simulator::start().await.unwrap();
    for (class, openai, anthropic) in [
        ("invalid", (400, "invalid_request_error", Value::Null), (400, "invalid_request_error")),
        ("auth", (401, "invalid_request_error", json!("invalid_api_key")), (401, "authentication_error")),
        ("billing", (402, "billing_error", json!("billing_hard_limit_reached")), (402, "billing_error")),
        (
            "permission",
            (403, "invalid_request_error", json!("unsupported_country_region_territory")),
            (403, "permission_error"),
        ),
        ("not_found", (404, "invalid_request_error", json!("model_not_found")), (404, "not_found_error")),
        ("conflict", (409, "invalid_request_error", json!("conflict")), (409, "conflict_error")),
        ("too_large", (413, "invalid_request_error", json!("request_too_large")), (413, "request_too_large")),
        ("context", (400, "invalid_request_error", json!("context_length_exceeded")), (400, "invalid_request_error")),
        ("filtered", (400, "invalid_request_error", json!("content_policy_violation")), (400, "invalid_request_error")),
        ("rate_limit", (429, "requests", json!("rate_limit_exceeded")), (429, "rate_limit_error")),
        ("quota", (429, "insufficient_quota", json!("insufficient_quota")), (429, "rate_limit_error")),
        ("server", (500, "server_error", Value::Null), (500, "api_error")),
        ("overloaded", (503, "service_unavailable_error", json!("server_is_overloaded")), (529, "overloaded_error")),
        ("timeout", (504, "server_error", json!("timeout")), (504, "timeout_error")),
    ] {
        for streamed in [false, true] {
            let request = body(&format!("sim:error={class}"), streamed, "Hi");
            let reply = call(&simulator, OPENAI, &request).await;
            let error = &reply.json()["error"];
            assert_eq!((reply.status, error["type"].as_str().unwrap(), error["code"].clone()), openai, "{class}");
            assert!(error["message"].is_string() && error.get("param").is_some(), "{class}: {error}");

            let reply = call(&simulator, ANTHROPIC, &request).await;
            let json = reply.json();
            assert_eq!((reply.status, json["error"]["type"].as_str().unwrap()), anthropic, "{class}");
            // The edge, which refuses what is too large, leaves the envelope out.
            assert_eq!(json["type"] == "error", class != "too_large", "{class}: {json}");
        }
    }
}

#[tokio::test]
async fn status_words_and_retry_after_go_out_as_the_script_writes_them() {
    let simulator = Simulator::start().await.unwrap();
    let reply = whole(&simulator, OPENAI, "status=429;retry_after=2").await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("2")));
    assert_eq!(reply.json()["error"]["code"], "rate_limit_exceeded");
    let reply = whole(
        &simulator,
        OPENAI,
        "status=599;error=quota;message=No%3B more;retry_after=-1e9;header=X-Should-Retry: false",
    )
    .await;
    assert_eq!(
        (reply.status, reply.header("retry-after"), reply.header("X-Should-Retry")),
        (599, Some("-1e9"), Some("false"))
    );
    assert_eq!(
        (&reply.json()["error"]["code"], &reply.json()["error"]["message"]),
        (&json!("insufficient_quota"), &json!("No; more"))
    );
}

#[tokio::test]
async fn the_first_calls_fail_and_the_next_succeed() {
    let simulator = Simulator::start().await.unwrap();
    for script in ["text=fine;fail=2", "text=fine;status=503;fail=2", "text=fine;error=overloaded;fail=2"] {
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(whole(&simulator, OPENAI, script).await.status);
        }
        let failed = if script.contains("fine;fail") { 500 } else { 503 };
        assert_eq!(statuses, [failed, failed, 200, 200], "{script}");
    }
    // Another key counts anew, the same key is shared.
    assert_eq!(whole(&simulator, OPENAI, "text=one;fail=1;key=k").await.status, 500);
    assert_eq!(whole(&simulator, OPENAI, "text=two;fail=1;key=k").await.status, 200);
}

#[tokio::test]
async fn a_share_of_the_calls_fails_and_the_same_ones_for_the_same_seed() {
    let simulator = Simulator::start().await.unwrap();
    let mut runs = Vec::new();
    for script in ["seed=1;key=a", "seed=1;key=b", "seed=2;key=c"] {
        let mut client = Client::connect(&simulator).await;
        let mut statuses = Vec::new();
        for _ in 0..200 {
            client.post(OPENAI, Some(&format!("text=x;fail_percent=30;{script}")), &body("m", false, "Hi")).await;
            statuses.push(client.reply().await.unwrap().status);
        }
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    let failed = runs[0].iter().filter(|&&status| status == 500).count();
    assert!((30..=90).contains(&failed), "{failed} of 200");
}

#[tokio::test]
async fn a_reset_comes_before_the_head_or_after_so_many_pieces() {
    let simulator = Simulator::start().await.unwrap();
    for streamed in [false, true] {
        let end = try_call(&simulator, OPENAI, &body("sim:reset", streamed, "Hi")).await.unwrap_err();
        assert_eq!(end, End::Reset);
    }
    let reply = stream(&simulator, OPENAI, "text=a b c d;reset=2").await;
    assert_eq!(reply.end, End::Reset);
    let reply = whole(&simulator, OPENAI, "text=a b c d;reset=2").await;
    assert_eq!(reply.end, End::Reset);
    simulator.wait_for(|event| event.kind == EventKind::ResponseBroken).await;
}

#[tokio::test]
async fn a_cut_breaks_http_and_a_truncation_only_the_dialect() {
    let simulator = Simulator::start().await.unwrap();
    for path in [OPENAI, ANTHROPIC] {
        for (script, end, pieces) in [
            ("text=a b c d;cut", End::Cut, 2),
            ("text=a b c d;cut=3", End::Cut, 3),
            ("text=a b c d;cut=0", End::Cut, 0),
            ("text=a b c d;truncate", End::Clean, 2),
            ("text=a b c d;truncate=4", End::Clean, 4),
        ] {
            let reply = stream(&simulator, path, script).await;
            let text = reply.text();
            let pieces_seen =
                [" a", "\"a\"", " b\"", " c\"", " d\""].iter().filter(|piece| text.contains(**piece)).count();
            assert_eq!(pieces_seen, pieces, "{script}: {text}");
            for terminal in ["\"finish_reason\":\"stop\"", "[DONE]", "message_delta", "message_stop"] {
                assert!(!text.contains(terminal), "{script}: {text}");
            }
            assert_eq!(reply.end, end, "{script}");
        }
    }
    assert_eq!(whole(&simulator, OPENAI, "text=a;cut").await.end, End::Cut);
    let reply = whole(&simulator, OPENAI, "text=a;truncate").await;
    assert_eq!(reply.end, End::Clean);
    assert!(serde_json::from_slice::<Value>(&reply.body).is_err());
}

#[tokio::test]
async fn a_stall_lasts_until_the_client_goes() {
    let simulator = Simulator::start().await.unwrap();
    for (number, script) in [(1, "stall"), (2, "text=a b c;stall=1")] {
        let mut client = Client::connect(&simulator).await;
        client.post(OPENAI, Some(script), &body("m", true, "Hi")).await;
        simulator.wait_for(|event| event.request == Some(number)).await;
        if number == 2 {
            client.until(b"\"a\"").await.unwrap();
        }
        drop(client);
        let event =
            soon(simulator.wait_for(|event| event.request == Some(number) && event.kind == EventKind::ClosedByPeer))
                .await;
        let kinds: Vec<_> = simulator
            .events()
            .iter()
            .filter(|other| other.connection == event.connection)
            .map(|other| other.kind)
            .collect();
        let started = EventKind::ResponseStarted { status: 200 };
        let expected = match number {
            1 => vec![EventKind::ConnectionOpened, EventKind::RequestReceived, EventKind::ClosedByPeer],
            _ => vec![EventKind::ConnectionOpened, EventKind::RequestReceived, started, EventKind::ClosedByPeer],
        };
        assert_eq!(kinds, expected);
    }
}

#[tokio::test]
async fn an_error_inside_a_stream_comes_as_each_dialect_writes_it() {
    let simulator = Simulator::start().await.unwrap();
    let events = stream(&simulator, OPENAI, "text=a b c;error_after=2;error=server").await.events();
    assert_eq!(events.len(), 4, "role, two pieces, the error: {events:?}");
    assert_eq!(events[3]["error"]["type"], "server_error");
    let reply = stream(&simulator, ANTHROPIC, "text=a b c;error_after=0").await;
    let text = reply.text();
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    assert!(
        last.starts_with("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\""),
        "{text}"
    );
    assert_eq!(reply.end, End::Clean);
}

#[tokio::test]
async fn garbage_is_broken_in_the_way_that_was_asked_for() {
    let simulator = Simulator::start().await.unwrap();
    let intact = stream(&simulator, OPENAI, "text=a b c").await.events().len();
    let reply = stream(&simulator, OPENAI, "text=a b c;garbage=json").await;
    let events = reply.events();
    assert_eq!((reply.status, events.len()), (200, intact));
    assert_eq!(events.iter().filter(|event| event.is_string()).count(), 2, "one broken event and [DONE]");

    for streamed in [true, false] {
        let request = |kind: &str| body(&format!("sim:text=a b c;garbage={kind}"), streamed, "Hi");
        let reply = call(&simulator, ANTHROPIC, &request("utf8")).await;
        assert!(std::str::from_utf8(&reply.body).is_err());
        let repaired = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(repaired.contains('\u{fffd}') && repaired.contains("\"a"), "{repaired}");
        let reply = call(&simulator, ANTHROPIC, &request("html")).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(reply.text().starts_with("<!DOCTYPE html>"));
        let reply = call(&simulator, ANTHROPIC, &request("empty")).await;
        assert_eq!((reply.status, reply.body.len()), (200, 0));
    }
    assert!(serde_json::from_slice::<Value>(&whole(&simulator, OPENAI, "text=a;garbage=json").await.body).is_err());
}

/// With a paused clock, waiting costs no time and is exact.
#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the paused clock of the runtime is what is measured")]
async fn delays_are_kept_to_the_millisecond() {
    let simulator = Simulator::start().await.unwrap();
    for (script, streamed, expected) in [
        ("text=a b c;first_ms=3000", true, 3_000),
        ("text=a b c;first_ms=3000;delay_ms=500", true, 4_000),
        ("text=a b c;first_ms=3000;delay_ms=500", false, 4_000),
        ("text=a b c;delay_ms=500;heartbeats=4", true, 3_000),
        ("status=503;first_ms=700", false, 700),
        ("text=abcdef;chunks=3;delay_ms=10", true, 20),
    ] {
        let request = body(&format!("sim:{script}"), streamed, "Hi");
        let before = tokio::time::Instant::now();
        call(&simulator, OPENAI, &request).await;
        let took = before.elapsed().as_millis();
        assert!((expected..expected + 20).contains(&took), "{script}: {took} ms");
    }
}
