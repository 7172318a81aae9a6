"""A gateway for what never gets as far as the upstream: there is none."""

from collections.abc import Iterator

import httpx
import pytest

from gateway.app import create_app
from gateway.serving import serving_in_thread
from gateway.settings import read_settings
from gateway.upstream.connection import AwsKeyPair

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="session")
def endpoint() -> Iterator[httpx.Client]:
    """A client of a gateway that is shared by all tests here; a call upstream would fail its query."""
    settings = read_settings(upstream_endpoint_url=NOWHERE, introspection=True)
    app = create_app(settings, AwsKeyPair("local", "local"))
    with serving_in_thread(app) as url, httpx.Client(base_url=url, timeout=30) as http:
        yield http
