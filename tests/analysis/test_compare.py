from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from msgspec.structs import replace

from sitegen.analysis.compare import Analysis, Cell, Comparison, analyse
from sitegen.analysis.differences import Difference, Setup, differences
from sitegen.analysis.export import columns
from sitegen.analysis.selection import Selection, baselines, environments, select
from sitegen.analysis.stats import Interval, Tally, Word, newcombe, welch, words
from sitegen.archive import Archive, library
from sitegen.catalogue.metrics import METRICS, Better
from sitegen.config import Config, Environment
from sitegen.model import (
    Comparability,
    Fact,
    Fingerprint,
    Measurement,
    MetricDefinition,
    Parameter,
    Provenance,
    Run,
    Status,
    StepRecord,
    TeeVerdict,
    params,
    run_id,
)

PLAIN = Environment("plain", "vm", "none")
CVM = Environment("cvm", "cpu-tee", "tdx", baselines={"vm": "plain"})
CONFIG = Config(Path(), environments={"plain": PLAIN, "cvm": CVM})
SEEN = {"plain": "none", "cvm": "tdx"}
SIZE = Parameter("size", "4g", Comparability.MUST_MATCH)
ENGINE = Parameter("engine", "libaio", Comparability.MUST_MATCH)
OTHERS = (structs.replace(SIZE, value="8g"), structs.replace(ENGINE, value="psync"))
DAYS = [f"2025-03-0{n}" for n in (1, 2, 3)]


def a_run(  # noqa: PLR0913 - what a test may choose
    environment: str,
    *values: float | None,
    day: str = "2025-03-01",
    metric: str = "7z.rating",
    status: str = Status.OK,
    preset: str = "standard",
    complete: bool = True,
    supersedes: str = "",
    provenance: Provenance = Provenance.COLLECTED,
    parameters: tuple[Parameter, ...] = (SIZE,),
    definitions: tuple[MetricDefinition, ...] = (),
    number: int = 0,
) -> Run:
    benchmark = metric.split(".", maxsplit=1)[0]
    series = params(operation="total", threads="2")
    unit = METRICS[metric].unit if metric in METRICS else "s"
    rows = tuple(
        Measurement("w", metric, "value", unit, value, series, i, status)
        for i, value in enumerate(values)
    )
    seed = f"{environment}{day}{number}{values}".encode()
    return Run(
        run_id(day, benchmark, seed), benchmark, environment, provenance, day, 60.0, rows,
        preset=preset, complete=complete, supersedes=supersedes, definitions=definitions,
        parameters=(*parameters, Parameter("preset", preset, Comparability.MUST_MATCH)),
        fingerprint=Fingerprint((), TeeVerdict(SEEN.get(environment, "none"))),
    )  # fmt: skip


def chosen(runs: list[Run], config: Config = CONFIG, environment: str = "cvm") -> Selection:
    return select(runs, config)[runs[0].benchmark, environment]


def words_of(found: Comparison) -> list[Word]:
    assert found.tested is not None
    return words([found.tested])


def only(runs: list[Run], config: Config = CONFIG) -> Comparison:
    [found] = analyse(runs, config).comparisons
    return found


def cell_of(runs: list[Run], environment: str = "cvm") -> Cell:
    [found] = [
        cell for (_, label), cell in analyse(runs, CONFIG).cells.items() if label == environment
    ]
    return found


def ends(interval: Interval | None) -> tuple[float, float]:
    assert interval is not None
    return interval.low, interval.high


def value_of(cell: Cell) -> float:
    assert cell.summary is not None
    return cell.summary.value


def marks(of: Cell | Comparison) -> list[str]:
    return [caveat.rule.id for caveat in of.caveats]


def find(
    analysis: Analysis, workload: str, environment: str, against: str, **have: str
) -> Comparison:
    [found] = [
        c
        for c in analysis.comparisons
        if c.series.workload == workload
        and c.side.environment == environment
        and c.against == against
        and set(have.items()) <= {("metric", c.series.metric), *c.series.params}
    ]
    return found


# The published figures.


