"""What the compare page offers, as data for its script: two files a benchmark, read by position.

The first has what every environment measured and how any two of them compare, the second the newest
runs. Neither grows with the archive. Of two sides of which one is a single run there is no word and
no spread between runs: the script divides them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, permutations
from typing import Any, NamedTuple

from msgspec import Struct, field

from sitegen.analysis import caveats, differences
from sitegen.analysis.compare import Analysis, Comparison, between, refused
from sitegen.analysis.differences import Setup
from sitegen.analysis.replicates import Level
from sitegen.analysis.selection import Selection
from sitegen.analysis.series import Cell, cells_of, mark_across
from sitegen.catalogue.families import family, headlined, natural, worded_series
from sitegen.catalogue.metrics import Better, Scale, unit_problem
from sitegen.catalogue.rules import RULES, limits_of
from sitegen.catalogue.units import DisplayUnit
from sitegen.charts import plotly
from sitegen.fingerprint import facts
from sitegen.model import AnyRun, Provenance, Series
from sitegen.report import effects, figures, panels, words
from sitegen.report.effects import detail
from sitegen.report.navigation import in_order
from sitegen.report.run_list import newest
from sitegen.report.scripts import script, versioned

#: Single runs that a benchmark offers, and series that it shows.
MAX_RUNS = 40
MAX_SERIES = 400
_TOLD = ("id", "environment", "name", "about", "hue", "page")
_SIGNS = {Better.HIGHER: 1, Better.LOWER: -1, Better.NONE: 0}
#: (value, runs, repetitions, low, high, kind of interval, ids of doubts, printed text, values,
#: their level). Runs are 0 where a figure is cited; what is empty at the end is left away.
Numbers = tuple[Any, ...]


class Side(NamedTuple):
    """One environment, or one run that ``counts`` for its environment; cells by series."""

    id: str
    environment: str
    name: str
    about: str
    hue: str
    page: str
    cells: tuple[Numbers | None, ...]
    newest: AnyRun
    setup: Setup
    #: What rules ask for beside a figure, by the place of its series; one value for many places.
    beside: Mapping[int, Mapping[str, float]]
    counts: bool = False
    #: Which runs are in none of a figure, in words, by the place of its series.
    without: Mapping[int, str] = {}


class Offered(NamedTuple):
    """One benchmark on the page: its two files and how much is in them."""

    benchmark: str
    title: str
    environments: tuple[tuple[str, str], ...]
    #: What it compares by its settings: (sides for the address, in words).
    presets: tuple[tuple[str, str], ...]
    runs: int
    runs_all: int
    sides_file: str
    runs_file: str


class Catalogue(Struct):
    """The series of a benchmark in their order, with what both files say of each."""

    analysis: Analysis
    benchmark: str
    places: dict[Series, int] = field(default_factory=dict)
    series: list[Series] = field(default_factory=list)
    units: list[DisplayUnit] = field(default_factory=list)

    def add(self, series: Series, cells: Iterable[Cell]) -> int:
        """Return the place of a series, a new one if need be; -1 when it is not shown."""
        place = len(self.series)
        if series.statistic not in panels.STATISTICS or place >= MAX_SERIES:
            self.places[series] = -1
            return -1
        self.places[series] = place
        self.series.append(series)
        values = [cell.summary.value if cell.summary else None for cell in cells]
        self.units.append(self.analysis.metric(series.metric).unit_for(values))
        return place

    def proof(self, series: Series) -> int:
        """Return the place of the size of the proof that a series is of, -1 where there is none."""
        of_a_proof = differences.is_of_a_proof(series)
        return self.places.get(differences.proof_of(series), -1) if of_a_proof else -1

    def numbers(self, cell: Cell) -> Numbers:
        """Return what one of its series is in a cell."""
        summary = cell.summary
        doubts = [c.rule.id for c in cell.caveats if c.rule.doubts]
        if summary is None:
            return (None, 0, 0, None, None, "", doubts)
        low = high = None
        kind = text = ""
        if summary.interval:
            low, high, kind = summary.interval.low, summary.interval.high, summary.interval.kind
        if cell.printed:
            text = words.number(cell, self.units[self.places[cell.series]])
        numbers: list[Any] = [summary.value, summary.runs, sum(summary.repetitions), low, high]
        numbers += [kind, doubts, text]
        if summary.level != Level.RUN:
            numbers += [len(summary.values), summary.level]
        while not numbers[-1]:
            numbers.pop()
        return tuple(numbers)

    def of_run(
        self, run: AnyRun
    ) -> tuple[tuple[Numbers | None, ...], Mapping[int, Mapping[str, float]]]:
        """Return what one run measured, by series, and what stands beside it.

        A series that no other has joins them.
        """
        numbers: dict[int, Numbers] = {}
        beside: dict[int, Mapping[str, float]] = {}
        declared = self.analysis.config.environment(run.environment)
        only = Selection((run,))
        of_run = cells_of(run.benchmark, run.id, only, declared.tee, declared.role or "")
        cells = {(cell.series, run.id): cell for cell in of_run}
        mark_across(cells, self.analysis.config)
        for cell in cells.values():
            place = self.places.get(cell.series)
            if place is None:
                place = self.add(cell.series, [cell])
            if place >= 0:
                numbers[place], beside[place] = self.numbers(cell), cell.beside
        ordered = (numbers.get(place) for place in range(max(numbers, default=-1) + 1))
        return tuple(ordered), beside


def environments(analysis: Analysis, benchmark: str) -> tuple[Catalogue, list[Side]]:
    """Return every environment of ``benchmark`` as a side, and the series."""
    catalogue = Catalogue(analysis, benchmark)
    by_series = figures.shown(analysis, benchmark)
    leading = headlined(analysis.headlines(benchmark), by_series)
    ordered = sorted(by_series, key=lambda s: (s not in leading, s.metric, s.statistic, natural(s)))
    for series in ordered:
        catalogue.add(series, by_series[series].values())
    for cell in analysis.of(benchmark):
        catalogue.places.setdefault(cell.series, -1)  # left out here, and so of single runs
    sides: list[Side] = []
    for label in analysis.config.environments:
        selection = analysis.selections.get((benchmark, label))
        if selection is None or not selection.runs:
            continue
        row = [by_series[series].get(label) for series in catalogue.series]
        if not any(row):
            continue
        _, name, hue, role, _ = words.platform(analysis.config, label)
        runs = selection.runs
        setup = analysis.setup(benchmark, label)
        cited = setup.provenance == Provenance.CITED
        about = f"{role}, {words.count(len(runs), 'cited run' if cited else 'run')}"
        cells = tuple(catalogue.numbers(cell) if cell else None for cell in row)
        page = f"environments/{label}"
        beside = {place: cell.beside for place, cell in enumerate(row) if cell}
        side = Side(label, label, name, about, hue, page, cells, runs[-1], setup, beside)
        gone = {at: effects.without(cell) for at, cell in enumerate(row) if cell and cell.aside}
        sides.append(side._replace(without=gone))
    return catalogue, sides


def single_runs(catalogue: Catalogue, runs: Sequence[AnyRun]) -> list[Side]:
    """Return the newest of ``runs`` as sides; series that no environment has join the catalogue."""
    analysis = catalogue.analysis
    chosen = [one for (name, _), one in analysis.selections.items() if name == catalogue.benchmark]
    left_out = {run_id: why for selection in chosen for run_id, why in selection.left_out}
    counted = {run.id for selection in chosen for run in selection.runs}
    sides: list[Side] = []
    for run in newest(runs)[:MAX_RUNS]:
        why = left_out.get(run.id, "")
        if run.withdrawn or (why and unit_problem(run.units)):
            continue
        label, name, hue, *_ = words.platform(analysis.config, run.environment)
        name = f"{name}, {words.when(run)}"
        about = f"run {run.id[-8:]}" + (f", {why}" if why else "")
        (cells, beside), page = catalogue.of_run(run), f"runs/{run.id}"
        setup = Setup.of([run], analysis.config.environment(run.environment))
        counts = run.id in counted
        sides.append(Side(run.id, label, name, about, hue, page, cells, run, setup, beside, counts))
    return sides


def files(benchmark: str) -> tuple[str, str]:
    """Return where the two files of a benchmark stand in a site."""
    return f"compare/data-{benchmark}.js", f"compare/runs-{benchmark}.js"


def scripts(
    analysis: Analysis, benchmark: str, runs: Sequence[AnyRun]
) -> tuple[Offered, dict[str, bytes]]:
    """Return what the page says of a benchmark, and its two files by where they stand."""
    catalogue, labelled = environments(analysis, benchmark)
    single = single_runs(catalogue, runs)
    metrics = list(dict.fromkeys(series.metric for series in catalogue.series))
    common = words.background(benchmark, catalogue.series)
    title = family(benchmark).title
    told, texts = _told(catalogue, labelled)
    leading = worded_series(analysis.headlines(benchmark), catalogue.series).keys()
    models = sorted({"", *(dict(series.params).get("model", "") for series in catalogue.series)})
    shared = {
        "benchmark": benchmark,
        "title": title,
        # Id, title, sign of better, whether it is divided, arrow, words of worse and better.
        "metrics": [
            (
                m.id,
                m.title,
                _SIGNS[m.better],
                m.scale == Scale.RATIO,
                words.arrow(m),
                effects.paces(m),
            )
            for m in map(analysis.metric, metrics)
        ],
        # Metric, title, statistic, unit, factor, headline, places of proof's size and model.
        "series": [
            (
                metrics.index(series.metric),
                words.short(series, common),
                words.statistic(series.statistic),
                unit.text,
                unit.factor,
                series in leading,
                catalogue.proof(series),
                models.index(dict(series.params).get("model", "")),
            )
            for series, unit in zip(catalogue.series, catalogue.units, strict=True)
        ],
        # Mark, the rule that it is on a baseline, those of a side that say as much.
        "rules": {
            rule.id: (
                rule.short,
                rule.as_baseline,
                [other.id for other in RULES.values() if other.as_baseline == rule.id],
            )
            for rule in RULES.values()
            if rule.doubts
        },
        "background": [
            f"{workload}: {text}"
            for workload, pairs in sorted(common.items())
            if (text := words.params(pairs))
        ],
        "models": models,
        "look": plotly.LOOK,
        "told": told,
        "texts": texts,
        **_published(catalogue, labelled, 0),
        # Enough to choose from; their figures come with the other file.
        "runs": [(one.id, one.environment, one.name, one.about) for one in single],
        "all": len(runs),
    }
    single_data = _published(catalogue, [*labelled, *single], len(labelled))
    contents = (script(shared), script({"runs_of": benchmark, **single_data}))
    written = dict(zip(files(benchmark), contents, strict=True))
    addresses = [versioned(path.rpartition("/")[2], data) for path, data in written.items()]
    names = tuple((one.id, one.name) for one in labelled)
    presets = _presets(catalogue, labelled)
    return Offered(benchmark, title, names, presets, len(single), len(runs), *addresses), written


def _presets(catalogue: Catalogue, sides: Sequence[Side]) -> tuple[tuple[str, str], ...]:
    """Return each environment with a baseline that is declared for it and measured too."""
    names = {one.id: one.name for one in sides}
    return tuple(
        (f"{base},{one.id}", f"{one.name} against {names[base]}")
        for one in sides
        for base in catalogue.analysis.config.environment(one.id).baselines.values()
        if base in names
    )


def listed(offered: Iterable[Offered]) -> list[Offered]:
    """Return what is offered of benchmarks, in the order of the site."""
    by_name = {one.benchmark: one for one in offered}
    return [by_name[name] for name in in_order(by_name)]


def ready(offered: Iterable[Offered]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return each pair that the settings declare, with (title, address) of each benchmark."""
    pairs: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one in offered:
        for sides, text in one.presets:
            link = f"#b={one.benchmark}&sel={sides}"
            pairs.setdefault((sides, text), []).append((one.title, link))
    return [(text, links) for (_, text), links in pairs.items()]


