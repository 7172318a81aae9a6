"""Fixtures with the GraphiQL page, built from gateway/graphiql, and a browser."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from gateway.http.graphiql_page import BUILT
from tests.support.chromium import started_chromium
from tests.support.node import one_at_a_time
from tests.support.processes import BIN, environment, needed, started

SOURCE = BUILT.parent


@pytest.fixture(scope="session")
def built() -> Path:
    """Return the folder of the page after a build like that of `make run`."""
    needed("npm", "building GraphiQL")
    with one_at_a_time(SOURCE):
        subprocess.run([sys.executable, SOURCE / "build.py"], check=True)
    assert (BUILT / "index.html").exists()
    return BUILT


@pytest.fixture(scope="module")
def url(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the gateway like `make run`, and return its URL."""
    assert built.exists()
    env = environment(tmp_path_factory.mktemp("home"))
    with started(str(BIN / "chime-gateway"), "dev", "--port", "0", env=env, lines=1) as dev:
        yield dev.lines[0].split()[1]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with started_chromium("testing GraphiQL in a browser") as browser:
        yield browser