def test_random_reads_in_the_h200_cvm_lose_87_3_percent(published: Analysis) -> None:
    found = find(published, "read_iops", "h200-cvm", "metal")
    assert found.share == pytest.approx(1 - 33 / 259)
    assert found.share_interval == pytest.approx((1 - 33.5 / 258.5, 1 - 32.5 / 259.5))
    assert f"{found.share:.1%}" == "87.3%"
    assert found.headline
    assert found.word == Word.TOO_FEW
    assert marks(found) == ["single-figure"]


def test_proofs_of_different_size_are_not_comparable_and_their_sizes_are_byte_by_byte(
    published: Analysis,
) -> None:
    found = [c for c in published.comparisons if c.series.benchmark == "zktls"]
    proofs = [c for c in found if c.series.metric != "zktls.proof_size"]
    assert len(proofs) == 8
    told = (Word.NOT_COMPARABLE, "not the same proof: 3.01 times the size")
    assert {(c.word, c.reason) for c in proofs} == {told}
    assert all("not-the-same-proof" in marks(c) for c in proofs)
    larger = 25_123_323 - 8_340_752
    assert {
        (c.side.environment, c.difference, c.word, c.reason, c.factor, c.interval)
        for c in found
        if c not in proofs
    } == {(f"zk-tee-{part}", larger, Word.TOO_FEW, "", None, None) for part in ("cpu", "gpu")}


def test_storage_figures_of_guests_are_suspected_to_come_from_a_cache(
    published: Analysis,
) -> None:
    suspected = [cell for cell in published.of("fio") if "page-cache" in marks(cell)]
    labels = Counter(cell.environment for cell in suspected)
    assert labels == {"tdx-lab-vm": 8, "tdx-lab-cvm": 5, "h200-cvm": 1}
    assert all(cell.doubt for cell in suspected)
    beside = find(published, "read_latency", "tdx-lab-cvm", "vm")
    assert marks(beside)[0] == "cached-baseline"
    assert beside.doubt == "baseline cached"


def test_scaling_is_doubted_at_one_thread_and_per_core_where_there_are_more_cores(
    published: Analysis,
) -> None:
    doubted = [c for c in published.of("7z") if "superlinear" in marks(c)]
    places = {(p["operation"], p["threads"]) for p in (dict(c.series.params) for c in doubted)}
    assert places == {("compress", "1"), ("total", "1")}
    assert {c.environment for c in doubted} == {"tee-cvm"}
    marked = [c for c in published.of("7z") if "not-per-core" in marks(c)]
    assert {c.environment for c in marked} == {"tdx-lab", "prod5", "prod8"}


# Which runs enter.


GOOD = a_run("cvm", 1.0, day="2025-03-02")


@pytest.mark.parametrize(
    ("other", "settings", "reason"),
    [
        ({"day": "2025-03-03", "preset": "quick"}, {}, "quick preset"),
        ({"day": "2025-03-03", "complete": False}, {}, "incomplete"),
        ({"parameters": OTHERS}, {}, "other parameters: engine psync, not absent; size 8g, not 4g"),
        ({}, {"pinned": (GOOD.id,)}, "not in the report's list of runs"),
        ({"day": "2025-01-01"}, {"window_days": 30}, "older than 30 days"),
    ],
)
def test_a_run_that_does_not_stand_for_its_environment_is_left_out_with_the_reason(
    other: dict[str, Any], settings: dict[str, Any], reason: str
) -> None:
    out = a_run("cvm", 1.0, **other)
    newest_of_all = a_run("plain", 1.0, day="2025-04-01")  # the window is counted from it
    found = chosen([out, GOOD, newest_of_all], replace(CONFIG, **settings))
    assert (found.runs, found.left_out) == ((GOOD,), ((out.id, reason),))


def test_where_nothing_else_is_there_the_newest_quick_run_stands_in_with_its_caveat() -> None:
    older, newer = (a_run("cvm", 1.0, day=f"2025-03-0{n}", preset="quick") for n in (1, 2))
    assert chosen([older, newer]).runs == (newer,)
    assert "quick" in marks(cell_of([older, newer]))


