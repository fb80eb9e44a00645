//! `tertulia-conformance DIR [PREFIX]`: runs the cases of a folder whose names begin with the prefix.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next() else {
        return refuse("usage: tertulia-conformance DIR [PREFIX]");
    };
    let prefix = arguments.next().unwrap_or_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("no runtime could be started: {error}")),
    };
    let mut out = std::io::stdout();
    match runtime.block_on(tertulia_conformance::run(Path::new(&folder), &prefix, &mut out)) {
        Ok(summary) if summary.is_good() => ExitCode::SUCCESS,
        Ok(summary) if summary.is_empty() => refuse(&format!("no case was found in {folder}")),
        Ok(_) => ExitCode::FAILURE,
        Err(error) => refuse(&format!("{folder}: {error}")),
    }
}

fn refuse(why: &str) -> ExitCode {
    // Nobody is left to tell when standard error is closed.
    drop(writeln!(std::io::stderr(), "{why}"));
    ExitCode::FAILURE
}
