"""What the tests of fio's readers share: the recorded outputs, and picking rows of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sitegen.collect import Reader, Reading
from sitegen.model import Doubt, Measurement

RAW = Path(__file__).parents[3] / "raw" / "fio"
NONE: Mapping[str, str] = {}


def read(reader: Reader, content: str, settings: Mapping[str, str] = NONE) -> Reading:
    """Return the one run in what ``reader`` knows."""
    assert reader.knows(content.encode())
    [reading] = reader.runs(content.encode(), settings)
    return reading


def every(
    reading: Reading, metric: str, statistic: str = "value", **where: str
) -> list[Measurement]:
    """Return the rows of a series that have these parameters, or this workload."""
    return [
        m
        for m in reading.measurements
        if (m.metric, m.statistic) == (metric, statistic)
        and m.workload == where.get("workload", m.workload)
        and all(dict(m.params).get(k) == v for k, v in where.items() if k != "workload")
    ]


def one(reading: Reading, metric: str, statistic: str = "value", **where: str) -> Measurement:
    """Return the one row of such a series."""
    [match] = every(reading, metric, statistic, **where)
    return match


def sentence(reading: Reading, kind: Doubt) -> str:
    """Return what a run says of one kind of doubt."""
    return next((text for doubt, text, _ in reading.doubts if doubt == kind), "")
