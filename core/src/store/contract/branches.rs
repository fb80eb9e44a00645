//! Branches: what is shown, what is left and found again, what is deleted.

use std::sync::Arc;

use bytes::Bytes;

use super::scene::{STRANGER, Scene, later, new_turn, refused, user_row};
use crate::base::{ErrorKind, MessageId};
use crate::model::{MessageStatus, Part, Role, TurnState};
use crate::store::{Anchor, BranchQuery, Content, NewAttachment, NewRow, Op, Parent, QueueEntry, SiblingAnchor, Store};

impl Scene {
    pub(crate) async fn switch(
        &self,
        conversation: crate::base::ConversationId,
        message: MessageId,
    ) -> Option<MessageId> {
        let head = self.apply_op(Op::SwitchTo { conversation, message }).await.unwrap().head;
        assert_eq!(self.shown(conversation).await.head_id, head);
        head
    }

    /// Removes from this message on, so many rows at a time. Gives how many batches it took.
    pub(crate) async fn remove(
        &self,
        conversation: crate::base::ConversationId,
        top: MessageId,
        steps: usize,
    ) -> crate::model::Result<usize> {
        let mut from = None;
        for batches in 1.. {
            from = self.apply_op(Op::RemoveMessages { conversation, top, from, steps }).await?.goes_on;
            if from.is_none() {
                return Ok(batches);
            }
        }
        Ok(0)
    }

    pub(crate) async fn upto(&self, conversation: crate::base::ConversationId, last: MessageId) -> Vec<String> {
        let page = self.store.messages_upto(self.owner, conversation, last, Anchor::End, 1_000).await.unwrap();
        page.unwrap().items.iter().map(|message| message.text()).collect()
    }
}

pub(super) async fn a_switch_shows_a_branch_as_it_was_left(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let q = scene.append(conversation, Parent::Head, "q").await;
    let one = scene.append(conversation, Parent::Head, "one").await;
    scene.append(conversation, Parent::Head, "on from one").await;
    let last = scene.append(conversation, Parent::Head, "last of one").await;
    let two = scene.append(conversation, Parent::Beside(one), "two").await;
    assert_eq!(scene.texts(conversation).await, ["q", "two"]);
    let end = scene.append(conversation, Parent::Head, "on from two").await;
    let edited = scene.append(conversation, Parent::Beside(q), "edited").await;
    assert_eq!(scene.texts(conversation).await, ["edited"]);
    let before = scene.shown(conversation).await;

    // The way that was gone last is gone again, also below another fork.
    assert_eq!(scene.switch(conversation, q).await, Some(end));
    assert_eq!(scene.texts(conversation).await, ["q", "two", "on from two"]);
    let shown = scene.shown(conversation).await;
    assert_eq!((shown.last_preview.as_deref(), shown.last_role), (Some("on from two"), Some(Role::User)));
    assert_eq!((shown.message_count, shown.created_at), (before.message_count, before.created_at));
    assert!(shown.version > before.version);
    assert_eq!(scene.switch(conversation, one).await, Some(last));
    assert_eq!(scene.switch(conversation, edited).await, Some(edited));
    assert_eq!(scene.switch(conversation, q).await, Some(last));
    assert_eq!(scene.switch(conversation, two).await, Some(end));
    // What is shown already stays as it is.
    let before = scene.shown(conversation).await;
    assert_eq!(scene.switch(conversation, q).await, Some(end));
    assert_eq!(scene.shown(conversation).await, before);
    // And it goes on where it is.
    scene.append(conversation, Parent::Head, "further").await;
    assert_eq!(scene.texts(conversation).await, ["q", "two", "on from two", "further"]);
}

pub(super) async fn a_switch_keeps_the_conversations_place_in_the_list(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let first = scene.append(conversation, Parent::Start, "first").await;
    scene.append(conversation, Parent::Start, "second").await;
    let other = scene.new_conversation().await;
    scene.switch(conversation, first).await;
    let query = crate::store::ListQuery { limit: 5, ..Default::default() };
    let list = scene.store.conversations(scene.owner, query).await.unwrap();
    assert_eq!(list.items.iter().map(|(_, c)| c.id).collect::<Vec<_>>(), [other, conversation]);
}

