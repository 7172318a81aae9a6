"""Network errors of calls that ended without a response, with the host and the reason in an operator's words."""

import os
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from gateway.errors import UpstreamBadResponse, UpstreamError, UpstreamTimeout, UpstreamUnreachable

# Connect timeout in seconds. A TCP and TLS handshake with a healthy endpoint takes well under 1 s. After 2 s, a retry
# is more likely to succeed.
CONNECT_SECONDS: Final = 2.0


class ResponseTooLong(Exception):
    """An error for a response that exceeds the size limit. The rest of its body was not read."""


def network_fault(error: Exception, host: str) -> tuple[type[UpstreamError], str] | None:
    """Return the kind of a network error and the words for the log, if the error is one.

    The words never quote the server. They contain the host's or its proxy's address and no other.

    Args:
        error: Any exception of a call.
        host: The host that was called. It has a port unless the port is the scheme's default.
    """
    match error:
        # This case precedes TimeoutError, its base class. When a connect times out, the request was never sent.
        case aiohttp.ConnectionTimeoutError():
            return UpstreamUnreachable, f"connect: timeout, no connection to {host} within {CONNECT_SECONDS:g} s"
        case TimeoutError():
            return UpstreamTimeout, f"timeout: {host} did not respond in time"
        case ResponseTooLong():
            return UpstreamBadResponse, f"bad response: the body from {host} is too long: {error}"
        case aiohttp.ClientError() | OSError():
            return UpstreamUnreachable, _words(error, host)
        case _:
            return None


def _words(error: Exception, host: str) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            words = f"DNS: the name of {_peer(error, host)} cannot be resolved{_reason(error.os_error)}"
        case aiohttp.ClientConnectorCertificateError():
            words = f"TLS: the certificate of {_peer(error, host)} is not trusted{_verdict(error.certificate_error)}"
        case aiohttp.ClientSSLError():
            words = f"TLS: the handshake with {_peer(error, host)} failed{_reason(error.os_error)}"
        case aiohttp.ClientHttpProxyError():
            words = f"proxy: it responded with {error.status} to CONNECT {host}"
        case aiohttp.ClientConnectorError():
            words = f"connect: no connection to {_peer(error, host)}{_reason(error.os_error)}"
        case aiohttp.ClientResponseError():
            words = f"bad response: {host} sent something that is not HTTP"
        case aiohttp.ClientPayloadError():
            words = f"connection lost: {host} closed it within a response"
        case _:
            words = f"connection lost: {host} closed it before a response{_reason(error)}"
    return words


def _peer(error: aiohttp.ClientConnectorError, host: str) -> str:
    """Return the host of a failed connection. If the connection was to a proxy, name the proxy too."""
    if error.host == urlsplit(f"//{host}").hostname:
        return host
    return f"the proxy {error.host}:{error.port} of {host}"


def _reason(error: BaseException) -> str:
    """Return the reason in the operating system's words, because an error's own text may contain addresses."""
    if isinstance(error, ssl.SSLError):
        return f" ({error.reason})" if error.reason else ""
    # If getaddrinfo failed, the number is negative and os.strerror does not know it. Its text is fixed for each number.
    if isinstance(error, socket.gaierror):
        return f" ({error.strerror})"
    return f" ({os.strerror(error.errno)})" if isinstance(error, OSError) and error.errno else ""


def _verdict(error: Exception) -> str:
    return f" ({error.verify_message})" if isinstance(error, ssl.SSLCertVerificationError) else _reason(error)
