"""The public export: every measurement with provenance, source and caveats.

The columns are a promise: they change with a version of the archive's schema and an upgrade.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import orjson
from msgspec import Struct

from sitegen.analysis import caveats
from sitegen.analysis.compare import Analysis, analyse
from sitegen.archive import Damaged, library, quarantine, tables
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.model import AnyRun, Measurement, Params, Series, Shape

#: Of the columns; 2 since they have `started_at`.
VERSION = 2
#: Column -> what it means; the order is that of the files.
COLUMNS: dict[str, str] = {
    "run_id": "The run that the value is from; its page is runs/<run_id>/.",
    "environment": "Label of the platform.",
    "benchmark": "Family of the benchmark.",
    "workload": "One configuration of the benchmark.",
    "metric": "Metric id, defined on the methodology page.",
    "statistic": "Which statistic: value, mean, total, min, max, stddev or a percentile.",
    "unit": "Base unit of value.",
    "value": "The value; empty when it was not measured.",
    "printed": "The text that the tool or the publication printed, where it rounds.",
    "repetition": "Number of the repetition within the run, from 0.",
    "status": "ok, failed or suspect.",
    "params": "Parameters that tell one series from another, as a JSON object.",
    "provenance": "collected, imported or cited.",
    "source": "Id of the publication of a cited figure.",
    "caveats": "Ids of the caveat rules that apply to the series, separated by spaces.",
    "started_at": "When the run was taken, or its source published: UTC, as precise as known.",
}
#: What is alike in all rows of a run.
_OF_RUN = ("run_id", "environment", "benchmark", "provenance", "source", "started_at")


def columns(analysis: Analysis, runs: Iterable[AnyRun]) -> dict[str, list[Any]]:
    """Return the export of ``runs``, column by column."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    marks = {
        key: " ".join(dict.fromkeys(c.rule.id for c in cell.caveats))
        for key, cell in analysis.cells.items()
    }
    selected = {run.id for selection in analysis.selections.values() for run in selection.runs}
    # Of a run that is set aside in some workloads, its rows there have a mark of their own.
    aside: dict[tuple[Series, str], str] = {
        (key[0], run): f"{mark.rule.id} {marks[key]}".rstrip()
        for key, cell in analysis.cells.items()
        for mark in cell.aside
        for run in mark.runs
    }
    alone = {run for _, run in aside}
    texts: dict[Shape, dict[str, Sequence[Any]]] = {}
    quoted: dict[tuple[Shape, str, str], list[str | None]] = {}
    for run in runs:
        shape, values = run.table
        if not values:
            continue
        if shape not in texts:
            of_rows = zip(*shape.rows, strict=True)
            texts[shape] = dict(zip(Measurement._fields, of_rows, strict=True))
            texts[shape]["params"] = [*map(_params, texts[shape]["params"])]
        rows = {**texts[shape], "value": values}
        provenance, source = str(run.provenance), run.source.id if run.source else None
        dated = None if run.undated else run.started_at
        identity = (run.id, run.environment, run.benchmark, provenance, source, dated)
        alike = dict(zip(_OF_RUN, identity, strict=True))
        if run.id in selected:
            about = (shape, run.benchmark, run.id if run.id in alone else run.environment)
            if about not in quoted:
                by_place = {
                    place: aside.get((series, run.id)) or marks.get((series, run.environment))
                    for series, places in shape.places(run.benchmark).items()
                    for place in places
                }
                quoted[about] = [by_place[place] for place in range(len(values))]
            rows["caveats"] = quoted[about]
        else:
            tee = analysis.config.environment(run.environment).tee
            doubts = [*caveats.of_run(run, tee), *caveats.of_reading(run)]
            ids = dict.fromkeys(("not-selected", *(one.rule.id for one in doubts)))
            alike["caveats"] = " ".join(ids)
        for name, column in rows.items():
            columns[name] += column
        for name, value in alike.items():
            columns[name] += [value] * len(values)
    return columns


def encoded(columns: dict[str, list[Any]], forms: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield each of ``forms``, in any order, with columns in it.

    Forms are ``csv``, ``json`` (columns and data) and ``parquet``.
    """
    if "json" in forms:  # before there is a table: the peak of a build is here
        yield (
            "json",
            orjson.dumps(
                {"columns": list(columns), "data": list(zip(*columns.values(), strict=True))},
                option=orjson.OPT_APPEND_NEWLINE,
            ),
        )
    # The smaller one first: whoever takes it may still hold it when the next is made.
    if of_table := sorted({*forms} - {"json"}, reverse=True):
        table = tables.export_table(columns)
        for form in of_table:
            yield form, tables.csv_bytes(table) if form == "csv" else tables.parquet_bytes(table)


class Export(Struct, frozen=True):
    """The bytes of an export, and the runs that were set aside."""

    data: bytes
    damaged: tuple[Damaged, ...]


def export(config: Config, form: str) -> Export:
    """Return every measurement of the archive; raises SitegenError when there is none."""
    held = library.of(config)

    def make(runs: Sequence[AnyRun], _: object = ()) -> bytes:
        return next(encoded(columns(analyse(runs, config), runs), [form]))[1]

    runs = [one.run for one in held.runs.values()]
    if not runs and held.damaged:
        raise SitegenError(
            "all runs are damaged", where=config.archive_place, fix="see `sitegen fsck`"
        )
    if not runs:
        raise SitegenError(
            "no runs", where=config.archive_place, fix="`sitegen collect` takes some"
        )
    data, aside = quarantine.without_failing(runs, make, make)
    return Export(data, (*held.damaged, *held.damages(aside)))


@cache
def _params(params: Params) -> str:
    return json.dumps(dict(params), ensure_ascii=False)
