//! The library: prompts of the application and of its users, in versions.

use serde_json::json;
use tertulia::{ConversationOptions, ErrorKind, Tertulia};

#[tokio::main]
async fn main() -> tertulia::Result<()> {
    let tertulia = Tertulia::builder().store("memory:").model("echo/any").open().await?;
    let me = tertulia.user("ana");
    tertulia.prompts().put("guide", "You show {{who}} around {{place}}.").await?; // all users see it
    tertulia.library("setting").put("theme", json!({"dark": true})).await?;

    let Some(prompt) = me.prompts().get("guide").await? else { return Ok(()) };
    let system = Some(prompt.render([("who", "Ana"), ("place", "Cádiz")])?);
    let chat = me.new_conversation_with(ConversationOptions { system, ..ConversationOptions::default() });
    println!("{:?}", chat.send("Where do we begin?").await?.status);

    me.prompts().put("guide", "Two tips for {{place}}, no more.").await?; // her own stands before it
    if let Some(mine) = me.prompts().get("guide").await? {
        println!("shared: {}, {}", mine.shared, mine.render([("place", "Cádiz")])?);
    }

    let version = tertulia.prompts().put("guide", "You show {{who}} around {{place}}, on foot.").await?;
    let numbers: Vec<i64> = tertulia.prompts().versions("guide").await?.into_iter().map(|row| row.version).collect();
    println!("versions: {numbers:?}");
    match tertulia.prompts().put("guide", "…").expected_version(version - 1).await {
        Err(error) if error.kind() == ErrorKind::Conflict => println!("somebody was faster: {}", error.reason()),
        other => println!("{other:?}"),
    }

    for _ in 0..8 {
        me.prompts().get("guide").await?; // from memory, until somebody changes it in any process
    }
    let health = tertulia.health().library;
    println!("remembered: {} values, {:.0} % of all questions", health.entries, health.hit_rate * 100.0);
    tertulia.close().await
}
