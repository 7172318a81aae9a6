"""A limit on what each caller may ask."""

import pytest

from gateway.edge.api_keys import hash_of, new_api_key
from gateway.edge.rate_limit import RateLimit
from gateway.edge.refusal import RateLimited
from gateway.settings import Settings, read_settings
from tests.aws import Aws
from tests.conftest import Gateway

ONE, OTHER = new_api_key(), new_api_key()
LISTED = {"query": "{ phoneNumbers(first: 1) { nodes { id } } }"}


@pytest.fixture
def settings(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("GATEWAY_RATE_LIMIT", "3")
    keys = ",".join(hash_of(key.encode()) for key in (ONE, OTHER))
    return read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url, auth="api-key", api_keys=keys)


async def test_each_caller_is_refused_past_its_own_points_with_the_time_to_wait(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=1)
    for key in (ONE, OTHER):
        aws.calls.clear()
        answers = [await gateway.http.post("/graphql", json=LISTED, headers={"x-api-key": key}) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
        assert answers[-1].json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED"}
        assert len(aws.calls) == 3


async def test_whoever_may_not_ask_spends_nobodys_points(gateway: Gateway) -> None:
    for _ in range(5):
        answer = await gateway.http.post("/graphql", json=LISTED, headers={"x-api-key": "wrong"})
        assert answer.status_code == 401
    answer = await gateway.http.post("/graphql", json=LISTED, headers={"x-api-key": ONE})
    assert answer.status_code == 200


def test_points_come_back_evenly_and_no_more_than_a_bucket_holds() -> None:
    now = 0.0
    limit = RateLimit(60, lambda: now)
    limit.spend("caller", 60)
    for _ in range(3):
        with pytest.raises(RateLimited):
            limit.spend("caller", 1)
    now = 10.0
    with pytest.raises(RateLimited) as refusal:
        limit.spend("caller", 12)
    # Refused, it has spent none, and the wait that it is told is enough.
    assert refusal.value.headers == ((b"retry-after", b"2"),)
    now = 12.0
    limit.spend("caller", 12)
    now = 100_000.0
    limit.spend("caller", 60)
    with pytest.raises(RateLimited):
        limit.spend("caller", 1)
    limit.spend("another caller", 60)


def test_what_costs_more_than_a_bucket_holds_takes_a_full_one() -> None:
    now = 0.0
    limit = RateLimit(10, lambda: now)
    limit.spend("caller", 1_000)
    with pytest.raises(RateLimited):
        limit.spend("caller", 1)
    now = 59.0
    with pytest.raises(RateLimited):
        limit.spend("caller", 1_000)
    now = 60.0
    limit.spend("caller", 1_000)
