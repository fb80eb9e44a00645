//! The plain words: enums without content, the same on both sides.

use crate::{base, model, policy};

/// An enum of the border with the variants of one inside, and the ways between.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident as $inner:path { $($(#[$about:meta])* $word:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
        #[non_exhaustive]
        pub enum $name { $($(#[$about])* $word,)* }

        impl From<$inner> for $name {
            fn from(word: $inner) -> Self {
                type Inner = $inner;
                match word { $(Inner::$word => Self::$word,)* }
            }
        }

        impl From<$name> for $inner {
            fn from(word: $name) -> Self {
                match word { $($name::$word => Self::$word,)* }
            }
        }
    };
}
pub(super) use words;

words! {
    /// How urgent a call is while others wait for the same model.
    Priority as model::Priority {
        /// Somebody looks at the screen and waits.
        Interactive,
        /// Somebody waits for the result, but not at a screen.
        Normal,
        /// Nobody waits: summaries, evaluations, batches.
        Background,
    }
}

words! {
    /// What a call does with the cache of replies.
    CacheMode as policy::CacheMode {
        /// Takes a reply that is there, or waits for one that is on its way; else asks and leaves the reply for others.
        Use,
        /// Asks, and neither reads nor leaves anything.
        Bypass,
        /// Asks in any case, and leaves the reply in the place of the old one.
        Refresh,
    }
}

words! {
    /// What becomes of a reply that breaks off after its first content. No delivered byte is ever repeated, whatever
    /// stands here. Before the first content a call is tried again and goes on to its next target in any case.
    MidStream as policy::MidStream {
        /// The call fails with `Truncated`, which holds what had arrived.
        Surface,
        /// Begins anew elsewhere while nothing was delivered; after the first content it is `Surface`.
        Restart,
        /// Asks again, the same model or the next target, with what had arrived as the beginning of the answer, and goes
        /// on behind it. For answers in words alone. The model may lose its thread.
        Continue,
    }
}

words! {
    /// Who says how long to wait before repeating.
    RetryAfterSource as model::RetryAfterSource {
        /// The provider named the time.
        Server,
        /// The engine's own count of the provider's limits.
        Bucket,
        /// Nobody knows; it is a guess.
        Assumed,
    }
}

words! {
    /// What a caller should do about a failure.
    ErrorKind as base::ErrorKind {
        /// The call cannot work as written. Fix it; nothing was stored.
        Invalid,
        /// No such thing, or not yours. Refresh.
        NotFound,
        /// Somebody was faster, or the same client id came with another body. Reload, decide, repeat.
        Conflict,
        /// No key, key rejected, or not allowed. Give a key, or use another model.
        Unauthorized,
        /// The provider's account is out of credit. Pay or fall back.
        QuotaExhausted,
        /// Your own limit refuses. Wait or raise it; nothing was spent.
        BudgetExceeded,
        /// Too fast, and waiting would pass the deadline. Wait.
        RateLimited,
        /// Network, provider down, overloaded, or an answer that made no sense. Later, or another target.
        Unavailable,
        /// A time limit passed before any text. Longer limit, or later.
        TimedOut,
        /// Too many tokens for every target. Shorten, or use a larger model.
        ContextTooLong,
        /// The provider refused the prompt or the whole answer. Rephrase.
        ContentFiltered,
        /// The reply broke off after it began. What had arrived is in `partial`; retry the turn.
        Truncated,
        /// The answer does not fit the schema. Other model, or look at `partial`.
        OutputInvalid,
        /// Stopped by someone else. Nothing to do.
        Cancelled,
        /// Could not save or read. Nothing was sent. Free space, retry.
        Storage,
        /// The engine is closed. Open it again.
        Closed,
        /// A bug of ours; the store stays usable. Report it.
        Internal,
    }
}

words! {
    /// Who speaks.
    Role as model::Role {
        /// The instructions.
        System,
        /// The person, or the program in its place.
        User,
        /// The model.
        Assistant,
        /// Tools, answering the model's calls.
        Tool,
    }
}

words! {
    /// How much of each message a page holds.
    Detail as model::Detail {
        /// Where it stands in the tree, whose it is, its status and its version: no parts, no model, no figures, no metadata.
        Ids,
        /// The same, and the beginning of its words: one text of at most 160 characters on one line; no part when it has none.
        Previews,
        /// All of it.
        Full,
    }
}

words! {
    /// What stands first among the messages that a search finds.
    SearchSort as model::SearchSort {
        /// The newest message.
        Recent,
        /// The message that fits best, among the newest 2,000 that are found at all.
        Relevance,
    }
}

words! {
    /// What a file of conversations looks like.
    ImportFormat as model::ImportFormat {
        /// An export of this engine.
        Tertulia,
        /// The `conversations.json` of an export from ChatGPT.
        Chatgpt,
        /// The `conversations.json` of an export from Claude.
        Claude,
        /// Lists of messages with `role` and `content`, as OpenAI's API takes them.
        Messages,
    }
}

words! {
    /// Where a message stands in its life.
    MessageStatus as model::MessageStatus {
        /// Kept, not answered yet.
        Pending,
        /// Being written by the model.
        Streaming,
        /// Whole.
        Complete,
        /// Broke off; holds what had arrived.
        Interrupted,
        /// Stopped; holds what had arrived.
        Cancelled,
        /// Deleted; the content is gone.
        Deleted,
    }
}

words! {
    /// The five resting places of a turn.
    ReplyStatus as model::ReplyStatus {
        /// Answered.
        Done,
        /// Kept; it will be sent by itself.
        Waiting,
        /// Kept; `retry` sends it.
        Parked,
        /// Broke off; `retry` asks again.
        Interrupted,
        /// Stopped.
        Cancelled,
    }
}

words! {
    /// Why the model stopped.
    FinishReason as model::FinishReason {
        /// It had said what it wanted, or met a stop sequence.
        Stop,
        /// It met a token limit.
        Length,
        /// It wants tools to be called.
        ToolCalls,
        /// The provider cut it off.
        ContentFilter,
        /// It declined.
        Refusal,
        /// The provider paused it; sending the conversation again goes on.
        Pause,
        /// The provider failed.
        Error,
        /// A word nobody here knows; it stands in the reply's raw finish reason.
        Other,
    }
}

words! {
    /// Where the figures of a usage come from.
    UsageSource as model::UsageSource {
        /// The provider said so.
        Reported,
        /// Counted by the engine, because the provider said nothing.
        Estimated,
        /// Nobody knows.
        Unknown,
    }
}

words! {
    /// Where the figure of a cost comes from.
    CostSource as model::CostSource {
        /// The provider named the price.
        Provider,
        /// Reported tokens times the catalogue's price.
        Catalogue,
        /// Estimated tokens times the catalogue's price.
        Estimated,
        /// Nobody knows.
        Unknown,
    }
}

words! {
    /// How much the model thinks.
    ReasoningEffort as model::ReasoningEffort {
        /// Not at all, where the model allows it.
        Off,
        /// As little as possible.
        Minimal,
        /// Little.
        Low,
        /// Some.
        Medium,
        /// Much.
        High,
    }
}

words! {
    /// Where a turn stands.
    TurnState as model::TurnState {
        /// The message is on disk; nothing was sent.
        Saved,
        /// The request is on its way.
        Sending,
        /// The answer is arriving.
        Streaming,
        /// Kept; it will be sent by itself.
        Waiting,
        /// Answered.
        Done,
        /// Broke off; holds what had arrived. `retry` asks again.
        Interrupted,
        /// Kept; `retry` sends it.
        Parked,
        /// Stopped; holds what had arrived.
        Cancelled,
    }
}

words! {
    /// The tick in a bubble.
    Delivery as model::Delivery {
        /// Kept, not sent.
        Pending,
        /// On its way.
        Sending,
        /// Reached the model.
        Sent,
        /// Will not be sent by itself.
        Failed,
    }
}

words! {
    /// What a breaker does with calls.
    BreakerState as model::BreakerState {
        /// Lets them pass.
        Closed,
        /// Lets none pass.
        Open,
        /// Lets one pass, to find out.
        HalfOpen,
    }
}

words! {
    /// How well something is.
    HealthState as model::HealthState {
        /// It does what it should.
        Ok,
        /// It does, but not for everybody or not at once.
        Degraded,
        /// It does not.
        Down,
    }
}
