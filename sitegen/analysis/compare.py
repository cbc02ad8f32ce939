"""Two environments side by side, on the scale of each metric: derived when the archive is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from sitegen.analysis import caveats, replicates, stats
from sitegen.analysis.caveats import Caveat
from sitegen.analysis.differences import (
    Difference,
    Setup,
    beyond_quota,
    check_allowed,
    crowded,
    differences,
    is_of_a_proof,
    machines,
    other_proof,
    proof_of,
    unlike,
    unrecorded,
)
from sitegen.analysis.replicates import Replication, replication
from sitegen.analysis.selection import Selection, baselines, environments, select
from sitegen.analysis.series import Cell, cells_of, mark_across
from sitegen.analysis.stats import DECIDED, Estimate, Interval, Summary, Tally, Tested, Word
from sitegen.catalogue.families import family, own_headlines, worded_series
from sitegen.catalogue.metrics import METRICS, Better, Metric, Scale, metric
from sitegen.catalogue.rules import limits_of
from sitegen.catalogue.tool import Headline, Limits, Miss, SeriesPattern
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.model import AnyRun, MetricDefinition, Series

__all__ = ["Analysis", "Cell", "Comparison", "analyse", "refused"]


_NOTHING = Replication(replicates.Level.RUN, 0, 0)
_DAY_S = 86400.0
#: An error rate is no slower for being higher.
_OF_AMOUNTS = {Word.SLOWER: "worse", Word.FASTER: "better"}


class Comparison(Struct, frozen=True):
    """What ``side`` costs against ``baseline``.

    ``factor`` is the slowdown, above 1 is worse, with its ``interval``. On every scale but the
    ratio's, ``difference`` is side - baseline in the base unit, with ``difference_interval``. Both
    come from the ``estimate`` of the replicates that ``stands_on`` counts, where there are enough.
    A ``headline`` has a word, which holds together with those of all that it is ``among``.
    ``place`` is its headline's, in their order. One that stands in the place of what its headline
    asks for ``misses`` that, which environments are ``lacking``.
    ``reason`` says why two cells are not comparable. ``against`` is the baseline's word: vm, metal.
    ``whole`` is the same with the runs that a rule sets aside, where there are any.
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
    estimate: Estimate | None = None
    stands_on: Replication = _NOTHING
    headline: Headline | None = None
    among: int = 1
    place: int = 0
    misses: Miss | None = None
    lacking: tuple[str, ...] = ()
    whole: Comparison | None = None

    @property
    def aside(self) -> tuple[tuple[Cell, Caveat], ...]:
        """Why runs of a side are in none of its figures, the side's own first."""
        return tuple((cell, one) for cell in (self.side, self.baseline) for one in cell.aside)

    @property
    def share(self) -> float | None:
        """The overhead by the convention of the metric: positive is worse."""
        return None if self.factor is None else self.share_of(self.factor)

    @property
    def share_interval(self) -> tuple[float, float] | None:
        """The interval of the overhead, the lower end first."""
        if self.interval is None:
            return None
        low, high = sorted(map(self.share_of, (self.interval.low, self.interval.high)))
        return low, high

    @property
    def verdict(self) -> str:
        """What is told in a word or few, the same everywhere; nothing of an exploratory series."""
        if self.reason:
            return self.word
        if doubt := self.doubt:
            return f"doubtful: {doubt}"
        if self.few:
            return self.few
        if not self.headline:
            return ""
        word = (
            self.word if self.metric.scale == Scale.RATIO else _OF_AMOUNTS.get(self.word, self.word)
        )
        scope = self.stands_on.scope if self.word in DECIDED else ""
        return f"{word} {scope}".rstrip()

    @property
    def few(self) -> str:
        """Why there are too few values for a word, or nothing."""
        return self.stands_on.few if self.word == Word.TOO_FEW else ""

    @property
    def decided(self) -> bool:
        """Whether it says what is so, and may be quoted."""
        return bool(self.headline) and self.word in DECIDED and not self.doubt

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
    def joint(self) -> Interval | None:
        """The interval, of the slowdown or the difference, that holds with all it is among."""
        if self.estimate is None:
            return self.interval or self.difference_interval
        low, high = self.estimate.ends(stats.together(self.among))
        ends = Interval(low, high, "replicates")
        return ends.map(stats.exp) if self.metric.scale == Scale.RATIO else ends

    def worsening(self, tests: int = 1) -> tuple[float, float] | None:
        """Return the bounds of how much worse the side is, which hold together over ``tests``.

        Of a ratio the overhead, else the difference, in its unit; None without replicates.
        """
        if self.estimate is None:
            return None
        low, high = self.estimate.ends(stats.together(tests))
        if self.metric.scale == Scale.RATIO:
            low, high = sorted(self.share_of(stats.exp(end)) for end in (low, high))
        elif self.metric.better == Better.HIGHER:
            low, high = -high, -low
        return low, high

    @property
    def tested(self) -> Tested | None:
        """The estimate and the margin, on a scale where above 0 is worse."""
        found = self.estimate
        if found is None:
            return None
        if self.metric.scale == Scale.RATIO:
            return found, math.log1p(self.margin)
        if self.metric.better == Better.HIGHER:
            found = found.reversed()
        return found, self.margin

    @property
    def more_replicates(self) -> int | None:
        """How many more replicates a side would decide what is inconclusive; None: too many."""
        side, base, found = self.side.summary, self.baseline.summary, self.tested
        if side is None or base is None or found is None:
            return None
        ours, theirs = side.values, base.values
        if self.metric.scale == Scale.RATIO:
            ours, theirs = (tuple(map(math.log, values)) for values in (ours, theirs))
        return stats.more_replicates(
            ours, theirs, found[1], blur=sum(found[0].blur) / 2, counted=found[0].counted,
            turns=self.stands_on.turns, tests=stats.together(self.among),
        )  # fmt: skip

    @property
    def doubt(self) -> str:
        """The first reason not to quote the comparison, or nothing."""
        if self.reason:
            return self.word
        return next((c.rule.short for c in self.caveats if c.rule.doubts), "")

    @property
    def named(self) -> list[str]:
        """What is to be read beside the word, in sentences without their full stops."""
        return [c.sentence.rstrip(".") for c in self.caveats if c.rule.named]

    def share_of(self, factor: float) -> float:
        """Return the overhead of a slowdown, by the convention of the metric."""
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
    _setups: dict[tuple[str, str], Setup] = field(default_factory=dict)

    def of(self, benchmark: str) -> tuple[Cell, ...]:
        """Return the cells of a benchmark, by series and environment."""
        return self._by_benchmark.get(benchmark, ())

    def headlines(self, benchmark: str) -> tuple[Headline, ...]:
        """Return what readers ask of a benchmark: as the catalogue has it, or its own runs.

        Metrics that runs define lead in the order in which they do, if it is known whether more
        or less is better.
        """
        if declared := family(benchmark).headlines:
            return declared
        key = (Headline, benchmark)
        if key not in self.plans:
            series = {cell.series: None for cell in self.of(benchmark)}
            ids = dict.fromkeys([*self.definitions, *sorted({one.metric for one in series})])
            metrics = [one for one in map(self.metric, ids) if one.better != Better.NONE]
            self.plans[key] = own_headlines([(one.id, one.title) for one in metrics], series)
        made: tuple[Headline, ...] = self.plans[key]
        return made

    def setup(self, benchmark: str, label: str) -> Setup:
        """Return how the runs of an environment were taken, found out once."""
        if (benchmark, label) not in self._setups:
            runs = self.selections[benchmark, label].runs
            self._setups[benchmark, label] = Setup.of(runs, self.config.environment(label))
        return self._setups[benchmark, label]

    def paired(self, benchmark: str) -> bool:
        """Say whether an environment of a benchmark and its baseline have a series in common."""
        present = {label for _, label in self.selections}
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
        both = (label, baseline)
        sides = [self.selections.get((benchmark, name)) for name in both]
        if not all(one and one.runs for one in sides):
            return ()
        return differences(*(self.setup(benchmark, name) for name in both))

    def metric(self, metric_id: str) -> Metric:
        """Return a metric of the table or of a run's own definitions."""
        defined = self.definitions.get(metric_id)
        return metric(metric_id, [defined] if defined else [])


