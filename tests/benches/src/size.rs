//! How large a database is beside the words in it, its index for search included.

use tertulia::{NewMessage, Tertulia};

use crate::Outcome;
use crate::prose::prose;

const CHATS: usize = 40;
const MESSAGES: usize = 500;

/// How large a file is.
pub struct Size {
    /// How many times as large as the words in it.
    pub at_once: f64,
    /// The same without the feed of changes, which is kept for a day.
    pub a_day_later: f64,
    /// Bytes for each message, and those of indexes, by what they are for.
    pub kinds: Vec<(String, f64, f64)>,
}

/// Saves messages of so many bytes, has all of them indexed and put together, and looks at the file.
pub async fn file_to_text(bytes: usize) -> Outcome<Size> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("size.db");
    let tertulia = Tertulia::open(path.to_string_lossy()).await?;
    let me = tertulia.user("ana");
    let mut words = 0;
    for chat in 0..CHATS {
        let texts: Vec<String> = (0..MESSAGES).map(|number| prose(chat * MESSAGES + number, bytes)).collect();
        words += texts.iter().map(String::len).sum::<usize>();
        me.new_conversation().append(texts.into_iter().map(NewMessage::user).collect::<Vec<_>>()).await?;
    }
    // Waits until all of it is indexed.
    me.search("none").await?;
    tertulia.store().vacuum().await?;
    let report = tertulia.store().storage_report().await?;
    tertulia.close().await?;
    let feed: i64 =
        report.kinds.iter().filter(|kind| kind.name == "changes").map(|kind| kind.bytes + kind.index_bytes).sum();
    let file = std::fs::metadata(path)?.len() as f64;
    let each = |bytes: i64| bytes as f64 / (CHATS * MESSAGES) as f64;
    Ok(Size {
        at_once: file / words as f64,
        a_day_later: (file - feed as f64) / words as f64,
        kinds: report.kinds.into_iter().map(|kind| (kind.name, each(kind.bytes), each(kind.index_bytes))).collect(),
    })
}
