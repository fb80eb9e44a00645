//! What batches and erasures tell.

use tertulia::model::{
    BatchItem as ItemRecord, BatchProgress as ProgressRecord, BatchReport as ReportRecord,
    ErasureReport as ErasureRecord,
};

use crate::convert::{InItem, OutItem};

values! {
    /// One item of a batch, and what became of it.
    BatchItem(record ItemRecord) { index, verb, state, conversation_id, message_ids, export, error }
    matches(index, verb, state) shows(index, verb, state, conversation_id) hashes(index, verb, conversation_id)

    /// What a batch has done, or would do.
    BatchReport(record ReportRecord) { dry_run, done, refused, skipped, items }
    matches(done, refused) shows(dry_run, done, refused, skipped) hashes(done, refused, skipped)

    /// How far a batch is.
    BatchProgress(record ProgressRecord) { phase, done, total }
    matches(phase, done, total) shows(phase, done, total) hashes(phase, done, total)

    /// What an erasure has taken out.
    ErasureReport(record ErasureRecord) { conversations, messages, streams, entries, scrubbed }
    matches(conversations, messages) shows(conversations, messages, streams, scrubbed) hashes(conversations, messages)
}

records!(
    BatchItem = ItemRecord,
    BatchReport = ReportRecord,
    BatchProgress = ProgressRecord,
    ErasureReport = ErasureRecord
);

impl OutItem for ItemRecord {}
impl InItem for ItemRecord {}
