use super::entry::DIALECTS;
use super::*;
use crate::base::ErrorKind;

fn bundled() -> Catalogue {
    Catalogue::bundled().unwrap()
}

fn model(text: &str) -> ModelRef {
    text.parse().unwrap()
}

#[test]
fn a_model_reference_splits_at_the_first_slash_and_reads_back() {
    let deep = model("openrouter/openai/gpt-5");
    assert_eq!((deep.provider.as_str(), deep.model.as_str()), ("openrouter", "openai/gpt-5"));
    assert_eq!(deep.to_string(), "openrouter/openai/gpt-5");
    assert_eq!(model("ollama/llama3.3:70b").model, "llama3.3:70b");
    assert_eq!(serde_json::to_string(&deep).unwrap(), "\"openrouter/openai/gpt-5\"");
    assert_eq!(serde_json::from_str::<ModelRef>("\"openrouter/openai/gpt-5\"").unwrap(), deep);
}

#[test]
fn what_is_no_model_reference_is_refused_with_an_example() {
    let long = format!("openai/{}", "x".repeat(300));
    for text in ["", "/", "openai", "openai/", "/gpt-5", "openai/gpt 5", "openai/gpt-5\n", "a/b/", &long] {
        let error = text.parse::<ModelRef>().unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "unknown_model"), "{text:?}");
        assert!(error.detail().contains("anthropic/claude-sonnet-4-5"), "{error}");
    }
}

#[test]
fn a_prompt_in_the_place_of_a_model_does_not_reach_the_error() {
    let prompt = "Dear doctor, I have been feeling unwell since Tuesday, and my neighbour SECRET says";
    let error = bundled().resolve(prompt).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("SECRET"));
    let error = bundled().resolve(&format!("{}/x", "a".repeat(200))).unwrap_err();
    assert!(!error.detail().contains(&"a".repeat(100)));
}

#[test]
fn a_listed_and_an_unlisted_model_of_a_known_provider_both_resolve() {
    assert_eq!(bundled().resolve("openai/gpt-5").unwrap(), model("openai/gpt-5"));
    assert_eq!(bundled().resolve("openai/gpt-99-brandnew").unwrap(), model("openai/gpt-99-brandnew"));
}

#[test]
fn an_unknown_provider_is_refused_with_the_nearest_name_and_the_way_to_add_one() {
    let error = bundled().resolve("opneai/gpt-5").unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "unknown_provider"));
    assert!(error.detail().contains("Did you mean `openai`?"), "{error}");
    assert!(error.detail().contains("One of your own"), "{error}");
    let error = bundled().resolve("skynet9000/t-800").unwrap_err();
    assert!(!error.detail().contains("Did you mean"), "{error}");
    assert!(error.detail().contains("ai21, anthropic, arcee"), "{error}");
}

#[test]
fn a_bare_model_name_is_refused_with_its_full_name() {
    let error = bundled().resolve("gpt-5").unwrap_err();
    assert_eq!(error.reason(), "unknown_model");
    assert!(error.detail().contains("did you mean `openai/gpt-5`?"), "{error}");
}

#[test]
fn aliases_stand_for_models_and_for_whole_providers() {
    let catalogue = bundled().with_alias("fast", "openai/gpt-5-mini").unwrap().with_alias("quick", "fast").unwrap();
    assert_eq!(catalogue.resolve("fast").unwrap(), model("openai/gpt-5-mini"));
    assert_eq!(catalogue.resolve("quick").unwrap(), model("openai/gpt-5-mini"));
    assert_eq!(catalogue.resolve("gemini/gemini-2.5-pro").unwrap(), model("google/gemini-2.5-pro"));
    assert_eq!(catalogue.models("gemini/*"), catalogue.models("google/*"));
    assert!(bundled().resolve("fast").is_err(), "the catalogue it was made from has changed");
}

