"""How much a page may hold, on the rich report and on this one, whatever the archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

    from tests.browser.conftest import RichReport, Site

pytestmark = pytest.mark.browser

_SCREEN: ViewportSize = {"width": 1280, "height": 800}
_PHONE: ViewportSize = {"width": 390, "height": 844}
_MOST_SCREENS, _MOST_ELEMENTS = 10, 8000
_MEASURED = """() => [document.documentElement.scrollHeight / innerHeight,
    document.querySelectorAll("*").length]"""


def kinds(folder: Path) -> list[str]:
    """Return every page but those of runs, and of these the largest of each benchmark."""
    pages = [path for path in folder.rglob("*.html") if path.parent.parent.name != "runs"]
    largest: dict[str, Path] = {}
    for path in sorted(folder.glob("runs/*/index.html"), key=lambda path: path.stat().st_size):
        largest[path.parent.name.split("-", 1)[1].rpartition("-")[0]] = path
    return sorted(str(path.relative_to(folder)) for path in (*pages, *largest.values()))


def too_much(page: Page, root: str, folder: Path) -> dict[str, list[float]]:
    """Return the pages that pass a budget, with their screens and elements."""
    page.set_viewport_size(_SCREEN)
    found = {}
    for path in kinds(folder):
        page.goto(f"{root}/{path}", wait_until="load")
        screens, elements = page.evaluate(_MEASURED)
        if screens > _MOST_SCREENS or elements > _MOST_ELEMENTS:
            found[path] = [round(screens, 1), elements]
    return found


def test_no_page_of_the_rich_report_is_long(page: Page, rich_report: RichReport) -> None:
    assert too_much(page, rich_report.root, rich_report.folder) == {}


def test_no_page_of_this_report_is_long(page: Page, site: Site) -> None:
    assert too_much(page, site.root, site.folder) == {}


def test_no_page_of_the_rich_report_is_wider_than_a_phone(
    page: Page, rich_report: RichReport
) -> None:
    page.set_viewport_size(_PHONE)
    wide = {}
    for path in kinds(rich_report.folder):
        page.goto(f"{rich_report.root}/{path}", wait_until="load")
        if over := page.evaluate("document.documentElement.scrollWidth - innerWidth"):
            wide[path] = over
    assert wide == {}


def test_the_cost_stands_in_the_first_two_screens_of_every_benchmark(
    page: Page, rich_report: RichReport
) -> None:
    page.set_viewport_size(_SCREEN)
    for name in dict.fromkeys(run.benchmark for run in rich_report.runs):
        page.goto(f"{rich_report.root}/{name}/index.html", wait_until="load")
        box = page.locator("table.costs tbody tr").first.bounding_box()
        assert box is not None
        assert box["y"] < _SCREEN["height"], name
