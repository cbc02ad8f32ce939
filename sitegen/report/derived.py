"""Sections of a comparison page that show derived quantities: contrasts in charts and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from sitegen.analysis import contrasts
from sitegen.analysis.compare import Analysis, Cell
from sitegen.analysis.contrasts import Climb, Difference, NominalRatio, OverheadPoint
from sitegen.analysis.stats import overhead
from sitegen.catalogue.families import family
from sitegen.catalogue.metrics import Better, Metric
from sitegen.catalogue.tool import AxisCost, ForTheMoney, Ladder, OverheadBy, SessionShare
from sitegen.catalogue.units import display, percent, significant
from sitegen.charts.spec import BarChart, Chart, Group, Line, LineChart, Mark, Point
from sitegen.report import panels, words
from sitegen.report.costs import Finding


@dataclass(frozen=True, slots=True)
class TableCell:
    """One cell: its text, a smaller text under it, and a doubt."""

    text: str
    small: str = ""
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption for those who cannot see it; the first cell of a row is its head."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[TableCell, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One section: a title, what stands beside it, sentences, charts and tables."""

    id: str
    title: str
    aside: str
    sentences: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()


def sections(analysis: Analysis, benchmark: str) -> tuple[Section, ...]:
    """Return the sections of a benchmark's derived quantities, those that have something to say."""
    charts: list[Chart | None] = []
    found: list[Section | None] = []
    for index, wanted in enumerate(family(benchmark).contrasts):
        match wanted:
            case OverheadBy():
                charts.append(_overhead_chart(analysis, benchmark, wanted, f"overhead-{index}"))
            case Ladder():
                found.append(_ladder(analysis, benchmark, wanted, f"ladder-{index}"))
            case SessionShare():
                found.append(_shares(analysis, benchmark, wanted, f"session-{index}"))
            case AxisCost():
                found.append(_axis_cost(analysis, benchmark, wanted))
            case ForTheMoney():
                found.append(_for_the_money(analysis, benchmark, wanted))
    found.append(_unit_costs(analysis, benchmark))
    if any(charts):
        aside = "of each comparison: times E/B − 1, rates 1 − E/B; positive is worse"
        found.insert(0, Section("overhead", "Overhead", aside, charts=tuple(filter(None, charts))))
    return tuple(filter(None, found))


def finding(analysis: Analysis, benchmark: str) -> Finding | None:
    """Return what a ladder adds to a request, in a sentence; None without one.

    It speaks of the first ladder of the family, in the environment that can be quoted best.
    """
    asked = family(benchmark).contrasts
    ladder = next((wanted for wanted in asked if isinstance(wanted, Ladder)), None)
    climbs = contrasts.climbs(analysis, benchmark, ladder) if ladder else ()
    totals = [(climb, climb.total) for climb in climbs if climb.total.interval]
    if not totals:
        return None
    climb, total = max(totals, key=lambda pair: (not pair[0].first.doubt, pair[1].pairs))
    if total.value is None or total.interval is None:
        return None
    declared = analysis.config.environment(climb.environment)
    platform = words.environment(declared)
    if declared.tee == "none":
        platform += ", which has no TEE"
    within = f"{words.count(total.pairs, 'repetition')} of one run"
    counted = within if total.within else words.count(total.pairs, "run")
    beside = [f"{platform}: {counted}; from {climb.first_title} to {total.title}."]
    beside += [
        f"A request takes {_seconds(share.request_s)},"
        f" and a session pays {_seconds(share.once_s)} once."
        for wanted in asked
        if isinstance(wanted, SessionShare)
        for share in contrasts.session_shares(analysis, benchmark, wanted)
        if share.environment == climb.environment
    ]
    metric = analysis.metric(climb.first.series.metric)
    low, high = (_signed(metric, end) for end in (total.interval.low, total.interval.high))
    return Finding(
        f"Outside the model, each request takes {_text(metric, abs(total.value))}"
        f" {'more' if total.value > 0 else 'less'} with every protection ({low} to {high}).",
        " ".join(beside),
    )


