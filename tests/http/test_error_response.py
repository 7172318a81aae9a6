"""Every error response has the same body, headers and kind of id, whichever part of the gateway sends it."""

import re
from collections.abc import Iterator

import orjson
import pytest

from gateway.settings import read_settings
from tests.support.raw_http import post, wire
from tests.support.serving import served_gateway

GET = b" HTTP/1.1\r\nhost: %b\r\n\r\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    settings = read_settings(
        upstream_endpoint_url="http://127.0.0.1:9", allowed_hosts="gateway", rate_limit_points_per_minute=1000
    )
    with served_gateway(settings) as url:
        yield url


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(post(body=b"", host=b"host: a\r\nhost: b"), 400, id="protocol: two hosts"),
        pytest.param(post(b"content-length: 99999999", body=b""), 413, id="protocol: a long body"),
        pytest.param(b"GET /" + b"x" * 9_000 + GET % b"gateway", 414, id="protocol: a long URL"),
        pytest.param(b"GET /nowhere" + GET % b"gateway", 404, id="no such path"),
        pytest.param(b"DELETE /healthz" + GET % b"gateway", 405, id="no such method"),
        pytest.param(b"GET /graphql" + GET % b"other", 421, id="another host"),
        pytest.param(b"PUT /graphql" + GET % b"gateway", 405, id="endpoint: method"),
        pytest.param(b"GET /graphql" + GET % b"gateway", 400, id="endpoint: no query"),
        pytest.param(post(b"content-length: 1", body=b"{"), 400, id="endpoint: no JSON"),
        pytest.param(b"GET /graphql?query=mutation%7Ba%7D" + GET % b"gateway", 405, id="endpoint: a mutation by GET"),
    ],
)
def test_an_error_response_has_the_common_headers_and_one_coded_error(url: str, request_: bytes, status: int) -> None:
    with wire(url) as client:
        client.sends(request_)
        response = client.read_response()
    assert response.status == status
    [error] = orjson.loads(response.body)["errors"]
    assert set(error) == {"message", "extensions"}
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert re.fullmatch("[0-9a-f]{32}", response.header("x-request-id") or "")
    assert response.header("content-type") == "application/json; charset=utf-8"
    assert response.header("content-length") == str(len(response.body))
    assert response.header("cache-control") == "no-store"
    assert response.header("x-content-type-options") == "nosniff"
    assert response.header("referrer-policy") == "no-referrer"
    assert response.header("content-security-policy") == "default-src 'none'; frame-ancestors 'none'"