#[test]
fn aliases_of_one_file_may_name_each_other_in_any_order_and_in_no_circle() {
    let file = |aliases: serde_json::Value| serde_json::json!({"version": 1, "aliases": aliases}).to_string();
    let before = bundled().with_alias("m", "openai/gpt-5-mini").unwrap();
    let chain = file(serde_json::json!({"a": "m", "m": "z", "z": "g/gemini-2.5-pro", "g/*": "google/*"}));
    let read = before.with_json(&chain).unwrap();
    for name in ["a", "m", "z"] {
        assert_eq!(read.resolve(name).unwrap().to_string(), "google/gemini-2.5-pro", "{name}");
    }
    for aliases in [serde_json::json!({"a": "b", "b": "a"}), serde_json::json!({"a": "a"})] {
        let error = before.with_json(&file(aliases)).unwrap_err();
        assert_eq!(error.reason(), "bad_alias", "{error}");
    }
}

#[test]
fn a_price_of_own_code_that_cannot_be_counted_with_is_refused() {
    let price = crate::model::Price { input_nano_usd: -1, ..crate::model::Price::default() };
    let info = ModelInfo { price: Some(price), ..ModelInfo::default() };
    let error = ProviderEntry::own("lab", std::iter::once(("large".to_owned(), info)).collect()).unwrap_err();
    assert_eq!(error.reason(), "bad_provider");
    assert!(error.detail().contains("`lab/large`"), "{error}");
}

#[test]
fn an_alias_without_a_target_or_of_two_kinds_is_refused() {
    for (name, target, reason) in [
        ("fast", "opneai/gpt-5", "unknown_provider"),
        ("fast", "nothing", "unknown_model"),
        ("work/*", "lab/*", "unknown_provider"),
        ("work/*", "openai/gpt-5", "bad_alias"),
        ("work", "openai/*", "bad_alias"),
        ("", "openai/gpt-5", "bad_alias"),
    ] {
        assert_eq!(bundled().with_alias(name, target).unwrap_err().reason(), reason, "{name} → {target}");
    }
}

#[test]
fn an_own_provider_joins_the_catalogue_and_wins_over_an_alias_of_its_name() {
    let lab = ProviderSpec::openai_chat("lab", "https://llm.lab.example/v1/").key_variable("LAB_KEY").title("Lab");
    let catalogue = bundled().with_provider(lab).unwrap();
    let entry = catalogue.provider("lab").unwrap();
    assert_eq!(entry.base_url.to_string(), "https://llm.lab.example/v1");
    assert_eq!((entry.dialect.as_str(), entry.key_variable.as_deref()), ("openai_chat", Some("LAB_KEY")));
    assert!(!entry.local);
    assert_eq!(catalogue.resolve("lab/anything").unwrap(), model("lab/anything"));
    assert_eq!(catalogue.model(&model("lab/anything")), None);

    let own = catalogue.with_provider(ProviderSpec::new("gemini", "http://localhost:9/v1")).unwrap();
    assert_eq!(own.resolve("gemini/x").unwrap(), model("gemini/x"));
    assert!(own.provider("gemini").unwrap().local);
}

#[test]
fn a_gemini_style_provider_takes_its_key_in_its_own_header_and_the_compatible_one_as_a_bearer() {
    let entry = ProviderSpec::gemini("lab", "https://lab.example/v1beta").check().unwrap();
    assert_eq!((entry.dialect.as_str(), String::from(entry.auth)), ("gemini", "x-goog-api-key".to_owned()));
    let catalogue = bundled();
    let auth_of = |name: &str| String::from(catalogue.provider(name).unwrap().auth.clone());
    assert_eq!((auth_of("google"), auth_of("google-openai")), ("x-goog-api-key".to_owned(), "bearer".to_owned()));
    assert_eq!(catalogue.provider("google").unwrap().dialect, "gemini");
    assert_eq!(catalogue.provider("google-openai").unwrap().dialect, "openai_chat");
    let priced = |model: &str| catalogue.model(&catalogue.resolve(model).unwrap()).unwrap().price;
    assert_eq!(priced("google/gemini-2.5-pro"), priced("google-openai/gemini-2.5-pro"));
    assert!(priced("google/gemini-2.5-pro").is_some());
}

#[test]
fn an_anthropic_style_provider_takes_its_key_in_its_own_header() {
    let entry = ProviderSpec::anthropic("lab", "https://lab.example/anthropic/v1").check().unwrap();
    assert_eq!(entry.dialect, "anthropic");
    assert_eq!(String::from(entry.auth), "x-api-key");
}

