"""What the loops print, what is made of it, and that they run here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from collectors import tee_microcosts
from collectors.tee_microcosts import loops
from collectors.tee_microcosts.loops import BY_NAME, Record, Seen
from sitegen.collect import Host, Plan, RawOutput, Reading, Step
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Status, params
from tests.collectors import damage

RAW = Path(__file__).parents[2] / "raw" / "tee-microcosts"
#: The step that each recorded output is of.
RECORDED = {
    "cpuid": "exit-cpuid",
    "port": "exit-port",
    "syscall": "syscall",
    "pipe": "context-switch",
    "futex": "wake-futex",
    "timer": "timer",
    "ipi": "ipi",
    "shootdown": "tlb-shootdown",
    "clock-tsc": "clock-tsc",
    "rdseed": "rdseed",
    "touch-small": "touch-small",
    "touch-huge": "touch-huge",
    "touch-hugetlb": "touch-hugetlb",
    "chase": "chase-small",
    "copy": "copy",
    "read": "block-read",
    "read-memory": "block-read",
}
SIZES = {
    "touch-small": 16 << 20,
    "touch-huge": 16 << 20,
    "chase-small": 64 << 20,
    "copy": 64 << 20,
}


def step(name: str, **context: object) -> Step:
    about = {**dict(BY_NAME[name].params), **({"size": SIZES[name]} if name in SIZES else {})}
    told = tuple((key, str(value)) for key, value in context.items())
    return Step(name, name, ("loops",), 60.0, params(**about), context=told)


def read(name: str) -> bytes:
    return (RAW / f"{name}.out").read_bytes()


def parsed(name: str, **values: object) -> Reading:
    told = tuple((key, str(value)) for key, value in values.items())
    return tee_microcosts.parse(step(RECORDED[name]), RawOutput(stdout=read(name), values=told))


def changed(name: str, line: int = 0, **members: object) -> bytes:
    lines = [json.loads(text) for text in read(name).splitlines()]
    lines[line] |= members
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def by_statistic(reading: Reading, metric: str) -> dict[str, Measurement]:
    return {m.statistic: m for m in reading.measurements if m.metric == f"tee-microcosts.{metric}"}


@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_output_is_read_or_says_why_there_is_nothing(name: str) -> None:
    reading = parsed(name)
    if b"left_out" in read(name):
        assert reading.measurements == ()
        [why] = reading.parameters
        assert why.name == f"left_out.{RECORDED[name]}"
        assert why.value
    else:
        assert {m.status for m in reading.measurements} == {Status.OK}
        damage.check(reading)


def test_mean_and_percentiles_are_those_of_the_blocks_in_seconds() -> None:
    [line] = [json.loads(text) for text in read("cpuid").splitlines()]
    rows = by_statistic(parsed("cpuid"), "exit_latency")
    ordered = sorted(line["samples"])
    assert rows["p50"].value == pytest.approx(ordered[(len(ordered) - 1) // 2] * 1e-9)
    of_all = line["sum_ns"] / (line["blocks"] * line["operations"])
    assert rows["mean"].value == pytest.approx(of_all * 1e-9)
    about = {"exit": "cpuid", "leaf": "0x0", "measured_by": "loop"}
    assert dict(rows["mean"].params) == about
    counted = by_statistic(parsed("cpuid"), "operations")["value"]
    assert counted.value == line["blocks"] * line["operations"]


def test_a_percentile_stands_on_ten_blocks_beyond_it() -> None:
    blocks = len(json.loads(read("ipi"))["samples"])
    found = set(by_statistic(parsed("ipi"), "ipi_latency"))
    assert ("p90" in found, "p99" in found) == (blocks >= 100, blocks >= 1000)


@pytest.mark.parametrize(
    ("name", "metric"),
    [("cpuid", "exit_latency"), ("copy", "copy_bandwidth"), ("read", "block_read_bandwidth")],
)
def test_blocks_have_no_percentile_that_tells_their_length_and_rates_none_that_is_reversed(
    name: str, metric: str
) -> None:
    line = json.loads(read(name))
    many = {"samples": line["samples"][:1] * 2000, "blocks": 2000}
    many["sum_ns"] = 2000 * line["samples"][0] * line["operations"]
    raw = RawOutput(stdout=changed(name, **many))
    found = by_statistic(tee_microcosts.parse(step(RECORDED[name]), raw), metric)
    assert set(found) == {"mean", "p50"}


def test_a_context_switch_is_half_of_the_way_there_and_back() -> None:
    line = json.loads(read("pipe"))
    mean = by_statistic(parsed("pipe"), "context_switch")["mean"].value
    assert mean == pytest.approx(line["sum_ns"] / line["blocks"] / 2 * 1e-9)


def test_bytes_a_second_are_those_of_a_block_over_its_time() -> None:
    line = json.loads(read("copy"))
    mean = by_statistic(parsed("copy"), "copy_bandwidth")["mean"].value
    assert mean == pytest.approx(line["bytes"] * line["blocks"] / line["sum_ns"] * 1e9)


def test_first_touch_fault_and_mapped_page_are_told_apart() -> None:
    reading = parsed("touch-small")
    first, again, mapped = (
        by_statistic(reading, metric)["p50"].value or 0.0
        for metric in ("first_touch", "page_fault", "mapped_touch")
    )
    # A page that is there takes no fault: a tenth of one at the most.
    assert 0 < 10 * mapped < min(first, again)


def test_a_counter_that_contradicts_the_clock_makes_all_rows_suspect_and_says_so() -> None:
    for rate, suspect in ((0.96, False), (0.92, True), (1.08, True)):
        raw = RawOutput(stdout=changed("cpuid", tsc_rate=rate))
        reading = tee_microcosts.parse(step("exit-cpuid"), raw)
        assert {m.status for m in reading.measurements} == {
            Status.SUSPECT if suspect else Status.OK
        }
        assert bool(reading.parameters) == suspect
        deviation = by_statistic(reading, "clock_deviation")["value"].value
        assert deviation == pytest.approx(abs(rate - 1))


@pytest.mark.parametrize(
    ("name", "members", "seen", "why"),
    [
        # Small pages in the place of the huge ones that were asked for.
        ("touch-huge", {"faults": 8 * 512}, {}, "page faults"),
        ("touch-huge", {"huge_bytes": 15 << 20}, {}, "lay in huge pages"),
        ("touch-small", {"huge_bytes": 2 << 20}, {}, "lay in huge pages"),
        ("chase", {"huge_bytes": 8 << 20}, {}, "lay in huge pages"),
        ("cpuid", {"clock_ns": 1e6}, {}, "reading the clock"),
        ("chase", {}, {"size": 64 << 20, "cache": 33 << 20}, "last-level caches"),
        ("copy", {}, {"size": 64 << 20, "cache": 65 << 20}, "last-level caches"),
        ("ipi", {}, {"sent": 100}, "interrupts between CPUs"),
        ("shootdown", {}, {"sent": 10}, "interrupts between CPUs"),
    ],
)
def test_a_loop_that_did_not_do_what_it_was_to_do_is_suspect(
    name: str, members: Mapping[str, Any], seen: Mapping[str, int], why: str
) -> None:
    cost = BY_NAME[RECORDED[name]]
    [one, *_], _ = loops.records(changed(name, **members), name)
    size = SIZES.get(RECORDED[name], 64 << 20)
    assert why in loops.problem(cost, one, Seen(**{"size": size, **seen}))
    [right, *_], _ = loops.records(read(name), name)
    assert loops.problem(cost, right, Seen(size=size, cache=32 << 20, sent=10**6)) == ""


def test_the_counter_may_be_as_far_from_the_clock_as_reading_both_takes() -> None:
    cost = BY_NAME["ipi"]
    short: dict[str, Any] = {"samples": [500.0], "blocks": 1, "sum_ns": 500.0, "operations": 1}
    for timed_ns, fine in ((40.0, True), (5.0, False)):
        data = changed("ipi", **short, timed_ns=timed_ns, tsc_rate=0.9)
        [one], _ = loops.records(data, "ipi")
        assert (loops.problem(cost, one, Seen()) == "") == fine


@pytest.mark.tools
def test_the_first_touch_is_one_pass_over_the_memory_however_long_the_others_go_on(
    made: tuple[Path, Plan],
) -> None:
    for seconds in ("0.001", "0.1"):
        argv = (str(made[0]), "touch", seconds, "0", "0", str(4 << 20), "small")
        found, _ = loops.records(Host().run(argv, timeout_s=30).stdout, "touch-small")
        [first] = [one for one in found if one.loop == "touch-first"]
        assert first.blocks * first.operations == 4 << 20 >> 12
        assert first.huge_bytes == 0


@pytest.mark.parametrize(
    "members",
    [
        {"sum_ns": 1.0},
        {"blocks": 1},
        {"blocks": 0},
        {"samples": []},
        {"samples": [float("nan")]},
        {"samples": [-1.0]},
        {"operations": 10**400},
        {"loop": "syscall"},
        {"loop": "cpuid\n"},
    ],
)
def test_a_line_that_contradicts_itself_is_an_error(members: Mapping[str, Any]) -> None:
    with pytest.raises(SitegenError):
        tee_microcosts.parse(step("exit-cpuid"), RawOutput(stdout=changed("cpuid", **members)))


def test_a_loop_that_ended_badly_or_printed_nothing_or_twice_is_an_error() -> None:
    for raw in (
        RawOutput(stdout=read("cpuid"), exit_code=-11),
        RawOutput(),
        RawOutput(stdout=2 * read("cpuid")),
        RawOutput(stdout=b'{"left_out": 1}\n'),
    ):
        with pytest.raises(SitegenError):
            tee_microcosts.parse(step("exit-cpuid"), raw)


@pytest.mark.parametrize("name", ["cpuid", "touch-small", "copy", "port"])
def test_damaged_output_raises_only_expected_errors(name: str) -> None:
    def one(data: bytes) -> tuple[Reading, ...]:
        return (tee_microcosts.parse(step(RECORDED[name]), RawOutput(stdout=data)),)

    damage.bear(lambda _: True, one, read(name))


def test_the_samples_of_a_loop_are_few_bins_that_hold_all_of_its_blocks() -> None:
    reading = parsed("ipi")
    assert len(reading.samples) <= 60
    assert sum(s.y for s in reading.samples) == len(json.loads(read("ipi"))["samples"])
    middle = by_statistic(reading, "ipi_latency")["p50"].value or 0.0
    assert min(s.x for s in reading.samples) <= middle <= max(s.x for s in reading.samples)


@pytest.mark.tools
def test_every_loop_times_what_it_says_or_says_why_not(
    made: tuple[Path, Plan], tmp_path: Path
) -> None:
    size = str(1 << 24)
    for cost in loops.COSTS:
        how = str(tmp_path / "data") if cost.bytes == "read" else cost.backing or "small"
        extra = (size, how) if cost.bytes else ()
        raw = Host().run((str(made[0]), cost.loop, "0.01", "0", "0", *extra), timeout_s=30)
        assert raw.exit_code == 0, cost.name
        found, why = loops.records(raw.stdout, cost.name)
        assert why or len(loops.checked(cost, found, cost.name)) == len(cost.metrics), cost.name
        for one in found:
            assert one.mean_ns > 0


def test_a_program_is_known_by_its_source_its_compiler_and_the_system() -> None:
    assert loops.program("12.2.0") != loops.program("13.0.0")
    assert loops.digest("12.2.0") == loops.digest("12.2.0") != loops.digest("13.0.0")
    assert Record.__struct_fields__[0] == "loop"
