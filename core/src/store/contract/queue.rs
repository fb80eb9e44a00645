//! The send queue: what is due, in which order, and what becomes of it when a process dies or a clock jumps.

use std::sync::Arc;

use super::scene::{NOW, STRANGER, Scene, Sent, advance, later, refused, user_row};
use crate::base::{ConversationId, ErrorKind, Timestamp, TurnId};
use crate::model::{MessageStatus, Role, TurnState};
use crate::store::{
    Due, DueRows, NewRow, Op, Parent, Precondition, QueueEntry, QueueQuery, QueueRow, Store, TurnChange, WriteBatch,
};

/// Saves a message that waits in the queue for its moment.
async fn waiting(scene: &Scene, conversation: ConversationId, words: &str, not_before: Timestamp) -> Sent {
    let sent = scene.planned(conversation);
    let entry = QueueEntry { not_before: Some(not_before), ..QueueEntry::new(sent.turn) };
    let batch = scene.sending(sent, words).op(Op::Enqueue(entry)).op(rest(sent.turn, TurnState::Waiting));
    scene.apply(batch).await.unwrap();
    sent
}

/// Leaves a turn in this state with nobody who works on it.
fn rest(turn: TurnId, state: TurnState) -> Op {
    let change = TurnChange { state: Some(state), lease: Some(None), ..TurnChange::default() };
    Op::AdvanceTurn { id: turn, change }
}

async fn due(scene: &Scene, now: Timestamp, due: Due) -> DueRows {
    scene.store.queue_due(now, due, 100).await.unwrap()
}

fn turns(rows: &DueRows) -> Vec<TurnId> {
    rows.items.iter().map(|record| record.id()).collect()
}

async fn listed(scene: &Scene, conversation: Option<ConversationId>, moving: bool) -> Vec<QueueRow> {
    scene.store.queue(scene.owner, QueueQuery { conversation, moving, limit: 100 }).await.unwrap()
}

fn timed() -> Due {
    Due::Timed { except: Vec::new() }
}

fn eager(model: Option<&str>) -> Due {
    Due::Eager { model: model.map(str::to_owned) }
}

pub(super) async fn what_is_due_is_the_first_of_each_conversation_the_earliest_first(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let (one, two, three) = (scene.ids.conversation(), scene.ids.conversation(), scene.ids.conversation());
    let a = waiting(&scene, one, "a", later(20)).await;
    let behind = waiting(&scene, one, "behind", later(1)).await;
    let b = waiting(&scene.of(STRANGER), two, "b", later(10)).await;
    let c = waiting(&scene, three, "c", later(30)).await;
    assert_eq!(due(&scene, NOW, timed()).await, DueRows { items: vec![], next: Some(later(1)), waiting: 4 });
    // What stands behind another one waits for it, whatever its own moment.
    assert_eq!(due(&scene, later(5), timed()).await, DueRows { items: vec![], next: Some(later(10)), waiting: 4 });
    let both = due(&scene, later(20), timed()).await;
    assert_eq!((turns(&both), both.next), (vec![b.turn, a.turn], Some(later(30))));
    assert_eq!(both.items[0].owner, STRANGER);
    assert_eq!(both.items[1].queued.as_ref().unwrap().not_before, Some(later(20)));
    assert_eq!(scene.store.queue_due(later(50), timed(), 1).await.unwrap().items.len(), 1);
    // The next one comes when the first is gone, and a parked one stands in nobody's way.
    scene.apply(scene.batch().op(Op::Dequeue { turn: a.turn }).op(advance(a.turn, TurnState::Done))).await.unwrap();
    let parked = scene.batch().op(Op::Enqueue(QueueEntry::new(c.turn))).op(rest(c.turn, TurnState::Parked));
    scene.apply(parked).await.unwrap();
    let d = waiting(&scene, three, "d", later(40)).await;
    assert_eq!(turns(&due(&scene, later(50), timed()).await), [behind.turn, b.turn, d.turn]);
    // One that somebody works on does.
    for state in [TurnState::Saved, TurnState::Sending, TurnState::Streaming] {
        scene.apply(scene.batch().op(Op::Enqueue(QueueEntry::new(c.turn))).op(advance(c.turn, state))).await.unwrap();
        assert_eq!(turns(&due(&scene, later(50), timed()).await), [behind.turn, b.turn], "{state:?}");
    }
    // Neither what is parked or worked on waits, nor what is gone.
    assert_eq!(due(&scene, NOW, eager(None)).await.waiting, 3);
}

