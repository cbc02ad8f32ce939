"""Runs that what is made of all runs fails on are set aside by name, and the rest is made.

Values are checked at every door; this is for what gets past all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec import Struct

from sitegen.errors import SitegenError
from sitegen.model import AnyRun

#: With more than so many it is no matter of runs.
MOST = 25
Made = TypeVar("Made")


class Unmade(SitegenError):  # noqa: N818 - says what came of it
    """What was made is not whole, by no mistake that a user could mend in his settings."""


class SetAside(Struct, frozen=True):
    """A run on which something failed, and how."""

    run: AnyRun
    reason: str


def without_failing(
    runs: Sequence[AnyRun],
    make: Callable[[Sequence[AnyRun], Sequence[SetAside]], Made],
    trial: Callable[[Sequence[AnyRun]], object],
) -> tuple[Made, tuple[SetAside, ...]]:
    """Return what ``make`` gives for ``runs``, less those that it fails on, and these.

    ``trial`` fails on the same runs as ``make`` and leaves nothing behind. The run with which it
    begins to fail is found by halves; that run is set aside, and ``make`` tried again. Raises
    what ``make`` raised where that is a user's mistake, a package that is not installed, or fails
    without any run too.
    """
    left, aside = list(runs), list[SetAside]()
    while True:
        try:
            return make(left, aside), tuple(aside)
        except (OSError, MemoryError, ModuleNotFoundError):
            raise
        except Exception as error:
            expected = isinstance(error, SitegenError) and not isinstance(error, Unmade)
            if expected or len(aside) == MOST:
                raise
            place = _first_to_fail(left, trial)
            if place is None:
                raise
            number, failure = place
            aside.append(SetAside(left.pop(number), f"cannot be shown: {_reason(failure)}"))


def _first_to_fail(
    runs: Sequence[AnyRun], trial: Callable[[Sequence[AnyRun]], object]
) -> tuple[int, Exception] | None:
    """Return the place of the run with which ``trial`` begins to fail, and how it fails.

    None where it fails on no run, or without any.
    """
    whole, broken = 0, len(runs)
    failure = _failure(runs, trial)
    if failure is None or _failure((), trial) is not None:
        return None
    while broken - whole > 1:
        half = (whole + broken) // 2
        again = _failure(runs[:half], trial)
        if again is None:
            whole = half
        else:
            broken, failure = half, again
    return broken - 1, failure


def _failure(
    runs: Sequence[AnyRun], trial: Callable[[Sequence[AnyRun]], object]
) -> Exception | None:
    try:
        trial(runs)
    except (OSError, MemoryError, ModuleNotFoundError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        if isinstance(error, SitegenError) and not isinstance(error, Unmade):
            return None  # that some runs are not there
        return error
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, SitegenError):
        return str(error)
    lines = f"{error}".splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"
