"""The report from Python: its measurements, runs, comparisons, figures and claims as values.

`sitegen.open` makes a `Report`. What it says is what the pages say: the same runs count, the same
code compares. Everything is read once and kept; nothing prints, and what can go wrong is a
SitegenError. See docs/python.md.
"""

from __future__ import annotations

import gc
import threading
from pathlib import Path

from sitegen import config
from sitegen.archive import library
from sitegen.catalogue import own
from sitegen.door.report import Report
from sitegen.door.run import Run
from sitegen.errors import SitegenError

__all__ = ["Report", "Run", "opened"]


def opened(place: str | Path = ".", *, archive: str | Path | None = None) -> Report:
    """Return the report that ``place`` is part of: a folder, or its `sitegen.toml`.

    The settings are found in the folder or above it, as the commands find them. ``archive`` is
    another folder of runs, or address, than the settings name. Raises SitegenError when there is
    no archive.
    """
    where = Path(place).expanduser()
    runs = archive
    if archive is not None and "://" not in str(archive):
        runs = Path(archive).expanduser()
    if not where.exists():
        raise SitegenError("no such file or folder", where=str(where), fix="name the report's")
    if where.is_file():
        settings = config.load(where, archive=runs)
    else:
        settings = config.load(folder=where, archive=runs)
    own.use(settings.tools)
    thresholds = gc.get_threshold()
    try:  # a command ends soon and may look for cycles more rarely; who asks here goes on
        held = library.of(settings, alone=threading.active_count() > 1)
    finally:
        gc.set_threshold(*thresholds)
    return Report(settings, held)
