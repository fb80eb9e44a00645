//! What a list of conversations shows: pins, the archive, tags, and what is gone by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::scene::{NOW, STRANGER, Scene, advance, later, new_conversation, put_conversation, refused, user_row};
use super::search::query;
use crate::base::{ConversationId, ErrorKind, Random as _, SeededRandom, Timestamp};
use crate::model::{Preferences, PreferencesChange, TurnState};
use crate::store::{
    Anchor, ConversationChange, ConversationRows, ListQuery, NewAttachment, NewConversation, Op, Parent, Precondition,
    SearchQuery, Store, WriteBatch,
};

/// Long over by any clock, and by the batches of a scene.
pub(super) const OVER: Timestamp = Timestamp::from_millis(-1_000);

async fn list(scene: &Scene, query: ListQuery) -> ConversationRows {
    scene.store.conversations(scene.owner, query).await.unwrap()
}

fn names(rows: &ConversationRows) -> Vec<ConversationId> {
    rows.items.iter().map(|(_, row)| row.id).collect()
}

async fn update(scene: &Scene, id: ConversationId, change: ConversationChange) {
    scene.apply_op(Op::UpdateConversation { id, change }).await.unwrap();
}

async fn pin(scene: &Scene, id: ConversationId, pinned: bool) {
    update(scene, id, ConversationChange { pinned: Some(pinned), ..ConversationChange::default() }).await;
}

async fn archive(scene: &Scene, id: ConversationId, archived: bool) {
    update(scene, id, ConversationChange { archived: Some(archived), ..ConversationChange::default() }).await;
}

async fn tag(scene: &Scene, id: ConversationId, tags: &[&str]) {
    let tags = Some(tags.iter().map(|tag| (*tag).to_owned()).collect());
    update(scene, id, ConversationChange { tags, ..ConversationChange::default() }).await;
}

/// Its time was up long ago.
async fn expire(scene: &Scene, id: ConversationId) {
    let change = ConversationChange { expires_in: Some(Some(Duration::ZERO)), ..ConversationChange::default() };
    let batch = WriteBatch::new(scene.owner, OVER).op(Op::UpdateConversation { id, change });
    scene.apply(batch).await.unwrap();
}

fn ten() -> ListQuery {
    ListQuery { limit: 10, ..ListQuery::default() }
}

pub(super) async fn a_conversation_is_pinned_archived_and_tagged(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let id = scene.ids.conversation();
    let tags = vec!["work".to_owned(), "trip".to_owned()];
    let new = NewConversation { tags: tags.clone(), expires_in: Some(Duration::from_secs(5)), ..new_conversation(id) };
    let batch = scene.batch();
    let at = batch.at;
    scene.apply(batch.op(Op::PutConversation(new))).await.unwrap();
    // The store's own clock may stand elsewhere; a batch goes by its own moment.
    let change = ConversationChange {
        expires_in: Some(Some(Duration::from_secs(4_000_000_000))),
        pinned: Some(true),
        ..ConversationChange::default()
    };
    assert!(at.plus(Duration::from_secs(5)) > later(1_000));
    update(&scene, id, change).await;
    let shown = scene.shown(id).await;
    assert!(shown.pinned && !shown.archived);
    assert_eq!(shown.tags, tags);
    assert!(shown.expires_at.unwrap() > NOW);
    let version = shown.version;
    let cleared = ConversationChange {
        pinned: Some(false),
        archived: Some(true),
        expires_in: Some(None),
        tags: Some(vec![]),
        ..ConversationChange::default()
    };
    update(&scene, id, cleared).await;
    let shown = scene.shown(id).await;
    assert!(!shown.pinned && shown.archived && shown.version > version);
    assert_eq!((shown.expires_at, shown.tags, shown.depth), (None, vec![], 0));
    scene.fill(id, 3).await;
    assert_eq!(scene.shown(id).await.depth, 3);
}

