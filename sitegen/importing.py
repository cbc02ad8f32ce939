"""Bringing in what other tools printed: which reader knows a file, and the runs it makes of it.

A file is recognised by its content. Its runs are addressed by the digest of that content, so
that bringing in one file twice changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sitegen import tidy
from sitegen.archive import Archive
from sitegen.collect import Collector, Found, Reader, blamed, check_measurement, collectors, readers
from sitegen.errors import SitegenError
from sitegen.host import timestamp
from sitegen.model import (
    Fingerprint,
    Parameter,
    Provenance,
    Run,
    Source,
    StepRecord,
    check_label,
    check_metric,
    check_time,
    run_id,
)
from sitegen.redact import Redactor, redacted

MAX_BYTES = 200_000_000
MAX_ROWS = 2_000_000


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asked `import` to do. ``tool`` names a reader where content does not."""

    environment: str = ""
    tool: str = ""
    provenance: Provenance = Provenance.IMPORTED
    sources: Mapping[str, tuple[Source, str]] | None = None
    date: str = ""
    settings: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A run that was read from a file, the raw output to archive with it, and who read it."""

    run: Run
    raw: Mapping[str, bytes]
    reader: str


def read(path: Path, order: Order, redactor: Redactor) -> list[Arrival]:
    """Return the runs in a file: a tidy CSV, or the output of a tool that a collector knows.

    Raises SitegenError when nobody knows the form, or with the place that its reader stumbled
    on. Each run counts what was replaced in itself and in its own copy of the file. Writes
    nothing.
    """
    data = _bytes(path)
    if not order.tool and _is_tidy(data):
        runs = tidy.read_runs(
            path,
            order.provenance,
            sources=order.sources,
            environment=order.environment,
            date=order.date,
        )
        return [Arrival(redacted(run, redactor.anew()), {}, "tidy CSV") for run in runs]
    if order.provenance != Provenance.IMPORTED:
        raise SitegenError(
            "what a tool itself wrote is imported, not cited",
            where=str(path),
            fix="leave --provenance out, or write the printed figures as a tidy CSV",
        )
    benchmark, reader = _reader_of(data, path, order.tool)
    if not order.environment:
        raise SitegenError("names no environment", where=str(path), fix="add --env LABEL")
    check_label(order.environment)
    _check_settings(reader, order.settings or {})
    try:
        with blamed(reader.title):
            found = reader.read(data, order.settings or {})
    except SitegenError as error:
        where = f"{path}: {error.where}" if error.where else str(path)
        raise SitegenError(error.what, where=where, fix=error.fix) from error
    if not found:
        raise SitegenError(f"holds no result ({reader.title})", where=str(path))
    digest = hashlib.sha256(data).hexdigest()
    copying = redactor.anew()
    raw = {f"{reader.name}.original": copying.data(data)}
    parsed = (
        _run(one, index, benchmark, reader, digest, path, order) for index, one in enumerate(found)
    )
    return [
        Arrival(redacted(run, redactor.anew(), copying.counts()), raw, reader.title)
        for run in parsed
    ]


def write(arrivals: Iterable[Arrival], archive: Archive) -> Iterator[tuple[Arrival, str]]:
    """Write what is new; yield each arrival with the id that it was there under, or nothing.

    The same content under another date is there already, and is not written again.
    """
    try:
        there = {(e.environment, _content(e.run_id)): e.run_id for e in archive.scan()}
    except SitegenError:
        there = {}  # the first run makes the archive
    for arrival in arrivals:
        known = there.get((arrival.run.environment, _content(arrival.run.id)), "")
        if not known:
            archive.write(arrival.run, arrival.raw)
        yield arrival, known


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Return ``model=Llama-3.1-8B`` and the like as a mapping; raises SitegenError."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and name and value):
            raise SitegenError(
                f"{pair!r} is not a setting", where="--set", fix="write it as model=Llama-3.1-8B"
            )
        found[name] = value
    return found


def _content(identifier: str) -> str:
    """Return the benchmark and digest of a run id, without its time."""
    return identifier.partition("-")[2]


def known_forms() -> list[tuple[str, Reader]]:
    """Return every form that an installed collector can read, with its benchmark."""
    return [(name, reader) for name, found in _installed() for reader in readers(found)]


def _installed() -> Iterator[tuple[str, Collector]]:
    available = collectors()
    for name in available:
        try:
            yield name, available[name]
        except SitegenError:
            continue  # one broken collector does not stop the others from reading


def _bytes(path: Path) -> bytes:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise SitegenError("is a device or a pipe, not a file", where=str(path))
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise SitegenError(f"larger than {MAX_BYTES // 1_000_000} MB", where=str(path))
        data = path.read_bytes()
    except OSError as error:
        raise SitegenError(str(error.strerror), where=str(path)) from error
    if not data.strip():
        raise SitegenError("is empty", where=str(path))
    return data


def _is_tidy(data: bytes) -> bool:
    """Say whether the first line has the columns that name a figure."""
    head = data[:10_000].decode("utf-8-sig", "replace").splitlines()[0]
    columns = {name.strip(' "') for name in head.split(",")}
    return len(columns & {"benchmark", "workload", "metric", "value"}) >= 2  # noqa: PLR2004 - a missing column is told by name then


def _reader_of(data: bytes, path: Path, tool: str) -> tuple[str, Reader]:
    forms = known_forms()
    if tool:
        named = [pair for pair in forms if tool in (pair[1].name, pair[0])]
        if not named:
            raise SitegenError(
                f"no reader {tool!r}",
                where="--tool",
                fix=f"known: {', '.join(sorted(reader.name for _, reader in forms))}",
            )
        forms = named
    matching = [pair for pair in forms if pair[1].knows(data)]
    if not matching and tool and len(forms) == 1:
        matching = forms  # the user says what it is: the reader says why it is not
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise SitegenError(
            "has the form of several tools",
            where=str(path),
            fix=f"add --tool with one of {', '.join(reader.name for _, reader in matching)}",
        )
    raise SitegenError(
        "is no form of output that is known here",
        where=str(path),
        fix="`sitegen import --help` lists them; a tidy CSV always works",
    )


def _check_settings(reader: Reader, settings: Mapping[str, str]) -> None:
    if unknown := sorted(set(settings) - set(reader.asks)):
        raise SitegenError(
            f"{reader.title} takes no {unknown[0]!r}",
            where="--set",
            fix=f"it takes {', '.join(sorted(reader.asks)) or 'none'}",
        )


def _run(  # noqa: PLR0913 - a run and where it came from
    found: Found,
    index: int,
    benchmark: str,
    reader: Reader,
    digest: str,
    path: Path,
    order: Order,
) -> Run:
    for row in found.measurements:
        check_measurement(row)
        if row.value is not None and not math.isfinite(row.value):
            raise SitegenError(f"{row.metric} is not a finite number", where=str(path))
    if not all(math.isfinite(sample.x) and math.isfinite(sample.y) for sample in found.samples):
        raise SitegenError("a sample is not a finite number", where=str(path))
    for definition in found.definitions:
        check_metric(definition.id)
    if len(found.measurements) + len(found.samples) > MAX_ROWS:
        raise SitegenError(f"holds more than {MAX_ROWS:,} values", where=str(path))
    if not found.measurements:
        raise SitegenError(f"holds no result ({reader.title})", where=str(path))
    dated, started = _dated(found, path, order)
    settings = sorted((order.settings or {}).items())
    content = json.dumps([digest, order.environment, reader.name, index, settings])
    parameters = (
        *found.parameters,
        Parameter("read as", reader.title),
        Parameter("file sha256", digest),
        *([Parameter("dated by", dated)] if dated else []),
        *(Parameter(f"{ours} is printed as", theirs) for ours, theirs in found.natives),
        *(kind.parameter(told, about) for kind, told, about in found.doubts),
    )
    return Run(
        id=run_id(started, benchmark, hashlib.sha256(content.encode()).digest()),
        benchmark=benchmark,
        environment=order.environment,
        provenance=Provenance.IMPORTED,
        started_at=started,
        duration_s=found.duration_s,
        measurements=found.measurements,
        samples=found.samples,
        tool=found.tool,
        parameters=parameters,
        definitions=found.definitions,
        fingerprint=Fingerprint(found.facts),
        steps=(
            StepRecord(
                reader.name, "import", -1, (), started, 0.0, 0, raw=(f"{reader.name}.original",)
            ),
        ),
        note=" ".join(found.notes),
    )


def _dated(found: Found, path: Path, order: Order) -> tuple[str, str]:
    """Return what dates a run where its output does not, and the date."""
    if found.started_at:
        return "", check_time(found.started_at)
    if order.date:
        return "--date", check_time(order.date)
    moment = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return "the time at which the file was last written", timestamp(moment)