def test_a_superseded_run_is_left_out_and_cited_figures_have_no_window() -> None:
    old = a_run("cvm", 1.0)
    new = a_run("cvm", 2.0, day="2025-03-02", supersedes=old.id)
    found = chosen([new, old])
    assert (found.runs, found.left_out) == ((new,), ((old.id, "superseded by a later run"),))
    cited = a_run("cvm", 1.0, day="2019", provenance=Provenance.CITED)
    assert chosen([cited, a_run("plain", 1.0)]).runs == (cited,)


@pytest.mark.parametrize("kind", [Comparability.CAVEAT, Comparability.IGNORED])
def test_a_parameter_that_need_not_match_leaves_no_run_out(kind: Comparability) -> None:
    runs = [
        a_run("cvm", 1.0, day=f"2025-03-0{n}", parameters=(Parameter("version", str(n), kind),))
        for n in (1, 2)
    ]
    assert len(chosen(runs).runs) == 2


def test_the_order_of_parameters_parts_no_runs() -> None:
    must = Comparability.MUST_MATCH
    size, mode = Parameter("size", "1", must), Parameter("mode", "x", must)
    other = (Parameter("size", "2", must), mode)
    orders = [(size, mode), (mode, size), (size, mode), other, other]
    runs = [
        a_run("cvm", 1.0, day=f"2025-03-0{n}", parameters=order)
        for n, order in enumerate(orders, 1)
    ]
    assert chosen(runs).runs == tuple(runs[:3])


# What is compared with what.


@pytest.mark.parametrize(
    ("tee", "confidence", "facts", "expected"),
    [
        ("tdx", "", {}, ("cpu-tee", "tdx")),
        ("tdx", "", {"gpu": "H200"}, ("gpu-tee", "tdx")),
        # A GPU that protects nothing makes no GPU TEE, and a hint is no TEE.
        ("tdx", "", {"gpu": "H100", "gpu_confidential_compute": "off"}, ("cpu-tee", "tdx")),
        ("tdx", "low", {}, (None, "")),
        ("none", "", {"virtualisation": "kvm"}, ("vm", "none")),
        ("none", "", {"virtualisation": "none"}, ("metal", "none")),
        ("unknown", "", {}, (None, "")),
        ("contradictory", "", {}, (None, "")),
    ],
)
def test_without_a_declaration_role_and_tee_come_from_the_fingerprint(
    tee: str, confidence: str, facts: dict[str, str], expected: tuple[str | None, str]
) -> None:
    listed = tuple(Fact(name, value, "x") for name, value in facts.items())
    machine = Fingerprint(listed, TeeVerdict(tee, ("x",), confidence))
    found = environments([replace(a_run("a", 1.0), fingerprint=machine)], Config(Path()))["a"]
    assert (found.role, found.tee) == expected


def test_what_is_declared_stands_above_what_was_seen() -> None:
    declared = {"a": Environment("a", "gpu-tee", "sev-snp")}
    found = environments([a_run("a", 1.0)], Config(Path(), environments=declared))
    assert found == declared


@pytest.mark.parametrize(
    ("tees", "expected"),
    [
        (("none", "tdx", "sev-snp"), [[], [("vm", "e0")], [("vm", "e0")]]),
        (("none", "none", "tdx"), [[], [], []]),
    ],
)
def test_undeclared_the_only_environment_without_a_tee_is_the_baseline(
    tees: tuple[str, ...], expected: list[list[tuple[str, str]]]
) -> None:
    named = {f"e{i}": Environment(f"e{i}", "vm", tee) for i, tee in enumerate(tees)}
    config = Config(Path(), environments=named)
    assert [baselines(label, config, [*named]) for label in named] == expected


def test_three_runs_a_side_get_a_verdict_and_the_values_that_were_divided() -> None:
    slow = [a_run("cvm", 50.0, 51.0, day=day) for day in DAYS]
    fast = [a_run("plain", 100.0, 101.0, day=day) for day in DAYS]
    found = only([*slow, *fast])
    assert (found.word, found.doubt) == (Word.SLOWER, "")
    assert (found.factor, found.share) == pytest.approx((2.0, 0.5), rel=0.01)
    assert found.side.summary is not None
    assert found.side.summary.runs == 3
    assert found.side.repetitions == ((50.0, 51.0),) * 3


