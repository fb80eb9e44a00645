//! Replies as server-sent events, over real connections that break.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use serde_json::Value;
use support::{Lab, within};
use tertulia::base::{ManualClock, Timestamp};
use tertulia::store::{MemoryStore, Store};
use tertulia::{
    ChatRequest, Conversation, EventStream, Provider, Result, Settings, SseStream, StreamEventKind, Tertulia,
    TimelineItem, TimelineItemKind, TimelineSse, TurnId, TurnState,
};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A provider that says what the test tells it to.
struct Told(Mutex<Option<mpsc::Receiver<StreamEventKind>>>);

impl Provider for Told {
    fn name(&self) -> &str {
        "told"
    }

    async fn stream(&self, _: ChatRequest) -> Result<EventStream> {
        let told = self.0.lock().unwrap().take().expect("asked once");
        let events = futures::stream::unfold(told, async |mut told| told.recv().await.map(|event| (Ok(event), told)));
        Ok(EventStream::new(events))
    }
}

async fn told() -> (Tertulia, mpsc::Sender<StreamEventKind>) {
    let (say, told) = mpsc::channel(64);
    let provider = Told(Mutex::new(Some(told)));
    let settings = Settings::from_json(&serde_json::json!({"timeline": {"min_interval_ms": 0}})).unwrap();
    let builder = Tertulia::builder().store("memory:").model("told/any").settings(settings);
    (builder.with_provider(provider).open().await.unwrap(), say)
}

/// A small web server: every request is answered with the turn's events from behind `Last-Event-ID` on. Tells how many
/// readers it has let go.
#[expect(clippy::disallowed_methods, reason = "its tasks end with the test's runtime")]
async fn serve(chat: Conversation, turn: TurnId) -> (SocketAddr, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (gone, let_go) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (chat, gone) = (chat.clone(), gone.clone());
            tokio::spawn(async move {
                let (reading, mut writing) = socket.split();
                let mut lines = BufReader::new(reading).lines();
                let mut last = 0;
                while let Some(line) = lines.next_line().await.unwrap().filter(|line| !line.is_empty()) {
                    if let Some(id) = line.strip_prefix("Last-Event-ID: ") {
                        last = id.parse().unwrap();
                    }
                }
                let sse = chat.attach(turn, last).await.unwrap().sse().heartbeat(Duration::from_millis(100));
                let mut body = Box::pin(sse.into_stream());
                writing.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await.unwrap();
                while let Some(Ok(piece)) = body.next().await {
                    if writing.write_all(&piece).await.is_err() {
                        break;
                    }
                }
                drop(body);
                gone.send(()).await.unwrap();
            });
        }
    });
    (address, let_go)
}

/// A browser's side of it.
struct Reader(tokio::io::Lines<BufReader<TcpStream>>);

impl Reader {
    async fn connect(address: SocketAddr, last: i64) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {last}\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        Self(BufReader::new(socket).lines())
    }

    /// The next event; nothing at the end.
    async fn next(&mut self) -> Option<(i64, Value)> {
        let mut id = None;
        while let Some(line) = within(self.0.next_line()).await.unwrap() {
            if let Some(number) = line.strip_prefix("id: ") {
                id = Some(number.parse().unwrap());
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((id.unwrap(), serde_json::from_str(data).unwrap()));
            }
        }
        None
    }
}

/// What a page shows: the words since the answer began last.
fn show(shown: &mut String, event: &Value) {
    match event["type"].as_str().unwrap() {
        "started" => shown.clear(),
        "text" => shown.push_str(event["delta"].as_str().unwrap()),
        _ => {}
    }
}

async fn all(mut sse: SseStream) -> Vec<(i64, Value)> {
    let mut all = Vec::new();
    while let Some(piece) = within(sse.next()).await {
        let piece = String::from_utf8(piece.to_vec()).unwrap();
        if let Some((id, data)) = piece.strip_prefix("id: ").and_then(|rest| rest.split_once("\ndata: ")) {
            all.push((id.parse().unwrap(), serde_json::from_str(data).unwrap()));
        }
    }
    all
}

