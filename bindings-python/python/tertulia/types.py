"""The names that only type checkers need: words, unions, and the keywords of a call.

Imported when one of them is asked for, so that ``import tertulia`` does not pay for ``typing``.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, TypeAlias, TypedDict

from ._native import (
    ApprovalNeededRunEvent,
    ApprovedRunEvent,
    AskingRunEvent,
    AttachmentSource,
    AudioPart,
    CancelledRunEvent,
    ChatMessage,
    ChatRequest,
    CitationEvent,
    DataSource,
    DeniedRunEvent,
    DoneEvent,
    DoneRunEvent,
    FailedRunEvent,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    OtherEvent,
    OtherRunEvent,
    PartEvent,
    PathSource,
    PickedUpRunEvent,
    ProgressEvent,
    ProviderFileSource,
    ReasoningEvent,
    ReasoningPart,
    RefusalEvent,
    RefusalPart,
    RepliedRunEvent,
    StartedEvent,
    StartedRunEvent,
    TextEvent,
    TextPart,
    TextRunEvent,
    ToolCall,
    ToolCallDeltaEvent,
    ToolCallEvent,
    ToolCallPart,
    ToolDoneRunEvent,
    ToolResult,
    ToolResultEvent,
    ToolResultPart,
    ToolSpec,
    ToolStartedRunEvent,
    UrlSource,
    UsageEvent,
)

Role = Literal["system", "user", "assistant", "tool"]
MessageStatus = Literal["pending", "streaming", "complete", "interrupted", "cancelled", "deleted"]
ReplyStatus = Literal["done", "waiting", "parked", "interrupted", "cancelled"]
TurnState = Literal["saved", "sending", "streaming", "waiting", "done", "interrupted", "parked", "cancelled"]
Detail = Literal["ids", "previews", "full"]
Delivery = Literal["pending", "sending", "sent", "failed"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "pause", "error", "other"]
UsageSource = Literal["reported", "estimated", "unknown"]
CostSource = Literal["provider", "catalogue", "estimated", "unknown"]
BudgetScope = Literal["application", "user", "conversation", "run"]
BudgetUnit = Literal["nano_usd", "tokens", "requests"]
Window = Literal["minute", "hour", "day", "week", "month", "total"]
UsageBy = Literal["model", "day", "conversation", "user"]
SearchSort = Literal["recent", "relevance"]
TimelineItemType = Literal["message", "day_divider", "unread_marker", "typing", "gap", "other"]
TimelineDiffType = Literal[
    "append",
    "clear",
    "push_front",
    "push_back",
    "pop_front",
    "pop_back",
    "insert",
    "set",
    "remove",
    "truncate",
    "reset",
    "append_text",
    "other",
]
CacheMode = Literal["use", "bypass", "refresh"]
BreakerState = Literal["closed", "open", "half_open"]
HealthState = Literal["ok", "degraded", "down"]
BatchVerb = Literal["delete", "update", "tag", "untag", "retag", "append", "edit", "export"]
BatchState = Literal["skipped", "done", "refused"]
BatchPhase = Literal["checking", "waiting", "exporting", "writing", "over"]
ImportFormat = Literal["tertulia", "chatgpt", "claude", "messages"]
StoreProblemKind = Literal["damaged", "schema", "reference", "count"]
EngineEventType = Literal[
    "retry_scheduled",
    "breaker_changed",
    "limit_learned",
    "budget_alert",
    "outbox_changed",
    "turn_changed",
    "task_failed",
    "slow_query",
    "store_repaired",
    "key_rejected",
    "lagged",
]
ReasoningEffort = Literal["off", "minimal", "low", "medium", "high"]
MidStream = Literal["surface", "restart", "continue"]
ProgressStep = Literal["queued", "waiting", "retrying", "fell_back", "heartbeat"]
Retry = Literal["never", "safe", "after", "exhausted"]
RetryAfterSource = Literal["server", "bucket", "assumed"]
Priority = Literal["interactive", "normal", "background"]
RunStatus = Literal["running", "waiting", "done", "failed", "cancelled"]
ErrorKind = Literal[
    "invalid",
    "not_found",
    "conflict",
    "unauthorized",
    "quota_exhausted",
    "budget_exceeded",
    "rate_limited",
    "unavailable",
    "timed_out",
    "context_too_long",
    "content_filtered",
    "truncated",
    "output_invalid",
    "cancelled",
    "storage",
    "closed",
    "internal",
]

Part: TypeAlias = (
    TextPart
    | ReasoningPart
    | RefusalPart
    | ImagePart
    | AudioPart
    | FilePart
    | ToolCallPart
    | ToolResultPart
    | OpaquePart
)
"""One piece of a message. Later versions may add more: end a ``match`` with ``case _``."""

MediaSource: TypeAlias = PathSource | DataSource | UrlSource | AttachmentSource | ProviderFileSource
"""Where the bytes of a ``Media`` are."""

StreamEvent: TypeAlias = (
    StartedEvent
    | TextEvent
    | ReasoningEvent
    | RefusalEvent
    | CitationEvent
    | ToolCallDeltaEvent
    | ToolCallEvent
    | ToolResultEvent
    | PartEvent
    | ProgressEvent
    | UsageEvent
    | DoneEvent
    | OtherEvent
)
"""One event of a stream. Later versions may add more: end a ``match`` with ``case _``."""

RunEvent: TypeAlias = (
    StartedRunEvent
    | PickedUpRunEvent
    | AskingRunEvent
    | TextRunEvent
    | RepliedRunEvent
    | ApprovalNeededRunEvent
    | ApprovedRunEvent
    | DeniedRunEvent
    | ToolStartedRunEvent
    | ToolDoneRunEvent
    | DoneRunEvent
    | FailedRunEvent
    | CancelledRunEvent
    | OtherRunEvent
)
"""One event of a run. Later versions may add more: end a ``match`` with ``case _``."""

PartDict: TypeAlias = Mapping[str, Any]
"""A part in its plain form, as ``to_dict`` gives it: ``{"type": "text", "text": "…"}``."""

ContentPart: TypeAlias = str | Part | ToolCall | ToolResult | PartDict
Content: TypeAlias = ContentPart | Sequence[ContentPart]
"""What a caller says: text, a part, or a list of both."""


class MessageDict(TypedDict):
    """A message as everybody writes it: ``{"role": "user", "content": "…"}``."""

    role: Role
    content: Content


NewMessage: TypeAlias = MessageDict | Message | ChatMessage
"""A message that is not stored yet, or a stored one to be said again."""


class _TextFormatType(TypedDict):
    type: Literal["text", "grammar"]


class TextFormat(_TextFormatType, total=False):
    """What the text of a tool that takes free text must look like: any ``text``, or what a ``grammar`` allows."""

    syntax: Literal["lark", "regex"]
    definition: str


class ToolDict(TypedDict, total=False):
    """A tool in its plain form. One of free text has a ``text_format``, a provider's own a ``provider``."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool
    text_format: TextFormat | None
    provider: str | None


