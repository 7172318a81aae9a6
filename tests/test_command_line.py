"""The command chime-gateway, run in a process."""

import json
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path
from string import Template

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


def pasted(curl: str, **variables: str) -> bytes:
    """Return the output of a line pasted into a shell, or, without curl, send the request that its words describe."""
    if shutil.which("curl"):
        env = {**os.environ, **variables}
        return subprocess.run(["sh", "-c", curl], env=env, capture_output=True, check=True, timeout=30).stdout
    command, url, *options, _, body = shlex.split(curl)
    assert command == "curl"
    headers = dict(Template(header).substitute(variables).split(": ") for header in options[1::2])
    return httpx.post(url, headers=headers, content=body, timeout=30).content


@pytest.mark.parametrize(("api", "stop"), [("chime", signal.SIGINT), ("chime-sdk-voice", signal.SIGTERM)])
def test_dev_prints_its_url_its_data_and_a_curl_command_that_works(
    tmp_path: Path, api: str, stop: signal.Signals
) -> None:
    with started(COMMAND, "dev", "--port", "0", "--api", api, env=environment(tmp_path), lines=3) as dev:
        where, upstream, curl = dev.lines
        assert where.startswith("GraphQL   http://127.0.0.1:")
        assert f"emulated {api}" in upstream
        assert "250 phone numbers, 40 orders" in upstream
        nodes = json.loads(pasted(curl.removeprefix("Try")))["data"]["phoneNumbers"]["nodes"]
        assert (len(nodes), nodes[0]) == (3, {"e164PhoneNumber": "+12065550100", "status": "ASSIGNED"})
        assert dev.stop(stop) == 0
        assert dev.process.stdout is not None
        logged = dev.process.stdout.read().splitlines()
        assert [" started " in line for line in logged].count(True) == 1
        assert ["status=200" in line for line in logged].count(True) == 1


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
        response = httpx.post(dev.lines[0].split()[1], json={"query": "{ phoneNumbers { totalCount } }"}, timeout=30)
        assert response.json() == {"data": {"phoneNumbers": {"totalCount": 250}}}


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
    assert result.stderr.startswith("Error: There are no AWS credentials from credential_process: ")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_uses_the_endpoint_and_the_credentials_of_the_environment(tmp_path: Path, aws: Aws, workers: str) -> None:
    aws.holds(inventory=1)
    env = environment(tmp_path, **aws.variables)
    with started(COMMAND, "serve", "--port", "0", "--workers", workers, env=env, lines=3) as serve:
        url = serve.lines[0].split()[1]
        assert aws.url in serve.lines[1]
        response = httpx.post(url, json={"query": "{ phoneNumbers { totalCount } }"}, timeout=30)
        assert response.json() == {"data": {"phoneNumbers": {"totalCount": 1}}}
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


def test_wrong_api_for_the_emulator_is_an_error_that_names_the_variable(tmp_path: Path) -> None:
    """The command that the emulator prints sets it."""
    queries = ["{ phoneNumbers(first: 250) { nodes { id } } }", "{ phoneNumbers { totalCount } }"]
    with started(COMMAND, "emulator", "--port", "0", env=environment(tmp_path), lines=3) as emulator:
        label, *words = shlex.split(emulator.lines[2])
        assert (label, words[-2:]) == ("Gateway", ["chime-gateway", "serve"])
        printed = dict(word.split("=", 1) for word in words[:-2])
        without = {name: value for name, value in printed.items() if name != "GATEWAY_UPSTREAM_API"}
        responses = []
        for variables in (without, printed):
            env = environment(tmp_path, **variables)
            with started(COMMAND, "serve", "--port", "0", env=env, lines=3) as serve:
                url = serve.lines[0].split()[1]
                responses.append([httpx.post(url, json={"query": query}, timeout=30).json() for query in queries])
    for response in responses[0]:
        [error] = response["errors"]
        assert error["extensions"]["code"] == "BAD_REQUEST"
        assert "set GATEWAY_UPSTREAM_API=chime" in error["message"]
    assert not any("errors" in response for response in responses[1])


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
        printed = json.loads(pasted(serve.lines[2].removeprefix("Try"), API_KEY=made["Key"]))
        assert len(printed["data"]["phoneNumbers"]["nodes"]) == 1
        response = httpx.post(url, json=query, headers={"x-api-key": made["Key"]}, timeout=30)
        assert response.json() == {"data": {"phoneNumbers": {"totalCount": 1}}}


def test_python_m_gateway_is_the_same_command(tmp_path: Path) -> None:
    module = subprocess.run(
        [str(BIN / "python"), "-m", "gateway", "schema"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert module.stdout == run(tmp_path, "schema").stdout


def test_wrong_setting_is_reported_in_one_line(tmp_path: Path) -> None:
    """test_start_up.py has the other settings and options, without a process for each."""
    result = run(tmp_path, "serve", "--port", "0", AWS_ACCESS_KEY_ID="a")
    assert (result.returncode, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert "AWS_SECRET_ACCESS_KEY" in line
