//! The process that is killed: it talks, and says on stdout what it was told is safe.

use std::io::Write as _;

use tertulia::{NewMessage, ProviderSpec, Tertulia};

use crate::Outcome;

/// Replies of different lengths and speeds, so that kills fall into every state of a turn.
pub const MODELS: [&str; 4] = [
    "lab/sim:text=Short%20and%20quick",
    "lab/sim:words=40;delay_ms=1",
    "lab/sim:words=400",
    "lab/sim:words=8;delay_ms=3;first_ms=4",
];

/// Where the same is said, in one batch each time.
pub const SIDES: [&str; 2] = ["left", "right"];

/// Sends one message after the other until it is killed.
pub async fn run(store: &str, url: &str, seed: u64) -> Outcome<()> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut settings = tertulia::Settings::default();
    settings.store.draft_flush_ms = 2;
    settings.store.draft_flush_bytes = 64;
    let lab = ProviderSpec::openai_chat("lab", format!("{url}/v1"));
    let tertulia = Tertulia::builder().store(store).provider(lab).settings(settings).open().await?;
    let me = tertulia.user("ana");
    let mut chat = me.conversation_for("one");
    let ben = tertulia.user("ben");
    let sides = SIDES.map(|side| ben.conversation_for(side));
    for number in 0_u64.. {
        if dice.u8(..) < 20 {
            chat = me.new_conversation();
        }
        let words = format!("message {seed} {number}");
        let model = MODELS[dice.usize(..MODELS.len())];
        let stream = chat.stream(words.as_str()).model(model).await?;
        let turn = stream.turn_id().ok_or("a durable stream has a turn")?;
        say(&format!("saved {} {turn} {words}", chat.id()))?;
        let reply = stream.reply().await?;
        say(&format!("done {} {turn} {}", chat.id(), reply.text().len()))?;
        if dice.u8(..3) == 0 {
            let words = format!("batch {seed} {number}");
            let said = |batch: tertulia::Batch, side| batch.append(side, [NewMessage::user(words.as_str())]);
            sides.iter().fold(ben.batch(), said).run().await?;
            say(&format!("batched {words} ."))?;
        }
        // Kills fall into the filling of the index, too.
        if dice.u8(..4) == 0 && me.search(format!("\"{words}\"")).await?.items.len() != 1 {
            return Err(format!("`{words}` was saved and is not found once").into());
        }
    }
    Ok(())
}

fn say(line: &str) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}