pub(super) async fn a_fork_hides_what_follows_and_keeps_it(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let ids = scene.fill(conversation, 5).await;
    let fork = async |message| scene.apply_op(Op::ForkAt { conversation, message }).await.unwrap().head;
    assert_eq!(fork(ids[1]).await, Some(ids[1]));
    assert_eq!(scene.texts(conversation).await, ["0", "1"]);
    assert_eq!(scene.shown(conversation).await.last_preview.as_deref(), Some("1"));
    // A switch to what was hidden finds it, and one to what is shown leaves it as it is.
    assert_eq!(scene.switch(conversation, ids[0]).await, Some(ids[1]));
    assert_eq!(scene.switch(conversation, ids[2]).await, Some(ids[4]));
    fork(ids[1]).await;
    let new = scene.append(conversation, Parent::Head, "new").await;
    assert_eq!(scene.texts(conversation).await, ["0", "1", "new"]);
    let place = scene.store.message(scene.owner, new).await.unwrap().unwrap();
    assert_eq!((place.sibling_index, place.sibling_count), (1, 2));
    assert_eq!(scene.switch(conversation, ids[3]).await, Some(ids[4]));
    // The end of what is shown is no fork.
    let before = scene.shown(conversation).await;
    assert_eq!(fork(ids[4]).await, Some(ids[4]));
    assert_eq!(scene.shown(conversation).await, before);
}

pub(super) async fn a_late_answer_leaves_the_branch_that_is_shown(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.send(conversation, "asked").await;
    let elsewhere = scene.append(conversation, Parent::Beside(sent.message), "elsewhere").await;
    let answer = |parent: Parent, words: &str| NewRow {
        role: Role::Assistant,
        turn: Some(sent.turn),
        ..user_row(scene.ids.message(), conversation, parent, words)
    };
    for (parent, words) in
        [(Parent::Answer(sent.message), "late"), (Parent::Below(sent.message), "another, late as well")]
    {
        let row = answer(parent, words);
        let placed = scene.apply_op(Op::AppendMessage(row)).await.unwrap().placed[0];
        assert_eq!(placed.parent, Some(sent.message));
        let shown = scene.shown(conversation).await;
        assert_eq!((shown.head_id, shown.last_preview.as_deref()), (Some(elsewhere), Some("elsewhere")));
    }
    assert_eq!(scene.shown(conversation).await.message_count, 4);
    scene.switch(conversation, sent.message).await;
    assert_eq!(scene.texts(conversation).await, ["asked", "late"]);
    // On the branch that is shown it is shown, however far that has gone on.
    scene.append(conversation, Parent::Head, "on").await;
    scene.apply_op(Op::AppendMessage(answer(Parent::Below(sent.message), "once more"))).await.unwrap();
    assert_eq!(scene.texts(conversation).await, ["asked", "once more"]);
}

pub(super) async fn siblings_are_read_in_pages(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let mut ids = vec![scene.append(conversation, Parent::Start, "0").await];
    for number in 1..7 {
        ids.push(scene.append(conversation, Parent::Beside(ids[0]), &number.to_string()).await);
        scene.append(conversation, Parent::Head, "below").await;
    }
    let page = async |anchor, limit| {
        let page = scene.store.siblings(scene.owner, conversation, anchor, limit).await.unwrap().unwrap();
        for message in &page.items {
            let alone = scene.store.message(scene.owner, message.id).await.unwrap().unwrap();
            assert_eq!(*message, alone);
        }
        let texts = page.items.iter().map(|message| message.text()).collect::<Vec<_>>().concat();
        (texts, page.reached_start, page.reached_end)
    };
    let told = |texts: &str, start, end| (texts.to_owned(), start, end);
    assert_eq!(page(SiblingAnchor::Around(ids[3]), 50).await, told("0123456", true, true));
    assert_eq!(page(SiblingAnchor::Around(ids[3]), 3).await, told("234", false, false));
    assert_eq!(page(SiblingAnchor::Around(ids[6]), 3).await, told("456", false, true));
    assert_eq!(page(SiblingAnchor::Before(ids[3]), 2).await, told("12", false, false));
    assert_eq!(page(SiblingAnchor::Before(ids[2]), 5).await, told("01", true, false));
    assert_eq!(page(SiblingAnchor::After(ids[3]), 2).await, told("45", false, false));
    assert_eq!(page(SiblingAnchor::After(ids[5]), 2).await, told("6", false, true));
    assert_eq!(page(SiblingAnchor::After(ids[6]), 2).await, told("", false, true));
    let other = scene.new_conversation().await;
    let foreign = scene.store.siblings(scene.owner, other, SiblingAnchor::Around(ids[0]), 5).await;
    refused(foreign, ErrorKind::NotFound, "no_message");
    let strangers = scene.store.siblings(STRANGER, conversation, SiblingAnchor::Around(ids[0]), 5).await;
    assert_eq!(strangers.unwrap(), None);
}

