//! A conversation that was edited all the time: 20,000 messages, of which every second one is the end of a branch.

use std::fmt::Write as _;
use std::time::Duration;

use tertulia::base::{Clock as _, SystemClock};
use tertulia::{Conversation, Tertulia};

use crate::Outcome;
use crate::prose::prose;
use crate::report::Report;

/// Messages of the branch that is shown; beside each stands another one, with which a branch ends.
const LONG: usize = 10_000;
const TIMES: usize = 500;

/// What is read, and what it costs to show another branch.
pub async fn measure(report: &mut Report) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("chats.jsonl");
    std::fs::write(&file, exported()?)?;
    let tertulia = Tertulia::open(folder.path().join("branches.db").to_string_lossy()).await?;
    let me = tertulia.user("ana");
    me.import_conversations(&file).await?;
    let id = me.list_conversations().limit(1).await?.items.first().ok_or("nothing was imported")?.id;
    let chat = me.conversation(id);
    let page = chat.history().limit(50).await?;
    assert_eq!(page.items.last().map(|last| (last.depth, last.sibling_count)), Some((LONG as i32, 2)));

    let clock = SystemClock::default();
    let (mut pages, mut ends, mut switches) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..TIMES {
        let began = clock.monotonic();
        assert_eq!(chat.history().limit(50).await?.items.len(), 50);
        pages.push(clock.monotonic() - began);
        let began = clock.monotonic();
        assert_eq!(chat.branches().limit(50).await?.items.len(), 50);
        ends.push(clock.monotonic() - began);
        switches.push(switch(&chat, number, &clock).await?);
    }
    report.spread("branches.page50", &mut pages);
    report.spread("branches.list50", &mut ends);
    report.spread("branches.switch", &mut switches);
    tertulia.close().await?;
    Ok(())
}

/// Shows a branch that ends in the middle, and then the long one again; how long the first of both took, its sync included.
async fn switch(chat: &Conversation, number: usize, clock: &SystemClock) -> Outcome<Duration> {
    let place = 1 + number * 7_919 % (LONG - 1);
    let (short, long) = (id("8002", LONG + place).parse()?, id("8002", LONG - 1).parse()?);
    let began = clock.monotonic();
    chat.switch_to(short).await?;
    let took = clock.monotonic() - began;
    chat.switch_to(long).await?;
    Ok(took)
}

fn id(kind: &str, number: usize) -> String {
    format!("01900000-0000-7000-{kind}-{number:012x}")
}

fn exported() -> Result<String, std::fmt::Error> {
    let mut file = String::from("{\"format\":\"tertulia.conversations\",\"version\":1}\n");
    let chat = id("8001", 0);
    writeln!(
        file,
        "{{\"conversation\":{{\"id\":\"{chat}\",\"created_at\":1700000000000,\"updated_at\":1700000000000}}}}"
    )?;
    for place in 0..LONG {
        let parent = if place == 0 { String::new() } else { format!("\"parent\":\"{}\",", id("8002", place - 1)) };
        let role = if place % 2 == 0 { "user" } else { "assistant" };
        for (number, selected) in [(place, true), (LONG + place, false)] {
            writeln!(
                file,
                "{{\"message\":{{\"id\":\"{}\",{parent}\"selected\":{selected},\"role\":\"{role}\",\"parts\":[{{\"type\":\
                 \"text\",\"text\":\"{}\"}}],\"created_at\":{}}}}}",
                id("8002", number),
                prose(number, 300),
                1_700_000_000_000_usize + number
            )?;
        }
    }
    writeln!(file, "{{\"shown\":\"{}\"}}", id("8002", LONG - 1))?;
    writeln!(file, "{{\"end\":{{\"conversations\":1,\"messages\":{}}}}}", 2 * LONG)?;
    Ok(file)
}
