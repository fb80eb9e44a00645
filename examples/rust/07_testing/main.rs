//! Testing a program that uses Tertulia: a real server on loopback plays the provider, as badly as the script says.

use tertulia::{Result, Tertulia};

/// The program under test.
async fn greeting(tertulia: &Tertulia, name: &str) -> Result<String> {
    Ok(tertulia.ask(format!("Greet {name} in one word.")).temperature(0.0).await?.text())
}

#[tokio::main]
async fn main() -> Result<()> {
    let model = std::env::var("TERTULIA_MODEL").unwrap_or_else(|_| "echo/sim:text=Hola".to_owned());
    let tertulia = Tertulia::builder().store("memory:").model(model).open().await?;
    println!("{}", greeting(&tertulia, "Ana").await?);
    tertulia.close().await
}

#[cfg(test)]
mod tests {
    use super::greeting;
    use tertulia::{ProviderSpec, Tertulia};
    use tertulia_simulator::{Script, Simulator};

    #[tokio::test]
    async fn a_greeting_survives_a_busy_provider() {
        let simulator = Simulator::start().await.unwrap();
        simulator.set_script("any", Script::parse("status=503;fail=1;text=Hola").unwrap());
        let provider = ProviderSpec::openai_chat("sim", format!("{}/v1", simulator.url()));
        let builder = Tertulia::builder().store("memory:").provider(provider).model("sim/any");
        let tertulia = builder.open().await.unwrap();

        assert_eq!(greeting(&tertulia, "Ana").await.unwrap(), "Hola");
        assert_eq!(simulator.request_count(), 2);
        assert_eq!(simulator.requests()[0].json()["temperature"], 0.0);

        tertulia.close().await.unwrap();
        simulator.shutdown().await;
    }
}
