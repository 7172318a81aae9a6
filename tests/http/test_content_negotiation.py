"""Content negotiation: what a header's value means, by RFC 9110 and GraphQL over HTTP."""

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.content_negotiation import ANSWERS, HTML, is_json, negotiate, prefers_html, response_media_type

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        # Whoever does not say gets what every client knows.
        ("", JSON),
        (" , ,", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (CHROMIUM, JSON),
        # By name.
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        ("Application/GraphQL-Response+JSON", GRAPHQL),
        (f"text/html,\t{GRAPHQL} ;q=1", GRAPHQL),
        # By weight, and among equals by order.
        (f"{GRAPHQL}, {JSON}", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", JSON),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{JSON};q=0.9, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL};q=0.5, {JSON};q=0.501", JSON),
        (f"{JSON};Q=.2, {GRAPHQL};q=0.1", JSON),
        (f"{GRAPHQL};charset=utf-8, {JSON};charset=utf-8", GRAPHQL),
        # The more exact range decides over a type, whatever stands beside it.
        (f"{JSON}, text/plain, */*", JSON),
        (f"{GRAPHQL}, */*", GRAPHQL),
        (f"*/*, {GRAPHQL}", GRAPHQL),
        (f"{JSON};q=0.5, */*", GRAPHQL),
        (f"{GRAPHQL};q=0.5, */*", JSON),
        (f"{JSON};q=0, */*", GRAPHQL),
        (f"{GRAPHQL};q=0, application/*", JSON),
        ("application/*;q=0, */*", None),
        # Parameters.
        (f'{JSON}; charset="UTF-8"', JSON),
        (f"{JSON};charset=utf8", JSON),
        (f"{JSON};odata=verbose", JSON),
        (f'{JSON};note="a, {GRAPHQL};q=1";q=0.1, text/html', JSON),
        (f"{JSON};charset=iso-8859-1", None),
        (f"{JSON};charset=iso-8859-1, {GRAPHQL};q=0.1", GRAPHQL),
        # None of them.
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
def test_an_answer_is_in_the_media_type_that_its_client_ranks_first(accept: str, expected: str | None) -> None:
    assert response_media_type(accept) == expected


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
def test_a_browser_would_rather_have_a_page_and_a_program_would_not(accept: str, page: bool) -> None:
    assert prefers_html(accept) is page


@pytest.mark.parametrize(
    ("content_type", "taken"),
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
def test_a_body_is_taken_as_json_in_utf_8_alone(content_type: str, taken: bool) -> None:
    assert is_json(content_type) is taken


@settings(deadline=None)
@given(st.text(st.sampled_from('aj/*+;,="\\q01. \t') | st.characters(max_codepoint=255), max_size=600))
def test_whatever_stands_in_a_header_is_read(value: str) -> None:
    assert negotiate(value, (*ANSWERS, HTML)) in {*ANSWERS, HTML, None}
    assert is_json(value) in {True, False}


@settings(deadline=None)
@given(st.permutations([f"{JSON};q=0.3", f"{GRAPHQL};q=0.7", "application/*;q=0.9", "*/*", "text/html;q=0.1"]))
def test_where_all_weights_differ_the_order_in_the_header_means_nothing(ranges: list[str]) -> None:
    assert response_media_type(",".join(ranges)) == GRAPHQL


def test_a_header_in_several_lines_is_one_list(endpoint: httpx.Client) -> None:
    lines = [("accept", f"{JSON};q=0.5"), ("accept", GRAPHQL), ("accept", "text/html")]
    answer = endpoint.get("/graphql", params={"query": "{ __typename }"}, headers=lines)
    assert answer.headers["content-type"] == f"{GRAPHQL}; charset=utf-8"
    assert answer.headers["vary"] == "Accept"
    assert answer.json() == {"data": {"__typename": "Query"}}


def test_a_client_that_takes_nothing_that_there_is_is_told_what_there_is(endpoint: httpx.Client) -> None:
    for ask in (
        endpoint.build_request("POST", "/graphql", json={"query": "{ __typename }"}, headers={"accept": "text/html"}),
        endpoint.build_request("GET", "/graphql?query={__typename}", headers={"accept": f"{JSON};q=0"}),
    ):
        answer = endpoint.send(ask)
        assert answer.status_code == 406
        assert answer.headers["content-type"] == f"{JSON}; charset=utf-8"
        assert answer.headers["vary"] == "Accept"
        [error] = answer.json()["errors"]
        assert GRAPHQL in error["message"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT"}
