"""The command line: options in, one call, text out. No logic; heavy imports inside commands."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sitegen import __version__
from sitegen.cli import options, upkeep
from sitegen.errors import SitegenError, Unjudged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sitegen.archive import Damaged
    from sitegen.collect.execute import Progress
    from sitegen.intake.session import Outcome


INTERRUPTED = 130  # as shells say it: 128 and the number of SIGINT


class _Commands(click.Group):
    """A group whose expected failures are one line: exit code 2, and 130 for an interrupt."""

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - click's own types
        """Run a command line as click does, with one line for what was typed wrongly."""
        standalone = extra.pop("standalone_mode", True)
        run: Callable[..., Any] = super().main
        try:
            result = run(*args, standalone_mode=False, **extra)
        except click.UsageError as error:
            about = error.ctx.command_path if error.ctx else "sitegen"
            _stop(f"{error.format_message()}; see `{about} --help`")
        except click.ClickException as error:
            _stop(error.format_message())
        except (click.Abort, KeyboardInterrupt):
            _stop("interrupted; nothing is half-written", INTERRUPTED)
        if standalone:
            sys.exit(result if isinstance(result, int) else 0)
        return result

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own type
        """Run a command, and say an expected failure in one line."""
        try:
            return super().invoke(ctx)
        except SitegenError as error:
            _stop(str(error), error.exit_code)
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(0)
        except MemoryError:
            _stop("there is not enough memory for this")
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            _stop(f"{where}{error.strerror or error}")


def _stop(message: str, code: int = SitegenError.exit_code) -> NoReturn:
    click.echo(f"sitegen: {message}", err=True)
    sys.exit(code)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Benchmark TEEs and publish what they cost, with every number traceable to its run."""


@main.command()
@click.option("--env", "environment", required=True, help="Label of this platform, e.g. cvm.")
@click.option("--only", multiple=True, help="Only this benchmark; may be repeated.")
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
    from sitegen.archive import Archive
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
    store, work = Archive(report.archive), report.cache / "work"
    outcomes: list[Outcome] = []
    try:
        for outcome in session.Round(ordered, store, work, say, _progress(quiet)).collect():
            outcomes.append(outcome)  # noqa: PERF402 - those before an interrupt are kept
    except KeyboardInterrupt:
        _report(outcomes, say)
        written = sum(bool(outcome.run_id) for outcome in outcomes)
        click.echo(f"\ninterrupted; {written} runs are kept", err=True)
        sys.exit(INTERRUPTED)
    for outcome in outcomes if quiet else ():
        if outcome.skipped and not outcome.skipped.startswith("missing: "):
            click.echo(f"{outcome.benchmark}: {outcome.skipped}", err=True)
    if ordered.dry_run:
        return
    if not any(outcome.run_id for outcome in outcomes):
        reasons = dict.fromkeys(f"{o.benchmark}: {o.skipped}" for o in outcomes if o.skipped)
        raise SitegenError(f"nothing was collected: {' | '.join(reasons)}")
    _report(outcomes, say)


@main.command("collectors")
@options.as_json
def collectors_(as_json: bool) -> None:
    """Show what can be measured here: each collector, its tool and its settings."""
    from sitegen.cli import terminal

    click.echo(terminal.collectors(as_json=as_json), nl=False)


@main.command()
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


@main.command("import")
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
    """Bring in what other tools wrote, packs of runs, or figures as a tidy CSV.

    A tool's own output is recognised by its content; --forms lists the tools. Of a folder every
    file is tried, and what was not taken is said. When a file is refused, nothing is written.

    \b
    A tidy CSV has one measurement a line. Columns that must be there:
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
      source       id of the publication, with section; origin: who took the figure

    Other columns are left alone, and so is `provenance`, on purpose: what others collected is
    imported here, whatever the file says.
    """  # noqa: D301 - click's mark for lines that keep their breaks
    from sitegen import redact
    from sitegen.archive import Archive
    from sitegen.cli import terminal
    from sitegen.intake import tidy
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
    redactor = redact.of_this_machine(workdir=report.cache)
    arrivals, left = read_all(files, ordered, redactor, together=together, watched=terminal.watched)
    archive = Archive(report.archive)
    taken = [*write(arrivals, archive, report.aliases, take_remarks=take_remarks)]
    click.echo(terminal.arrived(taken, left, verbose=verbose), nl=False)
    if left and not arrivals:
        sys.exit(SitegenError.exit_code)


