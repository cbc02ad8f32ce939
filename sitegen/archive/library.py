"""All measurements of an archive at once, through a cache that can be thrown away.

The cache (one Parquet of all rows, one small index of the runs, with digests of both) lies
outside the archive. A run enters it under the sizes and times of its files; a run that is new, or
of which a file was written, added or lost since, is looked into as a whole: so damage is noticed
in the same way by whoever asks, and what is damaged enters nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import orjson
from msgspec import Struct, structs

from sitegen.archive import remarks
from sitegen.archive.manifest import Manifest
from sitegen.archive.quarantine import SetAside
from sitegen.archive.store import Archive, Damaged, Entry
from sitegen.catalogue.rules import READ_CONDITIONS
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.fingerprint.facts import KEPT
from sitegen.model import (
    AnyRun,
    Fact,
    Fingerprint,
    IndexedRun,
    Measurement,
    StepConditions,
    TeeVerdict,
)

_FORMAT = 13
#: The share below which no condition of a step matters.
_AT_REST = 0.01
_SLICE = 20_000
_Machines = dict[Fingerprint, Fingerprint]
_NO_ALIASES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Held:
    """One run as the index has it, with its rows.

    ``digest`` is the sha256 of the manifest, which holds
    the digests of all files: equal digests, equal runs. ``steps`` counts the run's steps.
    """

    run: IndexedRun
    digest: str
    entry: Entry
    samples: bool
    raw_bytes: int
    steps: int


@dataclass(frozen=True, slots=True)
class Library:
    """Every whole run of an archive by id, and what was set aside."""

    runs: Mapping[str, Held]
    damaged: tuple[Damaged, ...]

    def damages(self, aside: Iterable[SetAside]) -> tuple[Damaged, ...]:
        """Return runs that were set aside as damaged ones, under the labels that they lie under."""
        return tuple(
            Damaged(f"{self.runs[one.run.id].entry.environment}/{one.run.id}", one.reason)
            for one in aside
        )


def of(config: Config) -> Library:
    """Return the runs of a report; raises SitegenError when it has no archive."""
    archive = Archive(config.archive)
    return load(archive, config.cache / "cache", archive.scan(), config.aliases)


def load(
    archive: Archive, cache: Path, entries: list[Entry], aliases: Mapping[str, str] = _NO_ALIASES
) -> Library:
    """Return the whole runs among ``entries``; damaged ones are named, not raised.

    ``aliases`` gives environments the label that they go by today.
    """
    from sitegen.archive import tables

    index, rows_digest = _read_index(cache)
    table = _read_rows(tables, cache, rows_digest) if index else None
    lines: dict[str, bytes] = {}
    held: dict[str, Held] = {}
    machines: _Machines = {}
    fresh, damaged = [], []
    kept = 0
    for entry in entries:
        if entry.run_id in held:
            first = held[entry.run_id].entry.environment
            damaged.append(
                Damaged(f"{entry.environment}/{entry.run_id}", f"has the id of a run in {first}")
            )
            continue
        stamp = entry.stamp or archive.stamp(entry)
        line = index.get(entry.run_id) if table is not None else None
        try:
            found = _from_line(line, entry, stamp, machines) if line else None
            if line and found:
                lines[entry.run_id], held[entry.run_id] = line, _held(found, entry)
                kept += 1
                continue
            found, rows = _open(archive, entry, stamp, machines)
            lines[entry.run_id] = _ENCODER.encode(found)
            held[entry.run_id] = _held(found, entry)
        except SitegenError as error:
            damaged.append(Damaged(f"{entry.environment}/{entry.run_id}", str(error)))
            continue
        fresh.append((entry.run_id, rows))
    for run_id, reason in _unsound(tables, fresh):
        damaged.append(Damaged(f"{held.pop(run_id).entry.environment}/{run_id}", reason))
        del lines[run_id]
    fresh = [part for part in fresh if part[0] in held]
    changed = bool(fresh) or kept != len(index)
    if kept and kept != len(index):
        # Rows of runs that are gone or were replaced.
        renewed = {run_id for run_id, _ in fresh}
        table = tables.only_runs(table, [run_id for run_id in held if run_id not in renewed])
    packed = [table] if kept else []
    if fresh:
        packed.append(tables.pack(tables.with_runs(fresh)))
        del fresh, table  # the peak of a build is here: hold the rows once
    if changed:
        # On a disk that cannot be written the next reading costs as much as this one.
        with contextlib.suppress(OSError):
            _write(cache, lines, tables, packed)
    rows_of = _rows_by_run(tables, packed)
    runs = {
        run_id: replace(
            one,
            run=replace(
                one.run,
                measurements=rows_of.get(run_id, ()),
                environment=aliases.get(one.run.environment, one.run.environment),
                remarks=remarks.read(one.entry.path.parent, one.entry.remarks),
            ),
        )
        for run_id, one in held.items()
    }
    return Library(runs, tuple(damaged))


def forget(cache: Path) -> None:
    """Make the next `load` look into every run again."""
    (cache / "runs.index").unlink(missing_ok=True)


def _unsound(
    tables: Any,  # noqa: ANN401 - Arrow has no types
    fresh: list[tuple[str, Any]],
) -> Iterator[tuple[str, str]]:
    """Yield the runs whose rows cannot be shown, and why; one look at all of them, mostly."""
    if not fresh:
        return
    try:
        tables.check(tables.concat([rows for _, rows in fresh]))
    except SitegenError:
        for run_id, rows in fresh:
            try:
                tables.check(rows)
            except SitegenError as error:
                yield run_id, str(error)


class _Line(Struct, frozen=True):
    """What the index says of a run: `Held`, and what tells that its files changed since."""

    stamp: str
    digest: str
    samples: bool
    raw_bytes: int
    steps: int
    run: IndexedRun


#: What a manifest and the index have alike.
_SHARED = tuple(
    field.name
    for field in fields(AnyRun)
    if field.name in Manifest.__struct_fields__ and field.name != "fingerprint"
)
_DECODER = msgspec.json.Decoder(_Line)
_ENCODER = msgspec.json.Encoder()


def _open(archive: Archive, entry: Entry, stamp: str, machines: _Machines) -> tuple[_Line, Any]:
    """Return what the index is to say of a run, and its rows."""
    data, listed = archive.listed(entry)
    parts = dict(archive.look_into(entry, listed.files))
    line = _Line(
        stamp,
        hashlib.sha256(data).hexdigest(),
        "samples.parquet" in parts,
        sum(file.bytes for file in listed.files if file.name.startswith("raw/")),
        len(listed.steps),
        _indexed(listed, machines),
    )
    return line, parts["measurements.parquet"]


def _indexed(listed: Manifest, machines: _Machines) -> IndexedRun:
    """Return what the index keeps of a run; runs of one machine share its facts."""
    seen = listed.fingerprint
    if seen not in machines:
        # Where a fact was read stands on the run's page, which reads the whole manifest.
        kept = tuple(Fact(fact.name, fact.value, "") for fact in seen.facts if fact.name in KEPT)
        tee = TeeVerdict(seen.tee.kind, seen.tee.reasons, seen.tee.confidence)
        machines[seen] = Fingerprint(kept, tee)
    shared = {name: getattr(listed, name) for name in _SHARED}
    return IndexedRun(
        measurements=(),
        fingerprint=machines[seen],
        steps_seen=tuple(
            StepConditions(
                step.workload,
                step.repetition,
                tuple(
                    (name, share)
                    for name, share in step.seen.items()
                    if name in READ_CONDITIONS and share >= _AT_REST
                ),
            )
            for step in listed.steps
        ),
        **shared,
    )


def _from_line(data: bytes, entry: Entry, stamp: str, machines: _Machines) -> _Line | None:
    """Return what the index says of a run, or None when one of its files has changed since."""
    line = _DECODER.decode(data)
    if not stamp or line.stamp != stamp or line.run.environment != entry.environment:
        return None
    machine = line.run.fingerprint
    run = replace(line.run, fingerprint=machines.setdefault(machine, machine))
    return structs.replace(line, run=run)


def _held(line: _Line, entry: Entry) -> Held:
    return Held(line.run, line.digest, entry, line.samples, line.raw_bytes, line.steps)


def _rows_by_run(tables: Any, packed: list[Any]) -> dict[str, tuple[Measurement, ...]]:  # noqa: ANN401
    found: dict[str, tuple[Measurement, ...]] = {}
    for table in packed:
        # In slices: the columns of all rows as lists would stand beside the rows themselves.
        for start in range(0, table.num_rows, _SLICE):
            part = table.slice(start, _SLICE)
            pairs = zip(tables.run_ids(part), tables.rows(part), strict=True)
            for run_id, group in groupby(pairs, key=itemgetter(0)):
                found[run_id] = (*found.get(run_id, ()), *[row for _, row in group])
    return found


def _read_index(cache: Path) -> tuple[dict[str, bytes], str]:
    """Return the index lines by run and the digest of the rows that belong to them.

    Empty when it is absent or damaged: its first line is the digest of the rest.
    """
    try:
        digest, _, text = (cache / "runs.index").read_bytes().partition(b"\n")
        if hashlib.sha256(text).hexdigest().encode() != digest:
            return {}, ""
        head, *lines = text.splitlines()
        told = orjson.loads(head)
        if told["format"] != _FORMAT:
            return {}, ""
        return dict(zip(told["runs"], lines, strict=True)), told["rows"]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return {}, ""


def _read_rows(tables: Any, cache: Path, digest: str) -> Any:  # noqa: ANN401
    """Return the cached rows that belong to the index, or None."""
    try:
        data = (cache / "measurements.parquet").read_bytes()
        return tables.read_cache(data) if hashlib.sha256(data).hexdigest() == digest else None
    except (SitegenError, OSError):
        return None


def _write(cache: Path, lines: Mapping[str, bytes], tables: Any, packed: list[Any]) -> None:  # noqa: ANN401
    cache.mkdir(parents=True, exist_ok=True)
    rows = ""
    if packed:
        data = tables.parquet_bytes(tables.concat(packed))
        rows = hashlib.sha256(data).hexdigest()
        _replace(cache / "measurements.parquet", data)
    head = orjson.dumps({"format": _FORMAT, "rows": rows, "runs": list(lines)})
    index = b"\n".join([head, *lines.values()])
    digest = hashlib.sha256(index).hexdigest().encode()
    _replace(cache / "runs.index", digest + b"\n" + index)


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