fn types(events: &[(i64, Value)]) -> Vec<&str> {
    events.iter().map(|(_, event)| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_reader_whose_connection_breaks_is_let_go_and_comes_back_without_loss_or_doubling() {
    let (tertulia, say) = told().await;
    let chat = tertulia.user("ana").new_conversation();
    let stream = chat.stream("hi").detached().await.unwrap();
    let turn = stream.turn_id().unwrap();
    drop(stream);
    let (address, mut let_go) = serve(chat.clone(), turn).await;
    let mut steady = Reader::connect(address, 0).await;
    let (mut shown, mut last) = (String::new(), 0);
    for round in 0..4 {
        let mut reader = Reader::connect(address, last).await;
        for n in 0..5 {
            say.send(StreamEventKind::text(format!("{round}.{n}\r\n\n"))).await.unwrap();
        }
        while !shown.ends_with(&format!("{round}.3\r\n\n")) && !shown.ends_with(&format!("{round}.4\r\n\n")) {
            let (id, event) = reader.next().await.unwrap();
            assert!(id > last, "{id} came again after {last}");
            last = id;
            show(&mut shown, &event);
        }
        // The connection breaks. Nothing is said: only the comments find it out.
        drop(reader);
        within(let_go.recv()).await.unwrap();
        assert!(chat.turn(turn).await.unwrap().state.is_open(), "a reader stopped the turn");
    }
    let mut reader = Reader::connect(address, last).await;
    say.send(StreamEventKind::text("the end")).await.unwrap();
    while !shown.ends_with("the end") {
        let (id, event) = reader.next().await.unwrap();
        assert!(id > last, "{id} came again after {last}");
        last = id;
        show(&mut shown, &event);
    }
    drop(say);
    while let Some((id, event)) = reader.next().await {
        assert!(id > last, "{id} came again after {last}");
        last = id;
        show(&mut shown, &event);
    }
    let mut seen = String::new();
    while let Some((_, event)) = steady.next().await {
        show(&mut seen, &event);
    }
    let kept = chat.history().await.unwrap().items.pop().unwrap().text();
    assert_eq!(kept, (0..20).map(|n| format!("{}.{}\r\n\n", n / 5, n % 5)).collect::<String>() + "the end");
    assert_eq!((shown, seen), (kept.clone(), kept));
    assert_eq!(chat.turn(turn).await.unwrap().last_seq, last);
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn who_comes_back_when_the_turn_is_at_rest_is_told_anew_and_who_has_heard_the_end_nothing() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let reply = chat.send("hi").model(lab.model("text=one%20two%20three;chunks=3")).await.unwrap();
    let turn = reply.turn_id.unwrap();
    let last = chat.turn(turn).await.unwrap().last_seq;
    for after in 0..last {
        let events = all(chat.attach(turn, after).await.unwrap().sse()).await;
        assert_eq!(types(&events), ["started", "text", "done"], "after {after}");
        let mut shown = "what was shown before".to_owned();
        events.iter().for_each(|(_, event)| show(&mut shown, event));
        assert_eq!((shown.as_str(), events[2].0), ("one two three", last));
    }
    assert_eq!(all(chat.attach(turn, last).await.unwrap().sse()).await, []);
    assert_eq!(all(chat.attach(turn, 0).await.unwrap().sse().after_seq(last)).await, []);
    lab.close().await;
}

#[tokio::test]
async fn a_reply_that_broke_off_ends_with_an_event_and_the_second_try_begins_anew() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let mut stream = chat.stream("hi").model(lab.model("words=9;cut=4")).await.unwrap();
    let turn = stream.turn_id().unwrap();
    // What was read before is told all the same: it was told to somebody else.
    assert!(within(stream.next_text()).await.unwrap().is_some());
    let events = all(stream.sse()).await;
    assert_eq!((types(&events)[0], events[0].0), ("started", 1));
    let (last, error) = events.last().unwrap();
    assert_eq!((error["type"].as_str(), error["kind"].as_str()), (Some("error"), Some("truncated")));
    assert_eq!(error["saved"], true);
    assert_eq!(chat.turn(turn).await.unwrap().last_seq, *last);
    assert_eq!(all(chat.attach(turn, *last).await.unwrap().sse()).await, []);
    let again = all(chat.retry(turn).model(lab.text("whole")).await.unwrap().sse()).await;
    assert_eq!(types(&again), ["started", "text", "done"]);
    assert!(again[0].0 > *last);
    lab.close().await;
}

#[tokio::test]
async fn no_number_names_two_events_when_a_process_ends_in_the_middle() {
    let lab = Lab::memory().await;
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let open = || lab.builder().with_store(store.clone()).with_clock(Arc::new(clock.clone())).open();
    let (gone, mine) = (open().await.unwrap(), open().await.unwrap());
    let chat = gone.user("ana").conversation_for("one");
    let mut stream = chat.stream("hi").model(lab.model("words=9;chunks=9;stall=5")).await.unwrap();
    let turn = stream.turn_id().unwrap();
    let mut heard = 0;
    while heard < 4 {
        heard = within(stream.next_event()).await.unwrap().unwrap().seq;
    }
    let chat = mine.user("ana").conversation_for("one");
    // The other engine is still there, but without a sign of life: its task is never woken again.
    clock.advance(Duration::from_secs(31));
    let events = all(chat.attach(turn, heard).await.unwrap().sse()).await;
    assert_eq!((types(&events)[0], *types(&events).last().unwrap()), ("started", "error"));
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Interrupted);
    let mut again = chat.retry(turn).model(lab.text("whole")).await.unwrap();
    again.detach();
    let told = all(chat.attach(turn, heard).await.unwrap().sse()).await;
    assert_eq!(types(&told), ["started", "text", "done"]);
    assert!(told[0].0 > events.last().unwrap().0, "the second try has numbers of the first");
    drop((stream, again));
    gone.close().await.unwrap();
    mine.close().await.unwrap();
    lab.simulator.shutdown().await;
}

