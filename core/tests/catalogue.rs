//! The catalogue at run time: loaded from a file, and asked for at the provider, over real sockets.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::sync::Arc;

use support::{Lab, cause_of, header};
use tertulia::call::catalog::AuthScheme;
use tertulia::{CostSource, ErrorKind, ProviderSpec, Tertulia};

/// A catalogue of one new provider: the simulator under another name.
fn one_entry(name: &str, url: &str) -> String {
    format!(
        r#"{{"version": 1, "date": "2027-03-01", "aliases": {{"quick": "{name}/echo"}}, "providers": {{"{name}": {{
            "base_url": "{url}/v1", "key_variable": "NEWCOMER_KEY",
            "models": {{"echo": {{"context_window": 8192, "price": {{"input_nano_usd": 1000000000, "output_nano_usd": 2000000000}}}}}}
        }}}}}}"#
    )
}

async fn load(tertulia: &Tertulia, text: impl AsRef<[u8]>) -> tertulia::Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalogue.json");
    std::fs::write(&path, text).unwrap();
    tertulia.load_catalogue(&path).await
}

#[tokio::test]
async fn a_provider_is_added_by_writing_one_catalogue_entry_and_nothing_else() {
    let newcomer = tertulia_simulator::Simulator::start().await.unwrap();
    let environment = |name: &str| (name == "NEWCOMER_KEY").then(|| "sk-new".to_owned());
    let tertulia = Tertulia::builder().store("memory:").with_environment(Arc::new(environment)).open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    assert_eq!(
        cause_of(chat.send("Hi").model("newcomer/echo").await.map(drop)),
        (ErrorKind::Invalid, "unknown_provider".to_owned())
    );

    load(&tertulia, one_entry("newcomer", &newcomer.url())).await.unwrap();

    for model in ["newcomer/echo", "quick"] {
        let reply = chat.send("Hi there").model(model).await.unwrap();
        assert!(reply.text().contains("Hi there"), "{}", reply.text());
        let (input, output) = (reply.usage.input_tokens, reply.usage.output_tokens);
        assert!(input > 0 && output > 0);
        assert_eq!(reply.cost.nano_usd, Some(input * 1_000 + output * 2_000));
        assert_eq!((reply.cost.source, reply.cost.price_date.as_deref()), (CostSource::Catalogue, Some("2027-03-01")));
    }
    let requests = newcomer.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(header(&requests[0], "authorization").as_deref(), Some("Bearer sk-new"));
    assert_eq!(tertulia.models("newcomer/*")[0].context_window, Some(8_192));
    assert!(tertulia.models("openai/*").len() > 10, "what the file does not name is gone");
    tertulia.close().await.unwrap();
    newcomer.shutdown().await;
}

#[tokio::test]
async fn an_address_that_the_environment_fills_in_is_read_at_each_call() {
    let (one, other) =
        (tertulia_simulator::Simulator::start().await.unwrap(), tertulia_simulator::Simulator::start().await.unwrap());
    let place = Arc::new(std::sync::Mutex::new(one.url()));
    let read = place.clone();
    let environment = move |name: &str| (name == "LAB_ENDPOINT").then(|| read.lock().unwrap().clone());
    let lab = ProviderSpec::openai_chat("lab", "{LAB_ENDPOINT}/v1");
    let builder = Tertulia::builder().store("memory:").with_environment(Arc::new(environment)).provider(lab);
    let tertulia = builder.open().await.unwrap();
    for (at, asked) in [(&one, (1, 0)), (&one, (2, 0)), (&other, (2, 1)), (&one, (3, 1))] {
        *place.lock().unwrap() = at.url();
        tertulia.ask("Hi").model("lab/echo").await.unwrap();
        assert_eq!((one.requests().len(), other.requests().len()), asked);
    }
    tertulia.close().await.unwrap();
    one.shutdown().await;
    other.shutdown().await;
}

#[tokio::test]
async fn a_catalogue_that_is_wrong_changes_nothing_and_says_what_is_wrong() {
    let lab = Lab::memory().await;
    let before = lab.tertulia.models("*");
    let huge = vec![b' '; 16 * 1024 * 1024 + 1];
    for (text, reason, word) in [
        (b"".as_slice(), "bad_catalogue", "EOF"),
        (b"{\"version\": 9}", "bad_catalogue", "version 9"),
        (b"\xff\xfe", "bad_catalogue", "UTF-8"),
        (&huge, "bad_catalogue", "longer than"),
        (br#"{"version": 1, "providers": {"a": {"base_url": "https://a.example"}, "b": {"base_url": "http://b.example"}}}"#, "bad_url", "unencrypted"),
        (br#"{"version": 1, "aliases": {"quick": "nobody/x"}}"#, "unknown_provider", "nobody"),
    ] {
        let error = load(&lab.tertulia, text).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, reason), "{error}");
        assert!(error.detail().contains(word), "{error}");
        assert_eq!(lab.tertulia.models("*"), before);
        assert!(lab.tertulia.providers().iter().all(|provider| provider.name != "a"), "half of a file was taken");
    }
    let missing = lab.tertulia.load_catalogue("/nowhere/catalogue.json").await.unwrap_err();
    assert_eq!((missing.kind(), missing.reason()), (ErrorKind::Invalid, "bad_catalogue"));
    let tertulia = lab.tertulia.clone();
    lab.close().await;
    assert_eq!(cause_of(load(&tertulia, "{}").await).0, ErrorKind::Closed);
}

