"""The command chime-gateway, run in a process."""

import json
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.aws import Aws, number_record, order_record
from tests.support.processes import BIN, environment, started

COMMAND = str(BIN / "chime-gateway")


def run(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def pasted(curl: str) -> bytes:
    """Return the output of a line pasted into a shell, or, without curl, send the request that its words describe."""
    if shutil.which("curl"):
        return subprocess.run(["sh", "-c", curl], capture_output=True, check=True, timeout=30).stdout
    command, url, _, header, _, body = shlex.split(curl)
    assert command == "curl"
    return httpx.post(url, headers=dict([header.split(": ")]), content=body, timeout=30).content


@pytest.fixture
def taken_port() -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield str(listener.getsockname()[1])


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("api", "first"), [("chime", "+12065550100"), ("chime-sdk-voice", "+12065550100")])
def test_dev_prints_its_url_its_data_and_a_curl_command_that_works(
    tmp_path: Path, api: str, first: str, stop: signal.Signals
) -> None:
    with started(COMMAND, "dev", "--port", "0", "--api", api, env=environment(tmp_path), lines=3) as dev:
        where, upstream, curl = dev.lines
        assert where.startswith("GraphQL   http://127.0.0.1:")
        assert f"emulated {api}" in upstream
        assert "250 phone numbers, 40 orders" in upstream
        nodes = json.loads(pasted(curl.removeprefix("Try")))["data"]["phoneNumbers"]["nodes"]
        assert (len(nodes), nodes[0]) == (3, {"e164PhoneNumber": first, "status": "ASSIGNED"})
        assert dev.stop(stop) == 0
        assert dev.process.stdout is not None
        [logged] = dev.process.stdout.read().splitlines()
        assert "status=200" in logged


def test_dev_keeps_its_data_in_a_file(tmp_path: Path) -> None:
    db = str(tmp_path / "account.db")
    command = (COMMAND, "dev", "--port", "0", "--db", db)
    with started(*command, "--numbers", "7", "--orders", "2", env=environment(tmp_path), lines=3) as dev:
        assert "7 phone numbers, 2 orders" in dev.lines[1]
        assert dev.stop(signal.SIGTERM) == 0
    with started(*command, env=environment(tmp_path), lines=3) as dev:
        assert "7 phone numbers, 2 orders" in dev.lines[1]


def test_dev_ignores_the_users_aws_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("this is no configuration")
    env = environment(
        tmp_path, AWS_PROFILE="nobody", AWS_CONFIG_FILE=str(config), HTTP_PROXY="http://127.0.0.1:1", AWS_REGION=""
    )
    with started(COMMAND, "dev", "--port", "0", env=env, lines=3) as dev:
        answer = httpx.post(dev.lines[0].split()[1], json={"query": "{ phoneNumbers { totalCount } }"}, timeout=30)
        assert answer.json() == {"data": {"phoneNumbers": {"totalCount": 250}}}


