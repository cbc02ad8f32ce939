"""Copying, citing, badges, charts in other people's frames, and what machines are told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.sync_api import BrowserContext, Page, expect

from sitegen.site.build import build
from tests import site_checks as check
from tests.browser.conftest import Watch, served

pytestmark = pytest.mark.browser
HERE = "https://example.org/r"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A small report with an address: where it is served here, and its folder."""
    folder = tmp_path_factory.mktemp("share")
    build(replace(check.report(folder, *check.three_a_side()), base_url=HERE))
    with served(folder / "site") as root:
        yield root, folder / "site"


def pasted(page: Page) -> str:
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_the_finding_is_copied_as_markdown_and_as_a_link(
    place: tuple[str, Path], page: Page, context: BrowserContext, watch: Watch
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    for path, anchor in (("index.html", ""), ("fio/index.html", "#cvm-against-vm")):
        page.goto(f"{place[0]}/{path}")
        page.get_by_role("button", name="Copy as Markdown").first.click()
        expect(page.get_by_role("button", name="Copied").first).to_be_visible()
        text = pasted(page)
        assert text.startswith("TDX costs random reads ")
        assert "| --- |" in text
        assert text.endswith(f"<{HERE}/{path.removesuffix('index.html')}>")
        page.get_by_role("button", name="Copy link").nth(1 if anchor else 0).click()
        expect(page.get_by_role("button", name="Copied").nth(1)).to_be_visible()
        assert pasted(page) == f"{place[0]}/{path}{anchor}"
    assert watch.complaints == []


def test_where_nothing_can_be_copied_the_text_is_shown_and_selected(
    place: tuple[str, Path], page: Page
) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(f"{place[0]}/fio/index.html")
    page.get_by_role("button", name="Copy as Markdown").first.click()
    expect(page.get_by_role("button", name="Selected").first).to_be_visible()
    assert str(page.evaluate("getSelection().toString()")).startswith("TDX costs random reads ")


@pytest.mark.parametrize("width", [390, 1280])
def test_buttons_are_large_enough_and_nothing_is_wider_than_the_page(
    place: tuple[str, Path], page: Page, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for path in ("index.html", "fio/index.html", "environments/cvm/index.html"):
        page.goto(f"{place[0]}/{path}")
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        for button in page.get_by_role("button", name=re.compile("^Copy")).all():
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 24
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_page_can_be_cited_and_its_badge_is_seen(
    place: tuple[str, Path], page: Page, context: BrowserContext, watch: Watch
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{place[0]}/fio/index.html")
    cite = page.locator("details", has=page.locator("summary", has_text="Cite as"))
    expect(cite.locator("pre").first).to_be_hidden()
    cite.locator("summary").click()
    cite.get_by_role("button", name="Copy").last.click()
    expect(cite.get_by_role("button", name="Copied")).to_be_visible()
    assert pasted(page).startswith("@misc{")
    badges = page.locator("details", has=page.locator("summary", has_text="Badge"))
    badges.locator("summary").click()
    image = badges.locator("img").first
    expect(image).to_have_js_property("complete", value=True)
    assert int(image.evaluate("(one) => one.naturalWidth")) > 60
    assert watch.complaints == []


def test_a_chart_is_shown_in_a_frame_in_light_and_in_dark(
    place: tuple[str, Path], page: Page, watch: Watch
) -> None:
    root, folder = place
    path = min((folder / "data/embed/fio").glob("[!c]*.html")).relative_to(folder).as_posix()
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{root}/{path}")
        expect(page.locator("main svg.ch")).to_be_visible()
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert page.evaluate("document.scripts.length") == 0
    assert grounds[0] != grounds[1]
    framed = f'<!doctype html><iframe src="{root}/{path}" width="400" height="360"></iframe>'
    page.route(f"{root}/other.html", lambda asked: asked.fulfill(body=framed))
    page.goto(f"{root}/other.html")
    frame = page.frame_locator("iframe")
    expect(frame.locator("main svg.ch")).to_be_visible()
    source = frame.get_by_role("link", name=re.compile("Storage"))
    expect(source).to_be_visible()
    with page.expect_popup() as opened:
        source.click()
    expect(opened.value.get_by_role("heading", level=1)).to_be_visible()
    assert watch.complaints == []


@pytest.mark.parametrize("form", ["root", "file"])
def test_what_machines_are_told_is_data_that_the_policy_allows(
    place: tuple[str, Path], page: Page, watch: Watch, form: str
) -> None:
    root, folder = place
    run = next(folder.glob("runs/2*/index.html")).relative_to(folder).as_posix()
    refused = "window.refused = 0; addEventListener('securitypolicyviolation', () => refused++)"
    page.add_init_script(refused)
    for path in ("index.html", "data/index.html", "fio/index.html", run):
        page.goto(f"{root if form == 'root' else folder.as_uri()}/{path}")
        record = json.loads(
            page.locator("script[type='application/ld+json']").evaluate("(one) => one.textContent")
        )
        assert record["@type"] == "Dataset"
        assert page.evaluate("window.refused") == 0
    assert watch.complaints == []
