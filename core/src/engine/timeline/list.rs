//! A list of rows that knows what of it its reader has not heard yet. Pure: no clock, no store.
//!
//! What changed is noted where it changed: the rows whose content is another, and the runs of rows that are still those
//! that the reader has. So a poll looks at what changed and at nothing else, however long the list is, and what is noted
//! never grows beyond the rows that are there, however long the reader stays away.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;

use crate::model::{ConversationSummary, TimelineDiff};

/// What stands in a list.
pub(super) trait Row: Clone + PartialEq {
    /// The words of this part, where they may grow.
    fn words(&self, _part: usize) -> &str {
        ""
    }
}

impl Row for ConversationSummary {}

/// How the words of a part grew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    /// Their length before, in bytes and in characters.
    pub(super) bytes: usize,
    pub(super) chars: usize,
    /// How many characters are settled now.
    pub(super) stable: usize,
}

/// What the reader has not heard of a row that it has.
enum Touch {
    /// All of it.
    Whole,
    /// Words at the end of these parts.
    Words(BTreeMap<usize, Growth>),
}

/// Rows that the reader has, one behind the other as it has them.
#[derive(Clone, Copy)]
struct Run {
    /// Where they begin for the reader.
    seen: usize,
    /// Where they begin now.
    at: usize,
    length: usize,
}

/// So many runs are told apart: what comes at the end and goes at the front leaves one, a row in the middle makes one more.
const MAX_RUNS: usize = 4;

/// What stands between two runs, for the reader and now.
struct Between<K> {
    seen: usize,
    old: Vec<K>,
    at: usize,
    new: Vec<K>,
    /// Those that stay, in an order that is the same on both sides; a row that moved goes and comes.
    stays: HashSet<K>,
}

pub(super) struct LiveList<K, T> {
    rows: VecDeque<(K, T)>,
    /// Where each row stands, counted from `base`, so that a row that comes first moves no other.
    places: HashMap<K, i64>,
    base: i64,
    /// The rows as the reader has them; nothing before it was told of any.
    seen: Option<Vec<K>>,
    /// Which rows are those that the reader has; nothing = all of them.
    same: Option<Vec<Run>>,
    touched: HashMap<K, Touch>,
    /// How many rows were looked at.
    #[cfg(test)]
    pub(super) looked: usize,
}

