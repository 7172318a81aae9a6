"""What is shipped: listed to the last package, each at its locked version and under a licence that is known."""

import json
import re
import subprocess
from typing import Any

import pytest

from tests.processes import ROOT

# Licences that leave whoever runs the gateway free to do so, as packages write them.
KNOWN = re.compile("MIT|Apache|BSD|PSF|Python-2.0|MPL-2.0|ISC")
# multidict declares its licence by a file alone: Apache-2.0.
DECLARED_BY_FILE = {"multidict"}
BUILDS_ONLY = re.compile("uninstall --quiet --yes (.*)")


@pytest.fixture(scope="module")
def components() -> list[dict[str, Any]]:
    """Those of the SBOM that the make target writes."""
    subprocess.run(["make", "sbom"], cwd=ROOT, check=True, capture_output=True, timeout=600)
    listed: list[dict[str, Any]] = json.loads((ROOT / "sbom.json").read_text())["components"]
    return listed


def locked() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9][\w.-]*)==([^ ;\\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def test_what_only_builds_is_left_out_of_the_image_and_of_its_list_alike() -> None:
    in_image, in_list = (BUILDS_ONLY.findall((ROOT / file).read_text()) for file in ("Dockerfile", "Makefile"))
    assert in_image == in_list != []


@pytest.mark.slow
def test_all_that_is_locked_and_shipped_is_listed_at_its_locked_version(components: list[dict[str, Any]]) -> None:
    [only_builds] = BUILDS_ONLY.findall((ROOT / "Makefile").read_text())
    listed = {re.sub("[._]", "-", component["name"]).lower(): component["version"] for component in components}
    expected = {name: version for name, version in locked().items() if name not in only_builds.split()}
    assert listed.items() <= expected.items()
    # The lock is for all platforms, and some need less.
    assert expected.keys() - listed.keys() <= {"colorama", "tzdata", "async-timeout"}


@pytest.mark.slow
def test_every_package_has_a_licence_that_is_known(components: list[dict[str, Any]]) -> None:
    unknown = [
        component["name"]
        for component in components
        if not KNOWN.search(json.dumps(component.get("licenses", ""))) and component["name"] not in DECLARED_BY_FILE
    ]
    assert unknown == []
