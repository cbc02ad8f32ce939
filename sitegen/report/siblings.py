"""What stands beside a run: the runs before and after it, those of its session, its comparisons.

A run's page is made again when any of this changes, and for no other reason outside of the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family
from sitegen.model import AnyRun, Series
from sitegen.report import addresses, words

_MOST_OF_SESSION = 12

#: A run's id, and what a link to it says.
Link = tuple[str, str]


class Siblings(NamedTuple):
    """The neighbours of one run; ``left_out`` says why it stands for its environment no more."""

    left_out: str = ""
    previous: Link | None = None
    next: Link | None = None
    session: tuple[Link, ...] = ()
    #: Workloads in whose figures it is not, and why: (workload, mark).
    aside: tuple[tuple[str, str], ...] = ()


class Use(NamedTuple):
    """A comparison that a series enters: its row on the benchmark's page, and its two sides."""

    series: Series
    address: str
    sides: str


def of_runs(analysis: Analysis, runs: Sequence[AnyRun]) -> Iterator[tuple[str, Siblings]]:
    """Yield each run's id and its siblings."""
    left_out = {
        run_id: why
        for selection in analysis.selections.values()
        for run_id, why in selection.left_out
    }
    aside: dict[str, dict[tuple[str, str], None]] = {}
    for cell in analysis.cells.values():
        for mark in cell.aside:
            for run_id in mark.runs:
                aside.setdefault(run_id, {})[cell.series.workload, mark.rule.short] = None
    of_session: dict[str, list[AnyRun]] = {}
    groups: dict[tuple[str, str], list[AnyRun]] = {}
    for run in runs:
        groups.setdefault((run.benchmark, run.environment), []).append(run)
        if run.session:
            of_session.setdefault(run.session, []).append(run)
    for members in groups.values():
        members.sort(key=lambda run: (run.started_at, run.id))
        links = [None, *((run.id, words.when(run)) for run in members), None]
        for place, run in enumerate(members):
            others = of_session.get(run.session, ())
            yield (
                run.id,
                Siblings(
                    left_out.get(run.id, ""),
                    links[place],
                    links[place + 2],
                    tuple(_of_session(run, others)) if len(others) > 1 else (),
                    tuple(sorted(aside.get(run.id, ()))),
                ),
            )


def _of_session(run: AnyRun, others: Iterable[AnyRun]) -> Iterator[Link]:
    """Yield the other runs of a session: the same benchmark elsewhere first."""
    order = sorted(
        (other for other in others if other.id != run.id),
        key=lambda other: (other.benchmark != run.benchmark, other.started_at, other.id),
    )
    for other in order[:_MOST_OF_SESSION]:
        elsewhere = other.environment if other.environment != run.environment else ""
        yield other.id, words.joined(family(other.benchmark).title, elsewhere, by=" on ")


def uses(analysis: Analysis) -> dict[tuple[str, str], tuple[Use, ...]]:
    """Return the comparisons with a word, by the benchmark and environment whose runs enter them.

    These stand on a benchmark's page whatever else does.
    """
    found: dict[tuple[str, str], list[Use]] = {}
    for pair in analysis.comparisons:
        if pair.headline is None:
            continue
        ours, theirs = pair.side.environment, pair.baseline.environment
        names = [words.platform(analysis.config, label).name for label in (ours, theirs)]
        use = Use(pair.series, addresses.comparison(pair), " against ".join(names))
        for label in (ours, theirs):
            found.setdefault((pair.series.benchmark, label), []).append(use)
    return {key: tuple(each) for key, each in found.items()}
