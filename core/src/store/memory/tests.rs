use std::sync::Arc;

use super::*;
use crate::model::{BudgetScope, Window};
use crate::store::contract::scene::{OWNER, Scene, later};
use crate::store::contract::{self, spending::cost};
use crate::store::{Op, Parent};

#[tokio::test]
async fn memory_keeps_the_contract() {
    contract::run(async |_| Arc::new(MemoryStore::new()) as Arc<dyn Store>).await;
}

#[tokio::test]
async fn longer_walks_equal_those_of_a_naive_model() {
    contract::walks::walks(&(Arc::new(MemoryStore::new()) as Arc<dyn Store>), 6..60).await;
}

#[tokio::test]
async fn counters_of_windows_that_are_over_are_swept() {
    let store = Arc::new(MemoryStore::new());
    let scene = Scene::new(Arc::clone(&store) as Arc<dyn Store>);
    scene.set(Budget::tokens(100).per(Window::Minute).each(BudgetScope::User)).await;
    for minute in 0..40 {
        let batch = WriteBatch::new(OWNER, later(minute * 60_000)).op(Op::Charge(cost(1)));
        store.apply(batch, Durability::PowerSafe).await.unwrap();
        assert_eq!(store.state.lock().unwrap().counters.iter().count(), 1);
    }
}

#[tokio::test]
async fn equal_bytes_are_kept_once_and_nothing_stays_behind() {
    let store = Arc::new(MemoryStore::new());
    let scene = Scene::new(Arc::clone(&store) as Arc<dyn Store>);
    let long = "long ".repeat(50_000);
    let mut conversations = Vec::new();
    for _ in 0..3 {
        let conversation = scene.new_conversation().await;
        scene.append(conversation, Parent::Head, &long).await;
        scene.stream(conversation, "question", "par").await;
        conversations.push(conversation);
    }
    assert_eq!(store.state.lock().unwrap().blobs.iter().count(), 1);
    for id in conversations {
        scene.apply_op(Op::DeleteConversation { id }).await.unwrap();
    }
    let mut state = store.state.lock().unwrap();
    assert!(state.tables().iter().all(|table| table.is_empty()));
}
