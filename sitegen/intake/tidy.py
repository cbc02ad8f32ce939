"""The tidy table: one measurement a row, in the columns that `sitegen export` writes.

Cited figures come in this way, and whatever else a spreadsheet can hold.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, cast

from msgspec import structs

from sitegen import bounds
from sitegen.catalogue import parameters
from sitegen.catalogue.metrics import METRICS, Better
from sitegen.catalogue.units import print_problem
from sitegen.collect.installed import check_measurement
from sitegen.errors import SitegenError
from sitegen.intake import placed, sheets
from sitegen.model import (
    DATED_BY,
    LONGEST_PRINT,
    NO,
    NO_DATE,
    OLDEST_YEAR,
    Measurement,
    MetricDefinition,
    Parameter,
    Params,
    Provenance,
    Run,
    Source,
    Status,
    check_benchmark,
    check_label,
    check_time,
    check_value,
    is_plain,
    run_id,
)

_REQUIRED = ("benchmark", "workload", "environment", "metric", "statistic", "unit", "value")
#: What else is read where it is there; further columns are left alone.
_OPTIONAL = (
    *("params", "repetition", "status", "printed", "printed_unit"),
    *("started_at", "run_id", "source", "origin", "section", "session", "boot"),
    *("preset", "complete", "provenance", "better", "metric_title"),
)
_SOURCE = ("id", "title", "authors", "edition", "address")
#: Begins the id of a run of which nothing says when it was taken.
_UNDATED = run_id(OLDEST_YEAR, "x", b"").partition("-")[0] + "-"
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
    preset: str = ""
    complete: str = ""
    provenance: str = ""


def read_sources(path: Path) -> dict[str, tuple[Source, str]]:
    """Return the publications in a CSV (id, title, authors, edition, address, published)."""
    return {
        row["id"]: (Source(*(row.get(name, "") for name in _SOURCE)), row.get("published", ""))
        for _, _, row in sheets.rows(path, ("id",))
    }


def read_runs(  # noqa: PLR0913 - what a file may leave to whoever brings it
    path: Path,
    provenance: Provenance,
    sources: Sources | None = None,
    environment: str = "",
    date: str = "",
    data: bytes | None = None,
) -> list[Run]:
    """Return the runs in a tidy table: one a benchmark, environment, source and section.

    A run's id is the digest of its rows, so the same file gives the same addresses each time.
    ``environment`` stands in where a row names none, ``date`` where nothing dates a run. A
    column ``run_id`` only tells the runs of one file apart. What the file calls cited stays so,
    printed in its source; all else is ``provenance``: what somebody else collected is imported
    here. ``data`` is what the file holds, where that was read already. Raises SitegenError with
    the row that it stumbled on; then nothing is read.
    """
    runs: dict[_Key, list[Measurement]] = {}
    defined: dict[_Key, dict[str, MetricDefinition]] = {}
    definitions: dict[str, MetricDefinition] = {}
    lines: dict[tuple[object, ...], int] = {}
    for place, line, row in sheets.rows(path, _REQUIRED, COLUMNS, data):
        with placed(place):
            key = _key(tuple(row.get(name, "") for name in _Key._fields), environment, date)
            one = _measurement(row)
            texts = (one.metric, one.unit, row.get("better", ""), row.get("metric_title", ""))
            if definition := _definition(*texts):
                if definitions.setdefault(one.metric, definition) != definition:
                    raise SitegenError(f"says otherwise of {one.metric} than a row before")
                defined.setdefault(key, {})[one.metric] = definition
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
        read = [
            _run(key, rows, tuple(defined.get(key, {}).values()), provenance, sources or {})
            for key, rows in runs.items()
        ]
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
        preset=key.preset and check_label(key.preset, "preset"),
        complete=NO if key.complete == NO else "",
        provenance=_told(key),
    )


def _told(key: _Key) -> str:
    """Return what a file says of who took a figure, where that is believed: that it is cited."""
    if key.provenance != Provenance.CITED:
        return ""
    if not key.source:
        fix = "name the publication in the column `source`"
        raise SitegenError("is cited, and names no source", fix=fix)
    return key.provenance


@lru_cache(maxsize=4096)
def _definition(metric: str, unit: str, better: str, title: str) -> MetricDefinition | None:
    """Return what a row says of a metric that sitegen does not know, or nothing.

    Raises SitegenError for a direction that is none, or another than that of a known metric.
    """
    if better and better not in set(Better):
        fix = f"write {', '.join(Better)}"
        raise SitegenError(f"{better[:40]!r} is no direction that is better", fix=fix)
    if known := METRICS.get(metric):
        if better and better != known.better:
            fix = "leave `better` empty for a metric that sitegen knows, or call yours otherwise"
            raise SitegenError(f"{metric} is better when {known.better}, not {better}", fix=fix)
        return None
    if not better and not title:
        return None
    if len(title) > LONGEST_PRINT or not is_plain(title):
        problem = f"holds a control character or more than {LONGEST_PRINT} characters"
        raise SitegenError(f"metric_title {title[:40]!r} {problem}")
    return MetricDefinition(metric, title or metric, unit, better or str(Better.NONE))


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


def _run(
    key: _Key,
    rows: list[Measurement],
    definitions: tuple[MetricDefinition, ...],
    provenance: Provenance,
    sources: Sources,
) -> Run:
    provenance = Provenance(key.provenance or provenance)
    _, published = sources.get(key.origin or key.source, (None, ""))
    started = key.started_at or published
    undated = not started and key.run_id.startswith(_UNDATED)
    if undated:
        started = OLDEST_YEAR
    if not started:
        message = f"nothing dates the run of {key.benchmark} in {key.environment}"
        fix = "add a column started_at, a sources file with `published`, or --date"
        raise SitegenError(message, fix=fix)
    # One name may be that of a session and of a boot, or of a preset.
    boot, preset = f"boot {key.boot}" if key.boot else "", key.preset and f"preset {key.preset}"
    # Cited figures are those that are here already, whatever the run was called elsewhere.
    run = "" if provenance == Provenance.CITED else key.run_id
    parts = [*key[:5], rows, *filter(None, (run, key.session, boot, preset, key.complete))]
    parts += [(one.id, one.better, one.title) for one in definitions]
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
        parameters=(Parameter(DATED_BY, NO_DATE),) if undated else (),
        definitions=definitions,
        source=source if key.source else None,
        session=key.session,
        boot=key.boot,
        preset=key.preset,
        complete=key.complete != NO,
    )


def _number(text: str) -> float | None:
    """Return a value; None where there is none, which is never 0."""
    try:
        if "_" in text:  # which Python alone reads as a number
            raise ValueError(text)  # noqa: TRY301 - one answer to all that is none
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
