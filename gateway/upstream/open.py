"""The process's one way to AWS: an aioboto3 client, with the credentials and the region that AWS's chain finds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final, NoReturn

from gateway.errors import ConfigurationError
from gateway.settings import Settings
from gateway.shared_state.redis_client import RedisClient
from gateway.upstream.aws.config_checks import AwsChecks, missing_files
from gateway.upstream.aws.credential_process import use_own_processes
from gateway.upstream.aws.credentials import load_credentials
from gateway.upstream.aws.instrumented_transport import InstrumentedTransport
from gateway.upstream.aws.network_errors import CONNECT_SECONDS
from gateway.upstream.aws.session import AwsKeyPair, ClientConfig, aws_client, aws_session
from gateway.upstream.aws.transport import direct_calls
from gateway.upstream.cache.response_cache import ResponseCache
from gateway.upstream.cache.shared_cache import SharedResponseCache
from gateway.upstream.client import Upstream
from gateway.upstream.readiness import Readiness
from gateway.upstream.resilience.rate_quota import LocalRateLimiter, RateLimiter
from gateway.upstream.resilience.retry import OPERATIONS, RetryingTransport
from gateway.upstream.resilience.shared_rate_quota import SharedRateLimiter
from gateway.upstream.services import SERVICES

USER_AGENT: Final = f"chime-gateway aioboto3/{version('aioboto3')}"


@asynccontextmanager
async def open_upstream(
    settings: Settings, key_pair: AwsKeyPair | None = None, redis: RedisClient | None = None
) -> AsyncIterator[Upstream]:
    """The process's one upstream: a session and a client cost 45 to 95 ms of blocked event loop, so they are made once.

    key_pair: credentials and region in place of those that AWS's chain finds.
    redis: where answers and the quota are shared; None keeps them to this process.
    Raises: Misconfigured where there are no credentials, no region, or AWS's own configuration cannot be read.
    """
    generation = SERVICES[settings.upstream_api]
    endpoint_url = settings.upstream_endpoint_url
    config = ClientConfig(
        max_pool_connections=settings.upstream_concurrency,
        connect_timeout=CONNECT_SECONDS,
        read_timeout=settings.request_timeout_seconds,
        # botocore's retry modes leave out these APIs' 429 or wait for 11 s (botocore 1.40.61): retries are ours.
        retries={"total_max_attempts": 1},
        # botocore writes its own anew for every call, at a seventh of the call's CPU.
        user_agent=USER_AGENT,
        # With credentials given the upstream is on this machine, and no proxy leads back to it.
        proxies=None if key_pair is None else {},
        # An enumerated value newer than botocore's model is AWS's to refuse; what callers can send is checked before.
        parameter_validation=False,
    )
    try:
        session = aws_session(key_pair)
        region = key_pair.region if key_pair else await _checked_region(session, settings)
        use_own_processes()
        credentials = await load_credentials(session)
        if credentials is None:
            _refuse_without_credentials(missing_files(session))
        if region is None:
            _refuse_without_region(missing_files(session))
        client = aws_client(
            session,
            generation.api,
            region_name=region,
            endpoint_url=str(endpoint_url).rstrip("/") if endpoint_url else None,
            config=config,
        )
        calls = await direct_calls(await client.__aenter__(), OPERATIONS)
    except ConfigurationError:
        raise
    except Exception as error:  # A profile may run any program for its credentials, and that may print anything.
        raise ConfigurationError(f"AWS's configuration cannot be used: {error}") from error
    upstream = f"{generation.api} {calls.endpoint.region} {calls.endpoint.url}"
    observed = InstrumentedTransport(calls)
    attempts = RetryingTransport(
        observed,
        credentials,
        concurrency=settings.upstream_concurrency,
        quota=_quota(settings, redis, f"{upstream} {_account(credentials.newest)}"),
        request_seconds=settings.request_timeout_seconds,
    )
    shared = None if redis is None else SharedResponseCache(redis, lambda: credentials.newest, upstream)
    answers = ResponseCache(settings.cache_ttl_seconds, settings.stale_if_error_seconds, shared)
    try:
        readiness = Readiness(observed, credentials, attempts.breakers.values())
        yield Upstream(attempts, generation, calls.endpoint, answers, readiness)
    finally:
        await credentials.close()
        await client.__aexit__(None, None, None)


def _quota(settings: Settings, redis: RedisClient | None, upstream: str) -> RateLimiter | None:
    rate, replicas = settings.upstream_rate_limit, settings.replicas
    if rate is None:
        return None
    return LocalRateLimiter(rate / replicas) if redis is None else SharedRateLimiter(rate, replicas, redis, upstream)


def _account(credentials: object) -> str:
    """Return the account of credentials if it is known at the start, by AWS_ACCOUNT_ID, a profile or the source, or "".

    A role's is known only once the role was assumed, and so is left out for all replicas alike.
    """
    return getattr(credentials, "account_id", None) or ""


async def _checked_region(session: Any, settings: Settings) -> str | None:
    """Check the user's AWS configuration; return the region to call, None if there is none.

    Raises: Misconfigured, naming what is wrong.
    """
    generation = SERVICES[settings.upstream_api]
    checks = AwsChecks(session, generation.api)
    checks.values()
    region: str | None = session.get_config_variable("region") or generation.default_region
    if region is not None:
        await checks.region(region, own_endpoint=settings.upstream_endpoint_url is not None)
    return region


def _refuse_without_credentials(missing: str) -> NoReturn:
    raise ConfigurationError(
        "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or run where a role gives "
        f"them; for a local upstream that needs none, run `chime-gateway dev`{missing}"
    )


def _refuse_without_region(missing: str) -> NoReturn:
    raise ConfigurationError(
        f"no AWS region: set AWS_REGION or AWS_DEFAULT_REGION, or a region in the AWS profile{missing}"
    )
