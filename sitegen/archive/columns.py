"""The columns of a run's rows and samples, and what may stand in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from math import isfinite
from typing import Any, NamedTuple

from sitegen import bounds
from sitegen.archive.manifest import SCHEMA
from sitegen.catalogue import parameters
from sitegen.errors import SitegenError
from sitegen.model import (
    LEAST,
    LONGEST_PRINT,
    LONGEST_UNIT,
    MOST,
    MOST_REPETITIONS,
    Measurement,
    Params,
    Sample,
    Status,
    check_label,
    check_metric,
    check_statistic,
    is_plain,
)


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    NUMBER = "number"
    COUNT = "count"
    PARAMS = "params"


class Form(NamedTuple):
    """One of the two files of a run: its columns, those of them that are read, and their rows.

    What is not read the manifest says too: it is there for other readers.
    """

    columns: Mapping[str, Kind]
    read: Sequence[str]
    most_rows: int

    @property
    def plain(self) -> tuple[str, ...]:
        """Those that are read and are no parameters, in the order of the file."""
        return tuple(
            name for name, kind in self.columns.items() if name in self.read and kind != Kind.PARAMS
        )


MEASUREMENTS = Form(
    {
        "run_id": Kind.TEXT,
        "environment": Kind.TEXT,
        "benchmark": Kind.TEXT,
        "workload": Kind.TEXT,
        "metric": Kind.TEXT,
        "statistic": Kind.TEXT,
        "unit": Kind.TEXT,
        "value": Kind.NUMBER,
        "printed": Kind.TEXT,
        "repetition": Kind.COUNT,
        "status": Kind.TEXT,
        "params": Kind.PARAMS,
    },
    Measurement._fields,
    bounds.MOST_ROWS,
)
SAMPLES = Form(
    {
        "run_id": Kind.TEXT,
        "workload": Kind.TEXT,
        "repetition": Kind.COUNT,
        "kind": Kind.TEXT,
        "metric": Kind.TEXT,
        "x": Kind.NUMBER,
        "y": Kind.NUMBER,
        "params": Kind.PARAMS,
    },
    Sample._fields,
    bounds.MOST_SAMPLES,
)
#: What both files say of themselves.
VERSION = {"sitegen.schema": str(SCHEMA)}
#: What may be absent in a row.
OPTIONAL = frozenset({"value", "printed"})
#: What a file of rows may take when it is unpacked.
MAX_BYTES = 200_000_000
SLACK = 2  # texts may be so many times as long as what comes in: redaction made them longer


def check(name: str, kind: Kind, values: Collection[Any]) -> None:
    """Raise SitegenError unless all that stands in a column may stand there."""
    match kind:
        case Kind.PARAMS:
            check_params(set(values))
        case Kind.TEXT:
            check_texts(name, set(values))
        case Kind.COUNT:
            check_repetitions(min(values, default=0), max(values, default=0))
        case Kind.NUMBER:
            sizes = [abs(value) for value in values if value]  # 0 is of a size that is
            if not all(map(isfinite, sizes)):
                raise SitegenError("a value is not finite")
            check_sizes(min(sizes, default=1.0), max(sizes, default=1.0))


def check_texts(name: str, texts: Iterable[str | None]) -> None:
    """Raise SitegenError unless each of the texts may stand in the column ``name``."""
    for text in texts:
        if text is not None:
            _TEXTS[name](text)


def check_params(different: Iterable[Params]) -> None:
    """Raise SitegenError unless all are parameters of a series."""
    for pairs in different:
        parameters.check(pairs, SLACK)


def check_sizes(least: float, largest: float) -> None:
    """Raise SitegenError unless quantities may be so small, 0 left out, and so large."""
    if largest > MOST or least < LEAST:
        raise SitegenError(f"a value is not between {LEAST:g} and {MOST:g}")


def check_repetitions(least: int, largest: int) -> None:
    """Raise SitegenError unless the repetitions may be of these numbers."""
    if not 0 <= least <= largest <= MOST_REPETITIONS:
        raise SitegenError(f"a repetition is not between 0 and {MOST_REPETITIONS:,}")


def _bounded(name: str, most: int) -> Callable[[str], object]:
    def check_one(text: str) -> None:
        if len(text) > most:
            raise SitegenError(f"{name} {text[:40]!r} is longer than {most} characters")
        if not is_plain(text):
            raise SitegenError(f"{name} {text[:40]!r} holds a control character")

    return check_one


def _check_status(text: str) -> None:
    if text not in set(Status):
        raise SitegenError(f"unknown status {text[:40]!r}")


#: What each column of texts may hold.
_TEXTS: Mapping[str, Callable[[str], object]] = {
    "workload": lambda text: check_label(text, "workload"),
    "metric": check_metric,
    "statistic": check_statistic,
    "status": _check_status,
    "unit": _bounded("unit", SLACK * LONGEST_UNIT),
    "printed": _bounded("printed", SLACK * LONGEST_PRINT),
    "kind": _bounded("kind", LONGEST_UNIT),
}
