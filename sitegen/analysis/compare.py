"""Two environments side by side, on the scale of each metric: derived when the archive is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from sitegen.analysis import caveats, stats
from sitegen.analysis.caveats import Caveat
from sitegen.analysis.differences import (
    Difference,
    Setup,
    beyond_quota,
    differences,
    is_of_a_proof,
    other_proof,
    proof_of,
    unlike,
)
from sitegen.analysis.selection import Selection, baselines, environments, select
from sitegen.analysis.series import Cell, cells_of, mark_across
from sitegen.analysis.stats import Interval, Summary, Tally, Word
from sitegen.catalogue.families import headline_of
from sitegen.catalogue.metrics import METRICS, Better, Metric, Scale, metric
from sitegen.catalogue.rules import limits_of
from sitegen.catalogue.tool import Headline, Limits, SeriesPattern
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.model import AnyRun, MetricDefinition, Series

__all__ = ["Analysis", "Cell", "Comparison", "analyse", "refused"]


class Comparison(Struct, frozen=True):
    """What ``side`` costs against ``baseline``.

    ``factor`` is the slowdown, above 1 is worse, with its ``interval``. On every scale but the
    ratio's, ``difference`` is side - baseline in the base unit, with ``difference_interval``;
    ``counted`` are the tallies behind two proportions. ``reason`` says why two cells are not
    comparable. ``against`` is the baseline's word (vm, metal).
    """

    series: Series
    metric: Metric
    side: Cell
    baseline: Cell
    against: str
    word: Word = Word.NOT_COMPARABLE
    factor: float | None = None
    interval: Interval | None = None
    reason: str = ""
    caveats: tuple[Caveat, ...] = ()
    difference: float | None = None
    difference_interval: Interval | None = None
    counted: tuple[Tally, Tally] | None = None

    @property
    def headline(self) -> Headline | None:
        """The headline that verdicts are given for, or None."""
        return headline_of(self.series)

    @property
    def share(self) -> float | None:
        """The overhead by the convention of the metric: positive is worse."""
        return None if self.factor is None else self._share(self.factor)

    @property
    def share_interval(self) -> tuple[float, float] | None:
        """The interval of the overhead."""
        ends = self.interval
        return (self._share(ends.low), self._share(ends.high)) if ends else None

    @property
    def verdict(self) -> str:
        """The word where it may be told: of headline series, and why not of others."""
        return self.word if self.headline or self.reason else ""

    @property
    def margin(self) -> float:
        """The effect below which a difference is not called one; in the unit of the scale.

        A ratio's and a proportion's is the metric's own. A difference must pass the same share of
        the baseline's value, and one of what is counted: half a failed request is none.
        """
        metric, base = self.metric, self.baseline.summary
        if metric.scale in (Scale.RATIO, Scale.PROPORTION):
            return metric.margin
        if metric.scale == Scale.EXACT:
            return 0.0
        share = metric.margin * abs(base.value) if base else 0.0
        return max(share, 1.0 if metric.unit == "count" else 0.0)

    @property
    def worsening(self) -> tuple[float, float] | None:
        """The interval of how much worse the side is: the overhead, or a proportion's points."""
        if self.metric.scale == Scale.RATIO or self.difference_interval is None:
            bounds = self.share_interval
            return (min(bounds), max(bounds)) if bounds else None
        if self.metric.scale != Scale.PROPORTION:
            return None
        low, high = self.difference_interval.low, self.difference_interval.high
        return (-high, -low) if self.metric.better == Better.HIGHER else (low, high)

    @property
    def more_runs(self) -> int | None:
        """How many more runs a side would decide what is inconclusive; None: too many."""
        side, base, scale = self.side.summary, self.baseline.summary, self.metric.scale
        if side is None or base is None or scale == Scale.EXACT:
            return None
        step = max(self.side.resolution, self.baseline.resolution)
        if scale != Scale.RATIO:
            return stats.more_runs(
                side.values, base.values, self.margin, blur=step, counted=self.counted
            )
        if min(*side.values, *base.values) <= 0:
            return None
        ours, theirs = ([math.log(value) for value in one.values] for one in (side, base))
        blur = step / 2 * (1 / side.value + 1 / base.value)
        return stats.more_runs(ours, theirs, math.log1p(self.margin), blur=blur)

    @property
    def doubt(self) -> str:
        """The first reason not to quote the comparison, or nothing."""
        if self.reason:
            return self.word
        return next((c.rule.short for c in self.caveats if c.rule.doubts), "")

    def _share(self, factor: float) -> float:
        return stats.overhead(factor, higher_is_better=self.metric.better == Better.HIGHER)


