//! Counts of values in buckets that grow with them: sixteen to each doubling, so that a value that is read is within
//! 1/32 of the one that was put in. Only buckets that hold something take room; there are at most 976 of them.

use crate::model::Spread;

/// Each doubling is cut into so many buckets, as a power of two.
const CUT: u32 = 4;

/// How values spread, whatever their size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// Number of the bucket and how many values are in it, in their order.
    filled: Vec<(u16, u32)>,
    count: u64,
    max: u64,
}

impl Buckets {
    /// Puts a value in.
    pub fn record(&mut self, value: u64) {
        self.put(bucket(value), 1);
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// Puts in everything that another one holds.
    pub fn add(&mut self, other: &Self) {
        for (bucket, count) in &other.filled {
            self.put(*bucket, *count);
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    fn put(&mut self, bucket: u16, count: u32) {
        match self.filled.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => self.filled[at].1 = self.filled[at].1.saturating_add(count),
            Err(at) => self.filled.insert(at, (bucket, count)),
        }
    }

    #[cfg(test)]
    pub(super) fn filled(&self) -> usize {
        self.filled.len()
    }

    /// How many values it holds.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The value that this share of all (0 to 1) is not above, within 1/32; 0 without values.
    #[must_use]
    pub fn quantile(&self, share: f64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank"
        )]
        let rank = ((share.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.filled.iter().find(|(_, count)| {
            seen += u64::from(*count);
            seen >= rank
        });
        found.map_or(self.max, |(bucket, _)| middle(*bucket).min(self.max))
    }

    /// What users read, each value divided by this many.
    #[must_use]
    pub fn spread(&self, unit: f64) -> Spread {
        #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
        let scaled = |value: u64| value as f64 / unit;
        Spread {
            count: i64::try_from(self.count).unwrap_or(i64::MAX),
            p50: scaled(self.quantile(0.50)),
            p95: scaled(self.quantile(0.95)),
            p99: scaled(self.quantile(0.99)),
            max: scaled(self.max),
        }
    }
}

/// The bucket of a value. Up to 31 every value has its own.
fn bucket(value: u64) -> u16 {
    let doublings = value.max(1).ilog2().saturating_sub(CUT);
    let within = value >> doublings;
    // At most 60 doublings of 16 buckets, and 15 more.
    u16::try_from((u64::from(doublings) << CUT) + within).unwrap_or(u16::MAX)
}

/// The value in the middle of a bucket.
fn middle(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    let doublings = (bucket >> CUT).saturating_sub(1);
    let first = (bucket - (doublings << CUT)) << doublings;
    first + ((1 << doublings) >> 1)
}
