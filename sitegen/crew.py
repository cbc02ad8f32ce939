"""Work in parts, shared by the cores that are free: this process does some, forks of it the rest.

A fork has all that this process has and hands back only what its parts give. One that ends
without (an error, no memory, killed) leaves its parts to this process, which raises what they
raise.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import Generic, Self, TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")
#: More processes than these find no work that would pay for them.
_MOST = 8
_PLACE_BYTES = 4


def parts_of(items: Sequence[Part], size: int) -> list[Sequence[Part]]:
    """Return ``items`` in parts of at most ``size``."""
    return [items[start : start + size] for start in range(0, len(items), size)]


class Crew(Generic[Part, Result]):
    """Processes that do ``work`` on one part after another while this one does something else."""

    def __init__(
        self, work: Callable[[Part], Result], parts: Sequence[Part], *, alone: bool = False
    ) -> None:
        """Begin; ``alone`` leaves all parts to this process."""
        self.work, self.parts = work, parts
        self._children: list[tuple[int, int]] = []  # process id, where its results are read
        self._places = -1  # a pipe with the places of the parts that nobody has taken
        free = 1 if alone or sys.platform != "linux" else len(os.sched_getaffinity(0))
        more = min(free, _MOST, len(parts)) - 1
        # A system that has no room for another process leaves all to this one.
        with contextlib.suppress(OSError):
            if more > 0:
                self._places, write = os.pipe()
                with os.fdopen(write, "wb") as pipe:
                    pipe.write(b"".join(map(_encoded, range(len(parts)))))
            for _ in range(more):
                self._fork()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._places >= 0:
            os.close(self._places)
        for child, results in self._children:
            os.close(results)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def results(self) -> list[Result]:
        """Do what parts are left, and return what each part gave, in their order."""
        done = dict(self._done()) if self._children else {}
        while self._children:
            child, results = self._children[0]
            with os.fdopen(results, "rb") as pipe:
                data = pipe.read()
            self._children.pop(0)
            os.waitpid(child, 0)
            with contextlib.suppress(EOFError, pickle.UnpicklingError):
                done |= pickle.loads(data)  # noqa: S301 - a fork of this process wrote it
        return [
            done[place] if place in done else self.work(part)
            for place, part in enumerate(self.parts)
        ]

    def _done(self) -> Iterator[tuple[int, Result]]:
        """Do parts until none is left that another has not taken."""
        while place := os.read(self._places, _PLACE_BYTES):
            number = int.from_bytes(place, "big")
            yield number, self.work(self.parts[number])

    def _fork(self) -> None:
        results, write = os.pipe()
        parent = os.getpid()
        try:
            child = os.fork()
        except OSError:
            os.close(results)
            os.close(write)
            raise
        if child:
            os.close(write)
            self._children.append((child, results))
            return
        try:
            # Whoever interrupts this process interrupts its forks, and it ends them itself.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            gc.disable()
            done = dict[int, Result]()
            with contextlib.suppress(Exception):  # it is met again where the part is done again
                done.update(takewhile(lambda _: os.getppid() == parent, self._done()))
            with os.fdopen(write, "wb") as pipe:
                pickle.dump(done, pipe, pickle.HIGHEST_PROTOCOL)
        finally:
            os._exit(0)


def _encoded(place: int) -> bytes:
    return place.to_bytes(_PLACE_BYTES, "big")
