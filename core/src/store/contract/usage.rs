//! The ledger: every sum, a page at a time, and for ever.

use std::sync::Arc;

use super::scene::{NOW, OWNER, STRANGER, Scene, refused};
use super::spending::{DAY, HOUR, MONDAY, ONE, TWO, at, cost, of_model, within};
use crate::base::{ConversationId, ErrorKind};
use crate::model::{Budget, BudgetLimit, BudgetScope, UsageBy, UsageReport};
use crate::store::{Op, Store, UsageQuery};

pub(super) async fn usage_is_summed_by_model_day_conversation_and_user(store: Arc<dyn Store>) {
    let scene = Scene::new(Arc::clone(&store));
    let stranger = scene.of(STRANGER);
    for (moment, model, conversation, nano_usd) in
        [(at(-DAY), "a/x", ONE, 1), (MONDAY, "a/x", TWO, 2), (at(HOUR), "b/y", ONE, 4), (at(DAY + HOUR), "a/x", ONE, 8)]
    {
        scene.charge(moment, within(conversation, of_model(model, cost(nano_usd)))).await;
        stranger.charge(moment, within(conversation, of_model(model, cost(16 * nano_usd)))).await;
    }
    let sums = |report: UsageReport| {
        let rows = report.rows.iter().map(|row| (row.key.clone(), row.usage.nano_usd)).collect::<Vec<_>>();
        (report.total.nano_usd, rows)
    };
    let rows = |rows: &[(&str, i64)]| rows.iter().map(|(key, sum)| ((*key).to_owned(), *sum)).collect::<Vec<_>>();
    let (one, two) = (ONE.to_string(), TWO.to_string());
    assert_eq!(sums(scene.usage(UsageBy::Model, None, None).await), (15, rows(&[("a/x", 11), ("b/y", 4)])));
    let days = rows(&[("2027-01-31", 1), ("2027-02-01", 6), ("2027-02-02", 8)]);
    assert_eq!(sums(scene.usage(UsageBy::Day, None, None).await), (15, days));
    let conversations = rows(&[(&one, 13), (&two, 2)]);
    assert_eq!(sums(scene.usage(UsageBy::Conversation, None, None).await), (15, conversations));
    let users = rows(&[(OWNER, 15), (STRANGER, 240)]);
    assert_eq!(sums(scene.usage(UsageBy::User, None, None).await), (255, users));
    // Within some hours, rounded to whole ones.
    let monday = (Some(at(1)), Some(at(HOUR + 1)));
    assert_eq!(sums(scene.usage(UsageBy::Model, monday.0, monday.1).await), (6, rows(&[("a/x", 2), ("b/y", 4)])));
    assert_eq!(sums(scene.usage(UsageBy::Conversation, Some(MONDAY), Some(at(HOUR))).await), (2, rows(&[(&two, 2)])));
    assert_eq!(
        sums(scene.usage(UsageBy::User, Some(at(DAY)), None).await),
        (136, rows(&[(OWNER, 8), (STRANGER, 128)]))
    );
    assert_eq!(sums(scene.usage(UsageBy::Model, Some(at(DAY)), Some(MONDAY)).await), (0, vec![]));
    assert_eq!(sums(scene.of("nobody").usage(UsageBy::Day, None, None).await), (0, vec![]));
    for (by, owner) in [(UsageBy::User, Some(OWNER.to_owned())), (UsageBy::Conversation, None)] {
        let query = UsageQuery { owner, by, since: None, until: None, after: None, limit: 5 };
        refused(store.usage(query).await, ErrorKind::Invalid, "bad_usage_query");
    }
}

pub(super) async fn pages_of_usage_hold_every_row_once(store: Arc<dyn Store>) {
    let scene = Scene::new(Arc::clone(&store));
    for n in 0..7_u8 {
        let conversation = ConversationId::from_bytes([n; 16]);
        for hour in [0, 5] {
            let entry = within(conversation, of_model(&format!("m/{n}"), cost(1)));
            scene.charge(at(i64::from(n) * DAY + hour * HOUR), entry.clone()).await;
            let user = ["", "b", "c", "d", "e", "f", "g"][usize::from(n)];
            scene.of(user).charge(at(hour * HOUR), entry).await;
        }
    }
    for (by, everybody) in
        [(UsageBy::Model, false), (UsageBy::Day, false), (UsageBy::Conversation, false), (UsageBy::User, true)]
    {
        let owner = (!everybody).then(|| OWNER.to_owned());
        for limit in [1, 3, 7, 8, 9] {
            let mut query = UsageQuery { owner: owner.clone(), by, since: None, until: None, after: None, limit };
            let mut keys = Vec::new();
            loop {
                let page = store.usage(query.clone()).await.unwrap();
                assert!(page.rows.len() <= limit);
                assert!(page.rows.iter().all(|row| row.usage.requests == 2 || row.key == OWNER));
                keys.extend(page.rows.into_iter().map(|row| row.key));
                assert!(keys.len() < 20, "{keys:?}");
                let Some(next) = page.next else { break };
                query.after = Some(next);
            }
            assert_eq!(keys.len(), if everybody { 8 } else { 7 }, "{by:?} {limit}");
            assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        }
    }
}

pub(super) async fn usage_survives_the_deletion_of_its_conversation(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let id = scene.new_conversation().await;
    scene.set(Budget::new(BudgetLimit::NanoUsd(10)).each(BudgetScope::Conversation)).await;
    scene.charge(NOW, within(id, cost(4))).await;
    scene.apply_op(Op::DeleteConversation { id }).await.unwrap();
    let report = scene.usage(UsageBy::Conversation, None, None).await;
    assert_eq!((report.rows[0].key.clone(), report.rows[0].usage.nano_usd), (id.to_string(), 4));
    refused(scene.reserve(NOW, within(id, cost(7))).await, ErrorKind::BudgetExceeded, "budget");
}
