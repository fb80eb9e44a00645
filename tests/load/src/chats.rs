//! The people: each sends, waits for the reply, thinks, and sends again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tertulia::base::{Clock, SystemClock};
use tertulia::{CacheMode, CallOptions, TargetStats, Tertulia};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::scenario::Scenario;
use crate::{Outcome, SEED};

/// The longest while of which the engine keeps figures.
const HOUR: Duration = Duration::from_secs(3_600);

/// What was seen.
#[derive(Default)]
pub struct Run {
    /// How long each message waited for its whole reply.
    pub waits: Vec<Duration>,
    /// What went wrong, by message.
    pub errors: Vec<String>,
    /// Requests to the provider, and those that failed among them.
    pub tries: usize,
    pub failed_tries: usize,
    pub took: Duration,
    /// What the engine says of the same calls.
    pub stats: TargetStats,
}

/// Plays a scenario with so many people.
pub async fn play(
    engine: &Tertulia,
    scenario: &'static Scenario,
    chats: usize,
    connections: usize,
    only_success: bool,
) -> Outcome<Run> {
    let clock = Arc::new(SystemClock::default());
    let start = Arc::new(Barrier::new(chats));
    let (turns, think) = (scenario.turns(chats, only_success), scenario.think(chats, connections));
    let began = clock.monotonic();
    let mut people = JoinSet::new();
    for number in 0..chats {
        // Where replies are kept, all are people of one desk: nobody is given what another user has asked.
        let shares = scenario.repeats > 0;
        let user = engine.user(if shares { scenario.name.to_owned() } else { format!("{}-{number}", scenario.name) });
        let mut chat = user.new_conversation();
        let (clock, start) = (clock.clone(), start.clone());
        people.spawn(async move {
            let mut dice = fastrand::Rng::with_seed(SEED ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut run = Run::default();
            start.wait().await;
            if !scenario.all_at_once {
                // Nobody begins with everybody else.
                clock.sleep((think + scenario.mean()).mul_f64(dice.f64())).await;
            }
            for turn in 0..turns {
                if turn > 0 {
                    clock.sleep(think.mul_f64(0.5 + dice.f64())).await;
                }
                let script = scenario.script(&mut dice, SEED);
                let extra_headers = HashMap::from([("x-simulator-script".to_owned(), script)]);
                if shares && turn > 0 {
                    // The same words are another question behind another history.
                    chat = user.new_conversation();
                }
                let question = scenario.question(&mut dice, turn * chats + number);
                let cache = shares.then_some(CacheMode::Use);
                let asked = clock.monotonic();
                let answer =
                    chat.send(question).with(CallOptions { extra_headers, cache, ..CallOptions::default() }).await;
                run.waits.push(clock.monotonic().saturating_sub(asked));
                let attempts = match &answer {
                    Ok(reply) => &reply.attempts[..],
                    Err(error) => error.attempts(),
                };
                run.tries += attempts.len();
                run.failed_tries += attempts.iter().filter(|attempt| attempt.kind.is_some()).count();
                match answer {
                    Ok(reply) if reply.text().split(' ').count() == 20 => {}
                    Ok(reply) => run.errors.push(format!("half a reply of {} bytes", reply.text().len())),
                    Err(error) => run.errors.push(error.to_string()),
                }
            }
            run
        });
    }
    let mut all = Run::default();
    while let Some(run) = people.join_next().await {
        let run = run?;
        all.waits.extend(run.waits);
        all.errors.extend(run.errors);
        all.tries += run.tries;
        all.failed_tries += run.failed_tries;
    }
    all.took = clock.monotonic().saturating_sub(began);
    all.stats = engine.stats(HOUR).total;
    all.waits.sort_unstable();
    Ok(all)
}
