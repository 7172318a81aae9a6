"""The gateway's setup of aiobotocore's session, and of the clients made from it.

If an entry of the user's AWS configuration is empty, it counts as unset. Every client of the session verifies
certificates and their host names. This includes the clients that botocore makes to ask STS or SSO for credentials.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

import aioboto3
import botocore.configloader
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session

from gateway.settings import tidy_environment
from gateway.upstream.aws.http_session import HttpSession
from gateway.upstream.aws.network_errors import CONNECT_SECONDS

# Read timeout of STS and SSO in seconds. Both respond in well under 1 s.
SOURCE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class AwsKeyPair:
    """Credentials for a local emulator, which replace AWS's chain of sources.

    Attributes:
        region: The region in the signature. Emulators accept any region.
    """

    access_key_id: str
    secret_access_key: str
    region: str = "us-east-1"


class ClientConfig(AioConfig):  # type: ignore[misc]  # aiobotocore has no types.
    """A client's configuration that always uses HttpSession."""

    def __init__(self, **options: Any) -> None:
        super().__init__(http_session_cls=HttpSession, **options)

    def merge(self, other_config: Any) -> AioConfig:
        """Return this configuration with another one's options. aiobotocore's `merge` loses the HTTP session."""
        merged = super().merge(other_config)
        merged.http_session_cls = HttpSession
        return merged


def aws_session(key_pair: AwsKeyPair | None) -> AioSession:
    """Return a new session.

    Args:
        key_pair: Credentials that replace AWS's chain. If they are given, the user's AWS configuration is not read.
    """
    tidy_environment()
    session = get_session()
    # botocore uses these options in its own STS and SSO clients, which renew credentials. By default, they make five
    # attempts with a timeout of one minute each.
    session.set_default_client_config(
        ClientConfig(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=SOURCE_SECONDS,
            retries={"total_max_attempts": 2, "mode": "standard"},
        )
    )
    if key_pair is None:
        # botocore reads only AWS_DEFAULT_REGION. AWS's other SDKs and AWS's containers use AWS_REGION.
        session.session_var_map["region"] = ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)
    else:
        for name, (_, _, default, conversion) in list(session.session_var_map.items()):
            session.session_var_map[name] = (None, None, default, conversion)
        session.set_config_variable("config_file", os.devnull)
        session.set_config_variable("credentials_file", os.devnull)
    return session


def _without_empty(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return a profile file's sections without the empty entries."""
    return {
        name: _without_empty(value) if isinstance(value, Mapping) else value
        for name, value in held.items()
        if value != ""
    }


def _leave_out_empty_entries() -> None:
    """Make botocore treat an empty entry of a profile as unset.

    The session and each of botocore's sources of credentials parse the profile files again. All of them call the
    function that is replaced here.
    """
    parse = botocore.configloader.raw_config_parse

    @wraps(parse)
    def parse_without_empty(*arguments: Any, **options: Any) -> dict[str, Any]:
        return _without_empty(parse(*arguments, **options))

    botocore.configloader.raw_config_parse = parse_without_empty


_leave_out_empty_entries()


def aws_client(session: AioSession, service: str, **options: Any) -> Any:
    """Return a service's client, an async context manager, whose rules and models can be read.

    The client has placeholders instead of credentials, so botocore does not obtain any. It cannot make a call.

    Args:
        session: The session.
        service: The service's name.
        options: More options of aioboto3's `Session.client`.
    """
    placeholders = {"aws_access_key_id": "-", "aws_secret_access_key": "-"}
    return aioboto3.Session(botocore_session=session).client(service, **placeholders, **options)
