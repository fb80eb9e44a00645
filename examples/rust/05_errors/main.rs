//! Errors: what to do about them stands in their kind; what was saved stays saved.

use tertulia::{ErrorKind, Result, Tertulia, text_of};

/// The bundled simulator plays a provider that hangs up in the middle of its first answer.
const PLAYED: &str = "echo/sim:text=First%20walk%20the%20old%20town.;cut=2;fail=1";

#[tokio::main]
async fn main() -> Result<()> {
    let model = std::env::var("TERTULIA_MODEL").unwrap_or_else(|_| PLAYED.to_owned());
    let tertulia = Tertulia::builder().store("memory:").model(model).open().await?;
    let chat = tertulia.user("ana").new_conversation();
    match chat.send("Plan a day in Cádiz").await {
        Ok(reply) => println!("{}", reply.text()),
        Err(error) => match (error.kind(), error.turn_id()) {
            (ErrorKind::Truncated, Some(turn)) => {
                println!("so far: {}", text_of(error.partial()));
                println!("again: {}", chat.retry(turn).await?.reply().await?.text());
            }
            (ErrorKind::RateLimited, _) => println!("come back in {:?}", error.retry_after()),
            _ => println!("{}", error.user_message()),
        },
    }

    if let Err(error) = chat.send("hi").model("nobody/nothing").await {
        println!("{} - {}", error.reason(), error.detail());
    }
    tertulia.close().await
}
