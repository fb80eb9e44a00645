"""What ``doctor`` looks at, a matter to each file. No check changes what is kept, and none shows a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Literal


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    about: str
    """What it is, as a word: ``store``, ``keys``, the name of a provider."""
    state: Literal["ok", "note", "wrong"]
    """``note`` is good to know; ``wrong`` needs somebody."""
    says: str
    """How it is."""
    do: str | None = None
    """What to do about it."""

    def to_dict(self) -> dict[str, Any]:
        """The plain form."""
        return {"about": self.about, "state": self.state, "says": self.says, "do": self.do}
