"""What several commands share: options, the settings that they lead to, a warning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sitegen.errors import SitegenError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sitegen.archive import Damaged
    from sitegen.config import Config

#: What a command gets first: the report's settings, read when they are asked for.
Load = Callable[[], "Config"]
PATH = click.Path(path_type=Path)

preset = click.Choice(["quick", "standard", "thorough"])
site = click.option("--output", type=PATH, help="Folder of the site.")
times = click.IntRange(1, 1000)


def _names(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> Any:  # noqa: ANN401 - click's own
    return tuple(name.strip() for each in given for name in each.split(",") if name.strip())


only = click.option(
    "--only",
    multiple=True,
    metavar="NAMES",
    callback=_names,
    help="Only these benchmarks, e.g. 7z,ab; may be repeated.",
)


def form(name: str, *forms: str, **more: Any) -> Callable[..., Any]:  # noqa: ANN401 - click's own
    """Return ``--format`` with these forms, the first of which is the default."""
    choice = click.Choice(forms)
    about = "Form of output."
    return click.option("--format", name, type=choice, default=forms[0], help=about, **more)


as_json = form("as_json", "text", "json", callback=lambda _context, _option, form: form == "json")


def settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--config``; places on the command line stand above what the file says."""

    @wraps(command)
    def run(*, config_file: Path | None, **rest: Any) -> Any:  # noqa: ANN401 - click's own
        places = {key: rest.pop(key) for key in ("archive", "output", "base_url") if key in rest}

        def load() -> Config:
            from sitegen import config
            from sitegen.catalogue import own

            report = config.load(config_file, **places)
            own.use(report.tools)
            return report

        return command(load, **rest)

    return click.option("--config", "config_file", type=PATH, help="The report's sitegen.toml.")(
        run
    )


def places(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--archive`` and ``--config``."""
    about = "Folder of the archive, or an address such as s3://bucket/name."
    command = click.option("--archive", help=about)(command)
    return settings(command)


def say_damaged(damaged: Iterable[Damaged]) -> None:
    """Name the runs that were set aside, on standard error."""
    for run in damaged:
        click.echo(f"set aside: {run.path}: {run.reason}", err=True)


def check_sent(failed: Sequence[str]) -> None:
    """Raise SitegenError with the first reason why something could not be sent, if there is one."""
    if failed:
        more = f" (and {len(failed) - 1} more)" if failed[1:] else ""
        raise SitegenError(f"not sent: {failed[0]}{more}")
