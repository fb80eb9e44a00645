use tertulia::Tertulia;

#[tokio::main]
async fn main() -> tertulia::Result<()> {
    let tertulia = Tertulia::builder().store("chat.db").model("anthropic/claude-sonnet-4-5").open().await?;
    let chat = tertulia.user("ana").new_conversation();
    let mut stream = chat.stream("Three things to see in Cádiz?").await?; // saved, then sent
    while let Some(text) = stream.next_text().await? {
        print!("{text}");
    }
    let reply = chat.send("Which of them on a rainy day?").await?; // it knows what was said
    println!("{} ({} tokens, {})", reply.text(), reply.usage.output_tokens, reply.cost);
    tertulia.close().await
}
