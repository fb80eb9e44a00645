//! Batches: all or nothing, one owner, true counts.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::scene::{NOW, STRANGER, Scene, advance, chunk, later, new_turn, put_conversation, refused, user_row, whole};
use crate::base::{AttachmentId, ErrorKind, MessageId, Random as _, SeededRandom, TurnId};
use crate::model::{Cost, CostSource, Usage};
use crate::store::{
    Anchor, BranchQuery, ConversationChange, Due, Durability, ListQuery, MessageEnd, NewAttachment, NewStep, Op,
    Parent, Precondition, QueueEntry, QueueQuery, SiblingAnchor, StepKind, Store,
};

pub(super) async fn append_then_page_returns_same_order(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(scene.append(conversation, Parent::Head, &number.to_string()).await);
    }
    let page = scene.page(conversation, Anchor::End, 50).await;
    assert_eq!(page.items.iter().map(|m| m.id).collect::<Vec<_>>(), ids);
    assert_eq!(page.items.iter().map(|m| m.depth).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(page.items[0].parent_id, None);
    assert_eq!(page.items[4].parent_id, Some(ids[3]));
    assert_eq!(page.version, scene.shown(conversation).await.version);
}

pub(super) async fn append_with_stale_head_is_conflict(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let first = scene.append(conversation, Parent::Head, "first").await;
    let at_head = |expected| {
        let row = user_row(scene.ids.message(), conversation, Parent::Head, "next");
        scene.batch().require(Precondition::Head { conversation, expected }).op(Op::AppendMessage(row))
    };
    refused(scene.apply(at_head(None)).await, ErrorKind::Conflict, "head_moved");
    scene.apply(at_head(Some(first))).await.unwrap();
    refused(scene.apply(at_head(Some(first))).await, ErrorKind::Conflict, "head_moved");
    assert_eq!(scene.texts(conversation).await, ["first", "next"]);
}

pub(super) async fn a_batch_on_another_version_is_conflict(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let at = |scene: &Scene, expected| {
        let row = user_row(scene.ids.message(), conversation, Parent::Head, "next");
        scene.batch().require(Precondition::Version { conversation, expected }).op(Op::AppendMessage(row))
    };
    let made = scene.shown(conversation).await.version;
    scene.apply(at(&scene, made)).await.unwrap();
    refused(scene.apply(at(&scene, made)).await, ErrorKind::Conflict, "version_moved");
    let read = scene.shown(conversation).await.version;
    let change = ConversationChange { system: Some(Some("be brief".to_owned())), ..ConversationChange::default() };
    scene.apply_op(Op::UpdateConversation { id: conversation, change }).await.unwrap();
    refused(scene.apply(at(&scene, read)).await, ErrorKind::Conflict, "version_moved");
    let stranger = scene.of(STRANGER);
    let now = scene.shown(conversation).await.version;
    refused(stranger.apply(at(&stranger, now)).await, ErrorKind::NotFound, "no_conversation");
    assert_eq!(scene.texts(conversation).await, ["next"]);
}

pub(super) async fn a_receipt_tells_the_versions_and_whether_budgets_are_set(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let made = scene.shown(conversation).await.version;
    let sent = scene.planned(conversation);
    let receipt = scene.apply(scene.sending(sent, "question")).await.unwrap();
    let asked = scene.shown(conversation).await.version;
    assert_eq!((receipt.versions, receipt.has_budgets), (Some((made, asked)), false));
    let receipt = scene.apply_op(advance(sent.turn, crate::model::TurnState::Sending)).await.unwrap();
    assert_eq!((receipt.versions, scene.shown(conversation).await.version), (None, asked), "a turn is no message");
    let begun = scene.apply(scene.first_words(sent, "par")).await.unwrap().versions.unwrap();
    let budget = crate::model::Budget::requests(9);
    let receipt = scene.apply(scene.batch().op(Op::PutBudget(budget.clone()))).await.unwrap();
    assert_eq!((receipt.versions, receipt.has_budgets), (None, true));
    let receipt = scene.apply_op(Op::EndMessage(whole(sent.reply, "part"))).await.unwrap();
    let ended = scene.shown(conversation).await.version;
    assert_eq!((begun.0, receipt.versions, receipt.has_budgets), (asked, Some((begun.1, ended)), true));
    let receipt = scene.apply_op(Op::DeleteBudget { id: budget.id() }).await.unwrap();
    assert!(!receipt.has_budgets);
}

