"""The gateway's settings, each with its unit, default and reason.

Only this module reads the environment. AWS's own variables (credentials, region, profile) are not settings. botocore
reads them, and gateway/upstream/aws/config_checks.py checks them at start.
"""

import base64
import binascii
import os
import re
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AnyHttpUrl, Field, SecretBytes, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gateway.auth.origin import DEFAULT_PORTS, read_authority, read_origin
from gateway.errors import ConfigurationError
from gateway.telemetry.otel_config import OTEL_PREFIX, read_otel_variables

PREFIX = "GATEWAY_"
# The key length of AES-256.
CURSOR_KEY_BYTES = 32

# The settings that are secret. Their values are in no message, and each may be in a file.
SECRETS = ("router_secret", "api_keys", "redis_url", "cursor_keys")
# The variables with the paths of these files, as in the official images of Docker, such as POSTGRES_PASSWORD_FILE.
SECRET_FILES = {f"{PREFIX}{name.upper()}_FILE": name for name in SECRETS}
# The hashes of 15,000 callers fit. A wrong path, such as /dev/zero, may have any number of bytes.
MAX_SECRET_CHARACTERS = 1_000_000

# The variables that the gateway and its libraries read. urllib reads the proxies' names in upper and in lower case.
_READ = re.compile(
    "(AWS|GATEWAY|OTEL)_.+|(HTTP|HTTPS|NO|ALL)_PROXY|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|BOTO_CONFIG",
    re.IGNORECASE,
)
# The reasons of pydantic's errors, by their type, with the values of their context. pydantic's own words, such as
# "relative URL without a base", would not help an operator.
_REASONS = {
    "value_error": "{error}",
    "int_parsing": "The value must be a whole number",
    "int_from_float": "The value must be a whole number",
    "float_parsing": "The value must be a number",
    "finite_number": "The value must be a finite number",
    "bool_parsing": "The value must be true or false",
    "literal_error": "The value must be {expected}",
    "greater_than": "The value must be above {gt}",
    "greater_than_equal": "The value must be at least {ge}",
    "less_than_equal": "The value must be at most {le}",
    "url_parsing": "The value must be a URL such as https://example.com",
    "url_scheme": "The URL must begin with http:// or https://",
}
# Kubernetes sets these (`NAME=value`, "service links") in containers if a Service is called `gateway` or `gateway-...`.
_SERVICE_LINK = re.compile(
    r"GATEWAY_(\w+_)?(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=.*|PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)=.*"
    r"|PORT(_\d+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://.*)"
)


