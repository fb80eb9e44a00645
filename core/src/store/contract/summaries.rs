//! Summaries: whose branch they belong to, and what takes them away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::scene::{NOW, STRANGER, Scene, later, put_conversation, refused};
use crate::base::{ConversationId, ErrorKind, MessageId, Random as _, SeededRandom};
use crate::model::Result;
use crate::store::{MAX_SUMMARIES, MAX_SUMMARY_BYTES, NewSummary, Op, Parent, Receipt, Store, SummaryPlace};

impl Scene {
    fn summary_of(&self, conversation: ConversationId, upto: MessageId, as_of: i64, text: &str) -> Op {
        let (model, text) = ("lab/notes".to_owned(), text.to_owned());
        Op::PutSummary(NewSummary { conversation, upto, as_of, model, text })
    }

    /// Keeps a summary of the conversation as it stands.
    async fn sum_up(&self, conversation: ConversationId, upto: MessageId, text: &str) -> Result<Receipt> {
        let as_of = self.shown(conversation).await.version;
        self.apply_op(self.summary_of(conversation, upto, as_of, text)).await
    }

    async fn place(&self, conversation: ConversationId, before: Option<MessageId>) -> Option<SummaryPlace> {
        self.store.summary(self.owner, conversation, before).await.unwrap()
    }

    /// What the newest summary before this message says.
    async fn summed_up(&self, conversation: ConversationId, before: Option<MessageId>) -> Option<String> {
        self.place(conversation, before).await.unwrap().newest.map(|summary| summary.text)
    }
}

pub(super) async fn the_newest_summary_of_a_branch_is_found(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let chat = scene.new_conversation().await;
    assert_eq!(scene.place(chat, None).await.unwrap().newest, None);
    let ids = scene.fill(chat, 6).await;
    let before = scene.shown(chat).await;
    scene.sum_up(chat, ids[1], "up to 1").await.unwrap();
    scene.sum_up(chat, ids[3], "up to 3").await.unwrap();
    let place = scene.place(chat, None).await.unwrap();
    assert_eq!((place.version, place.depth), (before.version, 6), "it is no change of the conversation");
    let found = place.newest.unwrap();
    assert_eq!((found.upto, found.depth, &*found.model, &*found.text), (ids[3], 4, "lab/notes", "up to 3"));
    assert!(found.created_at >= NOW);
    // It stands before a message, so never holds that one itself.
    for (at, expected) in [(0, None), (1, None), (2, Some("up to 1")), (3, Some("up to 1")), (4, Some("up to 3"))] {
        assert_eq!(scene.summed_up(chat, Some(ids[at])).await.as_deref(), expected, "{at}");
    }
    assert_eq!(scene.place(chat, Some(ids[4])).await.unwrap().depth, 5);
    // Another branch has what it shares.
    let edited = scene.append(chat, Parent::Beside(ids[3]), "edited").await;
    assert_eq!(scene.summed_up(chat, None).await.as_deref(), Some("up to 1"));
    assert_eq!(scene.summed_up(chat, Some(ids[5])).await.as_deref(), Some("up to 3"));
    scene.sum_up(chat, edited, "edited").await.unwrap();
    assert_eq!(scene.summed_up(chat, None).await.as_deref(), Some("edited"), "the last message may be in it");
    scene.append(chat, Parent::Start, "elsewhere").await;
    assert_eq!(scene.summed_up(chat, None).await, None);
    scene.switch(chat, ids[5]).await;
    assert_eq!(scene.summed_up(chat, None).await.as_deref(), Some("up to 3"));
}

pub(super) async fn a_summary_is_its_owners_own(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let chat = scene.new_conversation().await;
    let ids = scene.fill(chat, 2).await;
    scene.sum_up(chat, ids[0], "secret").await.unwrap();
    let stranger = scene.of(STRANGER);
    assert_eq!(stranger.place(chat, None).await, None);
    assert_eq!(stranger.place(chat, Some(ids[1])).await, None);
    let other = stranger.new_conversation().await;
    assert_eq!(stranger.place(other, Some(ids[1])).await, None, "the message stands elsewhere");
    let theirs = async |chat, id| stranger.apply_op(stranger.summary_of(chat, id, i64::MAX, "mine")).await;
    refused(theirs(chat, ids[1]).await, ErrorKind::NotFound, "no_conversation");
    refused(theirs(other, ids[1]).await, ErrorKind::NotFound, "no_message");
    assert_eq!(scene.summed_up(chat, None).await.as_deref(), Some("secret"));
    assert_eq!(scene.place(scene.ids.conversation(), None).await, None);
    assert_eq!(scene.place(chat, Some(scene.ids.message())).await, None);
}

