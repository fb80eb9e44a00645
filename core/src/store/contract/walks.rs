//! Random walks through a tree, held against a model that keeps every selection and walks every step.

use std::sync::Arc;

use super::scene::{Scene, user_row};
use crate::base::{ConversationId, MessageId, Random as _, SeededRandom};
use crate::model::{Message, MessageStatus};
use crate::store::{Anchor, BranchQuery, Op, Parent, SiblingAnchor, Store};

/// A message as the model knows it. The first is the beginning.
struct Node {
    id: Option<MessageId>,
    parent: usize,
    children: Vec<usize>,
    selected: Option<usize>,
    wiped: bool,
    gone: bool,
}

struct Model {
    nodes: Vec<Node>,
    head: usize,
}

impl Model {
    fn new() -> Self {
        let beginning = Node { id: None, parent: 0, children: vec![], selected: None, wiped: false, gone: false };
        Self { nodes: vec![beginning], head: 0 }
    }

    /// From the first message to this one.
    fn way(&self, mut at: usize) -> Vec<usize> {
        let mut way = Vec::new();
        while at != 0 {
            way.push(at);
            at = self.nodes[at].parent;
        }
        way.reverse();
        way
    }

    fn ids(&self, way: &[usize]) -> Vec<MessageId> {
        way.iter().map(|at| self.nodes[*at].id.unwrap()).collect()
    }

    fn is_shown(&self, at: usize) -> bool {
        at == 0 || self.way(self.head).contains(&at)
    }

    fn select_way_to(&mut self, at: usize) {
        for step in self.way(at) {
            let parent = self.nodes[step].parent;
            self.nodes[parent].selected = Some(step);
        }
    }

    fn add(&mut self, parent: usize, id: MessageId, shows: bool) {
        let new = self.nodes.len();
        self.nodes.push(Node { id: Some(id), parent, children: vec![], selected: None, wiped: false, gone: false });
        self.nodes[parent].children.push(new);
        if shows {
            self.select_way_to(new);
            self.head = new;
        } else if self.nodes[parent].selected.is_none() {
            self.nodes[parent].selected = Some(new);
        }
    }

    fn switch(&mut self, to: usize) {
        self.select_way_to(to);
        self.head = to;
        while let Some(next) = self.nodes[self.head].selected {
            self.head = next;
        }
    }

    fn fork(&mut self, at: usize) {
        self.select_way_to(at);
        self.nodes[at].selected = None;
        self.head = at;
    }

    fn remove(&mut self, top: usize) {
        let parent = self.nodes[top].parent;
        if self.is_shown(top) {
            self.head = parent;
        }
        if self.nodes[parent].selected == Some(top) {
            self.nodes[parent].selected = None;
        }
        self.nodes[parent].children.retain(|child| *child != top);
        let mut all = vec![top];
        while let Some(at) = all.pop() {
            self.nodes[at].gone = true;
            all.extend(&self.nodes[at].children);
        }
    }

    fn there(&self) -> Vec<usize> {
        (1..self.nodes.len()).filter(|at| !self.nodes[*at].gone).collect()
    }
}

pub(super) async fn random_walks_equal_those_of_a_naive_model(store: Arc<dyn Store>) {
    walks(&store, 0..6).await;
}

/// A walk for each seed.
pub(crate) async fn walks(store: &Arc<dyn Store>, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        walk(&Scene::seeded(Arc::clone(store), seed), seed).await;
    }
}