def test_one_run_a_side_says_so_and_marks_both() -> None:
    found = only([a_run("cvm", 50.0, 51.0), a_run("plain", 100.0)])
    assert found.word == Word.TOO_FEW
    assert [c.sentence for c in found.side.caveats] == ["One run, 2 repetitions."]
    assert [c.sentence for c in found.baseline.caveats] == ["One run, 1 repetition."]


@pytest.mark.parametrize(
    ("side", "base", "reason"),
    [
        ({"preset": "quick"}, {}, "a quick run against a full one"),
        ({"preset": "quick"}, {"preset": "quick"}, "quick runs are never compared"),
        ({"preset": "thorough"}, {}, "preset is thorough here and standard there"),
        ({}, {"parameters": ()}, "size is 4g here and absent there"),
        (
            {"parameters": (SIZE, ENGINE)},
            {"parameters": OTHERS},
            "engine is libaio here and psync there; size is 4g here and 8g there",
        ),
        ({}, {"provenance": Provenance.CITED}, "a printed figure against one of our own"),
    ],
)
def test_what_is_not_comparable_says_why(
    side: dict[str, Any], base: dict[str, Any], reason: str
) -> None:
    found = only([a_run("cvm", 1.0, **side), a_run("plain", 9.0, **base)])
    assert (found.word, found.reason) == (Word.NOT_COMPARABLE, reason)
    assert found.doubt == "not comparable"


@pytest.mark.parametrize(
    ("value", "other", "reason"),
    [
        (None, 9.0, "nothing was measured in cvm"),
        (0.0, 9.0, "a value is zero"),
        (1.0, 0.0, "a value is zero"),
    ],
)
def test_a_side_without_a_positive_value_stops_no_report(
    value: float | None, other: float, reason: str
) -> None:
    status = Status.OK if value is not None else Status.FAILED
    found = only([a_run("cvm", value, value, status=status), a_run("plain", other)])
    assert (found.word, found.reason, found.factor) == (Word.NOT_COMPARABLE, reason, None)
    assert ("failed" in marks(found)) == (value is None)


def test_threads_over_a_quota_are_not_compared_with_threads_that_all_ran() -> None:
    # One container ran 12 threads under a quota of one CPU, and a TDX guest looked 4.9 times as
    # fast: the published trap.
    quota = Fingerprint((Fact("cpu_quota", "1", "cgroup cpu.max"),), TeeVerdict("none"))
    found = only([replace(a_run("plain", 100.0), fingerprint=quota), a_run("cvm", 490.0)])
    assert found.word == Word.NOT_COMPARABLE
    assert found.reason == "2 threads under a CPU quota of 1"


def test_a_metric_without_a_direction_gets_no_comparison() -> None:
    for name in ("7z.cpu_frequency", "7z.cpu_usage", "own.unheard_of"):
        runs = [a_run("cvm", 50.0, metric=name), a_run("plain", 99.0, metric=name)]
        found = analyse(runs, CONFIG)
        assert found.comparisons == ()
        assert len(found.cells) == 2


def test_a_metric_that_a_run_defines_itself_is_compared_in_its_direction() -> None:
    own = (MetricDefinition("own.pace", "Pace", "s", "lower", "Time."),)
    sides = (("cvm", 2.0), ("plain", 1.0))
    found = only([a_run(label, v, metric="own.pace", definitions=own) for label, v in sides])
    assert (found.factor, found.metric.better) == (2.0, Better.LOWER)
    assert found.headline  # of a benchmark that the catalogue does not have


@pytest.mark.parametrize("given", [None, 1.0])
def test_failed_repetitions_are_counted_and_left_out_even_when_the_tool_gave_a_value(
    given: float | None,
) -> None:
    run = a_run("cvm", 50.0, given, 52.0)
    rows = (run.measurements[0], run.measurements[1]._replace(status="failed"), run.measurements[2])
    cell = cell_of([replace(run, measurements=rows)])
    assert (cell.failed, cell.repetitions) == (1, ((50.0, 52.0),))
    assert marks(cell)[0] == "failed"
    assert cell.caveats[0].sentence == "1 of 3 repetitions failed."