def _told(catalogue: Catalogue, sides: Sequence[Side]) -> tuple[list[Any], list[str]]:
    """Return all that is said of each pair of environments, and the texts that it names by place.

    (side, baseline, (place of the series, verdict, factor, low, high, reason, doubts' ids, detail,
    whether it leads)...); of a reason, a verdict and a detail the place of the text.
    """
    texts: dict[str, int] = {}
    told = []
    analysis, benchmark = catalogue.analysis, catalogue.benchmark
    # Those of the pairs that are declared are there; a baseline may stand under two names.
    declared: dict[tuple[str, str], dict[str, list[Comparison]]] = {}
    for one in analysis.comparisons:
        if one.series.benchmark == benchmark:
            by_name = declared.setdefault((one.side.environment, one.baseline.environment), {})
            by_name.setdefault(one.against, []).append(one)
    for side, base in permutations((one.id for one in sides), 2):
        rows = []
        found = next(iter(declared.get((side, base), {}).values()), None)
        for one in found or between(analysis, benchmark, side, base):
            place = catalogue.places.get(one.series, -1)
            if place < 0 or one.metric.scale != Scale.RATIO:
                continue
            ends = (one.interval.low, one.interval.high) if one.interval else (None, None)
            says = (one.verdict, one.reason, "" if one.reason else detail(one))
            word, reason, beside = (texts.setdefault(text, len(texts)) for text in says)
            doubts = [c.rule.id for c in one.caveats if c.rule.doubts]
            leads = one.headline is not None
            rows.append((place, word, one.factor, *ends, reason, doubts, beside, leads))
        if rows:
            told.append((side, base, rows))
    return told, list(texts)


