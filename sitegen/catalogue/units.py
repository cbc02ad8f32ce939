"""How a number is printed: the scale of its unit, its digits, its rounding interval."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from msgspec import Struct


class DisplayUnit(Struct, frozen=True):
    """One scale for all values that stand together: divide by ``factor``, print ``text``."""

    factor: float
    text: str

    def number(self, value: float, digits: int = 3) -> str:
        """Return ``value`` in this unit with ``digits`` significant digits, no unit.

        A count is a count: 8, not 8.00.
        """
        shown = value / self.factor
        if not self.text and shown == int(shown if math.isfinite(shown) else 0.5):
            digits = 1
        return significant(shown, digits)

    def span(self, low: float, high: float) -> str:
        """Return "2.1 to 2.3", with digits that tell the two apart; nothing of equal ones."""
        for digits in range(3, _MOST_DIGITS):
            ends = self.number(low, digits), self.number(high, digits)
            if ends[0] != ends[1]:
                return " to ".join(ends)
        return ""

    def places(self, values: Sequence[float], digits: int = 3) -> int:
        """Return the decimals with which all of ``values`` keep ``digits`` significant digits.

        One form for values that stand in a row: they align, and formatting them costs a tenth.
        """
        if not self.text and all(value.is_integer() for value in values):
            return 0
        least = min(map(abs, values), default=0.0) / self.factor
        if not 0 < least < math.inf:
            return digits - 1
        return min(max(digits - 1 - math.floor(math.log10(least)), 0), _MAX_PLACES)

    def fixed(self, value: float, places: int) -> str:
        """Return ``value`` in this unit with ``places`` decimals, no unit."""
        return self.aligned((value,), places)[0]

    def aligned(self, values: Sequence[float], places: int) -> list[str]:
        """Return ``values``, of which there are some, as `fixed` does each of them."""
        form, factor = f"{{:,.{places}f}}".format, self.factor
        texts = [form(value / factor) for value in values]
        return texts if min(values) >= 0 else [text.replace("-", MINUS) for text in texts]


#: Base unit -> display scales, smallest first.
_SCALES = {
    unit: tuple(DisplayUnit(factor, text) for factor, text in scales)
    for unit, scales in {
        "s": ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s")),
        "B/s": ((2.0**10, "KiB/s"), (2.0**20, "MiB/s")),
        "B/s, decimal": ((1.0, "B/s"), (1e3, "kB/s"), (1e6, "MB/s"), (1e9, "GB/s")),
        "B": ((1.0, "B"), (2.0**10, "KiB"), (2.0**20, "MiB"), (2.0**30, "GiB")),
        "1/s": ((1.0, "/s"), (1e3, "k/s"), (1e6, "M/s")),
        "Hz": ((1.0, "Hz"), (1e3, "kHz"), (1e6, "MHz"), (1e9, "GHz")),
        "op/s": ((1.0, "OPS"), (1e9, "GOPS"), (1e12, "TOPS")),
        "ratio": ((0.01, "%"),),
        "count": ((1.0, ""),),
    }.items()
}
#: Units that a metric may always be shown in, whatever its size.
_NAMED = {
    "/s": 1.0, "KiB/s": 2.0**10, "MiB/s": 2.0**20, "MB/s": 1e6, "GB/s": 1e9, "GB": 1e9,
    "B": 1.0, "kHz": 1e3, "TOPS": 1e12,
}  # fmt: skip
#: What a printed unit is: the base unit, and what one of it is in that.
PRINTED: Mapping[str, tuple[str, float]] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("s", 1.0)),
    **{word: ("s", factor) for word, factor in (
        ("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("\u03bcs", 1e-6), ("ms", 1e-3), ("min", 60.0),
        ("minutes", 60.0), ("h", 3600.0), ("hours", 3600.0))},
    "ratio": ("ratio", 1.0), "%": ("ratio", 0.01), "percent": ("ratio", 0.01),
    "count": ("count", 1.0), "MIPS": ("MIPS", 1.0), "tokens/s": ("tokens/s", 1.0),
    "USD/h": ("USD/h", 1.0), "bytes": ("B", 1.0),
    **{f"{prefix}B{per}": (f"B{per}", factor) for per in ("", "/s") for prefix, factor in (
        ("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12),
        ("Ki", 2.0**10), ("Mi", 2.0**20), ("Gi", 2.0**30), ("Ti", 2.0**40))},
    **{f"{prefix}bit/s": ("B/s", factor / 8) for prefix, factor in (
        ("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12))},
    **{f"{prefix}bits/sec": ("B/s", factor / 8) for prefix, factor in (
        ("", 1.0), ("K", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12))},
    **{f"{prefix}{unit}": (base, factor) for unit, base in (
        ("Hz", "Hz"), ("/s", "1/s"), ("1/s", "1/s"), ("op/s", "op/s")) for prefix, factor in (
        ("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9))},
    "OPS": ("op/s", 1.0), "GOPS": ("op/s", 1e9), "TOPS": ("op/s", 1e12),
}  # fmt: skip
_PREFIXES = {"n": -3, "u": -2, "µ": -2, "m": -1, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
#: The sign that pages print; a hyphen is shorter than a plus and breaks lines.
MINUS = "\N{MINUS SIGN}"
_ROUNDS_UP = 0.99995
_MAX_PLACES = 15
_USUAL, _PLAIN = 3, 1e300
#: Significant digits of an interval whose ends are close.
_MOST_DIGITS = 9
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")


@lru_cache(maxsize=1024)
def scales(unit: str, shown_in: str = "", counts: str = "") -> tuple[DisplayUnit, ...]:
    """Return the scales that values of a base unit may be shown in, smallest first.

    ``shown_in`` names the only one; ``decimal`` chooses the powers of ten instead; ``plain`` is a
    number, not a percentage. ``counts`` is what a rate counts, as ``IOPS``.
    """
    if shown_in in _NAMED:
        choices: tuple[DisplayUnit, ...] = (DisplayUnit(_NAMED[shown_in], shown_in),)
    elif shown_in == "plain":
        choices = (DisplayUnit(1.0, ""),)
    else:
        key = f"{unit}, decimal" if shown_in == "decimal" else unit
        choices = _SCALES.get(key) or (DisplayUnit(1.0, unit),)
    if not counts:
        return choices
    return tuple(DisplayUnit(one.factor, one.text.replace("/s", counts)) for one in choices)


def unit_for(
    unit: str, values: Iterable[float | None], shown_in: str = "", counts: str = ""
) -> DisplayUnit:
    """Return the one of `scales` in which the largest of ``values`` reads best."""
    choices = scales(unit, shown_in, counts)
    if len(choices) == 1:
        return choices[0]
    largest = max([abs(value) for value in values if value is not None], default=0.0)
    if not largest and unit == "s":
        return next(scale for scale in choices if scale.text == "ms")  # no zero is a nanosecond's
    chosen = choices[0]
    for scale in choices:
        # What rounds up to the next scale is printed in it: 1.00 ms, not 1,000 µs.
        if largest >= scale.factor * _ROUNDS_UP:
            chosen = scale
    return chosen


def display(value: float | None, unit: str, digits: int = 3) -> str:
    """Return ``value`` with its unit, or "not measured"."""
    if value is None:
        return "not measured"
    scale = unit_for(unit, (value,))
    return f"{scale.number(value, digits)} {scale.text}".rstrip()


def significant(value: float, digits: int = 3) -> str:
    """Return ``value`` with ``digits`` significant digits, thousands separated, no exponent.

    Whole digits are never rounded away: 71,665 stays 71,665.
    """
    if 1 <= value < _PLAIN and digits == _USUAL:
        # A build prints hundreds of thousands of these.
        if value >= 100:  # noqa: PLR2004 - powers of ten
            return f"{value:,.0f}"
        return f"{value:.1f}" if value >= 10 else f"{value:.2f}"  # noqa: PLR2004
    if value == 0:
        return "0"
    if not math.isfinite(value):
        if math.isnan(value):
            return "not a number"
        return "∞" if value > 0 else f"{MINUS}∞"
    places = min(max(digits - 1 - math.floor(math.log10(abs(value))), 0), _MAX_PLACES)
    text = f"{value:,.{places}f}"
    return text if value > 0 else text.replace("-", MINUS)


def percent(share: float, digits: int = 1) -> str:
    """Return a signed share in percent, without the sign %: +40.3, -6.9 or 0.0."""
    text = f"{share * 100:+,.{digits}f}".replace("-", MINUS)
    return "0.0" if text.strip(f"+{MINUS}0.") == "" else text


def percents(low: float, high: float) -> int:
    """Return the decimals in which two shares are told apart in percent, from 1 to 4."""
    return next((n for n in range(1, 4) if percent(low, n) != percent(high, n)), 4)


def percent_within(share: float, low: float, high: float) -> str:
    """Return a share in percent with the decimals that keep it inside the ends as printed."""
    digits = percents(low, high)
    least, most = (round(end * 100, digits) for end in (low, high))
    places = (n for n in range(1, digits) if least <= round(share * 100, n) <= most)
    return percent(share, next(places, digits))


def printed_unit(word: str) -> tuple[str, float] | None:
    """Return the base unit of a printed one, and what one of it is in that; None if not known."""
    return PRINTED.get(word)


def printed_number(printed: str) -> tuple[float, float] | None:
    """Return the number in a printed text and half of its last digit, or None.

    "1,254 ms" gives (1254.0, 0.5), "97.3 k/s" gives (97.3, 0.05).
    """
    match = _NUMBER.search(printed)
    if not match:
        return None
    text = match[0].replace(",", "")
    decimals = len(text.partition(".")[2])
    return float(text), 0.5 * 10.0**-decimals


def print_problem(value: float, printed: str, unit: str) -> str:
    """Return how a value is not what was printed of it, by the printed precision, or nothing.

    A unit that is not known may be any power of 1000 or 1024: then the digits alone are held together.
    """
    parsed = printed_number(printed)
    if parsed is None:
        return ""
    number, half = parsed
    word = printed[_NUMBER.search(printed).end() :].strip()  # type: ignore[union-attr]
    for factor in _factors(word, unit):
        if abs(value - number * factor) <= half * factor * (1 + 1e-6) + 1e-12 * abs(value):
            return ""
    return f"the value {value:g} {unit} is not what is printed, {printed}"


def _factors(word: str, unit: str) -> tuple[float, ...]:
    """Return what one of a printed unit may be in the base unit."""
    if word == unit:
        return (1.0,)
    # People print MB where they mean MiB; nobody prints s where they mean ms.
    if unit in ("s", "ratio", "1/s") and PRINTED.get(word, ("",))[0] == unit:
        return (PRINTED[word][1],)
    power = _PREFIXES.get(word[:1]) if len(word) > 1 else None
    if power is None or (power < 0 and word[1] != "s"):
        shares = (0.01,) if unit == "ratio" else ()
        return (*shares, *(1000.0**n for n in range(-4, 6)), *(1024.0**n for n in range(1, 5)))
    if power < 0:
        return (1000.0**power,)
    return (1024.0**power,) if word[1] == "i" else (1000.0**power, 1024.0**power)


def rounding_interval(value: float, printed: str | None) -> tuple[float, float] | None:
    """Return the values that would have been printed as ``printed``, in the unit of ``value``.

    None when there is no printed text, or when its unit is not known and the value is 0.
    """
    parsed = printed_number(printed) if printed else None
    if parsed is None or printed is None:
        return None
    number, half = parsed
    unit = printed.rsplit(" ", 1)[-1]
    scale = abs(value / number) if number else PRINTED.get(unit, ("", math.nan))[1]
    if math.isnan(scale):
        return None
    return value - half * scale, value + half * scale