def test_suspect_repetitions_are_shown_and_kept_out_of_a_summary_that_has_others() -> None:
    run = a_run("cvm", 50.0, 99.0)
    rows = (run.measurements[0], run.measurements[1]._replace(status="suspect"))
    cell = cell_of([replace(run, measurements=rows)])
    assert (value_of(cell), cell.suspect) == (50.0, 1)
    assert "suspect" in marks(cell)
    alone = cell_of([a_run("cvm", 50.0, 99.0, status="suspect")])
    assert (value_of(alone) > 0, alone.suspect, alone.doubt) == (True, 2, "suspect")


@pytest.mark.parametrize("value", [0.0, 1e-300])
def test_a_one_thread_value_near_zero_stops_no_report(value: float) -> None:
    rows = tuple(
        Measurement("w", "7z.rating", "value", "MIPS", v, params(operation="total", threads=n))
        for n, v in ((1, value), (2, 1e9))
    )
    found = analyse([replace(a_run("cvm", 1.0), measurements=rows)], CONFIG)
    assert len(found.cells) == 2


def test_contention_in_a_step_marks_the_series_of_its_workload_alone() -> None:
    run = a_run("cvm", 50.0)
    other = run.measurements[0]._replace(workload="quiet")
    busy = StepRecord("w", "w", 0, (), "", 1.0, 0, None, (("steal", 0.5),))
    warm = replace(busy, workload="quiet", repetition=-1)  # preparing is not measuring
    found = analyse(
        [replace(run, measurements=(*run.measurements, other), steps=(busy, warm))], CONFIG
    )
    marked = {s.workload: "contention" in marks(cell) for (s, _), cell in found.cells.items()}
    assert marked == {"w": True, "quiet": False}


def test_contention_in_a_command_that_names_its_workloads_itself_marks_all_of_them() -> None:
    busy = StepRecord("command", "command", 0, (), "", 1.0, 0, None, (("steal", 0.5),))
    found = analyse([replace(a_run("cvm", 50.0), steps=(busy,))], CONFIG)
    assert all("contention" in marks(cell) for cell in found.cells.values())


def contended(run: Run) -> Run:
    busy = StepRecord("w", "w", 0, (), "", 1.0, 0, None, (("steal", 0.5),))
    return replace(run, steps=(busy,))


def five(environment: str, *values: float) -> list[Run]:
    return [a_run(environment, v, day=f"2025-03-0{n}") for n, v in enumerate(values, start=1)]


def test_a_contended_run_leaves_the_figures_and_is_told_with_what_they_would_be() -> None:
    plain = five("plain", 100.0, 101.0, 99.0, 100.5, 99.5)
    cvm = five("cvm", 80.0, 81.0, 40.0, 80.5, 79.5)
    cvm[2] = contended(cvm[2])
    found = only([*plain, *cvm])
    assert found.decided
    assert cvm[2].id not in found.side.runs
    [(cell, mark)] = found.aside
    assert (cell.environment, mark.rule.id, mark.runs) == ("cvm", "contention", (cvm[2].id,))
    assert found.share == pytest.approx(0.198, abs=0.002)
    assert found.whole is not None
    assert found.whole.share == pytest.approx(0.302, abs=0.002)


def test_what_stands_beside_a_figure_is_of_the_same_runs() -> None:
    def of(value: float, device: float, day: int) -> Run:
        run = a_run("cvm", value, day=f"2025-03-0{day}", metric="fio.io_bytes")
        beside = run.measurements[0]._replace(metric="fio.device_bytes", value=device)
        return replace(run, measurements=(*run.measurements, beside))

    runs = [of(1e9, 1e9, 1), of(1e9, 1e9, 2), contended(of(1e9, 1.0, 3))]
    cells = analyse(runs, CONFIG).cells
    [cell] = [one for (series, _), one in cells.items() if series.metric == "fio.io_bytes"]
    assert len(cell.runs) == 2
    assert set(cell.beside.values()) == {1e9}


