"""The native half of the package. Import the names from ``tertulia``."""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from os import PathLike
from types import ModuleType
from typing import Any, ClassVar, Generic, Literal, SupportsIndex, TypeVar, final, overload

from typing_extensions import Self, Unpack

from ._agents import Agent, AgentResult
from .types import (
    BatchPhase,
    BatchState,
    BatchVerb,
    BreakerState,
    BudgetScope,
    BudgetUnit,
    CallOptions,
    Content,
    ContentPart,
    CostSource,
    Delivery,
    Detail,
    EngineEventType,
    ErrorKind,
    FinishReason,
    HealthState,
    ImportFormat,
    MediaSource,
    MessageStatus,
    NewMessage,
    OutputSchemaDict,
    OwnProvider,
    Part,
    Priority,
    ProgressStep,
    PromptCacheDict,
    ProviderFunction,
    ProviderSpec,
    ReasoningEffort,
    ReplyStatus,
    Retry,
    RetryAfterSource,
    Role,
    RunEvent,
    RunStatus,
    SearchSort,
    StoreProblemKind,
    StreamEvent,
    TextFormat,
    TimelineDiffType,
    TimelineItemType,
    ToolChoice,
    TurnState,
    UsageBy,
    UsageSource,
    Window,
)

__version__: str
_probe: ModuleType

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

@final
class Capabilities:
    """What a model can do. Nothing = not known."""

    __match_args__: ClassVar[tuple[Literal["streaming"], Literal["tools"]]]

    def __new__(
        cls,
        streaming: bool | None = None,
        tools: bool | None = None,
        *,
        output_schema: bool | None = None,
        reasoning: bool | None = None,
        images: bool | None = None,
        audio: bool | None = None,
        files: bool | None = None,
    ) -> Self: ...
    @property
    def streaming(self) -> bool | None:
        """Answers piece by piece."""

    @property
    def tools(self) -> bool | None:
        """Calls tools."""

    @property
    def output_schema(self) -> bool | None:
        """Answers in a given JSON schema."""

    @property
    def reasoning(self) -> bool | None:
        """Thinks before it answers."""

    @property
    def images(self) -> bool | None:
        """Sees pictures."""

    @property
    def audio(self) -> bool | None:
        """Hears sounds."""

    @property
    def files(self) -> bool | None:
        """Reads documents."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Capabilities: ...

@final
class Price:
    """What a model costs. A figure is nano-USD for a million tokens unless it says otherwise: $3 are 3,000,000,000."""

    __match_args__: ClassVar[tuple[Literal["input_nano_usd"], Literal["output_nano_usd"]]]

    def __new__(
        cls,
        input_nano_usd: int = 0,
        output_nano_usd: int = 0,
        *,
        cache_read_nano_usd: int | None = None,
        cache_creation_nano_usd: int | None = None,
        cache_creation_1h_nano_usd: int | None = None,
        input_audio_nano_usd: int | None = None,
        cache_read_audio_nano_usd: int | None = None,
        output_audio_nano_usd: int | None = None,
        output_image_nano_usd: int | None = None,
        output_reasoning_nano_usd: int | None = None,
        request_nano_usd: int | None = None,
        web_search_nano_usd: int | None = None,
        tiers: Sequence[PriceTier | Mapping[str, Any]] = ...,
        changes: Sequence[PriceChange | Mapping[str, Any]] = ...,
        date: str | None = None,
    ) -> Self: ...
    @property
    def input_nano_usd(self) -> int:
        """For a million tokens sent in."""

    @property
    def output_nano_usd(self) -> int:
        """For a million tokens written."""

    @property
    def cache_read_nano_usd(self) -> int | None:
        """For a million tokens from the provider's cache; left out: as sent in."""

    @property
    def cache_creation_nano_usd(self) -> int | None:
        """For a million tokens written to the provider's cache; left out: as sent in."""

    @property
    def cache_creation_1h_nano_usd(self) -> int | None:
        """For a million tokens written to the provider's cache for an hour; left out: as others written to it."""

    @property
    def input_audio_nano_usd(self) -> int | None:
        """For a million tokens of sound sent in; left out: as other tokens."""

    @property
    def cache_read_audio_nano_usd(self) -> int | None:
        """For a million tokens of sound from the provider's cache; left out: as other tokens from it."""

    @property
    def output_audio_nano_usd(self) -> int | None:
        """For a million tokens of sound written; left out: as other tokens."""

    @property
    def output_image_nano_usd(self) -> int | None:
        """For a million tokens of pictures written; left out: as other tokens."""

    @property
    def output_reasoning_nano_usd(self) -> int | None:
        """For a million tokens of reasoning written; left out: as other tokens."""

    @property
    def request_nano_usd(self) -> int | None:
        """For each request, in nano-USD; left out: nothing."""

    @property
    def web_search_nano_usd(self) -> int | None:
        """For each search of the web by the provider, in nano-USD; left out: nothing."""

    @property
    def tiers(self) -> tuple[PriceTier, ...]:
        """Other prices for long prompts, by their lengths, the shortest first."""

    @property
    def changes(self) -> tuple[PriceChange, ...]:
        """Other prices at other times; the last one in force holds."""

    @property
    def date(self) -> str | None:
        """The day the price was taken down, as `2026-11-21`."""

    def cost(self, usage: Usage | Mapping[str, Any], *, at: datetime | int | None = None) -> Cost:
        """What these tokens cost when they were asked for at this moment, to the nearest nano-USD.

        ``at`` is an aware datetime, or milliseconds since 1970; left out: now. Unknown when ``usage.source`` is.
        """

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Price: ...

@final
class PriceTier:
    """Prices above a length of the prompt, for every token of the call. What is left out stays as below."""

    __match_args__: ClassVar[tuple[Literal["above_input_tokens"]]]

    def __new__(
        cls,
        above_input_tokens: int = 0,
        *,
        input_nano_usd: int | None = None,
        output_nano_usd: int | None = None,
        cache_read_nano_usd: int | None = None,
        cache_creation_nano_usd: int | None = None,
        cache_creation_1h_nano_usd: int | None = None,
    ) -> Self: ...
    @property
    def above_input_tokens(self) -> int:
        """They hold when more tokens than these are sent in, cached ones included."""

    @property
    def input_nano_usd(self) -> int | None:
        """For a million tokens sent in."""

    @property
    def output_nano_usd(self) -> int | None:
        """For a million tokens written."""

    @property
    def cache_read_nano_usd(self) -> int | None:
        """For a million tokens from the provider's cache."""

    @property
    def cache_creation_nano_usd(self) -> int | None:
        """For a million tokens written to the provider's cache."""

    @property
    def cache_creation_1h_nano_usd(self) -> int | None:
        """For a million tokens written to the provider's cache for an hour."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> PriceTier: ...

@final
class PriceChange:
    """Another price from a day on, at some hours of each day, or both. All times are UTC."""

    __match_args__: ClassVar[tuple[Literal["from_date"]]]

    def __new__(
        cls,
        from_date: str | None = None,
        *,
        from_time: str | None = None,
        to_time: str | None = None,
        price: Price | Mapping[str, Any],
    ) -> Self: ...
    @property
    def from_date(self) -> str | None:
        """The first day, as `2027-01-01`; left out: every day."""

    @property
    def from_time(self) -> str | None:
        """The first minute of the hours, as `06:00`; left out with `to_time`: all day."""

    @property
    def to_time(self) -> str | None:
        """The minute after the hours, as `10:00`; hours that end before they begin span midnight."""

    @property
    def price(self) -> Price:
        """The whole price in that time."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> PriceChange: ...

@final
class ModelInfo:
    """A model of the catalogue."""

    __match_args__: ClassVar[tuple[Literal["id"]]]

    def __new__(
        cls,
        id: str,
        *,
        context_window: int | None = None,
        max_output_tokens: int | None = None,
        price: Price | Mapping[str, Any] | None = None,
        capabilities: Capabilities,
    ) -> Self: ...
    @property
    def id(self) -> str:
        """The model as `provider/model`."""

    @property
    def context_window(self) -> int | None:
        """How many tokens fit in all."""

    @property
    def max_output_tokens(self) -> int | None:
        """How many tokens it writes at most."""

    @property
    def price(self) -> Price | None:
        """What it costs."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ModelInfo: ...

@final
class ProviderInfo:
    """A provider of the catalogue."""

    __match_args__: ClassVar[tuple[Literal["name"]]]

    def __new__(cls, name: str, *, title: str, base_url: str, key_variable: str | None = None) -> Self: ...
    @property
    def name(self) -> str:
        """The prefix of its models."""

    @property
    def title(self) -> str:
        """Its name for people."""

    @property
    def base_url(self) -> str:
        """Where it is."""

    @property
    def key_variable(self) -> str | None:
        """The environment variable that holds its key; nothing when it needs none."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ProviderInfo: ...

@final
class Budget:
    """A limit on what may be spent within a window. ``set_budget`` makes and sets one."""

    __match_args__: ClassVar[tuple[Literal["scope"], Literal["key"]]]

    def __new__(
        cls,
        scope: BudgetScope,
        key: str | None = None,
        *,
        window: Window,
        limit: Mapping[str, int],
        warn_at: Sequence[float] = ...,
    ) -> Self: ...
    @property
    def scope(self) -> BudgetScope:
        """What is counted together."""

    @property
    def key(self) -> str | None:
        """The one user, conversation or run that it is for; nothing = each one apart."""

    @property
    def window(self) -> Window:
        """When it begins again."""

    @property
    def limit(self) -> dict[str, int]:
        """How much may be spent, with its unit: ``{"nano_usd": 5_000_000_000}``."""

    @property
    def warn_at(self) -> tuple[float, ...]:
        """At which shares of the limit an alert is raised."""

    @property
    def id(self) -> str:
        """Names the budget: by its scope, key, window and unit."""

    @property
    def amount(self) -> int:
        """How much may be spent, in its own unit."""

    @property
    def unit(self) -> BudgetUnit:
        """Of what."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Budget: ...

@final
class BudgetStatus:
    """Where a budget stands. Amounts are in the unit of its limit."""

    __match_args__: ClassVar[tuple[Literal["budget"], Literal["key"]]]

    def __new__(
        cls,
        budget: Budget | Mapping[str, Any],
        key: str | None = None,
        *,
        spent: int = 0,
        reserved: int = 0,
        remaining: int = 0,
        resets_at: datetime | int | None = None,
    ) -> Self: ...
    @property
    def budget(self) -> Budget:
        """The budget."""

    @property
    def key(self) -> str | None:
        """For which user, conversation or run; nothing for the application."""

    @property
    def spent(self) -> int:
        """What was spent in the running window."""

    @property
    def reserved(self) -> int:
        """What running calls may spend at most."""

    @property
    def remaining(self) -> int:
        """What is left for further calls."""

    @property
    def resets_at(self) -> datetime | None:
        """When the next window begins; nothing = never."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> BudgetStatus: ...

@final
class UsageTotal:
    """What some calls took and cost together."""

    __match_args__: ClassVar[tuple[Literal["requests"]]]

    def __new__(
        cls,
        requests: int = 0,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_read_input_tokens: int = 0,
        cache_creation_input_tokens: int = 0,
        reasoning_output_tokens: int = 0,
        nano_usd: int = 0,
        unknown_cost_requests: int = 0,
        estimated_requests: int = 0,
    ) -> Self: ...
    @property
    def requests(self) -> int:
        """How many requests were sent."""

    @property
    def input_tokens(self) -> int:
        """Everything that was sent in, cached and cache-written tokens included."""

    @property
    def output_tokens(self) -> int:
        """Everything that was written, reasoning included."""

    @property
    def cache_read_input_tokens(self) -> int:
        """How much of the input came from a provider's cache."""

    @property
    def cache_creation_input_tokens(self) -> int:
        """How much of the input was written to a provider's cache."""

    @property
    def reasoning_output_tokens(self) -> int:
        """How much of the output was reasoning."""

    @property
    def nano_usd(self) -> int:
        """What is known of the cost, in billionths of a US dollar."""

    @property
    def unknown_cost_requests(self) -> int:
        """Requests whose cost nobody knows."""

    @property
    def estimated_requests(self) -> int:
        """Requests whose tokens or cost are an estimate."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> UsageTotal: ...

@final
class UsageRow:
    """One line of a report on what was spent."""

    __match_args__: ClassVar[tuple[Literal["key"], Literal["usage"]]]

    def __new__(
        cls,
        key: str,
        usage: UsageTotal | Mapping[str, Any],
    ) -> Self: ...
    @property
    def key(self) -> str:
        """The model, day, conversation or user."""

    @property
    def usage(self) -> UsageTotal:
        """What it took and cost."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> UsageRow: ...

@final
class UsageReport:
    """What was spent within some time."""

    __match_args__: ClassVar[tuple[Literal["total"], Literal["rows"]]]

    def __new__(
        cls,
        total: UsageTotal | Mapping[str, Any],
        rows: Sequence[UsageRow | Mapping[str, Any]] = ...,
        *,
        next: str | None = None,
    ) -> Self: ...
    @property
    def total(self) -> UsageTotal:
        """All of it, also what stands on other pages."""

    @property
    def rows(self) -> tuple[UsageRow, ...]:
        """This page, in the order of the keys."""

    @property
    def next(self) -> str | None:
        """The last key of this page when more follow: give it as ``after``."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> UsageReport: ...

@final
class Forecast:
    """What will have been spent at the end of a window, if spending goes on as it did in the last weeks."""

    __match_args__: ClassVar[tuple[Literal["spent_nano_usd"], Literal["expected_nano_usd"]]]

    def __new__(
        cls,
        spent_nano_usd: int = 0,
        expected_nano_usd: int = 0,
        *,
        low_nano_usd: int = 0,
        high_nano_usd: int = 0,
        confidence: float,
        ends_at: datetime | int,
        exceeds_at: datetime | int | None = None,
    ) -> Self: ...
    @property
    def spent_nano_usd(self) -> int:
        """What is spent in the window so far."""

    @property
    def expected_nano_usd(self) -> int:
        """What is spent at its end, most likely."""

    @property
    def low_nano_usd(self) -> int:
        """The lower end of the interval."""

    @property
    def high_nano_usd(self) -> int:
        """The upper end of the interval."""

    @property
    def confidence(self) -> float:
        """How likely the end is within the interval: 0.9."""

    @property
    def ends_at(self) -> datetime:
        """When the window ends."""

    @property
    def exceeds_at(self) -> datetime | None:
        """When a budget in money is used up, if spending goes on as expected."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Forecast: ...

@final
class Tier:
    """What each user of a group may do. What is left out is not limited."""

    __match_args__: ClassVar[tuple[Literal["requests_per_minute"], Literal["tokens_per_minute"]]]

    def __new__(
        cls,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        *,
        budgets: Sequence[Budget | Mapping[str, Any]] = ...,
        models: Sequence[str] = ...,
        priority: Priority | None = None,
    ) -> Self: ...
    @property
    def requests_per_minute(self) -> int | None:
        """So many requests in a minute of the clock."""

    @property
    def tokens_per_minute(self) -> int | None:
        """So many tokens in a minute of the clock, those sent in and those written."""

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """Budgets of each user, or of each conversation, besides those that are set."""

    @property
    def models(self) -> tuple[str, ...]:
        """The models that may be asked; none named: all."""

    @property
    def priority(self) -> Priority | None:
        """No call goes before others of this class, however urgent it says it is."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Tier: ...

@final
class EngineEvent:
    """Something that happened in an engine. Holds neither what was said nor a key."""

    __match_args__: ClassVar[tuple[Literal["kind"]]]

    def __new__(
        cls,
        kind: Mapping[str, Any],
        *,
        at: datetime | int,
        owner: str | None = None,
        conversation_id: str | None = None,
        turn_id: str | None = None,
    ) -> Self: ...
    @property
    def type(self) -> EngineEventType:
        """What happened, in a word."""

    @property
    def at(self) -> datetime:
        """When."""

    @property
    def owner(self) -> str | None:
        """Whom it concerns, where it concerns one user."""

    @property
    def conversation_id(self) -> str | None:
        """The conversation it belongs to."""

    @property
    def turn_id(self) -> str | None:
        """The turn it belongs to."""

    @property
    def kind(self) -> dict[str, Any]:
        """What happened."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> EngineEvent: ...

@final
class Spread:
    """How values spread. Each figure is within 4% of the exact one."""

    __match_args__: ClassVar[tuple[Literal["count"]]]

    def __new__(
        cls,
        count: int = 0,
        *,
        p50: float,
        p95: float,
        p99: float,
        max: float,
    ) -> Self: ...
    @property
    def count(self) -> int:
        """How many values."""

    @property
    def p50(self) -> float:
        """Half of them are not above this; 0 without values."""

    @property
    def p95(self) -> float:
        """95 of 100 are not above this."""

    @property
    def p99(self) -> float:
        """99 of 100 are not above this."""

    @property
    def max(self) -> float:
        """The largest, exactly."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Spread: ...

@final
class TargetStats:
    """Figures of one model, or of all.

     A call is what an application asks for, a try is one request for it. A call counts at the model that had the last
    word on it.
    """

    __match_args__: ClassVar[tuple[Literal["model"]]]

    def __new__(
        cls,
        model: str,
        *,
        calls: int = 0,
        succeeded: int = 0,
        cancelled: int = 0,
        errors: Mapping[str, int] | None = None,
        success_rate: float | None = None,
        attempts: int = 0,
        retries: int = 0,
        attempt_errors: Mapping[str, int] | None = None,
        first_delta_ms: Spread | Mapping[str, Any],
        duration_ms: Spread | Mapping[str, Any],
        added_ms: Spread | Mapping[str, Any],
        delta_gap_ms: Spread | Mapping[str, Any],
        tokens_per_second: Spread | Mapping[str, Any],
        queue_wait_ms: Spread | Mapping[str, Any],
        connection_wait_ms: Spread | Mapping[str, Any],
        open_streams: int = 0,
        stalls: int = 0,
        reattached: int = 0,
        cache_hits: int = 0,
        cache_misses: int = 0,
    ) -> Self: ...
    @property
    def model(self) -> str:
        """The model as ``provider/model``; ``*`` for all together."""

    @property
    def calls(self) -> int:
        """Calls that ended."""

    @property
    def succeeded(self) -> int:
        """Those that ended with a whole reply."""

    @property
    def cancelled(self) -> int:
        """Those that were stopped by whoever made them."""

    @property
    def errors(self) -> dict[str, int]:
        """The other calls, by kind of error."""

    @property
    def success_rate(self) -> float | None:
        """The share of whole replies among the calls that were not stopped, from 0 to 1; nothing without such a call."""

    @property
    def attempts(self) -> int:
        """Tries that ended, the first of each call included."""

    @property
    def retries(self) -> int:
        """Those that repeated another one."""

    @property
    def attempt_errors(self) -> dict[str, int]:
        """The tries that failed, by kind of error."""

    @property
    def first_delta_ms(self) -> Spread:
        """From the call to the first words of its reply, in milliseconds."""

    @property
    def duration_ms(self) -> Spread:
        """From the call to the end of a whole reply, in milliseconds."""

    @property
    def added_ms(self) -> Spread:
        """What of the time to the first words was the engine's own work: neither the provider's time nor a pause before
        a retry, in milliseconds."""

    @property
    def delta_gap_ms(self) -> Spread:
        """Between two arrivals of words, in milliseconds; of replies that have ended."""

    @property
    def tokens_per_second(self) -> Spread:
        """Output tokens a second, from the first words on."""

    @property
    def queue_wait_ms(self) -> Spread:
        """The wait in the queue, in milliseconds."""

    @property
    def connection_wait_ms(self) -> Spread:
        """The wait for a free connection, in milliseconds; of calls that had to wait."""

    @property
    def open_streams(self) -> int:
        """Replies that are on their way now."""

    @property
    def stalls(self) -> int:
        """Tries that were given up because nothing came in time."""

    @property
    def reattached(self) -> int:
        """Readers that came back to a reply under way."""

    @property
    def cache_hits(self) -> int:
        """Replies out of the cache."""

    @property
    def cache_misses(self) -> int:
        """Calls whose reply was not in the cache."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> TargetStats: ...

@final
class Stats:
    """Figures of the last while."""

    __match_args__: ClassVar[tuple[Literal["window_ms"]]]

    def __new__(
        cls,
        window_ms: int = 0,
        *,
        total: TargetStats | Mapping[str, Any],
        targets: Sequence[TargetStats | Mapping[str, Any]] = ...,
    ) -> Self: ...
    @property
    def window_ms(self) -> int:
        """How long a while, in milliseconds: at most an hour."""

    @property
    def total(self) -> TargetStats:
        """Of all models together."""

    @property
    def targets(self) -> tuple[TargetStats, ...]:
        """Of each model that was asked, by name. Only the 64 that were asked last have figures of their own."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Stats: ...

@final
class PartHealth:
    """How a part of the engine is."""

    __match_args__: ClassVar[tuple[Literal["name"], Literal["state"]]]

    def __new__(
        cls,
        name: str,
        state: HealthState,
        *,
        since: datetime | int | None = None,
        why: str | None = None,
    ) -> Self: ...
    @property
    def name(self) -> str:
        """The part."""

    @property
    def state(self) -> HealthState:
        """How it is."""

    @property
    def since(self) -> datetime | None:
        """Since when, unless it was never otherwise."""

    @property
    def why(self) -> str | None:
        """Why, as a reason word, unless it is well."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> PartHealth: ...

@final
class BreakerHealth:
    """The breaker of a model."""

    __match_args__: ClassVar[tuple[Literal["model"], Literal["state"]]]

    def __new__(
        cls,
        model: str,
        state: BreakerState,
        *,
        since: datetime | int,
        until: datetime | int | None = None,
    ) -> Self: ...
    @property
    def model(self) -> str:
        """The model, as ``provider/model``."""

    @property
    def state(self) -> BreakerState:
        """What it does with calls."""

    @property
    def since(self) -> datetime:
        """Since when."""

    @property
    def until(self) -> datetime | None:
        """Before this moment nothing is sent, while it is open."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> BreakerHealth: ...

@final
class LibraryEntry:
    """A value of a library, in one of its versions."""

    __match_args__: ClassVar[tuple[Literal["name"], Literal["value"]]]

    def __new__(
        cls,
        name: str,
        value: Any,
        *,
        kind: str,
        version: int = 0,
        shared: bool = False,
        created_at: datetime | int,
        updated_at: datetime | int,
    ) -> Self: ...
    @property
    def kind(self) -> str:
        """What it is: ``prompt``, ``persona``, ``council``, ``setting``, or a kind of your own."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def version(self) -> int:
        """The number of the version, from 1."""

    @property
    def value(self) -> Any:
        """The value: JSON."""

    @property
    def shared(self) -> bool:
        """True when it is the application's; False when it is the user's own."""

    @property
    def created_at(self) -> datetime:
        """When the first version was put there."""

    @property
    def updated_at(self) -> datetime:
        """When this version was put there."""

    @property
    def text(self) -> str | None:
        """The text, of a value that is one; ``None`` of any other."""

    def render(self, **values: str) -> str:
        """The text with ``{{name}}`` replaced by the value of that name, wherever it stands.

        Blanks within the braces are allowed; a name is made of letters, digits, ``_``, ``-`` and ``.``; braces about anything
        else stay as they are. A value is put in as it is, and values that no place asks for are left out. ``InvalidError``:
        ``missing_value`` names a value that is asked for and not given, ``not_text`` for a value that is no text.
        """

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> LibraryEntry: ...

