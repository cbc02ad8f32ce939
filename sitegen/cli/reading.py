"""Commands that say what the archive has: runs, exports, comparisons, claims."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from sitegen.cli import options
from sitegen.errors import No, SitegenError, Unjudged


@click.command("list")
@click.option("--env", "environment", help="Only this environment.")
@options.only
@options.as_json
@options.places
def list_(
    load: options.Load, environment: str | None, only: tuple[str, ...], as_json: bool
) -> None:
    """List the runs of the archive."""
    from sitegen.cli import terminal

    click.echo(terminal.runs(load(), environment, only, as_json=as_json), nl=False)


@click.command()
@click.argument("run")
@options.as_json
@options.places
def show(load: options.Load, run: str, as_json: bool) -> None:
    """Show one run: its id, or the last eight characters of it."""
    from sitegen.cli import terminal

    click.echo(terminal.run(load(), run, as_json=as_json), nl=False)


@click.command("export")
@options.form("form", "csv", "json", "parquet")
@click.option("--output", "file", type=options.PATH, help="File; standard output without it.")
@options.places
def export_(load: options.Load, form: str, file: Path | None) -> None:
    """Write every measurement with provenance, source and caveats."""
    from sitegen import whole
    from sitegen.analysis import export

    exported = export.export(load(), form)
    options.say_damaged(exported.damaged)
    if file:
        with whole.written(file) as hidden:
            hidden.write_bytes(exported.data)
    else:
        sys.stdout.buffer.write(exported.data)


@click.command()
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

    An environment may be taken at two times: `compare cvm@2026-09 cvm@2026-11`; a period is a year,
    a month or a day, or from one to another, of which one may be left out: cvm@2026-09-15..2026-10.

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
        options.say_damaged(answer.damaged)
        for line in answer.missing:
            click.echo(f"not compared: {line}", err=True)
    for line in answer.unjudged:
        click.echo(f"not judged: {line}", err=True)
    if answer.above:
        raise No(f"above {fail_above}: {'; '.join(answer.above)}")
    if answer.unjudged:
        extent = "not everything" if answer.judged else "nothing"
        raise (No if strict else Unjudged)(f"{extent} could be judged")


@click.command()
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
        raise No(f"{', '.join(failed)}: differs")


COMMANDS = (list_, show, export_, compare, claims)
