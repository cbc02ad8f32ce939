"""The command line: options in, one call, text out. No logic; heavy imports inside commands."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sitegen import __version__, distribution
from sitegen.cli import collecting, publishing, reading, upkeep
from sitegen.errors import INTERRUPTED, SitegenError

if TYPE_CHECKING:
    from collections.abc import Callable


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
            _stop(f"{error.format_message().rstrip('.')}; see `{about} --help`")
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
        except ModuleNotFoundError as error:
            if not (absent := distribution.missing(error.name or "")):
                raise
            _stop(f"`{ctx.invoked_subcommand}` {absent}")
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


for command in (*collecting.COMMANDS, *publishing.COMMANDS, *reading.COMMANDS, *upkeep.COMMANDS):
    main.add_command(command)
