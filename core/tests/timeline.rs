//! Live timelines and live lists, through whole engines.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests may panic, spawn, and need no docs"
)]

mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use serde_json::json;
use support::{cause_of, within};
use tertulia::base::{Clock as _, ManualClock, Timestamp};
use tertulia::{
    ChatRequest, Conversation, ConversationSummary, Delivery, Error, ErrorKind, EventStream, MessageId, NewMessage,
    Provider, ReplyStream, Result, Settings, StreamEventKind, Tertulia, TertuliaBuilder, Timeline, TimelineDiff,
    TimelineFocus, TimelineItem, TimelineItemKind,
};
use tokio::sync::mpsc;

type Said = Result<StreamEventKind>;

/// A model that says what the test says, call by call.
#[derive(Clone, Default)]
struct House(Arc<Mutex<VecDeque<mpsc::Receiver<Said>>>>);

/// The words of one answer; when this goes, the answer is whole.
struct Mouth(mpsc::Sender<Said>);

impl Mouth {
    async fn say(&self, words: &str) {
        self.0.send(Ok(StreamEventKind::text(words))).await.unwrap();
    }

    async fn fail(self) {
        let error = Error::new(ErrorKind::Invalid, "house_down", "it broke");
        self.0.send(Err(error)).await.unwrap();
    }
}

impl House {
    /// The next answer that is asked for. Any other says `ok`.
    fn answer(&self) -> Mouth {
        let (mouth, ear) = mpsc::channel(4_096);
        self.0.lock().unwrap().push_back(ear);
        Mouth(mouth)
    }

    fn builder(&self) -> TertuliaBuilder {
        let settings = Settings::from_json(&json!({"timeline": {"min_interval_ms": 0}})).unwrap();
        Tertulia::builder().store("memory:").model("house/any").with_provider(self.clone()).settings(settings)
    }
}

impl Provider for House {
    fn name(&self) -> &'static str {
        "house"
    }

    async fn stream(&self, _: ChatRequest) -> Result<EventStream> {
        let Some(ear) = self.0.lock().unwrap().pop_front() else { return Ok(EventStream::from("ok")) };
        let said = futures::stream::unfold(ear, async |mut ear| ear.recv().await.map(|said| (said, ear)));
        Ok(EventStream::new(said))
    }
}

/// What a reader has on its screen.
struct Reader {
    timeline: Timeline,
    rows: Vec<TimelineItem>,
    resets: usize,
    batches: Vec<Vec<TimelineDiff>>,
}

impl Reader {
    async fn of(chat: &Conversation) -> Self {
        Self::on(chat.timeline().await.unwrap()).await
    }

    async fn on(timeline: Timeline) -> Self {
        let mut reader = Self { timeline, rows: Vec::new(), resets: 0, batches: Vec::new() };
        reader.next().await;
        assert_eq!(reader.resets, 1, "the first batch holds all rows");
        reader
    }

    async fn next(&mut self) {
        let batch = within(self.timeline.next()).await.unwrap().expect("the timeline ended");
        self.take(batch);
    }

    fn take(&mut self, batch: Vec<TimelineDiff>) {
        assert!(!batch.is_empty(), "an empty batch");
        for diff in &batch {
            self.resets += usize::from(matches!(diff, TimelineDiff::Reset { .. }));
            diff.clone().apply(&mut self.rows);
        }
        self.batches.push(batch);
    }

    /// Reads until the rows are such.
    async fn until(&mut self, what: &str, fits: impl Fn(&[TimelineItem]) -> bool) {
        for _ in 0..10_000 {
            if fits(&self.rows) {
                return;
            }
            let batch = tokio::time::timeout(Duration::from_secs(5), self.timeline.next()).await;
            let Ok(batch) = batch else { panic!("{what} did not come: {:#?}", shown(&self.rows)) };
            self.take(batch.unwrap().expect("the timeline ended"));
        }
        panic!("{what} did not come: {:#?}", shown(&self.rows));
    }