def analyse(
    runs: Sequence[AnyRun],
    config: Config,
    newest: datetime | None = None,
    pairs: Sequence[tuple[str, str, str]] | None = None,
) -> Analysis:
    """Return every cell and comparison that ``runs`` give under the report's settings.

    Or the comparisons of ``pairs`` alone: side, baseline and its word. ``newest`` is when the
    newest run was taken of a report that has more of them.
    """
    check_allowed(config)
    config = replace(config, environments=environments(runs, config))
    selections = select(runs, config, newest)
    cells: dict[tuple[Series, str], Cell] = {}
    for (benchmark, label), selection in selections.items():
        declared = config.environment(label)
        for cell in cells_of(benchmark, label, selection, declared.tee, declared.role or ""):
            cells[cell.series, label] = cell
    mark_across(cells, config)
    keys = groupby(sorted(cells), key=lambda key: key[0].benchmark)
    of = {benchmark: tuple(cells[key] for key in cell_keys) for benchmark, cell_keys in keys}
    analysis = Analysis(config, selections, cells, (), _definitions(runs), of)
    return replace(analysis, comparisons=_comparisons(analysis, pairs))


def _definitions(runs: Sequence[AnyRun]) -> dict[str, MetricDefinition]:
    """Return what runs define; a metric that nobody defines has at least its rows' unit."""
    definitions = {d.id: d for run in runs for d in run.definitions}
    for name, unit in (pair for run in runs for pair in run.units):
        if name not in METRICS and name not in definitions:
            words = "Not defined by its collector."
            definitions[name] = MetricDefinition(name, name, unit, definition=words)
    return definitions


