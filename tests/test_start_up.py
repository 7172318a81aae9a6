"""Wrong settings: each stops the start with one line that names the variable and the reason."""

import base64
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretBytes, SecretStr

from gateway import __main__ as command_line
from gateway.errors import ConfigurationError
from gateway.server.run import listen
from gateway.settings import Settings, read_settings, variables
from tests.support.tls import self_signed

AWS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
OTEL = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}

Run = Callable[..., Result]


class Started(Exception):
    """The command got as far as serving."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command until it would serve, with given variables and none of this machine's user."""
    opened: list[socket.socket] = []

    def listen_until_the_end(*where: Any) -> socket.socket:
        opened.append(listen(*where))
        return opened[-1]

    def serve(*_: object, **__: object) -> None:
        raise Started

    def run(*arguments: str, **given: str) -> Result:
        monkeypatch.setattr(command_line, "listen", listen_until_the_end)
        monkeypatch.setattr(command_line, "serve", serve)
        # Logs are configured for the whole process.
        monkeypatch.setattr(command_line, "configure_logs", lambda _: None)
        foreign = variables("(AWS|GATEWAY|OTEL)_.*|.*_(PROXY|CA_BUNDLE)")
        env = {**dict.fromkeys(foreign, None), "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", **given}
        has_port = "--port" in arguments or "PORT" in given
        port = ["--port", "0"] if arguments[0] in {"serve", "dev", "emulator"} and not has_port else []
        result = CliRunner().invoke(command_line.main, [*arguments, *port], env=env)
        # The end of a real process would close them.
        for listener in opened:
            listener.close()
        return result

    return run


def assert_one_line(result: Result, *words: str) -> None:
    assert result.exit_code in {1, 2}, (result.output, result.exception)
    [line] = result.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    for each in words:
        assert each in line


def assert_started(result: Result) -> None:
    assert isinstance(result.exception, Started), result.output


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("AWS_REGION", "us-esat-1", "Did you mean us-east-1?"),
        ("AWS_REGION", "eu-wst-2", "Did you mean eu-west-2?"),
        ("AWS_REGION", "mars", "AWS has no region mars"),
        ("AWS_REGION", "us east 1", "is not a region's name"),
        ("AWS_REGION", "eu-north-1", "AWS does not offer chime-sdk-voice in eu-north-1. It is in ap-northeast-1"),
        ("AWS_REGION", "cn-north-1", "AWS does not offer chime-sdk-voice in cn-north-1"),
        ("AWS_ENDPOINT_URL", "nowhere", "a URL such as"),
        ("AWS_ENDPOINT_URL", "ftp://aws.example", "a URL such as"),
        ("AWS_ENDPOINT_URL", "http://aws.example:99999", "a URL such as"),
        ("AWS_ENDPOINT_URL_CHIME_SDK_VOICE", "http://", "a URL such as"),
        ("AWS_ENDPOINT_URL_STS", "sts.example", "a URL such as"),
        ("AWS_PROFILE", "nobody", "has a profile 'nobody'"),
        ("AWS_DEFAULT_PROFILE", "nobody", "has a profile 'nobody'"),
        ("AWS_CONFIG_FILE", "/", "/ cannot be read: Is a directory"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/", "/ cannot be read: Is a directory"),
        ("AWS_MAX_ATTEMPTS", "abc", "a whole number from 1"),
        ("AWS_MAX_ATTEMPTS", "0", "a whole number from 1"),
        ("AWS_RETRY_MODE", "foo", "legacy, standard, adaptive"),
        ("AWS_RETRY_MODE", "Adaptive", "legacy, standard, adaptive"),
        ("AWS_DEFAULTS_MODE", "foo", "in-region"),
        ("AWS_USE_FIPS_ENDPOINT", "maybe", "true or false"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "1", "true or false"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true", "has no such endpoint in us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "perhaps", "true or false"),
        ("AWS_METADATA_SERVICE_TIMEOUT", "soon", "a whole number from 1"),
        ("AWS_CA_BUNDLE", "/nowhere/ca.pem", "/nowhere/ca.pem cannot be read"),
        ("AWS_CA_BUNDLE", "/dev/null", "is empty"),
        ("AWS_CA_BUNDLE", __file__, "has no certificate in PEM form"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token", "cannot be read"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/dev/null", "is empty"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", __file__, "AWS_ROLE_ARN"),
        ("AWS_CREDENTIAL_EXPIRATION", "soon", "Set a time with its zone"),
        ("AWS_CREDENTIAL_EXPIRATION", "2030-01-01T00:00:00", "Set a time with its zone"),
        ("AWS_SECRET_ACCESS_KEY", "", "Set both or neither"),
        ("AWS_ACCESS_KEY_ID", " ", "Set both or neither"),
        ("AWS_SECRET_ACCESS_KEY", "a\nb", "line break"),
        ("AWS_SESSION_TOKEN", "a b", "has a space"),
        ("AWS_SESSION_TOKEN", "a\x7fb", "control character"),
        ("HTTPS_PROXY", "://", "not an HTTP proxy's URL"),
        ("HTTPS_PROXY", "nonsense", "not an HTTP proxy's URL"),
        ("http_proxy", "socks5://127.0.0.1:1", "not an HTTP proxy's URL"),
    ],
)
def test_wrong_aws_variable_is_reported_by_name(run: Run, variable: str, value: str, reason: str) -> None:
    result = run("serve", **{**AWS, variable: value})
    assert_one_line(result, f"({variable})", reason)
    # `dev` has its own emulator, and ignores AWS's variables.
    assert_started(run("dev", **{**AWS, variable: value}))


