"""What of a site stands in other people's pages: pictures of links, badges, charts to embed.

Made only for a site that has an address. What says the same as before is kept, not drawn again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sitegen.charts import badge, card
from sitegen.distribution import install
from sitegen.site.keys import short

if TYPE_CHECKING:
    from sitegen.charts.card import Card
    from sitegen.report.benchmark import BenchmarkPage
    from sitegen.report.share import Comparison, Shared
    from sitegen.site.folder import Output
    from sitegen.site.render import Renderer

WITHOUT = f"links to this site have no pictures: `{install('images')}` brings what draws them"


class Elsewhere:
    """Adds these files to a site; ``keys`` are what each says, for the next build."""

    def __init__(
        self, renderer: Renderer, output: Output, base: str, old: Mapping[str, str]
    ) -> None:
        """Begin with what the last build had; ``base`` changes with the code that draws."""
        self._renderer, self._output, self._old = renderer, output, old
        self._site = renderer.site
        self.drawn_by = card.drawn_by() if self._site.pictures else ""
        self._base = f"{base}{self.drawn_by}"
        self.keys: dict[str, str] = {}
        self._drawn: dict[str, bytes] = {}

    def of_benchmark(self, name: str) -> list[str]:
        """Return the files that the last build made for a benchmark, and take their keys over."""
        kept = [path for path in self._old if _benchmark(path) == name]
        self.keys |= {path: self._old[path] for path in kept}
        return kept

    def picture(self, shared: Shared) -> None:
        """Draw the picture of a page."""
        if shared.card:
            self._picture(shared.picture, shared.card)

    def benchmark(
        self,
        page: BenchmarkPage,
        whole: badge.Badge,
        comparisons: Mapping[str, Comparison],
        day: str,
    ) -> None:
        """Make the badges of a benchmark, the pictures of its comparisons, the charts to embed."""
        if not self._site.base_url:
            return
        name = page.benchmark
        self._add(f"data/badges/{name}.svg", badge.svg(whole).encode())
        for pair, one in comparisons.items():
            if one.path:
                self._add(f"data/badges/{name}/{pair}.svg", badge.svg(one.badge).encode())
                self._picture(one.picture, one.card)
                self._page(one.path, "embed_costs.html", page=page, one=one, day=day)
        for chart in page.panels[: page.open_charts]:
            path = f"data/embed/{name}/{chart.id}.html"
            self._page(path, "embed.html", page=page, drawn=chart, day=day)

    def _picture(self, path: str, drawn: Card) -> None:
        if not self._site.pictures or self._output.dry:
            return
        key = short(f"{self._base}{drawn}")
        self.keys[path] = key
        if self._old.get(path) == key and self._output.keep_files([path]):
            return
        # A benchmark's page often says what its first comparison does.
        if key not in self._drawn:
            self._drawn[key] = card.png(drawn)
        self._output.add(path, self._drawn[key])

    def _page(self, path: str, template: str, **values: object) -> None:
        data, links = self._renderer.embed(template, path, **values)
        self._add(path, data)
        self._output.refers(path, links)

    def _add(self, path: str, data: bytes) -> None:
        self.keys[path] = ""
        self._output.add(path, data)


def _benchmark(path: str) -> str:
    """Return the benchmark that a file is of, or nothing: data/cards/fio.png, data/embed/fio/..."""
    _, *parts = PurePosixPath(path).parts
    return PurePosixPath(parts[1]).stem if len(parts) > 1 else ""
