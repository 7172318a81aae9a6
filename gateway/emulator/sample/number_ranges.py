"""Phone numbers that ring nowhere: from ranges that national regulators keep free for films and examples."""

from collections import Counter
from dataclasses import dataclass

from gateway.emulator.aws_errors import EmulatorError


@dataclass(frozen=True, slots=True)
class SampleNumber:
    """A number and what its range says of it."""

    e164: str
    country: str
    type: str


@dataclass(frozen=True, slots=True)
class _Range:
    """`size` numbers behind each prefix; they count up from `first`, `digits` digits wide."""

    country: str
    type: str
    prefixes: tuple[str, ...]
    digits: int
    first: int
    size: int

    def number(self, ordinal: int) -> SampleNumber | None:
        prefix, line = divmod(ordinal, self.size)
        if prefix >= len(self.prefixes):
            return None
        e164 = f"{self.prefixes[prefix]}{self.first + line:0{self.digits}}"
        return SampleNumber(e164, self.country, self.type)


def _area_codes(codes: str) -> tuple[str, ...]:
    return tuple(f"+1{code}555" for code in codes.split())


# North America: 555-0100 to 555-0199 of every area code. 206 is left to the numbers of AWS's page.
_US = _Range("US", "Local", _area_codes("212 303 312 404 415 503 512 602 617 702 713 808 904 919"), 4, 100, 100)
_US_TOLL_FREE = _Range("US", "TollFree", _area_codes("800 833 844 855 866 877 888"), 4, 100, 100)
_CANADA = _Range("CA", "Local", _area_codes("403 416 514 604 613 902"), 4, 100, 100)
# United Kingdom: Ofcom's numbers for drama, London and freephone.
_BRITAIN = _Range("GB", "Local", ("+44207946",), 4, 0, 1_000)
_BRITAIN_TOLL_FREE = _Range("GB", "TollFree", ("+44808157",), 4, 0, 1_000)
# Germany: the Bundesnetzagentur's, Berlin. France: ARCEP's. Australia: ACMA's. Ireland: ComReg's.
_GERMANY = _Range("DE", "Local", ("+493023125",), 3, 0, 1_000)
_FRANCE = _Range("FR", "Local", ("+3319900",), 4, 0, 10_000)
_AUSTRALIA = _Range("AU", "Local", ("+6125550", "+6135550", "+6175550", "+6185550"), 4, 0, 10_000)
_IRELAND = _Range("IE", "Local", ("+3532091",), 5, 0, 100_000)

_TURNS = (
    _US,
    _US,
    _BRITAIN,
    _US_TOLL_FREE,
    _US,
    _CANADA,
    _GERMANY,
    _US,
    _AUSTRALIA,
    _FRANCE,
    _US,
    _BRITAIN_TOLL_FREE,
    _US,
    _IRELAND,
)
_TURNS_OF = Counter(_TURNS)
_EARLIER_TURNS = tuple(_TURNS[:turn].count(each) for turn, each in enumerate(_TURNS))

# Where the ranges end, 555 goes on: beside directory assistance hardly a line of it is in use. The area codes are all
# that the North American plan has room for, but for those that end in 11 or have a 9 in the middle.
_OVERFLOW = _Range(
    "US",
    "Local",
    _area_codes(
        " ".join(
            str(code)
            for code in range(200, 1_000)
            if code % 100 != 11 and code // 10 % 10 != 9  # noqa: PLR2004  # The plan's own digits.
        )
    ),
    4,
    2_000,
    8_000,
)


def sample_number(index: int) -> SampleNumber:
    """The number at `index`, from 0; every one is another.

    Raises: EmulatorError past some five and a half million, where the numbers end.
    """
    round_, turn = divmod(index, len(_TURNS))
    source = _TURNS[turn]
    number = source.number(round_ * _TURNS_OF[source] + _EARLIER_TURNS[turn]) or _OVERFLOW.number(index)
    if number is None:
        raise EmulatorError("There are not so many sample numbers; ask for five million at most.")
    return number


def released_number(index: int) -> str:
    """A number that is in no inventory: of an area code of its own. There are a hundred, then they come again."""
    return f"+1907555{100 + index % 100:04}"
