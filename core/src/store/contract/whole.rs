//! A conversation that is read whole and stands elsewhere as it stood.

use std::collections::HashMap;
use std::sync::Arc;

use super::scene::{Scene, later, put_conversation, refused, user_row};
use crate::base::{ConversationId, ErrorKind, MessageId, Random as _, SeededRandom};
use crate::store::contract::scene::{NOW, STRANGER};
use crate::store::{BranchQuery, Content, ConversationChange, ListQuery, NewRow, Op, Parent, Store, TreeRow};

async fn tree(scene: &Scene, conversation: ConversationId, limit: usize) -> Vec<TreeRow> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = scene.store.tree(scene.owner, conversation, after, limit).await.unwrap().unwrap();
        assert!(page.items.len() <= limit);
        after = page.items.last().map(|row| row.message.id).or(after);
        all.extend(page.items);
        if page.reached_end {
            return all;
        }
    }
}

/// Puts it into another conversation, as an import does. Gives the new ids by the old ones.
async fn restored(
    scene: &Scene,
    rows: &[TreeRow],
    head: Option<MessageId>,
    to: ConversationId,
) -> HashMap<MessageId, MessageId> {
    let ids: HashMap<_, _> = rows.iter().map(|row| (row.message.id, scene.ids.message())).collect();
    let mut batch = scene.batch().op(put_conversation(to));
    for row in rows {
        let parent = Parent::Restored { below: row.message.parent_id.map(|id| ids[&id]), selected: row.selected };
        batch = batch.op(Op::AppendMessage(NewRow {
            status: row.message.status,
            content: Content::encode(&row.message.parts).unwrap(),
            created_at: Some(row.message.created_at),
            ..user_row(ids[&row.message.id], to, parent, "")
        }));
    }
    // The branches that begin furthest down first, so that each is cut where it was left by those above it.
    let mut left: Vec<_> = rows.iter().filter_map(|row| Some((row.message.depth, row.left?))).collect();
    left.sort_by_key(|(depth, _)| -depth);
    for mut last in left.into_iter().map(|(_, left)| left).filter(|_| head.is_some()).chain(head) {
        // An answer that came when it had been left is where it leads.
        while Some(last) != head
            && let Some(on) = rows.iter().find(|row| row.selected && row.message.parent_id == Some(last))
        {
            last = on.message.id;
        }
        batch = batch.op(Op::ForkAt { conversation: to, message: ids[&last] });
    }
    scene.apply(batch).await.unwrap();
    ids
}

pub(super) async fn a_conversation_read_whole_stands_elsewhere_as_it_stood(store: Arc<dyn Store>) {
    for seed in 1..=12 {
        let scene = Scene::seeded(store.clone(), seed);
        let random = SeededRandom::new(seed);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small index")]
        let pick = |from: usize| (random.unit() * from as f64) as usize;
        let (from, to) = (scene.new_conversation().await, scene.ids.conversation());
        let mut ids: Vec<MessageId> = Vec::new();
        for step in 0..60 {
            let any = (!ids.is_empty()).then(|| ids[pick(ids.len().max(1))]);
            let op = match (pick(10), any) {
                (0, Some(message)) => Op::SwitchTo { conversation: from, message },
                (1, Some(message)) => Op::ForkAt { conversation: from, message },
                (2, Some(id)) => Op::WipeMessage { id },
                (3, Some(top)) if step % 3 == 0 => {
                    Op::RemoveMessages { conversation: from, top, from: None, steps: 1_000 }
                }
                (choice, any) => {
                    let parent = match (choice, any) {
                        (_, None) | (4, _) => Parent::Start,
                        (5, Some(any)) => Parent::Message(any),
                        (6, Some(any)) => Parent::Below(any),
                        (7, Some(any)) => Parent::Beside(any),
                        _ => Parent::Head,
                    };
                    Op::AppendMessage(user_row(scene.ids.message(), from, parent, &step.to_string()))
                }
            };
            scene.apply_op(op).await.unwrap();
            ids = tree(&scene, from, 200).await.into_iter().map(|row| row.message.id).collect();
        }
        let before = tree(&scene, from, 200).await;
        for limit in [1, 2, 7] {
            assert_eq!(tree(&scene, from, limit).await, before, "seed {seed}, by {limit}");
        }
        let shown = scene.shown(from).await;
        assert_eq!(i64::try_from(before.len()).unwrap(), shown.message_count, "seed {seed}");
        let new = restored(&scene, &before, shown.head_id, to).await;
        let place = |row: &TreeRow, ids: &dyn Fn(MessageId) -> MessageId| {
            let message = &row.message;
            let (id, parent) = (ids(message.id), message.parent_id.map(ids));
            let place = (message.depth, message.sibling_index, message.sibling_count, row.selected);
            (id, parent, place, message.status, message.text(), message.created_at)
        };
        let (old, moved): (Vec<_>, Vec<_>) = (
            before.iter().map(|row| place(row, &|id| new[&id])).collect(),
            tree(&scene, to, 5).await.iter().map(|row| place(row, &|id| id)).collect(),
        );
        assert_eq!(old, moved, "seed {seed}");
        let copy = scene.shown(to).await;
        let said = |shown: &crate::model::ConversationSummary| {
            (shown.message_count, shown.depth, shown.last_role, shown.last_preview.clone())
        };
        assert_eq!(said(&shown), said(&copy), "seed {seed}");
        assert_eq!(shown.head_id.map(|head| new[&head]), copy.head_id, "seed {seed}");
        let ends = async |of| -> Vec<MessageId> {
            let query = BranchQuery { limit: 200, before: None, after: None };
            let found = store.branches(scene.owner, of, query).await.unwrap().unwrap();
            found.items.iter().map(|branch| branch.head_id).collect()
        };
        let (mut of_old, mut of_new): (Vec<_>, _) =
            (ends(from).await.iter().map(|id| new[id]).collect(), ends(to).await);
        of_old.sort_unstable();
        of_new.sort_unstable();
        assert_eq!(of_old, of_new, "seed {seed}");
        if shown.head_id.is_none() {
            continue;
        }
        // Whatever is shown next is the same in both.
        for _ in 0..30 {
            if ids.is_empty() {
                break;
            }
            let message = ids[pick(ids.len())];
            let one = scene.apply_op(Op::SwitchTo { conversation: from, message }).await.unwrap();
            let other = scene.apply_op(Op::SwitchTo { conversation: to, message: new[&message] }).await.unwrap();
            assert_eq!(one.head.map(|head| new[&head]), other.head, "seed {seed}, to {message}");
        }
    }
}

