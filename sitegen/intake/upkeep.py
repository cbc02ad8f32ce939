"""Looking after archived runs: reading their raw output as parsers do today, and remarking.

A run never changes: one that reads differently today becomes a new run that supersedes it, with
the same time and machine, and the old one keeps its address.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import dropwhile
from pathlib import Path

from msgspec import Struct, structs
from msgspec.structs import replace

from sitegen import bounds
from sitegen.analysis.selection import superseded
from sitegen.archive import Archive
from sitegen.archive.store import Entry
from sitegen.collect import Bundle, Collector, RawOutput, Reader, Step
from sitegen.collect.execute import usable
from sitegen.collect.host import MOST_BYTES, timestamp
from sitegen.collect.installed import blamed, collectors, forms, load_collector
from sitegen.collect.recorder import series_key
from sitegen.errors import SitegenError
from sitegen.intake.run import FILE, INDEX, ONCE, PRINTED_AS, SETTING, readings, remarks_of
from sitegen.model import (
    DOUBT,
    Measurement,
    Parameter,
    Provenance,
    Remark,
    RemarkKind,
    Run,
    Sample,
    Status,
    StepRecord,
    run_id,
)
from sitegen.redact import Redactor

#: The version of the archive since which a run keeps the params and context of its steps.
_SINCE = 2


class Outcome(Struct, frozen=True):
    """What came of reading one run again: the new run, or why there is none.

    ``changed`` counts the rows that are new, gone or read differently.
    """

    old: str
    new: Run | None = None
    changed: int = 0
    reason: str = ""


def reparse(archive: Archive, entries: Sequence[Entry], *, dry_run: bool) -> Iterator[Outcome]:
    """Yield what each run reads as today; writes a new run for each that differs.

    A cited run has no raw output and is passed over; so is one that another supersedes, or that
    was withdrawn. Doing it twice writes nothing more: a new run is addressed by what it was made
    of.
    """
    runs: list[Run] = []
    for each in archive.scan():
        with contextlib.suppress(SitegenError):
            runs.append(archive.manifest(each)[0])
    gone = superseded(runs)
    for entry in entries:
        try:
            old = archive.read(entry)
            if old.provenance == Provenance.CITED or old.id in gone or old.withdrawn:
                continue
            raw = _raw(archive, entry, old)
            new = _again(old, raw)
        except SitegenError as error:
            yield Outcome(entry.run_id, reason=str(error))
            continue
        rows = set(new.measurements) ^ set(old.measurements)
        samples = set(new.samples) ^ set(old.samples)
        if not rows and not samples and new.parameters == old.parameters:
            yield Outcome(old.id, reason="reads as before")
            continue
        texts = [[list(s) for s in new.samples], [str(p) for p in new.parameters]]
        content = json.dumps([old.id, new.measurements, *texts])
        digest = hashlib.sha256(content.encode()).digest()
        new_id = run_id(old.started_at, old.benchmark, digest)
        new = replace(new, id=new_id, supersedes=old.id, derived_from=old.id, remarks=())
        if not dry_run:
            archive.write(new, raw)
        yield Outcome(old.id, new, len({series_key(row) for row in rows}))


def _raw(archive: Archive, entry: Entry, old: Run) -> dict[str, bytes]:
    """Return the raw outputs by name; raises SitegenError where they alone do not do."""
    if old.provenance == Provenance.COLLECTED and archive.schema(entry) < _SINCE:
        message = "was archived by a sitegen that did not keep what parsing needs besides it"
        raise SitegenError(message)
    _, files, _ = archive.manifest(entry)
    raw = {}
    for file in files:
        if file.name.startswith("raw/"):
            name = file.name.removeprefix("raw/").removesuffix(".gz")
            data = archive.checked(entry, file)
            try:
                raw[name] = bounds.unpacked(data, MOST_BYTES)
            except SitegenError as error:
                raise SitegenError(f"{file.name} {error.what}") from error
    if not raw:
        raise SitegenError("has no raw output to read again")
    return raw


def _again(old: Run, raw: Mapping[str, bytes]) -> Run:
    """Return ``old`` as its raw output reads today; raises SitegenError when it does not."""
    if old.provenance == Provenance.IMPORTED:
        return _imported(old, raw)
    point = collectors().get(old.benchmark)
    if point is None:
        raise SitegenError(f"no collector {old.benchmark!r} is installed here", where=old.id)
    collector = load_collector(point)
    rows: list[Measurement] = []
    samples: list[Sample] = []
    problem = ""
    for step in old.steps:
        if step.repetition < 0:
            continue
        # Several steps may share a workload, and not their parameters.
        earlier = [
            row
            for row in old.measurements
            if (row.workload, row.repetition) == (step.workload, step.repetition)
            and set(step.params) <= set(row.params)
        ]
        again: tuple[Measurement, ...] = ()
        points: tuple[Sample, ...] = ()
        try:
            again, points = _parsed(collector, step, earlier, raw)
        except SitegenError as error:
            problem = problem or f"step {step.name} cannot be read today: {error.what}"
        keys = {series_key(row) for row in again}
        rows += [row._replace(repetition=step.repetition) for row in again]
        # What the plan expected and did not get is in the old run, as failed.
        rows += [r for r in earlier if r.status == Status.FAILED and series_key(r) not in keys]
        samples += [sample._replace(repetition=step.repetition) for sample in points]
    # A step that failed when it was taken still does; one that was read must be readable.
    before, after = (
        {(*series_key(row), row.repetition) for row in every if row.status != Status.FAILED}
        for every in (old.measurements, rows)
    )
    if problem and len(after) < len(before):
        raise SitegenError(problem)
    return replace(old, measurements=tuple(rows), samples=tuple(samples))


def _parsed(
    collector: Collector, step: StepRecord, earlier: Sequence[Measurement], raw: Mapping[str, bytes]
) -> tuple[tuple[Measurement, ...], tuple[Sample, ...]]:
    """Return what a step's output says today; raises SitegenError where parsing it fails."""
    stem = f"{step.name}-{step.repetition}."
    parts = {name.removeprefix(stem): data for name, data in _originals(step, raw).items()}
    expects = tuple(
        row._replace(value=None, status=Status.OK, printed=None, repetition=0) for row in earlier
    )
    plan = Step(step.name, step.workload, step.argv, 0.0, step.params, expects, step.context)
    output = RawOutput(
        parts.pop("out", b""),
        parts.pop("err", b""),
        step.exit_code,
        step.started_at,
        step.duration_s,
        step.cpu_s,
        parts,
        step.values,
    )
    with blamed("parse"):
        rows, samples, _ = usable(collector.parse(plan, output))
    return rows, samples


