"""Commands that look after the archive: packs, remarks, reading again, baselines."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sitegen.cli import options
from sitegen.errors import SitegenError


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--env", "environment", default="", help="Only this environment.")
@click.option("--only", default="", help="Only this benchmark.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="The file; standard output without it."
)
@options.places
def pack(
    runs: tuple[str, ...],
    environment: str,
    only: str,
    output: Path | None,
    archive: Path | None,
    config_file: Path | None,
) -> None:
    """Write RUNS, or all runs, as one file that `sitegen import` takes elsewhere."""
    from sitegen import config
    from sitegen.archive import Archive
    from sitegen.intake import packs

    settled = config.load(config_file, archive=archive)
    store = Archive(settled.archive)
    entries = packs.chosen(store, runs, environment, only, settled.aliases)
    if output is None:
        if sys.stdout.isatty():
            raise SitegenError("a pack is no text", where="--output", fix="name a file, or pipe it")
        packs.pack(store, entries, sys.stdout.buffer)
        return
    count = packs.write(store, entries, output)
    click.echo(f"{count} run{'' if count == 1 else 's'} in {output}")


@click.command()
@click.argument("run")
@click.argument("text")
@options.places
def note(run: str, text: str, archive: Path | None, config_file: Path | None) -> None:
    """Say something of RUN: a sentence that its page shows from the next build on."""
    _remark(run, "note", text, archive, config_file)


@click.command()
@click.argument("run")
@click.option("--reason", required=True, help="Why, in a sentence that its page shows.")
@options.places
def withdraw(run: str, reason: str, archive: Path | None, config_file: Path | None) -> None:
    """Take RUN out of every comparison; its page stays, with the reason."""
    _remark(run, "withdrawn", reason, archive, config_file)


def _remark(run: str, kind: str, text: str, archive: Path | None, config_file: Path | None) -> None:
    from sitegen import config, redact
    from sitegen.archive import Archive
    from sitegen.intake import remarks
    from sitegen.model import RemarkKind

    settled = config.load(config_file, archive=archive)
    run_id, file = remarks.remark(
        Archive(settled.archive),
        run,
        RemarkKind(kind),
        text,
        redact.of_this_machine(workdir=settled.cache),
    )
    click.echo(f"{run_id}: {kind}; {file}")


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--only", default="", help="Only this benchmark.")
@click.option("--dry-run", is_flag=True, help="Say what would change and write nothing.")
@options.places
def reparse(
    runs: tuple[str, ...],
    only: str,
    dry_run: bool,
    archive: Path | None,
    config_file: Path | None,
) -> None:
    """Read the raw output of RUNS, or of all runs, again with the parsers of today.

    What reads differently becomes a new run that supersedes the old one; the old one stays.
    """
    from sitegen import config
    from sitegen.archive import Archive
    from sitegen.intake import packs, reparse

    store = Archive(config.load(config_file, archive=archive).archive)
    entries = packs.chosen(store, runs, "", only)
    changed = 0
    for outcome in reparse.reparse(store, entries, dry_run=dry_run):
        changed += outcome.new is not None
        what = f"{outcome.changed} series differ; now {outcome.new.id}" if outcome.new else ""
        click.echo(f"{outcome.old}: {what or outcome.why}")
    verb = "would change" if dry_run else "changed"
    click.echo(f"{changed} of {len(entries)} runs {verb}")


@click.command()
@click.argument("pairs", nargs=-1, required=True, metavar="ENV=BASELINE[,BASELINE]...")
@options.places
def baseline(pairs: tuple[str, ...], archive: Path | None, config_file: Path | None) -> None:
    """Write what is measured against what into sitegen.toml: `sitegen baseline cvm=metal`."""
    from sitegen import config
    from sitegen.cli import terminal

    settled = config.load(config_file, archive=archive)
    for line in terminal.baselines(settled, config_file or Path("sitegen.toml"), pairs):
        click.echo(line)


COMMANDS = (pack, note, withdraw, reparse, baseline)
