"""Static report sites from benchmark runs that a reader can check.

From Python, a report is `sitegen.open(".")`: see docs/python.md. What it needs is loaded then.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from sitegen.door import Report, Run
    from sitegen.errors import SitegenError

__version__ = "0.1.0"
__all__ = ["Report", "Run", "SitegenError", "open"]


def open(  # noqa: A001 - as one opens a file
    place: str | Path = ".", *, archive: str | Path | None = None
) -> Report:
    """Return the report that ``place`` is part of: a folder, or its `sitegen.toml`.

    ``archive`` is another folder of runs than the settings name. Raises SitegenError.
    """
    from sitegen.door import opened

    return opened(place, archive=archive)


def __getattr__(name: str) -> object:
    if name == "SitegenError":
        from sitegen.errors import SitegenError

        return SitegenError
    if name in ("Report", "Run"):
        from sitegen import door

        found: object = getattr(door, name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
