"""Sections of a comparison page that show derived quantities: contrasts in charts and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from msgspec import Struct

from sitegen.analysis import contrasts
from sitegen.analysis.compare import Analysis, Cell
from sitegen.analysis.contrasts import Climb, Difference, NominalRatio, OverheadPoint
from sitegen.analysis.stats import Interval, overhead
from sitegen.catalogue.families import family
from sitegen.catalogue.metrics import Better, Metric
from sitegen.catalogue.tool import AxisCost, ForTheMoney, Ladder, OverheadBy, SessionShare
from sitegen.catalogue.units import display, percent, significant
from sitegen.charts.spec import BarChart, Chart, Group, Line, LineChart, Mark, Point
from sitegen.report import panels, words
from sitegen.report.costs import Finding


class TableCell(Struct, frozen=True):
    """One cell: its text, a smaller text under it, and a doubt."""

    text: str
    small: str = ""
    doubt: str = ""


class Table(Struct, frozen=True):
    """A table with a caption for those who cannot see it; the first cell of a row is its head."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[TableCell, ...], ...]


class Section(Struct, frozen=True):
    """One section: a title, what stands beside it, sentences, charts and tables."""

    id: str
    title: str
    aside: str
    sentences: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()


def sections(analysis: Analysis, benchmark: str, prefix: str = "") -> tuple[Section, ...]:
    """Return the sections of a benchmark's derived quantities, those that have something to say.

    ``prefix`` makes their ids unique on a page of several benchmarks.
    """
    charts: list[Chart] = []
    found: list[Section | None] = []
    for index, wanted in enumerate(family(benchmark).contrasts):
        match wanted:
            case OverheadBy():
                charts += _overheads(analysis, benchmark, wanted, f"{prefix}overhead-{index}")
            case Ladder():
                found.append(_ladder(analysis, benchmark, wanted, f"{prefix}ladder-{index}"))
            case SessionShare():
                found.append(_shares(analysis, benchmark, wanted, f"{prefix}session-{index}"))
            case AxisCost():
                found.append(_axis_cost(analysis, benchmark, wanted, prefix))
            case ForTheMoney():
                found.append(_for_the_money(analysis, benchmark, wanted, prefix))
    found.append(_unit_costs(analysis, benchmark, prefix))
    if charts:
        aside = "of each comparison: times E/B − 1, rates 1 − E/B; positive is worse"
        found.insert(0, Section(f"{prefix}overhead", "Overhead", aside, charts=tuple(charts)))
    return tuple(filter(None, found))


def finding(analysis: Analysis, benchmark: str) -> Finding | None:
    """Return what a ladder adds to a request, in a sentence; None without one.

    It speaks of the first ladder of the family, in the environment that can be quoted best.
    """
    asked = family(benchmark).contrasts
    ladder = next((wanted for wanted in asked if isinstance(wanted, Ladder)), None)
    climbs = contrasts.climbs(analysis, benchmark, ladder) if ladder else ()
    totals = [(climb, climb.total) for climb in climbs if climb.total.interval]
    best = max(totals, key=lambda pair: (not pair[0].first.doubt, pair[1].pairs), default=None)
    if best is None or best[1].value is None or best[1].interval is None:
        return None
    climb, total = best
    value, interval = best[1].value, best[1].interval
    declared = analysis.config.environment(climb.environment)
    platform = words.environment(declared)
    if declared.tee == "none":
        platform += ", which has no TEE"
    within = f"{words.count(total.pairs, 'repetition')} of one run"
    counted = within if total.within else words.count(total.pairs, "run")
    beside = [f"{platform}: {counted}; from {climb.first_title} to {total.title}."]
    beside += [
        f"A request takes {display(share.request_s, 's')},"
        f" and a session pays {display(share.once_s, 's')} once."
        for wanted in asked
        if isinstance(wanted, SessionShare)
        for share in contrasts.session_shares(analysis, benchmark, wanted)
        if share.environment == climb.environment
    ]
    metric = analysis.metric(climb.first.series.metric)
    return Finding(
        f"Outside the model, each request takes {_text(metric, abs(value))}"
        f" {'more' if value > 0 else 'less'} with every protection"
        f" ({_ends(metric, interval)}).",
        " ".join(beside),
    )


