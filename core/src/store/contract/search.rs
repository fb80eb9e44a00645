//! What can be found, by whom, and in which order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::lists::OVER;
use super::scene::{OWNER, STRANGER, Scene, put_conversation, refused, text, user_row, whole};
use crate::base::{ConversationId, ErrorKind, MessageId, Random, SeededRandom};
use crate::model::{MessageStatus, Part, Role, SearchHit, SearchSort, ToolResult};
use crate::store::search::{Query, cut};
use crate::store::{
    Content, ConversationChange, NewRow, Op, Parent, SearchPlace, SearchQuery, SearchRows, Store, WriteBatch,
};

pub(crate) fn query(words: &str) -> SearchQuery {
    SearchQuery { words: words.to_owned(), conversation: None, sort: SearchSort::Recent, limit: 50, after: None }
}

fn within(conversation: ConversationId, words: &str) -> SearchQuery {
    SearchQuery { conversation: Some(conversation), ..query(words) }
}

fn best(words: &str) -> SearchQuery {
    SearchQuery { sort: SearchSort::Relevance, ..query(words) }
}

impl Scene {
    pub(crate) async fn search(&self, query: SearchQuery) -> SearchRows {
        let words = query.words.clone();
        let rows = self.store.search(self.owner, query).await;
        rows.unwrap_or_else(|e| panic!("{words:?}: {e}")).expect("the conversation is there")
    }

    pub(crate) async fn found(&self, words: &str) -> Vec<MessageId> {
        ids(&self.search(query(words)).await.items)
    }
}

fn ids(hits: &[SearchHit]) -> Vec<MessageId> {
    hits.iter().map(|hit| hit.message_id).collect()
}

fn shown(hit: &SearchHit) -> String {
    hit.snippet.iter().map(|span| if span.hit { format!("[{}]", span.text) } else { span.text.clone() }).collect()
}

pub(super) async fn a_search_finds_every_message_that_was_acknowledged(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    assert_eq!(scene.search(query("gazpacho")).await, SearchRows::default(), "nobody has said anything");
    let conversation = scene.new_conversation().await;
    assert_eq!(scene.found("gazpacho").await, []);
    let mut said = Vec::new();
    for number in 0..20 {
        said.push(scene.append(conversation, Parent::Head, &format!("gazpacho {number}")).await);
        assert_eq!(scene.found(&format!("gazpacho {number}")).await, [said[number]]);
    }
    said.reverse();
    assert_eq!(scene.found("gazpacho").await, said);
    // A reply can be found when it has ended, and not before.
    let sent = scene.stream(conversation, "and salmorejo?", "salmorejo is").await;
    assert_eq!(scene.found("salmorejo").await, [sent.message]);
    scene.apply(scene.ending(sent, 2, "salmorejo is thicker")).await.unwrap();
    assert_eq!(scene.found("salmorejo").await, [sent.reply, sent.message]);
    // In one conversation alone.
    let other = scene.new_conversation().await;
    let elsewhere = scene.append(other, Parent::Head, "gazpacho elsewhere").await;
    assert_eq!(scene.found("gazpacho").await[0], elsewhere);
    assert_eq!(ids(&scene.search(within(other, "gazpacho")).await.items), [elsewhere]);
    let hit = &scene.search(within(other, "GAZPACHO")).await.items[0];
    assert_eq!((hit.conversation_id, shown(hit), hit.score), (other, "[gazpacho] elsewhere".to_owned(), 0.0));
}

pub(super) async fn the_newest_are_found_first_page_by_page(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let mut said = scene.fill(conversation, 5).await;
    for number in 0..23 {
        said.push(scene.append(conversation, Parent::Head, &format!("olive {number}")).await);
    }
    let mut expected = said.split_off(5);
    expected.reverse();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = scene.search(SearchQuery { limit: 10, after, ..query("olive") }).await;
        assert_eq!(page.items.len(), if page.next.is_some() { 10 } else { 3 });
        found.extend(ids(&page.items));
        // What is said meanwhile is on no later page.
        scene.append(conversation, Parent::Head, "olive, later").await;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, expected);
    let whole = scene.search(SearchQuery { limit: 26, ..query("olive") }).await;
    assert_eq!((whole.items.len(), whole.next), (26, None), "a full last page says that it is the last");
}

