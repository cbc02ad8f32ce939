"""A run's page: what, where, when; every repetition; environment; commands and raw output.

A build makes one for every run: the cost of a row counts here.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from statistics import median
from typing import NamedTuple

from msgspec import Struct

from sitegen.analysis.caveats import Caveat
from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family, natural
from sitegen.catalogue.metrics import Better, Metric, Scale
from sitegen.catalogue.units import DisplayUnit, significant
from sitegen.charts.spec import Chart, Dot, Hue, LineChart, Point
from sitegen.model import (
    DOUBT,
    Provenance,
    RemarkKind,
    Run,
    Sample,
    Series,
    Shape,
    Status,
    StepRecord,
    Table,
)
from sitegen.report import gist, machine, panels, words
from sitegen.report.gist import Outline
from sitegen.report.machine import FactGroup, TeeSummary

#: Few different words stand in the commands of many runs.
_quote = lru_cache(maxsize=65536)(shlex.quote)
_MAX_ROWS = 240
_DIGITS = 16
_MAX_STEPS = 120
_MAX_CHARTS = 6
#: What the machine did while a step ran, as shares of the time.
_SHARES: Mapping[str, str] = {
    "psi_cpu": "CPU pressure",
    "psi_io": "I/O pressure",
    "psi_memory": "memory pressure",
    "steal": "steal",
    "throttled": "throttled",
}
#: What was replaced: one, and several where that is more than an s.
_REPLACED: Mapping[str, tuple[str, ...]] = {
    "address": ("network address", "network addresses"),
    "boot-id": ("boot id",),
    "cloud-id": ("id of a cloud's instance or account", "ids of a cloud's instances or accounts"),
    "container": ("container id",),
    "email": ("e-mail address", "e-mail addresses"),
    "gpu-id": ("id of a GPU's platform", "ids of a GPU's platform"),
    "guid": ("InfiniBand GUID",),
    "home": ("home folder",),
    "host": ("host name",),
    "jwt": ("web token",),
    "key": ("access key",),
    "mac": ("MAC address", "MAC addresses"),
    "machine-id": ("machine id",),
    "path": ("folder",),
    "pod": ("pod's name", "pods' names"),
    "private-key": ("private key",),
    "proxy": ("proxy", "proxies"),
    "secret": ("secret",),
    "serial": ("serial number",),
    "ssh": ("SSH key or banner", "SSH keys or banners"),
    "user": ("user name",),
    "userinfo": ("login in an address", "logins in addresses"),
    "uuid": ("UUID",),
}


class ResultRow(NamedTuple):
    """One series of the run, and the unit of its figures; runs of one shape share it."""

    title: str
    metric_id: str
    metric: str
    unit: str
    arrow: str


class Figures(NamedTuple):
    """What was measured of one series: its repetitions as dots, and their median and range."""

    n: str
    value: str
    low: str = ""
    high: str = ""
    spread: str = ""
    note: str = ""
    dots: tuple[Dot, ...] = ()
    maximum: float = 1.0
    middle: float | None = None


class StepOutput(NamedTuple):
    """One executed command with an excerpt of what it printed."""

    name: str
    repetition: str
    argv: str
    exit_code: int
    duration: str
    conditions: str
    excerpt: str


#: A file of the run: its name, its size, the beginning of its digest, and whether it is published.
Download = tuple[str, str, str, bool]


class RunPage(Struct, frozen=True):
    """Everything a run's page says."""

    id: str
    short_id: str
    benchmark: str
    family: str
    environment: str
    hue: Hue
    headline: str
    lede: str
    doubts: tuple[Caveat, ...]
    facts: tuple[tuple[str, str, str], ...]
    rows: tuple[ResultRow, ...]
    figures: tuple[Figures, ...]
    rows_left: int
    repeated: bool
    charts: tuple[Chart, ...]
    machine: tuple[FactGroup, ...]
    tee: TeeSummary
    parameters: tuple[tuple[str, str, str], ...]
    outputs: tuple[StepOutput, ...]
    outputs_left: int
    bundle: str
    downloads: tuple[Download, ...]
    digest: str
    redactions: str
    source: tuple[str, str] | None
    note: str
    superseded_by: str
    day: str
    withdrawn: str = ""
    notes: tuple[tuple[str, str], ...] = ()


