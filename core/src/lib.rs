//! *The conversation engine you embed.*
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes, reason = "tests may panic")
)]

pub mod base;
#[cfg(feature = "engine")]
pub mod call;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "uniffi")]
pub mod facade;
pub mod model;
#[cfg(feature = "engine")]
pub mod net;
pub mod policy;
#[cfg(feature = "engine")]
pub mod runs;
#[cfg(feature = "engine")]
pub mod store;
pub mod wire;

pub use base::{
    AttachmentId, Attempt, BudgetId, ConversationId, Cursor, ErrorKind, Json, MessageId, Page, Retry, RunId, Secret,
    Timestamp, TurnId, UnreadJson,
};
#[cfg(feature = "engine")]
pub use call::{
    CacheState, Catalogue, Environment, EventStream, KeyFile, KeyFuture, KeySource, ModelRef, Provider, ProviderSpec,
};
#[cfg(feature = "engine")]
pub use engine::{
    Batch, BatchRun, CallOptions, Content, ContextOptions, ContextSettings, Conversation, ConversationOptions,
    ConversationsWatch, Events, Library, LibraryCache, LibrarySettings, Messages, Outbox, OutboxWatch, ProviderHandle,
    RawResponse, Reconfiguration, ReplyStream, Settings, SpendingAlert, SseStream, StoreUpkeep, SummarySettings,
    Tertulia, TertuliaBuilder, Timeline, TimelineSettings, TimelineSse, UserScope, reset, shared,
};
pub use model::*;
#[cfg(feature = "engine")]
pub use net::NetworkSettings;
pub use policy::{
    BreakerSettings, CacheMode, CacheSettings, FallbackSettings, LimitOverride, LimitSettings, MidStream,
    OutboxSettings, QueueSettings, RetrySettings,
};
#[cfg(feature = "engine")]
pub use runs::{Agent, Bounds, Council, CouncilPrompts, CouncilRule, Program, Run, Tool, ToolContext, ToolFailure};
#[cfg(feature = "sqlite")]
pub use store::StoreKey;
#[cfg(feature = "engine")]
pub use store::{ConversationChange, LibraryKey};

#[cfg(feature = "uniffi")]
uniffi::setup_scaffolding!();

/// The page of Rust in the guide, whose programs are tested here.
#[cfg(all(doctest, feature = "echo"))]
#[doc = include_str!("../../docs/guide/rust.md")]
pub struct Guide;
