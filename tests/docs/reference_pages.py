"""The pages of docs/ that are generated from the code: settings and metrics. `make docs` writes them.

A setting's text, type, range and default come from `Settings`, and a metric's from gateway/telemetry/metrics.py.
Units and examples are defined here, because only readers need them.
"""

from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase
from pydantic import AnyHttpUrl, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from gateway.settings import PREFIX, SECRET_FILES, Settings
from gateway.telemetry import metrics

DOCS: Final = Path(__file__).parents[2] / "docs"

# Page, its title, its first sentence, and its settings with a unit ("" if it has none) and an example.
PAGES: Final[dict[str, tuple[str, str, dict[str, tuple[str, str]]]]] = {
    "settings-upstream.md": (
        "Settings: AWS, cache and replicas",
        "This page lists the settings that decide how the gateway calls AWS and what its replicas share.",
        {
            "upstream_api": ("", "chime"),
            "upstream_endpoint_url": ("", "http://127.0.0.1:9000"),
            "upstream_concurrency": ("calls", "32"),
            "upstream_rate_limit": ("calls per second", "10"),
            "replicas": ("processes", "3"),
            "loader_concurrency": ("calls", "8"),
            "request_timeout_seconds": ("seconds", "5"),
            "cache_ttl_seconds": ("seconds", "0"),
            "stale_if_error_seconds": ("seconds", "300"),
            "redis_url": ("", "rediss://redis.example.com:6379/0"),
        },
    ),
    "settings-queries.md": (
        "Settings: queries and paging",
        "This page lists the settings that decide which documents the gateway runs and how far a list may be read.",
        {
            "max_page_size": ("rows", "500"),
            "max_upstream_pages": ("pages", "50"),
            "max_tokens": ("tokens", "3000"),
            "max_depth": ("levels", "20"),
            "max_aliases": ("aliases", "50"),
            "max_root_fields": ("fields", "5"),
            "max_directives": ("directives", "50"),
            "max_cost": ("points", "10000"),
            "trusted_documents": ("", "/etc/gateway/documents.json"),
            "introspection": ("", "true"),
            "graphiql": ("", "true"),
            "relay_node_fields": ("", "false"),
            "cursor_keys": ("", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
        },
    ),
    "settings-access.md": (
        "Settings: callers and browsers",
        "This page lists the settings that decide who may call the gateway, and from which web pages.",
        {
            "router_secret": ("", "3f2a9c51d07e48b6a1c4e5f60718293a"),
            "auth": ("", "api-key"),
            "api_keys": ("", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
            "jwt_jwks_url": ("", "https://id.example.com/.well-known/jwks.json"),
            "jwt_issuer": ("", "https://id.example.com/"),
            "jwt_audience": ("", "chime-gateway"),
            "allow_unauthenticated": ("", "true"),
            "rate_limit_points_per_minute": ("points per minute", "6000"),
            "allowed_hosts": ("", "api.example.com,api.internal"),
            "cors_origins": ("", "https://app.example.com"),
        },
    ),
    "settings-server.md": (
        "Settings: server and operation",
        "This page lists the settings of the HTTP server, of shutdown and of the log.",
        {
            "max_body_bytes": ("bytes", "200000"),
            "compression": ("", "false"),
            "read_timeout_seconds": ("seconds", "5"),
            "keep_alive_timeout_seconds": ("seconds", "75"),
            "shutdown_timeout_seconds": ("seconds", "25"),
            "admin_port": ("", "9090"),
            "ready_while_aws_fails": ("", "false"),
            "slow_request_threshold_seconds": ("seconds", "1"),
            "log_format": ("", "json"),
        },
    ),
}

_INTRODUCTION: Final = """\
# Settings

This page tells you how the gateway reads its settings, and lists all of them. Follow a name for its meaning, the reason
for its default and an example. `make docs` generates these pages from the code.

Settings are environment variables.

- At start, the gateway rejects a wrong value and names its variable. It rejects an unknown `GATEWAY_` variable, too,
  and suggests the nearest known name.
- If one of your settings would have no effect because of another one, the gateway does not start. An example is
  `GATEWAY_API_KEYS` with `GATEWAY_AUTH=jwt`. A default never contradicts your value. If two limits apply, the lower one
  counts.
- An empty variable counts as unset. Whitespace around a value is removed. The same holds for the variables of AWS
  (`AWS_`), OpenTelemetry (`OTEL_`) and proxies, and for the entries of AWS profiles.
- Lists are separated by commas or line breaks.
- A secret can be in a file: see [secrets](#secrets).
- If a Kubernetes Service is called `gateway`, Kubernetes adds variables such as `GATEWAY_SERVICE_HOST` and
  `GATEWAY_PORT=tcp://...` to your pods. The gateway ignores them. `enableServiceLinks: false` keeps them out.
- Credentials, region and profile are AWS's own variables: see [aws](aws.md). Traces use OpenTelemetry's variables: see
  [operations](operations.md#traces).

## Secrets

Each secret can be in a file, as Docker and Kubernetes mount them. Set one of these variables to the file's path:

SECRET_FILES.

- Whitespace around the value is removed, and so is the line break at the end. A list may have an entry on each line.
- If both variables are set, or the file is missing, empty, not UTF-8 or longer than 1 MB, the gateway does not start.
- A file keeps the secret out of the environment. Child processes inherit the environment, and tools show it.
- The gateway reads the files at start only. After you have changed one, restart the gateway, for example by
  `kubectl rollout restart`. API keys and cursor keys are lists, so that the old and the new one work meanwhile.
- Credentials for AWS can be in files, too: see [aws](aws.md).
""".replace("SECRET_FILES", ",\n".join(f"`{name}`" for name in SECRET_FILES))

_METRICS_INTRODUCTION: Final = """\
# Metrics

This page lists every metric that `/metrics` returns for Prometheus, with its labels. `make docs` generates it from the
code. With several workers, one response holds the metrics of all of them.

`graphql_operation` is the operation name in a valid document. The first 100 names count by themselves, and all later
ones as `other`. `aws_operation` is the name of AWS's operation, such as `ListPhoneNumbers`.

[deploy/grafana/dashboard.json](../deploy/grafana/dashboard.json) is a dashboard over these metrics.

| metric | type | labels | meaning |
|---|---|---|---|
"""


def variable(name: str) -> str:
    """Return a setting's environment variable."""
    return PREFIX + name.upper()


def pages() -> Iterator[tuple[str, str]]:
    """Yield the file name and the text of each generated page."""
    yield "settings.md", _INTRODUCTION + "".join(map(_table, PAGES))
    for page, (title, sentence, settings) in PAGES.items():
        entries = "\n".join(_entry(name, *rest) for name, rest in settings.items())
        yield page, f"# {title}\n\n{sentence}\n[settings](settings.md) lists all settings.\n\n{entries}"
    yield "metrics.md", _METRICS_INTRODUCTION + "".join(map(_metric_row, all_metrics()))


def all_metrics() -> list[MetricWrapperBase]:
    """Return the gateway's metrics, in the order of their module."""
    return [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]


def metric_name(metric: MetricWrapperBase) -> str:
    """Return the name by which Prometheus knows a metric."""
    name: str = metric._name  # noqa: SLF001  # No public way to it.
    return f"{name}_total" if isinstance(metric, Counter) else name


def _metric_row(metric: MetricWrapperBase) -> str:
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001  # No public way to them.
    meaning = metric._documentation  # noqa: SLF001  # No public way to it.
    return f"| `{metric_name(metric)}` | {metric._type} | {labels or '-'} | {meaning} |\n"  # noqa: SLF001  # The same.


def _table(page: str) -> str:
    title, _, settings = PAGES[page]
    rows = "".join(
        f"| [`{variable(name)}`]({page}#{variable(name).lower()}) | {_default(Settings.model_fields[name])} |"
        f" {unit or '-'} |\n"
        for name, (unit, _) in settings.items()
    )
    heading = title.removeprefix("Settings: ").capitalize().replace("Aws", "AWS")
    return f"\n## {heading}\n\n| setting | default | unit |\n|---|---|---|\n{rows}"


def _entry(name: str, unit: str, example: str) -> str:
    field = Settings.model_fields[name]
    kind = ", ".join(filter(None, (_kind(field.annotation), _range(field), f"unit: {unit}" if unit else "")))
    return (
        f"## {variable(name)}\n\n{field.description}\n\n"
        f"- Type: {kind}\n- Default: {_default(field)}\n- Example: `{variable(name)}={example}`\n"
    )


def _default(field: FieldInfo) -> str:
    if field.default is None:
        return "unset"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def _kind(annotation: Any) -> str:  # One return for each kind of type.
    if get_origin(annotation) in {Union, UnionType}:
        return _kind(next(each for each in get_args(annotation) if each is not type(None)))
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f"`{each}`" for each in get_args(annotation))
    if get_origin(annotation) is tuple:
        secret = " (secret)" if SecretBytes in get_args(annotation) else ""
        return f"list, separated by commas{secret}"
    names = {bool: "`true` or `false`", int: "integer", float: "number", str: "text", Path: "path of a file"}
    names |= {AnyHttpUrl: "URL", SecretStr: "text (secret)"}
    return names[annotation]


def _range(field: FieldInfo) -> str:
    bounds = {
        sign: getattr(each, sign) for each in field.metadata for sign in ("ge", "gt", "le") if hasattr(each, sign)
    }
    words = {"ge": "at least", "gt": "above", "le": "at most"}
    return ", ".join(f"{words[sign]} {bound:,}" for sign, bound in bounds.items() if bound is not None)


if __name__ == "__main__":
    for file, text in pages():
        (DOCS / file).write_text(text)
