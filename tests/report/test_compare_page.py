"""What the compare page offers: the numbers of a small report, and data that stays small."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from msgspec.structs import replace

from sitegen.analysis.compare import Analysis, analyse
from sitegen.analysis.differences import WITHIN
from sitegen.config import Config, Environment
from sitegen.model import Comparability, Measurement, Parameter, Run, params, run_id
from sitegen.report import compare_page
from tests import site_checks as check

CVM = Environment(
    "cvm", "cpu-tee", "tdx", "CVM", baselines={"vm": "vm"}, incomparable={"host": "a reason"}
)
SETTINGS = Config(
    root=check.ROOT,
    environments={
        "host": Environment("host", "metal", "none", "Host"),
        "vm": Environment("vm", "vm", "none", "VM", baselines={"metal": "host"}),
        "cvm": CVM,
    },
)


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return check.three_a_side()


@pytest.fixture(scope="module")
def analysis(runs: list[Run]) -> Analysis:
    return analyse(runs, SETTINGS)


def files_of(analysis: Analysis, benchmark: str, runs: list[Run]) -> dict[str, bytes]:
    own = [run for run in runs if run.benchmark == benchmark]
    return compare_page.scripts(analysis, benchmark, own)[1]


def loaded(analysis: Analysis, benchmark: str, runs: list[Run]) -> tuple[Any, Any]:
    """Return what a browser gets of the two files."""
    found = []
    for data in files_of(analysis, benchmark, runs).values():
        match = re.fullmatch(rb"\(self\.sitegenData \|\|= \[\]\)\.push\((.*)\);\n", data, re.DOTALL)
        assert match is not None
        found.append(json.loads(match[1]))
    return found[0], found[1]


def test_every_environment_is_a_side_in_the_declared_order(
    analysis: Analysis, runs: list[Run]
) -> None:
    data, single = loaded(analysis, "fio", runs)
    assert [(side["id"], side["name"], side["hue"]) for side in data["sides"]] == [
        ("host", "Host", "metal"), ("vm", "VM", "vm"), ("cvm", "CVM", "cpu-tee"),
    ]  # fmt: skip
    assert data["sides"][2]["about"] == "CPU TEE, 3 runs"
    assert len(single["sides"]) == 9


def test_a_side_has_its_values_with_what_they_stand_on(analysis: Analysis) -> None:
    catalogue, sides = compare_page.environments(analysis, "fio")
    [cvm] = [each for each in sides if each.id == "cvm"]
    assert len(cvm.cells) == 3
    for series, numbers in zip(catalogue.series, cvm.cells, strict=True):
        summary = analysis.cells[series, "cvm"].summary
        assert summary is not None
        assert numbers is not None
        assert numbers[:3] == (summary.value, 3, 9)
        assert summary.interval is not None
        low, high = summary.interval.low, summary.interval.high
        assert numbers[3:6] == (low, high, "replicates")
        assert numbers[8:] == (3, "boot")


def test_headline_series_come_first(analysis: Analysis, runs: list[Run]) -> None:
    data, _ = loaded(analysis, "fio", runs)
    heads = [headline for *_, headline, _ in data["series"]]
    assert heads == sorted(heads, reverse=True)
    assert any(heads)


def test_runs_are_the_newest_first_and_no_more_than_promised() -> None:
    many = [check.storage_run(number, "cvm") for number in range(compare_page.MAX_RUNS + 20)]
    data, single = loaded(analyse(many, SETTINGS), "fio", many)
    assert data["all"] == len(many)
    assert [row[0] for row in data["runs"]] == [side["id"] for side in single["sides"]]
    assert [row[0] for row in data["runs"]] == sorted((run.id for run in many), reverse=True)[
        : compare_page.MAX_RUNS
    ]


def test_the_files_do_not_grow_with_the_archive() -> None:
    def sizes(number: int) -> list[int]:
        many = [check.storage_run(n, label) for n in range(number) for label in ("vm", "cvm")]
        return [len(data) for data in files_of(analyse(many, SETTINGS), "fio", many).values()]

    for few, more in zip(sizes(60), sizes(240), strict=True):
        assert more <= few * 1.02


def test_a_run_says_why_it_stands_for_nothing(runs: list[Run]) -> None:
    quick = replace(check.storage_run(30, "cvm"), preset="quick")
    old = next(run for run in runs if run.benchmark == "fio" and run.environment == "cvm")
    new = replace(check.storage_run(31, "cvm"), supersedes=old.id)
    everything = [*runs, quick, new]
    data, single = loaded(analyse(everything, SETTINGS), "fio", everything)
    about = {row[0]: row[3] for row in data["runs"]}
    assert about[quick.id].endswith(", quick preset")
    assert about[old.id].endswith(", superseded by a later run")
    assert about[new.id] == f"run {new.id[-8:]}"
    side = next(side for side in single["sides"] if side["id"] == quick.id)
    assert [side["setup"], side["setup"], "quick runs are never compared"] in single["unlike"]
    assert all("quick" in cell[6] for cell in side["cells"] if cell)


def test_a_declared_reason_holds_in_both_directions_and_for_runs(
    analysis: Analysis, runs: list[Run]
) -> None:
    data, single = loaded(analysis, "fio", runs)
    assert data["refused"] == [["host", "cvm", "a reason"], ["cvm", "host", "a reason"]]
    for side in single["sides"]:
        reasons = {(own, base): reason for own, base, reason in single["refused"]}
        host = reasons.get((side["id"], "host"))
        assert host == {"host": WITHIN, "vm": None, "cvm": "a reason"}[side["environment"]]


def test_what_two_sides_differ_in_is_said_with_what_it_means(runs: list[Run]) -> None:
    must, caveat = Comparability.MUST_MATCH, Comparability.CAVEAT
    one = replace(
        runs[0],
        parameters=(Parameter("engine", "libaio", must), Parameter("runtime_s", "20", caveat)),
    )
    other = replace(check.storage_run(40, "cvm"), parameters=(Parameter("runtime_s", "5", caveat),))
    data, _ = loaded(analyse([one, other], SETTINGS), "fio", [one, other])
    [[_, _, places]] = data["differ"]
    told = [data["rows"][place] for place in places]
    assert ["engine", "not comparable", "absent"] in told
    assert ["runtime s", "a caveat", "absent"] in told
    names = [data["names"][place] for place in places]
    assert [setup.get("0engine") for setup in data["setups"]] == ["libaio", None]
    assert "0engine" in names
    unlike = {(i, j): reason for i, j, reason in data["unlike"]}
    assert unlike[0, 1] == "engine is libaio here and absent there"
    assert unlike[1, 0] == "engine is absent here and libaio there"


def test_threads_over_a_quota_are_said_of_their_series() -> None:
    run = replace(
        check.storage_run(0, "cvm"),
        parameters=(Parameter("cpu_quota", "1.5"), Parameter("threads", "8")),
    )
    data, _ = loaded(analyse([run], SETTINGS), "fio", [run])
    assert {reason for _, _, reason in data["over"]} == {"8 threads under a CPU quota of 1.5"}
    assert len(data["over"]) == sum(cell is not None for cell in data["sides"][0]["cells"])


def test_a_cited_figure_keeps_its_digits_and_has_no_count(
    analysis: Analysis, runs: list[Run]
) -> None:
    data, single = loaded(analysis, "7z", runs)
    for sides in (data["sides"], single["sides"]):
        cells = {side["environment"]: side["cells"][0] for side in sides}
        assert cells["vm"] == [40000.0, 0, 1, 39999.5, 40000.5, "rounding", [], "40,000"]
        assert cells["cvm"][7] == "36,000"


def test_the_size_of_a_proof_is_found_from_its_times() -> None:
    where = params(prover="p", proof_system="stark", size=1024)
    timed = params(prover="p", proof_system="stark", size=1024, time_scope="wall")
    run = replace(
        check.storage_run(0, "cvm"),
        id=run_id("2026-03-01T00:00:00Z", "zktls", b"proof"),
        benchmark="zktls",
        measurements=(
            Measurement("w", "zktls.prove_time", "value", "s", 2.0, timed),
            Measurement("w", "zktls.proof_size", "value", "B", 1000.0, where),
        ),
    )
    data, _ = loaded(analyse([run], SETTINGS), "zktls", [run])
    metrics = [metric[0] for metric in data["metrics"]]
    place = {metrics[series[0]]: (at, series[6]) for at, series in enumerate(data["series"])}
    assert place["zktls.prove_time"][1] == place["zktls.proof_size"][0]
    assert place["zktls.proof_size"][1] == -1


def test_series_that_only_a_run_has_are_offered_too(runs: list[Run]) -> None:
    extra = Measurement("odd", "fio.iops", "value", "1/s", 5.0, params(block_size=512))
    quick = check.storage_run(30, "cvm")
    quick = replace(quick, preset="quick", measurements=(*quick.measurements, extra))
    everything = [*runs, quick]
    data, single = loaded(analyse(everything, SETTINGS), "fio", everything)
    [place] = [at for at, series in enumerate(data["series"]) if series[1] == "512 B"]
    assert all(len(side["cells"]) <= place for side in data["sides"])
    side = next(side for side in single["sides"] if side["id"] == quick.id)
    assert side["cells"][place][0] == 5.0


def test_a_mean_beside_the_value_itself_is_left_out_of_runs_too(runs: list[Run]) -> None:
    def doubled_(run: Run) -> Run:
        means = (row._replace(statistic="mean") for row in run.measurements)
        return replace(run, measurements=(*run.measurements, *means))

    doubled = [doubled_(run) for run in runs if run.benchmark == "fio"]
    data, _ = loaded(analyse(doubled, SETTINGS), "fio", doubled)
    assert {series[2] for series in data["series"]} == {""}


def test_equal_archives_give_equal_bytes(runs: list[Run]) -> None:
    backwards = list(reversed(runs))
    one, other = (files_of(analyse(order, SETTINGS), "fio", order) for order in (runs, backwards))
    assert one == other
