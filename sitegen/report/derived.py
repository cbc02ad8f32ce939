"""Sections of a comparison page that show derived quantities: contrasts in charts and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sitegen.analysis import contrasts
from sitegen.analysis.compare import Analysis, Cell
from sitegen.analysis.contrasts import (
    AxisPair,
    Climb,
    Difference,
    NominalRatio,
    OverheadPoint,
    Share,
    UnitCost,
)
from sitegen.analysis.stats import overhead
from sitegen.catalogue.metrics import Better
from sitegen.catalogue.tool import AxisCost, Family, ForTheMoney, Ladder, OverheadBy, SessionShare
from sitegen.catalogue.units import display, percent, significant
from sitegen.charts.spec import BarChart, Chart, Group, Line, LineChart, Mark, Point
from sitegen.report import words
from sitegen.report.costs import Finding

_DIGITS = 3


@dataclass(frozen=True, slots=True)
class TableCell:
    """One cell: its text, a smaller text under it, a doubt, and whether it is a number."""

    text: str
    small: str = ""
    doubt: str = ""
    number: bool = True


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


def sections(analysis: Analysis, presented: Family) -> tuple[Section, ...]:
    """Return the sections of a benchmark's derived quantities, those that have something to say."""
    charts: list[Chart] = []
    found: list[Section] = []
    for index, wanted in enumerate(presented.contrasts):
        match wanted:
            case OverheadBy():
                chart = _overhead_chart(analysis, presented.benchmark, wanted, f"overhead-{index}")
                charts += [chart] if chart else []
            case Ladder():
                climbs = contrasts.climbs(analysis, presented.benchmark, wanted)
                found += [_ladder(analysis, wanted, climbs, f"ladder-{index}")] if climbs else []
            case SessionShare():
                shares = contrasts.session_shares(analysis, presented.benchmark, wanted)
                found += [_shares(analysis, wanted, shares, f"session-{index}")] if shares else []
            case AxisCost():
                pairs = contrasts.axis_pairs(analysis, presented.benchmark, wanted)
                found += [_axis_cost(analysis, wanted, pairs)] if pairs else []
            case ForTheMoney():
                ratios = contrasts.for_the_money(analysis, presented.benchmark, wanted)
                found += [_for_the_money(analysis, wanted, ratios)] if ratios else []
    if charts:
        aside = "of each comparison: times E/B − 1, rates 1 − E/B; positive is worse"
        found.insert(0, Section("overhead", "Overhead", aside, charts=tuple(charts)))
    costs = contrasts.unit_costs(analysis, presented.benchmark)
    if costs:
        found.append(_unit_costs(analysis, costs))
    return tuple(found)


def finding(analysis: Analysis, presented: Family) -> Finding | None:
    """Return what a ladder adds to a request, in a sentence; None without one.

    It speaks of the first ladder of the family, in the environment that can be quoted best.
    """
    ladders = [wanted for wanted in presented.contrasts if isinstance(wanted, Ladder)]
    if not ladders:
        return None
    metric_id = ladders[0].series.metric
    climbs = contrasts.climbs(analysis, presented.benchmark, ladders[0])
    told = [(climb, climb.total) for climb in climbs if climb.total.interval]
    if not told:
        return None
    climb, total = max(told, key=lambda pair: (not pair[0].first.doubt, pair[1].pairs))
    interval = total.interval
    if total.value is None or interval is None:
        return None
    declared = analysis.config.environment(climb.environment)
    many = f"{words.count(total.pairs, 'repetition')} of one run"
    platform = words.environment(declared)
    if declared.tee == "none":
        platform += ", which has no TEE"
    counted = many if total.within else words.count(total.pairs, "run")
    beside = [f"{platform}: {counted}; from {climb.first_title} to {total.title}."]
    for wanted in presented.contrasts:
        if isinstance(wanted, SessionShare):
            beside += [
                f"A request takes {_seconds(share.request_s)},"
                f" and a session pays {_seconds(share.once_s)} once."
                for share in contrasts.session_shares(analysis, presented.benchmark, wanted)
                if share.environment == climb.environment
            ]
    low, high = (_signed(analysis, metric_id, end) for end in (interval.low, interval.high))
    added = _value_text(analysis, metric_id, abs(total.value))
    return Finding(
        f"Outside the model, each request takes {added}"
        f" {'more' if total.value > 0 else 'less'} with every protection ({low} to {high}).",
        " ".join(beside),
    )


