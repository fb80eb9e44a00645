//! Measures the engine beside bare reqwest + serde, both in one process, one runtime thread, over plain HTTP/1.1 and
//! without a subscriber for logs.
//!
//! The provider is the simulator in a process of its own, so that the figures are the client's alone. Figures are CPU
//! time of this process (user + system, the threads of the store included) divided by the work done; rounds alternate
//! between the candidates, each round has its own ratio, and the median counts. Where a process happens to lie in
//! memory moves its figures by some percent for as long as it lives, so calls are measured in several, one after the
//! other, and the median is that of all their rounds. Both sides send the same request and get the same bytes. Absolute
//! times differ between machines; ratios hold up.
//!
//! ```text
//! tertulia-bench                  all figures, into target/bench.json
//! tertulia-bench history          those of long conversations alone
//! tertulia-bench long             what a long history adds to a request alone
//! tertulia-bench profile chat     where the time goes: chat, stream, turn or history
//! tertulia-bench work chat        the same work alone, for a profiler from outside
//! tertulia-bench import           how fast a file is imported, and nothing else
//! tertulia-bench size             how large files are beside the words in them, and nothing else
//! tertulia-bench alone call 3     three rounds of one candidate, for tools that count: instructions, cache misses
//! ```

mod bare;
mod branches;
mod cpu;
mod disk;
mod engine;
mod figures;
mod history;
mod offset;
#[cfg(unix)]
mod profile;
mod prose;
mod report;
mod simulator;
mod size;
mod transfer;
mod work;

use std::process::ExitCode;

use tertulia::SearchSort;

pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Processes in which calls are measured, and rounds of each candidate in each; odd, so that there is a median.
const PROCESSES: usize = 7;
const ROUNDS: usize = 5;
/// How many calls or turns are under way at once.
const AT_ONCE: usize = 64;
/// Calls of a round.
const CALLS: usize = 3_000;
/// Streamed replies of a round, each of this many events.
const STREAMS: usize = 320;
const EVENTS: usize = 200;
/// Kilobytes of a round whose tokens are estimated.
const KILOBYTES: usize = 100_000;
/// Turns of each conversation in a round.
const TURNS: usize = 24;
/// Messages of a long history, each of 500 characters.
const HISTORY: usize = 200;
/// Pages of a round, each of 50 messages.
const PAGES: usize = 2_000;
/// Messages of 665 characters among which is searched, and how often.
const SEARCHED: usize = 20_000;
const SEARCHES: usize = 500;
/// Conversations that are imported, and messages of each, of 665 characters.
const IMPORTED: (usize, usize) = (40, 1_000);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["simulator"] => simulator::serve().await,
        ["rounds"] => rounds().await,
        #[cfg(unix)]
        ["profile", workload] => profile::run(workload).await,
        ["alone", candidate, rounds] => alone(candidate, rounds.parse().unwrap_or(1)).await,
        ["import"] => import().await,
        ["work", workload] => work::run(workload).await,
        ["size"] => sizes().await,
        ["long"] => measure_long().await,
        ["history"] => measure_history().await,
        [] => measure().await,
        _ => Err("usage: tertulia-bench [history | long | size | import | profile|work chat|stream|turn|history | \
                  alone call|call_bare|call_bare_long|event|event_bare|turn|history|goes_on|goes_on_long|page|\
                  append ROUNDS]"
            .into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Outcome<()> {
    let mut report = report::Report::default();
    for _ in 0..PROCESSES {
        report.rounds_of(&["rounds"]).await?;
    }
    searches(&mut report).await?;
    histories(&mut report).await?;
    report.ratio("call.request.cpu_ratio_to_reqwest", "call", "call_bare");
    report.ratio("call.request.cpu_ratio_to_reqwest_whole", "call", "call_bare_whole");
    report.ratio("call.stream_event.cpu_ratio_to_reqwest", "event", "event_bare");
    report.ratio("call.durable_request.cpu_ratio_to_reqwest", "turn", "call_bare");
    long_histories(&mut report);
    report.write()
}

/// The rounds of one process, for the one that started it.
async fn rounds() -> Outcome<()> {
    let simulator = simulator::Process::start().await?;
    let bare = bare::Client::new(&simulator.url)?;
    let engine = engine::Engine::open(&simulator.url, AT_ONCE).await?;
    let mut report = report::Report::default();
    bare.calls(CALLS, AT_ONCE).await?;
    engine.calls(CALLS, AT_ONCE).await?;
    for _ in 0..ROUNDS {
        report.round("call_bare", CALLS, bare.calls(CALLS, AT_ONCE)).await?;
        report.round("call", CALLS, engine.calls(CALLS, AT_ONCE)).await?;
        report.round("call_bare_long", CALLS, bare.long_calls(CALLS, AT_ONCE, HISTORY * 500)).await?;
        report.round("call_bare_whole", CALLS, bare.whole_calls(CALLS, AT_ONCE)).await?;
        report.round("event_bare", STREAMS * EVENTS, bare.streams(STREAMS, EVENTS, AT_ONCE)).await?;
        report.round("event", STREAMS * EVENTS, engine.streams(STREAMS, EVENTS, AT_ONCE)).await?;
        report.round("token_estimate_kb", KILOBYTES, async { estimates(KILOBYTES) }).await?;
        report.round("figures_of_a_call", CALLS, figures::record(CALLS)).await?;

        turns(&engine, &mut report).await?;
        report.round("page_of_50", PAGES, engine.pages(PAGES)).await?;
    }
    engine.close().await?;
    report.hand_over()
}

/// How long words take to be found.
async fn searches(report: &mut report::Report) -> Outcome<()> {
    let simulator = simulator::Process::start().await?;
    let engine = engine::Engine::open(&simulator.url, AT_ONCE).await?;
    report.p95("history.fts_recent20.p95_us", engine.searches(SEARCHED, SEARCHES, SearchSort::Recent).await?);
    report.p95("history.fts_ranked20.p95_us", engine.searches(0, SEARCHES, SearchSort::Relevance).await?);
    engine.close().await
}

/// One round of durable turns, of conversations that are new and of long ones.
async fn turns(engine: &engine::Engine, report: &mut report::Report) -> Outcome<()> {
    // The first turn of a conversation reads what the store holds, later ones know it.
    let new = engine.chats(AT_ONCE, 1).await?;
    report.round("turn_first", AT_ONCE, engine.turns(&new, 1)).await?;
    report.round("turn", AT_ONCE * TURNS, engine.turns(&new, TURNS)).await?;
    engine.delete(new).await?;
    let long = engine.chats(AT_ONCE, HISTORY).await?;
    report.round("turn_first_of_200_messages", AT_ONCE, engine.turns(&long, 1)).await?;
    report.round("turn_with_200_messages", AT_ONCE * TURNS, engine.turns(&long, TURNS)).await?;
    engine.delete(long).await?;
    Ok(())
}

/// What a long history adds to a durable turn, beside what a body as long adds to a bare request.
async fn measure_long() -> Outcome<()> {
    let simulator = simulator::Process::start().await?;
    let bare = bare::Client::new(&simulator.url)?;
    let engine = engine::Engine::open(&simulator.url, AT_ONCE).await?;
    let mut report = report::Report::default();
    bare.calls(CALLS, AT_ONCE).await?;
    for _ in 0..ROUNDS {
        report.round("call_bare", CALLS, bare.calls(CALLS, AT_ONCE)).await?;
        report.round("call_bare_long", CALLS, bare.long_calls(CALLS, AT_ONCE, HISTORY * 500)).await?;
        turns(&engine, &mut report).await?;
    }
    engine.close().await?;
    report.ratio("call.durable_request.cpu_ratio_to_reqwest", "turn", "call_bare");
    long_histories(&mut report);
    report.write()
}

fn long_histories(report: &mut report::Report) {
    report.difference("call.history200.cpu_us", "turn_with_200_messages", "turn");
    report.difference("call.history200.bare_cpu_us", "call_bare_long", "call_bare");
    report.difference("call.history200_first.cpu_us", "turn_first_of_200_messages", "turn_first");
}

/// The figures of long conversations alone.
async fn measure_history() -> Outcome<()> {
    let mut report = report::Report::default();
    histories(&mut report).await?;
    report.write()
}

async fn histories(report: &mut report::Report) -> Outcome<()> {
    disk::measure(report)?;
    history::measure(report).await?;
    branches::measure(report).await?;
    offset::measure(report)?;
    for bytes in [300, 665] {
        let size = size::file_to_text(bytes).await?;
        report.named(&format!("history.file_to_text_{bytes}"), size.at_once, "ratio");
        report.named(&format!("history.file_to_text_{bytes}_a_day_later"), size.a_day_later, "ratio");
    }
    report.named("history.import.per_s", transfer::imported(IMPORTED.0, IMPORTED.1).await?, "1/s");
    Ok(())
}

/// How large files are beside their words.
async fn sizes() -> Outcome<()> {
    for bytes in [300, 665] {
        let size = size::file_to_text(bytes).await?;
        println!("history.file_to_text_{bytes} {:.3}, a day later {:.3}", size.at_once, size.a_day_later);
        for (name, rows, indexes) in size.kinds {
            println!("  {name:14} {rows:7.1} bytes a message, in indexes {indexes:6.1}");
        }
    }
    Ok(())
}

/// Imports three times and prints each figure.
async fn import() -> Outcome<()> {
    for _ in 0..3 {
        println!("history.import.per_s {:.0}", transfer::imported(IMPORTED.0, IMPORTED.1).await?);
    }
    Ok(())
}

/// So many rounds of one candidate and nothing else, for tools that count instructions.
async fn alone(candidate: &str, rounds: usize) -> Outcome<()> {
    let simulator = simulator::Process::start().await?;
    let bare = bare::Client::new(&simulator.url)?;
    let engine = engine::Engine::open(&simulator.url, AT_ONCE).await?;
    let going_on = match candidate {
        "goes_on" => engine.chats(AT_ONCE, 1).await?,
        "goes_on_long" => engine.chats(AT_ONCE, HISTORY).await?,
        _ => Vec::new(),
    };
    for _ in 0..rounds {
        match candidate {
            "goes_on" | "goes_on_long" => engine.turns(&going_on, TURNS).await?,
            "call" => engine.calls(CALLS, AT_ONCE).await?,
            "call_bare" => bare.calls(CALLS, AT_ONCE).await?,
            "call_bare_long" => bare.long_calls(CALLS, AT_ONCE, HISTORY * 500).await?,
            "event" => engine.streams(STREAMS, EVENTS, AT_ONCE).await?,
            "event_bare" => bare.streams(STREAMS, EVENTS, AT_ONCE).await?,
            "turn" => engine.turns(&engine.chats(AT_ONCE, 1).await?, TURNS).await?,
            "history" => engine.turns(&engine.chats(AT_ONCE, HISTORY).await?, TURNS).await?,
            "page" => engine.pages(PAGES).await?,
            "append" => engine.appends().await?,
            other => return Err(format!("there is no candidate `{other}`").into()),
        }
    }
    engine.close().await
}

/// Estimates the tokens of so many kilobytes of words, signs and code.
fn estimates(kilobytes: usize) -> Result<(), Box<dyn std::error::Error>> {
    let text = "Nobody was late twice. Кружок собирался, 每个星期四。 let total = (1..=10).sum();\n".repeat(100);
    let times = kilobytes * 1_000 / text.len();
    let tokens: u64 = (0..times).map(|_| tertulia::policy::tokens(std::hint::black_box(&text))).sum();
    if tokens == 0 { Err("nothing was estimated".into()) } else { Ok(()) }
}
