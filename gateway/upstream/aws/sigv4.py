"""AWS Signature Version 4 for GET requests.

botocore's signer is general. For each call it reads back every header and derives the signing key by four digests. The
gateway's calls differ only in their parameters and in the second of their date. So this module caches the key for its
day, and the date for its second.

Source: AWS General Reference, "Create a signed AWS API request". A test compares the result with botocore's signer.
"""

import hashlib
import hmac
import time
from functools import lru_cache
from typing import Final, Protocol
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
    date = _date(int(time.time()))
    day = date[:8]
    headers = {"host": host, "x-amz-date": date}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    # Every service except S3 signs the path after a second percent-encoding.
    request = f"GET\n{quote(path, safe='/~')}\n{query}\n{lines}\n{names}\n{_NO_BODY}"
    scope = f"{day}/{region}/{service}/aws4_request"
    text = f"{_ALGORITHM}\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = _keyed_digest(credentials.secret_key, day, region, service).copy()
    signature.update(text.encode())
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, "
        f"Signature={signature.hexdigest()}"
    )
    return headers


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


# The cache holds two keys. When a role's keys change, calls with the old keys are still made for a minute.
@lru_cache(maxsize=2)
def _keyed_digest(secret_key: str, *scope: str) -> hmac.HMAC:
    """Return a digest with the signing key and no text yet. A copy takes 1 microsecond less than a new digest."""
    key = f"AWS4{secret_key}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, digestmod="sha256")