pub(super) async fn the_best_are_found_first_page_by_page(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let say = async |words: &str| scene.append(conversation, Parent::Head, words).await;
    let best_of_all = say("saffron saffron saffron").await;
    let good = say("rice with saffron and nothing else").await;
    let long = say(&format!("{} saffron", "rice with beans ".repeat(30))).await;
    for number in 0..40 {
        say(&format!("rice and water {number}")).await;
    }
    let hits = scene.search(best("saffron")).await.items;
    assert_eq!(ids(&hits), [best_of_all, good, long]);
    assert!(hits[0].score > hits[1].score && hits[1].score > hits[2].score && hits[2].score > 0.0, "{hits:?}");
    // The rare word counts more than the common one.
    assert_eq!(ids(&scene.search(best("rice saffron")).await.items)[0], good);

    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = scene.search(SearchQuery { limit: 9, after, ..best("rice") }).await;
        found.extend(ids(&page.items));
        after = page.next;
        if after.is_none() {
            break;
        }
        // Neither what is said nor what is deleted meanwhile moves the pages: the anchor itself may go.
        say("rice rice rice").await;
        if found.len() == 18 {
            scene.apply_op(Op::WipeMessage { id: found[17] }).await.unwrap();
        }
    }
    let all: BTreeSet<MessageId> = found.iter().copied().collect();
    assert_eq!(found.len(), all.len(), "each once");
    assert!(found.len() >= 41, "{}", found.len());
}

pub(super) async fn a_search_never_shows_another_owners_messages(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let stranger = scene.of(STRANGER);
    let (mine, theirs) = (scene.new_conversation().await, stranger.new_conversation().await);
    let secret = scene.append(mine, Parent::Head, "the secret word is rosemary").await;
    let open = stranger.append(theirs, Parent::Head, "rosemary for everybody").await;
    assert_eq!(scene.found("rosemary").await, [secret]);
    assert_eq!(stranger.found("rosemary").await, [open]);
    // Neither by the conversation's id, nor by a place, nor by words of the index's own.
    assert_eq!(stranger.store.search(STRANGER, within(mine, "rosemary")).await.unwrap(), None);
    assert_eq!(stranger.store.search("nobody", within(mine, "rosemary")).await.unwrap(), None);
    for sort in [SearchSort::Recent, SearchSort::Relevance] {
        let place = SearchPlace { message: secret, order: i64::MAX, count: 0 };
        let asked = SearchQuery { sort, after: Some(place), ..query("rosemary") };
        assert_eq!(ids(&stranger.search(asked).await.items), [open]);
    }
    for words in [
        "o1",
        "o1 c1",
        "scope:o1",
        "{scope} : o1",
        "rosemary OR secret",
        "rosemary NOT everybody",
        "\") OR (scope:\"o1",
    ] {
        for sort in [SearchSort::Recent, SearchSort::Relevance] {
            let hits = stranger.search(SearchQuery { sort, ..query(words) }).await.items;
            assert!(hits.iter().all(|hit| hit.message_id == open), "{words}: {hits:?}");
        }
    }
}

pub(super) async fn a_hit_says_whether_its_branch_is_shown(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let mut stem = Vec::new();
    for number in 0..12 {
        stem.push(scene.append(conversation, Parent::Head, &format!("thyme {number}")).await);
    }
    let edited = scene.append(conversation, Parent::Beside(stem[6]), "thyme again").await;
    let shown = async || -> BTreeSet<MessageId> {
        let hits = scene.search(query("thyme")).await.items;
        assert_eq!(hits.len(), 13);
        hits.iter().filter(|hit| hit.on_current_branch).map(|hit| hit.message_id).collect()
    };
    let expected: BTreeSet<MessageId> = stem[..6].iter().copied().chain([edited]).collect();
    assert_eq!(shown().await, expected);
    scene.apply_op(Op::SwitchTo { conversation, message: stem[11] }).await.unwrap();
    assert_eq!(shown().await, stem.iter().copied().collect());
    scene.apply_op(Op::ForkAt { conversation, message: stem[2] }).await.unwrap();
    assert_eq!(shown().await, stem[..3].iter().copied().collect());
}

pub(super) async fn what_is_deleted_is_not_found(store: Arc<dyn Store>) {
    for indexed in [true, false] {
        let scene = Scene::new(Arc::clone(&store)).of(if indexed { OWNER } else { STRANGER });
        let conversation = scene.new_conversation().await;
        let mut said = Vec::new();
        for number in 0..6 {
            said.push(scene.append(conversation, Parent::Head, &format!("basil {number}")).await);
        }
        let other = scene.new_conversation().await;
        let elsewhere = scene.append(other, Parent::Head, "basil elsewhere").await;
        if indexed {
            assert_eq!(scene.found("basil").await.len(), 7);
        }
        scene.apply_op(Op::WipeMessage { id: said[0] }).await.unwrap();
        scene.apply_op(Op::WithdrawMessage { id: said[1] }).await.unwrap();
        let remove = Op::RemoveMessages { conversation, top: said[4], from: None, steps: 100 };
        scene.apply_op(remove).await.unwrap();
        assert_eq!(scene.found("basil").await, [elsewhere, said[3], said[2], said[1]]);
        scene.apply_op(Op::DeleteConversation { id: conversation }).await.unwrap();
        assert_eq!(scene.found("basil").await, [elsewhere]);
        assert_eq!(ids(&scene.search(best("basil")).await.items), [elsewhere]);
        scene.apply_op(Op::DeleteConversation { id: other }).await.unwrap();
        assert_eq!(scene.search(best("basil")).await, SearchRows::default());
    }
}

