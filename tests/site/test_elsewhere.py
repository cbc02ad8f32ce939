"""What stands in other people's pages: drawn once, kept while it says the same, in its place."""

from __future__ import annotations

import html
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from sitegen import config
from sitegen.charts import card
from sitegen.site import elsewhere
from sitegen.site.build import Result, build
from tests import site_checks as check

HERE = "https://example.org/r"


def settled(folder: Path, *runs: Any) -> config.Config:  # noqa: ANN401 - runs
    return replace(check.report(folder, *runs), base_url=HERE)


def built(folder: Path, *runs: Any) -> Result:  # noqa: ANN401 - runs
    return build(settled(folder, *runs))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    built(folder, *check.three_a_side())
    return folder / "site"


def metas(site: Path, page: str) -> dict[str, str]:
    """Return what a page says of itself in its head, by name or property."""
    root = check.parse((site / page).read_text())
    found = {
        one.get("property") or one.get("name"): one.get("content")
        for one in root.findall("head/meta")
    }
    return {**found, "title": check.text_of(root.find("head/title"))}


def pages(site: Path) -> Iterator[tuple[str, dict[str, str]]]:
    for page in check.pages(site):
        if page != "404.html" and not page.startswith("data/embed/"):
            yield page, metas(site, page)


def test_every_page_has_a_picture_that_is_there(site: Path) -> None:
    for page, said in pages(site):
        place = said["og:image"].removeprefix(f"{HERE}/")
        assert (site / place).read_bytes()[:4] == b"\x89PNG", page
        size = (int(said["og:image:width"]), int(said["og:image:height"]))
        assert size == (card.WIDTH, card.HEIGHT)
        assert said["og:image:alt"].strip()
        assert said["twitter:card"] == "summary_large_image"
        assert said["og:url"] == f"{HERE}/{page.removesuffix('index.html')}"


def test_every_page_has_a_title_and_a_sentence_of_its_own(site: Path) -> None:
    titles = [said["title"] for _, said in pages(site)]
    assert len(set(titles)) == len(titles)
    for page, said in pages(site):
        assert 0 < len(said["title"]) <= 75, page
        assert said["title"] != "A small report", page
        assert " ".join(said["og:title"].split()) in said["title"]
        assert len(said["description"]) > len("A small report"), page
        assert said["og:description"] == said["description"]


def test_a_run_page_has_the_picture_of_its_benchmark(site: Path) -> None:
    said = {page: one["og:image"] for page, one in pages(site) if page.startswith("runs/2")}
    assert set(said.values()) == {f"{HERE}/data/cards/fio.png", f"{HERE}/data/cards/7z.png"}


def test_the_page_for_lost_readers_is_nobodys_address(site: Path) -> None:
    text = (site / "404.html").read_text()
    assert "canonical" not in text
    assert "og:" not in text
    assert 'content="noindex"' in text


def test_without_an_address_nothing_is_made_for_elsewhere(tmp_path: Path) -> None:
    check.built(tmp_path, *check.three_a_side())
    found = check.tree(tmp_path / "site")
    assert not [
        path for path in found if path.startswith(("data/cards/", "data/badges/", "data/embed/"))
    ]
    for page in check.pages(tmp_path / "site"):
        text = found[page].decode()
        assert "og:" not in text
        assert "ld+json" not in text
        assert "data/badges/" not in text
    assert "Copy as Markdown" in found["index.html"].decode()


def test_pictures_are_the_same_bytes_again_and_kept_while_they_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[card.Card] = []
    png = card.png

    def counted(one: card.Card) -> bytes:
        drawn.append(one)
        return png(one)

    monkeypatch.setattr(card, "png", counted)
    built(tmp_path / "grown", *check.three_a_side())
    first = len(drawn)
    assert len({*drawn}) == first
    # It belongs to another benchmark than the runs of storage, whose pictures stay as they are.
    newest = check.cited_run("cvm", 30_000.0, "30000")
    built(tmp_path / "grown", newest)
    again = drawn[first:]
    assert 0 < len(again) < first
    assert not [one.topic for one in again if one.topic.startswith("Storage")]
    built(tmp_path / "whole", *check.three_a_side(), newest)
    new, whole = check.tree(tmp_path / "grown/site"), check.tree(tmp_path / "whole/site")
    assert check.differing(new, whole) == []


def test_a_picture_that_is_gone_is_drawn_again(tmp_path: Path) -> None:
    runs = check.three_a_side()
    built(tmp_path, *runs)
    before = check.tree(tmp_path / "site")
    for place in ("data/cards/fio.png", "card.png", "data/badges/fio.svg"):
        (tmp_path / "site" / place).unlink()
    built(tmp_path)
    assert check.differing(before, check.tree(tmp_path / "site")) == []


def test_without_pillow_a_site_has_no_pictures_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "PIL" else found(name, *rest),
    )
    result = built(tmp_path, *check.three_a_side())
    assert [hint for hint in result.hints if "images" in hint] == [elsewhere.WITHOUT]
    site = tmp_path / "site"
    assert not (site / "data/cards").exists()
    for _, said in pages(site):
        assert said["twitter:card"] == "summary"
        assert "og:image" not in said
    assert (site / "data/badges/fio.svg").is_file()
    monkeypatch.undo()
    assert not [hint for hint in built(tmp_path).hints if "images" in hint]
    assert (site / "data/cards/fio.png").is_file()


