use super::*;

#[tokio::test]
async fn a_connection_carries_many_requests_also_pipelined() {
    let simulator = Simulator::start().await.unwrap();
    let mut client = Client::connect(&simulator).await;
    for words in ["one", "two", "three"] {
        client.post(OPENAI, None, &body("echo", false, words)).await;
    }
    for words in ["one", "two", "three"] {
        assert!(client.reply().await.unwrap().text().contains(words));
    }
    // Sent while the reply before is still waiting.
    client.post(OPENAI, Some("text=slow;first_ms=20"), &body("m", true, "Hi")).await;
    client.post(OPENAI, None, &body("echo", false, "behind")).await;
    assert!(client.reply().await.unwrap().text().contains("slow"));
    assert!(client.reply().await.unwrap().text().contains("behind"));
    assert_eq!(simulator.open_connections(), 1);
}

#[tokio::test]
async fn a_request_may_come_in_chunks_and_in_single_bytes() {
    let simulator = Simulator::start().await.unwrap();
    let text = body("echo", false, "in pieces").to_string();
    let (a, b) = text.split_at(30);
    let request = format!(
        "POST {OPENAI} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{:x};ext=1\r\n{a}\r\n{:X}\r\n{b}\r\n0\r\nx-trailer: y\r\n\r\n",
        a.len(),
        b.len()
    );
    let mut client = Client::connect(&simulator).await;
    client.send(&request).await;
    assert!(client.reply().await.unwrap().text().contains("in pieces"));
    for byte in request.as_bytes() {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert!(client.reply().await.unwrap().text().contains("in pieces"));
}

#[tokio::test]
async fn a_client_that_asks_whether_to_continue_is_told_to() {
    let simulator = Simulator::start().await.unwrap();
    let mut client = Client::connect(&simulator).await;
    let text = body("echo", false, "Hi").to_string();
    client
        .send(format!("POST {OPENAI} HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n", text.len()))
        .await;
    client.until(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
    client.send(text).await;
    assert_eq!(client.reply().await.unwrap().status, 200);
}

#[tokio::test]
async fn what_cannot_be_read_or_is_too_large_is_refused_and_the_connection_closed() {
    let simulator = Simulator::start().await.unwrap();
    let long = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(70_000));
    let many: String = "GET / HTTP/1.1\r\n".to_owned() + &"x: y\r\n".repeat(200) + "\r\n";
    for (request, status) in [
        ("what is this\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n", 413),
        ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (&long, 431),
        (&many, 431),
    ] {
        let mut client = Client::connect(&simulator).await;
        client.send(request).await;
        assert_eq!(client.reply().await.unwrap().status, status, "{:.60}", request);
        assert_eq!(client.more().await, Err(End::Cut));
    }
}

#[tokio::test]
async fn unknown_paths_methods_and_bodies_are_answered_as_the_provider_would() {
    let simulator = Simulator::start().await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send("GET /v1/nothing HTTP/1.1\r\n\r\n").await;
    let reply = client.reply().await.unwrap();
    assert_eq!((reply.status, &reply.json()["error"]["message"]), (404, &json!("Invalid URL (GET /v1/nothing)")));
    for path in [OPENAI, ANTHROPIC] {
        for text in ["", "{", "[]", "{\"messages\":[]}", "{\"model\":\"m\",\"max_tokens\":1}"] {
            client.send(format!("POST {path} HTTP/1.1\r\ncontent-length: {}\r\n\r\n{text}", text.len())).await;
            let reply = client.reply().await.unwrap();
            assert_eq!(
                (reply.status, &reply.json()["error"]["type"]),
                (400, &json!("invalid_request_error")),
                "{text}"
            );
        }
    }
    client.send("HEAD / HTTP/1.1\r\n\r\n").await;
    assert_eq!(client.reply().await.unwrap().status, 200);
    client.post("/any/prefix/chat/completions?api-version=1", None, &body("echo", false, "Hi")).await;
    assert_eq!(client.reply().await.unwrap().status, 200);
}

#[tokio::test]
async fn the_connection_closes_when_either_side_wants_it_to() {
    let simulator = Simulator::start().await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.post(OPENAI, Some("text=a;close"), &body("m", true, "Hi")).await;
    let reply = client.reply().await.unwrap();
    assert_eq!((reply.header("connection"), &reply.end), (Some("close"), &End::Clean));
    assert_eq!(client.more().await, Err(End::Cut));
    let mut client = Client::connect(&simulator).await;
    client.send("GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert_eq!(client.reply().await.unwrap().status, 200);
    assert_eq!(client.more().await, Err(End::Cut));
}
