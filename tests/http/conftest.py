"""A gateway for what never gets as far as the upstream: there is none."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.serving import gateway_to_nowhere


@pytest.fixture(scope="session")
def endpoint() -> Iterator[httpx.Client]:
    """A client of a gateway that is shared by all tests here; a call upstream would fail its query."""
    with gateway_to_nowhere(introspection=True) as http:
        yield http
