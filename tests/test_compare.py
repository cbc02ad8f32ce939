from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from sitegen.archive import Archive, library
from sitegen.compare import (
    Analysis,
    Cell,
    Comparison,
    Selection,
    analyse,
    baselines,
    environments,
    select,
)
from sitegen.config import Config, Environment
from sitegen.metrics import METRICS, Better
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
from sitegen.stats import Word

PLAIN = Environment("plain", "vm", "none")
CVM = Environment("cvm", "cpu-tee", "tdx", baselines={"vm": "plain"})
CONFIG = Config(Path(), environments={"plain": PLAIN, "cvm": CVM})
SEEN = {"plain": "none", "cvm": "tdx"}
SIZE = Parameter("size", "4g", Comparability.MUST_MATCH)


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


def only(runs: list[Run], config: Config = CONFIG) -> Comparison:
    [found] = analyse(runs, config).comparisons
    return found


def cell_of(runs: list[Run], environment: str = "cvm") -> Cell:
    [found] = [
        cell for (_, label), cell in analyse(runs, CONFIG).cells.items() if label == environment
    ]
    return found


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
    assert found.word == Word.ONE_RUN
    assert marks(found) == ["single-figure"]


def test_random_reads_in_the_lab_cvm_lose_40_3_percent_of_the_lab_vms(published: Analysis) -> None:
    assert find(published, "read_iops", "tdx-lab-cvm", "vm").share == pytest.approx(0.403, abs=5e-4)


def test_7_zip_with_one_thread_loses_38_3_percent(published: Analysis) -> None:
    found = find(published, "threads-1", "tee-cvm", "metal", metric="7z.rating")
    assert found.share == pytest.approx(0.383, abs=5e-4)


def test_proofs_of_different_size_are_not_comparable(published: Analysis) -> None:
    proofs = [c for c in published.comparisons if c.series.benchmark == "zktls"]
    assert len(proofs) == 8
    assert {c.word for c in proofs} == {Word.NOT_COMPARABLE}
    assert {c.reason for c in proofs} == {"not the same proof: 3.01 times the size"}
    assert all("not-the-same-proof" in marks(c) for c in proofs)


def test_14_storage_figures_of_guests_are_suspected_to_come_from_a_cache(
    published: Analysis,
) -> None:
    suspected = [cell for cell in published.of("fio") if "page-cache" in marks(cell)]
    assert len(suspected) == 14
    assert Counter(cell.environment for cell in suspected) == {
        "tdx-lab-vm": 8,
        "tdx-lab-cvm": 5,
        "h200-cvm": 1,
    }
    assert all(cell.doubt for cell in suspected)


def test_a_guest_beside_one_whose_figure_is_cached_says_that_its_baseline_is(
    published: Analysis,
) -> None:
    found = find(published, "read_latency", "tdx-lab-cvm", "vm")
    assert marks(found)[0] == "cached-baseline"
    assert found.doubt == "baseline cached"


def test_the_36_gb_s_headline_is_faster_than_any_link(published: Analysis) -> None:
    [cell] = [c for c in published.of("fio") if "link-rate" in marks(c)]
    assert (cell.environment, cell.series.workload) == ("tdx-lab-vm", "read_seq")
    assert cell.summary is not None
    assert cell.summary.value == pytest.approx(38.0e9, rel=1e-3)


def test_super_linear_scaling_is_put_on_the_one_thread_value(published: Analysis) -> None:
    doubted = [c for c in published.of("7z") if "superlinear" in marks(c)]
    assert {(c.environment, dict(c.series.params)["operation"]) for c in doubted} == {
        ("tee-cvm", "compress"),
        ("tee-cvm", "total"),
    }
    assert {dict(c.series.params)["threads"] for c in doubted} == {"1"}


def test_eight_threads_on_many_cores_are_not_per_core(published: Analysis) -> None:
    marked = [c for c in published.of("7z") if "not-per-core" in marks(c)]
    assert {c.environment for c in marked} == {"tdx-lab", "prod5", "prod8"}


def test_every_cited_figure_has_an_unknown_count(published: Analysis) -> None:
    assert len(published.cells) == 214
    for cell in published.cells.values():
        assert cell.summary is None or cell.summary.runs == 0
        assert "single-figure" in marks(cell) or cell.summary is None


# Which runs enter.


def test_complete_runs_with_the_newest_parameters_enter() -> None:
    runs = [a_run("cvm", 1.0, day=f"2025-03-0{n}") for n in (3, 1, 2)]
    found = chosen(runs)
    assert [run.started_at for run in found.runs] == ["2025-03-01", "2025-03-02", "2025-03-03"]
    assert found.left_out == ()


