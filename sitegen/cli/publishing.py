"""Commands that make the site, show it and put it where people read it."""

from __future__ import annotations

from pathlib import Path

import click

from sitegen.cli import options
from sitegen.errors import SitegenError


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=options.PATH)
def init(folder: Path | None) -> None:
    """Begin a report in DIR, or here: settings, notes, claims, workflows of GitHub.

    Each file is written where there is none, and what is there is left alone. The workflows go to
    the top of the repository that DIR lies in.
    """
    from sitegen import config
    from sitegen.site import init as beginning

    if folder is None and (report := config.found()).is_file() and report != Path(config.FILE):
        fix = "name a folder to begin another in it"
        raise SitegenError(f"is a part of the report of {report}", where=str(Path.cwd()), fix=fix)
    for line in beginning.told(beginning.begin(folder or Path())):
        click.echo(line)


@click.command()
@options.site
@click.option("--base-url", help="Where it will be published: for canonical links and the feed.")
@click.option("--quiet", is_flag=True, help="Print only failures.")
@options.places
def build(load: options.Load, quiet: bool) -> None:
    """Build the site from the archive."""
    from sitegen.site import build as builder

    result = builder.build(load(), say=lambda line: click.echo(line, err=True))
    options.say_damaged(result.damaged)
    for hint in result.hints:
        click.echo(f"note: {hint}", err=True)
    if not quiet:
        click.echo(result.summary())


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any."
)
@options.site
@options.settings
def serve(load: options.Load, port: int) -> None:
    """Serve the built site on this machine, to look at it."""
    from sitegen.site import serve as serving

    serving.serve(load(), port, click.echo)


@click.command()
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


COMMANDS = (init, build, serve, publish)
