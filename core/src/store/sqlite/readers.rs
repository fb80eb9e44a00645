//! The threads that read, fed by one queue.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, Thread, current, park};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connect::{close_copy, open_reader};
use super::failure::file_failed;
use super::fork;
use super::gauges::{Busy, Gauges, Place, begin_job};
use super::settings::SqliteSettings;
use crate::base::Clock;
use crate::model::Result;
use crate::store::refusal;

/// What a reader is asked to do.
enum ReadJob {
    Read(Read),
    Close,
}

/// One read, by its name.
pub(super) struct Read {
    pub(super) name: &'static str,
    pub(super) work: Box<dyn FnOnce(&mut Connection) + Send>,
    /// Its place in the line of those who wait.
    pub(super) place: Place,
}

/// The near end of the queue: who has a read hands it in here.
pub(super) struct Reads {
    places: Arc<Semaphore>,
    queue: Arc<Queue>,
}

/// The far end. Nobody reads any more when it goes.
pub(super) struct Waiting(Arc<Queue>);

/// What waits for readers, and readers that wait.
#[derive(Default)]
struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    /// With each read its place in the queue, free again when it is taken out.
    jobs: VecDeque<(ReadJob, Option<OwnedSemaphorePermit>)>,
    /// The last one that came to rest is woken first: what it has read is still at hand.
    idle: Vec<Thread>,
    is_over: bool,
}

/// A queue with so many places. Whoever finds none waits in its own future.
pub(super) fn queue(places: usize) -> (Reads, Waiting) {
    let queue = Arc::<Queue>::default();
    (Reads { places: Arc::new(Semaphore::new(places)), queue: Arc::clone(&queue) }, Waiting(queue))
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts it behind all others and wakes one reader.
    ///
    /// # Errors
    /// `Closed` when nobody will ever read again.
    fn put(&self, job: ReadJob, place: Option<OwnedSemaphorePermit>) -> Result<()> {
        let mut state = self.state();
        if state.is_over {
            return Err(refusal::closed());
        }
        state.jobs.push_back((job, place));
        let woken = state.idle.pop();
        drop(state);
        woken.iter().for_each(Thread::unpark);
        Ok(())
    }

    /// The next one, as soon as there is one.
    fn take(&self) -> ReadJob {
        let me = current();
        let mut state = self.state();
        loop {
            if let Some((job, place)) = state.jobs.pop_front() {
                drop(state);
                drop(place);
                return job;
            }
            if state.is_over {
                return ReadJob::Close;
            }
            state.idle.push(me.clone());
            drop(state);
            park();
            state = self.state();
            // It may have woken by itself.
            state.idle.retain(|thread| thread.id() != me.id());
        }
    }
}

impl Reads {
    /// Hands in a read.
    ///
    /// # Errors
    /// `Closed` when nobody will ever read again.
    pub(super) async fn hand_in(&self, read: Read) -> Result<()> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| refusal::closed())?;
        self.queue.put(ReadJob::Read(read), Some(place))
    }
}

impl Waiting {
    /// Throws away what waits. Whoever waits for it is told by the end of its channel.
    pub(super) fn clear(&self) {
        let thrown = std::mem::take(&mut self.0.state().jobs);
        drop(thrown);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // In one go: what came in between would never be answered.
        let left = std::mem::replace(&mut *self.0.state(), State { is_over: true, ..State::default() });
        left.idle.iter().for_each(Thread::unpark);
    }
}

