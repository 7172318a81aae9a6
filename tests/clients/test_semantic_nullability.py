"""Relay's use of `@semanticNonNull`: generated types without null, and errors that are thrown instead."""

import json
import re
from pathlib import Path

from tests.clients.browser import browser
from tests.clients.pages import FOLDER, built, sources
from tests.support.node import installed, node
from tests.support.processes import ROOT

COMPONENT = "PhoneNumberCount"


def generated_types(project: Path, component: str) -> str:
    """Return the types of the response that relay-compiler generates for the query of a component, in one line."""
    modules = installed(FOLDER) / "node_modules"
    (project / "src").mkdir()
    (project / "schema.graphql").write_text((ROOT / "schema.graphql").read_text())
    config = json.loads(sources("relay")["relay.config.json"]) | {"language": "typescript"}
    (project / "relay.config.json").write_text(json.dumps(config))
    (project / "src" / f"{COMPONENT}.tsx").write_text(component)
    compiled = node(project, str(modules / "relay-compiler" / "cli.js"))
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    text = (project / "src" / "__generated__" / f"{COMPONENT}Query.graphql.ts").read_text()
    [types] = re.findall(rf"export type {COMPONENT}Query\$data = (.*?);\nexport", text, re.DOTALL)
    return " ".join(types.split())


def test_fields_that_are_null_only_beside_an_error_have_types_without_null(tmp_path: Path) -> None:
    component = sources("relay")[f"src/{COMPONENT}.jsx"]
    (tmp_path / "thrown").mkdir()
    types = generated_types(tmp_path / "thrown", component)
    assert types == "{ readonly phoneNumbers: { readonly totalCount: number; }; }"
    (tmp_path / "plain").mkdir()
    types = generated_types(tmp_path / "plain", component.replace(" @throwOnFieldError", ""))
    assert "totalCount: number | null | undefined" in types


def test_count_of_the_page_is_shown(gateway_url: str, tmp_path: Path) -> None:
    with browser(built("relay", tmp_path)) as reader:
        reader.visits(gateway_url)
        assert reader.opens(COMPONENT).headings == ["400 numbers"]
