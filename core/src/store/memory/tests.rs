use std::sync::Arc;

use super::*;
use crate::store::contract::{self, scene::Scene};
use crate::store::{Op, Parent};

#[tokio::test]
async fn memory_keeps_the_contract() {
    contract::run(async |_| Arc::new(MemoryStore::new()) as Arc<dyn Store>).await;
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
