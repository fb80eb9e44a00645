//! A chat in the terminal: streamed, kept on disk, taken up again at the next start.
//!
//! ```text
//! make chat                      talk; an empty line or Ctrl-D ends it
//! make chat MESSAGE="hello"      one turn
//! ```
//!
//! It speaks with the model of `TERTULIA_MODEL`, else with a provider whose key the environment holds, else with a
//! local Ollama or llama.cpp, else with the bundled simulator, and says with whom.

mod partner;
mod terminal;

use std::process::ExitCode;

use tertulia::{Conversation, ReplyStream, Result, Role, StreamEventKind, Tertulia, TurnId, UserScope};

#[tokio::main]
async fn main() -> ExitCode {
    let wanted = std::env::var("TERTULIA_LOG").unwrap_or_else(|_| "off".to_owned());
    tracing_subscriber::fmt().with_env_filter(wanted).with_writer(std::io::stderr).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{}\n({error})", error.user_message());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let partner = partner::find().await;
    let mut builder = Tertulia::builder().model(&partner.model);
    if let Some(path) = std::env::var("TERTULIA_STORE").ok().filter(|path| !path.is_empty()) {
        builder = builder.store(path);
    }
    let tertulia = builder.open().await?;
    println!("{}", partner.introduction);
    let outcome = match std::env::var("MESSAGE").ok().filter(|message| !message.is_empty()) {
        Some(message) => one_turn(&tertulia.user("local"), &partner.model, &message).await,
        None => talk(&tertulia.user("local"), &partner.model).await,
    };
    tertulia.close().await?;
    outcome
}

/// Continues the latest conversation, or begins one, for a single turn.
async fn one_turn(me: &UserScope, model: &str, message: &str) -> Result<()> {
    list(me).await?;
    let chat = latest(me).await?;
    println!("\nyou> {message}");
    print_reply(chat.stream(message).model(model).await?).await.map(|_| ())
}

async fn talk(me: &UserScope, model: &str) -> Result<()> {
    println!("/list, /open N, /new, /history, /retry; an empty line ends it. Ctrl-C stops a reply.");
    list(me).await?;
    let mut chat = latest(me).await?;
    let mut stopped: Option<TurnId> = None;
    history(&chat).await?;
    while let Some(line) = terminal::line("\nyou> ").await {
        let outcome = match line.split_once(' ').unwrap_or((&line, "")) {
            ("", _) => break,
            ("/list", _) => list(me).await,
            ("/history", _) => history(&chat).await,
            ("/new", _) => {
                chat = me.new_conversation();
                Ok(())
            }
            ("/open", number) => match nth(me, number).await? {
                Some(found) => {
                    chat = found;
                    history(&chat).await
                }
                None => {
                    println!("There is no conversation {number}.");
                    Ok(())
                }
            },
            ("/retry", _) => match stopped.take() {
                Some(turn) => say(chat.retry(turn).model(model).await, &mut stopped).await,
                None => {
                    println!("Nothing was broken off.");
                    Ok(())
                }
            },
            _ => say(chat.stream(line.as_str()).model(model).await, &mut stopped).await,
        };
        if let Err(error) = outcome {
            println!("\n[{}]\n({error})", error.user_message());
        }
    }
    Ok(())
}

/// Prints a reply; one that broke off can be asked for again.
async fn say(stream: Result<ReplyStream>, stopped: &mut Option<TurnId>) -> Result<()> {
    match print_reply(stream?).await {
        Ok(broken_off) => {
            *stopped = broken_off;
            Ok(())
        }
        Err(error) => {
            *stopped = error.turn_id();
            Err(error)
        }
    }
}

/// Prints the words as they come. Gives the turn when Ctrl-C stopped it.
async fn print_reply(mut stream: ReplyStream) -> Result<Option<TurnId>> {
    let turn = stream.turn_id();
    loop {
        tokio::select! {
            event = stream.next_event() => match event?.map(|event| event.kind) {
                None => return Ok(None),
                Some(StreamEventKind::Text { delta }) => terminal::write(&delta),
                Some(StreamEventKind::Progress { progress: tertulia::Progress::Retrying { attempt, delay_ms, .. } }) => {
                    println!("[try {attempt} in {delay_ms} ms]");
                }
                Some(StreamEventKind::Done { reply }) => {
                    let usage = &reply.usage;
                    println!("\n[{} + {} tokens, {}]", usage.input_tokens, usage.output_tokens, reply.cost);
                }
                Some(_) => {}
            },
            _ = tokio::signal::ctrl_c() => {
                stream.cancel();
                stream.reply().await?;
                println!(" [stopped; /retry asks again]");
                return Ok(turn);
            }
        }
    }
}

async fn list(me: &UserScope) -> Result<()> {
    for (number, chat) in me.list_conversations().limit(9).await?.items.iter().enumerate() {
        let preview = chat.last_preview.as_deref().unwrap_or("…");
        println!("{}  {} messages  {}", number + 1, chat.message_count, terminal::cut(preview, 60));
    }
    Ok(())
}

async fn nth(me: &UserScope, number: &str) -> Result<Option<Conversation>> {
    let page = me.list_conversations().limit(9).await?;
    let place = number.trim().parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    Ok(place.and_then(|place| page.items.get(place)).map(|summary| me.conversation(summary.id)))
}

async fn latest(me: &UserScope) -> Result<Conversation> {
    Ok(nth(me, "1").await?.unwrap_or_else(|| me.new_conversation()))
}

async fn history(chat: &Conversation) -> Result<()> {
    for message in chat.history().limit(20).await?.items {
        let who = if message.role == Role::User { "you" } else { "   " };
        println!("{who}> {}", message.text());
    }
    Ok(())
}
