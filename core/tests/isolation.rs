//! Fifty users who guess each other's ids and cursors, at random: nobody sees or changes what is another's.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

use std::collections::{BTreeMap, HashMap};

use tertulia::base::{Random as _, SeededRandom};
use tertulia::{
    ConversationChange, ConversationId, ConversationOptions, Cursor, Error, ErrorKind, Message, MessageId, NewMessage,
    Page, PreferencesChange, Tertulia,
};

const USERS: usize = 50;
const STEPS: usize = 1_500;

/// What all of them know of, and whose it is.
#[derive(Default)]
struct World {
    conversations: Vec<(usize, ConversationId)>,
    messages: Vec<(usize, ConversationId, MessageId)>,
    cursors: Vec<(usize, Option<ConversationId>, Cursor)>,
    /// By user: the titles of what is there.
    titles: HashMap<usize, BTreeMap<ConversationId, String>>,
}

fn name(user: usize) -> String {
    format!("user {user} ")
}

/// All that is shown to a user is the user's own.
fn check_page(user: usize, page: &Page<Message>, told: &str) {
    for message in &page.items {
        assert!(message.text().is_empty() || message.text().starts_with(&name(user)), "{told}: {}", message.text());
    }
}

/// What may be said to somebody who guesses.
fn refused(error: &Error, told: &str) {
    let is_known = match error.kind() {
        ErrorKind::NotFound => true,
        ErrorKind::Invalid => matches!(error.reason(), "bad_cursor" | "deleted"),
        _ => false,
    };
    assert!(is_known, "{told}: {error}");
}

#[tokio::test]
async fn fifty_users_who_guess_ids_and_cursors_see_and_change_nothing_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    for (store, seed) in [("memory:", 1), ("memory:", 2), (path.to_str().unwrap(), 3)] {
        let t = Tertulia::builder().store(store).model("echo/any").open().await.unwrap();
        guess(&t, seed).await;
        t.close().await.unwrap();
    }
}

