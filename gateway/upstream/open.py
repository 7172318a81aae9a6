"""Composition of the upstream: the whole path of a call, from the client to AWS."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.settings import Settings
from gateway.shared_state.redis_client import RedisClient
from gateway.upstream.aws.credentials_transport import CredentialsTransport
from gateway.upstream.aws.instrumented_transport import InstrumentedTransport
from gateway.upstream.aws.open_transport import open_aws_transport
from gateway.upstream.aws.session import AwsKeyPair
from gateway.upstream.aws.transport import AwsTransport
from gateway.upstream.aws_operations import OPERATION_NAMES
from gateway.upstream.cache.caching_transport import CachingTransport
from gateway.upstream.cache.response_cache import ResponseCache
from gateway.upstream.cache.shared_cache import SharedResponseCache
from gateway.upstream.call import Transport
from gateway.upstream.client import Upstream
from gateway.upstream.readiness import Readiness
from gateway.upstream.resilience.adaptive_rate import AdaptiveRateLimiter
from gateway.upstream.resilience.circuit_breaking_transport import CircuitBreakingTransport, operation_breaker
from gateway.upstream.resilience.fair_queue import FairQueue
from gateway.upstream.resilience.queueing_transport import QueueingTransport
from gateway.upstream.resilience.rate_quota import LocalRateLimiter, RateLimiter
from gateway.upstream.resilience.retry import RetryingTransport
from gateway.upstream.resilience.shared_rate_quota import SharedRateLimiter
from gateway.upstream.services import SERVICES


@asynccontextmanager
async def open_upstream(
    settings: Settings,
    key_pair: AwsKeyPair | None = None,
    redis: RedisClient | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Upstream]:
    """Open the process's upstream.

    Args:
        settings: The gateway's settings.
        key_pair: Credentials and region to use instead of those that AWS's chain finds.
        redis: Shares responses and the rate limit. None keeps both in this process.
        clock: Returns seconds since 1970, for the age of responses.

    Raises:
        ConfigurationError: If AWS's configuration cannot be used.
    """
    async with open_aws_transport(settings, key_pair, OPERATION_NAMES) as aws:
        yield _compose(settings, aws, redis, clock)


def _compose(settings: Settings, aws: AwsTransport, redis: RedisClient | None, clock: Callable[[], float]) -> Upstream:
    breakers = {name: operation_breaker(name) for name in OPERATION_NAMES}
    adaptive_rate = AdaptiveRateLimiter()
    limiters = (adaptive_rate, *_rate_limiters(settings, aws, redis))
    queue = FairQueue(OPERATION_NAMES, settings.upstream_concurrency, limiters)
    cache = ResponseCache(settings.cache_ttl_seconds, settings.stale_if_error_seconds, clock)
    shared = None
    if redis is not None:
        shared = SharedResponseCache(redis, lambda: aws.credentials.newest, _name(settings, aws), clock)

    # A call travels from the last line to the first.
    instrumented = InstrumentedTransport(aws)
    transport: Transport = CircuitBreakingTransport(instrumented, breakers, settings.request_timeout_seconds)
    transport = QueueingTransport(transport, queue, adaptive_rate, breakers)
    transport = CredentialsTransport(transport, aws.credentials)
    transport = RetryingTransport(transport, breakers, queue)
    transport = CachingTransport(transport, cache, shared, aws.credentials, aws.host)

    readiness = Readiness(
        instrumented, aws.credentials, breakers.values(), aws.host, stays_ready=settings.ready_while_aws_fails
    )
    return Upstream(transport, SERVICES[settings.upstream_api], aws.endpoint, readiness, breakers, queue, cache)


def _rate_limiters(settings: Settings, aws: AwsTransport, redis: RedisClient | None) -> tuple[RateLimiter, ...]:
    """Return the limiter of GATEWAY_UPSTREAM_RATE_LIMIT, if it is set."""
    rate, replicas = settings.upstream_rate_limit, settings.replicas
    if rate is None:
        return ()
    if redis is None:
        return (LocalRateLimiter(rate / replicas),)
    return (SharedRateLimiter(rate, replicas, redis, f"{_name(settings, aws)} {_account(aws.credentials.newest)}"),)


def _name(settings: Settings, aws: AwsTransport) -> str:
    """Return a name of the upstream that all replicas agree on."""
    return f"{settings.upstream_api} {aws.endpoint.region} {aws.endpoint.url}"


def _account(credentials: object) -> str:
    """Return the account of credentials, or "" if it is not known at the start.

    AWS_ACCOUNT_ID, a profile or the source may name it. A role's account is known only after the role was assumed, so
    all replicas leave it out alike.
    """
    return getattr(credentials, "account_id", None) or ""
