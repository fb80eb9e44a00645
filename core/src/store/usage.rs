//! Sums of the ledger, a page at a time: the same grouping for every backend.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{UsageQuery, refusal};
use crate::base::Timestamp;
use crate::model::{Result, UsageBy, UsageReport, UsageRow, UsageTotal};

const HOUR_MILLIS: i64 = 3_600_000;

/// What a backend must be able to look up. Both give their rows in the order of the keys until they are told to stop.
pub(super) trait Ledger {
    /// The sums by hour and model: of this owner, or of everybody. Each is given as hour, model, sum.
    fn by_hour(
        &self,
        owner: Option<&str>,
        hours: &Range<i64>,
        each: &mut dyn FnMut(i64, &str, &UsageTotal),
    ) -> Result<()>;
    /// The sums of this owner's conversations behind this one.
    fn by_conversation(&self, owner: &str, after: &str, hours: &Range<i64>, each: &mut Each<'_>) -> Result<()>;
    /// The sums of every owner behind this one.
    fn by_owner(&self, after: Option<&str>, hours: &Range<i64>, each: &mut Each<'_>) -> Result<()>;
}

/// Takes a key and a sum, and says whether it wants more.
pub(super) type Each<'a> = dyn FnMut(&str, &UsageTotal) -> bool + 'a;

/// The report that a query asks for.
pub(super) fn report(ledger: &impl Ledger, query: &UsageQuery) -> Result<UsageReport> {
    let UsageQuery { owner, by, since, until, after, limit } = query;
    let owner = owner.as_deref();
    let hour = |at: Timestamp| at.as_millis().div_euclid(HOUR_MILLIS);
    let until_hour = |at: Timestamp| hour(at).saturating_add(i64::from(at.as_millis().rem_euclid(HOUR_MILLIS) > 0));
    let hours = since.map_or(i64::MIN, hour)..until.map_or(i64::MAX, until_hour);
    let behind = after.as_deref();
    let after = behind.unwrap_or_default();

    let mut total = UsageTotal::default();
    let mut groups: BTreeMap<String, UsageTotal> = BTreeMap::new();
    ledger.by_hour(owner, &hours, &mut |hour, model, sum| {
        total.add(sum);
        let key = match by {
            UsageBy::Model => model.to_owned(),
            UsageBy::Day => day(hour),
            UsageBy::Conversation | UsageBy::User => return,
        };
        groups.entry(key).or_default().add(sum);
    })?;
    let mut page = Page { limit: *limit, rows: Vec::new(), more: false };
    match (by, owner) {
        (UsageBy::Model | UsageBy::Day, _) => {
            for (key, sum) in groups.iter().filter(|(key, _)| key.as_str() > after) {
                if !page.take(key, sum) {
                    break;
                }
            }
        }
        (UsageBy::Conversation, Some(owner)) => {
            ledger.by_conversation(owner, after, &hours, &mut |key, sum| page.take(key, sum))?;
        }
        (UsageBy::User, None) => ledger.by_owner(behind, &hours, &mut |key, sum| page.take(key, sum))?,
        (UsageBy::Conversation, None) | (UsageBy::User, Some(_)) => return Err(refusal::bad_usage_query()),
    }
    let Page { rows, more, .. } = page;
    let next = rows.last().filter(|_| more).map(|row| row.key.clone());
    Ok(UsageReport { total, rows, next })
}

/// The day of an hour, as `2026-11-21`.
fn day(hour: i64) -> String {
    let mut text = Timestamp::from_millis(hour.saturating_mul(HOUR_MILLIS)).to_string();
    text.truncate(text.find('T').unwrap_or(text.len()));
    text
}

struct Page {
    limit: usize,
    rows: Vec<UsageRow>,
    more: bool,
}

impl Page {
    /// Adds to the row of this key, which is the last one or a new one; false when the page is full.
    fn take(&mut self, key: &str, sum: &UsageTotal) -> bool {
        if let Some(row) = self.rows.last_mut().filter(|row| row.key == key) {
            row.usage.add(sum);
            return true;
        }
        self.more = self.rows.len() >= self.limit;
        if !self.more {
            self.rows.push(UsageRow { key: key.to_owned(), usage: *sum });
        }
        !self.more
    }
}
