//! Where a page begins, how long it is, and how much it holds.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::scene::{STRANGER, Scene, refused, text, user_row};
use crate::base::{ConversationId, ErrorKind, MessageId, Random as _, SeededRandom};
use crate::model::{Cost, Detail, Message, MessageStatus, Part, Role};
use crate::store::{Anchor, Content, MessageRows, NewRow, Op, PageQuery, PageSize, Parent, Store};

async fn read(scene: &Scene, conversation: ConversationId, query: PageQuery) -> MessageRows {
    let page = scene.store.page(scene.owner, conversation, query).await.unwrap();
    page.expect("the conversation is there")
}

fn ids(page: &MessageRows) -> Vec<MessageId> {
    page.items.iter().map(|message| message.id).collect()
}

/// Messages of these roles (`u`, `a`, `t`), one below the other.
async fn said(scene: &Scene, conversation: ConversationId, roles: &str) -> Vec<MessageId> {
    let mut batch = scene.batch();
    let mut ids = Vec::new();
    for role in roles.chars() {
        let role = match role {
            'u' => Role::User,
            'a' => Role::Assistant,
            _ => Role::Tool,
        };
        let row = NewRow { role, ..user_row(scene.ids.message(), conversation, Parent::Head, "words") };
        ids.push(row.id);
        batch = batch.op(Op::AppendMessage(row));
    }
    scene.apply(batch).await.unwrap();
    ids
}

pub(super) async fn a_page_stands_around_a_message_or_at_a_position(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let said = scene.fill(conversation, 300).await;
    let around = read(&scene, conversation, PageQuery::new(Anchor::Around(said[150]), 5)).await;
    assert_eq!(ids(&around), said[148..153]);
    assert!(!around.reached_start && !around.reached_end);
    let at = read(&scene, conversation, PageQuery::new(Anchor::At(201), 50)).await;
    assert_eq!(ids(&at), said[200..250]);
    let last = read(&scene, conversation, PageQuery::new(Anchor::At(299), 50)).await;
    assert_eq!((ids(&last), last.reached_end), (said[298..].to_vec(), true));
    let nothing = read(&scene, conversation, PageQuery::new(Anchor::At(301), 50)).await;
    assert!(nothing.items.is_empty() && nothing.reached_end && !nothing.reached_start);

    // On another branch than the one that is shown.
    let other = scene.append(conversation, Parent::Message(said[9]), "elsewhere").await;
    let hidden = Anchor::Around(said[150]);
    refused(
        scene.store.page(scene.owner, conversation, PageQuery::new(hidden, 5)).await,
        ErrorKind::Invalid,
        "bad_cursor",
    );
    let upto = Some(said[299]);
    let there = read(&scene, conversation, PageQuery { upto, ..PageQuery::new(hidden, 5) }).await;
    assert_eq!(ids(&there), said[148..153]);
    let here = read(&scene, conversation, PageQuery::new(Anchor::Around(other), 3)).await;
    assert_eq!(ids(&here), [said[8], said[9], other]);
    let elsewhere = scene.new_conversation().await;
    let query = PageQuery::new(Anchor::Around(said[0]), 3);
    refused(scene.store.page(scene.owner, elsewhere, query).await, ErrorKind::Invalid, "bad_cursor");
}

pub(super) async fn a_page_of_turns_holds_whole_turns(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let said = said(&scene, conversation, "auatauauua").await;
    let turns = |anchor, turns| PageQuery { size: PageSize::Turns(turns), ..PageQuery::new(anchor, 0) };
    for (anchor, number, expected) in [
        (Anchor::End, 1, 8..10),
        (Anchor::End, 2, 7..10),
        (Anchor::End, 3, 5..10),
        (Anchor::End, 99, 0..10),
        (Anchor::Start, 2, 0..5),
        (Anchor::Before(said[5]), 1, 1..5),
        (Anchor::Before(said[4]), 1, 1..4),
        (Anchor::After(said[4]), 1, 5..7),
        (Anchor::After(said[2]), 2, 3..7),
        (Anchor::At(4), 1, 3..5),
        (Anchor::Around(said[3]), 1, 1..5),
        (Anchor::Around(said[3]), 3, 0..7),
        (Anchor::End, 0, 10..10),
    ] {
        let page = read(&scene, conversation, turns(anchor, number)).await;
        assert_eq!(ids(&page), said[expected.clone()], "{anchor:?} {number}");
        let ends = (page.reached_start, page.reached_end);
        assert_eq!(
            ends,
            (expected.start == 0, expected.end == 10 && !matches!(anchor, Anchor::Before(_))),
            "{anchor:?}"
        );
    }
    // A turn that no page can hold is cut.
    let long = scene.new_conversation().await;
    let said = self::said(&scene, long, &format!("u{}", "at".repeat(150))).await;
    let page = read(&scene, long, turns(Anchor::End, 1)).await;
    assert_eq!((ids(&page), page.reached_start), (said[101..].to_vec(), false));
    let page = read(&scene, long, turns(Anchor::Before(said[101]), 1)).await;
    assert_eq!((ids(&page), page.reached_start), (said[..101].to_vec(), true));
}

