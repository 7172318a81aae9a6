"""Calls that ended without a response, in the words of an operator: which host, and what went wrong on the way."""

import os
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from gateway.errors import UpstreamBadResponse, UpstreamError, UpstreamTimeout, UpstreamUnreachable

# Seconds that a connection may take to be made. A TCP and TLS handshake to a healthy endpoint takes well under one.
# Past two, another attempt is the better bet.
CONNECT_SECONDS: Final = 2.0


class ResponseTooLong(Exception):
    """A response longer than its limit. Its rest was not read."""


def network_fault(error: Exception, host: str) -> tuple[type[UpstreamError], str] | None:
    """Return the kind of a failure on the way to a host, and the words for the log. Return None for any other error.

    The words hold no text of the other side and no address but the host's, or its proxy's.
    """
    match error:
        # Before TimeoutError, which it is as well: no response was waited for.
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
            words = f"TLS: the certificate of {_peer(error, host)} is not accepted{_verdict(error.certificate_error)}"
        case aiohttp.ClientSSLError():
            words = f"TLS: the handshake with {_peer(error, host)} failed{_reason(error.os_error)}"
        case aiohttp.ClientHttpProxyError():
            words = f"proxy: it answered {error.status} to CONNECT {host}"
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
    """Return the host that a connection was meant for: the upstream's, or the proxy's in front of it."""
    if error.host == urlsplit(f"//{host}").hostname:
        return host
    return f"the proxy {error.host}:{error.port} of {host}"


def _reason(error: Exception) -> str:
    """Return the reason in the system's own words, since an error's text may hold addresses."""
    if isinstance(error, ssl.SSLError):
        return f" ({error.reason})" if error.reason else ""
    # Those of getaddrinfo are negative, and its text is a fixed one for each.
    if isinstance(error, socket.gaierror):
        return f" ({error.strerror})"
    return f" ({os.strerror(error.errno)})" if isinstance(error, OSError) and error.errno else ""


def _verdict(error: Exception) -> str:
    return f" ({error.verify_message})" if isinstance(error, ssl.SSLCertVerificationError) else _reason(error)
