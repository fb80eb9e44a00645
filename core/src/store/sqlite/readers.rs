//! The threads that read, fed by one channel.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::connect::{close_copy, open_reader};
use super::failure::file_failed;
use super::fork;
use super::gauges::{Busy, Gauges, begin_job};
use super::settings::SqliteSettings;
use crate::base::Clock;
use crate::model::Result;

/// What a reader is asked to do.
pub(super) enum ReadJob {
    Read(&'static str, Box<dyn FnOnce(&mut Connection) + Send>),
    Close,
}

/// The threads, and the way to end them.
pub(super) struct Readers {
    jobs: mpsc::Sender<ReadJob>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Opens a connection for each reader and starts it. All of them take from the same channel.
    pub(super) fn start(
        path: &Path,
        settings: &SqliteSettings,
        (clock, gauges): (&Arc<dyn Clock>, &Arc<Gauges>),
        (jobs, waiting): (mpsc::Sender<ReadJob>, Arc<Mutex<mpsc::Receiver<ReadJob>>>),
    ) -> Result<Self> {
        let mut readers = Self { jobs, threads: Vec::new() };
        for _ in 0..settings.readers.max(1) {
            let inside = fork::enter();
            let opened = open_reader(path, settings).map(|connection| Arc::new(Mutex::new(connection)));
            opened.iter().for_each(fork::register);
            drop(inside);
            let started = opened.and_then(|connection| {
                let (waiting, clock, gauges) = (Arc::clone(&waiting), Arc::clone(clock), Arc::clone(gauges));
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
            drop(self.jobs.blocking_send(ReadJob::Close));
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
    waiting: &Mutex<mpsc::Receiver<ReadJob>>,
    (clock, gauges): (&dyn Clock, &Gauges),
    slow: Duration,
) {
    loop {
        // One reader waits at the channel, the others for their turn to do so.
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let _inside = fork::enter();
        let Some(ReadJob::Read(name, work)) = job else { return drop(connection) };
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
