"""What a TEE costs, as rows: the form that the overview and the comparison pages share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sitegen.analysis.compare import Analysis, Comparison
from sitegen.analysis.differences import Difference
from sitegen.analysis.replicates import Replication
from sitegen.analysis.stats import MOST_REPLICATES, Interval, Word
from sitegen.catalogue.families import family, natural, rank
from sitegen.catalogue.metrics import Better, Metric, Scale
from sitegen.catalogue.units import DisplayUnit, percent, percent_within, percents, significant
from sitegen.charts.spec import FactorMark, Hue
from sitegen.model import Params
from sitegen.report import words
from sitegen.report.words import Platform

#: More runs than this are told in tens: spreads of three runs know no better.
_EXACTLY = 20
_MOST_ROWS = 40
NBSP = "\N{NO-BREAK SPACE}"


class CostRow(NamedTuple):
    """One comparison in words; ``share`` is its overhead in percent, or a difference with unit."""

    comparison: Comparison
    title: str
    unit: str
    arrow: str
    share: str
    interval: str
    detail: str
    mark: FactorMark | None
    side: str
    baseline: str

    @property
    def amount(self) -> str:
        """The overhead or difference with its unit."""
        return f"{self.share} %" if self.comparison.share is not None else self.share


class CostTable(NamedTuple):
    """All comparisons of one environment against one baseline, and what the two differ in."""

    benchmark: str
    side: Platform
    baseline: Platform
    against: str
    tee: bool
    rows: tuple[CostRow, ...]
    differing: tuple[Difference, ...]

    @property
    def headlines(self) -> tuple[CostRow, ...]:
        """The rows that words are given for, or all rows where there is none."""
        return tuple(row for row in self.rows if row.comparison.headline) or self.rows

    @property
    def shown(self) -> tuple[CostRow, ...]:
        """The rows that a page has room for: headlines come first."""
        return self.rows[:_MOST_ROWS]

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
    def doubts(self) -> tuple[str, ...]:
        """What is to be read beside all of its rows."""
        rows = [row.comparison.named for row in self.rows if row.comparison.estimate]
        return tuple(one for one in (rows[0] if rows else ()) if all(one in row for row in rows))

    @property
    def among(self) -> int:
        """Over how many series its words hold together."""
        return max((row.comparison.among for row in self.rows), default=1)

    @property
    def marks(self) -> tuple[FactorMark, ...]:
        """The cost factors of its headline rows, or of all; the worst one is named."""
        worst = self.worst
        return tuple(
            row.mark._replace(label=row.title * (row is worst))
            for row in self.headlines
            if row.mark
        )

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

    def place(pair: tuple[str, str, str]) -> tuple[int, int, str]:
        label, base, _ = pair
        preferred = list(analysis.config.environment(label).baselines.values())
        return preferred.index(base) if base in preferred else 0, order.index(label), base

    tables = []
    for label, base, against in sorted(groups, key=place):
        side, baseline = (words.platform(analysis.config, each) for each in (label, base))
        comparisons = groups[label, base, against]
        comparisons.sort(key=_order)
        tee = side.hue in ("cpu-tee", "gpu-tee")
        rows = tuple(_row(comparison, side.hue, common) for comparison in comparisons)
        differing = analysis.differences(benchmark, label, base)
        tables.append(CostTable(benchmark, side, baseline, against, tee, rows, differing))
    return tuple(tables)


def _order(comparison: Comparison) -> tuple[object, ...]:
    """Return the place of a row: the headlines in their order, then the others by metric."""
    series, leads = comparison.series, comparison.headline is not None
    return not leads, rank(series) if leads else 0, series.metric, natural(series)


def _row(comparison: Comparison, hue: Hue, common: Mapping[str, Params]) -> CostRow:
    metric, side, base = comparison.metric, comparison.side, comparison.baseline
    unit = unit_of(comparison)
    mark, bounds = None, comparison.interval
    if comparison.factor:
        low, high = (bounds.low, bounds.high) if bounds else (None, None)
        mark = FactorMark("", comparison.factor, hue, low, high, comparison.doubt)
    statistic = words.statistic(comparison.series.statistic)
    return CostRow(
        comparison,
        words.short(comparison.series, common),
        words.joined(f"{words.lower_first(metric.title)},", statistic, unit.text, by=" "),
        words.arrow(metric),
        effect(comparison),
        interval(comparison),
        comparison.reason or detail(comparison),
        mark,
        words.number(side, unit),
        words.number(base, unit),
    )


def unit_of(comparison: Comparison) -> DisplayUnit:
    """Return the unit that both sides are shown in: that of the smaller one."""
    cells = (comparison.side, comparison.baseline)
    values = [cell.summary.value for cell in cells if cell.summary]
    return comparison.metric.unit_for([min(values)] if values else [])


def effect(comparison: Comparison) -> str:
    """Return the overhead in percent, or what the subtraction gave with its unit."""
    if comparison.share is not None:
        bounds = comparison.share_interval
        return percent_within(comparison.share, *bounds) if bounds else percent(comparison.share)
    if comparison.difference is None:
        return ""
    if comparison.difference == 0:
        return "equal"
    return amounts(comparison.metric, (comparison.difference,))[0]


def interval(comparison: Comparison) -> str:
    """Return both ends of the interval of an effect, in its unit; nothing without one."""
    return _ends(comparison, comparison.interval or comparison.difference_interval)


def _ends(comparison: Comparison, interval: Interval | None, joined: str = "to") -> str:
    if interval is None:
        return ""
    if comparison.metric.scale == Scale.RATIO:
        low, high = sorted(map(comparison.share_of, (interval.low, interval.high)))
        ends = (percent(end, percents(low, high)).replace("inf", "∞") for end in (low, high))
        return f" {joined} ".join(dict.fromkeys(ends))
    least, most = amounts(comparison.metric, (interval.low, interval.high))
    if least == most:
        return most
    _, blank, unit = most.rpartition(" ")
    return f"{least.removesuffix(blank + unit)} {joined} {most}"


def amounts(metric: Metric, differences: Sequence[float]) -> list[str]:
    """Return differences with their unit: +0.3 points, 3 fewer, +1.2 KiB."""
    if metric.scale == Scale.PROPORTION:
        return [f"{_signed(100 * each)} points" for each in differences]
    if metric.unit == "count":
        return [_counted(each) for each in differences]
    unit = metric.unit_for(differences)
    return [f"{_signed(each / unit.factor)} {unit.text}".rstrip() for each in differences]


def _counted(value: float) -> str:
    number = f"{abs(value):,.0f}" if value.is_integer() else significant(abs(value))
    return f"{number} {'fewer' if value < 0 else 'more'}" if value else "0"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{significant(value)}"


def spread(rows: Sequence[CostRow]) -> str:
    """Return between which overheads rows lie, or nothing."""
    shares = [row.comparison.share for row in rows if row.comparison.share is not None]
    if not shares:
        return ""
    low, high = percent(min(shares)), percent(max(shares))
    return f"{low} to {high} %" if low != high else f"{high} %"


def detail(comparison: Comparison) -> str:
    """Return what stands beside a word: what decides, what it stands on, and what to doubt."""
    stands_on, reason = comparison.stands_on, ""
    bounds = comparison.interval or comparison.difference_interval
    if comparison.word == Word.TOO_FEW and bounds and bounds.kind == "rounding":
        nothing = 1 if comparison.interval else 0
        within = bounds.low <= nothing <= bounds.high
        reason = "within rounding" if within else "interval: rounding of its digits"
    elif comparison.word == Word.TOO_FEW and comparison.estimate is None:
        exact = comparison.metric.scale == Scale.EXACT
        reason = "as printed" if exact else "these two runs only"
    elif comparison.word == Word.TOO_FEW:
        reason = "an interval, no verdict"
    elif comparison.headline and comparison.word == Word.INCONCLUSIVE:
        ends = _ends(comparison, comparison.joint, "and")
        percents = " %" if comparison.share is not None else ""
        between = f"between {ends}{percents}" if ends else ""
        reason = words.joined(between, decision(comparison), by="; ")
    elif comparison.headline:
        reason = decision(comparison)
    if comparison.estimate is None or not comparison.headline:
        return reason
    doubts = map(words.lower_first, comparison.named)
    return words.joined(reason, _counted_values(stands_on), *doubts, by="; ")


def _counted_values(stands_on: Replication) -> str:
    """Return "3 boots a side", or "3 sessions against 5", and whether in turns."""
    level, ours, theirs = stands_on.level, stands_on.side, stands_on.baseline
    many = f"{words.count(ours, level)} a side"
    if ours != theirs:
        many = f"{words.count(ours, level)} against {theirs}"
    return words.joined(many, "in turns" if stands_on.turns else "")


def decision(comparison: Comparison) -> str:
    """Return what completes a word: above which margin there is no difference, or what decides."""
    if comparison.word == Word.NO_DIFFERENCE:
        return _above(comparison)
    if comparison.word != Word.INCONCLUSIVE:
        return ""
    if comparison.metric.scale == Scale.EXACT:
        return "it is not the same each time"
    more, level = comparison.more_replicates, comparison.stands_on.level
    if more is None:
        return f"more than {MOST_REPLICATES} {level}s a side would be needed"
    if more > _EXACTLY:
        more = math.ceil(more / 10) * 10
    return f"about {words.count(more, f'more {level}')} a side decide{'s' if more == 1 else ''}"


def _above(comparison: Comparison) -> str:
    metric = comparison.metric
    if metric.scale == Scale.EXACT:
        return ""
    if metric.scale == Scale.RATIO:
        return f"above {metric.margin * 100:g} %"
    [margin] = amounts(metric, (comparison.margin,))
    return f"above {margin.removeprefix('+').removesuffix(' more')}"


class Finding(NamedTuple):
    """A sentence computed from comparisons, and what stands beside it."""

    sentence: str
    beside: str = ""


def finding(analysis: Analysis, benchmark: str, tables: Sequence[CostTable]) -> Finding:
    """Return what the comparisons of a benchmark say, in one sentence with its figures."""
    title = family(benchmark).title
    rows = [row for table in tables for row in table.rows]
    if not rows:
        many = words.count(len({one.environment for one in analysis.of(benchmark)}), "environment")
        if analysis.paired(benchmark):
            why = "None of the metrics says whether more of it is better."
            return Finding(f"{title} in {many}, and no metric that could be compared.", why)
        return Finding(
            f"{title} in {many}, and none of them against a baseline.",
            "What a TEE costs here was not measured: no environment has its own machine "
            "without the TEE beside it.",
        )
    doubtful = sum(table.doubtful for table in tables)
    many = words.count(len(rows), "comparison")
    beside = f"{doubtful} of {many} must not be quoted yet." if doubtful else f"{many} in all."
    if chosen := leading(benchmark, tables):
        tees = words.count(len({one.side.environment for one in chosen}), "TEE")
        of_them = words.count(len(chosen), "comparison")
        beside = f"In {tees}, by {of_them} of that series. {beside}"
        return Finding(f"A TEE {' '.join(clause(benchmark, tables))}.", beside)
    if all(row.comparison.word == Word.NOT_COMPARABLE for row in rows):
        return Finding(f"No comparison of {title} means anything yet: {rows[0].detail}.", beside)
    asked = [row for table in tables for row in table.headlines]
    series = words.count(len(asked), "headline series", "headline series")
    between = f", {span}" if (span := spread(asked)) else ""
    return Finding(f"{title}: nothing is decided in {series}{between}.", beside)


def clause(benchmark: str, tables: Sequence[CostTable]) -> tuple[str, str]:
    """Return ("takes", "27 to 38 % of random reads"), or nothing where nothing is decided.

    To a time it "adds" so much.
    """
    chosen = leading(benchmark, tables)
    if not chosen:
        return "", ""
    shares = sorted(one.share for one in chosen if one.share is not None)
    low, high = (significant(round(share * 100), 1) for share in (shares[0], shares[-1]))
    span = high if low == high else f"{low} to {high}"
    verb, of = ("adds", "to") if chosen[0].metric.better == Better.LOWER else ("takes", "of")
    return verb, f"{span}{NBSP}% {of} {chosen[0].headline.loses if chosen[0].headline else ''}"


def leading(benchmark: str, tables: Sequence[CostTable]) -> list[Comparison]:
    """Return the first headline series of TEEs against their defaults that is decided."""
    every = (row.comparison for table in of_tees(tables) for row in table.rows)
    clean = [one for one in every if one.factor and one.decided]
    of_headlines = (
        [one for one in clean if one.headline == headline]
        for headline in family(benchmark).headlines
        if headline.loses
    )
    return next(filter(None, of_headlines), [])


def of_tees(tables: Sequence[CostTable]) -> tuple[CostTable, ...]:
    """Return the table of each TEE against its default baseline."""
    first: dict[str, CostTable] = {}
    for table in tables:
        if table.tee:
            first.setdefault(table.side.label, table)
    return tuple(first.values())
