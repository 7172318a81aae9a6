"""The Dockerfile, without a container engine.

The slow tests carry out its own commands in an empty folder, as an unprivileged user. The others start its commands
with the packages of the test environment.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.support.aws import Aws
from tests.support.processes import BIN, ROOT, environment, free_port, needed

NOBODY = 65532
INSTRUCTIONS = [
    (match[1], match[2].replace("\\\n", " "))
    for match in re.finditer(r"^([A-Z]+) ((?:.*\\\n)*.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
]
# A build needs only these variables of the machine, which say how to reach the package indexes.
PACKAGE_INDEXES = {
    key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_", "NODE_EXTRA_", "npm_config_"))
}
IGNORED = [line[3:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("**/")]


def by_stage() -> dict[str, list[tuple[str, str]]]:
    stages: dict[str, list[tuple[str, str]]] = {}
    for word, text in INSTRUCTIONS:
        if word == "FROM":
            name = text.partition(" AS ")[2]
            stages[name] = []
        stages[name].append((word, text))
    return stages


STAGES = by_stage()


def only(keyword: str) -> str:
    """Return the last instruction of this kind."""
    return [text for word, text in INSTRUCTIONS if word == keyword][-1]


def as_nobody() -> dict[str, Any]:
    """Return the options that run a process as an unprivileged user. Only root needs them, and can use them."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}


def a_python_for_everybody() -> Path:
    """Return a directory with a python3 that an unprivileged user can run, as an image's is."""
    for directory in (Path(sys.base_prefix) / "bin", Path("/usr/local/bin"), Path("/usr/bin")):
        probe = "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"
        command = ["sh", "-c", f"{directory}/python3 -c '{probe}'"]
        if subprocess.run(command, capture_output=True, check=False, **as_nobody()).returncode == 0:
            return directory
    pytest.skip("no Python 3.11 with venv that an unprivileged user can run")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the build, in a folder instead of its WORKDIR. The unprivileged user owns it."""

    instructions: list[tuple[str, str]]
    folder: Path

    @property
    def workdir(self) -> str:
        return next(text for word, text in self.instructions if word == "WORKDIR")

    def carry_out(self, path: str, stages: Mapping[str, "Stage"]) -> None:
        for word, text in self.instructions:
            if word == "COPY":
                *sources, target = text.removeprefix("--from=").split()
                origin = stages[sources.pop(0)] if text.startswith("--from=") else None
                for source in sources:
                    self._copy(origin.here(source) if origin else ROOT / source, self.folder / target)
            elif word == "RUN":
                self._run(text, path)

    def here(self, text: str) -> Path:
        """Return a path in this stage."""
        return Path(text.replace(self.workdir, str(self.folder)))

    def _run(self, text: str, path: str) -> None:
        result = subprocess.run(
            ["sh", "-c", str(self.here(text))],
            cwd=self.folder,
            env=PACKAGE_INDEXES | {"PATH": path, "HOME": str(self.folder / "none")},
            capture_output=True,
            text=True,
            check=False,
            **as_nobody(),
        )
        assert result.returncode == 0, result.stdout + result.stderr

    def _copy(self, source: Path, target: Path) -> None:
        if source.is_dir():
            ignored = None if source.is_relative_to(self.folder.parent) else shutil.ignore_patterns(*IGNORED)
            shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
        if os.getuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    """Return the folder that stands for /app, when the build stages are complete."""
    path = os.pathsep.join(
        [str(a_python_for_everybody()), str(Path(needed("npm", "the image's page")).parent), os.defpath]
    )
    # Not pytest's own folder, which only its owner may enter.
    root = Path(tempfile.mkdtemp(prefix="image-"))
    root.chmod(0o755)
    stages: dict[str, Stage] = {}
    try:
        # The last stage is the image, which only copies from the others.
        for name, instructions in list(STAGES.items())[:-1]:
            folder = root / name
            folder.mkdir()
            if os.getuid() == 0:
                os.chown(folder, NOBODY, NOBODY)
            stages[name] = Stage(instructions, folder)
            stages[name].carry_out(path, stages)
        yield stages["build"].folder
    finally:
        # No test waits until the 25,000 files are removed, which takes seconds.
        Thread(target=shutil.rmtree, args=(root,)).start()


def image_command(executable: str, port: int) -> list[str]:
    """Return the image's start command with another executable, on a loopback port. The last option given counts."""
    [entry_point] = json.loads(only("ENTRYPOINT"))
    assert entry_point == "/app/venv/bin/chime-gateway"
    return [executable, *json.loads(only("CMD")), "--host", "127.0.0.1", "--port", str(port)]


def image_environment(aws: Aws, **variables: str) -> dict[str, str]:
    """Return the image's variables, in front of an account. No folder for files exists."""
    return {
        **dict(pair.split("=", 1) for pair in only("ENV").split()),
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "TMPDIR": "/nonexistent",
        **aws.variables,
        **variables,
    }


def health_check(server: subprocess.Popen[str]) -> list[str]:
    """Return the image's health check of this process, which in a container is the first one."""
    [program] = json.loads(only("HEALTHCHECK").partition("CMD ")[2])
    assert program == "/app/health-check"
    return [str(ROOT / "deploy" / "health-check"), f"/proc/{server.pid}/cmdline"]


