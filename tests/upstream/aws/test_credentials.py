"""Credentials from real sources. Their failures are not reported as errors of the API."""

import asyncio
import hashlib
import json
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiobotocore.credentials import AioRefreshableCredentials
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from prometheus_client import REGISTRY

from gateway.app import create_app
from gateway.errors import ConfigurationError, CredentialsUnavailable
from gateway.settings import read_settings
from gateway.upstream.aws import credentials
from gateway.upstream.open import open_upstream
from gateway.upstream.resilience.circuit_breaking_transport import FAILURES_TO_OPEN
from tests.conftest import Gateway
from tests.support.aws import Aws
from tests.support.credential_sources import (
    SECRET,
    CredentialsResponse,
    ErrorResponse,
    Program,
    credential_source,
    seconds_from_now,
)
from tests.support.serving import served

NUMBERS = "{ phoneNumbers(first: 2) { nodes { id } pageInfo { endCursor hasNextPage } } }"
NEXT = "query($after: String) { phoneNumbers(first: 2, after: $after) { nodes { id } } }"


@pytest.fixture(autouse=True)
def _nothing_is_set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


@pytest.fixture
def aws(aws: Aws) -> Aws:
    aws.holds(inventory=5)
    return aws


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Return a `credential_process` that the default profile names."""
    made = Program(tmp_path)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(made.config))
    return made


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next caller retry a failed renewal at once."""
    monkeypatch.setattr(credentials, "FIRST_RETRY_SECONDS", 0.0)


@asynccontextmanager
async def gateway_of(aws: Aws, **given: Any) -> AsyncIterator[Gateway]:
    """Serve a gateway that finds its credentials by AWS's chain."""
    settings = read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url, **given)
    with served(create_app(settings)) as url:
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            yield Gateway(http)


