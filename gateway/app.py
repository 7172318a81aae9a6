"""The composition root: the one module that imports every package and builds the ASGI application."""

import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any

import structlog
from graphql.validation.rules import overlapping_fields_can_be_merged
from pydantic import SecretBytes
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, HTTPExceptionHandler, Receive, Scope, Send

from gateway.auth.api_key_authenticator import ApiKeyAuthenticator
from gateway.auth.authenticator import AnonymousAuthenticator, Authenticator, RouterSecretAuthenticator
from gateway.auth.jwks import Jwks
from gateway.auth.jwt_authenticator import JwtAuthenticator
from gateway.context import request_contexts
from gateway.errors import ConfigurationError
from gateway.execution.document_cache import FIELD_COMPARISON_BUDGET
from gateway.execution.document_limits import DocumentLimits
from gateway.execution.engine import Engine
from gateway.execution.persisted_documents import persisted_documents
from gateway.http.admin import AdminPortMiddleware, healthz, metrics, readyz, reject_admin_path
from gateway.http.cors import CorsPolicy
from gateway.http.csrf import CsrfProtection
from gateway.http.endpoint import GraphQLEndpoint
from gateway.http.error_response import reject_path
from gateway.http.graphiql_page import GraphiqlAssets, GraphiqlPage, wants_page
from gateway.http.instrumentation import InstrumentationMiddleware
from gateway.http.rate_limiter import CallerRateLimiter
from gateway.http.response_store import ResponseStore
from gateway.http.start_page import StartPage
from gateway.http.trusted_hosts import TrustedHostMiddleware
from gateway.paging.cursor_keys import random_key
from gateway.schema.federation import build_schema
from gateway.settings import Settings, read_settings, tidy_environment
from gateway.shared_state.redis_client import RedisClient
from gateway.telemetry.logs import configure_logs
from gateway.telemetry.metrics import configure_metrics
from gateway.upstream.aws.session import AwsKeyPair
from gateway.upstream.aws.transport import Endpoint
from gateway.upstream.open import open_upstream

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[Mapping[str, Any]]]


def create_app(
    settings: Settings, key_pair: AwsKeyPair | None = None, clock: Callable[[], float] = time.time
) -> ASGIApp:
    """Return the gateway as an ASGI application, which opens its upstream at start-up and closes it at shutdown.

    Args:
        settings: The settings of the application.
        key_pair: Credentials and region to use instead of those that AWS's own chain finds.
        clock: Returns seconds since 1970, for the age of responses.

    Raises:
        ConfigurationError: If a file or the Redis URL in the settings cannot be used. All other wrong settings raise it
            at start-up.
    """
    tidy_environment()
    configure_metrics()
    # graphql-core reads this module attribute at each validation. It is the documented way to set the budget.
    overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = FIELD_COMPARISON_BUDGET
    redis = None if settings.redis_url is None else RedisClient(settings.redis_url.get_secret_value())
    endpoint = _graphql_endpoint(settings, redis)
    page = GraphiqlPage(settings.auth) if _has_graphiql(settings) else None
    router = _router(_routes(settings), reject_path, _lifespan(settings, key_pair, redis, clock))

    def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Starlette's routing and middleware would cost more time than the endpoint's own reading and writing.
        handler: ASGIApp = router
        if scope["type"] == "http" and scope["path"] == "/graphql":
            handler = page if page is not None and wants_page(scope) else endpoint
        return handler(scope, receive, send)

    return _with_middleware(app, settings)


