"""What a scale of the Phoronix Test Suite is in our base units.

A scale is free text of a test profile. One that is not known here stays as it is printed: its
values are compared all the same, and no factor is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple


class Scale(NamedTuple):
    """A base unit, and what one of the printed scale is in it."""

    unit: str
    factor: float = 1.0

    def value(self, printed: str) -> float:
        """Return a printed number in the base unit, with the digits that it has."""
        return float(Decimal(printed) * Decimal(repr(self.factor)))


_BYTES = {
    "B": 1.0,
    "KB": 1e3,
    "kB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "TB": 1e12,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
}
_BITS = {"Kbits": 125.0, "Mbits": 125e3, "Gbits": 125e6, "Mbit": 125e3, "Gbit": 125e6}
_A_SECOND = ("/s", "/sec", "/second", " Per Second")
#: With their case: it tells bytes from bits.
_EXACT: Mapping[str, Scale] = {
    **{name: Scale("B", size) for name, size in _BYTES.items()},
    **{f"{n}{end}": Scale("B/s", size) for n, size in _BYTES.items() for end in _A_SECOND},
    **{f"{n}{end}": Scale("B/s", size) for n, size in _BITS.items() for end in _A_SECOND},
}
_TIMES = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "usec", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("minute", "minutes"), 60.0),
}
#: What is done, where a scale counts it by the second.
_COUNTED = (
    *("request", "requests", "reqs", "transactions", "queries", "frames", "ops", "op"),
    *("operations", "iterations", "bogo ops", "messages", "msgs", "events", "images", "samples"),
    *("sign", "verify", "rows", "jobs", "calls", "i/o", "ios", "hashes", "h"),
)
#: In any case.
_WORDS: Mapping[str, Scale] = {
    **{name: Scale("s", size) for name, size in _TIMES.items()},
    **{f"{n} per op": Scale("s", size) for n, size in _TIMES.items()},
    **{f"{n}/op": Scale("s", size) for n, size in _TIMES.items()},
    **{f"{n}{end.lower()}": Scale("1/s") for n in _COUNTED for end in _A_SECOND},
    **{f"{n} per minute": Scale("1/s", 1 / 60) for n in _COUNTED},
    **{f"{n}{end.lower()}": Scale("tokens/s") for n in ("tokens", "tok") for end in _A_SECOND},
    **dict.fromkeys(("tps", "iops", "fps", "qps"), Scale("1/s")),
    **dict.fromkeys(("%", "percent"), Scale("ratio", 0.01)),
    "bytes": Scale("B"),
    "mips": Scale("MIPS"),
    "mhz": Scale("Hz", 1e6),
    **{f"bytes{end.lower()}": Scale("B/s") for end in _A_SECOND},
    "ghz": Scale("Hz", 1e9),
}
_LONGEST = 40


def scale_of(printed: str) -> Scale:
    """Return the base unit of a printed scale; one that is not known is a unit of its own."""
    known = _EXACT.get(printed) or _WORDS.get(printed.lower())
    return known or Scale(printed[:_LONGEST])


def is_known(printed: str) -> bool:
    """Say whether values of a printed scale are converted."""
    return printed in _EXACT or printed.lower() in _WORDS
