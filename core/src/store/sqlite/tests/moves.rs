//! What it costs to move about in a tree: the same at any length.

use std::cell::Cell;

use rusqlite::StatementStatus;

use super::*;
use crate::base::{Ids, SeededRandom};
use crate::store::contract::scene::{NOW, OWNER, later, new_conversation, put_conversation, user_row};
use crate::store::sqlite::apply::{Applying, Seen};
use crate::store::{Anchor, BranchQuery, EntryQuery, LibraryKey, NewConversation, Op, PageSize, Parent, SiblingAnchor};

/// A file that is written to and read from on this thread, so that its statements can be counted.
struct Desk {
    connection: Connection,
    ids: Ids,
    conversation: ConversationId,
    change: i64,
}

impl Desk {
    fn new(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        let ids = Ids::new(Arc::new(ManualClock::at(NOW)), Arc::new(SeededRandom::new(7)));
        let conversation = ids.conversation();
        let mut desk = Self { connection, ids, conversation, change: 0 };
        desk.apply([put_conversation(conversation)]);
        desk
    }

    fn apply(&mut self, ops: impl IntoIterator<Item = Op>) -> Receipt {
        let transaction = self.connection.unchecked_transaction().unwrap();
        let batch = WriteBatch { ops: ops.into_iter().collect(), ..WriteBatch::new(OWNER, later(self.change)) };
        let mut applying = Applying {
            connection: &transaction,
            owner: OWNER,
            at: batch.at,
            change: self.change,
            made: None,
            seen: Seen::default(),
            has_budgets: &Cell::default(),
        };
        let receipt = applying.apply(&batch).unwrap();
        self.change = applying.change;
        writer::set_last_change(&transaction, self.change).unwrap();
        transaction.commit().unwrap();
        receipt
    }

    fn row(&self, parent: Parent) -> Op {
        Op::AppendMessage(user_row(self.ids.message(), self.conversation, parent, "words"))
    }

    fn append(&mut self, parent: Parent) -> MessageId {
        let op = self.row(parent);
        self.apply([op]).placed[0].id
    }

    fn say(&mut self, parent: Parent) {
        self.append(parent);
    }

    fn fill(&mut self, count: usize) -> Vec<MessageId> {
        let ops: Vec<Op> = (0..count).map(|_| self.row(Parent::Head)).collect();
        self.apply(ops).placed.iter().map(|placed| placed.id).collect()
    }
}