async fn walk(scene: &Scene, seed: u64) {
    let random = SeededRandom::new(seed);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small index")]
    let below = |n: usize| (random.unit() * n as f64) as usize;
    let conversation = scene.new_conversation().await;
    let mut model = Model::new();
    for step in 0..120 {
        let told = format!("seed {seed}, step {step}");
        let there = model.there();
        let any = if there.is_empty() { 0 } else { there[below(there.len())] };
        let action = if any == 0 { 0 } else { below(20) };
        let id_of = |model: &Model, at: usize| model.nodes[at].id.unwrap();
        let append = async |parent: Parent| {
            let row = user_row(scene.ids.message(), conversation, parent, &told);
            let id = row.id;
            scene.apply_op(Op::AppendMessage(row)).await.unwrap_or_else(|error| panic!("{told}: {error}"));
            id
        };
        match action {
            0..7 => {
                let id = append(Parent::Head).await;
                model.add(model.head, id, true);
            }
            7 | 8 => {
                let id = append(Parent::Beside(id_of(&model, any))).await;
                model.add(model.nodes[any].parent, id, true);
            }
            9 | 10 => {
                let id = append(Parent::Below(id_of(&model, any))).await;
                model.add(any, id, model.is_shown(any));
            }
            11 => {
                let id = append(Parent::Message(id_of(&model, any))).await;
                model.add(any, id, true);
            }
            12..16 => {
                scene.switch(conversation, id_of(&model, any)).await;
                model.switch(any);
            }
            16 | 17 => {
                let op = Op::ForkAt { conversation, message: id_of(&model, any) };
                let head = scene.apply_op(op).await.unwrap_or_else(|error| panic!("{told}: {error}")).head;
                assert_eq!(head, model.nodes[any].id, "{told}");
                model.fork(any);
            }
            18 => {
                scene.apply_op(Op::WipeMessage { id: id_of(&model, any) }).await.unwrap();
                model.nodes[any].wiped = true;
            }
            _ => {
                // What hangs off further below goes more often than everything.
                let top = [any, there[below(there.len())]].into_iter().max_by_key(|at| model.way(*at).len()).unwrap();
                scene.remove(conversation, id_of(&model, top), 1 + below(5)).await.unwrap();
                model.remove(top);
            }
        }
        check(scene, conversation, &model, below(7) + 1, &told).await;
    }
}

async fn check(scene: &Scene, conversation: ConversationId, model: &Model, limit: usize, told: &str) {
    let shown = scene.shown(conversation).await;
    assert_eq!(shown.head_id, model.nodes[model.head].id, "{told}");
    assert_eq!(usize::try_from(shown.message_count).unwrap(), model.there().len(), "{told}");
    let way = model.way(model.head);
    let pages = super::pages::both_ways(scene, conversation, limit).await;
    assert_eq!(pages, (model.ids(&way), model.ids(&way)), "{told}");

    let leaves: Vec<_> = model.there().into_iter().filter(|at| model.nodes[*at].children.is_empty()).rev().collect();
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let query = BranchQuery { limit, before, after: None };
        let rows = scene.store.branches(scene.owner, conversation, query).await.unwrap().unwrap();
        assert!(rows.items.len() == limit || rows.reached_end, "{told}");
        before = rows.items.last().map(|branch| branch.head_id);
        for branch in &rows.items {
            assert_eq!(branch.is_current, Some(branch.head_id) == shown.head_id, "{told}");
        }
        found.extend(rows.items.iter().map(|branch| branch.head_id));
        if rows.reached_end {
            break;
        }
    }
    assert_eq!(found, model.ids(&leaves), "{told}");

    let Some(any) = model.there().into_iter().rev().nth(limit - 1) else { return };
    let id = model.nodes[any].id.unwrap();
    let upto = scene.store.messages_upto(scene.owner, conversation, id, Anchor::End, 1_000).await.unwrap().unwrap();
    assert_eq!(upto.items.iter().map(|m| m.id).collect::<Vec<_>>(), model.ids(&model.way(any)), "{told}");
    let siblings = scene.store.siblings(scene.owner, conversation, SiblingAnchor::Around(id), 1_000).await;
    let siblings = siblings.unwrap().unwrap().items;
    let expected = &model.nodes[model.nodes[any].parent].children;
    assert_eq!(siblings.iter().map(|m| m.id).collect::<Vec<_>>(), model.ids(expected), "{told}");
    for (index, (message, at)) in siblings.iter().zip(expected).enumerate() {
        assert_eq!(usize::try_from(message.sibling_index).unwrap(), index, "{told}");
        assert_eq!(usize::try_from(message.sibling_count).unwrap(), expected.len(), "{told}");
        assert_eq!(is_wiped(message), model.nodes[*at].wiped, "{told}");
    }
}

fn is_wiped(message: &Message) -> bool {
    message.status == MessageStatus::Deleted && message.parts.is_empty()
}