pub(super) async fn append_same_id_twice_is_conflict(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let id = scene.append(conversation, Parent::Head, "once").await;
    let again = Op::AppendMessage(user_row(id, conversation, Parent::Head, "twice"));
    refused(scene.apply_op(again).await, ErrorKind::Conflict, "id_taken");
    assert_eq!(scene.texts(conversation).await, ["once"]);
    assert_eq!(scene.shown(conversation).await.message_count, 1);
}

pub(super) async fn a_failed_precondition_changes_nothing(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.send(conversation, "hello").await;
    let before = scene.shown(conversation).await;
    let elsewhere = scene.ids.conversation();
    for (precondition, kind, reason) in [
        (Precondition::Owns { conversation: elsewhere }, ErrorKind::NotFound, "no_conversation"),
        (Precondition::Head { conversation, expected: None }, ErrorKind::Conflict, "head_moved"),
        (Precondition::Head { conversation: elsewhere, expected: None }, ErrorKind::NotFound, "no_conversation"),
        (Precondition::Epoch { turn: sent.turn, expected: 2 }, ErrorKind::Conflict, "epoch_moved"),
        (Precondition::Epoch { turn: scene.ids.turn(), expected: 1 }, ErrorKind::NotFound, "no_turn"),
    ] {
        let batch = scene
            .batch()
            .require(Precondition::Owns { conversation })
            .require(precondition)
            .op(put_conversation(elsewhere))
            .op(Op::AppendMessage(user_row(scene.ids.message(), conversation, Parent::Head, "never")));
        refused(scene.apply(batch).await, kind, reason);
        assert_eq!(scene.shown(conversation).await, before);
        assert_eq!(scene.store.conversation(scene.owner, elsewhere).await.unwrap(), None);
    }
}

pub(super) async fn a_failed_op_takes_back_the_ops_before_it(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.stream(conversation, "question", "par").await;
    let before = (scene.shown(conversation).await, scene.page(conversation, Anchor::End, 50).await);
    let turn = scene.store.turn(scene.owner, sent.turn).await.unwrap();
    let (fresh, attachment) = (scene.ids.conversation(), scene.ids.attachment());
    let planned = scene.planned(conversation);
    let batch = scene
        .batch()
        .op(put_conversation(fresh))
        .op(Op::UpdateConversation {
            id: conversation,
            change: ConversationChange { title: Some(Some("new".to_owned())), ..ConversationChange::default() },
        })
        .op(Op::AppendMessage(user_row(planned.message, conversation, Parent::Start, "edited")))
        .op(Op::PutAttachment(bytes_of(attachment, planned.message, b"bytes")))
        .op(Op::PutTurn(new_turn(planned)))
        .op(Op::EndMessage(whole(sent.reply, "whole")))
        .op(advance(sent.turn, crate::model::TurnState::Done))
        .op(Op::DeleteConversation { id: scene.ids.conversation() });
    refused(scene.apply(batch).await, ErrorKind::NotFound, "no_conversation");
    assert_eq!((scene.shown(conversation).await, scene.page(conversation, Anchor::End, 50).await), before);
    assert_eq!(scene.store.turn(scene.owner, sent.turn).await.unwrap(), turn);
    assert_eq!(scene.store.turn(scene.owner, planned.turn).await.unwrap(), None);
    assert_eq!(scene.store.message(scene.owner, planned.message).await.unwrap(), None);
    assert_eq!(scene.store.attachment(scene.owner, attachment).await.unwrap(), None);
    assert_eq!(scene.store.conversation(scene.owner, fresh).await.unwrap(), None);
    // The draft is still there, too.
    let recovered = scene.store.recover(later(1_000_000)).await.unwrap();
    assert_eq!(recovered.len(), 1);
    assert_eq!(scene.texts(conversation).await, ["question", "par"]);
}

