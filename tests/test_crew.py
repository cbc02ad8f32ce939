"""Parts are done once each, by whom there is, and whoever fails leaves nothing behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sitegen.crew import Crew, parts_of
from sitegen.errors import SitegenError

PARTS = [range(start, start + 3) for start in range(0, 99, 3)]


@pytest.fixture(autouse=True)
def _four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))


def children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


def total(part: range) -> tuple[int, int]:
    return sum(part), os.getpid()


@pytest.mark.parametrize("alone", [False, True])
def test_results_stand_in_the_order_of_the_parts(*, alone: bool) -> None:
    with Crew(total, PARTS, alone=alone) as crew:
        results = crew.results()
    assert [each for each, _ in results] == [sum(part) for part in PARTS]
    assert not alone or {process for _, process in results} == {os.getpid()}
    assert not children()


def test_forks_take_parts_while_this_process_does_something_else() -> None:
    with Crew(total, PARTS) as crew:
        for child, _ in list(crew._children):  # noqa: SLF001 - the others are to be done first
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        results = crew.results()
    assert os.getpid() not in {process for _, process in results}


def test_parts_of_a_fork_that_is_killed_are_done_here() -> None:
    here = os.getpid()

    def work(part: range) -> tuple[int, int]:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return total(part)

    with Crew(work, PARTS) as crew:
        assert crew.results() == [(sum(part), here) for part in PARTS]


def test_what_a_part_raises_is_raised_here_and_no_fork_stays() -> None:
    def work(part: range) -> int:
        if 50 in part:
            raise SitegenError("is wrong", where="50")
        return sum(part)

    with pytest.raises(SitegenError, match="50: is wrong"), Crew(work, PARTS) as crew:
        crew.results()
    assert not children()


def test_no_fork_stays_when_this_process_fails_at_something_else() -> None:
    with pytest.raises(KeyboardInterrupt), Crew(total, PARTS):
        raise KeyboardInterrupt
    assert not children()


def test_without_room_for_a_process_all_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refuse)
    descriptors = Path("/proc/self/fd")
    open_before = len([*descriptors.iterdir()])
    with Crew(total, PARTS) as crew:
        assert len(crew.results()) == len(PARTS)
    assert len([*descriptors.iterdir()]) == open_before


def test_parts_hold_all_items_in_their_order() -> None:
    assert parts_of("abcdefg", 3) == ["abc", "def", "g"]
    assert parts_of("", 3) == []
