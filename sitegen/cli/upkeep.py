"""Commands that look after the archive: packs, remarks, reading again, baselines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sitegen.cli import options
from sitegen.errors import SitegenError, many

if TYPE_CHECKING:
    from sitegen.config import Config


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--env", "environment", default="", help="Only this environment.")
@options.only
@click.option("--output", "file", type=options.PATH, help="The file; standard output without it.")
@options.places
def pack(
    load: options.Load,
    runs: tuple[str, ...],
    environment: str,
    only: tuple[str, ...],
    file: Path | None,
) -> None:
    """Write RUNS, or all runs, as one file that `sitegen import` takes elsewhere."""
    from sitegen.archive.remote import opened
    from sitegen.intake import packs

    report = load()
    store = opened(report)
    entries = packs.chosen(store, runs, environment, only, report.aliases)
    if file is None:
        if sys.stdout.isatty():
            raise SitegenError("a pack is no text", where="--output", fix="name a file, or pipe it")
        packs.pack(store, entries, sys.stdout.buffer)
        return
    count = packs.write(store, entries, file)
    click.echo(f"{many(count, 'run')} in {file}")


@click.command()
@click.argument("run")
@click.argument("text")
@options.places
def note(load: options.Load, run: str, text: str) -> None:
    """Say something of RUN: a sentence that its page shows from the next build on."""
    _remark(load(), run, "note", text)


@click.command()
@click.argument("run")
@click.option("--reason", required=True, help="Why, in a sentence that its page shows.")
@options.places
def withdraw(load: options.Load, run: str, reason: str) -> None:
    """Take RUN out of every comparison; its page stays, with the reason."""
    _remark(load(), run, "withdrawn", reason)


@click.command()
@click.argument("run")
@click.option("--reason", required=True, help="Why, in a sentence that its page shows.")
@options.places
def restore(load: options.Load, run: str, reason: str) -> None:
    """Let a RUN that was withdrawn count again; its page says both, with their reasons."""
    _remark(load(), run, "restored", reason)


def _remark(report: Config, run: str, kind: str, text: str) -> None:
    from sitegen import redact
    from sitegen.archive.remote import opened
    from sitegen.intake import upkeep
    from sitegen.model import RemarkKind

    redactor = redact.of_this_machine(workdir=report.cache)
    store = opened(report)
    run_id, file = upkeep.remark(store, run, RemarkKind(kind), text, redactor)
    click.echo(f"{run_id}: {kind}; {store.shown(file)}")


@click.command()
@click.argument("runs", nargs=-1)
@options.only
@click.option("--dry-run", is_flag=True, help="Say what would change and write nothing.")
@options.places
def reparse(
    load: options.Load, runs: tuple[str, ...], only: tuple[str, ...], dry_run: bool
) -> None:
    """Read the raw output of RUNS, or of all runs, again with the parsers of today.

    What reads differently becomes a new run that supersedes the old one; the old one stays.
    """
    from sitegen.archive.remote import opened
    from sitegen.intake import packs, upkeep

    store = opened(load())
    entries = packs.chosen(store, runs, "", only)
    changed = 0
    for outcome in upkeep.reparse(store, entries, dry_run=dry_run):
        changed += outcome.new is not None
        text = f"series that differ: {outcome.changed}; now {outcome.new.id}" if outcome.new else ""
        click.echo(f"{outcome.old}: {text or outcome.reason}")
    verb = "would change" if dry_run else "changed"
    click.echo(f"{changed} of {many(len(entries), 'run')} {verb}")


@click.command()
@click.argument("pairs", nargs=-1, required=True, metavar="ENV=BASELINE[,BASELINE]...")
@options.places
def baseline(load: options.Load, pairs: tuple[str, ...]) -> None:
    """Write what is measured against what into sitegen.toml: `sitegen baseline cvm=metal`."""
    from sitegen.cli import baseline as baselines

    for line in baselines.declared(load(), pairs):
        click.echo(line)


@click.command()
@options.places
def fsck(load: options.Load) -> None:
    """Read every file of every run and name what is damaged."""
    from sitegen.archive.remote import opened

    target = opened(load())
    findings = list(target.fsck())
    for finding in findings:
        click.echo(f"{finding.path}: {finding.problem}; {finding.fix}")
    click.echo(f"{many(len(target.scan()), 'run')}, {many(len(findings), 'finding')}")
    sys.exit(1 if findings else 0)


@click.command()
@options.places
def push(load: options.Load) -> None:
    """Send runs that an archive elsewhere did not get: what was collected while it was away."""
    from sitegen.archive.remote import Elsewhere, Unsent, opened

    store = opened(load())
    if not isinstance(store, Elsewhere):
        click.echo(f"{store.place} is a folder here: nothing waits to be sent")
        return
    waiting, failed = store.waiting(), list[str]()
    for entry in waiting:
        try:
            click.echo(f"{entry.run_id}: {store.shown(store.send(entry))}")
        except Unsent as error:
            failed.append(str(error))
    click.echo(f"{len(waiting) - len(failed)} of {many(len(waiting), 'run')} sent")
    options.check_sent(failed)


COMMANDS = (fsck, pack, push, note, withdraw, restore, reparse, baseline)
