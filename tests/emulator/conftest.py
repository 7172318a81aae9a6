import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from gateway.emulator.asgi import EmulatorOptions, create_emulator
from gateway.emulator.fault_injection import FaultInjection
from gateway.emulator.service_model import SERVICE_MODELS, Api, ServiceModel
from gateway.emulator.store import Store
from tests.emulator.aws_clients import AwsCommandLine, Caller
from tests.support.serving import served


@dataclass(frozen=True)
class Emulated:
    """A running emulator."""

    url: str
    service: ServiceModel
    store: Store
    fault_injection: FaultInjection
    caller: Caller

    def aws(self, home: Path) -> AwsCommandLine:
        return AwsCommandLine(self.url, self.service.api, home)


class Emulate(Protocol):
    def __call__(self, clock: Callable[[], float] = ..., **options: Any) -> Emulated: ...


@pytest.fixture
def emulate() -> Iterator[Emulate]:
    """Start emulators that stop with the test."""
    with ExitStack() as running:

        def start(clock: Callable[[], float] = time.time, **options: Any) -> Emulated:
            return running.enter_context(running_emulator(clock, **options))

        yield start


@pytest.fixture(params=["chime", "chime-sdk-voice"])
def api(request: pytest.FixtureRequest) -> Api:
    chosen: Api = request.param
    return chosen


@pytest.fixture(scope="session", params=["chime", "chime-sdk-voice"])
def sample(request: pytest.FixtureRequest) -> Iterator[Emulated]:
    """Return an emulator with sample data, for tests that do not change it."""
    with running_emulator(api=request.param) as emulated:
        yield emulated


@contextmanager
def running_emulator(clock: Callable[[], float] = time.time, **options: Any) -> Iterator[Emulated]:
    chosen = EmulatorOptions(**options)
    app = create_emulator(chosen, clock)
    with served(app) as url:
        yield Emulated(
            url=url,
            service=SERVICE_MODELS[chosen.api],
            store=app.state.store,
            fault_injection=app.state.fault_injection,
            caller=Caller(url, clock=clock),
        )
