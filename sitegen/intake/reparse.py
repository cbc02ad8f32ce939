"""Reading the raw output of archived runs again, with the parsers of today.

A run never changes: one that reads differently today becomes a new run that supersedes it, with
the same time and machine, and the old one keeps its address.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from sitegen import bounds
from sitegen.analysis.selection import superseded
from sitegen.archive import Archive
from sitegen.archive.store import Entry
from sitegen.collect import Bundle, Collector, RawOutput, Reader, Step
from sitegen.collect.execute import usable
from sitegen.collect.host import MOST_BYTES
from sitegen.collect.installed import blamed, collectors, forms, load_collector
from sitegen.collect.recorder import series_key
from sitegen.errors import SitegenError
from sitegen.intake.run import FILE, INDEX, ONCE, PRINTED_AS, SETTING, readings, remarks_of
from sitegen.model import (
    DOUBT,
    Measurement,
    Parameter,
    Provenance,
    Run,
    Sample,
    Status,
    StepRecord,
    run_id,
)

#: The version of the archive since which a run keeps the params and context of its steps.
_SINCE = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of reading one run again: the new run, or why there is none.

    ``changed`` counts the rows that are new, gone or read differently.
    """

    old: str
    new: Run | None = None
    changed: int = 0
    why: str = ""


def reparse(archive: Archive, entries: Sequence[Entry], *, dry_run: bool) -> Iterator[Outcome]:
    """Yield what each run reads as today; writes a new run for each that differs.

    A cited run has no raw output and is passed over; so is one that another supersedes, or that
    was withdrawn. Doing it twice writes nothing more: a new run is addressed by what it was made
    of.
    """
    known = [run for each in archive.scan() if (run := _manifest(archive, each)) is not None]
    gone = superseded(known)
    for entry in entries:
        try:
            old = archive.read(entry)
            if old.provenance == Provenance.CITED or old.id in gone or old.withdrawn:
                continue
            raw = _raw(archive, entry, old)
            new = _again(old, raw)
        except SitegenError as error:
            yield Outcome(entry.run_id, why=str(error))
            continue
        rows = set(new.measurements) ^ set(old.measurements)
        samples = set(new.samples) ^ set(old.samples)
        if not rows and not samples and new.parameters == old.parameters:
            yield Outcome(old.id, why="reads as before")
            continue
        new = replace(new, id=_id(old, new), supersedes=old.id, derived_from=old.id, remarks=())
        if not dry_run:
            archive.write(new, raw)
        yield Outcome(old.id, new, len({series_key(row) for row in rows}))


def _manifest(archive: Archive, entry: Entry) -> Run | None:
    try:
        return archive.manifest(entry)[0]
    except SitegenError:
        return None


def _raw(archive: Archive, entry: Entry, old: Run) -> dict[str, bytes]:
    """Return the raw outputs by name; raises SitegenError where they alone do not do."""
    if old.provenance == Provenance.COLLECTED and archive.schema(entry) < _SINCE:
        raise SitegenError(
            "was archived by a sitegen that did not keep what parsing needs besides it"
        )
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
    try:
        point = collectors()[old.benchmark]
    except KeyError:
        raise SitegenError(
            f"no collector {old.benchmark!r} is installed here", where=old.id
        ) from None
    return _collected(old, raw, load_collector(point))


def _collected(old: Run, raw: Mapping[str, bytes], collector: Collector) -> Run:
    rows: list[Measurement] = []
    samples: list[Sample] = []
    problem = ""
    for step in old.steps:
        if step.repetition < 0:
            continue
        own = [row for row in old.measurements if _is_of(step, row)]
        again: tuple[Measurement, ...] = ()
        points: tuple[Sample, ...] = ()
        try:
            again, points = _parsed(collector, step, own, raw)
        except SitegenError as error:
            problem = problem or f"step {step.name} cannot be read today: {error.what}"
        keys = {series_key(row) for row in again}
        rows += [row._replace(repetition=step.repetition) for row in again]
        # What the plan expected and did not get is in the old run, as failed.
        rows += [r for r in own if r.status == Status.FAILED and series_key(r) not in keys]
        samples += [sample._replace(repetition=step.repetition) for sample in points]
    # A step that failed when it was taken still does; one that was read must be readable.
    if problem and _measured(rows) < _measured(old.measurements):
        raise SitegenError(problem)
    return replace(old, measurements=tuple(rows), samples=tuple(samples))


