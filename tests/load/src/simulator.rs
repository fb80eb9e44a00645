//! The provider: the program `tertulia-simulator`, which stands beside this one.

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
    pub async fn start() -> Outcome<Self> {
        let name = format!("tertulia-simulator{}", std::env::consts::EXE_SUFFIX);
        let program = std::env::current_exe()?.with_file_name(name);
        let mut child = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{}: {error}; build it, or run `make load`", program.display()))?;
        let stdout = child.stdout.take().ok_or("the simulator has no output")?;
        let url = BufReader::new(stdout).lines().next_line().await?.ok_or("the simulator did not start")?;
        Ok(Self { url, _child: child })
    }
}