def _name(analysis: Analysis, label: str) -> str:
    return words.platform(analysis.config, label).name


def _overheads(
    analysis: Analysis, benchmark: str, wanted: OverheadBy, chart_id: str
) -> Iterator[Chart]:
    found = contrasts.overheads(analysis, benchmark, wanted)
    if not found:
        return
    metric = analysis.metric(wanted.series.metric)
    sides = Counter(label for label, _ in found)
    drawn = []
    for (label, base), points in found.items():
        environment = words.platform(analysis.config, label)
        against = f" against {_name(analysis, base)}" if sides[label] > 1 else ""
        name = environment.name + against
        drawn.append((name, environment.hue, tuple(map(_overhead_point, points))))
    places = {point.x: point.at for points in found.values() for point in points}
    yield LineChart(
        id=chart_id,
        title=wanted.title,
        subtitle=f"{words.lower_first(metric.title)} · % · ↓ lower is better",
        x_title=wanted.axis_title,
        unit="%",
        lines=panels.lines(drawn),
        summary=f"{wanted.title}: {words.enumerate_words([name for name, _, _ in drawn])}",
        x_log=True,
        y_zero=True,
        x_ticks=tuple((x, at) for x, at in sorted(places.items()) if not words.is_number(at)),
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
    names: list[str] = []
    sentences: list[str] = []
    tables: list[Table] = []
    for climb in climbs:
        platform = _name(analysis, climb.environment)
        own = tuple(pair for pair in climb.params if pair not in common)
        names.append(words.joined(platform, words.params(own)))
        title = climb.first_title
        head = (names[-1], "more than the step before", f"share of {title}", "request")
        first = (TableCell(title), TableCell("·"), TableCell("·"), _measured(metric, climb.first))
        steps = (_step_row(metric, one) for one in climb.differences)
        tables.append(Table(f"{wanted.title}, {names[-1]}", head, (first, *steps)))
        if climb.absent:
            absent = words.enumerate_words(climb.absent)
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
    pairs = words.count(one.pairs, "pair") if one.pairs else ""
    between = words.joined(_ends(metric, one.interval) if one.interval else "", pairs)
    value = "not paired" if one.value is None else _signed(metric, one.value)
    share = shares = ""
    # A share of one pair would read like a finding.
    if one.share_interval and one.share is not None:
        share, shares = f"{percent(one.share)} %", _percents(one.share_interval)
    return (
        TableCell(one.title),
        TableCell(value, between),
        TableCell(share, shares),
        _measured(metric, one.cell),
    )


def _shares(
    analysis: Analysis, benchmark: str, wanted: SessionShare, section_id: str
) -> Section | None:
    lines, rows, sentences = [], [], []
    for share in contrasts.session_shares(analysis, benchmark, wanted):
        environment = words.platform(analysis.config, share.environment)
        points = tuple(
            Point(float(number), 100 * part, significant(100 * part, 2))
            for number, part in share.shares
        )
        lines.append(Line(environment.name, environment.hue, points))
        once = ", ".join(f"{title} {display(value, 's')}" for title, value in share.parts)
        rows.append(
            (
                TableCell(environment.name),
                TableCell(display(share.once_s, "s"), once),
                TableCell(display(share.request_s, "s")),
                *(TableCell(f"{point.text} %") for point in points),
            )
        )
        if share.absent:
            absent = words.enumerate_words(share.absent)
            sentences.append(f"{environment.name}: not part of it, because not measured: {absent}.")
    if not lines:
        return None
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
    about = "the line at 1 % is the claim that it is at most that"
    tables = (Table(wanted.title, head, tuple(rows)),)
    name = f"{section_id}-section"
    return Section(name, wanted.title, about, tuple(sentences), (chart,), tables)


def _for_the_money(
    analysis: Analysis, benchmark: str, wanted: ForTheMoney, prefix: str
) -> Section | None:
    ratios = {
        (ratio.environment, ratio.metric): ratio
        for ratio in contrasts.for_the_money(analysis, benchmark, wanted)
    }
    if not ratios:
        return None
    base = _name(analysis, next(iter(ratios.values())).baseline)
    labels, metrics = (dict.fromkeys(names) for names in zip(*ratios, strict=True))
    shown = [name for name in wanted.metrics if name in metrics]
    rows = (
        (
            TableCell(_name(analysis, label)),
            *(_ratio_cell(ratios.get((label, name))) for name in shown),
        )
        for label in labels
    )
    head = ("Environment", *(analysis.metric(name).title for name in shown))
    return Section(
        f"{prefix}for-the-money",
        wanted.title,
        f"(figure ÷ price), {base} = 1; above 1 is better",
        ("Ratios of datasheets and of printed prices. No work was measured here.",),
        tables=(Table(f"{wanted.title}, {base} = 1", head, tuple(rows)),),
    )


def _ratio_cell(ratio: NominalRatio | None) -> TableCell:
    if ratio is None:
        return TableCell("not stated")
    between = _between(ratio.interval)
    return TableCell(significant(ratio.ratio), between and f"{between} by rounding")


def _axis_cost(analysis: Analysis, benchmark: str, wanted: AxisCost, prefix: str) -> Section | None:
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
        name = _name(analysis, pair.side.environment)
        extra = words.params(tuple(one for one in pair.params if one not in shared))
        cells = (pair.baseline, pair.side)
        unit = metric.unit_for([min(cell.summary.value for cell in cells if cell.summary)])
        between = words.count(pair.pairs, "pair") if pair.pairs else "not paired"
        if pair.interval:
            low, high = sorted(map(share, (pair.interval.low, pair.interval.high)))
            between = f"{_percents((low, high))}, {between}"
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
    name = f"{prefix}axis-{wanted.axis}"
    return Section(name, wanted.title, about, tables=(Table(wanted.title, head, tuple(rows)),))


def _unit_costs(analysis: Analysis, benchmark: str, prefix: str) -> Section | None:
    known = words.background(benchmark, (cell.series for cell in analysis.of(benchmark)))
    rows = []
    for cost in contrasts.unit_costs(analysis, benchmark):
        cell, price = cost.cell, cost.price
        name = f"{_name(analysis, cell.environment)}, {words.short(cell.series, known)}"
        amount = f"{significant(cost.amount)} {price.currency} {cost.unit}"
        relative = TableCell("no baseline with a price")
        if cost.relative is not None:
            against = f"against {_name(analysis, cost.baseline)}"
            about = words.joined(_between(cost.relative_interval), against)
            relative = TableCell(significant(cost.relative), about)
        billed = words.joined(price.sku, price.region, price.billing, price.date)
        rows.append(
            (
                TableCell(name),
                TableCell(amount, _between(cost.interval), cell.doubt),
                relative,
                TableCell(f"{price.per_hour:g} {price.currency} an hour", billed),
            )
        )
    head = ("Series", "cost", "performance for the money, baseline = 1", "price")
    title, about = (
        "What a unit costs",
        "the whole instance is billed, and taken as busy all of the time",
    )
    tables = (Table(title, head, tuple(rows)),)
    return Section(f"{prefix}unit-costs", title, about, tables=tables) if rows else None


def _measured(metric: Metric, cell: Cell) -> TableCell:
    return TableCell(_text(metric, cell.summary.value) if cell.summary else "", doubt=cell.doubt)


def _between(ends: tuple[float, float] | None) -> str:
    return f"{significant(ends[0])} to {significant(ends[1])}" if ends else ""


def _percents(ends: tuple[float, float]) -> str:
    return f"{percent(ends[0])} to {percent(ends[1])} %"


def _ends(metric: Metric, interval: Interval) -> str:
    return f"{_signed(metric, interval.low)} to {_signed(metric, interval.high)}"


def _text(metric: Metric, value: float) -> str:
    unit = metric.unit_for([value])
    return f"{unit.number(value)} {unit.text}"


def _signed(metric: Metric, value: float) -> str:
    return f"{'−' if value < 0 else '+'}{_text(metric, abs(value))}"
