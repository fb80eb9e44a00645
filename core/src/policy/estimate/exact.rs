//! Exact counts for the models whose vocabulary is public: OpenAI's.

use tiktoken_rs::bpe_for_model;

/// How many tokens a text is for this model of OpenAI's, named as OpenAI names it; nothing for a model whose vocabulary
/// is not known. The first count of a vocabulary builds its tables, which takes a while.
#[must_use]
pub fn exact_tokens(model: &str, text: &str) -> Option<u64> {
    let vocabulary = bpe_for_model(model).ok()?;
    Some(vocabulary.encode_ordinary(text).len() as u64)
}
