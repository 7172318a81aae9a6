"""The gateway's AWS credentials: obtained in a step before the call, kept, and renewed before they expire.

botocore obtains them within the call. Its errors then look like the API's, its time like the API's time, and
credentials with less than 15 minutes left are renewed by one call after the other.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from json import JSONDecodeError
from math import inf
from typing import Any, Final

import aiohttp
from aiobotocore.credentials import AioCredentialResolver
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's own, which is no OSError.
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

# Seconds that a source may take. STS takes under one, a program that asks a corporate login up to ten. At the limit
# the program is killed.
RENEWAL_SECONDS: Final = 30.0
# Credentials are renewed this long before they expire, as AWS's SDKs do, or at half of the time that they have left.
# A source that hands out the same ones until shortly before their end is then asked a few times, not at every call.
RENEW_BEFORE_SECONDS: Final = 15 * 60.0
LEAST_SECONDS_BETWEEN_RENEWALS: Final = 1.0
# Seconds after a failed renewal before the next one: for so long all callers share its failure. A source that has
# recovered is noticed within the longest.
FIRST_RETRY_SECONDS: Final = 1.0
MAX_RETRY_SECONDS: Final = 4.0

# botocore's names of sources: the label of the metric, and the words for the log and /readyz.
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

# Errors of STS and SSO that pass, besides those with status 500 and above.
_PASSING_CODES: Final = re.compile("Throttl|TooManyRequests|RequestLimitExceeded|IDPCommunicationError|RequestTimeout")
_CODE: Final = re.compile(r"[A-Za-z.]{1,64}")
_METADATA_STATUS: Final = re.compile(r"Received non 200 response (\d{3}) ")
_FIRST_SERVER_ERROR: Final = 500
_TOO_MANY_REQUESTS: Final = 429


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a source gave no credentials, in words that quote nothing of what it said.

    passing: whether the source's own error says that it may pass.
    """

    reason: str
    passing: bool


def _named(method: str) -> tuple[str, str]:
    """Return the label and the words of a source that botocore calls so."""
    return _SOURCES.get(method, ("other", method))


class _Chain(AioCredentialResolver):  # type: ignore[misc]  # aiobotocore carries no types.
    """AWS's chain of sources, which remembers the one that was asked last."""

    asked = ""

    async def load_credentials(self) -> Any:
        for provider in self.providers:
            self.asked = provider.METHOD
            credentials = await provider.load()
            if credentials is not None:
                return credentials
        return None


class _Unusable(Exception):
    """A source gave keys that no request can be signed with."""


