//! A function of Python that is called with every event of an engine, on a thread of its own.
//!
//! No thread of the runtime waits for the interpreter: events are handed over without a wait, and when the function is
//! slower than they come the oldest that wait are kept, newer ones are left out, and it is told how many.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{TrySendError, sync_channel};
use std::thread::Builder;

use pyo3::prelude::*;
use tertulia::model::{EngineEvent, EngineEventKind};
use tertulia::{Error, ErrorKind, Result};

use crate::bridge::park_for_ever_when_gone;
use crate::convert::ToPython;

/// So many events wait for the function.
const WAITING: usize = 1_024;

/// What hands events over to the function. Its thread ends with the engine.
pub(super) fn listener(called: Arc<Py<PyAny>>) -> Result<impl Fn(&EngineEvent) + Send + Sync + 'static> {
    let (events, heard) = sync_channel::<EngineEvent>(WAITING);
    let missed = Arc::new(AtomicI64::new(0));
    let left_out = Arc::clone(&missed);
    let work = move || {
        while let Ok(event) = heard.recv() {
            let missed = match missed.swap(0, Ordering::Relaxed) {
                0 => None,
                missed => Some(EngineEvent {
                    at: event.at,
                    owner: None,
                    conversation_id: None,
                    turn_id: None,
                    kind: EngineEventKind::Lagged { missed },
                }),
            };
            park_for_ever_when_gone();
            let told = Python::try_attach(|py| {
                for event in missed.into_iter().chain([event]) {
                    let outcome = event.into_python(py).and_then(|event| called.call1(py, (event,)));
                    if let Err(error) = outcome {
                        error.write_unraisable(py, Some(called.bind(py)));
                    }
                }
            });
            if told.is_none() {
                return;
            }
        }
    };
    Builder::new().name("tertulia-event".to_owned()).spawn(work).map_err(|e| {
        Error::new(ErrorKind::Internal, "no_thread", "the system refused a thread for on_event").with_source(e)
    })?;
    Ok(move |event: &EngineEvent| {
        if let Err(TrySendError::Full(_)) = events.try_send(event.clone()) {
            left_out.fetch_add(1, Ordering::Relaxed);
        }
    })
}
