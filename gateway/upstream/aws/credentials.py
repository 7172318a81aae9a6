"""A cache of AWS credentials, which are obtained before a call and renewed before they expire.

botocore obtains credentials within the call, which has three drawbacks. Errors of the source look like errors of the
API. The source's latency looks like the API's latency. When less than 15 minutes are left, one call after the other
renews the credentials.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime
from json import JSONDecodeError
from math import inf
from typing import Any, Final

import aiohttp
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's own class, which is not an OSError.
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
    PartialCredentialsError,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
)

from gateway.errors import ConfigurationError, CredentialsUnavailable
from gateway.telemetry.metrics import count_credential_renewal
from gateway.upstream.aws.credential_process import CredentialProcessFailed
from gateway.upstream.aws.sigv4 import Credentials

logger = logging.getLogger("gateway")

# Timeout of a source in seconds. STS takes less than 1 s. A program that uses a corporate login takes up to 10 s.
# A program is killed when the timeout passes.
RENEWAL_SECONDS: Final = 30.0
# Credentials are renewed this many seconds before they expire, as AWS's SDKs do. If this is sooner than half of their
# remaining time, they are renewed at that half. Some sources return the same credentials until shortly before they
# expire. The rule of the half limits these sources to a few renewals, instead of one at every call.
RENEW_BEFORE_SECONDS: Final = 15 * 60.0
LEAST_SECONDS_BETWEEN_RENEWALS: Final = 1.0
# Seconds between a failed renewal and the next one. During this time, all callers share the failure. When a source
# recovers, the gateway notices within the maximum.
FIRST_RETRY_SECONDS: Final = 1.0
MAX_RETRY_SECONDS: Final = 4.0

# The metric's label, and the words for the log and /readyz, by botocore's name of a source.
_SOURCES: Final = {
    "explicit": ("key_pair", "the given key pair"),
    "env": ("environment", "the environment variables (AWS_ACCESS_KEY_ID and its like)"),
    "shared-credentials-file": ("shared_credentials_file", "the shared credentials file"),
    "config-file": ("config_file", "the AWS config file"),
    "assume-role": ("assume_role", "the profile's role_arn (STS AssumeRole)"),
    "assume-role-with-web-identity": ("web_identity", "the web identity token (STS AssumeRoleWithWebIdentity)"),
    "sso": ("sso", "IAM Identity Center (SSO)"),
    "custom-process": ("credential_process", "credential_process"),
    "container-role": ("container", "the container credentials endpoint"),
    "iam-role": ("instance_metadata", "EC2 instance metadata (IMDS)"),
}

# Error codes of STS and SSO that are transient even if the status is below 500.
_TRANSIENT_CODES: Final = re.compile(
    "Throttl|TooManyRequests|RequestLimitExceeded|IDPCommunicationError|RequestTimeout"
)
_CODE: Final = re.compile(r"[A-Za-z.]{1,64}")
_METADATA_STATUS: Final = re.compile(r"Received non 200 response (\d{3}) ")
_FIRST_SERVER_ERROR: Final = 500
_TOO_MANY_REQUESTS: Final = 429


@dataclass(frozen=True, slots=True)
class _Failure:
    """A source's failure to return credentials.

    Attributes:
        reason: The reason in the gateway's own words. It never quotes the source.
        transient: Whether the source's error is transient.
    """

    reason: str
    transient: bool


def _named(method: str) -> tuple[str, str]:
    """Return the label and the words for botocore's name of a source."""
    return _SOURCES.get(method, ("other", method))


class _Unusable(Exception):
    """An error for keys that cannot sign a request."""


class _Source:
    """botocore's credentials object of one source, which renews its credentials only when `renew` is called.

    By itself, botocore renews them when less than 15 minutes are left. Until 10 minutes are left, it hides a failure.
    It decides by the object's public method `refresh_needed`, which this class replaces.
    """

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self._can_expire = isinstance(credentials, RefreshableCredentials)
        self._is_renewing = False
        if self._can_expire:
            self._expire_within = credentials.refresh_needed
            credentials.refresh_needed = self._refresh_needed

    @property
    def expires_at(self) -> float:
        """The time in seconds since 1970: -inf before the first credentials, and inf if they never expire."""
        if not self._can_expire:
            return inf
        expiry: datetime | None = self._credentials._expiry_time  # noqa: SLF001  # No public name.
        return -inf if expiry is None else expiry.timestamp()

    async def loaded(self) -> Credentials:
        """Return the credentials that are loaded, without asking the source."""
        loaded: Credentials = await self._credentials.get_frozen_credentials()
        return loaded

    async def renew(self) -> Credentials:
        """Ask the source and return the new credentials. Return the loaded ones if they never expire."""
        self._is_renewing = True
        try:
            return await self.loaded()
        finally:
            self._is_renewing = False

    def _refresh_needed(self, refresh_in: float | None = None) -> bool:
        if refresh_in == 0:
            # After a renewal, botocore checks whether the new credentials have already expired.
            return bool(self._expire_within(0))
        return self._is_renewing


