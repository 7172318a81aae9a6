"""The log line of a failed call. It names the host and the kind of failure. Clients never see the host."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.app import create_app
from gateway.settings import read_settings
from gateway.upstream.aws.error_mapping import CHECK_ENDPOINT
from gateway.upstream.aws.network_errors import network_fault
from tests.support.scripted import ScriptedResponse, scripted_upstream
from tests.support.serving import served
from tests.upstream.aws.test_wire_errors import (
    Responder,
    a_greeting_in_smtp,
    a_head_without_end,
    a_reset,
    a_reset_amid_the_head,
    an_end_amid_the_body,
    an_end_without_a_word,
    never,
    responding,
    too_long_a_body,
)

NUMBERS = "{ phoneNumbers(first: 2) { nodes { id } } }"
ACCOUNT = "123456789012"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use credentials of AWS's chain, because the emulator's own bypass any proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")


@contextmanager
def a_port_that_is_closed() -> Iterator[int]:
    """Bind a port without listening, so that no other server gets it."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield closed.getsockname()[1]


async def said_of(url: str, caplog: pytest.LogCaptureFixture, deadline: float = 10) -> tuple[str, str]:
    """Return the error code of a query and its log message, with the host replaced by HOST."""
    settings = read_settings(upstream_api="chime", upstream_endpoint_url=url, request_timeout_seconds=deadline)
    with served(create_app(settings)) as gateway:
        async with httpx.AsyncClient(base_url=gateway, timeout=30) as http:
            response = (await http.post("/graphql", json={"query": NUMBERS})).json()
    [error] = response["errors"]
    code = error["extensions"]["code"]
    [words] = [
        record.getMessage().partition(f"ListPhoneNumbers {code}: ")[2]
        for record in caplog.records
        if record.getMessage().startswith("request ")
    ]
    host = url.split("//")[1]
    assert host in words
    assert host not in json.dumps(response)
    return code, words.replace(host, "HOST")