def test_what_draws_is_loaded_only_where_something_is_drawn(tmp_path: Path) -> None:
    here = settled(tmp_path, *check.three_a_side())
    build(here)
    code = (
        "import sys; from pathlib import Path; from sitegen import config;"
        "from sitegen.site.build import build;"
        f"build(config.load(Path({str(tmp_path / 'sitegen.toml')!r}), base_url={HERE!r}));"
        "print('PIL.Image' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


def test_badges_say_the_number_and_stand_at_plain_addresses(site: Path) -> None:
    for place in ("data/badges/fio.svg", "data/badges/fio/cvm-against-vm.svg"):
        root = ET.fromstring((site / place).read_text())  # noqa: S314 - we wrote it
        assert root.get("role") == "img"
        assert "random reads" in (root.get("aria-label") or "")
    text = html.unescape((site / "fio/index.html").read_text())
    assert f"[![TDX · random reads]({HERE}/data/badges/fio.svg)]({HERE}/fio/)" in text


def test_a_chart_to_embed_is_a_small_page_with_its_source(site: Path) -> None:
    found = sorted((site / "data/embed/fio").glob("*.html"))
    charts = [path for path in found if "-against-" not in path.name]
    assert 0 < len(charts) <= 6
    for path in charts:
        root = check.parse(path.read_text())
        assert len(path.read_bytes()) < 12_000
        assert any("svg" in str(one.tag) for one in root.find(".//main").iter())
        assert list(root.iter("script")) == []
        assert any(a.get("href") == "../../../fio/index.html" for a in root.iter("a"))
        snippet = html.unescape((site / "fio/index.html").read_text())
        assert f'<iframe src="{HERE}/data/embed/fio/{path.name}"' in snippet


def test_a_comparison_is_a_small_page_with_its_own_picture(site: Path) -> None:
    for pair in ("cvm-against-vm", "cvm-against-host"):
        page = f"data/embed/fio/{pair}.html"
        said = metas(site, page)
        assert said["og:image"] == f"{HERE}/data/cards/fio/{pair}.png"
        assert said["og:url"] == f"{HERE}/{page}"
        assert (site / f"data/cards/fio/{pair}.png").is_file()
        root = check.parse((site / page).read_text())
        assert check.text_of(root.find(".//h1")) == " ".join(said["description"].split())
        links = [one.get("href") for one in root.iter("a")]
        assert f"../../../fio/index.html#{pair}" in links
        assert f'href="../{page}"' in (site / "fio/index.html").read_text()


def test_pages_tell_machines_of_their_data(site: Path) -> None:
    pages_with = ["index.html", "data/index.html", "fio/index.html"]
    pages_with += [page for page in check.pages(site) if page.startswith("runs/2")][:2]
    for page in pages_with:
        [script] = [
            one for one in check.parse((site / page).read_text()).iter("script")
            if one.get("type") == "application/ld+json"
        ]  # fmt: skip
        record = json.loads(script.text)
        assert record["@type"] == "Dataset", page
        assert record["dateModified"] in ("2025", "2026-03-01"), page
        for one in record["distribution"]:
            place = one["contentUrl"].removeprefix(f"{HERE}/")
            assert (site / place).is_file(), place


def test_the_feed_tells_the_result_the_place_and_the_caveats_under_lasting_ids(
    tmp_path: Path,
) -> None:
    runs = check.three_a_side()
    built(tmp_path, *runs)
    root = ET.fromstring((tmp_path / "site/feed.xml").read_bytes())  # noqa: S314 - we wrote it
    first = root.find("{*}entry")
    assert first is not None
    run = max((one for one in runs if "T" in one.started_at), key=lambda r: (r.started_at, r.id))
    assert first.findtext("{*}id") == f"tag:example.org,{run.started_at[:10]}:r/runs/{run.id}/"
    content = first.find("{*}content")
    assert content is not None
    assert content.get("type") == "html"
    assert content.text is not None
    assert check.parse(f"<!doctype html><title>x</title>{content.text}") is not None
    assert "IOPS" in content.text or "reads" in content.text
    assert "Storage" in content.text


def test_hostile_names_stay_text_wherever_they_are_shown(tmp_path: Path) -> None:
    evil = 'x"><script>alert(1)</script>]]> | `${1}` \\\\ {{7*7}} 测量 ' + "very long " * 60
    toml = check.TOML.replace('title = "CVM"', f"title = {json.dumps(evil)}")
    toml = toml.replace("A small report", json.dumps(evil)[1:-1])
    build(replace(check.report(tmp_path, *check.three_a_side(), toml=toml), base_url=HERE))
    site = tmp_path / "site"
    for page in check.pages(site):
        assert check.faults(site, page) == [], page
    for path in site.glob("data/badges/**/*.svg"):
        ET.fromstring(path.read_bytes())  # noqa: S314 - we wrote it
    ET.fromstring((site / "feed.xml").read_bytes())  # noqa: S314 - we wrote it
    assert len(list(site.glob("data/cards/**/*.png"))) > 3


def test_another_version_of_what_draws_draws_all_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(tmp_path, *check.three_a_side())
    pictures = len(list((tmp_path / "site").glob("**/*.png")))
    monkeypatch.setattr(card, "drawn_by", lambda: "another")
    monkeypatch.setattr(card, "png", lambda one: f"\x89PNG {one.topic}".encode())
    result = built(tmp_path)
    changed = list((tmp_path / "site").glob("**/*.png"))
    assert len(changed) == pictures
    assert all(path.stat().st_size < 200 for path in changed)
    assert not [one for one in result.hints if "images" in one]
