//! `tertulia-conformance DIR [PREFIX]`: runs the cases of a folder whose names begin with the prefix.
//! `tertulia-conformance loops DIR [PREFIX]`: those of them that ask for tools drive an agent.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    let loops = arguments.next_if(|word| word == "loops").is_some();
    let Some(folder) = arguments.next() else {
        return refuse("usage: tertulia-conformance [loops] DIR [PREFIX]");
    };
    let prefix = arguments.next().unwrap_or_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("no runtime could be started: {error}")),
    };
    let mut out = std::io::stdout();
    let work = async {
        let folder = Path::new(&folder);
        if loops {
            tertulia_conformance::loops::run(folder, &prefix, &mut out).await
        } else {
            tertulia_conformance::run(folder, &prefix, &mut out).await
        }
    };
    match runtime.block_on(work) {
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
