//! Searching what was said, as users do it.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests may panic and need no docs"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use support::{cause_of, within};
use tertulia::base::{CursorKind, ManualClock, Random, SeededRandom};
use tertulia::{
    ChatRequest, ConversationId, Cursor, ErrorKind, EventStream, MessageId, Provider, Result, SearchHit, SearchSort,
    Settings, Tertulia, TertuliaBuilder, UserScope,
};

/// A provider that says what it was told, backwards.
struct Backwards;

impl Provider for Backwards {
    fn name(&self) -> &str {
        "house"
    }

    async fn stream(&self, request: ChatRequest) -> Result<EventStream> {
        let last = request.messages.last().unwrap().text();
        Ok(EventStream::from(last.split(' ').rev().collect::<Vec<_>>().join(" ")))
    }
}

fn engine(store: &str) -> TertuliaBuilder {
    Tertulia::builder().store(store).model("house/any").with_provider(Backwards)
}

/// The same on both stores.
async fn on_both(test: impl AsyncFn(Tertulia)) {
    let folder = tempfile::tempdir().unwrap();
    for store in ["memory:", folder.path().join("chat.db").to_str().unwrap()] {
        let tertulia = engine(store).open().await.unwrap();
        test(tertulia.clone()).await;
        tertulia.close().await.unwrap();
    }
}

fn shown(hit: &SearchHit) -> String {
    hit.snippet.iter().map(|span| if span.hit { format!("[{}]", span.text) } else { span.text.clone() }).collect()
}

#[tokio::test]
async fn a_question_and_its_answer_are_found_once_they_are_said() {
    on_both(async |tertulia| {
        let me = tertulia.user("ana");
        let chat = me.new_conversation();
        assert_eq!(chat.search("soup").await.unwrap().items, [], "nothing was said yet");
        let reply = chat.send("A cold soup from Andalucía").await.unwrap();
        let hits = me.search("andalucia").await.unwrap().items;
        assert_eq!(Some(hits[0].message_id), reply.message_id);
        let shown: Vec<String> = hits.iter().map(shown).collect();
        assert_eq!(shown, ["[Andalucía] from soup cold A", "A cold soup from [Andalucía]"]);
        assert!(hits.iter().all(|hit| hit.conversation_id == chat.id() && hit.on_current_branch && hit.score == 0.0));
        let hits = chat.search("\"cold soup\" -tortilla").sort(SearchSort::Relevance).await.unwrap().items;
        assert_eq!(hits.len(), 1);
        assert!(hits[0].score > 0.0, "{hits:?}");
        assert_eq!(me.new_conversation().search("soup").await.unwrap().items, []);
    })
    .await;
}

