"""What pages say of a small report with known answers."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sitegen.analysis.compare import Analysis, analyse
from sitegen.catalogue.units import DisplayUnit
from sitegen.config import Config, Environment
from sitegen.model import Measurement, Run
from sitegen.report import benchmark, costs, methodology, overview, run, words
from tests import site_checks as check

SETTINGS = Config(
    root=check.ROOT,
    environments={
        "host": Environment("host", "metal", "none", "Host"),
        "vm": Environment("vm", "vm", "none", "VM", baselines={"metal": "host"}),
        "cvm": Environment("cvm", "cpu-tee", "tdx", "CVM", baselines={"vm": "vm", "metal": "host"}),
    },
)


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return check.three_a_side()


@pytest.fixture(scope="module")
def analysis(runs: list[Run]) -> Analysis:
    return analyse(runs, SETTINGS)


def cost_tables(analysis: Analysis) -> dict[str, tuple[costs.CostTable, ...]]:
    return {name: costs.tables(analysis, name) for name in ("fio", "7z")}


@pytest.mark.parametrize(
    ("printed", "shown"), [("256.3k nsec", "256.3"), ("256.30us", "256.30"), ("256 us", "256")]
)
def test_printed_digits_are_shown_as_the_source_printed_them(printed: str, shown: str) -> None:
    value = float(shown) / 1e6
    row = Measurement("w", "fio.latency", "value", "s", value, (), 0, printed=printed)
    [cell] = analyse([replace(check.storage_run(0), measurements=(row,))], SETTINGS).cells.values()
    assert words.number(cell, DisplayUnit(1e-6, "µs")) == shown


# Overview


@pytest.fixture(scope="module")
def front(analysis: Analysis, runs: list[Run]) -> overview.OverviewPage:
    return overview.page(analysis, runs, cost_tables(analysis))


def test_the_headline_says_what_costs_what_against_what_and_on_what_it_stands(
    front: overview.OverviewPage,
) -> None:
    # 1 - 1.05 / 1.2 = 12.5 % of reads; the cited rating stands behind what own runs decided.
    assert front.headline.replace("\xa0", " ") == (
        "TDX costs random reads 12.5 % (12.3 to 12.7 against VM, 3 boots a side)."
    )


def test_the_worst_headline_series_stands_for_a_row(front: overview.OverviewPage) -> None:
    storage = next(group for group in front.groups if group.benchmark == "fio")
    [table] = storage.tables
    assert (table.side.label, table.against, table.baseline.name) == ("cvm", "vm", "VM")
    factors = [one.factor for one in (row.comparison for row in table.rows) if one.headline]
    assert table.worst is not None
    assert table.worst.comparison.factor == max(filter(None, factors)) == pytest.approx(1.2 / 1.05)


def test_coverage_counts_runs_and_leaves_gaps(front: overview.OverviewPage) -> None:
    assert [group.benchmark for group in front.groups] == ["fio", "7z"]
    counts = {environment.label: counts for environment, counts in front.coverage}
    assert counts == {"host": (3, None), "vm": (3, 1), "cvm": (3, 1)}


def test_the_latest_runs_are_the_newest_first(front: overview.OverviewPage) -> None:
    dates = [line.when for line in front.latest]
    assert dates == sorted(dates, reverse=True)
    assert len(dates) == 10


def test_a_report_without_a_tee_says_so(runs: list[Run]) -> None:
    own = [one for one in runs if one.environment == "host"]
    found = analyse(own, SETTINGS)
    page = overview.page(found, own, cost_tables(found))
    assert page.headline == "3 runs in 1 environment, which is no TEE."
    assert overview.page(analyse([], SETTINGS), [], {}).headline == "Nothing has been measured yet."


def test_a_report_of_quick_runs_says_that_these_are_never_compared(runs: list[Run]) -> None:
    quick = [replace(one, preset="quick") for one in runs]
    found = analyse(quick, SETTINGS)
    page = overview.page(found, quick, cost_tables(found))
    assert page.headline.endswith(
        "in 3 environments, and no verdict: quick runs are never compared."
    )
    assert page.facts[0].about == "Quick runs are never compared."


# Costs


def test_a_cost_table_is_ordered_worst_first_and_shows_what_was_divided(
    analysis: Analysis,
) -> None:
    tables = costs.tables(analysis, "fio")
    against = {(t.side.label, t.against) for t in tables}
    assert against == {("vm", "metal"), ("cvm", "vm"), ("cvm", "metal")}
    table = next(t for t in tables if t.side.label == "cvm" and t.against == "vm")
    reads = next(row for row in table.rows if row.title == "Random read, 4 KiB")
    assert reads.comparison.verdict == "slower"
    assert reads.cost.replace("\xa0", " ") == "+12.5 %"
    assert (reads.baseline, reads.side) == ("238", "209")
    assert len(reads.comparison.side.runs) == len(reads.comparison.baseline.runs) == 3


def test_a_cited_pair_gets_no_verdict(analysis: Analysis) -> None:
    [table] = costs.tables(analysis, "7z")
    [row] = table.rows
    assert row.comparison.verdict == "n unknown"
    assert row.cost.replace("\xa0", " ") == "+10.0 %"
    assert (row.baseline, row.side) == ("40,000", "36,000")
    assert "rounding" in row.detail


# Environments and lists


def test_an_environment_shows_what_a_run_of_it_saw(analysis: Analysis, runs: list[Run]) -> None:
    own = [one for one in runs if one.environment == "cvm"]
    newest = max((one for one in own if one.steps), key=lambda one: one.started_at)
    page = overview.environment(analysis, "cvm", own, cost_tables(analysis), newest)
    assert (page.platform.name, page.platform.role) == ("CVM", "CPU TEE")
    assert page.observed is not None
    assert page.observed.kind == "tdx"
    [processor] = page.machine
    assert (processor.title, processor.gist) == ("Processor", "Test processor")
    assert len(processor.shown) == len(processor.hidden) == 1
    assert [against for against, *_ in page.baselines] == ["vm", "metal"]
    assert page.runs_all == 4
    assert [one.baseline.label for one in page.costs] == ["vm", "host"]
    assert {t.side.label for one in page.costs for t in one.tables} == {"cvm"}


def test_a_label_that_contradicts_the_machine_is_a_caveat(runs: list[Run]) -> None:
    wrong = replace(
        SETTINGS,
        environments={**SETTINGS.environments, "host": Environment("host", "cpu-tee", "tdx")},
    )
    one = next(one for one in runs if one.environment == "host")
    page = run.page(analyse(runs, wrong), one, digest="0" * 64)
    assert "label" in {caveat.rule.id for caveat in page.doubts}


def test_the_methodology_defines_what_the_runs_bring(runs: list[Run]) -> None:
    from sitegen.model import MetricDefinition

    own = replace(
        check.storage_run(20),
        definitions=(MetricDefinition("fio.own", "Own", "s", "lower", "What it means."),),
    )
    page = methodology.page(analyse([*runs, own], SETTINGS))
    defined = {metric.id: metric for _, _, found in page.metrics for metric in found}
    assert defined["fio.own"].definition == "What it means."
    assert "7z.rating" in defined


def test_a_comparison_page_names_the_runs_it_leaves_out(runs: list[Run]) -> None:
    quick = replace(check.storage_run(30), preset="quick")
    page = benchmark.page(analyse([*runs, quick], SETTINGS), "fio", ())
    left_out = {one: why for *_, others in page.runs for one, why in others}
    assert left_out == {quick.id: "quick preset"}
    assert {one for _, used, _ in page.runs for one, _ in used} == {
        one.id for one in runs if one.benchmark == "fio"
    }


# Words


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("block_size", "4096", "4 KiB"),
        ("block_size", "1048576", "1 MiB"),
        ("block_size", "1000", "1 kB"),
        ("block_size", "1234", "1234 B"),
        ("size", "2000000000", "2 GB"),
        ("size", "16384", "16 KiB"),
        ("statement", "rsa-2048-verify", "RSA-2048"),
        ("iodepth", "64", "depth 64"),
        ("threads", "1", "1 thread"),
        ("threads", "8", "8 threads"),
        ("processes", "51", "51 processes"),
        ("concurrency", "2000", "2,000 at once"),
        ("keepalive", "false", "no keep-alive"),
        ("read_share", "0.75", "75% reads"),
        ("model", "Llama-3.1-8B", "Llama-3.1-8B"),
        ("own_parameter", "x", "own parameter x"),
    ],
)
def test_parameters_in_words(key: str, value: str, text: str) -> None:
    assert words.param(key, value).replace(" %", "%") == text


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (words.enumerate_words([]), ""),
        (words.enumerate_words(["a"]), "a"),
        (words.enumerate_words(["a", "b"]), "a and b"),
        (words.enumerate_words(["a", "b", "c"]), "a, b and c"),
        (words.day("2026-03-01T07:40:00Z"), "2026-03-01 07:40"),
        (words.day("2025"), "2025"),
        (words.day("2025-03"), "2025-03"),
        (words.count(0, "run"), "0 runs"),
        (words.count(1, "run"), "1 run"),
        (words.count(1200, "run"), "1,200 runs"),
    ],
)
def test_lists_dates_and_counts_in_words(said: str, text: str) -> None:
    assert said == text
