"""The software bill of materials: it lists every shipped package, at its locked version and under a known licence."""

import json
import re
import subprocess
from typing import Any

import pytest

from tests.support.processes import ROOT, needed

# Licences that allow everybody to run the gateway, in the spelling of the packages.
KNOWN = re.compile("MIT|Apache|BSD|PSF|Python-2.0|MPL-2.0|ISC")
# multidict declares its licence only by a file (Apache-2.0), protobuf by a text of its own (BSD-3-Clause).
DECLARED_OTHERWISE = {"multidict", "protobuf"}
BUILDS_ONLY = re.compile("uninstall --quiet --yes (.*)")


Components = list[dict[str, Any]]


@pytest.fixture(scope="module")
def written() -> tuple[Components, Components]:
    """Return the components of the two files that `make sbom` writes, for the gateway and for its page."""
    needed("npm", "the list of GraphiQL's packages")
    subprocess.run(["make", "sbom"], cwd=ROOT, check=True, capture_output=True, timeout=600)
    gateway, page = (json.loads((ROOT / name).read_text()) for name in ("sbom.json", "sbom-graphiql.json"))
    return gateway["components"], page["components"]


@pytest.fixture(scope="module")
def components(written: tuple[Components, Components]) -> Components:
    return written[0]


@pytest.fixture(scope="module")
def page_components(written: tuple[Components, Components]) -> Components:
    return written[1]


def locked() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9][\w.-]*)==([^ ;\\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def test_build_packages_are_removed_from_the_image_and_from_its_list() -> None:
    in_image, in_list = (BUILDS_ONLY.findall((ROOT / file).read_text()) for file in ("Dockerfile", "Makefile"))
    assert in_image == in_list != []


@pytest.mark.slow
def test_every_shipped_package_is_listed_at_its_locked_version(components: Components) -> None:
    [only_builds] = BUILDS_ONLY.findall((ROOT / "Makefile").read_text())
    listed = {re.sub("[._]", "-", component["name"]).lower(): component["version"] for component in components}
    expected = {name: version for name, version in locked().items() if name not in only_builds.split()}
    assert listed.items() <= expected.items()
    # The lock covers all platforms, and some platforms need fewer packages.
    assert expected.keys() - listed.keys() <= {"colorama", "tzdata", "async-timeout"}


@pytest.mark.slow
def test_every_package_of_the_page_is_listed_at_its_locked_version(page_components: Components) -> None:
    lock = json.loads((ROOT / "gateway" / "graphiql" / "package-lock.json").read_text())["packages"]
    expected = {
        (path.rpartition("node_modules/")[2], package["version"])
        for path, package in lock.items()
        if path and not package.get("dev")
    }
    # npm marks the packages that only build the page.
    listed = {
        (component["purl"].split("/", 1)[1].rpartition("@")[0].replace("%40", "@"), component["version"])
        for component in page_components
        if {"name": "cdx:npm:package:development", "value": "true"} not in component["properties"]
    }
    assert listed == expected
    assert len(expected) > 50


@pytest.mark.slow
def test_every_package_has_a_known_licence(components: Components, page_components: Components) -> None:
    unknown = [
        component["name"]
        for component in (*components, *page_components)
        if not KNOWN.search(json.dumps(component.get("licenses", ""))) and component["name"] not in DECLARED_OTHERWISE
    ]
    assert unknown == []
