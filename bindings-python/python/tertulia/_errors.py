"""Errors of Tertulia: one class per kind, all with the same attributes.

They stand in Python, not in Rust, so that they are ordinary exceptions: documented, picklable, and at the same time
a ``TimeoutError`` or ``ValueError`` where Python has a word for it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Self

    from ._native import Attempt, BudgetStatus, ErrorInfo
    from .types import ErrorKind, Part, Retry, RetryAfterSource


class TertuliaError(Exception):
    """Base of every error of Tertulia.

    An exception means: it will not happen by itself. What was saved stays saved (``saved``, ``turn_id``).
    """

    info: ErrorInfo
    """The error as plain data."""

    provider_words: str | None
    """The provider's own account of the failure, or nothing. It may quote the prompt: show it to whoever wrote that,
    log it nowhere. It is in no repr, and is left behind by pickle and copy."""

    def __init__(self, info: ErrorInfo) -> None:
        super().__init__(info)
        self.info = info
        self.provider_words = None

    @classmethod
    def of(cls, reason: str, detail: str, *, retry: Retry = "never", retry_after: float | None = None) -> Self:
        """An error of this class's kind, for a provider of your own to raise.

        reason: a stable machine word. detail: a sentence for developers; neither may hold a prompt or a key.
        retry: ``"safe"`` makes the engine ask again before the first content. retry_after: the same, but not before so
        many seconds.
        """
        from ._native import _error_info

        named = next(base for base in cls.__mro__ if base.__module__ == __name__)
        words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in named.__name__)
        kind = words.removeprefix("_").removesuffix("_error")
        return cls(_error_info(kind, reason, detail, retry, retry_after))

    def __str__(self) -> str:
        info = self.info
        during = f" in {info.operation}" if info.operation else ""
        return f"{info.kind} ({info.reason}){during}: {info.detail}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.info.reason!r}, {self.info.detail!r})"

    def __reduce__(self) -> tuple[type[TertuliaError], tuple[ErrorInfo]]:
        return type(self), (self.info,)

    @property
    def kind(self) -> ErrorKind:
        """What to do about it, as a word: ``"rate_limited"``."""
        return self.info.kind

    @property
    def reason(self) -> str:
        """A stable machine word inside the kind."""
        return self.info.reason

    @property
    def detail(self) -> str:
        """A sentence for developers. Holds neither prompt nor key."""
        return self.info.detail

    @property
    def user_message(self) -> str:
        """A sentence fit for an end user."""
        return self.info.user_message

    @property
    def operation(self) -> str:
        """What was being done, as ``conversation.send``."""
        return self.info.operation

    @property
    def retry(self) -> Retry:
        """Whether repeating can help."""
        return self.info.retry

    @property
    def retry_after(self) -> float | None:
        """The shortest wait before repeating, in seconds."""
        return self.info.retry_after

    @property
    def retry_after_ms(self) -> int | None:
        """The shortest wait before repeating, in milliseconds."""
        return self.info.retry_after_ms

    @property
    def retry_after_source(self) -> RetryAfterSource | None:
        """Who says so: the provider, the engine's count of its limits, or nobody."""
        return self.info.retry_after_source

    @property
    def saved(self) -> bool:
        """True when the message is kept."""
        return self.info.saved

    @property
    def turn_id(self) -> str | None:
        """The turn, when there is one."""
        return self.info.turn_id

    @property
    def partial(self) -> tuple[Part, ...]:
        """What had arrived."""
        return self.info.partial

    @property
    def budget(self) -> BudgetStatus | None:
        """The budget that refused, and what is left of it."""
        return self.info.budget

    @property
    def limit_tokens(self) -> int | None:
        """How many tokens fit."""
        return self.info.limit_tokens

    @property
    def estimated_tokens(self) -> int | None:
        """How many there were, by estimate."""
        return self.info.estimated_tokens

    @property
    def provider(self) -> str | None:
        """Who failed."""
        return self.info.provider

    @property
    def model(self) -> str | None:
        """The model that was asked."""
        return self.info.model

    @property
    def status(self) -> int | None:
        """The HTTP status of the provider."""
        return self.info.status

    @property
    def request_id(self) -> str | None:
        """The provider's id of the request."""
        return self.info.request_id

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every try."""
        return self.info.attempts

    @property
    def http_status(self) -> int:
        """The HTTP status a server that embeds the engine may answer with."""
        return self.info.http_status

    @property
    def http_headers(self) -> dict[str, str]:
        """Headers a server that embeds the engine may answer with: ``Retry-After``, in whole seconds."""
        milliseconds = self.info.retry_after_ms
        return {} if milliseconds is None else {"Retry-After": str(-(-max(milliseconds, 0) // 1000))}


class InvalidError(TertuliaError, ValueError):
    """The call cannot work as written. Fix it; nothing was stored."""


class NotFoundError(TertuliaError):
    """No such thing, or not yours. Refresh."""


class ConflictError(TertuliaError):
    """Somebody was faster, or the same client id came with another body. Reload, decide, repeat."""


class UnauthorizedError(TertuliaError):
    """No key, key rejected, or not allowed. Give a key, or use another model."""


class QuotaExhaustedError(TertuliaError):
    """The provider's account is out of credit. Pay or fall back."""


class BudgetExceededError(TertuliaError):
    """Your own limit refuses. Wait or raise it; nothing was spent."""


class RateLimitedError(TertuliaError):
    """Too fast, and waiting would pass the deadline. Wait ``retry_after``."""


class UnavailableError(TertuliaError):
    """Network, provider down, overloaded, or an answer that made no sense. Later, or another target."""


class TimedOutError(TertuliaError, TimeoutError):
    """A time limit passed before any text. Longer limit, or later."""


class ContextTooLongError(TertuliaError):
    """Too many tokens for every target. Shorten, or use a larger model."""


class ContentFilteredError(TertuliaError):
    """The provider refused the prompt or the whole answer. Rephrase."""


class TruncatedError(TertuliaError):
    """The reply broke off after it began. What had arrived is in ``partial``; retry the turn."""


class OutputInvalidError(TertuliaError):
    """The answer does not fit the schema, or a tool loop hit its bound. Other model, or look at ``partial``."""


class CancelledError(TertuliaError):
    """Stopped by someone else. Nothing to do. Not ``asyncio.CancelledError``, which your own task gets."""


class StorageError(TertuliaError):
    """Could not save or read. Nothing was sent. Free space, retry."""


class ClosedError(TertuliaError):
    """The engine is closed, suspended, or in a forked child. Open it here."""


class InternalError(TertuliaError):
    """A bug of ours; the store stays usable. Report it."""
