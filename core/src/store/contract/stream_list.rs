//! The list of streams: its order, its pages, and who is in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::scene::{OWNER, STRANGER, Scene};
use super::streams::{append, events, expire};
use crate::base::{Random as _, SeededRandom, StreamId};
use crate::store::{MAX_EVENT_ROW_BYTES, MAX_STREAMS, Op, Payload, Store, StreamRecord};

async fn list(scene: &Scene, before: Option<StreamId>, limit: usize) -> Vec<(StreamId, StreamRecord)> {
    scene.store.streams(scene.owner, before, limit).await.unwrap()
}

fn ids(rows: &[(StreamId, StreamRecord)]) -> Vec<StreamId> {
    rows.iter().map(|(id, _)| *id).collect()
}

async fn begin(scene: &Scene) -> StreamId {
    let stream = scene.ids.stream();
    append(scene, stream, 0, &["begun"]).await.unwrap();
    stream
}

async fn put_snapshot(scene: &Scene, id: StreamId, version: i64, data: &[u8]) {
    let data = Payload::new(data.to_vec()).unwrap();
    scene.apply_op(Op::PutSnapshot { id, version, data }).await.unwrap();
}

pub(super) async fn streams_are_listed_the_newest_first_each_with_its_snapshot(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    assert_eq!(list(&scene, None, 9).await, []);
    let made: Vec<StreamId> = (0..4).map(|_| scene.ids.stream()).collect();
    // When its id was made counts, not when its first or last event came.
    for at in [2, 0, 3, 1] {
        append(&scene, made[at], 0, &["begun", "gone on"]).await.unwrap();
    }
    let long = vec![b'x'; MAX_EVENT_ROW_BYTES + 1];
    put_snapshot(&scene, made[0], 1, b"older than its last event").await;
    put_snapshot(&scene, made[1], 2, &long).await;
    put_snapshot(&scene, made[3], 2, b"").await;
    append(&scene, made[0], 2, &["the last of all"]).await.unwrap();
    let rows = list(&scene, None, 9).await;
    assert_eq!(ids(&rows), [made[3], made[2], made[1], made[0]]);
    for (id, record) in &rows {
        assert_eq!(scene.store.stream(OWNER, *id).await.unwrap().as_ref(), Some(record));
    }
    let snapshots =
        rows.into_iter().map(|(_, row)| (row.version, row.snapshot.map(|found| (found.version, found.data))));
    let first = Bytes::from("older than its last event");
    let expected = [(2, Some((2, Bytes::new()))), (2, None), (2, Some((2, Bytes::from(long)))), (3, Some((1, first)))];
    assert_eq!(snapshots.collect::<Vec<_>>(), expected);
}

pub(super) async fn a_list_of_streams_holds_what_is_asked_for_and_200_at_most(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let made: Vec<StreamId> = (0..=MAX_STREAMS).map(|_| scene.ids.stream()).collect();
    let batch =
        made.iter().fold(scene.batch(), |batch, id| batch.op(Op::AppendEvents(events(&scene, *id, 0, &["one"]))));
    scene.apply(batch).await.unwrap();
    let newest: Vec<StreamId> = made.iter().rev().copied().collect();
    for limit in [MAX_STREAMS, MAX_STREAMS + 1, usize::MAX] {
        assert_eq!(ids(&list(&scene, None, limit).await), newest[..MAX_STREAMS]);
    }
    for limit in [0, 1, 3] {
        assert_eq!(ids(&list(&scene, None, limit).await), newest[..limit]);
        assert_eq!(ids(&list(&scene, Some(newest[4]), limit).await), newest[5..5 + limit]);
    }
    assert_eq!(ids(&list(&scene, Some(newest[MAX_STREAMS - 1]), 9).await), [made[0]]);
    assert_eq!(list(&scene, Some(made[0]), 9).await, []);
    // Where an id stands that nobody has, and at both ends of all that there can be.
    assert_eq!(ids(&list(&scene, Some(scene.ids.stream()), 1).await), newest[..1]);
    assert_eq!(list(&scene, Some(StreamId::from_bytes([0; 16])), 9).await, []);
    let last = StreamId::from_bytes([0xff; 16]);
    append(&scene, last, 0, &["one"]).await.unwrap();
    assert_eq!(ids(&list(&scene, None, 2).await), [last, newest[0]]);
    assert_eq!(ids(&list(&scene, Some(last), 1).await), newest[..1]);
}

pub(super) async fn a_list_of_streams_shows_an_owner_what_is_theirs_and_there(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let stranger = scene.of(STRANGER);
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        mine.insert(0, begin(&scene).await);
        theirs.insert(0, begin(&stranger).await);
    }
    assert_eq!(ids(&list(&scene, None, 9).await), mine);
    assert_eq!(ids(&list(&stranger, None, 9).await), theirs);
    // A page may begin at what others have, and shows nothing of it.
    assert_eq!(ids(&list(&scene, Some(theirs[2]), 9).await), mine[2..]);
    assert_eq!(list(&scene.of("nobody"), None, 9).await, []);
    // What is gone is no more in the list, and makes no page shorter.
    for gone in [0, 2, 3] {
        expire(&scene, mine[gone]).await;
    }
    assert_eq!(ids(&list(&scene, None, 2).await), [mine[1], mine[4]]);
    assert_eq!(ids(&list(&scene, Some(mine[3]), 9).await), mine[4..]);
    scene.apply_op(Op::SweepStream { id: mine[0] }).await.unwrap();
    scene.apply_op(Op::DeleteStream { id: mine[4] }).await.unwrap();
    append(&scene, mine[2], 0, &["anew"]).await.unwrap();
    assert_eq!(ids(&list(&scene, None, 9).await), [mine[1], mine[2], mine[5]]);
    assert_eq!(ids(&list(&stranger, None, 9).await), theirs);
}

pub(super) async fn a_list_of_streams_has_no_gap_while_new_ones_are_made(store: Arc<dyn Store>) {
    for seed in 0..4 {
        let scene = Scene::seeded(Arc::clone(&store), seed);
        let random = SeededRandom::new(seed);
        let all = list(&scene, None, MAX_STREAMS).await;
        for id in ids(&all) {
            scene.apply_op(Op::DeleteStream { id }).await.unwrap();
        }
        let mut expected = BTreeSet::new();
        for _ in 0..40 {
            expected.insert(begin(&scene).await);
        }
        let mut left = expected.clone();
        let mut seen = Vec::new();
        loop {
            let page = ids(&list(&scene, seen.last().copied(), 4).await);
            let Some(last) = page.last() else { break };
            left.retain(|id| id < last);
            seen.extend(&page);
            // New ones are made; one that was seen goes, and one that is still to come; another one goes on.
            begin(&scene).await;
            begin(&scene.of(STRANGER)).await;
            scene.apply_op(Op::DeleteStream { id: *last }).await.unwrap();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small index")]
            let some = left.iter().nth((random.unit() * left.len() as f64) as usize).copied();
            if let Some(gone) = some {
                expire(&scene, gone).await;
                left.remove(&gone);
                expected.remove(&gone);
            }
            if let Some(busy) = left.first() {
                let version = scene.store.stream(OWNER, *busy).await.unwrap().unwrap().version;
                append(&scene, *busy, version, &["goes on"]).await.unwrap();
                put_snapshot(&scene, *busy, version + 1, b"as it stands").await;
            }
        }
        assert_eq!(seen, expected.into_iter().rev().collect::<Vec<_>>(), "seed {seed}");
    }
}