def test_quick_and_incomplete_runs_give_way_to_whole_ones() -> None:
    good = a_run("cvm", 1.0)
    quick = a_run("cvm", 1.0, day="2025-03-02", preset="quick")
    cut = a_run("cvm", 1.0, day="2025-03-03", complete=False)
    found = chosen([quick, good, cut])
    assert found.runs == (good,)
    assert dict(found.left_out) == {quick.id: "quick preset", cut.id: "incomplete"}


def test_where_nothing_else_is_there_the_newest_quick_run_stands_in_with_its_caveat() -> None:
    older, newer = (a_run("cvm", 1.0, day=f"2025-03-0{n}", preset="quick") for n in (1, 2))
    assert chosen([older, newer]).runs == (newer,)
    assert "quick" in marks(cell_of([older, newer]))


def test_a_superseded_run_is_left_out() -> None:
    old = a_run("cvm", 1.0)
    new = a_run("cvm", 2.0, day="2025-03-02", supersedes=old.id)
    found = chosen([old, new])
    assert found.runs == (new,)
    assert found.left_out == ((old.id, "superseded by a later run"),)


def test_runs_out_of_the_window_counted_from_the_newest_of_all_are_left_out() -> None:
    old = a_run("cvm", 1.0, day="2025-01-01")
    edge = a_run("cvm", 1.0, day="2025-03-02")
    newest = a_run("plain", 1.0, day="2025-04-01")
    config = replace(CONFIG, window_days=30)
    assert chosen([old, edge, newest], config).runs == (edge,)
    assert chosen([old, edge, newest], config).left_out == ((old.id, "older than 30 days"),)


def test_cited_figures_have_no_window() -> None:
    old = a_run("cvm", 1.0, day="2019", provenance=Provenance.CITED)
    assert chosen([old, a_run("plain", 1.0)]).runs == (old,)


def test_a_pinned_list_takes_only_its_runs() -> None:
    first, second = (a_run("cvm", 1.0, day=f"2025-03-0{n}") for n in (1, 2))
    found = chosen([first, second], replace(CONFIG, pinned=(first.id,)))
    assert found.runs == (first,)
    assert found.left_out == ((second.id, "not in the report's list of runs"),)


def test_runs_with_other_parameters_than_the_newest_are_left_out() -> None:
    big = a_run("cvm", 1.0, parameters=(replace(SIZE, value="8g"),))
    small = a_run("cvm", 1.0, day="2025-03-02")
    found = chosen([big, small])
    assert found.runs == (small,)
    assert found.left_out == ((big.id, "other parameters"),)


@pytest.mark.parametrize("kind", [Comparability.CAVEAT, Comparability.IGNORED])
def test_a_parameter_that_need_not_match_leaves_no_run_out(kind: Comparability) -> None:
    runs = [
        a_run("cvm", 1.0, day=f"2025-03-0{n}", parameters=(Parameter("version", str(n), kind),))
        for n in (1, 2)
    ]
    assert len(chosen(runs).runs) == 2


# What is compared with what.


def test_without_a_declaration_role_and_tee_come_from_the_fingerprint() -> None:
    def seen(label: str, tee: str, **facts: str) -> Run:
        listed = tuple(Fact(name, value, "x") for name, value in facts.items())
        return replace(a_run(label, 1.0), fingerprint=Fingerprint(listed, TeeVerdict(tee, ("x",))))

    runs = [
        seen("a", "tdx"), seen("b", "tdx", gpu="H200"), seen("c", "none", virtualisation="kvm"),
        seen("d", "none", virtualisation="none"), seen("e", "unknown"), seen("f", "contradictory"),
    ]  # fmt: skip
    found = environments(runs, Config(Path()))
    assert [(e.label, e.role, e.tee) for e in found.values()] == [
        ("a", "cpu-tee", "tdx"),
        ("b", "gpu-tee", "tdx"),
        ("c", "vm", "none"),
        ("d", "metal", "none"),
        ("e", None, ""),
        ("f", None, ""),
    ]


def test_what_is_declared_stands_above_what_was_seen() -> None:
    declared = {"a": Environment("a", "gpu-tee", "sev-snp")}
    found = environments([a_run("a", 1.0)], Config(Path(), environments=declared))
    assert (found["a"].role, found["a"].tee) == ("gpu-tee", "sev-snp")


def undeclared(*tees: str) -> Config:
    return Config(
        Path(),
        environments={f"e{i}": Environment(f"e{i}", "vm", tee) for i, tee in enumerate(tees)},
    )


def test_undeclared_the_only_environment_without_a_tee_is_the_baseline() -> None:
    config = undeclared("none", "tdx", "sev-snp")
    labels = ["e0", "e1", "e2"]
    assert baselines("e1", config, labels) == [("vm", "e0")]
    assert baselines("e2", config, labels) == [("vm", "e0")]
    assert baselines("e0", config, labels) == []


