"""Any JSON is read, and a value that orjson refuses is lost alone."""

import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.aws.lenient_json import loads

LOST: Any = [[]]
# Hypothesis makes halves of surrogate pairs, too.
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
def test_any_json_is_read(value: Any) -> None:
    # Python reads two neighbouring halves as the pair that their escapes are.
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
def test_each_value_but_the_odd_one_is_read_as_it_stands(odd: str, read: Any) -> None:
    """Beside it stands one that is refused in any case, so that the text is rewritten."""
    text = f'{{"before": [1, "\\u00e9"], "odd": {odd}, "after": {{"a": null}}, "refused": 1e999}}'
    assert loads(text.encode()) == {"before": [1, "é"], "odd": read, "after": {"a": None}, "refused": LOST}


@pytest.mark.parametrize("name", [r"\ud800", r"a\udc00\ud800"])
def test_a_name_with_half_a_pair_is_replaced(name: str) -> None:
    [(read, value)] = loads(f'{{"{name}" : 1}}'.encode()).items()
    assert ("\ufffd" in read, value) == (True, 1)


@pytest.mark.parametrize("depth", [33, 254, 900, 1_000, 1_025, 5_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_what_is_too_deep_is_cut_off(depth: int, opening: str, closing: str) -> None:
    text = f'{{"deep": {opening * depth}1{closing * depth}, "after": 2}}'
    read = loads(text.encode())
    assert read["after"] == 2
    assert len(json.dumps(read)) < 500


@pytest.mark.parametrize("text", ["[" * 1_000, "]{" * 500, "}" * 40, '"' + "[" * 40])
def test_brackets_within_a_string_are_no_depth(text: str) -> None:
    value = {"a": [{"b": text}], "after": [1]}
    assert loads(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"a": 1e999', '{"a": NaN}', '{"a": "', '"\\', "[1e999]]", "[1-1]", "01", '["\x00"]', '"\\ud8"', "'a'"],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        loads(text.encode())


def test_a_text_without_an_end_is_looked_at_once() -> None:
    """Twenty million steps for each of its million quotes would not end."""
    with pytest.raises(orjson.JSONDecodeError):
        loads(b'{"a": "' + b'\\"' * 1_000_000)