#[tokio::test]
async fn the_engine_answers_while_a_catalogue_is_read() {
    let engine: Arc<std::sync::Mutex<Option<Tertulia>>> = Arc::default();
    let asked = engine.clone();
    // The environment is asked in the middle of it.
    let environment = move |_: &str| {
        let tertulia = asked.lock().unwrap().clone()?;
        assert!(tertulia.providers().iter().all(|provider| provider.name != "newcomer"), "half of it is known");
        None
    };
    let tertulia = Tertulia::builder().store("memory:").with_environment(Arc::new(environment)).open().await.unwrap();
    *engine.lock().unwrap() = Some(tertulia.clone());
    load(&tertulia, one_entry("newcomer", "https://llm.lab.example")).await.unwrap();
    engine.lock().unwrap().take();
    assert!(tertulia.providers().iter().any(|provider| provider.name == "newcomer"));
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn what_the_builder_was_given_stays_on_top_and_a_second_file_is_laid_over_the_first() {
    let lab = Lab::memory().await;
    load(&lab.tertulia, one_entry("lab", "https://elsewhere.example")).await.unwrap();
    let here = lab.tertulia.providers().into_iter().find(|provider| provider.name == "lab").unwrap();
    assert!(here.base_url.starts_with("http://127.0.0.1:"), "a file took the place of the builder's own provider");
    load(&lab.tertulia, one_entry("first", "https://one.example")).await.unwrap();
    load(&lab.tertulia, one_entry("second", "https://two.example")).await.unwrap();
    for name in ["lab", "first", "second", "openai"] {
        assert!(lab.tertulia.providers().iter().any(|provider| provider.name == name), "{name} is gone");
    }
    lab.close().await;
}

#[tokio::test]
async fn calls_under_way_end_as_they_began_while_catalogues_are_loaded() {
    let lab = Lab::memory().await;
    let simulator = lab.simulator.url();
    load(&lab.tertulia, one_entry("moving", &simulator)).await.unwrap();
    let calls = (0..20).map(|_| async { lab.tertulia.ask("Hi").model("moving/echo").key("sk-mine").await });
    let loads = (0..5).map(|_| async { load(&lab.tertulia, one_entry("moving", &simulator)).await });
    let (replies, loaded) = tokio::join!(futures::future::join_all(calls), futures::future::join_all(loads));
    replies.into_iter().for_each(|reply| assert!(reply.unwrap().text().contains("Hi")));
    loaded.into_iter().for_each(|loaded| loaded.unwrap());
    lab.close().await;
}

#[tokio::test]
async fn a_provider_lists_its_models_in_the_form_of_its_dialect_with_what_the_catalogue_knows() {
    let simulator = tertulia_simulator::Simulator::start().await.unwrap();
    simulator.set_script("zeta", tertulia_simulator::Script::say("z"));
    let url = simulator.url();
    let priced = r#"{"price": {"input_nano_usd": 7}, "context_window": 5, "max_output_tokens": 3}"#;
    let specs = [
        ProviderSpec::openai_chat("chat", format!("{url}/v1")),
        ProviderSpec::openai_responses("responses", format!("{url}/v1")),
        ProviderSpec::anthropic("messages", format!("{url}/v1")),
        ProviderSpec::gemini("generate", format!("{url}/v1beta")),
        ProviderSpec::ollama("tags", url.clone()),
    ];
    let builder = Tertulia::builder().store("memory:").with_environment(Arc::new(|_: &str| None));
    let tertulia = specs
        .into_iter()
        .fold(builder, |builder, spec| builder.provider(spec.model("sim", serde_json::from_str(priced).unwrap())))
        .open()
        .await
        .unwrap();
    for (provider, window) in [("chat", 5), ("responses", 5), ("messages", 5), ("generate", 1_048_576), ("tags", 5)] {
        let models = tertulia.provider(provider).key("sk-list").models().await.unwrap();
        let names: Vec<&str> = models.iter().map(|model| model.id.split_once('/').unwrap().1).collect();
        assert_eq!(names, ["echo", "sim", "zeta"], "{provider}");
        assert_eq!(models[1].price.as_ref().unwrap().input_nano_usd, 7, "{provider}");
        assert_eq!(models[1].context_window, Some(window), "{provider}");
        assert_eq!(models[0].price, None, "{provider}: a price was made up");
    }
    let requests = simulator.requests();
    assert_eq!(requests.len(), 6, "Google's list has two pages here");
    assert_eq!(header(&requests[0], "authorization").as_deref(), Some("Bearer sk-list"));
    assert_eq!(header(&requests[2], "x-api-key").as_deref(), Some("sk-list"));
    assert!(requests[4].path.contains("pageToken=from2"), "{}", requests[4].path);
    tertulia.close().await.unwrap();
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_list_that_cannot_be_had_says_why() {
    let lab = Lab::memory().await;
    let url = lab.simulator.url();
    let elsewhere = ProviderSpec::openai_chat("elsewhere", format!("{url}/nothing")).auth(AuthScheme::None);
    let keyed = ProviderSpec::openai_chat("keyed", format!("{url}/v1")).key_variable("NO_SUCH_KEY");
    let tertulia = lab.builder().provider(elsewhere).provider(keyed).open().await.unwrap();
    assert_eq!(cause_of(tertulia.provider("nobody").models().await).1, "unknown_provider");
    assert_eq!(
        cause_of(tertulia.provider("keyed").models().await),
        (ErrorKind::Unauthorized, "key_missing".to_owned())
    );
    tertulia.close().await.unwrap();
    assert_eq!(cause_of(tertulia.provider("lab").models().await).0, ErrorKind::Closed);
    lab.close().await;
}