pub(super) async fn what_is_restored_stands_in_its_own_time(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let restored = |moment, below| {
        let parent = Parent::Restored { below, selected: false };
        NewRow { created_at: Some(moment), ..user_row(scene.ids.message(), conversation, parent, "words") }
    };
    let moments = [later(-5_000), later(-9_000), later(-7_000)];
    let rows = moments.map(|moment| restored(moment, None));
    let ids = [rows[0].id, rows[1].id, rows[2].id];
    for row in rows {
        scene.apply_op(Op::AppendMessage(row)).await.unwrap();
    }
    let query = BranchQuery { limit: 9, before: None, after: None };
    let branches = scene.store.branches(scene.owner, conversation, query).await.unwrap().unwrap();
    let order: Vec<_> = branches.items.iter().map(|branch| branch.head_id).collect();
    assert_eq!(order, [ids[0], ids[2], ids[1]]);
    let shown = scene.shown(conversation).await;
    assert_eq!((shown.head_id, shown.message_count, shown.depth), (None, 3, 0));
    // Times far out of what a calendar has are no harm.
    let first = restored(crate::base::Timestamp::from_millis(i64::MAX), Some(ids[0]));
    let last = restored(crate::base::Timestamp::from_millis(i64::MIN), Some(first.id));
    let (below, end) = (first.id, last.id);
    scene.apply_op(Op::AppendMessage(first)).await.unwrap();
    scene.apply_op(Op::AppendMessage(last)).await.unwrap();
    let rows: Vec<_> = tree(&scene, conversation, 9).await.into_iter().map(|row| row.message.id).collect();
    assert_eq!(rows, [ids[0], below, end, ids[1], ids[2]]);
    let tags = Some(vec!["kept".to_owned()]);
    let change = ConversationChange { tags, ..ConversationChange::default() };
    scene.apply_op(Op::UpdateConversation { id: conversation, change }).await.unwrap();
    scene.new_conversation().await;
    let first_of = async |tag: Option<&str>| {
        let query = ListQuery { limit: 1, tag: tag.map(str::to_owned), ..ListQuery::default() };
        let (activity, row) = scene.store.conversations(scene.owner, query).await.unwrap().items.remove(0);
        (activity, row.id)
    };
    assert_ne!(first_of(None).await.1, conversation);
    let (created_at, updated_at) = (later(-90_000), later(-1_000));
    scene.apply_op(Op::DateConversation { id: conversation, created_at, updated_at }).await.unwrap();
    let dated = scene.shown(conversation).await;
    assert_eq!((dated.created_at, dated.updated_at), (created_at, updated_at));
    assert!(dated.version > shown.version);
    assert_eq!(first_of(None).await, (dated.version, conversation));
    assert_eq!(first_of(Some("kept")).await, (dated.version, conversation));
    assert!(NOW > dated.updated_at);
}

pub(super) async fn what_is_known_of_a_conversation_is_its_owners_alone(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let (one, other) = (scene.new_conversation().await, scene.new_conversation().await);
    let mut ids = scene.fill(one, 3).await;
    ids.extend(scene.fill(other, 2).await);
    ids.push(scene.ids.message());
    let known = async |owner, of| scene.store.known(owner, of, ids.clone()).await.unwrap();
    assert_eq!(known(scene.owner, one).await, ids[..3]);
    assert_eq!(known(scene.owner, other).await, ids[3..5]);
    assert_eq!(known(STRANGER, one).await, []);
    assert_eq!(scene.store.tree(STRANGER, one, None, 9).await.unwrap(), None);
    assert_eq!(scene.store.tree(scene.owner, scene.ids.conversation(), None, 9).await.unwrap(), None);
    let elsewhere = scene.store.tree(scene.owner, one, Some(ids[3]), 9).await;
    refused(elsewhere, ErrorKind::NotFound, "no_message");
    let foreign = Parent::Restored { below: Some(ids[3]), selected: true };
    let row = user_row(scene.ids.message(), one, foreign, "words");
    refused(scene.apply_op(Op::AppendMessage(row)).await, ErrorKind::NotFound, "no_message");
    let date = Op::DateConversation { id: one, created_at: NOW, updated_at: NOW };
    refused(scene.of(STRANGER).apply_op(date).await, ErrorKind::NotFound, "no_conversation");
}
