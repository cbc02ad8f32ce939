from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from sitegen.analysis.pairing import Pairing, pair, pair_values
from sitegen.analysis.stats import Word
from sitegen.cli import comparison as told
from sitegen.cli.comparison import Question
from sitegen.config import Config, Environment
from sitegen.errors import SitegenError
from sitegen.model import Fact, Fingerprint, Measurement, Provenance, Run, params, run_id

CONFIG = Config(Path(), environments={"cvm": Environment("cvm", "cpu-tee", "tdx", "CVM")})
HEADLINES = Question()


def of_rows(
    rows: tuple[Measurement, ...], environment: str, day: int, seed: str, kernel: str = ""
) -> Run:
    benchmark, date = rows[0].metric.partition(".")[0], f"2026-11-0{day}"
    machine = Fingerprint((Fact("kernel", kernel, "/proc"),) if kernel else ())
    return Run(
        run_id(date, benchmark, seed.encode()), benchmark, environment, Provenance.COLLECTED, date,
        1.0, rows, preset="standard", session=f"s{day}", boot=f"b{day}", fingerprint=machine,
    )  # fmt: skip


def a_run(environment: str, day: int, value: float, kernel: str = "6.1") -> Run:
    rows = tuple(
        Measurement("read_iops", metric, "value", "1/s", value * (1 + 0.001 * rep), where, rep)
        for metric, where in (
            ("fio.iops", params(direction="read")),
            ("fio.iops", params(direction="trim")),
        )
        for rep in range(3)
    )
    return of_rows(rows, environment, day, f"{environment}{day}{value}", kernel)


def three(environment: str, value: float, kernel: str = "6.1") -> list[Run]:
    return [a_run(environment, day, value * (1 + 0.002 * day), kernel) for day in (1, 2, 3)]


@pytest.fixture
def runs() -> list[Run]:
    return [*three("metal", 1000.0), *three("cvm", 800.0, "6.8"), *three("same", 1000.0)]


def paired(runs: list[Run], baseline: str = "metal", side: str = "cvm") -> Pairing:
    return pair(runs, CONFIG, baseline, side)


def test_any_two_environments_can_be_compared_whatever_is_declared(runs: list[Run]) -> None:
    forth = {c.series: c for c in paired(runs).comparisons}
    turned = paired(runs, "cvm", "metal").comparisons
    back = {c.series: c for c in turned}
    assert len(turned) == len(back) == len(forth) == 2  # each series once, a TEE as the baseline
    for series, comparison in forth.items():
        leads = ("direction", "read") in series.params
        assert comparison.word == (Word.SLOWER if leads else Word.NONE)
        assert comparison.factor == pytest.approx(1.25)
        assert back[series].word == (Word.FASTER if leads else Word.NONE)
        assert (comparison.factor or 0) * (back[series].factor or 0) == pytest.approx(1)


def test_two_runs_are_compared_by_the_end_of_their_ids(runs: list[Run]) -> None:
    first, second = runs[0], runs[3]
    found = paired(runs, first.id[-8:], second.id)
    assert {c.word for c in found.comparisons} == {Word.TOO_FEW}
    assert found.comparisons[0].baseline.runs == (first.id,)


def test_the_machines_differences_are_told(runs: list[Run]) -> None:
    [found] = paired(runs).differing
    assert (found.name, found.baseline, found.side) == ("kernel", "6.1", "6.8")
    assert paired(runs, "metal", "same").differing == ()


@pytest.mark.parametrize(
    ("baseline", "side", "said"),
    [
        ("metal", "metal", "is compared with itself"),
        ("metal", "vm", "no environment and no run 'vm'; environments: cvm, metal, same"),
        ("20200101t000000z-fio-aaaaaaaa", "cvm", "no run '20200101t000000z-fio-aaaaaaaa'"),
    ],
)
def test_what_is_not_there_is_named(runs: list[Run], baseline: str, side: str, said: str) -> None:
    with pytest.raises(SitegenError) as raised:
        paired(runs, baseline, side)
    assert said in str(raised.value)


