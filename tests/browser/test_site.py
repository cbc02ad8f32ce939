"""The report in a real browser: every kind of page, wherever it is served from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, Locator, Page, expect

from sitegen.model import Measurement
from tests import site_checks as check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Site, Watch

pytestmark = pytest.mark.browser

# Every text that a chart's SVG says of its marks, and every one that the live chart says.
_SVG_SAYS = """figure => [...figure.querySelectorAll("svg.ch title")].map(t => t.textContent)"""
_LIVE_SAYS = """figure => figure.querySelector(".live").data
    .flatMap(trace => trace.customdata ?? []).flat()"""
_OF_MANY_POINTS = """figure => figure.querySelector(".live").data
    .every(trace => trace.mode === "lines")"""
# Each bar's sentence with its printed value, and with its length in the live chart.
_BARS = """figure => [...figure.querySelectorAll("svg.ch > g:has(> title):has(rect)")].map(g => [
    g.querySelector("title").textContent,
    [...g.querySelectorAll("text:not(.e)")].at(-1).firstChild.textContent.trim()])"""
_LIVE_BARS = """figure => figure.querySelector(".live").data
    .filter(trace => trace.type === "bar")
    .flatMap(trace => (trace.customdata ?? []).map((text, i) => [text, trace.x[i]]))
    .filter(([, x]) => x !== null)"""
#: What one of a display unit may be in base units.
_SCALES = (1.0, 1e-9, 1e-6, 1e-3, 0.01, 1e3, 1e6, 1e9, 1e12, 2.0**10, 2.0**20, 2.0**30)
#: One after another; what is in a closed section has no place.
_INTO_VIEW = """async (figures) => {
    for (const figure of figures.filter((one) => one.querySelector(".plot").checkVisibility())) {
        figure.scrollIntoView({ block: "nearest" });
        for (const start = performance.now(); figure.dataset.live !== "1";) {
            await new Promise(requestAnimationFrame);
            if (performance.now() - start > 20000) throw new Error(`${figure.id} stays a drawing`);
        }
    }
}"""
_FITS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
_STICKING_OUT = """() => [...document.querySelectorAll("body *")].filter(e => {
    if (e.closest(".scroll, svg, .vh, pre")) return false;
    const box = e.getBoundingClientRect();
    return box.width && box.right > document.documentElement.clientWidth + 1;
}).map(e => e.outerHTML.slice(0, 90)).slice(0, 5)"""


def charts(page: Page) -> Locator:
    return page.locator("figure.chart:has(script.spec)")


def wake(page: Page) -> None:
    """Do what a reader does first: point at a chart; then bring every chart into view."""
    figures = charts(page)
    figures.first.hover()
    figures.evaluate_all(_INTO_VIEW)


@pytest.mark.parametrize("place", ["root", "path", "file"])
def test_every_kind_of_page_loads_without_a_complaint(
    page: Page, watch: Watch, site: Site, place: str
) -> None:
    for kind in site.kinds:
        page.goto(f"{site.base(place)}/{kind}", wait_until="load")
        expect(page.locator("h1")).to_have_count(1)
        # Styles came: without them a list of links is no bar.
        assert page.locator("header nav").evaluate("e => getComputedStyle(e).display") != "block"
        expect(page.get_by_role("button", name="Theme")).to_be_visible()
    assert watch.complaints == []
    base = site.base(place)
    assert {url for url in watch.requests if not url.startswith((f"{base}/", "data:"))} == set()


@pytest.mark.parametrize("place", ["root", "path", "file"])
def test_the_first_intent_brings_live_charts_without_a_complaint(
    page: Page, watch: Watch, site: Site, place: str
) -> None:
    page.goto(f"{site.base(place)}/7z/index.html", wait_until="load")
    expect(page.locator("[data-live]")).to_have_count(0)
    wake(page)
    assert watch.complaints == []
    base = site.base(place)
    outside = {u for u in watch.requests if not u.startswith((f"{base}/", "data:", "blob:"))}
    assert outside == set()


def test_every_chart_comes_alive_says_what_its_drawing_says_and_widens_no_narrow_page(
    page: Page, watch: Watch, site: Site
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for kind in site.live:
        page.goto(f"{site.root}/{kind}", wait_until="load")
        wake(page)
        assert page.evaluate(_FITS) <= 0, (kind, page.evaluate(_STICKING_OUT))
        for figure in page.locator("figure[data-live]").all():
            said = [_unescaped(text) for text in figure.evaluate(_LIVE_SAYS)]
            if figure.evaluate(_OF_MANY_POINTS):  # each says its place and value, and no more
                assert said == []
                continue
            drawn = [" ".join(one.split()) for one in figure.evaluate(_SVG_SAYS)]
            assert sorted(said) == sorted(drawn) != [], (kind, figure.get_attribute("id"))
    assert watch.complaints == []


def _unescaped(text: str) -> str:
    text = re.sub(r"\s*<br>\s*", " ", text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def test_a_bar_is_as_long_as_the_table_says(page: Page, site: Site) -> None:
    for name in ("fio", "7z", "llm"):
        page.goto(f"{site.root}/{name}/index.html", wait_until="load")
        table: dict[str, list[float]] = {}
        unfold(page, "figures")
        for text, value in page.locator("section:has(#figures) td[data-v]").evaluate_all(
            "cells => cells.map(c => [c.querySelector('a').textContent, Number(c.dataset.v)])"
        ):
            table.setdefault(text, []).append(value)
        wake(page)
        for figure in page.locator("section:has(#delivers) figure[data-live]").all():
            bars = figure.evaluate(_BARS)
            lengths = {_unescaped(text): length for text, length in figure.evaluate(_LIVE_BARS)}
            assert len(bars) == len(lengths), name
            compared = 0
            for sentence, text in ((" ".join(said.split()), text) for said, text in bars):
                if text in table:
                    compared += 1
                    assert any(
                        value == pytest.approx(lengths[sentence] * scale, rel=1e-9)
                        for value in table[text]
                        for scale in _SCALES
                    ), (name, sentence)
            assert compared, (name, bars)


def test_a_chart_can_be_kept_as_a_picture(page: Page, site: Site) -> None:
    page.goto(f"{site.root}/7z/index.html", wait_until="load")
    figure = charts(page).first
    figure.hover()
    expect(figure).to_have_attribute("data-live", "1")
    figure.get_by_text("Save").click()
    with page.expect_download() as waiting:
        figure.get_by_role("button", name="PNG").click()
    assert waiting.value.path().read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert re.fullmatch(r"7z-[a-z0-9.-]+\.png", waiting.value.suggested_filename)


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_scrolls_sideways(page: Page, site: Site, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    for kind in site.kinds:
        page.goto(f"{site.root}/{kind}", wait_until="load")
        assert page.evaluate(_FITS) <= 0, (kind, page.evaluate(_STICKING_OUT))


def test_without_scripts_pages_are_whole(browser: Browser, site: Site, watch: Watch) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    watch.on(plain)
    for kind in site.kinds:
        plain.goto(f"{site.root}/{kind}", wait_until="load")
        for figure in plain.locator("figure.chart").all():
            if figure.is_visible():
                box = figure.locator("svg.ch").bounding_box()
                assert box is not None, kind
                assert box["width"] > 100, kind
                assert box["height"] > 20, kind
        for details in plain.locator("main > section > details").all():
            if details.get_attribute("open") is None:
                details.locator("> summary").click()
        assert any(table.is_visible() for table in plain.locator("table").all()), kind
        expect(plain.locator("button, input")).to_have_count(0)
    assert watch.complaints == []
    context.close()


def test_a_row_of_a_run_opens_without_scripts_to_its_command(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{site.root}/{site.long_run}", wait_until="load")
    more = plain.locator("tr.more").first
    command = more.locator("pre.copy")
    expect(command).not_to_be_visible()
    more.locator("summary").first.click()
    expect(command).to_have_text("fio --name=read_iops --bs=4k")
    expect(more.locator("dl.reps dd").first).to_have_text("250, 251, 249")
    expect(plain.locator("tr:has(+ tr.more) svg.ch").first).to_be_visible()
    link = plain.locator("td.addr a").nth(1)
    link.click()
    address = link.get_attribute("href") or ""
    expect(plain).to_have_url(re.compile(re.escape(address) + "$"))
    assert plain.evaluate("document.querySelector(':target').matches('tr')")
    context.close()


def test_a_run_of_hundreds_of_workloads_stays_within_ten_screens(
    page: Page, tmp_path: Path
) -> None:
    rows = [
        Measurement(f"workload-{n}", f"own.metric-{n % 20}", "value", "s", 1.0 + n, (), repetition)
        for n in range(400)
        for repetition in range(3)
    ]
    run = check.with_rows(replace(check.storage_run(0), benchmark="own"), *rows)
    steps = [
        replace(run.steps[0], name=f"step-{n}", workload=f"workload-{n}", raw=(f"{n}.out",))
        for n in range(300)
    ]
    run = replace(run, steps=tuple(steps), id=run.id.replace("-fio-", "-own-"))
    check.built(tmp_path, run)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto((tmp_path / f"site/runs/{run.id}/index.html").as_uri(), wait_until="load")
    assert page.evaluate("document.documentElement.scrollHeight") <= 8000
    assert page.evaluate("document.querySelectorAll('*').length") <= 8000
    assert page.evaluate(_FITS) <= 0


def test_the_theme_goes_round_and_is_remembered(page: Page, site: Site) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(f"{site.root}/index.html", wait_until="load")
    ground = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    button = page.get_by_role("button", name="Theme")
    button.click()
    expect(button).to_have_text("Theme: light")
    assert page.evaluate(ground) == light
    button.click()
    expect(button).to_have_text("Theme: dark")
    dark = page.evaluate(ground)
    assert dark != light
    page.goto(f"{site.root}/fio/index.html", wait_until="load")
    expect(page.get_by_role("button", name="Theme")).to_have_text("Theme: dark")
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate(ground) == light


def test_the_system_decides_until_the_reader_does(page: Page, site: Site) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(f"{site.root}/index.html", wait_until="load")
    ground = "() => getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    assert page.evaluate(ground) != dark


def unfold(page: Page, section: str) -> None:
    """Open what a section folds away, and wait for its table."""
    folded = page.locator(f"section:has(#{section}) details.rest").first
    folded.locator("summary").click()
    expect(folded.locator("table").first).to_be_visible()


def test_what_a_page_folds_away_comes_when_it_is_opened(page: Page, site: Site) -> None:
    page.goto(f"{site.root}/fio/index.html", wait_until="load")
    assert page.evaluate("self.sitegenRest") is None
    folded = page.locator("section:has(#figures) details.rest")
    link = folded.locator("p.note")
    expect(link).to_have_count(1)
    unfold(page, "figures")
    expect(link).to_have_count(0)
    assert folded.locator("tbody tr").count() > 10
    expect(folded.get_by_role("searchbox")).to_be_visible()


def test_a_link_leads_into_what_is_folded_away(page: Page, site: Site) -> None:
    page.goto(f"{site.root}/fio/index.html", wait_until="load")
    unfold(page, "costs")
    folded = page.locator("section:has(#costs) details.rest").first
    name = folded.locator("tbody tr").last.get_attribute("id")
    assert name
    page.goto(f"{site.root}/llm/index.html", wait_until="load")
    page.goto(f"{site.root}/fio/index.html#{name}", wait_until="load")
    row = page.locator(f"[id='{name}']")
    expect(row).to_be_in_viewport()


def test_costs_sort_by_number_both_ways(page: Page, site: Site) -> None:
    page.goto(f"{site.root}/llm/index.html", wait_until="load")
    unfold(page, "costs")
    table = page.locator("table.sortable:has(th:has-text('Cost'))").first
    head = table.locator("thead th", has_text="Cost")
    cells = table.locator("tbody tr td:nth-child(2)[data-v]")

    def numbers() -> list[float]:
        return [float(value) for value in cells.evaluate_all("all => all.map(c => c.dataset.v)")]

    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    rising = numbers()
    assert rising == sorted(rising)
    assert len(set(rising)) > 2
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert numbers() == sorted(rising, reverse=True)


def test_a_filter_survives_in_the_address(page: Page, site: Site) -> None:
    page.goto(f"{site.root}/environments/index.html", wait_until="load")
    rows = page.locator("tbody tr")
    every = rows.count()
    field = page.get_by_role("searchbox")
    field.fill("cvm lab")
    field.press("Enter")
    shown = rows.locator("visible=true")
    few = shown.count()
    assert 0 < few < every
    for text in shown.all_text_contents():
        assert "cvm" in text.lower()
        assert "lab" in text.lower()
    expect(page).to_have_url(re.compile(r"#.*=cvm(\+|%20)lab"))
    page.reload(wait_until="load")
    expect(field).to_have_value("cvm lab")
    expect(shown).to_have_count(few)
    field.fill("")
    field.press("Enter")
    expect(shown).to_have_count(every)
    expect(page).not_to_have_url(re.compile("cvm"))


def test_the_first_tab_skips_to_the_content(page: Page, site: Site) -> None:
    page.goto(f"{site.root}/fio/index.html", wait_until="load")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#main$"))
    page.keyboard.press("Tab")
    inside = page.evaluate("() => document.querySelector('main').contains(document.activeElement)")
    assert inside


def test_the_focus_is_seen_wherever_it_goes(page: Page, site: Site) -> None:
    page.goto(f"{site.root}/7z/index.html?live=0", wait_until="load")
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        found: dict[str, Any] = page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
            const box = e.getBoundingClientRect();
            return {what: e.outerHTML.slice(0, 100), body: e === document.body,
                outline: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1,
                size: box.width > 0 && box.height > 0}; }"""
        )
        if found["body"]:
            break
        seen.add(found["what"])
        assert found["outline"], found
        assert found["size"], found
    assert len(seen) > 20


def test_print_shows_drawings_and_no_controls(page: Page, site: Site) -> None:
    page.goto(f"{site.root}/7z/index.html", wait_until="load")
    unfold(page, "figures")
    wake(page)
    page.emulate_media(media="print")
    for figure in page.locator("figure[data-live]").all():
        expect(figure.locator("svg.ch")).to_be_visible()
        expect(figure.locator(".live")).not_to_be_visible()
    expect(page.locator("header nav")).not_to_be_visible()
    expect(page.locator(".tools, button.plain").locator("visible=true")).to_have_count(0)
    expect(page.locator("th button").first).to_be_visible()  # it holds the column's name


def test_a_lost_reader_finds_the_list_of_runs(page: Page, watch: Watch, site: Site) -> None:
    page.goto(f"{site.root}/404.html", wait_until="load")
    page.get_by_role("link", name="the list of all runs").click()
    expect(page.locator("h1")).to_contain_text("runs")
    assert watch.complaints == []
