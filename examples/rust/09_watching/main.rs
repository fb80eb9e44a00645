//! Watching an engine: what happens, how long it takes, how it is; and other settings while it works.

use std::time::Duration;

use tertulia::{EngineEventKind, Result, Settings, Tertulia, TurnState};

/// The bundled simulator plays a provider that fails twice before it answers.
const PLAYED: &str = "echo/sim:text=First%20walk%20the%20old%20town.;status=503;fail=2";

#[tokio::main]
async fn main() -> Result<()> {
    let mut settings = Settings::default();
    settings.retry.base_delay_ms = 10;
    let tertulia = Tertulia::builder().store("memory:").model(PLAYED).settings(settings).open().await?;
    let mut events = tertulia.events(); // it hears what happens from here on
    println!("{}", tertulia.user("ana").new_conversation().send("Plan a day in Cádiz").await?.text());
    while let Some(event) = events.next().await {
        match event.kind {
            EngineEventKind::RetryScheduled { attempt, reason, .. } => {
                println!("try {attempt} for {} after {reason}", event.owner.unwrap_or_default());
            }
            EngineEventKind::TurnChanged { state: TurnState::Done, .. } => break,
            _ => {}
        }
    }

    let total = tertulia.stats(Duration::from_secs(60)).total;
    println!("{} call, {} retries, success rate {:?}", total.calls, total.retries, total.success_rate);
    println!("first words after {:.0} ms, {:.1} ms of them ours", total.first_delta_ms.p50, total.added_ms.p50);

    // Calls that begin from now on see it; those under way end as they began.
    let mut settings = tertulia.settings();
    settings.retry.max_attempts = 3;
    settings.network.total_timeout_ms = 30_000;
    tertulia.reconfigure(settings)?;
    let health = tertulia.health();
    println!("store {:?}", health.store.state);
    for provider in health.providers {
        println!("{} {:?}", provider.name, provider.state);
    }
    tertulia.close().await
}