@main.command()
@options.site
@click.option("--base-url", help="Where it will be published: for canonical links and the feed.")
@click.option("--quiet", is_flag=True, help="Print only failures.")
@options.places
def build(load: options.Load, quiet: bool) -> None:
    """Build the site from the archive."""
    from sitegen.site import build as builder

    result = builder.build(load(), say=lambda line: click.echo(line, err=True))
    _say_damaged(result.damaged)
    for hint in result.hints:
        click.echo(f"note: {hint}", err=True)
    if not quiet:
        click.echo(result.summary())


@main.command("list")
@click.option("--env", "environment", help="Only this environment.")
@click.option("--only", help="Only this benchmark.")
@options.as_json
@options.places
def list_(load: options.Load, environment: str | None, only: str | None, as_json: bool) -> None:
    """List the runs of the archive."""
    from sitegen.cli import terminal

    click.echo(terminal.runs(load(), environment, only, as_json=as_json), nl=False)


@main.command()
@click.argument("run")
@options.as_json
@options.places
def show(load: options.Load, run: str, as_json: bool) -> None:
    """Show one run: its id, or the last eight characters of it."""
    from sitegen.cli import terminal

    click.echo(terminal.run(load(), run, as_json=as_json), nl=False)


@main.command("export")
@options.form("form", "csv", "json", "parquet")
@click.option("--output", "file", type=options.PATH, help="File; standard output without it.")
@options.places
def export_(load: options.Load, form: str, file: Path | None) -> None:
    """Write every measurement with provenance, source and caveats."""
    from sitegen.analysis import export

    exported = export.export(load(), form)
    _say_damaged(exported.damaged)
    if file:
        file.write_bytes(exported.data)
    else:
        sys.stdout.buffer.write(exported.data)


@main.command()
@click.argument("baseline")
@click.argument("side")
@click.option("--axis", default="", help="A parameter, of which BASELINE and SIDE are values.")
@click.option("--env", "environment", default="", help="With --axis: the environment.")
@click.option("--metric", "metrics", multiple=True, help="Only this metric, e.g. fio.iops.")
@click.option("--all", "everything", is_flag=True, help="All series, not only the headline ones.")
@click.option("--fail-above", default="", help="Exit with 1 when an overhead is surely above: 5%.")
@click.option("--strict", is_flag=True, help="With --fail-above: what cannot be judged fails too.")
@options.form("form", "text", "json", "markdown")
@options.places
def compare(
    load: options.Load,
    baseline: str,
    side: str,
    fail_above: str,
    strict: bool,
    **question: Any,  # noqa: ANN401 - the fields of a Question
) -> None:
    """Compare SIDE with BASELINE: environments, or runs by the end of their ids.

    With --axis they are two values of a parameter, as in `compare http https --axis scheme`.

    With --fail-above the exit code is 1 when something is surely worse than the limit: the bounds
    of all series that are judged hold together. It is 3 when something could not be judged, which
    is said: fewer than three replicates a side, runs of one session, quick or damaged runs,
    doubtful values, a benchmark that one side lacks. With --strict that is a failure: 1.
    """
    from sitegen.cli import comparison

    report = load()
    limit = comparison.limit(fail_above)
    if strict and limit is None:
        raise SitegenError("goes with --fail-above", where="--strict", fix="add --fail-above 5%")
    query = comparison.Question((baseline, side), **question, limit=limit)
    answer = comparison.answer(report, query)
    click.echo(answer.text, nl=False)
    if limit is None:
        _say_damaged(answer.damaged)
    for line in answer.unjudged:
        click.echo(f"not judged: {line}", err=True)
    if answer.above:
        _stop(f"above {fail_above}: {'; '.join(answer.above)}", 1)
    if answer.unjudged:
        extent = "not everything" if answer.judged else "nothing"
        _stop(f"{extent} could be judged", 1 if strict else Unjudged.exit_code)