pub(super) async fn branches_are_listed_the_newest_first(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let page = async |limit, before, after| {
        let query = BranchQuery { limit, before, after };
        scene.store.branches(scene.owner, conversation, query).await.unwrap().unwrap()
    };
    let empty = page(5, None, None).await;
    assert!(empty.items.is_empty() && empty.reached_start && empty.reached_end);
    let first = scene.append(conversation, Parent::Head, "0").await;
    let mut ends = Vec::new();
    for number in 0..5 {
        scene.append(conversation, Parent::Message(first), "below").await;
        ends.push(scene.append(conversation, Parent::Head, &format!("end {number}")).await);
    }
    scene.switch(conversation, ends[1]).await;
    let all = page(50, None, None).await;
    let newest_first: Vec<_> = ends.iter().rev().copied().collect();
    assert_eq!(all.items.iter().map(|branch| branch.head_id).collect::<Vec<_>>(), newest_first);
    assert!(all.reached_start && all.reached_end);
    assert_eq!(all.version, scene.shown(conversation).await.version);
    let second = &all.items[3];
    assert_eq!((second.depth, second.last_preview.as_deref(), second.is_current), (3, Some("end 1"), true));
    assert_eq!(all.items.iter().filter(|branch| branch.is_current).count(), 1);
    let top = page(2, None, None).await;
    assert!(top.items == all.items[..2] && top.reached_start && !top.reached_end);
    let next = page(2, Some(top.items[1].head_id), None).await;
    assert!(next.items == all.items[2..4] && !next.reached_start && !next.reached_end);
    let last = page(2, Some(next.items[1].head_id), None).await;
    assert!(last.items == all.items[4..] && !last.reached_start && last.reached_end);
    let nothing = page(2, Some(last.items[0].head_id), None).await;
    assert!(nothing.items.is_empty() && !nothing.reached_start && nothing.reached_end);
    let newer = page(2, None, Some(ends[1])).await;
    assert!(newer.items == all.items[1..3] && !newer.reached_start && !newer.reached_end);
    let quiet = page(2, None, Some(ends[4])).await;
    assert!(quiet.items.is_empty() && quiet.reached_start && !quiet.reached_end);
    let other = scene.new_conversation().await;
    let query = BranchQuery { limit: 2, before: Some(ends[0]), after: None };
    refused(scene.store.branches(scene.owner, other, query).await, ErrorKind::Invalid, "bad_cursor");
    let query = BranchQuery { before: None, ..query };
    assert_eq!(scene.store.branches(STRANGER, conversation, query).await.unwrap(), None);
}

