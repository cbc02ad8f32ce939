"""Commands that bring runs in: what can be measured here, measuring it, files of other tools."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sitegen.cli import options
from sitegen.errors import INTERRUPTED, No, SitegenError, many

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sitegen.archive import Archive
    from sitegen.collect.execute import Progress
    from sitegen.intake.session import Outcome


@click.command()
@click.option("--env", "environment", required=True, help="Label of this platform, e.g. cvm.")
@options.only
@click.option(
    "--preset",
    type=options.preset,
    help="How long each step runs, and how often; standard without it.",
)
@click.option("--quick", is_flag=True, help="Short for --preset quick.")
@click.option("--repeat", type=options.times, help="Repetitions a run.")
@click.option("--sessions", type=options.times, default=1, help="Rounds, one after another.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    help="A collector's setting, e.g. fio.size=8g; `sitegen collectors` lists them.",
)
@click.option("--note", default="", help="A sentence that goes with the runs.")
@click.option(
    "--seed", type=click.IntRange(0, 2**53), help="Seed of the order of steps; random without it."
)
@click.option("--dry-run", is_flag=True, help="Print the commands and run nothing.")
@click.option("--quiet", is_flag=True, help="Print only failures.")
@options.places
def collect(
    load: options.Load,
    preset: str | None,
    quick: bool,
    settings: tuple[str, ...],
    quiet: bool,
    **order: Any,  # noqa: ANN401 - the fields of an Order
) -> None:
    """Run the benchmarks that can run here, and archive one run of each."""
    from sitegen.archive.remote import opened
    from sitegen.intake import session

    if quick and preset not in (None, "quick"):
        raise SitegenError(f"--quick and --preset {preset} exclude each other", fix="choose one")
    report = load()
    ordered = session.Order(
        **order,
        preset="quick" if quick else preset or "standard",
        settings=session.parse_settings(settings),
        declared=report.environments.get(order["environment"]),
    )
    say: Callable[[str], None] = (lambda _: None) if quiet else click.echo
    # A service manager's request to stop is the user's: what is whole is kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    store, work = opened(report), report.cache / "work"
    outcomes: list[Outcome] = []
    try:
        for outcome in session.Round(ordered, store, work, say, _progress(quiet)).collect():
            outcomes.append(outcome)  # noqa: PERF402 - those before an interrupt are kept
    except KeyboardInterrupt:
        _report(outcomes, store, say)
        written = sum(bool(outcome.run_id) for outcome in outcomes)
        click.echo(
            f"\ninterrupted; {many(written, 'run')} {'is' if written == 1 else 'are'} kept",
            err=True,
        )
        sys.exit(INTERRUPTED)
    for outcome in outcomes if quiet else ():
        if outcome.skipped and not outcome.skipped.startswith("missing: "):
            click.echo(f"{outcome.benchmark}: {outcome.skipped}", err=True)
    if ordered.dry_run:
        return
    if not any(outcome.run_id for outcome in outcomes):
        reasons = dict.fromkeys(f"{o.benchmark}: {o.skipped}" for o in outcomes if o.skipped)
        raise SitegenError(f"nothing was collected: {' | '.join(reasons)}")
    _report(outcomes, store, say)
    options.check_sent([outcome.unsent for outcome in outcomes if outcome.unsent])


@click.command("collectors")
@options.as_json
def collectors_(as_json: bool) -> None:
    """Show what can be measured here: each collector, its tool and its settings."""
    from sitegen.cli import terminal

    click.echo(terminal.collectors(as_json=as_json), nl=False)


@click.command()
@click.option("--env", "environment", default="", help="The label that you mean to collect under.")
@click.option(
    "--preset",
    type=options.preset,
    default="standard",
    show_default=True,
    help="For which the time and the disk are estimated.",
)
@options.as_json
@options.settings
def doctor(load: options.Load, environment: str, preset: str, as_json: bool) -> None:
    """Say what machine this is, whether it is a TEE, and what can be collected here."""
    from sitegen.cli import diagnosis

    click.echo(diagnosis.doctor(load(), environment, preset, as_json=as_json), nl=False)


@click.command("import")
@click.argument("files", nargs=-1, type=options.PATH)
@click.option("--env", "environment", default="", help="Label of the platform it ran on.")
@click.option("--tool", default="", help="What wrote the files, where their content is not clear.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    help="What the output does not say, e.g. model=Llama-3.1-8B; --forms lists what each takes.",
)
@click.option(
    "--provenance",
    type=click.Choice(["imported", "cited"]),
    default="imported",
    show_default=True,
    help="Measured with other tools, or printed in a publication.",
)
@click.option("--sources", type=options.PATH, help="CSV of the publications.")
@click.option(
    "--together",
    is_flag=True,
    help="The files are parts of one measurement: a load's processes, a report and its logs.",
)
@click.option(
    "--session",
    default="",
    help="What its runs were set up together in: files of three sessions a side give a verdict.",
)
@click.option("--boot", default="", help="The boot of the machine that they were taken in.")
@click.option("--date", default="", help="Date for runs that nothing else dates (ISO 8601).")
@click.option(
    "--take-remarks",
    is_flag=True,
    help="Take notes and withdrawals that a pack has of runs that are here already.",
)
@click.option("--verbose", is_flag=True, help="A line for each run, and each file not taken.")
@click.option("--forms", is_flag=True, help="List the tools whose output can be read, and stop.")
@options.places
def import_(
    load: options.Load,
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    provenance: str,
    sources: Path | None,
    together: bool,
    take_remarks: bool,
    forms: bool,
    verbose: bool,
    **order: Any,  # noqa: ANN401 - the fields of an Order
) -> None:
    """Bring in what other tools wrote, packs of runs, or figures as a tidy table.

    A tool's own output is recognised by its content; --forms lists the tools. Of a folder every
    file is tried, and what was not taken is said. When a file is refused, nothing is written.
    The file - is standard input, of any of these forms.

    A file may have 64 MB, also unpacked, and a run in a pack 100 MB: what is larger is refused
    before it is read.

    \b
    A tidy table (CSV, or what `export` writes as JSON or Parquet) has one measurement a row.
    Columns that must be there:
      benchmark, workload, environment, metric, statistic, unit
      value        in the base unit; empty: not measured
    Columns that are read where they are there:
      params       what tells one series from another: {"threads": "8"}
      repetition   from 0
      status       ok, failed or suspect
      printed      as the tool or the publication prints it, with printed_unit
      started_at   UTC, from 2025 to 2025-01-31T12:00:00Z
      run_id       tells the runs of one environment apart; they get new ids
      session      what was set up together, and boot: files that say so count as replicates
      preset       quick runs are compared with no others; complete: no for what was cut short
      source       id of the publication, with section; origin: who took the figure
      better       for a metric of your own: higher, lower or none; without it nothing compares it
      metric_title what pages call such a metric
      provenance   only `cited` is read, which needs a source: what others collected or imported
                   is imported here, whatever the file says

    Other columns are left alone.
    """  # noqa: D301 - click's mark for lines that keep their breaks
    from sitegen import redact
    from sitegen.archive.remote import opened
    from sitegen.cli import terminal
    from sitegen.intake import piped, tidy
    from sitegen.intake.files import parse_settings, read_all, write
    from sitegen.intake.run import Order
    from sitegen.model import Provenance

    if forms:
        click.echo(terminal.forms(), nl=False)
        return
    if not files:
        raise click.UsageError("Missing argument 'FILES...'.")
    report = load()
    ordered = Order(
        **order,
        provenance=Provenance(provenance),
        sources=tidy.read_sources(sources) if sources else {},
        settings=parse_settings(settings),
    )
    # All is read before anything is written: a file that is refused leaves nothing behind.
    redactor, archive = redact.of_this_machine(workdir=report.cache), opened(report)
    with piped.as_files(files, sys.stdin.buffer) as paths:
        arrivals, left = read_all(
            paths, ordered, redactor, together=together, watched=terminal.watched
        )
        taken = [*write(arrivals, archive, report.aliases, take_remarks=take_remarks)]
    click.echo(terminal.arrived(taken, left, verbose=verbose), nl=False)
    if left and not arrivals:
        sys.exit(SitegenError.exit_code)


@click.group("tool")
def tool_() -> None:
    """Tools that are declared as tables: docs/own-tool.md says how."""


@tool_.command("check")
@click.argument("table", type=options.PATH)
@click.argument("output", type=options.PATH, required=False)
@click.option(
    "--set",
    "settings",
    multiple=True,
    help="What a command would have been given, or `import` is told, e.g. threads=4.",
)
@options.as_json
def check(table: Path, output: Path | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Say what a table is, and what it reads of an output of its tool.

    TABLE is a tool's TOML file, or the sitegen.toml that has tools. Exit code 1 when nothing of
    OUTPUT is read.
    """
    from sitegen.cli import tables

    text, found = tables.check(table, output, settings, as_json=as_json)
    click.echo(text, nl=False)
    if not found:
        sys.exit(No.exit_code)


