"""All measurements of an archive at once, through a cache that can be thrown away.

The cache (one Parquet of all rows, one small index of the runs, with digests of both) lies
outside the archive. A run enters it under the modification time and size of its manifest; only
runs that are new or changed are opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson

from sitegen.archive import manifest
from sitegen.archive.manifest import File
from sitegen.archive.store import Archive, Damaged, Entry
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Run

_FORMAT = 3


@dataclass(frozen=True, slots=True)
class Held:
    """One run as the library holds it: from the cache, without argv and raw output.

    ``digest`` is the sha256 of its manifest, which holds the digests of all its files: equal
    digests, equal runs.
    """

    run: Run
    digest: str
    entry: Entry
    samples: bool
    raw_bytes: int
    files: tuple[File, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether ``run`` has all its steps say: it was read in this process."""
        return bool(self.files)


@dataclass(frozen=True, slots=True)
class Library:
    """Every whole run of an archive by id, and what was set aside."""

    runs: Mapping[str, Held]
    damaged: tuple[Damaged, ...]


def load(archive: Archive, cache: Path, entries: list[Entry]) -> Library:
    """Return the whole runs among ``entries``; damaged ones are named, not raised."""
    from sitegen.archive import tables

    index, rows_digest = _read_index(cache)
    old = {
        entry.run_id: index[entry.run_id]
        for entry in entries
        if entry.run_id in index
        and index[entry.run_id]["stamp"] == list(entry.stamp)
        and index[entry.run_id]["environment"] == entry.environment
    }
    table = None
    if old:
        table = _read_rows(tables, cache, rows_digest)
        old = {} if table is None else old
    records: dict[str, dict[str, Any]] = {}
    fresh, damaged = [], []
    whole: dict[str, tuple[Run, tuple[File, ...]]] = {}
    for entry in entries:
        if entry.run_id in old:
            records[entry.run_id] = old[entry.run_id]
            continue
        try:
            record, whole[entry.run_id], rows = _open(archive, entry, tables)
        except SitegenError as error:
            damaged.append(Damaged(f"{entry.environment}/{entry.run_id}", str(error)))
            continue
        records[entry.run_id] = record
        fresh.append((entry.run_id, rows))
    packed = [] if table is None else [table]
    fresh = _sound(tables, fresh, records, damaged)
    if fresh:
        packed.append(tables.pack(tables.with_runs(fresh)))
    rows_of = _rows_by_run(tables, packed)
    runs = {
        entry.run_id: _held(
            records[entry.run_id],
            rows_of.get(entry.run_id, ()),
            entry,
            whole.get(entry.run_id),
        )
        for entry in entries
        if entry.run_id in records
    }
    if fresh or len(old) != len(index):
        _write(cache, records, tables, packed)
    return Library(runs, tuple(damaged))


def _sound(
    tables: Any,  # noqa: ANN401 - Arrow has no types
    fresh: list[tuple[str, Any]],
    records: dict[str, dict[str, Any]],
    damaged: list[Damaged],
) -> list[tuple[str, Any]]:
    """Set aside the runs whose rows cannot be shown; one look at all of them, mostly."""
    if not fresh:
        return fresh
    try:
        tables.check(tables.concat([rows for _, rows in fresh]))
    except SitegenError:
        sound = []
        for run_id, rows in fresh:
            try:
                tables.check(rows)
                sound.append((run_id, rows))
            except SitegenError as error:
                place = f"{records.pop(run_id)['environment']}/{run_id}"
                damaged.append(Damaged(place, str(error)))
        return sound
    return fresh


def _open(
    archive: Archive,
    entry: Entry,
    tables: Any,  # noqa: ANN401 - Arrow has no types
) -> tuple[dict[str, Any], tuple[Run, tuple[File, ...]], Any]:
    data, value = archive.decoded(entry)
    run, files = archive.check(entry, value)
    names = {file.name: file for file in files}
    rows = tables.read_measurements(archive.checked(entry, names["measurements.parquet"]))
    for step in value["steps"]:
        # What no page but the run's own shows: it is read from the manifest again there.
        step["argv"], step["raw"], step["values"] = [], [], {}
    del value["files"]
    record = {
        "stamp": list(entry.stamp),
        "environment": entry.environment,
        "digest": hashlib.sha256(data).hexdigest(),
        "samples": "samples.parquet" in names,
        "raw_bytes": sum(file.bytes for file in files if file.name.startswith("raw/")),
        "manifest": value,
    }
    return record, (run, files), rows


def _held(
    record: Mapping[str, Any],
    rows: tuple[Measurement, ...],
    entry: Entry,
    whole: tuple[Run, tuple[File, ...]] | None,
) -> Held:
    run, files = whole or manifest.build({**record["manifest"], "files": []})
    return Held(
        replace(run, measurements=rows),
        record["digest"],
        entry,
        record["samples"],
        record["raw_bytes"],
        files,
    )


def _rows_by_run(tables: Any, packed: list[Any]) -> dict[str, tuple[Measurement, ...]]:  # noqa: ANN401
    found: dict[str, tuple[Measurement, ...]] = {}
    for table in packed:
        pairs = zip(tables.run_ids(table), tables.rows(table), strict=True)
        for run_id, group in groupby(pairs, key=itemgetter(0)):
            found[run_id] = tuple(row for _, row in group)
    return found


def _read_index(cache: Path) -> tuple[dict[str, dict[str, Any]], str]:
    """Return the index and the digest of the rows that belong to it; empty when damaged."""
    try:
        digest, _, text = (cache / "runs.index").read_bytes().partition(b"\n")
        if hashlib.sha256(text).hexdigest().encode() != digest:
            return {}, ""
        data = orjson.loads(text)
        return (data["runs"], data["rows"]) if data["format"] == _FORMAT else ({}, "")
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return {}, ""


def _read_rows(tables: Any, cache: Path, digest: str) -> Any:  # noqa: ANN401
    """Return the cached rows that belong to the index, or None."""
    try:
        data = (cache / "measurements.parquet").read_bytes()
        return tables.read_cache(data) if hashlib.sha256(data).hexdigest() == digest else None
    except (SitegenError, OSError):
        return None


def _write(cache: Path, records: Mapping[str, Any], tables: Any, packed: list[Any]) -> None:  # noqa: ANN401
    cache.mkdir(parents=True, exist_ok=True)
    rows = ""
    if packed:
        data = tables.parquet_bytes(tables.only_runs(tables.concat(packed), list(records)))
        rows = hashlib.sha256(data).hexdigest()
        _replace(cache / "measurements.parquet", data)
    index = orjson.dumps({"format": _FORMAT, "rows": rows, "runs": records})
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
