"""The gate: what `compare --fail-above` exits with, and what it says that it could not judge."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from sitegen.archive import Archive
from sitegen.cli import main
from sitegen.model import Measurement, Remark, RemarkKind, Run, params
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
    assert "no series in common in fio; of the nearest vm has iodepth 64, cvm 128\n" in found.stderr


def test_sides_that_differ_in_a_workload_or_a_metric_say_in_which(tmp_path: Path) -> None:
    def other(run: Run, **changed: Any) -> Run:  # noqa: ANN401 - fields of a row
        return replace(run, measurements=tuple(m._replace(**changed) for m in run.measurements))

    ours, theirs = runs("vm", 3), runs("cvm", 3)
    for changed, said in (
        ({"workload": "own"}, "of the nearest vm has workload read_seq, cvm own"),
        ({"metric": "fio.own"}, "of the nearest vm has metric fio.iops, cvm fio.own"),
    ):
        found = compare(
            tmp_path / next(iter(changed)),
            *("vm", "cvm"),
            archive=[*ours, *(other(one, **changed) for one in theirs)],
        )
        assert found.exit_code == 2
        assert said in found.stderr


def swept(environment: str, loads: tuple[int, ...], *, factor: float = 1.0) -> list[Run]:
    """Return three runs of ab at these numbers of concurrent connections."""
    whole = []
    for run in map(of_ab, runs(environment, 3)):
        rows = [
            Measurement(
                "sweep",
                metric,
                statistic,
                unit,
                value,
                params(concurrency=str(load), scheme="http"),
            )
            for load in loads
            for metric, statistic, unit, value in (
                (RATE, "mean", "1/s", 900.0 * load / factor),
                ("ab.latency", "p99", "s", 0.01 * factor),
                ("ab.processing_time", "min", "s", 0.001 * factor),
            )
        ]
        whole.append(replace(run, measurements=tuple(rows)))
    return whole


def test_where_both_lack_what_a_headline_asks_for_the_nearest_stands_in_its_place(
    tmp_path: Path,
) -> None:
    loads = (50, 100, 20000)  # 100 is nearer to 1000 than 20000 is, by their ratio
    archive = [*swept("vm", loads), *swept("cvm", loads, factor=TWICE_AS_SLOW)]
    found = gate(tmp_path, archive=archive)
    assert found.exit_code == 1
    assert "Http, 100 at once: requests per second, mean" in found.stderr
    lines = found.stdout.splitlines()[1:3]
    instead = "at concurrency 100; the headline asks for 1000, which vm and cvm lack"
    assert all(instead in line for line in lines)
    assert "processing time" not in found.stdout
    CliRunner().invoke(main, ["build", "--config", str(tmp_path / "sitegen.toml")])
    for page in ("ab/index.html", "compare/data-ab.js"):
        assert instead in (tmp_path / "site" / page).read_text()
    front = (tmp_path / "site" / "index.html").read_text()
    assert (
        "throughput (at concurrency 100) 2.0× slower" in front
    )  # a headline, and no exploratory series
    assert "rocessing time" not in front
    runs_page = (tmp_path / "site" / "runs" / archive[0].id / "index.html").read_text()
    assert "requests per second (at concurrency 100) 90,000" in runs_page
    told = json.loads(gate(tmp_path, "--format", "json").stdout)["comparisons"]
    assert {one["instead_of"]["concurrency"] for one in told} == {"1000"}


def test_what_only_one_side_lacks_of_a_headline_is_said_and_not_judged(tmp_path: Path) -> None:
    archive = [*swept("vm", (50, 100, 1000)), *swept("cvm", (50, 100))]
    found = gate(tmp_path, archive=archive)
    assert found.exit_code == 3
    assert "the headline asks for 1000, which cvm lacks" in found.stdout
    assert "not judged: ab: cvm has no Http, 1,000 at once and 1 more" in found.stderr
    by_id = compare(tmp_path, archive[0].id, archive[3].id)
    assert f"the headline asks for 1000, which {archive[3].id} lacks" in by_id.stdout


def test_a_benchmark_that_both_have_and_nothing_in_common_is_said(tmp_path: Path) -> None:
    ab = [*swept("vm", (50,)), *swept("cvm", (100,))]
    archive = [*runs("vm", 3), *runs("cvm", 3), *ab]
    line = "ab: no series in common; of the nearest vm has concurrency 50, cvm 100\n"
    found = gate(tmp_path, archive=archive)
    assert (found.exit_code, found.stderr.startswith(f"not judged: {line}")) == (3, True)
    found = compare(tmp_path, "vm", "cvm")
    assert (found.exit_code, found.stderr) == (0, f"not compared: {line}")


def test_a_headline_that_a_side_could_not_measure_is_not_judged(tmp_path: Path) -> None:
    def failing(run: Run) -> Run:
        first = run.measurements[0]._replace(value=0.0, repetition=0)
        rows = [
            row._replace(value=None, status="failed")
            if row._replace(value=0.0, repetition=0) == first
            else row
            for row in run.measurements
        ]
        return replace(run, measurements=tuple(rows))

    whole = [*runs("vm", 3), *map(failing, runs("cvm", 3))]
    found = gate(tmp_path, archive=whole)
    assert found.exit_code == 3
    assert "not judged: fio: nothing was measured in cvm (1 series)" in found.stderr
    assert gate(tmp_path, "--strict").exit_code == 1


def test_an_unknown_metric_names_the_nearest(tmp_path: Path) -> None:
    found = compare(tmp_path, "vm", "cvm", "--metric", "fio.iosp", archive=runs("vm", 1))
    assert "--metric: no run here has fio.iosp; the nearest are fio.iops\n" in found.stderr


def test_a_metric_that_one_side_lacks_is_named(tmp_path: Path) -> None:
    more = Measurement("own", "fio.latency", "mean", "s", 1.0)
    whole = [replace(one, measurements=(*one.measurements, more)) for one in runs("vm", 3)]
    found = compare(
        tmp_path, "vm", "cvm", "--metric", "fio.latency", archive=[*whole, *runs("cvm", 3)]
    )
    assert (
        "sitegen: cvm has no fio.latency; in common they have fio.bandwidth, fio.iops"
        in found.stderr
    )


def test_who_compares_builds_or_exports_sets_the_same_run_aside(tmp_path: Path) -> None:
    whole = [*runs("vm", 3), *runs("cvm", 3)]
    check.report(tmp_path, *whole)
    raw = next((Archive(tmp_path / "archive").path(whole[0]) / "raw").iterdir())
    raw.write_bytes(raw.read_bytes()[::-1])
    settings = ("--config", str(tmp_path / "sitegen.toml"))
    for words in (("compare", "vm", "cvm"), ("export",), ("build",)):
        found = CliRunner().invoke(main, [*words, *settings])
        assert f"raw/{raw.name} does not match its digest" in found.stderr, words
        assert words[0] != "export" or whole[0].id not in found.stdout


@pytest.mark.parametrize(
    ("ours", "theirs", "options", "code"),
    [
        ({}, {}, (), 0),
        ({}, {}, ("--strict",), 0),
        ({}, {"factor": TWICE_AS_SLOW}, (), 1),
        ({}, {"factor": TWICE_AS_SLOW}, ("--strict",), 1),
        ({}, {"factor": 1 / TWICE_AS_SLOW}, (), 0),
        ({"count": 2}, {}, (), 3),
        ({"count": 2}, {"factor": TWICE_AS_SLOW}, ("--strict",), 1),
        ({"preset": "quick"}, {"preset": "quick"}, (), 3),
        ({"preset": "quick"}, {"preset": "quick"}, ("--strict",), 1),
        ({}, {"preset": "quick"}, (), 3),
        ({"withdrawn": True}, {}, (), 3),
    ],
)
def test_the_table_of_exit_codes(
    tmp_path: Path,
    ours: dict[str, Any],
    theirs: dict[str, Any],
    options: tuple[str, ...],
    code: int,
) -> None:
    def side(label: str, count: int = 3, factor: float = 1.0, preset: str = "standard",
             *, withdrawn: bool = False) -> list[Run]:  # fmt: skip
        said = (Remark(RemarkKind.WITHDRAWN, "2026-11-27T00:00:00Z", "Wrong disk."),) * withdrawn
        every = runs(label, count, factor=factor)
        return [replace(one, preset=preset, remarks=said) for one in every]

    archive = [*side("vm", **ours), *side("cvm", **theirs)]
    check.report(tmp_path, *archive)
    for run in archive:
        for remark in run.remarks:
            store = Archive(tmp_path / "archive")
            store.remark_on(store.find(run.id), remark)
    assert gate(tmp_path, *options).exit_code == code


def test_series_without_a_direction_say_so(tmp_path: Path) -> None:
    own = Measurement("w", "fio.own", "value", "s", 1.0)
    whole = [replace(run, measurements=(own,)) for run in [*runs("vm", 3), *runs("cvm", 3)]]
    found = compare(tmp_path, "vm", "cvm", archive=whole)
    assert "is it known whether more or less is better" in found.stderr


def test_a_metric_under_another_benchmarks_name_is_judged(tmp_path: Path) -> None:
    whole = [*runs("vm", 3), *runs("cvm", 3, factor=TWICE_AS_SLOW)]
    mine = [replace(r, id=r.id.replace("-fio-", "-mine-"), benchmark="mine") for r in whole]
    assert gate(tmp_path, "--metric", "fio.iops", archive=mine).exit_code == 1