class Analysis(Struct, frozen=True):
    """All cells and comparisons of a report."""

    config: Config
    selections: Mapping[tuple[str, str], Selection]
    cells: Mapping[tuple[Series, str], Cell]
    comparisons: tuple[Comparison, ...]
    definitions: Mapping[str, MetricDefinition]
    _by_benchmark: Mapping[str, tuple[Cell, ...]]
    #: What pages made once of runs that measured the same, by what they measured.
    plans: dict[object, Any] = field(default_factory=dict)

    def of(self, benchmark: str) -> tuple[Cell, ...]:
        """Return the cells of a benchmark, by series and environment."""
        return self._by_benchmark.get(benchmark, ())

    def paired(self, benchmark: str) -> bool:
        """Say whether an environment of a benchmark and its baseline have a series in common."""
        present = {label for name, label in self.selections if name == benchmark}
        return any(
            (cell.series, base) in self.cells
            for cell in self.of(benchmark)
            for _, base in baselines(cell.environment, self.config, present)
        )

    def figure(self, pattern: SeriesPattern, label: str) -> tuple[Cell, Summary]:
        """Return the one figure of an environment that is meant by a pattern.

        Raises SitegenError when there is none, or more than one.
        """
        figures = [
            (cell, cell.summary)
            for cell in self.of(pattern.metric.partition(".")[0])
            if cell.environment == label and pattern.matches(cell.series) and cell.summary
        ]
        if len(figures) == 1:
            return figures[0]
        having = f" with {dict(pattern.params)}" if pattern.params else ""
        number = f"{len(figures)} figures are" if figures else "no figure is"
        raise SitegenError(f"{number} {pattern.metric} in {label}{having}")

    def differences(self, benchmark: str, label: str, baseline: str) -> tuple[Difference, ...]:
        """Return what the runs of two environments differ in, the telling ones first."""
        sides = [self.selections.get((benchmark, name)) for name in (label, baseline)]
        setups = [Setup.of(cell.runs) for cell in sides if cell and cell.runs]
        return differences(*setups) if len(setups) == len(sides) else ()

    def metric(self, metric_id: str) -> Metric:
        """Return a metric of the table or of a run's own definitions."""
        defined = self.definitions.get(metric_id)
        return metric(metric_id, [defined] if defined else [])


def analyse(runs: Sequence[AnyRun], config: Config) -> Analysis:
    """Return every cell and comparison that ``runs`` give under the report's settings."""
    config = replace(config, environments=environments(runs, config))
    selections = select(runs, config)
    cells: dict[tuple[Series, str], Cell] = {}
    for (benchmark, label), selection in selections.items():
        declared = config.environment(label)
        for cell in cells_of(benchmark, label, selection, declared.tee, declared.role or ""):
            cells[cell.series, label] = cell
    mark_across(cells, config)
    keys = groupby(sorted(cells), key=lambda key: key[0].benchmark)
    of = {benchmark: tuple(cells[key] for key in cell_keys) for benchmark, cell_keys in keys}
    analysis = Analysis(config, selections, cells, (), _definitions(runs), of)
    return replace(analysis, comparisons=_comparisons(analysis))


def _definitions(runs: Sequence[AnyRun]) -> dict[str, MetricDefinition]:
    """Return what runs define; a metric that nobody defines has at least its rows' unit."""
    definitions = {d.id: d for run in runs for d in run.definitions}
    for name, unit in (pair for run in runs for pair in run.units):
        if name not in METRICS and name not in definitions:
            words = "Not defined by its collector."
            definitions[name] = MetricDefinition(name, name, unit, definition=words)
    return definitions


#: What two environments are to one another in a benchmark, whatever the series: the limits of the
#: newest runs, what the settings say against comparing them, what their runs do, and caveats.
_Sides = tuple[list[Limits], str, str, list[Caveat]]


def _comparisons(analysis: Analysis) -> tuple[Comparison, ...]:
    config, selections = analysis.config, analysis.selections
    labels = {label for _, label in selections}

    @cache
    def sides(benchmark: str, label: str, base: str) -> _Sides:
        ours, theirs = (selections[benchmark, name].runs for name in (label, base))
        reason = unlike(Setup.of(ours), Setup.of(theirs))
        newest = [ours[-1], theirs[-1]]
        limits = [*map(limits_of, newest)]
        return limits, refused(config, label, base), reason, caveats.applying("pair", *newest)

    baselines_of = {label: baselines(label, config, labels) for label in labels}
    comparisons = []
    for (series, label), cell in analysis.cells.items():
        for against, name in baselines_of[label]:
            base = analysis.cells.get((series, name))
            # A spread is no cost: steadier is neither faster nor slower.
            if base is None or series.statistic == "stddev":
                continue
            pair = Comparison(series, analysis.metric(series.metric), cell, base, against)
            if pair.metric.better != Better.NONE:
                declared = sides(series.benchmark, label, name)
                comparisons.append(_compared(pair, declared, analysis.cells))
    comparisons.sort(key=lambda c: (c.series, c.side.environment, c.baseline.environment))
    return tuple(comparisons)