/// What has ended is not found, and shortens no page, also before it is swept.
pub(super) async fn what_has_ended_shortens_no_page(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let (kept, ending) = (scene.new_conversation().await, scene.new_conversation().await);
    let mut expected = Vec::new();
    for number in 0..5 {
        expected.push(scene.append(kept, Parent::Head, &format!("sage {number}")).await);
        for _ in 0..3 {
            scene.append(ending, Parent::Head, "sage sage sage").await;
        }
    }
    expected.reverse();
    let change = ConversationChange { expires_in: Some(Some(Duration::ZERO)), ..ConversationChange::default() };
    let batch = WriteBatch::new(scene.owner, OVER).op(Op::UpdateConversation { id: ending, change });
    scene.apply(batch).await.unwrap();
    for sort in [SearchSort::Recent, SearchSort::Relevance] {
        let first = scene.search(SearchQuery { sort, limit: 3, ..query("sage") }).await;
        assert_eq!(ids(&first.items), expected[..3], "{sort:?}");
        let rest = scene.search(SearchQuery { sort, limit: 3, after: first.next, ..query("sage") }).await;
        assert_eq!(ids(&rest.items), expected[3..], "{sort:?}");
        assert_eq!(rest.next, None, "{sort:?}");
    }
}

pub(super) async fn what_tools_answered_and_what_was_thought_is_not_found(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let say = async |role: Role, parts: &[Part]| {
        let row = user_row(scene.ids.message(), conversation, Parent::Head, "");
        let row = NewRow { role, content: Content::encode(parts).unwrap(), ..row };
        let id = row.id;
        scene.apply_op(Op::AppendMessage(row)).await.unwrap();
        id
    };
    let result = ToolResult { call_id: "1".to_owned(), output: "cumin".into(), is_error: false, media: Vec::new() };
    say(Role::Tool, &[Part::tool_result(result), Part::text("cumin")]).await;
    let thought = Part::Reasoning { text: "is it cumin?".to_owned() };
    let refusal = Part::Refusal { text: "no cumin".to_owned() };
    let answer = say(Role::Assistant, &[thought, Part::text("caraway"), refusal]).await;
    assert_eq!(scene.found("cumin").await, [answer]);
    assert_eq!(scene.found("is").await, []);
    assert_eq!(scene.found("caraway").await, [answer]);
    // Words of two parts are no phrase of letters run together.
    assert_eq!(scene.found("carawayno").await, []);
}

pub(super) async fn long_messages_are_found_by_their_first_mebibyte(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let filler = "pepper ".repeat((1 << 20) / 7 - 1);
    let long = scene.append(conversation, Parent::Head, &format!("{filler}paprika {filler}cinnamon")).await;
    assert_eq!(scene.found("paprika").await, [long]);
    assert_eq!(scene.found("cinnamon").await, []);
    let hit = &scene.search(query("paprika")).await.items[0];
    assert!(shown(hit).contains("[paprika]"), "{}", shown(hit));
}

pub(super) async fn words_of_many_scripts_are_found(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    for (said, asked, found) in [
        ("Der Müller mahlt in der Straße", "muller strasse", "Der [Müller] mahlt in der [Straße]"),
        ("Le café à l’été", "cafe ete", "Le [café] à l’[été]"),
        ("Я читаю ёжика", "ежика", "Я читаю [ёжика]"),
        ("Ο σοφός λέει", "ΣΟΦΟΣ", "Ο [σοφός] λέει"),
        ("שלום עולם", "שלום", "[שלום] עולם"),
        ("مُحَمَّد هنا", "محمد", "[مُحَمَّد] هنا"),
        ("मैं हिन्दी बोलता हूँ", "हिन्दी", "मैं [हिन्दी] बोलता हूँ"),
        ("我住在北京市", "北京", "我住在[北京]市"),
        ("東京タワーに行く", "タワー", "東京[タワー]に行く"),
        ("서울에서 만나요", "서울", "[서울]에서 만나요"),
        ("ฉันชอบแมว", "แมว", "ฉันชอบ[แมว]"),
        ("ｆｕｌｌ ｗｉｄｔｈ", "full width", "[ｆｕｌｌ] [ｗｉｄｔｈ]"),
        ("let maxRetries = 3", "max_retries", "let [maxRetries] = 3"),
        ("İyi günler ISPARTA", "iyi gunler ısparta", "[İyi] [günler] [ISPARTA]"),
    ] {
        let id = scene.append(conversation, Parent::Head, said).await;
        let hits = scene.search(query(asked)).await.items;
        assert_eq!(ids(&hits), [id], "{asked}");
        assert_eq!(shown(&hits[0]), found);
    }
}

