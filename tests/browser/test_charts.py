"""The live chart lies over the SVG, under the site's policy, in a real browser."""

from __future__ import annotations

import csv
import io
import shutil
import xml.etree.ElementTree as ET  # our own markup
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from sitegen.charts import svg
from sitegen.charts.spec import FactorAxis, FactorMark
from sitegen.site import render
from tests import site_checks as check
from tests.browser.conftest import Watch, served
from tests.browser.test_site import wake
from tests.charts.examples import EXAMPLES, HUES

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

_TEMPLATES = check.ROOT / "templates"
_BARS = ".live .bars .point path"
_POINTS = ".live .scatterlayer .points path"
#: Sums up how far what a reader sees moved by itself.
WATCH_SHIFTS = """
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
        '<!doctype html><html lang="en" data-assets="assets/0/"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{check.POLICY}"><title>Charts</title>'
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="assets/0/site.css">'
        '<script defer src="assets/0/site.js"></script></head><body>'
        '<header class="top"><div class="wrap"><a class="name" href="#">Charts</a><span class="controls"></span></div></header>'
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
    assets = folder / "assets" / "0"
    assets.mkdir(parents=True)
    for name in (
        "assets/site.css",
        "assets/site.js",
        "assets/live.css",
        "assets/live.js",
        "assets/save.js",
        "vendor/plotly.css",
        "vendor/plotly.min.js",
    ):
        shutil.copy(_TEMPLATES / name, assets)
    (folder / "index.html").write_text(_page_of_all_charts(), "utf-8")
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with served(folder) as root:
        yield f"{root}/index.html"


@pytest.fixture
def page(page: Page) -> Page:
    page.add_init_script(WATCH_SHIFTS)
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


def _live(page: Page, address: str, name: str) -> Locator:
    index = list(EXAMPLES).index(name)
    _hover(page, address, index)
    return page.locator(f"#c-{index}")


def _range(figure: Locator, axis: str = "yaxis") -> list[float]:
    found: list[float] = figure.locator(".live").evaluate(
        "(box, axis) => box.layout[axis].range", axis
    )
    return found


def test_a_series_is_switched_off_and_on_by_its_name(page: Page, address: str) -> None:
    figure = _live(page, address, "scaling")
    shown = figure.locator(".scatterlayer .trace")
    expect(shown).to_have_count(2)
    button = figure.get_by_role("button", name="bare metal")
    button.press("Enter")
    expect(shown).to_have_count(1)
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(figure.locator(".annotation", has_text="bare metal")).to_have_count(0)
    page.get_by_role("button", name="Theme").click()
    expect(shown).to_have_count(1)
    button.click()
    expect(shown).to_have_count(2)
    assert page.evaluate("shifts") == 0


def test_bars_that_stay_take_the_room_of_those_that_go(page: Page, address: str) -> None:
    figure = _live(page, address, "groups, one of them without a name")
    _, before = _range(figure, "xaxis")
    figure.get_by_role("button", name="H200 host").click()
    expect(figure.locator(".live .textpoint")).to_have_count(4)
    _, after = _range(figure, "xaxis")
    assert after / before == pytest.approx(75 / 259)


def test_a_continuous_axis_is_zoomed_and_its_ticks_follow(page: Page, address: str) -> None:
    figure = _live(page, address, "scaling")
    whole = _range(figure)
    figure.hover()
    figure.get_by_role("button", name="Zoom in").click()
    expect(figure.locator(".ytick text", has_text="100k")).to_have_count(0)
    low, high = _range(figure)
    assert whole[0] < low < high < whole[1]
    assert figure.locator(".ytick").count() >= 2
    figure.get_by_role("button", name="Reset axes").click()
    expect(figure.locator(".ytick text", has_text="100k")).to_have_count(1)
    assert _range(figure) == pytest.approx(whole)


def test_bars_over_categories_stay_where_they_are(page: Page, address: str) -> None:
    figure = _live(page, address, "doubts that are shared")
    figure.hover()
    expect(figure.get_by_role("button", name="Zoom in")).to_have_count(0)
    assert figure.locator(".live").evaluate("box => box.layout.dragmode") is False


def _click_first_bar(page: Page, address: str, name: str) -> Locator:
    figure = _live(page, address, name)
    box = figure.locator(_BARS).first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(figure.locator(".hovertext")).to_be_visible()
    page.mouse.down()
    page.mouse.up()
    return figure


def test_a_bar_of_one_run_leads_to_it(page: Page, address: str) -> None:
    page.route("**/runs/**", lambda route: route.fulfill(body="a run"))
    figure = _live(page, address, "what values stand on")
    said = figure.locator(".live").evaluate("box => box.data[0].customdata[0]")
    assert said == "Lab VM: 72 k/s<br>70 to 74 at 95 %, 1 run of 3"
    _click_first_bar(page, address, "what values stand on")
    page.wait_for_url("**/runs/20261116t103517z-fio-aaaaaaaa/index.html")


def test_a_bar_of_several_runs_lists_them(page: Page, address: str) -> None:
    figure = _live(page, address, "what values stand on")
    box = figure.locator(_BARS).nth(1).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 9, box["y"] + 5)
    expect(figure.locator(".hovertext")).to_be_visible()
    page.mouse.down()
    page.mouse.up()
    links = figure.locator(".of a")
    expect(links).to_have_text(
        ["2026-11-16 10:35bbbbbbbb", "20261115t103517z-fio-cccccccccccccccc"]
    )
    expect(links.first).to_be_focused()
    page.keyboard.press("Escape")
    expect(links).to_have_count(0)
    assert page.evaluate("shifts") == 0


def _saved(page: Page, figure: Locator, form: str) -> tuple[str, bytes]:
    figure.get_by_text("Save").click()
    with page.expect_download() as waiting:
        figure.get_by_role("button", name=form).click()
    return waiting.value.suggested_filename, waiting.value.path().read_bytes()


@pytest.mark.parametrize("from_file", [False, True], ids=["http", "file"])
def test_a_chart_is_saved_with_where_it_comes_from_and_without_plotly(
    page: Page, address: str, folder: Path, watch: Watch, *, from_file: bool
) -> None:
    index = list(EXAMPLES).index("what values stand on")
    address = (folder / "index.html").as_uri() if from_file else address
    page.goto(f"{address}?live=0")
    figure = page.locator(f"#c-{index}")
    name, data = _saved(page, figure, "SVG")
    assert name == "random-4-kib-lab-cvm-vs-lab-vm-2026-11-16.svg"
    root = ET.fromstring(data)  # noqa: S314
    texts = ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("text")]
    for text in ("Random, 4 KiB", "Charts · newest run 2026-11-16", "Lab VM", "72"):
        assert text in texts, texts
    assert ("".join(texts).count(f"#c-{index}") == 1) is not from_file
    assert not {"class", "style"} & {key for node in root.iter() for key in node.attrib}
    assert {node.get("fill") for node in root.iter() if node.tag.endswith("rect")} >= {
        "rgb(0, 121, 90)", "url(#p-cpu-tee)"}  # fmt: skip
    name, data = _saved(page, figure, "PNG")
    assert name.endswith("2026-11-16.png")
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    name, data = _saved(page, figure, "CSV")
    assert name.endswith("2026-11-16.csv")
    first, second = csv.DictReader(io.StringIO(data.decode(), newline=""))
    assert (first["series"], first["value"]) == ("Lab VM", "72")
    assert (first["low"], first["high"], first["unit"]) == ("70", "74", "k/s")
    assert first["stands on"] == "70 to 74 at 95 %, 1 run of 3"
    assert second["caveat"] == "'=1+1"
    assert second["runs"].split() == [
        "20261115t103517z-fio-cccccccc",
        "20261116t103517z-fio-bbbbbbbb",
    ]
    assert first["source"] == "Charts"
    assert page.evaluate("typeof Plotly") == "undefined"
    assert page.evaluate("shifts") == 0
    assert watch.complaints == []


def test_paper_gets_the_drawing_and_no_controls(page: Page, address: str) -> None:
    _hover(page, address)
    page.emulate_media(media="print")
    assert page.locator("#c-0 svg.ch").is_visible()
    for controls in (".live", ".under"):
        expect(page.locator(f"#c-0 {controls}")).to_be_hidden()


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