    /// Reads until the rows are those that somebody sees who opens the conversation now.
    async fn settled(&mut self, chat: &Conversation, context: &str) {
        let fresh = Self::of(chat).await.rows;
        self.until(&format!("{context}: {:#?}", shown(&fresh)), |rows| {
            // The window may be longer than that of who opens it now, but for the day above the first row.
            let mine: Vec<_> = messages(rows);
            let theirs: Vec<_> = messages(&fresh);
            mine.ends_with(&theirs)
        })
        .await;
    }
}

fn messages(rows: &[TimelineItem]) -> Vec<TimelineItem> {
    rows.iter().filter(|row| !matches!(row.kind, TimelineItemKind::DayDivider { .. })).cloned().collect()
}

/// The rows in words.
fn shown(rows: &[TimelineItem]) -> Vec<String> {
    rows.iter()
        .map(|row| match &row.kind {
            TimelineItemKind::Message { message, delivery, .. } => {
                let delivery = delivery.map_or(String::new(), |delivery| format!(" {delivery:?}"));
                format!("{:?}{delivery} {:?}", message.status, message.text())
            }
            TimelineItemKind::DayDivider { day } => day.clone(),
            other => format!("{other:?}").split([' ', '{']).next().unwrap().to_owned(),
        })
        .collect()
}

fn last(rows: &[TimelineItem]) -> String {
    shown(rows).pop().unwrap_or_default()
}

async fn stream(chat: &Conversation, words: &str) -> ReplyStream {
    within(async { chat.stream(words).detached().await }).await.unwrap()
}

