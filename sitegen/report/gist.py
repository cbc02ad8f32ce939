"""What a run comes to in one line: its headline value, and why to doubt it.

Its own page and every list of runs say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import replace

from sitegen.analysis import caveats
from sitegen.analysis.caveats import Caveat
from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import headlined
from sitegen.catalogue.tool import Counts, Headline
from sitegen.catalogue.units import DisplayUnit
from sitegen.model import AnyRun, Series, Shape, Status, Table
from sitegen.report import words


class Outline(NamedTuple):
    """What runs of one shape have in common; with each headline, the places of its series."""

    headlines: tuple[tuple[Headline, tuple[int, ...]], ...]
    repetitions: int
    workloads: int
    models: tuple[str, ...]
    failed: int
    suspect: int


class Value(NamedTuple):
    """The headline value of a run, as printed: one, or the least and the most of several."""

    title: str
    text: str
    unit: DisplayUnit


def outline(analysis: Analysis, benchmark: str, shape: Shape) -> Outline:
    """Return the outline of runs of ``benchmark`` that measured the same; it is made once."""
    key = (Outline, benchmark, shape)
    if key not in analysis.plans:
        places, rows = shape.places(benchmark), shape.rows
        headlines = analysis.headlines(benchmark)
        found = headlined(headlines, places)
        statuses = [row.status for row in rows]
        analysis.plans[key] = Outline(
            tuple(
                (
                    _told(one, found),
                    tuple(sorted(p for s in found if found[s] == one for p in places[s])),
                )
                for one in headlines
            ),
            1 + max((row.repetition for row in rows), default=0),
            len({row.workload for row in rows}),
            tuple(sorted({v for series in places for k, v in series.params if k == "model"})),
            statuses.count(Status.FAILED),
            statuses.count(Status.SUSPECT),
        )
    made: Outline = analysis.plans[key]
    return made


def _told(headline: Headline, found: Mapping[Series, Headline]) -> Headline:
    """Return a headline whose title says where what stands in its place is measured."""
    misses = (headline.miss(series) for series, one in found.items() if one == headline)
    miss = next(misses, None)
    return replace(headline, title=f"{headline.title} ({words.at(miss)})") if miss else headline


def value(analysis: Analysis, of: Outline, table: Table) -> Value | None:
    """Return the value of the first headline that the run measured."""
    for headline, places in of.headlines:
        values = [
            value
            for place in places
            if (value := table.values[place]) is not None
            and table.shape.rows[place].status == Status.OK
        ]
        if not values:
            continue
        unit = analysis.metric(headline.metric).unit_for([max(values)])
        low, high = unit.number(min(values)), unit.number(max(values))
        return Value(headline.title, high if low == high else f"{low} to {high}", unit)
    return None


def doubts(analysis: Analysis, run: AnyRun, of: Outline, total: int) -> list[Caveat]:
    """Return every caveat of a run that stands alone; ``total`` is the number of its values.

    An indexed run has the same as the whole one: of the machine and its steps the index keeps all
    that rules ask for, and of conditions no share below that any rule looks at.
    """
    declared = analysis.config.environment(run.environment)
    counts = Counts(of.failed, of.suspect, total, run.provenance, "value")
    return caveats.of_single(run, declared.tee, declared.role or "", counts)
