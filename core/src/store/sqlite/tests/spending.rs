//! Money that several processes spend, some of which are killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Child;

use super::processes::{FILE, READY, ready_child, wait_until_told};
use super::*;
use crate::base::ErrorKind;
use crate::model::{Budget, BudgetLimit, BudgetScope, UsageBy, Window};
use crate::store::contract::scene::{NOW, OWNER, later};
use crate::store::contract::spending::{cost, reservation};
use crate::store::{Op, Spender, UsageQuery};

const PROCESSES: usize = 8;
const KILLED: usize = 3;
const EACH: usize = 125;
const LIMIT: i64 = 300;

#[test]
#[ignore = "the other process of eight_processes_of_which_three_are_killed_never_overshoot_a_budget"]
fn spends_until_it_is_refused() {
    let Some(path) = std::env::var_os(FILE).map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = open(&path).await;
        let scene = scene(&store, u64::from(std::process::id()));
        println!("{READY}");
        wait_until_told(&mut std::io::stdin());
        let mut admitted = 0;
        for n in 0..EACH {
            let id = scene.ids.reservation();
            let batch = scene.batch().op(Op::Reserve(reservation(id, cost(1))));
            match store.apply(batch, Durability::ProcessSafe).await {
                Ok(_) => {
                    admitted += 1;
                    println!("admitted");
                }
                Err(error) => {
                    assert_eq!((error.kind(), error.reason()), (ErrorKind::BudgetExceeded, "budget"));
                    continue;
                }
            }
            // Every third one is still running when its process ends.
            if n % 3 > 0 {
                let batch = scene.batch().op(Op::Settle { id, entry: cost(1) });
                store.apply(batch, Durability::ProcessSafe).await.unwrap();
            }
        }
        println!("done {admitted}");
        wait_until_told(&mut std::io::stdin());
    });
}

/// Reads what a process says until it was admitted so often or is done; gives how often it was admitted.
fn admitted(child: &mut Child, most: usize) -> usize {
    let mut admitted = 0;
    for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains("admitted") {
            admitted += 1;
        }
        if admitted >= most || line.contains("done") {
            return admitted;
        }
    }
    panic!("the child ended early");
}

#[tokio::test]
async fn eight_processes_of_which_three_are_killed_never_overshoot_a_budget() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    scene(&store, 1).set(Budget::requests(LIMIT)).await;
    store.close().await.unwrap();
    let mut children: Vec<Child> =
        (0..PROCESSES).map(|_| ready_child("spending::spends_until_it_is_refused", &path)).collect();
    for child in &mut children {
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    }
    let mut seen = 0;
    let mut living = children.split_off(KILLED);
    for (number, child) in children.iter_mut().enumerate() {
        seen += admitted(child, 3 + 4 * number);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(seen > 0, "nobody was killed while it spent");
    for child in &mut living {
        seen += admitted(child, usize::MAX);
    }
    assert!(seen <= usize::try_from(LIMIT).unwrap(), "{seen}");
    for child in &mut living {
        drop(child.stdin.take());
        child.wait().unwrap();
    }
    // What the killed ones were told of, and we did not read, is in the file.
    let open_before: i64 = ask(&path, "SELECT count(*) FROM reservation");
    assert!(open_before > 0, "nothing was left to be recovered");
    let store = open(&path).await;
    let who = Spender { owner: OWNER.to_owned(), ..Spender::default() };
    let standing = |status: Vec<BudgetStatus>| (status[0].spent, status[0].reserved, status[0].remaining);
    let before = standing(store.budget_status(who.clone(), NOW).await.unwrap());
    assert_eq!(before, (LIMIT - open_before, open_before, 0), "exactly as many were admitted as the budget allows");
    for _ in 0..2 {
        // Their leases have a day to go, but nobody is alive.
        store.recover(NOW).await.unwrap();
        assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM reservation"), 0);
        assert_eq!(standing(store.budget_status(who.clone(), NOW).await.unwrap()), (LIMIT, 0, 0));
        let query = UsageQuery { owner: None, by: UsageBy::Model, since: None, until: None, after: None, limit: 9 };
        let total = store.usage(query).await.unwrap().total;
        assert_eq!((total.requests, total.estimated_requests, total.nano_usd), (LIMIT, open_before, LIMIT));
    }
    store.close().await.unwrap();
    assert_sound(&path, "spent by eight");
}

#[tokio::test]
async fn a_budget_set_by_another_store_holds_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let (one, other) = (open(&path).await, open(&path).await);
    let (scene_1, scene_2) = (scene(&one, 1), scene(&other, 2));
    let reserve =
        async |scene: &Scene| scene.apply_op(Op::Reserve(reservation(scene.ids.reservation(), cost(1)))).await;
    reserve(&scene_1).await.unwrap();
    scene_2.set(Budget::requests(2)).await;
    reserve(&scene_1).await.unwrap();
    for scene in [&scene_1, &scene_2] {
        let error = reserve(scene).await.unwrap_err();
        assert_eq!(error.budget().unwrap().reserved, 2);
    }
}

#[tokio::test]
async fn counters_of_windows_that_are_over_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    scene.set(Budget::new(BudgetLimit::Tokens(100)).per(Window::Minute).each(BudgetScope::User)).await;
    for minute in 0..40 {
        let batch = WriteBatch::new(OWNER, later(minute * 60_000)).op(Op::Charge(cost(1)));
        store.apply(batch, Durability::ProcessSafe).await.unwrap();
        assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM budget_counter"), 1);
    }
    assert!(ask::<i64>(&path, "SELECT count(*) FROM usage_hour WHERE owner_pk = 0") <= 2);
}
