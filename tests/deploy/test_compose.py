"""The compose file: within the Compose Specification, fitting together, and true of the commands that it starts."""

import re
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from tests.deploy.rendered import DEPLOY, SETTINGS, Manifest, instruction, seconds_to_drain, yaml_of
from tests.support.processes import BIN, environment, free_port, needed, started

# Of the collector's core distribution, whose image is used; what it has beyond these is not asked for here.
IN_THE_COLLECTOR = {
    "receivers": {"otlp"},
    "processors": {"batch", "memory_limiter"},
    "exporters": {"debug", "otlp", "otlphttp"},
}


@pytest.fixture(scope="module")
def services() -> dict[str, Manifest]:
    found: dict[str, Manifest] = yaml_of("compose.yaml")["services"]
    return found


@pytest.fixture(scope="module")
def configured(services: dict[str, Manifest]) -> dict[str, str]:
    return {name: value for name, value in services["gateway"]["environment"].items() if value is not None}


def test_file_follows_the_compose_specification() -> None:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_gateway_knows_every_setting(services: dict[str, Manifest]) -> None:
    named = {name for name in services["gateway"]["environment"] if name.startswith("GATEWAY")}
    assert named
    assert named - SETTINGS.keys() == set()


def test_every_host_name_is_a_service(services: dict[str, Manifest], configured: dict[str, str]) -> None:
    hosts = [urlsplit(value).hostname for value in configured.values() if "://" in value]
    hosts += [urlsplit(source["url"]).hostname for source in yaml_of("grafana/data-source.yaml")["datasources"]]
    [scraped] = yaml_of("prometheus.yaml")["scrape_configs"]
    [targets] = scraped["dns_sd_configs"]
    hosts += targets["names"]
    assert len(hosts) == 5
    assert set(hosts) <= services.keys()
    assert str(targets["port"]) == configured["GATEWAY_ADMIN_PORT"]


def test_mounted_files_exist_and_are_read_only(services: dict[str, Manifest]) -> None:
    mounts = [mount.split(":") for service in services.values() for mount in service.get("volumes", [])]
    assert len(mounts) == 5
    assert [source for source, _, _ in mounts if not (DEPLOY / source).is_file()] == []
    assert {mode for _, _, mode in mounts} == {"ro"}


def test_ports_are_on_loopback_and_images_are_exact_releases(
    services: dict[str, Manifest],
) -> None:
    """Anyone may ask it, so only its own machine does."""
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert f":{instruction('EXPOSE')}" in published[0]
    fetched = [service["image"] for service in services.values() if "build" not in service]
    assert [image for image in fetched if not re.search(r":v?\d+\.\d+\.\d+(-alpine)?$", image)] == []


def test_stop_grace_period_exceeds_the_shutdown_timeout(
    services: dict[str, Manifest], configured: dict[str, str]
) -> None:
    assert seconds_to_drain(configured) < int(services["gateway"]["stop_grace_period"].removesuffix("s"))


def test_started_services_respond_to_a_query(
    services: dict[str, Manifest], configured: dict[str, str], tmp_path: Path
) -> None:
    """Its own commands and settings, on free ports of this machine."""
    redis_port = free_port()
    _, *redis_options = services["redis"]["command"]
    here = ["--bind", "127.0.0.1", "--port", str(redis_port)]
    redis_server = [needed("redis-server", "the compose file's check"), *redis_options, *here]
    aws = [word.replace("0.0.0.0", "127.0.0.1") for word in services["aws"]["command"]]
    with ExitStack() as running:
        cache = running.enter_context(started(*redis_server, env=environment(tmp_path), lines=1, cwd=tmp_path))
        emulated = running.enter_context(
            started(str(BIN / "chime-gateway"), *aws, "--port", "0", env=environment(tmp_path), lines=1)
        )
        [endpoint] = re.findall(r"http://[\d.:]+\d", emulated.lines[0])
        env = environment(tmp_path, **configured) | {
            "GATEWAY_UPSTREAM_ENDPOINT_URL": endpoint,
            "GATEWAY_REDIS_URL": f"redis://127.0.0.1:{redis_port}",
            "GATEWAY_ADMIN_PORT": str(free_port()),
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        }
        gateway = running.enter_context(started(str(BIN / "chime-gateway"), "serve", "--port", "0", env=env, lines=1))
        query = {"query": "{ phoneNumbers(first: 2) { nodes { e164PhoneNumber } } }"}
        response = httpx.post(gateway.lines[0].split()[1], json=query, timeout=30)
        # The gateway would go on without it.
        until = time.monotonic() + 30
        with redis.Redis(port=redis_port) as link:
            while not link.dbsize():
                assert cache.process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
    assert len(response.json()["data"]["phoneNumbers"]["nodes"]) == 2


def test_collector_listens_at_the_gateways_endpoint_and_its_pipelines_are_complete(
    configured: dict[str, str],
) -> None:
    collector = yaml_of("otel-collector.yaml")
    sent_to = urlsplit(configured["OTEL_EXPORTER_OTLP_ENDPOINT"]).port
    assert collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"] == f"0.0.0.0:{sent_to}"
    pipelines = collector["service"]["pipelines"]
    assert pipelines.keys() == {"traces"}
    for kind, known in IN_THE_COLLECTOR.items():
        defined = collector[kind].keys()
        assert defined <= known
        assert {name for pipeline in pipelines.values() for name in pipeline[kind]} == defined
    # First, so that it refuses before anything is held.
    assert pipelines["traces"]["processors"][0] == "memory_limiter"
