"""What is planned on which machine, what is left out and why, and a step run for real."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from collectors import tee_microcosts
from collectors.tee_microcosts import boot, loops, machine, quotes, second
from collectors.tee_microcosts.machine import Machine, Pair
from sitegen.catalogue import metrics
from sitegen.collect import LEFT_OUT, Host, Plan, Request
from sitegen.collect.installed import check_measurement, check_plan
from sitegen.errors import SitegenError
from sitegen.model import Status, ToolIdentity
from tests.collectors import damage

CC = ToolIdentity("loops by cc", "12.2.0", "/usr/bin/cc")
NO_CC = ToolIdentity("Linux", "6.12.0")
ALL = tuple((name, f"/usr/bin/{name}") for name in machine.PROGRAMS)
WHOLE = Machine(
    pair=Pair(0, 1, "cores"),
    free_bytes=64 << 30,
    cache_bytes=32 << 20,
    huge_pages="madvise",
    hugetlb_free=512,
    programs=ALL,
)
QUOTES = quotes.Source("configfs-tsm", "/sys/kernel/config/tsm/report")
BOOT = boot.Source("systemd", ("/usr/bin/systemctl", "show"))
NONE: Mapping[str, str] = {}


def request(
    preset: str = "standard", settings: Mapping[str, str] = NONE, folder: Path = Path("/nowhere")
) -> Request:
    cache = folder / "cache"
    return Request(preset, 3, settings, 2, folder, cache, 1 << 40, "tee-microcosts")


def planned(
    here: Machine = WHOLE,
    tool: ToolIdentity = CC,
    beside: tuple[quotes.Source | str, boot.Source | str] = (QUOTES, BOOT),
    preset: str = "standard",
    settings: Mapping[str, str] = NONE,
) -> Plan:
    return tee_microcosts.planned(tool, request(preset, settings), here, beside)


def left_out(plan: Plan) -> str:
    return next(p.value for p in plan.parameters if p.name == LEFT_OUT)


def names(plan: Plan) -> set[str]:
    return {step.name for step in plan.steps}


def test_a_machine_with_everything_runs_every_cost_once_a_repetition() -> None:
    plan = planned()
    assert names(plan) == {*loops.BY_NAME, quotes.STEP, boot.STEP}
    assert [step.name for step in plan.prepare] == ["compile"]
    check_plan(plan)
    assert "apt install" not in left_out(plan)


def test_every_row_that_can_come_is_of_a_metric_of_the_catalogue_in_its_unit() -> None:
    rows = [row for step in planned().steps for row in step.expects]
    for row in rows:
        check_measurement(row)
        assert metrics.METRICS[row.metric].unit == row.unit
    for cost in loops.COSTS:
        assert {loops.metric(name) for _, name in cost.metrics} <= set(metrics.METRICS)
    for ways in second.WAYS.values():
        assert {loops.metric(way.metric) for way in ways} <= set(metrics.METRICS)


@pytest.mark.parametrize("preset", tee_microcosts.PRESETS)
def test_workloads_and_their_parameters_are_those_of_no_machine_in_particular(preset: str) -> None:
    other = replace(WHOLE, pair=Pair(2, 9, "cores"), free_bytes=500 << 30, cache_bytes=None)
    one, two = (planned(here, preset=preset) for here in (WHOLE, other))
    assert [(s.name, s.params) for s in one.steps] == [(s.name, s.params) for s in two.steps]


@pytest.mark.parametrize(
    ("here", "gone", "why"),
    [
        (replace(WHOLE, pair=Pair(0)), {"wake-futex", "wake-pipe", "ipi", "tlb-shootdown"},
         "there is no second CPU"),
        (replace(WHOLE, quota=1.5), {"wake-futex", "wake-pipe", "ipi", "tlb-shootdown"},
         "a quota of 1.5 CPUs"),
        (replace(WHOLE, x86=False), {"exit-cpuid", "exit-cpuid-host", "exit-port", "rdrand",
         "rdseed", "clock-tsc", "clock-tscp"}, "no such instruction"),
        (replace(WHOLE, huge_pages="never"), {"touch-huge", "chase-huge"},
         "transparent huge pages are never"),
        (replace(WHOLE, hugetlb_free=0), {"touch-hugetlb"}, "128 free huge pages are needed"),
        (replace(WHOLE, hugetlb_free=127), {"touch-hugetlb"}, "vm.nr_hugepages"),
    ],
)  # fmt: skip
def test_what_a_machine_cannot_do_is_left_out_with_the_reason(
    here: Machine, gone: set[str], why: str
) -> None:
    plan = planned(here)
    assert names(planned()) - names(plan) == gone
    assert all(f"{name}: " in left_out(plan) for name in gone)
    assert why in left_out(plan)


def test_a_program_that_is_missing_costs_its_series_and_is_named_with_its_package() -> None:
    here = replace(WHOLE, programs=tuple(pair for pair in ALL if pair[0] != "cyclictest"))
    plan = planned(here)
    assert names(plan) == names(planned())
    assert "timer by cyclictest: apt install rt-tests" in left_out(plan)
    [timer] = [step for step in plan.steps if step.name == "timer"]
    assert second.decoded(timer.get("others")) == {}


def test_without_a_compiler_the_loops_are_left_out_and_quotes_and_boot_stay() -> None:
    plan = planned(tool=NO_CC, beside=(QUOTES, BOOT))
    assert names(plan) == {quotes.STEP, boot.STEP}
    assert plan.prepare == ()
    assert "apt install gcc" in left_out(plan)


def test_why_there_is_no_quote_or_boot_is_said() -> None:
    plan = planned(beside=("quotes: none", "boot: none"))
    assert not names(plan) & {quotes.STEP, boot.STEP}
    assert "quotes: none; boot: none" in left_out(plan)


def test_the_quick_preset_leaves_out_what_takes_a_second_at_least() -> None:
    [copy] = [step for step in planned(preset="quick").steps if step.name == "copy"]
    assert list(second.decoded(copy.get("others"))) == ["perf bench"]
    assert planned(preset="quick").about_s <= 12


def test_memory_is_halved_until_a_quarter_of_what_is_free_holds_it() -> None:
    def sizes(free: int) -> dict[str, str]:
        plan = planned(replace(WHOLE, free_bytes=free))
        return {s.name: dict(s.params).get("size", "") for s in plan.steps}

    assert sizes(8 << 30)["chase-small"] == str(1 << 30)
    assert sizes(2 << 30)["chase-small"] == str(512 << 20)
    assert sizes(1)["touch-small"] == str(16 << 20)
    # It is held twice.
    assert sizes(4 << 30)["copy"] == str(512 << 20)
    assert sizes(2 << 30)["copy"] == str(256 << 20)


def test_programs_copy_as_much_as_the_loop_and_are_left_out_where_that_fits_into_caches() -> None:
    def commands(free: int) -> tuple[dict[str, tuple[str, ...]], str]:
        plan = planned(replace(WHOLE, free_bytes=free))
        [copy] = [step for step in plan.steps if step.name == "copy"]
        return second.decoded(copy.get("others")), left_out(plan)

    found, _ = commands(2 << 30)
    assert "256MB" in found["perf bench"]
    assert f"N:{2 * (256 << 20) // 10**6}MB:1" in found["likwid-bench"]
    found, said = commands(256 << 20)
    assert found == {}
    assert "copy by perf bench: there is too little memory" in said


def test_a_cache_of_unknown_size_is_said_to_leave_loops_of_memory_unchecked() -> None:
    assert "chase and copy" in left_out(planned(replace(WHOLE, cache_bytes=None)))
    assert "chase and copy" not in left_out(planned())


def test_what_is_the_same_in_each_repetition_of_a_boot_is_asked_once() -> None:
    assert [step.name for step in planned().steps if step.once] == [boot.STEP]


@pytest.mark.parametrize("text", ["1000000000", "8MiB", "512GiB", "64GiB", "much", "0"])
def test_memory_that_cannot_be_had_is_refused(text: str) -> None:
    with pytest.raises(SitegenError, match=r"--set tee-microcosts\.memory"):
        planned(settings={"memory": text})


def test_memory_is_what_was_asked_for() -> None:
    plan = planned(settings={"memory": "4GiB"})
    [chase] = [step for step in plan.steps if step.name == "chase-huge"]
    assert dict(chase.params)["size"] == str(4 << 30)
    assert str(4 << 30) in chase.argv


@pytest.mark.tools
def test_a_step_runs_with_its_other_way(made: tuple[Path, Plan]) -> None:
    [step] = [each for each in made[1].steps if each.name == "syscall"]
    raw = tee_microcosts.run(step, Host())
    reading = tee_microcosts.parse(step, raw)
    damage.check(reading)
    by = {dict(m.params)["measured_by"] for m in reading.measurements}
    assert by == {"loop", *second.decoded(step.get("others"))}
    assert {m.status for m in reading.measurements} <= {Status.OK, Status.SUSPECT}
