//! Pages of messages and of conversations.

use std::sync::Arc;

use super::scene::{STRANGER, Scene, refused};
use crate::base::{ConversationId, ErrorKind, MessageId, Random as _, SeededRandom};
use crate::store::{Anchor, ConversationRows, ListQuery, Op, Parent, Store};

pub(super) async fn page_of_empty_conversation_reached_both_ends(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    for anchor in [Anchor::Start, Anchor::End] {
        let page = scene.page(conversation, anchor, 50).await;
        assert_eq!(page.items, []);
        assert!(page.reached_start && page.reached_end);
    }
    let shown = scene.shown(conversation).await;
    assert_eq!((shown.message_count, shown.head_id, shown.last_preview, shown.last_role), (0, None, None, None));
}

/// Reads the whole branch in pages of this size, from the start and from the end.
pub(super) async fn both_ways(
    scene: &Scene,
    conversation: ConversationId,
    limit: usize,
) -> (Vec<MessageId>, Vec<MessageId>) {
    let mut forward = Vec::new();
    let mut anchor = Anchor::Start;
    loop {
        let page = scene.page(conversation, anchor, limit).await;
        assert!(page.items.len() == limit || page.reached_end);
        assert_eq!(page.reached_start, forward.is_empty());
        forward.extend(page.items.iter().map(|message| message.id));
        match forward.last() {
            Some(last) if !page.reached_end => anchor = Anchor::After(*last),
            _ => break,
        }
    }
    let mut backward: Vec<MessageId> = Vec::new();
    let mut anchor = Anchor::End;
    loop {
        let page = scene.page(conversation, anchor, limit).await;
        assert!(page.items.len() == limit || page.reached_start);
        assert_eq!(page.reached_end, backward.is_empty());
        backward.splice(0..0, page.items.iter().map(|message| message.id));
        match backward.first() {
            Some(first) if !page.reached_start => anchor = Anchor::Before(*first),
            _ => break,
        }
    }
    (forward, backward)
}

pub(super) async fn page_forward_and_backward_meet_on_every_branch(store: Arc<dyn Store>) {
    for seed in 0..4 {
        let scene = Scene::seeded(Arc::clone(&store), seed);
        let random = SeededRandom::new(seed);
        let conversation = scene.new_conversation().await;
        // The branch as the test itself knows it: each message's way from the beginning.
        let mut ways: Vec<Vec<MessageId>> = Vec::new();
        for number in 0..150_usize {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small index")]
            let old = (random.unit() * ways.len().max(1) as f64) as usize;
            let (parent, mut way) = match ways.last() {
                Some(way) if random.unit() < 0.9 => (Parent::Head, way.clone()),
                Some(_) if random.unit() < 0.9 => (Parent::Message(*ways[old].last().unwrap()), ways[old].clone()),
                _ => (Parent::Start, Vec::new()),
            };
            way.push(scene.append(conversation, parent, &number.to_string()).await);
            ways.push(way);
            if number % 10 == 9 {
                let way = ways.last().unwrap();
                for limit in [1, 3, 7, 50] {
                    let (forward, backward) = both_ways(&scene, conversation, limit).await;
                    assert_eq!(&forward, way, "seed {seed}, message {number}, limit {limit}");
                    assert_eq!(&backward, way, "seed {seed}, message {number}, limit {limit}");
                }
            }
        }
    }
}

pub(super) async fn page_survives_inserts_between_pages(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let ids = scene.fill(conversation, 10).await;
    let latest = scene.ids_on_page(conversation, Anchor::End, 4).await;
    assert_eq!(latest, ids[6..]);
    let new = scene.fill(conversation, 3).await;
    let older = scene.ids_on_page(conversation, Anchor::Before(latest[0]), 4).await;
    assert_eq!(older, ids[2..6]);
    let newer = scene.page(conversation, Anchor::After(ids[9]), 50).await;
    assert_eq!(newer.items.iter().map(|m| m.id).collect::<Vec<_>>(), new);
    assert!(newer.reached_end);
    let nothing = scene.page(conversation, Anchor::After(new[2]), 50).await;
    assert!(nothing.items.is_empty() && nothing.reached_end && !nothing.reached_start);
}