pub(super) async fn a_failed_batch_leaves_its_neighbours_alone(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let nowhere = scene.ids.conversation();
    let applied = (0..30).map(|number: usize| {
        let to = if number % 3 == 1 { nowhere } else { conversation };
        let row = user_row(scene.ids.message(), to, Parent::Head, &number.to_string());
        // A first op that works, so that there is something to take back.
        let extra = user_row(scene.ids.message(), conversation, Parent::Head, "+");
        let batch = scene.batch().op(Op::AppendMessage(extra)).op(Op::AppendMessage(row));
        scene.store.apply(batch, if number.is_multiple_of(2) { Durability::PowerSafe } else { Durability::ProcessSafe })
    });
    let results = futures::future::join_all(applied).await;
    let mut expected = Vec::new();
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result.is_ok(), number % 3 != 1, "{number}");
        if result.is_ok() {
            expected.extend(["+".to_owned(), number.to_string()]);
        }
    }
    assert_eq!(scene.texts(conversation).await, expected);
    assert_eq!(scene.shown(conversation).await.message_count, 40);
}

pub(super) async fn two_writers_one_wins(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let head = scene.append(conversation, Parent::Head, "start").await;
    let writers = (0..8).map(|number: usize| {
        let row = user_row(scene.ids.message(), conversation, Parent::Head, &number.to_string());
        let precondition = Precondition::Head { conversation, expected: Some(head) };
        scene.apply(scene.batch().require(precondition).op(Op::AppendMessage(row)))
    });
    let results = futures::future::join_all(writers).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for lost in results.into_iter().filter(Result::is_err) {
        refused(lost, ErrorKind::Conflict, "head_moved");
    }
    assert_eq!(scene.shown(conversation).await.message_count, 2);
}

pub(super) async fn putting_a_conversation_twice_changes_nothing(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    scene.append(conversation, Parent::Head, "kept").await;
    let before = scene.shown(conversation).await;
    let Op::PutConversation(mut again) = put_conversation(conversation) else { unreachable!() };
    again.title = Some("other".to_owned());
    scene.apply_op(Op::PutConversation(again)).await.unwrap();
    assert_eq!(scene.shown(conversation).await, before);
}

pub(super) async fn updating_a_conversation_changes_what_is_named(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let metadata = HashMap::from([("colour".to_owned(), "blue".to_owned())]);
    let update = |change| Op::UpdateConversation { id: conversation, change };
    let all = ConversationChange {
        title: Some(Some("title".to_owned())),
        system: Some(Some("be kind".to_owned())),
        model: Some(Some("test/any".to_owned())),
        metadata: Some(metadata.clone()),
        ..ConversationChange::default()
    };
    scene.apply_op(update(all)).await.unwrap();
    let shown = scene.shown(conversation).await;
    assert_eq!(shown.title.as_deref(), Some("title"));
    assert_eq!(shown.system.as_deref(), Some("be kind"));
    assert_eq!(shown.model.as_deref(), Some("test/any"));
    assert_eq!(shown.metadata, metadata);
    let one = ConversationChange { title: Some(None), ..ConversationChange::default() };
    scene.apply_op(update(one)).await.unwrap();
    let after = scene.shown(conversation).await;
    assert_eq!((after.title, after.system, after.metadata), (None, shown.system, metadata));
    assert!(after.version > shown.version);
    assert!(after.updated_at > shown.updated_at);
}

