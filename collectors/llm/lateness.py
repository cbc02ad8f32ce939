"""When the load client stood still, and which of its stamps are late by that.

A timer of 5 ms that fires late shows it: whatever came meanwhile waited in the socket. A stall
counts for as long as it lasts, not as one late timer: one reading for each time that the timer
should have fired in it.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

_TICK_NS: Final = 5_000_000
#: The event loop rounds its timers up to a whole millisecond: less than that is no lag.
_TIMER_NS: Final = 1_000_000
#: After a stall the timer may fire some rounds of the loop before the last of what waited is read.
_ROUNDS: Final = 3
_clock = time.perf_counter_ns


class Late(NamedTuple):
    """By how much, at most, each stamp that may be late is late; in ns, by the stamp's place."""

    sent: int
    stamps: tuple[tuple[int, int], ...]


ON_TIME: Final = Late(0, ())


class Pulse:
    """Watches the event loop that it runs in."""

    def __init__(self) -> None:
        """Watch from now on."""
        self.late: list[int] = []  # how late the timer was, or would have been
        self.seen = _clock()  # until when all is known
        self._begins: list[int] = []
        self._ends: list[int] = []

    async def watch(self) -> None:
        """Look every 5 ms until cancelled."""
        while True:
            await asyncio.sleep(_TICK_NS / 1e9)
            late = self._lateness()
            if late > _TIMER_NS:
                for _ in range(_ROUNDS):
                    await asyncio.sleep(0)
            self.look(late)

    def look(self, late: int | None = None) -> None:
        """Note that all that came before now is read, and how late it may have been."""
        late = self._lateness() if late is None else late
        self.late.extend(range(max(late, 0), -1, -_TICK_NS))
        now = _clock()
        if late > _TIMER_NS:
            self._begins.append(self.seen + _TICK_NS + _TIMER_NS)
            self._ends.append(now)
        self.seen = now

    def _lateness(self) -> int:
        return _clock() - self.seen - _TICK_NS

    def of(self, sent: int, written: int | None, stamps: Sequence[int]) -> Late:
        """Return how late a request may have been sent, and its events read.

        It was to be sent at ``sent`` and was out at ``written``. What is read right after a stall
        may have come when that began.
        """
        begins, ends = self._begins, self._ends
        first = bisect_left(ends, sent)
        if first == len(ends):
            return ON_TIME
        out = written or sent
        sent_late = sum(
            max(min(ends[place], out) - max(begins[place], sent), 0)
            for place in range(first, bisect_left(begins, out))
        )
        late = []
        for at, stamp in enumerate(stamps):
            place = bisect_left(begins, stamp) - 1
            if place >= first and stamp <= ends[place] + _TIMER_NS:
                late.append((at, stamp - max(begins[place], out)))
        return Late(sent_late, tuple(late))