@main.command()
@click.argument("files", nargs=-1, type=options.PATH)
@click.option("--strict", is_flag=True, help="Exit with 1 when an own claim differs.")
@options.as_json
@options.places
def claims(load: options.Load, files: tuple[Path, ...], strict: bool, as_json: bool) -> None:
    """Recompute claims from the archive: those of the report, or of the FILES named.

    A claim of the report's own is one whose source is no publication that the archive cites.
    """
    from sitegen.cli import terminal

    text, failed = terminal.claims(load(), files, as_json=as_json)
    click.echo(text, nl=False)
    if strict and failed:
        _stop(f"{', '.join(failed)}: differs", 1)


@main.command()
@options.places
def fsck(load: options.Load) -> None:
    """Read every file of every run and name what is damaged."""
    from sitegen.archive import Archive

    target = Archive(load().archive)
    findings = list(target.fsck())
    for finding in findings:
        click.echo(f"{finding.path}: {finding.problem}; {finding.fix}")
    click.echo(f"{len(target.scan())} runs, {len(findings)} findings")
    sys.exit(1 if findings else 0)


@main.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any."
)
@options.site
@options.settings
def serve(load: options.Load, port: int) -> None:
    """Serve the built site on this machine, to look at it."""
    from sitegen.site import serve as serving

    serving.serve(load(), port, click.echo)


@main.command()
@click.option("--branch", default="gh-pages", show_default=True, help="Branch to put it on.")
@click.option("--remote", default="origin", show_default=True, help="Where to push it.")
@click.option("--no-push", is_flag=True, help="Make the branch and leave the pushing to you.")
@click.option("--adopt", is_flag=True, help="Take over a branch that sitegen did not make.")
@options.site
@options.settings
def publish(load: options.Load, branch: str, remote: str, no_push: bool, adopt: bool) -> None:
    """Put the built site on a branch that GitHub Pages serves.

    The branch becomes a single commit, here and at the remote (a forced push): one that grew by
    every build would not stay small. CNAME and what `site.keep` names stay on it. A branch that
    is checked out, or that holds anything that sitegen did not put there, is refused; --adopt
    replaces the latter, and says what that was.
    """
    from sitegen.site import publish as publishing

    places = {"branch": branch, "remote": remote}
    for line in publishing.to_branch(load(), **places, push=not no_push, adopt=adopt):
        click.echo(line)


def _say_damaged(damaged: Sequence[Damaged]) -> None:
    for run in damaged:
        click.echo(f"set aside: {run.path}: {run.reason}", err=True)


def _progress(quiet: bool) -> Callable[[Progress], None]:
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
            text = f"  {place} {name}, {turn}"
            click.echo(f"\r\033[K{text}" if live else text, err=True, nl=not live)
        elif live and not quiet:
            click.echo("\r\033[K", err=True, nl=False)

    return show_it


def _report(outcomes: Sequence[Outcome], say: Callable[[str], None]) -> None:
    for outcome in outcomes:
        if outcome.path:
            failed = f", {outcome.failed} failed" if outcome.failed else ""
            folder = outcome.path.absolute()
            here = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
            say(f"{outcome.benchmark}: {outcome.measured} measurements{failed}; {here}")
            say(f"  `sitegen build` makes its page at runs/{outcome.run_id}/")


for command in upkeep.COMMANDS:
    main.add_command(command)