#[test]
fn ollama_is_spoken_to_in_its_own_language_and_on_request_in_openais() {
    let catalogue = bundled();
    let [own, compatible] = ["ollama", "ollama-openai"].map(|name| catalogue.provider(name).unwrap().clone());
    assert_eq!((own.dialect.as_str(), compatible.dialect.as_str()), ("ollama", "openai_chat"));
    assert_eq!(own.base_url.to_string(), "http://127.0.0.1:11434");
    assert_eq!(compatible.base_url.to_string(), "http://127.0.0.1:11434/v1");
    for entry in [own, compatible] {
        assert!(entry.local && entry.key_variable.is_none());
        assert_eq!(entry.model("llama3.3:70b").unwrap().price.unwrap().output_nano_usd, 0);
    }
    let lab = ProviderSpec::ollama("lab", "http://localhost:9").check().unwrap();
    assert_eq!((lab.dialect.as_str(), lab.local), ("ollama", true));
}

#[test]
fn a_provider_of_a_bad_name_dialect_or_variable_is_refused() {
    let url = "https://lab.example/v1";
    let long = "x".repeat(65);
    for name in ["", "Lab", "my lab", "a/b", "*", "ünï", long.as_str()] {
        assert_eq!(ProviderSpec::new(name, url).check().unwrap_err().reason(), "bad_provider", "{name:?}");
    }
    assert_eq!(ProviderSpec::new("lab", url).key_variable("A=B").check().unwrap_err().reason(), "bad_provider");
    let spec: ProviderSpec = serde_json::from_value(serde_json::json!({
        "name": "lab", "base_url": url, "dialect": "openai-chat"
    }))
    .unwrap();
    let error = spec.check().unwrap_err();
    assert!(error.detail().contains("openai_chat"), "{error}");
}