@pytest.mark.parametrize(
    "given",
    [
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_REGION": "eu-north-1", "GATEWAY_UPSTREAM_API": "chime"},
        {"AWS_REGION": "xx-new-1", "AWS_ENDPOINT_URL": "https://aws.example:8443/a"},
        {"AWS_REGION": "xx-new-1", "GATEWAY_UPSTREAM_ENDPOINT_URL": "http://[::1]:1"},
        {"HTTPS_PROXY": "proxy:3128", "http_proxy": "http://user:word@proxy.example", "NO_PROXY": "*"},
        {"AWS_MAX_ATTEMPTS": " 3 ", "AWS_RETRY_MODE": "adaptive", "AWS_DEFAULTS_MODE": "Standard"},
        {"AWS_CREDENTIAL_EXPIRATION": "2130-01-01T00:00:00Z"},
        {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"},
        {"AWS_CONFIG_FILE": "/nowhere/config", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials"},
    ],
)
def test_valid_aws_variables_are_accepted(run: Run, given: dict[str, str]) -> None:
    assert_started(run("serve", **{**AWS, **given}))


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"AWS_PROFILE": "mine", "AWS_CONFIG_FILE": "/nowhere"}, "AWS_CONFIG_FILE"),
        ({"AWS_REGION": "", "AWS_CONFIG_FILE": "/nowhere"}, "AWS_CONFIG_FILE"),
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"},
            "AWS_SHARED_CREDENTIALS_FILE",
        ),
    ],
)
def test_missing_profile_file_is_reported_if_a_value_from_it_is_needed(
    run: Run, given: dict[str, str], variable: str
) -> None:
    assert_one_line(run("serve", **{**AWS, **given}), f"The file /nowhere does not exist ({variable}).")


