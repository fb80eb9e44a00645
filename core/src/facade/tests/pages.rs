//! What is read of a conversation, and what stands beside what is shown.

use std::time::Duration;

use super::*;

fn said(role: Role, text: &str) -> NewMessage {
    NewMessage { role, parts: say(text), metadata: HashMap::new() }
}

/// A conversation with a turn for each of these questions, and the ids of its messages.
async fn asked(questions: &[&str]) -> (Simulator, Arc<Tertulia>, Arc<Conversation>, Vec<String>) {
    let (simulator, tertulia, chat) = open("text=Yes").await;
    let messages = questions.iter().flat_map(|text| [said(Role::User, text), said(Role::Assistant, "Yes")]);
    let ids = chat.append(messages.collect(), None).await.unwrap();
    (simulator, tertulia, chat, ids)
}

fn ids(page: &MessagePage) -> Vec<String> {
    page.items.iter().map(|message| message.id.clone()).collect()
}

fn texts(page: &MessagePage) -> Vec<String> {
    page.items.iter().map(|message| words(&message.parts)).collect()
}

async fn shown(chat: &Conversation) -> Vec<String> {
    texts(&chat.history(None, 50, None, None, None).await.unwrap())
}

#[tokio::test]
async fn a_page_begins_where_its_anchor_says_and_holds_what_it_is_asked_for() {
    let (_simulator, _tertulia, chat, all) = asked(&["a", "b", "c"]).await;
    let page = |anchor, limit| chat.history(Some(anchor), limit, None, None, None);
    let around = page(HistoryAnchor::Around { message_id: all[2].clone() }, 3).await.unwrap();
    assert_eq!(ids(&around), all[1..4]);
    let from = page(HistoryAnchor::Position { position: 5 }, 50).await.unwrap();
    assert_eq!((ids(&from), from.reached_end), (all[4..].to_vec(), true));
    let older = page(HistoryAnchor::Before { cursor: around.before.unwrap() }, 50).await.unwrap();
    assert_eq!((ids(&older), older.reached_start), (all[..1].to_vec(), true));
    let turns = chat.history(None, 50, Some(2), None, None).await.unwrap();
    assert_eq!(ids(&turns), all[2..]);
    let bare = chat.history(None, 1, None, Some(Detail::Ids), None).await.unwrap();
    assert_eq!((ids(&bare), texts(&bare)), (all[5..].to_vec(), vec![String::new()]));
    for (anchor, why) in [
        (HistoryAnchor::Around { message_id: "no-id".to_owned() }, "invalid bad_id"),
        (HistoryAnchor::Position { position: 0 }, "invalid bad_position"),
        (HistoryAnchor::Position { position: -1 }, "invalid bad_position"),
        (HistoryAnchor::After { cursor: "no cursor".to_owned() }, "invalid bad_cursor"),
    ] {
        assert_eq!(reason(page(anchor.clone(), 50).await), why, "{anchor:?}");
    }
    assert_eq!(reason(chat.history(None, 50, Some(0), None, None).await), "invalid bad_limit");
}

#[tokio::test]
async fn a_page_is_read_again_only_when_something_has_changed() {
    let (_simulator, tertulia, chat, _) = asked(&["a"]).await;
    let user = tertulia.user(None, HashMap::new());
    let page = chat.history(None, 50, None, None, None).await.unwrap();
    let list = user.list_conversations(50, None, None, false, None, None, None).await.unwrap();
    let again = async |version| chat.history_if_changed(version, None, 50, None, None, None).await.unwrap();
    let listed_again = async |version| {
        user.list_conversations_if_changed(version, 50, None, None, false, None, None, None).await.unwrap()
    };
    assert_eq!((again(page.version).await, listed_again(list.version).await), (None, None));
    chat.append(vec![said(Role::User, "b")], None).await.unwrap();
    assert_eq!(texts(&again(page.version).await.unwrap()), ["a", "Yes", "b"]);
    assert_eq!(listed_again(list.version).await.unwrap().items[0].message_count, 3);
}