def _overhead_chart(
    analysis: Analysis, benchmark: str, wanted: OverheadBy, chart_id: str
) -> Chart | None:
    lines: list[Line] = []
    ticks: dict[float, str] = {}
    metric = analysis.metric(wanted.series.metric)
    found = contrasts.overheads(analysis, benchmark, wanted)
    sides = Counter(label for label, _ in found)
    for (label, base), points in found.items():
        declared = analysis.config.environment(label)
        name = words.environment(declared)
        if sides[label] > 1:
            name += f" against {words.environment(analysis.config.environment(base))}"
        ticks |= {point.x: point.at for point in points if not _is_number(point.at)}
        hue = words.hue(declared)
        pattern = sum(line.hue == hue for line in lines)
        lines.append(
            Line(
                name,
                hue,
                tuple(_overhead_point(point) for point in points),
                min(pattern, 2),
            )
        )
    if not lines:
        return None
    return LineChart(
        id=chart_id,
        title=wanted.title,
        subtitle=f"{words.lower_first(metric.title)} · % · ↓ lower is better",
        x_title=wanted.axis_title,
        unit="%",
        lines=tuple(lines),
        summary=f"{wanted.title}: {words.enumerate_words([line.label for line in lines])}",
        x_log=True,
        y_zero=True,
        x_ticks=tuple(sorted(ticks.items())),
    )


def _overhead_point(point: OverheadPoint) -> Point:
    share = point.comparison.share or 0.0
    bounds = point.comparison.share_interval
    low, high = sorted(bounds) if bounds else (None, None)
    return Point(
        point.x,
        100 * share,
        percent(share),
        None if low is None else 100 * low,
        None if high is None else 100 * high,
        point.comparison.doubt,
    )


def _ladder(
    analysis: Analysis, wanted: Ladder, climbs: Sequence[Climb], section_id: str
) -> Section:
    tables = []
    sentences: list[str] = []
    names = _names(analysis, climbs)
    for climb, name in zip(climbs, names, strict=True):
        rows = [_first_row(analysis, climb)]
        rows += [_step_row(analysis, one) for one in climb.differences]
        tables.append(
            Table(
                f"{wanted.title}, {name}",
                (name, "more than the step before", f"share of {climb.first_title}", "request"),
                tuple(rows),
            )
        )
        platform = words.environment(analysis.config.environment(climb.environment))
        if climb.absent:
            sentences.append(
                f"{platform}: not measured here: {words.enumerate_words(list(climb.absent))}."
            )
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


def _names(analysis: Analysis, climbs: Sequence[Climb]) -> list[str]:
    """Return a name for each climb: its environment, and the parameters that tell two apart."""
    pairs = [set(climb.params) for climb in climbs]
    common = set.intersection(*pairs)
    names = []
    for climb in climbs:
        name = words.environment(analysis.config.environment(climb.environment))
        told = words.params(tuple(pair for pair in climb.params if pair not in common))
        names.append(f"{name}, {told}" if told else name)
    return names


def _ladder_chart(
    analysis: Analysis,
    wanted: Ladder,
    climbs: Sequence[Climb],
    names: Sequence[str],
    chart_id: str,
) -> Chart:
    metric = analysis.metric(wanted.series.metric)
    cells = [[climb.first, *(one.cell for one in climb.differences)] for climb in climbs]
    unit = metric.unit_for([_value_of(cell) for steps in cells for cell in steps])
    titles = dict(wanted.steps)
    groups: dict[str, list[Mark]] = {title: [] for title in titles.values()}
    for climb, name, steps in zip(climbs, names, cells, strict=True):
        declared = analysis.config.environment(climb.environment)
        for cell in steps:
            groups[titles[dict(cell.series.params)[wanted.axis]]].append(
                Mark(
                    name,
                    (_value_of(cell) or 0.0) / unit.factor,
                    words.number(cell, unit),
                    words.hue(declared),
                    *_bounds(cell, unit.factor),
                    doubt=cell.doubt,
                )
            )
    return BarChart(
        chart_id,
        metric.title,
        words.metric_line(metric, unit, wanted.series.statistic),
        unit.text,
        tuple(Group(title, tuple(marks)) for title, marks in groups.items() if marks),
        f"{wanted.title}: {words.lower_first(metric.title)} at each step,"
        f" {words.enumerate_words(list(names))}",
    )