#[expect(clippy::too_many_lines, reason = "one list of all that can be tried")]
async fn guess(t: &Tertulia, seed: u64) {
    let random = SeededRandom::new(seed);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small index")]
    let below = |n: usize| (random.unit() * n as f64) as usize;
    let mut world = World::default();
    for user in 0..USERS {
        let me = t.user(name(user));
        for number in 0..2 {
            let title = format!("{}{number}", name(user));
            let options =
                ConversationOptions { title: Some(title.clone()), tags: vec!["all".to_owned()], ..Default::default() };
            let chat = me.new_conversation_with(options);
            let words = (0..4).map(|word| NewMessage::user(format!("{}{word}", name(user))));
            let said = chat.append(words).await.unwrap();
            world.conversations.push((user, chat.id()));
            world.messages.extend(said.into_iter().map(|message| (user, chat.id(), message)));
            world.titles.entry(user).or_default().insert(chat.id(), title);
        }
    }
    let (mut seen, mut denied) = (0, 0);
    for step in 0..STEPS {
        // Half of them try what is their own.
        let (owner, id) = world.conversations[below(world.conversations.len())];
        let user = if below(2) == 0 { owner } else { below(USERS) };
        let (_, of, message) = world.messages[below(world.messages.len())];
        let message = if below(2) == 0 {
            let own: Vec<_> = world.messages.iter().filter(|(_, of, _)| *of == id).collect();
            own.get(below(own.len().max(1))).map_or(message, |(_, _, message)| *message)
        } else {
            message
        };
        let cursor = (!world.cursors.is_empty()).then(|| world.cursors[below(world.cursors.len())]);
        let action = below(17);
        let told = format!("seed {seed}, step {step}, action {action}, user {user}, conversation {id} of {owner}");
        let me = t.user(name(user));
        let chat = me.conversation(id);
        let is_mine = user == owner;
        let outcome = match action {
            0 => chat.history().limit(2).await.map(|page| {
                check_page(user, &page, &told);
                world.cursors.extend(page.before.iter().chain(&page.after).map(|c| (user, Some(id), *c)));
            }),
            1 | 2 => match cursor {
                Some((whose, at, cursor)) => {
                    let page = if action == 1 { chat.history().before(cursor) } else { chat.history().after(cursor) };
                    page.await.map(|page| {
                        assert!(whose == user && at == Some(id), "{told}: another's cursor was taken");
                        check_page(user, &page, &told);
                    })
                }
                None => Ok(()),
            },
            3 => match cursor {
                Some((whose, at, cursor)) => me.list_conversations().before(cursor).await.map(|page| {
                    assert!(whose == user && at.is_none(), "{told}: another's cursor was taken");
                    assert!(page.items.iter().all(|row| world.titles[&user].contains_key(&row.id)), "{told}");
                }),
                None => Ok(()),
            },
            4 => chat.history().around(&message).turns(3).await.map(|page| check_page(user, &page, &told)),
            5 => chat.open().await.map(|(row, page)| {
                assert_eq!(row.title.as_ref(), world.titles[&user].get(&id), "{told}");
                check_page(user, &page, &told);
            }),
            6 => chat.messages().next().await.map(|first| {
                assert!(
                    first.is_none_or(|first| first.text().is_empty() || first.text().starts_with(&name(user))),
                    "{told}"
                );
            }),
            7 => chat.siblings(message).await.map(|page| check_page(user, &page, &told)),
            8 => chat.branches().await.map(|page| {
                let words = page.items.iter().filter_map(|branch| branch.last_preview.as_ref());
                assert!(words.into_iter().all(|words| words.starts_with(name(user).trim())), "{told}");
            }),
            9 => chat.switch_to(message).await.map(drop),
            10 => chat.fork(message).await,
            11 => chat.at(message).append([NewMessage::user(format!("{}more", name(user)))]).await.map(|said| {
                world.messages.extend(said.into_iter().map(|message| (user, id, message)));
            }),
            12 => chat.delete_message(message).await,
            13 => {
                let title = format!("{}{step}", name(user));
                let change = ConversationChange {
                    title: Some(Some(title.clone())),
                    pinned: Some(below(2) == 0),
                    archived: Some(below(4) == 0),
                    ..ConversationChange::default()
                };
                chat.update(change).await.map(|()| {
                    world.titles.get_mut(&user).unwrap().insert(id, title);
                })
            }
            14 => {
                // Under an id that somebody has already.
                let taken = me.new_conversation_at(id, ConversationOptions::default());
                taken.append([NewMessage::user(format!("{}taken", name(user)))]).await.map(|said| {
                    world.messages.extend(said.into_iter().map(|message| (user, id, message)));
                })
            }
            15 => me.list_conversations().tag("all".to_owned()).limit(1).await.map(|page| {
                assert!(page.items.iter().all(|row| world.titles[&user].contains_key(&row.id)), "{told}");
                world.cursors.extend(page.before.iter().chain(&page.after).map(|c| (user, None, *c)));
            }),
            _ if below(8) == 0 => chat.delete().await.map(|()| {
                world.titles.get_mut(&user).unwrap().remove(&id);
                world.conversations.retain(|(_, of)| *of != id);
            }),
            _ => {
                let change = PreferencesChange { name: Some(Some(name(user))), ..PreferencesChange::default() };
                me.update_preferences(change).await.unwrap();
                Ok(())
            }
        };
        let _ = of;
        match outcome {
            Ok(()) => {
                let needs_no_conversation = matches!(action, 1 | 2 | 3 | 15 | 16);
                assert!(is_mine || needs_no_conversation, "{told}: what is another's was reached");
                seen += 1;
            }
            Err(error) => {
                refused(&error, &told);
                denied += 1;
            }
        }
    }
    assert!(seen > 300 && denied > 300, "seed {seed}: {seen} went well, {denied} were refused");

    for user in 0..USERS {
        let told = format!("seed {seed}, user {user}");
        let me = t.user(name(user));
        let mut rows = me.list_conversations().limit(200).await.unwrap().items;
        rows.extend(me.list_conversations().archived(true).limit(200).await.unwrap().items);
        let found: BTreeMap<_, _> = rows.iter().map(|row| (row.id, row.title.clone().unwrap_or_default())).collect();
        assert_eq!(found, world.titles[&user], "{told}");
        for row in rows {
            check_page(user, &me.conversation(row.id).history().limit(200).await.unwrap(), &told);
        }
        let prefers = me.preferences().await.unwrap().name;
        assert!(prefers.is_none_or(|prefers| prefers == name(user)), "{told}");
    }
}