def _overhead_chart(
    analysis: Analysis, benchmark: str, wanted: OverheadBy, chart_id: str
) -> Chart | None:
    found = contrasts.overheads(analysis, benchmark, wanted)
    if not found:
        return None
    metric = analysis.metric(wanted.series.metric)
    sides = Counter(label for label, _ in found)
    drawn = []
    for (label, base), points in found.items():
        environment = words.platform(analysis.config, label)
        against = words.platform(analysis.config, base).name
        name = f"{environment.name} against {against}" if sides[label] > 1 else environment.name
        drawn.append((name, environment.hue, tuple(map(_overhead_point, points))))
    ticks = {
        point.x: point.at
        for points in found.values()
        for point in points
        if not words.is_number(point.at)
    }
    return LineChart(
        id=chart_id,
        title=wanted.title,
        subtitle=f"{words.lower_first(metric.title)} · % · ↓ lower is better",
        x_title=wanted.axis_title,
        unit="%",
        lines=panels.lines(drawn),
        summary=f"{wanted.title}: {words.enumerate_words([name for name, _, _ in drawn])}",
        x_log=True,
        y_zero=True,
        x_ticks=tuple(sorted(ticks.items())),
    )


def _overhead_point(point: OverheadPoint) -> Point:
    share = point.comparison.share or 0.0
    bounds = point.comparison.share_interval
    low, high = (100 * end for end in sorted(bounds)) if bounds else (None, None)
    return Point(point.x, 100 * share, percent(share), low, high, point.comparison.doubt)


def _ladder(analysis: Analysis, benchmark: str, wanted: Ladder, section_id: str) -> Section | None:
    climbs = contrasts.climbs(analysis, benchmark, wanted)
    if not climbs:
        return None
    metric = analysis.metric(wanted.series.metric)
    # The parameters that tell two climbs apart.
    common = set.intersection(*(set(climb.params) for climb in climbs))
    names, tables = [], []
    sentences: list[str] = []
    for climb in climbs:
        platform = words.platform(analysis.config, climb.environment).name
        own = tuple(pair for pair in climb.params if pair not in common)
        name = words.joined(platform, words.params(own))
        names.append(name)
        first = TableCell(_text(metric, _value(climb.first)), doubt=climb.first.doubt)
        tables.append(
            Table(
                f"{wanted.title}, {name}",
                (name, "more than the step before", f"share of {climb.first_title}", "request"),
                (
                    (TableCell(climb.first_title), TableCell("·"), TableCell("·"), first),
                    *(_step_row(metric, one) for one in climb.differences),
                ),
            )
        )
        if climb.absent:
            absent = words.enumerate_words(list(climb.absent))
            sentences.append(f"{platform}: not measured here: {absent}.")
        if any(one.within for one in climb.differences):
            sentences.append(
                f"{platform}: one run; its intervals come from the repetitions within it and say"
                " nothing about the next run."
            )
    return Section(
        section_id,
        wanted.title,
        "differences are paired by repetition; 95 % intervals",
        tuple(dict.fromkeys(sentences)),
        (_ladder_chart(analysis, wanted, climbs, names, f"{section_id}-steps"),),
        tuple(tables),
    )


def _ladder_chart(
    analysis: Analysis, wanted: Ladder, climbs: Sequence[Climb], names: Sequence[str], chart_id: str
) -> Chart:
    metric = analysis.metric(wanted.series.metric)
    cells = [[climb.first, *(one.cell for one in climb.differences)] for climb in climbs]
    unit = panels.unit_of(analysis, chain.from_iterable(cells))
    groups: dict[str, list[Mark]] = {step: [] for step, _ in wanted.steps}
    for name, steps in zip(names, cells, strict=True):
        for cell in steps:
            mark = panels.mark(analysis, cell, unit, name)
            groups[dict(cell.series.params)[wanted.axis]].append(mark)
    return BarChart(
        chart_id,
        metric.title,
        words.metric_line(metric, unit, wanted.series.statistic),
        unit.text,
        tuple(Group(title, tuple(groups[step])) for step, title in wanted.steps if groups[step]),
        f"{wanted.title}: {words.lower_first(metric.title)} at each step,"
        f" {words.enumerate_words(names)}",
    )


