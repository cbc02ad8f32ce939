"""The sentence of a page: from which comparison it is made, and on what it stands."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from sitegen.analysis.compare import analyse
from sitegen.model import Provenance, Run, StepRecord
from sitegen.report import costs, effects, findings, words
from tests.report.test_costs import CONFIG, IOPS, row, sides

LATENCY = "fio.latency"


def sentence(every: list[Run], benchmark: str = "fio") -> str:
    analysis = analyse(every, CONFIG)
    found = findings.of_benchmark(analysis, benchmark, costs.tables(analysis, benchmark))
    return found.sentence.replace("\N{NO-BREAK SPACE}", " ")


def cited(every: list[Run]) -> list[Run]:
    return [replace(one, provenance=Provenance.CITED, session="", boot="") for one in every]


def contended(run: Run) -> Run:
    busy = (("psi_cpu", 0.4),)
    step = StepRecord("read_iops", "read_iops", 0, (), "", 1.0, 0, None, busy)
    return replace(run, steps=(step,))


@pytest.mark.parametrize(
    ("side", "base", "said"),
    [
        ((80.0, 81.0, 79.0), (100.0, 101.0, 99.0), "TDX costs random reads 20.0 % ("),
        ((25.0, 25.1, 24.9), (100.0, 101.0, 99.0), "TDX makes random reads 4.0× slower ("),
        ((110.0, 111.0, 109.0), (100.0, 101.0, 99.0), "TDX costs random reads nothing (10.0 % fa"),
        ((100.0, 100.1, 99.9), (100.0, 100.1, 100.05), "TDX costs random reads nothing that shows"),
        ((90.0, 95.0, 100.0), (96.0, 100.0, 104.0), "Whether TDX costs random reads anything is"),
    ],
)
def test_a_sentence_says_the_cost_the_tee_the_baseline_and_its_evidence(
    side: tuple[float, ...], base: tuple[float, ...], said: str
) -> None:
    found = sentence(sides(IOPS, side, base))
    assert found.startswith(said)
    assert found.endswith("against VM, 3 boots a side).")


def test_what_own_runs_decided_stands_before_a_single_printed_value() -> None:
    own = sides(IOPS, (80.0, 81.0, 79.0), (100.0, 101.0, 99.0))
    printed = cited(sides("7z.rating", (50.0,), (100.0,)))
    analysis = analyse([*own, *printed], CONFIG)
    tables = {name: costs.tables(analysis, name) for name in ("7z", "fio")}
    assert findings.of_report(tables).startswith("TDX costs random reads 20.0")


def test_a_printed_value_says_that_it_is_one() -> None:
    found = sentence(cited(sides(IOPS, (60.0,), (100.0,))))
    assert found == "TDX costs random reads 40.0 % (one figure a side, as printed, against VM)."


def test_two_sessions_a_side_whose_bounds_allow_both_are_open() -> None:
    found = sentence(sides(IOPS, (90.0, 110.0), (96.0, 104.0)))
    assert found.startswith("Whether TDX costs random reads anything is open: between ")


@pytest.mark.parametrize("metric", [IOPS, LATENCY, "ab.failed_requests", "zktls.proof_size"])
def test_no_headline_counts_comparisons(metric: str) -> None:
    found = sentence(sides(metric, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)), metric.partition(".")[0])
    assert not re.search(r"\d+ comparisons", found)


def test_a_contended_run_is_named_with_what_the_cost_would_be_with_it() -> None:
    every = sides(IOPS, (80.0, 81.0, 79.0, 80.0, 40.0), (100.0, 101.0, 99.0, 100.0, 100.5))
    bad = every[4]
    every[4] = contended(bad)
    assert sentence(every).startswith("TDX costs random reads 20.")
    [found] = costs.tables(analyse(every, CONFIG), "fio")[0].rows
    [aside] = found.aside
    assert (aside.mark, aside.many) == ("contention", "1 of 5 cvm runs")
    assert aside.runs == ((bad.id, words.when(bad)),)
    assert aside.effect.replace("\N{NO-BREAK SPACE}", " ") == "+30.4 %"
    assert found.mark is not None
    assert [point.hollow for point in found.mark.points] == [False] * 4 + [True]
    assert "without 1 of 5 runs (contention)" in effects.detail(found.comparison)


@pytest.mark.parametrize(
    ("side", "cost", "interval"),
    [
        ((50.0, 50.5, 49.5), "2.0× slower", "1.97 to 2.04×"),
        ((1.0, 1.01, 0.99), "100× slower", "99 to 102×"),
        ((300.0, 303.0, 297.0), "3.0× faster", "2.95 to 3.05×"),
    ],
)
def test_from_twofold_on_a_cost_is_told_as_a_factor(
    side: tuple[float, ...], cost: str, interval: str
) -> None:
    found = row(IOPS, side, (100.0, 100.5, 99.5))
    assert found.cost == cost
    low, high = found.interval.removesuffix("×").split(" to ")
    wanted = interval.removesuffix("×").split(" to ")
    assert float(low) == pytest.approx(float(wanted[0]), rel=0.02)
    assert float(high) == pytest.approx(float(wanted[1]), rel=0.02)


def test_of_several_benchmarks_those_that_cost_most_are_named_together() -> None:
    every = [
        *sides(IOPS, (80.0, 81.0, 79.0), (100.0, 101.0, 99.0)),
        *sides("llm.tpot", (1.1, 1.11, 1.09), (1.0, 1.01, 0.99)),
    ]
    every = [
        replace(one, measurements=tuple(m._replace(statistic="mean") for m in one.measurements))
        if one.benchmark == "llm"
        else one
        for one in every
    ]
    analysis = analyse(every, CONFIG)
    tables = {name: costs.tables(analysis, name) for name in ("llm", "fio")}
    assert findings.of_report(tables).replace("\N{NO-BREAK SPACE}", " ") == (
        "TDX costs random reads 20.0 %, and adds 10.0 % to TPOT (3 boots a side, against VM)."
    )


def test_a_doubt_is_told_in_the_headline_of_several_benchmarks_too() -> None:
    def doubted(metric: str, side: tuple[float, ...]) -> list[Run]:
        return [
            replace(contended(one), steps=(replace(contended(one).steps[0], workload=work),))
            for one in sides(metric, side, (100.0, 101.0, 99.0))
            for work in [one.measurements[0].workload]
        ]

    every = [*doubted(IOPS, (80.0, 81.0, 79.0)), *doubted("fio.latency", (120.0, 121.0, 119.0))]
    analysis = analyse(every, CONFIG)
    tables = {name: costs.tables(analysis, name) for name in ("fio", "llm")}
    assert "; doubtful: contention)" in findings.of_report(tables)
    unclear = doubted(IOPS, (90.0, 95.0, 110.0))
    assert "doubtful: contention" in sentence(unclear)


def test_the_interval_of_a_gain_is_that_of_the_gain() -> None:
    found = sentence(sides(IOPS, (110.0, 111.0, 109.0), (100.0, 101.0, 99.0)))
    low, high = re.findall(r"[(]([0-9.]+) to ([0-9.]+) against", found)[0]
    assert float(low) < 10 < float(high)


def test_where_nothing_is_divided_the_difference_is_told() -> None:
    found = sentence(sides("ab.error_rate", (0.1,) * 3, (0.0,) * 3), "ab")
    assert found == "TDX, error rate: +10.0 points (against VM)."