pub(super) async fn good_news_make_due_what_waits_for_the_model_and_not_for_the_provider(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let [a, b, c] = [1, 2, 3].map(|_| scene.ids.conversation());
    let plain = waiting(&scene, a, "plain", later(1_000)).await;
    let other = waiting(&scene, b, "other", later(2_000)).await;
    let change = TurnChange { model: Some("test/other".to_owned()), ..TurnChange::default() };
    scene.apply_op(Op::AdvanceTurn { id: other.turn, change }).await.unwrap();
    let told = waiting(&scene, c, "told", later(3_000)).await;
    let entry = QueueEntry { not_before: Some(later(3_000)), floor: Some(later(500)), ..QueueEntry::new(told.turn) };
    scene.apply_op(Op::Enqueue(entry)).await.unwrap();
    assert_eq!(turns(&due(&scene, NOW, eager(Some("test/any"))).await), [plain.turn]);
    assert_eq!(turns(&due(&scene, NOW, eager(Some("test/other"))).await), [other.turn]);
    assert_eq!(turns(&due(&scene, NOW, eager(None)).await), [plain.turn, other.turn]);
    assert_eq!(turns(&due(&scene, later(500), eager(None)).await), [plain.turn, other.turn, told.turn]);
    assert_eq!(turns(&due(&scene, NOW, eager(Some("test/none"))).await), []);
    let except = |models: &[&str]| Due::Timed { except: models.iter().map(|&model| model.to_owned()).collect() };
    assert_eq!(turns(&due(&scene, later(9_000), except(&["test/any", "x\"]'"])).await), [other.turn]);
    assert_eq!(turns(&due(&scene, later(9_000), except(&["test/any", "test/other"])).await), []);
}

pub(super) async fn a_queue_shows_its_owner_everything_first_in_first(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let (one, two) = (scene.ids.conversation(), scene.ids.conversation());
    let a = waiting(&scene, one, "the\n first", later(20)).await;
    let long = "long ".repeat(40_000);
    let b = waiting(&scene, two, &long, later(10)).await;
    let c = waiting(&scene, one, "third", later(1)).await;
    waiting(&scene.of(STRANGER), scene.ids.conversation(), "not yours", later(1)).await;
    scene
        .apply(scene.batch().op(Op::Enqueue(QueueEntry::new(a.turn))).op(rest(a.turn, TurnState::Parked)))
        .await
        .unwrap();
    let shown = |rows: &[QueueRow]| rows.iter().map(|row| row.record.id()).collect::<Vec<_>>();
    let all = listed(&scene, None, false).await;
    assert_eq!(shown(&all), [a.turn, b.turn, c.turn]);
    assert_eq!(all[0].preview, "the first");
    assert_eq!(all[1].preview, long[..160]);
    assert_eq!(shown(&listed(&scene, Some(one), false).await), [a.turn, c.turn]);
    assert_eq!(shown(&listed(&scene, Some(one), true).await), [c.turn]);
    let query = QueueQuery { conversation: None, moving: false, limit: 2 };
    assert_eq!(scene.store.queue(scene.owner, query).await.unwrap().len(), 2);
    assert_eq!(scene.store.queue("nobody", query).await.unwrap(), []);
    // Its place is kept when its times change, and when it is taken out it is gone.
    let entry =
        QueueEntry { not_before: Some(later(9)), expires_at: Some(later(99)), crashes: 2, ..QueueEntry::new(a.turn) };
    scene.apply(scene.batch().op(Op::Enqueue(entry.clone())).op(rest(a.turn, TurnState::Waiting))).await.unwrap();
    let all = listed(&scene, None, false).await;
    assert_eq!((all[0].record.id(), all[0].record.queued.as_ref()), (a.turn, Some(&entry)));
    scene.apply_op(Op::Dequeue { turn: a.turn }).await.unwrap();
    assert_eq!(shown(&listed(&scene, None, false).await), [b.turn, c.turn]);
    assert_eq!(scene.store.turn(scene.owner, a.turn).await.unwrap().unwrap().queued, None);
    scene.apply_op(Op::DeleteConversation { id: one }).await.unwrap();
    assert_eq!(shown(&listed(&scene, None, false).await), [b.turn]);
}

pub(super) async fn one_of_many_claims_a_waiting_turn(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let sent = waiting(&scene, scene.ids.conversation(), "once", NOW).await;
    let epoch = due(&scene, NOW, timed()).await.items[0].epoch;
    let claim = || -> WriteBatch {
        scene
            .batch()
            .require(Precondition::Epoch { turn: sent.turn, expected: epoch })
            .op(advance(sent.turn, TurnState::Saved))
            .op(Op::Enqueue(QueueEntry::new(sent.turn)))
    };
    let claimed = futures::future::join_all((0..5).map(|_| scene.apply(claim()))).await;
    assert_eq!(claimed.iter().filter(|claim| claim.is_ok()).count(), 1);
    assert_eq!(due(&scene, later(1_000_000), eager(None)).await, DueRows::default());
}

