"""The user's AWS configuration: certificates, empty entries and endpoints."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from aiobotocore.config import AioConfig
from botocore import UNSIGNED
from botocore.exceptions import HTTPClientError
from yarl import URL

from gateway.app import create_app
from gateway.server.run import serving_in_thread
from gateway.settings import read_settings, variables
from gateway.upstream.aws.http_session import HttpSession
from gateway.upstream.aws.session import aws_session
from gateway.upstream.open import open_upstream
from tests.support.aws import Aws, emulated_aws
from tests.support.redis_server import RedisServer, redis_server
from tests.support.scripted import ScriptedResponse, scripted_upstream
from tests.support.tls import TlsUpstream, self_signed, tls_upstream

NUMBERS = {"query": "{ phoneNumbers(first: 1) { nodes { e164PhoneNumber } } }"}
KEYS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
EMPTY_PAGE: dict[str, object] = {"data": {"phoneNumbers": {"nodes": []}}}


class User:
    """A user's AWS configuration: variables, and the two files."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._home = home
        self._monkeypatch = monkeypatch

    def sets(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def writes_config(self, text: str) -> None:
        (self._home / "config").write_text(text)
        self.sets(AWS_CONFIG_FILE=str(self._home / "config"))

    def writes_credentials(self, text: str) -> None:
        (self._home / "credentials").write_text(text)
        self.sets(AWS_SHARED_CREDENTIALS_FILE=str(self._home / "credentials"))


class Proxy:
    """An HTTP proxy that opens tunnels. `targets` holds the host and port of each CONNECT request."""

    def __init__(self) -> None:
        self.url = ""
        self.targets: list[str] = []
        self.tunnels: list[asyncio.Task[Any] | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tunnels.append(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        target = head.split()[1].decode()
        self.targets.append(target)
        host, port = target.split(":")
        upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(copy(reader, upstream_writer), copy(upstream_reader, writer))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    for name in variables("(AWS_|OTEL_).*|.*_(PROXY|CA_BUNDLE)"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return User(tmp_path, monkeypatch)


@asynccontextmanager
async def gateway(**given: object) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a gateway with the credentials that AWS's chain finds."""
    settings = read_settings(**{"upstream_api": "chime", **given})
    with serving_in_thread(create_app(settings)) as url:
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            yield http


async def response_over(**given: object) -> dict[str, object]:
    async with gateway(**given) as http:
        response: dict[str, object] = (await http.post("/graphql", json=NUMBERS)).json()
        return response


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    self_signed(directory, "localhost")
    self_signed(directory, "other.example")
    return directory


@pytest.fixture
def stranger(certificates: Path) -> Iterator[TlsUpstream]:
    """Return a server on localhost that presents the certificate of another host."""
    with tls_upstream(certificates / "other.example.pem") as upstream:
        yield upstream


@pytest.fixture
def known(certificates: Path) -> Iterator[TlsUpstream]:
    """Return a server on localhost that presents its own certificate."""
    with tls_upstream(certificates / "localhost.pem") as upstream:
        yield upstream


@pytest.mark.parametrize("bundle", ["", " ", "\t\n"])
async def test_empty_ca_bundle_does_not_disable_verification(
    user: User, stranger: TlsUpstream, known: TlsUpstream, bundle: str
) -> None:
    user.sets(**KEYS, AWS_SESSION_TOKEN="token", AWS_CA_BUNDLE=bundle)
    for upstream in (stranger, known):
        response = await response_over(upstream_endpoint_url=upstream.url)
        assert response["data"] == {"phoneNumbers": None}
        assert upstream.requests == []


@pytest.mark.parametrize("entry", ["ca_bundle =", "ca_bundle=", "ca_bundle =   "])
async def test_empty_ca_bundle_in_a_profile_does_not_disable_verification(
    user: User, stranger: TlsUpstream, entry: str
) -> None:
    user.sets(**KEYS, AWS_SESSION_TOKEN="token")
    user.writes_config(f"[default]\nregion = us-east-1\n{entry}\n")
    response = await response_over(upstream_endpoint_url=stranger.url)
    assert response["data"] == {"phoneNumbers": None}
    assert stranger.requests == []


@pytest.mark.parametrize("verify", [None, False, "", True])
async def test_http_session_verifies_certificates_even_if_verification_is_off(
    known: TlsUpstream, verify: str | bool | None
) -> None:
    async with HttpSession(timeout=(5, 5), verify=verify) as http:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await http.get(URL(known.url), {}, None)
    assert known.requests == []


@pytest.mark.parametrize(
    "options",
    [None, {"signature_version": UNSIGNED}, {"read_timeout": 3}],
    ids=["of botocore", "unsigned", "with a timeout"],
)
async def test_credential_clients_verify_host_names(
    user: User, certificates: Path, stranger: TlsUpstream, options: dict[str, Any] | None
) -> None:
    """These clients are created by botocore itself, some with their own configuration."""
    user.sets(**KEYS, AWS_CA_BUNDLE=str(certificates / "other.example.pem"))
    client = aws_session(None).create_client(
        "sts",
        region_name="us-east-1",
        endpoint_url=stranger.url,
        config=None if options is None else AioConfig(**options),
    )
    async with client as sts:
        with pytest.raises(HTTPClientError, match="CERTIFICATE_VERIFY_FAILED"):
            await sts.get_caller_identity()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """Return a running HTTP proxy."""
    running = Proxy()
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    async with server:
        running.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield running
        await asyncio.gather(*filter(None, running.tunnels))


async def test_certificate_and_host_name_are_verified_behind_a_proxy(
    user: User, proxy: Proxy, certificates: Path, known: TlsUpstream, stranger: TlsUpstream
) -> None:
    user.sets(**KEYS, AWS_SESSION_TOKEN="token", HTTPS_PROXY=proxy.url)
    untrusted = await response_over(upstream_endpoint_url=known.url)
    user.sets(AWS_CA_BUNDLE=str(certificates / "other.example.pem"))
    of_another_host = await response_over(upstream_endpoint_url=stranger.url)
    assert untrusted["data"] == of_another_host["data"] == {"phoneNumbers": None}
    assert known.requests == stranger.requests == []
    assert set(proxy.targets) == {url.removeprefix("https://") for url in (known.url, stranger.url)}
    user.sets(AWS_CA_BUNDLE=str(certificates / "localhost.pem"))
    assert await response_over(upstream_endpoint_url=known.url) == EMPTY_PAGE


async def test_proxy_is_not_used_for_a_host_of_no_proxy(
    user: User, proxy: Proxy, certificates: Path, known: TlsUpstream
) -> None:
    user.sets(**KEYS, AWS_CA_BUNDLE=str(certificates / "localhost.pem"), HTTPS_PROXY=proxy.url, NO_PROXY="localhost")
    assert await response_over(upstream_endpoint_url=known.url) == EMPTY_PAGE
    assert proxy.targets == []


async def test_ca_bundle_is_used_and_the_host_name_must_match(
    user: User, certificates: Path, known: TlsUpstream, stranger: TlsUpstream
) -> None:
    user.sets(**KEYS, AWS_CA_BUNDLE=f" {certificates / 'localhost.pem'} ")
    assert await response_over(upstream_endpoint_url=known.url) == EMPTY_PAGE
    user.sets(AWS_CA_BUNDLE=str(certificates / "other.example.pem"))
    response = await response_over(upstream_endpoint_url=stranger.url)
    assert response["data"] == {"phoneNumbers": None}
    assert stranger.requests == []


async def test_ca_bundle_of_the_variable_that_botocore_obeys_too_is_used(
    user: User, certificates: Path, known: TlsUpstream
) -> None:
    user.sets(**KEYS, REQUESTS_CA_BUNDLE=str(certificates / "localhost.pem"))
    assert await response_over(upstream_endpoint_url=known.url) == EMPTY_PAGE


async def test_ca_bundle_of_a_profile_is_used(user: User, certificates: Path, known: TlsUpstream) -> None:
    user.sets(**KEYS)
    user.writes_config(f"[default]\nca_bundle = {certificates / 'localhost.pem'}\n")
    assert await response_over(upstream_endpoint_url=known.url) == EMPTY_PAGE


@pytest.mark.parametrize(
    ("variables", "config", "region"),
    [
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"}, "", "eu-west-1"),
        ({"AWS_REGION": "  ", "AWS_DEFAULT_REGION": " eu-west-2 "}, "", "eu-west-2"),
        ({"AWS_REGION": " eu-central-1\n"}, "", "eu-central-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "[default]\nregion = ca-central-1\n", "ca-central-1"),
        ({"AWS_PROFILE": ""}, "[default]\nregion = ap-southeast-1\n", "ap-southeast-1"),
        ({"AWS_DEFAULT_PROFILE": "", "AWS_PROFILE": "a"}, "[profile a]\nregion = ap-northeast-1\n", "ap-northeast-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_CONFIG_FILE": ""}, "", "eu-west-1"),
    ],
)
async def test_empty_region_variable_falls_back_to_the_next_source(
    user: User, variables: dict[str, str], config: str, region: str
) -> None:
    if config:
        user.writes_config(config)
    user.sets(**KEYS, **variables)
    settings = read_settings(upstream_api="chime-sdk-voice")
    async with open_upstream(settings) as upstream:
        assert upstream.endpoint.region == region
        assert upstream.endpoint.url == f"https://voice-chime.{region}.amazonaws.com"


@pytest.mark.parametrize(
    "name",
    [
        "AWS_PROFILE",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_CHIME",
        "AWS_MAX_ATTEMPTS",
        "AWS_RETRY_MODE",
        "AWS_DEFAULTS_MODE",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_METADATA_SERVICE_TIMEOUT",
        "HTTP_PROXY",
        "https_proxy",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_TRACES_SAMPLER",
        "GATEWAY_UPSTREAM_RATE_LIMIT",
        "GATEWAY_REDIS_URL",
        "GATEWAY_AUTH",
        "GATEWAY_CURSOR_KEYS",
        "GATEWAY_ADMIN_PORT",
        "GATEWAY_TRUSTED_DOCUMENTS",
    ],
)
@pytest.mark.parametrize("empty", ["", " \t"])
async def test_empty_variable_counts_as_unset(user: User, name: str, empty: str) -> None:
    user.sets(**KEYS, **{name: empty})
    async with open_upstream(read_settings(upstream_api="chime")) as upstream:
        assert upstream.endpoint.url == "https://chime.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    "credentials",
    [
        "aws_session_token =\naws_access_key_id = local\naws_secret_access_key = local\n",
        "aws_session_token =\naws_security_token =\naws_access_key_id = local\naws_secret_access_key = local\n",
        "region =\nca_bundle =\nendpoint_url =\naws_access_key_id = local\naws_secret_access_key = local\n",
    ],
)
async def test_empty_entry_of_the_credentials_file_counts_as_unset(user: User, credentials: str) -> None:
    user.writes_credentials(f"[default]\n{credentials}")
    with scripted_upstream(ScriptedResponse({})) as upstream:
        assert await response_over(upstream_endpoint_url=upstream.url) == EMPTY_PAGE
        assert [headers.get("x-amz-security-token", "none") for headers in upstream.headers] == ["none"]


async def test_empty_key_pair_in_a_profile_falls_back_to_the_next_source(user: User) -> None:
    user.writes_credentials("[default]\naws_access_key_id =\naws_secret_access_key =\n")
    user.writes_config("[default]\naws_access_key_id = local\naws_secret_access_key = local\n")
    with emulated_aws() as aws:
        assert await response_over(upstream_endpoint_url=aws.url) == EMPTY_PAGE


CONFIGURED = {
    "AWS_ENDPOINT_URL": ({"AWS_ENDPOINT_URL": "{url}"}, ""),
    "the service's variable": ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ENDPOINT_URL_CHIME": "{url}/"}, ""),
    "a profile": ({}, "[default]\nendpoint_url = {url}\n"),
    "a profile's services": ({}, "[default]\nservices = here\n[services here]\nchime =\n  endpoint_url = {url}\n"),
    "the setting": ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "GATEWAY_UPSTREAM_ENDPOINT_URL": "{url}"}, ""),
}


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.mark.parametrize("how", CONFIGURED)
async def test_gateways_with_different_upstreams_share_no_response_in_one_redis(
    user: User, redis: RedisServer, how: str
) -> None:
    """Two gateways with the same upstream share responses."""
    variables, config = CONFIGURED[how]

    def over(aws: Aws) -> None:
        user.sets(**KEYS, **{name: value.format(url=aws.url) for name, value in variables.items()})
        user.writes_config(config.format(url=aws.url))

    shared = {"redis_url": redis.url, "cache_ttl_seconds": 3600}
    with redis.client() as client:
        client.flushall()
    with emulated_aws(numbers=1) as one, emulated_aws() as other:
        over(one)
        first = await response_over(**shared)
        over(other)
        assert await response_over(**shared) == EMPTY_PAGE
        over(one)
        assert await response_over(**shared) == first != EMPTY_PAGE
        assert (len(one.calls), len(other.calls)) == (1, 1)


async def test_gateways_with_different_upstreams_have_separate_quotas_in_one_redis(
    user: User, redis: RedisServer
) -> None:
    user.sets(**KEYS)
    shared = {"redis_url": redis.url, "upstream_rate_limit": 0.001}
    with redis.client() as client:
        client.flushall()
        with emulated_aws() as one, emulated_aws() as other:
            for aws in (one, other):
                user.sets(AWS_ENDPOINT_URL=aws.url)
                assert await response_over(**shared) == EMPTY_PAGE
            response = await response_over(**shared)
            assert response["data"] == {"phoneNumbers": None}
        assert len(list(client.scan_iter("chime-gateway:quota*"))) == 2
