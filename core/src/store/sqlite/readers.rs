//! The threads that read, fed by one queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connect::{close_copy, open_reader};
use super::failure::file_failed;
use super::fork;
use super::gauges::{Busy, Gauges, begin_job};
use super::settings::SqliteSettings;
use crate::base::Clock;
use crate::model::Result;
use crate::store::refusal;

/// What a reader is asked to do.
pub(super) enum ReadJob {
    Read(Read),
    Close,
}

/// One read, by its name.
pub(super) struct Read {
    name: &'static str,
    work: Box<dyn FnOnce(&mut Connection) + Send>,
    /// Its place in the queue, free again when it is taken out.
    place: OwnedSemaphorePermit,
}

/// The near end of the queue: who has a read hands it in here.
pub(super) struct Reads {
    places: Arc<Semaphore>,
    jobs: Sender<ReadJob>,
}

/// The far end, at which the readers stand.
pub(super) struct Waiting {
    jobs: Sender<ReadJob>,
    waiting: Receiver<ReadJob>,
}

/// A queue with so many places. Whoever finds none waits in its own future.
pub(super) fn queue(places: usize) -> (Reads, Waiting) {
    let (jobs, waiting) = unbounded();
    (Reads { places: Arc::new(Semaphore::new(places)), jobs: jobs.clone() }, Waiting { jobs, waiting })
}

impl Reads {
    /// Hands in a read.
    ///
    /// # Errors
    /// `Closed` when nobody will ever read again.
    pub(super) async fn hand_in(
        &self,
        name: &'static str,
        work: impl FnOnce(&mut Connection) + Send + 'static,
    ) -> Result<()> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| refusal::closed())?;
        self.jobs.send(ReadJob::Read(Read { name, work: Box::new(work), place })).map_err(|_| refusal::closed())
    }
}

impl Waiting {
    /// Throws away what waits. Whoever waits for it is told by the end of its channel.
    pub(super) fn clear(&self) {
        while self.waiting.try_recv().is_ok() {}
    }
}

/// The threads, and the way to end them.
pub(super) struct Readers {
    jobs: Sender<ReadJob>,
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
        let mut readers = Self { jobs: queue.jobs.clone(), threads: Vec::new() };
        for _ in 0..settings.readers.max(1) {
            let inside = fork::enter();
            let opened = open_reader(path, settings).map(|connection| Arc::new(Mutex::new(connection)));
            opened.iter().for_each(fork::register);
            drop(inside);
            let started = opened.and_then(|connection| {
                let (waiting, clock, gauges) = (queue.waiting.clone(), Arc::clone(clock), Arc::clone(gauges));
                let slow = Duration::from_millis(settings.slow_query_ms);
                Builder::new()
                    .name("tertulia-read".to_owned())
                    .spawn(move || read(connection, &waiting, (&*clock, &gauges), slow))
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
            // Refused only when all of them are gone already.
            drop(self.jobs.send(ReadJob::Close));
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

fn read(
    connection: Arc<Mutex<Connection>>,
    waiting: &Receiver<ReadJob>,
    (clock, gauges): (&dyn Clock, &Gauges),
    slow: Duration,
) {
    loop {
        let job = waiting.recv();
        let _inside = fork::enter();
        let Ok(ReadJob::Read(Read { name, work, place })) = job else { return drop(connection) };
        drop(place);
        let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        let _busy = Busy::begin(&gauges.reads);
        begin_job();
        let started = clock.monotonic();
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
