"""What a TEE costs, as rows: the form that the overview and the comparison pages share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sitegen.analysis.compare import Analysis, Comparison
from sitegen.analysis.differences import Difference
from sitegen.analysis.stats import MOST_RUNS, Word
from sitegen.catalogue.families import family
from sitegen.catalogue.metrics import Better, Metric, Scale
from sitegen.catalogue.tool import Headline
from sitegen.catalogue.units import percent, significant
from sitegen.charts.spec import FactorMark
from sitegen.model import Params
from sitegen.report import words

_TINY = 5e-4
#: More runs than this are told in tens: spreads of three runs know no better.
_EXACTLY = 20
NBSP = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class CostRow:
    """One comparison: answer first, then the two values that were divided or subtracted.

    ``share`` is the overhead in percent; on another scale than the ratio's, the difference with
    its unit, and there is no ``factor``.
    """

    title: str
    metric_id: str
    unit: str
    arrow: str
    share: str
    interval: str
    word: str
    detail: str
    doubt: str
    notes: tuple[str, ...]
    mark: FactorMark | None
    side: str
    baseline: str
    side_runs: tuple[str, ...]
    baseline_runs: tuple[str, ...]
    factor: float | None
    headline: Headline | None


@dataclass(frozen=True, slots=True)
class CostTable:
    """All comparisons of one environment against one baseline, and what the two differ in."""

    id: str
    benchmark: str
    environment: str
    environment_name: str
    baseline: str
    baseline_name: str
    against: str
    hue: str
    tee: bool
    rows: tuple[CostRow, ...]
    differing: tuple[Difference, ...] = ()

    @property
    def worst(self) -> CostRow | None:
        """The headline row with the largest slowdown; doubtful ones only if all are."""
        rows = [row for row in self.rows if row.headline and row.factor] or [
            row for row in self.rows if row.factor
        ]
        clean = [row for row in rows if not row.doubt]
        return max(clean or rows, key=lambda row: row.factor or 0, default=None)

    @property
    def doubtful(self) -> int:
        """How many rows must not be quoted yet."""
        return sum(bool(row.doubt) for row in self.rows)


def tables(analysis: Analysis, benchmark: str) -> tuple[CostTable, ...]:
    """Return the cost tables of a benchmark: an environment against each of its baselines."""
    groups: dict[tuple[str, str, str], list[Comparison]] = {}
    for comparison in analysis.comparisons:
        if comparison.series.benchmark != benchmark:
            continue
        key = (comparison.side.environment, comparison.baseline.environment, comparison.against)
        groups.setdefault(key, []).append(comparison)
    order = {label: index for index, label in enumerate(analysis.config.environments)}
    known = words.background(benchmark, (cell.series for cell in analysis.of(benchmark)))
    found = []
    for (label, base, against), comparisons in groups.items():
        declared = analysis.config.environment(label)
        found.append(
            CostTable(
                id=f"{label}-against-{base}",
                benchmark=benchmark,
                environment=label,
                environment_name=words.environment(declared),
                baseline=base,
                baseline_name=words.environment(analysis.config.environment(base)),
                against=against,
                hue=words.hue(declared),
                tee=words.is_tee(declared),
                rows=tuple(_row(c, words.hue(declared), known) for c in _ordered(comparisons)),
                differing=analysis.differences(benchmark, label, base),
            )
        )
    preferred = {
        (label, base): rank
        for label, declared in analysis.config.environments.items()
        for rank, base in enumerate(declared.baselines.values())
    }
    return tuple(
        sorted(
            found,
            key=lambda t: (
                preferred.get((t.environment, t.baseline), 0),
                order.get(t.environment, len(order)),
                t.baseline,
            ),
        )
    )


def _ordered(comparisons: Iterable[Comparison]) -> list[Comparison]:
    return sorted(
        comparisons,
        key=lambda c: (not c.headline, c.series.metric, words.natural(c.series)),
    )


def _row(comparison: Comparison, hue: str, known: Mapping[str, Params]) -> CostRow:
    metric, side, base = comparison.metric, comparison.side, comparison.baseline
    values = [c.summary.value for c in (side, base) if c.summary]
    unit = metric.unit_for([min(values)] if values else [])
    title = words.short(comparison.series, known)
    statistic = words.statistic(comparison.series.statistic)
    doubt = comparison.doubt
    mark = None
    if comparison.factor:
        bounds = comparison.interval
        mark = FactorMark(
            "",
            comparison.factor,
            hue,  # type: ignore[arg-type]
            bounds.low if bounds else None,
            bounds.high if bounds else None,
            doubt,
        )
    return CostRow(
        title=title,
        metric_id=metric.id,
        unit=" ".join(
            p for p in (words.lower_first(metric.title) + ",", statistic, unit.text) if p
        ),
        arrow=words.arrow(metric),
        share=effect(comparison),
        interval=interval(comparison),
        word=comparison.told,
        detail=comparison.reason or _detail(comparison),
        doubt=doubt,
        notes=tuple(dict.fromkeys(c.sentence for c in comparison.caveats if c.rule.doubts)),
        mark=mark,
        side=words.number(side, unit),
        baseline=words.number(base, unit),
        side_runs=side.runs,
        baseline_runs=base.runs,
        factor=comparison.factor,
        headline=comparison.headline,
    )


def effect(comparison: Comparison) -> str:
    """Return the overhead in percent, or what the subtraction gave with its unit."""
    if comparison.share is not None:
        return percent(comparison.share)
    if comparison.difference is None:
        return ""
    if comparison.difference == 0:
        return "equal"
    [text] = amounts(comparison.metric, (comparison.difference,))
    return text


def interval(comparison: Comparison, joined: str = "to") -> str:
    """Return both ends of the interval of an effect, in its unit; nothing without one."""
    if shares := comparison.share_interval:
        low, high = sorted(shares)
        digits = 1 if high - low >= 2 * _TINY else 2
        ends = (percent(end, digits).replace("inf", "∞") for end in (low, high))
        return f" {joined} ".join(ends)
    found = comparison.difference_interval
    if found is None:
        return ""
    least, most = amounts(comparison.metric, (found.low, found.high))
    if least == most:
        return most
    _, blank, unit = most.rpartition(" ")
    return f"{least.removesuffix(blank + unit)} {joined} {most}"


def amounts(metric: Metric, differences: Sequence[float]) -> list[str]:
    """Return differences with their unit: +0.3 points, 3 fewer, +1.2 KiB."""
    if metric.scale == Scale.PROPORTION:
        return [f"{_signed(100 * each)} points" for each in differences]
    if metric.unit == "count":
        return [
            f"{_count(abs(each))} {'fewer' if each < 0 else 'more'}" if each else "0"
            for each in differences
        ]
    unit = metric.unit_for(differences)
    return [f"{_signed(each / unit.factor)} {unit.text}".rstrip() for each in differences]


def _count(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else significant(value)


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{significant(value)}"


def _detail(comparison: Comparison) -> str:
    word = comparison.word
    if word == Word.ONE_RUN:
        found = comparison.interval or comparison.difference_interval
        if found and found.kind == "rounding":
            nothing = 1 if comparison.interval else 0
            return (
                "within rounding"
                if found.low <= nothing <= found.high
                else "interval: rounding of the print"
            )
        if comparison.metric.scale == Scale.EXACT:
            return "as printed"
        return "these two runs only"
    if word == Word.TWO_RUNS:
        return "an interval, no verdict"
    if word == Word.INCONCLUSIVE:
        ends = interval(comparison, "and")
        percents = " %" if comparison.share is not None else ""
        between = f"between {ends}{percents}; " if ends else ""
        return f"{between}{decision(comparison)}" if comparison.headline else ""
    return decision(comparison) if comparison.headline else ""


def decision(comparison: Comparison) -> str:
    """Return what completes a word: above which margin there is no difference, or what decides."""
    if comparison.word == Word.NO_DIFFERENCE:
        return _above(comparison)
    if comparison.word != Word.INCONCLUSIVE:
        return ""
    if comparison.metric.scale == Scale.EXACT:
        return "it is not the same each time"
    more = comparison.more_runs
    if more is None:
        return f"more than {MOST_RUNS} runs a side would be needed"
    if more > _EXACTLY:
        more = math.ceil(more / 10) * 10
    return f"about {words.count(more, 'more run')} a side decide{'s' if more == 1 else ''}"


def _above(comparison: Comparison) -> str:
    metric = comparison.metric
    if metric.scale == Scale.EXACT:
        return ""
    if metric.scale == Scale.RATIO:
        return f"above {metric.margin * 100:g} %"
    [margin] = amounts(metric, (comparison.margin,))
    return f"above {margin.removeprefix('+').removesuffix(' more')}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence computed from comparisons, and what stands beside it."""

    sentence: str
    beside: str = ""


