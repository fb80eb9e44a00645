//! Pages: open a conversation at its end, jump into it, go through all of it, ask whether it has changed.

use tertulia::{ConversationOptions, Message, NewMessage, Result, Tertulia};

fn texts(messages: &[Message]) -> Vec<String> {
    messages.iter().map(Message::text).collect()
}

#[tokio::main]
async fn main() -> Result<()> {
    let model = std::env::var("TERTULIA_MODEL").unwrap_or_else(|_| "echo/any".to_owned());
    let tertulia = Tertulia::builder().store("memory:").model(model).open().await?;
    let options = ConversationOptions { title: Some("A long talk".to_owned()), ..Default::default() };
    let chat = tertulia.user("ana").new_conversation_with(options);
    let said = |n| [NewMessage::user(format!("Question {n}")), NewMessage::assistant(format!("Answer {n}"))];
    chat.append((0..5_000).flat_map(said)).await?;

    let (info, page) = chat.history().limit(20).with_summary().await?; // what a screen shows first, in one read
    let last = texts(&page.items).pop().unwrap_or_default();
    println!("{}: {} messages, the last of them {last}", info.title.unwrap_or_default(), info.message_count);

    let middle = chat.history().position(5_001).limit(4).await?; // as fast as the last page
    println!("{:?}", texts(&middle.items));
    let around = chat.history().around(&middle.items[2].id).turns(3).await?; // whole turns
    println!("{:?}", texts(&around.items));

    let (mut all, mut longest) = (chat.messages(), 0); // page by page behind the scenes
    while let Some(message) = all.next().await? {
        longest = longest.max(message.text().len());
    }
    println!("longest: {longest}");
    println!("changed: {}", chat.history().unchanged_since(page.version).await?.is_some());
    tertulia.close().await
}
