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

from sitegen.analysis import caveats
from sitegen.analysis.caveats import Caveat
from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family
from sitegen.catalogue.metrics import Better, Metric, Scale
from sitegen.catalogue.tool import Counts, Headline
from sitegen.catalogue.units import DisplayUnit, significant
from sitegen.charts.spec import Chart, Dot, Line, LineChart, Point
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
from sitegen.report import machine, words
from sitegen.report.machine import Group, Verdict

#: Few different words stand in the commands of many runs.
_quote = lru_cache(maxsize=65536)(shlex.quote)
_MAX_ROWS = 240
_DIGITS = 16
_MAX_STEPS = 120
_MAX_CHARTS = 6
_MAIN = frozenset({"value", "mean", "total", "p50", "p99"})


#: What was replaced: one, several, and what stands for it where that is not `[kind]`.
_REPLACED: Mapping[str, tuple[str, str, str]] = {
    "address": ("network address", "network addresses", ""),
    "boot-id": ("boot id", "boot ids", ""),
    "cloud-id": (
        "id of a cloud's instance or account",
        "ids of a cloud's instances or accounts",
        "",
    ),
    "container": ("container id", "container ids", ""),
    "email": ("e-mail address", "e-mail addresses", ""),
    "gpu-id": ("id of a GPU's platform", "ids of a GPU's platform", ""),
    "guid": ("InfiniBand GUID", "InfiniBand GUIDs", ""),
    "home": ("home folder", "home folders", ""),
    "host": ("host name", "host names", ""),
    "jwt": ("web token", "web tokens", ""),
    "key": ("access key", "access keys", ""),
    "mac": ("MAC address", "MAC addresses", ""),
    "machine-id": ("machine id", "machine ids", ""),
    "path": ("folder", "folders", "$WORK, $CACHE, $PWD or ~"),
    "pod": ("pod's name", "pods' names", ""),
    "private-key": ("private key", "private keys", ""),
    "proxy": ("proxy", "proxies", ""),
    "secret": ("secret", "secrets", ""),
    "serial": ("serial number", "serial numbers", ""),
    "ssh": ("SSH key or banner", "SSH keys or banners", ""),
    "user": ("user name", "user names", ""),
    "userinfo": ("login in an address", "logins in addresses", ""),
    "uuid": ("UUID", "UUIDs", ""),
}


class ResultRow(NamedTuple):
    """One series of the run, and the unit that its figures are in; runs of one shape share it.

    A NamedTuple, as `Figures`, for the sake of builds with tens of thousands of them.
    """

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


class Output(Struct, frozen=True):
    """One executed command with an excerpt of what it printed and its files."""

    name: str
    repetition: str
    argv: str
    exit_code: int
    duration: str
    conditions: str
    excerpt: str
    files: tuple[str, ...]


class Download(Struct, frozen=True):
    """A file of the run, with its size in words and the beginning of its digest."""

    name: str
    size: str
    digest: str
    published: bool

    @classmethod
    def of(cls, name: str, size: int, sha256: str, *, published: bool) -> Download:
        """Return a file of ``size`` bytes."""
        return cls(name, words.size(size), sha256[:_DIGITS], published)