pub(super) async fn a_page_holds_as_much_of_each_message_as_is_asked_for(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let long = "long words, ".repeat(10_000);
    for words in ["first\nwords", &long, ""] {
        let parts = if words.is_empty() { vec![] } else { vec![Part::text(words)] };
        let row = NewRow {
            content: Content::encode(&parts).unwrap(),
            model: Some("test/any".to_owned()),
            metadata: HashMap::from([("key".to_owned(), "value".to_owned())]),
            cost: Some(Cost { nano_usd: Some(7), ..Cost::default() }),
            ..user_row(scene.ids.message(), conversation, Parent::Head, "")
        };
        scene.apply_op(Op::AppendMessage(row)).await.unwrap();
    }
    let full = read(&scene, conversation, PageQuery::new(Anchor::End, 5)).await;
    assert_eq!(full.items[1].text(), long);
    let of = async |detail| read(&scene, conversation, PageQuery { detail, ..PageQuery::new(Anchor::End, 5) }).await;
    let bare = |message: &Message, parts: Vec<Part>| Message {
        parts,
        model: None,
        cost: None,
        metadata: HashMap::new(),
        ..message.clone()
    };
    let places = of(Detail::Ids).await;
    assert_eq!(places.items, full.items.iter().map(|message| bare(message, vec![])).collect::<Vec<_>>());
    let previews = of(Detail::Previews).await;
    let words = [vec![Part::text("first words")], vec![Part::text(&long[..160])], vec![]];
    let expected: Vec<_> = full.items.iter().zip(words).map(|(message, words)| bare(message, words)).collect();
    assert_eq!(previews.items, expected);
    assert_eq!(full, of(Detail::Full).await);
}

pub(super) async fn an_unchanged_conversation_is_not_read(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let said = scene.fill(conversation, 3).await;
    let mut version = scene.shown(conversation).await.version;
    let since = |version| PageQuery { unchanged_since: Some(version), ..PageQuery::new(Anchor::End, 50) };
    let unchanged = read(&scene, conversation, since(version)).await;
    assert_eq!((unchanged.items.len(), unchanged.version), (0, version));
    assert_eq!(read(&scene, conversation, since(version - 1)).await.items.len(), 3);
    // Whatever a page shows raises it.
    let sent = scene.planned(conversation);
    let mut batches = vec![
        scene.sending(sent, "question"),
        scene.first_words(sent, "ans"),
        scene.ending(sent, 2, "answer"),
        scene.batch().op(Op::WithdrawMessage { id: said[1] }),
        scene.batch().op(Op::WipeMessage { id: said[1] }),
        scene.batch().op(Op::AppendMessage(user_row(
            scene.ids.message(),
            conversation,
            Parent::Below(said[0]),
            "aside",
        ))),
        scene.batch().op(Op::ForkAt { conversation, message: said[2] }),
        scene.batch().op(Op::SwitchTo { conversation, message: sent.message }),
        scene.batch().op(Op::RemoveMessages { conversation, top: sent.message, from: None, steps: 9 }),
    ];
    for (number, batch) in batches.drain(..).enumerate() {
        scene.apply(batch).await.unwrap();
        let page = read(&scene, conversation, since(version)).await;
        assert!(page.version > version && !page.items.is_empty(), "batch {number}");
        version = page.version;
    }
}

pub(super) async fn opening_gives_row_and_page_of_one_moment(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let said = scene.fill(conversation, 10).await;
    let query = PageQuery::new(Anchor::End, 4);
    let (row, page) = scene.store.open(scene.owner, conversation, query).await.unwrap().unwrap();
    assert_eq!(row, scene.shown(conversation).await);
    assert_eq!(ids(&page), said[6..]);
    assert_eq!(page, read(&scene, conversation, query).await);
    assert_eq!(scene.store.open(STRANGER, conversation, query).await.unwrap(), None);
    assert_eq!(scene.store.page(STRANGER, conversation, query).await.unwrap(), None);
}

/// The messages of a branch, with whom they are of.
type Way = Vec<(MessageId, Role)>;

/// Where the turns of these messages begin.
fn firsts(way: &[(MessageId, Role)]) -> Vec<usize> {
    (0..way.len()).filter(|at| *at == 0 || way[*at].1 == Role::User).collect()
}

