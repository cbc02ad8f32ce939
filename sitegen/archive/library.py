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
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from sitegen.archive import manifest, remarks
from sitegen.archive.quarantine import SetAside
from sitegen.archive.store import Archive, Damaged, Entry
from sitegen.catalogue.rules import READ_CONDITIONS
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.fingerprint.facts import KEPT
from sitegen.model import Fingerprint, Measurement, Run, StepConditions

_FORMAT = 12
#: The share below which no condition of a step matters.
_AT_REST = 0.01
_SLICE = 20_000
_NO_ALIASES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Held:
    """One run as the library holds it: its rows, and of the rest what comparisons need.

    Steps stand as their conditions only, and few facts of the machine: with whole runs an
    archive of ten thousand would not fit. ``digest`` is the sha256 of the manifest, which holds
    the digests of all files: equal digests, equal runs. ``steps`` counts the run's steps.
    """

    run: Run
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
    machines: dict[Fingerprint, Fingerprint] = {}
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
                lines[entry.run_id], held[entry.run_id] = line, found
                kept += 1
                continue
            lines[entry.run_id], held[entry.run_id], rows = _open(archive, entry, stamp, machines)
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


def _open(
    archive: Archive, entry: Entry, stamp: str, machines: dict[Fingerprint, Fingerprint]
) -> tuple[bytes, Held, Any]:
    """Return the index line of a run, what the library holds of it, and its rows."""
    data, value = archive.decoded(entry)
    run, files = archive.check(entry, value)
    parts = dict(archive.look_into(entry, files))
    machine = value["fingerprint"]
    record = {
        "id": entry.run_id,
        "stamp": stamp,
        "environment": entry.environment,
        "digest": hashlib.sha256(data).hexdigest(),
        "samples": "samples.parquet" in parts,
        "raw_bytes": sum(file.bytes for file in files if file.name.startswith("raw/")),
        "steps": len(run.steps),
        "conditions": [
            (
                step.workload,
                step.repetition,
                [
                    pair
                    for pair in step.seen.conditions
                    if pair[0] in READ_CONDITIONS and pair[1] >= _AT_REST
                ],
            )
            for step in run.steps
        ],
        "manifest": {
            **value,
            "steps": [],
            "files": [],
            "note": "",
            "redactions": {},
            "fingerprint": {
                "tee": {**machine["tee"], "signals": []},
                # Where a fact was read stands on the run's page, which reads the whole manifest.
                "facts": [
                    {**fact, "source": ""} for fact in machine["facts"] if fact["name"] in KEPT
                ],
            },
        },
    }
    return orjson.dumps(record), _held(record, entry, machines), parts["measurements.parquet"]


def _from_line(
    line: bytes, entry: Entry, stamp: str, machines: dict[Fingerprint, Fingerprint]
) -> Held | None:
    """Return what the index says of a run, or None when one of its files has changed since."""
    record = orjson.loads(line)
    if not stamp or record["stamp"] != stamp or record["environment"] != entry.environment:
        return None
    return _held(record, entry, machines)


def _held(
    record: Mapping[str, Any], entry: Entry, machines: dict[Fingerprint, Fingerprint]
) -> Held:
    """Return what the library holds of a run; runs of one machine share its facts."""
    run, _ = manifest.build(record["manifest"])
    machine = machines.setdefault(run.fingerprint, run.fingerprint)
    conditions = tuple(
        StepConditions(workload, repetition, tuple((name, share) for name, share in shares))
        for workload, repetition, shares in record["conditions"]
    )
    return Held(
        replace(run, conditions=conditions, fingerprint=machine),
        record["digest"],
        entry,
        record["samples"],
        record["raw_bytes"],
        record["steps"],
    )


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
