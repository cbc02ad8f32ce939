"""What the commands print: the archive as text or JSON."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

import click
import msgspec
import orjson
from msgspec.structs import replace

from sitegen.analysis import caveats
from sitegen.archive import library, quarantine
from sitegen.archive.remote import opened
from sitegen.archive.store import BEGIN
from sitegen.catalogue.metrics import metric
from sitegen.collect import Bundle, Host, Missing, Reader, installed
from sitegen.collect.settings import helps
from sitegen.errors import SitegenError, many

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator, Mapping, Sequence
    from pathlib import Path

    from sitegen.analysis.claims import Checked
    from sitegen.archive.quarantine import SetAside
    from sitegen.config import Config
    from sitegen.intake.files import Left, Taken
    from sitegen.model import AnyRun, Measurement, Run


#: Runs that `import` has a line for each of; and files that it names of those of one reason.
_MOST_LINES, _NAMED = 20, 3
_VARIES = re.compile(r"\d+|'[^']*'")
#: What a list says of each run.
_LISTED = ("id", "environment", "benchmark", "provenance", "started_at", "preset", "complete")


def collectors(*, as_json: bool) -> str:
    """Return the installed collectors: the tool that each finds here, or why not; its settings."""
    rows = [_collector(name) for name in installed.collectors()]
    if as_json:
        return encoded(rows)
    lines: list[str] = []
    for row in rows:
        tool, name = row["tool"], row["benchmark"]
        here = f"{tool['name']} {tool['version']}, {tool['path']}" if tool else row["problem"]
        lines.append(f"{name}: {here}")
        lines += _settings(row["settings"], f"{name}.")
    return "\n".join(lines or ["no collector is installed"]) + "\n"


def forms() -> str:
    """Return the forms of output that can be read: what --tool takes, and what --set may say."""
    forms = installed.forms()
    lines: list[str] = []
    pairs: list[tuple[str, Reader | Bundle]] = [*forms.readers, *forms.bundles]
    for benchmark, reader in pairs:
        several = ", several files with --together" if isinstance(reader, Bundle) else ""
        lines.append(f"{reader.name}: {reader.title} ({benchmark}{several})")
        lines += _settings(helps(reader.asks))
    lines += [f"not read: {reason}" for reason in forms.broken]
    return "\n".join(lines or ["no collector here reads another tool's output"]) + "\n"


def _settings(asks: Mapping[str, str], prefix: str = "") -> list[str]:
    width = max(map(len, asks), default=0)
    return [f"  --set {prefix}{name.ljust(width)}  {text}" for name, text in asks.items()]


def arrived(taken: Sequence[Taken], left: Sequence[Left], *, verbose: bool = False) -> str:
    """Return what came in and what did not: what is said of several, once and with their number.

    Each run has a line, unless there are very many; each file that was not taken has one with
    ``verbose``.
    """
    lines: list[str] = []
    if verbose or len(taken) <= _MOST_LINES:
        lines += map(_taken_line, taken)
    said: dict[str, list[str]] = {}
    for one in taken:
        for text in _remarks(one):
            said.setdefault(text, []).append(one.arrival.run.id)
    for text, runs in said.items():
        lines.append(f"  {text}" if len(taken) == 1 else f"of {many(len(runs), 'run')}: {text}")
    if verbose:
        lines += [f"not taken: {one.path}: {one.reason}" for one in left]
    else:
        lines += _by_reason(left)
    if left or len(taken) > 1:
        new = Counter(one.arrival.run.benchmark for one in taken if not one.there)
        kinds = ", ".join(f"{count} {name}" for name, count in sorted(new.items()))
        counts = [f"{many(new.total(), 'run')} taken" + (f" ({kinds})" if len(new) > 1 else "")]
        counts += [f"{there} there already"] if (there := len(taken) - new.total()) else []
        counts += [f"{many(len(left), 'file')} not taken"] if left else []
        lines.append("; ".join(counts))
    return "".join(f"{_plain_line(line)}\n" for line in lines)


def watched(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the paths; on a terminal, say how far they are."""
    shown = sys.stderr.isatty()
    for number, path in enumerate(paths, start=1):
        if shown:
            click.echo(
                f"\r{number} of {many(len(paths), 'file')}", nl=number == len(paths), err=True
            )
        yield path


def _taken_line(one: Taken) -> str:
    from sitegen.intake.packs import Packed

    arrival, there, run = one.arrival, one.there, one.arrival.run
    if one.instead:
        return (
            f"{run.id}  {run.environment}  not taken: it would stand in the place of {one.instead},"
            " which is here; --take-remarks takes it"
        )
    rows = arrival.rows if isinstance(arrival, Packed) else len(run.measurements)
    form = "pack" if isinstance(arrival, Packed) else arrival.reader
    line = f"{there or run.id}  {run.environment}  {many(rows, 'measurement')}  {form}"
    return f"{line}  (was there)" if there else line


