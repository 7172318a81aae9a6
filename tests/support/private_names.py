"""A search for the private names of libraries that the gateway uses.

A name is private if it begins with an underscore: an attribute, an override or an import. Members of the undocumented
classes below are private as well, if the gateway overrides them or reads them.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

# Classes whose members the documentation does not describe.
UNDOCUMENTED_CLASSES: Final = (
    "aiobotocore.credentials:AioCredentialResolver",
    "aiobotocore.credentials:AioProcessProvider",
    "aiobotocore.httpsession:AIOHTTPSession",
    "aiobotocore.parsers:AioResponseParserFactory",
    "botocore.auth:SigV4Auth",
    "graphql.execution.executor:Executor",
    "graphql.execution.incremental.incremental_executor:IncrementalExecutor",
    "strawberry.types.field:StrawberryField",
    "strawberry.federation.schema:Schema",
    "uvicorn.server:Server",
    "uvicorn.supervisors.multiprocess:Multiprocess",
)
# Undocumented members of objects that a library passes to the gateway, by the library. Only their names are searched.
UNDOCUMENTED_MEMBERS: Final = {
    "botocore": {"session_var_map", "refresh_needed"},
    "graphql": {"background_futures", "complete_stream_item", "create_sub_executor", "streams"},
    "jwt": {"check_key_length"},
    "strawberry": {"DEFINITION_BACKREF", "is_basic_field", "python_name"},
    "uvicorn": {"default_headers", "wait_until_ready"},
}
# Names that a class above has from a documented interface: named tuples.
DOCUMENTED: Final = frozenset({"_asdict", "_fields", "_make", "_replace"})


def private_names(package: Path) -> set[str]:
    """Return the names that a package uses, as `library: name`, or `?: name` for an attribute of an unknown object."""
    modules = [Module(ast.parse(path.read_text()), package.name) for path in sorted(package.rglob("*.py"))]
    homes = {node.name: module for module in modules for node in module.classes}
    found: set[str] = set()
    for module in modules:
        found.update(_imported(module))
        found.update(_read(module))
        for node in module.classes:
            found.update(_used_by_subclass(node, _library_bases(node, module, homes)))
    return found


class Module:
    """One module: its classes, and the paths (`library.module:name`) of the names that it imports from libraries."""

    def __init__(self, tree: ast.Module, package: str) -> None:
        self.tree = tree
        self.classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        self.imports: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self.imports |= {alias.asname or alias.name: alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                self.imports |= {alias.asname or alias.name: f"{node.module}:{alias.name}" for alias in node.names}
        for name, path in list(self.imports.items()):
            if _library(path) == package or _library(path) in sys.stdlib_module_names:
                del self.imports[name]


def _imported(module: Module) -> Iterator[str]:
    for path in module.imports.values():
        if any(_is_private(part) for part in path.replace(":", ".").split(".")):
            yield f"{_library(path)}: {path.replace(':', '.')}"


def _read(module: Module) -> Iterator[str]:
    """Yield the attributes of objects that begin with an underscore, or that are listed as undocumented."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and not _is_self(node.value):
            if _is_private(node.attr):
                yield f"?: {node.attr}"
            for library, members in UNDOCUMENTED_MEMBERS.items():
                if node.attr in members:
                    yield f"{library}: {node.attr}"


def _used_by_subclass(node: ast.ClassDef, bases: list[type]) -> Iterator[str]:
    """Yield the members of library classes that a subclass defines again or reads from itself."""
    used = {each.name for each in ast.walk(node) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    used |= {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute) and _is_self(each.value)}
    for base in bases:
        for member in used & _members(base) - DOCUMENTED:
            if base in _undocumented_classes() or _is_private(member):
                yield f"{_library(base.__module__)}: {member}"


def _library_bases(node: ast.ClassDef, module: Module, homes: dict[str, Module]) -> list[type]:
    """Return the classes of libraries that a class inherits from, also by way of the package's own classes."""
    bases: list[type] = []
    for base in node.bases:
        text = ast.unparse(base).partition("[")[0]
        name = next((each for each in module.imports if f"{text}.".startswith(f"{each}.")), None)
        if text in homes:
            home = homes[text]
            bases += _library_bases(next(each for each in home.classes if each.name == text), home, homes)
        elif name is not None:
            found = _load(module.imports[name], text.removeprefix(name))
            bases += [each for each in getattr(found, "__mro__", ()) if _is_of_a_library(each)]
    return bases


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in DOCUMENTED


def _is_self(node: ast.expr) -> bool:
    text = ast.unparse(node)
    return text in {"self", "cls"} or text.startswith("super(")


def _is_of_a_library(found: type) -> bool:
    return _library(found.__module__) not in sys.stdlib_module_names


def _library(path: str) -> str:
    return path.replace(":", ".").partition(".")[0]


def _load(path: str, attributes: str = "") -> Any:
    """Return the object at `module:name`, or an attribute of it, given as `.name.name`."""
    module, _, name = path.partition(":")
    found: Any = import_module(module)
    for each in filter(None, (name, *attributes.split("."))):
        found = getattr(found, each)
    return found


@cache
def _undocumented_classes() -> frozenset[type]:
    return frozenset(_load(path) for path in UNDOCUMENTED_CLASSES)


@cache
def _members(found: type) -> frozenset[str]:
    """Return the names that a library's class defines or assigns to itself, without those of Python."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(found)))
    assigned = {
        each.attr
        for each in ast.walk(tree)
        if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store) and ast.unparse(each.value) == "self"
    }
    return frozenset(name for name in assigned | set(vars(found)) if not name.startswith("__"))
