//! Branches of a conversation: edited and regenerated messages, what is shown, what is deleted, what is copied.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests may panic and need no docs"
)]

mod support;

use std::sync::{Arc, Mutex};

use futures::stream;
use support::{cause_of, within};
use tertulia::{
    ChatRequest, Conversation, ConversationOptions, Error, ErrorKind, EventStream, Media, MediaSource, Message,
    MessageId, MessageStatus, NewMessage, Part, Provider, Reply, ReplyStatus, Result, Retry, Role, Settings,
    StreamEventKind, Tertulia, TurnState,
};
use tokio::sync::Notify;

/// A provider that numbers its answers, does as it is told, and notes what it is asked.
#[derive(Clone, Default)]
struct House {
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<Vec<String>>>>,
    /// Lets an answer that is held back go.
    go: Arc<Notify>,
}

/// The words of a message, with the sizes of its files.
fn words(message: &NewMessage) -> String {
    let bytes = message.parts.iter().filter_map(|part| match part {
        Part::File { media: Media { source: MediaSource::Data { data }, .. } } => {
            Some(format!("[{} bytes]", data.len()))
        }
        _ => None,
    });
    bytes.fold(message.text(), |words, file| words + &file)
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Mood {
    #[default]
    Up,
    Down,
    /// Says "half" and breaks off.
    BreaksOff,
    /// Waits before its first word until it may go.
    Held,
}

impl House {
    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// The words of every message of the last request, in order.
    fn last(&self) -> Vec<String> {
        self.asked.lock().unwrap().last().expect("nothing was asked").clone()
    }

    async fn was_asked(&self, times: usize) {
        within(async {
            while self.asked.lock().unwrap().len() < times {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

impl Provider for House {
    fn name(&self) -> &str {
        "house"
    }

    async fn stream(&self, request: ChatRequest) -> Result<EventStream> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(request.messages.iter().map(words).collect());
            asked.len()
        };
        let failed = || Error::new(ErrorKind::Unavailable, "told_to", "the test wants it").with_retry(Retry::Safe);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Up => {}
            Mood::Down => return Err(failed()),
            Mood::BreaksOff => {
                return Ok(EventStream::new(stream::iter([Ok(StreamEventKind::text("half")), Err(failed())])));
            }
            Mood::Held => self.go.notified().await,
        }
        Ok(EventStream::from(format!("answer {number}")))
    }
}

async fn engine(house: &House) -> Tertulia {
    let mut settings = Settings::default();
    settings.retry.max_attempts = 1;
    settings.outbox.first_delay_ms = 3_600_000;
    settings.outbox.max_delay_ms = 3_600_000;
    let builder = Tertulia::builder().store("memory:").model("house/any").with_provider(house.clone());
    builder.settings(settings).open().await.unwrap()
}

async fn texts(chat: &Conversation) -> Vec<String> {
    chat.history().limit(200).await.unwrap().items.iter().map(Message::text).collect()
}

async fn said(chat: &Conversation, text: &str) -> MessageId {
    chat.history().limit(200).await.unwrap().items.iter().find(|m| m.text() == text).unwrap().id
}

async fn place(chat: &Conversation, id: MessageId) -> (i32, i32) {
    let siblings = chat.siblings(id).await.unwrap();
    let message = siblings.items.iter().find(|m| m.id == id).unwrap();
    assert_eq!(usize::try_from(message.sibling_count).unwrap(), siblings.items.len());
    (message.sibling_index, message.sibling_count)
}

/// A chat of two turns, its engine and its provider.
async fn two_turns() -> (Tertulia, House, Conversation) {
    let house = House::default();
    let t = engine(&house).await;
    let chat = t.user("ana").new_conversation();
    chat.send("one").await.unwrap();
    chat.send("two").await.unwrap();
    assert_eq!(texts(&chat).await, ["one", "answer 1", "two", "answer 2"]);
    (t, house, chat)
}

#[tokio::test]
async fn an_edited_message_stands_beside_the_old_one_and_is_answered() {
    let (t, house, chat) = two_turns().await;
    let two = said(&chat, "two").await;
    let reply = chat.edit(two, "two, anew").await.unwrap().reply().await.unwrap();
    assert_eq!(reply.text(), "answer 3");
    assert_eq!(house.last(), ["one", "answer 1", "two, anew"]);
    assert_eq!(texts(&chat).await, ["one", "answer 1", "two, anew", "answer 3"]);
    let anew = said(&chat, "two, anew").await;
    assert_eq!((place(&chat, two).await, place(&chat, anew).await), ((0, 2), (1, 2)));
    // The very first one, too.
    let one = said(&chat, "one").await;
    chat.edit(one, "one, anew").await.unwrap().reply().await.unwrap();
    assert_eq!(house.last(), ["one, anew"]);
    assert_eq!(texts(&chat).await, ["one, anew", "answer 4"]);
    // Nothing is lost, and everything is where it was left.
    let head = chat.switch_to(one).await.unwrap();
    assert_eq!(texts(&chat).await, ["one", "answer 1", "two, anew", "answer 3"]);
    assert_eq!(chat.summary().await.unwrap().head_id, Some(head));
    chat.switch_to(two).await.unwrap();
    assert_eq!(texts(&chat).await, ["one", "answer 1", "two", "answer 2"]);
    // And goes on from there.
    chat.send("three").await.unwrap();
    assert_eq!(house.last(), ["one", "answer 1", "two", "answer 2", "three"]);
    let words = said(&chat, "answer 1").await;
    assert_eq!(cause_of(chat.edit(words, "x").await), (ErrorKind::Invalid, "not_editable".to_owned()));
    assert_eq!(cause_of(chat.edit(two, "").await), (ErrorKind::Invalid, "empty_message".to_owned()));
    t.close().await.unwrap();
}

#[tokio::test]
async fn another_answer_stands_beside_the_first_and_belongs_to_the_same_turn() {
    let (t, house, chat) = two_turns().await;
    let (two, first) = (said(&chat, "two").await, said(&chat, "answer 2").await);
    let mut stream = chat.regenerate(first).await.unwrap();
    let mut words = String::new();
    while let Some(text) = stream.next_text().await.unwrap() {
        words.push_str(&text);
    }
    assert_eq!(words, "answer 3");
    assert_eq!(house.last(), ["one", "answer 1", "two"]);
    assert_eq!(texts(&chat).await, ["one", "answer 1", "two", "answer 3"]);
    let second = said(&chat, "answer 3").await;
    assert_eq!((place(&chat, first).await, place(&chat, second).await), ((0, 2), (1, 2)));
    let page = chat.history().await.unwrap();
    assert_eq!(page.items[2].turn_id, page.items[3].turn_id);
    let turn = chat.turn(page.items[3].turn_id.unwrap()).await.unwrap();
    assert_eq!((turn.state, turn.reply_id), (TurnState::Done, Some(second)));
    // By the question as well, and in the middle of a conversation.
    chat.send("three").await.unwrap();
    assert_eq!(house.last(), ["one", "answer 1", "two", "answer 3", "three"]);
    chat.regenerate(two).await.unwrap().reply().await.unwrap();
    assert_eq!(house.last(), ["one", "answer 1", "two"]);
    assert_eq!(texts(&chat).await, ["one", "answer 1", "two", "answer 5"]);
    chat.switch_to(second).await.unwrap();
    assert_eq!(texts(&chat).await, ["one", "answer 1", "two", "answer 3", "three", "answer 4"]);
    chat.switch_to(first).await.unwrap();
    assert_eq!(texts(&chat).await, ["one", "answer 1", "two", "answer 2"]);
    // On a branch that is not shown it is shown from then on.
    chat.regenerate(second).model("house/other").await.unwrap().reply().await.unwrap();
    assert_eq!(texts(&chat).await, ["one", "answer 1", "two", "answer 6"]);
    assert_eq!(place(&chat, first).await, (0, 4));
    t.close().await.unwrap();
}

#[tokio::test]
async fn what_was_appended_is_answered_like_anything_else() {
    let house = House::default();
    let t = engine(&house).await;
    let chat = t.user("ana").new_conversation();
    let imported = [NewMessage::user("q"), NewMessage::assistant("a"), NewMessage::assistant("b")];
    let ids = chat.append(imported).await.unwrap();
    chat.regenerate(ids[1]).await.unwrap().reply().await.unwrap();
    assert_eq!((house.last(), texts(&chat).await), (vec!["q".to_owned()], vec!["q".to_owned(), "answer 1".to_owned()]));
    chat.send("on").await.unwrap();
    assert_eq!(house.last(), ["q", "answer 1", "on"]);
    assert_eq!(cause_of(chat.regenerate(ids[2]).await), (ErrorKind::Invalid, "no_question".to_owned()));
    let other = t.user("ana").new_conversation();
    let begins = other.append([NewMessage::assistant("hello")]).await.unwrap();
    assert_eq!(cause_of(other.regenerate(begins[0]).await), (ErrorKind::Invalid, "no_question".to_owned()));
    t.close().await.unwrap();
}

#[tokio::test]
async fn an_answer_that_fails_before_its_first_word_leaves_everything_as_it_was() {
    let (t, house, chat) = two_turns().await;
    let first = said(&chat, "answer 2").await;
    let turn = chat.history().await.unwrap().items[3].turn_id.unwrap();
    let before = chat.turn(turn).await.unwrap();
    house.set(Mood::Down);
    let failed = chat.regenerate(first).await.unwrap().reply().await;
    assert_eq!(cause_of(failed), (ErrorKind::Unavailable, "told_to".to_owned()));
    // It is not put into the outbox either.
    let reply = chat.regenerate(first).degrade().await.unwrap().reply().await.unwrap();
    assert_eq!(reply.status, ReplyStatus::Parked);
    assert_eq!(t.user("ana").outbox().list().await.unwrap(), []);
    let after = chat.turn(turn).await.unwrap();
    assert_eq!((after.state, after.reply_id, after.error), (TurnState::Done, before.reply_id, None));
    assert_eq!(texts(&chat).await, ["one", "answer 1", "two", "answer 2"]);
    assert_eq!(place(&chat, first).await, (0, 1));
    // What had arrived is kept beside the whole one.
    house.set(Mood::BreaksOff);
    assert_eq!(cause_of(chat.regenerate(first).await.unwrap().reply().await).0, ErrorKind::Truncated);
    assert_eq!(texts(&chat).await, ["one", "answer 1", "two", "half"]);
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Interrupted);
    house.set(Mood::Up);
    chat.retry(turn).await.unwrap().reply().await.unwrap();
    assert_eq!(place(&chat, first).await, (0, 3));
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_stopped_answer_without_a_word_leaves_everything_as_it_was() {
    let (t, house, chat) = two_turns().await;
    let first = said(&chat, "answer 2").await;
    house.set(Mood::Held);
    let stream = chat.regenerate(first).await.unwrap();
    house.was_asked(3).await;
    stream.cancel();
    drop(stream.reply().await);
    let turn = chat.history().await.unwrap().items[3].turn_id.unwrap();
    within(async {
        while chat.turn(turn).await.unwrap().state != TurnState::Done {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(chat.turn(turn).await.unwrap().reply_id, Some(first));
    assert_eq!(texts(&chat).await, ["one", "answer 1", "two", "answer 2"]);
    t.close().await.unwrap();
}

#[tokio::test]
async fn an_older_turn_is_asked_for_again_on_a_branch_of_its_own() {
    let house = House::default();
    let t = engine(&house).await;
    let chat = t.user("ana").new_conversation();
    house.set(Mood::BreaksOff);
    let old = chat.send("one").await.unwrap_err().turn_id().unwrap();
    house.set(Mood::Up);
    chat.send("two").await.unwrap();
    assert_eq!(texts(&chat).await, ["one", "half", "two", "answer 2"]);
    chat.retry(old).await.unwrap().reply().await.unwrap();
    assert_eq!(house.last(), ["one"]);
    assert_eq!(texts(&chat).await, ["one", "answer 3"]);
    let half = chat.siblings(said(&chat, "answer 3").await).await.unwrap().items[0].id;
    chat.switch_to(half).await.unwrap();
    assert_eq!(texts(&chat).await, ["one", "half", "two", "answer 2"]);
    assert_eq!(cause_of(chat.retry(old).await), (ErrorKind::Conflict, "already_answered".to_owned()));
    t.close().await.unwrap();
}

#[tokio::test]
async fn an_answer_does_not_bring_back_a_branch_that_was_left_meanwhile() {
    let (t, house, chat) = two_turns().await;
    let one = said(&chat, "one").await;
    chat.edit(one, "elsewhere").await.unwrap().reply().await.unwrap();
    let elsewhere = texts(&chat).await;
    chat.switch_to(one).await.unwrap();
    house.set(Mood::Held);
    let stream = chat.stream("three").await.unwrap();
    house.was_asked(4).await;
    // At once, though the answer is not there yet.
    within(chat.switch_to(said(&chat.at(one), "one").await)).await.unwrap();
    let away = chat.siblings(one).await.unwrap().items[1].id;
    within(chat.switch_to(away)).await.unwrap();
    assert_eq!(texts(&chat).await, elsewhere);
    house.go.notify_one();
    assert_eq!(stream.reply().await.unwrap().text(), "answer 4");
    assert_eq!(texts(&chat).await, elsewhere);
    chat.switch_to(one).await.unwrap();
    assert_eq!(texts(&chat).await, ["one", "answer 1", "two", "answer 2", "three", "answer 4"]);
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_message_that_was_said_before_a_switch_goes_where_it_was_meant_to_go() {
    let (t, house, chat) = two_turns().await;
    let one = said(&chat, "one").await;
    chat.edit(one, "elsewhere").await.unwrap().reply().await.unwrap();
    chat.switch_to(one).await.unwrap();
    house.set(Mood::Held);
    let running = chat.stream("three").await.unwrap();
    let mut waiting = chat.send("four").into_future();
    assert!(futures::poll!(&mut waiting).is_pending());
    let away = chat.siblings(one).await.unwrap().items[1].id;
    let switching = async {
        let head = chat.switch_to(away).await;
        (head, texts(&chat).await)
    };
    let going = async {
        house.was_asked(4).await;
        house.go.notify_one();
        house.was_asked(5).await;
        house.go.notify_one();
    };
    let (three, four, (switched, shown), ()) =
        within(async { tokio::join!(running.reply(), waiting, switching, going) }).await;
    three.unwrap();
    four.unwrap();
    switched.unwrap();
    assert_eq!(shown, ["elsewhere", "answer 3"]);
    chat.switch_to(one).await.unwrap();
    assert_eq!(texts(&chat).await[4..], ["three", "answer 4", "four", "answer 5"]);
    t.close().await.unwrap();
}

#[tokio::test]
async fn who_saw_another_head_is_told_which_one_it_is() {
    let (t, _, chat) = two_turns().await;
    let (one, head) = (said(&chat, "one").await, said(&chat, "answer 2").await);
    let refused = chat.send("stale").expected_head(one).await.unwrap_err();
    assert_eq!((refused.kind(), refused.reason()), (ErrorKind::Conflict, "head_moved"));
    assert!(refused.detail().contains(&head.to_string()), "{refused}");
    assert_eq!(texts(&chat).await.len(), 4, "nothing was stored");
    chat.send("three").expected_head(head).await.unwrap();
    let refused = chat.regenerate(head).expected_head(head).await;
    assert_eq!(cause_of(refused), (ErrorKind::Conflict, "head_moved".to_owned()));
    let (left, right) = tokio::join!(
        chat.send("left").expected_head(said(&chat, "answer 3").await),
        chat.send("right").expected_head(said(&chat, "answer 3").await)
    );
    assert!(left.is_ok() != right.is_ok(), "one of two was faster");
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_conversation_is_seen_and_gone_on_with_from_any_message() {
    let (t, house, chat) = two_turns().await;
    let answer = said(&chat, "answer 1").await;
    let there = chat.at(answer);
    assert_eq!(texts(&there).await, ["one", "answer 1"]);
    assert_eq!(texts(&chat).await.len(), 4, "looking changes nothing");
    let page = there.history().limit(1).await.unwrap();
    assert!(page.reached_end && !page.reached_start);
    assert_eq!(there.history().limit(1).before(page.before).await.unwrap().items[0].text(), "one");
    for (text, number) in [("other", 3), ("another", 4)] {
        there.send(text).await.unwrap();
        assert_eq!(house.last(), ["one", "answer 1", text]);
        assert_eq!(texts(&chat).await, ["one", "answer 1", text, &format!("answer {number}")]);
    }
    let ids = there.append([NewMessage::user("x"), NewMessage::assistant("y")]).await.unwrap();
    assert_eq!(texts(&chat).await, ["one", "answer 1", "x", "y"]);
    assert_eq!(place(&chat, ids[0]).await, (3, 4));
    let branches = chat.branches().await.unwrap();
    let ends: Vec<_> = branches.items.iter().map(|b| b.last_preview.clone().unwrap()).collect();
    assert_eq!(ends, ["y", "answer 4", "answer 3", "answer 2"]);
    assert_eq!(branches.items.iter().map(|b| b.is_current).collect::<Vec<_>>(), [true, false, false, false]);
    let first = chat.branches().limit(3).await.unwrap();
    let rest = chat.branches().limit(3).before(first.before).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.reached_start), (3, 1, true));
    let cursor = first.before;
    assert_eq!(cause_of(chat.history().before(cursor).await), (ErrorKind::Invalid, "bad_cursor".to_owned()));
    assert_eq!(cause_of(chat.branches().limit(0).await), (ErrorKind::Invalid, "bad_limit".to_owned()));
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_fork_begins_a_branch_and_copies_nothing() {
    let (t, house, chat) = two_turns().await;
    let (answer, last) = (said(&chat, "answer 1").await, said(&chat, "answer 2").await);
    chat.fork(answer).await.unwrap();
    assert_eq!(texts(&chat).await, ["one", "answer 1"]);
    assert_eq!(chat.summary().await.unwrap().message_count, 4);
    chat.send("instead").await.unwrap();
    assert_eq!(house.last(), ["one", "answer 1", "instead"]);
    assert_eq!(chat.switch_to(last).await.unwrap(), last);
    assert_eq!(texts(&chat).await, ["one", "answer 1", "two", "answer 2"]);
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_copy_is_a_conversation_of_its_own() {
    let house = House::default();
    let t = engine(&house).await;
    let me = t.user("ana");
    let options = ConversationOptions {
        title: Some("Trip".to_owned()),
        system: Some("Be brief.".to_owned()),
        ..ConversationOptions::default()
    };
    let chat = me.new_conversation_with(options);
    let file = Media { name: Some("a.txt".to_owned()), ..Media::data(b"bytes".to_vec(), "text/plain") };
    chat.append([NewMessage::new(Role::User, [Part::text("see"), Part::File { media: file }])]).await.unwrap();
    let many: Vec<_> = (0..230).map(|n| NewMessage::user(n.to_string())).collect();
    let ids = chat.append(many).await.unwrap();
    chat.send("not copied").await.unwrap();
    let copy = chat.duplicate(ids[220]).await.unwrap();
    let all = async |chat: &Conversation| {
        let mut messages = Vec::new();
        let mut before = None;
        loop {
            let page = chat.history().limit(200).before(before).await.unwrap();
            messages.splice(0..0, page.items);
            before = page.before;
            if page.reached_start {
                return messages;
            }
        }
    };
    let (original, copied) = (all(&chat).await, all(&copy).await);
    assert_eq!(copied.len(), 222);
    for (old, new) in original.iter().zip(&copied) {
        assert_eq!((old.text(), old.role, old.created_at), (new.text(), new.role, new.created_at));
        assert_ne!(old.id, new.id);
    }
    let summary = copy.summary().await.unwrap();
    assert_eq!((summary.title.as_deref(), summary.system.as_deref()), (Some("Trip"), Some("Be brief.")));
    assert_eq!((summary.message_count, summary.cost_nano_usd, summary.output_tokens), (222, 0, 0));
    // The files are its own.
    chat.delete().await.unwrap();
    copy.send("read it").await.unwrap();
    assert_eq!(house.last()[0], "see[5 bytes]");
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_deleted_message_keeps_its_place_and_no_model_is_shown_it() {
    let (t, house, chat) = two_turns().await;
    chat.send("three").await.unwrap();
    let (one, answer) = (said(&chat, "one").await, said(&chat, "answer 1").await);
    chat.delete_message(answer).await.unwrap();
    chat.delete_message(one).await.unwrap();
    let page = chat.history().limit(6).await.unwrap();
    assert_eq!(page.items.len(), 6, "a page is full whatever was deleted");
    assert_eq!((page.items[0].status, page.items[0].parts.len()), (MessageStatus::Deleted, 0));
    chat.send("four").await.unwrap();
    assert_eq!(house.last(), ["two", "answer 2", "three", "answer 3", "four"]);
    let turn = page.items[0].turn_id.unwrap();
    assert_eq!(cause_of(chat.regenerate(one).await), (ErrorKind::Invalid, "deleted".to_owned()));
    assert_eq!(cause_of(chat.regenerate(answer).await), (ErrorKind::Invalid, "deleted".to_owned()));
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Done);
    chat.delete_message(one).await.unwrap();
    // What is being answered is stopped first.
    house.set(Mood::Held);
    let stream = chat.stream("five").await.unwrap();
    house.was_asked(5).await;
    let five = said(&chat, "five").await;
    assert_eq!(cause_of(chat.delete_message(five).await), (ErrorKind::Conflict, "turn_open".to_owned()));
    house.go.notify_one();
    stream.reply().await.unwrap();
    chat.delete_message(five).await.unwrap();
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_subtree_goes_with_everything_in_it() {
    let (t, house, chat) = two_turns().await;
    let (two, first) = (said(&chat, "two").await, said(&chat, "answer 2").await);
    let turn = chat.history().await.unwrap().items[2].turn_id.unwrap();
    chat.regenerate(first).await.unwrap().reply().await.unwrap();
    chat.append((0..1_200).map(|n| NewMessage::user(n.to_string()))).await.unwrap();
    chat.delete_message(two).subtree().await.unwrap();
    assert_eq!(texts(&chat).await, ["one", "answer 1"]);
    let summary = chat.summary().await.unwrap();
    assert_eq!((summary.message_count, summary.last_preview.as_deref()), (2, Some("answer 1")));
    assert_eq!(cause_of(chat.switch_to(first).await).0, ErrorKind::NotFound);
    assert_eq!(cause_of(chat.turn(turn).await).0, ErrorKind::NotFound);
    assert_eq!(cause_of(chat.retry(turn).await).0, ErrorKind::NotFound);
    chat.send("two, anew").await.unwrap();
    assert_eq!(house.last(), ["one", "answer 1", "two, anew"]);
    t.close().await.unwrap();
}

/// A message that waits in the outbox.
async fn waiting(house: &House, chat: &Conversation, text: &str) -> Reply {
    house.set(Mood::Down);
    let reply = chat.send(text).degrade().await.unwrap();
    assert_eq!(reply.status, ReplyStatus::Waiting);
    reply
}

#[tokio::test]
async fn an_edited_or_deleted_message_that_waits_is_taken_out_of_the_outbox() {
    let (t, house, chat) = two_turns().await;
    let me = t.user("ana");
    let reply = waiting(&house, &chat, "three").await;
    let three = said(&chat, "three").await;
    assert_eq!(cause_of(chat.regenerate(three).await), (ErrorKind::Conflict, "waits".to_owned()));
    house.set(Mood::Up);
    let asked = house.asked.lock().unwrap().len();
    chat.edit(three, "three, anew").await.unwrap().reply().await.unwrap();
    assert_eq!(house.asked.lock().unwrap().len(), asked + 1, "the old one was not sent");
    assert_eq!(house.last(), ["one", "answer 1", "two", "answer 2", "three, anew"]);
    assert_eq!(me.outbox().list().await.unwrap(), []);
    assert_eq!(chat.turn(reply.turn_id.unwrap()).await.unwrap().state, TurnState::Cancelled);
    let old = chat.siblings(three).await.unwrap().items[0].clone();
    assert_eq!((old.status, old.text().as_str()), (MessageStatus::Cancelled, "three"));

    let reply = waiting(&house, &chat, "four").await;
    chat.delete_message(said(&chat, "four").await).await.unwrap();
    assert_eq!(me.outbox().list().await.unwrap(), []);
    assert_eq!(chat.turn(reply.turn_id.unwrap()).await.unwrap().state, TurnState::Cancelled);
    let reply = waiting(&house, &chat, "five").await;
    chat.delete_message(said(&chat, "five").await).subtree().await.unwrap();
    assert_eq!(me.outbox().list().await.unwrap(), []);
    assert_eq!(cause_of(chat.turn(reply.turn_id.unwrap()).await).0, ErrorKind::NotFound);
    t.close().await.unwrap();
}

#[tokio::test]
async fn what_waits_is_sent_on_its_own_branch_before_what_was_said_later_on_another() {
    let (t, house, chat) = two_turns().await;
    waiting(&house, &chat, "three").await;
    let one = said(&chat, "one").await;
    house.set(Mood::Up);
    chat.edit(one, "one, anew").await.unwrap().reply().await.unwrap();
    let asked = house.asked.lock().unwrap().clone();
    assert_eq!(asked[asked.len() - 2], ["one", "answer 1", "two", "answer 2", "three"]);
    assert_eq!(asked[asked.len() - 1], ["one, anew"]);
    assert_eq!(texts(&chat).await[0], "one, anew");
    chat.switch_to(one).await.unwrap();
    assert_eq!(texts(&chat).await[4], "three");
    assert_eq!(texts(&chat).await.len(), 6);
    t.close().await.unwrap();
}

#[tokio::test]
async fn guessed_ids_of_another_users_messages_are_not_found() {
    let (t, _, chat) = two_turns().await;
    let before = (texts(&chat).await, chat.summary().await.unwrap());
    let (message, answer) = (said(&chat, "two").await, said(&chat, "answer 2").await);
    let bo = t.user("bo");
    let own = bo.new_conversation();
    own.send("mine").await.unwrap();
    // In the other's conversation, and in one of his own.
    for there in [bo.conversation(chat.id()), own.clone()] {
        for id in [message, answer] {
            let not_found = |cause: (ErrorKind, String)| assert_eq!(cause.0, ErrorKind::NotFound, "{cause:?}");
            not_found(cause_of(there.edit(id, "x").await));
            not_found(cause_of(there.regenerate(id).await));
            not_found(cause_of(there.siblings(id).await));
            not_found(cause_of(there.switch_to(id).await));
            not_found(cause_of(there.fork(id).await));
            not_found(cause_of(there.duplicate(id).await));
            not_found(cause_of(there.delete_message(id).await));
            not_found(cause_of(there.delete_message(id).subtree().await));
            not_found(cause_of(there.at(id).history().await));
            not_found(cause_of(there.at(id).send("x").await));
            not_found(cause_of(there.at(id).append([NewMessage::user("x")]).await));
        }
    }
    assert_eq!(cause_of(bo.conversation(chat.id()).branches().await).0, ErrorKind::NotFound);
    assert_eq!(texts(&own).await.len(), 2);
    assert_eq!((texts(&chat).await, chat.summary().await.unwrap()), before);
    assert_eq!(bo.list_conversations().await.unwrap().items.len(), 1);
    t.close().await.unwrap();
}
