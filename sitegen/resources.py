"""The files that come with sitegen: templates and assets, in a wheel or in a checkout."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

_BUNDLE = 1_000_000


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
    """Return the site's assets.

    Without the pinned bundle of plotly.js the one in the plotly package stands in: three
    times the weight, the same charts.
    """
    root = templates()
    found = {path.name: path.read_bytes() for path in sorted((root / "assets").iterdir())}
    vendor = root / "vendor"
    if (vendor / "plotly.min.js").is_file():
        found |= {path.name: path.read_bytes() for path in sorted(vendor.iterdir())}
    else:
        package = find_spec("plotly")
        if package is not None and package.origin:
            bundle = Path(package.origin).parent / "package_data" / "plotly.min.js"
            found["plotly.min.js"] = bundle.read_bytes()
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
