"""The cache of docs/front-ends.md in Apollo Client: each associated resource is one object of it."""

import json
import re
from pathlib import Path

from tests.clients.conftest import CONNECTOR
from tests.clients.pages import FOLDER
from tests.support.node import installed, node
from tests.support.processes import ROOT


def test_associated_resource_is_one_object_of_the_cache(gateway_url: str, tmp_path: Path) -> None:
    [block] = re.findall(r"^```js\n(.*?)^```$", (ROOT / "docs" / "front-ends.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "node_modules").symlink_to(installed(FOLDER) / "node_modules")
    (tmp_path / "cache.mjs").write_text(block)
    ran = node(FOLDER, "apollo-cache.mjs", f"{gateway_url}/graphql", str(tmp_path / "cache.mjs"))
    assert ran.returncode == 0, ran.stderr
    read = json.loads(ran.stdout)
    assert read["connectors"] == [f'VoiceConnector:{{"voiceConnectorId":"{CONNECTOR}"}}']
    connector = {"__typename": "VoiceConnector", "voiceConnectorId": CONNECTOR, "name": "Seattle"}
    assert read["targets"] == [connector, connector]


def test_every_associated_resource_has_its_key_in_the_documented_cache() -> None:
    schema = (ROOT / "schema.graphql").read_text()
    keys = re.findall(r'^type (\w+) @key\(fields: "(\w+)"\) \{$', schema, re.MULTILINE)
    assert len(keys) == 5
    page = (ROOT / "docs" / "front-ends.md").read_text()
    assert all(f"{name}: {{ keyFields: ['{key}'] }}" in page for name, key in keys)
    # The gateway adds one field to the key. Everything else belongs to the subgraph that owns the resource.
    for name, key in keys:
        [body] = re.findall(rf"^type {name} .*?\{{\n(.*?)^\}}", schema, re.MULTILINE | re.DOTALL)
        assert re.findall(r"^  (\w+)[:(]", body, re.MULTILINE) == [key, "phoneNumbers"]