class RunPage(Struct, frozen=True):
    """Everything a run's page says."""

    id: str
    short_id: str
    benchmark: str
    family: str
    environment: str
    environment_name: str
    role: str
    hue: str
    headline: str
    lede: str
    doubts: tuple[Caveat, ...]
    facts: tuple[tuple[str, str, str], ...]
    rows: tuple[ResultRow, ...]
    figures: tuple[Figures, ...]
    rows_left: int
    repeated: bool
    charts: tuple[Chart, ...]
    machine: tuple[Group, ...]
    tee: Verdict
    parameters: tuple[tuple[str, str, str], ...]
    outputs: tuple[Output, ...]
    outputs_left: int
    bundle: str
    downloads: tuple[Download, ...]
    digest: str
    redactions: str
    source: tuple[str, str, str] | None
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
    table = table or run.table
    shape = table.shape.rows
    plan = _plan_of(run.benchmark, table.shape, analysis)
    results = [_result(planned, table) for planned in plan.rows[:_MAX_ROWS]]
    repetitions = 1 + max((row.repetition for row in shape), default=0)
    # One repetition shows what was run; the others are in the run's own file.
    steps = [step for step in run.steps if step.repetition <= 0][:_MAX_STEPS]
    found = caveats.of_run(run, declared.tee, declared.role or "") + caveats.of_reading(run)
    taken = [step.seen for step in run.steps if step.repetition >= 0]
    found += caveats.applying("steps", taken)
    failed = sum(row.status == Status.FAILED for row in shape)
    suspect = sum(row.status == Status.SUSPECT for row in shape)
    counts = Counts(failed, suspect, len(shape), run.provenance, "value")
    found += caveats.applying("counts", counts)
    if run.provenance == Provenance.CITED:
        found.append(caveats.caveat("single-figure"))
    presented = family(run.benchmark)
    return RunPage(
        id=run.id,
        short_id=run.id[-8:],
        benchmark=run.benchmark,
        family=presented.title,
        environment=run.environment,
        environment_name=words.environment(declared),
        role=words.role(declared),
        hue=words.hue(declared),
        headline=_headline(analysis, table, plan, presented.title, words.environment(declared)),
        lede=declared.note,
        doubts=tuple(found),
        facts=_facts(run, words.role(declared), repetitions),
        rows=tuple([row for row, _ in results]),
        figures=tuple([figures for _, figures in results]),
        rows_left=len(plan.rows) - len(results),
        repeated=repetitions > 1,
        charts=_charts(run, samples, analysis, words.hue(declared)),
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
        redactions=words.enumerate_words(
            [_replaced(kind, count) for kind, count in run.redactions]
        ),
        source=_source(run),
        note=run.note,
        superseded_by=superseded_by,
        day=run.started_at[:10],
        withdrawn=run.withdrawn,
        notes=tuple(
            (words.day(one.at), one.text) for one in run.remarks if one.kind == RemarkKind.NOTE
        ),
    )


class PlannedRow(NamedTuple):
    """A row of the result table before its values: of which rows of the run it is made.

    ``made`` are the rows that there were of it so far, by unit.
    """

    series: Series
    title: str
    metric: Metric
    places: tuple[int, ...]
    made: dict[str, ResultRow]

    def row(self, unit: DisplayUnit) -> ResultRow:
        """Return the row with this unit."""
        row = self.made.get(unit.text)
        if row is None:
            metric, statistic = self.metric, words.statistic(self.series.statistic)
            parts = (self.series.workload, statistic, unit.text)
            row = self.made[unit.text] = ResultRow(
                self.title,
                metric.id,
                metric.title,
                " · ".join(filter(None, parts)),
                words.arrow(metric),
            )
        return row


class Plan(NamedTuple):
    """What the pages of runs of one shape have in common.

    ``headlines`` are the places of the series that each headline of the family asks for.
    """

    rows: tuple[PlannedRow, ...]
    headlines: tuple[tuple[Headline, tuple[int, ...]], ...]


def _plan_of(benchmark: str, shape: Shape, analysis: Analysis) -> Plan:
    key = (benchmark, shape)
    if key not in analysis.plans:
        # Most runs of a benchmark measured the same: its titles and their order are made once.
        every = shape.places(benchmark)
        headlines = tuple(
            (wanted, tuple(sorted(p for s, own in every.items() if wanted.matches(s) for p in own)))
            for wanted in family(benchmark).headlines
        )
        analysis.plans[key] = Plan(tuple(_planned(benchmark, every, analysis)), headlines)
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
        if series.statistic in _MAIN
        and not (series.statistic == "mean" and series._replace(statistic="value") in every)
    }
    metrics = {series.metric: analysis.metric(series.metric) for series in groups}
    known = words.background(benchmark, groups)
    order = {metric_id: rank for rank, metric_id in enumerate(_ordered(benchmark, metrics))}
    for series in sorted(groups, key=lambda s: (order[s.metric], words.natural(s), s.statistic)):
        metric = metrics[series.metric]
        yield PlannedRow(series, words.short(series, known), metric, groups[series], {})


