"""The helper program of `credential_process`. It inherits no file from the gateway and ends with it."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.aws import Aws
from tests.support.credential_sources import Program
from tests.support.processes import BIN, Started, environment, started

COMMAND = str(BIN / "chime-gateway")
WORKERS = ["1", "2"]
QUERY = {"query": "{ phoneNumbers(first: 1) { nodes { id } } }"}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def variables(program: Program, aws: Aws) -> dict[str, str]:
    return {
        "AWS_CONFIG_FILE": str(program.config),
        "GATEWAY_UPSTREAM_API": aws.api,
        "GATEWAY_UPSTREAM_ENDPOINT_URL": aws.url,
    }


@contextmanager
def serving(home: Path, program: Program, aws: Aws, workers: str, **given: str) -> Iterator[Started]:
    env = environment(home, **variables(program, aws), **given)
    with started(COMMAND, "serve", "--port", "0", "--workers", workers, env=env, lines=3) as serve:
        yield serve


def until(true: Callable[[], bool]) -> None:
    for _ in range(1500):
        if true():
            return
        time.sleep(0.01)
    pytest.fail("it did not come true")


def runs(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize(("workers", "stop"), [("1", signal.SIGINT), ("2", signal.SIGTERM)])
def test_running_helper_ends_with_the_gateway_and_frees_the_port(
    tmp_path: Path, program: Program, aws: Aws, workers: str, stop: signal.Signals
) -> None:
    """A child of the helper ends as well."""
    program.gives(3)
    env = {"GATEWAY_REQUEST_TIMEOUT_SECONDS": "1"}
    with serving(tmp_path, program, aws, workers, **env) as serve, ThreadPoolExecutor(1) as pool:
        url = serve.lines[0].split()[1]
        child = tmp_path / "child"
        program.does(
            "import subprocess, time\n"
            "slept = subprocess.Popen(['sleep', '600'])\n"
            f"open({str(child)!r}, 'w').write(str(slept.pid))\n"
            "time.sleep(600)\n"
        )
        time.sleep(3.1)
        begun = len(program.runs)
        requested = pool.submit(httpx.post, url, json=QUERY, timeout=30)
        until(lambda: len(program.runs) > begun and child.exists() and child.read_text() != "")
        helpers = [*program.runs[begun:], int(child.read_text())]
        assert all(runs(each) for each in helpers)
        assert serve.stop(stop) == 0
        until(lambda: not any(runs(each) for each in helpers))
        assert requested.result().json()["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAUTHORIZED"
        with socket.create_server(("127.0.0.1", urlsplit(url).port or 0)):
            pass


@pytest.mark.parametrize("workers", WORKERS)
def test_helper_inherits_no_file_descriptor(tmp_path: Path, program: Program, aws: Aws, workers: str) -> None:
    """This covers the gateway's own descriptors and those it was started with. Its stdin and stderr are /dev/null."""
    seen = tmp_path / "seen"
    program.gives(3)
    with serving(tmp_path, program, aws, workers) as serve:
        program.does(
            "import json, os\n"
            "found = {}\n"
            "for each in os.listdir('/proc/self/fd'):\n"
            "    try:\n"
            "        found[each] = os.readlink(f'/proc/self/fd/{each}')\n"
            "    except FileNotFoundError:\n"
            "        pass\n"
            f"open({str(seen)!r}, 'a').write(json.dumps(found) + '\\n')\n"
            "raise SystemExit(3)\n"
        )
        time.sleep(3.1)
        httpx.post(serve.lines[0].split()[1], json=QUERY, timeout=30)
        [descriptors] = [json.loads(line) for line in seen.read_text().splitlines()]
    assert descriptors.pop("0") == descriptors.pop("2") == "/dev/null"
    assert descriptors.pop("1").startswith("pipe:")
    # The script of the program itself.
    assert {path for path in descriptors.values() if not path.startswith(str(tmp_path))} == set()


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("dev", "--port", "0"), ("emulator", "--port", "0")])
def test_sockets_and_files_are_not_inheritable(tmp_path: Path, aws: Aws, command: tuple[str, ...]) -> None:
    env = environment(tmp_path, **aws.variables, AWS_REGION="us-east-1")
    options = () if command[0] == "serve" else ("--db", str(tmp_path / "db"))
    with started(COMMAND, *command, *options, env=env, lines=1) as running:
        if command[0] != "emulator":
            httpx.post(running.lines[0].split()[1], json=QUERY, timeout=30)
        inheritable = []
        for each in Path(f"/proc/{running.process.pid}/fd").iterdir():
            # The gateway may close a socket after it was listed.
            with suppress(FileNotFoundError):
                info = Path(f"/proc/{running.process.pid}/fdinfo/{each.name}").read_text()
                flags = re.findall(r"flags:\s+(\d+)", info)
                if int(each.name) > 2 and not int(flags[0], 8) & os.O_CLOEXEC:
                    inheritable.append(each.readlink())
    assert inheritable == []


def test_stopping_the_gateway_during_startup_ends_the_helper(tmp_path: Path, program: Program, aws: Aws) -> None:
    program.does("import time; time.sleep(600)")
    env = environment(tmp_path, **variables(program, aws))
    starting = subprocess.Popen([COMMAND, "serve", "--port", "0"], env=env, stderr=subprocess.PIPE, text=True)
    with starting:
        until(lambda: len(program.runs) == 1)
        starting.send_signal(signal.SIGTERM)
        assert starting.wait(20) == 128 + signal.SIGTERM
        assert starting.stderr is not None
        assert starting.stderr.read() == ""
    until(lambda: not runs(program.runs[0]))