@final
class LibraryItem:
    """A name in a library's list."""

    __match_args__: ClassVar[tuple[Literal["name"], Literal["version"]]]

    def __new__(
        cls,
        name: str,
        version: int = 0,
        *,
        shared: bool = False,
        created_at: datetime | int,
        updated_at: datetime | int,
    ) -> Self: ...
    @property
    def name(self) -> str:
        """The name."""

    @property
    def version(self) -> int:
        """The newest version."""

    @property
    def shared(self) -> bool:
        """True when it is the application's; False when it is the user's own."""

    @property
    def created_at(self) -> datetime:
        """When the first version was put there."""

    @property
    def updated_at(self) -> datetime:
        """When the newest was."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> LibraryItem: ...

@final
class LibraryVersion:
    """A version of a value, without the value."""

    __match_args__: ClassVar[tuple[Literal["version"]]]

    def __new__(cls, version: int = 0, *, created_at: datetime | int, size_bytes: int = 0) -> Self: ...
    @property
    def version(self) -> int:
        """Its number."""

    @property
    def created_at(self) -> datetime:
        """When it was put there."""

    @property
    def size_bytes(self) -> int:
        """How long it is as JSON, in bytes."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> LibraryVersion: ...

@final
class LibraryHealth:
    """What the library's cache has done since the engine was opened, and what it holds."""

    __match_args__: ClassVar[tuple[Literal["hits"], Literal["misses"]]]

    def __new__(
        cls,
        hits: int = 0,
        misses: int = 0,
        *,
        hit_rate: float,
        coalesced: int = 0,
        dropped: int = 0,
        evicted: int = 0,
        entries: int = 0,
        bytes: int = 0,
    ) -> Self: ...
    @property
    def hits(self) -> int:
        """Values that were remembered and still true."""

    @property
    def misses(self) -> int:
        """Values that had to be read."""

    @property
    def hit_rate(self) -> float:
        """Of all hits and misses the share of hits, from 0 to 1; 0 before the first."""

    @property
    def coalesced(self) -> int:
        """Values that somebody else was reading at that time; counted as hits."""

    @property
    def dropped(self) -> int:
        """Values that were forgotten: somebody changed them, here or in another process, or asked for it."""

    @property
    def evicted(self) -> int:
        """Values that made room for others."""

    @property
    def entries(self) -> int:
        """Values that are remembered."""

    @property
    def bytes(self) -> int:
        """What they take in memory, about, in bytes."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> LibraryHealth: ...

@final
class LimitHealth:
    """Limits of a model that were learnt."""

    __match_args__: ClassVar[tuple[Literal["model"]]]

    def __new__(
        cls,
        model: str,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
    ) -> Self: ...
    @property
    def model(self) -> str:
        """The model, as ``provider/model``."""

    @property
    def requests_per_minute(self) -> int | None:
        """Requests a minute, where that is known."""

    @property
    def tokens_per_minute(self) -> int | None:
        """Tokens a minute, where that is known."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> LimitHealth: ...

@final
class TaskHealth:
    """Work in the background."""

    __match_args__: ClassVar[tuple[Literal["name"]]]

    def __new__(
        cls,
        name: str,
        *,
        owner: str | None = None,
        age_ms: int = 0,
    ) -> Self: ...
    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def owner(self) -> str | None:
        """Whom it works for, where that is one user."""

    @property
    def age_ms(self) -> int:
        """How long it has been at it, in milliseconds."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> TaskHealth: ...

@final
class OperationHealth:
    """What the store was asked, under one name."""

    __match_args__: ClassVar[tuple[Literal["name"]]]

    def __new__(
        cls,
        name: str,
        *,
        calls: int = 0,
        failures: int = 0,
        duration_ms: Spread | Mapping[str, Any],
    ) -> Self: ...
    @property
    def name(self) -> str:
        """The name."""

    @property
    def calls(self) -> int:
        """How often it was asked and answered."""

    @property
    def failures(self) -> int:
        """How often the store itself failed."""

    @property
    def duration_ms(self) -> Spread:
        """How long it took in milliseconds, waiting for its turn included."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> OperationHealth: ...

@final
class SlowStatement:
    """A statement of something that took long."""

    __match_args__: ClassVar[tuple[Literal["sql"]]]

    def __new__(
        cls,
        sql: str,
        *,
        plan: Sequence[str] = ...,
    ) -> Self: ...
    @property
    def sql(self) -> str:
        """Its text, in which no value stands."""

    @property
    def plan(self) -> tuple[str, ...]:
        """How the database goes about it, a line for each step; empty for what has no plan."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> SlowStatement: ...

@final
class SlowQuery:
    """Something that took a store long."""

    __match_args__: ClassVar[tuple[Literal["query"]]]

    def __new__(
        cls,
        query: str,
        *,
        at: datetime | int,
        duration_ms: int = 0,
        statements: Sequence[SlowStatement | Mapping[str, Any]] = ...,
    ) -> Self: ...
    @property
    def query(self) -> str:
        """What the store was asked, as in the names of ``store_operations``."""

    @property
    def at(self) -> datetime:
        """When it had ended."""

    @property
    def duration_ms(self) -> int:
        """How long it took, in milliseconds."""

    @property
    def statements(self) -> tuple[SlowStatement, ...]:
        """The statements that it took: the first 8 that differ."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> SlowQuery: ...

@final
class StoreFigures:
    """What a store measures of itself, since it was opened unless something else is said."""

    __match_args__: ClassVar[tuple[Literal["writes_waiting"]]]

    def __new__(
        cls,
        writes_waiting: int = 0,
        *,
        write_wait_ms: Spread | Mapping[str, Any],
        readers: int = 0,
        readers_busy: int = 0,
        reads_waiting: int = 0,
        read_wait_ms: Spread | Mapping[str, Any],
        batches: int = 0,
        commits: int = 0,
        statements: int = 0,
        log_bytes: int = 0,
        slow_queries: int = 0,
        last_slow: Sequence[SlowQuery | Mapping[str, Any]] = ...,
    ) -> Self: ...
    @property
    def writes_waiting(self) -> int:
        """Batches that wait for the one thread that writes."""

    @property
    def write_wait_ms(self) -> Spread:
        """How long the last 512 of them waited for it, in milliseconds."""

    @property
    def readers(self) -> int:
        """Threads that read."""

    @property
    def readers_busy(self) -> int:
        """How many of them are at work."""

    @property
    def reads_waiting(self) -> int:
        """Reads that wait for one of them."""

    @property
    def read_wait_ms(self) -> Spread:
        """How long the last 512 reads waited, in milliseconds."""

    @property
    def batches(self) -> int:
        """Batches that were written."""

    @property
    def commits(self) -> int:
        """Commits they took: those that come together share one."""

    @property
    def statements(self) -> int:
        """Statements that were run for them."""

    @property
    def log_bytes(self) -> int:
        """What the log held after the last commit, in bytes."""

    @property
    def slow_queries(self) -> int:
        """Reads and commits that took longer than ``store.slow_query_ms``, waiting not counted."""

    @property
    def last_slow(self) -> tuple[SlowQuery, ...]:
        """The last 8 of them, the newest first."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> StoreFigures: ...

@final
class Health:
    """How an engine is at a moment."""

    __match_args__: ClassVar[tuple[Literal["state"]]]

    def __new__(
        cls,
        state: HealthState,
        *,
        at: datetime | int,
        store: PartHealth | Mapping[str, Any],
        cache: PartHealth | Mapping[str, Any],
        outbox: PartHealth | Mapping[str, Any],
        outbox_pending: int = 0,
        providers: Sequence[PartHealth | Mapping[str, Any]] = ...,
        breakers: Sequence[BreakerHealth | Mapping[str, Any]] = ...,
        limits: Sequence[LimitHealth | Mapping[str, Any]] = ...,
        queue_waiting: int = 0,
        open_streams: int = 0,
        tasks: Sequence[TaskHealth | Mapping[str, Any]] = ...,
        store_operations: Sequence[OperationHealth | Mapping[str, Any]] = ...,
        store_figures: StoreFigures | Mapping[str, Any] | None = None,
        cache_hits: int = 0,
        cache_misses: int = 0,
        library: LibraryHealth | Mapping[str, Any],
    ) -> Self: ...
    @property
    def at(self) -> datetime:
        """When."""

    @property
    def state(self) -> HealthState:
        """The worst that concerns all of it: down when the store is, degraded when any part is not well."""

    @property
    def store(self) -> PartHealth:
        """Where conversations are kept."""

    @property
    def cache(self) -> PartHealth:
        """The cache of replies."""

    @property
    def outbox(self) -> PartHealth:
        """What is to be sent later."""

    @property
    def outbox_pending(self) -> int:
        """How many messages wait there."""

    @property
    def providers(self) -> tuple[PartHealth, ...]:
        """Every provider that was asked, by name."""

    @property
    def breakers(self) -> tuple[BreakerHealth, ...]:
        """Every model that is left alone or was, since the engine was opened."""

    @property
    def limits(self) -> tuple[LimitHealth, ...]:
        """Limits that were learnt."""

    @property
    def queue_waiting(self) -> int:
        """Calls that wait in the queue."""

    @property
    def open_streams(self) -> int:
        """Replies that are on their way."""

    @property
    def tasks(self) -> tuple[TaskHealth, ...]:
        """Work in the background, oldest first."""

    @property
    def store_operations(self) -> tuple[OperationHealth, ...]:
        """What the store was asked since the engine was opened, by name."""

    @property
    def store_figures(self) -> StoreFigures | None:
        """What the store measures of itself; nothing of one in memory."""

    @property
    def cache_hits(self) -> int:
        """Replies out of the cache since the engine was opened."""

    @property
    def cache_misses(self) -> int:
        """Calls whose reply was not in the cache, since the engine was opened."""

    @property
    def library(self) -> LibraryHealth:
        """What the library's cache has done and holds."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Health: ...

@final
class ErrorInfo:
    """An error as plain data, for other languages, for JSON, for a reply."""

    __match_args__: ClassVar[tuple[Literal["kind"], Literal["reason"], Literal["detail"]]]

    def __new__(
        cls,
        kind: ErrorKind,
        reason: str,
        detail: str,
        *,
        user_message: str,
        operation: str,
        retry: Retry = ...,
        retry_after_ms: int | None = None,
        retry_after_source: RetryAfterSource | None = None,
        saved: bool = False,
        turn_id: str | None = None,
        partial: Sequence[ContentPart] = ...,
        budget: BudgetStatus | Mapping[str, Any] | None = None,
        limit_tokens: int | None = None,
        estimated_tokens: int | None = None,
        provider: str | None = None,
        model: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        attempts: Sequence[Attempt | Mapping[str, Any]] = ...,
    ) -> Self: ...
    @property
    def kind(self) -> ErrorKind:
        """What to do about it."""

    @property
    def reason(self) -> str:
        """A stable machine word inside the kind."""

    @property
    def detail(self) -> str:
        """A sentence for developers."""

    @property
    def user_message(self) -> str:
        """A sentence fit for an end user."""

    @property
    def operation(self) -> str:
        """What was being done, as `conversation.send`."""

    @property
    def retry(self) -> Retry:
        """Whether repeating can help."""

    @property
    def retry_after_ms(self) -> int | None:
        """The shortest wait before repeating, in milliseconds. What is rate limited always has one."""

    @property
    def retry_after_source(self) -> RetryAfterSource | None:
        """Who says so: the provider (``"server"``), the engine's count of its limits (``"bucket"``), or nobody."""

    @property
    def saved(self) -> bool:
        """True when the message is kept."""

    @property
    def turn_id(self) -> str | None:
        """The turn, when there is one."""

    @property
    def partial(self) -> tuple[Part, ...]:
        """What had arrived."""

    @property
    def budget(self) -> BudgetStatus | None:
        """The budget that refused, and what is left of it."""

    @property
    def limit_tokens(self) -> int | None:
        """How many tokens fit."""

    @property
    def estimated_tokens(self) -> int | None:
        """How many there were, by estimate."""

    @property
    def provider(self) -> str | None:
        """Who failed."""

    @property
    def model(self) -> str | None:
        """The model that was asked."""

    @property
    def status(self) -> int | None:
        """The HTTP status."""

    @property
    def request_id(self) -> str | None:
        """The provider's id of the request."""

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every try."""

    @property
    def retry_after(self) -> float | None:
        """The shortest wait before repeating, in seconds."""

    @property
    def http_status(self) -> int:
        """The HTTP status a server that embeds the engine may answer with."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ErrorInfo: ...

