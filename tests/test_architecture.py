"""The house as a whole: its import map, its style, its schema, its words."""

import ast
import re
import subprocess
import sys
import tomllib
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
    GraphQLUnionType,
    build_schema,
)

from gateway.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent
CONTRACT = ROOT.parent / "shared" / "contract.graphql"
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
        pytest.param(("lint-imports", "--no-cache"), id="imports run one way"),
    ],
)
def test_the_house_is_in_order(check: tuple[str, ...]) -> None:
    result = run(*check)
    assert result.returncode == 0, result.stdout + result.stderr


def test_only_settings_reads_the_environment() -> None:
    readers = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "gateway").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    ]
    assert set(readers) == {"gateway/settings.py"}


def test_schema_graphql_is_what_the_command_prints() -> None:
    printed = run("chime-gateway", "schema")
    assert printed.returncode == 0, printed.stderr
    assert (ROOT / "schema.graphql").read_text() == printed.stdout, "run: chime-gateway schema > schema.graphql"


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    """schema.graphql, without the federation directives that only composers define."""
    return build_schema((ROOT / "schema.graphql").read_text(), assume_valid=True, assume_valid_sdl=True)


def described_things(schema: GraphQLSchema) -> dict[str, str | None]:
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
                # Federation's own fields, which only routers ask for.
                if field_name in {"_service", "_entities"}:
                    continue
                things[f"{name}.{field_name}"] = field.description
                for argument_name, argument in field.args.items():
                    note(f"{name}.{field_name}({argument_name})", argument)
    return things


def test_every_type_field_argument_and_value_is_described_for_people(schema: GraphQLSchema) -> None:
    things = described_things(schema)
    assert len(things) > 150
    assert [name for name, description in things.items() if not description or len(description) < 8] == []


def signatures(schema: GraphQLSchema) -> set[str]:
    """Each thing that a client may rely on, with its exact type."""
    found: set[str] = set()
    for name, kind in schema.type_map.items():
        if name.startswith("__"):
            continue
        found.add(f"{type(kind).__name__} {name}")
        if isinstance(kind, GraphQLEnumType):
            found |= {f"{name}.{value}" for value in kind.values}
        elif isinstance(kind, GraphQLUnionType):
            found |= {f"{name} = {member.name}" for member in kind.types}
        elif isinstance(kind, GraphQLInputObjectType):
            found |= {f"{name}.{key}: {field.type}" for key, field in kind.fields.items()}
            found.add(f"{name} @oneOf {kind.is_one_of}")
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            found |= {f"{name} implements {interface.name}" for interface in kind.interfaces}
            for key, field in kind.fields.items():
                found.add(f"{name}.{key}: {field.type}")
                found |= {f"{name}.{key}({argument}: {its.type})" for argument, its in field.args.items()}
    return found


@pytest.mark.skipif(not CONTRACT.exists(), reason="the promised schema is not beside this checkout")
def test_the_schema_holds_all_that_the_contract_promises(schema: GraphQLSchema) -> None:
    promised = signatures(build_schema(CONTRACT.read_text()))
    assert len(promised) > 150
    # Lists are promised never to be null, and to fail alone. Both cannot be: what is never null takes `data` along.
    lists = {
        each for each in promised if re.fullmatch(r"\w+\.phoneNumber(Order)?s: PhoneNumber(Order)?Connection!", each)
    }
    assert len(lists) == 7
    assert promised - signatures(schema) == lists
    assert {each.removesuffix("!") for each in lists} <= signatures(schema)


def test_the_readme_lists_every_setting_with_its_default() -> None:
    """Name and default of each row are the code's."""
    rows = re.findall(r"^\| `(GATEWAY_\w+)` \| (.+?) \| (.+?) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    fields = Settings.model_fields
    expected = [
        (
            PREFIX + name.upper(),
            "unset" if field.default is None else f"`{field.default}`",
            field.description,
        )
        for name, field in fields.items()
    ]
    assert rows == expected


def test_what_is_locked_is_locked_with_hashes() -> None:
    for lock in LOCKS:
        pins = re.findall(
            r"^[a-z0-9][^\n]*==[^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
            (ROOT / lock).read_text(),
            re.MULTILINE,
        )
        lines = re.findall(r"^[a-z0-9][^\n]*==", (ROOT / lock).read_text(), re.MULTILINE)
        assert len(pins) == len(lines) > 40, lock


def test_all_locks_agree_on_what_runs() -> None:
    def pins(lock: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9][\w.-]*)==([^ ;\\]+)", (ROOT / lock).read_text(), re.MULTILINE))

    runtime = pins("requirements.lock")
    for lock in LOCKS[1:]:
        assert {name: pins(lock).get(name) for name in runtime} == runtime, lock


def test_every_dependency_is_at_or_above_the_release_that_mended_its_known_holes() -> None:
    floors = {
        "strawberry-graphql": (0, 327, 2),
        "graphql-core": (3, 3, 2),
        "starlette": (1, 3, 1),
        "aiohttp": (3, 14, 4),
        "cryptography": (50, 0, 0),
        "pyjwt": (2, 15, 0),
    }
    for lock in LOCKS:
        locked = dict(re.findall(r"^([a-z0-9][\w.-]*)==([\d.]+)", (ROOT / lock).read_text(), re.MULTILINE))
        assert floors.keys() <= locked.keys(), lock
        below = [name for name, floor in floors.items() if tuple(map(int, locked[name].split("."))) < floor]
        assert below == [], lock


def test_the_version_stands_in_one_place() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert run("chime-gateway", "--version").stdout.strip().endswith(version)
