//! What a model would be shown.

use tertulia::model::{ContextReport as ReportRecord, SummaryReport as SummaryRecord};

values! {
    /// What a model would be shown of a conversation.
    ContextReport(record ReportRecord) { messages, turns, tokens, limit_tokens, is_whole, summary }
    matches(messages, tokens) shows(messages, turns, tokens, limit_tokens, is_whole) hashes(messages, turns, tokens)

    /// A summary of what was said before the messages that a model is shown.
    SummaryReport(record SummaryRecord) { upto, tokens, model, created_at }
    matches(upto, tokens) shows(upto, tokens, model, created_at) hashes(upto, tokens)
}

records!(ContextReport = ReportRecord, SummaryReport = SummaryRecord);