@pytest.mark.parametrize("number", [1, 2])
def test_where_half_of_the_runs_or_more_are_contended_all_of_them_are_doubted(number: int) -> None:
    cvm = five("cvm", *(80.0, 81.0, 40.0)[: 2 * number - (number == 2)])
    cvm = [*map(contended, cvm[:number]), *cvm[number:]]
    cell = cell_of(cvm)
    assert (cell.aside, cell.whole) == ((), None)
    assert cell.doubt == "contention"
    [mark] = [one for one in cell.caveats if one.rule.id == "contention"]
    assert mark.runs == tuple(run.id for run in cvm[:number])
    assert len(cell.runs) == len(cvm)


def test_the_export_marks_the_rows_of_a_run_that_is_set_aside_and_no_others() -> None:
    cvm = five("cvm", 80.0, 81.0, 40.0)
    cvm[1] = contended(cvm[1])
    rows = columns(analyse(cvm, CONFIG), cvm)
    marked = {
        run for run, ids in zip(rows["run_id"], rows["caveats"], strict=True) if "contention" in ids
    }
    assert marked == {cvm[1].id}


def test_what_the_library_holds_of_runs_is_enough_to_compare_them(
    report: Config, tmp_path: Path
) -> None:
    archive = Archive(report.archive)
    whole = analyse([archive.read(entry) for entry in archive.scan()], report)
    for _ in ("first", "from the cache"):
        held = library.load(archive, tmp_path, archive.scan())
        found = analyse([one.run for one in held.runs.values()], report)
        assert found.cells == whole.cells
        assert found.comparisons == whole.comparisons
        assert found.config == whole.config


def test_the_same_runs_in_any_order_give_the_same_analysis() -> None:
    runs = [
        a_run(label, value + n, day=f"2025-03-0{n}")
        for label, value in (("cvm", 50.0), ("plain", 99.0))
        for n in (1, 2, 3)
    ]
    assert analyse(runs, CONFIG).comparisons == analyse(runs[::-1], CONFIG).comparisons


def test_a_run_that_states_a_metric_in_another_unit_is_left_out_with_the_reason() -> None:
    wrong = a_run("cvm", 50.0)
    rows = tuple(row._replace(unit="GIPS") for row in wrong.measurements)
    found = analyse([replace(wrong, measurements=rows)], CONFIG)
    selection = found.selections["7z", "cvm"]
    assert selection.runs == ()
    assert selection.left_out == ((wrong.id, "7z.rating is stated in GIPS, its base unit is MIPS"),)


def test_a_parameter_that_only_calls_for_a_caveat_gives_one_and_no_refusal() -> None:
    def version(text: str) -> tuple[Parameter, ...]:
        return (SIZE, Parameter("tool_version", text, Comparability.CAVEAT))

    side = a_run("cvm", 50.0, parameters=version("26.02"))
    found = only([side, a_run("plain", 99.0, parameters=version("23.01"))])
    assert found.reason == ""
    [told] = [c.sentence for c in found.caveats if c.rule.id == "parameters-differ"]
    assert told == "tool_version 26.02 against 23.01."


def test_a_pair_that_the_report_calls_incomparable_says_so_and_why() -> None:
    tee = Environment("cvm", "cpu-tee", "tdx", baselines={"metal": "plain"})
    tee = replace(tee, incomparable={"plain": "another kernel"})
    config = replace(CONFIG, environments={"cvm": tee})
    [found] = analyse([a_run("cvm", 50.0), a_run("plain", 99.0)], config).comparisons
    assert (found.word, found.reason) == (Word.NOT_COMPARABLE, "another kernel")


# Other scales than the ratio's


def three(environment: str, metric: str, *values: float) -> list[Run]:
    return [a_run(environment, v, day=d, metric=metric) for v, d in zip(values, DAYS, strict=True)]


def with_count(run: Run, metric: str, *counts: float, statistic: str = "value") -> Run:
    rows = tuple(
        run.measurements[0]._replace(
            metric=metric, statistic=statistic, unit="count", value=value, repetition=i
        )
        for i, value in enumerate(counts)
    )
    return replace(run, measurements=(*run.measurements, *rows))


def of_shares(runs: list[Run]) -> Comparison:
    comparisons = analyse(runs, CONFIG).comparisons
    [found] = [c for c in comparisons if c.series.metric.endswith(".error_rate")]
    return found


