"""What the other programs print, and when they and a loop contradict each other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from collectors import tee_microcosts
from collectors.tee_microcosts import second
from collectors.tee_microcosts.loops import BY_NAME
from collectors.tee_microcosts.second import Figures
from sitegen.collect import RawOutput, Reading, Recorder, Step
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Status, params
from tests.collectors import damage

RAW = Path(__file__).parents[2] / "raw" / "tee-microcosts"
READ: dict[str, Callable[[str], Figures]] = {
    "perf-syscall.out": second.perf_time,
    "perf-pipe.out": second.perf_switch,
    "perf-copy.out": second.perf_copy,
    "cyclictest.out": second.cyclictest,
    "stress-fault.err": second.stress_fault,
    "likwid-copy.out": second.likwid_copy,
    "dd.err": second.dd_read,
}


def text(name: str) -> str:
    return (RAW / name).read_text()


def printed(form: str, name: str) -> float:
    match = re.search(form, text(name))
    assert match is not None
    return float(match[1])


def test_each_program_gives_the_number_that_it_prints_in_base_units() -> None:
    for name, form, factor in (
        ("perf-syscall.out", r"([\d.]+) usecs/op", 1e-6),
        ("perf-pipe.out", r"([\d.]+) usecs/op", 0.5e-6),
        ("perf-copy.out", r"([\d.]+) GB/sec", 2.0**30),
        ("cyclictest.out", r'"avg": ([\d.]+)', 1e-6),
        ("stress-fault.err", r"([\d.]+) nanosecs per page fault", 1e-9),
        ("likwid-copy.out", r"MByte/s:\s+([\d.]+)", 0.5e6),
    ):
        assert READ[name](text(name))["mean"] == pytest.approx(printed(form, name) * factor), name
    moved, seconds = printed(r"(\d+) bytes", "dd.err"), printed(r"copied, ([\d.]+) s", "dd.err")
    assert second.dd_read(text("dd.err"))["mean"] == pytest.approx(moved / seconds)


def test_the_median_of_cyclictest_is_the_bin_in_which_half_of_its_cycles_have_passed() -> None:
    figures = second.cyclictest(text("cyclictest.out"))
    bins = re.findall(r"^\s+\"(\d+)\": (\d+)", text("cyclictest.out"), re.MULTILINE)
    cycles, middle = printed(r'"cycles": (\d+)', "cyclictest.out"), figures["p50"] * 1e6
    below = sum(int(n) for value, n in bins if int(value) < round(middle))
    at_most = sum(int(n) for value, n in bins if int(value) <= round(middle))
    assert below < cycles / 2 <= at_most


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("perf-pipe.out", r"\d+ ops/sec", "12 ops/sec"),
        ("perf-pipe.out", r"Executed \d+", "Executed 12"),
        ("perf-pipe.out", r"Total time: [\d.]+", "Total time: 900.000"),
        ("perf-syscall.out", r"usecs/op", "msecs/op"),
        ("perf-copy.out", r"GB/sec", "GB"),
        ("cyclictest.out", r'"avg": [\d.]+', '"avg": 1e6'),
        ("cyclictest.out", r'"cycles": \d+', '"cycles": 3'),
        ("cyclictest.out", r'"thread": \{', '"threads": {'),
        ("stress-fault.err", r"nanosecs", "microsecs"),
        ("likwid-copy.out", r"MByte/s", "GByte/s"),
        ("dd.err", r"copied, [\d.]+ s", "copied, 0 s"),
    ],
)
def test_another_unit_or_a_contradiction_is_an_error(name: str, old: str, new: str) -> None:
    hurt = re.sub(old, new, text(name))
    assert hurt != text(name)
    with pytest.raises(SitegenError):
        READ[name](hurt)


@pytest.mark.parametrize("name", READ)
def test_damaged_output_raises_only_expected_errors(name: str) -> None:
    def read(data: bytes) -> tuple[Reading, ...]:
        recorder = Recorder()
        for statistic, value in READ[name](data.decode("utf-8", "replace")).items():
            recorder.put(Measurement("w", "tee-microcosts.x", statistic, "s", value))
        return (recorder.reading(),)

    damage.bear(lambda _: True, read, text(name).encode())


def beside(step: str, loop: str, way: str, said: str, code: str = "0") -> Reading:
    """Return what a step comes to whose other way printed this."""
    planned = Step(step, step, ("loops",), 60.0, BY_NAME[step].params)
    raw = RawOutput(
        stdout=(RAW / loop).read_bytes(),
        files={f"{way.replace(' ', '-')}.out": said.encode()},
        values=((f"{way} exit", code),),
    )
    return tee_microcosts.parse(planned, raw)


def statuses(reading: Reading, metric: str) -> dict[str, str]:
    return {
        dict(m.params)["measured_by"]: m.status
        for m in reading.measurements
        if m.metric == f"tee-microcosts.{metric}" and m.statistic == "mean"
    }


def perf(us: float) -> str:
    """Return what perf prints of 20000 operations of so many microseconds each."""
    total = us * 20000 / 1e6
    return (
        "# Executed 20000 pipe operations between two processes\n\n"
        f"     Total time: {total:.3f} [sec]\n\n  {us:.6f} usecs/op\n  {1e6 / us:.0f} ops/sec\n"
    )


def test_two_ways_that_agree_are_two_series_and_two_that_do_not_are_both_suspect() -> None:
    planned = Step("context-switch", "context-switch", ("loops",), 60.0, params(mechanism="pipe"))
    alone = tee_microcosts.parse(planned, RawOutput(stdout=(RAW / "pipe.out").read_bytes()))
    own = {
        m.statistic: 1e6 * (m.value or 0.0)
        for m in alone.measurements
        if m.metric == "tee-microcosts.context_switch"
    }
    low, high = sorted((own["p50"], own["mean"]))
    for half, status in (
        (low / 1.2, Status.OK),
        ((low + high) / 2, Status.OK),
        (high * 1.2, Status.OK),
        (low / 1.3, Status.SUSPECT),
        (high * 1.3, Status.SUSPECT),
    ):
        reading = beside("context-switch", "pipe.out", "perf bench", perf(2 * half))
        assert statuses(reading, "context_switch") == {"loop": status, "perf bench": status}
        assert [p.name for p in reading.parameters] == ["suspect.context-switch"] * (
            status == Status.SUSPECT
        )


@pytest.mark.parametrize(("us", "status"), [(1, Status.OK), (2, Status.OK), (4, Status.SUSPECT)])
def test_whole_microseconds_may_be_off_by_one_of_them(us: int, status: Status) -> None:
    line = json.loads((RAW / "timer.out").read_text())
    line |= {"samples": [900.0] * 3, "blocks": 3, "sum_ns": 2700.0, "clock_ns": 20.0}
    said = {"thread": {"0": {"histogram": {us: 9}, "cycles": 9, "min": us, "avg": us, "max": us}}}
    planned = Step("timer", "timer", ("loops",), 60.0)
    raw = RawOutput(
        stdout=json.dumps(line).encode(),
        files={"cyclictest.out": json.dumps(said).encode()},
        values=(("cyclictest exit", "0"),),
    )
    reading = tee_microcosts.parse(planned, raw)
    assert statuses(reading, "timer_lateness") == {"loop": status, "cyclictest": status}


def test_a_program_that_measures_something_near_doubts_nothing() -> None:
    reading = beside("touch-small", "touch-small.out", "stress-ng", text("stress-fault.err"))
    assert statuses(reading, "page_fault") == {"loop": Status.OK, "stress-ng": Status.OK}
    files = [dict(m.params) for m in reading.measurements if ("backing", "file") in m.params]
    assert [each["measured_by"] for each in files] == ["stress-ng"]


def test_a_program_that_fails_costs_its_own_figure_only_and_says_so() -> None:
    for said, code in (("", "1"), ("perf: not for you\n", "129"), ("nonsense", "0")):
        reading = beside("context-switch", "pipe.out", "perf bench", said, code)
        assert statuses(reading, "context_switch") == {"loop": Status.OK}
        [why] = reading.parameters
        assert why.name == "left_out.context-switch"
        assert why.value.startswith("perf bench: ")