impl<K: Copy + Eq + Hash, T: Row> LiveList<K, T> {
    pub(super) fn new() -> Self {
        Self {
            rows: VecDeque::new(),
            places: HashMap::new(),
            base: 0,
            seen: None,
            same: None,
            touched: HashMap::new(),
            #[cfg(test)]
            looked: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn contains(&self, key: K) -> bool {
        self.places.contains_key(&key)
    }

    pub(super) fn get(&self, key: K) -> Option<&T> {
        self.index_of(key).map(|at| &self.rows[at].1)
    }

    pub(super) fn key_at(&self, index: usize) -> Option<K> {
        self.rows.get(index).map(|(key, _)| *key)
    }

    pub(super) fn index_of(&self, key: K) -> Option<usize> {
        let place = self.places.get(&key)?;
        usize::try_from(place - self.base).ok()
    }

    /// The row that stands here for the reader.
    pub(super) fn seen_at(&self, index: usize) -> Option<K> {
        self.seen.as_ref()?.get(index).copied()
    }

    /// Notes that so many rows are about to go from here and so many to come.
    fn note(&mut self, index: usize, go: usize, come: usize) {
        let length = self.rows.len();
        let runs = self.same.get_or_insert_with(|| vec![Run { seen: 0, at: 0, length }]);
        let mut after = Vec::with_capacity(runs.len() + 1);
        for run in runs.iter() {
            let before = index.saturating_sub(run.at).min(run.length);
            after.push(Run { length: before, ..*run });
            // Of those behind it the ones that go are not there any more.
            let gone = (index + go).saturating_sub(run.at).min(run.length) - before;
            let from = before + gone;
            after.push(Run { seen: run.seen + from, at: run.at + from + come - go, length: run.length - from });
        }
        after.retain(|run| run.length > 0);
        while after.len() > MAX_RUNS {
            let shortest = after.iter().enumerate().min_by_key(|(_, run)| run.length).map_or(0, |(at, _)| at);
            after.remove(shortest);
        }
        *runs = after;
    }

    /// Puts a row here. Its key must not be in the list.
    pub(super) fn insert(&mut self, index: usize, key: K, row: T) {
        self.note(index, 0, 1);
        if index <= self.rows.len() / 2 {
            self.base -= 1;
            self.renumber(0..index, -1);
        } else {
            self.renumber(index..self.rows.len(), 1);
        }
        self.places.insert(key, self.place(index));
        self.rows.insert(index, (key, row));
        // The reader may have had a row of this key that went since.
        self.touched.insert(key, Touch::Whole);
    }

    #[cfg(test)]
    pub(super) fn rows(&self) -> Vec<T> {
        self.rows.iter().map(|(_, row)| row.clone()).collect()
    }

    /// Takes a row out.
    pub(super) fn remove(&mut self, key: K) -> Option<T> {
        let index = self.index_of(key)?;
        self.note(index, 1, 0);
        let (_, row) = self.rows.remove(index)?;
        self.places.remove(&key);
        self.touched.remove(&key);
        if index <= self.rows.len() / 2 {
            self.base += 1;
            // Those before it keep their index.
            for at in 0..index {
                let key = self.rows[at].0;
                self.places.insert(key, self.place(at));
                self.look();
            }
        } else {
            self.renumber(index..self.rows.len(), -1);
        }
        Some(row)
    }

    /// The row has this content now.
    pub(super) fn set(&mut self, key: K, row: T) {
        let Some(at) = self.index_of(key) else { return };
        self.look();
        if self.rows[at].1 != row {
            self.rows[at].1 = row;
            self.touched.insert(key, Touch::Whole);
        }
    }

    /// Words came to a part of the row: `write` puts them there and says how that part grew.
    pub(super) fn grow(&mut self, key: K, part: usize, write: impl FnOnce(&mut T) -> Growth) {
        let Some(at) = self.index_of(key) else { return };
        self.look();
        let growth = write(&mut self.rows[at].1);
        match self.touched.entry(key).or_insert_with(|| Touch::Words(BTreeMap::new())) {
            Touch::Whole => {}
            Touch::Words(parts) => parts.entry(part).or_insert(growth).stable = growth.stable,
        }
    }

    /// Makes these the rows of the list. Those that stay keep what is known of them.
    pub(super) fn replace(&mut self, rows: Vec<(K, T)>) {
        let wanted: HashSet<K> = rows.iter().map(|(key, _)| *key).collect();
        let gone: Vec<K> = self.rows.iter().map(|(key, _)| *key).filter(|key| !wanted.contains(key)).collect();
        for key in gone {
            self.remove(key);
        }
        for (at, (key, row)) in rows.into_iter().enumerate() {
            match self.index_of(key) {
                Some(is) if is == at => self.set(key, row),
                is => {
                    if is.is_some() {
                        self.remove(key);
                    }
                    self.insert(at, key, row);
                }
            }
        }
    }

    fn place(&self, index: usize) -> i64 {
        self.base + i64::try_from(index).unwrap_or(i64::MAX)
    }

    /// Moves the numbers of these rows by one. Those before the middle keep theirs when the base moves.
    fn renumber(&mut self, rows: std::ops::Range<usize>, by: i64) {
        for at in rows {
            let key = self.rows[at].0;
            if let Some(place) = self.places.get_mut(&key) {
                *place += by;
            }
            self.look();
        }
    }

    fn look(&mut self) {
        #[cfg(test)]
        {
            self.looked += 1;
        }
    }

    /// True when the reader lacks something.
    pub(super) fn has_news(&self) -> bool {
        self.seen.is_none() || self.same.is_some() || !self.touched.is_empty()
    }

    /// What brings the list that the reader has to what it is now. The first time all of it; from then on what changed.
    pub(super) fn poll(&mut self) -> Vec<TimelineDiff<T>> {
        if self.seen.is_none() {
            self.same = None;
            self.touched.clear();
            self.seen = Some(self.rows.iter().map(|(key, _)| *key).collect());
            return vec![TimelineDiff::Reset { items: self.rows.iter().map(|(_, row)| row.clone()).collect() }];
        }
        let mut diffs = Vec::new();
        if let Some(runs) = self.same.take() {
            self.structure(&runs, &mut diffs);
        }
        let mut touched: Vec<(usize, Touch)> = Vec::with_capacity(self.touched.len());
        for (key, touch) in std::mem::take(&mut self.touched) {
            self.look();
            touched.extend(self.index_of(key).map(|at| (at, touch)));
        }
        touched.sort_unstable_by_key(|(at, _)| *at);
        for (index, touch) in touched {
            let row = &self.rows[index].1;
            match touch {
                Touch::Whole => diffs.push(TimelineDiff::Set { index, item: row.clone() }),
                Touch::Words(parts) => diffs.extend(parts.into_iter().map(|(part_index, growth)| {
                    let text = row.words(part_index)[growth.bytes..].to_owned();
                    TimelineDiff::AppendText {
                        index,
                        part_index,
                        from: growth.chars,
                        text,
                        stable_prefix: growth.stable,
                    }
                })),
            }
        }
        diffs
    }

    /// What stands between the rows that are the same.
    fn between(&mut self, runs: &[Run], seen: &[K]) -> Vec<Between<K>> {
        let end = Run { seen: seen.len(), at: self.rows.len(), length: 0 };
        let (mut before, mut now) = (0, 0);
        let mut all = Vec::with_capacity(runs.len() + 1);
        for run in runs.iter().chain([&end]) {
            let old = seen[before..run.seen].to_vec();
            let new: Vec<K> = self.rows.range(now..run.at).map(|(key, _)| *key).collect();
            #[cfg(test)]
            {
                self.looked += old.len() + new.len();
            }
            let places: HashMap<K, usize> = new.iter().enumerate().map(|(at, key)| (*key, at)).collect();
            let (mut last, mut stays) = (None, HashSet::new());
            for key in &old {
                if let Some(at) = places.get(key).filter(|at| last.is_none_or(|last| **at > last)) {
                    last = Some(*at);
                    stays.insert(*key);
                }
            }
            all.push(Between { seen: before, old, at: now, new, stays });
            (before, now) = (run.seen + run.length, run.at + run.length);
        }
        all
    }

    /// Rows that came and went.
    fn structure(&mut self, runs: &[Run], diffs: &mut Vec<TimelineDiff<T>>) {
        let Some(mut seen) = self.seen.take() else { return };
        let between = self.between(runs, &seen);
        let kept: usize = runs.iter().map(|run| run.length).sum::<usize>()
            + between.iter().map(|between| between.stays.len()).sum::<usize>();
        if kept == 0 && !seen.is_empty() {
            diffs.push(TimelineDiff::Clear);
        } else {
            go(&between, diffs);
        }
        self.come(&between, kept, diffs);
        for part in between.into_iter().rev() {
            for key in part.new.iter().filter(|key| !part.stays.contains(key)) {
                self.touched.remove(key);
            }
            drop(seen.splice(part.seen..part.seen + part.old.len(), part.new));
        }
        self.seen = Some(seen);
    }

    /// The rows that come, where so many stay.
    fn come(&self, between: &[Between<K>], kept: usize, diffs: &mut Vec<TimelineDiff<T>>) {
        let item = |at: usize| self.rows[at].1.clone();
        let is_new = |part: &&Between<K>, key: &&K| !part.stays.contains(key);
        let leading = between
            .first()
            .filter(|_| kept > 0)
            .map_or(0, |first| first.new.iter().take_while(|key| is_new(&first, key)).count());
        let trailing =
            between.last().map_or(0, |last| last.new.iter().rev().take_while(|key| is_new(&last, key)).count());
        let end = self.rows.len() - trailing;
        diffs.extend((0..leading).rev().map(|at| TimelineDiff::PushFront { item: item(at) }));
        for part in between {
            for (at, key) in part.new.iter().enumerate() {
                let index = part.at + at;
                if (leading..end).contains(&index) && !part.stays.contains(key) {
                    diffs.push(TimelineDiff::Insert { index, item: item(index) });
                }
            }
        }
        match trailing {
            0 => {}
            1 => diffs.push(TimelineDiff::PushBack { item: item(end) }),
            _ => diffs.push(TimelineDiff::Append { items: (end..self.rows.len()).map(item).collect() }),
        }
    }
}

/// The rows that do not stay, taken out from the back to the front.
fn go<K: Copy + Eq + Hash, T>(between: &[Between<K>], diffs: &mut Vec<TimelineDiff<T>>) {
    let goes = |part: &Between<K>, at: usize| !part.stays.contains(&part.old[at]);
    let Some(last) = between.last() else { return };
    let trailing = (0..last.old.len()).rev().take_while(|at| goes(last, *at)).count();
    let end = last.seen + last.old.len() - trailing;
    match trailing {
        0 => {}
        1 => diffs.push(TimelineDiff::PopBack),
        _ => diffs.push(TimelineDiff::Truncate { length: end }),
    }
    // What is first for the reader stands between nothing and the first run.
    let leading = between.first().map_or(0, |first| {
        let most = first.old.len().min(end);
        (0..most).take_while(|at| goes(first, *at)).count()
    });
    for part in between.iter().rev() {
        for at in (0..part.old.len()).rev() {
            let index = part.seen + at;
            if (leading..end).contains(&index) && goes(part, at) {
                diffs.push(TimelineDiff::Remove { index });
            }
        }
    }
    diffs.extend((0..leading).map(|_| TimelineDiff::PopFront));
}
