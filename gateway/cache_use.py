"""What one request lets be answered out of the cache, and what was: noted down where it comes to be known."""

from contextvars import ContextVar
from typing import Final


class CacheUse:
    """One request's part in the cache of upstream answers.

    anew: it takes nothing that is kept; keeps: what is fetched for it may be kept for others.
    age: seconds since the oldest answer that it got out of the cache came from upstream; None where it got none.
    stale: whether one of them was past its time, and stood in for an upstream that failed.
    """

    __slots__ = ("age", "anew", "keeps", "stale")

    def __init__(self, *, anew: bool = False, keeps: bool = True) -> None:
        self.anew = anew
        self.keeps = keeps
        self.age: float | None = None
        self.stale = False

    def note(self, age: float) -> None:
        """An answer so many seconds old was taken."""
        if self.age is None or age > self.age:
            self.age = age


# That of the request whose task, or whose task's child, runs; one that nobody reads where there is no request.
CACHE_USE: Final[ContextVar[CacheUse]] = ContextVar("cache_use", default=CacheUse())  # noqa: B039  # It is meant to be shared.
