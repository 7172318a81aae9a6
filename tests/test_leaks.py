"""A search of every response and log line of a broad run for secrets and for the words of callers and AWS.

The run uses a gateway in a process of its own, over an upstream that sends secrets wherever it can, and over the
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
from tests.support.scripted import ScriptedResponse, ScriptedUpstream, scripted_upstream

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
# Words of callers. They do not belong in a log.
VARIABLE, ALIAS, COMMENT, FILTER = "marker-variable", "markerAlias", "marker comment", "markerfiltervalue"

FORBIDDEN_IN_RESPONSES = (ACCESS_KEY, SECRET_KEY, CURSOR_KEY, ACCOUNT, "arn:aws", "internal.example", TOKEN, "forged")
FORBIDDEN_IN_LOG = (
    *(marker for marker in FORBIDDEN_IN_RESPONSES if marker != "forged"),
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
# Responses that AWS would not send, or sends rarely.
ODD_RESPONSES = (
    *(
        ScriptedResponse({"Message": SAID, "Code": code}, status)
        for status, code in ((400, "BadRequest"), (403, ""), (404, ARN))
    ),
    ScriptedResponse({"message": SAID}, 403, {"x-amzn-ErrorType": "AccessDeniedException", "x-amzn-requestid": ARN}),
    ScriptedResponse({"Message": SAID}, 401, {"x-amzn-requestid": f"{TOKEN} {NUMBER}"}),
    ScriptedResponse({"Message": SAID, "Code": "ServiceFailure"}, 500),
    ScriptedResponse(f"<html>{SAID}</html>"),
    ScriptedResponse(f"<html>{SAID}</html>", 502),
    ScriptedResponse("null"),
    ScriptedResponse([SAID]),
    ScriptedResponse(
        {"PhoneNumbers": SAID, "PhoneNumberOrders": {SAID: SAID}, "PhoneNumber": SAID, "PhoneNumberOrder": [SAID]}
    ),
    ScriptedResponse({"PhoneNumbers": [SAID, None], "PhoneNumberOrders": [{}], "NextToken": {TOKEN: 1}}),
    ScriptedResponse(
        {
            "PhoneNumbers": [number_record(0, Type=[SAID], Status={SAID: 1}, CreatedTimestamp=SAID, Capabilities=SAID)],
            "PhoneNumberOrders": [order_record(0, [NUMBER, SAID], Status=[SAID])],
            "NextToken": TOKEN,
        }
    ),
    ScriptedResponse({"PhoneNumbers": [number_record(1, PhoneNumberId=[SAID], Associations=[SAID, {"Name": [SAID]}])]}),
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
    """The responses, the log and the metrics of one gateway."""

    responses: list[httpx.Response] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    metrics: str = ""

    def send(self, url: str, **request: Any) -> httpx.Response:
        headers = {"content-type": "application/json"}
        self.responses.append(httpx.post(url, headers=headers, timeout=30, **request))
        return self.responses[-1]


def gateway_run(home: Path, upstream_url: str, log_format: str, upstream: ScriptedUpstream | None = None) -> Run:
    """Send all bad requests and documents, and each document once per odd response if the upstream is scripted.

    Over the emulator, each document is sent twice, and the second response is a reused one.
    """
    env = environment(
        home,
        AWS_ACCESS_KEY_ID=ACCESS_KEY if upstream else "local",
        AWS_SECRET_ACCESS_KEY=SECRET_KEY if upstream else "local",
        GATEWAY_UPSTREAM_API="chime",
        GATEWAY_UPSTREAM_ENDPOINT_URL=upstream_url,
        GATEWAY_CURSOR_KEYS=CURSOR_KEY,
        GATEWAY_LOG_FORMAT=log_format,
        GATEWAY_CACHE_TTL_SECONDS="0" if upstream else "3600",
    )
    run = Run()
    with started(str(BIN / "chime-gateway"), "serve", "--port", "0", env=env, lines=3) as serve:
        url = serve.lines[0].split()[1]
        for bad_request in BAD_REQUESTS:
            run.send(url, **bad_request)
        for odd in ODD_RESPONSES if upstream else [None]:
            if upstream is not None and odd is not None:
                upstream.responses = [odd]
            for document in DOCUMENTS:
                if upstream is None:
                    run.send(url, json={"query": document})
                response = run.send(url, json={"query": document}).json()
                cursors = re.findall(r'"(?:cursor|endCursor)": ?"([^"]+)"', json.dumps(response))
                if cursors:
                    follow = "query Next($after: String) { phoneNumbers(after: $after) { nodes { id } } }"
                    run.send(url, json={"query": follow, "variables": {"after": cursors[-1]}})
        run.responses.append(httpx.get(url.replace("/graphql", "/nowhere")))
        run.metrics = httpx.get(url.replace("/graphql", "/metrics")).text
        # A request that the server rejects before the application sees it.
        with wire(url.removesuffix("/graphql")) as connection:
            connection.sends(f"GET /{VARIABLE} HTTP/1.1\r\n{ALIAS} : pretended\r\n\r\n".encode())
            refused = connection.read_response()
            run.responses.append(httpx.Response(refused.status, headers=refused.fields, content=refused.body))
        assert serve.stop(signal.SIGTERM) == 0
        assert serve.process.stdout is not None
        run.log = serve.process.stdout.read().splitlines()
    return run


@pytest.fixture(scope="module", params=["json", "console"])
def run_over_markers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with scripted_upstream(ScriptedResponse({})) as upstream:
        yield gateway_run(tmp_path_factory.mktemp("home"), upstream.url, request.param, upstream)


@pytest.fixture(scope="module")
def run_over_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with emulated_aws() as aws:
        aws.holds_sample_data()
        aws.adds_numbers([number_record(0, E164PhoneNumber=NUMBER, PhoneNumberId=SPELLED)])
        yield gateway_run(tmp_path_factory.mktemp("home"), aws.url, "json")


def test_no_response_holds_text_of_the_upstream_or_internals(run_over_markers: Run) -> None:
    # The data may hold numbers and odd fields of a record. Messages may not.
    for response in run_over_markers.responses:
        body = response.json()
        text = json.dumps(body.get("errors", "")) + json.dumps(dict(response.headers))
        assert [marker for marker in FORBIDDEN_IN_RESPONSES if marker in text] == [], text
        assert not PYTHON.search(text), text
        assert TOKEN not in response.text
    assert len(run_over_markers.responses) > 70


def test_no_log_line_holds_words_of_requests_or_responses(run_over_markers: Run) -> None:
    log = "\n".join(run_over_markers.log)
    assert [marker for marker in FORBIDDEN_IN_LOG if marker in log] == [], log
    cursors = [
        cursor
        for response in run_over_markers.responses
        for cursor in re.findall(r'"(?:cursor|endCursor)": ?"([\w-]+)"', response.text)
    ]
    assert cursors
    assert [cursor for cursor in cursors if cursor[:20] in log or cursor[-20:] in log] == []


def test_log_names_the_failed_operation_and_the_reason(run_over_markers: Run) -> None:
    """The log has AWS's sentence with its identifiers redacted."""
    log = "\n".join(run_over_markers.log)
    assert (
        "ListPhoneNumbers UPSTREAM_FORBIDDEN: AccessDeniedException: User: [...] in account [...] may not ask [...]"
        in log
    )


