"""The public export: every measurement with provenance, source and caveats.

The columns are a promise: they change with a version, and files of older ones can be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import orjson
from msgspec import Struct

from sitegen.analysis import caveats
from sitegen.analysis.compare import Analysis, analyse
from sitegen.analysis.selection import superseded
from sitegen.archive import Damaged, library, quarantine, tables
from sitegen.archive.store import BEGIN
from sitegen.catalogue.metrics import METRICS
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.model import NO, AnyRun, Measurement, Params, Series, Shape

#: Of the columns, which are only ever added to: 2 since they have `started_at`, 3 since they have
#: what follows it. `import` reads files of all versions.
VERSION = 3
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
    "session": "What the run was set up together with; empty when that is not known.",
    "boot": "The boot of the machine that it was taken in, as a digest; empty when not known.",
    "preset": "The preset that it was collected with; quick runs are compared with no others.",
    "complete": "no when the run was cut short, withdrawn or superseded; empty otherwise.",
    "section": "Where in its source a cited figure is printed.",
    "origin": "Id of the publication that a cited figure was taken from, where that is another.",
    "better": "Which direction of the metric is better: higher, lower or none.",
    "metric_title": "What a metric is called that sitegen itself does not know; empty otherwise.",
}


def columns(analysis: Analysis, runs: Sequence[AnyRun]) -> dict[str, list[Any]]:
    """Return the export of ``runs``, column by column."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    marks = Marks(analysis)
    gone = superseded(runs)
    words = {name: _metric_words(analysis, name) for run in runs for name, _ in run.units}
    texts: dict[Shape, dict[str, Sequence[Any]]] = {}
    for run in runs:
        shape, values = run.table
        if not values:
            continue
        if shape not in texts:
            of_rows = zip(*shape.rows, strict=True)
            texts[shape] = dict(zip(Measurement._fields, of_rows, strict=True))
            texts[shape]["params"] = [*map(_params, texts[shape]["params"])]
            of_metrics = zip(*map(words.__getitem__, texts[shape]["metric"]), strict=True)
            texts[shape] |= dict(zip(("better", "metric_title"), of_metrics, strict=True))
        rows = {**texts[shape], "value": values}
        alike = _of_run(run, whole=run.complete and not run.withdrawn and run.id not in gone)
        rows["caveats"] = marks.of(run)
        for name, column in rows.items():
            columns[name] += column
        for name, value in alike.items():
            columns[name] += [value] * len(values)
    return columns


class Marks:
    """The caveats of rows: ids of rules, separated by spaces."""

    def __init__(self, analysis: Analysis) -> None:
        """Look at the cells once, whose rows have them in common."""
        self._config = analysis.config
        self._of_cells = {
            key: " ".join(dict.fromkeys(c.rule.id for c in cell.caveats))
            for key, cell in analysis.cells.items()
        }
        self._selected = {run.id for one in analysis.selections.values() for run in one.runs}
        # Of a run that is set aside in some workloads, its rows there have a mark of their own.
        self._aside: dict[tuple[Series, str], str] = {
            (key[0], run): f"{mark.rule.id} {self._of_cells[key]}".rstrip()
            for key, cell in analysis.cells.items()
            for mark in cell.aside
            for run in mark.runs
        }
        self._alone = {run for _, run in self._aside}
        self._quoted: dict[tuple[Shape, str, str], list[str | None]] = {}

    def of(self, run: AnyRun) -> list[str | None]:
        """Return those of each row of a run, in their order."""
        shape, values = run.table
        if run.id not in self._selected:
            tee = self._config.environment(run.environment).tee
            doubts = [*caveats.of_run(run, tee), *caveats.of_reading(run)]
            ids = dict.fromkeys(("not-selected", *(one.rule.id for one in doubts)))
            return [" ".join(ids)] * len(values)
        about = (shape, run.benchmark, run.id if run.id in self._alone else run.environment)
        if about not in self._quoted:
            by_place = {
                place: self._aside.get((series, run.id))
                or self._of_cells.get((series, run.environment))
                for series, places in shape.places(run.benchmark).items()
                for place in places
            }
            self._quoted[about] = [by_place[place] for place in range(len(values))]
        return self._quoted[about]


def _of_run(run: AnyRun, *, whole: bool) -> dict[str, str | None]:
    """Return what is alike in all rows of a run."""
    source = run.source
    return {
        "run_id": run.id,
        "environment": run.environment,
        "benchmark": run.benchmark,
        "provenance": str(run.provenance),
        "source": source.id if source else None,
        "started_at": None if run.undated else run.started_at,
        "session": run.session or None,
        "boot": run.boot or None,
        "preset": run.preset or None,
        "complete": None if whole else NO,
        "section": (source.section or None) if source else None,
        "origin": (source.origin or None) if source else None,
    }


def _metric_words(analysis: Analysis, name: str) -> tuple[str, str | None]:
    """Return which direction of a metric is better, and what one that a run brought is called."""
    metric = analysis.metric(name)
    return str(metric.better), None if name in METRICS else metric.title


def encoded(columns: dict[str, list[Any]], forms: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield each of ``forms``, in any order, with columns in it.

    Forms are ``csv``, ``json`` (version, columns and data) and ``parquet``.
    """
    if "json" in forms:  # before there is a table: the peak of a build is here
        yield (
            "json",
            orjson.dumps(
                {
                    "version": VERSION,
                    "columns": list(columns),
                    "data": list(zip(*columns.values(), strict=True)),
                },
                option=orjson.OPT_APPEND_NEWLINE,
            ),
        )
    # The smaller one first: whoever takes it may still hold it when the next is made.
    if of_table := sorted({*forms} - {"json"}, reverse=True):
        table = tables.export_table(columns, VERSION)
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
        raise SitegenError("no runs", where=config.archive_place, fix=BEGIN)
    data, aside = quarantine.without_failing(runs, make, make)
    return Export(data, (*held.damaged, *held.damages(aside)))


@cache
def _params(params: Params) -> str:
    return json.dumps(dict(params), ensure_ascii=False)
