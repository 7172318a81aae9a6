"""Environment -> frozen Settings: every limit with its unit, its default and the reason for it.

Only this file reads the environment. AWS's own variables (credentials, region, profile) are not settings of ours:
AWS's chain reads them, in gateway/upstream.
"""

import re
from typing import Any, Literal

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.errors import Misconfigured

PREFIX = "GATEWAY_"


class Settings(BaseSettings):
    """What an operator may set, each as an environment variable `GATEWAY_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

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
    lookup_concurrency: int = Field(
        default=16,
        ge=1,
        le=1024,
        description="Single records that one request fetches at once. A quarter of the process's upstream calls, so "
        "that one request leaves room for others.",
    )
    request_deadline_seconds: float = Field(
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
    max_walk_pages: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="Upstream pages that one field may walk for `last`, `before` or `totalCount`. 20 pages of 99 cover "
        "1,980 rows, within the deadline at 500 ms a page.",
    )
    graphiql: bool = Field(
        default=True,
        description="Whether browsers are shown GraphiQL at /graphql. `false` leaves the API alone: for gateways that "
        "only programs call. With a router's secret set it is never shown.",
    )
    node_fields: bool = Field(
        default=True,
        description="Whether `Query` has `node` and `nodes`. A supergraph takes them from one subgraph alone, so turn "
        "them off where another has them.",
    )
    router_secret: SecretStr | None = Field(
        default=None,
        description="Secret that every request to `/graphql` must carry in its header `x-router-secret`, so that only "
        "a router that knows it may ask: 16 or more ASCII characters without spaces, too many to guess. Unset: anyone "
        "may ask.",
    )

    @field_validator("router_secret")
    @classmethod
    def _fits_in_a_header(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not re.fullmatch("[!-~]{16,}", secret.get_secret_value()):
            raise ValueError("16 or more ASCII characters without spaces are needed")
        return secret


def read_settings(**given: Any) -> Settings:
    """Read the environment; what is given goes before it.

    Raises: Misconfigured, naming each wrong variable and what it may be.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        raise Misconfigured("; ".join(map(_wrong, error.errors()))) from None


def _wrong(error: ErrorDetails) -> str:
    """One wrong variable in words, with its value unless that is a secret."""
    name = "_".join(map(str, error["loc"]))
    shown = "" if "secret" in name else f" (it is {error['input']!r})"
    return f"{PREFIX}{name.upper()}: {error['msg']}{shown}"
