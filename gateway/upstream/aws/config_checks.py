"""Checks of the user's AWS configuration at start, whose errors name each invalid value and its variable.

botocore accepts most invalid values silently. It fails later with an unrelated error. If a region is misspelt, for
example, the error is about DNS. If a boolean is `maybe`, botocore takes it as false. An error shows a value only
if the value cannot be a secret.
"""

import os
import ssl
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from pathlib import Path
from re import fullmatch
from typing import Any, Final
from urllib.parse import urlsplit

import botocore.configloader
from botocore.exceptions import BotoCoreError, ConfigParseError
from botocore.utils import ensure_boolean
from dateutil.parser import parse  # type: ignore[import-untyped]  # It has no types.

from gateway.errors import ConfigurationError
from gateway.settings import variables

# The highest TCP or UDP port.
_PORTS: Final = 65535
_CHOICES: Final = {
    "account_id_endpoint_mode": ("preferred", "disabled", "required"),
    "defaults_mode": ("legacy", "auto", "standard", "in-region", "cross-region", "mobile"),
    "ec2_metadata_service_endpoint_mode": ("ipv4", "ipv6"),
    "request_checksum_calculation": ("when_supported", "when_required"),
    "response_checksum_validation": ("when_supported", "when_required"),
    "retry_mode": ("legacy", "standard", "adaptive"),
    "sts_regional_endpoints": ("legacy", "regional"),
}
# botocore accepts the other choices in upper and lower case.
_CASE_MATTERS: Final = frozenset({"retry_mode", "sts_regional_endpoints"})
# The lowest and the highest valid value.
_NUMBERS: Final = {
    "csm_port": (1, _PORTS),
    "max_attempts": (1, 100),
    "metadata_service_num_attempts": (1, 100),
    "metadata_service_timeout": (1, 3600),
    "request_min_compression_size_bytes": (0, 10_485_760),
}
_NEWER: Final = "If AWS added it after this release, set GATEWAY_UPSTREAM_ENDPOINT_URL to the endpoint"
_URL_NEEDED: Final = (
    "The value is not an endpoint's URL. Set a URL such as https://aws.example.com, of only scheme, host, port and path"
)