class NamedTool(TypedDict):
    """One tool that the model has to call."""

    name: str


ToolChoice: TypeAlias = Literal["auto", "never", "required"] | NamedTool


class OutputSchemaDict(TypedDict, total=False):
    """The shape of the answer, with a name."""

    name: str
    schema: Mapping[str, Any]
    strict: bool


class PromptCacheDict(TypedDict, total=False):
    """Which beginnings of the prompt the provider shall keep for the next call."""

    system: bool
    messages: Sequence[int]
    one_hour: bool
    key: str


class ContextDict(TypedDict, total=False):
    """How much of a conversation the model of one call is shown."""

    turns: int
    """At most so many turns, the newest ones; at least 1. What a user says and all that answers it is one, and what is
    asked now is among them."""
    tokens: int
    """At most so many tokens in all that is sent, by estimate; at least 1."""
    summary: bool
    """Whether a summary stands for what is left out, and is written where it is not there yet. As
    ``settings["context"]["summary"]["enabled"]`` says unless set."""


class _ProviderNames(TypedDict):
    name: str
    """The prefix of its models."""
    base_url: str
    """Where it is: https, or loopback, or with ``allow_http``."""


class MediaLimits(TypedDict, total=False):
    """How much a provider takes in one request, in bytes as they travel: four in base64 for every three of a file."""

    image_base64_bytes: int
    """One picture."""
    audio_base64_bytes: int
    """One sound."""
    file_base64_bytes: int
    """One document."""
    request_base64_bytes: int
    """All of them together."""


class ProviderSpec(_ProviderNames, total=False):
    """A provider of your own, as data."""

    title: str
    """Its name for people."""
    key_variable: str
    """The environment variable that holds its key."""
    auth: str
    """How it wants to see its key: ``bearer`` (default), ``none``, the name of a header, ``google_oauth``, ``aws_sigv4``."""
    dialect: str
    """``openai_chat`` (default), ``anthropic``, …"""
    quirks: Mapping[str, Any]
    """Where it differs from its dialect."""
    media: MediaLimits
    """How much of pictures, sounds and documents it takes. Left out: not limited here."""
    local: bool
    """True when it may load a model first, so that the first byte may take longer."""
    allow_http: bool
    """Allow plain http to another machine."""
    docs_url: str
    """Where its documentation is."""
    models: Mapping[str, Any]
    """What its models can do and cost, by bare name; ``*`` stands for all that are not listed."""


_Events: TypeAlias = AsyncIterable[StreamEvent] | Iterable[StreamEvent]

ProviderFunction: TypeAlias = Callable[[ChatRequest], _Events | Awaitable[_Events]]
"""A provider of your own, as code: best an async generator function, or any function that returns events.

Async code runs on an event loop that all such providers share, on a thread of its own: it must not block, and does not
see the context variables of who asked. Any other function runs on a thread per call and may block; nothing but its next
event can stop it. When the call is stopped, an async generator is cancelled where it waits, and then closed, so that
its ``finally`` runs. Whatever it raises is the ``__cause__`` of what the caller sees: a ``TertuliaError`` keeps its kind
and ``retry``, anything else is an ``UnavailableError`` (provider_failed).
"""


