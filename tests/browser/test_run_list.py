"""The list of runs in a real browser: ten thousand of them, on a phone, from disk, by keyboard."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from sitegen import resources
from sitegen.report import run_list
from sitegen.report.navigation import Site as Head
from sitegen.report.run_list import Line, Mark, Place
from sitegen.site.render import Renderer

if TYPE_CHECKING:
    from tests.browser.conftest import Site, Watch

pytestmark = pytest.mark.browser

MANY = 10_000
_FITS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
_BUSY = Mark("contention", "contention", "In 3 of 40 steps: steal up to 9%.")
_PLACES = (
    Place("host", "Host", "metal", "bare metal"),
    Place("cvm", "CVM", "cpu-tee", "TDX CPU TEE"),
)


def made(number: int) -> Line:
    """Return one of many runs: every hundredth was disturbed, every other is of a TEE."""
    day, hour, minute = number // 1440, number // 60 % 24, number % 60
    stamp = f"2026{1 + day:02}01t{hour:02}{minute:02}00z"
    llm = number % 4 == 0
    return Line(
        f"{stamp}-{'llm' if llm else 'fio'}-{'abcdefgh' if number % 3 else 'hgfedcba'}",
        f"2026-{1 + day:02}-01 {hour:02}:{minute:02}",
        "llm" if llm else "fio",
        "LLM serving" if llm else "Storage",
        _PLACES[number % 2],
        "Llama-3.1-8B" if llm else "",
        "standard, 3 workloads",
        f"{1 + number * 7 % MANY:,}",
        "tokens/s" if llm else "IOPS",
        1.0,
        "Output tokens a second" if llm else "Random read, 4 KiB",
        (_BUSY,) if number % 100 == 0 else (),
    )


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The list of ten thousand runs, as a build writes it, on disk."""
    folder, assets = tmp_path_factory.mktemp("long"), resources.assets()
    for name, content in assets.files.items():
        (folder / assets.folder).mkdir(parents=True, exist_ok=True)
        (folder / assets.folder / name).write_bytes(content)
    lines = [made(number) for number in range(MANY)]
    (folder / "runs").mkdir()
    shards = run_list.shards(lines)
    for path, content in shards.items():
        (folder / path).write_bytes(content)
    first = run_list.pages(lines, run_list.addresses(shards))[0]
    html = Renderer(Head("Many", "", (), ""), assets.folder).page("runs.html", "runs/", page=first)
    (folder / "runs/index.html").write_bytes(html)
    return folder


def opened(page: Page, folder: Path, state: str = "") -> Locator:
    """Open the list of ten thousand with this state, and return its rows."""
    page.goto(f"{(folder / 'runs/index.html').as_uri()}{state}", wait_until="load")
    return page.locator("#list tbody tr")


def choice(page: Page, name: str) -> Locator:
    return page.get_by_role("combobox", name=name, exact=True)


def test_the_list_is_whole_at_first_and_asks_for_no_data(
    page: Page, watch: Watch, long: Path
) -> None:
    expect(opened(page, long)).to_have_count(run_list.NEWEST)
    expect(page.locator(".finder output")).to_have_text("the newest 100 of 10,000 runs")
    assert not [url for url in watch.requests if "shard" in url]
    assert watch.complaints == []


def test_all_of_ten_thousand_runs_are_filtered_and_few_are_rows(
    page: Page, watch: Watch, long: Path
) -> None:
    rows = opened(page, long)
    choice(page, "Caveat").select_option("contention")
    expect(page.locator(".finder output")).to_have_text("100 of 10,000 runs")
    expect(rows).to_have_count(50)
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Page 2 of 2")).to_be_visible()
    expect(rows).to_have_count(50)
    expect(rows.last).to_contain_text("2026-01-01 00:00")
    assert page.locator("body *").count() < 2_000
    choice(page, "Environment").select_option("cvm")
    expect(page.locator(".finder output")).to_have_text("0 of 10,000 runs")
    page.get_by_role("button", name="Clear all").click()
    expect(rows).to_have_count(run_list.NEWEST)
    expect(page).to_have_url(re.compile("index.html$"))
    assert watch.complaints == []


