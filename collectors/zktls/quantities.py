"""Quantities as provers print them: durations, sizes and counts, in all the forms they use.

None stands for what is absent: an empty cell, a dash, and 0, with which these tools say that they
did not measure. A text that is there and is no quantity is an error, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from sitegen.errors import SitegenError


class Quantity(NamedTuple):
    """A value in its base unit, and the text that it was printed as where that is one number."""

    value: float
    printed: str | None = None

    @property
    def exact(self) -> Fraction:
        """Return the decimal number that was printed: 0.1 and 0.2 are 0.3 together."""
        return Fraction(repr(self.value))


#: Kind -> unit -> how much of the base unit it is. Rust prints `µs` with the micro sign; the
#: Greek letter looks the same.
_UNITS: Mapping[str, Mapping[str, Fraction]] = {
    "duration": {
        "d": Fraction(86400),
        **dict.fromkeys(("h", "hour", "hours"), Fraction(3600)),
        **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), Fraction(60)),
        **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), Fraction(1)),
        "ms": Fraction(1, 10**3),
        **dict.fromkeys(("us", "\u00b5s", "\u03bcs"), Fraction(1, 10**6)),
        "ns": Fraction(1, 10**9),
    },
    "size": {
        "B": Fraction(1),
        "kB": Fraction(1000),
        **{f"{letter}B": Fraction(1000**power) for power, letter in enumerate("KMGT", 1)},
        **{f"{letter}iB": Fraction(1024**power) for power, letter in enumerate("KMGT", 1)},
    },
}
_MOST = {"duration": 10**9, "size": 2**53}
_FIXES = {"duration": "write it as 1m32.7s", "size": "write it as 10.7GB or 512MiB"}
_ABSENT = frozenset({"", "-", "--", "\N{EN DASH}", "\N{EM DASH}", "n/a", "na", "null", "none"})
_WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,6}|[0-9]{1,20})"
_NUMBER = rf"{_WHOLE}(?:\.[0-9]{{1,30}})?(?:[eE][-+]?[0-9]{{1,2}})?"
_PART = re.compile(rf"({_NUMBER})\s*([A-Za-z\u00b5\u03bc]{{1,7}})\s*")
_PARTS = re.compile(rf"(?:{_PART.pattern})+")
_LONGEST, _SHOWN = 80, 40


def duration(text: str, unit: str = "") -> Quantity | None:
    """Return the seconds in "1m32.7s", "81.79s", "820ms", "59µs", "1,234 ms".

    ``unit`` is that of a number without one; without it such a number is an error.
    """
    return _quantity(text, "duration", unit)


def rust_duration(text: str) -> Quantity | None:
    """Return a duration as Rust logs it: one number and a unit up to seconds.

    Minutes it never has: "155m" is what is left of "155ms".
    """
    if not re.fullmatch(r"[0-9.]{1,21}(?:[nu\u00b5\u03bcm]?s)", text):
        raise SitegenError(f"{text[:_SHOWN]!r} is not a duration")
    return duration(text)


def size(text: str) -> Quantity | None:
    """Return the bytes in "10.7GB" or "13653MiB"."""
    return _quantity(text, "size", "")


def count(text: str) -> int | None:
    """Return a whole number: "8340752", "8,340,752", "8_340_752"; 0 is absent."""
    digits = text.strip().replace("_", "")
    if _is_absent(digits):
        return None
    if not re.fullmatch(_WHOLE, digits) or int(digits.replace(",", "")) > _MOST["size"]:
        raise SitegenError(f"{text[:_SHOWN]!r} is not a whole number")
    return int(digits.replace(",", "")) or None


def number(text: str) -> Fraction | None:
    """Return a number without a unit, thousands separated or not; 0 is absent."""
    if _is_absent(text):
        return None
    if not re.fullmatch(_NUMBER, text.strip()):
        raise SitegenError(f"{text[:_SHOWN]!r} is not a number")
    return _fraction(text.strip()) or None


def total(parts: Iterable[Quantity]) -> Quantity:
    """Return the exact sum of quantities."""
    return Quantity(float(sum(part.exact for part in parts)))


def _quantity(text: str, kind: str, unit: str) -> Quantity | None:
    text = text.strip()
    if _is_absent(text):
        return None
    written = f"{text} {unit}" if unit and re.fullmatch(_NUMBER, text) else text
    whole = len(text) <= _LONGEST and _PARTS.fullmatch(written)
    parts = _PART.findall(written) if whole else []
    factors = [_UNITS[kind].get(name, Fraction(0)) for _, name in parts]
    # Units go from the largest to the smallest, each once.
    if not parts or factors != sorted(set(factors) - {Fraction(0)}, reverse=True):
        raise SitegenError(f"{text[:_SHOWN]!r} is not a {kind}", fix=_FIXES[kind])
    amounts = [_fraction(digits) for digits, _ in parts]
    value = sum(amount * factor for amount, factor in zip(amounts, factors, strict=True))
    if value > _MOST[kind]:
        raise SitegenError(f"{text[:_SHOWN]!r} is beyond any {kind}")
    return Quantity(float(value), written if len(parts) == 1 else None) if value else None


def _is_absent(text: str) -> bool:
    return text.strip().casefold() in _ABSENT


def _fraction(digits: str) -> Fraction:
    return Fraction(digits.replace(",", ""))