class _OwnNames(TypedDict):
    name: str
    """The prefix of its models."""
    stream: ProviderFunction
    """The function from a request to events."""


class OwnProvider(_OwnNames, total=False):
    """A provider of your own, as code, with a name and with what is known of its models."""

    models: Mapping[str, Any]
    """What its models can do and cost, by bare name; ``*`` stands for all that are not listed."""


class BoundsDict(TypedDict, total=False):
    """What one run of an agent may do at most. Who meets a bound ends with ``OutputInvalidError``; what is done is kept."""

    max_rounds: int
    """How often a model is asked. 16."""
    max_calls: int
    """How many calls of tools are made. 64."""
    parallel: int
    """How many of them at once. 8."""
    call_timeout_ms: int
    """How long each may take, in milliseconds, where the tool does not say. 60,000."""
    wall_ms: int
    """How long all of it may take, in milliseconds, without the waits for approvals. 600,000."""
    max_output_bytes: int
    """How long an answer of a tool may be; the model is shown its beginning. 262,144."""
    repeat_limit: int
    """How often the very same call may be asked for. 3."""
    max_repairs: int
    """How often a model is told that its answer does not fit and asked to mend it. 2."""


class CallOptions(TypedDict, total=False):
    """The knobs of one call. What is left out is taken from the conversation, then from the engine."""

    model: str
    """The model as ``provider/model``."""
    fallback: Sequence[str]
    """The models to go on to, in this order, when it is down, busy, out of credit, refuses the key or has too little
    room; an empty list is none. What the engine was made with unless set."""
    system: str
    """Instructions, for this call instead of the conversation's."""
    temperature: float
    """From 0 (always the likeliest word) to 2."""
    top_p: float
    """Only words within this share of likelihood."""
    seed: int
    """The same seed gives, as far as the provider can, the same answer."""
    stop_sequences: Sequence[str]
    """Where to stop."""
    max_tokens: int
    """At most this many tokens."""
    frequency_penalty: float
    """Against repeating words, -2 to 2."""
    presence_penalty: float
    """For new subjects, -2 to 2."""
    reasoning_effort: ReasoningEffort
    """How much the model thinks."""
    reasoning_tokens: int
    """How many tokens it may think."""
    tools: Sequence[ToolSpec | ToolDict | Mapping[str, Any]]
    """What it may call."""
    tool_choice: ToolChoice
    """Whether it does."""
    parallel_tools: bool
    """Whether it may call several at once."""
    output_schema: OutputSchemaDict | Mapping[str, Any]
    """The shape of the answer: a JSON schema."""
    prompt_cache: bool | PromptCacheDict
    """Which beginnings the provider shall keep for the next call. True: instructions and tools."""
    timeout: float | timedelta
    """For the whole call, in seconds. 600 unless set."""
    timeout_ms: int
    """For the whole call, in milliseconds."""
    mid_stream: MidStream
    """What becomes of a reply that breaks off after its first content: ``surface`` raises ``TruncatedError`` with what
    had arrived; ``continue`` asks again, the same model or the next one, and goes on behind it without repeating
    anything (words alone; the model may lose its thread); ``restart`` begins anew elsewhere while nothing was delivered,
    and is ``surface`` afterwards."""
    priority: Priority
    """How urgent it is while others wait for the same model. ``"interactive"`` unless set."""
    degrade: bool
    """What is done when the call fails after its message is saved. True: a reply says what became of the message
    (``status``, ``notice``), and where it can be sent later, that happens by itself. False: it raises, and ``retry`` sends
    it. Unless set, as ``settings["outbox"]["degrade"]`` says."""
    client_id: str
    """Your own id for the message: the same id is the same message; another body under it is a ``ConflictError``."""
    expected_head: str
    """The id of the last message of what is shown, as you know it: if another one is the last by the time the message is
    saved, nothing is stored, and a ``ConflictError`` names that one. ``ask`` does not look at it."""
    metadata: Mapping[str, str]
    """Kept beside the message, never sent."""
    key: str
    """A key for this call alone."""
    extra_body: Mapping[str, Any]
    """Fields that go into the provider's body as they are, over everything else."""
    extra_headers: Mapping[str, str]
    """Headers that go along. Those that carry keys are refused."""
    cache: CacheMode
    """What the call does with the cache of replies: take a reply that is there, leave it alone, or ask anew and replace it.
    Left out: ``use`` when ``settings.cache.enabled`` is true, else ``bypass``."""
    context: ContextDict
    """How much of the conversation the model is shown, as far as it has room; the oldest is left out first. What
    ``settings["context"]`` says unless set. ``ask`` does not look at it."""
    detached: bool
    """Let the reply go on when nobody reads it."""
    max_cost_usd: float
    """What the call may cost in all of its tries, in US dollars, whatever budgets there are."""
    max_cost_nano_usd: int
    """The same in billionths of a US dollar."""
