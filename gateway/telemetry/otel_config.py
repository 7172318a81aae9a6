"""OpenTelemetry's variables for traces, checked at start, because the SDK logs a wrong value or fails with a traceback.

The SDK reads the environment itself. Names and values follow OpenTelemetry's specification.
"""

import re
import ssl
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

OTEL_PREFIX = "OTEL_"
_RATIOS = frozenset({"traceidratio", "parentbased_traceidratio"})


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _number_or_unset(value: object) -> object:
    # The SDK's word for "no limit".
    return None if value == "unset" else value


def _check_readable(path: Path) -> Path:
    try:
        path.read_bytes()
    except OSError as error:
        raise ValueError(f"The file {path} cannot be read: {error.strerror}") from None
    return path


def _check_certificates(path: Path) -> Path:
    _check_readable(path)
    try:
        ssl.create_default_context(cafile=path)
    except OSError:
        raise ValueError(f"The file {path} has no certificate in PEM form") from None
    return path


def _check_pairs(text: str) -> str:
    if not all(re.fullmatch(r"\s*[^=\s]+\s*=.*", pair) for pair in text.split(",") if pair.strip()):
        raise ValueError("The value must be name=value pairs, separated by commas")
    return text


def _check_exporter(text: str) -> str:
    if not {each.strip().lower() for each in text.split(",")} <= {"otlp", "none"}:
        raise ValueError("The value must be otlp or none. The gateway has no other exporter")
    return text.lower()


_Protocol = Annotated[Literal["http/protobuf"] | None, BeforeValidator(_lower)]
_Compression = Annotated[Literal["none", "gzip", "deflate"] | None, BeforeValidator(_lower)]
_Seconds = Annotated[float | None, Field(gt=0, allow_inf_nan=False)]
_Certificates = Annotated[Path, AfterValidator(_check_certificates)]
_File = Annotated[Path, AfterValidator(_check_readable)]
_Pairs = Annotated[str, AfterValidator(_check_pairs)]
_Limit = Annotated[NonNegativeInt | None, BeforeValidator(_number_or_unset)]


class OtelVariables(BaseSettings):
    """The variables that decide whether, where and how traces are sent."""

    model_config = SettingsConfigDict(
        env_prefix=OTEL_PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, str_strip_whitespace=True
    )

    sdk_disabled: Annotated[Literal["true", "false"], BeforeValidator(_lower)] = "false"
    traces_exporter: Annotated[str, AfterValidator(_check_exporter)] = "otlp"
    exporter_otlp_endpoint: AnyHttpUrl | None = None
    exporter_otlp_traces_endpoint: AnyHttpUrl | None = None
    exporter_otlp_protocol: _Protocol = None
    exporter_otlp_traces_protocol: _Protocol = None
    exporter_otlp_timeout: _Seconds = None
    exporter_otlp_traces_timeout: _Seconds = None
    exporter_otlp_compression: _Compression = None
    exporter_otlp_traces_compression: _Compression = None
    exporter_otlp_headers: _Pairs | None = None
    exporter_otlp_traces_headers: _Pairs | None = None
    exporter_otlp_certificate: _Certificates | None = None
    exporter_otlp_traces_certificate: _Certificates | None = None
    exporter_otlp_client_certificate: _Certificates | None = None
    exporter_otlp_traces_client_certificate: _Certificates | None = None
    exporter_otlp_client_key: _File | None = None
    exporter_otlp_traces_client_key: _File | None = None
    traces_sampler: Annotated[
        Literal[
            "always_on",
            "always_off",
            "traceidratio",
            "parentbased_always_on",
            "parentbased_always_off",
            "parentbased_traceidratio",
        ]
        | None,
        BeforeValidator(_lower),
    ] = None
    traces_sampler_arg: str | None = None
    resource_attributes: _Pairs | None = None
    bsp_schedule_delay: PositiveInt | None = None
    bsp_export_timeout: PositiveInt | None = None
    bsp_max_queue_size: PositiveInt = 2048
    bsp_max_export_batch_size: PositiveInt = 512
    attribute_count_limit: _Limit = None
    attribute_value_length_limit: _Limit = None
    span_attribute_count_limit: _Limit = None
    span_attribute_value_length_limit: _Limit = None
    span_event_count_limit: _Limit = None
    span_link_count_limit: _Limit = None
    event_attribute_count_limit: _Limit = None
    link_attribute_count_limit: _Limit = None

    @property
    def traces(self) -> bool:
        """Whether traces are sent."""
        is_off = self.sdk_disabled == "true" or self.traces_exporter == "none"
        return not is_off and bool(self.exporter_otlp_endpoint or self.exporter_otlp_traces_endpoint)

    @model_validator(mode="after")
    def _check_combinations(self) -> "OtelVariables":
        if self.bsp_max_export_batch_size > self.bsp_max_queue_size:
            raise ValueError("The value must not be above OTEL_BSP_MAX_QUEUE_SIZE (OTEL_BSP_MAX_EXPORT_BATCH_SIZE)")
        if self.traces_sampler in _RATIOS and self.traces_sampler_arg is not None:
            try:
                is_ratio = 0 <= float(self.traces_sampler_arg) <= 1
            except ValueError:
                is_ratio = False
            if not is_ratio:
                raise ValueError("The value must be a number from 0 to 1 (OTEL_TRACES_SAMPLER_ARG)")
        return self


class _Switch(BaseSettings):
    """The variables that turn traces off. If they do, the others are not read."""

    model_config = SettingsConfigDict(env_prefix=OTEL_PREFIX, extra="ignore", env_ignore_empty=True)

    sdk_disabled: str = ""
    traces_exporter: str = ""

    @property
    def is_off(self) -> bool:
        return self.sdk_disabled.strip().lower() == "true" or self.traces_exporter.strip().lower() == "none"


def read_otel_variables() -> OtelVariables:
    """Return OpenTelemetry's variables for traces. If traces are off, the other variables are not read.

    Raises:
        ValidationError: If a variable has a wrong value.
    """
    if _Switch().is_off:
        return OtelVariables.model_construct(sdk_disabled="true")
    return OtelVariables()
