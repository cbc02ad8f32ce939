"""hyperfine's --export-json, by recordings of the tool and by a run of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sitegen.catalogue import declared
from sitegen.collect import Reading
from sitegen.collect.declared.collector import collector
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Measurement, Status
from tests import site_checks as check

RAW = check.ROOT / "tests" / "raw" / "hyperfine"
[READER] = collector(declared.shipped()["hyperfine"]).READERS


def read(content: object) -> Reading:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    [reading] = READER.runs(data, {})
    return reading


def recorded(name: str) -> Any:  # noqa: ANN401 - whatever the tool wrote
    return json.loads((RAW / name).read_bytes())


def one(reading: Reading, metric: str, statistic: str, **pairs: str) -> Measurement:
    [row] = [
        row
        for row in reading.measurements
        if (row.metric, row.statistic) == (f"hyperfine.{metric}", statistic)
        and pairs.items() <= dict(row.params).items()
    ]
    return row


def test_times_of_a_command_are_read_in_seconds() -> None:
    reading = read((RAW / "one.json").read_bytes())
    assert one(reading, "time", "mean").value == 0.0171204322
    assert one(reading, "time", "p50").value == 0.015255318
    assert one(reading, "time", "max").value == 0.023760639
    assert one(reading, "user_time", "mean").value == 0.0011474
    assert one(reading, "runs", "value").value == 5
    assert [sample.y for sample in reading.samples][1] == 0.023760639
    assert dict(reading.measurements[0].params) == {"command": "sleep 0.01"}
    assert {row.workload for row in reading.measurements} == {"sleep"}
    assert reading.doubts == ()


def test_parameters_tell_commands_apart() -> None:
    reading = read((RAW / "params.json").read_bytes())
    assert one(reading, "time", "min", **{"parameter n": "2"}).value == 0.02088568242


def test_a_single_run_has_no_deviation() -> None:
    reading = read((RAW / "single.json").read_bytes())
    assert "stddev" not in {row.statistic for row in reading.measurements}
    assert one(reading, "time", "mean", command="named").value == 0.023779214


@pytest.mark.parametrize("name", ["failed.json", "killed.json"])
def test_a_command_that_failed_has_no_times(name: str) -> None:
    reading = read((RAW / name).read_bytes())
    failed = [row for row in reading.measurements if row.status == Status.FAILED]
    assert {row.value for row in failed} == {None}
    [(kind, sentence, workload)] = reading.doubts
    assert kind == Doubt.FAILED_PART
    assert "the command failed, with exit codes" in sentence
    others = {row.workload for row in reading.measurements if row.status == Status.OK}
    assert workload not in others
    assert workload not in {sample.workload for sample in reading.samples}


def test_a_command_that_a_signal_ended_has_failed() -> None:
    raw = recorded("one.json")
    raw["results"][0]["exit_codes"] = [0, 0, None, 0, 0]
    assert "4 of 5 runs of the command ended with a code" in read(raw).doubts[0][1]
    assert {row.status for row in read(raw).measurements} == {Status.FAILED}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mean": 0.018}, "the single times make them"),
        ({"min": 0.001}, "the single times make them"),
        ({"median": 0.5}, "out of order"),
    ],
)
def test_figures_that_contradict_each_other_are_suspect(
    changes: dict[str, float], words: str
) -> None:
    raw = recorded("one.json")
    raw["results"][0] |= changes
    reading = read(raw)
    assert words in {kind: text for kind, text, _ in reading.doubts}[Doubt.INCONSISTENT]
    assert one(reading, "time", "mean").status == Status.SUSPECT


def test_a_long_command_keeps_its_identity_by_its_digest() -> None:
    raw = recorded("one.json")
    commands = []
    for last in "ab":
        raw["results"][0]["command"] = f"printf '{'x' * 600}\n\t{last}'"
        commands.append(dict(read(raw).measurements[0].params)["command"])
    assert commands[0] != commands[1]
    assert max(map(len, commands)) <= 500


def test_memory_is_the_largest_of_the_runs() -> None:
    raw = recorded("one.json")
    raw["results"][0]["memory_usage_byte"] = [4_000_000, 4_100_000, 3_900_000]
    assert one(read(raw), "peak_memory", "max").value == 4_100_000


def test_a_result_without_its_times_of_cpu_is_refused() -> None:
    raw = recorded("single.json")
    del raw["results"][0]["user"]
    with pytest.raises(SitegenError, match="has no user"):
        read(raw)


@pytest.mark.skipif(not shutil.which("hyperfine"), reason="needs hyperfine")
def test_what_hyperfine_writes_here_is_read(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    command = ["hyperfine", "-N", "-r", "2", "--export-json", str(file), "sleep 0.01"]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    reading = read(file.read_bytes())
    assert (one(reading, "time", "min").value or 0) >= 0.01
    assert reading.doubts == ()
