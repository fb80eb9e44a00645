//! Leaving a reply in the middle, by every way there is.

use std::time::Duration;

use serde_json::{Value, json};
use tertulia::base::Clock as _;
use tertulia::{Conversation, MessageStatus, ReplyStatus, ReplyStream, Tertulia};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Outcome;
use crate::witness::Witness;

/// A reply that stops in the middle, with its connection open.
const STALLS: &str = "lab/sim:text=one%20two%20three;chunks=3;stall=2";
/// Whoever is not done by then hangs.
const WATCHDOG: Duration = Duration::from_secs(5);
/// What went wrong is shown of so many runs.
const SHOWN: usize = 5;

/// A way to leave.
#[derive(Clone, Copy)]
pub enum Way {
    /// `stream.cancel()`.
    Cancelled,
    /// The stream is dropped.
    Dropped,
    /// The task that reads the stream is aborted.
    Aborted,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "cancel",
            Self::Dropped => "dropped",
            Self::Aborted => "task aborted",
        }
    }
}

/// Leaves so often, and tells how long the provider did not notice, and what was not as it must be.
pub async fn play(engine: &Tertulia, witness: &mut Witness, way: Way, runs: usize) -> Outcome<Value> {
    let (mut delays, mut hangs, mut wrong) = (Vec::with_capacity(runs), 0, Vec::new());
    for _ in 0..runs {
        match timeout(WATCHDOG, leave(engine, witness, way)).await {
            Ok(Ok(delay)) => delays.push(delay),
            Ok(Err(error)) => wrong.push(error.to_string()),
            Err(_) => hangs += 1,
        }
    }
    delays.sort();
    let at = |share: f64| delays.get((delays.len() as f64 * share) as usize).map(|delay| delay.as_secs_f64() * 1e3);
    let shown = &wrong[..wrong.len().min(SHOWN)];
    Ok(json!({
        "left": way.name(), "runs": runs, "hangs": hangs, "wrong": wrong.len(), "shown": shown,
        "p50_ms": at(0.5), "p99_ms": at(0.99),
    }))
}

/// Leaves one reply. Behind the hang-up what had come is kept, and nothing is held back of a budget.
async fn leave(engine: &Tertulia, witness: &mut Witness, way: Way) -> Outcome<Duration> {
    let user = engine.user("ana");
    let chat = user.new_conversation();
    let mut stream = chat.stream("Count").model(STALLS).await?;
    let turn = stream.turn_id().ok_or("a turn without a number")?;
    let first = stream.next_text().await?;
    if !first.is_some_and(|text| text.starts_with("one")) {
        return Err("the reply does not begin".into());
    }
    let watching = witness.watch().await?;
    let left_at = left(stream, way, witness).await;
    let delay = witness.hung_up(watching).await?.saturating_sub(left_at);
    let reply = chat.attach(turn, 0).await?.reply().await?;
    if reply.status != ReplyStatus::Cancelled {
        return Err(format!("the turn ended as {:?}", reply.status).into());
    }
    kept(&chat).await?;
    let held: i64 = user.budgets().await?.iter().map(|budget| budget.reserved).sum();
    if held != 0 {
        return Err(format!("{held} tokens are still held back").into());
    }
    Ok(delay)
}

/// Leaves, and gives the moment.
async fn left(mut stream: ReplyStream, way: Way, witness: &Witness) -> Duration {
    match way {
        Way::Cancelled => {
            let at = witness.clock.monotonic();
            stream.cancel();
            at
        }
        Way::Dropped => {
            let at = witness.clock.monotonic();
            drop(stream);
            at
        }
        Way::Aborted => {
            let mut reading = JoinSet::new();
            reading.spawn(async move { while matches!(stream.next_event().await, Ok(Some(_))) {} });
            tokio::task::yield_now().await;
            let at = witness.clock.monotonic();
            reading.shutdown().await;
            at
        }
    }
}

async fn kept(chat: &Conversation) -> Outcome<()> {
    let page = chat.history().await?;
    let [asked, answer] = &page.items[..] else {
        return Err(format!("{} messages are kept", page.items.len()).into());
    };
    if asked.text() != "Count" || answer.status != MessageStatus::Cancelled || !answer.text().starts_with("one") {
        return Err(format!("kept: {:?} as {:?}", answer.text(), answer.status).into());
    }
    Ok(())
}
