//! Runs the examples as a reader would: in a folder of their own, against the simulator.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::path::Path;
use std::process::Output;

use tertulia_simulator::Simulator;

/// Runs a program with an environment that holds nothing but these variables.
async fn run(program: &str, folder: &Path, variables: &[(&str, &str)]) -> Output {
    let work = tokio::process::Command::new(program)
        .current_dir(folder)
        .env_clear()
        .env("TERTULIA_HOME", folder)
        .envs(variables.iter().copied())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(std::time::Duration::from_secs(20), work).await.expect("the program hangs").unwrap()
}

fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out.into_owned()
}

#[test]
fn the_rust_example_of_the_readme_is_the_one_that_is_run() {
    let readme = include_str!("../../../README.md");
    let block = readme.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    // The readme aligns its comments for reading; the words must be the same.
    let words = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(words(block), words(include_str!("../02_readme/main.rs")).replace(",)", ")"));
}

#[tokio::test]
async fn the_example_of_the_readme_runs() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start().await.unwrap();
    let url = format!("{}/v1", simulator.url());
    let variables = [("TERTULIA_ANTHROPIC_BASE_URL", url.as_str()), ("ANTHROPIC_API_KEY", "sk-test")];
    let out = said(&run(env!("CARGO_BIN_EXE_readme"), folder.path(), &variables).await);
    assert!(out.contains("Cádiz") && out.contains("tokens"), "{out}");
    assert!(folder.path().join("chat.db").exists());
    simulator.shutdown().await;
}

#[tokio::test]
async fn the_provider_of_ones_own_answers_after_it_woke_up() {
    let folder = tempfile::tempdir().unwrap();
    let out = said(&run(env!("CARGO_BIN_EXE_own_provider"), folder.path(), &[]).await);
    for words in ["clerk asked 1 times; last: Are you open? (2 tries)", "2 times; last: And on Sunday?", "8192 tokens"]
    {
        assert!(out.contains(words), "{words}: {out}");
    }
}

#[tokio::test]
async fn the_library_keeps_versions_and_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let out = said(&run(env!("CARGO_BIN_EXE_library"), folder.path(), &[]).await);
    for words in ["Done", "shared: false, Two tips for Cádiz", "versions: [2, 1]", "entry_moved", "remembered: "] {
        assert!(out.contains(words), "{words}: {out}");
    }
}

#[tokio::test]
async fn every_layer_does_its_work_alone_around_a_service_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let out = said(&run(env!("CARGO_BIN_EXE_layers_alone"), folder.path(), &[]).await);
    let lines: Vec<_> = out.lines().collect();
    let expected = [
        "retry: Ok(\"hello\") after 3 tries",
        "breaker: Err(\"asleep\"), asked 1 times",
        "breaker: Err(\"asleep\"), asked 2 times",
        "breaker: Err(\"breaker_open\"), asked 2 times",
        "limits: Ok(\"hello\"), asked 1 times",
        "limits: Err(\"queue_deadline\"), asked 1 times",
        "budget: Ok(\"hello\"), asked 1 times",
        "budget: Err(\"budget\"), asked 1 times",
        "cache: Ok(\"hello\"), asked 1 times",
        "cache: Ok(\"hello\"), asked 1 times",
    ];
    assert_eq!(lines, expected, "{out}");
}

#[tokio::test]
async fn the_chat_answers_keeps_and_continues_the_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let chat = |message: &'static str| {
        let folder = folder.path().to_owned();
        async move { said(&run(env!("CARGO_BIN_EXE_chat"), &folder, &[("MESSAGE", message)]).await) }
    };
    let first = chat("hello from Cádiz").await;
    assert!(first.contains("simulator"), "it does not say whom it talks to: {first}");
    assert!(first.contains("you> hello from Cádiz") && first.matches("hello from Cádiz").count() >= 2, "{first}");
    let second = chat("and again").await;
    assert!(second.contains("1  2 messages"), "the conversation is not listed: {second}");
    assert!(second.contains("3 messages"), "the model was not shown the history: {second}");
    let third = chat("quotes \" and $HOME and `x`").await;
    assert!(third.contains("1  4 messages") && third.contains("quotes \" and $HOME and `x`"), "{third}");
}

#[tokio::test]
async fn the_chat_says_plainly_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("MESSAGE", "hello"), ("TERTULIA_MODEL", "opneai/gpt-5")];
    let output = run(env!("CARGO_BIN_EXE_chat"), folder.path(), &variables).await;
    assert!(!output.status.success());
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("did you mean") || err.contains("Did you mean"), "{err}");
}
