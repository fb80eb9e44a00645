//! The same work through the engine, and what only the engine does: durable turns and pages.

use futures::StreamExt as _;
use tertulia::{NewMessage, ProviderSpec, StreamEventKind, Tertulia};

/// A small reply.
pub const SMALL: &str = "sim:text=Hello%20there,%20how%20are%20you%20today";

/// A reply of this many events.
pub fn stream_model(events: usize) -> String {
    format!("sim:words={events}")
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

pub struct Engine {
    memory: Tertulia,
    disk: Tertulia,
    history: tertulia::Conversation,
    _folder: tempfile::TempDir,
}

impl Engine {
    pub async fn open(url: &str) -> Outcome<Self> {
        let lab = || ProviderSpec::openai_chat("lab", format!("{url}/v1"));
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("bench.db");
        let memory = Tertulia::builder().store("memory:").provider(lab()).open().await?;
        let disk = Tertulia::builder()
            .store(path.to_string_lossy())
            .provider(lab())
            .model(format!("lab/{SMALL}"))
            .open()
            .await?;
        let history = disk.user("ana").new_conversation();
        for _ in 0..100 {
            history.send("Plan a day in Cádiz, please, with a walk, a museum and something to eat.").await?;
        }
        Ok(Self { memory, disk, history, _folder: folder })
    }

    /// Stateless calls, some at once.
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

    /// Streamed replies, one after the other, each event taken.
    pub async fn streams(&self, streams: usize, events: usize) -> Outcome<()> {
        let model = format!("lab/{}", stream_model(events));
        for _ in 0..streams {
            let mut stream = self.memory.ask("hello").model(&*model).stream().await?;
            let (mut seen, mut text) = (0, 0);
            while let Some(event) = stream.next_event().await? {
                if let StreamEventKind::Text { delta } = &event.kind {
                    (seen, text) = (seen + 1, text + delta.len());
                }
            }
            assert!(seen >= events && text > 0, "{seen} events");
        }
        Ok(())
    }

    /// First turns of conversations in memory, some at once: the whole journal but the disk.
    pub async fn turns(&self, turns: usize, at_once: usize) -> Outcome<()> {
        let model = format!("lab/{SMALL}");
        let me = self.memory.user("ana");
        let mut work = futures::stream::iter(0..turns)
            .map(|_| async {
                Ok::<_, tertulia::Error>(me.new_conversation().send("hello").model(&*model).await?.text().len())
            })
            .buffer_unordered(at_once);
        while let Some(length) = work.next().await {
            assert!(length? > 0);
        }
        Ok(())
    }

    /// The latest 50 messages of a conversation on disk.
    pub async fn pages(&self, pages: usize) -> Outcome<()> {
        for _ in 0..pages {
            assert_eq!(self.history.history().await?.items.len(), 50);
        }
        Ok(())
    }

    pub async fn close(self) -> Outcome<()> {
        self.memory.close().await?;
        self.disk.close().await?;
        Ok(())
    }
}
