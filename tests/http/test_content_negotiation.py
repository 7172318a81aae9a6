"""Content negotiation by RFC 9110 and GraphQL over HTTP."""

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.content_negotiation import RESPONSE_MEDIA_TYPES, is_json, read_accept

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        # A client without a preference gets JSON, which every client can read.
        ("", JSON),
        (" , ,", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (CHROMIUM, JSON),
        # A type is named exactly.
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        ("Application/GraphQL-Response+JSON", GRAPHQL),
        (f"text/html,\t{GRAPHQL} ;q=1", GRAPHQL),
        # The highest weight wins, then the order.
        (f"{GRAPHQL}, {JSON}", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", JSON),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{JSON};q=0.9, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL};q=0.5, {JSON};q=0.501", JSON),
        (f"{JSON};Q=.2, {GRAPHQL};q=0.1", JSON),
        (f"{GRAPHQL};charset=utf-8, {JSON};charset=utf-8", GRAPHQL),
        # The most exact range applies to a type, whatever its position.
        (f"{JSON}, text/plain, */*", JSON),
        (f"{GRAPHQL}, */*", GRAPHQL),
        (f"*/*, {GRAPHQL}", GRAPHQL),
        (f"{JSON};q=0.5, */*", GRAPHQL),
        (f"{GRAPHQL};q=0.5, */*", JSON),
        (f"{JSON};q=0, */*", GRAPHQL),
        (f"{GRAPHQL};q=0, application/*", JSON),
        ("application/*;q=0, */*", None),
        # Types have parameters.
        (f'{JSON}; charset="UTF-8"', JSON),
        (f"{JSON};charset=utf8", JSON),
        (f"{JSON};odata=verbose", JSON),
        (f'{JSON};note="a, {GRAPHQL};q=1";q=0.1, text/html', JSON),
        (f"{JSON};charset=iso-8859-1", None),
        (f"{JSON};charset=iso-8859-1, {GRAPHQL};q=0.1", GRAPHQL),
        # Neither type is accepted.
        ("text/html", None),
        ("application/graphql", None),
        ("application/jsonx", None),
        ("json", None),
        (f"{JSON};q=0", None),
        ("*/*;q=0.000", None),
        (f"{JSON};q=2", None),
        (f"{JSON};q=nan", None),
        (f"{JSON};q=high", None),
        (f'"{JSON}"', None),
        (f'x/y;z="{JSON}, {JSON}', None),
    ],
)
def test_the_response_has_the_media_type_that_the_client_ranks_first(accept: str, expected: str | None) -> None:
    assert read_accept(accept).media_type == expected


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (CHROMIUM, True),
        ("text/html", True),
        (f"text/html, {JSON}", True),
        ("text/*", True),
        ("", False),
        ("*/*", False),
        (JSON, False),
        (f"{JSON}, text/html", False),
        (f"text/html;q=0.9, {GRAPHQL}", False),
        ("text/html;q=0, */*", False),
        ("text/plain", False),
    ],
)
def test_browsers_prefer_html_and_programs_do_not(accept: str, page: bool) -> None:
    assert read_accept(accept).prefers_html is page


@pytest.mark.parametrize(
    ("content_type", "accepted"),
    [
        (JSON, True),
        ("Application/JSON", True),
        (f"{JSON};", True),
        (f"{JSON}; charset=utf-8", True),
        (f'{JSON};charset="UTF-8"', True),
        (f"{JSON}; charset=utf8", True),
        (f"{JSON}; profile=x", True),
        ("", False),
        ("application/jsonx", False),
        ("application/json-patch+json", False),
        (GRAPHQL, False),
        ("application/graphql", False),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=application/json", False),
        (f"{JSON}, {JSON}", False),
        (f"text/plain; x={JSON}", False),
        (f"{JSON}; charset=iso-8859-1", False),
        (f"{JSON}; charset=utf-16", False),
        (f"{JSON}; charset=", False),
        (f"{JSON}; charset", False),
        (f"{JSON}; charset=utf-8; charset=utf-16", False),
        (f"{JSON} charset=utf-8", False),
    ],
)
def test_only_json_in_utf_8_is_accepted_as_a_body(content_type: str, accepted: bool) -> None:
    assert is_json(content_type) is accepted


@settings(deadline=None)
@given(st.text(st.sampled_from('aj/*+;,="\\q01. \t') | st.characters(max_codepoint=255), max_size=600))
def test_any_header_value_can_be_read(value: str) -> None:
    accept = read_accept(value)
    assert accept.media_type in {*RESPONSE_MEDIA_TYPES, None}
    assert accept.prefers_html in {True, False}
    assert is_json(value) in {True, False}


@settings(deadline=None)
@given(st.permutations([f"{JSON};q=0.3", f"{GRAPHQL};q=0.7", "application/*;q=0.9", "*/*", "text/html;q=0.1"]))
def test_the_order_does_not_matter_if_all_weights_differ(ranges: list[str]) -> None:
    assert read_accept(",".join(ranges)).media_type == GRAPHQL


def test_several_accept_lines_are_one_list(endpoint: httpx.Client) -> None:
    lines = [("accept", f"{JSON};q=0.5"), ("accept", GRAPHQL), ("accept", "text/html")]
    response = endpoint.get("/graphql", params={"query": "{ __typename }"}, headers=lines)
    assert response.headers["content-type"] == f"{GRAPHQL}; charset=utf-8"
    assert response.headers["vary"] == "Accept, Accept-Encoding"
    assert response.json() == {"data": {"__typename": "Query"}}


def test_an_unacceptable_response_is_406_and_names_the_media_types(endpoint: httpx.Client) -> None:
    for request in (
        endpoint.build_request("POST", "/graphql", json={"query": "{ __typename }"}, headers={"accept": "text/html"}),
        endpoint.build_request("GET", "/graphql?query={__typename}", headers={"accept": f"{JSON};q=0"}),
    ):
        response = endpoint.send(request)
        assert response.status_code == 406
        assert response.headers["content-type"] == f"{JSON}; charset=utf-8"
        assert response.headers["vary"] == "Accept, Accept-Encoding"
        [error] = response.json()["errors"]
        assert GRAPHQL in error["message"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT"}
