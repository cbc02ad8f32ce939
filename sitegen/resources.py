"""The files that come with sitegen: templates and assets, in a wheel or in a checkout."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from msgspec import Struct

from sitegen.errors import SitegenError

_COMPILED = "__pycache__"
_BUNDLE = 1_000_000
#: Whole lines of comments in our scripts and styles: no reader of a page needs them.
_COMMENTS = re.compile(rb"^ *(?://.*|/\*[^*]*\*/)\n", re.MULTILINE)
_BUNDLE_FILES = ("plotly.min.js", "plotly.css", "plotly.LICENSE.txt")


def templates() -> Path:
    """Return the folder of templates: in the wheel, or beside the package in a checkout."""
    packed = Path(str(files("sitegen").joinpath("_templates")))
    return packed if packed.is_dir() else Path(__file__).parent.parent / "templates"


def compiled_templates(*, own: bool = False) -> Path | None:
    """Return the folder of compiled templates: beside them, as Python's own, or the user's.

    So they are compiled once an installation, where whoever builds may write to it. Where a report
    has its ``own``, all lie in the user's cache. Never with the report: what is compiled is run,
    and a report may come from anybody. None where neither can be written.
    """
    places = (_users_cache(),) if own else (templates() / _COMPILED, _users_cache())
    for folder in filter(None, places):
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    return None


def _users_cache() -> Path | None:
    """Return the user's folder for them; None for a user who has no home."""
    place = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111 - which raises nothing
    return place / "sitegen" / "templates" if place.is_absolute() else None


class Assets(Struct, frozen=True):
    """The files that every page shares, in a folder named by their digest."""

    folder: str
    files: Mapping[str, bytes]


def assets(own: Mapping[str, bytes] | None = None) -> Assets:
    """Return the site's assets; raises SitegenError without the bundle of the live charts.

    Every wheel carries it (`tools/wheel_hook.py`), and set-up puts it into a checkout. ``own`` are
    a report's files, which stand above those of the same name.
    """
    root = templates()
    files = {
        path.name: _COMMENTS.sub(b"", path.read_bytes())
        for path in sorted((root / "assets").iterdir())
    }
    vendor = root / "vendor"
    if absent := [name for name in _BUNDLE_FILES if not (vendor / name).is_file()]:
        raise SitegenError(
            f"the bundle of live charts is not here: {absent[0]} is missing",
            where=str(vendor),
            fix="install sitegen again, or run `make venv` in a checkout",
        )
    files |= {path.name: path.read_bytes() for path in sorted(vendor.iterdir())}
    files |= own or {}
    digest = hashlib.sha256(b"".join(files[name] for name in sorted(files)))
    digest.update("\0".join(sorted(own or {})).encode())
    return Assets(f"assets/{digest.hexdigest()[:10]}", files)


def source_digest() -> str:
    """Return a digest of everything that turns values into pages: code and templates."""
    return _code_digest() + _digest_below(templates(), "**/*.*")


@functools.cache
def _code_digest() -> str:
    """Return the digest of the code that this process runs: what is written later is not loaded."""
    root = Path(__file__).parent
    # Tables of tools say as much of pages as code does.
    tables = root.parent / "collectors" / "tables"
    return _digest_below(root, "**/*.py") + _digest_below(tables, "*.toml")


def _digest_below(folder: Path, pattern: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob(pattern)):
        if path.parent.name == _COMPILED:
            continue
        if path.is_file() and path.stat().st_size < _BUNDLE:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        elif path.is_file():
            digest.update(f"{path.name} {path.stat().st_size}".encode())
    return digest.hexdigest()