def _step_row(metric: Metric, one: Difference) -> tuple[TableCell, ...]:
    between = words.count(one.pairs, "pair") if one.pairs else ""
    if one.interval:
        low, high = (_signed(metric, end) for end in (one.interval.low, one.interval.high))
        between = f"{low} to {high}, {between}"
    shares = ""
    if one.share_interval:
        shares = f"{percent(one.share_interval[0])} to {percent(one.share_interval[1])} %"
    return (
        TableCell(one.title),
        TableCell("not paired" if one.value is None else _signed(metric, one.value), between),
        # A share of one pair would read like a finding.
        TableCell(f"{percent(one.share)} %" if one.share is not None and shares else "", shares),
        TableCell(_text(metric, _value(one.cell)), doubt=one.cell.doubt),
    )


def _shares(
    analysis: Analysis, benchmark: str, wanted: SessionShare, section_id: str
) -> Section | None:
    shares = contrasts.session_shares(analysis, benchmark, wanted)
    if not shares:
        return None
    lines, rows, sentences = [], [], []
    for share in shares:
        environment = words.platform(analysis.config, share.environment)
        name = environment.name
        parts = [(count, 100 * part, significant(100 * part, 2)) for count, part in share.shares]
        points = tuple(Point(float(count), part, text) for count, part, text in parts)
        lines.append(Line(name, environment.hue, points))
        once = ", ".join(f"{title} {_seconds(value)}" for title, value in share.parts)
        rows.append(
            (
                TableCell(name),
                TableCell(_seconds(share.once_s), once),
                TableCell(_seconds(share.request_s)),
                *(TableCell(f"{text} %") for _, _, text in parts),
            )
        )
        if share.absent:
            absent = words.enumerate_words(list(share.absent))
            sentences.append(f"{name}: not part of it, because not measured: {absent}.")
    chart = LineChart(
        id=section_id,
        title=wanted.title,
        subtitle="time paid once ÷ (requests × time of a request) · % · ↓ lower is better",
        x_title="requests a session",
        unit="%",
        lines=tuple(lines),
        summary=f"{wanted.title}: {words.enumerate_words([line.label for line in lines])}",
        x_log=True,
        y_log=True,
        y_zero=False,
        reference=1.0,
    )
    counts = (f"{words.count(count, 'request')} a session" for count in wanted.counts)
    head = ("Environment", "once a session", "a request", *counts)
    return Section(
        f"{section_id}-section",
        wanted.title,
        "the line at 1 % is the claim that it is at most that",
        tuple(sentences),
        (chart,),
        (Table(wanted.title, head, tuple(rows)),),
    )


def _for_the_money(analysis: Analysis, benchmark: str, wanted: ForTheMoney) -> Section | None:
    ratios = {
        (ratio.environment, ratio.metric): ratio
        for ratio in contrasts.for_the_money(analysis, benchmark, wanted)
    }
    if not ratios:
        return None
    base = words.platform(analysis.config, next(iter(ratios.values())).baseline).name
    shown = [name for name in wanted.metrics if any(metric == name for _, metric in ratios)]
    rows = tuple(
        (
            TableCell(words.platform(analysis.config, label).name),
            *(_ratio_cell(ratios.get((label, name))) for name in shown),
        )
        for label in dict.fromkeys(label for label, _ in ratios)
    )
    head = ("Environment", *(analysis.metric(name).title for name in shown))
    return Section(
        "for-the-money",
        wanted.title,
        f"(figure ÷ price), {base} = 1; above 1 is better",
        ("Ratios of datasheets and of printed prices. No work was measured here.",),
        tables=(Table(f"{wanted.title}, {base} = 1", head, rows),),
    )


