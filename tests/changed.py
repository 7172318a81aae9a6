"""A program that prints the tests of what changed since main: python -m tests.changed.

The folders of tests/ mirror those of gateway/, so a file's folder tells its tests. pytest-testmon, which records the
lines that each test runs, does not see gateways in processes of their own, nor files that are not Python.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent

# They tell what else must follow a change of the gateway: schema.graphql, generated pages, names.
OF_ANY_CODE = ("tests/test_architecture.py", "tests/docs/test_reference.py", "tests/test_private_api.py")
# The beginning of a path, and the tests of the files below it. The first that fits counts.
TESTS = {
    "gateway/graphiql/": ("tests/graphiql",),
    "gateway/__main__.py": ("tests/test_command_line.py", *OF_ANY_CODE),
    "gateway/app.py": ("tests/test_command_line.py", *OF_ANY_CODE),
    "gateway/context.py": ("tests/execution", *OF_ANY_CODE),
    "gateway/errors.py": ("tests/execution", *OF_ANY_CODE),
    "gateway/settings.py": ("tests/test_start_up.py", *OF_ANY_CODE),
    "benchmarks/": ("tests/benchmarks", "tests/docs/test_reference.py", "tests/deploy/test_sizing.py"),
    "deploy/": ("tests/deploy", "tests/docs/test_pages.py"),
    "docs/": ("tests/docs",),
    "Dockerfile": ("tests/deploy",),
    "Makefile": ("tests/docs/test_reference.py", "tests/supply"),
    "README.md": ("tests/docs",),
    "CHANGELOG.md": ("tests/docs",),
    "pyproject.toml": ("tests/test_architecture.py", "tests/deploy/test_dockerfile.py"),
    "requirements.lock": ("tests/test_architecture.py",),
    "schema.graphql": ("tests/test_architecture.py", "tests/schema/test_semantic_non_null.py"),
}


def targets(file: str) -> Iterator[str]:
    """Yield the test files and folders for a changed file. Some of them may not exist."""
    path = PurePosixPath(file)
    for beginning, found in TESTS.items():
        if file.startswith(beginning):
            yield from found
            return
    if path.parts[0] == "gateway":
        yield str("tests" / path.parent.relative_to("gateway"))
        yield from OF_ANY_CODE
    elif path.parts[:2] == ("tests", "support"):
        yield from importers(path.with_suffix("").as_posix().replace("/", "."))
    elif path.parts[0] == "tests" and path.name.startswith("test_"):
        yield file
    elif path.parts[0] == "tests" and len(path.parts) > 2:
        yield path.parent.as_posix()


def importers(module: str) -> Iterator[str]:
    """Yield the test files that import this module."""
    for path in ROOT.glob("tests/**/test_*.py"):
        if f"from {module} import" in path.read_text():
            yield path.relative_to(ROOT).as_posix()


def selected(files: Iterable[str]) -> list[str]:
    """Return the tests of all these files that exist, each once, without files whose folder is selected."""
    found = {test for file in files for test in targets(file) if (ROOT / test).exists()}
    return sorted(test for test in found if found.isdisjoint(map(str, PurePosixPath(test).parents)))


def git(*command: str) -> list[str]:
    """Return the lines that a git command prints."""
    return subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def changed_files() -> list[str]:
    """Return the files that differ from where this branch left main: committed, not committed and new."""
    [base] = git("merge-base", "HEAD", "main")
    return [*git("diff", "--name-only", base), *git("ls-files", "--others", "--exclude-standard")]


def main() -> None:
    """Print the tests, one a line. On standard error, say what is not covered."""
    files = changed_files()
    tests = selected(files)
    sys.stderr.write(f"Files that differ from main: {len(files)}. Their tests: {' '.join(tests) or 'none'}\n")
    if "tests/conftest.py" in files:
        sys.stderr.write("All tests use tests/conftest.py, which changed: run make test\n")
    sys.stdout.writelines(f"{test}\n" for test in tests)


if __name__ == "__main__":
    main()