@pytest.fixture
def web_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return an STS that the environment names for a web identity. It has no response yet."""
    token = tmp_path / "token"
    token.write_text("web-identity-token")
    with credential_source() as sts:
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/x")
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        yield sts


def renewals(source: str, outcome: str) -> float:
    labels = {"source": source, "outcome": outcome}
    return REGISTRY.get_sample_value("chime_gateway_credential_renewals_total", labels) or 0.0


def upstream_calls() -> float:
    return sum(
        sample.value
        for metric in REGISTRY.collect()
        if metric.name == "chime_gateway_upstream_calls"
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


async def fails_for_want_of_credentials(
    gateway: Gateway, named: str, reason: str, caplog: pytest.LogCaptureFixture, *, retryable: bool
) -> None:
    """Check that a request is UPSTREAM_UNAUTHORIZED, that /readyz and the log say why, and that no call counts."""
    before = upstream_calls()
    response = await gateway.http.post("/graphql", json={"query": NUMBERS}, headers={"x-debug-upstream": "1"})
    [error] = response.json()["errors"]
    assert (error["extensions"]["code"], error["extensions"]["retryable"]) == ("UPSTREAM_UNAUTHORIZED", retryable)
    assert response.json()["extensions"]["upstream"]["calls"] == 0
    ready = await gateway.http.get("/readyz")
    assert ready.status_code == 503
    assert named in ready.json()["reason"]
    assert reason in ready.json()["reason"]
    assert upstream_calls() == before
    said = [record.getMessage() for record in caplog.records if record.name == "gateway"]
    assert any(named in line and reason in line for line in said), said
    for each in (caplog.text, response.text, ready.text):
        for secret in (SECRET, "123456789012", "web-identity-token", "arn:aws"):
            assert secret not in each


@pytest.mark.parametrize(
    ("refusal", "reason", "retryable"),
    [
        (ErrorResponse(400, "InvalidIdentityToken"), "400 InvalidIdentityToken", False),
        (ErrorResponse(403, "AccessDenied"), "403 AccessDenied", False),
        (ErrorResponse(400, "ExpiredTokenException"), "400 ExpiredTokenException", False),
        (ErrorResponse(404, "NotFoundException"), "404 NotFoundException", False),
        (ErrorResponse(400, "IDPCommunicationError"), "400 IDPCommunicationError", True),
        (ErrorResponse(400, "Throttling"), "400 Throttling", True),
        (ErrorResponse(503, "ServiceUnavailable"), "503 ServiceUnavailable", True),
    ],
    ids=lambda each: each.code if isinstance(each, ErrorResponse) else "",
)
async def test_sts_error_is_reported_as_missing_credentials(
    aws: Aws,
    web_identity: Any,
    caplog: pytest.LogCaptureFixture,
    refusal: ErrorResponse,
    reason: str,
    *,
    retryable: bool,
) -> None:
    web_identity.responses = [refusal]
    failed = renewals("web_identity", "failed")
    async with gateway_of(aws) as gateway:
        await fails_for_want_of_credentials(gateway, "web identity", reason, caplog, retryable=retryable)
    assert aws.calls == []
    assert renewals("web_identity", "failed") > failed


async def test_cursor_stays_valid_after_a_failed_renewal(aws: Aws, web_identity: Any) -> None:
    web_identity.responses = [CredentialsResponse(1.5), ErrorResponse(400, "InvalidIdentityToken")]
    async with gateway_of(aws) as gateway:
        page = (await gateway.query(NUMBERS))["phoneNumbers"]
        await asyncio.sleep(1.6)
        after = page["pageInfo"]["endCursor"]
        [error] = (await gateway.execute(NEXT, after=after))["errors"]
        assert error["extensions"]["code"] == "UPSTREAM_UNAUTHORIZED"
        assert (await gateway.http.get("/readyz")).status_code == 503
        assert len(aws.calls) == 1
        web_identity.responses = [CredentialsResponse()]
        await asyncio.sleep(credentials.FIRST_RETRY_SECONDS)
        assert len((await gateway.query(NEXT, after=after))["phoneNumbers"]["nodes"]) == 2
        assert (await gateway.http.get("/readyz")).status_code == 200


@pytest.mark.usefixtures("at_once")
async def test_failed_renewal_opens_no_breaker_and_marks_no_get_as_denied(aws: Aws, web_identity: Any) -> None:
    web_identity.responses = [ErrorResponse(403, "AccessDenied")]
    number = '{ phoneNumber(e164PhoneNumber: "+12065550000") { id } }'
    async with gateway_of(aws) as gateway:
        for document in (NUMBERS, number) * (FAILURES_TO_OPEN + 1):
            [error] = (await gateway.execute(document))["errors"]
            assert error["extensions"]["code"] == "UPSTREAM_UNAUTHORIZED"
        web_identity.responses = [CredentialsResponse()]
        await gateway.query(NUMBERS)
        await gateway.query(number)
    assert aws.calls == ["ListPhoneNumbers", "GetPhoneNumber"]


async def test_failed_renewal_uses_no_rate_limit(aws: Aws, web_identity: Any) -> None:
    web_identity.responses = [ErrorResponse(403, "AccessDenied")]
    async with gateway_of(aws, upstream_rate_limit=1, request_timeout_seconds=2) as gateway:
        responses = await asyncio.gather(
            *(gateway.execute(f"{{ phoneNumbers(first: {1 + each}) {{ nodes {{ id }} }} }}") for each in range(20))
        )
    assert {response["errors"][0]["extensions"]["code"] for response in responses} == {"UPSTREAM_UNAUTHORIZED"}


@pytest.mark.parametrize("token", [None, ""], ids=["missing", "empty"])
async def test_missing_or_empty_token_file_is_reported(
    aws: Aws, web_identity: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, token: str | None
) -> None:
    web_identity.responses = [ErrorResponse(400, "ValidationError")]
    async with gateway_of(aws) as gateway:
        # Remove it only now, because the gateway checks it at startup.
        (tmp_path / "token").unlink()
        if token is not None:
            (tmp_path / "token").write_text(token)
        await fails_for_want_of_credentials(gateway, "web identity", "", caplog, retryable=False)


async def test_unreachable_sts_is_a_retryable_error(
    aws: Aws, web_identity: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    assert web_identity.actions == []
    async with gateway_of(aws) as gateway:
        await fails_for_want_of_credentials(gateway, "web identity", "cannot be reached", caplog, retryable=True)


async def test_web_identity_is_not_sent_to_the_host_of_a_redirect(
    aws: Aws, web_identity: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with credential_source(CredentialsResponse()) as other:
        web_identity.responses = [ErrorResponse(307, "Moved", location=other.url)]
        async with gateway_of(aws) as gateway:
            await fails_for_want_of_credentials(gateway, "web identity", "307", caplog, retryable=False)
    assert other.actions == []


async def test_web_identity_is_not_sent_to_a_host_with_a_foreign_certificate(
    aws: Aws, web_identity: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A trusted authority issued the certificate, but for another host."""
    assert web_identity.actions == []
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed("other.example", tmp_path / "certificate"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "certificate"))
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as sts, gateway_of(aws) as gateway:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"https://127.0.0.1:{sts.sockets[0].getsockname()[1]}")
        await fails_for_want_of_credentials(gateway, "web identity", "cannot be reached", caplog, retryable=True)
    assert heard == []