def _ratio_cell(ratio: NominalRatio | None) -> TableCell:
    if ratio is None:
        return TableCell("not stated")
    between = _between(ratio.interval)
    return TableCell(significant(ratio.ratio), between and f"{between} by rounding")


def _axis_cost(analysis: Analysis, benchmark: str, wanted: AxisCost) -> Section | None:
    pairs = contrasts.axis_pairs(analysis, benchmark, wanted)
    if not pairs:
        return None
    metric = analysis.metric(wanted.series.metric)
    base, side = (words.param(wanted.axis, value) for value in wanted.values)
    shared = set.intersection(*(set(pair.params) for pair in pairs))

    def share(factor: float) -> float:
        return overhead(factor, higher_is_better=metric.better == Better.HIGHER)

    rows = []
    for pair in pairs:
        name = words.platform(analysis.config, pair.side.environment).name
        extra = words.params(tuple(one for one in pair.params if one not in shared))
        cells = (pair.baseline, pair.side)
        unit = metric.unit_for([min(cell.summary.value for cell in cells if cell.summary)])
        between = words.count(pair.pairs, "pair") if pair.pairs else "not paired"
        if pair.interval:
            low, high = sorted(map(share, (pair.interval.low, pair.interval.high)))
            between = f"{percent(low)} to {percent(high)} %, {between}"
        doubt = pair.side.doubt or pair.baseline.doubt
        rows.append(
            (
                TableCell(words.joined(name, extra)),
                TableCell(f"{percent(share(pair.factor))} %", between, doubt),
                TableCell(f"{significant(pair.factor)}×"),
                *(TableCell(f"{words.number(cell, unit)} {unit.text}") for cell in cells),
            )
        )
    head = ("Environment", f"{side} against {base}", "slowdown", base, side)
    about = f"{words.lower_first(metric.title)}; {side} against {base} within the same runs"
    tables = (Table(wanted.title, head, tuple(rows)),)
    return Section(f"axis-{wanted.axis}", wanted.title, about, tables=tables)


def _unit_costs(analysis: Analysis, benchmark: str) -> Section | None:
    costs = contrasts.unit_costs(analysis, benchmark)
    if not costs:
        return None
    known = words.background(benchmark, (cell.series for cell in analysis.of(benchmark)))
    rows = []
    for cost in costs:
        cell, price = cost.cell, cost.price
        name = words.platform(analysis.config, cell.environment).name
        amount = f"{significant(cost.amount)} {price.currency} {cost.unit}"
        relative = TableCell("no baseline with a price")
        if cost.relative is not None:
            against = f"against {words.platform(analysis.config, cost.baseline).name}"
            about = words.joined(_between(cost.relative_interval), against)
            relative = TableCell(significant(cost.relative), about)
        billed = words.joined(price.sku, price.region, price.billing, price.date)
        rows.append(
            (
                TableCell(f"{name}, {words.short(cell.series, known)}"),
                TableCell(amount, _between(cost.interval), cell.doubt),
                relative,
                TableCell(f"{price.per_hour:g} {price.currency} an hour", billed),
            )
        )
    head = ("Series", "cost", "performance for the money, baseline = 1", "price")
    return Section(
        "unit-costs",
        "What a unit costs",
        "the whole instance is billed, and taken as busy all of the time",
        tables=(Table("What a unit costs", head, tuple(rows)),),
    )


def _between(ends: tuple[float, float] | None) -> str:
    return f"{significant(ends[0])} to {significant(ends[1])}" if ends else ""


def _value(cell: Cell) -> float | None:
    return cell.summary.value if cell.summary else None


def _text(metric: Metric, value: float | None) -> str:
    if value is None:
        return "not measured"
    unit = metric.unit_for([value])
    return f"{unit.number(value)} {unit.text}"


def _signed(metric: Metric, value: float) -> str:
    return f"{'−' if value < 0 else '+'}{_text(metric, abs(value))}"


def _seconds(value: float) -> str:
    return display(value, "s")
