"""The gate: what `compare --fail-above` exits with, and what it says that it could not judge."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

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


def compare(folder: Path, *words: str, archive: Iterable[Run] = ()) -> Result:
    check.report(folder, *archive)
    return CliRunner().invoke(main, ["compare", *words, "--config", str(folder / "sitegen.toml")])


def gate(folder: Path, *options: str, archive: Iterable[Run] = ()) -> Result:
    return compare(folder, "vm", "cvm", "--fail-above", "5%", *options, archive=archive)


def test_what_is_surely_worse_fails(tmp_path: Path) -> None:
    found = gate(tmp_path, archive=[*runs("vm", 3), *runs("cvm", 3, factor=TWICE_AS_SLOW)])
    assert found.exit_code == 1
    assert found.stderr.startswith("sitegen: above 5%: ")
    assert "Random read, 4 KiB: IOPS" in found.stderr


def test_what_is_no_worse_passes_and_nothing_is_said(tmp_path: Path) -> None:
    found = gate(tmp_path, "--strict", archive=[*runs("vm", 3), *runs("cvm", 3)])
    assert (found.exit_code, found.stderr) == (0, "")


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (
            [*runs("vm", 1), *runs("cvm", 1, factor=10)],
            "not judged: fio: one run a side (3 series)\nsitegen: nothing could be judged\n",
        ),
        (
            [replace(one, preset="quick") for one in [*runs("vm", 3), *runs("cvm", 3, factor=10)]],
            "not judged: fio: quick runs are never compared",
        ),
        (
            [*runs("vm", 3), *map(of_ab, runs("cvm", 3))],
            "nothing could be judged: vm and cvm have no benchmark in common",
        ),
    ],
    ids=["one a side", "quick", "nothing in common"],
)
def test_what_cannot_be_judged_is_not_however_bad_it_is(
    tmp_path: Path, archive: list[Run], said: str
) -> None:
    found = gate(tmp_path, archive=archive)
    assert found.exit_code == 3
    assert said in found.stderr


def test_a_benchmark_that_one_side_lacks_is_said_and_has_an_exit_code_of_its_own(
    tmp_path: Path,
) -> None:
    whole = [*runs("vm", 3), *runs("cvm", 3), *map(of_ab, runs("vm", 3))]
    for options, code in (((), 3), (("--strict",), 1)):
        found = gate(tmp_path, *options, archive=whole)
        assert found.exit_code == code
        assert found.stderr == (
            "not judged: ab: cvm has no run\nsitegen: not everything could be judged\n"
        )


def test_a_series_that_one_side_lacks_is_said(tmp_path: Path) -> None:
    def reads(run: Run) -> Run:
        rows = tuple(row for row in run.measurements if ("direction", "read") in row.params)
        return replace(run, measurements=rows)

    found = gate(tmp_path, archive=[*runs("vm", 3), *map(reads, runs("cvm", 3))])
    assert found.exit_code == 3
    assert found.stderr.startswith("not judged: fio: cvm has no Random write, 4 KiB\n")
    for more in ((), ("--all",), ("--metric", "fio.iops")):
        assert gate(tmp_path, "--strict", *more).exit_code == 1


def test_a_damaged_run_is_named(tmp_path: Path) -> None:
    whole = [*runs("vm", 4), *runs("cvm", 3)]
    check.report(tmp_path, *whole)
    raw = next((Archive(tmp_path / "archive").path(whole[0]) / "raw").iterdir())
    raw.write_bytes(raw.read_bytes()[::-1])
    found = gate(tmp_path)
    assert found.exit_code == 3
    assert f"not judged: vm/{whole[0].id}: raw/{raw.name} does not match its digest" in found.stderr
    assert gate(tmp_path, "--strict").exit_code == 1


@pytest.mark.parametrize("by_id", [False, True], ids=["environment", "run"])
def test_a_side_of_damaged_runs_alone_is_not_judged(tmp_path: Path, *, by_id: bool) -> None:
    ours, theirs = runs("vm", 2), runs("cvm", 2)
    check.report(tmp_path, *ours, *theirs)
    for run in ours:
        (Archive(tmp_path / "archive").path(run) / "measurements.parquet").unlink()
    sides = (ours[0].id[-8:], theirs[0].id) if by_id else ("vm", "cvm")
    found = compare(tmp_path, *sides, "--fail-above", "5%")
    assert found.exit_code == 3
    said = f"nothing could be judged: all runs of {sides[0]} are damaged: measurements.parquet"
    assert said in found.stderr


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
    whole = [*runs("vm", 3), *runs("cvm", 3), *map(of_ab, runs("vm", 1))]
    found = compare(tmp_path, *words, archive=whole)
    assert found.exit_code == 2
    assert said in found.stderr


def test_sides_that_differ_in_a_setting_say_in_which(tmp_path: Path) -> None:
    def deeper(run: Run) -> Run:
        rows = [
            row._replace(params=tuple((k, "128" if k == "iodepth" else v) for k, v in row.params))
            for row in run.measurements
        ]
        return replace(run, measurements=tuple(rows))

    found = compare(tmp_path, "vm", "cvm", archive=[*runs("vm", 3), *map(deeper, runs("cvm", 3))])
    assert found.exit_code == 2
    assert "no series in common in fio; the nearest differ in iodepth" in found.stderr


def test_series_without_a_direction_say_so(tmp_path: Path) -> None:
    own = Measurement("w", "fio.own", "value", "s", 1.0)
    whole = [replace(run, measurements=(own,)) for run in [*runs("vm", 3), *runs("cvm", 3)]]
    found = compare(tmp_path, "vm", "cvm", archive=whole)
    assert "is it known whether more or less is better" in found.stderr


def test_a_metric_under_another_benchmarks_name_is_judged(tmp_path: Path) -> None:
    whole = [*runs("vm", 3), *runs("cvm", 3, factor=TWICE_AS_SLOW)]
    mine = [replace(r, id=r.id.replace("-fio-", "-mine-"), benchmark="mine") for r in whole]
    assert gate(tmp_path, "--metric", "fio.iops", archive=mine).exit_code == 1
