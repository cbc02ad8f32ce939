"""The search box in a real browser: from everywhere, by keyboard, on a phone."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from playwright.sync_api import Locator, Page, expect

from sitegen import config
from sitegen.site.build import build
from tests import site_checks as check

if TYPE_CHECKING:
    from tests.browser.conftest import Site, Watch

pytestmark = pytest.mark.browser

_FITS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def searched(page: Page, text: str) -> Locator:
    """Open the search by its key, type, and return what is found."""
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Search")).to_be_focused()
    page.keyboard.type(text)
    options = page.get_by_role("option")
    expect(options.last).to_contain_text("match")
    return options


@pytest.mark.parametrize("place", ["root", "path", "file"])
def test_the_kind_of_tee_finds_storage_and_llm_rows(
    page: Page, watch: Watch, site: Site, place: str
) -> None:
    base = site.base(place)
    page.goto(f"{base}/{site.long_run}", wait_until="load")
    assert not [url for url in watch.requests if "search" in url]
    options = searched(page, "tdx")
    kinds = " ".join(options.locator("span").all_inner_texts())
    assert {"environment", "measured", "claim", "runs"} <= set(kinds.split())
    searched_again = page.get_by_role("combobox")
    searched_again.fill("storage tdx")
    expect(options.filter(has_text="Storage on Lab CVM")).to_be_visible()
    options.filter(has_text="Storage on Lab CVM").click()
    expect(page).to_have_url(f"{base}/fio/index.html")
    assert watch.complaints == []


def test_arrows_and_enter_open_what_is_marked(page: Page, site: Site) -> None:
    page.goto(f"{site.base('file')}/index.html", wait_until="load")
    options = searched(page, "contention")
    box = page.get_by_role("combobox")
    expect(box).to_have_attribute("aria-expanded", "true")
    expect(options.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "false")
    marked = box.get_attribute("aria-activedescendant")
    expect(page.locator(f"#{marked}")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/methodology/index.html#contention$"))


def test_runs_that_match_open_in_their_list(page: Page, site: Site) -> None:
    page.goto(f"{site.root}/fio/index.html", wait_until="load")
    options = searched(page, "llm h100-tee")
    expect(options.last).to_contain_text("2 runs match")
    options.last.click()
    expect(page.get_by_label("Search the runs")).to_have_value("llm h100-tee")
    expect(page.locator(".finder output")).to_contain_text("2 of")
    expect(page.locator("#list tbody tr")).to_have_count(2)


def test_escape_closes_it_and_the_button_opens_it(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site.root}/index.html", wait_until="load")
    button = page.get_by_role("button", name="Search")
    button.click()
    box = page.get_by_role("combobox")
    expect(box).to_be_focused()
    box.fill("latency")
    expect(page.get_by_role("option").first).to_be_visible()
    assert page.evaluate(_FITS) <= 0
    page.keyboard.press("Escape")  # empties a search box in some browsers
    if box.is_visible():
        page.keyboard.press("Escape")
    expect(box).not_to_be_visible()
    expect(button).to_be_focused()


def test_the_key_types_where_a_reader_types(page: Page, site: Site) -> None:
    page.goto(f"{site.root}/runs/index.html", wait_until="load")
    field = page.get_by_label("Search the runs")
    field.focus()
    page.keyboard.type("a/b")
    expect(field).to_have_value("a/b")
    expect(page.get_by_role("combobox", name="Search pages")).to_have_count(0)


def test_what_is_found_is_text_and_never_markup(page: Page, site: Site) -> None:
    page.goto(f"{site.root}/index.html", wait_until="load")
    options = searched(page, "<img src=x>")
    expect(options).to_have_count(1)
    expect(options.locator("img")).to_have_count(0)


# A page that is not there


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A site under a path, on a server that answers what is absent as GitHub Pages does."""
    folder = tmp_path_factory.mktemp("lost")
    settled = check.report(folder, *check.three_a_side())
    build(replace(settled, base_url="https://example.org/x/y"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(settled))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/x/y"
    server.shutdown()
    server.server_close()
    thread.join()


def _handler(settled: config.Config) -> type[http.server.SimpleHTTPRequestHandler]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as its base
            super().__init__(*args, directory=str(settled.output), **options)

        def translate_path(self, path: str) -> str:
            # Nothing stands outside of the path.
            return super().translate_path(path[4:] if path.startswith("/x/y/") else "/absent")

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

        def send_error(self, code: int, *_: Any) -> None:  # noqa: ANN401 - as its base
            body = Path(settled.output, "404.html").read_bytes()
            self.send_response(code)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


@pytest.mark.parametrize("path", ["absent.html", "runs/absent/index.html", "a/b/c/d/e/"])
def test_a_page_that_is_not_there_is_styled_and_leads_on(page: Page, lost: str, path: str) -> None:
    answer = page.goto(f"{lost}/{path}", wait_until="load")
    assert answer is not None
    assert answer.status == HTTPStatus.NOT_FOUND
    expect(page.locator("h1")).to_have_text("There is no page at this address")
    assert page.locator("header nav").evaluate("e => getComputedStyle(e).display") == "flex"
    options = searched(page, "storage")
    options.first.click()
    expect(page).to_have_url(f"{lost}/fio/index.html")