def test_back_and_a_link_restore_what_was_chosen(page: Page, long: Path) -> None:
    rows = opened(page, long)
    choice(page, "Environment").select_option("cvm")
    expect(page.locator(".finder output")).to_have_text("5,000 of 10,000 runs")
    choice(page, "Benchmark").select_option("fio")
    page.get_by_label("Search the runs").fill("tdx 2026-03-01")
    expect(page.locator(".finder output")).to_have_text("720 of 10,000 runs")
    address = page.url
    page.go_back()
    expect(page.locator(".finder output")).to_have_text("5,000 of 10,000 runs")
    expect(choice(page, "Benchmark")).to_have_value("fio")
    page.go_back()
    expect(choice(page, "Benchmark")).to_have_value("")
    page.go_back()
    expect(rows).to_have_count(run_list.NEWEST)
    page.goto("about:blank")
    page.goto(address, wait_until="load")
    expect(page.locator(".finder output")).to_have_text("720 of 10,000 runs")
    expect(choice(page, "Environment")).to_have_value("cvm")
    expect(page.get_by_label("Search the runs")).to_have_value("tdx 2026-03-01")


def test_columns_sort_both_ways_and_results_as_numbers(page: Page, long: Path) -> None:
    rows = opened(page, long, "#benchmark=fio")
    values = rows.locator("td b")
    head = page.get_by_role("columnheader", name="Headline result")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(values.first).to_have_text(re.compile(r"^\d$"))
    rising = [int(text.replace(",", "")) for text in values.all_inner_texts()]
    assert rising == sorted(rising)
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    falling = [int(text.replace(",", "")) for text in values.all_inner_texts()]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] > 9_900
    choice(page, "Sort by").select_option("date")
    expect(rows.first).to_contain_text("2026-01-01 00:01")


def test_runs_with_caveats_come_first_when_sorted_by_them(page: Page, long: Path) -> None:
    rows = opened(page, long, "#sort=caveat&benchmark=llm&page=2")
    expect(rows.last).to_contain_text("contention")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Page 3 of 50")).to_be_visible()
    expect(rows.first).not_to_contain_text("contention")


@pytest.mark.parametrize(
    ("state", "found"),
    [("from=2026-07-01", "1,360"), ("to=2026-01-31", "1,440"), ("from=2027-01-01", "0"),
     ("from=2026-02-01&to=2026-02-01", "1,440"), ("caveat=none", "9,900"), ("caveat=any", "100")],
)  # fmt: skip
def test_dates_bound_what_is_found(page: Page, long: Path, state: str, found: str) -> None:
    opened(page, long, f"#{state}")
    expect(page.locator(".finder output")).to_have_text(f"{found} of 10,000 runs")


def test_a_phone_shows_each_run_as_a_block_with_its_link(page: Page, long: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for state in ("", "#caveat=contention&sort=-result"):
        rows = opened(page, long, state)
        expect(rows.first.get_by_role("link").first).to_be_visible()
        assert page.evaluate(_FITS) <= 0
        for row in rows.all()[:5]:
            box = row.get_by_role("link").first.bounding_box()
            assert box is not None
            assert box["x"] < 40
            assert box["height"] >= 24


def test_the_keyboard_alone_searches_and_sorts(page: Page, long: Path) -> None:
    rows = opened(page, long)
    page.get_by_label("Search the runs").focus()
    page.keyboard.type("contention llama")
    expect(page.locator(".finder output")).to_have_text("100 of 10,000 runs")
    page.get_by_role("columnheader", name="When").get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(rows.first).to_contain_text("2026-01-01 00:00")


def test_what_cannot_be_loaded_is_said(page: Page, long: Path, tmp_path: Path) -> None:
    shutil.copytree(long, tmp_path / "long")
    (tmp_path / "long/runs/shard-3.js").unlink()
    rows = opened(page, tmp_path / "long", "#q=llama")
    expect(page.locator(".finder output")).to_contain_text("could not be loaded")
    expect(rows).to_have_count(run_list.NEWEST)


@pytest.mark.parametrize("place", ["root", "path", "file"])
def test_a_row_out_of_the_data_is_as_the_page_has_it(
    page: Page, watch: Watch, site: Site, place: str
) -> None:
    page.goto(f"{site.base(place)}/runs/index.html", wait_until="load")
    rows = page.locator("#list tbody tr")
    told = "rows => rows.map(row => row.outerHTML.trim())"
    written = rows.evaluate_all(told)
    page.goto(f"{site.base(place)}/runs/index.html#page=1", wait_until="load")
    expect(page.locator(".finder output")).to_have_text(f"{len(written)} runs")
    assert rows.evaluate_all(told) == written[:50]  # a page of the script's has so many
    assert watch.complaints == []


def test_without_scripts_every_run_is_linked(browser: Browser, long: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto((long / "runs/index.html").as_uri())
    expect(plain.locator("#list tbody th a")).to_have_count(run_list.NEWEST)
    expect(plain.locator(".head:has(#further) ~ p a")).to_have_count(67)
    expect(plain.locator("button, input, select")).to_have_count(0)
    context.close()
