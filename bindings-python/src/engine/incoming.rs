//! The engine's end of a stream: begun by whoever reads first, told from outside while somebody reads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tertulia::model::StreamEvent;
use tertulia::{Error, Reply, Result, TurnId};
use tokio::sync::Notify;

use crate::bridge::{Feed, Source};

/// A verb whose stream does not exist yet.
pub(super) type Opening = BoxFuture<'static, Result<tertulia::ReplyStream>>;

/// How many events `reply()` takes over at once.
const BATCH: usize = 256;

/// The engine's end of a stream.
pub(crate) struct Incoming {
    stage: Stage,
    asked: Arc<Asked>,
}

enum Stage {
    Opening(Opening),
    Open(Box<tertulia::ReplyStream>),
    Over(Option<Box<Result<Reply>>>),
    /// Somebody else reads it.
    Handed,
}

/// What is asked of a stream from outside, while somebody may be reading.
#[derive(Default)]
pub(crate) struct Asked {
    turn: OnceLock<TurnId>,
    begun: AtomicBool,
    cancel: AtomicBool,
    detach: AtomicBool,
    over: AtomicBool,
    bell: Notify,
}

impl Asked {
    /// Asks whoever reads to stop the call.
    pub(super) fn cancel(&self) {
        self.cancel.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// Asks that the call goes on when the stream is dropped.
    pub(super) fn detach(&self) {
        self.detach.store(true, Ordering::Release);
    }

    /// Somebody begins to read.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Release);
    }

    /// True once somebody has begun to read.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// True when the call is to be stopped.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Acquire)
    }

    /// True when the call is to go on without its reader.
    pub(super) fn is_detached(&self) -> bool {
        self.detach.load(Ordering::Acquire)
    }

    /// Ends when something is asked.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// The turn, once the message is saved.
    pub(super) fn turn_id(&self) -> Option<String> {
        self.turn.get().map(ToString::to_string)
    }
}

impl Incoming {
    /// A stream that this verb begins, once it is read.
    pub(super) fn new(opening: Opening) -> Self {
        Self { stage: Stage::Opening(opening), asked: Arc::default() }
    }

    /// What may be asked of it from outside.
    pub(super) fn asked(&self) -> Arc<Asked> {
        Arc::clone(&self.asked)
    }

    /// Waits until the stream exists: the message is saved.
    async fn open(&mut self) -> Result<Option<&mut tertulia::ReplyStream>> {
        self.asked.begin();
        if let Stage::Opening(opening) = &mut self.stage {
            match opening.await {
                Ok(stream) => {
                    if let Some(turn) = stream.turn_id() {
                        let _ = self.asked.turn.set(turn);
                    }
                    self.stage = Stage::Open(Box::new(stream));
                }
                Err(error) => {
                    self.end(Some(Err(error.clone())));
                    return Err(error);
                }
            }
        }
        match &mut self.stage {
            Stage::Open(stream) => Ok(Some(stream)),
            Stage::Handed => Err(handed_over()),
            _ => Ok(None),
        }
    }

    /// Stops the call, if there is one. Whoever is reading does it for himself when the bell rings.
    pub(super) fn cancel(&mut self) {
        if let Stage::Open(stream) = &self.stage {
            stream.cancel();
        }
    }

    fn end(&mut self, outcome: Option<Result<Reply>>) {
        self.asked.over.store(true, Ordering::Release);
        self.stage = Stage::Over(outcome.map(Box::new));
    }

    async fn batch(&mut self, max: usize) -> Result<Vec<StreamEvent>> {
        let asked = Arc::clone(&self.asked);
        let Some(stream) = self.open().await? else { return Ok(Vec::new()) };
        loop {
            if asked.is_cancelled() {
                stream.cancel();
            }
            tokio::select! {
                biased;
                batch = stream.next_batch(max) => {
                    if batch.as_ref().map_or(true, Vec::is_empty) {
                        asked.over.store(true, Ordering::Release);
                    }
                    return batch;
                }
                () = asked.rung() => {}
            }
        }
    }

    /// Waits for the end, reading away what nobody took, and gives the whole reply.
    async fn reply(&mut self) -> Result<Reply> {
        loop {
            match self.batch(BATCH).await {
                Ok(batch) if !batch.is_empty() => {}
                // A failure is the outcome, which the stream tells again.
                _ => break,
            }
        }
        if matches!(self.stage, Stage::Open(_))
            && let Stage::Open(stream) = std::mem::replace(&mut self.stage, Stage::Over(None))
        {
            let outcome = stream.reply().await;
            self.end(Some(outcome));
        }
        match &self.stage {
            Stage::Over(Some(outcome)) => (**outcome).clone(),
            Stage::Handed => Err(handed_over()),
            _ => Err(Error::internal("a stream ended without an outcome")),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Stage::Open(stream) = &mut self.stage
            && self.asked.is_detached()
        {
            stream.detach();
        }
    }
}

impl Source for Incoming {
    type Item = StreamEvent;

    fn next_batch(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<StreamEvent>, Error>> {
        self.batch(max).boxed()
    }
}

/// Events on their way to Python.
pub(super) type Events = Feed<Incoming>;

/// Waits until the stream exists.
pub(super) async fn begin(events: Events) -> Result<()> {
    events.source()?.lock_owned().await.open().await.map(drop)
}

/// Waits until the stream exists and takes it away from this feed.
///
/// # Errors
/// `Invalid` (handed_over) when it has been taken or has ended.
pub(super) async fn hand_over(events: Events) -> Result<tertulia::ReplyStream> {
    let mut incoming = events.source()?.lock_owned().await;
    incoming.open().await?;
    match std::mem::replace(&mut incoming.stage, Stage::Handed) {
        Stage::Open(stream) => Ok(*stream),
        stage => {
            incoming.stage = stage;
            Err(handed_over())
        }
    }
}

fn handed_over() -> Error {
    let detail = "this stream is read elsewhere or has ended; `chat.attach(turn_id)` reads it again";
    Error::invalid("handed_over", detail)
}

/// Waits for the end and gives the whole reply.
pub(super) async fn reply(events: Events) -> Result<Reply> {
    events.source()?.lock_owned().await.reply().await
}

/// Stops the call, unless it was let go, and waits until what had arrived is stored.
pub(super) async fn leave(events: Events, asked: Arc<Asked>) -> Result<()> {
    if asked.is_detached() || asked.over.load(Ordering::Acquire) {
        return Ok(());
    }
    asked.cancel();
    // How it ended is the affair of whoever reads it.
    drop(reply(events).await);
    Ok(())
}