def _ordered(benchmark: str, metrics: Mapping[str, Metric]) -> list[str]:
    leading = [headline.metric for headline in family(benchmark).headlines]
    directed = [name for name, metric in metrics.items() if metric.better != Better.NONE]
    counts = [name for name in directed if metrics[name].scale != Scale.RATIO]
    first = [name for name in directed if name not in counts]
    ranked = dict.fromkeys([*leading, *first, *counts, *metrics])
    return [name for name in ranked if name in metrics]


def _result(planned: PlannedRow, table: Table) -> tuple[ResultRow, Figures]:
    _, _, metric, own, _ = planned
    first, value = table.shape.rows[own[0]], table.values[own[0]]
    if len(own) == 1 and first.status == Status.OK and value is not None:
        unit = metric.unit_for((value,))
        return planned.row(unit), Figures("1", _text(value, first.printed, unit))
    rows = table.at(own)
    good = [row.value for row in rows if row.status == Status.OK and row.value is not None]
    seen = [row.value for row in rows if row.value is not None]
    unit = metric.unit_for(seen)
    places = unit.places(seen)
    values = good or seen
    notes = []
    if len(seen) > len(good):
        notes.append(f"{len(seen) - len(good)} suspect")
    if len(rows) > len(seen):
        notes.append(f"{len(rows) - len(seen)} failed")
    middle = median(values) if values else None
    several = len(values) > 1
    low, high = (min(values), max(values)) if several else (0.0, 0.0)
    factor, fixed = unit.factor, unit.fixed
    dots = [
        Dot(row.value / factor, fixed(row.value, places), row.status == Status.SUSPECT)
        for row in rows
        if row.value is not None
    ]
    return planned.row(unit), Figures(
        n=f"{len(values)}",
        value=fixed(middle or 0.0, places)
        if several
        else _text(middle, first.printed if len(rows) == 1 else None, unit),
        low=fixed(low, places) if several else "",
        high=fixed(high, places) if several else "",
        spread=significant(100 * (high - low) / abs(middle), 2) if several and middle else "",
        note=", ".join(notes),
        dots=tuple(dots) if len(rows) > 1 else (),
        maximum=max(seen, default=1.0) / factor,
        middle=None if middle is None else middle / factor,
    )


def _text(value: float | None, printed: str | None, unit: DisplayUnit) -> str:
    if value is None:
        return "not measured"
    if printed and printed.split(" ")[-1] in (unit.text, printed):
        return printed.split(" ")[0]
    return unit.number(value)


def _headline(analysis: Analysis, table: Table, plan: Plan, title: str, name: str) -> str:
    for wanted, places in plan.headlines:
        values = [
            value
            for place in places
            if (value := table.values[place]) is not None
            and table.shape.rows[place].status == Status.OK
        ]
        if not values:
            continue
        metric = analysis.metric(wanted.metric)
        unit = metric.unit_for([max(values)])
        low, high = unit.number(min(values)), unit.number(max(values))
        span = high if low == high else f"{low} to {high}"
        return f"{title} on {name}: {words.lower_first(wanted.title)} {span} {unit.text}".rstrip()
    return f"{title} on {name}"