def test_counts_that_can_be_zero_are_subtracted() -> None:
    name = "ab.failed_requests"
    found = only([*three("cvm", name, 40, 50, 60), *three("plain", name, 0, 0, 0)])
    assert (found.factor, found.interval, found.share, found.reason) == (None, None, None, "")
    assert found.difference == 50
    assert ends(found.difference_interval) == welch([40, 50, 60], [0, 0, 0]).ends()
    assert words_of(found) == [Word.SLOWER]
    assert (found.word, found.verdict) == (Word.NONE, "")  # no headline


@pytest.mark.parametrize(
    ("side", "base", "word", "margin"),
    [
        (0, 0, Word.NO_DIFFERENCE, 1.0),
        (10, 9, Word.NO_DIFFERENCE, 1.0),
        (1010, 1000, Word.NO_DIFFERENCE, 20.0),
        (60, 0, Word.SLOWER, 1.0),
    ],
)
def test_one_more_failure_is_within_the_margin_of_a_count(
    side: int, base: int, word: Word, margin: float
) -> None:
    name = "ab.failed_requests"
    found = only([*three("cvm", name, *[side] * 3), *three("plain", name, *[base] * 3)])
    assert (words_of(found), found.margin) == ([word], margin)
    assert found.difference == side - base


def test_an_error_rate_is_compared_with_the_requests_behind_it() -> None:
    both = (("cvm", 0.02), ("plain", 0.0))
    runs = [run for label, rate in both for run in three(label, "ab.error_rate", *[rate] * 3)]
    found = of_shares([with_count(run, "ab.complete_requests", 1000.0) for run in runs])
    tallies = (Tally(60.0, 3000.0), Tally(0.0, 3000.0))
    assert found.estimate == replace(welch([0.02] * 3, [0.0] * 3), counted=tallies)
    assert words_of(found) == [Word.SLOWER]
    assert ends(found.difference_interval) == found.worsening() == newcombe(*tallies)


def test_the_interval_of_a_share_ends_at_nothing_and_at_all() -> None:
    metric = "ab.error_rate"
    for values, bound in (((0.0, 0.0, 0.1), 0), ((0.9, 1.0, 1.0), 1)):
        summary = cell_of(three("cvm", metric, *values)).summary
        assert summary is not None
        low, high = ends(summary.interval)
        assert (low, high)[bound] == bound
        assert low < summary.value < high


def test_the_count_of_a_share_may_be_a_total_of_several_processes() -> None:
    runs = [
        with_count(a_run(label, 0.5, 0.25, metric="ab.error_rate"), "ab.complete_requests",
                   10.0, 40.0, statistic="total")
        for label in ("cvm", "plain")
    ]  # fmt: skip
    found = of_shares(runs)
    tally = Tally(15.0, 50.0)
    assert found.word == Word.TOO_FEW
    assert found.difference_interval == Interval(*newcombe(tally, tally), "counts")


@pytest.mark.parametrize("counts", [(), (1000.0, 1000.0), (0.0,)])
def test_without_a_count_for_each_share_run_values_are_subtracted(
    counts: tuple[float, ...],
) -> None:
    shares = {"cvm": (0.01, 0.02, 0.03), "plain": (0.0, 0.0, 0.01)}
    runs = [
        with_count(run, "llm.requests", *counts) if counts else run
        for label, values in shares.items()
        for run in three(label, "llm.error_rate", *values)
    ]
    found = of_shares(runs)
    assert found.estimate == welch(shares["cvm"], shares["plain"])
    assert ends(found.difference_interval) == welch(shares["cvm"], shares["plain"]).ends()


@pytest.mark.parametrize(
    ("sizes", "word", "difference"),
    [
        ((1024.0, 1024.0), Word.NO_DIFFERENCE, 0),
        ((1025.0, 1025.0), Word.SLOWER, 1),
        ((1000.0, 1000.0), Word.FASTER, -24),
        ((1024.0, 1025.0), Word.INCONCLUSIVE, 0.5),
    ],
)
def test_the_bytes_of_a_proof_are_equal_or_not(
    sizes: tuple[float, ...], word: Word, difference: float
) -> None:
    name = "zktls.proof_size"
    found = only([a_run("cvm", *sizes, metric=name), a_run("plain", 1024.0, metric=name)])
    assert (found.word, found.difference, found.difference_interval) == (word, difference, None)
    assert (found.reason, found.more_replicates) == ("", None)


