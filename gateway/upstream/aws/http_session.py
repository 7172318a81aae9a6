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

from gateway.upstream.aws.network_errors import ResponseTooLong

# Limit of a response body in bytes. A page of 100 numbers has 60 KB. If a body is a hundred times as long, it is not a
# page, and it must not fill the memory.
MAX_RESPONSE_BODY_BYTES: Final = 8 * 1024 * 1024
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
        self._connector: aiohttp.TCPConnector

    async def __aenter__(self) -> Self:
        self._connector = aiohttp.TCPConnector(limit=self._limit, keepalive_timeout=KEEP_ALIVE_SECONDS)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connector.close()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The TLS context, which verifies certificates and host names. Its certificates take 30 ms to load."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(get_cert_path(self._verify or True))
        return context

    def proxy_for(self, url: str) -> URL | None:
        """Return the URL of the proxy for a URL, if one is set."""
        proxy = self._proxies.proxy_url_for(url)
        return None if proxy is None else URL(proxy)

    async def get(
        self, url: URL, headers: Mapping[str, str], proxy: URL | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send one GET request and return the response's status, headers and body.

        Args:
            url: The percent-encoded URL.
            headers: All headers, including the signature.
            proxy: The proxy's URL, if there is one.

        Raises:
            ResponseTooLong: If the body has more than MAX_RESPONSE_BODY_BYTES.
            aiohttp.ClientError: If the connection fails.
            TimeoutError: If the response does not arrive in time.
        """
        response = await self._send_once(aiohttp.ClientRequest("GET", url, headers=headers, proxy=proxy, ssl=self._tls))
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
            sent = aiohttp.ClientRequest(
                request.method,
                URL(request.url, encoded=True),
                headers=headers,
                # botocore signs its own headers, so aiohttp must not add this one.
                skip_auto_headers={"content-type"},
                data=request.body,
                proxy=self.proxy_for(request.url),
                ssl=self._tls,
            )
            response = await self._send_once(sent)
            # aiohttp keeps the body, and botocore's parser reads it again.
            await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise HTTPClientError(error=error) from error
        return AioAWSResponse(request.url, response.status, dict(response.headers), response)

    async def _send_once(self, request: aiohttp.ClientRequest) -> aiohttp.ClientResponse:
        """Send a request once, and return the response without its body.

        aiohttp's ClientSession would send a GET again if a kept-alive connection was lost, and RetryingTransport would
        not count that. It would also keep cookies, and follow redirects with the session token to another server.

        Raises:
            aiohttp.ConnectionTimeoutError: If no connection is made in time.
        """
        try:
            connection = await self._connector.connect(request, traces=[], timeout=self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        try:
            assert connection.protocol is not None  # noqa: S101  # It is None only after a release.
            connection.protocol.set_response_params(
                read_timeout=self._timeout.sock_read, read_until_eof=True, auto_decompress=False
            )
            response = await request.send(connection)
            await response.start(connection)
        except BaseException:
            connection.close()
            raise
        return response


async def _body(content: aiohttp.StreamReader) -> bytes:
    """Return a response's body.

    Raises:
        ResponseTooLong: If it has more than MAX_RESPONSE_BODY_BYTES.
    """
    blocks, size = [], 0
    while not content.at_eof():
        block = await content.readany()
        blocks.append(block)
        size += len(block)
        if size > MAX_RESPONSE_BODY_BYTES:
            raise ResponseTooLong(f"more than {MAX_RESPONSE_BODY_BYTES:,} bytes")
    return b"".join(blocks)
