"""A fixture with the GraphiQL page, built from gateway/graphiql."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.http.graphiql_page import BUILT
from tests.support.node import one_at_a_time
from tests.support.processes import needed

SOURCE = BUILT.parent


@pytest.fixture(scope="session")
def built() -> Path:
    """Return the folder of the page after a build like that of `make run`."""
    needed("npm", "building GraphiQL")
    with one_at_a_time(SOURCE):
        subprocess.run([sys.executable, SOURCE / "build.py"], check=True)
    assert (BUILT / "index.html").exists()
    return BUILT