def finding(analysis: Analysis, benchmark: str, found: Sequence[CostTable]) -> Finding:
    """Return what the comparisons of a benchmark say, in one sentence with its figures."""
    title = family(benchmark).title
    environments = {cell.environment for cell in analysis.of(benchmark)}
    everything = [row for table in found for row in table.rows]
    if not everything:
        many = words.count(len(environments), "environment")
        if analysis.paired(benchmark):
            return Finding(
                f"{title} in {many}, and no metric that could be compared.",
                "None of the metrics says whether more of it is better.",
            )
        return Finding(
            f"{title} in {many}, and none of them against a baseline.",
            "What a TEE costs here was not measured: no environment has its own machine "
            "without the TEE beside it.",
        )
    doubtful = sum(bool(row.doubt) for row in everything)
    beside = (
        f"{doubtful} of {words.count(len(everything), 'comparison')} must not be quoted yet."
        if doubtful
        else f"{words.count(len(everything), 'comparison')} in all."
    )
    clean = leading(benchmark, defaults(found))
    if clean:
        ours = {t.environment for t in defaults(found) for row in t.rows if row in clean}
        beside = (
            f"In {words.count(len(ours), 'TEE')}, by"
            f" {words.count(len(clean), 'comparison')} of that series. {beside}"
        )
        return Finding(f"A TEE takes {span(analysis, clean)} of {_loses(clean)}.", beside)
    reasons = list(dict.fromkeys(row.detail for row in everything if row.word == "not comparable"))
    if reasons and all(row.word == "not comparable" for row in everything):
        return Finding(f"No comparison of {title} means anything yet: {reasons[0]}.", beside)
    return Finding(f"{words.count(len(everything), 'comparison')} of {title}.", beside)