def test_of_an_archive_without_runs_no_list_is_shown() -> None:
    with pytest.raises(SitegenError, match="no run 'vm'; the archive has no run yet"):
        paired([], "metal", "vm")


def later(run: Run) -> Run:
    """Return a run as it is a year on, a tenth slower."""
    rows = tuple(row._replace(value=(row.value or 0.0) / 1.1) for row in run.measurements)
    date = run.started_at.replace("2026-11", "2027-11")
    return replace(
        run, id=run_id(date, run.benchmark, run.id.encode()), started_at=date, measurements=rows,
        session=f"{run.session}-later", boot=f"{run.boot}-later",
    )  # fmt: skip


def test_an_environment_is_compared_with_itself_over_time(runs: list[Run]) -> None:
    whole = [*runs, *map(later, runs)]
    for baseline, side in (
        ("cvm@2026", "cvm@2027"),
        ("cvm@2026-11", "cvm@2027-11-01..2027-12"),
        ("cvm@..2027-06", "cvm@2026-12.."),
    ):
        found = paired(whole, baseline, side)
        [one] = [c for c in found.comparisons if c.headline]
        assert one.factor == pytest.approx(1.1)
        assert one.verdict == "slower"  # a year apart, and no doubt: that is what was asked
        assert (found.baseline, found.side) == (baseline, side)
        assert told.text(found, told.rows(found, HEADLINES)).split()[1:3] == [baseline, side]


@pytest.mark.parametrize(
    ("baseline", "side", "said"),
    [
        ("cvm@2025", "cvm", "cvm@2025 has no run; cvm has runs from 2026-11-01 to 2026-11-03"),
        ("cvm@2026", "cvm", "cvm@2026 and cvm share 3 runs; part the periods"),
        ("cvm@autumn", "cvm", "'autumn' is no period; write it as cvm@2026-09"),
        ("cvm@..", "cvm", "'..' is no period"),
        ("nowhere@2026", "cvm", "no environment and no run 'nowhere@2026'"),
    ],
)
def test_a_period_without_runs_is_named(
    runs: list[Run], baseline: str, side: str, said: str
) -> None:
    with pytest.raises(SitegenError) as raised:
        paired(runs, baseline, side)
    assert said in str(raised.value)


def test_sides_without_a_common_series_are_refused(runs: list[Run]) -> None:
    other = replace(runs[3], measurements=(runs[3].measurements[0]._replace(workload="w"),))
    with pytest.raises(SitegenError, match="have no series in common"):
        paired([*runs[:3], other])


def test_headline_series_are_shown_unless_asked_otherwise(runs: list[Run]) -> None:
    found = paired(runs)
    assert [row.comparison.verdict for row in told.rows(found, HEADLINES)] == ["slower"]
    assert len(told.rows(found, Question(everything=True))) == 2
    assert len(told.rows(found, Question(metrics=["fio.iops"]))) == 2
    assert told.rows(found, Question(metrics=["fio.latency"])) == []


def test_a_regression_counts_from_its_lower_bound(runs: list[Run]) -> None:
    # A quarter fewer IOPS: 20 % overhead, and an interval of a few tenths around it.
    rows = told.rows(paired(runs), HEADLINES)
    assert [row.series for row in told.regressions(rows, 0.19)] == [rows[0].series]
    assert told.regressions(rows, 0.2) == []
    faster = told.rows(paired(runs, "cvm", "metal"), HEADLINES)
    assert told.regressions(faster, 0.0) == []


def test_the_table_prints_the_two_values_that_were_divided(runs: list[Run]) -> None:
    text = told.text(found := paired(runs), told.rows(found, HEADLINES))
    head, row = text.splitlines()[:2]
    assert head.split()[:3] == ["Series", "metal", "cvm"]
    assert "1.00 k IOPS" in row or "1,005 IOPS" in row
    assert row.rstrip().endswith("slower   3 boots a side; not the same: kernel")
    assert text.endswith("  Kernel (the machine): 6.1 | 6.8\n")


