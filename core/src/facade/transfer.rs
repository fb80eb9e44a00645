//! What files of conversations tell.

use crate::model;

/// What an export has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
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

impl From<model::ExportReport> for ExportReport {
    fn from(report: model::ExportReport) -> Self {
        let model::ExportReport { conversations, messages, files, bytes } = report;
        Self { conversations, messages, files, bytes }
    }
}
