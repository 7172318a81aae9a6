"""The pages for front ends, followed by copying each code block to the file that its heading names."""

import re
from pathlib import Path

from tests.support.node import installed, node
from tests.support.processes import ROOT

FOLDER = Path(__file__).parent
# The line before a code block starts with the name of its file.
_FILE = re.compile(r"^`([\w./]+)`[^\n]*\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sources(page: str) -> dict[str, str]:
    """Return the files of a page by their paths."""
    return dict(_FILE.findall((FOLDER / page / "README.md").read_text()))


def built(page: str, project: Path) -> Path:
    """Follow a page in an empty folder, with the packages of this one, and return the bundle for the browser."""
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
