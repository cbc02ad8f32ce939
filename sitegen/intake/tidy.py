"""The tidy CSV: one measurement a line, in the columns that `sitegen export` writes.

Cited figures come in this way, and whatever else a spreadsheet can hold.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, cast

from sitegen import bounds
from sitegen.catalogue import parameters
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
    check_metric,
    check_statistic,
    check_time,
    check_value,
    run_id,
)

MAX_ROWS = 200_000
_REQUIRED = ("benchmark", "workload", "environment", "metric", "statistic", "unit", "value")
#: What else is read where it is there; further columns are left alone.
_OPTIONAL = (
    *("params", "repetition", "status", "printed", "printed_unit"),
    *("started_at", "run_id", "source", "origin", "section"),
)
COLUMNS = (*_REQUIRED, *_OPTIONAL)

#: Publications by their id, each with its date, as precise as it is known.
Sources = Mapping[str, tuple[Source, str]]


class _Key(NamedTuple):
    """What tells one run of a file from another; ``run_id`` is the one that it had."""

    source: str
    origin: str
    section: str
    benchmark: str
    environment: str
    started_at: str
    run_id: str


def read_sources(path: Path) -> dict[str, tuple[Source, str]]:
    """Return the publications in a CSV (id, title, authors, edition, address, published)."""
    fields = ("title", "authors", "edition", "address")
    return {
        row["id"]: (
            Source(row["id"], *(row.get(name, "") for name in fields)),
            row.get("published", ""),
        )
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
    table = _Table(environment, date)
    for line, row in _rows(path, _REQUIRED):
        with placed(f"{path}:{line}"):
            table.add(row, line)
    if not table.runs:
        raise SitegenError("has no rows", where=str(path))
    runs = []
    for key, rows in table.runs.items():
        with placed(path):
            runs.append(_run(key, rows, provenance, sources or {}))
    return sorted(runs, key=lambda run: run.id)


class _Table:
    """The rows read so far, by run. What many rows share is checked once."""

    def __init__(self, environment: str, date: str) -> None:
        self.environment, self.date = environment, date
        self.runs: dict[_Key, list[Measurement]] = {}
        self.lines: dict[tuple[object, ...], int] = {}
        self.keys: dict[tuple[str, ...], _Key] = {}
        self.series: dict[tuple[str, ...], Measurement] = {}

    def add(self, row: Mapping[str, str], line: int) -> None:
        """Add a row; raises SitegenError for one that is not understood, or was there."""
        key = self.key(row)
        series = self.series_of(row)
        value, repetition = _number(row["value"]), row.get("repetition") or "0"
        if not re.fullmatch("[0-9]{1,6}", repetition):
            raise SitegenError(f"repetition {repetition[:40]!r} is not a whole number from 0")
        printed = " ".join(part for part in (row.get("printed"), row.get("printed_unit")) if part)
        one = series._replace(value=value, repetition=int(repetition), printed=printed or None)
        check_measurement(one._replace(params=()))  # those are checked with the series
        check_value(value)
        identity = (key, one.workload, one.metric, one.statistic, one.params, one.repetition)
        first = self.lines.setdefault(identity, line)
        if first != line:
            raise SitegenError(
                f"has the run, workload, metric, statistic, params and repetition of line {first}",
                fix="number them in a column `repetition`, or tell the runs apart by `run_id`",
            )
        rows = self.runs.setdefault(key, [])
        rows.append(one)
        if len(rows) > bounds.MOST_ROWS:
            raise SitegenError(
                f"the run of {key.benchmark} in {key.environment} has more than"
                f" {bounds.MOST_ROWS:,} rows",
                fix="tell its runs apart by `run_id`",
            )

    def key(self, row: Mapping[str, str]) -> _Key:
        """Return the run that a row belongs to."""
        texts = tuple(row.get(name, "") for name in _Key._fields)
        if texts not in self.keys:
            given = _Key(*texts)
            environment, started = given.environment or self.environment, given.started_at
            benchmark = check_benchmark(given.benchmark)
            if not environment:
                raise SitegenError(
                    "names no environment", fix="fill the column `environment`, or add --env LABEL"
                )
            started = started or self.date
            self.keys[texts] = given._replace(
                benchmark=benchmark,
                environment=check_label(environment),
                started_at=started and check_time(started),
            )
        return self.keys[texts]

    def series_of(self, row: Mapping[str, str]) -> Measurement:
        """Return what a row is a value of, without the value."""
        names = ("workload", "metric", "statistic", "unit", "params", "status")
        texts = tuple(row.get(name, "") for name in names)
        if texts not in self.series:
            workload, metric, statistic, unit, params, status = texts
            status = status or Status.OK
            if status not in set(Status):
                raise SitegenError(f"unknown status {status[:40]!r}")
            series = Measurement(
                workload=check_label(workload, "workload"),
                metric=check_metric(metric),
                statistic=check_statistic(statistic),
                unit=unit,
                value=None,
                params=_params(params or "{}"),
                status=status,
            )
            check_measurement(series)
            self.series[texts] = series
        return self.series[texts]


def _run(key: _Key, rows: list[Measurement], provenance: Provenance, sources: Sources) -> Run:
    _, published = sources.get(key.origin or key.source, (None, ""))
    started = key.started_at or published
    if not started:
        raise SitegenError(
            f"nothing dates the run of {key.benchmark} in {key.environment}",
            fix="add a column started_at, a sources file with `published`, or --date",
        )
    # The old id only where there is one: without it, addresses stay what they were.
    parts = [*key[:5], rows, *([key.run_id] if key.run_id else [])]
    content = json.dumps(parts, sort_keys=True)
    printed_in, _ = sources.get(key.source, (Source(key.source), ""))
    return Run(
        id=run_id(check_time(started), key.benchmark, hashlib.sha256(content.encode()).digest()),
        benchmark=key.benchmark,
        environment=key.environment,
        provenance=provenance,
        started_at=started,
        duration_s=None,
        measurements=tuple(rows),
        source=Source(
            key.source,
            printed_in.title,
            printed_in.authors,
            printed_in.edition,
            printed_in.address,
            key.section,
            key.origin if key.origin != key.source else "",
        )
        if key.source
        else None,
    )


def _number(text: str) -> float | None:
    """Return a value; None where there is none, which is never 0."""
    try:
        return float(text) if text else None
    except ValueError:
        raise SitegenError(f"{text[:40]!r} is not a number") from None


@lru_cache(maxsize=4096)
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
            raise SitegenError(
                f"has no column {absent[0]!r}",
                where=str(path),
                fix="see `sitegen export --format csv`",
            )
        for number, fields in enumerate(filter(None, reader), start=2):
            if number > MAX_ROWS:
                raise SitegenError(f"more than {MAX_ROWS:,} rows", where=str(path))
            if len(fields) != len(header):
                raise SitegenError(
                    "has more or fewer fields than the header", where=f"{path}:{number}"
                )
            yield number, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise SitegenError(f"not CSV: {error}", where=f"{path}:{reader.line_num}") from error