#[tokio::test]
async fn a_screen_opens_with_the_row_and_the_page_of_one_moment() {
    let (_simulator, tertulia, chat, all) = asked(&["a", "b"]).await;
    let opening = chat.open(1, None, Some(Detail::Previews), None).await.unwrap();
    assert_eq!((opening.summary.id, opening.summary.message_count), (chat.id(), 4));
    assert_eq!((opening.summary.head_id.as_ref(), ids(&opening.page)), (Some(&all[3]), all[3..].to_vec()));
    let unsaid = tertulia.user(None, HashMap::new()).conversation_for("nothing yet".to_owned());
    assert_eq!(reason(unsaid.open(50, None, None, None).await), "not_found not_found");
}

#[tokio::test]
async fn all_messages_come_one_after_the_other_from_either_end() {
    let questions: Vec<String> = (0..60).map(|number| number.to_string()).collect();
    let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
    let (_simulator, _tertulia, chat, mut all) = asked(&questions).await;
    for newest_first in [false, true] {
        let messages = chat.messages(newest_first, None);
        let mut found = Vec::new();
        loop {
            let batch = messages.next_batch(7, None).await.unwrap();
            assert!(batch.len() <= 7, "{}", batch.len());
            found.extend(batch.iter().map(|message| message.id.clone()));
            if batch.is_empty() {
                break;
            }
        }
        assert_eq!(found, all, "newest first: {newest_first}");
        assert!(messages.next_batch(7, None).await.unwrap().is_empty());
        all.reverse();
    }
    let stopped = CancelToken::new();
    stopped.cancel();
    let messages = chat.messages(false, Some(Detail::Ids));
    assert_eq!(reason(messages.next_batch(0, Some(stopped)).await), "cancelled cancelled");
    let first = messages.next_batch(0, None).await.unwrap();
    assert_eq!((first.len(), &first[0].id), (1, &all[0]), "a wait that was stopped lost a message");
}

#[tokio::test]
async fn other_words_and_other_answers_stand_beside_the_first_ones() {
    let (_simulator, _tertulia, chat, all) = asked(&["a", "b"]).await;
    let again = CallOptions { model: Some("lab/sim:text=No".into()), ..CallOptions::default() };
    let edited = chat.edit(all[2].clone(), say("B"), again.clone(), None).await.unwrap();
    assert_eq!(words(&edited.reply(None).await.unwrap().parts), "No");
    assert_eq!(shown(&chat).await, ["a", "Yes", "B", "No"]);
    let beside = chat.siblings(all[2].clone(), 50, None, None, None).await.unwrap();
    assert_eq!((texts(&beside), beside.items[1].sibling_index), (vec!["b".to_owned(), "B".to_owned()], 1));
    let first = chat.siblings(all[2].clone(), 1, None, None, None).await.unwrap();
    let second = chat.siblings(all[2].clone(), 1, None, first.after.clone(), None).await.unwrap();
    assert_eq!((texts(&first), texts(&second)), (vec!["b".to_owned()], vec!["B".to_owned()]));

    let branches = chat.branches(50, None, None, None).await.unwrap();
    let of: Vec<_> = branches.items.iter().map(|b| (b.is_current, b.depth, b.last_preview.as_deref())).collect();
    assert_eq!(of, [(true, 4, Some("No")), (false, 4, Some("Yes"))]);
    assert_eq!(branches.items[1].last_role, Role::Assistant);
    assert_eq!(chat.switch_to(all[2].clone(), None).await.unwrap(), all[3]);
    assert_eq!(shown(&chat).await, ["a", "Yes", "b", "Yes"]);

    let other = chat.send(say("c"), again.clone(), None).await.unwrap().message_id.unwrap();
    let answer = chat.regenerate(other, CallOptions { model: Some("lab/sim:text=Well".into()), ..again }, None).await;
    assert_eq!(words(&answer.unwrap().reply(None).await.unwrap().parts), "Well");
    assert_eq!(shown(&chat).await, ["a", "Yes", "b", "Yes", "c", "Well"]);
}

