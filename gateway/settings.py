"""Environment -> frozen Settings: every limit with its unit, its default and the reason for it.

Only this file reads the environment. AWS's own variables (credentials, region, profile) are not settings of ours:
botocore reads them, and gateway/upstream/aws/config_checks.py checks them at start.
"""

import base64
import binascii
import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AnyHttpUrl, Field, SecretBytes, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gateway.auth.origin import DEFAULT_PORTS, read_authority, read_origin
from gateway.errors import ConfigurationError
from gateway.telemetry.otel_config import read_otel_variables

PREFIX = "GATEWAY_"
# 256 bits: what AES-256 takes.
CURSOR_KEY_BYTES = 32


# The variables that the gateway and its libraries read. urllib takes the proxies' names in either case.
_READ = re.compile(
    "(AWS|GATEWAY|OTEL)_.+|(HTTP|HTTPS|NO|ALL)_PROXY|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|BOTO_CONFIG",
    re.IGNORECASE,
)
# Kubernetes sets these, `NAME=value`, in containers, for a Service called `gateway` or `gateway-...` (service links).
_SERVICE_LINK = re.compile(
    r"GATEWAY_(\w+_)?(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=.*|PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)=.*"
    r"|PORT(_\d+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://.*)"
)


def tidy_environment() -> None:
    """Remove the variables that are set but empty, and the whitespace around the other values.

    Libraries read the environment themselves, and most of them take an empty value for a value: botocore stops
    verifying certificates if AWS_CA_BUNDLE is empty. So the process's own environment is changed, before they read it.
    Worker processes inherit the result.
    """
    for name, value in list(os.environ.items()):
        if _READ.fullmatch(name) is None:
            continue
        if not value.strip():
            del os.environ[name]
        elif value != value.strip():
            os.environ[name] = value.strip()


def variables(pattern: str) -> dict[str, str]:
    """Return the environment's variables whose whole name matches a regular expression, in any case."""
    return {name: value for name, value in os.environ.items() if re.fullmatch(pattern, name, re.IGNORECASE)}


