"""What a report's own folder puts above the tool's pages, file by file: its theme.

Templates stand above those of the same name, a style is read after the site's own, a logo takes
the place of the title. The policy that every page states stays, so nothing of it runs in a page or
comes from elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from sitegen import bounds
from sitegen.errors import SitegenError
from sitegen.resources import templates

#: What the style of a theme is called among the assets.
_STYLE = "theme.css"
_TEMPLATES, _OWN_STYLE, _ICON = "templates", "style.css", "icon.svg"
#: The first that is there.
_LOGOS = ("logo.svg", "logo.png")
_KNOWN = (_TEMPLATES, _OWN_STYLE, *_LOGOS, _ICON)
_MAX_FILE = 2_000_000
_LOGO_STYLE = b".top .name .logo { display: block; height: 2rem; max-width: 100% }\n"


class Theme(Struct, frozen=True):
    """A theme as it is read; an empty one changes nothing.

    ``templates`` is their folder, or None; ``files`` are what pages load, for the assets;
    ``logo`` and ``style`` name
    two of them, or nothing; ``digest`` is that of all of it; ``hints`` name what overrides nothing.
    """

    templates: Path | None = None
    files: Mapping[str, bytes] = {}
    logo: str = ""
    style: str = ""
    digest: str = ""
    hints: tuple[str, ...] = ()


def read(folder: Path) -> Theme:
    """Return the theme in a folder, which need not exist; raises SitegenError for a large file."""
    if not folder.is_dir():
        return Theme()
    _check_places(folder)
    digest, own = hashlib.sha256(), folder / _TEMPLATES
    pages = list(_pages(own))
    for name in pages:
        digest.update(f"{name}\0".encode() + _read(own / name) + b"\0")
    there = {name: _read(folder / name) for name in _KNOWN[1:] if (folder / name).is_file()}
    for name, data in there.items():
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    logo = next((name for name in _LOGOS if name in there), "")
    style = (_LOGO_STYLE if logo else b"") + there.get(_OWN_STYLE, b"")
    files = {name: there[name] for name in (logo, _ICON) if name in there}
    if style:
        files[_STYLE] = style
    hints = tuple(_hints(folder, pages))
    digest.update(f"{hints}".encode("utf-8", "surrogateescape"))
    return Theme(
        own if pages else None, files, logo, _STYLE if style else "", digest.hexdigest(), hints
    )


def _check_places(folder: Path) -> None:
    """Raise SitegenError for a link out of the theme: what it leads to would be published."""
    top = folder.resolve()
    for path in (*folder.iterdir(), *(folder / _TEMPLATES).rglob("*")):
        if path.is_symlink() and not path.resolve().is_relative_to(top):
            fix = "put a copy in its place"
            raise SitegenError("leads out of the theme", where=str(path), fix=fix)


def _pages(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.html")):
        yield path.relative_to(folder).as_posix()


def _read(path: Path) -> bytes:
    try:
        return bounds.read_file(path, _MAX_FILE)
    except SitegenError as error:
        raise SitegenError(error.what, where=str(path)) from error


def _hints(folder: Path, pages: list[str]) -> Iterator[str]:
    """Name what nothing reads: a mistyped name changes no page, and says nothing either."""
    for name in pages:
        # What a theme's own templates include is called so.
        if not (templates() / name).is_file() and not Path(name).name.startswith("_"):
            yield f"{folder / _TEMPLATES / name} overrides nothing: no template is called so"
    for path in sorted(folder.iterdir()):
        name = path.name
        if name not in _KNOWN and not name.startswith((".", "README")):
            yield f"{path} is not read: a theme has {', '.join(_KNOWN)}"
