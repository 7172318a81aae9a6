"""Phone numbers from ranges that national regulators reserve for films and examples. They reach no phone."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import NamedTuple

from gateway.emulator.aws_errors import EmulatorError


class SampleNumber(NamedTuple):
    """A phone number with the country and the type of its range."""

    e164: str
    country: str
    type: str


@dataclass(frozen=True, slots=True)
class _Range:
    """Reserved numbers: each prefix with each line number, which has `digits` digits."""

    country: str
    type: str
    prefixes: tuple[str, ...]
    lines: range
    digits: int = 4

    def __iter__(self) -> Iterator[SampleNumber]:
        for prefix in self.prefixes:
            for line in self.lines:
                yield SampleNumber(f"{prefix}{line:0{self.digits}}", self.country, self.type)


def _area_codes(*codes: int) -> tuple[str, ...]:
    return tuple(f"+1{code}555" for code in codes)


# North America: 555-0100 to 555-0199 of every area code. Area code 206 is left out, because the sample in AWS's API
# reference has its numbers.
_NORTH_AMERICAN_LINES = range(100, 200)
_US_AREA_CODES = _area_codes(212, 303, 312, 404, 415, 503, 512, 602, 617, 702, 713, 808, 904, 919)
_US = _Range("US", "Local", _US_AREA_CODES, _NORTH_AMERICAN_LINES)
_US_TOLL_FREE = _Range("US", "TollFree", _area_codes(800, 833, 844, 855, 866, 877, 888), _NORTH_AMERICAN_LINES)
_CANADA = _Range("CA", "Local", _area_codes(403, 416, 514, 604, 613, 902), _NORTH_AMERICAN_LINES)
# United Kingdom: Ofcom's numbers for TV and radio drama, in London and freephone.
_BRITAIN = _Range("GB", "Local", ("+44207946",), range(1_000))
_BRITAIN_TOLL_FREE = _Range("GB", "TollFree", ("+44808157",), range(1_000))
# Reserved by the Bundesnetzagentur (Germany, in Berlin), ARCEP (France), ACMA (Australia) and ComReg (Ireland).
_GERMANY = _Range("DE", "Local", ("+493023125",), range(1_000), digits=3)
_FRANCE = _Range("FR", "Local", ("+3319900",), range(10_000))
_AUSTRALIA = _Range("AU", "Local", ("+6125550", "+6135550", "+6175550", "+6185550"), range(10_000))
_IRELAND = _Range("IE", "Local", ("+3532091",), range(100_000), digits=5)

_ROTATION = (
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

# If a reserved range is used up, other 555 numbers follow. Apart from directory assistance, few of them are in use.
# The area codes are all possible ones of the North American plan. It has no codes that end in 11 or have the middle
# digit 9.
_OVERFLOW = _Range(
    "US",
    "Local",
    _area_codes(*(code for code in range(200, 1_000) if code % 100 != 11 and str(code)[1] != "9")),  # noqa: PLR2004  # See above.
    range(2_000, 10_000),
)


def sample_numbers() -> Iterator[SampleNumber]:
    """Yield about 5.8 million different numbers, always in the same order.

    Raises:
        EmulatorError: If the caller needs more.
    """
    unused = {each: iter(each) for each in _ROTATION}
    overflow = iter(_OVERFLOW)
    for numbers in cycle([unused[each] for each in _ROTATION]):
        number = next(numbers, None) or next(overflow, None)
        if number is None:
            raise EmulatorError("There are not enough sample numbers. Use at most 5,000,000 (--numbers).")
        yield number


def absent_numbers() -> Iterator[SampleNumber]:
    """Yield numbers that no inventory has: a hundred numbers of an area code that is used only here, repeatedly."""
    return cycle(_Range("US", "Local", _area_codes(907), _NORTH_AMERICAN_LINES))