#: What two environments are to one another in a benchmark, whatever the series: how the runs of
#: each were taken, the limits of the newest, why not to compare them (by the settings, by how they
#: were taken), and caveats.
_Sides = tuple[tuple[Setup, Setup], list[Limits], tuple[str, str], list[Caveat]]


def _comparisons(
    analysis: Analysis, pairs: Sequence[tuple[str, str, str]] | None
) -> tuple[Comparison, ...]:
    config, labels = analysis.config, {label for _, label in analysis.selections}
    if pairs is None:
        pairs = [
            (one, base, word) for one in labels for word, base in baselines(one, config, labels)
        ]
    comparisons = [
        one
        for benchmark in {name: None for name, _ in analysis.selections}
        for pair in pairs
        for one in between(analysis, benchmark, *pair)
    ]
    comparisons.sort(key=lambda c: (c.series, c.side.environment, c.baseline.environment))
    return tuple(comparisons)


def between(
    analysis: Analysis, benchmark: str, label: str, base: str, against: str = ""
) -> list[Comparison]:
    """Return all comparisons of two environments in a benchmark; their words hold together."""
    cells = analysis.cells
    pairs = []
    for cell in analysis.of(benchmark):
        series = cell.series
        # A spread is no cost: steadier is neither faster nor slower.
        if cell.environment != label or series.statistic == "stddev":
            continue
        other = cells.get((series, base))
        metric = analysis.metric(series.metric)
        if other is not None and metric.better != Better.NONE:
            pairs.append(Comparison(series, metric, cell, other, against))
    if not pairs:
        return []
    sides = _sides(analysis, benchmark, label, base)
    compared = [_compared(pair, sides, analysis) for pair in pairs]
    return [
        replace(pair, lacking=_lacking(pair, analysis)) if pair.misses else pair
        for pair in worded(analysis.headlines(benchmark), compared)
    ]