/// Random words, operators and bytes: never an error, and always what reading everything finds.
pub(super) async fn what_is_found_is_what_reading_everything_finds(store: Arc<dyn Store>) {
    const WORDS: [&str; 12] =
        ["red", "green", "blue", "redder", "getUser", "user", "東京", "京都", "京", "Zoë", "don't", "3.14"];
    const MARKS: [&str; 24] = [
        "\"", "-", "*", " ", "(", ")", "AND", "OR", "NOT", "NEAR(", ":", "^", "+", "{text}", "'", ";", "\0", "%", "\\",
        "--", "/*", "“", "🎉", "\u{202e}",
    ];
    for (seed, owner) in [(0, OWNER), (1, STRANGER), (2, "cy")] {
        let random = SeededRandom::new(seed);
        let below = |count: u8| {
            let mut byte = [0];
            random.fill(&mut byte);
            byte[0] % count
        };
        let pick = |from: &[&'static str]| from[usize::from(below(u8::try_from(from.len()).unwrap()))];
        let scene = Scene::seeded(Arc::clone(&store), 100 + seed).of(owner);
        let conversation = scene.new_conversation().await;
        let (mut said, mut batch) = (Vec::new(), scene.batch());
        for _ in 0..60 {
            let words: Vec<&str> = (0..below(7)).map(|_| pick(&WORDS)).collect();
            let words = words.join(" ");
            let row = user_row(scene.ids.message(), conversation, Parent::Head, &words);
            said.push((row.id, cut(&words)));
            batch = batch.op(Op::AppendMessage(row));
        }
        scene.apply(batch).await.unwrap();
        said.reverse();
        for round in 0..100 {
            let mut asked = String::new();
            for _ in 0..below(8) {
                asked.push_str(pick(if below(3) == 0 { &MARKS } else { &WORDS }));
                if below(2) == 0 {
                    asked.push(' ');
                }
            }
            let naive =
                |query: &Query| said.iter().filter(|(_, text)| query.matches(text)).map(|(id, _)| *id).collect();
            let expected: Vec<MessageId> = Query::parse(&asked).unwrap().as_ref().map(naive).unwrap_or_default();
            let found = scene.search(SearchQuery { limit: 100, ..query(&asked) }).await.items;
            assert_eq!(ids(&found), expected, "seed {seed}, round {round}: {asked:?}");
            assert!(found.iter().all(|hit| hit.snippet.iter().any(|span| span.hit)), "seed {seed}: {asked:?}");
            let ranked = scene.search(SearchQuery { limit: 100, ..best(&asked) }).await.items;
            let (ranked, all): (BTreeSet<_>, BTreeSet<_>) =
                (ids(&ranked).into_iter().collect(), expected.into_iter().collect());
            assert_eq!(ranked, all, "seed {seed}, round {round}: {asked:?}");
        }
    }
}

pub(super) async fn a_query_too_long_is_refused(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.new_conversation().await;
    refused(scene.store.search(OWNER, query(&"x".repeat(2_000))).await, ErrorKind::Invalid, "bad_query");
    let many = vec!["a"; 33].join(" ");
    refused(scene.store.search(OWNER, query(&many)).await, ErrorKind::Invalid, "bad_query");
    assert_eq!(scene.search(query("-only -exclusions")).await, SearchRows::default());
}

pub(super) async fn a_message_of_any_other_status_is_found(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.stream(conversation, "dill?", "dill").await;
    let end = crate::store::MessageEnd { status: MessageStatus::Interrupted, ..whole(sent.reply, "dill, perhaps") };
    scene.apply_op(Op::EndMessage(end)).await.unwrap();
    let row = NewRow {
        status: MessageStatus::Pending,
        content: text("dill!"),
        ..user_row(scene.ids.message(), conversation, Parent::Head, "")
    };
    let pending = row.id;
    scene.apply(scene.batch().op(put_conversation(conversation)).op(Op::AppendMessage(row))).await.unwrap();
    assert_eq!(scene.found("dill").await, [pending, sent.reply, sent.message]);
}