pub(super) async fn another_owners_ids_are_not_found_by_any_read(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let planned = scene.planned(conversation);
    let attachment = scene.ids.attachment();
    let mut turn = new_turn(planned);
    turn.client_id = Some("c1".to_owned());
    let batch = scene
        .batch()
        .op(Op::AppendMessage(user_row(planned.message, conversation, Parent::Head, "mine")))
        .op(Op::PutAttachment(bytes_of(attachment, planned.message, b"bytes")))
        .op(Op::PutTurn(turn));
    scene.apply(batch).await.unwrap();
    let everybody = ListQuery { limit: 50, ..ListQuery::default() };
    for (owner, sees) in [(scene.owner, true), (STRANGER, false), ("", false), ("an", false), ("ana ", false)] {
        let store = &scene.store;
        assert_eq!(store.conversation(owner, conversation).await.unwrap().is_some(), sees);
        assert_eq!(store.conversations(owner, everybody.clone()).await.unwrap().items.len(), usize::from(sees));
        assert_eq!(store.messages(owner, conversation, Anchor::End, 50).await.unwrap().is_some(), sees);
        assert_eq!(
            store.messages(owner, conversation, Anchor::Before(planned.message), 5).await.unwrap().is_some(),
            sees
        );
        assert_eq!(store.message(owner, planned.message).await.unwrap().is_some(), sees);
        assert_eq!(store.turn(owner, planned.turn).await.unwrap().is_some(), sees);
        assert_eq!(store.turn_of_client(owner, conversation, "c1").await.unwrap().is_some(), sees);
        assert_eq!(store.attachment(owner, attachment).await.unwrap().is_some(), sees);
    }
}