def _bounds(cell: Cell, factor: float) -> tuple[float | None, float | None]:
    interval = cell.summary.interval if cell.summary else None
    return (interval.low / factor, interval.high / factor) if interval else (None, None)


def _first_row(analysis: Analysis, climb: Climb) -> tuple[TableCell, ...]:
    return (
        TableCell(climb.first_title, number=False),
        TableCell("·"),
        TableCell("·"),
        TableCell(
            _value_text(analysis, climb.first.series.metric, _value_of(climb.first)),
            doubt=climb.first.doubt,
        ),
    )


def _step_row(analysis: Analysis, one: Difference) -> tuple[TableCell, ...]:
    metric_id = one.cell.series.metric
    between = words.count(one.pairs, "pair") if one.pairs else ""
    if one.interval:
        low = _signed(analysis, metric_id, one.interval.low)
        high = _signed(analysis, metric_id, one.interval.high)
        between = f"{low} to {high}, {words.count(one.pairs, 'pair')}"
    shares = ""
    if one.share_interval:
        shares = f"{percent(one.share_interval[0])} to {percent(one.share_interval[1])} %"
    told = "not paired" if one.value is None else _signed(analysis, metric_id, one.value)
    return (
        TableCell(one.title, number=False),
        TableCell(told, between),
        # A share of one pair would read like a finding.
        TableCell(f"{percent(one.share)} %" if one.share is not None and shares else "", shares),
        TableCell(_value_text(analysis, metric_id, _value_of(one.cell)), doubt=one.cell.doubt),
    )


def _shares(
    analysis: Analysis, wanted: SessionShare, shares: Sequence[Share], section_id: str
) -> Section:
    lines, rows = [], []
    sentences: list[str] = []
    for share in shares:
        declared = analysis.config.environment(share.environment)
        name = words.environment(declared)
        points = tuple(
            Point(float(count), 100 * part, _percent_text(part)) for count, part in share.shares
        )
        lines.append(Line(name, words.hue(declared), points))
        rows.append(
            (
                TableCell(name, number=False),
                TableCell(
                    _seconds(share.once_s),
                    ", ".join(f"{title} {_seconds(value)}" for title, value in share.parts),
                ),
                TableCell(_seconds(share.request_s)),
                *(TableCell(f"{_percent_text(part)} %") for _, part in share.shares),
            )
        )
        if share.absent:
            sentences.append(
                f"{name}: not part of it, because not measured:"
                f" {words.enumerate_words(list(share.absent))}."
            )
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
    head = (
        "Environment", "once a session", "a request",
        *(f"{words.count(count, 'request')} a session" for count in wanted.counts),
    )  # fmt: skip
    return Section(
        f"{section_id}-section",
        wanted.title,
        "the line at 1 % is the claim that it is at most that",
        tuple(sentences),
        (chart,),
        (Table(wanted.title, head, tuple(rows)),),
    )


def _for_the_money(
    analysis: Analysis, wanted: ForTheMoney, ratios: Sequence[NominalRatio]
) -> Section:
    base = words.environment(analysis.config.environment(ratios[0].baseline))
    shown = [name for name in wanted.metrics if any(ratio.metric == name for ratio in ratios)]
    by_label: dict[str, dict[str, NominalRatio]] = {}
    for ratio in ratios:
        by_label.setdefault(ratio.environment, {})[ratio.metric] = ratio
    rows = tuple(
        (
            TableCell(words.environment(analysis.config.environment(label)), number=False),
            *(_ratio_cell(found.get(name)) for name in shown),
        )
        for label, found in by_label.items()
    )
    head = ("Environment", *(analysis.metric(name).title for name in shown))
    return Section(
        "for-the-money",
        wanted.title,
        f"(figure ÷ price), {base} = 1; above 1 is better",
        ("Ratios of datasheets and of printed prices. No work was measured here.",),
        tables=(Table(f"{wanted.title}, {base} = 1", head, rows),),
    )