class CredentialCache:
    """The credentials of one source. One renewal at a time is shared by all callers.

    Nobody waits while the credentials at hand are valid. A caller that is cancelled does not end the renewal.

    Args:
        source: botocore's credentials object, which knows how to renew itself.
        clock: Seconds since 1970, by which credentials expire.
    """

    def __init__(self, source: Any, clock: Callable[[], float] = time.time) -> None:
        self._label, self.source = _named(source.method)
        self._source = source
        self._clock = clock
        self._current: Credentials | None = None
        self._expires_at = self._renew_at = -inf
        self._renewal: asyncio.Task[Credentials | _Failure] | None = None
        self._failure: _Failure | None = None
        self._failures = 0
        # By the event loop's clock.
        self._retry_at = -inf

    @property
    def newest(self) -> Credentials | None:
        """The credentials that came last, even if they have expired; None before the first."""
        return self._current

    async def open(self) -> None:
        """Take over what the source has loaded already. It is not asked again.

        Raises:
            _Unusable: If that is no key pair.
        """
        if isinstance(self._source, RefreshableCredentials):
            # What has not been fetched yet, or has expired, is fetched by the first caller.
            if not self._source.refresh_needed(refresh_in=0):
                self._renews_within(0)
                self._take(await self._source.get_frozen_credentials())
            self._renews_within(inf)
        else:
            self._take(await self._source.get_frozen_credentials())

    async def close(self) -> None:
        """End a renewal that is under way, and the program that it runs."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])

    def latest(self) -> Credentials:
        """Return the credentials to sign with now. Begin a renewal in the background when it is due.

        Call this after `get`. If they have expired since, the expired ones are returned, and AWS rejects them.
        """
        credentials = self.at_hand() or self._current
        if credentials is None:
            raise self._unavailable(None, self._failure or _Failure("they have not come in time", passing=True))
        return credentials

    def at_hand(self) -> Credentials | None:
        """Return the credentials if they are valid. Begin a renewal in the background when it is due."""
        now = self._clock()
        if now >= self._expires_at:
            return None
        if now >= self._renew_at and asyncio.get_running_loop().time() >= self._retry_at:
            self._renewing()
        return self._current

    async def get(self, operation: str | None = None) -> Credentials:
        """Return valid credentials, waiting for the source if there are none at hand.

        Raises:
            CredentialsUnavailable: If the source fails, or failed a moment ago.
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
        """Return the error of a request whose deadline passed while there were no credentials, None if there are."""
        if self._clock() < self._expires_at:
            return None
        return self._unavailable(operation, self._failure or _Failure("they have not come in time", passing=True))

    def _unavailable(self, operation: str | None, failure: _Failure) -> CredentialsUnavailable:
        wait = max(0.0, self._retry_at - asyncio.get_running_loop().time()) if failure.passing else None
        detail = f"no AWS credentials from {self.source}: {failure.reason}"
        return CredentialsUnavailable(operation, retryable=failure.passing, retry_after=wait, detail=detail)

    def _renewing(self) -> asyncio.Task["Credentials | _Failure"]:
        if self._renewal is None or self._renewal.done():
            # It belongs to no request, whoever asked first.
            self._renewal = asyncio.get_running_loop().create_task(self._renew(), context=Context())
        return self._renewal

    async def _renew(self) -> "Credentials | _Failure":
        try:
            async with asyncio.timeout(RENEWAL_SECONDS):
                renewed: Credentials = await self._source.get_frozen_credentials()
            self._take(renewed)
        except Exception as error:  # noqa: BLE001  # A source may raise anything, and no caller may see it.
            failure = self._failure = _failure(error)
            seconds = min(FIRST_RETRY_SECONDS * 2**self._failures, MAX_RETRY_SECONDS)
            self._failures = min(self._failures + 1, 10)
            self._retry_at = asyncio.get_running_loop().time() + seconds
            count_credential_renewal(self._label, "timed_out" if isinstance(error, TimeoutError) else "failed")
            logger.warning("AWS credentials cannot be renewed from %s: %s", self.source, failure.reason)
            return failure
        count_credential_renewal(self._label, "ok")
        if self._failure is not None:
            logger.warning("AWS credentials come from %s again", self.source)
        self._failure, self._failures, self._retry_at = None, 0, -inf
        return renewed

    def _take(self, credentials: Credentials) -> None:
        _must_be_usable(credentials)
        now, expires_at = self._clock(), inf
        if isinstance(self._source, RefreshableCredentials):
            expires_at = self._source._expiry_time.timestamp()  # noqa: SLF001  # No public name.
        left = expires_at - now
        self._current, self._expires_at = credentials, expires_at
        self._renew_at = now + max(left - RENEW_BEFORE_SECONDS, left / 2, LEAST_SECONDS_BETWEEN_RENEWALS)

    def _renews_within(self, seconds: float) -> None:
        """Have botocore renew whenever less than so many seconds are left, and raise what goes wrong then."""
        self._source._advisory_refresh_timeout = seconds  # noqa: SLF001  # Public only where the object is made.
        self._source._mandatory_refresh_timeout = seconds  # noqa: SLF001  # Public only where the object is made.


# What a source that is asked at the start raises. Other errors are about the configuration, and name its place.
_WRONG_ANSWERS: Final = (
    *(CredentialProcessFailed, CredentialRetrievalError, TimeoutError, _Unusable),
    *(ValueError, TypeError, KeyError, AttributeError),
)