def test_two_environments_without_a_tee_make_no_baseline() -> None:
    assert baselines("e2", undeclared("none", "none", "tdx"), ["e0", "e1", "e2"]) == []


def test_declared_baselines_come_in_their_order() -> None:
    both = replace(CVM, baselines={"metal": "host", "vm": "plain"})
    config = replace(CONFIG, environments={"cvm": both})
    assert baselines("cvm", config, []) == [("metal", "host"), ("vm", "plain")]


def test_three_runs_a_side_get_a_verdict_and_the_values_that_were_divided() -> None:
    days = [f"2025-03-0{n}" for n in (1, 2, 3)]
    slow = [a_run("cvm", 50.0, 51.0, day=day) for day in days]
    fast = [a_run("plain", 100.0, 101.0, day=day) for day in days]
    found = only([*slow, *fast])
    assert found.word == Word.SLOWER
    assert found.factor == pytest.approx(2.0, rel=0.01)
    assert found.share == pytest.approx(0.5, rel=0.01)
    assert found.side.summary is not None
    assert found.side.summary.runs == 3
    assert found.side.repetitions == ((50.0, 51.0),) * 3
    assert found.doubt == ""


def test_one_run_a_side_says_so_and_marks_both() -> None:
    found = only([a_run("cvm", 50.0, 51.0), a_run("plain", 100.0)])
    assert found.word == Word.ONE_RUN
    assert [c.sentence for c in found.side.caveats] == ["One run, 2 repetitions."]
    assert [c.sentence for c in found.baseline.caveats] == ["One run, 1 repetition."]


@pytest.mark.parametrize(
    ("side", "base", "reason"),
    [
        ("quick", "standard", "a quick run against a full one"),
        ("quick", "quick", "quick runs are never compared"),
        ("thorough", "standard", "preset is thorough here and standard there"),
    ],
)
def test_quick_runs_are_never_compared(side: str, base: str, reason: str) -> None:
    found = only([a_run("cvm", 50.0, preset=side), a_run("plain", 100.0, preset=base)])
    assert found.word == Word.NOT_COMPARABLE
    assert found.reason == reason
    assert found.doubt == "not comparable"


def test_a_parameter_that_must_match_and_does_not_is_named() -> None:
    big = a_run("plain", 100.0, parameters=(replace(SIZE, value="8g"),))
    found = only([a_run("cvm", 50.0), big])
    assert (found.word, found.reason) == (Word.NOT_COMPARABLE, "size is 4g here and 8g there")
    absent = a_run("plain", 100.0, parameters=())
    assert only([a_run("cvm", 50.0), absent]).reason == "size is 4g here and absent there"


def test_a_printed_figure_is_not_compared_with_one_of_our_own() -> None:
    found = only([a_run("cvm", 50.0), a_run("plain", 99.0, provenance=Provenance.CITED)])
    assert found.reason == "a printed figure against one of our own"


def test_a_metric_without_a_direction_gets_no_comparison() -> None:
    for name in ("7z.cpu_frequency", "7z.cpu_usage", "own.unheard_of"):
        runs = [a_run("cvm", 50.0, metric=name), a_run("plain", 99.0, metric=name)]
        found = analyse(runs, CONFIG)
        assert found.comparisons == ()
        assert len(found.cells) == 2


def test_a_metric_that_a_run_defines_itself_is_compared_in_its_direction() -> None:
    own = (MetricDefinition("own.pace", "Pace", "s", "lower", "Time."),)
    runs = [
        a_run(label, value, metric="own.pace", definitions=own)
        for label, value in (("cvm", 2.0), ("plain", 1.0))
    ]
    found = only(runs)
    assert (found.factor, found.metric.better) == (2.0, Better.LOWER)
    assert not found.headline


def test_failed_repetitions_are_counted_and_left_out() -> None:
    run = a_run("cvm", 50.0, None, 52.0)
    rows = (run.measurements[0], run.measurements[1]._replace(status="failed"), run.measurements[2])
    cell = cell_of([replace(run, measurements=rows)])
    assert (cell.failed, cell.repetitions) == (1, ((50.0, 52.0),))
    assert marks(cell)[0] == "failed"
    assert cell.caveats[0].sentence == "1 of 3 repetitions failed."


def test_a_failed_value_is_never_averaged_even_when_the_tool_gave_one() -> None:
    run = a_run("cvm", 50.0)
    odd = run.measurements[0]._replace(value=1.0, repetition=1, status="failed")
    cell = cell_of([replace(run, measurements=(*run.measurements, odd))])
    assert cell.summary is not None
    assert cell.summary.value == 50.0


