"""Accept-Encoding by RFC 9110: which coding a response has, and whether an uncompressed one is acceptable."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.accept_encoding import read_accept_encoding

CHROMIUM = "gzip, deflate, br, zstd"


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        # A client that names no coding gets none.
        (None, None),
        ("", None),
        (" , ,", None),
        ("identity", None),
        ("br, deflate, compress", None),
        # The best coding that is named wins among equals.
        (CHROMIUM, "zstd"),
        ("zstd, gzip", "zstd"),
        ("gzip, deflate, br", "gzip"),
        ("x-gzip", "gzip"),
        ("GZip;Q=0.5", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("gzip,identity", "gzip"),
        ("gzip\t;\tq=1.000 ,br", "gzip"),
        # Weights count.
        ("gzip;q=1.0, zstd;q=0.9", "gzip"),
        ("gzip;q=0.5, zstd;q=0.501", "zstd"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.4, gzip;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.000, zstd;q=0", None),
        ("zstd;q=0, gzip", "gzip"),
        ("gzip;q=0, gzip", None),
        # `*` means all codings that are not named. A client that reads zstd names it.
        ("*", "gzip"),
        ("*;q=0", None),
        ("*;q=0.1", "gzip"),
        ("zstd;q=0.5, *;q=0.5", "zstd"),
        ("zstd;q=0.5, *", "gzip"),
        ("gzip;q=0, *", "zstd"),
        ("gzip;q=0.5, *;q=0", "gzip"),
        ("gzip;q=0.1, *;q=0.5, zstd;q=0", None),
        ("identity;q=0.1, *;q=0", None),
        # A malformed element says nothing.
        ("gzip;q=2", None),
        ("gzip;q=-1", None),
        ("gzip;q=nan", None),
        ("gzip;q=1e0", None),
        ("gzip;q=", None),
        ("gzip;q", None),
        ("gzip;", None),
        ('gzip;q="1"', None),
        ("gzip;q=0.1234", None),
        ("gzip;level=9", None),
        ("gzip q=1", None),
        ("gzip;q=high, zstd", "zstd"),
        ("gzipped", None),
        ("not-gzip", None),
        ('"gzip"', None),
    ],
)
def test_the_response_has_the_coding_that_the_client_ranks_first(header: str | None, coding: str | None) -> None:
    assert read_accept_encoding(None if header is None else header.encode()).coding == coding


@pytest.mark.parametrize(
    ("header", "acceptable"),
    [
        (None, True),
        ("", True),
        ("gzip", True),
        ("gzip;q=1, *;q=0.1", True),
        ("identity;q=0.001, *;q=0", True),
        ("identity;q=0", False),
        ("identity;q=0, *", False),
        ("*;q=0", False),
        ("gzip, *;q=0.0", False),
        ("identity;q=0, identity", False),
        ("identity;q=none", True),
    ],
)
def test_an_uncompressed_response_is_acceptable_unless_it_is_excluded(header: str | None, acceptable: bool) -> None:
    assert read_accept_encoding(None if header is None else header.encode()).identity is acceptable


def test_without_codings_to_offer_no_response_is_compressed() -> None:
    assert read_accept_encoding(CHROMIUM.encode(), ()) == (None, True)
    assert read_accept_encoding(b"*, identity;q=0", ()) == (None, False)


@settings(deadline=None)
@given(st.text(st.sampled_from('gzipsd*;q=01., \t"') | st.characters(max_codepoint=255), max_size=600))
def test_any_header_value_can_be_read(value: str) -> None:
    accepted = read_accept_encoding(value.encode("latin-1"))
    assert accepted.coding in {"gzip", "zstd", None}
    assert accepted.identity in {True, False}


@settings(deadline=None)
@given(st.permutations(["gzip;q=0.3", "zstd;q=0.7", "*;q=0.2", "br", "identity;q=0.1"]))
def test_the_order_does_not_matter_if_all_weights_differ(elements: list[str]) -> None:
    assert read_accept_encoding(",".join(elements).encode()).coding == "zstd"