def _progress(quiet: bool) -> Callable[[Progress], None]:
    from sitegen.collect.execute import duration

    live = sys.stderr.isatty()

    def show_it(progress: Progress) -> None:
        name = f"{progress.benchmark} {progress.step}"
        if progress.failed:
            click.echo(f"  {name}: failed: {progress.failed}", err=True)
        elif not quiet and progress.step:
            turn = (
                "preparing" if progress.repetition < 0 else f"repetition {progress.repetition + 1}"
            )
            place = f"[{progress.done + 1:{len(str(progress.total))}}/{progress.total}]"
            left = f", about {duration(progress.left_s)} left" if progress.left_s >= 1 else ""
            text = f"  {place} {name}, {turn}{left}"
            click.echo(f"\r\033[K{text}" if live else text, err=True, nl=not live)
        elif live and not quiet:
            click.echo("\r\033[K", err=True, nl=False)

    return show_it


def _report(outcomes: Sequence[Outcome], store: Archive, say: Callable[[str], None]) -> None:
    for outcome in outcomes:
        if outcome.path:
            failed = f", {outcome.failed} failed" if outcome.failed else ""
            place = outcome.path if outcome.unsent else store.shown(outcome.path)
            say(f"{outcome.benchmark}: {many(outcome.measured, 'measurement')}{failed}; {place}")
            say(f"  `sitegen build` makes its page at runs/{outcome.run_id}/")


COMMANDS = (collect, collectors_, doctor, import_, tool_)
