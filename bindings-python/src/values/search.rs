//! What a search finds.

use tertulia::model::{SearchHit as HitRecord, Span as SpanRecord};

use crate::convert::{InItem, OutItem};

values! {
    /// A message that a search has found.
    SearchHit(record HitRecord) { message_id, conversation_id, score, snippet, on_current_branch }
    matches(message_id, conversation_id) shows(message_id, score, snippet) hashes(message_id, conversation_id)

    /// A piece of text with one look.
    Span(record SpanRecord) { text, hit } matches(text, hit) shows(text, hit) hashes(text, hit)
}

records!(SearchHit = HitRecord, Span = SpanRecord);

impl OutItem for SpanRecord {}
impl InItem for SpanRecord {}
