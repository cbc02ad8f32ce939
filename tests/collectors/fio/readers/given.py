"""What the tests of fio's readers share: the recorded outputs, and picking one value."""

from __future__ import annotations

from pathlib import Path

from sitegen.collect import Reading
from sitegen.model import Measurement

RAW = Path(__file__).parents[3] / "raw" / "fio"


def one(found: Reading, metric: str, statistic: str = "value", **where: str) -> Measurement:
    """Return the one row of a series that has these parameters, or this workload."""
    [match] = [
        m
        for m in found.measurements
        if (m.metric, m.statistic) == (metric, statistic)
        and m.workload == where.get("workload", m.workload)
        and all(dict(m.params).get(k) == v for k, v in where.items() if k != "workload")
    ]
    return match
