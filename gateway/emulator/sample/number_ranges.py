"""Phone numbers from ranges that national regulators reserve for films and examples. They reach no phone."""

from collections import Counter
from dataclasses import dataclass

from gateway.emulator.aws_errors import EmulatorError


@dataclass(frozen=True, slots=True)
class SampleNumber:
    """A phone number with the country and the type of its range."""

    e164: str
    country: str
    type: str


@dataclass(frozen=True, slots=True)
class _Range:
    """Reserved numbers, of which each prefix has `size`.

    After the prefix, they count up from `first` in `digits` digits.
    """

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


# North America: 555-0100 to 555-0199 of every area code. Area code 206 is left out, because the sample in AWS's API
# reference has its numbers.
_US = _Range("US", "Local", _area_codes("212 303 312 404 415 503 512 602 617 702 713 808 904 919"), 4, 100, 100)
_US_TOLL_FREE = _Range("US", "TollFree", _area_codes("800 833 844 855 866 877 888"), 4, 100, 100)
_CANADA = _Range("CA", "Local", _area_codes("403 416 514 604 613 902"), 4, 100, 100)
# United Kingdom: Ofcom's numbers for TV and radio drama, in London and freephone.
_BRITAIN = _Range("GB", "Local", ("+44207946",), 4, 0, 1_000)
_BRITAIN_TOLL_FREE = _Range("GB", "TollFree", ("+44808157",), 4, 0, 1_000)
# Reserved by the Bundesnetzagentur (Germany, in Berlin), ARCEP (France), ACMA (Australia) and ComReg (Ireland).
_GERMANY = _Range("DE", "Local", ("+493023125",), 3, 0, 1_000)
_FRANCE = _Range("FR", "Local", ("+3319900",), 4, 0, 10_000)
_AUSTRALIA = _Range("AU", "Local", ("+6125550", "+6135550", "+6175550", "+6185550"), 4, 0, 10_000)
_IRELAND = _Range("IE", "Local", ("+3532091",), 5, 0, 100_000)

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
_TIMES_IN_ROTATION = Counter(_ROTATION)
_EARLIER_IN_ROTATION = tuple(_ROTATION[:step].count(each) for step, each in enumerate(_ROTATION))

# If the reserved ranges are used up, other 555 numbers follow. Apart from directory assistance, hardly any of them is
# in use. The area codes are all possible ones of the North American plan, which has no codes that end in 11 or have the
# middle digit 9.
_OVERFLOW = _Range(
    "US",
    "Local",
    _area_codes(
        " ".join(
            str(code)
            for code in range(200, 1_000)
            if code % 100 != 11 and code // 10 % 10 != 9  # noqa: PLR2004  # Digits of the numbering plan.
        )
    ),
    4,
    2_000,
    8_000,
)


def sample_number(index: int) -> SampleNumber:
    """Return the sample number at `index`, which starts at 0. All sample numbers are different.

    Raises:
        EmulatorError: If `index` is above about five and a half million. There are no more sample numbers.
    """
    round_, step = divmod(index, len(_ROTATION))
    source = _ROTATION[step]
    number = source.number(round_ * _TIMES_IN_ROTATION[source] + _EARLIER_IN_ROTATION[step]) or _OVERFLOW.number(index)
    if number is None:
        raise EmulatorError("There are not enough sample numbers. Use at most 5,000,000 (--numbers).")
    return number


def released_number(index: int) -> str:
    """Return a number that no inventory has. It is one of a hundred numbers of an area code that is used only here."""
    return f"+1907555{100 + index % 100:04}"
