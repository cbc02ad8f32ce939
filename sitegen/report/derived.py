"""Sections of a comparison page that show derived quantities: contrasts in charts and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from sitegen.analysis import caveats, contrasts
from sitegen.analysis.compare import Analysis, Cell, Comparison
from sitegen.analysis.contrasts import Climb, Difference, Loads
from sitegen.analysis.stats import Interval, overhead
from sitegen.catalogue.families import family
from sitegen.catalogue.metrics import Better
from sitegen.catalogue.tool import (
    AxisCost,
    ForTheMoney,
    Frontier,
    Ladder,
    OverheadBy,
    PerOperation,
    SessionShare,
)
from sitegen.catalogue.units import DisplayUnit, display, percent, significant
from sitegen.charts.spec import UNTOLD, BarChart, Behind, Chart, Group, Line, LineChart, Mark, Point
from sitegen.report import effects, operations, panels, words
from sitegen.report.findings import Finding
from sitegen.report.sections import Row, Section, TextTable

#: Charts of what a machine gives against what each user gets.
_MOST_FRONTIERS = 3
#: Runs of each side that a point of two sides leads to, the newest.
_EACH_SIDE = 4


def sections(analysis: Analysis, benchmark: str, prefix: str = "") -> tuple[Section, ...]:
    """Return the sections that have something to say; their ids begin with ``prefix``."""
    charts: list[Chart] = []
    sections: list[Section | None] = []
    for index, contrast in enumerate(family(benchmark).contrasts):
        match contrast:
            case OverheadBy():
                charts += _overheads(analysis, benchmark, contrast, index)
            case Ladder():
                sections.append(_ladder(analysis, benchmark, contrast, index))
            case SessionShare():
                sections.append(_shares(analysis, benchmark, contrast, index))
            case AxisCost():
                sections.append(_axis_cost(analysis, benchmark, contrast))
            case Frontier():
                sections.append(_frontier(analysis, benchmark, contrast))
            case ForTheMoney():
                sections.append(_for_the_money(analysis, benchmark, contrast))
            case PerOperation():
                sections.append(operations.section(analysis, contrast))
    sections.append(_unit_costs(analysis, benchmark))
    if charts:
        aside = "of each comparison: times E/B − 1, rates 1 − E/B; positive is worse"
        sections.insert(0, Section("overhead", "Overhead", aside, charts=tuple(charts)))
    return tuple(
        one._replace(id=prefix + one.id, charts=panels.addressed(one.charts, prefix))
        for one in sections
        if one
    )


def efficiencies(charts: Sequence[Chart]) -> TextTable | None:
    """Return how far each line of the efficiency charts comes; None where there is none."""
    rows = [
        _efficiency(chart.title.removeprefix("Scaling efficiency, "), line)
        for chart in charts
        if isinstance(chart, LineChart) and chart.reference
        for line in chart.lines
    ]
    axes = dict.fromkeys(c.x_title for c in charts if isinstance(c, LineChart) and c.reference)
    head = ("Scaling efficiency", "at most, %", f"at, {words.joined(*axes)}")
    return TextTable.of("Scaling efficiency", head, rows) if rows else None


def _efficiency(title: str, line: Line) -> Row:
    above = [one for one in line.points if caveats.applying("scaling", round(one.x), one.y / 100)]
    best = max(above or line.points[1:], key=lambda point: point.y)
    doubt = "the value at 1 that it divides by is low" if above else best.doubt
    return words.joined(title, line.label), (best.text, "", doubt), f"{best.x:g}"


def finding(analysis: Analysis, benchmark: str) -> Finding | None:
    """Return what a ladder adds to a request where it can be quoted best; None without one."""
    declared = family(benchmark).contrasts
    ladder = next((contrast for contrast in declared if isinstance(contrast, Ladder)), None)
    climbs = contrasts.climbs(analysis, benchmark, ladder) if ladder else ()
    quotable = [climb for climb in climbs if climb.total.interval]
    if not quotable:
        return None
    climb = max(quotable, key=lambda one: (not one.first.doubt, one.total.pairs))
    total, value = climb.total, climb.total.value or 0.0
    platform = _name(analysis, climb.environment)
    if analysis.config.environment(climb.environment).tee == "none":
        platform += ", which has no TEE"
    within = f"{words.count(total.pairs, 'repetition')} of one run"
    counted = within if total.within else words.count(total.pairs, "run")
    beside = [f"{platform}: {counted}; from {climb.first_title} to {total.title}."]
    beside += [
        f"A request takes {display(request, 's')}, and a session pays {display(once, 's')} once."
        for contrast in declared
        if isinstance(contrast, SessionShare)
        for label, _, once, request, *_ in contrasts.session_shares(analysis, benchmark, contrast)
        if label == climb.environment
    ]
    unit = analysis.metric(climb.first.series.metric).unit_for([value])
    return Finding(
        f"Outside the model, each request takes {_text(unit, abs(value))}"
        f" {'more' if value > 0 else 'less'} with every protection"
        f" ({_ends(unit, total.interval)}).",
        " ".join(beside),
    )


def _name(analysis: Analysis, label: str) -> str:
    return words.platform(analysis.config, label).name


def _overheads(analysis: Analysis, benchmark: str, contrast: OverheadBy, index: int) -> list[Chart]:
    overheads = contrasts.overheads(analysis, benchmark, contrast)
    if not overheads:
        return []
    metric = analysis.metric(contrast.series.metric)
    sides = Counter(label for label, _ in overheads)
    drawn = []
    for (label, base), placed in overheads.items():
        environment = words.platform(analysis.config, label)
        against = f" against {_name(analysis, base)}" if sides[label] > 1 else ""
        points = []
        for x, _, comparison in placed:
            bounds = comparison.share_interval or ()
            low, high = (100 * end for end in bounds) if bounds else (None, None)
            share = comparison.share or 0.0
            text, doubt, stands_on = percent(share), comparison.doubt, _behind(comparison)
            points.append(Point(x, 100 * share, text, low, high, doubt, stands_on))
        drawn.append((environment.name + against, environment.hue, tuple(points)))
    places = {x: at for placed in overheads.values() for x, at, _ in placed}
    chart = LineChart(
        id=f"overhead-{index}",
        title=contrast.title,
        subtitle=f"{words.lower_first(metric.title)} · % · ↓ lower is better",
        x_title=contrast.axis_title,
        unit="%",
        lines=panels.lines(drawn),
        summary=f"{contrast.title}: {words.enumerate_words([name for name, _, _ in drawn])}",
        x_log=True,
        x_ticks=tuple((x, at) for x, at in sorted(places.items()) if not words.is_number(at)),
    )
    return [chart]


def _frontier(analysis: Analysis, benchmark: str, frontier: Frontier) -> Section | None:
    """Return a chart for each set-up that most environments share, TEEs and baselines in one."""
    found = contrasts.frontiers(analysis, benchmark, frontier)
    chosen = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))[:_MOST_FRONTIERS]
    if not chosen:
        return None
    common = set.intersection(*(set(params) for params, _ in chosen))
    order = list(analysis.config.environments).index
    charts = []
    for index, (params, every) in enumerate(chosen):
        ordered = sorted(every, key=lambda one: order(one.environment))
        per_gpu = any(one.accelerators for one in ordered)
        lines = panels.lines(
            (name, hue, tuple(_load_points(analysis, frontier, one)))
            for one in ordered
            for _, name, hue, *_ in [words.platform(analysis.config, one.environment)]
        )
        extra = words.params(tuple(pair for pair in params if pair not in common))
        unit = "tokens/s per GPU" if per_gpu else "tokens/s"
        charts.append(
            LineChart(
                id=f"frontier-{index}",
                title=extra or frontier.title,
                subtitle=f"{unit} · ↑ → higher is better · numbers: requests at once",
                x_title=frontier.each_title,
                unit=unit,
                lines=lines,
                summary=f"{frontier.title}: {words.enumerate_words([one.label for one in lines])}",
            )
        )
    about = "what the machine gives to all against what each user gets, load by load"
    if len({one.accelerators for _, every in chosen for one in every}) > 1:
        about += "; of machines without GPUs as a whole"
    return Section("frontier", frontier.title, about, charts=tuple(charts))


def _load_points(analysis: Analysis, frontier: Frontier, loads: Loads) -> Iterator[Point]:
    """Yield a point a load, the most loaded one first: what each user gets rises to the right."""
    each_metric, total_metric = (
        analysis.metric(pattern.metric) for pattern in (frontier.each, frontier.total)
    )
    points = []
    for load, total, each in loads.places:
        if total.summary is None or each.summary is None:
            continue
        value = total.summary.value / (loads.accelerators or 1)
        x_unit, y_unit = each_metric.unit_for([each.summary.value]), total_metric.unit_for([value])
        x, y = each.summary.value / x_unit.factor, value / y_unit.factor
        doubt = total.doubt or each.doubt
        behind = panels.behind(total, y_unit) if not loads.accelerators else UNTOLD
        text = y_unit.number(value)
        points.append(Point(x, y, text, doubt=doubt, behind=behind, label=load))
    yield from sorted(points)


def _ladder(analysis: Analysis, benchmark: str, ladder: Ladder, index: int) -> Section | None:
    climbs = contrasts.climbs(analysis, benchmark, ladder)
    if not climbs:
        return None
    # The parameters that tell two climbs apart.
    common = set.intersection(*(set(climb.params) for climb in climbs))
    names, sentences, tables = [], [], []
    for climb in climbs:
        platform = _name(analysis, climb.environment)
        params = tuple(pair for pair in climb.params if pair not in common)
        names.append(words.joined(platform, words.params(params)))
        title = climb.first_title
        head = (names[-1], "more than the step before", f"share of {title}", "request")
        base = climb.first.summary.value if climb.first.summary else 0.0
        cells = [climb.first, *(one.cell for one in climb.differences)]
        unit = panels.unit_of(analysis, cells)
        steps = (_step_row(unit, one, base) for one in climb.differences)
        rows = ((title, "·", "·", _measured(unit, climb.first)), *steps)
        tables.append(TextTable.of(f"{ladder.title}, {names[-1]}", head, rows))
        if climb.absent:
            absent = words.enumerate_words(climb.absent)
            sentences.append(f"{platform}: not measured here: {absent}.")
        if any(one.within for one in climb.differences):
            sentences.append(
                f"{platform}: one run; its intervals come from the repetitions within it and say"
                " nothing about the next run."
            )
    return Section(
        f"ladder-{index}",
        ladder.title,
        "differences are paired by repetition; 95 % intervals",
        tuple(dict.fromkeys(sentences)),
        (_ladder_chart(analysis, ladder, climbs, names, f"ladder-{index}-steps"),),
        tuple(tables),
    )


def _behind(comparison: Comparison) -> Behind:
    """Return what an overhead stands on: its interval, and the runs of both sides."""
    ends = effects.interval(comparison)
    told = f"{ends}{' at 95 %' * bool(comparison.estimate)}" if ends else ""
    summaries = [one.summary for one in (comparison.baseline, comparison.side) if one.summary]
    runs = (panels.run_of(one) for summary in summaries for one in summary.origins[-_EACH_SIDE:])
    return Behind(words.joined(told, effects.detail(comparison)), tuple(runs))


def _ladder_chart(
    analysis: Analysis, ladder: Ladder, climbs: Sequence[Climb], names: Sequence[str], chart_id: str
) -> Chart:
    metric = analysis.metric(ladder.series.metric)
    cells = [[climb.first, *(one.cell for one in climb.differences)] for climb in climbs]
    unit = panels.unit_of(analysis, chain.from_iterable(cells))
    groups: dict[str, list[Mark]] = {step: [] for step, _ in ladder.steps}
    for name, steps in zip(names, cells, strict=True):
        for cell in steps:
            mark = panels.mark(analysis, cell, unit, name)
            groups[dict(cell.series.params)[ladder.axis]].append(mark)
    return BarChart(
        chart_id,
        metric.title,
        words.metric_line(metric, unit, ladder.series.statistic),
        unit.text,
        tuple(Group(title, tuple(groups[step])) for step, title in ladder.steps if groups[step]),
        f"{ladder.title}: {words.lower_first(metric.title)} at each step,"
        f" {words.enumerate_words(names)}",
    )


def _step_row(unit: DisplayUnit, step: Difference, base: float) -> Row:
    pairs = words.count(step.pairs, "pair") if step.pairs else ""
    value = "not paired" if step.value is None else _signed(unit, step.value)
    share: Sequence[str] = ""
    # A share of one pair would read like a finding.
    if step.value is not None and step.interval and base > 0:
        ends = _span(step.interval, lambda end: percent(end / base))
        share = (f"{percent(step.value / base)} %", f"{ends} %")
    between = words.joined(_ends(unit, step.interval), pairs)
    return step.title, (value, between), share, _measured(unit, step.cell)


def _shares(analysis: Analysis, benchmark: str, share: SessionShare, index: int) -> Section | None:
    lines, rows, sentences = [], [], []
    platforms = contrasts.session_shares(analysis, benchmark, share)
    for label, parts, once_s, request_s, shares, absent in platforms:
        _, name, hue, *_ = words.platform(analysis.config, label)
        points = tuple(
            Point(float(number), 100 * part, significant(100 * part, 2)) for number, part in shares
        )
        lines.append(Line(name, hue, points))
        once = ", ".join(f"{title} {display(value, 's')}" for title, value in parts)
        times = (display(once_s, "s"), once), display(request_s, "s")
        rows.append((name, *times, *(f"{point.text} %" for point in points)))
        if absent:
            missing = words.enumerate_words(absent)
            sentences.append(f"{name}: not part of it, because not measured: {missing}.")
    if not lines:
        return None
    chart = LineChart(
        id=f"session-{index}",
        title=share.title,
        subtitle="time paid once ÷ (requests × time of a request) · % · ↓ lower is better",
        x_title="requests a session",
        unit="%",
        lines=tuple(lines),
        summary=f"{share.title}: {words.enumerate_words([line.label for line in lines])}",
        x_log=True,
        y_log=True,
        y_zero=False,
        reference=1.0,
    )
    counts = (f"{words.count(count, 'request')} a session" for count in share.counts)
    head = ("Environment", "once a session", "a request", *counts)
    about = "the line at 1 % is the claim that it is at most that"
    tables = (TextTable.of(share.title, head, rows),)
    name = f"session-{index}-section"
    return Section(name, share.title, about, tuple(sentences), (chart,), tables)


def _for_the_money(analysis: Analysis, benchmark: str, contrast: ForTheMoney) -> Section | None:
    ratios = contrasts.for_the_money(analysis, benchmark, contrast)
    if not ratios:
        return None
    base = _name(analysis, next(iter(ratios)))
    shown = [name for name in contrast.metrics if any(name in ratio for ratio in ratios.values())]
    rows = (
        (_name(analysis, label), *(_ratio_cell(*ratio.get(name, (None, None))) for name in shown))
        for label, ratio in ratios.items()
    )
    head = ("Environment", *(analysis.metric(name).title for name in shown))
    return Section(
        "for-the-money",
        contrast.title,
        f"(figure ÷ price), {base} = 1; above 1 is better",
        ("Ratios of datasheets and of printed prices. No work was measured here.",),
        tables=(TextTable.of(f"{contrast.title}, {base} = 1", head, rows),),
    )


def _ratio_cell(ratio: float | None, interval: Interval | None) -> Sequence[str]:
    if ratio is None:
        return "not stated"
    return significant(ratio), f"{_span(interval)} by rounding" if interval else ""


def _axis_cost(analysis: Analysis, benchmark: str, contrast: AxisCost) -> Section | None:
    pairs = contrasts.axis_pairs(analysis, benchmark, contrast)
    if not pairs:
        return None
    metric = analysis.metric(contrast.series.metric)
    base, side = (words.param(contrast.axis, value) for value in contrast.values)
    shared = set.intersection(*(set(params) for _, _, params, *_ in pairs))

    def share(factor: float) -> float:
        return overhead(factor, higher_is_better=metric.better == Better.HIGHER)

    rows = []
    for before, after, params, factor, interval, number in pairs:
        extra = words.params(tuple(one for one in params if one not in shared))
        cells = (before, after)
        unit = metric.unit_for([min(cell.summary.value for cell in cells if cell.summary)])
        between = words.count(number, "pair") if number else "not paired"
        if interval:
            # The share of a rate falls as its slowdown rises.
            low, high = sorted(map(share, (interval.low, interval.high)))
            between = f"{percent(low)} to {percent(high)} %, {between}"
        rows.append(
            (
                words.joined(_name(analysis, after.environment), extra),
                (f"{percent(share(factor))} %", between, after.doubt or before.doubt),
                f"{significant(factor)}×",
                *(f"{words.number(cell, unit)} {unit.text}" for cell in cells),
            )
        )
    head = ("Environment", f"{side} against {base}", "slowdown", base, side)
    about = f"{words.lower_first(metric.title)}; {side} against {base} within the same runs"
    tables = (TextTable.of(contrast.title, head, rows),)
    return Section(f"axis-{contrast.axis}", contrast.title, about, tables=tables)


def _unit_costs(analysis: Analysis, benchmark: str) -> Section | None:
    common = words.background(benchmark, (cell.series for cell in analysis.of(benchmark)))
    rows = []
    for cell, unit, price, amount, interval, quotient in contrasts.unit_costs(analysis, benchmark):
        name = f"{_name(analysis, cell.environment)}, {words.short(cell.series, common)}"
        cost = (f"{significant(amount)} {price.currency} {unit}", _span(interval), cell.doubt)
        relative: Sequence[str] = "no baseline with a price"
        if quotient:
            base, (ratio, ends) = quotient
            against = words.joined(_span(ends), f"against {_name(analysis, base)}")
            relative = (significant(ratio), against)
        terms = words.joined(price.sku, price.region, price.billing, price.date)
        rows.append((name, cost, relative, (f"{price.per_hour:g} {price.currency} an hour", terms)))
    if not rows:
        return None
    title = "What a unit costs"
    about = "the whole instance is billed, and taken as busy all of the time"
    head = ("Series", "cost", "performance for the money, baseline = 1", "price")
    return Section("unit-costs", title, about, tables=(TextTable.of(title, head, rows),))


def _measured(unit: DisplayUnit, cell: Cell) -> tuple[str, str, str]:
    return _text(unit, cell.summary.value) if cell.summary else "", "", cell.doubt


def _span(interval: Interval | None, form: Callable[[float], str] = significant) -> str:
    return f"{form(interval.low)} to {form(interval.high)}" if interval else ""


def _ends(unit: DisplayUnit, interval: Interval | None) -> str:
    return _span(interval, lambda end: _signed(unit, end))


def _text(unit: DisplayUnit, value: float) -> str:
    return f"{unit.number(value)} {unit.text}"


def _signed(unit: DisplayUnit, value: float) -> str:
    return f"{'−' if value < 0 else '+'}{_text(unit, abs(value))}"
