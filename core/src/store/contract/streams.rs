//! Streams of events: their order, who may append, what is heard, and when they are gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;

use super::lists::OVER;
use super::scene::{NOW, OWNER, STRANGER, Scene, refused};
use crate::base::{ErrorKind, StreamId};
use crate::model::Result;
use crate::store::events::ends;
use crate::store::{
    EventRows, MAX_EVENT_ROW_BYTES, MAX_EVENTS, NewEvent, NewEvents, Op, Payload, Receipt, Snapshot, Store,
    StoredEvent, Subscription, WriteBatch,
};

fn event(name: &str, data: impl Into<Bytes>) -> NewEvent {
    NewEvent { name: name.to_owned(), data: Payload::new(data).unwrap() }
}

pub(super) fn events(scene: &Scene, stream: StreamId, expected: i64, names: &[&str]) -> NewEvents {
    let events = names.iter().map(|name| event(name, format!("{{\"of\":\"{name}\"}}"))).collect();
    NewEvents { stream, expected, id: scene.ids.append(), events }
}

pub(super) async fn append(scene: &Scene, stream: StreamId, expected: i64, names: &[&str]) -> Result<Receipt> {
    scene.apply_op(Op::AppendEvents(events(scene, stream, expected, names))).await
}

async fn read(scene: &Scene, stream: StreamId, after_seq: i64, limit: usize) -> Option<EventRows> {
    scene.store.events(scene.owner, stream, after_seq, limit).await.unwrap()
}