@pytest.mark.parametrize(
    ("config", "variable", "reason"),
    [
        ("no section\n", "AWS_CONFIG_FILE", "cannot be parsed in line 1"),
        ("[default]\nregion = a\nregion = b\n", "AWS_CONFIG_FILE", "cannot be parsed in line 3"),
        ("[default]\naws_secret_access_key\n", "AWS_CONFIG_FILE", "cannot be parsed in line 2"),
        ("[default]\nregion = us-esat-1\n", "region of the AWS profile", "Did you mean us-east-1?"),
        ("[default]\nmax_attempts = many\n", "max_attempts of the AWS profile", "a whole number"),
        ("[default]\nca_bundle = /nowhere\n", "ca_bundle of the AWS profile", "cannot be read"),
        ("[default]\nendpoint_url = nowhere\n", "endpoint_url of the AWS profile", "a URL such as"),
        ("[default]\nservices = nowhere\n", "services of the AWS profile", "has no section"),
        (
            "[default]\nservices = a\n[services a]\nchime_sdk_voice =\n  endpoint_url = x\n",
            "endpoint_url of its services section",
            "a URL such as",
        ),
    ],
)
def test_wrong_entry_of_a_profile_is_reported(
    run: Run, tmp_path: Path, config: str, variable: str, reason: str
) -> None:
    (tmp_path / "config").write_text(config)
    env = {**AWS, "AWS_REGION": "", "AWS_CONFIG_FILE": str(tmp_path / "config")}
    assert_one_line(run("serve", **env), f"({variable})", reason)


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere", "a URL such as https://example.com"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://collector:4317", "http:// or https://"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "abc", "must be a number"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "-1", "above 0"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "'http/protobuf'"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip", "'gzip'"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret", "name=value"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem", "/nowhere/ca.pem cannot be read"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", __file__, "has no certificate"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/nowhere/key.pem", "cannot be read"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "'always_on'"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp or none"),
        ("OTEL_SDK_DISABLED", "perhaps", "'true' or 'false'"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "lots", "a whole number"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5000", "not be above OTEL_BSP_MAX_QUEUE_SIZE"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1", "at least 0"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service", "name=value"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=b\x01", "control character"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "dev", "schema"])
def test_wrong_opentelemetry_variable_is_reported_by_name(
    run: Run, command: str, variable: str, value: str, reason: str
) -> None:
    result = run(command, **{**AWS, **OTEL, variable: value})
    assert_one_line(result, f"({variable})", reason)
    assert "secret" not in result.stderr


def test_sampling_ratio_must_be_from_0_to_1(run: Run) -> None:
    ratio = {**OTEL, "OTEL_TRACES_SAMPLER": "traceidratio"}
    assert_one_line(run("schema", **ratio, OTEL_TRACES_SAMPLER_ARG="2"), "(OTEL_TRACES_SAMPLER_ARG)", "from 0 to 1")
    assert run("schema", **ratio, OTEL_TRACES_SAMPLER_ARG=" 0.25 ").exit_code == 0


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": " TRUE "}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_opentelemetry_variables_are_not_checked_if_traces_are_off(run: Run, off: dict[str, str]) -> None:
    assert run("schema", **off, OTEL_EXPORTER_OTLP_ENDPOINT="nowhere", OTEL_TRACES_SAMPLER="x").exit_code == 0


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("GATEWAY_MAX_COSTS", "Did you mean GATEWAY_MAX_COST?"),
        ("GATEWAY_UPSTREAM_URL", "Did you mean GATEWAY_UPSTREAM_"),
        ("GATEWAY_CORS_ORIGIN", "Did you mean GATEWAY_CORS_ORIGINS?"),
        ("GATEWAY_OPERATION_PORT", "Did you mean GATEWAY_ADMIN_PORT?"),
        ("GATEWAY_PORT", "There is no such setting."),
        ("gateway_api_key", "Did you mean GATEWAY_API_KEYS?"),
        ("GATEWAY_API_KEY_FILE", "Did you mean GATEWAY_API_KEYS_FILE?"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "dev", "schema"])
def test_unknown_setting_is_rejected_with_the_nearest_known_name(
    run: Run, command: str, variable: str, near: str
) -> None:
    result = run(command, **AWS, **{variable: "8000"})
    assert_one_line(result, f"({variable})", "There is no such setting.", near)
    assert "8000" not in result.stderr


