//! The process that works on runs until it is killed: it picks up what is not over, then begins another run.

use std::io::Write as _;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use tertulia::{
    Agent, ConversationOptions, Council, Program, ProviderSpec, Result, RunStatus, RunSummary, Tertulia, Tool,
};

use crate::Outcome;

/// Whose the runs are.
pub const OWNER: &str = "ana";

/// A model that asks for three calls at once, and answers when it is told how they went.
pub const MODEL: &str = "lab/sim:tool=note:{\"line\":\"one\"};tool=look:{\"line\":\"two\"};tool=note:{\"line\":\"three\"};\
                         text=All%20noted.";

#[derive(Deserialize, JsonSchema)]
struct Line {
    line: String,
}

/// An engine on this store whose provider is this simulator.
pub async fn engine(store: &str, url: &str) -> Result<Tertulia> {
    Tertulia::builder()
        .with_environment(Arc::new(|_: &str| None))
        .provider(ProviderSpec::openai_chat("lab", format!("{url}/v1")))
        .store(store)
        .open()
        .await
}

/// Notes a line for good, which must not be done twice, and looks a line up, which may.
fn agent(notes: &str) -> Agent {
    let path = notes.to_owned();
    let note = Tool::with_context("note", "Notes a line", move |asked: Line, context| {
        let path = path.clone();
        async move {
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
            // One write of a short line is whole or not there.
            file.write_all(format!("{} {} {}\n", context.run_id, context.call_id, asked.line).as_bytes())?;
            Ok::<_, std::io::Error>("noted")
        }
    });
    let look = Tool::new("look", "Looks a line up", async |asked: Line| Ok::<_, std::io::Error>(asked.line));
    Agent::new("You take notes.").tool(note).tool(look.idempotent()).model(MODEL)
}

/// Three members whose answers can be read as reviews of the others, too, and a chairman.
fn council() -> Council {
    let member = |chunks: usize| format!("lab/sim:text={{\"ranking\":[\"A\",\"B\"]}};chunks={chunks}");
    Council::new([1, 2, 3].map(member)).chairman("lab/sim:text=All%20of%20them.").seed(1)
}

/// Works until it is killed, or until nothing is left to finish.
pub async fn work(store: &str, url: &str, notes: &str, program: &str, only_finish: bool) -> Outcome<()> {
    match program {
        "agent" => work_on(&engine(store, url).await?, &agent(notes), only_finish).await,
        _ => work_on(&engine(store, url).await?, &council(), only_finish).await,
    }
}

async fn work_on<P: Program>(tertulia: &Tertulia, program: &P, only_finish: bool) -> Outcome<()> {
    let me = tertulia.user(OWNER);
    println!("open");
    for RunSummary { id, conversation_id, .. } in unfinished(tertulia).await? {
        me.conversation(conversation_id).pick_up(program, id).await?.result().await?;
        println!("finished {id}");
    }
    if only_finish {
        tertulia.close().await?;
        return Ok(());
    }
    loop {
        let options = ConversationOptions { title: Some("Notes".to_owned()), ..ConversationOptions::default() };
        let run = me.new_conversation_with(options).run(program, "Note both lines.").start().await?;
        println!("begun {}", run.id());
        run.result().await?;
    }
}

/// The runs that are not over, the newest first.
async fn unfinished(tertulia: &Tertulia) -> Result<Vec<RunSummary>> {
    let all = tertulia.user(OWNER).list_runs().limit(200).await?;
    Ok(all.into_iter().filter(|run| run.status != RunStatus::Done).collect())
}