/// The threads, and the way to end them.
pub(super) struct Readers {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Opens a connection for each reader and starts it. All of them take from the same queue.
    pub(super) fn start(
        path: &Path,
        settings: &SqliteSettings,
        (clock, gauges): (&Arc<dyn Clock>, &Arc<Gauges>),
        queue: &Waiting,
    ) -> Result<Self> {
        let mut readers = Self { queue: Arc::clone(&queue.0), threads: Vec::new() };
        for _ in 0..settings.readers.max(1) {
            let inside = fork::enter();
            let opened = open_reader(path, settings).map(|connection| Arc::new(Mutex::new(connection)));
            opened.iter().for_each(fork::register);
            drop(inside);
            let started = opened.and_then(|connection| {
                let (queue, clock, gauges) = (Arc::clone(&queue.0), Arc::clone(clock), Arc::clone(gauges));
                let slow = Duration::from_millis(settings.slow_query_ms);
                Builder::new()
                    .name("tertulia-read".to_owned())
                    .spawn(move || read(connection, &queue, (&*clock, &gauges), slow))
                    .map_err(|error| file_failed(path, error))
            });
            match started {
                Ok(thread) => readers.threads.push(thread),
                Err(error) => {
                    readers.close();
                    return Err(error);
                }
            }
        }
        Ok(readers)
    }

    /// Waits until what was handed in is read and every reader is gone.
    pub(super) fn close(self) {
        for _ in &self.threads {
            // Refused only when all of them go anyway.
            drop(self.queue.put(ReadJob::Close, None));
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!(target: "tertulia::store", operation = "read", "a reading thread panicked");
            }
        }
    }
}

impl fork::Inherited for Mutex<Connection> {
    fn close_copy(&self) {
        if let Ok(mut connection) = self.try_lock() {
            close_copy(&mut connection);
        }
    }
}

fn read(connection: Arc<Mutex<Connection>>, queue: &Queue, (clock, gauges): (&dyn Clock, &Gauges), slow: Duration) {
    loop {
        let job = queue.take();
        let _inside = fork::enter();
        let ReadJob::Read(Read { name, work, mut place }) = job else { return drop(connection) };
        let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        let _busy = Busy::begin(&gauges.reads);
        begin_job();
        let started = clock.monotonic();
        place.begin(started);
        if catch_unwind(AssertUnwindSafe(|| work(&mut connection))).is_err() {
            tracing::error!(target: "tertulia::store", operation = "read", query = name, "a read panicked");
        }
        let took = clock.monotonic() - started;
        if took > slow {
            let millis = took.as_millis();
            tracing::warn!(target: "tertulia::store", operation = "read", query = name, %millis, "slow read");
            gauges.slow(name, took, clock.now(), &connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{SyncSender, sync_channel};
    use std::thread::yield_now;

    use super::*;

    /// A reader that says its name when it is given something, once it stands at the queue as the last of so many.
    fn reader(queue: &Arc<Queue>, name: &'static str, of: usize, said: &SyncSender<&'static str>) -> JoinHandle<()> {
        let (at, said) = (Arc::clone(queue), said.clone());
        let thread = std::thread::spawn(move || {
            at.take();
            said.send(name).unwrap();
        });
        while queue.state().idle.len() < of {
            yield_now();
        }
        thread
    }

    #[test]
    fn the_reader_that_came_to_rest_last_is_woken_first() {
        let (reads, waiting) = queue(8);
        let (said, heard) = sync_channel(3);
        let readers = ["a", "b", "c"].iter().zip(1..).map(|(name, of)| reader(&reads.queue, name, of, &said));
        let readers: Vec<_> = readers.collect();
        for name in ["c", "b", "a"] {
            reads.queue.put(ReadJob::Close, None).unwrap();
            assert_eq!(heard.recv().unwrap(), name);
        }
        readers.into_iter().for_each(|thread| thread.join().unwrap());
        drop(waiting);
    }

    #[test]
    fn nobody_stands_at_a_queue_that_is_over() {
        let (reads, waiting) = queue(8);
        let (said, heard) = sync_channel(3);
        let (one, two) = (reader(&reads.queue, "one", 1, &said), reader(&reads.queue, "two", 2, &said));
        drop(waiting);
        assert_eq!(heard.iter().take(2).count(), 2);
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!(reads.queue.put(ReadJob::Close, None).unwrap_err().kind(), crate::base::ErrorKind::Closed);
        assert!(matches!(reads.queue.take(), ReadJob::Close));
    }
}