def test_service_links_of_kubernetes_are_ignored(run: Run) -> None:
    """Kubernetes sets them in every container if a Service is called `gateway`."""
    links = {
        "GATEWAY_SERVICE_HOST": "10.0.0.1",
        "GATEWAY_SERVICE_PORT": "80",
        "GATEWAY_SERVICE_PORT_HTTP": "80",
        "GATEWAY_PORT": "tcp://10.0.0.1:80",
        "GATEWAY_PORT_80_TCP": "tcp://10.0.0.1:80",
        "GATEWAY_PORT_80_TCP_PROTO": "tcp",
        "GATEWAY_PORT_80_TCP_PORT": "80",
        "GATEWAY_PORT_80_TCP_ADDR": "10.0.0.1",
        "GATEWAY_METRICS_SERVICE_HOST": "10.0.0.2",
        "GATEWAY_METRICS_PORT_9090_TCP": "tcp://10.0.0.2:9090",
    }
    assert run("schema", **links).exit_code == 0


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("GATEWAY_MAX_COST", "many", "a whole number"),
        ("GATEWAY_UPSTREAM_RATE_LIMIT", "0", "above 0"),
        ("GATEWAY_UPSTREAM_ENDPOINT_URL", "http://a.example\x01b", "control character"),
        ("GATEWAY_JWT_ISSUER", "a\x02b", "control character"),
        ("GATEWAY_REDIS_URL", "rediss://127.0.0.1:9/0?ssl_ca_certs=/nowhere/ca.pem", "No such file or directory"),
        ("GATEWAY_REDIS_URL", "rediss://127.0.0.1:9/0?ssl_cert_reqs=perhaps", "perhaps"),
        ("GATEWAY_REDIS_URL", "redis://127.0.0.1:9/0?ssl_nonsense=1", "ssl_nonsense"),
        ("GATEWAY_TRUSTED_DOCUMENTS", "/nowhere/documents.json", "cannot be read"),
        ("GATEWAY_ALLOWED_HOSTS", ",", "at least one entry"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "dev"])
def test_wrong_setting_is_reported_by_name(run: Run, command: str, variable: str, value: str, reason: str) -> None:
    assert_one_line(run(command, **AWS, **{variable: value}), variable, reason)


HASH = "0" * 64
ROUTER = "correct-horse/battery+staple"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"API_KEYS": HASH}, "Anyone may call the gateway, although GATEWAY_API_KEYS is set. Choose how"),
        ({"JWT_ISSUER": "a"}, "although GATEWAY_JWT_ISSUER is set. Choose how callers authenticate"),
        (
            {"AUTH": "api-key", "API_KEYS": HASH, "JWT_JWKS_URL": "https://a.example/keys", "JWT_AUDIENCE": "b"},
            "by api-key to the gateway, although GATEWAY_JWT_JWKS_URL, GATEWAY_JWT_AUDIENCE is set.",
        ),
        (
            {"AUTH": "jwt", "JWT_JWKS_URL": "https://a.example", "JWT_ISSUER": "a", "JWT_AUDIENCE": "b"}
            | {"API_KEYS": HASH},
            "Callers authenticate by jwt to the gateway, although GATEWAY_API_KEYS is set.",
        ),
        ({"AUTH": "api-key", "API_KEYS": HASH, "ALLOW_UNAUTHENTICATED": "true"}, "(GATEWAY_ALLOW_UNAUTHENTICATED)."),
        ({"ROUTER_SECRET": ROUTER, "ALLOW_UNAUTHENTICATED": "true"}, "Remove the permission to serve callers without"),
        ({"ROUTER_SECRET": ROUTER, "GRAPHIQL": "true"}, "Turn GraphiQL off, or explore the schema at the router"),
        ({"TRUSTED_DOCUMENTS": "a.json", "GRAPHIQL": "true"}, "Turn GraphiQL off, or remove GATEWAY_TRUSTED_DOCUMENTS"),
        ({"ROUTER_SECRET": ROUTER, "CORS_ORIGINS": "https://a.example"}, "in the router's own settings"),
        ({"LOADER_CONCURRENCY": "9", "UPSTREAM_CONCURRENCY": "8"}, "9 of the process's 8 calls. Lower it, or raise"),
        ({"MAX_PAGE_SIZE": "5000"}, "A page of 5000 rows costs more than the 5000 points"),
        (
            {"ROUTER_SECRET": ROUTER, "GRAPHIQL": "true", "ALLOW_UNAUTHENTICATED": "true"},
            "(GATEWAY_ALLOW_UNAUTHENTICATED). Browsers do not know GATEWAY_ROUTER_SECRET",
        ),
    ],
)
@pytest.mark.parametrize("command", ["serve", "schema"])
def test_settings_that_contradict_each_other_are_rejected(
    run: Run, command: str, given: dict[str, str], words: str
) -> None:
    result = run(command, **AWS, **{f"GATEWAY_{name}": value for name, value in given.items()})
    assert_one_line(result, words)
    assert not re.search("Value error|pydantic|Settings", result.stderr)
    assert HASH not in result.stderr
    assert ROUTER not in result.stderr