#[tokio::test]
async fn a_reply_without_a_store_is_told_in_the_same_words() {
    let lab = Lab::memory().await;
    let stream = lab.tertulia.ask("hi").model(lab.model("text=one%20two;chunks=2")).stream().await.unwrap();
    let events = all(stream.sse()).await;
    assert_eq!((types(&events)[0], *types(&events).last().unwrap()), ("started", "done"));
    assert!(events.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let mut shown = String::new();
    events.iter().for_each(|(_, event)| show(&mut shown, event));
    assert_eq!(shown, "one two");
    let stream = lab.tertulia.ask("hi").model(lab.model("words=9;cut=4")).stream().await.unwrap();
    let events = all(stream.sse().detailed()).await;
    assert_eq!(events.last().unwrap().1["error"]["kind"], "truncated");
    lab.close().await;
}

#[tokio::test]
async fn dropping_the_events_of_a_reply_that_was_not_let_go_stops_it() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let stream = chat.stream("hi").model(lab.model("words=9;stall=3")).await.unwrap();
    let turn = stream.turn_id().unwrap();
    let mut sse = stream.sse();
    assert_eq!(within(sse.next()).await.unwrap(), "retry: 3000\n\n");
    drop(sse);
    lab.at_rest(&chat, turn).await;
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Cancelled);
    lab.close().await;
}

/// What a page shows of a timeline, and the number of the last batch.
#[derive(Default)]
struct Page {
    rows: Vec<Value>,
    last: i64,
    bytes: String,
}

impl Page {
    /// Takes in pieces until the rows are such.
    async fn until(&mut self, sse: &mut TimelineSse, fits: impl Fn(&Self) -> bool) {
        while !fits(self) {
            let piece = within(sse.next()).await.expect("the timeline ended");
            self.take(std::str::from_utf8(&piece).unwrap());
        }
    }

    fn take(&mut self, piece: &str) {
        self.bytes.push_str(piece);
        let Some((id, data)) = piece.strip_prefix("id: ").and_then(|rest| rest.split_once("\ndata: ")) else { return };
        let (id, event): (i64, Value) = (id.parse().unwrap(), serde_json::from_str(data).unwrap());
        assert_eq!((id, event["type"].as_str()), (self.last + 1, Some("changes")), "{piece}");
        self.last = id;
        let diffs = event["diffs"].as_array().unwrap();
        assert!(!diffs.is_empty(), "an empty batch");
        diffs.iter().for_each(|diff| self.apply(diff));
    }

    fn apply(&mut self, diff: &Value) {
        let place = |name: &str| usize::try_from(diff[name].as_u64().unwrap()).unwrap();
        let (item, items) = (diff["item"].clone(), diff["items"].as_array().cloned().unwrap_or_default());
        match diff["type"].as_str().unwrap() {
            "append" => self.rows.extend(items),
            "clear" => self.rows.clear(),
            "push_front" => self.rows.insert(0, item),
            "push_back" => self.rows.push(item),
            "pop_front" => drop(self.rows.remove(0)),
            "pop_back" => drop(self.rows.pop()),
            "insert" => self.rows.insert(place("index"), item),
            "set" => self.rows[place("index")] = item,
            "remove" => drop(self.rows.remove(place("index"))),
            "truncate" => self.rows.truncate(place("length")),
            "reset" => self.rows = items,
            "append_text" => {
                let part = &mut self.rows[place("index")]["message"]["parts"][place("part_index")];
                let words = part["text"].as_str().expect("words of a part that is told");
                assert_eq!(words.chars().count(), place("from"), "{diff}");
                part["text"] = format!("{words}{}", diff["text"].as_str().unwrap()).into();
            }
            other => unreachable!("{other}"),
        }
    }

    /// The words of the messages, and the types of what else they hold.
    fn words(&self) -> Vec<Vec<String>> {
        let messages = self.rows.iter().filter(|row| row["type"] == "message");
        let word = |part: &Value| part["text"].as_str().or(part["type"].as_str()).unwrap().to_owned();
        messages.map(|row| row["message"]["parts"].as_array().unwrap().iter().map(word).collect()).collect()
    }
}