fn names(events: &[StoredEvent]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

async fn all(scene: &Scene, stream: StreamId) -> Vec<StoredEvent> {
    let mut all: Vec<StoredEvent> = Vec::new();
    loop {
        let rows = read(scene, stream, all.last().map_or(0, |event| event.seq), MAX_EVENTS).await.unwrap();
        if rows.events.is_empty() {
            return all;
        }
        all.extend(rows.events);
    }
}

pub(super) async fn events_are_read_back_in_their_order_from_any_number(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let stream = scene.ids.stream();
    let receipt = append(&scene, stream, 0, &["begun", "asked"]).await.unwrap();
    assert_eq!(receipt.stream_version, Some(2));
    // What stands in a row and what goes into a blob, the border between, and nothing at all.
    let long = [MAX_EVENT_ROW_BYTES, MAX_EVENT_ROW_BYTES + 1, 300_000, 0].map(|bytes| vec![b'x'; bytes]);
    let more = long.iter().map(|data| event("said", data.clone())).collect();
    let more = NewEvents { stream, expected: 2, id: scene.ids.append(), events: more };
    let receipt = scene.apply_op(Op::AppendEvents(more)).await.unwrap();
    assert_eq!(receipt.stream_version, Some(6));
    let rows = read(&scene, stream, 0, MAX_EVENTS).await.unwrap();
    assert_eq!((names(&rows.events), rows.version), (vec!["begun", "asked", "said", "said", "said", "said"], 6));
    assert_eq!(rows.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(rows.events[0].data, "{\"of\":\"begun\"}");
    assert!(rows.events[2..].iter().zip(&long).all(|(event, data)| event.data == *data));
    assert!(
        rows.events[0].at >= NOW && rows.events[0].at == rows.events[1].at && rows.events[1].at < rows.events[2].at
    );
    assert_eq!(names(&read(&scene, stream, 1, 1).await.unwrap().events), ["asked"]);
    for after in [6, 7, i64::MAX] {
        let rows = read(&scene, stream, after, 9).await.unwrap();
        assert_eq!((rows.events, rows.version), (Vec::new(), 6), "behind {after}");
    }
    assert_eq!(read(&scene, stream, i64::MIN, 9).await.unwrap().events.len(), 6);
    assert_eq!(read(&scene, scene.ids.stream(), 0, 9).await, None);
    let record = scene.store.stream(OWNER, stream).await.unwrap().unwrap();
    assert_eq!((record.version, record.snapshot, record.expires_at), (6, None, None));
    assert_eq!((record.created_at, record.updated_at), (rows.events[0].at, rows.events[2].at));
}

pub(super) async fn a_page_of_events_is_bounded_in_number_and_in_bytes(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let stream = scene.ids.stream();
    for round in 0..2 {
        let many = vec!["step"; MAX_EVENTS];
        append(&scene, stream, round * i64::try_from(MAX_EVENTS).unwrap(), &many).await.unwrap();
    }
    assert_eq!(read(&scene, stream, 0, usize::MAX).await.unwrap().events.len(), MAX_EVENTS);
    assert_eq!(all(&scene, stream).await.len(), 2 * MAX_EVENTS);
    let heavy = scene.ids.stream();
    let data = (0..5_u8).map(|n| event("heavy", vec![n; 600_000])).collect();
    let new = NewEvents { stream: heavy, expected: 0, id: scene.ids.append(), events: data };
    scene.apply_op(Op::AppendEvents(new)).await.unwrap();
    assert_eq!(read(&scene, heavy, 0, MAX_EVENTS).await.unwrap().events.len(), 2);
    assert_eq!(all(&scene, heavy).await.iter().map(|event| event.data[0]).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

pub(super) async fn an_append_behind_another_event_is_conflict_and_tells_the_version(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let stream = scene.ids.stream();
    append(&scene, stream, 0, &["one", "two"]).await.unwrap();
    for expected in [0, 1, 3, 1_000_000] {
        let error = append(&scene, stream, expected, &["late"]).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Conflict, "stream_moved"), "at {expected}");
        assert!(error.detail().contains("version 2"), "{error}");
    }
    // What stood before it in the batch is taken back.
    let (other, mut batch) = (scene.ids.stream(), scene.batch());
    batch = batch.op(Op::AppendEvents(events(&scene, other, 0, &["begun"])));
    batch = batch.op(Op::AppendEvents(events(&scene, stream, 1, &["late"])));
    refused(scene.apply(batch).await, ErrorKind::Conflict, "stream_moved");
    assert_eq!(read(&scene, other, 0, 9).await, None);
    assert_eq!(names(&all(&scene, stream).await), ["one", "two"]);
    refused(append(&scene, scene.ids.stream(), 1, &["x"]).await, ErrorKind::NotFound, "no_stream");
    // Twice in one batch is one behind the other.
    let batch = scene.batch().op(Op::AppendEvents(events(&scene, stream, 2, &["three"])));
    let batch = batch.op(Op::AppendEvents(events(&scene, stream, 3, &["four"])));
    assert_eq!(scene.apply(batch).await.unwrap().stream_version, Some(4));
}

pub(super) async fn of_many_who_append_at_once_one_is_first(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let stream = scene.ids.stream();
    for version in 0..10 {
        let writers: Vec<String> = (0..8).map(|writer| format!("writer {writer}")).collect();
        let rivals = writers.iter().map(|name| async { append(&scene, stream, version, &[name]).await });
        let outcomes = futures::future::join_all(rivals).await;
        let won: Vec<usize> = (0..8).filter(|writer| outcomes[*writer].is_ok()).collect();
        assert_eq!(won.len(), 1, "at {version}");
        let last = all(&scene, stream).await.pop().unwrap();
        assert_eq!((last.seq, last.name), (version + 1, writers[won[0]].clone()));
    }
}

pub(super) async fn the_same_append_twice_is_done_once(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let stream = scene.ids.stream();
    let first = events(&scene, stream, 0, &["one", "two"]);
    let second = events(&scene, stream, 2, &["three"]);
    for new in [&first, &first, &second, &second, &first] {
        let receipt = scene.apply_op(Op::AppendEvents(new.clone())).await.unwrap();
        assert_eq!(receipt.stream_version, Some(new.last()));
    }
    assert_eq!(names(&all(&scene, stream).await), ["one", "two", "three"]);
    // The words are the same, the writer is not: it must not believe that these are its own.
    let equal = NewEvents { id: scene.ids.append(), ..first.clone() };
    refused(scene.apply_op(Op::AppendEvents(equal)).await, ErrorKind::Conflict, "stream_moved");
    // Nor is it the same batch with another event, or in another place.
    let longer = NewEvents { events: vec![event("one", "1"); 3], ..first.clone() };
    refused(scene.apply_op(Op::AppendEvents(longer)).await, ErrorKind::Conflict, "stream_moved");
    let moved = NewEvents { expected: 1, ..first };
    refused(scene.apply_op(Op::AppendEvents(moved)).await, ErrorKind::Conflict, "stream_moved");
    assert_eq!(all(&scene, stream).await.len(), 3);
}

pub(super) async fn what_cannot_be_events_is_refused_and_nothing_is_kept(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let stream = scene.ids.stream();
    let new = |expected, events| NewEvents { stream, expected, id: scene.ids.append(), events };
    let many = vec![event("x", "1"); MAX_EVENTS + 1];
    let bad = [
        new(0, Vec::new()),
        new(0, many),
        new(-1, vec![event("x", "1")]),
        new(i64::MAX, vec![event("x", "1")]),
        new(0, vec![event("good", "1"), event("", "1")]),
        new(0, vec![event(&"x".repeat(65), "1")]),
    ];
    for new in bad {
        refused(scene.apply_op(Op::AppendEvents(new)).await, ErrorKind::Invalid, "bad_events");
    }
    refused(Payload::new(vec![0; (16 << 20) + 1]), ErrorKind::Invalid, "too_large");
    assert_eq!(read(&scene, stream, 0, 9).await, None);
    let hostile = "'); DROP TABLE event; -- \u{1F980} \0";
    append(&scene, stream, 0, &[hostile]).await.unwrap();
    assert_eq!(names(&all(&scene, stream).await), [hostile]);
}

pub(super) async fn a_stream_is_its_owners_own(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let stranger = scene.of(STRANGER);
    let stream = scene.ids.stream();
    append(&scene, stream, 0, &["secret"]).await.unwrap();
    let snapshot = || Op::PutSnapshot { id: stream, version: 1, data: Payload::new("x").unwrap() };
    assert_eq!(read(&stranger, stream, 0, 9).await, None);
    assert_eq!(stranger.store.stream(STRANGER, stream).await.unwrap(), None);
    refused(append(&stranger, stream, 1, &["mine"]).await, ErrorKind::NotFound, "no_stream");
    refused(append(&stranger, stream, 0, &["mine"]).await, ErrorKind::Conflict, "id_taken");
    for op in [snapshot(), Op::ExpireStream { id: stream, expires_in: None }, Op::DeleteStream { id: stream }] {
        refused(stranger.apply_op(op).await, ErrorKind::NotFound, "no_stream");
    }
    stranger.apply_op(Op::SweepStream { id: stream }).await.unwrap();
    let mut subscription = Subscription::new(Arc::clone(&scene.store), STRANGER, stream, 0);
    refused(subscription.next().await, ErrorKind::NotFound, "no_stream");
    assert_eq!(names(&all(&scene, stream).await), ["secret"]);
    scene.apply_op(snapshot()).await.unwrap();
}

pub(super) async fn the_newest_snapshot_is_kept(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let stream = scene.ids.stream();
    let put = |version, data: &[u8]| {
        let data = Payload::new(data.to_vec()).unwrap();
        scene.apply_op(Op::PutSnapshot { id: stream, version, data })
    };
    refused(put(1, b"early").await, ErrorKind::NotFound, "no_stream");
    append(&scene, stream, 0, &["one", "two", "three"]).await.unwrap();
    for version in [0, -1, 4, i64::MAX] {
        refused(put(version, b"nothing of it").await, ErrorKind::Invalid, "bad_snapshot");
    }
    let kept = async || {
        let snapshot = scene.store.stream(OWNER, stream).await.unwrap().unwrap().snapshot.unwrap();
        (snapshot.version, snapshot.data)
    };
    let long = vec![b'x'; 100_000];
    put(2, &long).await.unwrap();
    assert_eq!(kept().await, (2, Bytes::from(long.clone())));
    put(1, b"older").await.unwrap();
    put(2, b"as old").await.unwrap();
    assert_eq!(kept().await, (2, Bytes::from(long)));
    put(3, b"newer").await.unwrap();
    assert_eq!(kept().await, (3, Bytes::from("newer")));
    // In one batch with the events that it holds.
    let batch = scene.batch().op(Op::AppendEvents(events(&scene, stream, 3, &["four"])));
    let data = Payload::json(&serde_json::json!({"steps": 4})).unwrap();
    scene.apply(batch.op(Op::PutSnapshot { id: stream, version: 4, data })).await.unwrap();
    assert_eq!(kept().await, (4, Bytes::from("{\"steps\":4}")));
}

/// A batch as something that lasts writes it: what has happened, what all of it makes, and how long that stays.
fn step(scene: &Scene, new: NewEvents, snapshot: &[u8], expires_in: Option<Duration>) -> WriteBatch {
    let (id, version) = (new.stream, new.last());
    let data = Payload::new(snapshot.to_vec()).unwrap();
    let batch = scene.batch().op(Op::AppendEvents(new)).op(Op::PutSnapshot { id, version, data });
    batch.op(Op::ExpireStream { id, expires_in })
}

pub(super) async fn an_event_its_snapshot_and_its_expiry_are_kept_together(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let stream = scene.ids.stream();
    let long = vec![b'x'; MAX_EVENT_ROW_BYTES + 1];
    let stays = Some(Duration::from_secs(4_000_000_000));
    let record = async || scene.store.stream(OWNER, stream).await.unwrap().unwrap();
    let mut before = None;
    for (version, snapshot) in [(1, &b"one"[..]), (2, &long), (3, b"three")] {
        let batch = step(&scene, events(&scene, stream, version - 1, &["step"]), snapshot, stays);
        for _ in 0..2 {
            // Also when it is handed in again.
            assert_eq!(scene.apply(batch.clone()).await.unwrap().stream_version, Some(version));
            let kept = record().await;
            assert_eq!((kept.version, kept.updated_at, kept.expires_at), (version, batch.at, ends(batch.at, stays)));
            assert_eq!(kept.snapshot, Some(Snapshot { version, data: Bytes::copy_from_slice(snapshot) }));
            before = Some(kept);
        }
    }
    // What is refused leaves nothing of itself, wherever in the batch it stands.
    let late = step(&scene, events(&scene, stream, 2, &["late"]), b"late", None);
    refused(scene.apply(late).await, ErrorKind::Conflict, "stream_moved");
    let ahead = Op::PutSnapshot { id: stream, version: 5, data: Payload::new("of what is to come").unwrap() };
    let batch = step(&scene, events(&scene, stream, 3, &["four"]), &long, None).op(ahead);
    refused(scene.apply(batch).await, ErrorKind::Invalid, "bad_snapshot");
    assert_eq!((record().await, all(&scene, stream).await.len()), (before.unwrap(), 3));
    let other = scene.ids.stream();
    let early = scene.batch().op(Op::ExpireStream { id: other, expires_in: stays });
    let early = early.op(Op::AppendEvents(events(&scene, other, 0, &["one"])));
    refused(scene.apply(early).await, ErrorKind::NotFound, "no_stream");
    assert_eq!(read(&scene, other, 0, 9).await, None);
    // The last one may say that it stays, or that it is over.
    scene.apply(step(&scene, events(&scene, stream, 3, &["four"]), b"four", None)).await.unwrap();
    assert_eq!((record().await.version, record().await.expires_at), (4, None));
    let over = step(&scene, events(&scene, stream, 4, &["over"]), b"over", Some(Duration::ZERO));
    scene.apply(WriteBatch { at: OVER, ..over }).await.unwrap();
    assert_eq!(scene.store.stream(OWNER, stream).await.unwrap(), None);
    assert_eq!(scene.store.expired_streams(NOW, 9).await.unwrap(), [(OWNER.to_owned(), stream)]);
}

pub(super) async fn expire(scene: &Scene, stream: StreamId) {
    let op = Op::ExpireStream { id: stream, expires_in: Some(Duration::ZERO) };
    scene.apply(WriteBatch::new(scene.owner, OVER).op(op)).await.unwrap();
}

pub(super) async fn a_stream_whose_time_is_up_is_not_there_and_makes_room(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let stream = scene.ids.stream();
    append(&scene, stream, 0, &["one"]).await.unwrap();
    let stay = |expires_in| scene.apply_op(Op::ExpireStream { id: stream, expires_in });
    stay(Some(Duration::from_secs(4_000_000_000))).await.unwrap();
    assert!(scene.store.stream(OWNER, stream).await.unwrap().unwrap().expires_at.unwrap() > NOW);
    stay(None).await.unwrap();
    assert_eq!(scene.store.stream(OWNER, stream).await.unwrap().unwrap().expires_at, None);
    assert_eq!(scene.store.expired_streams(NOW, 9).await.unwrap(), []);
    expire(&scene, stream).await;
    assert_eq!(read(&scene, stream, 0, 9).await, None);
    assert_eq!(scene.store.stream(OWNER, stream).await.unwrap(), None);
    refused(append(&scene, stream, 1, &["two"]).await, ErrorKind::NotFound, "no_stream");
    refused(stay(None).await, ErrorKind::NotFound, "no_stream");
    assert_eq!(scene.store.expired_streams(NOW, 9).await.unwrap(), [(OWNER.to_owned(), stream)]);
    refused(append(&scene.of(STRANGER), stream, 0, &["theirs"]).await, ErrorKind::Conflict, "id_taken");
    append(&scene, stream, 0, &["anew"]).await.unwrap();
    assert_eq!(names(&all(&scene, stream).await), ["anew"]);
    assert_eq!(scene.store.expired_streams(NOW, 9).await.unwrap(), []);
}

pub(super) async fn a_stream_is_swept_with_its_events_and_shared_bytes_stay(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let (one, two, three) = (scene.ids.stream(), scene.ids.stream(), scene.ids.stream());
    let long = "shared ".repeat(5_000);
    for stream in [one, two, three] {
        let new = NewEvents { stream, expected: 0, id: scene.ids.append(), events: vec![event("said", long.clone())] };
        let batch = scene.batch().op(Op::AppendEvents(new));
        let data = Payload::new(long.clone()).unwrap();
        scene.apply(batch.op(Op::PutSnapshot { id: stream, version: 1, data })).await.unwrap();
    }
    expire(&scene, one).await;
    expire(&scene, two).await;
    assert_eq!(scene.store.expired_streams(NOW, 1).await.unwrap().len(), 1);
    for stream in [one, one, two, three, scene.ids.stream()] {
        scene.apply_op(Op::SweepStream { id: stream }).await.unwrap();
    }
    assert_eq!(scene.store.expired_streams(NOW, 9).await.unwrap(), []);
    assert_eq!(all(&scene, three).await[0].data, long);
    assert_eq!(scene.store.stream(OWNER, three).await.unwrap().unwrap().snapshot.unwrap().data, long);
    scene.apply_op(Op::DeleteStream { id: three }).await.unwrap();
    refused(scene.apply_op(Op::DeleteStream { id: three }).await, ErrorKind::NotFound, "no_stream");
    append(&scene, three, 0, &["anew"]).await.unwrap();
}

pub(super) async fn who_subscribes_hears_every_event_once_and_without_looking(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let stream = scene.ids.stream();
    append(&scene, stream, 0, &["one", "two"]).await.unwrap();
    let mut subscription = Subscription::new(Arc::clone(&scene.store), OWNER, stream, 1);
    assert_eq!(names(&subscription.next().await.unwrap()), ["two"]);
    let mut bell = scene.store.bell(stream);
    {
        let next = subscription.next();
        tokio::pin!(next);
        assert!(futures::poll!(&mut next).is_pending());
        // Neither what happens elsewhere nor what is refused rings.
        append(&scene, scene.ids.stream(), 0, &["elsewhere"]).await.unwrap();
        append(&scene, stream, 1, &["refused"]).await.unwrap_err();
        assert_eq!(bell.rung().now_or_never(), None);
        append(&scene, stream, 2, &["three"]).await.unwrap();
        assert_eq!(names(&next.await.unwrap()), ["three"]);
    }
    // A wait that was given up has taken nothing away.
    drop(subscription.next());
    let heard = async {
        let mut heard = Vec::new();
        while heard.len() < 300 {
            heard.extend(subscription.next().await.unwrap());
        }
        heard
    };
    let said = async {
        for version in 3..303 {
            append(&scene, stream, version, &[&version.to_string()]).await.unwrap();
        }
    };
    let (heard, ()) = futures::join!(heard, said);
    assert_eq!(heard.iter().map(|event| event.seq).collect::<Vec<_>>(), (4..=303).collect::<Vec<_>>());
    let (gone, deleted) = futures::join!(subscription.next(), scene.apply_op(Op::DeleteStream { id: stream }));
    deleted.unwrap();
    refused(gone, ErrorKind::NotFound, "no_stream");
}

pub(super) async fn who_waits_for_an_event_hears_that_the_store_closes(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let stream = scene.ids.stream();
    append(&scene, stream, 0, &["one"]).await.unwrap();
    let mut subscription = Subscription::new(Arc::clone(&scene.store), OWNER, stream, 1);
    let (heard, closed) = futures::join!(subscription.next(), scene.store.close());
    closed.unwrap();
    assert_eq!(heard.unwrap_err().kind(), ErrorKind::Closed);
}

/// Random batches of two users against a map of lists.
pub(super) async fn random_streams_equal_those_of_a_naive_model(store: Arc<dyn Store>) {
    let seed = 0x5eed_0008_u64;
    let mut random = fastrand::Rng::with_seed(seed);
    let scene = Scene::new(store);
    let ids: Vec<StreamId> = (0..4).map(|_| scene.ids.stream()).collect();
    let mut model: BTreeMap<StreamId, (&str, Vec<String>)> = BTreeMap::new();
    let mut last: Option<(usize, NewEvents)> = None;
    for step in 0..400 {
        let at = format!("seed {seed:#x}, step {step}");
        let who = random.usize(..2);
        let user = scene.of([OWNER, STRANGER][who]);
        let id = ids[random.usize(..ids.len())];
        let owned = model.get(&id).filter(|(owner, _)| *owner == user.owner).map(|(_, events)| events.len());
        match random.u8(..10) {
            0 => {
                let done = user.apply_op(Op::DeleteStream { id }).await;
                assert_eq!(done.is_ok(), owned.is_some(), "{at}");
                if done.is_ok() {
                    model.remove(&id);
                }
            }
            1 if last.is_some() => {
                let (who, new) = last.clone().unwrap();
                let user = scene.of([OWNER, STRANGER][who]);
                let stands = model.get(&new.stream).is_some_and(|(owner, events)| {
                    *owner == user.owner
                        && events.get(usize::try_from(new.expected).unwrap()..).is_some_and(|rest| {
                            rest.len() >= new.events.len() && rest.iter().zip(&new.events).all(|(a, b)| *a == b.name)
                        })
                });
                if stands {
                    let receipt = user.apply_op(Op::AppendEvents(new.clone())).await.unwrap();
                    assert_eq!(receipt.stream_version, Some(new.last()), "{at}");
                }
            }
            _ => {
                let there = i64::try_from(owned.unwrap_or(0)).unwrap();
                let expected = if random.u8(..4) == 0 { random.i64(0..6) } else { there };
                let names: Vec<String> = (0..random.usize(1..5)).map(|n| format!("{step}.{n}")).collect();
                let words: Vec<&str> = names.iter().map(String::as_str).collect();
                let new = events(&user, id, expected, &words);
                let done = user.apply_op(Op::AppendEvents(new.clone())).await;
                let free = !model.contains_key(&id);
                let fits = if owned.is_some() { expected == there } else { free && expected == 0 };
                assert_eq!(done.is_ok(), fits, "{at}: {done:?}");
                if fits {
                    model.entry(id).or_insert((user.owner, Vec::new())).1.extend(names);
                    last = Some((who, new));
                }
            }
        }
    }
    for owner in [OWNER, STRANGER] {
        let rows = scene.store.streams(owner, None, 9).await.unwrap();
        let listed: Vec<_> = rows.iter().map(|(id, row)| (*id, usize::try_from(row.version).unwrap())).collect();
        let owned = model.iter().rev().filter(|(_, (whose, _))| *whose == owner);
        assert_eq!(listed, owned.map(|(id, (_, events))| (*id, events.len())).collect::<Vec<_>>(), "seed {seed:#x}");
    }
    for id in ids {
        for owner in [OWNER, STRANGER] {
            let user = scene.of(owner);
            let expected = model.get(&id).filter(|(whose, _)| *whose == owner).map(|(_, events)| events.clone());
            let found = match read(&user, id, 0, 1).await {
                None => None,
                Some(_) => Some(all(&user, id).await.into_iter().map(|event| event.name).collect::<Vec<_>>()),
            };
            assert_eq!(found, expected, "seed {seed:#x}");
        }
    }
}