class AwsChecks:
    """Checks of the user's AWS configuration, as one session reads it.

    Args:
        session: An aiobotocore session.
        service: `chime` or `chime-sdk-voice`.
    """

    def __init__(self, session: Any, service: str) -> None:
        self._session = session
        self._service = service
        self._environment = variables("AWS_.+|BOTO_CONFIG")

    def values(self) -> None:
        """Check each value by itself, except the region.

        Raises:
            ConfigurationError: If a value is invalid. The message names all invalid values.
        """
        wrong = [*self._unprintable(), *self._files()]
        if not wrong:
            # botocore can read the profile only if the files are valid.
            wrong = [
                *self._profile_entries(),
                *self._choices(),
                *self._numbers(),
                *self._booleans(),
                *self._urls(),
                *self._proxies(),
                *self._key_pair(),
                *self._named_files(),
                *self._expiration(),
            ]
        if wrong:
            raise ConfigurationError(" ".join(f"{each}." for each in wrong))

    async def region(self, region: str, *, own_endpoint: bool) -> None:
        """Check that the service has an endpoint in the region.

        Args:
            region: The region's name.
            own_endpoint: Whether GATEWAY_UPSTREAM_ENDPOINT_URL is set. If an endpoint is set, any region is valid.

        Raises:
            ConfigurationError: If the region, or a variant of its endpoint (FIPS, dual stack), is invalid.
        """
        source = self._source("region")
        if not fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", region) or region.isdigit():
            raise ConfigurationError(f"{region!r} is not a region's name. Set a name such as us-east-1 ({source}).")
        variants = [name for name in ("use_fips_endpoint", "use_dualstack_endpoint") if self._is_on(name)]
        endpoint = "GATEWAY_UPSTREAM_ENDPOINT_URL" if own_endpoint else self._endpoint_source()
        if endpoint is not None:
            if variants:
                raise ConfigurationError(
                    f"FIPS and dual stack are variants of AWS's own endpoints, but {endpoint} sets another endpoint. "
                    f"Remove one of the two ({self._source(variants[0])})."
                )
            return
        regions = {
            name
            for partition in self._session.get_available_partitions()
            for name in await self._session.get_available_regions("sts", partition)
        }
        offered = await self._session.get_available_regions(self._service)
        if region not in regions:
            near = get_close_matches(region, sorted(offered), n=1) or get_close_matches(region, sorted(regions), n=1)
            raise ConfigurationError(f"AWS has no region {region}. {_NEWER}.{_guess(near)} ({source}).")
        # The service `chime` has one endpoint for all regions of its partition.
        if region not in (offered or await self._session.get_available_regions("sts")):
            raise ConfigurationError(
                f"AWS does not offer {self._service} in {region}.{_regions(offered)} {_NEWER} ({source})."
            )
        everywhere = await self._session.get_available_regions(self._service, allow_non_regional=True)
        with_fips = [name for name in offered if f"{name}-fips" in everywhere]
        for variant in variants:
            in_regions = with_fips if variant == "use_fips_endpoint" else []
            if region not in in_regions:
                raise ConfigurationError(
                    f"{self._service} has no such endpoint in {region}.{_regions(in_regions)} {_NEWER} "
                    f"({self._source(variant)})."
                )

    def _unprintable(self) -> Iterator[str]:
        for name, value in sorted(self._environment.items()):
            if not value.isprintable():
                yield f"The value has a control character, a line break or a byte that is not UTF-8. Remove it ({name})"

    def _files(self) -> Iterator[str]:
        for variable, path in _profile_files(self._session):
            # A missing file or /dev/null is valid. It is a common way to stop a program from reading the user's files.
            if not path.is_file() and not path.is_dir():
                continue
            said = variable if variable in self._environment else f"the default of {variable}"
            if reason := _unreadable(path):
                yield f"{reason}. Set the path of a readable file ({said})"
                continue
            try:
                botocore.configloader.raw_config_parse(str(path))
            except ConfigParseError as error:
                # The parser's message quotes the line, which may contain a secret.
                line = _line_of(error.kwargs["error"])
                yield f"{path} cannot be parsed{line}. Write [sections] and name = value ({said})"
        if self._environment.keys() & {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}:
            profile = self._session.get_config_variable("profile")
            try:
                known = self._session.full_config["profiles"]
            except BotoCoreError:
                return
            if profile not in known:
                near = get_close_matches(profile, known, n=1)
                missing = missing_files(self._session)
                yield (
                    f"Neither of AWS's two files has a profile {profile!r}.{_guess(near)}{missing} "
                    f"Add it, or set the name of another one ({self._source('profile')})"
                )

    def _profile_entries(self) -> Iterator[str]:
        for name, value in sorted(self._profile.items()):
            if isinstance(value, str) and not value.isprintable():
                yield f"The value has a control character or a line break. Remove it ({name} of the AWS profile)"
        services = self._profile.get("services")
        if services is not None and services not in self._session.full_config.get("services", {}):
            yield f"The file has no section [services {services}]. Add it (services of the AWS profile)"

    def _choices(self) -> Iterator[str]:
        for name, allowed in _CHOICES.items():
            value = self._raw(name)
            if value is not None and (value if name in _CASE_MATTERS else value.lower()) not in allowed:
                yield f"{value!r} is not valid. Set one of: {', '.join(allowed)} ({self._source(name)})"

    def _numbers(self) -> Iterator[str]:
        for name, (lowest, highest) in _NUMBERS.items():
            value = self._raw(name)
            if value is not None and not (fullmatch("[0-9]{1,9}", value) and lowest <= int(value) <= highest):
                yield f"{value!r} is not valid. Set a whole number from {lowest} to {highest} ({self._source(name)})"

    def _booleans(self) -> Iterator[str]:
        names = [name for name, each in self._session.session_var_map.items() if each[3] is ensure_boolean]
        values = {self._source(name): self._raw(name) for name in names}
        values["AWS_EC2_METADATA_DISABLED"] = self._environment.get("AWS_EC2_METADATA_DISABLED")
        for source, value in values.items():
            if value is not None and value.lower() not in {"true", "false"}:
                yield f"{value!r} is not valid. Set true or false ({source})"

    def _urls(self) -> Iterator[str]:
        names = ("AWS_ENDPOINT_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
        for name, value in sorted(self._environment.items()):
            if (name in names or name.startswith("AWS_ENDPOINT_URL_")) and not _is_url(value):
                yield f"{_URL_NEEDED} ({name})"
        for source, value in self._profile_endpoints():
            if not _is_url(value):
                yield f"{_URL_NEEDED} ({source})"

    def _proxies(self) -> Iterator[str]:
        for name, value in sorted(variables("https?_proxy").items()):
            # botocore also accepts `proxy:3128`.
            url = value if "://" in value or ":" not in value else f"http://{value}"
            if not _is_url(url, may_have_user=True):
                yield f"The value is not an HTTP proxy's URL. Set a URL such as http://proxy.example.com:3128 ({name})"

    def _key_pair(self) -> Iterator[str]:
        pair = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        names = (*pair, "AWS_SESSION_TOKEN")
        held = [name for name in names if name in self._environment]
        for name in pair:
            if held and name not in held:
                yield f"{held[0]} is set, but its other half is not set. Set both or neither ({name})"
        for name in held:
            if not fullmatch("[!-~]+", self._environment[name]):
                yield f"The value has a space or a character outside ASCII. Set it as AWS shows it ({name})"

    def _named_files(self) -> Iterator[str]:
        bundle = self._raw("ca_bundle")
        if bundle is not None and (reason := _no_certificates(Path(bundle))):
            yield f"{reason}. Set the path of a file of CA certificates ({self._source('ca_bundle')})"
        files = {
            name: self._environment.get(name)
            for name in (
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                "AWS_CREDENTIAL_FILE",
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "BOTO_CONFIG",
            )
        }
        files["web_identity_token_file of the AWS profile"] = self._profile.get("web_identity_token_file")
        for source, path in files.items():
            if path is not None and (reason := _unreadable(Path(path), may_be_empty=False)):
                yield f"{reason}. Set the path of a file with a value ({source})"
        if "AWS_WEB_IDENTITY_TOKEN_FILE" in self._environment and "AWS_ROLE_ARN" not in self._environment:
            yield "The token has no role. Set AWS_ROLE_ARN too (AWS_WEB_IDENTITY_TOKEN_FILE)"

    def _expiration(self) -> Iterator[str]:
        name = "AWS_CREDENTIAL_EXPIRATION"
        value = self._environment.get(name)
        if value is None:
            return
        try:
            has_zone = parse(value).tzinfo is not None
        except (ValueError, OverflowError):
            has_zone = False
        if not has_zone:
            yield f"{value!r} is not valid. Set a time with its zone, such as 2026-01-31T12:00:00Z ({name})"

    @property
    def _profile(self) -> dict[str, Any]:
        profile: dict[str, Any] = self._session.get_scoped_config()
        return profile

    def _profile_endpoints(self) -> Iterator[tuple[str, Any]]:
        """Yield the endpoints that a profile sets for the service, beginning with the one that botocore uses."""
        sections = self._session.full_config.get("services", {})
        service = sections.get(self._profile.get("services"), {}).get(self._service.replace("-", "_"), {})
        for said, held in (("its services section", service), ("the AWS profile", self._profile)):
            if isinstance(held, dict) and "endpoint_url" in held:
                yield f"endpoint_url of {said}", held["endpoint_url"]

    def _endpoint_source(self) -> str | None:
        """Return the variable or entry that sets the service's endpoint. Return None if AWS's own endpoint is used."""
        if self._is_on("ignore_configured_endpoint_urls"):
            return None
        names = (f"AWS_ENDPOINT_URL_{self._service.replace('-', '_').upper()}", "AWS_ENDPOINT_URL")
        sources = [name for name in names if name in self._environment]
        sources += [source for source, _ in self._profile_endpoints()]
        return sources[0] if sources else None

    def _is_on(self, name: str) -> bool:
        return bool(self._session.get_config_variable(name))

    def _raw(self, name: str) -> str | None:
        """Return a variable's text as it was written, if it is set."""
        entry, _, _, _ = self._session.session_var_map[name]
        for variable in self._names(name):
            if variable in self._environment:
                return self._environment[variable]
        value = self._profile.get(entry) if isinstance(entry, str) else None
        return value if isinstance(value, str) else None

    def _source(self, name: str) -> str:
        """Return the name of the environment variable, or of the profile's entry, that a value comes from."""
        names = self._names(name)
        entry, _, _, _ = self._session.session_var_map[name]
        found = next((each for each in names if each in self._environment), None)
        if found is None and isinstance(entry, str) and entry in self._profile:
            return f"{entry} of the AWS profile"
        return found or names[0]

    def _names(self, name: str) -> list[str]:
        names = self._session.session_var_map[name][1]
        return names if isinstance(names, list) else [names]


def missing_files(session: Any) -> str:
    """Return sentences about AWS's config and credentials files if a variable names one that does not exist.

    They begin with a space. There are none if no variable names such a file. A missing file is an error only if a
    profile, a region or credentials are missing too.
    """
    named = variables("AWS_CONFIG_FILE|AWS_SHARED_CREDENTIALS_FILE")
    missing = [
        f" The file {path} does not exist ({variable})."
        for variable, path in _profile_files(session)
        if variable in named and not path.exists()
    ]
    return "".join(missing)


def _profile_files(session: Any) -> Iterator[tuple[str, Path]]:
    for name, variable in (("config_file", "AWS_CONFIG_FILE"), ("credentials_file", "AWS_SHARED_CREDENTIALS_FILE")):
        # botocore expands variables and `~` in the same way.
        yield variable, Path(os.path.expandvars(session.get_config_variable(name))).expanduser()


def _unreadable(path: Path, *, may_be_empty: bool = True) -> str | None:
    """Return the reason if a file cannot be used."""
    try:
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except (OSError, ValueError) as error:
        return f"{path} cannot be read: {error.strerror if isinstance(error, OSError) else 'it is not a path'}"
    return f"{path} is empty" if is_empty and not may_be_empty else None


def _no_certificates(path: Path) -> str | None:
    """Return the reason if a file is not a bundle of CA certificates."""
    if reason := _unreadable(path, may_be_empty=False):
        return reason
    try:
        ssl.create_default_context(cafile=path)
    except OSError:  # ssl.SSLError is a subclass.
        return f"{path} has no certificate in PEM form"
    return None


def _guess(near: list[str]) -> str:
    return f" Did you mean {near[0]}?" if near else ""


def _regions(offered: Collection[str]) -> str:
    return f" It is in {', '.join(sorted(offered))}." if offered else ""


def _line_of(error: Any) -> str:
    lines = [number for number, _ in getattr(error, "errors", ())] or [getattr(error, "lineno", None)]
    return f" in line {lines[0]}" if lines[0] else ""


def _is_url(text: Any, *, may_have_user: bool = False) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except (ValueError, AttributeError):
        return False
    return (
        parts.scheme in {"http", "https"}
        and fullmatch(r"[A-Za-z0-9._:%-]+", parts.hostname or "") is not None
        and port != 0
        and not parts.query
        and not parts.fragment
        and (may_have_user or parts.username is None)
    )