/// Which messages of a branch stand on a page; short enough that every turn fits.
fn expected(way: &Way, query: &PageQuery) -> Range<usize> {
    let index = |id: MessageId| way.iter().position(|(of, _)| *of == id).unwrap();
    let forward = |from: usize| match query.size {
        PageSize::Messages(n) => from..(from + n).min(way.len()),
        PageSize::Turns(n) => {
            let firsts = firsts(&way[from..]);
            from..firsts.get(n).map_or(way.len(), |at| from + at)
        }
    };
    let backward = |to: usize| match query.size {
        PageSize::Messages(n) => to.saturating_sub(n)..to,
        PageSize::Turns(n) => {
            let firsts = firsts(&way[..to]);
            firsts.len().checked_sub(n).map_or(0, |at| firsts.get(at).copied().unwrap_or(to))..to
        }
    };
    match query.anchor {
        Anchor::Start => forward(0),
        Anchor::At(place) => forward(usize::try_from(place - 1).unwrap().min(way.len())),
        Anchor::After(id) => forward(index(id) + 1),
        Anchor::End => backward(way.len()),
        Anchor::Before(id) => backward(index(id)),
        Anchor::Around(id) => {
            // Of messages, or of turns: so many about the one in which it stands.
            let units = if matches!(query.size, PageSize::Turns(_)) { firsts(way) } else { (0..way.len()).collect() };
            let (PageSize::Messages(n) | PageSize::Turns(n)) = query.size;
            let unit = units.iter().rposition(|first| *first <= index(id)).unwrap();
            let length = n.min(units.len());
            let from = unit.saturating_sub((length - 1) / 2).min(units.len() - length);
            units[from]..units.get(from + length).copied().unwrap_or(way.len())
        }
    }
}

pub(super) async fn random_pages_equal_those_of_a_naive_model(store: Arc<dyn Store>) {
    for seed in 0..6 {
        let scene = Scene::seeded(Arc::clone(&store), seed);
        let random = SeededRandom::new(seed);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small index")]
        let below = |n: usize| (random.unit() * n as f64) as usize;
        let conversation = scene.new_conversation().await;
        let mut ways: Vec<Way> = Vec::new();
        for step in 0..150 {
            // Something is said between any two pages, on the branch that is shown or beside it.
            let beside = (step > 0 && below(8) == 0).then(|| ways[below(ways.len())].clone());
            let role = [Role::User, Role::Assistant, Role::Assistant, Role::Tool][below(4)];
            let (parent, mut way) = match beside {
                Some(way) => (Parent::Message(way.last().unwrap().0), way),
                None => (Parent::Head, ways.last().cloned().unwrap_or_default()),
            };
            let row = NewRow {
                role,
                content: text("words"),
                status: MessageStatus::Complete,
                ..user_row(scene.ids.message(), conversation, parent, "")
            };
            way.push((row.id, role));
            scene.apply_op(Op::AppendMessage(row)).await.unwrap();
            ways.push(way);

            let on_shown = below(2) == 0;
            let way = if on_shown { ways.last().unwrap() } else { &ways[below(ways.len())] };
            let any = way[below(way.len())].0;
            let anchor = [
                Anchor::Start,
                Anchor::End,
                Anchor::Before(any),
                Anchor::After(any),
                Anchor::Around(any),
                Anchor::At(i32::try_from(1 + below(way.len() + 2)).unwrap()),
            ][below(6)];
            let size = if below(2) == 0 { PageSize::Messages(1 + below(9)) } else { PageSize::Turns(1 + below(5)) };
            let upto = (!on_shown).then(|| way.last().unwrap().0);
            let detail = [Detail::Ids, Detail::Previews, Detail::Full][below(3)];
            let query = PageQuery { upto, anchor, size, detail, unchanged_since: None };
            let told = format!("seed {seed}, step {step}, {query:?}");
            let page = read(&scene, conversation, query).await;
            let range = expected(way, &query);
            assert_eq!(ids(&page), way[range.clone()].iter().map(|(id, _)| *id).collect::<Vec<_>>(), "{told}");
            for (at, message) in range.clone().zip(&page.items) {
                assert_eq!(usize::try_from(message.depth).unwrap(), at + 1, "{told}");
                assert_eq!(message.parent_id, at.checked_sub(1).map(|at| way[at].0), "{told}");
            }
            if !range.is_empty() {
                let reached_end = range.end == way.len() && !matches!(anchor, Anchor::Before(_));
                assert_eq!((page.reached_start, page.reached_end), (range.start == 0, reached_end), "{told}");
            }
        }
    }
}