def test_each_request_is_one_log_line_and_cannot_forge_another(run_over_markers: Run) -> None:
    ids = [response.headers["x-request-id"] for response in run_over_markers.responses]
    for request_id in ids:
        assert len([line for line in run_over_markers.log if request_id in line and "status" in line]) == 1
    for line in run_over_markers.log:
        assert re.match(r'\{"|\d{4}-\d\d-\d\dT', line), line


def test_log_holds_nothing_of_successful_responses(run_over_emulator: Run) -> None:
    log = "\n".join(run_over_emulator.log)
    assert [marker for marker in FORBIDDEN_IN_LOG if marker in log] == [], log
    assert len(run_over_emulator.responses) > 15
    assert re.search(r'responses_reused_total{level="stored"} [1-9]', run_over_emulator.metrics)
    assert [response.text for response in run_over_emulator.responses if PYTHON.search(response.text)] == []


def test_request_line_has_operation_status_upstream_calls_and_duration(run_over_emulator: Run) -> None:
    lines = [json.loads(line) for line in run_over_emulator.log]
    [numbers] = [line for line in lines if line.get("operation") == "Numbers" and line["upstream_calls"]]
    assert (numbers["event"], numbers["level"], numbers["status"], numbers["upstream_calls"]) == (
        "request",
        "info",
        200,
        3,
    )
    assert numbers["ms"] > 0
    # An operation name that the document does not have is not logged.
    assert {line["operation"] for line in lines if line["event"] == "request"} == {
        *("Numbers", "One", "Next", "N", "A", "T"),
        None,
    }
    assert e164(0)[1:] not in json.dumps(lines)
