//! Whether a key is worth trying. A provider that has refused a key, or whose account is empty, says the same to every
//! further call; asking again only costs time, and some providers lock an account for it.
//!
//! ```text
//!        refused                    the pause is over
//!  open ─────────▶ shut ──────────────────────────────▶ one probe
//!    ▲              ▲ └──────────── refused again ──────────┘ │
//!    └──────────────┴────────────────────── answered ─────────┘
//! ```

#[cfg(test)]
mod tests;

use std::time::Duration;

/// The latch of one key at one target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latch {
    /// When the next probe may go; nothing while open.
    shut: Option<Duration>,
}

impl Latch {
    /// Asks for leave to use the key at this moment of the clock.
    ///
    /// # Errors
    /// How long until one call may try again. That call has its leave with the answer; those behind it wait another
    /// pause, whatever becomes of it.
    pub fn ask(&mut self, pause: Duration, now: Duration) -> Result<(), Duration> {
        match self.shut {
            Some(at) if now < at => Err(at - now),
            Some(_) => {
                self.shut = Some(now.saturating_add(pause));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The provider has refused the key.
    pub fn refused(&mut self, pause: Duration, now: Duration) {
        self.shut = Some(now.saturating_add(pause));
    }

    /// The provider has taken the key.
    pub fn taken(&mut self) {
        self.shut = None;
    }

    /// True when nothing is known that a new one would not know.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.shut.is_none()
    }
}