def _published(catalogue: Catalogue, sides: Sequence[Side], fresh: int) -> dict[str, Any]:
    """Return the sides from ``fresh`` on, and what Python says of each pair with one of them.

    So the script need not decide anything. ``refused``, ``proofs``, ``over`` and ``apart`` are
    sparse: (side, baseline, text), (side, baseline, place of a proof's size, text), (side, place of
    a series, text), (side, baseline, text), ``without`` as ``over``, and ``unequal`` (side,
    baseline, place of a series, ids of doubts), which hold in both directions. What depends on how
    runs were taken alone stands once a pair of set-ups: ``unlike`` and ``crowded`` by the side's
    and the baseline's, ``differ`` by the smaller and the larger, as places in ``rows``.
    """
    series, config = catalogue.series, catalogue.analysis.config
    numbers = range(len(sides))
    pairs = [(sides[i], sides[j]) for i, j in permutations(numbers, 2) if max(i, j) >= fresh]
    setups = list(dict.fromkeys(one.setup for one in sides))
    taken = range(len(setups))
    differ = [
        (i, j, differences.differences(setups[i], setups[j])) for i, j in combinations(taken, 2)
    ]
    # What any two set-ups differ in, those that weigh most first.
    unique = {(one.kind, one.name): one for *_, diffs in differ for one in diffs}
    rank = list(differences.MEANINGS).index
    weights = {name: place for place, name in enumerate(facts.WEIGHED)}
    absent = {differences.MACHINE: facts.NOT_RECORDED}
    rows = sorted(unique.values(), key=lambda d: (rank(d.kind), weights.get(d.name, -1), d.name))
    places = {(row.kind, row.name): place for place, row in enumerate(rows)}
    proofs = {catalogue.proof(one) for one in series}
    has = {one.id: {at: cell for at, cell in enumerate(one.cells) if cell} for one in sides}
    return {
        "sides": [
            {name: getattr(one, name) for name in _TOLD}
            | {
                "setup": setups.index(one.setup),
                "cells": one.cells,
                "when": "" if one.newest.undated else words.when(one.newest),
            }
            for one in sides[fresh:]
        ],
        # Facts and settings may share a name.
        "setups": [
            {f"0{name}": value for name, _, value in setup.settings}
            | {f"1{name}": facts.words(name, value) for name, value in setup.facts}
            for setup in setups
        ],
        "rows": [
            (row.title, row.meaning, absent.get(row.kind, differences.ABSENT)) for row in rows
        ],
        "names": [f"{row.kind == differences.MACHINE:d}{row.name}" for row in rows],
        "differ": [
            (i, j, [places[one.kind, one.name] for one in diffs]) for i, j, diffs in differ if diffs
        ],
        "unlike": [
            (i, j, reason)
            for i, j in (*permutations(taken, 2), *zip(taken, taken, strict=True))
            if (reason := differences.unlike(setups[i], setups[j]))
        ],
        "refused": [
            (side.id, base.id, reason)
            for side, base in pairs
            if (
                reason := differences.WITHIN
                if any(a.counts and a.environment == b.id for a, b in permutations((side, base)))
                else refused(config, side.environment, base.environment)
            )
        ],
        "proofs": [
            (side.id, base.id, place, reason)
            for side, base in pairs
            for place in sorted(proofs)
            if place in has[side.id]
            and place in has[base.id]
            and (reason := differences.other_proof(has[side.id][place][0], has[base.id][place][0]))
        ],
        "over": [
            (one.id, place, reason)
            for one in sides[fresh:]
            for limits in (limits_of(one.newest),)
            for place in sorted(has[one.id])
            if (reason := differences.beyond_quota(series[place], limits))
        ],
        "without": [
            (one.id, place, text)
            for one in sides[fresh:]
            for place, text in sorted(one.without.items())
        ],
        "crowded": [
            (i, j, place, reason)
            for i, j in permutations(taken, 2)
            for place, one in enumerate(series)
            if (reason := differences.crowded(one, setups[i], setups[j]))
        ],
        # Of pairs of which one is a single run; of the others all is told.
        "unequal": [*_unequal(series, sides)] if fresh else [],
        # What keeps the series of two sides from meeting, where none does.
        "apart": [
            (side.id, base.id, names)
            for side, base in pairs
            if not has[side.id].keys() & has[base.id].keys()
            and (names := _nearest(series, has[side.id], has[base.id]))
        ],
    }


