"""Criterion's files, alone and with the one beside them that names them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sitegen.catalogue import declared
from sitegen.collect import Reading
from sitegen.collect.declared.collector import collector
from sitegen.errors import SitegenError
from sitegen.intake import files
from sitegen.intake.run import Arrival, Order
from sitegen.model import Doubt, Status
from sitegen.redact import Redactor
from tests import site_checks as check

RAW = check.ROOT / "tests" / "raw" / "criterion"
TABLE = collector(declared.shipped()["criterion"])
ESTIMATES, MESSAGES = TABLE.READERS
[NAMED] = TABLE.BUNDLES
NAME = "fibonacci/iterative/20"


def read(content: bytes) -> Reading:
    [reading] = ESTIMATES.runs(content, {"function": NAME})
    return reading


def values(reading: Reading) -> dict[tuple[str, str], float | None]:
    return {(row.metric, row.statistic): row.value for row in reading.measurements}


def test_estimates_are_read_in_seconds_under_the_name_that_is_said() -> None:
    raw = json.loads((RAW / "new" / "estimates.json").read_bytes())
    reading = read((RAW / "new" / "estimates.json").read_bytes())
    found = values(reading)
    assert found["criterion.time", "mean"] == pytest.approx(raw["mean"]["point_estimate"] / 1e9)
    assert found["criterion.time", "p50"] == pytest.approx(raw["median"]["point_estimate"] / 1e9)
    assert found["criterion.slope", "value"] == pytest.approx(raw["slope"]["point_estimate"] / 1e9)
    assert {row.params for row in reading.measurements} == {(("function", NAME),)}
    assert reading.doubts == ()


def test_estimates_alone_ask_for_the_name() -> None:
    with pytest.raises(SitegenError, match="does not say its function; add --set function="):
        ESTIMATES.runs((RAW / "new" / "estimates.json").read_bytes(), {})


def test_samples_of_one_length_have_no_slope() -> None:
    assert ("criterion.slope", "value") not in values(read((RAW / "flat.json").read_bytes()))


def test_the_file_beside_it_says_name_and_throughput() -> None:
    parts = {
        name: (RAW / "new" / name).read_bytes() for name in ("benchmark.json", "estimates.json")
    }
    assert NAMED.knows(parts)
    [reading] = NAMED.runs(parts, {})
    assert dict(reading.measurements[0].params) == {"function": NAME}
    mean = values(reading)["criterion.time", "mean"]
    assert values(reading)["criterion.bandwidth", "value"] == pytest.approx(4096 / (mean or 0))
    with pytest.raises(SitegenError, match="the file says 'fibonacci/iterative/20'"):
        NAMED.runs(parts, {"function": "another"})


def test_two_outputs_are_no_output_and_its_name() -> None:
    one = (RAW / "new" / "estimates.json").read_bytes()
    assert not NAMED.knows({"a": one, "b": (RAW / "flat.json").read_bytes()})
    assert not NAMED.knows({"a": one})


def test_a_folder_of_criterion_is_read_with_the_names_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "criterion" / "fibonacci" / "iterative" / "20"
    shutil.copytree(RAW / "new", folder / "new")
    shutil.copytree(RAW / "new", folder / "base")
    (folder / "change").mkdir()
    (folder / "change" / "estimates.json").write_text('{"mean": {"point_estimate": 0.01}}')
    runs, left = files.read_all([tmp_path], Order("vm"), Redactor())
    assert all(isinstance(run, Arrival) for run in runs)
    assert {run.run.id for run in runs} == {runs[0].run.id}  # base is a copy of new
    assert dict(runs[0].run.measurements[0].params) == {"function": NAME}
    assert runs[0].run.benchmark == "criterion"
    assert {each.path.name for each in left} == {"sample.json", "estimates.json"}


def test_messages_of_cargo_criterion_are_one_run_of_all_functions() -> None:
    [reading] = MESSAGES.runs((RAW / "messages.json").read_bytes(), {})
    assert dict(reading.measurements[0].params) == {"function": NAME}
    assert ("criterion.element_rate", "value") not in values(reading)
    assert values(reading)["criterion.bandwidth", "value"]


def test_what_is_measured_in_another_unit_is_no_time() -> None:
    data = (RAW / "messages.json").read_bytes().replace(b'"unit":"ns"', b'"unit":"cycles"')
    [reading] = MESSAGES.runs(data, {})
    assert {row.status for row in reading.measurements} == {Status.FAILED}
    assert "is in cycles, and is no time" in reading.doubts[0][1]


@pytest.mark.parametrize(
    ("name", "factor", "words"),
    [("mean", 1.5, "is not within its own interval"), ("slope", 2.0, "the slope is not within")],
)
def test_an_estimate_outside_of_its_interval_is_doubted(
    name: str, factor: float, words: str
) -> None:
    raw = json.loads((RAW / "new" / "estimates.json").read_bytes())
    raw[name]["point_estimate"] *= factor
    [doubt, *_] = read(json.dumps(raw).encode()).doubts
    assert doubt[0] == Doubt.INCONSISTENT
    assert words in doubt[1]
