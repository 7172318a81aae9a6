"""The caller of a request, and the scopes that it has."""

from dataclasses import dataclass
from typing import Final

from gateway.errors import Forbidden

READ_PHONE_NUMBERS: Final = "phone-numbers:read"
READ_PHONE_NUMBER_ORDERS: Final = "phone-number-orders:read"
ALL_SCOPES: Final = frozenset({READ_PHONE_NUMBERS, READ_PHONE_NUMBER_ORDERS})
# Lets a caller read how many upstream calls a response took. It is not in ALL_SCOPES, so that API keys do not have it.
READ_DEBUG: Final = "debug:read"


@dataclass(frozen=True, slots=True)
class Caller:
    """A client of the gateway. It holds no credential.

    Attributes:
        id: A name that stays the same while the caller keeps its key or its subject. It is opaque and not secret.
    """

    id: str
    scopes: frozenset[str] = ALL_SCOPES

    @property
    def kind(self) -> str:
        """How the caller authenticated: `api-key`, `jwt`, or `anyone` without authentication."""
        return self.id.partition(":")[0]

    def require_scope(self, scope: str) -> None:
        """Raise Forbidden if the caller lacks a scope."""
        if scope not in self.scopes:
            raise Forbidden(f"Your token lacks the scope {scope}. Request a token that has it.")


ANONYMOUS: Final = Caller("anyone", ALL_SCOPES | {READ_DEBUG})