fn is_answered(row: &Value) -> bool {
    row["message"]["role"] == "assistant" && row["message"]["status"] == "complete"
}

#[tokio::test]
async fn a_page_that_applies_the_changes_of_a_timeline_shows_the_conversation_and_is_told_no_thoughts() {
    let (tertulia, say) = told().await;
    let chat = tertulia.user("ana").new_conversation();
    let (mut sse, mut all) = (chat.timeline().await.unwrap().sse(), chat.timeline().await.unwrap().sse().detailed());
    assert_eq!(within(sse.next()).await.unwrap(), "retry: 3000\n\n");
    let (mut page, mut detailed) = (Page::default(), Page::default());
    let stream = chat.stream("what do you\nthink?").detached().await.unwrap();
    let thought = |words: &str| StreamEventKind::Reasoning { delta: words.to_owned() };
    say.send(thought("a secret")).await.unwrap();
    page.until(&mut sse, |page| page.words().last().is_some_and(|parts| parts == &["hidden"])).await;
    // Of what is only thought a page hears nothing, not even that there was more of it.
    say.send(thought(" plan")).await.unwrap();
    detailed.until(&mut all, |page| page.bytes.contains(" plan")).await;
    for _ in 0..50 {
        assert_eq!(sse.next().now_or_never(), None);
        tokio::task::yield_now().await;
    }
    for words in ["so", " so"] {
        say.send(StreamEventKind::text(words)).await.unwrap();
    }
    page.until(&mut sse, |page| page.words().last().is_some_and(|parts| parts.last().unwrap() == "so so")).await;
    for event in [thought("and another"), StreamEventKind::text("!")] {
        say.send(event).await.unwrap();
    }
    drop((say, stream));
    page.until(&mut sse, |page| page.rows.iter().any(is_answered)).await;
    detailed.until(&mut all, |page| page.rows.iter().any(is_answered)).await;
    let said: [&[&str]; 2] = [&["what do you\nthink?"], &["hidden", "so so", "hidden", "!"]];
    assert_eq!(page.words(), said);
    assert!(!page.bytes.contains("secret") && !page.bytes.contains("plan") && !page.bytes.contains("another"));
    let kept: Vec<TimelineItem> =
        detailed.rows.iter().map(|row| serde_json::from_value(row.clone()).unwrap()).collect();
    let history = chat.history().await.unwrap().items;
    let shown = kept.iter().filter_map(|row| match &row.kind {
        TimelineItemKind::Message { message, .. } => Some((**message).clone()),
        _ => None,
    });
    assert_eq!(shown.collect::<Vec<_>>(), history);
    tertulia.close().await.unwrap();
    while within(sse.next()).await.is_some() {}
    assert!(within(sse.next()).await.is_none(), "a closed engine told more");
}

#[tokio::test]
async fn a_page_that_comes_back_is_given_all_rows_and_a_quiet_one_signs_of_life() {
    let lab = Lab::memory().await;
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let tertulia = lab.builder().with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    chat.send("hi").model(lab.text("whole")).await.unwrap();
    for _ in 0..2 {
        let mut sse = chat.timeline().await.unwrap().sse().heartbeat(Duration::from_secs(2));
        let mut page = Page::default();
        page.until(&mut sse, |page| page.last == 1).await;
        assert_eq!(page.words(), [["hi"], ["whole"]]);
        assert!(page.bytes.contains(r#""type":"reset""#), "{}", page.bytes);
        for _ in 0..3 {
            let beat = futures::future::join(sse.next(), async {
                tokio::task::yield_now().await;
                clock.advance(Duration::from_secs(2));
            });
            assert_eq!(within(beat).await.0.unwrap(), ": \n\n");
        }
    }
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn what_the_system_says_stays_inside_and_a_refused_message_says_why() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let given =
        [tertulia::NewMessage::new(tertulia::Role::System, ["an inner rule"]), tertulia::NewMessage::user("hi")];
    chat.append(given).await.unwrap();
    let mut sse = chat.timeline().await.unwrap().sse();
    let mut page = Page::default();
    page.until(&mut sse, |page| page.last == 1).await;
    assert_eq!(page.words(), [["hidden"], ["hi"]]);
    assert!(chat.send("no").model(lab.model("status=401")).await.is_err());
    page.until(&mut sse, |page| page.rows.iter().any(|row| row["error"]["kind"] == "unauthorized")).await;
    let row = page.rows.iter().find(|row| row["error"]["kind"] == "unauthorized").unwrap();
    let told: Vec<_> = row["error"].as_object().unwrap().keys().collect();
    assert_eq!(told, ["kind", "user_message", "saved"]);
    assert!(!page.bytes.contains("inner rule"));
    lab.close().await;
}