@pytest.mark.parametrize("region", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_region_is_read_from_either_variable(tmp_path: Path, region: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    env = environment(tmp_path, **keys, **{region: "eu-central-1"})
    with started(COMMAND, "serve", "--port", "0", env=env, lines=2) as serve:
        assert serve.lines[1] == (
            "Upstream  chime-sdk-voice in eu-central-1 at https://voice-chime.eu-central-1.amazonaws.com"
        )


def test_malformed_output_of_a_credential_process_is_reported_in_one_line(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nregion = us-east-1\ncredential_process = /bin/echo hello\n")
    result = run(tmp_path, "serve", "--port", "0", AWS_CONFIG_FILE=str(config))
    assert result.returncode == 1
    assert result.stderr.startswith("Error: no AWS credentials from credential_process: ")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_uses_the_endpoint_and_the_credentials_of_the_environment(tmp_path: Path, aws: Aws, workers: str) -> None:
    aws.holds(inventory=1)
    env = environment(tmp_path, **aws.variables)
    with started(COMMAND, "serve", "--port", "0", "--workers", workers, env=env, lines=3) as serve:
        url = serve.lines[0].split()[1]
        assert aws.url in serve.lines[1]
        answer = httpx.post(url, json={"query": "{ phoneNumbers { totalCount } }"}, timeout=30)
        assert answer.json() == {"data": {"phoneNumbers": {"totalCount": 1}}}
        assert serve.stop(signal.SIGTERM) == 0


def test_emulator_serves_the_inventory_of_a_real_account(tmp_path: Path) -> None:
    """It loads numbers and orders from several files, and accepts another key pair."""
    numbers, orders = tmp_path / "numbers.json", tmp_path / "orders.json"
    numbers.write_text(json.dumps({"PhoneNumbers": [number_record(0), number_record(1)], "NextToken": "more"}))
    orders.write_text(json.dumps({"PhoneNumberOrders": [order_record(0, ["+12065550000"])]}))
    command = (COMMAND, "emulator", "--port", "0", "--load", str(numbers), "--load", str(orders))
    keys = ("--access-key", "key", "--secret-key", "secret")
    with started(*command, *keys, env=environment(tmp_path), lines=2) as emulator:
        assert "2 phone numbers, 1 orders" in emulator.lines[0]
        _, *assignments = shlex.split(emulator.lines[1])
        variables = dict(word.split("=", 1) for word in assignments if "=" in word)
        arguments = [word for word in assignments if "=" not in word]
        assert arguments[0] == "aws"
        listed = subprocess.run(
            [str(BIN / "aws"), *arguments[1:]],
            env=environment(tmp_path, **variables),
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert len(json.loads(listed.stdout)["PhoneNumbers"]) == 2
        assert emulator.stop(signal.SIGINT) == 0


@pytest.mark.parametrize("query", ["phoneNumbers(first: 250) { nodes { id } }", "phoneNumbers { totalCount }"])
def test_wrong_api_for_the_emulator_is_an_error_that_names_the_variable(tmp_path: Path, query: str) -> None:
    """The command that the emulator prints sets it."""
    with started(COMMAND, "emulator", "--port", "0", env=environment(tmp_path), lines=3) as emulator:
        label, *words = shlex.split(emulator.lines[2])
        assert (label, words[-2:]) == ("Gateway", ["chime-gateway", "serve"])
        printed = dict(word.split("=", 1) for word in words[:-2])
        without = {name: value for name, value in printed.items() if name != "GATEWAY_UPSTREAM_API"}
        answers = []
        for variables in (without, printed):
            env = environment(tmp_path, **variables)
            with started(COMMAND, "serve", "--port", "0", env=env, lines=3) as serve:
                url = serve.lines[0].split()[1]
                answers.append(httpx.post(url, json={"query": f"{{ {query} }}"}, timeout=30).json())
        [error] = answers[0]["errors"]
        assert error["extensions"]["code"] == "BAD_REQUEST"
        assert "set GATEWAY_UPSTREAM_API=chime" in error["message"]
        assert "errors" not in answers[1]


def test_api_key_command_makes_a_key_whose_hash_authenticates_it(tmp_path: Path, aws: Aws) -> None:
    """The key is for the caller, and the hash for the setting."""
    aws.holds(inventory=1)
    made = dict(line.split() for line in run(tmp_path, "api-key").stdout.splitlines())
    env = environment(tmp_path, **aws.variables, GATEWAY_AUTH="api-key", GATEWAY_API_KEYS=made["Hash"])
    # It listens on every address, as in the image. The test calls it on loopback.
    with started(COMMAND, "serve", "--host", "0.0.0.0", "--port", "0", env=env, lines=3) as serve:
        url = serve.lines[0].split()[1].replace("0.0.0.0", "127.0.0.1")
        query = {"query": "{ phoneNumbers { totalCount } }"}
        assert httpx.post(url, json=query, timeout=30).status_code == 401
        answer = httpx.post(url, json=query, headers={"x-api-key": made["Key"]}, timeout=30)
        assert answer.json() == {"data": {"phoneNumbers": {"totalCount": 1}}}


@pytest.mark.parametrize(
    "variables",
    [
        {"GATEWAY_ROUTER_SECRET": "correct-horse/battery+staple"},
        {"GATEWAY_ALLOW_UNAUTHENTICATED": "true"},
    ],
)
def test_network_is_served_with_a_router_secret_or_if_the_operator_allows_it(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    env = environment(tmp_path, **variables)
    with started(COMMAND, "dev", "--host", "0.0.0.0", "--port", "0", env=env, lines=1) as dev:
        assert dev.lines[0].startswith("GraphQL   http://0.0.0.0:")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2"])
def test_loopback_is_served_without_authentication(tmp_path: Path, host: str) -> None:
    with started(COMMAND, "dev", "--host", host, "--port", "0", env=environment(tmp_path), lines=1) as dev:
        assert dev.lines[0].startswith("GraphQL   http://127.0.0.")


@pytest.mark.parametrize("arguments", [(), ("serve",), ("dev",), ("emulator",), ("schema",), ("api-key",)])
def test_every_command_has_help(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(tmp_path, *arguments, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith("Usage: ")


def test_python_m_gateway_is_the_same_command(tmp_path: Path) -> None:
    module = subprocess.run(
        [str(BIN / "python"), "-m", "gateway", "schema"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert module.stdout == run(tmp_path, "schema").stdout


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (("serve",), {}, "no AWS credentials: set AWS_ACCESS_KEY_ID"),
        (("serve",), {"AWS_ACCESS_KEY_ID": "a"}, "AWS_SECRET_ACCESS_KEY"),
        (("serve",), {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}, "no AWS region: set AWS_REGION"),
        (("serve",), {"AWS_PROFILE": "nobody"}, "nobody"),
        (("serve",), {"GATEWAY_MAX_PAGE_SIZE": "many"}, "GATEWAY_MAX_PAGE_SIZE: the value must be a whole number"),
        (
            ("serve",),
            {"GATEWAY_UPSTREAM_API": "chimes"},
            "GATEWAY_UPSTREAM_API: the value must be 'chime-sdk-voice' or",
        ),
        (("serve",), {"GATEWAY_UPSTREAM_ENDPOINT_URL": "nowhere"}, "GATEWAY_UPSTREAM_ENDPOINT_URL: "),
        (("serve",), {"GATEWAY_UPSTREAM_ENDPOINT_URL": "http://a:b@127.0.0.1:9"}, "only a scheme, a host"),
        (("serve",), {"GATEWAY_UPSTREAM_ENDPOINT_URL": "http://127.0.0.1:9?a=b"}, "only a scheme, a host"),
        (("dev",), {"GATEWAY_REQUEST_TIMEOUT_SECONDS": "0"}, "GATEWAY_REQUEST_TIMEOUT_SECONDS: "),
        (("serve", "--host", "0.0.0.0"), {}, "set GATEWAY_AUTH to api-key or jwt"),
        (("dev", "--host", "0.0.0.0"), {}, "GATEWAY_ALLOW_UNAUTHENTICATED=true"),
        (("serve",), {"GATEWAY_AUTH": "jwt"}, "GATEWAY_AUTH=jwt needs GATEWAY_JWT_JWKS_URL"),
        (("dev", "--port", "70000"), {}, "--port"),
        (("dev", "--numbers", "-1"), {}, "--numbers"),
        (("dev", "--api", "chimes"), {}, "--api"),
        (("dev", "--host", "no.such.host.invalid"), {}, "cannot listen on no.such.host.invalid"),
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
def test_wrong_option_or_setting_is_reported_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, str], words: str
) -> None:
    result = run(tmp_path, *arguments, *([] if "--port" in arguments else ["--port", "0"]), **variables)
    assert result.returncode in {1, 2}
    *_, last = result.stderr.strip().splitlines()
    assert last.startswith("Error: ")
    assert words in last
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["dev", "emulator"])
def test_occupied_port_is_reported_in_one_line(tmp_path: Path, taken_port: str, command: str) -> None:
    result = run(tmp_path, command, "--port", taken_port)
    assert (result.returncode, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith(f"Error: cannot listen on 127.0.0.1, port {taken_port}: Address already in use")
    assert "--port" in line
