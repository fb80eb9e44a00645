//! Keep a store in order: look it over, copy it while it works, see what takes the space, let it rest.

use tertulia::{ErrorKind, Result, Tertulia};

#[tokio::main]
async fn main() -> Result<()> {
    let model = std::env::var("TERTULIA_MODEL").unwrap_or_else(|_| "echo/any".to_owned());
    let tertulia = Tertulia::builder().store("upkeep.db").model(model).open().await?;
    let chat = tertulia.user("ana").new_conversation();
    chat.send("Three things to see in Cádiz?").await?;

    // A backup while others go on. It gets its name when it is whole, and opens like any store.
    let store = tertulia.store();
    println!("backed up: {}", store.backup("backup.db").await? > 0);

    // Once a night: is everything as it should be? What the rows can tell is mended from them.
    let found = store.verify().await?;
    println!("{} messages in {} conversation, sound: {}", found.messages, found.conversations, found.is_sound());
    if !found.is_sound() {
        for problem in store.repair().await?.left {
            println!("restore the backup: {} {}", problem.place, problem.detail);
        }
    }

    // What takes the space, and giving back what was deleted.
    let report = store.storage_report().await?;
    println!("the largest: {}, free pages: {}", report.kinds[0].name, report.free_pages);
    store.vacuum().await?;

    // Before the system suspends the program: no file, no lock. Every verb says so, and nothing is lost.
    tertulia.suspend().await?;
    match chat.send("And on a rainy day?").await {
        Err(error) if error.kind() == ErrorKind::Closed => println!("closed: {}", error.reason()),
        other => println!("{}", other?.text()),
    }
    tertulia.resume().await?;
    println!("{}", chat.send("And on a rainy day?").await?.text());
    tertulia.close().await
}
