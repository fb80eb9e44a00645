//! How fast a file of conversations is imported, by the clock on the wall, from the call to the last sync.

use std::fmt::Write as _;

use tertulia::Tertulia;
use tertulia::base::{Clock as _, SystemClock};

use crate::Outcome;

/// Imports so many conversations of so many messages, each of 665 characters, into a new database of their own. Gives how
/// many messages went in, each second.
pub async fn imported(conversations: usize, messages: usize) -> Outcome<f64> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("chats.jsonl");
    std::fs::write(&file, exported(conversations, messages)?)?;
    let store = folder.path().join("chat.db").to_string_lossy().into_owned();
    let tertulia = Tertulia::builder().store(store).model("echo/any").open().await?;
    let clock = SystemClock::default();
    let started = clock.monotonic();
    let report = tertulia.user("ana").import_conversations(&file).await?;
    let took = clock.monotonic() - started;
    tertulia.close().await?;
    let expected = i64::try_from(conversations * messages)?;
    if report.messages != expected {
        return Err(format!("{} of {expected} messages were imported", report.messages).into());
    }
    Ok((conversations * messages) as f64 / took.as_secs_f64())
}

fn exported(conversations: usize, messages: usize) -> Result<String, std::fmt::Error> {
    let id = |kind: u8, number: usize| format!("01900000-0000-7000-8{kind:03}-{number:012x}");
    let words = "Nobody was late twice, and the table by the window was ours. ".repeat(11);
    let mut file = String::from("{\"format\":\"tertulia.conversations\",\"version\":1}\n");
    for conversation in 0..conversations {
        let chat = id(1, conversation);
        writeln!(
            file,
            "{{\"conversation\":{{\"id\":\"{chat}\",\"created_at\":1700000000000,\"updated_at\":1700000000000}}}}"
        )?;
        for place in 0..messages {
            let number = conversation * messages + place;
            let parent = if place == 0 { String::new() } else { format!("\"parent\":\"{}\",", id(2, number - 1)) };
            let role = if place % 2 == 0 { "user" } else { "assistant" };
            let text = words.get(..650).unwrap_or(&words);
            writeln!(
                file,
                "{{\"message\":{{\"id\":\"{}\",{parent}\"selected\":true,\"role\":\"{role}\",\"parts\":[{{\"type\":\"text\",\
                 \"text\":\"{number:015}{text}\"}}],\"created_at\":{}}}}}",
                id(2, number),
                1_700_000_000_000_usize + number
            )?;
        }
        writeln!(file, "{{\"shown\":\"{}\"}}", id(2, conversation * messages + messages - 1))?;
    }
    writeln!(file, "{{\"end\":{{\"conversations\":{conversations},\"messages\":{}}}}}", conversations * messages)?;
    Ok(file)
}
