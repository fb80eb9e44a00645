//! Many changes at once: all of them or none, or as many as can be.

use tertulia::{BatchState, ConversationOptions, ErrorKind, NewMessage, Result, Tertulia};

#[tokio::main]
async fn main() -> Result<()> {
    let model = std::env::var("TERTULIA_MODEL").unwrap_or_else(|_| "echo/any".to_owned());
    let tertulia = Tertulia::builder().store("memory:").model(model).open().await?;
    let me = tertulia.user("ana");
    let mut chats = Vec::new();
    for number in 1..=6 {
        let (title, tags) = (Some(format!("Trip {number}")), vec!["inbox".to_owned()]);
        let chat = me.new_conversation_with(ConversationOptions { title, tags, ..Default::default() });
        chat.send("Plan a day in Cádiz.").await?;
        chats.push(chat);
    }

    // Into a file and out of the store: either both, or neither.
    let (old, current) = chats.split_at(2);
    let moved = me.batch().export("old_trips.jsonl", old).delete(old).retag(current, "inbox", "done").run().await?;
    let written = moved.items.iter().find_map(|item| item.export.as_ref()).map_or(0, |file| file.conversations);
    println!("{} items done; in the file: {written} conversations", moved.done);

    // One item that cannot be, and nothing of the batch is done.
    match me.batch().pin(&chats).run().await {
        Err(error) if error.kind() == ErrorKind::NotFound => println!("nothing is pinned: {}", error.detail()),
        other => println!("{} done", other?.done),
    }

    // As many as can be, watched from outside.
    let note = [NewMessage::user("A note")];
    let mut run = me.batch().pin(&chats).append(&me.new_conversation(), note).best_effort().start();
    while let Some(progress) = run.next().await {
        println!("{}: {} of {}", progress.phase.as_str(), progress.done, progress.total);
    }
    let report = run.report().await?;
    println!("{} done, {} refused", report.done, report.refused);
    for item in report.items.iter().filter(|item| item.state == BatchState::Refused) {
        println!("refused: item {}", item.index);
    }
    tertulia.close().await
}
