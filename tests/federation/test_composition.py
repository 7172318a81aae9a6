"""The composition of the committed schema.graphql with other subgraphs, by three composers."""

import json
import subprocess
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Composed:
    """The result of a composer: the supergraph, or an empty text if composition failed, and its messages."""

    supergraph: str
    messages: list[str]


Compositions = dict[tuple[str, str], Composed]


@pytest.fixture(scope="module")
def compositions(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Compositions:
    """Return the results of all compositions of this module, by the name of the set of subgraphs and by composer."""
    without_node = subprocess.run(
        [str(BIN / "chime-gateway"), "schema"],
        env=environment(tmp_path_factory.mktemp("home"), GATEWAY_RELAY_NODE_FIELDS="false"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    connectors = (HERE / "voice-connectors.graphql").read_text()
    sets = {
        "the example": {"ours": COMMITTED, "contacts": CONTACTS, "connectors": connectors},
        "contacts alone": {"ours": COMMITTED, "contacts": CONTACTS},
        "two with node": {"ours": COMMITTED, "contacts": NODE_OF_ITS_OWN},
        "another with node": {"ours": without_node, "contacts": NODE_OF_ITS_OWN},
        **{name: {"ours": COMMITTED, "other": other} for name, other in OTHERS.items()},
    }
    ran = node(packages, "compose-each.mjs", standard_input=json.dumps(sets))
    assert (ran.returncode, ran.stderr) == (0, "")
    return {(name, composer): Composed(*result) for name, composer, *result in json.loads(ran.stdout)}


BY_EACH = pytest.mark.parametrize("composer", COMPOSERS)


@BY_EACH
def test_committed_schema_composes_with_the_example_subgraphs_without_messages(
    composer: str, compositions: Compositions
) -> None:
    """There is no error, warning or hint, although contacts also has interface Node, a node type and PageInfo."""
    composed = compositions["the example", composer]
    assert composed.messages == []
    for added in ("contact: Contact", "voiceConnectors: [VoiceConnector!]!", "phoneNumberOrders(", "node("):
        assert added in composed.supergraph


# Cosmo's routers read the costs from their own configuration, which is not part of this supergraph.
@pytest.mark.parametrize("composer", COMPOSERS[:2])
def test_supergraph_keeps_the_declared_costs_for_the_router(composer: str, compositions: Compositions) -> None:
    supergraph = " ".join(compositions["contacts alone", composer].supergraph.split())
    for kept in (
        "totalCount: Int @cost(weight: 20)",
        'slicingArguments: ["first", "last"]',
        "@listSize(assumedSize: 5)",
    ):
        assert kept in supergraph


@BY_EACH
def test_composers_accept_semantic_non_null_and_cosmo_keeps_it(composer: str, compositions: Compositions) -> None:
    composed = compositions["contacts alone", composer]
    assert composed.messages == []
    assert ("@semanticNonNull" in composed.supergraph) is (composer == "@wundergraph/composition")


@BY_EACH
@pytest.mark.parametrize("other", OTHERS)
def test_committed_schema_composes_with_a_subgraph(composer: str, other: str, compositions: Compositions) -> None:
    composed = compositions[other, composer]
    assert "notes: [" in composed.supergraph, composed.messages


@BY_EACH
def test_query_node_can_belong_to_another_subgraph(composer: str, compositions: Compositions) -> None:
    """The setting is needed, because two subgraphs that both have the field do not compose."""
    rejected = compositions["two with node", composer]
    assert rejected.supergraph == ""
    assert any("node" in message for message in rejected.messages)
    composed = compositions["another with node", composer]
    assert composed.messages == []
    assert composed.supergraph.count("node(") == 1


def test_command_uses_the_composer_that_it_is_given_and_fails_if_composition_does(
    compositions: Compositions, packages: Path, tmp_path: Path
) -> None:
    composer = COMPOSERS[1]
    for name, sdl in {"ours": COMMITTED, "contacts": NODE_OF_ITS_OWN}.items():
        (tmp_path / f"{name}.graphql").write_text(sdl)
    subgraphs = {
        name: {"routing_url": f"http://127.0.0.1/{name}", "schema": {"file": f"{name}.graphql"}}
        for name in ("ours", "contacts")
    }
    config, supergraph = tmp_path / "supergraph.json", tmp_path / "supergraph.graphql"
    config.write_text(json.dumps({"subgraphs": subgraphs}))
    ran = node(packages, "compose.mjs", str(config), str(supergraph), composer)
    assert (ran.returncode, supergraph.exists()) == (1, False)
    assert ran.stderr.splitlines() == "\n".join(compositions["two with node", composer].messages).splitlines()
