"""What one request carries down the house: its settings, its loaders and the upstream, all under one deadline."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway.loaders.batch import GetPermission
from gateway.loaders.phone_number_orders import PhoneNumberOrderLoader
from gateway.loaders.phone_numbers import PhoneNumberLoader
from gateway.settings import Settings
from gateway.upstream.client import Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """One GraphQL request. Every upstream call that it makes spends from the same deadline."""

    settings: Settings
    upstream: Upstream
    phone_numbers: PhoneNumberLoader
    phone_number_orders: PhoneNumberOrderLoader

    def close(self) -> None:
        """The request is answered, or its caller has left: end its calls, and let go of its pages at once.

        A request's objects hold each other; without this its pages would stay until the garbage collector finds them.
        """
        self.phone_numbers.close()
        self.phone_number_orders.close()


NewContext = Callable[[], RequestContext]


def request_contexts(settings: Settings, upstream: Upstream) -> NewContext:
    """A maker of contexts, one for each request. What outlives a request is made here, once."""
    number_permission, order_permission = GetPermission(), GetPermission()

    def new_context() -> RequestContext:
        deadline = asyncio.get_running_loop().time() + settings.request_deadline_seconds
        phone_numbers = PhoneNumberLoader(upstream, number_permission, settings, deadline=deadline)
        return RequestContext(
            settings=settings,
            upstream=upstream,
            phone_numbers=phone_numbers,
            phone_number_orders=PhoneNumberOrderLoader(
                upstream, order_permission, settings, deadline=deadline, come_by=phone_numbers.ordered
            ),
        )

    return new_context
