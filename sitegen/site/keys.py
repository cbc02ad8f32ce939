"""What a build and its pages are made from, in a few letters each: equal keys, equal bytes.

The runs' pages have theirs beside what renders them (`sitegen.site.run_pages`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sitegen.charts import card

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


def of_site(config: Config, entries: Sequence[Entry], source: str) -> str:
    """Return what changes when a build of the whole site may come to something else.

    ``source`` is that of the code and the templates. Files are known by their sizes and times.
    """
    # Two names of one folder are one site.
    config = replace(config, output=config.output.resolve())
    drawn_by = card.drawn_by() if config.base_url else ""
    digest = hashlib.sha256(f"{source}{config}{drawn_by}".encode("utf-8", "surrogateescape"))
    for entry in entries:
        digest.update(f"{entry.environment}/{entry.run_id}{entry.stamp}{entry.remarks}".encode())
    for path in _prose(config):
        status = path.stat()
        digest.update(f"{path.name}{status.st_mtime_ns}{status.st_size}".encode())
    return digest.hexdigest()


def _prose(config: Config) -> Iterator[Path]:
    reports = config.notes / "reports"
    for folder, pattern in ((config.notes, "*.md"), (reports, "*.md"), (config.claims, "*.toml")):
        yield from sorted(folder.glob(pattern)) if folder.is_dir() else ()


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
    parts = [f"{common}{analysis.config}{analysis.definitions}{sorted(pairs)}", *chosen]
    for run in runs:
        held = library.runs[run.id]
        parts.append(f"{held.digest}{run.environment}{run.remarks}{superseded.get(run.id)}")
    return short("".join(parts))