def _lifespan(
    settings: Settings, key_pair: AwsKeyPair | None, redis: RedisClient | None, clock: Callable[[], float]
) -> Lifespan:
    """Return a context manager that opens the connections of a process and yields the state of its requests."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        async with AsyncExitStack() as stack:
            if settings.traces:
                await stack.enter_async_context(_recorded_traces())
            if redis is not None:
                await stack.enter_async_context(redis.open())
            upstream = await stack.enter_async_context(open_upstream(settings, key_pair, redis, clock))
            # AWS's configuration leaves 9 MB of botocore's models in reference cycles. The collector might look for
            # them only after thousands of requests. They are young, so it need not look through older objects.
            gc.collect(1)
            yield {
                "new_context": request_contexts(settings, upstream),
                "responses": ResponseStore(upstream.cache),
                "unready": upstream.readiness.unready,
            }

    return lifespan


def _graphql_endpoint(settings: Settings, redis: RedisClient | None) -> GraphQLEndpoint:
    engine = Engine(
        build_schema(relay_node_fields=settings.relay_node_fields),
        DocumentLimits.of(settings),
        introspection=bool(settings.introspection),
    )
    rate_limiter = (
        None
        if settings.rate_limit_points_per_minute is None
        else CallerRateLimiter(settings.rate_limit_points_per_minute, settings.replicas, redis)
    )
    cors = CorsPolicy(settings.cors_origins)
    return GraphQLEndpoint(
        engine,
        persisted_documents(settings.trusted_documents, engine.documents),
        _authenticator(settings),
        rate_limiter,
        cors,
        CsrfProtection(cors),
        compression=settings.compression,
        behind_router=settings.router_secret is not None,
    )


def _authenticator(settings: Settings) -> Authenticator:
    """Return the authenticator that the settings choose."""
    authenticator: Authenticator = AnonymousAuthenticator()
    if settings.api_keys is not None and settings.auth == "api-key":
        authenticator = ApiKeyAuthenticator(settings.api_keys)
    elif settings.auth == "jwt":
        keys = Jwks(str(settings.jwt_jwks_url))
        authenticator = JwtAuthenticator(keys, issuer=str(settings.jwt_issuer), audience=str(settings.jwt_audience))
    if settings.router_secret is None:
        return authenticator
    return RouterSecretAuthenticator(settings.router_secret.get_secret_value(), authenticator)


def _routes(settings: Settings) -> list[Route]:
    """Return the routes of the main port beside /graphql."""
    assets = [Route("/graphql/assets/{name}", GraphiqlAssets().asset, methods=["GET"])]
    start_page = StartPage(
        graphiql=_has_graphiql(settings),
        auth=settings.auth,
        behind_router=settings.router_secret is not None,
        admin_port=settings.admin_port is not None,
    )
    return [
        Route("/", start_page),
        *(assets if _has_graphiql(settings) else []),
        *(_admin_routes() if settings.admin_port is None else [_health_route()]),
    ]


def _health_route() -> Route:
    return Route("/healthz", healthz, methods=["GET"])


def _admin_routes() -> list[Route]:
    return [
        _health_route(),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]


def _has_graphiql(settings: Settings) -> bool:
    # A browser does not know the router's secret, so the endpoint would reject every request of the page.
    return bool(settings.graphiql) and settings.router_secret is None


def _router(routes: list[Route], reject: HTTPExceptionHandler, lifespan: Lifespan | None = None) -> Starlette:
    router = Starlette(routes=routes, exception_handlers={HTTPException: reject}, lifespan=lifespan)
    router.router.redirect_slashes = False
    return router


def _with_middleware(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Wrap the application in the host check, instrumentation and, if it has its own port, the admin endpoints."""
    if settings.allowed_hosts is not None:
        app = TrustedHostMiddleware(app, settings.allowed_hosts)
    # Tests and other servers of the application configure logs themselves, or not at all.
    # `bind` looks the logger up once instead of for each line.
    log = structlog.get_logger().bind() if structlog.is_configured() else None
    app = InstrumentationMiddleware(app, log, settings.slow_request_threshold_seconds)
    if settings.admin_port is not None:
        app = AdminPortMiddleware(settings.admin_port, _router(_admin_routes(), reject_admin_path), app)
    return app


async def try_upstream(settings: Settings, key_pair: AwsKeyPair | None = None) -> Endpoint:
    """Open the connections of a process, close them again, and return the endpoint that calls will go to.

    So a wrong AWS or OpenTelemetry variable is found before a server runs, and reported without a traceback.

    Raises:
        ConfigurationError: If a variable is wrong.
    """
    async with AsyncExitStack() as stack:
        if settings.traces:
            await stack.enter_async_context(_recorded_traces())
        upstream = await stack.enter_async_context(open_upstream(settings, key_pair))
        return upstream.endpoint


@asynccontextmanager
async def _recorded_traces() -> AsyncIterator[None]:
    try:
        # Importing OpenTelemetry takes time and memory, and reads its variables. So import it only if traces are on.
        recorded = import_module("gateway.telemetry.opentelemetry").recorded_traces()
        await recorded.__aenter__()
    except Exception as error:
        raise ConfigurationError(f"The OTEL_ variables cannot be used: {error}") from error
    try:
        yield
    finally:
        await recorded.__aexit__(None, None, None)


def worker_app_factory(
    settings: Settings, *, workers: int, allowed_hosts: tuple[str, ...] | None, admin_port: int | None
) -> partial[ASGIApp]:
    """Return a function that makes the application in each worker process. It can be pickled.

    All workers of one start encrypt cursors with the same key, and each has its part of the rate limits.
    """
    return partial(
        _app_from_environment,
        cursor_keys=settings.cursor_keys or (SecretBytes(random_key()),),
        replicas=settings.replicas * workers,
        allowed_hosts=allowed_hosts,
        admin_port=admin_port,
    )


def _app_from_environment(**overrides: Any) -> ASGIApp:
    """Return the application that the environment configures, with some settings overridden."""
    settings = read_settings(**overrides)
    configure_logs(settings.log_format or "json")
    app = create_app(settings)
    configure_garbage_collector()
    return app


def configure_garbage_collector() -> None:
    """Spare the garbage collector what lives as long as the process, and have it run less often."""
    # The objects of start-up stay, so it need not look through them again and again.
    gc.collect()
    gc.freeze()
    # A request releases its objects itself (RequestContext.close) and leaves no cycles. 32 requests in flight for 99
    # numbers each make over 10,000 objects. With that threshold, the collector would look through them in vain for a
    # tenth of the requests' time. Errors and documents that leave the cache are cycles. With all three values, it looks
    # for old ones after 300,000 new objects.
    gc.set_threshold(50_000, 2, 3)
