"""The lines that the measuring commands print, and the measurements that they become.

One JSON object a line: ``start``, then values, checks and loads, and ``end`` with the number of
lines before it, so that a cut-off output shows.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import structs

from collectors.llm import measures
from collectors.llm.measures import Exchange
from sitegen.collect import Recorder, decode
from sitegen.errors import SitegenError
from sitegen.model import Params, Status, params

#: What a command may report, in the base unit of its metric.
_Time = Literal["handshake_time", "attestation_time", "measure_time", "context_time"]
Metric = Literal[_Time, "channel_throughput", "hash_speed"]
#: What is kept of a load, for each step of the ladder.
QUANTITIES = ("e2e_latency", "ttft")
_SERVED = {f"llm.{quantity}": f"secure-inference.{quantity}" for quantity in QUANTITIES}
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


class Report(NamedTuple):
    """What one command reported."""

    about: Params
    values: tuple[Value, ...]
    checks: tuple[Check, ...]
    loads: tuple[bytes, ...]


def start(what: str, **about: object) -> Start:
    """Return the first line of a command's output."""
    return Start(1, what, {name: str(value) for name, value in about.items()})


def whole(lines: Iterable[Line]) -> str:
    """Return a command's output: its lines, and the one that ends them."""
    every = list(lines)
    return "".join(f"{msgspec.json.encode(line).decode()}\n" for line in (*every, End(len(every))))


def read(printed: bytes) -> Report:
    """Read what a command printed; raises SitegenError with the line that is not of that form."""
    rows = printed.decode("utf-8", "replace").removesuffix("\n").split("\n")
    lines = [decode.document(row, _RECORD, f"line {n}") for n, row in enumerate(rows, 1)]
    for number, line in enumerate(lines, 1):
        ends = isinstance(line, End) and (number < len(lines) or line.lines != number - 1)
        if isinstance(line, Start) != (number == 1) or ends:
            raise SitegenError("is not where sitegen's own command has it", where=f"line {number}")
    first, *others, last = lines if len(lines) > 1 else (*lines, None)
    if not isinstance(last, End):
        raise SitegenError("its last line is missing: it is cut off", where="secure-inference")
    return Report(
        params(**first.about),
        tuple(line for line in others if isinstance(line, Value)),
        tuple(line for line in others if isinstance(line, Check)),
        tuple(line.printed.encode() for line in others if isinstance(line, Load)),
    )


def record(recorder: Recorder, report: Report, workload: str, about: Params) -> None:
    """Write the statistics of each series of values."""
    groups: dict[tuple[str, Params], list[float]] = defaultdict(list)
    for value in report.values:
        groups[value.metric, params(**{**dict(about), **value.params})].append(value.value)
    for (metric, pairs), values in groups.items():
        recorder.series(workload, pairs).spread(f"secure-inference.{metric}", summary(values))


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return mean, p50, least and most of some values, and more where their number allows.

    Percentiles interpolate linearly between the two nearest values; stddev is the sample's
    (n - 1). Of no value there is none.
    """
    if not values:
        return {}
    ordered = sorted(values)
    figures = {"mean": statistics.fmean(values), "p50": measures.percentile(ordered, 50)}
    figures |= {"min": ordered[0], "max": ordered[-1]}
    if len(values) > 1:
        figures["stddev"] = statistics.stdev(values)
    for percent, least in _PERCENTILES:
        if len(values) >= least:
            figures[f"p{percent}"] = measures.percentile(ordered, percent)
    return figures


def record_served(recorder: Recorder, report: Report, workload: str, about: Params) -> None:
    """Write the latencies of what the users' load clients printed, and each request's.

    The users came one after the other: a sample's x counts from the first one's start. Raises
    SitegenError when not one request was answered.
    """
    loads = [measures.read(printed) for printed in report.loads]
    every = together(loads)
    if not every.ok:
        details = [r.detail or r.status for r in every.measured] or ["none was sent"]
        raise SitegenError(f"no request was answered: {details[-1]}", where=workload)
    listed = measures.record(every, workload, about).measurements
    rows = [row for row in listed if row.metric in _SERVED]
    for row in rows:
        recorder.put(row._replace(metric=_SERVED[row.metric]), "")
    begun = 0.0
    for load in loads:
        recorder.samples += [
            sample._replace(metric=_SERVED[sample.metric], x=begun + sample.x)
            for sample in measures.record(load, workload, about).samples
            if sample.metric in _SERVED
        ]
        begun += load.end.wall_s if load.end else 0.0
    outside = [seconds for request in every.ok if (seconds := outside_model_s(request)) is not None]
    series = recorder.series(workload, about, status=rows[0].status if rows else Status.OK)
    series.spread("secure-inference.outside_model_time", summary(outside))


def outside_model_s(request: Exchange) -> float | None:
    """Return a request's latency less the server's own time for prompt and answer, or None.

    It holds what is between the client and the model: connection, channel, HTTP, queueing.
    """
    server, e2e_s = request.server, request.e2e_s
    if server is None or e2e_s is None or server.prompt_s is None or server.predicted_s is None:
        return None
    return max(e2e_s - server.prompt_s - server.predicted_s, 0.0)


def together(loads: Sequence[measures.Load]) -> measures.Load:
    """Return several loads as one: all requests, all doubts, and the worst lag of the clients."""
    ends = [load.end for load in loads if load.end is not None]
    end = None
    if len(ends) == len(loads):
        lags = [e.lag_p99_s for e in ends if e.lag_p99_s is not None]
        wall_s, cpu_s = sum(e.wall_s for e in ends), sum(e.cpu_s for e in ends)
        lag_s = max(lags, default=None)
        end = msgspec.structs.replace(ends[0], wall_s=wall_s, cpu_s=cpu_s, lag_p99_s=lag_s)
    requests = tuple(request for load in loads for request in load.requests)
    notes = tuple(dict.fromkeys(note for load in loads for note in load.notes))
    return structs.replace(loads[0], requests=requests, end=end, notes=notes)
