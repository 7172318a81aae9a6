"""Pages of filtered lists over HTTP: the page limit, the upstream calls, other replicas, the cache and streams."""

from typing import Any

import pytest
from pydantic import SecretBytes

from gateway.settings import Settings
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws, e164, number_record, order_record
from tests.support.gated import gated_aws
from tests.support.multipart import stream_parts

PAGE = """
query ($filter: PhoneNumberFilter, $first: Int, $after: String, $last: Int, $before: String) {
  phoneNumbers(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
    nodes { e164PhoneNumber }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
TOLL_FREE = {"type": "TOLL_FREE"}


def sparse(count: int, *toll_free: int) -> list[dict[str, Any]]:
    """Return so many numbers, a few of them toll-free."""
    return [number_record(index, **({"Type": "TollFree"} if index in toll_free else {})) for index in range(count)]


def limited(settings: Settings, pages: int, **changes: Any) -> Settings:
    return settings.model_copy(
        update={"max_upstream_pages": pages, "cursor_keys": (SecretBytes(b"k" * 32),), **changes}
    )


async def read(gateway: Gateway, **arguments: Any) -> tuple[list[str], dict[str, Any]]:
    """Return the numbers of one page, and its pageInfo."""
    page = (await gateway.query(PAGE, **{"filter": TOLL_FREE, **arguments}))["phoneNumbers"]
    return [node["e164PhoneNumber"] for node in page["nodes"]], page["pageInfo"]


async def test_page_at_the_limit_has_the_rows_found_so_far_and_a_cursor_behind_the_last_row_read(
    aws: Aws, settings: Settings
) -> None:
    aws.adds_numbers(sparse(500, 250, 450))
    async with gateway_over(limited(settings, 2)) as gateway:
        found, nowhere = await read(gateway, first=5)
        assert (found, nowhere["hasPreviousPage"], nowhere["hasNextPage"]) == ([], False, True)
        assert nowhere["startCursor"] is None
        assert len(aws.calls) == 2
        found, partly = await read(gateway, first=5, after=nowhere["endCursor"])
        assert (found, partly["hasPreviousPage"], partly["hasNextPage"]) == ([e164(250)], False, True)
        assert len(aws.calls) == 4
        found, end = await read(gateway, first=5, after=partly["endCursor"])
        assert (found, end["hasPreviousPage"], end["hasNextPage"]) == ([e164(450)], True, False)
        assert len(aws.calls) == 6
    assert {query.partition("max-results=")[2].partition("&")[0] for query in aws.queries} == {"99"}


async def test_another_replica_continues_a_page_without_rows(aws: Aws, settings: Settings) -> None:
    aws.adds_numbers(sparse(300, 250))
    async with gateway_over(limited(settings, 1)) as gateway:
        _, nowhere = await read(gateway, first=5)
    async with gateway_over(limited(settings, 20)) as replica:
        found, end = await read(replica, first=5, after=nowhere["endCursor"])
    assert (found, end["hasNextPage"]) == ([e164(250)], False)
    assert len(aws.calls) == 1 + 3


async def test_cursor_is_bound_to_the_filter_and_not_to_the_way_it_is_written(gateway: Gateway, aws: Aws) -> None:
    aws.adds_numbers(sparse(10, *range(10)))
    given = {"statusIn": ["ASSIGNED", "UNASSIGNED"], "country": "us"}
    _, page = await read(gateway, filter=given, first=2)
    same = {"country": "US", "statusIn": ["UNASSIGNED", "ASSIGNED", "ASSIGNED"], "search": None}
    found, _ = await read(gateway, filter=same, first=2, after=page["endCursor"])
    assert found == [e164(2), e164(3)]
    others: list[Any] = [{**given, "search": "+1"}, {**given, "status": "UNASSIGNED"}, {"country": "US"}, {}, None]
    for other in others:
        response = await gateway.execute(PAGE, filter=other, after=page["endCursor"])
        assert [error["extensions"]["code"] for error in response["errors"]] == ["BAD_CURSOR"], other


@pytest.mark.parametrize(
    ("arguments", "found", "calls"),
    [
        # The list has 1,000 numbers on 11 pages. Every tenth is toll-free.
        ({"first": 0}, 0, 0),
        ({"first": 5}, 5, 1),
        ({"first": 10}, 10, 1),
        ({"first": 11}, 11, 2),
        ({"first": 50}, 50, 5),
        ({"first": 100}, 100, 11),
        ({"first": 1000}, 100, 11),
        ({"last": 5}, 5, 11),
        ({"first": 5, "filter": {"type": "TOLL_FREE", "status": "UNASSIGNED"}}, 5, 1),
        ({"first": 5, "filter": {"search": e164(999)}}, 1, 11),
        ({"first": 5, "filter": {"search": "nowhere"}}, 0, 11),
        ({"first": 5, "filter": {"statusIn": []}}, 0, 0),
        ({"first": 5, "filter": {"statusIn": ["UNASSIGNED"]}}, 5, 1),
    ],
)
async def test_filtered_page_costs_the_pages_up_to_its_last_row(
    gateway: Gateway, aws: Aws, arguments: dict[str, Any], found: int, calls: int
) -> None:
    aws.adds_numbers(sparse(1_000, *range(0, 1_000, 10)))
    numbers, _ = await read(gateway, **arguments)
    assert (len(numbers), len(aws.calls)) == (found, calls)


async def test_page_that_ends_with_the_last_match_of_its_upstream_page_is_not_read_again(
    gateway: Gateway, aws: Aws
) -> None:
    aws.adds_numbers(sparse(297, 10, 110, 210))
    seen: list[str] = []
    after = None
    for _ in range(3):
        found, page = await read(gateway, first=1, after=after)
        seen += found
        after = page["endCursor"]
    assert seen == [e164(10), e164(110), e164(210)]
    assert len(aws.calls) == 3


async def test_walk_through_a_fresh_list_costs_each_of_its_pages_once(aws: Aws, settings: Settings) -> None:
    aws.adds_numbers(sparse(1_000, *range(0, 1_000, 3)))
    async with gateway_over(limited(settings, 20, cache_ttl_seconds=3600)) as gateway:
        seen: list[str] = []
        after = None
        while True:
            found, page = await read(gateway, first=7, after=after)
            seen += found
            after = page["endCursor"]
            if not page["hasNextPage"]:
                break
        found, _ = await read(gateway, last=7)
        count = await gateway.query("{ phoneNumbers(filter: { type: TOLL_FREE }) { totalCount } }")
    assert seen == [e164(index) for index in range(0, 1_000, 3)]
    assert found == seen[-7:]
    assert count == {"phoneNumbers": {"totalCount": len(seen)}}
    assert len(aws.calls) == 11


async def test_walk_backwards_returns_each_match_once(gateway: Gateway, aws: Aws) -> None:
    aws.adds_numbers(sparse(300, *range(5, 300, 9)))
    seen: list[str] = []
    before = None
    while True:
        found, page = await read(gateway, last=10, before=before)
        seen = found + seen
        before = page["startCursor"]
        if not page["hasPreviousPage"]:
            break
    assert seen == [e164(index) for index in range(5, 300, 9)]


async def test_count_and_last_rows_of_a_filtered_list_have_the_page_limit(aws: Aws, settings: Settings) -> None:
    aws.adds_numbers(sparse(300, 0))
    document = """query ($filter: PhoneNumberFilter) {
      a: phoneNumbers(first: 1, filter: $filter) { totalCount nodes { e164PhoneNumber } }
      b: phoneNumbers(last: 1, filter: $filter) { nodes { e164PhoneNumber } } }"""
    partly = {**TOLL_FREE, "statusIn": ["UNASSIGNED"], "productType": "VOICE_CONNECTOR"}
    advice = [
        (TOLL_FREE, "Narrow the filter by status, productType or association, or page with first and after"),
        (partly, "Narrow the filter by association, or page with first and after"),
    ]
    async with gateway_over(limited(settings, 2)) as gateway:
        for given, words in advice:
            response = await gateway.execute(document, filter=given)
            assert response["data"] == {"a": {"totalCount": None, "nodes": [{"e164PhoneNumber": e164(0)}]}, "b": None}
            assert {error["extensions"]["code"] for error in response["errors"]} == {"PAGE_LIMIT_EXCEEDED"}
            assert {error["message"] for error in response["errors"]} == {
                f"The gateway read 2 upstream pages, and the list has more. {words} (GATEWAY_MAX_UPSTREAM_PAGES)."
            }


async def test_count_of_filtered_orders_beyond_the_limit_advises_to_page(aws: Aws, settings: Settings) -> None:
    aws.adds_orders(order_record(index, []) for index in range(300))
    async with gateway_over(limited(settings, 2)) as gateway:
        response = await gateway.execute("{ phoneNumberOrders(filter: { status: FAILED }) { totalCount } }")
    [error] = response["errors"]
    assert error["message"] == (
        "The gateway read 2 upstream pages, and the list has more. Page with first and after "
        "(GATEWAY_MAX_UPSTREAM_PAGES)."
    )


async def test_streamed_rows_are_sent_as_their_pages_match() -> None:
    with gated_aws() as aws:
        aws.adds_numbers(sparse(450, 50, 51, 250, 350))
        settings = Settings(upstream_api="chime", upstream_endpoint_url=aws.url)  # type: ignore[arg-type]  # Pydantic parses the URL.
        async with gateway_over(limited(settings, 4)) as gateway:
            aws.hold_back()
            aws.release(1)
            document = """{ phoneNumbers(first: 9, filter: { type: TOLL_FREE }) {
              nodes @stream(initialCount: 1) { e164PhoneNumber } } }"""
            async with stream_parts(gateway.http, document) as parts:
                first = await parts.next()
                assert first["data"]["phoneNumbers"]["nodes"] == [{"e164PhoneNumber": e164(50)}]
                # The second page has no match, so the third is awaited with it. The page limit ends the stream.
                for released, number in ((0, 51), (2, 250), (1, 350)):
                    for _ in range(released):
                        aws.release(1)
                    part = await parts.next()
                    [piece] = part["incremental"]
                    assert piece["items"] == [{"e164PhoneNumber": e164(number)}]
                assert (part["completed"], part["hasNext"]) == ([{"id": "0"}], False)
    assert len(aws.calls) == 4
