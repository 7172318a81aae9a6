"""aiobotocore's session, as the gateway sets it up: what it reads of the user's AWS configuration, and how.

An empty entry counts as unset. Every client made from the session verifies certificates and the names in them, also
those that botocore makes by itself to ask STS or SSO for credentials.
"""

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

import aioboto3
import botocore.configloader
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession, get_session
from yarl import URL

from gateway.settings import tidy_environment
from gateway.upstream.aws.network_errors import CONNECT_SECONDS, ResponseTooLong

# STS and SSO answer in well under a second.
SOURCE_SECONDS: Final = 5.0
# A page of 100 numbers is 60 KB. What is a hundred times as long is no page, and must not fill the memory.
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024


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

    def __init__(self, verify: str | bool | None = True, **options: Any) -> None:
        # aiobotocore verifies no certificate if this is empty, as a profile's `ca_bundle =` would make it.
        super().__init__(verify=verify or True, **options)

    def proxy_for(self, origin: str) -> str | None:
        """The URL of the proxy that leads to an origin, None where none is set."""
        proxy: str | None = self._proxy_config.proxy_url_for(origin)
        return proxy

    async def get(
        self, url: URL, headers: Mapping[str, str], proxy: str | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of the answer to one request.

        Raises: ResponseTooLong; aiohttp's ClientError; TimeoutError.
        """
        session = await self._get_session(proxy)
        # AWS sends no redirects. A signed request that is led elsewhere would show its session token there.
        async with session.get(url, headers=headers, allow_redirects=False, proxy=proxy) as response:
            try:
                await response.content.readexactly(MAX_ANSWER_BYTES + 1)
            except asyncio.IncompleteReadError as ended:
                return response.status, response.headers, ended.partial
            raise ResponseTooLong(f"more than {MAX_ANSWER_BYTES:,} bytes")

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
        # aiohttp repeats a GET on a dropped kept-alive connection, unseen by the count of attempts in retry.py.
        session._retry_connection = False  # noqa: SLF001  # aiohttp offers no public switch.
        return session


class ClientConfig(AioConfig):  # type: ignore[misc]  # aiobotocore carries no types.
    """A client's configuration that always uses HttpSession."""

    def __init__(self, **options: Any) -> None:
        super().__init__(http_session_cls=HttpSession, **options)

    def merge(self, other_config: Any) -> "ClientConfig":
        """Return this configuration with another one's options. aiobotocore's own forgets the HTTP session."""
        return ClientConfig(**{**self._user_provided_options, **other_config._user_provided_options})  # noqa: SLF001  # As the base class does.


def aws_session(key_pair: AwsKeyPair | None) -> AioSession:
    """Make a session.

    key_pair: credentials in place of those that AWS's chain finds; then nothing that the user set up for AWS is read.
    """
    tidy_environment()
    session = get_session()
    # Of the clients that renew credentials, botocore's for STS and SSO. By itself it makes five attempts, and waits for
    # a minute each.
    session.set_default_client_config(
        ClientConfig(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=SOURCE_SECONDS,
            retries={"total_max_attempts": 2, "mode": "standard"},
        )
    )
    if key_pair is None:
        # botocore reads only the second; AWS's other SDKs, and the containers that AWS runs, know the first.
        session.session_var_map["region"] = ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)
    else:
        for name, (_, _, default, conversion) in list(session.session_var_map.items()):
            session.session_var_map[name] = (None, None, default, conversion)
        session.set_config_variable("config_file", os.devnull)
        session.set_config_variable("credentials_file", os.devnull)
        session.set_credentials(key_pair.access_key_id, key_pair.secret_access_key)
    return session


def _without_empty(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return a profile file's sections without the entries that have no value."""
    return {
        name: _without_empty(value) if isinstance(value, Mapping) else value
        for name, value in held.items()
        if value != ""
    }


def _leave_out_empty_entries() -> None:
    """Have botocore take an empty entry of a profile for an unset one.

    The session and each of botocore's sources of credentials parse the profile files anew, all by this one function.
    """
    parse = botocore.configloader.raw_config_parse

    @wraps(parse)
    def parse_without_empty(*arguments: Any, **options: Any) -> dict[str, Any]:
        return _without_empty(parse(*arguments, **options))

    botocore.configloader.raw_config_parse = parse_without_empty


_leave_out_empty_entries()


def aws_client(session: AioSession, service: str, **options: Any) -> Any:
    """Return a client of a service, to be entered. Options are those of aioboto3's `Session.client`."""
    return aioboto3.Session(botocore_session=session).client(service, **options)
