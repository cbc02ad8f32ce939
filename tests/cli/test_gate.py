"""The gate: what `compare --fail-above` exits with, and what it says that it could not judge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sitegen.archive import Archive
from sitegen.cli import main
from sitegen.model import Measurement, Run
from tests import site_checks as check

TWICE_AS_SLOW = 2.0
RATE = "ab.requests_per_second"


def runs(environment: str, count: int, *, factor: float = 1.0) -> list[Run]:
    return [check.storage_run(10 * n, environment, factor=factor) for n in range(count)]


def of_ab(run: Run) -> Run:
    """Return a run of another benchmark in the same place."""
    row = Measurement("sweep", RATE, "mean", "1/s", 900.0)
    return replace(
        run, id=run.id.replace("-fio-", "-ab-"), benchmark="ab", measurements=(row,), steps=()
    )


def gate(folder: Path, *options: str, archive: list[Run]) -> Result:
    check.report(folder, *archive)
    words = ["compare", "vm", "cvm", "--fail-above", "5%", *options]
    return CliRunner().invoke(main, [*words, "--config", str(folder / "sitegen.toml")])


def test_what_is_surely_worse_fails(tmp_path: Path) -> None:
    found = gate(tmp_path, archive=[*runs("vm", 3), *runs("cvm", 3, factor=TWICE_AS_SLOW)])
    assert found.exit_code == 1
    assert found.stderr.startswith("sitegen: above 5%: ")
    assert "Random read, 4 KiB: I/O operations a second" in found.stderr


def test_what_is_no_worse_passes_and_nothing_is_said(tmp_path: Path) -> None:
    found = gate(tmp_path, "--strict", archive=[*runs("vm", 3), *runs("cvm", 3)])
    assert (found.exit_code, found.stderr) == (0, "")


def test_one_run_a_side_is_not_judged_however_bad_it_is(tmp_path: Path) -> None:
    found = gate(tmp_path, archive=[*runs("vm", 1), *runs("cvm", 1, factor=10)])
    assert found.exit_code == 3
    assert "not judged: fio: one run a side (3 series)" in found.stderr
    assert found.stderr.splitlines()[-1] == "sitegen: nothing could be judged"


def test_quick_runs_are_not_judged(tmp_path: Path) -> None:
    quick = [replace(run, preset="quick") for run in [*runs("vm", 3), *runs("cvm", 3, factor=10)]]
    found = gate(tmp_path, archive=quick)
    assert found.exit_code == 3
    assert "not judged: fio: quick runs are never compared" in found.stderr


def test_a_benchmark_that_one_side_lacks_is_said_and_fails_when_all_must_be_judged(
    tmp_path: Path,
) -> None:
    whole = [*runs("vm", 3), *runs("cvm", 3), *map(of_ab, runs("vm", 3))]
    found = gate(tmp_path, archive=whole)
    assert found.exit_code == 0
    assert found.stderr == "not judged: ab: cvm has no run\n"
    strict = gate(tmp_path, "--strict", archive=[])
    assert strict.exit_code == 3
    assert strict.stderr.splitlines()[-1] == "sitegen: not everything could be judged"


def test_sides_without_a_benchmark_in_common_are_not_judged(tmp_path: Path) -> None:
    found = gate(tmp_path, archive=[*runs("vm", 3), *map(of_ab, runs("cvm", 3))])
    assert found.exit_code == 3
    assert "nothing could be judged: vm and cvm have no benchmark in common" in found.stderr
    assert "vm has fio; cvm has ab" in found.stderr


def test_a_damaged_run_is_named_and_fails_when_all_must_be_judged(tmp_path: Path) -> None:
    whole = [*runs("vm", 4), *runs("cvm", 3)]
    check.report(tmp_path, *whole)
    raw = next((Archive(tmp_path / "archive").path(whole[0]) / "raw").iterdir())
    raw.write_bytes(raw.read_bytes()[::-1])
    found = gate(tmp_path, archive=[])
    assert found.exit_code == 0
    assert f"not judged: vm/{whole[0].id}: raw/{raw.name} does not match its digest" in found.stderr
    assert gate(tmp_path, "--strict", archive=[]).exit_code == 3


def test_a_side_of_damaged_runs_alone_is_not_judged(tmp_path: Path) -> None:
    whole = [*runs("vm", 3), *runs("cvm", 3)]
    check.report(tmp_path, *whole)
    for run in whole[:3]:
        (Archive(tmp_path / "archive").path(run) / "measurements.parquet").unlink()
    found = gate(tmp_path, archive=[])
    assert found.exit_code == 3
    assert "nothing could be judged: all runs of vm are damaged" in found.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vm", "nowhere"], "no environment and no run 'nowhere'"),
        (["vm", "cvm", "--strict"], "--strict: goes with --fail-above"),
        (["vm", "cvm", "--metric", RATE], "cvm has no run of ab; it has fio"),
        (["vm", "cvm", "--fail-above", "5%", "--metric", "fio.nope"], "no run here has fio.nope"),
        (["vm", "cvm", "--metric", "llm.ttft"], "--metric: no run here has llm.ttft"),
    ],
)
def test_a_mistake_is_no_judgement(tmp_path: Path, words: list[str], said: str) -> None:
    check.report(tmp_path, *runs("vm", 3), *runs("cvm", 3), *map(of_ab, runs("vm", 1)))
    config = ["--config", str(tmp_path / "sitegen.toml")]
    found = CliRunner().invoke(main, ["compare", *words, *config])
    assert found.exit_code == 2
    assert said in found.stderr


def test_sides_that_differ_in_a_setting_say_in_which(tmp_path: Path) -> None:
    def deeper(run: Run) -> Run:
        rows = [
            row._replace(params=tuple((k, "128" if k == "iodepth" else v) for k, v in row.params))
            for row in run.measurements
        ]
        return replace(run, measurements=tuple(rows))

    check.report(tmp_path, *runs("vm", 3), *map(deeper, runs("cvm", 3)))
    config = ["--config", str(tmp_path / "sitegen.toml")]
    found = CliRunner().invoke(main, ["compare", "vm", "cvm", *config])
    assert found.exit_code == 2
    assert "no series in common in fio; the nearest differ in iodepth" in found.stderr


def test_series_without_a_direction_say_so(tmp_path: Path) -> None:
    def own(run: Run) -> Run:
        return replace(run, measurements=(Measurement("w", "fio.own", "value", "s", 1.0),))

    check.report(tmp_path, *map(own, [*runs("vm", 3), *runs("cvm", 3)]))
    config = ["--config", str(tmp_path / "sitegen.toml")]
    found = CliRunner().invoke(main, ["compare", "vm", "cvm", *config])
    assert "is it known whether more or less is better" in found.stderr


def test_a_series_that_one_side_lacks_is_said(tmp_path: Path) -> None:
    def reads(run: Run) -> Run:
        rows = tuple(row for row in run.measurements if ("direction", "read") in row.params)
        return replace(run, measurements=rows)

    whole = [*runs("vm", 3), *map(reads, runs("cvm", 3))]
    found = gate(tmp_path, archive=whole)
    assert (found.exit_code, found.stderr) == (
        0, "not judged: fio: cvm has no Random write, 4 KiB\n",
    )  # fmt: skip
    for more in ((), ("--all",), ("--metric", "fio.iops")):
        assert gate(tmp_path, "--strict", *more, archive=[]).exit_code == 3


def test_a_damaged_run_that_is_a_side_itself_is_not_judged(tmp_path: Path) -> None:
    whole = [*runs("vm", 1), *runs("cvm", 1)]
    check.report(tmp_path, *whole)
    (Archive(tmp_path / "archive").path(whole[0]) / "measurements.parquet").unlink()
    words = ["compare", whole[0].id[-8:], whole[1].id, "--fail-above", "5%"]
    found = CliRunner().invoke(main, [*words, "--config", str(tmp_path / "sitegen.toml")])
    assert found.exit_code == 3
    assert "are damaged: measurements.parquet" in found.stderr


def test_a_metric_under_another_benchmarks_name_is_judged(tmp_path: Path) -> None:
    def mine(run: Run) -> Run:
        return replace(run, id=run.id.replace("-fio-", "-mine-"), benchmark="mine")

    slow = map(mine, [*runs("vm", 3), *runs("cvm", 3, factor=TWICE_AS_SLOW)])
    assert gate(tmp_path, "--metric", "fio.iops", archive=list(slow)).exit_code == 1
