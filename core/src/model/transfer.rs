//! What exporting and importing conversations tells.

use serde::{Deserialize, Serialize};

/// What an export has written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportReport {
    /// How many conversations.
    pub conversations: i64,
    /// How many messages, on all branches.
    pub messages: i64,
    /// How many files that belong to messages.
    pub files: i64,
    /// How long the file is.
    pub bytes: i64,
}

/// What a file of conversations looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImportFormat {
    /// An export of this engine.
    #[default]
    Tertulia,
    /// The `conversations.json` of an export from ChatGPT.
    Chatgpt,
    /// The `conversations.json` of an export from Claude.
    Claude,
    /// Lists of messages with `role` and `content`, as OpenAI's API takes them.
    Messages,
}

impl ImportFormat {
    /// The stable word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tertulia => "tertulia",
            Self::Chatgpt => "chatgpt",
            Self::Claude => "claude",
            Self::Messages => "messages",
        }
    }
}

/// What an import has done, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// What the file was recognised as.
    pub format: ImportFormat,
    /// True when nothing was written.
    pub dry_run: bool,
    /// How many conversations were begun.
    pub conversations: i64,
    /// How many messages were added.
    pub messages: i64,
    /// How many messages were left out: those that are here already, and those that could not be taken.
    pub skipped: i64,
    /// How many things of the file were not as they should be.
    pub problem_count: i64,
    /// The first hundred of them.
    pub problems: Vec<ImportProblem>,
}

/// Something in a file that was not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImportProblem {
    /// The line on which its item begins, from 1.
    pub line: i64,
    /// The number of its item, from 1: of the line in JSON Lines, of the conversation or message in a list.
    pub item: i64,
    /// A stable word for what is wrong.
    pub reason: String,
    /// What is wrong and what was done about it, without anything that was said.
    pub detail: String,
}