#[tokio::test]
async fn a_branch_begins_at_a_message_and_a_copy_stands_alone() {
    let (_simulator, _tertulia, chat, all) = asked(&["a", "b"]).await;
    let then = chat.at(all[1].clone()).unwrap();
    assert_eq!(shown(&then).await, ["a", "Yes"]);
    let copy = chat.duplicate(all[2].clone(), None).await.unwrap();
    assert_ne!(copy.id(), chat.id());
    chat.fork(all[1].clone(), None).await.unwrap();
    assert_eq!(shown(&chat).await, ["a", "Yes"]);
    then.append(vec![said(Role::User, "else")], None).await.unwrap();
    assert_eq!(shown(&chat).await, ["a", "Yes", "else"]);
    assert_eq!(shown(&copy).await, ["a", "Yes", "b"]);

    chat.delete_message(all[0].clone(), false, None).await.unwrap();
    let page = chat.history(None, 50, None, None, None).await.unwrap();
    assert_eq!((page.items[0].status, page.items.len()), (MessageStatus::Deleted, 3));
    chat.delete_message(all[1].clone(), true, None).await.unwrap();
    assert_eq!(ids(&chat.history(None, 50, None, None, None).await.unwrap()), all[..1]);
    assert_eq!(shown(&copy).await, ["a", "Yes", "b"]);
}

#[tokio::test]
async fn a_conversation_is_changed_field_by_field_and_found_by_them() {
    let (_simulator, tertulia, _chat, _) = asked(&["a"]).await;
    let user = tertulia.user(Some("ana".to_owned()), HashMap::new());
    let own = user.new_conversation(None, Some("Be brief.".into()), None, HashMap::new(), vec!["trip".into()], None);
    own.append(vec![said(Role::User, "Where to?"), said(Role::Assistant, "To Cádiz.")], None).await.unwrap();
    let change = ConversationChange {
        title: Some(TextChange::Set { text: "South".to_owned() }),
        system: Some(TextChange::Clear),
        pinned: Some(true),
        expiry: Some(Expiry::In { ms: 60_000 }),
        ..ConversationChange::default()
    };
    own.update(change, None).await.unwrap();
    let row = own.summary(None).await.unwrap();
    assert_eq!((row.title.as_deref(), row.system, row.pinned), (Some("South"), None, true));
    assert!(row.expires_at.is_some_and(|at| at >= row.created_at + Duration::from_secs(60)), "{:?}", row.expires_at);
    let never = ConversationChange { expiry: Some(Expiry::Never), ..ConversationChange::default() };
    own.update(never, None).await.unwrap();
    assert_eq!(own.summary(None).await.unwrap().expires_at, None);
    for ms in [0, -1] {
        let expiry = Some(Expiry::In { ms });
        let refused = own.update(ConversationChange { expiry, ..ConversationChange::default() }, None).await;
        assert_eq!(reason(refused), "invalid bad_expiry", "{ms}");
    }

    let list = async |pinned, tag: Option<&str>, archived| {
        let page = user.list_conversations(50, None, None, archived, pinned, tag.map(str::to_owned), None).await;
        page.unwrap().items.len()
    };
    assert_eq!((list(Some(true), Some("trip"), false).await, list(Some(false), None, false).await), (1, 0));
    assert_eq!((list(None, Some("work"), false).await, list(None, None, true).await), (0, 0));
    let found = user.search("cadiz".to_owned(), Some(SearchSort::Relevance), 50, None, None).await.unwrap();
    let snippet: String =
        found.items[0].snippet.iter().filter(|span| span.hit).map(|span| span.text.as_str()).collect();
    assert_eq!((snippet.as_str(), &found.items[0].conversation_id), ("Cádiz", &own.id()));
    assert!(found.items[0].on_current_branch);
    assert!(own.search("nothing".to_owned(), None, 50, None, None).await.unwrap().items.is_empty());
    assert_eq!(reason(own.search("a".to_owned(), None, 0, None, None).await), "invalid bad_limit");
    assert_eq!(reason(own.search("a".to_owned(), None, 1, Some("x".into()), None).await), "invalid bad_cursor");

    own.delete(None).await.unwrap();
    assert_eq!(reason(own.summary(None).await), "not_found not_found");
    let brief = user.new_conversation(None, None, None, HashMap::new(), Vec::new(), Some(0));
    assert_eq!(reason(brief.append(vec![said(Role::User, "Hi")], None).await), "invalid bad_expiry");
}