def page(  # noqa: PLR0913 - what a run's page is made of
    analysis: Analysis,
    run: Run,
    *,
    digest: str,
    table: Table | None = None,
    bundle: str = "",
    downloads: Sequence[Download] = (),
    excerpts: Mapping[str, str] | None = None,
    samples: Sequence[Sample] = (),
    superseded_by: str = "",
) -> RunPage:
    """Return the page of ``run``, whose manifest was read whole.

    ``table`` has its rows, where they were not read with it; ``excerpts`` are the beginnings of
    raw outputs by file name.
    """
    declared = analysis.config.environment(run.environment)
    platform = words.platform(analysis.config, run.environment)
    table = table or run.table
    plan = _plan_of(run.benchmark, table.shape, analysis)
    outline = gist.outline(analysis, run.benchmark, table.shape)
    results = [_result(planned, table) for planned in plan.rows[:_MAX_ROWS]]
    # One repetition shows what was run; the others are in the run's own file.
    steps = [step for step in run.steps if step.repetition <= 0][:_MAX_STEPS]
    presented = family(run.benchmark)
    return RunPage(
        id=run.id,
        short_id=run.id[-8:],
        benchmark=run.benchmark,
        family=presented.title,
        environment=run.environment,
        hue=platform.hue,
        headline=_headline(analysis, table, outline, f"{presented.title} on {platform.name}"),
        lede=declared.note,
        doubts=tuple(gist.doubts(analysis, run, outline, len(table.values))),
        facts=_facts(run, platform.role, outline.repetitions),
        rows=tuple([row for row, _ in results]),
        figures=tuple([figures for _, figures in results]),
        rows_left=len(plan.rows) - len(results),
        repeated=outline.repetitions > 1,
        charts=_charts(run, samples, analysis, platform.hue),
        machine=machine.groups(run.fingerprint.facts),
        tee=machine.verdict(run.fingerprint.tee),
        parameters=tuple(
            (p.name.replace("_", " "), p.value, p.comparability)
            for p in run.parameters
            if not p.name.startswith(DOUBT)
        ),
        outputs=tuple(_output(step, excerpts or {}) for step in steps),
        outputs_left=len(run.steps) - len(steps),
        bundle=bundle,
        downloads=tuple(downloads),
        digest=digest[:_DIGITS],
        redactions=words.enumerate_words([_replaced(*each) for each in run.redactions]),
        source=_source(run),
        note=run.note,
        superseded_by=superseded_by,
        day="undated" if run.undated else run.started_at[:10],
        withdrawn=run.withdrawn,
        notes=tuple(
            (words.day(one.at), one.text) for one in run.remarks if one.kind == RemarkKind.NOTE
        ),
    )


def download(name: str, size: int, sha256: str, *, published: bool) -> Download:
    """Return a file of ``size`` bytes."""
    return name, words.size(size), sha256[:_DIGITS], published


class PlannedRow(NamedTuple):
    """A row of the table, of the values at ``places``; ``rows`` are its rows so far, by unit."""

    series: Series
    title: str
    metric: Metric
    places: tuple[int, ...]
    rows: dict[str, ResultRow]

    def row(self, unit: DisplayUnit) -> ResultRow:
        """Return the row with this unit."""
        row = self.rows.get(unit.text)
        if row is None:
            metric, statistic = self.metric, words.statistic(self.series.statistic)
            parts = (self.series.workload, statistic, unit.text)
            row = self.rows[unit.text] = ResultRow(
                self.title,
                metric.id,
                metric.title,
                " · ".join(filter(None, parts)),
                words.arrow(metric),
            )
        return row


class Plan(NamedTuple):
    """What the pages of runs of one shape share."""

    rows: tuple[PlannedRow, ...]


