"""Who asks: what tells one caller from another, and what each may read."""

from dataclasses import dataclass
from typing import Final

from gateway.errors import Forbidden

READ_PHONE_NUMBERS: Final = "phone-numbers:read"
READ_PHONE_NUMBER_ORDERS: Final = "phone-number-orders:read"
ALL_SCOPES: Final = frozenset({READ_PHONE_NUMBERS, READ_PHONE_NUMBER_ORDERS})
# What an answer cost upstream. It opens no record, and is not in ALL_SCOPES: keys that are given out do not have it.
READ_DEBUG: Final = "debug:read"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever a request comes from. It holds nothing that could be used to come again.

    principal: a name that stays while the caller keeps its key or its subject; no secret, and not to be taken apart.
    """

    principal: str
    scopes: frozenset[str] = ALL_SCOPES

    def require_scope(self, scope: str) -> None:
        """Pass a caller that has a scope.

        Raises: Forbidden.
        """
        if scope not in self.scopes:
            raise Forbidden(f"This needs the scope {scope}, which your token does not have.")


ANONYMOUS: Final = Caller("anyone", ALL_SCOPES | {READ_DEBUG})
