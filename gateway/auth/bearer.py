"""Bearer credentials in the Authorization header, and the challenges of a 401. Source: RFC 6750, 2.1 and 3."""

from collections.abc import Mapping

from gateway.errors import HttpError


class Unauthenticated(HttpError):
    """Credentials are missing or invalid."""

    code = "UNAUTHENTICATED"
    status = 401

    def __init__(self, message: str, *, challenge: bytes) -> None:
        super().__init__(message)
        # A 401 must name a challenge. RFC 9110, 15.5.2.
        self.headers = ((b"www-authenticate", challenge),)


def bearer_credential(headers: Mapping[bytes, bytes]) -> bytes | None:
    """Return the credential of the Authorization header, or None if it is missing or has another scheme."""
    scheme, _, credential = headers.get(b"authorization", b"").partition(b" ")
    return credential.strip() or None if scheme.lower() == b"bearer" else None


def missing_credential(message: str) -> Unauthenticated:
    """Return the error for a request without a credential."""
    return Unauthenticated(message, challenge=b'Bearer realm="chime-gateway"')


def invalid_credential(message: str) -> Unauthenticated:
    """Return the error for a credential that is invalid or has expired."""
    return Unauthenticated(message, challenge=b'Bearer realm="chime-gateway", error="invalid_token"')