pub(super) async fn a_page_goes_up_to_any_message(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let ids = scene.fill(conversation, 6).await;
    let aside = scene.append(conversation, Parent::Message(ids[1]), "aside").await;
    assert_eq!(scene.upto(conversation, ids[3]).await, ["0", "1", "2", "3"]);
    assert_eq!(scene.upto(conversation, aside).await, ["0", "1", "aside"]);
    let page = async |anchor, limit| scene.store.messages_upto(scene.owner, conversation, ids[4], anchor, limit).await;
    let found = page(Anchor::Start, 2).await.unwrap().unwrap();
    assert_eq!((found.items[1].id, found.reached_start, found.reached_end), (ids[1], true, false));
    let found = page(Anchor::After(ids[1]), 50).await.unwrap().unwrap();
    assert_eq!(found.items.iter().map(|m| m.id).collect::<Vec<_>>(), ids[2..5]);
    assert!(found.reached_end);
    refused(page(Anchor::After(aside), 5).await, ErrorKind::Invalid, "bad_cursor");
    refused(page(Anchor::After(ids[5]), 5).await, ErrorKind::Invalid, "bad_cursor");
    let other = scene.new_conversation().await;
    let foreign = scene.store.messages_upto(scene.owner, other, ids[4], Anchor::End, 5).await;
    refused(foreign, ErrorKind::NotFound, "no_message");
    let strangers = scene.store.messages_upto(STRANGER, conversation, ids[4], Anchor::End, 5).await;
    assert_eq!(strangers.unwrap(), None);
}

pub(super) async fn a_wiped_message_keeps_its_place_and_nothing_else(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let ids = scene.fill(conversation, 3).await;
    let attachment = scene.ids.attachment();
    let mut row = user_row(scene.ids.message(), conversation, Parent::Head, &"long ".repeat(30_000));
    row.metadata.insert("secret".to_owned(), "word".to_owned());
    let long = row.id;
    let bytes = NewAttachment {
        id: attachment,
        message: long,
        part_index: 0,
        mime_type: "text/plain".to_owned(),
        name: None,
        data: Bytes::from_static(b"bytes"),
    };
    let batch = scene.batch().op(Op::AppendMessage(row)).op(Op::PutAttachment(bytes));
    let placed = scene.apply(batch).await.unwrap().placed[0];
    let before = scene.shown(conversation).await;
    scene.apply_op(Op::WipeMessage { id: long }).await.unwrap();
    let wiped = scene.store.message(scene.owner, long).await.unwrap().unwrap();
    assert_eq!((wiped.status, wiped.parts.as_slice(), wiped.depth), (MessageStatus::Deleted, &[] as &[Part], 4));
    assert!(wiped.metadata.is_empty());
    assert_eq!(scene.store.attachment(scene.owner, attachment).await.unwrap(), None);
    let after = scene.shown(conversation).await;
    assert_eq!((after.message_count, after.head_id, after.last_preview), (4, Some(long), None));
    assert!(after.version > before.version);
    // It still fills its page.
    scene.apply_op(Op::WipeMessage { id: ids[1] }).await.unwrap();
    assert_eq!(scene.texts(conversation).await, ["0", "", "2", ""]);
    let again = scene.shown(conversation).await;
    scene.apply_op(Op::WipeMessage { id: ids[1] }).await.unwrap();
    assert_eq!(scene.shown(conversation).await, again, "twice is once");
    // Whoever has read the conversation before is told by the next message.
    let row = user_row(scene.ids.message(), conversation, Parent::Head, "next");
    let next = scene.apply_op(Op::AppendMessage(row)).await.unwrap().placed[0];
    assert!(next.deletion > placed.deletion);
    let row = user_row(scene.ids.message(), conversation, Parent::Head, "and next");
    assert_eq!(scene.apply_op(Op::AppendMessage(row)).await.unwrap().placed[0].deletion, next.deletion);
    let sent = scene.stream(conversation, "question", "par").await;
    refused(scene.apply_op(Op::WipeMessage { id: sent.reply }).await, ErrorKind::Conflict, "still_streaming");
}