def _lacking(pair: Comparison, analysis: Analysis) -> tuple[str, ...]:
    """Return which of two sides have nothing of what the headline of a comparison asks for."""
    headline = pair.headline
    having = {
        cell.environment
        for cell in analysis.of(pair.series.benchmark)
        if headline and cell.summary and headline.matches(cell.series)
    }
    sides = (pair.baseline.environment, pair.side.environment)
    return tuple(label for label in sides if label not in having)


def _sides(analysis: Analysis, benchmark: str, label: str, base: str) -> _Sides:
    config = analysis.config
    ours, theirs = (analysis.selections[benchmark, name].runs for name in (label, base))
    newest = [ours[-1], theirs[-1]]
    setups = analysis.setup(benchmark, label), analysis.setup(benchmark, base)
    reasons = refused(config, label, base), unlike(*setups)
    doubts = caveats.applying("setups", machines(*setups)[1], unrecorded(*setups))
    doubts += caveats.applying("pair", *newest)
    return setups, [*map(limits_of, newest)], reasons, doubts


def worded(headlines: Sequence[Headline], pairs: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons with headlines chosen, and with the words of those."""
    able = [pair for pair in pairs if not pair.reason] or pairs
    chosen = worded_series(headlines, (pair.series for pair in able))
    places = {headline: place for place, headline in enumerate(headlines)}
    tested = {
        pair.series: pair.tested
        for pair in able
        if pair.series in chosen and pair.word == Word.NONE and pair.tested
    }
    words = dict(zip(tested, stats.words([*tested.values()]), strict=True))
    return [
        replace(
            pair,
            headline=(headline := chosen.get(pair.series)),
            word=words.get(pair.series, pair.word),
            among=max(len(tested), 1),
            place=places[headline] if headline else len(places),
            misses=headline.miss(pair.series) if headline else None,
        )
        for pair in pairs
    ]


def refused(config: Config, label: str, base: str) -> str:
    """Return why the settings say that two environments are not comparable, or nothing."""
    ours, theirs = config.environment(label), config.environment(base)
    return ours.incomparable.get(base, "") or theirs.incomparable.get(label, "")


def _compared(pair: Comparison, sides: _Sides, analysis: Analysis) -> Comparison:
    setups, limits, (declared, apart), doubts = sides
    series, cells, both = pair.series, analysis.cells, (pair.side, pair.baseline)
    notes = caveats.across(*(cell.caveats for cell in both))
    if empty := next((cell for cell in both if cell.summary is None), None):
        reason = f"nothing was measured in {empty.environment}"
        return replace(pair, reason=reason, caveats=tuple(notes))
    notes += doubts
    if pair.side.beside and pair.baseline.beside:
        both_beside = (cell.beside for cell in both)
        notes += caveats.applying("amounts", series.metric, *both_beside)
    proof = ""
    if is_of_a_proof(series):
        sizes = (cells.get((proof_of(series), cell.environment)) for cell in both)
        proof = other_proof(*(one.summary.value if one and one.summary else None for one in sizes))
    if proof:
        notes.insert(0, caveats.caveat("not-the-same-proof", f"{proof}."))
    pair = measured(pair, cells, analysis.config.apart_days)
    if pair.aside:
        side, base = (cell.whole or cell for cell in both)
        pair = replace(pair, whole=_measured(replace(pair, side=side, baseline=base), cells))
    reason = declared or proof or beyond_quota(series, *limits) or apart
    reason = reason or crowded(series, *setups)
    pair = replace(pair, caveats=(*notes, *pair.caveats), reason=reason or pair.reason)
    return replace(pair, word=Word.NOT_COMPARABLE) if pair.reason else pair


def measured(
    pair: Comparison, cells: Mapping[tuple[Series, str], Cell], apart_days: int
) -> Comparison:
    """Return a comparison with what its values and their times say, on the scale of its metric.

    It has no word yet, where it may get one. A proportion looks for its counts in ``cells``.
    """
    pair = _measured(pair, cells)
    return replace(pair, caveats=tuple(_of_time(pair, apart_days)))


def _measured(pair: Comparison, cells: Mapping[tuple[Series, str], Cell]) -> Comparison:
    metric, side, baseline = pair.metric, pair.side.summary, pair.baseline.summary
    if side is None or baseline is None:
        return pair
    higher, ratio = metric.better == Better.HIGHER, metric.scale == Scale.RATIO
    cited = not min(side.runs, baseline.runs)
    stands_on = replicates.CITED if cited else replication(side.origins, baseline.origins)
    side, baseline = (one.at(stands_on.level, ratio=ratio) for one in (side, baseline))
    pair = replace(
        pair, stands_on=stands_on, word=Word.TOO_FEW if stands_on.few else Word.NONE,
        side=replace(pair.side, summary=side), baseline=replace(pair.baseline, summary=baseline),
    )  # fmt: skip
    if metric.scale == Scale.EXACT:
        values = ([v for run in one.repetitions for v in run] for one in (pair.side, pair.baseline))
        word = stats.equality_verdict(*values, higher_is_better=higher)
        # Two printed figures are equal as far as they are printed.
        word = Word.TOO_FEW if cited else word
        return replace(pair, word=word, difference=side.value - baseline.value)
    step = max(pair.side.resolution, pair.baseline.resolution)
    found = stats.estimate(
        side, baseline, ratio=ratio, higher_is_better=higher, turns=stands_on.turns, resolution=step
    )
    if ratio:
        factor = stats.slowdown(side.value, baseline.value, higher_is_better=higher)
        if factor is None or min(map(_least, (pair.side, pair.baseline))) <= 0:
            return replace(pair, reason="a value is zero")
        if found:
            interval: Interval | None = found.interval.map(stats.exp)
        else:
            interval = stats.single_slowdown(side, baseline, higher_is_better=higher)
        return replace(pair, factor=factor, interval=interval, estimate=found)
    if metric.scale == Scale.PROPORTION:
        ours, theirs = (_tally(metric, one, cells) for one in (pair.side, pair.baseline))
        if ours and theirs:
            found = replace(found, counted=(ours, theirs)) if found else None
    bounds = stats.single_difference(side, baseline)
    if found:
        bounds = found.interval
    elif metric.scale == Scale.PROPORTION and ours and theirs:
        low, high = stats.newcombe(ours, theirs)
        bounds = Interval(low, high, "counts")
    difference = side.value - baseline.value
    return replace(pair, difference=difference, difference_interval=bounds, estimate=found)


def _least(cell: Cell) -> float:
    return _least_of(cell.repetitions)


@lru_cache(maxsize=4096)
def _least_of(repetitions: tuple[tuple[float, ...], ...]) -> float:
    """Return the least value of a side, which stands in many pairs."""
    return min([min(run) for run in repetitions if run])


def _of_time(pair: Comparison, apart_days: int) -> list[Caveat]:
    """Return what the times of two sides, and the order of their values, say against them."""
    stands_on, side, baseline = pair.stands_on, pair.side.summary, pair.baseline.summary
    if side is None or baseline is None or not stands_on.least:
        return []
    gap = replicates.gap_s(side.origins, baseline.origins)
    notes = []
    if gap and (not stands_on.few or gap > apart_days * _DAY_S):
        notes += caveats.applying("gap", gap / _DAY_S, apart_days)
    if stands_on.few:
        return notes
    if stands_on.turns:
        both = [(side.values[i], baseline.values[j]) for i, j in stands_on.turns]
        values = [math.log(a / b) if pair.factor else a - b for a, b in both]
        return notes + caveats.applying("moves", "differences", replicates.drift(values))
    for cell, summary in ((pair.side, side), (pair.baseline, baseline)):
        how = replicates.trend(summary.values, stands_on.level, summary.origins)
        notes += caveats.applying("moves", f"values of {cell.environment}", how)
    return notes


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
