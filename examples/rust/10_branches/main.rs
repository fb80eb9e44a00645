//! Branches: say something anew, ask for another answer, go back to what was there before.

use tertulia::{Conversation, ErrorKind, Result, Tertulia};

async fn show(chat: &Conversation) -> Result<()> {
    for message in chat.history().await?.items {
        let place = format!("{}/{}", message.sibling_index + 1, message.sibling_count);
        println!("{:?} {place}: {}", message.role, message.text());
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let model = std::env::var("TERTULIA_MODEL").unwrap_or_else(|_| "echo/any".to_owned());
    let tertulia = Tertulia::builder().store("memory:").model(model).open().await?;
    let chat = tertulia.user("ana").new_conversation();
    chat.send("Plan a day in Cádiz").await?;
    let said = chat.history().await?.items;
    let (question, answer) = (said[0].id, said[1].id);

    chat.regenerate(answer).await?.reply().await?; // beside the first answer
    chat.edit(question, "Plan two days in Cádiz").await?.reply().await?; // beside the first question
    show(&chat).await?;

    chat.switch_to(answer).await?; // nothing was overwritten
    show(&chat).await?;
    let depths: Vec<i32> = chat.branches().await?.items.iter().map(|branch| branch.depth).collect();
    println!("branches: {depths:?}");

    match chat.send("And on Sunday?").expected_head(question).await {
        Err(error) if error.kind() == ErrorKind::Conflict => println!("it ends with another message by now"),
        other => println!("{}", other?.text()),
    }

    let copy = chat.duplicate(answer).await?; // a conversation of its own
    chat.delete_message(question).subtree().await?;
    println!("{} shown here, {} in the copy", chat.history().await?.items.len(), copy.history().await?.items.len());
    tertulia.close().await
}
