//! Plays the scenarios of its folder in Rust, and says how many held: `rust: N passed, 0 failed`.
//!
//! ```text
//! tertulia-scenarios [FOLDER] [--only WORD] [--tell FOLDER]
//! ```
//!
//! `--only` plays the files whose names hold the word. `--tell` writes what the steps of each scenario gave into a file
//! of its name, for whoever compares languages. The README of the folder says what a scenario is.
#![expect(clippy::print_stdout, reason = "a program that says how it went")]

mod check;
mod conversation;
mod engine;
mod format;
mod handles;
mod others;
mod play;
mod results;
mod user;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use format::Format;
use play::Play;

/// What a scenario holds.
const WORDS: [&str; 3] = ["about", "engine", "steps"];

#[tokio::main]
async fn main() -> ExitCode {
    let mut folder = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
    let (mut only, mut tell) = (String::new(), None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--only" => only = arguments.next().unwrap_or_default(),
            "--tell" => tell = arguments.next().map(PathBuf::from),
            path => folder = PathBuf::from(path),
        }
    }
    match all(&folder, &only, tell.as_deref()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            println!("{why}\nrust: 0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

/// Plays all of them; whether all went as they must.
async fn all(folder: &Path, only: &str, tell: Option<&Path>) -> Result<bool, String> {
    let format = Format::read(folder)?;
    let scenarios = files(folder, only)?;
    let wrong = files(&folder.join("wrong"), only)?;
    if scenarios.is_empty() && wrong.is_empty() {
        return Err(format!("there are no scenarios in {}", folder.display()));
    }
    if let Some(tell) = tell {
        std::fs::create_dir_all(tell).map_err(|error| error.to_string())?;
    }
    let mut failed = 0;
    for file in &wrong {
        if let Err(why) = refused(file, &format).await {
            println!("rust: wrong/{}: {why}", name(file));
            failed += 1;
        }
    }
    let mut passed = 0;
    for file in &scenarios {
        match Play::scenario(file, &format, &WORDS).await {
            Ok(told) => {
                passed += 1;
                if let Some(tell) = tell {
                    std::fs::write(tell.join(name(file)), told).map_err(|error| error.to_string())?;
                }
            }
            Err((step, why)) => {
                println!("rust: {}, step {step}: {why}", name(file));
                failed += 1;
            }
        }
    }
    println!("rust: {} wrong scenarios were played as well", wrong.len());
    println!("rust: {passed} passed, {failed} failed");
    Ok(failed == 0)
}

fn files(folder: &Path, only: &str) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "json") && name(path).contains(only));
    files.sort();
    Ok(files)
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Plays a scenario that must fail where it says, and with the words that it says.
async fn refused(file: &Path, format: &Format) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let expected: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let expected = &expected["wrong"];
    let Err((step, why)) = Play::scenario(file, format, &["about", "engine", "steps", "wrong"]).await else {
        return Err("it passed, which it must not".to_owned());
    };
    if expected["step"] != step {
        return Err(format!("step {step}: {why}"));
    }
    match expected["says"].as_str() {
        Some(says) if why.contains(says) => Ok(()),
        _ => Err(format!("`{why}` does not say {}", expected["says"])),
    }
}
