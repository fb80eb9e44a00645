use tertulia_simulator::Script;

use super::*;

#[tokio::test]
async fn a_script_that_cannot_be_read_is_refused_with_the_reason() {
    for (script, why) in [
        ("txt=a", "unknown key `txt`"),
        ("words=many", "`words` is not a number"),
        ("words=10000001", "`words` is more than"),
        ("chunks=0", "`chunks` must be at least 1"),
        ("json={", "`json` is not JSON"),
        ("status=42", "`status` is not an HTTP status"),
        ("error=odd", "`error` is no known class"),
        ("garbage=odd", "`garbage` is none of"),
        ("fail_percent=101", "`fail_percent` is more than 100"),
        ("usage=3", "`usage` is not"),
        ("reset;cut", "`cut` is a second fault"),
        ("crlf=yes", "`crlf` takes no value"),
        ("text=%zz", "`text` is not percent-encoded"),
        ("text=%ff", "`text` is not percent-encoded"),
        ("header=x", "`header` is not `name:value`"),
        ("header=x:%0d%0aset-cookie: y", "no header may hold"),
        ("retry_after=%0a", "no header may hold"),
    ] {
        let error = Script::parse(script).unwrap_err().to_string();
        assert!(error.contains(why), "{script}: {error}");
    }
    let simulator = Simulator::start().await.unwrap();
    let reply = whole(&simulator, OPENAI, "txt=a").await;
    assert_eq!(reply.status, 400);
    assert!(reply.json()["error"]["message"].as_str().unwrap().contains("unknown key `txt`"));
}

#[test]
fn saying_a_text_is_the_same_as_writing_it_encoded() {
    let text = "50% off; \"today\" — ok?\n";
    let said = Script::say(text);
    assert_eq!(said, Script::parse("text=50%25 off%3B %22today%22 %E2%80%94 ok?%0A").unwrap());
    assert_ne!(said, Script::say("50% off"));
}

#[tokio::test]
async fn the_header_goes_before_the_model_s_script_and_that_before_the_model_s_name() {
    let simulator = Simulator::start().await.unwrap();
    let mut client = Client::connect(&simulator).await;
    let request = body("sim:text=name", false, "Hi");
    let mut said = Vec::new();
    for (header, set) in [(None, false), (None, true), (Some("text=header"), true)] {
        if set {
            simulator.set_script("sim:text=name", Script::say("set"));
        }
        client.post(OPENAI, header, &request).await;
        let reply = client.reply().await.unwrap().json();
        said.push(reply["choices"][0]["message"]["content"].as_str().unwrap().to_owned());
    }
    assert_eq!(said, ["name", "set", "header"]);
}

#[tokio::test]
async fn scripts_of_a_model_follow_each_other_and_the_last_one_stays() {
    let simulator = Simulator::start().await.unwrap();
    simulator
        .set_scripts("m", [Script::parse("tool=f").unwrap(), Script::parse("status=500").unwrap(), Script::say("end")]);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(call(&simulator, OPENAI, &body("m", false, "Hi")).await.status);
    }
    assert_eq!(statuses, [200, 500, 200, 200]);
    simulator.set_scripts("m", [Script::parse("status=418").unwrap(), Script::say("x")]);
    assert_eq!(call(&simulator, OPENAI, &body("m", false, "Hi")).await.status, 418, "a new list starts at its first");
    simulator.set_scripts("m", []);
    let reply = call(&simulator, OPENAI, &body("m", false, "Hi")).await.json();
    assert!(reply["choices"][0]["message"]["content"].as_str().unwrap().starts_with("You said"));
}

#[tokio::test]
async fn words_chunks_and_json_say_what_they_promise() {
    let simulator = Simulator::start().await.unwrap();
    let text = |reply: Reply| reply.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let words = text(whole(&simulator, OPENAI, "words=100").await);
    assert_eq!(words.split(' ').count(), 100);
    assert_eq!(words, text(whole(&simulator, OPENAI, "words=100").await));
    assert_eq!(text(whole(&simulator, OPENAI, "json={\"a\":[1,2]}").await), "{\"a\":[1,2]}");
    for (script, count) in [("text=Zażółć gęślą jaźń;chunks=5", 5), ("text=ab;chunks=5", 2), ("text=a b c", 3)]
    {
        let events = stream(&simulator, OPENAI, script).await.events();
        let pieces: Vec<&str> =
            events[1..].iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(pieces.len(), count, "{script}: {pieces:?}");
        assert!(script.contains(&pieces.concat()), "{script}: {pieces:?}");
    }
}

#[tokio::test]
async fn framing_is_varied_without_changing_what_is_said() {
    let simulator = Simulator::start().await.unwrap();
    let plain = stream(&simulator, OPENAI, "text=Żółw a b").await;
    let payload = |reply: &Reply| {
        let text = reply.text();
        let text = text.trim_start_matches('\u{feff}');
        text.lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|line| line[..line.len().min(20)].to_owned())
            .collect::<Vec<_>>()
    };
    for script in ["crlf", "bom", "split=1", "split=7", "drip_ms=0", "heartbeats=3"] {
        let reply = stream(&simulator, OPENAI, &format!("text=Żółw a b;{script}")).await;
        assert_eq!(payload(&reply), payload(&plain), "{script}");
        assert_eq!(reply.end, End::Clean);
        let text = reply.text();
        match script {
            "crlf" => assert!(text.matches("\r\n").count() == text.matches('\n').count() && text.contains("\r\n\r\n")),
            "bom" => assert!(text.starts_with('\u{feff}')),
            "heartbeats=3" => assert_eq!(text.matches(": PROCESSING\n\n").count(), 3),
            "split=7" => assert!(reply.chunks.iter().all(|chunk| chunk.len() <= 7)),
            _ => assert!(reply.chunks.iter().all(|chunk| chunk.len() == 1)),
        }
    }
    let reply = stream(&simulator, OPENAI, "text=a;no_done").await;
    assert!(!reply.text().contains("[DONE]") && reply.text().contains("\"finish_reason\":\"stop\""));
    let reply = stream(&simulator, ANTHROPIC, "text=a;heartbeats=2").await;
    assert_eq!(reply.text().matches("event: ping").count(), 3);
}
