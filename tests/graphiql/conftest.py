"""The page as it is built from gateway/graphiql."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.edge.graphiql import BUILT
from tests.processes import needed

SOURCE = BUILT.parent


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of the built page, brought up to date as `make run` does it."""
    needed("npm", "building GraphiQL")
    subprocess.run([sys.executable, SOURCE / "build.py"], check=True)
    assert (BUILT / "index.html").exists()
    return BUILT
