"""The tidy CSV: one measurement a line, in the columns that `sitegen export` writes.

Cited figures come in this way, and whatever else a spreadsheet can hold.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, cast

from msgspec import structs

from sitegen import bounds
from sitegen.catalogue import parameters
from sitegen.catalogue.units import print_problem
from sitegen.collect.installed import check_measurement
from sitegen.errors import SitegenError
from sitegen.intake import placed
from sitegen.model import (
    Measurement,
    Params,
    Provenance,
    Run,
    Source,
    Status,
    check_benchmark,
    check_label,
    check_time,
    check_value,
    run_id,
)

MAX_ROWS = 200_000
_REQUIRED = ("benchmark", "workload", "environment", "metric", "statistic", "unit", "value")
#: What else is read where it is there; further columns are left alone.
_OPTIONAL = (
    *("params", "repetition", "status", "printed", "printed_unit"),
    *("started_at", "run_id", "source", "origin", "section", "session", "boot"),
)
_SOURCE = ("id", "title", "authors", "edition", "address")
_SERIES = ("workload", "metric", "statistic", "unit", "params", "status")
COLUMNS = (*_REQUIRED, *_OPTIONAL)

#: Publications by their id, each with its date, as precise as it is known.
Sources = Mapping[str, tuple[Source, str]]


class _Key(NamedTuple):
    """What tells one run of a file from another; ``run_id`` is the one that it had.

    Its digest is in the run's address: of the last three only where the file has them.
    """

    source: str
    origin: str
    section: str
    benchmark: str
    environment: str
    started_at: str
    run_id: str
    session: str = ""
    boot: str = ""


def read_sources(path: Path) -> dict[str, tuple[Source, str]]:
    """Return the publications in a CSV (id, title, authors, edition, address, published)."""
    return {
        row["id"]: (Source(*(row.get(name, "") for name in _SOURCE)), row.get("published", ""))
        for _, row in _rows(path, ("id",))
    }


def read_runs(
    path: Path,
    provenance: Provenance,
    sources: Sources | None = None,
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
    runs: dict[_Key, list[Measurement]] = {}
    lines: dict[tuple[object, ...], int] = {}
    for line, row in _rows(path, _REQUIRED):
        with placed(f"{path}:{line}"):
            key = _key(tuple(row.get(name, "") for name in _Key._fields), environment, date)
            one = _measurement(row)
            same = (key, one.workload, one.metric, one.statistic, one.params, one.repetition)
            first = lines.setdefault(same, line)
            if first != line:
                words = "the run, workload, metric, statistic, params and repetition"
                fix = "number them in a column `repetition`, or tell the runs apart by `run_id`"
                raise SitegenError(f"has {words} of line {first}", fix=fix)
            rows = runs.setdefault(key, [])
            rows.append(one)
            if len(rows) > bounds.MOST_ROWS:
                message = f"the run of {key.benchmark} in {key.environment} has more than"
                fix = "tell its runs apart by `run_id`"
                raise SitegenError(f"{message} {bounds.MOST_ROWS:,} rows", fix=fix)
    if not runs:
        raise SitegenError("has no rows", where=str(path))
    with placed(path):
        read = [_run(key, rows, provenance, sources or {}) for key, rows in runs.items()]
    return sorted(read, key=lambda run: run.id)


@lru_cache(maxsize=65_536)
def _key(texts: Sequence[str], environment: str, date: str) -> _Key:
    """Return the run that a row with these texts belongs to."""
    key = _Key(*texts)
    started = key.started_at or date
    check_benchmark(key.benchmark)
    if not (key.environment or environment):
        fix = "fill the column `environment`, or add --env LABEL"
        raise SitegenError("names no environment", fix=fix)
    return key._replace(
        environment=check_label(key.environment or environment),
        started_at=started and check_time(started),
        session=key.session and check_label(key.session, "session"),
        boot=key.boot and check_label(key.boot, "boot"),
    )


def _measurement(row: Mapping[str, str]) -> Measurement:
    series = _series(tuple(row.get(name, "") for name in _SERIES))
    value, repetition = _number(row["value"]), row.get("repetition") or "0"
    if not re.fullmatch("[0-9]{1,6}", repetition):
        raise SitegenError(f"repetition {repetition[:40]!r} is not a whole number from 0")
    printed = " ".join(part for part in (row.get("printed"), row.get("printed_unit")) if part)
    one = series._replace(value=value, repetition=int(repetition), printed=printed or None)
    check_measurement(one._replace(params=()))  # those are checked with the series
    check_value(value)
    if value is not None and one.printed and (told := print_problem(value, one.printed, one.unit)):
        raise SitegenError(told, fix="correct one of the two")
    return one


@lru_cache(maxsize=65_536)
def _series(texts: Sequence[str]) -> Measurement:
    """Return what a row with these texts is a value of, without the value."""
    workload, metric, statistic, unit, params, status = texts
    status = status or Status.OK
    if status not in set(Status):
        raise SitegenError(f"unknown status {status[:40]!r}")
    kind = (workload, metric, statistic, unit)
    series = Measurement(*kind, None, _params(params or "{}"), status=status)
    check_measurement(series)
    return series


def _run(key: _Key, rows: list[Measurement], provenance: Provenance, sources: Sources) -> Run:
    _, published = sources.get(key.origin or key.source, (None, ""))
    started = key.started_at or published
    if not started:
        message = f"nothing dates the run of {key.benchmark} in {key.environment}"
        fix = "add a column started_at, a sources file with `published`, or --date"
        raise SitegenError(message, fix=fix)
    # One name may be that of a session and of a boot.
    boot = f"boot {key.boot}" if key.boot else ""
    parts = [*key[:5], rows, *filter(None, (key.run_id, key.session, boot))]
    content = json.dumps(parts, sort_keys=True)
    printed_in, _ = sources.get(key.source, (Source(key.source), ""))
    origin = key.origin if key.origin != key.source else ""
    source = structs.replace(printed_in, section=key.section, origin=origin)
    return Run(
        id=run_id(check_time(started), key.benchmark, hashlib.sha256(content.encode()).digest()),
        benchmark=key.benchmark,
        environment=key.environment,
        provenance=provenance,
        started_at=started,
        duration_s=None,
        measurements=tuple(rows),
        source=source if key.source else None,
        session=key.session,
        boot=key.boot,
    )


def _number(text: str) -> float | None:
    """Return a value; None where there is none, which is never 0."""
    try:
        return float(text) if text else None
    except ValueError:
        raise SitegenError(f"{text[:40]!r} is not a number") from None


def _params(text: str) -> Params:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise SitegenError("params is not JSON", fix='write them as {"threads": "8"}') from None
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise SitegenError("params must be a JSON object of texts")
    texts = cast("dict[str, str]", value)
    return tuple(sorted((key, parameters.normal(key, text)) for key, text in texts.items()))


def _rows(path: Path, required: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV by column, each with its number; raises SitegenError."""
    try:
        text = bounds.read_file(path, bounds.MOST_FILE_BYTES).decode("utf-8-sig")
    except SitegenError as error:
        raise SitegenError(error.what, where=str(path)) from error
    except UnicodeDecodeError as error:
        raise SitegenError("not UTF-8 text", where=str(path)) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(filter(None, reader), [])
        if absent := [name for name in required if name not in header]:
            fix = "see `sitegen export --format csv`"
            raise SitegenError(f"has no column {absent[0]!r}", where=str(path), fix=fix)
        for number, fields in enumerate(filter(None, reader), start=2):
            if number > MAX_ROWS:
                raise SitegenError(f"more than {MAX_ROWS:,} rows", where=str(path))
            if len(fields) != len(header):
                message = "has more or fewer fields than the header"
                raise SitegenError(message, where=f"{path}:{number}")
            yield number, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise SitegenError(f"not CSV: {error}", where=f"{path}:{reader.line_num}") from error