#[tokio::test]
async fn pages_of_hits_hold_each_once_and_say_where_they_end() {
    on_both(async |tertulia| {
        let me = tertulia.user("ana");
        let chat = me.new_conversation();
        for number in 0..12 {
            chat.send(format!("olive {number}")).await.unwrap();
        }
        for sort in [SearchSort::Recent, SearchSort::Relevance] {
            let (mut all, mut before, mut pages) = (BTreeSet::new(), None, 0);
            loop {
                let page = me.search("olive").sort(sort).limit(10).before(before).await.unwrap();
                assert_eq!((page.reached_end, page.after), (pages == 0, None));
                assert_eq!(page.reached_start, page.before.is_none());
                all.extend(page.items.iter().map(|hit| hit.message_id));
                pages += 1;
                before = page.before;
                if before.is_none() {
                    break;
                }
            }
            assert_eq!((all.len(), pages), (24, 3), "{sort:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_cursor_leads_nowhere_but_on_in_its_own_search() {
    on_both(async |tertulia| {
        let (me, other) = (tertulia.user("ana"), tertulia.user("bo"));
        let (chat, theirs) = (me.new_conversation(), other.new_conversation());
        for _ in 0..3 {
            chat.send("olive").await.unwrap();
            theirs.send("olive").await.unwrap();
        }
        let page = me.search("olive").limit(2).await.unwrap();
        let cursor = page.before.unwrap();
        assert_eq!(me.search("olive").limit(2).before(cursor).await.unwrap().items.len(), 2);
        let history = chat.history().limit(2).await.unwrap().before.unwrap();
        for wrong in [
            other.search("olive").before(cursor).await,
            me.search("olives").before(cursor).await,
            me.search("olive").sort(SearchSort::Relevance).before(cursor).await,
            chat.search("olive").before(cursor).await,
            me.search("olive").before(history).await,
            me.search("olive").before(Cursor::new(CursorKind::Search, "ana", [7; 16], 1, 2)).await,
        ] {
            assert_eq!(cause_of(wrong), (ErrorKind::Invalid, "bad_cursor".to_owned()));
        }
        assert_eq!(cause_of(chat.history().before(cursor).await).1, "bad_cursor");
        for limit in [0, 201] {
            assert_eq!(cause_of(me.search("olive").limit(limit).await).1, "bad_limit");
        }
        assert_eq!(cause_of(me.search("x".repeat(1_025)).await).1, "bad_query");
        let guessed = other.conversation(chat.id()).search("olive").await;
        assert_eq!(cause_of(guessed).0, ErrorKind::NotFound);
    })
    .await;
}

#[tokio::test]
async fn words_of_another_branch_are_found_and_say_so() {
    on_both(async |tertulia| {
        let me = tertulia.user("ana");
        let chat = me.new_conversation();
        chat.send("thyme first").await.unwrap();
        let old = chat.history().await.unwrap().items[0].id;
        chat.edit(old, "thyme second").await.unwrap().reply().await.unwrap();
        let current = async || -> BTreeSet<String> {
            let hits = me.search("thyme").await.unwrap().items;
            assert_eq!(hits.len(), 4);
            hits.iter().filter(|hit| hit.on_current_branch).map(shown).collect()
        };
        assert_eq!(current().await, BTreeSet::from(["[thyme] second".to_owned(), "second [thyme]".to_owned()]));
        chat.switch_to(old).await.unwrap();
        assert_eq!(current().await, BTreeSet::from(["[thyme] first".to_owned(), "first [thyme]".to_owned()]));
        chat.delete_message(old).await.unwrap();
        assert_eq!(me.search("first").await.unwrap().items.len(), 1);
        chat.delete().await.unwrap();
        assert_eq!(me.search("thyme").await.unwrap().items, []);
    })
    .await;
}

#[tokio::test]
async fn search_that_is_switched_off_is_refused_and_stays_so_while_open() {
    let folder = tempfile::tempdir().unwrap();
    for store in ["memory:", folder.path().join("chat.db").to_str().unwrap()] {
        let mut settings = Settings::default();
        settings.store.search = false;
        let tertulia = engine(store).settings(settings.clone()).open().await.unwrap();
        let me = tertulia.user("ana");
        me.new_conversation().send("olive").await.unwrap();
        assert_eq!(cause_of(me.search("olive").await), (ErrorKind::Invalid, "search_off".to_owned()));
        settings.store.search = true;
        let changed = tertulia.reconfigure(settings);
        assert_eq!(cause_of(changed), (ErrorKind::Invalid, "cannot_change".to_owned()));
        tertulia.close().await.unwrap();
        if store != "memory:" {
            let tertulia = engine(store).open().await.unwrap();
            assert_eq!(tertulia.user("ana").search("olive").await.unwrap().items.len(), 2);
            tertulia.close().await.unwrap();
        }
    }
}

/// Users who guess each other's ids and hand in each other's cursors see their own words and nothing else.
#[tokio::test]
async fn nobody_ever_finds_another_users_words() {
    const SEED: u64 = 11;
    on_both(async |tertulia| {
        let random = SeededRandom::new(SEED);
        let below = |count: usize| {
            let mut bytes = [0; 4];
            random.fill(&mut bytes);
            u32::from_le_bytes(bytes) as usize % count
        };
        let users: Vec<UserScope> = (0..50).map(|number| tertulia.user(format!("user{number}"))).collect();
        let mut chats: Vec<(usize, ConversationId)> = Vec::new();
        let mut cursors: Vec<Cursor> = Vec::new();
        let mut deleted = BTreeSet::new();
        for step in 0..400 {
            let who = below(users.len());
            let me = &users[who];
            match below(6) {
                0 | 1 => {
                    let chat = me.new_conversation();
                    chat.send(format!("basil secret{who}")).await.unwrap();
                    chats.push((who, chat.id()));
                }
                2 if !chats.is_empty() => {
                    let (owner, id) = chats[below(chats.len())];
                    let done = me.conversation(id).delete().await;
                    assert_eq!(done.is_ok(), owner == who && !deleted.contains(&id), "seed {SEED}, step {step}");
                    if done.is_ok() {
                        deleted.insert(id);
                    }
                }
                3 if !chats.is_empty() => {
                    let (owner, id) = chats[below(chats.len())];
                    let found = me.conversation(id).search("basil").await;
                    assert_eq!(found.is_ok(), owner == who && !deleted.contains(&id), "seed {SEED}, step {step}");
                }
                4 if !cursors.is_empty() => {
                    let cursor = cursors[below(cursors.len())];
                    if let Ok(page) = me.search("basil").limit(1).before(cursor).await {
                        let own = format!("secret{who}");
                        assert!(page.items.iter().all(|hit| shown(hit).contains(&own)), "seed {SEED}, step {step}");
                    }
                }
                _ => {
                    let page = me.search("basil").limit(1).await.unwrap();
                    cursors.extend(page.before);
                    let sort = if below(2) == 0 { SearchSort::Recent } else { SearchSort::Relevance };
                    let found = me.search("basil").sort(sort).limit(200).await.unwrap().items;
                    let own = chats.iter().filter(|(owner, id)| *owner == who && !deleted.contains(id)).count();
                    assert_eq!(found.len(), 2 * own, "seed {SEED}, step {step}");
                    let all = format!("secret{who}");
                    assert!(found.iter().all(|hit| shown(hit).contains(&all)), "seed {SEED}, step {step}: {found:?}");
                    let theirs = me.search(format!("secret{}", (who + 1) % users.len())).await.unwrap();
                    assert_eq!(theirs.items, [], "seed {SEED}, step {step}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_said_is_indexed_when_nobody_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let clock = ManualClock::default();
    let tertulia = engine(path.to_str().unwrap()).with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let me = tertulia.user("ana");
    let sent = me.new_conversation().send("olive").await.unwrap();
    let calls = |name: &str| {
        let operations = tertulia.health().store_operations;
        operations.iter().find(|operation| operation.name == name).map_or(0, |operation| operation.calls)
    };
    assert_eq!(calls("index"), 0, "a turn indexes nothing");
    within(async {
        // Until it says that nothing is left to do.
        while calls("index") < 2 {
            if clock.sleepers() > 0 && calls("index") == 0 {
                clock.advance(Duration::from_secs(30));
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let ids: Vec<MessageId> = me.search("olive").await.unwrap().items.iter().map(|hit| hit.message_id).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&sent.message_id.unwrap()));
    tertulia.close().await.unwrap();
}