pub(super) async fn words_that_are_deleted_live_on_in_no_summary(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    for deletion in ["wiped", "removed", "taken back"] {
        let chat = scene.new_conversation().await;
        let ids = scene.fill(chat, 8).await;
        for at in [1, 3, 5] {
            scene.sum_up(chat, ids[at], &format!("up to {at}")).await.unwrap();
        }
        let op = match deletion {
            "wiped" => Op::WipeMessage { id: ids[2] },
            "removed" => Op::RemoveMessages { conversation: chat, top: ids[2], from: None, steps: 2 },
            _ => Op::WithdrawMessage { id: ids[2] },
        };
        scene.apply_op(op).await.unwrap();
        assert_eq!(scene.summed_up(chat, None).await.as_deref(), Some("up to 1"), "{deletion}");
        scene.apply_op(Op::WipeMessage { id: ids[0] }).await.unwrap();
        assert_eq!(scene.summed_up(chat, None).await, None, "{deletion}");
    }
    // A conversation takes its own along, also one that makes room.
    let chat = scene.new_conversation().await;
    let ids = scene.fill(chat, 2).await;
    scene.sum_up(chat, ids[0], "gone").await.unwrap();
    scene.apply_op(Op::DeleteConversation { id: chat }).await.unwrap();
    scene.apply_op(put_conversation(chat)).await.unwrap();
    assert_eq!(scene.summed_up(chat, None).await, None);
}

pub(super) async fn a_summary_of_what_has_changed_meanwhile_is_refused(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let chat = scene.new_conversation().await;
    let ids = scene.fill(chat, 4).await;
    let as_of = scene.shown(chat).await.version;
    let put = async |as_of, at: usize| scene.apply_op(scene.summary_of(chat, ids[at], as_of, "old words")).await;
    // What is said later is not in it.
    scene.append(chat, Parent::Head, "on").await;
    put(as_of, 0).await.unwrap();
    scene.apply_op(Op::WipeMessage { id: ids[2] }).await.unwrap();
    refused(put(as_of, 3).await, ErrorKind::Conflict, "history_moved");
    refused(put(as_of, 1).await, ErrorKind::Conflict, "history_moved");
    let as_of = scene.shown(chat).await.version;
    put(as_of, 3).await.unwrap();
    // Taken back before it was sent.
    scene.apply_op(Op::WithdrawMessage { id: ids[0] }).await.unwrap();
    refused(put(as_of, 3).await, ErrorKind::Conflict, "history_moved");
    // A reply that ended when somebody had gone on below it.
    let chat = scene.new_conversation().await;
    let sent = scene.stream(chat, "question", "par").await;
    let below = scene.append(chat, Parent::Message(sent.reply), "and?").await;
    let as_of = scene.shown(chat).await.version;
    scene.apply(scene.ending(sent, 2, "partly")).await.unwrap();
    let late = scene.apply_op(scene.summary_of(chat, below, as_of, "old words")).await;
    refused(late, ErrorKind::Conflict, "history_moved");
    // A removal leaves no row behind that could tell of it.
    let chat = scene.new_conversation().await;
    let ids = scene.fill(chat, 3).await;
    let as_of = scene.shown(chat).await.version;
    scene.remove(chat, ids[1], 10).await.unwrap();
    let late = scene.apply_op(scene.summary_of(chat, ids[0], as_of, "old words")).await;
    refused(late, ErrorKind::Conflict, "history_moved");
    assert_eq!(scene.summed_up(chat, None).await, None);
}

pub(super) async fn a_summary_is_kept_once(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let chat = scene.new_conversation().await;
    let ids = scene.fill(chat, 2).await;
    scene.sum_up(chat, ids[0], "first").await.unwrap();
    scene.sum_up(chat, ids[0], "second").await.unwrap();
    assert_eq!(scene.summed_up(chat, None).await.as_deref(), Some("first"));
    let long = scene.sum_up(chat, ids[1], &"x".repeat(MAX_SUMMARY_BYTES + 1)).await;
    refused(long, ErrorKind::Invalid, "too_large");
    scene.sum_up(chat, ids[1], &"x".repeat(MAX_SUMMARY_BYTES)).await.unwrap();
    assert_eq!(scene.summed_up(chat, None).await.map(|text| text.len()), Some(MAX_SUMMARY_BYTES));
}

