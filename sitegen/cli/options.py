"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

settings = click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="The report's sitegen.toml."
)
site = click.option("--output", type=click.Path(path_type=Path), help="Folder of the site.")
form = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="Form of output."
)


def places(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--archive`` and ``--config``."""
    archive = click.option(
        "--archive", type=click.Path(path_type=Path), help="Folder of the archive."
    )
    return settings(archive(command))
