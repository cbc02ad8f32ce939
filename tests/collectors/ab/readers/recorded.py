"""What the tests of ab's readers share: the recorded outputs, and picking one value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from collectors.ab.readers import BUNDLES, READERS
from sitegen.collect import Bundle, Reader, Reading
from sitegen.model import Doubt, Measurement

RAW = Path(__file__).parents[3] / "raw" / "ab"
SAMPLES = Path(__file__).parents[5] / "shared" / "samples" / "ab"
REPORT, PERCENTILES, REQUESTS = READERS
BESIDE, TOGETHER = BUNDLES
NONE: Mapping[str, str] = {}


def raw(name: str) -> bytes:
    return (RAW / name).read_bytes()


def sample(name: str) -> bytes:
    if not SAMPLES.is_dir():
        pytest.skip("no published samples beside this checkout")
    return (SAMPLES / name).read_bytes()


def read(data: bytes, reader: Reader = REPORT, /, **settings: str) -> Reading:
    assert [each for each in READERS if each.knows(data)] == [reader]
    [reading] = reader.runs(data, settings)
    return reading


def together(files: Mapping[str, bytes], bundle: Bundle, **settings: str) -> Reading:
    [knowing] = [each for each in BUNDLES if each.knows(files)]
    assert knowing is bundle
    [reading] = bundle.runs(files, settings)
    return reading


def one(reading: Reading, metric: str, statistic: str = "mean", **where: str) -> Measurement:
    matching = [
        row
        for row in reading.measurements
        if (row.metric, row.statistic) == (f"ab.{metric}", statistic)
        and where.items() <= dict(row.params).items()
        and ("reason" in where or "reason" not in dict(row.params))
    ]
    [row] = matching
    return row


def statistics(reading: Reading, metric: str) -> set[str]:
    return {row.statistic for row in reading.measurements if row.metric == f"ab.{metric}"}


def doubts(reading: Reading) -> dict[Doubt, str]:
    return {kind: sentence for kind, sentence, _ in reading.doubts}


def where(reading: Reading) -> dict[str, str]:
    [params] = {row.params for row in reading.measurements if "reason" not in dict(row.params)}
    return dict(params)


def parameters(reading: Reading) -> dict[str, str]:
    return {parameter.name: parameter.value for parameter in reading.parameters}