pub(super) async fn a_list_puts_the_pinned_first_and_leaves_the_archived_out(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(scene.new_conversation().await);
    }
    pin(&scene, ids[0], true).await;
    pin(&scene, ids[2], true).await;
    archive(&scene, ids[3], true).await;
    pin(&scene, ids[4], true).await;
    archive(&scene, ids[4], true).await;
    assert_eq!(names(&list(&scene, ten()).await), [ids[2], ids[0], ids[5], ids[1]]);
    assert_eq!(names(&list(&scene, ListQuery { archived: true, ..ten() }).await), [ids[4], ids[3]]);
    assert_eq!(names(&list(&scene, ListQuery { pinned: Some(true), ..ten() }).await), [ids[2], ids[0]]);
    assert_eq!(names(&list(&scene, ListQuery { pinned: Some(false), ..ten() }).await), [ids[5], ids[1]]);
    // Activity moves one within its own shelf.
    scene.append(ids[1], Parent::Head, "moves up").await;
    scene.append(ids[0], Parent::Head, "moves up").await;
    assert_eq!(names(&list(&scene, ten()).await), [ids[0], ids[2], ids[1], ids[5]]);
    pin(&scene, ids[0], false).await;
    archive(&scene, ids[3], false).await;
    assert_eq!(names(&list(&scene, ten()).await), [ids[2], ids[0], ids[1], ids[5], ids[3]]);
    // Polling hears of all, pinned or not, by activity.
    let newest = list(&scene, ten()).await.items.iter().map(|(activity, _)| *activity).max();
    scene.append(ids[5], Parent::Head, "news").await;
    scene.append(ids[2], Parent::Head, "news").await;
    let news = list(&scene, ListQuery { after: newest, ..ten() }).await;
    assert_eq!((names(&news), news.reached_start), (vec![ids[2], ids[5]], true));
    let news = list(&scene, ListQuery { after: newest, limit: 1, ..ten() }).await;
    assert_eq!((names(&news), news.reached_start), (vec![ids[5]], false));
}

pub(super) async fn a_list_is_read_on_by_whatever_it_is_filtered(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let other = scene.of(STRANGER);
    let mut tagged = Vec::new();
    for number in 0..12 {
        let id = scene.new_conversation().await;
        if number % 3 == 0 {
            tag(&scene, id, &["work", "all"]).await;
            tagged.push(id);
        }
        if number == 6 {
            pin(&scene, id, true).await;
        }
        tag(&other, other.new_conversation().await, &["work"]).await;
    }
    // What was tagged before its last words stands where they put it.
    scene.append(tagged[0], Parent::Head, "moves up").await;
    let expected = [tagged[2], tagged[0], tagged[3], tagged[1]];
    let work = ListQuery { tag: Some("work".to_owned()), limit: 1, ..ListQuery::default() };
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let page = list(&scene, ListQuery { before, ..work.clone() }).await;
        assert_eq!(page.reached_start, before.is_none());
        found.extend(names(&page));
        assert!(found.len() <= expected.len(), "it does not end");
        before = page.items.last().map(|(activity, row)| (row.pinned, *activity));
        if page.reached_end {
            break;
        }
        assert_eq!(page.items.len(), 1);
    }
    assert_eq!(found, expected);
    tag(&scene, tagged[0], &["all"]).await;
    archive(&scene, tagged[1], true).await;
    scene.apply_op(Op::DeleteConversation { id: tagged[3] }).await.unwrap();
    assert_eq!(names(&list(&scene, ListQuery { limit: 9, ..work.clone() }).await), [tagged[2]]);
    assert_eq!(names(&list(&scene, ListQuery { archived: true, limit: 9, ..work.clone() }).await), [tagged[1]]);
    assert!(list(&scene, ListQuery { tag: Some("Work".to_owned()), ..ten() }).await.items.is_empty());
    let all = list(&scene, ListQuery { tag: Some("all".to_owned()), after: Some(0), ..ten() }).await;
    assert_eq!(names(&all), [tagged[0], tagged[2]]);
}

