"""Quantities as provers print them: durations, counts and numbers, in all the forms they use.

None stands for what is absent: an empty cell, a dash, and 0, with which these tools say that they
did not measure. A text that is there and is no quantity is an error, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from sitegen.errors import SitegenError

#: Rust prints `µs` with the micro sign; the Greek letter looks the same.
_SECONDS = {
    "h": Fraction(3600),
    "m": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 10**3),
    **dict.fromkeys(("us", "\u00b5s", "\u03bcs"), Fraction(1, 10**6)),
    "ns": Fraction(1, 10**9),
}
_BYTES = {
    name: Fraction(base**power)
    for power, prefix in enumerate("kmgt", 1)
    for name, base in ((f"{prefix}b", 1000), (f"{prefix}ib", 1024))
} | dict.fromkeys(("b", "byte", "bytes"), Fraction(1))
_HERTZ = {"hz": Fraction(1), "khz": Fraction(10**3), "mhz": Fraction(10**6), "ghz": Fraction(10**9)}
_ABSENT = frozenset({"", "-", "--", "\N{EN DASH}", "\N{EM DASH}", "n/a", "na", "null", "none"})
_WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,6}|[0-9]{1,20})"
_NUMBER = rf"{_WHOLE}(?:\.[0-9]{{1,30}})?(?:[eE][-+]?[0-9]{{1,2}})?"
_PART = re.compile(rf"({_NUMBER})\s*([a-z\u00b5\u03bc]{{1,2}})\s*")
_PARTS = re.compile(rf"(?:{_PART.pattern})+")
_LONGEST, _SHOWN, _MOST, _MOST_S = 80, 40, 2**53, 10**9


class Quantity(NamedTuple):
    """A value in its base unit, and the text that it was printed as where that is one number."""

    value: float
    printed: str | None = None

    @property
    def exact(self) -> Fraction:
        """Return the decimal number that was printed: 0.1 and 0.2 are 0.3 together."""
        return Fraction(repr(self.value))


def total(parts: Iterable[Quantity | None]) -> Quantity | None:
    """Return the exact sum of quantities; None when one of them is absent, or all are."""
    listed = list(parts)
    present = [part for part in listed if part is not None]
    if not listed or len(present) < len(listed):
        return None
    return present[0] if len(present) == 1 else Quantity(float(sum(p.exact for p in present)))


def duration(text: str, unit: str = "") -> Quantity | None:
    """Return the seconds in "1m32.7s", "81.79s", "820ms", "59µs", "1,234 ms".

    ``unit`` is that of a number without one; without it such a number is an error.
    """
    written = text.strip()
    if written.casefold() in _ABSENT:
        return None
    if unit and re.fullmatch(_NUMBER, written):
        written = f"{written} {unit}"
    fits = len(written) <= _LONGEST and _PARTS.fullmatch(written)
    parts = _PART.findall(written) if fits else []
    units = [_SECONDS.get(name, Fraction(0)) for _, name in parts]
    # From the largest to the smallest, each once.
    if not parts or units != sorted(set(units), reverse=True) or not units[-1]:
        raise SitegenError(f"{text[:_SHOWN]!r} is not a duration")
    value = sum(_fraction(part[0]) * unit for part, unit in zip(parts, units, strict=True))
    if value > _MOST_S:
        raise SitegenError(f"{text[:_SHOWN]!r} is beyond any duration")
    return Quantity(float(value), written if len(parts) == 1 else None) if value else None


def count(text: str) -> int | None:
    """Return a whole number: "8340752", "8,340,752", "8_340_752"; 0 is absent."""
    digits = text.strip().replace("_", "")
    if digits.casefold() in _ABSENT:
        return None
    if not re.fullmatch(_WHOLE, digits) or _fraction(digits) > _MOST:
        raise SitegenError(f"{text[:_SHOWN]!r} is not a whole number")
    return int(_fraction(digits)) or None


def size(text: str) -> Quantity | None:
    """Return the bytes in "1419780", "2.53 MiB", "2.7MB"."""
    value, unit = _with_unit(text, _BYTES, "a size")
    if value is None:
        return None
    if unit is None and value.denominator > 1:
        raise SitegenError(f"{text[:_SHOWN]!r} is not a whole number of bytes")
    return Quantity(float(round(value * (unit or 1))), text.strip())


def frequency(text: str) -> tuple[Fraction, bool] | None:
    """Return a frequency in "931.5 kHz", "1.2MHz" and that it has a unit; or a bare number."""
    value, unit = _with_unit(text, _HERTZ, "a frequency")
    return (value * (unit or 1), unit is not None) if value else None


def _with_unit(
    text: str, units: Mapping[str, Fraction], what: str
) -> tuple[Fraction | None, Fraction | None]:
    match = re.fullmatch(rf"({_NUMBER})\s*([a-z]{{1,5}})?", text.strip(), re.IGNORECASE)
    if text.strip().casefold() in _ABSENT:
        return None, None
    unit = units.get((match[2] or "").lower()) if match else None
    if not match or (match[2] and unit is None):
        raise SitegenError(f"{text[:_SHOWN]!r} is not {what}")
    value = _fraction(match[1])
    if value * (unit or 1) > _MOST:
        raise SitegenError(f"{text[:_SHOWN]!r} is beyond any of these")
    return value or None, unit


def number(text: str) -> Fraction | None:
    """Return a number without a unit, thousands separated or not; 0 is absent."""
    digits = text.strip()
    if digits.casefold() in _ABSENT:
        return None
    if not re.fullmatch(_NUMBER, digits):
        raise SitegenError(f"{text[:_SHOWN]!r} is not a number")
    return _fraction(digits) or None


def _fraction(digits: str) -> Fraction:
    return Fraction(digits.replace(",", ""))
