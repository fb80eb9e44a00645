//! A provider to test against: a real HTTP server on loopback that answers in the dialects of real providers, as
//! well or as badly as a script says.
//!
//! It speaks OpenAI Chat Completions (`POST /v1/chat/completions`), OpenAI Responses (`POST /v1/responses`),
//! Anthropic Messages (`POST /v1/messages`), Gemini (`POST /v1beta/models/{model}:generateContent` and
//! `:streamGenerateContent`, as events with `?alt=sse` and as an array without), Ollama's own (`POST /api/chat`,
//! `POST /api/generate`), embeddings (`POST /v1/embeddings`) and `GET /v1/models`; any prefix before these paths will do.
//! There is no model behind it and no key is asked for. A model that nobody scripted echoes: it
//! quotes the user and says how many messages it has seen, which shows whether the history was sent.
//!
//! # Scripts
//!
//! What a reply says, how fast it comes and how it breaks stands in a [`Script`], a line such as
//! `text=Hello%20world;delay_ms=5;chunks=20` or `status=429;retry_after=2;fail=2`. All keys are listed there.
//! A call's script is, in this order: the request's header `x-simulator-script`; what [`Simulator::set_script`] or
//! [`Simulator::set_scripts`] gave for its model; what follows `sim:` or `echo:` in the model's name.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use tertulia_simulator::{EventKind, Script, Simulator};
//!
//! let simulator = Simulator::start().await?;
//! simulator.set_script("gpt-4o", Script::parse("text=Hello;status=503;fail=1")?);
//! // … point a client at `simulator.url()`, then wait for what happens, never for time to pass:
//! # let mut client = tokio::net::TcpStream::connect(simulator.address()).await?;
//! # tokio::io::AsyncWriteExt::write_all(&mut client, b"GET /v1/models HTTP/1.1\r\n\r\n").await?;
//! simulator.wait_for(|event| event.kind == EventKind::RequestReceived).await;
//! assert_eq!(simulator.requests()[0].path, "/v1/models");
//! simulator.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # From another language
//!
//! The program `tertulia-simulator` prints its URL on the first line and runs until its input closes or a signal comes.
//! With `--record` it tells what happened: `GET /_simulator/requests` gives the requests so far, oldest first, each
//! with `request` (its number), `connection`, `method`, `path`, `headers` (names in lower case) and `body`, as JSON
//! (`null` when it is none). `GET /_simulator/hung_up` answers with `seq`, `connection` and `request` once a client has
//! closed a connection in the middle of a reply; `?after=SEQ` asks for the next one. Asking is not recorded. The same
//! works with a [`Simulator`] in the process.
//!
//! # How it works
//!
//! A reply is laid out once as bytes and pauses and then only written, with the request's number
//! put into its ids; a script whose reply does not depend on the request is laid out for all calls alike. That makes
//! the simulator cheap enough to stand beside a client in a benchmark. An HTTP library was not used: none lets a
//! reply end in a reset, without its last chunk, or in broken framing.

mod answer;
mod dialect;
mod plan;
mod record;
mod request;
mod script;
mod server;
mod told;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

pub use record::{Event, EventKind, RecordedRequest};
pub use script::{Script, ScriptError};

use server::Shared;

/// Connections that may wait to be taken: enough for ten thousand clients that come at once.
const BACKLOG: u32 = 16_384;

/// A running simulator. Dropping it closes everything.
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: oneshot::Sender<()>,
    tasks: JoinSet<()>,
}

impl Simulator {
    /// Starts on a free port of 127.0.0.1, on the runtime that calls.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start() -> io::Result<Self> {
        Self::start_at(0).await
    }

    /// Starts on this port of 127.0.0.1; 0 takes a free one.
    ///
    /// # Errors
    /// When the port is taken or not allowed.
    #[expect(clippy::unused_async, reason = "it needs the runtime that an async caller proves to have")]
    pub async fn start_at(port: u16) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new());
        let (stop, stopped) = oneshot::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(server::accept(listener, Arc::clone(&shared), stopped));
        Ok(Self { address, shared, stop, tasks })
    }

    /// Where it listens, as `http://127.0.0.1:41234`. A client that wants a base URL with its version adds `/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers every call to this model by this script from now on.
    pub fn set_script(&self, model: &str, script: Script) {
        self.set_scripts(model, [script]);
    }

    /// Answers the calls to this model by one script after the other; the last one stays. None: echo again.
    pub fn set_scripts(&self, model: &str, scripts: impl IntoIterator<Item = Script>) {
        self.shared.set_scripts(model, scripts.into_iter().collect());
    }

    /// The requests so far, oldest first: the last 10,000, or fewer when they are large.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.record.requests()
    }

    /// The events so far, oldest first: the last 100,000.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.shared.record.events()
    }

    /// Gives the first event that is wanted, of those so far or else of those to come. Never ends when recording is
    /// off or the event does not happen.
    pub async fn wait_for(&self, wanted: impl FnMut(&Event) -> bool) -> Event {
        self.shared.record.wait_for(wanted).await
    }

    /// Turns recording of requests and events on or off. On at first.
    pub fn set_recording(&self, on: bool) {
        self.shared.record.turn(on);
    }

    /// Forgets the requests and events so far. Their numbers go on.
    pub fn clear(&self) {
        self.shared.record.clear();
    }

    /// How many requests came in, recorded or not.
    #[must_use]
    pub fn request_count(&self) -> u64 {
        self.shared.record.received()
    }

    /// How many connections are open.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.shared.record.open()
    }

    /// Closes the port and every connection, and waits until that is done.
    pub async fn shutdown(mut self) {
        // An error means that it has ended already.
        let _ = self.stop.send(());
        while self.tasks.join_next().await.is_some() {}
    }
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").field("address", &self.address).finish_non_exhaustive()
    }
}
