"""The memory that the caches of a process share."""

from typing import Final, Protocol

# Bytes of all cached responses together. They hold 50 pages of 99 numbers as upstream responses, or 260 such pages as
# responses to clients.
MAX_BYTES: Final = 16 * 1024 * 1024
# A larger response would evict too many others, so it is not cached.
MAX_RESPONSE_BYTES: Final = MAX_BYTES // 4
# Bytes that a cached response takes in addition to its content, for its key and the objects around it.
OVERHEAD_BYTES: Final = 500


class MemoryUser(Protocol):
    """A cache whose responses count for the shared limit."""

    @property
    def size(self) -> int:
        """The bytes of its responses."""

    def evict_one(self) -> None:
        """Drop the response that is worth least. There is at least one."""


class CacheMemory:
    """The limit of all caches together. Each of two may use half of it, and any part that the other leaves free."""

    def __init__(self) -> None:
        self._users: list[MemoryUser] = []

    def add(self, user: MemoryUser) -> None:
        """Count the responses of one more cache."""
        self._users.append(user)

    def make_room(self) -> None:
        """Evict responses until all caches together are within the limit. The largest cache gives way."""
        while sum(user.size for user in self._users) > MAX_BYTES:
            max(self._users, key=lambda user: user.size).evict_one()
