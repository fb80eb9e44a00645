use std::sync::Arc;

use super::*;
use crate::base::ManualClock;
use crate::store::contract;

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, SqliteSettings::default(), Arc::new(ManualClock::default())).await.unwrap()
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    contract::run(async |n| Arc::new(open(&folder.path().join(format!("{n}.db"))).await) as Arc<dyn Store>).await;
}
