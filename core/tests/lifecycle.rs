//! What an engine leaves behind: nothing. Alone in its program, so that no other test's threads and files count.
#![cfg(all(feature = "engine", feature = "sqlite", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use support::within;
use tertulia::{ProviderSpec, Tertulia};
use tertulia_simulator::Simulator;

/// Open files and threads of this process.
fn open_things() -> (usize, usize) {
    let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

#[test]
fn a_hundred_engines_opened_and_closed_leave_no_thread_no_socket_no_file_and_no_task() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    runtime.block_on(async {
        let simulator = Simulator::start().await.unwrap();
        let cycle = async |n: usize| {
            let lab = ProviderSpec::openai_chat("lab", format!("{}/v1", simulator.url()));
            let builder = Tertulia::builder().store(path.to_str().unwrap()).provider(lab);
            let tertulia = builder.with_environment(std::sync::Arc::new(|_: &str| None)).open().await.unwrap();
            let chat = tertulia.user("ana").conversation_for("one");
            let reply = chat.send(format!("message {n}")).model("lab/echo").await.unwrap();
            assert!(reply.text().contains(&format!("message {n}")));
            let stream = chat.stream("cut short").model("lab/sim:words=9;stall=2").await.unwrap();
            drop(stream);
            tertulia.close().await.unwrap();
        };
        // The first engines bring what stays for good: the catalogue, the trust store, threads of the runtime's pool.
        for n in 0..3 {
            cycle(n).await;
        }
        let settled = async || {
            within(async {
                while simulator.open_connections() > 0 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        };
        settled().await;
        let (files, threads) = open_things();
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        for n in 3..103 {
            cycle(n).await;
        }
        settled().await;
        let now = open_things();
        assert!(now.0 <= files, "{} files and sockets were open, now {}", files, now.0);
        assert!(now.1 <= threads, "{} threads ran, now {}", threads, now.1);
        let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        assert!(alive <= tasks, "{tasks} tasks were alive, now {alive}");
        simulator.shutdown().await;
    });
}
