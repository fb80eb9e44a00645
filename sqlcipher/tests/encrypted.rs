//! A store that is encrypted, on the real SQLCipher: files, keys, backups, kills.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use tertulia_sqlcipher::base::ErrorKind;
use tertulia_sqlcipher::{Conversation, Result, StoreKey, Tertulia};

const CANARY: &str = "the canary sings in Cadiz";

fn key() -> StoreKey {
    StoreKey::raw([0x5a; 32])
}

async fn open(path: &Path, key: Option<StoreKey>) -> Result<Tertulia> {
    let builder = Tertulia::builder().store(path.to_str().unwrap()).model("echo/any");
    match key {
        Some(key) => builder.store_key(key).open().await,
        None => builder.open().await,
    }
}

fn chat(tertulia: &Tertulia) -> Conversation {
    tertulia.user("ana").conversation_for("the chat")
}

async fn words(chat: &Conversation) -> Vec<String> {
    let mut words = Vec::new();
    let mut messages = chat.messages();
    while let Some(message) = messages.next().await.unwrap() {
        words.push(message.text());
    }
    words
}

/// Every file that belongs to the database, with what is in it.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        // How connections find their way in the log, made anew by each first one.
        .filter(|entry| !entry.file_name().to_string_lossy().ends_with("-shm"))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

fn holds(folder: &Path, words: &str) -> Vec<String> {
    let holds = |bytes: &[u8]| bytes.windows(words.len()).any(|window| window == words.as_bytes());
    files(folder).into_iter().filter(|(_, bytes)| holds(bytes)).map(|(name, _)| name).collect()
}

#[tokio::test]
async fn what_is_written_is_read_again_with_the_key_and_stands_in_no_file() {
    for key in [key(), StoreKey::from("it's a \"pass\" phrase")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let tertulia = open(&path, Some(key.clone())).await.unwrap();
        chat(&tertulia).send(CANARY).await.unwrap();
        assert!(std::fs::metadata(folder.path().join("chat.db-wal")).unwrap().len() > 0, "the log is looked at, too");
        assert_eq!(holds(folder.path(), CANARY), [""; 0]);
        tertulia.close().await.unwrap();
        assert_eq!(holds(folder.path(), CANARY), [""; 0]);
        assert_eq!(holds(folder.path(), "SQLite format 3"), [""; 0]);
        assert_eq!(std::fs::metadata(&path).unwrap().len() % 8_192, 0);

        let tertulia = open(&path, Some(key)).await.unwrap();
        assert_eq!(words(&chat(&tertulia)).await[0], CANARY);
        let found = tertulia.user("ana").search("canary").await.unwrap();
        assert_eq!(found.items.len(), 2, "what was said, and its echo");
        let verified = tertulia.store().verify().await.unwrap();
        assert_eq!((verified.problems.len(), verified.messages), (0, 2));
        assert_eq!(tertulia.store().repair().await.unwrap().repaired.len(), 0);
        tertulia.close().await.unwrap();
    }
}

#[tokio::test]
async fn without_the_right_key_nothing_is_opened_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, plain) = (folder.path().join("secret"), folder.path().join("plain"));
    for folder in [&secret, &plain] {
        std::fs::create_dir(folder).unwrap();
    }
    // Each with a log that is not moved yet, as after a kill.
    for (folder, key) in [(&secret, Some(key())), (&plain, None)] {
        let tertulia = open(&folder.join("made.db"), key).await.unwrap();
        chat(&tertulia).send(CANARY).await.unwrap();
        for (name, bytes) in files(folder).into_iter().filter(|(name, _)| !name.ends_with(".lock")) {
            std::fs::write(folder.join(name.replace("made", "chat")), bytes).unwrap();
        }
        tertulia.close().await.unwrap();
        assert!(std::fs::metadata(folder.join("chat.db-wal")).unwrap().len() > 0);
    }
    let cases = [
        (&secret, Some(StoreKey::raw([0x5b; 32])), "wrong_key"),
        (&secret, Some("a passphrase".into()), "wrong_key"),
        (&secret, None, "not_a_database"),
        (&plain, Some(key()), "not_encrypted"),
    ];
    for (folder, key, reason) in cases {
        let before = files(folder);
        let error = open(&folder.join("chat.db"), key).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Storage, reason));
        assert!(error.detail().contains("key"), "{error}");
        assert_eq!(files(folder), before, "{reason}");
    }
    // And with it everything is there.
    for (folder, key) in [(&secret, Some(key())), (&plain, None)] {
        let tertulia = open(&folder.join("chat.db"), key).await.unwrap();
        assert_eq!(words(&chat(&tertulia)).await[0], CANARY);
        tertulia.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_backup_is_encrypted_with_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let tertulia = open(&path, Some(key())).await.unwrap();
    for _ in 0..20 {
        chat(&tertulia).send(format!("{CANARY} {}", "x".repeat(5_000))).await.unwrap();
    }
    let backups = folder.path().join("backups");
    std::fs::create_dir(&backups).unwrap();
    let copy = backups.join("copy.db");
    let bytes = tertulia.store().backup(&copy).await.unwrap();
    assert!(bytes > 200_000, "{bytes}");
    tertulia.close().await.unwrap();
    assert_eq!(holds(&backups, CANARY), [""; 0]);
    assert_eq!(open(&copy, None).await.unwrap_err().reason(), "not_a_database");
    let restored = open(&copy, Some(key())).await.unwrap();
    assert_eq!(words(&chat(&restored)).await.len(), 40);
    assert_eq!(restored.store().verify().await.unwrap().problems, []);
    restored.close().await.unwrap();
}

#[tokio::test]
async fn an_empty_key_is_refused_and_memory_takes_none() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(&folder.path().join("chat.db"), Some("".into())).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_store_key"));
    assert_eq!(files(folder.path()), [], "no file was made");
    let memory = Tertulia::builder().store("memory:").store_key(key()).open().await.unwrap_err();
    assert_eq!((memory.kind(), memory.reason()), (ErrorKind::Invalid, "unsupported"));
}

/// Not a test by itself: the process that is killed. It says what it was told is saved.
#[tokio::test]
async fn child_that_writes_until_it_is_killed() {
    let Ok(path) = std::env::var("TERTULIA_TEST_STORE") else { return };
    let tertulia = open(Path::new(&path), Some(key())).await.unwrap();
    for number in 0.. {
        chat(&tertulia).send(format!("{number}")).await.unwrap();
        println!("saved {number}");
    }
}

#[tokio::test]
async fn what_was_saved_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let mut least = 0;
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
            .env("TERTULIA_TEST_STORE", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The harness writes on the first of these lines, too.
        let saved = lines.map(std::result::Result::unwrap).filter(|line| line.contains("saved ")).take(12 * round).count();
        child.kill().unwrap();
        child.wait().unwrap();
        least += saved;
        assert_eq!(saved, 12 * round);

        let tertulia = open(&path, Some(key())).await.unwrap();
        let said = words(&chat(&tertulia)).await;
        assert!(said.len() >= 2 * least, "round {round}: {} messages of {least} turns", said.len());
        let verified = tertulia.store().verify().await.unwrap();
        assert_eq!(verified.problems, [], "round {round}");
        tertulia.close().await.unwrap();
    }
}
