"""The live chart lies over the SVG, under the site's policy, in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sitegen.charts import svg
from sitegen.charts.spec import FactorAxis, FactorMark
from sitegen.site import render
from tests import site_checks as check
from tests.browser.conftest import Watch, served
from tests.browser.test_site import wake
from tests.charts.examples import EXAMPLES, HUES

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

_TEMPLATES = check.ROOT / "templates"
_BARS = ".live .bars .point path"
_POINTS = ".live .scatterlayer .points path"
_WATCH_SHIFTS = """
    window.shifts = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((one) => { shifts += one.value; }))
        .observe({ type: "layout-shift", buffered: true });
"""
WIDE = FactorAxis(0.4, 12.0, (0.5, 1.0, 2.0, 5.0, 10.0))
_CENTRES = """(query) => [...document.querySelectorAll(query)].map((node) => {
    const { x, y, width, height } = node.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
}).sort(([, a], [, b]) => a - b)"""


def _page_of_all_charts() -> str:
    charts = (chart._replace(id=f"{number}") for number, chart in enumerate(EXAMPLES.values()))
    figures = "".join(map(render._chart, charts))  # noqa: SLF001 - as pages hold them
    strip = svg.factor_strip([FactorMark("TDX", 2.0, "cpu-tee")], axis=WIDE)
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td class="n" data-v="{value}">{text}</td>'
        f'<td class="strip">{strip}</td></tr>'
        for name, value, text in (("read", 2, "2 k"), ("write", 10, "10 k"), ("trim", "", "-"))
    )
    return (
        '<!doctype html><html lang="en" data-assets="assets/"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{check.POLICY}"><title>Charts</title>'
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="assets/site.css">'
        '<script defer src="assets/site.js"></script></head><body>'
        '<header class="top"><div class="wrap"><a class="name" href="#">Charts</a></div></header>'
        f'{svg.pattern_defs(HUES)}<main class="wrap"><h1>Charts</h1><div class="scroll">'
        '<table class="sortable filterable" id="t"><thead><tr><th scope="col">Name</th>'
        '<th scope="col">Value</th><th class="strip" scope="col">'
        f"{svg.factor_axis(WIDE)}</th></tr></thead><tbody>{rows}</tbody></table></div>"
        f'<div class="panels">{figures}</div></main></body></html>'
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = _TEMPLATES / "vendor" / "plotly.min.js"
    if not bundle.is_file():
        pytest.skip("plotly.js is not fetched: `make setup` does it")
    folder = tmp_path_factory.mktemp("charts")
    assets = folder / "assets"
    assets.mkdir()
    for name in ("assets/site.css", "assets/site.js", "vendor/plotly.css", "vendor/plotly.min.js"):
        shutil.copy(_TEMPLATES / name, assets)
    (folder / "index.html").write_text(_page_of_all_charts(), "utf-8")
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with served(folder) as root:
        yield f"{root}/index.html"


@pytest.fixture
def page(page: Page) -> Page:
    page.add_init_script(_WATCH_SHIFTS)
    return page


def _hover(page: Page, address: str, index: int = 0) -> None:
    page.goto(address)
    page.locator(f"#c-{index}").hover()
    page.locator(f"#c-{index}[data-live]").wait_for(state="attached")


def test_plotly_is_not_run_before_the_reader_means_it(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("typeof Plotly") == "undefined"
    assert page.locator("[data-live]").count() == 0
    assert page.evaluate("shifts") == 0


@pytest.mark.parametrize("from_file", [False, True], ids=["http", "file"])
def test_every_chart_becomes_live_without_a_complaint(
    page: Page, address: str, folder: Path, watch: Watch, *, from_file: bool
) -> None:
    page.goto((folder / "index.html").as_uri() if from_file else address)
    wake(page)
    assert page.locator("[data-live]").count() == len(EXAMPLES)
    assert page.evaluate("shifts") == 0
    assert watch.complaints == []


@pytest.mark.parametrize(
    ("name", "ours", "live"),
    [
        ("groups, one of them without a name", ".ch g > rect", _BARS),
        ("doubts that are shared", ".ch g > rect", _BARS),
        ("all negative", ".ch g > rect", _BARS),
        ("scaling", ".ch > circle", _POINTS),
        ("a reference and a doubtful point", ".ch > :has(title)", _POINTS),
        ("named places", ".ch > circle", _POINTS),
    ],
)
def test_live_marks_lie_over_those_of_the_svg(
    page: Page, address: str, name: str, ours: str, live: str
) -> None:
    index = list(EXAMPLES).index(name)
    _hover(page, address, index)
    mine, theirs = (page.evaluate(_CENTRES, f"#c-{index} {marks}") for marks in (ours, live))
    assert len(mine) >= 2
    assert [place for mark in theirs for place in mark] == pytest.approx(
        [place for mark in mine for place in mark], abs=1.0
    )


def test_theme_button_repaints_live_charts(page: Page, address: str) -> None:
    _hover(page, address)
    button = page.get_by_role("button", name="Theme")
    grounds = []
    for theme in ("light", "dark"):
        button.click()
        assert page.locator("html").get_attribute("data-theme") == theme
        grounds.append(page.evaluate("document.querySelector('#c-0 .live').layout.paper_bgcolor"))
    assert grounds == ["rgb(252, 252, 250)", "rgb(20, 22, 26)"]


def test_a_reader_can_keep_charts_static(page: Page, address: str) -> None:
    page.goto(f"{address}?live=0")
    page.locator("#c-0").hover()
    page.keyboard.press("Tab")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("typeof Plotly") == "undefined"


def test_charts_stay_when_plotly_cannot_be_had(page: Page, address: str) -> None:
    page.route("**/plotly.min.js", lambda route: route.abort())
    page.goto(address)
    with page.expect_event("requestfailed"):
        page.locator("#c-0").hover()
    assert page.locator("#c-0 svg.ch").is_visible()
    assert page.locator(".live").count() == 0


def test_rows_sort_by_value_with_the_unmeasured_last(page: Page, address: str) -> None:
    page.goto(address)
    button = page.get_by_role("button", name="Value")
    button.click()
    names = page.locator("#t tbody th")
    assert names.all_inner_texts() == ["read", "write", "trim"]
    button.click()
    assert names.all_inner_texts() == ["write", "read", "trim"]
    assert page.locator("#t [aria-sort]").get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize("width", [390, 760, 1280])
def test_page_fits_and_strips_keep_their_scale(page: Page, address: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    boxes = [strip.bounding_box() for strip in page.locator(".strip svg").all()]
    assert {box and box["width"] for box in boxes} == {WIDE.width}