/// How many statements each verb runs in a conversation with two branches of this length.
fn statements(path: &Path, length: usize) -> Vec<(&'static str, usize)> {
    let mut desk = Desk::new(path);
    let conversation = desk.conversation;
    let first = desk.fill(length);
    let edited = desk.append(Parent::Beside(first[0]));
    let second = desk.fill(length);
    let middle = first[length / 2];
    let mut counted = Vec::new();
    let mut count = |name: &'static str, desk: &mut Desk, work: &mut dyn FnMut(&mut Desk)| {
        row::STATEMENTS.set(0);
        work(desk);
        counted.push((name, row::STATEMENTS.get()));
    };
    let switch = |message| Op::SwitchTo { conversation, message };
    count("append", &mut desk, &mut |desk| desk.say(Parent::Head));
    count("switch far", &mut desk, &mut |desk| drop(desk.apply([switch(first[0])])));
    count("switch back", &mut desk, &mut |desk| drop(desk.apply([switch(edited)])));
    count("switch to the middle", &mut desk, &mut |desk| drop(desk.apply([switch(middle)])));
    count("switch to what is shown", &mut desk, &mut |desk| drop(desk.apply([switch(first[1])])));
    count("edit in the middle", &mut desk, &mut |desk| desk.say(Parent::Beside(middle)));
    count("answer elsewhere", &mut desk, &mut |desk| desk.say(Parent::Below(second[length / 2])));
    count("fork", &mut desk, &mut |desk| {
        drop(desk.apply([Op::ForkAt { conversation, message: second[length / 3] }]));
    });
    count("wipe", &mut desk, &mut |desk| drop(desk.apply([Op::WipeMessage { id: middle }])));
    count("remove an end", &mut desk, &mut |desk| {
        let top = *first.last().unwrap();
        let removed = desk.apply([Op::RemoveMessages { conversation, top, from: None, steps: 10 }]);
        assert_eq!(removed.goes_on, None);
    });
    count("siblings", &mut desk, &mut |desk| {
        let anchor = SiblingAnchor::Around(middle);
        assert_eq!(
            branches::siblings(&desk.connection, OWNER, conversation, anchor, 50, NOW).unwrap().unwrap().items.len(),
            2
        );
    });
    count("branches", &mut desk, &mut |desk| {
        let query = BranchQuery { limit: 2, before: None, after: None };
        assert_eq!(
            branches::branches(&desk.connection, OWNER, conversation, query, NOW).unwrap().unwrap().items.len(),
            2
        );
    });
    let upto = Some(second[length - 1]);
    for (name, anchor) in [
        ("up to", Anchor::End),
        ("up to, from the start", Anchor::Start),
        ("up to, after", Anchor::After(second[1])),
        ("up to, around", Anchor::Around(second[length / 2])),
        ("up to, at a position", Anchor::At(i32::try_from(length / 2).unwrap())),
    ] {
        count(name, &mut desk, &mut |desk| {
            let query = PageQuery { upto, ..PageQuery::new(anchor, 3) };
            assert_eq!(read::page(&desk.connection, OWNER, conversation, &query, NOW).unwrap().unwrap().items.len(), 3);
        });
    }
    count("turns", &mut desk, &mut |desk| {
        let query = PageQuery { upto, size: PageSize::Turns(3), ..PageQuery::new(Anchor::End, 0) };
        assert_eq!(read::page(&desk.connection, OWNER, conversation, &query, NOW).unwrap().unwrap().items.len(), 3);
    });
    count("open", &mut desk, &mut |desk| {
        let query = PageQuery::new(Anchor::End, 2);
        let (row, page) = read::open(&desk.connection, OWNER, conversation, &query, NOW).unwrap().unwrap();
        assert_eq!((page.items.len(), page.version), (2, row.version));
    });
    count("unchanged", &mut desk, &mut |desk| {
        let version = conversations::conversation(&desk.connection, OWNER, conversation, NOW).unwrap().unwrap().version;
        row::STATEMENTS.set(0);
        let query = PageQuery { unchanged_since: Some(version), ..PageQuery::new(Anchor::End, 2) };
        assert_eq!(read::page(&desk.connection, OWNER, conversation, &query, NOW).unwrap().unwrap().items, []);
    });
    let others: Vec<Op> = (0..length)
        .map(|number| {
            let new = new_conversation(desk.ids.conversation());
            let tags = if number % 2 == 0 { vec!["even".to_owned()] } else { vec![] };
            Op::PutConversation(NewConversation { tags, ..new })
        })
        .collect();
    desk.apply(others);
    let even = || Some("even".to_owned());
    for (name, query) in [
        ("list", ListQuery { limit: 3, ..ListQuery::default() }),
        ("list on", ListQuery { limit: 3, before: Some((false, i64::MAX)), ..ListQuery::default() }),
        ("list by tag", ListQuery { limit: 3, tag: even(), ..ListQuery::default() }),
        ("poll", ListQuery { limit: 3, after: Some(0), ..ListQuery::default() }),
        ("poll by tag", ListQuery { limit: 3, after: Some(0), tag: even(), ..ListQuery::default() }),
    ] {
        count(name, &mut desk, &mut |desk| {
            let page = conversations::conversations(&desk.connection, OWNER, &query, NOW).unwrap();
            assert_eq!(page.items.len(), 3, "{name}");
        });
    }
    count("unchanged list", &mut desk, &mut |desk| {
        let query = ListQuery { limit: 3, ..ListQuery::default() };
        let version = conversations::conversations(&desk.connection, OWNER, &query, NOW).unwrap().version;
        row::STATEMENTS.set(0);
        let query = ListQuery { unchanged_since: Some(version), ..query };
        assert!(conversations::conversations(&desk.connection, OWNER, &query, NOW).unwrap().is_unchanged);
    });
    count("conversation", &mut desk, &mut |desk| {
        assert!(conversations::conversation(&desk.connection, OWNER, conversation, NOW).unwrap().is_some());
    });
    count("message", &mut desk, &mut |desk| {
        assert!(read::message(&desk.connection, OWNER, second[0], NOW).unwrap().is_some());
    });
    let value = |name: usize, value: usize| glances::put(&format!("{name:05}"), value);
    desk.apply((0..length).map(|name| value(name, 0)));
    desk.apply((1..length).map(|version| value(1, version)));
    let key = LibraryKey::new(OWNER, "prompt", "00001");
    count("put a new value", &mut desk, &mut |desk| drop(desk.apply([value(99_999, 0)])));
    count("put another value", &mut desk, &mut |desk| drop(desk.apply([value(1, length)])));
    count("delete a value", &mut desk, &mut |desk| {
        let (kind, name) = ("prompt".to_owned(), "00002".to_owned());
        drop(desk.apply([Op::DeleteEntry { kind, name, expected: None }]));
    });
    count("a value", &mut desk, &mut |desk| {
        assert!(library::entry(&desk.connection, &key, None).unwrap().is_some());
    });
    count("names", &mut desk, &mut |desk| {
        let query = EntryQuery { kind: "prompt".to_owned(), limit: 3, ..EntryQuery::default() };
        assert_eq!(library::entries(&desk.connection, OWNER, &query).unwrap().len(), 3);
    });
    count("versions", &mut desk, &mut |desk| {
        assert_eq!(library::versions(&desk.connection, &key, None, 3).unwrap().len(), 3);
    });
    let of = |name| counted.iter().find(|(of, _)| *of == name).unwrap().1;
    assert!(of("open") <= 2 && of("unchanged") == 1 && of("unchanged list") == 1, "{counted:?}");
    counted
}

#[tokio::test]
async fn no_verb_runs_more_statements_in_a_longer_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let of = async |length: usize| {
        let path = folder.path().join(format!("{length}.db"));
        open(&path).await.close().await.unwrap();
        let counted = statements(&path, length);
        assert_sound(&path, "after all of it");
        counted
    };
    let short = of(10).await;
    assert!(short.iter().all(|(_, statements)| *statements > 0), "{short:?}");
    assert_eq!(short, of(10_000).await);
}

#[tokio::test]
async fn a_switch_looks_at_few_rows_however_long_the_branches_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    open(&path).await.close().await.unwrap();
    let mut desk = Desk::new(&path);
    let first = desk.fill(4_000);
    desk.append(Parent::Beside(first[2]));
    let second = desk.fill(3_997);
    let key = |id: MessageId| -> i64 {
        let sql = "SELECT pk FROM message WHERE id = ?";
        desk.connection.query_row(sql, [id.as_bytes()], |row| row.get(0)).unwrap()
    };
    let (ours, theirs) = (key(first[3_999]), key(second[3_996]));
    let mut statement = desk.connection.prepare(branches::DIVERGENCE).unwrap();
    let found: (i64, i64) = statement.query_row([ours, theirs], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(found.0, key(first[2]));
    // About 3 log2(4000) = 36 pairs of some 60 steps each; a walk by parents alone would be 3,998 pairs.
    let steps = statement.get_status(StatementStatus::VmStep);
    assert!(steps < 5_000, "{steps} steps");
}
