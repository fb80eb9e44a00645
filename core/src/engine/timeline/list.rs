//! A list of rows that knows what of it its reader has not heard yet. Pure: no clock, no store.
//!
//! What changed is noted where it changed: the rows whose content is another, and how many rows at either end are still
//! those that the reader has. So a poll looks at what changed and at nothing else, however long the list is, and what is
//! noted never grows beyond the rows that are there, however long the reader stays away.

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

pub(super) struct LiveList<K, T> {
    rows: VecDeque<(K, T)>,
    /// Where each row stands, counted from `base`, so that a row that comes first moves no other.
    places: HashMap<K, i64>,
    base: i64,
    /// The rows as the reader has them; nothing before it was told of any.
    seen: Option<VecDeque<K>>,
    /// So many rows at the front and at the back are those that the reader has, in its order; nothing = all of them.
    same: Option<(usize, usize)>,
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

    fn note(&mut self, front: usize, back: usize) {
        let (before, behind) = self.same.unwrap_or((usize::MAX, usize::MAX));
        self.same = Some((before.min(front), behind.min(back)));
    }

    /// Puts a row here. Its key must not be in the list.
    pub(super) fn insert(&mut self, index: usize, key: K, row: T) {
        self.note(index, self.rows.len() - index);
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
        self.note(index, self.rows.len() - 1 - index);
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
        if let Some((front, back)) = self.same.take() {
            self.structure(front, back, &mut diffs);
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

    /// Rows that came and went, where so many at the front and at the back are the same.
    fn structure(&mut self, front: usize, back: usize, diffs: &mut Vec<TimelineDiff<T>>) {
        let Some(mut seen) = self.seen.take() else { return };
        let old: Vec<K> = seen.range(front..seen.len() - back).copied().collect();
        let new: Vec<K> = self.rows.range(front..self.rows.len() - back).map(|(key, _)| *key).collect();
        #[cfg(test)]
        {
            self.looked += old.len() + new.len();
        }
        let places: HashMap<K, usize> = new.iter().enumerate().map(|(at, key)| (*key, at)).collect();
        // Those that stay, in an order that is the same on both sides; a row that moved goes and comes.
        let mut last = None;
        let mut stays = HashSet::new();
        for key in &old {
            if let Some(at) = places.get(key).filter(|at| last.is_none_or(|last| **at > last)) {
                last = Some(*at);
                stays.insert(*key);
            }
        }
        go(&old, &stays, front, back, diffs);
        let mut length = front + back + stays.len();
        let leading =
            if front == 0 && length > 0 { new.iter().take_while(|key| !stays.contains(key)).count() } else { 0 };
        let trailing =
            if back == 0 { new[leading..].iter().rev().take_while(|key| !stays.contains(key)).count() } else { 0 };
        let item = |at: usize| self.rows[front + at].1.clone();
        diffs.extend((0..leading).rev().map(|at| TimelineDiff::PushFront { item: item(at) }));
        length += leading;
        for at in leading..new.len() - trailing {
            if !stays.contains(&new[at]) {
                diffs.push(TimelineDiff::Insert { index: front + at, item: item(at) });
                length += 1;
            }
        }
        debug_assert_eq!(length + trailing, self.rows.len());
        match trailing {
            0 => {}
            1 => diffs.push(TimelineDiff::PushBack { item: item(new.len() - 1) }),
            _ => diffs.push(TimelineDiff::Append { items: (new.len() - trailing..new.len()).map(item).collect() }),
        }
        for key in new.iter().filter(|key| !stays.contains(key)) {
            self.touched.remove(key);
        }
        let behind = seen.split_off(seen.len() - back);
        seen.truncate(front);
        seen.extend(new);
        seen.extend(behind);
        self.seen = Some(seen);
    }
}

/// The rows between the same ones that do not stay, taken out.
fn go<K: Copy + Eq + Hash, T>(
    old: &[K],
    stays: &HashSet<K>,
    front: usize,
    back: usize,
    diffs: &mut Vec<TimelineDiff<T>>,
) {
    if old.is_empty() {
        return;
    }
    if stays.is_empty() && front + back == 0 {
        return diffs.push(TimelineDiff::Clear);
    }
    let last = if back == 0 { old.iter().rev().take_while(|key| !stays.contains(key)).count() } else { 0 };
    match last {
        0 => {}
        1 => diffs.push(TimelineDiff::PopBack),
        _ => diffs.push(TimelineDiff::Truncate { length: front + old.len() - last }),
    }
    let old = &old[..old.len() - last];
    let first = if front == 0 { old.iter().take_while(|key| !stays.contains(key)).count() } else { 0 };
    for at in (first..old.len()).rev().filter(|at| !stays.contains(&old[*at])) {
        diffs.push(TimelineDiff::Remove { index: front + at });
    }
    diffs.extend((0..first).map(|_| TimelineDiff::PopFront));
}
