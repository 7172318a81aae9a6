"""Puts the house together; the one file that knows every room."""

import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from typing import Any

import structlog
from graphql.validation.rules import overlapping_fields_can_be_merged
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

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
from gateway.http.admin import AdminPortMiddleware, healthz, metrics, readyz
from gateway.http.cors import CorsPolicy
from gateway.http.csrf import CsrfProtection
from gateway.http.endpoint import GraphQLEndpoint
from gateway.http.error_response import reject_path
from gateway.http.graphiql_page import GraphiqlAssets, GraphiqlPage, wants_page
from gateway.http.instrumentation import InstrumentationMiddleware
from gateway.http.rate_limiter import CallerRateLimiter
from gateway.http.trusted_hosts import TrustedHostMiddleware
from gateway.schema.federation import build_schema
from gateway.settings import Settings, read_settings, tidy_environment
from gateway.shared_state.redis_client import RedisClient
from gateway.telemetry.logs import configure_logs
from gateway.telemetry.metrics import configure_metrics
from gateway.upstream.aws.session import AwsKeyPair
from gateway.upstream.aws.transport import Endpoint
from gateway.upstream.open import open_upstream


def create_app(settings: Settings, key_pair: AwsKeyPair | None = None) -> ASGIApp:
    """The gateway as an ASGI application; its upstream is opened when it starts and closed when it stops.

    key_pair: credentials and region in place of those that AWS's chain finds.
    Raises: Misconfigured, here for the files and the Redis that settings name, at start-up for the rest.
    """
    tidy_environment()
    configure_metrics()
    redis = None if settings.redis_url is None else RedisClient(settings.redis_url.get_secret_value())

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        async with AsyncExitStack() as stack:
            if settings.traces:
                await stack.enter_async_context(_traces_recorded())
            if redis is not None:
                await stack.enter_async_context(redis.open())
            upstream = await stack.enter_async_context(open_upstream(settings, key_pair, redis))
            yield {"new_context": request_contexts(settings, upstream), "unready": upstream.unready}

    # graphql-core reads this module attribute at each validation. It is the documented way to set the budget.
    overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = FIELD_COMPARISON_BUDGET
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
    endpoint = GraphQLEndpoint(
        engine,
        persisted_documents(settings.trusted_documents, engine.documents),
        _authenticator(settings),
        rate_limiter,
        cors,
        CsrfProtection(cors),
    )
    # A browser has no router's secret, and the page would be refused whatever it asks.
    shown = settings.graphiql and settings.router_secret is None
    page = GraphiqlPage() if shown else None
    assets = [Route("/graphql/assets/{name}", GraphiqlAssets().asset, methods=["GET"])] if shown else []
    alive = Route("/healthz", healthz, methods=["GET"])
    operating = [Route("/readyz", readyz, methods=["GET"]), Route("/metrics", metrics, methods=["GET"])]
    on_its_own_port = settings.admin_port is not None
    elsewhere = _routed([*assets, alive, *(() if on_its_own_port else operating)], lifespan)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # Routing and middleware would cost the endpoint more than its own reading and writing does.
        if scope["type"] == "http" and scope["path"] == "/graphql":
            answer = page if page is not None and wants_page(scope) else endpoint
            await answer(scope, receive, send)
        else:
            await elsewhere(scope, receive, send)

    hosted = app if settings.allowed_hosts is None else TrustedHostMiddleware(app, settings.allowed_hosts)
    # Tests, and whoever else serves the application by other means, set up logs of their own, or none.
    log = structlog.get_logger() if structlog.is_configured() else None
    observed = InstrumentationMiddleware(hosted, log, settings.slow_request_threshold_seconds)
    if settings.admin_port is None:
        return observed
    return AdminPortMiddleware(settings.admin_port, _routed([alive, *operating]), observed)


async def try_upstream(settings: Settings, key_pair: AwsKeyPair | None = None) -> Endpoint:
    """Open all that a process opens at its start and close it again; give the endpoint that calls will go to.

    A mistake in AWS's or OpenTelemetry's variables is found so before a server runs, and not by its traceback.
    Raises: Misconfigured.
    """
    async with AsyncExitStack() as stack:
        if settings.traces:
            await stack.enter_async_context(_traces_recorded())
        upstream = await stack.enter_async_context(open_upstream(settings, key_pair))
        return upstream.endpoint


@asynccontextmanager
async def _traces_recorded() -> AsyncIterator[None]:
    try:
        # OpenTelemetry is imported where it is used, and nowhere else. It reads its variables as it is imported, too.
        recorded = import_module("gateway.telemetry.opentelemetry").traces_recorded()
        await recorded.__aenter__()
    except Exception as error:
        raise ConfigurationError(f"the OTEL_ variables cannot be used: {error}") from error
    try:
        yield
    finally:
        await recorded.__aexit__(None, None, None)


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


def _routed(routes: list[Route], lifespan: Any = None) -> Starlette:
    routed = Starlette(routes=routes, exception_handlers={HTTPException: reject_path}, lifespan=lifespan)
    routed.router.redirect_slashes = False
    return routed


def app_from_environment(**given: Any) -> ASGIApp:
    """The gateway as its environment sets it; what is given goes before it.

    It is for worker processes, which cannot be handed an application.
    """
    settings = read_settings(**given)
    configure_logs(settings.log_format or "json")
    app = create_app(settings)
    # What start-up has made stays; the garbage collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    # A request lets go of its records by itself (RequestContext.close); what it leaves in cycles is some 75 objects.
    # Python's own threshold, 700 new objects, is one page of numbers: every request would be looked through.
    # Documents that are no longer kept are cycles, too, and old: these are looked for once in some thousand requests.
    gc.set_threshold(10_000, 10, 3)
    return app