@pytest.mark.parametrize("host", ["chime.us-esat-1.invalid", "phone.invalid:9000", "a.b.c.d.invalid"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_unresolvable_host_is_logged_as_a_dns_error(
    scheme: str, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    code, words = await said_of(f"{scheme}://{host}", caplog)
    assert code == "UPSTREAM_UNREACHABLE"
    assert words.startswith("DNS: the name of HOST cannot be resolved (")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_closed_port_is_logged_as_connection_refused(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    with a_port_that_is_closed() as port:
        said = await said_of(f"{scheme}://127.0.0.1:{port}", caplog)
    assert said == ("UPSTREAM_UNREACHABLE", "connect: no connection to HOST (Connection refused)")


@pytest.mark.parametrize(
    ("response", "code", "words"),
    [
        (never, "UPSTREAM_TIMEOUT", "timeout: HOST did not respond before the request's deadline"),
        (
            a_reset,
            "UPSTREAM_UNREACHABLE",
            "connection lost: HOST closed it before a response (Connection reset by peer)",
        ),
        (an_end_without_a_word, "UPSTREAM_UNREACHABLE", "connection lost: HOST closed it before a response"),
        (a_reset_amid_the_head, "UPSTREAM_UNREACHABLE", "connection lost: HOST closed it"),
        (an_end_amid_the_body, "UPSTREAM_UNREACHABLE", "connection lost: HOST closed it within a response"),
        (a_greeting_in_smtp, "UPSTREAM_UNREACHABLE", "bad response: HOST sent something that is not HTTP"),
        (a_head_without_end, "UPSTREAM_UNREACHABLE", "bad response: HOST sent something that is not HTTP"),
        (
            too_long_a_body,
            "UPSTREAM_BAD_RESPONSE",
            "bad response: the body from HOST is too long: more than 8,388,608 bytes",
        ),
    ],
)
async def test_broken_connection_is_logged_with_its_cause(
    response: Responder, code: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with responding(response) as (url, _):
        said = await said_of(url, caplog, deadline=1 if response is never else 10)
    assert said[0] == code
    assert said[1].startswith(words)


@pytest.mark.parametrize(
    ("says", "code", "words"),
    [
        (
            ScriptedResponse("<html>no</html>", 404, {"content-type": "text/html; charset=utf-8"}),
            "UPSTREAM_BAD_RESPONSE",
            f"bad response: HOST responded with 404 and text/html, which is not the API's. {CHECK_ENDPOINT}",
        ),
        (
            ScriptedResponse({"message": "Not Found"}, 404),
            "UPSTREAM_BAD_RESPONSE",
            "bad response: HOST responded with 404 and application/json, which is not the API's: Not Found. Check",
        ),
        (
            ScriptedResponse("", 407, {"content-type": f"application/x{ACCOUNT}"}),
            "UPSTREAM_BAD_RESPONSE",
            "bad response: HOST responded with 407 and another content type, which is not the API's. Check",
        ),
        (
            ScriptedResponse("<html>welcome</html>", 200, {"content-type": "text/html"}),
            "UPSTREAM_BAD_RESPONSE",
            "bad response: HOST responded with 200 and text/html, which is not the API's: the body is not JSON. Check",
        ),
        (
            ScriptedResponse("<html>no</html>", 502, {"content-type": "text/html"}),
            "UPSTREAM_UNAVAILABLE",
            "bad response: HOST responded with 502 and text/html, which is not the API's",
        ),
        (
            ScriptedResponse(
                {"Message": f"User {ACCOUNT} may not"}, 403, {"x-amzn-ErrorType": "AccessDeniedException"}
            ),
            "UPSTREAM_FORBIDDEN",
            "AccessDeniedException: User [...] may not (403 from HOST)",
        ),
        (
            ScriptedResponse({"Code": "BadRequest", "Message": "word " * 1000}, 400),
            "BAD_REQUEST",
            "BadRequest: word word",
        ),
    ],
)
async def test_error_response_is_logged_with_its_cause_and_no_account_number(
    says: ScriptedResponse, code: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with scripted_upstream(says) as upstream:
        said = await said_of(upstream.url, caplog)
    assert said[0] == code
    assert said[1].startswith(words)
    assert ACCOUNT not in caplog.text


@asynccontextmanager
async def tls_server(directory: Path, name: str) -> AsyncIterator[int]:
    """Serve TLS with a self-signed certificate for a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = directory / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def test_untrusted_certificate_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with tls_server(tmp_path, "localhost") as port:
        code, words = await said_of(f"https://localhost:{port}", caplog)
    assert code == "UPSTREAM_UNREACHABLE"
    assert words.startswith("TLS: the certificate of HOST is not trusted (self")


async def test_certificate_of_another_host_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with tls_server(tmp_path, "elsewhere.example") as port:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "server.pem"))
        code, words = await said_of(f"https://localhost:{port}", caplog)
    assert code == "UPSTREAM_UNREACHABLE"
    assert words.startswith("TLS: the certificate of HOST is not trusted (Hostname mismatch")


async def test_failed_tls_handshake_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with scripted_upstream(ScriptedResponse({})) as upstream:
        code, words = await said_of(upstream.url.replace("http://", "https://"), caplog)
    assert code == "UPSTREAM_UNREACHABLE"
    assert words.startswith("TLS: the handshake with HOST failed (")


async def test_unreachable_proxy_is_logged_without_its_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with a_port_that_is_closed() as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:password@127.0.0.1:{port}")
        code, line = await said_of("https://chime.invalid", caplog)
        assert code == "UPSTREAM_UNREACHABLE"
        assert f"connect: no connection to the proxy 127.0.0.1:{port} of HOST (Connection refused)" in line
    assert "password" not in caplog.text


async def test_unresolvable_proxy_is_logged_as_a_dns_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    _, line = await said_of("https://chime.example", caplog)
    assert "DNS: the name of the proxy proxy.invalid:3128 of HOST cannot be resolved (" in line


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_proxy_rejection_is_logged_with_its_status(
    status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuses(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 %d No\r\ncontent-length: 0\r\n\r\n" % status)

    async with responding(refuses) as (url, heads):
        monkeypatch.setenv("HTTPS_PROXY", url)
        code, line = await said_of("https://chime.example", caplog)
    assert heads[0].startswith(b"CONNECT chime.example:443 ")
    assert code == "UPSTREAM_UNREACHABLE"
    assert f"proxy: it responded with {status} to CONNECT HOST" in line


async def test_failed_readiness_probe_is_logged_once_per_outage(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.upstream.readiness.FRESH_SECONDS", 0.0)  # Each readiness request makes a probe.
    with a_port_that_is_closed() as port:
        settings = read_settings(upstream_api="chime", upstream_endpoint_url=f"http://127.0.0.1:{port}")
        with served(create_app(settings)) as gateway:
            async with httpx.AsyncClient(base_url=gateway, timeout=30) as http:
                assert [(await http.get("/readyz")).status_code for _ in range(3)] == [503] * 3
    [line] = [record.getMessage() for record in caplog.records if "readiness" in record.getMessage()]
    words = f"connect: no connection to 127.0.0.1:{port} (Connection refused)"
    assert line == f"readiness: ListPhoneNumbers UPSTREAM_UNREACHABLE: {words}"


def test_connection_timeout_names_the_host_and_the_limit() -> None:
    fault = network_fault(aiohttp.ConnectionTimeoutError(), "chime.example")
    assert fault is not None
    assert fault[0].code == "UPSTREAM_UNREACHABLE"
    assert fault[1] == "connect: timeout, no connection to chime.example within 2 s"
