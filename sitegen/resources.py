"""The files that come with sitegen: templates and assets, in a wheel or in a checkout."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sitegen.errors import SitegenError

_BUNDLE = 1_000_000
_BUNDLE_FILES = ("plotly.min.js", "plotly.css", "plotly.LICENSE.txt")


def templates() -> Path:
    """Return the folder of templates: in the wheel, or beside the package in a checkout."""
    packed = Path(str(files("sitegen").joinpath("_templates")))
    return packed if packed.is_dir() else Path(__file__).parent.parent / "templates"


@dataclass(frozen=True, slots=True)
class Assets:
    """The files that every page shares, in a folder named by their digest."""

    folder: str
    files: Mapping[str, bytes]


def assets() -> Assets:
    """Return the site's assets; raises SitegenError without the bundle of the live charts.

    Every wheel carries it (`tools/wheel_hook.py`), and set-up puts it into a checkout.
    """
    root = templates()
    found = {path.name: path.read_bytes() for path in sorted((root / "assets").iterdir())}
    vendor = root / "vendor"
    if absent := [name for name in _BUNDLE_FILES if not (vendor / name).is_file()]:
        raise SitegenError(
            f"the bundle of live charts is not here: {absent[0]} is missing",
            where=str(vendor),
            fix="install sitegen again, or run `make venv` in a checkout",
        )
    found |= {path.name: path.read_bytes() for path in sorted(vendor.iterdir())}
    digest = hashlib.sha256(b"".join(found[name] for name in sorted(found))).hexdigest()[:10]
    return Assets(f"assets/{digest}", found)


def source_digest() -> str:
    """Return a digest of everything that turns values into pages: code and templates."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for folder, pattern in ((package, "**/*.py"), (templates(), "**/*.*")):
        for path in sorted(folder.glob(pattern)):
            if path.is_file() and path.stat().st_size < _BUNDLE:
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
            elif path.is_file():
                digest.update(f"{path.name} {path.stat().st_size}".encode())
    return digest.hexdigest()
