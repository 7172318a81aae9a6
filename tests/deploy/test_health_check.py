"""The image's health check finds the port that the gateway listens on, and fails unless /healthz is 200."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support.processes import ROOT, free_port

PROGRAM = "/app/venv/bin/python\0/app/venv/bin/chime-gateway\0"


class IPv6Server(HTTPServer):
    address_family = socket.AF_INET6


@contextmanager
def responder(status: int = 200, host: str = "127.0.0.1") -> Iterator[int]:
    """Serve this status at /healthz, and 404 elsewhere, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with (IPv6Server if ":" in host else HTTPServer)((host, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def passes(folder: Path, words: str, **environment: str) -> bool:
    """Return whether the check succeeds for a container with this command line and these variables."""
    command_line = folder / "cmdline"
    command_line.write_text(words)
    command = [ROOT / "deploy" / "health-check", command_line]
    env = {"PATH": os.defpath, **environment}
    return subprocess.run(command, env=env, capture_output=True, timeout=30, check=False).returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        f"{PROGRAM}serve\0--host\x000.0.0.0\0--port\0PORT\0",
        f"{PROGRAM}serve\0--port=PORT\0--workers\x002\0",
        f"/sbin/docker-init\0--\0{PROGRAM}dev\0--port\0PORT\0",
        "sh\0-c\0chime-gateway serve --port PORT | tee log\0",
    ],
    ids=["two words", "one word", "behind an init process", "in a shell"],
)
def test_port_is_read_from_the_command(tmp_path: Path, words: str) -> None:
    with responder() as port:
        assert passes(tmp_path, words.replace("PORT", str(port)), PORT="1")
    assert not passes(tmp_path, words.replace("PORT", str(port)), PORT="1")


def test_admin_port_is_used_unless_it_is_free_to_choose(tmp_path: Path) -> None:
    with responder() as port:
        other = str(free_port())
        assert passes(tmp_path, f"{PROGRAM}serve\0--port\0{other}\0", GATEWAY_ADMIN_PORT=str(port))
        assert not passes(tmp_path, f"{PROGRAM}serve\0--port\0{port}\0", GATEWAY_ADMIN_PORT=other)
        assert passes(tmp_path, f"{PROGRAM}serve\0--port\0{port}\0", GATEWAY_ADMIN_PORT="0")
        # The gateway reads a number of this form, too.
        assert passes(tmp_path, f"{PROGRAM}serve\0--port\0{other}\0", GATEWAY_ADMIN_PORT=f" 0{port} ")


def test_gateway_that_listens_on_ipv6_alone_is_found(tmp_path: Path) -> None:
    with responder(host="::1") as port:
        assert passes(tmp_path, f"{PROGRAM}serve\0--host\0::1\0--port\0{port}\0")


def test_port_variable_counts_in_dev_alone(tmp_path: Path) -> None:
    with responder() as port:
        assert passes(tmp_path, f"{PROGRAM}dev\0--host\x000.0.0.0\0", PORT=str(port))
        assert passes(tmp_path, f"{PROGRAM}dev\0--port\0{port}\0", PORT=str(free_port()))
        assert not passes(tmp_path, f"{PROGRAM}serve\0--port\0{free_port()}\0", PORT=str(port))


def test_another_status_fails(tmp_path: Path) -> None:
    with responder(503) as port:
        assert not passes(tmp_path, f"{PROGRAM}serve\0--port\0{port}\0")
