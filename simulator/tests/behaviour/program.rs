use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::*;

async fn start(arguments: &[&str]) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tertulia-simulator"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    soon(BufReader::new(child.stdout.take().unwrap()).read_line(&mut line)).await.unwrap();
    (child, line.trim_end().to_owned())
}

async fn answers(url: &str) {
    let mut client =
        Client { socket: TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap(), unread: Vec::new() };
    client.post(OPENAI, None, &body("echo", false, "Hi")).await;
    assert_eq!(client.reply().await.unwrap().status, 200);
}

#[tokio::test]
async fn the_program_says_where_it_listens_and_ends_with_its_input() {
    let (mut child, url) = start(&[]).await;
    answers(&url).await;
    drop(child.stdin.take());
    assert!(soon(child.wait()).await.unwrap().success());
}

#[cfg(unix)]
#[tokio::test]
async fn the_program_ends_on_a_signal() {
    let (mut child, url) = start(&["--port", "0"]).await;
    answers(&url).await;
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    assert!(soon(child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn the_program_tells_what_it_was_sent_when_it_records() {
    for (arguments, status) in [(&["--record"][..], 200), (&["--record", "--port", "0"], 200), (&[], 404)] {
        let (_child, url) = start(arguments).await;
        answers(&url).await;
        let socket = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
        let mut client = Client { socket, unread: Vec::new() };
        client.send("GET /_simulator/requests HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let reply = client.reply().await.unwrap();
        assert_eq!(reply.status, status, "{arguments:?}");
        if status == 200 {
            assert_eq!(reply.json()[0]["body"]["messages"][0]["content"], "Hi");
        }
    }
}

#[tokio::test]
async fn the_program_refuses_what_it_does_not_know() {
    for arguments in [&["--prot"][..], &["--port", "x"], &["--port"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_tertulia-simulator")).args(arguments).output().await.unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
}