def _measured(rows: Sequence[Measurement]) -> int:
    return len({(*series_key(r), r.repetition) for r in rows if r.status != Status.FAILED})


def _is_of(step: StepRecord, row: Measurement) -> bool:
    """Say whether a row came from a step: several may share a workload, not their parameters."""
    same = (row.workload, row.repetition) == (step.workload, step.repetition)
    return same and set(step.params) <= set(row.params)


def _parsed(
    collector: Collector,
    record: StepRecord,
    own: Sequence[Measurement],
    raw: Mapping[str, bytes],
) -> tuple[tuple[Measurement, ...], tuple[Sample, ...]]:
    """Return what a step's output says today; raises SitegenError where parsing it fails."""
    stem = f"{record.name}-{record.repetition}."
    parts = {name.removeprefix(stem): data for name, data in _originals(record, raw).items()}
    expects = (
        row._replace(value=None, status=Status.OK, printed=None, repetition=0) for row in own
    )
    step = Step(
        record.name,
        record.workload,
        record.argv,
        timeout_s=0.0,
        params=record.params,
        expects=tuple(expects),
        context=record.context,
    )
    output = RawOutput(
        stdout=parts.pop("out", b""),
        stderr=parts.pop("err", b""),
        exit_code=record.exit_code,
        started_at=record.started_at,
        duration_s=record.duration_s,
        cpu_s=record.cpu_s,
        files=parts,
        values=record.values,
    )
    with blamed("parse"):
        rows, samples, _ = usable(collector.parse(step, output))
    return rows, samples


def _originals(step: StepRecord, raw: Mapping[str, bytes]) -> dict[str, bytes]:
    if absent := set(step.raw) - set(raw):
        raise SitegenError(f"{min(absent)} is not among the raw outputs")
    return {name: raw[name] for name in step.raw}


def _imported(old: Run, raw: Mapping[str, bytes]) -> Run:
    if len(old.steps) != 1:
        raise SitegenError("has not one step as an import has")
    step = old.steps[0]
    matching: list[Reader | Bundle] = [r for _, r in forms().readers if r.name == step.name]
    matching += [bundle for _, bundle in forms().bundles if bundle.name == step.name]
    if not matching:
        raise SitegenError(f"no reader {step.name!r} is installed here")
    context = dict(step.context)
    if ONCE in context:
        raise SitegenError("names in its original read alike since they were replaced")
    settings = {
        key.removeprefix(SETTING): value for key, value in step.context if key.startswith(SETTING)
    }
    files = {
        context.get(f"{FILE}{name}", name): data for name, data in _originals(step, raw).items()
    }
    if len(files) != len(step.raw):
        raise SitegenError("two of its files have one name since it was redacted")
    every = readings(matching[0], files, settings)
    number = context.get(INDEX, "0")
    index = int(number) if number.isdecimal() and len(number) < 10 else len(every)  # noqa: PLR2004 - keeps int() short
    if index >= len(every) or (INDEX not in context and len(every) > 1):
        raise SitegenError(f"its original holds {len(every)} runs today: which it was is not known")
    reading = every[index]
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


def _added(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """Return what importing itself said of a run: all after the reader's own parameters."""
    names = [parameter.name for parameter in parameters]
    start = names.index("read as") if "read as" in names else len(names)
    return tuple(
        p
        for p in parameters[start:]
        if not p.name.startswith(DOUBT) and not p.name.endswith(PRINTED_AS)
    )


def _id(old: Run, new: Run) -> str:
    content = json.dumps(
        [old.id, new.measurements, [list(s) for s in new.samples], [str(p) for p in new.parameters]]
    )
    return run_id(old.started_at, old.benchmark, hashlib.sha256(content.encode()).digest())
