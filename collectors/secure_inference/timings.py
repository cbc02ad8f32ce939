"""The lines that the measuring commands print, and the measurements that they become.

One JSON object a line: ``start`` (what was measured, and facts about it), then ``value`` (one
measured value, with the parameters that tell its series apart), ``check`` (something that had
to be refused, and whether it was), ``load`` (all that one user's load client printed), and
``end`` with the number of lines before it, so that a cut-off output is told.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
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
_P95_FROM, _P99_FROM = 20, 100


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="record"):
    pass


class _Start(_Line, frozen=True, tag="start"):
    schema: Literal[1]
    what: str
    about: dict[str, str]


class _Value(_Line, frozen=True, tag="value"):
    metric: Metric
    params: dict[str, str]
    value: decode.Number


class _Check(_Line, frozen=True, tag="check"):
    name: str
    refused: bool


class _Load(_Line, frozen=True, tag="load"):
    printed: str


class _End(_Line, frozen=True, tag="end"):
    lines: int


_RECORD: Any = _Start | _Value | _Check | _Load | _End  # what a type checker takes for no type


@dataclass(frozen=True, slots=True)
class Report:
    """What one command reported."""

    about: tuple[tuple[str, str], ...]
    values: tuple[tuple[Metric, Params, float], ...]
    checks: tuple[tuple[str, bool], ...] = ()
    loads: tuple[bytes, ...] = ()


def start(what: str, **about: object) -> str:
    """Return the first line of a command's output."""
    return _written(_Start(1, what, {name: str(value) for name, value in about.items()}))


def value(metric: Metric, measured: float, **about: object) -> str:
    """Return the line of one measured value, in the base unit of its metric."""
    return _written(_Value(metric, dict(params(**about)), measured))


def check(name: str, *, refused: bool) -> str:
    """Return the line of a negative control."""
    return _written(_Check(name, refused))


def load(printed: bytes) -> str:
    """Return the line that carries all that one user's load client printed."""
    return _written(_Load(printed.decode("utf-8", "replace")))


def whole(lines: Iterable[str]) -> str:
    """Return a command's output: its lines, and the one that ends them."""
    kept = list(lines)
    return "\n".join([*kept, _written(_End(len(kept)))]) + "\n"


def read(printed: bytes) -> Report:
    """Read what a command printed.

    Raises SitegenError, with the line, for anything that is not of the form above.
    """
    rows = printed.decode("utf-8", "replace").removesuffix("\n").split("\n")
    lines = [decode.document(row, _RECORD, f"line {n}") for n, row in enumerate(rows, 1)]
    for number, line in enumerate(lines, 1):
        ends = isinstance(line, _End) and (number < len(lines) or line.lines != number - 1)
        if isinstance(line, _Start) != (number == 1) or ends:
            raise SitegenError("is not where sitegen's own command has it", where=f"line {number}")
    if not isinstance(lines[-1], _End):
        raise SitegenError("its last line is missing: it is cut off", where="secure-inference")
    values = (line for line in lines if isinstance(line, _Value))
    return Report(
        params(**lines[0].about),
        tuple((each.metric, params(**each.params), each.value) for each in values),
        tuple((line.name, line.refused) for line in lines if isinstance(line, _Check)),
        tuple(line.printed.encode() for line in lines if isinstance(line, _Load)),
    )


def record(recorder: Recorder, report: Report, workload: str, about: Params) -> None:
    """Write each series' statistics: mean, p50, least and most, and more where n allows.

    Percentiles interpolate linearly between the two nearest values; stddev is the sample's
    (n - 1).
    """
    groups: dict[tuple[str, Params], list[float]] = defaultdict(list)
    for metric, own, measured in report.values:
        groups[metric, params(**{**dict(about), **dict(own)})].append(measured)
    for (name, pairs), each in groups.items():
        recorder.series(workload, pairs).spread(f"secure-inference.{name}", summary(each))


def summary(each: list[float]) -> dict[str, float]:
    """Return the statistics of some values that their number allows; none of no value."""
    if not each:
        return {}
    ordered = sorted(each)
    found = {"mean": statistics.fmean(each), "p50": measures.percentile(ordered, 50)}
    found |= {"min": ordered[0], "max": ordered[-1]}
    if len(each) > 1:
        found["stddev"] = statistics.stdev(each)
    if len(each) >= _P95_FROM:
        found["p95"] = measures.percentile(ordered, 95)
    if len(each) >= _P99_FROM:
        found["p99"] = measures.percentile(ordered, 99)
    return found


def _written(line: _Line) -> str:
    return msgspec.json.encode(line).decode()
