"""A lint of schema.graphql by graphql-eslint, with the rules and exceptions in eslint.config.js."""

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


def test_committed_schema_passes_the_lint() -> None:
    code, output = lint(ROOT)
    assert code == 0, output


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("hasNextPage: Boolean!", "hasNextPage: Boolean", "relay-page-info"),
        ('  """One order. Null if it does not exist. At most one upstream call."""\n', "", "require-description"),
    ],
)
def test_schema_that_breaks_a_rule_fails_the_lint(old: str, new: str, rule: str, tmp_path: Path) -> None:
    schema = (ROOT / "schema.graphql").read_text()
    assert old in schema
    (tmp_path / "schema.graphql").write_text(schema.replace(old, new))
    code, output = lint(tmp_path)
    assert code == 1
    assert rule in output
