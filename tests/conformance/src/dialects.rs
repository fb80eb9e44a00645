//! Which dialect reads which API, and what the product's catalogue says of a provider.

use http::Uri;
use tertulia::call::catalog::Catalogue;
use tertulia::wire::anthropic::Anthropic;
use tertulia::wire::gemini::Gemini;
use tertulia::wire::openai_chat::OpenAiChat;
use tertulia::wire::openai_responses::OpenAiResponses;
use tertulia::wire::{Dialect, EmbedDialect, GeminiEmbeddings, Ollama, OllamaEmbeddings, OpenAiEmbeddings, Quirks};

use crate::case::Case;
use crate::embeddings::Vectors;

/// One row: the API as cases name it, the dialect that reads it, and the dialect itself once it is built.
type Row = (&'static str, &'static str, Option<fn() -> Box<dyn Dialect>>);

const ROWS: &[Row] = &[
    ("chat", "openai_chat", Some(|| Box::new(OpenAiChat))),
    ("messages", "anthropic", Some(|| Box::new(Anthropic))),
    ("responses", "openai_responses", Some(|| Box::new(OpenAiResponses))),
    ("gemini", "gemini", Some(|| Box::new(Gemini))),
    ("ollama_chat", "ollama", Some(|| Box::new(Ollama))),
    ("ollama_generate", "ollama", Some(|| Box::new(Ollama))),
];

/// The same for APIs that make vectors.
type EmbedRow = (&'static str, fn() -> Box<dyn EmbedDialect>);

const EMBED_ROWS: &[EmbedRow] = &[
    ("openai_embed", || Box::new(OpenAiEmbeddings)),
    ("gemini_embed", || Box::new(GeminiEmbeddings)),
    ("ollama_embed", || Box::new(OllamaEmbeddings)),
];

/// Who reads a case.
pub enum Reader {
    /// This dialect.
    Built(Box<dyn Dialect>),
    /// A dialect of this name, which is still to come.
    NotBuilt(String),
}

/// The dialect for the API of a case.
#[must_use]
pub fn reader(case: &Case) -> Reader {
    let api = &*case.api;
    if let Some((_, build)) = EMBED_ROWS.iter().find(|(name, _)| *name == api) {
        return Reader::Built(Box::new(Vectors::of(build(), case)));
    }
    match ROWS.iter().find(|(name, ..)| *name == api) {
        Some((_, _, Some(build))) => Reader::Built(build()),
        Some((_, dialect, None)) => Reader::NotBuilt((*dialect).to_owned()),
        None => Reader::NotBuilt(api.to_owned()),
    }
}

/// Where the provider of a case differs from its dialect: what the catalogue says of the provider of that name, or
/// else of the one at that host.
#[must_use]
pub fn quirks(catalogue: &Catalogue, case: &Case) -> Quirks {
    let by_name = catalogue.provider(&case.provider).map(|entry| entry.quirks.clone());
    let at_host = || {
        let host = case.host.as_deref()?.split(':').next()?;
        let known = catalogue.providers();
        let entry = known.iter().find(|info| info.base_url.parse::<Uri>().is_ok_and(|uri| uri.host() == Some(host)))?;
        Some(catalogue.provider(&entry.name)?.quirks.clone())
    };
    by_name.or_else(at_host).unwrap_or_default()
}
