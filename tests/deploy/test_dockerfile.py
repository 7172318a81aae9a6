"""The Dockerfile, carried out without a container engine: its own commands, in an empty folder, by a nobody."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
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
# What a build needs of the machine's own set-up: how to reach the package indexes, and nothing else.
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
    """Only root can become somebody else; whoever else runs the tests is unprivileged already."""
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
    """One stage of the build, in a folder that stands for its WORKDIR, which nobody owns."""

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
    """Return the folder that stands for /app after the build stages."""
    path = os.pathsep.join(
        [str(a_python_for_everybody()), str(Path(needed("npm", "the image's page")).parent), os.defpath]
    )
    # Not pytest's own folder, which only its owner may enter.
    root = Path(tempfile.mkdtemp(prefix="image-"))
    root.chmod(0o755)
    stages: dict[str, Stage] = {}
    try:
        # The last one is what is shipped, and takes from the others.
        for name, instructions in list(STAGES.items())[:-1]:
            folder = root / name
            folder.mkdir()
            if os.getuid() == 0:
                os.chown(folder, NOBODY, NOBODY)
            stages[name] = Stage(instructions, folder)
            stages[name].carry_out(path, stages)
        yield stages["build"].folder
    finally:
        # 25,000 files, whose end nobody needs to wait for.
        Thread(target=shutil.rmtree, args=(root,)).start()


def test_image_serves_as_a_numeric_user_on_a_read_only_file_system_and_shuts_down_gracefully(
    built: Path, aws: Aws
) -> None:
    aws.holds(inventory=1)
    assert only("USER") == f"{NOBODY}:{NOBODY}"
    start = [*json.loads(only("ENTRYPOINT")), *json.loads(only("CMD"))]
    # The last one given counts: here on the loopback and on a port that is free.
    port = free_port()
    start = [word.replace("/app", str(built)) for word in [*start, "--host", "127.0.0.1", "--port", str(port)]]
    env = dict(pair.split("=", 1) for pair in only("ENV").split()) | {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "TMPDIR": "/nonexistent",
        "GATEWAY_GRAPHIQL": "true",
        **aws.variables,
    }
    for path in (built, *built.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*") if path.exists()}
    with subprocess.Popen(start, cwd=built, env=env, stdout=subprocess.PIPE, text=True, **as_nobody()) as server:
        assert server.stdout is not None
        try:
            assert str(port) in server.stdout.readline()
            check = only("HEALTHCHECK").partition("CMD ")[2].replace("/app", str(built)).replace("8000", str(port))
            assert subprocess.run(json.loads(check), env=env, check=False, **as_nobody()).returncode == 0
            page = httpx.get(f"http://127.0.0.1:{port}/graphql", headers={"accept": "text/html"}, timeout=30)
            assert '<div id="graphiql">' in page.text
            # A request is in flight when the signal arrives, and still gets its response.
            aws.takes_ms(1000)
            with ThreadPoolExecutor() as callers:
                query = {"query": "{ phoneNumbers { totalCount } }"}
                answering = callers.submit(httpx.post, f"http://127.0.0.1:{port}/graphql", json=query, timeout=30)
                while not aws.calls:
                    assert server.poll() is None
                server.send_signal(signal.Signals[only("STOPSIGNAL")])
                answer = answering.result()
            assert answer.json() == {"data": {"phoneNumbers": {"totalCount": 1}}}
            assert server.wait(30) == 0
        finally:
            server.kill()
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*") if path.exists()} == before


def test_image_does_not_start_without_authentication_and_names_the_settings(tmp_path: Path) -> None:
    """`docker run` with credentials for AWS, and nothing that tells who may ask."""
    start = [str(BIN / "chime-gateway"), *json.loads(only("CMD")), "--port", "0"]
    env = environment(tmp_path, AWS_REGION="us-east-1", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    result = subprocess.run(start, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert "set GATEWAY_AUTH to api-key or jwt" in line


def test_build_tools_are_not_in_the_image(built: Path) -> None:
    packages = {path.name.lower() for path in built.glob("venv/lib/python*/site-packages/*")}
    assert "gateway" in packages
    assert packages.isdisjoint({"pip", "setuptools", "hatchling", "pytest", "tests"})
    [page] = built.glob("venv/lib/python*/site-packages/gateway/graphiql")
    assert [path.name for path in page.iterdir()] == ["dist"]
