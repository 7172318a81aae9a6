"""Checks of the repository as a whole: style, types, imports, names, schema, settings and locks."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
)
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.word_rates import word_rates

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "gateway"
MODULES = sorted(PACKAGE.rglob("*.py"))
BIN = Path(sys.executable).parent
LOCKS = (
    "requirements.lock",
    "tests/requirements.lock",
    "benchmarks/requirements.lock",
    "tests/supply/requirements.lock",
)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(("ruff", "check"), id="lint"),
        pytest.param(("ruff", "format", "--check"), id="format"),
        pytest.param(("mypy",), id="types"),
        pytest.param(("lint-imports", "--no-cache"), id="imports"),
    ],
)
def test_static_check_passes(check: tuple[str, ...]) -> None:
    result = run(*check)
    assert result.returncode == 0, result.stdout + result.stderr


def test_only_settings_reads_the_environment() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert readers == {"gateway/settings.py"}


def test_top_level_of_gateway_holds_only_modules_that_belong_to_no_package() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    assert modules == {"__init__", "__main__", "app", "settings", "errors", "context"}


def test_no_two_modules_of_gateway_share_a_basename() -> None:
    names = Counter(path.stem for path in MODULES if path.stem not in {"__init__", "__main__"})
    assert [name for name, count in names.items() if count > 1] == []


def test_no_two_classes_of_gateway_share_a_name() -> None:
    names = Counter(
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_english_of_gateway_keeps_its_word_rates() -> None:
    """Conditions are written with "if", "when" or "unless". Sentences have concrete subjects and one fact each."""
    rates = word_rates(path.read_text() for path in MODULES)
    assert rates.words > 10_000
    assert rates.conditions >= 6, rates
    assert rates.where <= 3, rates
    assert rates.what <= 3, rates
    assert rates.indefinite <= 5, rates
    assert rates.semicolons <= 4, rates


def test_schema_graphql_equals_the_output_of_the_schema_command() -> None:
    printed = run("chime-gateway", "schema")
    assert printed.returncode == 0, printed.stderr
    hint = "run: .venv/bin/chime-gateway schema > schema.graphql"
    assert (ROOT / "schema.graphql").read_text() == printed.stdout, hint


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    """Return the committed schema, not validated: only composers define the federation directives in it."""
    return build_schema((ROOT / "schema.graphql").read_text(), assume_valid=True, assume_valid_sdl=True)


def descriptions(schema: GraphQLSchema) -> dict[str, str | None]:
    """Return the description of each type, field, argument and enum value by its coordinate."""
    things: dict[str, str | None] = {}

    def note(name: str, thing: GraphQLNamedType | GraphQLArgument) -> None:
        things[name] = thing.description

    for name, kind in schema.type_map.items():
        if name.startswith("_") or name in {"String", "Int", "Float", "Boolean", "ID"}:
            continue
        note(name, kind)
        if isinstance(kind, GraphQLEnumType):
            things |= {f"{name}.{value}": member.description for value, member in kind.values.items()}
        if isinstance(kind, GraphQLInputObjectType):
            things |= {f"{name}.{field}": member.description for field, member in kind.fields.items()}
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for field_name, field in kind.fields.items():
                # The federation specification defines these two, and only routers use them.
                if field_name in {"_service", "_entities"}:
                    continue
                things[f"{name}.{field_name}"] = field.description
                for argument_name, argument in field.args.items():
                    note(f"{name}.{field_name}({argument_name})", argument)
    return things


def test_every_type_field_argument_and_enum_value_has_a_description(schema: GraphQLSchema) -> None:
    things = descriptions(schema)
    assert len(things) > 150
    assert [name for name, description in things.items() if not description or len(description) < 8] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_satisfies_the_version_ranges_of_pyproject(lock: str) -> None:
    """The ranges exclude releases with known vulnerabilities. `make lock` has to follow each change of them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ranges = [Requirement(text) for text in project["dependencies"]]
    locked = dict(re.findall(r"^([a-z0-9][\w.-]*)==([^ ;\\]+)", (ROOT / lock).read_text(), re.MULTILINE))
    assert len(ranges) > 15
    assert [str(each) for each in ranges if locked[canonicalize_name(each.name)] not in each.specifier] == []
