//! The runs of a user.

use std::pin::Pin;

use super::journal::standing_in;
use crate::base::{RunId, StreamId};
use crate::engine::UserScope;
use crate::model::{Error, Result, RunSummary};

/// What `list_runs` waits for.
#[must_use = "nothing happens until it is awaited"]
pub struct RunsCall {
    user: UserScope,
    before: Option<RunId>,
    limit: usize,
}

/// The most runs of a page.
const MOST: usize = 200;

impl UserScope {
    /// This user's runs, the newest first; 50 unless told otherwise. What it shows of each is read without reading its
    /// events. Awaiting it fails with `Invalid` (bad_limit), `Storage`.
    pub fn list_runs(&self) -> RunsCall {
        RunsCall { user: self.clone(), before: None, limit: 50 }
    }
}

impl RunsCall {
    /// At most so many: 1 to 200.
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Only those that began before this one: the last of the page before.
    pub const fn before(mut self, run: RunId) -> Self {
        self.before = Some(run);
        self
    }

    async fn read(self) -> Result<Vec<RunSummary>> {
        let ground = self.user.ground()?;
        let work = async {
            if !(1..=MOST).contains(&self.limit) {
                let detail = format!("a page has 1 to {MOST} runs, not {}", self.limit);
                return Err(Error::invalid("bad_limit", detail));
            }
            let mut found = Vec::with_capacity(self.limit);
            let mut before = self.before.map(super::journal::stream_of);
            while found.len() < self.limit {
                let wanted = self.limit - found.len();
                let streams = ground.store.streams(&ground.owner, before, wanted).await?;
                before = streams.last().map(|(id, _)| *id);
                let is_last = streams.len() < wanted;
                // A host may keep streams of its own, which are no runs.
                found.extend(streams.into_iter().filter_map(|(id, record)| {
                    let standing = standing_in(record.snapshot.as_ref().map(|kept| &kept.data[..])).ok()?;
                    Some(standing.summary(run_of(id), &record))
                }));
                if is_last {
                    break;
                }
            }
            Ok(found)
        };
        work.await.map_err(|e| ground.failed(e, "user.list_runs"))
    }
}

const fn run_of(stream: StreamId) -> RunId {
    RunId::from_bytes(*stream.as_bytes())
}

impl IntoFuture for RunsCall {
    type Output = Result<Vec<RunSummary>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.read())
    }
}
