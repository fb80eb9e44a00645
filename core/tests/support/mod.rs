//! An engine and a simulator that plays its provider.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "shared by several tests, which may panic"
)]

pub mod mortal;
pub mod over;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use tertulia::{Conversation, ErrorKind, ProviderSpec, Settings, Tertulia, TertuliaBuilder, TurnId, UserScope};
use tertulia_simulator::{EventKind, RecordedRequest, Simulator};

/// An engine and the provider it talks to.
pub struct Lab {
    pub tertulia: Tertulia,
    pub simulator: Simulator,
}

impl Lab {
    pub async fn memory() -> Self {
        Self::open("memory:", |_| {}).await
    }

    pub async fn memory_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::open("memory:", change).await
    }

    pub async fn on(path: &Path) -> Self {
        Self::on_with(path, |_| {}).await
    }

    pub async fn on_with(path: &Path, change: impl FnOnce(&mut Settings)) -> Self {
        Self::open(path.to_str().unwrap(), change).await
    }

    async fn open(store: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let simulator = Simulator::start().await.unwrap();
        let tertulia = builder(&simulator, change).store(store).open().await.unwrap();
        Self { tertulia, simulator }
    }

    /// Another engine that talks to the same provider.
    pub fn builder(&self) -> TertuliaBuilder {
        builder(&self.simulator, |_| {}).store("memory:")
    }

    pub fn me(&self) -> UserScope {
        self.tertulia.user("ana")
    }

    /// The model that plays this script.
    pub fn model(&self, script: &str) -> String {
        format!("lab/sim:{script}")
    }

    /// The model that says this.
    pub fn text(&self, text: &str) -> String {
        self.model(&format!("text={}", text.replace('%', "%25").replace(' ', "%20").replace(';', "%3B")))
    }

    /// The body of the last request.
    pub fn last_request(&self) -> serde_json::Value {
        serde_json::from_slice(&self.simulator.requests().pop().expect("no request").body).unwrap()
    }

    /// Ends when the provider has been asked this often.
    pub async fn requested(&self, times: usize) {
        let mut seen = 0;
        within(self.simulator.wait_for(|event| {
            seen += usize::from(event.kind == EventKind::RequestReceived);
            seen >= times
        }))
        .await;
    }

    /// Ends when the engine has closed a connection while a reply was on its way.
    pub async fn peer_closed(&self) {
        let in_reply =
            |event: &tertulia_simulator::Event| event.kind == EventKind::ClosedByPeer && event.request.is_some();
        within(self.simulator.wait_for(in_reply)).await;
    }

    /// Ends when the turn has come to rest.
    pub async fn at_rest(&self, chat: &Conversation, turn: TurnId) {
        within(async {
            while chat.turn(turn).await.unwrap().state.is_open() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    pub async fn close(self) {
        self.tertulia.close().await.unwrap();
        self.simulator.shutdown().await;
    }
}

fn builder(simulator: &Simulator, change: impl FnOnce(&mut Settings)) -> TertuliaBuilder {
    let mut settings = Settings::default();
    settings.retry.base_delay_ms = 1;
    settings.retry.throttle_base_delay_ms = 1;
    change(&mut settings);
    Tertulia::builder()
        .provider(ProviderSpec::openai_chat("lab", format!("{}/v1", simulator.url())))
        .with_environment(std::sync::Arc::new(|_: &str| None))
        .settings(settings)
}

/// A watchdog: what is awaited must come.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), work).await.expect("nothing came within 5 s")
}

/// Kind and reason of a failure.
pub fn cause_of<T>(outcome: tertulia::Result<T>) -> (ErrorKind, String) {
    match outcome {
        Ok(_) => panic!("it did not fail"),
        Err(error) => (error.kind(), error.reason().to_owned()),
    }
}

/// A header of a recorded request.
pub fn header(request: &RecordedRequest, name: &str) -> Option<String> {
    request.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
}
