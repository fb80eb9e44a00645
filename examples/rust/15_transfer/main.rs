//! Take conversations along: out into a file, with all branches, and in from a file, also from ChatGPT or Claude.

use serde_json::json;
use tertulia::{Result, Tertulia};

async fn open() -> Result<Tertulia> {
    let model = std::env::var("TERTULIA_MODEL").unwrap_or_else(|_| "echo/any".to_owned());
    Tertulia::builder().store("memory:").model(model).open().await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tertulia = open().await?;
    let me = tertulia.user("ana");
    let trip = me.new_conversation();
    trip.send("Plan a day in Cádiz.").await?;
    let question = trip.history().await?.items[0].id;
    trip.edit(question, "Plan a rainy day in Cádiz.").await?.reply().await?;
    let written = me.export_conversations("chats.jsonl").await?;
    println!("written: {} conversation, {} messages, on all branches", written.conversations, written.messages);
    tertulia.close().await?;

    let tertulia = open().await?;
    let me = tertulia.user("ana");
    println!("would add: {}", me.import_conversations("chats.jsonl").dry_run(true).await?.messages);
    me.import_conversations("chats.jsonl").await?;
    let again = me.import_conversations("chats.jsonl").await?;
    println!("twice is once: {} added, {} here already", again.messages, again.skipped);
    let trip = me.conversation(me.list_conversations().await?.items[0].id);
    let shown = trip.history().await?.items[0].text();
    println!("branches: {} - shown: {shown}", trip.branches().await?.items.len());

    // As other programs write them: what it is, is recognised.
    let chat = json!([{"role": "user", "content": "And on Sunday?"}, {"role": "pirate", "content": "Arr"}]);
    std::fs::write("messages.json", chat.to_string())?;
    let report = me.import_conversations("messages.json").await?;
    println!("{}: {} message", report.format.as_str(), report.messages);
    for problem in report.problems {
        println!("item {}: {}", problem.item, problem.detail);
    }
    Ok(tertulia.close().await?)
}