@pytest.mark.parametrize(
    "given",
    [
        # A default never contradicts a value that the operator chose.
        {"UPSTREAM_CONCURRENCY": "8"},
        {"MAX_COST": "500"},
        {"ROUTER_SECRET": ROUTER, "GRAPHIQL": "false"},
        {"LOADER_CONCURRENCY": "8", "UPSTREAM_CONCURRENCY": "8"},
    ],
)
def test_settings_that_do_not_contradict_each_other_are_accepted(run: Run, given: dict[str, str]) -> None:
    assert_started(run("serve", **AWS, **{f"GATEWAY_{name}": value for name, value in given.items()}))


@pytest.mark.parametrize("value", ["\u2603", "-1", "x y", "http://", "//a", "0" * 5000])
@pytest.mark.parametrize("variable", [f"GATEWAY_{name.upper()}" for name in Settings.model_fields])
def test_message_about_a_setting_has_no_words_of_the_library(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    try:
        read_settings()
    except ConfigurationError as error:
        message = str(error)
        assert re.search(rf"\({variable}\)\.$|\(GATEWAY_AUTH\)\.$", message), message
        assert not re.search("Value error|Input should|relative URL|unable to parse|;|pydantic", message), message


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_occupied_admin_port_is_reported_by_its_variable(run: Run, command: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = run(command, **AWS, GATEWAY_ADMIN_PORT=port)
        assert_one_line(result, f"port {port}", "Choose another with GATEWAY_ADMIN_PORT")
        assert "--port" not in result.stderr


def test_whitespace_around_a_value_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = base64.b64encode(bytes(32)).decode()
    for name, value in {
        "GATEWAY_UPSTREAM_RATE_LIMIT": " 5 ",
        "GATEWAY_UPSTREAM_API": "\tchime\n",
        "GATEWAY_UPSTREAM_ENDPOINT_URL": " http://127.0.0.1:9 ",
        "GATEWAY_RELAY_NODE_FIELDS": " false ",
        "GATEWAY_REDIS_URL": "  redis://127.0.0.1:9/0 ",
        "GATEWAY_CORS_ORIGINS": " https://a.example , https://b.example ,",
        "GATEWAY_CURSOR_KEYS": f" {key} ,\n {key} ",
        "GATEWAY_TRUSTED_DOCUMENTS": f" {tmp_path} ",
    }.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert (settings.upstream_rate_limit, settings.upstream_api, settings.relay_node_fields) == (5.0, "chime", False)
    assert str(settings.upstream_endpoint_url) == "http://127.0.0.1:9/"
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://127.0.0.1:9/0"
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.cursor_keys is not None
    assert len(settings.cursor_keys) == 2
    assert settings.trusted_documents == tmp_path
    # CORS would contradict it.
    monkeypatch.delenv("GATEWAY_CORS_ORIGINS")
    monkeypatch.setenv("GATEWAY_ROUTER_SECRET", " 0123456789abcdef\n")
    router_secret = read_settings().router_secret
    assert router_secret is not None
    assert router_secret.get_secret_value() == "0123456789abcdef"


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name != "cache_ttl_seconds"])
def test_empty_setting_has_its_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for empty in ("", " \t"):
        monkeypatch.setenv(f"GATEWAY_{name.upper()}", empty)
        assert getattr(read_settings(), name) == Settings.model_fields[name].default


