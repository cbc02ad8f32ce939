"""What a TEE costs, as rows: the form that the overview and the comparison pages share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sitegen.analysis.compare import Analysis, Comparison
from sitegen.analysis.differences import Difference
from sitegen.analysis.stats import slowdown
from sitegen.catalogue.families import MOST_HEADLINES, family, natural
from sitegen.catalogue.metrics import Better
from sitegen.catalogue.units import percent
from sitegen.charts.spec import FactorAxis, FactorMark, FactorPoint, Hue
from sitegen.model import Params
from sitegen.report import addresses, effects, words
from sitegen.report.effects import NBSP, Doubted
from sitegen.report.words import Platform

#: Replicates of a side that a strip has room for.
_MOST_POINTS = 12


class CostRow(NamedTuple):
    """One comparison in words; ``cost`` is its effect, a percentage, a factor or a difference.

    ``named`` is what is to be read beside it and not beside all rows of its table. ``aside`` are
    the runs that are in none of its figures, ``doubted`` those that a doubt is of.
    """

    comparison: Comparison
    title: str
    unit: str
    arrow: str
    cost: str
    interval: str
    detail: str
    mark: FactorMark | None
    side: str
    baseline: str
    short: str
    measure: str
    named: tuple[str, ...] = ()
    aside: tuple[Doubted, ...] = ()
    doubted: tuple[Doubted, ...] = ()

    @property
    def places(self) -> tuple[str, str]:
        """Where the values of the baseline and of the side lead, from the site's root."""
        comparison = self.comparison
        return addresses.behind(comparison.baseline), addresses.behind(comparison.side)

    @property
    def address(self) -> str:
        """The id of the row: pages of runs lead to it."""
        return addresses.comparison(self.comparison)


class CostTable(NamedTuple):
    """All comparisons of one environment against one baseline, and what the two differ in."""

    benchmark: str
    side: Platform
    baseline: Platform
    against: str
    tee: bool
    rows: tuple[CostRow, ...]
    differing: tuple[Difference, ...]
    #: What is to be read beside all of its rows.
    doubts: tuple[str, ...] = ()
    #: The parameters that all of its headline rows share, which their short titles leave out.
    shared: str = ""
    #: What tells it from another table of the same two, whose baseline has another word.
    apart: str = ""

    @property
    def id(self) -> str:
        """The table's name on its page."""
        return f"{self.side.label}-against-{self.baseline.label}{self.apart}"

    @property
    def title(self) -> str:
        """The name of its benchmark."""
        return family(self.benchmark).title

    @property
    def headlines(self) -> tuple[CostRow, ...]:
        """The rows that words are given for, or as many others where there is none."""
        asked = tuple(row for row in self.rows if row.comparison.headline)
        return asked or self.rows[:MOST_HEADLINES]

    @property
    def rest(self) -> tuple[CostRow, ...]:
        """The rows without a word."""
        return tuple(row for row in self.rows if row not in self.headlines)

    @property
    def axis(self) -> FactorAxis:
        """The axis that fits the cost factors of its headline rows."""
        return FactorAxis.of(row.mark for row in self.headlines if row.mark)

    @property
    def worst(self) -> CostRow | None:
        """The decided headline row with the largest slowdown, or none."""
        rows = [row for row in self.rows if row.comparison.decided and row.comparison.factor]
        return max(rows, key=lambda row: row.comparison.factor or 0, default=None)

    @property
    def undecided(self) -> str:
        """How many headline series nothing is decided of, and between what they lie."""
        series = words.count(len(self.headlines), "series", "series")
        return words.joined(f"nothing decided in {series}", spread(self.headlines), by=": ")

    @property
    def among(self) -> int:
        """Over how many series its words hold together."""
        return max((row.comparison.among for row in self.rows), default=1)

    @property
    def marks(self) -> tuple[FactorMark, ...]:
        """The cost factors of its headline rows."""
        return tuple(row.mark._replace(points=()) for row in self.headlines if row.mark)

    @property
    def doubtful(self) -> int:
        """How many rows must not be quoted yet."""
        return sum(bool(row.comparison.doubt) for row in self.rows)


def tables(analysis: Analysis, benchmark: str) -> tuple[CostTable, ...]:
    """Return the cost tables of a benchmark: an environment against each of its baselines."""
    groups: dict[tuple[str, str, str], list[Comparison]] = {}
    for comparison in analysis.comparisons:
        if comparison.series.benchmark == benchmark:
            key = (comparison.side.environment, comparison.baseline.environment, comparison.against)
            groups.setdefault(key, []).append(comparison)
    common = words.background(benchmark, (cell.series for cell in analysis.of(benchmark)))
    order = list(analysis.config.environments)
    taken = {run.id: words.when(run) for one in analysis.selections.values() for run in one.runs}
    days = taken.__getitem__

    def place(pair: tuple[str, str, str]) -> tuple[bool, int, int, str]:
        label, base, _ = pair
        preferred = list(analysis.config.environment(label).baselines.values())
        choice = preferred.index(base) if base in preferred else 0
        plain = not words.platform(analysis.config, label).is_tee
        return plain, choice, order.index(label), base

    twice = Counter((label, base) for label, base, _ in groups)
    tables = []
    for label, base, against in sorted(groups, key=place):
        side, baseline = (words.platform(analysis.config, each) for each in (label, base))
        comparisons = groups[label, base, against]
        comparisons.sort(key=_order)
        doubts, shared = _of_all(comparisons), _shared(comparisons)
        around = _Around(side.hue, common, days, doubts, shared)
        rows = tuple(_row(one, around) for one in comparisons)
        differing = analysis.differences(benchmark, label, base)
        sides = (benchmark, side, baseline, against, side.is_tee)
        apart = f"-as-{against}" if twice[label, base] > 1 else ""
        tables.append(CostTable(*sides, rows, differing, doubts, words.params(shared), apart))
    return tuple(tables)


