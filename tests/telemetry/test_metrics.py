"""/metrics: its metrics and labels, and the limit on their number."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway.telemetry.metrics import MAX_OPERATION_NAMES
from tests.conftest import Gateway
from tests.support.aws import Aws
from tests.support.processes import BIN, environment, started, workers_of
from tests.telemetry.scraped_metrics import Metrics

COMMAND = str(BIN / "chime-gateway")
PREFIX = "chime_gateway_"


async def metrics_of(gateway: Gateway) -> Metrics:
    response = await gateway.http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return Metrics.of(response.text)


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve a gateway in a process of its own, whose metrics begin at zero."""
    home = tmp_path_factory.mktemp("home")
    with (
        started(COMMAND, "dev", "--port", "0", env=environment(home), lines=3) as process,
        httpx.Client(base_url=process.lines[0].split()[1].removesuffix("/graphql"), timeout=30) as http,
    ):
        yield http


def post(http: httpx.Client, document: str) -> None:
    http.post("/graphql", json={"query": document})


async def test_requests_are_counted_by_operation_name_and_first_error_code(gateway: Gateway, aws: Aws) -> None:
    before = await metrics_of(gateway)
    await gateway.execute("query Fine { __typename }")
    await gateway.execute("query Fine { __typename }")
    aws.fails("*", "UnauthorizedClientException")
    await gateway.execute(
        'query Wrong { a: phoneNumber(e164PhoneNumber: "+12065550000") { id } '
        'b: phoneNumber(e164PhoneNumber: "+12065550001") { id } }'
    )
    await gateway.execute("{ __typename }")
    await gateway.execute("query Invalid { nothing }")
    await gateway.http.put("/graphql")
    after = await metrics_of(gateway)
    assert after.since(before, PREFIX + "request") == {
        's_total{code="OK",graphql_operation="Fine"}': 2,
        's_total{code="UPSTREAM_UNAUTHORIZED",graphql_operation="Wrong"}': 1,
        's_total{code="OK",graphql_operation=""}': 1,
        's_total{code="GRAPHQL_VALIDATION_FAILED",graphql_operation=""}': 1,
        's_total{code="BAD_USER_INPUT",graphql_operation=""}': 1,
        '_errors_total{code="UPSTREAM_UNAUTHORIZED",graphql_operation="Wrong"}': 2,
        '_errors_total{code="GRAPHQL_VALIDATION_FAILED",graphql_operation=""}': 1,
        '_errors_total{code="BAD_USER_INPUT",graphql_operation=""}': 1,
    }
    assert after[PREFIX + 'request_duration_seconds_count{graphql_operation="Fine"}'] == 2
    assert after[PREFIX + "requests_in_flight"] == 0


async def test_upstream_calls_and_retries_are_counted_by_operation_and_outcome(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=250)
    before = await metrics_of(gateway)
    await gateway.query("{ phoneNumbers(first: 200) { nodes { id } } }")
    aws.fails("ListPhoneNumberOrders", "ServiceUnavailable")
    await gateway.execute("{ phoneNumberOrders(first: 1) { nodes { id } } }")
    after = await metrics_of(gateway)
    assert after.since(before, PREFIX + "upstream_") == {
        'calls_total{aws_operation="ListPhoneNumbers",outcome="ok"}': 3,
        'calls_total{aws_operation="ListPhoneNumberOrders",outcome="UPSTREAM_UNAVAILABLE"}': 3,
        'retries_total{aws_operation="ListPhoneNumberOrders"}': 2,
    }
    assert after[PREFIX + "upstream_calls_in_flight"] == 0
    assert after.since(before, PREFIX + "connection_upstream_pages_sum") == {
        '{list="ListPhoneNumbers"}': 3,
        '{list="ListPhoneNumberOrders"}': 1,
    }
    assert after.since(before, PREFIX + "connection_upstream_pages_count") == {
        '{list="ListPhoneNumbers"}': 1,
        '{list="ListPhoneNumberOrders"}': 1,
    }


async def test_batches_and_the_calls_that_they_saved_are_counted_by_plan(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=50, orders=5, numbers_each=8)
    before = await metrics_of(gateway)
    await gateway.query("{ phoneNumberOrders(first: 5) { nodes { orderedPhoneNumbers { phoneNumber { id } } } } }")
    await gateway.query('{ phoneNumber(e164PhoneNumber: "+12065550003") { id } }')
    after = await metrics_of(gateway)
    assert after.since(before, PREFIX + "loader_") == {
        'batches_total{list="ListPhoneNumbers",plan="list"}': 1,
        'batches_total{list="ListPhoneNumbers",plan="get"}': 1,
        'calls_total{kind="list",list="ListPhoneNumbers"}': 1,
        'calls_total{kind="get",list="ListPhoneNumbers"}': 1,
        'calls_saved_total{list="ListPhoneNumbers"}': 39,
    }


def test_names_above_the_limit_share_a_label_and_those_of_invalid_documents_have_none(dev: httpx.Client) -> None:
    for number in range(MAX_OPERATION_NAMES):
        post(dev, f"query Invalid{number} {{ nothing }}")
    for number in range(MAX_OPERATION_NAMES + 50):
        post(dev, f"query Made{number}_{'x' * 100} {{ __typename }}")
    metrics = Metrics.of(dev.get("/metrics").text)
    counted = {name: value for name, value in metrics.items() if name.startswith(PREFIX + "requests_total{")}
    # One of the names is the empty name, and `other` stands for all names above the limit.
    assert len(counted) == MAX_OPERATION_NAMES + 1
    assert counted[PREFIX + 'requests_total{code="OK",graphql_operation="other"}'] == 51
    assert not any("Invalid" in name for name in counted)
    assert max(map(len, counted)) < 150
    # The process metrics of the Prometheus client.
    assert metrics["process_resident_memory_bytes"] > 0


def directory_of(worker: int) -> Path:
    """Return the directory in which a worker counts. Other gateways on this machine have their own."""
    variables = Path(f"/proc/{worker}/environ").read_text().split("\0")
    [path] = [each for each in variables if each.startswith("PROMETHEUS_MULTIPROC_DIR=")]
    return Path(path.partition("=")[2])


def test_metrics_of_workers_are_added_up_and_their_files_removed_at_the_end(tmp_path: Path, aws: Aws) -> None:
    """Each scrape has a connection of its own, and either worker may respond to it on the shared port."""
    env = environment(
        tmp_path,
        AWS_ACCESS_KEY_ID="local",
        AWS_SECRET_ACCESS_KEY="local",
        GATEWAY_UPSTREAM_API="chime",
        GATEWAY_UPSTREAM_ENDPOINT_URL=aws.url,
        GATEWAY_ADMIN_PORT="0",
    )
    with started(COMMAND, "serve", "--port", "0", "--workers", "2", env=env, lines=4) as serve:
        url = serve.lines[0].split()[1]
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(
                    lambda _: httpx.post(url, json={"query": "query Shared { __typename }"}, timeout=30), range(40)
                )
            )
        pids = workers_of(serve.process.pid)
        assert len(pids) == 2
        for _ in range(8):
            metrics = Metrics.of(httpx.get(serve.lines[3].split()[1], timeout=30).text)
            assert metrics[PREFIX + 'requests_total{code="OK",graphql_operation="Shared"}'] == 40
        [directory] = {directory_of(pid) for pid in pids}
        assert directory.is_dir()
        assert serve.stop(signal.SIGTERM) == 0
    assert not directory.exists()
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
