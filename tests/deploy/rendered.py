"""What deploy/ holds, read as the programs read it that it is for."""

import json
import re
import subprocess
import tomllib
from functools import cache
from typing import Any

import yaml

from gateway.settings import PREFIX, Settings
from tests.support.processes import ROOT, needed

DEPLOY = ROOT / "deploy"
README = (DEPLOY / "README.md").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
# Each by the name of its variable.
SETTINGS = {PREFIX + name.upper(): field for name, field in Settings.model_fields.items()}

Manifest = dict[str, Any]


@cache
def rendered(folder: str = "kubernetes") -> str:
    """Return the manifests of a folder as kustomize hands them to a cluster."""
    kubectl = needed("kubectl", "the Kubernetes example's check")
    command = [kubectl, "kustomize", str(DEPLOY / folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    # A warning is of something that the next release no longer takes.
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def manifests(folder: str = "kubernetes") -> dict[str, Manifest]:
    """Return each rendered manifest of a folder by its kind. There is one of a kind."""
    found = list(yaml.safe_load_all(rendered(folder)))
    by_kind: dict[str, Manifest] = {each["kind"]: each for each in found}
    assert len(by_kind) == len(found)
    return by_kind


def yaml_of(name: str) -> Manifest:
    """Return a YAML file of deploy/."""
    read: Manifest = yaml.safe_load((DEPLOY / name).read_text())
    return read


def dashboard() -> Manifest:
    """Return the dashboard, as Grafana imports it."""
    read: Manifest = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    return read


def instruction(word: str) -> str:
    """Return the Dockerfile's last instruction of this kind, which is the image's."""
    given: list[str] = re.findall(rf"^{word} (.+)$", DOCKERFILE, re.MULTILINE)
    return given[-1]


def seconds_to_drain(environment: Manifest) -> float:
    """How long a gateway with this environment may take to stop."""
    return float(
        environment.get("GATEWAY_SHUTDOWN_TIMEOUT_SECONDS", SETTINGS["GATEWAY_SHUTDOWN_TIMEOUT_SECONDS"].default)
    )