def tidy_environment() -> None:
    """Remove the variables that are set but empty, and the whitespace around the other values.

    Libraries read the environment themselves, and most of them do not treat an empty value as unset. For example,
    botocore stops verifying certificates if AWS_CA_BUNDLE is empty. So this function changes the process's own
    environment before they read it. Worker processes inherit the result.
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
    """The settings of an operator. Each is read from an environment variable `GATEWAY_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        str_strip_whitespace=True,
        allow_inf_nan=False,
    )

    upstream_api: Literal["chime-sdk-voice", "chime"] = Field(
        default="chime-sdk-voice",
        description="The AWS API to call, as botocore names the service. AWS ended its support of `chime` on "
        "2026-02-20, so `chime-sdk-voice` is the default.",
    )
    upstream_endpoint_url: AnyHttpUrl | None = Field(
        default=None,
        description="URL to call instead of AWS's own endpoint, such as the emulator's. Unset: the endpoint that AWS "
        "publishes for the region.",
    )
    upstream_concurrency: int = Field(
        default=64,
        ge=1,
        le=1024,
        description="Number of upstream calls, and so of connections, that one process makes at once. 64 hanging calls "
        "still fit in 256 open files, the smallest usual limit.",
    )
    upstream_rate_limit: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Upstream calls per second for all replicas together. Set it to the account's quota, or to a part "
        "of it if others use the account. The replicas share it through `GATEWAY_REDIS_URL`, or each takes an equal "
        "part. Unset: no limit until AWS throttles, and then the rate that AWS accepts.",
    )
    replicas: int = Field(
        default=1,
        ge=1,
        description="Largest number of replicas. Without Redis, `GATEWAY_UPSTREAM_RATE_LIMIT` and "
        "`GATEWAY_RATE_LIMIT_POINTS_PER_MINUTE` are divided by it. Each replica divides its part among its workers.",
    )
    loader_concurrency: int = Field(
        default=50,
        ge=1,
        le=1024,
        description="Number of calls that one DataLoader batch makes at once, so that 100 single records take two "
        "waits. It is less than `GATEWAY_UPSTREAM_CONCURRENCY`, and waiting calls take turns, so one batch does "
        "not delay others for long. A request may have several batches at once.",
    )
    request_timeout_seconds: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="Seconds that one request may take, upstream calls and retries included. Front ends and load "
        "balancers commonly give up after 30 s. Three attempts fit in 10 s.",
    )
    max_page_size: int = Field(
        default=1000,
        ge=1,
        le=10_000,
        description="Largest value of `first` and `last`, in rows. 1,000 rows need 11 upstream calls and make half a "
        "megabyte of JSON.",
    )
    max_upstream_pages: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="Number of upstream pages that one list may read for `last`, `totalCount`, `facets`, `sort` "
        "or a filter. 20 pages of 99 rows hold 1,980 rows, and at 500 ms each they fit in the request timeout.",
    )
    max_tokens: int = Field(
        default=1500,
        ge=1,
        description="Number of tokens in a document. The same limit applies to its comments. With 1,500, no document "
        "takes longer than 0.2 s to parse. GraphQL Armor allows 1,000, Apollo Router 15,000.",
    )
    max_depth: int = Field(
        default=12,
        ge=1,
        description="Levels of nested fields, without `ofType`. An order's numbers, their Voice Connectors and the "
        "numbers of these are 9 to 11 levels deep, the usual introspection query 6. GraphQL Armor allows 6, Apollo "
        "Router's example 100.",
    )
    max_aliases: int = Field(
        default=30,
        ge=0,
        description="Number of aliases in an operation. Those in a fragment count each time that it is spread. Apollo "
        "Router's example allows 30 as well, GraphQL Armor 15.",
    )
    max_root_fields: int = Field(
        default=10,
        ge=1,
        description="Number of root fields in an operation. `Query` has eight, so only repeated fields exceed 10. "
        "Apollo Router's example allows 20.",
    )
    max_directives: int = Field(
        default=20,
        ge=0,
        description="Number of directives in an operation. Those in a fragment count each time that it is spread. "
        "Front ends use a few. GraphQL Armor allows 50.",
    )
    max_cost: int = Field(
        default=5000,
        ge=1,
        description="Cost of an operation in points, estimated before it runs: one for each record that it may return, "
        "and one for each upstream call. Four pages of 1,000 rows fit. GraphQL Armor allows 5,000 points as well.",
    )
    trusted_documents: Path | None = Field(
        default=None,
        description="File of the documents that clients may run by id, such as Relay's persisted queries or Apollo's "
        "manifest. Any other document is rejected. Use it if all documents are known when the front end is built. "
        "Unset: any document within the limits may run.",
    )
    introspection: bool | None = Field(
        default=None,
        description="Whether clients may query the schema, and whether validation errors suggest names. Unset: on in "
        "`dev`, off in `serve`, as in Apollo Server in production. `_service`, which routers query, is always on.",
    )
    graphiql: bool | None = Field(
        default=None,
        description="Whether browsers get the GraphiQL page at /graphql. Unset: on in `dev`, off in `serve`, because "
        "programs need no page. If `GATEWAY_ROUTER_SECRET` is set, the page is always off.",
    )
    relay_node_fields: bool = Field(
        default=True,
        description="Whether `Query` has the fields `node` and `nodes`. A supergraph accepts them from one subgraph "
        "only, so set this to `false` if another subgraph has them.",
    )
    router_secret: SecretStr | None = Field(
        default=None,
        description="Secret that every request to `/graphql` must send in the header `x-router-secret`, so that only "
        "your router can call the gateway. It is 16 or more ASCII characters without spaces, too many to guess. Unset: "
        "no secret is needed.",
    )
    auth: Literal["none", "api-key", "jwt"] = Field(
        default="none",
        description="How callers authenticate: `api-key`, `jwt` or `none`. With `none`, anyone may call the gateway, "
        "so it listens on loopback addresses only, unless `GATEWAY_ROUTER_SECRET` is set.",
    )
    api_keys: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None,
        repr=False,
        description="SHA-256 hashes of the accepted API keys, in hex, separated by commas. `chime-gateway api-key` "
        "makes a key and its hash. Give each caller a key of its own. To replace a key, list the hashes of both until "
        "the caller has changed.",
    )
    jwt_jwks_url: AnyHttpUrl | None = Field(
        default=None,
        description="URL of the JWKS with the token issuer's public keys. It must be https, or on this machine, "
        "because anyone who can change the keys can make tokens. The gateway fetches it again every 5 minutes, so a "
        "withdrawn key is soon rejected.",
    )
    jwt_issuer: str | None = Field(
        default=None,
        min_length=1,
        description="Value that `iss` must have in every token, compared exactly. It keeps out tokens of other "
        "issuers.",
    )
    jwt_audience: str | None = Field(
        default=None,
        min_length=1,
        description="Value that `aud` must have or contain in every token. It keeps out tokens that the same issuer "
        "made for another service.",
    )
    allow_unauthenticated: bool = Field(
        default=False,
        description="Whether the gateway may listen on other than loopback addresses without authentication. Everyone "
        "who can connect can then read the account's phone numbers, so it is off.",
    )
    rate_limit_points_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Points that each caller may use per minute: the estimated cost of its operations, and 1 for each "
        "rejected request. Above the limit, the response is a 429. Without authentication, all callers share one "
        "limit. Replicas share it through `GATEWAY_REDIS_URL`, or each takes an equal part. Unset: no limit, because a "
        "right value depends on the deployment. At most 1,000,000, because points refill in whole microseconds.",
    )
    cache_ttl_seconds: float = Field(
        default=2.0,
        ge=0,
        le=3600,
        description="Seconds for which an upstream response is cached. A missing record is cached for a quarter of "
        "them. 2 s cover the repeated queries of a page that loads, and users do not notice the delay. 0: no cache.",
    )
    stale_if_error_seconds: float = Field(
        default=0.0,
        ge=0,
        le=86_400,
        description="Seconds after its TTL for which a cached response is still used if the upstream fails, as "
        "`stale-if-error` in RFC 5861. The response then reports it in `extensions`. 0: the client gets the error.",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="URL of a Redis or Valkey with which the replicas for one account share cached responses, the "
        "upstream rate limit and the callers' rate limits. Use `redis://` or `valkey://`, or `rediss://` or "
        "`valkeys://` for TLS, with user, password and database if needed. If Redis is down or slow, each process "
        "continues on its own. Unset, or `memory://`: no Redis.",
    )
    allowed_hosts: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None,
        description="Host names without ports, separated by commas, that the `Host` header of a request may have, like "
        "Django's `ALLOWED_HOSTS`. They stop DNS rebinding, in which another site's name points to the gateway. "
        "`/healthz` and `/readyz` accept any host. Unset: any host. On a loopback address without authentication, "
        "`localhost`, `127.0.0.1` and `[::1]` only.",
    )
    cors_origins: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None,
        description="Origins such as `https://app.example.com`, separated by commas, whose pages may call the gateway "
        "and read its responses (CORS). List each one, because a wildcard would let in every site. You may omit the "
        "scheme's default port. Unset: the gateway's own origin only.",
    )
    max_body_bytes: int = Field(
        default=1_000_000,
        ge=1_000,
        le=100_000_000,
        description="Largest body of a request, in bytes. A query with its variables takes a few kB. nginx allows 1 MB "
        "as well.",
    )
    compression: bool = Field(
        default=True,
        description="Whether responses from 1 kB are compressed by zstd or gzip, as the client accepts. 99 numbers "
        "shrink from 60 kB to 8 kB for 0.1 ms of CPU. Set it to `false` if a proxy in front of the gateway compresses.",
    )
    read_timeout_seconds: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="Seconds in which a request's head must arrive, and then again its body. Both usually take "
        "milliseconds. In 10 s, a line of 1 Mbit/s sends 1 MB. nginx's 60 s would let a slow attacker hold six times "
        "the connections.",
    )
    keep_alive_timeout_seconds: float = Field(
        default=15.0,
        gt=0,
        le=3600,
        description="Seconds that a connection may be idle before and between requests. nginx closes it after 75 s. "
        "Behind a load balancer, set it above the balancer's own timeout (60 s on AWS), because the balancer must "
        "close first.",
    )
    shutdown_timeout_seconds: int = Field(
        default=20,
        ge=0,
        le=3600,
        description="Seconds in which requests in flight may finish after SIGTERM. The gateway then ends the rest. 20 "
        "s are twice the default request timeout, and below the 30 s after which Kubernetes kills the process.",
    )
    admin_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port for `/metrics` and `/readyz`, and also for `/healthz`. 0 selects a free port. Unset: they "
        "are on the main port, open to everyone who can connect. They hold no secrets, but show operation names and "
        "load.",
    )
    ready_while_aws_fails: bool = Field(
        default=True,
        description="Whether `/readyz` stays 200 while AWS fails, once AWS has responded to the process. AWS fails for "
        "all replicas alike. If all of them left the load balancer, callers would get its bare 503 in place of error "
        "codes, stale responses and cached pages. Set it to `false` if the balancer has another gateway to turn to.",
    )
    slow_request_threshold_seconds: float = Field(
        default=2.0,
        gt=0,
        description="Seconds after which a finished request is logged as a warning, with its upstream time. A page "
        "from AWS takes tenths of a second. Reading 20 pages takes two seconds and more.",
    )
    log_format: Literal["json", "console"] | None = Field(
        default=None,
        description="Format of the log on standard error: `json` for programs, `console` for people. Unset: `json` in "
        "`serve`, `console` in `dev`.",
    )
    cursor_keys: Annotated[tuple[SecretBytes, ...] | None, NoDecode] = Field(
        default=None,
        description="Keys that encrypt cursors, separated by commas. Each is 32 random bytes in base64. The first key "
        "encrypts, and all keys decrypt. To rotate, add the new key last on every replica, then move it to the front, "
        "and remove the old key a day later. Unset: a random key for each start, so cursors end with the process, and "
        "other replicas reject them.",
    )

    @property
    def traces(self) -> bool:
        """Whether traces are sent, as OpenTelemetry's own variables say."""
        return read_otel_variables().traces

    @property
    def allows_anonymous(self) -> bool:
        """Whether anyone may call the gateway: without authentication and without a router secret."""
        return self.auth == "none" and self.router_secret is None

    @property
    def authentication(self) -> str:
        """How callers authenticate, for the log: `none`, `api-key`, `jwt`, or one of them behind `router-secret`."""
        return self.auth if self.router_secret is None else f"router-secret, {self.auth}"

    def changed_numbers(self) -> dict[str, float]:
        """Return the limits, times and switches that differ from their defaults. A number or a switch is no secret."""
        return {
            name: value
            for name, value in self
            if isinstance(value, int | float) and value != Settings.model_fields[name].default
        }

    @field_validator("api_keys", "allowed_hosts", "cors_origins", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        return tuple(each.lower() for each in _entries(value)) if isinstance(value, str) else value

    @field_validator("upstream_endpoint_url")
    @classmethod
    def _check_endpoint_url(cls, url: AnyHttpUrl | None) -> AnyHttpUrl | None:
        if url is not None and (url.username or url.password or url.query or url.fragment):
            raise ValueError("The URL must have only a scheme, a host, a port and a path")
        return url

    @field_validator("router_secret")
    @classmethod
    def _check_router_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not re.fullmatch("[!-~]{16,}", secret.get_secret_value()):
            raise ValueError("The secret must have 16 or more ASCII characters without spaces")
        return secret

    @field_validator("api_keys")
    @classmethod
    def _check_api_keys(cls, hashes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if hashes is not None and not (hashes and all(re.fullmatch("[0-9a-f]{64}", each) for each in hashes)):
            raise ValueError("The value must be SHA-256 hashes of 64 hex digits each, separated by commas")
        return hashes

    @field_validator("jwt_jwks_url")
    @classmethod
    def _check_jwks_url(cls, url: AnyHttpUrl | None) -> AnyHttpUrl | None:
        if url is not None and url.scheme != "https" and url.host not in {"localhost", "127.0.0.1", "[::1]"}:
            raise ValueError("The URL must begin with https, or its host must be this machine")
        return url

    @field_validator("redis_url", mode="before")
    @classmethod
    def _normalize_redis_url(cls, url: object) -> object:
        if not isinstance(url, str):
            return url
        return None if url in {"", "memory://"} else re.sub("^valkey(?=s?://)", "redis", url)

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_redis_url(url.get_secret_value()):
            raise ValueError(
                "The value must be a URL such as redis://host:6379/0 or rediss://host:6379/0. A query may have "
                "redis-py's ssl_ options"
            )
        return url

    @field_validator("allowed_hosts")
    @classmethod
    def _check_allowed_hosts(cls, hosts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        # A host is allowed on every port, so a default port in the value changes nothing.
        read = [read_authority(host) for host in hosts or ()]
        if not all(host is not None and host.port in {None, *DEFAULT_PORTS.values()} for host in read):
            raise ValueError("The value must be host names such as api.example.com, without ports, separated by commas")
        return hosts

    @field_validator("cors_origins")
    @classmethod
    def _check_cors_origins(cls, origins: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if not all(read_origin(origin) for origin in origins or ()):
            raise ValueError("The value must be origins such as https://app.example.com, separated by commas")
        return origins

    @field_validator("cursor_keys", mode="before")
    @classmethod
    def _decode_cursor_keys(cls, keys: Any) -> Any:
        return tuple(map(_decode_key, _entries(keys))) if isinstance(keys, str) else keys

    @model_validator(mode="after")
    def _check_authentication(self) -> "Settings":
        needed = {"none": (), "api-key": ("api_keys",), "jwt": ("jwt_jwks_url", "jwt_issuer", "jwt_audience")}
        missing = [_variable(name) for name in needed[self.auth] if getattr(self, name) is None]
        if missing:
            raise ValueError(
                f"Authentication by {self.auth} is not complete. Set {', '.join(missing)} as well ({_variable('auth')})"
            )
        # An operator who sets one of these expects that callers have to authenticate by it.
        idle = [
            _variable(name)
            for way, names in needed.items()
            for name in names
            if way != self.auth and getattr(self, name) is not None
        ]
        if idle:
            callers = "Anyone may call" if self.auth == "none" else f"Callers authenticate by {self.auth} to"
            raise ValueError(
                f"{callers} the gateway, although {', '.join(idle)} is set. Choose how callers authenticate, or remove "
                f"the variables of another way ({_variable('auth')})"
            )
        return self

    @model_validator(mode="after")
    def _check_contradictions(self) -> "Settings":
        found = ". ".join(self._contradictions())
        if found:
            raise ValueError(found)
        return self

    def _contradictions(self) -> Iterator[str]:
        """Yield a message about each setting that has no effect because of another one.

        If two limits apply, the lower one counts, so they are no contradiction. A default never contradicts a value
        that the operator chose.
        """
        chosen, has_router = self.model_fields_set, self.router_secret is not None
        if self.allow_unauthenticated and not self.allows_anonymous:
            yield (
                "Every caller must authenticate, by GATEWAY_AUTH or GATEWAY_ROUTER_SECRET. Remove the permission to "
                "serve callers without authentication (GATEWAY_ALLOW_UNAUTHENTICATED)"
            )
        if self.graphiql and has_router:
            yield (
                "Browsers do not know GATEWAY_ROUTER_SECRET, so GraphiQL cannot be shown beside it. Turn GraphiQL off, "
                "or explore the schema at the router (GATEWAY_GRAPHIQL)"
            )
        if self.graphiql and self.trusted_documents is not None:
            yield (
                "GraphiQL's queries are not among the trusted documents, so all would be rejected. Turn GraphiQL off, "
                "or remove GATEWAY_TRUSTED_DOCUMENTS (GATEWAY_GRAPHIQL)"
            )
        if self.cors_origins is not None and has_router:
            yield (
                "Only the router may call the gateway, so no page can. List the origins in the router's own settings, "
                "or remove GATEWAY_ROUTER_SECRET (GATEWAY_CORS_ORIGINS)"
            )
        if "loader_concurrency" in chosen and self.loader_concurrency > self.upstream_concurrency:
            yield (
                f"One batch cannot make {self.loader_concurrency} of the process's {self.upstream_concurrency} calls. "
                "Lower it, or raise GATEWAY_UPSTREAM_CONCURRENCY (GATEWAY_LOADER_CONCURRENCY)"
            )
        if "max_page_size" in chosen and self.max_page_size >= self.max_cost:
            yield (
                f"A page of {self.max_page_size} rows costs more than the {self.max_cost} points that a query may "
                "cost. Lower it, or raise GATEWAY_MAX_COST (GATEWAY_MAX_PAGE_SIZE)"
            )


def read_settings(**overrides: Any) -> Settings:
    """Return the settings from the environment, with some of them overridden.

    Raises:
        ConfigurationError: If a variable is unknown or wrong, OpenTelemetry's included, or if the file of a secret
            cannot be used. The message names each variable and the values that it may have.
    """
    tidy_environment()
    wrong = [*map(_unknown, _unknown_variables()), *map(_unprintable, _unprintable_variables())]
    if wrong:
        raise _rejected(wrong)
    try:
        read_otel_variables()
    except ValidationError as error:
        raise _rejected(map(_wrong_otel_variable, error.errors())) from None
    from_files = {SECRET_FILES[name.upper()]: _read_secret(name, path) for name, path in _secret_files().items()}
    try:
        return Settings(**{**from_files, **overrides})
    except ValidationError as error:
        raise _rejected(_wrong_setting(each, from_files) for each in error.errors()) from None


def for_development(settings: Settings) -> Settings:
    """Return the settings with introspection and GraphiQL on, unless they are set."""
    unset = [name for name in ("introspection", "graphiql") if getattr(settings, name) is None]
    return settings.model_copy(update=dict.fromkeys(unset, True))


def _rejected(messages: Iterable[str]) -> ConfigurationError:
    return ConfigurationError(" ".join(f"{message}." for message in messages))


def _secret_files() -> dict[str, str]:
    """Return the path of each secret that is in a file, by the variable that names the file."""
    return {name: path for name, path in variables(f"{PREFIX}.*_FILE").items() if name.upper() in SECRET_FILES}


def _read_secret(variable: str, path: str) -> str:
    """Return the secret in a file, without whitespace around it, such as the line break that most editors add.

    Raises:
        ConfigurationError: If the file cannot be read, or the secret is set by its own variable, too.
    """
    direct = variable.upper().removesuffix("_FILE")
    if variables(direct):
        raise _rejected([f"{direct} is set, too, so it is not clear which one counts. Remove one of them ({variable})"])
    try:
        # Some editors on Windows begin a file with a byte order mark, which this codec removes.
        with Path(path).open(encoding="utf-8-sig") as file:
            content = file.read(MAX_SECRET_CHARACTERS + 1)
    except UnicodeDecodeError:
        message = f"The file {path} is not text in UTF-8. Write the value into it as text ({variable})"
        raise _rejected([message]) from None
    except OSError as error:
        message = f"The file {path} cannot be read: {error.strerror}. Mount it, or correct the path ({variable})"
        raise _rejected([message]) from None
    if len(content) > MAX_SECRET_CHARACTERS:
        message = f"The file {path} has more than {MAX_SECRET_CHARACTERS:,} characters. Correct the path ({variable})"
        raise _rejected([message])
    if not content.strip():
        raise _rejected([f"The file {path} is empty. Write the value into it ({variable})"])
    return content.strip()


def _unknown_variables() -> list[str]:
    known = set(map(_variable, Settings.model_fields)) | SECRET_FILES.keys()
    return sorted(
        name
        for name, value in variables(f"{PREFIX}.*").items()
        if name.upper() not in known and not _SERVICE_LINK.fullmatch(f"{name}={value}")
    )


def _unknown(name: str) -> str:
    near = get_close_matches(name.upper(), [*map(_variable, Settings.model_fields), *SECRET_FILES], n=1)
    hint = f"Did you mean {near[0]}?" if near else "Remove it, or correct its name."
    return f"There is no such setting. {hint} ({name})"


def _unprintable_variables() -> list[str]:
    # Lists may have line breaks between their entries.
    found = variables(f"({PREFIX}|OTEL_).*")
    lists = ("api_keys", "allowed_hosts", "cors_origins", "cursor_keys")
    several_lines = set(map(_variable, lists))
    return sorted(
        name for name, value in found.items() if not value.isprintable() and name.upper() not in several_lines
    )


def _unprintable(name: str) -> str:
    return f"The value has a control character, a line break or a byte that is not UTF-8. Remove it ({name})"


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _wrong_setting(error: ErrorDetails, from_files: Collection[str]) -> str:
    """Return a message about one wrong setting, with its value unless that could be a secret.

    Args:
        error: The error.
        from_files: The settings that were read from files. The message names the variables of these files.
    """
    if not error["loc"]:
        # The check concerns several settings, so the value is all of them.
        reason = _reason(error)
        for name in from_files:
            reason = re.sub(rf"\b{_variable(name)}\b", r"\g<0>_FILE", reason)
        return reason
    name, value = str(error["loc"][0]), f"{error['input']!r} is not valid. "
    # A URL may have a password, which is before an @.
    if name in SECRETS or "@" in value:
        value = ""
    return f"{value}{_reason(error)} ({_variable(name)}{'_FILE' if name in from_files else ''})"


def _wrong_otel_variable(error: ErrorDetails) -> str:
    """Return a message about one wrong variable, without its value, because headers and URLs hold secrets."""
    name = f" ({OTEL_PREFIX}{str(error['loc'][0]).upper()})" if error["loc"] else ""
    return f"{_reason(error)}{name}"


def _reason(error: ErrorDetails) -> str:
    """Return the reason of an error in the words of this product, never in pydantic's."""
    return _REASONS.get(error["type"], "The value is not valid").format(**error.get("ctx", {}))


def _entries(text: str) -> list[str]:
    """Return the entries of a list separated by commas or line breaks, without empty ones.

    Raises:
        ValueError: If there is no entry.
    """
    entries = [each.strip() for each in re.split("[,\n]", text) if each.strip()]
    if not entries:
        raise ValueError("The list must have at least one entry")
    return entries


def _is_redis_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # The port or an IPv6 address is wrong. The error's text may quote a password.
        return False
    return (
        has_host
        and parts.scheme in {"redis", "rediss"}
        and re.fullmatch(r"(/\d*)?", parts.path) is not None
        and all(name.startswith("ssl_") for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    )


def _decode_key(text: str) -> SecretBytes:
    # Both base64 alphabets are common, and the padding is often missing.
    standard = text.strip().translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        key = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != CURSOR_KEY_BYTES:
        raise ValueError(
            f"Each key must be {CURSOR_KEY_BYTES} bytes in base64. Make one with `openssl rand -base64 32`"
        )
    return SecretBytes(key)
