"""Each setting, metric, error code, command and option has its entry in docs/, and each entry is of the code."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway.app  # noqa: F401  # It imports all packages, so that their error classes are defined.
from gateway.__main__ import main
from gateway.errors import CallerError, GatewayError, HttpError, Throttled, UpstreamError
from gateway.settings import SECRET_FILES, Settings
from tests.docs.markdown import DOCUMENTS, PAGES, anchors, first_cells, prose
from tests.docs.reference_pages import PAGES as SETTINGS_PAGES
from tests.docs.reference_pages import all_metrics, metric_name, pages, variable
from tests.support.processes import ROOT

DOCS = ROOT / "docs"
# Codes of the metrics that no response carries.
METRIC_CODES = {"CLIENT_CLOSED_REQUEST", "OK"}
EXAMPLES = {name: example for _, _, settings in SETTINGS_PAGES.values() for name, (_, example) in settings.items()}
# The examples of settings that have to be set together.
TOGETHER = {
    "api_keys": ("auth", "api_keys"),
    "auth": ("auth", "api_keys"),
    "jwt_jwks_url": ("jwt_jwks_url", "jwt_issuer", "jwt_audience"),
    "jwt_issuer": ("jwt_jwks_url", "jwt_issuer", "jwt_audience"),
    "jwt_audience": ("jwt_jwks_url", "jwt_issuer", "jwt_audience"),
}


@pytest.mark.parametrize(("page", "text"), list(pages()), ids=[name for name, _ in pages()])
def test_generated_page_is_what_the_code_says(page: str, text: str) -> None:
    assert (DOCS / page).read_text() == text, "run: make docs"


def test_every_setting_has_one_entry() -> None:
    listed = [name for _, _, settings in SETTINGS_PAGES.values() for name in settings]
    assert sorted(listed) == sorted(Settings.model_fields)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_of_a_setting_is_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in Settings.model_fields:
        monkeypatch.delenv(variable(each), raising=False)
    for each in TOGETHER.get(name, (name,)):
        monkeypatch.setenv(variable(each), EXAMPLES[each])
    if name.startswith("jwt_"):
        monkeypatch.setenv(variable("auth"), "jwt")
    assert getattr(Settings(), name) is not None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_setting_that_a_page_names_exists(document: Path) -> None:
    known = {*map(variable, Settings.model_fields), *SECRET_FILES, "GATEWAY_SERVICE_HOST", "GATEWAY_PORT"}
    names = set(re.findall(r"\bGATEWAY_[A-Z_]*[A-Z]\b", document.read_text()))
    assert names <= known


def test_every_metric_has_its_entry() -> None:
    rows = set(re.findall(r"`(chime_gateway_\w+)`", "\n".join(first_cells(DOCS / "metrics.md"))))
    assert rows == set(map(metric_name, all_metrics()))
    assert len(rows) > 15


def codes_of(error: type[GatewayError]) -> Iterator[str]:
    code = getattr(error, "code", None)
    if isinstance(code, str):
        yield code
    for each in error.__subclasses__():
        yield from codes_of(each)


def test_every_error_code_has_its_entry() -> None:
    bases: tuple[type[GatewayError], ...] = (CallerError, HttpError, UpstreamError)
    in_classes = {code for base in bases for code in codes_of(base)}
    sources = [*(ROOT / "gateway" / "server").glob("*.py"), ROOT / "gateway" / "execution" / "error_formatter.py"]
    written = {
        code
        for source in sources
        for code in re.findall(r'"((?:GRAPHQL|INTERNAL|BAD|OVER|SHUTTING)[A-Z_]*)"', source.read_text())
    }
    rows = {cell for cell in first_cells(DOCS / "errors.md") if re.fullmatch("[A-Z_]+", cell)}
    assert rows == in_classes | written
    assert len(rows) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_error_code_that_a_page_names_exists(page: Path) -> None:
    rows = {cell for cell in first_cells(DOCS / "errors.md") if re.fullmatch("[A-Z_]+", cell)}
    words = set(re.findall(r"(?<![\w`/])(?:{families})_[A-Z_]+", prose(page)))
    assert words <= rows | METRIC_CODES


def test_sample_error_has_the_real_message() -> None:
    assert f'"message": "{Throttled.message}"' in (DOCS / "errors.md").read_text()


def test_every_option_of_the_emulator_has_its_row() -> None:
    options = {option for each in main.commands["emulator"].params for option in each.opts}
    rows = "\n".join(first_cells(DOCS / "emulator.md"))
    assert options - set(re.findall(r"`?(--[a-z-]+)", rows)) == set()


def test_every_command_and_option_is_described() -> None:
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    for name, command in main.commands.items():
        assert f"chime-gateway {name}" in text
        options = {option for each in command.params for option in each.opts if option.startswith("--")}
        assert {option for option in options if option not in text} == set()


def test_every_command_and_option_that_is_shown_exists() -> None:
    for document in DOCUMENTS:
        for name, rest in re.findall(r"chime-gateway ([a-z][a-z-]+)([^\n`|;]*)", document.read_text()):
            if name not in main.commands:
                # Prose that goes on after the gateway's name.
                continue
            known = {option for each in main.commands[name].params for option in each.opts}
            assert set(re.findall(r"(?<!\w)--[a-z-]+", rest)) <= known, (document.name, name, rest)


def test_every_make_target_is_described() -> None:
    [phony] = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    rows = set(re.findall(r"^`make ([\w-]+)`$", "\n".join(first_cells(DOCS / "contributing.md")), re.MULTILINE))
    assert rows == set(phony.split())


def test_changelog_renames_to_names_that_exist() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    known = {*map(variable, Settings.model_fields), *map(metric_name, all_metrics()), *METRIC_CODES}
    known |= set(first_cells(DOCS / "errors.md"))
    assert len(rows) > 15
    assert [(before, now) for before, now in rows if now not in known or before in known] == []


def test_every_setting_has_an_anchor_on_its_page() -> None:
    for page, (_, _, settings) in SETTINGS_PAGES.items():
        assert {variable(name).lower() for name in settings} <= anchors(DOCS / page)


def test_readme_shows_the_ratios_that_were_measured_last() -> None:
    results = (ROOT / "benchmarks" / "results.md").read_text()
    ratio = r" (?:([\d.]+) x|no cache|not run) \|"
    rows = re.findall(rf"^\| [^|]+ \|{ratio * 3}$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(rows) == 6
    for query, row in zip(("q1", "hot q1", "q2", "hot q2", "q3", "hot q3"), rows, strict=True):
        section = results.partition(f"## {query}:")[2].partition("\n## ")[0]
        servers = {"naive": row[0], "Hive Gateway": row[1], "Tailcall": row[2]}
        for server, shown in servers.items():
            cells = re.findall(rf"^\| {server} +\|(.*)\|$", section, re.MULTILINE)
            assert len(cells) == (1 if shown else 0), (query, server)
            if shown:
                measured = float(cells[0].split("|")[8].strip(" x"))
                assert abs(float(shown) / measured - 1) < 0.05, (query, server)