# Resolution


def rounded(environment: str, value: float, printed: str | None) -> list[Run]:
    runs = three(environment, "ab.latency", value, value, value)
    return [
        replace(run, measurements=(run.measurements[0]._replace(printed=printed),)) for run in runs
    ]


@pytest.mark.parametrize(
    ("printed", "low", "high"),
    [("5", 4.5 / 4.5, 5.5 / 3.5), (None, 4.5 / 4.5, 5.5 / 3.5), ("5.000", 5 / 4, 5 / 4)],
)
def test_whole_milliseconds_widen_an_interval_and_microseconds_do_not(
    printed: str | None, low: float, high: float
) -> None:
    found = only([*rounded("cvm", 0.005, printed), *rounded("plain", 0.004, printed)])
    assert ends(found.interval) == pytest.approx((low, high), rel=1e-3)
    if printed == "5":
        assert words_of(found) == [Word.INCONCLUSIVE]
        assert found.more_replicates is None  # no number of runs makes the tool finer


# What is not decided yet


def test_an_inconclusive_pair_says_how_many_more_runs_decide() -> None:
    name = "7z.rating"
    found = only([*three("cvm", name, 90, 95, 100), *three("plain", name, 96, 100, 104)])
    assert found.word == Word.INCONCLUSIVE
    assert found.more_replicates is not None
    assert found.more_replicates > 1
    wide = only([*three("cvm", name, 50, 100, 150), *three("plain", name, 51, 100, 150)])
    assert (wide.word, wide.more_replicates) == (Word.INCONCLUSIVE, None)


# What two sides differ in


def test_differences_are_told_the_telling_ones_first() -> None:
    def seen(**facts: str | None) -> tuple[Fact, ...]:
        return tuple(Fact(name, value, "x") for name, value in facts.items())

    same = Parameter("direct", "1", Comparability.MUST_MATCH)
    ours = a_run("cvm", 1.0, parameters=(
        Parameter("seed", "1"), Parameter("version", "2", Comparability.CAVEAT), SIZE, same,
        Parameter("slots", "4", Comparability.MUST_MATCH),
    ))  # fmt: skip
    theirs = a_run("plain", 2.0, parameters=(
        Parameter("seed", "2"), Parameter("version", "1", Comparability.CAVEAT),
        structs.replace(SIZE, value="8g"), same,
    ))  # fmt: skip
    here = seen(zz="1", kernel="6.8", cpu="Xeon", memory="8 GiB", os="a")
    there = seen(zz="2", kernel="6.1", cpu=None, memory="8 GiB")
    ours = replace(ours, fingerprint=Fingerprint(here, TeeVerdict("tdx")))
    theirs = replace(theirs, fingerprint=Fingerprint(there, TeeVerdict("none")))
    must = Comparability.MUST_MATCH
    assert differences(Setup.of([ours], CVM), Setup.of([theirs], CVM)) == (
        Difference("size", must, "4g", "8g"),
        Difference("slots", must, "4", "absent"),
        Difference("version", Comparability.CAVEAT, "2", "1"),
        Difference("tee", "machine", "tdx", "none"),
        Difference("cpu", "machine", "Xeon", "not visible"),
        Difference("kernel", "machine", "6.8", "6.1"),
        Difference("seed", Comparability.IGNORED, "1", "2"),
    )
    assert differences(Setup.of([ours], CVM), Setup.of([ours], CVM)) == ()


def test_what_varies_within_a_side_is_told_with_all_its_values() -> None:
    first = a_run("cvm", 1.0, parameters=(Parameter("version", "2"),))
    second = a_run("cvm", 1.0, parameters=(Parameter("version", "1"),))
    base = a_run("plain", 1.0, parameters=(Parameter("version", "1"),))
    found = analyse([first, replace(second, id=base.id), base], CONFIG)
    told = found.differences("7z", "cvm", "plain")
    assert [(d.name, d.side, d.baseline) for d in told if d.kind != "machine"] == [
        ("version", "1; 2", "1")
    ]
    assert found.differences("7z", "cvm", "nowhere") == ()
