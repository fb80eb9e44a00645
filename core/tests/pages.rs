//! Pages of a conversation as users ask for them.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use futures::TryStreamExt as _;
use support::cause_of;
use tertulia::{Conversation, Detail, ErrorKind, Message, MessageId, NewMessage, Page, Tertulia};

async fn opened() -> Tertulia {
    Tertulia::builder().store("memory:").model("echo/any").open().await.unwrap()
}

/// So many questions, each with an answer.
async fn talk(chat: &Conversation, turns: usize) -> Vec<MessageId> {
    let said = (0..turns).flat_map(|n| [NewMessage::user(format!("q{n}")), NewMessage::assistant(format!("a{n}"))]);
    chat.append(said).await.unwrap()
}

fn ids(page: &Page<Message>) -> Vec<MessageId> {
    page.items.iter().map(|message| message.id).collect()
}

fn invalid<T: std::fmt::Debug>(outcome: tertulia::Result<T>) -> String {
    let (kind, reason) = cause_of(outcome);
    assert_eq!(kind, ErrorKind::Invalid);
    reason
}

#[tokio::test]
async fn a_page_begins_around_a_message_or_at_a_position_and_leads_on_from_there() {
    let tertulia = opened().await;
    let chat = tertulia.user("ana").new_conversation();
    assert!(chat.history().position(7).await.unwrap().items.is_empty());
    let said = talk(&chat, 60).await;
    let here = chat.history().limit(5).around(&said[50]).await.unwrap();
    assert_eq!(ids(&here), said[48..53]);
    assert_eq!(ids(&chat.history().limit(3).before(here.before).await.unwrap()), said[45..48]);
    assert_eq!(ids(&chat.history().limit(3).after(here.after).await.unwrap()), said[53..56]);
    let start = chat.history().position(1).limit(2).await.unwrap();
    assert_eq!((ids(&start), start.reached_start), (said[..2].to_vec(), true));
    assert_eq!(ids(&chat.history().position(120).await.unwrap()), said[119..]);
    assert!(chat.history().position(121).await.unwrap().items.is_empty());
    assert!(chat.history().position(usize::MAX).await.unwrap().reached_end);
    let there = chat.at(said[9]).history().around(&said[9]).limit(3).await.unwrap();
    assert_eq!(ids(&there), said[7..10]);

    assert_eq!(invalid(chat.history().position(0).await), "bad_position");
    assert_eq!(invalid(chat.history().position(1).around(&said[0]).after(here.after).await), "bad_cursor");
    assert_eq!(invalid(chat.at(said[9]).history().around(&said[10]).await), "bad_cursor");
    let other = tertulia.user("ana").new_conversation();
    let foreign = talk(&other, 1).await[0];
    assert_eq!(invalid(chat.history().around(&foreign).await), "bad_cursor");
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn a_page_of_turns_holds_questions_with_their_answers() {
    let tertulia = opened().await;
    let chat = tertulia.user("ana").new_conversation();
    let said = talk(&chat, 30).await;
    let latest = chat.history().turns(3).await.unwrap();
    assert_eq!(ids(&latest), said[54..]);
    let before = chat.history().turns(2).before(latest.before).await.unwrap();
    assert_eq!(ids(&before), said[50..54]);
    assert_eq!(ids(&chat.history().turns(1).around(&said[21]).await.unwrap()), said[20..22]);
    assert_eq!(ids(&chat.history().turns(1).position(3).await.unwrap()), said[2..4]);
    for turns in [0, 201] {
        assert_eq!(invalid(chat.history().turns(turns).await), "bad_limit");
    }
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn a_page_says_less_of_each_message_when_less_is_asked_for() {
    let tertulia = opened().await;
    let chat = tertulia.user("ana").new_conversation();
    chat.send("word ".repeat(100)).await.unwrap();
    let full = chat.history().await.unwrap();
    let places = chat.history().detail(Detail::Ids).await.unwrap();
    assert_eq!(ids(&places), ids(&full));
    assert!(places.items.iter().all(|message| message.parts.is_empty() && message.model.is_none()));
    let previews = chat.history().detail(Detail::Previews).await.unwrap();
    assert_eq!(previews.items[0].text().chars().count(), 160);
    assert_eq!(previews.before, full.before);
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn an_unchanged_page_is_not_given_again() {
    let tertulia = opened().await;
    let chat = tertulia.user("ana").new_conversation();
    let empty = chat.history().await.unwrap();
    assert_eq!(chat.history().unchanged_since(empty.version).await.unwrap(), None);
    talk(&chat, 2).await;
    let page = chat.history().unchanged_since(empty.version).await.unwrap().unwrap();
    assert_eq!(page.items.len(), 4);
    assert_eq!(chat.history().limit(1).unchanged_since(page.version).await.unwrap(), None);
    talk(&chat, 1).await;
    let page = chat.history().limit(1).unchanged_since(page.version).await.unwrap();
    assert_eq!(page.unwrap().items[0].text(), "a0");
    assert_eq!(invalid(chat.history().limit(0).unchanged_since(1).await), "bad_limit");
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn opening_gives_the_row_and_the_newest_page() {
    let tertulia = opened().await;
    let chat = tertulia.user("ana").new_conversation();
    assert_eq!(cause_of(chat.open().await), (ErrorKind::NotFound, "not_found".to_owned()));
    let said = talk(&chat, 40).await;
    let (row, page) = chat.open().await.unwrap();
    assert_eq!(row, chat.summary().await.unwrap());
    assert_eq!(page, chat.history().await.unwrap());
    let (row, page) = chat.history().turns(1).with_summary().await.unwrap();
    assert_eq!((row.message_count, ids(&page)), (80, said[78..].to_vec()));
    let stolen = tertulia.user("bo").conversation(chat.id());
    assert_eq!(cause_of(stolen.open().await).0, ErrorKind::NotFound);
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn all_messages_come_one_after_the_other_whatever_happens_meanwhile() {
    let tertulia = opened().await;
    let chat = tertulia.user("ana").new_conversation();
    assert_eq!(chat.messages().next().await.unwrap(), None);
    assert_eq!(chat.messages().newest_first().next().await.unwrap(), None);
    let said = talk(&chat, 120).await;
    let mut messages = chat.messages();
    let mut backwards = chat.messages().newest_first().detail(Detail::Ids);
    let (mut read, mut read_backwards) = (Vec::new(), Vec::new());
    while let Some(message) = messages.next().await.unwrap() {
        if read.len() == 20 {
            // Another branch is shown, and it goes on.
            chat.fork(said[4]).await.unwrap();
            talk(&chat, 3).await;
        }
        read.push(message.id);
        read_backwards.extend(backwards.next().await.unwrap().map(|message| message.id));
    }
    assert_eq!(messages.next().await.unwrap(), None);
    assert_eq!(read, said);
    read_backwards.reverse();
    assert_eq!(read_backwards, said);

    let shown: Vec<Message> = chat.messages().into_stream().try_collect().await.unwrap();
    assert_eq!(shown.len(), 11);
    let there: Vec<Message> = chat.at(said[70]).messages().into_stream().try_collect().await.unwrap();
    assert_eq!(there.last().unwrap().id, said[70]);
    let mut batches = chat.at(said[70]).messages();
    assert_eq!(batches.next_batch(7).await.unwrap(), there[..7]);
    assert_eq!(batches.next_batch(1_000).await.unwrap(), there[7..50]);
    assert_eq!(cause_of(tertulia.user("bo").conversation(chat.id()).messages().next().await).0, ErrorKind::NotFound);
    tertulia.close().await.unwrap();
}
