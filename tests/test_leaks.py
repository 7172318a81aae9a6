"""Nothing comes out that is not the reader's: every answer and every line of the log of a broad run is searched.

The run goes through a spawned gateway, over an upstream that puts what must not come out wherever it can, and over the
emulator.
"""

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.aws import e164, emulated_aws, number_record, order_record
from tests.support.processes import BIN, environment, started
from tests.support.raw_http import wire
from tests.support.scripted import Says, ScriptedUpstream, scripted_upstream

ACCESS_KEY, SECRET_KEY = "AKIAMARKERACCESSKEY1", "marker/secret+key/of/forty/characters/0123"
CURSOR_KEY = "bWFya2VyLW9mLWEta2V5LXRoYXQtc2VhbHMtY3Vyc28="
ACCOUNT = "123456789012"
ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/marker-role/i-0marker"
INTERNAL_URL = "https://marker.internal.example:8443/phone-numbers?next-token=marker"
TOKEN = "marker.next.token"
NUMBER, SPELLED = "+14155550199", "%2B14155550199"
SAID = (
    f"User: {ARN} in account {ACCOUNT} may not ask {INTERNAL_URL} with {TOKEN} and {ACCESS_KEY} for "
    f'{NUMBER}, {SPELLED}, {NUMBER[1:]}; signature {"ab12" * 16}\r\n{{"event": "forged"}}\u2028\x1b[2J'
)
# What a caller says, which is no concern of a log's.
VARIABLE, ALIAS, COMMENT, FILTER = "marker-variable", "markerAlias", "marker comment", "markerfiltervalue"

NOT_IN_AN_ANSWER = (ACCESS_KEY, SECRET_KEY, CURSOR_KEY, ACCOUNT, "arn:aws", "internal.example", TOKEN, "forged")
NOT_IN_THE_LOG = (
    *(marker for marker in NOT_IN_AN_ANSWER if marker != "forged"),
    *(
        NUMBER[1:],
        VARIABLE,
        ALIAS,
        COMMENT,
        FILTER,
        "ab12ab12",
        "\x1b",
        "12065550",
        "abcdef1ghij2klmno3pqr4",
        "pretended",
    ),
)
PYTHON = re.compile(
    r"Traceback|NoneType|object at 0x|\.py\b|gateway\.\w|graphql\.\w|strawberry|botocore|aiohttp|pydantic|<class|"
    r"(Type|Value|Key|Attribute|Index|Recursion|Assertion|Unicode\w+|Decode)Error"
)

