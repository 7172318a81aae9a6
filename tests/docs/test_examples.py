"""Queries and commands in README.md and docs/ run, and their output is the one that is shown."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.upstream.aws_operations import OPERATION_NAMES
from tests.docs.markdown import DOCUMENTS, Block, blocks
from tests.support.aws import SAMPLE_DAY
from tests.support.processes import BIN, ROOT, environment, started

DOCS = ROOT / "docs"
URL = "http://127.0.0.1:8000/graphql"
HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
KEYS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}


def found(language: str) -> list[tuple[str, Block, Block | None]]:
    """Return the blocks of a language, each with the block of output that directly follows it."""
    pairs: list[tuple[str, Block, Block | None]] = []
    for document in DOCUMENTS:
        each = blocks(document)
        for block, following in zip(each, [*each[1:], None][: len(each)], strict=True):
            if block.language == language:
                follows = re.match(r"\s*```(json|text)\n", block.after) is not None
                pairs.append((document.name, block, following if follows else None))
    return pairs


def page_of(value: object) -> str:
    """Name a case by its page alone."""
    return value if isinstance(value, str) else ""


QUERIES = found("graphql")
CURLS = [(name, block, output) for name, block, output in found("sh") if "curl " in block.text]
SERVES = [(name, block) for name, block, _ in found("sh") if "chime-gateway serve" in block.text]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a gateway over the sample data of one day, because some responses depend on the day."""
    env = environment(tmp_path_factory.mktemp("home"))
    command = [str(BIN / "chime-gateway"), "dev", "--port", "0", "--sample-day", SAMPLE_DAY.isoformat()]
    with started(*command, env=env, lines=1) as process:
        yield process.lines[0].split()[1]


@pytest.mark.parametrize(("page", "query", "output"), QUERIES, ids=page_of)
def test_query_has_the_response_that_is_shown(page: str, query: Block, output: Block | None, dev: str) -> None:
    """If no response is shown, the page states the error's code, or the upstream calls of a query that succeeds."""
    response = httpx.post(dev, json={"query": query.text}, headers={"x-debug-upstream": "1"}, timeout=30).json()
    calls = response.pop("extensions")["upstream"]["calls"]
    if output is not None:
        assert response == json.loads(output.text), page
    elif stated := re.match(r"\s*Upstream calls: (\d+)\.", query.after):
        assert calls == int(stated[1])
        [connection] = response["data"].values()
        assert connection.get("nodes") or connection["facets"]
    else:
        [code] = re.findall(r"\A\s*The code is (\w+)\.", query.after)
        assert [error["extensions"]["code"] for error in response["errors"]] == [code]


def test_administrators_questions_are_ten() -> None:
    headings = re.findall(r"^## .*\?$", (DOCS / "questions.md").read_text(), re.MULTILINE)
    assert len(headings) == len([name for name, _, _ in QUERIES if name == "questions.md"]) == 10


def test_sample_day_of_the_questions_is_the_one_that_is_served() -> None:
    assert f"--sample-day {SAMPLE_DAY}" in (DOCS / "questions.md").read_text()


@pytest.mark.parametrize(("page", "command", "output"), CURLS, ids=page_of)
def test_curl_prints_what_is_shown(page: str, command: Block, output: Block | None, dev: str) -> None:
    assert output is not None, page
    request = command.text.replace(URL, dev)
    printed = subprocess.run(["bash", "-c", request], capture_output=True, text=True, check=True, timeout=60).stdout
    if output.language == "json":
        assert json.loads(printed) == json.loads(output.text)
    else:
        assert printed == output.text


@pytest.mark.parametrize(("page", "command"), SERVES, ids=page_of)
def test_serve_starts_as_shown(page: str, command: Block, tmp_path: Path) -> None:
    """The gateway starts with fake credentials, because it does not call AWS at start."""
    shown = command.text.replace("pip install .\n", "").replace("=HASH", f"={HASH}")
    shown = re.sub("(chime-gateway serve.*)", r"exec \1 --port 0", shown)
    env = environment(tmp_path, **KEYS) | {"PATH": f"{BIN}:{os.defpath}"}
    with started("bash", "-e", "-c", shown, env=env, lines=2) as process:
        assert process.lines[0].startswith("GraphQL   http://"), page
        assert process.lines[1].startswith("Upstream  "), page


def test_line_about_the_upstream_is_as_shown(tmp_path: Path) -> None:
    [shown] = [block.text for block in blocks(DOCS / "aws.md") if block.language == "text"]
    env = environment(tmp_path, **KEYS)
    with started(str(BIN / "chime-gateway"), "serve", "--port", "0", env=env, lines=2) as process:
        assert process.lines[1] == shown.strip()


def test_api_key_command_prints_a_key_and_its_hash(tmp_path: Path) -> None:
    command = [str(BIN / "chime-gateway"), "api-key"]
    printed = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"Key +\S+\nHash +[0-9a-f]{64}\n", printed)


def test_policy_names_the_four_actions_that_are_called() -> None:
    [policy] = [block.text for block in blocks(DOCS / "aws.md") if block.language == "json"]
    [statement] = json.loads(policy)["Statement"]
    assert {f"chime:{operation}" for operation in OPERATION_NAMES} == set(statement["Action"])


def test_commands_of_the_emulator_work_as_shown(tmp_path: Path) -> None:
    start, use = [block.text for block in blocks(DOCS / "emulator.md") if block.language == "sh"][:2]
    command = start.split()
    command[0] = str(BIN / command[0])
    with started(*command, "--port", "0", env=environment(tmp_path), lines=1) as emulator:
        assert "1000 phone numbers, 50 orders" in emulator.lines[0]
        [url] = re.findall(r"http://127\.0\.0\.1:\d+", emulator.lines[0])
        env = environment(tmp_path) | {"PATH": f"{BIN}:{os.defpath}"}
        used = subprocess.run(
            ["bash", "-e", "-c", use.replace("http://127.0.0.1:9000", url)],
            env=env,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
    assert used.stdout.count('"E164PhoneNumber"') == 2 + 1 + 2
    assert '"PhoneNumberOrderId": "abc12345-de67-89f0-123g-h45i678j9012"' in used.stdout
