"""Runs of an environment in the order of time: which, what changed, and before and after."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from sitegen.analysis import history
from sitegen.analysis.compare import Analysis, analyse
from sitegen.analysis.history import FactChange, Timeline
from sitegen.config import Config, Environment
from sitegen.fingerprint.facts import EVENTS, FACTS, KEPT
from sitegen.model import (
    Comparability,
    Fact,
    Fingerprint,
    Measurement,
    Parameter,
    Provenance,
    Remark,
    RemarkKind,
    Run,
    Series,
    Status,
    StepRecord,
    TeeVerdict,
    ToolIdentity,
    params,
    run_id,
)
from tests import site_checks as check

SETTINGS = Config(root=check.ROOT, environments={"vm": Environment("vm", "vm", "none", "VM")})
WHERE = params(operation="total", threads=2)
SERIES = Series("7z", "t", "7z.rating", "value", WHERE)
FIRST = datetime(2026, 3, 1, tzinfo=UTC)


def taken(  # noqa: PLR0913 - what tells runs apart
    day: int,
    value: float = 5000.0,
    *,
    status: Status = Status.OK,
    version: str = "24.09",
    steal: float = 0.0,
    more: dict[str, Any] | None = None,
    **facts: str,
) -> Run:
    """Return a run of its own boot, on a day, with these facts of its machine."""
    at = f"{FIRST + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}"
    step = StepRecord("t", "t", 0, ("7zz",), at, 9.0, 0, conditions=(("steal", steal),))
    machine = {"cpu": "Xeon", "kernel": "6.8.0-45", **facts}
    run = Run(
        run_id(at, "7z", f"{day}".encode()),
        "7z",
        "vm",
        Provenance.COLLECTED,
        at,
        9.0,
        measurements=(Measurement("t", "7z.rating", "value", "MIPS", value, WHERE, 0, status),),
        steps=(step,),
        session=f"s{day}",
        boot=f"b{day}",
        tool=ToolIdentity("7-Zip", version),
        parameters=(
            Parameter("tool_version", version, Comparability.MUST_MATCH),
            Parameter("engine", "a", Comparability.MUST_MATCH),
        ),
        fingerprint=Fingerprint(
            tuple(Fact(name, one, "") for name, one in machine.items()), TeeVerdict("none")
        ),
    )
    return replace(run, **(more or {}))


def seen(*runs: Run, gone: dict[str, str] | None = None) -> tuple[Analysis, Timeline]:
    analysis = analyse(runs, SETTINGS)
    return analysis, history.timeline(analysis, "vm", runs, gone or {})


def days(line: Timeline) -> list[int]:
    return [round((at - FIRST.timestamp()) / 86_400) for at in line.at]


def test_runs_of_any_age_stand_in_the_order_of_time() -> None:
    _, line = seen(taken(300), taken(0), taken(200))
    assert days(line) == [0, 200, 300]


@pytest.mark.parametrize(
    "more",
    [
        {"complete": False},
        {"preset": "quick"},
        {"remarks": (Remark(RemarkKind.WITHDRAWN, "2026-03-09T00:00:00Z", "wrong disk"),)},
    ],
)
def test_runs_that_may_not_stand_are_left_out(more: dict[str, Any]) -> None:
    _, line = seen(taken(0), taken(1, more=more), taken(2))
    assert days(line) == [0, 2]


def test_a_superseded_run_is_left_out() -> None:
    old = taken(0)
    assert days(seen(old, taken(1), gone={old.id: "newer"})[1]) == [1]


def test_runs_with_other_settings_are_counted_and_left_out() -> None:
    other = (Parameter("engine", "b", Comparability.MUST_MATCH),)
    _, line = seen(taken(0, more={"parameters": other}), taken(1), taken(2))
    assert (days(line), line.otherwise) == ([1, 2], 1)


def test_facts_that_change_at_one_run_are_one_event() -> None:
    _, line = seen(
        taken(0, microcode="0x1"), taken(1, kernel="6.11.0-19", microcode="0x2"), taken(2)
    )
    [event, back] = line.events
    assert event.place == 1
    assert {*event.changes} == {
        FactChange("kernel", "6.8.0-45", "6.11.0-19"),
        FactChange("microcode", "0x1", "0x2"),
    }
    assert not event.apart
    # The last run does not show its microcode: that is no change.
    assert back.changes == (FactChange("kernel", "6.11.0-19", "6.8.0-45"),)


def test_a_fact_that_a_run_does_not_show_is_compared_with_the_last_that_did() -> None:
    _, line = seen(taken(0, microcode="0x1"), taken(1), taken(2, microcode="0x2"))
    assert [(event.place, event.changes[0].before) for event in line.events] == [(2, "0x1")]


def test_what_is_no_event_is_none() -> None:
    assert seen(taken(0, governor="powersave"), taken(1, governor="performance"))[1].events == ()


def test_the_index_keeps_every_fact_that_is_an_event() -> None:
    assert {*EVENTS} <= KEPT
    assert {"kernel", "microcode", "mitigations", "gpu_driver", "gpu_firmware"} <= {*EVENTS}
    assert all(FACTS[name].event for name in EVENTS)


@pytest.mark.parametrize(
    ("more", "apart"), [({"cpu": "Epyc"}, True), ({"version": "26.01"}, True), ({}, False)]
)
def test_another_machine_or_tool_parts_the_line(more: dict[str, Any], apart: bool) -> None:  # noqa: FBT001 - as the table has it
    _, line = seen(taken(0), taken(1, **{"kernel": "6.9.0", **more}))
    assert [event.apart for event in line.events] == [apart]
    assert [len(part) for part in line.stretches()] == ([1, 1] if apart else [2])


def test_a_contended_run_and_a_suspect_one_are_doubted_and_the_others_are_not() -> None:
    analysis, line = seen(taken(0), taken(1, steal=0.3), taken(2, status=Status.SUSPECT), taken(3))
    [found] = history.readings(analysis, line, [SERIES])
    assert [one.place for one in found] == [0, 1, 2, 3]
    doubts = [one.doubt for one in found]
    assert doubts[1] == "contention"
    assert (doubts[0], bool(doubts[2]), doubts[3]) == ("", True, "")


def test_a_contended_run_outside_the_window_is_doubted_too() -> None:
    analysis, line = seen(taken(0, steal=0.3), taken(1), taken(300))
    [found] = history.readings(analysis, line, [SERIES])
    assert [one.doubt for one in found] == ["contention", "", ""]


def stepped(*, at: int, count: int, **later: Any) -> list[Run]:  # noqa: ANN401 - facts and values
    noise = random.Random(3)  # noqa: S311 - noise, not a secret
    return [
        taken(
            n, (4500.0 if n >= at else 5000.0) * noise.gauss(1, 0.004), **(later if n >= at else {})
        )
        for n in range(count)
    ]


def test_levels_stand_between_the_steps_of_a_series() -> None:
    analysis, line = seen(*stepped(at=7, count=14))
    [found] = history.readings(analysis, line, [SERIES])
    before, after = history.levels(line, found, analysis.metric("7z.rating"))
    assert (before.start, before.end, after.start, after.end) == (0, 6, 7, 13)
    assert before.value == pytest.approx(5000, rel=0.01)
    assert after.value == pytest.approx(4500, rel=0.01)


def test_what_was_not_set_up_anew_counts_once() -> None:
    # Seven boots of two runs each are seven values: too few for a step.
    runs = [
        replace(run, boot=f"b{n // 2}", session=f"s{n // 2}")
        for n, run in enumerate(stepped(at=8, count=14))
    ]
    analysis, line = seen(*runs)
    [found] = history.readings(analysis, line, [SERIES])
    assert history.levels(line, found, analysis.metric("7z.rating")) == ()
    assert not history.enough(line, found)


def test_no_step_is_looked_for_across_another_tool() -> None:
    analysis, line = seen(*stepped(at=7, count=14, version="26.01"))
    [found] = history.readings(analysis, line, [SERIES])
    assert history.levels(line, found, analysis.metric("7z.rating")) == ()


def test_runs_before_and_after_an_event_are_compared_as_everything_else() -> None:
    analysis, line = seen(*stepped(at=4, count=8, kernel="6.11.0-19"))
    [found] = history.readings(analysis, line, [SERIES])
    [(event, pair)] = history.around(analysis, line, found, SERIES)
    assert event.changes[0].name == "kernel"
    assert pair.factor == pytest.approx(5000 / 4500, rel=0.01)
    assert pair.interval is not None
    assert pair.factor is not None
    assert 1.08 < pair.interval.low < pair.factor < pair.interval.high < 1.15
    assert (pair.stands_on.level, pair.stands_on.baseline, pair.stands_on.side) == ("boot", 4, 4)
    assert pair.verdict == ""


def test_before_and_after_reach_from_event_to_event_without_doubtful_runs() -> None:
    kernels = ["6.5.0"] * 3 + ["6.8.0"] * 3 + ["6.11.0"] * 2
    runs = [taken(n, steal=0.4 * (n == 4), kernel=kernel) for n, kernel in enumerate(kernels)]
    analysis, line = seen(*runs)
    [found] = history.readings(analysis, line, [SERIES])
    pairs = [pair for _, pair in history.around(analysis, line, found, SERIES)]
    assert [(len(p.baseline.runs), len(p.side.runs)) for p in pairs] == [(3, 2), (2, 2)]


def test_another_machine_is_not_compared_and_another_tool_is() -> None:
    for more, count in (({"cpu": "Epyc"}, 0), ({"version": "26.01"}, 1)):
        analysis, line = seen(*stepped(at=4, count=8, **more))
        [found] = history.readings(analysis, line, [SERIES])
        assert len([*history.around(analysis, line, found, SERIES)]) == count


def test_stretches_hold_every_run_once() -> None:
    _, line = seen(*(taken(n, cpu=f"Xeon {n // 3}") for n in range(9)))
    parts = [*line.stretches()]
    assert [place for part in parts for place in part] == [*range(9)]
    assert all(a.stop == b.start for a, b in pairwise(parts))