def test_suspect_repetitions_are_shown_and_kept_out_of_a_summary_that_has_others() -> None:
    run = a_run("cvm", 50.0, 99.0)
    rows = (run.measurements[0], run.measurements[1]._replace(status="suspect"))
    cell = cell_of([replace(run, measurements=rows)])
    assert cell.summary is not None
    assert (cell.summary.value, cell.suspect) == (50.0, 1)
    assert "suspect" in marks(cell)
    alone = cell_of([a_run("cvm", 50.0, 99.0, status="suspect")])
    assert alone.summary is not None
    assert alone.suspect == 2
    assert alone.doubt == "suspect"


def test_where_everything_failed_nothing_is_compared_and_it_says_where() -> None:
    found = only([a_run("cvm", None, None, status="failed"), a_run("plain", 99.0)])
    assert found.word == Word.NOT_COMPARABLE
    assert found.reason == "nothing was measured in cvm"
    assert found.factor is None
    assert found.side.summary is None
    assert "failed" in marks(found)


@pytest.mark.parametrize("zero", ["cvm", "plain"])
def test_a_value_of_zero_stops_no_report(zero: str) -> None:
    values = {"cvm": 50.0, "plain": 99.0, zero: 0.0}
    found = only([a_run(label, value) for label, value in values.items()])
    assert (found.word, found.reason) == (Word.NOT_COMPARABLE, "a value is zero")


@pytest.mark.parametrize("value", [0.0, 1e-300])
def test_a_one_thread_value_near_zero_stops_no_report(value: float) -> None:
    rows = tuple(
        Measurement("w", "7z.rating", "value", "MIPS", v, params(operation="total", threads=n))
        for n, v in ((1, value), (2, 1e9))
    )
    found = analyse([replace(a_run("cvm", 1.0), measurements=rows)], CONFIG)
    assert len(found.cells) == 2


@pytest.mark.parametrize(("value", "suspected"), [(300.0, True), (90.0, False)])
def test_a_guest_that_beats_its_own_metal_is_suspected_of_a_cache(
    value: float,
    suspected: bool,  # noqa: FBT001 - a case
) -> None:
    guest = replace(PLAIN, baselines={"metal": "host"})
    config = replace(CONFIG, environments={"plain": guest})
    runs = [a_run("plain", value, metric="fio.iops"), a_run("host", 100.0, metric="fio.iops")]
    [cell] = [c for c in analyse(runs, config).of("fio") if c.environment == "plain"]
    assert ("page-cache" in marks(cell)) == suspected
    if suspected:
        said = "3 times as good as on host, the machine it runs on."
        assert cell.caveats[0].sentence == said


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


def test_a_label_that_the_machine_contradicts_marks_everything() -> None:
    liar = replace(a_run("cvm", 50.0), fingerprint=Fingerprint((), TeeVerdict("none")))
    assert "label" in marks(cell_of([liar]))


def test_device_bytes_below_what_was_moved_mark_the_storage_figures_of_the_workload() -> None:
    run = a_run("cvm", 50.0, metric="fio.iops")
    row = run.measurements[0]
    rows = (
        row,
        row._replace(metric="fio.device_bytes", unit="B", value=1.0),
        row._replace(metric="fio.io_bytes", unit="B", value=100.0),
    )
    found = analyse([replace(run, measurements=rows)], CONFIG)
    [cell] = [c for (s, _), c in found.cells.items() if s.metric == "fio.iops"]
    assert "page-cache" in marks(cell)


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

    found = only(
        [
            a_run("cvm", 50.0, parameters=version("26.02")),
            a_run("plain", 99.0, parameters=version("23.01")),
        ]
    )
    assert found.reason == ""
    [told] = [c.sentence for c in found.caveats if c.rule.id == "parameters-differ"]
    assert told == "tool_version 26.02 against 23.01."


def test_a_pair_that_the_report_calls_incomparable_says_so_and_why() -> None:
    tee = Environment("cvm", "cpu-tee", "tdx", baselines={"metal": "plain"})
    tee = replace(tee, incomparable={"plain": "another kernel"})
    config = replace(CONFIG, environments={"cvm": tee})
    [found] = analyse([a_run("cvm", 50.0), a_run("plain", 99.0)], config).comparisons
    assert (found.word, found.reason) == (Word.NOT_COMPARABLE, "another kernel")


def test_threads_over_a_quota_are_not_compared_with_threads_that_all_ran() -> None:
    # One container ran 12 threads under a quota of one CPU, and a TDX guest looked 4.9 times as
    # fast: the published trap.
    quota = Fingerprint((Fact("cpu_quota", "1", "cgroup cpu.max"),), TeeVerdict("none"))
    runs = [replace(a_run("plain", 100.0), fingerprint=quota), a_run("cvm", 490.0)]
    found = only(runs)
    assert found.word == Word.NOT_COMPARABLE
    assert found.reason == "2 threads under a CPU quota of 1"