def _remarks(one: Taken) -> Iterator[str]:
    """Yield what a reader remarks and doubts of a run, and what others say of one that is here."""
    from sitegen.intake.packs import Packed

    run = one.arrival.run
    if not one.there and not isinstance(one.arrival, Packed):
        yield from [run.note] if run.note else []
        if run.undated:
            yield "undated: nothing in it says when it was taken; --date does"
        yield from (f"{doubt.rule.short}: {doubt.sentence}" for doubt in caveats.of_reading(run))
    for remark in one.offered:
        yield f"not taken: {remark.kind}, {remark.at[:10]}: {remark.text}; --take-remarks takes it"


def _by_reason(left: Sequence[Left]) -> Iterator[str]:
    """Yield why files were not taken, those of one kind together; numbers and names may differ."""
    kinds: dict[str, list[Left]] = {}
    for one in left:
        kinds.setdefault(_VARIES.sub("", one.reason), []).append(one)
    for each in kinds.values():
        names = [str(one.path) for one in each[:_NAMED]] + ["..."] * (len(each) > _NAMED)
        number = f"{len(each)} files, such as " if len(each) > 1 else ""
        yield f"not taken: {number}{', '.join(names)}: {each[0].reason}"


def _computed(check: Checked) -> str:
    """Return what a claim comes to, with its interval, and whether that decides it."""
    if check.low is None or check.high is None:
        return ""
    low, high = f"{check.low:.4g}", f"{check.high:.4g}"
    value = between = f"{low} to {high}" if low != high else low
    if check.value is not None:
        value = f"{check.value:.4g}" + (f" ({between})" if low != high else "")
    coarse = not check.decisive and check.verdict != "differs"
    return f", computed {value}{', not decisive' if coarse else ''}"


def claims(config: Config, files: Sequence[Path], *, as_json: bool) -> tuple[str, list[str]]:
    """Return the claims recomputed, and the ids of the report's own that do not hold."""
    from sitegen.analysis import claims as analysis
    from sitegen.analysis.compare import analyse

    held = library.of(config)
    runs = [one.run for one in held.runs.values()]
    of_files = [claim for path in files for claim in analysis.load(path)]
    declared = of_files if files else analysis.load_all(config.claims)

    def make(
        chosen: Sequence[AnyRun], aside: Sequence[SetAside] = ()
    ) -> tuple[list[Checked], list[str]]:
        damaged = bool(held.damaged or aside)
        return analysis.check_all(declared, analyse(chosen, config), damaged=damaged)

    (checked, left_out), _ = quarantine.without_failing(runs, make, make)
    cited = {id_ for run in runs if run.source for id_ in (run.source.id, run.source.origin)}
    holds = (analysis.Verdict.REPRODUCED, analysis.Verdict.CLOSE)
    checks = [check for check in checked if check.claim.source not in cited]
    failed = [check.claim.id for check in checks if check.verdict not in holds]
    if as_json:
        return encoded([analysis.as_json(check) for check in checked]), failed
    lines = []
    for check in checked:
        printed = f"{check.claim.printed} {check.claim.unit}".strip()
        fits = "".join(f"; fits if {words}" for words in check.fits_if)
        lines.append(f"{check.verdict:<11}  {check.claim.id}: {printed}{_computed(check)}{fits}")
    counts = Counter(check.verdict for check in checked)
    total = ", ".join(f"{counts[word]} {word}" for word in analysis.Verdict if counts[word])
    lines += [f"not computed, while runs are set aside: {reason}" for reason in left_out]
    lines.append(f"{many(len(checked), 'claim')}: {total}" if checked else "no claims")
    return "\n".join(lines) + "\n", failed


def _collector(name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"benchmark": name, "tool": None, "problem": "", "settings": {}}
    try:
        collector = installed.load_collector(installed.collectors()[name])
        if not installed.collects(collector):
            return {**row, "problem": "reads what its tool wrote and runs nothing"}
        row["settings"] = helps(collector.SETTINGS)
        tool = installed.detect(collector, Host())
    except SitegenError as error:
        return {**row, "problem": str(error)}
    if isinstance(tool, Missing):
        return {**row, "problem": f"missing: {tool}"}
    return {**row, "tool": msgspec.to_builtins(tool)}


def runs(
    config: Config, environment: str | None, benchmarks: Collection[str], *, as_json: bool
) -> str:
    """Return the runs of the archive, oldest first; damaged ones are named with the reason.

    Raises SitegenError for an environment or a benchmark that nobody knows.
    """
    heads, damaged = library.heads(config)
    labels = {run.environment for run in heads} | {one.path.partition("/")[0] for one in damaged}
    if environment and environment not in labels | {*config.environments, *config.aliases}:
        fix = f"there are {', '.join(sorted(labels)) or 'none'}"
        raise SitegenError(f"no environment {environment!r}", where=config.archive_place, fix=fix)
    installed.check_benchmarks(benchmarks, {run.benchmark for run in heads})
    rows: list[dict[str, Any]] = []
    for one in damaged:
        folder, _, run_id = one.path.partition("/")
        label = config.aliases.get(folder, folder)
        if environment in (None, label, folder):
            rows.append({"id": run_id, "environment": label, "damaged": one.reason})
    chosen = environment and config.aliases.get(environment, environment)
    for run in heads:
        if chosen in (None, "", run.environment) and (
            not benchmarks or run.benchmark in benchmarks
        ):
            row = {key: getattr(run, key) for key in _LISTED}
            row["started_at"] = None if run.undated else run.started_at
            rows.append(row | ({"withdrawn": run.withdrawn} if run.withdrawn else {}))
    rows.sort(key=lambda row: row["id"])
    if as_json:
        return encoded(rows)
    if not rows:
        return f"no run{'' if labels else f' in {config.archive_place}; {BEGIN}'}\n"
    table = []
    for row in rows:
        provenance, preset = row.get("provenance", "damaged"), row.get("preset")
        gone = f"withdrawn: {row['withdrawn']}" if "withdrawn" in row else row.get("damaged", "")
        table.append((row["id"], row["environment"], provenance, preset or "", gone))
    header = ("run", "environment", "provenance", "preset", "")
    return _columns(header, table, under=(4,), dropped=(3, 2))