class CredentialCache:
    """A cache of one source's credentials.

    Callers do not wait if the cached credentials are valid. All callers share one renewal at a time. If a caller is
    cancelled, the renewal continues.

    Args:
        source: botocore's credentials object, which can renew itself.
        clock: Returns the time in seconds since 1970. Credentials expire by this clock.
    """

    def __init__(self, source: Any, clock: Callable[[], float] = time.time) -> None:
        self._label, self.source = _named(source.method)
        self._source = _Source(source)
        self._clock = clock
        self._current: Credentials | None = None
        self._expires_at = self._renew_at = -inf
        self._renewal: asyncio.Task[Credentials | _Failure] | None = None
        self._failure: _Failure | None = None
        self._failures = 0
        # In seconds, by the event loop's clock.
        self._retry_at = -inf

    @property
    def newest(self) -> Credentials | None:
        """The newest credentials, even if they have expired, or None before the first."""
        return self._current

    async def open(self) -> None:
        """Take over the credentials that the source has already loaded, without asking it again.

        Raises:
            _Unusable: If the loaded credentials cannot sign a request.
        """
        # If the credentials have expired or are not loaded yet, the first caller renews them.
        if self._clock() < self._source.expires_at:
            self._take(await self._source.loaded())

    async def close(self) -> None:
        """Cancel a running renewal, which also kills its program."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])

    def latest(self) -> Credentials:
        """Return the credentials to sign with now. Start a renewal in the background if it is due.

        Call this after `get`. If the credentials have expired since, this returns the expired ones and AWS rejects the
        call.

        Raises:
            CredentialsUnavailable: If the source has never returned credentials.
        """
        credentials = self.at_hand() or self._current
        if credentials is None:
            raise self._unavailable(None, self._failure or _Failure("they did not arrive in time", transient=True))
        return credentials

    def at_hand(self) -> Credentials | None:
        """Return the credentials if they are valid. Start a renewal in the background if it is due."""
        now = self._clock()
        if now >= self._expires_at:
            return None
        if now >= self._renew_at and asyncio.get_running_loop().time() >= self._retry_at:
            self._renewing()
        return self._current

    async def get(self, operation: str | None = None) -> Credentials:
        """Return valid credentials. Wait for the source if the cached ones have expired.

        Args:
            operation: The operation that the error names, if there is one.

        Raises:
            CredentialsUnavailable: If the source fails, or if the time to retry after its last failure has not come.
        """
        credentials = self.at_hand()
        if credentials is not None:
            return credentials
        failure = self._failure
        if failure is None or asyncio.get_running_loop().time() >= self._retry_at:
            outcome = await asyncio.shield(self._renewing())
            if not isinstance(outcome, _Failure):
                return outcome
            failure = outcome
        raise self._unavailable(operation, failure)

    def overdue(self, operation: str | None) -> CredentialsUnavailable | None:
        """Return the error for a request that timed out without valid credentials. Return None if they are valid."""
        if self._clock() < self._expires_at:
            return None
        return self._unavailable(operation, self._failure or _Failure("they did not arrive in time", transient=True))

    def _unavailable(self, operation: str | None, failure: _Failure) -> CredentialsUnavailable:
        wait = max(0.0, self._retry_at - asyncio.get_running_loop().time()) if failure.transient else None
        detail = f"no AWS credentials from {self.source}: {failure.reason}"
        return CredentialsUnavailable(operation, retryable=failure.transient, retry_after=wait, detail=detail)

    def _renewing(self) -> asyncio.Task["Credentials | _Failure"]:
        if self._renewal is None or self._renewal.done():
            # All callers share the renewal, so it does not run in the context of the first request.
            self._renewal = asyncio.get_running_loop().create_task(self._renew(), context=Context())
        return self._renewal

    async def _renew(self) -> "Credentials | _Failure":
        try:
            async with asyncio.timeout(RENEWAL_SECONDS):
                renewed = await self._source.renew()
            self._take(renewed)
        except Exception as error:  # noqa: BLE001  # A source may raise any error, and callers must not see it.
            failure = self._failure = _failure(error)
            seconds = min(FIRST_RETRY_SECONDS * 2**self._failures, MAX_RETRY_SECONDS)
            self._failures = min(self._failures + 1, 10)
            self._retry_at = asyncio.get_running_loop().time() + seconds
            count_credential_renewal(self._label, "timed_out" if isinstance(error, TimeoutError) else "failed")
            logger.warning("AWS credentials cannot be renewed from %s: %s", self.source, failure.reason)
            return failure
        count_credential_renewal(self._label, "ok")
        if self._failure is not None:
            logger.warning("AWS credentials are renewed from %s again", self.source)
        self._failure, self._failures, self._retry_at = None, 0, -inf
        return renewed

    def _take(self, credentials: Credentials) -> None:
        _must_be_usable(credentials)
        now, expires_at = self._clock(), self._source.expires_at
        left = expires_at - now
        self._current, self._expires_at = credentials, expires_at
        self._renew_at = now + max(left - RENEW_BEFORE_SECONDS, left / 2, LEAST_SECONDS_BETWEEN_RENEWALS)


# Errors of a source that is contacted at start. Any other error is about the configuration and names the file or the
# variable.
_SOURCE_ERRORS: Final = (
    *(CredentialProcessFailed, CredentialRetrievalError, TimeoutError, _Unusable),
    *(ValueError, TypeError, KeyError, AttributeError),
)


async def load_credentials(session: Any) -> CredentialCache | None:
    """Return a cache of the first source in AWS's chain that has credentials, if there is one.

    botocore contacts some sources (STS, SSO) only later. If such a source is down, the gateway starts, but is
    not ready.

    Raises:
        ConfigurationError: If a source that is contacted now (a program, the container's endpoint) fails.
    """
    # botocore logs each failure with the source's text, which may quote a secret. The gateway logs its own words.
    for name in ("aiobotocore.credentials", "aiobotocore.tokens", "botocore.tokens"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for provider in session.get_component("credential_provider").providers:
        try:
            async with asyncio.timeout(RENEWAL_SECONDS):
                source = await provider.load()
            if source is not None:
                cache = CredentialCache(source)
                await cache.open()
                return cache
        except _SOURCE_ERRORS as error:
            raise ConfigurationError(
                f"There are no AWS credentials from {_named(provider.METHOD)[1]}: {_failure(error).reason}. "
                "Correct this source, or use another one."
            ) from None
    return None


def _must_be_usable(credentials: Credentials) -> None:
    """Raise _Unusable if a key is missing, or if a header cannot contain it."""
    in_headers = (credentials.access_key, credentials.token or "-")
    if not isinstance(credentials.secret_key, str) or not credentials.secret_key:
        raise _Unusable
    if not all(isinstance(each, str) and each and each.isascii() and each.isprintable() for each in in_headers):
        raise _Unusable


# The failure for each kind of error. The first match applies. A source's own text is not used: it may quote a secret.
_BY_KIND: Final[tuple[tuple[type[Exception], _Failure], ...]] = (
    (TimeoutError, _Failure(f"it did not respond within {RENEWAL_SECONDS:g} s", transient=True)),
    (_Unusable, _Failure("its response has no usable keys", transient=False)),
    (SSOError, _Failure("the session is missing or has expired, so run `aws sso login`", transient=False)),
    (TokenRetrievalError, _Failure("the session is missing or has expired, so run `aws sso login`", transient=False)),
    (RefreshWithMFAUnsupportedError, _Failure("a role with mfa_serial cannot be renewed by a server", transient=False)),
    (JSONDecodeError, _Failure("its response is not JSON", transient=False)),
    (UnicodeDecodeError, _Failure("its response is not JSON", transient=False)),
    # The only other ValueError is about a date. Keep this entry after its two subclasses.
    (ValueError, _Failure("the time of expiration (AWS_CREDENTIAL_EXPIRATION) is not a date", transient=False)),
)


def _failure(error: Exception) -> _Failure:  # noqa: PLR0911  # One return for each kind of error.
    """Return the failure for a source's error, in words made from the error's class and numbers."""
    for kind, failure in _BY_KIND:
        if isinstance(error, kind):
            return failure
    match error:
        case CredentialProcessFailed():
            return _Failure(str(error), transient=False)
        case ClientError():
            return _refusal(error)
        case PartialCredentialsError():
            return _Failure(f"{error.kwargs['cred_var']} is missing", transient=False)
        case CredentialRetrievalError() | MetadataRetrievalError():
            return _no_credentials(error)
        case ConnectionError() | HTTPClientError() | aiohttp.ClientError():
            return _Failure(f"it cannot be reached ({type(error.__cause__ or error).__name__})", transient=True)
        case OSError():
            return _Failure(f"a file cannot be read: {error.strerror}", transient=False)
        case RuntimeError() if "expired" in str(error):
            return _Failure("they have expired", transient=False)
        case BotoCoreError():
            return _Failure(type(error).__name__, transient=False)
    return _Failure(f"its response cannot be read ({type(error).__name__})", transient=False)


def _refusal(error: ClientError) -> _Failure:
    """Return the failure for an error response of STS or SSO."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0
    code = str(error.response.get("Error", {}).get("Code", ""))
    named = f" {code}" if _CODE.fullmatch(code) else ""
    transient = status >= _FIRST_SERVER_ERROR or status == _TOO_MANY_REQUESTS or bool(_TRANSIENT_CODES.search(code))
    return _Failure(f"{error.operation_name} failed with status {status}{named}", transient=transient)


def _no_credentials(error: CredentialRetrievalError | MetadataRetrievalError) -> _Failure:
    """Return the failure for a container's or an instance's endpoint, or for a program's output."""
    found = _METADATA_STATUS.search(str(error))
    if found is not None:
        status = int(found[1])
        return _Failure(
            f"it responded with status {status}",
            transient=status >= _FIRST_SERVER_ERROR or status == _TOO_MANY_REQUESTS,
        )
    if "Received error when attempting" in str(error):
        return _Failure("it cannot be reached", transient=True)
    # If instance metadata is down, botocore reports a response without credentials.
    return _Failure("its response has no credentials", transient=error.kwargs.get("provider") == "iam-role")