def _of_all(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """Return what is to be read beside every comparison that has replicates."""
    named = [one.named for one in comparisons if one.estimate]
    return tuple(text for text in (named[0] if named else ()) if all(text in one for one in named))


def _shared(comparisons: Sequence[Comparison]) -> Params:
    """Return the parameters that all headline series have alike, where there are several."""
    every = [set(one.series.params) for one in comparisons if one.headline]
    return tuple(sorted(set.intersection(*every))) if len(every) > 1 else ()


def _short(comparison: Comparison, skip: frozenset[str]) -> str:
    """Return the title of a headline row among the others of its table."""
    series, headline = comparison.series, comparison.headline
    if headline is None:
        return words.joined(comparison.metric.title, words.title(series), by=": ")
    if headline.whole:
        return words.title(series)
    return words.joined(headline.title, words.params(series.params, skip), by=": ")


def _order(comparison: Comparison) -> tuple[object, ...]:
    """Return the place of a row: the headlines in their order, then the others by metric."""
    series, leads = comparison.series, comparison.headline is not None
    return not leads, comparison.place if leads else 0, series.metric, natural(series)


class _Around(NamedTuple):
    """What the rows of a table have around them: the words that are said once for all of them."""

    hue: Hue
    common: Mapping[str, Params]
    days: Callable[[str], str]
    doubts: tuple[str, ...]
    shared: Params


def _row(comparison: Comparison, around: _Around) -> CostRow:
    hue, common, days, doubts, shared = around
    metric, side, base = comparison.metric, comparison.side, comparison.baseline
    unit = effects.unit_of(comparison)
    statistic = words.statistic(comparison.series.statistic)
    return CostRow(
        comparison,
        words.short(comparison.series, common),
        words.joined(f"{words.lower_first(metric.title)},", statistic, unit.text, by=" "),
        words.arrow(metric),
        effects.effect(comparison),
        effects.interval(comparison),
        comparison.reason or effects.standing(comparison),
        _mark(comparison, hue, days) if comparison.factor else None,
        words.number(side, unit),
        words.number(base, unit),
        _short(comparison, frozenset(key for key, _ in shared)),
        words.joined(statistic, unit.text),
        tuple(text for text in effects.named(comparison) if text not in doubts),
        effects.set_aside(comparison, days) if comparison.aside else (),
        effects.doubted(comparison, days) if comparison.doubt else (),
    )


def _mark(comparison: Comparison, hue: Hue, days: Callable[[str], str]) -> FactorMark:
    bounds = comparison.interval
    low, high = (bounds.low, bounds.high) if bounds else (None, None)
    points = tuple(_points(comparison, days)) if comparison.headline else ()
    return FactorMark("", comparison.factor or 0.0, hue, low, high, comparison.doubt, points)


def _points(comparison: Comparison, days: Callable[[str], str]) -> Iterator[FactorPoint]:
    """Yield what each run of the side costs against the baseline's mean, hollow if set aside."""
    side, base = comparison.side, comparison.baseline.summary
    whole = (side.whole or side).summary
    if base is None or whole is None or not 1 < len(whole.by_run) <= _MOST_POINTS:
        return
    higher = comparison.metric.better == Better.HIGHER
    gone = {run for mark in side.aside for run in mark.runs}
    for origin, value in zip(whole.origins, whole.by_run, strict=False):
        if factor := slowdown(value, base.value, higher_is_better=higher):
            yield FactorPoint(factor, days(origin.run), hollow=origin.run in gone)


def spread(rows: Sequence[CostRow]) -> str:
    """Return between which overheads rows lie, or nothing."""
    shares = [row.comparison.share for row in rows if row.comparison.share is not None]
    if not shares:
        return ""
    low, high = percent(min(shares)), percent(max(shares))
    return f"{low} to {high}{NBSP}%" if low != high else f"{high}{NBSP}%"


def of_tees(tables: Sequence[CostTable]) -> tuple[CostTable, ...]:
    """Return the table of each TEE against its default baseline."""
    first: dict[str, CostTable] = {}
    for table in tables:
        if table.tee:
            first.setdefault(table.side.label, table)
    return tuple(first.values())