class Settings(BaseSettings):
    """What an operator may set, each as an environment variable `GATEWAY_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, str_strip_whitespace=True
    )

    upstream_api: Literal["chime-sdk-voice", "chime"] = Field(
        default="chime-sdk-voice",
        description="Generation of the upstream API. AWS's support of `chime` ended on 2026-02-20, so the live one "
        "is the default.",
    )
    upstream_endpoint_url: AnyHttpUrl | None = Field(
        default=None,
        description="URL asked in place of AWS's own endpoint, such as the emulator's. Unset: the endpoint that AWS "
        "publishes for the region.",
    )
    upstream_concurrency: int = Field(
        default=64,
        ge=1,
        le=1024,
        description="Upstream calls, and so connections, that one process has open at once. 64 hung calls still fit "
        "in the smallest usual limit of 256 open files.",
    )
    upstream_rate_limit: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Upstream calls a second, at most: the account's quota, or what of it is not left to others. "
        "Replicas keep to it together in `GATEWAY_REDIS_URL`, or each to its share. Unset: no limit until AWS "
        "throttles, and then as much as it takes.",
    )
    replicas: int = Field(
        default=1,
        ge=1,
        description="Gateways, at most, among which `GATEWAY_UPSTREAM_RATE_LIMIT` and "
        "`GATEWAY_RATE_LIMIT_POINTS_PER_MINUTE` are shared out where they cannot be counted together in "
        "Redis. Each takes its part, and each of its workers a part of that.",
    )
    loader_concurrency: int = Field(
        default=16,
        ge=1,
        le=1024,
        description="Single records that one request fetches at once. A quarter of the process's upstream calls, so "
        "that one request leaves room for others.",
    )
    request_timeout_seconds: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="Seconds that one request may take, upstream calls and their retries included. Front ends and load "
        "balancers commonly give up after 30; three attempts fit in 10.",
    )
    max_page_size: int = Field(
        default=1000,
        ge=1,
        le=10_000,
        description="Rows that `first` or `last` may ask for. 1,000 rows are 11 upstream calls and half a megabyte of "
        "JSON.",
    )
    max_upstream_pages: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="Upstream pages that one field may walk for `last`, `before` or `totalCount`. 20 pages of 99 cover "
        "1,980 rows, within the deadline at 500 ms a page.",
    )
    max_tokens: int = Field(
        default=1500,
        ge=1,
        description="Tokens of a document, and as many comments. GraphQL Armor allows 1,000, Apollo Router 15,000; at "
        "1,500 no document takes longer than 0.2 s to be read.",
    )
    max_depth: int = Field(
        default=12,
        ge=1,
        description="Fields within fields, `ofType` apart. The numbers of the connectors of an order's numbers are 9 "
        "to 11 deep, the usual introspection 6. GraphQL Armor allows 6, Apollo Router's example 100.",
    )
    max_aliases: int = Field(
        default=30,
        ge=0,
        description="Aliases of an operation, counted as often as their fragment is spread. As many as in Apollo "
        "Router's example; GraphQL Armor allows 15.",
    )
    max_root_fields: int = Field(
        default=10,
        ge=1,
        description="Fields of the root type in an operation. There are eight, so that only repeating one takes more. "
        "Apollo Router's example allows 20.",
    )
    max_directives: int = Field(
        default=20,
        ge=0,
        description="Directives of an operation, counted as often as their fragment is spread. Front ends write a few; "
        "GraphQL Armor allows 50.",
    )
    max_cost: int = Field(
        default=5000,
        ge=1,
        description="Points of an operation: one for each record that it may be answered, and for each upstream call. "
        "Four pages of 1,000 fit. GraphQL Armor allows 5,000 as well, of points like these.",
    )
    trusted_documents: Path | None = Field(
        default=None,
        description="File of the only documents that are run, by their ids: Relay's persisted queries or Apollo's "
        "manifest. For front ends whose documents are known when they are built. Unset: any document within the "
        "limits is run.",
    )
    introspection: bool | None = Field(
        default=None,
        description="Whether the schema may be asked for, and mistakes be answered with what was perhaps meant. Unset: "
        "`dev` does, `serve` does not. `_service`, which routers ask, is always answered. Apollo Server has it off in "
        "production.",
    )
    graphiql: bool | None = Field(
        default=None,
        description="Whether browsers are shown GraphiQL at /graphql. Unset: `dev` shows it, `serve` does not, since "
        "what programs call needs no page. With a router's secret set it is never shown.",
    )
    relay_node_fields: bool = Field(
        default=True,
        description="Whether `Query` has `node` and `nodes`. A supergraph takes them from one subgraph alone, so turn "
        "them off where another has them.",
    )
    router_secret: SecretStr | None = Field(
        default=None,
        description="Secret that every request to `/graphql` must carry in its header `x-router-secret`, so that only "
        "a router that knows it may ask: 16 or more ASCII characters without spaces, too many to guess. Unset: no "
        "router is needed.",
    )
    auth: Literal["none", "api-key", "jwt"] = Field(
        default="none",
        description="How callers say who they are: `api-key`, `jwt`, or `none`, with which anyone may ask, and so, "
        "unless a router's secret is set, the gateway listens on this machine alone.",
    )
    api_keys: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None,
        repr=False,
        description="SHA-256 hashes of the API keys that are taken, in hex, with commas between them; `chime-gateway "
        "api-key` makes a key and its hash. Several, so that each caller has its own, and an old one goes on while its "
        "follower is handed out.",
    )
    jwt_jwks_url: AnyHttpUrl | None = Field(
        default=None,
        description="URL of the JWKS with the public keys of the tokens' issuer: https, or on this machine, as whoever "
        "could change the keys would be let in. Fetched anew every 5 minutes, so that a key withdrawn is soon refused.",
    )
    jwt_issuer: str | None = Field(
        default=None,
        min_length=1,
        description="`iss` that every token must have, to the letter: another issuer's tokens are not meant for here.",
    )
    jwt_audience: str | None = Field(
        default=None,
        min_length=1,
        description="`aud` that every token must have, so that none is taken that the same issuer made for another "
        "service.",
    )
    allow_unauthenticated: bool = Field(
        default=False,
        description="Whether the gateway may listen beyond this machine where anyone may ask. Whoever reaches it then "
        "reads the account's numbers, so it is off, and its name says what it does.",
    )
    rate_limit_points_per_minute: int | None = Field(
        default=None,
        ge=1,
        description="Points that each caller may spend a minute: what its operations are estimated at, and 1 for what "
        "is refused; past them it is answered 429. Where anyone may ask all are one caller. Replicas count together in "
        "`GATEWAY_REDIS_URL`, or each its share. Unset: no limit, as one gateway's load is no measure for another's.",
    )
    cache_ttl_seconds: float = Field(
        default=2.0,
        ge=0,
        le=3600,
        description="Seconds for which an upstream answer is answered again without asking; a record that is not "
        "there, for a quarter of them. 2 s take in what front ends ask at once and again, and nobody notices them. "
        "0: none.",
    )
    stale_if_error_seconds: float = Field(
        default=0.0,
        ge=0,
        le=86_400,
        description="Seconds past its time for which an answer stands in for an upstream that fails (RFC 5861's "
        "`stale-if-error`); `extensions` then say so. 0: a fault is answered as it is.",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="URL of a Redis or Valkey in which the replicas over one account share answers, upstream rate and "
        "callers' limits: `redis://` or `valkey://`, by TLS `rediss://` or `valkeys://`, with user, password and "
        "database where it has them. It is never needed: while it is away or slow, each process goes on by itself. "
        "Unset, or `memory://`: none.",
    )
    allowed_hosts: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None,
        description="Names, without ports and separated by commas, that a request's `Host` may have, like Django's "
        "`ALLOWED_HOSTS`: a page elsewhere could ask by a name of its own that points here. `/healthz` and `/readyz` "
        "take any. Unset: any, but on a loopback address, where anyone may ask, `localhost`, `127.0.0.1` and `[::1]` "
        "alone.",
    )
    cors_origins: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None,
        description="Origins, such as `https://app.example.com`, separated by commas, whose pages may ask and read the "
        "answers (CORS). Each is written out: a wildcard would let in any site. The port may be left out if it is the "
        "scheme's default. Unset: only the gateway's own.",
    )
    max_body_bytes: int = Field(
        default=1_000_000,
        ge=1_000,
        le=100_000_000,
        description="Bytes that a request's body may have. nginx takes 1 MB; a query with its variables has a few kB.",
    )
    read_timeout_seconds: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="Seconds in which a request's head must have come in, and then its body. Both mostly take "
        "milliseconds; 10 s leave 1 MB to a line of 1 Mbit/s, and nginx's 60 s an attacker six times the sockets.",
    )
    keep_alive_timeout_seconds: float = Field(
        default=15.0,
        gt=0,
        le=3600,
        description="Seconds that a connection may be silent, before and between requests: nginx has 75. Behind a load "
        "balancer that reuses connections, set it above the balancer's own (AWS's have 60), which must be the first to "
        "close.",
    )
    shutdown_timeout_seconds: int = Field(
        default=20,
        ge=0,
        le=3600,
        description="Seconds that requests under way get after SIGTERM; those still hung then are ended. Twice the "
        "default deadline, and under the 30 after which Kubernetes kills.",
    )
    admin_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port that `/metrics` and `/readyz` are on, and `/healthz` as well; 0 takes a free one. Unset: the "
        "main port, where they are open to whoever reaches it. They hold no secrets, but tell names of operations and "
        "how much is asked.",
    )
    slow_request_threshold_seconds: float = Field(
        default=2.0,
        gt=0,
        description="Seconds from which on a request is warned of in the log, with what it cost upstream. A page takes "
        "tenths of a second from AWS; a walk over 20 pages, which is slow by nature, two and more.",
    )
    log_format: Literal["json", "console"] | None = Field(
        default=None,
        description="Form of the log on standard error: `json` for programs, `console` for people. Unset: `json` from "
        "`serve`, `console` from `dev`.",
    )
    cursor_keys: Annotated[tuple[SecretBytes, ...] | None, NoDecode] = Field(
        default=None,
        description="Keys that seal cursors, separated by commas, each 32 random bytes in base64. The first seals and "
        "all open: give a new one to every replica behind the others, then in front, and take the former one out a day "
        "later. Unset: a random key for each start; cursors end with it, and no other replica takes them.",
    )

    @property
    def traces(self) -> bool:
        """Whether traces are sent: whether OpenTelemetry's own variables, which its SDK reads itself, say where to."""
        return read_otel_variables().traces

    @property
    def allows_anonymous(self) -> bool:
        """Whether whoever reaches the gateway is answered. A router that knows a secret answers for its callers."""
        return self.auth == "none" and self.router_secret is None

    @field_validator("api_keys", "allowed_hosts", "cors_origins", mode="before")
    @classmethod
    def _listed(cls, given: object) -> object:
        return tuple(each.lower() for each in _listed(given)) if isinstance(given, str) else given

    @field_validator("upstream_endpoint_url")
    @classmethod
    def _is_a_place(cls, url: AnyHttpUrl | None) -> AnyHttpUrl | None:
        if url is not None and (url.username or url.password or url.query or url.fragment):
            raise ValueError("scheme, host, port and path are all it may hold")
        return url

    @field_validator("router_secret")
    @classmethod
    def _fits_in_a_header(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not re.fullmatch("[!-~]{16,}", secret.get_secret_value()):
            raise ValueError("16 or more ASCII characters without spaces are needed")
        return secret

    @field_validator("api_keys")
    @classmethod
    def _are_hashes(cls, hashes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if hashes is not None and not (hashes and all(re.fullmatch("[0-9a-f]{64}", each) for each in hashes)):
            raise ValueError("SHA-256 hashes of keys are needed, of 64 hex digits each, with commas between them")
        return hashes

    @field_validator("jwt_jwks_url")
    @classmethod
    def _cannot_be_changed_on_its_way(cls, url: AnyHttpUrl | None) -> AnyHttpUrl | None:
        if url is not None and url.scheme != "https" and url.host not in {"localhost", "127.0.0.1", "[::1]"}:
            raise ValueError("https is needed, but for a URL on this machine")
        return url

    @field_validator("redis_url", mode="before")
    @classmethod
    def _as_redis_says_it(cls, url: object) -> object:
        if not isinstance(url, str):
            return url
        return None if url in {"", "memory://"} else re.sub("^valkey(?=s?://)", "redis", url)

    @field_validator("redis_url")
    @classmethod
    def _is_a_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _names_a_redis(url.get_secret_value()):
            raise ValueError("redis://host:6379/0 is needed, or rediss://; a query may hold redis-py's ssl_ options")
        return url

    @field_validator("allowed_hosts")
    @classmethod
    def _are_names(cls, hosts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        # A name is good on any port, so a default port that is written adds nothing.
        read = [read_authority(host) for host in hosts or ()]
        if not all(host is not None and host.port in {None, *DEFAULT_PORTS.values()} for host in read):
            raise ValueError("names such as api.example.com are needed, without ports, separated by commas")
        return hosts

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if not all(read_origin(origin) for origin in origins or ()):
            raise ValueError("origins such as https://app.example.com are needed, separated by commas")
        return origins

    @field_validator("cursor_keys", mode="before")
    @classmethod
    def _keys_in_base64(cls, keys: Any) -> Any:
        return tuple(map(_key_in_base64, _listed(keys))) if isinstance(keys, str) else keys

    @model_validator(mode="after")
    def _goes_together(self) -> "Settings":
        needed = {"none": (), "api-key": ("api_keys",), "jwt": ("jwt_jwks_url", "jwt_issuer", "jwt_audience")}
        missing = [_variable(name) for name in needed[self.auth] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{_variable('auth')}={self.auth} needs {', '.join(missing)}")
        # Whoever has set one of these means to keep others out.
        idle = [_variable(name) for names in needed.values() for name in names if getattr(self, name) is not None]
        if self.auth == "none" and idle:
            raise ValueError(f"{', '.join(idle)}: without effect, and anyone may ask, until {_variable('auth')} is set")
        return self


def read_settings(**given: Any) -> Settings:
    """Read the environment; what is given goes before it.

    Raises: Misconfigured, naming each wrong variable and what it may be, OpenTelemetry's among them.
    """
    tidy_environment()
    wrong = [*map(_unknown, _unknown_variables()), *map(_unprintable, _unprintable_variables())]
    if wrong:
        raise ConfigurationError("; ".join(wrong))
    read_otel_variables()
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigurationError("; ".join(map(_wrong, error.errors()))) from None


def for_development(settings: Settings) -> Settings:
    """The same settings, with introspection and GraphiQL on where nothing else is said."""
    unset = [name for name in ("introspection", "graphiql") if getattr(settings, name) is None]
    return settings.model_copy(update=dict.fromkeys(unset, True))


def _unknown_variables() -> list[str]:
    known = set(map(_variable, Settings.model_fields))
    return sorted(
        name
        for name, value in variables(f"{PREFIX}.*").items()
        if name.upper() not in known and not _SERVICE_LINK.fullmatch(f"{name}={value}")
    )


def _unknown(name: str) -> str:
    near = get_close_matches(name.upper(), map(_variable, Settings.model_fields), n=1)
    return f"{name}: there is no such setting" + (f"; did you mean {near[0]}?" if near else "")


def _unprintable_variables() -> list[str]:
    # Lists may be written with line breaks between their entries.
    held = variables(f"({PREFIX}|OTEL_).*")
    lists = ("api_keys", "allowed_hosts", "cors_origins", "cursor_keys")
    several_lines = set(map(_variable, lists))
    return sorted(name for name, value in held.items() if not value.isprintable() and name.upper() not in several_lines)


def _unprintable(name: str) -> str:
    return f"{name}: the value has a control character, a line break or a byte that is not UTF-8"


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _wrong(error: ErrorDetails) -> str:
    """One wrong variable in words, with its value unless that is a secret, or may be one in a wrong place."""
    if not error["loc"]:
        # Several together: their values are all of the settings.
        return error["msg"].removeprefix("Value error, ")
    name = str(error["loc"][0])
    shown = "" if "secret" in name or "keys" in name or name == "redis_url" else f" (it is {error['input']!r})"
    return f"{_variable(name)}: {error['msg']}{shown}"


def _listed(text: str) -> list[str]:
    """Return the entries of a comma list. A comma at the end, or two in a row, add no empty entry.

    Raises: ValueError if there is none.
    """
    entries = [each.strip() for each in text.split(",") if each.strip()]
    if not entries:
        raise ValueError("at least one entry is needed")
    return entries


def _names_a_redis(url: str) -> bool:
    parts = urlsplit(url)
    try:
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:  # No port; its words hold what stands there, which may be of a password.
        return False
    return (
        has_place
        and parts.scheme in {"redis", "rediss"}
        and re.fullmatch(r"(/\d*)?", parts.path) is not None
        and all(name.startswith("ssl_") for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    )


def _key_in_base64(text: str) -> SecretBytes:
    # Both alphabets are common, and padding is often cut off.
    written = text.strip().translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        key = base64.b64decode(written + "=" * (-len(written) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != CURSOR_KEY_BYTES:
        raise ValueError(
            f"each key must be {CURSOR_KEY_BYTES} bytes in base64, such as `openssl rand -base64 32` prints"
        )
    return SecretBytes(key)
