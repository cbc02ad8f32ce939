"""What pages say of series over time: points, marks, steps, before and after, and their bounds."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from sitegen.analysis.compare import analyse
from sitegen.analysis.history import FactChange
from sitegen.config import Config, Environment
from sitegen.model import (
    Fact,
    Fingerprint,
    Measurement,
    Provenance,
    Run,
    StepRecord,
    TeeVerdict,
    ToolIdentity,
    params,
    run_id,
)
from sitegen.report import changes, history
from sitegen.report.changes import Change
from sitegen.report.history import History
from tests import site_checks as check

SETTINGS = Config(
    root=check.ROOT,
    environments={
        "vm": Environment("vm", "vm", "none", "VM"),
        "cvm": Environment("cvm", "cpu-tee", "tdx", "CVM", baselines={"vm": "vm"}),
    },
)
FIRST = datetime(2026, 3, 1, tzinfo=UTC)


def taken(  # noqa: PLR0913 - what tells runs apart
    label: str,
    day: float,
    value: float = 5000.0,
    *,
    threads: int = 2,
    version: str = "24.09",
    steal: float = 0.0,
    **facts: str,
) -> Run:
    """Return a run of its own boot, so many days after the first."""
    at = f"{FIRST + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}"
    where = params(operation="total", threads=threads)
    machine = {"cpu": "Xeon", "kernel": "Linux 6.8.0-45-generic", **facts}
    tee = TeeVerdict("tdx" if label == "cvm" else "none", confidence="high")
    return Run(
        run_id(at, "7z", f"{label}{day}".encode()),
        "7z",
        label,
        Provenance.COLLECTED,
        at,
        9.0,
        measurements=(Measurement("t", "7z.rating", "value", "MIPS", value, where),),
        steps=(StepRecord("t", "t", 0, (), at, 9.0, 0, conditions=(("steal", steal),)),),
        session=f"{label}{day}",
        boot=f"{label}{day}",
        tool=ToolIdentity("7-Zip", version),
        fingerprint=Fingerprint(tuple(Fact(name, one, "") for name, one in machine.items()), tee),
    )


def over_time(*runs: Run) -> History:
    return history.history_of(analyse(runs, SETTINGS), "7z", runs, {})


def series(label: str, count: int, *, at: int = 999, to: float = 4400.0, **later: Any) -> list[Run]:  # noqa: ANN401 - facts
    """Return runs a week apart, whose value and facts are others from one of them on."""
    noise = random.Random(label)  # noqa: S311 - noise, not a secret
    offset = 0.2 * (label == "cvm")
    return [
        taken(
            label,
            7 * n + offset,
            (to if n >= at else 5000.0) * noise.gauss(1, 0.004),
            **(later if n >= at else {}),
        )
        for n in range(count)
    ]


NEW = "Linux 6.11.0-19-generic"


def test_each_environment_is_a_line_through_its_runs_of_any_age() -> None:
    [one] = over_time(
        taken("vm", 200, 5200.0), taken("vm", 0, 5000.0), taken("cvm", 199, 4000.0)
    ).series
    lines = {line.label: [(p.y, p.about) for p in line.points] for line in one.chart.lines}
    assert lines == {
        "VM": [(5000.0, "2026-03-01 00:00"), (5200.0, "2026-09-17 00:00")],
        "CVM": [(4000.0, "2026-09-16 00:00")],
    }
    assert one.about == "3 runs"


def test_a_point_leads_to_its_run_and_says_when_it_was_taken() -> None:
    runs = [taken("vm", 0), taken("vm", 1)]
    [one] = over_time(*runs).series
    [line] = one.chart.lines
    assert [p.href for p in line.points] == [f"../runs/{run.id}/index.html" for run in runs]
    assert one.chart.sentence(line, line.points[0]) == "VM, 2026-03-01 00:00: 5,000 MIPS"


def test_a_contended_run_is_hollow_with_its_reason() -> None:
    [one] = over_time(taken("vm", 0), taken("vm", 1, steal=0.4), taken("vm", 2)).series
    assert [p.doubt for p in one.chart.lines[0].points] == ["", "contention", ""]


def test_runs_of_one_moment_have_no_history() -> None:
    assert over_time(taken("vm", 0), taken("cvm", 0)) == History(None, (), (), ())


def test_every_headline_series_has_a_chart_of_its_own() -> None:
    runs = [taken("vm", 0), taken("vm", 1), taken("vm", 2, threads=8), taken("vm", 3, threads=8)]
    both = [
        replace(run, measurements=(*run.measurements, *other.measurements))
        for run, other in ((runs[0], runs[2]), (runs[1], runs[3]))
    ]
    found = over_time(*both)
    assert len({one.title for one in found.series}) == 2
    assert found.front is not None
    assert (found.front.title, [one.title for one in found.more]) == (
        found.series[0].title,
        [found.series[1].title],
    )
    assert [one.chart.id for one in found.series] == [
        "history-total-rating-total-2-threads",
        "history-total-rating-total-8-threads",
    ]


def test_a_kernel_that_changed_on_both_sides_is_one_mark() -> None:
    found = over_time(*series("vm", 5, at=3, kernel=NEW), *series("cvm", 5, at=3, kernel=NEW))
    [one] = found.series
    [event] = one.chart.events
    assert event.text == "kernel 6.8 → 6.11, both sides"
    before, after = one.chart.lines[0].points[2:4]
    assert before.x < event.x < after.x
    [change] = found.changes
    assert (change.title, change.text) == ("Kernel 6.8 → 6.11", " (both sides)")
    assert change.facts == ("Kernel: Linux 6.8.0-45-generic → Linux 6.11.0-19-generic",)
    assert change.day == "2026-03-22"


def test_a_kernel_that_changed_on_one_side_is_marked_with_its_name() -> None:
    [one] = over_time(*series("vm", 5), *series("cvm", 5, at=3, kernel=NEW)).series
    assert [event.text for event in one.chart.events] == ["kernel 6.8 → 6.11, CVM"]


def test_a_line_is_broken_at_another_tool_and_marked() -> None:
    [one] = over_time(*series("vm", 4, at=2, to=5000.0, version="26.01")).series
    assert [p.apart for p in one.chart.lines[0].points] == [False, False, True, False]
    assert [event.text for event in one.chart.events] == ["7-Zip 24.09 → 26.01, VM"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("kernel", "6.8.0-45-generic", "6.8.0-47-generic"), "kernel 6.8.0-45 → 6.8.0-47"),
        (("kernel", "Linux 6.8.0", "Linux 6.11.0"), "kernel 6.8 → 6.11"),
        (("microcode", "0x2b", "0x2c"), "microcode 0x2b → 0x2c"),
        (("mitigations", "1a2b", "3c4d"), "mitigations"),
        (("tool", "fio 3.33", "fio 3.36"), "fio 3.33 → 3.36"),
        (("tool", "fio 3.33", "other 1"), "tool fio 3.33 → other 1"),
        (("cpu", "Intel Xeon 1", "AMD Epyc 2"), "processor Intel Xeon 1 → AMD Epyc 2"),
        (("kernel", "6.8", "6.8.1"), "kernel 6.8 → 6.8.1"),
    ],
)
def test_a_change_is_told_as_far_as_versions_tell_apart(
    change: tuple[str, str, str], text: str
) -> None:
    assert changes.worded([FactChange(*change)]) == text


def test_a_step_is_told_with_its_event_and_with_what_its_baseline_did() -> None:
    [one] = over_time(*series("vm", 14), *series("cvm", 14, at=7, kernel=NEW)).series
    [text] = one.sentences
    assert text == (
        "CVM, total rating: Total, 2 threads: 12 % slower since 2026-04-19"
        " (with kernel 6.8 → 6.11); not seen on its baseline."
    )
    before, after = one.chart.levels
    assert (before.hue, after.hue) == ("cpu-tee", "cpu-tee")
    assert before.y == pytest.approx(5000, rel=0.01)
    assert after.y == pytest.approx(4400, rel=0.01)
    assert before.end < after.start


def test_a_step_that_the_baseline_shares_says_so() -> None:
    [one] = over_time(*series("vm", 14, at=7), *series("cvm", 14, at=7)).series
    assert [text.rpartition("; ")[2] for text in one.sentences if "CVM" in text] == [
        "its baseline too."
    ]


def test_a_baseline_with_too_few_runs_tells_nothing() -> None:
    [one] = over_time(*series("vm", 6), *series("cvm", 14, at=7)).series
    assert [text.rpartition("; ")[2] for text in one.sentences] == [
        "its baseline has too few runs to tell."
    ]


def test_a_quiet_series_has_no_step() -> None:
    [one] = over_time(*series("vm", 30), *series("cvm", 30)).series
    assert (one.sentences, one.chart.levels) == ((), ())


def test_before_and_after_an_event_stand_in_a_row() -> None:
    [one] = over_time(*series("vm", 6), *series("cvm", 6, at=3, kernel=NEW)).series
    [row] = one.rows
    assert (row.platform.name, row.event, row.day) == ("CVM", "kernel 6.8 → 6.11", "2026-03-22")
    assert row.counts == ("3 boots", "3 boots")
    assert row.effect == "+12.0\N{NO-BREAK SPACE}%"
    low, high = (
        float(end.strip("+ %\N{NO-BREAK SPACE}").replace("−", "-"))
        for end in row.interval.split(" to ")
    )
    assert low < 12 < high


def test_a_page_does_not_grow_with_the_archive() -> None:
    found = over_time(*series("vm", 150), *series("cvm", 150))
    [many], front = found.series, found.front
    assert front is not None
    assert [len(line.points) for line in many.chart.lines] == [42, 42]
    assert [len(line.points) for line in front.chart.lines] == [18, 18]
    assert many.about == "300 runs; 84 drawn, fewer of the older"
    points = many.chart.lines[0].points
    assert (points[0].about[:10], points[-1].about[:10]) == ("2026-03-01", "2029-01-07")
    gaps = [b.x - a.x for a, b in pairwise(points)]
    assert max(gaps[-20:]) == pytest.approx(7, abs=0.01)
    assert max(gaps[:20]) > 14
    assert len(many.chart.x_ticks) <= 8


def test_one_line_has_sixty_points_at_the_most() -> None:
    [one] = over_time(*series("vm", 70)).series
    assert [len(line.points) for line in one.chart.lines] == [60]


def test_events_are_bounded_and_the_newest_stay() -> None:
    runs = [taken("vm", 7 * n, kernel=f"Linux 6.{n}.0") for n in range(40)]
    found = over_time(*runs)
    [one] = found.series
    assert len(one.chart.events) == 8
    assert one.chart.events[-1].text == "kernel 6.38 → 6.39, VM"
    assert (len(found.listed), len(one.rows)) == (6, 12)
    assert found.listed[0].title == "Kernel 6.38 → 6.39"


def test_a_break_among_runs_that_are_not_drawn_is_drawn() -> None:
    runs = [taken("vm", n, version="1" if n < 31 else "2") for n in range(200)]
    [one] = over_time(*runs).series
    assert sum(point.apart for point in one.chart.lines[0].points) == 1


@pytest.mark.parametrize(
    ("days", "ticks", "title"),
    [
        ((0, 1.5, 9), ["1 Mar", "2 Mar", "10 Mar"], "2026"),
        ((0, 0.25), ["00:00", "06:00"], "1 Mar 2026, UTC"),
        ((0, 400), ["Mar 2026", "Apr 2027"], "2026 to 2027"),
    ],
)
def test_ticks_are_as_precise_as_the_time_is_long(
    days: tuple[float, ...], ticks: list[str], title: str
) -> None:
    [one] = over_time(*(taken("vm", day) for day in days)).series
    assert [text for _, text in one.chart.x_ticks] == ticks
    assert one.chart.x_title == title


def test_one_change_that_several_benchmarks_saw_is_told_once() -> None:
    def change(benchmark: str, at: str) -> Change:
        return Change(
            at, benchmark, f"{benchmark}/{at}", "Kernel", " (VM)", "r", ("Kernel: 1 → 2",)
        )

    step = Change("2026-03-03T00:00:00Z", "7z", "7z/step", "VM: 5 % slower", "", "r")
    found = changes.merged(
        [change("fio", "2026-03-01T09:00:00Z"), step, change("7z", "2026-03-01T08:00:00Z")]
    )
    assert [one.benchmark for one in found] == ["7z", "7z"]
    assert [one.title for one in found] == ["VM: 5 % slower", "Kernel"]


def test_runs_with_other_settings_are_named() -> None:
    other = replace(taken("vm", 0), provenance=Provenance.IMPORTED)
    found = over_time(other, taken("vm", 1), taken("vm", 2))
    assert found.notes == ("1 run of VM with other settings than those of today",)


def test_no_step_is_told_across_another_tool() -> None:
    old = series("vm", 24, at=12)
    new = [
        taken("vm", 7 * n + 300, value * noise, version="25.00")
        for n, (value, noise) in enumerate(
            zip([5000.0] * 12 + [4400.0] * 12, [1.0, 1.004, 0.997, 1.002] * 6, strict=True)
        )
    ]
    steps = [one.text for one in over_time(*old, *new).changes if "since" in one.text]
    assert len(steps) == 2
    assert not any("25.00" in text for text in steps)
