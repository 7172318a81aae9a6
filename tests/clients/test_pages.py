"""The texts of the pages: every printed code block is a file that these tests run."""

import json
import re

import pytest

from tests.clients.pages import FOLDER, sources


@pytest.mark.parametrize("page", ["relay", "apollo", "urql"])
def test_every_code_block_is_a_file_that_runs(page: str) -> None:
    text = (FOLDER / page / "README.md").read_text()
    blocks = re.findall(r"^```(?!sh$)\w+$", text, re.MULTILINE)
    assert len(blocks) == len(sources(page)) >= 5


@pytest.mark.parametrize("page", ["relay", "apollo", "urql"])
def test_packages_to_install_equal_the_tested_packages(page: str) -> None:
    text = (FOLDER / page / "README.md").read_text()
    named = re.findall(r"^npm install (?:--save-dev )?(.*)$", text, re.MULTILINE)
    to_install = {package for line in named for package in line.split()}
    manifest = json.loads((FOLDER / "package.json").read_text())
    assert to_install <= manifest["dependencies"].keys() | manifest["devDependencies"].keys()
    imported = set(re.findall(r"^import .* from '((?:@[\w-]+/)?[a-z][\w-]*)(?!:)\b", text, re.MULTILINE))
    assert imported
    assert imported <= to_install
