"""Servers within a test's own process: applications, and gateways, over real HTTP."""

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
    """Serve an application on a free loopback port while the block runs, and yield its base URL.

    The server stops in a thread of its own, because a stop takes 0.2 s and hundreds of tests would wait for it.
    """
    with ExitStack() as running:
        yield running.enter_context(serving_in_thread(app, limits))
        Thread(target=running.pop_all().close).start()


@contextmanager
def served_gateway(settings: Settings, limits: ConnectionLimits = DEFAULT_LIMITS) -> Iterator[str]:
    """Serve a gateway with these settings and the emulator's key pair while the block runs, and yield its base URL."""
    with served(create_app(settings, AwsKeyPair("local", "local")), limits) as url:
        yield url


@contextmanager
def gateway_to_nowhere(**given: Any) -> Iterator[httpx.Client]:
    """Yield a client of a gateway without an upstream. If a query makes an upstream call, it fails."""
    settings = read_settings(upstream_endpoint_url=NOWHERE, **given)
    with served_gateway(settings) as url, httpx.Client(base_url=url, timeout=30) as http:
        yield http