FIELDS = (
    "id phoneNumberId e164PhoneNumber type status createdTimestamp capabilities { inboundCall } associations { name }"
)
DOCUMENTS = (
    f"query Numbers {{ {ALIAS}: phoneNumbers(first: 2) {{ edges {{ cursor node {{ {FIELDS} }} }} totalCount }} }}",
    f'{{ phoneNumbers(first: 2, filter: {{ voiceConnectorId: "{FILTER}" }}) {{ nodes {{ {FIELDS} }} }} }} # {COMMENT}',
    f'query One {{ {ALIAS}: phoneNumber(e164PhoneNumber: "{NUMBER}") {{ {FIELDS} }} }}',
    "{ phoneNumberOrders { nodes { id orderedPhoneNumbers { phoneNumber { id } } } pageInfo { endCursor } } }",
    f'{{ phoneNumberOrder(phoneNumberOrderId: "{VARIABLE}") {{ id status }} }}',
)
# What is no answer of AWS's, or an odd one.
ODD_ANSWERS = (
    *(Says({"Message": SAID, "Code": code}, status) for status, code in ((400, "BadRequest"), (403, ""), (404, ARN))),
    Says({"message": SAID}, 403, {"x-amzn-ErrorType": "AccessDeniedException", "x-amzn-requestid": ARN}),
    Says({"Message": SAID}, 401, {"x-amzn-requestid": f"{TOKEN} {NUMBER}"}),
    Says({"Message": SAID, "Code": "ServiceFailure"}, 500),
    Says(f"<html>{SAID}</html>"),
    Says(f"<html>{SAID}</html>", 502),
    Says("null"),
    Says([SAID]),
    Says({"PhoneNumbers": SAID, "PhoneNumberOrders": {SAID: SAID}, "PhoneNumber": SAID, "PhoneNumberOrder": [SAID]}),
    Says({"PhoneNumbers": [SAID, None], "PhoneNumberOrders": [{}], "NextToken": {TOKEN: 1}}),
    Says(
        {
            "PhoneNumbers": [number_record(0, Type=[SAID], Status={SAID: 1}, CreatedTimestamp=SAID, Capabilities=SAID)],
            "PhoneNumberOrders": [order_record(0, [NUMBER, SAID], Status=[SAID])],
            "NextToken": TOKEN,
        }
    ),
    Says({"PhoneNumbers": [number_record(1, PhoneNumberId=[SAID], Associations=[SAID, {"Name": [SAID]}])]}),
)
BAD_REQUESTS: tuple[dict[str, Any], ...] = (
    {"content": b"\xff" + VARIABLE.encode()},
    {"json": [VARIABLE]},
    {"json": {"query": f"{{ {ALIAS}"}},
    {"json": {"query": f"{{ {ALIAS} }}"}},
    {"json": {"query": DOCUMENTS[0], "operationName": 'Numbers\n{"event":"pretended","level":"info"}'}},
    {"json": {"query": DOCUMENTS[0], "operationName": VARIABLE}},
    {"json": {"query": "query N($n: Int) { phoneNumbers(first: $n) { totalCount } }", "variables": {"n": VARIABLE}}},
    {"json": {"query": "query A($a: String) { phoneNumbers(after: $a) { totalCount } }", "variables": {"a": VARIABLE}}},
    {
        "json": {
            "query": f"query T($f: PhoneNumberFilter) {{ {ALIAS}: phoneNumbers(filter: $f) {{ totalCount }} }}",
            "variables": {"f": {"status": VARIABLE, VARIABLE: [None, {"x": 1}]}},
        }
    },
    {"json": {"query": "{ node(id: 7) { id } }"}},
    {
        "json": {
            "query": "query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }",
            "variables": {"r": [{"__typename": "PhoneNumber", "id": [VARIABLE]}, {"__typename": VARIABLE}, 7]},
        }
    },
    {"json": {"query": "{ phoneNumbers(first: " + "9" * 5000 + ") { totalCount } }"}},
    {"json": {"query": "{" * 3000}},
)


@dataclass
class Run:
    """What one gateway answered, and what it logged."""

    answers: list[httpx.Response] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def asks(self, url: str, **request: Any) -> httpx.Response:
        headers = {"content-type": "application/json"}
        self.answers.append(httpx.post(url, headers=headers, timeout=30, **request))
        return self.answers[-1]


def gateway_run(home: Path, upstream_url: str, log_format: str, upstream: ScriptedUpstream | None = None) -> Run:
    """All documents and bad requests, and, where the upstream is scripted, each document over each odd answer."""
    env = environment(
        home,
        AWS_ACCESS_KEY_ID=ACCESS_KEY if upstream else "local",
        AWS_SECRET_ACCESS_KEY=SECRET_KEY if upstream else "local",
        GATEWAY_UPSTREAM_API="chime",
        GATEWAY_UPSTREAM_ENDPOINT_URL=upstream_url,
        GATEWAY_CURSOR_KEYS=CURSOR_KEY,
        GATEWAY_LOG_FORMAT=log_format,
    )
    run = Run()
    with started(str(BIN / "chime-gateway"), "serve", "--port", "0", env=env, lines=3) as serve:
        url = serve.lines[0].split()[1]
        for bad_request in BAD_REQUESTS:
            run.asks(url, **bad_request)
        for odd in ODD_ANSWERS if upstream else [None]:
            if upstream is not None and odd is not None:
                upstream.answers = [odd]
            for document in DOCUMENTS:
                answer = run.asks(url, json={"query": document}).json()
                cursors = re.findall(r'"(?:cursor|endCursor)": ?"([^"]+)"', json.dumps(answer))
                if cursors:
                    follow = "query Next($after: String) { phoneNumbers(after: $after) { nodes { id } } }"
                    run.asks(url, json={"query": follow, "variables": {"after": cursors[-1]}})
        run.answers.append(httpx.get(url.replace("/graphql", "/nowhere")))
        # What is refused before any application hears of it.
        with wire(url.removesuffix("/graphql")) as connection:
            connection.sends(f"GET /{VARIABLE} HTTP/1.1\r\n{ALIAS} : pretended\r\n\r\n".encode())
            refused = connection.answer()
            run.answers.append(httpx.Response(refused.status, headers=refused.fields, content=refused.body))
        assert serve.stop(signal.SIGTERM) == 0
        assert serve.process.stdout is not None
        run.log = serve.process.stdout.read().splitlines()
    return run


