"""What changed between runs: events of several environments as one, and how they are told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sitegen.analysis.history import TOOL, FactChange, Timeline
from sitegen.catalogue.families import family
from sitegen.config import Config
from sitegen.fingerprint.facts import FACTS
from sitegen.fingerprint.facts import title as facts_title
from sitegen.model import AnyRun
from sitegen.report import words

#: Changes that a page lists.
MOST_LISTED = 6
#: A part of a version: what stands between dots and dashes.
_PART = re.compile(r"[^.\-]+[.\-]?")


class Change(NamedTuple):
    """One thing that changed on a time line: an event, or a step in a series.

    ``at`` is when the first run after it was taken, ``run`` that run, and ``key`` what tells it
    from all other changes for good. The ``facts`` are told in full.
    """

    at: str
    benchmark: str
    key: str
    title: str
    text: str
    run: str
    facts: tuple[str, ...] = ()

    @property
    def day(self) -> str:
        """When, as far as a list tells it."""
        return self.at[:10]

    @property
    def family(self) -> str:
        """The benchmark in words."""
        return family(self.benchmark).title


class Mark(NamedTuple):
    """The same change in one environment or several, between two moments in seconds."""

    changes: tuple[FactChange, ...]
    labels: tuple[str, ...]
    start: float
    end: float
    run: AnyRun


def merged(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return the changes of several benchmarks, the newest first.

    What changed in the runs of one day is told once, of the first benchmark that shows it.
    """
    first: dict[tuple[str, ...], Change] = {}
    for one in sorted(changes, key=lambda one: (one.at, one.key)):
        same = (one.day, one.title, one.text, *one.facts) if one.facts else (one.key,)
        first.setdefault(same, one)
    return tuple(first.values())[::-1]


def newest(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Return as many changes as a page has room for."""
    return tuple(changes[:MOST_LISTED])


def marks(lines: Sequence[Timeline]) -> list[Mark]:
    """Return what changed, that of several environments at about the same time as one."""
    found: list[Mark] = []
    for line in lines:
        for event in line.events:
            own = Mark(
                event.changes, (line.environment.label,),
                line.at[event.place - 1], line.at[event.place], line.runs[event.place],
            )  # fmt: skip
            for index, other in enumerate(found):
                start, end = max(own.start, other.start), min(own.end, other.end)
                if own.changes == other.changes and start < end:
                    first = min(own.run, other.run, key=lambda run: (run.started_at, run.id))
                    both = (*other.labels, *own.labels)
                    found[index] = Mark(own.changes, both, start, end, first)
                    break
            else:
                found.append(own)
    return sorted(found, key=lambda mark: (mark.end, mark.run.id))


def worded(changes: Sequence[FactChange]) -> str:
    """Return what changed in words: kernel 6.8 → 6.11, mitigations."""
    return words.enumerate_words([_worded(change) for change in changes])


def _worded(change: FactChange) -> str:
    if change.name == TOOL:
        name, _, version = change.after.partition(" ")
        before, _, older = change.before.partition(" ")
        if name != before:
            return f"tool {change.before} → {change.after}"
        return f"{name} {_told_apart(older, version)}"
    return FACTS[change.name].event.format(_told_apart(change.before, change.after))


def _told_apart(before: str, after: str) -> str:
    """Return two versions as far as they tell each other apart: 6.8 → 6.11."""
    name, _, version = after.rpartition(" ")
    if name and before.startswith(f"{name} "):
        before, after = before.removeprefix(f"{name} "), version
    ours, theirs = _PART.findall(before), _PART.findall(after)
    same = 0
    while same < min(len(ours), len(theirs)) and ours[same] == theirs[same]:
        same += 1
    if not same:  # no two versions of one thing
        return f"{before} → {after}"
    shown = ["".join(parts[: same + 1]).rstrip(".-") for parts in (ours, theirs)]
    return " → ".join(shown) if shown[0] != shown[1] else f"{before} → {after}"


def where(config: Config, mark: Mark, lines: Sequence[Timeline]) -> str:
    """Return in which environments something changed, of those that were measured by then."""
    there = [
        line.environment.label
        for line in lines
        if line.at[0] < mark.end and line.at[-1] > mark.start
    ]
    if len(mark.labels) == len(there) > 1:
        return "both sides" if len(there) == 2 else "everywhere"  # noqa: PLR2004 - both
    return words.enumerate_words([words.platform(config, label).name for label in mark.labels])


def told(config: Config, benchmark: str, lines: Sequence[Timeline], mark: Mark) -> Change:
    """Return a mark as pages and the feed tell it."""
    key = f"{benchmark}/{mark.run.id}/{'+'.join(change.name for change in mark.changes)}"
    text = f" ({where(config, mark, lines)})"
    what = words.upper_first(worded(mark.changes))
    facts = tuple(f"{facts_title(c.name)}: {c.before} → {c.after}" for c in mark.changes)
    return Change(mark.run.started_at, benchmark, key, what, text, mark.run.id, facts)
