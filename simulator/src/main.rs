//! The simulator as a program: prints its URL on the first line and runs until its input closes or a signal comes.

use std::io::Write as _;
use std::process::ExitCode;

use tertulia_simulator::Simulator;
use tokio::io::AsyncReadExt as _;

const USAGE: &str = "usage: tertulia-simulator [--port N] [--record]\n\n\
    Answers in the dialects of LLM providers on 127.0.0.1. Prints its URL on the first line of its output and runs\n\
    until its input closes or a signal comes. Port 0, the default, takes a free one. With --record it keeps the last\n\
    10,000 requests and tells them at GET /_simulator/requests.\n";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mut port, mut record) = (0, false);
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        match argument {
            "--port" => match rest.next().map(str::parse) {
                Some(Ok(number)) => port = number,
                _ => return complain("the port must be a number from 0 to 65535"),
            },
            "--record" => record = true,
            "--help" | "-h" => {
                let _ = std::io::stdout().write_all(USAGE.as_bytes());
                return ExitCode::SUCCESS;
            }
            _ => return complain(USAGE.trim_end()),
        }
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("no runtime: {error}")),
    };
    let outcome = runtime.block_on(run(port, record));
    // A thread may still wait for input; it must not keep the program.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error.to_string()),
    }
}

async fn run(port: u16, record: bool) -> std::io::Result<()> {
    let simulator = Simulator::start_at(port).await?;
    simulator.set_recording(record);
    // Before anybody learns of the program: a signal that comes at once must find its handler.
    let signalled = signals()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", simulator.url())?;
    out.flush()?;
    drop(out);
    tokio::select! {
        () = input_closes() => {}
        () = signalled => {}
    }
    simulator.shutdown().await;
    Ok(())
}

async fn input_closes() {
    let (mut input, mut ignored) = (tokio::io::stdin(), [0; 256]);
    while let Ok(1..) = input.read(&mut ignored).await {}
}

#[cfg(unix)]
fn signals() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(windows)]
fn signals() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        let _ = interrupt.recv().await;
    })
}

fn complain(why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{why}");
    ExitCode::from(2)
}
