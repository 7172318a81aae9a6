"""The text of cursors: the position they hold, and the rejection of every other text."""

import base64
import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import BadCursor, CursorTooLong
from gateway.paging.cursor import NEIGHBOURS, Position, hash_keys, read_cursor, write_cursor
from gateway.paging.cursor_keys import MAX_LENGTH, CursorBinding, CursorKeyRing, random_key
from tests.paging.scripted_lists import BINDING, KEY_RING, UpstreamList, in_turn, request, rows_of

FILTERS = ("FilterName", "FilterValue", "ProductType", "Status")

# If the token is None or empty, there is no token.
TOKENS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
UINT32 = st.integers(0, 2**32 - 1)
NEIGHBOUR_HASHES = st.tuples(*[UINT32] * NEIGHBOURS)
POSITIONS = st.builds(
    Position,
    token=TOKENS,
    size=st.integers(1, 2**16 - 1),
    offset=UINT32,
    row_hash=UINT32,
    following=NEIGHBOUR_HASHES,
    preceding=NEIGHBOUR_HASHES,
    next_token=TOKENS,
    has_rows_before=st.booleans(),
    next_token_repeats=st.booleans(),
    has_rows_before_next_page=st.booleans(),
)


def written(position: Position, binding: CursorBinding = BINDING) -> str:
    return write_cursor(position, binding, "ListRows")


async def several_cursors() -> list[str]:
    """Return cursors from several places of a page and a list, one of them with long tokens."""
    upstream = UpstreamList(rows=rows_of(30), page_size=10, fill=in_turn("full", "over"))
    first = await request(upstream, first=10)
    second = await request(upstream, first=10, after=first.end_cursor)
    last = await request(upstream, last=2)
    long = await request(UpstreamList(rows=rows_of(10), token_length=400), first=5)
    return [
        first.start_cursor,
        first.end_cursor,
        second.cursors[3],
        second.end_cursor,
        last.end_cursor,
        long.end_cursor,
    ]


def is_refused(text: str, binding: CursorBinding = BINDING) -> bool:
    try:
        read_cursor(text, binding)
    except BadCursor:
        return True
    return False


@given(POSITIONS)
def test_cursor_round_trip_preserves_every_field_of_the_position(position: Position) -> None:
    assert read_cursor(written(position), BINDING) == position


@given(POSITIONS)
def test_cursor_needs_no_escaping_in_a_url(position: Position) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", written(position))


async def test_cursor_holds_the_position_of_its_edge() -> None:
    upstream = UpstreamList(rows=rows_of(10), page_size=3)
    response = await request(upstream, first=6)
    middle, end = read_cursor(response.cursors[4], BINDING), read_cursor(response.cursors[5], BINDING)
    token, next_token = upstream.calls[1].token, "keyset|11|0|"
    seventh, ninth, eleventh = hash_keys(["0007", "0009", "0011"])
    assert middle == Position(
        token=token,
        size=3,
        offset=1,
        row_hash=ninth,
        following=(eleventh, 0, 0),
        preceding=(0, 0, seventh),
        next_token=None,
        has_rows_before=True,
        next_token_repeats=False,
    )
    assert end == Position(
        token=token,
        size=3,
        offset=2,
        row_hash=eleventh,
        following=(0, 0, 0),
        preceding=(0, seventh, ninth),
        next_token=next_token,
        has_rows_before=True,
        next_token_repeats=False,
    )


async def test_any_single_changed_character_is_rejected() -> None:
    for cursor in await several_cursors():
        assert not is_refused(cursor)
        for at, right in enumerate(cursor):
            # The nearest characters in bits and in the alphabet, and characters with a special meaning.
            others = {chr(ord(right) ^ 1 << bit) for bit in range(8)} | {*"aA0_-.=+/ %\n", chr(ord(right) + 1)}
            for other in others - {right}:
                damaged = cursor[:at] + other + cursor[at + 1 :]
                assert is_refused(damaged), (cursor, at, other)


