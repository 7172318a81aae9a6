"""A port of its own for those who run the gateway."""

from starlette.types import ASGIApp, Receive, Scope, Send


class OperationsPort:
    """Two applications on two ports of one server, told apart by the port that a connection came in by."""

    def __init__(self, port: int, operations: ASGIApp, others: ASGIApp) -> None:
        self._port = port
        self._operations = operations
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the port's application; start and stop are the other one's."""
        on_the_port = scope["type"] == "http" and scope["server"][1] == self._port
        await (self._operations if on_the_port else self._others)(scope, receive, send)