FILES = {
    "GATEWAY_API_KEYS_FILE": (f"{HASH}\n{'1' * 64}\n", (HASH, "1" * 64)),
    "GATEWAY_CURSOR_KEYS_FILE": (f"{base64.b64encode(bytes(32)).decode()}\n", (SecretBytes(bytes(32)),)),
    "GATEWAY_REDIS_URL_FILE": ("redis://:word@127.0.0.1:9/0\r\n", SecretStr("redis://:word@127.0.0.1:9/0")),
    "GATEWAY_ROUTER_SECRET_FILE": (f"{ROUTER}\n", SecretStr(ROUTER)),
}


def test_every_secret_is_read_from_a_file_without_the_line_break_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = {name for name, field in Settings.model_fields.items() if "Secret" in str(field.annotation)}
    assert FILES.keys() == {f"GATEWAY_{name.upper()}_FILE" for name in {*secret, "api_keys"}}
    monkeypatch.setenv("GATEWAY_AUTH", "api-key")
    for variable, (content, _) in FILES.items():
        (tmp_path / variable).write_text(content)
        monkeypatch.setenv(variable, f" {tmp_path / variable} ")
    settings = read_settings()
    read = {variable: getattr(settings, variable[8:-5].lower()) for variable in FILES}
    assert read == {variable: value for variable, (_, value) in FILES.items()}


