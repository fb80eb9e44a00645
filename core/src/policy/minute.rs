//! How much somebody may do in a minute of the clock: what is too much is refused, not kept waiting.

use crate::base::Timestamp;

const MINUTE_MILLIS: i64 = 60_000;

/// What may be done in a minute. Nothing = as much as one likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinuteLimits {
    /// Requests.
    pub requests: Option<i64>,
    /// Tokens.
    pub tokens: Option<i64>,
}

/// What was done in the minute that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    number: i64,
    requests: i64,
    tokens: i64,
}

/// What was taken of a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    number: i64,
    tokens: i64,
}

/// Why nothing more can be taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuch {
    /// True when it is the requests, false when it is the tokens.
    pub is_requests: bool,
    /// What may be done in a minute.
    pub limit: i64,
    /// What was done in this one.
    pub used: i64,
    /// When the next minute begins.
    pub resets_at: Timestamp,
}

impl Minute {
    /// What is left of the tokens of this minute; nothing = as many as one likes.
    #[must_use]
    pub fn tokens_left(&mut self, limits: MinuteLimits, now: Timestamp) -> Option<i64> {
        self.turn(now);
        limits.tokens.map(|limit| limit.saturating_sub(self.tokens).max(0))
    }

    /// Takes a request with so many tokens.
    ///
    /// # Errors
    /// What there is no room for.
    pub fn take(&mut self, limits: MinuteLimits, tokens: i64, now: Timestamp) -> Result<Taken, TooMuch> {
        self.turn(now);
        let tokens = tokens.max(0);
        let resets_at = Timestamp::from_millis((self.number + 1).saturating_mul(MINUTE_MILLIS));
        let refused = |is_requests, limit, used| Err(TooMuch { is_requests, limit, used, resets_at });
        match limits {
            MinuteLimits { requests: Some(limit), .. } if self.requests >= limit => refused(true, limit, self.requests),
            MinuteLimits { tokens: Some(limit), .. } if self.tokens.saturating_add(tokens) > limit => {
                refused(false, limit, self.tokens)
            }
            _ => {
                self.requests += 1;
                self.tokens = self.tokens.saturating_add(tokens);
                Ok(Taken { number: self.number, tokens })
            }
        }
    }

    /// Puts what a request has taken in the place of what it could have. In a later minute there is nothing to put
    /// right.
    pub fn settle(&mut self, taken: Taken, tokens: i64) {
        if taken.number == self.number {
            self.tokens = self.tokens.saturating_sub(taken.tokens).saturating_add(tokens.max(0)).max(0);
        }
    }

    /// Gives back a request that was not made.
    pub fn give_back(&mut self, taken: Taken) {
        self.settle(taken, 0);
        if taken.number == self.number {
            self.requests = (self.requests - 1).max(0);
        }
    }

    /// A clock that steps back opens no new minute.
    fn turn(&mut self, now: Timestamp) {
        let number = now.as_millis().div_euclid(MINUTE_MILLIS);
        if number > self.number {
            *self = Self { number, requests: 0, tokens: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: MinuteLimits = MinuteLimits { requests: Some(2), tokens: Some(100) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(600_000 + seconds * 1_000)
    }

    #[test]
    fn what_is_too_much_is_refused_until_the_next_minute() {
        let mut minute = Minute::default();
        minute.take(LIMITS, 10, at(1)).unwrap();
        minute.take(LIMITS, 10, at(2)).unwrap();
        let refused = minute.take(LIMITS, 10, at(59)).unwrap_err();
        assert_eq!(refused, TooMuch { is_requests: true, limit: 2, used: 2, resets_at: at(60) });
        minute.take(LIMITS, 10, at(60)).unwrap();
    }

    #[test]
    fn tokens_are_put_right_when_they_are_known() {
        let mut minute = Minute::default();
        let taken = minute.take(LIMITS, 90, at(1)).unwrap();
        let refused = minute.take(LIMITS, 20, at(2)).unwrap_err();
        assert_eq!((refused.is_requests, refused.limit, refused.used), (false, 100, 90));
        minute.settle(taken, 30);
        assert_eq!(minute.tokens_left(LIMITS, at(3)), Some(70));
        minute.take(LIMITS, 70, at(4)).unwrap();
    }

    #[test]
    fn what_was_not_made_is_given_back_and_an_old_minute_is_let_alone() {
        let mut minute = Minute::default();
        let taken = minute.take(LIMITS, 90, at(1)).unwrap();
        minute.give_back(taken);
        minute.take(LIMITS, 50, at(2)).unwrap();
        minute.take(LIMITS, 50, at(3)).unwrap();
        minute.take(LIMITS, 50, at(61)).unwrap();
        minute.settle(taken, 0);
        assert_eq!(minute.tokens_left(LIMITS, at(62)), Some(50));
    }

    #[test]
    fn a_clock_that_steps_back_opens_no_new_minute() {
        let mut minute = Minute::default();
        minute.take(LIMITS, 90, at(61)).unwrap();
        minute.take(LIMITS, 20, at(1)).unwrap_err();
    }

    #[test]
    fn without_limits_everything_is_admitted() {
        let mut minute = Minute::default();
        for _ in 0..1_000 {
            minute.take(MinuteLimits::default(), i64::MAX, at(1)).unwrap();
        }
        assert_eq!(minute.tokens_left(MinuteLimits::default(), at(1)), None);
    }
}