#[test]
fn a_provider_described_as_data_takes_the_same_defaults_and_refuses_unknown_fields() {
    let json = serde_json::json!({"name": "lab", "base_url": "https://lab.example/v1", "key_variable": "LAB_KEY"});
    let spec: ProviderSpec = serde_json::from_value(json).unwrap();
    assert_eq!(spec, ProviderSpec::openai_chat("lab", "https://lab.example/v1").key_variable("LAB_KEY"));
    let error = serde_json::from_str::<ProviderSpec>(r#"{"name": "lab", "base_ulr": "https://x.example"}"#);
    assert!(error.unwrap_err().to_string().contains("base_url"));
}

#[test]
fn https_anywhere_and_http_on_this_machine_are_taken() {
    for url in [
        "https://api.openai.com/v1",
        "https://api.perplexity.ai",
        "https://llm.lab.example:8443/a/b",
        "https://10.0.0.7/v1",
        "https://[2001:db8::1]/v1",
        "https://xn--mnchen-3ya.example/v1",
        "http://localhost:11434/v1",
        "http://LOCALHOST/v1",
        "http://127.0.0.1:8080",
        "http://127.8.9.10/v1",
        "http://[::1]:8000/v1",
    ] {
        assert!(base_url::check(url, false).is_ok(), "{url} was refused: {:?}", base_url::check(url, false));
    }
}

#[test]
fn base_urls_that_leak_mislead_or_are_none_are_refused() {
    for (url, why) in [
        ("", "no valid URL"),
        ("https://", "absolute"),
        ("api.openai.com/v1", "valid URL"),
        ("/v1", "absolute"),
        ("ftp://lab.example/v1", "neither https nor http"),
        ("http://api.lab.example/v1", "unencrypted"),
        ("http://169.254.169.254/latest", "unencrypted"),
        ("http://10.0.0.7/v1", "unencrypted"),
        ("http://0.0.0.0/v1", "unencrypted"),
        ("http://localhost.evil.example/v1", "unencrypted"),
        ("http://127.0.0.1.evil.example/v1", "unencrypted"),
        ("http://localhost@evil.example/v1", "user name"),
        ("https://key@lab.example/v1", "user name"),
        ("https://user:pass@lab.example/v1", "user name"),
        ("http://[::ffff:127.0.0.1]/v1", "dressed up"),
        ("https://[::ffff:169.254.169.254]/v1", "dressed up"),
        ("http://0x7f.1/v1", "odd spelling"),
        ("https://0x7f.1/v1", "odd spelling"),
        ("http://127.1/v1", "odd spelling"),
        ("http://2130706433/v1", "odd spelling"),
        ("http://0x7f000001/v1", "odd spelling"),
        ("http://0177.0.0.1/v1", "odd spelling"),
        ("http://127.0.0.1./v1", "odd spelling"),
        ("https://ⅼab.example/v1", "ASCII"),
        ("https://xn--.example\u{2024}com/v1", "ASCII"),
        ("https://lab.example\\@evil.example/v1", "backslash"),
        ("https://lab.example /v1", "blank"),
        ("https://lab.example/v1\r\nX-Evil: 1", "line end"),
        ("https://lab%2eexample/v1", "valid URL"),
        ("https://lab..example/v1", "makes no sense"),
        ("https://[fe80::1%25eth0]/v1", "makes no sense"),
        ("https://lab.example:99999/v1", "port"),
        ("https://lab.example:/v1", "port"),
        ("https://lab.example/v1?key=1", "query"),
        ("https://lab.example/v1#part", "fragment"),
        ("https://lab.example/../admin", "climbs"),
    ] {
        let error = match base_url::check(url, false) {
            Ok(read) => panic!("{url:?} was taken as {read}"),
            Err(error) => error,
        };
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_url"), "{url:?}");
        assert!(error.detail().contains(why), "{url:?}: {error}");
        assert!(!error.detail().contains("pass@") && !error.detail().contains("key@"), "{error}");
    }
}

#[test]
fn allow_http_opens_http_to_other_machines_and_nothing_else() {
    let lab = |url| ProviderSpec::new("lab", url).allow_http().check();
    assert!(lab("http://10.0.0.7:8000/v1").is_ok());
    assert!(lab("http://user@10.0.0.7/v1").is_err());
    assert!(lab("http://0x7f.1/v1").is_err());
    assert!(lab("ftp://10.0.0.7/v1").is_err());
}

#[test]
fn a_provider_moves_to_another_address_with_its_models() {
    let catalogue = bundled().with_base_url("echo", "http://127.0.0.1:54321/v1").unwrap();
    assert_eq!(catalogue.provider("echo").unwrap().base_url.to_string(), "http://127.0.0.1:54321/v1");
    assert_eq!(catalogue.models("echo/*"), bundled().models("echo/*"));
    assert_eq!(bundled().with_base_url("ehco", "http://127.0.0.1/v1").unwrap_err().reason(), "unknown_provider");
    assert_eq!(bundled().with_base_url("openai", "http://evil.example/v1").unwrap_err().reason(), "bad_url");
}

#[test]
fn models_are_known_by_name_by_dated_name_and_by_the_star_of_free_providers() {
    let info = |text: &str| bundled().model(&model(text));
    let sonnet = info("anthropic/claude-sonnet-4-5").unwrap();
    assert_eq!((sonnet.context_window, sonnet.max_output_tokens), (Some(200_000), Some(64_000)));
    assert_eq!(sonnet.price.as_ref().unwrap().input_nano_usd, 3_000_000_000);

    let dated = info("anthropic/claude-sonnet-4-5-20250929").unwrap();
    assert_eq!(dated.id, "anthropic/claude-sonnet-4-5-20250929");
    assert_eq!(dated.price, sonnet.price);
    assert_eq!(info("openai/gpt-5-2025-08-07").unwrap().price, info("openai/gpt-5").unwrap().price);
    assert_ne!(info("openai/gpt-4o-2024-05-13").unwrap().price, info("openai/gpt-4o").unwrap().price);

    assert_eq!(info("openai/gpt-99"), None, "a price was made up");
    let local = info("ollama/llama3.3:70b").unwrap();
    assert_eq!(local.id, "ollama/llama3.3:70b");
    assert_eq!((local.price.unwrap().output_nano_usd, local.context_window), (0, None));
}

#[test]
fn models_are_listed_by_pattern() {
    let ids = |pattern: &str| bundled().models(pattern).into_iter().map(|m| m.id).collect::<Vec<_>>();
    assert!(ids("anthropic/*").iter().all(|id| id.starts_with("anthropic/")));
    assert!(ids("anthropic/*").contains(&"anthropic/claude-opus-4-5".to_owned()));
    assert_eq!(ids("openai/gpt-5"), ["openai/gpt-5"]);
    assert!(ids("openrouter/openai/*").contains(&"openrouter/openai/gpt-5".to_owned()));
    assert!(ids("nobody/*").is_empty());
    assert!(ids("*").iter().all(|id| !id.ends_with('*')), "the star of a free provider is listed");
    assert!(ids("*").len() >= 60);
}

#[test]
fn a_scheme_is_one_word_and_a_misspelt_one_is_no_header() {
    for word in ["bearer", "none", "google_oauth", "aws_sigv4", "aws_sigv4:bedrock/us-east-1", "x-api-key", "api-key"] {
        assert_eq!(String::from(word.parse::<AuthScheme>().unwrap()), word);
    }
    for word in [
        "two words",
        "",
        "google-oauth",
        "aws-sigv4",
        "google_auth",
        "api_key",
        "aws_sigv4:",
        "aws_sigv4:bedrock",
        "aws_sigv4:bedrock/",
        "aws_sigv4:/us-east-1",
        "aws_sigv4:bedrock/us-east-1/x",
        "aws_sigv4:Bed rock/x",
    ] {
        let error = word.parse::<AuthScheme>().unwrap_err();
        assert_eq!(error.reason(), "bad_provider", "{word}");
        assert!(error.detail().contains("google_oauth"), "{error}");
    }
}

#[test]
fn a_catalogue_that_cannot_be_read_says_where() {
    for (json, word) in [
        ("", "EOF"),
        ("{\"version\": 2}", "version 2"),
        ("{\"version\": 1, \"provides\": {}}", "providers"),
        ("{\"version\": 1, \"providers\": {\"lab\": {\"base_ulr\": \"x\"}}}", "base_url"),
        (
            "{\"version\": 1, \"providers\": {\"lab\": {\"base_url\": \"https://x.example\", \"quirks\": {\"x\": 1}}}}",
            "unknown field `x`",
        ),
    ] {
        let error = Catalogue::from_json(json).unwrap_err();
        assert_eq!(error.reason(), "bad_catalogue", "{json}");
        assert!(error.detail().contains(word), "{error}");
    }
    let error =
        Catalogue::from_json("{\"version\": 1, \"providers\": {\"lab\": {\"base_url\": \"http://x.example\"}}}");
    assert_eq!(error.unwrap_err().reason(), "bad_url");
}

#[test]
fn a_catalogue_laid_over_another_replaces_providers_whole_adds_new_ones_and_leaves_the_rest() {
    let text = r#"{
        "version": 1, "date": "2027-03-01", "aliases": {"fast": "lab/quick", "claude-opus": "lab/quick"},
        "providers": {
            "lab": {"base_url": "https://llm.lab.example/v1", "key_variable": "LAB_KEY",
                "models": {"quick": {"price": {"input_nano_usd": 1000}}}},
            "openai": {"base_url": "https://api.openai.com/v1", "models": {"gpt-7": {"context_window": 5000000}}}
        }
    }"#;
    let laid = bundled().with_json(text).unwrap();
    assert_eq!(laid.providers().len(), bundled().providers().len() + 1);
    assert_eq!(laid.resolve("fast").unwrap(), model("lab/quick"));
    assert_eq!(laid.resolve("claude-opus").unwrap(), model("lab/quick"));
    assert_eq!(laid.model(&model("lab/quick")).unwrap().price.unwrap().date.as_deref(), Some("2027-03-01"));
    assert_eq!(laid.models("openai/*").len(), 1, "two descriptions of a provider were mixed");
    assert_eq!(laid.models("anthropic/*"), bundled().models("anthropic/*"));
    assert_eq!(laid.with_json(text).unwrap().models("*"), laid.models("*"), "twice is once");
    for (broken, reason) in [
        ("{}", "bad_catalogue"),
        (r#"{"version": 1, "aliases": {"fast": "nobody/x"}}"#, "unknown_provider"),
        (r#"{"version": 1, "providers": {"lab": {"base_url": "http://lab.example"}}}"#, "bad_url"),
        (
            r#"{"version": 1, "providers": {"lab": {"base_url": "https://lab.example", "models": {"m": {"price": {"input_nano_usd": -1}}}}}}"#,
            "bad_provider",
        ),
    ] {
        assert_eq!(bundled().with_json(broken).unwrap_err().reason(), reason, "{broken}");
    }
}

/// Everything the bundled file promises to its readers.
#[test]
fn the_bundled_file_is_sound_sorted_and_understood_whole() {
    let raw: serde_json::Value = serde_json::from_str(BUNDLED).unwrap();
    assert_sorted(&raw, "catalogue");
    let raw_date = raw["date"].clone();
    let catalogue = bundled();
    assert!(catalogue.providers().len() >= 40);
    assert!(catalogue.models("*").len() >= 400);
    for dialect in DIALECTS {
        assert!(catalogue.0.providers.values().any(|entry| entry.dialect == dialect), "nobody speaks {dialect}");
    }
    for (name, provider) in raw["providers"].as_object().unwrap() {
        let entry = catalogue.provider(name).unwrap();
        assert!(DIALECTS.contains(&entry.dialect.as_str()), "{name}");
        let is_http = entry.base_url.fixed().is_some_and(|uri| uri.scheme_str() == Some("http"));
        assert!(entry.local == is_http, "{name} is local or reached by https");
        assert_eq!(entry.models.len(), provider["models"].as_object().unwrap().len(), "{name}");
        assert!(entry.local || entry.key_variable.is_some(), "{name} has no key variable");
        assert!(entry.local || entry.docs_url.as_deref().is_some_and(|u| u.starts_with("https://")), "{name}");
        for (model, raw) in provider["models"].as_object().unwrap() {
            let info = &entry.models[model];
            let mut understood = serde_json::to_value(info).unwrap();
            let id = understood.as_object_mut().unwrap().remove("id").unwrap();
            assert_eq!(id, format!("{name}/{model}"));
            if let Some(price) = understood.get_mut("price").and_then(|price| price.as_object_mut()) {
                assert_eq!(price.remove("date"), Some(raw_date.clone()), "{name}/{model}");
            }
            assert_eq!(&without_nulls(understood), raw, "{name}/{model} holds a field that is not understood");
            assert_plausible(info);
        }
    }
}

fn assert_plausible(info: &ModelInfo) {
    let id = &info.id;
    assert!(info.context_window.is_none_or(|tokens| (2_048..=20_000_000).contains(&tokens)), "{id}");
    assert!(info.max_output_tokens.is_none_or(|tokens| (1_024..=2_000_000).contains(&tokens)), "{id}");
    let Some(price) = &info.price else { return };
    // From a cent to 1,000 dollars for a million tokens, or explicitly free.
    let plausible = |nano: i64| (10_000_000..=1_000_000_000_000).contains(&nano);
    let free = price.input_nano_usd == 0 && price.output_nano_usd == 0;
    assert!(free || (plausible(price.input_nano_usd) && plausible(price.output_nano_usd)), "{id} costs {price:?}");
    assert!(price.cache_read_nano_usd.is_none_or(|nano| nano > 0 && nano <= price.input_nano_usd), "{id}: {price:?}");
    assert!(price.cache_creation_nano_usd.is_none_or(|nano| nano > 0 && nano <= 2 * price.input_nano_usd), "{id}");
    price.check().unwrap();
    let date = price.date.as_deref().unwrap();
    assert!(date.len() == 10 && date.starts_with("20") && date.as_bytes()[4] == b'-', "{id} has a price of {date}");
}

fn assert_sorted(value: &serde_json::Value, place: &str) {
    if let Some(object) = value.as_object() {
        let keys: Vec<_> = object.keys().collect();
        assert!(keys.is_sorted(), "the keys of {place} are not sorted");
        object.iter().for_each(|(key, value)| assert_sorted(value, key));
    }
}

fn without_nulls(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(object) => {
            let empty = |v: &serde_json::Value| v.is_null() || v.as_object().is_some_and(serde_json::Map::is_empty);
            object.into_iter().map(|(k, v)| (k, without_nulls(v))).filter(|(_, v)| !empty(v)).collect()
        }
        other => other,
    }
}