def _facts(run: Run, role: str, repetitions: int) -> tuple[tuple[str, str, str], ...]:
    tool = run.tool
    when = words.day(run.started_at)
    took = ""
    if run.duration_s is not None:
        took = f"took {words.count(round(run.duration_s), 'second')}"
    what = (run.benchmark, f"{tool.name} {tool.version}" if tool else "")
    often = (words.count(repetitions, "repetition"), "")
    if run.provenance == Provenance.CITED:
        often = ("n unknown", "as printed")
    elif run.seed is not None:
        often = (often[0], f"interleaved, seed {run.seed}")
    return (
        ("What", *what),
        ("Where", run.environment, role),
        ("When, UTC" if run.duration_s is not None else "Published", when, took),
        ("How often", *often),
        (
            "Provenance",
            run.provenance,
            (f"{run.preset} preset" if run.preset else "")
            + ("" if run.complete else ", incomplete"),
        ),
    )


def _charts(run: Run, samples: Sequence[Sample], analysis: Analysis, hue: str) -> tuple[Chart, ...]:
    """Return time series of the run: one chart a workload and metric, one line a repetition."""
    series: dict[tuple[str, str, tuple[tuple[str, str], ...]], dict[int, list[Sample]]] = {}
    for sample in samples:
        if sample.kind == "time":
            key = (sample.workload, sample.metric, sample.params)
            series.setdefault(key, {}).setdefault(sample.repetition, []).append(sample)
    # Bandwidth over time is I/O operations times block size: one of the two is enough.
    wanted = [key for key in series if key[1] != "fio.bandwidth"] or list(series)
    charts = []
    for index, key in enumerate(wanted[:_MAX_CHARTS]):
        metric = analysis.metric(key[1])
        by_repetition = series[key]
        unit = metric.unit_for([s.y for rows in by_repetition.values() for s in rows])
        lines = tuple(
            Line(
                f"rep. {repetition + 1}",
                hue,  # type: ignore[arg-type]
                tuple(Point(s.x, s.y / unit.factor, unit.number(s.y)) for s in rows),
                min(position, 2),
            )
            for position, (repetition, rows) in enumerate(sorted(by_repetition.items()))
        )
        title = words.series(Series(run.benchmark, key[0], key[1], "value", key[2]))
        charts.append(
            LineChart(
                id=f"time-{index}",
                title=f"{key[0]}: {title}",
                subtitle=f"{words.lower_first(metric.title)} · {unit.text} · each second",
                x_title="seconds",
                unit=unit.text,
                lines=lines,
                summary=f"{metric.title} over time, {title}",
                kind="series",
            )
        )
    return tuple(charts)


def _output(step: StepRecord, excerpts: Mapping[str, str]) -> Output:
    shares = dict(step.conditions)
    names = (("psi_cpu", "CPU pressure"), ("psi_io", "I/O pressure"), ("steal", "steal"))
    parts = [f"{text} {shares[name]:.1%}" for name, text in names if name in shares]
    steady = dict(step.values).get("steady")
    if steady:
        parts.append("steady" if steady == "true" else "not steady")
    if "load_before" in shares:
        parts.append(f"load {shares['load_before']:.2g} before")
    return Output(
        name=step.name,
        repetition="preparation" if step.repetition < 0 else f"repetition {step.repetition + 1}",
        argv=" ".join(map(_quote, step.argv)),
        exit_code=step.exit_code,
        duration=f"{step.duration_s:.1f} s",
        conditions=", ".join(parts),
        excerpt=next((excerpts[name] for name in step.raw if name in excerpts), ""),
        files=step.raw,
    )


def _replaced(kind: str, count: int) -> str:
    """Return what was replaced in words, with what to look for in its place."""
    if kind not in _REPLACED:
        return words.count(count, kind, kind)
    one, several, stand_in = _REPLACED[kind]
    return f"{words.count(count, one, several)} ({stand_in or f'[{kind}]'})"


def _source(run: Run) -> tuple[str, str, str] | None:
    if run.source is None:
        return None
    edition = f" ({run.source.edition})" if run.source.edition else ""
    place = f", section {run.source.section}" if run.source.section else ""
    return f"{run.source.title or run.source.id}{place}{edition}", run.source.address, run.source.id
