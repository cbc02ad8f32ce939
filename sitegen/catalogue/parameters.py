"""PARAMETERS: what tells one series from another, which values it has, and how it is worded.

Whoever brings rows in, and whoever reads them back, checks them here: pages compute with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import pairwise

from msgspec.structs import replace

from sitegen.catalogue.families import TOOLS
from sitegen.catalogue.tool import Kind, SeriesParameter
from sitegen.errors import SitegenError
from sitegen.model import Params, is_plain

#: How many parameters a series may have, and how long their names and values may be.
MOST, LONGEST_KEY, LONGEST_VALUE = 200, 64, 500
#: Parameters that no tool has to itself; the order of the tools' own follows that of the tools.
_SHARED = (
    SeriesParameter("size", Kind.SIZE, "{}"),
    SeriesParameter("threads", Kind.COUNT, "{} thread", "{} threads"),
    SeriesParameter("cores", Kind.COUNT, "{} core", "{} cores"),
    SeriesParameter("concurrency", Kind.COUNT, "{} at once"),
    SeriesParameter("processes", Kind.COUNT, "{} process", "{} processes"),
    SeriesParameter("workers", Kind.COUNT),
    SeriesParameter("requests", Kind.COUNT, "{} requests"),
)
PARAMETERS: dict[str, SeriesParameter] = {}


def united(one: SeriesParameter, other: SeriesParameter | None) -> SeriesParameter:
    """Return a parameter that several tools have, with what each says of it.

    A name has one meaning: raises SitegenError where they differ in the kind or the words.
    """
    if other is None:
        return one
    values = {**other.values, **one.values}
    words = one.words or other.words
    same = {each.words for each in (one, other) if each.words} <= {words}
    if one.kind != other.kind or not same or values != {**one.values, **other.values}:
        message = f"the parameter {one.key!r} is known with another meaning"
        raise SitegenError(message, fix="give it another name")
    hidden = one.hidden or other.hidden
    return replace(
        one, words=words, several=one.several or other.several, values=values, hidden=hidden
    )


for _parameter in (*_SHARED, *(parameter for tool in TOOLS for parameter in tool.parameters)):
    PARAMETERS[_parameter.key] = united(_parameter, PARAMETERS.get(_parameter.key))
#: Which stand first in a title; the others follow by name.
ORDER: Mapping[str, int] = {
    key: place
    for place, key in enumerate(
        (
            *("operation", "pattern", "direction", "block_size", "iodepth", "numjobs", "model"),
            *("engine", "weights", "access", "scheme", "keepalive", "statement", "size", "prover"),
            *(
                "proof_system",
                "proof_mode",
                "stage",
                "sku",
                "kernel",
                "threads",
                "concurrency",
                "rate",
            ),
            *("processes", "input_tokens", "output_tokens", "requests", "log_level", "slo"),
        )
    )
}
_SIZES = re.compile(r"\d{1,18}(?:-\d{1,18})?(?:,\d{1,18}(?:-\d{1,18})?){0,2}|\d{1,3}%")
_ONE_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?(?:([kKMGT])(i?B?)|B)?")
_COUNT = re.compile(r"\d{1,15}")
_FIXES = {
    Kind.SIZE: "write bytes, or 4k, 16 MiB, 2 GB",
    Kind.COUNT: "write a whole number",
    Kind.SHARE: "write a number from 0 to 1",
}


def kind(key: str) -> Kind:
    """Return what the values of a parameter are; of an unknown one they are texts."""
    entry = PARAMETERS.get(key)
    return entry.kind if entry else Kind.TEXT


def normal(key: str, value: str) -> str:
    """Return a value that a person wrote as rows hold it: the size ``4k`` is 4096.

    Units of a size are powers of 1024, but for kB, MB, GB and TB. Raises SitegenError for a
    value that the parameter cannot have.
    """
    if kind(key) == Kind.SIZE:
        value = re.sub(r"[^,-]+", lambda part: _bytes(part[0].strip()), value.strip())
    return _checked(key, value)


def check(pairs: Params, times: int = 1) -> None:
    """Raise SitegenError unless these are parameters of a series as rows hold them.

    Names and values may be so many ``times`` as long as what comes in: redaction may have made
    them longer.
    """
    if len(pairs) > MOST:
        raise SitegenError(f"has {len(pairs)} parameters, more than {MOST}")
    keys = [key for key, _ in pairs]
    if any(one >= other for one, other in pairwise(keys)):
        raise SitegenError("has parameters that are not sorted by name, each once")
    for key, value in pairs:
        _checked(key, value, times)


def _checked(key: str, value: str, times: int = 1) -> str:
    if not 0 < len(key) <= times * LONGEST_KEY:
        raise SitegenError(
            f"the name {key[:LONGEST_KEY]!r} of a parameter is not of 1 to {LONGEST_KEY} characters"
        )
    if len(value) > times * LONGEST_VALUE:
        raise SitegenError(f"the parameter {key!r} is longer than {LONGEST_VALUE} characters")
    if not (is_plain(key) and is_plain(value)):
        raise SitegenError(f"the parameter {key!r} holds a control character")
    expected = kind(key)
    if not _IS[expected](value):
        raise SitegenError(f"{key} {value[:40]!r} is not a {expected}", fix=_FIXES[expected])
    return value


def _is_share(value: str) -> bool:
    with suppress(ValueError):
        return 0 <= float(value) <= 1
    return False


_IS: Mapping[Kind, Callable[[str], bool]] = {
    Kind.SIZE: lambda value: _SIZES.fullmatch(value) is not None and value.isascii(),
    Kind.COUNT: lambda value: _COUNT.fullmatch(value) is not None and value.isascii(),
    Kind.SHARE: _is_share,
    Kind.TEXT: lambda _: True,
}


def _bytes(text: str) -> str:
    """Return one size in bytes, or the text itself where it is none."""
    match = _ONE_SIZE.fullmatch(text)
    if match is None or not match[2]:
        return text.removesuffix("B").rstrip() if match else text
    base = 1000 if match[3] == "B" else 1024
    size = float(match[1]) * base ** ("kMGT".index(match[2].replace("K", "k")) + 1)
    return str(int(size)) if size.is_integer() else text
