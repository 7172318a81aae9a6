"""An HTTP session for requests to AWS: verified host names, the user's proxies, no redirects and no hidden retries.

The gateway's own calls use `get`. botocore makes STS and SSO clients to renew credentials. They use `send`, because
aiobotocore accepts this class as a client's `http_session_cls`. aiobotocore's own class verifies no host names, and
behind a proxy no certificates.
"""

import ssl
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final, Self

import aiohttp
from aiobotocore.awsrequest import AioAWSResponse
from botocore.exceptions import HTTPClientError
from botocore.httpsession import ProxyConfiguration, get_cert_path
from yarl import URL

from gateway.upstream.aws.network_errors import ConnectionLost, ResponseTooLong

# Limit of a response body in bytes. A page of 100 numbers has 60 KB. If a body is a hundred times as long, it is not a
# page, and it must not fill the memory.
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
# Seconds for which an idle connection stays open, as in aiobotocore. AWS closes it after 20 s.
KEEP_ALIVE_SECONDS: Final = 12.0


class HttpSession:
    """An HTTP session with the constructor, context manager and `send` that aiobotocore expects.

    Args:
        timeout: Connect timeout and read timeout in seconds.
        proxies: The proxy's URL by the scheme of the requested URL.
        verify: The path of a bundle of CA certificates. Any other value means botocore's own bundle. A profile's
            `ca_bundle =` makes it empty, which does not turn verification off.
        max_pool_connections: Limit of open connections.
        _others: aiobotocore's other arguments. The gateway never sets them, and the user's AWS configuration cannot.
    """

    def __init__(
        self,
        *,
        timeout: tuple[float, float],
        proxies: Mapping[str, str] | None = None,
        verify: str | bool | None = None,
        max_pool_connections: int = 10,
        **_others: Any,
    ) -> None:
        connect, read = timeout
        self._timeout = aiohttp.ClientTimeout(sock_connect=connect, sock_read=read)
        self._proxies = ProxyConfiguration(proxies)
        self._verify = verify
        self._limit = max_pool_connections
        self._http: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._limit, keepalive_timeout=KEEP_ALIVE_SECONDS),
            timeout=self._timeout,
            middlewares=(_send_once,),
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The TLS context, which verifies certificates and host names. Its certificates take 30 ms to load."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(get_cert_path(self._verify or True))
        return context

    def proxy_for(self, url: str) -> str | None:
        """Return the URL of the proxy for a URL, if one is set."""
        proxy: str | None = self._proxies.proxy_url_for(url)
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
        # AWS sends no redirects. If aiohttp followed one, another server would see the request's session token.
        response = await self._http.get(url, headers=headers, allow_redirects=False, proxy=proxy, ssl=self._tls)
        try:
            return response.status, response.headers, await _body(response.content)
        finally:
            response.release()

    async def send(self, request: Any) -> AioAWSResponse:
        """Send a request of one of botocore's own clients and return the response.

        Args:
            request: botocore's AWSPreparedRequest.

        Raises:
            HTTPClientError: If the response does not arrive. botocore's retry modes retry this error.
        """
        headers = {
            name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
        }
        headers["accept-encoding"] = "identity"
        try:
            response = await self._http.request(
                request.method,
                URL(request.url, encoded=True),
                headers=headers,
                # botocore signs its own headers, so aiohttp must not add this one.
                skip_auto_headers={"content-type"},
                data=request.body,
                allow_redirects=False,
                proxy=self.proxy_for(request.url),
                ssl=self._tls,
            )
            # aiohttp keeps the body, and botocore's parser reads it again.
            await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise HTTPClientError(error=error) from error
        return AioAWSResponse(request.url, response.status, dict(response.headers), response)


async def _body(content: aiohttp.StreamReader) -> bytes:
    """Return a response's body.

    Raises:
        ResponseTooLong: If it has more than MAX_ANSWER_BYTES.
    """
    blocks, size = [], 0
    while not content.at_eof():
        block = await content.readany()
        blocks.append(block)
        size += len(block)
        if size > MAX_ANSWER_BYTES:
            raise ResponseTooLong(f"more than {MAX_ANSWER_BYTES:,} bytes")
    return b"".join(blocks)


async def _send_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request without aiohttp's retry on a dropped kept-alive connection. RetryingTransport would not count it.

    Raises:
        ConnectionLost: If one of the two errors occurs after which aiohttp retries.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise ConnectionLost from error
