"""The plots of the report: throughput by rival, and cost by page size and by inventory."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from benchmarks.rivals.load import Sample
from benchmarks.rivals.queries import QUERIES
from benchmarks.rivals.report import Report
from benchmarks.rivals.servers import HERE

FOLDER: Final = HERE.parent
# Colours of Okabe and Ito, which remain distinct with colour blindness.
COLOURS: Final = {
    "ours": "#0072B2",
    "ours, unshared": "#56B4E9",
    "baseline": "#009E73",
    "naive": "#999999",
    "Hive Gateway": "#E69F00",
    "Tailcall": "#D55E00",
}
# Text is stored as text, and the same figures produce the same file.
STYLE: Final = {"svg.fonttype": "none", "svg.hashsalt": "rivals", "font.size": 9, "axes.spines.top": False}


def draw(report: Report) -> list[Path]:
    """Write the plots and return their paths. Without matplotlib, write none."""
    if not find_spec("matplotlib"):
        report.note("matplotlib is not installed. No plots were drawn.")
        return []
    # Imported by name, because the static checks and a run without plots do not need it.
    mpl = import_module("matplotlib")
    mpl.use("svg")
    with mpl.rc_context({**STYLE, "axes.spines.right": False}):
        return [_throughput(report), _costs(report)]


def _throughput(report: Report) -> Path:
    plt = import_module("matplotlib.pyplot")
    figure, panels = plt.subplots(2, len(QUERIES), figsize=(11, 5), layout="constrained")
    titles = {query.name: f"{query.name}: {query.title}".replace(", every", ",\nevery") for query in QUERIES}
    titles |= {f"hot {query.name}": f"{query.name}: the first page, repeated, caches on" for query in QUERIES}
    for panel, (workload, title) in zip(panels.flat, titles.items(), strict=True):
        servers = report.servers(workload)[::-1]
        rates = [report.median(workload, server, lambda s: s.per_second) for server in servers]
        bars = panel.barh(servers, rates, color=[COLOURS[server] for server in servers])
        panel.bar_label(bars, [f"{rate:,.0f}" for rate in rates], padding=2)
        panel.set_title(title, fontsize=8, loc="left")
        panel.set_xlabel("requests a second, one core")
        panel.margins(x=0.15)
    return _save(figure, "throughput")


def _costs(report: Report) -> Path:
    plt = import_module("matplotlib.pyplot")
    figure, panels = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
    pages, inventories = "numbers on the page, every field", "numbers in the inventory (q3)"
    _lines(panels[0], report.page_sizes, pages, "CPU ms a request", lambda s: s.cpu_ms)
    _lines(panels[1], report.inventories, inventories, "CPU ms a request", lambda s: s.cpu_ms)
    _lines(panels[2], report.inventories, inventories, "upstream calls a request", lambda s: s.calls)
    return _save(figure, "costs")


def _lines(
    panel: Any, costs: dict[str, dict[int, Sample]], across: str, up: str, what: Callable[[Sample], float]
) -> None:
    for server, by in costs.items():
        values = [what(each) for each in by.values()]
        panel.plot(list(by), values, color=COLOURS[server], label=server, marker="o", markersize=3)
    sizes = list(next(iter(costs.values())))
    panel.set(xscale="log", yscale="log", xlabel=across, ylabel=up)
    panel.minorticks_off()
    panel.set_xticks(sizes, [f"{size:,}" for size in sizes])
    panel.yaxis.set_major_formatter("{x:g}")
    panel.legend(fontsize=7, frameon=False)


def _save(figure: Any, name: str) -> Path:
    path = FOLDER / f"{name}.svg"
    figure.savefig(path, metadata={"Date": None})
    # matplotlib writes trailing spaces.
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
    return path
