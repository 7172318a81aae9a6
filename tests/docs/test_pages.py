"""README.md and docs/ are of a readable size, and their links lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.docs.markdown import DOCUMENTS, PAGES, README, anchors, first_cells, links, prose
from tests.support.processes import ROOT

README_BYTES = 6_144
PAGE_BYTES = range(2_000, 8_193)
IMAGE_BYTES = 200_000
LINKED = (
    *DOCUMENTS,
    ROOT / "CHANGELOG.md",
    ROOT / "deploy" / "README.md",
    ROOT / "benchmarks" / "README.md",
    ROOT / "tests" / "federation" / "README.md",
    *sorted((ROOT / "tests" / "clients").glob("*/README.md")),
)


def named(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def test_readme_is_short() -> None:
    assert README.stat().st_size <= README_BYTES


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_page_is_neither_a_stub_nor_a_manual(page: Path) -> None:
    assert page.stat().st_size in PAGE_BYTES


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_page_starts_with_what_the_reader_gets(page: Path) -> None:
    title, blank, first, *_ = page.read_text().splitlines()
    assert title.startswith("# ")
    assert blank == ""
    assert re.match(r"This (page|guide|reference|index) ", first)


@pytest.mark.parametrize("document", LINKED, ids=named)
def test_every_link_and_anchor_resolves(document: Path) -> None:
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    targets = {(index.parent / link.partition("#")[0]).resolve() for page in DOCUMENTS for link in links(page)}
    assert set(PAGES) <= targets | {index}


def test_readme_leads_to_every_page_in_two_steps() -> None:
    assert (ROOT / "docs" / "README.md") in {(ROOT / link).resolve() for link in links(README)}


def test_front_ends_and_federation_link_the_pages_that_are_run() -> None:
    found = set(links(ROOT / "docs" / "front-ends.md")) | set(links(ROOT / "docs" / "federation.md"))
    assert {f"../tests/clients/{page}/README.md" for page in ("relay", "apollo", "urql")} <= found
    assert "../tests/federation/README.md" in found


def test_images_are_small() -> None:
    images = [path for path in (ROOT / "docs" / "images").iterdir() if path.is_file()]
    assert images
    assert all(image.stat().st_size < IMAGE_BYTES for image in images)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_files_that_a_page_names_exist(document: Path) -> None:
    for path in re.findall(r"`((?:gateway|tests|benchmarks|deploy|docs)/[\w./-]+)`", prose(document)):
        assert (ROOT / path).exists(), path


def test_every_file_by_hand_has_its_reason() -> None:
    found = set(re.findall(r"`([\w/]+\.py)`", "\n".join(first_cells(ROOT / "docs" / "by-hand.md"))))
    folders = [ROOT / "gateway" / name for name in ("server", "http", "loaders", "upstream", "shared_state")]
    assert found == {
        path.relative_to(folder).as_posix()
        for folder in folders
        for path in folder.rglob("*.py")
        if path.name != "__init__.py"
    }
