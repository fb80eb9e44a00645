//! The provider: the simulator in a process of its own, whose CPU time nobody counts here.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::Outcome;

/// Runs until it is dropped.
pub struct Process {
    pub url: String,
    _child: Child,
}

impl Process {
    /// Starts this very program as a simulator.
    pub async fn start() -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("simulator")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the simulator has no output")?;
        let url = BufReader::new(stdout).lines().next_line().await?.ok_or("the simulator did not start")?;
        Ok(Self { url, _child: child })
    }
}

/// The simulator, until its input closes.
pub async fn serve() -> Outcome<()> {
    let simulator = tertulia_simulator::Simulator::start().await?;
    simulator.set_recording(false);
    println!("{}", simulator.url());
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    while input.next_line().await?.is_some() {}
    simulator.shutdown().await;
    Ok(())
}