def clause(analysis: Analysis, benchmark: str, found: Sequence[CostTable]) -> str:
    """Return "40 to 87 % of random reads", or nothing where nothing may be quoted."""
    clean = leading(benchmark, defaults(found))
    return f"{span(analysis, clean)} of {_loses(clean)}" if clean else ""


def leading(benchmark: str, found: Iterable[CostTable]) -> list[CostRow]:
    """Return the rows of TEEs in the first headline series of which any may be quoted."""
    rows = [
        row
        for table in found
        if table.tee
        for row in table.rows
        if row.headline and row.factor and not row.doubt
    ]
    for headline in family(benchmark).headlines:
        if headline.loses and (chosen := [row for row in rows if row.headline == headline]):
            return chosen
    return []


def _loses(rows: Sequence[CostRow]) -> str:
    return rows[0].headline.loses if rows[0].headline else ""


def span(analysis: Analysis, rows: Iterable[CostRow]) -> str:
    """Return "27 to 38 %" for the smallest and largest overhead of ``rows``."""
    shares = sorted(
        (row.factor - 1)
        if analysis.metric(row.metric_id).better == Better.LOWER
        else (1 - 1 / row.factor)
        for row in rows
        if row.factor
    )
    low, high = (significant(round(share * 100), 1) for share in (shares[0], shares[-1]))
    return f"{low}{NBSP}%" if low == high else f"{low} to {high}{NBSP}%"


def defaults(found: Sequence[CostTable]) -> list[CostTable]:
    """Return the table of each environment against its default baseline."""
    first: dict[str, CostTable] = {}
    for table in found:
        first.setdefault(table.environment, table)
    return list(first.values())
