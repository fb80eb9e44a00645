//! Runs the examples as a reader would: in a folder of their own, against the simulator.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::collections::BTreeSet;
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

/// Runs a program that needs nothing, and holds it to what it must say.
async fn tells(program: &str, told: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let out = said(&run(program, folder.path(), &[]).await);
    for words in told {
        assert!(out.contains(words), "{words}: {out}");
    }
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
async fn tools_are_asked_for_and_answered() {
    tells(env!("CARGO_BIN_EXE_tools"), &["weather({\"city\":\"Cadiz\"})", "Warm: take a hat."]).await;
}

#[tokio::test]
async fn an_error_says_what_to_do_and_the_turn_goes_on() {
    let told = ["so far: First", "again: First walk the old town.", "unknown_provider - "];
    tells(env!("CARGO_BIN_EXE_errors"), &told).await;
}

#[tokio::test]
async fn the_history_outlives_its_engine() {
    let told = ["Cádiz: 6 messages\nUser: Question 0\nAssistant: ", "User: Question 2\n", "somebody else's: 0"];
    tells(env!("CARGO_BIN_EXE_history"), &told).await;
}

#[tokio::test]
async fn the_program_under_test_greets() {
    tells(env!("CARGO_BIN_EXE_testing"), &["Hola"]).await;
}

#[tokio::test]
async fn the_provider_of_ones_own_answers_after_it_woke_up() {
    let told = ["clerk asked 1 times; last: Are you open? (2 tries)", "2 times; last: And on Sunday?", "8192 tokens"];
    tells(env!("CARGO_BIN_EXE_own_provider"), &told).await;
}

#[tokio::test]
async fn who_watches_hears_of_retries_and_reads_the_figures() {
    let told = [
        "old town",
        "try 2 for ana after",
        "try 3 for ana after",
        "1 call, 2 retries, success rate Some(1.0)",
        "ms of them ours",
        "store Ok\necho Ok",
    ];
    tells(env!("CARGO_BIN_EXE_watching"), &told).await;
}

#[tokio::test]
async fn branches_stand_beside_each_other_until_one_is_deleted() {
    let told = [
        "User 2/2: Plan two days",
        "User 1/2: Plan a day in Cádiz\nAssistant 1/2: ",
        "branches: [2, 2, 2]",
        "it ends with another message by now",
        "0 shown here, 2 in the copy",
    ];
    tells(env!("CARGO_BIN_EXE_branches"), &told).await;
}

#[tokio::test]
async fn pages_lead_to_any_place_of_a_long_talk() {
    let told = [
        "A long talk: 10000 messages, the last of them Answer 4999",
        "[\"Question 2500\", \"Answer 2500\", \"Question 2501\", \"Answer 2501\"]",
        "[\"Question 2500\", \"Answer 2500\", \"Question 2501\", \"Answer 2501\", \"Question 2502\"",
        "longest: 13",
        "changed: false",
    ];
    tells(env!("CARGO_BIN_EXE_pages"), &told).await;
}

#[tokio::test]
async fn the_list_knows_pins_archive_tags_and_ends() {
    let told = [
        "Ana prefers {\"theme\": \"dark\"}",
        "[\"Taxes\", \"Lisbon\", \"Cádiz\"] and in the archive [\"Last year\"]",
        "trips: [\"Lisbon\", \"Cádiz\"]",
        "changed: false",
        "ends by itself: true",
    ];
    tells(env!("CARGO_BIN_EXE_list"), &told).await;
}

#[tokio::test]
async fn a_search_finds_words_of_any_script_on_any_branch() {
    let told = [
        "in [Cádiz]?  (on another branch)",
        "eat [salmorejo in Córdoba]?",
        "parse[Http]Request",
        "東京[タワー]",
        "best of several: true, there are more: true",
        "somebody else's: 0",
    ];
    tells(env!("CARGO_BIN_EXE_search"), &told).await;
}

#[tokio::test]
async fn a_store_is_copied_looked_over_and_let_rest() {
    let told =
        ["backed up: true", "2 messages in 1 conversation, sound: true", "the largest: ", "closed: suspended", "rainy"];
    tells(env!("CARGO_BIN_EXE_upkeep"), &told).await;
}

#[tokio::test]
async fn conversations_are_taken_along_and_never_twice() {
    let told = [
        "1 conversation, 4 messages",
        "would add: 4",
        "0 added, 4 here already",
        "branches: 2 - shown: Plan a rainy day",
        "messages: 1 message\nitem 2: a message has no role that is known",
    ];
    tells(env!("CARGO_BIN_EXE_transfer"), &told).await;
}

#[tokio::test]
async fn a_screen_sees_an_answer_grow() {
    let told = [
        "grows: ",
        "\n-- 2",
        "\nUser: What to see in Cádiz?",
        "\nAssistant: First walk the old town.",
        "[Some(\"First walk the old town.\")]",
    ];
    tells(env!("CARGO_BIN_EXE_timeline"), &told).await;
}

#[tokio::test]
async fn a_batch_is_done_whole_or_as_far_as_it_goes() {
    let told = [
        "7 items done; in the file: 2 conversations",
        "nothing is pinned: item 0 (update)",
        "5 done, 2 refused\nrefused: item 0\nrefused: item 1\n",
    ];
    tells(env!("CARGO_BIN_EXE_batch"), &told).await;
}

#[tokio::test]
async fn the_library_keeps_versions_and_remembers() {
    let told = ["Done", "shared: false, Two tips for Cádiz", "versions: [2, 1]", "entry_moved", "remembered: "];
    tells(env!("CARGO_BIN_EXE_library"), &told).await;
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
async fn an_agent_waits_for_an_approval_longer_than_its_engine_lives() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(env!("CARGO_BIN_EXE_agents"), folder.path(), &[]).await;
    let lines = said(&output);
    let lines: Vec<_> = lines.lines().collect();
    let expected = [
        "may it call book({\"city\":\"Cadiz\",\"nights\":2})?",
        "Waiting",
        "booking 2 nights in Cadiz",
        "Cadiz for 180 euros, after 2 rounds",
    ];
    assert_eq!(lines, expected);
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

/// What is left out here, because only Python has it.
const OF_PYTHON: [&str; 3] = ["03_async", "17_web", "18_adapters"];
/// What only Rust has.
const OF_RUST: [&str; 2] = ["21_layers_alone", "22_agents"];

/// The names in a folder that begin with a number, without what stands behind a dot.
fn numbered(folder: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| name.starts_with(|first: char| first.is_ascii_digit()));
    names.map(|name| name.split('.').next().unwrap().to_owned()).collect()
}

#[test]
fn every_example_is_run_and_listed_and_has_the_number_of_its_sibling_in_python() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = numbered(here);
    let mut expected = numbered(&here.join("../python"));
    for name in OF_PYTHON {
        assert!(expected.remove(name), "{name} is none of Python's");
    }
    expected.extend(OF_RUST.map(str::to_owned));
    assert_eq!(examples, expected);
    let (page, tests) = (include_str!("../README.md"), include_str!("examples.rs"));
    for example in &examples {
        assert!(page.contains(&format!("`{example}`")), "the page does not list {example}");
        assert!(tests.contains(&format!("\"CARGO_BIN_EXE_{}\"", &example[3..])), "nobody runs {example}");
    }
    for name in OF_PYTHON {
        assert!(page.contains(&format!("`{name}`")), "the page does not say whose {name} is");
    }
}