def run(config: Config, run_id: str, *, as_json: bool) -> str:
    """Return one run with its measurements."""
    archive = opened(config)
    run = archive.read(archive.find(run_id))
    if as_json:
        return encoded(_plain(run))
    taken = "undated" if run.undated else run.started_at
    text = f"{run.benchmark} in {run.environment}, {run.provenance}, {taken}"
    preset = f", preset {run.preset}" if run.preset else ""
    head = [run.id, f"{text}{preset}{'' if run.complete else ', incomplete'}"]
    head += [f"{each.kind}, {each.at[:10]}: {each.text}" for each in run.remarks]
    head += [f"{one.rule.short}: {one.sentence}" for one in caveats.of_reading(run)]
    if run.tool:
        head.append(f"{run.tool.name} {run.tool.version}")
    if run.source:
        head.append(f"{run.source.title or run.source.id}, section {run.source.section}")
    if run.fingerprint.facts:
        tee = run.fingerprint.tee
        sure = f", {tee.confidence} confidence" if tee.confidence else ""
        head.append(f"TEE signals: {tee.kind}{sure} ({'; '.join(tee.reasons)})")
    table = []
    for m in run.measurements:
        series, params = (m.workload, m.metric, m.statistic), [f"{k}={v}" for k, v in m.params]
        status = "" if m.status == "ok" else m.status
        table.append((*series, _shown(run, m), " ".join(params), f"{m.repetition}", status))
    header = ("workload", "metric", "statistic", "value", "params", "rep", "")
    return "\n".join(map(_plain_line, head)) + f"\n\n{_columns(header, table, under=(4,))}"


def _shown(run: AnyRun, row: Measurement) -> str:
    """Return a value as its page prints it."""
    if row.value is None:
        return "not measured"
    unit = metric(row.metric, run.definitions).unit_for((row.value,))
    return f"{unit.number(row.value)} {unit.text}".rstrip()


def _plain(run: Run) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(replace(run, measurements=(), samples=()))
    del data["samples"]
    rows = [{**m._asdict(), "params": dict(m.params)} for m in run.measurements]
    # The conditions of a whole run stand with its steps; the key is a promise.
    return {**data, "conditions": [], "measurements": rows}


def encoded(value: object) -> str:
    """Return a value as indented JSON."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"


def _columns(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    under: Sequence[int] = (),
    dropped: Sequence[int] = (),
) -> str:
    lines = fitted([header, *rows], under=under, dropped=dropped)
    return "\n".join(map(_plain_line, lines)) + "\n"


def fitted(
    rows: Sequence[Sequence[str]],
    right: Container[int] = (),
    *,
    over: Sequence[int] = (),
    under: Sequence[int] = (),
    dropped: Sequence[int] = (),
) -> list[str]:
    """Return the rows of a table as lines that fit the terminal; what is no terminal gets all.

    As far as is needed columns go ``under`` the rest of their row, or ``over`` it, or are dropped.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    lines = aligned(rows, right)
    if not width or max(map(len, lines)) <= width:
        return lines
    below: list[int] = []
    above: list[int] = []
    gone: list[int] = []
    for moved, place in (
        *((below, one) for one in under),
        *((above, one) for one in over),
        *((gone, one) for one in dropped),
    ):
        moved.append(place)
        kept = [one for one in range(len(rows[0])) if one not in (*below, *above, *gone)]
        lines = aligned(
            [[row[one] for one in kept] for row in rows],
            {new for new, one in enumerate(kept) if one in right},
        )
        if max(map(len, lines)) + 2 * bool(above) <= width:
            break
    head, *body = lines
    found = ["  " * bool(above) + head]
    for line, row in zip(body, rows[1:], strict=True):
        found += [text for one in above for text in textwrap.wrap(row[one], width)]
        found.append("  " * bool(above) + line)
        for one in below:
            found += textwrap.wrap(row[one], width, initial_indent="    ", subsequent_indent="    ")
    return found


def aligned(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """Return the rows of a table as lines; the columns ``right`` end at their right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _plain_line(text: str) -> str:
    """Return a line without what a terminal would obey: a run may come from anybody."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
