"""The process's one way to AWS: an aioboto3 client, with the credentials and the region that AWS's chain finds."""

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, NoReturn

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import get_session
from botocore.exceptions import NoRegionError
from yarl import URL

from gateway.bounded_body import bounded_body
from gateway.errors import Misconfigured
from gateway.redis_link import RedisLink
from gateway.settings import Settings
from gateway.upstream.answer_cache import AnswerCache
from gateway.upstream.attempts import OPERATIONS, Attempts
from gateway.upstream.client import Upstream
from gateway.upstream.credential_process import use_own_processes
from gateway.upstream.credentials import load_credentials
from gateway.upstream.direct_calls import direct_calls
from gateway.upstream.generations import GENERATIONS
from gateway.upstream.network_faults import CONNECT_SECONDS
from gateway.upstream.observed_calls import ObservedCalls
from gateway.upstream.quota import OwnQuota, Quota
from gateway.upstream.readiness import Readiness
from gateway.upstream.shared_answers import SharedAnswers
from gateway.upstream.shared_quota import SharedQuota

# STS and SSO answer in well under a second.
SOURCE_SECONDS: Final = 5.0
# A page of 100 numbers is 60 KB. What is a hundred times as long is no page, and must not fill the memory.
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024

USER_AGENT: Final = f"chime-gateway aioboto3/{version('aioboto3')}"


@dataclass(frozen=True, slots=True)
class AwsKeyPair:
    """Credentials given by the program itself, in place of AWS's chain: those of a local emulator.

    region: only signed, and emulators take any.
    """

    access_key_id: str
    secret_access_key: str
    region: str = "us-east-1"


class HttpSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore carries no types.
    """aiobotocore's HTTP session (its connections, TLS and proxies), with a way of its own for GETs."""

    def proxy_for(self, origin: str) -> str | None:
        """The URL of the proxy that leads to an origin, None where none is set."""
        proxy: str | None = self._proxy_config.proxy_url_for(origin)
        return proxy

    async def get(
        self, url: URL, headers: Mapping[str, str], proxy: str | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of the answer to one request.

        Raises: BodyTooLong; aiohttp's ClientError; TimeoutError.
        """
        session = await self._get_session(proxy)
        # AWS sends no redirects. A signed request that is led elsewhere would show its session token there.
        async with session.get(url, headers=headers, allow_redirects=False, proxy=proxy) as response:
            return response.status, response.headers, await bounded_body(response, MAX_ANSWER_BYTES)

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()
        # botocore leaves this to urllib3, which is not in use here: any host's certificate would do.
        context.check_hostname = True
        return context

    def _create_connector(self, proxy_url: str | None) -> Any:  # noqa: ARG002  # Named by the base class.
        # Given a proxy that has no certificates of its own, aiobotocore verifies nobody's, not even AWS's.
        return super()._create_connector(None)

    async def _get_session(self, proxy_url: str | None) -> Any:
        session = await super()._get_session(proxy_url)
        # aiohttp repeats a GET on a dropped kept-alive connection, unseen by the count of attempts in attempts.py.
        session._retry_connection = False  # noqa: SLF001  # aiohttp offers no public switch.
        return session


class _ClientConfig(AioConfig):  # type: ignore[misc]  # aiobotocore carries no types.
    """The configuration of every client. Those for STS and SSO send tokens, so they verify the host as well.

    aiobotocore's own loses the HTTP session's class when it is merged with a client's.
    """

    def merge(self, other_config: AioConfig) -> AioConfig:
        merged = super().merge(other_config)
        merged.http_session_cls = self.http_session_cls
        return merged


@asynccontextmanager
async def open_upstream(
    settings: Settings, key_pair: AwsKeyPair | None = None, redis: RedisLink | None = None
) -> AsyncIterator[Upstream]:
    """The process's one upstream: a session and a client cost 45 to 95 ms of blocked event loop, so they are made once.

    key_pair: credentials and region in place of those that AWS's chain finds.
    redis: where answers and the quota are shared; None keeps them to this process.
    Raises: Misconfigured where there are no credentials, no region, or AWS's own configuration cannot be read.
    """
    generation = GENERATIONS[settings.upstream_api]
    endpoint_url = settings.upstream_endpoint_url
    config = AioConfig(
        http_session_cls=HttpSession,
        max_pool_connections=settings.upstream_concurrency,
        connect_timeout=CONNECT_SECONDS,
        read_timeout=settings.request_deadline_seconds,
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
        session = get_session()
        # botocore reads only the second; AWS's other SDKs, and the containers that AWS runs, know the first.
        session.session_var_map["region"] = ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)
        if key_pair is not None:
            _leave_unread_what_the_user_has_set_up(session)
            session.set_credentials(key_pair.access_key_id, key_pair.secret_access_key)
        region = key_pair.region if key_pair else session.get_config_variable("region") or generation.default_region
        use_own_processes()
        # Of the clients that renew credentials, botocore's for STS and SSO. By itself it makes five attempts, and waits
        # for a minute each.
        session.set_default_client_config(
            _ClientConfig(
                http_session_cls=HttpSession,
                connect_timeout=CONNECT_SECONDS,
                read_timeout=SOURCE_SECONDS,
                retries={"total_max_attempts": 2, "mode": "standard"},
            )
        )
        credentials = await load_credentials(session)
        if credentials is None:
            _refuse_without_credentials()
        client = aioboto3.Session(botocore_session=session).client(
            generation.api,
            region_name=region,
            endpoint_url=str(endpoint_url).rstrip("/") if endpoint_url else None,
            config=config,
        )
        calls = await direct_calls(await client.__aenter__(), OPERATIONS)
    except Misconfigured:
        raise
    except NoRegionError:
        raise Misconfigured(
            "no AWS region: set AWS_REGION or AWS_DEFAULT_REGION, or a region in the AWS profile"
        ) from None
    except Exception as error:  # A profile may run any program for its credentials, and that may print anything.
        raise Misconfigured(f"AWS's configuration cannot be used: {error}") from error
    upstream = f"{generation.api} {region} {endpoint_url or ''}"
    observed = ObservedCalls(calls)
    attempts = Attempts(
        observed,
        credentials,
        concurrency=settings.upstream_concurrency,
        quota=_quota(settings, redis, upstream),
        request_seconds=settings.request_deadline_seconds,
    )
    shared = None if redis is None else SharedAnswers(redis, lambda: credentials.newest, upstream)
    answers = AnswerCache(settings.cache_ttl_seconds, settings.stale_if_error_seconds, shared)
    try:
        yield Upstream(attempts, generation, answers, Readiness(observed, credentials, attempts.breakers.values()))
    finally:
        await credentials.close()
        await client.__aexit__(None, None, None)


def _quota(settings: Settings, redis: RedisLink | None, upstream: str) -> Quota | None:
    rate, replicas = settings.upstream_rate, settings.replicas
    if rate is None:
        return None
    return OwnQuota(rate / replicas) if redis is None else SharedQuota(rate, replicas, redis, upstream)


def _leave_unread_what_the_user_has_set_up(session: Any) -> None:
    session.session_var_map["profile"] = (None, None, None, None)
    session.set_config_variable("config_file", os.devnull)
    session.set_config_variable("credentials_file", os.devnull)


def _refuse_without_credentials() -> NoReturn:
    raise Misconfigured(
        "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or run where a role gives "
        "them; for a local upstream that needs none, run `chime-gateway dev`"
    )
