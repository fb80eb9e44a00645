//! Search: find what was said, in any conversation, on any branch.

use tertulia::{Result, SearchHit, SearchSort, Tertulia};

fn line(hit: &SearchHit) -> String {
    let mut place = String::new();
    for span in &hit.snippet {
        place += &if span.hit { format!("[{}]", span.text) } else { span.text.clone() };
    }
    if hit.on_current_branch { place } else { format!("{place}  (on another branch)") }
}

#[tokio::main]
async fn main() -> Result<()> {
    let model = std::env::var("TERTULIA_MODEL").unwrap_or_else(|_| "echo/any".to_owned());
    let tertulia = Tertulia::builder().store("memory:").model(model).open().await?;
    let me = tertulia.user("ana");
    let trip = me.new_conversation();
    trip.send("Where does one eat gazpacho in Cádiz?").await?;
    let question = trip.history().await?.items[0].id;
    trip.edit(question, "Where does one eat salmorejo in Córdoba?").await?.reply().await?;
    me.new_conversation().send("Explain parseHttpRequest, and 東京タワー").await?;

    for words in ["cadiz", "\"salmorejo in cordoba\"", "salmo* -gazpacho", "http", "タワー"] {
        let hits = me.search(words).await?.items; // the newest first
        println!("{words}: {}", hits.last().map(line).unwrap_or_default());
    }

    let best = trip.search("where eat").sort(SearchSort::Relevance).limit(1).await?; // in this conversation alone
    println!("best of several: {}, there are more: {}", best.items[0].score > 0.0, best.before.is_some());
    println!("somebody else's: {}", tertulia.user("bo").search("gazpacho").await?.items.len());
    tertulia.close().await
}
