//! The engine that a program shares when nobody hands one around.

use tokio::sync::Mutex;

use super::tertulia::Tertulia;
use crate::model::{Error, Result};

static SHARED: Mutex<Option<Tertulia>> = Mutex::const_new(None);

/// The engine of this program, opened with every default by whoever asks first: for scripts and small programs, which
/// need not hand one around. It belongs to the runtime it was opened on.
///
/// # Errors
/// As [`TertuliaBuilder::open`](super::TertuliaBuilder::open).
pub async fn shared() -> Result<Tertulia> {
    let mut shared = SHARED.lock().await;
    match &*shared {
        Some(tertulia) => Ok(tertulia.clone()),
        None => Ok(shared.insert(Tertulia::builder().open().await?).clone()),
    }
}

/// Closes the engine of this program, if it was opened, and forgets it: the next [`shared`] opens another one, or gives
/// `instead`. For tests and for programs that load their settings anew.
///
/// # Errors
/// `Storage` when the store could not finish; it is forgotten all the same.
pub async fn reset(instead: Option<Tertulia>) -> Result<()> {
    let before = std::mem::replace(&mut *SHARED.lock().await, instead);
    match before {
        Some(tertulia) => tertulia.close().await.map_err(|e: Error| e.during("reset")),
        None => Ok(()),
    }
}
