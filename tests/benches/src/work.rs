//! One kind of work alone, for a profiler.

use crate::{AT_ONCE, CALLS, EVENTS, HISTORY, Outcome, engine, simulator};

/// Work that is ready to be done.
pub struct Work {
    engine: engine::Engine,
    kind: Kind,
    _simulator: simulator::Process,
}

enum Kind {
    Calls,
    Streams,
    Turns(Vec<tertulia::Conversation>),
}

impl Work {
    /// Opens all that it needs, and does a little of it.
    pub async fn begin(workload: &str) -> Outcome<Self> {
        let simulator = simulator::Process::start().await?;
        let engine = engine::Engine::open(&simulator.url, AT_ONCE).await?;
        let kind = match workload {
            "chat" => {
                engine.calls(CALLS, AT_ONCE).await?;
                Kind::Calls
            }
            "stream" => {
                engine.streams(AT_ONCE, EVENTS, AT_ONCE).await?;
                Kind::Streams
            }
            "turn" | "history" => {
                let chats = engine.chats(AT_ONCE, if workload == "turn" { 1 } else { HISTORY }).await?;
                engine.turns(&chats, 1).await?;
                Kind::Turns(chats)
            }
            other => return Err(format!("there is no workload `{other}`; it is chat, stream, turn or history").into()),
        };
        Ok(Self { engine, kind, _simulator: simulator })
    }

    /// Does it.
    pub async fn go(&self) -> Outcome<()> {
        match &self.kind {
            Kind::Calls => self.engine.calls(40 * CALLS, AT_ONCE).await,
            Kind::Streams => self.engine.streams(12_000, EVENTS, AT_ONCE).await,
            Kind::Turns(chats) => self.engine.turns(chats, 150).await,
        }
    }

    pub async fn end(self) -> Outcome<()> {
        self.engine.close().await
    }
}

/// Does it once, and says when it begins.
pub async fn run(workload: &str) -> Outcome<()> {
    let work = Work::begin(workload).await?;
    println!("begins");
    let before = crate::cpu::used();
    work.go().await?;
    println!("{:.0} ms CPU", crate::cpu::used().saturating_sub(before).as_secs_f64() * 1e3);
    work.end().await
}