#[tokio::test]
async fn what_is_sent_is_shown_at_once_and_keeps_its_row_until_it_is_answered() {
    let house = House::default();
    let tertulia = house.builder().open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    let mut reader = Reader::of(&chat).await;
    assert!(reader.rows.is_empty(), "nothing was said yet");

    let first = house.answer();
    let running = stream(&chat, "one").await;
    reader.until("the typing row", |rows| last(rows) == "Typing").await;
    let second = house.answer();
    // It waits for the first one, so that it is not saved.
    let later = tokio::spawn({
        let chat = chat.clone();
        async move { chat.send("two").await }
    });
    reader.until("the message that waits", |rows| last(rows) == r#"Pending Pending "two""#).await;
    let (answer_id, said_id) = (reader.rows[2].id.clone(), reader.rows[3].id.clone());
    first.say("Hello").await;
    reader.until("the first words", |rows| shown(&rows[2..3]) == [r#"Streaming "Hello""#]).await;
    first.say(", Ana").await;
    reader.until("more words", |rows| shown(&rows[2..3]) == [r#"Streaming "Hello, Ana""#]).await;
    let is_suffix =
        |diff: &TimelineDiff| matches!(diff, TimelineDiff::AppendText { from: 5, text, .. } if text == ", Ana");
    assert!(reader.batches.last().unwrap().iter().any(is_suffix), "{:?}", reader.batches.last());
    drop(first);
    reader.until("the next answer", |rows| rows.len() == 5 && last(rows) == "Typing").await;
    second.say("Bye").await;
    drop(second);
    reader.until("the end", |rows| last(rows) == r#"Complete "Bye""#).await;
    assert_eq!(
        shown(&reader.rows)[1..],
        [r#"Complete Sent "one""#, r#"Complete "Hello, Ana""#, r#"Complete Sent "two""#, r#"Complete "Bye""#]
    );
    assert_eq!((&reader.rows[2].id, &reader.rows[3].id), (&answer_id, &said_id), "rows keep their ids");
    drop(running);
    later.await.unwrap().unwrap();
    let page = chat.history().await.unwrap();
    let ids: Vec<String> = page.items.iter().map(|message| message.id.to_string()).collect();
    assert_eq!(reader.rows[1..].iter().map(|row| row.id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(reader.resets, 1);
    reader.settled(&chat, "what is stored").await;
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn a_refused_message_stays_with_its_reason_until_it_is_dismissed() {
    let house = House::default();
    let tertulia = house.builder().open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    let mut reader = Reader::of(&chat).await;
    let error = within(async { chat.send("hi").model("nobody/any").await }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    reader.until("the refusal", |rows| last(rows) == r#"Pending Failed "hi""#).await;
    let TimelineItemKind::Message { message, error: Some(why), delivery: Some(Delivery::Failed) } =
        reader.rows[0].kind.clone()
    else {
        panic!("{:?}", reader.rows)
    };
    assert_eq!(why.reason, error.reason());
    // What goes well comes before it, and it stays.
    within(async { chat.send("other").await }).await.unwrap();
    reader.until("the answer", |rows| rows.len() == 4 && shown(&rows[2..3]) == [r#"Complete "ok""#]).await;
    assert_eq!(last(&reader.rows), r#"Pending Failed "hi""#);
    assert!(!reader.timeline.dismiss(MessageId::from_bytes([1; 16])));
    assert!(reader.timeline.dismiss(message.id));
    reader.until("the dismissal", |rows| last(rows) == r#"Complete "ok""#).await;
    reader.settled(&chat, "what is stored").await;
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn the_first_words_and_the_end_come_at_once_and_everything_else_in_its_time() {
    let house = House::default();
    let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
    let builder = house.builder().settings(Settings::default()).with_clock(Arc::new(clock.clone()));
    let tertulia = builder.open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    let mouth = house.answer();
    let mut running = stream(&chat, "hi").await;
    let mut reader = Reader::of(&chat).await;
    let heard = async |running: &mut ReplyStream, words: &str| {
        mouth.say(words).await;
        while within(running.next_text()).await.unwrap().unwrap() != words {}
    };
    let at = clock.monotonic();
    heard(&mut running, "First.").await;
    reader.until("the first words", |rows| last(rows) == r#"Streaming "First.""#).await;
    let told = reader.batches.len();
    for words in [" a", " b", " c"] {
        heard(&mut running, words).await;
        assert!(reader.timeline.next().now_or_never().is_none(), "told before its time");
    }
    clock.advance(Duration::from_millis(32));
    assert!(reader.timeline.next().now_or_never().is_none(), "told a millisecond too early");
    clock.advance(Duration::from_millis(1));
    reader.next().await;
    assert_eq!(reader.batches.len(), told + 1);
    let wanted =
        TimelineDiff::AppendText { index: 2, part_index: 0, from: 6, text: " a b c".to_owned(), stable_prefix: 0 };
    assert_eq!(reader.batches[told], [wanted]);
    heard(&mut running, " d").await;
    drop(mouth);
    let after = clock.monotonic();
    reader.until("the end", |rows| last(rows) == r#"Complete "First. a b c d""#).await;
    assert_eq!((clock.monotonic(), after - at), (after, Duration::from_millis(33)), "no time passed");
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn a_reader_that_sleeps_through_everything_gets_one_batch_and_no_reset() {
    let house = House::default();
    let tertulia = house.builder().open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    within(async { chat.send("zero").await }).await.unwrap();
    let mut reader = Reader::of(&chat).await;
    for round in 0..5 {
        let mouth = house.answer();
        let running = stream(&chat, &format!("question {round}")).await;
        for word in 0..400 {
            mouth.say(&format!("{word} ")).await;
        }
        drop(mouth);
        within(running.reply()).await.unwrap();
    }
    reader.next().await;
    reader.settled(&chat, "all of it").await;
    assert_eq!((reader.resets, reader.batches.len()), (1, 2), "{:?}", shown(&reader.rows));
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_shown_so_and_one_without_a_word_leaves_the_reason_with_its_question() {
    let house = House::default();
    let tertulia = house.builder().open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    let mut reader = Reader::of(&chat).await;
    let mouth = house.answer();
    let running = stream(&chat, "one").await;
    mouth.say("Half").await;
    reader.until("the words", |rows| last(rows) == r#"Streaming "Half""#).await;
    mouth.fail().await;
    drop(within(running.reply()).await.unwrap_err());
    reader.until("the break", |rows| last(rows) == r#"Interrupted "Half""#).await;

    let mouth = house.answer();
    let running = stream(&chat, "two").await;
    reader.until("the typing row", |rows| last(rows) == "Typing").await;
    mouth.fail().await;
    let error = within(running.reply()).await.unwrap_err();
    reader.until("the failure", |rows| last(rows) == r#"Complete Failed "two""#).await;
    let Some(TimelineItemKind::Message { error: Some(why), .. }) = reader.rows.last().map(|row| row.kind.clone())
    else {
        panic!("{:?}", reader.rows)
    };
    assert_eq!(why.reason, error.reason());
    reader.settled(&chat, "what is stored").await;

    // Stopped by who shows it.
    let mouth = house.answer();
    let running = stream(&chat, "three").await;
    mouth.say("Never").await;
    reader.until("the words", |rows| last(rows) == r#"Streaming "Never""#).await;
    chat.stop(running.turn_id().unwrap()).await.unwrap();
    reader.until("the stop", |rows| last(rows) == r#"Cancelled "Never""#).await;
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn branches_edits_other_answers_and_deletions_reach_it_whoever_makes_them() {
    let house = House::default();
    let tertulia = house.builder().open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    // Another handle of the same engine makes the changes.
    let other = tertulia.user("ana").conversation(chat.id());
    let mut ids = Vec::new();
    for words in ["one", "two", "three"] {
        ids.push(within(async { chat.send(words).await }).await.unwrap().message_id.unwrap());
    }
    let mut reader = Reader::of(&chat).await;
    let question = chat.history().await.unwrap().items[2].id;

    drop(within(async { other.edit(question, "two, anew").await }).await.unwrap().reply().await.unwrap());
    reader.settled(&chat, "the edit").await;
    assert_eq!(shown(&reader.rows)[3..], [r#"Complete Sent "two, anew""#, r#"Complete "ok""#]);

    other.switch_to(ids[2]).await.unwrap();
    reader.settled(&chat, "the switch").await;
    assert_eq!(reader.rows.len(), 7);

    // Another answer takes the place of the old one with its first word.
    let mouth = house.answer();
    let running = within(async { other.regenerate(ids[1]).detached().await }).await.unwrap();
    mouth.say("Anew").await;
    reader.until("the first word", |rows| last(rows) == r#"Streaming "Anew""#).await;
    assert_eq!(reader.rows.len(), 5, "{:?}", shown(&reader.rows));
    drop(mouth);
    drop(within(running.reply()).await.unwrap());
    reader.settled(&chat, "the other answer").await;
    let TimelineItemKind::Message { message, .. } = &reader.rows[4].kind else { panic!("{:?}", reader.rows) };
    assert_eq!((message.sibling_index, message.sibling_count), (1, 2));

    other.delete_message(question).await.unwrap();
    reader.until("the tombstone", |rows| shown(rows)[3].starts_with("Deleted")).await;
    other.delete_message(question).subtree().await.unwrap();
    reader.settled(&chat, "the removal").await;
    assert_eq!(reader.rows.len(), 3);

    other.append([NewMessage::user("by the way")]).await.unwrap();
    reader.settled(&chat, "the message of another handle").await;
    assert_eq!(last(&reader.rows), r#"Complete "by the way""#);
    other.delete().await.unwrap();
    reader.until("the end of the conversation", <[_]>::is_empty).await;
    assert_eq!(reader.resets, 1);
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn who_guesses_the_id_of_a_conversation_sees_nothing_of_what_is_said_in_it() {
    let house = House::default();
    let tertulia = house.builder().open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    let mouth = house.answer();
    let running = stream(&chat, "a secret").await;
    mouth.say("another").await;
    let mut mine = Reader::of(&chat).await;
    let guessed = tertulia.user("bob").new_conversation_at(chat.id(), tertulia::ConversationOptions::default());
    let theirs = Reader::of(&guessed).await;
    drop(mouth);
    within(running.reply()).await.unwrap();
    mine.until("the answer", |rows| last(rows) == r#"Complete "another""#).await;
    assert!(theirs.rows.is_empty());
    assert!(theirs.timeline.next().now_or_never().is_none());
    tertulia.close().await.unwrap();
}

/// A conversation of so many messages, said an hour apart.
async fn long(tertulia: &Tertulia, clock: &ManualClock, count: usize) -> Conversation {
    let chat = tertulia.user("ana").new_conversation();
    for number in 1..=count {
        clock.advance(Duration::from_secs(3_600));
        chat.append([NewMessage::user(format!("message {number}"))]).await.unwrap();
    }
    chat
}

/// The messages on the screen, by their number.
fn numbers(rows: &[TimelineItem]) -> Vec<usize> {
    let number = |row: &TimelineItem| match &row.kind {
        TimelineItemKind::Message { message, .. } => message.text().strip_prefix("message ")?.parse().ok(),
        _ => None,
    };
    rows.iter().filter_map(number).collect()
}

#[tokio::test]
async fn a_long_conversation_is_walked_both_ways_in_a_window() {
    let (house, clock) = (House::default(), ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
    let tertulia = house.builder().with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let chat = long(&tertulia, &clock, 400).await;
    let mut reader = Reader::of(&chat).await;
    assert_eq!(numbers(&reader.rows), (351..=400).collect::<Vec<_>>());
    let mut oldest = 351;
    while !within(reader.timeline.load_older(40)).await.unwrap() {
        reader.next().await;
        oldest -= 40;
        let newest = 400.min(oldest + 149);
        assert_eq!(numbers(&reader.rows), (oldest..=newest).collect::<Vec<_>>());
        assert_eq!(last(&reader.rows) == "Gap", newest < 400);
    }
    reader.next().await;
    assert_eq!(numbers(&reader.rows), (1..=150).collect::<Vec<_>>());
    // Each day is named once, above its first message.
    let days: Vec<String> = shown(&reader.rows).into_iter().filter(|row| row.starts_with("2027-")).collect();
    assert!(days.len() == 7 && days.is_sorted_by(|a, b| a < b), "{days:?}");
    assert_eq!(shown(&reader.rows)[0], days[0]);
    // What comes at the end is not shown here.
    chat.append([NewMessage::user("message 401")]).await.unwrap();
    assert!(!within(reader.timeline.load_newer(200)).await.unwrap());
    reader.next().await;
    assert_eq!(numbers(&reader.rows), (201..=350).collect::<Vec<_>>());
    assert!(within(reader.timeline.load_newer(200)).await.unwrap());
    reader.next().await;
    assert_eq!(numbers(&reader.rows), (252..=401).collect::<Vec<_>>());
    // Who looks at the top keeps it, and what comes at the end makes room.
    reader.timeline.set_visible(0, 5);
    chat.append([NewMessage::user("message 402")]).await.unwrap();
    reader.until("the gap", |rows| last(rows) == "Gap").await;
    assert_eq!(numbers(&reader.rows), (252..=401).collect::<Vec<_>>());
    assert_eq!(reader.resets, 1);
    for count in [0, 201] {
        assert_eq!(cause_of(reader.timeline.load_older(count).await), (ErrorKind::Invalid, "bad_limit".to_owned()));
    }
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn it_begins_where_it_is_told_to_and_the_marker_stands_behind_what_was_read() {
    let (house, clock) = (House::default(), ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
    let tertulia = house.builder().with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let chat = long(&tertulia, &clock, 120).await;
    let all = chat.history().limit(120).await.unwrap().items;
    let focus = |number: usize| TimelineFocus::Message { id: all[number - 1].id };
    let mut reader = Reader::on(chat.timeline().focus(focus(60)).read_upto(all[61].id).await.unwrap()).await;
    assert_eq!(numbers(&reader.rows), (36..=85).collect::<Vec<_>>());
    let marker = reader.rows.iter().position(|row| row.kind == TimelineItemKind::UnreadMarker).unwrap();
    assert_eq!(numbers(&reader.rows[marker..])[0], 63);
    reader.timeline.set_read(all[63].id).await.unwrap();
    reader.next().await;
    let marker = reader.rows.iter().position(|row| row.kind == TimelineItemKind::UnreadMarker).unwrap();
    assert_eq!(numbers(&reader.rows[marker..])[0], 65);

    reader.timeline.focus(TimelineFocus::Live).await.unwrap();
    reader.next().await;
    assert_eq!((numbers(&reader.rows)[49], reader.resets), (120, 2));

    let head = all[9].id;
    let branch = Reader::of(&chat.at(head)).await;
    assert_eq!(numbers(&branch.rows), (1..=10).collect::<Vec<_>>());
    let mut branch = Reader::on(chat.timeline().focus(TimelineFocus::Branch { head }).await.unwrap()).await;
    assert_eq!(numbers(&branch.rows), (1..=10).collect::<Vec<_>>());
    chat.delete_message(all[4].id).await.unwrap();
    branch.until("the tombstone", |rows| shown(rows).iter().any(|row| row.starts_with("Deleted"))).await;

    let missing = TimelineFocus::Message { id: MessageId::from_bytes([9; 16]) };
    assert_eq!(cause_of(chat.timeline().focus(missing).await).0, ErrorKind::NotFound);
    let foreign = tertulia.user("bob").conversation(chat.id());
    assert_eq!(cause_of(foreign.timeline().await).0, ErrorKind::NotFound);
    let refused = cause_of(chat.timeline().utc_offset_minutes(2_000).await);
    assert_eq!(refused, (ErrorKind::Invalid, "bad_offset".to_owned()));
    // A night further east, a message stands under the next day.
    let east = Reader::on(chat.timeline().utc_offset_minutes(840).await.unwrap()).await;
    assert_ne!(shown(&east.rows)[1..], shown(&reader.rows)[1..]);
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn what_another_process_does_on_the_same_file_is_shown_a_second_later() {
    let house = House::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
    let open = async |clock: &ManualClock| {
        let builder = house.builder().store(path.to_str().unwrap()).with_clock(Arc::new(clock.clone()));
        builder.open().await.unwrap()
    };
    let (here, there) = (open(&clock).await, open(&clock).await);
    let chat = here.user("ana").new_conversation();
    chat.append([NewMessage::user("one"), NewMessage::assistant("two")]).await.unwrap();
    let mut reader = Reader::of(&chat).await;
    let mut list = List::of(&here).await;
    let elsewhere = there.user("ana").conversation(chat.id());
    let read = elsewhere.history().await.unwrap().items;
    elsewhere.append([NewMessage::user("three")]).await.unwrap();
    elsewhere.delete_message(read[0].id).await.unwrap();
    assert!(reader.timeline.next().now_or_never().is_none());
    clock.advance(Duration::from_secs(1));
    reader.until("the words of the other process", |rows| last(rows) == r#"Complete "three""#).await;
    reader.settled(&chat, "all of it").await;
    assert!(shown(&reader.rows)[1].starts_with("Deleted"));
    list.until(|rows| rows[0].last_preview.as_deref() == Some("three")).await;

    elsewhere.at(read[1].id).append([NewMessage::user("another three")]).await.unwrap();
    clock.advance(Duration::from_secs(1));
    reader.until("the other branch", |rows| last(rows) == r#"Complete "another three""#).await;
    reader.settled(&chat, "the other branch").await;
    assert_eq!(reader.resets, 1);
    there.close().await.unwrap();
    here.close().await.unwrap();
}

#[tokio::test]
async fn it_outlives_a_suspension_and_ends_with_the_engine() {
    let house = House::default();
    let folder = tempfile::tempdir().unwrap();
    let tertulia = house.builder().store(folder.path().join("chat.db").to_str().unwrap()).open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    within(async { chat.send("hi").await }).await.unwrap();
    let mut reader = Reader::of(&chat).await;
    let mut list = List::of(&tertulia).await;
    tertulia.suspend().await.unwrap();
    let refused = ("closed", "suspended".to_owned());
    assert_eq!(cause_of(reader.timeline.load_older(1).await), (ErrorKind::Closed, refused.1));
    let waiting = reader.timeline.clone();
    let waiting = tokio::spawn(async move { waiting.next().await });
    tertulia.resume().await.unwrap();
    chat.append([NewMessage::user("again")]).await.unwrap();
    let batch = within(waiting).await.unwrap().unwrap().unwrap();
    reader.take(batch);
    reader.settled(&chat, "what came after the rest").await;
    list.until(|rows| rows[0].last_preview.as_deref() == Some("again")).await;

    let (timeline, conversations) = (reader.timeline.clone(), list.watch.clone());
    let ends = tokio::spawn(async move { (timeline.next().await, conversations.next().await) });
    tertulia.close().await.unwrap();
    let (timeline, conversations) = within(ends).await.unwrap();
    assert_eq!((timeline.unwrap(), conversations.unwrap()), (None, None));
    assert_eq!(within(reader.timeline.next()).await.unwrap(), None, "it stays so");
    assert_eq!(cause_of(reader.timeline.focus(TimelineFocus::Live).await).0, ErrorKind::Closed);
    assert_eq!(cause_of(chat.timeline().await).0, ErrorKind::Closed);
}

/// What a reader of the list of conversations has.
struct List {
    watch: tertulia::ConversationsWatch,
    rows: Vec<ConversationSummary>,
    batches: usize,
}

impl List {
    async fn of(tertulia: &Tertulia) -> Self {
        let mut list =
            Self { watch: tertulia.user("ana").watch_conversations().unwrap(), rows: Vec::new(), batches: 0 };
        list.next().await;
        list
    }

    async fn next(&mut self) {
        let batch = within(self.watch.next()).await.unwrap().expect("the list ended");
        self.batches += 1;
        for diff in batch {
            assert!(self.batches == 1 || !matches!(diff, TimelineDiff::Reset { .. }), "a reset");
            diff.apply(&mut self.rows);
        }
    }

    async fn until(&mut self, fits: impl Fn(&[ConversationSummary]) -> bool) {
        while !fits(&self.rows) {
            self.next().await;
        }
    }
}

#[tokio::test]
async fn a_thousand_words_of_an_answer_tell_the_list_nothing_before_its_end() {
    let house = House::default();
    let tertulia = house.builder().open().await.unwrap();
    let me = tertulia.user("ana");
    let mut list = List::of(&tertulia).await;
    let chat = me.new_conversation();
    let mouth = house.answer();
    let mut running = stream(&chat, "hi").await;
    list.until(|rows| rows.len() == 1).await;
    let told = list.batches;
    // More than one draft is written of them.
    for number in 0..1_000 {
        mouth.say(&format!("{number:08} ")).await;
        within(running.next_text()).await.unwrap().unwrap();
        assert!(list.watch.next().now_or_never().is_none(), "told of delta {number}");
    }
    assert_eq!(chat.history().await.unwrap().items.len(), 2, "a draft is stored");
    drop(mouth);
    within(running.reply()).await.unwrap();
    list.next().await;
    assert_eq!((list.batches, list.rows[0].message_count), (told + 1, 2));
    assert!(list.rows[0].last_preview.as_deref().unwrap().starts_with("00000000 "));
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn the_list_moves_what_is_said_to_the_top_and_pages_on() {
    let house = House::default();
    let tertulia = house.builder().open().await.unwrap();
    let me = tertulia.user("ana");
    let mut chats = Vec::new();
    for number in 0..60 {
        let chat = me.new_conversation();
        chat.append([NewMessage::user(format!("chat {number}"))]).await.unwrap();
        chats.push(chat);
    }
    let mut list = List::of(&tertulia).await;
    assert_eq!(list.rows.len(), 50);
    assert!(within(list.watch.load_older(20)).await.unwrap());
    list.next().await;
    let same = async |list: &List| list.rows == me.list_conversations().limit(200).await.unwrap().items;
    assert!(list.rows.len() == 60 && same(&list).await);

    chats[3].append([NewMessage::user("again")]).await.unwrap();
    list.until(|rows| rows[0].id == chats[3].id()).await;
    let change = |change: serde_json::Value| match change["pinned"].as_bool() {
        Some(pinned) => tertulia::ConversationChange { pinned: Some(pinned), ..Default::default() },
        None => tertulia::ConversationChange { archived: Some(true), ..Default::default() },
    };
    chats[7].update(change(json!({"pinned": true}))).await.unwrap();
    list.until(|rows| rows[0].id == chats[7].id()).await;
    chats[8].update(change(json!({}))).await.unwrap();
    chats[9].delete().await.unwrap();
    list.until(|rows| rows.len() == 58).await;
    assert!(same(&list).await);
    // What other users do is not told.
    tertulia.user("bob").new_conversation().append([NewMessage::user("psst")]).await.unwrap();
    assert!(list.watch.next().now_or_never().is_none());
    assert_eq!(cause_of(list.watch.load_older(0).await).0, ErrorKind::Invalid);
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn whatever_is_done_to_a_conversation_its_timeline_ends_where_a_fresh_one_begins() {
    for (seed, on_disk) in [(1, false), (2, false), (3, false), (4, false), (5, true), (6, true)] {
        let mut chance = fastrand::Rng::with_seed(seed);
        let (house, folder) = (House::default(), tempfile::tempdir().unwrap());
        let path = folder.path().join("chat.db");
        let store = if on_disk { path.to_str().unwrap() } else { "memory:" };
        let tertulia = house.builder().store(store).open().await.unwrap();
        let chat = tertulia.user("ana").new_conversation();
        within(async { chat.send("the first").await }).await.unwrap();
        let mut reader = Reader::of(&chat).await;
        for step in 0..40 {
            let page = chat.history().limit(200).await.unwrap().items;
            let one = chance.choice(&page).cloned();
            let outcome = match (chance.u8(..9), one) {
                (0 | 1, _) => {
                    let (mouth, stays) = (house.answer(), chance.bool());
                    let running = stream(&chat, "more").await;
                    for _ in 0..chance.usize(1..40) {
                        mouth.say("words and words\n\n").await;
                    }
                    if stays {
                        drop(mouth)
                    } else {
                        mouth.fail().await
                    }
                    within(running.reply()).await.map(drop)
                }
                (2, Some(one)) => match within(async { chat.edit(one.id, "anew").await }).await {
                    Ok(running) => within(running.reply()).await.map(drop),
                    Err(error) => Err(error),
                },
                (3, Some(one)) => match within(async { chat.regenerate(one.id).await }).await {
                    Ok(running) => within(running.reply()).await.map(drop),
                    Err(error) => Err(error),
                },
                (4, Some(_)) => {
                    let branches = chat.branches().await.unwrap().items;
                    chat.switch_to(chance.choice(branches).unwrap().head_id).await.map(drop)
                }
                (5, Some(one)) => chat.delete_message(one.id).await,
                (6, Some(one)) if page.len() > 6 => chat.delete_message(one.id).subtree().await,
                (7, Some(one)) => chat.fork(one.id).await,
                _ => chat.append([NewMessage::user("said"), NewMessage::assistant("answered")]).await.map(drop),
            };
            drop(outcome);
            if chance.bool() {
                reader.settled(&chat, &format!("seed {seed}, step {step}")).await;
            }
        }
        reader.settled(&chat, &format!("seed {seed}, the end")).await;
        assert_eq!(reader.resets, 1, "seed {seed}");
        tertulia.close().await.unwrap();
    }
}

#[test]
fn settings_of_timelines_are_checked_by_their_names() {
    let refused = |json: serde_json::Value| {
        let error = Settings::from_json(&json).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_settings"));
        error.detail().to_owned()
    };
    assert!(refused(json!({"timeline": {"window_page": 3}})).contains("did you mean `window_pages`"));
    assert!(refused(json!({"timelin": {}})).contains("did you mean `timeline`"));
    assert!(refused(json!({"timeline": {"window_pages": 0}})).contains("timeline.window_pages must be at least 1"));
    assert!(refused(json!({"timeline": {"window_pages": 21}})).contains("timeline.window_pages must be at most 20"));
    assert!(refused(json!({"timeline": {"min_interval_ms": 10_001}})).contains("min_interval_ms must be at most"));
    assert!(refused(json!({"timeline": {"min_interval_ms": -1}})).contains("timeline.min_interval_ms must be"));
    let settings = Settings::default().timeline;
    assert_eq!((settings.min_interval_ms, settings.window_pages), (33, 3));
}
