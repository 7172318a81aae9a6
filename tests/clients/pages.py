"""The pages for front ends, as their readers use them: each block of code copied to the file that it is headed by."""

import re
from pathlib import Path

from tests.support.node import installed, node
from tests.support.processes import ROOT

FOLDER = Path(__file__).parent
# A file's name opens the line before its code.
_FILE = re.compile(r"^`([\w./]+)`[^\n]*\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sources(page: str) -> dict[str, str]:
    """The files of a page, by their paths."""
    return dict(_FILE.findall((FOLDER / page / "README.md").read_text()))


def built(page: str, project: Path) -> Path:
    """Follow a page in an empty folder, with the packages of this one; gives the bundle that a browser runs."""
    modules = installed(FOLDER) / "node_modules"
    (project / "node_modules").symlink_to(modules)
    (project / "schema.graphql").write_text((ROOT / "schema.graphql").read_text())
    for path, text in sources(page).items():
        (project / path).parent.mkdir(exist_ok=True)
        (project / path).write_text(text)
    if (project / "relay.config.json").exists():
        compiled = node(project, str(modules / "relay-compiler" / "cli.js"))
        assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    if (project / "introspect.mjs").exists():
        introspected = node(project, "introspect.mjs")
        assert introspected.returncode == 0, introspected.stderr
        (project / "src" / "schema.json").write_text(introspected.stdout)
    bundled = node(FOLDER, "bundle.js", str(project))
    assert bundled.returncode == 0, bundled.stderr
    return project / "bundle.mjs"
