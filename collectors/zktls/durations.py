"""Quantities as provers print them: durations, counts and sizes, in all the forms they use.

Every function returns None for what is absent: an empty cell, a dash, and 0, with which these
tools say that they did not measure. A text that is there and is no quantity is an error, never
a guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from sitegen.errors import SitegenError

#: Unit -> seconds. Rust prints `µs` with the micro sign; the Greek letter looks the same.
_SECONDS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "\u00b5s": Fraction(1, 10**6),
    "\u03bcs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
_ALIASES = {"sec": "s", "secs": "s", "second": "s", "seconds": "s"} | {
    "min": "m", "mins": "m", "minute": "m", "minutes": "m", "hour": "h", "hours": "h",
}  # fmt: skip
_BYTES = {
    "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_ABSENT = frozenset({"", "-", "--", "\N{EN DASH}", "\N{EM DASH}", "n/a", "na", "null", "none"})
_WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,6}|[0-9]{1,20})"
_NUMBER = rf"{_WHOLE}(?:\.[0-9]{{1,30}})?(?:[eE][-+]?[0-9]{{1,2}})?"
_PART = re.compile(rf"({_NUMBER})\s*([A-Za-z\u00b5\u03bc]{{1,7}})\s*")
_MOST_TEXT = 80
_LONGEST_S = 10**9
_LARGEST = 2**53
_NANOS = 10**9


def seconds(text: str, unit: str = "") -> float | None:
    """Return a duration in seconds: "1m32.7s", "81.79s", "820ms", "59µs", "1,234 ms".

    ``unit`` is that of a number without one; without it such a number is an error.
    """
    text = text.strip()
    if _is_absent(text):
        return None
    if re.fullmatch(_NUMBER, text) and unit:
        return _duration(_fraction(text) * _SECONDS[unit], text)
    total, place = Fraction(0), 0
    last = Fraction(10**9)  # units go from the largest to the smallest, each once
    while len(text) <= _MOST_TEXT and (match := _PART.match(text, place)):
        name = _ALIASES.get(match[2], match[2])
        factor = _SECONDS.get(name)
        if factor is None or factor >= last:
            break
        total += _fraction(match[1]) * factor
        place, last = match.end(), factor
    if not text or place != len(text):
        raise SitegenError(f"{text[:40]!r} is not a duration", fix="write it as 1m32.7s")
    return _duration(total, text)


def of_parts(parts: object) -> float | None:
    """Return the seconds in ``{"secs": 12, "nanos": 327837000}``, as serde writes a duration."""
    if parts is None:
        return None
    if isinstance(parts, Mapping) and set(parts) == {"secs", "nanos"}:
        secs, nanos = (_whole(parts[key]) for key in ("secs", "nanos"))
        if secs is not None and nanos is not None and nanos < _NANOS:
            return _duration(secs + Fraction(nanos, _NANOS), "secs and nanos")
    raise SitegenError("it is not a duration of secs and nanos")


def of_milliseconds(value: object) -> float | None:
    """Return the seconds in a number of milliseconds, as JSON has it."""
    if value is None:
        return None
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not 0 <= float(str(value)) <= _LONGEST_S * 1000:
        raise SitegenError("it is not a number of milliseconds")
    return _duration(Fraction(str(value)) / 1000, "milliseconds")


def count(value: object) -> int | None:
    """Return a whole number: 8340752, "8,340,752", "8_340_752"; 0 is absent."""
    if value is None or (isinstance(value, str) and _is_absent(value.strip())):
        return None
    if isinstance(value, str):
        text = value.strip().replace("_", "")
        if not re.fullmatch(_WHOLE, text):
            raise SitegenError(f"{value[:40]!r} is not a whole number")
        value = int(text.replace(",", ""))
    whole = _whole(value)
    if whole is None or whole > _LARGEST:
        raise SitegenError(f"it is not a whole number up to {_LARGEST}")
    return whole or None


def cycle_counts(text: str) -> tuple[int | None, int | None]:
    """Return the user and the total cycles in "37,758,703 / 41,943,040".

    One number alone is returned as user cycles: what it counts must be known from elsewhere.
    """
    user, slash, total = text.partition("/")
    found = count(user), count(total) if slash else None
    if found[0] and found[1] and found[0] > found[1]:
        raise SitegenError(f"{text.strip()[:60]!r} has more user cycles than cycles in total")
    return found


def size(text: str, unit: str = "") -> int | None:
    """Return the bytes in "10.7GB" or "13653MiB"; ``unit`` is that of a number without one."""
    text = text.strip()
    if _is_absent(text):
        return None
    match = re.fullmatch(rf"({_NUMBER})\s*([A-Za-z]{{0,3}})", text)
    factor = _BYTES.get(match[2] or unit) if match else None
    if match is None or factor is None:
        raise SitegenError(f"{text[:40]!r} is not a size", fix="write it as 10.7GB or 512MiB")
    found = round(_fraction(match[1]) * factor)
    if found > _LARGEST:
        raise SitegenError(f"{text[:40]!r} is more than any memory")
    return found or None


def number(text: str) -> float | None:
    """Return a number without a unit, thousands separated or not; 0 is absent."""
    text = text.strip()
    if _is_absent(text):
        return None
    if not re.fullmatch(_NUMBER, text):
        raise SitegenError(f"{text[:40]!r} is not a number")
    return float(_fraction(text)) or None


def is_decimal(text: str) -> bool:
    """Say whether ``text`` is one number, with a unit or not.

    Only such a text has digits that a page can quote: "1m32.7s" has two numbers.
    """
    return bool(re.fullmatch(rf"{_NUMBER}\s*[A-Za-z\u00b5\u03bc]{{0,7}}", text.strip()))


def _is_absent(text: str) -> bool:
    return text.casefold() in _ABSENT


def _fraction(text: str) -> Fraction:
    return Fraction(text.replace(",", ""))


def _duration(value: Fraction, text: str) -> float | None:
    if value > _LONGEST_S:
        raise SitegenError(f"{text[:40]!r} is longer than {_LONGEST_S} s")
    return float(value) or None


def _whole(value: object) -> int | None:
    """Return a whole number that is not negative, else None."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST:
        return value
    return None