def self_signed(host: str, path: Path) -> Path:
    """Write a key and its self-signed certificate."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path


async def test_failing_source_profile_of_a_role_is_reported_until_it_recovers(
    aws: Aws, program: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """STS first rejects the credentials of the source profile's program. Then the program fails."""
    monkeypatch.setenv("AWS_PROFILE", "role")
    program.gives(1)
    with credential_source(ErrorResponse(403, "AccessDenied")) as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        async with gateway_of(aws) as gateway:
            await fails_for_want_of_credentials(gateway, "AssumeRole", "403 AccessDenied", caplog, retryable=False)
            program.does("raise SystemExit(3)")
            await asyncio.sleep(credentials.FIRST_RETRY_SECONDS + 0.1)
            await fails_for_want_of_credentials(gateway, "AssumeRole", "exited with code 3", caplog, retryable=False)
            sts.responses = [CredentialsResponse()]
            program.gives()
            await asyncio.sleep(credentials.MAX_RETRY_SECONDS / 2 + 0.1)
            await gateway.query(NUMBERS)
    assert set(sts.actions) == {"AssumeRole"}


def printing(**keys: Any) -> str:
    """Return a program that prints valid credentials except for these keys. If a value is None, the key is left out."""
    usual = {"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t"}
    usual |= {"Expiration": "2999-01-01T00:00:00Z"}
    return f"print({json.dumps({name: value for name, value in (usual | keys).items() if value is not None})!r})"


BODIES = {
    "exits": (f"import sys; print('{SECRET}', file=sys.stderr); sys.exit(3)", "exited with code 3"),
    "is killed": ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "signal 15"),
    "no JSON": (f"print('{SECRET}')", "not JSON"),
    "no text": ("import sys; sys.stdout.buffer.write(bytes([255, 254]))", "not JSON"),
    "nothing": ("", "not JSON"),
    "a list": ("print('[]')", "cannot be read"),
    "another version": (printing(Version=SECRET), "has no credentials"),
    "half": (printing(SecretAccessKey=None), "has no credentials"),
    "empty": (printing(SecretAccessKey=""), "no usable keys"),
    "numbers": (printing(AccessKeyId=1, SecretAccessKey=2), ""),
    "a line in a key": (printing(AccessKeyId="a\nb"), "no usable keys"),
    "an odd date": (printing(Expiration="soon"), "is not a date"),
    "expired": (printing(Expiration="2019-01-01T00:00:00Z"), "have expired"),
    "no end": (printing(Expiration=None), ""),
    "prints for ever": ("while True: print('x' * 10_000)", "printed more than"),
}


@pytest.mark.parametrize(("body", "reason"), BODIES.values(), ids=BODIES)
async def test_program_failure_at_renewal_is_reported(
    aws: Aws, program: Program, caplog: pytest.LogCaptureFixture, body: str, reason: str
) -> None:
    program.gives(0.2)
    async with gateway_of(aws) as gateway:
        program.does(body)
        await asyncio.sleep(0.3)
        runs = len(program.runs)
        await fails_for_want_of_credentials(gateway, "credential_process", reason, caplog, retryable=False)
        assert len(program.runs) == runs + 1
    assert aws.calls == []


@pytest.mark.parametrize("body", ["exits", "no JSON", "half", "an odd date", "a line in a key"])
async def test_program_failure_at_startup_is_a_one_line_configuration_error(
    aws: Aws, program: Program, body: str
) -> None:
    program.does(BODIES[body][0])
    settings = read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url)
    with pytest.raises(
        ConfigurationError, match=r"^There are no AWS credentials from credential_process: .+\.$"
    ) as raised:
        await open_upstream(settings).__aenter__()
    assert SECRET not in str(raised.value)
    assert BODIES[body][1] in str(raised.value)


@pytest.mark.parametrize("command", ["/nowhere/program", "'unclosed", "/tmp"], ids=["missing", "quote", "directory"])
async def test_program_that_cannot_run_is_a_configuration_error(aws: Aws, program: Program, command: str) -> None:
    program.config.write_text(f"[default]\ncredential_process = {command}\n")
    settings = read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url)
    with pytest.raises(ConfigurationError, match=r"^There are no AWS credentials from credential_process: .+\.$"):
        await open_upstream(settings).__aenter__()


