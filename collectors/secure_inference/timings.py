"""The lines that the measuring commands print, and the measurements that they become.

One JSON object a line: ``start`` (what was measured, and facts about it), then ``value`` (one
measured value, with the parameters that tell its series apart), ``check`` (something that had
to be refused, and whether it was), ``load`` (all that one user's load client printed), and
``end`` with the number of lines before it, so that a cut-off output is told.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from collectors.llm import measures
from sitegen.collect import Recorder, decode
from sitegen.errors import SitegenError
from sitegen.model import Params, params

#: What a command may report, in the base unit of its metric.
_Time = Literal["handshake_time", "attestation_time", "measure_time", "context_time"]
Metric = Literal[_Time, "channel_throughput", "hash_speed"]
#: A high percentile needs so many values that one of them can lie beyond it.
_PERCENTILES = ((95, 20), (99, 100))


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="record"):
    """One line that a command prints."""


class Start(Line, frozen=True, tag="start"):
    """What was measured, and facts about it."""

    schema: Literal[1]
    what: str
    about: dict[str, str]


class Value(Line, frozen=True, tag="value"):
    """One measured value, in the base unit of its metric; ``params`` tell its series apart."""

    metric: Metric
    params: dict[str, str]
    value: decode.Number


class Check(Line, frozen=True, tag="check"):
    """A negative control, and whether it was refused."""

    name: str
    refused: bool


class Load(Line, frozen=True, tag="load"):
    """All that one user's load client printed."""

    printed: str


class End(Line, frozen=True, tag="end"):
    """The last line: how many came before it."""

    lines: int


_RECORD: Any = Start | Value | Check | Load | End  # what a type checker takes for no type


@dataclass(frozen=True, slots=True)
class Report:
    """What one command reported."""

    about: Params
    values: tuple[Value, ...]
    checks: tuple[Check, ...]
    loads: tuple[bytes, ...]


def start(what: str, **about: object) -> Start:
    """Return the first line of a command's output."""
    return Start(1, what, {name: str(value) for name, value in about.items()})


def whole(lines: Sequence[Line]) -> str:
    """Return a command's output: its lines, and the one that ends them."""
    return "".join(f"{msgspec.json.encode(line).decode()}\n" for line in (*lines, End(len(lines))))


def read(printed: bytes) -> Report:
    """Read what a command printed.

    Raises SitegenError, with the line, for anything that is not of the form above.
    """
    rows = printed.decode("utf-8", "replace").removesuffix("\n").split("\n")
    lines = [decode.document(row, _RECORD, f"line {n}") for n, row in enumerate(rows, 1)]
    for number, line in enumerate(lines, 1):
        ends = isinstance(line, End) and (number < len(lines) or line.lines != number - 1)
        if isinstance(line, Start) != (number == 1) or ends:
            raise SitegenError("is not where sitegen's own command has it", where=f"line {number}")
    if not isinstance(lines[-1], End):
        raise SitegenError("its last line is missing: it is cut off", where="secure-inference")
    return Report(
        params(**lines[0].about),
        tuple(line for line in lines if isinstance(line, Value)),
        tuple(line for line in lines if isinstance(line, Check)),
        tuple(line.printed.encode() for line in lines if isinstance(line, Load)),
    )


def record(recorder: Recorder, report: Report, workload: str, about: Params) -> None:
    """Write each series' statistics: mean, p50, least and most, and more where n allows.

    Percentiles interpolate linearly between the two nearest values; stddev is the sample's
    (n - 1).
    """
    groups: dict[tuple[str, Params], list[float]] = defaultdict(list)
    for each in report.values:
        groups[each.metric, params(**{**dict(about), **each.params})].append(each.value)
    for (metric, pairs), values in groups.items():
        recorder.series(workload, pairs).spread(f"secure-inference.{metric}", summary(values))


def summary(each: list[float]) -> dict[str, float]:
    """Return the statistics of some values that their number allows; none of no value."""
    if not each:
        return {}
    ordered = sorted(each)
    found = {"mean": statistics.fmean(each), "p50": measures.percentile(ordered, 50)}
    found |= {"min": ordered[0], "max": ordered[-1]}
    if len(each) > 1:
        found["stddev"] = statistics.stdev(each)
    for percent, least in _PERCENTILES:
        if len(each) >= least:
            found[f"p{percent}"] = measures.percentile(ordered, percent)
    return found
