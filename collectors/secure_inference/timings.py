"""The lines that the measuring commands print, and the measurements that they become.

One JSON object a line: ``start`` (what was measured, and facts about it), then ``value`` (one
measured value, with the parameters that tell its series apart), ``check`` (something that had
to be refused, and whether it was), ``load`` (all that one user's load client printed), and
``end`` with the number of lines before it, so that a cut-off output is told.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from collectors.llm import measures
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Params, params

SCHEMA = 1
#: What a command may report, and its unit.
UNITS = {
    "handshake_time": "s",
    "attestation_time": "s",
    "measure_time": "s",
    "context_time": "s",
    "channel_throughput": "B/s",
    "hash_speed": "B/s",
}
_P95_FROM, _P99_FROM = 20, 100
_MOST_LINES = 1_000_000


@dataclass(frozen=True, slots=True)
class Report:
    """What one command reported."""

    about: tuple[tuple[str, str], ...]
    values: tuple[tuple[str, Params, float], ...]
    checks: tuple[tuple[str, bool], ...] = ()
    loads: tuple[bytes, ...] = ()


def start(what: str, **about: object) -> str:
    """Return the first line of a command's output."""
    return _line("start", schema=SCHEMA, what=what, about={k: str(v) for k, v in about.items()})


def value(metric: str, measured: float, **where: object) -> str:
    """Return the line of one measured value, in the base unit of its metric."""
    return _line("value", metric=metric, params=dict(params(**where)), value=measured)


def check(name: str, *, refused: bool) -> str:
    """Return the line of a negative control."""
    return _line("check", name=name, refused=refused)


def load(printed: bytes) -> str:
    """Return the line that carries all that one user's load client printed."""
    return _line("load", printed=printed.decode("utf-8", "replace"))


def whole(lines: Iterable[str]) -> str:
    """Return a command's output: its lines, and the one that ends them."""
    kept = list(lines)
    return "\n".join([*kept, _line("end", lines=len(kept))]) + "\n"


def read(printed: bytes) -> Report:
    """Read what a command printed.

    Raises SitegenError, with the line, for anything that is not of the form above.
    """
    rows = printed.decode("utf-8", "replace").splitlines()
    if len(rows) > _MOST_LINES:
        raise SitegenError(f"{len(rows)} lines are too many", where="secure-inference")
    about: tuple[tuple[str, str], ...] = ()
    values, checks, loads = [], [], []
    for number, row in enumerate(rows, 1):
        try:
            found = json.loads(row)
            match found["record"]:
                case "start" if number == 1 and found["schema"] == SCHEMA:
                    about = params(**_texts(found["about"]))
                case "value" if number > 1:
                    values.append(_value(found))
                case "check" if number > 1 and isinstance(found["refused"], bool):
                    checks.append((_text(found["name"]), found["refused"]))
                case "load" if number > 1:
                    loads.append(_text(found["printed"]).encode())
                case "end" if number == len(rows) > 1 and found["lines"] == number - 1:
                    return Report(about, tuple(values), tuple(checks), tuple(loads))
                case _:
                    raise ValueError("unexpected")  # noqa: TRY301 - told once, below
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
            raise SitegenError(
                "is not a line that sitegen's own command prints", where=f"line {number}"
            ) from error
    raise SitegenError("the output is cut off: its last line is missing", where="secure-inference")


def measurements(report: Report, workload: str, where: Params) -> tuple[Measurement, ...]:
    """Return each series' statistics: mean, p50, least and most, and more where n allows.

    Percentiles interpolate linearly between the two nearest values; stddev is the sample's
    (n - 1).
    """
    series: dict[tuple[str, Params], list[float]] = {}
    for metric, place, measured in report.values:
        series.setdefault((metric, place), []).append(measured)
    return tuple(
        Measurement(
            workload,
            f"secure-inference.{metric}",
            statistic,
            UNITS[metric],
            figure,
            params(**{**dict(where), **dict(place)}),
        )
        for (metric, place), each in series.items()
        for statistic, figure in summary(each).items()
    )


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


def _value(found: Mapping[str, object]) -> tuple[str, Params, float]:
    metric, measured, where = found["metric"], found["value"], found["params"]
    if metric not in UNITS or isinstance(measured, bool):
        raise ValueError(metric)
    if not isinstance(measured, int | float) or not 0 <= measured < math.inf:
        raise ValueError(measured)
    return str(metric), params(**_texts(where)), float(measured)


def _texts(found: object) -> dict[str, str]:
    if not isinstance(found, dict):
        raise TypeError(found)
    return {_text(key): _text(each) for key, each in found.items()}


def _text(found: object) -> str:
    if not isinstance(found, str):
        raise TypeError(found)
    return found


def _line(record: str, **fields: object) -> str:
    return json.dumps({"record": record, **fields}, separators=(",", ":"))
