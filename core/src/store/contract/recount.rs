//! Random spending, held against a book-keeper who counts everything from the beginning.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::scene::Scene;
use super::spending::{MINUTE, MONDAY, ONE, TWO, cost};
use crate::base::{Random as _, ReservationId, SeededRandom, Timestamp};
use crate::model::{Budget, BudgetLimit, BudgetScope, Window};
use crate::store::{LedgerEntry, Op, Spender, Store};

/// What a naive book-keeper would write down.
#[derive(Default)]
struct Oracle {
    budgets: BTreeMap<String, Budget>,
    spent: Vec<(Timestamp, &'static str, LedgerEntry)>,
    open: Vec<(Timestamp, &'static str, ReservationId, LedgerEntry)>,
}

impl Oracle {
    /// Spent and reserved of a budget, counted from the beginning.
    fn count(&self, budget: &Budget, who: &Spender, moment: Timestamp) -> (i64, i64) {
        let (start, end) = budget.window.bounds(moment);
        let counts = |at: Timestamp, owner: &str, entry: &LedgerEntry| {
            let mine = match budget.scope {
                BudgetScope::Application => true,
                BudgetScope::User => owner == who.owner,
                BudgetScope::Conversation => owner == who.owner && entry.conversation == who.conversation,
                BudgetScope::Run => owner == who.owner && entry.run == who.run,
            };
            if mine && start <= at && end.is_none_or(|end| at < end) {
                budget.limit.of(&entry.spend()).unwrap()
            } else {
                0
            }
        };
        let spent = self.spent.iter().map(|(at, owner, entry)| counts(*at, owner, entry)).sum();
        let reserved = self.open.iter().map(|(at, owner, _, entry)| counts(*at, owner, entry)).sum();
        (spent, reserved)
    }

    fn holding(&self, who: &Spender) -> Vec<&Budget> {
        let holds = |budget: &&Budget| match budget.scope {
            BudgetScope::Application => true,
            BudgetScope::User => budget.key.as_ref().is_none_or(|key| *key == who.owner),
            BudgetScope::Conversation => who.conversation.is_some(),
            BudgetScope::Run => who.run.is_some(),
        };
        self.budgets.values().filter(holds).collect()
    }
}

pub(super) async fn budgets_stand_where_a_recount_from_the_beginning_says(store: Arc<dyn Store>) {
    for seed in 1..=3 {
        recount(&store, seed).await;
    }
}

async fn recount(store: &Arc<dyn Store>, seed: u64) {
    let random = SeededRandom::new(seed);
    let pick = |most: u64| {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        u64::from_le_bytes(bytes) % most
    };
    let scene = Scene::seeded(Arc::clone(store), 1_000 + seed);
    let owners: [&'static str; 2] = match seed {
        1 => ["r1", "s1"],
        2 => ["r2", "s2"],
        _ => ["r3", "s3"],
    };
    let mut oracle = Oracle::default();
    let mut moment = MONDAY;
    let windows = [Window::Hour, Window::Day, Window::Week, Window::Month, Window::Total];
    for step in 0..250 {
        let told = format!("seed {seed}, step {step}");
        moment = Timestamp::from_millis(moment.as_millis() + i64::try_from(pick(4)).unwrap() * 20 * MINUTE);
        let owner = owners[usize::try_from(pick(2)).unwrap()];
        let by = scene.of(owner);
        let amount = i64::try_from(pick(50)).unwrap();
        let entry = LedgerEntry {
            conversation: [None, Some(ONE), Some(TWO)][usize::try_from(pick(3)).unwrap()],
            run: [None, Some("r".to_owned())][usize::try_from(pick(2)).unwrap()].clone(),
            ..cost(amount)
        };
        let who = Spender {
            owner: owner.to_owned(),
            conversation: entry.conversation,
            run: entry.run.clone(),
            also: Vec::new(),
        };
        match pick(10) {
            0 => {
                let limit = match pick(3) {
                    0 => BudgetLimit::NanoUsd(500 + amount),
                    1 => BudgetLimit::Tokens(200 + amount),
                    _ => BudgetLimit::Requests(20 + amount),
                };
                let window = windows[usize::try_from(pick(5)).unwrap()];
                // Those of the application would count what the other seeds have spent.
                let scopes = [BudgetScope::User, BudgetScope::Conversation, BudgetScope::Run];
                let scope = scopes[usize::try_from(pick(3)).unwrap()];
                let mut budget = Budget::new(limit).per(window).each(scope);
                if scope == BudgetScope::User && pick(2) == 0 {
                    budget = budget.of(scope, owner);
                }
                oracle.budgets.insert(budget.id().to_string(), budget.clone());
                by.at(moment, Op::PutBudget(budget)).await.unwrap();
            }
            1 => {
                if let Some((id, budget)) = oracle.budgets.pop_first() {
                    assert_eq!(id, budget.id().to_string());
                    by.at(moment, Op::DeleteBudget { id: budget.id() }).await.unwrap();
                }
            }
            2 => {
                by.charge(moment, entry.clone()).await;
                oracle.spent.push((moment, owner, entry));
            }
            3..7 => {
                let fits = oracle.holding(&who).iter().all(|budget| {
                    let (spent, reserved) = oracle.count(budget, &who, moment);
                    let more = budget.limit.of(&entry.spend()).unwrap();
                    more == 0 || spent + reserved + more <= budget.limit.amount()
                });
                match by.reserve(moment, entry.clone()).await {
                    Ok(id) => {
                        assert!(fits, "{told}: admitted");
                        oracle.open.push((moment, owner, id, entry));
                    }
                    Err(error) => {
                        assert!(!fits, "{told}: {error}");
                        let status = error.budget().unwrap();
                        let counted = oracle.count(&status.budget, &who, moment);
                        assert_eq!((status.spent, status.reserved), counted, "{told}");
                    }
                }
            }
            _ if oracle.open.is_empty() => {}
            action => {
                let index = usize::try_from(pick(oracle.open.len() as u64)).unwrap();
                let (reserved_at, owner, id, worst) = oracle.open.swap_remove(index);
                let by = scene.of(owner);
                if action == 7 {
                    by.at(moment, Op::Release { id }).await.unwrap();
                } else {
                    let real = LedgerEntry { cost: cost(amount).cost, ..worst };
                    by.settle(moment, id, real.clone()).await;
                    oracle.spent.push((reserved_at, owner, real));
                }
            }
        }
        let standing = scene.standing_of(moment, who.clone()).await;
        assert_eq!(standing.len(), oracle.holding(&who).len(), "{told}");
        for status in standing {
            let counted = oracle.count(&status.budget, &who, moment);
            assert_eq!((status.spent, status.reserved), counted, "{told}: {status:?}");
        }
    }
    for id in oracle.budgets.values().map(Budget::id) {
        scene.at(moment, Op::DeleteBudget { id }).await.unwrap();
    }
    let spent: i64 = oracle.spent.iter().map(|(_, _, entry)| entry.cost.nano_usd.unwrap()).sum();
    let total = scene.of(owners[0]).total().await.nano_usd + scene.of(owners[1]).total().await.nano_usd;
    assert_eq!(total, spent, "seed {seed}");
}
