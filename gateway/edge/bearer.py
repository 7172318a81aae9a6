"""The Authorization header of a request, and the challenge where it does not do. Source: RFC 6750, 2.1 and 3."""

from collections.abc import Mapping

from gateway.edge.refusal import Unauthenticated


def bearer_credential(fields: Mapping[bytes, bytes]) -> bytes | None:
    """What follows `Bearer` in the header Authorization; None without one, or where it is of another scheme."""
    scheme, _, credential = fields.get(b"authorization", b"").partition(b" ")
    return credential.strip() or None if scheme.lower() == b"bearer" else None


def missing(message: str) -> Unauthenticated:
    """The refusal of a request that brings no credential."""
    return Unauthenticated(message, challenge=b'Bearer realm="chime-gateway"')


def wrong(message: str) -> Unauthenticated:
    """The refusal of a credential that is not, or no longer, one of those that are taken."""
    return Unauthenticated(message, challenge=b'Bearer realm="chime-gateway", error="invalid_token"')
