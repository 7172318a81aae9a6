"""Puts the house together; the one file that knows every room."""

import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from gateway.context import request_contexts
from gateway.edge.endpoint import graphql_endpoint, http_error
from gateway.edge.health import healthz
from gateway.execution.executor import ProjectingExecutor
from gateway.schema.federation import build_schema
from gateway.settings import Settings, read_settings
from gateway.upstream.connection import AwsKeyPair, open_upstream


def create_app(settings: Settings, key_pair: AwsKeyPair | None = None) -> Starlette:
    """The gateway as an ASGI application; its upstream is opened when it starts and closed when it stops.

    key_pair: credentials and region in place of those that AWS's chain finds.
    Raises, at start-up: Misconfigured.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        async with open_upstream(settings, key_pair) as upstream:
            yield {"new_context": request_contexts(settings, upstream)}

    app = Starlette(
        routes=[
            Route("/graphql", graphql_endpoint, methods=["GET", "POST"]),
            Route("/healthz", healthz, methods=["GET"]),
        ],
        exception_handlers={HTTPException: http_error},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.schema = build_schema(ProjectingExecutor)
    return app


def app_from_environment() -> Starlette:
    """The gateway as its environment sets it: for worker processes, which cannot be handed an object."""
    app = create_app(read_settings())
    # What start-up has made stays; the garbage collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    return app