#[tokio::test]
async fn what_a_model_would_be_shown_and_where_a_turn_stands_can_be_asked() {
    let (_simulator, _tertulia, chat, _) = asked(&["a", "b", "c"]).await;
    let whole = chat.context(CallOptions::default(), None).await.unwrap();
    assert_eq!((whole.messages, whole.turns, whole.is_whole, whole.summary), (6, 3, true, None));
    let context = Some(ContextOptions { turns: Some(1), tokens: None, summary: None });
    let cut = chat.context(CallOptions { context, ..CallOptions::default() }, None).await.unwrap();
    assert!((cut.turns, cut.is_whole) == (1, false) && cut.tokens < whole.tokens, "{cut:?}");

    let reply = chat.send(say("d"), CallOptions::default(), None).await.unwrap();
    let turn = chat.turn(reply.turn_id.unwrap(), None).await.unwrap();
    assert_eq!((turn.state, turn.attempt, &turn.reply_id), (TurnState::Done, 1, &reply.message_id));
    assert!(turn.error.is_none() && turn.last_seq > 0, "{turn:?}");
}

#[tokio::test]
async fn conversations_go_into_a_file_and_another_user_takes_them_out_of_it() {
    let (_simulator, tertulia, chat, _) = asked(&["a"]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.jsonl").to_string_lossy().into_owned();
    let user = tertulia.user(None, HashMap::new());
    let written = user.export_conversations(path.clone(), Some(vec![chat.id()]), None, None, None, false, None).await;
    assert_eq!(written.map(|report| (report.conversations, report.messages)).unwrap(), (1, 2));
    let other = tertulia.user(Some("bob".to_owned()), HashMap::new());
    for (dry_run, there) in [(true, 0), (false, 1)] {
        let read = other.import_conversations(path.clone(), dry_run, None).await.unwrap();
        assert_eq!((read.format, read.dry_run, read.messages), (ImportFormat::Tertulia, dry_run, 2));
        assert_eq!(other.list_conversations(50, None, None, false, None, None, None).await.unwrap().items.len(), there);
    }
    let erased = other.erase(None).await.unwrap();
    assert_eq!((erased.conversations, erased.messages, erased.scrubbed), (1, 2, true));
    assert!(other.list_conversations(50, None, None, false, None, None, None).await.unwrap().items.is_empty());
    assert_eq!(shown(&chat).await, ["a", "Yes"]);
}

#[tokio::test]
async fn a_reply_is_told_to_a_page_by_who_takes_the_stream_over() {
    let (_simulator, _tertulia, chat) = open("text=one%20two;chunks=2").await;
    let stream = chat.stream(say("Hi"), CallOptions::default(), None).await.unwrap();
    let sse = stream.sse(0, None, false).unwrap();
    for refused in [stream.sse(0, None, false).map(drop), stream.next_batch(1, 33, None).await.map(drop)] {
        assert_eq!(reason(refused), "invalid handed_over");
    }
    assert_eq!(reason(stream.reply(None).await), "invalid handed_over");
    let mut told = Vec::new();
    while let Some(bytes) = sse.next(None).await.unwrap() {
        told.extend(bytes);
    }
    let told = String::from_utf8(told).unwrap();
    let kinds: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("data: {\"type\":\"")).collect();
    assert!(kinds[0].starts_with("started\"") && kinds.last().unwrap().starts_with("done\""), "{told}");
    assert!(sse.next(None).await.unwrap().is_none());
}

