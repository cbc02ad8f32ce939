"""A theme in a real browser: it is seen, in light and dark, and nothing is complained of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sitegen.site.build import build
from tests import site_checks as check
from tests.browser.conftest import Watch, served
from tests.site.test_theme import EXAMPLE

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("scheme", "ground"), [("light", "rgb(255, 253, 247)"), ("dark", "rgb(25, 23, 19)")]
)
def test_the_documented_theme_is_seen(
    page: Page, watch: Watch, tmp_path: Path, scheme: str, ground: str
) -> None:
    for name, text in EXAMPLE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    build(check.report(tmp_path, *check.three_a_side()))
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    with served(tmp_path / "site") as root:
        for path in ("index.html", "fio/index.html"):
            page.goto(f"{root}/{path}", wait_until="networkidle")
            style = "getComputedStyle(document.body).backgroundColor"
            assert page.evaluate(style) == ground
            logo = page.locator("header img.logo")
            assert logo.evaluate("image => [image.naturalWidth, image.height]") == [96, 32]
            assert page.get_by_role("link", name="A small report").is_visible()
            assert page.get_by_text("the platform team of Example Cloud").is_visible()
            wide = "document.documentElement.scrollWidth > innerWidth"
            for width in (390, 1280):
                page.set_viewport_size({"width": width, "height": 900})
                assert not page.evaluate(wide)
    assert watch.complaints == []
