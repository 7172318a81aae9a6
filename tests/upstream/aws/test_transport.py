"""Requests on the wire equal those of aioboto3's own client, including the signature."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, quote, urlsplit

import aioboto3
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from gateway.errors import UpstreamBadResponse
from gateway.settings import Settings
from gateway.upstream.aws.credentials import CredentialCache
from gateway.upstream.aws.http_session import MAX_RESPONSE_BODY_BYTES, HttpSession
from gateway.upstream.aws.session import AwsKeyPair
from gateway.upstream.aws.sigv4 import signed_headers
from gateway.upstream.aws.transport import AwsTransport, compile_operations
from gateway.upstream.aws_operations import OPERATION_NAMES, OPERATIONS
from gateway.upstream.call import Call
from gateway.upstream.open import open_upstream
from gateway.upstream.requester import Requester
from tests.support.scripted import ScriptedResponse, scripted_upstream

ID = "PhoneNumberId"
ORDER_ID = "PhoneNumberOrderId"
ODD = "+1206 555/0100?a=b&c%2B~-_.é\u4e2d"
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("ListPhoneNumbers", {}),
    ("ListPhoneNumbers", {"MaxResults": 99, "NextToken": ODD}),
    (
        "ListPhoneNumbers",
        {"ProductType": "VoiceConnector", "Status": "Assigned", "FilterName": "SipRuleId", "FilterValue": ODD},
    ),
    ("ListPhoneNumberOrders", {"MaxResults": 1, "NextToken": "a+/="}),
    ("GetPhoneNumber", {ID: "+12065550100"}),
    ("GetPhoneNumber", {ID: ODD}),
    ("GetPhoneNumberOrder", {ORDER_ID: "11111111-2222-3333-4444-555555555555"}),
]
ENDPOINTS = [
    None,
    "http://127.0.0.1:9000",
    "http://127.0.0.1:80",
    "https://chime.example:443/prefix",
    "http://[::1]:9000/",
]


class Sent(Exception):
    """An exception that ends a call right before it is sent."""

    def __init__(self, url: str, headers: Mapping[str, Any]) -> None:
        self.url = urlsplit(url)
        self.headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in headers.items()
        }


class NoWire(HttpSession):
    async def get(self, url: URL, headers: Mapping[str, str], proxy: URL | None) -> Any:
        assert proxy is None
        raise Sent(str(url), headers)

    async def send(self, request: Any) -> Any:
        raise Sent(request.url, request.headers)


@asynccontextmanager
async def client(
    api: str, endpoint: str | None, token: str | None = None, region: str = "us-east-1", **config: Any
) -> AsyncIterator[Any]:
    session = aioboto3.Session("AKIDLOCAL", "secret", token, region_name=region)
    settings = AioConfig(http_session_cls=NoWire, retries={"total_max_attempts": 1}, proxies={}, **config)
    async with session.client(api, endpoint_url=endpoint, config=settings) as opened:
        yield opened


async def both(opened: Any, operation: str, parameters: dict[str, Any], token: str | None = None) -> tuple[Sent, Sent]:
    """Return the request of the stock client and that of AwsTransport."""
    credentials = CredentialCache(AioCredentials("AKIDLOCAL", "secret", token))
    await credentials.open()
    transport = AwsTransport(await compile_operations(opened, OPERATION_NAMES), NoWire(timeout=(1, 1)), credentials)
    with pytest.raises(Sent) as stock:
        await getattr(opened, xform_name(operation))(**parameters)
    [called] = [each for each in OPERATIONS if each.name == operation]
    with pytest.raises(UpstreamBadResponse) as ours:
        await transport.call(Call(called, parameters, Requester(deadline=0)))
    sent = ours.value.__cause__
    assert isinstance(sent, Sent)
    return stock.value, sent


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("api", ["chime", "chime-sdk-voice"])
@pytest.mark.parametrize(("operation", "parameters"), CALLS)
async def test_request_matches_stock_client_request(
    api: str, operation: str, parameters: dict[str, Any], endpoint: str | None
) -> None:
    async with client(api, endpoint) as opened:
        stock, ours = await both(opened, operation, parameters)
    # The default port of a scheme is optional.
    host = stock.url.netloc.removesuffix({"http": ":80", "https": ":443"}[stock.url.scheme])
    assert (ours.url.scheme, ours.url.netloc, ours.url.path) == (stock.url.scheme, host, stock.url.path)
    assert ours.headers["host"] == host
    assert sorted(parse_qsl(ours.url.query)) == sorted(parse_qsl(stock.url.query))
    assert scope(ours) == scope(stock)


@pytest.mark.parametrize("config", [{}, {"use_fips_endpoint": True}, {"use_dualstack_endpoint": True}], ids=str)
@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "us-gov-west-1"])
@pytest.mark.parametrize("api", ["chime", "chime-sdk-voice"])
async def test_endpoint_rules_match_stock_client(api: str, region: str, config: dict[str, Any]) -> None:
    async with client(api, None, region=region, **config) as opened:
        stock, ours = await both(opened, "ListPhoneNumbers", {})
    assert (ours.url, scope(ours)) == (stock.url, scope(stock))


async def test_endpoint_rules_choose_host_and_signing_region() -> None:
    """The rules are not trivial: `chime` has one endpoint for all regions, and `chime-sdk-voice` has variants."""
    async with client("chime", None, region="eu-central-1") as opened:
        _, one_for_all = await both(opened, "ListPhoneNumbers", {})
    assert one_for_all.url.netloc == "chime.us-east-1.amazonaws.com"
    assert "/us-east-1/" in scope(one_for_all)
    async with client("chime-sdk-voice", None, region="eu-central-1", use_fips_endpoint=True) as opened:
        _, variant = await both(opened, "ListPhoneNumbers", {})
    assert variant.url.netloc == "voice-chime-fips.eu-central-1.amazonaws.com"
    assert "/eu-central-1/" in scope(variant)


async def test_session_token_is_sent_and_signed() -> None:
    async with client("chime", None, token="session-token") as opened:
        stock, ours = await both(opened, "ListPhoneNumbers", {}, "session-token")
    assert ours.headers["x-amz-security-token"] == stock.headers["x-amz-security-token"] == "session-token"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in ours.headers["authorization"]


def scope(sent: Sent) -> str:
    credential: str = sent.headers["authorization"].partition("Credential=")[2].partition(",")[0]
    return credential


# Any text of a caller's filter or an upstream's token. Surrogates are excluded because no URL can hold them.
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
# A segment of only dots changes the path, and signers treat it so. The gateway never sends one as a key.
segments = texts.filter(lambda text: text not in {".", ".."})


@given(
    segments,
    st.dictionaries(st.sampled_from(["status", "next-token", "max-results", "filter-value"]), texts),
    st.one_of(st.none(), st.text("abc/+=", min_size=1)),
    st.integers(0, 2**32),
)
def test_signature_matches_botocore_signer(
    segment: str, values: dict[str, str], token: str | None, second: int
) -> None:
    credentials = ReadOnlyCredentials("AKIDLOCAL", "secret", token)
    path = "/phone-numbers/" + quote(segment, safe="")
    query = "&".join(sorted(f"{name}={quote(value, safe='-_.~')}" for name, value in values.items()))
    with patch("time.time", return_value=second):
        headers = signed_headers("h:1", path, query, credentials, region="us-east-1", service="chime")
    request = AWSRequest("GET", f"http://h:1{path}?{query}")
    with patch("botocore.auth.get_current_datetime", return_value=datetime.fromtimestamp(second, UTC)):
        SigV4Auth(credentials, "chime", "us-east-1").add_auth(request)
    assert headers["authorization"] == request.headers["Authorization"]
    assert headers["x-amz-date"] == request.headers["X-Amz-Date"]


async def test_oversized_response_is_a_bad_response() -> None:
    page = b'{"PhoneNumbers": [{"E164PhoneNumber": "+1206"}], "Filler": "%s"}'
    with scripted_upstream(
        ScriptedResponse(page % b""), ScriptedResponse(page % (b"x" * MAX_RESPONSE_BODY_BYTES))
    ) as upstream:
        settings = Settings(upstream_api="chime", upstream_endpoint_url=upstream.url)  # type: ignore[arg-type]  # Pydantic parses the URL.
        async with open_upstream(settings, AwsKeyPair("local", "local")) as opened:
            deadline = asyncio.get_running_loop().time() + 10
            assert (await opened.list_phone_numbers(None, 1, requester=Requester(deadline))).records
            with pytest.raises(UpstreamBadResponse):
                await opened.list_phone_numbers(None, 1, requester=Requester(deadline))


@pytest.mark.parametrize("order_id", [".", ".."])
async def test_order_id_that_changes_the_path_is_not_found(order_id: str) -> None:
    with scripted_upstream(ScriptedResponse({})) as upstream:
        settings = Settings(upstream_api="chime", upstream_endpoint_url=upstream.url)  # type: ignore[arg-type]  # Pydantic parses the URL.
        async with open_upstream(settings, AwsKeyPair("local", "local")) as opened:
            deadline = asyncio.get_running_loop().time() + 10
            assert await opened.get_phone_number_order(order_id, requester=Requester(deadline)) is None
    assert upstream.requests == []