pub(super) async fn recovery_sends_back_what_is_queued_and_has_no_words_yet(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let queue = async |sent: Sent| {
        let entry = QueueEntry { expires_at: Some(later(900_000)), ..QueueEntry::new(sent.turn) };
        scene.apply_op(Op::Enqueue(entry)).await.unwrap();
    };
    let silent = scene.send(scene.ids.conversation(), "question").await;
    queue(silent).await;
    scene.apply_op(advance(silent.turn, TurnState::Sending)).await.unwrap();
    let speaking = scene.stream(scene.ids.conversation(), "question", "par").await;
    queue(speaking).await;
    let recovered = scene.store.recover(later(60_000)).await.unwrap();
    assert_eq!(recovered.len(), 2);
    let back = recovered.iter().find(|record| record.id() == silent.turn).unwrap();
    assert_eq!((back.turn.state, back.turn.not_before), (TurnState::Waiting, Some(later(60_000))));
    assert_eq!(back.turn.error.as_ref().unwrap().reason, "process_ended");
    let expected = QueueEntry {
        not_before: Some(later(60_000)),
        expires_at: Some(later(900_000)),
        crashes: 1,
        ..QueueEntry::new(silent.turn)
    };
    assert_eq!(back.queued, Some(expected));
    let other = recovered.iter().find(|record| record.id() == speaking.turn).unwrap();
    assert_eq!((other.turn.state, &other.queued), (TurnState::Interrupted, &None));
    assert_eq!(scene.texts(speaking.conversation).await, ["question", "par"]);
    assert_eq!(scene.store.recover(later(60_001)).await.unwrap(), []);
    assert_eq!(turns(&due(&scene, later(60_000), timed()).await), [silent.turn]);
}

pub(super) async fn a_clock_that_went_back_makes_nobody_wait_longer(store: Arc<dyn Store>) {
    const DAY: i64 = 86_400_000;
    let scene = Scene::new(store);
    let sent = waiting(&scene, scene.ids.conversation(), "question", NOW).await;
    let at = later(100);
    let entry = QueueEntry {
        not_before: Some(later(5_100)),
        floor: Some(later(2_100)),
        expires_at: Some(later(DAY + 100)),
        ..QueueEntry::new(sent.turn)
    };
    let batch = WriteBatch::new(scene.owner, at).op(Op::Enqueue(entry.clone()));
    scene.apply(batch).await.unwrap();
    // Forward it stays as it is.
    scene.store.recover(later(200)).await.unwrap();
    assert_eq!(scene.store.turn(scene.owner, sent.turn).await.unwrap().unwrap().queued, Some(entry.clone()));
    let yesterday = later(-DAY);
    scene.store.recover(yesterday).await.unwrap();
    let moved = scene.store.turn(scene.owner, sent.turn).await.unwrap().unwrap();
    let expected = QueueEntry {
        not_before: Some(later(5_000 - DAY)),
        floor: Some(later(2_000 - DAY)),
        expires_at: Some(later(0)),
        ..entry
    };
    assert_eq!(moved.queued, Some(expected.clone()));
    assert_eq!((moved.turn.not_before, moved.turn.expires_at), (expected.not_before, expected.expires_at));
    scene.store.recover(yesterday).await.unwrap();
    assert_eq!(scene.store.turn(scene.owner, sent.turn).await.unwrap().unwrap().queued, Some(expected));
}

pub(super) async fn an_answer_hides_nothing_that_was_said_since(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let answer = async |sent: Sent, words: &str| {
        let id = scene.ids.message();
        let row = NewRow {
            role: Role::Assistant,
            turn: Some(sent.turn),
            ..user_row(id, conversation, Parent::Answer(sent.message), words)
        };
        scene.apply_op(Op::AppendMessage(row)).await.unwrap().placed[0].parent
    };
    let first = scene.send(conversation, "first").await;
    let second = scene.send(conversation, "second").await;
    assert_eq!(answer(first, "to the first").await, Some(second.message));
    answer(second, "to the second").await;
    assert_eq!(scene.texts(conversation).await, ["first", "second", "to the first", "to the second"]);
    // A second answer of the same turn stands beside the first one.
    let third = scene.send(conversation, "third").await;
    assert_eq!(answer(third, "broke off").await, Some(third.message));
    assert_eq!(answer(third, "whole").await, Some(third.message));
    assert_eq!(scene.texts(conversation).await[4..], ["third", "whole"]);
    // On another branch than the question's it stands below the question.
    scene.append(conversation, Parent::Message(first.message), "elsewhere").await;
    assert_eq!(answer(third, "late").await, Some(third.message));
}

pub(super) async fn a_message_that_is_taken_back_stays_and_says_so(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let kept = scene.append(conversation, Parent::Head, "kept").await;
    let sent = scene.stream(conversation, "question", "par").await;
    let before = scene.shown(conversation).await;
    scene.apply_op(Op::WithdrawMessage { id: sent.message }).await.unwrap();
    let taken = scene.store.message(scene.owner, sent.message).await.unwrap().unwrap();
    assert_eq!((taken.status, taken.text().as_str()), (MessageStatus::Cancelled, "question"));
    let after = scene.shown(conversation).await;
    assert!(taken.version > before.version && after.version == taken.version);
    assert_eq!((after.message_count, after.head_id, after.last_preview), (3, before.head_id, before.last_preview));
    assert_eq!(scene.store.message(scene.owner, kept).await.unwrap().unwrap().status, MessageStatus::Complete);
    let streaming = scene.apply_op(Op::WithdrawMessage { id: sent.reply }).await;
    refused(streaming, ErrorKind::Conflict, "still_streaming");
    let foreign = scene.of(STRANGER).apply_op(Op::WithdrawMessage { id: sent.message }).await;
    refused(foreign, ErrorKind::NotFound, "no_message");
}