def _plan_of(benchmark: str, shape: Shape, analysis: Analysis) -> Plan:
    key = (benchmark, shape)
    if key not in analysis.plans:
        # Most runs of a benchmark measured the same: its titles and their order are made once.
        every = shape.places(benchmark)
        analysis.plans[key] = Plan(tuple(_planned(benchmark, every, analysis)))
    plan: Plan = analysis.plans[key]
    return plan


def _planned(
    benchmark: str, every: Mapping[Series, tuple[int, ...]], analysis: Analysis
) -> Iterator[PlannedRow]:
    """Yield the rows of the table in their order."""
    # A tool's mean of its own samples beside its value is a second opinion: downloads have it.
    groups = {
        series: places
        for series, places in every.items()
        if series.statistic in panels.STATISTICS
        and not (series.statistic == "mean" and series._replace(statistic="value") in every)
    }
    metrics = {series.metric: analysis.metric(series.metric) for series in groups}
    directed = [name for name, metric in metrics.items() if metric.better != Better.NONE]
    directed.sort(key=lambda name: metrics[name].scale != Scale.RATIO)
    headlines = (headline.metric for headline in family(benchmark).headlines)
    order = dict.fromkeys([*headlines, *directed, *metrics])
    rank = {name: place for place, name in enumerate(order)}
    common = words.background(benchmark, groups)
    for series in sorted(groups, key=lambda s: (rank[s.metric], natural(s), s.statistic)):
        metric = metrics[series.metric]
        yield PlannedRow(series, words.short(series, common), metric, groups[series], {})


def _result(planned: PlannedRow, table: Table) -> tuple[ResultRow, Figures]:
    _, _, metric, indices, _ = planned
    first, only = table.shape.rows[indices[0]], table.values[indices[0]]
    if len(indices) == 1 and first.status == Status.OK and only is not None:
        unit = metric.unit_for((only,))
        return planned.row(unit), Figures("1", _text(only, first.printed, unit))
    taken = [(table.values[place], table.shape.rows[place].status) for place in indices]
    good = [value for value, status in taken if status == Status.OK and value is not None]
    numbers = [value for value, _ in taken if value is not None]
    unit = metric.unit_for(numbers)
    places = unit.places(numbers)
    values = good or numbers
    notes = []
    if len(numbers) > len(good):
        notes.append(f"{len(numbers) - len(good)} suspect")
    if len(taken) > len(numbers):
        notes.append(f"{len(taken) - len(numbers)} failed")
    middle = median(values) if values else None
    several = len(values) > 1
    low, high = (min(values), max(values)) if several else (0.0, 0.0)
    factor, dots = unit.factor, []
    if len(taken) > 1 and numbers:
        drawn = [status == Status.SUSPECT for value, status in taken if value is not None]
        texts = unit.aligned(numbers, places)
        dots = [Dot(v / factor, t, s) for v, t, s in zip(numbers, texts, drawn, strict=True)]
    ends = (middle or 0.0, low, high)
    value, least, most = unit.aligned(ends, places) if several else ("", "", "")
    return planned.row(unit), Figures(
        n=f"{len(values)}",
        value=value or _text(middle, first.printed if len(taken) == 1 else None, unit),
        low=least,
        high=most,
        spread=significant(100 * (high - low) / abs(middle), 2) if several and middle else "",
        note=", ".join(notes),
        dots=tuple(dots),
        maximum=max(numbers, default=1.0) / factor,
        middle=None if middle is None else middle / factor,
    )


def _text(value: float | None, printed: str | None, unit: DisplayUnit) -> str:
    if value is None:
        return "not measured"
    if printed and printed.split(" ")[-1] in (unit.text, printed):
        return printed.split(" ")[0]
    return unit.number(value)


def _headline(analysis: Analysis, table: Table, outline: Outline, title: str) -> str:
    found = gist.value(analysis, outline, table)
    if found is None:
        return title
    return f"{title}: {words.lower_first(found.title)} {found.text} {found.unit.text}".rstrip()


