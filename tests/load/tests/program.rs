//! The program as `make test` runs it, with a few chats. That this test is here also makes `cargo test` build it.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests may panic and need no docs")]

use std::process::Command;

#[test]
fn what_is_no_number_of_chats_is_refused_and_nothing_is_played() {
    let output = Command::new(env!("CARGO_BIN_EXE_tertulia-load")).arg("many").output().unwrap();
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