pub(super) async fn an_unchanged_list_is_not_read(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    assert_eq!(list(&scene, ten()).await.version, 0);
    let (first, second) = (scene.new_conversation().await, scene.new_conversation().await);
    let said = scene.fill(first, 3).await;
    let sent = scene.planned(first);
    let mut version = list(&scene, ten()).await.version;
    let changes = [
        scene.sending(sent, "question"),
        scene.first_words(sent, "ans"),
        scene.ending(sent, 2, "answer"),
        scene.batch().op(Op::UpdateConversation { id: second, change: ConversationChange::default() }),
        scene.batch().op(Op::WipeMessage { id: said[0] }),
        scene.batch().op(Op::WithdrawMessage { id: said[1] }),
        scene.batch().op(Op::ForkAt { conversation: first, message: said[1] }),
        scene.batch().op(Op::SwitchTo { conversation: first, message: said[2] }),
        scene.batch().op(Op::RemoveMessages { conversation: first, top: said[2], from: None, steps: 9 }),
        scene.batch().op(Op::DeleteConversation { id: second }),
        scene.batch().op(put_conversation(scene.ids.conversation())),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let same = list(&scene, ListQuery { unchanged_since: Some(version), ..ten() }).await;
        assert!(same.is_unchanged && same.items.is_empty() && same.version == version, "{number}");
        scene.apply(change).await.unwrap();
        let page = list(&scene, ListQuery { unchanged_since: Some(version), ..ten() }).await;
        assert!(!page.is_unchanged && page.version > version && !page.items.is_empty(), "{number}");
        version = page.version;
    }
    // A stranger's changes are none of ours.
    let other = scene.of(STRANGER);
    other.new_conversation().await;
    assert!(list(&scene, ListQuery { unchanged_since: Some(version), ..ten() }).await.is_unchanged);
    // What is gone by itself is a change, before it is swept away and after.
    expire(&scene, first).await;
    let version = list(&scene, ten()).await.version;
    assert!(!list(&scene, ListQuery { unchanged_since: Some(version), ..ten() }).await.is_unchanged);
}

pub(super) async fn a_conversation_whose_time_is_up_is_not_there(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let (id, there) = (scene.new_conversation().await, scene.new_conversation().await);
    tag(&scene, id, &["work"]).await;
    let sent = scene.send(id, "question").await;
    let attachment = scene.ids.attachment();
    let bytes = NewAttachment {
        id: attachment,
        message: sent.message,
        part_index: 0,
        mime_type: "text/plain".to_owned(),
        name: None,
        data: "bytes".into(),
    };
    scene.apply_op(Op::PutAttachment(bytes)).await.unwrap();
    let queued = crate::store::QueueEntry { not_before: Some(OVER), ..crate::store::QueueEntry::new(sent.turn) };
    scene.apply_op(Op::Enqueue(queued)).await.unwrap();
    expire(&scene, id).await;

    let (store, owner) = (&scene.store, scene.owner);
    let page = crate::store::PageQuery::new(Anchor::End, 5);
    assert_eq!(store.conversation(owner, id).await.unwrap(), None);
    assert_eq!(store.page(owner, id, page).await.unwrap(), None);
    assert_eq!(store.open(owner, id, page).await.unwrap(), None);
    let around = crate::store::SiblingAnchor::Around(sent.message);
    assert_eq!(store.siblings(owner, id, around, 5).await.unwrap(), None);
    let branches = crate::store::BranchQuery { limit: 5, before: None, after: None };
    assert_eq!(store.branches(owner, id, branches).await.unwrap(), None);
    assert_eq!(store.message(owner, sent.message).await.unwrap(), None);
    assert_eq!(store.turn(owner, sent.turn).await.unwrap(), None);
    assert_eq!(store.attachment(owner, attachment).await.unwrap(), None);
    let queue = crate::store::QueueQuery { conversation: None, moving: false, limit: 5 };
    assert_eq!(store.queue(owner, queue).await.unwrap(), []);
    assert_eq!(store.queue(owner, crate::store::QueueQuery { conversation: Some(id), ..queue }).await.unwrap(), []);
    let due = crate::store::Due::Timed { except: vec![] };
    assert_eq!(store.queue_due(NOW, due, 5).await.unwrap().items, []);
    assert_eq!(store.queue_due(NOW, crate::store::Due::Eager { model: None }, 5).await.unwrap().items, []);
    assert_eq!(names(&list(&scene, ten()).await), [there]);
    assert_eq!(names(&list(&scene, ListQuery { tag: Some("work".to_owned()), ..ten() }).await), []);

    let update = Op::UpdateConversation { id, change: ConversationChange::default() };
    refused(scene.apply_op(update).await, ErrorKind::NotFound, "no_conversation");
    let row = user_row(scene.ids.message(), id, Parent::Head, "more");
    refused(scene.apply_op(Op::AppendMessage(row)).await, ErrorKind::NotFound, "no_conversation");
    refused(scene.apply_op(Op::WipeMessage { id: sent.message }).await, ErrorKind::NotFound, "no_message");
    refused(scene.apply_op(advance(sent.turn, TurnState::Sending)).await, ErrorKind::NotFound, "no_turn");
    let owns = scene.batch().require(Precondition::Owns { conversation: id });
    refused(scene.apply(owns).await, ErrorKind::NotFound, "no_conversation");
    // A dead process's turn in it holds up nobody.
    assert_eq!(store.recover(later(10_000_000)).await.unwrap(), []);
}

