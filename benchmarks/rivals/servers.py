"""The measured servers: how each is started, where it listens, and what CPU time and memory it takes."""

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.rivals.queries import Dialect

HERE: Final = Path(__file__).parent
MODULES: Final = HERE / "node_modules"
ROOT: Final = HERE.parents[1]
SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
START_SECONDS: Final = 60.0
# Milliseconds for which a caching rival keeps responses, as long as the gateway by default. hive.config.ts has it, too.
TTL_MS: Final = 2_000


class CannotRun(Exception):
    """A rival that does not run on this machine, with the reason."""


class Process:
    """A running command in its own process group. Its output goes to a file."""

    def __init__(self, command: Sequence[str], core: int, log: Path, env: Mapping[str, str], cwd: Path = ROOT) -> None:
        self.log = log
        self.began = time.perf_counter()
        with log.open("wb") as out, on_core(core):
            self._process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, env=dict(env), cwd=cwd, start_new_session=True
            )

    @property
    def pids(self) -> list[int]:
        """Return the ids of all processes of the group."""
        group = self._process.pid
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                except OSError:
                    continue
                if int(stat.rpartition(")")[2].split()[2]) == group:
                    found.append(int(entry.name))
        return found

    def check(self) -> None:
        """Raise CannotRun with the last lines of its output if the command has ended."""
        if self._process.poll() is not None:
            lines = self.log.read_text(errors="replace").split("\n")
            raise CannotRun(" / ".join(line.strip() for line in lines if line.strip())[-300:] or "it ended")

    def cpu(self) -> float:
        """Return the CPU seconds used so far, with nanosecond resolution, from the kernel's clock of each process."""
        # On Linux the scheduler's clock of a process has the id ~pid << 3 | 2 (clock_getcpuclockid).
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.pids)

    def memory(self, kind: str = "VmRSS") -> float:
        """Return the megabytes in use now, or the maximum so far if `kind` is VmHWM."""
        kilobytes = 0
        for pid in self.pids:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(f"{kind}:"):
                    kilobytes += int(line.split()[1])
        return kilobytes / 1024

    def stop(self) -> None:
        """Terminate the command. Kill it if it has not ended after 5 s."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Pin processes that are started in the block to this core, if the machine has it."""
    own = os.sched_getaffinity(0)
    if core in own:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def free_port() -> int:
    """Return an unused port below those of outgoing connections, which could take it before the server starts."""
    for port in random.sample(range(20_000, 30_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise CannotRun("no port between 20,000 and 30,000 is free")


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return an environment without the user's own variables."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        **variables,
    }


class Stub:
    """The running stub upstream of all servers."""

    def __init__(self, folder: Path, numbers: int) -> None:
        log = folder / f"stub-{numbers}.log"
        command = [sys.executable, "-m", "benchmarks.rivals.stub", "--numbers", str(numbers)]
        self.process = Process(command, LOAD_CORE, log, environment(folder))
        while not (printed := log.read_text()).endswith("\n"):
            self.process.check()
            time.sleep(0.02)
        self.url = printed.strip()
        self._port = urlsplit(self.url).port

    def calls(self) -> int:
        """Return the number of calls so far."""
        return int(self._get("/-/calls"))

    def holds(self, numbers: int) -> None:
        """Set the size of the inventory."""
        self._get(f"/-/holds/{numbers}")

    def takes(self, latency_ms: int) -> None:
        """Delay each response by so many milliseconds."""
        self._get(f"/-/takes/{latency_ms}")

    def _get(self, path: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection.request("GET", path)
        answer = connection.getresponse().read().decode()
        connection.close()
        return answer.removeprefix('{"calls": ').removesuffix("}")


@dataclass
class Server:
    """A GraphQL server at /graphql.

    Attributes:
        opaque: Whether only a response of the server itself has a cursor. Other servers take an offset.
    """

    name: str
    dialect: Dialect
    process: Process
    port: int
    opaque: bool = False
    cursors: dict[tuple[bool, int], str] = field(default_factory=dict)

    @property
    def start(self) -> str | None:
        """Return the cursor of the first page. Hive Gateway needs a token, because it sends null as a word."""
        return None if self.opaque else "0"

    def post(self, body: str) -> bytes:
        """Send one request on a new connection, and return the body of the response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", "/graphql", body, {"content-type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()

    def first_response(self, body: str) -> float:
        """Return the seconds from the start of the process to its first response with data.

        Raises:
            CannotRun: If there is none within START_SECONDS.
        """
        while time.perf_counter() - self.process.began < START_SECONDS:
            self.process.check()
            try:
                answer = self.post(body)
            except OSError:
                time.sleep(0.005)
                continue
            if b'"data":{' not in answer or b'"errors":' in answer:
                time.sleep(0.005)
                continue
            return time.perf_counter() - self.process.began
        raise CannotRun(f"no response within {START_SECONDS:.0f} s")


Start = Callable[[str, Path], Server]


def start_ours(stub: str, folder: Path, *, cached: bool = False) -> Server:
    """Start the gateway as `chime-gateway serve` does."""
    return _ours("ours", [str(Path(sys.executable).parent / "chime-gateway")], stub, folder, cached=cached)


def start_baseline(program: Path, stub: str, folder: Path, *, cached: bool = False) -> Server:
    """Start the `chime-gateway` of another checkout."""
    return _ours("baseline", [str(program)], stub, folder, cached=cached)


def start_unshared(stub: str, folder: Path) -> Server:
    """Start the gateway without single flight (unshared.py)."""
    return _ours("ours, unshared", [sys.executable, "-m", "benchmarks.rivals.unshared"], stub, folder, cached=False)


def _ours(name: str, command: list[str], stub: str, folder: Path, *, cached: bool) -> Server:
    port = free_port()
    env = environment(
        folder,
        GATEWAY_UPSTREAM_API="chime",
        GATEWAY_UPSTREAM_ENDPOINT_URL=stub,
        # The mixed load contains introspection.
        GATEWAY_INTROSPECTION="true",
        **({} if cached else {"GATEWAY_CACHE_TTL_SECONDS": "0"}),
    )
    log = folder / f"{name}.log"
    process = Process([*command, "serve", "--port", str(port)], SERVER_CORE, log, env)
    return Server(name, Dialect(relay=True), process, port, opaque=True)


def start_naive(stub: str, folder: Path) -> Server:
    """Start the app of naive.py under uvicorn with uvloop and httptools."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.rivals.naive:app", "--port", str(port)]
    process = Process(
        [*command, "--no-access-log", "--log-level", "warning"],
        SERVER_CORE,
        folder / "naive.log",
        environment(folder, STUB_URL=stub),
    )
    return Server("naive", Dialect(relay=True), process, port)


def start_hive(stub: str, folder: Path, *, cached: bool = False) -> Server:
    """Start Hive Gateway over the supergraph that Mesh Compose builds from mesh.config.ts."""
    compose, gateway = MODULES / "@graphql-mesh/compose-cli/esm/bin.js", MODULES / "@graphql-hive/gateway/dist/bin.js"
    env = environment(folder, STUB_URL=stub, NODE_ENV="production", LOG_LEVEL="warn")
    supergraph = folder / f"supergraph-{urlsplit(stub).port}.graphql"
    if not supergraph.exists():
        composed = subprocess.run(
            ["node", compose, "-o", supergraph], cwd=HERE, env=env, capture_output=True, text=True, check=False
        )
        if composed.returncode:
            raise CannotRun(f"Mesh Compose: {composed.stderr.strip()[-300:]}")
    port = free_port()
    command = ["node", str(gateway), "supergraph", str(supergraph), "--host", "127.0.0.1", "--port", str(port)]
    # Compiled documents make it 5 to 10 % faster. By default it interprets them.
    command += ["--jit", *(["--config-path", str(HERE / "hive.config.ts")] if cached else [])]
    process = Process(command, SERVER_CORE, folder / "hive.log", env, folder)
    return Server("Hive Gateway", Dialect(relay=False), process, port)


def start_tailcall(stub: str, folder: Path, *, cached: bool = False) -> Server:
    """Start Tailcall with tailcall.graphql."""
    port = free_port()
    text = (HERE / "tailcall.graphql").read_text()
    words = {"HOST": "127.0.0.1", "PORT": str(port), "STUB": stub}
    words["CACHE"] = f"@cache(maxAge: {TTL_MS})" if cached else ""
    # Its cache mixes up the records of a few numbers (15 and 98) if only the path of the request has the number.
    words["KEY"] = ', query: [{ key: "number", value: "{{.value.E164PhoneNumber}}" }]' if cached else ""
    for word, value in words.items():
        text = text.replace(word, value)
    config = folder / "tailcall.graphql"
    # The first line is a comment with the words that were just replaced.
    config.write_text(text.partition("\n")[2])
    command = [str(MODULES / "@tailcallhq/core-linux-x64-gnu/bin/tailcall"), "start", str(config)]
    env = environment(folder, TAILCALL_TRACKER="false")
    process = Process(command, SERVER_CORE, folder / "tailcall.log", env, folder)
    return Server("Tailcall", Dialect(relay=False), process, port)


RIVALS: Final[Mapping[str, Start]] = {"naive": start_naive, "hive": start_hive, "tailcall": start_tailcall}
# The rivals with their own response caches on. The naive app has none.
CACHING: Final[Mapping[str, Start]] = {
    "hive": partial(start_hive, cached=True),
    "tailcall": partial(start_tailcall, cached=True),
}