def _axis_cost(analysis: Analysis, wanted: AxisCost, pairs: Sequence[AxisPair]) -> Section:
    metric = analysis.metric(wanted.series.metric)
    higher = metric.better == Better.HIGHER
    base, side = (words.param(wanted.axis, value) for value in wanted.values)
    shared = set.intersection(*(set(pair.params) for pair in pairs))
    rows = []
    for pair in pairs:
        declared = analysis.config.environment(pair.side.environment)
        name = words.environment(declared)
        told = words.params(tuple(one for one in pair.params if one not in shared))
        values = [cell.summary.value for cell in (pair.baseline, pair.side) if cell.summary]
        unit = metric.unit_for([min(values)])
        between = words.count(pair.pairs, "pair") if pair.pairs else "not paired"
        if pair.interval:
            ends = sorted(
                overhead(end, higher_is_better=higher)
                for end in (pair.interval.low, pair.interval.high)
            )
            between = f"{percent(ends[0])} to {percent(ends[1])} %, {between}"
        rows.append(
            (
                TableCell(", ".join(filter(None, (name, told))), number=False),
                TableCell(
                    f"{percent(overhead(pair.factor, higher_is_better=higher))} %",
                    between,
                    pair.side.doubt or pair.baseline.doubt,
                ),
                TableCell(f"{significant(pair.factor, _DIGITS)}×"),
                *(
                    TableCell(f"{words.number(cell, unit)} {unit.text}")
                    for cell in (pair.baseline, pair.side)
                ),
            )
        )
    head = ("Environment", f"{side} against {base}", "slowdown", base, side)
    about = f"{words.lower_first(metric.title)}; {side} against {base} within the same runs"
    return Section(
        f"axis-{wanted.axis}", wanted.title, about, tables=(Table(wanted.title, head, tuple(rows)),)
    )


def _ratio_cell(ratio: NominalRatio | None) -> TableCell:
    if ratio is None:
        return TableCell("not stated")
    between = ""
    if ratio.interval:
        low, high = (significant(value, _DIGITS) for value in ratio.interval)
        between = f"{low} to {high} by rounding"
    return TableCell(significant(ratio.ratio, _DIGITS), between)


def _unit_costs(analysis: Analysis, costs: Sequence[UnitCost]) -> Section:
    benchmark = costs[0].cell.series.benchmark
    known = words.background(benchmark, (cell.series for cell in analysis.of(benchmark)))
    rows = []
    for cost in costs:
        declared = analysis.config.environment(cost.cell.environment)
        price = cost.price
        currency = price.currency
        about = ", ".join(
            part for part in (price.sku, price.region, price.billing, price.date) if part
        )
        between = ""
        if cost.interval:
            between = f"{_money(cost.interval[0])} to {_money(cost.interval[1])}"
        relative, relative_about = "", ""
        if cost.relative is not None:
            base = words.environment(analysis.config.environment(cost.baseline))
            relative, relative_about = significant(cost.relative, _DIGITS), f"against {base}"
            if cost.relative_interval:
                low, high = (significant(v, _DIGITS) for v in cost.relative_interval)
                relative_about = f"{low} to {high}, {relative_about}"
        title = words.short(cost.cell.series, known)
        rows.append(
            (
                TableCell(f"{words.environment(declared)}, {title}", number=False),
                TableCell(
                    f"{_money(cost.amount)} {currency} {cost.unit}", between, cost.cell.doubt
                ),
                TableCell(relative or "no baseline with a price", relative_about),
                TableCell(f"{price.per_hour:g} {currency} an hour", about),
            )
        )
    head = ("Series", "cost", "performance for the money, baseline = 1", "price")
    return Section(
        "unit-costs",
        "What a unit costs",
        "the whole instance is billed, and taken as busy all of the time",
        tables=(Table("What a unit costs", head, tuple(rows)),),
    )


def _value_of(cell: Cell) -> float | None:
    return cell.summary.value if cell.summary else None


def _value_text(analysis: Analysis, metric_id: str, value: float | None) -> str:
    if value is None:
        return "not measured"
    unit = analysis.metric(metric_id).unit_for([value])
    return f"{unit.number(value)} {unit.text}"


def _signed(analysis: Analysis, metric_id: str, value: float) -> str:
    text = _value_text(analysis, metric_id, abs(value))
    return f"−{text}" if value < 0 else f"+{text}"


def _seconds(value: float) -> str:
    return display(value, "s")


def _percent_text(share: float) -> str:
    return significant(100 * share, 2)


def _money(amount: float) -> str:
    return significant(amount, _DIGITS)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