@pytest.mark.parametrize("expiration", [-3600, -1, 0.2])
async def test_expired_environment_credentials_are_reported(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, expiration: float
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", seconds_from_now(expiration))
    async with gateway_of(aws) as gateway:
        await asyncio.sleep(max(0.0, expiration))
        await fails_for_want_of_credentials(gateway, "environment", "have expired", caplog, retryable=False)


async def test_environment_credentials_are_used_until_they_expire(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", seconds_from_now(5))
    async with gateway_of(aws) as gateway:
        await gateway.query(NUMBERS)
    assert aws.calls == ["ListPhoneNumbers"]


@pytest.mark.parametrize(("status", "retryable"), [(500, True), (429, True), (404, False)])
async def test_container_endpoint_failure_is_reported(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: int, *, retryable: bool
) -> None:
    with credential_source(CredentialsResponse(0.2), ErrorResponse(status)) as container:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{container.url}/credentials")
        async with gateway_of(aws) as gateway:
            await asyncio.sleep(0.3)
            await fails_for_want_of_credentials(gateway, "container", f"{status}", caplog, retryable=retryable)
    assert aws.calls == []


async def test_container_endpoint_is_requested_once(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    with credential_source(CredentialsResponse(300)) as container:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{container.url}/credentials")
        async with gateway_of(aws) as gateway:
            for _ in range(3):
                await gateway.query(NUMBERS)
    assert len(container.actions) == 1


@pytest.mark.parametrize("expired", ["2019-01-01T00:00:00Z", None], ids=["expired", "no token"])
async def test_expired_sso_session_is_reported(
    aws: Aws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    expired: str | None,
) -> None:
    start = "https://example.awsapps.com/start"
    config = tmp_path / "config"
    config.write_text(
        f"[default]\nsso_start_url = {start}\nsso_region = us-east-1\n"
        "sso_account_id = 123456789012\nsso_role_name = x\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    if expired is not None:
        cache = tmp_path / "cache"
        cache.mkdir()
        name = hashlib.sha1(start.encode()).hexdigest()
        (cache / f"{name}.json").write_text(json.dumps({"accessToken": SECRET, "expiresAt": expired}))
        monkeypatch.setattr("botocore.credentials.SSOTokenLoader.__call__", _loading(cache / f"{name}.json"))
    async with gateway_of(aws) as gateway:
        await fails_for_want_of_credentials(gateway, "SSO", "aws sso login", caplog, retryable=False)
    assert aws.calls == []


def _loading(path: Path) -> Any:
    return lambda *_args, **_kwargs: json.loads(path.read_text())


async def test_slow_program_under_load_runs_once_and_fails_no_request(aws: Aws, program: Program) -> None:
    program.gives(1.5, after_seconds=0.5)
    async with gateway_of(aws) as gateway:
        await asyncio.sleep(1.6)
        program.gives(300, after_seconds=0.5)
        runs = len(program.runs)
        responses = await asyncio.gather(
            *(gateway.execute(f"{{ phoneNumbers(first: {1 + each}) {{ nodes {{ id }} }} }}") for each in range(30))
        )
        assert [response for response in responses if "errors" in response] == []
        assert len(program.runs) == runs + 1
        for _ in range(5):
            await gateway.query(NUMBERS)
        assert len(program.runs) == runs + 1


async def test_hundred_requests_share_one_failed_run(aws: Aws, program: Program) -> None:
    program.gives(0.2)
    async with gateway_of(aws) as gateway:
        program.does("import time; time.sleep(0.3); raise SystemExit(3)")
        await asyncio.sleep(0.3)
        runs = len(program.runs)
        responses = await asyncio.gather(*(gateway.execute(NUMBERS) for _ in range(100)))
        assert {response["errors"][0]["extensions"]["code"] for response in responses} == {"UPSTREAM_UNAUTHORIZED"}
        assert len(program.runs) == runs + 1


async def test_valid_credentials_are_used_while_a_renewal_hangs(aws: Aws, program: Program) -> None:
    program.gives(4)
    async with gateway_of(aws) as gateway:
        program.does("import time; time.sleep(600)")
        runs = len(program.runs)
        await asyncio.sleep(2.1)
        for _ in range(3):
            await gateway.query(NUMBERS)
        await until(lambda: len(program.runs) == runs + 1)
        await gateway.query(NUMBERS)
    assert len(program.runs) == runs + 1


async def test_deadline_during_a_renewal_is_a_retryable_credentials_error(aws: Aws, program: Program) -> None:
    """The renewal continues for later callers."""
    program.gives(0.2)
    async with gateway_of(aws, request_timeout_seconds=0.5) as gateway:
        program.gives(300, after_seconds=1.5)
        await asyncio.sleep(0.3)
        runs = len(program.runs)
        [error] = (await gateway.execute(NUMBERS))["errors"]
        assert (error["extensions"]["code"], error["extensions"]["retryable"]) == ("UPSTREAM_UNAUTHORIZED", True)
        ready = await gateway.http.get("/readyz")
        assert ready.status_code == 200
        await gateway.query(NUMBERS)
        assert len(program.runs) == runs + 1
    assert aws.calls == ["ListPhoneNumbers"] * 2


async def test_hanging_renewal_is_killed(
    aws: Aws, program: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    program.gives(0.2)
    async with gateway_of(aws) as gateway:
        monkeypatch.setattr(credentials, "RENEWAL_SECONDS", 0.5)
        program.does("import time; time.sleep(600)")
        await asyncio.sleep(0.3)
        timed_out = renewals("credential_process", "timed_out")
        await fails_for_want_of_credentials(
            gateway, "credential_process", "did not respond within", caplog, retryable=True
        )
        assert renewals("credential_process", "timed_out") > timed_out
        with pytest.raises(ProcessLookupError):
            os.kill(program.runs[-1], 0)


async def until(true: Any) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come true")


class Renewable:
    """botocore's renewable credentials with a clock of the test. Each renewal waits until the test releases it."""

    def __init__(self, seconds: float) -> None:
        self.now = 1_000_000.0
        self.seconds = seconds
        self.renewals = 0
        self.let = asyncio.Event()
        self.let.set()
        self.fails: Exception | None = None

    async def cache(self) -> credentials.CredentialCache:
        made = AioRefreshableCredentials.create_from_metadata(self._metadata(), self._renew, "custom-process")
        made._time_fetcher = self._local_now  # noqa: SLF001  # create_from_metadata has no argument for it.
        opened = credentials.CredentialCache(made, lambda: self.now)
        await opened.open()
        return opened

    def _local_now(self) -> Any:
        return datetime.fromtimestamp(self.now, UTC)

    def _metadata(self) -> dict[str, Any]:
        end = datetime.fromtimestamp(self.now + self.seconds, UTC).isoformat()
        return {"access_key": f"key-{self.renewals}", "secret_key": "s", "token": "t", "expiry_time": end}

    async def _renew(self) -> dict[str, Any]:
        self.renewals += 1
        await self.let.wait()
        if self.fails is not None:
            raise self.fails
        return self._metadata()


@pytest.mark.parametrize(("seconds", "due"), [(3600, 2700), (43_200, 42_300), (300, 150), (1200, 600), (20, 10)])
async def test_credentials_are_renewed_in_the_background_before_they_expire(seconds: float, due: float) -> None:
    source = Renewable(seconds)
    cache = await source.cache()
    source.now += due - 0.5
    await cache.get()
    assert source.renewals == 0
    source.let.clear()
    source.now += 0.5
    for _ in range(5):
        assert (await cache.get()).access_key == "key-0"
        await asyncio.sleep(0)
    source.let.set()
    await until(lambda: cache.newest is not None and cache.newest.access_key == "key-1")
    assert source.renewals == 1
    await cache.close()


async def test_cancelled_caller_does_not_cancel_the_renewal() -> None:
    source = Renewable(60)
    cache = await source.cache()
    source.now += 61
    source.let.clear()
    waiting = [asyncio.create_task(cache.get()) for _ in range(30)]
    await asyncio.sleep(0)
    for each in waiting[:29]:
        each.cancel()
    await asyncio.sleep(0)
    source.let.set()
    assert (await waiting[29]).access_key == "key-1"
    assert source.renewals == 1


async def test_failed_background_renewal_has_no_effect_until_credentials_expire() -> None:
    source = Renewable(100)
    cache = await source.cache()
    source.fails = ValueError()
    source.now += 60
    for _ in range(5):
        assert (await cache.get()).access_key == "key-0"
        await asyncio.sleep(0)
    assert source.renewals == 1
    source.now += 50
    with pytest.raises(CredentialsUnavailable):
        await cache.get()
    assert source.renewals == 1
