"""The runs of a report as every list shows them, and the list of all: its pages and its data.

The newest stand on the first page. All of them are data for its script, in shards, and stand on
further pages for readers without one. Both are counted from the oldest: one run more changes the
last of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from sitegen.analysis.caveats import Caveat
from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family
from sitegen.charts.spec import Hue
from sitegen.model import AnyRun, Provenance
from sitegen.report import gist, words
from sitegen.report.navigation import in_order
from sitegen.report.scripts import script, versioned

#: How many runs stand on the first page, on each further one, and in a shard.
NEWEST, PER_PAGE, PER_SHARD = 100, 150, 1000
_MOST_WORDS = 200
_ROW = attrgetter("started_at", "id")


class Mark(NamedTuple):
    """A caveat as lists show it: the id of its rule, its mark, and what was seen, or is meant."""

    rule: str
    short: str
    sentence: str


class Place(NamedTuple):
    """Where a run was taken; ``words`` are its TEE and its role."""

    label: str
    name: str
    hue: Hue
    words: str


class Line(NamedTuple):
    """A run as lists show it: when, what, where, its headline value and what it is of, caveats."""

    id: str
    when: str
    benchmark: str
    family: str
    place: Place
    model: str
    about: str
    value: str
    unit: str
    factor: float
    of: str
    marks: tuple[Mark, ...]


class Choices(NamedTuple):
    """What a reader may filter by, each with its title and how many runs have it."""

    benchmark: tuple[tuple[str, str, int], ...]
    env: tuple[tuple[str, str, int], ...]
    model: tuple[tuple[str, str, int], ...]
    caveat: tuple[tuple[str, str, int], ...]


class RunListPage(NamedTuple):
    """One page of the list; the first has number 0, the others are counted from the oldest run.

    ``further`` are all others, the newest first: number, oldest and newest day.
    """

    number: int
    lines: tuple[Line, ...]
    total: int
    further: tuple[tuple[int, str, str], ...] = ()
    choices: Choices | None = None
    shards: tuple[str, ...] = ()


def newest(runs: Iterable[AnyRun]) -> list[AnyRun]:
    """Return runs, the newest first."""
    return sorted(runs, key=_ROW, reverse=True)


def lines(analysis: Analysis, runs: Iterable[AnyRun]) -> tuple[Line, ...]:
    """Return runs as lists show them, in their order."""
    places: dict[str, Place] = {}
    made = []
    for run in runs:
        if run.environment not in places:
            places[run.environment] = _place(analysis, run.environment)
        made.append(_line(analysis, run, places[run.environment]))
    return tuple(made)


def pages(every: Sequence[Line], shards: Sequence[str] = ()) -> list[RunListPage]:
    """Return the pages that list all runs, given the oldest first, in files at ``shards``."""
    total = len(every)
    starts = range(0, total if total > NEWEST else 0, PER_PAGE)
    parts = [(n, every[start : start + PER_PAGE]) for n, start in enumerate(starts, start=1)]
    further = tuple((n, part[0].when[:10], part[-1].when[:10]) for n, part in reversed(parts))
    first = RunListPage(
        0, tuple(reversed(every[-NEWEST:])), total, further, _choices(every), tuple(shards)
    )
    rest = (RunListPage(n, tuple(reversed(part)), total, further) for n, part in parts)
    return [first, *rest]


def shards(every: Sequence[Line]) -> dict[str, bytes]:
    """Return the data of all runs, given the oldest first, as files by where they stand."""
    starts = range(0, len(every), PER_SHARD)
    return {
        f"runs/shard-{number}.js": script(_columns(start, every[start : start + PER_SHARD]))
        for number, start in enumerate(starts, start=1)
    }


def addresses(files: Mapping[str, bytes]) -> list[str]:
    """Return the addresses of shards, from the folder of the list."""
    return [versioned(path.rpartition("/")[2], data) for path, data in files.items()]


def tee(analysis: Analysis, label: str) -> str:
    """Return the TEE that an environment is declared to be, as its makers write it, or nothing."""
    kind = analysis.config.environment(label).tee
    return "" if kind in ("", "none", "unstated") else kind.upper()


def _place(analysis: Analysis, label: str) -> Place:
    shown = words.platform(analysis.config, label)
    said = words.joined(tee(analysis, label), shown.role, by=" ")
    return Place(label, shown.name, shown.hue, said)


def _line(analysis: Analysis, run: AnyRun, place: Place) -> Line:
    table = run.table
    outline = gist.outline(analysis, run.benchmark, table.shape)
    value = gist.value(analysis, outline, table)
    return Line(
        run.id,
        words.when(run),
        run.benchmark,
        family(run.benchmark).title,
        place,
        ", ".join(outline.models),
        _about(run, outline.workloads),
        value.text if value else "",
        value.unit.text if value else "",
        value.unit.factor if value else 1.0,
        value.title if value else "",
        # What holds of every cited run, or is no reason to look twice, is left to its page.
        tuple(
            _mark(one)
            for one in gist.doubts(analysis, run, outline, len(table.values))
            if one.rule.doubts or one.rule.named
        ),
    )


def _about(run: AnyRun, workloads: int) -> str:
    if run.source:
        return f"{run.provenance}: {run.source.title or run.source.id}"
    taken = "" if run.provenance == Provenance.COLLECTED else run.provenance
    return words.joined(taken, run.preset, words.count(workloads, "workload"))


def _mark(one: Caveat) -> Mark:
    """Return a caveat's mark; of what it says the first sentence."""
    sentence, more, _ = one.sentence.partition(". ")
    sentence = sentence + "." * bool(more)
    if len(sentence) > _MOST_WORDS:
        sentence = f"{sentence[:_MOST_WORDS].rstrip()} …"
    return Mark(one.rule.id, one.rule.short, sentence)


