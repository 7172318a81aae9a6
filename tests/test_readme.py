"""The README's words, tried: its query has its answer, its commands work as printed."""

import json
import re
import subprocess
from pathlib import Path

import httpx

from gateway.__main__ import main
from gateway.upstream.resilience.retry import OPERATIONS
from tests.support.processes import BIN, ROOT, environment, started

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_first_query_has_the_answer_that_is_printed(tmp_path: Path) -> None:
    """Over the sample data that `make run` starts with."""
    with started(str(BIN / "chime-gateway"), "dev", "--port", "0", env=environment(tmp_path), lines=1) as dev:
        answer = httpx.post(dev.lines[0].split()[1], json={"query": blocks("graphql")[0]}, timeout=30)
    assert answer.json() == json.loads(blocks("json")[0])


def test_the_answer_in_parts_is_as_printed(tmp_path: Path) -> None:
    [command] = [block for block in blocks("sh") if "curl -N" in block]
    [printed] = [block for block in blocks("text") if "hasNext" in block]
    with started(str(BIN / "chime-gateway"), "dev", "--port", "0", env=environment(tmp_path), lines=1) as dev:
        asked = command.replace("http://127.0.0.1:8000/graphql", dev.lines[0].split()[1])
        answer = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout == printed


def test_the_policy_names_the_four_actions_that_are_called() -> None:
    [statement] = json.loads(blocks("json")[1])["Statement"]
    assert {f"chime:{operation}" for operation in OPERATIONS} == set(statement["Action"])


def test_the_emulators_commands_work_as_printed(tmp_path: Path) -> None:
    start, use = blocks("sh")[-2:]
    command = start.split()
    command[0] = str(BIN / command[0])
    with started(*command, "--port", "0", env=environment(tmp_path), lines=1) as emulator:
        assert "1000 phone numbers, 50 orders" in emulator.lines[0]
        [url] = re.findall(r"http://127\.0\.0\.1:\d+", emulator.lines[0])
        env = environment(tmp_path) | {"PATH": f"{BIN}:{environment(tmp_path)['PATH']}"}
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


def test_readme_explains_every_option_of_the_emulator() -> None:
    section = README.partition("\n## The emulator\n")[2].partition("\n## ")[0]
    options = {option for each in main.commands["emulator"].params for option in each.opts}
    rows = "\n".join(re.findall(r"^\| (`--.+?) \|", section, re.MULTILINE))
    assert options - set(re.findall(r"`(--[a-z-]+)", rows)) == set()


def test_every_option_in_the_readme_exists() -> None:
    options = {option for command in main.commands.values() for each in command.params for option in each.opts}
    listed = set(re.findall(r"`(--[a-z-]+)", README))
    assert len(listed) > 8
    assert listed - options == set()