pub(super) async fn what_has_expired_is_swept_away(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let other = scene.of(STRANGER);
    let (mine, theirs) = (scene.new_conversation().await, other.new_conversation().await);
    let stays = scene.new_conversation().await;
    assert_eq!(scene.store.expired(NOW, 9).await.unwrap(), []);
    tag(&scene, mine, &["work"]).await;
    scene.stream(mine, "question", "half").await;
    expire(&scene, mine).await;
    expire(&other, theirs).await;
    let mut expired = scene.store.expired(NOW, 9).await.unwrap();
    expired.sort();
    let mut expected = [(scene.owner.to_owned(), mine), (other.owner.to_owned(), theirs)];
    expected.sort();
    assert_eq!(expired, expected);
    assert_eq!(scene.store.expired(NOW, 1).await.unwrap().len(), 1);
    assert_eq!(scene.store.expired(later(-2_000_000_000_000), 9).await.unwrap(), []);
    // What is another's, what stays and what is not there is left alone.
    for id in [theirs, stays, scene.ids.conversation()] {
        scene.apply_op(Op::SweepConversation { id }).await.unwrap();
    }
    assert_eq!(scene.store.expired(NOW, 9).await.unwrap().len(), 2);
    assert_eq!(names(&list(&scene, ten()).await), [stays]);
    scene.apply_op(Op::SweepConversation { id: mine }).await.unwrap();
    scene.apply_op(Op::SweepConversation { id: mine }).await.unwrap();
    assert_eq!(scene.store.expired(NOW, 9).await.unwrap(), [(other.owner.to_owned(), theirs)]);
}

pub(super) async fn what_has_expired_is_not_found_by_a_search(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let (id, there) = (scene.new_conversation().await, scene.new_conversation().await);
    let gone = scene.append(id, Parent::Head, "gazpacho").await;
    let stays = scene.append(there, Parent::Head, "gazpacho, too").await;
    assert_eq!(scene.found("gazpacho").await, [stays, gone]);
    expire(&scene, id).await;
    assert_eq!(scene.found("gazpacho").await, [stays]);
    let within = SearchQuery { conversation: Some(id), ..query("gazpacho") };
    assert_eq!(scene.store.search(scene.owner, within).await.unwrap(), None);
    scene.apply_op(Op::SweepConversation { id }).await.unwrap();
    assert_eq!(scene.found("gazpacho").await, [stays]);
    scene.apply_op(put_conversation(id)).await.unwrap();
    let anew = scene.append(id, Parent::Head, "gazpacho anew").await;
    assert_eq!(scene.found("gazpacho").await, [anew, stays]);
}

pub(super) async fn a_conversation_makes_room_when_its_time_is_up(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let id = scene.new_conversation().await;
    scene.fill(id, 3).await;
    expire(&scene, id).await;
    // Not for a stranger.
    refused(scene.of(STRANGER).apply_op(put_conversation(id)).await, ErrorKind::NotFound, "no_conversation");
    scene.apply_op(put_conversation(id)).await.unwrap();
    assert_eq!(scene.shown(id).await.message_count, 0);
    assert_eq!(scene.page(id, Anchor::End, 5).await.items, []);
    scene.fill(id, 2).await;
    // One that was found before it was made anew is not swept away.
    scene.apply_op(Op::SweepConversation { id }).await.unwrap();
    assert_eq!(scene.shown(id).await.message_count, 2);
}

/// A conversation as the model knows it.
#[derive(Clone)]
struct Row {
    id: ConversationId,
    activity: usize,
    pinned: bool,
    archived: bool,
    tags: Vec<&'static str>,
}