def _choices(every: Sequence[Line]) -> Choices:
    """Return what may be chosen: benchmarks in the order of the site, all else by name."""
    benchmarks = Counter(line.benchmark for line in every)
    places = Counter(line.place for line in every)
    models = Counter(line.model for line in every if line.model)
    marks = Counter((mark.rule, mark.short) for line in every for mark in line.marks)
    return Choices(
        tuple((name, family(name).title, benchmarks[name]) for name in in_order(benchmarks)),
        tuple((one.label, one.name, count) for one, count in sorted(places.items())),
        tuple((name, name, count) for name, count in sorted(models.items())),
        tuple((*one, count) for one, count in sorted(marks.items(), key=lambda m: m[0][1])),
    )


def _named(values: Iterable[Hashable]) -> tuple[list[Hashable], list[int]]:
    """Return every different value, and of each value its place among them."""
    places: dict[Hashable, int] = {}
    column = [places.setdefault(value, len(places)) for value in values]
    return list(places), column


def _columns(first: int, part: Sequence[Line]) -> dict[str, Any]:
    """Return runs as columns: what repeats is named by its place, times are steps from the last.

    An id is its time, its benchmark and eight characters; ``dates`` are those that its time does
    not say.
    """
    stamps = [int(line.id[:8] + line.id[9:15]) for line in part]
    return {
        "first": first,
        "stamps": [now - before for before, now in zip([0, *stamps], stamps, strict=False)],
        "ids": "".join(line.id[-8:] for line in part),
        "dates": [
            (place, line.when)
            for place, line in enumerate(part)
            if line.when != _when(line.id)
        ],
        "values": [line.value for line in part],
        "benchmark": _named((line.benchmark, line.family) for line in part),
        "place": _named(line.place for line in part),
        "model": _named(line.model for line in part),
        "about": _named(line.about for line in part),
        "of": _named((line.of, line.unit, line.factor) for line in part),
        "marks": _named(line.marks for line in part),
    }  # fmt: skip


def _when(run_id: str) -> str:
    """Return the date that an id states, as `words.day` has it."""
    return f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]} {run_id[9:11]}:{run_id[11:13]}"
