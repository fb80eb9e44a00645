//! The program as `make test` runs it, with a few kills.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::process::{Command, Output};

fn run(args: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tertulia-trials")).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, said)
}

#[test]
fn agents_and_councils_outlive_some_kills() {
    let (output, said) = run(&["12", "1"]);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.lines().last().unwrap().ends_with(" passed, 0 failed"), "{said}");
    assert!(said.contains("agent: 12 kills, seed 1") && said.contains("council: 12 kills, seed 1"), "{said}");
}

#[test]
fn what_is_no_number_of_kills_is_refused() {
    assert!(!run(&["many"]).0.status.success());
}
