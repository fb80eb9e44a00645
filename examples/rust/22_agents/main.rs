//! Agents: tools that are called for you, an approval, an answer of a type, and a run that outlives its engine.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tertulia::{Agent, ConversationId, Result, RunEventKind, RunId, Tertulia, Tool};

/// Without TERTULIA_MODEL the bundled simulator plays a model that books a room and says so as JSON.
const PLAYED: &str = r#"echo/sim:tool=book:{"city":"Cadiz","nights":2};text={"city":"Cadiz","cost":180}"#;

/// What the model fills in.
#[derive(Deserialize, JsonSchema)]
struct Room {
    /// The city, as people call it.
    city: String,
    nights: u32,
}

/// What the agent answers.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Booked {
    city: String,
    /// In euros.
    cost: u32,
}

fn agent() -> Agent<Booked> {
    let model = std::env::var("TERTULIA_MODEL").unwrap_or_else(|_| PLAYED.to_owned());
    // It costs money: somebody has to approve each call, and after a crash it is not simply called again.
    let book = Tool::new("book", "Books a room", async |room: Room| {
        println!("booking {} nights in {}", room.nights, room.city);
        Ok::<_, Infallible>(format!("booked, {} euros", room.nights * 90))
    });
    Agent::new("You book rooms.").tool(book.needs_approval()).model(model).output::<Booked>()
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let store = format!("{folder}/agents.db");
    let (chat, run, call) = ask(&store).await?;

    // The program ends here, and somebody approves tomorrow.
    let tertulia = Tertulia::open(&store).await?;
    let run = tertulia.user("ana").conversation(chat).pick_up(&agent(), run).await?;
    println!("{:?}", run.summary().await?.status);
    run.approve(call).await?;
    let result = run.result().await?;
    println!("{} for {} euros, after {} rounds", result.output.city, result.output.cost, result.rounds);
    tertulia.close().await
}

/// Starts the agent, and leaves it where it waits for an approval.
async fn ask(store: &str) -> Result<(ConversationId, RunId, String)> {
    let tertulia = Tertulia::open(store).await?;
    let chat = tertulia.user("ana").new_conversation();
    let mut run = chat.run(&agent(), "A room in Cádiz for two nights, please").start().await?;
    let mut call = String::new();
    while let Some(event) = run.next_event().await? {
        if let RunEventKind::ApprovalNeeded { call: needed } = event.kind {
            println!("may it call {}({})?", needed.name, needed.arguments);
            call = needed.id;
            break;
        }
    }
    let found = (chat.id(), run.id(), call);
    tertulia.close().await?;
    Ok(found)
}