pub(super) async fn messages_are_removed_in_batches(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let ids = scene.fill(conversation, 10).await;
    let mut aside = Vec::new();
    for _ in 0..3 {
        aside.push(scene.append(conversation, Parent::Message(ids[6]), "aside").await);
    }
    let kept = scene.append(conversation, Parent::Message(ids[3]), "kept").await;
    // The shown branch does not go through it.
    let shown = scene.texts(conversation).await;
    let batches = scene.remove(conversation, ids[5], 4).await.unwrap();
    assert!(batches > 2, "{batches}");
    assert_eq!(scene.texts(conversation).await, shown);
    for gone in ids[5..].iter().chain(&aside) {
        assert_eq!(scene.store.message(scene.owner, *gone).await.unwrap(), None);
    }
    assert_eq!(scene.shown(conversation).await.message_count, 6);
    assert_eq!(scene.switch(conversation, ids[4]).await, Some(ids[4]));
    // The shown branch goes through it: the conversation ends before it, and the siblings are numbered anew.
    let third = scene.append(conversation, Parent::Message(ids[3]), "third").await;
    scene.switch(conversation, kept).await;
    scene.remove(conversation, kept, 100).await.unwrap();
    assert_eq!(scene.shown(conversation).await.head_id, Some(ids[3]));
    let place = async |id| {
        let message = scene.store.message(scene.owner, id).await.unwrap().unwrap();
        (message.sibling_index, message.sibling_count)
    };
    assert_eq!((place(ids[4]).await, place(third).await), ((0, 2), (1, 2)));
    let fourth = scene.append(conversation, Parent::Message(ids[3]), "fourth").await;
    assert_eq!(place(fourth).await, (2, 3));
    // All of it.
    scene.remove(conversation, ids[0], 2).await.unwrap();
    let empty = scene.shown(conversation).await;
    assert_eq!((empty.message_count, empty.head_id, empty.last_preview), (0, None, None));
    scene.append(conversation, Parent::Head, "anew").await;
    assert_eq!(scene.texts(conversation).await, ["anew"]);
    refused(scene.remove(conversation, ids[0], 2).await, ErrorKind::NotFound, "no_message");
}

pub(super) async fn a_removal_takes_turns_along_and_spares_what_is_under_way(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let before = scene.append(conversation, Parent::Head, "before").await;
    let open = scene.send(conversation, "open").await;
    refused(scene.remove(conversation, open.message, 9).await, ErrorKind::Conflict, "turn_open");
    scene.apply(scene.first_words(open, "par")).await.unwrap();
    refused(scene.remove(conversation, open.message, 9).await, ErrorKind::Conflict, "still_streaming");
    assert_eq!(scene.texts(conversation).await.len(), 3);
    scene.apply(scene.ending(open, 2, "whole")).await.unwrap();
    let waiting = scene.planned(conversation);
    let entry = QueueEntry { not_before: Some(later(5)), ..QueueEntry::new(waiting.turn) };
    let rest = super::scene::advance(waiting.turn, TurnState::Waiting);
    scene.apply(scene.sending(waiting, "waits").op(Op::Enqueue(entry)).op(rest)).await.unwrap();
    scene.remove(conversation, open.message, 9).await.unwrap();
    for turn in [open.turn, waiting.turn] {
        assert_eq!(scene.store.turn(scene.owner, turn).await.unwrap(), None);
    }
    let query = crate::store::QueueQuery { conversation: None, moving: false, limit: 5 };
    assert_eq!(scene.store.queue(scene.owner, query).await.unwrap(), []);
    assert_eq!(scene.texts(conversation).await, ["before"]);
    assert_eq!(scene.shown(conversation).await.head_id, Some(before));
}

pub(super) async fn a_turn_takes_a_message_that_belonged_to_none(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let message = scene.append(conversation, Parent::Head, "appended").await;
    let sent = super::scene::Sent { message, ..scene.planned(conversation) };
    scene.apply_op(Op::PutTurn(new_turn(sent))).await.unwrap();
    assert_eq!(scene.store.message(scene.owner, message).await.unwrap().unwrap().turn_id, Some(sent.turn));
    let second = super::scene::Sent { message, ..scene.planned(conversation) };
    scene.apply_op(Op::PutTurn(new_turn(second))).await.unwrap();
    assert_eq!(scene.store.message(scene.owner, message).await.unwrap().unwrap().turn_id, Some(sent.turn));
}

pub(super) async fn a_message_may_say_when_it_was_said(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let row = NewRow {
        created_at: Some(later(-1_000)),
        content: Content::encode(&[Part::text("old")]).unwrap(),
        ..user_row(scene.ids.message(), conversation, Parent::Head, "")
    };
    let id = row.id;
    scene.apply_op(Op::AppendMessage(row)).await.unwrap();
    assert_eq!(scene.store.message(scene.owner, id).await.unwrap().unwrap().created_at, later(-1_000));
    assert!(scene.shown(conversation).await.updated_at > later(-1_000));
}
