"""The benchmarks measure what they say, on a report that is the same each time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import hostile, measure, synthetic
from sitegen.archive import Archive
from sitegen.catalogue import parameters
from tests import site_checks as check

SHAPE = synthetic.Shape(runs=7, measurements=40, repetitions=2)


def test_a_synthetic_report_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "other"):
        synthetic.write(tmp_path / name, SHAPE)
    assert check.differing(check.tree(tmp_path / "one"), check.tree(tmp_path / "other")) == []


def test_a_synthetic_run_has_what_a_collected_one_has(tmp_path: Path) -> None:
    synthetic.write(tmp_path, SHAPE)
    archive = Archive(tmp_path / "archive")
    runs = [archive.read(entry) for entry in archive.scan()]
    assert len(runs) == 7
    for run in runs:
        assert len(run.measurements) == 80
        assert len({(m.workload, m.metric, m.statistic, m.params) for m in run.measurements}) == 40
        assert len(run.fingerprint.facts) >= 30
        assert len(run.steps) >= 20
        assert run.steps[0].raw
    assert list(archive.fsck()) == []


def test_the_build_benchmark_prints_its_figures_as_json() -> None:
    argv = [sys.executable, "-m", "benchmarks.build", "--runs", "7", "--rounds", "1",
            "--format", "json"]  # fmt: skip
    done = subprocess.run(argv, cwd=check.ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["runs"] == 7
    assert found["pages"] > 7
    assert 0 < found["no_op_cpu_s"] < found["full_cpu_s"]
    assert 0 < found["io_floor_s"] < found["full_cpu_s"]
    assert found["add_one_cpu_s"] > 0
    assert found["peak_memory_bytes"] > 10_000_000
    assert found["output_bytes"] > 1_000_000


def test_a_measured_program_is_charged_for_itself_and_its_children(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}], check=True)"
    used = measure.run([sys.executable, "-c", parent], tmp_path)
    idle = measure.run([sys.executable, "-c", "pass"], tmp_path)
    assert used.cpu_s >= 0.3
    assert idle.cpu_s < 0.3


def test_a_program_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(measure.FailedError, match="ended with 3"):
        measure.run([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_no_odd_run_stops_a_report(tmp_path: Path) -> None:
    result = hostile.trial(tmp_path, runs=90, seed=1)
    assert result.faults == []
    assert result.counts["archived"] >= 90
    assert result.counts["refused"] > 0
    assert result.counts["built"] > result.counts["archived"] / 2


def test_the_trial_finds_what_gets_past_the_doors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parameters, "_checked", lambda _, value, __=1: value)
    result = hostile.trial(tmp_path, runs=180, seed=3)
    assert any("set aside by the last resort" in fault for fault in result.faults)
