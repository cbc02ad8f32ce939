"""The tidy CSV: one measurement a line, in the columns that `sitegen export` writes.

Cited figures come in this way, and whatever else a spreadsheet can hold.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from sitegen import bounds
from sitegen.catalogue import parameters
from sitegen.collect.installed import check_measurement
from sitegen.errors import SitegenError
from sitegen.model import (
    Measurement,
    Params,
    Provenance,
    Run,
    Source,
    Status,
    check_benchmark,
    check_label,
    check_metric,
    check_statistic,
    check_time,
    check_value,
    run_id,
)

MAX_BYTES, MAX_ROWS = bounds.MOST_FILE_BYTES, 200_000
_REQUIRED = ("benchmark", "workload", "environment", "metric", "statistic", "unit", "value")
#: What else is read where it is there; further columns are left alone.
_OPTIONAL = (
    *("params", "repetition", "status", "printed", "printed_unit"),
    *("started_at", "run_id", "source", "origin", "section"),
)
COLUMNS = (*_REQUIRED, *_OPTIONAL)


def read_sources(path: Path) -> dict[str, tuple[Source, str]]:
    """Return the publications in a CSV (id, title, authors, edition, address, published) by id.

    The second of each pair is the date of publication, as precise as it is known.
    """
    return {
        row["id"]: (
            Source(
                row["id"],
                row.get("title", ""),
                row.get("authors", ""),
                row.get("edition", ""),
                row.get("address", ""),
            ),
            row.get("published", ""),
        )
        for _, row in _rows(path, ("id",))
    }


def read_runs(
    path: Path,
    provenance: Provenance,
    *,
    sources: Mapping[str, tuple[Source, str]] | None = None,
    environment: str = "",
    date: str = "",
) -> list[Run]:
    """Return the runs in a tidy CSV: one a benchmark, environment, source and section.

    A run's id is the digest of its rows, so the same file gives the same addresses each time.
    ``environment`` stands in where a row names none, ``date`` where nothing dates a run. A
    column ``run_id`` only tells the runs of one file apart, and ``provenance`` is not read:
    what somebody else collected is imported here. Raises SitegenError with the line that it
    stumbled on; then nothing is read.
    """
    sources = sources or {}
    groups: dict[tuple[str, ...], list[Measurement]] = {}
    seen: dict[tuple[object, ...], int] = {}
    for line, row in _rows(path, _REQUIRED):
        started = row.get("started_at", "") or date
        try:
            key = (
                row.get("source", ""),
                row.get("origin", ""),
                row.get("section", ""),
                check_benchmark(row["benchmark"]),
                _label(row["environment"] or environment),
                started and check_time(started),
                row.get("run_id", ""),
            )
            found = _measurement(row)
            _check_new(seen, (key, *_identity(found)), line)
        except SitegenError as error:
            raise SitegenError(error.what, where=f"{path}:{line}", fix=error.fix) from error
        rows = groups.setdefault(key, [])
        rows.append(found)
        if len(rows) > bounds.MOST_ROWS:
            raise SitegenError(
                f"the run of {key[3]} in {key[4]} has more than {bounds.MOST_ROWS:,} rows",
                where=f"{path}:{line}",
                fix="tell its runs apart by `run_id`",
            )
    if not groups:
        raise SitegenError("has no rows", where=str(path))
    runs = []
    for (source_id, origin, section, benchmark, label, started, was), rows in groups.items():
        source, published = sources.get(origin or source_id, (Source(source_id), ""))
        when = started or published
        if not when:
            raise SitegenError(
                f"nothing dates the run of {benchmark} in {label}",
                where=str(path),
                fix="add a column started_at, a sources file with `published`, or --date",
            )
        # The old id only where there is one: without it, addresses stay what they were.
        parts = [source_id, origin, section, benchmark, label, rows, *([was] if was else [])]
        content = json.dumps(parts, sort_keys=True)
        printed_in, _ = sources.get(source_id, (Source(source_id), ""))
        runs.append(
            Run(
                id=run_id(check_time(when), benchmark, hashlib.sha256(content.encode()).digest()),
                benchmark=benchmark,
                environment=label,
                provenance=provenance,
                started_at=when,
                duration_s=None,
                measurements=tuple(rows),
                source=Source(
                    source_id,
                    printed_in.title,
                    printed_in.authors,
                    printed_in.edition,
                    printed_in.address,
                    section,
                    source.id if origin and origin != source_id else "",
                )
                if source_id
                else None,
            )
        )
    return sorted(runs, key=lambda run: run.id)


def _label(environment: str) -> str:
    if not environment:
        raise SitegenError(
            "names no environment", fix="fill the column `environment`, or add --env LABEL"
        )
    return check_label(environment)


def _identity(row: Measurement) -> tuple[object, ...]:
    return (row.workload, row.metric, row.statistic, row.params, row.repetition)


def _check_new(seen: dict[tuple[object, ...], int], row: tuple[object, ...], line: int) -> None:
    """Raise SitegenError for a second value of the same thing in the same run."""
    first = seen.setdefault(row, line)
    if first != line:
        raise SitegenError(
            f"has the run, workload, metric, statistic, params and repetition of line {first}",
            fix="number them in a column `repetition`, or tell the runs apart by `run_id`",
        )


def _measurement(row: Mapping[str, str]) -> Measurement:
    status = row.get("status") or "ok"
    if status not in set(Status):
        raise SitegenError(f"unknown status {status[:40]!r}")
    value = None
    if row["value"]:
        try:
            value = float(row["value"])
        except ValueError:
            raise SitegenError(f"{row['value'][:40]!r} is not a number") from None
    printed = " ".join(part for part in (row.get("printed"), row.get("printed_unit")) if part)
    repetition = row.get("repetition") or "0"
    if not re.fullmatch("[0-9]{1,6}", repetition):
        raise SitegenError(f"repetition {repetition[:40]!r} is not a whole number from 0")
    found = Measurement(
        workload=check_label(row["workload"], "workload"),
        metric=check_metric(row["metric"]),
        statistic=check_statistic(row["statistic"]),
        unit=row["unit"],
        value=value,
        params=_params(row.get("params") or "{}"),
        repetition=int(repetition),
        status=status,
        printed=printed or None,
    )
    check_measurement(found)
    check_value(found.value)
    return found


def _params(text: str) -> Params:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise SitegenError("params is not JSON", fix='write them as {"threads": "8"}') from None
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise SitegenError("params must be a JSON object of texts")
    texts = cast("dict[str, str]", value)
    return tuple(sorted((key, parameters.normal(key, text)) for key, text in texts.items()))


def _rows(path: Path, required: Iterable[str]) -> Iterable[tuple[int, dict[str, str]]]:
    try:
        text = bounds.read_file(path, MAX_BYTES).decode("utf-8-sig")
    except SitegenError as error:
        raise SitegenError(error.what, where=str(path)) from error
    except UnicodeDecodeError as error:
        raise SitegenError("not UTF-8 text", where=str(path)) from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        absent = [name for name in required if name not in (reader.fieldnames or ())]
        if absent:
            raise SitegenError(
                f"has no column {absent[0]!r}",
                where=str(path),
                fix="see `sitegen export --format csv`",
            )
        for number, row in enumerate(reader, start=2):
            if number > MAX_ROWS:
                raise SitegenError(f"more than {MAX_ROWS:,} rows", where=str(path))
            if None in row or None in row.values():
                raise SitegenError(
                    "has more or fewer fields than the header", where=f"{path}:{number}"
                )
            yield number, cast("dict[str, str]", row)
    except csv.Error as error:
        raise SitegenError(f"not CSV: {error}", where=f"{path}:{reader.line_num}") from error
