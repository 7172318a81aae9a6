"""The gateway's setup of aiobotocore's session, and of the clients made from it.

If an entry of the user's AWS configuration is empty, it counts as unset. Every client of the session verifies
certificates and their host names. This includes the clients that botocore makes to ask STS or SSO for credentials.
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

# Read timeout of STS and SSO in seconds. Both respond in well under 1 s.
SOURCE_SECONDS: Final = 5.0
# Limit of a response body in bytes. A page of 100 numbers has 60 KB. If a body is a hundred times as long, it is not a
# page, and it must not fill the memory.
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class AwsKeyPair:
    """Credentials for a local emulator, which replace AWS's chain of sources.

    Attributes:
        region: The region in the signature. Emulators accept any region.
    """

    access_key_id: str
    secret_access_key: str
    region: str = "us-east-1"


class HttpSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types.
    """aiobotocore's HTTP session (connections, TLS and proxies) with its own method for GET requests."""

    def __init__(self, verify: str | bool | None = True, **options: Any) -> None:
        # If `verify` is empty, aiobotocore does not verify certificates. A profile's `ca_bundle =` would make it empty.
        super().__init__(verify=verify or True, **options)

    def proxy_for(self, origin: str) -> str | None:
        """Return the URL of the proxy for an origin, if one is set."""
        proxy: str | None = self._proxy_config.proxy_url_for(origin)
        return proxy

    async def get(
        self, url: URL, headers: Mapping[str, str], proxy: str | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send one GET request and return the response's status, headers and body.

        Args:
            url: The percent-encoded URL.
            headers: All headers, including the signature.
            proxy: The proxy's URL, if there is one.

        Raises:
            ResponseTooLong: If the body has more than MAX_ANSWER_BYTES.
            aiohttp.ClientError: If the connection fails.
            TimeoutError: If the response does not arrive in time.
        """
        session = await self._get_session(proxy)
        # AWS sends no redirects. If aiohttp followed one, another server would see the request's session token.
        async with session.get(url, headers=headers, allow_redirects=False, proxy=proxy) as response:
            try:
                await response.content.readexactly(MAX_ANSWER_BYTES + 1)
            except asyncio.IncompleteReadError as ended:
                return response.status, response.headers, ended.partial
            raise ResponseTooLong(f"more than {MAX_ANSWER_BYTES:,} bytes")

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()
        # botocore leaves this check to urllib3, which aiobotocore does not use. Without the check, a certificate of any
        # host would be accepted.
        context.check_hostname = True
        return context

    def _create_connector(self, proxy_url: str | None) -> Any:  # noqa: ARG002  # Named by the base class.
        # If a proxy has no certificates of its own, aiobotocore verifies no certificate, not even AWS's.
        return super()._create_connector(None)

    async def _get_session(self, proxy_url: str | None) -> Any:
        session = await super()._get_session(proxy_url)
        # aiohttp retries a GET if a kept-alive connection was dropped. RetryingTransport would not count such a retry.
        session._retry_connection = False  # noqa: SLF001  # aiohttp offers no public switch.
        return session


class ClientConfig(AioConfig):  # type: ignore[misc]  # aiobotocore has no types.
    """A client's configuration that always uses HttpSession."""

    def __init__(self, **options: Any) -> None:
        super().__init__(http_session_cls=HttpSession, **options)

    def merge(self, other_config: Any) -> "ClientConfig":
        """Return this configuration with another one's options. aiobotocore's `merge` loses the HTTP session."""
        return ClientConfig(**{**self._user_provided_options, **other_config._user_provided_options})  # noqa: SLF001  # As the base class does.


def aws_session(key_pair: AwsKeyPair | None) -> AioSession:
    """Return a new session.

    Args:
        key_pair: Credentials that replace AWS's chain. If they are given, the user's AWS configuration is not read.
    """
    tidy_environment()
    session = get_session()
    # botocore uses these options in its own STS and SSO clients, which renew credentials. By default, they make five
    # attempts with a timeout of one minute each.
    session.set_default_client_config(
        ClientConfig(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=SOURCE_SECONDS,
            retries={"total_max_attempts": 2, "mode": "standard"},
        )
    )
    if key_pair is None:
        # botocore reads only AWS_DEFAULT_REGION. AWS's other SDKs and AWS's containers use AWS_REGION.
        session.session_var_map["region"] = ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)
    else:
        for name, (_, _, default, conversion) in list(session.session_var_map.items()):
            session.session_var_map[name] = (None, None, default, conversion)
        session.set_config_variable("config_file", os.devnull)
        session.set_config_variable("credentials_file", os.devnull)
        session.set_credentials(key_pair.access_key_id, key_pair.secret_access_key)
    return session


def _without_empty(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return a profile file's sections without the empty entries."""
    return {
        name: _without_empty(value) if isinstance(value, Mapping) else value
        for name, value in held.items()
        if value != ""
    }


def _leave_out_empty_entries() -> None:
    """Make botocore treat an empty entry of a profile as unset.

    The session and each of botocore's sources of credentials parse the profile files again. All of them call the
    function that is replaced here.
    """
    parse = botocore.configloader.raw_config_parse

    @wraps(parse)
    def parse_without_empty(*arguments: Any, **options: Any) -> dict[str, Any]:
        return _without_empty(parse(*arguments, **options))

    botocore.configloader.raw_config_parse = parse_without_empty


_leave_out_empty_entries()


def aws_client(session: AioSession, service: str, **options: Any) -> Any:
    """Return a service's client, an async context manager, for the options of aioboto3's `Session.client`."""
    return aioboto3.Session(botocore_session=session).client(service, **options)