def refused(config: Config, label: str, base: str) -> str:
    """Return why the settings say that two environments are not comparable, or nothing."""
    ours, theirs = config.environment(label), config.environment(base)
    return ours.incomparable.get(base, "") or theirs.incomparable.get(label, "")


def _compared(
    pair: Comparison, sides: _Sides, cells: Mapping[tuple[Series, str], Cell]
) -> Comparison:
    limits, declared, apart, doubts = sides
    series, both = pair.series, (pair.side, pair.baseline)
    notes = caveats.across(*(cell.caveats for cell in both))
    if empty := next((cell for cell in both if cell.summary is None), None):
        reason = f"nothing was measured in {empty.environment}"
        return replace(pair, reason=reason, caveats=tuple(notes))
    notes += doubts
    proof = ""
    if is_of_a_proof(series):
        sizes = (cells.get((proof_of(series), cell.environment)) for cell in both)
        proof = other_proof(*(one.summary.value if one and one.summary else None for one in sizes))
    if proof:
        notes.insert(0, caveats.caveat("not-the-same-proof", f"{proof}."))
    reason = declared or proof or beyond_quota(series, *limits) or apart
    pair = replace(_measured(pair, cells), caveats=tuple(notes))
    return replace(pair, word=Word.NOT_COMPARABLE, reason=reason) if reason else pair


def _measured(pair: Comparison, cells: Mapping[tuple[Series, str], Cell]) -> Comparison:
    """Return a comparison with what its summaries give on the scale of their metric."""
    metric, side, baseline = pair.metric, pair.side.summary, pair.baseline.summary
    if side is None or baseline is None:
        return pair
    higher = metric.better == Better.HIGHER
    step = max(pair.side.resolution, pair.baseline.resolution)
    if metric.scale == Scale.RATIO:
        factor = stats.slowdown(side.value, baseline.value, higher_is_better=higher)
        interval = stats.slowdown_interval(side, baseline, higher_is_better=higher, resolution=step)
        if factor is None:
            return replace(pair, interval=interval, reason="a value is zero")
        word = stats.verdict(side, baseline, interval, metric.margin)
        return replace(pair, word=word, factor=factor, interval=interval)
    difference = side.value - baseline.value
    if metric.scale == Scale.EXACT:
        values = ([v for run in one.repetitions for v in run] for one in (pair.side, pair.baseline))
        word = stats.equality_verdict(*values, higher_is_better=higher)
        # Two printed figures are equal as far as they are printed.
        cited = not min(side.runs, baseline.runs)
        return replace(pair, word=Word.ONE_RUN if cited else word, difference=difference)
    counted = None
    if metric.scale == Scale.PROPORTION:
        ours, theirs = (_tally(metric, one, cells) for one in (pair.side, pair.baseline))
        counted = (ours, theirs) if ours and theirs else None
        bounds = stats.proportion_interval(side, baseline, counted)
    else:
        bounds = stats.difference_interval(side, baseline, resolution=step)
    word = stats.difference_verdict(side, baseline, bounds, pair.margin, higher_is_better=higher)
    return replace(
        pair, word=word, difference=difference, difference_interval=bounds, counted=counted
    )


def _tally(metric: Metric, cell: Cell, cells: Mapping[tuple[Series, str], Cell]) -> Tally | None:
    """Return how many of how many; None where a repetition has a share and no count."""
    for statistic in (cell.series.statistic, "value", "total"):
        series = cell.series._replace(metric=metric.of, statistic=statistic)
        count = cells.get((series, cell.environment))
        if count is None:
            continue
        if list(map(len, count.repetitions)) != list(map(len, cell.repetitions)):
            return None
        trials = [n for run in count.repetitions for n in run]
        shares = [share for run in cell.repetitions for share in run]
        if min(trials, default=0) <= 0 or not all(0 <= share <= 1 for share in shares):
            return None
        events = math.fsum(share * n for share, n in zip(shares, trials, strict=True))
        return Tally(events, math.fsum(trials))
    return None
