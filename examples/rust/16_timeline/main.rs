//! A live screen: all rows once, and then only what changes; of an answer only the words that come.

use tertulia::{MessageStatus, Result, Role, Tertulia, Timeline, TimelineDiff, TimelineItem, TimelineItemKind};

const PLAYED: &str = "echo/sim:text=First%20walk%20the%20old%20town.;chunks=6;delay_ms=60";

/// Takes the changes as often as the screen can, until the answer is whole; what is late comes together.
async fn show(timeline: Timeline) -> Result<Vec<TimelineItem>> {
    let mut rows = Vec::new();
    while let Some(diffs) = timeline.next().await? {
        for diff in diffs {
            if let TimelineDiff::AppendText { index, text, .. } = &diff {
                println!("row {index} grows: {text}");
            }
            diff.apply(&mut rows);
        }
        if let Some(TimelineItem { kind: TimelineItemKind::Message { message, .. }, .. }) = rows.last()
            && (message.role, message.status) == (Role::Assistant, MessageStatus::Complete)
        {
            break;
        }
    }
    Ok(rows)
}

#[tokio::main]
async fn main() -> Result<()> {
    let model = std::env::var("TERTULIA_MODEL").unwrap_or_else(|_| PLAYED.to_owned());
    let tertulia = Tertulia::builder().store("memory:").model(model).open().await?;
    let me = tertulia.user("ana");
    let chat = me.new_conversation();
    let (rows, _) = tokio::try_join!(show(chat.timeline().await?), chat.send("What to see in Cádiz?"))?;
    for row in rows {
        match row.kind {
            TimelineItemKind::Message { message, .. } => println!("{:?}: {}", message.role, message.text()),
            TimelineItemKind::DayDivider { day } => println!("-- {day} --"),
            _ => {}
        }
    }

    let (list, mut chats) = (me.watch_conversations()?, Vec::new()); // the same for the list of conversations
    list.next().await?.unwrap_or_default().into_iter().for_each(|diff| diff.apply(&mut chats));
    println!("{:?}", chats.iter().map(|chat| chat.last_preview.as_deref()).collect::<Vec<_>>());
    tertulia.close().await
}
