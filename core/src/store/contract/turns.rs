//! Turns: ids of the host, epochs, drafts and recovery.

use std::sync::Arc;

use super::scene::{
    NOW, Scene, advance, chunk, later, new_turn, put_conversation, raw_chunk, refused, user_row, whole,
};
use crate::base::{ErrorKind, Retry};
use crate::model::{
    Cost, CostSource, Error, MessageStatus, Part, Role, StreamEventKind, ToolCall, TurnState, Usage, UsageSource,
};
use crate::store::{DraftChunk, DraftEvent, MessageEnd, NewRow, NewTurn, Op, Parent, Precondition, Store, TurnChange};

pub(super) async fn client_id_twice_is_conflict_and_found_again(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let send = |sent: super::scene::Sent, words: &str| {
        let mut batch = scene.sending(sent, words);
        for op in &mut batch.ops {
            if let Op::PutTurn(turn) = op {
                turn.client_id = Some("client 1".to_owned());
            }
        }
        batch
    };
    let (first, second) = (scene.planned(conversation), scene.planned(conversation));
    scene.apply(send(first, "once")).await.unwrap();
    refused(scene.apply(send(second, "twice")).await, ErrorKind::Conflict, "client_id");
    assert_eq!(scene.texts(conversation).await, ["once"]);
    let found = scene.store.turn_of_client(scene.owner, conversation, "client 1").await.unwrap().unwrap();
    assert_eq!((found.id(), found.body_hash, found.client_id.as_deref()), (first.turn, [7; 32], Some("client 1")));
    assert_eq!(scene.store.turn_of_client(scene.owner, conversation, "client 2").await.unwrap(), None);
    // The same turn id is refused, too, whatever its client id.
    let again = NewTurn { id: first.turn, ..new_turn(first) };
    refused(scene.apply_op(Op::PutTurn(again)).await, ErrorKind::Conflict, "id_taken");
}

pub(super) async fn one_client_id_may_stand_in_two_conversations(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    for _ in 0..2 {
        let conversation = scene.new_conversation().await;
        let message = scene.append(conversation, Parent::Head, "hello").await;
        let sent = super::scene::Sent { message, ..scene.planned(conversation) };
        let turn = NewTurn { client_id: Some("same".to_owned()), ..new_turn(sent) };
        scene.apply_op(Op::PutTurn(turn)).await.unwrap();
        let found = scene.store.turn_of_client(scene.owner, conversation, "same").await.unwrap().unwrap();
        assert_eq!(found.id(), sent.turn);
    }
}

