"""What `sitegen tool check` says of a table, and of what it reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sitegen import bounds, config
from sitegen.catalogue import declared, own
from sitegen.catalogue.declared import Declared
from sitegen.catalogue.units import display
from sitegen.cli.terminal import encoded
from sitegen.collect.declared.collector import TableCollector, collector
from sitegen.collect.declared.trial import Trial, trials
from sitegen.collect.protocol import Reading
from sitegen.errors import SitegenError, many
from sitegen.intake.files import parse_settings
from sitegen.model import Measurement

_MOST_ROWS = 40


def check(
    file: Path, output: Path | None, settings: Sequence[str], *, as_json: bool
) -> tuple[str, bool]:
    """Return what the tools in a file are and read of an output, and whether anything was read.

    Raises SitegenError for a table that is wrong.
    """
    data = bounds.read_file(output, bounds.MOST_FILE_BYTES) if output else b""
    fields = parse_settings(settings)
    found = not output
    every: list[dict[str, Any]] = []
    lines: list[str] = []
    for one in _tables(file):
        tried = list(trials(one, data, fields)) if output else []
        found = found or any(trial.reading for trial in tried)
        every.append({"benchmark": one.benchmark, "outputs": [_as_json(trial) for trial in tried]})
        lines += [*_table(one), *(line for trial in tried for line in _trial(trial))]
    return (encoded(every) if as_json else "\n".join(lines) + "\n"), found


def _tables(file: Path) -> list[Declared]:
    if not file.is_file():
        raise SitegenError("no such file", where=str(file))
    if file.name != config.FILE:
        return [declared.read_file(file)]
    tools = config.load(file).tools
    if not tools:
        raise SitegenError("declares no tools", where=str(file), fix="add [tools.mybench]")
    own.use(tools)
    return [*own.TABLES.values()]


def _table(one: Declared) -> Iterator[str]:
    able = collector(one)
    runs = len(one.table.workloads) if isinstance(able, TableCollector) else 0
    parts = (
        many(len(one.table.metrics), "metric"),
        many(runs, "command"),
        many(len(one.table.outputs), "form of output", "forms of output"),
    )
    yield f"{one.benchmark}: {', '.join(parts)}"


def _trial(trial: Trial) -> Iterator[str]:
    known = "import knows it" if trial.known else "import does not know it"
    if trial.absent:
        known += f": it lacks {', '.join(map(repr, trial.absent))}"
    yield f"{trial.output}: {known}"
    if trial.reading is None:
        yield f"  nothing is read: {trial.problem}"
        return
    yield from _read(trial.reading)


def _read(reading: Reading) -> Iterator[str]:
    for row in reading.measurements[:_MOST_ROWS]:
        yield f"  {_row(row)}"
    if len(reading.measurements) > _MOST_ROWS:
        yield f"  and {len(reading.measurements) - _MOST_ROWS} more"
    if reading.samples:
        yield f"  {many(len(reading.samples), 'sample')}"
    for parameter in reading.parameters:
        yield f"  setting {parameter.name}: {parameter.value} ({parameter.comparability})"
    if reading.tool:
        yield f"  tool: {reading.tool.name} {reading.tool.version}"
    if reading.started_at:
        yield f"  taken at {reading.started_at}"
    for fact in reading.facts:
        yield f"  machine: {fact.name} {fact.value}"
    for kind, sentence, about in reading.doubts:
        yield f"  doubt ({kind}){f' of {about}' if about else ''}: {sentence}"


def _row(row: Measurement) -> str:
    about = " ".join((row.workload, *(f"{key}={value}" for key, value in row.params)))
    printed = f" (printed: {row.printed})" if row.printed else ""
    status = "" if row.status == "ok" else f", {row.status}"
    return f"{about}: {row.metric} {row.statistic} {display(row.value, row.unit)}{printed}{status}"


def _as_json(trial: Trial) -> dict[str, Any]:
    rows = trial.reading.measurements if trial.reading else ()
    doubts = trial.reading.doubts if trial.reading else ()
    return {
        "output": trial.output,
        "known": trial.known,
        "absent": list(trial.absent),
        "problem": trial.problem or None,
        "measurements": [{**row._asdict(), "params": dict(row.params)} for row in rows],
        "doubts": [{"kind": k, "says": text, "workload": about} for k, text, about in doubts],
    }