pub(super) async fn another_owners_ids_are_not_found_by_any_op(store: Arc<dyn Store>) {
    let mine = Scene::new(store);
    let conversation = mine.new_conversation().await;
    let sent = mine.stream(conversation, "mine", "par").await;
    let theirs = mine.of(STRANGER);
    let own = theirs.new_conversation().await;
    let own_message = theirs.append(own, Parent::Head, "own").await;
    let own_planned = super::scene::Sent { message: own_message, ..theirs.planned(own) };
    let before = (mine.shown(conversation).await, mine.store.turn(mine.owner, sent.turn).await.unwrap());
    let mut with_my_turn = user_row(mine.ids.message(), own, Parent::Head, "x");
    with_my_turn.turn = Some(sent.turn);
    for (op, reason) in [
        (put_conversation(conversation), "no_conversation"),
        (Op::UpdateConversation { id: conversation, change: ConversationChange::default() }, "no_conversation"),
        (Op::DeleteConversation { id: conversation }, "no_conversation"),
        (Op::AppendMessage(user_row(mine.ids.message(), conversation, Parent::Head, "x")), "no_conversation"),
        (Op::AppendMessage(user_row(mine.ids.message(), own, Parent::Message(sent.message), "x")), "no_message"),
        (Op::AppendMessage(with_my_turn), "no_turn"),
        (Op::AppendMessage(user_row(mine.ids.message(), own, Parent::Beside(sent.message), "x")), "no_message"),
        (Op::AppendMessage(user_row(mine.ids.message(), own, Parent::Below(sent.message), "x")), "no_message"),
        (Op::SwitchTo { conversation, message: sent.message }, "no_conversation"),
        (Op::SwitchTo { conversation: own, message: sent.message }, "no_message"),
        (Op::ForkAt { conversation, message: sent.message }, "no_conversation"),
        (Op::ForkAt { conversation: own, message: sent.message }, "no_message"),
        (Op::WipeMessage { id: sent.message }, "no_message"),
        (Op::RemoveMessages { conversation, top: sent.message, from: None, steps: 9 }, "no_conversation"),
        (Op::RemoveMessages { conversation: own, top: sent.message, from: None, steps: 9 }, "no_message"),
        (Op::EndMessage(whole(sent.reply, "x")), "no_message"),
        (Op::PutAttachment(bytes_of(mine.ids.attachment(), sent.message, b"x")), "no_message"),
        (Op::PutTurn(new_turn(mine.planned(conversation))), "no_conversation"),
        (Op::PutTurn(new_turn(super::scene::Sent { message: sent.message, ..own_planned })), "no_message"),
        (advance(sent.turn, crate::model::TurnState::Done), "no_turn"),
        (Op::PutStep(step(sent.turn)), "no_turn"),
        (Op::AppendDraft(chunk(sent.reply, 9, "x")), "no_message"),
        (Op::Enqueue(QueueEntry::new(sent.turn)), "no_turn"),
        (Op::Dequeue { turn: sent.turn }, "no_turn"),
    ] {
        refused(theirs.apply_op(op).await, ErrorKind::NotFound, reason);
    }
    for precondition in [
        Precondition::Owns { conversation },
        Precondition::Head { conversation, expected: None },
        Precondition::Epoch { turn: sent.turn, expected: 1 },
    ] {
        let result = theirs.apply(theirs.batch().require(precondition)).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!((mine.shown(conversation).await, mine.store.turn(mine.owner, sent.turn).await.unwrap()), before);
}

pub(super) async fn unknown_ids_are_not_found(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let nothing = scene.planned(conversation);
    let batch_of = |op| scene.apply_op(op);
    let row = user_row(scene.ids.message(), conversation, Parent::Message(nothing.message), "x");
    refused(batch_of(Op::AppendMessage(row)).await, ErrorKind::NotFound, "no_message");
    refused(batch_of(Op::EndMessage(whole(nothing.reply, "x"))).await, ErrorKind::NotFound, "no_message");
    refused(batch_of(Op::AppendDraft(chunk(nothing.reply, 1, "x"))).await, ErrorKind::NotFound, "no_message");
    refused(batch_of(Op::PutTurn(new_turn(nothing))).await, ErrorKind::NotFound, "no_message");
    refused(batch_of(Op::PutStep(step(nothing.turn))).await, ErrorKind::NotFound, "no_turn");
    assert_eq!(scene.store.turn(scene.owner, nothing.turn).await.unwrap(), None);
    assert_eq!(scene.store.message(scene.owner, nothing.message).await.unwrap(), None);
    assert_eq!(scene.store.attachment(scene.owner, scene.ids.attachment()).await.unwrap(), None);
    let elsewhere = scene.ids.conversation();
    assert_eq!(scene.store.messages(scene.owner, elsewhere, Anchor::End, 5).await.unwrap(), None);
    assert_eq!(scene.shown(conversation).await.message_count, 0);
}

pub(super) async fn delete_conversation_removes_everything_in_it(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let kept = scene.new_conversation().await;
    scene.append(kept, Parent::Head, "kept").await;
    let first = scene.append(conversation, Parent::Head, &"long ".repeat(100_000)).await;
    scene.append(conversation, Parent::Start, "a second beginning").await;
    let attachment = scene.ids.attachment();
    scene.apply_op(Op::PutAttachment(bytes_of(attachment, first, b"bytes"))).await.unwrap();
    let sent = scene.stream(conversation, "question", "par").await;
    let entry = QueueEntry { not_before: Some(NOW), expires_at: Some(later(5)), ..QueueEntry::new(sent.turn) };
    scene.apply(scene.batch().op(Op::PutStep(step(sent.turn))).op(Op::Enqueue(entry))).await.unwrap();

    scene.apply_op(Op::DeleteConversation { id: conversation }).await.unwrap();

    let store = &scene.store;
    assert_eq!(store.conversation(scene.owner, conversation).await.unwrap(), None);
    assert_eq!(store.messages(scene.owner, conversation, Anchor::End, 5).await.unwrap(), None);
    for message in [first, sent.message, sent.reply] {
        assert_eq!(store.message(scene.owner, message).await.unwrap(), None);
    }
    assert_eq!(store.turn(scene.owner, sent.turn).await.unwrap(), None);
    assert_eq!(store.attachment(scene.owner, attachment).await.unwrap(), None);
    assert_eq!(store.recover(later(1_000_000)).await.unwrap(), []);
    let list = store.conversations(scene.owner, ListQuery { limit: 50, ..ListQuery::default() }).await.unwrap();
    assert_eq!(list.items.iter().map(|(_, c)| c.id).collect::<Vec<_>>(), [kept]);
    refused(scene.apply_op(Op::DeleteConversation { id: conversation }).await, ErrorKind::NotFound, "no_conversation");
    // The same ids may be used anew.
    scene.apply_op(put_conversation(conversation)).await.unwrap();
    scene.apply_op(Op::AppendMessage(user_row(first, conversation, Parent::Head, "new"))).await.unwrap();
    assert_eq!(scene.texts(conversation).await, ["new"]);
    assert_eq!(scene.texts(kept).await, ["kept"]);
}

pub(super) async fn equal_bytes_of_two_conversations_survive_the_deletion_of_one(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let long = "long ".repeat(100_000);
    let mut made = Vec::new();
    for _ in 0..2 {
        let conversation = scene.new_conversation().await;
        let message = scene.append(conversation, Parent::Head, &long).await;
        let attachment = scene.ids.attachment();
        scene.apply_op(Op::PutAttachment(bytes_of(attachment, message, b"same"))).await.unwrap();
        made.push((conversation, message, attachment));
    }
    scene.apply_op(Op::DeleteConversation { id: made[0].0 }).await.unwrap();
    let message = scene.store.message(scene.owner, made[1].1).await.unwrap().unwrap();
    assert_eq!(message.text(), long);
    let attachment = scene.store.attachment(scene.owner, made[1].2).await.unwrap().unwrap();
    assert_eq!(attachment.data, Bytes::from_static(b"same"));
    assert_eq!(scene.store.attachment(scene.owner, made[0].2).await.unwrap(), None);
}

/// What the row of a conversation should say, kept by the test itself.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    messages: i64,
    input: i64,
    output: i64,
    cost: i64,
    head: Option<MessageId>,
}

