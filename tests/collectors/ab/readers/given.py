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
    [found] = reader.runs(data, settings)
    return found


def together(files: Mapping[str, bytes], bundle: Bundle, **settings: str) -> Reading:
    [knowing] = [each for each in BUNDLES if each.knows(files)]
    assert knowing is bundle
    [found] = bundle.runs(files, settings)
    return found


def one(found: Reading, metric: str, statistic: str = "mean", **where: str) -> Measurement:
    matching = [
        row
        for row in found.measurements
        if (row.metric, row.statistic) == (f"ab.{metric}", statistic)
        and where.items() <= dict(row.params).items()
        and ("reason" in where or "reason" not in dict(row.params))
    ]
    [row] = matching
    return row


def statistics(found: Reading, metric: str) -> set[str]:
    return {row.statistic for row in found.measurements if row.metric == f"ab.{metric}"}


def doubts(found: Reading) -> dict[Doubt, str]:
    return {kind: told for kind, told, _ in found.doubts}


def where(found: Reading) -> dict[str, str]:
    [params] = {row.params for row in found.measurements if "reason" not in dict(row.params)}
    return dict(params)


def parameters(found: Reading) -> dict[str, str]:
    return {parameter.name: parameter.value for parameter in found.parameters}