pub(super) async fn the_oldest_summaries_make_room(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let chat = scene.new_conversation().await;
    let other = scene.new_conversation().await;
    let elsewhere = scene.fill(other, 1).await;
    scene.sum_up(other, elsewhere[0], "elsewhere").await.unwrap();
    let ids = scene.fill(chat, MAX_SUMMARIES + 5).await;
    for (at, id) in ids.iter().enumerate().take(MAX_SUMMARIES + 3) {
        scene.sum_up(chat, *id, &at.to_string()).await.unwrap();
    }
    assert_eq!(scene.summed_up(chat, Some(ids[3])).await, None, "the first three are gone");
    assert_eq!(scene.summed_up(chat, Some(ids[4])).await.as_deref(), Some("3"));
    assert_eq!(scene.summed_up(chat, None).await, Some((MAX_SUMMARIES + 2).to_string()));
    assert_eq!(scene.summed_up(other, None).await.as_deref(), Some("elsewhere"));
    // Also where the clock has gone back.
    let as_of = scene.shown(chat).await.version;
    let op = scene.summary_of(chat, ids[0], as_of, "early");
    scene.apply(crate::store::WriteBatch::new(scene.owner, later(-1_000)).op(op)).await.unwrap();
    assert_eq!(scene.summed_up(chat, Some(ids[1])).await.as_deref(), Some("early"));
    assert_eq!(scene.summed_up(chat, Some(ids[4])).await.as_deref(), Some("early"), "and the oldest beside it is gone");
}

pub(super) async fn random_summaries_equal_those_of_a_naive_model(store: Arc<dyn Store>) {
    for seed in 1..=4 {
        random_summaries(Arc::clone(&store), seed).await;
    }
}

async fn random_summaries(store: Arc<dyn Store>, seed: u64) {
    let scene = Scene::seeded(store, 7_000 + seed);
    let random = SeededRandom::new(seed);
    let pick = |most: usize| {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(most).unwrap()).unwrap()
    };
    let chat = scene.new_conversation().await;
    // Each message with its parent; where the way from the beginning leads is walked step by step.
    let mut parents: Vec<(MessageId, Option<usize>)> = Vec::new();
    let way = |parents: &[(MessageId, Option<usize>)], at: usize| {
        let mut way = vec![at];
        while let Some(above) = parents[way[way.len() - 1]].1 {
            way.push(above);
        }
        way.reverse();
        way
    };
    let mut kept: BTreeMap<usize, String> = BTreeMap::new();
    let mut wiped = BTreeSet::new();
    for step in 0..160 {
        let told = format!("seed {seed}, step {step}");
        match pick(10) {
            // Seldom so many that the oldest would make room.
            0..2 if !parents.is_empty() && kept.len() < MAX_SUMMARIES => {
                let at = pick(parents.len());
                let text = format!("summary {step}");
                scene.sum_up(chat, parents[at].0, &text).await.unwrap();
                kept.entry(at).or_insert(text);
            }
            2 if step % 4 == 0 && !parents.is_empty() => {
                let at = pick(parents.len());
                scene.apply_op(Op::WipeMessage { id: parents[at].0 }).await.unwrap();
                // What was wiped before is not wiped again.
                if !wiped.insert(at) {
                    continue;
                }
                let depth = way(&parents, at).len();
                kept.retain(|kept, _| way(&parents, *kept).len() < depth);
            }
            _ => {
                let below = (!parents.is_empty() && pick(8) > 0).then(|| pick(parents.len()));
                let parent = below.map_or(Parent::Start, |below| Parent::Message(parents[below].0));
                let id = scene.append(chat, parent, &told).await;
                parents.push((id, below));
            }
        }
        for _ in 0..3 {
            if parents.is_empty() {
                continue;
            }
            let asked = pick(parents.len());
            let on_way = way(&parents, asked);
            let newest = on_way[..on_way.len() - 1].iter().rev().find_map(|at| kept.get(at)).cloned();
            assert_eq!(scene.summed_up(chat, Some(parents[asked].0)).await, newest, "{told}");
        }
    }
}
