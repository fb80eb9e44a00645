//! The list: pin, archive and tag conversations, let one end by itself, remember what a user prefers.

use std::{collections::HashMap, time::Duration};

use tertulia::{
    ConversationChange, ConversationOptions, ConversationSummary, Page, PreferencesChange, Result, Tertulia,
};

fn titles(page: &Page<ConversationSummary>) -> Vec<&str> {
    page.items.iter().filter_map(|info| info.title.as_deref()).collect()
}

#[tokio::main]
async fn main() -> Result<()> {
    let model = std::env::var("TERTULIA_MODEL").unwrap_or_else(|_| "echo/any".to_owned());
    let tertulia = Tertulia::builder().store("memory:").model(model).open().await?;
    let me = tertulia.user("ana");
    let values = HashMap::from([("theme".to_owned(), Some("dark".to_owned()))]);
    let change = PreferencesChange { name: Some(Some("Ana".to_owned())), values, ..Default::default() };
    me.update_preferences(change).await?;
    let preferences = me.preferences().await?;
    println!("{} prefers {:?}", preferences.name.unwrap_or_default(), preferences.values);

    let mut chats = Vec::new();
    for (title, tag) in [("Taxes", "work"), ("Cádiz", "trip"), ("Lisbon", "trip"), ("Last year", "work")] {
        let (title, tags) = (Some(title.to_owned()), vec![tag.to_owned()]);
        let chat = me.new_conversation_with(ConversationOptions { title, tags, ..Default::default() });
        chat.send("Let us talk about it").await?;
        chats.push(chat);
    }
    chats[0].update(ConversationChange { pinned: Some(true), ..Default::default() }).await?;
    chats[3].update(ConversationChange { archived: Some(true), ..Default::default() }).await?;

    let page = me.list_conversations().await?;
    let archive = me.list_conversations().archived(true).await?;
    println!("{:?} and in the archive {:?}", titles(&page), titles(&archive));
    println!("trips: {:?}", titles(&me.list_conversations().tag("trip".to_owned()).await?));
    println!("changed: {}", me.list_conversations().unchanged_since(page.version).await?.is_some());

    let expires_in = Some(Duration::from_secs(3_600)); // gone in an hour, for every verb at once
    let secret = me.new_conversation_with(ConversationOptions { expires_in, ..Default::default() });
    secret.send("Forget this").await?;
    println!("ends by itself: {}", secret.summary().await?.expires_at.is_some());
    tertulia.close().await
}
