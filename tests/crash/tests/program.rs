//! The program as `make test` runs it, with a few kills.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests may panic and need no docs")]

use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tertulia-crash")).args(args).output().unwrap()
}

#[test]
fn a_few_kills_are_survived_and_counted() {
    let output = run(&["3", "7"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().last(), Some("3 passed, 0 failed"), "{said}");
}

#[test]
fn an_outbox_that_is_killed_loses_nothing_and_doubles_nothing() {
    let output = run(&["outbox", "4", "60", "7"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().last(), Some("4 passed, 0 failed"), "{said}");
}

#[test]
fn power_cuts_lose_nothing_that_was_promised_unless_nothing_is_synced() {
    let output = run(&["images", "40", "7"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("the control with synchronous=NORMAL loses what was promised"), "{said}");
    assert_eq!(said.lines().last(), Some("41 passed, 0 failed"), "{said}");
}

#[test]
fn a_disk_that_fails_takes_nothing_that_was_promised() {
    let output = run(&["faults", "150", "7"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.lines().last().is_some_and(|line| line.ends_with(" passed, 0 failed")), "{said}");
}
