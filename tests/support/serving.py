"""The door to servers of a test's own process: applications over real HTTP, gateways among them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import Any

import httpx
from starlette.types import ASGIApp

from gateway.app import create_app
from gateway.server.http1_checks import ConnectionLimits
from gateway.server.run import DEFAULT_LIMITS, serving_in_thread
from gateway.settings import Settings, read_settings
from gateway.upstream.aws.session import AwsKeyPair

NOWHERE = "http://127.0.0.1:9"


@contextmanager
def served(app: ASGIApp, limits: ConnectionLimits = DEFAULT_LIMITS) -> Iterator[str]:
    """Serve on a free loopback port while the block runs; gives the base URL.

    Nobody waits for the server's end: 0.2 s of sleep, which hundreds of tests would spend one after the other.
    """
    with ExitStack() as running:
        yield running.enter_context(serving_in_thread(app, limits))
        Thread(target=running.pop_all().close).start()


@contextmanager
def served_gateway(settings: Settings, limits: ConnectionLimits = DEFAULT_LIMITS) -> Iterator[str]:
    """A gateway with these settings and the emulator's own key pair, while the block runs; gives its base URL."""
    with served(create_app(settings, AwsKeyPair("local", "local")), limits) as url:
        yield url


@contextmanager
def gateway_to_nowhere(**given: Any) -> Iterator[httpx.Client]:
    """A client of a gateway whose upstream is not there: a call upstream would fail its query."""
    settings = read_settings(upstream_endpoint_url=NOWHERE, **given)
    with served_gateway(settings) as url, httpx.Client(base_url=url, timeout=30) as http:
        yield http
