"""A run's page: what, where, when; its tables of results; environment; commands and raw output.

A build makes one for every run: the cost of a row counts here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from sitegen.analysis import caveats
from sitegen.analysis.caveats import Caveat
from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family
from sitegen.catalogue.metrics import beside
from sitegen.catalogue.rules import RULES, limits_of
from sitegen.catalogue.tool import Figure, Rule
from sitegen.charts.spec import Hue, Line, RidgeChart
from sitegen.model import (
    DOUBT,
    Provenance,
    RemarkKind,
    Run,
    Sample,
    Series,
    Table,
)
from sitegen.report import gist, machine, matrix, run_samples, run_steps, words
from sitegen.report.gist import Outline
from sitegen.report.machine import FactGroup, TeeSummary
from sitegen.report.matrix import Figures, Head, Plan, Planned, PlannedRow
from sitegen.report.run_steps import StepOutput
from sitegen.report.siblings import Siblings, Use

_DIGITS = 16
_MAX_STEPS, _MAX_FILES, _MAX_PARAMETERS = 120, 100, 100
_MOST_NAMED = 6
_SAID: Mapping[RemarkKind, str] = {
    RemarkKind.NOTE: "Note of",
    RemarkKind.WITHDRAWN: "Withdrawn on",
    RemarkKind.RESTORED: "Restored on",
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


class Doubt(NamedTuple):
    """A caveat of the run, and the rows that it is about; none of them where it is about all."""

    rule: Rule
    sentence: str
    rows: tuple[tuple[str, str], ...] = ()


class Detail(NamedTuple):
    """What a row opens to, beside its figures: reasons of doubt, and what was executed."""

    reasons: tuple[str, ...] = ()
    steps: tuple[StepOutput, ...] = ()
    line: Line | None = None


#: A file of the run: its name, its size, the beginning of its digest, and whether it is published.
Download = tuple[str, str, str, bool]


class RunPage(Struct, frozen=True):
    """Everything a run's page says. ``heads``, ``figures`` and ``details`` are of its ``tables``.

    ``by_second`` is what a table's small lines show; ``uses`` are the comparisons of each row.
    """

    id: str
    short_id: str
    benchmark: str
    family: str
    environment: str
    hue: Hue
    headline: str
    lede: str
    doubts: tuple[Doubt, ...]
    facts: tuple[tuple[str, str, str], ...]
    made: str
    siblings: Siblings
    tables: tuple[Planned, ...]
    heads: tuple[Head, ...]
    figures: tuple[tuple[Figures, ...], ...]
    details: tuple[tuple[Detail, ...], ...]
    by_second: tuple[str, ...]
    uses: tuple[tuple[tuple[str, str], ...], ...]
    shared: str
    rows_left: int
    series: int
    series_left: int
    repetitions: int
    charts: tuple[RidgeChart, ...]
    machine: tuple[FactGroup, ...]
    tee: TeeSummary
    parameters: tuple[tuple[str, str, str], ...]
    parameters_left: int
    outputs: tuple[StepOutput, ...]
    outputs_left: int
    bundle: str
    downloads: tuple[Download, ...]
    downloads_left: int
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
    siblings: Siblings | None = None,
    uses: Sequence[Use] = (),
) -> RunPage:
    """Return the page of ``run``, whose manifest was read whole.

    ``table`` has its rows, where they were not read with it; ``excerpts`` are the beginnings of
    raw outputs by file name; ``uses`` are the comparisons of its benchmark and environment.
    """
    declared = analysis.config.environment(run.environment)
    platform = words.platform(analysis.config, run.environment)
    table = table or run.table
    plan = matrix.plan(run.benchmark, table.shape, analysis)
    outline = gist.outline(analysis, run.benchmark, table.shape)
    filled = [matrix.figures(one, table, outline.repetitions) for one in plan.tables]
    doubts = _doubts(gist.doubts(analysis, run, outline, len(table.values)), run, plan)
    details, by_second, outputs = _details(
        analysis, run, table, plan, platform.hue, excerpts or {}, samples, wary=bool(doubts)
    )
    used: dict[Series, list[tuple[str, str]]] = {}
    siblings = siblings or Siblings()
    gone = {workload for workload, _ in siblings.aside}
    for use in () if siblings.left_out else uses:
        if use.series.workload in gone:
            continue
        used.setdefault(use.series, []).append((use.address, use.sides))
    presented = family(run.benchmark)
    parameters = [p for p in run.parameters if not p.name.startswith(DOUBT)]
    return RunPage(
        id=run.id,
        short_id=run.id[-8:],
        benchmark=run.benchmark,
        family=presented.title,
        environment=run.environment,
        hue=platform.hue,
        headline=_headline(analysis, table, outline, f"{presented.title} on {platform.name}"),
        lede=declared.note,
        doubts=doubts,
        facts=_facts(run, platform.role, outline),
        made=_made(run),
        siblings=siblings,
        tables=plan.tables,
        heads=tuple([head for head, _ in filled]),
        figures=tuple([figures for _, figures in filled]),
        details=details,
        by_second=by_second,
        uses=tuple([_uses(row, used, analysis) for row in plan.rows]) if used else (),
        shared=plan.shared,
        rows_left=plan.rows_left,
        series=plan.series,
        series_left=plan.series_left,
        repetitions=outline.repetitions,
        charts=run_samples.distributions(
            run.benchmark, plan.rows, samples, analysis, platform.hue
        ) if samples else (),
        machine=machine.groups(run.fingerprint.facts),
        tee=machine.verdict(run.fingerprint.tee),
        parameters=tuple(
            (p.name.replace("_", " "), p.value, p.comparability)
            for p in parameters[:_MAX_PARAMETERS]
        ),
        parameters_left=max(len(parameters) - _MAX_PARAMETERS, 0),
        outputs=outputs,
        outputs_left=sum(step.repetition > 0 for step in run.steps),
        bundle=bundle,
        downloads=tuple(downloads[:_MAX_FILES]),
        downloads_left=max(len(downloads) - _MAX_FILES, 0),
        digest=digest[:_DIGITS],
        redactions=words.enumerate_words([_replaced(*each) for each in run.redactions]),
        source=_source(run),
        note=run.note,
        superseded_by=superseded_by,
        day="undated" if run.undated else run.started_at[:10],
        withdrawn=run.withdrawn,
        notes=tuple(
            (f"{_SAID[one.kind]} {words.day(one.at)}", one.text)
            for one in run.remarks
            # What it was withdrawn for stands above all else.
            if not (one.kind == RemarkKind.WITHDRAWN and one.text == run.withdrawn)
        ),
    )  # fmt: skip


def download(name: str, size: int, sha256: str, *, published: bool) -> Download:
    """Return a file of ``size`` bytes."""
    return name, words.size(size), sha256[:_DIGITS], published


def _doubts(found: Sequence[Caveat], run: Run, plan: Plan) -> tuple[Doubt, ...]:
    """Return what is to be said before a value is quoted, and of which rows it is said."""
    seen = [step.seen for step in run.steps if step.repetition >= 0]
    doubts = []
    for one in found:
        hit = one.rule.steps and {
            step.workload
            for step in seen
            if any(other.rule == one.rule for other in caveats.applying("steps", [step]))
        }
        rows = [
            row
            for row in plan.rows
            if one.sentence.startswith(f"{row.workload}: ")
            or (hit and row.workload in hit)
            or (one.rule.counts and (row.failed if one.rule.id == "failed" else row.suspect))
        ]
        sentence = one.sentence
        if one.rule.id == "suspect" and one.rule.counts:
            sentence = f"{sentence} {family(run.benchmark).suspect or one.rule.definition}"
        doubts.append(Doubt(one.rule, sentence, _named(rows)))
    return tuple(doubts)


def _uses(
    row: PlannedRow, used: Mapping[Series, Sequence[tuple[str, str]]], analysis: Analysis
) -> tuple[tuple[str, str], ...]:
    """Return links to the comparisons of a row; of several series each says which."""
    mine = [series for series in row.series if series in used]
    return tuple(
        (address, f"{analysis.metric(series.metric).title}: {sides}" if len(mine) > 1 else sides)
        for series in mine
        for address, sides in used[series]
    )


def _named(rows: Sequence[PlannedRow]) -> tuple[tuple[str, str], ...]:
    """Return links to the first of these rows, and how many more there are."""
    named = [(row.ids[0], words.joined(row.title, row.workload)) for row in rows[:_MOST_NAMED]]
    more = len(rows) - len(named)
    return (*named, ("", f"{more} more")) if more > 0 else tuple(named)


_Details = tuple[tuple[tuple[Detail, ...], ...], tuple[str, ...], tuple[StepOutput, ...]]


def _details(  # noqa: PLR0913 - what rows open to
    analysis: Analysis,
    run: Run,
    table: Table,
    plan: Plan,
    hue: Hue,
    excerpts: Mapping[str, str],
    samples: Sequence[Sample],
    *,
    wary: bool,
) -> _Details:
    """Return what each row opens to, what its small line shows, and the steps that no row has."""
    # One repetition shows what was run; the others are in the run's own file.
    first = [step for step in run.steps if step.repetition <= 0][:_MAX_STEPS]
    outputs = [run_steps.output(step, excerpts) for step in first]
    places = iter(run_steps.of_rows(plan, first))
    seconds = run_samples.by_second(samples) if samples else {}
    told: set[int] = set()
    details, by_second = [], []
    for one in plan.tables:
        metrics = dict.fromkeys(column.metric.id for column in one.columns)
        of_table, drawn = [], ""
        for row in one.rows:
            steps = []
            for place in next(places):
                output = outputs[place]
                # Of an output that several rows come from, the first has the excerpt.
                steps.append(output._replace(excerpt="") if place in told else output)
                told.add(place)
            reasons = _reasons(run, table, row) if wary else ()
            found = run_samples.line(row, metrics, seconds, analysis, hue) if seconds else None
            drawn = drawn or (found[0] if found else "")
            of_table.append(Detail(reasons, tuple(steps), found[1] if found else None))
        details.append(tuple(of_table))
        by_second.append(drawn)
    rest = [output for place, output in enumerate(outputs) if place not in told]
    return tuple(details), tuple(by_second), tuple(rest)


def _reasons(run: Run, table: Table, row: PlannedRow) -> tuple[str, ...]:
    """Return why values of a row are doubtful, in sentences; nothing where none is."""
    workload = row.workload
    seen = [s.seen for s in run.steps if s.repetition >= 0 and s.workload == workload]
    found = [*caveats.of_reading(run, workload), *caveats.applying("steps", seen)]
    if row.suspect:
        values: dict[str, float] = {}
        for series, places in table.shape.places(run.benchmark).items():
            name = beside(series.metric, series.statistic)
            if name and series.workload == workload and set(series.params) <= set(row.params):
                values[name] = next(
                    (v for at in places if (v := table.values[at]) is not None), 0.0
                )
        for series, at in zip(row.series, filter(None, row.columns), strict=True):
            about, value = dict(series.params), table.values[at[0]]
            if value is not None:
                found += caveats.of_figure(
                    Figure(series.metric, series.statistic, about, value, values, [limits_of(run)])
                )
    reasons = [f"{words.upper_first(one.rule.short)}: {one.sentence}" for one in found]
    if row.suspect and not found:
        why = family(run.benchmark).suspect or RULES["suspect"].definition
        reasons.append(f"{row.suspect} suspect: {why}")
    if row.failed:
        ended = [
            f"repetition {step.repetition + 1} ended with code {step.exit_code}"
            for step in run.steps
            if step.workload == workload and step.exit_code and step.repetition >= 0
        ]
        why = words.enumerate_words(ended) or "the tool did not deliver what was asked for"
        reasons.append(f"{words.count(row.failed, 'value')} failed: {why}.")
    return tuple(dict.fromkeys(reasons))


def _headline(analysis: Analysis, table: Table, outline: Outline, title: str) -> str:
    found = gist.value(analysis, outline, table)
    if found is None:
        return title
    return f"{title}: {words.lower_first(found.title)} {found.text} {found.unit.text}".rstrip()


def _made(run: Run) -> str:
    """Return the command that makes such a run, as far as the run says it."""
    if run.provenance == Provenance.IMPORTED:
        tool = next((step.name for step in run.steps if step.workload == "import"), "")
        as_tool = f" --tool {run_steps.quoted(tool)}" if tool else ""
        return f"sitegen import FILE --env {run.environment}{as_tool}"
    return run_steps.collecting(run, run.environment)


def _facts(run: Run, role: str, outline: Outline) -> tuple[tuple[str, str, str], ...]:
    tool, took = run.tool, ""
    if run.duration_s is not None:
        took = f"took {words.count(round(run.duration_s), 'second')}"
    dated = "Published" if run.provenance == Provenance.CITED else "When, UTC"
    often = words.count(outline.repetitions, "repetition")
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


def _replaced(kind: str, count: int) -> str:
    """Return what was replaced in words, with what to look for in its place."""
    if kind not in _REPLACED:
        return words.count(count, kind, kind)
    stand_in = "$WORK, $CACHE, $SITEGEN, $PWD or ~" if kind == "path" else f"[{kind}]"
    return f"{words.count(count, *_REPLACED[kind])} ({stand_in})"


def _source(run: Run) -> tuple[str, str] | None:
    if run.source is None:
        return None
    edition = f" ({run.source.edition})" if run.source.edition else ""
    place = f", section {run.source.section}" if run.source.section else ""
    return f"{run.source.title or run.source.id}{place}{edition}", run.source.address