pub(super) async fn counts_on_the_row_equal_a_recount_after_random_ops(store: Arc<dyn Store>) {
    for seed in 0..8 {
        let scene = Scene::seeded(Arc::clone(&store), seed);
        let random = SeededRandom::new(seed);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small index")]
        let below = |n: usize| (random.unit() * n as f64) as usize;
        let mut conversations = Vec::new();
        for _ in 0..3 {
            conversations.push((
                scene.new_conversation().await,
                Counts::default(),
                Vec::<MessageId>::new(),
                Vec::new(),
            ));
        }
        for _ in 0..120 {
            let (conversation, counts, messages, streaming) = &mut conversations[below(3)];
            let usage = Usage { input_tokens: 3, output_tokens: 5, ..Usage::default() };
            let cost = Cost { nano_usd: (below(2) == 0).then_some(7), source: CostSource::Catalogue, price_date: None };
            let cost_of = |cost: &Cost| cost.nano_usd.unwrap_or(0);
            match below(5) {
                0 | 1 => {
                    let parent = match messages.len() {
                        0 => Parent::Head,
                        n => [Parent::Head, Parent::Start, Parent::Message(messages[below(n)])][below(3)],
                    };
                    let mut row = user_row(scene.ids.message(), *conversation, parent, "words");
                    (row.usage, row.cost) = (Some(usage.clone()), Some(cost.clone()));
                    let id = row.id;
                    scene.apply_op(Op::AppendMessage(row)).await.unwrap();
                    messages.push(id);
                    counts.head = Some(id);
                    counts.messages += 1;
                    counts.input += 3;
                    counts.output += 5;
                    counts.cost += cost_of(&cost);
                }
                2 => {
                    let sent = scene.stream(*conversation, "question", "par").await;
                    counts.messages += 2;
                    counts.head = Some(sent.reply);
                    messages.extend([sent.message, sent.reply]);
                    streaming.push(sent.reply);
                }
                3 => {
                    let Some(reply) = streaming.pop() else { continue };
                    let end = MessageEnd { usage: Some(usage), cost: Some(cost.clone()), ..whole(reply, "whole") };
                    scene.apply_op(Op::EndMessage(end)).await.unwrap();
                    counts.input += 3;
                    counts.output += 5;
                    counts.cost += cost_of(&cost);
                }
                _ => {
                    let row = user_row(scene.ids.message(), *conversation, Parent::Head, "taken back");
                    let nothing = Op::EndMessage(whole(scene.ids.message(), "x"));
                    let batch = scene.batch().op(Op::AppendMessage(row)).op(nothing);
                    assert!(scene.apply(batch).await.is_err());
                }
            }
        }
        for (conversation, counts, _, _) in &conversations {
            let row = scene.shown(*conversation).await;
            let shown = Counts {
                messages: row.message_count,
                input: row.input_tokens,
                output: row.output_tokens,
                cost: row.cost_nano_usd,
                head: row.head_id,
            };
            assert_eq!(shown, *counts, "seed {seed}");
        }
    }
}

