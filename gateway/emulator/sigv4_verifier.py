"""A verifier for Signature Version 4. It signs each request with botocore's signer and compares the signatures."""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway.emulator.aws_errors import UNAUTHORIZED, AwsError

# Both APIs use this signing name.
SERVICE = "chime"

# AWS's services allow five to fifteen minutes. This is the maximum, because a laptop's clock may be inaccurate.
MAX_SKEW_SECONDS = 15 * 60

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +"
    r"Credential=(?P<access_key>[^/, ]+)/(?P<day>[0-9]{8})/(?P<region>[^/, ]+)/(?P<service>[^/, ]+)/aws4_request, *"
    r"SignedHeaders=(?P<signed_headers>[^, ]+), *"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_TIMESTAMP_FORMAT = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """The signed parts of a request as they were sent.

    Path and query are percent-encoded. Header names are in lower case.
    """

    method: str
    raw_path: str
    raw_query: str
    headers: Mapping[str, str]
    body: bytes


class _Signer(SigV4Auth):  # type: ignore[misc]  # botocore carries no types.
    """botocore's signer, but for all headers that the client signed. botocore itself omits some headers."""

    def headers_to_sign(self, request: AWSRequest) -> object:
        return request.headers


class SigV4Verifier:
    """Verifies that requests were signed with the emulator's one key pair."""

    def __init__(self, access_key: str, secret_key: str, clock: Callable[[], float]) -> None:
        """`clock` returns seconds since 1970."""
        self._credentials = Credentials(access_key, secret_key)
        self._clock = clock

    def verify(self, request: SignedRequest) -> None:
        """Check the signature in the request's Authorization header.

        Raises:
            AwsError: Unauthorized if the signature is missing, invalid, expired, or from another request or key.
        """
        authorization = request.headers.get("authorization")
        if authorization is None:
            raise AwsError(UNAUTHORIZED, "The request must carry an Authorization header.")
        parsed = _AUTHORIZATION.fullmatch(authorization)
        if parsed is None:
            raise AwsError(UNAUTHORIZED, "The Authorization header is not a Signature Version 4 header.")
        if parsed["access_key"] != self._credentials.access_key:
            raise AwsError(UNAUTHORIZED, "The security token included in the request is invalid.")
        if parsed["service"] != SERVICE:
            raise AwsError(UNAUTHORIZED, f"Credential should be scoped to correct service: '{SERVICE}'.")
        timestamp = self._fresh_timestamp(request.headers.get("x-amz-date", ""), parsed["day"])
        signed_headers = parsed["signed_headers"].split(";")
        if "host" not in signed_headers or "x-amz-date" not in signed_headers:
            raise AwsError(UNAUTHORIZED, "'Host' and 'X-Amz-Date' must be signed headers.")
        if not hmac.compare_digest(
            parsed["signature"], self._signature(request, signed_headers, parsed["region"], timestamp)
        ):
            raise AwsError(
                UNAUTHORIZED, "The request signature we calculated does not match the signature you provided."
            )

    def _fresh_timestamp(self, timestamp: str, day: str) -> str:
        try:
            signed_at = datetime.strptime(timestamp, _TIMESTAMP_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            raise AwsError(UNAUTHORIZED, "The request must carry an X-Amz-Date header.") from None
        if timestamp[:8] != day:
            raise AwsError(UNAUTHORIZED, "Date in Credential scope does not match that of X-Amz-Date.")
        if abs(self._clock() - signed_at.timestamp()) > MAX_SKEW_SECONDS:
            raise AwsError(UNAUTHORIZED, "Signature expired or not yet current.")
        return timestamp

    def _signature(self, request: SignedRequest, signed_headers: list[str], region: str, timestamp: str) -> str:
        for name in signed_headers:
            if name not in request.headers:
                raise AwsError(UNAUTHORIZED, f"The signed header '{name}' is missing.")
        body_hash = hashlib.sha256(request.body).hexdigest()
        if request.headers.get("x-amz-content-sha256", body_hash) != body_hash:
            raise AwsError(UNAUTHORIZED, "X-Amz-Content-SHA256 does not match the body.")
        # Clients sign the path as they send it, and the query in the canonical form of Signature Version 4. The signer
        # reads the host from the headers, so the host in this URL does not matter.
        copy = AWSRequest(
            method=request.method,
            url=f"http://emulator{request.raw_path}",
            params=parse_qsl(request.raw_query, keep_blank_values=True),
            headers={name: request.headers[name] for name in signed_headers},
            data=request.body,
        )
        copy.context["timestamp"] = timestamp
        signer = _Signer(self._credentials, SERVICE, region)
        signature: str = signer.signature(signer.string_to_sign(copy, signer.canonical_request(copy)), copy)
        return signature
