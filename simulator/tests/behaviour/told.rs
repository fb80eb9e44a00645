use tertulia_simulator::EventKind;

use super::*;

async fn ask(client: &mut Client, what: &str) -> Reply {
    client.send(format!("GET /_simulator/{what} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
    client.reply().await.unwrap()
}

#[tokio::test]
async fn what_was_sent_is_told_over_http_and_asking_is_not_recorded() {
    let simulator = Simulator::start().await.unwrap();
    let mut asking = Client::connect(&simulator).await;
    assert_eq!(ask(&mut asking, "requests").await.json(), json!([]));
    let mut client = Client::connect(&simulator).await;
    client.post(&format!("{OPENAI}?beta=1"), Some("text=x"), &body("m", false, "Hello")).await;
    client.reply().await.unwrap();
    client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nno").await;
    client.reply().await.unwrap();
    let told = ask(&mut asking, "requests").await.json();
    assert_eq!(told, ask(&mut asking, "requests").await.json());
    assert_eq!(told.as_array().unwrap().len(), 2);
    assert_eq!((&told[0]["request"], &told[0]["method"]), (&json!(1), &json!("POST")));
    assert_eq!(told[0]["path"], "/v1/chat/completions?beta=1");
    assert_eq!(told[0]["headers"]["x-simulator-script"], "text=x");
    assert_eq!(told[0]["body"]["messages"][0]["content"], "Hello");
    assert_eq!(told[1]["body"], Value::Null);
    assert_eq!((simulator.request_count(), simulator.requests().len()), (2, 2));
}

#[tokio::test]
async fn a_client_that_hangs_up_in_the_middle_of_a_reply_is_told_of_whenever_one_asks() {
    let simulator = Simulator::start().await.unwrap();
    let mut asking = Client::connect(&simulator).await;
    // Neither a connection that closes between replies nor a question that is given up is a hang-up.
    drop(Client::connect(&simulator).await);
    let mut given_up = Client::connect(&simulator).await;
    given_up.send("GET /_simulator/hung_up HTTP/1.1\r\nhost: x\r\n\r\n").await;
    drop(given_up);
    let mut closed = 0;
    soon(simulator.wait_for(|event| {
        closed += usize::from(event.kind == EventKind::ClosedByPeer);
        closed == 2
    }))
    .await;
    let mut client = Client::connect(&simulator).await;
    client.post(OPENAI, Some("stall"), &body("m", true, "Hello")).await;
    soon(simulator.wait_for(|event| event.kind == EventKind::RequestReceived)).await;
    asking.send("GET /_simulator/hung_up HTTP/1.1\r\nhost: x\r\n\r\n").await;
    drop(client);
    let told = asking.reply().await.unwrap().json();
    assert_eq!((&told["request"], &told["connection"]), (&json!(1), &json!(4)));
    assert_eq!(ask(&mut asking, "hung_up").await.json(), told);

    asking.send(format!("GET /_simulator/hung_up?after={} HTTP/1.1\r\nhost: x\r\n\r\n", told["seq"])).await;
    let mut client = Client::connect(&simulator).await;
    client.post(OPENAI, Some("stall"), &body("m", true, "Again")).await;
    soon(simulator.wait_for(|event| event.kind == EventKind::RequestReceived && event.request == Some(2))).await;
    drop(client);
    assert_eq!(asking.reply().await.unwrap().json()["request"], 2);
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_is_refused() {
    let simulator = Simulator::start().await.unwrap();
    let mut asking = Client::connect(&simulator).await;
    let reply = ask(&mut asking, "weather").await;
    assert_eq!(reply.status, 404);
    assert!(reply.json()["error"].as_str().unwrap().contains("/_simulator/requests"));
    assert_eq!(ask(&mut asking, "hung_up?after=soon").await.status, 404);
    simulator.set_recording(false);
    let reply = ask(&mut asking, "requests").await;
    assert_eq!(reply.status, 404);
    assert!(reply.json()["error"].as_str().unwrap().contains("--record"));
}
