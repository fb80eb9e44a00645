//! A transport that breaks another one, by chance that a seed repeats.

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use super::body::Body;
use super::settings::NetworkSettings;
use super::transport::{Transport, TransportFuture};
use crate::base::{Clock, ErrorKind, Random, Retry};
use crate::model::{Error, Result};

/// How often what goes wrong. Chances are from 0 to 1. By default nothing does.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// The wait before each head.
    pub latency: RangeInclusive<Duration>,
    /// The chance that a call fails with `Unavailable` (reset) before its head; the transport below never sees it.
    pub fails: f64,
    /// The chance that a body breaks off with `Unavailable` (cut).
    pub cuts: f64,
    /// After how many bytes it then does. A shorter body ends as it is.
    pub cut_after: RangeInclusive<usize>,
    /// The longest piece a body is handed over in: each is of 1 to this many bytes. Left out: as they come.
    pub pieces: Option<usize>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { latency: Duration::ZERO..=Duration::ZERO, fails: 0.0, cuts: 0.0, cut_after: 0..=4_096, pieces: None }
    }
}

/// Passes calls on to another transport and lets some go wrong.
pub struct FaultTransport<T> {
    inner: T,
    faults: Faults,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl<T: Transport> FaultTransport<T> {
    /// Breaks `inner`. With a seeded `random` the same calls in the same order break in the same way.
    pub fn new(inner: T, faults: Faults, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { inner, faults, clock, random }
    }

    /// The transport below.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// What happens to one call is drawn here, before any wait, so that calls under way at once do not mix.
    fn draw(&self) -> Fate {
        let mut seed = [0; 8];
        self.random.fill(&mut seed);
        let mut chance = fastrand::Rng::with_seed(u64::from_le_bytes(seed));
        let (least, most) = (*self.faults.latency.start(), *self.faults.latency.end());
        Fate {
            latency: least + most.saturating_sub(least).mul_f64(chance.f64()),
            fails: chance.f64() < self.faults.fails,
            cut_after: (chance.f64() < self.faults.cuts).then(|| chance.usize(self.faults.cut_after.clone())),
            pieces: self.faults.pieces,
            chance,
        }
    }
}

struct Fate {
    latency: Duration,
    fails: bool,
    cut_after: Option<usize>,
    pieces: Option<usize>,
    chance: fastrand::Rng,
}

impl Fate {
    /// The body as it comes through.
    fn befall(self, body: Body) -> Body {
        if self.cut_after.is_none() && self.pieces.is_none() {
            return body;
        }
        let state = (body, self, Bytes::new());
        Body::new(stream::unfold(Some(state), |state| async {
            let (mut body, mut fate, mut left) = state?;
            if fate.cut_after == Some(0) {
                return Some((Err(broken("cut", "a fault cut the body off")), None));
            }
            while left.is_empty() {
                match body.next().await? {
                    Ok(piece) => left = piece,
                    Err(error) => return Some((Err(error), None)),
                }
            }
            let mut length = left.len();
            if let Some(longest) = fate.pieces {
                length = length.min(fate.chance.usize(1..=longest.max(1)));
            }
            if let Some(after) = &mut fate.cut_after {
                length = length.min(*after);
                *after -= length;
            }
            let piece = left.split_to(length);
            Some((Ok(piece), Some((body, fate, left))))
        }))
    }
}

fn broken(reason: &'static str, detail: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, reason, detail).with_retry(Retry::Safe)
}

impl<T: Transport> Transport for FaultTransport<T> {
    fn send(&self, request: http::Request<Bytes>) -> TransportFuture<'_> {
        let fate = self.draw();
        Box::pin(async move {
            if !fate.latency.is_zero() {
                self.clock.sleep(fate.latency).await;
            }
            if fate.fails {
                return Err(broken("reset", "a fault broke the call before its answer"));
            }
            let response = self.inner.send(request).await?;
            Ok(response.map(|body| fate.befall(body)))
        })
    }

    fn warm_up(&self, origin: &http::Uri) -> Pin<Box<dyn Future<Output = Result<()>> + Send + '_>> {
        self.inner.warm_up(origin)
    }

    fn renew(&self) {
        self.inner.renew();
    }

    fn reconfigure(&self, settings: &NetworkSettings) -> Result<()> {
        self.inner.reconfigure(settings)
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.inner.close()
    }
}

impl<T> std::fmt::Debug for FaultTransport<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultTransport").field("faults", &self.faults).finish_non_exhaustive()
    }
}