@pytest.mark.parametrize("variable", FILES)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory. Mount it, or correct the path"),
        (b" \n", "is empty. Write the value into it"),
        (b"\xff\xfe", "is not text in UTF-8"),
        (b"hunter2\n", ""),
    ],
)
def test_wrong_file_of_a_secret_is_reported_by_its_variable_without_its_content(
    run: Run, tmp_path: Path, variable: str, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    result = run("schema", **{variable: str(file)})
    assert_one_line(result, reason, f"({variable}).", str(file) if reason else "must")
    assert "hunter2" not in result.stderr


def test_secret_that_is_set_twice_is_rejected(run: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(ROUTER)
    given = {"GATEWAY_ROUTER_SECRET_FILE": str(tmp_path / "secret"), "GATEWAY_ROUTER_SECRET": ROUTER}
    assert_one_line(run("schema", **given), "GATEWAY_ROUTER_SECRET is set, too", "(GATEWAY_ROUTER_SECRET_FILE).")


def test_file_of_a_secret_may_begin_with_a_byte_order_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(ROUTER, encoding="utf-8-sig")
    monkeypatch.setenv("GATEWAY_ROUTER_SECRET_FILE", str(tmp_path / "secret"))
    assert read_settings().router_secret == SecretStr(ROUTER)


def test_long_file_of_a_secret_is_read_to_its_end_or_rejected(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = [f"{each:064x}" for each in range(15_000)]
    file = tmp_path / "secret"
    file.write_text("\n".join(hashes))
    given = {"GATEWAY_AUTH": "api-key", "GATEWAY_API_KEYS_FILE": str(file)}
    with monkeypatch.context() as patch:
        for variable, value in given.items():
            patch.setenv(variable, value)
        assert read_settings().api_keys == tuple(hashes)
    file.write_text("\n".join(hashes * 2))
    assert_one_line(run("schema", **given), "has more than 1,000,000 characters", "(GATEWAY_API_KEYS_FILE).")


def test_contradiction_of_a_secret_in_a_file_names_the_variable_of_the_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(HASH)
    result = run("schema", GATEWAY_API_KEYS_FILE=str(tmp_path / "secret"))
    assert_one_line(result, "Anyone may call the gateway, although GATEWAY_API_KEYS_FILE is set.")


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("UPSTREAM_ENDPOINT_URL", "http://user:hunter2@aws.example"),
        ("JWT_JWKS_URL", "http://user:hunter2@issuer.example/keys"),
        ("REDIS_URL", "redis://:hunter2@[::1:6379"),
    ],
)
def test_wrong_url_is_reported_without_its_password(run: Run, name: str, url: str) -> None:
    result = run("schema", **{f"GATEWAY_{name}": url})
    assert_one_line(result, "Error: The", "must", f"(GATEWAY_{name}).")
    assert "hunter2" not in result.stderr


def test_setting_that_is_no_secret_is_not_read_from_a_file(run: Run) -> None:
    assert_one_line(run("schema", GATEWAY_MAX_COST_FILE="a"), "There is no such setting.", "(GATEWAY_MAX_COST_FILE)")


def test_certificate_for_opentelemetry_is_accepted(run: Run, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "collector.example")
    assert run("schema", **OTEL, OTEL_EXPORTER_OTLP_CERTIFICATE=f" {certificate} ").exit_code == 0


@pytest.mark.parametrize("arguments", [(), ("serve",), ("dev",), ("emulator",), ("schema",), ("api-key",)])
def test_every_command_has_help(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (("serve",), {}, "There are no AWS credentials."),
        (("serve",), {"AWS_ACCESS_KEY_ID": "a"}, "AWS_SECRET_ACCESS_KEY"),
        (("serve",), {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}, "There is no AWS region."),
        (("serve",), {"AWS_PROFILE": "nobody"}, "nobody"),
        (("serve",), {"GATEWAY_MAX_PAGE_SIZE": "many"}, "The value must be a whole number (GATEWAY_MAX_PAGE_SIZE)"),
        *(
            (("serve",), {f"GATEWAY_{name}": value}, f"The value must be a finite number (GATEWAY_{name})")
            for name in ("SLOW_REQUEST_THRESHOLD_SECONDS", "CACHE_TTL_SECONDS", "UPSTREAM_RATE_LIMIT")
            for value in ("inf", "nan")
        ),
        (
            ("serve",),
            {"GATEWAY_UPSTREAM_API": "chimes"},
            "'chimes' is not valid. The value must be 'chime-sdk-voice' or 'chime' (GATEWAY_UPSTREAM_API).",
        ),
        (("serve",), {"GATEWAY_UPSTREAM_ENDPOINT_URL": "nowhere"}, "(GATEWAY_UPSTREAM_ENDPOINT_URL)."),
        (("serve",), {"GATEWAY_UPSTREAM_ENDPOINT_URL": "http://a:b@127.0.0.1:9"}, "only a scheme, a host"),
        (("serve",), {"GATEWAY_UPSTREAM_ENDPOINT_URL": "http://127.0.0.1:9?a=b"}, "only a scheme, a host"),
        (("dev",), {"GATEWAY_REQUEST_TIMEOUT_SECONDS": "0"}, "(GATEWAY_REQUEST_TIMEOUT_SECONDS)."),
        (("serve", "--host", "0.0.0.0"), {}, "Set GATEWAY_AUTH to api-key or jwt"),
        (("dev", "--host", "0.0.0.0"), {}, "GATEWAY_ALLOW_UNAUTHENTICATED=true"),
        (("serve",), {"GATEWAY_AUTH": "jwt"}, "Set GATEWAY_JWT_JWKS_URL,"),
        (("dev", "--port", "70000"), {}, "--port"),
        (("dev", "--numbers", "-1"), {}, "--numbers"),
        (("dev", "--api", "chimes"), {}, "--api"),
        (("dev", "--host", "no.such.host.invalid"), {}, "Cannot listen on no.such.host.invalid"),
        (("dev", "--db", "/nowhere/at/all.db"), {}, "/nowhere/at/all.db"),
        (
            ("dev", "--sample-day", "28.11.2026"),
            {},
            "'--sample-day': '28.11.2026' is not a day. Write it like 2020-01-01.",
        ),
        (("emulator", "--sample-day", "2026-02-29"), {}, "'2026-02-29' is not a day"),
        (("emulator", "--sample-day", ""), {}, "'' is not a day"),
        (("emulator", "--sample-day", "0001-01-01"), {}, "0001-01-01 is not between 2020-01-01 and 2099-12-31."),
        (("emulator", "--load", "nothing.json"), {}, "nothing.json"),
        (("emulator", "--load", __file__), {}, Path(__file__).name),
        (("emulator", "--fault", "ListPhoneNumbers"), {}, "OPERATION=ERROR"),
        (("emulator", "--rate", "0"), {}, "--rate"),
    ],
)
def test_wrong_option_or_setting_is_reported_in_the_last_line(
    run: Run, arguments: tuple[str, ...], variables: dict[str, str], words: str
) -> None:
    """The lines before it are click's own, on how to use the command."""
    result = run(*arguments, **variables)
    assert result.exit_code in {1, 2}, result.exception
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert words in last


