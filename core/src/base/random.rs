//! Randomness, handed in: the machine's own, or a seeded one whose seed a failing test prints.

use std::sync::{Mutex, PoisonError};

/// Where the engine gets its randomness from.
pub trait Random: Send + Sync + 'static {
    /// Fills the bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// A number from 0 up to, not including, 1.
    fn unit(&self) -> f64 {
        let mut bytes = [0_u8; 8];
        self.fill(&mut bytes);
        // 53 bits: every value a double can hold evenly between 0 and 1.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let unit = (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64;
        unit
    }
}

/// The operating system's randomness.
#[cfg(feature = "engine")]
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

#[cfg(feature = "engine")]
impl Random for SystemRandom {
    #[expect(clippy::expect_used, reason = "no id, jitter or boundary can be made without randomness")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives randomness");
    }
}

/// Randomness that repeats itself from the same seed. For tests and simulations, never for secrets.
#[derive(Debug)]
pub struct SeededRandom(Mutex<fastrand::Rng>);

impl SeededRandom {
    /// Starts from this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes);
    }
}