def stop_during_a_request(server: subprocess.Popen[str], port: int, aws: Aws) -> None:
    """Send the image's stop signal while a request is in flight. Check its response and the exit code."""
    aws.takes_ms(1000)
    aws.calls.clear()
    with ThreadPoolExecutor() as callers:
        query = {"query": "{ phoneNumbers { totalCount } }"}
        responding = callers.submit(httpx.post, f"http://127.0.0.1:{port}/graphql", json=query, timeout=30)
        while not aws.calls:
            assert server.poll() is None
            time.sleep(0.01)
        server.send_signal(signal.Signals[only("STOPSIGNAL")])
        response = responding.result()
    assert response.json() == {"data": {"phoneNumbers": {"totalCount": 1}}}
    assert server.wait(30) == 0


def test_commands_serve_without_a_folder_for_files_and_shut_down_gracefully(tmp_path: Path, aws: Aws) -> None:
    """This is the smaller version of the slow test below."""
    aws.holds(inventory=1)
    assert only("USER") == f"{NOBODY}:{NOBODY}"
    port = free_port()
    start = image_command(str(BIN / "chime-gateway"), port)
    env = image_environment(aws)
    with subprocess.Popen(start, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert str(port) in server.stdout.readline()
            assert subprocess.run(health_check(server), env=env, check=False).returncode == 0
            stop_during_a_request(server, port, aws)
        finally:
            server.kill()
    assert list(tmp_path.iterdir()) == []


def test_labels_name_the_project_and_take_source_and_revision_from_the_build() -> None:
    """The annotations of the OCI image specification."""
    labels = dict(re.findall(r'org\.opencontainers\.image\.([\w.]+)="([^"]*)"', only("LABEL")))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    *_, last = STAGES.values()
    assert ("ARG", "SOURCE=unknown") in last
    assert ("ARG", "REVISION=unknown") in last
    assert labels == {
        "title": project["name"],
        "description": project["description"],
        "version": project["version"],
        "licenses": project["license"],
        "source": "$SOURCE",
        "revision": "$REVISION",
        "base.name": f"docker.io/library/{only('FROM')}",
    }


def test_python_of_the_image_is_the_newest_that_the_project_names() -> None:
    """Packages are installed by the Python that runs them."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    named = [tuple(map(int, version)) for version in re.findall(r"Python :: (\d+)\.(\d+)", " ".join(classifiers))]
    pythons = [text.split()[0] for word, text in INSTRUCTIONS if word == "FROM" and text.startswith("python:")]
    assert len(pythons) == 2
    assert len(set(pythons)) == 1
    [version] = re.findall(r"python:(\d+)\.(\d+)\.\d+-slim-\w+", pythons[0])
    assert tuple(map(int, version)) == max(named)


def test_last_stage_copies_only_the_packages_of_the_build_and_the_health_check() -> None:
    """Its build stage ends with the removal of the packages that only build."""
    *_, last = STAGES.values()
    copied = ["--from=build /app/venv venv", "deploy/health-check ./"]
    assert [text for word, text in last if word == "COPY"] == copied
    assert "!deploy/health-check" in (ROOT / ".dockerignore").read_text().split()
    word, command = STAGES["build"][-1]
    assert (word, command.split(" ", 1)[0]) == ("RUN", "venv/bin/pip")
    removed = set(command.partition(" uninstall --quiet --yes ")[2].split())
    assert removed >= {"hatchling", "setuptools", "pip"}


@pytest.mark.slow
def test_image_serves_as_a_numeric_user_on_a_read_only_file_system_and_shuts_down_gracefully(
    built: Path, aws: Aws
) -> None:
    aws.holds(inventory=1)
    port = free_port()
    start = image_command(str(built / "venv/bin/chime-gateway"), port)
    env = image_environment(aws, GATEWAY_GRAPHIQL="true")
    for path in (built, *built.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*") if path.exists()}
    with subprocess.Popen(start, cwd=built, env=env, stdout=subprocess.PIPE, text=True, **as_nobody()) as server:
        assert server.stdout is not None
        try:
            assert str(port) in server.stdout.readline()
            assert subprocess.run(health_check(server), env=env, check=False, **as_nobody()).returncode == 0
            page = httpx.get(f"http://127.0.0.1:{port}/graphql", headers={"accept": "text/html"}, timeout=30)
            assert '<div id="graphiql" ' in page.text
            stop_during_a_request(server, port, aws)
        finally:
            server.kill()
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*") if path.exists()} == before


def test_image_does_not_start_without_authentication_and_names_the_settings(tmp_path: Path) -> None:
    """This is `docker run` with credentials for AWS and without authentication."""
    start = [str(BIN / "chime-gateway"), *json.loads(only("CMD")), "--port", "0"]
    env = environment(tmp_path, AWS_REGION="us-east-1", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    result = subprocess.run(start, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert "Set GATEWAY_AUTH to api-key or jwt" in line


@pytest.mark.slow
def test_build_tools_are_not_in_the_image(built: Path) -> None:
    packages = {path.name.lower() for path in built.glob("venv/lib/python*/site-packages/*")}
    assert "gateway" in packages
    assert packages.isdisjoint({"pip", "setuptools", "hatchling", "pytest", "tests"})
    [page] = built.glob("venv/lib/python*/site-packages/gateway/graphiql")
    assert [path.name for path in page.iterdir()] == ["dist"]
