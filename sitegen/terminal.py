"""What the commands print: the archive as text or JSON."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import orjson

from sitegen import collect
from sitegen.archive import Archive
from sitegen.errors import SitegenError
from sitegen.quantity import display

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sitegen.collect import Reader
    from sitegen.config import Config
    from sitegen.execute import Progress
    from sitegen.model import Run


def progress_line(progress: Progress) -> str:
    """Return where a collection stands, as one line."""
    what = "preparing" if progress.repetition < 0 else f"repetition {progress.repetition + 1}"
    width = len(str(progress.total))
    return (
        f"  [{progress.done + 1:{width}}/{progress.total}] {progress.benchmark}"
        f" {progress.step}, {what}"
    )


def collectors(*, as_json: bool) -> str:
    """Return the installed collectors: the tool that each finds here, or why not; its settings."""
    rows = [_collector(name) for name in collect.collectors()]
    if as_json:
        return _json(rows)
    lines: list[str] = []
    for row in rows:
        tool, name = row["tool"], row["benchmark"]
        if tool:
            lines.append(f"{name}: {tool['name']} {tool['version']}, {tool['path']}")
        else:
            lines.append(f"{name}: {row['problem']}")
        width = max((len(setting) for setting in row["settings"]), default=0)
        lines += [
            f"  --set {name}.{setting.ljust(width)}  {text}"
            for setting, text in row["settings"].items()
        ]
    return "\n".join(lines or ["no collector is installed"]) + "\n"


def forms(known: Sequence[tuple[str, Reader]]) -> str:
    """Return the forms of output that can be read: what --tool takes, and what --set may say."""
    lines: list[str] = []
    for benchmark, reader in known:
        lines.append(f"{reader.name}: {reader.title} ({benchmark})")
        width = max((len(name) for name in reader.asks), default=0)
        lines += [f"  --set {name.ljust(width)}  {text}" for name, text in reader.asks.items()]
    return "\n".join(lines or ["no collector here reads another tool's output"]) + "\n"


def arrival(run: Run, reader: str, there: str) -> str:
    """Return one imported run as a line, and what its reader doubts."""
    line = f"{there or run.id}  {run.environment}  {len(run.measurements)} measurements"
    told = f"  {reader}" + ("  (was there)" if there else "")
    return f"{line}{told}" + (f"\n  {run.note}" if run.note and not there else "")


def _collector(name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"benchmark": name, "tool": None, "problem": "", "settings": {}}
    try:
        collector = collect.collectors()[name]
        row["settings"] = dict(collector.SETTINGS)
        found = collect.detect(collector, collect.Host())
    except SitegenError as error:
        return {**row, "problem": str(error)}
    if isinstance(found, collect.Missing):
        return {**row, "problem": f"missing: {found}"}
    return {**row, "tool": dataclasses.asdict(found)}


def runs(config: Config, environment: str | None, benchmark: str | None, *, as_json: bool) -> str:
    """Return the runs of the archive, oldest first; damaged ones are named with the reason."""
    archive = Archive(config.archive)
    rows: list[dict[str, Any]] = []
    for entry in archive.scan():
        if environment and entry.environment != environment:
            continue
        try:
            run, _, _ = archive.manifest(entry)
        except SitegenError as error:
            rows.append(
                {"id": entry.run_id, "environment": entry.environment, "damaged": str(error)}
            )
            continue
        if benchmark and run.benchmark != benchmark:
            continue
        rows.append(
            {
                "id": run.id,
                "environment": run.environment,
                "benchmark": run.benchmark,
                "provenance": str(run.provenance),
                "started_at": run.started_at,
                "preset": run.preset,
                "complete": run.complete,
            }
        )
    if as_json:
        return _json(rows)
    table = [
        (
            row["id"],
            row["environment"],
            row.get("provenance", "damaged"),
            row.get("preset", "") or row.get("damaged", ""),
        )
        for row in rows
    ]
    return _columns(("run", "environment", "provenance", "preset"), table)


def run(config: Config, run_id: str, *, as_json: bool) -> str:
    """Return one run with its measurements."""
    archive = Archive(config.archive)
    found = archive.read(archive.find(run_id))
    if as_json:
        return _json(_plain(found))
    head = [
        f"{found.id}",
        f"{found.benchmark} in {found.environment}, {found.provenance}, {found.started_at}"
        + (f", preset {found.preset}" if found.preset else "")
        + ("" if found.complete else ", incomplete"),
    ]
    if found.tool:
        head.append(f"{found.tool.name} {found.tool.version}")
    if found.source:
        head.append(f"{found.source.title or found.source.id}, section {found.source.section}")
    if found.fingerprint.facts:
        reasons = "; ".join(found.fingerprint.tee.reasons)
        head.append(f"TEE signals: {found.fingerprint.tee.kind} ({reasons})")
    table = [
        (
            m.workload,
            m.metric,
            m.statistic,
            display(m.value, m.unit),
            " ".join(f"{key}={value}" for key, value in m.params),
            f"{m.repetition}",
            "" if m.status == "ok" else m.status,
        )
        for m in found.measurements
    ]
    return (
        "\n".join(head)
        + "\n\n"
        + _columns(("workload", "metric", "statistic", "value", "params", "rep", ""), table)
    )


def _plain(found: Run) -> dict[str, Any]:
    data = dataclasses.asdict(dataclasses.replace(found, measurements=(), samples=()))
    del data["samples"]
    data["measurements"] = [{**m._asdict(), "params": dict(m.params)} for m in found.measurements]
    return data


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]
    return "\n".join(lines) + "\n"