def test_markdown_is_a_table_that_hostile_names_do_not_break(runs: list[Run]) -> None:
    hostile = [*runs[:3], *(
        replace(run, fingerprint=Fingerprint((Fact("kernel", "a|b\n| c", "x"),)))
        for run in runs[3:6]
    )]  # fmt: skip
    text = told.markdown(found := paired(hostile), told.rows(found, HEADLINES))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in table[:3]}) == 1
    assert "| Kernel (the machine) | 6.1 | a\\|b \\| c |" in table


def test_the_json_holds_values_interval_word_and_runs(runs: list[Run]) -> None:
    found = paired(runs)
    value = json.loads(told.json_text(found, told.rows(found, HEADLINES)))
    [one] = value["comparisons"]
    assert one["slowdown"] == pytest.approx(1.25)
    assert one["low"] < 1.25 < one["high"]
    assert one["word"] == "slower"
    assert len(one["runs"]["side"]) == 3
    assert value["differing"] == [{"fact": "kernel", "baseline": "6.1", "side": "6.8"}]


def test_a_declared_reason_stands_in_the_way(runs: list[Run]) -> None:
    declared = Environment("cvm", incomparable={"metal": "another kernel"})
    found = pair(runs, Config(Path(), environments={"cvm": declared}), "metal", "cvm")
    assert {c.reason for c in found.comparisons} == {"another kernel"}
    assert told.regressions(told.rows(found, HEADLINES), 0.0) == []


# One parameter


def swept(day: int, factors: tuple[float, float], environment: str = "metal") -> Run:
    rows = tuple(
        Measurement(
            "sweep", "ab.requests_per_second", "mean", "1/s",
            (1000.0 + 100 * rep) * (factors[rep % 2] if scheme == "https" else 1.0),
            params(scheme=scheme, concurrency="1000"), rep,
        )
        for scheme in ("http", "https")
        for rep in range(4)
    )  # fmt: skip
    return of_rows(rows, environment, day, f"{environment}{day}")


def test_two_values_of_a_parameter_are_paired_by_repetition_within_one_run() -> None:
    # Repetitions differ by 30 %, and https is 0.5 or 0.52 of http in each: pairing sees that.
    found = pair_values([swept(1, (0.5, 0.52))], CONFIG, "scheme", "http", "https")
    [comparison] = found.comparisons
    assert comparison.factor == pytest.approx((1 / 0.5 / 0.52) ** 0.5)
    assert comparison.interval is not None
    assert 1.85 < comparison.interval.low < 1.95
    assert 1.97 < comparison.interval.high < 2.1
    assert comparison.word == Word.TOO_FEW
    assert comparison.series.params == (("concurrency", "1000"),)


def test_and_by_run_from_two_runs_on() -> None:
    runs = [swept(day, (0.5 + day / 1000, 0.5 + day / 1000)) for day in (1, 2, 3)]
    [comparison] = pair_values(runs, CONFIG, "scheme", "http", "https").comparisons
    assert comparison.word == Word.SLOWER
    assert comparison.interval
    assert comparison.interval.low > 1.98


@pytest.mark.parametrize(
    ("axis", "baseline", "side", "label", "said"),
    [
        ("scheme", "http", "http", "", "is compared with itself"),
        ("scheme", "http", "gopher", "metal", "no series has scheme at both http and gopher"),
        ("colour", "red", "blue", "", "has the parameter 'colour'"),
        ("scheme", "http", "https", "", "add --env with one of cvm, metal"),
        ("scheme", "http", "https", "vm", "no figure in vm has the parameter"),
    ],
)
def test_an_axis_that_makes_no_pair_is_said(
    axis: str, baseline: str, side: str, label: str, said: str
) -> None:
    runs = [swept(1, (0.5, 0.5)), swept(1, (0.5, 0.5), "cvm")]
    with pytest.raises(SitegenError) as raised:
        pair_values(runs, CONFIG, axis, baseline, side, label)
    assert said in str(raised.value)
