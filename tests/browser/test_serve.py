"""A report that is written while it is looked at, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from sitegen.archive import Archive
from tests import site_checks as check
from tests.site.test_serve import serving

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from tests.browser.conftest import Watch

pytestmark = pytest.mark.browser
_PATIENCE_MS = 20_000


def test_an_open_page_shows_what_is_saved_what_is_wrong_and_what_comes_in(
    page: Page, watch: Watch, tmp_path: Path
) -> None:
    check.report(tmp_path, *check.three_a_side())
    check.note(tmp_path, "The first words.")
    with serving(tmp_path) as server:
        page.goto(f"http://localhost:{server.port}/fio/")
        body, bar = page.locator("body"), page.get_by_role("alert")
        expect(body).to_contain_text("The first words.")
        assert bar.count() == 0
        built = check.tree(tmp_path / "site")

        check.note(tmp_path, "Words {{ nope }}.")
        failure = "Not built: notes/fio.md:1: 'nope' is undefined; the archive has no such figure"
        expect(bar).to_have_text(failure, timeout=_PATIENCE_MS)
        expect(body).to_contain_text("The first words.")
        assert check.differing(check.tree(tmp_path / "site"), built) == []
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            box = bar.bounding_box()
            assert box is not None
            assert (box["x"], box["width"]) == (0, width)
            assert box["y"] + box["height"] == 800

        check.note(tmp_path, "The second words.")
        expect(body).to_contain_text("The second words.", timeout=_PATIENCE_MS)
        assert bar.count() == 0

        page.goto(f"http://localhost:{server.port}/runs/")
        run = check.storage_run(50)
        assert run.id not in page.content()
        check.write(tmp_path, run)
        expect(page.locator(f'a[href*="{run.id}"]').first).to_be_visible(timeout=_PATIENCE_MS)
        assert len(Archive(tmp_path / "archive").scan()) == len(check.three_a_side()) + 1
    # What asks for news again when the server is gone is no fault of the page.
    assert [said for said in watch.complaints if "/-/changes" not in said] == []


def test_hidden_pages_hold_no_connection(context: BrowserContext, tmp_path: Path) -> None:
    check.report(tmp_path, *check.three_a_side())
    check.note(tmp_path, "Before.")
    with serving(tmp_path) as server:
        tabs = [context.new_page() for _ in range(9)]
        for tab in tabs:
            tab.add_init_script("Object.defineProperty(document, 'hidden', { get: () => hidden })")
            tab.add_init_script("var hidden = false")
        for tab in tabs:
            tab.goto(f"http://localhost:{server.port}/fio/")
            tab.evaluate("hidden = true; document.dispatchEvent(new Event('visibilitychange'))")
        check.note(tmp_path, "After.")
        tabs[0].evaluate("hidden = false; document.dispatchEvent(new Event('visibilitychange'))")
        expect(tabs[0].locator("body")).to_contain_text("After.", timeout=_PATIENCE_MS)
