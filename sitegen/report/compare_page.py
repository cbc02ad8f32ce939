"""What the compare page offers: every environment and the newest runs, as data for its script.

Two files a benchmark, each asked for when it is needed. The first has what every environment
measured, the second what each of the newest runs did. Neither grows with the archive: of the
runs behind an environment stand their number, mean and variance, which is all that Welch's
interval asks for. `compare.js` reads the tuples below by position.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from msgspec import Struct, field, to_builtins
from msgspec.structs import replace

from sitegen.analysis.compare import Analysis, refused
from sitegen.analysis.differences import (
    ABSENT,
    MACHINE,
    MEANINGS,
    WITHIN,
    Difference,
    Setup,
    beyond_quota,
    differences,
    is_of_a_proof,
    nearest,
    other_proof,
    proof_of,
    unlike,
)
from sitegen.analysis.selection import Selection
from sitegen.analysis.series import Cell, cells_of
from sitegen.catalogue.families import FAMILIES, family, headline_of
from sitegen.catalogue.metrics import Better, Metric, Scale, unit_problem
from sitegen.catalogue.rules import RULES
from sitegen.catalogue.units import DisplayUnit
from sitegen.config import Environment
from sitegen.fingerprint import facts
from sitegen.model import AnyRun, Params, Provenance, Series
from sitegen.report import panels, words

#: Single runs that a benchmark offers, and series that it shows.
MAX_RUNS = 40
MAX_SERIES = 400
STATISTICS = frozenset({"value", "mean", "total", "p50", "p99"})
_SIGNS = {Better.HIGHER: 1, Better.LOWER: -1, Better.NONE: 0}
#: (value, runs, repetitions, mean of logarithms, their variance, low, high, kind of interval,
#: ids of doubts, resolution, printed text). Runs are 0 where a figure is cited; what is empty at
#: the end is left away.
Numbers = tuple[Any, ...]


class Side(Struct, frozen=True):
    """One environment, or one run of it. ``cells`` stand in the order of the series."""

    id: str
    environment: str
    name: str
    about: str
    hue: str
    page: str
    setup: int
    cells: tuple[Numbers | None, ...]


class Offered(Struct, frozen=True):
    """One benchmark on the page: its two files and how much is in them."""

    benchmark: str
    title: str
    environments: tuple[tuple[str, str], ...]
    runs: int
    runs_all: int
    sides_file: str
    runs_file: str


class SelectionsPage(Struct, frozen=True):
    """The page as it is without its script: what may be chosen, and where to go instead."""

    offered: tuple[Offered, ...]
    max_runs: int


class Catalogue(Struct):
    """The series of a benchmark in their order, with what both files say of each."""

    analysis: Analysis
    benchmark: str
    places: dict[Series, int] = field(default_factory=dict)
    series: list[Series] = field(default_factory=list)
    units: list[DisplayUnit] = field(default_factory=list)
    ratio: list[bool] = field(default_factory=list)

    def add(self, series: Series, values: Iterable[float | None]) -> int:
        """Return the place of a series, a new one if need be; -1 when it is not shown."""
        place = len(self.series)
        if series.statistic not in STATISTICS or place >= MAX_SERIES:
            self.places[series] = -1
            return -1
        metric = self.analysis.metric(series.metric)
        self.places[series] = place
        self.series.append(series)
        self.units.append(metric.unit_for(values))
        self.ratio.append(metric.scale == Scale.RATIO)
        return place


class Chosen(Struct, frozen=True):
    """A side with what Python asks of it: its runs, and how they were taken."""

    side: Side
    runs: tuple[AnyRun, ...]
    setup: Setup
    counts: bool = False  # a run among those that stand for its environment


def environments(analysis: Analysis, benchmark: str) -> tuple[Catalogue, list[Chosen]]:
    """Return every environment of ``benchmark`` as a side, and the series."""
    catalogue = Catalogue(analysis, benchmark)
    by_series: dict[Series, dict[str, Cell]] = {}
    for cell in panels.leading_statistics(analysis.of(benchmark)):
        if cell.series.statistic in STATISTICS:
            by_series.setdefault(cell.series, {})[cell.environment] = cell
    ordered = sorted(
        by_series,
        key=lambda s: (headline_of(s) is None, s.metric, s.statistic, words.natural(s)),
    )
    for series in ordered:
        found = by_series[series].values()
        catalogue.add(series, [cell.summary.value if cell.summary else None for cell in found])
    for cell in analysis.of(benchmark):
        catalogue.places.setdefault(cell.series, -1)  # left out here, and so of single runs
    made: list[Chosen] = []
    for label, declared in analysis.config.environments.items():
        selection = analysis.selections.get((benchmark, label))
        if selection is None or not selection.runs:
            continue
        own = [by_series[series].get(label) for series in catalogue.series]
        if not any(own):
            continue
        cited = selection.runs[-1].provenance == Provenance.CITED
        taken = words.count(len(selection.runs), "cited run" if cited else "run")
        cells = zip(own, catalogue.units, catalogue.ratio, strict=True)
        side = Side(
            label,
            label,
            words.environment(declared),
            f"{words.role(declared)}, {taken}",
            words.hue(declared),
            f"environments/{label}",
            -1,
            tuple(
                None if cell is None else _of_cell(cell, unit, ratio) for cell, unit, ratio in cells
            ),
        )
        made.append(Chosen(side, selection.runs, Setup.of(selection.runs)))
    return catalogue, made


def single_runs(catalogue: Catalogue, runs: Sequence[AnyRun]) -> list[Chosen]:
    """Return the newest of ``runs`` as sides; series that no environment has join the catalogue."""
    analysis = catalogue.analysis
    newest = sorted(runs, key=lambda run: (run.started_at, run.id), reverse=True)[:MAX_RUNS]
    chosen = [
        selection
        for (name, _), selection in analysis.selections.items()
        if name == catalogue.benchmark
    ]
    left_out = {run_id: why for selection in chosen for run_id, why in selection.left_out}
    counted = {run.id for selection in chosen for run in selection.runs}
    made: list[Chosen] = []
    for run in newest:
        why = left_out.get(run.id, "")
        if run.withdrawn or (why and unit_problem(run.units)):
            continue
        declared = analysis.config.environment(run.environment)
        side = Side(
            run.id,
            run.environment,
            f"{words.environment(declared)}, {words.day(run.started_at)}",
            f"run {run.id[-8:]}" + (f", {why}" if why else ""),
            words.hue(declared),
            f"runs/{run.id}",
            -1,
            _of_run(run, catalogue, declared),
        )
        made.append(Chosen(side, (run,), Setup.of([run]), run.id in counted))
    return made


class _Answers:
    """What Python says of every pair of sides, so that the script need not decide anything.

    ``refused``, ``proofs``, ``over`` and ``apart`` are sparse: (side, baseline, text), (side,
    baseline, place of a proof's size, text), (side, place of a series, text), (side, baseline,
    text). What depends on how runs were taken alone stands once a pair of set-ups: ``unlike`` by
    the side's and the baseline's, ``differ`` by the smaller and the larger, as places in ``rows``.
    """

    def __init__(self, catalogue: Catalogue, sides: Sequence[Chosen], fresh: int) -> None:
        """Answer for all pairs in which one of the sides from ``fresh`` on is."""
        self.catalogue, self.sides, self.fresh = catalogue, sides, fresh
        self.setups = list(dict.fromkeys(one.setup for one in sides))
        self.place = {setup: place for place, setup in enumerate(self.setups)}
        places = catalogue.places
        self.proofs = sorted(
            {places.get(proof_of(one), -1) for one in catalogue.series if is_of_a_proof(one)}
        )
        self.has = {
            one.side.id: {place for place, cell in enumerate(one.side.cells) if cell}
            for one in sides
        }

    def data(self) -> dict[str, Any]:
        """Return all of it, as the script reads it."""
        pairs = [
            (side, base)
            for i, side in enumerate(self.sides)
            for j, base in enumerate(self.sides)
            if i != j and max(i, j) >= self.fresh
        ]
        differ = {
            (i, j): differences(self.setups[i], self.setups[j])
            for i in range(len(self.setups))
            for j in range(i + 1, len(self.setups))
        }
        rows = self._rows(differ.values())
        return {
            "setups": [self._values(setup) for setup in self.setups],
            "rows": [[title, meaning, missing] for title, meaning, missing, _ in rows.values()],
            "names": [name for _, _, _, name in rows.values()],
            "differ": [
                [i, j, [list(rows).index((d.what, d.name)) for d in found]]
                for (i, j), found in differ.items()
                if found
            ],
            "unlike": [
                [i, j, reason]
                for i, side in enumerate(self.setups)
                for j, base in enumerate(self.setups)
                if i != j and (reason := unlike(side, base))
            ]
            + [[i, i, reason] for i, one in enumerate(self.setups) if (reason := unlike(one, one))],
            "refused": [
                [side.side.id, base.side.id, reason]
                for side, base in pairs
                if (reason := self._refused(side, base))
            ],
            "proofs": [
                [side.side.id, base.side.id, place, reason]
                for side, base in pairs
                for place, reason in self._other_proofs(side, base)
            ],
            "over": [
                [one.side.id, place, reason]
                for one in self.sides[self.fresh :]
                for place, series in enumerate(self.catalogue.series)
                if place < len(one.side.cells)
                and one.side.cells[place]
                and (reason := beyond_quota(series, one.runs[-1]))
            ],
            "apart": [
                [side.side.id, base.side.id, reason]
                for side, base in pairs
                if (reason := self._apart(side, base))
            ],
        }

    @staticmethod
    def _rows(every: Iterable[tuple[Difference, ...]]) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return what any two set-ups differ in, those that weigh most first."""
        known = {(one.what, one.name): one for found in every for one in found}
        order = {what: rank for rank, what in enumerate(MEANINGS)}
        weights = {name: place for place, name in enumerate(facts.WEIGHED)}
        ordered = sorted(
            known.values(), key=lambda d: (order[d.what], weights.get(d.name, -1), d.name)
        )
        return {
            (one.what, one.name): (
                one.title,
                one.meaning,
                facts.NOT_RECORDED if one.what == MACHINE else ABSENT,
                f"{one.what == MACHINE:d}{one.name}",
            )
            for one in ordered
        }

    @staticmethod
    def _values(setup: Setup) -> dict[str, str]:
        """Return the values of a set-up in words; facts and settings may share a name."""
        return {
            **{f"0{name}": value for name, _, value in setup.settings},
            **{f"1{name}": facts.words(name, value) for name, value in setup.facts},
        }

    def _refused(self, side: Chosen, base: Chosen) -> str:
        for run, whole in ((side, base), (base, side)):
            if run.counts and run.side.environment == whole.side.id:
                return WITHIN
        config = self.catalogue.analysis.config
        return refused(config, side.side.environment, base.side.environment)

    def _other_proofs(self, side: Chosen, base: Chosen) -> Iterable[tuple[int, str]]:
        for place in self.proofs:
            cells = [
                one.side.cells[place] if 0 <= place < len(one.side.cells) else None
                for one in (side, base)
            ]
            sizes = [cell[0] if cell else None for cell in cells]
            if reason := other_proof(*sizes):
                yield place, reason

    def _apart(self, side: Chosen, base: Chosen) -> str:
        """Return what keeps the series of two sides from meeting, where none does."""
        has = [self.has[one.side.id] for one in (side, base)]
        if not has[0].isdisjoint(has[1]):
            return ""
        ours, theirs = ([self.catalogue.series[place] for place in sorted(own)] for own in has)
        names = nearest(ours, theirs)
        return ", ".join(name.replace("_", " ") for name in names)


