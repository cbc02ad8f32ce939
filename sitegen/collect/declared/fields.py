"""Values that an output has: numbers in base units, texts, and how they stand in a text again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from sitegen.catalogue import formulas
from sitegen.catalogue.formulas import Value
from sitegen.catalogue.table import Field
from sitegen.catalogue.units import printed_unit
from sitegen.errors import SitegenError
from sitegen.model import LONGEST_PRINT

#: Fields with a meaning of their own: the version of the tool, and when it ran.
VERSION, STARTED = "tool_version", "started_at"
#: What a formula may ask for besides: of a step that was run here. An import has none of it.
CPU, DURATION, SERVER_CPU = "cpu_s", "duration_s", "server_cpu_s"
_HOLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
#: A comma stands between thousands: elsewhere it may be a decimal one, and 1,5 is no 15.
_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d{1,3})?", re.ASCII)
_LONGEST, _LONGEST_NUMBER, _MOST_PRINTED, _EXACT = 4000, 64, 10, 1e15
#: Units that no tool prints as a word.
_BARE = ("1/s", "count", "ratio")


class Found(NamedTuple):
    """A field as it was found: its value in the base unit, its unit, and as it is printed."""

    value: Value
    unit: str = ""
    printed: str = ""


Fields = Mapping[str, Found]


def found(value: str | float, one: Field, unit: str, name: str) -> Found | None:
    """Return a value in its base unit; None for a figure that is no number, or a word for nothing.

    Raises SitegenError for a unit that is not known.
    """
    plain = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    text = one.words.get(plain.strip()[:_LONGEST], plain.strip()[:_LONGEST])
    if not text and "" in one.words.values():
        return None
    if name in (VERSION, STARTED) or isinstance(value, bool):
        return Found(text)
    worded = text != plain.strip()
    figure = number(text if worded or isinstance(value, str) else value)
    word = unit or one.unit
    if figure is None:
        # A figure that is none, such as a rate of nothing, is as good as not there.
        return None if word else Found(text)
    if not word:
        return Found(figure, "", text)
    word = one.units.get(word, word)
    base = printed_unit(word)
    if base is None and unit:
        raise SitegenError(f"{name.replace('_', ' ')} is printed in {unit!r}, which is not known")
    printed = text if word in _BARE else f"{text} {word}"
    # What a computer writes with all its digits is rounded nowhere, and reads badly.
    exact = isinstance(value, float) and len(text) > _MOST_PRINTED
    printed = "" if exact or len(printed) > LONGEST_PRINT else printed
    return Found(figure * (base[1] if base else 1.0), base[0] if base else word, printed)


def taken(several: Sequence[Found | None], take: str) -> Found | None:
    """Return what several values come to; None where one that is counted in is no number.

    Raises SitegenError where they are printed in units of different kinds.
    """
    there = [each for each in several if each]
    if take == "count":
        return Found(float(len(there)))
    if take == "last":
        return there[-1] if there else None
    numbers = [each.value for each in there if isinstance(each.value, float)]
    if not numbers or len(numbers) != len(several):
        return None
    if len(units := sorted({each.unit for each in there})) > 1:
        told = " and ".join(unit or "no unit" for unit in units)
        raise SitegenError(f"the {take} is of values in {told}")
    return Found(formulas.taken(numbers, take), units[0])


def number(value: str | float) -> float | None:
    """Return the number that a text is, or None: also of one that no quantity is."""
    if isinstance(value, str):
        if len(value) > _LONGEST_NUMBER or not re.search(r"[0-9]", value):
            return None
        if not _NUMBER.fullmatch(value):
            return None
        value = value.replace(",", "")
    try:
        figure = float(value)
    except (ValueError, OverflowError):
        return None
    return figure if math.isfinite(figure) else None


def as_text(text: str | float) -> Found:
    """Return what a text is: a number without a unit, or itself."""
    figure = number(text)
    return Found(str(text) if figure is None else figure, "", str(text))


def word(value: object) -> str:
    """Return a value as it stands in a text: 4, and never 4.0."""
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < _EXACT
        return f"{value:.0f}" if whole else f"{value:.12g}"
    return str(value)


def words(fields: Fields) -> dict[str, str]:
    """Return all fields as texts: as they are printed, but that 64.00 is 64 and 1,000 is 1000.

    Of a version, a name or a kernel each digit counts: 5.10 is not 5.1.
    """
    return {
        name: word(one.value) if one.unit or not one.printed else _plain(one.printed)
        for name, one in fields.items()
    }


def _plain(printed: str) -> str:
    if not _NUMBER.fullmatch(printed):
        return printed
    return re.sub(r"\.0+$", "", printed.replace(",", ""))


def values(fields: Fields) -> dict[str, Value]:
    """Return the values of all fields, for formulas."""
    return {name: one.value for name, one in fields.items()}


def filled(template: str, every: Mapping[str, object]) -> str | None:
    """Return a text with its ``{names}`` filled in, or None where one is not there."""
    if any(name not in every for name in holes(template)):
        return None
    return _HOLE.sub(lambda match: word(every[match[1]]), template)


def told(template: str, every: Mapping[str, str]) -> str:
    """Return a text with its ``{names}`` filled in, "nothing" for what is not there."""
    return _HOLE.sub(lambda match: every.get(match[1], "nothing"), template)


def holes(template: str) -> list[str]:
    """Return the names that a text asks for."""
    return _HOLE.findall(template)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a regular expression of a table; raises SitegenError for what is none."""
    try:
        return re.compile(pattern, re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as error:
        raise SitegenError(f"{pattern[:60]!r} is no regular expression: {error}") from error
