"""What the client's own stalls do to its stamps, and that they are seen for what they are."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from collectors.llm import measures
from collectors.llm.lateness import Pulse
from sitegen.model import Status
from tests.collectors.llm.peer import DONE, Answer, Peer, Server, chat, finish, usage

ROOT = Path(__file__).parents[3]
TICK, STALL = 5_000_000, 0.3


def stalled() -> tuple[Pulse, int]:
    """Return a pulse that saw one stall of 30 ms or more, and when that was over."""
    pulse = Pulse()
    time.sleep(0.03)
    pulse.look()
    return pulse, pulse.seen


def test_a_stall_counts_for_each_time_that_the_timer_should_have_fired() -> None:
    pulse, _ = stalled()
    assert len(pulse.late) >= 5
    assert {one - other for one, other in zip(pulse.late, pulse.late[1:], strict=False)} == {TICK}
    assert 0 <= pulse.late[-1] < TICK
    pulse.look()
    assert pulse.late[-1] == 0


def test_what_is_read_in_a_stall_may_have_come_when_that_began() -> None:
    pulse, end = stalled()
    sent = end - 1_000_000_000
    late = pulse.of(sent, sent + 1, [end - 900_000_000, end - 100_000, end - 50_000, end + TICK])
    assert late.sent == 0
    assert [place for place, _ in late.stamps] == [1, 2]
    by = dict(late.stamps)
    assert by[2] - by[1] == 50_000
    assert 20_000_000 < by[1] < 1_000_000_000
    # Before it was out nothing of it can have come.
    assert pulse.of(end - 200_000, end - 150_000, [end - 100_000]).stamps == ((0, 50_000),)


def test_a_request_that_was_being_sent_in_a_stall_was_sent_late() -> None:
    pulse, end = stalled()
    assert pulse.of(end - 2_000_000, end + 9, [end + TICK]).sent == 2_000_000
    assert pulse.of(end + 1, end + 9, [end + TICK]) == (0, ())
    assert pulse.of(end - 9, None, []) == (0, ())


def test_a_client_that_is_busy_sees_itself_late() -> None:
    async def both() -> Pulse:
        pulse = Pulse()
        watching = asyncio.create_task(pulse.watch())
        await asyncio.sleep(0.02)
        time.sleep(0.1)  # noqa: ASYNC251 - what no client should do
        await asyncio.sleep(0.02)
        watching.cancel()
        return pulse

    assert max(asyncio.run(both()).late) > 80_000_000


def held_up(served: Callable[[Answer], Server], pauses: tuple[float, ...]) -> measures.Load:
    """Return the load of a client that is stopped before an event and goes on after each pause."""
    processes: list[subprocess.Popen[bytes]] = []
    truth: list[float] = []

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(chat(role="assistant", content=None))
        for pause in pauses:
            await asyncio.sleep(0.1)
            if pause:
                os.kill(processes[0].pid, signal.SIGSTOP)
                await asyncio.sleep(0.02)
            truth.append(time.perf_counter() - peer.received_s)
            await peer.send(chat(content="a"))
            if pause:
                await asyncio.sleep(pause)
                os.kill(processes[0].pid, signal.SIGCONT)
        await peer.send(finish() + usage(len(pauses)) + DONE)
        await peer.end()

    server = served(script)
    argv = [sys.executable, "-m", "collectors.llm.client", "--url", server.url]
    argv += ["--api", "openai-chat", "--model", "m", "--concurrency", "1", "--requests", "1"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE) as process:
        processes.append(process)
        out, _ = process.communicate(timeout=60)
    load = measures.read(out)
    [one] = load.ok
    assert one.earliest.ttft_s is not None
    assert one.ttft_s is not None
    # Sent before it was received; the loop's timer rounds up to a millisecond.
    assert one.earliest.ttft_s - 0.02 < truth[0] < one.ttft_s + 0.02
    return load


def status(load: measures.Load, metric: str) -> str:
    rows = measures.record(load, "w", ()).measurements
    return next(r.status for r in rows if (r.metric, r.statistic) == (metric, "mean"))


def test_a_first_token_that_waited_for_a_client_at_rest_is_suspect(
    served: Callable[[Answer], Server],
) -> None:
    load = held_up(served, (STALL, 0, 0))
    [one] = load.ok
    late = dict(one.late_s)
    assert late[0] + 0.02 >= STALL
    assert status(load, "llm.ttft") == Status.SUSPECT
    assert load.end is not None
    assert (load.end.lag_max_s or 0) > STALL / 2
    assert (load.end.lag_mean_s or 0) > STALL / 10
    said = measures.remarks(load, None, "m")
    assert "1 of 1 answers more than a tenth too late" in said["client-late"]


def test_a_stall_makes_late_what_came_in_it_and_nothing_else(
    served: Callable[[Answer], Server],
) -> None:
    [one] = held_up(served, (0, STALL, 0)).ok
    late = dict(one.late_s)
    assert late[1] > STALL / 2
    assert max(late.get(0, 0.0), late.get(2, 0.0)) < STALL / 2