#[tokio::test]
async fn a_page_that_goes_stops_the_reply_unless_it_was_detached() {
    let (simulator, _tertulia, chat) = open("text=ok").await;
    let slow = CallOptions { model: Some("lab/sim:text=a%20b;chunks=2;stall=1".into()), ..CallOptions::default() };
    let stream = chat.stream(say("Hi"), slow, None).await.unwrap();
    let sse = stream.sse(0, None, true).unwrap();
    let mut told = String::new();
    // Only a call that is there can be hung up.
    while !told.contains(r#""type":"text""#) {
        told += str::from_utf8(&sse.next(None).await.unwrap().unwrap()).unwrap();
    }
    assert!(told.starts_with("retry:"), "{told}");
    drop(sse);
    hung_up(&simulator).await;

    let stream = chat.stream(say("Hi"), CallOptions::default(), None).await.unwrap();
    let (turn, sse) = (stream.turn_id().unwrap(), stream.sse(0, None, false).unwrap());
    stream.detach();
    drop((stream, sse));
    let reply = chat.attach(turn, 0, None).await.unwrap().reply(None).await.unwrap();
    assert_eq!((words(&reply.parts).as_str(), reply.status), ("ok", ReplyStatus::Done));
}

#[tokio::test]
async fn a_list_of_messages_is_asked_at_once() {
    let (simulator, tertulia, _chat) = open("text=ok").await;
    let messages = || vec![said(Role::User, "Who?"), said(Role::Assistant, "Ana."), said(Role::User, "Where?")];
    tertulia.ask_messages(messages(), CallOptions::default(), None).await.unwrap();
    let user = tertulia.user(None, HashMap::new());
    user.ask_messages(messages(), CallOptions::default(), None).await.unwrap();
    for request in simulator.requests() {
        assert_eq!(request.json()["messages"].as_array().map(Vec::len), Some(3));
    }
    assert_eq!(reason(user.ask_messages(Vec::new(), CallOptions::default(), None).await), "invalid empty_message");
}

#[tokio::test]
async fn what_is_no_id_of_a_message_is_refused_by_every_verb() {
    let (simulator, tertulia, chat) = open("text=ok").await;
    let no = || "no-id".to_owned();
    let none = CallOptions::default;
    let user = tertulia.user(None, HashMap::new());
    let head = CallOptions { expected_head: Some(no()), ..none() };
    let outcomes = [
        chat.edit(no(), say("Hi"), none(), None).await.map(drop),
        chat.regenerate(no(), none(), None).await.map(drop),
        chat.siblings(no(), 50, None, None, None).await.map(drop),
        chat.switch_to(no(), None).await.map(drop),
        chat.fork(no(), None).await,
        chat.at(no()).map(drop),
        chat.duplicate(no(), None).await.map(drop),
        chat.delete_message(no(), false, None).await,
        chat.turn(no(), None).await.map(drop),
        chat.send(say("Hi"), head, None).await.map(drop),
        user.export_conversations("x".into(), Some(vec![no()]), None, None, None, false, None).await.map(drop),
    ];
    for (index, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(reason(outcome), "invalid bad_id", "{index}");
    }
    let bad = || Some("no cursor".to_owned());
    let outcomes = [
        chat.branches(50, bad(), None, None).await.map(drop),
        user.list_conversations(50, None, bad(), false, None, None, None).await.map(drop),
        user.search("a".to_owned(), None, 50, bad(), None).await.map(drop),
    ];
    for (index, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(reason(outcome), "invalid bad_cursor", "{index}");
    }
    assert_eq!(simulator.request_count(), 0);
}
