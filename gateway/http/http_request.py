"""The head of a request to the GraphQL endpoint."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import Headers
from gateway.http.accept_encoding import AcceptEncoding
from gateway.http.cache_control import CacheScope
from gateway.http.response_store import RequestKey
from gateway.telemetry.request_record import RequestRecord


@dataclass(slots=True)
class HttpRequest:
    """The head of a request, and what it says about the response.

    Attributes:
        record: The facts that the log and the metrics get.
        headers: The values by lower-case name.
        media_type: The type of a response in one piece. It is None if the client does not accept either type.
        incremental_format: The format of a response in parts. It is None if the client does not accept parts, or if it
            uses HTTP/1.0, which has no chunks.
        encoding: The content coding of the response.
        cache_scope: The requests for which a cache may use the response.
        response_headers: The headers of every response to this request, also those that CORS needs.
        key: The key of the response. It is None if the response cannot be reused for identical requests.
    """

    record: RequestRecord
    method: str
    headers: Mapping[bytes, bytes]
    query_string: bytes
    media_type: str | None
    incremental_format: str | None
    encoding: AcceptEncoding
    response_headers: Headers
    cache_scope: CacheScope = CacheScope.NONE
    key: RequestKey | None = None
