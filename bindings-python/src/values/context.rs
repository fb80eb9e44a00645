//! What a model would be shown.

use tertulia::model::ContextReport as ReportRecord;

values! {
    /// What a model would be shown of a conversation.
    ContextReport(record ReportRecord) { messages, turns, tokens, limit_tokens, is_whole }
    matches(messages, tokens) shows(messages, turns, tokens, limit_tokens, is_whole) hashes(messages, turns, tokens)
}

records!(ContextReport = ReportRecord);
