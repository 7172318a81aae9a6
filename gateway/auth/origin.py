"""Hosts and origins in one normalized spelling, so that two spellings of the same one compare as equal.

Source: RFC 3986, 6.2.2 (case) and 6.2.3 (default ports), RFC 5952 (IPv6), and RFC 6454 (origins).
"""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NamedTuple

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LARGEST_PORT: Final = 65_535

_NAME: Final = r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?\.?"
_AUTHORITY: Final = re.compile(rf"({_NAME}|\[[0-9a-f:.]+\])(?::([0-9]{{1,5}}))?", re.ASCII | re.IGNORECASE)


class Authority(NamedTuple):
    """A name or an address in lower case, and a port if one is written."""

    name: str
    port: int | None


class Origin(NamedTuple):
    """A scheme, a name or an address, and a port. If no port is written, it is the scheme's default."""

    scheme: str
    name: str
    port: int


def read_authority(text: str) -> Authority | None:
    """Return a host with or without a port, if the text is a host. `[0:0::1]` is read as `[::1]`."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    name, port = match[1].lower(), match[2]
    if port is not None and int(port) > _LARGEST_PORT:
        return None
    if name.startswith("["):
        try:
            name = f"[{IPv6Address(name[1:-1]).compressed}]"
        except AddressValueError:
            return None
    return Authority(name, None if port is None else int(port))


def read_origin(text: str) -> Origin | None:
    """Return an http or https origin, if the text is one."""
    scheme, mark, rest = text.partition("://")
    scheme = scheme.lower()
    authority = read_authority(rest)
    if not mark or scheme not in DEFAULT_PORTS or authority is None:
        return None
    return Origin(scheme, authority.name, DEFAULT_PORTS[scheme] if authority.port is None else authority.port)


def is_host_of(host: str, origin: Origin | None) -> bool:
    """Return whether a Host header can be that of an origin.

    A gateway behind a proxy that ends TLS cannot know the scheme its client used. So the schemes are not compared, and
    a Host without a port has the default port of the origin's scheme.
    """
    return origin is not None and read_origin(f"{origin.scheme}://{host}") == origin