@pytest.mark.parametrize("command", ["dev", "emulator"])
def test_occupied_port_is_reported_in_one_line(run: Run, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = run(command, "--port", str(port))
    assert (result.exit_code, result.stdout) == (1, "")
    assert_one_line(result, f"Cannot listen on 127.0.0.1, port {port}: Address already in use", "--port")


def test_occupied_port_of_make_run_is_reported_with_the_variable_that_sets_it(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        result = run("dev", PORT=port)
    assert_one_line(result, f"port {port}", "Choose another with --host, PORT=")
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    assert "PORT=$(PORT) exec $(BIN)/chime-gateway dev\n" in makefile


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "curl http://127.0.0.1:8/graphql -H 'content-type: application/json' -d '{\"query\""),
        ({"AUTH": "api-key", "API_KEYS": HASH}, '-H "x-api-key: $API_KEY" -d'),
        (
            {"AUTH": "jwt", "JWT_JWKS_URL": "https://a.example", "JWT_ISSUER": "a", "JWT_AUDIENCE": "b"},
            '-H "authorization: Bearer $TOKEN" -d',
        ),
        ({"ROUTER_SECRET": ROUTER}, '-H "x-router-secret: $ROUTER_SECRET" -d'),
        ({"ALLOWED_HOSTS": "api.example.com"}, "-H 'host: api.example.com' -d"),
        ({"ALLOWED_HOSTS": "api.example.com,127.0.0.1"}, "-H 'content-type: application/json' -d"),
        ({"TRUSTED_DOCUMENTS": "a.json"}, "curl http://127.0.0.1:8/healthz"),
    ],
)
def test_printed_command_has_what_the_settings_need(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], words: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"GATEWAY_{name}", value)
    assert words in command_line.first_query(read_settings(), "http://0.0.0.0:8")


@pytest.mark.parametrize(
    "variables",
    [
        {"GATEWAY_ROUTER_SECRET": "correct-horse/battery+staple"},
        {"GATEWAY_ALLOW_UNAUTHENTICATED": "true"},
    ],
)
def test_network_is_served_with_a_router_secret_or_if_the_operator_allows_it(
    run: Run, variables: dict[str, str]
) -> None:
    assert_started(run("dev", "--host", "0.0.0.0", **variables))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2"])
def test_loopback_is_served_without_authentication(run: Run, host: str) -> None:
    assert_started(run("dev", "--host", host))