def files(benchmark: str) -> tuple[str, str]:
    """Return where the two files of a benchmark stand in a site."""
    return f"compare/data-{benchmark}.js", f"compare/runs-{benchmark}.js"


def scripts(
    analysis: Analysis, benchmark: str, runs: Sequence[AnyRun]
) -> tuple[Offered, dict[str, bytes]]:
    """Return what the page says of a benchmark, and its two files by where they stand."""
    catalogue, labelled = environments(analysis, benchmark)
    single = single_runs(catalogue, runs)
    metrics: dict[str, int] = {}
    for series in catalogue.series:
        metrics.setdefault(series.metric, len(metrics))
    known = words.background(benchmark, catalogue.series)
    title = family(benchmark).title
    shared = {
        "benchmark": benchmark,
        "title": title,
        "metrics": [_metric(analysis.metric(metric_id)) for metric_id in metrics],
        "series": [
            _series(series, unit, metrics[series.metric], catalogue, known)
            for series, unit in zip(catalogue.series, catalogue.units, strict=True)
        ],
        "rules": _rules(),
        "background": [
            f"{workload}: {told}"
            for workload, pairs in sorted(known.items())
            if (told := words.params(pairs))
        ],
        **_published(catalogue, labelled, 0),
        # Enough to choose from; their figures come with the other file.
        "runs": [
            [each.side.id, each.side.environment, each.side.name, each.side.about]
            for each in single
        ],
        "all": len(runs),
    }
    single_data = _published(catalogue, [*labelled, *single], len(labelled))
    contents = (script(shared), script({"runs_of": benchmark, **single_data}))
    made = dict(zip(files(benchmark), contents, strict=True))
    # The version keeps a browser from mixing what it has with a page that is newer.
    addresses = [
        f"{path.rpartition('/')[2]}?v={hashlib.sha256(data).hexdigest()[:8]}"
        for path, data in made.items()
    ]
    return (
        Offered(
            benchmark,
            title,
            tuple((each.side.id, each.side.name) for each in labelled),
            len(single),
            len(runs),
            *addresses,
        ),
        made,
    )


