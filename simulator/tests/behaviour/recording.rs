use tertulia_simulator::EventKind;

use super::*;

#[tokio::test]
async fn requests_are_kept_as_they_came_with_their_place_among_the_events() {
    let simulator = Simulator::start().await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.post(&format!("{OPENAI}?beta=1"), Some("text=x"), &body("m", false, "Hello")).await;
    client.reply().await.unwrap();
    drop(client);
    soon(simulator.wait_for(|event| event.kind == EventKind::ClosedByPeer)).await;
    let requests = simulator.requests();
    assert_eq!((requests.len(), simulator.request_count()), (1, 1));
    let request = &requests[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/chat/completions?beta=1"));
    assert_eq!((request.header("X-Simulator-Script"), request.header("absent")), (Some("text=x"), None));
    assert_eq!(request.json()["messages"][0]["content"], "Hello");
    let events = simulator.events();
    let kinds: Vec<EventKind> = events.iter().map(|event| event.kind).collect();
    let started = EventKind::ResponseStarted { status: 200 };
    assert_eq!(
        kinds,
        [
            EventKind::ConnectionOpened,
            EventKind::RequestReceived,
            started,
            EventKind::ResponseEnded,
            EventKind::ClosedByPeer
        ]
    );
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!((request.at_seq, request.connection), (2, 1));
    simulator.clear();
    assert!(simulator.events().is_empty() && simulator.requests().is_empty());
}

#[tokio::test]
async fn waiting_finds_what_was_and_what_comes() {
    let simulator = Simulator::start().await.unwrap();
    let waiting = simulator.wait_for(|event| event.request == Some(2) && event.kind == EventKind::ResponseEnded);
    let calling = async {
        for _ in 0..2 {
            call(&simulator, OPENAI, &body("echo", false, "Hi")).await;
        }
    };
    let (event, ()) = soon(async { tokio::join!(waiting, calling) }).await;
    let again = soon(simulator.wait_for(|other| other.seq == event.seq)).await;
    assert_eq!(event, again);
}

#[tokio::test]
async fn recording_can_be_turned_off_and_counting_goes_on() {
    let simulator = Simulator::start().await.unwrap();
    simulator.set_recording(false);
    call(&simulator, OPENAI, &body("echo", false, "Hi")).await;
    assert!(simulator.requests().is_empty() && simulator.events().is_empty());
    assert_eq!(simulator.request_count(), 1);
}

#[tokio::test]
async fn shutting_down_closes_the_port_and_every_connection() {
    let simulator = Simulator::start().await.unwrap();
    let mut idle = Client::connect(&simulator).await;
    idle.post(OPENAI, None, &body("echo", false, "Hi")).await;
    idle.reply().await.unwrap();
    let mut stalled = Client::connect(&simulator).await;
    stalled.post(OPENAI, Some("stall=0"), &body("m", true, "Hi")).await;
    stalled.until(b"\r\n\r\n").await.unwrap();
    let address = simulator.address();
    soon(simulator.shutdown()).await;
    while stalled.more().await.is_ok() {}
    assert!(idle.more().await.is_err());
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn dropping_it_closes_everything_too() {
    let simulator = Simulator::start().await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.post(OPENAI, None, &body("echo", false, "Hi")).await;
    client.reply().await.unwrap();
    drop(simulator);
    assert!(client.more().await.is_err());
}
