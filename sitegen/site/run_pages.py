"""The pages of runs: which are to be rendered again, and what each comes to.

A page is kept while all that it says is the same: the run, what stands beside it, what uses it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sitegen import bounds
from sitegen.analysis.selection import superseded
from sitegen.archive.store import SHOWN_BYTES, Archive, Entry
from sitegen.errors import SitegenError
from sitegen.report import siblings
from sitegen.site.folder import Content, Output, tar
from sitegen.site.keys import short

if TYPE_CHECKING:
    from sitegen.analysis.compare import Analysis
    from sitegen.archive.library import Held, Library
    from sitegen.archive.manifest import File
    from sitegen.model import AnyRun, Run, Sample
    from sitegen.site.render import Renderer

_EXCERPT_LINES, _EXCERPT_CHARACTERS, _EXCERPTS = 40, SHOWN_BYTES // 4, 14
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Stale(SitegenError):  # noqa: N818 - never shown: the build begins again
    """A run that the cache holds is not whole any more."""


class RunFiles:
    """Reads the files of runs; raises Stale where one is not what the cache took it for."""

    def __init__(self, archive: Archive) -> None:
        """Read from this archive."""
        self.archive = archive

    def manifest(self, entry: Entry) -> tuple[Run, tuple[File, ...], bytes]:
        """Return a run without its rows, its files, and its manifest as it lies there."""
        try:
            return self.archive.manifest(entry)
        except SitegenError as error:
            raise Stale(error.what, where=entry.run_id) from error

    def part(self, held: Held, file: File) -> bytes:
        """Return a file of a run, whose digest holds."""
        try:
            return self.archive.checked(held.entry, file)
        except SitegenError as error:
            raise Stale(error.what, where=held.entry.run_id) from error

    def samples(self, held: Held, files: Sequence[File]) -> tuple[Sample, ...]:
        """Return the samples of a run, where it has any."""
        try:
            return self.archive.samples(held.entry, files) if held.samples else ()
        except SitegenError as error:
            raise Stale(error.what, where=held.entry.run_id) from error


class RunPages:
    """Makes the pages of runs; ``keys`` are what each says, for the next build."""

    def __init__(  # noqa: PLR0913 - what all of them are made from
        self,
        files: RunFiles,
        library: Library,
        analysis: Analysis,
        renderer: Renderer,
        runs: Sequence[AnyRun],
        base: str,
    ) -> None:
        """Begin with what they share; ``base`` changes with the code and the site."""
        self.files, self.library, self.analysis = files, library, analysis
        self.renderer, self.runs, self.base = renderer, runs, base
        self.superseded = superseded(runs)
        self.siblings: dict[str, siblings.Siblings] = {}
        self.uses: dict[tuple[str, str], tuple[siblings.Use, ...]] = {}
        self.keys: dict[str, str] = {}

    def _published(self, budget: int) -> list[tuple[Held, bool]]:
        """Return the runs, the newest first, and whether the raw output of each has room."""
        published = []
        for run in reversed(self.runs):
            held = self.library.runs[run.id]
            with_raw = held.raw_bytes <= budget
            budget -= held.raw_bytes if with_raw else 0
            published.append((held, with_raw))
        return published

    def fresh(
        self, max_bytes: int, old: Mapping[str, str], output: Output
    ) -> list[tuple[Held, bool]]:
        """Return the runs whose pages are to be rendered; those of the others are kept.

        With each, whether its raw output is published: so many bytes in all. ``old`` are the keys
        of the last build.
        """
        self.siblings = dict(siblings.of_runs(self.analysis, self.runs))
        self.uses = siblings.uses(self.analysis)
        used = {key: short(f"{each}") for key, each in self.uses.items()}
        # A metric is defined by whichever run does so last.
        base = f"{self.base}{self.analysis.definitions}"
        fresh = []
        for held, with_raw in self._published(max_bytes):
            run_id, declared = held.run.id, self.analysis.config.environment(held.run.environment)
            self.keys[run_id] = key = short(
                f"{base}{held.digest}{declared}{self.superseded.get(run_id)}{with_raw}"
                f"{held.run.remarks}{self.siblings[run_id]}"
                f"{used.get((held.run.benchmark, held.run.environment))}"
            )
            if old.get(run_id) != key or not output.keep(run_id):
                fresh.append((held, with_raw))
        return fresh

    def made(self, site: Output, part: Sequence[tuple[Held, bool]]) -> Content:
        """Return what the pages of some runs come to."""
        output = site.part()
        for held, with_raw in part:
            self._page(held, output, with_raw=with_raw)
        return output.content()

    def _page(self, held: Held, output: Output, *, with_raw: bool) -> None:
        from sitegen.report import run as pages

        run_id, base = held.run.id, f"runs/{held.run.id}"
        whole, files, manifest = self.files.manifest(held.entry)
        downloads = [pages.download("run.json", len(manifest), held.digest, published=True)]
        bundle = [("run.json", manifest)]
        excerpts: dict[str, str] = {}
        for file in files:
            published = with_raw or not file.name.startswith("raw/")
            downloads.append(
                pages.download(file.name, file.bytes, file.sha256, published=published)
            )
            if published:
                data = self.files.part(held, file)
                bundle.append((file.name, data))
                if len(excerpts) < _EXCERPTS and file.name.endswith(".out.gz"):
                    excerpts[file.name[4:-3]] = _excerpt(data)
        page = pages.page(
            self.analysis,
            replace(whole, environment=held.run.environment, remarks=held.run.remarks),
            digest=held.digest,
            table=held.run.table,
            bundle=f"{run_id}.tar",
            downloads=downloads,
            excerpts=excerpts,
            samples=self.files.samples(held, files),
            superseded_by=self.superseded.get(run_id, ""),
            siblings=self.siblings[run_id],
            uses=self.uses.get((held.run.benchmark, held.run.environment), ()),
        )
        html, links = self.renderer.run_page(page)
        output.add(f"{base}/index.html", html)
        output.add(f"{base}/{run_id}.tar", tar(run_id, bundle))
        output.refers(f"{base}/index.html", links)


def _excerpt(data: bytes) -> str:
    """Return the beginning of a gzipped output; only as much as is shown is unpacked."""
    text = bounds.beginning(data, SHOWN_BYTES).decode("utf-8", "replace")
    lines = text[:_EXCERPT_CHARACTERS].splitlines()[:_EXCERPT_LINES]
    return _ANSI.sub("", "\n".join(lines))