@final
class StartedEvent:
    """The message is on disk and the call begins. The first event."""

    __match_args__: ClassVar[tuple[Literal["model"]]]

    def __new__(
        cls, model: str, *, message_id: str | None = None, seq: int = 0, turn_id: str | None = None, part_index: int = 0
    ) -> Self: ...
    @property
    def type(self) -> Literal["started"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the turn, from 1. Deltas that were joined carry the last number among them."""

    @property
    def turn_id(self) -> str | None:
        """The turn, unless nothing is stored."""

    @property
    def part_index(self) -> int:
        """The part of the answer it belongs to, from 0."""

    @property
    def message_id(self) -> str | None:
        """The answer's id, unless nothing is stored."""

    @property
    def model(self) -> str:
        """The model that is asked, as `provider/model`."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> StartedEvent: ...

@final
class TextEvent:
    """Words of the answer."""

    __match_args__: ClassVar[tuple[Literal["delta"]]]

    def __new__(cls, delta: str, *, seq: int = 0, turn_id: str | None = None, part_index: int = 0) -> Self: ...
    @property
    def type(self) -> Literal["text"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the turn, from 1. Deltas that were joined carry the last number among them."""

    @property
    def turn_id(self) -> str | None:
        """The turn, unless nothing is stored."""

    @property
    def part_index(self) -> int:
        """The part of the answer it belongs to, from 0."""

    @property
    def delta(self) -> str:
        """The next words."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> TextEvent: ...

@final
class ReasoningEvent:
    """Thoughts of the model."""

    __match_args__: ClassVar[tuple[Literal["delta"]]]

    def __new__(cls, delta: str, *, seq: int = 0, turn_id: str | None = None, part_index: int = 0) -> Self: ...
    @property
    def type(self) -> Literal["reasoning"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the turn, from 1. Deltas that were joined carry the last number among them."""

    @property
    def turn_id(self) -> str | None:
        """The turn, unless nothing is stored."""

    @property
    def part_index(self) -> int:
        """The part of the answer it belongs to, from 0."""

    @property
    def delta(self) -> str:
        """The next words."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ReasoningEvent: ...

@final
class RefusalEvent:
    """The model declines."""

    __match_args__: ClassVar[tuple[Literal["delta"]]]

    def __new__(cls, delta: str, *, seq: int = 0, turn_id: str | None = None, part_index: int = 0) -> Self: ...
    @property
    def type(self) -> Literal["refusal"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the turn, from 1. Deltas that were joined carry the last number among them."""

    @property
    def turn_id(self) -> str | None:
        """The turn, unless nothing is stored."""

    @property
    def part_index(self) -> int:
        """The part of the answer it belongs to, from 0."""

    @property
    def delta(self) -> str:
        """The next words."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> RefusalEvent: ...

@final
class CitationEvent:
    """A source of the words so far."""

    __match_args__: ClassVar[tuple[Literal["citation"]]]

    def __new__(
        cls, citation: Citation | Mapping[str, Any], *, seq: int = 0, turn_id: str | None = None, part_index: int = 0
    ) -> Self: ...
    @property
    def type(self) -> Literal["citation"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the turn, from 1. Deltas that were joined carry the last number among them."""

    @property
    def turn_id(self) -> str | None:
        """The turn, unless nothing is stored."""

    @property
    def part_index(self) -> int:
        """The part of the answer it belongs to, from 0."""

    @property
    def citation(self) -> Citation:
        """The source."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> CitationEvent: ...

@final
class ToolCallDeltaEvent:
    """A call of a tool, as it is written."""

    __match_args__: ClassVar[tuple[Literal["call_id"], Literal["name"], Literal["arguments_delta"]]]

    def __new__(
        cls,
        call_id: str,
        name: str,
        arguments_delta: str,
        *,
        seq: int = 0,
        turn_id: str | None = None,
        part_index: int = 0,
    ) -> Self: ...
    @property
    def type(self) -> Literal["tool_call_delta"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the turn, from 1. Deltas that were joined carry the last number among them."""

    @property
    def turn_id(self) -> str | None:
        """The turn, unless nothing is stored."""

    @property
    def part_index(self) -> int:
        """The part of the answer it belongs to, from 0."""

    @property
    def call_id(self) -> str:
        """The call."""

    @property
    def name(self) -> str:
        """The tool."""

    @property
    def arguments_delta(self) -> str:
        """The next characters of the arguments."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ToolCallDeltaEvent: ...

@final
class ToolCallEvent:
    """A call of a tool, whole."""

    __match_args__: ClassVar[tuple[Literal["call"]]]

    def __new__(
        cls, call: ToolCall | Mapping[str, Any], *, seq: int = 0, turn_id: str | None = None, part_index: int = 0
    ) -> Self: ...
    @property
    def type(self) -> Literal["tool_call"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the turn, from 1. Deltas that were joined carry the last number among them."""

    @property
    def turn_id(self) -> str | None:
        """The turn, unless nothing is stored."""

    @property
    def part_index(self) -> int:
        """The part of the answer it belongs to, from 0."""

    @property
    def call(self) -> ToolCall:
        """The call."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ToolCallEvent: ...

@final
class ToolResultEvent:
    """What a tool answered."""

    __match_args__: ClassVar[tuple[Literal["result"]]]

    def __new__(
        cls, result: ToolResult | Mapping[str, Any], *, seq: int = 0, turn_id: str | None = None, part_index: int = 0
    ) -> Self: ...
    @property
    def type(self) -> Literal["tool_result"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the turn, from 1. Deltas that were joined carry the last number among them."""

    @property
    def turn_id(self) -> str | None:
        """The turn, unless nothing is stored."""

    @property
    def part_index(self) -> int:
        """The part of the answer it belongs to, from 0."""

    @property
    def result(self) -> ToolResult:
        """The answer."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ToolResultEvent: ...

@final
class PartEvent:
    """A whole part that is no text: image, file, opaque."""

    __match_args__: ClassVar[tuple[Literal["part"]]]

    def __new__(cls, part: ContentPart, *, seq: int = 0, turn_id: str | None = None, part_index: int = 0) -> Self: ...
    @property
    def type(self) -> Literal["part"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the turn, from 1. Deltas that were joined carry the last number among them."""

    @property
    def turn_id(self) -> str | None:
        """The turn, unless nothing is stored."""

    @property
    def part_index(self) -> int:
        """The part of the answer it belongs to, from 0."""

    @property
    def part(self) -> Part:
        """The part."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> PartEvent: ...

@final
class ProgressEvent:
    """Something on the way: before the first content, or a sign of life at any time."""

    __match_args__: ClassVar[tuple[Literal["progress"]]]

    def __new__(
        cls, progress: Mapping[str, Any], *, seq: int = 0, turn_id: str | None = None, part_index: int = 0
    ) -> Self: ...
    @property
    def type(self) -> Literal["progress"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the turn, from 1. Deltas that were joined carry the last number among them."""

    @property
    def turn_id(self) -> str | None:
        """The turn, unless nothing is stored."""

    @property
    def part_index(self) -> int:
        """The part of the answer it belongs to, from 0."""

    @property
    def progress(self) -> dict[str, Any]:
        """What."""

    @property
    def step(self) -> ProgressStep:
        """What happens. What belongs to the other steps is ``None``."""

    @property
    def position(self) -> int | None:
        """How many calls are before this one (queued)."""

    @property
    def wait_ms(self) -> int | None:
        """The likely wait (queued, waiting), or the wait before the next try (retrying), in milliseconds."""

    @property
    def reason(self) -> str | None:
        """What is waited for (waiting)."""

    @property
    def attempt(self) -> int | None:
        """The number of the try that comes, from 2 (retrying)."""

    @property
    def kind(self) -> ErrorKind | None:
        """How the last try failed (retrying)."""

    @property
    def from_model(self) -> str | None:
        """The model that failed (fell_back)."""

    @property
    def to_model(self) -> str | None:
        """The model that is asked now (fell_back)."""

    @property
    def idle_ms(self) -> int | None:
        """Since the last event, in milliseconds (heartbeat)."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ProgressEvent: ...

@final
class UsageEvent:
    """What it took so far. Only providers of your own say so on the way; what others report stands in the last event."""

    __match_args__: ClassVar[tuple[Literal["usage"], Literal["cost"]]]

    def __new__(
        cls,
        usage: Usage | Mapping[str, Any],
        cost: Cost | Mapping[str, Any],
        *,
        seq: int = 0,
        turn_id: str | None = None,
        part_index: int = 0,
    ) -> Self: ...
    @property
    def type(self) -> Literal["usage"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the turn, from 1. Deltas that were joined carry the last number among them."""

    @property
    def turn_id(self) -> str | None:
        """The turn, unless nothing is stored."""

    @property
    def part_index(self) -> int:
        """The part of the answer it belongs to, from 0."""

    @property
    def usage(self) -> Usage:
        """Tokens so far."""

    @property
    def cost(self) -> Cost:
        """Cost so far."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> UsageEvent: ...

@final
class DoneEvent:
    """The answer is whole. The last event; a failure is thrown instead."""

    __match_args__: ClassVar[tuple[Literal["reply"]]]

    def __new__(
        cls, reply: Reply | Mapping[str, Any], *, seq: int = 0, turn_id: str | None = None, part_index: int = 0
    ) -> Self: ...
    @property
    def type(self) -> Literal["done"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the turn, from 1. Deltas that were joined carry the last number among them."""

    @property
    def turn_id(self) -> str | None:
        """The turn, unless nothing is stored."""

    @property
    def part_index(self) -> int:
        """The part of the answer it belongs to, from 0."""

    @property
    def reply(self) -> Reply:
        """The answer."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> DoneEvent: ...

@final
class OtherEvent:
    """Something that this version does not know."""

    __match_args__: ClassVar[tuple[Literal["name"], Literal["data"]]]

    def __new__(
        cls, name: str, data: Any, *, seq: int = 0, turn_id: str | None = None, part_index: int = 0
    ) -> Self: ...
    @property
    def type(self) -> Literal["other"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the turn, from 1. Deltas that were joined carry the last number among them."""

    @property
    def turn_id(self) -> str | None:
        """The turn, unless nothing is stored."""

    @property
    def part_index(self) -> int:
        """The part of the answer it belongs to, from 0."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def data(self) -> Any:
        """What it carries."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> OtherEvent: ...

@final
class Media:
    """Bytes that are no text: a picture, a sound, a document."""

    __match_args__: ClassVar[tuple[Literal["source"], Literal["mime_type"]]]

    def __new__(
        cls,
        source: MediaSource,
        mime_type: str | None = None,
        *,
        name: str | None = None,
        size_bytes: int | None = None,
    ) -> Self: ...
    @property
    def source(self) -> MediaSource:
        """Where the bytes are."""

    @property
    def mime_type(self) -> str | None:
        """What they are, for instance `image/png`. Left out: found out from the bytes."""

    @property
    def name(self) -> str | None:
        """A name to show."""

    @property
    def size_bytes(self) -> int | None:
        """How many bytes, when known."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Media: ...

@final
class Citation:
    """Where words come from."""

    __match_args__: ClassVar[tuple[Literal["start"], Literal["end"], Literal["url"]]]

    def __new__(
        cls, start: int = 0, end: int = 0, url: str | None = None, *, title: str | None = None, quote: str | None = None
    ) -> Self: ...
    @property
    def start(self) -> int:
        """First character of the words in the text, counted in characters from 0."""

    @property
    def end(self) -> int:
        """One past the last character."""

    @property
    def url(self) -> str | None:
        """The page that is cited."""

    @property
    def title(self) -> str | None:
        """Its title."""

    @property
    def quote(self) -> str | None:
        """The words that are cited."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Citation: ...

@final
class PathSource:
    """A file on this machine."""

    __match_args__: ClassVar[tuple[Literal["path"]]]

    def __new__(cls, path: str) -> Self: ...
    @property
    def type(self) -> Literal["path"]:
        """Which variant it is."""

    @property
    def path(self) -> str:
        """Its path."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> PathSource: ...

@final
class DataSource:
    """Bytes in hand; base64 in JSON."""

    __match_args__: ClassVar[tuple[Literal["data"]]]

    def __new__(cls, data: bytes | bytearray) -> Self: ...
    @property
    def type(self) -> Literal["data"]:
        """Which variant it is."""

    @property
    def data(self) -> bytes:
        """The bytes."""

    @property
    def size_bytes(self) -> int:
        """How many bytes."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> DataSource: ...

@final
class UrlSource:
    """A URL that the provider fetches."""

    __match_args__: ClassVar[tuple[Literal["url"]]]

    def __new__(cls, url: str) -> Self: ...
    @property
    def type(self) -> Literal["url"]:
        """Which variant it is."""

    @property
    def url(self) -> str:
        """The URL."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> UrlSource: ...

@final
class AttachmentSource:
    """Bytes that the store holds."""

    __match_args__: ClassVar[tuple[Literal["id"]]]

    def __new__(cls, id: str) -> Self: ...
    @property
    def type(self) -> Literal["attachment"]:
        """Which variant it is."""

    @property
    def id(self) -> str:
        """Their id."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> AttachmentSource: ...

@final
class ProviderFileSource:
    """A file that was handed to the provider before."""

    __match_args__: ClassVar[tuple[Literal["provider"], Literal["id"]]]

    def __new__(cls, provider: str, id: str) -> Self: ...
    @property
    def type(self) -> Literal["provider_file"]:
        """Which variant it is."""

    @property
    def provider(self) -> str:
        """Whose it is."""

    @property
    def id(self) -> str:
        """The provider's id for it."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ProviderFileSource: ...

@final
class Message:
    """A stored message."""

    __match_args__: ClassVar[tuple[Literal["role"], Literal["parts"]]]

    def __new__(
        cls,
        role: Role,
        parts: Sequence[ContentPart] = ...,
        *,
        id: str,
        conversation_id: str,
        turn_id: str | None = None,
        parent_id: str | None = None,
        status: MessageStatus = ...,
        created_at: datetime,
        model: str | None = None,
        finish_reason: FinishReason | None = None,
        usage: Usage | Mapping[str, Any] | None = None,
        cost: Cost | Mapping[str, Any] | None = None,
        depth: int = 0,
        sibling_index: int = 0,
        sibling_count: int = 0,
        metadata: Mapping[str, str] = ...,
        version: int = 0,
    ) -> Self: ...
    @property
    def id(self) -> str:
        """Names it."""

    @property
    def conversation_id(self) -> str:
        """The conversation it stands in."""

    @property
    def turn_id(self) -> str | None:
        """The turn it belongs to."""

    @property
    def parent_id(self) -> str | None:
        """The message before it on its branch; nothing for the first."""

    @property
    def role(self) -> Role:
        """Who speaks."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is said."""

    @property
    def status(self) -> MessageStatus:
        """Where it stands in its life."""

    @property
    def created_at(self) -> datetime:
        """When it was saved."""

    @property
    def model(self) -> str | None:
        """The model that wrote it, as `provider/model`."""

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the model stopped."""

    @property
    def usage(self) -> Usage | None:
        """What it took."""

    @property
    def cost(self) -> Cost | None:
        """What it cost."""

    @property
    def depth(self) -> int:
        """Its place on the branch, from 1."""

    @property
    def sibling_index(self) -> int:
        """Its place among the answers to the same message, from 0."""

    @property
    def sibling_count(self) -> int:
        """How many there are."""

    @property
    def metadata(self) -> dict[str, str]:
        """What the host put beside it; never sent to a provider."""

    @property
    def version(self) -> int:
        """Grows with every change of the message."""

    @property
    def text(self) -> str:
        """All words of the message."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Message: ...

@final
class ConversationInfo:
    """A conversation as a list shows it: everything from one row, nothing counted."""

    __match_args__: ClassVar[tuple[Literal["id"], Literal["title"]]]

    def __new__(
        cls,
        id: str,
        title: str | None = None,
        *,
        system: str | None = None,
        model: str | None = None,
        metadata: Mapping[str, str] = ...,
        message_count: int = 0,
        last_preview: str | None = None,
        last_role: Role | None = None,
        head_id: str | None = None,
        depth: int = 0,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cost_nano_usd: int = 0,
        created_at: datetime,
        updated_at: datetime,
        version: int = 0,
        pinned: bool = False,
        archived: bool = False,
        expires_at: datetime | None = None,
        tags: Sequence[str] = ...,
    ) -> Self: ...
    @property
    def id(self) -> str:
        """Names it."""

    @property
    def title(self) -> str | None:
        """Its title."""

    @property
    def system(self) -> str | None:
        """Instructions that stand before its messages."""

    @property
    def model(self) -> str | None:
        """The model it speaks with unless told otherwise, as `provider/model`."""

    @property
    def metadata(self) -> dict[str, str]:
        """What the host put beside it."""

    @property
    def message_count(self) -> int:
        """How many messages it holds, on all branches."""

    @property
    def last_preview(self) -> str | None:
        """The beginning of the last message, at most 160 characters."""

    @property
    def last_role(self) -> Role | None:
        """Who spoke last."""

    @property
    def head_id(self) -> str | None:
        """The last message of the branch that is shown."""

    @property
    def depth(self) -> int:
        """How many messages stand on that branch: the position of the last one."""

    @property
    def input_tokens(self) -> int:
        """Tokens sent in, over all turns."""

    @property
    def output_tokens(self) -> int:
        """Tokens written by models, over all turns."""

    @property
    def cost_nano_usd(self) -> int:
        """What it cost in nano-USD, as far as prices are known."""

    @property
    def created_at(self) -> datetime:
        """When it began."""

    @property
    def updated_at(self) -> datetime:
        """When it changed last."""

    @property
    def version(self) -> int:
        """Grows with every change of the conversation."""

    @property
    def pinned(self) -> bool:
        """True when it stands before all others in lists."""

    @property
    def archived(self) -> bool:
        """True when lists leave it out unless it is asked for."""

    @property
    def expires_at(self) -> datetime | None:
        """From this moment on it is not there any more."""

    @property
    def tags(self) -> tuple[str, ...]:
        """What it can be found by in a list."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ConversationInfo: ...

@final
class Turn:
    """One message of the user and the way to its answer."""

    __match_args__: ClassVar[tuple[Literal["id"], Literal["state"]]]

    def __new__(
        cls,
        id: str,
        state: TurnState,
        *,
        attempt: int = 0,
        message_id: str,
        reply_id: str | None = None,
        last_seq: int = 0,
        not_before: datetime | None = None,
        expires_at: datetime | None = None,
        error: ErrorInfo | Mapping[str, Any] | None = None,
    ) -> Self: ...
    @property
    def id(self) -> str:
        """Names it."""

    @property
    def state(self) -> TurnState:
        """Where it stands."""

    @property
    def attempt(self) -> int:
        """How often it was tried."""

    @property
    def message_id(self) -> str:
        """The user's message."""

    @property
    def reply_id(self) -> str | None:
        """The answer, once there is one."""

    @property
    def last_seq(self) -> int:
        """The number of the last event."""

    @property
    def not_before(self) -> datetime | None:
        """Not to be sent before this moment."""

    @property
    def expires_at(self) -> datetime | None:
        """Given up after this moment."""

    @property
    def error(self) -> ErrorInfo | None:
        """What went wrong last."""

    @property
    def delivery(self) -> Delivery:
        """The tick in a bubble."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Turn: ...

@final
class Branch:
    """A branch of a conversation: the way from its beginning to a message behind which nothing was said."""

    __match_args__: ClassVar[tuple[Literal["head_id"], Literal["depth"]]]

    def __new__(
        cls,
        head_id: str,
        depth: int,
        *,
        last_role: Role,
        last_preview: str | None = None,
        created_at: datetime,
        is_current: bool = False,
    ) -> Self: ...
    @property
    def head_id(self) -> str:
        """Its last message; ``switch_to`` shows the branch."""

    @property
    def depth(self) -> int:
        """How many messages stand on it."""

    @property
    def last_role(self) -> Role:
        """Who spoke last."""

    @property
    def last_preview(self) -> str | None:
        """The beginning of the last message, at most 160 characters; ``None`` while it is being written."""

    @property
    def created_at(self) -> datetime:
        """When the last message was saved."""

    @property
    def is_current(self) -> bool:
        """True for the branch that is shown."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Branch: ...

@final
class TimelineItem:
    """One row of a timeline."""

    __match_args__: ClassVar[tuple[Literal["id"]]]

    def __new__(cls, id: str, *, kind: Mapping[str, Any]) -> Self: ...
    @property
    def id(self) -> str:
        """Names the row as long as it is there, whatever becomes of it; that of a message is the message's."""

    @property
    def kind(self) -> dict[str, Any]:
        """What the row shows, in its plain form."""

    @property
    def type(self) -> TimelineItemType:
        """What the row shows, in a word."""

    @property
    def message(self) -> Message | None:
        """The message. Its status is ``pending`` as long as it is not saved, ``streaming`` while it is being written."""

    @property
    def delivery(self) -> Delivery | None:
        """How far it got, for what a user sent."""

    @property
    def error(self) -> ErrorInfo | None:
        """Why the message was not saved, or why its turn rests without an answer."""

    @property
    def day(self) -> str | None:
        """The day that begins, as ``2026-11-22`` (``day_divider``)."""

    @property
    def turn_id(self) -> str | None:
        """The turn that is answered (``typing``), or to which the message belongs."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> TimelineItem: ...

@final
class TimelineDiff:
    """One change of a timeline. Those of a batch are applied one after the other.

    Each counts its places (from 0) in the list as the one before it has left it.
    """

    @property
    def type(self) -> TimelineDiffType:
        """What changes, in a word."""

    @property
    def index(self) -> int | None:
        """The place in the list (``insert``, ``set``, ``remove``, ``append_text``)."""

    @property
    def item(self) -> TimelineItem | None:
        """The row that comes (``push_front``, ``push_back``, ``insert``, ``set``)."""

    @property
    def items(self) -> tuple[TimelineItem, ...] | None:
        """The rows that come (``append``, ``reset``)."""

    @property
    def length(self) -> int | None:
        """How many rows stay, from the first on (``truncate``)."""

    @property
    def part_index(self) -> int | None:
        """The part of the message whose words grow (``append_text``)."""

    @property
    def from_(self) -> int | None:
        """How long the part was before, in characters (``append_text``)."""

    @property
    def text(self) -> str | None:
        """The words that come behind it (``append_text``)."""

    @property
    def stable_prefix(self) -> int | None:
        """So many characters of the part are whole Markdown blocks that nothing will change which follows."""

    def apply(self, rows: list[TimelineItem]) -> None:
        """Make the change in a list of rows, which is as the changes before have left it. ``IndexError`` when it is not."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class ConversationDiff:
    """One change of the list of conversations. Those of a batch are applied one after the other.

    Each counts its places (from 0) in the list as the one before it has left it.
    """

    @property
    def type(self) -> TimelineDiffType:
        """What changes, in a word."""

    @property
    def index(self) -> int | None:
        """The place in the list (``insert``, ``set``, ``remove``, ``append_text``)."""

    @property
    def item(self) -> ConversationInfo | None:
        """The row that comes (``push_front``, ``push_back``, ``insert``, ``set``)."""

    @property
    def items(self) -> tuple[ConversationInfo, ...] | None:
        """The rows that come (``append``, ``reset``)."""

    @property
    def length(self) -> int | None:
        """How many rows stay, from the first on (``truncate``)."""

    @property
    def part_index(self) -> int | None:
        """The part of the message whose words grow (``append_text``)."""

    @property
    def from_(self) -> int | None:
        """How long the part was before, in characters (``append_text``)."""

    @property
    def text(self) -> str | None:
        """The words that come behind it (``append_text``)."""

    @property
    def stable_prefix(self) -> int | None:
        """So many characters of the part are whole Markdown blocks that nothing will change which follows."""

    def apply(self, rows: list[ConversationInfo]) -> None:
        """Make the change in a list of rows, which is as the changes before have left it. ``IndexError`` when it is not."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class SearchHit:
    """A message that a search has found."""

    __match_args__: ClassVar[tuple[Literal["message_id"], Literal["conversation_id"]]]

    def __new__(
        cls,
        message_id: str,
        conversation_id: str,
        *,
        score: float,
        snippet: Sequence[Span] = (),
        on_current_branch: bool = False,
    ) -> Self: ...
    @property
    def message_id(self) -> str:
        """The message."""

    @property
    def conversation_id(self) -> str:
        """The conversation it stands in."""

    @property
    def score(self) -> float:
        """How well it fits: more is better, within one search alone; 0 where the newest stand first."""

    @property
    def snippet(self) -> tuple[Span, ...]:
        """The place in the message where it was found, about 160 characters on one line."""

    @property
    def on_current_branch(self) -> bool:
        """True when the message is on the branch that is shown; ``switch_to`` shows the others."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> SearchHit: ...

@final
class Span:
    """A piece of text with one look."""

    __match_args__: ClassVar[tuple[Literal["text"], Literal["hit"]]]

    def __new__(cls, text: str, hit: bool = False) -> Self: ...
    @property
    def text(self) -> str:
        """The text."""

    @property
    def hit(self) -> bool:
        """True for words that were looked for."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Span: ...

@final
class Preferences:
    """What a user prefers, as the host has said. Kept for the host; nothing of it is sent to a provider."""

    __match_args__: ClassVar[tuple[Literal["name"], Literal["language"]]]

    def __new__(
        cls,
        name: str | None = None,
        language: str | None = None,
        *,
        time_zone: str | None = None,
        values: Mapping[str, str] = ...,
    ) -> Self: ...
    @property
    def name(self) -> str | None:
        """What the user is called."""

    @property
    def language(self) -> str | None:
        """The language to speak with the user, by its BCP 47 tag (``"pt-BR"``)."""

    @property
    def time_zone(self) -> str | None:
        """Where the user's clock stands, by its name in the time zone database (``"America/Sao_Paulo"``)."""

    @property
    def values(self) -> dict[str, str]:
        """Whatever else the host keeps."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Preferences: ...

@final
class BatchItem:
    """One item of a batch, and what became of it."""

    __match_args__: ClassVar[tuple[Literal["index"], Literal["verb"], Literal["state"]]]

    def __new__(
        cls,
        index: int,
        verb: BatchVerb,
        state: BatchState = "skipped",
        *,
        conversation_id: str | None = None,
        message_ids: Sequence[str] = (),
        export: ExportReport | Mapping[str, Any] | None = None,
        error: ErrorInfo | Mapping[str, Any] | None = None,
    ) -> Self: ...
    @property
    def index(self) -> int:
        """Its place in the batch, from 0. A verb that is given several conversations makes one item of each."""

    @property
    def verb(self) -> BatchVerb:
        """What it does."""

    @property
    def state(self) -> BatchState:
        """What became of it: done (in a dry run: would be), refused, or skipped: not come to."""

    @property
    def conversation_id(self) -> str | None:
        """Its conversation; ``None`` for an export."""

    @property
    def message_ids(self) -> tuple[str, ...]:
        """The messages that it adds."""

    @property
    def export(self) -> ExportReport | None:
        """What it has written into its file."""

    @property
    def error(self) -> ErrorInfo | None:
        """Why it was refused, and what to do about it."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> BatchItem: ...

@final
class BatchReport:
    """What a batch has done, or would do."""

    __match_args__: ClassVar[tuple[Literal["done"], Literal["refused"]]]

    def __new__(
        cls,
        done: int = 0,
        refused: int = 0,
        *,
        dry_run: bool = False,
        skipped: int = 0,
        items: Sequence[BatchItem | Mapping[str, Any]] = ...,
    ) -> Self: ...
    @property
    def dry_run(self) -> bool:
        """True when nothing was written."""

    @property
    def done(self) -> int:
        """How many items are done."""

    @property
    def refused(self) -> int:
        """How many were refused."""

    @property
    def skipped(self) -> int:
        """How many were not come to."""

    @property
    def items(self) -> tuple[BatchItem, ...]:
        """All of them, in their order."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> BatchReport: ...

@final
class BatchProgress:
    """How far a batch is."""

    __match_args__: ClassVar[tuple[Literal["phase"], Literal["done"], Literal["total"]]]

    def __new__(cls, phase: BatchPhase = "checking", done: int = 0, total: int = 0) -> Self: ...
    @property
    def phase(self) -> BatchPhase:
        """What it is doing. It may come back to an earlier phase: it looks again at what has changed meanwhile."""

    @property
    def done(self) -> int:
        """How many items are through: looked at while it is ``checking``, otherwise done or refused."""

    @property
    def total(self) -> int:
        """How many there are."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> BatchProgress: ...

@final
class ErasureReport:
    """What an erasure has taken out."""

    __match_args__: ClassVar[tuple[Literal["conversations"], Literal["messages"]]]

    def __new__(
        cls,
        conversations: int = 0,
        messages: int = 0,
        *,
        streams: int = 0,
        entries: int = 0,
        scrubbed: bool = False,
    ) -> Self: ...
    @property
    def conversations(self) -> int:
        """How many conversations, those among them whose time was up."""

    @property
    def messages(self) -> int:
        """How many messages, on all branches."""

    @property
    def streams(self) -> int:
        """How many streams of events."""

    @property
    def entries(self) -> int:
        """How many values of the user's libraries, deleted ones among them."""

    @property
    def scrubbed(self) -> bool:
        """True when the files of the store hold no byte of it any more.

        False when another program read from the store's log the whole time: what is left there goes with the next
        ``checkpoint`` that it does not hinder.
        """

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ErasureReport: ...

@final
class ExportReport:
    """What an export has written."""

    __match_args__: ClassVar[tuple[Literal["conversations"], Literal["messages"]]]

    def __new__(
        cls,
        conversations: int = 0,
        messages: int = 0,
        *,
        files: int = 0,
        bytes: int = 0,
    ) -> Self: ...
    @property
    def conversations(self) -> int:
        """How many conversations."""

    @property
    def messages(self) -> int:
        """How many messages, on all branches."""

    @property
    def files(self) -> int:
        """How many files that belong to messages."""

    @property
    def bytes(self) -> int:
        """How long the file is."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ExportReport: ...

@final
class ImportProblem:
    """Something in a file that was not as it should be."""

    __match_args__: ClassVar[tuple[Literal["line"], Literal["reason"]]]

    def __new__(
        cls,
        line: int,
        reason: str,
        *,
        item: int = 0,
        detail: str = "",
    ) -> Self: ...
    @property
    def line(self) -> int:
        """The line on which its item begins, from 1."""

    @property
    def item(self) -> int:
        """The number of its item, from 1: of the line in JSON Lines, of the conversation or message in a list."""

    @property
    def reason(self) -> str:
        """A stable word for what is wrong."""

    @property
    def detail(self) -> str:
        """What is wrong and what was done about it, without anything that was said."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ImportProblem: ...

@final
class ImportReport:
    """What an import has done, or would do."""

    __match_args__: ClassVar[tuple[Literal["conversations"], Literal["messages"]]]

    def __new__(
        cls,
        conversations: int = 0,
        messages: int = 0,
        *,
        format: ImportFormat = "tertulia",
        dry_run: bool = False,
        skipped: int = 0,
        problem_count: int = 0,
        problems: Sequence[ImportProblem | Mapping[str, Any]] = ...,
    ) -> Self: ...
    @property
    def format(self) -> ImportFormat:
        """What the file was recognised as."""

    @property
    def dry_run(self) -> bool:
        """True when nothing was written."""

    @property
    def conversations(self) -> int:
        """How many conversations were begun."""

    @property
    def messages(self) -> int:
        """How many messages were added."""

    @property
    def skipped(self) -> int:
        """How many messages were left out: those that are here already, and those that could not be taken."""

    @property
    def problem_count(self) -> int:
        """How many things of the file were not as they should be."""

    @property
    def problems(self) -> tuple[ImportProblem, ...]:
        """The first hundred of them."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ImportReport: ...

@final
class StoreProblem:
    """Something that is wrong with a store."""

    __match_args__: ClassVar[tuple[Literal["kind"], Literal["place"]]]

    def __new__(
        cls,
        kind: StoreProblemKind,
        place: str = "",
        *,
        detail: str = "",
        repairable: bool = False,
    ) -> Self: ...
    @property
    def kind(self) -> StoreProblemKind:
        """What kind of thing is wrong."""

    @property
    def place(self) -> str:
        """The table or index it is in; empty when nobody can say."""

    @property
    def detail(self) -> str:
        """What is wrong, without anything that users have said."""

    @property
    def repairable(self) -> bool:
        """True when ``repair`` mends it without losing anything."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> StoreProblem: ...

@final
class Verification:
    """What a look at a whole store has found."""

    __match_args__: ClassVar[tuple[Literal["problems"]]]

    def __new__(
        cls,
        problems: Sequence[StoreProblem | Mapping[str, Any]] = ...,
        *,
        conversations: int = 0,
        messages: int = 0,
    ) -> Self: ...
    @property
    def problems(self) -> tuple[StoreProblem, ...]:
        """What is wrong; empty when the store is sound."""

    @property
    def conversations(self) -> int:
        """How many conversations were looked at."""

    @property
    def messages(self) -> int:
        """How many messages were looked at."""

    @property
    def is_sound(self) -> bool:
        """True when nothing is wrong."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Verification: ...

@final
class Repair:
    """What a repair of a store has done."""

    __match_args__: ClassVar[tuple[Literal["repaired"], Literal["left"]]]

    def __new__(
        cls,
        repaired: Sequence[StoreProblem | Mapping[str, Any]] = ...,
        left: Sequence[StoreProblem | Mapping[str, Any]] = ...,
    ) -> Self: ...
    @property
    def repaired(self) -> tuple[StoreProblem, ...]:
        """What was wrong and is mended."""

    @property
    def left(self) -> tuple[StoreProblem, ...]:
        """What is still wrong. For what is damaged, restore a backup."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Repair: ...

@final
class StorageKind:
    """What one kind of thing takes of the disk."""

    __match_args__: ClassVar[tuple[Literal["name"], Literal["bytes"]]]

    def __new__(
        cls,
        name: str,
        bytes: int = 0,
        *,
        index_bytes: int = 0,
    ) -> Self: ...
    @property
    def name(self) -> str:
        """``messages``, ``conversations``, ``turns``, ``drafts``, ``outbox``, ``attachments``, ``spending``, ``changes``, ``search``
        or ``other``."""

    @property
    def bytes(self) -> int:
        """The things themselves."""

    @property
    def index_bytes(self) -> int:
        """The indexes by which they are found."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> StorageKind: ...

@final
class StorageReport:
    """What a store takes of the disk."""

    __match_args__: ClassVar[tuple[Literal["file_bytes"]]]

    def __new__(
        cls,
        file_bytes: int = 0,
        *,
        log_bytes: int = 0,
        page_bytes: int = 0,
        pages: int = 0,
        free_pages: int = 0,
        kinds: Sequence[StorageKind | Mapping[str, Any]] = ...,
    ) -> Self: ...
    @property
    def file_bytes(self) -> int:
        """The size of the database."""

    @property
    def log_bytes(self) -> int:
        """The size of the log beside it, which holds the latest changes."""

    @property
    def page_bytes(self) -> int:
        """The size of a page."""

    @property
    def pages(self) -> int:
        """How many pages the database has."""

    @property
    def free_pages(self) -> int:
        """How many of them are free; ``vacuum`` gives them back."""

    @property
    def kinds(self) -> tuple[StorageKind, ...]:
        """What the others hold, the largest first."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> StorageReport: ...

@final
class ContextReport:
    """What a model would be shown of a conversation."""

    __match_args__: ClassVar[tuple[Literal["messages"], Literal["tokens"]]]

    def __new__(
        cls,
        messages: int = 0,
        tokens: int = 0,
        *,
        turns: int = 0,
        limit_tokens: int = 0,
        is_whole: bool = False,
        summary: SummaryReport | Mapping[str, Any] | None = None,
    ) -> Self: ...
    @property
    def messages(self) -> int:
        """How many messages, a summary in front of them not counted."""

    @property
    def turns(self) -> int:
        """How many turns: what a user says and all that answers it is one."""

    @property
    def tokens(self) -> int:
        """About how many tokens they are, with the summary, instructions, tools and the shape of the answer."""

    @property
    def limit_tokens(self) -> int:
        """How many tokens there is room for, a reserve for the estimate's error included."""

    @property
    def is_whole(self) -> bool:
        """True when no message is left out."""

    @property
    def summary(self) -> SummaryReport | None:
        """The summary that would stand in front, for what is left out; nothing while none is written, or none is wanted."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ContextReport: ...

@final
class SummaryReport:
    """A summary of what was said before the messages that a model is shown."""

    __match_args__: ClassVar[tuple[Literal["upto"], Literal["tokens"]]]

    def __new__(
        cls,
        upto: str,
        tokens: int = 0,
        *,
        model: str,
        created_at: datetime | int,
    ) -> Self: ...
    @property
    def upto(self) -> str:
        """The last message in it. What stands between this one and the first one that is shown is left out."""

    @property
    def tokens(self) -> int:
        """About how many tokens it is, as it stands in front."""

    @property
    def model(self) -> str:
        """The model that wrote it, as ``provider/model``."""

    @property
    def created_at(self) -> datetime:
        """When it was written."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> SummaryReport: ...

@final
class OutboxItem:
    """A message in the outbox."""

    __match_args__: ClassVar[tuple[Literal["turn_id"], Literal["delivery"]]]

    def __new__(
        cls,
        turn_id: str,
        delivery: Delivery,
        *,
        conversation_id: str,
        reason: str | None = None,
        attempt: int = 0,
        not_before: datetime | None = None,
        expires_at: datetime | None = None,
        preview: str = "",
    ) -> Self: ...
    @property
    def turn_id(self) -> str:
        """The turn it began."""

    @property
    def conversation_id(self) -> str:
        """The conversation it stands in."""

    @property
    def delivery(self) -> Delivery:
        """``pending`` while it waits, ``sending``, ``failed`` when it is parked, ``sent`` when it has left the outbox."""

    @property
    def reason(self) -> str | None:
        """The reason word of what went wrong last."""

    @property
    def attempt(self) -> int:
        """How often it was tried."""

    @property
    def not_before(self) -> datetime | None:
        """Not sent before this moment; ``None`` while it is sent, and when it is parked."""

    @property
    def expires_at(self) -> datetime | None:
        """Parked when it was not sent before this moment."""

    @property
    def preview(self) -> str:
        """The beginning of its words, at most 160 characters, on one line."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> OutboxItem: ...

@final
class StartedRunEvent:
    """A run began. The first event."""

    __match_args__: ClassVar[tuple[Literal["program"], Literal["conversation_id"]]]

    def __new__(
        cls,
        program: str,
        conversation_id: str,
        *,
        input: Sequence[Part | Mapping[str, Any]] = ...,
        beginning: Any = None,
        max_cost_nano_usd: int | None = None,
        seq: int = 0,
        at: datetime,
    ) -> Self: ...
    @property
    def type(self) -> Literal["started"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the run, from 1 without a gap; 0 for words on their way."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def program(self) -> str:
        """What runs: ``agent``."""

    @property
    def conversation_id(self) -> str:
        """The conversation it speaks in."""

    @property
    def input(self) -> tuple[Part, ...]:
        """What was said to it."""

    @property
    def beginning(self) -> Any:
        """What the conversation begins with, if it was not there yet."""

    @property
    def max_cost_nano_usd(self) -> int | None:
        """What it may cost in all, in billionths of a US dollar."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> StartedRunEvent: ...

@final
class PickedUpRunEvent:
    """Somebody goes on with a run after its process ended, or after it failed."""

    __match_args__: ClassVar[tuple[()]]

    def __new__(cls, *, seq: int = 0, at: datetime) -> Self: ...
    @property
    def type(self) -> Literal["picked_up"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the run, from 1 without a gap; 0 for words on their way."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> PickedUpRunEvent: ...

@final
class AskingRunEvent:
    """A model is about to be asked."""

    __match_args__: ClassVar[tuple[Literal["step"]]]

    def __new__(cls, step: int = 0, *, seq: int = 0, at: datetime) -> Self: ...
    @property
    def type(self) -> Literal["asking"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the run, from 1 without a gap; 0 for words on their way."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def step(self) -> int:
        """Which call of the run, from 0."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> AskingRunEvent: ...

@final
class TextRunEvent:
    """Words of the answer, on their way. They are not kept; whole they stand in what comes behind."""

    __match_args__: ClassVar[tuple[Literal["delta"]]]

    def __new__(cls, delta: str, *, seq: int = 0, at: datetime) -> Self: ...
    @property
    def type(self) -> Literal["text"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the run, from 1 without a gap; 0 for words on their way."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def delta(self) -> str:
        """The words."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> TextRunEvent: ...

@final
class RepliedRunEvent:
    """A model answered."""

    __match_args__: ClassVar[tuple[Literal["step"], Literal["text"], Literal["calls"]]]

    def __new__(
        cls,
        step: int,
        text: str,
        calls: Sequence[ToolCall | Mapping[str, Any]] = ...,
        *,
        turn_id: str,
        message_id: str,
        model: str,
        finish_reason: FinishReason | None = None,
        usage: Usage | Mapping[str, Any],
        cost: Cost | Mapping[str, Any],
        seq: int = 0,
        at: datetime,
    ) -> Self: ...
    @property
    def type(self) -> Literal["replied"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the run, from 1 without a gap; 0 for words on their way."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def step(self) -> int:
        """Which call of the run."""

    @property
    def text(self) -> str:
        """What it said in words."""

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The tools it wants to be called."""

    @property
    def turn_id(self) -> str:
        """The turn."""

    @property
    def message_id(self) -> str:
        """The stored answer."""

    @property
    def model(self) -> str:
        """The model that answered, as ``provider/model``."""

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why it stopped."""

    @property
    def usage(self) -> Usage:
        """What it took."""

    @property
    def cost(self) -> Cost:
        """What it cost."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> RepliedRunEvent: ...

@final
class ApprovalNeededRunEvent:
    """A call of a tool waits for somebody's ``approve`` or ``deny``."""

    __match_args__: ClassVar[tuple[Literal["call"]]]

    def __new__(cls, call: ToolCall | Mapping[str, Any], *, seq: int = 0, at: datetime) -> Self: ...
    @property
    def type(self) -> Literal["approval_needed"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the run, from 1 without a gap; 0 for words on their way."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def call(self) -> ToolCall:
        """The call."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ApprovalNeededRunEvent: ...

@final
class ApprovedRunEvent:
    """Somebody allowed a call."""

    __match_args__: ClassVar[tuple[Literal["call_id"]]]

    def __new__(cls, call_id: str, *, seq: int = 0, at: datetime) -> Self: ...
    @property
    def type(self) -> Literal["approved"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the run, from 1 without a gap; 0 for words on their way."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def call_id(self) -> str:
        """The call."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ApprovedRunEvent: ...

@final
class DeniedRunEvent:
    """Somebody refused a call; the model is told so."""

    __match_args__: ClassVar[tuple[Literal["call_id"], Literal["why"]]]

    def __new__(cls, call_id: str, why: str | None = None, *, seq: int = 0, at: datetime) -> Self: ...
    @property
    def type(self) -> Literal["denied"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the run, from 1 without a gap; 0 for words on their way."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def call_id(self) -> str:
        """The call."""

    @property
    def why(self) -> str | None:
        """What the model is told."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> DeniedRunEvent: ...

@final
class ToolStartedRunEvent:
    """A tool is about to be called."""

    __match_args__: ClassVar[tuple[Literal["call_id"], Literal["name"]]]

    def __new__(cls, call_id: str, name: str, *, seq: int = 0, at: datetime) -> Self: ...
    @property
    def type(self) -> Literal["tool_started"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the run, from 1 without a gap; 0 for words on their way."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def call_id(self) -> str:
        """The call."""

    @property
    def name(self) -> str:
        """The tool."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ToolStartedRunEvent: ...

@final
class ToolDoneRunEvent:
    """A tool answered, or it is known that its answer is lost."""

    __match_args__: ClassVar[tuple[Literal["result"], Literal["duration_ms"]]]

    def __new__(
        cls, result: ToolResult | Mapping[str, Any], duration_ms: int = 0, *, seq: int = 0, at: datetime
    ) -> Self: ...
    @property
    def type(self) -> Literal["tool_done"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the run, from 1 without a gap; 0 for words on their way."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def result(self) -> ToolResult:
        """The answer."""

    @property
    def duration_ms(self) -> int:
        """How long it took, in milliseconds."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ToolDoneRunEvent: ...

@final
class DoneRunEvent:
    """A run has its result. The last event."""

    __match_args__: ClassVar[tuple[Literal["output"]]]

    def __new__(cls, output: Any, *, seq: int = 0, at: datetime) -> Self: ...
    @property
    def type(self) -> Literal["done"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the run, from 1 without a gap; 0 for words on their way."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def output(self) -> Any:
        """The result, in its plain form."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> DoneRunEvent: ...

@final
class FailedRunEvent:
    """A run stopped, and can be picked up."""

    __match_args__: ClassVar[tuple[Literal["error"]]]

    def __new__(cls, error: ErrorInfo | Mapping[str, Any], *, seq: int = 0, at: datetime) -> Self: ...
    @property
    def type(self) -> Literal["failed"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the run, from 1 without a gap; 0 for words on their way."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def error(self) -> ErrorInfo:
        """Why."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> FailedRunEvent: ...

@final
class CancelledRunEvent:
    """Somebody stopped a run. The last event."""

    __match_args__: ClassVar[tuple[()]]

    def __new__(cls, *, seq: int = 0, at: datetime) -> Self: ...
    @property
    def type(self) -> Literal["cancelled"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the run, from 1 without a gap; 0 for words on their way."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> CancelledRunEvent: ...

@final
class OtherRunEvent:
    """Something that has no class here: a newer version has written it, or a program that Python does not run yet."""

    __match_args__: ClassVar[tuple[Literal["name"], Literal["data"]]]

    def __new__(cls, name: str, data: Any, *, seq: int = 0, at: datetime) -> Self: ...
    @property
    def type(self) -> Literal["other"]:
        """What happened, as a word."""

    @property
    def seq(self) -> int:
        """Its number in the run, from 1 without a gap; 0 for words on their way."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def name(self) -> str:
        """What happened, in its own word."""

    @property
    def data(self) -> Any:
        """What it says of it."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> OtherRunEvent: ...

@final
class RunSummary:
    """What a list shows of a run."""

    __match_args__: ClassVar[tuple[Literal["id"], Literal["program"]]]

    def __new__(
        cls,
        id: str,
        program: str,
        *,
        conversation_id: str,
        status: RunStatus,
        last_seq: int = 0,
        created_at: datetime,
        updated_at: datetime,
        expires_at: datetime | None = None,
    ) -> Self: ...
    @property
    def id(self) -> str:
        """The run."""

    @property
    def program(self) -> str:
        """What runs: ``agent``."""

    @property
    def conversation_id(self) -> str:
        """The conversation it speaks in."""

    @property
    def status(self) -> RunStatus:
        """Where it stands."""

    @property
    def last_seq(self) -> int:
        """The number of its last event."""

    @property
    def created_at(self) -> datetime:
        """When it began."""

    @property
    def updated_at(self) -> datetime:
        """When something happened in it last."""

    @property
    def expires_at(self) -> datetime | None:
        """From this moment on it is not there."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> RunSummary: ...

@final
class TextPart:
    """Words."""

    __match_args__: ClassVar[tuple[Literal["text"]]]

    def __new__(cls, text: str, *, citations: Sequence[Citation | Mapping[str, Any]] = ...) -> Self: ...
    @property
    def type(self) -> Literal["text"]:
        """Which variant it is."""

    @property
    def text(self) -> str:
        """The words."""

    @property
    def citations(self) -> tuple[Citation, ...]:
        """Where they come from, as far as the provider said."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> TextPart: ...

@final
class ReasoningPart:
    """What the model thought before it answered, as far as the provider shows it."""

    __match_args__: ClassVar[tuple[Literal["text"]]]

    def __new__(cls, text: str) -> Self: ...
    @property
    def type(self) -> Literal["reasoning"]:
        """Which variant it is."""

    @property
    def text(self) -> str:
        """The thoughts."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ReasoningPart: ...

@final
class RefusalPart:
    """The model declined, in words of its own."""

    __match_args__: ClassVar[tuple[Literal["text"]]]

    def __new__(cls, text: str) -> Self: ...
    @property
    def type(self) -> Literal["refusal"]:
        """Which variant it is."""

    @property
    def text(self) -> str:
        """The words."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> RefusalPart: ...

@final
class ImagePart:
    """A picture."""

    __match_args__: ClassVar[tuple[Literal["media"]]]

    def __new__(cls, media: Media | Mapping[str, Any]) -> Self: ...
    @property
    def type(self) -> Literal["image"]:
        """Which variant it is."""

    @property
    def media(self) -> Media:
        """The picture."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ImagePart: ...

@final
class AudioPart:
    """A sound."""

    __match_args__: ClassVar[tuple[Literal["media"]]]

    def __new__(cls, media: Media | Mapping[str, Any]) -> Self: ...
    @property
    def type(self) -> Literal["audio"]:
        """Which variant it is."""

    @property
    def media(self) -> Media:
        """The sound."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> AudioPart: ...

@final
class FilePart:
    """A document, for instance a PDF."""

    __match_args__: ClassVar[tuple[Literal["media"]]]

    def __new__(cls, media: Media | Mapping[str, Any]) -> Self: ...
    @property
    def type(self) -> Literal["file"]:
        """Which variant it is."""

    @property
    def media(self) -> Media:
        """The document."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> FilePart: ...

@final
class ToolCallPart:
    """The model wants a tool to be called."""

    __match_args__: ClassVar[tuple[Literal["call"]]]

    def __new__(cls, call: ToolCall | Mapping[str, Any]) -> Self: ...
    @property
    def type(self) -> Literal["tool_call"]:
        """Which variant it is."""

    @property
    def call(self) -> ToolCall:
        """The call."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ToolCallPart: ...

@final
class ToolResultPart:
    """What a tool answered."""

    __match_args__: ClassVar[tuple[Literal["result"]]]

    def __new__(cls, result: ToolResult | Mapping[str, Any]) -> Self: ...
    @property
    def type(self) -> Literal["tool_result"]:
        """Which variant it is."""

    @property
    def result(self) -> ToolResult:
        """The answer."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ToolResultPart: ...

@final
class OpaquePart:
    """Signatures, encrypted reasoning, server items: kept byte for byte and replayed to the same provider only."""

    __match_args__: ClassVar[tuple[Literal["provider"], Literal["name"]]]

    def __new__(cls, provider: str, name: str, *, attached: bool = False, data: Any) -> Self: ...
    @property
    def type(self) -> Literal["opaque"]:
        """Which variant it is."""

    @property
    def provider(self) -> str:
        """Whose it is. Empty: the application's own, kept with the message and shown to no model."""

    @property
    def name(self) -> str:
        """What the provider calls it."""

    @property
    def attached(self) -> bool:
        """True when it belongs to the part before it."""

    @property
    def data(self) -> Any:
        """The provider's own object."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> OpaquePart: ...

@final
class Reply:
    """The answer to a message."""

    __match_args__: ClassVar[tuple[Literal["parts"], Literal["status"]]]

    def __new__(
        cls,
        parts: Sequence[ContentPart] = ...,
        status: ReplyStatus = ...,
        *,
        finish_reason: FinishReason | None = None,
        finish_reason_raw: str | None = None,
        usage: Usage | Mapping[str, Any],
        cost: Cost | Mapping[str, Any],
        provider: str,
        model: str,
        conversation_id: str | None = None,
        message_id: str | None = None,
        turn_id: str | None = None,
        request_id: str | None = None,
        attempts: Sequence[Attempt | Mapping[str, Any]] = ...,
        latency_ms: int = 0,
        first_token_ms: int | None = None,
        from_cache: bool = False,
        continued: bool = False,
        error: ErrorInfo | Mapping[str, Any] | None = None,
        raw: Any | None = None,
    ) -> Self: ...
    @property
    def parts(self) -> tuple[Part, ...]:
        """What the model said, in its order."""

    @property
    def status(self) -> ReplyStatus:
        """How the turn came to rest."""

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the model stopped."""

    @property
    def finish_reason_raw(self) -> str | None:
        """The provider's own word for it."""

    @property
    def usage(self) -> Usage:
        """What it took."""

    @property
    def cost(self) -> Cost:
        """What it cost."""

    @property
    def provider(self) -> str:
        """Who answered."""

    @property
    def model(self) -> str:
        """The model that answered, as the provider names it."""

    @property
    def conversation_id(self) -> str | None:
        """The conversation, unless nothing was stored."""

    @property
    def message_id(self) -> str | None:
        """The stored message, unless nothing was stored."""

    @property
    def turn_id(self) -> str | None:
        """The turn, unless nothing was stored."""

    @property
    def request_id(self) -> str | None:
        """The provider's id of the request."""

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every try, the last one included."""

    @property
    def latency_ms(self) -> int:
        """From the call to the end of the answer, in milliseconds."""

    @property
    def first_token_ms(self) -> int | None:
        """From the call to the first content, in milliseconds."""

    @property
    def from_cache(self) -> bool:
        """True when the answer was not asked for anew."""

    @property
    def continued(self) -> bool:
        """True when the answer broke off on its way and was continued (``mid_stream="continue"``); the seam may be felt."""

    @property
    def error(self) -> ErrorInfo | None:
        """What went wrong, when the turn did not end well."""

    @property
    def raw(self) -> Any | None:
        """The provider's own object, with `keep_raw`."""

    @property
    def text(self) -> str:
        """All words of the answer."""

    @property
    def reasoning(self) -> str:
        """What the model thought, as far as the provider shows it."""

    @property
    def refusal(self) -> str | None:
        """The words in which the model declined, or nothing."""

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model wants to be called; those the provider runs itself are not among them."""

    @property
    def notice(self) -> str | None:
        """A sentence fit for an end user when the turn did not end well, or nothing."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Reply: ...

@final
class ChatRequest:
    """One call of a model, as a provider of your own is asked."""

    __match_args__: ClassVar[tuple[Literal["model"], Literal["messages"]]]

    def __new__(
        cls,
        model: str = "",
        messages: Sequence[NewMessage] = ...,
        *,
        system: str | None = None,
        sampling: Sampling | Mapping[str, Any] = ...,
        reasoning_effort: ReasoningEffort | None = None,
        reasoning_tokens: int | None = None,
        tools: Sequence[ToolSpec | Mapping[str, Any]] = ...,
        tool_choice: ToolChoice | None = None,
        parallel_tools: bool | None = None,
        output_schema: OutputSchemaDict | Mapping[str, Any] | None = None,
        prompt_cache: bool | PromptCacheDict | Mapping[str, Any] | None = None,
        end_user: str | None = None,
        provider_metadata: Mapping[str, str] = ...,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] = ...,
    ) -> Self: ...
    @property
    def model(self) -> str:
        """The model's bare name, without the provider."""

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """What was said so far, oldest first."""

    @property
    def system(self) -> str | None:
        """Instructions that stand before the messages."""

    @property
    def sampling(self) -> Sampling:
        """How the model chooses its words."""

    @property
    def reasoning_effort(self) -> ReasoningEffort | None:
        """How much the model thinks."""

    @property
    def reasoning_tokens(self) -> int | None:
        """How many tokens it may think."""

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        """What it may call."""

    @property
    def tool_choice(self) -> ToolChoice | None:
        """Whether it does."""

    @property
    def parallel_tools(self) -> bool | None:
        """Whether it may call several at once."""

    @property
    def output_schema(self) -> OutputSchemaDict | None:
        """The shape of the answer."""

    @property
    def prompt_cache(self) -> PromptCacheDict | None:
        """Which beginnings shall be kept for the next call."""

    @property
    def end_user(self) -> str | None:
        """Whom the call is for, in a form the provider may see."""

    @property
    def provider_metadata(self) -> dict[str, str]:
        """Labels that the provider keeps beside the call."""

    @property
    def extra_body(self) -> Any:
        """Fields of the call's ``extra_body``."""

    @property
    def extra_headers(self) -> dict[str, str]:
        """Headers of the call's ``extra_headers``."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ChatRequest: ...

@final
class ChatMessage:
    """A message of a request."""

    __match_args__: ClassVar[tuple[Literal["role"], Literal["parts"]]]

    def __new__(
        cls,
        role: Role,
        parts: Sequence[ContentPart] = ...,
        *,
        metadata: Mapping[str, str] = ...,
    ) -> Self: ...
    @property
    def role(self) -> Role:
        """Who speaks."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is said."""

    @property
    def metadata(self) -> dict[str, str]:
        """What the host put beside it."""

    @property
    def text(self) -> str:
        """All words of the message."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ChatMessage: ...

@final
class Sampling:
    """How the model chooses its words. What is left out is left to the provider."""

    __match_args__: ClassVar[tuple[Literal["temperature"], Literal["top_p"]]]

    def __new__(
        cls,
        temperature: float | None = None,
        top_p: float | None = None,
        *,
        seed: int | None = None,
        stop_sequences: Sequence[str] = ...,
        max_tokens: int | None = None,
        frequency_penalty: float | None = None,
        presence_penalty: float | None = None,
    ) -> Self: ...
    @property
    def temperature(self) -> float | None:
        """From 0 (always the likeliest word) to 2."""

    @property
    def top_p(self) -> float | None:
        """Only words within this share of likelihood."""

    @property
    def seed(self) -> int | None:
        """The same seed gives, as far as the provider can, the same answer."""

    @property
    def stop_sequences(self) -> tuple[str, ...]:
        """Where to stop."""

    @property
    def max_tokens(self) -> int | None:
        """At most this many tokens."""

    @property
    def frequency_penalty(self) -> float | None:
        """Against repeating words, -2 to 2."""

    @property
    def presence_penalty(self) -> float | None:
        """For new subjects, -2 to 2."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Sampling: ...

@final
class ToolSpec:
    """A tool the model may call."""

    __match_args__: ClassVar[tuple[Literal["name"], Literal["description"], Literal["parameters"]]]

    def __new__(
        cls,
        name: str,
        description: str,
        parameters: Any,
        *,
        strict: bool = False,
        text_format: TextFormat | None = None,
        provider: str | None = None,
    ) -> Self: ...
    @staticmethod
    def free_text(name: str, description: str, text_format: TextFormat | None = None) -> ToolSpec:
        """A tool that takes free text, as a patch or a query: the ``arguments`` of its calls are a str.

        OpenAI knows such tools, and so does an entry of your own with the quirk ``custom_tools``. Anywhere else it is
        shown as a function of one text, which is unwrapped on the way back, and a grammar is only told, so that the
        text may break it. A text that a limit cut off is whole for all that can be seen: look at the reply's
        ``finish_reason`` before you use it.
        text_format: ``{"type": "grammar", "syntax": "lark", "definition": "…"}``. Left out: any text.
        """

    @staticmethod
    def of_provider(provider: str, entry: Mapping[str, Any]) -> ToolSpec:
        """A tool that this provider runs itself, as its search of the web.

        entry: goes into the provider's list of tools as it is, beside your own: ``{"type": "web_search_20250305",
        "name": "web_search"}`` for ``anthropic``. In a list for several providers each takes what is its own.
        """

    @property
    def name(self) -> str:
        """Its name: letters, digits, `_` and `-`, at most 64."""

    @property
    def description(self) -> str:
        """What it does, for the model to read."""

    @property
    def parameters(self) -> Any:
        """The JSON schema of its arguments, an object schema. Of a provider's own tool: its entry in that provider's list."""

    @property
    def strict(self) -> bool:
        """True when the provider shall hold the model to the schema."""

    @property
    def text_format(self) -> TextFormat | None:
        """Set when the tool takes free text instead of arguments; ``parameters`` then counts for nothing."""

    @property
    def provider(self) -> str | None:
        """Set when the tool is this provider's own. All other providers never hear of it."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ToolSpec: ...

@final
class ToolCall:
    """The model wants a tool to be called."""

    __match_args__: ClassVar[tuple[Literal["id"], Literal["name"], Literal["arguments"]]]

    def __new__(
        cls, id: str, name: str, arguments: Any, *, provider_executed: bool = False, free_text: bool = False
    ) -> Self: ...
    @property
    def id(self) -> str:
        """Names the call; the answer carries it. Made by the engine when the provider gives none."""

    @property
    def name(self) -> str:
        """The tool."""

    @property
    def arguments(self) -> Any:
        """The arguments: an object. Text that was no JSON stands here as a str, and so does what a tool of free text is given."""

    @property
    def provider_executed(self) -> bool:
        """True when the provider runs the tool itself."""

    @property
    def free_text(self) -> bool:
        """True when the tool takes free text: the arguments are that text."""

    def result(self, output: Any, *, is_error: bool = False) -> ToolResult:
        """The answer to this call."""
    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ToolCall: ...

@final
class ToolResult:
    """What a tool answered."""

    __match_args__: ClassVar[tuple[Literal["call_id"], Literal["output"]]]

    def __new__(
        cls, call_id: str, output: Any, *, is_error: bool = False, media: Sequence[Media | Mapping[str, Any]] = ...
    ) -> Self: ...
    @property
    def call_id(self) -> str:
        """The call it answers."""

    @property
    def output(self) -> Any:
        """The answer: text or any JSON."""

    @property
    def is_error(self) -> bool:
        """True when the tool failed; the model then reads the output as the reason."""

    @property
    def media(self) -> tuple[Media, ...]:
        """Pictures and documents that belong to the answer."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> ToolResult: ...

@final
class Usage:
    """Tokens of a call. The parts (cached, written to the cache, reasoning) are included in the two totals."""

    __match_args__: ClassVar[tuple[Literal["input_tokens"], Literal["output_tokens"]]]

    def __new__(
        cls,
        input_tokens: int = 0,
        output_tokens: int = 0,
        *,
        cache_read_input_tokens: int = 0,
        cache_creation_input_tokens: int = 0,
        reasoning_output_tokens: int = 0,
        requests: int = 0,
        details: Mapping[str, int] = ...,
        source: UsageSource = ...,
        raw: Any | None = None,
    ) -> Self: ...
    @property
    def input_tokens(self) -> int:
        """Everything that was sent in, cached and cache-written tokens included."""

    @property
    def output_tokens(self) -> int:
        """Everything that was written, reasoning included."""

    @property
    def cache_read_input_tokens(self) -> int:
        """How much of the input came from the provider's cache."""

    @property
    def cache_creation_input_tokens(self) -> int:
        """How much of the input was written to the provider's cache."""

    @property
    def reasoning_output_tokens(self) -> int:
        """How much of the output was reasoning."""

    @property
    def requests(self) -> int:
        """How many requests it took."""

    @property
    def details(self) -> dict[str, int]:
        """Further counts under the provider's names: audio, one-hour cache, …"""

    @property
    def source(self) -> UsageSource:
        """Where the figures come from."""

    @property
    def raw(self) -> Any | None:
        """The provider's own object."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Usage: ...

@final
class Cost:
    """What a call cost. Nothing = unknown, never 0. Printed as `$0.0012` or `unknown`."""

    __match_args__: ClassVar[tuple[Literal["nano_usd"]]]

    def __new__(
        cls, nano_usd: int | None = None, *, source: CostSource = ..., price_date: str | None = None
    ) -> Self: ...
    @property
    def nano_usd(self) -> int | None:
        """Billionths of a US dollar."""

    @property
    def source(self) -> CostSource:
        """Where the figure comes from."""

    @property
    def price_date(self) -> str | None:
        """The day the price was taken down, as `2026-11-21`."""

    @property
    def usd(self) -> float | None:
        """The cost in US dollars."""

    def __str__(self) -> str: ...
    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Cost: ...

@final
class Attempt:
    """One try of a call, kept in errors and replies."""

    __match_args__: ClassVar[tuple[Literal["model"], Literal["kind"]]]

    def __new__(
        cls,
        model: str,
        kind: ErrorKind | None = None,
        *,
        status: int | None = None,
        delay_ms: int = 0,
        duration_ms: int = 0,
    ) -> Self: ...
    @property
    def model(self) -> str:
        """The model as `provider/model`."""

    @property
    def kind(self) -> ErrorKind | None:
        """How the try failed, or nothing when it succeeded."""

    @property
    def status(self) -> int | None:
        """The HTTP status, when there was one."""

    @property
    def delay_ms(self) -> int:
        """How long the engine waited before this try, in milliseconds."""

    @property
    def duration_ms(self) -> int:
        """How long the try took, in milliseconds."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Attempt: ...

@final
class Page(Sequence[_T_co], Generic[_T_co]):
    """One page of a longer list, always in reading order. Items are made when they are looked at."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: SupportsIndex, /) -> _T_co: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[_T_co]: ...
    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """The index of the first item that equals this one."""

    def count(self, value: Any) -> int:
        """How many items equal this one."""

    @property
    def items(self) -> tuple[_T_co, ...]:
        """What is on the page."""

    @property
    def before(self) -> str | None:
        """Leads to older items; nothing when there are none."""

    @property
    def after(self) -> str | None:
        """Leads to newer items. Also there at the end, so that it can be used for polling."""

    @property
    def reached_start(self) -> bool:
        """True when the page holds the first item there is."""

    @property
    def reached_end(self) -> bool:
        """True when the page holds the last item there is."""

    @property
    def version(self) -> int:
        """Changes whenever the list does."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form: dicts, lists, texts and numbers, as ``json.dumps`` takes them. Times are milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __contains__(self, value: object, /) -> bool: ...
    def __iter__(self) -> Iterator[_T_co]: ...
    def __reversed__(self) -> Iterator[_T_co]: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @classmethod
    def __class_getitem__(cls, item: Any) -> Any: ...
    @staticmethod
    def _of_json(json: str) -> Page[Any]: ...

def image(
    *,
    path: str | PathLike[str] | None = None,
    data: bytes | bytearray | None = None,
    url: str | None = None,
    mime_type: str | None = None,
    name: str | None = None,
) -> ImagePart:
    """A picture: from a file, from bytes (with ``mime_type``), or from a URL that the provider fetches."""

def audio(
    *,
    path: str | PathLike[str] | None = None,
    data: bytes | bytearray | None = None,
    url: str | None = None,
    mime_type: str | None = None,
    name: str | None = None,
) -> AudioPart:
    """A sound: from a file, from bytes (with ``mime_type``), or from a URL that the provider fetches."""

def file(
    *,
    path: str | PathLike[str] | None = None,
    data: bytes | bytearray | None = None,
    url: str | None = None,
    mime_type: str | None = None,
    name: str | None = None,
) -> FilePart:
    """A document: from a file, from bytes (with ``mime_type``), or from a URL that the provider fetches."""

@final
class _Sink:
    def push(self, event: object) -> bool: ...
    def room(self, future: asyncio.Future[None]) -> bool: ...
    def wait(self) -> bool: ...
    def began(self, future: asyncio.Future[None]) -> None: ...
    def end(self) -> None: ...
    def fail(self, exception: BaseException) -> bool: ...

@final
class _Answer:
    def is_awaited(self) -> bool: ...
    def began(self, future: asyncio.Future[None]) -> None: ...
    def end(self, value: object) -> bool: ...
    def unfit(self, why: str) -> bool: ...
    def fail(self, exception: BaseException) -> bool: ...

@final
class ToolContext:
    """What a tool may know of its call: a parameter that is annotated with it gets it, and no model is shown that."""

    @property
    def run_id(self) -> str:
        """The run."""

    @property
    def call_id(self) -> str:
        """Names the call in its round; some providers count anew in each."""

    @property
    def key(self) -> str:
        """The same for a call that is made again after a crash, and for no other: give it to whom you call as the key by
        which a second request is known.
        """

    @property
    def is_cancelled(self) -> bool:
        """True once nobody awaits the answer: the run was stopped, or the time of the call is up. Async code is cancelled
        then; what blocks a thread has to look for itself.
        """

def _error_info(kind: str, reason: str, detail: str, retry: Retry, retry_after: float | None) -> ErrorInfo: ...
def _restore(class_: type[Any], json: str) -> Any: ...
def _never_wait_here() -> None: ...
def _before_fork() -> None: ...
def _after_fork_in_parent() -> None: ...
def _after_fork() -> None: ...
def forward_logs() -> None:
    """Send the engine's log to Python's ``logging``: logger ``tertulia`` and those below it (``tertulia.engine``, …).

    An engine does this when it opens, where ``logging`` has been imported. Call it after changing levels while an
    engine is open: what nobody wants to hear is left out at the source. A record's ``tertulia`` holds its fields.
    """

@final
class EngineEvents:
    """What happens in an engine: an iterator that waits for the next event and ends when the engine is closed."""

    def __iter__(self) -> Iterator[EngineEvent]: ...
    def __next__(self) -> EngineEvent: ...

@final
class AsyncEngineEvents:
    """What happens in an engine: waits for the next event and ends when the engine is closed."""

    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, EngineEvent]: ...

@final
class Tertulia:
    """The conversation engine. Cheap to hand around; usable from any thread.

    Making it opens nothing (no file, thread or socket), so it may stand at module level, before any fork.
    ``with``, ``open()`` or the first verb opens it, in the process that uses it.
    """

    def __new__(
        cls,
        store: str | PathLike[str] | None = None,
        *,
        model: str | None = None,
        fallback: Sequence[str] | None = None,
        keys: Mapping[str, str] | None = None,
        providers: Sequence[ProviderSpec | OwnProvider | ProviderFunction] = ...,
        settings: Mapping[str, Any] | None = None,
        tiers: Mapping[str, Tier | Mapping[str, Any]] | None = None,
        tier_of: Mapping[str, str] | None = None,
        on_event: Callable[[EngineEvent], object] | None = None,
    ) -> Self:
        """Prepare an engine.

        store: a path (SQLite) or ``"memory:"``. Left out: ``$TERTULIA_HOME/tertulia.db``, else the platform's folder
        for application data.
        model: as ``provider/model``, asked when neither call nor conversation names one. Left out: ``$TERTULIA_MODEL``.
        fallback: the models that calls go on to, in this order, when theirs fails.
        keys: keys by provider. Left out: the variable that the catalogue names (``OPENAI_API_KEY``, …).
        providers: providers of your own, as data: ``{"name": "lab", "base_url": "https://llm.lab.example/v1"}``; or as
        code: a function from a ``ChatRequest`` to events, best an async generator function. Its name is the prefix of
        its models, its normal end the proof that the reply is whole.
        settings: ``{"profile": "mobile", "retry": {"max_attempts": 3}}``; unknown names are refused.
        tiers, tier_of: what ``set_tier`` and ``assign_tier`` say later, from the first call on: tiers by name, and the
        tier of each user. What the outbox sends while the engine opens is held to them, too.
        on_event: a function that is called with every event of the engine, one after the other, on a thread of its own.
        What it raises is shown and costs it that event alone. Is it slower than events come, some are left out, and one of
        the type ``lagged`` says how many.
        """

    def user(self, id: str | None = None, *, keys: Mapping[str, str] | None = None) -> UserScope:
        """The conversations of one user: ``"local"`` unless named. His keys serve him alone. Touches no disk."""

    @overload
    def ask(self, content: Content, *, messages: None = None, **options: Unpack[CallOptions]) -> Reply:
        """Ask once and store nothing."""
    @overload
    def ask(self, content: None = None, *, messages: Sequence[NewMessage], **options: Unpack[CallOptions]) -> Reply:
        """Ask once, with a whole list of messages, and store nothing."""

    def prompts(self) -> Library:
        """The application's prompts, which all its users see."""

    def personas(self) -> Library:
        """The application's personas, which all its users see."""

    def councils(self) -> Library:
        """The application's councils, which all its users see."""

    def library(self, kind: str) -> Library:
        """The application's values of a kind: ``setting``, or a word of your own (small letters, digits, ``-``, ``_``)."""

    def library_cache(self) -> LibraryCache:
        """What is remembered of libraries and of users' preferences. Asked of an engine that is open."""

    def store(self) -> StoreUpkeep:
        """The store's upkeep: a look at all of it, repairs, backups, what takes the space."""

    def provider(self, name: str) -> ProviderHandle:
        """One provider, for requests of your own with its key and address."""

    def providers(self) -> tuple[ProviderInfo, ...]:
        """Every provider that the engine knows, from memory."""

    def models(self, pattern: str = "*") -> tuple[ModelInfo, ...]:
        """Every known model that fits the pattern (``*``, ``anthropic/*``, or a name), from memory."""

    def load_catalogue(self, path: str | PathLike[str]) -> None:
        """Lay a catalogue from a JSON file over the one that is known, for all calls from now on.

        A provider takes the place of one of the same name, whole; everything else stays, and the engine's own
        ``providers`` stay on top. A wrong file is ``InvalidError`` and changes nothing. A catalogue says where keys
        and conversations go: load none that you would not run as a program.
        """

    def set_budget(
        self,
        *,
        usd: float | None = None,
        nano_usd: int | None = None,
        tokens: int | None = None,
        requests: int | None = None,
        per: Window = ...,
        each: BudgetScope | None = None,
        user: str | None = None,
        conversation: str | None = None,
        run: str | None = None,
        warn_at: Sequence[float] = ...,
    ) -> Budget:
        """Set a budget, for all calls from now on, in every process that shares the store.

        One of ``usd``, ``nano_usd``, ``tokens`` and ``requests`` is the limit, ``per`` its window (``"total"`` unless
        told). It holds for the whole application, or for ``each`` user, conversation or run apart, or for one alone. A
        budget with the same scope, key, window and unit is replaced. A call that no budget has room for is
        ``BudgetExceededError``, before it is sent.

        Each try of a call holds back the most that it can cost from before it waits in the queue until it has ended
        (``BudgetStatus.reserved``). So many calls that wait can use a small budget up until they are answered for less,
        and others are refused meanwhile; ``max_tokens`` makes what is held back small.
        """

    def remove_budget(self, budget: Budget | str) -> None:
        """Take a budget away: the budget, or its id. One that is not set is no error."""

    def list_budgets(self) -> tuple[Budget, ...]:
        """Every budget that is set."""

    def budgets(self) -> tuple[BudgetStatus, ...]:
        """Where the budgets of the application stand."""

    def set_tier(
        self,
        name: str,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        budgets: Sequence[Budget | Mapping[str, Any]] = ...,
        models: Sequence[str] = ...,
        priority: Priority | None = None,
    ) -> None:
        """Say what users of this tier may do, for all of their calls from now on.

        ``budgets`` are described as ``set_budget`` takes them (``{"usd": 5, "per": "day"}``) and hold for each user
        apart; ``models`` are names or beginnings as ``"anthropic/*"``; no call goes before others of
        the class ``priority``, however urgent it says it is. Tiers are kept in memory: set them when the
        application starts.
        """

    def remove_tier(self, name: str) -> None:
        """Take a tier away. Who belongs to it may do whatever the budgets allow, until it is set again."""

    def tiers(self) -> dict[str, Tier]:
        """The tiers that are set, by name."""

    def assign_tier(self, user: str, tier: str | None) -> None:
        """Say that a user belongs to a tier, or to none. Kept in memory."""

    def usage(
        self,
        *,
        by: UsageBy | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> UsageReport:
        """What everybody has spent, summed up by model unless told otherwise; deleted conversations are in it.

        ``since`` and ``until`` are rounded to whole hours. ``after`` is the ``next`` of the page before.
        """

    def forecast(self, window: Window) -> Forecast:
        """What will have been spent in this window at its end: an hour, a day, a week or a month."""

    def events(self) -> EngineEvents:
        """What happens in the engine from now on: retries, breakers, turns, failed tasks, the store, rejected keys.

        Ends when the engine is closed. Up to 1,024 events wait for a reader; one that is slower loses the oldest and is
        told how many (``lagged``). Where the engine is not open yet, the first read opens it.
        """

    def stats(self, window: float | timedelta | None = None) -> Stats:
        """The figures of the last ``window`` seconds (60; an hour at most), for each model and in all. From memory."""

    def health(self) -> Health:
        """How the engine is now, from memory. ``InvalidError`` (``not_open``) before it was opened."""

    def reconfigure(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        keys: Mapping[str, str] | None = None,
        catalogue: Mapping[str, Any] | None = None,
    ) -> None:
        """Change limits, timeouts, retries, breakers, keys and prices, all of it or nothing.

        settings: what shall be otherwise: ``{"retry": {"max_attempts": 3}}``. keys: the new ones by provider.
        catalogue: providers, models and prices to lay over what is known. Calls that begin from now on see it; those
        under way end as they began. What cannot change is ``InvalidError`` (``cannot_change``).
        """

    def warm_up(self, *models: str) -> None:
        """Open connections to the providers of these models ahead of the first call."""

    def network_changed(self) -> None:
        """Tell that the machine is on another network, or on one again: what waits in the outbox is tried."""

    def set_low_power(self, low: bool) -> None:
        """Tell that the machine saves power, or no longer does.

        From then on nothing is done ahead of time: no rolling summary is begun, nothing is made ready for searches, no
        second request is raced against a slow one, and what waits in the outbox is tried when the network changes, when a
        provider answers, after ``resume``, and every five minutes. What somebody asks for is done as always. When power is
        no longer saved, what is due is tried at once.
        """

    def suspend(self) -> None:
        """Give up every file and lock of the store, so that the system may suspend the program.

        What is handed to the store already is finished. Until ``resume`` every verb raises ``ClosedError``
        (``suspended``); what is under way waits where it stands, so that nothing is lost.
        """

    def resume(self) -> None:
        """Open the store again after ``suspend``: what waited goes on, and the outbox is drained."""

    def open(self) -> Self:
        """Open the engine, unless it is open, and put to rest what a dead process left open."""

    def close(self) -> None:
        """End what is under way, waiting up to 5 s, and free every thread, socket and file.

        Every other handle of this engine raises ``ClosedError`` from then on.
        """

    def __enter__(self) -> Self: ...
    def __exit__(self, *_why: object) -> None: ...

@final
class UserScope:
    """The conversations of one user. Another user's cannot be reached through it. Touches no disk when made."""

    @property
    def id(self) -> str:
        """Who it is."""

    @overload
    def ask(self, content: Content, *, messages: None = None, **options: Unpack[CallOptions]) -> Reply:
        """Ask once on this user's account and store nothing."""
    @overload
    def ask(self, content: None = None, *, messages: Sequence[NewMessage], **options: Unpack[CallOptions]) -> Reply:
        """Ask once on this user's account, with a whole list of messages, and store nothing."""

    def new_conversation(
        self,
        *,
        model: str | None = None,
        system: str | None = None,
        title: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Sequence[str] = (),
        expires_in: float | timedelta | None = None,
    ) -> Conversation:
        """A new conversation. Nothing is written before its first message; its id is there from the start.

        ``tags`` (at most 32, of 1 to 64 characters) are what it can be found by in a list. ``expires_in`` (seconds) is how
        long it stays from its first message on; left out, until it is deleted.
        """

    def conversation(self, id: str) -> Conversation:
        """A conversation by its id. ``NotFoundError`` at its first use when there is none, or it is another user's."""

    def conversation_for(self, key: str) -> Conversation:
        """The conversation that belongs to a key of your own (``"whatsapp:+34600"``): same key, same conversation."""

    def tier(self) -> str | None:
        """The tier that this user belongs to."""

    def budgets(self) -> tuple[BudgetStatus, ...]:
        """Where every budget stands that holds for this user: the user's own, and those of the application."""

    def usage(
        self,
        *,
        by: UsageBy | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> UsageReport:
        """What this user has spent, summed up by model unless told otherwise; deleted conversations are in it.

        ``since`` and ``until`` are rounded to whole hours. ``after`` is the ``next`` of the page before.
        """

    def forecast(self, window: Window) -> Forecast:
        """What will have been spent in this window at its end: an hour, a day, a week or a month."""

    def erase(self) -> ErasureReport:
        """Take out everything of this user.

        Conversations with all branches, messages, files, drafts, turns, what waits in the outbox, what the user prefers, and
        the words of all of it in the search index; then what is left of them in free places of the store's files. Turns that
        run here are stopped first. The sums of what was spent stay. Files that were exported and backups are not the store's.

        While it is under way, whoever begins a conversation for this user, in any process, gets ``ConflictError`` (erasing).
        From its end on the id is that of somebody new. It is done in parts, between which others write; the last ones take
        time in proportion to the search index of all users. It goes on when nobody waits for it, and at the next opening of
        the store when the process ends before. Doing it again does what is left. Raises ``StorageError``, ``ClosedError``.
        """

    def batch(self) -> Batch:
        """Many changes at once: delete, archive, pin, change, tag, append, edit, export. All of them, or none."""

    def export_conversations(
        self,
        path: str | PathLike[str],
        *,
        ids: Sequence[str] | None = None,
        archived: bool | None = None,
        pinned: bool | None = None,
        tag: str | None = None,
        preferences: bool = False,
    ) -> ExportReport:
        """Write this user's conversations into a file, as JSON Lines, with nothing left out.

        With all branches and which of them is shown, deleted messages as such, parts of every kind, files, metadata, tags,
        pins, archive, titles, times, usage and cost. An answer on its way stands there as one that broke off. Turns, the
        outbox and budgets stay behind. All conversations unless told otherwise: ``ids`` in their order, or those that
        ``archived``, ``pinned`` and ``tag`` name. With ``preferences`` also what the user prefers. The file gets its name
        when it is whole and on the disk, in the place of an export that was there, readable for its owner alone.

        Raises ``NotFoundError``; ``InvalidError`` (bad_path); ``ConflictError`` (changed_meanwhile) when messages are
        removed from a conversation while it is written; ``StorageError`` (io).
        """

    def import_conversations(self, path: str | PathLike[str], *, dry_run: bool = False) -> ImportReport:
        """Add the conversations of a file to this user's.

        Of an export of this engine, of the ``conversations.json`` of ChatGPT or Claude, or lists of messages with
        ``role`` and ``content`` (one list, an object with ``messages``, or JSON Lines of either). What it is, is
        recognised. All of it is read before anything is written. What is here already stays as it is: the same file twice
        is the same file once. With ``dry_run`` nothing is written, and the report says what would be.

        Raises ``InvalidError`` with the line and the item: unreadable_file, unknown_format, newer_format, malformed,
        truncated, too_deep, too_large; ``StorageError``.
        """

    def preferences(self) -> Preferences:
        """What this user prefers; nothing of anything for one of whom nothing was said."""

    def search(
        self, words: str, *, sort: SearchSort | None = None, limit: int = 50, before: str | None = None
    ) -> Page[SearchHit]:
        """Search what was said in this user's conversations, on all branches: words, "phrases", -exclusions and beginnings*.

        Case and accents do not count. All of it must be said in one message, whoever's but a tool's. The newest first, or
        what fits best (``sort="relevance"``); ``limit`` is 1 to 200, and a page's ``before`` leads on.
        """

    def update_preferences(
        self,
        *,
        name: str | None = ...,
        language: str | None = ...,
        time_zone: str | None = ...,
        values: Mapping[str, str | None] = ...,
    ) -> None:
        """Change what this user prefers. What is left out stays as it is; ``None`` clears, in ``values`` too.

        At most 8 KiB in all. Nothing of it is sent to a provider.
        """

    @overload
    def list_conversations(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
        archived: bool = False,
        pinned: bool | None = None,
        tag: str | None = None,
        unchanged_since: None = None,
    ) -> Page[ConversationInfo]:
        """This user's conversations that are not archived: the pinned ones first, and then the latest activity.

        ``limit`` is 1 to 200. ``before`` goes on down the list; ``after`` gives what has had activity since a page was read,
        the latest first. ``archived`` asks for the archived ones instead, ``pinned`` for those that are pinned or are not,
        ``tag`` for those that have it. With ``unchanged_since=page.version`` it is ``None``, and no conversation is read,
        when nothing has changed.
        """

    @overload
    def list_conversations(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
        archived: bool = False,
        pinned: bool | None = None,
        tag: str | None = None,
        unchanged_since: int,
    ) -> Page[ConversationInfo] | None: ...
    def attach_run(self, run_id: str, *, after_seq: int = 0) -> Run[Any]:
        """A run of this user, from any process: its events from behind this one on (0 = all), its result, approvals.

        Nothing is read yet; that there is no such run is said at the first use.
        """

    def prompts(self) -> Library:
        """This user's prompts, and the application's."""

    def personas(self) -> Library:
        """This user's personas, and the application's."""

    def councils(self) -> Library:
        """This user's councils, and the application's."""

    def library(self, kind: str) -> Library:
        """This user's values of a kind, and the application's: ``setting``, or a word of your own (small letters, digits, ``-``, ``_``)."""

    def outbox(self) -> Outbox:
        """What of this user's messages waits to be sent by itself, is being sent, or was given up."""

    def watch_conversations(self) -> ConversationsWatch:
        """This user's conversations that are not archived, as a list that changes by itself; 50 to begin with.

        While an answer is being written nothing is told; its end is.
        """

@final
class StoreUpkeep:
    """The upkeep of an engine's store. Nothing of it changes what users see.

    ``InvalidError`` (``unsupported``) for a store without files.
    """

    def verify(self) -> Verification:
        """Look at everything that is kept, while others go on.

        Pages and indexes, tables and indexes against those that this version makes, every figure that is kept against
        what it counts. Takes time in proportion to the size.
        """

    def repair(self) -> Repair:
        """Mend what can be made from the rows: indexes, counts, references. Rows are neither changed nor thrown away."""

    def storage_report(self) -> StorageReport:
        """What takes the space, by kind. Takes time in proportion to the size."""

    def checkpoint(self) -> bool:
        """Move the log into the database and empty it, which the store does by itself when it is idle.

        False when somebody still reads from the log; then what could be moved is.
        """

    def vacuum(self) -> int:
        """Give the space of what was deleted back to the system and put the index of words together. Gives the bytes.

        In steps, between which others go on.
        """

    def backup(self, path: str | PathLike[str]) -> int:
        """Copy everything that is kept at this moment into a file, while others go on. Gives its size in bytes.

        The file gets its name when it is whole and on the disk, in the place of one that was there; it can be opened
        like any store. ``InvalidError`` (``bad_backup``) when the path is one of the store's own files, or a folder.
        """

@final
class Library:
    """The values of one kind, by name: the application's, or one user's before them.

    Every value put in the place of another is a new version. Values are JSON of at most 64 KiB, names text of 1 to 128
    bytes. A user sees the application's values as well, unless he has one of the same name. What is read by name is
    remembered until somebody changes it, in whichever process, and not longer than ``settings["library"]`` says.
    """

    @property
    def kind(self) -> str:
        """What the values are."""

    def get(self, name: str) -> LibraryEntry | None:
        """The newest version under this name: the user's own, else the application's; ``None`` when there is neither."""

    def version(self, name: str, version: int) -> LibraryEntry | None:
        """This version of what stands under the name: of the user's own value if he has one, else of the application's.

        ``None`` when it is not there (any more).
        """

    def put(self, name: str, value: Any, *, expected_version: int | None = None) -> int:
        """Put a value under the name, as its next version, and give the version's number.

        The value that stands there already changes nothing. With ``expected_version`` only if this version stands there
        (0: only if nothing does): otherwise ``ConflictError`` (``entry_moved``).
        """

    def delete(self, name: str, *, expected_version: int | None = None) -> None:
        """Delete the value under the name, with all its versions, whose numbers are not given again.

        ``NotFoundError`` when nothing stands there, or only the application's.
        """

    def list(self, *, prefix: str = "", after: str | None = None, limit: int = 50) -> tuple[LibraryItem, ...]:
        """Exactly so many names (1 to 200), or all there are, in the order of their letters (by code point).

        ``after``: those behind this name, for the next page. Of a user's library the application's names as well, each once.
        """

    def versions(self, name: str, *, before: int | None = None, limit: int = 50) -> tuple[LibraryVersion, ...]:
        """Exactly so many versions (1 to 200) of what stands under the name, or all that are kept, the newest first.

        ``before``: those before this version, for the next page.
        """

@final
class LibraryCache:
    """What an engine remembers of libraries and of users' preferences.

    It is never behind: what is changed, here or in another process, is read anew by itself. Messages, whose something is,
    and what tools answered are not in it. ``InvalidError`` (``not_open``) before the engine was opened.
    """

    def health(self) -> LibraryHealth:
        """How often a value was remembered and how often it had to be read, and what is remembered now; from memory."""

    def invalidate(self, kind: str, name: str = "", *, user: str = "") -> None:
        """Forget one value: the application's, or the user's; ``invalidate("preferences", user="ana")`` what she prefers."""

    def clear(self) -> None:
        """Forget everything."""

@final
class Outbox:
    """One user's messages that wait to be sent, are being sent, or were given up."""

    def list(self) -> tuple[OutboxItem, ...]:
        """What is in it, first in first; at most 1,000."""

    def retry(self, turn_id: str) -> None:
        """Send a message now, as soon as its provider lets it, and give it its whole time again. A parked one waits again.

        ``NotFoundError`` when it is not in the outbox.
        """

    def discard(self, turn_id: str) -> None:
        """Take a message back: it is not sent, or no longer.

        It stays in its conversation as ``cancelled``, and no model is shown it. ``NotFoundError`` when it is not in the
        outbox, which it also is not once it is answered.
        """

    def watch(self) -> OutboxWatch:
        """What happens in it from now on, in this process. To miss nothing, watch first and list then."""

@final
class Batch:
    """Many changes to one user's conversations, gathered by its verbs and done together by ``run`` or ``start``.

    **All or nothing** unless told otherwise: at most 10,000 items in one transaction. Every item is checked before anything
    is written, in its order, as if those before it were done. Where one is refused, the batch fails as that item does, the
    error names it by its number, from 0, and nothing is written; the same when it is cancelled, when the store fails, or
    when somebody else changes things in such a way that it cannot be done any more. With ``best_effort`` it does what it
    can: at most 100,000 items, up to 500 of them in one transaction; those that are refused are named in the report.

    Either way the messages of a batch hold at most 64 MiB, files included. Messages go behind answers that are under way:
    the batch waits for these. Turns of conversations that are deleted are stopped, once nothing is refused.
    ``chats`` are one conversation or several, by handle or id; each is an item of its own.
    """

    def delete(self, chats: Conversation | str | Iterable[Conversation | str]) -> Self:
        """Delete conversations with everything in them."""

    def update(
        self,
        chats: Conversation | str | Iterable[Conversation | str],
        *,
        title: str | None = ...,
        system: str | None = ...,
        model: str | None = ...,
        metadata: Mapping[str, str] = ...,
        tags: Sequence[str] = ...,
        pinned: bool = ...,
        archived: bool = ...,
        expires_in: float | timedelta | None = ...,
    ) -> Self:
        """Change the same fields of all of these conversations; what is left out stays as it is."""

    def archive(self, chats: Conversation | str | Iterable[Conversation | str]) -> Self:
        """Leave conversations out of lists that do not ask for them."""

    def unarchive(self, chats: Conversation | str | Iterable[Conversation | str]) -> Self:
        """Take conversations back out of the archive."""

    def pin(self, chats: Conversation | str | Iterable[Conversation | str]) -> Self:
        """Put conversations before all others in lists."""

    def unpin(self, chats: Conversation | str | Iterable[Conversation | str]) -> Self:
        """Put conversations among the others again."""

    def tag(self, chats: Conversation | str | Iterable[Conversation | str], tags: str | Sequence[str]) -> Self:
        """Add tags to the ones that the conversations have; those that they have already stay where they stand."""

    def untag(self, chats: Conversation | str | Iterable[Conversation | str], tags: str | Sequence[str]) -> Self:
        """Take tags off the conversations; one that a conversation does not have is no error."""

    def retag(self, chats: Conversation | str | Iterable[Conversation | str], old: str, new: str) -> Self:
        """Move the conversations from one tag to another, as from folder to folder.

        One without the first tag is refused: ``InvalidError`` (not_tagged).
        """

    def append(self, chat: Conversation | str, messages: Sequence[NewMessage]) -> Self:
        """Store messages without asking a model. The handle of a new conversation begins that conversation."""

    def edit(self, chat: Conversation | str, message_id: str, content: Content) -> Self:
        """Say a message anew without asking a model: the new one stands beside it and is shown in its place.

        One that waits to be sent is taken back instead. Words of the model are refused: ``InvalidError`` (not_editable).
        """

    def export(self, path: str | PathLike[str], chats: Conversation | str | Iterable[Conversation | str]) -> Self:
        """Write conversations into a file, as ``export_conversations`` does.

        It holds what is there before the batch: put it before the items that change them. With them deleted by the same
        batch, either the file is whole and they are gone, or neither.
        """

    def run(self, *, best_effort: bool = False, dry_run: bool = False) -> BatchReport:
        """Do it and wait for its end. With ``dry_run`` nothing is written: the report says what would be.

        Raises, all or nothing: as the first item that is refused; ``ConflictError`` (changed_meanwhile) when others change
        the same things again and again. Also ``InvalidError`` (batch_too_large) and ``StorageError``.
        """

    def start(self, *, best_effort: bool = False) -> BatchRun:
        """Begin it. It goes on whether anybody holds what this gives or not."""

    def __len__(self) -> int: ...

@final
class BatchRun:
    """A batch that is under way: an iterator over how far it is, which ends when it is over.

    Who reads seldom is told the latest.
    """

    def __iter__(self) -> Self: ...
    def __next__(self) -> BatchProgress: ...
    @property
    def progress(self) -> BatchProgress:
        """How far it is now."""

    def cancel(self) -> None:
        """End it. What is done whole or not at all is not done, unless it is being written at this very moment."""

    def report(self) -> BatchReport:
        """What it has done, once it is over. Raises as ``run`` does, and ``CancelledError`` after ``cancel``."""

@final
class OutboxWatch:
    """What happens in an outbox: each message as it stands after a change. Ends when the engine is closed."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> OutboxItem: ...

@final
class Timeline:
    """What a screen shows of a conversation: an iterator over batches of changes, which ends when the engine is closed.

    The first batch is a ``reset`` with all rows, the others hold only what changed. It is opened by its first use. One
    task reads, while others may load. Dropping it ends it.
    """

    def __iter__(self) -> Self: ...
    def __next__(self) -> tuple[TimelineDiff, ...]: ...
    def next(self) -> tuple[TimelineDiff, ...] | None:
        """The next batch of changes, when there is one; ``None`` once the engine is closed.

        The first words of an answer and its end come at once, everything else not before
        ``settings["timeline"]["min_interval_ms"]`` have passed since the batch before.
        """

    def load_older(self, count: int = 50) -> bool:
        """Load so many older messages (1 to 200). True when the first one is there."""

    def load_newer(self, count: int = 50) -> bool:
        """Load so many newer messages (1 to 200), where the newest are not there. True when they are."""

    def focus(self, *, message: str | None = None, branch: str | None = None) -> None:
        """Show another part: about this message, the branch that ends with this one, or the newest messages."""

    def set_read(self, upto: str | None) -> None:
        """Everything up to this message is read: the unread marker moves behind it, or goes (``None``)."""

    def set_visible(self, first: int, last: int) -> None:
        """Say which rows are seen, by their places: what is farthest away is dropped where the list is too long."""

    def sse(self, heartbeat_s: float | timedelta | None = None, *, detail: bool = False) -> SseStream:
        """The batches as bytes for readers outside of the program (``text/event-stream``).

        Each event is ``{"type": "changes", "diffs": […]}``, applied one after the other; the first holds all rows, also
        for a page that comes back. After ``heartbeat_s`` seconds (15) without an event comes a comment, so that proxies
        keep the connection and a reader that is gone is found out. Of a message readers are told who said what, when, and
        how far it got; thoughts, tools and all else are parts of the type ``hidden``, unless with ``detail``. A failure
        is the last event, not an exception.
        """

    def dismiss(self, message_id: str) -> bool:
        """Take a message off the screen that was refused and is kept nowhere. False when there is none."""

@final
class ConversationsWatch:
    """A user's conversations as a list that changes by itself: an iterator over batches of changes."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> tuple[ConversationDiff, ...]: ...
    def next(self) -> tuple[ConversationDiff, ...] | None:
        """The next batch of changes, when there is one; ``None`` once the engine is closed."""

    def load_older(self, count: int = 50) -> bool:
        """Show so many conversations more (1 to 200; 1,000 in all). True when there are no more."""

@final
class Messages:
    """A conversation's messages: an iterator that reads page after page."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Message: ...

@final
class Conversation:
    """One conversation. Its turns run one after the other, in the order they were asked for."""

    @property
    def id(self) -> str:
        """Names it."""

    def context(self, **options: Unpack[CallOptions]) -> ContextReport:
        """What a model would be shown of the conversation as it stands, with these knobs: how many messages, and about
        how many tokens. Nothing is sent and nothing changes.
        """

    def send(self, content: Content, **options: Unpack[CallOptions]) -> Reply:
        """Save the message, send it, and wait for the whole reply.

        Ctrl-C stops the call and keeps what had arrived.
        """

    def stream(self, content: Content, **options: Unpack[CallOptions]) -> ReplyStream:
        """Save the message, send it, and give the reply as it comes.

        The stream exists once the message is saved.
        """

    def run(self, agent: Agent[_T], content: Content, **options: Unpack[CallOptions]) -> AgentResult[_T]:
        """Run an agent and wait for what it comes to. Your own code is called here and nowhere else: ``send`` never does.

        Every step is kept before the next one begins. Ctrl-C stops the run. Functions that are tools run on threads of their own, coroutines on one loop beside them.
        Of the knobs, ``max_cost_usd`` holds for all calls of the run together, all others for each of them.
        """

    def start(self, agent: Agent[_T], content: Content, **options: Unpack[CallOptions]) -> Run[_T]:
        """Begin a run of an agent and give the handle: it goes on by itself, whoever watches."""

    def pick_up(self, agent: Agent[_T], run_id: str, **options: Unpack[CallOptions]) -> Run[_T]:
        """Go on with a run of this conversation that stopped: its process has ended, or it has failed.

        Nothing that is finished is done or paid for again. A tool that was being called then is called again if it is
        idempotent; otherwise the model is told that nobody knows how it went. Raises ``NotFoundError``; ``ConflictError``
        (run_over) when it has its result, (at_work) while it is at work in this process; ``CancelledError`` when it was
        stopped.
        """

    def retry(self, turn_id: str, **options: Unpack[CallOptions]) -> ReplyStream:
        """Ask again for a turn that was interrupted, parked or cancelled. The message is the same."""

    def edit(self, message_id: str, content: Content, **options: Unpack[CallOptions]) -> ReplyStream:
        """Say a message anew: it stands beside the old one, is shown in its place, and is answered.

        The old one stays, with what followed; ``switch_to`` shows it. One that waited to be sent is taken back.
        """

    def regenerate(self, message_id: str, **options: Unpack[CallOptions]) -> ReplyStream:
        """Ask for another answer: to this message, or beside this answer. It is shown once it begins."""

    def search(
        self, words: str, *, sort: SearchSort | None = None, limit: int = 50, before: str | None = None
    ) -> Page[SearchHit]:
        """Search what was said in this conversation, on all branches: words, "phrases", -exclusions and beginnings*.

        Case and accents do not count. All of it must be said in one message, whoever's but a tool's. The newest first, or
        what fits best (``sort="relevance"``); ``limit`` is 1 to 200, and a page's ``before`` leads on.
        """

    def siblings(
        self, message_id: str, *, limit: int = 50, before: str | None = None, after: str | None = None
    ) -> Page[Message]:
        """The messages in the same place, this one among them: what a "2/3" switches between. Fifty about this one."""

    def branches(self, *, limit: int = 50, before: str | None = None, after: str | None = None) -> Page[Branch]:
        """Its branches, each by its last message, the newest first. ``limit`` is 1 to 200."""

    def switch_to(self, message_id: str) -> str:
        """Show the branch on which this message stands, as it was left; give the id of its last message."""

    def fork(self, message_id: str) -> None:
        """Begin a new branch behind this message: the next one goes there. What followed stays. Copies nothing."""

    def at(self, message_id: str) -> Conversation:
        """The conversation as it is seen from this message: ``history`` ends with it, and what is sent goes behind it."""

    def duplicate(self, message_id: str) -> Conversation:
        """A conversation of its own, with a copy of what was said up to and including this message."""

    def delete_message(self, message_id: str, *, subtree: bool = False) -> None:
        """Delete a message: its words and files are gone, it keeps its place with the status ``deleted``.

        With ``subtree`` it goes altogether, and everything below it on all branches.
        """

    def attach(self, turn_id: str, *, after_seq: int = 0) -> ReplyStream:
        """The reply of a turn from behind this event on: as it comes, or from the store. Leaving it changes nothing."""

    def append(self, messages: Sequence[NewMessage]) -> tuple[str, ...]:
        """Store messages without asking a model, and give their ids."""

    def stop(self, turn_id: str) -> None:
        """Stop a turn that runs in this process. Who waits for it gets a ``CancelledError``."""

    def turn(self, turn_id: str) -> Turn:
        """Where a turn stands."""

    @overload
    def history(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
        around: str | None = None,
        position: int | None = None,
        turns: int | None = None,
        detail: Detail | None = None,
        unchanged_since: None = None,
    ) -> Page[Message]:
        """A page of its messages, in reading order: the latest, or those before or after a place.

        ``limit`` is 1 to 200. Instead of a cursor: ``around`` a message, or from a ``position`` on, which counts from 1,
        at the same cost anywhere. ``turns`` instead of ``limit`` asks for whole turns: each is a message of the user with
        all that follows up to the next one; such a page holds at most 200 messages. ``detail`` says how much of each
        message: ``"ids"``, ``"previews"`` (at most 160 characters), ``"full"``.

        With ``unchanged_since=page.version`` it is ``None``, and no message is read, when nothing has changed.
        """

    @overload
    def history(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
        around: str | None = None,
        position: int | None = None,
        turns: int | None = None,
        detail: Detail | None = None,
        unchanged_since: int,
    ) -> Page[Message] | None: ...
    def open(
        self, *, limit: int = 50, turns: int | None = None, detail: Detail | None = None
    ) -> tuple[ConversationInfo, Page[Message]]:
        """What a screen needs when it opens: what a list shows of it, and its latest messages, both of the same moment.

        ``NotFoundError`` while nothing was said in it.
        """

    def messages(self, *, newest_first: bool = False, detail: Detail | None = None) -> Messages:
        """Its messages one after the other, from the first to the last of the branch as it was when the first one was
        asked for; however many there are, for pages are read as they are needed.
        """

    def timeline(
        self,
        *,
        message: str | None = None,
        branch: str | None = None,
        utc_offset_minutes: int = 0,
        read_upto: str | None = None,
    ) -> Timeline:
        """What a screen shows of it: the newest messages, and from then on what changes, as rows.

        ``message`` begins about a message, ``branch`` shows the branch that ends with one. ``utc_offset_minutes`` is how
        far the clocks of who reads are ahead of UTC: by that days are told apart. Behind ``read_upto`` the unread marker
        stands.
        """

    def budgets(self) -> tuple[BudgetStatus, ...]:
        """Where every budget stands that holds for a call in this conversation."""

    def summary(self) -> ConversationInfo:
        """What a list shows of it. ``NotFoundError`` while nothing was said in it."""

    def update(
        self,
        *,
        title: str | None = ...,
        system: str | None = ...,
        model: str | None = ...,
        metadata: Mapping[str, str] = ...,
        tags: Sequence[str] = ...,
        pinned: bool = ...,
        archived: bool = ...,
        expires_in: float | timedelta | None = ...,
    ) -> None:
        """Change its title, instructions, model, metadata or tags; pin or archive it.

        ``expires_in`` (seconds) is how long it stays from now on: after that it is gone for every verb at once. What is left
        out stays as it is; ``None`` clears.
        """

    def delete(self) -> None:
        """Delete it with everything in it. Turns that run are stopped first."""

@final
class ReplyStream:
    """A reply on its way: a context manager, and an iterator over its events.

    Leaving, dropping or cancelling it stops the call and keeps what had arrived. A failure is raised where it happens;
    ``partial`` holds what had arrived.
    """

    @property
    def turn_id(self) -> str | None:
        """The turn, once the message is saved."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> StreamEvent: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_why: object) -> None: ...
    def sse(
        self, after_seq: int = 0, heartbeat_s: float | timedelta | None = None, *, detail: bool = False
    ) -> SseStream:
        """The events as bytes for readers outside of the program (``text/event-stream``); takes the stream over.

        Begins behind the event ``after_seq``: what a browser sends as ``Last-Event-ID``. After ``heartbeat_s`` seconds
        (15) without an event comes a comment, so that proxies keep the connection and a reader that is gone is found out.
        Readers are told the answer and how it ended; with ``detail`` also thoughts, tools, progress and usage. A failure
        is an event, not an exception. ``started`` begins the answer anew: a page throws away what it has shown of it.
        A reader that goes stops the call, unless it was ``detached`` or attached to.
        """

    def text(self) -> TextStream:
        """Only the words of the answer, as they come."""

    def next_batch(self, max: int = 64) -> list[StreamEvent]:
        """Wait for the next events and give all that are there, at most ``max``. Empty after the last."""

    def reply(self) -> Reply:
        """Wait for the end and give the whole reply. After ``cancel()``: what had arrived, with status ``cancelled``."""

    def cancel(self) -> None:
        """Stop the call and keep what had arrived. Returns at once."""

    def detach(self) -> None:
        """Let the reply go on without this handle."""

@final
class Run(Generic[_T_co]):
    """A run on its way, or at its end: an iterator over its events.

    Dropping the handle changes nothing: the run goes on, and can be attached to again with ``me.attach_run(run.id)``.
    """

    @property
    def id(self) -> str:
        """Names it, for ``attach_run`` and ``pick_up``."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> RunEvent: ...
    def events(self) -> Self:
        """The events, as they come: the run itself, as an iterator. What was read once is not given again."""

    def next_event(self) -> RunEvent | None:
        """The next event, waiting for it; nothing behind the last.

        Words of an answer come while they are written if the run is at work in this process; what another process appends is
        heard within a second.
        """

    def summary(self) -> RunSummary:
        """Where it stands."""

    def approve(self, call_id: str) -> None:
        """Allow a call that waits for it (an ``ApprovalNeededRunEvent`` names it), from any process.

        Raises ``NotFoundError`` (no_call) when no such call waits; ``ConflictError`` (run_over); ``CancelledError``.
        """

    def deny(self, call_id: str, why: str | None = None) -> None:
        """Refuse a call that waits to be approved. The model is told so, with these words if there are any, and goes on.

        Raises what ``approve`` raises.
        """

    def cancel(self) -> None:
        """Stop it, wherever it is at work: elsewhere at its next step, here at once. One that is over stays as it is."""

    def result(self) -> AgentResult[_T_co]:
        """Wait for the result, whatever was read of the events.

        Raises what made it stop; ``CancelledError`` when somebody stopped it; ``NotFoundError`` when its time is up. A run
        that was attached to is not known to be of a type: its output is text, or JSON.
        """

    @classmethod
    def __class_getitem__(cls, output: Any) -> Any: ...

@final
class SseStream:
    """Server-sent events: an iterator over bytes, to be sent as they come. WSGI takes it as a response."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> bytes: ...
    def close(self) -> None:
        """Let go of what is told. WSGI servers call it when the reader is gone."""

@final
class TextStream:
    """The words of a reply on its way."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> str: ...

@final
class ProviderHandle:
    """One provider: any endpoint of it, with the engine's key and connections."""

    @property
    def name(self) -> str:
        """The prefix of its models."""

    def request(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> RawResponse:
        """Send a request to a path of the provider (``/v1/moderations``) and give whatever comes back.

        ``body`` is JSON. Nothing is tried again, and no status is an error.
        """

    def models(self, *, key: str | None = None) -> tuple[ModelInfo, ...]:
        """Ask the provider which models it offers right now.

        What its list says of a model's window goes first; the rest is what the catalogue knows.
        """

@final
class AsyncTertulia:
    """The conversation engine. Cheap to hand around; usable from any thread and loop.

    Making it opens nothing (no file, thread or socket), so it may stand at module level, before any fork.
    ``async with``, ``open()`` or the first verb opens it, in the process that uses it.
    """

    def __new__(
        cls,
        store: str | PathLike[str] | None = None,
        *,
        model: str | None = None,
        fallback: Sequence[str] | None = None,
        keys: Mapping[str, str] | None = None,
        providers: Sequence[ProviderSpec | OwnProvider | ProviderFunction] = ...,
        settings: Mapping[str, Any] | None = None,
        tiers: Mapping[str, Tier | Mapping[str, Any]] | None = None,
        tier_of: Mapping[str, str] | None = None,
        on_event: Callable[[EngineEvent], object] | None = None,
    ) -> Self:
        """Prepare an engine.

        store: a path (SQLite) or ``"memory:"``. Left out: ``$TERTULIA_HOME/tertulia.db``, else the platform's folder
        for application data.
        model: as ``provider/model``, asked when neither call nor conversation names one. Left out: ``$TERTULIA_MODEL``.
        fallback: the models that calls go on to, in this order, when theirs fails.
        keys: keys by provider. Left out: the variable that the catalogue names (``OPENAI_API_KEY``, …).
        providers: providers of your own, as data: ``{"name": "lab", "base_url": "https://llm.lab.example/v1"}``; or as
        code: a function from a ``ChatRequest`` to events, best an async generator function. Its name is the prefix of
        its models, its normal end the proof that the reply is whole.
        settings: ``{"profile": "mobile", "retry": {"max_attempts": 3}}``; unknown names are refused.
        tiers, tier_of: what ``set_tier`` and ``assign_tier`` say later, from the first call on: tiers by name, and the
        tier of each user. What the outbox sends while the engine opens is held to them, too.
        on_event: a function that is called with every event of the engine, one after the other, on a thread of its own.
        What it raises is shown and costs it that event alone. Is it slower than events come, some are left out, and one of
        the type ``lagged`` says how many.
        """

    def user(self, id: str | None = None, *, keys: Mapping[str, str] | None = None) -> AsyncUserScope:
        """The conversations of one user: ``"local"`` unless named. His keys serve him alone. Touches no disk."""

    @overload
    def ask(
        self, content: Content, *, messages: None = None, **options: Unpack[CallOptions]
    ) -> Coroutine[Any, Any, Reply]:
        """Ask once and store nothing."""
    @overload
    def ask(
        self, content: None = None, *, messages: Sequence[NewMessage], **options: Unpack[CallOptions]
    ) -> Coroutine[Any, Any, Reply]:
        """Ask once, with a whole list of messages, and store nothing."""

    def prompts(self) -> AsyncLibrary:
        """The application's prompts, which all its users see."""

    def personas(self) -> AsyncLibrary:
        """The application's personas, which all its users see."""

    def councils(self) -> AsyncLibrary:
        """The application's councils, which all its users see."""

    def library(self, kind: str) -> AsyncLibrary:
        """The application's values of a kind: ``setting``, or a word of your own (small letters, digits, ``-``, ``_``)."""

    def library_cache(self) -> LibraryCache:
        """What is remembered of libraries and of users' preferences. Asked of an engine that is open."""

    def store(self) -> AsyncStoreUpkeep:
        """The store's upkeep: a look at all of it, repairs, backups, what takes the space."""

    def provider(self, name: str) -> AsyncProviderHandle:
        """One provider, for requests of your own with its key and address."""

    def providers(self) -> tuple[ProviderInfo, ...]:
        """Every provider that the engine knows, from memory."""

    def models(self, pattern: str = "*") -> tuple[ModelInfo, ...]:
        """Every known model that fits the pattern (``*``, ``anthropic/*``, or a name), from memory."""

    def load_catalogue(self, path: str | PathLike[str]) -> Coroutine[Any, Any, None]:
        """Lay a catalogue from a JSON file over the one that is known, for all calls from now on.

        A provider takes the place of one of the same name, whole; everything else stays, and the engine's own
        ``providers`` stay on top. A wrong file is ``InvalidError`` and changes nothing. A catalogue says where keys
        and conversations go: load none that you would not run as a program.
        """

    def set_budget(
        self,
        *,
        usd: float | None = None,
        nano_usd: int | None = None,
        tokens: int | None = None,
        requests: int | None = None,
        per: Window = ...,
        each: BudgetScope | None = None,
        user: str | None = None,
        conversation: str | None = None,
        run: str | None = None,
        warn_at: Sequence[float] = ...,
    ) -> Coroutine[Any, Any, Budget]:
        """Set a budget, for all calls from now on, in every process that shares the store.

        One of ``usd``, ``nano_usd``, ``tokens`` and ``requests`` is the limit, ``per`` its window (``"total"`` unless
        told). It holds for the whole application, or for ``each`` user, conversation or run apart, or for one alone. A
        budget with the same scope, key, window and unit is replaced. A call that no budget has room for is
        ``BudgetExceededError``, before it is sent.

        Each try of a call holds back the most that it can cost from before it waits in the queue until it has ended
        (``BudgetStatus.reserved``). So many calls that wait can use a small budget up until they are answered for less,
        and others are refused meanwhile; ``max_tokens`` makes what is held back small.
        """

    def remove_budget(self, budget: Budget | str) -> Coroutine[Any, Any, None]:
        """Take a budget away: the budget, or its id. One that is not set is no error."""

    def list_budgets(self) -> Coroutine[Any, Any, tuple[Budget, ...]]:
        """Every budget that is set."""

    def budgets(self) -> Coroutine[Any, Any, tuple[BudgetStatus, ...]]:
        """Where the budgets of the application stand."""

    def set_tier(
        self,
        name: str,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        budgets: Sequence[Budget | Mapping[str, Any]] = ...,
        models: Sequence[str] = ...,
        priority: Priority | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Say what users of this tier may do, for all of their calls from now on.

        ``budgets`` are described as ``set_budget`` takes them (``{"usd": 5, "per": "day"}``) and hold for each user
        apart; ``models`` are names or beginnings as ``"anthropic/*"``; no call goes before others of
        the class ``priority``, however urgent it says it is. Tiers are kept in memory: set them when the
        application starts.
        """

    def remove_tier(self, name: str) -> Coroutine[Any, Any, None]:
        """Take a tier away. Who belongs to it may do whatever the budgets allow, until it is set again."""

    def tiers(self) -> Coroutine[Any, Any, dict[str, Tier]]:
        """The tiers that are set, by name."""

    def assign_tier(self, user: str, tier: str | None) -> Coroutine[Any, Any, None]:
        """Say that a user belongs to a tier, or to none. Kept in memory."""

    def usage(
        self,
        *,
        by: UsageBy | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Coroutine[Any, Any, UsageReport]:
        """What everybody has spent, summed up by model unless told otherwise; deleted conversations are in it.

        ``since`` and ``until`` are rounded to whole hours. ``after`` is the ``next`` of the page before.
        """

    def forecast(self, window: Window) -> Coroutine[Any, Any, Forecast]:
        """What will have been spent in this window at its end: an hour, a day, a week or a month."""

    def events(self) -> AsyncEngineEvents:
        """What happens in the engine from now on: retries, breakers, turns, failed tasks, the store, rejected keys.

        Ends when the engine is closed. Up to 1,024 events wait for a reader; one that is slower loses the oldest and is
        told how many (``lagged``). Where the engine is not open yet, the first read opens it.
        """

    def stats(self, window: float | timedelta | None = None) -> Stats:
        """The figures of the last ``window`` seconds (60; an hour at most), for each model and in all. From memory."""

    def health(self) -> Health:
        """How the engine is now, from memory. ``InvalidError`` (``not_open``) before it was opened."""

    def reconfigure(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        keys: Mapping[str, str] | None = None,
        catalogue: Mapping[str, Any] | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Change limits, timeouts, retries, breakers, keys and prices, all of it or nothing.

        settings: what shall be otherwise: ``{"retry": {"max_attempts": 3}}``. keys: the new ones by provider.
        catalogue: providers, models and prices to lay over what is known. Calls that begin from now on see it; those
        under way end as they began. What cannot change is ``InvalidError`` (``cannot_change``).
        """

    def warm_up(self, *models: str) -> Coroutine[Any, Any, None]:
        """Open connections to the providers of these models ahead of the first call."""

    def network_changed(self) -> Coroutine[Any, Any, None]:
        """Tell that the machine is on another network, or on one again: what waits in the outbox is tried."""

    def set_low_power(self, low: bool) -> Coroutine[Any, Any, None]:
        """Tell that the machine saves power, or no longer does.

        From then on nothing is done ahead of time: no rolling summary is begun, nothing is made ready for searches, no
        second request is raced against a slow one, and what waits in the outbox is tried when the network changes, when a
        provider answers, after ``resume``, and every five minutes. What somebody asks for is done as always. When power is
        no longer saved, what is due is tried at once.
        """

    def suspend(self) -> Coroutine[Any, Any, None]:
        """Give up every file and lock of the store, so that the system may suspend the program.

        What is handed to the store already is finished. Until ``resume`` every verb raises ``ClosedError``
        (``suspended``); what is under way waits where it stands, so that nothing is lost.
        """

    def resume(self) -> Coroutine[Any, Any, None]:
        """Open the store again after ``suspend``: what waited goes on, and the outbox is drained."""

    def open(self) -> Coroutine[Any, Any, Self]:
        """Open the engine, unless it is open, and put to rest what a dead process left open."""

    def close(self) -> Coroutine[Any, Any, None]:
        """End what is under way, waiting up to 5 s, and free every thread, socket and file.

        Every other handle of this engine raises ``ClosedError`` from then on.
        """

    def __aenter__(self) -> Coroutine[Any, Any, Self]: ...
    def __aexit__(self, *_why: object) -> Coroutine[Any, Any, None]: ...

@final
class AsyncUserScope:
    """The conversations of one user. Another user's cannot be reached through it. Touches no disk when made."""

    @property
    def id(self) -> str:
        """Who it is."""

    @overload
    def ask(
        self, content: Content, *, messages: None = None, **options: Unpack[CallOptions]
    ) -> Coroutine[Any, Any, Reply]:
        """Ask once on this user's account and store nothing."""
    @overload
    def ask(
        self, content: None = None, *, messages: Sequence[NewMessage], **options: Unpack[CallOptions]
    ) -> Coroutine[Any, Any, Reply]:
        """Ask once on this user's account, with a whole list of messages, and store nothing."""

    def new_conversation(
        self,
        *,
        model: str | None = None,
        system: str | None = None,
        title: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Sequence[str] = (),
        expires_in: float | timedelta | None = None,
    ) -> AsyncConversation:
        """A new conversation. Nothing is written before its first message; its id is there from the start.

        ``tags`` (at most 32, of 1 to 64 characters) are what it can be found by in a list. ``expires_in`` (seconds) is how
        long it stays from its first message on; left out, until it is deleted.
        """

    def conversation(self, id: str) -> AsyncConversation:
        """A conversation by its id. ``NotFoundError`` at its first use when there is none, or it is another user's."""

    def conversation_for(self, key: str) -> AsyncConversation:
        """The conversation that belongs to a key of your own (``"whatsapp:+34600"``): same key, same conversation."""

    def tier(self) -> Coroutine[Any, Any, str | None]:
        """The tier that this user belongs to."""

    def budgets(self) -> Coroutine[Any, Any, tuple[BudgetStatus, ...]]:
        """Where every budget stands that holds for this user: the user's own, and those of the application."""

    def usage(
        self,
        *,
        by: UsageBy | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Coroutine[Any, Any, UsageReport]:
        """What this user has spent, summed up by model unless told otherwise; deleted conversations are in it.

        ``since`` and ``until`` are rounded to whole hours. ``after`` is the ``next`` of the page before.
        """

    def forecast(self, window: Window) -> Coroutine[Any, Any, Forecast]:
        """What will have been spent in this window at its end: an hour, a day, a week or a month."""

    def erase(self) -> Coroutine[Any, Any, ErasureReport]:
        """Take out everything of this user.

        Conversations with all branches, messages, files, drafts, turns, what waits in the outbox, what the user prefers, and
        the words of all of it in the search index; then what is left of them in free places of the store's files. Turns that
        run here are stopped first. The sums of what was spent stay. Files that were exported and backups are not the store's.

        While it is under way, whoever begins a conversation for this user, in any process, gets ``ConflictError`` (erasing).
        From its end on the id is that of somebody new. It is done in parts, between which others write; the last ones take
        time in proportion to the search index of all users. It goes on when nobody waits for it, and at the next opening of
        the store when the process ends before. Doing it again does what is left. Raises ``StorageError``, ``ClosedError``.
        """

    def batch(self) -> AsyncBatch:
        """Many changes at once: delete, archive, pin, change, tag, append, edit, export. All of them, or none."""

    def export_conversations(
        self,
        path: str | PathLike[str],
        *,
        ids: Sequence[str] | None = None,
        archived: bool | None = None,
        pinned: bool | None = None,
        tag: str | None = None,
        preferences: bool = False,
    ) -> Coroutine[Any, Any, ExportReport]:
        """Write this user's conversations into a file, as JSON Lines, with nothing left out.

        With all branches and which of them is shown, deleted messages as such, parts of every kind, files, metadata, tags,
        pins, archive, titles, times, usage and cost. An answer on its way stands there as one that broke off. Turns, the
        outbox and budgets stay behind. All conversations unless told otherwise: ``ids`` in their order, or those that
        ``archived``, ``pinned`` and ``tag`` name. With ``preferences`` also what the user prefers. The file gets its name
        when it is whole and on the disk, in the place of an export that was there, readable for its owner alone.

        Raises ``NotFoundError``; ``InvalidError`` (bad_path); ``ConflictError`` (changed_meanwhile) when messages are
        removed from a conversation while it is written; ``StorageError`` (io).
        """

    def import_conversations(
        self, path: str | PathLike[str], *, dry_run: bool = False
    ) -> Coroutine[Any, Any, ImportReport]:
        """Add the conversations of a file to this user's.

        Of an export of this engine, of the ``conversations.json`` of ChatGPT or Claude, or lists of messages with
        ``role`` and ``content`` (one list, an object with ``messages``, or JSON Lines of either). What it is, is
        recognised. All of it is read before anything is written. What is here already stays as it is: the same file twice
        is the same file once. With ``dry_run`` nothing is written, and the report says what would be.

        Raises ``InvalidError`` with the line and the item: unreadable_file, unknown_format, newer_format, malformed,
        truncated, too_deep, too_large; ``StorageError``.
        """

    def preferences(self) -> Coroutine[Any, Any, Preferences]:
        """What this user prefers; nothing of anything for one of whom nothing was said."""

    def search(
        self, words: str, *, sort: SearchSort | None = None, limit: int = 50, before: str | None = None
    ) -> Coroutine[Any, Any, Page[SearchHit]]:
        """Search what was said in this user's conversations, on all branches: words, "phrases", -exclusions and beginnings*.

        Case and accents do not count. All of it must be said in one message, whoever's but a tool's. The newest first, or
        what fits best (``sort="relevance"``); ``limit`` is 1 to 200, and a page's ``before`` leads on.
        """

    def update_preferences(
        self,
        *,
        name: str | None = ...,
        language: str | None = ...,
        time_zone: str | None = ...,
        values: Mapping[str, str | None] = ...,
    ) -> Coroutine[Any, Any, None]:
        """Change what this user prefers. What is left out stays as it is; ``None`` clears, in ``values`` too.

        At most 8 KiB in all. Nothing of it is sent to a provider.
        """

    @overload
    def list_conversations(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
        archived: bool = False,
        pinned: bool | None = None,
        tag: str | None = None,
        unchanged_since: None = None,
    ) -> Coroutine[Any, Any, Page[ConversationInfo]]:
        """This user's conversations that are not archived: the pinned ones first, and then the latest activity.

        ``limit`` is 1 to 200. ``before`` goes on down the list; ``after`` gives what has had activity since a page was read,
        the latest first. ``archived`` asks for the archived ones instead, ``pinned`` for those that are pinned or are not,
        ``tag`` for those that have it. With ``unchanged_since=page.version`` it is ``None``, and no conversation is read,
        when nothing has changed.
        """

    @overload
    def list_conversations(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
        archived: bool = False,
        pinned: bool | None = None,
        tag: str | None = None,
        unchanged_since: int,
    ) -> Coroutine[Any, Any, Page[ConversationInfo] | None]: ...
    def attach_run(self, run_id: str, *, after_seq: int = 0) -> AsyncRun[Any]:
        """A run of this user, from any process: its events from behind this one on (0 = all), its result, approvals.

        Nothing is read yet; that there is no such run is said at the first use.
        """

    def prompts(self) -> AsyncLibrary:
        """This user's prompts, and the application's."""

    def personas(self) -> AsyncLibrary:
        """This user's personas, and the application's."""

    def councils(self) -> AsyncLibrary:
        """This user's councils, and the application's."""

    def library(self, kind: str) -> AsyncLibrary:
        """This user's values of a kind, and the application's: ``setting``, or a word of your own (small letters, digits, ``-``, ``_``)."""

    def outbox(self) -> AsyncOutbox:
        """What of this user's messages waits to be sent by itself, is being sent, or was given up."""

    def watch_conversations(self) -> AsyncConversationsWatch:
        """This user's conversations that are not archived, as a list that changes by itself; 50 to begin with.

        While an answer is being written nothing is told; its end is.
        """

@final
class AsyncStoreUpkeep:
    """The upkeep of an engine's store. Nothing of it changes what users see.

    ``InvalidError`` (``unsupported``) for a store without files.
    """

    def verify(self) -> Coroutine[Any, Any, Verification]:
        """Look at everything that is kept, while others go on.

        Pages and indexes, tables and indexes against those that this version makes, every figure that is kept against
        what it counts. Takes time in proportion to the size.
        """

    def repair(self) -> Coroutine[Any, Any, Repair]:
        """Mend what can be made from the rows: indexes, counts, references. Rows are neither changed nor thrown away."""

    def storage_report(self) -> Coroutine[Any, Any, StorageReport]:
        """What takes the space, by kind. Takes time in proportion to the size."""

    def checkpoint(self) -> Coroutine[Any, Any, bool]:
        """Move the log into the database and empty it, which the store does by itself when it is idle.

        False when somebody still reads from the log; then what could be moved is.
        """

    def vacuum(self) -> Coroutine[Any, Any, int]:
        """Give the space of what was deleted back to the system and put the index of words together. Gives the bytes.

        In steps, between which others go on.
        """

    def backup(self, path: str | PathLike[str]) -> Coroutine[Any, Any, int]:
        """Copy everything that is kept at this moment into a file, while others go on. Gives its size in bytes.

        The file gets its name when it is whole and on the disk, in the place of one that was there; it can be opened
        like any store. ``InvalidError`` (``bad_backup``) when the path is one of the store's own files, or a folder.
        """

@final
class AsyncLibrary:
    """The values of one kind, by name: the application's, or one user's before them.

    Every value put in the place of another is a new version. Values are JSON of at most 64 KiB, names text of 1 to 128
    bytes. A user sees the application's values as well, unless he has one of the same name. What is read by name is
    remembered until somebody changes it, in whichever process, and not longer than ``settings["library"]`` says.
    """

    @property
    def kind(self) -> str:
        """What the values are."""

    def get(self, name: str) -> Coroutine[Any, Any, LibraryEntry | None]:
        """The newest version under this name: the user's own, else the application's; ``None`` when there is neither."""

    def version(self, name: str, version: int) -> Coroutine[Any, Any, LibraryEntry | None]:
        """This version of what stands under the name: of the user's own value if he has one, else of the application's.

        ``None`` when it is not there (any more).
        """

    def put(self, name: str, value: Any, *, expected_version: int | None = None) -> Coroutine[Any, Any, int]:
        """Put a value under the name, as its next version, and give the version's number.

        The value that stands there already changes nothing. With ``expected_version`` only if this version stands there
        (0: only if nothing does): otherwise ``ConflictError`` (``entry_moved``).
        """

    def delete(self, name: str, *, expected_version: int | None = None) -> Coroutine[Any, Any, None]:
        """Delete the value under the name, with all its versions, whose numbers are not given again.

        ``NotFoundError`` when nothing stands there, or only the application's.
        """

    def list(
        self, *, prefix: str = "", after: str | None = None, limit: int = 50
    ) -> Coroutine[Any, Any, tuple[LibraryItem, ...]]:
        """Exactly so many names (1 to 200), or all there are, in the order of their letters (by code point).

        ``after``: those behind this name, for the next page. Of a user's library the application's names as well, each once.
        """

    def versions(
        self, name: str, *, before: int | None = None, limit: int = 50
    ) -> Coroutine[Any, Any, tuple[LibraryVersion, ...]]:
        """Exactly so many versions (1 to 200) of what stands under the name, or all that are kept, the newest first.

        ``before``: those before this version, for the next page.
        """

@final
class AsyncOutbox:
    """One user's messages that wait to be sent, are being sent, or were given up."""

    def list(self) -> Coroutine[Any, Any, tuple[OutboxItem, ...]]:
        """What is in it, first in first; at most 1,000."""

    def retry(self, turn_id: str) -> Coroutine[Any, Any, None]:
        """Send a message now, as soon as its provider lets it, and give it its whole time again. A parked one waits again.

        ``NotFoundError`` when it is not in the outbox.
        """

    def discard(self, turn_id: str) -> Coroutine[Any, Any, None]:
        """Take a message back: it is not sent, or no longer.

        It stays in its conversation as ``cancelled``, and no model is shown it. ``NotFoundError`` when it is not in the
        outbox, which it also is not once it is answered.
        """

    def watch(self) -> AsyncOutboxWatch:
        """What happens in it from now on, in this process. To miss nothing, watch first and list then."""

@final
class AsyncBatch:
    """Many changes to one user's conversations, gathered by its verbs and done together by ``run`` or ``start``.

    **All or nothing** unless told otherwise: at most 10,000 items in one transaction. Every item is checked before anything
    is written, in its order, as if those before it were done. Where one is refused, the batch fails as that item does, the
    error names it by its number, from 0, and nothing is written; the same when it is cancelled, when the store fails, or
    when somebody else changes things in such a way that it cannot be done any more. With ``best_effort`` it does what it
    can: at most 100,000 items, up to 500 of them in one transaction; those that are refused are named in the report.

    Either way the messages of a batch hold at most 64 MiB, files included. Messages go behind answers that are under way:
    the batch waits for these. Turns of conversations that are deleted are stopped, once nothing is refused.
    ``chats`` are one conversation or several, by handle or id; each is an item of its own.
    """

    def delete(self, chats: AsyncConversation | str | Iterable[AsyncConversation | str]) -> Self:
        """Delete conversations with everything in them."""

    def update(
        self,
        chats: AsyncConversation | str | Iterable[AsyncConversation | str],
        *,
        title: str | None = ...,
        system: str | None = ...,
        model: str | None = ...,
        metadata: Mapping[str, str] = ...,
        tags: Sequence[str] = ...,
        pinned: bool = ...,
        archived: bool = ...,
        expires_in: float | timedelta | None = ...,
    ) -> Self:
        """Change the same fields of all of these conversations; what is left out stays as it is."""

    def archive(self, chats: AsyncConversation | str | Iterable[AsyncConversation | str]) -> Self:
        """Leave conversations out of lists that do not ask for them."""

    def unarchive(self, chats: AsyncConversation | str | Iterable[AsyncConversation | str]) -> Self:
        """Take conversations back out of the archive."""

    def pin(self, chats: AsyncConversation | str | Iterable[AsyncConversation | str]) -> Self:
        """Put conversations before all others in lists."""

    def unpin(self, chats: AsyncConversation | str | Iterable[AsyncConversation | str]) -> Self:
        """Put conversations among the others again."""

    def tag(
        self, chats: AsyncConversation | str | Iterable[AsyncConversation | str], tags: str | Sequence[str]
    ) -> Self:
        """Add tags to the ones that the conversations have; those that they have already stay where they stand."""

    def untag(
        self, chats: AsyncConversation | str | Iterable[AsyncConversation | str], tags: str | Sequence[str]
    ) -> Self:
        """Take tags off the conversations; one that a conversation does not have is no error."""

    def retag(self, chats: AsyncConversation | str | Iterable[AsyncConversation | str], old: str, new: str) -> Self:
        """Move the conversations from one tag to another, as from folder to folder.

        One without the first tag is refused: ``InvalidError`` (not_tagged).
        """

    def append(self, chat: AsyncConversation | str, messages: Sequence[NewMessage]) -> Self:
        """Store messages without asking a model. The handle of a new conversation begins that conversation."""

    def edit(self, chat: AsyncConversation | str, message_id: str, content: Content) -> Self:
        """Say a message anew without asking a model: the new one stands beside it and is shown in its place.

        One that waits to be sent is taken back instead. Words of the model are refused: ``InvalidError`` (not_editable).
        """

    def export(
        self, path: str | PathLike[str], chats: AsyncConversation | str | Iterable[AsyncConversation | str]
    ) -> Self:
        """Write conversations into a file, as ``export_conversations`` does.

        It holds what is there before the batch: put it before the items that change them. With them deleted by the same
        batch, either the file is whole and they are gone, or neither.
        """

    def run(self, *, best_effort: bool = False, dry_run: bool = False) -> Coroutine[Any, Any, BatchReport]:
        """Do it and wait for its end. With ``dry_run`` nothing is written: the report says what would be.

        Raises, all or nothing: as the first item that is refused; ``ConflictError`` (changed_meanwhile) when others change
        the same things again and again. Also ``InvalidError`` (batch_too_large) and ``StorageError``.
        """

    def start(self, *, best_effort: bool = False) -> Coroutine[Any, Any, AsyncBatchRun]:
        """Begin it. It goes on whether anybody holds what this gives or not."""

    def __len__(self) -> int: ...

@final
class AsyncBatchRun:
    """A batch that is under way: an asynchronous iterator over how far it is, which ends when it is over.

    Who reads seldom is told the latest.
    """

    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, BatchProgress]: ...
    @property
    def progress(self) -> BatchProgress:
        """How far it is now."""

    def cancel(self) -> None:
        """End it. What is done whole or not at all is not done, unless it is being written at this very moment."""

    def report(self) -> Coroutine[Any, Any, BatchReport]:
        """What it has done, once it is over. Raises as ``run`` does, and ``CancelledError`` after ``cancel``."""

@final
class AsyncOutboxWatch:
    """What happens in an outbox: each message as it stands after a change. Ends when the engine is closed.

    It sees what happens from the moment on at which it is awaited or first asked.
    """

    def __await__(self) -> Generator[Any, Any, Self]: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, OutboxItem]: ...

@final
class AsyncTimeline:
    """What a screen shows of a conversation: an asynchronous iterator over batches of changes, which ends when the engine is closed.

    The first batch is a ``reset`` with all rows, the others hold only what changed. It is opened by its first use. One
    task reads, while others may load. Dropping it ends it.
    """

    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, tuple[TimelineDiff, ...]]: ...
    def next(self) -> Coroutine[Any, Any, tuple[TimelineDiff, ...] | None]:
        """The next batch of changes, when there is one; ``None`` once the engine is closed.

        The first words of an answer and its end come at once, everything else not before
        ``settings["timeline"]["min_interval_ms"]`` have passed since the batch before.
        """

    def load_older(self, count: int = 50) -> Coroutine[Any, Any, bool]:
        """Load so many older messages (1 to 200). True when the first one is there."""

    def load_newer(self, count: int = 50) -> Coroutine[Any, Any, bool]:
        """Load so many newer messages (1 to 200), where the newest are not there. True when they are."""

    def focus(self, *, message: str | None = None, branch: str | None = None) -> Coroutine[Any, Any, None]:
        """Show another part: about this message, the branch that ends with this one, or the newest messages."""

    def set_read(self, upto: str | None) -> Coroutine[Any, Any, None]:
        """Everything up to this message is read: the unread marker moves behind it, or goes (``None``)."""

    def set_visible(self, first: int, last: int) -> None:
        """Say which rows are seen, by their places: what is farthest away is dropped where the list is too long."""

    def sse(self, heartbeat_s: float | timedelta | None = None, *, detail: bool = False) -> AsyncSseStream:
        """The batches as bytes for readers outside of the program (``text/event-stream``).

        Each event is ``{"type": "changes", "diffs": […]}``, applied one after the other; the first holds all rows, also
        for a page that comes back. After ``heartbeat_s`` seconds (15) without an event comes a comment, so that proxies
        keep the connection and a reader that is gone is found out. Of a message readers are told who said what, when, and
        how far it got; thoughts, tools and all else are parts of the type ``hidden``, unless with ``detail``. A failure
        is the last event, not an exception.
        """

    def dismiss(self, message_id: str) -> bool:
        """Take a message off the screen that was refused and is kept nowhere. False when there is none."""

@final
class AsyncConversationsWatch:
    """A user's conversations as a list that changes by itself: an asynchronous iterator over batches of changes."""

    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, tuple[ConversationDiff, ...]]: ...
    def next(self) -> Coroutine[Any, Any, tuple[ConversationDiff, ...] | None]:
        """The next batch of changes, when there is one; ``None`` once the engine is closed."""

    def load_older(self, count: int = 50) -> Coroutine[Any, Any, bool]:
        """Show so many conversations more (1 to 200; 1,000 in all). True when there are no more."""

@final
class AsyncMessages:
    """A conversation's messages: an asynchronous iterator that reads page after page."""

    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, Message]: ...

@final
class AsyncConversation:
    """One conversation. Its turns run one after the other, in the order they were asked for."""

    @property
    def id(self) -> str:
        """Names it."""

    def context(self, **options: Unpack[CallOptions]) -> Coroutine[Any, Any, ContextReport]:
        """What a model would be shown of the conversation as it stands, with these knobs: how many messages, and about
        how many tokens. Nothing is sent and nothing changes.
        """

    def send(self, content: Content, **options: Unpack[CallOptions]) -> Coroutine[Any, Any, Reply]:
        """Save the message, send it, and wait for the whole reply.

        Cancelling the task stops the call and keeps what had arrived.
        """

    def stream(self, content: Content, **options: Unpack[CallOptions]) -> AsyncReplyStream:
        """Save the message, send it, and give the reply as it comes.

        Nothing happens before the stream is awaited, entered or iterated; once it is awaited, the message is saved.
        """

    def run(
        self, agent: Agent[_T], content: Content, **options: Unpack[CallOptions]
    ) -> Coroutine[Any, Any, AgentResult[_T]]:
        """Run an agent and wait for what it comes to. Your own code is called here and nowhere else: ``send`` never does.

        Every step is kept before the next one begins. Cancelling the task stops the run. Functions that are tools run on threads of their own, coroutines on the loop that this is called on.
        Of the knobs, ``max_cost_usd`` holds for all calls of the run together, all others for each of them.
        """

    def start(
        self, agent: Agent[_T], content: Content, **options: Unpack[CallOptions]
    ) -> Coroutine[Any, Any, AsyncRun[_T]]:
        """Begin a run of an agent and give the handle: it goes on by itself, whoever watches."""

    def pick_up(
        self, agent: Agent[_T], run_id: str, **options: Unpack[CallOptions]
    ) -> Coroutine[Any, Any, AsyncRun[_T]]:
        """Go on with a run of this conversation that stopped: its process has ended, or it has failed.

        Nothing that is finished is done or paid for again. A tool that was being called then is called again if it is
        idempotent; otherwise the model is told that nobody knows how it went. Raises ``NotFoundError``; ``ConflictError``
        (run_over) when it has its result, (at_work) while it is at work in this process; ``CancelledError`` when it was
        stopped.
        """

    def retry(self, turn_id: str, **options: Unpack[CallOptions]) -> AsyncReplyStream:
        """Ask again for a turn that was interrupted, parked or cancelled. The message is the same."""

    def edit(self, message_id: str, content: Content, **options: Unpack[CallOptions]) -> AsyncReplyStream:
        """Say a message anew: it stands beside the old one, is shown in its place, and is answered.

        The old one stays, with what followed; ``switch_to`` shows it. One that waited to be sent is taken back.
        """

    def regenerate(self, message_id: str, **options: Unpack[CallOptions]) -> AsyncReplyStream:
        """Ask for another answer: to this message, or beside this answer. It is shown once it begins."""

    def search(
        self, words: str, *, sort: SearchSort | None = None, limit: int = 50, before: str | None = None
    ) -> Coroutine[Any, Any, Page[SearchHit]]:
        """Search what was said in this conversation, on all branches: words, "phrases", -exclusions and beginnings*.

        Case and accents do not count. All of it must be said in one message, whoever's but a tool's. The newest first, or
        what fits best (``sort="relevance"``); ``limit`` is 1 to 200, and a page's ``before`` leads on.
        """

    def siblings(
        self, message_id: str, *, limit: int = 50, before: str | None = None, after: str | None = None
    ) -> Coroutine[Any, Any, Page[Message]]:
        """The messages in the same place, this one among them: what a "2/3" switches between. Fifty about this one."""

    def branches(
        self, *, limit: int = 50, before: str | None = None, after: str | None = None
    ) -> Coroutine[Any, Any, Page[Branch]]:
        """Its branches, each by its last message, the newest first. ``limit`` is 1 to 200."""

    def switch_to(self, message_id: str) -> Coroutine[Any, Any, str]:
        """Show the branch on which this message stands, as it was left; give the id of its last message."""

    def fork(self, message_id: str) -> Coroutine[Any, Any, None]:
        """Begin a new branch behind this message: the next one goes there. What followed stays. Copies nothing."""

    def at(self, message_id: str) -> AsyncConversation:
        """The conversation as it is seen from this message: ``history`` ends with it, and what is sent goes behind it."""

    def duplicate(self, message_id: str) -> Coroutine[Any, Any, AsyncConversation]:
        """A conversation of its own, with a copy of what was said up to and including this message."""

    def delete_message(self, message_id: str, *, subtree: bool = False) -> Coroutine[Any, Any, None]:
        """Delete a message: its words and files are gone, it keeps its place with the status ``deleted``.

        With ``subtree`` it goes altogether, and everything below it on all branches.
        """

    def attach(self, turn_id: str, *, after_seq: int = 0) -> AsyncReplyStream:
        """The reply of a turn from behind this event on: as it comes, or from the store. Leaving it changes nothing."""

    def append(self, messages: Sequence[NewMessage]) -> Coroutine[Any, Any, tuple[str, ...]]:
        """Store messages without asking a model, and give their ids."""

    def stop(self, turn_id: str) -> Coroutine[Any, Any, None]:
        """Stop a turn that runs in this process. Who waits for it gets a ``CancelledError``."""

    def turn(self, turn_id: str) -> Coroutine[Any, Any, Turn]:
        """Where a turn stands."""

    @overload
    def history(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
        around: str | None = None,
        position: int | None = None,
        turns: int | None = None,
        detail: Detail | None = None,
        unchanged_since: None = None,
    ) -> Coroutine[Any, Any, Page[Message]]:
        """A page of its messages, in reading order: the latest, or those before or after a place.

        ``limit`` is 1 to 200. Instead of a cursor: ``around`` a message, or from a ``position`` on, which counts from 1,
        at the same cost anywhere. ``turns`` instead of ``limit`` asks for whole turns: each is a message of the user with
        all that follows up to the next one; such a page holds at most 200 messages. ``detail`` says how much of each
        message: ``"ids"``, ``"previews"`` (at most 160 characters), ``"full"``.

        With ``unchanged_since=page.version`` it is ``None``, and no message is read, when nothing has changed.
        """

    @overload
    def history(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
        around: str | None = None,
        position: int | None = None,
        turns: int | None = None,
        detail: Detail | None = None,
        unchanged_since: int,
    ) -> Coroutine[Any, Any, Page[Message] | None]: ...
    def open(
        self, *, limit: int = 50, turns: int | None = None, detail: Detail | None = None
    ) -> Coroutine[Any, Any, tuple[ConversationInfo, Page[Message]]]:
        """What a screen needs when it opens: what a list shows of it, and its latest messages, both of the same moment.

        ``NotFoundError`` while nothing was said in it.
        """

    def messages(self, *, newest_first: bool = False, detail: Detail | None = None) -> AsyncMessages:
        """Its messages one after the other, from the first to the last of the branch as it was when the first one was
        asked for; however many there are, for pages are read as they are needed.
        """

    def timeline(
        self,
        *,
        message: str | None = None,
        branch: str | None = None,
        utc_offset_minutes: int = 0,
        read_upto: str | None = None,
    ) -> AsyncTimeline:
        """What a screen shows of it: the newest messages, and from then on what changes, as rows.

        ``message`` begins about a message, ``branch`` shows the branch that ends with one. ``utc_offset_minutes`` is how
        far the clocks of who reads are ahead of UTC: by that days are told apart. Behind ``read_upto`` the unread marker
        stands.
        """

    def budgets(self) -> Coroutine[Any, Any, tuple[BudgetStatus, ...]]:
        """Where every budget stands that holds for a call in this conversation."""

    def summary(self) -> Coroutine[Any, Any, ConversationInfo]:
        """What a list shows of it. ``NotFoundError`` while nothing was said in it."""

    def update(
        self,
        *,
        title: str | None = ...,
        system: str | None = ...,
        model: str | None = ...,
        metadata: Mapping[str, str] = ...,
        tags: Sequence[str] = ...,
        pinned: bool = ...,
        archived: bool = ...,
        expires_in: float | timedelta | None = ...,
    ) -> Coroutine[Any, Any, None]:
        """Change its title, instructions, model, metadata or tags; pin or archive it.

        ``expires_in`` (seconds) is how long it stays from now on: after that it is gone for every verb at once. What is left
        out stays as it is; ``None`` clears.
        """

    def delete(self) -> Coroutine[Any, Any, None]:
        """Delete it with everything in it. Turns that run are stopped first."""

@final
class AsyncReplyStream:
    """A reply on its way: awaitable, a context manager, and an iterator over its events.

    Leaving, dropping or cancelling it stops the call and keeps what had arrived. A failure is raised where it happens;
    ``partial`` holds what had arrived.
    """

    @property
    def turn_id(self) -> str | None:
        """The turn, once the message is saved."""

    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, StreamEvent]: ...
    def __aenter__(self) -> Coroutine[Any, Any, Self]: ...
    def __aexit__(self, *_why: object) -> Coroutine[Any, Any, None]: ...
    def __await__(self) -> Generator[Any, Any, Self]: ...
    def sse(
        self, after_seq: int = 0, heartbeat_s: float | timedelta | None = None, *, detail: bool = False
    ) -> AsyncSseStream:
        """The events as bytes for readers outside of the program (``text/event-stream``); takes the stream over.

        Begins behind the event ``after_seq``: what a browser sends as ``Last-Event-ID``. After ``heartbeat_s`` seconds
        (15) without an event comes a comment, so that proxies keep the connection and a reader that is gone is found out.
        Readers are told the answer and how it ended; with ``detail`` also thoughts, tools, progress and usage. A failure
        is an event, not an exception. ``started`` begins the answer anew: a page throws away what it has shown of it.
        A reader that goes stops the call, unless it was ``detached`` or attached to.
        """

    def text(self) -> AsyncTextStream:
        """Only the words of the answer, as they come."""

    def next_batch(self, max: int = 64) -> Coroutine[Any, Any, list[StreamEvent]]:
        """Wait for the next events and give all that are there, at most ``max``. Empty after the last."""

    def reply(self) -> Coroutine[Any, Any, Reply]:
        """Wait for the end and give the whole reply. After ``cancel()``: what had arrived, with status ``cancelled``."""

    def cancel(self) -> None:
        """Stop the call and keep what had arrived. Returns at once."""

    def detach(self) -> None:
        """Let the reply go on without this handle."""

@final
class AsyncRun(Generic[_T_co]):
    """A run on its way, or at its end: an asynchronous iterator over its events.

    Dropping the handle changes nothing: the run goes on, and can be attached to again with ``me.attach_run(run.id)``.
    """

    @property
    def id(self) -> str:
        """Names it, for ``attach_run`` and ``pick_up``."""

    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, RunEvent]: ...
    def events(self) -> Self:
        """The events, as they come: the run itself, as an iterator. What was read once is not given again."""

    def next_event(self) -> Coroutine[Any, Any, RunEvent | None]:
        """The next event, waiting for it; nothing behind the last.

        Words of an answer come while they are written if the run is at work in this process; what another process appends is
        heard within a second.
        """

    def summary(self) -> Coroutine[Any, Any, RunSummary]:
        """Where it stands."""

    def approve(self, call_id: str) -> Coroutine[Any, Any, None]:
        """Allow a call that waits for it (an ``ApprovalNeededRunEvent`` names it), from any process.

        Raises ``NotFoundError`` (no_call) when no such call waits; ``ConflictError`` (run_over); ``CancelledError``.
        """

    def deny(self, call_id: str, why: str | None = None) -> Coroutine[Any, Any, None]:
        """Refuse a call that waits to be approved. The model is told so, with these words if there are any, and goes on.

        Raises what ``approve`` raises.
        """

    def cancel(self) -> Coroutine[Any, Any, None]:
        """Stop it, wherever it is at work: elsewhere at its next step, here at once. One that is over stays as it is."""

    def result(self) -> Coroutine[Any, Any, AgentResult[_T_co]]:
        """Wait for the result, whatever was read of the events.

        Raises what made it stop; ``CancelledError`` when somebody stopped it; ``NotFoundError`` when its time is up. A run
        that was attached to is not known to be of a type: its output is text, or JSON.
        """

    @classmethod
    def __class_getitem__(cls, output: Any) -> Any: ...

@final
class AsyncSseStream:
    """A reply as server-sent events: an asynchronous iterator over bytes, to be sent as they come.

    Starlette's and FastAPI's ``StreamingResponse`` take it as it is.
    """

    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, bytes]: ...
    def aclose(self) -> Coroutine[Any, Any, None]:
        """Let go of the reply."""

@final
class AsyncTextStream:
    """The words of a reply on its way."""

    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, str]: ...

@final
class AsyncProviderHandle:
    """One provider: any endpoint of it, with the engine's key and connections."""

    @property
    def name(self) -> str:
        """The prefix of its models."""

    def request(
        self, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> Coroutine[Any, Any, RawResponse]:
        """Send a request to a path of the provider (``/v1/moderations``) and give whatever comes back.

        ``body`` is JSON. Nothing is tried again, and no status is an error.
        """

    def models(self, *, key: str | None = None) -> Coroutine[Any, Any, tuple[ModelInfo, ...]]:
        """Ask the provider which models it offers right now.

        What its list says of a model's window goes first; the rest is what the catalogue knows.
        """

@final
class RawResponse:
    """What a provider answered to a request of your own, whatever its status."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers, names in lower case; of a name that came twice, the last."""

    @property
    def header_list(self) -> tuple[tuple[str, str], ...]:
        """The headers as they came, in their order."""

    @property
    def body(self) -> bytes:
        """The body."""

    def json(self) -> Any:
        """The body as JSON."""

@final
class Simulator:
    """A provider on loopback that answers, or fails, by script. Without a script it echoes."""

    def __new__(cls, *, port: int = 0) -> Self: ...
    @property
    def url(self) -> str:
        """Where it listens, as ``http://127.0.0.1:41234``."""

    def provider(self, name: str = "sim", *, dialect: str = "openai_chat") -> ProviderSpec:
        """The description of a provider of this name that is the simulator, for ``Tertulia(providers=[…])``.

        It speaks each dialect: ``openai_chat``, ``openai_responses``, ``anthropic``, ``gemini`` and ``ollama``.
        """

    def script(self, model: str, *scripts: str) -> None:
        """Answer the calls to this model by one script after the other; the last one stays. None: echo again.

        A script is a line such as ``text=Hello;delay_ms=5``, ``status=429;retry_after=2;fail=2``, ``text=Hi;cut=1``,
        ``stall`` or ``tool=weather:{"city":"Cádiz"}``.
        """

    @property
    def requests(self) -> list[SimulatorRequest]:
        """The requests so far, oldest first."""

    @property
    def request_count(self) -> int:
        """How many requests came in."""

    @property
    def open_connections(self) -> int:
        """How many connections are open."""

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events so far, oldest first: ``{"seq", "connection", "request", "kind"}``."""

    def wait_for(self, kind: str, *, after: int = 0, timeout: float = 10.0) -> dict[str, Any]:
        """Wait for an event of this kind, of those so far or else of those to come, behind the event ``after``."""

    def clear(self) -> None:
        """Forget the requests and events so far."""

    def close(self) -> None:
        """Close the port and every connection."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_why: object) -> None: ...

@final
class SimulatorRequest:
    """A request as it came in."""

    @property
    def method(self) -> str:
        """``POST``."""

    @property
    def path(self) -> str:
        """Path and query."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers, names in lower case."""

    @property
    def body(self) -> bytes:
        """The body."""

    def json(self) -> Any:
        """The body as JSON; ``None`` when it is none."""