def page(offered: Sequence[Offered]) -> SelectionsPage:
    """Return the page for these benchmarks: those that sitegen knows first, in their order."""
    order = {name: rank for rank, name in enumerate(FAMILIES)}
    return SelectionsPage(
        tuple(
            sorted(offered, key=lambda one: (order.get(one.benchmark, len(order)), one.benchmark))
        ),
        MAX_RUNS,
    )


def script(value: Any) -> bytes:  # noqa: ANN401 - anything that JSON can say
    """Return a classic script that hands ``value`` over: pages on a disk may load nothing else."""
    return b"(self.sitegenData ||= []).push(" + orjson.dumps(value, default=to_builtins) + b");\n"


def _published(catalogue: Catalogue, sides: Sequence[Chosen], fresh: int) -> dict[str, Any]:
    """Return the sides from ``fresh`` on, and what is said of the pairs in which they are."""
    answers = _Answers(catalogue, sides, fresh)
    return {
        "sides": [replace(each.side, setup=answers.place[each.setup]) for each in sides[fresh:]],
        **answers.data(),
    }


def _rules() -> dict[str, tuple[Any, ...]]:
    """Return (mark, the rule that it is on a baseline, those of a side that say as much)."""
    return {
        rule.id: (
            rule.short,
            rule.as_baseline,
            [other.id for other in RULES.values() if other.as_baseline == rule.id],
        )
        for rule in RULES.values()
        if rule.doubts
    }


