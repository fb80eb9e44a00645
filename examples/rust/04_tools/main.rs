//! Tools: the model asks, your code answers. `send` never runs your code.

use serde_json::json;
use tertulia::{Part, Result, Tertulia, ToolSpec};

/// Without TERTULIA_MODEL the bundled simulator plays a model that asks for the weather.
const PLAYED: &str = r#"echo/sim:tool=weather:{"city":"Cadiz"};text=Warm:%20take%20a%20hat."#;

#[tokio::main]
async fn main() -> Result<()> {
    let model = std::env::var("TERTULIA_MODEL").unwrap_or_else(|_| PLAYED.to_owned());
    let tertulia = Tertulia::builder().store("memory:").model(model).open().await?;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let weather = ToolSpec::new("weather", "The weather in a city", schema);

    let chat = tertulia.user("ana").new_conversation();
    let mut reply = chat.send("What shall I wear in Cádiz?").tools([weather.clone()]).await?;
    loop {
        let calls = reply.tool_calls();
        if calls.is_empty() {
            break;
        }
        let mut results = Vec::new();
        for call in calls {
            println!("{}({})", call.name, call.arguments);
            results.push(Part::tool_result(call.result(json!({"celsius": 24, "sky": "clear"}))));
        }
        reply = chat.send(results).tools([weather.clone()]).await?;
    }
    println!("{}", reply.text());
    tertulia.close().await
}