def _unequal(
    series: Sequence[Series], sides: Sequence[Side]
) -> Iterator[tuple[str, str, int, list[str]]]:
    """Yield (side, baseline, place, doubts): of what the two sides did unequally much."""
    for place, one in enumerate(series):
        measured = {side.id: beside for side in sides if (beside := side.beside.get(place))}
        unlike = len({tuple(beside.items()) for beside in measured.values()}) > 1
        if not unlike or not _may_differ(one.metric, measured.values()):
            continue
        for (first, a), (second, b) in combinations(measured.items(), 2):
            found = caveats.applying("amounts", one.metric, a, b)
            if doubts := [each.rule.id for each in found if each.rule.doubts]:
                yield first, second, place, doubts


def _may_differ(metric: str, besides: Iterable[Mapping[str, float]]) -> bool:
    """Say whether the least and the most of each amount tell any two sides apart."""
    amounts: dict[str, list[float]] = {}
    for beside in besides:
        for name, value in beside.items():
            amounts.setdefault(name, []).append(value)
    ends = ({name: end(values) for name, values in amounts.items()} for end in (min, max))
    return any(each.rule.doubts for each in caveats.applying("amounts", metric, *ends))


def _nearest(series: Sequence[Series], side: Iterable[int], base: Iterable[int]) -> str:
    parts = ([series[place] for place in sorted(places)] for places in (side, base))
    return ", ".join(one.title for one in differences.nearest(*parts))
