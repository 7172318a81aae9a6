"""AWS Signature Version 4 for GET requests.

botocore's signer is general. For each call it reads back every header and derives the signing key by four digests. The
gateway's calls differ only in their parameters and in the second of their date. So this module caches the key for its
day, and all other parts that do not depend on the parameters for their second.

Source: AWS General Reference, "Create a signed AWS API request". A test compares the result with botocore's signer.
"""

import hashlib
import hmac
import time
from functools import lru_cache
from typing import Final, NamedTuple, Protocol
from urllib.parse import quote

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_NO_BODY: Final = hashlib.sha256().hexdigest()
# Characters that RFC 3986 does not percent-encode, besides letters and digits.
UNRESERVED: Final = "-_.~"


class Credentials(Protocol):
    """Credentials that do not change, as botocore's `get_frozen_credentials` returns them."""

    access_key: str
    secret_key: str
    token: str | None


def signed_headers(
    host: str, path: str, query: str, credentials: Credentials, *, region: str, service: str
) -> dict[str, str]:
    """Return the signed headers of a GET request, including its Host.

    Args:
        host: The Host header. It has a port if the port is not the scheme's default.
        path: The percent-encoded path, as it is sent.
        query: The parameters, sorted by name. Every character of a value is percent-encoded unless it is a letter, a
            digit or in UNRESERVED.
        credentials: The credentials to sign with. If they have a token, it becomes a header.
        region: The region to sign for.
        service: The service's name in the signature.
    """
    parts = _parts(
        int(time.time()), host, credentials.access_key, credentials.secret_key, credentials.token, region, service
    )
    request = f"GET\n{_quoted_path(path)}\n{query}\n{parts.request_end}"
    signature = parts.digest.copy()
    signature.update(hashlib.sha256(request.encode()).hexdigest().encode())
    return {**parts.headers, "authorization": parts.authorization + signature.hexdigest()}


# Every service except S3 signs the path after a second percent-encoding. All calls of a list have the same path.
@lru_cache(maxsize=256)
def _quoted_path(path: str) -> str:
    return quote(path, safe="/~")


class _Parts(NamedTuple):
    """The parts that all signatures of one second share.

    Attributes:
        headers: The headers that are signed.
        request_end: The canonical request's lines after its query.
        digest: A digest with the signing key and with the text to sign up to the canonical request's hash.
        authorization: The Authorization header up to the signature.
    """

    headers: dict[str, str]
    request_end: str
    digest: hmac.HMAC
    authorization: str


# The cache holds the parts of two keys. When a role's keys change, calls with the old keys are still made for a minute.
@lru_cache(maxsize=2)
def _parts(
    second: int, host: str, access_key: str, secret_key: str, token: str | None, region: str, service: str
) -> _Parts:
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
    day = date[:8]
    headers = {"host": host, "x-amz-date": date}
    if token:
        headers["x-amz-security-token"] = token
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    scope = f"{day}/{region}/{service}/aws4_request"
    digest = _keyed_digest(secret_key, day, region, service).copy()
    digest.update(f"{_ALGORITHM}\n{date}\n{scope}\n".encode())
    return _Parts(
        headers=headers,
        request_end=f"{lines}\n{names}\n{_NO_BODY}",
        digest=digest,
        authorization=f"{_ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={names}, Signature=",
    )


@lru_cache(maxsize=2)
def _keyed_digest(secret_key: str, *scope: str) -> hmac.HMAC:
    """Return a digest with the signing key and no text yet. A copy takes 1 microsecond less than a new digest."""
    key = f"AWS4{secret_key}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, digestmod="sha256")