def _originals(step: StepRecord, raw: Mapping[str, bytes]) -> dict[str, bytes]:
    if absent := set(step.raw) - set(raw):
        raise SitegenError(f"{min(absent)} is not among the raw outputs")
    return {name: raw[name] for name in step.raw}


def _imported(old: Run, raw: Mapping[str, bytes]) -> Run:
    if len(old.steps) != 1:
        raise SitegenError("has not one step as an import has")
    step = old.steps[0]
    readers: list[tuple[str, Reader | Bundle]] = [*forms().readers, *forms().bundles]
    owner, reader = next(
        ((name, form) for name, form in readers if form.name == step.name), ("", None)
    )
    if reader is None:
        raise SitegenError(f"no reader {step.name!r} is installed here")
    context = dict(step.context)
    if ONCE in context:
        raise SitegenError("names in its original read alike since they were replaced")
    settings = {k.removeprefix(SETTING): v for k, v in step.context if k.startswith(SETTING)}
    originals = _originals(step, raw)
    files = {context.get(f"{FILE}{name}", name): data for name, data in originals.items()}
    if len(files) != len(step.raw):
        raise SitegenError("two of its files have one name since it was redacted")
    every = readings(reader, files, settings)
    number = context.get(INDEX, "0")
    index = int(number) if number.isdecimal() and len(number) < 10 else len(every)  # noqa: PLR2004 - keeps int() short
    if index >= len(every) or (INDEX not in context and len(every) > 1):
        raise SitegenError(f"its original holds {len(every)} runs today: which it was is not known")
    reading = every[index]
    if (benchmark := reading.benchmark or owner) != old.benchmark:
        raise SitegenError(f"its original holds a run of {benchmark} in its place today")
    return replace(
        old,
        measurements=reading.measurements,
        samples=reading.samples,
        tool=reading.tool,
        parameters=(*reading.parameters, *_added(old.parameters), *remarks_of(reading)),
        definitions=reading.definitions,
        duration_s=reading.duration_s,
        fingerprint=structs.replace(old.fingerprint, facts=reading.facts),
        note=" ".join(reading.notes),
    )


def _added(parameters: Sequence[Parameter]) -> Iterator[Parameter]:
    """Yield what importing itself said of a run: all after the reader's own parameters."""
    for each in dropwhile(lambda parameter: parameter.name != "read as", parameters):
        if not each.name.startswith(DOUBT) and not each.name.endswith(PRINTED_AS):
            yield each


def remark(
    archive: Archive, run: str, kind: RemarkKind, text: str, redactor: Redactor
) -> tuple[str, Path]:
    """Say something of a run, redacted; return the run's whole id and the file.

    Raises SitegenError when there is no such run, when that was said in these words already and is
    so, when what is to be restored was not withdrawn, or for words that no page can show.
    """
    entry = archive.find(run)
    words = redactor.text(" ".join(text.split()))
    about = archive.manifest(entry)[0]
    if kind == RemarkKind.RESTORED and not about.withdrawn:
        raise SitegenError("is not withdrawn", where=entry.run_id)
    said = {(one.kind, one.text) for one in about.remarks if one.kind == RemarkKind.NOTE}
    if (kind, words) in {*said, (RemarkKind.WITHDRAWN, about.withdrawn)}:
        raise SitegenError("was said already, in these words", where=entry.run_id)
    # The last of them holds: it is later than all that was said before, whatever this clock says.
    now = datetime.now(UTC)
    before = (datetime.fromisoformat(one.at) + timedelta(seconds=1) for one in about.remarks)
    new = Remark(kind, timestamp(max([now, *before])), words)
    return entry.run_id, archive.remark_on(entry, new)
