"""schema.graphql by graphql-eslint's sets for schemas and for Relay; eslint.config.js has what is off, and why."""

from pathlib import Path

import pytest

from tests.support.node import installed, node
from tests.support.processes import ROOT

FOLDER = Path(__file__).parent


def lint(folder: Path) -> tuple[int, str]:
    modules = installed(FOLDER) / "node_modules"
    config = FOLDER / "eslint.config.js"
    eslint = str(modules / "eslint" / "bin" / "eslint.js")
    result = node(folder, eslint, "--config", str(config), "--max-warnings", "0", "schema.graphql")
    return result.returncode, result.stdout + result.stderr


def test_schema_graphql_passes() -> None:
    code, said = lint(ROOT)
    assert code == 0, said


@pytest.mark.parametrize(
    ("words", "others", "rule"),
    [
        ("hasNextPage: Boolean!", "hasNextPage: Boolean", "relay-page-info"),
        ('  """One order. Null if it does not exist. At most one upstream call."""\n', "", "require-description"),
    ],
)
def test_a_schema_that_breaks_a_rule_does_not(words: str, others: str, rule: str, tmp_path: Path) -> None:
    schema = (ROOT / "schema.graphql").read_text()
    assert words in schema
    (tmp_path / "schema.graphql").write_text(schema.replace(words, others))
    code, said = lint(tmp_path)
    assert code == 1
    assert rule in said
