"""What a build and its pages are made from, in a few letters each: equal keys, equal bytes.

The runs' pages have theirs beside what renders them (`sitegen.site.run_pages`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sitegen.charts import card
from sitegen.config import FOLDERS, StorageTable

if TYPE_CHECKING:
    from sitegen.analysis.compare import Analysis
    from sitegen.archive.library import Library
    from sitegen.archive.store import Entry
    from sitegen.config import Config
    from sitegen.model import AnyRun


def short(data: str | bytes) -> str:
    """Return what tells one text, or one file, from another."""
    data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    return hashlib.sha256(data).hexdigest()[:20]


#: What a site is made from, as `of_site` has it.
_PARTS = ("sitegen itself", "the theme", "the settings", "the archive", "the notes", "the claims")


def of_site(config: Config, entries: Sequence[Entry], code: str, theme: str) -> str:
    """Return what changes when a build of the whole site may come to something else.

    ``code`` and ``theme`` are digests. Other files are known by their sizes and times.
    """
    drawn_by = card.drawn_by() if config.base_url else ""
    runs = [f"{one.environment}/{one.run_id}{one.stamp}{one.remarks}" for one in entries]
    notes = _stamps(config.notes, "*.md") + _stamps(config.notes / "reports", "*.md")
    claims = _stamps(config.claims, "*.toml")
    parts = (f"{code}{drawn_by}", theme, of_settings(config), "".join(runs), notes, claims)
    return " ".join(map(short, parts))


def changed(before: str, now: str) -> list[str]:
    """Return in words what is different in two keys of a site."""
    pairs = zip(_PARTS, before.split(), now.split(), strict=False)
    return [words for words, old, new in pairs if old != new] or list(_PARTS)


def of_settings(config: Config) -> str:
    """Return what the settings say to a site: not where its parts lie."""
    nowhere = dict.fromkeys(("root", "file", *FOLDERS), Path())
    store = StorageTable()
    tools = {name: one._replace(file="") for name, one in config.tools.items()}
    plain = replace(config, **nowhere, elsewhere="", storage=store, keep=(), given={}, tools=tools)
    return f"{plain}"


def _stamps(folder: Path, pattern: str) -> str:
    paths = sorted(folder.glob(pattern)) if folder.is_dir() else ()
    stats = [(path.name, path.stat()) for path in paths]
    return "".join(f"{name}{status.st_mtime_ns}{status.st_size}" for name, status in stats)


def of_benchmark(  # noqa: PLR0913 - what its page is made from
    name: str,
    runs: Sequence[AnyRun],
    analysis: Analysis,
    library: Library,
    superseded: Mapping[str, str],
    common: str,
) -> str:
    """Return what changes when one of these runs does, or what is said of all: ``common``.

    Which runs stand and what is compared with what hang on the runs of other benchmarks too.
    """
    chosen = [
        f"{label}{[run.id for run in one.runs]}{one.left_out}"
        for (of, label), one in sorted(analysis.selections.items())
        if of == name
    ]
    pairs = {
        (one.side.environment, one.baseline.environment, one.against)
        for one in analysis.comparisons
        if one.series.benchmark == name
    }
    parts = [
        f"{common}{of_settings(analysis.config)}{analysis.definitions}{sorted(pairs)}",
        *chosen,
    ]
    for run in runs:
        held = library.runs[run.id]
        parts.append(f"{held.digest}{run.environment}{run.remarks}{superseded.get(run.id)}")
    return short("".join(parts))
