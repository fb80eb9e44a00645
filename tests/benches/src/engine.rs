//! The same work through the engine, and what only the engine does: durable turns, histories, pages and searches.

use std::time::Duration;

use futures::StreamExt as _;
use tertulia::base::{Clock as _, SystemClock};
use tertulia::{Conversation, NewMessage, ProviderSpec, SearchSort, Settings, StreamEventKind, Tertulia};

use crate::Outcome;

/// A small reply, in one event: the fewer events, the more a request weighs in the ratio.
pub const SMALL: &str = "sim:text=Hello%20there,%20how%20are%20you%20today;chunks=1";

/// A reply of this many events.
pub fn stream_model(events: usize) -> String {
    format!("sim:words={events}")
}

pub struct Engine {
    memory: Tertulia,
    disk: Tertulia,
    pages: Conversation,
    _folder: tempfile::TempDir,
}

impl Engine {
    /// `at_once` calls may be under way: a bare client has no limit either, and waiting is no CPU time to compare.
    pub async fn open(url: &str, at_once: usize) -> Outcome<Self> {
        let lab = || ProviderSpec::openai_chat("lab", format!("{url}/v1"));
        let mut settings = Settings::default();
        settings.network.max_connections = at_once;
        settings.network.max_idle_connections = at_once;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("bench.db");
        let memory = Tertulia::builder().store("memory:").provider(lab()).settings(settings.clone()).open().await?;
        let disk = Tertulia::builder()
            .store(path.to_string_lossy())
            .provider(lab())
            .model(format!("lab/{SMALL}"))
            .settings(settings)
            .open()
            .await?;
        let pages = disk.user("ana").new_conversation();
        pages.append(said(200, 70)).await?;
        Ok(Self { memory, disk, pages, _folder: folder })
    }

    /// Calls that store nothing, some at once.
    pub async fn calls(&self, calls: usize, at_once: usize) -> Outcome<()> {
        let model = format!("lab/{SMALL}");
        let mut work = futures::stream::iter(0..calls)
            .map(|_| async {
                Ok::<_, tertulia::Error>(
                    self.memory.ask(vec![NewMessage::user("hello")]).model(&*model).await?.text().len(),
                )
            })
            .buffer_unordered(at_once);
        while let Some(length) = work.next().await {
            assert!(length? > 0);
        }
        Ok(())
    }

    /// Long streamed replies, each event taken.
    pub async fn streams(&self, streams: usize, events: usize, at_once: usize) -> Outcome<()> {
        let model = format!("lab/{}", stream_model(events));
        let mut work = futures::stream::iter(0..streams)
            .map(|_| async {
                let mut stream = self.memory.ask("hello").model(&*model).stream().await?;
                let mut bytes = 0;
                while let Some(event) = stream.next_event().await? {
                    if let StreamEventKind::Text { delta } = &event.kind {
                        bytes += delta.len();
                    }
                }
                Ok::<_, tertulia::Error>(bytes)
            })
            .buffer_unordered(at_once);
        while let Some(reply) = work.next().await {
            let bytes = reply?;
            // A word is two letters and a space at least; words that came together are one event.
            assert!(bytes > 3 * events, "{bytes} bytes of {events} words");
        }
        Ok(())
    }

    /// New conversations on disk that hold this many messages of 500 characters already. Of saving them nothing is left to be
    /// done: the log is moved into the database, which whoever writes next would do otherwise.
    pub async fn chats(&self, chats: usize, messages: usize) -> Outcome<Vec<Conversation>> {
        let me = self.disk.user("ana");
        let mut all = Vec::with_capacity(chats);
        for _ in 0..chats {
            let chat = me.new_conversation();
            chat.append(said(messages, 500)).await?;
            all.push(chat);
        }
        self.disk.store().checkpoint().await?;
        Ok(all)
    }

    /// Durable turns: the conversations at once, the turns of each one after the other.
    pub async fn turns(&self, chats: &[Conversation], turns: usize) -> Outcome<()> {
        let mut work = futures::stream::iter(chats)
            .map(|chat| async move {
                for _ in 0..turns {
                    assert!(!chat.send("hello").await?.text().is_empty());
                }
                Ok::<_, tertulia::Error>(())
            })
            .buffer_unordered(chats.len().max(1));
        while let Some(done) = work.next().await {
            done?;
        }
        Ok(())
    }

    /// Forgets them, so that one round is like the other.
    pub async fn delete(&self, chats: Vec<Conversation>) -> Outcome<()> {
        for chat in chats {
            chat.delete().await?;
        }
        Ok(())
    }

    /// The latest 50 messages of a conversation on disk.
    pub async fn pages(&self, pages: usize) -> Outcome<()> {
        for _ in 0..pages {
            assert_eq!(self.pages.history().await?.items.len(), 50);
        }
        Ok(())
    }

    /// Messages saved one by one to many conversations at once.
    pub async fn appends(&self) -> Outcome<()> {
        crate::history::append_at_once(&self.disk.user("bo")).await.map(drop)
    }

    /// Finds twenty among all messages of a user, to which so many are added before; gives how long that took each time.
    pub async fn searches(&self, messages: usize, searches: usize, sort: SearchSort) -> Outcome<Vec<Duration>> {
        let me = self.disk.user("cy");
        for part in said(messages, 665).chunks(500) {
            me.new_conversation().append(part.to_vec()).await?;
        }
        let (clock, mut took) = (SystemClock::default(), Vec::with_capacity(searches));
        // The first one waits until all of it is indexed.
        for _ in 0..=searches {
            let started = clock.monotonic();
            assert_eq!(me.search("museum").sort(sort).limit(20).await?.items.len(), 20);
            took.push(clock.monotonic() - started);
        }
        took.remove(0);
        Ok(took)
    }

    pub async fn close(self) -> Outcome<()> {
        self.memory.close().await?;
        self.disk.close().await?;
        Ok(())
    }
}

/// Messages of this many characters, user and assistant by turns. Now and then something to escape, as people write.
fn said(messages: usize, characters: usize) -> Vec<NewMessage> {
    let words = "Plan a day in Cádiz, please: a walk, a museum, and then \"something\" to eat.\n";
    let text: String = words.chars().cycle().take(characters).collect();
    let message = |number: usize| match number % 2 {
        0 => NewMessage::user(text.clone()),
        _ => NewMessage::assistant(text.clone()),
    };
    (0..messages).map(message).collect()
}
