"""AWS Signature Version 4 of a GET.

botocore's signer is general: it reads every header back, and derives the signing key by four digests for each call.
Of the calls made here only parameters and second differ, so the key is kept for its day, and the date for its second.

Source: AWS General Reference, "Create a signed AWS API request". A test compares it with botocore's signer.
"""

import hashlib
import hmac
import time
from functools import lru_cache
from typing import Final, Protocol
from urllib.parse import quote

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_NO_BODY: Final = hashlib.sha256().hexdigest()
# What RFC 3986 leaves as it is.
UNRESERVED: Final = "-_.~"


class Credentials(Protocol):
    """Credentials at one moment, as botocore's get_frozen_credentials gives them."""

    access_key: str
    secret_key: str
    token: str | None


def signed_headers(
    host: str, path: str, query: str, credentials: Credentials, *, region: str, service: str
) -> dict[str, str]:
    """The headers that make a GET a signed one, its Host among them.

    path: as it is sent, percent-encoded. query: sorted by name, every value percent-encoded but for UNRESERVED.
    """
    date = _date(int(time.time()))
    day = date[:8]
    headers = {"host": host, "x-amz-date": date}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    # Every service but S3 signs the path encoded once more.
    request = f"GET\n{quote(path, safe='/~')}\n{query}\n{lines}\n{names}\n{_NO_BODY}"
    scope = f"{day}/{region}/{service}/aws4_request"
    text = f"{_ALGORITHM}\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.digest(_key(credentials.secret_key, day, region, service), text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


# Two, for the minute in which a role's keys change while calls with the former ones are still being made.
@lru_cache(maxsize=2)
def _key(secret_key: str, *scope: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
