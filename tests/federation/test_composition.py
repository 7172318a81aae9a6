"""The composition of the committed schema.graphql with other subgraphs, by three composers."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.federation.conftest import HERE
from tests.support.node import node
from tests.support.processes import BIN, ROOT, environment

COMPOSERS = ("@apollo/composition", "@theguild/federation-composition", "@wundergraph/composition")
COMMITTED = (ROOT / "schema.graphql").read_text()
CONTACTS = (HERE / "contacts.graphql").read_text()
NODE_OF_ITS_OWN = f"{CONTACTS} extend type Query {{ node(id: ID!): Node nodes(ids: [ID!]!): [Node]! }}"
# Subgraphs as other teams may write them. Each adds notes to one of the gateway's types.
OTHERS = {
    "of federation 1": """
        extend type PhoneNumber @key(fields: "e164PhoneNumber") {
          e164PhoneNumber: E164PhoneNumber! @external
          notes: [String!]!
        }
        scalar E164PhoneNumber
    """,
    "that knows numbers by id": """
        extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
        interface Node { id: ID! }
        type PhoneNumber implements Node @key(fields: "id") { id: ID! notes: [String!]! }
    """,
    "that needs a field of a number's": """
        extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@external", "@requires"])
        type PhoneNumber @key(fields: "e164PhoneNumber") {
          e164PhoneNumber: E164PhoneNumber!
          country: String @external
          notes: [String!]! @requires(fields: "country")
        }
        scalar E164PhoneNumber
    """,
    "of all other entities, which refers to numbers": """
        extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key"])
        type PhoneNumber @key(fields: "e164PhoneNumber", resolvable: false) { e164PhoneNumber: E164PhoneNumber! }
        scalar E164PhoneNumber
        type PhoneNumberOrder @key(fields: "phoneNumberOrderId") { phoneNumberOrderId: ID! notes: [PhoneNumber!]! }
        type ChimeAccount @key(fields: "accountId") { accountId: ID! notes: [PhoneNumber!]! }
        type ChimeUser @key(fields: "userId") { userId: ID! notes: [PhoneNumber!]! }
        type VoiceConnector @key(fields: "voiceConnectorId") { voiceConnectorId: ID! notes: [PhoneNumber!]! }
        type VoiceConnectorGroup @key(fields: "voiceConnectorGroupId") {
          voiceConnectorGroupId: ID!
          notes: [PhoneNumber!]!
        }
        type SipRule @key(fields: "sipRuleId") { sipRuleId: ID! notes: [PhoneNumber!]! }
    """,
}


class Composed:
    """The result of a composer: the supergraph, or an empty text if composition failed, and its messages."""

    def __init__(self, composer: str, folder: Path, packages: Path, **subgraphs: str) -> None:
        configuration: dict[str, object] = {}
        for name, text in subgraphs.items():
            (folder / f"{name}.graphql").write_text(text)
            file = {"file": f"{name}.graphql"}
            configuration[name] = {"routing_url": f"http://127.0.0.1/{name}", "schema": file}
        config, supergraph = folder / "supergraph.json", folder / "supergraph.graphql"
        config.write_text(json.dumps({"subgraphs": configuration}))
        ran = node(packages, "compose.mjs", str(config), str(supergraph), composer)
        self.messages = ran.stderr
        self.supergraph = supergraph.read_text() if supergraph.exists() else ""
        assert ran.returncode == (0 if self.supergraph else 1), self.messages


BY_EACH = pytest.mark.parametrize("composer", COMPOSERS)


@BY_EACH
def test_committed_schema_composes_with_the_example_subgraphs_without_messages(
    composer: str, tmp_path: Path, packages: Path
) -> None:
    """There is no error, warning or hint, although contacts also has interface Node, a node type and PageInfo."""
    connectors = (HERE / "voice-connectors.graphql").read_text()
    composed = Composed(composer, tmp_path, packages, ours=COMMITTED, contacts=CONTACTS, connectors=connectors)
    assert composed.messages == ""
    for added in ("contact: Contact", "voiceConnectors: [VoiceConnector!]!", "phoneNumberOrders(", "node("):
        assert added in composed.supergraph


# Cosmo's routers read the costs from their own configuration, which is not part of this supergraph.
@pytest.mark.parametrize("composer", COMPOSERS[:2])
def test_supergraph_keeps_the_declared_costs_for_the_router(composer: str, tmp_path: Path, packages: Path) -> None:
    composed = Composed(composer, tmp_path, packages, ours=COMMITTED, contacts=CONTACTS)
    supergraph = " ".join(composed.supergraph.split())
    for kept in (
        "totalCount: Int @cost(weight: 20)",
        'slicingArguments: ["first", "last"]',
        "@listSize(assumedSize: 5)",
    ):
        assert kept in supergraph


@BY_EACH
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_committed_schema_composes_with_a_subgraph(composer: str, other: str, tmp_path: Path, packages: Path) -> None:
    composed = Composed(composer, tmp_path, packages, ours=COMMITTED, other=other)
    assert "notes: [" in composed.supergraph, composed.messages


@BY_EACH
def test_query_node_can_belong_to_another_subgraph(composer: str, tmp_path: Path, packages: Path) -> None:
    """The setting is needed, because two subgraphs that both have the field do not compose."""
    rejected = Composed(composer, tmp_path, packages, ours=COMMITTED, contacts=NODE_OF_ITS_OWN)
    assert rejected.supergraph == ""
    assert "node" in rejected.messages
    ours = subprocess.run(
        [str(BIN / "chime-gateway"), "schema"],
        env=environment(tmp_path, GATEWAY_RELAY_NODE_FIELDS="false"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    composed = Composed(composer, tmp_path, packages, ours=ours, contacts=NODE_OF_ITS_OWN)
    assert composed.messages == ""
    assert composed.supergraph.count("node(") == 1
