"""What an operation of fio and ab sets off, beside what an exit costs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from sitegen.analysis.compare import Analysis, analyse
from sitegen.archive import library
from sitegen.catalogue.families import family
from sitegen.catalogue.tool import PerOperation
from sitegen.config import Config, Environment
from sitegen.model import Measurement, Provenance, Run, StepRecord, params, run_id
from sitegen.report import derived
from sitegen.report.sections import Section
from tests import site_checks as check

CONFIG = Config(
    Path(),
    environments={
        "plain": Environment("plain", "vm", "none"),
        "cvm": Environment("cvm", "cpu-tee", "tdx", baselines={"vm": "plain"}),
    },
)
RANDOM = {"direction": "read", "pattern": "rand", "block_size": 4096}
EXIT = params(exit="cpuid", leaf="0x0", measured_by="loop")


def run(
    benchmark: str,
    label: str,
    rows: list[Measurement],
    steps: tuple[StepRecord, ...] = (),
    day: str = "2026-11-01",
) -> Run:
    content = f"{benchmark}{label}{rows}{steps}".encode()
    return Run(
        run_id(day, benchmark, content), benchmark, label, Provenance.COLLECTED, day, 1.0,
        tuple(rows), preset="standard", steps=steps,
    )  # fmt: skip


def step(name: str, about: Mapping[str, object], **conditions: float) -> StepRecord:
    seen = tuple(sorted(conditions.items()))
    return StepRecord(name, name, 0, (), "", 1.0, 0, None, conditions=seen, params=params(**about))


def fio(label: str, iops: dict[str, float], **conditions: float) -> Run:
    about = {"pattern": "rand", "block_size": 4096}
    rows = [
        Measurement("random", "fio.iops", "value", "1/s", value, params(direction=d, **about))
        for d, value in iops.items()
    ]
    return run("fio", label, rows, (step("random", about, **conditions),))


def exits(label: str, seconds: float, day: str = "2026-11-01") -> Run:
    row = Measurement("exit-cpuid", "tee-microcosts.exit_latency", "p50", "s", seconds, EXIT)
    return run("tee-microcosts", label, [row], day=day)


def section(*runs: Run) -> Section | None:
    return of(analyse(list(runs), CONFIG))


def of(analysis: Analysis) -> Section | None:
    found = derived.sections(analysis, "tee-microcosts")
    return next((one for one in found if one.id == "per-operation"), None)


def cells(section: Section | None) -> list[list[str]]:
    assert section is not None
    return [[cell.text for cell in row] for row in section.tables[-1].rows]  # of all operations


def test_counts_a_second_are_divided_by_the_operations_a_second_of_all_directions() -> None:
    mixed = fio(
        "plain",
        {"read": 750.0, "write": 250.0},
        interrupts=2100.0,
        timers=1900.0,
        sent=50.0,
        context_switches=500.0,
    )
    found = section(mixed, exits("plain", 1.2e-6))
    assert found is not None
    assert list(found.tables[0].head)[2:6] == [
        "interrupts",
        "of them ticks",
        "of them between CPUs",
        "context switches",
    ]
    [row] = cells(found)
    assert row[1:7] == ["plain", "2.10", "1.90", "0.0500", "0.500", "1.00 kIOPS"]
    assert row[7] == "1 run"


def test_an_exit_is_told_against_the_baseline_with_both_values() -> None:
    found = section(exits("plain", 1.2e-6), exits("cvm", 13.2e-6))
    assert found is not None
    assert found.sentences[0] == (
        "CPUID takes 11.0 times as long on cvm as on plain: 13.2 µs against 1.20 µs"
        " (one run a side)."
    )
    assert "not measured" in found.sentences[1]
    assert found.tables == ()
    alone = section(exits("plain", 1.2e-6))
    assert alone is not None
    assert alone.sentences[0] == "CPUID takes 1.20 µs on plain."


def test_several_runs_have_their_mean_and_their_range() -> None:
    runs = [fio("cvm", {"read": 100.0}, interrupts=value) for value in (100.0, 300.0)]
    found = section(*runs, exits("cvm", 1e-6))
    assert found is not None
    [[_, _, interrupts, _, _, switches, _, runs_of]] = found.tables[0].rows
    assert (interrupts.text, interrupts.small) == ("2.00", "1.00 to 3.00")
    assert switches.text == "not measured"
    assert (runs_of.text, runs_of.small) == ("2 runs", "2 steps")


def test_operations_of_headlines_stand_first_with_the_environments_side_by_side() -> None:
    def served(label: str, interrupts: float, switches: float) -> Run:
        row = Measurement(
            "sweep", "ab.requests_per_second", "mean", "1/s", 100.0,
            params(scheme="http", concurrency=1000, access="loopback"),
        )  # fmt: skip
        other = row._replace(params=params(scheme="http", concurrency=50, access="loopback"))
        steps = (
            step("sweep", {"concurrency": 1000}, interrupts=interrupts, context_switches=switches),
            step("sweep", {"concurrency": 50}, interrupts=9.0),
        )
        return run("ab", label, [row, other], steps)

    found = section(served("plain", 50.0, 200.0), served("cvm", 70.0, 300.0))
    assert found is not None
    interrupts, switches, every = found.tables
    assert interrupts.head == ("Interrupts an operation", "plain", "cvm")
    [[operation, plain, cvm]] = interrupts.rows
    assert operation.text == "Web server, Loopback, http, 1,000 at once"
    assert operation.small == "interrupts"  # a phone shows no head
    assert [(one.text, one.small) for one in (plain, cvm)] == [
        ("0.500", "1 run"),
        ("0.700", "1 run"),
    ]
    assert [[cell.text for cell in row[1:]] for row in switches.rows] == [["2.00", "3.00"]]
    assert len(every.rows) == 4


def test_an_interval_and_the_word_stand_with_the_factor() -> None:
    runs = [
        exits(label, seconds * (1 + 0.01 * number), day=f"2026-11-0{number}")
        for label, seconds in (("plain", 1e-6), ("cvm", 3e-6))
        for number in (1, 2, 3)
    ]
    found = section(*runs)
    assert found is not None
    assert re.search(
        r"3\.00 times as long on cvm as on plain: 3\.06 µs against 1\.02 µs"
        r" \(2\.\d\d to 3\.\d\d; slower",
        found.sentences[0],
    )


def test_a_repetition_that_failed_counts_no_operations(tmp_path: Path) -> None:
    right = fio("plain", {"read": 100.0}, interrupts=200.0)
    failed = replace(right.steps[0], repetition=1, exit_code=1, conditions=(("interrupts", 9e6),))
    both = replace(right, steps=(*right.steps, failed))
    report = check.report(tmp_path, both)
    [indexed] = [held.run for held in library.of(report).runs.values()]
    for kept in (both.rates, indexed.rates):
        [step] = kept
        assert (step.repetitions, dict(step.rates)) == (1, {"interrupts": 200.0})


def test_a_machine_that_counts_nothing_has_not_measured_and_never_0() -> None:
    [row] = cells(section(fio("plain", {"read": 10.0}, steal=0.0), exits("plain", 1e-6)))
    assert row[2:6] == ["not measured"] * 4


def test_steps_of_one_workload_are_told_apart_by_their_parameters() -> None:
    rows = [
        Measurement(
            "sweep",
            "ab.requests_per_second",
            "mean",
            "1/s",
            rate,
            params(concurrency=clients, scheme="http"),
        )
        for clients, rate in ((50, 100.0), (200, 400.0))
    ]
    steps = tuple(
        step("sweep", {"concurrency": clients}, interrupts=value)
        for clients, value in ((50, 500.0), (200, 400.0))
    )
    found = cells(section(run("ab", "plain", rows, steps), exits("plain", 1e-6)))
    assert [row[2] for row in found] == ["5.00", "1.00"]
    # Two steps that cannot be told apart say nothing of either.
    same = tuple(step("sweep", {}, interrupts=value) for value in (500.0, 400.0))
    other = (step("sweep", {"scheme": "http"}, interrupts=1.0),)
    assert section(run("ab", "plain", rows, (*same, *other))) is None


def test_series_that_one_step_measured_one_after_another_are_not_told_apart_and_left_out() -> None:
    rows = [
        Measurement(
            "commands", "redis.requests_per_second", "value", "1/s", 100.0, params(command=name)
        )
        for name in ("get", "set")
    ]
    both = run("redis", "plain", rows, (step("commands", {}, interrupts=500.0),))
    [alone] = cells(section(run("redis", "plain", rows[:1], both.steps), exits("plain", 1e-6)))
    assert alone[2] == "5.00"
    found = section(both, exits("plain", 1e-6))
    assert found is not None
    assert found.tables == ()


def test_a_report_without_either_has_no_such_section() -> None:
    assert of(analyse([], CONFIG)) is None


def test_the_index_keeps_the_counts_of_the_benchmarks_that_are_counted(tmp_path: Path) -> None:
    kept = {"interrupts": 2100.0, "context_switches": 500.0, "timers": 7.0}
    seen = fio("plain", {"read": 10.0}, **kept, steal=0.5)
    report = check.report(tmp_path, seen, exits("plain", 1e-6))
    for _ in range(2):  # looked into, then as the index has it
        runs = {held.run.benchmark: held.run for held in library.of(report).runs.values()}
        [step] = runs["fio"].rates
        assert dict(step.rates) == kept
        assert dict(step.params) == {"pattern": "rand", "block_size": "4096"}
        assert runs["tee-microcosts"].rates == ()


def test_the_contrast_counts_what_steps_record() -> None:
    from sitegen.fingerprint import RATES

    [contrast] = [
        one for one in family("tee-microcosts").contrasts if isinstance(one, PerOperation)
    ]
    assert {name for name, _ in contrast.counts} <= set(RATES)
