"""How comparisons on each scale are told, on pages and in the terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sitegen.analysis.compare import Analysis, analyse
from sitegen.analysis.pairing import Pairing, pair
from sitegen.catalogue.metrics import METRICS
from sitegen.cli import comparison as told
from sitegen.cli.comparison import Question
from sitegen.config import Config, Environment
from sitegen.model import Comparability, Measurement, Parameter, Provenance, Run, params, run_id
from sitegen.report import costs, methodology

CONFIG = Config(
    Path(),
    environments={
        "plain": Environment("plain", "vm", "none", "VM"),
        "cvm": Environment("cvm", "cpu-tee", "tdx", "CVM", baselines={"vm": "plain"}),
    },
)
IOPS, READ = "fio.iops", params(direction="read")
BYTES = 1024.0


def runs(label: str, metric: str, *values: float, version: str = "1") -> list[Run]:
    found = []
    for day, value in enumerate(values, start=1):
        benchmark = metric.partition(".")[0]
        row = Measurement("read_iops", metric, "value", METRICS[metric].unit, value, READ)
        rows = [row]
        if of := METRICS[metric].of:
            rows.append(row._replace(metric=of, unit="count", value=1000.0))
        date = f"2026-11-0{day}"
        found.append(
            Run(
                run_id(date, benchmark, f"{label}{metric}{value}".encode()), benchmark, label,
                Provenance.COLLECTED, date, 1.0, tuple(rows), session=f"s{day}", boot=f"b{day}",
                parameters=(Parameter("version", version, Comparability.CAVEAT),),
            )
        )  # fmt: skip
    return found


def sides(metric: str, side: tuple[float, ...], base: tuple[float, ...]) -> list[Run]:
    return [*runs("cvm", metric, *side), *runs("plain", metric, *base)]


def row(metric: str, side: tuple[float, ...], base: tuple[float, ...]) -> costs.CostRow:
    analysis = analyse(sides(metric, side, base), CONFIG)
    [table] = costs.tables(analysis, metric.partition(".")[0])
    [found] = [one for one in table.rows if one.comparison.series.metric == metric]
    return found


@pytest.mark.parametrize(
    ("metric", "side", "base", "share", "interval"),
    [
        ("ab.failed_requests", (3, 3, 3), (5, 5, 5), "2 fewer", "2 fewer"),
        ("ab.failed_requests", (8, 8, 8), (5, 5, 5), "3 more", "3 more"),
        ("ab.failed_requests", (0, 0, 0), (0, 0, 0), "equal", "0"),
        ("ab.error_rate", (0.1,) * 3, (0.0,) * 3, "+10.0 points", "+8.97 to +11.1 points"),
        ("zktls.proof_size", (2048,), (1024,), "+1,024 B", ""),
        ("zktls.proof_size", (1024,), (1024,), "equal", ""),
    ],
)
def test_what_is_subtracted_is_told_with_its_unit(
    metric: str, side: tuple[float, ...], base: tuple[float, ...], share: str, interval: str
) -> None:
    found = row(metric, side, base)
    assert (found.cost, found.interval) == (share, interval)
    assert (found.comparison.factor, found.mark, found.comparison.verdict) == (None, None, "")


def test_an_inconclusive_headline_says_between_what_and_how_many_more_runs_decide() -> None:
    found = row(IOPS, (90.0, 95.0, 100.0), (96.0, 100.0, 104.0))
    assert found.comparison.verdict == "inconclusive"
    between, decide, number = found.detail.split("; ")
    low, high = found.interval.split(" to ")
    assert between == f"between {low} and {high}"
    assert low.startswith("\N{MINUS SIGN}")
    assert high.startswith("+")
    assert decide.startswith("about ")
    assert decide.endswith(" more boots a side decide")
    assert number == "3 boots a side"
    hopeless = row(IOPS, (50.0, 100.0, 150.0), (51.0, 100.0, 150.0))
    assert "more than 100 boots a side would be needed" in hopeless.detail


def test_an_interval_without_an_upper_end_says_so() -> None:
    # Half a millisecond of whole ones may be nothing at all.
    found = row("ab.latency", (0.005, 0.006, 0.005), (0.0004, 0.0004, 0.0004))
    assert found.interval.endswith(" to ∞×")


def test_no_difference_names_its_margin() -> None:
    found = row(IOPS, (100.0, 100.1, 99.9), (100.0, 100.1, 100.05))
    assert found.comparison.verdict == "no difference"
    assert found.detail == "above 2 %; 3 boots a side"


def test_a_series_that_is_no_headline_gets_no_word_and_nothing_to_complete_it() -> None:
    for side in ((50.0, 51.0, 52.0), (100.0, 100.1, 99.9), (90.0, 95.0, 100.0)):
        found = row("fio.latency", side, (100.0, 100.1, 100.05))
        assert (found.comparison.verdict, found.detail) == ("", "")


def test_a_table_lists_what_its_two_sides_differ_in() -> None:
    found = analyse([*runs("cvm", IOPS, 1.0), *runs("plain", IOPS, 2.0, version="2")], CONFIG)
    [table] = costs.tables(found, "fio")
    assert [(one.name, one.side, one.baseline) for one in table.differing] == [
        ("version", "1", "2")
    ]


# The terminal


def paired(metric: str, side: tuple[float, ...], base: tuple[float, ...]) -> Pairing:
    return pair(sides(metric, side, base), CONFIG, "plain", "cvm")


def test_the_terminal_tells_the_same_words() -> None:
    pairing = paired(IOPS, (90.0, 95.0, 100.0), (96.0, 100.0, 104.0))
    rows = told.rows(pairing, Question())
    assert "inconclusive" in told.text(pairing, rows)
    [one] = json.loads(told.json_text(pairing, rows))["comparisons"]
    assert one["more_runs"] == pairing.comparisons[0].more_replicates
    assert one["more_runs"] > 1
    assert (one["scale"], one["difference"]) == ("ratio", None)
    calm = paired(IOPS, (100.0, 100.1, 99.9), (100.0, 100.1, 100.0))
    rows = told.rows(calm, Question())
    assert re.search("no difference +above 2 %", told.text(calm, rows))
    assert json.loads(told.json_text(calm, rows))["comparisons"][0]["more_runs"] is None


def test_more_errors_are_a_regression_whatever_the_limit_and_so_are_counts_of_them() -> None:
    pairing = paired("ab.error_rate", (0.1,) * 3, (0.0,) * 3)
    rows = told.rows(pairing, Question(metrics=["ab.error_rate"]))
    assert told.regressions(rows, 0.08) == told.regressions(rows, 9.0) == rows
    [one] = json.loads(told.json_text(pairing, rows))["comparisons"]
    assert (one["word"], one["overhead"]) == ("", None)
    assert one["difference_low"] == pytest.approx(0.0897, abs=1e-4)
    failures = paired("ab.failed_requests", (50, 50, 50), (0, 0, 0))
    rows = told.rows(failures, Question(metrics=["ab.failed_requests"]))
    assert "  50 more  " in told.text(failures, rows)
    assert told.regressions(rows, 0.0) == rows
    few = paired("ab.failed_requests", (1, 1, 1), (0, 0, 0))
    assert told.regressions(told.rows(few, Question(everything=True)), 0.0) == []


# The methodology page


def test_the_simulation_is_shown_with_all_that_was_kept(published: Analysis) -> None:
    found = methodology.page(published).trials
    assert found == methodology.trials()
    sound, unsound, sessions, power = (table for _, table in found)
    for table in (sound, unsound, sessions, power):
        assert {len(line) for line in (table.head, *table.rows)} == {4}
    by_title = {line[0].text: line[1:] for line in sound.rows}
    assert all(float(cell.text.removesuffix(" %")) >= 94.5 for cell in by_title["Normal"])
    [alone] = [line[1:] for line in sessions.rows if line[0].text == "1 session a side"]
    assert {cell.text for cell in alone} == {"0.0 % false"}
    row = next(line for line in unsound.rows if "one platform after" in line[0].text.lower())
    assert {cell.small for cell in row[1:]} == {"0.0 % without a doubt"}