pub(super) async fn a_page_has_exactly_its_limit_unless_an_end_is_reached(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let ids = scene.fill(conversation, 20).await;
    for limit in [0, 1, 5, 19, 20, 21, 200] {
        for anchor in [Anchor::Start, Anchor::End, Anchor::Before(ids[10]), Anchor::After(ids[10])] {
            let page = scene.page(conversation, anchor, limit).await;
            let (there, start, end) = match anchor {
                Anchor::Before(_) => (10, limit >= 10, false),
                Anchor::After(_) => (9, false, limit >= 9),
                Anchor::Start => (20, true, limit >= 20),
                _ => (20, limit >= 20, true),
            };
            assert_eq!(page.items.len(), there.min(limit), "{anchor:?} {limit}");
            assert_eq!((page.reached_start, page.reached_end), (start, end), "{anchor:?} {limit}");
        }
    }
}

pub(super) async fn a_page_after_a_message_off_the_branch_is_invalid(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let ids = scene.fill(conversation, 6).await;
    let other = scene.append(conversation, Parent::Message(ids[2]), "another way").await;
    for gone in [ids[3], ids[5]] {
        let page = scene.store.messages(scene.owner, conversation, Anchor::After(gone), 5).await;
        refused(page, ErrorKind::Invalid, "bad_cursor");
    }
    assert_eq!(scene.ids_on_page(conversation, Anchor::After(ids[2]), 5).await, [other]);
}

pub(super) async fn a_page_before_a_message_off_the_branch_follows_that_branch(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let ids = scene.fill(conversation, 6).await;
    scene.append(conversation, Parent::Message(ids[0]), "another way").await;
    let page = scene.page(conversation, Anchor::Before(ids[5]), 3).await;
    assert_eq!(page.items.iter().map(|m| m.id).collect::<Vec<_>>(), ids[2..5]);
    assert!(!page.reached_end && !page.reached_start);
}

pub(super) async fn a_page_from_another_conversation_is_invalid(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let (here, there) = (scene.new_conversation().await, scene.new_conversation().await);
    scene.fill(here, 3).await;
    let foreign = scene.fill(there, 3).await[1];
    let root = MessageId::from_bytes(*here.as_bytes());
    for anchor in
        [foreign, scene.ids.message(), root].into_iter().flat_map(|id| [Anchor::Before(id), Anchor::After(id)])
    {
        let page = scene.store.messages(scene.owner, here, anchor, 5).await;
        refused(page, ErrorKind::Invalid, "bad_cursor");
    }
}

pub(super) async fn siblings_are_numbered_and_counted(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let first = scene.append(conversation, Parent::Start, "first").await;
    let answer = scene.append(conversation, Parent::Head, "answer").await;
    let again = scene.append(conversation, Parent::Message(first), "again").await;
    let edited = scene.append(conversation, Parent::Start, "edited").await;
    let place = async |id| {
        let message = scene.store.message(scene.owner, id).await.unwrap().unwrap();
        (message.parent_id, message.depth, message.sibling_index, message.sibling_count)
    };
    assert_eq!(place(first).await, (None, 1, 0, 2));
    assert_eq!(place(edited).await, (None, 1, 1, 2));
    assert_eq!(place(answer).await, (Some(first), 2, 0, 2));
    assert_eq!(place(again).await, (Some(first), 2, 1, 2));
    let page = scene.page(conversation, Anchor::End, 5).await;
    assert_eq!(page.items.len(), 1);
    assert_eq!((page.items[0].sibling_index, page.items[0].sibling_count), (1, 2));
    assert_eq!(scene.shown(conversation).await.message_count, 4);
    // A row on a page says the same as the row alone.
    scene.append(conversation, Parent::Message(again), "on").await;
    for message in scene.page(conversation, Anchor::Start, 50).await.items {
        assert_eq!(scene.store.message(scene.owner, message.id).await.unwrap(), Some(message));
    }
}

async fn list(scene: &Scene, limit: usize, before: Option<i64>, after: Option<i64>) -> ConversationRows {
    let before = before.map(|activity| (false, activity));
    scene.store.conversations(scene.owner, ListQuery { limit, before, after, ..ListQuery::default() }).await.unwrap()
}