pub(super) async fn an_epoch_admits_one_writer(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.send(conversation, "question").await;
    let answer = |words: &str| {
        let row = NewRow {
            role: Role::Assistant,
            turn: Some(sent.turn),
            ..user_row(scene.ids.message(), conversation, Parent::Message(sent.message), words)
        };
        scene
            .batch()
            .require(Precondition::Epoch { turn: sent.turn, expected: 1 })
            .op(Op::AppendMessage(row))
            .op(advance(sent.turn, TurnState::Done))
    };
    let results = futures::future::join_all((0..5).map(|n: i32| scene.apply(answer(&n.to_string())))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for lost in results.into_iter().filter(Result::is_err) {
        refused(lost, ErrorKind::Conflict, "epoch_moved");
    }
    assert_eq!(scene.texts(conversation).await.len(), 2);
    assert_eq!(scene.store.turn(scene.owner, sent.turn).await.unwrap().unwrap().epoch, 2);
}

pub(super) async fn a_turn_keeps_what_it_is_told_and_forgets_what_is_cleared(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.send(conversation, "question").await;
    let read = async || scene.store.turn(scene.owner, sent.turn).await.unwrap().unwrap();
    let fresh = read().await;
    assert_eq!(fresh.owner, scene.owner);
    assert_eq!((fresh.conversation_id, fresh.turn.message_id), (conversation, sent.message));
    assert_eq!((fresh.turn.state, fresh.turn.attempt, fresh.turn.last_seq, fresh.epoch), (TurnState::Saved, 0, 0, 1));
    assert_eq!((fresh.turn.not_before, fresh.turn.expires_at, &fresh.turn.error), (None, None, &None));
    assert_eq!((fresh.model.as_str(), fresh.reply, fresh.turn.reply_id), ("test/any", sent.reply, None));

    let other = scene.ids.message();
    let error = Error::new(ErrorKind::RateLimited, "slow_down", "wait")
        .with_retry(Retry::After { after_ms: 5 })
        .with_target("test", "any")
        .with_partial(vec![Part::text("so far")])
        .info();
    let change = TurnChange {
        state: Some(TurnState::Waiting),
        attempt: Some(3),
        last_seq: Some(17),
        reply: Some(other),
        model: Some("test/other".to_owned()),
        options: Some(Some(r#"{"degrade":true}"#.into())),
        not_before: Some(Some(later(10))),
        expires_at: Some(Some(later(20))),
        error: Some(Some(error.clone())),
        lease: Some(None),
    };
    scene.apply_op(Op::AdvanceTurn { id: sent.turn, change }).await.unwrap();
    let told = read().await;
    assert_eq!((told.turn.state, told.turn.attempt, told.turn.last_seq, told.epoch), (TurnState::Waiting, 3, 17, 2));
    assert_eq!((told.turn.not_before, told.turn.expires_at), (Some(later(10)), Some(later(20))));
    assert_eq!(told.turn.error, Some(error));
    assert_eq!((told.model.as_str(), told.reply), ("test/other", other));
    assert_eq!((told.body_hash, told.created_at), (fresh.body_hash, fresh.created_at));

    scene.apply_op(Op::AdvanceTurn { id: sent.turn, change: TurnChange::default() }).await.unwrap();
    assert_eq!(read().await, crate::store::TurnRecord { epoch: 3, ..told.clone() });

    let clear =
        TurnChange { not_before: Some(None), expires_at: Some(None), error: Some(None), ..TurnChange::default() };
    scene.apply_op(Op::AdvanceTurn { id: sent.turn, change: clear }).await.unwrap();
    let cleared = read().await;
    assert_eq!((cleared.turn.not_before, cleared.turn.expires_at, &cleared.turn.error), (None, None, &None));
    assert_eq!((cleared.turn.state, cleared.epoch), (TurnState::Waiting, 4));
}

pub(super) async fn a_reply_is_named_once_it_is_there(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.send(conversation, "question").await;
    let reply_id = async || scene.store.turn(scene.owner, sent.turn).await.unwrap().unwrap().turn.reply_id;
    assert_eq!(reply_id().await, None);
    scene.apply(scene.first_words(sent, "par")).await.unwrap();
    assert_eq!(reply_id().await, Some(sent.reply));
    let reply = scene.store.message(scene.owner, sent.reply).await.unwrap().unwrap();
    assert_eq!((reply.status, reply.turn_id, reply.role), (MessageStatus::Streaming, Some(sent.turn), Role::Assistant));
    assert_eq!(reply.parts, []);
}

pub(super) async fn a_reply_stands_below_its_own_question(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let first = scene.send(conversation, "first").await;
    let second = scene.send(conversation, "second").await;
    let receipt = scene.apply(scene.first_words(first, "answer")).await.unwrap();
    assert_eq!(receipt.placed.len(), 1);
    let placed = receipt.placed[0];
    assert_eq!((placed.id, placed.parent), (first.reply, Some(first.message)));
    assert_eq!((placed.depth, placed.sibling_index), (2, 1));
    let question = scene.store.message(scene.owner, second.message).await.unwrap().unwrap();
    assert_eq!((question.parent_id, question.sibling_index, question.sibling_count), (Some(first.message), 0, 2));
}

pub(super) async fn a_streamed_reply_is_counted_once(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.stream(conversation, "the question", "par").await;
    let streaming = scene.shown(conversation).await;
    assert_eq!((streaming.message_count, streaming.head_id), (2, Some(sent.reply)));
    assert_eq!((streaming.last_preview.as_deref(), streaming.last_role), (Some("the question"), Some(Role::User)));
    let usage = Usage { input_tokens: 10, output_tokens: 4, source: UsageSource::Reported, ..Usage::default() };
    let cost = Cost { nano_usd: Some(1_200), source: CostSource::Catalogue, price_date: None };
    let end = MessageEnd { usage: Some(usage), cost: Some(cost), ..whole(sent.reply, "the answer") };
    scene.apply_op(Op::EndMessage(end)).await.unwrap();
    let ended = scene.shown(conversation).await;
    assert_eq!((ended.message_count, ended.input_tokens, ended.output_tokens, ended.cost_nano_usd), (2, 10, 4, 1_200));
    assert_eq!((ended.last_preview.as_deref(), ended.last_role), (Some("the answer"), Some(Role::Assistant)));
    assert!(ended.version > streaming.version);
    assert_eq!(scene.texts(conversation).await, ["the question", "the answer"]);
}

pub(super) async fn a_draft_ends_with_its_message(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.stream(conversation, "question", "par").await;
    scene.apply(scene.ending(sent, 2, "whole")).await.unwrap();
    refused(scene.apply_op(Op::AppendDraft(chunk(sent.reply, 9, "late"))).await, ErrorKind::Conflict, "not_streaming");
    refused(scene.apply_op(Op::EndMessage(whole(sent.reply, "late"))).await, ErrorKind::Conflict, "not_streaming");
    refused(
        scene.apply_op(Op::AppendDraft(chunk(sent.message, 9, "never"))).await,
        ErrorKind::Conflict,
        "not_streaming",
    );
    assert_eq!(scene.store.recover(later(1_000_000)).await.unwrap(), []);
    assert_eq!(scene.texts(conversation).await, ["question", "whole"]);
    let row = NewRow {
        status: MessageStatus::Streaming,
        ..user_row(scene.ids.message(), conversation, Parent::Head, "nobody's")
    };
    assert_eq!(scene.apply_op(Op::AppendMessage(row)).await.unwrap_err().kind(), ErrorKind::Internal);
}

pub(super) async fn a_draft_renews_the_lease_and_refuses_numbers_that_do_not_grow(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.stream(conversation, "question", "one ").await;
    let longer = DraftChunk { lease_until: later(500_000), ..chunk(sent.reply, 5, "two ") };
    scene.apply_op(Op::AppendDraft(longer)).await.unwrap();
    for seq in [5, 4, 1, 0, -1] {
        refused(scene.apply_op(Op::AppendDraft(chunk(sent.reply, seq, "x"))).await, ErrorKind::Conflict, "draft_seq");
    }
    let turn = scene.store.turn(scene.owner, sent.turn).await.unwrap().unwrap();
    assert_eq!((turn.turn.last_seq, turn.epoch), (5, 2));
    assert_eq!(scene.store.recover(later(400_000)).await.unwrap(), []);
    assert_eq!(scene.store.recover(later(500_000)).await.unwrap().len(), 1);
    assert_eq!(scene.texts(conversation).await, ["question", "one two "]);
}

pub(super) async fn recovery_folds_drafts_and_is_idempotent(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.stream(conversation, "question", "one ").await;
    let call = ToolCall {
        id: "c1".to_owned(),
        name: "look".to_owned(),
        arguments: serde_json::json!({"at": "x"}),
        provider_executed: false,
        free_text: false,
    };
    let events = [
        DraftEvent { part_index: 1, kind: StreamEventKind::Text { delta: "two".to_owned() } },
        DraftEvent { part_index: 0, kind: StreamEventKind::Text { delta: "and a half ".to_owned() } },
        DraftEvent { part_index: 2, kind: StreamEventKind::ToolCall { call: call.clone() } },
    ];
    let piece = DraftChunk { data: DraftEvent::encode(&events).unwrap(), ..chunk(sent.reply, 4, "") };
    scene.apply_op(Op::AppendDraft(piece)).await.unwrap();

    let recovered = scene.store.recover(later(60_000)).await.unwrap();
    assert_eq!(recovered.len(), 1);
    let record = &recovered[0];
    assert_eq!((record.id(), record.owner.as_str(), record.epoch), (sent.turn, scene.owner, 3));
    assert_eq!(record.turn.state, TurnState::Interrupted);
    // Somebody may have heard events that are in no draft.
    assert!(record.turn.last_seq > 1_000_000_000, "{}", record.turn.last_seq);
    assert_eq!(record.turn.reply_id, Some(sent.reply));
    let error = record.turn.error.as_ref().unwrap();
    assert_eq!((error.kind, error.reason.as_str(), error.saved), (ErrorKind::Truncated, "process_ended", true));
    assert_eq!(error.turn_id, Some(sent.turn));
    assert_eq!(scene.store.turn(scene.owner, sent.turn).await.unwrap().as_ref(), Some(record));

    let reply = scene.store.message(scene.owner, sent.reply).await.unwrap().unwrap();
    assert_eq!(reply.status, MessageStatus::Interrupted);
    assert_eq!(reply.parts, [Part::text("one and a half "), Part::text("two"), Part::ToolCall { call }]);
    let shown = scene.shown(conversation).await;
    assert_eq!((shown.message_count, shown.last_role), (2, Some(Role::Assistant)));
    assert_eq!(shown.last_preview.as_deref(), Some("one and a half two"));

    let before = (scene.shown(conversation).await, reply);
    assert_eq!(scene.store.recover(later(60_001)).await.unwrap(), []);
    let reply = scene.store.message(scene.owner, sent.reply).await.unwrap().unwrap();
    assert_eq!((scene.shown(conversation).await, reply), before);
    assert_eq!(scene.store.turn(scene.owner, sent.turn).await.unwrap().unwrap().epoch, 3);
}

pub(super) async fn recovery_leaves_living_turns_alone(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.stream(conversation, "question", "par").await;
    let before = scene.store.turn(scene.owner, sent.turn).await.unwrap();
    assert_eq!(scene.store.recover(later(59_999)).await.unwrap(), []);
    assert_eq!(scene.store.turn(scene.owner, sent.turn).await.unwrap(), before);
    scene.apply(scene.ending(sent, 2, "whole")).await.unwrap();
    assert_eq!(scene.store.recover(later(9_000_000)).await.unwrap(), []);
}

pub(super) async fn recovery_ends_turns_that_never_streamed(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let mut open = Vec::new();
    for state in [
        TurnState::Saved,
        TurnState::Sending,
        TurnState::Streaming,
        TurnState::Waiting,
        TurnState::Done,
        TurnState::Interrupted,
        TurnState::Parked,
        TurnState::Cancelled,
    ] {
        let sent = scene.send(scene.ids.conversation(), "question").await;
        scene.apply_op(advance(sent.turn, state)).await.unwrap();
        if state.is_open() {
            open.push(sent.turn);
        }
    }
    // A turn that nobody holds is nobody's.
    let sent = scene.send(scene.ids.conversation(), "question").await;
    let dropped = TurnChange { lease: Some(None), ..TurnChange::default() };
    scene.apply_op(Op::AdvanceTurn { id: sent.turn, change: dropped }).await.unwrap();
    let first = scene.store.recover(NOW).await.unwrap();
    assert_eq!(first.iter().map(|record| record.id()).collect::<Vec<_>>(), [sent.turn]);
    assert_eq!((first[0].turn.reply_id, first[0].turn.state), (None, TurnState::Interrupted));
    let mut rest: Vec<_> = scene.store.recover(later(60_000)).await.unwrap().iter().map(|r| r.id()).collect();
    rest.sort_unstable();
    assert_eq!(rest, open);
    assert_eq!(scene.texts(sent.conversation).await, ["question"]);
}

pub(super) async fn recovery_keeps_what_can_be_read_of_a_damaged_draft(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.stream(conversation, "question", "one ").await;
    for (seq, data) in [
        (2, &b"no JSON"[..]),
        (3, br#"[{"part_index":0,"type":"text","delta":"two "}]"#),
        (4, br#"{"part_index":0}"#),
        (5, br#"[{"part_index":1,"type":"part","part":{"type":"image","media":{"source":{"type":"data","data":"AAAA"},"mime_type":"image/png","name":null,"size_bytes":null}}}]"#),
        (6, br#"[{"part_index":2,"type":"text","delta":"three"}]"#),
    ] {
        scene.apply_op(Op::AppendDraft(raw_chunk(sent.reply, seq, data))).await.unwrap();
    }
    assert_eq!(scene.store.recover(later(60_000)).await.unwrap().len(), 1);
    let reply = scene.store.message(scene.owner, sent.reply).await.unwrap().unwrap();
    assert_eq!(reply.parts, [Part::text("one two "), Part::text("three")]);
}

pub(super) async fn a_late_writer_is_refused_after_recovery(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.stream(conversation, "question", "par").await;
    scene.store.recover(later(60_000)).await.unwrap();
    refused(scene.apply_op(Op::AppendDraft(chunk(sent.reply, 2, "late"))).await, ErrorKind::Conflict, "not_streaming");
    refused(scene.apply(scene.ending(sent, 2, "late")).await, ErrorKind::Conflict, "epoch_moved");
    assert_eq!(scene.texts(conversation).await, ["question", "par"]);
    // The conversation goes on.
    scene.apply_op(put_conversation(conversation)).await.unwrap();
    scene.send(conversation, "again").await;
    assert_eq!(scene.texts(conversation).await, ["question", "par", "again"]);
}