def _metric(metric: Metric) -> tuple[Any, ...]:
    """Return (id, title, sign of better, whether it is divided, margin, arrow)."""
    return (
        metric.id,
        metric.title,
        _SIGNS[metric.better],
        metric.scale == Scale.RATIO,
        metric.margin,
        words.arrow(metric),
    )


def _series(
    series: Series,
    unit: DisplayUnit,
    metric: int,
    catalogue: Catalogue,
    known: Mapping[str, Params],
) -> tuple[Any, ...]:
    """Return one series by position.

    (metric, title, statistic, unit, factor, headline, place of the proof's size).
    """
    proof = catalogue.places.get(proof_of(series), -1) if is_of_a_proof(series) else -1
    return (
        metric,
        words.short(series, known),
        words.statistic(series.statistic),
        unit.text,
        unit.factor,
        headline_of(series) is not None,
        proof,
    )


def _of_cell(cell: Cell, unit: DisplayUnit, ratio: bool) -> Numbers:  # noqa: FBT001 - its scale
    """Return one series of a side."""
    summary = cell.summary
    doubts = [c.rule.id for c in cell.caveats if c.rule.doubts]
    if summary is None:
        return (None, 0, 0, None, None, None, None, "", doubts)
    plain = not (summary.interval or doubts or cell.resolution or cell.printed)
    if plain and summary.runs == 1:
        return (summary.value, 1, summary.repetitions[0])
    mean = variance = low = high = None
    kind = ""
    if summary.interval:
        low, high, kind = summary.interval.low, summary.interval.high, summary.interval.kind
    if ratio and summary.runs > 1 and min(summary.values) > 0:
        logs = [math.log(value) for value in summary.values]
        mean = math.fsum(logs) / len(logs)
        variance = math.fsum([(log - mean) * (log - mean) for log in logs]) / (len(logs) - 1)
    text = words.number(cell, unit) if cell.printed else ""
    return _trimmed(
        (summary.value, summary.runs, sum(summary.repetitions), mean, variance, low, high, kind,
         doubts, cell.resolution, text)
    )  # fmt: skip


def _trimmed(numbers: Numbers) -> Numbers:
    """Return the tuple without what is empty at its end."""
    end = len(numbers)
    while not numbers[end - 1]:
        end -= 1
    return numbers[:end]


def _of_run(run: AnyRun, catalogue: Catalogue, declared: Environment) -> tuple[Numbers | None, ...]:
    """Return what one run measured, by series."""
    found: dict[int, Numbers] = {}
    role = declared.role or ""
    for cell in cells_of(run.benchmark, run.id, Selection((run,)), declared.tee, role):
        place = catalogue.places.get(cell.series)
        if place is None:
            place = catalogue.add(cell.series, [cell.summary.value if cell.summary else None])
        if place >= 0:
            found[place] = _of_cell(cell, catalogue.units[place], catalogue.ratio[place])
    return tuple(found.get(place) for place in range(max(found, default=-1) + 1))
