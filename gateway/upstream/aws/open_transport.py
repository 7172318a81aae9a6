"""Opening of the transport to AWS: an aioboto3 client with the credentials and the region of AWS's own chain."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NoReturn

from aiobotocore.credentials import AioCredentials
from botocore.utils import get_environ_proxies

from gateway.errors import ConfigurationError
from gateway.settings import Settings, variables
from gateway.upstream.aws.config_checks import AwsChecks, missing_files
from gateway.upstream.aws.credential_process import use_own_processes
from gateway.upstream.aws.credentials import CredentialCache, load_credentials
from gateway.upstream.aws.http_session import HttpSession
from gateway.upstream.aws.network_errors import CONNECT_SECONDS
from gateway.upstream.aws.session import AwsKeyPair, aws_client, aws_session
from gateway.upstream.aws.transport import AwsTransport, CompiledOperation, compile_operations
from gateway.upstream.services import SERVICES, Service


@asynccontextmanager
async def open_aws_transport(
    settings: Settings, key_pair: AwsKeyPair | None, operation_names: Iterable[str]
) -> AsyncIterator[AwsTransport]:
    """Open the transport to AWS.

    A process opens one, since a session and a client block the event loop for 45 to 95 ms.

    Args:
        settings: The gateway's settings.
        key_pair: Credentials and region to use instead of those that AWS's chain finds.
        operation_names: The operations that will be called.

    Raises:
        ConfigurationError: If there are no credentials or no region, or if AWS's own configuration cannot be read.
    """
    try:
        operations, credentials, http = await _read_configuration(settings, key_pair, operation_names)
    except ConfigurationError:
        raise
    except Exception as error:  # A profile may run any program for its credentials, and that may print anything.
        raise ConfigurationError(
            f"AWS's configuration cannot be used: {str(error).rstrip('.')}. Correct AWS's variables or files."
        ) from error
    try:
        async with http:
            yield AwsTransport(operations, http, credentials)
    finally:
        await credentials.close()


async def _read_configuration(
    settings: Settings, key_pair: AwsKeyPair | None, operation_names: Iterable[str]
) -> tuple[list[CompiledOperation], CredentialCache, HttpSession]:
    """Return the parts of a transport.

    The session is a variable of this function alone, because it holds 9 MB of botocore's models, which no call needs.
    """
    service = SERVICES[settings.upstream_api]
    session = aws_session(key_pair)
    region = key_pair.region if key_pair else await _checked_region(session, service, settings)
    credentials = await _credentials(session, key_pair)
    operations = await _operations(session, service, region, settings, operation_names)
    return operations, credentials, _http_session(session, operations[0].endpoint.url, settings, key_pair)


async def _checked_region(session: Any, service: Service, settings: Settings) -> str | None:
    """Check the user's AWS configuration and return the region to call, if it is set.

    Raises:
        ConfigurationError: If a value is wrong. The message names it.
    """
    checks = AwsChecks(session, service.name)
    checks.values()
    region: str | None = session.get_config_variable("region") or service.default_region
    if region is not None:
        await checks.region(region, own_endpoint=settings.upstream_endpoint_url is not None)
    return region


async def _credentials(session: Any, key_pair: AwsKeyPair | None) -> CredentialCache:
    if key_pair is not None:
        given = CredentialCache(AioCredentials(key_pair.access_key_id, key_pair.secret_access_key))
        await given.open()
        return given
    use_own_processes()
    credentials = await load_credentials(session)
    if credentials is None:
        _reject_without_credentials(missing_files(session))
    return credentials


async def _operations(
    session: Any, service: Service, region: str | None, settings: Settings, names: Iterable[str]
) -> list[CompiledOperation]:
    if region is None:
        _reject_without_region(missing_files(session))
    url = settings.upstream_endpoint_url
    endpoint_url = None if url is None else str(url).rstrip("/")
    async with aws_client(session, service.name, region_name=region, endpoint_url=endpoint_url) as client:
        return await compile_operations(client, names)


def _http_session(session: Any, endpoint_url: str, settings: Settings, key_pair: AwsKeyPair | None) -> HttpSession:
    return HttpSession(
        timeout=(CONNECT_SECONDS, settings.request_timeout_seconds),
        # If a key pair is passed, the upstream is on this machine, and no proxy leads back to it.
        proxies=get_environ_proxies(endpoint_url) if key_pair is None else None,
        # botocore obeys the second name too.
        verify=session.get_config_variable("ca_bundle") or variables("REQUESTS_CA_BUNDLE").get("REQUESTS_CA_BUNDLE"),
        max_pool_connections=settings.upstream_concurrency,
    )


def _reject_without_credentials(missing: str) -> NoReturn:
    raise ConfigurationError(
        f"There are no AWS credentials.{missing} Run `chime-gateway dev` for a local upstream that needs none. "
        "For AWS, run the gateway where a role gives credentials, or set AWS_PROFILE, or set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY."
    )


def _reject_without_region(missing: str) -> NoReturn:
    raise ConfigurationError(
        f"There is no AWS region.{missing} Set a region in the AWS profile, or set AWS_REGION or AWS_DEFAULT_REGION."
    )