def _facts(run: Run, role: str, repetitions: int) -> tuple[tuple[str, str, str], ...]:
    tool, took = run.tool, ""
    if run.duration_s is not None:
        took = f"took {words.count(round(run.duration_s), 'second')}"
    dated = "Published" if run.provenance == Provenance.CITED else "When, UTC"
    often = words.count(repetitions, "repetition")
    how = f"interleaved, seed {run.seed}" if run.seed is not None else ""
    if run.provenance == Provenance.CITED:
        often, how = "n unknown", "as printed"
    preset = f"{run.preset} preset" if run.preset else ""
    return (
        ("What", run.benchmark, f"{tool.name} {tool.version}" if tool else ""),
        ("Where", run.environment, role),
        (dated, words.when(run), took),
        ("How often", often, how),
        ("Provenance", run.provenance, preset + ("" if run.complete else ", incomplete")),
    )


def _charts(run: Run, samples: Sequence[Sample], analysis: Analysis, hue: Hue) -> tuple[Chart, ...]:
    """Return time series of the run: one chart a workload and metric, one line a repetition."""
    samples_of: dict[Series, dict[int, list[Sample]]] = {}
    for one in samples:
        if one.kind == "time":
            series = Series(run.benchmark, one.workload, one.metric, "value", one.params)
            samples_of.setdefault(series, {}).setdefault(one.repetition, []).append(one)
    # Bandwidth over time is I/O operations times block size: one of the two is enough.
    several = [series for series in samples_of if series.metric != "fio.bandwidth"]
    charts = []
    for index, series in enumerate((several or list(samples_of))[:_MAX_CHARTS]):
        metric = analysis.metric(series.metric)
        unit = metric.unit_for([s.y for rows in samples_of[series].values() for s in rows])
        drawn = []
        for repetition, rows in sorted(samples_of[series].items()):
            points = tuple(Point(s.x, s.y / unit.factor, unit.number(s.y)) for s in rows)
            drawn.append((f"rep. {repetition + 1}", hue, points))
        title = words.title(series)
        charts.append(
            LineChart(
                id=f"time-{index}",
                title=f"{series.workload}: {title}",
                subtitle=f"{words.lower_first(metric.title)} · {unit.text} · each second",
                x_title="seconds",
                unit=unit.text,
                lines=panels.lines(drawn),
                summary=f"{metric.title} over time, {title}",
                kind="series",
            )
        )
    return tuple(charts)


def _output(step: StepRecord, excerpts: Mapping[str, str]) -> StepOutput:
    shares = dict(step.conditions)
    parts = [f"{text} {shares[name]:.1%}" for name, text in _SHARES.items() if name in shares]
    steady = dict(step.values).get("steady")
    if steady:
        parts.append("steady" if steady == "true" else "not steady")
    if "load_before" in shares:
        parts.append(f"load {shares['load_before']:.2g} before")
    return StepOutput(
        name=step.name,
        repetition="preparation" if step.repetition < 0 else f"repetition {step.repetition + 1}",
        argv=" ".join(map(_quote, step.argv)),
        exit_code=step.exit_code,
        duration=f"{step.duration_s:.1f} s",
        conditions=", ".join(parts),
        excerpt=next((excerpts[name] for name in step.raw if name in excerpts), ""),
    )


def _replaced(kind: str, count: int) -> str:
    """Return what was replaced in words, with what to look for in its place."""
    if kind not in _REPLACED:
        return words.count(count, kind, kind)
    stand_in = "$WORK, $CACHE, $PWD or ~" if kind == "path" else f"[{kind}]"
    return f"{words.count(count, *_REPLACED[kind])} ({stand_in})"


def _source(run: Run) -> tuple[str, str] | None:
    if run.source is None:
        return None
    edition = f" ({run.source.edition})" if run.source.edition else ""
    place = f", section {run.source.section}" if run.source.section else ""
    return f"{run.source.title or run.source.id}{place}{edition}", run.source.address