pub(super) async fn random_lists_equal_those_of_a_naive_model(store: Arc<dyn Store>) {
    const TAGS: [&str; 3] = ["work", "trip", "home"];
    for seed in 0..6 {
        let owner: &'static str = ["a", "b", "c", "d", "e", "f"][usize::try_from(seed).unwrap()];
        let scene = Scene::seeded(Arc::clone(&store), seed).of(owner);
        let random = SeededRandom::new(seed);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small index")]
        let below = |n: usize| (random.unit() * n as f64) as usize;
        let mut rows: Vec<Row> = Vec::new();
        for step in 0..200 {
            let at = if rows.is_empty() { 0 } else { below(rows.len()) };
            match if rows.is_empty() { 0 } else { below(8) } {
                0 | 1 => {
                    let id = scene.new_conversation().await;
                    rows.push(Row { id, activity: step, pinned: false, archived: false, tags: vec![] });
                }
                2 | 3 => {
                    scene.append(rows[at].id, Parent::Head, "words").await;
                    rows[at].activity = step;
                }
                4 => {
                    rows[at].pinned = !rows[at].pinned;
                    pin(&scene, rows[at].id, rows[at].pinned).await;
                }
                5 => {
                    rows[at].archived = !rows[at].archived;
                    archive(&scene, rows[at].id, rows[at].archived).await;
                }
                6 => {
                    rows[at].tags = TAGS.into_iter().filter(|_| below(2) == 0).collect();
                    tag(&scene, rows[at].id, &rows[at].tags).await;
                }
                _ => {
                    let row = rows.remove(at);
                    if below(2) == 0 {
                        expire(&scene, row.id).await;
                    } else {
                        scene.apply_op(Op::DeleteConversation { id: row.id }).await.unwrap();
                    }
                }
            }
            let query = ListQuery {
                limit: 1 + below(5),
                archived: below(3) == 0,
                pinned: [None, Some(true), Some(false)][below(3)],
                tag: (below(2) == 0).then(|| TAGS[below(3)].to_owned()),
                ..ListQuery::default()
            };
            let told = format!("seed {seed}, step {step}, {query:?}");
            let mut expected: Vec<Row> = rows
                .iter()
                .filter(|row| {
                    row.archived == query.archived
                        && query.pinned.is_none_or(|pinned| pinned == row.pinned)
                        && query.tag.as_deref().is_none_or(|tag| row.tags.contains(&tag))
                })
                .cloned()
                .collect();
            expected.sort_by_key(|row| std::cmp::Reverse((row.pinned, row.activity)));
            let mut found = Vec::new();
            let mut before = None;
            loop {
                let page = list(&scene, ListQuery { before, ..query.clone() }).await;
                assert!(page.items.len() == query.limit || page.reached_end, "{told}");
                found.extend(names(&page));
                assert!(found.len() <= expected.len(), "{told}: it does not end");
                before = page.items.last().map(|(activity, row)| (row.pinned, *activity));
                if page.reached_end {
                    break;
                }
            }
            assert_eq!(found, expected.iter().map(|row| row.id).collect::<Vec<_>>(), "{told}");
        }
    }
}

pub(super) async fn preferences_are_an_owners_own(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let of = async |owner| scene.store.preferences(owner).await.unwrap();
    assert_eq!(of(scene.owner).await, Preferences::default());
    let named = |name: &str| PreferencesChange { name: Some(Some(name.to_owned())), ..PreferencesChange::default() };
    scene.apply_op(Op::UpdatePreferences(named("Ana"))).await.unwrap();
    scene.of(STRANGER).apply_op(Op::UpdatePreferences(named("Bo"))).await.unwrap();
    let change = PreferencesChange {
        language: Some(Some("pt-BR".to_owned())),
        values: HashMap::from([("theme".to_owned(), Some("dark".to_owned()))]),
        ..PreferencesChange::default()
    };
    scene.apply_op(Op::UpdatePreferences(change)).await.unwrap();
    let mine = of(scene.owner).await;
    assert_eq!((mine.name.as_deref(), mine.language.as_deref()), (Some("Ana"), Some("pt-BR")));
    assert_eq!(mine.values["theme"], "dark");
    assert_eq!(of(STRANGER).await, Preferences { name: Some("Bo".to_owned()), ..Preferences::default() });
    // What cannot be changes nothing, nor what stands in the same batch.
    let long = PreferencesChange { name: Some(Some("x".repeat(9_000))), ..PreferencesChange::default() };
    let batch = scene.batch().op(Op::UpdatePreferences(named("Eve"))).op(Op::UpdatePreferences(long));
    refused(scene.apply(batch).await, ErrorKind::Invalid, "too_large");
    assert_eq!(of(scene.owner).await, mine);
}