@pytest.fixture(scope="module", params=["json", "console"])
def run_over_markers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with scripted_upstream(Says({})) as upstream:
        yield gateway_run(tmp_path_factory.mktemp("home"), upstream.url, request.param, upstream)


@pytest.fixture(scope="module")
def run_over_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with emulated_aws() as aws:
        aws.holds_sample_data()
        aws.adds_numbers([number_record(0, E164PhoneNumber=NUMBER, PhoneNumberId=SPELLED)])
        yield gateway_run(tmp_path_factory.mktemp("home"), aws.url, "json")


def test_no_answer_says_what_the_upstream_said_or_how_it_was_made(run_over_markers: Run) -> None:
    # Numbers and odd fields of a record are its owner's to read; a message about them is not.
    for answer in run_over_markers.answers:
        body = answer.json()
        told = json.dumps(body.get("errors", "")) + json.dumps(dict(answer.headers))
        assert [marker for marker in NOT_IN_AN_ANSWER if marker in told] == [], told
        assert not PYTHON.search(told), told
        assert TOKEN not in answer.text
    assert len(run_over_markers.answers) > 70


def test_no_line_of_the_log_says_what_was_asked_or_answered(run_over_markers: Run) -> None:
    log = "\n".join(run_over_markers.log)
    assert [marker for marker in NOT_IN_THE_LOG if marker in log] == [], log
    cursors = [
        cursor for answer in run_over_markers.answers for cursor in re.findall(r"[\w-]{20,}\.\w{48}", answer.text)
    ]
    assert cursors
    assert [cursor for cursor in cursors if cursor[:20] in log or cursor[-20:] in log] == []


def test_the_log_still_says_what_failed_and_why(run_over_markers: Run) -> None:
    """AWS's sentence, without what it names."""
    log = "\n".join(run_over_markers.log)
    assert (
        "ListPhoneNumbers UPSTREAM_FORBIDDEN: AccessDeniedException: User: [...] in account [...] may not ask [...]"
        in log
    )


def test_each_request_is_one_line_and_nothing_forges_another(run_over_markers: Run) -> None:
    ids = [answer.headers["x-request-id"] for answer in run_over_markers.answers]
    for request_id in ids:
        assert len([line for line in run_over_markers.log if request_id in line and "status" in line]) == 1
    for line in run_over_markers.log:
        assert re.match(r'\{"|\d{4}-\d\d-\d\dT', line), line


def test_nothing_of_a_good_answer_is_in_the_log_either(run_over_emulator: Run) -> None:
    log = "\n".join(run_over_emulator.log)
    assert [marker for marker in NOT_IN_THE_LOG if marker in log] == [], log
    assert len(run_over_emulator.answers) > 15
    assert [answer.text for answer in run_over_emulator.answers if PYTHON.search(answer.text)] == []


def test_a_line_has_the_operations_name_its_status_calls_and_time(run_over_emulator: Run) -> None:
    lines = [json.loads(line) for line in run_over_emulator.log]
    [numbers] = [line for line in lines if line.get("operation") == "Numbers" and line["upstream_calls"]]
    assert (numbers["event"], numbers["level"], numbers["status"], numbers["upstream_calls"]) == (
        "request",
        "info",
        200,
        3,
    )
    assert numbers["ms"] > 0
    # A name that the document has not is not the document's.
    assert {line["operation"] for line in lines if line["event"] == "request"} == {
        *("Numbers", "One", "Next", "N", "A", "T"),
        None,
    }
    assert e164(0)[1:] not in json.dumps(lines)
