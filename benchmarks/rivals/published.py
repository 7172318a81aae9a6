"""The tables of figures in README.md and docs/operations.md, made from results.md.

    python -m benchmarks.rivals.published

The program writes them again from the results that are there. `python -m benchmarks.rivals` does so at its end.
"""

import re
from collections.abc import Iterator
from typing import Final

from benchmarks.rivals.latency import SCENARIOS
from benchmarks.rivals.servers import HERE, ROOT

RESULTS: Final = HERE.parent / "results.md"
README: Final = ROOT / "README.md"
OPERATIONS: Final = ROOT / "docs" / "operations.md"
QUERY_TITLES: Final = {
    "q1": "first 99 numbers, every field",
    "q2": "first 10 numbers, 5 fields",
    "q3": "20 orders, their 100 numbers linked",
}
CACHING_RIVALS: Final = ("Hive Gateway", "Tailcall")
NO_FIGURE: Final = "not run"

Tables = dict[str, dict[str, list[str]]]


def read_results(text: str) -> Tables:
    """Return the cells of results.md by section and by the first cell of the row."""
    tables: Tables = {}
    for section in text.split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        lines = [line.strip("|").split("|") for line in body.splitlines() if line.startswith("|")]
        rows = [[cell.strip() for cell in line] for line in lines]
        # Sections of queries are found by the name of the query.
        tables[re.sub(r"^((?:hot |mix )?q\d):.*", r"\1", title)] = {row[0]: row[1:] for row in rows}
    return tables


def ratios(results: Tables) -> Iterator[str]:
    """Yield the lines of README's table of ratios."""
    yield "| the gateway compared with | a naive Strawberry app | Hive Gateway | Tailcall (cannot sign for AWS) |"
    yield "|---|---|---|---|"
    for query, title in QUERY_TITLES.items():
        varied, hot = results[query], results.get(f"hot {query}", {})
        yield f"| {title} | {' | '.join(_ratio(varied, rival) for rival in ('naive', *CACHING_RIVALS))} |"
        yield f"| the same, repeated | no cache | {' | '.join(_ratio(hot, rival) for rival in CACHING_RIVALS)} |"


def waits(results: Tables) -> Iterator[str]:
    """Yield the lines of README's table of waits."""
    servers = {"ours": "the gateway", "naive": "naive app", "Hive Gateway": "Hive Gateway", "Tailcall": "Tailcall"}
    yield f"| first / later request, calls | {' | '.join(servers.values())} |"
    yield f"|---|{'---|' * len(servers)}"
    for scenario in SCENARIOS:
        section = results.get(f"{scenario.title}, one caller, upstream latency 30 ms", {})
        cells = [_wait(section[server]) if server in section else NO_FIGURE for server in servers]
        yield f"| {scenario.title} | {' | '.join(cells)} |"


def sizing(results: Tables) -> Iterator[str]:
    """Yield the lines of the sizing table in docs/operations.md."""
    yield "| query | requests a second | upstream calls each |"
    yield "|---|---|---|"
    # Sharing between requests depends on the queries that run at the same time, so the last row leaves it out.
    for query, server in (("q2", "ours"), ("q1", "ours"), ("q3", "ours, unshared")):
        row = results[query][server]
        rate, calls = float(row[0].replace(",", "")), float(row[7])
        # Three significant digits.
        yield f"| {QUERY_TITLES[query]} | {float(f'{rate:.3g}'):,.0f} | {calls:.0f} |"


def replaced(text: str, lines: Iterator[str]) -> str:
    """Return the text with a new table in the place of the one with the same first column title.

    Raises:
        ValueError: If the text has no such table.
    """
    new = list(lines)
    start = text.index(f"\n{new[0].partition(' |')[0]} |") + 1
    end = text.index("\n\n", start)
    return text[:start] + "\n".join(new) + text[end:]


def publish(text: str) -> None:
    """Write the tables from the text of results.md."""
    results = read_results(text)
    README.write_text(replaced(replaced(README.read_text(), ratios(results)), waits(results)))
    OPERATIONS.write_text(replaced(OPERATIONS.read_text(), sizing(results)))


def _ratio(section: dict[str, list[str]], rival: str) -> str:
    if rival not in section:
        return NO_FIGURE
    ratio = float(section[rival][8].removesuffix(" x"))
    # Two significant digits.
    return f"{ratio:.{0 if ratio >= 10 else 1 if ratio >= 1 else 2}f} x"


def _wait(cells: list[str]) -> str:
    first_ms, first_calls, later_ms, later_calls = cells
    calls = first_calls if first_calls == later_calls else f"{first_calls} / {later_calls}"
    return f"{first_ms} / {later_ms} ms, {calls}"


if __name__ == "__main__":
    publish(RESULTS.read_text())
