//! History: conversations outlive the engine that wrote them, pages lead to each other.

use tertulia::{Conversation, ConversationChange, Message, Result, Tertulia};

async fn open() -> Result<Tertulia> {
    let model = std::env::var("TERTULIA_MODEL").unwrap_or_else(|_| "echo/any".to_owned());
    Tertulia::builder().store("history.db").model(model).open().await
}

/// The messages of the branch that is shown, read from its end.
async fn all(chat: &Conversation) -> Result<Vec<Message>> {
    let (mut messages, mut before) = (Vec::new(), None);
    loop {
        let page = chat.history().limit(2).before(before).await?;
        messages.splice(..0, page.items);
        before = page.before;
        if before.is_none() {
            return Ok(messages);
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let tertulia = open().await?;
    let trip = tertulia.user("ana").conversation_for("trip to Cádiz"); // same key, same conversation
    for number in 0..3 {
        trip.send(format!("Question {number}")).await?;
    }
    trip.update(ConversationChange { title: Some(Some("Cádiz".to_owned())), ..Default::default() }).await?;
    tertulia.close().await?;

    let tertulia = open().await?;
    let me = tertulia.user("ana");
    for info in me.list_conversations().await?.items {
        println!("{}: {} messages", info.title.unwrap_or_default(), info.message_count);
        for message in all(&me.conversation(info.id)).await? {
            println!("{:?}: {}", message.role, message.text());
        }
    }
    println!("somebody else's: {}", tertulia.user("bob").list_conversations().await?.items.len());
    tertulia.close().await
}