pub(super) async fn counters_never_go_negative(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let mut row = user_row(scene.ids.message(), conversation, Parent::Head, "x");
    row.usage = Some(Usage { input_tokens: -5, output_tokens: i64::MAX, ..Usage::default() });
    row.cost = Some(Cost { nano_usd: Some(-9), ..Cost::default() });
    let mut next = user_row(scene.ids.message(), conversation, Parent::Head, "y");
    next.usage = Some(Usage { input_tokens: 2, output_tokens: i64::MAX, ..Usage::default() });
    scene.apply(scene.batch().op(Op::AppendMessage(row)).op(Op::AppendMessage(next))).await.unwrap();
    let shown = scene.shown(conversation).await;
    assert_eq!((shown.input_tokens, shown.output_tokens, shown.cost_nano_usd), (2, i64::MAX, 0));
}

pub(super) async fn close_then_use_is_closed_error(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let planned = scene.planned(conversation);
    let attachment = scene.ids.attachment();
    let store = &scene.store;
    store.close().await.unwrap();
    store.close().await.unwrap();
    fn closed<T: std::fmt::Debug>(result: crate::model::Result<T>) {
        refused(result, ErrorKind::Closed, "store_closed");
    }
    closed(scene.apply_op(put_conversation(conversation)).await);
    closed(store.conversation(scene.owner, conversation).await);
    closed(store.conversations(scene.owner, ListQuery { limit: 5, ..ListQuery::default() }).await);
    closed(store.messages(scene.owner, conversation, Anchor::End, 5).await);
    closed(store.messages_upto(scene.owner, conversation, planned.message, Anchor::End, 5).await);
    closed(store.siblings(scene.owner, conversation, SiblingAnchor::Around(planned.message), 5).await);
    closed(store.branches(scene.owner, conversation, BranchQuery { limit: 5, before: None, after: None }).await);
    closed(store.message(scene.owner, planned.message).await);
    closed(store.turn(scene.owner, planned.turn).await);
    closed(store.turn_of_client(scene.owner, conversation, "c").await);
    closed(store.attachment(scene.owner, attachment).await);
    closed(store.queue_due(NOW, Due::Eager { model: None }, 5).await);
    closed(store.queue(scene.owner, QueueQuery { conversation: None, moving: false, limit: 5 }).await);
    closed(store.recover(NOW).await);
}

pub(super) async fn a_dropped_apply_is_applied_whole_or_not_at_all(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    for number in 0..20 {
        let pair = [0, 1].map(|_| user_row(scene.ids.message(), conversation, Parent::Head, &number.to_string()));
        let [first, second] = pair;
        let batch = scene.batch().op(Op::AppendMessage(first)).op(Op::AppendMessage(second));
        let mut applying = scene.store.apply(batch, Durability::PowerSafe);
        // Polled once at most, then dropped.
        if number % 2 == 0 {
            let _ = futures::poll!(&mut applying);
        }
        drop(applying);
    }
    // A batch of the same owner that is awaited comes after all that were accepted.
    scene.append(conversation, Parent::Head, "end").await;
    let texts = scene.texts(conversation).await;
    assert_eq!(texts.last().map(String::as_str), Some("end"));
    let pairs = &texts[..texts.len() - 1];
    assert!(pairs.len().is_multiple_of(2), "{pairs:?}");
    assert!(pairs.chunks(2).all(|pair| pair[0] == pair[1]), "{pairs:?}");
    assert_eq!(scene.shown(conversation).await.message_count, i64::try_from(texts.len()).unwrap());
}

pub(super) fn bytes_of(id: AttachmentId, message: MessageId, data: &'static [u8]) -> NewAttachment {
    let (mime_type, name) = ("image/png".to_owned(), Some("a picture".to_owned()));
    NewAttachment { id, message, part_index: 0, mime_type, name, data: Bytes::from_static(data) }
}

fn step(turn: TurnId) -> NewStep {
    let (kind, target, data) = (StepKind::Attempt, "test/any".to_owned(), Bytes::from_static(b"{}"));
    NewStep { turn, index: 1, kind, target, error: None, data, ended_at: None }
}