async def load_credentials(session: Any) -> CredentialCache | None:
    """Find the source of credentials by AWS's chain, None if there is none.

    Sources that botocore only asks later (STS, SSO) need not answer yet: the gateway starts, and is not ready.

    Raises:
        Misconfigured: If a source that is asked now (a program, the container's endpoint) fails.
    """
    chain = _Chain(session.get_component("credential_provider").providers)
    session.register_component("credential_provider", chain)
    # botocore logs each failure with what the source said; the gateway logs it without.
    for name in ("aiobotocore.credentials", "aiobotocore.tokens", "botocore.tokens"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        async with asyncio.timeout(RENEWAL_SECONDS):
            source = await session.get_credentials()
        if source is None:
            return None
        cache = CredentialCache(source)
        await cache.open()
    except _WRONG_ANSWERS as error:
        raise ConfigurationError(
            f"no AWS credentials from {_named(chain.asked)[1]}: {_failure(error).reason}"
        ) from None
    return cache


def _must_be_usable(credentials: Credentials) -> None:
    """Raise _Unusable if a key is missing, or cannot stand in a header."""
    in_headers = (credentials.access_key, credentials.token or "-")
    if not isinstance(credentials.secret_key, str) or not credentials.secret_key:
        raise _Unusable
    if not all(isinstance(each, str) and each and each.isascii() and each.isprintable() for each in in_headers):
        raise _Unusable


# What is said of an error by its kind alone, the first kind that fits. What a source says may quote a secret.
_BY_KIND: Final[tuple[tuple[type[Exception], _Failure], ...]] = (
    (TimeoutError, _Failure(f"no answer within {RENEWAL_SECONDS:g} s", passing=True)),
    (_Unusable, _Failure("its answer holds no usable keys", passing=False)),
    (SSOError, _Failure("the session has expired, or there is none; run `aws sso login`", passing=False)),
    (TokenRetrievalError, _Failure("the session has expired, or there is none; run `aws sso login`", passing=False)),
    (RefreshWithMFAUnsupportedError, _Failure("a role with mfa_serial cannot be renewed by a server", passing=False)),
    (JSONDecodeError, _Failure("its answer is not JSON", passing=False)),
    (UnicodeDecodeError, _Failure("its answer is not JSON", passing=False)),
    # What is left of these is a date's.
    (ValueError, _Failure("the time of expiration (AWS_CREDENTIAL_EXPIRATION) is no date", passing=False)),
)


def _failure(error: Exception) -> _Failure:  # noqa: PLR0911  # One for each kind of error.
    """Say why a source failed, by the kind of the error and its numbers."""
    for kind, failure in _BY_KIND:
        if isinstance(error, kind):
            return failure
    match error:
        case CredentialProcessFailed():
            return _Failure(str(error), passing=False)
        case ClientError():
            return _refusal(error)
        case PartialCredentialsError():
            return _Failure(f"{error.kwargs['cred_var']} is missing", passing=False)
        case CredentialRetrievalError() | MetadataRetrievalError():
            return _no_credentials(error)
        case ConnectionError() | HTTPClientError() | aiohttp.ClientError():
            return _Failure(f"it cannot be reached ({type(error).__name__})", passing=True)
        case OSError():
            return _Failure(f"a file cannot be read: {error.strerror}", passing=False)
        case RuntimeError() if "expired" in str(error):
            return _Failure("they have expired", passing=False)
        case BotoCoreError():
            return _Failure(type(error).__name__, passing=False)
    return _Failure(f"its answer cannot be read ({type(error).__name__})", passing=False)


def _refusal(error: ClientError) -> _Failure:
    """Return the failure of an error answer of STS or SSO."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0
    code = str(error.response.get("Error", {}).get("Code", ""))
    named = f" {code}" if _CODE.fullmatch(code) else ""
    passing = status >= _FIRST_SERVER_ERROR or status == _TOO_MANY_REQUESTS or bool(_PASSING_CODES.search(code))
    return _Failure(f"{error.operation_name} was answered {status}{named}", passing=passing)


def _no_credentials(error: CredentialRetrievalError | MetadataRetrievalError) -> _Failure:
    """Return the failure of a container's or instance's endpoint, or of a program's output."""
    answered = _METADATA_STATUS.search(str(error))
    if answered is not None:
        status = int(answered[1])
        return _Failure(f"it answered {status}", passing=status >= _FIRST_SERVER_ERROR or status == _TOO_MANY_REQUESTS)
    if "Received error when attempting" in str(error):
        return _Failure("it cannot be reached", passing=True)
    # Instance metadata that is away looks like an answer without credentials.
    return _Failure("its answer holds no credentials", passing=error.kwargs.get("provider") == "iam-role")
