"""A gateway without an upstream, for tests that make no upstream call."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.serving import gateway_to_nowhere


@pytest.fixture(scope="session")
def endpoint() -> Iterator[httpx.Client]:
    """Return a client of a gateway that all tests of this folder share. An upstream call would fail its query."""
    with gateway_to_nowhere(introspection=True) as http:
        yield http