async def test_every_other_character_is_rejected_at_every_place() -> None:
    cursor = (await several_cursors())[2]
    for at, right in enumerate(cursor):
        for other in {*string.printable, "é", "\N{FULLWIDTH DIGIT ONE}", "\ud800"} - {right}:
            assert is_refused(cursor[:at] + other + cursor[at + 1 :]), (at, other)


async def test_cursor_cut_off_anywhere_is_rejected() -> None:
    for cursor in await several_cursors():
        for at in range(len(cursor)):
            assert is_refused(cursor[:at]), at
            assert is_refused(cursor[at + 1 :]), at


async def test_cursor_with_an_extra_or_missing_character_is_rejected() -> None:
    for cursor in await several_cursors():
        for at in range(len(cursor) + 1):
            assert is_refused(cursor[:at] + cursor[at + 1 :]) or at == len(cursor), at
            for added in "0aA=. \n\0":
                assert is_refused(cursor[:at] + added + cursor[at:]), (at, added)


async def test_swapped_characters_and_joined_halves_are_rejected() -> None:
    """Adjacent characters are swapped, and halves of two cursors are joined."""
    cursors = await several_cursors()
    for cursor in cursors:
        for at in range(len(cursor) - 1):
            swapped = cursor[:at] + cursor[at + 1] + cursor[at] + cursor[at + 2 :]
            assert swapped == cursor or is_refused(swapped), at
    for one in cursors:
        for other in cursors:
            joined = one[: len(one) // 2] + other[len(other) // 2 :]
            assert is_refused(joined) == (joined not in cursors)


def well_formed(raw: bytes) -> str:
    """Return bytes as a text in the outer form of a cursor."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(cursor: str) -> bytes:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(" ", id="a space"),
        pytest.param("\n\t\r", id="white space"),
        pytest.param(".", id="a point"),
        pytest.param("..", id="two points"),
        pytest.param("\0", id="null"),
        pytest.param("null", id="a word"),
        pytest.param("YXJyYXljb25uZWN0aW9uOjA=", id="arrayconnection:0"),
        pytest.param("1", id="a number"),
        pytest.param("[" * MAX_LENGTH, id="deep"),
        pytest.param("{" * 20_000, id="deep and oversized"),
        pytest.param("[" * 4_000 + "." + "1" * 48, id="deep, with a point"),
        pytest.param(base64.b64encode(b"[" * 9_000).decode(), id="deep within base64"),
        pytest.param("A" * (MAX_LENGTH + 1), id="oversized"),
        pytest.param("A" * 10_000_000, id="10 MB"),
        pytest.param("." + "1" * 48, id="a point and a number"),
        pytest.param("A" * 69, id="a length that base64 does not have"),
        pytest.param("AA==", id="padding"),
        pytest.param("AAAA", id="shorter than a tag"),
        *(pytest.param(well_formed(bytes(size)), id=f"{size} zeros") for size in (15, 16, 17, 48, 49)),
        pytest.param(well_formed(bytes(100)), id="zeros"),
        pytest.param(well_formed(BINDING.digest + b"\xff" * 60), id="no UTF-8"),
        pytest.param(well_formed(BINDING.digest + bytes(5)), id="not encrypted"),
        pytest.param(
            "AQECAwQFBgcIAABjAAA.0000000112345678000000009abcdef0", id="of the first form, which encrypted nothing"
        ),
        pytest.param("A" * 88 + "." + "1" * 48, id="of the second form, which had two parts"),
        pytest.param("é" * 30, id="not ASCII"),
        pytest.param("\N{ARABIC-INDIC DIGIT ONE}" * 48, id="digits that are not ASCII"),
        pytest.param("A+/A" * 20, id="the other alphabet of base64"),
        pytest.param("\ud800" * 20, id="half a character"),
        pytest.param("\N{PILE OF POO}", id="emoji"),
    ],
)
def test_text_the_gateway_never_issued_is_a_bad_cursor(text: str) -> None:
    with pytest.raises(BadCursor) as refused:
        read_cursor(text, BINDING)
    assert refused.value.code == "BAD_CURSOR"
    assert len(str(refused.value)) < 100  # The error does not repeat the text.


async def test_white_space_around_a_cursor_is_rejected() -> None:
    for cursor in await several_cursors():
        for around in (f" {cursor}", f"{cursor} ", f"{cursor}\n", f"\t{cursor}", f"\N{BYTE ORDER MARK}{cursor}"):
            assert is_refused(around)


def test_oversized_cursor_is_rejected_with_the_limit() -> None:
    with pytest.raises(BadCursor, match="at most 65536 characters"):
        read_cursor("A" * 65_537, BINDING)


def test_position_with_two_4_kb_tokens_is_within_the_limit() -> None:
    position = Position(
        token="t" * 4_096,
        size=99,
        offset=99,
        row_hash=1,
        following=(2, 3, 4),
        preceding=(5, 6, 7),
        next_token="n" * 4_096,
        has_rows_before=True,
        next_token_repeats=False,
    )
    assert read_cursor(written(position), BINDING) == position
    assert len(written(position)) <= MAX_LENGTH


@given(
    # A token of up to four bytes a character, and of every length around the limit.
    characters=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4),
    own=st.integers(0, 60_000),
    following=st.integers(0, 120_000),
)
def test_cursor_with_any_tokens_is_either_accepted_or_never_issued(characters: str, own: int, following: int) -> None:
    def repeated(length: int) -> str | None:
        return (characters * (length // len(characters) + 1))[:length] or None

    position = Position(
        token=repeated(own),
        size=99,
        offset=99,
        row_hash=1,
        following=(2, 3, 4),
        preceding=(5, 6, 7),
        next_token=repeated(following),
        has_rows_before=True,
        next_token_repeats=False,
    )
    tokens = f"{position.token or ''}{position.next_token or ''}".encode()
    # 49 bytes of a cursor are not part of a token: the tag of 16 bytes and 33 bytes of other fields.
    if (len(tokens) + 49) * 4 > MAX_LENGTH * 3:
        with pytest.raises(CursorTooLong) as too_long:
            written(position)
        assert too_long.value.operation == "ListRows"
    else:
        cursor = written(position)
        assert len(cursor) <= MAX_LENGTH
        assert read_cursor(cursor, BINDING) == position


async def test_cursor_of_another_list_filter_or_caller_is_rejected_with_that_reason() -> None:
    mine = (await several_cursors())[0]
    others = [
        KEY_RING.bind(api="chime-sdk-voice", operation="ListRows", filters={}),
        KEY_RING.bind(api="chime", operation="ListOtherRows", filters={}),
        KEY_RING.bind(api="chime", operation="ListRows", filters={"Status": "Assigned"}),
        KEY_RING.bind(api="chime", operation="ListRows", filters={}, principal="somebody else"),
        KEY_RING.bind(api="chime", operation="ListRows", filters={}, sort="STATUS ASC"),
    ]
    for other in others:
        with pytest.raises(BadCursor, match=r"belongs to another list, .* filter or sort, or to another caller"):
            read_cursor(mine, other)


def test_order_of_filters_does_not_change_the_binding() -> None:
    filters = {"Status": "Assigned", "ProductType": "VoiceConnector"}
    reordered = dict(reversed(filters.items()))
    one, other = (KEY_RING.bind(api="chime", operation="ListRows", filters=each) for each in (filters, reordered))
    assert one == other


SCOPES = st.tuples(
    st.sampled_from(["chime", "chime-sdk-voice"]),
    st.sampled_from(["ListPhoneNumbers", "ListPhoneNumberOrders"]),
    st.dictionaries(st.sampled_from(FILTERS), st.text(string.ascii_letters + "=\n&:,|\0", max_size=30)),
    st.sampled_from(["", "somebody", 'somebody", "else']),
)


@given(SCOPES, SCOPES)
@example(
    ("chime", "ListPhoneNumbers", {"ProductType": "VoiceConnector\nStatus=Assigned"}, ""),
    ("chime", "ListPhoneNumbers", {"ProductType": "VoiceConnector", "Status": "Assigned"}, ""),
)
def test_different_filters_or_callers_have_different_bindings(
    mine: tuple[str, str, dict[str, str], str], other: tuple[str, str, dict[str, str], str]
) -> None:
    one, two = (
        KEY_RING.bind(api=api, operation=operation, filters=filters, principal=principal)
        for api, operation, filters, principal in (mine, other)
    )
    assert (one == two) == (mine == other)


# Texts that resemble cursors, and any others.
TEXTS = (
    st.text(max_size=200)
    | st.from_regex(r"[A-Za-z0-9_-]{0,160}", fullmatch=True)
    | st.binary(max_size=120).map(well_formed)
)


@given(TEXTS)
def test_any_text_is_either_a_position_or_a_bad_cursor(text: str) -> None:
    try:
        position = read_cursor(text, BINDING)
    except BadCursor:
        return
    assert isinstance(position, Position)


@given(POSITIONS, st.data())
def test_only_the_issued_text_decodes_to_a_position(position: Position, data: st.DataObject) -> None:
    cursor = written(position)
    begin = data.draw(st.integers(0, len(cursor)))
    end = data.draw(st.integers(begin, min(begin + 4, len(cursor))))
    changed = cursor[:begin] + data.draw(st.text("0123456789abcdefAZ_-.= é", max_size=4)) + cursor[end:]
    assert changed == cursor or is_refused(changed)


@given(POSITIONS, st.data())
def test_cursor_with_any_flipped_bit_is_rejected(position: Position, data: st.DataObject) -> None:
    cursor = written(position)
    encrypted = bytearray(decoded(cursor))
    bit = data.draw(st.integers(0, 8 * len(encrypted) - 1))
    encrypted[bit // 8] ^= 1 << bit % 8
    assert is_refused(well_formed(bytes(encrypted)))


@given(POSITIONS, st.data())
def test_position_cannot_be_read_without_the_key(position: Position, data: st.DataObject) -> None:
    """Neither another key nor the decoded text reveals it."""
    assert is_refused(written(position), another_ring(random_key()))
    token = data.draw(st.text(string.ascii_letters, min_size=6, max_size=40))
    readable = decoded(written(position._replace(token=token, next_token=token)))
    assert token.encode() not in readable
    assert position.row_hash < 2**16 or position.row_hash.to_bytes(4) not in readable


def another_ring(*keys: bytes) -> CursorBinding:
    """Return the scope of these tests for a gateway with other keys."""
    return CursorKeyRing(keys).bind(api="chime", operation="ListRows", filters={})


OLD, NEW = b"o" * 32, b"n" * 32
POSITION = Position(
    token="page 2",
    size=99,
    offset=7,
    row_hash=1,
    following=(2, 3, 4),
    preceding=(5, 6, 7),
    next_token=None,
    has_rows_before=True,
    next_token_repeats=False,
)


@pytest.mark.parametrize(
    ("sealing", "opening"),
    [
        pytest.param([OLD], [OLD], id="a replica"),
        pytest.param([OLD], [OLD, NEW], id="the new key is known everywhere first"),
        pytest.param([OLD], [NEW, OLD], id="then it seals"),
        pytest.param([NEW, OLD], [OLD, NEW], id="replicas that are not as far yet"),
        pytest.param([NEW, OLD], [NEW], id="then the old one goes"),
    ],
)
def test_key_rotation_keeps_all_cursors_valid(sealing: list[bytes], opening: list[bytes]) -> None:
    assert read_cursor(written(POSITION, another_ring(*sealing)), another_ring(*opening)) == POSITION


def test_first_key_encrypts_and_cursors_of_a_removed_key_are_rejected() -> None:
    assert written(POSITION, another_ring(NEW, OLD)) == written(POSITION, another_ring(NEW))
    assert is_refused(written(POSITION, another_ring(OLD)), another_ring(NEW))
    assert is_refused(written(POSITION, another_ring(NEW, OLD)), another_ring(OLD))


async def test_page_fetched_twice_has_the_same_unique_cursors() -> None:
    upstream = UpstreamList(rows=rows_of(30), page_size=10)
    once, again = [(await request(upstream, first=30)).cursors for _ in range(2)]
    assert once == again
    assert len(set(once)) == 30
