"""Calls with credentials: they are obtained before a call waits for anything else, and charged to nothing."""

from gateway.upstream.aws.credentials import CredentialCache
from gateway.upstream.call import Call, Transport, UpstreamResponse


class CredentialsTransport:
    """Calls that wait until there are valid credentials.

    The credentials may be renewed while a call waits in the queue, so the call is signed with those of its last moment.
    """

    def __init__(self, transport: Transport, credentials: CredentialCache) -> None:
        self._transport = transport
        self._credentials = credentials

    async def call(self, call: Call) -> UpstreamResponse:
        """Return the response to a call.

        Raises:
            CredentialsUnavailable: If there are no credentials. The call is not sent then.
            UpstreamError: If the call fails.
        """
        if self._credentials.at_hand() is None:
            await self._credentials.get(call.operation.name)
        return await self._transport.call(call)
