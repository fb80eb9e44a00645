//! Whom to talk to: what the environment offers, from the best to the one that is always there.

use std::net::SocketAddr;
use std::time::Duration;

use tertulia::Tertulia;

/// Providers in the order they are tried, with a model that each of them runs.
const KEYS: &[(&str, &str)] = &[
    ("ANTHROPIC_API_KEY", "anthropic/claude-sonnet-4-5"),
    ("OPENAI_API_KEY", "openai/gpt-5-mini"),
    ("GEMINI_API_KEY", "google/gemini-2.5-flash"),
    ("OPENROUTER_API_KEY", "openrouter/openai/gpt-5-mini"),
    ("MISTRAL_API_KEY", "mistral/mistral-small-latest"),
    ("GROQ_API_KEY", "groq/llama-3.3-70b-versatile"),
    ("DEEPSEEK_API_KEY", "deepseek/deepseek-chat"),
    ("XAI_API_KEY", "xai/grok-4.3"),
];

/// Servers on this machine that need no key.
const LOCAL: &[(&str, u16)] = &[("ollama", 11434), ("llamacpp", 8080)];

/// Whom to talk to, and how to say so.
pub struct Partner {
    pub model: String,
    pub introduction: String,
}

impl Partner {
    fn new(model: impl Into<String>, introduction: String) -> Self {
        Self { model: model.into(), introduction }
    }
}

pub async fn find() -> Partner {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    if let Some(model) = variable("TERTULIA_MODEL") {
        let introduction = format!("Talking to {model} (TERTULIA_MODEL).");
        return Partner::new(model, introduction);
    }
    for (key, model) in KEYS {
        if variable(key).is_some() {
            return Partner::new(*model, format!("Talking to {model} ({key} is set)."));
        }
    }
    for (provider, port) in LOCAL {
        if let Some(model) = local_model(provider, *port).await {
            let introduction = format!("Talking to {model} on this machine.");
            return Partner::new(model, introduction);
        }
    }
    Partner::new(
        "echo/echo",
        "Talking to the bundled simulator, which only echoes: no provider key is set and no local model runs.\n\
         Set for instance ANTHROPIC_API_KEY or OPENAI_API_KEY to talk to a model."
            .to_owned(),
    )
}

/// The first model that a server on this machine offers, or nothing when there is no such server.
async fn local_model(provider: &str, port: u16) -> Option<String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let reach = tokio::net::TcpStream::connect(address);
    tokio::time::timeout(Duration::from_millis(200), reach).await.ok()?.ok()?;
    let asker = Tertulia::open("memory:").await.ok()?;
    let response = asker.provider(provider).request("GET", "/v1/models", None).await;
    asker.close().await.ok()?;
    let models = response.ok()?.json().ok()?;
    Some(format!("{provider}/{}", models["data"][0]["id"].as_str()?))
}