fn names(rows: &ConversationRows) -> Vec<ConversationId> {
    rows.items.iter().map(|(_, conversation)| conversation.id).collect()
}

pub(super) async fn a_list_shows_the_latest_activity_first(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let empty = list(&scene, 10, None, None).await;
    assert!(empty.items.is_empty() && empty.reached_start && empty.reached_end);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(scene.new_conversation().await);
    }
    scene.append(ids[1], Parent::Head, "moves up").await;
    let rename = crate::store::ConversationChange { title: Some(Some("new".to_owned())), ..Default::default() };
    scene.apply_op(Op::UpdateConversation { id: ids[0], change: rename }).await.unwrap();
    let all = list(&scene, 10, None, None).await;
    assert_eq!(names(&all), [ids[1], ids[4], ids[3], ids[2], ids[0]]);
    assert!(all.reached_start && all.reached_end);
    assert!(all.items.windows(2).all(|pair| pair[0].0 > pair[1].0));
    assert_eq!(all.items[0].1, scene.shown(ids[1]).await);

    let top = list(&scene, 2, None, None).await;
    assert_eq!(names(&top), [ids[1], ids[4]]);
    assert!(top.reached_start && !top.reached_end);
    let next = list(&scene, 2, Some(top.items[1].0), None).await;
    assert_eq!(names(&next), [ids[3], ids[2]]);
    assert!(!next.reached_start && !next.reached_end);
    let last = list(&scene, 2, Some(next.items[1].0), None).await;
    assert_eq!(names(&last), [ids[0]]);
    assert!(!last.reached_start && last.reached_end);
    let nothing = list(&scene, 2, Some(last.items[0].0), None).await;
    assert!(nothing.items.is_empty() && !nothing.reached_start && nothing.reached_end);
    assert!(list(&scene, 0, None, None).await.items.is_empty());

    let newest = all.items[0].0;
    let quiet = list(&scene, 10, None, Some(newest)).await;
    assert!(quiet.items.is_empty() && quiet.reached_start && !quiet.reached_end);
    scene.append(ids[3], Parent::Head, "moves up, too").await;
    scene.append(ids[0], Parent::Head, "and this").await;
    let news = list(&scene, 1, None, Some(newest)).await;
    assert_eq!(names(&news), [ids[3]]);
    assert!(!news.reached_start);
    let news = list(&scene, 1, None, Some(news.items[0].0)).await;
    assert_eq!(names(&news), [ids[0]]);
    assert!(news.reached_start);
}

pub(super) async fn a_list_has_no_gaps_under_concurrent_activity(store: Arc<dyn Store>) {
    for seed in 0..4 {
        let scene = Scene::seeded(Arc::clone(&store), seed);
        let random = SeededRandom::new(seed);
        let mut ids = Vec::new();
        for _ in 0..30 {
            ids.push(scene.new_conversation().await);
        }
        let top = list(&scene, 4, None, None).await;
        let newest = top.items[0].0;
        let mut seen = names(&top);
        let mut before = top.items.last().map(|(activity, _)| *activity);
        loop {
            for _ in 0..2 {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small index")]
                let moved = ids[(random.unit() * ids.len() as f64) as usize];
                scene.append(moved, Parent::Head, "moves up").await;
            }
            let page = list(&scene, 4, before, None).await;
            seen.extend(names(&page));
            before = page.items.last().map(|(activity, _)| *activity);
            if page.reached_end {
                break;
            }
        }
        let scrolled = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), scrolled, "seed {seed}: something was seen twice while scrolling");
        // What moved up meanwhile is what a poll finds.
        seen.extend(names(&list(&scene, 100, None, Some(newest)).await));
        assert!(ids.iter().all(|id| seen.contains(id)), "seed {seed}");
        for id in ids {
            scene.apply_op(Op::DeleteConversation { id }).await.unwrap();
        }
    }
}

pub(super) async fn a_list_shows_only_the_owners_conversations(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let other = scene.of(STRANGER);
    let mut mine = Vec::new();
    for _ in 0..3 {
        mine.push(scene.new_conversation().await);
        other.new_conversation().await;
    }
    mine.reverse();
    let page = list(&scene, 10, None, None).await;
    assert_eq!(names(&page), mine);
    assert!(page.reached_start && page.reached_end);
}
