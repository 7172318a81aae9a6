"""Lenient JSON parsing. If orjson rejects a value, only that value is lost."""

import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.aws.lenient_json import loads

LOST: Any = [[]]
# Hypothesis also generates lone surrogates.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def as_read(value: Any) -> Any:
    match value:
        case dict():
            return {name: as_read(each) for name, each in value.items()}
        case list():
            return [as_read(each) for each in value]
        case str() if any("\ud800" <= character <= "\udfff" for character in value):
            return LOST
        case float() if math.isinf(value):
            return LOST
        case _:
            return value


@given(VALUES)
def test_any_json_is_parsed(value: Any) -> None:
    # Python reads two adjacent surrogate escapes as one pair.
    written = json.dumps(value).replace("Infinity", "1e999")
    assert loads(written.encode()) == as_read(json.loads(written))


@pytest.mark.parametrize(
    ("odd", "read"),
    [
        (r'"\ud800"', LOST),
        (r'"a\udfff"', LOST),
        (r'"\ud83d\ud83d\ude00"', LOST),
        (r'"\\ud800"', r"\ud800"),
        (r'"\\\ud800"', LOST),
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"\uD83D\uDE00"', "\U0001f600"),
        ("1e999", LOST),
        ("-1e400", LOST),
        ("9" * 5_000, LOST),
        ('"1e999"', "1e999"),
        (r'"[{\"\\"', '[{"\\'),
        ("1e308", 1e308),
    ],
)
def test_values_beside_an_unparsable_one_are_unchanged(odd: str, read: Any) -> None:
    """The text also has a value that is always rejected, so that it is rewritten."""
    text = f'{{"before": [1, "\\u00e9"], "odd": {odd}, "after": {{"a": null}}, "refused": 1e999}}'
    assert loads(text.encode()) == {"before": [1, "é"], "odd": read, "after": {"a": None}, "refused": LOST}


@pytest.mark.parametrize("name", [r"\ud800", r"a\udc00\ud800"])
def test_member_name_with_a_lone_surrogate_is_replaced(name: str) -> None:
    [(read, value)] = loads(f'{{"{name}" : 1}}'.encode()).items()
    assert ("\ufffd" in read, value) == (True, 1)


@pytest.mark.parametrize("depth", [33, 254, 900, 1_000, 1_025, 5_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_too_deep_nesting_is_cut_off(depth: int, opening: str, closing: str) -> None:
    text = f'{{"deep": {opening * depth}1{closing * depth}, "after": 2}}'
    read = loads(text.encode())
    assert read["after"] == 2
    assert len(json.dumps(read)) < 500


@pytest.mark.parametrize("text", ["[" * 1_000, "]{" * 500, "}" * 40, '"' + "[" * 40])
def test_brackets_within_a_string_do_not_count_as_nesting(text: str) -> None:
    value = {"a": [{"b": text}], "after": [1]}
    assert loads(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"a": 1e999', '{"a": NaN}', '{"a": "', '"\\', "[1e999]]", "[1-1]", "01", '["\x00"]', '"\\ud8"', "'a'"],
)
def test_invalid_json_is_rejected(text: str) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        loads(text.encode())


def test_unterminated_text_is_scanned_once() -> None:
    """If each of its million quotes took twenty million steps, the test would not end."""
    with pytest.raises(orjson.JSONDecodeError):
        loads(b'{"a": "' + b'\\"' * 1_000_000)
